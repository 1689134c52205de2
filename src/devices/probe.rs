//! Asks V4L2 nodes what they are. Each on a thread of its own, as a driver may hold whoever asks.
//!
//! The crate `v4l` asks for formats, sizes, rates and controls. It knows neither inputs nor the timings
//! of digital video, and gives up on names that are no UTF-8: `v4l2r` asks for these. What digital video
//! timings say is a C union, which no crate reads for us without `unsafe`: a card that nobody
//! captures from is set to the mode that it receives, as whoever opens it next would do, and then says
//! size and rate by other calls. Only then do the sizes that it lists mean the signal, too.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::RawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustix::io::Errno;
use v4l::control::{Flags, Type, Value};
use v4l::format::FieldOrder;
use v4l::frameinterval::FrameIntervalEnum;
use v4l::framesize::FrameSizeEnum;
use v4l::video::Capture;
use v4l2r::bindings::{v4l2_dv_timings, v4l2_input};
use v4l2r::ioctl::{
    Capabilities, Capability, IntoErrno, QueryDvTimingsError, enuminput, query_dv_timings,
    querycap, s_dv_timings,
};

use crate::model::device::{
    Control, Format, FrameRate, FrameSize, Input, Problem, Signal, SizeRange, Timings,
};

/// More inputs than this no card has.
const MAX_INPUTS: usize = 32;
/// As many threads may wait for one node; who asks then is told that it hangs.
const MAX_WAITING: usize = 4;

/// Of `v4l2_input`, as the kernel numbers them.
const HAS_TIMINGS: u32 = 0x2;
const HAS_STANDARD: u32 = 0x4;
const NO_POWER_OR_SIGNAL: u32 = 0x3;

/// What a node that captures pictures says.
#[derive(Debug)]
pub struct Answer {
    pub card: String,
    pub driver: String,
    pub bus: String,
    pub inputs: Vec<Input>,
    pub input: Option<u32>,
    pub formats: Vec<Format>,
    pub timings: Option<Timings>,
    pub signal: Signal,
    pub controls: Vec<Control>,
}

/// What was answered: `None` by a node that captures no pictures.
pub type Answered = Result<Option<Answer>, Problem>;

/// Asks all at once, and waits for at most [`super::ANSWER`]. Those that somebody has open are left as they
/// are: what they are set to is his.
pub fn ask_all(nodes: Vec<PathBuf>, in_use: BTreeSet<PathBuf>) -> Vec<Answered> {
    ask_each(nodes, super::ANSWER, move |node| {
        ask(node, in_use.contains(node))
    })
}

/// The threads that wait for each node, of this process.
static WAITING: Mutex<BTreeMap<PathBuf, usize>> = Mutex::new(BTreeMap::new());

/// A thread that waits for a node.
struct Waiting(PathBuf);

impl Waiting {
    /// `None` where too many do already.
    fn begin(node: &Path) -> Option<Self> {
        let mut all = WAITING.lock();
        let count = all.entry(node.to_owned()).or_default();
        if *count >= MAX_WAITING {
            return None;
        }
        *count += 1;
        Some(Self(node.to_owned()))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut all = WAITING.lock();
        let left = all.get(&self.0).map_or(0, |count| count - 1);
        if left == 0 {
            all.remove(&self.0);
        } else {
            all.insert(self.0.clone(), left);
        }
    }
}

fn ask_each<T: Send + 'static>(
    nodes: Vec<PathBuf>,
    patience: Duration,
    ask: impl Fn(&Path) -> Result<T, Problem> + Clone + Send + 'static,
) -> Vec<Result<T, Problem>> {
    let deadline = Instant::now() + patience;
    let (sender, answers) = channel();
    let mut told: Vec<Option<Result<T, Problem>>> = nodes.iter().map(|_| None).collect();
    for (index, node) in nodes.into_iter().enumerate() {
        let Some(waiting) = Waiting::begin(&node) else {
            told[index] = Some(Err(Problem::Hangs));
            continue;
        };
        let (sender, ask) = (sender.clone(), ask.clone());
        let thread = std::thread::Builder::new().name("device".into());
        let begun = thread.spawn(move || {
            let waiting = waiting;
            // Whoever asked may wait no longer.
            let _ = sender.send((index, ask(&waiting.0)));
        });
        if let Err(error) = begun {
            told[index] = Some(Err(Problem::Other(error.to_string())));
        }
    }
    drop(sender);
    let unanswered = loop {
        match answers.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok((index, answer)) => told[index] = Some(answer),
            Err(RecvTimeoutError::Timeout) => break Problem::Hangs,
            // All have ended; who said nothing has ended in a panic.
            Err(RecvTimeoutError::Disconnected) => {
                break Problem::Other("its driver's answer is not understood".to_owned());
            }
        }
    };
    let told = told.into_iter();
    told.map(|answer| answer.unwrap_or_else(|| Err(unanswered.clone())))
        .collect()
}

fn ask(node: &Path, in_use: bool) -> Answered {
    let device = v4l::Device::with_path(node).map_err(|error| problem(&error))?;
    let handle = device.handle();
    let fd: RawFd = handle.fd();
    let caps: Capability = querycap(&fd).map_err(|error| of_errno(error.into_errno()))?;
    if !caps.device_caps().contains(Capabilities::VIDEO_CAPTURE) {
        return Ok(None);
    }
    let inputs = inputs(fd);
    let has_timings = |raw: &RawInput| raw.capabilities & HAS_TIMINGS != 0;
    let digital = inputs
        .iter()
        .any(has_timings)
        .then(|| adopt_timings(fd, in_use));
    let (signal, timings) = match (digital.flatten(), &inputs[..]) {
        (Some(signal), _) => (signal, timings(&device)),
        (None, [only]) => (signal_of_status(only.capabilities, only.status), None),
        // What the others say of themselves means nothing while another one is chosen.
        (None, _) => (Signal::Unknown, None),
    };
    Ok(Some(Answer {
        card: caps.card,
        driver: caps.driver,
        bus: caps.bus_info,
        // `v4l2r` 0.0.8 answers 0 whichever is chosen.
        input: (inputs.len() == 1).then_some(inputs[0].index),
        inputs: inputs.into_iter().map(RawInput::told).collect(),
        formats: formats(&device),
        timings,
        signal,
        controls: controls(&device),
    }))
}

/// What the kernel says of an input.
struct RawInput {
    index: u32,
    name: String,
    status: u32,
    capabilities: u32,
}

impl From<v4l2_input> for RawInput {
    fn from(raw: v4l2_input) -> Self {
        let end = raw.name.iter().position(|byte| *byte == 0);
        let name = &raw.name[..end.unwrap_or(raw.name.len())];
        Self {
            index: raw.index,
            name: String::from_utf8_lossy(name).into_owned(),
            status: raw.status,
            capabilities: raw.capabilities,
        }
    }
}

impl RawInput {
    fn told(self) -> Input {
        Input {
            index: self.index,
            name: self.name,
            has_timings: self.capabilities & HAS_TIMINGS != 0,
        }
    }
}

fn inputs(fd: RawFd) -> Vec<RawInput> {
    let all = (0..MAX_INPUTS).map_while(|index| enuminput(&fd, index).ok());
    all.collect()
}

/// Whether a signal comes in, by what an input without timings says of itself. Cameras and most USB
/// cards say nothing, which reads as if all were well.
fn signal_of_status(capabilities: u32, status: u32) -> Signal {
    if status & NO_POWER_OR_SIGNAL != 0 {
        Signal::None
    } else if status != 0 {
        Signal::Unstable
    } else if capabilities & HAS_STANDARD != 0 {
        Signal::Present
    } else {
        Signal::Unknown
    }
}

/// Whether a signal comes in; the card is set to it unless it is in use. `None` where the chosen input is
/// not a digital one.
fn adopt_timings(fd: RawFd, in_use: bool) -> Option<Signal> {
    Some(match query_dv_timings::<v4l2_dv_timings>(&fd) {
        Ok(timings) => {
            if !in_use {
                // Refused where somebody captures whom we may not see; it is set already then.
                let _ = s_dv_timings::<_, v4l2_dv_timings>(&fd, timings);
            }
            Signal::Present
        }
        Err(QueryDvTimingsError::NoLink) => Signal::None,
        Err(QueryDvTimingsError::UnstableSignal) => Signal::Unstable,
        Err(QueryDvTimingsError::Unsupported) => return None,
        Err(other) => match Errno::from_raw_os_error(other.into_errno()) {
            Errno::RANGE => Signal::Unsupported,
            _ => Signal::Unknown,
        },
    })
}

/// The mode that the card is set to.
fn timings(device: &v4l::Device) -> Option<Timings> {
    let format = Capture::format(device).ok()?;
    let interval = Capture::params(device).ok().map(|params| params.interval);
    Some(Timings {
        width: format.width,
        height: format.height,
        interlaced: !matches!(
            format.field_order,
            FieldOrder::Any | FieldOrder::Progressive
        ),
        rate: interval.and_then(|it| FrameRate::from_interval(it.numerator, it.denominator)),
    })
}

fn formats(device: &v4l::Device) -> Vec<Format> {
    let all = Capture::enum_formats(device).unwrap_or_default();
    let told = all.into_iter().map(|format| {
        let mut sizes = Vec::new();
        let mut range = None;
        for size in Capture::enum_framesizes(device, format.fourcc).unwrap_or_default() {
            match size.size {
                FrameSizeEnum::Discrete(size) => sizes.push(FrameSize {
                    width: size.width,
                    height: size.height,
                    rates: rates(device, format.fourcc, size.width, size.height),
                }),
                FrameSizeEnum::Stepwise(any) => {
                    range = Some(SizeRange {
                        smallest: (any.min_width, any.min_height),
                        largest: (any.max_width, any.max_height),
                        step: (any.step_width, any.step_height),
                    });
                }
            }
        }
        Format {
            fourcc: characters(format.fourcc.repr),
            compressed: format
                .flags
                .contains(v4l::format::description::Flags::COMPRESSED),
            description: format.description,
            sizes,
            range,
        }
    });
    told.collect()
}

/// The four characters; the highest bit says that the bytes are the other way round.
fn characters(mut fourcc: [u8; 4]) -> String {
    let is_big_endian = fourcc[3] & 0x80 != 0;
    fourcc[3] &= 0x7f;
    let mut text = String::from_utf8_lossy(&fourcc).into_owned();
    if is_big_endian {
        text += "-BE";
    }
    text
}

fn rates(device: &v4l::Device, fourcc: v4l::FourCC, width: u32, height: u32) -> Vec<FrameRate> {
    let all = Capture::enum_frameintervals(device, fourcc, width, height).unwrap_or_default();
    let mut rates = Vec::new();
    for interval in all {
        let of = |it: v4l::Fraction| FrameRate::from_interval(it.numerator, it.denominator);
        match interval.interval {
            FrameIntervalEnum::Discrete(one) => rates.extend(of(one)),
            // The shortest interval is the fastest rate.
            FrameIntervalEnum::Stepwise(any) => {
                rates.extend([any.min, any.max].into_iter().filter_map(of));
            }
        }
    }
    rates
}

/// What can be set, by numbers. The crate `v4l` panics at kinds of controls that it does not know; those
/// cards have none to show.
fn controls(device: &v4l::Device) -> Vec<Control> {
    let all = catch_unwind(AssertUnwindSafe(|| device.query_controls()));
    let Ok(Ok(all)) = all else {
        return Vec::new();
    };
    let numbers = all.into_iter().filter(|control| {
        let is_number = matches!(
            control.typ,
            Type::Integer | Type::Boolean | Type::Menu | Type::IntegerMenu
        );
        is_number
            && !control
                .flags
                .intersects(Flags::DISABLED | Flags::HAS_PAYLOAD)
    });
    let told = numbers.map(|control| Control {
        value: match device.control(control.id).map(|now| now.value) {
            Ok(Value::Integer(value)) => Some(value),
            Ok(Value::Boolean(value)) => Some(value.into()),
            _ => None,
        },
        id: control.id,
        name: control.name,
        minimum: control.minimum,
        maximum: control.maximum,
        default: control.default,
    });
    told.collect()
}

fn problem(error: &std::io::Error) -> Problem {
    match error.raw_os_error() {
        Some(code) => of_errno(code),
        None => Problem::Other(error.to_string()),
    }
}

fn of_errno(code: i32) -> Problem {
    match Errno::from_raw_os_error(code) {
        Errno::ACCESS | Errno::PERM => Problem::Denied,
        Errno::BUSY => Problem::Busy,
        Errno::NODEV | Errno::NXIO | Errno::NOENT => Problem::Gone,
        _ => Problem::Other(std::io::Error::from_raw_os_error(code).to_string()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn one_that_hangs_holds_up_nobody_for_long_and_not_again_and_again() {
        fn answers(node: &Path) -> Result<u32, Problem> {
            match node.to_str() {
                Some("/hangs") => loop {
                    std::thread::park();
                },
                Some("/panics") => panic!("as a crate that is told nonsense"),
                _ => Ok(7),
            }
        }
        let ask = |nodes: &[&str], patience| {
            let nodes = nodes.iter().map(PathBuf::from).collect();
            ask_each(nodes, Duration::from_millis(patience), answers)
        };
        for _ in 0..MAX_WAITING {
            let told = ask(&["/a", "/hangs", "/b"], 50);
            assert_eq!(told, [Ok(7), Err(Problem::Hangs), Ok(7)]);
        }
        // No further thread: the answer is there at once, however patient.
        let begun = Instant::now();
        assert_eq!(ask(&["/hangs", "/a"], 60_000), [Err(Problem::Hangs), Ok(7)]);
        assert!(begun.elapsed() < Duration::from_secs(10));
        let told = ask(&["/panics", "/a"], 60_000);
        assert!(matches!(told[..], [Err(Problem::Other(_)), Ok(7)]));
        assert!(!WAITING.lock().contains_key(Path::new("/panics")));
    }

    #[test]
    fn what_the_system_says_is_told_apart() {
        let said = |errno: Errno| of_errno(errno.raw_os_error());
        assert_eq!(said(Errno::ACCESS), Problem::Denied);
        assert_eq!(said(Errno::BUSY), Problem::Busy);
        assert_eq!(said(Errno::NODEV), Problem::Gone);
        assert!(matches!(said(Errno::IO), Problem::Other(_)));
        assert_eq!(
            ask(Path::new("/dev/video-none"), false).unwrap_err(),
            Problem::Gone
        );
        // No video device at all: it does not know the question.
        assert!(matches!(
            ask(Path::new("/dev/null"), false),
            Err(Problem::Other(_))
        ));
    }

    #[test]
    fn formats_are_called_as_v4l2_calls_them() {
        assert_eq!(characters(*b"YUYV"), "YUYV");
        assert_eq!(characters(*b"Y16 "), "Y16 ");
        assert_eq!(characters([b'X', b'R', b'1', b'5' | 0x80]), "XR15-BE");
    }

    #[test]
    fn a_card_that_says_nothing_of_its_signal_is_not_believed() {
        assert_eq!(signal_of_status(0, 0), Signal::Unknown);
        assert_eq!(signal_of_status(0, 2), Signal::None);
        assert_eq!(signal_of_status(HAS_STANDARD, 0), Signal::Present);
        assert_eq!(signal_of_status(HAS_STANDARD, 0x100), Signal::Unstable);
    }
}

//! One opened capture device: which inputs it has, what comes in, and how its pictures are read. Every
//! call may take as long as the driver likes: only the card's own thread makes them.
//!
//! (`v4l2src` renegotiates to 3840x2160 where the signal is lost, calls a signal without lock good,
//! and waits in the driver with the pipeline's state lock held. The streams of the `v4l` crate panic
//! where a driver refuses to stop one, and it knows neither inputs nor digital timings; what it does
//! know is asked of it.)

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use v4l::video::Capture;
use v4l2r::bindings::{self, v4l2_dv_timings, v4l2_format, v4l2_input, v4l2_streamparm};
use v4l2r::ioctl::{self, Capabilities, Capability, IntoErrno, QueryDvTimingsError};
use v4l2r::{Format, QueueType};

use crate::model::Pixels;
use crate::venue::{CaptureConfig, CardInput, FrameSize, Rate};

use super::cause::Cause;
use super::choice::{Bus, Mode, choose};
use super::offers;
use super::people;
use super::usb;

/// Capture through one plane, as all cards of today have it.
pub const QUEUE: QueueType = QueueType::VideoCapture;

/// Statuses of an input without anything coming in, and with something that cannot be followed.
const NO_SIGNAL: u32 = bindings::V4L2_IN_ST_NO_SIGNAL | bindings::V4L2_IN_ST_NO_POWER;
const NO_LOCK: u32 = bindings::V4L2_IN_ST_NO_H_LOCK | bindings::V4L2_IN_ST_NO_SYNC;

/// What went wrong, and how the system calls it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// For people.
    pub cause: Cause,
    /// For whoever repairs it.
    pub detail: String,
}

/// An opened device.
#[derive(Debug)]
pub struct Device {
    file: File,
    path: PathBuf,
    /// Tells it from every other card that may have its number next time.
    pub identity: String,
    input: Input,
    /// In `/sys`, where it is plugged in by USB.
    pub plug: Option<PathBuf>,
    /// It tells when what comes in changes.
    pub has_events: bool,
}

/// The input that is read.
#[derive(Debug, Clone, Default)]
struct Input {
    index: usize,
    name: String,
    has_timings: bool,
    /// There is no other.
    is_only: bool,
}

/// How its pictures come, from now on.
#[derive(Debug, Clone, PartialEq)]
pub struct Arrangement {
    /// How they are handed over.
    pub pixels: Pixels,
    /// Pixels across.
    pub width: u32,
    /// Pixels down; of a field, where fields come one by one.
    pub height: u32,
    /// Bytes from one line to the next; 0: nobody knows.
    pub stride: u32,
    /// Pictures a second, as the driver says; `None`: it does not.
    pub rate: Option<Rate>,
    /// What its numbers mean; `None`: nobody knows.
    pub colours: Option<&'static str>,
    /// Which lines a frame has.
    pub scan: Scan,
    /// At which input, for people; empty for a camera, which has but one.
    pub input: String,
    /// What comes in decides, not who reads it.
    pub follows_signal: bool,
}

/// Which lines a frame has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scan {
    /// All of a picture.
    #[default]
    Whole,
    /// Those of two half pictures.
    Woven,
    /// Those of a half picture: every second one.
    Alternate,
}

impl Arrangement {
    /// For people: `YUYV 1280x720 30 fps, HDMI 1, 720p60`.
    pub fn describe(&self) -> String {
        let rate = self
            .rate
            .map(|rate| (rate.as_f64() * 100.0).round() / 100.0);
        let lines = match self.scan {
            Scan::Alternate => self.height * 2,
            Scan::Whole | Scan::Woven => self.height,
        };
        let mut text = format!("{} {}x{lines}", self.pixels, self.width);
        if let Some(rate) = rate.filter(|_| !self.follows_signal) {
            text.push_str(&format!(" {rate} fps"));
        }
        if !self.input.is_empty() {
            text.push_str(&format!(", {}", self.input));
        }
        if self.follows_signal {
            let scan = match self.scan {
                Scan::Whole => "p",
                Scan::Woven | Scan::Alternate => "i",
            };
            let rate = rate.map_or(String::new(), |rate| rate.to_string());
            text.push_str(&format!(", {lines}{scan}{rate}"));
        }
        text
    }
}

impl Device {
    /// Opens the device, and its input.
    pub fn open(config: &CaptureConfig) -> Result<Self, Failure> {
        let path = &config.device;
        // Never waits for a frame: the thread that reads has to hear other things as well.
        let flags = rustix::fs::OFlags::NONBLOCK.bits() as i32;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(flags)
            .open(path)
            .map_err(|error| refused(path, error.raw_os_error(), "open"))?;
        let card: Capability = ioctl::querycap(&file).map_err(|error| {
            match refused(path, Some(error.into_errno()), "QUERYCAP") {
                // It knows nothing of video.
                Failure {
                    cause: Cause::Broken { .. },
                    detail,
                } => Failure {
                    cause: Cause::NoFormat { is_fixed: false },
                    detail,
                },
                failure => failure,
            }
        })?;
        let needed = Capabilities::VIDEO_CAPTURE | Capabilities::STREAMING;
        if !card.device_caps().contains(needed) {
            return Err(Failure {
                cause: Cause::NoFormat { is_fixed: false },
                detail: format!("{} ({}) captures no video", card.card, card.driver),
            });
        }
        let input = find_input(&file, config)?;
        let number = file.metadata().map(|data| data.rdev()).unwrap_or_default();
        let has_events = ioctl::subscribe_event(
            &file,
            ioctl::EventType::SourceChange(input.index as u32),
            ioctl::SubscribeEventFlags::empty(),
        )
        .is_ok();
        Ok(Self {
            file,
            path: path.clone(),
            identity: format!("{} {} {}", card.driver, card.card, card.bus_info),
            input,
            plug: usb::plug_of(number),
            has_events,
        })
    }

    /// For calls to the driver.
    pub fn file(&self) -> &File {
        &self.file
    }

    fn input_name(&self) -> String {
        self.input.name.clone()
    }

    /// Sets the card to what comes in, and decides how it is read. No stream runs meanwhile.
    pub fn arrange(&mut self, config: &CaptureConfig) -> Result<Arrangement, Failure> {
        let timings = self.signal()?;
        if let Some(timings) = timings {
            ioctl::s_dv_timings::<_, v4l2_dv_timings>(&self.file, timings)
                .map_err(|error| self.failed(error.into_errno(), "S_DV_TIMINGS"))?;
        }
        let bus = match &self.plug {
            Some(plug) => usb::speed(plug).map_or(Bus::WIDE, Bus::usb),
            None => Bus::WIDE,
        };
        let mut config = config.clone();
        if timings.is_some() {
            // It is what comes in, whatever anybody wishes.
            let now: Format = self.format()?;
            config.size = None;
            config.framerate = None;
            config.need = FrameSize {
                width: now.width,
                height: now.height,
            };
        }
        let is_fixed =
            config.format.is_some() || config.size.is_some() || config.framerate.is_some();
        let offers = offers::offers(&self.file, &config, timings.is_some());
        let mode = choose(&offers, &config, bus).ok_or_else(|| Failure {
            cause: Cause::NoFormat { is_fixed },
            detail: format!("it offers {offers:?}"),
        })?;
        let format = self.set(&mode)?;
        if &format.pixelformat.to_fourcc() != mode.pixels.fourcc() {
            return Err(Failure {
                cause: Cause::NoFormat { is_fixed },
                detail: format!("asked for {mode:?}, the driver answers {format:?}"),
            });
        }
        let seen = Seen::of(&config.device);
        Ok(Arrangement {
            pixels: mode.pixels,
            width: format.width,
            height: format.height,
            stride: format
                .plane_fmt
                .first()
                .map_or(0, |plane| plane.bytesperline),
            rate: seen.rate.or(mode.rate),
            colours: seen.colours,
            scan: seen.scan,
            input: if self.input.is_only && timings.is_none() {
                String::new()
            } else {
                self.input_name()
            },
            follows_signal: timings.is_some(),
        })
    }

    /// Whether something comes in that the card can take: its timings, where it has such.
    fn signal(&self) -> Result<Option<v4l2_dv_timings>, Failure> {
        let input = self.input_name();
        if self.input.has_timings {
            let refusal = match ioctl::query_dv_timings(&self.file) {
                Ok(timings) => return Ok(Some(timings)),
                // It has none after all.
                Err(QueryDvTimingsError::Unsupported) => return Ok(None),
                Err(error) => error,
            };
            let cause = match &refusal {
                QueryDvTimingsError::NoLink => Cause::NoSignal { input },
                QueryDvTimingsError::UnstableSignal => Cause::NoLock { input },
                QueryDvTimingsError::IoctlError(errno) if *errno as i32 == ERANGE => {
                    Cause::OutOfRange { input }
                }
                _ => return Err(self.failed(refusal.into_errno(), "QUERY_DV_TIMINGS")),
            };
            let detail = refusal.to_string();
            return Err(Failure { cause, detail });
        }
        let now = ioctl::enuminput::<v4l2_input>(&self.file, self.input.index);
        let status = now.map_or(0, |input| input.status);
        let cause = match (status & NO_SIGNAL, status & NO_LOCK) {
            (0, 0) => return Ok(None),
            (0, _) => Cause::NoLock { input },
            _ => Cause::NoSignal { input },
        };
        let detail = format!("the input's status is {status:#x}");
        Err(Failure { cause, detail })
    }

    /// Whether what comes in is still what a running stream was set to. Drivers refuse other timings
    /// while one runs, and take the same as nothing new.
    pub fn is_unchanged(&self) -> Result<bool, Failure> {
        let Some(timings) = self.signal()? else {
            return Ok(true);
        };
        let same = ioctl::s_dv_timings::<_, v4l2_dv_timings>(&self.file, timings);
        Ok(same.is_ok())
    }

    /// Whether its name stands for another device by now.
    pub fn is_another(&self) -> bool {
        use std::os::unix::fs::MetadataExt;
        let own = self.file.metadata().map(|own| own.rdev());
        let named = std::fs::metadata(&self.path).map(|named| named.rdev());
        matches!((own, named), (Ok(own), Ok(named)) if own != named)
    }

    /// Takes what the driver has to tell; whether it was anything.
    pub fn take_events(&self) -> bool {
        let mut any = false;
        while ioctl::dqevent::<AnyEvent>(&self.file).is_ok() {
            any = true;
        }
        any
    }

    fn format(&self) -> Result<Format, Failure> {
        ioctl::g_fmt(&self.file, QUEUE).map_err(|error| self.failed(error.into_errno(), "G_FMT"))
    }

    fn set(&mut self, mode: &Mode) -> Result<Format, Failure> {
        let pix = bindings::v4l2_pix_format {
            width: mode.width,
            height: mode.height,
            pixelformat: u32::from_le_bytes(*mode.pixels.fourcc()),
            field: bindings::v4l2_field_V4L2_FIELD_ANY,
            ..Default::default()
        };
        let wanted = v4l2_format {
            type_: QUEUE as u32,
            fmt: bindings::v4l2_format__bindgen_ty_1 { pix },
        };
        let format: Format = ioctl::s_fmt(&mut self.file, wanted)
            .map_err(|error| self.failed(error.into_errno(), "S_FMT"))?;
        if let Some(rate) = mode.rate {
            let capture = bindings::v4l2_captureparm {
                timeperframe: bindings::v4l2_fract {
                    numerator: rate.denominator,
                    denominator: rate.numerator,
                },
                ..Default::default()
            };
            let wanted = v4l2_streamparm {
                type_: QUEUE as u32,
                parm: bindings::v4l2_streamparm__bindgen_ty_1 { capture },
            };
            // A driver that cannot be told gives what it gives.
            let _ = ioctl::s_parm::<_, Ignored>(&self.file, wanted);
        }
        Ok(format)
    }

    /// What the system's number means here.
    pub fn failed(&self, errno: i32, what: &str) -> Failure {
        let cause = match errno {
            ERANGE => Cause::OutOfRange {
                input: self.input_name(),
            },
            ENOLINK => Cause::NoSignal {
                input: self.input_name(),
            },
            ENOLCK => Cause::NoLock {
                input: self.input_name(),
            },
            _ => return refused(&self.path, Some(errno), what),
        };
        Failure {
            cause,
            detail: format!("{what}: {}", std::io::Error::from_raw_os_error(errno)),
        }
    }
}

const ERANGE: i32 = rustix::io::Errno::RANGE.raw_os_error();
const ENOLINK: i32 = rustix::io::Errno::NOLINK.raw_os_error();
const ENOLCK: i32 = rustix::io::Errno::NOLCK.raw_os_error();

/// An event of which only that it came is of interest.
struct AnyEvent;

impl From<bindings::v4l2_event> for AnyEvent {
    fn from(_: bindings::v4l2_event) -> Self {
        Self
    }
}

/// An answer that nobody reads.
struct Ignored;

impl From<v4l2_streamparm> for Ignored {
    fn from(_: v4l2_streamparm) -> Self {
        Self
    }
}

/// What is seen of a device by opening it once more.
#[derive(Default)]
struct Seen {
    colours: Option<&'static str>,
    rate: Option<Rate>,
    scan: Scan,
}

impl Seen {
    /// Nothing is known of a device that nobody else may open, or whose driver says what the crate
    /// does not know: it takes such for a bug, and panics.
    fn of(path: &Path) -> Self {
        let path = path.to_owned();
        let look = move || {
            let device = v4l::Device::with_path(path).ok()?;
            Some((device.format().ok()?, device.params().ok()))
        };
        let Some((format, parameters)) = catch_unwind(look).ok().flatten() else {
            return Self::default();
        };
        use v4l::format::FieldOrder;
        Self {
            colours: colours(&format),
            rate: parameters.and_then(|parameters| {
                offers::rate(
                    parameters.interval.denominator,
                    parameters.interval.numerator,
                )
            }),
            scan: match format.field_order {
                FieldOrder::Progressive | FieldOrder::Any => Scan::Whole,
                FieldOrder::Alternate | FieldOrder::Top | FieldOrder::Bottom => Scan::Alternate,
                _ => Scan::Woven,
            },
        }
    }
}

/// V4L2's colours in GStreamer's words: range, matrix, and two that do not matter here.
fn colours(format: &v4l::Format) -> Option<&'static str> {
    use v4l::format::{Colorspace, Quantization};
    let is_full = match format.quantization {
        Quantization::FullRange => true,
        Quantization::LimitedRange => false,
        Quantization::Default => matches!(format.colorspace, Colorspace::JPEG),
    };
    Some(match (format.colorspace, is_full) {
        (Colorspace::Default | Colorspace::RAW, _) => return None,
        (Colorspace::Rec709 | Colorspace::DCIP3, false) => "2:3:5:1",
        (Colorspace::Rec709 | Colorspace::DCIP3, true) => "1:3:5:1",
        (Colorspace::Rec2020, false) => "2:6:13:7",
        (Colorspace::Rec2020, true) => "1:6:13:7",
        (Colorspace::SMPTE240M, false) => "2:5:11:5",
        (Colorspace::SMPTE240M, true) => "1:5:11:5",
        (_, false) => "2:4:16:4",
        (_, true) => "1:4:16:4",
    })
}

fn find_input(file: &File, config: &CaptureConfig) -> Result<Input, Failure> {
    let all: Vec<Input> = (0..64)
        .map_while(|index| ioctl::enuminput::<v4l2_input>(file, index).ok())
        .map(|input| Input {
            index: input.index as usize,
            name: text(&input.name),
            has_timings: input.capabilities & bindings::V4L2_IN_CAP_DV_TIMINGS != 0,
            is_only: false,
        })
        .collect();
    let is_only = all.len() == 1;
    let found = match &config.input {
        // A driver without inputs has one all the same.
        None if all.is_empty() => return Ok(Input::default()),
        // Another program may have left the card at another one.
        None => all.first(),
        Some(CardInput::Number(number)) => all.iter().find(|input| input.index == *number as usize),
        Some(CardInput::Name(name)) => {
            let is_it = |input: &&Input| input.name.eq_ignore_ascii_case(name);
            all.iter().find(is_it)
        }
    };
    let Some(found) = found else {
        let names: Vec<&str> = all.iter().map(|input| input.name.as_str()).collect();
        return Err(Failure {
            cause: Cause::NoInput {
                input: match &config.input {
                    Some(CardInput::Name(name)) => name.clone(),
                    Some(CardInput::Number(number)) => number.to_string(),
                    None => String::new(),
                },
                inputs: names.join(", "),
            },
            detail: String::new(),
        });
    };
    // Not asked first: `v4l2r` 0.0.6 answers 0 whichever is chosen.
    if !is_only {
        ioctl::s_input(file, found.index)
            .map_err(|error| refused(&config.device, Some(error.into_errno()), "S_INPUT"))?;
    }
    Ok(Input {
        is_only,
        ..found.clone()
    })
}

fn text(letters: &[u8]) -> String {
    let end = letters.iter().position(|letter| *letter == 0);
    let letters = &letters[..end.unwrap_or(letters.len())];
    String::from_utf8_lossy(letters).trim().to_owned()
}

fn refused(path: &Path, errno: Option<i32>, what: &str) -> Failure {
    use rustix::io::Errno;
    let errno = errno.map_or(Errno::IO, Errno::from_raw_os_error);
    let cause = match errno {
        Errno::ACCESS | Errno::PERM => Cause::Denied {
            user: people::user(),
            group: people::group_of(path),
        },
        Errno::BUSY => Cause::Busy {
            program: people::holder_of(path),
        },
        other => cause_of(other.raw_os_error()),
    };
    Failure {
        cause,
        detail: format!("{what} {}: {errno}", path.display()),
    }
}

fn cause_of(errno: i32) -> Cause {
    use rustix::io::Errno;
    match Errno::from_raw_os_error(errno) {
        Errno::NOENT | Errno::NODEV | Errno::NXIO => Cause::Gone,
        Errno::NOSPC => Cause::NoRoom,
        errno => Cause::Broken {
            reason: reason(errno),
        },
    }
}

/// In the system's words, without its number.
fn reason(errno: rustix::io::Errno) -> String {
    let said = std::io::Error::from(errno).to_string();
    said.split(" (os error").next().unwrap_or(&said).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_in_is_described() {
        let mut card = Arrangement {
            pixels: Pixels::Yuyv,
            width: 1280,
            height: 720,
            stride: 2560,
            rate: offers::rate(30, 1),
            colours: None,
            scan: Scan::Whole,
            input: String::new(),
            follows_signal: false,
        };
        assert_eq!(card.describe(), "YUYV 1280x720 30 fps");
        card.input = "HDMI 1".to_owned();
        card.follows_signal = true;
        card.rate = offers::rate(60_000, 1001);
        assert_eq!(card.describe(), "YUYV 1280x720, HDMI 1, 720p59.94");
        (card.width, card.height, card.scan) = (1920, 540, Scan::Alternate);
        card.rate = offers::rate(25, 1);
        assert_eq!(card.describe(), "YUYV 1920x1080, HDMI 1, 1080i25");
    }

    #[test]
    fn what_the_system_refuses_has_its_cause() {
        let nowhere = Path::new("/dev/regie/video/nowhere");
        let cause =
            |errno: rustix::io::Errno| refused(nowhere, Some(errno.raw_os_error()), "open").cause;
        use rustix::io::Errno;
        assert_eq!(cause(Errno::NOENT), Cause::Gone);
        assert_eq!(cause(Errno::NODEV), Cause::Gone);
        assert_eq!(cause(Errno::NOSPC), Cause::NoRoom);
        assert!(matches!(cause(Errno::BUSY), Cause::Busy { .. }));
        assert!(matches!(cause(Errno::ACCESS), Cause::Denied { .. }));
        let broken = Cause::Broken {
            reason: "Input/output error".to_owned(),
        };
        assert_eq!(cause(Errno::IO), broken);
        // A device that is none.
        let config = CaptureConfig {
            device: "/dev/null".into(),
            input: None,
            format: None,
            size: None,
            framerate: None,
            need: FrameSize {
                width: 64,
                height: 64,
            },
            programme_rate: Rate {
                numerator: 30,
                denominator: 1,
            },
        };
        let failure = Device::open(&config).expect_err("no card");
        assert_eq!(failure.cause, Cause::NoFormat { is_fixed: false });
    }
}

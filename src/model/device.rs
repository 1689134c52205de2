//! Capture cards and audio inputs as they are found: what they are called, what they offer, and
//! whether something comes in. Pure data.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Everything that can be captured from on this machine.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Inventory {
    /// Capture cards and cameras, in the order of their nodes.
    pub video: Vec<Device>,
    /// Audio inputs, in the order of their cards.
    pub audio: Vec<AudioInput>,
}

/// A capture card, or a camera: one V4L2 node that captures pictures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Device {
    /// Where it is at this moment, as `/dev/video0`. The number moves from one start to the next.
    pub node: PathBuf,
    /// Its names that stay, the best first: for the venue file. None where udev knows none.
    pub links: Vec<PathBuf>,
    /// What the card calls itself, or what udev knows of it where it does not answer.
    pub card: String,
    /// Of the kernel, as `uvcvideo`.
    pub driver: String,
    /// Where it is plugged in, as the driver says it: `usb-0000:00:14.0-2`.
    pub bus: String,
    /// How fast its USB port and it can speak, in megabits per second: 480 is USB 2. `None`: not by USB.
    pub usb_megabits: Option<u32>,
    /// Its sockets.
    pub inputs: Vec<Input>,
    /// The index of the socket that is chosen at this moment; `None` where there are several and the card
    /// was not asked which.
    pub input: Option<u32>,
    /// What it can send, in the card's own order.
    pub formats: Vec<Format>,
    /// The mode that an HDMI or SDI socket is set to: that of the signal, where there is one and the
    /// card was not in use.
    pub timings: Option<Timings>,
    /// Whether something comes in.
    pub signal: Signal,
    /// What can be set, such as brightness; none where the card does not say.
    pub controls: Vec<Control>,
    /// Programs that have it open, as far as this user may see.
    pub used_by: Vec<User>,
    /// Why it could not be asked; what the fields above say is then what udev knows.
    pub problem: Option<Problem>,
}

impl Device {
    /// What a venue file should call it: the best name that stays, or where it is where there is none.
    pub fn name(&self) -> &PathBuf {
        self.links.first().unwrap_or(&self.node)
    }
}

/// A socket of a card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// How the card counts it.
    pub index: u32,
    /// What the card calls it, as `HDMI 0`.
    pub name: String,
    /// Whether what is plugged into it decides the size and the rate: HDMI, SDI, DVI.
    pub has_timings: bool,
}

/// A pixel format with its sizes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Format {
    /// The four characters that V4L2 calls it by: `YUYV`, `MJPG`, `NV12`.
    pub fourcc: String,
    /// For people, as the kernel says it.
    pub description: String,
    /// Whether it has to be decoded.
    pub compressed: bool,
    /// Each size with its rates; empty where any in `range` will do.
    pub sizes: Vec<FrameSize>,
    /// Cards that scale: the smallest and the largest size, and the steps between.
    pub range: Option<SizeRange>,
}

/// A size with its rates, the card's order kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameSize {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Frames per second. Of a card that takes any within limits: the fastest and the slowest.
    pub rates: Vec<FrameRate>,
}

/// Any size within limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SizeRange {
    /// Width and height, in pixels.
    pub smallest: (u32, u32),
    /// Width and height, in pixels.
    pub largest: (u32, u32),
    /// Of width and height, in pixels.
    pub step: (u32, u32),
}

/// Frames per second, as the card says it: `30`, `30000/1001`; on the wire as that text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FrameRate {
    /// Frames …
    pub numerator: u32,
    /// … in so many seconds. Never 0.
    pub denominator: u32,
}

impl FrameRate {
    /// From the time that a frame takes, in seconds as a fraction; `None` where it takes none.
    pub fn from_interval(numerator: u32, denominator: u32) -> Option<Self> {
        if numerator == 0 || denominator == 0 {
            return None;
        }
        let common = greatest_common_divisor(numerator, denominator);
        Some(Self {
            numerator: denominator / common,
            denominator: numerator / common,
        })
    }

    /// Frames per second.
    pub fn as_f64(&self) -> f64 {
        f64::from(self.numerator) / f64::from(self.denominator)
    }

    /// As people say it: `60`, `59.94`.
    pub fn decimal(&self) -> String {
        let text = format!("{:.2}", self.as_f64());
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 {
        a
    } else {
        greatest_common_divisor(b, a % b)
    }
}

impl fmt::Display for FrameRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.denominator {
            1 => write!(f, "{}", self.numerator),
            denominator => write!(f, "{}/{denominator}", self.numerator),
        }
    }
}

impl From<FrameRate> for String {
    fn from(rate: FrameRate) -> Self {
        rate.to_string()
    }
}

impl TryFrom<String> for FrameRate {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (numerator, denominator) = text.split_once('/').unwrap_or((&text, "1"));
        let parsed = numerator.parse().ok().zip(denominator.parse().ok());
        parsed
            .filter(|(_, denominator)| *denominator > 0)
            .map(|(numerator, denominator)| Self {
                numerator,
                denominator,
            })
            .ok_or_else(|| format!("{text:?} is no rate"))
    }
}

/// The mode of a digital video socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timings {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Whether a picture comes as two fields.
    pub interlaced: bool,
    /// Frames per second; `None` where the card does not say.
    pub rate: Option<FrameRate>,
}

impl fmt::Display for Timings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scan = if self.interlaced { 'i' } else { 'p' };
        write!(f, "{}x{}{scan}", self.width, self.height)?;
        match self.rate {
            Some(rate) => f.write_str(&rate.decimal()),
            None => Ok(()),
        }
    }
}

/// Whether something comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Signal {
    /// The card has locked on to a signal.
    Present,
    /// Nothing is plugged in, or it is off.
    None,
    /// Something comes in, and the card cannot lock on to it.
    Unstable,
    /// The card knows the signal, and does not take its mode.
    Unsupported,
    /// The card does not tell: most USB cards and all cameras; or it could not be asked.
    Unknown,
}

/// Something that can be set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Control {
    /// As V4L2 counts it.
    pub id: u32,
    /// For people, as the driver says it.
    pub name: String,
    /// The least that it takes.
    pub minimum: i64,
    /// The most that it takes.
    pub maximum: i64,
    /// What it is at the start.
    pub default: i64,
    /// What it is now; `None` where it cannot be read.
    pub value: Option<i64>,
}

/// A program that has a device open.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct User {
    /// Its process.
    pub pid: u32,
    /// Its name, cut at 15 characters as the kernel keeps it.
    pub program: String,
}

/// Why a device could not be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Problem {
    /// This user may not open it.
    Denied,
    /// Somebody has it for himself alone.
    Busy,
    /// It was unplugged meanwhile.
    Gone,
    /// It does not answer.
    Hangs,
    /// Something else, in the system's words.
    Other(String),
}

/// An audio input: one capture device of an ALSA card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AudioInput {
    /// What ALSA calls it for as long as the card's own name is unique: `hw:CARD=Loopback,DEV=1`.
    pub name: String,
    /// Names of its card that stay, the best first; none where udev knows none.
    pub links: Vec<PathBuf>,
    /// What the card calls itself.
    pub card: String,
    /// What the card calls this input.
    pub label: String,
    /// Of the kernel, as `USB-Audio`.
    pub driver: String,
    /// Programs that have it open, as far as this user may see.
    pub used_by: Vec<User>,
}

/// A device that has come or gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plug {
    /// What it is.
    pub kind: PlugKind,
    /// `/dev/video0`, or `/dev/snd/controlC1` of a card's audio.
    pub node: PathBuf,
    /// Its names that stay, the best first.
    pub links: Vec<PathBuf>,
    /// What udev calls it.
    pub card: String,
}

/// What has come or gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlugKind {
    /// A capture card or a camera.
    Video,
    /// A sound card with an input.
    Audio,
}

/// Devices come and go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "kebab-case")]
pub enum Change {
    /// It was there when the watching began.
    Present {
        /// Which.
        device: Plug,
    },
    /// It can be opened from now on; or its names are others from now on.
    Arrived {
        /// Which.
        device: Plug,
    },
    /// It is gone.
    Left {
        /// Which, as it was.
        device: Plug,
    },
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn rate(text: &str) -> FrameRate {
        FrameRate::try_from(text.to_owned()).unwrap()
    }

    #[test]
    fn rates_are_what_intervals_are_not() {
        let of = |numerator, denominator| FrameRate::from_interval(numerator, denominator);
        assert_eq!(of(1, 30), Some(rate("30")));
        assert_eq!(of(1001, 30000), Some(rate("30000/1001")));
        assert_eq!(
            of(333_333, 10_000_000).unwrap().to_string(),
            "10000000/333333"
        );
        assert_eq!(of(400_000, 10_000_000), Some(rate("25")));
        assert_eq!((of(0, 1), of(1, 0)), (None, None));
        for wrong in ["", "0/0", "a", "30/", "-1"] {
            assert!(FrameRate::try_from(wrong.to_owned()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn modes_read_as_people_say_them() {
        let mode = |interlaced, rate| Timings {
            width: 1920,
            height: 1080,
            interlaced,
            rate,
        };
        assert_eq!(mode(false, Some(rate("60"))).to_string(), "1920x1080p60");
        let slow = rate("60000/1001");
        assert_eq!(mode(false, Some(slow)).to_string(), "1920x1080p59.94");
        assert_eq!(mode(true, Some(rate("25"))).to_string(), "1920x1080i25");
        assert_eq!(mode(true, None).to_string(), "1920x1080i");
    }
}

//! The value types of the venue file: frame size, frame rate, bit rate, encoder, and the readers
//! of durations and decibels. Each is written as text, says what it accepts, and is pure.
//!
//! Numbers are read as exact decimals, never through floating point: "4.5M" is 4500000.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A text that is not such a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} {problem}; accepted: {accepted}")]
pub struct Unfit {
    /// What was written.
    pub text: String,
    /// What is wrong with it, as the rest of a sentence: `is not a size`.
    pub problem: &'static str,
    /// What would be right.
    pub accepted: &'static str,
}

impl Unfit {
    fn new(text: &str, problem: &'static str, accepted: &'static str) -> Self {
        Self {
            text: text.to_owned(),
            problem,
            accepted,
        }
    }
}

/// Serde by way of `Display` and `FromStr`, so that a value has one spelling everywhere.
macro_rules! text_serde {
    ($name:ident) => {
        impl TryFrom<String> for $name {
            type Error = Unfit;

            fn try_from(text: String) -> Result<Self, Unfit> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> String {
                value.to_string()
            }
        }
    };
}

/// A picture's size in pixels, both even: pictures are 4:2:0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FrameSize {
    /// 64 to 7680.
    pub width: u32,
    /// 64 to 4320.
    pub height: u32,
}

text_serde!(FrameSize);

impl FrameSize {
    /// What is accepted, as told to people.
    pub const ACCEPTED: &'static str =
        "pixels as \"1920x1080\", both even, 64 to 7680 wide and 64 to 4320 high";
}

impl FromStr for FrameSize {
    type Err = Unfit;

    fn from_str(text: &str) -> Result<Self, Unfit> {
        let unfit = |problem| Unfit::new(text, problem, Self::ACCEPTED);
        let (width, height) = text
            .split_once('x')
            .and_then(|(width, height)| Some((whole(width)?, whole(height)?)))
            .ok_or_else(|| unfit("is not a size"))?;
        if !(64..=7680).contains(&width) || !(64..=4320).contains(&height) {
            return Err(unfit("is out of range"));
        }
        if width % 2 != 0 || height % 2 != 0 {
            return Err(unfit("has an odd side"));
        }
        Ok(Self { width, height })
    }
}

impl fmt::Display for FrameSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

/// Frames per second as a reduced fraction, 1 to 120.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "RateText", into = "String")]
pub struct Rate {
    /// Frames …
    pub numerator: u32,
    /// … in so many seconds. Never 0.
    pub denominator: u32,
}

/// A rate as people write it: `framerate = 30` is as clear as `"30"`.
#[derive(Deserialize)]
#[serde(untagged)]
enum RateText {
    Number(u32),
    Text(String),
}

impl TryFrom<RateText> for Rate {
    type Error = Unfit;

    fn try_from(text: RateText) -> Result<Self, Unfit> {
        match text {
            RateText::Number(number) => number.to_string().parse(),
            RateText::Text(text) => text.parse(),
        }
    }
}

impl From<Rate> for String {
    fn from(rate: Rate) -> String {
        rate.to_string()
    }
}

impl Rate {
    /// What is accepted, as told to people.
    pub const ACCEPTED: &'static str =
        "frames per second as \"25\", \"30\", \"60\" or \"30000/1001\", 1 to 120";

    /// How long one frame is shown, to the nearest nanosecond.
    pub fn frame_duration(&self) -> Duration {
        let (numerator, denominator) = (u64::from(self.numerator), u64::from(self.denominator));
        Duration::from_nanos((1_000_000_000 * denominator + numerator / 2) / numerator)
    }

    /// Frames per second.
    pub fn as_f64(&self) -> f64 {
        f64::from(self.numerator) / f64::from(self.denominator)
    }
}

impl FromStr for Rate {
    type Err = Unfit;

    fn from_str(text: &str) -> Result<Self, Unfit> {
        let unfit = |problem| Unfit::new(text, problem, Self::ACCEPTED);
        let (numerator, denominator) = text.split_once('/').unwrap_or((text, "1"));
        let (Some(numerator), Some(denominator)) = (whole(numerator), whole(denominator)) else {
            return Err(unfit("is not a frame rate"));
        };
        // Compared in u64: 120 times a denominator may leave u32.
        if denominator == 0
            || numerator < denominator
            || u64::from(numerator) > 120 * u64::from(denominator)
        {
            return Err(unfit("is out of range"));
        }
        let divisor = common_divisor(numerator, denominator);
        Ok(Self {
            numerator: numerator / divisor,
            denominator: denominator / divisor,
        })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.denominator == 1 {
            write!(f, "{}", self.numerator)
        } else {
            write!(f, "{}/{}", self.numerator, self.denominator)
        }
    }
}

/// Bits per second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BitRate(u32);

text_serde!(BitRate);

impl BitRate {
    /// What is accepted, as told to people.
    pub const ACCEPTED: &'static str = "bits per second as \"4500k\", \"4.5M\" or \"160000\"";

    /// So many thousand bits per second.
    pub const fn kilobits(thousands: u32) -> Self {
        Self(thousands * 1000)
    }

    /// Bits per second as a number.
    pub const fn bits_per_second(self) -> u32 {
        self.0
    }
}

impl FromStr for BitRate {
    type Err = Unfit;

    fn from_str(text: &str) -> Result<Self, Unfit> {
        let (number, unit) = split_unit(text);
        let scale = match unit {
            "" => Some(1),
            "k" | "K" => Some(1_000),
            "M" => Some(1_000_000),
            _ => None,
        };
        scale
            .and_then(|scale| decimal(number, scale))
            .and_then(|bits| u32::try_from(bits).ok())
            .map(Self)
            .ok_or_else(|| Unfit::new(text, "is not a bit rate", Self::ACCEPTED))
    }
}

impl fmt::Display for BitRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 >= 1000 && self.0.is_multiple_of(1000) {
            write!(f, "{}k", self.0 / 1000)
        } else {
            write!(f, "{}", self.0)
        }
    }
}

/// Which encoder makes the H.264 of the programme.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EncoderChoice {
    /// The best that works on this machine.
    #[default]
    Auto,
    /// NVIDIA's.
    Nvenc,
    /// Intel's and AMD's, through VA-API.
    Vaapi,
    /// Intel's, through Quick Sync.
    Qsv,
    /// A memory-to-memory device of the kernel, as small boards have it.
    V4l2,
    /// Software.
    X264,
}

impl EncoderChoice {
    /// What is accepted, as told to people.
    pub const ACCEPTED: &'static str = "auto, nvenc, vaapi, qsv, v4l2, x264";

    const ALL: [Self; 6] = [
        Self::Auto,
        Self::Nvenc,
        Self::Vaapi,
        Self::Qsv,
        Self::V4l2,
        Self::X264,
    ];

    /// The word in the venue file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Nvenc => "nvenc",
            Self::Vaapi => "vaapi",
            Self::Qsv => "qsv",
            Self::V4l2 => "v4l2",
            Self::X264 => "x264",
        }
    }
}

impl FromStr for EncoderChoice {
    type Err = Unfit;

    fn from_str(text: &str) -> Result<Self, Unfit> {
        Self::ALL
            .into_iter()
            .find(|choice| choice.name() == text)
            .ok_or_else(|| Unfit::new(text, "is not known", Self::ACCEPTED))
    }
}

impl fmt::Display for EncoderChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What [`duration`] accepts, as told to people.
pub const DURATION_ACCEPTED: &str = "a time as \"2s\", \"1.5s\", \"500ms\" or \"1m\"";

/// Reads a duration. The unit must be there: nobody should have to guess what `delay = "40"` is.
pub fn duration(text: &str) -> Result<Duration, Unfit> {
    let (number, unit) = split_unit(text);
    let scale = match unit {
        "ms" => Some(1_000_000),
        "s" => Some(1_000_000_000),
        "m" => Some(60_000_000_000),
        _ => None,
    };
    scale
        .and_then(|scale| decimal(number, scale))
        .map(Duration::from_nanos)
        .ok_or_else(|| Unfit::new(text, "is not a time", DURATION_ACCEPTED))
}

/// What [`decibels`] accepts, as told to people.
pub const DECIBELS_ACCEPTED: &str = "decibels as \"-3dB\", -60 to 12";

/// Reads a gain, with or without its unit.
pub fn decibels(text: &str) -> Result<f64, Unfit> {
    let unfit = |problem| Unfit::new(text, problem, DECIBELS_ACCEPTED);
    let number = text
        .strip_suffix("dB")
        .or_else(|| text.strip_suffix("db"))
        .unwrap_or(text)
        .trim_end();
    // Rust's own parser also takes "inf", "nan" and "1e1", which nobody means here.
    let plain = |c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | '+');
    let gain: f64 = Some(number)
        .filter(|number| number.chars().all(plain))
        .and_then(|number| number.parse().ok())
        .ok_or_else(|| unfit("is not a gain"))?;
    if (-60.0..=12.0).contains(&gain) {
        Ok(gain)
    } else {
        Err(unfit("is out of range"))
    }
}

/// A number of digits only: no sign, no space.
fn whole(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// Where the number ends and the unit begins.
fn split_unit(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    (&text[..end], text[end..].trim_start())
}

/// `text` times `scale`, if that is a whole number: ("1.5", 1000) is 1500.
fn decimal(text: &str, scale: u64) -> Option<u64> {
    let (units, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let (units, places) = (
        u64::from(whole(units)?),
        u32::try_from(fraction.len()).ok()?,
    );
    let divisor = 10_u64.checked_pow(places)?;
    let parts = u64::from(whole(fraction)?).checked_mul(scale)?;
    if parts % divisor != 0 {
        return None;
    }
    units.checked_mul(scale)?.checked_add(parts / divisor)
}

fn common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests;

//! Which of a card's formats is read: the one that serves the show best for the least effort. Pure.

use crate::model::Pixels;
use crate::venue::{CaptureConfig, Rate};

/// A rate that is off by less is the same: 29.97 a second of 30.
const SAME_RATE: f64 = 0.003;
/// Fewer pictures a second than this share of the programme's, or of 30, look broken, not just less
/// smooth.
const SMOOTH: f64 = 0.6;

/// What of a slot's pixels a picture has is compared in so many parts.
const FINE: u64 = 64;

/// One way in which a card gives its pictures.
#[derive(Debug, Clone, PartialEq)]
pub struct Offer {
    /// How.
    pub pixels: Pixels,
    /// Of which size.
    pub size: Sizes,
    /// How many a second; empty: the card does not say, and cannot be told.
    pub rates: Vec<Rate>,
}

/// The sizes of an offer, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sizes {
    /// One.
    One(u32, u32),
    /// All from the first to the second, in these steps: the card scales.
    Between {
        /// The smallest.
        least: (u32, u32),
        /// The largest.
        most: (u32, u32),
        /// From one to the next.
        step: (u32, u32),
    },
}

impl Sizes {
    /// The one that comes nearest to what is needed, or fixed.
    pub fn nearest(self, config: &CaptureConfig) -> (u32, u32) {
        match self {
            Self::One(width, height) => (width, height),
            Self::Between { least, most, step } => {
                let wanted = config.size.unwrap_or(config.need);
                (
                    up(wanted.width, least.0, most.0, step.0),
                    up(wanted.height, least.1, most.1, step.1),
                )
            }
        }
    }
}

/// What is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mode {
    /// How the card hands its pictures over.
    pub pixels: Pixels,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Pictures a second; `None`: as the card will.
    pub rate: Option<Rate>,
}

/// What can be carried from the card, in bytes a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bus(Option<u64>);

impl Bus {
    /// Nothing that a picture would not fit through.
    pub const WIDE: Self = Self(None);

    /// A USB connection of so many megabits a second, as the kernel says it.
    pub fn usb(megabits: u32) -> Self {
        Self(Some(match megabits {
            // What isochronous transfers may have of a bus, and cards use: 24 MB/s.
            0..1000 => u64::from(megabits) * 51_200,
            // Some 400 MB/s of 5 Gbit/s.
            _ => u64::from(megabits) * 80_000,
        }))
    }

    fn carries(self, mode: &Mode) -> bool {
        let (Some(most), Some(bits), Some(rate)) = (self.0, mode.pixels.bits(), mode.rate) else {
            return true;
        };
        let bytes = u64::from(mode.width) * u64::from(mode.height) * u64::from(bits) / 8;
        bytes as f64 * rate.as_f64() <= most as f64
    }
}

/// The best of the offers; `None`: nothing that regie can read, or nothing as the file fixes it.
pub fn choose(offers: &[Offer], config: &CaptureConfig, bus: Bus) -> Option<Mode> {
    let fits = |mode: &Mode| {
        config.format.is_none_or(|fixed| fixed == mode.pixels)
            && (config.size)
                .is_none_or(|size| (size.width, size.height) == (mode.width, mode.height))
            && (config.framerate)
                .is_none_or(|fixed| mode.rate.is_none_or(|rate| is_same(rate, fixed)))
    };
    let modes = offers.iter().flat_map(|offer| modes(offer, config));
    let all: Vec<Mode> = modes.filter(fits).collect();
    // What does not fit through is still better than nothing: the file, or the card, may know more.
    let carried = all.iter().filter(|mode| bus.carries(mode));
    let best = |modes: &mut dyn Iterator<Item = &Mode>| {
        modes.min_by_key(|mode| merit(mode, config)).copied()
    };
    best(&mut carried.into_iter()).or_else(|| best(&mut all.iter()))
}

/// Of an offer that leaves a choice, what may serve.
fn modes(offer: &Offer, config: &CaptureConfig) -> Vec<Mode> {
    let (width, height) = offer.size.nearest(config);
    let mode = |rate| Mode {
        pixels: offer.pixels,
        width,
        height,
        rate,
    };
    if offer.rates.is_empty() {
        return vec![mode(None)];
    }
    offer.rates.iter().map(|rate| mode(Some(*rate))).collect()
}

/// The value, or the next one above it that can be had.
fn up(wanted: u32, least: u32, most: u32, step: u32) -> u32 {
    let steps = wanted.saturating_sub(least).div_ceil(step.max(1));
    let above = least.saturating_add(steps.saturating_mul(step.max(1)));
    above.min(most).max(least)
}

/// The smaller, the better; what comes first decides.
type Merit = (bool, SizeMerit, RateMerit, bool, u64, usize);
type SizeMerit = (u64, u64);
type RateMerit = (u8, u64);

fn merit(mode: &Mode, config: &CaptureConfig) -> Merit {
    let rate = mode.rate.map_or(f64::from(u16::MAX), |rate| rate.as_f64());
    let wanted = config.programme_rate.as_f64();
    let too_slow = mode.rate.is_some() && rate < wanted.min(30.0) * SMOOTH;
    (
        // A slide show of the largest size is no picture of a speaker.
        too_slow,
        size_merit(mode, config),
        rate_merit(mode.rate, wanted),
        mode.pixels.is_compressed(),
        // More pictures than are shown only cost.
        mode.rate.map_or(0, |rate| rate.as_f64() as u64),
        mode.pixels.effort(),
    )
}

/// What of the slot's pixels the picture really has, put into it as a whole; then the fewest pixels.
fn size_merit(mode: &Mode, config: &CaptureConfig) -> SizeMerit {
    let [width, height, slot_width, slot_height] = [
        mode.width,
        mode.height,
        config.need.width,
        config.need.height,
    ]
    .map(|n| f64::from(n.max(1)));
    let scale = (slot_width / width).min(slot_height / height).min(1.0);
    let detail = width * height * scale * scale / (slot_width * slot_height);
    let area = u64::from(mode.width) * u64::from(mode.height);
    // Coarse: a line more or less is nothing to choose by.
    (FINE - (detail * FINE as f64).round() as u64, area)
}

/// The programme's own rate or a multiple, then any faster, then the nearest below.
fn rate_merit(rate: Option<Rate>, wanted: f64) -> RateMerit {
    let Some(rate) = rate.map(|rate| rate.as_f64()) else {
        return (0, 0);
    };
    let times = (rate / wanted).round();
    let is_multiple = times >= 1.0 && (rate / (wanted * times) - 1.0).abs() < SAME_RATE;
    let millis = (rate * 1000.0) as u64;
    match (is_multiple, rate >= wanted) {
        (true, _) => (0, 0),
        (false, true) => (1, millis),
        (false, false) => (2, u64::MAX - millis),
    }
}

fn is_same(a: Rate, b: Rate) -> bool {
    (a.as_f64() / b.as_f64() - 1.0).abs() < SAME_RATE
}

#[cfg(test)]
mod tests;

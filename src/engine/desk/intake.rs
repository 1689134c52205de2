//! From the blocks that a sound card gives to the desk's [`Samples`]: puts each where it was captured by
//! the card's own clock, at 48 kHz. Drift is taken out behind it, by the ring's own stretching.
//!
//! A sound server begins by handing on what it has collected: what comes first is looked at, and only
//! heard once it comes in time. Runs on the desk's thread.

use std::sync::Arc;

use crate::engine::samples::{CHANNELS, RATE, Samples};

use super::clock::Clock;
use super::convert::Converter;
use super::mailbox::Block;

/// So long it is only looked at, at least and at most, in seconds of its own.
const LOOK: f64 = 0.3;
const LOOK_AT_MOST: f64 = 3.0;
/// And for as long as the card's clock is led away from where it is, by more than so much in the mean of
/// so long: a sound server that hands on what it has collected does not know yet when that was.
const LED: f64 = 0.003;
const LED_OVER: f64 = 0.25;
/// What comes later than so many nanoseconds is collected, not live.
const COLLECTED: u64 = 150_000_000;
/// What comes later than this, always, is heard all the same, and is as much out of step as that: the
/// mix would not wait for it.
const LATEST: f64 = 0.180;
/// What is taken so many seconds after its place has been mixed without it long ago: a machine that is
/// busy need not work on it as well.
const TOO_LATE: f64 = 0.350;
/// Ways here are averaged over so many seconds.
const AVERAGE: f64 = 1.0;

/// One session with a card.
#[derive(Debug)]
pub struct Intake {
    samples: Arc<Samples>,
    clock: Clock,
    converter: Option<Converter>,
    rate: f64,
    /// Sound so far, in seconds; and since when it has been heard.
    looked: f64,
    live: bool,
    /// By how much what is told leads the clock, of late.
    led: f64,
    /// What came before was too late.
    skipped: bool,
    /// Average of the ways here, in seconds.
    way: Option<f64>,
    out: Vec<[f32; CHANNELS]>,
}

impl Intake {
    /// With a card of so many samples a second.
    pub fn new(rate: u32, samples: &Arc<Samples>) -> Self {
        Self {
            samples: samples.clone(),
            clock: Clock::new(rate),
            converter: Converter::new(rate),
            rate: f64::from(rate),
            looked: 0.0,
            live: false,
            led: 10.0 * LED,
            skipped: false,
            way: None,
            // A second, and then whatever was needed once.
            out: Vec::with_capacity(RATE as usize),
        }
    }

    /// Whether it is heard by now.
    pub fn is_live(&self) -> bool {
        self.live
    }

    /// By how much the card's clock is fast, as a share.
    pub fn drift(&self) -> f64 {
        self.clock.drift()
    }

    /// How long after its capture sound is here, in seconds.
    pub fn way(&self) -> f64 {
        self.way.unwrap_or_default()
    }

    /// The next block, at running time `now` in nanoseconds.
    pub fn take(&mut self, block: Block, frames: &[[f32; CHANNELS]], now: u64) {
        if frames.is_empty() {
            return;
        }
        if block.interrupted {
            self.clock.interrupt();
        }
        let length = frames.len() as f64 / self.rate;
        let told = block.captured as f64 / 1e9;
        let captured = self.clock.place(frames.len(), told);
        self.looked += length;
        if !self.live {
            self.led += (told - captured - self.led) * (length / LED_OVER).min(1.0);
            let settled = self.looked > LOOK && self.led.abs() < LED;
            let in_time = settled && block.latency < COLLECTED;
            if !in_time && self.looked < LOOK_AT_MOST {
                return;
            }
            self.live = true;
        }
        let came = told + block.latency as f64 / 1e9;
        let way = came - captured;
        let share = (length / AVERAGE).min(1.0);
        let average = self
            .way
            .map_or(way, |before| before + (way - before) * share);
        self.way = Some(average);
        // Where it is too late for the mix, it is heard later rather than never.
        let place = captured + (average - LATEST).max(0.0);
        let restarts = block.interrupted || self.skipped;
        self.skipped = now as f64 / 1e9 - place > TOO_LATE;
        if self.skipped {
            return;
        }
        if restarts && let Some(converter) = &mut self.converter {
            converter.restart();
        }
        self.write(place, frames);
    }

    fn write(&mut self, place: f64, frames: &[[f32; CHANNELS]]) {
        let nanoseconds = |seconds: f64| (seconds.max(0.0) * 1e9) as u64;
        let Some(converter) = &mut self.converter else {
            self.samples
                .write(nanoseconds(place), frames.as_flattened());
            return;
        };
        let place = place - converter.held() / RATE as f64;
        self.out.clear();
        let out = &mut self.out;
        converter.convert(frames, |converted| out.extend(converted));
        self.samples.write(nanoseconds(place), out.as_flattened());
    }
}

#[cfg(test)]
mod tests;

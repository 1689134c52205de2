//! Mixes the sources' sound, one block at a time. Whatever changes (gain, mute, delay, a source
//! that comes or goes) changes along a ramp: no clicks. Where a transition lets a source be heard, or
//! heard no more, that ramp is as long as the transition; what the operator sets takes a block, also
//! meanwhile.
//!
//! Owned by the sound thread alone.

use std::sync::Arc;
use std::time::Duration;

use super::samples::{CHANNELS, RATE, Samples};

/// Sample frames of a block: one frame of AAC.
pub const BLOCK: usize = 1024;
/// Sample frames (5 ms) over which sound that breaks off or sets in is faded.
const FADE: usize = 240;

/// How one source goes into the mix from now on.
#[derive(Debug, Clone)]
pub struct MixInput {
    /// Its sound.
    pub samples: Arc<Samples>,
    /// Whether what is on air has its sound: this is what a transition changes.
    pub heard: bool,
    /// Factor, as the operator has set it; 0 where it is muted.
    pub gain: f32,
    /// How far behind the programme's time its sound is read, in sample frames.
    pub lag: u64,
}

/// One source as the mixer last heard it.
#[derive(Debug, Clone, Copy, Default)]
struct Strip {
    /// How much of it the transition lets through, 0 to 1.
    heard: f32,
    /// Factor in all.
    gain: f32,
    lag: u64,
    started: bool,
    /// How the block before ended, where that was not in silence.
    tail: Option<Tail>,
}

/// The end of a block that had sound.
#[derive(Debug, Clone, Copy)]
struct Tail {
    /// The last sample frame of the sound.
    last: [f32; CHANNELS],
    /// Sample frames since then, in which it has been dying away; 0: it may go on.
    dying: usize,
}

/// The mix of all sources.
#[derive(Debug)]
pub struct Mixer {
    strips: Vec<Strip>,
    /// Sample frames until every source is heard or not, as it shall be.
    fade: usize,
    scratch: Box<[[f32; CHANNELS]]>,
    other: Box<[[f32; CHANNELS]]>,
}

impl Default for Mixer {
    fn default() -> Self {
        Self {
            strips: Vec::new(),
            fade: 0,
            scratch: vec![[0.0; CHANNELS]; BLOCK].into(),
            other: vec![[0.0; CHANNELS]; BLOCK].into(),
        }
    }
}

impl Mixer {
    /// From the next block on, sources that shall be heard, or no more, come and go in `length`,
    /// evenly; a fade that is under way ends. Without it they do so within a block, or with the fade
    /// that is under way. A gain changes within a block, whatever fades.
    pub fn fade(&mut self, length: Duration) {
        self.fade = (length.as_nanos() * u128::from(RATE) / 1_000_000_000) as usize;
    }

    /// Mixes the block that starts at sample frame `index` of the programme's time into `out`.
    /// `inputs` has the same sources in the same order at every call.
    pub fn mix(&mut self, index: u64, inputs: &[MixInput], out: &mut [[f32; CHANNELS]]) {
        out.fill([0.0; CHANNELS]);
        self.strips.resize(inputs.len(), Strip::default());
        let share = out.len() as f32 / self.fade.max(out.len()) as f32;
        self.fade = self.fade.saturating_sub(out.len());
        for (strip, input) in self.strips.iter_mut().zip(inputs) {
            let wanted = if input.heard { 1.0 } else { 0.0 };
            strip.heard = if share < 1.0 && strip.started {
                strip.heard + (wanted - strip.heard) * share
            } else {
                wanted
            };
            let gain = strip.heard * input.gain;
            let silent = strip.gain == 0.0 && gain == 0.0;
            if !strip.started {
                strip.gain = gain;
                strip.lag = input.lag;
                strip.started = true;
            }
            let block = &mut self.scratch[..out.len()];
            if silent {
                strip.lag = input.lag;
                strip.tail = None;
                continue;
            }
            read(strip, index, input, strip.lag, block);
            if strip.lag != input.lag {
                let next = &mut self.other[..out.len()];
                strip.tail = None;
                read(strip, index, input, input.lag, next);
                crossfade(block, next);
                strip.lag = input.lag;
            }
            add(out, block, strip.gain, gain);
            strip.gain = gain;
        }
        for frame in out.iter_mut() {
            *frame = frame.map(|sample| sample.clamp(-1.0, 1.0));
        }
    }
}

/// Reads a block and softens the edges of what is missing in it.
fn read(strip: &mut Strip, index: u64, input: &MixInput, lag: u64, block: &mut [[f32; CHANNELS]]) {
    let range = match index.checked_sub(lag) {
        Some(from) => input.samples.read(from, block),
        None => {
            block.fill([0.0; CHANNELS]);
            0..0
        }
    };
    let goes_on =
        range.start == 0 && !range.is_empty() && strip.tail.is_some_and(|tail| tail.dying == 0);
    let before = strip.tail.take().filter(|_| !goes_on);
    if !goes_on {
        let length = FADE.min(range.len());
        for (i, frame) in block[range.start..].iter_mut().take(length).enumerate() {
            *frame = frame.map(|sample| sample * i as f32 / FADE as f32);
        }
    }
    // Sound broke off in the block before, or at its end: let it die away.
    let before = before.and_then(|tail| decay(tail, block));
    strip.tail = match range.end.checked_sub(1).filter(|_| !range.is_empty()) {
        None => before,
        Some(end) => {
            let tail = Tail {
                last: block[end],
                dying: 0,
            };
            match &mut block[range.end..] {
                [] => Some(tail),
                rest => decay(tail, rest),
            }
        }
    };
}

/// Adds what is left of a straight line from the tail down to silence; what then is still left.
fn decay(tail: Tail, block: &mut [[f32; CHANNELS]]) -> Option<Tail> {
    let left = FADE.saturating_sub(tail.dying);
    for (i, frame) in block.iter_mut().take(left).enumerate() {
        let factor = 1.0 - (tail.dying + i + 1) as f32 / FADE as f32;
        for (sample, from) in frame.iter_mut().zip(tail.last) {
            *sample += from * factor;
        }
    }
    (block.len() < left).then_some(Tail {
        dying: tail.dying + block.len(),
        ..tail
    })
}

fn crossfade(block: &mut [[f32; CHANNELS]], next: &[[f32; CHANNELS]]) {
    let length = block.len() as f32;
    for (i, (old, new)) in block.iter_mut().zip(next).enumerate() {
        let t = (i + 1) as f32 / length;
        for (old, new) in old.iter_mut().zip(new) {
            *old += (new - *old) * t;
        }
    }
}

fn add(out: &mut [[f32; CHANNELS]], block: &[[f32; CHANNELS]], from: f32, to: f32) {
    let length = out.len() as f32;
    for (i, (sum, own)) in out.iter_mut().zip(block).enumerate() {
        let gain = from + (to - from) * (i + 1) as f32 / length;
        for (sum, own) in sum.iter_mut().zip(own) {
            *sum += own * gain;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(samples: &Samples, from_ms: u64, ms: u64) {
        let frames = (ms * RATE / 1000) as usize;
        let start = from_ms * RATE / 1000;
        let data: Vec<f32> = (0..frames)
            .flat_map(|i| {
                let t = (start + i as u64) as f32 / RATE as f32;
                [0.5 * (t * 440.0 * std::f32::consts::TAU).sin(); 2]
            })
            .collect();
        samples.write(from_ms * 1_000_000, &data);
    }

    /// Mixes `blocks` blocks from 1 s on; `change` may alter the input before each.
    fn run(
        blocks: usize,
        input: &mut MixInput,
        mut change: impl FnMut(usize, &mut MixInput),
    ) -> Vec<f32> {
        let mut mixer = Mixer::default();
        let mut all = Vec::new();
        let mut out = [[0.0; 2]; BLOCK];
        for n in 0..blocks {
            change(n, input);
            mixer.mix(
                RATE + (n * BLOCK) as u64,
                std::slice::from_ref(input),
                &mut out,
            );
            all.extend(out.iter().map(|frame| frame[0]));
        }
        all
    }

    fn input() -> MixInput {
        MixInput {
            samples: Arc::new(Samples::default()),
            heard: true,
            gain: 1.0,
            lag: 0,
        }
    }

    /// The largest step between two samples: a 440 Hz tone at half scale makes 0.029.
    fn largest_step(sound: &[f32]) -> f32 {
        sound
            .windows(2)
            .map(|w| (w[1] - w[0]).abs())
            .fold(0.0, f32::max)
    }

    fn peak(sound: &[f32]) -> f32 {
        sound.iter().fold(0.0, |peak, s| peak.max(s.abs()))
    }

    #[test]
    fn nothing_clicks_whatever_changes() {
        let mut input = input();
        tone(&input.samples, 900, 2000);
        let sound = run(60, &mut input, |n, input| match n {
            10 => input.gain = 0.0,
            20 => input.gain = 1.4,
            30 => input.lag = 2400,
            40 => input.lag = 0,
            _ => {}
        });
        assert!(largest_step(&sound) < 0.06, "{}", largest_step(&sound));
        assert_eq!(peak(&sound[12 * BLOCK..19 * BLOCK]), 0.0, "muted");
        assert!(peak(&sound[22 * BLOCK..28 * BLOCK]) > 0.69);
    }

    #[test]
    fn a_source_that_breaks_off_and_returns_does_not_click() {
        let mut input = input();
        tone(&input.samples, 900, 300);
        let sound = run(10, &mut input, |_, _| {});
        assert!(peak(&sound[..9000]) > 0.49);
        assert_eq!(peak(&sound[10_000..]), 0.0);
        assert!(largest_step(&sound) < 0.06, "{}", largest_step(&sound));
        // Wherever in a block it ends.
        for more in 0..22 {
            let mut input = self::input();
            tone(&input.samples, 900, 300 + more);
            let sound = run(12, &mut input, |_, _| {});
            let step = largest_step(&sound);
            assert!(step < 0.06, "{step} where it ends {more} ms later");
        }
        let late = self::input();
        tone(&late.samples, 1003, 500);
        let sound = run(10, &mut { late }, |_, _| {});
        assert!(largest_step(&sound) < 0.06, "{}", largest_step(&sound));
    }

    /// The gain after each of `blocks` blocks of a source that is heard no more from the first on;
    /// `change` may alter input and mixer before each.
    fn gains(blocks: usize, mut change: impl FnMut(usize, &mut MixInput, &mut Mixer)) -> Vec<f32> {
        let mut input = input();
        let mut mixer = Mixer::default();
        let mut out = [[0.0; 2]; BLOCK];
        mixer.mix(RATE, std::slice::from_ref(&input), &mut out);
        input.heard = false;
        (0..blocks)
            .map(|n| {
                change(n, &mut input, &mut mixer);
                let index = RATE + ((n + 1) * BLOCK) as u64;
                mixer.mix(index, std::slice::from_ref(&input), &mut out);
                mixer.strips[0].gain
            })
            .collect()
    }

    /// As long as ten blocks.
    const TEN: Duration = Duration::from_nanos(10 * BLOCK as u64 * 1_000_000_000 / RATE + 1);

    #[test]
    fn a_fade_goes_evenly_over_its_time_and_the_next_change_is_quick_again() {
        let gains = gains(13, |n, input, mixer| match n {
            0 => mixer.fade(TEN),
            12 => (input.heard, input.gain) = (true, 0.5),
            _ => {}
        });
        for (n, gain) in gains[..9].iter().enumerate() {
            let even = 1.0 - (n + 1) as f32 / 10.0;
            assert!((gain - even).abs() < 1e-3, "block {n}: {gain}");
        }
        assert_eq!(gains[9..], [0.0, 0.0, 0.0, 0.5]);
    }

    #[test]
    fn a_fade_is_cut_short_re_aimed_or_goes_on_to_a_changed_end() {
        let cut = gains(6, |n, _, mixer| match n {
            0 => mixer.fade(TEN),
            5 => mixer.fade(Duration::ZERO),
            _ => {}
        });
        assert!((cut[4] - 0.5).abs() < 1e-3 && cut[5] == 0.0, "{cut:?}");
        let back = gains(15, |n, input, mixer| match n {
            0 => mixer.fade(TEN),
            5 => {
                input.heard = true;
                mixer.fade(TEN);
            }
            _ => {}
        });
        assert!((back[5] - 0.55).abs() < 1e-3 && back[14] == 1.0, "{back:?}");
        let on = gains(10, |n, input, mixer| match n {
            0 => mixer.fade(TEN),
            5 => input.heard = true,
            _ => {}
        });
        assert!((on[5] - 0.6).abs() < 1e-3 && on[9] == 1.0, "{on:?}");
    }

    #[test]
    fn what_the_operator_sets_during_a_fade_acts_at_once_and_the_fade_goes_on() {
        let gains = gains(10, |n, input, mixer| match n {
            0 => mixer.fade(TEN),
            2 => input.gain = 0.0,
            4 => input.gain = 2.0,
            _ => {}
        });
        for (n, expected) in [0.9, 0.8, 0.0, 0.0, 1.0, 0.8].into_iter().enumerate() {
            assert!((gains[n] - expected).abs() < 1e-3, "block {n}: {gains:?}");
        }
        assert_eq!(gains[9], 0.0);
        // Nor does another source, which the transition leaves alone, wait for its end.
        let (mut goes, mut stays) = (input(), input());
        let mut mixer = Mixer::default();
        let mut out = [[0.0; 2]; BLOCK];
        mixer.mix(RATE, &[goes.clone(), stays.clone()], &mut out);
        (goes.heard, stays.gain) = (false, 0.0);
        mixer.fade(TEN);
        mixer.mix(RATE + BLOCK as u64, &[goes, stays], &mut out);
        assert!((mixer.strips[0].gain - 0.9).abs() < 1e-3);
        assert_eq!(mixer.strips[1].gain, 0.0);
    }

    #[test]
    fn a_mute_and_a_delay_during_a_fade_do_not_click() {
        let mut input = input();
        tone(&input.samples, 900, 2000);
        let mut mixer = Mixer::default();
        let mut all = Vec::new();
        let mut out = [[0.0; 2]; BLOCK];
        for n in 0..40 {
            match n {
                10 => {
                    input.heard = false;
                    mixer.fade(Duration::from_millis(400));
                }
                12 => input.lag = 2400,
                14 => input.gain = 0.0,
                18 => input.gain = 1.4,
                _ => {}
            }
            let index = RATE + (n * BLOCK) as u64;
            mixer.mix(index, std::slice::from_ref(&input), &mut out);
            all.extend(out.iter().map(|frame| frame[0]));
        }
        assert!(largest_step(&all) < 0.06, "{}", largest_step(&all));
        assert_eq!(peak(&all[15 * BLOCK..18 * BLOCK]), 0.0, "muted");
        assert!(peak(&all[19 * BLOCK..21 * BLOCK]) > 0.2);
    }

    #[test]
    fn a_fade_does_not_click() {
        let mut input = input();
        tone(&input.samples, 900, 2000);
        let mut mixer = Mixer::default();
        let mut all = Vec::new();
        let mut out = [[0.0; 2]; BLOCK];
        for n in 0..40 {
            if n == 10 {
                input.heard = false;
                mixer.fade(Duration::from_millis(300));
            }
            let index = RATE + (n * BLOCK) as u64;
            mixer.mix(index, std::slice::from_ref(&input), &mut out);
            all.extend(out.iter().map(|frame| frame[0]));
        }
        assert!(largest_step(&all) < 0.031, "{}", largest_step(&all));
        let half = 10 * BLOCK + 7200;
        let level = peak(&all[half - 100..half + 100]);
        assert!((level - 0.25).abs() < 0.01, "{level}");
        assert_eq!(peak(&all[26 * BLOCK..]), 0.0);
    }

    #[test]
    fn a_lag_shifts_exactly() {
        let mut plain = input();
        tone(&plain.samples, 900, 2000);
        let mut shifted = MixInput {
            lag: 4800,
            ..plain.clone()
        };
        let (a, b) = (
            run(20, &mut plain, |_, _| {}),
            run(20, &mut shifted, |_, _| {}),
        );
        let worst = (FADE..15_000)
            .map(|i| (a[i] - b[i + 4800]).abs())
            .fold(0.0, f32::max);
        assert!(worst < 1e-6, "{worst}");
    }

    #[test]
    fn loud_sources_clip_and_do_not_wrap() {
        let (one, two) = (input(), input());
        for source in [&one, &two] {
            tone(&source.samples, 900, 1000);
        }
        let inputs = [MixInput { gain: 3.0, ..one }, MixInput { gain: 3.0, ..two }];
        let mut mixer = Mixer::default();
        let mut out = [[0.0; 2]; BLOCK];
        mixer.mix(RATE, &inputs, &mut out);
        mixer.mix(RATE + BLOCK as u64, &inputs, &mut out);
        assert!(out.iter().flatten().all(|s| s.abs() <= 1.0));
    }
}

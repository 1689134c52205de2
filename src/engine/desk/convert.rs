//! From a sound card's samples a second to 48 000 of them. A sinc filter of 192 points; the stretching
//! that takes drift out comes later, and is not done here.

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{
    Async, FixedAsync, Indexing, Resampler, Resizable, SincInterpolationParameters,
    SincInterpolationType, WindowFunction,
};

use crate::engine::samples::{CHANNELS, RATE};

/// Sample frames that are worked on at a time.
const CHUNK: usize = 1024;
/// Points of the filter.
const POINTS: usize = 192;

/// A converter of one sound.
pub struct Converter {
    inner: Async<f32>,
    out: Box<[f32]>,
    ratio: f64,
    /// Sample frames that come out before the first that went in.
    delay: f64,
    /// Sample frames, since the start, that should have come out, and that have.
    due: f64,
    made: u64,
}

impl std::fmt::Debug for Converter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Converter")
            .field("ratio", &self.ratio)
            .finish_non_exhaustive()
    }
}

impl Converter {
    /// From so many samples a second; `None` where there is nothing to do.
    pub fn new(rate: u32) -> Option<Self> {
        if u64::from(rate) == RATE {
            return None;
        }
        let ratio = RATE as f64 / f64::from(rate);
        let parameters = SincInterpolationParameters {
            sinc_len: POINTS,
            f_cutoff: None,
            oversampling_factor: 128,
            interpolation: SincInterpolationType::Cubic,
            window: WindowFunction::BlackmanHarris2,
        };
        // Refused where a rate is no rate.
        let inner =
            Async::new_sinc(ratio, 1.0, &parameters, CHUNK, CHANNELS, FixedAsync::Input).ok()?;
        Some(Self {
            out: vec![0.0; CHANNELS * inner.output_frames_max()].into(),
            delay: (POINTS / 2) as f64 * ratio - 1.0,
            inner,
            ratio,
            due: 0.0,
            made: 0,
        })
    }

    /// What goes in from now on has nothing to do with what went in before.
    pub fn restart(&mut self) {
        self.inner.reset();
        (self.due, self.made) = (0.0, 0);
    }

    /// By how many sample frames of 48 kHz what comes out next lies before what goes in next.
    pub fn held(&self) -> f64 {
        self.due - (self.made as f64 - self.delay).max(0.0)
    }

    /// Puts sound in, and hands on what comes out.
    pub fn convert(
        &mut self,
        frames: &[[f32; CHANNELS]],
        mut hand_on: impl FnMut(&[[f32; CHANNELS]]),
    ) {
        for chunk in frames.chunks(CHUNK) {
            let Some(made) = self.convert_chunk(chunk) else {
                // Cannot be: its size is within what was asked for at the start.
                continue;
            };
            self.due += chunk.len() as f64 * self.ratio;
            let skip = self.delay.round() as u64;
            let skipped = skip.saturating_sub(self.made).min(made as u64) as usize;
            self.made += made as u64;
            let (out, _) = self.out[..made * CHANNELS].as_chunks::<CHANNELS>();
            hand_on(&out[skipped..]);
        }
    }

    fn convert_chunk(&mut self, chunk: &[[f32; CHANNELS]]) -> Option<usize> {
        self.inner.set_chunk_size(chunk.len()).ok()?;
        let input = InterleavedSlice::new(chunk.as_flattened(), CHANNELS, chunk.len()).ok()?;
        let room = self.out.len() / CHANNELS;
        let mut out = InterleavedSlice::new_mut(&mut self.out, CHANNELS, room).ok()?;
        let none: Option<&Indexing> = None;
        let (_, made) = (self.inner)
            .process_into_buffer(&input, &mut out, none)
            .ok()?;
        Some(made)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tone of so many hertz at half scale, converted, and where its first sample frame lies.
    fn converted(rate: u32, hertz: f64, block: usize) -> (Vec<[f32; 2]>, f64) {
        let tone: Vec<[f32; 2]> = (0..rate as usize * 2)
            .map(|i| {
                let at = i as f64 / f64::from(rate) * hertz;
                [(0.5 * (at * std::f64::consts::TAU).sin()) as f32; 2]
            })
            .collect();
        let mut converter = Converter::new(rate).expect("another rate");
        let mut all: Vec<[f32; 2]> = Vec::new();
        let mut first = 0.0;
        for (n, block_in) in tone.chunks(block).enumerate() {
            let place = (n * block) as f64 * 48_000.0 / f64::from(rate) - converter.held();
            first = place - all.len() as f64;
            assert!(first.abs() < 0.51, "{first}");
            converter.convert(block_in, |out| all.extend(out));
        }
        (all, first)
    }

    #[test]
    fn a_tone_keeps_its_level_and_its_place() {
        for rate in [44_100, 88_200, 96_000] {
            for block in [1103, 480, 4096] {
                let (all, first) = converted(rate, 1000.0, block);
                let part = &all[4800..84_800];
                let worst = (part.iter().enumerate())
                    .map(|(i, frame)| {
                        let at = ((4800 + i) as f64 + first) / 48.0;
                        (f64::from(frame[0]) - 0.5 * (at * std::f64::consts::TAU).sin()).abs()
                    })
                    .fold(0.0, f64::max);
                // A fifth of a sample of place is 0.013 of it.
                assert!(worst < 0.013, "{rate} Hz, {block}: {worst}");
            }
        }
    }

    #[test]
    fn what_48_khz_cannot_hold_is_taken_out() {
        for hertz in [27_000.0, 40_000.0] {
            let (all, _) = converted(96_000, hertz, 2400);
            let peak = all[4800..84_800]
                .iter()
                .fold(0.0f32, |p, f| p.max(f[0].abs()));
            assert!(peak < 1e-4, "{hertz} Hz: {peak}");
        }
        let (all, _) = converted(96_000, 18_000.0, 2400);
        let peak = all[4800..84_800]
            .iter()
            .fold(0.0f32, |p, f| p.max(f[0].abs()));
        assert!(peak > 0.48, "{peak}");
    }

    #[test]
    fn at_48_khz_there_is_nothing_to_do() {
        assert!(Converter::new(48_000).is_none());
    }
}

//! Stretches stereo sound by a share that may change with every block, without a click and without
//! allocating. A sinc filter of 96 points: what it adds to a tone is 98 dB below it, and it is flat
//! to 17 kHz; it holds back 1 ms.

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{
    Adjustable, Async, FixedAsync, Indexing, Resampler, Resizable, SincInterpolationParameters,
    SincInterpolationType, WindowFunction,
};

use super::drift::MOST;
use super::samples::CHANNELS;

/// Sample frames that are worked on at a time.
const CHUNK: usize = 1024;
/// Points of the filter.
const POINTS: usize = 96;
/// Sample frames that come out before the first that went in.
const DELAY: usize = POINTS / 2 - 1;

/// A stretcher of one sound.
pub struct Stretcher {
    inner: Async<f32>,
    out: Box<[f32]>,
    /// Sample frames, since the start, that should have come out, and that have.
    due: f64,
    made: u64,
}

impl std::fmt::Debug for Stretcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stretcher")
            .field("due", &self.due)
            .field("made", &self.made)
            .finish_non_exhaustive()
    }
}

impl Default for Stretcher {
    fn default() -> Self {
        let parameters = SincInterpolationParameters {
            sinc_len: POINTS,
            f_cutoff: None,
            oversampling_factor: 64,
            interpolation: SincInterpolationType::Cubic,
            window: WindowFunction::BlackmanHarris2,
        };
        let inner = Async::new_sinc(
            1.0,
            1.0 + 2.0 * MOST,
            &parameters,
            CHUNK,
            CHANNELS,
            FixedAsync::Input,
        )
        .expect("a filter of fixed and valid parameters");
        let out = vec![0.0; CHANNELS * inner.output_frames_max()].into();
        Self {
            inner,
            out,
            due: 0.0,
            made: 0,
        }
    }
}

impl Stretcher {
    /// What goes in from now on has nothing to do with what went in before.
    pub fn restart(&mut self) {
        self.inner.reset();
        (self.due, self.made) = (0.0, 0);
    }

    /// How many sample frames behind the last one that came out the next one that goes in will lie.
    pub fn held(&self) -> f64 {
        self.due - self.made.saturating_sub(DELAY as u64) as f64
    }

    /// Puts sound in, stretched by a share, and hands on what comes out.
    pub fn stretch(
        &mut self,
        frames: &[[f32; CHANNELS]],
        share: f64,
        mut hand_on: impl FnMut(&[[f32; CHANNELS]]),
    ) {
        let ratio = 1.0 + share.clamp(-MOST, MOST);
        for chunk in frames.chunks(CHUNK) {
            let Some(made) = self.stretch_chunk(chunk, ratio) else {
                // Cannot be: sizes and ratio are within what was asked for at the start.
                continue;
            };
            self.due += chunk.len() as f64 * ratio;
            // What comes out before the first that went in is the filter alone.
            let skipped = (DELAY as u64).saturating_sub(self.made).min(made as u64) as usize;
            self.made += made as u64;
            let (out, _) = self.out[..made * CHANNELS].as_chunks::<CHANNELS>();
            hand_on(&out[skipped..]);
        }
    }

    fn stretch_chunk(&mut self, chunk: &[[f32; CHANNELS]], ratio: f64) -> Option<usize> {
        self.inner.set_chunk_size(chunk.len()).ok()?;
        // At once: it changes by millionths.
        self.inner.set_resample_ratio(ratio, false).ok()?;
        let input = InterleavedSlice::new(chunk.as_flattened(), CHANNELS, chunk.len()).ok()?;
        let room = self.out.len() / CHANNELS;
        let mut out = InterleavedSlice::new_mut(&mut self.out, CHANNELS, room).ok()?;
        let none: Option<&Indexing> = None;
        let (_, made) = self
            .inner
            .process_into_buffer(&input, &mut out, none)
            .ok()?;
        Some(made)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What it holds back, in sample frames: half the filter, and a fraction.
    const HELD: f64 = POINTS as f64 / 2.0 + 0.5;

    /// A tone of 1 kHz at half scale in blocks of so many sample frames, stretched.
    fn stretched(seconds: usize, block: usize, mut share: impl FnMut(usize) -> f64) -> Vec<f32> {
        let mut stretcher = Stretcher::default();
        let mut all = Vec::new();
        let tone: Vec<[f32; 2]> = (0..seconds * 48_000)
            .map(|i| [(0.5 * (i as f64 / 48.0 * std::f64::consts::TAU).sin()) as f32; 2])
            .collect();
        for (n, block) in tone.chunks(block).enumerate() {
            stretcher.stretch(block, share(n), |out| {
                all.extend(out.iter().map(|frame| frame[0]));
            });
        }
        all
    }

    /// Amplitude, delay in samples and what is not the tone, in dB, of what should be a tone of so
    /// many cycles a sample.
    fn fit(sound: &[f32], cycles: f64) -> (f64, f64, f64) {
        let wave = |i: usize| (i as f64 * cycles * std::f64::consts::TAU).sin_cos();
        let (mut sine, mut cosine) = (0.0, 0.0);
        for (i, sample) in sound.iter().enumerate() {
            let (s, c) = wave(i);
            sine += s * f64::from(*sample);
            cosine += c * f64::from(*sample);
        }
        let scale = 2.0 / sound.len() as f64;
        (sine, cosine) = (sine * scale, cosine * scale);
        let rest: f64 = (sound.iter().enumerate())
            .map(|(i, sample)| {
                let (s, c) = wave(i);
                (f64::from(*sample) - sine * s - cosine * c).powi(2)
            })
            .sum();
        let amplitude = sine.hypot(cosine);
        let rest = rest / sound.len() as f64 / (amplitude * amplitude / 2.0);
        let delay = -cosine.atan2(sine) / (cycles * std::f64::consts::TAU);
        (amplitude, delay, 10.0 * rest.log10())
    }

    #[test]
    fn a_tone_stays_where_it_is_and_is_all_that_comes_out() {
        for block in [1024, 480, 441, 7] {
            let sound = stretched(3, block, |_| 0.0);
            let (amplitude, delay, rest) = fit(&sound[480..480 + 96_000], 1.0 / 48.0);
            assert!((amplitude - 0.5).abs() < 1e-4, "{amplitude}");
            assert!(delay.abs() < 0.05, "{delay} samples late");
            assert!(rest < -90.0, "{rest} dB");
        }
    }

    #[test]
    fn a_stretched_tone_is_pure_and_of_the_right_length() {
        for share in [-MOST, -187e-6, 200e-6, MOST] {
            let sound = stretched(12, 1024, |_| share);
            let length = 12.0 * 48_000.0 * (1.0 + share) - HELD;
            assert!((sound.len() as f64 - length).abs() < 2.0, "{}", sound.len());
            let cycles = 1.0 / 48.0 / (1.0 + share);
            let (amplitude, _, rest) = fit(&sound[48_000..528_000], cycles);
            assert!((amplitude - 0.5).abs() < 1e-4, "{amplitude}");
            assert!(rest < -90.0, "{share}: {rest} dB");
        }
    }

    #[test]
    fn a_share_that_changes_does_not_click() {
        let sound = stretched(10, 480, |n| MOST * (n as f64 / 50.0).sin());
        // The third differences of a smooth tone are tiny, and those of a step as large as it.
        let worst = (sound.windows(4))
            .map(|w| (w[3] - 3.0 * w[2] + 3.0 * w[1] - w[0]).abs())
            .skip(1000)
            .fold(0.0, f32::max);
        assert!(worst < 0.002, "{worst}");
    }

    #[test]
    fn it_knows_what_it_holds_back() {
        let mut stretcher = Stretcher::default();
        let mut made = 0;
        for n in 0..500 {
            let belongs = made as f64 + stretcher.held();
            assert!(
                (belongs - f64::from(n) * 480.0 * 1.0005).abs() < 1e-6,
                "{n}"
            );
            if n > 0 {
                assert!(
                    (stretcher.held() - HELD).abs() < 2.0,
                    "{}",
                    stretcher.held()
                );
            }
            stretcher.stretch(&[[0.0; 2]; 480], 500e-6, |out| made += out.len());
        }
    }
}

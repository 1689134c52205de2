//! Decoded sound, and what can be heard in it.

use std::path::Path;
use std::process::{Command, Stdio};

/// All is decoded to this rate, one channel, 16 bits.
const RATE: usize = 48_000;
/// What counts as silence.
const SILENCE_DB: f64 = -60.0;

/// Sound as one channel; times are seconds from its own start.
pub struct Sound {
    samples: Vec<f64>,
}

impl Sound {
    #[track_caller]
    pub fn decode(file: &Path) -> Self {
        Self::decode_as(file, &["-ac", "1"])
    }

    /// One channel, counted from 0, and nothing of the others.
    #[track_caller]
    pub fn channel(file: &Path, channel: u32) -> Self {
        Self::decode_as(file, &["-af", &format!("pan=mono|c0=c{channel}")])
    }

    #[track_caller]
    fn decode_as(file: &Path, channels: &[&str]) -> Self {
        let rate = RATE.to_string();
        let mut command = Command::new("ffmpeg");
        command
            .args(["-nostdin", "-v", "error", "-i"])
            .arg(file)
            .args(["-map", "0:a:0"]);
        command
            .args(channels)
            .args(["-ar", &rate, "-f", "s16le", "-"])
            .stdin(Stdio::null());
        let output = command.output().expect("ffmpeg decodes");
        let samples = output.stdout.chunks_exact(2);
        Self {
            samples: samples
                .map(|pair| f64::from(i16::from_le_bytes([pair[0], pair[1]])) / 32_768.0)
                .collect(),
        }
    }

    pub fn seconds(&self) -> f64 {
        self.samples.len() as f64 / RATE as f64
    }

    /// A part of it.
    pub fn between(&self, from: f64, to: f64) -> Self {
        let index = |at: f64| ((at * RATE as f64) as usize).min(self.samples.len());
        Self {
            samples: self.samples[index(from)..index(to)].to_vec(),
        }
    }

    /// The level over all of it: dB of full scale, rms. Silence is -infinity.
    pub fn level_db(&self) -> f64 {
        level_db(&self.samples)
    }

    /// The level of each stretch of this many seconds.
    pub fn levels_db(&self, seconds: f64) -> Vec<f64> {
        let length = (seconds * RATE as f64) as usize;
        self.samples.chunks_exact(length).map(level_db).collect()
    }

    /// How much of the sound's power lies in a tone of this frequency: 0 to 1, the median over
    /// stretches of 100 ms.
    pub fn tone_share(&self, hertz: f64) -> f64 {
        let mut shares: Vec<f64> = self
            .samples
            .chunks_exact(RATE / 10)
            .map(|part| tone_share(part, hertz))
            .collect();
        shares.sort_by(f64::total_cmp);
        shares.get(shares.len() / 2).copied().unwrap_or(0.0)
    }

    /// A tone of this frequency is there, and loud against all else.
    pub fn has_tone(&self, hertz: f64) -> bool {
        self.level_db() > -50.0 && self.tone_share(hertz) > 0.5
    }

    #[track_caller]
    pub fn assert_tone(&self, hertz: f64) {
        let (level, share) = (self.level_db(), self.tone_share(hertz));
        assert!(
            self.has_tone(hertz),
            "no tone of {hertz} Hz: level {level:.1} dB, share {share:.2}"
        );
    }

    /// The frequency of a pure tone, in Hz, by the times at which it crosses zero upwards.
    pub fn pitch(&self) -> f64 {
        let pairs = self.samples.windows(2).enumerate();
        let crossings: Vec<f64> = pairs
            .filter(|(_, pair)| pair[0] < 0.0 && pair[1] >= 0.0)
            .map(|(at, pair)| at as f64 - pair[0] / (pair[1] - pair[0]))
            .collect();
        match crossings[..] {
            [first, .., last] => (crossings.len() - 1) as f64 * RATE as f64 / (last - first),
            _ => 0.0,
        }
    }

    /// Where its level rises above this many dB after half a second below it: seconds from its
    /// start, to 2 ms.
    pub fn onsets(&self, db: f64) -> Vec<f64> {
        const STEP: f64 = 0.002;
        let mut quiet_since = 0.0;
        let mut onsets = Vec::new();
        for (n, level) in self.levels_db(STEP).into_iter().enumerate() {
            let at = n as f64 * STEP;
            if level > db {
                if at - quiet_since > 0.5 {
                    onsets.push(at);
                }
                quiet_since = at;
            }
        }
        onsets
    }

    /// The longest stretch below -60 dB, in seconds.
    pub fn longest_silence(&self) -> f64 {
        let levels = self.levels_db(0.01);
        let runs = levels.split(|level| *level > SILENCE_DB);
        runs.map(|run| run.len() as f64 * 0.01).fold(0.0, f64::max)
    }

    /// The largest step from one sample to the next, of full scale. A tone of frequency f and
    /// amplitude a never steps more than 2πfa/48000: what is far above that is a click.
    pub fn largest_step(&self) -> f64 {
        self.samples
            .windows(2)
            .map(|pair| (pair[1] - pair[0]).abs())
            .fold(0.0, f64::max)
    }
}

fn level_db(samples: &[f64]) -> f64 {
    20.0 * mean_square(samples).sqrt().log10()
}

fn mean_square(samples: &[f64]) -> f64 {
    samples.iter().map(|sample| sample * sample).sum::<f64>() / samples.len().max(1) as f64
}

/// Goertzel's filter: the power at one frequency, as a share of all power.
fn tone_share(samples: &[f64], hertz: f64) -> f64 {
    let all = mean_square(samples);
    if all <= 0.0 {
        return 0.0;
    }
    let factor = 2.0 * (std::f64::consts::TAU * hertz / RATE as f64).cos();
    let (mut last, mut before) = (0.0, 0.0);
    for sample in samples {
        let next = sample + factor * last - before;
        before = last;
        last = next;
    }
    let magnitude = last * last + before * before - factor * last * before;
    let length = samples.len() as f64;
    2.0 * magnitude / (length * length) / all
}

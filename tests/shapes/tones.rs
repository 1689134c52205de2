//! Which tones are in which channel of a recording.

use std::path::Path;
use std::process::{Command, Stdio};

const RATE: usize = 48_000;

/// Sound in two channels.
pub struct Stereo([Vec<f64>; 2]);

impl Stereo {
    /// The last seconds of a recording.
    #[track_caller]
    pub fn end_of(file: &Path, seconds: f64) -> Self {
        let mut command = Command::new("ffmpeg");
        command.args(["-nostdin", "-v", "error", "-i"]).arg(file);
        command.args(["-map", "0:a:0", "-ac", "2", "-ar", &RATE.to_string()]);
        command.args(["-f", "f32le", "-"]).stdin(Stdio::null());
        let output = command.output().expect("ffmpeg decodes").stdout;
        let all: Vec<f64> = (output.chunks_exact(4))
            .map(|quad| f64::from(f32::from_le_bytes([quad[0], quad[1], quad[2], quad[3]])))
            .collect();
        let frames = all.len() / 2;
        let skip = frames.saturating_sub((seconds * RATE as f64) as usize);
        let channel = |n: usize| all.iter().skip(2 * skip + n).step_by(2).copied().collect();
        Self([channel(0), channel(1)])
    }

    /// How loud a tone is in either channel, in dB of full scale (amplitude): the median over
    /// stretches of 200 ms.
    pub fn tone_db(&self, hertz: f64) -> [f64; 2] {
        [0, 1].map(|n| {
            let mut all: Vec<f64> = (self.0[n].chunks_exact(RATE / 5))
                .map(|part| amplitude(part, hertz))
                .collect();
            all.sort_by(f64::total_cmp);
            20.0 * all
                .get(all.len() / 2)
                .copied()
                .unwrap_or(0.0)
                .max(1e-9)
                .log10()
        })
    }
}

/// Goertzel's filter under a Hann window, which keeps other tones out.
fn amplitude(samples: &[f64], hertz: f64) -> f64 {
    let length = samples.len() as f64;
    let factor = 2.0 * (std::f64::consts::TAU * hertz / RATE as f64).cos();
    let (mut last, mut before) = (0.0, 0.0);
    for (n, sample) in samples.iter().enumerate() {
        let window = 1.0 - (std::f64::consts::TAU * n as f64 / length).cos();
        let next = sample * window + factor * last - before;
        before = last;
        last = next;
    }
    let power = last * last + before * before - factor * last * before;
    2.0 * power.max(0.0).sqrt() / length
}

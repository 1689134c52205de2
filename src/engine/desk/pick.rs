//! Two channels out of the many that a card gives, as floating point. Runs in the card's callback.

use cpal::{Data, I24, Sample, SampleFormat, SizedSample, U24};

use crate::engine::samples::CHANNELS;

/// Formats that are understood, the best first.
pub const FORMATS: [SampleFormat; 10] = [
    SampleFormat::F32,
    SampleFormat::I32,
    SampleFormat::I24,
    SampleFormat::I16,
    SampleFormat::F64,
    SampleFormat::U32,
    SampleFormat::U24,
    SampleFormat::U16,
    SampleFormat::I8,
    SampleFormat::U8,
];

/// What is heard of a card's channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pick {
    /// How many the card gives.
    pub channels: usize,
    /// Which of them are left and right, from 0.
    pub of: [usize; CHANNELS],
}

impl Pick {
    /// Sample frames in `data`.
    pub fn frames(self, data: &Data) -> usize {
        data.len() / self.channels.max(1)
    }

    /// Appends all sample frames of `data` to `into`; of a format that is not understood, nothing.
    pub fn copy(self, data: &Data, into: &mut Vec<[f32; CHANNELS]>) {
        fn of<T: SizedSample>(data: &Data) -> &[T] {
            data.as_slice().unwrap_or_default()
        }
        match data.sample_format() {
            SampleFormat::F32 => self.append(of(data), into, |s: f32| s),
            SampleFormat::F64 => self.append(of(data), into, |s: f64| s as f32),
            SampleFormat::I32 => self.append(of(data), into, i32::to_sample),
            SampleFormat::I24 => self.append(of(data), into, of_i24),
            SampleFormat::I16 => self.append(of(data), into, i16::to_sample),
            SampleFormat::I8 => self.append(of(data), into, i8::to_sample),
            SampleFormat::U32 => self.append(of(data), into, u32::to_sample),
            SampleFormat::U24 => self.append(of(data), into, of_u24),
            SampleFormat::U16 => self.append(of(data), into, u16::to_sample),
            SampleFormat::U8 => self.append(of(data), into, u8::to_sample),
            _ => {}
        }
    }

    fn append<T: Copy>(
        self,
        samples: &[T],
        into: &mut Vec<[f32; CHANNELS]>,
        to_float: impl Fn(T) -> f32,
    ) {
        let frames = samples.chunks_exact(self.channels.max(1));
        let sample = |frame: &[T], channel: usize| {
            frame
                .get(channel)
                .map_or(0.0, |sample: &T| to_float(*sample))
        };
        into.extend(frames.map(|frame| self.of.map(|channel| sample(frame, channel))));
    }
}

/// Its fourth byte is anything: some drivers leave the sign there, others nothing.
fn of_i24(sample: I24) -> f32 {
    (sample.inner() << 8).to_sample()
}

fn of_u24(sample: U24) -> f32 {
    ((sample.inner() << 8) ^ i32::MIN).to_sample()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is heard of these samples of a card with so many channels.
    fn heard<T: Copy>(
        channels: usize,
        of: [usize; 2],
        samples: &[T],
        to_float: impl Fn(T) -> f32,
    ) -> Vec<[f32; 2]> {
        let mut into = Vec::new();
        Pick { channels, of }.append(samples, &mut into, to_float);
        into
    }

    #[test]
    fn two_channels_are_taken_out_of_many_or_one_twice() {
        let samples: Vec<f32> = (0..20u8).map(f32::from).collect();
        let pick = |channels, of| heard(channels, of, &samples, |s| s);
        assert_eq!(pick(2, [0, 1])[..2], [[0.0, 1.0], [2.0, 3.0]]);
        assert_eq!(pick(2, [1, 0])[0], [1.0, 0.0]);
        assert_eq!(pick(10, [4, 8]), [[4.0, 8.0], [14.0, 18.0]]);
        assert_eq!(pick(1, [0, 0])[19], [19.0, 19.0]);
        // What is no whole frame is nobody's; a channel that is not there is silent.
        assert_eq!(pick(8, [7, 7]), [[7.0, 7.0], [15.0, 15.0]]);
        assert_eq!(pick(2, [0, 5])[9], [18.0, 0.0]);
    }

    #[test]
    fn half_of_full_scale_is_that_in_every_format() {
        let mono = |heard: Vec<[f32; 2]>| heard.iter().map(|frame| frame[0]).collect::<Vec<_>>();
        let near = |heard: Vec<[f32; 2]>| {
            let heard = mono(heard);
            for (sample, expected) in heard.iter().zip([0.5, -0.5, 0.0]) {
                assert!((sample - expected).abs() < 0.01, "{heard:?}");
            }
        };
        let one = [0, 0];
        near(heard(1, one, &[0x4000i16, -0x4000, 0], i16::to_sample));
        near(heard(1, one, &[1i32 << 30, -(1 << 30), 0], i32::to_sample));
        near(heard(1, one, &[64i8, -64, 0], i8::to_sample));
        near(heard(1, one, &[0xC000u16, 0x4000, 0x8000], u16::to_sample));
        near(heard(1, one, &[192u8, 64, 128], u8::to_sample));
        let unsigned = [3u32 << 30, 1 << 30, 1 << 31];
        near(heard(1, one, &unsigned, u32::to_sample));
        let half = 1 << 22;
        for fourth in [0, 0x5500_0000, -0x0100_0000] {
            // As it comes, with anything in its fourth byte.
            let raw = |sample: i32| I24::new_unchecked((sample & 0x00ff_ffff) | fourth);
            near(heard(1, one, &[raw(half), raw(-half), raw(0)], of_i24));
            let raw = |sample: i32| U24::new_unchecked((sample & 0x00ff_ffff) | fourth);
            let samples = [raw(3 * half), raw(half), raw(2 * half)];
            near(heard(1, one, &samples, of_u24));
        }
    }
}

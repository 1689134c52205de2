//! The decoded sound of one source, by its place in time: 48 kHz stereo, a few seconds, written by
//! a decoder's streaming thread and read by the programme's sound thread.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

/// Of the mix, of every source, per second.
pub const RATE: u64 = 48_000;
/// Left and right.
pub const CHANNELS: usize = 2;
/// Sample frames held: the longest delay of a source and what waits to be mixed.
const CAPACITY: usize = 4 * RATE as usize;
/// Sample frames (5 ms) over which a seam is faded.
const FADE: usize = 240;
/// A buffer within this many sample frames (40 ms) of where the last one ended follows it without
/// a seam: timestamps jitter, sound does not.
const SEAM: u64 = RATE / 25;
/// No sound is louder: 120 dB over full scale. What is, or is no number at all, is a decoder's fault.
const LOUDEST: f32 = 1e6;

/// Sample frames by their index: running time x [`RATE`].
#[derive(Debug)]
pub struct Samples {
    state: Mutex<State>,
    written: AtomicU64,
}

#[derive(Debug)]
struct State {
    ring: Box<[[f32; CHANNELS]]>,
    /// Index of the oldest valid sample frame, and one past the newest.
    start: u64,
    end: u64,
}

impl Default for Samples {
    fn default() -> Self {
        Self {
            state: Mutex::new(State {
                ring: vec![[0.0; CHANNELS]; CAPACITY].into(),
                start: 0,
                end: 0,
            }),
            written: AtomicU64::new(0),
        }
    }
}

impl State {
    /// Prepares to go on at `wanted`; `before` becomes what the next samples are faded in from,
    /// where there is something.
    fn seam(&mut self, wanted: u64, before: &mut [[f32; CHANNELS]; FADE]) -> bool {
        let place = |index: u64| (index % CAPACITY as u64) as usize;
        let known = self.start..self.end;
        if wanted >= self.start && wanted < self.end {
            // Back: over what is there.
            for (i, old) in before.iter_mut().enumerate() {
                if known.contains(&(wanted + i as u64)) {
                    *old = self.ring[place(wanted + i as u64)];
                }
            }
        } else if !known.is_empty() && wanted > self.end && wanted - self.end < CAPACITY as u64 {
            // A gap: what was there dies away, then silence.
            let last = self.ring[place(self.end - 1)];
            for index in self.end..wanted {
                let faded = 1.0 - (index - self.end + 1) as f32 / FADE as f32;
                self.ring[place(index)] = last.map(|sample| sample * faded.max(0.0));
            }
        } else {
            // Nothing there, or too far for one ring.
            self.start = wanted;
            self.end = wanted;
            return false;
        }
        self.end = wanted;
        true
    }
}

/// The index of the sample frame at a running time in nanoseconds.
pub fn index_at(nanoseconds: u64) -> u64 {
    (u128::from(nanoseconds) * u128::from(RATE) / 1_000_000_000) as u64
}

impl Samples {
    /// Writes interleaved stereo samples captured from `nanoseconds` of running time on. Where they
    /// do not follow what is there, the seam is faded: a gap is silence, and what is written again
    /// takes the place of what was there.
    pub fn write(&self, nanoseconds: u64, interleaved: &[f32]) {
        let (frames, _) = interleaved.as_chunks::<CHANNELS>();
        let frames = &frames[frames.len().saturating_sub(CAPACITY)..];
        let mut state = self.state.lock();
        let wanted = index_at(nanoseconds);
        let near = wanted.abs_diff(state.end) <= SEAM;
        let mut before = [[0.0; CHANNELS]; FADE];
        let fades = !near && state.seam(wanted, &mut before);
        for (i, frame) in frames.iter().enumerate() {
            // One that is no number would stay in the meters' filters for ever.
            let mut frame = frame.map(|s| if s.abs() <= LOUDEST { s } else { 0.0 });
            if fades && i < FADE {
                let t = (i + 1) as f32 / FADE as f32;
                for (new, old) in frame.iter_mut().zip(before[i]) {
                    *new = old + (*new - old) * t;
                }
            }
            let at = ((state.end + i as u64) % CAPACITY as u64) as usize;
            state.ring[at] = frame;
        }
        state.end += frames.len() as u64;
        state.start = state.start.max(state.end.saturating_sub(CAPACITY as u64));
        self.written.fetch_add(1, Ordering::Relaxed);
    }

    /// Buffers written since the start.
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Fills `out` from sample frame `index` on. What is not there stays silent; the result is the
    /// range of `out` that holds sound.
    pub fn read(&self, index: u64, out: &mut [[f32; CHANNELS]]) -> std::ops::Range<usize> {
        out.fill([0.0; CHANNELS]);
        let state = self.state.lock();
        let from = index.max(state.start);
        let to = (index + out.len() as u64).min(state.end);
        if from >= to {
            return 0..0;
        }
        let range = (from - index) as usize..(to - index) as usize;
        let at = (from % CAPACITY as u64) as usize;
        let first = range.len().min(CAPACITY - at);
        let (head, tail) = out[range.clone()].split_at_mut(first);
        head.copy_from_slice(&state.ring[at..at + first]);
        tail.copy_from_slice(&state.ring[..tail.len()]);
        range
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn ramp(from: usize, frames: usize) -> Vec<f32> {
        (from..from + frames)
            .flat_map(|i| [i as f32, -(i as f32)])
            .collect()
    }

    #[test]
    fn what_is_written_is_read_at_its_place() {
        let samples = Samples::default();
        samples.write(1000 * MS, &ramp(0, 480));
        samples.write(1010 * MS, &ramp(480, 480));
        let mut out = [[9.0; 2]; 960];
        assert_eq!(samples.read(48_000, &mut out), 0..960);
        assert!(
            out.iter()
                .enumerate()
                .all(|(i, s)| *s == [i as f32, -(i as f32)])
        );
        assert_eq!(samples.read(48_900, &mut out), 0..60);
        assert_eq!(out[59], [959.0, -959.0]);
        assert_eq!(out[60], [0.0, 0.0]);
        assert_eq!(samples.read(47_990, &mut out), 10..960);
        assert_eq!(samples.read(10, &mut out), 0..0);
    }

    #[test]
    fn jitter_of_timestamps_makes_no_seam_and_a_gap_does() {
        let samples = Samples::default();
        samples.write(1000 * MS, &ramp(0, 480));
        samples.write(1021 * MS, &ramp(480, 480));
        let mut out = [[0.0; 2]; 960];
        assert_eq!(samples.read(48_000, &mut out), 0..960);
        assert_eq!(out[500][0], 500.0);
        // A gap within the ring is silence, and what came before it stays.
        samples.write(2000 * MS, &ramp(0, 480));
        assert_eq!(samples.read(48_000, &mut out), 0..960);
        assert_eq!(out[500][0], 500.0);
        assert_eq!(samples.read(96_000 - 480, &mut out), 0..960);
        assert_eq!(out[400][0], 0.0);
        assert_eq!(out[480 + 300][0], 300.0);
        // One beyond it leaves nothing.
        samples.write(20_000 * MS, &ramp(0, 480));
        assert_eq!(samples.read(96_000, &mut out), 0..0, "the old is gone");
        assert_eq!(samples.read(960_000, &mut out), 0..480);
    }

    #[test]
    fn a_step_back_takes_the_place_of_what_was_there_and_keeps_the_rest() {
        let samples = Samples::default();
        samples.write(1000 * MS, &ramp(0, 9600));
        samples.write(1100 * MS, &ramp(20_000, 480));
        let mut out = [[0.0; 2]; 960];
        assert_eq!(
            samples.read(48_000, &mut out),
            0..960,
            "not mixed yet, not lost"
        );
        assert_eq!(samples.read(52_800, &mut out), 0..480);
        assert_eq!(out[400][0], 20_400.0);
    }

    #[test]
    fn what_is_no_number_is_silence() {
        let samples = Samples::default();
        let mut data = ramp(1, 480);
        let bad = [
            f32::NAN,
            -f32::NAN,
            f32::INFINITY,
            f32::NEG_INFINITY,
            f32::MAX,
        ];
        data[100..105].copy_from_slice(&bad);
        samples.write(1000 * MS, &data);
        // Over what is there: with a seam.
        data[..5].copy_from_slice(&bad);
        samples.write(920 * MS, &data);
        let mut out = [[9.0; 2]; 8000];
        samples.read(44_160, &mut out);
        assert!(out.iter().flatten().all(|sample| sample.is_finite()));
        assert_eq!(samples.read(48_000, &mut out), 0..0, "taken back");
        samples.write(1000 * MS, &ramp(1, 480));
        data[200..205].copy_from_slice(&bad);
        samples.write(1010 * MS, &data);
        assert_eq!(samples.read(48_480, &mut out[..480]), 0..480);
        assert_eq!(out[100], [0.0; 2]);
        assert_eq!(out[99], [100.0, -100.0]);
    }

    #[test]
    fn the_ring_wraps_and_keeps_the_newest() {
        let samples = Samples::default();
        let total = CAPACITY + 1000;
        for block in 0..total / 100 {
            samples.write(
                (block * 100) as u64 * 1_000_000_000 / RATE + 1,
                &ramp(block * 100, 100),
            );
        }
        let mut out = vec![[0.0; 2]; 1200];
        let newest = samples.read((total - 1200) as u64, &mut out);
        assert_eq!(newest, 0..1200);
        assert_eq!(out[1199][0], (total - 1) as f32);
        assert_eq!(samples.read(0, &mut out), 1000..1200);
    }
}

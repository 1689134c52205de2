//! The decoded sound of one source, by its place in time: 48 kHz stereo, a few seconds, written by
//! a decoder's streaming thread and read by the programme's sound thread.
//!
//! Sound arrives in one piece, its timestamps with it: they jitter, and they run by the sender's
//! clock. It is stretched, by less than anybody hears, so that it lies where its timestamps say in
//! the long run, and nothing of it is cut or repeated. Only what is in a wrong place altogether
//! (something was lost, the sender moved its timestamps) is put in its place at once, by a seam.
//!
//! Two locks: the writer's is taken first, and the ring's only to copy, so that the reader never
//! waits for the stretching.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use parking_lot::Mutex;

use super::drift::{Follower, MOST, Way};
use super::resample::Stretcher;
use super::tap::{Passed, Tap};

/// Of the mix, of every source, per second.
pub const RATE: u64 = 48_000;
/// Left and right.
pub const CHANNELS: usize = 2;
/// Sample frames held: the longest delay of a source and what waits to be mixed.
const CAPACITY: usize = 4 * RATE as usize;
/// Sample frames (5 ms) over which a seam is faded.
const FADE: usize = 240;
/// How fast a shift is gone to; clocks drift beside it.
const GLIDE: f64 = 0.7 * MOST;
/// One further away than this, in seconds, takes a seam: gliding would take most of a minute.
const FAR: f64 = 0.025;
/// What is softer is silence: 66 dB below full scale.
const SILENCE: f32 = 5e-4;
/// No sound is louder: 120 dB over full scale. What is, or is no number at all, is a decoder's fault.
const LOUDEST: f32 = 1e6;

/// Sample frames by their index: running time x [`RATE`].
#[derive(Debug)]
pub struct Samples {
    writer: Mutex<Writer>,
    ring: Mutex<Ring>,
    written: AtomicU64,
    /// How much later than captured it shall lie, in nanoseconds.
    shift: AtomicI64,
    /// How early, in nanoseconds, came what came last before it was asked for; [`i64::MAX`]: nothing
    /// came.
    spare: AtomicI64,
    /// Copies of all that is written, by capture time.
    pub tap: Arc<Tap>,
}

impl Default for Samples {
    fn default() -> Self {
        Self {
            writer: Mutex::default(),
            ring: Mutex::default(),
            written: AtomicU64::new(0),
            shift: AtomicI64::new(0),
            spare: AtomicI64::new(i64::MAX),
            tap: Arc::default(),
        }
    }
}

/// What the writing side knows.
#[derive(Debug, Default)]
struct Writer {
    stretcher: Stretcher,
    follower: Follower,
    /// How much later than captured it lies by now, in seconds.
    shift: f64,
    /// Kept: the buffer under way, what cannot be a sample taken out.
    frames: Vec<[f32; CHANNELS]>,
}

#[derive(Debug)]
struct Ring {
    frames: Box<[[f32; CHANNELS]]>,
    /// Index of the oldest valid sample frame, and one past the newest.
    start: u64,
    end: u64,
    /// One past the last sample frame that has been asked for.
    asked: u64,
    /// What is written next is faded in over [`FADE`] from this; how many have been.
    before: [[f32; CHANNELS]; FADE],
    faded: usize,
}

impl Default for Ring {
    fn default() -> Self {
        Self {
            frames: vec![[0.0; CHANNELS]; CAPACITY].into(),
            start: 0,
            end: 0,
            asked: 0,
            before: [[0.0; CHANNELS]; FADE],
            faded: FADE,
        }
    }
}

fn place(index: u64) -> usize {
    (index % CAPACITY as u64) as usize
}

impl Ring {
    /// Prepares to go on at `wanted`: what is there is faded out.
    fn seam(&mut self, wanted: u64) {
        let known = self.start..self.end;
        self.before = [[0.0; CHANNELS]; FADE];
        self.faded = 0;
        if known.contains(&wanted) {
            // Back: over what is there.
            for (i, old) in self.before.iter_mut().enumerate() {
                if known.contains(&(wanted + i as u64)) {
                    *old = self.frames[place(wanted + i as u64)];
                }
            }
        } else if !known.is_empty() && wanted >= self.end && wanted - self.end < CAPACITY as u64 {
            // A gap: what was there dies away, then silence.
            let last = self.frames[place(self.end - 1)];
            let dying = |since: u64| {
                let share = 1.0 - (since + 1) as f32 / FADE as f32;
                last.map(|sample| sample * share.max(0.0))
            };
            let gap = wanted - self.end;
            for since in 0..gap {
                self.frames[place(self.end + since)] = dying(since);
            }
            // A short one ends before that has died away.
            for (since, old) in (gap..).zip(&mut self.before) {
                *old = dying(since);
            }
        } else {
            // Nothing there, or too far for one ring.
            self.start = wanted;
            self.faded = FADE;
        }
        self.end = wanted;
        self.forget();
    }

    fn append(&mut self, frames: &[[f32; CHANNELS]]) {
        for frame in frames {
            let mut frame = *frame;
            if self.faded < FADE {
                let t = (self.faded + 1) as f32 / FADE as f32;
                for (new, old) in frame.iter_mut().zip(self.before[self.faded]) {
                    *new = old + (*new - old) * t;
                }
                self.faded += 1;
            }
            self.frames[place(self.end)] = frame;
            self.end += 1;
        }
        self.forget();
    }

    /// What has been written over is no longer there.
    fn forget(&mut self) {
        self.start = self.start.max(self.end.saturating_sub(CAPACITY as u64));
    }
}

/// The index of the sample frame at a running time in nanoseconds.
pub fn index_at(nanoseconds: u64) -> u64 {
    (u128::from(nanoseconds) * u128::from(RATE) / 1_000_000_000) as u64
}

impl Samples {
    /// Writes interleaved stereo samples captured from `nanoseconds` of running time on. They follow
    /// what is there, and come to lie in their place by and by; where that is too far away, the
    /// seam is faded: a gap is silence, and what is written again takes the place of what was there.
    pub fn write(&self, nanoseconds: u64, interleaved: &[f32]) {
        let (frames, _) = interleaved.as_chunks::<CHANNELS>();
        if self.tap.is_open() {
            // Two that are opposite to each other would be silent together.
            let louder = |&[left, right]: &[f32; CHANNELS]| match left.abs() >= right.abs() {
                true => left,
                false => right,
            };
            self.tap.offer(Passed::Sound {
                captured: nanoseconds,
                samples: frames.iter().map(louder).collect(),
            });
        }
        let frames = &frames[frames.len().saturating_sub(CAPACITY / 2)..];
        let mut writer = self.writer.lock();
        let writer = &mut *writer;
        let (end, asked) = {
            let ring = self.ring.lock();
            (ring.end, ring.asked)
        };
        let rate = RATE as f64;
        let shift = self.shift.load(Ordering::Relaxed) as f64 / 1e9;
        let glide = GLIDE * frames.len() as f64 / rate;
        let far = (shift - writer.shift).abs() > FAR;
        writer.shift = match end {
            0 => shift,
            _ if far => shift,
            _ => writer.shift + (shift - writer.shift).clamp(-glide, glide),
        };
        let lies = end as f64 + writer.stretcher.held();
        let error = nanoseconds as f64 / 1e9 + writer.shift - lies / rate;
        let length = frames.len() as f64 / rate;
        let way = (writer.follower).follow(error, length, lies < asked as f64);
        if way == Way::Seam || far || end == 0 {
            // Where there is a seam, it is one for all.
            writer.shift = shift;
            let place = nanoseconds.saturating_add_signed((shift * 1e9) as i64);
            self.ring.lock().seam(index_at(place));
            writer.stretcher.restart();
        }
        let share = writer.follower.share();
        // One that is no number would stay in filters for ever.
        let sane = |sample: f32| if sample.abs() <= LOUDEST { sample } else { 0.0 };
        writer.frames.clear();
        (writer.frames).extend(frames.iter().map(|frame| frame.map(sane)));
        // Silence is never too late.
        let is_loud = |frame: &[f32; CHANNELS]| frame.iter().any(|sample| sample.abs() > SILENCE);
        if let Some(first) = writer.frames.iter().position(is_loud) {
            let place = nanoseconds as f64 / 1e9 + writer.shift + first as f64 / rate;
            let spare = (place - asked as f64 / rate) * 1e9;
            self.spare.fetch_min(spare as i64, Ordering::Relaxed);
        }
        let ring = &self.ring;
        (writer.stretcher).stretch(&writer.frames, share, |out| ring.lock().append(out));
        self.written.fetch_add(1, Ordering::Relaxed);
    }

    /// From now on it lies so many nanoseconds later than captured. It gets there without a seam, where
    /// that is not far.
    pub fn set_shift(&self, nanoseconds: i64) {
        self.shift.store(nanoseconds, Ordering::Relaxed);
    }

    /// What was last told to [`Self::set_shift`].
    pub fn shift(&self) -> i64 {
        self.shift.load(Ordering::Relaxed)
    }

    /// How long before it was asked for sound has come, in nanoseconds, at worst since the last call:
    /// negative where it was too late. `None`: nothing came but silence.
    pub fn take_spare(&self) -> Option<i64> {
        let spare = self.spare.swap(i64::MAX, Ordering::Relaxed);
        (spare != i64::MAX).then_some(spare)
    }

    /// Buffers written since the start.
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Fills `out` from sample frame `index` on. What is not there stays silent; the result is the
    /// range of `out` that holds sound.
    pub fn read(&self, index: u64, out: &mut [[f32; CHANNELS]]) -> std::ops::Range<usize> {
        out.fill([0.0; CHANNELS]);
        let mut ring = self.ring.lock();
        ring.asked = index + out.len() as u64;
        let from = index.max(ring.start);
        let to = (index + out.len() as u64).min(ring.end);
        if from >= to {
            return 0..0;
        }
        let range = (from - index) as usize..(to - index) as usize;
        let at = place(from);
        let first = range.len().min(CAPACITY - at);
        let (head, tail) = out[range.clone()].split_at_mut(first);
        head.copy_from_slice(&ring.frames[at..at + first]);
        tail.copy_from_slice(&ring.frames[..tail.len()]);
        range
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::chance::Chance;

    const MS: u64 = 1_000_000;
    const TURN: f64 = std::f64::consts::TAU;

    /// What a tone of 440 Hz and half scale is, so many seconds after it began.
    fn tone_at(seconds: f64) -> f32 {
        (0.5 * (seconds * 440.0 * TURN).sin()) as f32
    }

    /// So many sample frames of it.
    fn tone(from: usize, frames: usize) -> Vec<f32> {
        (from..from + frames)
            .flat_map(|i| [tone_at(i as f64 / 48_000.0), -tone_at(i as f64 / 48_000.0)])
            .collect()
    }

    /// How far what was read is from the tone that began at sample frame `began` of the ring.
    fn off(out: &[[f32; 2]], index: u64, began: u64) -> f32 {
        let expected = |i: usize| tone_at((index + i as u64 - began) as f64 / 48_000.0);
        (out.iter().enumerate())
            .map(|(i, frame)| {
                (frame[0] - expected(i))
                    .abs()
                    .max((frame[1] + expected(i)).abs())
            })
            .fold(0.0, f32::max)
    }

    /// The largest third difference: tiny in a tone, as large as any step in it otherwise.
    fn roughness(out: &[[f32; 2]]) -> f32 {
        (out.windows(4))
            .map(|w| (w[3][0] - 3.0 * w[2][0] + 3.0 * w[1][0] - w[0][0]).abs())
            .fold(0.0, f32::max)
    }

    fn all(samples: &Samples, from: u64, frames: usize) -> Vec<[f32; 2]> {
        let mut out = vec![[0.0; 2]; frames];
        assert_eq!(samples.read(from, &mut out), 0..frames);
        out
    }

    #[test]
    fn what_is_written_is_read_at_its_place() {
        let samples = Samples::default();
        for n in 0..10 {
            samples.write((1000 + n * 10) * MS, &tone(n as usize * 480, 480));
        }
        let out = all(&samples, 48_100, 4600);
        assert!(off(&out, 48_100, 48_000) < 1e-3);
        // The filter holds 1 ms back.
        let mut out = [[9.0; 2]; 960];
        let there = samples.read(52_000, &mut out);
        assert!((749..752).contains(&there.end), "{there:?}");
        assert_eq!(out[there.end], [0.0; 2]);
        assert_eq!(samples.read(47_990, &mut out), 10..960);
        assert_eq!(samples.read(10, &mut out), 0..0);
    }

    #[test]
    fn jitter_of_timestamps_is_not_heard_and_a_gap_is_silence() {
        let samples = Samples::default();
        let mut chance = Chance::default();
        for n in 0..300 {
            let jitter = (chance.next() * 60.0) as u64;
            samples.write((1000 + n * 10 + jitter) * MS, &tone(n as usize * 480, 480));
        }
        let out = all(&samples, 52_000, 138_000);
        assert!(roughness(&out) < 0.001, "{}", roughness(&out));
        // A gap within the ring is silence, and what came before it stays.
        samples.write(5000 * MS, &tone(0, 960));
        assert!(roughness(&all(&samples, 60_000, 130_000)) < 0.001);
        let gap = all(&samples, 240_000 - 4800, 4800);
        assert!(gap.iter().all(|frame| *frame == [0.0; 2]));
        assert!(off(&all(&samples, 240_300, 500), 240_300, 240_000) < 2e-2);
        // One beyond it leaves nothing.
        samples.write(20_000 * MS, &tone(0, 960));
        let mut out = [[0.0; 2]; 960];
        assert_eq!(samples.read(240_000, &mut out), 0..0, "the old is gone");
        assert!(samples.read(960_000, &mut out).end > 900);
    }

    #[test]
    fn how_early_sound_comes_is_known_and_silence_is_never_late() {
        let samples = Samples::default();
        samples.write(1000 * MS, &tone(0, 4800));
        let _ = all(&samples, 48_000, 2400);
        assert!(
            samples.take_spare().is_some_and(|spare| spare > 0),
            "asked for later"
        );
        assert_eq!(samples.take_spare(), None);
        samples.write(1100 * MS, &tone(4800, 480));
        let spare = samples.take_spare().expect("it came") / MS as i64;
        assert!((49..=50).contains(&spare), "{spare} ms");
        let mut out = [[0.0; 2]; 9600];
        samples.read(52_800, &mut out);
        samples.write(1110 * MS, &[0.0; 960]);
        assert_eq!(samples.take_spare(), None);
        samples.write(1120 * MS, &tone(0, 480));
        let spare = samples.take_spare().expect("it came") / MS as i64;
        assert!((-181..=-179).contains(&spare), "{spare} ms");
    }

    #[test]
    fn a_shift_is_gone_to_without_a_seam() {
        let samples = Samples::default();
        let mut lies = Vec::new();
        for n in 0..6000u64 {
            if n == 1000 {
                samples.set_shift(5 * MS as i64);
            }
            let beep = if n % 100 == 50 {
                tone(0, 480)
            } else {
                vec![0.0; 960]
            };
            samples.write((1000 + n * 10) * MS, &beep);
            if n % 100 == 52 {
                let from = 48_000 + (n - 4) * 480;
                let out = all(&samples, from, 1900);
                let began = out.iter().position(|frame| frame[0].abs() > 0.02);
                let began = from + began.expect("a beep") as u64;
                lies.push(began as i64 - (48_000 + (n - 2) as i64 * 480));
            }
        }
        let ms = |n: usize| lies[n] as f64 / 48.0;
        assert!(ms(8).abs() < 0.5, "{lies:?}");
        assert!((ms(58) - 5.0).abs() < 1.0, "{lies:?}");
        assert!(
            lies.windows(2).all(|w| (w[1] - w[0]).abs() < 60),
            "{lies:?}"
        );
    }

    #[test]
    fn a_gap_of_any_length_does_not_click() {
        for gap in [1, 20, 100, 200, 239, 240, 300, 2000] {
            let mut ring = Ring::default();
            let loud = [[0.5, -0.5]; 1000];
            ring.seam(1000);
            ring.append(&loud);
            ring.seam(2000 + gap);
            ring.append(&loud);
            let steps = (1999..3000 + gap).map(|index| {
                let at = |index: u64| ring.frames[place(index)][0];
                (at(index + 1) - at(index)).abs()
            });
            let largest = steps.take(1000).fold(0.0, f32::max);
            assert!(largest < 0.01, "{gap}: a step of {largest}");
        }
    }

    #[test]
    fn a_step_back_takes_the_place_of_what_was_there_and_keeps_the_rest() {
        let samples = Samples::default();
        samples.write(1000 * MS, &tone(0, 9600));
        samples.write(1100 * MS, &tone(0, 960));
        // Not mixed yet, not lost.
        assert!(off(&all(&samples, 48_100, 4700), 48_100, 48_000) < 1e-3);
        let out = all(&samples, 52_800, 900);
        assert!(off(&out[240..], 53_040, 52_800) < 1e-3);
        assert!(roughness(&all(&samples, 52_000, 1700)) < 0.05, "faded");
    }

    #[test]
    fn lost_sound_is_a_gap_and_what_follows_is_in_its_place() {
        // 21 ms are lost: less than jitter may be, but it does not come back.
        let samples = Samples::default();
        for n in (0..100usize).filter(|n| *n != 50) {
            let at = 48_000 + n * 1024;
            samples.write(at as u64 * 1_000_000_000 / RATE + 1, &tone(n * 1024, 1024));
        }
        for index in [60_000, 110_000] {
            assert!(
                off(&all(&samples, index, 20_000), index, 48_000) < 1e-2,
                "{index}"
            );
        }
    }

    #[test]
    fn after_a_gap_that_was_heard_sound_is_in_its_place_at_once() {
        let samples = Samples::default();
        samples.write(1000 * MS, &tone(0, 4800));
        let mut out = [[0.0; 2]; 4800];
        samples.read(50_000, &mut out);
        samples.write(1108 * MS, &tone(0, 4800));
        let began = 1108 * 48;
        assert!(off(&all(&samples, 54_000, 3000), 54_000, began) < 1e-3);
    }

    #[test]
    fn a_senders_clock_that_runs_wrong_is_followed_without_a_cut() {
        for ppm in [-900.0, -200.0, 200.0, 900.0] {
            let samples = Samples::default();
            let mut heard = Vec::new();
            // A minute in blocks of 1024, read 100 ms behind; timestamps in whole milliseconds.
            for n in 0..2812usize {
                let sent = (n * 1024) as f64 / 48_000.0;
                let now = 1.0 + sent * (1.0 + ppm / 1e6);
                samples.write((now * 1000.0).round() as u64 * MS, &tone(n * 1024, 1024));
                while ((48_000 + heard.len() + 4800) as f64) < now * 48_000.0 {
                    heard.extend(all(&samples, 48_000 + heard.len() as u64, 480));
                }
            }
            let worst = roughness(&heard[480..]);
            assert!(worst < 0.001, "{ppm} ppm: a cut of {worst}");
            // Its place: at the end, over 100 ms, against the tone as it was sent by our clock.
            let last = heard.len() - 4800;
            let of = |late: f64| -> f64 {
                (heard[last..].iter().enumerate())
                    .map(|(i, frame)| {
                        let ours = (last + i) as f64 / 48_000.0 - late;
                        let expected = tone_at(ours / (1.0 + ppm / 1e6));
                        f64::from(frame[0] - expected).powi(2)
                    })
                    .sum()
            };
            // Within the tone's own cycle of 2.3 ms.
            let late = (-11..=11).map(|n| f64::from(n) * 1e-4);
            let late = late.min_by(|a, b| of(*a).total_cmp(&of(*b))).unwrap_or(1.0);
            assert!(late.abs() < 0.001, "{ppm} ppm: {late} s late");
        }
    }

    #[test]
    fn what_is_no_number_is_silence() {
        let samples = Samples::default();
        let mut data = tone(1, 480);
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
        assert!(out.iter().flatten().all(|sample| sample.abs() < 1.0));
        samples.write(930 * MS, &tone(480, 480));
        assert!(off(&all(&samples, 44_800, 200), 44_800, 44_160) < 1e-2);
    }

    #[test]
    fn the_ring_wraps_and_keeps_the_newest() {
        let samples = Samples::default();
        let total = CAPACITY + 1000;
        for block in 0..total / 100 {
            let at = (block * 100) as u64 * 1_000_000_000 / RATE + 1;
            samples.write(at, &tone(block * 100, 100));
        }
        let newest = total as u64 - 60;
        let worst = off(&all(&samples, newest - 1200, 1200), newest - 1200, 0);
        assert!(worst < 1e-2, "{worst}");
        let mut out = vec![[0.0; 2]; 1200];
        assert!((930..960).contains(&samples.read(0, &mut out).start));
    }
}

//! How loud everything is: each source as it comes in, before gain and mute, at the place in time at
//! which it is mixed; and the mix as it goes on air.
//!
//! The sound thread measures, always: loudness needs what went before, and it is cheap. It allocates
//! nothing, and never waits for a reader of the [`Board`].

use std::sync::Arc;

use ebur128::{EbuR128, Mode};
use parking_lot::Mutex;

use crate::monitor::Levels;

use super::mix::{BLOCK, MixInput};
use super::samples::{CHANNELS, RATE};

/// How fast a peak falls, in dB per second.
const FALL: f32 = 20.0 / 1.7;
/// Peaks below this are nothing, in dB.
const FLOOR: f32 = -120.0;
/// Louder than this is not silence, where nothing else is said: -50 dB.
const SILENCE: f32 = 0.003_162_3;
/// As loud as it can get: the largest sample of 16 bits.
const FULL_SCALE: f32 = 32_767.0 / 32_768.0;
/// Loudness is taken in steps of 100 ms.
const STEP: usize = RATE as usize / 10;
/// Steps of the momentary loudness, 400 ms, and of the short-term loudness, 3 s.
const MOMENTARY: usize = 4;
const SHORT_TERM: usize = 30;
/// What BS.1770 takes off the power of what it has filtered, in dB.
const OFFSET: f64 = -0.691;

/// The levels as of the last block: the mix, then the sources in the venue's order, then the desk.
#[derive(Debug)]
pub struct Board(Mutex<Vec<Levels>>);

impl Board {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.lock().len()
    }

    /// Copies the levels.
    pub fn read(&self, into: &mut Vec<Levels>) {
        into.clone_from(&self.0.lock());
    }
}

/// All meters. Owned by the sound thread.
pub struct Meters {
    /// The mix, then the sources, then the desk.
    meters: Vec<Meter>,
    block: Box<[[f32; CHANNELS]]>,
    board: Arc<Board>,
}

impl Meters {
    /// Meters for the mix and for so many sounds of which it is made, the first of its inputs.
    pub fn new(sources: usize) -> Self {
        let count = sources + 1;
        Self {
            meters: (0..count).map(|_| Meter::new()).collect(),
            block: vec![[0.0; CHANNELS]; BLOCK].into(),
            board: Arc::new(Board(Mutex::new(vec![Levels::NOTHING; count]))),
        }
    }

    /// What is quieter than this, in dB of full scale, is silence: of the mix, then of the sources.
    pub fn set_silence(&mut self, levels_db: impl IntoIterator<Item = f64>) {
        for (meter, db) in self.meters.iter_mut().zip(levels_db) {
            meter.silence = 10f64.powf(db / 20.0) as f32;
        }
    }

    /// Where the levels can be read.
    pub fn board(&self) -> Arc<Board> {
        self.board.clone()
    }

    /// Measures the block that starts at sample frame `index`: the sources as they went into the
    /// mix, and the mix.
    pub fn measure(&mut self, index: u64, inputs: &[MixInput], mix: &[[f32; CHANNELS]]) {
        let Some((of_mix, of_sources)) = self.meters.split_first_mut() else {
            return;
        };
        of_mix.hear(mix, true);
        let block = &mut self.block[..mix.len()];
        for (meter, input) in of_sources.iter_mut().zip(inputs) {
            let range = match index.checked_sub(input.lag) {
                Some(from) => input.samples.read(from, block),
                None => 0..0,
            };
            if range.is_empty() {
                block.fill([0.0; CHANNELS]);
            }
            meter.hear(block, !range.is_empty());
        }
        // A reader is copying: it gets the next block's.
        if let Some(mut board) = self.board.0.try_lock() {
            for (levels, meter) in board.iter_mut().zip(&self.meters) {
                *levels = meter.levels();
            }
        }
    }
}

/// The meter of one sound.
struct Meter {
    filter: EbuR128,
    /// Sample frames of the step under way.
    frames: usize,
    /// Power of the last steps, as a ring.
    steps: [f64; SHORT_TERM],
    next: usize,
    peak_db: [f32; CHANNELS],
    clips: u64,
    /// Louder than this is not silence.
    silence: f32,
    /// Sample frames since it was last louder than silence, and since there was any sound.
    silent: u64,
    absent: u64,
    ever: bool,
}

impl Meter {
    fn new() -> Self {
        let filter = EbuR128::new(CHANNELS as u32, RATE as u32, Mode::M);
        Self {
            filter: filter.expect("48 kHz stereo can be measured"),
            frames: 0,
            steps: [0.0; SHORT_TERM],
            next: 0,
            peak_db: [f32::NEG_INFINITY; CHANNELS],
            clips: 0,
            silence: SILENCE,
            silent: 0,
            absent: 0,
            ever: false,
        }
    }

    /// The sound goes on with this block; `there` says whether any of it came from somebody.
    fn hear(&mut self, block: &[[f32; CHANNELS]], there: bool) {
        let length = block.len() as u64;
        self.absent = if there { 0 } else { self.absent + length };
        self.ever |= there;
        let mut peak = [0.0f32; CHANNELS];
        for frame in block {
            for (peak, sample) in peak.iter_mut().zip(frame) {
                *peak = peak.max(sample.abs());
                self.clips += u64::from(sample.abs() >= FULL_SCALE);
            }
        }
        let fall = FALL * length as f32 / RATE as f32;
        for (shown, peak) in self.peak_db.iter_mut().zip(peak) {
            let db = (20.0 * peak.log10()).max(*shown - fall);
            *shown = if db < FLOOR { f32::NEG_INFINITY } else { db };
        }
        let loud = peak.iter().any(|peak| *peak > self.silence);
        self.silent = if loud { 0 } else { self.silent + length };
        // All steps are silence by then, and stay so.
        if self.absent <= (SHORT_TERM + 2) as u64 * STEP as u64 {
            self.weigh(block);
        }
    }

    fn weigh(&mut self, mut block: &[[f32; CHANNELS]]) {
        while !block.is_empty() {
            let (now, later) = block.split_at(block.len().min(STEP - self.frames));
            block = later;
            // Refused only where the number of samples does not fit the channels.
            let _ = self.filter.add_frames_f32(now.as_flattened());
            self.frames += now.len();
            if self.frames == STEP {
                self.frames = 0;
                let loudness = self
                    .filter
                    .loudness_window(100)
                    .unwrap_or(f64::NEG_INFINITY);
                self.steps[self.next] = 10f64.powf((loudness - OFFSET) / 10.0);
                self.next = (self.next + 1) % SHORT_TERM;
            }
        }
    }

    /// Loudness over the last steps.
    fn loudness(&self, steps: usize) -> f32 {
        let last = (1..=steps).map(|n| self.steps[(self.next + SHORT_TERM - n) % SHORT_TERM]);
        let power = last.sum::<f64>() / steps as f64;
        // What the filter leaves behind after sound is no loudness.
        let loudness = OFFSET + 10.0 * power.log10();
        if loudness < f64::from(FLOOR) {
            f32::NEG_INFINITY
        } else {
            loudness as f32
        }
    }

    fn levels(&self) -> Levels {
        Levels {
            peak_db: self.peak_db,
            momentary: self.loudness(MOMENTARY),
            short_term: self.loudness(SHORT_TERM),
            clips: self.clips,
            silent_ms: u32::try_from(self.silent * 1000 / RATE).unwrap_or(u32::MAX),
            present: self.ever && self.absent <= RATE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::samples::Samples;

    /// A meter that has heard so many ms of a tone of 1 kHz, left and right of these amplitudes.
    fn heard(meter: &mut Meter, ms: usize, amplitudes: [f32; CHANNELS]) {
        let tone: Vec<_> = (0..ms * 48)
            .map(|i| {
                let phase = i as f32 / 48.0 * std::f32::consts::TAU;
                amplitudes.map(|amplitude| amplitude * phase.sin())
            })
            .collect();
        for block in tone.chunks(BLOCK) {
            meter.hear(block, true);
        }
    }

    fn near(value: f32, expected: f32, tolerance: f32) -> bool {
        (value - expected).abs() <= tolerance
    }

    #[test]
    fn a_tone_reads_as_the_recommendation_says() {
        // BS.1770: a 1 kHz sine of 0 dB of full scale in one channel reads -3.01 LUFS, in both 0.
        let mut meter = Meter::new();
        heard(&mut meter, 3200, [0.1, 0.1]);
        let levels = meter.levels();
        assert!(near(levels.momentary, -20.0, 0.05), "{levels:?}");
        assert!(near(levels.short_term, -20.0, 0.05), "{levels:?}");
        assert!(levels.peak_db.iter().all(|db| near(*db, -20.0, 0.05)));
        assert_eq!((levels.clips, levels.silent_ms), (0, 0));
        assert!(levels.present);
        let mut left = Meter::new();
        heard(&mut left, 3200, [1.0 / 8.0, 0.0]);
        let levels = left.levels();
        assert!(near(levels.short_term, -18.06 - 3.01, 0.05), "{levels:?}");
        assert_eq!(levels.peak_db[1], f32::NEG_INFINITY);
    }

    #[test]
    fn loudness_follows_in_its_own_time() {
        let mut meter = Meter::new();
        heard(&mut meter, 3000, [0.1, 0.1]);
        heard(&mut meter, 600, [0.01, 0.01]);
        let levels = meter.levels();
        assert!(near(levels.momentary, -40.0, 0.1), "{levels:?}");
        // 2.4 s of 3 s are left.
        assert!(near(levels.short_term, -20.0 - 0.96, 0.1), "{levels:?}");
    }

    #[test]
    fn a_peak_falls_by_20_db_in_1_7_s() {
        let mut meter = Meter::new();
        heard(&mut meter, 100, [1.0, 0.5]);
        let before = meter.levels();
        for _ in 0..(1.7 * RATE as f64 / BLOCK as f64).round() as usize {
            meter.hear(&[[0.0; 2]; BLOCK], true);
        }
        let after = meter.levels();
        for (before, after) in before.peak_db.iter().zip(after.peak_db) {
            assert!(near(before - after, 20.0, 0.3), "{before} to {after}");
        }
        assert!(near(after.silent_ms as f32, 1700.0, 40.0));
        for _ in 0..1000 {
            meter.hear(&[[0.0; 2]; BLOCK], true);
        }
        let levels = meter.levels();
        assert_eq!(levels.peak_db, [f32::NEG_INFINITY; 2]);
        assert_eq!(levels.momentary, f32::NEG_INFINITY);
        assert_eq!(levels.short_term, f32::NEG_INFINITY);
        assert!(levels.present, "silence is sent all the same");
    }

    #[test]
    fn clips_are_counted_and_absence_is_told_from_silence() {
        let mut meter = Meter::new();
        assert_eq!(meter.levels(), Levels::NOTHING);
        meter.hear(&[[0.99, -0.99], [1.0, -1.0], [1.5, 0.0]], true);
        assert_eq!(meter.levels().clips, 3);
        let second = RATE as usize / BLOCK + 1;
        for _ in 0..second {
            meter.hear(&[[0.0; 2]; BLOCK], false);
        }
        assert!(!meter.levels().present);
        for _ in 0..5 * second {
            meter.hear(&[[0.0; 2]; BLOCK], false);
        }
        assert_eq!(meter.levels().short_term, f32::NEG_INFINITY);
        meter.hear(&[[0.0; 2]; BLOCK], true);
        assert!(meter.levels().present);
        assert!(meter.levels().silent_ms > 5000);
    }

    #[test]
    fn what_is_silence_is_the_venues_to_say() {
        let mut meters = Meters::new(1);
        meters.set_silence([-60.0, -20.0]);
        for (meter, silent_ms) in meters.meters.iter_mut().zip([0, 500]) {
            // -40 dB.
            heard(meter, 500, [0.01, 0.01]);
            assert_eq!(meter.levels().silent_ms, silent_ms);
        }
    }

    #[test]
    fn a_source_is_measured_before_its_gain_where_it_is_mixed() {
        let samples = Arc::new(Samples::default());
        let tone: Vec<f32> = (0..48_000)
            .flat_map(|i| [0.25 * (i as f32 / 48.0 * std::f32::consts::TAU).sin(); 2])
            .collect();
        samples.write(1_000_000_000, &tone);
        let input = |lag| MixInput {
            samples: samples.clone(),
            heard: true,
            gain: 0.0,
            lag,
        };
        let inputs = [input(0), input(RATE)];
        let mut meters = Meters::new(2);
        let board = meters.board();
        let mut levels = Vec::new();
        for block in 0..40u64 {
            let index = RATE + block * BLOCK as u64;
            meters.measure(index, &inputs, &[[0.0; 2]; BLOCK]);
        }
        board.read(&mut levels);
        assert_eq!(levels.len(), 3);
        assert!(
            near(levels[1].momentary, -12.04, 0.1),
            "muted, and measured"
        );
        assert_eq!(levels[2].peak_db, [f32::NEG_INFINITY; 2], "not yet due");
        assert_eq!(levels[0].momentary, f32::NEG_INFINITY);
        assert!(levels[1].present && !levels[2].present);
    }
}

//! Onsets in a sound: moments at which it gets louder at once, as a clap or a beep does, and speech
//! hardly ever.

/// Energy is taken over this long, in seconds.
const WINDOW: f64 = 0.001;
/// An onset is louder than what was heard in the time before it,
const BEFORE: usize = 25;
/// but for the last few windows, in which it rises itself,
const RISE: usize = 4;
/// by so many dB.
const STEP: f32 = 12.0;
/// It is also louder than the quiet parts of all that was heard by so many dB,
const ABOVE_QUIET: f32 = 15.0;
/// and no softer than the loudest parts by more than this.
const BELOW_LOUD: f32 = 24.0;
/// Within so many windows it is at its loudest;
const PEAK: usize = 15;
/// where it comes near that, by so many dB, it begins.
const NEAR: f32 = 10.0;
/// The next onset comes no sooner than this: echoes of a clap are none.
const APART: usize = 120;
/// Softer is nothing, in dB of full scale.
const FLOOR: f32 = -90.0;
/// Stamps that are so far from where the sound should go on, in seconds, begin anew.
const JUMP: f64 = 0.05;

/// Stamps of blocks count for what was heard so long before and after them, in windows: alone they
/// jitter, and samples do not.
const AROUND: usize = 400;

/// Hears a sound, block by block.
#[derive(Debug, Clone)]
pub struct Hearing {
    rate: f64,
    stretches: Vec<Stretch>,
    /// Of the window under way: sum of squares, samples.
    window: (f64, usize),
    /// When it goes on.
    next: f64,
}

/// Sound without a gap.
#[derive(Debug, Clone, Default)]
struct Stretch {
    /// Energy of each window in dB.
    windows: Vec<f32>,
    /// When the stretch began by the stamp of each block, and the window in which that block did.
    begun: Vec<(usize, f64)>,
}

impl Stretch {
    /// The moment of this window.
    fn time_of(&self, window: f64) -> f64 {
        let at = window as usize;
        let first = self.begun.partition_point(|(block, _)| block + AROUND < at);
        let near = self.begun[first..].iter();
        let near = near.take_while(|(block, _)| *block <= at + AROUND);
        let mut begun: Vec<f64> = near.map(|(_, begun)| *begun).collect();
        begun.sort_unstable_by(f64::total_cmp);
        begun.get(begun.len() / 2).copied().unwrap_or_default() + window * WINDOW
    }
}

impl Hearing {
    /// Of a sound of so many samples a second.
    pub fn new(rate: f64) -> Self {
        Self {
            rate,
            stretches: Vec::new(),
            window: (0.0, 0),
            next: f64::INFINITY,
        }
    }

    /// It goes on with these samples, the first of which was captured at `time`.
    pub fn hear(&mut self, time: f64, samples: impl IntoIterator<Item = f32>) {
        if (time - self.next).abs() > JUMP {
            self.stretches.push(Stretch::default());
            self.window = (0.0, 0);
        }
        self.next = time;
        let Some(stretch) = self.stretches.last_mut() else {
            return;
        };
        let full = (self.rate * WINDOW).round().max(1.0) as usize;
        let lies = stretch.windows.len() as f64 * WINDOW + self.window.1 as f64 / self.rate;
        stretch.begun.push((stretch.windows.len(), time - lies));
        for sample in samples {
            let sample = f64::from(if sample.is_finite() { sample } else { 0.0 });
            self.window.0 += sample * sample;
            self.window.1 += 1;
            if self.window.1 == full {
                let power = self.window.0 / full as f64;
                let db = (10.0 * power.max(1e-12).log10()) as f32;
                stretch.windows.push(db.max(FLOOR));
                self.window = (0.0, 0);
            }
            self.next += 1.0 / self.rate;
        }
    }

    /// How long it has listened, in seconds.
    pub fn seconds(&self) -> f64 {
        let windows: usize = self.stretches.iter().map(|own| own.windows.len()).sum();
        windows as f64 * WINDOW
    }

    /// The moments at which something set in.
    pub fn onsets(&self) -> Vec<f64> {
        let mut all: Vec<f32> = (self.stretches.iter())
            .flat_map(|stretch| stretch.windows.iter().copied())
            .collect();
        all.sort_unstable_by(f32::total_cmp);
        let part = |share: f64| all.get((all.len() as f64 * share) as usize).copied();
        let (Some(quiet), Some(loud)) = (part(0.2), part(0.998)) else {
            return Vec::new();
        };
        let least = (quiet + ABOVE_QUIET).max(loud - BELOW_LOUD).max(-60.0);
        let mut found = Vec::new();
        for stretch in &self.stretches {
            let windows = &stretch.windows;
            let mut free = 0;
            for at in BEFORE..windows.len() {
                let before = &windows[at - BEFORE..at - RISE];
                let loudest = before.iter().copied().fold(FLOOR, f32::max);
                if at < free || windows[at] < least || windows[at] < loudest + STEP {
                    continue;
                }
                let end = (at + PEAK).min(windows.len());
                let peak = windows[at..end].iter().copied().fold(FLOOR, f32::max);
                let near = |window: &f32| *window >= peak - NEAR;
                let onset = at + windows[at..end].iter().position(near).unwrap_or(0);
                // It set in somewhere within the window; softer windows before it held its beginning.
                found.push(stretch.time_of(onset as f64 + 0.25));
                free = onset + APART;
            }
        }
        found
    }
}

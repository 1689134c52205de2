//! How the pictures of a source meet the programme's ticks: how long after they are due, and how
//! evenly. Sound is kept in step by the first, and the ticks themselves may follow an even source.

/// What is known is an average over about so many pictures: over a second.
const SPAN: u32 = 32;
/// Capture times that are off the programme's steps by less than this share of one, on average, are
/// of its rate, or of a whole part of it (29.97 of 30 a second are off by a thousandth, 24 of 25 by
/// a twenty-fifth)...
const SAME: f64 = 0.02;
/// ...and even, if they are so by less than this, either way.
const EVEN: f64 = 0.2;
/// As many pictures have to be seen before anything is said.
const ENOUGH: u32 = SPAN;

/// How a picture met the tick that it was due for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Meeting {
    /// It is shown by that tick.
    #[default]
    InTime,
    /// It was not there yet: it is shown by the next one.
    Late,
    /// It was there, but one before it was still to be shown.
    Behind,
}

/// The pictures of about a second.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rhythm {
    /// When the last picture that was shown had been captured.
    captured: Option<u64>,
    seen: u32,
    behind: f64,
    on_time: f64,
    off: f64,
    uneven: f64,
    last: Meeting,
    /// The last tick that showed a new one.
    tick: u64,
    missed: u32,
}

impl Rhythm {
    /// A picture is shown for the first time, by this tick; it is due `shift` after its capture, and
    /// ticks are a step apart.
    pub(super) fn note(
        &mut self,
        captured: u64,
        shift: u64,
        tick: u64,
        meeting: Meeting,
        step: u64,
    ) {
        let step = step.max(1) as f64;
        self.tick = tick;
        let behind = tick as f64 - (captured + shift) as f64;
        let apart = self.captured.replace(captured);
        // One that comes after a pause, or from another clock, tells nothing of the rhythm.
        let apart = apart.map(|before| captured.saturating_sub(before) as f64);
        let Some(apart) = apart.filter(|apart| *apart > 0.0 && *apart < 1e9) else {
            *self = Self {
                captured: self.captured,
                missed: self.missed,
                tick,
                ..Self::default()
            };
            return;
        };
        self.seen = self.seen.saturating_add(1);
        let share = 1.0 / f64::from(self.seen.min(SPAN));
        let steps = (apart / step).round().max(1.0);
        let off = apart / step - steps;
        self.off += (off - self.off) * share;
        self.uneven += (off.abs() - self.uneven) * share;
        self.behind += (behind.min(1.25 * step) - self.behind) * share;
        if meeting == Meeting::Late && self.last != Meeting::Late {
            self.missed = self.missed.wrapping_add(1);
        }
        self.last = meeting;
        // Its own tick is the one before otherwise.
        let own = match meeting {
            Meeting::InTime => behind,
            Meeting::Late | Meeting::Behind => behind - step,
        };
        self.on_time += (own - self.on_time) * share;
    }

    /// A picture that was late has been overtaken by the next one.
    pub(super) fn miss(&mut self) {
        self.missed = self.missed.wrapping_add(1);
    }

    /// How long after they are due pictures are shown, in nanoseconds, on average; negative where
    /// that is before. `None`: not known.
    pub fn behind(&self) -> Option<f64> {
        (self.seen >= ENOUGH).then_some(self.behind)
    }

    /// How long after they are due the ticks lie that should show them, where the source keeps the
    /// programme's step, and gives pictures: by that `tick` the last one is no older than a second.
    pub fn beat(&self, tick: u64) -> Option<f64> {
        let flows = tick.saturating_sub(self.tick) < 1_000_000_000;
        let even = flows && self.seen >= ENOUGH && self.off.abs() < SAME && self.uneven < EVEN;
        even.then_some(self.on_time)
    }

    /// How the last picture met its tick.
    pub fn last(&self) -> Meeting {
        self.last
    }

    /// Counts how often pictures began to be late; it wraps.
    pub fn missed(&self) -> u32 {
        self.missed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: u64 = 40_000_000;
    const LATENCY: u64 = 15_000_000;

    /// A source of so many pictures a second, every one shown by the first tick after it is due.
    fn of_rate(rate: u64) -> Rhythm {
        let mut rhythm = Rhythm::default();
        for n in 0..200 {
            let captured = 1_003_000_000 + n * 1_000_000_000 / rate;
            let tick = (captured + LATENCY).div_ceil(STEP) * STEP;
            rhythm.note(captured, LATENCY, tick, Meeting::InTime, STEP);
        }
        rhythm
    }

    #[test]
    fn only_a_source_of_the_programmes_own_step_has_a_beat() {
        for rate in [25, 5] {
            let beat = of_rate(rate).beat(0).expect("it is even");
            // Due at 18 ms past a tick: 22 ms before the next.
            assert!((beat - 22e6).abs() < 1e5, "{rate}: {beat}");
        }
        for rate in [24, 30, 20] {
            assert_eq!(of_rate(rate).beat(0), None, "{rate}");
        }
        let mean = of_rate(24).behind().expect("known all the same");
        assert!((10e6..30e6).contains(&mean), "{mean}");
    }

    #[test]
    fn a_pause_starts_it_anew() {
        let mut rhythm = of_rate(25);
        rhythm.note(
            90_000_000_000,
            LATENCY,
            90_040_000_000,
            Meeting::InTime,
            STEP,
        );
        assert!(rhythm.beat(0).is_none() && rhythm.behind().is_none());
    }

    #[test]
    fn what_comes_late_belongs_to_the_tick_before() {
        let mut rhythm = of_rate(25);
        let before = rhythm.beat(0).expect("it is even");
        let captured = 1_003_000_000 + 200 * STEP;
        let tick = (captured + LATENCY).div_ceil(STEP) * STEP + STEP;
        rhythm.note(captured, LATENCY, tick, Meeting::Late, STEP);
        assert!((rhythm.beat(0).expect("still even") - before).abs() < 1.0);
        assert!(rhythm.last() == Meeting::Late && rhythm.missed() == 1);
    }
}

//! How the pictures of a source meet the programme's ticks: how long after they are due, and how
//! evenly. Sound is kept in step by the first, and the ticks themselves may follow an even source, as
//! long after its pictures are due as those take to be there.

use crate::engine::worst::Worst;

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
/// A tick waits so long for a picture that it lacks, as a share of a step; what is left of the step is
/// enough to compose.
pub const WAIT: f64 = 0.75;
/// A connection begins with pictures that are late, in nanoseconds: how late says nothing.
const SETTLE: u64 = 2_000_000_000;

/// The pictures of about a second.
#[derive(Debug, Clone, Copy)]
pub struct Rhythm {
    /// When the last picture that was shown had been captured.
    captured: Option<u64>,
    arrivals: Arrivals,
    seen: u32,
    behind: f64,
    on_time: f64,
    off: f64,
    uneven: f64,
    /// Of the last one: whether it met its own tick, and how many steps after the one before it had been
    /// captured.
    in_time: bool,
    steps: f64,
    /// The last tick that showed a new one.
    tick: u64,
}

/// How long after they are due pictures are there.
#[derive(Debug, Clone, Copy)]
struct Arrivals {
    /// The first one, and the last one, were there.
    began: Option<u64>,
    last: u64,
    late: Worst,
}

impl Default for Rhythm {
    fn default() -> Self {
        Self {
            captured: None,
            arrivals: Arrivals {
                began: None,
                last: 0,
                late: Worst::new(0),
            },
            seen: 0,
            behind: 0.0,
            on_time: 0.0,
            off: 0.0,
            uneven: 0.0,
            in_time: false,
            steps: 0.0,
            tick: 0,
        }
    }
}

impl Rhythm {
    /// A picture that is due then is there by `now`; both in nanoseconds of running time.
    pub(super) fn arrive(&mut self, due: u64, now: u64) {
        let arrivals = &mut self.arrivals;
        let began = *arrivals.began.get_or_insert(now);
        let passed = now.saturating_sub(std::mem::replace(&mut arrivals.last, now));
        if now.saturating_sub(began) < SETTLE {
            return;
        }
        arrivals.late.note(now as i64 - due as i64);
        arrivals.late.pass(passed.min(1_000_000_000));
    }

    /// How long after they are due its pictures have to be waited for, in nanoseconds, for all to be
    /// there but lone ones.
    pub fn late(&self) -> f64 {
        self.arrivals.late.often() as f64
    }

    /// A picture is shown for the first time, by this tick: its own, or a later one as it, or one before
    /// it, was late. It is due `shift` after its capture, and ticks are a step apart.
    pub(super) fn note(&mut self, captured: u64, shift: u64, tick: u64, in_time: bool, step: u64) {
        let step = step.max(1) as f64;
        self.tick = tick;
        let behind = tick as f64 - (captured + shift) as f64;
        let apart = self.captured.replace(captured);
        // One that comes after a pause, or from another clock, tells nothing of the rhythm.
        let apart = apart.map(|before| captured.saturating_sub(before) as f64);
        let Some(apart) = apart.filter(|apart| *apart > 0.0 && *apart < 1e9) else {
            *self = Self {
                captured: self.captured,
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
        (self.in_time, self.steps) = (in_time, steps);
        // Its own tick is the one before otherwise.
        let own = if in_time { behind } else { behind - step };
        self.on_time += (own - self.on_time) * share;
    }

    /// Whether its own ticks, `step` nanoseconds apart, lie late enough for its pictures to be there, if
    /// they are waited for.
    pub fn is_in_time(&self, step: u64) -> bool {
        self.seen >= ENOUGH && self.late() <= self.on_time + WAIT * step as f64
    }

    /// Whether the tick after this one is to show a new picture: this one did, and it was its own, and
    /// there is one for each.
    pub fn expects_one(&self, tick: u64) -> bool {
        self.seen >= ENOUGH && self.tick == tick && self.in_time && self.steps == 1.0
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
            rhythm.note(captured, LATENCY, tick, true, STEP);
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
        rhythm.note(90_000_000_000, LATENCY, 90_040_000_000, true, STEP);
        assert!(rhythm.beat(0).is_none() && rhythm.behind().is_none());
    }

    #[test]
    fn what_comes_late_belongs_to_the_tick_before() {
        let mut rhythm = of_rate(25);
        let before = rhythm.beat(0).expect("it is even");
        let captured = 1_003_000_000 + 200 * STEP;
        let tick = (captured + LATENCY).div_ceil(STEP) * STEP + STEP;
        rhythm.note(captured, LATENCY, tick, false, STEP);
        assert!((rhythm.beat(0).expect("still even") - before).abs() < 1.0);
    }

    #[test]
    fn how_late_pictures_are_is_known_but_for_how_a_connection_begins_and_for_lone_ones() {
        let mut rhythm = Rhythm::default();
        for n in 0..1000 {
            let due = 1_000_000_000 + n * STEP;
            let late = match n {
                0..40 => 300_000_000,
                200 => 90_000_000,
                _ if n % 50 == 0 => 9_000_000,
                _ => 2_000_000,
            };
            rhythm.arrive(due, due + late);
        }
        assert!((rhythm.late() - 9e6).abs() < 1.0, "{}", rhythm.late());
    }
}

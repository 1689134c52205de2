//! Decides what is given up when the machine cannot keep up, and when it is taken back.
//!
//! Looked at once a second. Three bad seconds of five make a step down: one that is bad by itself is
//! a start, a transition, another program that woke up. A step back follows when all has been well
//! for a time, which doubles whenever a step back proves too early.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// What has been given up, each with all before it, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Relief {
    /// Nothing.
    None,
    /// The panels' pictures come once a second.
    Monitors,
    /// The encoder looks less hard for what it can save.
    LessEffort,
    /// It hardly looks at all.
    LeastEffort,
    /// Pictures of the programme are repeated.
    Frames,
}

impl Relief {
    /// The word in the status.
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Monitors => "monitors",
            Self::LessEffort | Self::LeastEffort => "encoder",
            Self::Frames => "frames",
        }
    }
}

/// With x264 at work.
pub const WITH_EFFORT: &[Relief] = &[
    Relief::None,
    Relief::Monitors,
    Relief::LessEffort,
    Relief::LeastEffort,
    Relief::Frames,
];
/// With an encoder whose effort cannot be chosen.
pub const WITHOUT_EFFORT: &[Relief] = &[Relief::None, Relief::Monitors, Relief::Frames];

/// Frames of a second that were repeated or not taken, from which on it is bad.
const BAD: u64 = 2;
/// So many of the last seconds are looked at, and so many bad ones are too many.
const SECONDS: usize = 5;
const TOO_MANY: usize = 3;
/// All has to be well for so long before something is taken back.
const PATIENCE: Duration = Duration::from_secs(30);
/// The same after it has been too early again and again.
const MOST_PATIENCE: Duration = Duration::from_secs(8 * 60);
/// A step back that holds for so long was not too early.
const HOLDS: Duration = Duration::from_secs(60);

/// Judges the machine.
#[derive(Debug)]
pub struct Governor {
    steps: &'static [Relief],
    step: usize,
    /// Whether each of the last seconds was bad.
    seconds: VecDeque<bool>,
    well_since: Option<Instant>,
    stepped_back: Option<Instant>,
    patience: Duration,
}

impl Governor {
    /// One that gives up these, in their order; the first is nothing.
    pub fn new(steps: &'static [Relief]) -> Self {
        Self {
            steps,
            step: 0,
            seconds: VecDeque::with_capacity(SECONDS),
            well_since: None,
            stepped_back: None,
            patience: PATIENCE,
        }
    }

    /// What is given up now.
    pub fn relief(&self) -> Relief {
        self.steps.get(self.step).copied().unwrap_or(Relief::None)
    }

    /// A second has passed in which so many frames were repeated or not taken. Tells what is given
    /// up from now on, where that changes.
    pub fn judge(&mut self, lacking: u64, now: Instant) -> Option<Relief> {
        let is_bad = lacking >= BAD;
        if self.seconds.len() == SECONDS {
            self.seconds.pop_front();
        }
        self.seconds.push_back(is_bad);
        if is_bad {
            self.well_since = None;
        }
        if self.seconds.iter().filter(|bad| **bad).count() >= TOO_MANY {
            return self.step_down(now);
        }
        let well_since = *self.well_since.get_or_insert(now);
        (now.duration_since(well_since) >= self.patience && self.step > 0).then(|| {
            self.step -= 1;
            self.well_since = Some(now);
            self.stepped_back = Some(now);
            self.relief()
        })
    }

    fn step_down(&mut self, now: Instant) -> Option<Relief> {
        // What is given up now has to show first.
        self.seconds.clear();
        if let Some(back) = self.stepped_back.take() {
            self.patience = if now.duration_since(back) < HOLDS {
                (self.patience * 2).min(MOST_PATIENCE)
            } else {
                PATIENCE
            };
        }
        if self.step + 1 >= self.steps.len() {
            return None;
        }
        self.step += 1;
        Some(self.relief())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets seconds pass, and collects what changes when.
    struct Clock {
        governor: Governor,
        start: Instant,
        second: u64,
    }

    impl Clock {
        fn new(steps: &'static [Relief]) -> Self {
            Self {
                governor: Governor::new(steps),
                start: Instant::now(),
                second: 0,
            }
        }

        fn pass(&mut self, seconds: u64, lacking: u64) -> Vec<(u64, Relief)> {
            let mut changes = Vec::new();
            for _ in 0..seconds {
                self.second += 1;
                let now = self.start + Duration::from_secs(self.second);
                let change = self.governor.judge(lacking, now);
                changes.extend(change.map(|relief| (self.second, relief)));
            }
            changes
        }
    }

    #[test]
    fn one_thing_after_the_other_is_given_up_in_the_stated_order() {
        let mut clock = Clock::new(WITH_EFFORT);
        assert_eq!(
            clock.pass(20, 30),
            [
                (3, Relief::Monitors),
                (6, Relief::LessEffort),
                (9, Relief::LeastEffort),
                (12, Relief::Frames)
            ]
        );
        assert_eq!(clock.governor.relief(), Relief::Frames);
        let mut clock = Clock::new(WITHOUT_EFFORT);
        assert_eq!(
            clock.pass(20, 30),
            [(3, Relief::Monitors), (6, Relief::Frames)]
        );
    }

    #[test]
    fn a_bad_moment_is_none_of_its_business() {
        let mut clock = Clock::new(WITH_EFFORT);
        for _ in 0..20 {
            assert!(clock.pass(2, 25).is_empty());
            assert!(clock.pass(4, 0).is_empty());
        }
        assert!(clock.pass(100, 1).is_empty(), "one frame a second");
    }

    #[test]
    fn what_was_given_up_comes_back_a_step_at_a_time() {
        let mut clock = Clock::new(WITH_EFFORT);
        clock.pass(6, 30);
        let back = clock.pass(120, 0);
        assert_eq!(back, [(37, Relief::Monitors), (67, Relief::None)]);
    }

    #[test]
    fn a_step_back_that_was_too_early_is_tried_less_and_less_often() {
        let mut clock = Clock::new(WITH_EFFORT);
        clock.pass(3, 30);
        let mut waits = Vec::new();
        for _ in 0..7 {
            let from = clock.second;
            let back = clock.pass(600, 0).first().map(|(second, _)| second - from);
            let back = back.expect("it comes back");
            waits.push(back);
            clock.second = from + back;
            clock.governor.well_since = None;
            assert_eq!(clock.pass(3, 30).len(), 1);
        }
        assert!(
            waits.is_sorted() && waits[0] < 32 && waits[2] > 100,
            "{waits:?}"
        );
        assert!(waits.iter().all(|wait| *wait <= 482), "{waits:?}");
    }
}

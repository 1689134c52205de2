//! What is done about a card that has stopped giving pictures: first little, then more, with growing
//! pauses. Pure; the engine thread asks every tenth of a second, and sees to it that it is done.

use std::time::{Duration, Instant};

/// A card that has given nothing for so long is reset.
const SILENT: Duration = Duration::from_secs(1);
/// A card that has given pictures for so long is well again: the next trouble is a new one.
const GOOD: Duration = Duration::from_secs(5);
/// From one reset to the next; the last pause is the longest.
const PAUSES: [Duration; 6] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(16),
    Duration::from_secs(30),
];

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Its stream is switched off and on.
    Restart,
    /// The device is closed and opened.
    Reopen,
    /// Its USB plug is pulled and put back, as far as software can.
    Replug,
}

/// A stage that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// What is to be done.
    pub stage: Stage,
    /// Nobody has been told of this stage in this trouble.
    pub is_first: bool,
}

/// The resets of one card.
#[derive(Debug, Default)]
pub struct Reset {
    /// How many there have been in this trouble, and when the last one was.
    done: usize,
    last: Option<Instant>,
    /// Since when pictures come.
    flows_since: Option<Instant>,
}

impl Reset {
    /// What is due now. `silent` is how long pictures have been missing; `None`: none are expected,
    /// because the card has gone or has no signal.
    pub fn look(&mut self, now: Instant, silent: Option<Duration>) -> Option<Order> {
        let Some(silent) = silent else {
            self.flows_since = None;
            return None;
        };
        if silent < SILENT {
            let since = *self.flows_since.get_or_insert(now);
            if now.duration_since(since) >= GOOD {
                *self = Self {
                    flows_since: Some(since),
                    ..Self::default()
                };
            }
            return None;
        }
        self.flows_since = None;
        let pause = |done: usize| PAUSES[done.saturating_sub(1).min(PAUSES.len() - 1)];
        let waits = (self.last).is_some_and(|last| now.duration_since(last) < pause(self.done));
        if waits {
            return None;
        }
        let order = Order {
            stage: stage(self.done),
            is_first: self.done < 3,
        };
        self.done += 1;
        self.last = Some(now);
        Some(order)
    }
}

/// Restarting a stream that did not start once is not tried twice.
fn stage(done: usize) -> Stage {
    match done {
        0 => Stage::Restart,
        n if n % 2 == 1 => Stage::Reopen,
        _ => Stage::Replug,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A card, a tenth of a second at a time.
    struct Script {
        reset: Reset,
        begun: Instant,
        now: Instant,
        picture: Instant,
        orders: Vec<(u64, Stage, bool)>,
    }

    impl Script {
        fn new() -> Self {
            let now = Instant::now();
            Self {
                reset: Reset::default(),
                begun: now,
                now,
                picture: now,
                orders: Vec::new(),
            }
        }

        /// So many milliseconds, in which pictures come, or not, or are not expected.
        fn goes(&mut self, ms: u64, pictures: Option<bool>) {
            for _ in 0..ms / 100 {
                self.now += Duration::from_millis(100);
                if pictures == Some(true) {
                    self.picture = self.now;
                }
                let silent = pictures.map(|_| self.now.duration_since(self.picture));
                if let Some(order) = self.reset.look(self.now, silent) {
                    let at = self.now.duration_since(self.begun).as_millis() as u64;
                    self.orders.push((at, order.stage, order.is_first));
                }
            }
        }

        fn orders(&mut self) -> Vec<(u64, Stage, bool)> {
            std::mem::take(&mut self.orders)
        }
    }

    use Stage::{Reopen, Replug, Restart};

    #[test]
    fn stages_follow_each_other_with_growing_pauses_and_are_told_once() {
        let mut script = Script::new();
        script.goes(10_000, Some(true));
        assert!(script.orders().is_empty());
        script.goes(125_000, Some(false));
        assert_eq!(
            script.orders(),
            [
                (11_000, Restart, true),
                (12_000, Reopen, true),
                (14_000, Replug, true),
                (18_000, Reopen, false),
                (26_000, Replug, false),
                (42_000, Reopen, false),
                (72_000, Replug, false),
                (102_000, Reopen, false),
                (132_000, Replug, false),
            ]
        );
    }

    #[test]
    fn pictures_end_it_and_a_good_while_of_them_forgets_it() {
        let mut script = Script::new();
        script.goes(2000, Some(false));
        assert_eq!(
            script.orders(),
            [(1000, Restart, true), (2000, Reopen, true)]
        );
        // Back for a moment: it goes on where it was, not from the beginning.
        script.goes(3000, Some(true));
        script.goes(2000, Some(false));
        assert_eq!(script.orders(), [(6000, Replug, true)]);
        script.goes(6000, Some(true));
        script.goes(1500, Some(false));
        assert_eq!(script.orders(), [(14_000, Restart, true)]);
    }

    #[test]
    fn a_card_that_has_gone_is_left_alone() {
        let mut script = Script::new();
        script.goes(60_000, None);
        assert!(script.orders().is_empty());
        // A replugged card needs a while; what has been done is not forgotten meanwhile.
        let mut script = Script::new();
        script.goes(4000, Some(false));
        assert_eq!(script.orders().len(), 3);
        script.goes(2000, None);
        script.goes(3000, Some(false));
        assert_eq!(script.orders(), [(8000, Reopen, false)]);
    }
}

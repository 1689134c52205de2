//! A relay whose thread hangs: nobody gets in any more, and nobody hears of it. It cannot be ended alone, and
//! is no reason to take all outputs off air: the operator is told.

use std::time::{Duration, Instant};

use crate::model::{Phrase, Said, Scope, Severity};

use super::actor::Actor;

/// Its thread looks around several times a second; one that has not for so long hangs.
const HANGS: Duration = Duration::from_secs(10);

/// What has been seen of the relay's thread.
#[derive(Debug, Default)]
pub(super) struct Deaf {
    turns: u64,
    moved: Option<Instant>,
    told: bool,
}

impl Deaf {
    /// Whether it hangs, where that is new.
    fn look(&mut self, turns: u64, now: Instant) -> Option<bool> {
        if self.turns != turns || self.moved.is_none() {
            self.turns = turns;
            self.moved = Some(now);
        }
        let hangs = (self.moved).is_some_and(|moved| now.duration_since(moved) > HANGS);
        (std::mem::replace(&mut self.told, hangs) != hangs).then_some(hangs)
    }
}

impl Actor {
    /// Raises and clears the fault of a relay that hangs.
    pub(super) fn look_after_relay(&mut self, now: Instant) {
        match self.deaf.look(self.relay.turns(), now) {
            Some(true) => {
                let said = Said {
                    happened: Phrase::new("The relay hangs: nobody can join it any more."),
                    doing: Phrase::new(
                        "Outputs go on, and so may players that have joined before.",
                    ),
                    advice: Phrase::new(
                        "Restart regie in a pause: it is back on air within seconds, as it was.",
                    ),
                };
                self.raise(Scope::Relay, "hangs", Severity::Serious, said, "");
            }
            Some(false) => self.clear(&Scope::Relay, "hangs"),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_does_not_look_around_for_ten_seconds_hangs_until_it_does() {
        let mut deaf = Deaf::default();
        let begun = Instant::now();
        let at = |seconds: u64| begun + Duration::from_secs(seconds);
        for second in 0..30 {
            assert_eq!(deaf.look(second * 5, at(second)), None);
        }
        let last = 29 * 5;
        for second in 30..=39 {
            assert_eq!(deaf.look(last, at(second)), None, "{second}");
        }
        assert_eq!(deaf.look(last, at(40)), Some(true));
        assert_eq!(deaf.look(last, at(41)), None);
        assert_eq!(deaf.look(last + 1, at(42)), Some(false));
        assert_eq!(deaf.look(last + 1, at(43)), None);
    }
}

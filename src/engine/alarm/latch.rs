//! When something that is wrong is said, and when that is taken back. Pure; whoever asks, asks some
//! ten times a second.

use std::time::{Duration, Instant};

/// How patient an alarm is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// It is raised when it has been wrong for so long,
    pub after: Duration,
    /// and over when it has been right for so long.
    pub over: Duration,
    /// What lasts less changes nothing, the one way or the other.
    pub blink: Duration,
}

/// One alarm.
#[derive(Debug, Clone, Copy, Default)]
pub struct Latch {
    /// Wrong or right, without a break, and since when.
    spell: Option<(bool, Instant)>,
    /// The same but for blinks.
    settled: Option<(bool, Instant)>,
    raised: bool,
}

impl Latch {
    /// Whether it is raised, now that it is wrong, or right; `None`: it could be neither, and what
    /// was before does not count.
    pub fn look(&mut self, now: Instant, wrong: Option<bool>, patience: Patience) -> bool {
        let Some(wrong) = wrong else {
            *self = Self::default();
            return false;
        };
        let begun = match self.spell {
            Some((before, begun)) if before == wrong => begun,
            _ => now,
        };
        self.spell = Some((wrong, begun));
        let settled = self.settled.is_some_and(|(settled, _)| settled == wrong);
        if !settled && now.duration_since(begun) >= patience.blink {
            self.settled = Some((wrong, begun));
        }
        // Nothing changes within a blink: it may be the end of what has lasted.
        if let Some((_, since)) = self.settled.filter(|(settled, _)| *settled == wrong) {
            let lasted = now.duration_since(since);
            self.raised = match wrong {
                true => self.raised || lasted >= patience.after,
                false => self.raised && lasted < patience.over,
            };
        }
        self.raised
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience {
        after: Duration::from_secs(10),
        over: Duration::from_secs(1),
        blink: Duration::from_millis(700),
    };

    /// When it was raised and when over, in tenths of a second, while it is wrong (`-`), right (`+`)
    /// or neither (`0`) for so many tenths each.
    fn told(script: &[(char, u32)]) -> Vec<(u32, bool)> {
        let (mut latch, start) = (Latch::default(), Instant::now());
        let (mut told, mut tenth, mut before) = (Vec::new(), 0, false);
        for (word, tenths) in script {
            let wrong = match word {
                '-' => Some(true),
                '+' => Some(false),
                _ => None,
            };
            for _ in 0..*tenths {
                let now = start + Duration::from_millis(100) * tenth;
                let raised = latch.look(now, wrong, PATIENCE);
                if raised != std::mem::replace(&mut before, raised) {
                    told.push((tenth, raised));
                }
                tenth += 1;
            }
        }
        told
    }

    #[test]
    fn it_is_patient_both_ways() {
        for (what, script, expected) in [
            ("all is well", &[('+', 500)][..], &[][..]),
            ("wrong from the start", &[('-', 200)], &[(100, true)]),
            ("not for long", &[('+', 50), ('-', 99), ('+', 50)], &[]),
            (
                "and over",
                &[('+', 50), ('-', 150), ('+', 50)],
                &[(150, true), (210, false)],
            ),
            (
                "a click is no sound",
                &[('-', 60), ('+', 5), ('-', 60)],
                &[(100, true)],
            ),
            (
                "a word is",
                &[('-', 60), ('+', 8), ('-', 101)],
                &[(168, true)],
            ),
            (
                "pauses between words are no silence",
                &[('-', 110), ('+', 8), ('-', 6), ('+', 8)],
                &[(100, true), (124, false)],
            ),
            (
                "clicks do not end it",
                &[('-', 110), ('+', 6), ('-', 8), ('+', 6), ('-', 50)],
                &[(100, true)],
            ),
            (
                "what it is about goes away",
                &[('-', 110), ('0', 1), ('-', 99)],
                &[(100, true), (110, false)],
            ),
        ] {
            assert_eq!(told(script), expected, "{what}");
        }
    }
}

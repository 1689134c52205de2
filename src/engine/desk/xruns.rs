//! Whether sound is lost so often that somebody should do something about it. Pure.

use std::time::{Duration, Instant};

/// Losses are counted over this long.
const WINDOW: Duration = Duration::from_secs(10);
/// So many of these windows are looked at, and so many losses in them are a trouble; none end it.
const WINDOWS: usize = 3;
const MANY: u64 = 3;

/// Watches how often sound was lost.
#[derive(Debug, Default)]
pub struct Xruns {
    /// When the window under way began, and how many there had been.
    window: Option<(Instant, u64)>,
    /// Those of the last windows.
    last: [u64; WINDOWS],
    /// Those of the last windows and of the one under way.
    recent: u64,
    told: bool,
}

impl Xruns {
    /// There have been so many in all.
    pub fn note(&mut self, all: u64, now: Instant) {
        let (since, before) = *self.window.get_or_insert((now, all));
        let here = all.saturating_sub(before);
        if now.duration_since(since) >= WINDOW {
            self.last.rotate_right(1);
            self.last[0] = here;
            self.window = Some((now, all));
            self.recent = self.last.iter().sum();
        } else {
            self.recent = self.last.iter().sum::<u64>() + here;
        }
    }

    /// Whether it has become, `Some` with how many, or is no longer, a trouble since the last call.
    pub fn take_change(&mut self) -> Option<Option<u64>> {
        if !self.told && self.recent >= MANY {
            self.told = true;
            return Some(Some(self.recent));
        }
        if self.told && self.recent == 0 {
            self.told = false;
            return Some(None);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_repeats_is_told_and_what_happens_once_is_not() {
        let (mut xruns, mut now, mut all) = (Xruns::default(), Instant::now(), 0);
        let mut seconds = |seconds: u64, more: u64| {
            let mut told = Vec::new();
            for _ in 0..seconds {
                now += Duration::from_secs(1);
                all += more;
                xruns.note(all, now);
                told.extend(xruns.take_change());
            }
            told
        };
        assert!(seconds(60, 0).is_empty());
        assert!(seconds(1, 2).is_empty(), "two");
        assert!(seconds(60, 0).is_empty());
        assert_eq!(seconds(5, 1), [Some(3)]);
        assert!(seconds(20, 0).is_empty(), "told once");
        assert_eq!(seconds(30, 0), [None]);
    }
}

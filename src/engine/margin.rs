//! How much later than its own time sound is mixed: as long as the sources need that are not muted, and
//! no longer.
//! Pictures do not wait for that: on its way to players sound follows its picture, at its own time by
//! its timestamps.
//!
//! Senders put several frames of sound into one packet, and hold them until it is full. Where that
//! takes longer than was waited for so far, the mixer pauses once, and waits longer from then on; when
//! nobody has needed that for a while, it mixes a little faster until it has caught up. A single
//! hold-up is no reason: what it made late is lost. Sound that is late without exception is.

use super::worst::Worst;

/// No less is waited for, in nanoseconds: jitter that nobody hears.
pub const LEAST: u64 = 80_000_000;
/// Nor more: players wait so long for sound that belongs to a picture. What comes later has its
/// picture wait for it.
pub const MOST: u64 = 250_000_000;
/// Sound is to be there by so much before it is needed.
const SPARE: i64 = 10_000_000;
/// Sound that is late for so long, and never on time, is waited for at once.
const NEVER: u64 = 200_000_000;
/// How fast the mixer catches up: a hundredth of time.
const CATCH_UP: u64 = 100;

/// The margin, in nanoseconds.
#[derive(Debug)]
pub struct Margin {
    now: u64,
    needed: Worst,
    /// For how long all sound has been late, and by how much at least.
    late: (u64, u64),
}

impl Default for Margin {
    fn default() -> Self {
        Self {
            now: LEAST,
            needed: Worst::new(LEAST as i64),
            late: (0, MOST),
        }
    }
}

impl Margin {
    /// How much later than its own time a block is mixed.
    pub fn get(&self) -> u64 {
        self.now
    }

    /// A block of so many nanoseconds has been mixed, of sound that was there so much before it was
    /// needed (negative: that came too late); `None`: nothing came.
    pub fn note(&mut self, spare: Option<i64>, block: u64) {
        if let Some(spare) = spare {
            let needed = (self.now as i64)
                .saturating_sub(spare)
                .saturating_add(SPARE);
            let needed = u64::try_from(needed).unwrap_or(0).clamp(LEAST, MOST);
            self.needed.note(needed as i64);
            self.late = match spare {
                ..0 => (self.late.0 + block, self.late.1.min(needed)),
                _ => (0, MOST),
            };
        }
        let mut wanted = self.needed.often().unsigned_abs();
        if self.late.0 >= NEVER {
            wanted = wanted.max(self.late.1);
            self.late = (0, MOST);
        }
        self.needed.pass(block);
        self.now = if wanted > self.now {
            wanted
        } else {
            wanted.max(self.now - block / CATCH_UP)
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: u64 = 21_333_333;
    const MS: i64 = 1_000_000;

    #[test]
    fn what_comes_late_is_waited_for_from_then_on_and_forgotten_when_it_has_gone() {
        let mut margin = Margin::default();
        assert_eq!(margin.get(), LEAST);
        margin.note(Some(60 * MS), BLOCK);
        assert_eq!(margin.get(), LEAST, "it was early");
        margin.note(Some(-40 * MS), BLOCK);
        for _ in 0..50 {
            assert_eq!(margin.get(), LEAST, "once is no reason");
            margin.note(Some(60 * MS), BLOCK);
        }
        margin.note(Some(-40 * MS), BLOCK);
        assert_eq!(margin.get(), 130_000_000);
        for _ in 0..28_000_000_000 / BLOCK {
            margin.note(Some(50 * MS), BLOCK);
        }
        assert_eq!(margin.get(), 130_000_000, "not forgotten yet");
        let mut before = margin.get();
        for _ in 0..70_000_000_000 / BLOCK {
            margin.note(None, BLOCK);
            assert!(before - margin.get() <= BLOCK / CATCH_UP);
            before = margin.get();
        }
        assert_eq!(margin.get(), LEAST);
    }

    #[test]
    fn sound_that_is_never_on_time_is_waited_for_soon() {
        let mut margin = Margin::default();
        for _ in 0..10 {
            margin.note(Some(-60 * MS), BLOCK);
        }
        assert_eq!(margin.get(), 150_000_000);
    }

    #[test]
    fn there_is_a_limit() {
        let mut margin = Margin::default();
        for _ in 0..100 {
            margin.note(Some(-5000 * MS), BLOCK);
        }
        assert_eq!(margin.get(), MOST);
        margin.note(Some(i64::MIN), BLOCK);
        margin.note(Some(i64::MAX), BLOCK);
        assert_eq!(margin.get(), MOST);
    }
}

//! Which pictures of a source lack something that was lost on the way. A decoder makes grey smears
//! of them; viewers are better served by the last good picture, for a moment.

use std::sync::atomic::{AtomicU64, Ordering};

/// Damaged pictures are kept back for so long, in nanoseconds: shorter than a slot holds its last
/// picture, so that no slate comes between. What a sender does not mend by then is shown as it is.
const PATIENCE: u64 = 500_000_000;

/// The last stretch of damage, in nanoseconds of running time. Written by the thread that brings
/// the stream in, read by the one that decodes it.
#[derive(Debug)]
pub struct Damage {
    from: AtomicU64,
    until: AtomicU64,
}

impl Default for Damage {
    fn default() -> Self {
        Self {
            from: AtomicU64::new(0),
            until: AtomicU64::new(0),
        }
    }
}

impl Damage {
    /// From this picture on something is missing, if it was not so already.
    pub fn begin(&self, captured: u64) {
        if self.until.load(Ordering::Relaxed) != u64::MAX {
            self.from.store(captured, Ordering::Relaxed);
            self.until.store(u64::MAX, Ordering::Relaxed);
        }
    }

    /// This picture and those after it need nothing that was lost.
    pub fn end(&self, captured: u64) {
        if self.until.load(Ordering::Relaxed) == u64::MAX {
            self.until.store(captured, Ordering::Relaxed);
        }
    }

    /// Another sender, another stream.
    pub fn forget(&self) {
        self.until.store(0, Ordering::Relaxed);
    }

    /// Whether a decoded picture should be kept back.
    pub fn hides(&self, captured: u64) -> bool {
        let from = self.from.load(Ordering::Relaxed);
        let until = self.until.load(Ordering::Relaxed);
        (from..until.min(from.saturating_add(PATIENCE))).contains(&captured)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn damaged_pictures_are_kept_back_until_they_are_whole_or_patience_ends() {
        let damage = Damage::default();
        assert!(!damage.hides(0));
        damage.begin(1000 * MS);
        assert!(!damage.hides(999 * MS));
        assert!(damage.hides(1000 * MS) && damage.hides(1300 * MS));
        // More is lost: patience is not renewed, or nothing would ever be seen.
        damage.begin(1400 * MS);
        assert!(damage.hides(1499 * MS) && !damage.hides(1500 * MS));
        damage.end(1200 * MS);
        assert!(damage.hides(1100 * MS) && !damage.hides(1200 * MS));
        damage.begin(3000 * MS);
        assert!(damage.hides(3100 * MS));
        damage.forget();
        assert!(!damage.hides(3100 * MS));
    }
}

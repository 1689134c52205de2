//! Transitions: how long they may take, and what they show at a time. Pure; the engine paints it.

use std::time::Duration;

use super::layout::PixelRect;
use super::message::Transition;

/// How long a transition takes where nothing is said.
pub const DEFAULT_TRANSITION_MS: u32 = 300;
/// Longest transition: twice the programme's work is done meanwhile.
pub const MAX_TRANSITION_MS: u32 = 10_000;

/// How the picture on air gives way to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passage {
    /// In which way.
    pub transition: Transition,
    /// Over which time; of no account for a cut.
    pub duration: Duration,
}

impl Passage {
    /// At once.
    pub const CUT: Self = Self {
        transition: Transition::Cut,
        duration: Duration::ZERO,
    };

    /// How long it takes.
    pub fn length(&self) -> Duration {
        match self.transition {
            Transition::Cut => Duration::ZERO,
            Transition::Mix | Transition::Morph => self.duration,
        }
    }

    /// How much of the new picture is seen, 0 to 1, this long after the start; 1: it is over. A mix
    /// goes evenly, a morph starts and ends gently.
    pub fn progress(&self, elapsed: Duration) -> f64 {
        let length = self.length();
        if elapsed >= length {
            return 1.0;
        }
        let even = elapsed.as_secs_f64() / length.as_secs_f64();
        match self.transition {
            Transition::Cut => 1.0,
            Transition::Mix => even,
            Transition::Morph => even * even * (3.0 - 2.0 * even),
        }
    }
}

impl PixelRect {
    /// The even rectangle that lies this share (0 to 1) of the way from this one to `other`, and
    /// never outside both.
    pub fn towards(&self, other: &Self, share: f64) -> Self {
        let even = |from: u32, to: u32| -> u32 {
            let (from, to) = (f64::from(from), f64::from(to));
            ((from + (to - from) * share) as u32) & !1
        };
        // Edges, not sizes: an edge that two places share stays where it is.
        let (left, right) = (
            even(self.x, other.x),
            even(self.x + self.width, other.x + other.width),
        );
        let (top, bottom) = (
            even(self.y, other.y),
            even(self.y + self.height, other.y + other.height),
        );
        Self {
            x: left,
            y: top,
            width: (right - left).max(2),
            height: (bottom - top).max(2),
        }
    }
}

/// Which of the old slots goes on as which of the new ones, as pairs of indices: the first that
/// shows the same, each once.
pub fn pairs<T>(old: &[T], new: &[T], same: impl Fn(&T, &T) -> bool) -> Vec<(usize, usize)> {
    let mut pairs: Vec<(usize, usize)> = Vec::new();
    for (i, slot) in old.iter().enumerate() {
        let free = |j: &usize| pairs.iter().all(|(_, taken)| taken != j);
        let next = (0..new.len()).find(|j| free(j) && same(slot, &new[*j]));
        pairs.extend(next.map(|j| (i, j)));
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passage(transition: Transition, ms: u64) -> Passage {
        Passage {
            transition,
            duration: Duration::from_millis(ms),
        }
    }

    fn rect(x: u32, y: u32, width: u32, height: u32) -> PixelRect {
        PixelRect {
            x,
            y,
            width,
            height,
        }
    }

    #[test]
    fn progress_begins_at_nothing_ends_exactly_and_never_goes_back() {
        for transition in [Transition::Mix, Transition::Morph] {
            let passage = passage(transition, 1000);
            let seen: Vec<f64> = (0..=1200)
                .map(|ms| passage.progress(Duration::from_millis(ms)))
                .collect();
            assert_eq!(seen[0], 0.0);
            assert!((seen[500] - 0.5).abs() < 1e-9);
            assert!(seen[999] < 1.0);
            assert!(seen[1000..].iter().all(|p| *p == 1.0));
            assert!(seen[..=1000].windows(2).all(|w| w[0] < w[1]));
        }
        let mix = passage(Transition::Mix, 1000).progress(Duration::from_millis(100));
        let morph = passage(Transition::Morph, 1000).progress(Duration::from_millis(100));
        assert!(morph < mix / 2.0, "a morph starts gently");
    }

    #[test]
    fn a_cut_and_a_transition_of_no_time_are_over_at_once() {
        for passage in [
            Passage::CUT,
            passage(Transition::Cut, 1000),
            passage(Transition::Mix, 0),
            passage(Transition::Morph, 0),
        ] {
            assert_eq!(passage.progress(Duration::ZERO), 1.0);
        }
    }

    #[test]
    fn a_glide_is_even_exact_at_its_ends_and_stays_between_them() {
        let ends = [
            (rect(0, 0, 1920, 1080), rect(1458, 798, 424, 238)),
            (rect(1324, 356, 576, 368), rect(0, 172, 1306, 736)),
            (rect(10, 10, 2, 2), rect(0, 0, 2, 2)),
        ];
        for (from, to) in ends {
            assert_eq!(from.towards(&to, 0.0), from);
            assert_eq!(from.towards(&to, 1.0), to);
            for n in 0..=1000 {
                let at = from.towards(&to, f64::from(n) / 1000.0);
                let parts = [at.x, at.y, at.width, at.height];
                assert!(parts.iter().all(|part| part % 2 == 0), "{at:?}");
                assert!(at.width >= 2 && at.height >= 2);
                assert!(at.x + at.width <= 1920 && at.y + at.height <= 1080);
            }
        }
    }

    #[test]
    fn an_odd_picture_is_never_left() {
        let (whole, part) = (rect(0, 0, 1919, 1079), rect(300, 0, 1318, 1079));
        for n in 0..=100 {
            let at = whole.towards(&part, f64::from(n) / 100.0);
            assert!(at.x + at.width <= 1919 && at.y + at.height <= 1079);
        }
    }

    #[test]
    fn slots_that_show_the_same_are_paired_once() {
        let same = |a: &char, b: &char| a == b;
        assert_eq!(
            pairs(&['s', 'c'], &['c', 's'], same),
            vec![(0, 1), (1, 0)],
            "wherever they lie in the order"
        );
        assert_eq!(pairs(&['s'], &['s', 's'], same), vec![(0, 0)]);
        assert_eq!(pairs(&['s', 's'], &['s'], same), vec![(0, 0)]);
        assert!(pairs(&['s'], &['c'], same).is_empty());
    }
}

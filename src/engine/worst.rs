//! What was needed of late, second by second: a value that was needed in more than one of the last 30
//! to 60 seconds is to be expected again. A single hold-up is not.

/// What was needed is remembered for so many seconds, to twice as many.
const MEMORY: u64 = 30;
/// Nanoseconds of a second.
const SECOND: u64 = 1_000_000_000;

/// The largest values of the last seconds, and never less than one.
#[derive(Debug, Clone, Copy)]
pub struct Worst {
    least: i64,
    /// In the second under way, and how much of that has passed, in nanoseconds.
    most: i64,
    passed: u64,
    /// Seconds of the span under way.
    seconds: u64,
    /// The two seconds that needed most of the span under way, and of the one before.
    spans: [[i64; 2]; 2],
}

impl Worst {
    /// Nothing has been needed yet but `least`.
    pub const fn new(least: i64) -> Self {
        Self {
            least,
            most: least,
            passed: 0,
            seconds: 0,
            spans: [[least; 2]; 2],
        }
    }

    /// So much is needed now.
    pub fn note(&mut self, value: i64) {
        self.most = self.most.max(value);
    }

    /// So many nanoseconds have passed.
    pub fn pass(&mut self, nanoseconds: u64) {
        self.passed += nanoseconds;
        if self.passed > SECOND {
            self.passed -= SECOND;
            let [most, second] = self.spans[0];
            let value = std::mem::replace(&mut self.most, self.least);
            self.spans[0] = [most.max(value), second.max(value.min(most))];
            self.seconds += 1;
        }
        if self.seconds > MEMORY {
            self.seconds = 0;
            self.spans = [[self.least; 2], self.spans[0]];
        }
    }

    /// What was needed in more than one second.
    pub fn often(&self) -> i64 {
        let [[a, b], [c, d]] = self.spans;
        let mut all = [a, b, c, d, self.most];
        all.sort_unstable();
        all[all.len() - 2]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten times a second for so many seconds.
    fn pass(worst: &mut Worst, seconds: u64) {
        for _ in 0..seconds * 10 {
            worst.pass(SECOND / 10 + 1);
        }
    }

    #[test]
    fn once_is_no_reason_twice_is_and_half_a_minute_later_it_is_forgotten() {
        let mut worst = Worst::new(5);
        assert_eq!(worst.often(), 5);
        worst.note(90);
        worst.note(80);
        assert_eq!(worst.often(), 5, "in the same second");
        pass(&mut worst, 2);
        assert_eq!(worst.often(), 5);
        worst.note(70);
        assert_eq!(worst.often(), 70);
        pass(&mut worst, 28);
        assert_eq!(worst.often(), 70);
        pass(&mut worst, 35);
        assert_eq!(worst.often(), 5);
    }
}

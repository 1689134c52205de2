//! Chance that is the same in every run, for tests that simulate a network.

/// A row of numbers that look random.
pub struct Chance(u64);

impl Default for Chance {
    fn default() -> Self {
        Self(0x2545_f491_4f6c_dd1d)
    }
}

impl Chance {
    /// The next one, evenly from 0 to 1.
    pub fn next(&mut self) -> f64 {
        // Marsaglia's xorshift.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    /// The next one, as waiting times are: mostly short, seldom long, 1 on average.
    pub fn wait(&mut self) -> f64 {
        -(1.0 - self.next()).ln()
    }
}

//! The clock of a sound card, put on ours. A card counts its samples far more evenly than anybody can
//! say when a block of them was captured: what the sound system tells is off by some milliseconds, more
//! where a sound server lies between, and sometimes by far more. The count goes on by the card's own
//! rate; what is told only leads it, by a Kalman filter of two values: where it is, and by how much its
//! clock is slow. Pure.

use crate::engine::drift::MOST;

/// What is told is off by so many seconds until that is known, and at least and at most then: the root
/// of its mean square over so long.
const JITTER: f64 = 5e-3;
const JITTERS: (f64, f64) = (1e-3, 15e-3);
const JITTER_OVER: f64 = 3.0;
/// What is off by more than so many times that was held up, and is believed no more than this.
const BELIEVED: f64 = 3.0;
/// Clocks of cards differ by so much, as a share, before anything is known.
const USUAL: f64 = 100e-6;
/// How fast a clock's rate may change, as the spectral density of its wandering: it settles in about
/// forty seconds where blocks come every 25 ms.
const WANDER: f64 = 2.4e-13;
/// Off by so many seconds for so long, it is somewhere else: sound was lost, or a server has changed
/// its mind.
const AWAY: f64 = 0.040;
const AWAY_FOR: f64 = 0.4;
/// Off by so much, at once.
const FAR: f64 = 1.0;

/// Says when blocks of sound were captured. Seconds of running time.
#[derive(Debug)]
pub struct Clock {
    /// Sample frames a second, by the card's own clock.
    rate: f64,
    line: Option<Line>,
    /// Square of the jitter.
    noise: f64,
    /// For how long in a row it has been off, on which side, and the sum of it over blocks.
    away: f64,
    side: f64,
}

/// Where the next block begins, how much longer than itself the card's second is, and what is not known
/// of the two.
#[derive(Debug, Clone, Copy)]
struct Line {
    next: f64,
    slow: f64,
    /// Variance of `next`, covariance, variance of `slow`.
    doubt: [f64; 3],
}

impl Clock {
    /// Of a card with so many sample frames a second.
    pub fn new(rate: u32) -> Self {
        Self {
            rate: f64::from(rate),
            line: None,
            noise: JITTER * JITTER,
            away: 0.0,
            side: 0.0,
        }
    }

    /// The next block has so many sample frames, of which the first was captured at `told`, as the
    /// sound system has it; the answer is when it was.
    pub fn place(&mut self, frames: usize, told: f64) -> f64 {
        let length = frames as f64 / self.rate;
        let Some(mut line) = self.line else {
            let line = Line {
                next: told,
                slow: 0.0,
                doubt: [JITTER * JITTER, 0.0, USUAL * USUAL],
            };
            self.line = Some(line.after(length));
            return told;
        };
        let off = told - line.next;
        if self.is_elsewhere(off, length) {
            self.away = 0.0;
            line.next = told;
            line.doubt = [JITTER * JITTER, 0.0, line.doubt[2]];
            self.line = Some(line.after(length));
            return told;
        }
        let share = (length / JITTER_OVER).min(1.0);
        let (least, most) = (JITTERS.0 * JITTERS.0, JITTERS.1 * JITTERS.1);
        let square = (off * off).min(4.0 * most);
        self.noise = (self.noise + (square - self.noise) * share).clamp(least, most);
        let believed = BELIEVED * self.noise.sqrt();
        line.learn(off.clamp(-believed, believed), self.noise);
        self.line = Some(line.after(length));
        line.next
    }

    /// Sound has been lost, nobody knows how much: the next block's place is what is told of it. The
    /// rate stays known.
    pub fn interrupt(&mut self) {
        self.away = f64::INFINITY;
    }

    /// By how much the card's clock is fast, as a share.
    pub fn drift(&self) -> f64 {
        -self.line.map_or(0.0, |line| line.slow)
    }

    fn is_elsewhere(&mut self, off: f64, length: f64) -> bool {
        if self.away.is_infinite() || off.abs() > FAR {
            return true;
        }
        if off.abs() < AWAY || self.side != off.signum() {
            self.away = 0.0;
        }
        self.side = off.signum();
        if off.abs() >= AWAY {
            self.away += length;
        }
        self.away > AWAY_FOR
    }
}

impl Line {
    /// So many seconds of the card later.
    fn after(self, length: f64) -> Self {
        let [place, both, rate] = self.doubt;
        Self {
            next: self.next + length * (1.0 + self.slow),
            slow: self.slow,
            doubt: [
                place + 2.0 * length * both + length * length * rate,
                both + length * rate,
                rate + WANDER * length,
            ],
        }
    }

    fn learn(&mut self, off: f64, noise: f64) {
        let [place, both, rate] = self.doubt;
        let all = place + noise;
        let (of_place, of_rate) = (place / all, both / all);
        self.next += of_place * off;
        self.slow = (self.slow + of_rate * off).clamp(-MOST, MOST);
        self.doubt = [
            place * (1.0 - of_place),
            both * (1.0 - of_place),
            rate - of_rate * both,
        ];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::chance::Chance;

    /// Blocks of 20 ms of a card that is so many ppm fast, told with so many milliseconds of jitter to
    /// either side: the worst error in milliseconds within each of `seconds`, the clock.
    fn errors(seconds: usize, ppm: f64, jitter: f64) -> (Vec<f64>, Clock) {
        let mut chance = Chance::default();
        let mut clock = Clock::new(48_000);
        let mut worst = vec![0.0f64; seconds];
        for n in 0..seconds * 50 {
            let true_time = 100.0 + n as f64 * 0.020 / (1.0 + ppm / 1e6);
            let told = true_time + (chance.next() * 2.0 - 1.0) * jitter / 1e3;
            let error = (clock.place(960, told) - true_time) * 1e3;
            worst[n / 50] = worst[n / 50].max(error.abs());
        }
        (worst, clock)
    }

    #[test]
    fn a_card_is_followed_through_jitter_from_the_first_seconds_on() {
        for ppm in [-200.0, 0.0, 200.0, 500.0] {
            for jitter in [0.0, 1.0, 10.0] {
                let (worst, clock) = errors(300, ppm, jitter);
                let case = format!("{ppm} ppm, {jitter} ms");
                let late = |from: usize| worst[from..].iter().fold(0.0f64, |a, b| a.max(*b));
                assert!(late(1) < 1.5 + 0.4 * jitter, "{case}: {}", late(1));
                assert!(late(5) < 3.0, "{case}: {}", late(5));
                assert!(late(60) < 0.1 + 0.1 * jitter, "{case}: {}", late(60));
                let found = clock.drift() * 1e6;
                assert!((found - ppm).abs() < 2.0 + jitter, "{case}: {found}");
            }
        }
    }

    #[test]
    fn a_hold_up_moves_nothing_and_another_place_is_found() {
        let (_, mut clock) = errors(60, 50.0, 2.0);
        let at = |n: usize| 100.0 + (3000 + n) as f64 * 0.020 / (1.0 + 50e-6);
        // Ten blocks that came late by up to 200 ms.
        for n in 0..10 {
            let error = clock.place(960, at(n) + 0.2 - n as f64 * 0.02) - at(n);
            assert!(error.abs() < 2e-3, "{n}: {error}");
        }
        // The server moves by 80 ms, and stays there.
        let errors: Vec<f64> = (10..60)
            .map(|n| clock.place(960, at(n) + 0.080) - at(n) - 0.080)
            .collect();
        assert!(errors[5].abs() > 0.05, "not at once: {}", errors[5]);
        assert!(errors[25..].iter().all(|e| e.abs() < 2e-3), "{errors:?}");
        // Sound was lost: at once.
        clock.interrupt();
        let error = clock.place(960, at(60) + 0.095) - at(60) - 0.095;
        assert!(error.abs() < 1e-6, "{error}");
        assert!((clock.drift() - 50e-6).abs() < 20e-6);
    }
}

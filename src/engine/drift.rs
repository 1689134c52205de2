//! The difference between somebody's clock and ours, measured and taken out: no two clocks run
//! alike, and a sender's or a sound card's is off by up to some hundred millionths.
//!
//! [`Drift`] measures it from arrivals. A way through a network is sometimes longer, never shorter
//! than it can be: the shortest of each second lie on a line, and its slope is the drift.
//! [`Follower`] takes it out of sound: it says by how much the sound has to be stretched for it to
//! keep its place, and when that would not do. Both are plain arithmetic without a thread or a lock of their own, and serve
//! whatever has a clock of its own.

use std::collections::VecDeque;

/// Nobody's clock is off by more; what seems to be is no clock. Nor is sound ever stretched more:
/// a sixtieth of a semitone.
pub const MOST: f64 = 1000e-6;
/// Nanoseconds over which the shortest way is looked for.
const BIN: u64 = 1_000_000_000;
/// So many of these points make the line, and so few are none yet.
const POINTS: usize = 60;
const ENOUGH: usize = 10;
/// A point further from the line than this, in nanoseconds, is not on it.
const STRAY: f64 = 10e6;
/// So many strays in a row are a new line: the way has changed.
const NEW_LINE: usize = 3;
/// How much of what a new point tells is believed at once.
const TRUST: f64 = 0.1;

/// Measures how the way from a sender to us seems to change: its drift.
#[derive(Debug, Default)]
pub struct Drift {
    /// Where each line's point lies: when, and the shortest way, in nanoseconds.
    points: VecDeque<(f64, f64)>,
    strays: Vec<(f64, f64)>,
    /// The second under way: since when, and its shortest way so far.
    bin: Option<(u64, (f64, f64))>,
    rate: f64,
    /// Kept: a minute's worth is some thousand.
    slopes: Vec<f64>,
}

impl Drift {
    /// Something arrived `now`, `way` after its timestamp, in nanoseconds; only differences of
    /// `way` matter.
    pub fn note(&mut self, now: u64, way: i64) {
        let point = (now as f64, way as f64);
        match &mut self.bin {
            Some((since, least)) if now.saturating_sub(*since) < BIN => {
                if point.1 < least.1 {
                    *least = point;
                }
            }
            bin => {
                if let Some((_, least)) = bin.replace((now, point)) {
                    self.take(least);
                }
            }
        }
    }

    /// By how much the way grows, as a share of time: positive where the sender's clock is slow. 0
    /// until that is known, and never more than [`MOST`].
    pub fn rate(&self) -> f64 {
        self.rate
    }

    /// Whether there are enough points for a rate.
    pub fn is_known(&self) -> bool {
        self.points.len() >= ENOUGH
    }

    fn take(&mut self, point: (f64, f64)) {
        if self.is_known() && (point.1 - self.expected(point.0)).abs() > STRAY {
            self.strays.push(point);
            if self.strays.len() == NEW_LINE {
                self.points = self.strays.drain(..).collect();
            }
            return;
        }
        self.strays.clear();
        self.points.push_back(point);
        if self.points.len() > POINTS {
            self.points.pop_front();
        }
        if self.is_known() {
            let rate = self.slope().clamp(-MOST, MOST);
            self.rate += (rate - self.rate) * TRUST;
        }
    }

    /// The way that the line has at a time: from the points' median.
    fn expected(&mut self, at: f64) -> f64 {
        let slope = self.slope();
        self.slopes.clear();
        self.slopes
            .extend(self.points.iter().map(|(t, way)| way + slope * (at - t)));
        median(&mut self.slopes)
    }

    /// Of the line through the points: the median of all slopes between two of them, which a third of
    /// them cannot spoil (Theil and Sen).
    fn slope(&mut self) -> f64 {
        self.slopes.clear();
        for (n, first) in self.points.iter().enumerate() {
            for second in self.points.iter().skip(n + 1) {
                self.slopes
                    .push((second.1 - first.1) / (second.0 - first.0).max(1.0));
            }
        }
        median(&mut self.slopes)
    }
}

fn median(values: &mut [f64]) -> f64 {
    let middle = values.len() / 2;
    if values.is_empty() {
        return 0.0;
    }
    *values.select_nth_unstable_by(middle, f64::total_cmp).1
}

/// How fast an error is taken out, per second of sound and second of error: 1 ms is met with
/// 200 ppm.
const FIRM: f64 = 0.2;
/// The same for what remains: it makes the drift itself known. A quarter of the other's square
/// settles fastest without overshooting.
const PATIENT: f64 = FIRM * FIRM / 4.0;
/// Seconds over which the error is smoothed: timestamps jitter, and may be whole milliseconds.
const SMOOTH: f64 = 1.0;
/// Sound that belongs this many seconds away from where it would come to lie is put in its place at
/// once: no jitter of timestamps is so large.
const FAR: f64 = 0.040;
/// Sound that belongs this far away, where timestamps are steady: something was lost, or moved.
/// People see 15 ms.
const AWAY: f64 = 0.012;
/// Timestamps that are off by less than this, on average, are steady.
const STEADY: f64 = 0.002;
/// Where they jitter, sound has to belong elsewhere for so long: jitter comes back.
const AWAY_FOR: f64 = 0.1;
/// Where a gap has been heard already, sound that belongs this far away is put in its place at once:
/// a seam there costs nothing.
const AWAY_AFTER_GAP: f64 = 0.001;

/// How sound comes to its place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Way {
    /// It follows what is there, stretched by this share, at most [`MOST`].
    Stretched(f64),
    /// It is put there at once.
    Seam,
}

/// Decides how sound comes to its place, buffer by buffer. Its pitch moves so slowly and so little
/// that nobody hears it.
#[derive(Debug)]
pub struct Follower {
    error: Option<f64>,
    drift: f64,
    /// How far errors are from their average, smoothed.
    jitter: f64,
    /// For how long, in seconds, sound in a row has belonged elsewhere, and on which side.
    away: f64,
    side: f64,
}

impl Default for Follower {
    fn default() -> Self {
        Self {
            error: None,
            drift: 0.0,
            // Until it is known to be less.
            jitter: 5.0 * STEADY,
            away: 0.0,
            side: 0.0,
        }
    }
}

impl Follower {
    /// The next stretch of sound, `length` seconds of it, belongs `error` seconds later than it
    /// would come to lie; `gap`: silence has been heard before it. With a seam its error is none.
    pub fn follow(&mut self, error: f64, length: f64, gap: bool) -> Way {
        if error.abs() < AWAY {
            self.away = 0.0;
        } else {
            if self.side != error.signum() {
                self.away = 0.0;
                self.side = error.signum();
            }
            self.away += length;
        }
        let share = (length / SMOOTH).min(1.0);
        let last = self.error.unwrap_or(error);
        let steady = self.jitter < STEADY;
        self.jitter += ((error - last).abs() - self.jitter) * share;
        let away = self.away > if steady { 0.0 } else { AWAY_FOR };
        if error.abs() > FAR || away || (gap && error.abs() > AWAY_AFTER_GAP) {
            self.error = None;
            self.away = 0.0;
            return Way::Seam;
        }
        let smoothed = last + (error - last) * share;
        self.error = Some(smoothed);
        self.drift = (self.drift + PATIENT * smoothed * length).clamp(-MOST, MOST);
        Way::Stretched(self.share())
    }

    /// What sound is stretched by now.
    pub fn share(&self) -> f64 {
        let error = self.error.unwrap_or_default();
        (self.drift + FIRM * error).clamp(-MOST, MOST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::chance::Chance;

    const MS: f64 = 1e6;

    /// The rate after so many seconds of 25 arrivals a second, each held up by `held(second)`
    /// milliseconds.
    fn rate(seconds: u64, ppm: f64, mut held: impl FnMut(u64) -> f64) -> f64 {
        let mut drift = Drift::default();
        for n in 0..seconds * 25 {
            let sent = n as f64 * 40.0 * MS;
            let way = 1e12 + sent * ppm / 1e6 + held(n / 25) * MS;
            drift.note((sent + way) as u64, way as i64);
        }
        drift.rate() * 1e6
    }

    #[test]
    fn a_clock_is_measured_through_jitter() {
        let mut chance = Chance::default();
        for ppm in [-200.0, 0.0, 35.0, 200.0, 700.0] {
            for jitter in [0.0, 5.0, 30.0, 100.0] {
                let found = rate(180, ppm, |_| jitter * chance.next());
                let worst = 3.0 + jitter;
                assert!(
                    (found - ppm).abs() < worst,
                    "{ppm} ppm, {jitter} ms: {found:.1}"
                );
            }
        }
    }

    #[test]
    fn nothing_is_said_before_it_is_known_and_nothing_impossible() {
        assert_eq!(rate(9, 200.0, |_| 0.0), 0.0);
        assert!(rate(300, 50_000.0, |_| 0.0) <= MOST * 1e6);
    }

    #[test]
    fn seconds_of_trouble_and_a_new_way_do_not_spoil_it() {
        let held = |second| if second % 7 == 0 { 400.0 } else { 0.0 };
        assert!((rate(180, 200.0, held) - 200.0).abs() < 5.0);
        let longer = |second| if second > 90 { 80.0 } else { 0.0 };
        for seconds in [95, 100, 120, 180] {
            let found = rate(seconds, 200.0, longer);
            assert!((found - 200.0).abs() < 10.0, "{seconds} s: {found:.1}");
        }
    }

    #[test]
    fn sound_keeps_its_place_and_its_pitch() {
        // What is sent in 10 ms lasts a little longer with us.
        for ppm in [-500.0f64, 200.0, 900.0] {
            let mut follower = Follower::default();
            let (mut place, mut last) = (0.0, 0.0);
            for n in 0..30_000u64 {
                let belongs = n as f64 * 0.01 * (1.0 + ppm / 1e6);
                // As in FLV: whole milliseconds.
                let stamped = (belongs * 1000.0).round() / 1000.0;
                let error = belongs - place;
                let Way::Stretched(stretch) = follower.follow(stamped - place, 0.01, false) else {
                    panic!("a seam at {n}");
                };
                assert!((stretch - last).abs() < 20e-6 || n == 0, "{n}: {stretch}");
                last = stretch;
                place += 0.01 * (1.0 + stretch);
                assert!(error.abs() < 0.004, "{ppm} ppm, {n}: {error}");
                if n > 10_000 {
                    assert!((stretch - ppm / 1e6).abs() < 100e-6, "{n}: {stretch}");
                    assert!(error.abs() < 0.001, "{ppm} ppm, {n}: {error}");
                }
            }
        }
    }
}

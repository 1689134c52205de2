//! The programme's ticks follow a source that is alone on air, as a studio's pictures follow one
//! reference: shifted until its pictures are there just in time, they wait for no tick, and where the
//! source keeps the programme's rate, its clock no longer slides past ours: nothing is repeated or left
//! out.
//!
//! Ticks move by less than anybody sees. Their times stay true running time, so sound does not
//! notice.

use std::sync::Arc;
use std::time::Duration;

use crate::venue::Rate;

use super::pictures::{Pacing, Pictures, WAIT};
use super::timebase::Timebase;

/// A step is longer or shorter by this share at most: 33.2 ms instead of 33.3.
const MOST: f64 = 0.005;
/// Seconds in which most of the way is gone.
const PATIENCE: f64 = 4.0;
/// Pictures that are late by less than this share of a step are waited for, whenever one is: for more
/// than that ticks lie later...
const WAITED: f64 = 0.5;
/// ...but no later after they are due than this. What takes longer is shown by the next tick.
const LATEST: f64 = 0.75;

/// The times of ticks.
#[derive(Debug)]
pub struct Genlock {
    rate: Rate,
    /// The next tick lies this much after the `n`th of an even series from zero on, in nanoseconds:
    /// less than a step, either way.
    n: u64,
    phase: f64,
    /// The source that is followed.
    reference: Option<Arc<Pictures>>,
}

impl Genlock {
    /// The first tick is not before `now`.
    pub fn new(rate: Rate, now: gst::ClockTime) -> Self {
        Self {
            rate,
            n: first(now, |n| tick_time(n, rate)),
            phase: 0.0,
            reference: None,
        }
    }

    /// Running time of the tick that is due, in nanoseconds.
    pub fn tick(&self) -> u64 {
        self.time_of(self.n)
    }

    /// The same of the one after it.
    pub fn next_tick(&self) -> u64 {
        self.time_of(self.n + 1)
    }

    fn time_of(&self, n: u64) -> u64 {
        tick_time(n, self.rate).saturating_add_signed(self.phase as i64)
    }

    /// Waits until the tick is due, and a moment longer where the picture of the source that it follows
    /// is not there yet.
    pub fn wait(&self, timebase: &Timebase, pacing: Pacing) {
        let tick = self.tick();
        timebase.wait_until(gst::ClockTime::from_nseconds(tick));
        if let Some(source) = &self.reference {
            let late = timebase.now().nseconds().saturating_sub(tick);
            let most = (WAIT * pacing.step as f64) as u64;
            source.wait_for(
                tick,
                pacing,
                Duration::from_nanos(most.saturating_sub(late)),
            );
        }
    }

    /// The tick is over; the next one is due.
    pub fn advance(&mut self) {
        self.n += 1;
    }

    /// All ticks that are past are left out.
    pub fn skip_to(&mut self, now: gst::ClockTime) {
        self.n = first(now, |n| tick_time(n, self.rate)) + 1;
    }

    /// Moves the next tick towards the pictures of what is on air, where that is one source that keeps
    /// the programme's step. Beside others ticks stay where they are: what fits one would have another
    /// one's picture left out or repeated on the way.
    pub fn follow(&mut self, on_air: &[Arc<Pictures>]) {
        let tick = self.tick();
        let step = tick_time(1, self.rate) as f64;
        // How much too late the ticks lie for it; negative: too early.
        let error = |source: &Arc<Pictures>| {
            let rhythm = source.rhythm();
            let wanted = (rhythm.late() - WAITED * step).clamp(0.0, LATEST * step);
            Some(rhythm.beat(tick)? - wanted)
        };
        let alone = match on_air {
            [first, rest @ ..] => rest.iter().all(|other| Arc::ptr_eq(first, other)),
            [] => false,
        };
        let is_on_air = |held: &&Arc<Pictures>| on_air.iter().any(|shown| Arc::ptr_eq(shown, held));
        let still = (self.reference.as_ref()).filter(is_on_air).and_then(error);
        let error = match still {
            Some(error) => {
                if let Some(held) = &self.reference {
                    held.set_followed(true, alone);
                }
                error
            }
            None => {
                let next = on_air.first().filter(|_| alone);
                let next = next.and_then(|source| Some((error(source)?, source)));
                if let Some(old) = self.reference.take() {
                    old.set_followed(false, false);
                }
                let Some((error, source)) = next else { return };
                source.set_followed(true, true);
                self.reference = Some(source.clone());
                error
            }
        };
        if !alone {
            return;
        }
        let wanted = error * step / (PATIENCE * 1e9);
        self.phase -= wanted.clamp(-MOST * step, MOST * step);
        if self.phase > step {
            self.phase -= step;
            self.n += 1;
        } else if self.phase < -step {
            self.phase += step;
            self.n -= 1;
        }
    }
}

/// Running time of a tick, in nanoseconds, without an error that adds up.
fn tick_time(n: u64, rate: Rate) -> u64 {
    let numerator = u128::from(n) * u128::from(rate.denominator) * 1_000_000_000;
    (numerator / u128::from(rate.numerator)) as u64
}

/// The first of an even series of times that is not past.
pub fn first(now: gst::ClockTime, time_of: impl Fn(u64) -> u64) -> u64 {
    let (now, step) = (now.nseconds(), time_of(1).max(1));
    // The step is rounded: over years an estimate by it is far off, each next one less so.
    let mut n = now / step;
    while n > 0 && time_of(n) >= now {
        n = n.saturating_sub((time_of(n) - now) / step + 1);
    }
    while time_of(n) < now {
        n += 1;
    }
    n
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::pictures::{Picture, next_serial};

    const MS: u64 = 1_000_000;
    const PACING: Pacing = Pacing {
        latency: 15 * MS,
        tolerance: 8 * MS,
        hold: 700 * MS,
        step: 33_333_333,
    };
    const THIRTY: Rate = Rate {
        numerator: 30,
        denominator: 1,
    };

    #[test]
    fn ticks_do_not_drift() {
        let ntsc = Rate {
            numerator: 30_000,
            denominator: 1001,
        };
        assert_eq!(tick_time(30_000, ntsc), 1_001_000_000_000);
        assert_eq!(tick_time(30_000 * 24, ntsc), 24 * 1_001_000_000_000);
        let pal = Rate {
            numerator: 25,
            denominator: 1,
        };
        assert_eq!(tick_time(25 * 86_400, pal), 86_400_000_000_000);
    }

    /// A source whose clock runs `ppm` fast and whose pictures arrive `way` ns after their
    /// capture, beside the programme for so many ticks: what each tick shows (number, age in ns when it
    /// is shown).
    fn run(ticks: usize, phase: u64, ppm: f64, way: u64) -> Vec<(u64, u64)> {
        run_with(ticks, phase, ppm, |_| way)
    }

    fn run_with(ticks: usize, phase: u64, ppm: f64, way: impl Fn(u64) -> u64) -> Vec<(u64, u64)> {
        simulate(ticks, phase, ppm, way).0
    }

    /// The same, and the times of the ticks.
    fn simulate(
        ticks: usize,
        phase: u64,
        ppm: f64,
        way: impl Fn(u64) -> u64,
    ) -> (Vec<(u64, u64)>, Vec<u64>) {
        let mut times = Vec::new();
        gst::init().expect("GStreamer");
        let source = Arc::new(Pictures::default());
        let mut genlock = Genlock::new(THIRTY, gst::ClockTime::from_seconds(10));
        let captured = |n: u64| {
            let since = n as f64 * 1e9 / 30.0 / (1.0 + ppm * 1e-6);
            9_900_000_000 + phase + since as u64
        };
        let mut sent = 0;
        let mut shown = Vec::new();
        let mut before = 0;
        for _ in 0..ticks {
            let tick = genlock.tick();
            assert!(tick > before, "time goes on");
            before = tick;
            times.push(tick);
            let mut until = tick;
            loop {
                let there = captured(sent) + way(sent);
                if there > until {
                    let wait = tick + (WAIT * PACING.step as f64) as u64;
                    if there > wait || !source.is_awaited(tick, PACING) {
                        break;
                    }
                    until = there;
                }
                let picture = Picture {
                    buffer: gst::Buffer::new(),
                    info: gst_video::VideoInfo::builder(gst_video::VideoFormat::I420, 16, 16)
                        .build()
                        .expect("a layout"),
                    captured: captured(sent),
                    serial: next_serial(),
                };
                source.push(picture, there);
                sent += 1;
            }
            if let Some(picture) = source.at(tick, PACING) {
                let number = (0..=sent).rfind(|n| captured(*n) == picture.captured);
                shown.push((number.expect("one of ours"), until - picture.captured));
            }
            genlock.follow(std::slice::from_ref(&source));
            genlock.advance();
        }
        (shown, times)
    }

    #[test]
    fn whatever_the_phase_pictures_soon_wait_no_longer_than_they_must() {
        for phase in (0..33).map(|ms| ms * MS) {
            let shown = run(900, phase, 0.0, 4 * MS);
            for (_, age) in &shown[450..] {
                assert!((14 * MS..17 * MS).contains(age), "{phase}: {age}");
            }
        }
    }

    #[test]
    fn a_clock_that_runs_off_neither_repeats_nor_skips_for_an_hour() {
        for ppm in [-200.0, 200.0] {
            let shown = run(30 * 3600, 5 * MS, ppm, 4 * MS);
            for pair in shown[450..].windows(2) {
                assert_eq!(pair[1].0, pair[0].0 + 1, "{ppm} ppm");
                assert!(pair[1].1 < 17 * MS, "{ppm} ppm: {}", pair[1].1);
            }
        }
    }

    #[test]
    fn hold_ups_that_come_again_and_again_are_allowed_for() {
        gst::init().expect("GStreamer");
        // One of thirty takes 10 ms longer than there is time, as a keyframe may.
        let way = |n: u64| {
            if n.is_multiple_of(30) {
                25 * MS
            } else {
                4 * MS
            }
        };
        let shown = run_with(30 * 1800, 0, 0.0, way);
        let settled = &shown[900..];
        let missed = settled.windows(2).filter(|p| p[1].0 != p[0].0 + 1).count();
        // Half an hour of them.
        assert!(missed < 2, "{missed}");
        assert!(settled.iter().all(|(_, age)| *age < 60 * MS));
        for slow in [20, 22, 24, 26, 30] {
            let way = |n: u64| {
                if n.is_multiple_of(60) {
                    slow * MS
                } else {
                    4 * MS
                }
            };
            let shown = run_with(30 * 1800, 0, 0.0, way);
            let missed = shown[900..]
                .windows(2)
                .filter(|p| p[1].0 != p[0].0 + 1)
                .count();
            assert!(missed < 3, "{slow} ms: {missed}");
        }
    }

    #[test]
    fn a_lone_hold_up_costs_one_picture_at_most_and_delays_no_other() {
        for (late, lost) in [(30, 0), (60, 1)] {
            let way = |n: u64| if n == 700 { late * MS } else { 4 * MS };
            let shown = run_with(900, 0, 0.0, way);
            let after = shown.iter().position(|(n, _)| *n > 700);
            let after = after.expect("it went on");
            assert_eq!(shown[after - 1].0, 700 - lost, "{late} ms");
            assert!(shown[after..].iter().all(|(_, age)| *age < 18 * MS));
            assert!(shown[after..].windows(2).all(|p| p[1].0 == p[0].0 + 1));
        }
    }

    #[test]
    fn beside_others_no_tick_waits_for_one() {
        gst::init().expect("GStreamer");
        let (source, other) = (Arc::new(Pictures::default()), Arc::default());
        let mut genlock = Genlock::new(THIRTY, gst::ClockTime::from_seconds(10));
        for n in 0..60 {
            let tick = genlock.tick();
            let picture = Picture {
                buffer: gst::Buffer::new(),
                info: gst_video::VideoInfo::builder(gst_video::VideoFormat::I420, 16, 16)
                    .build()
                    .expect("a layout"),
                captured: 9_985_000_000 + n * PACING.step,
                serial: next_serial(),
            };
            source.push(picture, tick);
            source.at(tick, PACING);
            genlock.follow(std::slice::from_ref(&source));
            genlock.advance();
        }
        let tick = genlock.tick();
        assert!(source.is_awaited(tick, PACING));
        genlock.follow(&[source.clone(), other]);
        assert!(!source.is_awaited(tick, PACING));
    }

    #[test]
    fn how_late_pictures_come_is_allowed_for_before_one_is_missed() {
        // Jitter of 11 ms: one in five is later than its capture and the latency tell.
        let way = |n: u64| (9 + (n * 7919) % 12) * MS;
        let shown = run_with(900, 0, 0.0, way);
        let settled = &shown[300..];
        assert!(settled.windows(2).all(|p| p[1].0 == p[0].0 + 1));
        assert!(settled[200..].iter().all(|(_, age)| *age < 23 * MS));
    }

    #[test]
    fn a_source_that_has_stopped_is_not_followed() {
        gst::init().expect("GStreamer");
        // Nothing more after the first twenty seconds, the last ones late.
        let way = |n: u64| match n {
            0..590 => 4 * MS,
            590..600 => 20 * MS,
            _ => 3_600_000 * MS,
        };
        let (_, ticks) = simulate(3000, 0, 0.0, way);
        let length = (ticks[2999] - ticks[1000]) as f64 / 1999.0;
        assert!((length - 1e9 / 30.0).abs() < 1e4, "{length} ns");
    }

    #[test]
    fn pictures_that_take_longer_are_waited_for() {
        // Decoding takes longer than the latency: due, but not there.
        let shown = run(3000, 0, 0.0, 21 * MS);
        let settled = &shown[1500..];
        let missed = settled.windows(2).filter(|p| p[1].0 != p[0].0 + 1).count();
        assert!(missed <= 2, "{missed} of {}", settled.len());
        assert!(settled.iter().all(|(_, age)| *age < 56 * MS));
        let close = settled.iter().filter(|(_, age)| *age < 27 * MS).count();
        assert!(
            close * 10 > settled.len() * 9,
            "{close} of {}",
            settled.len()
        );
    }
}

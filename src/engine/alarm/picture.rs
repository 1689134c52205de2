//! Whether a picture is black or stands still. Pure: works on sparse looks, two a second.
//!
//! A live camera's picture is never the same twice, for its sensor has noise: of the points of a look,
//! half and more are another value a moment later (footage of talks, streets and rooms: 51 % at least),
//! also on an empty stage. One that hangs is the same to the last pixel; what an encoder makes of that
//! is the same but for a few points and the moment of a keyframe.

use std::time::{Duration, Instant};

use crate::engine::grid::Grid;
use crate::model::Alarm;

use super::latch::{Latch, Patience};

/// Points of a look, across and down.
pub const POINTS: (usize, usize) = (32, 18);
/// Where no more points than these, in a thousand, are others than at the look before, nothing lives.
const ALIVE: usize = 30;
/// Of the last so many looks,
const LOOKS: u32 = 10;
/// a picture that moves was alive at more than these: keyframes are fewer.
const FEW: u32 = 3;
/// It takes so long until that is seen.
const SEEN: Duration = Duration::from_millis(3500);
/// So long after it looks like another picture, it moves.
const MOVED: Duration = Duration::from_secs(2);
/// What is back for so long is back.
const BACK: Duration = Duration::from_secs(1);

/// After what time it is said. `None`: never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Of black.
    pub black: Option<Duration>,
    /// Of standing still.
    pub frozen: Option<Duration>,
}

/// What there is to be seen just now.
#[derive(Debug, Clone, Copy)]
pub enum Sight<'a> {
    /// No picture is shown.
    Nothing,
    /// One is, but it is not the time for a look.
    Something,
    /// It looks like this.
    Look(&'a Grid),
}

/// The watch over one picture.
#[derive(Debug)]
pub struct PictureWatch {
    black: Latch,
    is_black: bool,
    frozen: Latch,
    last: Option<Grid>,
    /// Whether it was alive at the last looks, newest in the lowest bit.
    alive: u32,
    /// What it looked like when it last moved, and when that was.
    rest: Option<Grid>,
    moved: Option<Instant>,
}

impl Default for PictureWatch {
    fn default() -> Self {
        Self {
            black: Latch::default(),
            is_black: false,
            frozen: Latch::default(),
            last: None,
            alive: u32::MAX,
            rest: None,
            moved: None,
        }
    }
}

impl PictureWatch {
    /// What is wrong with it as of now.
    pub fn look(&mut self, now: Instant, sight: Sight<'_>, limits: Limits) -> [(Alarm, bool); 2] {
        match sight {
            Sight::Nothing => {
                *self = Self::default();
                return [(Alarm::Black, false), (Alarm::Frozen, false)];
            }
            Sight::Something => {}
            Sight::Look(look) => self.note(now, look),
        }
        let black = latched(&mut self.black, now, self.is_black, limits.black);
        let often = (self.alive & ((1 << LOOKS) - 1)).count_ones() > FEW;
        let just = |at: Instant| now.duration_since(at) < MOVED;
        // What is black need not move.
        let still = !often && !self.moved.is_some_and(just) && !self.is_black;
        let after = limits.frozen.map(|after| after.saturating_sub(SEEN));
        let frozen = latched(&mut self.frozen, now, still, after);
        [(Alarm::Black, black), (Alarm::Frozen, frozen)]
    }

    fn note(&mut self, now: Instant, look: &Grid) {
        self.is_black = look.is_black();
        let changed = (self.last.as_ref()).map_or(usize::MAX, |last| look.changed(last));
        let alive = changed.saturating_mul(1000) > ALIVE * look.luma().len();
        self.alive = self.alive << 1 | u32::from(alive);
        if self.rest.as_ref().is_none_or(|rest| rest.differs(look)) {
            self.rest = Some(look.clone());
            self.moved = Some(now);
        }
        match &mut self.last {
            Some(last) => last.clone_from(look),
            last => *last = Some(look.clone()),
        }
    }
}

fn latched(latch: &mut Latch, now: Instant, wrong: bool, after: Option<Duration>) -> bool {
    let patience = Patience {
        after: after.unwrap_or_default(),
        over: BACK,
        blink: Duration::ZERO,
    };
    latch.look(now, after.map(|_| wrong), patience)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::chance::Chance;

    const LIMITS: Limits = Limits {
        black: Some(Duration::from_secs(10)),
        frozen: Some(Duration::from_secs(20)),
    };

    /// What is shown at one tenth of a second: luma, how many points in a thousand are one more or
    /// less by noise.
    type Shown = Option<(u8, u32)>;

    /// Tenths of a second at which alarms were raised and over.
    fn told(tenths: u32, limits: Limits, shown: impl Fn(u32) -> Shown) -> Vec<(u32, Alarm, bool)> {
        let (mut watch, start) = (PictureWatch::default(), Instant::now());
        let (mut before, mut told) = ([false; 2], Vec::new());
        let mut chance = Chance::default();
        for tenth in 0..tenths {
            let now = start + Duration::from_millis(100) * tenth;
            let grid = shown(tenth).map(|(luma, noisy)| {
                let mut noise = || {
                    let is_noisy = chance.next() * 1000.0 < f64::from(noisy);
                    u8::from(is_noisy && chance.next() < 0.5)
                };
                Grid::of((0..POINTS.0 * POINTS.1).map(|_| luma + noise()))
            });
            let sight = match &grid {
                None => Sight::Nothing,
                Some(grid) if tenth % 5 == 0 => Sight::Look(grid),
                Some(_) => Sight::Something,
            };
            let found = watch.look(now, sight, limits);
            for ((alarm, raised), before) in found.into_iter().zip(&mut before) {
                if raised != std::mem::replace(before, raised) {
                    told.push((tenth, alarm, raised));
                }
            }
        }
        told
    }

    #[test]
    fn black_is_noticed_and_that_it_is_over() {
        let said = told(400, LIMITS, |t| {
            Some((if (100..250).contains(&t) { 16 } else { 90 }, 500))
        });
        let expected = [(200, Alarm::Black, true), (260, Alarm::Black, false)];
        assert_eq!(said, expected);
        let short = told(400, LIMITS, |t| {
            Some((if t % 100 < 90 { 16 } else { 90 }, 500))
        });
        assert_eq!(short, [], "a fade, a flash");
    }

    #[test]
    fn a_camera_that_hangs_is_noticed_raw_and_encoded() {
        // An encoder flips a few points all the time, and all of them at a keyframe every two seconds.
        let encoded = |t: u32| (90 + (t / 20 % 2) as u8, 10);
        let raw = |_| (90, 0);
        let hangs: [&dyn Fn(u32) -> (u8, u32); 2] = [&raw, &encoded];
        for (name, hangs) in ["raw", "encoded"].into_iter().zip(hangs) {
            let said = told(500, LIMITS, |t| {
                Some(if t < 100 { (90, 600) } else { hangs(t) })
            });
            assert_eq!(said.len(), 1, "{name} {said:?}");
            assert!((295..=345).contains(&said[0].0), "{name} {said:?}");
        }
    }

    #[test]
    fn an_empty_stage_a_slow_camera_and_slides_that_change_do_not_stand_still() {
        assert_eq!(told(900, LIMITS, |_| Some((90, 150))), [], "little noise");
        let slow = told(900, LIMITS, |t| Some((90 + (t / 10 % 4) as u8, 0)));
        assert_eq!(slow, [], "a picture a second");
        let slides = told(900, LIMITS, |t| Some((60 + (t / 150 * 20) as u8, 0)));
        assert_eq!(slides, []);
    }

    #[test]
    fn it_is_over_when_it_moves_and_black_is_not_said_twice() {
        let moves = told(600, LIMITS, |t| {
            Some((90, if (100..400).contains(&t) { 0 } else { 600 }))
        });
        assert_eq!(moves.len(), 2, "{moves:?}");
        assert!((405..=435).contains(&moves[1].0), "{moves:?}");
        let another = told(600, LIMITS, |t| Some((if t < 400 { 60 } else { 120 }, 0)));
        assert_eq!(another.len(), 3, "{another:?}");
        assert_eq!(another[1], (410, Alarm::Frozen, false));
        let black = told(600, LIMITS, |_| Some((16, 0)));
        assert_eq!(black, [(100, Alarm::Black, true)]);
    }

    #[test]
    fn where_nothing_is_shown_nothing_is_wrong() {
        let gone = told(600, LIMITS, |t| (t < 300).then_some((16, 0)));
        let expected = [(100, Alarm::Black, true), (300, Alarm::Black, false)];
        assert_eq!(gone, expected);
        assert_eq!(told(600, Limits::default(), |_| Some((16, 0))), []);
    }
}

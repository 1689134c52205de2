//! When a picture is shown: as soon as it is there while the way to here is even; where pictures
//! come unevenly, all of them later by as much as that takes. Pure: whoever asks brings the time.
//!
//! All times are nanoseconds on one clock of the asker's. A picture's stamp is on the sender's clock,
//! and only differences of stamps mean anything.

/// The fastest way seen in the last one or two of these is what others are measured against: long
/// enough to see one, short enough to follow a clock that runs off by 100 millionths (1 ms in 10 s).
const WINDOW: i64 = 4 * SECOND;
/// The first one; each is twice as long as the one before. A connection begins with a burst, whose
/// pictures come faster than any later.
const FIRST_WINDOW: i64 = SECOND / 4;
/// Whatever is late by less is not seen: half a refresh of a screen.
const TOLERANCE: i64 = 8 * MILLISECOND;
/// Pictures that are late together are late for one reason.
const TOGETHER: i64 = 500 * MILLISECOND;
/// What is late a second time within this is going to be late again.
const MEMORY: i64 = 20 * SECOND;
/// Held back by so much more than what was seen.
const SPARE: i64 = 2 * MILLISECOND;
/// More is not waited for: 500 ms between a voice in the room and its picture look wrong, and the way
/// to here is a part of that.
const MOST: i64 = 250 * MILLISECOND;
/// By so much less for each second, once pictures come evenly again: nobody sees it.
const EASE: i64 = 2 * MILLISECOND;
/// Stamps that are off by more than this belong to another count.
const JUMP: i64 = SECOND;

const SECOND: i64 = 1_000_000_000;
const MILLISECOND: i64 = 1_000_000;

/// What was decided for one picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// When it is to be shown; past where it is late.
    pub due: i64,
    /// By how much it missed its turn, where that can be seen.
    pub late: Option<i64>,
}

/// The pace of one connection.
#[derive(Debug, Clone)]
pub struct Pace {
    /// Least distance from stamp to arrival: in this window, and in the one before.
    least: Option<(i64, i64)>,
    window_began: i64,
    window: i64,
    /// How long pictures are held back, and since when it is no longer.
    margin: i64,
    eased: i64,
    /// Never less than this: sound takes its time.
    floor: i64,
    /// When something was late, and by how much, oldest first.
    late: Vec<(i64, i64)>,
}

impl Pace {
    /// For a connection that begins now; `floor` is the least that pictures are held back.
    pub fn new(floor: i64) -> Self {
        Self {
            least: None,
            window_began: 0,
            window: FIRST_WINDOW,
            margin: floor,
            eased: 0,
            floor,
            late: Vec::new(),
        }
    }

    /// A picture with this stamp is there.
    pub fn arrive(&mut self, stamp: i64, now: i64) -> Turn {
        let way = now - stamp;
        let base = self.base(way, now);
        let behind = way - base;
        let missed = behind - self.margin;
        if behind > TOLERANCE {
            self.note(behind, now);
        }
        self.adapt(now);
        Turn {
            due: stamp + base + self.margin,
            late: (missed > TOLERANCE).then_some(missed),
        }
    }

    /// From a picture's stamp to its turn; `None` before the first one. Sound goes by it.
    pub fn offset(&self) -> Option<i64> {
        let (now, before) = self.least?;
        Some(now.min(before) + self.margin)
    }

    /// The least way of late.
    fn base(&mut self, way: i64, now: i64) -> i64 {
        let known = self.least.map(|(this, before)| this.min(before));
        let base = match self.least {
            Some((this, before)) if (way - this.min(before)).abs() < JUMP => {
                if now - self.window_began > self.window {
                    self.window_began = now;
                    self.window = (self.window * 2).min(WINDOW);
                    (way, this)
                } else {
                    (this.min(way), before)
                }
            }
            _ => {
                self.window_began = now;
                self.window = FIRST_WINDOW;
                self.late.clear();
                self.least = Some((way, way));
                return way;
            }
        };
        self.least = Some(base);
        let base = base.0.min(base.1);
        self.rise(known.map_or(0, |known| base - known));
        base
    }

    /// Others are measured against a way that is longer by this: they are late by less, and no turn
    /// moves.
    fn rise(&mut self, by: i64) {
        if by > 0 {
            self.margin = (self.margin - by).max(self.floor);
            self.late.retain_mut(|(_, behind)| {
                *behind -= by;
                *behind > TOLERANCE
            });
        }
    }

    fn note(&mut self, behind: i64, now: i64) {
        match self.late.last_mut() {
            Some((at, most)) if now - *at < TOGETHER => *most = (*most).max(behind),
            _ => self.late.push((now, behind)),
        }
    }

    /// Up at once to what has been late twice, down slowly.
    fn adapt(&mut self, now: i64) {
        self.late.retain(|(at, _)| now - at < MEMORY);
        let mut most = [0, 0];
        for (_, behind) in &self.late {
            if *behind > most[0] {
                most = [*behind, most[0]];
            } else {
                most[1] = most[1].max(*behind);
            }
        }
        let wanted = match most[1] {
            0 => self.floor,
            twice => (twice + SPARE).clamp(self.floor, MOST.max(self.floor)),
        };
        if wanted >= self.margin {
            self.margin = wanted;
            self.eased = now;
        } else {
            let ease = EASE.saturating_mul(now - self.eased) / SECOND;
            if ease > 0 {
                self.margin = (self.margin - ease).max(wanted);
                self.eased = now;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: i64 = 33 * MILLISECOND;

    /// Pictures from the `from`th on, each late by what `late` says; the last turn.
    fn play(pace: &mut Pace, from: i64, count: i64, late: impl Fn(i64) -> i64) -> Turn {
        let turns = (from..from + count).map(|n| {
            // The sender's clock began long ago.
            let stamp = 5_000 * SECOND + n * FRAME;
            pace.arrive(stamp, n * FRAME + late(n))
        });
        turns.last().expect("some pictures")
    }

    #[test]
    fn an_even_way_holds_nothing_back() {
        let mut pace = Pace::new(0);
        let turn = play(&mut pace, 0, 900, |n| n % 3 * 2 * MILLISECOND);
        assert_eq!(pace.margin, 0);
        assert_eq!((turn.late, turn.due), (None, 899 * FRAME));
    }

    #[test]
    fn one_hiccup_changes_nothing_and_two_are_covered() {
        let mut pace = Pace::new(0);
        let hiccup = |n: i64| if n % 100 == 50 { 40 * MILLISECOND } else { 0 };
        play(&mut pace, 0, 100, hiccup);
        assert_eq!(pace.margin, 0);
        play(&mut pace, 100, 51, hiccup);
        assert_eq!(pace.margin, 42 * MILLISECOND);
        // The third is in time.
        let third = play(&mut pace, 151, 100, hiccup);
        assert_eq!(third.late, None);
        assert_eq!(third.due, 250 * FRAME + 42 * MILLISECOND);
        assert_eq!(pace.margin, 42 * MILLISECOND, "while it lasts");
    }

    #[test]
    fn pictures_that_are_late_together_count_once() {
        let mut pace = Pace::new(0);
        let stall = |n: i64| (60 - (n - 60).max(0) * 20).max(0) * MILLISECOND * i64::from(n >= 60);
        play(&mut pace, 0, 120, stall);
        assert_eq!(pace.margin, 0);
    }

    #[test]
    fn it_comes_back_slowly_and_is_never_more_than_the_most() {
        let mut pace = Pace::new(0);
        play(&mut pace, 0, 200, |n| {
            i64::from(n % 50 == 49) * 400 * MILLISECOND
        });
        assert_eq!(pace.margin, MOST);
        // 20 s later nothing is remembered; from then on 2 ms a second.
        play(&mut pace, 200, 500, |_| 0);
        assert_eq!(pace.margin, MOST);
        play(&mut pace, 700, 30 * 30, |_| 0);
        let left = pace.margin / MILLISECOND;
        assert!((180..=215).contains(&left), "{left} ms");
        play(&mut pace, 1600, 200 * 30, |_| 0);
        assert_eq!(pace.margin, 0);
    }

    #[test]
    fn a_clock_that_runs_off_is_followed() {
        let mut pace = Pace::new(0);
        // A sender whose clock is slow by 100 millionths: pictures come ever later by its stamps.
        let turn = play(&mut pace, 0, 30 * 600, |n| n * FRAME / 10_000);
        let (now, margin) = ((30 * 600 - 1) * (FRAME + FRAME / 10_000), pace.margin);
        assert_eq!((turn.late, margin), (None, 0));
        assert!((now - turn.due).abs() < 2 * MILLISECOND);
    }

    #[test]
    fn a_burst_at_the_beginning_is_soon_forgotten() {
        let mut pace = Pace::new(0);
        // The first ten come 60 ms faster than all others.
        let burst = |n: i64| i64::from(n >= 10) * 60 * MILLISECOND;
        let turn = play(&mut pace, 0, 120, burst);
        assert_eq!((turn.late, pace.margin), (None, 0));
        assert_eq!(turn.due, 119 * FRAME + 60 * MILLISECOND);
    }

    #[test]
    fn another_count_of_stamps_begins_anew() {
        let mut pace = Pace::new(10 * MILLISECOND);
        play(&mut pace, 0, 100, |_| 0);
        let turn = pace.arrive(7, 100 * FRAME);
        assert_eq!(
            (turn.late, turn.due),
            (None, 100 * FRAME + 10 * MILLISECOND)
        );
        assert_eq!(pace.offset(), Some(100 * FRAME - 7 + 10 * MILLISECOND));
    }
}

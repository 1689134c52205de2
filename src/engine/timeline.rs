//! Puts a sender's timestamps on the common clock. One timeline for picture and sound of a source,
//! so that they keep their place against each other.
//!
//! The offset between the two clocks is learnt from arrivals: a frame that arrived early shows how
//! short the way can be. It is raised at once when sound would come too late to be mixed, and
//! lowered, slowly, when everything has been coming earlier than needed. A jump of the sender's
//! timestamps starts the timeline anew.

use super::feed::Media;

/// Timestamps further apart than this belong to different timelines.
const JUMP: i64 = 1_000_000_000;
/// Sound may arrive this much after its place on the timeline: the mixer waits that long for it.
const SOUND_SLACK: i64 = 30_000_000;
/// Slack is judged over this long.
const WINDOW: u64 = 1_000_000_000;
/// Slack, unused or missing, below this is not worth a step.
const WORTH: i64 = 15_000_000;
/// So many windows in a row with time to spare make it believable: one quiet second is not.
const PATIENCE: u32 = 10;
/// A new timeline moves at once for so long: connections start with a burst.
const SETTLE: u64 = 5_000_000_000;
/// The offset is lowered by one of so many.
const GLIDE: i64 = 20;
/// Pictures that are looked at in a window.
const PICTURES: usize = 120;
/// A sound track that lags its picture by more than this is not waited for.
const MAX_LAG: i64 = 1_000_000_000;

/// Maps timestamps of one sender to running time. All values in nanoseconds.
#[derive(Debug, Default)]
pub struct Timeline {
    offset: Option<i64>,
    /// Where the offset glides to, and when it last did: lowered at once, timestamps would go back.
    target: i64,
    glided: u64,
    last: [Option<u64>; 2],
    window: Window,
    /// When the timeline began: it may settle quickly at first.
    began: u64,
    /// Windows in a row that had time to spare, and the least of it.
    spare: Option<(u32, i64)>,
}

/// How early or late frames were in the current window.
#[derive(Debug, Default)]
struct Window {
    start: u64,
    /// Slack of each picture, at most [`PICTURES`].
    pictures: Vec<i64>,
    /// Smallest slack of the sound: what comes later is not heard.
    sound: Option<i64>,
}

impl Window {
    fn restart(&mut self, now: u64) {
        self.start = now;
        self.pictures.clear();
        self.sound = None;
    }
}

impl Timeline {
    /// Places a frame whose decoding timestamp is `dts` and that arrives `now`: the answer, added to
    /// its timestamps, makes running time of them.
    pub fn place(&mut self, media: Media, dts: u64, now: u64) -> i64 {
        let index = match media {
            Media::Video => 0,
            Media::Audio => 1,
        };
        let way = now as i64 - dts as i64;
        let jumped = self.last[index].is_some_and(|last| (dts as i64 - last as i64).abs() > JUMP);
        self.last[index] = Some(dts);
        let Some(offset) = self.offset.filter(|_| !jumped) else {
            let own = self.last[index];
            self.last = [None; 2];
            self.last[index] = own;
            self.began = now;
            return self.step(way, now);
        };
        let offset = self.glide(offset, now);
        // How much earlier than needed the frame is here; negative: too late.
        let slack = match media {
            Media::Video => offset - way,
            Media::Audio => offset + SOUND_SLACK - way,
        };
        if media == Media::Audio && slack < 0 && -slack < MAX_LAG {
            return self.step(offset - slack, now);
        }
        match media {
            Media::Video if self.window.pictures.len() < PICTURES => {
                self.window.pictures.push(slack)
            }
            Media::Video => {}
            Media::Audio => {
                self.window.sound = Some(self.window.sound.map_or(slack, |least| least.min(slack)));
            }
        }
        if now.saturating_sub(self.window.start) < WINDOW {
            return offset;
        }
        self.judge(offset, now)
    }

    /// A window is over: moves the timeline where that is worth it.
    fn judge(&mut self, offset: i64, now: u64) -> i64 {
        self.window.pictures.sort_unstable();
        let pictures = &self.window.pictures;
        // Every picture came too late: a slow clock, or a way that has grown longer.
        if let Some(most) = pictures.last().copied().filter(|most| *most < -WORTH) {
            return self.step(offset - most, now);
        }
        // A few late pictures are shown a tick later; they are no reason to hold all others back.
        let typical = pictures.get(pictures.len() / 5).copied();
        let unused = typical
            .into_iter()
            .chain(self.window.sound)
            .min()
            .unwrap_or(0);
        let settling = now.saturating_sub(self.began) < SETTLE;
        self.window.restart(now);
        self.spare = (unused > WORTH).then(|| match self.spare {
            Some((windows, least)) => (windows + 1, least.min(unused)),
            None => (1, unused),
        });
        if let Some((windows, least)) = self.spare
            && (settling || windows >= PATIENCE)
        {
            self.target = offset - least;
            self.glided = now;
            self.spare = None;
        }
        offset
    }

    /// Lowers the offset towards its target, slowly enough for timestamps to go on growing.
    fn glide(&mut self, offset: i64, now: u64) -> i64 {
        let most = now.saturating_sub(self.glided) as i64 / GLIDE;
        let next = self.target.max(offset - most).min(offset);
        if next != offset {
            self.glided = now;
            self.offset = Some(next);
            // Its frames have not had the new offset yet.
            self.window.restart(now);
        }
        next
    }

    fn step(&mut self, offset: i64, now: u64) -> i64 {
        self.offset = Some(offset);
        self.target = offset;
        self.glided = now;
        self.spare = None;
        self.window.restart(now);
        offset
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn ms(offset: i64) -> i64 {
        offset / MS as i64
    }

    #[test]
    fn the_first_frame_sets_the_offset_whatever_its_timestamp() {
        let mut line = Timeline::default();
        let hours = 7 * 3600 * 1000 * MS;
        assert_eq!(
            ms(line.place(Media::Video, hours, 500 * MS)),
            500 - 7 * 3_600_000
        );
        assert_eq!(
            ms(line.place(Media::Audio, hours, 510 * MS)),
            500 - 7 * 3_600_000
        );
    }

    #[test]
    fn jitter_of_the_picture_does_not_move_it() {
        let mut line = Timeline::default();
        let first = line.place(Media::Video, 0, 1000 * MS);
        for i in 1..300 {
            let offset = line.place(
                Media::Video,
                i * 33 * MS,
                (1000 + i * 33 + (i * 7) % 12) * MS,
            );
            assert_eq!(offset, first, "frame {i}");
        }
    }

    #[test]
    fn late_sound_moves_both_once() {
        let mut line = Timeline::default();
        let first = ms(line.place(Media::Video, 0, 1000 * MS));
        let moved = line.place(Media::Audio, 0, 1100 * MS);
        assert_eq!(
            ms(moved),
            first + 70,
            "only as far as the mixer does not wait"
        );
        for i in 1..400 {
            let at = (1000 + i * 33) * MS;
            assert_eq!(line.place(Media::Video, i * 33 * MS, at), moved);
            assert_eq!(line.place(Media::Audio, i * 33 * MS, at + 100 * MS), moved);
        }
    }

    #[test]
    fn a_late_start_is_made_up_for() {
        let mut line = Timeline::default();
        line.place(Media::Video, 0, 1400 * MS);
        let mut last = i64::MIN;
        for i in 1..400 {
            let offset = line.place(Media::Video, i * 33 * MS, (1000 + i * 33) * MS);
            let stamp = (i * 33 * MS) as i64 + offset;
            assert!(stamp > last, "frame {i} goes back");
            last = stamp;
        }
        assert_eq!(last, (1000 + 399 * 33) * MS as i64);
    }

    #[test]
    fn a_slow_clock_is_followed() {
        let mut line = Timeline::default();
        // 200 ppm slow, for ten hours.
        for i in 0..1_080_000u64 {
            let (dts, now) = (i * 33 * MS, (1000 + i * 33) * MS + i * 33 * MS / 5000);
            let late = now as i64 - (dts as i64 + line.place(Media::Video, dts, now));
            assert!(
                late.unsigned_abs() < 40 * MS,
                "frame {i} is {} ms late",
                late / MS as i64
            );
        }
    }

    #[test]
    fn one_quiet_second_does_not_lower_what_a_peak_has_raised() {
        let mut line = Timeline::default();
        let mut settled = None;
        for i in 0..1800u64 {
            let at = (1000 + i * 33) * MS;
            line.place(Media::Video, i * 33 * MS, at);
            // Every four seconds the sound is held up.
            let peak = if i % 120 == 0 { 90 } else { 0 };
            let offset = line.place(Media::Audio, i * 33 * MS, at + peak * MS);
            if i > 300 {
                assert_eq!(offset, *settled.get_or_insert(offset), "frame {i}");
            }
        }
    }

    #[test]
    fn a_jump_starts_anew() {
        let mut line = Timeline::default();
        line.place(Media::Video, 0, 1000 * MS);
        let offset = line.place(Media::Video, 60_000 * MS, 1033 * MS);
        assert_eq!(ms(offset), 1033 - 60_000);
        assert_eq!(
            ms(line.place(Media::Video, 33 * MS, 1066 * MS)),
            1033,
            "and backwards"
        );
    }
}

//! Makes a sender's timestamps a line that goes on: where they jump, stand still or run back, they
//! follow the time of arrival instead. What picture and sound lost or gained together is put right
//! by the same amount, so that they stay in step. One for each source.

use super::feed::Media;

/// A step further than this from the time that has gone by is no frame that came early or late. In
/// nanoseconds.
const JUMP: i64 = 1_000_000_000;
/// Timestamps that move less than a tenth as fast as time, over so many nanoseconds, stand still.
const STILL: u64 = 1_000_000_000;
/// Longer than this nothing is said about pace: the network may have paused.
const PAUSE: u64 = 200_000_000;
/// Corrections of the two streams that differ by less belong to one jump.
const SAME: i64 = 400_000_000;

/// Corrects the timestamps of one sender. All values in nanoseconds.
#[derive(Debug, Default)]
pub struct Stamps {
    streams: [Stream; 2],
    /// What was last added to a stream that jumped.
    last: Option<i64>,
    corrections: u64,
}

#[derive(Debug, Default)]
struct Stream {
    /// Timestamp as sent, corrected, and time of arrival of the last frame.
    before: Option<(i64, i64, u64)>,
    added: i64,
    /// Where the current look at its pace began, and the time it has lasted.
    pace: (i64, u64),
    still: bool,
}

impl Stamps {
    /// What has to be added to the timestamp `sent` of a frame that arrives `now`.
    pub fn correct(&mut self, media: Media, sent: u64, now: u64) -> i64 {
        let sent = sent as i64;
        let stream = &mut self.streams[match media {
            Media::Video => 0,
            Media::Audio => 1,
        }];
        let Some((old, corrected, arrived)) = stream.before else {
            stream.before = Some((sent, sent, now));
            stream.pace = (sent, 0);
            return 0;
        };
        let passed = now.saturating_sub(arrived) as i64;
        let step = sent - old;
        if step < -JUMP || step > passed + JUMP {
            // On from where it was, by the time that went by.
            let own = corrected + passed.max(1) - sent;
            stream.added = match self.last {
                Some(other) if (own - other).abs() < SAME => other,
                _ => own,
            };
            self.last = Some(stream.added);
            self.corrections += 1;
            stream.pace = (sent, 0);
            stream.still = false;
        }
        stream.pace.1 += (passed as u64).min(PAUSE);
        if stream.pace.1 > STILL {
            let (from, lasted) = stream.pace;
            let still = (sent - from).saturating_mul(10) < lasted as i64;
            if stream.still && !still {
                // It moves again: from where arrival has led it.
                stream.added = corrected + passed - sent;
            }
            stream.still = still;
            stream.pace = (sent, 0);
            self.corrections += u64::from(still);
        }
        if stream.still {
            stream.added = corrected + passed - sent;
        }
        stream.before = Some((sent, sent + stream.added, now));
        stream.added
    }

    /// A session begins: nothing is known of its timestamps.
    pub fn restart(&mut self) {
        *self = Self {
            corrections: self.corrections,
            ..Self::default()
        };
    }

    /// How often something had to be put right.
    pub fn corrections(&self) -> u64 {
        self.corrections
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    /// Sends 30 pictures and 50 blocks of sound a second for so many seconds; `stamp` makes their
    /// timestamps of the true time, in milliseconds. The largest errors afterwards.
    fn worst(seconds: u64, stamp: impl Fn(Media, u64) -> u64) -> (i64, u64) {
        let mut stamps = Stamps::default();
        let (mut worst, mut first) = (0, None);
        for ms in 0..seconds * 1000 {
            for (media, period) in [(Media::Video, 33), (Media::Audio, 20)] {
                if ms % period == 0 {
                    let sent = stamp(media, ms) * MS;
                    let now = (5000 + ms + ms % 7) * MS;
                    let line = sent as i64 + stamps.correct(media, sent, now);
                    let error = line - (ms * MS) as i64;
                    worst = worst.max((error - *first.get_or_insert(error)).abs());
                }
            }
        }
        (worst / MS as i64, stamps.corrections())
    }

    #[test]
    fn good_timestamps_are_left_alone() {
        assert_eq!(worst(20, |_, ms| ms), (0, 0));
        assert_eq!(worst(20, |_, ms| ms + 36_000_000), (0, 0));
    }

    #[test]
    fn a_pause_of_the_network_is_no_jump() {
        let mut stamps = Stamps::default();
        for i in 0..100u64 {
            assert_eq!(stamps.correct(Media::Video, i * 33 * MS, i * 33 * MS), 0);
        }
        // Nothing for three seconds, then all that was held up at once.
        for i in 100..190u64 {
            let now = 6300 * MS + i * MS / 10;
            assert_eq!(stamps.correct(Media::Video, i * 33 * MS, now), 0, "{i}");
        }
        // And a sender that was silent, and says so by its timestamps.
        assert_eq!(stamps.correct(Media::Video, 20_000 * MS, 20_100 * MS), 0);
    }

    #[test]
    fn jumps_are_bridged_and_picture_and_sound_stay_in_step() {
        let jump = |to: fn(u64) -> u64| worst(20, move |_, ms| if ms < 7000 { ms } else { to(ms) });
        for to in [
            |ms: u64| ms + 3_600_000,
            |ms: u64| ms - 6900,
            |ms: u64| ms + 2500,
        ] {
            let (error, corrections) = jump(to);
            assert!(error <= 12, "{error} ms");
            assert_eq!(corrections, 2);
        }
        let (error, _) = worst(20, |media, ms| match media {
            Media::Video if ms > 9000 => ms + 50_000,
            _ => ms,
        });
        assert!(error <= 12, "the picture alone: {error} ms");
    }

    #[test]
    fn what_stands_still_follows_the_time_of_arrival() {
        let (error, corrections) = worst(30, |media, ms| match media {
            Media::Video if (8000..20_000).contains(&ms) => 8000,
            _ => ms,
        });
        // Until it is noticed it is late by that much; afterwards it goes on from there.
        assert!(error <= 2200, "{error} ms");
        assert!(corrections >= 10, "{corrections}");
    }
}

//! Puts a sender's timestamps on the common clock. One timeline for picture and sound of a source,
//! so that they keep their place against each other.
//!
//! The offset between the two clocks is learnt from arrivals. It shall be as small as it can be
//! with pictures on time and sound not too late to be mixed, and it follows the sender's clock. It
//! changes in two ways:
//!
//! - It *glides*, by less than a thousandth of time: nobody sees that in pictures, and sound is
//!   stretched by as much. This takes out the drift of clocks and delay that is no longer needed.
//! - It *steps*, where gliding would take too long for people: in the first seconds, which begin
//!   with a burst; when sound comes too late again and again, or when the way has grown longer.
//!   Sound that came too late has a hole already, and the step falls into it.
//!
//! A single hold-up is no reason for either: what it made late is lost, and the programme goes on
//! without more delay. A jump of the sender's timestamps starts the timeline anew.

use std::collections::VecDeque;

use super::drift::{Drift, MOST};
use super::feed::Media;
use super::margin;

/// Timestamps further apart than this belong to different timelines.
const JUMP: i64 = 1_000_000_000;
/// Sound may arrive this much after its place on the timeline: the mixer waits that long for it, once
/// it knows. (It waits a little longer, by as much as pictures are shown after their time; decoding
/// takes that.)
const SOUND_SLACK: i64 = margin::MOST as i64;
/// The same of a sender without pictures: its sound is what is waited for.
const SOUND_ALONE: i64 = margin::LEAST as i64;
/// Connections start with a burst of what is old already: for so long, whatever comes earlier
/// than expected shows what is so.
const BURST: u64 = BIN;
/// A new timeline steps rather than glides for so long, where that is worth it.
const SETTLE: u64 = 5_000_000_000;
/// Pictures, all of them, that are late by this much are worth a step: people see 15 ms.
const WORTH: i64 = 15_000_000;
/// Delay that is not needed any more glides away, more than this is taken out at once.
const TOO_MUCH: i64 = 80_000_000;
/// Arrivals are judged in stretches of this length, the last so many of them.
const BIN: u64 = 500_000_000;
const BINS: usize = 40;
/// While a timeline settles, only the last ones; pictures are late if those in so many are.
const SETTLING: usize = 4;
const RECENT: usize = 2;
/// Hold-ups of sound in so many of them are to be expected again, and a little longer ones.
const OFTEN: usize = 3;
const LITTLE: i64 = 15_000_000;
/// Sound that is late for so long, and never on time, is not held up: its way has grown longer. What
/// has been held up comes all at once.
const LONGER: u64 = 200_000_000;
/// Pictures that are looked at in a bin.
const PICTURES: usize = 60;
/// Frames over which the least lead of decoding is looked for, twice: more than a group of pictures
/// that come out of order.
const LEADS: u32 = 60;
/// A sound track that lags its picture by more than this is not waited for.
const MAX_LAG: i64 = 1_000_000_000;
/// The offset glides to its target in so many seconds...
const PATIENCE: f64 = 10.0;
/// ...unless it is this little too large, in nanoseconds: jitter never ends.
const NEAR: f64 = 5e6;
/// How fast it may glide: a little less than sound may be stretched.
const GLIDE: f64 = 0.9 * MOST;
/// Pictures alone may: one of so many ticks is shown twice, or not at all.
const GLIDE_WITHOUT_SOUND: f64 = 0.02;
/// How fast the glide itself changes, per second: no sudden change of pitch.
const SOFT: f64 = 200e-6;

/// Maps timestamps of one sender to running time. All values in nanoseconds.
#[derive(Debug, Default)]
pub struct Timeline {
    /// None before the first frame.
    offset: Option<f64>,
    /// By how much the offset changes, as a share of time, and when it last did.
    speed: f64,
    glided: u64,
    /// Where it glides to.
    target: f64,
    /// When the timeline began.
    began: u64,
    tracks: [Track; 2],
    bins: VecDeque<Bin>,
    bin: Bin,
    /// Since when sound has been late without exception, and the least of it.
    late: Option<(u64, i64)>,
}

/// What is known of pictures, or of sound.
#[derive(Debug, Default)]
struct Track {
    /// Timestamp of the last frame, and its place.
    last: Option<(u64, i64)>,
    /// Shortest way during the burst.
    shortest: Option<i64>,
    drift: Drift,
    lead: Lead,
}

/// How far decoding runs ahead of showing at least. Where pictures come out of order, that is
/// nothing; where they do not, some senders and parsers count a picture's time for it all the same,
/// and that much delay would be for nothing.
#[derive(Debug, Default)]
struct Lead {
    count: u32,
    least: Option<i64>,
    before: Option<i64>,
}

impl Lead {
    /// The next frame's lead; the answer is the least of the last frames.
    fn note(&mut self, lead: i64) -> i64 {
        if self.count >= LEADS {
            self.before = self.least.take();
            self.count = 0;
        }
        self.count += 1;
        let least = self.least.map_or(lead, |least| least.min(lead));
        self.least = Some(least);
        self.before.map_or(least, |before| before.min(least)).max(0)
    }
}

/// The ways (arrival less timestamp) of what came in half a second.
#[derive(Debug, Default)]
struct Bin {
    start: u64,
    /// At most [`PICTURES`].
    pictures: Vec<i64>,
    /// Way that all but a fifth of the pictures had at most, and the shortest.
    typical: Option<i64>,
    shortest: Option<i64>,
    /// Longest way of the sound: what comes later is not heard.
    sound: Option<i64>,
}

impl Bin {
    fn close(&mut self) {
        self.pictures.sort_unstable();
        let count = self.pictures.len();
        self.typical = self
            .pictures
            .get((count * 4 / 5).min(count.max(1) - 1))
            .copied();
        self.shortest = self.pictures.first().copied();
        self.pictures = Vec::new();
    }
}

impl Timeline {
    /// Places a frame that is to be decoded at `dts`, seen or heard at `pts`, and that arrives `now`:
    /// the answer, added to its timestamps, makes running time of them. Frames of one kind that come
    /// in order stay so.
    pub fn place(&mut self, media: Media, pts: u64, dts: u64, now: u64) -> i64 {
        self.put(media, pts, dts, now, true)
    }

    /// The same for sound that is silence: whether that comes late, nobody hears.
    pub fn place_silence(&mut self, pts: u64, dts: u64, now: u64) -> i64 {
        self.put(Media::Audio, pts, dts, now, false)
    }

    fn put(&mut self, media: Media, pts: u64, dts: u64, now: u64, matters: bool) -> i64 {
        let index = match media {
            Media::Video => 0,
            Media::Audio => 1,
        };
        let lead = self.tracks[index].lead.note(pts as i64 - dts as i64);
        let way = now as i64 - dts as i64 - lead;
        let before = self.tracks[index].last;
        let jumped = before.is_some_and(|(last, _)| (dts as i64 - last as i64).abs() > JUMP);
        let offset = match self.offset {
            Some(offset) if !jumped => {
                self.glide(offset, now);
                self.look(media, way, now, matters)
            }
            _ => {
                self.begin(way, now);
                self.look(media, way, now, matters)
            }
        };
        let track = &mut self.tracks[index];
        let mut place = dts as i64 + offset;
        if let Some((last, lay)) = track.last
            && dts > last
        {
            place = place.max(lay + 1);
        }
        track.last = Some((dts, place));
        place - dts as i64
    }

    /// The sender's clock against ours, as a share: positive where it is slow.
    pub fn drift(&self) -> f64 {
        // Of one clock: what has more to tell counts. Sound comes more evenly.
        let [pictures, sound] = &self.tracks;
        if sound.drift.is_known() {
            sound.drift.rate()
        } else {
            pictures.drift.rate()
        }
    }

    fn begin(&mut self, way: i64, now: u64) {
        *self = Self {
            began: now,
            glided: now,
            bin: Bin {
                start: now,
                ..Bin::default()
            },
            ..Self::default()
        };
        self.step(way);
    }

    fn step(&mut self, offset: i64) {
        if let Some(before) = self.offset {
            let moved = (offset as f64 - before) / 1e6;
            tracing::debug!("a sender's timeline moves by {moved:.1} ms");
        }
        self.offset = Some(offset as f64);
        self.target = offset as f64;
        self.late = None;
    }

    fn current(&self) -> i64 {
        self.offset.unwrap_or_default() as i64
    }

    /// Takes note of an arrival, and steps where that cannot wait; the answer is the offset.
    fn look(&mut self, media: Media, way: i64, now: u64, matters: bool) -> i64 {
        let track = &mut self.tracks[media as usize];
        track.drift.note(now, way);
        let age = now.saturating_sub(self.began);
        if age < BURST {
            track.shortest = Some(track.shortest.map_or(way, |least| least.min(way)));
            let needed = self.needed(self.tracks[0].shortest, self.tracks[1].shortest);
            if let Some(needed) = needed.filter(|needed| *needed < self.current()) {
                // What came before was old.
                self.bin.pictures.clear();
                self.bin.sound = None;
                self.step(needed);
            }
        }
        match media {
            Media::Video if self.bin.pictures.len() < PICTURES => self.bin.pictures.push(way),
            Media::Video => {}
            Media::Audio if !matters => {}
            Media::Audio if way - self.slack() - self.current() > MAX_LAG => self.late = None,
            Media::Audio => {
                self.bin.sound = Some(self.bin.sound.map_or(way, |longest| longest.max(way)));
                if age >= BURST {
                    self.hear(way, now, age < SETTLE);
                }
            }
        }
        if now.saturating_sub(self.bin.start) >= BIN {
            self.bin.close();
            let next = Bin {
                start: now,
                ..Bin::default()
            };
            self.bins.push_back(std::mem::replace(&mut self.bin, next));
            if self.bins.len() > BINS {
                self.bins.pop_front();
            }
            self.judge(now, age);
        }
        self.current()
    }

    /// What the offset must be at least with pictures and sound that take this long.
    fn needed(&self, pictures: Option<i64>, sound: Option<i64>) -> Option<i64> {
        let sound = sound.map(|way| way - self.slack());
        pictures.max(sound)
    }

    /// How long after its place sound may come.
    fn slack(&self) -> i64 {
        match self.tracks[0].last {
            Some(_) => SOUND_SLACK,
            None => SOUND_ALONE,
        }
    }

    /// Sound has arrived: is it late, and to be expected so?
    fn hear(&mut self, way: i64, now: u64, settling: bool) {
        let slack = self.slack();
        let late = way - slack - self.current();
        if late <= 0 {
            self.late = None;
            return;
        }
        if settling && self.bins.len() < OFTEN {
            self.step(way - slack);
            return;
        }
        let (since, least) = self.late.unwrap_or((now, late));
        let least = least.min(late);
        self.late = Some((since, least));
        if now.saturating_sub(since) > LONGER {
            self.bins.clear();
            self.step(self.current() + least);
            return;
        }
        let often = self.long_ways(now).map(|(often, _)| often - slack);
        if let Some(often) = often.filter(|often| *often > self.current() + WORTH / 3) {
            self.step(often);
        }
    }

    /// The ways of sound that are to be expected again, as they would be now: what it took again and
    /// again in recent times, and the longest but for lone hold-ups.
    fn long_ways(&self, now: u64) -> Option<(i64, i64)> {
        let all = self.bins.iter().chain([&self.bin]);
        let mut ways: Vec<i64> = all
            .filter_map(|bin| Some(self.carried(bin.sound?, bin.start, now)))
            .collect();
        ways.sort_unstable_by(|a, b| b.cmp(a));
        let often = ways.get(OFTEN - 1).or(ways.last()).copied()?;
        let longest = ways.into_iter().find(|way| *way <= often + LITTLE)?;
        Some((often, longest))
    }

    /// What a way of an earlier time is now, by the drift.
    fn carried(&self, way: i64, then: u64, now: u64) -> i64 {
        way + (self.drift() * now.saturating_sub(then) as f64) as i64
    }

    /// A bin is over: where should the offset be?
    fn judge(&mut self, now: u64, age: u64) {
        let settling = age < SETTLE;
        let span = if settling { SETTLING } else { BINS };
        let recent = || self.bins.iter().rev().take(span);
        let mut typical: Vec<i64> = recent()
            .filter_map(|bin| Some(self.carried(bin.typical?, bin.start, now)))
            .collect();
        typical.sort_unstable();
        let typical = typical.get(typical.len() / 2).copied();
        let sound = if settling {
            // But for one hold-up.
            let mut ways: Vec<i64> = recent().filter_map(|bin| bin.sound).collect();
            ways.sort_unstable_by(|a, b| b.cmp(a));
            ways.get(1).or(ways.first()).copied()
        } else {
            self.long_ways(now).map(|(_, longest)| longest)
        };
        let Some(needed) = self.needed(typical, sound) else {
            return;
        };
        let offset = self.current();
        // Pictures that have stopped may go on where they were.
        let stopped = typical.is_none() && self.tracks[0].last.is_some();
        let needed = if stopped { needed.max(offset) } else { needed };
        tracing::trace!(
            "pictures need {:?} us, sound {:?} us more than the offset; drift {:.0} ppm",
            typical.map(|way| (way - offset) / 1000),
            sound.map(|way| (way - self.slack() - offset) / 1000),
            self.drift() * 1e6,
        );
        self.target = needed as f64;
        if settling {
            if (needed - offset).abs() > WORTH {
                self.step(needed);
            }
            return;
        }
        let shortest = |bin: &Bin| bin.shortest.map(|way| way - offset);
        let late = (self.bins.iter().rev().take(RECENT))
            .filter_map(shortest)
            .min();
        if let Some(late) = late.filter(|late| *late > WORTH) {
            self.bins.clear();
            self.step(offset + late);
        } else if offset - needed > TOO_MUCH && self.bins.len() == BINS {
            self.step(needed);
        }
    }

    /// Moves the offset on to `now`, towards its target.
    fn glide(&mut self, offset: f64, now: u64) {
        let span = now.saturating_sub(self.glided) as f64;
        self.glided = self.glided.max(now);
        let drift = self.drift();
        let silent = self.bins.len() > RECENT && self.bins.iter().all(|bin| bin.sound.is_none());
        let most = if silent && self.bin.sound.is_none() {
            GLIDE_WITHOUT_SOUND
        } else {
            GLIDE
        };
        let away = self.target - offset;
        let worth = away - away.clamp(-NEAR, 0.0);
        let wanted = (drift + worth / (PATIENCE * 1e9)).clamp(-most, most);
        let seconds = span / 1e9;
        let soft = SOFT * seconds * (most / GLIDE);
        self.speed += (wanted - self.speed).clamp(-soft, soft);
        // The target moves with the sender's clock, and so does all in a pause; the rest of the
        // speed is for what arrives.
        let extra = (self.speed - drift) * span.min(1e9);
        self.offset = Some(offset + drift * span + extra);
        self.target += drift * span;
    }
}

#[cfg(test)]
mod tests;

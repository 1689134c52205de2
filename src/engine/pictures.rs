//! The newest decoded pictures of one source, and which of them a tick shows.
//!
//! A decoder pushes on its streaming thread; the programme's video thread takes one picture a tick.
//! Both hold the lock only to move pictures: GStreamer is never called under it.

mod compare;
mod rhythm;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::grid::Grid;
use super::tap::{Passed, Tap};

pub use compare::same_pixels;
pub use rhythm::{Rhythm, WAIT};

/// More decoded pictures than this are never held: 2 s at 60 a second.
const MAX_PICTURES: usize = 130;
/// Nor more memory than this.
const MAX_BYTES: usize = 512 << 20;

/// Points of a look at a picture that passes, across and down: enough to see hands move.
const POINTS: (usize, usize) = (64, 36);

/// One decoded picture.
#[derive(Debug, Clone)]
pub struct Picture {
    /// Pixels.
    pub buffer: gst::Buffer,
    /// Their layout.
    pub info: gst_video::VideoInfo,
    /// When it was captured, in nanoseconds of running time.
    pub captured: u64,
    /// Tells it from every picture of the process that looks different; never 0.
    pub serial: u64,
}

/// Numbers pictures, so that two can be compared without looking at them.
pub fn next_serial() -> u64 {
    static SERIAL: AtomicU64 = AtomicU64::new(1);
    SERIAL.fetch_add(1, Ordering::Relaxed)
}

/// When a tick shows a picture, in nanoseconds.
#[derive(Debug, Clone, Copy)]
pub struct Pacing {
    /// From capture to the tick that shows it.
    pub latency: u64,
    /// How much earlier or later than due a picture may be shown: wide enough that the jitter of a
    /// source at the programme's own rate neither repeats nor skips.
    pub tolerance: u64,
    /// How long the last picture stays when no other follows.
    pub hold: u64,
    /// From one tick to the next.
    pub step: u64,
}

/// The pictures are just being moved: look again a moment later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Busy;

/// Decoded pictures of one source.
#[derive(Debug, Default)]
pub struct Pictures {
    state: Mutex<State>,
    /// Nanoseconds.
    delay: AtomicU64,
    pushed: AtomicU64,
    followed: AtomicBool,
    leads: AtomicBool,
    /// One has been pushed.
    came: Condvar,
    /// Looks at all pictures, as they are pushed.
    pub tap: Arc<Tap>,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Picture>,
    bytes: usize,
    current: Option<Picture>,
    /// The current picture stays for ever.
    still: bool,
    last_tick: u64,
    /// How long after its capture a picture is due, as of the last tick.
    shift: Option<u64>,
    /// Something has been pushed since the last tick, and the last tick before which that was so.
    pushed: bool,
    pushed_tick: u64,
    rhythm: Rhythm,
}

impl Pictures {
    /// Adds a picture that is there since `now`, in nanoseconds of running time; those that nobody will
    /// see any more are dropped.
    pub fn push(&self, picture: Picture, now: u64) {
        if self.tap.is_open() {
            let (mut grid, captured) = (Grid::new(POINTS.0, POINTS.1), picture.captured);
            if grid.look(&picture) {
                self.tap.offer(Passed::Picture { captured, grid });
            }
        }
        let mut dropped = Vec::new();
        {
            let mut state = self.state.lock();
            if let Some(shift) = state.shift {
                state.rhythm.arrive(picture.captured + shift, now);
            }
            // A sender that starts anew leaves pictures that would come after the new ones.
            while state
                .queue
                .back()
                .is_some_and(|last| last.captured >= picture.captured)
            {
                dropped.extend(state.pop_back());
            }
            state.bytes += picture.info.size();
            state.queue.push_back(picture);
            state.pushed = true;
            if state.queue.len() > MAX_PICTURES || state.bytes > MAX_BYTES {
                state.thin(&mut dropped);
            }
        }
        self.came.notify_one();
        self.pushed.fetch_add(1, Ordering::Relaxed);
    }

    /// Shows this picture until it is replaced: a still.
    pub fn set_still(&self, picture: Picture) {
        let old = {
            let mut state = self.state.lock();
            state.still = true;
            state.current.replace(picture)
        };
        drop(old);
        self.pushed.fetch_add(1, Ordering::Relaxed);
    }

    /// Pictures pushed since the start.
    pub fn pushed(&self) -> u64 {
        self.pushed.load(Ordering::Relaxed)
    }

    /// Whether the programme's ticks have come to lie by this source, and whether they still go by it: it
    /// is alone on air.
    pub fn set_followed(&self, followed: bool, leads: bool) {
        self.followed.store(followed, Ordering::Relaxed);
        self.leads.store(leads, Ordering::Relaxed);
    }

    /// How long after they are due its pictures are shown, in nanoseconds, where the programme's
    /// ticks follow them: others lie anywhere between two ticks.
    pub fn behind(&self) -> Option<f64> {
        if !self.followed.load(Ordering::Relaxed) {
            return None;
        }
        self.rhythm().behind()
    }

    /// How its pictures have met the ticks of late.
    pub fn rhythm(&self) -> Rhythm {
        self.state.lock().rhythm
    }

    /// Shifts the source's pictures.
    pub fn set_delay(&self, nanoseconds: u64) {
        self.delay.store(nanoseconds, Ordering::Relaxed);
    }

    /// Whether the ticks go by this source, and its picture for this one is not there, though the one
    /// before it was.
    #[cfg(test)]
    pub fn is_awaited(&self, tick: u64, pacing: Pacing) -> bool {
        self.leads.load(Ordering::Relaxed) && self.state.lock().awaits(tick, pacing)
    }

    /// Waits for the picture of this tick as long as it is awaited, but no longer than `most`: a moment,
    /// which costs this tick alone, where one that is left out would be seen.
    pub fn wait_for(&self, tick: u64, pacing: Pacing, most: Duration) {
        if !self.leads.load(Ordering::Relaxed) {
            return;
        }
        let until = Instant::now() + most;
        let mut state = self.state.lock();
        while state.awaits(tick, pacing) && !self.came.wait_until(&mut state, until).timed_out() {}
    }

    /// The picture that the tick at running time `tick` shows; `None`: the slate. Asked again for
    /// the same tick, the answer is the same.
    pub fn at(&self, tick: u64, pacing: Pacing) -> Option<Picture> {
        let shift = pacing.latency + self.delay.load(Ordering::Relaxed);
        let mut dropped = Vec::new();
        let mut state = self.state.lock();
        if state.still {
            return state.current.clone();
        }
        if state.last_tick != tick {
            let before = std::mem::replace(&mut state.last_tick, tick);
            state.shift = Some(shift);
            if std::mem::take(&mut state.pushed) {
                state.pushed_tick = tick;
            }
            let due = |picture: &Picture| picture.captured + shift;
            // Skip what a later picture has overtaken. Where ticks lie as its pictures want them, that is
            // soon: one that was late would make all that follow wait for the next tick.
            let settled =
                self.leads.load(Ordering::Relaxed) && state.rhythm.is_in_time(pacing.step);
            let latest = match settled {
                true => tick + pacing.tolerance / 2,
                false => tick.saturating_sub(pacing.tolerance),
            };
            while state.queue.len() > 1 && due(&state.queue[1]) <= latest {
                dropped.extend(state.pop_front());
            }
            if state
                .queue
                .front()
                .is_some_and(|next| due(next) <= tick + pacing.tolerance)
            {
                let next = state.pop_front();
                if let Some(next) = &next {
                    let in_time = due(next) > before + pacing.tolerance;
                    (state.rhythm).note(next.captured, shift, tick, in_time, pacing.step);
                }
                dropped.extend(std::mem::replace(&mut state.current, next));
            }
        }
        // Held from when it was due, or from when the last one came, whatever is later: a picture
        // that is late is no loss.
        let held = state
            .current
            .as_ref()
            .map(|p| (p.captured + shift).max(state.pushed_tick));
        if held.is_some_and(|since| since + pacing.hold < tick) {
            dropped.extend(state.current.take());
        }
        let answer = state.current.clone();
        drop(state);
        drop(dropped);
        answer
    }

    /// The picture that the last tick showed; [`Busy`] while somebody else is at them. Moves nothing
    /// on, and never waits nor lets anybody wait long: whoever looks may be of little urgency.
    pub fn current(&self) -> Result<Option<Picture>, Busy> {
        let state = self.state.try_lock().ok_or(Busy)?;
        Ok(state.current.clone())
    }
}

impl State {
    fn awaits(&self, tick: u64, pacing: Pacing) -> bool {
        let Some(shift) = self.shift.filter(|_| !self.still) else {
            return false;
        };
        let is_due = |picture: &Picture| picture.captured + shift <= tick + pacing.tolerance;
        self.rhythm.expects_one(self.last_tick) && !self.queue.front().is_some_and(is_due)
    }

    /// Drops every second picture that waits: too many for the memory they may have.
    fn thin(&mut self, dropped: &mut Vec<Picture>) {
        let all = std::mem::take(&mut self.queue);
        for (n, picture) in all.into_iter().enumerate() {
            if n % 2 == 0 {
                self.queue.push_back(picture);
            } else {
                self.bytes -= picture.info.size();
                dropped.push(picture);
            }
        }
    }

    fn pop_front(&mut self) -> Option<Picture> {
        let picture = self.queue.pop_front()?;
        self.bytes -= picture.info.size();
        Some(picture)
    }

    fn pop_back(&mut self) -> Option<Picture> {
        let picture = self.queue.pop_back()?;
        self.bytes -= picture.info.size();
        Some(picture)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;
    const PACING: Pacing = Pacing {
        latency: 15 * MS,
        tolerance: 8 * MS,
        hold: 700 * MS,
        step: 1_000_000_000 / 30,
    };

    fn picture(captured_ms: u64) -> Picture {
        gst::init().unwrap();
        Picture {
            buffer: gst::Buffer::new(),
            info: gst_video::VideoInfo::builder(gst_video::VideoFormat::I420, 16, 16)
                .build()
                .unwrap(),
            captured: captured_ms * MS,
            serial: next_serial(),
        }
    }

    /// The capture times shown by `ticks` ticks at 30 a second, where `arrived(tick)` lists what
    /// comes in before each.
    fn shown(ticks: u64, mut arrived: impl FnMut(u64) -> Vec<u64>) -> Vec<Option<u64>> {
        let pictures = Pictures::default();
        (0..ticks)
            .map(|n| {
                let tick = 1000 + n * 1000 / 30;
                for captured in arrived(tick) {
                    pictures.push(picture(captured), 0);
                }
                pictures.at(tick * MS, PACING).map(|p| p.captured / MS)
            })
            .collect()
    }

    #[test]
    fn the_same_rate_with_jitter_shows_every_picture_once() {
        for phase in 0..33 {
            let mut n = 0;
            let all = shown(200, |tick| {
                let mut out = Vec::new();
                while 980 + phase + n * 1000 / 30 + (n * 5) % 7 <= tick {
                    out.push(980 + phase + n * 1000 / 30 + (n * 5) % 7);
                    n += 1;
                }
                out
            });
            let seen: Vec<u64> = all.iter().skip(6).flatten().copied().collect();
            let steps: Vec<u64> = seen.windows(2).map(|w| w[1] - w[0]).collect();
            assert!(
                steps.iter().all(|s| (26..=41).contains(s)),
                "phase {phase}: {steps:?}"
            );
        }
    }

    #[test]
    fn a_faster_source_is_thinned_and_a_slower_one_repeated() {
        let mut n = 0;
        let fast = shown(90, |tick| {
            let mut out = Vec::new();
            while 980 + n * 1000 / 60 <= tick {
                out.push(980 + n * 1000 / 60);
                n += 1;
            }
            out
        });
        let fast: Vec<u64> = fast.into_iter().flatten().collect();
        assert!(
            fast.windows(2)
                .skip(2)
                .all(|w| (32..=35).contains(&(w[1] - w[0]))),
            "{fast:?}"
        );
        let mut n = 0;
        let slow = shown(90, |tick| {
            let mut out = Vec::new();
            while 980 + n * 100 <= tick {
                out.push(980 + n * 100);
                n += 1;
            }
            out
        });
        assert_eq!(
            slow.iter().flatten().count(),
            90 - slow.iter().filter(|s| s.is_none()).count()
        );
        let distinct: std::collections::BTreeSet<_> = slow.iter().flatten().collect();
        assert_eq!(distinct.len(), 30);
    }

    #[test]
    fn a_lost_source_holds_for_a_moment_then_gives_way() {
        let all = shown(40, |tick| if tick == 1000 { vec![990] } else { Vec::new() });
        let held = all.iter().flatten().count();
        assert!((20..=22).contains(&held), "{held} ticks of 33 ms");
        assert!(all.last().unwrap().is_none());
    }

    #[test]
    fn a_still_stays() {
        let pictures = Pictures::default();
        pictures.set_still(picture(0));
        assert!(pictures.at(3_600_000 * MS, PACING).is_some());
    }

    #[test]
    fn looking_moves_nothing_on() {
        let pictures = Pictures::default();
        pictures.push(picture(1000), 0);
        let current = || pictures.current().unwrap();
        assert!(current().is_none(), "no tick has shown it");
        pictures.at(1016 * MS, PACING);
        pictures.push(picture(1033), 0);
        for _ in 0..3 {
            assert_eq!(current().unwrap().captured, 1000 * MS);
        }
        assert_eq!(pictures.at(1049 * MS, PACING).unwrap().captured, 1033 * MS);
        assert!(pictures.at(9000 * MS, PACING).is_none());
        assert!(current().is_none(), "lost");
    }

    #[test]
    fn looking_does_not_wait() {
        let pictures = Pictures::default();
        pictures.set_still(picture(0));
        let held = pictures.state.lock();
        assert_eq!(pictures.current().unwrap_err(), Busy);
        drop(held);
        assert!(pictures.current().unwrap().is_some());
    }

    #[test]
    fn a_delay_holds_pictures_back() {
        let pictures = Pictures::default();
        pictures.set_delay(100 * MS);
        pictures.push(picture(1000), 0);
        assert!(pictures.at(1100 * MS, PACING).is_none());
        assert_eq!(pictures.at(1116 * MS, PACING).unwrap().captured, 1000 * MS);
    }

    #[test]
    fn memory_is_bounded_when_nobody_looks() {
        let pictures = Pictures::default();
        for i in 0..1000 {
            pictures.push(picture(i * 33), 0);
        }
        assert!(pictures.state.lock().queue.len() <= MAX_PICTURES);
    }

    #[test]
    fn late_pictures_are_shown_all_the_same() {
        let all = shown(60, |tick| vec![tick - 990]);
        assert!(all.iter().all(Option::is_some), "{all:?}");
    }

    #[test]
    fn a_full_queue_keeps_what_is_due_next() {
        let pictures = Pictures::default();
        pictures.set_delay(60_000 * MS);
        for i in 0..1000 {
            pictures.push(picture(i * 33), 0);
        }
        assert_eq!(pictures.at(60_015 * MS, PACING).unwrap().captured, 0);
    }

    #[test]
    fn a_sender_that_starts_anew_is_shown_at_once() {
        let pictures = Pictures::default();
        pictures.push(picture(60_000), 0);
        pictures.push(picture(1000), 0);
        assert_eq!(pictures.at(1016 * MS, PACING).unwrap().captured, 1000 * MS);
    }
}

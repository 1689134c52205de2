//! Between a connection's streaming thread, which brings decoded pictures, and GTK's thread, which
//! shows them: keeps each picture until its turn, and makes it what GTK draws. The thread `screen` waits
//! and converts; neither of the other two ever waits for it, nor for each other.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use gst_video::VideoInfo;
use parking_lot::{Condvar, Mutex};

use crate::engine::timebase::Timebase;

use super::develop::{Developer, Frame};
use super::pace::Pace;

/// Pictures that may wait for their turn: as many as come in the longest wait at 60 a second would
/// be 15, and their memory is the decoder's.
const ROOM: usize = 16;
/// A window that is never drawn, behind a screen that is switched off, says nothing: its pictures go
/// on, a few a second.
const UNSEEN: i64 = 150_000_000;

/// What has become of a connection's pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Decoded.
    pub arrived: u64,
    /// Missed their turn, where that can be seen.
    pub late: u64,
    /// Never shown: the next one was due already.
    pub skipped: u64,
    /// How long pictures are held back, in nanoseconds: in the mean of the last few.
    pub held: i64,
    /// From a picture's stamp to its turn.
    pub offset: Option<i64>,
}

struct Waiting {
    buffer: gst::Buffer,
    info: VideoInfo,
    due: i64,
    entered: i64,
}

/// A picture whose turn it is, of which connection, and at which size it is wanted.
type Due = (Waiting, u64, Option<(u32, u32)>);

struct Inside {
    /// Which connection may bring pictures.
    run: u64,
    pace: Pace,
    waiting: VecDeque<Waiting>,
    counts: Counts,
    /// Until when, at the latest, GTK is busy with the picture that it was given last: what it could
    /// not draw is not made. `None`: it waits for the next one.
    busy: Option<i64>,
    /// At which size pictures are wanted; `None`: at their own.
    size: Option<(u32, u32)>,
    ended: bool,
}

struct Shared {
    inside: Mutex<Inside>,
    bell: Condvar,
    /// The newest picture that GTK has not taken yet.
    fresh: Mutex<Option<Frame>>,
    wake: async_channel::Sender<()>,
    timebase: Timebase,
}

/// The gate. Dropped, its thread ends.
pub struct Gate {
    shared: Arc<Shared>,
}

/// A connection's way through the gate.
#[derive(Clone)]
pub struct Entrance {
    run: u64,
    shared: Arc<Shared>,
}

impl Gate {
    /// Starts the thread; the receiver is told when there is a picture to show.
    pub fn start() -> std::io::Result<(Self, async_channel::Receiver<()>)> {
        // One word is enough: whoever wakes up takes the newest.
        let (wake, woken) = async_channel::bounded(1);
        let shared = Arc::new(Shared {
            inside: Mutex::new(Inside {
                run: 0,
                pace: Pace::new(0),
                waiting: VecDeque::with_capacity(ROOM),
                counts: Counts::default(),
                busy: None,
                size: None,
                ended: false,
            }),
            bell: Condvar::new(),
            fresh: Mutex::new(None),
            wake,
            timebase: Timebase::start(),
        });
        let own = shared.clone();
        std::thread::Builder::new()
            .name("screen".into())
            .spawn(move || own.run())?;
        Ok((Self { shared }, woken))
    }

    /// The clock that all connections run on.
    pub fn timebase(&self) -> &Timebase {
        &self.shared.timebase
    }

    /// Opens the gate to this connection alone; its pictures are held back for `floor` nanoseconds at
    /// least.
    pub fn admit(&self, run: u64, floor: i64) -> Entrance {
        {
            let mut inside = self.shared.inside.lock();
            inside.run = run;
            inside.pace = Pace::new(floor);
            inside.waiting.clear();
            inside.busy = None;
            inside.counts = Counts::default();
        }
        Entrance {
            run,
            shared: self.shared.clone(),
        }
    }

    /// Has pictures made this large, or lets them be.
    pub fn set_size(&self, size: Option<(u32, u32)>) {
        self.shared.inside.lock().size = size;
    }

    /// The newest picture, once.
    pub fn fetch(&self) -> Option<Frame> {
        self.shared.fresh.lock().take()
    }

    /// What was fetched has been drawn.
    pub fn drawn(&self) {
        self.shared.inside.lock().busy = None;
        self.shared.bell.notify_one();
    }

    /// What has become of the pictures of the connection of now.
    pub fn counts(&self) -> Counts {
        self.shared.inside.lock().counts
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.shared.inside.lock().ended = true;
        self.shared.bell.notify_all();
    }
}

impl Entrance {
    /// Now, on the gate's clock.
    pub fn now(&self) -> i64 {
        self.shared.now()
    }

    /// A decoded picture with this stamp, whose last byte came from the network at `entered`. Called
    /// on a streaming thread: it only puts down.
    pub fn arrive(&self, buffer: gst::Buffer, info: VideoInfo, stamp: i64, entered: i64) {
        let now = self.shared.now();
        {
            let mut inside = self.shared.inside.lock();
            if inside.run != self.run {
                return;
            }
            let turn = inside.pace.arrive(stamp, now);
            inside.counts.arrived += 1;
            inside.counts.late += u64::from(turn.late.is_some());
            let held = (turn.due - now).max(0);
            inside.counts.held += (held - inside.counts.held) / 8;
            inside.counts.offset = inside.pace.offset();
            if inside.waiting.len() >= ROOM {
                inside.waiting.pop_front();
                inside.counts.skipped += 1;
            }
            inside.waiting.push_back(Waiting {
                buffer,
                info,
                due: turn.due,
                entered,
            });
        }
        self.shared.bell.notify_one();
    }
}

impl Shared {
    fn now(&self) -> i64 {
        i64::try_from(self.timebase.now().nseconds()).unwrap_or(i64::MAX)
    }

    fn run(&self) {
        let mut developer = Developer::default();
        while let Some((waiting, run, size)) = self.next() {
            let Some(frame) = developer.develop(&waiting.buffer, &waiting.info, size) else {
                self.inside.lock().busy = None;
                continue;
            };
            let frame = Frame {
                run,
                entered: waiting.entered,
                ..frame
            };
            // What GTK was too slow to take is never seen.
            if self
                .fresh
                .lock()
                .replace(frame)
                .is_some_and(|old| old.run == run)
            {
                self.inside.lock().counts.skipped += 1;
            }
            // Full: it has been told already.
            let _ = self.wake.try_send(());
        }
    }

    /// Waits for the next picture's turn; of several that are due the newest. `None`: the end.
    fn next(&self) -> Option<Due> {
        let mut inside = self.inside.lock();
        loop {
            if inside.ended {
                return None;
            }
            let now = self.now();
            let free = inside.busy.map_or(now, |until| until.max(now));
            match inside.waiting.front().map(|first| first.due.max(free)) {
                None => self.bell.wait(&mut inside),
                Some(due) if due > now => {
                    let wait = Duration::from_nanos(due.abs_diff(now));
                    // Woken up early, it looks again.
                    let _ = self.bell.wait_for(&mut inside, wait);
                }
                Some(_) => {
                    while inside.waiting.get(1).is_some_and(|next| next.due <= now) {
                        inside.waiting.pop_front();
                        inside.counts.skipped += 1;
                    }
                    let first = inside.waiting.pop_front();
                    let (run, size) = (inside.run, inside.size);
                    if let Some(first) = first {
                        inside.busy = Some(now + UNSEEN);
                        return Some((first, run, size));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use gst_video::VideoFormat;
    use std::time::Instant;

    fn picture() -> (gst::Buffer, VideoInfo) {
        let info = VideoInfo::builder(VideoFormat::I420, 64, 32)
            .build()
            .unwrap();
        (gst::Buffer::from_slice(vec![128; info.size()]), info)
    }

    fn wait_for_frame(gate: &Gate) -> Frame {
        let begun = Instant::now();
        loop {
            if let Some(frame) = gate.fetch() {
                return frame;
            }
            assert!(begun.elapsed() < Duration::from_secs(5), "no frame");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn a_picture_passes_in_its_own_size_or_the_wanted_one() {
        gst::init().unwrap();
        let (gate, woken) = Gate::start().unwrap();
        let entrance = gate.admit(1, 0);
        let (buffer, info) = picture();
        entrance.arrive(buffer.clone(), info.clone(), 0, 0);
        let frame = wait_for_frame(&gate);
        assert_eq!((frame.width, frame.height, frame.run), (64, 32, 1));
        woken.recv_blocking().unwrap();
        gate.drawn();
        gate.set_size(Some((32, 16)));
        entrance.arrive(buffer, info, 33_000_000, 0);
        let frame = wait_for_frame(&gate);
        assert_eq!((frame.width, frame.height), (32, 16));
        assert_eq!(gate.counts().arrived, 2);
    }

    #[test]
    fn what_gtk_is_too_slow_for_is_not_made() {
        gst::init().unwrap();
        let (gate, _woken) = Gate::start().unwrap();
        let entrance = gate.admit(1, 0);
        let (buffer, info) = picture();
        entrance.arrive(buffer.clone(), info.clone(), 0, 1);
        assert_eq!(wait_for_frame(&gate).entered, 1);
        // It draws that one; meanwhile three come.
        for n in 2..5 {
            entrance.arrive(buffer.clone(), info.clone(), n * 1_000_000, n);
        }
        assert!(gate.fetch().is_none());
        gate.drawn();
        assert_eq!(wait_for_frame(&gate).entered, 4);
        assert_eq!(gate.counts().skipped, 2);
        // A window that is never drawn gets a picture now and then.
        entrance.arrive(buffer, info, 5_000_000, 5);
        assert_eq!(wait_for_frame(&gate).entered, 5);
    }

    #[test]
    fn pictures_of_an_earlier_connection_stay_outside() {
        gst::init().unwrap();
        let (gate, _woken) = Gate::start().unwrap();
        let old = gate.admit(1, 0);
        let new = gate.admit(2, 0);
        let (buffer, info) = picture();
        old.arrive(buffer.clone(), info.clone(), 0, 0);
        assert_eq!(gate.counts().arrived, 0);
        new.arrive(buffer, info, 0, 0);
        assert_eq!(wait_for_frame(&gate).run, 2);
    }

    #[test]
    fn pictures_that_are_held_back_wait_for_their_turn() {
        gst::init().unwrap();
        let (gate, _woken) = Gate::start().unwrap();
        let entrance = gate.admit(1, 120_000_000);
        let (buffer, info) = picture();
        let put = Instant::now();
        entrance.arrive(buffer, info, 0, 0);
        wait_for_frame(&gate);
        assert!(put.elapsed() >= Duration::from_millis(119));
        assert!(gate.counts().offset.is_some());
    }
}

//! The `monitors` thread: takes orders, paints each view at its own rate, writes what has changed.
//! Views that nobody looks at, because their panel hangs or is stopped, are not painted.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use crate::engine::canvas::{Easel, Painted};
use crate::engine::encoder::frame_info;
use crate::engine::meter::Board;
use crate::engine::note::Cut;
use crate::engine::pictures::{Picture, Pictures};
use crate::engine::programme::{Scene, SceneSlot};
use crate::engine::window::Window;
use crate::model::{Colour, Fit, PixelRect, ViewRequest};
use crate::monitor::Levels;
use crate::monitor::memory::{Looks, OwnMemory};
use crate::venue::FrameSize;

use super::Order;

/// How much the thread stands back behind those that are on air.
const NICENESS: i32 = 5;
/// Levels are written this often.
const LEVELS: Duration = Duration::from_millis(50);
/// What cannot be seen at the moment is looked at again after this.
const SOON: Duration = Duration::from_millis(5);
/// Views that nobody has looked at for so long are not painted until somebody does.
const UNSEEN: Duration = Duration::from_secs(2);
/// Views that may cost hardly anything are painted this often.
const SPARED: Duration = Duration::from_secs(1);
const BLACK: Colour = Colour {
    red: 0,
    green: 0,
    blue: 0,
};

/// What a view shows.
#[derive(Clone)]
pub(super) enum Subject {
    /// The frames that go to the encoder.
    Programme,
    /// The scene that a take would show.
    Preview,
    /// The current picture of a source.
    Source(Arc<Pictures>),
}

/// One view.
pub(super) struct Job {
    subject: Subject,
    size: FrameSize,
    easel: Easel,
    period: Duration,
    due: Instant,
    /// Serial of the frame that is in the memory.
    written: u64,
}

impl Job {
    /// A view to be painted at once.
    pub(super) fn new(subject: Subject, view: &ViewRequest) -> Self {
        let size = FrameSize {
            width: view.width,
            height: view.height,
        };
        let easel = Easel::new(&frame_info(size, gst::Fraction::new(0, 1)));
        let easel = match subject {
            Subject::Source(_) => easel.coarse(),
            Subject::Programme | Subject::Preview => easel,
        };
        Self {
            subject,
            size,
            easel,
            period: Duration::from_secs(1) / view.rate.max(1),
            due: Instant::now(),
            written: 0,
        }
    }
}

/// The views of one connection. Dropped before its reader has left, it cuts that connection: a panel
/// must not take pictures that stand still for what is so.
pub(super) struct Watch {
    jobs: Vec<Job>,
    memory: OwnMemory,
    levels_due: Instant,
    /// The reader's looks, their number when last looked at, and when that last changed.
    looks: Looks,
    looked: u64,
    looked_at: Instant,
    /// Whether anybody looks.
    is_seen: bool,
    /// `None`: nobody waits for it any more.
    cut: Option<Arc<Cut>>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(cut) = &self.cut {
            (cut.0)();
        }
    }
}

impl Watch {
    /// Views that appear in `memory`, in its order, for the connection that `cut` cuts.
    pub(super) fn new(jobs: Vec<Job>, memory: OwnMemory, cut: Arc<Cut>) -> Self {
        let now = Instant::now();
        Self {
            jobs,
            looks: memory.looks(),
            memory,
            levels_due: now,
            looked: 0,
            looked_at: now,
            is_seen: true,
            cut: Some(cut),
        }
    }

    /// Its reader has left.
    fn end(mut self) {
        self.cut = None;
    }

    fn next(&self) -> Instant {
        let seen = self.seen_jobs().iter().map(|job| job.due);
        seen.fold(self.levels_due, Instant::min)
    }

    /// The views that are worth painting.
    fn seen_jobs(&self) -> &[Job] {
        if self.is_seen { &self.jobs } else { &[] }
    }

    /// Notices, whenever levels are due, whether anybody looks.
    fn notice(&mut self, now: Instant) {
        if self.levels_due > now {
            return;
        }
        // Memory that cannot be read cannot be written either; that gives the watch up.
        let looked = self.looks.count().unwrap_or(self.looked);
        if looked != self.looked {
            (self.looked, self.looked_at) = (looked, now);
        }
        self.is_seen = now.duration_since(self.looked_at) < UNSEEN;
    }
}

/// The thread's belongings.
pub(super) struct Painter {
    orders: Receiver<Order>,
    watches: Vec<(u64, Watch)>,
    stage: Stage,
    board: Arc<Board>,
    levels: Vec<Levels>,
    /// No view is painted more often than this.
    least: Duration,
}

/// What there is to be seen.
struct Stage {
    /// Of the programme; scenes are laid out for it.
    size: FrameSize,
    window: Arc<Window>,
    preview: Scene,
    painted: Vec<Painted>,
}

impl Painter {
    pub(super) fn new(
        orders: Receiver<Order>,
        size: FrameSize,
        window: Arc<Window>,
        board: Arc<Board>,
        preview: Scene,
        spare: bool,
    ) -> Self {
        Self {
            orders,
            watches: Vec::new(),
            stage: Stage {
                size,
                window,
                preview,
                painted: Vec::new(),
            },
            board,
            levels: Vec::new(),
            least: least_period(spare),
        }
    }

    /// Paints until it is told to stop.
    pub(super) fn run(mut self) {
        // Of this thread alone. Without it monitors are painted all the same.
        if let Err(error) = rustix::process::nice(NICENESS) {
            tracing::debug!("monitors are as urgent as the programme: {error}");
        }
        while let Ok(order) = self.wait() {
            match order {
                Some(Order::Watch(number, watch)) => self.watches.push((number, watch)),
                Some(Order::Leave(number)) => self.leave(number),
                Some(Order::Prepare(scene)) => self.stage.preview = scene,
                Some(Order::Spare(spare)) => self.least = least_period(spare),
                Some(Order::Stop) => break,
                #[cfg(test)]
                Some(Order::Panic) => panic!("asked for"),
                None => {}
            }
            let now = Instant::now();
            for (_, watch) in &mut self.watches {
                watch.notice(now);
            }
            let mut jobs = self.watches.iter().flat_map(|(_, own)| own.seen_jobs());
            let open = jobs.any(|job| matches!(job.subject, Subject::Programme));
            self.stage.window.set_open(open);
            self.paint();
        }
        // Readers hear of the engine's end as everybody does.
        for (_, watch) in self.watches.drain(..) {
            watch.end();
        }
    }

    fn leave(&mut self, number: u64) {
        for (_, watch) in self.watches.extract_if(.., |(own, _)| *own == number) {
            watch.end();
        }
    }

    /// The next order, or nothing when something is due; an error when nobody gives orders any more.
    fn wait(&self) -> Result<Option<Order>, RecvTimeoutError> {
        let Some(due) = self.watches.iter().map(|(_, watch)| watch.next()).min() else {
            let order = self.orders.recv();
            return order.map(Some).map_err(|_| RecvTimeoutError::Disconnected);
        };
        let wait = due.saturating_duration_since(Instant::now());
        match self.orders.recv_timeout(wait) {
            Err(RecvTimeoutError::Timeout) => Ok(None),
            order => order.map(Some),
        }
    }

    fn paint(&mut self) {
        let (stage, board, levels) = (&mut self.stage, &self.board, &mut self.levels);
        let least = self.least;
        self.watches.retain_mut(|(_, watch)| {
            let written = paint_watch(watch, stage, board, levels, least);
            if let Err(error) = &written {
                tracing::warn!("a panel's monitors are given up: {error}");
            }
            written.is_ok()
        });
    }
}

impl Drop for Painter {
    fn drop(&mut self) {
        self.stage.window.set_open(false);
    }
}

/// Whatever of a connection's views is due.
fn paint_watch(
    watch: &mut Watch,
    stage: &mut Stage,
    board: &Board,
    levels: &mut Vec<Levels>,
    least: Duration,
) -> std::io::Result<()> {
    let now = Instant::now();
    if watch.levels_due <= now {
        watch.levels_due = next(watch.levels_due, LEVELS, now);
        board.read(levels);
        watch.memory.write_levels(levels)?;
    }
    for (index, job) in watch.jobs.iter_mut().enumerate() {
        if job.due > now || !watch.is_seen {
            continue;
        }
        job.due = next(job.due, job.period.max(least), now);
        let Some(background) = stage.set(&job.subject, job.size, job.written == 0) else {
            job.due = now + SOON;
            continue;
        };
        let Some(frame) = job.easel.paint(background, &stage.painted) else {
            continue;
        };
        // Frames that wait here would be missing elsewhere.
        stage.painted.clear();
        if job.easel.serial() != job.written
            && let Ok(pixels) = frame.map_readable()
        {
            job.written = job.easel.serial();
            watch.memory.write_picture(index, &pixels)?;
        }
    }
    Ok(())
}

/// The shortest period of a view, where they are spared or not.
fn least_period(spare: bool) -> Duration {
    if spare { SPARED } else { Duration::ZERO }
}

/// The next of an even series of times; what it is too late for is left out.
fn next(due: Instant, period: Duration, now: Instant) -> Instant {
    let next = due + period;
    if next > now { next } else { now + period }
}

impl Stage {
    /// Sets what a view of this size shows, and answers its background; `None`: that is not known
    /// at the moment, and the view keeps what it has.
    fn set(&mut self, subject: &Subject, size: FrameSize, first: bool) -> Option<Colour> {
        self.painted.clear();
        let whole = PixelRect {
            x: 0,
            y: 0,
            width: size.width,
            height: size.height,
        };
        let picture = match subject {
            Subject::Programme => match self.window.newest() {
                // Only just opened again.
                None if !first => return None,
                newest => newest,
            },
            Subject::Source(pictures) => pictures.current().ok()?,
            Subject::Preview => {
                let frame = whole.contain(self.size.width.into(), self.size.height.into());
                let slots = self.preview.slots.iter();
                for slot in slots {
                    self.painted.push(prepared(slot, self.size, frame)?);
                }
                return Some(self.preview.background);
            }
        };
        self.painted.push(Painted {
            rect: whole,
            fit: Fit::Contain,
            crop: None,
            picture,
        });
        Some(BLACK)
    }
}

/// What a slot of the preview shows, where that is known at the moment; `size` is the programme's,
/// `frame` where it lies in the view.
fn prepared(slot: &SceneSlot, size: FrameSize, frame: PixelRect) -> Option<Painted> {
    let live: Option<Picture> = match &slot.pictures {
        Some(source) => source.current().ok()?,
        None => None,
    };
    Some(Painted {
        rect: scaled(slot.rect, size, frame),
        fit: if live.is_some() {
            slot.fit
        } else {
            Fit::Contain
        },
        crop: None,
        picture: live.or_else(|| slot.slate.picture().cloned()),
    })
}

/// A rectangle of the programme, in a smaller picture of it.
fn scaled(rect: PixelRect, size: FrameSize, frame: PixelRect) -> PixelRect {
    // Edges, not widths: slots that touch still touch.
    let edge = |at: u32, from: u32, to: u32| {
        let even = f64::from(at) * f64::from(to) / f64::from(from.max(1)) / 2.0;
        even.round() as u32 * 2
    };
    let (left, top) = (
        edge(rect.x, size.width, frame.width),
        edge(rect.y, size.height, frame.height),
    );
    let (right, bottom) = (
        edge(rect.x + rect.width, size.width, frame.width),
        edge(rect.y + rect.height, size.height, frame.height),
    );
    // A slot that is too small for the view keeps two pixels, within it.
    let (left, top) = (
        left.min(frame.width.saturating_sub(2)),
        top.min(frame.height.saturating_sub(2)),
    );
    PixelRect {
        x: frame.x + left,
        y: frame.y + top,
        width: right.saturating_sub(left).max(2),
        height: bottom.saturating_sub(top).max(2),
    }
}

#[cfg(test)]
mod tests;

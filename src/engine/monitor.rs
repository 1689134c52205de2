//! The operators' monitors: small pictures and levels for panels, written into memory that each
//! panel reads when it likes.
//!
//! One thread, `monitors`, paints for all panels, below the priority of everything that is on air,
//! and sleeps while nobody watches. The engine thread sends it orders. It never waits for a reader,
//! and holds no lock while it paints. Should it fail, every connection that it painted for is cut,
//! so that no panel takes still pictures for live ones, and the next to ask finds it started anew.

mod budget;
mod painter;

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use crate::model::{Refused, SourceId, View, ViewRequest};
use crate::monitor::memory::{Looks, OwnMemory};
use crate::venue::{FrameSize, ProgrammeConfig};

use budget::{Budget, Share};
use painter::{Job, Painter, Subject, Watch};

use super::meter::Board;
use super::note::Cut;
use super::programme::{Programme, Scene};
use super::source::Source;
use super::window::Window;

/// What the engine thread and the connections tell the painter.
enum Order {
    /// Somebody watches, by this number.
    Watch(u64, Watch),
    /// That one no longer does.
    Leave(u64),
    /// The preview has changed.
    Prepare(Scene),
    /// From now on they may cost hardly anything, or as much as ever.
    Spare(bool),
    /// The engine ends.
    Stop,
    /// As a fault of ours would.
    #[cfg(test)]
    Panic,
}

/// All monitors. Dropped, none is painted any more.
pub struct Monitors {
    orders: Sender<Order>,
    budget: Budget,
    room: Room,
    sources: Vec<(SourceId, Subject)>,
    watched: u64,
    thread: Option<JoinHandle<()>>,
}

/// What is painted from, for a thread that has to be started anew.
struct Room {
    size: FrameSize,
    window: Arc<Window>,
    board: Arc<Board>,
    preview: Scene,
    spare: bool,
}

impl Room {
    /// Starts the thread, which sleeps until it is given something to do.
    fn open(&self) -> std::io::Result<(Sender<Order>, JoinHandle<()>)> {
        let (orders, queue) = channel();
        let painter = Painter::new(
            queue,
            self.size,
            self.window.clone(),
            self.board.clone(),
            self.preview.clone(),
            self.spare,
        );
        let thread = std::thread::Builder::new().name("monitors".into());
        Ok((orders, thread.spawn(move || painter.run())?))
    }
}

/// Views that are shown for as long as this lives.
#[derive(Debug)]
pub struct Watching {
    number: u64,
    orders: Sender<Order>,
    looks: Looks,
    share: Share,
}

pub use budget::Claim;

impl Watching {
    /// What it costs, for one who asks for other views instead.
    pub fn claim(&self) -> Claim {
        self.share.claim()
    }

    /// Whether the reader has got the memory.
    pub fn is_fetched(&self) -> bool {
        self.looks.count().is_ok_and(|count| count > 0)
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        // An engine that has ended shows nothing any more.
        let _ = self.orders.send(Order::Leave(self.number));
    }
}

impl std::fmt::Debug for Order {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Order")
    }
}

impl Monitors {
    /// Starts the thread, which sleeps at first. `preview` is what a take would show.
    pub fn start(
        config: &ProgrammeConfig,
        programme: &Programme,
        sources: &[Source],
        preview: Scene,
    ) -> std::io::Result<Self> {
        let room = Room {
            size: config.size,
            window: programme.window.clone(),
            board: programme.board.clone(),
            preview,
            spare: false,
        };
        let subject = |source: &Source| Subject::Source(source.pictures.clone());
        let sources = sources.iter();
        Self::new(
            room,
            sources
                .map(|source| (source.id().clone(), subject(source)))
                .collect(),
        )
    }

    fn new(room: Room, sources: Vec<(SourceId, Subject)>) -> std::io::Result<Self> {
        let (orders, thread) = room.open()?;
        Ok(Self {
            orders,
            budget: Budget::new(room.size),
            room,
            sources,
            watched: 0,
            thread: Some(thread),
        })
    }

    /// From now on, a take would show this.
    pub fn prepare(&mut self, preview: Scene) {
        self.room.preview = preview.clone();
        self.order(Order::Prepare(preview));
    }

    /// From now on, `spare`: each view is painted once a second at most.
    pub fn spare(&mut self, spare: bool) {
        self.room.spare = spare;
        self.order(Order::Spare(spare));
    }

    /// Shows these views: what keeps them going, and the memory that they appear in. `cut` is used
    /// when they can no longer be shown. `instead_of` is what the reader gives back in return.
    pub fn watch(
        &mut self,
        views: &[ViewRequest],
        instead_of: Option<&Claim>,
        cut: Arc<Cut>,
    ) -> Result<(Watching, OwnedFd), Refused> {
        let known: Vec<SourceId> = self.sources.iter().map(|(id, _)| id.clone()).collect();
        ViewRequest::check(views, &known)?;
        let share = self.budget.take(views, instead_of)?;
        let unavailable = |error: std::io::Error| {
            tracing::warn!("there is no memory for a panel's monitors: {error}");
            Refused::new("unavailable", format!("no memory for the views: {error}"))
        };
        self.revive().map_err(|error| {
            tracing::error!("the thread that paints monitors cannot be started: {error}");
            Refused::new("unavailable", format!("no thread for the views: {error}"))
        })?;
        let levels = self.room.board.count() as u32;
        let memory = OwnMemory::create(views, levels).map_err(unavailable)?;
        let descriptor = memory.descriptor().map_err(unavailable)?;
        let looks = memory.looks();
        let jobs = views.iter().filter_map(|view| {
            let subject = match &view.of {
                View::Programme => Subject::Programme,
                View::Preview => Subject::Preview,
                // Every one is known.
                View::Source(id) => self.sources.iter().find(|(own, _)| own == id)?.1.clone(),
            };
            Some(Job::new(subject, view))
        });
        self.watched += 1;
        let watch = Watch::new(jobs.collect(), memory, cut);
        self.order(Order::Watch(self.watched, watch));
        let watching = Watching {
            number: self.watched,
            orders: self.orders.clone(),
            looks,
            share,
        };
        Ok((watching, descriptor))
    }

    /// Starts the thread anew, where it has ended by a panic.
    fn revive(&mut self) -> std::io::Result<()> {
        let ended = |thread: &JoinHandle<()>| thread.is_finished();
        if self.thread.as_ref().is_some_and(|thread| !ended(thread)) {
            return Ok(());
        }
        tracing::error!("the thread that paints monitors broke; it is started anew");
        let (orders, thread) = self.room.open()?;
        self.orders = orders;
        self.thread = Some(thread);
        Ok(())
    }

    fn order(&self, order: Order) {
        // Without its thread it is of no account; the next to watch finds another one.
        let _ = self.orders.send(order);
    }
}

impl Drop for Monitors {
    fn drop(&mut self) {
        self.order(Order::Stop);
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has nothing more to say.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests;

//! A capture card, or a camera that is one: a thread of its own opens it, reads its frames, and goes on
//! trying for ever. The engine thread hears from it by notes, and never waits for it: a driver that
//! hangs costs this one source.
//!
//! Rooms: `device` is the opened device, `offers` what it says that it gives, `choice` what is taken
//! of that, `stream` its frames, `darkroom` makes pictures of them, `reader` is the thread, `reset`
//! what is done about a card that has stopped, `usb` its plug, `cause` the texts, `people` the names
//! in them.

mod cause;
mod choice;
mod darkroom;
mod device;
mod offers;
mod people;
mod reader;
mod reset;
mod stream;
mod usb;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::venue::CaptureConfig;

use super::pictures::Pictures;
use super::timebase::Timebase;

pub use cause::Cause;
pub use reset::{Reset, Stage};

/// What a card's thread has to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CardNote {
    /// Its stream runs: pictures should come.
    Streams {
        /// How they come, for people.
        picture: String,
        /// Where it is plugged in by USB.
        plug: Option<PathBuf>,
    },
    /// No pictures come, for this reason.
    Fails {
        /// For people.
        cause: Cause,
        /// For whoever repairs it.
        detail: String,
    },
}

/// Where notes go. Called on the card's thread.
pub type CardReporter = Box<dyn Fn(CardNote) + Send>;

/// What its thread is asked to do, as soon as it listens.
#[derive(Debug, Default)]
struct Wishes {
    end: AtomicBool,
    restart: AtomicBool,
    reopen: AtomicBool,
}

/// A card at work. Dropped, its thread ends in its own time.
#[derive(Debug)]
pub struct Card {
    wishes: Arc<Wishes>,
}

impl Card {
    /// Begins to look for the card.
    pub fn start(
        config: CaptureConfig,
        pictures: Arc<Pictures>,
        timebase: Timebase,
        reporter: CardReporter,
    ) -> std::io::Result<Self> {
        let wishes = Arc::<Wishes>::default();
        let reader = reader::Reader::new(config, pictures, timebase, reporter, wishes.clone());
        std::thread::Builder::new()
            .name("card".to_owned())
            .spawn(move || reader.run())?;
        Ok(Self { wishes })
    }

    /// Switches its stream off and on.
    pub fn restart(&self) {
        self.wishes.restart.store(true, Ordering::Relaxed);
    }

    /// Closes and opens it.
    pub fn reopen(&self) {
        self.wishes.reopen.store(true, Ordering::Relaxed);
    }
}

impl Drop for Card {
    fn drop(&mut self) {
        self.wishes.end.store(true, Ordering::Relaxed);
    }
}

/// Takes the card at this plug away from its driver and gives it back, on a thread of its own: that
/// may hang as the card does. `done` is told how it went, there.
pub fn replug(plug: PathBuf, done: impl FnOnce(std::io::Result<()>) + Send + 'static) {
    let work = move || done(usb::replug(&plug));
    let spawned = std::thread::Builder::new()
        .name("replug".to_owned())
        .spawn(work);
    if let Err(error) = spawned {
        tracing::warn!("a card cannot be reset: {error}");
    }
}

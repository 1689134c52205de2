//! A tap on what passes: copies go to whoever has opened it. While nobody has, it costs one look at a
//! flag.
//!
//! Streaming threads offer, and never wait: what a slow reader has no room for is left out. The lock is
//! held to hand one value over.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;

use parking_lot::Mutex;

use super::grid::Grid;

/// What passes. Times are capture times, in nanoseconds of running time.
#[derive(Debug)]
pub enum Passed {
    /// A picture of a source, as it was decoded.
    Picture {
        /// When it was captured.
        captured: u64,
        /// What it looks like.
        grid: Grid,
    },
    /// A block of its sound.
    Sound {
        /// When its first sample was captured.
        captured: u64,
        /// The louder of its two channels, sample by sample.
        samples: Vec<f32>,
    },
}

/// Where something passes.
#[derive(Debug, Default)]
pub struct Tap {
    open: AtomicBool,
    reader: Mutex<Option<SyncSender<Passed>>>,
}

/// An opened tap. Dropped, it is shut.
#[derive(Debug)]
pub struct Opened(Arc<Tap>);

impl Tap {
    /// Whether it is worth while to make a copy.
    pub fn is_open(&self) -> bool {
        self.open.load(Ordering::Relaxed)
    }

    /// Hands a copy over.
    pub fn offer(&self, passed: Passed) {
        if let Some(reader) = &*self.reader.lock() {
            // A reader that has gone, or has no room, goes without.
            let _ = reader.try_send(passed);
        }
    }

    /// From now on copies go to `reader`, and to nobody else.
    pub fn open(self: &Arc<Self>, reader: SyncSender<Passed>) -> Opened {
        *self.reader.lock() = Some(reader);
        self.open.store(true, Ordering::Relaxed);
        Opened(self.clone())
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.0.open.store(false, Ordering::Relaxed);
        let reader = self.0.reader.lock().take();
        drop(reader);
    }
}

//! One running pipeline and its owner's link to its messages. Dropping a [`Pipe`] takes everything
//! back: no message arrives afterwards, and the elements go to NULL on a thread of GStreamer's pool,
//! because closing a connection may block and its owner must not.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use gst::prelude::*;

use crate::secret::redact;

/// What a pipeline has to tell its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PipeNote {
    /// It broke; it will not go on by itself.
    Error {
        /// What the element says, keys masked.
        text: String,
        /// Element and debug text, keys masked.
        detail: String,
    },
    /// Its source came to an end.
    Ended,
}

/// Where notes go. Called on streaming threads: it must only hand over.
pub type Reporter = Box<dyn Fn(PipeNote) + Send + Sync>;

/// Pipelines on their way to NULL.
static CLOSING: AtomicUsize = AtomicUsize::new(0);

/// A pipeline with one owner.
#[derive(Debug)]
pub struct Pipe {
    pipeline: gst::Pipeline,
}

impl Pipe {
    /// Takes the pipeline over. It does not run yet.
    pub fn new(pipeline: gst::Pipeline, reporter: Reporter) -> Self {
        if let Some(bus) = pipeline.bus() {
            bus.set_sync_handler(move |_, message| {
                if let Some(note) = note_of(message) {
                    reporter(note);
                }
                gst::BusSyncReply::Drop
            });
        }
        Self { pipeline }
    }

    /// Sets it going. `Err` only where an element refuses at once; its own error message, which
    /// says why, has then been reported.
    pub fn play(&self) -> Result<(), gst::StateChangeError> {
        self.pipeline.set_state(gst::State::Playing).map(|_| ())
    }

    /// The pipeline, for pads and elements.
    pub fn inner(&self) -> &gst::Pipeline {
        &self.pipeline
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        if let Some(bus) = self.pipeline.bus() {
            bus.unset_sync_handler();
            bus.set_flushing(true);
        }
        CLOSING.fetch_add(1, Ordering::SeqCst);
        self.pipeline.call_async(|pipeline| {
            // NULL cannot be refused.
            let _ = pipeline.set_state(gst::State::Null);
            CLOSING.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

/// Waits until every dropped pipeline has closed its files and connections, but never longer than
/// `limit`. For the end of the process only.
pub fn wait_closed(limit: Duration) {
    let deadline = Instant::now() + limit;
    while CLOSING.load(Ordering::SeqCst) > 0 && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn note_of(message: &gst::Message) -> Option<PipeNote> {
    match message.view() {
        gst::MessageView::Error(error) => {
            let source = error.src().map(|src| src.path_string().to_string());
            let debug = error.debug().unwrap_or_default();
            Some(PipeNote::Error {
                text: redact(&error.error().to_string()),
                detail: redact(&format!("{}: {debug}", source.unwrap_or_default())),
            })
        }
        gst::MessageView::Eos(_) => Some(PipeNote::Ended),
        _ => None,
    }
}

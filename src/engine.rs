//! The engine owns all media: sources, programme, outputs, relay, and the show's state. It runs on
//! the thread that calls [`run`]; everybody else sends it notes.

pub mod note;

mod actor;
mod airtime;
mod alarm;
mod blend;
mod brush;
mod calibration;
mod canvas;
mod capture;
#[cfg(test)]
pub(crate) mod chance;
pub(crate) mod damage;
mod deaf;
pub(crate) mod decode;
mod desk;
mod door;
mod drift;
mod encoder;
pub(crate) mod feed;
pub(crate) mod fragment;
mod genlock;
mod grid;
pub(crate) mod inlet;
mod ledger;
mod lettering;
mod margin;
mod memory;
mod meter;
mod mix;
mod monitor;
mod music;
pub(crate) mod netlink;
mod opening;
mod ornament;
mod output;
mod overload;
mod pictures;
pub mod pipeline;
mod programme;
mod pulse;
mod report;
mod resample;
mod samples;
mod scale;
mod slate;
mod source;
mod stage;
mod stamps;
mod supervise;
mod tap;
pub(crate) mod timebase;
mod timeline;
mod transition;
mod urgency;
mod visitors;
mod window;
pub(crate) mod wording;
mod worst;

use std::path::PathBuf;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use crate::control::clear_trouble;
use crate::control::server::{ControlServer, ListenError};
use crate::model::{Phrase, Said, Scope, Severity};
use crate::service;
use crate::service::starts::Mark;
use crate::venue::{Venue, good};

use note::Notes;

/// Longest wait, at the end, for connections to be closed.
const CLOSE: Duration = Duration::from_secs(3);

/// Where the engine keeps what is its own.
#[derive(Debug, Clone)]
pub struct Places {
    /// The control socket.
    pub socket: PathBuf,
    /// The state directory.
    pub state: PathBuf,
}

/// What an engine is told of how it came about.
#[derive(Debug, Default)]
pub struct Surroundings {
    /// Where it notes how far it has come.
    pub life: Option<Sender<Mark>>,
    /// The venue file, to be kept once the programme has run with it.
    pub text: Option<good::Text>,
    /// What is wrong with the venue file, where the engine runs with an earlier one.
    pub spoilt: Option<String>,
}

/// Why the engine does not start. Everything else is a fault while it runs.
#[derive(Debug, thiserror::Error)]
pub enum StartEngineError {
    /// GStreamer is not usable at all.
    #[error("GStreamer cannot be initialised: {0}")]
    GStreamer(#[from] glib::Error),
    /// Not even x264 encodes.
    #[error("no encoder works: {0}")]
    NoEncoder(String),
    /// A fragment that nothing can do without is broken.
    #[error(transparent)]
    Fragment(#[from] fragment::FragmentError),
    /// The control socket cannot be opened.
    #[error(transparent)]
    Socket(#[from] ListenError),
    /// The system refuses a thread.
    #[error("the system refuses: {0}")]
    System(#[from] std::io::Error),
}

/// Runs the engine until SIGTERM or SIGINT.
pub fn run(
    venue: Venue,
    places: Places,
    surroundings: Surroundings,
) -> Result<(), StartEngineError> {
    gst::init()?;
    service::forward_gstreamer_log();
    service::raise_descriptor_limit();
    let (sender, queue) = channel();
    let notes = Notes::new(sender);
    // First, so that a second engine touches nothing.
    let control = ControlServer::start(&places.socket, notes.clone())?;
    clear_trouble(&places.socket);
    service::watch_signals(notes.clone())?;
    let mut actor = actor::Actor::start(venue, places.state, notes)?;
    if let Some(reason) = &surroundings.spoilt {
        actor.raise(
            Scope::Venue,
            "spoilt",
            Severity::Serious,
            spoilt(reason),
            reason,
        );
    }
    actor.surroundings = surroundings;
    actor.run(&queue);
    drop(control);
    pipeline::wait_closed(CLOSE);
    Ok(())
}

/// The venue file cannot be used, and an earlier one is.
fn spoilt(reason: &str) -> Said {
    Said {
        happened: Phrase::new("The venue file cannot be used: {reason}.").with("reason", reason),
        doing: Phrase::new("The show runs with the last venue file that was good."),
        advice: Phrase::new(
            "Mend the file: regie check says all that is wrong with it. Then restart regie, in a pause.",
        ),
    }
}

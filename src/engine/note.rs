//! What reaches the engine thread, from everybody. One queue, in order; the senders only hand over.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::{Sender, SyncSender};

use crate::model::device::Change;
use crate::model::{OutputId, Refused, Reply, Request, SourceId, ViewRequest};

use super::calibration::CalibrationNote;
use super::capture::CardNote;
use super::desk::Trouble;
use super::feed::Media;
use super::pipeline::PipeNote;

pub use super::monitor::{Claim, Watching};

/// One message to the engine thread.
#[derive(Debug)]
pub enum Note {
    /// A client wants something; the reply goes back by the sender.
    Request(Request, Sender<Reply>),
    /// A client wants the snapshot and then every event, as lines; it is told when the snapshot has
    /// been queued.
    Subscribe(Subscriber, Sender<()>),
    /// A client wants to be shown views.
    Monitor(
        Wish,
        /// What keeps them going, and the memory to lend.
        Sender<Result<(Watching, OwnedFd), Refused>>,
    ),
    /// A pipeline of run `.1` of a source.
    Source(SourceId, u64, SourceNote),
    /// Somebody pushes to a source, or no longer does.
    Publisher(SourceId, PublisherNote),
    /// A pipeline of run `.1` of an output.
    Output(OutputId, u64, PipeNote),
    /// An encoder of run `.1`.
    Encoder(Media, u64, PipeNote),
    /// The audio desk's session of run `.0`.
    Desk(u64, DeskNote),
    /// The slate's music of run `.0`.
    Music(u64, MusicNote),
    /// The slate's picture cannot be shown, for this reason.
    SlatePicture(String),
    /// The calibration of run `.0`.
    Calibration(u64, CalibrationNote),
    /// The show as of some earlier moment is on disk, or is not.
    Saved(Result<(), String>),
    /// A capture card or a sound card has come or gone.
    Device(Change),
    /// A door listens, or cannot.
    Door(Protocol, Result<(), String>),
    /// The process is asked to end.
    Shutdown,
}

/// What laptops and players speak to regie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// The relay's, and of laptops.
    Rtsp,
    /// The same by TLS.
    Rtsps,
    /// Of laptops.
    Rtmp,
    /// The same by TLS.
    Rtmps,
    /// Of laptops.
    Srt,
}

impl Protocol {
    /// The scheme of its addresses.
    pub fn scheme(self) -> &'static str {
        match self {
            Self::Rtsp => "rtsp",
            Self::Rtsps => "rtsps",
            Self::Rtmp => "rtmp",
            Self::Rtmps => "rtmps",
            Self::Srt => "srt",
        }
    }

    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rtsp => "RTSP",
            Self::Rtsps => "RTSPS",
            Self::Rtmp => "RTMP",
            Self::Rtmps => "RTMPS",
            Self::Srt => "SRT",
        }
    }

    /// Whether one program speaks both.
    pub fn is_like(self, other: Self) -> bool {
        let plain = |protocol| match protocol {
            Self::Rtmps => Self::Rtmp,
            Self::Rtsps => Self::Rtsp,
            other => other,
        };
        plain(self) == plain(other)
    }
}

/// The views that a client wants to be shown.
#[derive(Debug)]
pub struct Wish {
    /// Which.
    pub views: Vec<ViewRequest>,
    /// What it gives back in return.
    pub instead_of: Option<Claim>,
    /// Cuts its connection, when they can no longer be shown.
    pub cut: Arc<Cut>,
}

/// About one source.
#[derive(Debug)]
pub enum SourceNote {
    /// Its way in.
    Intake(PipeNote),
    /// Its decoder of picture or sound.
    Decoder(Media, PipeNote),
    /// Its capture card.
    Card(CardNote),
}

/// About the audio desk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeskNote {
    /// Its sound arrives, in this format.
    Live(String),
    /// There is none, or no more, for this reason.
    Broke(Trouble, String),
}

/// About the slate's music.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MusicNote {
    /// It plays.
    Plays,
    /// It broke, for this reason.
    Broke(String),
}

/// At the front door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublisherNote {
    /// A publisher has the place; its session's number.
    Arrived(u64),
    /// The publisher of that session has left it.
    Left(u64),
    /// The publisher of that session was sent away: it said nothing.
    Evicted(u64),
    /// The publisher of that session was sent away by the operator.
    Released(u64),
    /// Somebody was turned away, for this reason.
    Refused(String),
    /// Somebody sends, or wants to send, what is not taken here: a codec's name.
    Untaken(String),
}

/// One line to a client, without its end.
#[derive(Debug)]
pub struct Line {
    /// The line.
    pub text: Arc<str>,
    /// Memory that is lent with it.
    pub memory: Option<OwnedFd>,
}

impl From<Arc<str>> for Line {
    fn from(text: Arc<str>) -> Self {
        Self { text, memory: None }
    }
}

/// Where a subscribed client's lines go: bounded, so that a client that does not read is cut off.
#[derive(Debug, Clone)]
pub struct Subscriber {
    /// To the thread that writes.
    pub lines: SyncSender<Line>,
    /// Cuts the connection.
    pub cut: Arc<Cut>,
}

/// Closes a client's connection from any thread.
pub struct Cut(pub Box<dyn Fn() + Send + Sync>);

impl std::fmt::Debug for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cut")
    }
}

impl Subscriber {
    /// Hands a line over; `false`, and the connection cut, where the client has fallen behind.
    pub fn offer(&self, line: &Arc<str>) -> bool {
        let taken = self.lines.try_send(line.clone().into()).is_ok();
        if !taken {
            (self.cut.0)();
        }
        taken
    }
}

/// The way to the engine thread.
#[derive(Debug, Clone)]
pub struct Notes(Sender<Note>);

impl Notes {
    /// The sending end of the engine thread's queue.
    pub fn new(sender: Sender<Note>) -> Self {
        Self(sender)
    }

    /// Hands a note over. After the engine has ended, notes go nowhere.
    pub fn send(&self, note: Note) {
        let _ = self.0.send(note);
    }
}

//! Supervisor of the audio desk: has its device opened, notices when it is gone, broken or hangs, and
//! tries again for ever. Owned by the engine thread; [`Desk::poll`] is its clock. What may block is done
//! by a [`Session`](session::Session) on a thread of its own, which is left behind where it hangs.

mod clock;
mod convert;
mod device;
mod intake;
mod judge;
mod mailbox;
mod pick;
mod session;
mod xruns;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::model::{Phrase, Said};
use crate::venue::DeskConfig;

use super::note::{DeskNote, Notes};
use super::samples::Samples;
use super::timebase::Timebase;

use session::Session;
use xruns::Xruns;

/// A device that has been live for so long is a good one: attempts start quickly again.
const GOOD: Duration = Duration::from_secs(5);
/// Opened for so long without an answer, it is in trouble; whoever opens it cannot be stopped.
const SLOW: Duration = Duration::from_secs(5);
/// A session that has not shown that it is alive for so long hangs.
const HANGS: Duration = Duration::from_secs(3);
/// What a session's thread says as it ends is there after so long.
const FAREWELL: Duration = Duration::from_millis(500);
/// Sessions that hang, at most: beyond that nothing is opened until one of them comes back.
const LEFT: usize = 3;
/// The end of the process waits so long for the device to be closed.
const CLOSE: Duration = Duration::from_millis(300);
/// How often figures are refreshed, for people.
const FIGURES: Duration = Duration::from_secs(1);

/// Time before attempt `n` (from 1 on) is made anew.
fn pause(attempt: u32) -> Duration {
    match attempt {
        0 | 1 => Duration::from_millis(100),
        2 => Duration::from_millis(500),
        _ => Duration::from_secs(1),
    }
}

/// Why there is no sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The device is not there.
    Absent,
    /// Somebody else has it.
    Busy,
    /// We may not.
    Denied,
    /// It does not offer what is asked for.
    Format,
    /// It broke, or gives nothing any more.
    Lost,
    /// It neither opens nor refuses.
    Hangs,
}

impl Trouble {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Absent,
        Self::Busy,
        Self::Denied,
        Self::Format,
        Self::Lost,
        Self::Hangs,
    ];

    /// Its word in a fault.
    pub fn code(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Busy => "busy",
            Self::Denied => "denied",
            Self::Format => "format",
            Self::Lost => "lost",
            Self::Hangs => "hangs",
        }
    }

    fn reason(self) -> Phrase {
        match self {
            Self::Absent => Phrase::new("its device is not there"),
            Self::Busy => Phrase::new("another program uses its device"),
            Self::Denied => Phrase::new("the system does not allow it"),
            Self::Format => Phrase::new("its device does not offer these channels or this rate"),
            Self::Lost => Phrase::new("its sound broke off"),
            Self::Hangs => Phrase::new("its device does not answer"),
        }
    }

    /// What people are told of the desk with this label.
    pub fn said(self, label: &str) -> Said {
        let advice = match self {
            Self::Absent => {
                Phrase::new("Check its cable and its power, or desk.device in the venue file.")
            }
            Self::Busy => Phrase::new(
                "End the other program; where it is a sound server, name the server as desk.device.",
            ),
            Self::Denied => Phrase::new("Put the user that regie runs as into the group audio."),
            Self::Format => Phrase::new("Change desk.channels or desk.rate in the venue file."),
            Self::Lost => Phrase::new("Check its cable and its power."),
            Self::Hangs => Phrase::new(
                "Unplug it and plug it in again; if that does not help, restart the sound server.",
            ),
        };
        Said {
            happened: Phrase::new("{desk} is not heard: {reason}.")
                .with("desk", label)
                .with("reason", self.reason()),
            doing: match self {
                Self::Hangs => Phrase::new("It is waited for; everything else goes on."),
                _ => Phrase::new("It is tried again every second; everything else goes on."),
            },
            advice,
        }
    }
}

/// Life of the desk. Only the engine thread changes it.
#[derive(Debug, Clone, PartialEq)]
pub enum DeskState {
    /// Its device is not there; looked for again at `until`.
    Absent {
        /// When.
        until: Instant,
        /// What exactly was said.
        detail: String,
    },
    /// Being opened; nothing of it is heard yet.
    Opening {
        /// Since when.
        since: Instant,
    },
    /// Its sound arrives.
    Live,
    /// It was live, and broke; opened anew at `until`.
    Lost {
        /// When.
        until: Instant,
        /// What exactly was said.
        detail: String,
    },
    /// It cannot be opened; tried again at `until`.
    Waiting {
        /// When.
        until: Instant,
        /// Why.
        trouble: Trouble,
        /// What exactly was said.
        detail: String,
    },
}

impl DeskState {
    /// As the status shows it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Absent { .. } => "absent",
            Self::Opening { .. } => "opening",
            Self::Live => "live",
            Self::Lost { .. } => "lost",
            Self::Waiting { .. } => "waiting",
        }
    }

    /// What is wrong, where something is.
    fn trouble(&self) -> Option<Trouble> {
        match self {
            Self::Absent { .. } => Some(Trouble::Absent),
            Self::Lost { .. } => Some(Trouble::Lost),
            Self::Waiting { trouble, .. } => Some(*trouble),
            Self::Opening { .. } | Self::Live => None,
        }
    }

    fn detail(&self) -> &str {
        match self {
            Self::Absent { detail, .. }
            | Self::Lost { detail, .. }
            | Self::Waiting { detail, .. } => detail,
            Self::Opening { .. } | Self::Live => "",
        }
    }

    fn until(&self) -> Option<Instant> {
        match self {
            Self::Absent { until, .. } | Self::Lost { until, .. } | Self::Waiting { until, .. } => {
                Some(*until)
            }
            Self::Opening { .. } | Self::Live => None,
        }
    }
}

/// Figures as people see them.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Figures {
    /// How often sound was lost since the engine's start.
    pub xruns: u64,
    /// How much faster its clock runs than ours, in millionths.
    pub drift_ppm: f64,
    /// How long its sound takes to come here.
    pub latency: Duration,
}

/// The desk and everything it owns.
#[derive(Debug)]
pub struct Desk {
    /// What the venue file says.
    pub config: DeskConfig,
    /// Its sound.
    pub samples: Arc<Samples>,
    /// How long after they are due pictures are shown in the mean, in nanoseconds.
    mean_behind: i64,
    timebase: Timebase,
    notes: Notes,
    state: DeskState,
    /// The trouble that people have been told of.
    told: Option<Trouble>,
    /// Tells notes of the session of now from those of earlier ones.
    run: u64,
    session: Option<Session>,
    /// Since when its thread has ended, without having said why.
    ended: Option<Instant>,
    /// Sessions that hang.
    left: Vec<Session>,
    attempt: u32,
    live_since: Option<Instant>,
    connects: u64,
    /// What it gives, for people; empty while it is not live.
    sound: String,
    /// Of sessions that are no more.
    past_xruns: u64,
    xruns: Xruns,
    figures: (Figures, Option<Instant>),
}

impl Desk {
    /// A desk that nobody has opened yet. Its sound lies `mean_behind` nanoseconds later than captured, as
    /// pictures do in the mean.
    pub fn new(config: DeskConfig, timebase: &Timebase, notes: Notes, mean_behind: i64) -> Self {
        let samples = Arc::<Samples>::default();
        samples.set_shift(mean_behind);
        Self {
            config,
            samples,
            mean_behind,
            timebase: timebase.clone(),
            notes,
            state: DeskState::Absent {
                until: Instant::now(),
                detail: String::new(),
            },
            told: None,
            run: 0,
            session: None,
            ended: None,
            left: Vec::new(),
            attempt: 0,
            live_since: None,
            connects: 0,
            sound: String::new(),
            past_xruns: 0,
            xruns: Xruns::default(),
            figures: (Figures::default(), None),
        }
    }

    /// Why it is not live, in words.
    pub fn reason(&self) -> Phrase {
        match (&self.state, self.told) {
            (DeskState::Live, _) => Phrase::default(),
            (DeskState::Opening { .. }, None) => Phrase::new("waiting for its first sound"),
            (DeskState::Opening { .. }, Some(told)) => told.reason(),
            (state, _) => state.trouble().map_or(Phrase::default(), Trouble::reason),
        }
    }

    /// Whether its sound arrives.
    pub fn is_live(&self) -> bool {
        self.state == DeskState::Live
    }

    /// How often it became live.
    pub fn connects(&self) -> u64 {
        self.connects
    }

    /// Its figures, as of the last second.
    pub fn figures(&self) -> Figures {
        self.figures.0
    }

    /// Has its device opened.
    pub fn start(&mut self, now: Instant) {
        self.left.retain(|session| !session.has_ended());
        if self.left.len() >= LEFT {
            self.state = DeskState::Waiting {
                until: now + pause(u32::MAX),
                trouble: Trouble::Hangs,
                detail: format!("{LEFT} sessions with it hang"),
            };
            return;
        }
        self.run += 1;
        let started = Session::start(
            &self.config,
            &self.samples,
            &self.timebase,
            &self.notes,
            self.run,
        );
        match started {
            Ok(session) => {
                self.session = Some(session);
                self.state = DeskState::Opening { since: now };
            }
            Err(error) => self.fail(Trouble::Lost, error.to_string(), now),
        }
    }

    /// The session of run `run` has something to say.
    pub fn on_note(&mut self, run: u64, note: DeskNote, now: Instant) {
        if run != self.run {
            return;
        }
        match note {
            DeskNote::Live(sound) => {
                tracing::info!("{} is live: {sound}", self.config.label);
                self.sound = sound;
                self.connects += 1;
                self.live_since = Some(now);
                self.state = DeskState::Live;
            }
            DeskNote::Broke(trouble, detail) => {
                self.drop_session();
                self.fail(trouble, detail, now);
            }
        }
    }

    /// Looks after it; called some ten times a second.
    pub fn poll(&mut self, now: Instant) {
        if self.state.until().is_some_and(|until| now >= until) {
            self.start(now);
        }
        let ended = self.session.as_ref().is_some_and(Session::has_ended);
        if !ended {
            self.ended = None;
        } else if now.duration_since(*self.ended.get_or_insert(now)) > FAREWELL {
            // Its thread broke down without a word.
            self.run += 1;
            self.drop_session();
            self.fail(Trouble::Lost, "its thread has ended".to_owned(), now);
        }
        let beat = (self.session.as_ref()).map_or(Duration::ZERO, |session| session.gauge.beat());
        let silent = Duration::from_nanos(self.timebase.now().nseconds()).saturating_sub(beat);
        if self.state == DeskState::Live && silent > HANGS {
            // Its thread is busy with a device that does not let go.
            self.run += 1;
            self.leave();
            let detail = format!("its device has not come back for {HANGS:?}");
            self.fail(Trouble::Lost, detail, now);
        }
        if self.figures.1.is_none_or(|next| now >= next) {
            self.figures = (self.measure(), Some(now + FIGURES));
            self.xruns.note(self.figures.0.xruns, now);
        }
    }

    /// The trouble as of now: also that it has not answered for long.
    fn trouble(&self, now: Instant) -> Option<Trouble> {
        match self.state {
            DeskState::Opening { since } if now.duration_since(since) > SLOW => {
                Some(Trouble::Hangs)
            }
            // Until it is heard, whatever was wrong before still is.
            DeskState::Opening { .. } => self.told,
            _ => self.state.trouble(),
        }
    }

    fn measure(&self) -> Figures {
        let past = Figures {
            xruns: self.past_xruns,
            ..Figures::default()
        };
        (self.session.as_ref()).map_or(past, |session| Figures {
            xruns: self.past_xruns + session.gauge.xruns(),
            drift_ppm: (session.gauge.drift_ppm() * 10.0).round() / 10.0,
            latency: session.gauge.way(),
        })
    }

    fn fail(&mut self, trouble: Trouble, detail: String, now: Instant) {
        self.sound.clear();
        let was_live = self.live_since.take();
        if was_live.is_some_and(|since| now.duration_since(since) > GOOD) {
            self.attempt = 0;
        }
        self.attempt = self.attempt.saturating_add(1);
        let until = now + pause(self.attempt);
        self.state = match trouble {
            Trouble::Absent => DeskState::Absent { until, detail },
            Trouble::Lost if was_live.is_some() => DeskState::Lost { until, detail },
            trouble => DeskState::Waiting {
                until,
                trouble,
                detail,
            },
        };
    }

    fn drop_session(&mut self) {
        if let Some(session) = self.session.take() {
            self.past_xruns += session.gauge.xruns();
        }
    }

    /// The session hangs: it is asked to end, and nobody waits for that.
    fn leave(&mut self) {
        if let Some(session) = self.session.take() {
            self.past_xruns += session.gauge.xruns();
            session.end();
            self.left.push(session);
        }
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let Some(session) = self.session.take() else {
            return;
        };
        session.end();
        let deadline = Instant::now() + CLOSE;
        while !session.has_ended() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

//! Supervisor of one RTMP push: a [`Session`] with a pipeline of its own, built anew whenever it
//! fails, for ever. Owned by the engine thread; [`Output::poll`] is its clock.

mod cause;
mod session;
mod trail;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::model::{Phrase, Said};
use crate::secret::redact;
use crate::venue::OutputConfig;

use super::feed::Feed;
use super::fragment::FragmentError;
use super::netlink::tcp::{Mark, Wire};
use super::note::{Note, Notes};
use super::pipeline::PipeNote;
use super::timebase::Timebase;
use super::wording::foreign;

pub use cause::Cause;
use session::Session;

/// A peer that has not let us publish after so long is given up: before the sink does, after 5 s, in
/// words of its own.
const CONNECT: Duration = Duration::from_millis(4500);
/// A peer that takes nothing for so long is given up.
const STALL: Duration = Duration::from_secs(3);
/// A peer that has taken pictures for so long is reached: some take two of them before they refuse.
const REACHED: Duration = Duration::from_millis(1500);
/// A session that lasted so long was a good one: the next failure starts with a quick retry.
const GOOD: Duration = Duration::from_secs(10);
/// A peer that has what it has so much later than usual is cut: its viewers are better served by a
/// new session, which starts with what is on air now.
const BEHIND: Duration = Duration::from_secs(3);
/// Pictures that have left before the peer counts as one that takes them: the sink lets headers pass,
/// and holds the first picture until it may publish.
const PICTURES: u64 = 2;
/// Attempts that a network in motion brings about are at least so far apart.
const HURRY: Duration = Duration::from_millis(400);

/// How far behind a session may be that began `at_start` behind, because frames waited for the
/// connection, and is `age` old: it has to catch up by a second in ten.
fn allowed(at_start: Duration, age: Duration) -> Duration {
    let at_first = at_start + Duration::from_secs(1);
    BEHIND.max(at_first.saturating_sub(age / 10))
}

/// Time between attempt `n` (from 1 on) and the next: at once, then up to 5 s.
fn pause(attempt: u32) -> Duration {
    match attempt {
        0 | 1 => Duration::ZERO,
        2 => Duration::from_millis(500),
        3 => Duration::from_secs(1),
        4 => Duration::from_secs(2),
        _ => Duration::from_secs(4),
    }
}

/// Life of one output. Only the engine thread changes it.
#[derive(Debug, Clone, PartialEq)]
pub enum OutputState {
    /// Not wanted.
    Stopped,
    /// On the way to the server.
    Connecting {
        /// Since when.
        since: Instant,
    },
    /// The server takes what we send.
    Publishing {
        /// Since when.
        since: Instant,
    },
    /// Failed; tried again at `until`.
    Waiting {
        /// When.
        until: Instant,
    },
}

impl OutputState {
    /// As the status shows it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Connecting { .. } => "connecting",
            Self::Publishing { .. } => "publishing",
            Self::Waiting { .. } => "waiting",
        }
    }
}

/// One output and everything it owns.
#[derive(Debug)]
pub struct Output {
    /// What the venue file says.
    pub config: OutputConfig,
    video: Arc<Feed>,
    audio: Arc<Feed>,
    timebase: Timebase,
    notes: Notes,
    /// Among all outputs, in the venue's order.
    number: u32,
    state: OutputState,
    session: Option<Session>,
    /// How far behind the session was when it began to publish.
    at_start: Duration,
    run: u64,
    attempt: u32,
    /// When the last attempt began, and whether a way has opened since.
    tried: Instant,
    opened: bool,
    last_reason: Phrase,
    last_detail: String,
    /// A failure that nobody has been told of.
    failed: Option<Cause>,
    reconnects: u64,
    sent: u64,
    lost: u64,
    /// Frames of the programme that are accounted for as sent or lost.
    accounted: u64,
}

impl Output {
    /// An output that is not wanted yet.
    pub fn new(
        config: OutputConfig,
        number: u32,
        video: &Arc<Feed>,
        audio: &Arc<Feed>,
        timebase: &Timebase,
        notes: Notes,
    ) -> Self {
        Self {
            config,
            video: video.clone(),
            audio: audio.clone(),
            timebase: timebase.clone(),
            notes,
            number,
            state: OutputState::Stopped,
            session: None,
            at_start: Duration::ZERO,
            run: 0,
            attempt: 0,
            tried: Instant::now(),
            opened: false,
            last_reason: Phrase::default(),
            last_detail: String::new(),
            failed: None,
            reconnects: 0,
            sent: 0,
            lost: 0,
            accounted: 0,
        }
    }

    /// What is so.
    pub fn state(&self) -> &OutputState {
        &self.state
    }

    /// Why it is not publishing, or last was not; keys are masked.
    pub fn last_reason(&self) -> &Phrase {
        &self.last_reason
    }

    /// The same as GStreamer says it; empty where regie itself gave up.
    pub fn last_detail(&self) -> &str {
        &self.last_detail
    }

    /// Whether it has failed since the last call, and what to say of that.
    pub fn take_failure(&mut self) -> Option<(Cause, Said)> {
        let cause = self.failed.take()?;
        Some((cause, cause.said(&self.config.label, &self.last_reason)))
    }

    /// Whether it publishes, and its peer does not refuse that any more.
    pub fn is_reached(&self, now: Instant) -> bool {
        self.has_published(REACHED, now)
    }

    /// Whether it publishes, and has for so long that what was wrong before is over.
    pub fn is_steady(&self, now: Instant) -> bool {
        self.has_published(GOOD, now)
    }

    fn has_published(&self, length: Duration, now: Instant) -> bool {
        matches!(self.state, OutputState::Publishing { since } if now.duration_since(since) > length)
    }

    /// How much later than usual the peer has what it has; nothing while it does not publish.
    pub fn behind(&self) -> Duration {
        match (&self.state, &self.session) {
            (OutputState::Publishing { .. }, Some(session)) => session.behind(),
            _ => Duration::ZERO,
        }
    }

    /// Where it pushes to, for people: without key, user and password.
    pub fn destination(&self) -> String {
        let mut shown = self.config.uri.clone();
        // Refused only by URIs without a host.
        let _ = shown.set_username("");
        let _ = shown.set_password(None);
        shown.set_query(None);
        redact(shown.as_str())
    }

    /// How often it was built anew after it had published.
    pub fn reconnects(&self) -> u64 {
        self.reconnects
    }

    /// Frames that left, and frames that this output's viewers never got.
    pub fn frames(&self) -> (u64, u64) {
        match &self.session {
            Some(session) if matches!(self.state, OutputState::Publishing { .. }) => {
                let (entered, left_over) = session.pictures();
                (self.sent + entered - left_over, self.lost + session.lost())
            }
            // On the way: what is made meanwhile waits in the queue.
            Some(session) => {
                let missed = session.began().saturating_sub(self.accounted);
                (self.sent, self.lost + missed + session.lost())
            }
            None if self.state == OutputState::Stopped => (self.sent, self.lost),
            None => {
                let missed = self.video.pushed().saturating_sub(self.accounted);
                (self.sent, self.lost + missed)
            }
        }
    }

    /// Bytes that left in this session.
    pub fn bytes(&self) -> u64 {
        self.session.as_ref().map_or(0, Session::bytes)
    }

    /// Starts or stops it. Stopping is immediate, whatever the peer does: the pipeline is left to
    /// a thread that closes it.
    pub fn want(&mut self, run: bool, now: Instant) {
        let running = self.state != OutputState::Stopped;
        if run == running {
            return;
        }
        if run {
            self.accounted = self.video.pushed();
            self.attempt = 0;
            self.last_reason = Phrase::default();
            self.failed = None;
            self.connect(now);
        } else {
            let (_, lost) = self.frames();
            self.close();
            // What was on its way when it was asked to stop is nobody's loss.
            self.lost = lost;
            self.state = OutputState::Stopped;
        }
    }

    fn connect(&mut self, now: Instant) {
        self.run += 1;
        self.tried = now;
        self.opened = false;
        self.state = OutputState::Connecting { since: now };
        match self.open(now) {
            Ok(session) => self.session = Some(session),
            Err(error) => {
                let said = error.to_string();
                self.fail(Cause::Unreachable, foreign(&said), said, now);
            }
        }
    }

    fn open(&self, now: Instant) -> Result<Session, FragmentError> {
        let (notes, id, run) = (self.notes.clone(), self.config.id.clone(), self.run);
        let report = move |note| notes.send(Note::Output(id.clone(), run, note));
        let feeds = [&self.video, &self.audio];
        let mark = Mark::of(self.number, self.run);
        Session::open(
            &self.config,
            feeds,
            &self.timebase,
            mark,
            Box::new(report),
            now,
        )
    }

    /// A pipeline of run `run` has something to say.
    pub fn on_note(&mut self, run: u64, note: PipeNote, now: Instant) {
        if run != self.run || self.state == OutputState::Stopped {
            return;
        }
        match note {
            PipeNote::Error { text, detail } => {
                tracing::debug!("output {}: {detail}", self.config.id);
                let cause = Cause::of(&text);
                self.fail(cause, foreign(&text), format!("{text} ({detail})"), now);
            }
            PipeNote::Ended => self.give_up(Phrase::new("the stream ended"), now),
        }
    }

    /// The peer did not do what it should have done.
    fn give_up(&mut self, reason: Phrase, now: Instant) {
        self.fail(Cause::Unreachable, reason, String::new(), now);
    }

    fn fail(&mut self, cause: Cause, reason: Phrase, detail: String, now: Instant) {
        if let OutputState::Publishing { since } = self.state {
            self.reconnects += 1;
            if now.duration_since(since) > GOOD {
                self.attempt = 0;
            }
        }
        self.attempt += 1;
        self.close();
        self.last_reason = reason;
        self.last_detail = detail;
        self.failed = Some(cause);
        // Attempts are so far apart, and not the end of one from the beginning of the next.
        self.state = OutputState::Waiting {
            until: (self.tried + pause(self.attempt)).max(now),
        };
    }

    /// Ends the session and settles its account: what entered and did not leave is lost.
    fn close(&mut self) {
        self.run += 1;
        let pushed = self.video.pushed();
        let session = self.session.take();
        if let Some(session) = &session {
            session.abandon_if_late();
        }
        let sent = match session {
            Some(session) if matches!(self.state, OutputState::Publishing { .. }) => {
                let (entered, left_over) = session.pictures();
                entered - left_over
            }
            _ => 0,
        };
        self.sent += sent;
        self.lost += pushed.saturating_sub(self.accounted).saturating_sub(sent);
        self.accounted = pushed;
    }

    /// Whether the kernel may know a connection of its.
    pub fn has_session(&self) -> bool {
        self.session.is_some()
    }

    /// Looks after it; called some ten times a second with the connections that the kernel knows.
    pub fn poll(&mut self, wires: &HashMap<Mark, Wire>, now: Instant) {
        self.try_in_a_hurry(now);
        if let Some(session) = &mut self.session {
            session.look(wires.get(&session.mark()).copied(), now);
        }
        let session = self.session.as_ref();
        let entered = session.map_or(0, |session| session.pictures().0);
        let behind = session.map_or(Duration::ZERO, Session::behind);
        let silent = session.is_some_and(|session| session.silence(now) > STALL);
        match self.state {
            OutputState::Connecting { .. } if entered >= PICTURES => {
                // What the programme made before this session began never reaches its viewers.
                let began = session.map_or(self.accounted, Session::began);
                self.lost += began.saturating_sub(self.accounted);
                self.accounted = began.max(self.accounted);
                self.at_start = behind;
                self.state = OutputState::Publishing { since: now };
            }
            OutputState::Connecting { since } if now.duration_since(since) > CONNECT => {
                self.give_up(Phrase::new("the server does not answer"), now);
            }
            OutputState::Publishing { since }
                if behind > allowed(self.at_start, now.duration_since(since)) =>
            {
                let detail = format!("{:.1} s behind", behind.as_secs_f64());
                let reason = Phrase::new("it fell more than 3 s behind");
                self.fail(Cause::Behind, reason, detail, now);
            }
            OutputState::Publishing { .. } if silent => {
                self.give_up(Phrase::new("the server takes nothing any more"), now);
            }
            OutputState::Waiting { until } if now >= until => self.connect(now),
            _ => {}
        }
    }

    /// A way through the network has opened: who waits tries at once, and so does who has been
    /// knocking since before. (Several things happen when a cable is plugged in, one after the other.)
    pub fn hurry(&mut self) {
        self.opened = matches!(
            self.state,
            OutputState::Waiting { .. } | OutputState::Connecting { .. }
        );
    }

    /// Whether its server's system has answered.
    fn is_connected(&self) -> bool {
        (self.session.as_ref()).is_some_and(Session::is_connected)
    }

    fn try_in_a_hurry(&mut self, now: Instant) {
        if !self.opened || now.duration_since(self.tried) < HURRY {
            return;
        }
        self.opened = false;
        match self.state {
            OutputState::Waiting { .. } => {}
            // The kernel's own attempts are far apart; a server that has answered is on its way.
            OutputState::Connecting { .. } if !self.is_connected() => self.close(),
            OutputState::Connecting { .. } => return,
            OutputState::Stopped | OutputState::Publishing { .. } => return,
        }
        // Quick attempts follow: what carries a link may take a moment to carry a connection.
        self.attempt = 1;
        self.connect(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_are_at_once_then_never_more_than_five_seconds_apart() {
        assert_eq!(pause(1), Duration::ZERO);
        let pauses: Vec<_> = (1..50).map(pause).collect();
        assert!(pauses.is_sorted());
        assert!(
            pauses
                .iter()
                .all(|pause| *pause < CONNECT && *pause <= Duration::from_secs(5))
        );
    }

    #[test]
    fn a_session_that_began_late_has_to_catch_up() {
        let s = Duration::from_secs;
        assert_eq!(allowed(s(0), s(0)), s(3));
        assert_eq!(allowed(s(5), s(0)), s(6));
        assert_eq!(allowed(s(5), s(20)), s(4));
        assert_eq!(allowed(s(5), s(3600)), s(3));
    }
}

//! Supervisor of one RTMP push: a pipeline of its own, built anew whenever it fails, for ever.
//! Owned by the engine thread; [`Output::poll`] is its clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use gst::prelude::*;

use crate::model::Phrase;
use crate::secret::redact;
use crate::venue::OutputConfig;

use super::feed::{Feed, Gate, Subscription};
use super::fragment::{Fragment, FragmentError};
use super::note::{Note, Notes};
use super::pipeline::{Pipe, PipeNote};
use super::timebase::Timebase;
use super::wording::foreign;

/// Encoded frames that may wait for the peer: the watchdog acts long before.
const QUEUE: gst::ClockTime = gst::ClockTime::from_seconds(10);
/// A peer that has not let us publish after so long is given up.
const CONNECT: Duration = Duration::from_secs(5);
/// A peer that takes nothing for so long is given up.
const STALL: Duration = Duration::from_secs(3);
/// A session that lasted so long was a good one: the next failure starts with a quick retry.
const GOOD: Duration = Duration::from_secs(10);
/// FLV tags that have left before the peer counts as one that takes them: the sink holds the first
/// until it is connected.
const TAGS: u64 = 3;

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

/// What leaves towards the peer, counted on its streaming thread.
#[derive(Debug, Default)]
struct Meter {
    tags: AtomicU64,
    video_tags: AtomicU64,
    bytes: AtomicU64,
}

/// One connection to the peer. Dropped, it ends.
#[derive(Debug)]
struct Session {
    meter: Arc<Meter>,
    /// Frames of the programme when it began.
    began: u64,
    /// What had left at the last look, and when that last grew.
    bytes: u64,
    grew: Instant,
    places: [Subscription; 2],
    _pipe: Pipe,
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
    state: OutputState,
    session: Option<Session>,
    run: u64,
    attempt: u32,
    /// When the last attempt began.
    tried: Instant,
    last_reason: Phrase,
    last_detail: String,
    /// A failure that nobody has been told of.
    failed: bool,
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
            state: OutputState::Stopped,
            session: None,
            run: 0,
            attempt: 0,
            tried: Instant::now(),
            last_reason: Phrase::default(),
            last_detail: String::new(),
            failed: false,
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

    /// Whether it has failed since the last call.
    pub fn take_failure(&mut self) -> bool {
        std::mem::take(&mut self.failed)
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
                let sent = session.meter.video_tags.load(Ordering::Relaxed);
                (self.sent + sent, self.lost + session.places[0].lost())
            }
            // On the way: what is made meanwhile waits in the queue.
            Some(session) => {
                let missed = session.began.saturating_sub(self.accounted);
                (self.sent, self.lost + missed + session.places[0].lost())
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
        self.session
            .as_ref()
            .map_or(0, |s| s.meter.bytes.load(Ordering::Relaxed))
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
        self.state = OutputState::Connecting { since: now };
        match self.open(now) {
            Ok(session) => self.session = Some(session),
            Err(error) => {
                let said = error.to_string();
                self.fail(foreign(&said), said, now);
            }
        }
    }

    fn open(&self, now: Instant) -> Result<Session, FragmentError> {
        let fragment = Fragment::pipeline("output-rtmp")?;
        let base = self.config.uri.as_str().trim_end_matches('/');
        match &self.config.key {
            Some(key) => {
                // The key is the stream's name as it is: in a URL, some of its characters would
                // mean something.
                fragment.set("out", "location", &format!("{base}/key"))?;
                fragment.set("out", "stream", key.reveal())?;
            }
            None => fragment.set("out", "location", base)?,
        }
        if !self.config.tls_verify {
            fragment.set("out", "tls-validation-flags", "0")?;
        }
        let video: gst_app::AppSrc = fragment.element("video")?;
        let audio: gst_app::AppSrc = fragment.element("audio")?;
        let sink: gst::Element = fragment.element("out")?;
        let meter = Arc::new(Meter::default());
        if let Some(pad) = sink.static_pad("sink") {
            count(&pad, meter.clone());
        }
        let (notes, id, run) = (self.notes.clone(), self.config.id.clone(), self.run);
        let report = move |note| notes.send(Note::Output(id.clone(), run, note));
        let pipe = fragment.into_pipe(&self.timebase, Box::new(report));
        let gate = Gate::default();
        // The sound's place first: the gate is opened by the picture.
        let sound = self.audio.subscribe(audio, QUEUE, Some(gate.clone()));
        let picture = self.video.subscribe(video, QUEUE, Some(gate));
        // A refusal has been reported, and arrives as a note.
        let _ = pipe.play();
        Ok(Session {
            meter,
            began: self.video.pushed(),
            bytes: 0,
            grew: now,
            places: [picture, sound],
            _pipe: pipe,
        })
    }

    /// A pipeline of run `run` has something to say.
    pub fn on_note(&mut self, run: u64, note: PipeNote, now: Instant) {
        if run != self.run || self.state == OutputState::Stopped {
            return;
        }
        match note {
            PipeNote::Error { text, detail } => {
                tracing::debug!("output {}: {detail}", self.config.id);
                self.fail(foreign(&text), format!("{text} ({detail})"), now);
            }
            PipeNote::Ended => self.give_up(Phrase::new("the stream ended"), now),
        }
    }

    /// The peer did not do what it should have done.
    fn give_up(&mut self, reason: Phrase, now: Instant) {
        self.fail(reason, String::new(), now);
    }

    fn fail(&mut self, reason: Phrase, detail: String, now: Instant) {
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
        self.failed = true;
        // Attempts are so far apart, and not the end of one from the beginning of the next.
        self.state = OutputState::Waiting {
            until: (self.tried + pause(self.attempt)).max(now),
        };
    }

    /// Ends the session and settles its account: what entered and did not leave is lost.
    fn close(&mut self) {
        self.run += 1;
        let pushed = self.video.pushed();
        let sent = match self.session.take() {
            Some(session) if matches!(self.state, OutputState::Publishing { .. }) => {
                session.meter.video_tags.load(Ordering::Relaxed)
            }
            _ => 0,
        };
        self.sent += sent;
        self.lost += pushed.saturating_sub(self.accounted).saturating_sub(sent);
        self.accounted = pushed;
    }

    /// Looks after it; called some ten times a second.
    pub fn poll(&mut self, now: Instant) {
        if let Some(session) = &mut self.session {
            let bytes = session.meter.bytes.load(Ordering::Relaxed);
            if bytes != session.bytes {
                session.bytes = bytes;
                session.grew = now;
            }
        }
        let session = self.session.as_ref();
        let tags = session.map_or(0, |s| s.meter.tags.load(Ordering::Relaxed));
        let silent = session.is_some_and(|s| now.duration_since(s.grew) > STALL);
        match self.state {
            OutputState::Connecting { .. } if tags >= TAGS => {
                // What the programme made before this session began never reaches its viewers.
                let began = session.map_or(self.accounted, |s| s.began);
                self.lost += began.saturating_sub(self.accounted);
                self.accounted = began.max(self.accounted);
                self.state = OutputState::Publishing { since: now };
            }
            OutputState::Connecting { since } if now.duration_since(since) > CONNECT => {
                self.give_up(Phrase::new("the server does not answer"), now);
            }
            OutputState::Publishing { .. } if silent => {
                self.give_up(Phrase::new("the server takes nothing any more"), now);
            }
            OutputState::Waiting { until } if now >= until => self.connect(now),
            _ => {}
        }
    }
}

/// Counts what enters the sink. The sink's pad takes a buffer only when the one before has left
/// into the connection.
fn count(pad: &gst::Pad, meter: Arc<Meter>) {
    /// First byte of an FLV tag with pictures.
    const VIDEO_TAG: u8 = 9;
    /// `AVCPacketType` of pictures (Adobe's FLV specification 10.1, E.4.3.1).
    const PICTURES: u8 = 1;
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        if let Some(buffer) = info.buffer() {
            meter.tags.fetch_add(1, Ordering::Relaxed);
            meter
                .bytes
                .fetch_add(buffer.size() as u64, Ordering::Relaxed);
            // Tag header, then codec, then the kind of packet: the first tag carries no picture.
            let mut head = [0u8; 13];
            let read = buffer.copy_to_slice(0, &mut head).is_ok();
            if read && head[0] == VIDEO_TAG && head[12] == PICTURES {
                meter.video_tags.fetch_add(1, Ordering::Relaxed);
            }
        }
        gst::PadProbeReturn::Ok
    });
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
}

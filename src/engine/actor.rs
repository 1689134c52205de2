//! The engine thread: owns every supervisor and the show, takes notes one after the other, looks
//! after everything ten times a second, and tells subscribers what has changed.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use crate::devices;
use crate::discovery::Announcer;
use crate::ingest::{Registry, rtmp, srt};
use crate::model::message::to_line;
use crate::model::show::{Cast, Change};
use crate::model::{
    Event, Phrase, Refused, Reply, Request, Said, Scope, Severity, ShowState, Snapshot, SourceId,
};
use crate::relay::Relay;
use crate::service;
use crate::venue::Venue;

use super::Surroundings;
use super::alarm::Alarms;
use super::calibration::Calibrator;
use super::deaf::Deaf;
use super::desk::Desk;
use super::encoder::Choice;
use super::ledger::{Ledger, wall_clock};
use super::memory::Memory;
use super::monitor::Monitors;
use super::music::Music;
use super::netlink::Network;
use super::note::{Note, Notes, Protocol, PublisherNote, SourceNote, Subscriber};
use super::output::Output;
use super::overload::Overload;
use super::programme::Programme;
use super::pulse::Pulse;
use super::report::Figures;
use super::slate::Slates;
use super::source::Source;
use super::stage::{preview_scene, scene};
use super::supervise::EncoderSeat;
use super::timebase::Timebase;
use super::visitors::{Passing, Visitor};
use super::wording::foreign;

/// How often supervisors look after what is theirs.
const POLL: Duration = Duration::from_millis(100);
/// Pause between two attempts to save a show that could not be saved.
const SAVE_AGAIN: Duration = Duration::from_secs(3);

/// The engine thread's belongings.
pub(super) struct Actor {
    pub(super) venue: Venue,
    pub(super) cast: Cast,
    pub(super) show: ShowState,
    pub(super) sources: Vec<Source>,
    pub(super) outputs: Vec<Output>,
    pub(super) network: Network,
    pub(super) programme: Programme,
    pub(super) monitors: Monitors,
    pub(super) relay: Relay,
    /// Laptops push to it; `None` where the venue wants none.
    pub(super) _rtmp: Option<rtmp::Door>,
    /// Laptops by SRT, where the venue takes them.
    pub(super) srt: Option<srt::Door>,
    pub(super) doors: Arc<Registry>,
    /// Who was the last at each guest's place.
    pub(super) guests: HashMap<SourceId, IpAddr>,
    /// What is said of laptops that were not let in.
    pub(super) passing: Vec<Passing>,
    pub(super) relay_problem: Option<String>,
    /// Notices a relay that hangs.
    pub(super) deaf: Deaf,
    /// Tells the network of the room, while the relay listens.
    pub(super) announcer: Option<Announcer>,
    pub(super) choice: Choice,
    pub(super) ledger: Ledger,
    pub(super) alarms: Alarms,
    pub(super) calibrator: Calibrator,
    pub(super) figures: Figures,
    pub(super) started: u64,
    /// Milliseconds since 1970, while the show is on air.
    pub(super) on_air_since: Option<u64>,
    pub(super) video: EncoderSeat,
    pub(super) audio: EncoderSeat,
    pub(super) overload: Overload,
    pub(super) slates: Slates,
    /// Where the venue has one.
    pub(super) desk: Option<Desk>,
    /// Of the slate, where the venue has some.
    pub(super) music: Option<Music>,
    pub(super) memory: Memory,
    /// Hears of devices that come and go; `None` where the system does not tell.
    pub(super) _devices: Option<devices::Watch>,
    pub(super) timebase: Timebase,
    pub(super) notes: Notes,
    pub(super) subscribers: Vec<Subscriber>,
    pub(super) published: Option<Snapshot>,
    /// Feeds the watchdog once the programme runs.
    pub(super) pulse: Option<Pulse>,
    /// How often this thread has looked after what is its own.
    pub(super) turns: Arc<AtomicU64>,
    pub(super) surroundings: Surroundings,
    /// When the show, which is not on disk, is saved again.
    pub(super) save_again: Option<Instant>,
}

impl Actor {
    /// Takes notes until it is asked to end.
    pub(super) fn run(mut self, queue: &Receiver<Note>) {
        let mut next_poll = Instant::now();
        loop {
            let wait = next_poll.saturating_duration_since(Instant::now());
            match queue.recv_timeout(wait) {
                Ok(Note::Shutdown) | Err(RecvTimeoutError::Disconnected) => break,
                Ok(note) => self.on_note(note),
                Err(RecvTimeoutError::Timeout) => {}
            }
            let now = Instant::now();
            if now >= next_poll {
                next_poll = now + POLL;
                self.poll(now);
            }
            self.publish();
        }
        self.close();
    }

    fn close(mut self) {
        service::stopping();
        tracing::info!("{}: the show ends", self.venue.name);
        self.tell(&Event::Stopped);
        self.pulse = None;
        self.announcer = None;
        // Pipelines close side by side on threads of their own; the memory finishes what it has.
        self.srt = None;
        self.outputs.clear();
        self.sources.clear();
        self.desk = None;
    }

    fn on_note(&mut self, note: Note) {
        let now = Instant::now();
        match note {
            Note::Request(request, reply) => self.on_request(request, reply),
            Note::Subscribe(subscriber, done) => {
                self.on_subscribe(subscriber);
                // A client that has gone does not wait.
                let _ = done.send(());
            }
            Note::Monitor(wish, done) => {
                // For a client that has gone, the views end with the answer.
                let own = wish.instead_of.as_ref();
                let _ = done.send(self.monitors.watch(&wish.views, own, wish.cut));
            }
            Note::Source(id, run, note) => self.on_source(&id, run, note, now),
            Note::Publisher(id, note) => self.on_publisher(&id, note, now),
            Note::Output(id, run, note) => {
                if let Some(output) = self.outputs.iter_mut().find(|o| o.config.id == id) {
                    output.on_note(run, note, now);
                }
            }
            Note::Encoder(media, run, note) => self.on_encoder(media, run, note, now),
            Note::Desk(run, note) => self.on_desk(run, note, now),
            Note::Music(run, note) => self.on_music(run, note, now),
            Note::Calibration(run, note) => self.on_calibration(run, note),
            Note::SlatePicture(reason) => self.on_slate_picture(&reason),
            Note::Saved(result) => self.on_saved(result),
            Note::Door(door, result) => self.on_door(door, result),
            Note::Device(change) => self.tell(&Event::Device { change }),
            // Handled by the loop.
            Note::Shutdown => {}
        }
    }

    fn on_request(&mut self, request: Request, reply: Sender<Reply>) {
        // A client that has gone does not wait for its answer.
        let answer = match request {
            Request::Status | Request::Subscribe => Reply::Snapshot {
                snapshot: Box::new(self.snapshot()),
            },
            // Cards may take seconds to answer, and the engine has none: the client's thread asks them.
            Request::Devices => Reply::Refused(Refused::new(
                "invalid-request",
                "devices are not asked by the engine",
            )),
            // Views live as long as a connection: they are a note of their own.
            Request::Monitor(_) => Reply::Refused(Refused::new(
                "invalid-request",
                "views need a connection to live on",
            )),
            Request::Release(source) => self.release(&source),
            Request::Join(source) => self.invitation(&source),
            Request::Calibrate {
                source,
                sound,
                seconds,
            } => match self.calibrate(&source, sound.as_ref(), seconds) {
                Ok(()) => Reply::Done,
                Err(refused) => Reply::Refused(refused),
            },
            Request::Change(command) => match self.show.apply(&command, &self.cast, wall_clock()) {
                Ok(change) => {
                    tracing::info!("{}", to_line(&command));
                    self.carry_out(&change);
                    self.memory.keep(&self.show, Some(reply));
                    return;
                }
                Err(refused) => Reply::Refused(refused),
            },
        };
        let _ = reply.send(answer);
    }

    pub(super) fn carry_out(&mut self, change: &Change) {
        match change {
            Change::Picture(passage) => {
                let (venue, cast, show) = (&self.venue, &self.cast, &self.show);
                let (sources, slates) = (&self.sources, &mut self.slates);
                let next = scene(venue, cast, show, sources, slates);
                self.programme.show(next, *passage);
                self.monitors
                    .prepare(preview_scene(venue, cast, show, sources, slates));
                self.tune_sources(passage.map(|passage| passage.length()));
                self.note_roles();
            }
            Change::Source(_) => self.tune_sources(None),
            Change::Output(id) => {
                let run = self.show.outputs.get(id).copied().unwrap_or(false);
                if let Some(output) = self.outputs.iter_mut().find(|o| o.config.id == *id) {
                    output.want(run, Instant::now());
                }
            }
        }
    }

    fn on_subscribe(&mut self, subscriber: Subscriber) {
        self.publish();
        let snapshot = Reply::Snapshot {
            snapshot: Box::new(self.snapshot()),
        };
        if subscriber.offer(&to_line(&snapshot).into()) {
            self.subscribers.push(subscriber);
        }
    }

    fn on_source(&mut self, id: &SourceId, run: u64, note: SourceNote, now: Instant) {
        let Some(source) = self.sources.iter_mut().find(|source| source.id() == id) else {
            return;
        };
        if let Some((happened, detail)) = source.on_note(run, note, now) {
            let said = Said {
                happened,
                doing: Phrase::new("The decoder is started again."),
                advice: Phrase::new("If this stays, restart the sender or change its codec."),
            };
            self.raise(
                Scope::Source(id.clone()),
                "decoder",
                Severity::Warning,
                said,
                &detail,
            );
        }
    }

    fn on_publisher(&mut self, id: &SourceId, note: PublisherNote, now: Instant) {
        let Some(source) = self.sources.iter_mut().find(|source| source.id() == id) else {
            return;
        };
        match note {
            PublisherNote::Arrived(session) => {
                source.on_publisher(session, now);
                self.forget_visitors(id);
                self.welcome(id);
            }
            PublisherNote::Left(session) => {
                source.on_publisher_left(session, Phrase::new("the sender has stopped"), now);
            }
            PublisherNote::Evicted(session) => {
                let reason = Phrase::new("it was connected, but sent nothing");
                source.on_publisher_left(session, reason, now);
            }
            PublisherNote::Released(session) => {
                let reason = Phrase::new("the operator has released it");
                source.on_publisher_left(session, reason, now);
            }
            PublisherNote::Refused(reason) => {
                let label = source.config.label.clone();
                self.tell_of_visitor(id, Visitor::TurnedAway, &label, &reason, now);
            }
            PublisherNote::Untaken(codec) => {
                let label = source.config.label.clone();
                self.tell_of_visitor(id, Visitor::Untaken, &label, &codec, now);
            }
        }
    }

    fn on_saved(&mut self, result: Result<(), String>) {
        match result {
            Ok(()) => {
                self.save_again = None;
                self.clear(&Scope::State, "unsaved");
            }
            Err(detail) => {
                self.save_again = Some(Instant::now() + SAVE_AGAIN);
                let said = Said {
                    happened: Phrase::new("The show's state cannot be saved."),
                    doing: Phrase::new("The show goes on; saving is tried again every 3 s."),
                    advice: Phrase::new(
                        "Free space on the disk, or check its permissions: until then a restart \
                         forgets the latest changes.",
                    ),
                };
                self.raise(Scope::State, "unsaved", Severity::Warning, said, &detail);
            }
        }
    }

    fn on_door(&mut self, door: Protocol, result: Result<(), String>) {
        let (scope, code, key) = door_fault(door);
        let problem = result.err();
        if door == Protocol::Rtsp {
            self.relay_problem.clone_from(&problem);
            match &mut self.announcer {
                Some(announcer) if problem.is_none() => announcer.announce(),
                Some(announcer) => announcer.withdraw(),
                None => {}
            }
        }
        let Some(reason) = problem else {
            self.clear(&scope, code);
            return;
        };
        let happened = match door {
            Protocol::Rtsp => Phrase::new("The relay cannot listen: {reason}."),
            Protocol::Rtsps => Phrase::new("The relay cannot listen for TLS: {reason}."),
            _ => Phrase::new("Laptops cannot push by {protocol}: {reason}.")
                .with("protocol", door.scheme().to_uppercase()),
        };
        let said = Said {
            happened: happened.with("reason", foreign(&reason)),
            doing: Phrase::new("It is tried again every 3 s; everything else goes on."),
            advice: match door {
                Protocol::Rtmps | Protocol::Rtsps => Phrase::new(
                    "End the other program, or see to {key}, certificate and private_key in the \
                     venue file.",
                ),
                _ => Phrase::new("End the other program, or change {key} in the venue file."),
            }
            .with("key", key),
        };
        let severity = match door {
            Protocol::Rtsp => Severity::Serious,
            _ => Severity::Warning,
        };
        self.raise(scope, code, severity, said, &reason);
    }

    pub(super) fn raise(
        &mut self,
        scope: Scope,
        code: &str,
        severity: Severity,
        said: Said,
        detail: &str,
    ) {
        let event = self.ledger.raise(scope, code, severity, said, detail);
        self.tell(&event);
        if let (Some(published), Event::FaultRaised { .. }) = (&mut self.published, &event) {
            published.apply(event);
        }
    }

    pub(super) fn clear(&mut self, scope: &Scope, code: &str) {
        if let Some(event) = self.ledger.clear(scope, code) {
            self.tell(&event);
            if let Some(published) = &mut self.published {
                published.apply(event);
            }
        }
    }

    /// Sends what has changed since the last time.
    fn publish(&mut self) {
        self.judge_airtime();
        let now = self.snapshot();
        if let Some(before) = &self.published {
            for event in super::report::changes(before, &now) {
                self.tell(&event);
            }
        }
        service::status(&now);
        self.published = Some(now);
    }

    fn tell(&mut self, event: &Event) {
        if self.subscribers.is_empty() {
            return;
        }
        let line: Arc<str> = to_line(event).into();
        self.subscribers
            .retain(|subscriber| subscriber.offer(&line));
    }

    /// The last snapshot, for times of changes.
    pub(super) fn last_snapshot(&self) -> Option<&Snapshot> {
        self.published.as_ref()
    }
}

/// The fault of a door that cannot listen, and the key in the venue file that says where.
pub(super) fn door_fault(door: Protocol) -> (Scope, &'static str, &'static str) {
    match door {
        Protocol::Rtsp => (Scope::Relay, "listen", "relay.listen"),
        Protocol::Rtsps => (Scope::Relay, "listen-tls", "relay.listen_tls"),
        Protocol::Rtmp => (Scope::Ingest, "listen-rtmp", "ingest.rtmp"),
        Protocol::Rtmps => (Scope::Ingest, "listen-rtmps", "ingest.rtmps"),
        Protocol::Srt => (Scope::Ingest, "listen-srt", "ingest.srt"),
    }
}

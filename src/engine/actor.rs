//! The engine thread: owns every supervisor and the show, takes notes one after the other, looks
//! after everything ten times a second, and tells subscribers what has changed.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use crate::ingest::Registry;
use crate::model::message::to_line;
use crate::model::show::{Cast, Change, SourceSetting};
use crate::model::{
    Event, Gain, Layout, MountPath, Refused, Reply, Request, Scope, Severity, ShowState, Snapshot,
    SourceId,
};
use crate::relay::{Playable, Relay};
use crate::service;
use crate::venue::{SoundPolicy, SourceKind, Venue};

use super::StartEngineError;
use super::encoder::{self, Choice, Codec, Encoder};
use super::feed::Media;
use super::ledger::{Ledger, Text, wall_clock};
use super::memory::{self, Memory, Recalled};
use super::mix::MixInput;
use super::note::{Note, Notes, PublisherNote, SourceNote, Subscriber};
use super::output::{Output, OutputState};
use super::pipeline::{PipeNote, Reporter};
use super::programme::{Programme, Scene, SceneSlot, VideoIn, sound_lag};
use super::report::Figures;
use super::slate::Slates;
use super::source::{Source, SourceState};
use super::timebase::Timebase;

/// How often supervisors look after what is theirs.
const POLL: Duration = Duration::from_millis(100);
/// How often figures are refreshed, for people.
const FIGURES: Duration = Duration::from_secs(1);
/// An encoder that broke is built anew after this.
const ENCODER_PAUSE: Duration = Duration::from_millis(200);
/// A hardware encoder that broke so often gives way to x264.
const ENCODER_TRIES: u32 = 3;

/// One of the two encoders and its supervision.
#[derive(Debug, Default)]
pub(super) struct EncoderSeat {
    encoder: Option<Encoder>,
    run: u64,
    due: Option<Instant>,
    failures: u32,
}

/// The engine thread's belongings.
pub(super) struct Actor {
    pub(super) venue: Venue,
    pub(super) cast: Cast,
    pub(super) show: ShowState,
    pub(super) sources: Vec<Source>,
    pub(super) outputs: Vec<Output>,
    pub(super) programme: Programme,
    pub(super) relay: Relay,
    pub(super) relay_problem: Option<String>,
    pub(super) choice: Choice,
    pub(super) ledger: Ledger,
    pub(super) figures: Figures,
    pub(super) started: u64,
    video: EncoderSeat,
    audio: EncoderSeat,
    slates: Slates,
    memory: Memory,
    timebase: Timebase,
    notes: Notes,
    subscribers: Vec<Subscriber>,
    published: Option<Snapshot>,
    ready: bool,
}

impl Actor {
    /// Builds everything and puts the show on air.
    pub(super) fn start(
        venue: Venue,
        state: PathBuf,
        notes: Notes,
    ) -> Result<Self, StartEngineError> {
        let cast = cast_of(&venue);
        let mut show = opening(&venue, &cast);
        let mut ledger = Ledger::default();
        let recalled = memory::recall(&state);
        if let Recalled::Damaged { aside, reason } = &recalled {
            let text = Text {
                happened: format!(
                    "The saved show was damaged; it lies in {} now.",
                    aside.display()
                ),
                doing: "The show has started with the venue file's settings.".to_owned(),
                advice: "Check layout, roles and gains.".to_owned(),
            };
            ledger.raise(Scope::State, "damaged", Severity::Warning, text, reason);
        }
        if let Recalled::Show(saved) = recalled {
            show.recall(saved, &cast);
        }
        let choice = encoder::choose(&venue.programme).map_err(StartEngineError::NoEncoder)?;
        let timebase = Timebase::start();
        let sources: Vec<Source> = (venue.sources.iter())
            .map(|config| Source::new(config.clone(), &timebase, notes.clone()))
            .collect();
        let mut slates = Slates::default();
        let scene = scene(&venue, &cast, &show, &sources, &mut slates);
        let pictures = sources
            .iter()
            .map(|source| source.pictures.clone())
            .collect();
        let programme = Programme::new(&venue.programme, &timebase, pictures, scene);
        let outputs = (venue.outputs.iter())
            .map(|config| {
                let (video, audio) = (&programme.video, &programme.audio);
                Output::new(config.clone(), video, audio, &timebase, notes.clone())
            })
            .collect();
        let registry = registry(&sources, &notes);
        let playable = playable(&programme, &sources);
        let relay = Relay::start(
            venue.relay.listen,
            playable,
            registry,
            timebase.clone(),
            notes.clone(),
        )?;
        let memory = Memory::start(state, notes.clone())?;
        let mut actor = Self {
            figures: Figures::new(),
            venue,
            cast,
            show,
            sources,
            outputs,
            programme,
            relay,
            relay_problem: Some("starting".to_owned()),
            choice,
            ledger,
            started: wall_clock(),
            video: EncoderSeat::default(),
            audio: EncoderSeat::default(),
            slates,
            memory,
            timebase,
            notes,
            subscribers: Vec::new(),
            published: None,
            ready: false,
        };
        actor.open()?;
        Ok(actor)
    }

    /// Sets going what was built.
    fn open(&mut self) -> Result<(), StartEngineError> {
        let now = Instant::now();
        // Before the encoders: the first frame of all is a keyframe, and theirs.
        for output in &mut self.outputs {
            let wanted = self.show.outputs.get(&output.config.id).copied();
            output.want(wanted.unwrap_or(output.config.enabled), now);
        }
        self.seat(Media::Audio)?;
        self.seat(Media::Video)?;
        self.programme.run()?;
        for source in &mut self.sources {
            source.start(now);
        }
        self.tune_sources();
        if self.choice.second_best {
            let text = Text {
                happened: format!(
                    "The encoder {} does not work here.",
                    self.venue.programme.encoder
                ),
                doing: "The programme is encoded by x264 on the processor.".to_owned(),
                advice: "Check the driver, or set encoder = \"auto\".".to_owned(),
            };
            let detail = self.choice.reason.clone();
            self.raise(Scope::Programme, "encoder", Severity::Notice, text, &detail);
        }
        self.memory.keep(&self.show, None);
        tracing::info!(
            "{}: {} at {} fps by {} ({})",
            self.venue.name,
            self.venue.programme.size,
            self.venue.programme.framerate,
            self.choice.codec.name(),
            self.choice.reason
        );
        Ok(())
    }

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
        // Pipelines close side by side on threads of their own; the memory finishes what it has.
        self.outputs.clear();
        self.sources.clear();
    }

    fn on_note(&mut self, note: Note) {
        let now = Instant::now();
        match note {
            Note::Request(request, reply) => self.on_request(request, reply),
            Note::Subscribe(subscriber) => self.on_subscribe(subscriber),
            Note::Source(id, run, note) => self.on_source(&id, run, note, now),
            Note::Publisher(id, note) => self.on_publisher(&id, note, now),
            Note::Output(id, run, note) => {
                if let Some(output) = self.outputs.iter_mut().find(|o| o.config.id == id) {
                    output.on_note(run, note, now);
                }
            }
            Note::Encoder(media, run, note) => self.on_encoder(media, run, note, now),
            Note::Saved(result) => self.on_saved(result),
            Note::Relay(result) => self.on_relay(result),
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
            Request::Change(command) => match self.show.apply(&command, &self.cast) {
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

    fn carry_out(&mut self, change: &Change) {
        match change {
            Change::Picture => {
                let scene = scene(
                    &self.venue,
                    &self.cast,
                    &self.show,
                    &self.sources,
                    &mut self.slates,
                );
                self.programme.show(scene);
                self.tune_sources();
            }
            Change::Source(_) => self.tune_sources(),
            Change::Output(id) => {
                let run = self.show.outputs.get(id).copied().unwrap_or(false);
                if let Some(output) = self.outputs.iter_mut().find(|o| o.config.id == *id) {
                    output.want(run, Instant::now());
                }
            }
        }
    }

    /// Hands gains and delays to where they take effect.
    fn tune_sources(&mut self) {
        let shown = self.sources_on_air();
        let mut inputs = Vec::with_capacity(self.sources.len());
        for source in &self.sources {
            let setting = self.show.sources.get(source.id());
            let setting = setting
                .copied()
                .unwrap_or_else(|| setting_of(&source.config));
            let delay = Duration::from_millis(u64::from(setting.delay_ms));
            source.pictures.set_delay(delay.as_nanos() as u64);
            let heard = match source.config.sound {
                SoundPolicy::Always => !self.is_slate(),
                SoundPolicy::OnAir => shown.contains(source.id()),
                SoundPolicy::Off => false,
            };
            inputs.push(MixInput {
                samples: source.samples.clone(),
                gain: if heard && !setting.mute {
                    setting.gain.factor()
                } else {
                    0.0
                },
                lag: sound_lag(&self.venue.programme, delay),
            });
        }
        self.programme.mix(inputs);
    }

    /// Whether viewers see and hear a pause: the slate, or a layout that shows nobody.
    fn is_slate(&self) -> bool {
        (self.show.on_air(&self.cast)).is_none_or(|layout| layout.slots.is_empty())
    }

    fn sources_on_air(&self) -> Vec<SourceId> {
        let slots = self
            .show
            .on_air(&self.cast)
            .map_or(&[][..], |layout| &layout.slots[..]);
        let played = slots
            .iter()
            .filter_map(|slot| self.show.roles.get(&slot.role));
        played.cloned().collect()
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
        if let Some(problem) = source.on_note(run, note, now) {
            let text = Text {
                happened: format!("{}: {problem}.", source.config.label),
                doing: "The decoder is started again.".to_owned(),
                advice: "If this stays, restart the sender or change its codec.".to_owned(),
            };
            self.raise(
                Scope::Source(id.clone()),
                "decoder",
                Severity::Warning,
                text,
                "",
            );
        }
    }

    fn on_publisher(&mut self, id: &SourceId, note: PublisherNote, now: Instant) {
        let Some(source) = self.sources.iter_mut().find(|source| source.id() == id) else {
            return;
        };
        match note {
            PublisherNote::Arrived => source.on_publisher(now),
            PublisherNote::Left => source.on_publisher_left(now),
            PublisherNote::Refused(reason) => {
                tracing::warn!(
                    "{}: a publisher was turned away: {reason}",
                    source.config.label
                );
            }
        }
    }

    fn on_saved(&mut self, result: Result<(), String>) {
        match result {
            Ok(()) => self.clear(&Scope::State, "unsaved"),
            Err(detail) => {
                let text = Text {
                    happened: "The show's state cannot be saved.".to_owned(),
                    doing: "The show goes on; each change is tried to be saved again.".to_owned(),
                    advice: "Free some space on the disk, or check its permissions.".to_owned(),
                };
                self.raise(Scope::State, "unsaved", Severity::Warning, text, &detail);
            }
        }
    }

    fn on_relay(&mut self, result: Result<(), String>) {
        self.relay_problem = result.err();
        match self.relay_problem.clone() {
            None => self.clear(&Scope::Relay, "listen"),
            Some(reason) => {
                let text = Text {
                    happened: format!("The relay cannot listen: {reason}."),
                    doing: "It is tried again every 3 s; everything else goes on.".to_owned(),
                    advice: "End the other program, or change relay.listen in the venue file."
                        .to_owned(),
                };
                self.raise(Scope::Relay, "listen", Severity::Serious, text, "");
            }
        }
    }

    /// Puts an encoder at its seat.
    fn seat(&mut self, media: Media) -> Result<(), StartEngineError> {
        let config = &self.venue.programme;
        match media {
            Media::Video => {
                self.video.run += 1;
                let report = reporter(&self.notes, media, self.video.run);
                let feed = &self.programme.video;
                let encoder =
                    Encoder::video(self.choice.codec, config, feed, &self.timebase, report)?;
                self.programme.set_video_in(Some(VideoIn {
                    frames: encoder.input(),
                    encoded: encoder.output(),
                }));
                self.video.encoder = Some(encoder);
            }
            Media::Audio => {
                self.audio.run += 1;
                let report = reporter(&self.notes, media, self.audio.run);
                let encoder =
                    Encoder::audio(config, &self.programme.audio, &self.timebase, report)?;
                self.programme.set_audio_in(Some(encoder.input()));
                self.audio.encoder = Some(encoder);
            }
        }
        Ok(())
    }

    fn on_encoder(&mut self, media: Media, run: u64, note: PipeNote, now: Instant) {
        let seat = match media {
            Media::Video => &mut self.video,
            Media::Audio => &mut self.audio,
        };
        if run != seat.run || seat.due.is_some() {
            return;
        }
        seat.due = Some(now + ENCODER_PAUSE);
        seat.failures += 1;
        let gives_way = media == Media::Video && seat.failures >= ENCODER_TRIES;
        if gives_way && self.choice.codec != Codec::X264 {
            self.choice = Choice {
                codec: Codec::X264,
                reason: format!("{} broke {ENCODER_TRIES} times", self.choice.codec.name()),
                second_best: true,
            };
        }
        let text = Text {
            happened: "The encoder broke.".to_owned(),
            doing: format!("It is started again, as {}.", self.choice.codec.name()),
            advice: "If this repeats, choose another encoder in the venue file.".to_owned(),
        };
        let detail = match note {
            PipeNote::Error { text, detail } => format!("{text}: {detail}"),
            PipeNote::Ended => "it ended".to_owned(),
        };
        self.raise(
            Scope::Programme,
            "encoder",
            Severity::Serious,
            text,
            &detail,
        );
    }

    fn poll(&mut self, now: Instant) {
        for media in [Media::Video, Media::Audio] {
            let seat = match media {
                Media::Video => &mut self.video,
                Media::Audio => &mut self.audio,
            };
            if seat.due.is_some_and(|due| now >= due) {
                seat.due = None;
                if let Err(error) = self.seat(media) {
                    tracing::error!("{error}");
                }
            }
        }
        for i in 0..self.sources.len() {
            self.sources[i].poll(now);
            self.judge_source(i);
        }
        for i in 0..self.outputs.len() {
            self.outputs[i].poll(now);
            self.judge_output(i);
        }
        if self.figures.is_due(now, FIGURES) {
            let (sources, outputs) = (&self.sources, &self.outputs);
            self.figures
                .refresh(now, sources, outputs, &self.programme, &self.relay);
        }
        if self.programme.video.pushed() > 0 {
            if !self.ready {
                self.ready = true;
                service::ready();
                tracing::info!("on air");
            }
            service::frames_flow(self.programme.video.pushed(), now);
        }
    }

    /// Raises and clears the fault of a source whose state changes.
    fn judge_source(&mut self, index: usize) {
        if !self.sources[index].take_change() {
            return;
        }
        let source = &self.sources[index];
        let (state, label) = (source.state(), &source.config.label);
        let scope = Scope::Source(source.id().clone());
        if *state == SourceState::Live {
            tracing::info!("{label} is live");
            self.clear(&scope, "lost");
            self.clear(&scope, "decoder");
            return;
        }
        let was_live = source.connects() > 0;
        let pushed = matches!(source.config.kind, SourceKind::Push { .. });
        if matches!(state, SourceState::Connecting { .. }) || (pushed && !was_live) {
            return;
        }
        let advice = match (&source.config.kind, state) {
            (SourceKind::Push { .. }, SourceState::Idle { .. }) => {
                "Start the stream on the laptop again."
            }
            (SourceKind::Push { .. }, _) => "Check the laptop and its network.",
            (SourceKind::Pull { .. }, _) => "Check the server and the network.",
            (SourceKind::File { .. } | SourceKind::Image { .. }, _) => "Check the file.",
            (SourceKind::Test { .. }, _) => "Check that GStreamer's plug-ins are installed.",
        };
        let doing = if pushed {
            "Its slate is shown until it is back."
        } else {
            "Its slate is shown; it is tried again, at most 5 s apart."
        };
        let text = Text {
            happened: format!("{label} is not live: {}.", state.reason()),
            doing: doing.to_owned(),
            advice: advice.to_owned(),
        };
        self.raise(scope, "lost", Severity::Warning, text, "");
    }

    fn judge_output(&mut self, index: usize) {
        let output = &mut self.outputs[index];
        let (scope, label) = (
            Scope::Output(output.config.id.clone()),
            output.config.label.clone(),
        );
        match output.state() {
            OutputState::Publishing { .. } => {
                if self
                    .ledger
                    .all()
                    .iter()
                    .any(|fault| fault.is_same(&scope, "unreachable"))
                {
                    tracing::info!("{label} is publishing again");
                }
                self.clear(&scope, "unreachable");
            }
            OutputState::Stopped => self.clear(&scope, "unreachable"),
            OutputState::Waiting { .. } | OutputState::Connecting { .. } => {
                if !output.take_failure() {
                    return;
                }
                let text = Text {
                    happened: format!("{label} cannot be reached: {}.", output.last_reason()),
                    doing: "It is tried again, at most 5 s apart; all else goes on.".to_owned(),
                    advice: "Check the server's address and key, and the network.".to_owned(),
                };
                self.raise(scope, "unreachable", Severity::Warning, text, "");
            }
        }
    }

    fn raise(&mut self, scope: Scope, code: &str, severity: Severity, text: Text, detail: &str) {
        let event = self.ledger.raise(scope, code, severity, text, detail);
        self.tell(&event);
        if let (Some(published), Event::FaultRaised { .. }) = (&mut self.published, &event) {
            published.apply(event);
        }
    }

    fn clear(&mut self, scope: &Scope, code: &str) {
        if let Some(event) = self.ledger.clear(scope, code) {
            self.tell(&event);
            if let Some(published) = &mut self.published {
                published.apply(event);
            }
        }
    }

    /// Sends what has changed since the last time.
    fn publish(&mut self) {
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

fn reporter(notes: &Notes, media: Media, run: u64) -> Reporter {
    let notes = notes.clone();
    Box::new(move |note| notes.send(Note::Encoder(media, run, note)))
}

fn cast_of(venue: &Venue) -> Cast {
    let in_layouts =
        (venue.layouts.iter()).flat_map(|l| l.slots.iter().map(|slot| slot.role.clone()));
    let of_sources = venue
        .sources
        .iter()
        .filter_map(|source| source.role.clone());
    Cast {
        layouts: venue.layouts.clone(),
        roles: in_layouts.chain(of_sources).collect(),
        sources: venue
            .sources
            .iter()
            .map(|source| source.id.clone())
            .collect(),
        outputs: venue
            .outputs
            .iter()
            .map(|output| output.id.clone())
            .collect(),
    }
}

fn setting_of(config: &crate::venue::SourceConfig) -> SourceSetting {
    SourceSetting {
        gain: Gain::from_db(config.gain).unwrap_or(Gain::UNITY),
        mute: config.mute,
        delay_ms: config.delay.as_millis() as u32,
    }
}

/// The show as the venue file opens it: the first layout on air, the next one prepared, a role
/// played by the first source that has it.
fn opening(venue: &Venue, cast: &Cast) -> ShowState {
    let layout = |index: usize| cast.layouts.get(index).or(cast.layouts.first());
    let id = |layout: Option<&Layout>| layout.map(|layout| layout.id.clone());
    let mut roles = std::collections::BTreeMap::new();
    for source in &venue.sources {
        if let Some(role) = &source.role {
            roles
                .entry(role.clone())
                .or_insert_with(|| source.id.clone());
        }
    }
    ShowState {
        programme: id(layout(0)).expect("a venue has at least the slate"),
        preview: id(layout(1)).expect("a venue has at least the slate"),
        slate: false,
        roles,
        sources: (venue.sources.iter())
            .map(|s| (s.id.clone(), setting_of(s)))
            .collect(),
        outputs: (venue.outputs.iter())
            .map(|o| (o.id.clone(), o.enabled))
            .collect(),
    }
}

/// What the programme shows for this state of the show.
fn scene(
    venue: &Venue,
    cast: &Cast,
    show: &ShowState,
    sources: &[Source],
    slates: &mut Slates,
) -> Scene {
    let size = venue.programme.size;
    let layout = show.on_air(cast).filter(|layout| !layout.slots.is_empty());
    let Some(layout) = layout else {
        let background =
            (show.on_air(cast)).map_or(crate::model::layout::DEFAULT_BACKGROUND, |l| l.background);
        let whole = crate::model::PixelRect {
            x: 0,
            y: 0,
            width: size.width,
            height: size.height,
        };
        return Scene {
            background,
            slots: vec![SceneSlot {
                rect: whole,
                fit: crate::model::Fit::Stretch,
                pictures: None,
                slate: slates.get(&venue.name),
            }],
        };
    };
    let slots = layout.slots.iter().map(|slot| {
        let player = show.roles.get(&slot.role);
        let source = player.and_then(|id| sources.iter().find(|source| source.id() == id));
        let label = source.map_or(slot.role.as_str(), |source| &source.config.label);
        SceneSlot {
            rect: slot.rect.to_pixels(size.width, size.height),
            fit: slot.fit,
            pictures: source.map(|source| source.pictures.clone()),
            slate: slates.get(label),
        }
    });
    Scene {
        background: layout.background,
        slots: slots.collect(),
    }
}

fn registry(sources: &[Source], notes: &Notes) -> Arc<Registry> {
    let places = sources
        .iter()
        .filter_map(|source| match &source.config.kind {
            SourceKind::Push { key } => {
                Some((source.id().clone(), key.clone(), source.inlet.clone()))
            }
            _ => None,
        });
    Registry::new(places, notes.clone())
}

/// The programme, and every source that arrives encoded.
fn playable(programme: &Programme, sources: &[Source]) -> Vec<Playable> {
    let mut all = vec![Playable {
        path: MountPath::programme(),
        video: programme.video.clone(),
        audio: programme.audio.clone(),
    }];
    let encoded = sources.iter().filter(|source| source.is_encoded());
    all.extend(encoded.map(|source| Playable {
        path: MountPath::source(source.id()),
        video: source.inlet.video.clone(),
        audio: source.inlet.audio.clone(),
    }));
    all
}

/// A request that arrives while the engine ends.
pub(crate) fn refused_while_stopping() -> Reply {
    Reply::Refused(Refused::new("stopping", "the engine is ending"))
}

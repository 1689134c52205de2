//! The engine's start: everything is built, then set going.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use crate::devices;
use crate::discovery::{Announcer, Card};
use crate::ingest::{PlaceConfig, Registry, rtmp, srt};
use crate::model::device::Change;
use crate::model::show::{Cast, SourceSetting};
use crate::model::{Gain, Layout, MountPath, Phrase, Said, Scope, Severity, ShowState, SourceId};
use crate::relay::{Playable, Relay};
use crate::venue::{DeskConfig, SourceConfig, SourceKind, Venue};

use super::actor::Actor;
use super::alarm::{self, Alarms};
use super::calibration::Calibrator;
use super::deaf::Deaf;
use super::desk::Desk;
use super::encoder;
use super::feed::Media;
use super::ledger::{Ledger, wall_clock};
use super::memory::{self, Memory, Recalled};
use super::monitor::Monitors;
use super::music::Music;
use super::netlink::Network;
use super::note::{Note, Notes, Protocol};
use super::output::Output;
use super::overload::Overload;
use super::programme::{Programme, mean_behind};
use super::report::Figures;
use super::slate::Slates;
use super::source::Source;
use super::stage::{preview_scene, scene};
use super::supervise::EncoderSeat;
use super::timebase::Timebase;
use super::{StartEngineError, Surroundings};

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
            let said = Said {
                happened: Phrase::new("The saved show was damaged; it lies in {file} now.")
                    .with("file", aside.display().to_string()),
                doing: Phrase::new("The show has started with the venue file's settings."),
                advice: Phrase::new("Check layout, roles and gains."),
            };
            ledger.raise(Scope::State, "damaged", Severity::Warning, said, reason);
        }
        if let Recalled::Show(saved) = recalled {
            show.recall(saved, &cast);
            if show.return_if_due(wall_clock()).is_some() {
                tracing::info!("the slate's time came while the engine was down");
            }
        }
        let choice = encoder::choose(&venue.programme).map_err(StartEngineError::NoEncoder)?;
        let timebase = Timebase::start();
        let mut sources: Vec<Source> = (venue.sources.iter())
            .map(|config| Source::new(config.clone(), &timebase, notes.clone()))
            .collect();
        for source in &mut sources {
            source.mean_behind = mean_behind(&venue.programme);
        }
        let mut slates = Slates::new(&venue, notes.clone());
        let scene = scene(&venue, &cast, &show, &sources, &mut slates);
        let pictures = sources
            .iter()
            .map(|source| source.pictures.clone())
            .collect();
        let sounds = sources.len() + usize::from(venue.desk.is_some());
        let mut programme = Programme::new(&venue.programme, &timebase, pictures, sounds, scene);
        programme.set_silence(alarm::silence_levels(&venue));
        let next = preview_scene(&venue, &cast, &show, &sources, &mut slates);
        let monitors = Monitors::start(&venue.programme, &programme, &sources, next)?;
        let outputs = (0..)
            .zip(&venue.outputs)
            .map(|(number, config)| {
                let (video, audio) = (&programme.video, &programme.audio);
                let config = config.clone();
                Output::new(config, number, video, audio, &timebase, notes.clone())
            })
            .collect();
        let registry = registry(&sources, &notes);
        let playable = playable(&programme, &sources);
        // Before the doors open: a start forgets what flows.
        for source in &mut sources {
            source.start(Instant::now());
        }
        let relay = Relay::start(
            venue.relay.clone(),
            playable,
            registry.clone(),
            timebase.clone(),
            notes.clone(),
        )?;
        let rtmp = rtmp::Door::start(&venue.ingest, registry.clone(), notes.clone())?;
        let srt = venue.ingest.srt.map(|listen| {
            srt::Door::start(listen, registry.clone(), timebase.clone(), notes.clone())
        });
        let srt = srt.transpose()?;
        let behind = mean_behind(&venue.programme);
        let desk =
            (venue.desk.clone()).map(|config| Desk::new(config, &timebase, notes.clone(), behind));
        let music = venue.slate.music.as_ref();
        let music = music.map(|config| Music::new(config, &timebase, notes.clone()));
        let announcer = announcer(&venue);
        let memory = Memory::start(state, notes.clone())?;
        let devices = watch_devices(notes.clone());
        let mut actor = Self {
            figures: Figures::new(),
            venue,
            cast,
            show,
            sources,
            outputs,
            network: Network::open(),
            programme,
            monitors,
            relay,
            _rtmp: rtmp,
            srt,
            doors: registry,
            guests: HashMap::new(),
            passing: Vec::new(),
            relay_problem: Some("starting".to_owned()),
            deaf: Deaf::default(),
            announcer,
            overload: Overload::new(choice.codec),
            choice,
            ledger,
            alarms: Alarms::default(),
            calibrator: Calibrator::default(),
            started: wall_clock(),
            on_air_since: None,
            video: EncoderSeat::default(),
            audio: EncoderSeat::default(),
            slates,
            desk,
            music,
            memory,
            _devices: devices,
            timebase,
            notes,
            subscribers: Vec::new(),
            published: None,
            pulse: None,
            turns: Arc::default(),
            surroundings: Surroundings::default(),
            save_again: None,
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
        self.tune_sources(None);
        self.note_roles();
        if self.choice.second_best {
            let said = Said {
                happened: Phrase::new("The encoder {encoder} does not work here.")
                    .with("encoder", self.venue.programme.encoder.name()),
                doing: Phrase::new("The programme is encoded by x264 on the processor."),
                advice: Phrase::new("Check the driver, or set encoder = \"auto\"."),
            };
            let detail = self.choice.reason.clone();
            self.raise(Scope::Programme, "encoder", Severity::Notice, said, &detail);
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
}

/// Tells the network of the room, where the venue wants that.
fn announcer(venue: &Venue) -> Option<Announcer> {
    let ingest = &venue.ingest;
    let rtmps = ingest.rtmps.as_ref().map(|tls| tls.listen);
    let doors = [
        (Protocol::Rtmp, ingest.rtmp),
        (Protocol::Rtmps, rtmps),
        (Protocol::Srt, ingest.srt),
    ];
    let reached = doors.into_iter().filter_map(|(protocol, listen)| {
        let listen = listen.filter(|listen| !listen.ip().is_loopback())?;
        Some((protocol.scheme(), listen.port()))
    });
    let card = venue.discovery.announce.then(|| Card {
        name: venue.name.clone(),
        relay: venue.relay.listen,
        guarded: venue.relay.guard.is_some(),
        ingest: reached.collect(),
    });
    Announcer::new(&card?)
        .inspect_err(|error| tracing::info!("the room is not announced: {error}"))
        .ok()?
}

/// Has every arrival and departure told to the engine thread.
fn watch_devices(notes: Notes) -> Option<devices::Watch> {
    let watch = devices::watch(move |change| match change {
        // Sources look for themselves when they start.
        Change::Present { .. } => {}
        change => notes.send(Note::Device(change)),
    });
    let told = watch.inspect_err(|error| {
        tracing::warn!("cards that come and go will not be noticed at once: {error}");
    });
    told.ok()
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

pub(super) fn setting_of(config: &SourceConfig) -> SourceSetting {
    SourceSetting {
        gain: Gain::from_db(config.gain).unwrap_or(Gain::UNITY),
        mute: config.mute,
        delay_ms: config.delay.as_millis() as u32,
    }
}

pub(super) fn setting_of_desk(config: &DeskConfig) -> SourceSetting {
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
    let mut roles = BTreeMap::new();
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
        slate_until: None,
        roles,
        sources: (venue.sources.iter())
            .map(|s| (s.id.clone(), setting_of(s)))
            .chain((venue.desk.iter()).map(|desk| (SourceId::desk(), setting_of_desk(desk))))
            .collect(),
        outputs: (venue.outputs.iter())
            .map(|o| (o.id.clone(), o.enabled))
            .collect(),
    }
}

fn registry(sources: &[Source], notes: &Notes) -> Arc<Registry> {
    let places = sources
        .iter()
        .filter_map(|source| match &source.config.kind {
            SourceKind::Push { key } => Some(PlaceConfig {
                id: source.id().clone(),
                key: key.clone(),
                inlet: source.inlet.clone(),
                guest: source.config.guest.is_some(),
            }),
            _ => None,
        });
    Registry::open(places, notes.clone())
}

/// The programme, and every source that arrives encoded.
fn playable(programme: &Programme, sources: &[Source]) -> Vec<Playable> {
    let mut all = vec![Playable {
        path: MountPath::programme(),
        video: programme.video.clone(),
        audio: programme.audio.clone(),
        always: true,
    }];
    let encoded = sources.iter().filter(|source| source.is_encoded());
    all.extend(encoded.map(|source| Playable {
        path: MountPath::source(source.id()),
        video: source.inlet.video.clone(),
        audio: source.inlet.audio.clone(),
        always: false,
    }));
    all
}

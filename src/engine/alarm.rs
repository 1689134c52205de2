//! Alarms: what is wrong with picture or sound although they arrive. The engine thread asks ten times
//! a second what the meters measure and which picture is shown, and now and then looks at that one;
//! what it finds are faults, and words in the status.
//!
//! Not every source is to move and to be heard all the time: slides stand still for minutes, and
//! their laptop has nothing to say. See [`Nature`].

mod latch;
mod picture;
mod sound;

use std::time::Instant;

use crate::model::{Alarm, Phrase, Said, Scope, Severity, SlateSound, SourceId};
use crate::monitor::Levels;
use crate::venue::{Limit, SourceConfig, SourceKind, Venue};

use super::actor::Actor;
use super::grid::Grid;
use super::source::{Source, SourceState};

use picture::{POINTS, PictureWatch, Sight};
use sound::SoundWatch;

/// Every so manieth time pictures are looked at: twice a second.
const LOOK: u32 = 5;

/// What a source is, so what is to be expected of it where the venue file does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Nature {
    /// Plays the speaker, or comes from a camera in the network: moves and is heard.
    Camera,
    /// A laptop or a card that plays nobody in particular: is heard, may stand still.
    Laptop,
    /// Plays the slides, as a file may: may stand still and be silent.
    Slides,
    /// A still: only that it arrives can be expected.
    Still,
}

impl Nature {
    /// By what it plays now, else by the role that it has in the venue file, else by its kind.
    fn of(config: &SourceConfig, plays: impl Fn(&str) -> bool) -> Self {
        let configured =
            |role: &str| (config.role.as_ref()).is_some_and(|own| own.as_str() == role);
        match config.kind {
            SourceKind::Image { .. } => Self::Still,
            SourceKind::File { .. } => Self::Slides,
            _ if plays("slides") => Self::Slides,
            _ if plays("speaker") => Self::Camera,
            _ if configured("slides") => Self::Slides,
            _ if configured("speaker") => Self::Camera,
            // What a card shows may be a laptop's slides.
            SourceKind::Push { .. } | SourceKind::Capture(_) => Self::Laptop,
            _ => Self::Camera,
        }
    }
}

/// All that is watched. Owned by the engine thread.
#[derive(Debug)]
pub(super) struct Alarms {
    mix: SoundWatch,
    programme: PictureWatch,
    of_programme: Vec<Alarm>,
    desk: SoundWatch,
    of_desk: Vec<Alarm>,
    sources: Vec<SourceWatch>,
    /// Kept: of the last look.
    levels: Vec<Levels>,
    grid: Grid,
    asked: u32,
}

#[derive(Debug)]
struct SourceWatch {
    id: SourceId,
    sound: SoundWatch,
    picture: PictureWatch,
    raised: Vec<Alarm>,
}

impl Default for Alarms {
    fn default() -> Self {
        Self {
            mix: SoundWatch::default(),
            programme: PictureWatch::default(),
            of_programme: Vec::new(),
            desk: SoundWatch::default(),
            of_desk: Vec::new(),
            sources: Vec::new(),
            levels: Vec::new(),
            grid: Grid::new(POINTS.0, POINTS.1),
            asked: 0,
        }
    }
}

impl Alarms {
    /// Those of the programme, as of now.
    pub(super) fn of_programme(&self) -> Vec<Alarm> {
        self.of_programme.clone()
    }

    /// Those of the audio desk, as of now.
    pub(super) fn of_desk(&self) -> Vec<Alarm> {
        self.of_desk.clone()
    }

    /// Those of a source, as of now.
    pub(super) fn of_source(&self, id: &SourceId) -> Vec<Alarm> {
        let watch = self.sources.iter().find(|watch| watch.id == *id);
        watch.map_or(Vec::new(), |watch| watch.raised.clone())
    }
}

/// What is quieter is silence, in dB of full scale: of the mix, then of the sources, then of the desk.
pub(super) fn silence_levels(venue: &Venue) -> Vec<f64> {
    let usual = venue.alarms.silence_level;
    let sources = venue.sources.iter();
    let sources = sources.map(|source| source.alarms.silence_level.unwrap_or(usual));
    let desk = venue.desk.iter().map(|_| usual);
    std::iter::once(usual).chain(sources).chain(desk).collect()
}

impl Actor {
    /// Ten times a second: what is wrong is raised, what is over is cleared.
    pub(super) fn look_after_alarms(&mut self, now: Instant) {
        let mut alarms = std::mem::take(&mut self.alarms);
        alarms.asked = alarms.asked.wrapping_add(1);
        self.programme.board.read(&mut alarms.levels);
        self.watch_sources(&mut alarms, now);
        self.watch_desk(&mut alarms, now);
        self.watch_programme(&mut alarms, now);
        self.alarms = alarms;
    }

    fn watch_sources(&mut self, alarms: &mut Alarms, now: Instant) {
        for source in &self.sources[alarms.sources.len()..] {
            alarms.sources.push(SourceWatch {
                id: source.id().clone(),
                sound: SoundWatch::default(),
                picture: PictureWatch::default(),
                raised: Vec::new(),
            });
        }
        let shown = self.sources_heard();
        for index in 0..self.sources.len() {
            let source = &self.sources[index];
            let (levels, watch) = (alarms.levels.get(index + 1), &mut alarms.sources[index]);
            let roles = &self.show.roles;
            let plays = |name: &str| {
                let mut played = roles.iter().filter(|(_, player)| *player == source.id());
                played.any(|(role, _)| role.as_str() == name)
            };
            let nature = Nature::of(&source.config, plays);
            let (of_sound, of_picture) = limits(&self.venue, &source.config, nature);
            let muted = self
                .show
                .sources
                .get(source.id())
                .is_some_and(|own| own.mute);
            let heard = !muted && self.is_heard(source, &shown);
            let found_of_sound = watch.sound.look(now, levels.filter(|_| heard), of_sound);
            // Busy: it moves just now.
            let picture = match source.pictures.current() {
                Ok(picture) => picture.filter(|_| is_seen(source)),
                Err(_) => continue,
            };
            // Each at its own time.
            let due = (alarms.asked + index as u32).is_multiple_of(LOOK);
            let wanted = of_picture != picture::Limits::default();
            let sight = match picture {
                None => Sight::Nothing,
                Some(picture) if due && wanted && alarms.grid.look(&picture) => {
                    Sight::Look(&alarms.grid)
                }
                Some(_) => Sight::Something,
            };
            let found_of_picture = watch.picture.look(now, sight, of_picture);
            let scope = Scope::Source(source.id().clone());
            for (alarm, raised) in found_of_sound.into_iter().chain(found_of_picture) {
                let said = said_of_source(alarm, &self.sources[index].config);
                self.tell_alarm(&mut watch.raised, &scope, alarm, raised, said);
            }
        }
    }

    fn watch_desk(&mut self, alarms: &mut Alarms, now: Instant) {
        let Some(desk) = &self.desk else { return };
        let config = &self.venue.alarms;
        let limits = sound::Limits {
            silence: config.silence.value(),
            clipping: config.clipping.value(),
        };
        let levels = alarms.levels.get(self.sources.len() + 1);
        let setting = self.show.sources.get(&SourceId::desk());
        let muted = setting.is_some_and(|own| own.mute);
        let heard = self.is_desk_heard() && !muted;
        let label = desk.config.label.clone();
        for (alarm, raised) in alarms.desk.look(now, levels.filter(|_| heard), limits) {
            let said = said_of_desk(alarm, &label);
            self.tell_alarm(&mut alarms.of_desk, &Scope::Desk, alarm, raised, said);
        }
    }

    /// Whether the desk's sound arrives and is in the mix, but for fader and mute.
    fn is_desk_heard(&self) -> bool {
        (self.desk.as_ref()).is_some_and(|desk| {
            self.lets_through(desk.config.sound, !self.is_slate()) && desk.is_live()
        })
    }

    /// The same of a source.
    fn is_heard(&self, source: &Source, shown: &[SourceId]) -> bool {
        self.lets_through(source.config.sound, shown.contains(source.id()))
            && *source.state() == SourceState::Live
            && !source.formats().1.is_empty()
    }

    fn watch_programme(&mut self, alarms: &mut Alarms, now: Instant) {
        let config = &self.venue.alarms;
        let on_air = self.on_air_since.is_some();
        let is_slate = self.is_slate();
        let heard_anyway = self.venue.slate.sound == SlateSound::Programme && self.show.slate;
        let shown = self.sources_heard();
        let somebody = self.is_desk_heard()
            || (self.sources.iter()).any(|source| self.is_heard(source, &shown));
        let expected = on_air && somebody && (!is_slate || heard_anyway);
        let limits = sound::Limits {
            silence: config.silence.value(),
            clipping: config.clipping.value(),
        };
        let levels = alarms.levels.first().filter(|_| expected);
        let of_sound = alarms.mix.look(now, levels, limits);
        let glimpse = self.programme.glimpse.clone();
        let limits = picture::Limits {
            black: config.black.value(),
            // Slides stand still, and the programme with them.
            frozen: None,
        };
        let expected = on_air && !is_slate && limits.black.is_some();
        // Open for a tenth of a second at a time, twice a second: no more frames are held for long.
        let frame = glimpse.newest().filter(|_| expected);
        glimpse.set_open(expected && alarms.asked.is_multiple_of(LOOK));
        let sight = match frame {
            _ if !expected => Sight::Nothing,
            Some(frame) if alarms.grid.look(&frame) => Sight::Look(&alarms.grid),
            _ => Sight::Something,
        };
        let of_picture = alarms.programme.look(now, sight, limits);
        for (alarm, raised) in of_sound.into_iter().chain(of_picture) {
            let (known, said) = (&mut alarms.of_programme, said_of_programme(alarm));
            self.tell_alarm(known, &Scope::Programme, alarm, raised, said);
        }
    }

    /// Raises or clears it where that is new.
    fn tell_alarm(
        &mut self,
        known: &mut Vec<Alarm>,
        scope: &Scope,
        alarm: Alarm,
        raised: bool,
        said: Said,
    ) {
        if known.contains(&alarm) == raised {
            return;
        }
        if !raised {
            known.retain(|own| *own != alarm);
            self.clear(scope, alarm.code());
            return;
        }
        known.push(alarm);
        known.sort_unstable();
        let severity = match scope {
            Scope::Programme => severity_on_air(alarm),
            _ => Severity::Warning,
        };
        self.raise(scope.clone(), alarm.code(), severity, said, "");
    }
}

/// Whether its picture is shown where it has a slot.
fn is_seen(source: &Source) -> bool {
    *source.state() == SourceState::Live && source.has_picture()
}

fn limits(
    venue: &Venue,
    config: &SourceConfig,
    nature: Nature,
) -> (sound::Limits, picture::Limits) {
    let (usual, own) = (&venue.alarms, &config.alarms);
    let moves = nature == Nature::Camera;
    // Where there is a desk, the room is heard by it, and cameras send a track that nobody feeds.
    let speaks = matches!(nature, Nature::Camera | Nature::Laptop) && venue.desk.is_none();
    let lights = nature != Nature::Still;
    fn chosen<T: Copy>(own: Option<Limit<T>>, usual: Limit<T>, expected: bool) -> Option<T> {
        match own {
            Some(own) => own.value(),
            None => usual.value().filter(|_| expected),
        }
    }
    (
        sound::Limits {
            silence: chosen(own.silence, usual.silence, speaks),
            clipping: chosen(own.clipping, usual.clipping, true),
        },
        picture::Limits {
            black: chosen(own.black, usual.black, lights),
            frozen: chosen(own.frozen, usual.frozen, moves),
        },
    )
}

/// The audience's picture or sound is gone, or merely not good.
fn severity_on_air(alarm: Alarm) -> Severity {
    match alarm {
        Alarm::Silent | Alarm::Black => Severity::Serious,
        Alarm::Clipping | Alarm::Frozen => Severity::Warning,
    }
}

fn said_of_source(alarm: Alarm, config: &SourceConfig) -> Said {
    let pushed = matches!(config.kind, SourceKind::Push { .. });
    let (happened, doing, advice) = match alarm {
        Alarm::Silent => (
            Phrase::new("{source} is silent."),
            Phrase::new("It stays in the mix as it is."),
            if pushed {
                Phrase::new(
                    "Check the microphone, and which one the laptop uses; else mute it here.",
                )
            } else {
                Phrase::new("Check its microphone, its battery and its cable; else mute it here.")
            },
        ),
        Alarm::Clipping => (
            Phrase::new("{source} is too loud: its sound is distorted."),
            Phrase::new("It is mixed as it comes; a fader cannot mend it."),
            Phrase::new("Turn its level down where it comes from."),
        ),
        Alarm::Black => (
            Phrase::new("{source} shows nothing but black."),
            Phrase::new("It is shown as it comes."),
            if pushed {
                Phrase::new("Check the screen or the camera of the laptop.")
            } else {
                Phrase::new("Check the camera's cap, its power and what it is connected to.")
            },
        ),
        Alarm::Frozen => (
            Phrase::new("{source}: its picture stands still."),
            Phrase::new("It is shown as it comes."),
            Phrase::new(
                "Check the camera, or switch it off and on; take another layout meanwhile.",
            ),
        ),
    };
    Said {
        happened: happened.with("source", &config.label),
        doing,
        advice,
    }
}

fn said_of_desk(alarm: Alarm, label: &str) -> Said {
    match alarm {
        Alarm::Clipping => Said {
            happened: Phrase::new("{source} is too loud: its sound is distorted.")
                .with("source", label),
            doing: Phrase::new("It is mixed as it comes; a fader cannot mend it."),
            advice: Phrase::new("Turn its level down where it comes from."),
        },
        Alarm::Silent | Alarm::Black | Alarm::Frozen => Said {
            happened: Phrase::new("{source} is silent.").with("source", label),
            doing: Phrase::new("It stays in the mix as it is."),
            advice: Phrase::new(
                "Check its output to regie, its mutes and its faders; else mute it here.",
            ),
        },
    }
}

fn said_of_programme(alarm: Alarm) -> Said {
    let (happened, doing, advice) = match alarm {
        Alarm::Silent => (
            Phrase::new("The programme is silent: viewers hear nothing."),
            Phrase::new("The picture goes on."),
            Phrase::new("Check the microphones, then mutes and faders."),
        ),
        Alarm::Clipping => (
            Phrase::new("The programme is too loud: its sound is distorted."),
            Phrase::new("Its peaks are cut off."),
            Phrase::new("Pull faders down until the meter stays below the red."),
        ),
        Alarm::Black | Alarm::Frozen => (
            Phrase::new("The programme is black: viewers see nothing."),
            Phrase::new("The sound goes on."),
            Phrase::new("Take another layout, or check the source that is shown."),
        ),
    };
    Said {
        happened,
        doing,
        advice,
    }
}

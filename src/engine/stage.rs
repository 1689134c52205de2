//! What the programme shows and sounds like for a state of the show.

use std::time::{Duration, Instant};

use crate::model::layout::DEFAULT_BACKGROUND;
use crate::model::show::Cast;
use crate::model::{
    Fit, Layout, Phrase, PixelRect, Said, Scope, Severity, ShowState, SlateSound, SourceId,
};
use crate::venue::{SoundPolicy, Venue};

use super::actor::Actor;
use super::ledger::wall_clock;
use super::mix::MixInput;
use super::music;
use super::note::MusicNote;
use super::opening::{setting_of, setting_of_desk};
use super::programme::{Scene, SceneSlot, sound_lag};
use super::slate::{Slate, Slates};
use super::source::Source;
use super::wording::foreign;

impl Actor {
    /// Hands gains and delays to where they take effect at once. Sources that are heard from now on,
    /// or no more, come and go in the time of `fade`, else at once or with the fade that is under
    /// way.
    pub(super) fn tune_sources(&mut self, fade: Option<Duration>) {
        let pause = self.is_slate();
        let silent = self.is_hushed();
        let shown = self.sources_heard();
        let mut inputs = Vec::with_capacity(self.sources.len() + 2);
        for source in &self.sources {
            let setting = self.show.sources.get(source.id());
            let setting = setting
                .copied()
                .unwrap_or_else(|| setting_of(&source.config));
            let delay = Duration::from_millis(u64::from(setting.delay_ms));
            source.pictures.set_delay(delay.as_nanos() as u64);
            let heard = self.lets_through(source.config.sound, shown.contains(source.id()));
            inputs.push(MixInput {
                samples: source.samples.clone(),
                heard,
                // Where music comes slowly, the room must be silent at once all the same.
                gain: if setting.mute || (silent && self.music.is_some()) {
                    0.0
                } else {
                    setting.gain.factor()
                },
                lag: sound_lag(&self.venue.programme, delay),
            });
        }
        self.add_desk(silent, &mut inputs);
        let fade = self.add_music(pause, &mut inputs, fade);
        self.programme.mix(inputs, fade);
    }

    /// The desk comes after the sources.
    fn add_desk(&self, silent: bool, inputs: &mut Vec<MixInput>) {
        let Some(desk) = &self.desk else {
            return;
        };
        let setting = self.show.sources.get(&SourceId::desk()).copied();
        let setting = setting.unwrap_or_else(|| setting_of_desk(&desk.config));
        inputs.push(MixInput {
            samples: desk.samples.clone(),
            heard: self.lets_through(desk.config.sound, !self.is_slate()),
            gain: if setting.mute || (silent && self.music.is_some()) {
                0.0
            } else {
                setting.gain.factor()
            },
            lag: sound_lag(
                &self.venue.programme,
                Duration::from_millis(u64::from(setting.delay_ms)),
            ),
        });
    }

    /// The music is the last input; where it comes or goes, that takes its time.
    fn add_music(
        &mut self,
        wanted: bool,
        inputs: &mut Vec<MixInput>,
        fade: Option<Duration>,
    ) -> Option<Duration> {
        let Some(music) = &mut self.music else {
            return fade;
        };
        let changes = music.is_wanted() != wanted;
        music.want(wanted, Instant::now());
        inputs.push(MixInput {
            samples: music.samples.clone(),
            heard: wanted,
            gain: music.gain,
            lag: 0,
        });
        if !changes {
            return fade;
        }
        if !wanted {
            // Nobody tries any more.
            self.clear(&Scope::Programme, "music");
        }
        fade.map(|fade| fade.max(music::FADE))
    }

    /// Ten times a second: the slate goes by itself, its music is looked after.
    pub(super) fn look_after_slate(&mut self, now: Instant) {
        if let Some(music) = &mut self.music {
            music.poll(now);
        }
        if let Some(change) = self.show.return_if_due(wall_clock()) {
            tracing::info!("the slate goes by itself");
            self.carry_out(&change);
            self.memory.keep(&self.show, None);
        }
    }

    /// The music's thread has something to say.
    pub(super) fn on_music(&mut self, run: u64, note: MusicNote, now: Instant) {
        let Some(music) = &mut self.music else {
            return;
        };
        match note {
            MusicNote::Plays if music.is_now(run) => self.clear(&Scope::Programme, "music"),
            MusicNote::Broke(reason) if music.on_broken(run, now) => {
                let said = Said {
                    happened: Phrase::new("The slate's music cannot be played: {reason}.")
                        .with("reason", foreign(&reason)),
                    doing: Phrase::new("The slate is silent; the file is tried again every 3 s."),
                    advice: Phrase::new(
                        "Check the file, or name another as slate.music in the venue file.",
                    ),
                };
                let severity = Severity::Warning;
                self.raise(Scope::Programme, "music", severity, said, &reason);
            }
            MusicNote::Plays | MusicNote::Broke(_) => {}
        }
    }

    /// The venue's picture is of no use.
    pub(super) fn on_slate_picture(&mut self, reason: &str) {
        let said = Said {
            happened: Phrase::new("The slate's picture cannot be shown."),
            doing: Phrase::new("A drawn slate takes its place."),
            advice: Phrase::new(
                "Check slate.picture in the venue file, then restart the engine in a break.",
            ),
        };
        let severity = Severity::Warning;
        self.raise(Scope::Programme, "slate-picture", severity, said, reason);
    }

    /// Whether viewers see and hear a pause: the slate, or a layout that shows nobody.
    pub(super) fn is_slate(&self) -> bool {
        (self.show.on_air(&self.cast)).is_none_or(|layout| layout.slots.is_empty())
    }

    /// Whether what is on air has this sound, but for fader and mute; `shown`: its picture is on air, or
    /// it needs none.
    pub(super) fn lets_through(&self, policy: SoundPolicy, shown: bool) -> bool {
        match policy {
            SoundPolicy::Always => !self.is_hushed(),
            SoundPolicy::OnAir => shown,
            SoundPolicy::Off => false,
        }
    }

    /// Whether the slate is on, and nobody is to be heard: by sound = "programme" it is for the eye alone.
    pub(super) fn is_hushed(&self) -> bool {
        self.is_slate() && self.venue.slate.sound != SlateSound::Programme
    }

    /// Sources whose layout is heard.
    pub(super) fn sources_heard(&self) -> Vec<SourceId> {
        let layout = match self.venue.slate.sound {
            SlateSound::Programme => self.cast.layout(&self.show.programme),
            SlateSound::Mute | SlateSound::Music => self.show.on_air(&self.cast),
        };
        let slots = layout.map_or(&[][..], |layout| &layout.slots[..]);
        let played = slots
            .iter()
            .filter_map(|slot| self.show.roles.get(&slot.role));
        played.cloned().collect()
    }
}

/// What the programme shows for this state of the show.
pub(super) fn scene(
    venue: &Venue,
    cast: &Cast,
    show: &ShowState,
    sources: &[Source],
    slates: &mut Slates,
) -> Scene {
    let mut scene = scene_of(show.on_air(cast), venue, show, sources, slates);
    let until = show.slate_until.filter(|_| show.slate);
    if let Some(countdown) = slates.count_down(until) {
        scene.slots.push(SceneSlot {
            rect: countdown.rect(),
            fit: Fit::Stretch,
            pictures: Some(countdown.pictures().clone()),
            slate: Slate::default(),
            ornament: None,
        });
    }
    scene
}

/// What the programme would show after a take.
pub(super) fn preview_scene(
    venue: &Venue,
    cast: &Cast,
    show: &ShowState,
    sources: &[Source],
    slates: &mut Slates,
) -> Scene {
    scene_of(cast.layout(&show.preview), venue, show, sources, slates)
}

/// The layout, or the slate, with the sources that play its roles now, at the programme's size.
fn scene_of(
    layout: Option<&Layout>,
    venue: &Venue,
    show: &ShowState,
    sources: &[Source],
    slates: &mut Slates,
) -> Scene {
    let size = venue.programme.size;
    let background = layout.map_or(DEFAULT_BACKGROUND, |layout| layout.background);
    let layout = layout.filter(|layout| !layout.slots.is_empty());
    let Some(layout) = layout else {
        let whole = PixelRect {
            x: 0,
            y: 0,
            width: size.width,
            height: size.height,
        };
        return Scene {
            background,
            slots: vec![SceneSlot {
                rect: whole,
                fit: Fit::Stretch,
                pictures: None,
                slate: slates.whole(),
                ornament: None,
            }],
        };
    };
    let slots = layout.slots.iter().map(|slot| {
        let player = show.roles.get(&slot.role);
        let source = player.and_then(|id| sources.iter().find(|source| source.id() == id));
        let label = source.map(|source| source.config.label.as_str());
        let ornament = slates.ornaments.of(slot, label, size);
        let label = label.unwrap_or(slot.role.as_str());
        SceneSlot {
            rect: slot.rect.to_pixels(size.width, size.height),
            fit: slot.fit,
            pictures: source.map(|source| source.pictures.clone()),
            slate: slates.get(label),
            ornament,
        }
    });
    Scene {
        background,
        slots: slots.collect(),
    }
}

//! What the programme shows and sounds like for a state of the show.

use std::time::Duration;

use crate::model::layout::DEFAULT_BACKGROUND;
use crate::model::show::Cast;
use crate::model::{Fit, Layout, PixelRect, ShowState, SourceId};
use crate::venue::{SoundPolicy, Venue};

use super::actor::Actor;
use super::mix::MixInput;
use super::opening::setting_of;
use super::programme::{Scene, SceneSlot, sound_lag};
use super::slate::Slates;
use super::source::Source;

impl Actor {
    /// Hands gains and delays to where they take effect at once. Sources that are heard from now on,
    /// or no more, come and go in the time of `fade`, else at once or with the fade that is under
    /// way.
    pub(super) fn tune_sources(&mut self, fade: Option<Duration>) {
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
                heard,
                gain: if setting.mute {
                    0.0
                } else {
                    setting.gain.factor()
                },
                lag: sound_lag(&self.venue.programme, delay),
            });
        }
        self.programme.mix(inputs, fade);
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
}

/// What the programme shows for this state of the show.
pub(super) fn scene(
    venue: &Venue,
    cast: &Cast,
    show: &ShowState,
    sources: &[Source],
    slates: &mut Slates,
) -> Scene {
    scene_of(show.on_air(cast), venue, show, sources, slates)
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
        background,
        slots: slots.collect(),
    }
}

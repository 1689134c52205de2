//! What the engine thread does with the desk: its notes, its faults, its status.

use std::time::Instant;

use crate::engine::actor::Actor;
use crate::engine::ledger::wall_clock;
use crate::engine::note::DeskNote;
use crate::model::status::DeskStatus;
use crate::model::{Phrase, Said, Scope, Severity, SourceId};
use crate::venue::SourceKind;

use super::Trouble;

/// The word of the fault that sound is lost again and again.
const XRUNS: &str = "xruns";

impl Actor {
    /// The desk's session has something to say.
    pub(in crate::engine) fn on_desk(&mut self, run: u64, note: DeskNote, now: Instant) {
        if let Some(desk) = &mut self.desk {
            desk.on_note(run, note, now);
        }
        self.judge_desk(now);
    }

    /// Ten times a second.
    pub(in crate::engine) fn look_after_desk(&mut self, now: Instant) {
        let led = self.camera_led();
        if let Some(desk) = &mut self.desk {
            desk.samples.set_shift(led.unwrap_or(desk.mean_behind));
            desk.poll(now);
        }
        self.judge_desk(now);
    }

    /// How long after it is due the picture is shown that the desk's sound belongs to, in nanoseconds:
    /// known where the programme's ticks follow a camera, or whatever is alone on air. A laptop beside
    /// a camera says nothing of that one.
    fn camera_led(&self) -> Option<i64> {
        let led = (self.sources.iter()).find(|source| source.pictures.behind().is_some())?;
        let kind = &led.config.kind;
        let camera = matches!(kind, SourceKind::Capture(_) | SourceKind::Pull { .. });
        let mut others = self.sources_heard().into_iter().filter(|id| id != led.id());
        (camera || others.next().is_none()).then(|| led.samples.shift())
    }

    /// Raises and clears the desk's faults.
    fn judge_desk(&mut self, now: Instant) {
        let Some(desk) = &mut self.desk else {
            return;
        };
        let (trouble, label) = (desk.trouble(now), desk.config.label.clone());
        let before = std::mem::replace(&mut desk.told, trouble);
        let detail = desk.state.detail().to_owned();
        let xruns = desk.xruns.take_change();
        if before != trouble {
            for old in Trouble::ALL.into_iter().filter(|old| Some(*old) != trouble) {
                self.clear(&Scope::Desk, old.code());
            }
            if let Some(trouble) = trouble {
                let (code, said) = (trouble.code(), trouble.said(&label));
                self.raise(Scope::Desk, code, Severity::Serious, said, &detail);
            }
        }
        match xruns {
            Some(Some(count)) => {
                let said = Said {
                    happened: Phrase::new(
                        "{desk}: short pieces of its sound are lost ({count} of late).",
                    )
                    .with("desk", &label)
                    .with("count", count.to_string()),
                    doing: Phrase::new("Each gap is faded over; nothing else is lost."),
                    advice: Phrase::new(
                        "Free the machine of other work, or plug the desk into another USB port.",
                    ),
                };
                self.raise(Scope::Desk, XRUNS, Severity::Notice, said, "");
            }
            Some(None) => self.clear(&Scope::Desk, XRUNS),
            None => {}
        }
    }

    /// The desk as clients see it.
    pub(in crate::engine) fn desk_status(&self) -> Option<DeskStatus> {
        let desk = self.desk.as_ref()?;
        let state = desk.state.word();
        let before = self.last_snapshot().and_then(|last| last.desk.as_ref());
        let since = before
            .filter(|own| own.state == state)
            .map_or_else(wall_clock, |own| own.since);
        let reason = desk.reason();
        let setting = self.show.sources.get(&SourceId::desk());
        let figures = desk.figures();
        Some(DeskStatus {
            label: desk.config.label.clone(),
            state: state.to_owned(),
            since,
            reason: reason.to_string(),
            reason_said: reason,
            device: desk.config.device.clone(),
            sound: desk.sound.clone(),
            channels: desk.config.channels,
            gain_db: setting.map_or(0.0, |setting| setting.gain.db()),
            mute: setting.is_some_and(|setting| setting.mute),
            delay_ms: setting.map_or(0, |setting| setting.delay_ms),
            xruns: figures.xruns,
            drift_ppm: figures.drift_ppm,
            latency_ms: figures.latency.as_millis() as u64,
            connects: desk.connects(),
            alarms: self.alarms.of_desk(),
        })
    }
}

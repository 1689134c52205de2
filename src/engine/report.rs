//! The engine's state as clients see it, and what of it has changed.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::model::status::{
    BusStatus, OutputStatus, ProgrammeStatus, RelayStatus, ShowStatus, SlotStatus, SourceStatus,
    Tally,
};
use crate::model::{Event, LayoutId, OutputId, Snapshot, SourceId};
use crate::relay::Relay;

use super::actor::Actor;
use super::ledger::wall_clock;
use super::output::Output;
use super::programme::{Counters, Programme};
use super::source::Source;

/// Figures that change all the time, as last looked at: clients are told once a second.
#[derive(Debug)]
pub(super) struct Figures {
    next: Option<Instant>,
    looked: Instant,
    programme: Counters,
    source_frames: HashMap<SourceId, u64>,
    outputs: HashMap<OutputId, OutputFigures>,
    clients: u64,
    players: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct OutputFigures {
    bytes: u64,
    bit_rate: u64,
    sent: u64,
    lost: u64,
    behind: Duration,
}

impl Figures {
    pub(super) fn new() -> Self {
        Self {
            next: None,
            looked: Instant::now(),
            programme: Counters {
                frames: 0,
                late: 0,
                dropped: 0,
            },
            source_frames: HashMap::new(),
            outputs: HashMap::new(),
            clients: 0,
            players: 0,
        }
    }

    /// Whether it is time for a look; the next is `period` later.
    pub(super) fn is_due(&mut self, now: Instant, period: Duration) -> bool {
        let due = self.next.is_none_or(|next| now >= next);
        if due {
            self.next = Some(now + period);
        }
        due
    }

    pub(super) fn refresh(
        &mut self,
        now: Instant,
        sources: &[Source],
        outputs: &[Output],
        programme: &Programme,
        relay: &Relay,
    ) {
        let seconds = now.duration_since(self.looked).as_secs_f64().max(0.001);
        self.looked = now;
        self.programme = programme.counters();
        self.clients = relay.clients();
        self.players = relay.players();
        for source in sources {
            self.source_frames
                .insert(source.id().clone(), source.pictures.pushed());
        }
        for output in outputs {
            let figures = self.outputs.entry(output.config.id.clone()).or_default();
            let bytes = output.bytes();
            // A new session counts from zero.
            let grown = bytes.checked_sub(figures.bytes).unwrap_or(bytes);
            let (sent, lost) = output.frames();
            *figures = OutputFigures {
                bytes,
                bit_rate: (grown as f64 * 8.0 / seconds) as u64,
                sent,
                lost,
                behind: output.behind(),
            };
        }
    }
}

impl Actor {
    /// Everything, as of now.
    pub(super) fn snapshot(&self) -> Snapshot {
        let show = self.show_status();
        let sources = self
            .sources
            .iter()
            .map(|source| self.source_status(source, &show));
        Snapshot {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            venue: self.venue.name.clone(),
            language: (self.venue.language).map(|tongue| tongue.code().to_owned()),
            started: self.started,
            on_air_since: self.on_air_since,
            encoding: self.programme_status(),
            slate_sound: self.venue.slate.sound,
            layouts: self.cast.layouts.clone(),
            sources: sources.collect(),
            outputs: self
                .outputs
                .iter()
                .map(|output| self.output_status(output))
                .collect(),
            relay: RelayStatus {
                state: if self.relay_problem.is_none() {
                    "listening"
                } else {
                    "waiting"
                }
                .to_owned(),
                listen: self.venue.relay.listen.to_string(),
                clients: self.figures.clients,
                players: self.figures.players,
            },
            desk: self.desk_status(),
            calibration: self.calibrator.last(),
            recordings: Vec::new(),
            faults: self.ledger.all().to_vec(),
            show,
        }
    }

    fn show_status(&self) -> ShowStatus {
        let on_air = if self.show.slate { "slate" } else { "on-air" };
        let roles = self.cast.roles.iter();
        ShowStatus {
            programme: self.bus_status(&self.show.programme, on_air),
            preview: self.bus_status(&self.show.preview, "prepared"),
            slate: self.show.slate,
            slate_until: self.show.slate_until,
            roles: roles
                .map(|role| (role.clone(), self.show.roles.get(role).cloned()))
                .collect(),
        }
    }

    fn bus_status(&self, layout: &LayoutId, state: &str) -> BusStatus {
        let slots = self
            .cast
            .layout(layout)
            .map_or(&[][..], |layout| &layout.slots[..]);
        let slots = slots.iter().map(|slot| {
            let player = self.show.roles.get(&slot.role);
            let source = player.and_then(|id| self.sources.iter().find(|source| source.id() == id));
            SlotStatus {
                role: slot.role.clone(),
                source: player.cloned(),
                live: source.is_some_and(Source::has_picture),
            }
        });
        BusStatus {
            state: state.to_owned(),
            layout: layout.clone(),
            slots: slots.collect(),
        }
    }

    fn programme_status(&self) -> ProgrammeStatus {
        let config = &self.venue.programme;
        ProgrammeStatus {
            state: if self.programme.video.pushed() > 0 {
                "running"
            } else {
                "starting"
            }
            .to_owned(),
            size: config.size.to_string(),
            framerate: config.framerate.to_string(),
            encoder: self.choice.codec.name().to_owned(),
            encoder_reason: self.choice.reason.clone(),
            relief: self.overload.relief().word().to_owned(),
            frames: self.figures.programme.frames,
            late_frames: self.figures.programme.late,
            dropped_frames: self.figures.programme.dropped,
            alarms: self.alarms.of_programme(),
        }
    }

    fn source_status(&self, source: &Source, show: &ShowStatus) -> SourceStatus {
        let seen = |bus: &BusStatus| {
            bus.slots
                .iter()
                .any(|slot| slot.source.as_ref() == Some(source.id()))
        };
        let tally = if seen(&show.programme) && !show.slate {
            Tally::Programme
        } else if seen(&show.preview) {
            Tally::Preview
        } else {
            Tally::Off
        };
        let before = self.last_snapshot();
        let before = before.and_then(|last| last.sources.iter().find(|own| own.id == *source.id()));
        let state = source.state().word();
        let since = before
            .filter(|own| own.state == state)
            .map_or_else(wall_clock, |own| own.since);
        let reason = source.reason();
        let (picture, sound) = source.formats();
        let setting = self.show.sources.get(source.id());
        SourceStatus {
            id: source.id().clone(),
            label: source.config.label.clone(),
            kind: source.config.kind.name().to_owned(),
            state: state.to_owned(),
            since,
            reason: reason.to_string(),
            reason_said: reason,
            tally,
            has_picture: source.has_picture(),
            picture,
            sound,
            gain_db: setting.map_or(0.0, |setting| setting.gain.db()),
            mute: setting.is_some_and(|setting| setting.mute),
            delay_ms: setting.map_or(0, |setting| setting.delay_ms),
            alarms: self.alarms.of_source(source.id()),
            frames: self
                .figures
                .source_frames
                .get(source.id())
                .copied()
                .unwrap_or(0),
            connects: source.connects(),
            publisher: self.publisher_status(source),
            guest: source.config.guest,
            hidden: self.is_hidden(source),
        }
    }

    fn output_status(&self, output: &Output) -> OutputStatus {
        let id = &output.config.id;
        let before = self.last_snapshot();
        let before = before.and_then(|last| last.outputs.iter().find(|own| own.id == *id));
        let state = output.state().word();
        let since = before
            .filter(|own| own.state == state)
            .map_or_else(wall_clock, |own| own.since);
        let figures = self.figures.outputs.get(id).copied().unwrap_or_default();
        OutputStatus {
            id: id.clone(),
            label: output.config.label.clone(),
            to: output.destination(),
            state: state.to_owned(),
            since,
            last_reason: output.last_reason().to_string(),
            last_reason_said: output.last_reason().clone(),
            bit_rate: if state == "publishing" {
                figures.bit_rate
            } else {
                0
            },
            sent_frames: figures.sent,
            lost_frames: figures.lost,
            reconnects: output.reconnects(),
            behind_ms: if state == "publishing" {
                figures.behind.as_millis() as u64
            } else {
                0
            },
        }
    }
}

/// The events that make `after` of `before`. (Faults are told when they are raised and cleared.)
pub(super) fn changes(before: &Snapshot, after: &Snapshot) -> Vec<Event> {
    let mut events = Vec::new();
    if before.show != after.show {
        events.push(Event::Show {
            show: after.show.clone(),
        });
    }
    if before.on_air_since != after.on_air_since {
        events.push(Event::OnAir {
            since: after.on_air_since,
        });
    }
    if before.encoding != after.encoding {
        events.push(Event::Programme {
            programme: after.encoding.clone(),
        });
    }
    for (_, source) in before
        .sources
        .iter()
        .zip(&after.sources)
        .filter(|(old, new)| old != new)
    {
        events.push(Event::Source {
            source: source.clone(),
        });
    }
    for (_, output) in before
        .outputs
        .iter()
        .zip(&after.outputs)
        .filter(|(old, new)| old != new)
    {
        events.push(Event::Output {
            output: output.clone(),
        });
    }
    if before.desk != after.desk
        && let Some(desk) = &after.desk
    {
        events.push(Event::Desk { desk: desk.clone() });
    }
    if let Some(calibration) = &after.calibration
        && before.calibration != after.calibration
    {
        events.push(Event::Calibration {
            calibration: calibration.clone(),
        });
    }
    if before.relay != after.relay {
        events.push(Event::Relay {
            relay: after.relay.clone(),
        });
    }
    events
}

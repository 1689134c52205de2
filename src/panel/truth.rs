//! What the window says, made of the engine's snapshot: texts, marks and colours' names, without a
//! widget. Pure, so that it is tested without a display.

mod sources;

use crate::model::status::{OutputStatus, SourceStatus, Tally};
use crate::model::{
    Alarm, Fault, Layout, LayoutId, OutputId, RoleId, Scope, Severity, SlateSound, Snapshot,
};
use crate::tongue::Tongue;

pub use sources::{Source, desk, source_label, sources};

/// The engine as the window knows it.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Link {
    /// Nobody has answered yet, or the connection broke.
    #[default]
    Searching,
    /// The snapshot is true.
    Connected,
    /// The engine said that it ends.
    Stopped,
}

/// How something is, for a mark that is told by its shape as well as by its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mark {
    /// As it should be.
    Good,
    /// On its way.
    Busy,
    /// In trouble.
    Bad,
    /// Not wanted, or not known.
    #[default]
    Off,
}

impl Mark {
    /// Its sign.
    pub fn sign(self) -> &'static str {
        match self {
            Self::Good => "●",
            Self::Busy => "◐",
            Self::Bad => "▲",
            Self::Off => "■",
        }
    }

    /// Its style class in `style.css`.
    pub fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Busy => "busy",
            Self::Bad => "bad",
            Self::Off => "off",
        }
    }
}

/// The style class of a tally.
pub fn tally_class(tally: Tally) -> &'static str {
    match tally {
        Tally::Programme => "on-air",
        Tally::Preview => "prepared",
        Tally::Off => "idle",
    }
}

/// What one of the two big pictures says above itself.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Bus {
    /// The layout's name, or the slate's.
    pub layout: String,
    /// Whether the slate stands in.
    pub slate: bool,
}

/// One layout's button.
#[derive(Debug, Clone, PartialEq)]
pub struct LayoutButton {
    /// Which layout.
    pub layout: Layout,
    /// Its name.
    pub label: String,
    /// Where it is.
    pub tally: Tally,
    /// Whether it is the programme's, but the slate stands in for it.
    pub behind_slate: bool,
    /// Roles without a live source, in words; empty where all is well.
    pub missing: String,
}

/// One role and who plays it.
#[derive(Debug, Clone, PartialEq)]
pub struct Role {
    /// Which role.
    pub id: RoleId,
    /// Its name.
    pub label: String,
    /// Who plays it, or "nobody".
    pub player: String,
    /// Whether that source has a picture.
    pub live: bool,
}

/// One output.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// Which output.
    pub id: OutputId,
    /// Its name.
    pub label: String,
    /// State and figures, short.
    pub words: String,
    /// All of it, for the tooltip and the screen reader.
    pub detail: String,
    /// How it is.
    pub mark: Mark,
    /// Whether it is wanted.
    pub running: bool,
}

/// Whether viewers get the programme.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Air {
    /// Nothing is known.
    #[default]
    Unknown,
    /// No output is wanted, or none has published yet.
    Off,
    /// For so many seconds.
    On(u64),
    /// For so many seconds, but no output gets through now.
    Cut(u64),
}

/// The names of the built-in roles and layouts; the venue's own are shown as they are.
fn name(tongue: Tongue, text: &str) -> String {
    let text = match text {
        "slides" => tongue.tr("slides"),
        "speaker" => tongue.tr("speaker"),
        "Slides" => tongue.tr("Slides"),
        "Speaker" => tongue.tr("Speaker"),
        "Slides + speaker" => tongue.tr("Slides + speaker"),
        "Slides, speaker in a corner" => tongue.tr("Slides, speaker in a corner"),
        "Slate" => tongue.tr("Slate"),
        own => own,
    };
    text.to_owned()
}

/// The name of a role for people.
pub fn role_name(tongue: Tongue, role: &RoleId) -> String {
    name(tongue, role.as_str())
}

/// The name of a layout for people.
pub fn layout_name(tongue: Tongue, snapshot: &Snapshot, id: &LayoutId) -> String {
    let layout = snapshot.layouts.iter().find(|layout| layout.id == *id);
    layout.map_or_else(
        || id.to_string(),
        |layout| name(tongue, layout_label(layout)),
    )
}

fn layout_label(layout: &Layout) -> &str {
    if layout.label.is_empty() {
        layout.id.as_str()
    } else {
        &layout.label
    }
}

/// A span of time as people read it: `0:12`, `1:02:03`.
pub fn span(seconds: u64) -> String {
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    }
}

/// The time on air: `00:12:47`, of one width whatever the time.
pub fn on_air_time(seconds: u64) -> String {
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{hours:02}:{minutes:02}:{seconds:02}")
}

/// What the two pictures say.
pub fn buses(tongue: Tongue, snapshot: &Snapshot) -> (Bus, Bus) {
    let show = &snapshot.show;
    let programme = if show.slate {
        tongue.tr("Slate").to_owned()
    } else {
        layout_name(tongue, snapshot, &show.programme.layout)
    };
    let preview = layout_name(tongue, snapshot, &show.preview.layout);
    (
        Bus {
            layout: programme,
            slate: show.slate,
        },
        Bus {
            layout: preview,
            slate: false,
        },
    )
}

/// The slate as its button shows it: whether it is on, and how long for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Slate {
    /// Whether it stands in for the programme.
    pub on: bool,
    /// Until it goes by itself; empty where it does not.
    pub left: String,
}

/// The slate, at `now` in milliseconds since 1970.
pub fn slate(snapshot: &Snapshot, now: u64) -> Slate {
    let show = &snapshot.show;
    let until = show.slate_until.filter(|_| show.slate);
    let left = until.map(|until| span(until.saturating_sub(now).div_ceil(1000)));
    Slate {
        on: show.slate,
        left: left.unwrap_or_default(),
    }
}

/// Whether viewers hear nothing though they should.
pub fn is_mix_silent(snapshot: &Snapshot) -> bool {
    audible(snapshot) && snapshot.encoding.alarms.contains(&Alarm::Silent)
}

/// Whether the mix should be heard, so that silence is a trouble.
fn audible(snapshot: &Snapshot) -> bool {
    let show = &snapshot.show;
    let shows_nobody = show.programme.slots.is_empty();
    match snapshot.slate_sound {
        SlateSound::Mute => !show.slate && !shows_nobody,
        SlateSound::Music => true,
        SlateSound::Programme => !shows_nobody,
    }
}

/// Whether viewers get it, at `now` in milliseconds since 1970.
pub fn air(snapshot: &Snapshot, now: u64) -> Air {
    let outputs = &snapshot.outputs;
    let wanted = outputs.iter().any(|output| output.state != "stopped");
    let publishes = outputs.iter().any(|output| output.state == "publishing");
    let time = |since| now.saturating_sub(since) / 1000;
    match snapshot.on_air_since.map(time) {
        Some(seconds) if wanted && !publishes => Air::Cut(seconds),
        Some(seconds) => Air::On(seconds),
        None => Air::Off,
    }
}

/// Every layout.
pub fn layouts(tongue: Tongue, snapshot: &Snapshot) -> Vec<LayoutButton> {
    let show = &snapshot.show;
    let button = |layout: &Layout| {
        let tally = if is_unknown(snapshot) {
            Tally::Off
        } else if layout.id == show.programme.layout {
            Tally::Programme
        } else if layout.id == show.preview.layout {
            Tally::Preview
        } else {
            Tally::Off
        };
        let behind_slate = show.slate && tally == Tally::Programme;
        let mut missing: Vec<String> = Vec::new();
        for slot in &layout.slots {
            let name = role_name(tongue, &slot.role);
            let known = !is_unknown(snapshot);
            if known && !plays(snapshot, &slot.role) && !missing.contains(&name) {
                missing.push(name);
            }
        }
        let missing = match missing.as_slice() {
            [] => String::new(),
            all => tongue
                .tr("{role} missing")
                .replace("{role}", &all.join(", ")),
        };
        LayoutButton {
            layout: layout.clone(),
            label: name(tongue, layout_label(layout)),
            tally: if behind_slate { Tally::Off } else { tally },
            behind_slate,
            missing,
        }
    };
    snapshot.layouts.iter().map(button).collect()
}

/// Whether somebody with a picture plays the role.
fn plays(snapshot: &Snapshot, role: &RoleId) -> bool {
    let player = snapshot.show.roles.get(role).and_then(Option::as_ref);
    let source = player.and_then(|id| snapshot.sources.iter().find(|source| source.id == *id));
    source.is_some_and(has_picture)
}

fn has_picture(source: &SourceStatus) -> bool {
    source.state == "live" && source.has_picture
}

/// The longest trouble of a scope: it goes on while states change to and fro.
fn trouble<'a>(snapshot: &'a Snapshot, scope: &Scope) -> Option<&'a Fault> {
    let faults = snapshot.faults.iter().filter(|own| own.scope == *scope);
    faults.min_by_key(|fault| fault.since)
}

/// The snapshot of an engine that no longer answers: what exists, and nothing of how it is.
pub fn unknown(snapshot: &Snapshot) -> Snapshot {
    let mut unknown = snapshot.clone();
    unknown.on_air_since = None;
    unknown.show.slate = false;
    unknown.show.slate_until = None;
    unknown.show.programme.state = UNKNOWN.to_owned();
    for source in &mut unknown.sources {
        source.state = UNKNOWN.to_owned();
        source.tally = Tally::Off;
    }
    if let Some(desk) = &mut unknown.desk {
        desk.state = UNKNOWN.to_owned();
    }
    for output in &mut unknown.outputs {
        output.state = UNKNOWN.to_owned();
    }
    unknown.faults.clear();
    unknown
}

/// A state that no engine tells.
const UNKNOWN: &str = "unknown";

fn is_unknown(snapshot: &Snapshot) -> bool {
    snapshot.show.programme.state == UNKNOWN
}

/// Every role, in the venue's order of its layouts.
pub fn roles(tongue: Tongue, snapshot: &Snapshot) -> Vec<Role> {
    let mut ids: Vec<&RoleId> = Vec::new();
    let slots = snapshot.layouts.iter().flat_map(|layout| &layout.slots);
    for id in slots
        .map(|slot| &slot.role)
        .chain(snapshot.show.roles.keys())
    {
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    let role = |id: &RoleId| {
        let player = snapshot.show.roles.get(id).and_then(Option::as_ref);
        Role {
            id: id.clone(),
            label: role_name(tongue, id),
            player: match player {
                Some(player) => source_label(tongue, snapshot, player),
                None => tongue.tr("Nobody").to_owned(),
            },
            live: plays(snapshot, id),
        }
    };
    ids.into_iter().map(role).collect()
}

/// Every output, at `now` in milliseconds since 1970.
pub fn outputs(tongue: Tongue, snapshot: &Snapshot, now: u64) -> Vec<Output> {
    let output = |output: &OutputStatus| {
        let trouble = trouble(snapshot, &Scope::Output(output.id.clone()));
        let since = trouble.map_or(output.since, |fault| fault.since);
        let time = span(now.saturating_sub(since) / 1000);
        let lost = tongue.trn("{count} lost", "{count} lost", output.lost_frames);
        let since = tongue.tr("for {time}").replace("{time}", &time);
        let (mark, state) = match output.state.as_str() {
            "publishing" => (Mark::Good, bit_rate(tongue, output.bit_rate)),
            "stopped" => (Mark::Off, tongue.tr("Stopped").to_owned()),
            UNKNOWN => (Mark::Off, tongue.tr("not known").to_owned()),
            "connecting" if trouble.is_none() => (Mark::Busy, tongue.tr("Connecting").to_owned()),
            _ => (Mark::Bad, tongue.tr("Retrying").to_owned()),
        };
        let words = match mark {
            Mark::Off => state,
            _ => format!("{state} · {lost} · {since}"),
        };
        let reason = if mark == Mark::Good {
            String::new()
        } else {
            tongue.say(&output.last_reason_said)
        };
        let parts = [output.to.as_str(), words.as_str(), reason.as_str()];
        let detail: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        Output {
            id: output.id.clone(),
            label: output.label.clone(),
            detail: detail.join("\n"),
            words,
            mark,
            running: output.state != "stopped",
        }
    };
    snapshot.outputs.iter().map(output).collect()
}

/// Bits per second as people read them.
fn bit_rate(tongue: Tongue, bits: u64) -> String {
    let number = tongue.number(&format!("{:.1}", bits as f64 / 1e6));
    tongue.tr("{rate} Mb/s").replace("{rate}", &number)
}

/// The worst fault, then the newest: what the bar says.
pub fn worst(faults: &[Fault]) -> Option<&Fault> {
    faults.iter().max_by_key(|fault| {
        let severity = match fault.severity {
            Severity::Notice => 0,
            Severity::Warning => 1,
            Severity::Serious => 2,
        };
        (severity, fault.since)
    })
}

#[cfg(test)]
#[path = "truth/tests.rs"]
mod tests;

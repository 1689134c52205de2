//! What is said of sources, and of the desk, which is one without a picture.

use crate::model::status::{SlotStatus, SourceStatus, Tally};
use crate::model::{Alarm, Scope, Snapshot, SourceId};
use crate::tongue::Tongue;

use super::{Mark, UNKNOWN, role_name, span, trouble};

/// One source's tile, and its strip of sound.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// Which source.
    pub id: SourceId,
    /// Its name.
    pub label: String,
    /// The roles that it plays.
    pub roles: String,
    /// What it is, or why it is not: in words.
    pub words: String,
    /// The same, short enough to stand in its picture; empty while there is one.
    pub notice: String,
    /// What is wrong although it arrives, short enough to stand on its picture; empty where all is
    /// well.
    pub alarm: String,
    /// Where it is seen.
    pub tally: Tally,
    /// How it is.
    pub mark: Mark,
    /// Gain in dB.
    pub gain_db: f64,
    /// Whether it is silent.
    pub mute: bool,
    /// Shift in milliseconds.
    pub delay_ms: u32,
    /// Whether it sends sound.
    pub has_sound: bool,
    /// Whether laptops push to it.
    pub is_pushed: bool,
    /// Who does, and by what; empty while nobody does.
    pub publisher: String,
}

/// The name of a source for people.
pub fn source_label(tongue: Tongue, snapshot: &Snapshot, id: &SourceId) -> String {
    let source = snapshot.sources.iter().find(|source| source.id == *id);
    source.map_or_else(|| id.to_string(), |source| label_of(tongue, source))
}

/// The venue's own name for it; guests have none.
fn label_of(tongue: Tongue, source: &SourceStatus) -> String {
    match source.guest {
        Some(number) => tongue
            .tr("Guest {number}")
            .replace("{number}", &number.to_string()),
        None => source.label.clone(),
    }
}

/// Who pushes, and by what.
fn publisher(tongue: Tongue, source: &SourceStatus) -> String {
    let publisher = source.publisher.as_ref();
    publisher
        .filter(|_| source.state != UNKNOWN)
        .map_or(String::new(), |who| {
            tongue
                .tr("{protocol} from {address}")
                .replace("{protocol}", &who.protocol.to_uppercase())
                .replace("{address}", &who.address)
        })
}

/// Every source, at `now` in milliseconds since 1970.
pub fn sources(tongue: Tongue, snapshot: &Snapshot, now: u64) -> Vec<Source> {
    let roles_of = |id: &SourceId| {
        let played = snapshot.show.roles.iter();
        let played = played.filter(|(_, player)| player.as_ref() == Some(id));
        let names: Vec<String> = played.map(|(role, _)| role_name(tongue, role)).collect();
        names.join(", ")
    };
    let source = |source: &SourceStatus| {
        let shown = slot_of(snapshot, &source.id);
        let trouble = trouble(snapshot, &Scope::Source(source.id.clone()));
        let since = trouble.map_or(source.since, |fault| fault.since.min(source.since));
        let time = span(now.saturating_sub(since) / 1000);
        let (mut mark, notice, mut words) = source_words(tongue, source, shown, &time);
        let alarm = match source.state.as_str() {
            "live" => alarm_words(tongue, &source.alarms),
            _ => String::new(),
        };
        if !alarm.is_empty() {
            mark = Mark::Bad;
            let time = span(now.saturating_sub(trouble.map_or(now, |fault| fault.since)) / 1000);
            let text = tongue.tr("{alarm} for {time}");
            words = text.replace("{alarm}", &alarm).replace("{time}", &time);
        }
        Source {
            id: source.id.clone(),
            label: label_of(tongue, source),
            roles: roles_of(&source.id),
            words,
            notice,
            alarm,
            tally: source.tally,
            mark,
            gain_db: source.gain_db,
            mute: source.mute,
            delay_ms: source.delay_ms,
            has_sound: !source.sound.is_empty(),
            is_pushed: source.kind == "push",
            publisher: publisher(tongue, source),
        }
    };
    snapshot.shown_sources().map(source).collect()
}

/// The audio desk, as its strip shows it: a source without a picture.
pub fn desk(tongue: Tongue, snapshot: &Snapshot) -> Option<Source> {
    let desk = snapshot.desk.as_ref()?;
    let alarm = alarm_words(tongue, &desk.alarms);
    let (mark, words) = match desk.state.as_str() {
        UNKNOWN => (Mark::Off, tongue.tr("not known").to_owned()),
        "live" if !alarm.is_empty() => (Mark::Bad, alarm.clone()),
        "live" => (Mark::Good, desk.sound.clone()),
        _ => {
            let troubled = trouble(snapshot, &Scope::Desk).is_some();
            let mark = if troubled { Mark::Bad } else { Mark::Busy };
            (mark, tongue.say(&desk.reason_said))
        }
    };
    Some(Source {
        id: SourceId::desk(),
        label: match mark {
            Mark::Bad => format!("{} {}", mark.sign(), desk.label),
            _ => desk.label.clone(),
        },
        roles: String::new(),
        words,
        notice: String::new(),
        alarm,
        tally: Tally::Off,
        mark,
        gain_db: desk.gain_db,
        mute: desk.mute,
        delay_ms: desk.delay_ms,
        has_sound: desk.state == "live",
        is_pushed: false,
        publisher: String::new(),
    })
}

/// The slot of the programme that a source fills, where it fills one.
fn slot_of<'a>(snapshot: &'a Snapshot, id: &SourceId) -> Option<&'a SlotStatus> {
    let slots = &snapshot.show.programme.slots;
    slots.iter().find(|slot| slot.source.as_ref() == Some(id))
}

/// What is wrong with what arrives.
fn alarm_words(tongue: Tongue, alarms: &[Alarm]) -> String {
    let word = |alarm: &Alarm| match alarm {
        Alarm::Silent => tongue.tr("Silent"),
        Alarm::Clipping => tongue.tr("Too loud"),
        Alarm::Black => tongue.tr("Black picture"),
        Alarm::Frozen => tongue.tr("Picture stands still"),
    };
    let words: Vec<&str> = alarms.iter().map(word).collect();
    words.join(" · ")
}

/// How a source is: its mark, a few words for its picture, a sentence for its tile.
fn source_words(
    tongue: Tongue,
    source: &SourceStatus,
    shown: Option<&SlotStatus>,
    time: &str,
) -> (Mark, String, String) {
    match source.state.as_str() {
        UNKNOWN => (Mark::Off, String::new(), tongue.tr("not known").to_owned()),
        "live" if !source.has_picture && !source.picture.is_empty() => {
            let words = tongue.tr("the picture has stopped, the sound goes on");
            (
                Mark::Bad,
                tongue.tr("No picture").to_owned(),
                words.to_owned(),
            )
        }
        "live" if source.picture.is_empty() => {
            let words = tongue.tr("Sound only").to_owned();
            (Mark::Good, words, source.sound.clone())
        }
        "live" => {
            let mut parts = vec![source.picture.as_str()];
            parts.extend((!source.sound.is_empty()).then_some(source.sound.as_str()));
            (Mark::Good, String::new(), parts.join(" · "))
        }
        "idle" if source.connects == 0 => {
            let words = tongue.tr("Nobody pushes yet").to_owned();
            (Mark::Off, words.clone(), words)
        }
        "connecting" if source.connects == 0 => {
            let words = tongue.tr("Connecting").to_owned();
            (Mark::Busy, words.clone(), words)
        }
        _ => {
            let on_air = shown.is_some_and(|slot| !slot.live);
            let sentence = if on_air {
                tongue.tr("no signal since {time}, slate shown")
            } else {
                tongue.tr("no signal since {time}")
            };
            let sentence = sentence.replace("{time}", time);
            (Mark::Bad, tongue.tr("No signal").to_owned(), sentence)
        }
    }
}

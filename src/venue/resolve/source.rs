//! `[[source]]`: every kind has keys of its own beside those that all share.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::reader::Section;
use super::super::value::DECIBELS_ACCEPTED;
use super::super::{FrameSize, Rate, SoundPolicy, SourceConfig, SourceKind};
use super::{alarms, refuse_twins, take};
use crate::model::id::ID_RULE;
use crate::model::{RoleId, SourceId};

/// Schemes of servers that a source is fetched from.
const SCHEMES: [&str; 7] = ["rtmp", "rtmps", "rtsp", "rtsps", "srt", "http", "https"];

/// Keys that only some kinds have, with those kinds.
const KEYS_OF_KINDS: [(&str, &str); 8] = [
    ("key_file", "\"push\""),
    ("uri", "\"pull\""),
    ("path", "\"file\" and \"image\""),
    ("device", "\"capture\""),
    ("input", "\"capture\""),
    ("format", "\"capture\""),
    ("size", "\"capture\" and \"test\""),
    ("framerate", "\"capture\" and \"test\""),
];

/// The word after `kind =`.
#[derive(Clone, Copy)]
enum KindWord {
    Push,
    Capture,
    Pull,
    File,
    Image,
    Test,
}

const KINDS: [(&str, KindWord); 6] = [
    ("push", KindWord::Push),
    ("capture", KindWord::Capture),
    ("pull", KindWord::Pull),
    ("file", KindWord::File),
    ("image", KindWord::Image),
    ("test", KindWord::Test),
];

pub const SOUNDS: [(&str, SoundPolicy); 3] = [
    ("always", SoundPolicy::Always),
    ("on-air", SoundPolicy::OnAir),
    ("off", SoundPolicy::Off),
];

/// A source as far as it could be read, for the checks that look at several.
pub struct Read<'a> {
    pub section: Section<'a>,
    pub id: Option<SourceId>,
    pub role: Option<RoleId>,
    /// Nothing if something that has no default is missing or wrong.
    pub config: Option<SourceConfig>,
}

/// All sources, in the file's order.
pub fn sources<'a>(root: &Section<'a>, folder: &Path, programme_rate: Rate) -> Vec<Read<'a>> {
    let sections = root
        .sections("source", "source", "sections headed [[source]]")
        .unwrap_or_default();
    if sections.is_empty() {
        root.warn(
            "source",
            "there is no [[source]]: the programme will show its slate",
        );
    }
    let sources: Vec<Read<'a>> = sections
        .into_iter()
        .map(|section| source(section, folder, programme_rate))
        .collect();
    refuse_twins(
        "source",
        sources
            .iter()
            .filter_map(|read| Some((&read.section, read.id.as_ref()?.to_string()))),
    );
    warn_of_shared_roles(&sources);
    sources
}

fn source<'a>(section: Section<'a>, folder: &Path, programme_rate: Rate) -> Read<'a> {
    let id: Option<SourceId> = section.required("id", ID_RULE, take::id);
    let label = section.optional("label", take::LABEL, take::label);
    let role: Option<RoleId> = section.optional("role", ID_RULE, take::id);
    let accepted = "push, capture, pull, file, image, test";
    let word = section.required("kind", accepted, |value| take::word(value, &KINDS));
    let delay = section.optional("delay", "a time as \"40ms\", 0ms to 2s", |value| {
        let most = Duration::from_secs(2);
        take::within(take::duration(value)?, Duration::ZERO, most)
    });
    let gain = section.optional("gain", DECIBELS_ACCEPTED, take::gain);
    let mute = section.optional("mute", "true, false", take::flag);
    let sound = section.optional("sound", "always, on-air, off", |value| {
        take::word(value, &SOUNDS)
    });
    let alarms = alarms::of_source(&section);
    let kind = kind(&section, word, folder, programme_rate);

    let config = id.clone().zip(kind).map(|(id, kind)| SourceConfig {
        label: label.unwrap_or_else(|| id.to_string()),
        id,
        role: role.clone(),
        kind,
        delay: delay.unwrap_or_default(),
        gain: gain.unwrap_or(0.0),
        mute: mute.unwrap_or(false),
        sound: sound.unwrap_or(SoundPolicy::Always),
        alarms,
        guest: None,
    });
    Read {
        section,
        id,
        role,
        config,
    }
}

/// Reads the keys of the kind, and ends the section.
fn kind(
    section: &Section<'_>,
    word: Option<KindWord>,
    folder: &Path,
    programme_rate: Rate,
) -> Option<SourceKind> {
    let Some(word) = word else {
        // Which of these keys belong here nobody knows before the kind is right.
        for (key, _) in KEYS_OF_KINDS {
            section.pass(key);
        }
        section.finish(|_| None);
        return None;
    };
    let kind = match word {
        KindWord::Push => Some(SourceKind::Push {
            key: take::key_file(section, folder),
        }),
        KindWord::Pull => {
            let accepted = "rtmp://, rtmps://, rtsp://, rtsps://, srt://, http:// or https://, \
                            with a host";
            section
                .required("uri", accepted, |value| take::uri(value, &SCHEMES))
                .map(|uri| SourceKind::Pull { uri })
        }
        KindWord::File => {
            path(section, folder, "a media file").map(|path| SourceKind::File { path })
        }
        KindWord::Image => {
            path(section, folder, "a picture").map(|path| SourceKind::Image { path })
        }
        KindWord::Capture => {
            super::capture::config(section, programme_rate).map(SourceKind::Capture)
        }
        KindWord::Test => Some(SourceKind::Test {
            size: section
                .optional("size", FrameSize::ACCEPTED, take::parsed)
                .unwrap_or(FrameSize {
                    width: 1280,
                    height: 720,
                }),
            framerate: section
                .optional("framerate", Rate::ACCEPTED, take::rate)
                .unwrap_or(programme_rate),
        }),
    };
    section.finish(|key| {
        let (_, kinds) = KEYS_OF_KINDS.iter().find(|(known, _)| *known == key)?;
        Some(format!("belongs to kind {kinds}"))
    });
    kind
}

/// What the path leads to may come later, so it need not be there yet.
fn path(section: &Section<'_>, folder: &Path, what: &str) -> Option<PathBuf> {
    let accepted = format!("the path of {what}, seen from the venue file's folder");
    let path = section.required("path", &accepted, |value| take::path(value, folder))?;
    if !path.exists() {
        section.warn("path", &format!("{} is not there yet", path.display()));
    }
    Some(path)
}

/// Two sources may have one role in turn, but only one of them has it when the show starts.
fn warn_of_shared_roles(sources: &[Read<'_>]) {
    let mut seen: Vec<(&RoleId, &Section<'_>)> = Vec::new();
    for Read { section, role, .. } in sources {
        let Some(role) = role else { continue };
        match seen.iter().find(|(earlier, _)| *earlier == role) {
            Some((_, first)) => section.warn(
                "role",
                &format!(
                    "role \"{role}\" is also that of {} in line {}; only one can play it when \
                     the show starts",
                    first.place(),
                    first.line_of("role")
                ),
            ),
            None => seen.push((role, section)),
        }
    }
}

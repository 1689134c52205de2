//! `[slate]`: what stands in for the whole programme. Its files are looked into: a slate that fails
//! is noticed before the show, not in the break.

use std::path::{Path, PathBuf};

use super::super::reader::Section;
use super::super::value::DECIBELS_ACCEPTED;
use super::super::{Files, MusicConfig, SlateConfig};
use super::take;
use crate::media_file::{self, MediaFileError};
use crate::model::SlateSound;

const SOUNDS: [(&str, SlateSound); 3] = [
    ("mute", SlateSound::Mute),
    ("music", SlateSound::Music),
    ("programme", SlateSound::Programme),
];

const SOUNDS_ACCEPTED: &str = "mute, music, programme";
const PICTURE: &str = "a PNG or JPEG file, seen from the venue file's folder";
const MUSIC: &str = "a file with sound, seen from the venue file's folder";

/// Why a file is of no use, if it is not.
type Check = fn(&Path) -> Result<(), MediaFileError>;

/// The slate; `name` is the venue's.
pub fn slate(section: &Section<'_>, folder: &Path, name: &str, files: Files) -> SlateConfig {
    let text = section.optional("text", take::LABEL, take::label);
    let good = |check: Check| {
        move |path: &Path| match files {
            Files::LookedInto => check(path),
            Files::Believed => Ok(()),
        }
    };
    let picture = good(|path| media_file::picture(path).map(drop));
    let picture = file(section, "picture", PICTURE, folder, picture);
    let music = good(media_file::check_sound);
    let music = file(section, "music", MUSIC, folder, music);
    let gain = section.optional("music_gain", DECIBELS_ACCEPTED, take::gain);
    let sound = section.optional("sound", SOUNDS_ACCEPTED, |value| take::word(value, &SOUNDS));
    section.finish(|_| None);

    if text.is_some() && picture.is_some() {
        section.warn("text", "the text is not shown: the picture takes its place");
    }
    if section.has("music_gain") && !section.has("music") {
        section.complain("music_gain", "is the gain of no music", "music beside it");
    }
    if sound == Some(SlateSound::Music) && !section.has("music") {
        section.complain("sound", "needs music = \"…\" beside it", SOUNDS_ACCEPTED);
    }
    if section.has("music") && sound.is_some_and(|sound| sound != SlateSound::Music) {
        section.warn("music", "the music is not played: sound says otherwise");
    }
    let otherwise = match music {
        Some(_) => SlateSound::Music,
        None => SlateSound::Mute,
    };
    let sound = sound.unwrap_or(otherwise);
    let music = music.filter(|_| sound == SlateSound::Music);
    SlateConfig {
        text: text.unwrap_or_else(|| name.to_owned()),
        picture,
        sound,
        music: music.map(|path| MusicConfig {
            path,
            gain: gain.unwrap_or(0.0),
        }),
    }
}

/// A file that must be there and pass `check`.
fn file(
    section: &Section<'_>,
    key: &'static str,
    accepted: &str,
    folder: &Path,
    check: impl Fn(&Path) -> Result<(), MediaFileError>,
) -> Option<PathBuf> {
    let path = section.optional(key, accepted, |value| take::path(value, folder))?;
    match check(&path) {
        Ok(()) => Some(path),
        Err(error) => {
            let problem = format!("({}) {error}", path.display());
            section.complain(key, &problem, accepted);
            None
        }
    }
}

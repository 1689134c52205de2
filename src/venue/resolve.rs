//! From the tables of a venue file to a [`Venue`]: defaults, ranges, and whether the parts fit
//! together. Reads the key files that the venue names, looks into the slate's and into the relay's
//! certificate, and into no other file.

mod alarms;
mod capture;
mod desk;
mod ingest;
mod layout;
mod ornament;
mod output;
mod relay;
mod slate;
mod source;
mod take;

use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::de::DeTable;

use super::reader::{Report, Section};
use super::{
    BitRate, DiscoveryConfig, EncoderChoice, Files, FrameSize, ProgrammeConfig, Rate, Venue,
    VenueError,
};
use crate::tongue::Tongue;

/// Unix socket addresses have room for so many bytes, on Linux.
const LONGEST_SOCKET_PATH: usize = 107;

/// Reads a venue from `text`, the content of the file at `path`.
pub(super) fn venue(path: &Path, text: &str, files: Files) -> Result<Venue, VenueError> {
    let document =
        DeTable::parse(text).map_err(|error| VenueError::syntax(path.to_owned(), text, &error))?;
    let report = Report::new(path, text);
    let root = report.root(document.get_ref());
    let folder = path.parent().unwrap_or(Path::new(""));

    let name = root.optional("name", take::LABEL, take::label);
    let language = root.optional("language", "auto, fr, en", |value| {
        let (french, english) = (Some(Tongue::French), Some(Tongue::English));
        take::word(value, &[("auto", None), ("fr", french), ("en", english)])
    });
    let programme = programme(&root.section("programme"));
    let mut sources = source::sources(&root, folder, programme.framerate);
    let layouts = layout::layouts(&root, programme.size, &sources);
    capture::fit_to_show(&mut sources, &programme, &layouts);
    let name = name.unwrap_or_else(|| "regie".to_owned());
    let slate = slate::slate(&root.section("slate"), folder, &name, files);
    let desk = desk::desk(&root, &sources, language.flatten());
    let outputs = output::outputs(&root, folder);
    let relay_section = root.section("relay");
    let relay = relay::relay(&relay_section, folder, &sources, files);
    let ingest = ingest::ingest(&root.section("ingest"), folder);
    let guests = ingest.guests.as_ref();
    if let Some(guests) = guests {
        ingest::refuse_names(guests, &sources, &relay_section);
    }
    let language = language.flatten();
    let guests = guests.map(|guests| ingest::places(guests, language));
    ingest::warn_of_passphrases(&ingest, &sources);
    let alarms = alarms::alarms(&root.section("alarms"));
    let discovery = discovery(&root.section("discovery"));
    let control_socket = control_socket(&root.section("control"), folder);
    root.finish(|_| None);

    let warnings = report.finish()?;
    Ok(Venue {
        name,
        language,
        programme,
        sources: sources
            .into_iter()
            .filter_map(|source| source.config)
            .chain(guests.into_iter().flatten())
            .collect(),
        layouts,
        slate,
        desk,
        outputs,
        relay,
        ingest,
        alarms,
        discovery,
        control_socket,
        warnings,
    })
}

fn programme(section: &Section<'_>) -> ProgrammeConfig {
    let size = section.optional("size", FrameSize::ACCEPTED, take::parsed);
    let framerate = section.optional("framerate", Rate::ACCEPTED, take::rate);
    let video_bitrate = section.optional(
        "video_bitrate",
        "bits per second as \"4500k\" or \"4.5M\", 100k to 50M",
        |value| {
            take::within(
                take::parsed(value)?,
                BitRate::kilobits(100),
                BitRate::kilobits(50_000),
            )
        },
    );
    let audio_bitrate = section.optional(
        "audio_bitrate",
        "bits per second as \"160k\", 32k to 512k",
        |value| {
            take::within(
                take::parsed(value)?,
                BitRate::kilobits(32),
                BitRate::kilobits(512),
            )
        },
    );
    let keyframe_interval = section.optional(
        "keyframe_interval",
        "a time as \"2s\" or \"500ms\", 250ms to 10s",
        |value| {
            let (least, most) = (Duration::from_millis(250), Duration::from_secs(10));
            take::within(take::duration(value)?, least, most)
        },
    );
    let encoder = section.optional("encoder", EncoderChoice::ACCEPTED, take::parsed);
    let presets = "ultrafast, superfast, veryfast, faster, fast, medium";
    let x264_preset = section.optional("x264_preset", presets, |value| {
        let text = take::text(value)?;
        let known = presets.split(", ").find(|preset| *preset == text);
        known.ok_or_else(|| "is not known".to_owned())
    });
    let latency = section.optional("latency", "a time as \"15ms\", 0ms to 1s", |value| {
        take::within(
            take::duration(value)?,
            Duration::ZERO,
            Duration::from_secs(1),
        )
    });
    section.finish(|_| None);
    ProgrammeConfig {
        size: size.unwrap_or(FrameSize {
            width: 1920,
            height: 1080,
        }),
        framerate: framerate.unwrap_or(Rate {
            numerator: 30,
            denominator: 1,
        }),
        video_bitrate: video_bitrate.unwrap_or(BitRate::kilobits(4500)),
        audio_bitrate: audio_bitrate.unwrap_or(BitRate::kilobits(160)),
        keyframe_interval: keyframe_interval.unwrap_or(Duration::from_secs(2)),
        encoder: encoder.unwrap_or_default(),
        x264_preset: x264_preset.unwrap_or("veryfast"),
        latency: latency.unwrap_or(Duration::from_millis(15)),
    }
}

fn discovery(section: &Section<'_>) -> DiscoveryConfig {
    let announce = section.optional("announce", "true, false", take::flag);
    section.finish(|_| None);
    DiscoveryConfig {
        announce: announce.unwrap_or(true),
    }
}

fn control_socket(section: &Section<'_>, folder: &Path) -> Option<PathBuf> {
    let accepted = "the path of a socket, of at most 107 bytes";
    let socket = section.optional("socket", accepted, |value| {
        let path = take::path(value, folder)?;
        if path.as_os_str().len() > LONGEST_SOCKET_PATH {
            return Err("is too long".to_owned());
        }
        Ok(path)
    });
    section.finish(|_| None);
    socket
}

/// Complains about every section whose `id` is one of an earlier section of its kind.
fn refuse_twins<'r, 'a: 'r>(word: &str, sections: impl Iterator<Item = (&'r Section<'a>, String)>) {
    let mut seen: Vec<(String, usize)> = Vec::new();
    for (section, id) in sections {
        match seen.iter().find(|(earlier, _)| *earlier == id) {
            Some((_, line)) => section.complain(
                "id",
                &format!("is already the id of the {word} in line {line}"),
                "an id of its own",
            ),
            None => seen.push((id, section.line_of("id"))),
        }
    }
}

#[cfg(test)]
mod tests;

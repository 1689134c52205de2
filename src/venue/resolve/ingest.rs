//! `[ingest]`: the doors that laptops push to, beside the RTSP server.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use super::super::reader::Section;
use super::super::{
    GuestsConfig, IngestConfig, SoundPolicy, SourceAlarms, SourceConfig, SourceKind,
};
use super::{source, take};
use crate::model::join::GUEST;
use crate::tongue::Tongue;

/// Passphrases that SRT takes, in bytes.
const PASSPHRASE: RangeInclusive<usize> = 10..=79;

/// More guests than this are a venue's own laptops.
const MOST_GUESTS: f64 = 8.0;

pub fn ingest(section: &Section<'_>, folder: &Path) -> IngestConfig {
    let door = |key: &'static str, port: u16| {
        let accepted =
            format!("an address and a port as \"0.0.0.0:{port}\" or \"[::]:{port}\", or \"off\"");
        section.optional(key, &accepted, |value| {
            if take::text(value)? == "off" {
                return Ok(None);
            }
            take::address(value).map(Some)
        })
    };
    let everywhere = |port| Some(SocketAddr::from(([0, 0, 0, 0], port)));
    let rtmp = door("rtmp", 1935).unwrap_or(everywhere(1935));
    let rtmps = door("rtmps", 1936).flatten();
    let srt = door("srt", 8890).unwrap_or(everywhere(8890));
    let rtmps = take::tls(section, "rtmps", rtmps, folder);
    let guests = guests(section, folder);
    section.finish(|_| None);
    IngestConfig {
        rtmp,
        rtmps,
        srt,
        guests,
    }
}

/// Who is no source of the venue: how many, and the key that they share.
fn guests(section: &Section<'_>, folder: &Path) -> Option<GuestsConfig> {
    let count = section.optional("guests", "a whole number, 0 to 8", |value| {
        let number = take::within(take::number(value)?, 0.0, MOST_GUESTS)?;
        if number.fract() != 0.0 {
            return Err("is no whole number".to_owned());
        }
        Ok(number as u8)
    });
    let accepted = "a file with the key on its only line, seen from the venue file's folder";
    let key = take::secret_file(section, folder, "guest_key_file", accepted);
    let count = count.unwrap_or(0);
    match (count, key) {
        (1.., Some(key)) => Some(GuestsConfig { count, key }),
        (1.., None) => {
            if !section.has("guest_key_file") {
                let what = "needs a guest_key_file: a guest's picture comes from anywhere";
                section.complain("guests", what, "guest_key_file beside it");
            }
            None
        }
        (0, _) => None,
    }
}

/// The guests' places: sources like all others, that nobody has yet.
pub fn places(guests: &GuestsConfig, language: Option<Tongue>) -> Vec<SourceConfig> {
    let tongue = language.unwrap_or_default();
    let place = |number: u8| {
        let label = tongue.tr("Guest {number}");
        Some(SourceConfig {
            id: format!("{GUEST}-{number}").parse().ok()?,
            label: label.replace("{number}", &number.to_string()),
            role: None,
            kind: SourceKind::Push {
                key: Some(guests.key.clone()),
            },
            delay: Duration::ZERO,
            gain: 0.0,
            mute: false,
            sound: SoundPolicy::OnAir,
            alarms: SourceAlarms::default(),
            guest: Some(number),
        })
    };
    (1..=guests.count).filter_map(place).collect()
}

/// Complains about what has a name that guests have.
pub fn refuse_names(guests: &GuestsConfig, sources: &[source::Read<'_>], relay: &Section<'_>) {
    let is_theirs = |id: &str| {
        let number = id.strip_prefix(GUEST).map(|rest| rest.strip_prefix('-'));
        match number {
            None => false,
            Some(None) => id == GUEST,
            Some(Some(number)) => {
                (number.parse::<u8>()).is_ok_and(|number| (1..=guests.count).contains(&number))
            }
        }
    };
    for read in sources {
        if read.id.as_ref().is_some_and(|id| is_theirs(id.as_str())) {
            let what = "is the name of a guest, and [ingest] lets guests in";
            read.section.complain("id", what, "an id of its own");
        }
    }
    let user = relay.optional("user", "", |value| {
        // Whatever is no text has been refused already.
        Ok(take::text(value).unwrap_or_default().to_owned())
    });
    if user.is_some_and(|user| user == GUEST) {
        let what = "is the name that guests push by, with a key of their own";
        relay.complain("user", what, "a name of its own");
    }
}

/// By SRT the key is the passphrase, and not every key can be one.
pub fn warn_of_passphrases(ingest: &IngestConfig, sources: &[source::Read<'_>]) {
    if ingest.srt.is_none() {
        return;
    }
    for read in sources {
        let kind = read.config.as_ref().map(|config| &config.kind);
        let Some(SourceKind::Push { key: Some(key) }) = kind else {
            continue;
        };
        let length = key.reveal().len();
        if !PASSPHRASE.contains(&length) {
            read.section.warn(
                "key_file",
                &format!(
                    "nobody can push to it by SRT, which takes passphrases of {} to {} bytes: the \
                     key has {length}",
                    PASSPHRASE.start(),
                    PASSPHRASE.end()
                ),
            );
        }
    }
}

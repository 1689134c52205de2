//! `[ingest]`: the doors that laptops push to, beside the RTSP server.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::Path;

use super::super::reader::Section;
use super::super::{IngestConfig, SourceKind, Tls};
use super::{source, take};

/// Passphrases that SRT takes, in bytes.
const PASSPHRASE: RangeInclusive<usize> = 10..=79;

const FILE: &str = "a file in PEM, seen from the venue file's folder";

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
    let file = |key: &'static str| section.optional(key, FILE, |value| take::path(value, folder));
    let (certificate, private_key) = (file("certificate"), file("private_key"));
    section.finish(|_| None);
    let rtmps = match (rtmps, certificate, private_key) {
        (Some(listen), Some(certificate), Some(private_key)) => Some(Tls {
            listen,
            certificate,
            private_key,
        }),
        (Some(_), ..) => {
            for key in ["certificate", "private_key"] {
                if !section.has(key) {
                    let what = format!("needs a {key}");
                    section.complain("rtmps", &what, &format!("{key} beside it"));
                }
            }
            None
        }
        (None, ..) => None,
    };
    IngestConfig { rtmp, rtmps, srt }
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

//! `[ingest]`: the doors that laptops push to, beside the RTSP server.

use std::net::SocketAddr;
use std::path::Path;

use super::super::reader::Section;
use super::super::{IngestConfig, Tls};
use super::take;

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

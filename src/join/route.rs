//! The addresses as the protocols want them written.

use std::net::IpAddr;

use crate::model::{Entrance, Invitation};

use super::address::is_local;

/// Whoever leaves the port out means this one.
const RTMP_PORT: u16 = 1935;
/// SRT takes no other keys.
const SRT_KEY: std::ops::RangeInclusive<usize> = 10..=79;

/// All ways in.
#[derive(Debug, Default)]
pub struct Routes {
    /// Every address in one field, the best first, with its protocol's name.
    pub all: Vec<(&'static str, String)>,
    /// As OBS asks for it, by the best of those that it speaks.
    pub obs: Option<Obs>,
    /// A command for ffmpeg, by RTSP: it is open wherever regie runs.
    pub ffmpeg: String,
    /// The SRT door is open, but the key is nothing for it.
    pub srt_lacks_key: bool,
    /// Only this machine gets in.
    pub is_local: bool,
}

/// Two fields of OBS.
#[derive(Debug, PartialEq, Eq)]
pub struct Obs {
    pub server: String,
    /// Nothing where the server's address says it all.
    pub key: Option<String>,
}

impl Routes {
    pub fn of(invitation: &Invitation) -> Self {
        let mut routes = Self::default();
        let name = invitation.source.as_str();
        let key = invitation.key.as_ref().map(|key| key.0.as_str());
        let reached = invitation.entrances.iter().flat_map(|door| &door.hosts);
        let addresses = reached.filter_map(|host| host.parse::<IpAddr>().ok());
        routes.is_local = addresses.clone().count() > 0 && addresses.clone().all(is_local);
        for door in &invitation.entrances {
            for host in &door.hosts {
                routes.add(door, &bracketed(host), name, key);
            }
        }
        routes
    }

    /// What a camera finds in the code.
    pub fn best(&self) -> Option<&str> {
        self.all.first().map(|(_, url)| url.as_str())
    }

    fn add(&mut self, door: &Entrance, host: &str, name: &str, key: Option<&str>) {
        let port = door.port;
        let encoded = key.map(percent);
        match door.protocol.as_str() {
            "rtmp" | "rtmps" => {
                let plain = door.protocol == "rtmp";
                let port = match port {
                    RTMP_PORT if plain => String::new(),
                    port => format!(":{port}"),
                };
                let server = format!("{}://{host}{port}/ingest", door.protocol);
                let query = encoded.map_or(String::new(), |key| format!("?key={key}"));
                let stream = format!("{name}{query}");
                let word = if plain { "RTMP" } else { "RTMPS" };
                self.all.push((word, format!("{server}/{stream}")));
                self.obs.get_or_insert(Obs {
                    server,
                    key: Some(stream),
                });
            }
            "srt" => {
                let fits = |key: &str| SRT_KEY.contains(&key.len()) && percent(key) == key;
                // Senders take the passphrase as it stands.
                if !key.is_none_or(fits) {
                    self.srt_lacks_key = true;
                    return;
                }
                let phrase = key.map_or(String::new(), |key| format!("&passphrase={key}"));
                let url = format!("srt://{host}:{port}?streamid=ingest/{name}{phrase}");
                self.all.push(("SRT", url.clone()));
                self.obs.get_or_insert(Obs {
                    server: url,
                    key: None,
                });
            }
            _ => {
                let login = encoded.map_or(String::new(), |key| format!("{name}:{key}@"));
                let url = format!("{}://{login}{host}:{port}/ingest/{name}", door.protocol);
                if self.ffmpeg.is_empty() {
                    self.ffmpeg = ffmpeg(&url);
                }
                let word = if door.protocol == "rtsps" {
                    "RTSPS"
                } else {
                    "RTSP"
                };
                self.all.push((word, url));
            }
        }
    }
}

/// Sends a file as a laptop would its screen. Nothing in the address ends a shell's quotes: keys are
/// encoded.
fn ffmpeg(url: &str) -> String {
    format!(
        "ffmpeg -re -i FILE -c:v libx264 -preset veryfast -tune zerolatency -pix_fmt yuv420p -g 30 \
         -c:a aac -muxdelay 0.05 -f rtsp -rtsp_transport tcp '{url}'"
    )
}

/// The host as a URL has it.
fn bracketed(host: &str) -> String {
    if host.contains(':') {
        format!("[{host}]")
    } else {
        host.to_owned()
    }
}

/// What is not understood everywhere in a URL is encoded, by RFC 3986.
fn percent(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

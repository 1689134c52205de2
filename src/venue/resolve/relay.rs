//! `[relay]`: the built-in RTSP server, for players and for laptops.

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::Path;

use toml::de::DeValue;

use super::super::reader::{Refusal, Section};
use super::super::{Files, Guard, Multicast, RelayConfig, Tls};
use super::{source, take};
use crate::tls::certificate;

const USER: &str = "a name of letters, digits, \".\", \"_\" and \"-\", at most 64 of them";
const PASSWORD_FILE: &str =
    "a file with the password on its only line, seen from the venue file's folder";
const SECURE: &str = "an address and a port as \"0.0.0.0:8322\" or \"[::]:8322\", or \"off\"";

const GROUP: &str =
    "a table as { range = \"239.255.42.1\", ports = \"5000-5015\", ttl = 1, interface = \"eth0\" }";
const RANGE: &str =
    "one address or two as \"239.255.42.1-239.255.42.8\", of 224.0.1.0 to 239.255.255.255";
const PORTS: &str = "two ports as \"5000-5015\", the first even, 8 ports at least";
const TTL: &str = "a whole number, 1 (this network) to 255";
const INTERFACE: &str = "the name of a network interface as \"eth0\", as `ip link` lists it";

/// Of the groups that everybody may use; those below are the routers' own (RFC 5771).
const LEAST_GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 1, 0);
/// Two streams of two ports, and as many while what ends overlaps with what begins.
const LEAST_PORTS: u16 = 8;
/// What Linux takes, without the byte that ends it (`IFNAMSIZ`).
const LONGEST_INTERFACE: usize = 15;

pub fn relay(
    section: &Section<'_>,
    folder: &Path,
    sources: &[source::Read<'_>],
    files: Files,
) -> RelayConfig {
    let accepted = "an address and a port as \"0.0.0.0:8554\" or \"[::]:8554\"";
    let listen = section.optional("listen", accepted, take::address);
    let listen = listen.unwrap_or(SocketAddr::from(([0, 0, 0, 0], 8554)));
    let secure = section.optional("listen_tls", SECURE, |value| {
        if take::text(value)? == "off" {
            return Ok(None);
        }
        take::address(value).map(Some)
    });
    let secure = take::tls(section, "listen_tls", secure.flatten(), folder);
    let user = section.optional("user", USER, take::user);
    let password = take::secret_file(section, folder, "password_file", PASSWORD_FILE);
    let group = section.inline("multicast", GROUP);
    section.finish(|_| None);
    match (user.is_some(), section.has("password_file")) {
        (true, false) => section.complain("user", "has no password", "password_file beside it"),
        (false, true) if !section.has("user") => {
            section.complain("password_file", "has no user", "user beside it");
        }
        _ => {}
    }
    let is_a_key = |read: &source::Read<'_>| {
        let id = read.id.as_ref().map(|id| id.as_str());
        id == user.as_deref() && user.is_some() && read.section.has("key_file")
    };
    if sources.iter().any(is_a_key) {
        section.complain(
            "user",
            "is the id of a source with a key_file, whose sender has that name",
            "a name of its own",
        );
    }
    let guard = (user.zip(password)).map(|(user, password)| Guard { user, password });
    if guard.is_some() && group.is_some() {
        section.warn(
            "multicast",
            "whoever joins the group on this network sees the programme without the password, \
             which is asked of those who ask for the address",
        );
    }
    if let Some(tls) = &secure {
        if tls.listen.port() == listen.port() && tls.listen.port() != 0 {
            let what = "is the port of listen, and one port is either plain or TLS";
            section.complain("listen_tls", what, "a port of its own");
        }
        check(section, tls, files);
    }
    RelayConfig {
        listen,
        secure,
        guard,
        multicast: group.and_then(|group| multicast(&group)),
    }
}

/// Says what is wrong with the certificate before the show. In the show a door that has none stays
/// shut, and nothing else.
fn check(section: &Section<'_>, tls: &Tls, files: Files) {
    if files == Files::LookedInto
        && let Err(problem) = certificate::load(tls)
    {
        section.complain(
            "listen_tls",
            &format!("cannot be served: {problem}"),
            take::PEM,
        );
    }
}

fn multicast(section: &Section<'_>) -> Option<Multicast> {
    let range = section.required("range", RANGE, range);
    let ports = section.optional("ports", PORTS, ports);
    let ttl = section.optional("ttl", TTL, |value| {
        let number = take::within(take::number(value)?, 1.0, 255.0)?;
        if number.fract() != 0.0 {
            return Err("is no whole number".to_owned());
        }
        Ok(number as u8)
    });
    let interface = section.optional("interface", INTERFACE, interface);
    section.finish(|_| None);
    let (first, last) = range?;
    Some(Multicast {
        first,
        last,
        ports: ports.unwrap_or(5000..=5015),
        ttl: ttl.unwrap_or(1),
        interface,
    })
}

/// The two ends of a text, or one that is both.
fn ends(text: &str) -> (&str, &str) {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    (first.trim(), last.trim())
}

fn range(value: &DeValue<'_>) -> Result<(Ipv4Addr, Ipv4Addr), Refusal> {
    let (first, last) = ends(take::text(value)?);
    let address = |text: &str| text.parse::<Ipv4Addr>();
    let (Ok(first), Ok(last)) = (address(first), address(last)) else {
        return Err("is no range of IPv4 addresses".to_owned());
    };
    let is_group = |address: Ipv4Addr| address.is_multicast() && address >= LEAST_GROUP;
    match (is_group(first) && is_group(last), first <= last) {
        (true, true) => Ok((first, last)),
        (true, false) => Err("ends before it begins".to_owned()),
        (false, _) => Err("is no range of groups".to_owned()),
    }
}

fn ports(value: &DeValue<'_>) -> Result<RangeInclusive<u16>, Refusal> {
    let (first, last) = ends(take::text(value)?);
    let (Ok(first), Ok(last)) = (first.parse::<u16>(), last.parse::<u16>()) else {
        return Err("is no range of ports".to_owned());
    };
    if first < 1024 || first % 2 != 0 {
        Err("begins at a port that cannot be used".to_owned())
    } else if last < first || last - first < LEAST_PORTS - 1 {
        Err("has too few ports".to_owned())
    } else {
        Ok(first..=last)
    }
}

fn interface(value: &DeValue<'_>) -> Result<String, Refusal> {
    let name = take::text(value)?;
    let fits = |c: char| c.is_ascii_graphic() && c != '/';
    if name.is_empty() || name.len() > LONGEST_INTERFACE || !name.chars().all(fits) {
        return Err("is no name of an interface".to_owned());
    }
    Ok(name.to_owned())
}

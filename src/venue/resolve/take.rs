//! Single values: from TOML to a type, or to the reason why not. What is accepted is said by the
//! caller, who knows the key.

use std::fs::File;
use std::io::Read;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use toml::de::DeValue;
use url::Url;

use super::super::Tls;
use super::super::reader::{Refusal, Section, is_secret_name, kind_of};
use super::super::value::{self, Rate, Unfit};
use crate::model::Colour;
use crate::secret::Secret;

/// What [`label`] accepts, as told to people.
pub const LABEL: &str = "a text on one line, at most 80 characters";

/// What [`colour`] accepts, as told to people.
pub const COLOUR: &str = "#rrggbb, as in \"#101828\"";

/// What the files beside a door with TLS are, as told to people.
pub const PEM: &str = "a file in PEM, seen from the venue file's folder";

/// Larger than any stream key, and small enough to read without a thought.
const LARGEST_KEY: u64 = 4096;

pub fn text<'a>(value: &'a DeValue<'_>) -> Result<&'a str, Refusal> {
    value
        .as_str()
        .ok_or_else(|| format!("is {}", kind_of(value)))
}

pub fn label(value: &DeValue<'_>) -> Result<String, Refusal> {
    let label = text(value)?.trim();
    if label.is_empty() {
        Err("is empty".to_owned())
    } else if label.chars().any(char::is_control) {
        Err("is not on one line".to_owned())
    } else if label.chars().count() > 80 {
        Err("is too long".to_owned())
    } else {
        Ok(label.to_owned())
    }
}

pub fn colour(value: &DeValue<'_>) -> Result<Colour, Refusal> {
    let text = text(value)?.to_owned();
    Colour::try_from(text).map_err(|_| "is not a colour".to_owned())
}

pub fn flag(value: &DeValue<'_>) -> Result<bool, Refusal> {
    value
        .as_bool()
        .ok_or_else(|| format!("is {}", kind_of(value)))
}

/// A number, with or without a decimal point; never NaN or infinite.
pub fn number(value: &DeValue<'_>) -> Result<f64, Refusal> {
    let number = match value {
        DeValue::Integer(digits) => i64::from_str_radix(digits.as_str(), digits.radix())
            .ok()
            // Far larger than anything here, so that what f64 cannot hold does not matter.
            .map(|number| number as f64),
        DeValue::Float(digits) => digits.as_str().parse().ok(),
        _ => return Err(format!("is {}", kind_of(value))),
    };
    number
        .filter(|number: &f64| number.is_finite())
        .ok_or_else(|| "is not a finite number".to_owned())
}

pub fn parsed<T: FromStr<Err = Unfit>>(value: &DeValue<'_>) -> Result<T, Refusal> {
    text(value)?.parse().map_err(problem)
}

pub fn rate(value: &DeValue<'_>) -> Result<Rate, Refusal> {
    match value {
        DeValue::Integer(number) => number.to_string().parse().map_err(problem),
        DeValue::Float(_) => Err("is a decimal number".to_owned()),
        _ => parsed(value),
    }
}

pub fn duration(value: &DeValue<'_>) -> Result<Duration, Refusal> {
    value::duration(text(value)?).map_err(problem)
}

/// Decibels, as a text or as a number.
pub fn gain(value: &DeValue<'_>) -> Result<f64, Refusal> {
    match value {
        DeValue::Integer(_) | DeValue::Float(_) => {
            number(value).and_then(|gain| within(gain, -60.0, 12.0))
        }
        _ => value::decibels(text(value)?).map_err(problem),
    }
}

pub fn id<T: FromStr>(value: &DeValue<'_>) -> Result<T, Refusal> {
    text(value)?.parse().map_err(|_| "is not an id".to_owned())
}

/// One of the words, which are given with their meaning.
pub fn word<T: Copy>(value: &DeValue<'_>, words: &[(&str, T)]) -> Result<T, Refusal> {
    let text = text(value)?;
    let known = words.iter().find(|(word, _)| *word == text);
    known
        .map(|(_, meaning)| *meaning)
        .ok_or_else(|| "is not known".to_owned())
}

pub fn within<T: PartialOrd>(value: T, least: T, most: T) -> Result<T, Refusal> {
    if value >= least && value <= most {
        Ok(value)
    } else {
        Err("is out of range".to_owned())
    }
}

/// A path, seen from the venue file's folder.
pub fn path(value: &DeValue<'_>, folder: &Path) -> Result<PathBuf, Refusal> {
    let path = text(value)?;
    if path.is_empty() {
        return Err("is empty".to_owned());
    }
    if path.contains('\0') {
        return Err("is not a path".to_owned());
    }
    Ok(folder.join(path))
}

/// A URI with a host and one of the schemes. Its password and whatever its query says in
/// confidence become known as secrets.
pub fn uri(value: &DeValue<'_>, schemes: &[&str]) -> Result<Url, Refusal> {
    let uri = Url::parse(text(value)?).map_err(|error| format!("is not a URI ({error})"))?;
    learn_secrets(&uri);
    if !schemes.contains(&uri.scheme()) {
        return Err("has another scheme".to_owned());
    }
    if uri.host_str().is_none_or(str::is_empty) {
        return Err("has no host".to_owned());
    }
    Ok(uri)
}

/// A URI's text turns up in messages of libraries and peers, so `redact` must know both what is
/// written in it and what that means.
fn learn_secrets(uri: &Url) {
    if let Some(password) = uri.password() {
        learn(password);
    }
    let written = uri.query().unwrap_or_default().split('&');
    let values = written.filter_map(|parameter| parameter.split_once('='));
    for (name, value) in values {
        // A stream id is a path as often as a secret, and would take the ids out of every message.
        if is_secret_name(name) && !name.eq_ignore_ascii_case("streamid") {
            learn(value);
        }
    }
}

fn learn(written: &str) {
    if written.is_empty() {
        return;
    }
    Secret::new(written);
    // Read as a parameter only to have it decoded, so that nothing in it may end the parameter.
    let parameter = format!("x={}", written.replace('&', "%26").replace('+', "%2B"));
    for (_, meant) in url::form_urlencoded::parse(parameter.as_bytes()) {
        Secret::new(&meant);
    }
}

/// An address with a port.
pub fn address(value: &DeValue<'_>) -> Result<SocketAddr, Refusal> {
    let text = text(value)?;
    text.parse()
        .map_err(|_| "is not an address with a port".to_owned())
}

/// A user's name: it is typed into players, inside a URL.
pub fn user(value: &DeValue<'_>) -> Result<String, Refusal> {
    let user = text(value)?;
    let fits = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
    if user.is_empty() {
        Err("is empty".to_owned())
    } else if user.len() > 64 || !user.chars().all(fits) {
        Err("is not a user's name".to_owned())
    } else {
        Ok(user.to_owned())
    }
}

/// The key in the file that `key_file` names.
pub fn key_file(section: &Section<'_>, folder: &Path) -> Option<Secret> {
    let accepted = "a file with the key on its only line, seen from the venue file's folder";
    secret_file(section, folder, "key_file", accepted)
}

/// The secret in the file that `key` names. Complaints name the file and never what is in it.
pub fn secret_file(
    section: &Section<'_>,
    folder: &Path,
    key: &'static str,
    accepted: &str,
) -> Option<Secret> {
    let path = section.optional(key, accepted, |value| path(value, folder))?;
    match read_key(&path) {
        Ok((secret, open_to_others)) => {
            if open_to_others {
                let path = path.display();
                section.warn(
                    key,
                    &format!("{path} can be read by everybody; chmod o-r {path} keeps it secret"),
                );
            }
            Some(Secret::new(&secret))
        }
        Err(problem) => {
            let problem = format!("({}) {problem}", path.display());
            section.complain(key, &problem, accepted);
            None
        }
    }
}

/// The key, and whether everybody on this machine may read it.
fn read_key(path: &Path) -> Result<(String, bool), Refusal> {
    let unreadable = |cause: std::io::Error| format!("cannot be read: {cause}");
    // Asked before opening: opening a FIFO waits for somebody to write.
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() {
        return Err("is not a file".to_owned());
    }
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(LARGEST_KEY + 1).read_to_end(&mut bytes))
        .map_err(unreadable)?;
    if bytes.len() as u64 > LARGEST_KEY {
        return Err("is too large for a key".to_owned());
    }
    let text = String::from_utf8(bytes).map_err(|_| "is not text".to_owned())?;
    let key = text.trim();
    if key.is_empty() {
        Err("is empty".to_owned())
    } else if key.lines().count() > 1 {
        Err("has more than one line".to_owned())
    } else if key.chars().any(char::is_control) {
        Err("has control characters".to_owned())
    } else {
        Ok((key.to_owned(), metadata.permissions().mode() & 0o004 != 0))
    }
}

fn problem(unfit: Unfit) -> Refusal {
    unfit.problem.to_owned()
}

/// Where a door speaks TLS, with the certificate and the key beside it; `listen` is what was read at `key`.
pub fn tls(
    section: &Section<'_>,
    key: &'static str,
    listen: Option<SocketAddr>,
    folder: &Path,
) -> Option<Tls> {
    let file = |name: &'static str| section.optional(name, PEM, |value| path(value, folder));
    let (certificate, private_key) = (file("certificate"), file("private_key"));
    let listen = listen?;
    for name in ["certificate", "private_key"] {
        if !section.has(name) {
            let what = format!("needs a {name}");
            section.complain(key, &what, &format!("{name} beside it"));
        }
    }
    Some(Tls {
        listen,
        certificate: certificate?,
        private_key: private_key?,
    })
}

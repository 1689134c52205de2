//! What is played: an address, and what gets us in. Passwords never leave but to the element that
//! needs them.

use std::net::{TcpStream, ToSocketAddrs};
use std::path::Path;
use std::time::Duration;

use url::Url;

use crate::model::SourceId;
use crate::secret::Secret;

/// The schemes that are played.
pub const SCHEMES: [&str; 6] = ["rtsp", "rtsps", "rtmp", "rtmps", "srt", "http"];

/// A feed that can be played.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Without user and password.
    url: Url,
    guard: Option<Guard>,
}

/// A user and a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guard {
    /// The user.
    pub user: String,
    /// The password.
    pub password: Secret,
}

/// Why an address cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// It is none.
    #[error("{0:?} is no address; accepted: rtsp://HOST:8554/programme, rtmp://…, srt://…")]
    NoUrl(String),
    /// It names another protocol.
    #[error("regie does not play {0}:; accepted: rtsp, rtsps, rtmp, rtmps, srt, http")]
    Scheme(String),
    /// It names no host.
    #[error("the address names no host; accepted: rtsp://HOST:8554/programme")]
    NoHost,
    /// The password's file cannot be read.
    #[error("the password file {file} cannot be read: {cause}")]
    PasswordFile {
        /// The file.
        file: String,
        /// The system's reason.
        #[source]
        cause: std::io::Error,
    },
    /// The password's file has no password.
    #[error("the password file {0} is empty; accepted: the password on its only line")]
    EmptyPassword(String),
    /// A password without a user.
    #[error(
        "--password-file has no user; write it into the address (rtsp://USER@HOST/…) or give --user"
    )]
    NoUser,
}

impl Address {
    /// Reads an address as it was typed. Whatever it holds in confidence is never printed from now on.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let url = Url::parse(text).map_err(|_| AddressError::NoUrl(hidden(text)))?;
        Self::of(url)
    }

    /// The same of one that is read already.
    pub fn of(mut url: Url) -> Result<Self, AddressError> {
        if !SCHEMES.contains(&url.scheme()) {
            return Err(AddressError::Scheme(url.scheme().to_owned()));
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(AddressError::NoHost);
        }
        for (name, value) in url.query_pairs() {
            if ["passphrase", "key", "token", "password", "secret"].contains(&&*name)
                && !value.is_empty()
            {
                Secret::new(&value);
            }
        }
        let user = meant(url.username());
        let password = url.password().map(|written| {
            Secret::new(written);
            Secret::new(&meant(written))
        });
        let guard = (!user.is_empty()).then(|| Guard {
            user,
            password: password.unwrap_or_else(|| Secret::new("")),
        });
        // A URL with a host takes both.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        Ok(Self { url, guard })
    }

    /// With a user, and with the password of a file, where they are given.
    pub fn guarded(
        mut self,
        user: Option<&str>,
        file: Option<&Path>,
    ) -> Result<Self, AddressError> {
        let known = self.guard.take();
        let password = file.map(read_password).transpose()?;
        let user = user
            .map(str::to_owned)
            .or_else(|| known.as_ref().map(|guard| guard.user.clone()));
        self.guard = match (user, password.or(known.map(|guard| guard.password))) {
            (Some(user), password) => Some(Guard {
                user,
                password: password.unwrap_or_else(|| Secret::new("")),
            }),
            (None, Some(_)) => return Err(AddressError::NoUser),
            (None, None) => None,
        };
        Ok(self)
    }

    /// One source of the same relay, in place of its programme.
    #[must_use]
    pub fn source(mut self, id: &SourceId) -> Self {
        self.url.set_path(&format!("/source/{id}"));
        self
    }

    /// Without user and password.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// What gets us in.
    pub fn guard(&self) -> Option<&Guard> {
        self.guard.as_ref()
    }

    /// Whether it is played by RTSP.
    pub fn is_rtsp(&self) -> bool {
        matches!(self.url.scheme(), "rtsp" | "rtsps")
    }

    /// As it may be shown: without user, password, and query.
    pub fn shown(&self) -> String {
        let mut url = self.url.clone();
        url.set_query(None);
        url.to_string()
    }

    /// Where it is.
    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// Asks, for so long at most, whether anybody takes connections there; blocks for as long, and
    /// for as long as the resolver does. Protocols without connections are always there.
    pub fn knock(&self, limit: Duration) -> std::io::Result<()> {
        let port = match self.url.scheme() {
            "rtsp" => 554,
            "rtsps" => 322,
            "rtmp" => 1935,
            "rtmps" => 443,
            "http" => 80,
            _ => return Ok(()),
        };
        let port = self.url.port().unwrap_or(port);
        let host = self.host().trim_start_matches('[').trim_end_matches(']');
        let mut last = std::io::Error::from(std::io::ErrorKind::NotFound);
        for address in (host, port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, limit) {
                Ok(_) => return Ok(()),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

/// What was typed in place of an address, without what may be a password.
fn hidden(text: &str) -> String {
    match text.rsplit_once('@') {
        Some((_, rest)) => format!("•••@{rest}"),
        None => text.to_owned(),
    }
}

/// A part of a URL, decoded.
fn meant(written: &str) -> String {
    // Read as a parameter only to have it decoded, so that nothing in it may end the parameter.
    let parameter = format!("x={}", written.replace('&', "%26").replace('+', "%2B"));
    let mut pairs = url::form_urlencoded::parse(parameter.as_bytes());
    pairs
        .next()
        .map_or_else(String::new, |(_, value)| value.into_owned())
}

fn read_password(file: &Path) -> Result<Secret, AddressError> {
    let shown = file.display().to_string();
    let text = std::fs::read_to_string(file).map_err(|cause| AddressError::PasswordFile {
        file: shown.clone(),
        cause,
    })?;
    let line = text.lines().next().unwrap_or_default().trim();
    if line.is_empty() {
        return Err(AddressError::EmptyPassword(shown));
    }
    Ok(Secret::new(line))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::secret::redact;

    #[test]
    fn a_password_is_taken_out_and_never_shown() {
        let address = Address::parse("rtsp://hall:s3%20cret-w@10.0.0.5:8554/programme").unwrap();
        assert_eq!(address.shown(), "rtsp://10.0.0.5:8554/programme");
        let guard = address.guard().unwrap();
        assert_eq!(
            (&*guard.user, guard.password.reveal()),
            ("hall", "s3 cret-w")
        );
        assert!(!format!("{address:?}").contains("cret-w"));
        assert_eq!(redact("to s3%20cret-w and s3 cret-w"), "to ••• and •••");
        let srt = Address::parse("srt://h:8890?streamid=a&passphrase=q8-pass-word").unwrap();
        assert_eq!(srt.shown(), "srt://h:8890");
        assert_eq!(redact("with q8-pass-word"), "with •••");
    }

    #[test]
    fn a_password_may_come_from_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("relay.pw");
        std::fs::write(&file, "open-7x\n").unwrap();
        let of = |url: &str, user| Address::parse(url).unwrap().guarded(user, Some(&file));
        let guard = of("rtsp://hall@h/programme", None).unwrap();
        assert_eq!(guard.guard().unwrap().password.reveal(), "open-7x");
        let guard = of("rtsp://h/programme", Some("hall")).unwrap();
        assert_eq!(guard.guard().unwrap().user, "hall");
        assert!(matches!(of("rtsp://h/x", None), Err(AddressError::NoUser)));
        std::fs::write(&file, "\n").unwrap();
        let empty = of("rtsp://hall@h/x", None).unwrap_err();
        assert!(matches!(empty, AddressError::EmptyPassword(_)));
    }

    #[test]
    fn what_cannot_be_played_is_refused() {
        for (text, said) in [
            (
                "hall",
                "\"hall\" is no address; accepted: rtsp://HOST:8554/programme, rtmp://…, srt://…",
            ),
            (
                "ftp://h/x",
                "regie does not play ftp:; accepted: rtsp, rtsps, rtmp, rtmps, srt, http",
            ),
            (
                "rtsp:///x",
                "the address names no host; accepted: rtsp://HOST:8554/programme",
            ),
        ] {
            assert_eq!(Address::parse(text).unwrap_err().to_string(), said);
        }
    }

    #[test]
    fn a_source_takes_the_place_of_the_programme() {
        let address = Address::parse("rtsp://h:8554/programme").unwrap();
        let slides = address.source(&"slides".parse().unwrap());
        assert_eq!(slides.shown(), "rtsp://h:8554/source/slides");
    }

    #[test]
    fn a_knock_tells_who_is_there() {
        let door = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = door.local_addr().unwrap().port();
        let address = Address::parse(&format!("rtsp://127.0.0.1:{port}/x")).unwrap();
        assert!(address.knock(Duration::from_secs(2)).is_ok());
        drop(door);
        assert!(address.knock(Duration::from_secs(2)).is_err());
    }
}

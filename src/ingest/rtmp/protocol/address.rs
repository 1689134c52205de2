//! Which place is meant, and with which key: encoders cut one address in two at different places.
//!
//! | what is typed in | application | stream name |
//! |---|---|---|
//! | `rtmp://regie/ingest` and the stream key `laptop?key=K` | `ingest` | `laptop?key=K` |
//! | `rtmp://regie/ingest/laptop?key=K` in one field | `ingest` | `laptop?key=K` |
//! | the same, cut at the last slash | `ingest/laptop?key=K` | empty, or anything |
//! | `rtmp://regie/ingest/laptop` and the stream key `K` | `ingest/laptop` | `K` |

use std::fmt;

/// The application that laptops push to.
const APPLICATION: &str = "ingest";
/// What a key is called behind the question mark.
const KEY: &str = "key";

/// The place and the key that a publisher names.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    /// A source's id, or something else.
    pub name: String,
    /// A secret, or what somebody takes for it.
    pub key: Option<String>,
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Address").finish_non_exhaustive()
    }
}

/// Whether laptops push to this application.
pub fn is_door(application: &str) -> bool {
    let path = path_of(application);
    let rest = path.strip_prefix(APPLICATION);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn path_of(text: &str) -> &str {
    text.split('?').next().unwrap_or("").trim_matches('/')
}

/// The address in an application and a stream name.
pub fn find(application: &str, stream: &str) -> Address {
    let path = path_of(application);
    let in_path = path.strip_prefix(APPLICATION).unwrap_or("");
    let in_path = in_path.trim_matches('/');
    let said = path_of(stream);
    let (name, rest) = match in_path {
        "" => (said, None),
        name => (name, Some(said).filter(|rest| !rest.is_empty())),
    };
    let key = key_of(stream).or_else(|| key_of(application));
    Address {
        name: name.to_owned(),
        key: key.or_else(|| rest.map(plain)),
    }
}

fn key_of(text: &str) -> Option<String> {
    let (_, query) = text.split_once('?')?;
    let mut pairs = query
        .split(['&', '?'])
        .filter_map(|pair| pair.split_once('='));
    let (_, key) = pairs.find(|(name, _)| *name == KEY)?;
    Some(plain(key))
}

/// The text with what is written as `%20` as it is meant.
fn plain(text: &str) -> String {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        let digits = more.get(..2).filter(|_| *first == b'%');
        let code = digits.and_then(|digits| {
            let digit = |byte: u8| char::from(byte).to_digit(16);
            Some((digit(digits[0])? * 16 + digit(digits[1])?) as u8)
        });
        match code {
            Some(code) => {
                out.push(code);
                rest = &more[2..];
            }
            None => {
                out.push(*first);
                rest = more;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_and_a_key_are_found_however_they_are_cut() {
        for (application, stream, name, key) in [
            ("ingest", "laptop?key=K-1", "laptop", Some("K-1")),
            ("ingest/", "laptop", "laptop", None),
            ("/ingest", "/laptop/?key=a%20b", "laptop", Some("a b")),
            ("ingest", "laptop?x=1&key=K", "laptop", Some("K")),
            ("ingest", "laptop?key=100%", "laptop", Some("100%")),
            ("ingest?key=K", "laptop", "laptop", Some("K")),
            ("ingest/laptop", "", "laptop", None),
            ("ingest/laptop", "K", "laptop", Some("K")),
            ("ingest/laptop?key=K", "", "laptop", Some("K")),
            ("ingest/laptop?key=K", "stream", "laptop", Some("K")),
            ("ingest/laptop", "any?key=K", "laptop", Some("K")),
            ("ingest/laptop", "?key=K", "laptop", Some("K")),
            ("ingest", "", "", None),
            ("ingest", "a/b", "a/b", None),
        ] {
            assert!(is_door(application), "{application}");
            let found = find(application, stream);
            let seen = (found.name.as_str(), found.key.as_deref());
            assert_eq!(seen, (name, key), "{application} {stream}");
        }
    }

    #[test]
    fn other_applications_are_no_door() {
        for application in ["", "live", "ingests", "live/ingest", "?ingest"] {
            assert!(!is_door(application), "{application}");
        }
        assert!(is_door("ingest/laptop"));
        assert!(!format!("{:?}", find("ingest", "a?key=geheim")).contains("geheim"));
    }
}

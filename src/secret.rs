//! Keys, and the promise that none is ever printed: a [`Secret`] has no way to be shown by
//! accident, and every text that comes from elsewhere (GStreamer's messages, peers' answers)
//! passes [`redact`] before it reaches a log, a status, an event or an error.

use std::fmt;
use std::sync::Arc;

use parking_lot::RwLock;

/// What stands in a text where a key stood.
const MASK: &str = "•••";

/// All keys of this process, as they may turn up in a text, longest first.
static KNOWN: RwLock<Vec<String>> = RwLock::new(Vec::new());

/// A key read from a file. `Debug` shows a mask; the text leaves only by [`Secret::reveal`].
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Takes the key and makes [`redact`] know it from now on.
    pub fn new(text: &str) -> Self {
        learn(text);
        Self(text.into())
    }

    /// The key itself, for the one call that needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether this is the key, in a time that tells nothing of where it differs.
    pub fn is(&self, shown: &str) -> bool {
        let (own, shown) = (self.0.as_bytes(), shown.as_bytes());
        let differing = (own.iter().zip(shown)).fold(0, |all, (a, b)| all | (a ^ b));
        own.len() == shown.len() && differing == 0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

/// Remembers the key and the form it has inside a URL.
fn learn(text: &str) {
    let form: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
    let percent: String = (text.bytes())
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect();
    // As a URL's path has it: only what must be is encoded.
    let path = url::Url::parse("x://h/")
        .ok()
        .map_or(String::new(), |mut url| {
            url.set_path(text);
            url.path().trim_start_matches('/').to_owned()
        });
    let quoted = format!("{text:?}");
    let json = serde_json::to_string(text).unwrap_or_default();
    let inner = |quoted: &str| quoted.trim_matches('"').to_owned();
    let all = [
        text.to_owned(),
        form,
        percent.to_lowercase(),
        percent,
        path,
        inner(&quoted),
        inner(&json),
    ];
    let mut known = KNOWN.write();
    for form in all {
        if !form.is_empty() && !known.contains(&form) {
            known.push(form);
        }
    }
    known.sort_by_key(|form| std::cmp::Reverse(form.len()));
}

/// The text with every known key masked.
pub fn redact(text: &str) -> String {
    let mut clean = text.to_owned();
    for key in KNOWN.read().iter() {
        if clean.contains(key.as_str()) {
            clean = clean.replace(key.as_str(), MASK);
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_masked_in_every_form() {
        let key = Secret::new("s3cr/t key");
        assert_eq!(format!("{key:?}"), MASK);
        assert_eq!(
            redact("to rtmp://h/live/s3cr/t key and s3cr%2Ft+key, s3cr/t%20key, s3cr%2Ft%20key"),
            "to rtmp://h/live/••• and •••, •••, •••"
        );
        Secret::new("a\"b\\c");
        assert_eq!(redact(r#"{"k":"a\"b\\c"}"#), r#"{"k":"•••"}"#);
        assert_eq!(redact("nothing here"), "nothing here");
    }
}

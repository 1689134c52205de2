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
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

/// Remembers the key and the form it has inside a URL.
fn learn(text: &str) {
    let encoded: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
    let mut known = KNOWN.write();
    for form in [text.to_owned(), encoded] {
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
            redact("to rtmp://h/live/s3cr/t key and s3cr%2Ft+key"),
            "to rtmp://h/live/••• and •••"
        );
        assert_eq!(redact("nothing here"), "nothing here");
    }
}

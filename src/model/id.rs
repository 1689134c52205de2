//! Newtypes for the names that the venue file gives to things. All follow one rule, so that an id
//! can stand in a URL, a file name and a shell command without quoting.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What every id accepts, as told to people.
pub const ID_RULE: &str = "lower-case letters, digits and - , at most 40, starting with a letter";

/// What the audio desk is called in commands.
pub const DESK: &str = "desk";

/// An id that does not follow [`ID_RULE`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an id: {0:?}; accepted: {ID_RULE}")]
pub struct InvalidId(pub String);

fn is_id(text: &str) -> bool {
    text.len() <= 40
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                if is_id(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(InvalidId(text.to_owned()))
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id! {
    /// Names a source: `laptop`.
    SourceId
}
impl SourceId {
    /// The audio desk, wherever a sound is named: no source of a venue has this id.
    pub fn desk() -> Self {
        Self(DESK.to_owned())
    }
}

id! {
    /// Names what a layout asks for: `slides`, `speaker`.
    RoleId
}
id! {
    /// Names a layout: `slides-pip`.
    LayoutId
}
id! {
    /// Names an output: `transcoder`.
    OutputId
}

/// A path on the RTSP server, with its leading slash: `/programme`, `/source/laptop`,
/// `/ingest/laptop`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct MountPath(String);

impl MountPath {
    /// Where the programme plays.
    pub fn programme() -> Self {
        Self("/programme".to_owned())
    }

    /// Where a source plays as its sender encoded it.
    pub fn source(id: &SourceId) -> Self {
        Self(format!("/source/{id}"))
    }

    /// Where a laptop pushes the source to.
    pub fn ingest(id: &SourceId) -> Self {
        Self(format!("/ingest/{id}"))
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MountPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_safe_in_a_url_and_a_shell() {
        for good in ["laptop", "laptop-2", "a"] {
            assert!(good.parse::<SourceId>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "Laptop",
            "2laptop",
            "lap top",
            "é",
            "a/b",
            "a?key",
            &"a".repeat(41),
        ] {
            assert!(bad.parse::<SourceId>().is_err(), "{bad}");
        }
    }
}

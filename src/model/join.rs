//! What a laptop has to know to join: told to whoever has the control socket, on demand, and nowhere
//! else.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::id::SourceId;

/// The name that guests push to, and the beginning of the ids of their places.
pub const GUEST: &str = "guest";

/// How laptops get to one source, or guests to theirs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation {
    /// The venue's name.
    pub venue: String,
    /// The language that the venue file chooses, `fr` or `en`; `null`: none.
    pub language: Option<String>,
    /// The name that laptops push to: the source's id, or `guest`.
    pub source: SourceId,
    /// The source's name for people; empty for guests.
    pub label: String,
    /// How many guests there may be at one time; 0: it is for one source.
    pub guests: u8,
    /// The key; `null`: whoever is on the network may push.
    pub key: Option<ShownKey>,
    /// The doors that are open, and where.
    pub entrances: Vec<Entrance>,
}

/// One door.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entrance {
    /// `rtmp`, `rtmps`, `srt`, `rtsp`.
    pub protocol: String,
    /// Its port.
    pub port: u16,
    /// This machine's addresses that lead there, the best first; an IPv6 address without brackets.
    pub hosts: Vec<String>,
}

/// A key that is shown on purpose: it goes over the control socket and onto a card, and is masked in
/// whatever is printed to look for faults.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ShownKey(pub String);

impl fmt::Debug for ShownKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("•••")
    }
}

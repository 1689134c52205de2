//! Finds rooms on the LAN, and tells of this one.
//!
//! By mDNS and DNS-SD (RFC 6762, 6763), as screens, printers and phones do: each engine announces its relay
//! twice, as `_regie._tcp` with all that regie knows of it, and as `_rtsp._tcp` for players. No daemon is
//! needed, and avahi may run beside it. `announce` tells, `browse` hears, `book` knows who is there,
//! `words` are the words on the wire, `list` is `regie rooms`.

mod announce;
mod book;
mod browse;
mod list;
mod words;

use url::Url;

pub use announce::{Announcer, Card};
pub use browse::Browser;
pub use list::run;

/// Announced by every engine with a relay.
const REGIE: &str = "_regie._tcp.local.";
/// The same for players that know nothing of regie.
const RTSP: &str = "_rtsp._tcp.local.";
/// How often it is looked whether addresses have come or gone, in seconds: links come up late at boot.
const ADDRESSES: u32 = 2;

/// A room's relay that was heard of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Room {
    /// The venue's name; of several rooms with one name, each has something behind it.
    pub name: String,
    /// Where its programme is played: `rtsp://host:port/programme`, by address.
    #[serde(serialize_with = "as_text")]
    pub url: Url,
    /// What its machine calls itself.
    pub host: String,
}

fn as_text<S: serde::Serializer>(url: &Url, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(url.as_str())
}

/// Why nothing can be heard or told.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refuses a socket or a thread.
    #[error("rooms cannot be looked for by mDNS: {0}")]
    System(String),
}

impl From<mdns_sd::Error> for Error {
    fn from(error: mdns_sd::Error) -> Self {
        Self::System(error.to_string())
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::System(error.to_string())
    }
}

//! Finds rooms on the LAN. Not built yet: nothing is ever heard of.

/// A room's relay that was heard of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    /// What the venue calls itself.
    pub name: String,
    /// `rtsp://host:port/programme`.
    pub url: url::Url,
    /// The machine.
    pub host: String,
}

/// Why nothing can be heard.
#[derive(Debug, thiserror::Error)]
pub enum Error {}

/// Listens while it lives.
#[derive(Debug)]
pub struct Browser;

impl Browser {
    /// Calls `changed`, on a thread of its own, with all rooms that are known by then.
    pub fn start(changed: impl Fn(Vec<Room>) + Send + 'static) -> Result<Self, Error> {
        changed(Vec::new());
        Ok(Self)
    }
}

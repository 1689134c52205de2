//! The front doors that laptops push to. One registry of paths, keys and publishers stands behind
//! every protocol, because the protocols' own servers do not arbitrate: GStreamer's RTSP server
//! takes two publishers on one path.
//!
//! The rules are the same whatever a laptop speaks. The first publisher has the source; one that has
//! been silent gives way to the next; one that the operator has sent away lets others go first.
//! Wrong keys at speed are made to wait. Guests share one key, and get a place of their own.

mod guests;
mod lip_sync;
mod registry;
pub mod rtmp;
pub mod rtsp;
pub mod srt;
mod strikes;

use std::net::IpAddr;

use crate::engine::note::Protocol;

pub use registry::{Claim, PlaceConfig, PublisherFacts, Registry};

/// Why a publisher is turned away.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RefusePublisher {
    /// No source is pushed to under that name.
    #[error("no such source")]
    Unknown,
    /// Its key is another one.
    #[error("the key is wrong")]
    Key,
    /// Somebody else has it, and is at work.
    #[error("somebody else is pushing to it already")]
    Taken,
    /// Too many wrong keys came from its address; for so many seconds no key is looked at.
    #[error("too many wrong keys; try again in {0} s")]
    TooOften(u64),
    /// The operator has sent it away: for so many seconds others go first.
    #[error("the operator has released it; try again in {0} s")]
    Released(u64),
    /// Every guest's place is taken.
    #[error("every guest's place is taken")]
    Full,
}

/// Whoever stands before a door and names a place, with all that the protocol has told.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'a> {
    /// The door.
    pub protocol: Protocol,
    /// Where the connection comes from.
    pub from: IpAddr,
    /// The source's id, as it was said.
    pub name: &'a str,
    /// The key, as it was said.
    pub key: Option<&'a str>,
}

impl Caller<'_> {
    /// The same, with the address as people know it: at a socket of IPv6, one of IPv4 is wrapped.
    fn plain(self) -> Self {
        Self {
            from: self.from.to_canonical(),
            ..self
        }
    }
}

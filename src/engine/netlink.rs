//! What the kernel tells about the network, asked by netlink: how much of each of our connections
//! the peer has really taken ([`tcp`]), and that a way has opened ([`link`]). Used by the engine
//! thread. No call here waits for anybody outside the kernel.
//!
//! Netlink and not GIO's network monitor: that one needs a main loop on the engine thread, tells of
//! routes only, and knows nothing of connections. A system that refuses netlink sockets (a unit with
//! `RestrictAddressFamilies` without `AF_NETLINK`) loses both, and nothing else.

pub mod link;
pub mod reset;
pub mod tcp;

use std::collections::HashMap;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, Protocol, RecvFlags, SocketFlags, SocketType, bind, socket_with};

use link::Links;
use tcp::{Connections, Mark, Wire};

/// What the engine thread knows of the network. Where the system refuses, it knows nothing.
#[derive(Debug)]
pub struct Network {
    connections: Option<Connections>,
    links: Option<Links>,
}

impl Network {
    /// Knows from now on.
    pub fn open() -> Self {
        let refused = |what: &str, error: Errno| {
            tracing::warn!("the system does not tell regie about {what}: {error}");
        };
        Self {
            connections: Connections::open()
                .inspect_err(|error| refused("its connections", *error))
                .ok(),
            links: Links::open()
                .inspect_err(|error| refused("its network links", *error))
                .ok(),
        }
    }

    /// The connections that bear a mark, of which there are `most`.
    pub fn connections(&self, most: usize) -> HashMap<Mark, Wire> {
        let found = self.connections.as_ref().map(|own| own.look(most));
        found.and_then(Result::ok).unwrap_or_default()
    }

    /// Whether a way has opened since the last call.
    pub fn take_opened(&self) -> bool {
        self.links.as_ref().is_some_and(Links::take_opened)
    }
}

/// Length of a message's head: length, type, flags, sequence, sender (`struct nlmsghdr`).
const HEAD: usize = 16;

/// A netlink socket of a protocol (`None` is the one for routes), subscribed to `groups` (bits of `RTMGRP_…`).
fn open(protocol: Option<Protocol>, groups: u32) -> rustix::io::Result<OwnedFd> {
    let (family, kind) = (AddressFamily::NETLINK, SocketType::DGRAM);
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family, kind, flags, protocol)?;
    bind(&socket, &SocketAddrNetlink::new(0, groups))?;
    Ok(socket)
}

/// One datagram, or `None` where none is there.
fn receive(socket: &OwnedFd, buffer: &mut [u8]) -> rustix::io::Result<Option<usize>> {
    match rustix::net::recv(socket, buffer, RecvFlags::DONTWAIT) {
        Ok((_, length)) => Ok(Some(length)),
        Err(Errno::AGAIN) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The messages in a datagram: type and content of each.
fn messages(mut datagram: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = u32_at(datagram, 0)? as usize;
        let kind = u16_at(datagram, 4)?;
        let content = datagram.get(HEAD..length)?;
        datagram = datagram.get(aligned(length)..).unwrap_or_default();
        Some((kind, content))
    })
}

/// The attributes in a message: type and content of each (`struct rtattr`).
fn attributes(mut rest: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16_at(rest, 0)?);
        let kind = u16_at(rest, 2)?;
        let content = rest.get(4..length)?;
        rest = rest.get(aligned(length)..).unwrap_or_default();
        Some((kind, content))
    })
}

/// Everything in netlink begins at a multiple of four bytes.
const fn aligned(length: usize) -> usize {
    (length + 3) & !3
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, content: &[u8]) -> Vec<u8> {
        let mut bytes = ((HEAD + content.len()) as u32).to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend([0; 10]);
        bytes.extend(content);
        bytes.resize(aligned(bytes.len()), 0);
        bytes
    }

    #[test]
    fn a_datagram_is_taken_apart_and_a_torn_one_ends_it() {
        let mut bytes = message(1, b"abc");
        bytes.extend(message(2, b""));
        let seen: Vec<_> = messages(&bytes).collect();
        assert_eq!(seen, [(1, &b"abc"[..]), (2, &b""[..])]);
        for cut in 1..bytes.len() {
            assert!(messages(&bytes[..cut]).count() < 2 || cut >= 36);
        }
        // A length that lies leads nowhere.
        assert_eq!(messages(&[0; 40]).count(), 0);
        assert_eq!(messages(&[255; 40]).count(), 0);
        assert_eq!(attributes(&[0; 8]).count(), 0);
    }
}

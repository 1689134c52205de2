//! Our TCP connections as the kernel sees them (`NETLINK_SOCK_DIAG`, what `ss -ti` shows). The
//! elements that hold the connections hide them, so each is recognised by a mark that its owner has
//! put on it: the pacing limit, far above any rate that is used.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;

use rustix::net::netlink::{SOCK_DIAG, SocketAddrNetlink};
use rustix::net::{SendFlags, sendto};

use super::{attributes, messages, receive, u32_at, u64_at};

/// From `linux/sock_diag.h`, `linux/inet_diag.h`, `linux/netlink.h`, `netinet/tcp.h`.
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLM_F_REQUEST_DUMP: u16 = 0x301;
const INET_DIAG_INFO: u16 = 2;
const IPPROTO_TCP: u8 = 6;
/// `TCP_ESTABLISHED` and `TCP_CLOSE_WAIT`, as bits.
const STATES: u32 = 1 << 1 | 1 << 8;
/// Both address families: 2 is `AF_INET`, 10 `AF_INET6`.
const FAMILIES: [u8; 2] = [2, 10];

/// Offsets in `struct inet_diag_msg`: `idiag_wqueue`, `idiag_inode`, and its length.
const QUEUED: usize = 60;
const INODE: usize = 68;
const DIAG: usize = 72;
/// Offsets in `struct tcp_info`: `tcpi_max_pacing_rate`, `tcpi_bytes_acked`,
/// `tcpi_bytes_received`, `tcpi_snd_wnd` (from Linux 5.4 on).
const MAX_PACING: usize = 112;
const ACKED: usize = 120;
const RECEIVED: usize = 128;
const WINDOW: usize = 228;

/// The mark of a connection: its pacing limit, in steps of a kilobit per second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mark(u32);

impl Mark {
    /// 8 Gbit/s: no programme is paced by that.
    const LEAST: u32 = 8_000_000;

    /// The mark of the `run`th connection of output number `output` of this process. Two processes
    /// are told apart as far as their ids allow; the limit has to stay below 2^31 bytes per second.
    pub fn of(output: u32, run: u64) -> Self {
        let own = (output % 16) * 16 + (run % 16) as u32;
        Self(Self::LEAST + (std::process::id() % 32_768) * 256 + own)
    }

    /// As rtmp2sink's `peak-kbps` wants it.
    pub fn kilobits_per_second(self) -> u32 {
        self.0
    }

    /// As the kernel shows it, from bytes per second.
    fn read(bytes_per_second: u64) -> Option<Self> {
        let kilobits = u32::try_from(bytes_per_second / 125).ok()?;
        let ours = kilobits >= Self::LEAST && bytes_per_second.is_multiple_of(125);
        ours.then_some(Self(kilobits))
    }
}

/// One connection, as of now. Amounts are bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wire {
    /// Written, but not acknowledged by the peer's kernel.
    pub queued: u64,
    /// Acknowledged by the peer's kernel since the connection began.
    pub acked: u64,
    /// What the peer's kernel has room for; `None` before Linux 5.4.
    pub window: Option<u32>,
    /// The number by which the system knows the socket.
    pub inode: u32,
}

/// What has gone to and fro between a peer and a port of ours. Amounts are bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Received from it since the connection began.
    pub received: u64,
    /// Written, but not acknowledged by its kernel.
    pub queued: u64,
}

/// Where to ask.
#[derive(Debug)]
pub struct Connections {
    socket: OwnedFd,
}

impl Connections {
    /// Opens the way to the kernel.
    pub fn open() -> rustix::io::Result<Self> {
        let socket = super::open(Some(SOCK_DIAG), 0)?;
        Ok(Self { socket })
    }

    /// The connections of this network namespace that bear a mark: all, or `most` of them. The kernel goes
    /// through a large table for each question.
    pub fn look(&self, most: usize) -> rustix::io::Result<HashMap<Mark, Wire>> {
        self.each(read, most)
    }

    /// Every peer that is connected to `port` of this machine.
    pub fn peers(&self, port: u16) -> rustix::io::Result<HashMap<SocketAddr, Peer>> {
        self.each(|message| read_peer(message, port), usize::MAX)
    }

    fn each<K: Eq + Hash, V>(
        &self,
        read: impl Fn(&[u8]) -> Option<(K, V)>,
        most: usize,
    ) -> rustix::io::Result<HashMap<K, V>> {
        let mut found = HashMap::new();
        let mut buffer = vec![0; 64 << 10];
        for family in FAMILIES {
            if found.len() >= most {
                break;
            }
            let kernel = SocketAddrNetlink::new(0, 0);
            sendto(&self.socket, &request(family), SendFlags::empty(), &kernel)?;
            // The kernel answers while it is read: nothing to read is the end.
            while let Some(length) = receive(&self.socket, &mut buffer)? {
                let mut done = false;
                for (kind, content) in messages(&buffer[..length]) {
                    match kind {
                        SOCK_DIAG_BY_FAMILY => found.extend(read(content)),
                        NLMSG_DONE | NLMSG_ERROR => done = true,
                        _ => {}
                    }
                }
                if done {
                    break;
                }
            }
        }
        Ok(found)
    }
}

/// `struct nlmsghdr` and `struct inet_diag_req_v2`.
fn request(family: u8) -> Vec<u8> {
    const LENGTH: u32 = 72;
    let mut bytes = Vec::with_capacity(LENGTH as usize);
    bytes.extend(LENGTH.to_ne_bytes());
    bytes.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    bytes.extend(NLM_F_REQUEST_DUMP.to_ne_bytes());
    // Sequence and sender are of no use here.
    bytes.extend([0; 8]);
    bytes.extend([family, IPPROTO_TCP, 1 << (INET_DIAG_INFO - 1), 0]);
    bytes.extend(STATES.to_ne_bytes());
    // No socket in particular.
    bytes.resize(LENGTH as usize, 0);
    bytes
}

fn read(message: &[u8]) -> Option<(Mark, Wire)> {
    let queued = u32_at(message, QUEUED)?;
    let (_, info) = attributes(message.get(DIAG..)?).find(|(kind, _)| *kind == INET_DIAG_INFO)?;
    let wire = Wire {
        queued: queued.into(),
        acked: u64_at(info, ACKED)?,
        window: u32_at(info, WINDOW),
        inode: u32_at(message, INODE)?,
    };
    Some((Mark::read(u64_at(info, MAX_PACING)?)?, wire))
}

fn read_peer(message: &[u8], port: u16) -> Option<(SocketAddr, Peer)> {
    // `struct inet_diag_sockid`: ports and addresses are as they go over the wire.
    let port_at = |at: usize| {
        Some(u16::from_be_bytes(
            message.get(at..at + 2)?.try_into().ok()?,
        ))
    };
    if port_at(4)? != port {
        return None;
    }
    let address = message.get(24..40)?;
    let peer = match message.first()? {
        2 => IpAddr::from(<[u8; 4]>::try_from(&address[..4]).ok()?),
        _ => IpAddr::from(<[u8; 16]>::try_from(address).ok()?).to_canonical(),
    };
    let (_, info) = attributes(message.get(DIAG..)?).find(|(kind, _)| *kind == INET_DIAG_INFO)?;
    let of_it = Peer {
        received: u64_at(info, RECEIVED)?,
        queued: u32_at(message, QUEUED)?.into(),
    };
    Some((SocketAddr::new(peer, port_at(6)?), of_it))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use gio::prelude::*;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::OwnedFd as Descriptor;

    /// From `asm-generic/socket.h`.
    const SOL_SOCKET: i32 = 1;
    const SO_MAX_PACING_RATE: i32 = 47;

    fn pair(mark: Mark) -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let descriptor = Descriptor::from(stream.try_clone().unwrap());
        let socket = gio::Socket::from_fd(descriptor).unwrap();
        let limit = (mark.kilobits_per_second() * 125) as i32;
        socket
            .set_option(SOL_SOCKET, SO_MAX_PACING_RATE, limit)
            .unwrap();
        (stream, listener.accept().unwrap().0)
    }

    #[test]
    fn each_marked_connection_tells_what_its_own_peer_has_not_taken() {
        let (full, fine) = (Mark::of(3, 1), Mark::of(3, 2));
        let ((mut a, _unread), (mut b, mut reader)) = (pair(full), pair(fine));
        a.set_nonblocking(true).unwrap();
        let mut written = 0;
        while let Ok(n) = a.write(&[7; 4096]) {
            written += n as u64;
        }
        b.write_all(&[7; 4096]).unwrap();
        reader.read_exact(&mut [0; 4096]).unwrap();
        let found = Connections::open().unwrap().look(usize::MAX).unwrap();
        let (full, fine) = (found[&full], found[&fine]);
        // The kernel counts the first byte of all, which carries nothing, as acknowledged.
        assert!(full.queued > 0 && full.queued + full.acked >= written);
        assert_eq!(fine.queued, 0);
        assert!((4096..4100).contains(&fine.acked), "{fine:?}");
        assert!(fine.window.unwrap() > full.window.unwrap());
        drop((a, b));
    }

    #[test]
    fn what_each_peer_has_sent_and_not_taken_is_known() {
        for any in ["127.0.0.1:0", "[::]:0"] {
            let listener = TcpListener::bind(any).unwrap();
            let port = listener.local_addr().unwrap().port();
            let mut peer = TcpStream::connect(("127.0.0.1", port)).unwrap();
            let mut accepted = listener.accept().unwrap().0;
            peer.write_all(&[0; 5000]).unwrap();
            accepted.set_nonblocking(true).unwrap();
            let mut written = 0;
            while let Ok(n) = accepted.write(&[7; 4096]) {
                written += n as u64;
            }
            let found = Connections::open().unwrap().peers(port).unwrap();
            let found = found[&peer.local_addr().unwrap()];
            assert_eq!(found.received, 5000, "{any}");
            assert!(
                found.queued > 0 && found.queued < written,
                "{any}: {found:?}"
            );
        }
    }

    #[test]
    fn marks_differ_and_fit() {
        let marks: Vec<_> = (0..16)
            .flat_map(|output| (0..16).map(move |run| Mark::of(output, run)))
            .collect();
        let different: std::collections::HashSet<_> = marks.iter().collect();
        assert_eq!(different.len(), 256);
        for mark in marks {
            let bytes = u64::from(mark.kilobits_per_second()) * 125;
            assert!(bytes < 1 << 31);
            assert_eq!(Mark::read(bytes), Some(mark));
        }
        assert_eq!(Mark::read(u64::MAX), None);
        assert_eq!(Mark::read(1_000_000), None);
    }
}

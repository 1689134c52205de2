//! Who is connected, and who has to go. A connection costs a thread and memory, so their number is
//! bounded, in all and for each address; one that asks for nothing, sends rubbish, takes less than it
//! is sent, or plays what no longer flows is let go. The server's own thread for it sees that, and
//! clears up.
//!
//! Owned by the server's thread. What a client's thread tells of it lies in its [`Facts`].

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use gio::prelude::*;
use parking_lot::Mutex;
use rustix::net::connect_unspec;

use crate::engine::netlink::tcp::{Connections, Peer};

use super::Playable;
use super::mount::{self, Shape};

/// Connections at one time, and of these from one address: a hundred screens behind one router, and
/// as many again.
pub const MOST: usize = 500;
pub const MOST_OF_ONE: usize = 200;
/// Time from the connection to the first SETUP.
const MANNERS: Duration = Duration::from_secs(10);
/// What whoever does not publish may send in [`SPAN`], in bytes: a request is some hundred, a player's
/// report thirty.
const TALK: u64 = 64 << 10;
const SPAN: Duration = Duration::from_secs(2);
/// A player for which so much lies in the kernel whenever it is looked at, for so long, takes less than
/// it is sent, in bytes. On a good network a picture lies there for some milliseconds.
const HEAP: u64 = 128 << 10;
const BEHIND: Duration = Duration::from_secs(6);

/// What is known of a client. Written on its own thread.
#[derive(Debug)]
pub struct Facts {
    /// Its address.
    pub from: IpAddr,
    /// It has ended.
    pub gone: AtomicBool,
    /// It has set something up.
    pub seated: AtomicBool,
    /// It sends pictures, or is about to.
    pub publishes: AtomicBool,
    /// What its media was built of: the mount's number, and its shape then.
    pub built: Mutex<Option<(usize, Shape)>>,
}

impl Facts {
    /// A client from this address, of which nothing else is known.
    pub fn new(from: IpAddr) -> Self {
        Self {
            from,
            gone: AtomicBool::default(),
            seated: AtomicBool::default(),
            publishes: AtomicBool::default(),
            built: Mutex::default(),
        }
    }
}

impl Default for Facts {
    fn default() -> Self {
        Self::new(Ipv4Addr::UNSPECIFIED.into())
    }
}

#[derive(Debug)]
struct Guest {
    peer: SocketAddr,
    /// Weak: the connection ends when the server lets go of it.
    socket: glib::WeakRef<gio::Socket>,
    since: Instant,
    facts: Arc<Facts>,
    /// What it had sent when the present span began.
    sent: u64,
    span: Instant,
    /// Since when it has been behind whenever it was looked at.
    behind: Option<Instant>,
}

/// Everybody who is connected.
#[derive(Debug)]
pub struct Guests {
    list: RefCell<Vec<Guest>>,
    ports: Vec<u16>,
    mounts: Arc<[Playable]>,
    connections: Option<Connections>,
}

/// Why somebody has to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reason {
    /// It has asked for nothing.
    Idle,
    /// It sends more than whoever plays has to say.
    Floods,
    /// It takes less than it is sent: it may join again.
    Behind,
    /// What it plays has another codec now: it may join again.
    Outdated,
}

/// Why somebody is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// There is no room at all.
    House,
    /// Its address has as many connections as one may have.
    Address,
}

impl Guests {
    /// Nobody yet. `ports` is where they connect to.
    pub fn new(ports: Vec<u16>, mounts: Arc<[Playable]>) -> Self {
        Self {
            list: RefCell::default(),
            ports,
            mounts,
            // Where the system refuses, nobody is counted.
            connections: Connections::open().ok(),
        }
    }

    /// Whether there is room for one more from this address.
    pub fn room_for(&self, address: IpAddr) -> Result<(), Full> {
        let list = self.list.borrow();
        let here = list.iter().filter(|guest| !guest.has_gone());
        let (mut all, mut own) = (0, 0);
        for guest in here {
            all += 1;
            own += usize::from(guest.peer.ip() == address);
        }
        match (all < MOST, own < MOST_OF_ONE) {
            (false, _) => Err(Full::House),
            (_, false) => Err(Full::Address),
            _ => Ok(()),
        }
    }

    /// Somebody has come in.
    pub fn welcome(&self, peer: SocketAddr, socket: &gio::Socket, facts: Arc<Facts>) {
        let now = Instant::now();
        self.list.borrow_mut().push(Guest {
            peer,
            socket: socket.downgrade(),
            since: now,
            facts,
            sent: 0,
            span: now,
            behind: None,
        });
    }

    /// Forgets those that have gone, and lets those go that have to; called some times a second.
    pub fn look(&self, now: Instant) {
        let mut list = self.list.borrow_mut();
        list.retain(|guest| !guest.has_gone());
        if list.is_empty() {
            return;
        }
        let shapes: Vec<Shape> = self.mounts.iter().map(mount::shape).collect();
        let mut peers = HashMap::new();
        if let Some(connections) = &self.connections {
            // Where the kernel does not say, nobody talks too much.
            let told = self.ports.iter().map(|port| connections.peers(*port));
            peers.extend(told.flat_map(Result::unwrap_or_default));
        }
        for guest in list.iter_mut() {
            if let Some(why) = guest.has_to_go(&shapes, &peers, now) {
                tracing::debug!("the RTSP client {} is let go: {why:?}", guest.peer);
                guest.let_go(why);
            }
        }
    }
}

impl Guest {
    fn has_gone(&self) -> bool {
        self.facts.gone.load(Ordering::Relaxed) || self.socket.upgrade().is_none()
    }

    fn let_go(&self, why: Reason) {
        let Some(socket) = self.socket.upgrade() else {
            return;
        };
        if why == Reason::Floods {
            // Reset, with all that it has sent: the server reads byte by byte, and would be long at it.
            if let Err(error) = connect_unspec(&socket) {
                tracing::debug!("an RTSP client cannot be cut: {error}");
            }
        } else {
            // Refused where the peer has ended it already.
            let _ = socket.shutdown(true, true);
        }
    }

    fn has_to_go(
        &mut self,
        shapes: &[Shape],
        peers: &HashMap<SocketAddr, Peer>,
        now: Instant,
    ) -> Option<Reason> {
        if let Some(peer) = peers.get(&self.peer)
            && !self.facts.publishes.load(Ordering::Relaxed)
        {
            if peer.received.saturating_sub(self.sent) > TALK {
                return Some(Reason::Floods);
            }
            if now.duration_since(self.span) > SPAN {
                (self.sent, self.span) = (peer.received, now);
            }
            let heap = (peer.queued > HEAP).then_some(now);
            self.behind = heap.map(|now| self.behind.unwrap_or(now));
            if self
                .behind
                .is_some_and(|since| now.duration_since(since) > BEHIND)
            {
                return Some(Reason::Behind);
            }
        }
        let seated = self.facts.seated.load(Ordering::Relaxed);
        if !seated && now.duration_since(self.since) > MANNERS {
            return Some(Reason::Idle);
        }
        let built = self.facts.built.lock();
        let (number, then) = built.as_ref()?;
        let differs = shapes.get(*number)?.contradicts(then);
        differs.then_some(Reason::Outdated)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn guest_peer() -> SocketAddr {
        SocketAddr::from(([10, 0, 0, 7], 5000))
    }

    fn guest() -> Guest {
        let now = Instant::now();
        Guest {
            peer: guest_peer(),
            socket: glib::WeakRef::new(),
            since: now,
            facts: Arc::default(),
            sent: 0,
            span: now,
            behind: None,
        }
    }

    #[test]
    fn whoever_asks_for_nothing_has_to_go() {
        let mut guest = guest();
        let later = guest.since + MANNERS * 2;
        assert_eq!(guest.has_to_go(&[], &HashMap::new(), guest.since), None);
        assert!(guest.has_to_go(&[], &HashMap::new(), later).is_some());
        guest.facts.seated.store(true, Ordering::Relaxed);
        assert_eq!(guest.has_to_go(&[], &HashMap::new(), later), None);
    }

    #[test]
    fn a_player_that_talks_too_much_has_to_go_and_a_publisher_may() {
        let mut guest = guest();
        guest.facts.seated.store(true, Ordering::Relaxed);
        let sent = |received| {
            HashMap::from([(
                guest_peer(),
                Peer {
                    received,
                    queued: 0,
                },
            )])
        };
        let start = guest.since;
        // A report a second, for hours.
        for second in 1..10_000u32 {
            let now = start + Duration::from_secs(second.into());
            assert_eq!(
                guest.has_to_go(&[], &sent(u64::from(second) * 60), now),
                None
            );
        }
        let now = start + Duration::from_secs(10_000);
        assert!(guest.has_to_go(&[], &sent(1 << 20), now).is_some());
        guest.facts.publishes.store(true, Ordering::Relaxed);
        assert_eq!(guest.has_to_go(&[], &sent(1 << 20), now), None);
    }

    #[test]
    fn a_player_that_is_behind_for_good_has_to_go_and_one_that_catches_up_may_stay() {
        let mut guest = guest();
        guest.facts.seated.store(true, Ordering::Relaxed);
        let lies = |queued| {
            HashMap::from([(
                guest_peer(),
                Peer {
                    received: 0,
                    queued,
                },
            )])
        };
        let start = guest.since;
        let mut look = |ms: u64, queued| {
            guest.has_to_go(&[], &lies(queued), start + Duration::from_millis(ms))
        };
        // A keyframe is just on its way, every time but one.
        for second in 0..20 {
            assert_eq!(look(second * 1000, 200 << 10), None);
            assert_eq!(look(second * 1000 + 400, 9000), None);
        }
        let gone = (0..40).find(|step| look(20_000 + step * 200, 200 << 10).is_some());
        assert!(
            gone.is_some_and(|step| (30..=32).contains(&step)),
            "{gone:?}"
        );
    }
}

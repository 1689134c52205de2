//! One connection at the door, from its first byte to its last.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::epoll::EventFlags;
use rustls::ServerConfig;

use crate::engine::note::Protocol;
use crate::ingest::{Caller, Claim, Registry};

use super::Bell;
use super::protocol::address::Address;
use super::protocol::{Event, Session, Violation, tag};
use super::streams::Streams;
use crate::tls::wire::Wire;

/// From the connection to the wish to publish.
const MANNERS: Duration = Duration::from_secs(10);
/// The engine is told of a publisher, and clears away what was before; it never takes so long.
const READY: Duration = Duration::from_secs(1);
/// Whoever is turned away has so long to read why.
const LEAVE: Duration = Duration::from_secs(2);
/// Reads in a row, before it is somebody else's turn.
const TURN: usize = 8;

/// What all connections work with.
pub struct Hall<'a> {
    /// Who may push where.
    pub registry: &'a Arc<Registry>,
    /// Wakes the door's thread up.
    pub bell: &'a Arc<Bell>,
    /// To read into.
    pub buffer: &'a mut [u8],
    /// The time.
    pub now: Instant,
}

/// One connection.
#[derive(Debug)]
pub struct Connection {
    wire: Wire,
    protocol: Protocol,
    peer: SocketAddr,
    session: Session,
    phase: Phase,
    /// Another one has taken its place, or the engine has sent it away.
    evicted: Arc<AtomicBool>,
    /// There may be more to read that epoll does not tell of.
    hungry: bool,
    /// Its peer was at fault.
    bad: bool,
    remarks: Vec<String>,
    /// What epoll was last told.
    pub interest: EventFlags,
}

#[derive(Debug)]
enum Phase {
    /// It has not said what it wants.
    Stranger {
        /// Since when it has been here.
        since: Instant,
    },
    /// It has its place, and waits for the engine.
    Admitted {
        /// Since when.
        since: Instant,
        claim: Claim,
    },
    /// It sends. (Its streams end before its place is free.)
    Publishing {
        streams: Streams,
        /// The hold on its place.
        claim: Claim,
    },
    /// It is to read our last word, and to go.
    Leaving {
        /// It is cut off then.
        until: Instant,
        /// Our last word is out.
        told: bool,
    },
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// By its peer's fault.
    pub badly: bool,
}

impl Connection {
    /// Somebody has come in.
    pub fn new(
        socket: TcpStream,
        peer: SocketAddr,
        tls: Option<&Arc<ServerConfig>>,
        now: Instant,
    ) -> io::Result<Self> {
        Ok(Self {
            wire: Wire::new(socket, tls)?,
            protocol: if tls.is_some() {
                Protocol::Rtmps
            } else {
                Protocol::Rtmp
            },
            peer,
            session: Session::default(),
            phase: Phase::Stranger { since: now },
            evicted: Arc::default(),
            hungry: false,
            bad: false,
            remarks: Vec::new(),
            interest: EventFlags::IN,
        })
    }

    /// Where it comes from.
    pub fn address(&self) -> IpAddr {
        self.peer.ip().to_canonical()
    }

    /// Since when it has been here without a word of what it wants.
    pub fn stranger_since(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Stranger { since } => Some(*since),
            _ => None,
        }
    }

    /// What it speaks.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// What is to be said of it, if anything.
    pub fn take_remarks(&mut self) -> Vec<String> {
        std::mem::take(&mut self.remarks)
    }

    /// It has something to do although nothing has come for it: at once, or soon.
    pub fn is_busy(&self) -> bool {
        self.hungry || self.is_held() || self.evicted.load(Ordering::Relaxed)
    }

    /// Nothing is read of it just now.
    fn is_held(&self) -> bool {
        match &self.phase {
            Phase::Admitted { .. } => true,
            Phase::Publishing { streams, .. } => streams.is_full(),
            Phase::Stranger { .. } | Phase::Leaving { .. } => false,
        }
    }

    /// It can go on at once, whatever epoll says.
    pub fn is_hungry(&self) -> bool {
        self.hungry && !self.is_held()
    }

    /// What epoll shall tell of.
    pub fn wanted(&mut self) -> EventFlags {
        let mut wanted = EventFlags::empty();
        wanted.set(EventFlags::IN, !self.is_held());
        let writes = !self.session.out().is_empty() || self.wire.wants_write();
        wanted.set(EventFlags::OUT, writes);
        wanted
    }

    /// Reads, does and answers what there is. An answer means that it has ended.
    pub fn serve(&mut self, hall: &mut Hall<'_>) -> Option<Ended> {
        if self.evicted.swap(false, Ordering::Relaxed) {
            self.lose_place(hall.now);
        }
        let gone = match self.talk(hall) {
            Ok(gone) => gone,
            Err(Trouble::Violation(violation)) => {
                self.blame(violation.to_string());
                true
            }
            // Whoever publishes and breaks off is no offender.
            Err(Trouble::Io(error)) => {
                if error.kind() == ErrorKind::InvalidData {
                    self.blame(format!("TLS fails: {error}"));
                }
                true
            }
            Err(Trouble::Stream(reason)) => {
                self.blame(format!("what it sends cannot be read: {reason}"));
                true
            }
        };
        let late = match &self.phase {
            Phase::Stranger { since } if hall.now.duration_since(*since) > MANNERS => {
                let waited = MANNERS.as_secs();
                self.blame(format!("it has not said what it wants within {waited} s"));
                true
            }
            Phase::Leaving { until, .. } => hall.now > *until,
            _ => false,
        };
        (gone || late).then_some(Ended { badly: self.bad })
    }

    /// The place is somebody else's, or nobody's, from now on.
    fn lose_place(&mut self, now: Instant) {
        let why = "the place is free for somebody else now";
        match self.phase {
            Phase::Admitted { .. } => self.session.refuse(why),
            Phase::Publishing { .. } => self.session.dismiss(why),
            // It has none, or has given it back.
            Phase::Stranger { .. } | Phase::Leaving { .. } => return,
        }
        self.leave(now);
    }

    fn blame(&mut self, reason: String) {
        self.bad = true;
        self.remarks.push(reason);
    }

    /// `true`: the peer has ended.
    fn talk(&mut self, hall: &mut Hall<'_>) -> Result<bool, Trouble> {
        self.begin_if_ready(hall.now);
        self.hungry = false;
        for turn in 0.. {
            self.listen(hall)?;
            if self.is_held() {
                // What lies in TLS already is not told of by epoll.
                self.hungry = true;
                break;
            }
            if turn == TURN {
                self.hungry = true;
                break;
            }
            match self.wire.read(hall.buffer) {
                Ok(0) => return Ok(true),
                Ok(count) => self.session.take(&hall.buffer[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.answer()?;
        match &self.phase {
            Phase::Publishing { streams, .. } => match streams.broken() {
                Some(reason) => Err(Trouble::Stream(reason)),
                None => Ok(false),
            },
            _ => Ok(false),
        }
    }

    /// Does what the peer says.
    fn listen(&mut self, hall: &Hall<'_>) -> Result<(), Trouble> {
        while let Some(event) = self.session.next_event()? {
            let (timestamp, message, tag) = match event {
                Event::Publish(address) => {
                    self.ask(&address, hall);
                    continue;
                }
                Event::Farewell => {
                    self.leave(hall.now);
                    continue;
                }
                Event::Misled(why) => {
                    self.blame(why.to_owned());
                    self.leave(hall.now);
                    continue;
                }
                Event::Video(timestamp, message) => {
                    let tag = tag::video(&message);
                    (timestamp, message, tag)
                }
                Event::Audio(timestamp, message) => {
                    let tag = tag::audio(&message);
                    (timestamp, message, tag)
                }
            };
            let Phase::Publishing { streams, claim } = &mut self.phase else {
                continue;
            };
            let unknown = streams
                .put(timestamp, message, tag)
                .map_err(Trouble::Stream)?;
            if let Some(name) = unknown {
                hall.registry.note_untaken(claim.id(), &name);
            }
        }
        Ok(())
    }

    fn ask(&mut self, address: &Address, hall: &Hall<'_>) {
        let (evicted, bell) = (self.evicted.clone(), hall.bell.clone());
        let evict = move || {
            evicted.store(true, Ordering::Relaxed);
            bell.ring();
        };
        let caller = Caller {
            protocol: self.protocol,
            from: self.address(),
            name: &address.name,
            key: address.key.as_deref(),
        };
        match hall.registry.admit(caller, evict) {
            Ok(claim) => {
                let since = hall.now;
                self.phase = Phase::Admitted { since, claim };
            }
            Err(refusal) => {
                self.session.refuse(&refusal.to_string());
                // The registry tells of it.
                self.bad = true;
                self.leave(hall.now);
            }
        }
    }

    /// Lets a publisher begin for whom the engine is ready.
    fn begin_if_ready(&mut self, now: Instant) {
        let Phase::Admitted { since, claim } = &self.phase else {
            return;
        };
        let Some(inlet) = claim.inlet() else {
            return;
        };
        if inlet.session() != claim.session() && now.duration_since(*since) < READY {
            return;
        }
        let leaving = Phase::Leaving {
            until: now,
            told: false,
        };
        if let Phase::Admitted { claim, .. } = std::mem::replace(&mut self.phase, leaving) {
            self.session.accept();
            self.phase = Phase::Publishing {
                streams: Streams::new(inlet),
                claim,
            };
        }
    }

    fn leave(&mut self, now: Instant) {
        self.phase = Phase::Leaving {
            until: now + LEAVE,
            told: false,
        };
    }

    /// Sends what there is to say, as far as the peer takes it.
    fn answer(&mut self) -> io::Result<()> {
        let would_block = |error: &io::Error| error.kind() == ErrorKind::WouldBlock;
        loop {
            let out = self.session.out();
            if out.is_empty() {
                break;
            }
            match self.wire.write(out) {
                Ok(count) => {
                    out.drain(..count);
                }
                Err(error) if would_block(&error) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        match self.wire.flush() {
            Err(error) if would_block(&error) => return Ok(()),
            done => done?,
        }
        if let Phase::Leaving { told, .. } = &mut self.phase
            && !*told
        {
            // The peer's end follows; closing before would take our last word along.
            *told = true;
            self.wire.end();
        }
        Ok(())
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wire.as_fd()
    }
}

/// Why a connection cannot go on.
enum Trouble {
    Violation(Violation),
    Io(io::Error),
    Stream(String),
}

impl From<Violation> for Trouble {
    fn from(violation: Violation) -> Self {
        Self::Violation(violation)
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

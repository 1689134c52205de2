//! The door's thread: waits for all sockets at once, and serves one connection after the other. It
//! never waits for one of them.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, EventData, EventFlags};
use std::os::fd::OwnedFd;

use crate::engine::note::{Note, Notes, Protocol};
use crate::ingest::Registry;

use super::Bell;
use super::connection::{Connection, Ended, Hall};
use super::guests::{Full, Guests};
use super::post::Post;

/// How often everybody is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// The same while somebody waits for something that nobody tells of.
const SOON: Duration = Duration::from_millis(2);
/// Bytes read at once.
const READ: usize = 64 << 10;
/// Connections taken in at once, before the others' turn.
const AT_ONCE: usize = 64;
/// Events told at once.
const EVENTS: usize = 64;

/// The bell's number with epoll; the posts' follow, then the connections'.
const BELL: u64 = 0;
const FIRST_POST: u64 = 1;
const FIRST_CONNECTION: u64 = 16;

/// What the thread owns.
pub struct Server {
    posts: Vec<Post>,
    registry: Arc<Registry>,
    notes: Notes,
    bell: Arc<Bell>,
    stop: Arc<AtomicBool>,
    epoll: OwnedFd,
    connections: HashMap<u64, Connection>,
    next: u64,
    guests: Guests,
}

impl Server {
    /// Nothing listens yet.
    pub fn new(
        posts: Vec<Post>,
        registry: Arc<Registry>,
        notes: Notes,
        bell: Arc<Bell>,
        stop: Arc<AtomicBool>,
    ) -> std::io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, &*bell, EventData::new_u64(BELL), EventFlags::IN)?;
        Ok(Self {
            posts,
            registry,
            notes,
            bell,
            stop,
            epoll,
            connections: HashMap::new(),
            next: FIRST_CONNECTION,
            guests: Guests::default(),
        })
    }

    /// Serves until it is asked to stop.
    pub fn run(mut self) {
        let mut buffer = vec![0; READ];
        let mut events = Vec::with_capacity(EVENTS);
        let mut looked = Instant::now();
        while !self.stop.load(Ordering::Relaxed) {
            self.open_posts();
            events.clear();
            let wait = self.patience();
            let timeout = Timespec {
                tv_sec: 0,
                tv_nsec: wait.as_nanos() as i64,
            };
            let told = epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&timeout));
            if let Err(error) = told
                && error != rustix::io::Errno::INTR
            {
                tracing::error!("the RTMP door cannot wait: {error}");
                std::thread::sleep(LOOK);
            }
            let mut due: Vec<u64> = Vec::new();
            for event in &events {
                match event.data.u64() {
                    BELL => self.bell.hush(),
                    number if number < FIRST_CONNECTION => self.let_in(number - FIRST_POST),
                    number => due.push(number),
                }
            }
            let now = Instant::now();
            let all = now.duration_since(looked) >= LOOK;
            if all {
                looked = now;
            }
            let others = self.connections.iter();
            let others = others.filter(|(_, own)| all || own.is_busy());
            due.extend(others.map(|(number, _)| *number));
            due.sort_unstable();
            due.dedup();
            for number in due {
                self.serve(number, &mut buffer, now);
            }
        }
    }

    fn patience(&self) -> Duration {
        let mut patience = LOOK;
        for connection in self.connections.values() {
            if connection.is_hungry() {
                return Duration::ZERO;
            }
            if connection.is_busy() {
                patience = SOON;
            }
        }
        patience
    }

    fn open_posts(&mut self) {
        let now = Instant::now();
        for (number, post) in (FIRST_POST..).zip(&mut self.posts) {
            let protocol = post.protocol;
            let result = match post.open(now) {
                None => continue,
                Some(Err(reason)) => Err(reason),
                Some(Ok(listener)) => {
                    let data = EventData::new_u64(number);
                    epoll::add(&self.epoll, listener, data, EventFlags::IN)
                        .map_err(|error| error.to_string())
                }
            };
            self.notes.send(Note::Door(protocol, result));
        }
    }

    fn let_in(&mut self, post: u64) {
        let now = Instant::now();
        for _ in 0..AT_ONCE {
            let Some(post) = self.posts.get_mut(post as usize) else {
                return;
            };
            let Some((socket, peer)) = post.accept(now) else {
                return;
            };
            let (address, protocol) = (peer.ip().to_canonical(), post.protocol);
            let tls = post.config().cloned();
            let mut entered = self.guests.enters(address, now);
            if entered == Err(Full::House) && self.make_room(now) {
                entered = self.guests.enters(address, now);
            }
            if let Err(full) = entered {
                let what = match full {
                    Full::House => "there is no room for its connections",
                    Full::Address => "it has too many connections",
                    Full::Tries => {
                        "it has been turned away too often; it may try again in a moment"
                    }
                };
                self.say(protocol, address, what, now);
                continue;
            }
            let entered = Connection::new(socket, peer, tls.as_ref(), now).and_then(|own| {
                let data = EventData::new_u64(self.next);
                epoll::add(&self.epoll, &own, data, own.interest)?;
                Ok(own)
            });
            match entered {
                Ok(connection) => {
                    self.connections.insert(self.next, connection);
                    self.next += 1;
                }
                Err(error) => {
                    // It has gone already, as a rule.
                    tracing::debug!("somebody could not be let in: {error}");
                    self.guests.leaves(address, false, now);
                }
            }
        }
    }

    /// Lets go of whoever has said least for longest: a house full of silence is no reason to turn a
    /// laptop away.
    fn make_room(&mut self, now: Instant) -> bool {
        let strangers = self.connections.iter();
        let strangers =
            strangers.filter_map(|(number, own)| Some((own.stranger_since()?, *number)));
        let oldest = strangers.min().map(|(_, number)| number);
        let Some(gone) = oldest.and_then(|number| self.connections.remove(&number)) else {
            return false;
        };
        self.guests.leaves(gone.address(), true, now);
        true
    }

    fn serve(&mut self, number: u64, buffer: &mut [u8], now: Instant) {
        let Some(connection) = self.connections.get_mut(&number) else {
            return;
        };
        let mut hall = Hall {
            registry: &self.registry,
            bell: &self.bell,
            buffer,
            now,
        };
        let mut ended = connection.serve(&mut hall);
        let wanted = connection.wanted();
        if ended.is_none() && wanted != connection.interest {
            connection.interest = wanted;
            let data = EventData::new_u64(number);
            if epoll::modify(&self.epoll, &*connection, data, wanted).is_err() {
                ended = Some(Ended { badly: false });
            }
        }
        let (address, protocol) = (connection.address(), connection.protocol());
        for remark in connection.take_remarks() {
            self.say(protocol, address, &remark, now);
        }
        if let Some(Ended { badly }) = ended {
            self.connections.remove(&number);
            self.guests.leaves(address, badly, now);
        }
    }

    /// Says what is wrong with a peer: once a while for each address.
    fn say(&mut self, protocol: Protocol, address: std::net::IpAddr, what: &str, now: Instant) {
        let what = crate::secret::redact(what);
        let scheme = protocol.scheme().to_uppercase();
        match self.guests.may_say(address, &what, now) {
            None => tracing::debug!("{scheme} from {address}: {what}"),
            Some(0) => tracing::warn!("{scheme} from {address}: {what}"),
            Some(unsaid) => {
                tracing::warn!("{scheme} from {address}: {what} ({unsaid} more troubles since)");
            }
        }
    }
}

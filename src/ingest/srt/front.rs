//! The one port that all callers come to, and the thread that serves it. A caller's first handshake
//! is answered without keeping anything; its second one, which proves its address and says what it
//! wants, is judged here: by its stream id, by its key, by the registry. Whoever is let in becomes a
//! [`Call`], and its datagrams are passed on, a hop of some 0.1 ms each way.

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::engine::note::Protocol;
use crate::engine::timebase::Timebase;
use crate::ingest::{Caller, Claim, RefusePublisher, Registry};
use crate::secret::Secret;

use super::call::{Call, Course, send};
use super::cookie::Cookies;
use super::handshake::{Handshake, Kind, Refusal, destination};
use super::limits::Limits;
use super::lock::Sealed;
use super::mailbox::{Letter, Mail, Mailbox};
use super::{media, wish};

/// No SRT packet is larger: it has to fit into an Ethernet frame.
pub const LARGEST: usize = 2048;
/// So many datagrams of one socket are taken before the others have their turn.
pub const BATCH: usize = 128;
/// What may wait to be read, in bytes: a second and more of a fast sender. (The kernel may allow
/// less.)
const WAITING: usize = 2 << 20;
/// A caller whose place is held by one that has been silent for this long, as no sender is that is
/// well, is not refused yet: it asks again four times a second for three seconds, and by then it is
/// clear whether the other one is gone.
const DOUBT: Duration = Duration::from_millis(100);
/// One that has been silent for this long has given way to it. (The registry looks at what comes out
/// of a publisher's latency, which may be two seconds later.)
const SILENCE: Duration = Duration::from_millis(1800);
/// How often calls that are being opened are looked after, and all others.
const SOON: Duration = Duration::from_millis(10);
const SELDOM: Duration = Duration::from_millis(500);

/// Everything that the door's thread owns.
pub struct Front {
    outside: UdpSocket,
    registry: Arc<Registry>,
    timebase: Timebase,
    mailbox: Mailbox,
    cookies: Cookies,
    limits: Limits,
    calls: Vec<Call>,
    /// Of the last call.
    number: u64,
}

/// What is done with a caller that asks to be let in.
enum Verdict {
    /// It has its place; the passphrase, where it needs one.
    In(Claim, Option<Secret>),
    /// It is turned away.
    Refuse(Refusal),
    /// It is not answered: it will ask again, and the place may be free then.
    Wait,
}

/// Lets more datagrams wait. What the system allows is good enough.
pub fn widen(socket: &UdpSocket) {
    let _ = rustix::net::sockopt::set_socket_recv_buffer_size(socket, WAITING);
}

/// What it decides it tells itself.
fn is_told_by_the_registry(why: Refusal) -> bool {
    use Refusal::{Conflict, Forbidden, NotFound, Overload, WrongKey};
    matches!(why, Conflict | Forbidden | NotFound | Overload | WrongKey)
}

impl Front {
    /// Listens at `address`.
    pub fn listen(
        address: SocketAddr,
        registry: Arc<Registry>,
        timebase: Timebase,
        mailbox: Mailbox,
    ) -> std::io::Result<Self> {
        let outside = UdpSocket::bind(address)?;
        outside.set_nonblocking(true)?;
        widen(&outside);
        let now = Instant::now();
        Ok(Self {
            outside,
            registry,
            timebase,
            mailbox,
            cookies: Cookies::new(now),
            limits: Limits::new(now),
            calls: Vec::new(),
            number: 0,
        })
    }

    /// Serves callers until the door closes.
    pub fn serve(mut self, mail: &Mail) {
        let mut buffer = [0; LARGEST];
        loop {
            let ready = self.wait(mail);
            let now = Instant::now();
            for letter in mail.take() {
                if matches!(letter, Letter::Close) {
                    for call in &self.calls {
                        call.say_goodbye(&self.outside);
                    }
                    return;
                }
                self.on_letter(letter, now);
            }
            self.on_outside(&mut buffer, now);
            self.on_near(&ready, &mut buffer);
            self.look_after_calls(now);
        }
    }

    /// Waits until there is something to do; the numbers of calls whose libsrt has sent something.
    fn wait(&self, mail: &Mail) -> Vec<u64> {
        let mut all = vec![
            PollFd::from_borrowed_fd(mail.bell(), PollFlags::IN),
            PollFd::from_borrowed_fd(self.outside.as_fd(), PollFlags::IN),
        ];
        let near = (self.calls.iter())
            .map(|call| PollFd::from_borrowed_fd(call.near.as_fd(), PollFlags::IN));
        all.extend(near);
        let is_opening = self.calls.iter().any(Call::is_opening);
        let most = if is_opening { SOON } else { SELDOM };
        let most = Timespec {
            tv_sec: 0,
            tv_nsec: i64::from(most.subsec_nanos()),
        };
        if let Err(error) = poll(&mut all, Some(&most))
            && error != rustix::io::Errno::INTR
        {
            tracing::error!("the SRT door cannot wait for datagrams: {error}");
            std::thread::sleep(SOON);
        }
        (self.calls.iter().zip(&all[2..]))
            .filter(|(_, socket)| !socket.revents().is_empty())
            .map(|(call, _)| call.number)
            .collect()
    }

    fn on_letter(&mut self, letter: Letter, now: Instant) {
        match letter {
            Letter::Opened(number, Ok(pipe)) => {
                let call = self.calls.iter_mut().find(|call| call.number == number);
                // One that has ended meanwhile takes its pipeline along.
                if let Some(call) = call {
                    call.opened(pipe, now);
                }
            }
            Letter::Opened(number, Err(reason)) => {
                tracing::warn!("a publisher by SRT cannot be taken: {reason}");
                self.end(number, &reason);
            }
            Letter::Ended(number, reason) => self.end(number, &reason),
            Letter::Evict(number) => self.end(number, "its place is another's"),
            // Handled by the loop.
            Letter::Close => {}
        }
    }

    fn end(&mut self, number: u64, reason: &str) {
        let Some(at) = self.calls.iter().position(|call| call.number == number) else {
            return;
        };
        let call = self.calls.swap_remove(at);
        tracing::debug!("SRT: {} of {} ends: {reason}", call.id(), call.peer);
        call.say_goodbye(&self.outside);
    }

    fn on_outside(&mut self, buffer: &mut [u8; LARGEST], now: Instant) {
        for _ in 0..BATCH {
            let (length, peer) = match self.outside.recv_from(buffer) {
                Ok(received) => received,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                // Interrupted, or some caller's network tells that it is gone: the next one, then.
                Err(_) => continue,
            };
            if length < LARGEST {
                self.on_datagram(&buffer[..length], peer, now);
            }
        }
    }

    fn on_datagram(&mut self, datagram: &[u8], peer: SocketAddr, now: Instant) {
        let Some(socket) = destination(datagram) else {
            return;
        };
        if let Some(call) = self.calls.iter_mut().find(|call| call.is_for(peer, socket)) {
            call.on_packet(datagram, now);
            return;
        }
        let Some(handshake) = Handshake::read(datagram).filter(|_| socket == 0) else {
            return;
        };
        match handshake.kind() {
            Kind::Induction => {
                let cookie = self.cookies.bake(peer, now);
                send(&self.outside, &handshake.invitation(cookie), peer);
            }
            Kind::Conclusion if self.cookies.knows(peer, handshake.cookie(), now) => {
                let own = |call: &&mut Call| call.peer == peer && call.socket == handshake.socket();
                match self.calls.iter_mut().find(own) {
                    Some(call) => call.on_conclusion(&handshake, now),
                    None => self.receive(datagram, &handshake, peer, now),
                }
            }
            _ => {}
        }
    }

    /// Somebody new asks to be let in.
    fn receive(
        &mut self,
        datagram: &[u8],
        handshake: &Handshake<'_>,
        peer: SocketAddr,
        now: Instant,
    ) {
        if !self.limits.allow(peer.ip(), now) {
            return;
        }
        self.number += 1;
        let refusal = match self.judge(handshake, peer, now) {
            Verdict::Wait => return,
            Verdict::Refuse(why) => Some(why),
            Verdict::In(claim, key) => {
                let opened = self.open(datagram, peer, claim, key, now);
                opened
                    .inspect_err(|error| {
                        tracing::warn!("a publisher by SRT cannot be taken: {error}");
                    })
                    .is_err()
                    .then_some(Refusal::Internal)
            }
        };
        let Some(why) = refusal else { return };
        send(&self.outside, &handshake.refusal(why), peer);
        if !is_told_by_the_registry(why) && self.limits.is_news(peer.ip(), why, now) {
            let source = handshake.stream_id().unwrap_or_default();
            let source = wish::source_of(&source).unwrap_or_default();
            let source: String = source.chars().take(64).collect();
            tracing::warn!(
                "SRT: {} was turned away from {source:?}: {why}",
                peer.ip().to_canonical()
            );
        }
    }

    fn judge(&mut self, handshake: &Handshake<'_>, peer: SocketAddr, now: Instant) -> Verdict {
        if !handshake.is_of_a_known_version() {
            return Verdict::Refuse(Refusal::Version);
        }
        if !handshake.asks() {
            return Verdict::Refuse(Refusal::Rogue);
        }
        let stream_id = match handshake.stream_id() {
            Ok(stream_id) => stream_id,
            Err(why) => return Verdict::Refuse(why),
        };
        let name = match wish::source_of(&stream_id) {
            Ok(name) => name,
            Err(why) => return Verdict::Refuse(why),
        };
        let places = self.registry.places();
        let place = places.into_iter().find(|(id, _)| id.as_str() == name);
        let is_known = place.is_some();
        let key = place.and_then(|(_, key)| key);
        let shown = match (&key, handshake.key_material()) {
            (None, None) => None,
            // The one wants what the other does not have.
            (Some(_), None) => return Verdict::Refuse(Refusal::KeyMissing),
            // Its stream is encrypted, and nobody here can read it.
            (None, Some(_)) if is_known => return Verdict::Refuse(Refusal::KeyMissing),
            (None, Some(_)) => None,
            (Some(key), Some(material)) => match Sealed::read(material) {
                None => return Verdict::Refuse(Refusal::Rogue),
                Some(sealed) if sealed.opens_with(key.reveal()) => Some(key.reveal()),
                Some(_) => Some(""),
            },
        };
        let caller = Caller {
            protocol: Protocol::Srt,
            from: peer.ip().to_canonical(),
            name: &name,
            key: shown,
        };
        // A stranger has nobody's silence cut short.
        let knows = key.is_none() || shown.is_some_and(|shown| !shown.is_empty());
        if knows && self.registry.patience(&caller).is_ok() && self.is_in_doubt(&name, now) {
            return Verdict::Wait;
        }
        let (mailbox, number) = (self.mailbox.clone(), self.number);
        match (self.registry).admit(caller, move || mailbox.send(Letter::Evict(number))) {
            Ok(claim) => Verdict::In(claim, key),
            Err(RefusePublisher::Unknown) => Verdict::Refuse(Refusal::NotFound),
            Err(RefusePublisher::Key) => Verdict::Refuse(Refusal::WrongKey),
            Err(RefusePublisher::Taken) => Verdict::Refuse(Refusal::Conflict),
            Err(RefusePublisher::Released(_)) => Verdict::Refuse(Refusal::Forbidden),
            Err(RefusePublisher::TooOften(_) | RefusePublisher::Full) => {
                Verdict::Refuse(Refusal::Overload)
            }
        }
    }

    /// Whether a call has the place whose sender has fallen silent, but not for long enough. One
    /// that has been is ended here: its stream may still be on its way through its latency.
    fn is_in_doubt(&mut self, name: &str, now: Instant) -> bool {
        let holder = self.calls.iter().find(|call| call.id().as_str() == name);
        let Some((number, silence)) = holder.map(|call| (call.number, call.silence(now))) else {
            return false;
        };
        if silence >= SILENCE {
            self.end(number, "its sender has vanished");
            return false;
        }
        silence >= DOUBT
    }

    fn open(
        &mut self,
        conclusion: &[u8],
        peer: SocketAddr,
        claim: Claim,
        key: Option<Secret>,
        now: Instant,
    ) -> std::io::Result<()> {
        let number = self.number;
        let inlet = claim
            .inlet()
            .ok_or_else(|| std::io::Error::other("the source has no inlet"))?;
        let port = media::free_port()?;
        let call = Call::new(number, peer, conclusion, claim, port, now)?;
        let plan = media::Plan {
            number,
            caller: call.near.local_addr()?.port(),
            port,
            key,
            inlet,
            timebase: self.timebase.clone(),
            mailbox: self.mailbox.clone(),
        };
        let mailbox = self.mailbox.clone();
        let thread = std::thread::Builder::new().name("srt-open".into());
        thread.spawn(move || mailbox.send(Letter::Opened(number, media::open(plan))))?;
        self.calls.push(call);
        Ok(())
    }

    fn on_near(&mut self, ready: &[u64], buffer: &mut [u8; LARGEST]) {
        for number in ready {
            let Some(at) = self.calls.iter().position(|call| call.number == *number) else {
                continue;
            };
            if self.calls[at].on_near(&self.outside, buffer) == Course::Refused {
                let call = self.calls.swap_remove(at);
                tracing::debug!("SRT: libsrt refuses {} of {}", call.id(), call.peer);
            }
        }
    }

    fn look_after_calls(&mut self, now: Instant) {
        for call in &mut self.calls {
            call.poll(now);
        }
        let outside = &self.outside;
        self.calls.retain(|call| {
            let failed = call.has_failed(now);
            if failed {
                call.say_goodbye(outside);
            }
            !failed
        });
    }
}

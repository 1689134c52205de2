//! One caller that has been let in: what it sends goes on to its own libsrt behind a port of this
//! machine, and the answers back. Lives on the door's thread.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use crate::engine::pipeline::Pipe;
use crate::ingest::Claim;
use crate::model::SourceId;

use super::front::{BATCH, LARGEST};
use super::handshake::{self, Handshake, Kind};

/// How often the registry is told that a stream flows.
const TELL: Duration = Duration::from_millis(100);
/// How often the inner listener is asked for its cookie.
const ASK_AGAIN: Duration = Duration::from_millis(20);
/// Callers give up after three seconds; a call that does not come about is forgotten a little later.
const OPENING: Duration = Duration::from_secs(4);
/// The most latency that a caller may ask for, in milliseconds.
const MOST_LATENCY: u16 = 2000;

/// How far a call has come.
#[derive(Debug)]
enum Stage {
    /// Its pipeline is being built.
    Building,
    /// The inner listener has been asked for its cookie.
    Asking { last: Instant },
    /// The inner listener has been shown its cookie, this one.
    Joining { cookie: u32 },
    /// The inner listener has let it in, as this socket.
    Talking { cookie: u32, inner: u32 },
}

/// A caller, its place, and what takes its stream.
#[derive(Debug)]
pub struct Call {
    pub number: u64,
    pub peer: SocketAddr,
    /// The caller's socket.
    pub socket: u32,
    claim: Claim,
    /// Towards its pipeline.
    pub near: UdpSocket,
    /// Its second handshake, as it came.
    conclusion: Vec<u8>,
    stage: Stage,
    pipe: Option<Pipe>,
    begun: Instant,
    /// When something last came from it.
    heard: Instant,
    /// When the registry was last told so.
    told: Instant,
}

/// What became of a look at the inner socket.
#[derive(Debug, PartialEq, Eq)]
pub enum Course {
    /// It goes on.
    On,
    /// libsrt has refused it; it has been told.
    Refused,
}

impl Call {
    /// A caller that has its place; `port` is where its pipeline will listen.
    pub fn new(
        number: u64,
        peer: SocketAddr,
        conclusion: &[u8],
        claim: Claim,
        port: u16,
        now: Instant,
    ) -> std::io::Result<Self> {
        let near = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        near.connect((Ipv4Addr::LOCALHOST, port))?;
        near.set_nonblocking(true)?;
        super::front::widen(&near);
        Ok(Self {
            number,
            peer,
            socket: Handshake::read(conclusion).map_or(0, |own| own.socket()),
            claim,
            near,
            conclusion: conclusion.to_vec(),
            stage: Stage::Building,
            pipe: None,
            begun: now,
            heard: now,
            told: now,
        })
    }

    /// Whose place it has.
    pub fn id(&self) -> &SourceId {
        self.claim.id()
    }

    /// Its pipeline runs, and listens.
    pub fn opened(&mut self, pipe: Pipe, now: Instant) {
        self.pipe = Some(pipe);
        self.ask(now);
    }

    fn ask(&mut self, now: Instant) {
        self.stage = Stage::Asking { last: now };
        if let Some(own) = Handshake::read(&self.conclusion) {
            self.pass_in(&own.introduction());
        }
    }

    /// Whether it has to be looked after soon.
    pub fn is_opening(&self) -> bool {
        !matches!(self.stage, Stage::Talking { .. })
    }

    /// Whether it did not come about.
    pub fn has_failed(&self, now: Instant) -> bool {
        self.is_opening() && now.duration_since(self.begun) > OPENING
    }

    /// How long its sender has been silent.
    pub fn silence(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.heard)
    }

    /// Asks again, where there was no answer.
    pub fn poll(&mut self, now: Instant) {
        if let Stage::Asking { last } = self.stage
            && now.duration_since(last) >= ASK_AGAIN
        {
            self.ask(now);
        }
    }

    /// Whether a packet for this socket is for this call.
    pub fn is_for(&self, peer: SocketAddr, destination: u32) -> bool {
        self.peer == peer
            && matches!(self.stage, Stage::Talking { inner, .. } if inner == destination)
    }

    /// The caller has sent a packet of its stream.
    pub fn on_packet(&mut self, packet: &[u8], now: Instant) {
        // A packet of data, not of libsrt's own talk: its first bit tells. What it holds comes to the
        // inlet a latency later.
        if packet.first().is_some_and(|first| first & 0x80 == 0)
            && now.saturating_duration_since(self.told) >= TELL
        {
            self.told = now;
            self.claim.hear(now);
        }
        self.heard = now;
        self.pass_in(packet);
    }

    /// The caller has repeated its second handshake: it has not heard the answer.
    pub fn on_conclusion(&mut self, conclusion: &Handshake<'_>, now: Instant) {
        self.heard = now;
        if let Stage::Joining { cookie } | Stage::Talking { cookie, .. } = self.stage {
            self.pass_in(&conclusion.passed_on(cookie, MOST_LATENCY));
        }
    }

    /// Takes what libsrt has sent, and passes it on to the caller.
    pub fn on_near(&mut self, outside: &UdpSocket, buffer: &mut [u8; LARGEST]) -> Course {
        for _ in 0..BATCH {
            let length = match self.near.recv(buffer) {
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                // Nothing there; or nobody listens there yet, or any more.
                Err(_) => return Course::On,
            };
            let packet = &buffer[..length];
            let refused = match Handshake::read(packet) {
                Some(answer) => match self.on_answer(&answer) {
                    Some(course) => course == Course::Refused,
                    // It is not the caller's.
                    None => continue,
                },
                None => false,
            };
            send(outside, packet, self.peer);
            if refused {
                return Course::Refused;
            }
        }
        Course::On
    }

    /// Learns from libsrt's handshakes; `None` for the one that is ours alone.
    fn on_answer(&mut self, answer: &Handshake<'_>) -> Option<Course> {
        match (answer.kind(), &self.stage) {
            (Kind::Induction, Stage::Asking { .. }) => {
                let cookie = answer.cookie();
                self.stage = Stage::Joining { cookie };
                if let Some(own) = Handshake::read(&self.conclusion) {
                    self.pass_in(&own.passed_on(cookie, MOST_LATENCY));
                }
                None
            }
            (Kind::Conclusion, Stage::Joining { cookie }) => {
                let (cookie, inner) = (*cookie, answer.socket());
                self.stage = Stage::Talking { cookie, inner };
                Some(Course::On)
            }
            (Kind::Conclusion, Stage::Talking { .. }) => Some(Course::On),
            (Kind::Refused(_), _) => Some(Course::Refused),
            _ => None,
        }
    }

    fn pass_in(&self, packet: &[u8]) {
        // A datagram may be lost: that is what SRT is for.
        let _ = self.near.send(packet);
    }

    /// Tells the caller that it is over. Its place is free when this is dropped.
    pub fn say_goodbye(&self, outside: &UdpSocket) {
        send(outside, &handshake::goodbye(self.socket), self.peer);
    }
}

/// Sends a datagram to a caller, if the network takes it.
pub fn send(outside: &UdpSocket, packet: &[u8], peer: SocketAddr) {
    let _ = outside.send_to(packet, peer);
}

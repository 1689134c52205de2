//! RTSP by TLS (RTSPS). The RTSP server speaks TLS only on sockets that it accepts by itself, where
//! nobody counts; so what comes by TLS is unpacked here, and goes on to the server by a connection
//! within this machine. Each has a thread of its own, as each of the server's clients has.
//!
//! What either side does not take is not fetched from the other: a player that reads nothing looks to
//! the server as it would without TLS.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, poll};
use rustls::ServerConfig;

use crate::tls::wire::Wire;

/// Bytes that may be on the way in either direction: a large picture.
const ON_THE_WAY: usize = 64 << 10;

/// The end, for the RTSP server, of a connection that comes by TLS. It lives as long as both its ends
/// want it to.
pub fn behind(client: &gio::Socket, config: &Arc<ServerConfig>) -> io::Result<gio::Socket> {
    let outer = TcpStream::from(client.as_fd().try_clone_to_owned()?);
    let outer = Wire::new(outer, Some(config))?;
    let (inner, served) = pair()?;
    let served = gio::Socket::from_fd(OwnedFd::from(served)).map_err(io::Error::other)?;
    std::thread::Builder::new()
        .name("rtsps".into())
        .spawn(move || {
            if let Err(error) = pass(outer, inner) {
                // It has vanished, or it does not believe who we are.
                tracing::debug!("an RTSPS client has gone: {error}");
            }
        })?;
    Ok(served)
}

/// Two ends of one connection within this machine.
fn pair() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let ours = TcpStream::connect(listener.local_addr()?)?;
    let (theirs, peer) = listener.accept()?;
    if peer != ours.local_addr()? {
        // Somebody else on this machine was faster.
        return Err(ErrorKind::ConnectionRefused.into());
    }
    for end in [&ours, &theirs] {
        end.set_nodelay(true)?;
        end.set_nonblocking(true)?;
    }
    Ok((ours, theirs))
}

/// What is on the way in one direction.
struct Way {
    bytes: Box<[u8]>,
    begin: usize,
    end: usize,
    /// Nothing more comes.
    ended: bool,
}

impl Way {
    fn new() -> Self {
        Self {
            bytes: vec![0; ON_THE_WAY].into(),
            begin: 0,
            end: 0,
            ended: false,
        }
    }

    fn is_empty(&self) -> bool {
        self.begin == self.end
    }

    fn wants_more(&self) -> bool {
        self.is_empty() && !self.ended
    }

    /// Fetches what is there, where all that came before has gone. Says whether something came.
    fn fill(&mut self, read: impl FnOnce(&mut [u8]) -> io::Result<usize>) -> io::Result<bool> {
        if !self.wants_more() {
            return Ok(false);
        }
        let came = later(read(&mut self.bytes))?;
        match came {
            None => {}
            Some(0) => self.ended = true,
            Some(count) => (self.begin, self.end) = (0, count),
        }
        Ok(came.is_some())
    }

    /// Hands on what can be handed on.
    fn drain(&mut self, mut write: impl FnMut(&[u8]) -> io::Result<usize>) -> io::Result<()> {
        while !self.is_empty() {
            match later(write(&self.bytes[self.begin..self.end]))? {
                None | Some(0) => break,
                Some(count) => self.begin += count,
            }
        }
        Ok(())
    }
}

/// `None`: not now.
fn later(done: io::Result<usize>) -> io::Result<Option<usize>> {
    match done {
        Ok(count) => Ok(Some(count)),
        Err(error) => match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::Interrupted => Ok(None),
            _ => Err(error),
        },
    }
}

/// Passes on what comes, both ways, until one side ends.
fn pass(mut outer: Wire, mut inner: TcpStream) -> io::Result<()> {
    let (mut up, mut down) = (Way::new(), Way::new());
    loop {
        // TLS may hold more than one reading takes, of which the socket would not tell.
        let mut moves = true;
        while moves {
            moves = up.fill(|buffer| outer.read(buffer))?;
            up.drain(|bytes| inner.write(bytes))?;
            moves |= down.fill(|buffer| inner.read(buffer))?;
            down.drain(|bytes| outer.write(bytes))?;
        }
        later(outer.flush().map(|()| 0))?;
        if [&up, &down].iter().any(|way| way.ended && way.is_empty()) {
            outer.end();
            // Refused where the server has ended it already.
            let _ = inner.shutdown(Shutdown::Both);
            return Ok(());
        }
        wait(
            (
                &outer,
                up.wants_more(),
                outer.wants_write() || !down.is_empty(),
            ),
            (&inner, down.wants_more(), !up.is_empty()),
        )?;
    }
}

/// Waits until one of the two can be read or written, where that is wanted.
fn wait(
    (outer, reads, writes): (&Wire, bool, bool),
    (inner, fetches, hands): (&TcpStream, bool, bool),
) -> io::Result<()> {
    let flags = |reads: bool, writes: bool| {
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::IN, reads);
        flags.set(PollFlags::OUT, writes);
        flags
    };
    let ends = [
        PollFd::new(outer, flags(reads, writes)),
        PollFd::new(inner, flags(fetches, hands)),
    ];
    // One that has hung up is told of even where nothing is wanted of it.
    let wanted = [reads || writes, fetches || hands];
    let ends = ends.into_iter().zip(wanted).filter(|(_, wanted)| *wanted);
    let mut ends: Vec<PollFd<'_>> = ends.map(|(end, _)| end).collect();
    match poll(&mut ends, None) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

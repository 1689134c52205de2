//! A place where the door listens: one for RTMP, one for RTMPS.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::ServerConfig;

use crate::engine::note::Protocol;
use crate::tls::certificate;
use crate::venue::Tls;

/// Pause between two attempts to listen.
const LISTEN_AGAIN: Duration = Duration::from_secs(3);
/// Connections that may wait to be taken: a roomful at once, or a flood beside it. Who finds no place
/// there is asked by the kernel to come again a second later.
const BACKLOG: i32 = 512;
/// Pause after a connection that the system could not give.
const BREATH: Duration = Duration::from_millis(200);

/// Where somebody may knock.
#[derive(Debug)]
pub struct Post {
    /// What is spoken there.
    pub protocol: Protocol,
    address: SocketAddr,
    tls: Option<Tls>,
    listener: Option<TcpListener>,
    config: Option<Arc<ServerConfig>>,
    /// Nothing is tried before.
    rests: Instant,
}

impl Post {
    /// For RTMP.
    pub fn plain(address: SocketAddr) -> Self {
        Self {
            protocol: Protocol::Rtmp,
            address,
            tls: None,
            listener: None,
            config: None,
            rests: Instant::now(),
        }
    }

    /// For RTMPS.
    pub fn secure(tls: &Tls) -> Self {
        Self {
            protocol: Protocol::Rtmps,
            tls: Some(tls.clone()),
            ..Self::plain(tls.listen)
        }
    }

    /// Who we say that we are, where that is asked.
    pub fn config(&self) -> Option<&Arc<ServerConfig>> {
        self.config.as_ref()
    }

    /// Listens, where it is time to try. The answer is what is new: it listens, or cannot.
    pub fn open(&mut self, now: Instant) -> Option<Result<&TcpListener, String>> {
        if self.listener.is_some() || now < self.rests {
            return None;
        }
        self.rests = now + LISTEN_AGAIN;
        let config = self.tls.as_ref().map(certificate::load).transpose();
        let opened = config.and_then(|config| {
            let listener = listen(self.address).map_err(|error| error.to_string())?;
            Ok((config, listener))
        });
        match opened {
            Ok((config, listener)) => {
                self.config = config;
                self.rests = now;
                Some(Ok(self.listener.insert(listener)))
            }
            Err(reason) => Some(Err(reason)),
        }
    }

    /// The next one who knocks.
    pub fn accept(&mut self, now: Instant) -> Option<(TcpStream, SocketAddr)> {
        if now < self.rests {
            return None;
        }
        match self.listener.as_ref()?.accept() {
            Ok((socket, peer)) => Some((socket, peer)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            Err(error) => {
                tracing::debug!("nobody can be let in: {error}");
                // It would be asked for again at once, and refused again.
                self.rests = now + BREATH;
                None
            }
        }
    }
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    // Again, because the standard library's own backlog is short.
    rustix::net::listen(&listener, BACKLOG)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

//! A place where the server listens, or is about to: it is tried for ever.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::engine::note::Protocol;
use crate::tls::certificate;
use crate::venue::Tls;

use super::listen::{self, Hall};

/// Pause between two attempts to listen.
const LISTEN_AGAIN: Duration = Duration::from_secs(3);

/// A place where the server listens, or is about to.
pub struct Post {
    pub protocol: Protocol,
    pub address: SocketAddr,
    /// Read anew at each attempt: a certificate that is put right is used.
    tls: Option<Tls>,
    pub listens: Option<glib::Source>,
    /// Nothing is tried before.
    rests: Option<Instant>,
}

impl Post {
    pub fn new(protocol: Protocol, address: SocketAddr, tls: Option<&Tls>) -> Self {
        Self {
            protocol,
            address,
            tls: tls.cloned(),
            listens: None,
            rests: None,
        }
    }

    /// Tries to listen, where it does not and it is time to; `None`: nothing was tried.
    pub fn open(
        &mut self,
        hall: &Hall,
        context: &glib::MainContext,
        now: Instant,
    ) -> Option<Result<(), String>> {
        if self.listens.is_some() || self.rests.is_some_and(|until| now < until) {
            return None;
        }
        self.rests = Some(now + LISTEN_AGAIN);
        let certificate = self.tls.as_ref().map(certificate::load).transpose();
        let opened = certificate.and_then(|certificate| {
            listen::listen(self.address, certificate, hall, context)
                .map_err(|error| error.to_string())
        });
        Some(opened.map(|source| self.listens = Some(source)))
    }
}

//! Cookies: a caller has to bring back what was sent to its address, before anything is kept of it or
//! done for it. They are computed, not remembered.

use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// A cookie is good for this long, and as long again.
const SPAN: Duration = Duration::from_secs(30);

/// Bakes them, each for one address and one time.
#[derive(Debug)]
pub struct Cookies {
    /// Known to nobody.
    secret: RandomState,
    begun: Instant,
}

impl Cookies {
    /// With a secret of its own.
    pub fn new(now: Instant) -> Self {
        Self {
            secret: RandomState::new(),
            begun: now,
        }
    }

    fn span(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.begun).as_secs() / SPAN.as_secs()
    }

    fn of(&self, peer: SocketAddr, span: u64) -> u32 {
        self.secret.hash_one((peer, span)) as u32
    }

    /// For this caller, now.
    pub fn bake(&self, peer: SocketAddr, now: Instant) -> u32 {
        self.of(peer, self.span(now))
    }

    /// Whether the caller has been sent this one of late.
    pub fn knows(&self, peer: SocketAddr, cookie: u32, now: Instant) -> bool {
        let span = self.span(now);
        let spans = [Some(span), span.checked_sub(1)];
        (spans.into_iter().flatten()).any(|span| self.of(peer, span) == cookie)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_good_for_one_address_and_some_time() {
        let start = Instant::now();
        let cookies = Cookies::new(start);
        let peer = SocketAddr::from(([10, 0, 0, 7], 5000));
        let neighbour = SocketAddr::from(([10, 0, 0, 7], 5001));
        let cookie = cookies.bake(peer, start);
        assert!(cookies.knows(peer, cookie, start));
        assert!(cookies.knows(peer, cookie, start + SPAN));
        assert!(!cookies.knows(peer, cookie, start + SPAN * 2));
        assert!(!cookies.knows(neighbour, cookie, start));
        assert!(!cookies.knows(peer, cookie.wrapping_add(1), start));
        assert!(!Cookies::new(start).knows(peer, cookie, start));
    }
}

//! Who may come in, and how often it is said that somebody may not. Pure: the time is handed in.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// Connections at one time.
pub const MOST: usize = 160;
/// Of these from one address: a roomful behind one router.
pub const MOST_OF_ONE: usize = 32;
/// An address may have so many connections end badly at once, and one more in each such time.
const TRIES: f64 = 20.0;
const AGAIN: Duration = Duration::from_millis(500);
/// A trouble of one address is said once in so long; of one address so many kinds are told apart, and
/// of all so many lines are written.
const QUIET: Duration = Duration::from_secs(60);
const KINDS: usize = 4;
const LINES: usize = 20;
/// Addresses that are remembered.
const REMEMBERED: usize = 2000;

/// What is known of all addresses.
#[derive(Debug, Default)]
pub struct Guests {
    addresses: HashMap<IpAddr, Tally>,
    connections: usize,
    /// When something was last said of somebody.
    said: Vec<Instant>,
}

#[derive(Debug)]
struct Tally {
    connections: usize,
    /// What is left of its tries, and since when.
    tries: f64,
    since: Instant,
    /// What was said of it lately and when, and how much has not been said since.
    said: Vec<(Instant, String)>,
    unsaid: u32,
}

/// Why a connection is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// There is no room at all.
    House,
    /// Its address has as many connections as one may have.
    Address,
    /// Its address has had too many bad ends.
    Tries,
}

/// Those of IPv6 who have one address have as many as they like beside it.
fn house_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let prefix = u128::from(address) >> 64 << 64;
            IpAddr::V6(Ipv6Addr::from(prefix))
        }
        address => address,
    }
}

impl Guests {
    /// Takes a connection in, where there is room. Each one that is taken in leaves by
    /// [`Guests::leaves`].
    pub fn enters(&mut self, address: IpAddr, now: Instant) -> Result<(), Full> {
        if self.connections >= MOST {
            return Err(Full::House);
        }
        self.forget(now);
        let tally = self.tally(address, now);
        tally.refill(now);
        if tally.connections >= MOST_OF_ONE {
            return Err(Full::Address);
        }
        if tally.tries < 1.0 {
            return Err(Full::Tries);
        }
        tally.connections += 1;
        self.connections += 1;
        Ok(())
    }

    /// A connection has ended; `badly` where its peer was at fault.
    pub fn leaves(&mut self, address: IpAddr, badly: bool, now: Instant) {
        self.connections = self.connections.saturating_sub(1);
        let tally = self.tally(address, now);
        tally.refill(now);
        tally.connections = tally.connections.saturating_sub(1);
        if badly {
            tally.tries = (tally.tries - 1.0).max(0.0);
        }
    }

    /// Whether this trouble of that address is to be said now; and if so, how many troubles of it were
    /// not said before.
    pub fn may_say(&mut self, address: IpAddr, what: &str, now: Instant) -> Option<u32> {
        let is_recent = |said: Instant| now.duration_since(said) < QUIET;
        self.said.retain(|said| is_recent(*said));
        let full = self.said.len() >= LINES;
        let tally = self.tally(address, now);
        tally.said.retain(|(said, _)| is_recent(*said));
        let known = tally.said.iter().any(|(_, said)| said == what);
        if full || known || tally.said.len() >= KINDS {
            tally.unsaid += 1;
            return None;
        }
        tally.said.push((now, what.to_owned()));
        let unsaid = std::mem::take(&mut tally.unsaid);
        self.said.push(now);
        Some(unsaid)
    }

    fn tally(&mut self, address: IpAddr, now: Instant) -> &mut Tally {
        let fresh = || Tally {
            connections: 0,
            tries: TRIES,
            since: now,
            said: Vec::new(),
            unsaid: 0,
        };
        self.addresses
            .entry(house_of(address))
            .or_insert_with(fresh)
    }

    /// Forgets those of whom there is nothing to remember; and everybody who is not here, where
    /// that is not enough.
    fn forget(&mut self, now: Instant) {
        if self.addresses.len() < REMEMBERED {
            return;
        }
        self.addresses.retain(|_, tally| {
            tally.refill(now);
            tally.connections > 0 || tally.tries < TRIES
        });
        if self.addresses.len() >= REMEMBERED {
            self.addresses.retain(|_, tally| tally.connections > 0);
        }
    }
}

impl Tally {
    fn refill(&mut self, now: Instant) {
        let passed = now.duration_since(self.since).as_secs_f64();
        self.tries = (self.tries + passed / AGAIN.as_secs_f64()).min(TRIES);
        self.since = now;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn address(n: u32) -> IpAddr {
        IpAddr::from(n.to_be_bytes())
    }

    #[test]
    fn there_is_room_for_so_many_and_for_so_many_of_one() {
        let (mut guests, now) = (Guests::default(), Instant::now());
        for _ in 0..MOST_OF_ONE {
            guests.enters(address(1), now).unwrap();
        }
        assert_eq!(guests.enters(address(1), now), Err(Full::Address));
        guests.leaves(address(1), false, now);
        guests.enters(address(1), now).unwrap();
        for n in MOST_OF_ONE..MOST {
            guests.enters(address(n as u32 + 2), now).unwrap();
        }
        assert_eq!(guests.enters(address(9999), now), Err(Full::House));
        // One network of IPv6 is one address.
        let mut guests = Guests::default();
        for n in 0..MOST_OF_ONE as u16 {
            let one = IpAddr::from([0x2001, 0xdb8, 0, 1, n, n, n, n]);
            guests.enters(one, now).unwrap();
        }
        let next = IpAddr::from([0x2001, 0xdb8, 0, 1, 99, 0, 0, 1]);
        assert_eq!(guests.enters(next, now), Err(Full::Address));
    }

    #[test]
    fn tries_run_out_and_come_back() {
        let (mut guests, start) = (Guests::default(), Instant::now());
        let mut taken = 0;
        for ms in 0..5000 {
            let now = start + Duration::from_millis(ms);
            if guests.enters(address(1), now).is_ok() {
                taken += 1;
                guests.leaves(address(1), true, now);
            }
        }
        assert!((28..=31).contains(&taken), "{taken}");
        guests.enters(address(2), start).unwrap();
        let later = start + Duration::from_secs(60);
        guests.enters(address(1), later).unwrap();
        // Who comes and goes in good order may do so for ever.
        for _ in 0..1000 {
            guests.enters(address(3), start).unwrap();
            guests.leaves(address(3), false, start);
        }
    }

    #[test]
    fn trouble_is_said_once_and_memory_is_bounded() {
        let (mut guests, start) = (Guests::default(), Instant::now());
        let mut said = Vec::new();
        for second in 0..130 {
            let now = start + Duration::from_secs(second);
            said.extend(guests.may_say(address(1), "bad", now));
        }
        assert_eq!(said, [0, 59, 59]);
        assert_eq!(guests.may_say(address(2), "bad", start), Some(0));
        assert_eq!(guests.may_say(address(2), "worse", start), Some(0));
        let kinds = (0..100).map(|n| guests.may_say(address(2), &n.to_string(), start));
        assert_eq!(kinds.flatten().count(), KINDS - 2);
        let lines = (0..5000).filter(|n| guests.may_say(address(*n), "bad", start).is_some());
        assert!(lines.count() < LINES + 1);
        for n in 0..100_000 {
            let _ = guests.enters(address(n), start);
            guests.leaves(address(n), true, start);
        }
        assert!(guests.addresses.len() <= REMEMBERED + 1);
    }
}

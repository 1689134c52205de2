//! Wrong keys at speed. After some of them within a minute, an address waits before another key of
//! that place is looked at, longer each time; and the log says it once a minute. Pure: the time is
//! given.
//!
//! Counted for each address *and* place. Several laptops may share one address (a router's, a test's):
//! one with an old key in its settings must not keep the others from their own places. While a place
//! waits for an address, a right key is not looked at either, or guessing would cost nothing; that is
//! over after half a minute at most, and other addresses are not concerned.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// So many wrong keys within [`MINUTE`] are a person's; more are a program's.
const ALLOWED: u32 = 10;
const MINUTE: Duration = Duration::from_secs(60);
/// The first wait; each later one is twice as long, up to the last.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// After so long without a wrong key all is forgotten.
const FORGOTTEN: Duration = Duration::from_secs(300);
/// Addresses that are known at one time: whoever has more of them gets ten keys for each.
const MOST: usize = 512;

/// Who has shown wrong keys lately, and of whom the log has told.
#[derive(Debug, Default)]
pub struct Strikes {
    wrong: Table<(IpAddr, String), Strike>,
    told: Table<IpAddr, Told>,
}

#[derive(Debug)]
struct Strike {
    /// When the minute began that is being counted.
    since: Instant,
    count: u32,
    wait: Duration,
    /// Until when no key is looked at.
    until: Option<Instant>,
}

#[derive(Debug)]
struct Told {
    at: Instant,
    /// Refusals since then that were not worth a line.
    silent: u64,
}

impl Strikes {
    /// How much longer this address has to wait at this place.
    pub fn wait(&self, from: IpAddr, place: &str, now: Instant) -> Option<Duration> {
        let strike = self.wrong.get(&(network_of(from), place.to_owned()))?;
        let left = strike.until?.saturating_duration_since(now);
        (!left.is_zero()).then_some(left)
    }

    /// A wrong key was shown.
    pub fn wrong(&mut self, from: IpAddr, place: &str, now: Instant) {
        let key = (network_of(from), place.to_owned());
        let fresh = || Strike {
            since: now,
            count: 0,
            wait: FIRST_WAIT,
            until: None,
        };
        let strike = self.wrong.at(key, now, fresh);
        if now.duration_since(strike.since) > MINUTE && strike.until.is_none() {
            *strike = fresh();
        }
        strike.count += 1;
        if strike.count >= ALLOWED {
            // It has waited, and the next key is wrong again.
            if strike.until.is_some() {
                strike.wait = (strike.wait * 2).min(LONGEST_WAIT);
            }
            strike.until = Some(now + strike.wait);
        }
    }

    /// The right key was shown: whoever knows it has only mistyped it before.
    pub fn right(&mut self, from: IpAddr, place: &str) {
        self.wrong.remove(&(network_of(from), place.to_owned()));
    }

    /// Whether the log is to tell that this address was turned away; how often it was since the last
    /// line about it.
    pub fn tell(&mut self, from: IpAddr, now: Instant) -> Option<u64> {
        let mut is_new = false;
        let told = self.told.at(network_of(from), now, || {
            is_new = true;
            Told { at: now, silent: 0 }
        });
        if !is_new && now.duration_since(told.at) < MINUTE {
            told.silent += 1;
            return None;
        }
        told.at = now;
        Some(std::mem::take(&mut told.silent))
    }
}

/// Whoever has one address of IPv6 has 2^64 of them.
fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(own) => Ipv6Addr::from_bits(own.to_bits() >> 64 << 64).into(),
        own => own,
    }
}

/// A map that forgets what was used longest ago.
#[derive(Debug)]
struct Table<K, V>(HashMap<K, (Instant, V)>);

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Eq + Hash + Clone, V> Table<K, V> {
    fn get(&self, key: &K) -> Option<&V> {
        self.0.get(key).map(|(_, value)| value)
    }

    fn remove(&mut self, key: &K) {
        self.0.remove(key);
    }

    /// What is known under `key`, or `fresh`.
    fn at(&mut self, key: K, now: Instant, fresh: impl FnOnce() -> V) -> &mut V {
        let known = self.0.get(&key);
        if known.is_some_and(|(used, _)| now.duration_since(*used) > FORGOTTEN) {
            self.0.remove(&key);
        } else if known.is_none() && self.0.len() >= MOST {
            let oldest = self.0.iter().min_by_key(|(_, (used, _))| *used);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                self.0.remove(&oldest);
            }
        }
        let (used, value) = self.0.entry(key).or_insert_with(|| (now, fresh()));
        *used = now;
        value
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        [10, 0, 0, last].into()
    }

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn ten_wrong_keys_in_a_minute_cost_a_wait_that_grows() {
        let (mut strikes, start) = (Strikes::default(), Instant::now());
        for n in 0..9 {
            strikes.wrong(address(1), "laptop", start + ms(n * 10));
        }
        assert_eq!(strikes.wait(address(1), "laptop", start + ms(100)), None);
        let mut now = start + ms(100);
        let mut waits = Vec::new();
        for _ in 0..8 {
            strikes.wrong(address(1), "laptop", now);
            let wait = strikes.wait(address(1), "laptop", now).unwrap();
            waits.push(wait.as_secs());
            now += wait;
            assert_eq!(strikes.wait(address(1), "laptop", now), None);
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30, 30]);
        // Other addresses, and other places of this one, are not concerned.
        strikes.wrong(address(1), "laptop", now);
        assert!(strikes.wait(address(1), "laptop", now).is_some());
        assert_eq!(strikes.wait(address(2), "laptop", now), None);
        assert_eq!(strikes.wait(address(1), "other", now), None);
        // All is forgotten in the end.
        strikes.wrong(address(1), "laptop", now + FORGOTTEN + ms(1));
        let later = now + FORGOTTEN + ms(2);
        assert_eq!(strikes.wait(address(1), "laptop", later), None);
    }

    #[test]
    fn somebody_who_mistypes_now_and_then_never_waits() {
        let (mut strikes, start) = (Strikes::default(), Instant::now());
        for n in 0..100 {
            let now = start + ms(n * 7000);
            strikes.wrong(address(1), "laptop", now);
            assert_eq!(strikes.wait(address(1), "laptop", now), None, "{n}");
        }
        for n in 0..100 {
            let now = start + ms(800_000 + n);
            strikes.wrong(address(1), "laptop", now);
            assert_eq!(strikes.wait(address(1), "laptop", now), None, "{n}");
            strikes.right(address(1), "laptop");
        }
    }

    #[test]
    fn an_address_is_told_of_once_a_minute() {
        let (mut strikes, start) = (Strikes::default(), Instant::now());
        assert_eq!(strikes.tell(address(1), start), Some(0));
        assert_eq!(strikes.tell(address(2), start), Some(0));
        for n in 1..500 {
            assert_eq!(strikes.tell(address(1), start + ms(n * 100)), None);
        }
        assert_eq!(strikes.tell(address(1), start + MINUTE), Some(499));
        assert_eq!(strikes.tell(address(1), start + MINUTE * 2), Some(0));
    }

    #[test]
    fn memory_is_bounded_and_the_newest_are_remembered() {
        let (mut strikes, start) = (Strikes::default(), Instant::now());
        let many = |n: u32| -> IpAddr { Ipv6Addr::from_bits(u128::from(n) << 64).into() };
        for n in 0..20_000 {
            let now = start + Duration::from_micros(n.into());
            strikes.wrong(many(n), "laptop", now);
            strikes.tell(many(n), now);
        }
        assert_eq!((strikes.wrong.0.len(), strikes.told.0.len()), (MOST, MOST));
        let now = start + ms(100);
        assert_eq!(strikes.tell(many(19_999), now), None);
        // One network of IPv6 is one address.
        for n in 0..ALLOWED {
            let one = Ipv6Addr::from_bits(0x2001_0db8 << 96 | u128::from(n));
            strikes.wrong(one.into(), "laptop", now);
        }
        let other = Ipv6Addr::from_bits(0x2001_0db8 << 96 | 77).into();
        assert!(strikes.wait(other, "laptop", now).is_some());
    }
}

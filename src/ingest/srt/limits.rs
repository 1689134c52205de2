//! What one address may cost. Only addresses that have shown a cookie get here, so nobody is counted
//! for what others send in its name.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::handshake::Refusal;

/// Second handshakes of one address: at once, and per second in the long run. A caller repeats its
/// own four times a second.
const AT_ONCE: f64 = 16.0;
const PER_SECOND: f64 = 8.0;
/// The same of all together: opening a key takes a millisecond, so that this is a tenth of a core.
const ALL_AT_ONCE: f64 = 64.0;
const ALL_PER_SECOND: f64 = 100.0;
/// Addresses that are remembered.
const MOST: usize = 1024;
/// The same refusal of the same address is written down again after this.
const SILENT: Duration = Duration::from_secs(60);

/// So much may be spent; it grows again.
#[derive(Debug, Clone, Copy)]
struct Budget {
    left: f64,
    at: Instant,
}

impl Budget {
    fn take(&mut self, most: f64, per_second: f64, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.left = (self.left + passed * per_second).min(most);
        self.at = now;
        let has = self.left >= 1.0;
        self.left -= f64::from(u8::from(has));
        has
    }
}

#[derive(Debug)]
struct Known {
    budget: Budget,
    told: Vec<(Refusal, Instant)>,
}

/// Everybody who has knocked of late.
#[derive(Debug)]
pub struct Limits {
    known: HashMap<IpAddr, Known>,
    all: Budget,
}

/// Whoever has one address of IPv6 has its whole network of them.
fn household(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let network = u128::from(v6) >> 64 << 64;
            IpAddr::V6(network.into())
        }
        v4 => v4,
    }
}

impl Limits {
    /// Nobody has come yet.
    pub fn new(now: Instant) -> Self {
        let all = Budget {
            left: ALL_AT_ONCE,
            at: now,
        };
        Self {
            known: HashMap::new(),
            all,
        }
    }

    /// Whether one more handshake of this address is looked at.
    pub fn allow(&mut self, address: IpAddr, now: Instant) -> bool {
        let address = household(address);
        if self.known.len() >= MOST && !self.known.contains_key(&address) {
            self.known
                .retain(|_, known| now.saturating_duration_since(known.budget.at) < SILENT);
            if self.known.len() >= MOST {
                return false;
            }
        }
        let known = self.known.entry(address).or_insert_with(|| Known {
            budget: Budget {
                left: AT_ONCE,
                at: now,
            },
            told: Vec::new(),
        });
        known.budget.take(AT_ONCE, PER_SECOND, now)
            && self.all.take(ALL_AT_ONCE, ALL_PER_SECOND, now)
    }

    /// Whether this refusal of this address is worth a line: it has not been told of late.
    pub fn is_news(&mut self, address: IpAddr, why: Refusal, now: Instant) -> bool {
        let Some(known) = self.known.get_mut(&household(address)) else {
            return false;
        };
        known
            .told
            .retain(|(_, at)| now.saturating_duration_since(*at) < SILENT);
        let is_news = !known.told.iter().any(|(told, _)| *told == why);
        if is_news {
            known.told.push((why, now));
        }
        is_news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_knocks_too_often_is_not_heard_and_others_are() {
        let start = Instant::now();
        let mut limits = Limits::new(start);
        let (one, other) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let heard = (0..1000).filter(|_| limits.allow(one, start)).count();
        assert_eq!(heard, AT_ONCE as usize);
        assert!(limits.allow(other, start));
        let later = start + Duration::from_secs(1);
        let heard = (0..1000).filter(|_| limits.allow(one, later)).count();
        assert_eq!(heard, PER_SECOND as usize);
    }

    #[test]
    fn a_crowd_is_bounded_in_all_and_forgotten() {
        let mut now = Instant::now();
        let mut limits = Limits::new(now);
        let mut heard = 0;
        for n in 0..60_000u32 {
            let address = IpAddr::from((0x0a00_0000 + n).to_be_bytes());
            heard += usize::from(limits.allow(address, now));
            now += Duration::from_millis(1);
            assert!(limits.known.len() <= MOST);
        }
        assert!(heard > 0 && heard <= ALL_AT_ONCE as usize + 60 * ALL_PER_SECOND as usize);
        now += SILENT;
        assert!(limits.allow(IpAddr::from([192, 168, 0, 1]), now));
        // One network of IPv6 is one address.
        for n in 0..100u16 {
            limits.allow(IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 1, n]), now);
        }
        assert_eq!(limits.known.len(), 2);
    }

    #[test]
    fn a_refusal_is_news_once_a_minute() {
        let start = Instant::now();
        let mut limits = Limits::new(start);
        let one = IpAddr::from([10, 0, 0, 1]);
        assert!(limits.allow(one, start));
        assert!(limits.is_news(one, Refusal::NotFound, start));
        assert!(!limits.is_news(one, Refusal::NotFound, start));
        assert!(limits.is_news(one, Refusal::WrongKey, start));
        assert!(limits.is_news(one, Refusal::NotFound, start + SILENT));
    }
}

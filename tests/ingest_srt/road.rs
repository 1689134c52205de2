//! A way for datagrams that loses one of so many, in both directions.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// A port that leads to another one; its threads end when nothing has come for long.
pub struct Road {
    pub port: u16,
    lost: Arc<AtomicU64>,
}

impl Road {
    /// For one sender.
    #[track_caller]
    pub fn to(port: u16, loses_one_of: u64) -> Self {
        let near = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let own = near.local_addr().expect("an address").port();
        let far = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        far.connect(("127.0.0.1", port)).expect("a door");
        for socket in [&near, &far] {
            let time = Some(Duration::from_secs(10));
            socket.set_read_timeout(time).expect("a timeout");
        }
        let lost = Arc::new(AtomicU64::new(0));
        let (back, forth) = (
            near.try_clone().expect("two"),
            far.try_clone().expect("two"),
        );
        let (here, there) = (lost.clone(), lost.clone());
        let sender = Arc::new(parking_lot::Mutex::new(None::<SocketAddr>));
        let of = sender.clone();
        thread::spawn(move || {
            let mut dice = Dice(1);
            let mut bytes = [0; 2048];
            while let Ok((length, from)) = near.recv_from(&mut bytes) {
                *of.lock() = Some(from);
                if dice.one_of(loses_one_of) {
                    here.fetch_add(1, Ordering::Relaxed);
                } else {
                    let _unheard = forth.send(&bytes[..length]);
                }
            }
        });
        thread::spawn(move || {
            let mut dice = Dice(2);
            let mut bytes = [0; 2048];
            while let Ok(length) = far.recv(&mut bytes) {
                let to = *sender.lock();
                if dice.one_of(loses_one_of) {
                    there.fetch_add(1, Ordering::Relaxed);
                } else if let Some(to) = to {
                    let _unheard = back.send_to(&bytes[..length], to);
                }
            }
        });
        Self { port: own, lost }
    }

    /// Datagrams that did not arrive.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

/// Chance that is the same at every run: a linear congruential generator.
struct Dice(u64);

impl Dice {
    fn one_of(&mut self, many: u64) -> bool {
        let next = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = next.wrapping_add(1);
        (self.0 >> 33).is_multiple_of(many)
    }
}

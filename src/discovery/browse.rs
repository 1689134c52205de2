//! Hears of rooms. Thread `browser`, which calls back, and the library's own, which has the sockets.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use if_addrs::{Interface, get_if_addrs};
use mdns_sd::{Receiver, RecvTimeoutError, ResolvedService, ServiceDaemon, ServiceEvent};

use super::book::{Book, Heard};
use super::{ADDRESSES, Error, REGIE, Room};

/// How often the browser looks around when nothing is heard.
const LOOK: Duration = Duration::from_secs(1);
/// How often this machine's own addresses are looked at: which way leads to a room goes by them.
const OWN: Duration = Duration::from_secs(5);
/// How often a room is asked whether it is still there: one that was killed has said no farewell, and its
/// announcement holds for two minutes.
const VERIFY: Duration = Duration::from_secs(10);
/// How long it may take to answer that.
const ANSWER: Duration = Duration::from_secs(3);

/// Looks for rooms; dropped, it stops.
pub struct Browser {
    stop: Arc<AtomicBool>,
    daemon: ServiceDaemon,
    thread: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for Browser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Browser")
    }
}

impl Browser {
    /// Looks from now on. `changed` is called on the browser's own thread with all rooms that are known,
    /// sorted by name, each time that changes: not before there is one, and not after the browser is
    /// dropped. It should only hand over: the browser waits for its return.
    pub fn start(changed: impl Fn(Vec<Room>) + Send + 'static) -> Result<Self, Error> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let mut search = Search::begin()?;
        let daemon = search.daemon.clone();
        let thread = std::thread::Builder::new()
            .name("browser".into())
            .spawn(move || search.run(&changed, &stopped))?;
        Ok(Self {
            stop,
            daemon,
            thread: Some(thread),
        })
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Its end wakes the thread. Refused only where it has ended already.
        let _ = self.daemon.shutdown();
        let thread = self.thread.take();
        // Dropped by what it calls, it cannot wait for itself.
        let other = thread.filter(|thread| thread.thread().id() != std::thread::current().id());
        if let Some(thread) = other {
            // A thread that panicked has nothing more to say.
            let _ = thread.join();
        }
    }
}

/// The library's daemon, and what it was heard to say.
struct Search {
    daemon: ServiceDaemon,
    events: Receiver<ServiceEvent>,
    book: Book,
    own: Vec<Interface>,
    /// When own addresses were last looked at, and rooms last asked.
    looked: Instant,
    verified: Instant,
}

impl Search {
    fn begin() -> Result<Self, Error> {
        let daemon = ServiceDaemon::new()?;
        daemon.set_ip_check_interval(ADDRESSES)?;
        let events = daemon.browse(REGIE)?;
        Ok(Self {
            daemon,
            events,
            book: Book::default(),
            own: get_if_addrs().unwrap_or_default(),
            looked: Instant::now(),
            verified: Instant::now(),
        })
    }

    fn run(&mut self, changed: &dyn Fn(Vec<Room>), stop: &AtomicBool) {
        let mut told = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            match self.events.recv_timeout(LOOK) {
                Ok(event) => self.on_event(event),
                Err(RecvTimeoutError::Timeout) => {}
                // The end was asked for, or events came faster than they were taken.
                Err(RecvTimeoutError::Disconnected) => {
                    std::thread::sleep(LOOK / 10);
                    self.begin_again(stop);
                }
            }
            self.look(Instant::now());
            let rooms = self.book.rooms(&self.own);
            if rooms != told && !stop.load(Ordering::Relaxed) {
                told.clone_from(&rooms);
                changed(rooms);
            }
        }
        // Where it is not the one that has been ended.
        let _ = self.daemon.shutdown();
    }

    fn on_event(&mut self, event: ServiceEvent) {
        match event {
            ServiceEvent::ServiceResolved(service) => self.book.hear(heard(&service)),
            ServiceEvent::ServiceRemoved(_, fullname) => {
                self.book.forget(&fullname);
                // It may only have been slow to answer: asked anew, it is heard again at once.
                if let Ok(events) = self.daemon.browse(REGIE) {
                    self.events = events;
                }
            }
            _ => {}
        }
    }

    fn look(&mut self, now: Instant) {
        if now.duration_since(self.looked) >= OWN {
            self.looked = now;
            self.own = get_if_addrs().unwrap_or_default();
        }
        if now.duration_since(self.verified) >= VERIFY {
            self.verified = now;
            for name in self.book.names() {
                // Where the queue is full it is asked next time.
                let _ = self.daemon.verify(name.to_owned(), ANSWER);
            }
        }
    }

    fn begin_again(&mut self, stop: &AtomicBool) {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        if let Ok(events) = self.daemon.browse(REGIE) {
            self.events = events;
        } else if let Ok(fresh) = Self::begin() {
            self.book.clear();
            (self.daemon, self.events) = (fresh.daemon, fresh.events);
        }
    }
}

fn heard(service: &ResolvedService) -> Heard {
    let property = |key| service.get_property_val_str(key).map(str::to_owned);
    Heard {
        fullname: service.fullname.clone(),
        server: service.host.clone(),
        port: service.port,
        addresses: service
            .addresses
            .iter()
            .map(|own| own.to_ip_addr())
            .collect(),
        name: property("name").filter(|name| !name.trim().is_empty()),
        host: property("host"),
        path: property("path").filter(|path| path.starts_with('/')),
    }
}

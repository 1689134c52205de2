//! The registry of places and publishers: who may push, who does, who has to go.
//!
//! Called by the doors' threads and by the engine thread. Two locks, never held together, and neither
//! while a publisher is sent away or a note is sent.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;

use crate::engine::inlet::Inlet;
use crate::engine::note::{Note, Notes, Protocol, PublisherNote};
use crate::model::SourceId;
use crate::model::join::GUEST;
use crate::secret::Secret;

use super::guests::{self, Seat};
use super::strikes::Strikes;
use super::{Caller, RefusePublisher};

/// A publisher that has been silent for so long gives way to the next. Whoever vanished has made
/// room within 2 s.
const SILENCE: Duration = Duration::from_millis(1800);

/// A publisher that has its place, but has never sent anything, is sent away after this.
const MUTE: Duration = Duration::from_secs(10);
/// One that did send and fell silent is given longer: its cable may be plugged in again, and what it
/// sends then is on air at once. Its place is free for others all the while.
const GONE: Duration = Duration::from_secs(120);
/// Whoever was sent away by the operator lets others go first for so long: encoders come back by
/// themselves after a second or ten.
const RELEASED: Duration = Duration::from_secs(10);
/// An engine that has just started gives guests' places with a role to whoever comes: those that it
/// had before come back by themselves.
const YOUNG: Duration = Duration::from_secs(60);

/// Every place that may be pushed to, and who has it. Shared by all front doors.
#[derive(Debug)]
pub struct Registry {
    places: Mutex<HashMap<SourceId, Place>>,
    strikes: Mutex<Strikes>,
    /// The places of guests in the order of their numbers, and the key that opens all of them.
    guests: Vec<SourceId>,
    guest_key: Option<Secret>,
    born: Instant,
    notes: Notes,
}

/// One place as the venue has it.
#[derive(Debug, Clone)]
pub struct PlaceConfig {
    /// Its source.
    pub id: SourceId,
    /// Who may push; `None`: anybody.
    pub key: Option<Secret>,
    /// Where the streams go.
    pub inlet: Arc<Inlet>,
    /// Whether it is one of those for guests.
    pub guest: bool,
}

#[derive(Debug)]
struct Place {
    key: Option<Secret>,
    inlet: Arc<Inlet>,
    publisher: Option<Publisher>,
    /// Who was sent away by the operator, and when that is forgotten.
    released: Option<(IpAddr, Protocol, Instant)>,
    /// Of a guest's place: whose it was, and when that one was last seen.
    last: Option<(IpAddr, Instant)>,
    /// Of a guest's place: whether it plays a role.
    has_role: bool,
}

struct Publisher {
    session: u64,
    since: Instant,
    /// When something of its stream last came, where its door says so.
    heard: Option<Instant>,
    facts: PublisherFacts,
    evict: Box<dyn Fn() + Send + Sync>,
}

/// Who publishes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublisherFacts {
    /// The door it came through.
    pub protocol: Protocol,
    /// Where it comes from.
    pub from: IpAddr,
    /// Since when, in milliseconds since 1970.
    pub since: u64,
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "publisher {} {:?}", self.session, self.facts)
    }
}

impl Place {
    /// Whether somebody has it and is at work. The inlet knows when something last came, or the door
    /// that holds back what comes; a session that has only begun is judged by its age.
    fn is_taken(&self, now: Instant) -> bool {
        let at_work = |publisher: &Publisher| {
            let silent = match publisher.heard {
                Some(heard) => now.duration_since(heard) >= SILENCE,
                None => self.inlet.is_silent(SILENCE),
            };
            !silent || now.duration_since(publisher.since) < SILENCE
        };
        self.publisher.as_ref().is_some_and(at_work)
    }

    /// How much longer this caller lets others go first.
    fn released(&self, caller: &Caller<'_>, now: Instant) -> Option<Duration> {
        let (address, protocol, until) = self.released?;
        let left = until.saturating_duration_since(now);
        let same = address == caller.from && protocol.is_like(caller.protocol);
        (same && !left.is_zero()).then_some(left)
    }

    fn forget_publisher(&mut self, now: Instant) -> Option<Publisher> {
        let left = self.publisher.take()?;
        self.last = Some((left.facts.from, now));
        Some(left)
    }
}

/// A publisher's hold on a place; dropped, the place is free.
#[derive(Debug)]
#[must_use]
pub struct Claim {
    registry: Arc<Registry>,
    id: SourceId,
    session: u64,
}

impl Registry {
    /// A registry of the given places: id, key, inlet.
    pub fn new(
        places: impl IntoIterator<Item = (SourceId, Option<Secret>, Arc<Inlet>)>,
        notes: Notes,
    ) -> Arc<Self> {
        let places = places.into_iter().map(|(id, key, inlet)| PlaceConfig {
            id,
            key,
            inlet,
            guest: false,
        });
        Self::open(places, notes)
    }

    /// The same for a venue that may have guests, all of them with one key.
    pub fn open(places: impl IntoIterator<Item = PlaceConfig>, notes: Notes) -> Arc<Self> {
        let (mut guests, mut guest_key, mut all) = (Vec::new(), None, HashMap::new());
        for config in places {
            if config.guest {
                guests.push(config.id.clone());
                guest_key = config.key.clone();
            }
            let place = Place {
                key: config.key,
                inlet: config.inlet,
                publisher: None,
                released: None,
                last: None,
                has_role: false,
            };
            all.insert(config.id, place);
        }
        Arc::new(Self {
            places: Mutex::new(all),
            strikes: Mutex::default(),
            guests,
            guest_key,
            born: Instant::now(),
            notes,
        })
    }

    /// All names that may be pushed to, and their keys: every place's own, and one for all guests.
    pub fn places(&self) -> Vec<(SourceId, Option<Secret>)> {
        let places = self.places.lock();
        let own = places.iter().filter(|(id, _)| !self.guests.contains(id));
        let own = own.map(|(id, place)| (id.clone(), place.key.clone()));
        let guest = GUEST.parse().ok().filter(|_| !self.guests.is_empty());
        own.chain(guest.map(|id| (id, self.guest_key.clone())))
            .collect()
    }

    /// The inlet behind a place.
    pub fn inlet(&self, id: &SourceId) -> Option<Arc<Inlet>> {
        self.places.lock().get(id).map(|place| place.inlet.clone())
    }

    /// Who publishes to a source.
    pub fn publisher(&self, id: &SourceId) -> Option<PublisherFacts> {
        let places = self.places.lock();
        let publisher = places.get(id)?.publisher.as_ref()?;
        Some(publisher.facts.clone())
    }

    /// These sources play roles, and no others do.
    pub fn note_roles(&self, players: &BTreeSet<SourceId>) {
        for (id, place) in self.places.lock().iter_mut() {
            place.has_role = players.contains(id);
        }
    }

    /// Lets a caller in whose protocol leaves the checking to us: by the place's name and its key.
    /// `evict` ends the connection, should a later one take over from its silence, or the operator
    /// send it away; it must not wait for that.
    pub fn admit(
        self: &Arc<Self>,
        caller: Caller<'_>,
        evict: impl Fn() + Send + Sync + 'static,
    ) -> Result<Claim, RefusePublisher> {
        let caller = caller.plain();
        let admitted = self.check(&caller).and_then(|()| self.seat(&caller, evict));
        admitted.inspect_err(|refusal| self.tell(&caller, refusal))
    }

    /// The same for a caller whose key the protocol has checked.
    pub fn admit_known(
        self: &Arc<Self>,
        caller: Caller<'_>,
        evict: impl Fn() + Send + Sync + 'static,
    ) -> Result<Claim, RefusePublisher> {
        let caller = caller.plain();
        self.strikes.lock().right(caller.from, caller.name);
        let admitted = self.seat(&caller, evict);
        admitted.inspect_err(|refusal| self.tell(&caller, refusal))
    }

    /// Whether keys are looked at, for a protocol that checks them itself: asked before it does.
    pub fn patience(&self, caller: &Caller<'_>) -> Result<(), RefusePublisher> {
        let wait = (self.strikes.lock()).wait(caller.from, caller.name, Instant::now());
        wait.map_or(Ok(()), |wait| {
            Err(RefusePublisher::TooOften(whole_seconds(wait)))
        })
    }

    /// The protocol has found the caller's key wrong.
    pub fn note_wrong_key(&self, caller: &Caller<'_>) {
        let caller = &caller.plain();
        (self.strikes.lock()).wrong(caller.from, caller.name, Instant::now());
        self.tell(caller, &RefusePublisher::Key);
    }

    fn check(&self, caller: &Caller<'_>) -> Result<(), RefusePublisher> {
        let id = self.named(caller)?;
        let key = if id.as_str() == GUEST && !self.guests.is_empty() {
            self.guest_key.clone()
        } else {
            let places = self.places.lock();
            places.get(&id).and_then(|place| place.key.clone())
        };
        let Some(key) = key else {
            return Ok(());
        };
        self.patience(caller)?;
        let mut strikes = self.strikes.lock();
        if key.is(caller.key.unwrap_or("")) {
            strikes.right(caller.from, caller.name);
            Ok(())
        } else {
            strikes.wrong(caller.from, caller.name, Instant::now());
            Err(RefusePublisher::Key)
        }
    }

    /// The name that was said, where something is pushed to under it.
    fn named(&self, caller: &Caller<'_>) -> Result<SourceId, RefusePublisher> {
        let id = caller.name.parse::<SourceId>();
        let id = id.map_err(|_| RefusePublisher::Unknown)?;
        let is_guest = id.as_str() == GUEST && !self.guests.is_empty();
        // A guest is given its place: none may choose one that is on air.
        let is_own = || !self.guests.contains(&id) && self.places.lock().contains_key(&id);
        if is_guest || is_own() {
            Ok(id)
        } else {
            Err(RefusePublisher::Unknown)
        }
    }

    /// Gives a place to whoever may have it.
    fn seat(
        self: &Arc<Self>,
        caller: &Caller<'_>,
        evict: impl Fn() + Send + Sync + 'static,
    ) -> Result<Claim, RefusePublisher> {
        static SESSION: AtomicU64 = AtomicU64::new(1);
        let named = self.named(caller)?;
        let now = Instant::now();
        let (id, old, session) = {
            let mut places = self.places.lock();
            let id = if named.as_str() == GUEST && !self.guests.is_empty() {
                self.guest_place(&places, caller, now)?
            } else {
                named
            };
            let place = places.get_mut(&id).ok_or(RefusePublisher::Unknown)?;
            if place.is_taken(now) {
                return Err(RefusePublisher::Taken);
            }
            if let Some(left) = place.released(caller, now) {
                return Err(RefusePublisher::Released(whole_seconds(left)));
            }
            let session = SESSION.fetch_add(1, Ordering::Relaxed);
            let next = Publisher {
                session,
                since: now,
                heard: None,
                facts: PublisherFacts {
                    protocol: caller.protocol,
                    from: caller.from,
                    since: wall_clock(),
                },
                evict: Box::new(evict),
            };
            place.last = Some((caller.from, now));
            (id, place.publisher.replace(next), session)
        };
        if let Some(old) = old {
            (old.evict)();
            self.note(&id, PublisherNote::Left(old.session));
        }
        self.note(&id, PublisherNote::Arrived(session));
        Ok(Claim {
            registry: self.clone(),
            id,
            session,
        })
    }

    fn guest_place(
        &self,
        places: &HashMap<SourceId, Place>,
        caller: &Caller<'_>,
        now: Instant,
    ) -> Result<SourceId, RefusePublisher> {
        let own = || self.guests.iter().filter_map(|id| places.get(id));
        // A guest that was sent away does not come back by another number.
        if let Some(left) = own().find_map(|place| place.released(caller, now)) {
            return Err(RefusePublisher::Released(whole_seconds(left)));
        }
        let seats = own().map(|place| Seat {
            taken: place.is_taken(now),
            occupied: place.publisher.is_some(),
            has_role: place.has_role,
            last: place.last,
        });
        let seats: Vec<Seat> = seats.collect();
        let young = now.duration_since(self.born) < YOUNG;
        let number = guests::choose(&seats, caller.from, young, now);
        let id = number.and_then(|number| self.guests.get(number));
        id.cloned().ok_or(RefusePublisher::Full)
    }

    /// Sends the publisher of a source away, and keeps it from coming back at once: whoever waits for
    /// the place goes first. Answers who it was.
    pub fn release(&self, id: &SourceId) -> Option<PublisherFacts> {
        let now = Instant::now();
        let publisher = {
            let mut places = self.places.lock();
            let place = places.get_mut(id)?;
            let publisher = place.forget_publisher(now)?;
            let facts = &publisher.facts;
            place.released = Some((facts.from, facts.protocol, now + RELEASED));
            publisher
        };
        self.note(id, PublisherNote::Released(publisher.session));
        (publisher.evict)();
        Some(publisher.facts)
    }

    /// Sends away publishers that hold their place and say nothing. Called by the engine thread now
    /// and then.
    pub fn evict_silent(&self) {
        let now = Instant::now();
        let mut evicted = Vec::new();
        for (id, place) in self.places.lock().iter_mut() {
            let inlet = &place.inlet;
            let is_lost = |publisher: &Publisher| {
                let age = now.duration_since(publisher.since);
                age > GONE && inlet.is_silent(GONE) || age > MUTE && inlet.is_silent(age)
            };
            if place.publisher.as_ref().is_some_and(is_lost) {
                let lost = place.forget_publisher(now);
                evicted.extend(lost.map(|who| (id.clone(), who)));
            }
        }
        for (id, publisher) in evicted {
            self.note(&id, PublisherNote::Evicted(publisher.session));
            (publisher.evict)();
        }
    }

    /// Has the log say that somebody was turned away: once a minute for each address.
    fn tell(&self, caller: &Caller<'_>, refusal: &RefusePublisher) {
        let Some(more) = self.strikes.lock().tell(caller.from, Instant::now()) else {
            return;
        };
        let who = format!("{} by {}", caller.from, caller.protocol.name());
        let more = match more {
            0 => String::new(),
            more => format!(" ({more} more since the last line about that address)"),
        };
        // What is no name of a place may be anything, a key among others.
        match self.named(caller) {
            Ok(id) => {
                let reason = format!("{who}: {refusal}{more}");
                self.note(&id, PublisherNote::Refused(reason));
            }
            Err(_) => tracing::warn!("a publisher was turned away: {who}: {refusal}{more}"),
        }
    }

    /// A publisher of this place sends, or wants to send, something that is not taken: a codec's name.
    pub fn note_untaken(&self, id: &SourceId, codec: &str) {
        self.note(id, PublisherNote::Untaken(codec.to_owned()));
    }

    fn note(&self, id: &SourceId, note: PublisherNote) {
        self.notes.send(Note::Publisher(id.clone(), note));
    }
}

/// As people are told to wait: never 0.
fn whole_seconds(time: Duration) -> u64 {
    time.as_millis().div_ceil(1000) as u64
}

/// Milliseconds since 1970.
fn wall_clock() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default().as_millis() as u64
}

impl Claim {
    /// Whose place it is.
    pub fn id(&self) -> &SourceId {
        &self.id
    }

    /// Where its streams go.
    pub fn inlet(&self) -> Option<Arc<Inlet>> {
        self.registry.inlet(&self.id)
    }

    /// Something of the stream has come, of a door that hands it on later.
    pub fn hear(&self, now: Instant) {
        let mut places = self.registry.places.lock();
        let publisher = (places.get_mut(&self.id)).and_then(|place| place.publisher.as_mut());
        if let Some(own) = publisher.filter(|publisher| publisher.session == self.session) {
            own.heard = Some(now);
        }
    }

    /// Its number.
    pub fn session(&self) -> u64 {
        self.session
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let freed = {
            let mut places = self.registry.places.lock();
            let own = |publisher: &Publisher| publisher.session == self.session;
            let place = places.get_mut(&self.id);
            let place = place.filter(|place| place.publisher.as_ref().is_some_and(own));
            place
                .and_then(|place| place.forget_publisher(Instant::now()))
                .is_some()
        };
        if freed {
            self.registry
                .note(&self.id, PublisherNote::Left(self.session));
        }
    }
}

#[cfg(test)]
#[path = "registry/tests.rs"]
mod tests;

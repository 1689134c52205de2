//! The front doors that laptops push to. One registry of paths, keys and publishers stands behind
//! every protocol, because the protocols' own servers do not arbitrate: GStreamer's RTSP server
//! takes two publishers on one path.

mod lip_sync;
pub mod rtsp;
pub mod srt;

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::engine::inlet::Inlet;
use crate::engine::note::{Note, Notes, Protocol, PublisherNote};
use crate::model::SourceId;
use crate::secret::Secret;

/// A publisher that has been silent for so long gives way to the next.
const SILENCE: Duration = Duration::from_secs(2);

/// A publisher that has its place, but has never sent anything, is sent away after this.
const MUTE: Duration = Duration::from_secs(10);
/// One that did send and fell silent is given longer: its cable may be plugged in again, and what it
/// sends then is on air at once. Its place is free for others all the while.
const GONE: Duration = Duration::from_secs(120);

/// Every place that may be pushed to, and who has it. Shared by all front doors.
#[derive(Debug)]
pub struct Registry {
    places: Mutex<HashMap<SourceId, Place>>,
    notes: Notes,
}

#[derive(Debug)]
struct Place {
    key: Option<Secret>,
    inlet: Arc<Inlet>,
    publisher: Option<Publisher>,
}

struct Publisher {
    session: u64,
    since: Instant,
    evict: Box<dyn Fn() + Send + Sync>,
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "publisher {} since {:?}", self.session, self.since)
    }
}

/// Why a publisher is turned away.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RefusePublisher {
    /// No source is pushed to under that name.
    #[error("no such source")]
    Unknown,
    /// Its key is another one.
    #[error("the key is wrong")]
    Key,
    /// Somebody else has it, and is at work.
    #[error("somebody else is pushing to it already")]
    Taken,
}

/// Whoever stands before a door and names a place, with all that the protocol has told.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'a> {
    /// The door.
    pub protocol: Protocol,
    /// Where the connection comes from.
    pub from: IpAddr,
    /// The source's id, as it was said.
    pub name: &'a str,
    /// The key, as it was said.
    pub key: Option<&'a str>,
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
        let places = places.into_iter().map(|(id, key, inlet)| {
            let place = Place {
                key,
                inlet,
                publisher: None,
            };
            (id, place)
        });
        Arc::new(Self {
            places: Mutex::new(places.collect()),
            notes,
        })
    }

    /// All places and their keys.
    pub fn places(&self) -> Vec<(SourceId, Option<Secret>)> {
        let places = self.places.lock();
        places
            .iter()
            .map(|(id, place)| (id.clone(), place.key.clone()))
            .collect()
    }

    /// The inlet behind a place.
    pub fn inlet(&self, id: &SourceId) -> Option<Arc<Inlet>> {
        self.places.lock().get(id).map(|place| place.inlet.clone())
    }

    /// Lets a caller in whose protocol leaves the checking to us: by the place's name and its key.
    /// `evict` as for [`Registry::claim`].
    pub fn admit(
        self: &Arc<Self>,
        caller: Caller<'_>,
        evict: impl Fn() + Send + Sync + 'static,
    ) -> Result<Claim, RefusePublisher> {
        let id = caller
            .name
            .parse::<SourceId>()
            .map_err(|_| RefusePublisher::Unknown)?;
        let fits = match self.places.lock().get(&id) {
            Some(place) => (place.key.as_ref()).is_none_or(|key| key.is(caller.key.unwrap_or(""))),
            None => return Err(RefusePublisher::Unknown),
        };
        if !fits {
            return Err(RefusePublisher::Key);
        }
        self.claim(&id, evict)
    }

    /// Gives the place to a publisher whose key has been checked. `evict` ends that publisher's
    /// connection, should a later one take over from its silence.
    pub fn claim(
        self: &Arc<Self>,
        id: &SourceId,
        evict: impl Fn() + Send + Sync + 'static,
    ) -> Result<Claim, RefusePublisher> {
        static SESSION: AtomicU64 = AtomicU64::new(1);
        let now = Instant::now();
        let displaced = {
            let mut places = self.places.lock();
            let place = places.get_mut(id).ok_or(RefusePublisher::Unknown)?;
            // The inlet knows when something last came; a session that has only begun is judged by
            // its age.
            let at_work = |publisher: &Publisher| {
                !place.inlet.is_silent(SILENCE) || now.duration_since(publisher.since) < SILENCE
            };
            if place.publisher.as_ref().is_some_and(at_work) {
                drop(places);
                let refusal = RefusePublisher::Taken;
                self.note(id, PublisherNote::Refused(refusal.to_string()));
                return Err(refusal);
            }
            let session = SESSION.fetch_add(1, Ordering::Relaxed);
            let next = Publisher {
                session,
                since: now,
                evict: Box::new(evict),
            };
            (place.publisher.replace(next), session)
        };
        let (old, session) = displaced;
        if let Some(old) = old {
            (old.evict)();
            self.note(id, PublisherNote::Left(old.session));
        }
        self.note(id, PublisherNote::Arrived(session));
        Ok(Claim {
            registry: self.clone(),
            id: id.clone(),
            session,
        })
    }

    /// Sends away publishers that hold their place and say nothing. Called by the engine thread now
    /// and then.
    pub fn evict_silent(&self) {
        let now = Instant::now();
        let mut evicted = Vec::new();
        for (id, place) in self.places.lock().iter_mut() {
            let inlet = &place.inlet;
            let is_lost = |publisher: &mut Publisher| {
                let age = now.duration_since(publisher.since);
                age > GONE && inlet.is_silent(GONE) || age > MUTE && inlet.is_silent(age)
            };
            evicted.extend(
                place
                    .publisher
                    .take_if(is_lost)
                    .map(|who| (id.clone(), who)),
            );
        }
        for (id, publisher) in evicted {
            self.note(&id, PublisherNote::Evicted(publisher.session));
            (publisher.evict)();
        }
    }

    fn note(&self, id: &SourceId, note: PublisherNote) {
        self.notes.send(Note::Publisher(id.clone(), note));
    }
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

    /// Its number.
    pub fn session(&self) -> u64 {
        self.session
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let freed = {
            let mut places = self.registry.places.lock();
            let place = places.get_mut(&self.id);
            place
                .and_then(|place| place.publisher.take_if(|p| p.session == self.session))
                .is_some()
        };
        if freed {
            self.registry
                .note(&self.id, PublisherNote::Left(self.session));
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::engine::timebase::Timebase;
    use std::sync::mpsc::{Receiver, channel};

    fn registry() -> (Arc<Registry>, SourceId, Receiver<Note>) {
        gst::init().unwrap();
        let (sender, notes) = channel();
        let id: SourceId = "laptop".parse().unwrap();
        let inlet = Inlet::new(&Timebase::start());
        (
            Registry::new([(id.clone(), None, inlet)], Notes::new(sender)),
            id,
            notes,
        )
    }

    fn heard(notes: &Receiver<Note>) -> Vec<PublisherNote> {
        let all = notes.try_iter().map(|note| match note {
            Note::Publisher(_, note) => note,
            other => panic!("{other:?}"),
        });
        all.collect()
    }

    #[test]
    fn the_first_has_the_place_until_it_leaves() {
        let (registry, id, notes) = registry();
        let first = registry.claim(&id, || {}).unwrap();
        assert_eq!(
            registry.claim(&id, || {}).unwrap_err(),
            RefusePublisher::Taken
        );
        drop(first);
        let second = registry.claim(&id, || {}).unwrap();
        let refused = PublisherNote::Refused("somebody else is pushing to it already".to_owned());
        let one = second.session() - 1;
        assert_eq!(
            heard(&notes),
            [
                PublisherNote::Arrived(one),
                refused,
                PublisherNote::Left(one),
                PublisherNote::Arrived(one + 1)
            ]
        );
    }

    #[test]
    fn silence_gives_way_and_the_old_one_cannot_take_the_new_ones_place_along() {
        let (registry, id, notes) = registry();
        let evicted = Arc::new(AtomicU64::new(0));
        let count = evicted.clone();
        let first = registry
            .claim(&id, move || {
                count.fetch_add(1, Ordering::Relaxed);
            })
            .unwrap();
        let long_ago = Instant::now().checked_sub(SILENCE * 2).unwrap();
        registry
            .places
            .lock()
            .get_mut(&id)
            .unwrap()
            .publisher
            .as_mut()
            .unwrap()
            .since = long_ago;
        let _second = registry.claim(&id, || {}).unwrap();
        assert_eq!(evicted.load(Ordering::Relaxed), 1);
        drop(first);
        assert_eq!(
            registry.claim(&id, || {}).unwrap_err(),
            RefusePublisher::Taken
        );
        assert!(matches!(
            heard(&notes)[..3],
            [PublisherNote::Arrived(a), PublisherNote::Left(b), PublisherNote::Arrived(c)] if a == b && b != c
        ));
    }

    #[test]
    fn who_never_says_anything_is_sent_away() {
        let (registry, id, notes) = registry();
        let evicted = Arc::new(AtomicU64::new(0));
        let count = evicted.clone();
        let mute = registry.claim(&id, move || {
            count.fetch_add(1, Ordering::Relaxed);
        });
        registry.evict_silent();
        assert_eq!(evicted.load(Ordering::Relaxed), 0, "it has only begun");
        let long_ago = Instant::now().checked_sub(MUTE * 2).unwrap();
        let mut places = registry.places.lock();
        let publisher = &mut places.get_mut(&id).unwrap().publisher;
        publisher.as_mut().unwrap().since = long_ago;
        drop(places);
        registry.evict_silent();
        registry.evict_silent();
        assert_eq!(evicted.load(Ordering::Relaxed), 1);
        drop(mute);
        assert!(matches!(
            heard(&notes)[..],
            [PublisherNote::Arrived(a), PublisherNote::Evicted(b)] if a == b
        ));
    }

    #[test]
    fn who_knows_the_key_is_let_in() {
        gst::init().unwrap();
        let (sender, _notes) = channel();
        let place = |id: &str, key: Option<&str>| {
            let inlet = Inlet::new(&Timebase::start());
            (id.parse().unwrap(), key.map(Secret::new), inlet)
        };
        let places = [place("laptop", Some("s3cret-key")), place("free", None)];
        let registry = Registry::new(places, Notes::new(sender));
        let knock = |name, key| {
            let caller = Caller {
                protocol: Protocol::Rtmp,
                from: [127, 0, 0, 1].into(),
                name,
                key,
            };
            let admitted = registry.admit(caller, || {});
            admitted.map(|claim| claim.id().to_string())
        };
        for key in [
            None,
            Some(""),
            Some("s3cret"),
            Some("s3cret-key2"),
            Some("S3cret-key"),
        ] {
            assert_eq!(knock("laptop", key), Err(RefusePublisher::Key), "{key:?}");
        }
        assert_eq!(knock("laptop", Some("s3cret-key")), Ok("laptop".to_owned()));
        assert_eq!(knock("free", Some("any")), Ok("free".to_owned()));
        assert_eq!(knock("other", None), Err(RefusePublisher::Unknown));
        assert_eq!(knock("../laptop", None), Err(RefusePublisher::Unknown));
    }

    #[test]
    fn an_unknown_place_is_nobodys() {
        let (registry, _, _notes) = registry();
        let other: SourceId = "other".parse().unwrap();
        assert_eq!(
            registry.claim(&other, || {}).unwrap_err(),
            RefusePublisher::Unknown
        );
    }
}

#![allow(clippy::unwrap_used)]

use std::sync::mpsc::{Receiver, channel};

use super::*;
use crate::engine::timebase::Timebase;

struct Door {
    registry: Arc<Registry>,
    notes: Receiver<Note>,
}

/// Who knocks: an address, a name, a key.
type Knock<'a> = (u8, &'a str, Option<&'a str>);

impl Door {
    /// `laptop` with a key, `free` without, and so many guests.
    fn new(guests: usize) -> Self {
        gst::init().unwrap();
        let (sender, notes) = channel();
        let place = |id: &str, key: Option<&str>, guest| PlaceConfig {
            id: id.parse().unwrap(),
            key: key.map(Secret::new),
            inlet: Inlet::new(&Timebase::start()),
            guest,
        };
        let mut places = vec![
            place("laptop", Some("s3cret-key"), false),
            place("free", None, false),
        ];
        for number in 1..=guests {
            places.push(place(&format!("guest-{number}"), Some("guests-key"), true));
        }
        let registry = Registry::open(places, Notes::new(sender));
        Self { registry, notes }
    }

    fn knock(&self, (last, name, key): Knock<'_>) -> Result<Claim, RefusePublisher> {
        self.knock_by(Protocol::Rtmp, (last, name, key), || {})
    }

    fn knock_by(
        &self,
        protocol: Protocol,
        (last, name, key): Knock<'_>,
        evict: impl Fn() + Send + Sync + 'static,
    ) -> Result<Claim, RefusePublisher> {
        let caller = Caller {
            protocol,
            from: [10, 0, 0, last].into(),
            name,
            key,
        };
        self.registry.admit(caller, evict)
    }

    fn heard(&self) -> Vec<PublisherNote> {
        let all = self.notes.try_iter().map(|note| match note {
            Note::Publisher(_, note) => note,
            other => panic!("{other:?}"),
        });
        all.collect()
    }

    /// Its publisher began so long ago.
    fn age(&self, id: &str, age: Duration) {
        let mut places = self.registry.places.lock();
        let place = places.get_mut(&id.parse().unwrap()).unwrap();
        place.publisher.as_mut().unwrap().since = Instant::now().checked_sub(age).unwrap();
    }
}

/// Counts how often it was called.
fn counter() -> (Arc<AtomicU64>, impl Fn() + Send + Sync + 'static) {
    let count = Arc::new(AtomicU64::new(0));
    let own = count.clone();
    let evict = move || {
        own.fetch_add(1, Ordering::Relaxed);
    };
    (count, evict)
}

const FREE: Knock<'static> = (1, "free", None);

#[test]
fn the_first_has_the_place_until_it_leaves() {
    let door = Door::new(0);
    let first = door.knock(FREE).unwrap();
    assert_eq!(door.knock(FREE).unwrap_err(), RefusePublisher::Taken);
    // Once a minute is enough for the log.
    assert_eq!(door.knock(FREE).unwrap_err(), RefusePublisher::Taken);
    drop(first);
    let second = door.knock(FREE).unwrap();
    let refused = "10.0.0.1 by RTMP: somebody else is pushing to it already";
    let one = second.session() - 1;
    assert_eq!(
        door.heard(),
        [
            PublisherNote::Arrived(one),
            PublisherNote::Refused(refused.to_owned()),
            PublisherNote::Left(one),
            PublisherNote::Arrived(one + 1)
        ]
    );
}

#[test]
fn silence_gives_way_and_the_old_one_cannot_take_the_new_ones_place_along() {
    let door = Door::new(0);
    let (evicted, evict) = counter();
    let first = door.knock_by(Protocol::Srt, FREE, evict).unwrap();
    door.age("free", SILENCE);
    let _second = door.knock((2, "free", None)).unwrap();
    assert_eq!(evicted.load(Ordering::Relaxed), 1);
    drop(first);
    assert_eq!(door.knock(FREE).unwrap_err(), RefusePublisher::Taken);
    assert!(matches!(
        door.heard()[..3],
        [PublisherNote::Arrived(a), PublisherNote::Left(b), PublisherNote::Arrived(c)] if a == b && b != c
    ));
    // At a socket of IPv6, addresses of IPv4 come wrapped.
    let wrapped = Caller {
        protocol: Protocol::Srt,
        from: "::ffff:10.0.0.3".parse().unwrap(),
        name: "laptop",
        key: Some("s3cret-key"),
    };
    let _third = door.registry.admit(wrapped, || {}).unwrap();
    let facts = door.registry.publisher(&"laptop".parse().unwrap()).unwrap();
    assert_eq!(facts.from, IpAddr::from([10, 0, 0, 3]));
    let facts = door.registry.publisher(&"free".parse().unwrap()).unwrap();
    assert_eq!(
        (facts.protocol, facts.from),
        (Protocol::Rtmp, [10, 0, 0, 2].into())
    );
}

#[test]
fn who_never_says_anything_is_sent_away() {
    let door = Door::new(0);
    let (evicted, evict) = counter();
    let mute = door.knock_by(Protocol::Rtsp, FREE, evict);
    door.registry.evict_silent();
    assert_eq!(evicted.load(Ordering::Relaxed), 0, "it has only begun");
    door.age("free", MUTE * 2);
    door.registry.evict_silent();
    door.registry.evict_silent();
    assert_eq!(evicted.load(Ordering::Relaxed), 1);
    drop(mute);
    assert!(matches!(
        door.heard()[..],
        [PublisherNote::Arrived(a), PublisherNote::Evicted(b)] if a == b
    ));
}

#[test]
fn who_knows_the_key_is_let_in() {
    let door = Door::new(0);
    let knock = |name, key| {
        let admitted = door.knock((1, name, key));
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
    for nobody in ["other", "../laptop", "", "guest", "guest-1"] {
        assert_eq!(knock(nobody, None), Err(RefusePublisher::Unknown));
    }
}

#[test]
fn wrong_keys_at_speed_wait_and_nobody_else_does() {
    let door = Door::new(1);
    for n in 0..1000 {
        let refused = door.knock((1, "laptop", Some("wrong"))).unwrap_err();
        let expected = if n < 10 {
            RefusePublisher::Key
        } else {
            RefusePublisher::TooOften(1)
        };
        assert_eq!(refused, expected, "{n}");
    }
    let right = Some("s3cret-key");
    assert_eq!(
        door.knock((1, "laptop", right)).unwrap_err(),
        RefusePublisher::TooOften(1)
    );
    assert_eq!(door.heard().len(), 1, "one line in the log");
    let own = door.knock((2, "laptop", right)).unwrap();
    drop(door.knock((1, "free", None)).unwrap());
    drop(door.knock((1, "guest", Some("guests-key"))).unwrap());
    drop(own);
    // Doors that check keys themselves ask first, and tell afterwards.
    let caller = Caller {
        protocol: Protocol::Rtsp,
        from: [10, 0, 0, 3].into(),
        name: "laptop",
        key: None,
    };
    for _ in 0..10 {
        assert_eq!(door.registry.patience(&caller), Ok(()));
        door.registry.note_wrong_key(&caller);
    }
    assert_eq!(
        door.registry.patience(&caller),
        Err(RefusePublisher::TooOften(1))
    );
}

#[test]
fn who_was_released_lets_others_go_first() {
    let door = Door::new(0);
    let id: SourceId = "free".parse().unwrap();
    assert_eq!(door.registry.release(&id), None, "nobody is there");
    let (evicted, evict) = counter();
    let first = door.knock_by(Protocol::Rtmp, FREE, evict).unwrap();
    let released = door.registry.release(&id).unwrap();
    assert_eq!(released.from, IpAddr::from([10, 0, 0, 1]));
    assert_eq!(evicted.load(Ordering::Relaxed), 1);
    assert_eq!(door.registry.publisher(&id), None);
    drop(first);
    assert!(matches!(
        door.heard()[..],
        [PublisherNote::Arrived(a), PublisherNote::Released(b)] if a == b
    ));
    for protocol in [Protocol::Rtmp, Protocol::Rtmps] {
        assert_eq!(
            door.knock_by(protocol, FREE, || {}).unwrap_err(),
            RefusePublisher::Released(10)
        );
    }
    let next = door.knock((2, "free", None)).unwrap();
    assert_eq!(door.knock(FREE).unwrap_err(), RefusePublisher::Taken);
    drop(next);
    assert_eq!(door.knock(FREE).unwrap_err(), RefusePublisher::Released(10));
    // Nobody else came, and its time is over.
    let mut places = door.registry.places.lock();
    let place = places.get_mut(&id).unwrap();
    place.released.as_mut().unwrap().2 = Instant::now();
    drop(places);
    drop(door.knock(FREE).unwrap());
}

#[test]
fn guests_get_places_of_their_own() {
    let door = Door::new(2);
    let knock = |last| door.knock((last, "guest", Some("guests-key")));
    let id = |claim: &Claim| claim.id().to_string();
    assert_eq!(
        door.knock((1, "guest", Some("s3cret-key"))).unwrap_err(),
        RefusePublisher::Key
    );
    // None chooses where to sit.
    assert_eq!(
        door.knock((1, "guest-2", Some("guests-key"))).unwrap_err(),
        RefusePublisher::Unknown
    );
    let (one, two) = (knock(1).unwrap(), knock(2).unwrap());
    assert_eq!((id(&one), id(&two)), ("guest-1".into(), "guest-2".into()));
    assert_eq!(knock(3).unwrap_err(), RefusePublisher::Full);
    drop((one, two));
    let two = knock(2).unwrap();
    assert_eq!(id(&two), "guest-2", "its own again");
    // The operator wants to see the first guest.
    let players = BTreeSet::from(["guest-1".parse().unwrap()]);
    door.registry.note_roles(&players);
    assert_eq!(knock(3).unwrap_err(), RefusePublisher::Full);
    let one = knock(1).unwrap();
    assert_eq!(id(&one), "guest-1");
    // Sent away, it does not come back by another number.
    door.registry.note_roles(&BTreeSet::new());
    door.registry.release(two.id()).unwrap();
    assert_eq!(knock(2).unwrap_err(), RefusePublisher::Released(10));
    assert_eq!(id(&knock(3).unwrap()), "guest-2");
    let names: BTreeSet<String> = (door.registry.places().iter())
        .map(|(id, _)| id.to_string())
        .collect();
    let expected = ["free", "guest", "laptop"].map(str::to_owned);
    assert_eq!(names, BTreeSet::from(expected));
}

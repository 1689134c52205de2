//! Feeds the supervisor's watchdog for as long as the show goes on. What counts is what has left the
//! encoders: a picture and a sound of the programme since the last time. A timer would go on beating in a
//! process that has gone silent.
//!
//! The engine thread counts as well, but more patiently: while it hangs, the show goes on as it is, only
//! nobody can change it. A relay that hangs is a fault and not the end of all other outputs.
//!
//! Thread `pulse`, which waits for nobody and writes nothing but its log. [`Watch`] decides and has no clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::service;
use crate::service::starts::{Mark, STEADY, WELL};

use super::feed::Feed;

/// How often it is looked whether the show goes on: much less than what a watchdog allows, so that one
/// that is fed just before the last frame loses little of its time.
const PERIOD: Duration = Duration::from_millis(200);
/// After so long, somebody is told what is missing.
const MISSED: Duration = Duration::from_secs(2);
/// After so long the supervisor is asked not to wait for the rest of its time: an encoder that could be
/// replaced has been by then, and every half second of black counts.
const GIVEN_UP: Duration = Duration::from_millis(2500);
/// So long may the engine thread be held up: by a driver that is slow to close a card, by a log that nobody
/// takes. To restart for less would take a show off air that is on air.
const HELD_UP: Duration = Duration::from_secs(10);

/// What goes on in an engine.
#[derive(Debug, Clone)]
pub struct Vitals {
    /// Encoded pictures of the programme.
    pub picture: Arc<Feed>,
    /// Its encoded sound.
    pub sound: Arc<Feed>,
    /// What the engine thread has looked after its own.
    pub turns: Arc<AtomicU64>,
}

/// How much of each there has been.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Counts {
    pictures: u64,
    sounds: u64,
    turns: u64,
}

/// What may have stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Organ {
    Picture,
    Sound,
    Engine,
}

/// Decides whether the watchdog is fed.
#[derive(Debug)]
struct Watch {
    /// At the last feeding.
    fed: Counts,
    pictures: Moved,
    sounds: Moved,
    turns: Moved,
    /// What somebody has been told is missing.
    told: Option<Organ>,
}

/// A count and when it last grew.
#[derive(Debug, Clone, Copy)]
struct Moved {
    count: u64,
    at: Instant,
}

impl Moved {
    fn look(&mut self, count: u64, now: Instant) -> Duration {
        if self.count != count {
            *self = Self { count, at: now };
        }
        now.duration_since(self.at)
    }
}

/// What follows from a look.
#[derive(Debug, PartialEq, Eq)]
struct Verdict {
    feed: bool,
    /// Nothing will come of it any more.
    give_up: bool,
    /// Where it is new: what is missing now, or that nothing is any more.
    news: Option<Option<Organ>>,
}

impl Watch {
    fn new(counts: Counts, now: Instant) -> Self {
        let moved = |count| Moved { count, at: now };
        Self {
            fed: counts,
            pictures: moved(counts.pictures),
            sounds: moved(counts.sounds),
            turns: moved(counts.turns),
            told: None,
        }
    }

    fn look(&mut self, counts: Counts, now: Instant) -> Verdict {
        let unseen = self.pictures.look(counts.pictures, now);
        let unheard = self.sounds.look(counts.sounds, now);
        let held_up = self.turns.look(counts.turns, now);
        let goes_on = counts.pictures != self.fed.pictures && counts.sounds != self.fed.sounds;
        let feed = goes_on && held_up <= HELD_UP;
        if feed {
            self.fed = counts;
        }
        let missing = if unseen > MISSED {
            Some(Organ::Picture)
        } else if unheard > MISSED {
            Some(Organ::Sound)
        } else if held_up > HELD_UP {
            Some(Organ::Engine)
        } else {
            None
        };
        let news = (missing != self.told).then_some(missing);
        self.told = missing;
        Verdict {
            feed,
            give_up: unseen > GIVEN_UP || unheard > GIVEN_UP || held_up > HELD_UP,
            news,
        }
    }
}

impl Organ {
    fn missing(self) -> &'static str {
        match self {
            Self::Picture => "no picture has left its encoder for 2 s",
            Self::Sound => "no sound has left its encoder for 2 s",
            Self::Engine => "the engine thread has been held up for 10 s",
        }
    }
}

impl Vitals {
    fn counts(&self) -> Counts {
        Counts {
            pictures: self.picture.pushed(),
            sounds: self.sound.pushed(),
            turns: self.turns.load(Ordering::Relaxed),
        }
    }
}

/// The watching thread. Dropped, it stops.
#[derive(Debug)]
pub struct Pulse {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Pulse {
    /// Watches from now on, when the programme runs. `life` is told how far the engine has come.
    pub fn start(vitals: Vitals, life: Option<Sender<Mark>>) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::Builder::new()
            .name("pulse".into())
            .spawn(move || run(&vitals, life.as_ref(), &stopped))?;
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A thread that panicked has nothing more to say.
            let _ = thread.join();
        }
    }
}

fn run(vitals: &Vitals, life: Option<&Sender<Mark>>, stop: &AtomicBool) {
    let begun = Instant::now();
    let mut ages = [(STEADY, Mark::Steady), (WELL, Mark::Well)].into_iter();
    let mut next = ages.next();
    let mut watch = Watch::new(vitals.counts(), begun);
    let tell = |mark| {
        if let Some(life) = life {
            // Nobody listens any more when the engine ends.
            let _ = life.send(mark);
        }
    };
    service::beat();
    while !stop.load(Ordering::Relaxed) {
        std::thread::park_timeout(PERIOD);
        let now = Instant::now();
        let verdict = watch.look(vitals.counts(), now);
        if verdict.feed {
            service::beat();
        }
        match verdict.news {
            Some(Some(organ)) => {
                let missing = organ.missing();
                tracing::error!("{missing}: unless that changes, the watchdog restarts the engine");
                tell(Mark::Ends(missing.to_owned()));
            }
            Some(None) => {
                tracing::info!("the show goes on by itself");
                tell(Mark::Recovered);
            }
            None => {}
        }
        if verdict.give_up {
            service::give_up();
        }
        if verdict.feed
            && let Some((_, mark)) = next.take_if(|(age, _)| now.duration_since(begun) >= *age)
        {
            tell(mark);
            next = ages.next();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A show at 30 frames/s, looked at every fifth of a second.
    struct Show {
        watch: Watch,
        counts: Counts,
        now: Instant,
        /// How long after the beginning of a run that was.
        given_up: Option<Duration>,
    }

    impl Show {
        fn new() -> Self {
            let now = Instant::now();
            let counts = Counts {
                pictures: 1,
                sounds: 1,
                turns: 1,
            };
            Self {
                watch: Watch::new(counts, now),
                counts,
                now,
                given_up: None,
            }
        }

        /// Goes on for `seconds`, without what has stopped; how often the watchdog was fed, and the news.
        fn run(&mut self, seconds: u64, stopped: &[Organ]) -> (u64, Vec<Option<Organ>>) {
            let begun = self.now;
            let (mut fed, mut news) = (0, Vec::new());
            for _ in 0..seconds * 5 {
                self.now += PERIOD;
                let goes_on = |organ| u64::from(!stopped.contains(&organ));
                self.counts.pictures += 6 * goes_on(Organ::Picture);
                self.counts.sounds += 9 * goes_on(Organ::Sound);
                self.counts.turns += 2 * goes_on(Organ::Engine);
                let verdict = self.watch.look(self.counts, self.now);
                fed += u64::from(verdict.feed);
                news.extend(verdict.news);
                if verdict.give_up {
                    self.given_up.get_or_insert(self.now - begun);
                }
            }
            (fed, news)
        }
    }

    #[test]
    fn a_show_that_goes_on_feeds_the_watchdog_at_every_look() {
        let mut show = Show::new();
        assert_eq!(show.run(60, &[]), (300, vec![]));
        assert_eq!(show.given_up, None);
    }

    #[test]
    fn without_picture_or_without_sound_it_is_not_fed_at_all() {
        for organ in [Organ::Picture, Organ::Sound] {
            let mut show = Show::new();
            show.run(3, &[]);
            assert_eq!(show.run(5, &[organ]), (0, vec![Some(organ)]), "{organ:?}");
            assert_eq!(show.given_up, Some(Duration::from_millis(2600)));
            // An encoder that was built anew.
            assert_eq!(show.run(1, &[]), (5, vec![None]));
        }
    }

    #[test]
    fn a_slow_encoder_is_no_dead_one() {
        let mut show = Show::new();
        // A picture a second: every fifth look sees one.
        let mut fed = 0;
        for look in 0..50 {
            show.now += PERIOD;
            show.counts.pictures += u64::from(look % 5 == 0);
            show.counts.sounds += 9;
            show.counts.turns += 1;
            let verdict = show.watch.look(show.counts, show.now);
            fed += u64::from(verdict.feed);
            assert_eq!(verdict.news, None);
        }
        assert_eq!(fed, 10);
    }

    #[test]
    fn an_engine_thread_that_is_held_up_is_given_ten_seconds() {
        let mut show = Show::new();
        let (fed, news) = show.run(10, &[Organ::Engine]);
        assert_eq!(
            (fed, news),
            (50, vec![]),
            "the show is on air all the while"
        );
        assert_eq!(
            show.run(4, &[Organ::Engine]),
            (0, vec![Some(Organ::Engine)])
        );
        assert_eq!(show.run(1, &[]), (5, vec![None]));
    }
}

//! The life of the feed on a screen: when to knock, when to connect, when a feed counts as gone, and
//! what the glass shows meanwhile. Pure: whoever asks brings the time.

use std::time::{Duration, Instant};

/// After the last picture it stays on the glass for so long; then the slate.
pub const HOLD: Duration = Duration::from_secs(2);
/// A feed that is connected and sends nothing for so long is gone.
pub const SILENT: Duration = Duration::from_millis(2000);
/// A connection that has brought no picture by then is given up. A relay keeps a player waiting for
/// 2 s while its mount is about to flow.
pub const CONNECT: Duration = Duration::from_secs(5);
/// A server that does not take a connection by then is knocked at again: a lost first packet is
/// repeated only after 1 s, then 3 s, and a network may be back at any moment.
pub const KNOCK: Duration = Duration::from_millis(600);
/// Attempts that fail at once begin this far apart: a mount that is there a moment after its server, and
/// whatever else the next one brings along, is on the glass within a second then...
const PACE: Duration = Duration::from_millis(300);
/// ...and after one that failed there is at least this pause.
const PAUSE: Duration = Duration::from_millis(100);
/// The same where a person has to do something first.
const PAUSE_REFUSED: Duration = Duration::from_secs(3);

/// Where the feed is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nobody has said yet what to play.
    Idle,
    /// Asking whether anybody is there.
    Knocking {
        /// Since when.
        since: Instant,
    },
    /// A connection is being made; no picture yet.
    Connecting {
        /// Since when.
        since: Instant,
    },
    /// Pictures come.
    Live {
        /// When the last one came.
        last: Instant,
    },
    /// Until the next attempt.
    Waiting {
        /// When that is.
        until: Instant,
    },
}

/// Why a feed is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// No answer, a refusal, an end: it may be back at any moment.
    Gone,
    /// The server wants another user or password, or has another certificate than is accepted.
    NotAllowed,
}

/// What is to be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Ask whether anybody listens there, for [`KNOCK`] at most.
    Knock,
    /// Take the connection down.
    Drop(Why),
}

/// Why a connection is taken down by us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It never brought a picture.
    NoPicture,
    /// It has stopped.
    Silent,
}

/// What is on the glass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Glass {
    /// The newest picture, or the last one for a moment.
    Picture,
    /// The slate.
    Slate,
}

/// The feed's life.
#[derive(Debug, Clone)]
pub struct Life {
    state: State,
    last_picture: Option<Instant>,
    /// How often a feed that had been live was lost.
    losses: u64,
}

impl Life {
    /// Before anybody has said what to play.
    pub fn new() -> Self {
        Self {
            state: State::Idle,
            last_picture: None,
            losses: 0,
        }
    }

    /// Where the feed is.
    pub fn state(&self) -> State {
        self.state
    }

    /// How often a feed that had been live was lost.
    pub fn losses(&self) -> u64 {
        self.losses
    }

    /// There is something to play, or something else: begins at once, and with the slate.
    pub fn begin(&mut self, now: Instant) {
        self.last_picture = None;
        self.state = State::Waiting { until: now };
    }

    /// Somebody listens there. `true`: connect.
    pub fn on_open(&mut self, now: Instant) -> bool {
        let knocking = matches!(self.state, State::Knocking { .. });
        if knocking {
            self.state = State::Connecting { since: now };
        }
        knocking
    }

    /// A picture of the present connection is there. `true`: it is the first one.
    pub fn on_picture(&mut self, now: Instant) -> bool {
        let first = matches!(self.state, State::Connecting { .. });
        if first || matches!(self.state, State::Live { .. }) {
            self.state = State::Live { last: now };
            self.last_picture = Some(now);
        }
        first
    }

    /// The attempt, or the connection, has failed.
    pub fn on_failed(&mut self, trouble: Trouble, now: Instant) {
        let spent = match self.state {
            State::Idle | State::Waiting { .. } => return,
            State::Live { .. } => {
                self.losses += 1;
                PACE
            }
            State::Knocking { since } | State::Connecting { since } => now.duration_since(since),
        };
        let pause = match trouble {
            Trouble::NotAllowed => PAUSE_REFUSED,
            Trouble::Gone => PAUSE.max(PACE.saturating_sub(spent)),
        };
        self.state = State::Waiting { until: now + pause };
    }

    /// When the next attempt is due.
    pub fn next(&self) -> Option<Instant> {
        match self.state {
            State::Waiting { until } => Some(until),
            _ => None,
        }
    }

    /// What is to be done by now. To be asked ten times a second, and when the next attempt is due.
    pub fn poll(&mut self, now: Instant) -> Option<Order> {
        match self.state {
            State::Waiting { until } if now >= until => {
                self.state = State::Knocking { since: now };
                Some(Order::Knock)
            }
            State::Connecting { since } if now.duration_since(since) > CONNECT => {
                self.on_failed(Trouble::Gone, now);
                Some(Order::Drop(Why::NoPicture))
            }
            State::Live { last } if now.duration_since(last) > SILENT => {
                self.on_failed(Trouble::Gone, now);
                Some(Order::Drop(Why::Silent))
            }
            // Whoever knocks has a limit of his own; a thread that hangs in a resolver has none.
            State::Knocking { since } if now.duration_since(since) > CONNECT => {
                self.on_failed(Trouble::Gone, now);
                None
            }
            _ => None,
        }
    }

    /// What the glass shows by now.
    pub fn glass(&self, now: Instant) -> Glass {
        match self.last_picture {
            Some(last) if now.duration_since(last) <= HOLD => Glass::Picture,
            _ => Glass::Slate,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A clock that is driven, and what the life wanted at its ticks.
    struct Drive {
        life: Life,
        now: Instant,
        orders: Vec<(u64, Order)>,
        begun: Instant,
    }

    impl Drive {
        fn begin() -> Self {
            let now = Instant::now();
            let mut life = Life::new();
            life.begin(now);
            Self {
                life,
                now,
                orders: Vec::new(),
                begun: now,
            }
        }

        /// In ticks of 100 ms; `each` may do something before each.
        fn run(&mut self, milliseconds: u64, mut each: impl FnMut(&mut Life, Instant)) {
            for _ in 0..milliseconds / 100 {
                each(&mut self.life, self.now);
                if let Some(order) = self.life.poll(self.now) {
                    let at = self.now.duration_since(self.begun).as_millis();
                    self.orders.push((at as u64, order));
                }
                self.now += Duration::from_millis(100);
            }
        }
    }

    #[test]
    fn it_knocks_connects_and_shows() {
        let mut drive = Drive::begin();
        drive.run(100, |_, _| {});
        assert_eq!(drive.orders, [(0, Order::Knock)]);
        assert!(drive.life.on_open(drive.now));
        assert_eq!(drive.life.glass(drive.now), Glass::Slate);
        assert!(drive.life.on_picture(drive.now));
        assert!(!drive.life.on_picture(drive.now), "only one is the first");
        drive.run(5000, |life, now| {
            life.on_picture(now);
        });
        assert_eq!(drive.orders.len(), 1);
        assert_eq!(drive.life.glass(drive.now), Glass::Picture);
    }

    #[test]
    fn a_server_that_is_gone_is_asked_again_within_a_second_for_ever() {
        let mut drive = Drive::begin();
        // Refused at once, each time, for an hour.
        drive.run(3_600_000, |life, now| {
            if matches!(life.state(), State::Knocking { .. }) {
                life.on_failed(Trouble::Gone, now);
            }
        });
        let pairs = drive.orders.windows(2);
        let longest = pairs.map(|pair| pair[1].0 - pair[0].0).max();
        assert!(longest.is_some_and(|longest| longest <= 300), "{longest:?}");
        assert!(drive.orders.iter().all(|(_, order)| *order == Order::Knock));
    }

    #[test]
    fn a_mount_that_is_not_there_yet_is_asked_for_three_times_a_second() {
        let mut drive = Drive::begin();
        drive.run(60_000, |life, now| {
            // The server takes the connection, and refuses 100 ms later.
            if let State::Connecting { since } = life.state()
                && now > since
            {
                life.on_failed(Trouble::Gone, now);
                assert_eq!(life.next(), Some(since + PACE));
            }
            life.on_open(now);
        });
        let pairs = drive.orders.windows(2);
        let longest = pairs.map(|pair| pair[1].0 - pair[0].0).max();
        assert!(longest.is_some_and(|longest| longest <= 400), "{longest:?}");
    }

    #[test]
    fn the_last_picture_stays_for_a_moment_and_then_the_slate() {
        let mut drive = Drive::begin();
        drive.run(100, |_, _| {});
        drive.life.on_open(drive.now);
        drive.life.on_picture(drive.now);
        drive.life.on_failed(Trouble::Gone, drive.now);
        assert_eq!(drive.life.losses(), 1);
        drive.run(1900, |_, _| {});
        assert_eq!(drive.life.glass(drive.now), Glass::Picture);
        drive.run(300, |_, _| {});
        assert_eq!(drive.life.glass(drive.now), Glass::Slate);
    }

    #[test]
    fn a_feed_that_falls_silent_is_dropped_and_one_that_never_speaks_too() {
        let mut drive = Drive::begin();
        drive.run(100, |_, _| {});
        drive.life.on_open(drive.now);
        drive.life.on_picture(drive.now);
        drive.run(2300, |_, _| {});
        assert_eq!(drive.orders[1], (2200, Order::Drop(Why::Silent)));
        drive.run(200, |_, _| {});
        assert_eq!(drive.orders[2].1, Order::Knock);
        drive.life.on_open(drive.now);
        drive.run(5300, |_, _| {});
        assert_eq!(drive.orders[3].1, Order::Drop(Why::NoPicture));
    }

    #[test]
    fn what_comes_late_from_an_earlier_connection_changes_nothing() {
        let mut drive = Drive::begin();
        drive.life.on_picture(drive.now);
        assert_eq!(drive.life.glass(drive.now), Glass::Slate);
        let waiting = drive.life.state();
        drive.life.on_failed(Trouble::NotAllowed, drive.now);
        assert_eq!(drive.life.state(), waiting);
        assert!(!drive.life.on_open(drive.now));
    }

    #[test]
    fn where_a_person_has_to_act_it_is_asked_less_often() {
        let mut drive = Drive::begin();
        drive.run(60_000, |life, now| {
            if life.on_open(now) {
                life.on_failed(Trouble::NotAllowed, now);
            }
        });
        assert!(
            (15..=21).contains(&drive.orders.len()),
            "{:?}",
            drive.orders
        );
    }
}

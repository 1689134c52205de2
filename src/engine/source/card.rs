//! A source that is a capture card: what its thread tells, what is done when it gives nothing, and
//! which fault people read. On the engine thread; nothing here waits.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::engine::capture::{Card, CardNote, Cause, Reset, Stage, replug};
use crate::engine::note::{Note, SourceNote};
use crate::model::{Phrase, Said};
use crate::venue::CaptureConfig;

use super::{Source, SourceState};

/// A device that is opened, and set up, takes no longer: longer is a driver that hangs.
const OPENS: Duration = Duration::from_secs(4);
/// The engine thread looks after its sources more often than this, unless it is held up...
const LATE: Duration = Duration::from_millis(500);
/// ...and knows after this long how its cards really do.
const EXCUSE: Duration = Duration::from_millis(500);

/// The fault of a card has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardFault {
    /// The code of the one that is over.
    pub before: Option<&'static str>,
    /// Code, texts and detail of the one that has begun.
    pub now: Option<(&'static str, Said, String)>,
}

/// What a source keeps of its card.
#[derive(Debug)]
pub struct CardSeat {
    card: Option<Card>,
    config: CaptureConfig,
    progress: Progress,
    reset: Reset,
    /// Where it was plugged in last.
    plug: Option<PathBuf>,
    /// How its pictures come, for people; empty while none do.
    picture: String,
    /// The fault that has been told.
    told: Option<Cause>,
    /// When it was last looked after.
    polled: Instant,
    /// Until then nothing is said against it.
    excused: Instant,
}

/// How far the card's thread has come.
#[derive(Debug)]
enum Progress {
    /// It opens the device, or sets it up.
    Opening {
        /// Since when.
        since: Instant,
    },
    /// Pictures should come.
    Streaming {
        /// Since when.
        since: Instant,
    },
    /// It cannot, and tries again by itself.
    Failing {
        /// Why.
        cause: Cause,
        /// The same for whoever repairs it.
        detail: String,
    },
}

impl CardSeat {
    /// Sets the card's thread going.
    pub fn start(source: &Source, config: CaptureConfig, now: Instant) -> Self {
        let (notes, id, run) = (source.notes.clone(), source.id().clone(), source.run);
        let report = move |note| notes.send(Note::Source(id.clone(), run, SourceNote::Card(note)));
        let (pictures, timebase) = (source.pictures.clone(), source.timebase.clone());
        let started = Card::start(config.clone(), pictures, timebase, Box::new(report));
        let progress = match &started {
            Ok(_) => Progress::Opening { since: now },
            Err(error) => Progress::Failing {
                cause: Cause::Broken {
                    reason: error.to_string(),
                },
                detail: "its thread".to_owned(),
            },
        };
        Self {
            card: started.ok(),
            config,
            progress,
            reset: Reset::default(),
            plug: None,
            picture: String::new(),
            told: None,
            polled: now,
            excused: now,
        }
    }

    /// How its pictures come, for people; empty while none do.
    pub fn picture(&self) -> &str {
        &self.picture
    }

    /// How long pictures have been missing that should come; the last one came at `seen`.
    fn silent(&self, now: Instant, seen: Instant) -> Option<Duration> {
        match &self.progress {
            Progress::Streaming { since } => Some(now.duration_since(seen.max(*since))),
            // A driver that hangs while it is set up is silent as well.
            Progress::Opening { since } => Some(now.duration_since(*since).saturating_sub(OPENS)),
            Progress::Failing { .. } => None,
        }
    }
}

impl Source {
    /// Why it is not live, in words.
    pub fn reason(&self) -> Phrase {
        match self.card.as_ref().map(|card| &card.progress) {
            Some(Progress::Failing { cause, .. }) => cause.reason(),
            Some(_) if matches!(self.state, SourceState::Stalled { .. }) => Cause::Silent.reason(),
            _ => self.state.reason(),
        }
    }

    /// It is a card that does not give anything now: what has come is of before.
    pub(super) fn is_dark(&self) -> bool {
        let progress = self.card.as_ref().map(|card| &card.progress);
        progress.is_some_and(|progress| !matches!(progress, Progress::Streaming { .. }))
    }

    /// Its card's thread has something to tell.
    pub(super) fn on_card(&mut self, note: CardNote, now: Instant) {
        // What came before it was told belongs to what was.
        self.activity = self.activity();
        let Some(card) = &mut self.card else {
            return;
        };
        match note {
            CardNote::Streams { picture, plug } => {
                // One that begins again without having given a picture is as silent as before.
                let before = match card.progress {
                    Progress::Streaming { since } => Some(since),
                    _ => None,
                };
                let unseen = |since: &Instant| self.active_at <= *since;
                let since = before.filter(unseen).unwrap_or(now);
                card.progress = Progress::Streaming { since };
                card.picture = picture;
                card.plug = plug;
                if self.state != SourceState::Live {
                    self.state = SourceState::Connecting { since: now };
                }
            }
            CardNote::Fails { cause, detail } => {
                self.live_since = None;
                self.state = if cause.is_of_signal() {
                    SourceState::Stalled { since: now }
                } else {
                    SourceState::Waiting {
                        until: now,
                        reason: cause.reason(),
                        detail: detail.clone(),
                    }
                };
                card.picture.clear();
                card.progress = Progress::Failing { cause, detail };
            }
        }
    }

    /// Resets a card that has stopped giving pictures.
    pub(super) fn look_after_card(&mut self, now: Instant) {
        let seen = self.active_at;
        let Some(seat) = &mut self.card else {
            return;
        };
        // If it is we who were late, the card's pictures may lie there unseen.
        if now.duration_since(std::mem::replace(&mut seat.polled, now)) > LATE {
            seat.excused = now + EXCUSE;
        }
        let silent = seat.silent(now, seen).filter(|_| now >= seat.excused);
        let Some(order) = seat.reset.look(now, silent) else {
            return;
        };
        if matches!(self.state, SourceState::Connecting { .. }) {
            self.state = SourceState::Stalled { since: now };
        }
        let (label, device) = (&self.config.label, seat.config.device.display());
        let Some(card) = &seat.card else {
            return;
        };
        let tell = |what: &str| {
            if order.is_first {
                tracing::warn!("{label}: {device} gives no pictures: {what}");
            }
        };
        match order.stage {
            Stage::Restart => {
                tell("its stream is switched off and on");
                card.restart();
            }
            Stage::Reopen => {
                tell("it is closed and opened");
                card.reopen();
            }
            Stage::Replug => {
                let Some(plug) = seat.plug.clone() else {
                    // Not plugged in at all: all that is left is to begin anew.
                    card.reopen();
                    return;
                };
                tell("its USB port is switched off and on");
                let (label, is_first) = (label.clone(), order.is_first);
                replug(plug.clone(), move |result| {
                    if let Err(error) = result
                        && is_first
                    {
                        let plug = plug.display();
                        tracing::warn!("{label}: {plug} cannot be switched: {error}");
                    }
                });
                card.reopen();
            }
        }
    }

    /// What has changed of its card's fault since the last call.
    pub fn take_card_fault(&mut self) -> Option<CardFault> {
        let label = self.config.label.clone();
        let state = self.state.clone();
        let seat = self.card.as_mut()?;
        let (cause, detail) = match (&seat.progress, state) {
            (_, SourceState::Live) => (None, String::new()),
            (Progress::Failing { cause, detail }, _) => (Some(cause.clone()), detail.clone()),
            (_, SourceState::Stalled { .. }) => (Some(Cause::Silent), String::new()),
            // Nothing is over before a picture has come.
            _ => return None,
        };
        if cause == seat.told {
            return None;
        }
        let before = std::mem::replace(&mut seat.told, cause.clone());
        let device = seat.config.device.display().to_string();
        Some(CardFault {
            before: before.as_ref().map(Cause::code),
            now: cause.map(|cause| (cause.code(), cause.said(&label, &device), detail)),
        })
    }
}

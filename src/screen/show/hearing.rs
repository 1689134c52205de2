//! Has a connection's sound played: in step with its pictures, and apart from them, so that they go on
//! whatever becomes of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::engine::pipeline::PipeNote;
use crate::screen::figures::Heard;
use crate::screen::session::Session;
use crate::screen::sound::{Due, Loudspeaker, Sound};
use crate::secret::redact;

use super::{Note, Show};

/// A sound system that fails is tried again after so long.
const AGAIN: Duration = Duration::from_secs(5);

/// What is heard of the connection of now.
#[derive(Default)]
pub struct Hearing {
    /// Which attempt may tell something.
    run: u64,
    due: Due,
    state: Playing,
    /// As it was said last: it is said once.
    trouble: Option<String>,
}

#[derive(Default)]
enum Playing {
    /// Nothing: no sound has come, or it is not known when it is due.
    #[default]
    Not,
    /// The sound system is being opened, on a thread of its own.
    Opening,
    /// It is played.
    Open(Loudspeaker),
    /// The sound system does not work; until the next attempt.
    Failed {
        /// When that is.
        until: Instant,
    },
}

impl Hearing {
    /// Another connection begins: whatever was played is no longer.
    pub fn hang_up(&mut self) {
        self.run += 1;
        self.due = Due::default();
        if !matches!(self.state, Playing::Failed { .. }) {
            self.state = Playing::Not;
        }
    }

    /// As it is told.
    pub fn told(&self) -> Heard {
        match self.state {
            Playing::Not | Playing::Opening => Heard::NotYet,
            Playing::Open(_) => Heard::Yes,
            Playing::Failed { .. } => Heard::NoDevice,
        }
    }

    fn fail(&mut self, reason: &str, now: Instant) {
        self.run += 1;
        self.state = Playing::Failed { until: now + AGAIN };
        let reason = redact(reason);
        if self.trouble.as_ref() != Some(&reason) {
            tracing::warn!(
                "the sound cannot be played: {reason}; the picture goes on without it, and it is tried \
                 again every {} s: check this PC's sound output",
                AGAIN.as_secs()
            );
        }
        self.trouble = Some(reason);
    }
}

impl Show {
    /// Has sound begin, move, and begin again.
    pub(super) fn keep_sound_in_step(&self, now: Instant) {
        let session = self.session.borrow();
        let sound = session.as_ref().map(Session::facts).map(|own| &own.sound);
        let Some(sound) = sound.filter(|sound| sound.flows()) else {
            return;
        };
        let mut hearing = self.hearing.borrow_mut();
        let moved = (self.gate.counts().offset).and_then(|offset| hearing.due.say(offset, now));
        match (&hearing.state, moved, hearing.due.heard()) {
            (Playing::Open(loudspeaker), Some(offset), _) => {
                tracing::debug!("sound is due {} ms after its stamps", offset / 1_000_000);
                loudspeaker.set_offset(offset);
            }
            (Playing::Not, _, Some(offset)) => self.open_sound(&mut hearing, sound, offset),
            (Playing::Failed { until }, _, Some(offset)) if now >= *until => {
                self.open_sound(&mut hearing, sound, offset);
            }
            _ => {}
        }
    }

    fn open_sound(&self, hearing: &mut Hearing, sound: &Arc<Sound>, offset: i64) {
        tracing::debug!("sound is due {} ms after its stamps", offset / 1_000_000);
        hearing.run += 1;
        let run = hearing.run;
        let (sound, notes) = (sound.clone(), self.notes.clone());
        let timebase = self.gate.timebase().clone();
        let opened = std::thread::Builder::new()
            .name("sound".into())
            .spawn(move || {
                let said = notes.clone();
                let reporter = Box::new(move |note| {
                    let _ = said.try_send(Note::Sound(run, note));
                });
                let opened = Loudspeaker::start(&sound, offset, &timebase, reporter);
                let opened = opened.map_err(|error| error.to_string());
                let _ = notes.try_send(Note::Heard(run, opened));
            });
        match opened {
            Ok(_) => hearing.state = Playing::Opening,
            Err(error) => hearing.fail(&error.to_string(), Instant::now()),
        }
    }

    /// The sound system has been opened, or not.
    pub(super) fn on_heard(&self, run: u64, opened: Result<Loudspeaker, String>, now: Instant) {
        let mut hearing = self.hearing.borrow_mut();
        if run != hearing.run {
            // One of an earlier attempt is closed here.
            return;
        }
        match opened {
            Ok(loudspeaker) => {
                if let Some(offset) = hearing.due.heard() {
                    loudspeaker.set_offset(offset);
                }
                hearing.state = Playing::Open(loudspeaker);
                hearing.trouble = None;
            }
            Err(reason) => hearing.fail(&reason, now),
        }
    }

    /// What plays the sound has something to tell.
    pub(super) fn on_sound(&self, run: u64, note: &PipeNote, now: Instant) {
        let mut hearing = self.hearing.borrow_mut();
        if run != hearing.run {
            return;
        }
        match note {
            PipeNote::Error { text, detail } => {
                tracing::debug!("{detail}");
                hearing.fail(text, now);
            }
            PipeNote::Ended => hearing.fail("it has ended", now),
        }
    }
}

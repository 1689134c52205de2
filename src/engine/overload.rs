//! What the engine does when the machine cannot keep up. In this order it gives up the panels'
//! pictures, the encoder's effort, and pictures of the programme, which are repeated; never does it
//! let anything wait, so that its delay is the same before, during and after.

mod governor;

use std::time::{Duration, Instant};

use crate::model::{Phrase, Said, Scope, Severity};

use super::actor::Actor;
use super::encoder::{Codec, Effort};
use super::feed::Media;

pub use governor::Relief;
use governor::{Governor, WITH_EFFORT, WITHOUT_EFFORT};

/// How often the machine is judged.
const SECOND: Duration = Duration::from_secs(1);
/// An encoder that has been replaced finishes what it has in this time.
const FINISH: Duration = Duration::from_secs(1);

/// The judgement, and what it was made of.
#[derive(Debug)]
pub(super) struct Overload {
    governor: Governor,
    due: Instant,
    /// Frames that were repeated or not taken, at the last look.
    lacking: u64,
}

impl Overload {
    /// For the encoder at work.
    pub(super) fn new(codec: Codec) -> Self {
        let steps = match codec {
            Codec::X264 => WITH_EFFORT,
            _ => WITHOUT_EFFORT,
        };
        Self {
            governor: Governor::new(steps),
            due: Instant::now() + SECOND,
            lacking: 0,
        }
    }

    /// The same, for another encoder: what was given up for the last one is taken back by the caller.
    fn renew(&mut self, codec: Codec) {
        self.governor = Self::new(codec).governor;
    }

    /// What is given up now.
    pub(super) fn relief(&self) -> Relief {
        self.governor.relief()
    }
}

impl Actor {
    /// Looks, once a second, whether the machine keeps up.
    pub(super) fn judge_load(&mut self, now: Instant) {
        (self.video.retired).take_if(|(_, since)| now.duration_since(*since) > FINISH);
        if now < self.overload.due {
            return;
        }
        self.overload.due = now + SECOND;
        let counters = self.programme.counters();
        let lacking = counters.late + counters.dropped;
        let new = lacking - std::mem::replace(&mut self.overload.lacking, lacking);
        // Without an encoder every frame is dropped: that is another trouble.
        let new = if self.video.is_well() { new } else { 0 };
        let before = self.overload.relief();
        if let Some(relief) = self.overload.governor.judge(new, now) {
            self.relieve(before, relief, now);
        }
    }

    /// The encoder gives way to another kind: the judgement begins anew, with nothing given up.
    pub(super) fn forget_load(&mut self) {
        self.overload.renew(self.choice.codec);
        self.video.effort = Effort::Usual;
        self.monitors.spare(false);
        self.clear(&Scope::Programme, "overload");
    }

    fn relieve(&mut self, before: Relief, relief: Relief, now: Instant) {
        tracing::warn!("given up for want of time: {}", relief.word());
        self.monitors.spare(relief >= Relief::Monitors);
        let effort = match self.choice.codec {
            Codec::X264 => effort(relief),
            _ => Effort::Usual,
        };
        if effort != self.video.effort {
            self.change_effort(effort, now);
        }
        let severity = match relief {
            Relief::None => return self.clear(&Scope::Programme, "overload"),
            Relief::Frames => Severity::Serious,
            _ => Severity::Warning,
        };
        let doing = match relief {
            Relief::None | Relief::Monitors => {
                Phrase::new("The operators' pictures come once a second.")
            }
            Relief::LessEffort | Relief::LeastEffort => {
                Phrase::new("It encodes with less effort: the picture is a little coarser.")
            }
            Relief::Frames => Phrase::new("Pictures are repeated; the delay does not grow."),
        };
        let said = Said {
            happened: Phrase::new("This computer cannot keep up."),
            doing,
            advice: Phrase::new(
                "End other programs on it; else choose a smaller size or frame rate in the venue file.",
            ),
        };
        let detail = format!("{} to {}", before.word(), relief.word());
        self.raise(Scope::Programme, "overload", severity, said, &detail);
    }

    /// Puts another encoder in the place of the one at work. The old one finishes what it has: not a
    /// frame is lost where it keeps up.
    fn change_effort(&mut self, effort: Effort, now: Instant) {
        let before = std::mem::replace(&mut self.video.effort, effort);
        let old = self.video.encoder.take();
        match self.seat(Media::Video) {
            Ok(()) => self.video.retired = old.map(|encoder| (encoder, now)),
            Err(error) => {
                tracing::error!("the encoder cannot be changed: {error}");
                self.video.effort = before;
                self.video.encoder = old;
                self.video.take_back();
            }
        }
    }
}

fn effort(relief: Relief) -> Effort {
    match relief {
        Relief::None | Relief::Monitors => Effort::Usual,
        Relief::LessEffort => Effort::Less,
        Relief::LeastEffort | Relief::Frames => Effort::Least,
    }
}

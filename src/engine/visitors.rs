//! What the operator is told of laptops that want to push and cannot: somebody stands in the hall and
//! wonders why. Such a fault goes by itself when the laptop gets in, or a while after the last try.

use std::time::{Duration, Instant};

use crate::model::{Phrase, Said, Scope, Severity, SourceId};

use super::actor::Actor;
use super::wording::foreign;

/// How long a laptop's trouble stays after its last try.
const STAYS: Duration = Duration::from_secs(60);

/// Why a laptop, or part of what it sends, is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visitor {
    /// Its key is wrong, or somebody else is there.
    TurnedAway,
    /// Nothing here takes the codec.
    Untaken,
}

impl Visitor {
    const ALL: [Self; 2] = [Self::TurnedAway, Self::Untaken];

    fn code(self) -> &'static str {
        match self {
            Self::TurnedAway => "turned-away",
            Self::Untaken => "codec",
        }
    }

    fn said(self, label: &str, what: &str) -> Said {
        let (happened, doing, advice) = match self {
            Self::TurnedAway => (
                Phrase::new("{source}: a sender was turned away ({reason}).")
                    .with("reason", foreign(what)),
                Phrase::new("Whoever has the place keeps it; the sender may try again."),
                Phrase::new(
                    "Compare its address and key with the join card, or release the source.",
                ),
            ),
            Self::Untaken => (
                Phrase::new("{source}: a sender uses {codec}, which is not taken.")
                    .with("codec", foreign(what)),
                Phrase::new("Only what is taken of it is shown and heard."),
                Phrase::new("Set H.264 for the picture and AAC for the sound in its program."),
            ),
        };
        Said {
            happened: happened.with("source", label),
            doing,
            advice,
        }
    }
}

/// A fault that ends by itself.
#[derive(Debug)]
pub struct Passing {
    id: SourceId,
    visitor: Visitor,
    until: Instant,
}

impl Actor {
    pub(super) fn tell_of_visitor(
        &mut self,
        id: &SourceId,
        visitor: Visitor,
        label: &str,
        what: &str,
        now: Instant,
    ) {
        self.passing
            .retain(|passing| passing.id != *id || passing.visitor != visitor);
        self.passing.push(Passing {
            id: id.clone(),
            visitor,
            until: now + STAYS,
        });
        let severity = match visitor {
            Visitor::TurnedAway => Severity::Notice,
            Visitor::Untaken => Severity::Warning,
        };
        let scope = Scope::Source(id.clone());
        self.raise(
            scope,
            visitor.code(),
            severity,
            visitor.said(label, what),
            "",
        );
    }

    /// A laptop has got in: what was said of tries before that is over.
    pub(super) fn forget_visitors(&mut self, id: &SourceId) {
        self.passing.retain(|passing| passing.id != *id);
        for visitor in Visitor::ALL {
            self.clear(&Scope::Source(id.clone()), visitor.code());
        }
    }

    /// Ends what has been said for long enough.
    pub(super) fn look_after_visitors(&mut self, now: Instant) {
        while let Some(at) = self.passing.iter().position(|passing| now >= passing.until) {
            let Passing { id, visitor, .. } = self.passing.swap_remove(at);
            self.clear(&Scope::Source(id), visitor.code());
        }
    }
}

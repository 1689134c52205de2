//! The life of a source.

use std::time::Instant;

use crate::model::Phrase;

/// Life of one source. Only the engine thread changes it.
#[derive(Debug, Clone, PartialEq)]
pub enum SourceState {
    /// Nobody pushes.
    Idle {
        /// Why, if somebody did.
        reason: Phrase,
    },
    /// Asked for, or somebody has begun to push; the slot shows the slate.
    Connecting {
        /// Since when.
        since: Instant,
    },
    /// Pictures or sound arrive.
    Live,
    /// Silent for longer than a slot holds its last picture.
    Stalled {
        /// Since when.
        since: Instant,
    },
    /// Failed; tried again at `until`.
    Waiting {
        /// When.
        until: Instant,
        /// What failed, for people; keys masked.
        reason: Phrase,
        /// The same as GStreamer says it; empty where regie itself gave up.
        detail: String,
    },
}

impl SourceState {
    /// As the status shows it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Idle { .. } => "idle",
            Self::Connecting { .. } => "connecting",
            Self::Live => "live",
            Self::Stalled { .. } => "stalled",
            Self::Waiting { .. } => "waiting",
        }
    }

    /// Why it is not live, in words.
    pub fn reason(&self) -> Phrase {
        match self {
            Self::Idle { reason } | Self::Waiting { reason, .. } => reason.clone(),
            Self::Connecting { .. } => Phrase::new("waiting for the first picture or sound"),
            Self::Stalled { .. } => Phrase::new("connected, but nothing arrives"),
            Self::Live => Phrase::default(),
        }
    }

    /// Why, for whoever repairs it.
    pub fn detail(&self) -> &str {
        match self {
            Self::Waiting { detail, .. } => detail,
            _ => "",
        }
    }
}

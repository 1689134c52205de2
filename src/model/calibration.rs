//! How far the picture of one source and the sound of another, or of the desk, lie apart, as it was
//! found while somebody clapped.

use serde::{Deserialize, Serialize};

use super::id::SourceId;
use super::phrase::Phrase;

/// Shortest and longest time to look and listen, in seconds.
pub const SECONDS: std::ops::RangeInclusive<u32> = 3..=60;

/// The last one, or the one under way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Whose picture.
    pub source: SourceId,
    /// Whose sound.
    pub sound: SourceId,
    /// How it stands.
    #[serde(flatten)]
    pub progress: Progress,
}

/// How it stands with a calibration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum Progress {
    /// regie looks and listens.
    Listening {
        /// For so many seconds more.
        left: u32,
    },
    /// It is known by how much they lie apart.
    Found {
        /// By how much the picture comes later than the sound, in milliseconds; negative: earlier.
        offset_ms: f64,
        /// How far the truth may be from that: one standard deviation, in milliseconds.
        doubt_ms: f64,
        /// How far single events lie from it: standard deviation, in milliseconds.
        spread_ms: f64,
        /// Events that agree, of those that were seen.
        agree: u32,
        /// Events that were seen.
        seen: u32,
        /// Sounds that were heard.
        heard: u32,
        /// By what they were seen: `flash`, `clap`.
        by: String,
        /// What would bring them together; empty where no delay can.
        delays: Vec<Proposal>,
        /// What else there is to say, in words; empty where nothing is.
        remark: String,
        /// The same, to be translated.
        remark_said: Phrase,
    },
    /// It is not known.
    Failed {
        /// Why, and what to do.
        reason: String,
        /// The same, to be translated.
        reason_said: Phrase,
    },
}

/// A delay that is proposed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// Of this source.
    pub source: SourceId,
    /// Now, in milliseconds.
    pub from_ms: u32,
    /// Then.
    pub delay_ms: u32,
}

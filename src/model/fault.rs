//! Troubles as people are told about them.

use serde::{Deserialize, Serialize};

use super::id::{OutputId, SourceId};
use super::phrase::Phrase;

/// What a fault concerns.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// One source.
    Source(SourceId),
    /// One output.
    Output(OutputId),
    /// The audio desk.
    Desk,
    /// Composing, mixing or encoding.
    Programme,
    /// The RTSP server.
    Relay,
    /// The other doors that laptops push to.
    Ingest,
    /// What the engine keeps on disk.
    State,
    /// The venue file.
    Venue,
}

/// How bad it is for the audience.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Nobody in the audience notices.
    Notice,
    /// Part of the audience or of the picture suffers.
    Warning,
    /// The programme itself suffers.
    Serious,
}

/// What people read about a trouble, in a form that can be translated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// First sentence: what happened.
    pub happened: Phrase,
    /// Second: what regie does about it.
    pub doing: Phrase,
    /// Third: what the operator can do.
    pub advice: Phrase,
}

impl Said {
    /// The same with `mask` over all that is not regie's own wording.
    #[must_use]
    pub fn masked(&self, mask: &dyn Fn(&str) -> String) -> Self {
        Self {
            happened: self.happened.masked(mask),
            doing: self.doing.masked(mask),
            advice: self.advice.masked(mask),
        }
    }
}

/// A classified trouble: raised once, counted when it repeats, cleared when it is over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    /// What it concerns.
    pub scope: Scope,
    /// Which trouble of that scope, as a stable word: `lost`, `unreachable`.
    pub code: String,
    /// How bad it is.
    pub severity: Severity,
    /// First sentence, in English: what happened.
    pub happened: String,
    /// Second: what regie does about it.
    pub doing: String,
    /// Third: what the operator can do.
    pub advice: String,
    /// The three sentences again, to be translated; keys are masked.
    pub said: Said,
    /// For the log and for whoever repairs it; keys are masked.
    pub detail: String,
    /// How often it was raised since it was last cleared.
    pub count: u32,
    /// Milliseconds since 1970, of the first time.
    pub since: u64,
}

impl Fault {
    /// Whether the two are the same trouble, whatever their figures.
    pub fn is_same(&self, scope: &Scope, code: &str) -> bool {
        self.scope == *scope && self.code == code
    }
}

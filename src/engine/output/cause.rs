//! Why a session ended, and what people are told of it.

use crate::model::{Phrase, Said};

/// Why a session ended that was wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// No connection, or one that broke off.
    Unreachable,
    /// The server is there; but it takes the stream's name for taken, most often by a session of
    /// ours whose end it has not noticed.
    Held,
    /// The peer took the stream too slowly, or no more.
    Behind,
}

impl Cause {
    /// By what the element says.
    pub fn of(text: &str) -> Self {
        let lower = text.to_lowercase();
        let held = ["stream already exists", "publish.badname"];
        if held.iter().any(|mark| lower.contains(mark)) {
            Self::Held
        } else {
            Self::Unreachable
        }
    }

    /// The fault that stands for it.
    pub fn code(self) -> &'static str {
        match self {
            Self::Unreachable | Self::Held => "unreachable",
            Self::Behind => "behind",
        }
    }

    /// What people are told.
    pub fn said(self, output: &str, reason: &Phrase) -> Said {
        let unreachable = |doing, advice| Said {
            happened: Phrase::new("{output} cannot be reached: {reason}.")
                .with("output", output)
                .with("reason", reason.clone()),
            doing,
            advice,
        };
        match self {
            Self::Unreachable => unreachable(
                Phrase::new("It is tried again, at most 5 s apart; all else goes on."),
                Phrase::new("Check the server's address and key, and the network."),
            ),
            Self::Held => unreachable(
                Phrase::new(
                    "It is tried again, at most 5 s apart, until the server lets the name go.",
                ),
                Phrase::new(
                    "If this stays, look whether somebody else publishes there, or end the old \
                     session on the server.",
                ),
            ),
            Self::Behind => Said {
                happened: Phrase::new("{output} fell more than 3 s behind.").with("output", output),
                doing: Phrase::new("It was cut off and is connected anew; all else goes on."),
                advice: Phrase::new(
                    "Check the server's load and the network on the way; a lower video_bitrate \
                     needs less of both.",
                ),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_taken_is_no_lost_server() {
        let said = "Failed to connect: publish denied; stream already exists: { \"code\": \
                    \"NetStream.Publish.BadName\", \"description\": \"Already publishing\" }";
        assert_eq!(Cause::of(said), Cause::Held);
        let said = "Failed to connect: 'publish' cmd failed: connection closed remotely";
        assert_eq!(Cause::of(said), Cause::Unreachable);
    }
}

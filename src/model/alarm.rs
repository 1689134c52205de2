//! What is wrong with picture or sound although they arrive: what nobody in front of a mixing desk
//! notices before the audience does.

use serde::{Deserialize, Serialize};

/// One of them. Each is also a fault, whose code is the same word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Alarm {
    /// Nothing is heard that should be.
    Silent,
    /// It is too loud: cut off at full scale again and again.
    Clipping,
    /// The picture is black.
    Black,
    /// The picture stands still, to the last pixel.
    Frozen,
}

impl Alarm {
    /// Its word, in a fault and in the venue file.
    pub fn code(self) -> &'static str {
        match self {
            Self::Silent => "silent",
            Self::Clipping => "clipping",
            Self::Black => "black",
            Self::Frozen => "frozen",
        }
    }

    /// Whether the sound has it, rather than the picture.
    pub fn is_of_sound(self) -> bool {
        matches!(self, Self::Silent | Self::Clipping)
    }
}

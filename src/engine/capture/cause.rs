//! Why a card gives no pictures, in words for an operator. Pure.

use crate::model::{Phrase, Said};

/// What keeps a card from giving pictures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// Nothing has its name.
    Gone,
    /// Something else has its name: the name is a number.
    OtherCard,
    /// The system does not let regie open it.
    Denied {
        /// Who regie is.
        user: String,
        /// Who may; empty: nobody knows.
        group: String,
    },
    /// Somebody else has it.
    Busy {
        /// Who; empty: nobody knows.
        program: String,
    },
    /// Nothing comes in.
    NoSignal {
        /// At which input.
        input: String,
    },
    /// Something comes in that cannot be followed.
    NoLock {
        /// At which input.
        input: String,
    },
    /// What comes in is too much for the card.
    OutOfRange {
        /// At which input.
        input: String,
    },
    /// It has no such input.
    NoInput {
        /// As the venue file has it.
        input: String,
        /// What it has.
        inputs: String,
    },
    /// It is no card, or gives nothing that regie reads.
    NoFormat {
        /// The venue file asks for more than there is.
        is_fixed: bool,
    },
    /// Other devices need the bus.
    NoRoom,
    /// It says that it gives pictures, and does not.
    Silent,
    /// Something else, as the system says it.
    Broken {
        /// The system's words.
        reason: String,
    },
}

impl Cause {
    /// Its word in a fault.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Gone => "card-gone",
            Self::OtherCard => "card-other",
            Self::Denied { .. } => "card-denied",
            Self::Busy { .. } => "card-busy",
            Self::NoSignal { .. } => "no-signal",
            Self::NoLock { .. } => "no-lock",
            Self::OutOfRange { .. } => "bad-mode",
            Self::NoInput { .. } => "no-input",
            Self::NoFormat { .. } => "no-format",
            Self::NoRoom => "usb-full",
            Self::Silent => "card-silent",
            Self::Broken { .. } => "card-broken",
        }
    }

    /// Whether the device is at work, and only its input lacks something.
    pub fn is_of_signal(&self) -> bool {
        matches!(
            self,
            Self::NoSignal { .. } | Self::NoLock { .. } | Self::OutOfRange { .. } | Self::Silent
        )
    }

    /// As part of a sentence: why the source is not live.
    pub fn reason(&self) -> Phrase {
        match self {
            Self::Gone => Phrase::new("its card is not there"),
            Self::OtherCard => Phrase::new("another card has its name"),
            Self::Denied { .. } => Phrase::new("the system does not allow it"),
            Self::Busy { .. } => Phrase::new("another program uses its card"),
            Self::NoSignal { .. } => Phrase::new("no signal"),
            Self::NoLock { .. } => Phrase::new("the signal is unsteady"),
            Self::OutOfRange { .. } => Phrase::new("its card cannot take this mode"),
            Self::NoInput { .. } => Phrase::new("its card has no such input"),
            Self::NoFormat { .. } => Phrase::new("its card gives nothing that can be read"),
            Self::NoRoom => Phrase::new("the USB bus has no room for it"),
            Self::Silent => Phrase::new("its card gives no pictures any more"),
            Self::Broken { reason } => Phrase::literal(reason.clone()),
        }
    }

    /// The three sentences about the source with this label, whose card has this name.
    pub fn said(&self, label: &str, device: &str) -> Said {
        let slate = || Phrase::new("Its slate is shown; the card is tried again every second.");
        let until = || Phrase::new("Its slate is shown until there is a good signal.");
        let (happened, doing, advice) = match self {
            Self::Gone => (
                Phrase::new("{source}: its card {device} is not there."),
                Phrase::new("Its slate is shown; the card is taken as soon as it is plugged in."),
                Phrase::new("Plug the card in, or correct device in the venue file."),
            ),
            Self::OtherCard => (
                Phrase::new("{source}: another card has the name {device} now."),
                Phrase::new("Its slate is shown; the other card is not taken for it."),
                Phrase::new("Name the card by its link under /dev/v4l/by-id in the venue file."),
            ),
            Self::Denied { user, group } => (
                Phrase::new("{source}: {user} may not open {device}.").with("user", user),
                slate(),
                if group.is_empty() {
                    Phrase::new("Install regie's udev rules, or see to the device's permissions.")
                } else {
                    Phrase::new("Add {user} to the group {group}, then restart regie.")
                        .with("user", user)
                        .with("group", group)
                },
            ),
            Self::Busy { program } => (
                if program.is_empty() {
                    Phrase::new("{source}: another program uses its card {device}.")
                } else {
                    Phrase::new("{source}: {program} uses its card {device}.")
                        .with("program", program)
                },
                slate(),
                Phrase::new("End the other program."),
            ),
            Self::NoSignal { input } => (
                Phrase::new("{source}: no signal comes in at {input}.").with("input", input),
                until(),
                Phrase::new("Check the cable, and that its other end is on and sends a picture."),
            ),
            Self::NoLock { input } => (
                Phrase::new("{source}: the signal at {input} is unsteady.").with("input", input),
                until(),
                Phrase::new("Use a shorter or better cable, or send a smaller picture."),
            ),
            Self::OutOfRange { input } => (
                Phrase::new("{source}: its card cannot take the mode that comes in at {input}.")
                    .with("input", input),
                until(),
                Phrase::new("Send 1920x1080 or 1280x720, at 60 Hz or less."),
            ),
            Self::NoInput { input, inputs } => (
                Phrase::new("{source}: its card {device} has no input {input}.")
                    .with("input", input),
                slate(),
                Phrase::new("Correct input in the venue file; there are: {inputs}.")
                    .with("inputs", inputs),
            ),
            Self::NoFormat { is_fixed: false } => (
                Phrase::new("{source}: {device} gives no pictures that regie can read."),
                slate(),
                Phrase::new("Name another device in the venue file."),
            ),
            Self::NoFormat { is_fixed: true } => (
                Phrase::new(
                    "{source}: its card {device} gives no pictures as the venue file has them.",
                ),
                slate(),
                Phrase::new(
                    "Correct format, size or framerate in the venue file, or leave them out.",
                ),
            ),
            Self::NoRoom => (
                Phrase::new("{source}: its USB bus has no room for its pictures."),
                slate(),
                Phrase::new(
                    "Plug the card into another USB port, or set a smaller size or format = \"MJPG\" \
                     in the venue file.",
                ),
            ),
            Self::Silent => (
                Phrase::new("{source}: its card {device} gives no pictures any more."),
                Phrase::new(
                    "Its slate is shown; the card is reset: its stream, the device, its USB port.",
                ),
                Phrase::new("If it does not come back, pull its plug and put it back."),
            ),
            Self::Broken { reason } => (
                Phrase::new("{source}: its card {device} fails: {reason}.").with("reason", reason),
                slate(),
                Phrase::new("If it does not come back, pull its plug and put it back."),
            ),
        };
        let happened = happened.with("source", label).with("device", device);
        Said {
            happened,
            doing,
            advice,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_has_its_own_word_and_three_sentences_of_its_own() {
        let input = || "HDMI 1".to_owned();
        let all = [
            Cause::Gone,
            Cause::OtherCard,
            Cause::Denied {
                user: "regie".to_owned(),
                group: "video".to_owned(),
            },
            Cause::Busy {
                program: "ffmpeg".to_owned(),
            },
            Cause::NoSignal { input: input() },
            Cause::NoLock { input: input() },
            Cause::OutOfRange { input: input() },
            Cause::NoInput {
                input: input(),
                inputs: "Camera 1".to_owned(),
            },
            Cause::NoFormat { is_fixed: false },
            Cause::NoRoom,
            Cause::Silent,
            Cause::Broken {
                reason: "Input/output error".to_owned(),
            },
        ];
        let said = all
            .iter()
            .map(|cause| cause.said("Balcony", "/dev/regie/video/card"));
        let (mut happened, mut codes) = (BTreeSet::new(), BTreeSet::new());
        for (cause, said) in all.iter().zip(said) {
            for phrase in [&said.happened, &said.doing, &said.advice] {
                let text = phrase.to_string();
                assert!(text.ends_with('.') && !text.contains('{'), "{text}");
            }
            let text = said.happened.to_string();
            assert!(text.starts_with("Balcony: "), "{text}");
            assert!(!cause.reason().is_empty());
            happened.insert(text);
            codes.insert(cause.code());
        }
        assert_eq!((happened.len(), codes.len()), (all.len(), all.len()));
    }

    #[test]
    fn who_is_refused_reads_which_group_helps() {
        let cause = Cause::Denied {
            user: "regie".to_owned(),
            group: "video".to_owned(),
        };
        let said = cause.said("Balcony", "/dev/video0");
        assert_eq!(
            said.happened.to_string(),
            "Balcony: regie may not open /dev/video0."
        );
        assert_eq!(
            said.advice.to_string(),
            "Add regie to the group video, then restart regie."
        );
    }
}

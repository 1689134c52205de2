//! Troubles of a source that goes on all the same: found in its figures, told when they last, over
//! when they have been gone for a while. Pure; the engine thread asks every tenth of a second.

use std::time::{Duration, Instant};

use crate::engine::inlet::Way;
use crate::model::{Phrase, Said};

/// Figures are compared over this long.
const WINDOW: Duration = Duration::from_secs(2);
/// Of this many windows two with a trouble are a trouble that lasts; as many without end it.
const WINDOWS: u32 = 3;
/// Lost packets that can be seen or heard: this share, in thousandths, and this many in a window.
const LOSS: (u64, u64) = (5, 2);

/// What is wrong with what a source sends, or with the way it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Packets are lost.
    Loss,
    /// Timestamps jump or stand still.
    Timestamps,
    /// More comes than can be decoded here.
    Overload,
}

impl Trouble {
    const ALL: [Self; 3] = [Self::Loss, Self::Timestamps, Self::Overload];

    /// Its word in a fault.
    pub fn code(self) -> &'static str {
        match self {
            Self::Loss => "packets-lost",
            Self::Timestamps => "timestamps",
            Self::Overload => "overload",
        }
    }

    /// What people are told of the source with this label.
    pub fn said(self, label: &str, figure: &str) -> Said {
        let (happened, doing, advice) = match self {
            Self::Loss => (
                Phrase::new("{source}: {figure} % of its packets are lost on the way.")
                    .with("figure", figure),
                Phrase::new(
                    "The last good picture is shown for up to half a second, then what can be decoded.",
                ),
                Phrase::new("Use a cable instead of Wi-Fi, or let the sender push by TCP."),
            ),
            Self::Timestamps => (
                Phrase::new("{source}: its timestamps jump or stand still."),
                Phrase::new(
                    "Its pictures and sound are shown as they arrive; they may be out of step.",
                ),
                Phrase::new("Restart the sender; if this stays, change its encoder's settings."),
            ),
            Self::Overload => (
                Phrase::new("{source}: its pictures are more than can be decoded here."),
                Phrase::new("Pictures are skipped up to its next keyframe; all else goes on."),
                Phrase::new("Lower the picture's size or frame rate at the sender."),
            ),
        };
        Said {
            happened: happened.with("source", label),
            doing,
            advice,
        }
    }
}

/// The figures of one source that troubles are found in, counted since the engine's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Figures {
    /// Packets and timestamps.
    pub way: Way,
    /// How often a decoder was too slow.
    pub overflows: u64,
}

/// What has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It lasts; the figure that belongs to it, for people.
    Raised(Trouble, String),
    /// It is over.
    Cleared(Trouble),
}

/// Watches the figures of one source.
#[derive(Debug, Default)]
pub struct Watch {
    before: Option<(Instant, Figures)>,
    /// The last windows of each trouble, newest in the lowest bit, and whether it is told.
    found: [(u8, bool); 3],
}

impl Watch {
    /// What of the figures of now has become, or is no longer, a trouble.
    pub fn look(&mut self, now: Instant, figures: Figures) -> Vec<Change> {
        let Some((since, before)) = self.before else {
            self.before = Some((now, figures));
            return Vec::new();
        };
        if now.duration_since(since) < WINDOW {
            return Vec::new();
        }
        self.before = Some((now, figures));
        let grown = |of: fn(&Figures) -> u64| of(&figures).saturating_sub(of(&before));
        let lost = grown(|f| f.way.lost);
        let sent = lost + grown(|f| f.way.packets);
        let mut changes = Vec::new();
        for (trouble, (windows, told)) in Trouble::ALL.into_iter().zip(&mut self.found) {
            let bad = match trouble {
                Trouble::Loss => lost >= LOSS.1 && lost * 1000 >= sent * LOSS.0,
                Trouble::Timestamps => grown(|f| f.way.corrections) > 0,
                Trouble::Overload => grown(|f| f.overflows) > 0,
            };
            *windows = (*windows << 1 | u8::from(bad)) & ((1 << WINDOWS) - 1);
            if !*told && windows.count_ones() >= 2 {
                *told = true;
                let share = lost as f64 * 100.0 / sent.max(1) as f64;
                changes.push(Change::Raised(trouble, format!("{share:.1}")));
            } else if *told && *windows == 0 {
                *told = false;
                changes.push(Change::Cleared(trouble));
            }
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is told while every window brings so many lost of a thousand packets.
    fn told(lost: &[u64]) -> Vec<(usize, bool)> {
        let (mut watch, mut now, mut figures) =
            (Watch::default(), Instant::now(), Figures::default());
        assert!(watch.look(now, figures).is_empty());
        let mut told = Vec::new();
        for (n, lost) in lost.iter().enumerate() {
            now += WINDOW;
            figures.way.lost += lost;
            figures.way.packets += 1000 - lost;
            for change in watch.look(now, figures) {
                match change {
                    Change::Raised(Trouble::Loss, figure) => {
                        assert_eq!(figure, format!("{:.1}", *lost as f64 / 10.0));
                        told.push((n, true));
                    }
                    Change::Cleared(Trouble::Loss) => told.push((n, false)),
                    other => panic!("{other:?}"),
                }
            }
        }
        told
    }

    #[test]
    fn what_lasts_is_told_and_what_flutters_is_told_once() {
        assert_eq!(told(&[0, 30, 0, 0, 0, 0]), []);
        assert_eq!(told(&[1, 4, 1, 4, 1]), [], "nobody sees that");
        assert_eq!(told(&[0, 10, 10, 10, 0, 0, 0, 0]), [(2, true), (6, false)]);
        let fluttering = [10, 0, 10, 0, 0, 10, 0, 0, 10, 0, 0, 0];
        assert_eq!(told(&fluttering), [(2, true), (11, false)]);
    }

    #[test]
    fn each_trouble_says_whose_it_is_and_what_to_do() {
        for trouble in Trouble::ALL {
            let said = trouble.said("Balcony", "1.5");
            let happened = said.happened.to_string();
            assert!(happened.starts_with("Balcony: "), "{happened}");
            assert!(!happened.contains('{') && !said.advice.is_empty());
        }
        let said = Trouble::Loss.said("Balcony", "1.5");
        let sentence = "Balcony: 1.5 % of its packets are lost on the way.";
        assert_eq!(said.happened.to_string(), sentence);
    }
}

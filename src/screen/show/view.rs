//! What the window shows of what is known: picture or slate, the rooms to choose from, figures, the time.

use std::time::Instant;

use gtk::glib;

use crate::cli::Transport;
use crate::engine::wording::foreign;
use crate::screen::address::Address;
use crate::screen::choice::Choice;
use crate::screen::figures::{Figures, Heard};
use crate::screen::life::{Glass, State, Trouble};
use crate::screen::session::{Facts, Session};
use crate::screen::stage;
use crate::screen::window::Words;

use super::Show;

impl Show {
    pub(super) fn show_glass(&self, now: Instant) {
        let shown = self.life.borrow().glass(now);
        if shown == Glass::Picture {
            self.window.show_slate(None);
            return;
        }
        self.window.glass().clear();
        self.window.show_slate(Some(&self.words()));
    }

    fn words(&self) -> Words {
        let tongue = self.tongue;
        if self.address.borrow().is_none() {
            return Words {
                room: "regie".to_owned(),
                sentence: tongue.tr("Looking for a room").to_owned(),
                hint: String::new(),
            };
        }
        let trouble = self.trouble.borrow();
        let hint = match &*trouble {
            Some((_, Trouble::NotAllowed)) => tongue.tr(
                "The relay does not let this screen in: check its user, password and certificate.",
            ),
            _ => "",
        };
        Words {
            room: self.room.borrow().clone(),
            sentence: tongue.tr("The picture comes back by itself").to_owned(),
            hint: hint.to_owned(),
        }
    }

    pub(super) fn show_choice(&self, now: Instant) {
        let Some(chooser) = &self.chooser else { return };
        let chooser = chooser.borrow();
        let left = match chooser.choice() {
            Choice::Asking { taken_at, .. } => {
                taken_at.map(|at| at.saturating_duration_since(now).as_secs() + 1)
            }
            _ => None,
        };
        self.window.show_choice(self.tongue, chooser.choice(), left);
    }

    pub(super) fn show_info(&self) {
        if !self.info.get() {
            self.window.show_info(None);
            return;
        }
        self.window
            .show_info(Some(&self.figures().lines(self.tongue)));
    }

    fn figures(&self) -> Figures {
        let counts = self.gate.counts();
        let drawn = self.window.glass().drawn();
        let address = self.address.borrow();
        let session = self.session.borrow();
        let facts = session.as_ref().map(Session::facts);
        let live = matches!(self.life.borrow().state(), State::Live { .. });
        let trouble = self.trouble.borrow();
        Figures {
            address: address.as_ref().map_or_else(String::new, Address::shown),
            transport: address.as_ref().map_or_else(String::new, |address| {
                transport(address, self.plan.transport)
            }),
            decoder: facts.and_then(|facts| *facts.decoder.lock()),
            size: self.sent.get().filter(|_| live),
            rate: drawn.rate().filter(|_| live),
            delay: drawn.delay().filter(|_| live),
            held: counts.held as f64 / 1e6,
            lost: facts.and_then(Facts::lost),
            late: counts.late,
            skipped: counts.skipped + self.overtaken.get(),
            heard: match self.plan.sound {
                true => self.hearing.borrow().told(),
                false => Heard::Off,
            },
            losses: self.life.borrow().losses(),
            trouble: trouble
                .as_ref()
                .map(|(reason, _)| self.tongue.say(&foreign(reason))),
        }
    }

    pub(super) fn show_time(&self) {
        if !self.plan.stage {
            return;
        }
        let Ok(now) = glib::DateTime::now_local() else {
            return;
        };
        let clock = now
            .format("%H:%M")
            .map_or_else(|_| String::new(), Into::into);
        let left = self.plan.end.map(|end| stage::left(end, now.to_unix()));
        let left = left
            .as_ref()
            .map(|(text, urgency)| (text.as_str(), *urgency));
        self.window.show_time(&clock, left);
    }
}

/// How a feed travels, for people.
fn transport(address: &Address, transport: Transport) -> String {
    let scheme = address.url().scheme().to_uppercase();
    let by = match transport {
        Transport::Tcp => "TCP",
        Transport::Udp => "UDP",
        Transport::Multicast => "multicast",
    };
    if address.is_rtsp() {
        format!("{scheme} / {by}")
    } else {
        scheme
    }
}

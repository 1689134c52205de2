//! What the operator wants, turned into commands.

use std::rc::Rc;
use std::time::{Duration, Instant};

use adw::prelude::*;

use crate::model::message::CALIBRATION_SECONDS;
use crate::model::{Command, Gain, LayoutId, OutputId, Request, RoleId, SourceId, Transition};

use super::super::action::{Action, Answer};
use super::super::calibration::{self, Step};
use super::super::card::Card;
use super::super::truth::{self, Link as State};
use super::{Operator, wall_clock};

/// A key or a click that follows the slate's own return this soon was meant to take it away.
const SLATE_WENT: Duration = Duration::from_secs(1);

impl Operator {
    pub(super) fn carry_out(self: &Rc<Self>, action: Action) {
        match action {
            Action::Layout { layout, direct } => self.on_layout(layout, direct),
            Action::Take(transition) => self.take(None, transition),
            Action::Slate => {
                if let Some(on) = self.ask(|snapshot| !snapshot.show.slate)
                    // Whoever meant to take it away came a moment late: not on again.
                    && !(on && self.slate_went())
                {
                    self.command(Command::Slate { on, until: None });
                }
            }
            Action::SlateFor(minutes) => self.command(Command::Slate {
                on: true,
                until: minutes.map(|minutes| wall_clock() + u64::from(minutes) * 60_000),
            }),
            Action::SelectRole(role) => self.select(role),
            Action::NextRole => self.next_role(),
            Action::Source(source) => self.on_source(source),
            Action::Release(source) => self.on_release(source),
            Action::Gain(source, db) => {
                if let Some(gain) = Gain::from_db(db.clamp(-60.0, 12.0)) {
                    self.command(Command::Gain { source, gain });
                }
            }
            Action::Mute(source, mute) => self.command(Command::Mute { source, mute }),
            Action::Delay(source, delay_ms) => self.command(Command::Delay { source, delay_ms }),
            Action::Calibrate(source) => self.show_calibration(&source, Step::Reading),
            Action::Output(output) => self.on_output(output),
            Action::RunOutput(output, run) => self.command(Command::Output { output, run }),
            Action::ChooseTransition(transition) => {
                self.known.borrow_mut().transition = transition;
            }
            Action::Duration(duration_ms) => self.known.borrow_mut().duration_ms = duration_ms,
            Action::Direct(direct) => self.known.borrow_mut().direct = direct,
            Action::Faults => self.toggle_card(Card::Faults),
            Action::Keys => self.toggle_card(Card::Keys),
            Action::Devices if self.shows_devices() => self.show_card(None),
            Action::Devices => self.show_devices(),
            Action::Answer(answer) => self.on_answer(answer),
        }
    }

    /// Whether the slate has just gone by itself.
    fn slate_went(&self) -> bool {
        let went = self.known.borrow().slate_went;
        went.is_some_and(|at| at.elapsed() < SLATE_WENT)
    }

    /// Sends it; where no engine answers, nobody could press it.
    fn command(&self, command: Command) {
        self.request(Request::Change(command));
    }

    fn request(&self, request: Request) {
        if self.known.borrow().state == State::Connected {
            self.link.send(request);
        }
    }

    fn on_layout(&self, layout: LayoutId, direct: bool) {
        let direct = direct || self.known.borrow().direct;
        if direct {
            self.take(Some(layout), None);
        } else {
            self.command(Command::Preview { layout });
        }
    }

    fn take(&self, layout: Option<LayoutId>, transition: Option<Transition>) {
        let (transition, duration_ms) = {
            let known = self.known.borrow();
            (transition.unwrap_or(known.transition), known.duration_ms)
        };
        self.command(Command::Take {
            layout,
            transition,
            duration_ms,
        });
    }

    fn select(&self, role: RoleId) {
        let mut known = self.known.borrow_mut();
        let again = known.selected.as_ref().is_some_and(|(own, _)| *own == role);
        known.selected = (!again).then(|| (role, Instant::now()));
    }

    fn next_role(&self) {
        let roles = self.ask(|snapshot| truth::roles(self.tongue.get(), snapshot));
        let mut known = self.known.borrow_mut();
        let roles = roles.unwrap_or_default();
        let next = match &known.selected {
            None => 0,
            Some((own, _)) => roles
                .iter()
                .position(|role| role.id == *own)
                .map_or(0, |at| at + 1),
        };
        known.selected = roles
            .get(next)
            .map(|role| (role.id.clone(), Instant::now()));
    }

    fn on_source(&self, source: SourceId) {
        let selected = self.known.borrow_mut().selected.take();
        match selected {
            Some((role, _)) => self.command(Command::Role {
                role,
                source: Some(source),
            }),
            None => {
                let hint = self
                    .tongue
                    .get()
                    .tr("Choose a role first, then its source.");
                self.known.borrow_mut().refused = Some((hint.to_owned(), Instant::now()));
            }
        }
    }

    fn on_output(self: &Rc<Self>, output: OutputId) {
        let found = self.ask(|snapshot| {
            let found = snapshot.outputs.iter().find(|own| own.id == output);
            found.map(|own| (own.label.clone(), own.state != "stopped"))
        });
        match found.flatten() {
            Some((_, false)) => self.command(Command::Output { output, run: true }),
            Some((label, true)) => self.show_card(Some(Card::StopOutput(output, label))),
            None => {}
        }
    }

    fn on_release(self: &Rc<Self>, id: SourceId) {
        let tongue = self.tongue.get();
        let found = self.ask(|snapshot| {
            let all = truth::sources(tongue, snapshot, wall_clock());
            all.into_iter().find(|own| own.id == id)
        });
        // Whoever has gone by now need not be sent away.
        let found = found.flatten().filter(|own| !own.publisher.is_empty());
        if let Some(source) = found {
            self.show_card(Some(Card::Release {
                source: source.id,
                label: source.label,
                publisher: source.publisher,
            }));
        }
    }

    fn on_answer(self: &Rc<Self>, answer: Answer) {
        self.show_card(None);
        match answer {
            Answer::Cancel => {}
            Answer::StopOutput(output) => self.command(Command::Output { output, run: false }),
            Answer::Release(source) => self.request(Request::Release(source)),
            Answer::Devices => self.show_devices(),
            Answer::Calibrate(source) => {
                self.show_calibration(&source, Step::Asked);
                self.request(Request::Calibrate {
                    source,
                    sound: None,
                    seconds: CALIBRATION_SECONDS,
                });
            }
            Answer::SetDelays(delays) => {
                for proposal in delays {
                    let (source, delay_ms) = (proposal.source, proposal.delay_ms);
                    self.command(Command::Delay { source, delay_ms });
                }
            }
            Answer::LeaveRunning => self.close(),
            Answer::StopShow => {
                if let Some(engine) = self.own_engine.take() {
                    engine.stop();
                }
                self.close();
            }
        }
    }

    /// Opens the card of a calibration, or has it say how that stands now.
    pub(super) fn show_calibration(self: &Rc<Self>, source: &SourceId, step: Step) {
        let tongue = self.tongue.get();
        let talk = self.ask(|snapshot| calibration::talk(tongue, snapshot, source, step));
        if let Some(talk) = talk {
            self.show_card(Some(Card::Calibration(talk)));
        }
    }

    fn toggle_card(self: &Rc<Self>, card: Card) {
        let shown = self.known.borrow().card.as_ref() == Some(&card);
        self.show_card((!shown).then_some(card));
    }

    /// Whether the list of devices lies over the board.
    pub(super) fn shows_devices(&self) -> bool {
        matches!(self.known.borrow().card, Some(Card::Devices(_)))
    }

    fn show_devices(self: &Rc<Self>) {
        self.show_card(Some(Card::Devices(None)));
        self.link.ask_devices();
    }

    pub(super) fn show_card(self: &Rc<Self>, card: Option<Card>) {
        let tongue = self.tongue.get();
        let past = self.known.borrow().history.lines(tongue);
        self.view.show_card(tongue, card.as_ref(), &past);
        self.known.borrow_mut().card = card;
    }

    /// Whether the window may close now; asks in the window where that is not sure.
    pub(super) fn may_close(self: &Rc<Self>) -> bool {
        if self.closing.get() {
            return true;
        }
        if self.plan.kiosk {
            return false;
        }
        let own_engine = self.own_engine.borrow().is_some();
        if self.known.borrow().state != State::Connected && !own_engine {
            return true;
        }
        self.show_card(Some(Card::Close { own_engine }));
        false
    }

    fn close(&self) {
        self.closing.set(true);
        self.view.window.close();
    }
}

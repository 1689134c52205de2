//! What is typed: the show's keys wherever the focus is, numbers into the field that has it.

use std::collections::HashSet;
use std::rc::Rc;
use std::time::{Duration, Instant};

use adw::prelude::*;
use gtk::{gdk, glib};

use crate::model::Transition;

use super::super::action::{Action, Answer};
use super::super::keys::{self, Key};
use super::Operator;

/// A number field that nobody types into gives the keys back.
const TYPING: Duration = Duration::from_secs(5);
/// For so long after a card went by itself, Escape was meant for the card.
const CARD_WENT: Duration = Duration::from_millis(800);

/// The keys as they are now.
#[derive(Debug, Default)]
pub(super) struct Keyboard {
    /// Held down, by hardware code: a key that repeats by itself does nothing.
    held: HashSet<u32>,
    /// When a number field was last typed into, while one has the focus.
    typing: Option<Instant>,
}

impl Operator {
    pub(super) fn watch_keys(self: &Rc<Self>) {
        let window = &self.view.window;
        let keys = gtk::EventControllerKey::new();
        keys.set_propagation_phase(gtk::PropagationPhase::Capture);
        let weak = Rc::downgrade(self);
        keys.connect_key_pressed(move |_, key, code, state| {
            let operator = weak.upgrade();
            operator.map_or(glib::Propagation::Proceed, |operator| {
                operator.on_key(key, code, state)
            })
        });
        let weak = Rc::downgrade(self);
        keys.connect_key_released(move |_, _, code, _| {
            if let Some(operator) = weak.upgrade() {
                operator.keyboard.borrow_mut().held.remove(&code);
            }
        });
        window.add_controller(keys);
        let weak = Rc::downgrade(self);
        // What is released elsewhere is not heard here.
        window.connect_is_active_notify(move |_| {
            if let Some(operator) = weak.upgrade() {
                operator.keyboard.borrow_mut().held.clear();
            }
        });
    }

    fn on_key(
        self: &Rc<Self>,
        key: gdk::Key,
        code: u32,
        state: gdk::ModifierType,
    ) -> glib::Propagation {
        let meaning = keys::meaning(key, code, state);
        if let Some(field) = self.field() {
            match meaning {
                None | Some(Key::Source(_) | Key::Press) => {
                    self.keyboard.borrow_mut().typing = Some(Instant::now());
                    return glib::Propagation::Proceed;
                }
                // Enter gives the number, where one was typed; Escape takes it back.
                Some(Key::Take) if was_typed(&field) => {
                    self.leave_field();
                    return glib::Propagation::Stop;
                }
                Some(Key::Slate) if was_typed(&field) => {
                    restore(&field);
                    self.leave_field();
                    return glib::Propagation::Stop;
                }
                Some(_) => {
                    restore(&field);
                    self.leave_field();
                }
            }
        }
        let Some(meaning) = meaning else {
            return glib::Propagation::Proceed;
        };
        if self.keyboard.borrow_mut().held.insert(code) {
            self.obey(meaning);
        }
        glib::Propagation::Stop
    }

    fn obey(&self, key: Key) {
        let (asks, lists, went) = {
            let known = self.known.borrow();
            let went = known.card_went.is_some_and(|at| at.elapsed() < CARD_WENT);
            let asks = known.card.as_ref().is_some_and(|card| card.is_question());
            (asks, known.card.is_some(), went)
        };
        match key {
            Key::Slate if lists => self.act.call(Action::Answer(Answer::Cancel)),
            Key::Slate if went => {}
            // Somebody who answers a question by Enter does not mean the show.
            Key::Take | Key::Mix | Key::Morph if asks => {}
            Key::Press => self.press_focused(),
            key => {
                if let Some(action) = self.meant(key) {
                    self.act.call(action);
                }
            }
        }
    }

    fn press_focused(&self) {
        let Some(focused) = GtkWindowExt::focus(&self.view.window) else {
            return;
        };
        match focused.downcast_ref::<gtk::Button>() {
            // At once: activated, a button looks pressed first, for a quarter of a second.
            Some(button) if !button.is::<gtk::ToggleButton>() => button.emit_clicked(),
            _ => {
                focused.activate();
            }
        }
    }

    /// The wish behind a key, in this venue.
    fn meant(&self, key: Key) -> Option<Action> {
        let layout = |number: usize| {
            let id = self.ask(|snapshot| snapshot.layouts.get(number).map(|own| own.id.clone()));
            id.flatten()
        };
        let source = |number: usize| {
            let id = self.ask(|snapshot| {
                let source = snapshot.shown_sources().nth(number);
                source.map(|own| own.id.clone())
            });
            id.flatten()
        };
        match key {
            Key::Layout(number, direct) => {
                layout(number).map(|layout| Action::Layout { layout, direct })
            }
            Key::Take => Some(Action::Take(None)),
            Key::Mix => Some(Action::Take(Some(Transition::Mix))),
            Key::Morph => Some(Action::Take(Some(Transition::Morph))),
            Key::Slate => Some(Action::Slate),
            Key::Source(number) => source(number).map(Action::Source),
            Key::NextRole => Some(Action::NextRole),
            Key::Keys => Some(Action::Keys),
            Key::Faults => Some(Action::Faults),
            Key::Devices => Some(Action::Devices),
            Key::Press => None,
        }
    }

    /// The number field that has the focus.
    fn field(&self) -> Option<gtk::SpinButton> {
        let focused = GtkWindowExt::focus(&self.view.window)?;
        let focused = focused.downcast::<gtk::Text>().ok()?;
        focused.parent().and_downcast()
    }

    /// Nobody forgets a field: it gives the keys back by itself.
    pub(super) fn look_after_field(&self, now: Instant) {
        let Some(field) = self.field() else {
            self.keyboard.borrow_mut().typing = None;
            return;
        };
        let since = *self.keyboard.borrow_mut().typing.get_or_insert(now);
        if now.duration_since(since) > TYPING {
            restore(&field);
            self.leave_field();
        }
    }

    fn leave_field(&self) {
        // A field takes what it says when it loses the focus.
        GtkWindowExt::set_focus(&self.view.window, None::<&gtk::Widget>);
        self.keyboard.borrow_mut().typing = None;
    }
}

fn said_by(field: &gtk::SpinButton) -> String {
    super::super::field::text_of(field.value())
}

fn was_typed(field: &gtk::SpinButton) -> bool {
    field.text() != said_by(field)
}

/// The field says what is so again.
fn restore(field: &gtk::SpinButton) {
    field.set_text(&said_by(field));
}

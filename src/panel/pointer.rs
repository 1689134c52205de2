//! The mouse's pointer in a kiosk: gone while nobody moves it, and before anybody has.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use gtk::glib;
use gtk::prelude::*;

/// A hand that rests has found what it looked for.
const REST: Duration = Duration::from_secs(3);
/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// Whether the pointer is seen.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Pointer {
    /// It is where it was put, and was last moved then.
    Seen { at: (f64, f64), moved: Instant },
    /// It has been there for long.
    Hidden { at: (f64, f64) },
}

impl Pointer {
    /// It is said to be there: GTK says so as well when things move below it.
    fn is_at(self, place: (f64, f64), now: Instant) -> Self {
        match self {
            Self::Seen { at, .. } | Self::Hidden { at } if at == place => self,
            _ => Self::Seen {
                at: place,
                moved: now,
            },
        }
    }

    fn look(self, now: Instant) -> Self {
        match self {
            Self::Seen { at, moved } if now.duration_since(moved) >= REST => Self::Hidden { at },
            _ => self,
        }
    }
}

/// Hides the pointer over this window while it rests. For good: a kiosk stays one.
pub fn hide_at_rest(window: &gtk::Window) {
    let start = Pointer::Seen {
        at: (f64::NAN, f64::NAN),
        moved: Instant::now(),
    };
    let pointer = Rc::new(Cell::new(start));
    let motion = gtk::EventControllerMotion::new();
    motion.set_propagation_phase(gtk::PropagationPhase::Capture);
    let (known, weak) = (pointer.clone(), window.downgrade());
    motion.connect_motion(move |_, x, y| {
        let now = Instant::now();
        if let Some(window) = weak.upgrade() {
            change(&window, &known, |pointer| pointer.is_at((x, y), now));
        }
    });
    window.add_controller(motion);
    let weak = window.downgrade();
    glib::timeout_add_local(LOOK, move || {
        let Some(window) = weak.upgrade() else {
            return glib::ControlFlow::Break;
        };
        change(&window, &pointer, |pointer| pointer.look(Instant::now()));
        glib::ControlFlow::Continue
    });
}

fn change(window: &gtk::Window, pointer: &Cell<Pointer>, into: impl Fn(Pointer) -> Pointer) {
    let before = pointer.get();
    let after = into(before);
    pointer.set(after);
    let hidden = |pointer| matches!(pointer, Pointer::Hidden { .. });
    if hidden(before) != hidden(after) {
        window.set_cursor_from_name(hidden(after).then_some("none"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_hides_at_rest_and_comes_when_it_is_moved() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let seen = Pointer::Seen {
            at: (5.0, 5.0),
            moved: start,
        };
        assert_eq!(seen.look(at(2900)), seen);
        let hidden = seen.look(at(3000));
        assert_eq!(hidden, Pointer::Hidden { at: (5.0, 5.0) });
        // What moves below it is no hand.
        assert_eq!(hidden.is_at((5.0, 5.0), at(4000)), hidden);
        let moved = hidden.is_at((6.0, 5.0), at(5000));
        assert_eq!(moved.look(at(7900)), moved);
        assert_ne!(moved.look(at(8000)), moved);
    }
}

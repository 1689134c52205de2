//! Which key means what. Pure, except for GTK's names of keys.

use gtk::gdk;

/// What a key asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// I: the figures, or not.
    Info,
    /// R: another room.
    Rooms,
    /// Up or down a list.
    Step(isize),
    /// Enter: the marked one.
    Confirm,
    /// F11: full screen, or not.
    FullScreen,
    /// Escape: no longer full screen.
    Leave,
    /// Q.
    Quit,
}

/// The meaning of a key. In a kiosk there is no way out.
pub fn meaning(key: gdk::Key, state: gdk::ModifierType, kiosk: bool) -> Option<Key> {
    let modified = gdk::ModifierType::ALT_MASK | gdk::ModifierType::SUPER_MASK;
    if state.intersects(modified) {
        // A window manager's.
        return None;
    }
    let control = state.contains(gdk::ModifierType::CONTROL_MASK);
    let key = match key {
        gdk::Key::q | gdk::Key::Q => Key::Quit,
        _ if control => return None,
        gdk::Key::i | gdk::Key::I => Key::Info,
        gdk::Key::r | gdk::Key::R => Key::Rooms,
        gdk::Key::Up | gdk::Key::KP_Up => Key::Step(-1),
        gdk::Key::Down | gdk::Key::KP_Down => Key::Step(1),
        gdk::Key::Return | gdk::Key::KP_Enter | gdk::Key::ISO_Enter => Key::Confirm,
        gdk::Key::F11 => Key::FullScreen,
        gdk::Key::Escape => Key::Leave,
        _ => return None,
    };
    let is_exit = matches!(key, Key::Quit | Key::FullScreen | Key::Leave);
    (!kiosk || !is_exit).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: gdk::ModifierType = gdk::ModifierType::empty();
    const CONTROL: gdk::ModifierType = gdk::ModifierType::CONTROL_MASK;

    #[test]
    fn a_kiosk_has_no_way_out() {
        for (key, state, free, kiosk) in [
            (gdk::Key::i, NONE, Some(Key::Info), Some(Key::Info)),
            (gdk::Key::Down, NONE, Some(Key::Step(1)), Some(Key::Step(1))),
            (gdk::Key::q, NONE, Some(Key::Quit), None),
            (gdk::Key::q, CONTROL, Some(Key::Quit), None),
            (gdk::Key::Escape, NONE, Some(Key::Leave), None),
            (gdk::Key::F11, NONE, Some(Key::FullScreen), None),
            (gdk::Key::F4, gdk::ModifierType::ALT_MASK, None, None),
            (gdk::Key::i, CONTROL, None, None),
            (gdk::Key::a, NONE, None, None),
        ] {
            assert_eq!(meaning(key, state, false), free, "{key:?}");
            assert_eq!(meaning(key, state, true), kiosk, "{key:?} of a kiosk");
        }
    }
}

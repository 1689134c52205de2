//! Which key means what. Pure, except for GTK's names of keys.
//!
//! The keys of the show work wherever the focus is, and never press what is focused: a stray Space
//! stops nothing. What is focused is pressed with Control and Enter.

use gtk::gdk;

/// What a key asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// F1 … F12: the layout of that number, from 0; with Shift at once.
    Layout(usize, bool),
    /// Enter.
    Take,
    /// Space.
    Mix,
    /// G.
    Morph,
    /// Escape.
    Slate,
    /// 1 … 9: the source of that number, from 0.
    Source(usize),
    /// R.
    NextRole,
    /// H, or the question mark.
    Keys,
    /// L.
    Faults,
    /// D.
    Devices,
    /// Control and Enter, or Control and Space: presses what is focused.
    Press,
}

/// Hardware code of the key that has 1 on it: digits need Shift on a French keyboard.
const DIGIT_ONE: u32 = 10;

/// The meaning of a key; `None`: it is GTK's.
pub fn meaning(key: gdk::Key, code: u32, state: gdk::ModifierType) -> Option<Key> {
    let with = |modifier| state.contains(modifier);
    let enter = matches!(
        key,
        gdk::Key::Return | gdk::Key::KP_Enter | gdk::Key::ISO_Enter
    );
    if with(gdk::ModifierType::ALT_MASK) || with(gdk::ModifierType::SUPER_MASK) {
        // Alt and Enter, Alt and F4: a window manager's, and nothing here.
        return None;
    }
    if with(gdk::ModifierType::CONTROL_MASK) {
        return (enter || key == gdk::Key::space).then_some(Key::Press);
    }
    let shift = with(gdk::ModifierType::SHIFT_MASK);
    if let Some(number) = function_key(key) {
        return Some(Key::Layout(number, shift));
    }
    if enter {
        return Some(Key::Take);
    }
    match key {
        gdk::Key::space => return Some(Key::Mix),
        gdk::Key::Escape => return Some(Key::Slate),
        gdk::Key::r | gdk::Key::R => return Some(Key::NextRole),
        gdk::Key::g | gdk::Key::G => return Some(Key::Morph),
        gdk::Key::h | gdk::Key::H | gdk::Key::question => return Some(Key::Keys),
        gdk::Key::l | gdk::Key::L => return Some(Key::Faults),
        gdk::Key::d | gdk::Key::D => return Some(Key::Devices),
        _ => {}
    }
    digit(key, code).map(Key::Source)
}

fn function_key(key: gdk::Key) -> Option<usize> {
    const KEYS: [gdk::Key; 12] = [
        gdk::Key::F1,
        gdk::Key::F2,
        gdk::Key::F3,
        gdk::Key::F4,
        gdk::Key::F5,
        gdk::Key::F6,
        gdk::Key::F7,
        gdk::Key::F8,
        gdk::Key::F9,
        gdk::Key::F10,
        gdk::Key::F11,
        gdk::Key::F12,
    ];
    KEYS.iter().position(|own| *own == key)
}

fn digit(key: gdk::Key, code: u32) -> Option<usize> {
    let typed = key.to_unicode().and_then(|c| c.to_digit(10));
    match typed {
        Some(digit) => (digit as usize).checked_sub(1),
        // X11 and Wayland number hardware keys alike: 10 to 18 are the row of digits.
        None => (DIGIT_ONE..DIGIT_ONE + 9)
            .contains(&code)
            .then(|| (code - DIGIT_ONE) as usize),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: gdk::ModifierType = gdk::ModifierType::empty();

    #[test]
    fn the_keys_of_the_show() {
        for (key, code, state, expected) in [
            (gdk::Key::F1, 67, NONE, Some(Key::Layout(0, false))),
            (
                gdk::Key::F3,
                69,
                gdk::ModifierType::SHIFT_MASK,
                Some(Key::Layout(2, true)),
            ),
            (gdk::Key::Return, 36, NONE, Some(Key::Take)),
            (gdk::Key::KP_Enter, 104, NONE, Some(Key::Take)),
            (gdk::Key::space, 65, NONE, Some(Key::Mix)),
            (gdk::Key::Escape, 9, NONE, Some(Key::Slate)),
            (gdk::Key::_2, 11, NONE, Some(Key::Source(1))),
            (gdk::Key::KP_3, 89, NONE, Some(Key::Source(2))),
            // The key with 2 on a French keyboard.
            (gdk::Key::eacute, 11, NONE, Some(Key::Source(1))),
            (gdk::Key::_0, 19, NONE, None),
            (gdk::Key::r, 27, NONE, Some(Key::NextRole)),
            (
                gdk::Key::Return,
                36,
                gdk::ModifierType::CONTROL_MASK,
                Some(Key::Press),
            ),
            (gdk::Key::F4, 70, gdk::ModifierType::ALT_MASK, None),
            (gdk::Key::q, 24, gdk::ModifierType::CONTROL_MASK, None),
            (gdk::Key::Tab, 23, NONE, None),
        ] {
            assert_eq!(meaning(key, code, state), expected, "{key:?} {state:?}");
        }
    }
}

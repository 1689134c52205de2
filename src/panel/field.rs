//! Number fields: milliseconds, which they say. What is no number is not taken.

use gtk::glib;
use gtk::prelude::*;

/// What a field of this value says.
pub fn text_of(value: f64) -> String {
    format!("{value:.0} ms")
}

/// What was typed, as a value; `None`: no number.
fn value_of(text: &str) -> Option<f64> {
    let number = text.trim().trim_end_matches("ms").trim();
    number.parse::<u32>().ok().map(f64::from)
}

/// Numbers in this field are milliseconds. The wheel does not change it: a hand that scrolls past
/// would change what people hear.
pub fn in_milliseconds(field: &gtk::SpinButton) {
    field.set_update_policy(gtk::SpinButtonUpdatePolicy::IfValid);
    field.connect_output(|field| {
        let text = text_of(field.value());
        if field.text() != text {
            field.set_text(&text);
        }
        glib::Propagation::Stop
    });
    field.connect_input(|field| Some(value_of(&field.text()).ok_or(())));
    no_scrolling(field);
}

/// The wheel moves nothing here.
pub fn no_scrolling(widget: &impl IsA<gtk::Widget>) {
    let scroll = gtk::EventControllerScroll::new(gtk::EventControllerScrollFlags::BOTH_AXES);
    scroll.set_propagation_phase(gtk::PropagationPhase::Capture);
    scroll.connect_scroll(|_, _, _| glib::Propagation::Stop);
    widget.add_controller(scroll);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_milliseconds_are_taken() {
        for (text, value) in [
            ("40 ms", Some(40.0)),
            ("40", Some(40.0)),
            (" 2000ms ", Some(2000.0)),
            ("", None),
            ("ms", None),
            ("1.5", None),
            ("-5", None),
            ("4 0", None),
        ] {
            assert_eq!(value_of(text), value, "{text:?}");
        }
        assert_eq!(value_of(&text_of(300.0)), Some(300.0));
    }
}

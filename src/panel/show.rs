//! Small steps that widgets take when they show something new.

use gtk::prelude::*;

use crate::model::status::Tally;

use super::truth::{Mark, tally_class};

/// Sets a text, where it is another one.
pub fn set_text(label: &gtk::Label, text: &str) {
    if label.text() != text {
        label.set_text(text);
    }
}

/// Has or has not a style class.
pub fn set_class(widget: &impl IsA<gtk::Widget>, class: &str, has: bool) {
    if has {
        widget.add_css_class(class);
    } else {
        widget.remove_css_class(class);
    }
}

/// Wears a tally.
pub fn set_tally(widget: &impl IsA<gtk::Widget>, tally: Tally) {
    for each in [Tally::Programme, Tally::Preview, Tally::Off] {
        set_class(widget, tally_class(each), each == tally);
    }
}

/// Wears a mark.
pub fn set_mark(label: &gtk::Label, mark: Mark) {
    set_text(label, mark.sign());
    for each in [Mark::Good, Mark::Busy, Mark::Bad, Mark::Off] {
        set_class(label, each.class(), each == mark);
    }
}

/// Names a widget for screen readers, and for whoever drives it.
pub fn set_name(widget: &impl IsA<gtk::Accessible>, name: &str) {
    widget.update_property(&[gtk::accessible::Property::Label(name)]);
}

/// Says more about a widget to screen readers.
pub fn set_description(widget: &impl IsA<gtk::Accessible>, text: &str) {
    widget.update_property(&[gtk::accessible::Property::Description(text)]);
}

/// Sets a tooltip, where it is another one: GTK looks for the pointer each time.
pub fn set_tooltip(widget: &impl IsA<gtk::Widget>, text: &str) {
    if widget.tooltip_text().as_deref().unwrap_or_default() != text {
        widget.set_tooltip_text((!text.is_empty()).then_some(text));
    }
}

//! The button of one layout: a click prepares it.

use gtk::glib;
use gtk::prelude::*;
use gtk::subclass::prelude::*;

use crate::model::status::Tally;
use crate::tongue::Tongue;

use super::miniature::Miniature;
use super::show::{set_class, set_description, set_name, set_tally, set_text, set_tooltip};
use super::template::template_widget;
use super::truth;

mod imp {
    use super::*;

    #[derive(Debug, Default, gtk::CompositeTemplate)]
    #[template(file = "../../ui/layout_button.ui")]
    pub struct LayoutButton {
        #[template_child]
        pub miniature: TemplateChild<Miniature>,
        #[template_child]
        pub label: TemplateChild<gtk::Label>,
        #[template_child]
        pub key: TemplateChild<gtk::Label>,
        #[template_child]
        pub state: TemplateChild<gtk::Label>,
    }

    template_widget!(LayoutButton, "RegieLayoutButton", super::LayoutButton, gtk::Button,
        uses [Miniature], is [WidgetImpl, ButtonImpl]);
}

glib::wrapper! {
    /// A layout's button.
    pub struct LayoutButton(ObjectSubclass<imp::LayoutButton>)
        @extends gtk::Button, gtk::Widget,
        @implements gtk::Accessible, gtk::Actionable, gtk::Buildable, gtk::ConstraintTarget;
}

impl LayoutButton {
    /// The button of the layout of that number, from 0.
    pub fn new(number: usize) -> Self {
        let button: Self = glib::Object::new();
        if number < 12 {
            button
                .imp()
                .key
                .set_text(&format!("F{number}", number = number + 1));
        } else {
            button.imp().key.set_visible(false);
        }
        button
    }

    /// Shows how the layout is.
    pub fn show(&self, tongue: Tongue, layout: &truth::LayoutButton, roles: &[String]) {
        let imp = self.imp();
        imp.miniature.show_layout(&layout.layout, roles.to_vec());
        set_text(&imp.label, &layout.label);
        set_tally(self, layout.tally);
        let place = match layout.tally {
            Tally::Programme => tongue.tr("On air"),
            Tally::Preview => tongue.tr("Preview"),
            Tally::Off if layout.behind_slate => tongue.tr("Behind the slate"),
            Tally::Off => "",
        };
        let missing = !layout.missing.is_empty();
        // Where it is is never told by colour alone.
        let state = match (place, missing) {
            (place, false) => place.to_owned(),
            ("", true) => format!("▲ {}", layout.missing),
            (place, true) => format!("{place} ▲ {}", layout.missing),
        };
        set_text(&imp.state, &state);
        set_class(self, "missing", missing);
        set_class(self, "behind", layout.behind_slate);
        set_name(
            self,
            &tongue
                .tr("Layout {layout}")
                .replace("{layout}", &layout.label),
        );
        let parts = [place, layout.missing.as_str()];
        let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        set_description(self, &parts.join(", "));
        set_tooltip(self, &layout.missing);
    }
}

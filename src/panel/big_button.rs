//! A large button with its key.

use gtk::glib;
use gtk::subclass::prelude::*;

use super::show::{set_name, set_text};
use super::template::template_widget;

mod imp {
    use super::*;

    #[derive(Debug, Default, gtk::CompositeTemplate)]
    #[template(file = "../../ui/big_button.ui")]
    pub struct BigButton {
        #[template_child]
        pub label: TemplateChild<gtk::Label>,
        #[template_child]
        pub key: TemplateChild<gtk::Label>,
    }

    template_widget!(BigButton, "RegieBigButton", super::BigButton, gtk::Button,
        uses [], is [WidgetImpl, ButtonImpl]);
}

glib::wrapper! {
    /// A large button.
    pub struct BigButton(ObjectSubclass<imp::BigButton>)
        @extends gtk::Button, gtk::Widget,
        @implements gtk::Accessible, gtk::Actionable, gtk::Buildable, gtk::ConstraintTarget;
}

impl BigButton {
    /// Its name and its key.
    pub fn show(&self, label: &str, key: &str) {
        set_text(&self.imp().label, label);
        set_text(&self.imp().key, key);
        set_name(self, label);
    }
}

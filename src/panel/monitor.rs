//! One of the two big pictures.

use gtk::glib;
use gtk::subclass::prelude::*;

use crate::model::status::Tally;
use crate::tongue::Tongue;

use super::screen::Screen;
use super::show::{set_class, set_description, set_name, set_tally, set_text};
use super::template::template_widget;
use super::truth::Bus;

mod imp {
    use super::*;

    #[derive(Debug, Default, gtk::CompositeTemplate)]
    #[template(file = "../../ui/monitor.ui")]
    pub struct Monitor {
        #[template_child]
        pub caption: TemplateChild<gtk::Box>,
        #[template_child]
        pub badge: TemplateChild<gtk::Label>,
        #[template_child]
        pub layout: TemplateChild<gtk::Label>,
        #[template_child]
        pub frame: TemplateChild<gtk::Box>,
        #[template_child]
        pub screen: TemplateChild<Screen>,
    }

    template_widget!(Monitor, "RegieMonitor", super::Monitor, gtk::Box,
        uses [Screen], is [WidgetImpl, BoxImpl]);
}

glib::wrapper! {
    /// A big picture with its caption.
    pub struct Monitor(ObjectSubclass<imp::Monitor>)
        @extends gtk::Box, gtk::Widget,
        @implements gtk::Accessible, gtk::Buildable, gtk::ConstraintTarget, gtk::Orientable;
}

impl Monitor {
    /// The programme's, or the preview's.
    pub fn new(tally: Tally) -> Self {
        let monitor: Self = glib::Object::new();
        set_tally(&*monitor.imp().frame, tally);
        set_tally(&*monitor.imp().badge, tally);
        monitor
    }

    /// Where its picture is drawn.
    pub fn screen(&self) -> &Screen {
        &self.imp().screen
    }

    /// Says what it shows; `None`: nothing is known. `name` is the bus.
    pub fn show(&self, tongue: Tongue, name: &str, bus: Option<&Bus>) {
        let imp = self.imp();
        let layout = bus.map_or("", |bus| bus.layout.as_str());
        let slate = bus.is_some_and(|bus| bus.slate);
        set_text(&imp.badge, &name.to_uppercase());
        set_text(&imp.layout, layout);
        set_class(&*imp.layout, "slate", slate);
        set_class(&*imp.frame, "slate", slate);
        set_class(&*imp.frame, "unknown", bus.is_none());
        let spoken = if bus.is_some() {
            layout
        } else {
            tongue.tr("not known")
        };
        set_name(&*imp.screen, name);
        set_description(&*imp.screen, spoken);
    }
}

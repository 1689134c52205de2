//! The top of the window: the venue, whether it is on air, the outputs, the relay, the clock.

use gtk::glib;
use gtk::prelude::*;
use gtk::subclass::prelude::*;

use crate::tongue::Tongue;

use super::action::{Act, Action};
use super::row::Row;
use super::show::{set_class, set_name, set_text, set_tooltip};
use super::template::template_widget;
use super::truth::{Air, on_air_time};

mod imp {
    use super::*;

    #[derive(Debug, Default, gtk::CompositeTemplate)]
    #[template(file = "../../ui/header.ui")]
    pub struct Header {
        #[template_child]
        pub venue: TemplateChild<gtk::Label>,
        #[template_child]
        pub air: TemplateChild<gtk::Box>,
        #[template_child]
        pub air_text: TemplateChild<gtk::Label>,
        #[template_child]
        pub air_time: TemplateChild<gtk::Label>,
        #[template_child]
        pub outputs: TemplateChild<Row>,
        #[template_child]
        pub relay: TemplateChild<gtk::Label>,
        #[template_child]
        pub keys: TemplateChild<gtk::Button>,
        #[template_child]
        pub controls: TemplateChild<gtk::WindowControls>,
        #[template_child]
        pub clock: TemplateChild<gtk::Label>,
    }

    template_widget!(Header, "RegieHeader", super::Header, gtk::Box,
        uses [Row], is [WidgetImpl, BoxImpl]);
}

glib::wrapper! {
    /// The top of the window.
    pub struct Header(ObjectSubclass<imp::Header>)
        @extends gtk::Box, gtk::Widget,
        @implements gtk::Accessible, gtk::Buildable, gtk::ConstraintTarget, gtk::Orientable;
}

impl Header {
    /// A header that hands wishes to `act`.
    /// Without the window's own buttons in a kiosk.
    pub fn new(act: &Act, kiosk: bool) -> Self {
        let header: Self = glib::Object::new();
        header.imp().controls.set_visible(!kiosk);
        let act = act.clone();
        header
            .imp()
            .keys
            .connect_clicked(move |_| act.call(Action::Keys));
        header
    }

    /// The row of output chips.
    pub fn outputs(&self) -> &Row {
        &self.imp().outputs
    }

    /// Shows the venue and how many screens play the relay; `None`: nothing is known.
    pub fn show(&self, tongue: Tongue, venue: &str, screens: Option<u64>) {
        let imp = self.imp();
        set_text(&imp.venue, venue);
        let text = screens.map(|count| tongue.trn("{count} screen", "{count} screens", count));
        set_text(&imp.relay, &text.unwrap_or_default());
        set_tooltip(&*imp.relay, tongue.tr("Screens that play the relay"));
        imp.keys.set_label(tongue.tr("Keys"));
        set_name(&*imp.keys, tongue.tr("Keys"));
    }

    /// Shows whether viewers get the programme, and whether the slate is on.
    pub fn show_air(&self, tongue: Tongue, air: &Air, slate: bool) {
        let imp = self.imp();
        let texts = [
            tongue.tr("ON AIR"),
            tongue.tr("SLATE ON AIR"),
            tongue.tr("OFF AIR"),
            tongue.tr("NO ENGINE"),
            tongue.tr("NO OUTPUT"),
        ];
        // As wide as the longest of them, always: nothing beside it moves.
        let longest = texts.iter().map(|text| text.chars().count()).max();
        imp.air_text
            .set_width_chars(longest.map_or(0, |count| count as i32 + 2));
        let (text, time) = match air {
            Air::On(seconds) => (texts[usize::from(slate)], on_air_time(*seconds)),
            Air::Off => (texts[2], "--:--:--".to_owned()),
            Air::Unknown => (texts[3], "--:--:--".to_owned()),
            Air::Cut(seconds) => (texts[4], on_air_time(*seconds)),
        };
        let on = matches!(air, Air::On(_));
        set_text(&imp.air_text, text);
        set_text(&imp.air_time, &time);
        set_class(&*imp.air, "is-on", on);
        set_class(&*imp.air, "slate", slate && on);
        let doubtful = matches!(air, Air::Unknown | Air::Cut(_));
        set_class(&*imp.air, "unknown", doubtful);
    }

    /// Shows the time of day.
    pub fn show_clock(&self, text: &str) {
        set_text(&self.imp().clock, text);
    }
}

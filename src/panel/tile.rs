//! One source: a click lets it play the selected role.

use gtk::glib;
use gtk::prelude::*;
use gtk::subclass::prelude::*;

use crate::model::status::Tally;
use crate::tongue::Tongue;

use super::meter::Meter;
use super::screen::Screen;
use super::show::{
    set_class, set_description, set_mark, set_name, set_tally, set_text, set_tooltip,
};
use super::template::template_widget;
use super::truth::{Mark, Source};

mod imp {
    use super::*;

    #[derive(Debug, Default, gtk::CompositeTemplate)]
    #[template(file = "../../ui/tile.ui")]
    pub struct Tile {
        #[template_child]
        pub screen: TemplateChild<Screen>,
        #[template_child]
        pub key: TemplateChild<gtk::Label>,
        #[template_child]
        pub alarm: TemplateChild<gtk::Label>,
        #[template_child]
        pub place: TemplateChild<gtk::Label>,
        #[template_child]
        pub notice: TemplateChild<gtk::Label>,
        #[template_child]
        pub meter: TemplateChild<Meter>,
        #[template_child]
        pub sign: TemplateChild<gtk::Label>,
        #[template_child]
        pub label: TemplateChild<gtk::Label>,
        #[template_child]
        pub roles: TemplateChild<gtk::Label>,
        #[template_child]
        pub words: TemplateChild<gtk::Label>,
    }

    template_widget!(Tile, "RegieTile", super::Tile, gtk::Button,
        uses [Screen, Meter], is [WidgetImpl, ButtonImpl]);
}

glib::wrapper! {
    /// A source's tile.
    pub struct Tile(ObjectSubclass<imp::Tile>)
        @extends gtk::Button, gtk::Widget,
        @implements gtk::Accessible, gtk::Actionable, gtk::Buildable, gtk::ConstraintTarget;
}

impl Tile {
    /// The tile of the source of that number, from 0.
    pub fn new(number: usize) -> Self {
        let tile: Self = glib::Object::new();
        let imp = tile.imp();
        imp.meter.set_plain();
        imp.key.set_visible(number < 9);
        imp.key.set_text(&(number + 1).to_string());
        tile
    }

    /// Where its picture is drawn.
    pub fn screen(&self) -> &Screen {
        &self.imp().screen
    }

    /// Its level.
    pub fn meter(&self) -> &Meter {
        &self.imp().meter
    }

    /// Shows how the source is.
    pub fn show(&self, tongue: Tongue, source: &Source) {
        let imp = self.imp();
        set_mark(&imp.sign, source.mark);
        set_text(&imp.label, &source.label);
        set_text(&imp.roles, &source.roles);
        // Its place is kept, so that nothing moves.
        imp.roles
            .set_opacity(f64::from(u8::from(!source.roles.is_empty())));
        set_text(&imp.words, &source.words);
        set_text(&imp.notice, &source.notice);
        imp.notice.set_visible(!source.notice.is_empty());
        if !source.notice.is_empty() {
            imp.screen.show_picture(None);
        }
        set_text(&imp.alarm, &source.alarm);
        imp.alarm.set_visible(!source.alarm.is_empty());
        set_class(self, "alarmed", !source.alarm.is_empty());
        set_tally(self, source.tally);
        set_class(
            self,
            "lost",
            source.mark == Mark::Bad && source.alarm.is_empty(),
        );
        let name = tongue
            .tr("Source {source}")
            .replace("{source}", &source.label);
        set_name(self, &name);
        let tally = match source.tally {
            Tally::Programme => tongue.tr("On air"),
            Tally::Preview => tongue.tr("Preview"),
            Tally::Off => "",
        };
        set_text(&imp.place, tally);
        set_tally(&*imp.place, source.tally);
        imp.place.set_visible(!tally.is_empty());
        let parts = [
            tally,
            source.roles.as_str(),
            source.words.as_str(),
            source.publisher.as_str(),
        ];
        let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        set_description(self, &parts.join(", "));
        let parts = [source.words.as_str(), source.publisher.as_str()];
        let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        set_tooltip(self, &parts.join("\n"));
    }
}

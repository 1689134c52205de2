//! The sound as aired: level and loudness, in figures as well.

use gtk::glib;
use gtk::subclass::prelude::*;

use crate::monitor::Levels;
use crate::tongue::Tongue;

use super::alarm::Alarm;
use super::meter::{Meter, TARGET};
use super::show::{set_class, set_name, set_text};
use super::template::template_widget;

mod imp {
    use super::*;
    use std::cell::{Cell, RefCell};

    #[derive(Debug, Default, gtk::CompositeTemplate)]
    #[template(file = "../../ui/mix.ui")]
    pub struct Mix {
        #[template_child]
        pub value: TemplateChild<gtk::Label>,
        #[template_child]
        pub alarm: TemplateChild<gtk::Label>,
        #[template_child]
        pub meter: TemplateChild<Meter>,
        #[template_child]
        pub short_title: TemplateChild<gtk::Label>,
        #[template_child]
        pub short_term: TemplateChild<gtk::Label>,
        #[template_child]
        pub momentary: TemplateChild<gtk::Label>,
        #[template_child]
        pub label: TemplateChild<gtk::Label>,
        pub state: RefCell<Alarm>,
        /// Figures are read: they change a few times a second, not with every picture.
        pub tick: Cell<u32>,
    }

    template_widget!(Mix, "RegieMix", super::Mix, gtk::Box,
        uses [Meter], is [WidgetImpl, BoxImpl]);
}

glib::wrapper! {
    /// The strip of the mix.
    pub struct Mix(ObjectSubclass<imp::Mix>)
        @extends gtk::Box, gtk::Widget,
        @implements gtk::Accessible, gtk::Buildable, gtk::ConstraintTarget, gtk::Orientable;
}

/// Pictures of the meter between two figures.
const FIGURES: u32 = 6;

impl Default for Mix {
    fn default() -> Self {
        let mix: Self = glib::Object::new();
        mix.imp().meter.set_numbers();
        mix
    }
}

impl Mix {
    /// Says what it is.
    pub fn show(&self, tongue: Tongue) {
        let imp = self.imp();
        set_text(&imp.label, tongue.tr("Programme"));
        set_text(&imp.short_title, tongue.tr("Short term"));
        set_name(&*imp.meter, tongue.tr("Meter of the programme"));
    }

    /// Shows the mix's levels. `silent`: viewers should hear something, and do not.
    pub fn show_levels(&self, tongue: Tongue, levels: Option<&Levels>, silent: bool) {
        let imp = self.imp();
        imp.meter.show_levels(levels);
        imp.state
            .borrow_mut()
            .show(&imp.alarm, tongue, levels, silent);
        let tick = imp.tick.replace(imp.tick.get().wrapping_add(1));
        if !tick.is_multiple_of(FIGURES) && levels.is_some() {
            return;
        }
        let figure = |value: Option<f32>| match value {
            Some(value) if value > -60.0 => tongue.number(&format!("{value:.1}")),
            _ => "–".to_owned(),
        };
        let peak = levels.map(|levels| levels.peak_db[0].max(levels.peak_db[1]));
        set_text(&imp.value, &format!("{} dBFS", figure(peak)));
        let short = levels.map(|levels| levels.short_term);
        set_text(&imp.short_term, &figure(short));
        set_class(&*imp.short_term, "off-target", off_target(short));
        let momentary = figure(levels.map(|levels| levels.momentary));
        set_text(
            &imp.momentary,
            &tongue
                .tr("M {momentary} LUFS")
                .replace("{momentary}", &momentary),
        );
    }

    /// Its meter.
    pub fn meter(&self) -> &Meter {
        &self.imp().meter
    }
}

/// Whether viewers would reach for the volume: more than 6 LU from the target.
fn off_target(short_term: Option<f32>) -> bool {
    short_term.is_some_and(|level| level > -60.0 && (level - TARGET).abs() > 6.0)
}

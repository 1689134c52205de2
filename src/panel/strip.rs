//! The sound of one source: its level as it arrives, and how it goes into the mix.

use std::time::{Duration, Instant};

use gtk::glib;
use gtk::prelude::*;
use gtk::subclass::prelude::*;

use crate::model::SourceId;
use crate::monitor::Levels;
use crate::tongue::Tongue;

use super::action::{Act, Action};
use super::alarm::Alarm;
use super::field::{in_milliseconds, no_scrolling};
use super::meter::Meter;
use super::show::{set_class, set_name, set_text, set_tooltip};
use super::template::template_widget;
use super::truth::{Mark, Source};

/// After the operator has moved a fader, older values that still come back do not move it.
const SETTLE: Duration = Duration::from_millis(600);

mod imp {
    use super::*;
    use std::cell::{Cell, RefCell};

    #[derive(Debug, Default, gtk::CompositeTemplate)]
    #[template(file = "../../ui/strip.ui")]
    pub struct Strip {
        #[template_child]
        pub value: TemplateChild<gtk::Label>,
        #[template_child]
        pub alarm: TemplateChild<gtk::Label>,
        #[template_child]
        pub fader: TemplateChild<gtk::Scale>,
        #[template_child]
        pub meter: TemplateChild<Meter>,
        #[template_child]
        pub mute: TemplateChild<gtk::ToggleButton>,
        #[template_child]
        pub delay: TemplateChild<gtk::SpinButton>,
        #[template_child]
        pub calibrate: TemplateChild<gtk::Button>,
        #[template_child]
        pub label: TemplateChild<gtk::Label>,
        /// The engine's values are being shown: what changes is no wish.
        pub showing: Cell<bool>,
        pub gain_moved: Cell<Option<Instant>>,
        pub delay_moved: Cell<Option<Instant>>,
        pub tongue: Cell<Tongue>,
        pub state: RefCell<Alarm>,
    }

    template_widget!(Strip, "RegieStrip", super::Strip, gtk::Box,
        uses [Meter], is [WidgetImpl, BoxImpl]);
}

glib::wrapper! {
    /// A source's strip.
    pub struct Strip(ObjectSubclass<imp::Strip>)
        @extends gtk::Box, gtk::Widget,
        @implements gtk::Accessible, gtk::Buildable, gtk::ConstraintTarget, gtk::Orientable;
}

impl Strip {
    /// The strip of `source`.
    pub fn new(source: &SourceId, act: &Act) -> Self {
        let strip: Self = glib::Object::new();
        let imp = strip.imp();
        no_scrolling(&*imp.fader);
        in_milliseconds(&imp.delay);
        // Home and End would go to silence and to full gain on air, and neither is meant:
        // arrows move it by a dB.
        imp.fader.connect_change_value(|_, how, _| match how {
            gtk::ScrollType::Start | gtk::ScrollType::End => glib::Propagation::Stop,
            _ => glib::Propagation::Proceed,
        });
        let (id, wish) = (source.clone(), act.clone());
        imp.fader.connect_value_changed(glib::clone!(
            #[weak]
            strip,
            move |fader| {
                let imp = strip.imp();
                // Tenths of a dB: a hand is not more exact.
                let db = (fader.value() * 10.0).round() / 10.0;
                set_text(&imp.value, &decibels(imp.tongue.get(), db));
                if !imp.showing.get() {
                    imp.gain_moved.set(Some(Instant::now()));
                    wish.call(Action::Gain(id.clone(), db));
                }
            }
        ));
        let (id, wish) = (source.clone(), act.clone());
        imp.mute.connect_toggled(glib::clone!(
            #[weak]
            strip,
            move |mute| {
                if !strip.imp().showing.get() {
                    wish.call(Action::Mute(id.clone(), mute.is_active()));
                }
            }
        ));
        let (id, wish) = (source.clone(), act.clone());
        imp.delay.connect_value_changed(glib::clone!(
            #[weak]
            strip,
            move |delay| {
                let imp = strip.imp();
                if !imp.showing.get() {
                    imp.delay_moved.set(Some(Instant::now()));
                    wish.call(Action::Delay(id.clone(), delay.value() as u32));
                }
            }
        ));
        let (id, wish) = (source.clone(), act.clone());
        (imp.calibrate).connect_clicked(move |_| wish.call(Action::Calibrate(id.clone())));
        strip
    }

    /// Shows the source's settings.
    pub fn show(&self, tongue: Tongue, source: &Source) {
        let imp = self.imp();
        let settled = |moved: Option<Instant>| moved.is_none_or(|moved| moved.elapsed() > SETTLE);
        imp.showing.set(true);
        let held = imp.fader.state_flags().contains(gtk::StateFlags::ACTIVE);
        let moved = (imp.fader.value() - source.gain_db).abs() > 0.05;
        if moved && !held && settled(imp.gain_moved.get()) {
            imp.fader.set_value(source.gain_db);
        }
        imp.mute.set_active(source.mute);
        let delay = f64::from(source.delay_ms);
        if settled(imp.delay_moved.get()) && imp.delay.value() != delay {
            imp.delay.set_value(delay);
        }
        imp.showing.set(false);
        imp.tongue.set(tongue);
        let db = (imp.fader.value() * 10.0).round() / 10.0;
        set_text(&imp.value, &decibels(tongue, db));
        set_text(&imp.label, &source.label);
        let mute = if source.mute {
            tongue.tr("Muted")
        } else {
            tongue.tr("Mute")
        };
        imp.mute.set_label(mute);
        set_class(self, "muted", source.mute);
        set_class(self, "no-sound", !source.has_sound);
        let named = |text: &str| text.replace("{source}", &source.label);
        set_name(&*imp.fader, &named(tongue.tr("Fader of {source}")));
        set_name(&*imp.mute, &named(tongue.tr("Mute {source}")));
        set_name(&*imp.delay, &named(tongue.tr("Delay of {source}")));
        let calibrate = named(tongue.tr("Calibrate {source}"));
        set_name(&*imp.calibrate, &calibrate);
        set_tooltip(
            &*imp.calibrate,
            tongue.tr("Find the delay by clapping in front of the camera"),
        );
        set_name(&*imp.meter, &named(tongue.tr("Meter of {source}")));
        let is_desk = source.id == SourceId::desk();
        let shift = if is_desk {
            tongue.tr("Delay of its sound, in milliseconds")
        } else {
            tongue.tr("Delay of picture and sound, in milliseconds")
        };
        set_tooltip(&*imp.delay, shift);
        // It has no tile that says how it is.
        if is_desk {
            set_tooltip(&*imp.label, &source.words);
            set_class(self, "bad", source.mark == Mark::Bad);
        }
    }

    /// Shows the source's levels. `silent`: it should be heard, and is not.
    pub fn show_levels(&self, tongue: Tongue, levels: Option<&Levels>, silent: bool) {
        let imp = self.imp();
        imp.meter.show_levels(levels);
        imp.state
            .borrow_mut()
            .show(&imp.alarm, tongue, levels, silent);
    }

    /// Its meter.
    pub fn meter(&self) -> &Meter {
        &self.imp().meter
    }
}

/// A gain as people read it.
fn decibels(tongue: Tongue, db: f64) -> String {
    // No "-0.0".
    let db = if db.abs() < 0.05 { 0.0 } else { db };
    let number = if db.fract().abs() < 0.05 {
        format!("{db:+.0}")
    } else {
        format!("{db:+.1}")
    };
    let number = tongue.number(&number);
    format!("{number} dB")
}

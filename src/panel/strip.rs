//! The sound of one source: its level as it arrives, and how it goes into the mix.

use std::time::{Duration, Instant};

use gtk::glib;
use gtk::prelude::*;
use gtk::subclass::prelude::*;

use crate::monitor::Levels;
use crate::tongue::Tongue;

use super::action::{Act, Action};
use super::alarm::Alarm;
use super::meter::Meter;
use super::show::{set_class, set_name, set_text};
use super::template::template_widget;
use super::truth::Source;

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
        pub label: TemplateChild<gtk::Label>,
        /// The engine's values are being shown: what changes is no wish.
        pub showing: Cell<bool>,
        pub gain_moved: Cell<Option<Instant>>,
        pub delay_moved: Cell<Option<Instant>>,
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
    pub fn new(source: &crate::model::SourceId, act: &Act) -> Self {
        let strip: Self = glib::Object::new();
        let imp = strip.imp();
        no_scrolling(&*imp.fader);
        no_scrolling(&*imp.delay);
        in_milliseconds(&imp.delay);
        let (id, wish) = (source.clone(), act.clone());
        imp.fader.connect_value_changed(glib::clone!(
            #[weak]
            strip,
            move |fader| {
                let imp = strip.imp();
                // Tenths of a dB: a hand is not more exact.
                let db = (fader.value() * 10.0).round() / 10.0;
                set_text(&imp.value, &decibels(db));
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
        strip
    }

    /// Shows the source's settings.
    pub fn show(&self, tongue: Tongue, source: &Source) {
        let imp = self.imp();
        let settled = |moved: Option<Instant>| moved.is_none_or(|moved| moved.elapsed() > SETTLE);
        imp.showing.set(true);
        if settled(imp.gain_moved.get()) && (imp.fader.value() - source.gain_db).abs() > 0.05 {
            imp.fader.set_value(source.gain_db);
        }
        imp.mute.set_active(source.mute);
        let delay = f64::from(source.delay_ms);
        if settled(imp.delay_moved.get()) && imp.delay.value() != delay {
            imp.delay.set_value(delay);
        }
        imp.showing.set(false);
        set_text(
            &imp.value,
            &decibels((imp.fader.value() * 10.0).round() / 10.0),
        );
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
        set_name(&*imp.meter, &named(tongue.tr("Meter of {source}")));
        imp.delay.set_tooltip_text(Some(
            tongue.tr("Delay of picture and sound, in milliseconds"),
        ));
    }

    /// Shows the source's levels.
    pub fn show_levels(&self, tongue: Tongue, levels: Option<&Levels>, has_sound: bool) {
        let imp = self.imp();
        imp.meter.show_levels(levels);
        imp.state
            .borrow_mut()
            .show(&imp.alarm, tongue, levels, has_sound);
    }

    /// Its meter.
    pub fn meter(&self) -> &Meter {
        &self.imp().meter
    }
}

/// A gain as people read it.
pub fn decibels(db: f64) -> String {
    // No "-0.0".
    format!("{:+.1} dB", if db.abs() < 0.05 { 0.0 } else { db }).replace('-', "−")
}

/// Numbers in this field are milliseconds, and say so.
pub fn in_milliseconds(field: &gtk::SpinButton) {
    field.connect_output(|field| {
        let text = format!("{:.0} ms", field.value());
        if field.text() != text {
            field.set_text(&text);
        }
        glib::Propagation::Stop
    });
    field.connect_input(|field| {
        let text = field.text();
        let number: String = text.chars().filter(char::is_ascii_digit).collect();
        Some(number.parse().map_err(|_| ()))
    });
}

/// The wheel moves nothing here: a hand that scrolls past would change what people hear.
fn no_scrolling(widget: &impl IsA<gtk::Widget>) {
    let scroll = gtk::EventControllerScroll::new(gtk::EventControllerScrollFlags::BOTH_AXES);
    scroll.set_propagation_phase(gtk::PropagationPhase::Capture);
    scroll.connect_scroll(|_, _, _| glib::Propagation::Stop);
    widget.add_controller(scroll);
}

//! One output: a click starts a stopped one, and asks about a running one; held down for a second
//! it stops. Nothing that happens by accident stops an output.

use std::time::{Duration, Instant};

use gtk::glib;
use gtk::prelude::*;
use gtk::subclass::prelude::*;

use crate::model::OutputId;
use crate::tongue::Tongue;

use super::action::{Act, Action};
use super::show::{set_class, set_description, set_mark, set_name, set_text, set_tooltip};
use super::template::template_widget;
use super::truth::{Mark, Output};

/// How long it is held to stop.
const HOLD: Duration = Duration::from_millis(1200);
/// How often the bar that shows it grows.
const STEP: Duration = Duration::from_millis(40);

mod imp {
    use super::*;
    use std::cell::{Cell, RefCell};

    #[derive(Debug, Default, gtk::CompositeTemplate)]
    #[template(file = "../../ui/output_chip.ui")]
    pub struct OutputChip {
        #[template_child]
        pub sign: TemplateChild<gtk::Label>,
        #[template_child]
        pub label: TemplateChild<gtk::Label>,
        #[template_child]
        pub words: TemplateChild<gtk::Label>,
        #[template_child]
        pub held: TemplateChild<gtk::ProgressBar>,
        pub running: Cell<bool>,
        pub since: Cell<Option<Instant>>,
        /// The hold has stopped it: the click that ends the hold means nothing.
        pub done: Cell<bool>,
        pub timer: RefCell<Option<glib::SourceId>>,
    }

    template_widget!(OutputChip, "RegieOutputChip", super::OutputChip, gtk::Button,
        uses [], is [WidgetImpl, ButtonImpl]);
}

glib::wrapper! {
    /// An output's button.
    pub struct OutputChip(ObjectSubclass<imp::OutputChip>)
        @extends gtk::Button, gtk::Widget,
        @implements gtk::Accessible, gtk::Actionable, gtk::Buildable, gtk::ConstraintTarget;
}

impl OutputChip {
    /// The button of `output`.
    pub fn new(output: &OutputId, act: &Act) -> Self {
        let chip: Self = glib::Object::new();
        let press = gtk::GestureClick::new();
        press.set_propagation_phase(gtk::PropagationPhase::Capture);
        let (id, wish) = (output.clone(), act.clone());
        press.connect_pressed(glib::clone!(
            #[weak]
            chip,
            move |_, _, _, _| chip.start_holding(&id, &wish)
        ));
        press.connect_unpaired_release(glib::clone!(
            #[weak]
            chip,
            move |_, _, _, _, _| chip.end_holding()
        ));
        press.connect_released(glib::clone!(
            #[weak]
            chip,
            move |_, _, _, _| chip.end_holding()
        ));
        press.connect_cancel(glib::clone!(
            #[weak]
            chip,
            move |_, _| chip.end_holding()
        ));
        chip.add_controller(press);
        let (id, wish) = (output.clone(), act.clone());
        chip.connect_clicked(move |chip| {
            chip.end_holding();
            if !chip.imp().done.replace(false) {
                wish.call(Action::Output(id.clone()));
            }
        });
        chip
    }

    fn start_holding(&self, output: &OutputId, act: &Act) {
        let imp = self.imp();
        self.end_holding();
        imp.done.set(false);
        if !imp.running.get() {
            return;
        }
        imp.since.set(Some(Instant::now()));
        let (id, wish) = (output.clone(), act.clone());
        let timer = glib::timeout_add_local(
            STEP,
            glib::clone!(
                #[weak(rename_to = chip)]
                self,
                #[upgrade_or]
                glib::ControlFlow::Break,
                move || chip.hold(&id, &wish)
            ),
        );
        imp.timer.replace(Some(timer));
    }

    fn hold(&self, output: &OutputId, act: &Act) -> glib::ControlFlow {
        let imp = self.imp();
        let Some(since) = imp.since.get() else {
            imp.timer.replace(None);
            return glib::ControlFlow::Break;
        };
        let share = since.elapsed().as_secs_f64() / HOLD.as_secs_f64();
        imp.held.set_fraction(share.min(1.0));
        if share < 1.0 {
            return glib::ControlFlow::Continue;
        }
        // Ends here: it is not removed from outside any more.
        imp.timer.replace(None);
        imp.since.set(None);
        imp.held.set_fraction(0.0);
        imp.done.set(true);
        act.call(Action::RunOutput(output.clone(), false));
        glib::ControlFlow::Break
    }

    fn end_holding(&self) {
        let imp = self.imp();
        // Dragged off and let go, a hold ends without a click.
        let weak = self.downgrade();
        glib::idle_add_local_once(move || {
            if let Some(chip) = weak.upgrade() {
                chip.imp().done.set(false);
            }
        });
        imp.since.set(None);
        imp.held.set_fraction(0.0);
        if let Some(timer) = imp.timer.take() {
            timer.remove();
        }
    }

    /// Shows how the output is.
    pub fn show(&self, tongue: Tongue, output: &Output) {
        let imp = self.imp();
        imp.running.set(output.running);
        set_mark(&imp.sign, output.mark);
        set_text(&imp.label, &output.label);
        set_text(&imp.words, &output.words);
        for mark in [Mark::Good, Mark::Busy, Mark::Bad, Mark::Off] {
            set_class(self, mark.class(), mark == output.mark);
        }
        let name = tongue
            .tr("Output {output}")
            .replace("{output}", &output.label);
        set_name(self, &name);
        set_description(self, &output.detail);
        let what = if output.running {
            tongue.tr("Hold to stop")
        } else {
            tongue.tr("Click to start")
        };
        set_tooltip(self, &format!("{}\n{what}", output.detail));
    }
}

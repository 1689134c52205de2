//! The bottom of the window: the worst trouble, in three sentences. Always there, so that nothing
//! moves when a trouble comes.

use gtk::glib;
use gtk::prelude::*;
use gtk::subclass::prelude::*;

use crate::model::{Fault, Severity};
use crate::tongue::Tongue;

use super::action::{Act, Action};
use super::show::{set_class, set_description, set_name, set_text, set_tooltip};
use super::template::template_widget;

mod imp {
    use super::*;

    #[derive(Debug, Default, gtk::CompositeTemplate)]
    #[template(file = "../../ui/fault_bar.ui")]
    pub struct FaultBar {
        #[template_child]
        pub count: TemplateChild<gtk::Label>,
        #[template_child]
        pub happened: TemplateChild<gtk::Label>,
        #[template_child]
        pub doing: TemplateChild<gtk::Label>,
        #[template_child]
        pub list: TemplateChild<gtk::Button>,
    }

    template_widget!(FaultBar, "RegieFaultBar", super::FaultBar, gtk::Box,
        uses [], is [WidgetImpl, BoxImpl]);
}

glib::wrapper! {
    /// The fault bar.
    pub struct FaultBar(ObjectSubclass<imp::FaultBar>)
        @extends gtk::Box, gtk::Widget,
        @implements gtk::Accessible, gtk::Buildable, gtk::ConstraintTarget, gtk::Orientable;
}

/// What the bar says.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    /// How bad it is.
    pub severity: Option<Severity>,
    /// How many troubles there are.
    pub count: usize,
    /// First line.
    pub happened: String,
    /// Second line.
    pub doing: String,
}

impl Said {
    /// All is well.
    pub fn nothing(tongue: Tongue) -> Self {
        Self {
            severity: None,
            count: 0,
            happened: tongue.tr("No fault.").to_owned(),
            doing: String::new(),
        }
    }

    /// Of `count` troubles this is the worst.
    pub fn fault(tongue: Tongue, fault: &Fault, count: usize) -> Self {
        let mut happened = tongue.say(&fault.said.happened);
        if fault.count > 1 {
            happened.push_str(&format!("  ×{}", fault.count));
        }
        let doing = [
            tongue.say(&fault.said.doing),
            tongue.say(&fault.said.advice),
        ];
        Self {
            severity: Some(fault.severity),
            count,
            happened,
            doing: doing.join(" "),
        }
    }

    /// The window itself has something to say.
    pub fn own(severity: Severity, happened: String) -> Self {
        Self {
            severity: Some(severity),
            count: 0,
            happened,
            doing: String::new(),
        }
    }
}

impl FaultBar {
    /// A bar that hands wishes to `act`.
    pub fn new(act: &Act) -> Self {
        let bar: Self = glib::Object::new();
        let act = act.clone();
        bar.imp()
            .list
            .connect_clicked(move |_| act.call(Action::Faults));
        bar
    }

    /// Says this.
    pub fn show(&self, tongue: Tongue, said: &Said) {
        let imp = self.imp();
        let sign = match said.severity {
            None => "✓".to_owned(),
            Some(_) if said.count > 0 => said.count.to_string(),
            Some(_) => "▲".to_owned(),
        };
        set_text(&imp.count, &sign);
        set_text(&imp.happened, &said.happened);
        set_text(&imp.doing, &said.doing);
        set_class(
            self,
            "trouble",
            matches!(said.severity, Some(Severity::Warning | Severity::Notice)),
        );
        set_class(self, "serious", said.severity == Some(Severity::Serious));
        imp.list.set_label(tongue.tr("Show all"));
        set_name(&*imp.list, tongue.tr("Show all faults"));
        set_name(self, tongue.tr("Faults"));
        set_description(self, &format!("{} {}", said.happened, said.doing));
        set_tooltip(self, &format!("{}\n{}", said.happened, said.doing));
    }
}

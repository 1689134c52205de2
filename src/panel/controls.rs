//! From preview to programme: take, mix, the slate, and how a take is done.

use std::cell::Cell;
use std::time::{Duration, Instant};

use gtk::glib;
use gtk::prelude::*;
use gtk::subclass::prelude::*;

use crate::model::Transition;
use crate::tongue::Tongue;

use super::action::{Act, Action};
use super::big_button::BigButton;
use super::field::in_milliseconds;
use super::show::{set_class, set_description, set_name, set_tooltip};
use super::template::template_widget;
use super::truth::Slate;

/// A second click this soon, by the time that GTK counts as one, is the other half of a double click: it
/// would take back.
const DOUBLE: Duration = Duration::from_millis(400);

mod imp {
    use super::*;

    #[derive(Debug, Default, gtk::CompositeTemplate)]
    #[template(file = "../../ui/controls.ui")]
    pub struct Controls {
        #[template_child]
        pub take: TemplateChild<BigButton>,
        #[template_child]
        pub mix: TemplateChild<BigButton>,
        #[template_child]
        pub morph: TemplateChild<BigButton>,
        #[template_child]
        pub slate: TemplateChild<BigButton>,
        #[template_child]
        pub short_slate: TemplateChild<gtk::Button>,
        #[template_child]
        pub middle_slate: TemplateChild<gtk::Button>,
        #[template_child]
        pub long_slate: TemplateChild<gtk::Button>,
        #[template_child]
        pub endless_slate: TemplateChild<gtk::Button>,
        #[template_child]
        pub cut_chosen: TemplateChild<gtk::ToggleButton>,
        #[template_child]
        pub mix_chosen: TemplateChild<gtk::ToggleButton>,
        #[template_child]
        pub morph_chosen: TemplateChild<gtk::ToggleButton>,
        #[template_child]
        pub duration: TemplateChild<gtk::SpinButton>,
        #[template_child]
        pub direct: TemplateChild<gtk::ToggleButton>,
    }

    template_widget!(Controls, "RegieControls", super::Controls, gtk::Box,
        uses [BigButton], is [WidgetImpl, BoxImpl]);
}

glib::wrapper! {
    /// The controls under the preview.
    pub struct Controls(ObjectSubclass<imp::Controls>)
        @extends gtk::Box, gtk::Widget,
        @implements gtk::Accessible, gtk::Buildable, gtk::ConstraintTarget, gtk::Orientable;
}

impl Controls {
    /// Controls that hand wishes to `act`.
    pub fn new(act: &Act) -> Self {
        let controls: Self = glib::Object::new();
        let imp = controls.imp();
        for (button, action) in [
            (&imp.take, Action::Take(None)),
            (&imp.mix, Action::Take(Some(Transition::Mix))),
            (&imp.morph, Action::Take(Some(Transition::Morph))),
            (&imp.slate, Action::Slate),
        ] {
            let (act, clicked) = (act.clone(), Cell::new(None::<Instant>));
            button.connect_clicked(move |_| {
                let before = clicked.replace(Some(Instant::now()));
                if before.is_none_or(|before| before.elapsed() > DOUBLE) {
                    act.call(action.clone());
                }
            });
        }
        for (button, minutes) in controls.slate_times() {
            let act = act.clone();
            button.connect_clicked(move |_| act.call(Action::SlateFor(minutes)));
        }
        imp.cut_chosen.set_active(true);
        for (button, transition) in [
            (&imp.cut_chosen, Transition::Cut),
            (&imp.mix_chosen, Transition::Mix),
            (&imp.morph_chosen, Transition::Morph),
        ] {
            let act = act.clone();
            button.connect_toggled(move |button| {
                if button.is_active() {
                    act.call(Action::ChooseTransition(transition));
                }
            });
        }
        in_milliseconds(&imp.duration);
        let wish = act.clone();
        imp.duration
            .connect_value_changed(move |spin| wish.call(Action::Duration(spin.value() as u32)));
        let wish = act.clone();
        imp.direct
            .connect_toggled(move |button| wish.call(Action::Direct(button.is_active())));
        controls
    }

    /// The buttons that put the slate on air for a time, with their minutes.
    fn slate_times(&self) -> [(gtk::Button, Option<u32>); 4] {
        let imp = self.imp();
        [
            (imp.short_slate.get(), Some(5)),
            (imp.middle_slate.get(), Some(10)),
            (imp.long_slate.get(), Some(15)),
            (imp.endless_slate.get(), None),
        ]
    }

    /// Says what everything is.
    pub fn show(&self, tongue: Tongue, slate: &Slate) {
        let imp = self.imp();
        imp.take.show(tongue.tr("Take"), tongue.tr("Enter"));
        imp.mix.show(tongue.tr("Mix"), tongue.tr("Space"));
        imp.morph.show(tongue.tr("Morph"), "G");
        let word = if slate.on {
            tongue.tr("Leave slate")
        } else {
            tongue.tr("Slate")
        };
        let key = match slate.left.as_str() {
            "" => tongue.tr("Escape").to_owned(),
            left => format!("{} · {left}", tongue.tr("Escape")),
        };
        imp.slate.show(word, &key);
        set_name(&*imp.slate, tongue.tr("Slate"));
        let back = match slate.left.as_str() {
            "" => String::new(),
            left => tongue.tr("back in {time}").replace("{time}", left),
        };
        set_description(&*imp.slate, &back);
        for (button, minutes) in self.slate_times() {
            let (label, name) = match minutes {
                Some(n) => (
                    format!("{n} min"),
                    tongue.trn(
                        "Slate for {count} minute",
                        "Slate for {count} minutes",
                        n.into(),
                    ),
                ),
                None => (
                    "∞".to_owned(),
                    tongue.tr("Slate until it is taken away").to_owned(),
                ),
            };
            button.set_label(&label);
            set_tooltip(&button, &name);
            set_name(&button, &name);
        }
        imp.take.add_css_class("take");
        imp.slate.add_css_class("slate");
        set_class(&*imp.slate, "is-on", slate.on);
        let texts = [
            (&imp.cut_chosen, tongue.tr("Cut"), tongue.tr("Take by cut")),
            (&imp.mix_chosen, tongue.tr("Mix"), tongue.tr("Take by mix")),
            (
                &imp.morph_chosen,
                tongue.tr("Morph"),
                tongue.tr("Take by morph"),
            ),
        ];
        for (button, label, name) in texts {
            button.set_label(label);
            set_tooltip(&**button, name);
            set_name(&**button, name);
        }
        let name = tongue.tr("Duration of mix and morph, in milliseconds");
        set_tooltip(&*imp.duration, name);
        set_name(&*imp.duration, name);
        imp.direct.set_label(tongue.tr("Direct"));
        set_name(&*imp.direct, tongue.tr("Direct"));
        let what = tongue.tr("A click on a layout takes it at once");
        set_tooltip(&*imp.direct, what);
    }
}

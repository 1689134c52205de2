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
use super::show::{set_class, set_name, set_tooltip};
use super::template::template_widget;

/// A second click this soon is the other half of a double click: it would take back.
const DOUBLE: Duration = Duration::from_millis(250);

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

    /// Says what everything is; `slate`: whether it is on.
    pub fn show(&self, tongue: Tongue, slate: bool) {
        let imp = self.imp();
        imp.take.show(tongue.tr("Take"), tongue.tr("Enter"));
        imp.mix.show(tongue.tr("Mix"), tongue.tr("Space"));
        imp.morph.show(tongue.tr("Morph"), "G");
        let word = if slate {
            tongue.tr("Leave slate")
        } else {
            tongue.tr("Slate")
        };
        imp.slate.show(word, tongue.tr("Escape"));
        set_name(&*imp.slate, tongue.tr("Slate"));
        imp.take.add_css_class("take");
        imp.slate.add_css_class("slate");
        set_class(&*imp.slate, "is-on", slate);
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

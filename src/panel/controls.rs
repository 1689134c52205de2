//! From preview to programme: take, mix, the slate, and how a take is done.

use gtk::glib;
use gtk::prelude::*;
use gtk::subclass::prelude::*;

use crate::model::Transition;
use crate::tongue::Tongue;

use super::action::{Act, Action};
use super::big_button::BigButton;
use super::show::{set_class, set_name};
use super::strip::in_milliseconds;
use super::template::template_widget;

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
            (&imp.slate, Action::Slate),
        ] {
            let act = act.clone();
            button.connect_clicked(move |_| act.call(action.clone()));
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
            button.set_tooltip_text(Some(name));
            set_name(&**button, name);
        }
        let name = tongue.tr("Duration of mix and morph, in milliseconds");
        imp.duration.set_tooltip_text(Some(name));
        set_name(&*imp.duration, name);
        imp.direct.set_label(tongue.tr("Direct"));
        set_name(&*imp.direct, tongue.tr("Direct"));
        let what = tongue.tr("A click on a layout takes it at once");
        imp.direct.set_tooltip_text(Some(what));
    }
}

//! One role and who plays it: clicked, the next source that is chosen plays it.

use gtk::prelude::*;

use crate::model::RoleId;
use crate::tongue::Tongue;

use super::action::{Act, Action};
use super::show::{set_class, set_description, set_name, set_text};
use super::truth::Role;

/// A role's button.
#[derive(Debug, Clone)]
pub struct RoleChip {
    button: gtk::Button,
    role: gtk::Label,
    player: gtk::Label,
    key: gtk::Label,
}

impl RoleChip {
    /// The button of `role`; its colour is that of the role's slots in the drawings.
    pub fn new(role: &RoleId, number: usize, act: &Act) -> Self {
        let chip = Self {
            button: gtk::Button::new(),
            role: gtk::Label::builder().xalign(0.0).build(),
            player: gtk::Label::builder()
                .xalign(0.0)
                .hexpand(true)
                .ellipsize(gtk::pango::EllipsizeMode::End)
                .build(),
            key: gtk::Label::builder().label("R").build(),
        };
        chip.button.set_focus_on_click(false);
        chip.key.set_valign(gtk::Align::Center);
        chip.key.add_css_class("key");
        let swatch = gtk::Box::builder().valign(gtk::Align::Center).build();
        swatch.add_css_class("swatch");
        swatch.add_css_class(&format!("role-{}", number % 4));
        let line = gtk::Box::new(gtk::Orientation::Horizontal, 0);
        line.append(&swatch);
        line.append(&chip.role);
        line.append(&chip.player);
        line.append(&chip.key);
        chip.role.add_css_class("role-name");
        chip.player.add_css_class("player");
        chip.button.add_css_class("role");
        chip.button.set_child(Some(&line));
        let (id, act) = (role.clone(), act.clone());
        chip.button
            .connect_clicked(move |_| act.call(Action::SelectRole(id.clone())));
        chip
    }

    /// The widget.
    pub fn widget(&self) -> &gtk::Button {
        &self.button
    }

    /// Shows who plays it, whether it waits for a source, and whether it is the next one to be
    /// selected by key.
    pub fn show(&self, tongue: Tongue, role: &Role, selected: bool, next: bool) {
        // Its place is kept, so that nothing moves.
        self.key.set_opacity(if next { 1.0 } else { 0.0 });
        set_text(&self.role, &role.label);
        let player = if selected {
            tongue.tr("choose a source")
        } else {
            &role.player
        };
        set_text(&self.player, player);
        set_class(&self.button, "selected", selected);
        set_class(&self.button, "missing", !role.live);
        let name = tongue.tr("Role {role}").replace("{role}", &role.label);
        set_name(&self.button, &name);
        set_description(&self.button, player);
    }
}

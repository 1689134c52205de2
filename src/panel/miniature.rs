//! A drawing of a layout: its slots as rectangles, each role in its colour; stripes for the slate.

use gtk::prelude::*;
use gtk::subclass::prelude::*;
use gtk::{gdk, glib, graphene};

use crate::model::{Colour, Layout};

use super::paint::{colour, filled};

mod imp {
    use super::*;
    use std::cell::RefCell;

    #[derive(Debug, Default)]
    pub struct Miniature {
        pub layout: RefCell<Option<Layout>>,
        pub roles: RefCell<Vec<String>>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for Miniature {
        const NAME: &'static str = "RegieMiniature";
        type Type = super::Miniature;
        type ParentType = gtk::Widget;

        fn class_init(class: &mut Self::Class) {
            class.set_css_name("miniature");
            class.set_accessible_role(gtk::AccessibleRole::Presentation);
        }
    }

    impl ObjectImpl for Miniature {}

    impl WidgetImpl for Miniature {
        fn measure(&self, orientation: gtk::Orientation, for_size: i32) -> (i32, i32, i32, i32) {
            // 16:9 of the height that the button gives.
            match orientation {
                gtk::Orientation::Horizontal if for_size > 0 => {
                    let width = for_size * 16 / 9;
                    (width, width, -1, -1)
                }
                gtk::Orientation::Horizontal => (32, 64, -1, -1),
                _ => (18, 36, -1, -1),
            }
        }

        fn request_mode(&self) -> gtk::SizeRequestMode {
            gtk::SizeRequestMode::WidthForHeight
        }

        fn snapshot(&self, snapshot: &gtk::Snapshot) {
            let widget = self.obj();
            let (width, height) = (widget.width() as f32, widget.height() as f32);
            // The frame keeps its shape whatever the button's.
            let w = width.min(height * 16.0 / 9.0);
            let h = w * 9.0 / 16.0;
            let (x, y) = ((width - w) / 2.0, (height - h) / 2.0);
            let frame = graphene::Rect::new(x, y, w, h);
            filled(snapshot, &frame, 3.0, &colour(&*widget, "miniature_frame"));
            let Some(layout) = &*self.layout.borrow() else {
                return;
            };
            if layout.slots.is_empty() {
                stripes(snapshot, &frame, &colour(&*widget, "miniature_slate"));
            }
            let edge = colour(&*widget, "miniature_edge");
            for slot in &layout.slots {
                let rect = graphene::Rect::new(
                    x + slot.rect.x as f32 * w,
                    y + slot.rect.y as f32 * h,
                    slot.rect.width as f32 * w,
                    slot.rect.height as f32 * h,
                );
                let roles = self.roles.borrow();
                let number = roles.iter().position(|role| role == slot.role.as_str());
                let name = format!("role_{}", number.unwrap_or(0) % 4);
                // A layout's own border shows where a slot has an edge anyway.
                let border = slot.border.map(|border| {
                    let Colour { red, green, blue } = border.colour;
                    let part = |part: u8| f32::from(part) / 255.0;
                    gdk::RGBA::new(part(red), part(green), part(blue), 1.0)
                });
                filled(snapshot, &rect, 2.0, border.as_ref().unwrap_or(&edge));
                let inner = rect.inset_r(1.0, 1.0);
                filled(snapshot, &inner, 1.5, &colour(&*widget, &name));
            }
        }
    }

    fn stripes(snapshot: &gtk::Snapshot, frame: &graphene::Rect, ink: &gdk::RGBA) {
        snapshot.push_clip(frame);
        snapshot.save();
        snapshot.translate(&graphene::Point::new(frame.x(), frame.y()));
        snapshot.rotate(-45.0);
        let step = frame.height() / 4.0;
        let mut at = -frame.height();
        while at < frame.width() + frame.height() {
            let stripe = graphene::Rect::new(
                at,
                -frame.width(),
                step / 2.0,
                2.0 * (frame.width() + frame.height()),
            );
            snapshot.append_color(ink, &stripe);
            at += step;
        }
        snapshot.restore();
        snapshot.pop();
    }
}

glib::wrapper! {
    /// A drawing of a layout.
    pub struct Miniature(ObjectSubclass<imp::Miniature>)
        @extends gtk::Widget,
        @implements gtk::Accessible, gtk::Buildable, gtk::ConstraintTarget;
}

impl Miniature {
    /// Draws this layout; `roles` are all roles of the venue, in the order of their colours.
    pub fn show_layout(&self, layout: &Layout, roles: Vec<String>) {
        let imp = self.imp();
        if imp.layout.borrow().as_ref() == Some(layout) && *imp.roles.borrow() == roles {
            return;
        }
        imp.layout.replace(Some(layout.clone()));
        imp.roles.replace(roles);
        self.queue_draw();
    }
}

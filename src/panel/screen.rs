//! A live picture: it shows the newest one it was given, letterboxed, and black before the first.

use gtk::prelude::*;
use gtk::subclass::prelude::*;
use gtk::{gdk, glib, graphene};

use crate::model::Letterbox;

mod imp {
    use super::*;
    use std::cell::RefCell;

    #[derive(Debug, Default)]
    pub struct Screen {
        pub texture: RefCell<Option<gdk::Texture>>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for Screen {
        const NAME: &'static str = "RegieScreen";
        type Type = super::Screen;
        type ParentType = gtk::Widget;

        fn class_init(class: &mut Self::Class) {
            class.set_css_name("screen");
            class.set_accessible_role(gtk::AccessibleRole::Img);
        }
    }

    impl ObjectImpl for Screen {}

    impl WidgetImpl for Screen {
        fn measure(&self, _: gtk::Orientation, _: i32) -> (i32, i32, i32, i32) {
            // It takes what it is given.
            (16, 16, -1, -1)
        }

        fn snapshot(&self, snapshot: &gtk::Snapshot) {
            let widget = self.obj();
            let (width, height) = (widget.width() as f32, widget.height() as f32);
            let whole = graphene::Rect::new(0.0, 0.0, width, height);
            snapshot.append_color(&gdk::RGBA::BLACK, &whole);
            if let Some(texture) = &*self.texture.borrow() {
                let size = (texture.width() as f32, texture.height() as f32);
                let lies = Letterbox::of(size, (width, height));
                let place = graphene::Rect::new(lies.x, lies.y, lies.width, lies.height);
                snapshot.append_texture(texture, &place);
            }
        }
    }
}

glib::wrapper! {
    /// A live picture.
    pub struct Screen(ObjectSubclass<imp::Screen>)
        @extends gtk::Widget,
        @implements gtk::Accessible, gtk::Buildable, gtk::ConstraintTarget;
}

impl Screen {
    /// Shows this picture, or black.
    pub fn show_picture(&self, texture: Option<gdk::Texture>) {
        let was_black = self.imp().texture.replace(texture).is_none();
        if !was_black || self.imp().texture.borrow().is_some() {
            self.queue_draw();
        }
    }

    /// The size, in the screen's own pixels, at which a picture of this aspect needs no further
    /// scaling: both even, and never more than the engine gives or than `most` pixels wide. `None`
    /// while it has no place.
    pub fn wanted(&self, aspect: f64, most: u32) -> Option<(u32, u32)> {
        let scale = f64::from(self.scale_factor());
        let (width, height) = (f64::from(self.width()), f64::from(self.height()));
        let most = f64::from(most.min(3840)).min(2160.0 * aspect) / scale;
        let width = width.min(height * aspect).min(most);
        let even = |length: f64| ((length * scale).round() as u32) & !1;
        let (width, height) = (even(width), even(width / aspect));
        (width >= 16 && height >= 16).then_some((width, height))
    }
}

//! The picture on the screen: the newest one it was given, undistorted, with black round it. It notes
//! when each was drawn.

use gtk::prelude::*;
use gtk::subclass::prelude::*;
use gtk::{gdk, glib, graphene};

use crate::model::Letterbox;

use super::figures::Drawn;

mod imp {
    use super::*;
    use std::cell::{Cell, RefCell};

    use crate::engine::timebase::Timebase;

    #[derive(Debug, Default)]
    pub struct Glass {
        pub texture: RefCell<Option<gdk::Texture>>,
        /// When the picture that has not been drawn yet had come.
        pub entered: Cell<Option<i64>>,
        pub drawn: RefCell<Drawn>,
        pub clock: RefCell<Option<Timebase>>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for Glass {
        const NAME: &'static str = "RegieGlass";
        type Type = super::Glass;
        type ParentType = gtk::Widget;

        fn class_init(class: &mut Self::Class) {
            class.set_css_name("glass");
            class.set_accessible_role(gtk::AccessibleRole::Img);
        }
    }

    impl ObjectImpl for Glass {}

    impl WidgetImpl for Glass {
        fn measure(&self, _: gtk::Orientation, _: i32) -> (i32, i32, i32, i32) {
            // It takes what it is given.
            (16, 16, -1, -1)
        }

        fn snapshot(&self, snapshot: &gtk::Snapshot) {
            let widget = self.obj();
            let (width, height) = (widget.width() as f32, widget.height() as f32);
            let whole = graphene::Rect::new(0.0, 0.0, width, height);
            let texture = self.texture.borrow();
            let place = texture.as_ref().map(|texture| {
                let size = (texture.width() as f32, texture.height() as f32);
                let lies = Letterbox::of(size, (width, height));
                graphene::Rect::new(lies.x, lies.y, lies.width, lies.height)
            });
            // Behind a picture that covers everything it would be drawn for nothing.
            if place.as_ref() != Some(&whole) {
                snapshot.append_color(&gdk::RGBA::BLACK, &whole);
            }
            if let (Some(texture), Some(place)) = (&*texture, place) {
                snapshot.append_texture(texture, &place);
            }
            if let (Some(entered), Some(clock)) = (self.entered.take(), &*self.clock.borrow()) {
                let now = i64::try_from(clock.now().nseconds()).unwrap_or(i64::MAX);
                self.drawn.borrow_mut().note(entered, now);
            }
        }
    }
}

glib::wrapper! {
    /// The picture on the screen.
    pub struct Glass(ObjectSubclass<imp::Glass>)
        @extends gtk::Widget,
        @implements gtk::Accessible, gtk::Buildable, gtk::ConstraintTarget;
}

impl Glass {
    /// Measures by this clock.
    pub fn set_clock(&self, clock: &crate::engine::timebase::Timebase) {
        self.imp().clock.replace(Some(clock.clone()));
    }

    /// Shows this picture, which came at `entered`; `true`: the one before it was never drawn.
    pub fn show_picture(&self, texture: gdk::Texture, entered: i64) -> bool {
        let imp = self.imp();
        imp.texture.replace(Some(texture));
        self.queue_draw();
        imp.entered.replace(Some(entered)).is_some()
    }

    /// Shows nothing any more, and gives the memory back.
    pub fn clear(&self) {
        let imp = self.imp();
        imp.entered.set(None);
        if imp.texture.take().is_some() {
            self.queue_draw();
        }
    }

    /// What has been drawn of late.
    pub fn drawn(&self) -> Drawn {
        self.imp().drawn.borrow().clone()
    }

    /// What is drawn from now on is of another connection.
    pub fn begin(&self) {
        self.imp().drawn.borrow_mut().clear();
    }

    /// The place for pictures, in the screen's own pixels.
    pub fn pixels(&self) -> Option<(u32, u32)> {
        let scale = self.scale_factor().max(1);
        let of = |length: i32| u32::try_from(length * scale).ok().filter(|own| *own >= 16);
        Some((of(self.width())?, of(self.height())?))
    }
}

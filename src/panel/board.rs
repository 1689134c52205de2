//! Puts the window's parts where `geometry` says, whatever they hold: nothing that happens moves
//! anything.

use gtk::glib;
use gtk::prelude::*;
use gtk::subclass::prelude::*;

use super::geometry::{Content, Place, Places, places, text_size};

/// The parts, in the order in which they are reached by Tab and by a screen reader.
#[derive(Debug, Clone)]
pub struct Parts {
    /// [`Places::header`].
    pub header: gtk::Widget,
    /// [`Places::preview`].
    pub preview: gtk::Widget,
    /// [`Places::controls`].
    pub controls: gtk::Widget,
    /// [`Places::programme`].
    pub programme: gtk::Widget,
    /// [`Places::layouts`].
    pub layouts: gtk::Widget,
    /// [`Places::roles`].
    pub roles: gtk::Widget,
    /// [`Places::sources`].
    pub sources: gtk::Widget,
    /// [`Places::sound`].
    pub sound: gtk::Widget,
    /// [`Places::faults`].
    pub faults: gtk::Widget,
}

impl Parts {
    fn placed(&self, places: &Places) -> [(&gtk::Widget, Place); 9] {
        [
            (&self.header, places.header),
            (&self.preview, places.preview),
            (&self.controls, places.controls),
            (&self.programme, places.programme),
            (&self.layouts, places.layouts),
            (&self.roles, places.roles),
            (&self.sources, places.sources),
            (&self.sound, places.sound),
            (&self.faults, places.faults),
        ]
    }
}

mod imp {
    use super::*;
    use std::cell::{Cell, RefCell};

    #[derive(Debug)]
    pub struct Board {
        pub parts: RefCell<Option<Parts>>,
        pub content: Cell<Content>,
    }

    impl Default for Board {
        fn default() -> Self {
            let content = Content {
                strips: 4,
                sources: 4,
                aspect: 16.0 / 9.0,
            };
            Self {
                parts: RefCell::default(),
                content: Cell::new(content),
            }
        }
    }

    #[glib::object_subclass]
    impl ObjectSubclass for Board {
        const NAME: &'static str = "RegieBoard";
        type Type = super::Board;
        type ParentType = gtk::Widget;

        fn class_init(class: &mut Self::Class) {
            class.set_css_name("board");
            class.set_accessible_role(gtk::AccessibleRole::Group);
        }
    }

    impl ObjectImpl for Board {
        fn dispose(&self) {
            while let Some(child) = self.obj().first_child() {
                child.unparent();
            }
        }
    }

    impl WidgetImpl for Board {
        fn measure(&self, orientation: gtk::Orientation, _: i32) -> (i32, i32, i32, i32) {
            match orientation {
                gtk::Orientation::Horizontal => (1024, 1280, -1, -1),
                _ => (600, 720, -1, -1),
            }
        }

        fn size_allocate(&self, width: i32, height: i32, _: i32) {
            let parts = self.parts.borrow();
            let Some(parts) = &*parts else { return };
            let em = text_size(width, height);
            for (part, place) in parts.placed(&places(width, height, em, self.content.get())) {
                // GTK complains about a widget that is not measured before it is placed.
                part.measure(gtk::Orientation::Horizontal, -1);
                let place = gtk::Allocation::new(place.x, place.y, place.width, place.height);
                part.size_allocate(&place, -1);
            }
        }
    }
}

glib::wrapper! {
    /// The window's contents.
    pub struct Board(ObjectSubclass<imp::Board>)
        @extends gtk::Widget,
        @implements gtk::Accessible, gtk::Buildable, gtk::ConstraintTarget;
}

impl Board {
    /// Has these parts.
    pub fn set_parts(&self, parts: Parts) {
        for (part, _) in parts.placed(&places(1280, 720, 11.0, self.imp().content.get())) {
            part.set_parent(self);
        }
        self.imp().parts.replace(Some(parts));
    }

    /// Makes room for this much.
    pub fn set_content(&self, content: Content) {
        if self.imp().content.replace(content) != content {
            self.queue_allocate();
        }
    }
}

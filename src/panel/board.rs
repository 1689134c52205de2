//! Puts the window's parts where `geometry` says, whatever they hold: nothing that happens moves
//! anything.

use std::rc::Rc;

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

/// Told the board's width and height.
type OnSize = Rc<dyn Fn(i32, i32)>;

mod imp {
    use super::*;
    use std::cell::{Cell, RefCell};

    pub struct Board {
        pub size: Cell<(i32, i32)>,
        pub on_size: RefCell<Vec<OnSize>>,
        pub parts: RefCell<Option<Parts>>,
        pub content: Cell<Content>,
    }

    impl Default for Board {
        fn default() -> Self {
            let content = Content {
                strips: 4,
                aspect: 16.0 / 9.0,
            };
            Self {
                size: Cell::default(),
                on_size: RefCell::default(),
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
                _ => (576, 720, -1, -1),
            }
        }

        fn size_allocate(&self, width: i32, height: i32, _: i32) {
            let parts = self.parts.borrow();
            let Some(parts) = &*parts else { return };
            let em = text_size(width, height);
            if self.size.replace((width, height)) != (width, height) {
                self.obj().tell_size(width, height);
            }
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

    /// Calls `told` with the board's width and height when they have changed, after it is laid out.
    pub fn connect_size(&self, told: impl Fn(i32, i32) + 'static) {
        self.imp().on_size.borrow_mut().push(Rc::new(told));
    }

    fn tell_size(&self, width: i32, height: i32) {
        let listeners = self.imp().on_size.borrow().clone();
        // Not while the window is being laid out.
        glib::idle_add_local_once(move || {
            for told in &listeners {
                told(width, height);
            }
        });
    }

    /// Makes room for this much.
    pub fn set_content(&self, content: Content) {
        if self.imp().content.replace(content) != content {
            self.queue_allocate();
        }
    }
}

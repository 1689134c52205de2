//! A row of equal children: as wide as there is room for, within limits; beyond them it is wider
//! than its place, and scrolls. What a child says never changes how wide it is.

use gtk::glib;
use gtk::prelude::*;
use gtk::subclass::prelude::*;

use super::geometry::row_width;

mod imp {
    use super::*;
    use std::cell::Cell;

    #[derive(Debug)]
    pub struct Row {
        pub gap: Cell<i32>,
        pub least: Cell<i32>,
        pub most: Cell<i32>,
        /// The last child is wider by this share of the others' width, in percent.
        pub last_extra: Cell<i32>,
    }

    impl Default for Row {
        fn default() -> Self {
            Self {
                gap: Cell::new(6),
                // Until the window has a size.
                least: Cell::new(60),
                most: Cell::new(i32::MAX / 1000),
                last_extra: Cell::new(0),
            }
        }
    }

    #[glib::object_subclass]
    impl ObjectSubclass for Row {
        const NAME: &'static str = "RegieRow";
        type Type = super::Row;
        type ParentType = gtk::Widget;

        fn class_init(class: &mut Self::Class) {
            class.set_css_name("row");
            class.set_accessible_role(gtk::AccessibleRole::Group);
        }
    }

    impl ObjectImpl for Row {
        fn dispose(&self) {
            while let Some(child) = self.obj().first_child() {
                child.unparent();
            }
        }
    }

    impl WidgetImpl for Row {
        fn measure(&self, orientation: gtk::Orientation, _: i32) -> (i32, i32, i32, i32) {
            if orientation == gtk::Orientation::Vertical {
                return (1, 1, -1, -1);
            }
            let count = self.obj().children().len() as i32;
            let total = self.least.get() * count + self.gap.get() * (count - 1).max(0);
            let total = total + self.least.get() * self.last_extra.get() / 100;
            (total.max(1), total.max(1), -1, -1)
        }

        fn size_allocate(&self, width: i32, height: i32, _: i32) {
            let children = self.obj().children();
            let (gap, extra) = (self.gap.get(), self.last_extra.get());
            let count = children.len();
            // The last one's extra width is shared out as if it were part of another child.
            let available = if extra > 0 && count > 0 {
                (width - gap * (count as i32 - 1)) * (count as i32) * 100
                    / (count as i32 * 100 + extra)
                    + gap * (count as i32 - 1)
            } else {
                width
            };
            let each = row_width(available, count, gap, self.least.get(), self.most.get());
            let mut x = 0;
            for (i, child) in children.iter().enumerate() {
                let own = if i + 1 == count {
                    each + each * extra / 100
                } else {
                    each
                };
                let place = gtk::Allocation::new(x, 0, own, height);
                child.size_allocate(&place, -1);
                x += own + gap;
            }
        }
    }
}

glib::wrapper! {
    /// A row of equal children.
    pub struct Row(ObjectSubclass<imp::Row>)
        @extends gtk::Widget,
        @implements gtk::Accessible, gtk::Buildable, gtk::ConstraintTarget;
}

impl Row {
    /// Sets the gap between children and the limits of their width, in pixels.
    pub fn set_limits(&self, gap: i32, least: i32, most: i32) {
        let imp = self.imp();
        if (imp.gap.get(), imp.least.get(), imp.most.get()) != (gap, least, most) {
            imp.gap.set(gap);
            imp.least.set(least);
            imp.most.set(most);
            self.queue_resize();
        }
    }

    /// Makes the last child wider than the others, by this many percent.
    pub fn set_last_extra(&self, percent: i32) {
        self.imp().last_extra.set(percent);
    }

    /// Has these children, in this order.
    pub fn set_children(&self, children: &[gtk::Widget]) {
        while let Some(child) = self.first_child() {
            child.unparent();
        }
        for child in children {
            child.set_parent(self);
        }
    }

    /// Its children, in order.
    pub fn children(&self) -> Vec<gtk::Widget> {
        std::iter::successors(self.first_child(), |child| child.next_sibling()).collect()
    }
}

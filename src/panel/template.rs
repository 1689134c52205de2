//! What every widget with a template has in common.

/// Makes the struct `$imp` of template children a widget of class `$name`; `$uses` are our own
/// widgets that its template names.
macro_rules! template_widget {
    ($imp:ident, $name:literal, $type:ty, $parent:ty, uses [$($uses:ty),*], is [$($class:ident),*]) => {
        #[gtk::glib::object_subclass]
        impl gtk::subclass::prelude::ObjectSubclass for $imp {
            const NAME: &'static str = $name;
            type Type = $type;
            type ParentType = $parent;

            fn class_init(class: &mut Self::Class) {
                use gtk::subclass::prelude::*;
                $( <$uses as gtk::glib::prelude::StaticTypeExt>::ensure_type(); )*
                class.bind_template();
            }

            fn instance_init(object: &gtk::glib::subclass::InitializingObject<Self>) {
                use gtk::subclass::prelude::*;
                object.init_template();
            }
        }

        impl gtk::subclass::prelude::ObjectImpl for $imp {}
        $( impl adw::subclass::prelude::$class for $imp {} )*
    };
}

pub(super) use template_widget;

//! The screen's window: builds its widgets and has them show what is so. Decides nothing.

use gtk::prelude::*;
use gtk::subclass::prelude::*;
use gtk::{gdk, gio, glib};

use crate::tongue::Tongue;

use super::choice::Choice;
use super::glass::Glass;
use super::output;
use super::stage::Urgency;

/// Text is this much of the window's height.
const TEXT: f64 = 1.0 / 42.0;

mod imp {
    use super::*;
    use std::cell::{Cell, RefCell};

    #[derive(Debug, Default, gtk::CompositeTemplate)]
    #[template(file = "../../ui/screen.ui")]
    pub struct Window {
        #[template_child]
        pub glass: TemplateChild<Glass>,
        #[template_child]
        pub slate: TemplateChild<gtk::Box>,
        #[template_child]
        pub room: TemplateChild<gtk::Label>,
        #[template_child]
        pub sentence: TemplateChild<gtk::Label>,
        #[template_child]
        pub hint: TemplateChild<gtk::Label>,
        #[template_child]
        pub choice: TemplateChild<gtk::Box>,
        #[template_child]
        pub question: TemplateChild<gtk::Label>,
        #[template_child]
        pub rooms: TemplateChild<gtk::ListBox>,
        #[template_child]
        pub taken: TemplateChild<gtk::Label>,
        #[template_child]
        pub info: TemplateChild<gtk::Box>,
        #[template_child]
        pub names: TemplateChild<gtk::Label>,
        #[template_child]
        pub values: TemplateChild<gtk::Label>,
        #[template_child]
        pub stage: TemplateChild<gtk::Box>,
        #[template_child]
        pub clock: TemplateChild<gtk::Label>,
        #[template_child]
        pub left: TemplateChild<gtk::Label>,
        pub text_size: gtk::CssProvider,
        /// The height that the text was made for.
        pub fitted: Cell<i32>,
        /// Names and machines of the rows.
        pub listed: RefCell<Vec<(String, String)>>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for Window {
        const NAME: &'static str = "RegieScreenWindow";
        type Type = super::Window;
        type ParentType = gtk::ApplicationWindow;

        fn class_init(class: &mut Self::Class) {
            Glass::ensure_type();
            class.bind_template();
        }

        fn instance_init(object: &glib::subclass::InitializingObject<Self>) {
            object.init_template();
        }
    }

    impl ObjectImpl for Window {}
    impl WidgetImpl for Window {
        fn size_allocate(&self, width: i32, height: i32, baseline: i32) {
            self.parent_size_allocate(width, height, baseline);
            self.obj().fit_text(height);
        }
    }
    impl WindowImpl for Window {}
    impl ApplicationWindowImpl for Window {}
}

glib::wrapper! {
    /// The screen's window.
    pub struct Window(ObjectSubclass<imp::Window>)
        @extends gtk::ApplicationWindow, gtk::Window, gtk::Widget,
        @implements gio::ActionGroup, gio::ActionMap, gtk::Accessible, gtk::Buildable,
            gtk::ConstraintTarget, gtk::Native, gtk::Root, gtk::ShortcutManager;
}

impl Window {
    /// A window of `app`; without a cursor.
    pub fn new(app: &gtk::Application, stage: bool) -> Self {
        let window: Self = glib::Object::builder().property("application", app).build();
        let display = WidgetExt::display(&window);
        let sheet = gtk::CssProvider::new();
        sheet.load_from_data(include_str!("../../ui/screen.css"));
        let priority = gtk::STYLE_PROVIDER_PRIORITY_APPLICATION;
        gtk::style_context_add_provider_for_display(&display, &sheet, priority);
        let size = &window.imp().text_size;
        gtk::style_context_add_provider_for_display(&display, size, priority + 1);
        window.set_cursor_from_name(Some("none"));
        window.imp().stage.set_visible(stage);
        window
    }

    /// The picture.
    pub fn glass(&self) -> &Glass {
        &self.imp().glass
    }

    /// Text grows with the window.
    fn fit_text(&self, height: i32) {
        if self.imp().fitted.replace(height) == height {
            return;
        }
        let size = (f64::from(height) * TEXT).max(9.0);
        let rule = format!(".regie-screen {{ font-size: {size:.1}px; }}");
        let provider = self.imp().text_size.clone();
        // Not while sizes are being given out.
        glib::idle_add_local_once(move || provider.load_from_data(&rule));
    }

    /// Names the picture for screen readers.
    pub fn name_picture(&self, name: &str) {
        let glass: &Glass = &self.imp().glass;
        glass.update_property(&[gtk::accessible::Property::Label(name)]);
    }

    /// A window like others, on a desktop.
    pub fn uncover(&self) {
        self.set_decorated(true);
        self.unfullscreen();
    }

    /// Covers that output, or the one that the display chooses.
    pub fn cover(&self, monitor: Option<&gdk::Monitor>) {
        self.set_decorated(false);
        let first = || output::all(&WidgetExt::display(self)).into_iter().next();
        if let Some(own) = monitor.cloned().or_else(first) {
            // Where nobody manages windows, nobody makes them full screen either.
            let place = own.geometry();
            self.set_default_size(place.width(), place.height());
        }
        match monitor {
            Some(monitor) => self.fullscreen_on_monitor(monitor),
            None => self.fullscreen(),
        }
    }

    /// Shows the slate with these words, or takes it away.
    pub fn show_slate(&self, words: Option<&Words>) {
        let imp = self.imp();
        if let Some(words) = words {
            set_text(&imp.room, &words.room);
            set_text(&imp.sentence, &words.sentence);
            set_text(&imp.hint, &words.hint);
        }
        imp.slate.set_visible(words.is_some());
    }

    /// Shows the rooms to choose from, or takes them away. `left`: seconds until the marked one is
    /// taken.
    pub fn show_choice(&self, tongue: Tongue, choice: &Choice, left: Option<u64>) {
        let imp = self.imp();
        let Choice::Asking { rooms, marked, .. } = choice else {
            imp.choice.set_visible(false);
            return;
        };
        let listed: Vec<(String, String)> = rooms
            .iter()
            .map(|room| (room.name.clone(), room.host.clone()))
            .collect();
        if *imp.listed.borrow() != listed {
            while let Some(row) = imp.rooms.row_at_index(0) {
                imp.rooms.remove(&row);
            }
            for (name, host) in &listed {
                imp.rooms.append(&row(name, host));
            }
            imp.listed.replace(listed);
        }
        let marked = i32::try_from(*marked).unwrap_or(0);
        imp.rooms
            .select_row(imp.rooms.row_at_index(marked).as_ref());
        set_text(&imp.question, tongue.tr("Which room?"));
        let taken = left.map_or_else(String::new, |left| {
            tongue
                .tr("Nothing pressed: this one in {seconds} s")
                .replace("{seconds}", &left.to_string())
        });
        set_text(&imp.taken, &taken);
        imp.choice.set_visible(true);
    }

    /// Calls `chosen` with the row that was clicked.
    pub fn connect_chosen(&self, chosen: impl Fn(usize) + 'static) {
        self.imp().rooms.connect_row_activated(move |_, row| {
            if let Ok(index) = usize::try_from(row.index()) {
                chosen(index);
            }
        });
    }

    /// Shows names and values over the picture, or takes them away.
    pub fn show_info(&self, lines: Option<&[(String, String)]>) {
        let imp = self.imp();
        if let Some(lines) = lines {
            let names: Vec<&str> = lines.iter().map(|(name, _)| name.as_str()).collect();
            let values: Vec<&str> = lines.iter().map(|(_, value)| value.as_str()).collect();
            set_text(&imp.names, &names.join("\n"));
            set_text(&imp.values, &values.join("\n"));
        }
        imp.info.set_visible(lines.is_some());
    }

    /// Shows the time of day, and the time that is left.
    pub fn show_time(&self, clock: &str, left: Option<(&str, Urgency)>) {
        let imp = self.imp();
        set_text(&imp.clock, clock);
        imp.left.set_visible(left.is_some());
        if let Some((text, urgency)) = left {
            set_text(&imp.left, text);
            for (class, own) in [("soon", Urgency::Soon), ("over", Urgency::Over)] {
                match own == urgency {
                    true => imp.left.add_css_class(class),
                    false => imp.left.remove_css_class(class),
                }
            }
        }
    }
}

/// What a slate says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Words {
    /// Which room it is.
    pub room: String,
    /// What happens.
    pub sentence: String,
    /// For whoever looks after it; most often nothing.
    pub hint: String,
}

fn row(name: &str, host: &str) -> gtk::ListBoxRow {
    let both = gtk::Box::new(gtk::Orientation::Vertical, 0);
    for (text, class) in [(name, "name"), (host, "host")] {
        let label = gtk::Label::new(Some(text));
        label.set_xalign(0.0);
        label.set_ellipsize(gtk::pango::EllipsizeMode::End);
        label.add_css_class(class);
        both.append(&label);
    }
    let row = gtk::ListBoxRow::new();
    row.set_child(Some(&both));
    row.update_property(&[gtk::accessible::Property::Label(name)]);
    row
}

fn set_text(label: &gtk::Label, text: &str) {
    if label.text() != text {
        label.set_text(text);
    }
}

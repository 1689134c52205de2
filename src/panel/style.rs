//! The style sheet, and the size of the text, which follows the window's.

use gtk::gdk;

/// What `ui/style.css` says, and one line more: how large the text is.
#[derive(Debug)]
pub struct Style {
    size: gtk::CssProvider,
}

impl Style {
    /// Applies the style sheet to everything on `display`.
    pub fn apply(display: &gdk::Display) -> Self {
        let sheet = gtk::CssProvider::new();
        sheet.load_from_data(include_str!("../../ui/style.css"));
        let size = gtk::CssProvider::new();
        let priority = gtk::STYLE_PROVIDER_PRIORITY_APPLICATION;
        gtk::style_context_add_provider_for_display(display, &sheet, priority);
        gtk::style_context_add_provider_for_display(display, &size, priority + 1);
        Self { size }
    }

    /// Text is this large from now on, in pixels.
    pub fn set_text_size(&self, pixels: f64) {
        let rule = format!(".regie {{ font-size: {pixels:.1}px; }}");
        self.size.load_from_data(&rule);
    }
}

//! What our own widgets draw with. Colours have names, and stand in `ui/style.css`.

use gtk::prelude::*;
use gtk::{gdk, graphene, gsk};

/// The colour of that name in the style sheet; glaring where there is none, so that it is noticed.
pub fn colour(widget: &impl IsA<gtk::Widget>, name: &str) -> gdk::RGBA {
    let known = widget.style_context().lookup_color(name);
    known.unwrap_or(gdk::RGBA::new(1.0, 0.0, 1.0, 1.0))
}

/// A rectangle with round corners.
pub fn filled(snapshot: &gtk::Snapshot, rect: &graphene::Rect, radius: f32, ink: &gdk::RGBA) {
    let round = gsk::RoundedRect::from_rect(*rect, radius);
    snapshot.push_rounded_clip(&round);
    snapshot.append_color(ink, rect);
    snapshot.pop();
}

/// Small text whose left edge is at `x`, and whose middle is at `y`.
pub fn text(
    widget: &impl IsA<gtk::Widget>,
    snapshot: &gtk::Snapshot,
    x: f32,
    y: f32,
    what: &str,
    ink: &gdk::RGBA,
) {
    let layout = widget.create_pango_layout(Some(what));
    let (_, height) = layout.pixel_size();
    snapshot.save();
    snapshot.translate(&graphene::Point::new(x, y - height as f32 / 2.0));
    snapshot.append_layout(&layout, ink);
    snapshot.restore();
}

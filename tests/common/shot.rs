//! A picture of a panel, and the colours at its widgets.

use super::picture::{Colour, Picture};
use super::widget::Node;

/// What was on the display at one moment.
pub struct Shot {
    pub picture: Picture,
    pub(super) scale: f64,
    /// Round the window's contents, in the display's pixels.
    pub(super) margin: f64,
}

impl Shot {
    /// The colour at a place of a widget, as fractions of its extents.
    pub fn colour_is(&self, node: &Node, at: (f64, f64), expected: Colour) -> Result<(), String> {
        let [left, top, width, height] = node.extents;
        let seen = self.colour(left + at.0 * width, top + at.1 * height);
        let is_so = seen.is_like(expected);
        let what = || format!("{seen:?} at {at:?} of {:?}, not {expected:?}", node.name);
        is_so.then_some(()).ok_or_else(what)
    }

    /// The colour of a widget's border: it lies outside the extents, beyond some padding.
    pub fn border_is(&self, node: &Node, expected: Colour) -> Result<(), String> {
        let [left, top, _, height] = node.extents;
        // Several lines: it may be dashed.
        let lines = (4..12).map(|line| top + height * f64::from(line) / 16.0);
        let places = lines.flat_map(|y| (1..40).map(move |x| (left - f64::from(x) / 2.0, y)));
        let is_so = places
            .map(|(x, y)| self.colour(x, y))
            .any(|seen| (9..=10).any(|share| seen.is_like(over_ground(expected, share))));
        let what = || format!("no {expected:?} left of {:?}", node.name);
        is_so.then_some(()).ok_or_else(what)
    }

    /// The colour of the pixel at a place of the window.
    #[track_caller]
    pub fn colour(&self, x: f64, y: f64) -> Colour {
        let place = |at: f64| at * self.scale + self.margin;
        let (width, height) = (self.picture.width as f64, self.picture.height as f64);
        self.picture.mean(
            (place(x) - 0.5).floor() / width,
            (place(y) - 0.5).floor() / height,
            1.0 / width,
            1.0 / height,
        )
    }
}

/// What a pixel looks like that a thin line covers by this many tenths.
fn over_ground(line: Colour, tenths: u16) -> Colour {
    const GROUND: Colour = Colour(0x0E, 0x0F, 0x12);
    let part = |line: u8, ground: u8| {
        ((u16::from(line) * tenths + u16::from(ground) * (10 - tenths)) / 10) as u8
    };
    Colour(
        part(line.0, GROUND.0),
        part(line.1, GROUND.1),
        part(line.2, GROUND.2),
    )
}

//! What a slot asks for besides its picture: a border, a crop, a label.

use super::super::FrameSize;
use super::super::reader::Section;
use super::take;
use crate::model::{Border, Colour, Crop, SlotLabel};

const BORDER: &str = "a table as { width = 4, colour = \"#ffffff\" }";
const CROP: &str = "a table as { left = 0.1, top = 0, right = 0.1, bottom = 0 }";
const LABEL: &str = "true, false, or a text on one line, at most 80 characters";
const WHITE: Colour = Colour {
    red: 255,
    green: 255,
    blue: 255,
};
/// Less of a picture than this is a slip of the pen.
const LEAST_LEFT: f64 = 0.05;

/// `border = { … }` of a slot of this size, in fractions of a programme of `size`.
pub fn border(slot: &Section<'_>, width: f64, height: f64, size: FrameSize) -> Option<Border> {
    let section = slot.inline("border", BORDER)?;
    let thickness = section.required(
        "width",
        "pixels of a programme of 1080 lines, 1 to 100",
        |value| take::within(take::number(value)?, 1.0, 100.0),
    );
    let colour = section.optional("colour", take::COLOUR, take::colour);
    section.finish(|_| None);
    let border = Border {
        width: thickness?,
        colour: colour.unwrap_or(WHITE),
    };
    let smaller = (width * f64::from(size.width)).min(height * f64::from(size.height));
    if f64::from(2 * border.pixels(size.height)) + 2.0 > smaller {
        let problem = "leaves nothing of the slot";
        section.complain("width", problem, "a border of less than half the slot");
    }
    Some(border)
}

/// `crop = { … }`.
pub fn crop(slot: &Section<'_>) -> Option<Crop> {
    let section = slot.inline("crop", CROP)?;
    let side = |key| {
        let accepted = "a fraction of the picture, 0 to 0.95";
        let read = section.optional(key, accepted, |value| {
            take::within(take::number(value)?, 0.0, 1.0 - LEAST_LEFT)
        });
        read.unwrap_or(0.0)
    };
    let crop = Crop {
        left: side("left"),
        top: side("top"),
        right: side("right"),
        bottom: side("bottom"),
    };
    section.finish(|_| None);
    for (one, other, sum) in [
        ("left", "right", crop.left + crop.right),
        ("top", "bottom", crop.top + crop.bottom),
    ] {
        if sum > 1.0 - LEAST_LEFT {
            let problem = format!("leaves too little between {one} and {other}");
            let accepted = format!("{one} and {other} of at most 0.95 together");
            section.complain(other, &problem, &accepted);
        }
    }
    (crop != Crop::default()).then_some(crop)
}

/// `label = true`, or a text.
pub fn label(slot: &Section<'_>) -> Option<SlotLabel> {
    let label = slot.optional("label", LABEL, |value| match value.as_bool() {
        Some(shown) => Ok(shown.then_some(SlotLabel::Source)),
        None => take::label(value).map(|text| Some(SlotLabel::Text(text))),
    });
    label.flatten()
}

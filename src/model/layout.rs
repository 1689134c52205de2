//! Layouts and their geometry: fractions of the frame, resolved to even pixels.

use serde::{Deserialize, Serialize};

use super::id::{LayoutId, RoleId};

/// A rectangle in fractions of the frame: 0.0 is left or top, 1.0 is right or bottom.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Rect {
    /// Left edge.
    pub x: f64,
    /// Top edge.
    pub y: f64,
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
}

/// A rectangle in pixels of the programme, all even: pictures are 4:2:0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct PixelRect {
    /// Left edge.
    pub x: u32,
    /// Top edge.
    pub y: u32,
    /// Width.
    pub width: u32,
    /// Height.
    pub height: u32,
}

impl PixelRect {
    /// Whether the two share a pixel.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.x < other.x + other.width
            && other.x < self.x + self.width
            && self.y < other.y + other.height
            && other.y < self.y + self.height
    }

    /// The largest even rectangle of the aspect `width:height` in the middle of this one.
    pub fn contain(&self, width: u64, height: u64) -> Self {
        let (own_w, own_h) = (u64::from(self.width), u64::from(self.height));
        if width == 0 || height == 0 {
            return *self;
        }
        let (w, h) = if own_w * height > own_h * width {
            (own_h * width / height, own_h)
        } else {
            (own_w, own_w * height / width)
        };
        let w = even_down(w as u32).clamp(2, self.width);
        let h = even_down(h as u32).clamp(2, self.height);
        Self {
            x: self.x + even_down((self.width - w) / 2),
            y: self.y + even_down((self.height - h) / 2),
            width: w,
            height: h,
        }
    }
}

fn even_down(value: u32) -> u32 {
    value & !1
}

impl Rect {
    /// This rectangle in a frame of `width` x `height` pixels. Edges are rounded to the nearest
    /// even pixel, so that slots that touch in the file touch on screen.
    pub fn to_pixels(&self, width: u32, height: u32) -> PixelRect {
        let edge = |fraction: f64, size: u32| -> u32 {
            let even = (fraction * f64::from(size) / 2.0).round() * 2.0;
            (even.max(0.0) as u32).min(even_down(size))
        };
        let (left, right) = (edge(self.x, width), edge(self.x + self.width, width));
        let (top, bottom) = (edge(self.y, height), edge(self.y + self.height, height));
        PixelRect {
            x: left,
            y: top,
            width: (right - left).max(2),
            height: (bottom - top).max(2),
        }
    }
}

/// How a picture of another shape is put into a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fit {
    /// All of the picture is seen; the layout's background shows beside it.
    #[default]
    Contain,
    /// The slot is filled; what does not fit is cut off, equally on both sides.
    Cover,
    /// The slot is filled; the picture is distorted.
    Stretch,
}

/// An sRGB colour, written `#rrggbb`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Colour {
    /// Red, 0 to 255.
    pub red: u8,
    /// Green, 0 to 255.
    pub green: u8,
    /// Blue, 0 to 255.
    pub blue: u8,
}

impl TryFrom<String> for Colour {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("not a colour: {text:?}; accepted: #rrggbb, as in #101828");
        let digits = text.strip_prefix('#').ok_or_else(wrong)?;
        if digits.len() != 6 || !digits.chars().all(|c| c.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        let part = |i: usize| u8::from_str_radix(&digits[i..i + 2], 16).map_err(|_| wrong());
        Ok(Self {
            red: part(0)?,
            green: part(2)?,
            blue: part(4)?,
        })
    }
}

impl From<Colour> for String {
    fn from(c: Colour) -> String {
        format!("#{:02x}{:02x}{:02x}", c.red, c.green, c.blue)
    }
}

/// One rectangle of a layout, filled by whatever source plays its role now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Slot {
    /// The role that fills it.
    pub role: RoleId,
    /// Where it lies.
    #[serde(flatten)]
    pub rect: Rect,
    /// How a picture of another shape is put into it.
    pub fit: Fit,
    /// A frame around its picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub border: Option<Border>,
    /// What of the source's picture is cut off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crop: Option<Crop>,
    /// What is written in its corner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<SlotLabel>,
}

/// A frame around a slot's picture. It lies within the slot: the picture gets smaller.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Border {
    /// In pixels of a programme of 1080 lines.
    pub width: f64,
    /// Its colour.
    pub colour: Colour,
}

impl Border {
    /// Its width in a programme of so many lines: even, and never nothing.
    pub fn pixels(&self, lines: u32) -> u32 {
        let width = self.width * f64::from(lines) / 1080.0;
        ((width / 2.0).round() as u32 * 2).max(2)
    }
}

/// What is cut off a picture on each side, in fractions of its own size.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Crop {
    /// Of the width.
    pub left: f64,
    /// Of the height.
    pub top: f64,
    /// Of the width.
    pub right: f64,
    /// Of the height.
    pub bottom: f64,
}

impl Crop {
    /// What is left of a picture of this size: even edges, at least two pixels.
    pub fn of(&self, width: u32, height: u32) -> PixelRect {
        let span = |before: f64, after: f64, size: u32| {
            let size = f64::from(size);
            let from = (before * size / 2.0).round() * 2.0;
            let to = ((1.0 - after) * size / 2.0).round() * 2.0;
            let from = from.min(size - 2.0).max(0.0) as u32 & !1;
            let to = (to.min(size) as u32).max(from + 2);
            (from, to - from)
        };
        let (x, width) = span(self.left, self.right, width);
        let (y, height) = span(self.top, self.bottom, height);
        PixelRect {
            x,
            y,
            width,
            height,
        }
    }
}

/// What is written in a slot's corner: on the wire `true`, or the text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "LabelForm", into = "LabelForm")]
pub enum SlotLabel {
    /// The label of the source that plays the slot's role now.
    Source,
    /// This.
    Text(String),
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum LabelForm {
    Source(bool),
    Text(String),
}

impl From<LabelForm> for SlotLabel {
    fn from(form: LabelForm) -> Self {
        match form {
            LabelForm::Source(_) => Self::Source,
            LabelForm::Text(text) => Self::Text(text),
        }
    }
}

impl From<SlotLabel> for LabelForm {
    fn from(label: SlotLabel) -> Self {
        match label {
            SlotLabel::Source => Self::Source(true),
            SlotLabel::Text(text) => Self::Text(text),
        }
    }
}

/// A named arrangement of slots. Later slots lie over earlier ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Layout {
    /// Its name in commands.
    pub id: LayoutId,
    /// Its name for people.
    pub label: String,
    /// What shows where no slot lies.
    pub background: Colour,
    /// From back to front.
    pub slots: Vec<Slot>,
}

impl Layout {
    /// The five layouts of a venue file that names none: `slides`, `speaker`, `slides-speaker`
    /// (side by side), `slides-pip` (speaker in a corner), `slate` (no slot at all).
    pub fn built_in() -> Vec<Self> {
        let slot = |role: &str, x: f64, y: f64, width: f64, height: f64, fit: Fit| Slot {
            role: role.parse().expect("built-in role ids are valid"),
            rect: Rect {
                x,
                y,
                width,
                height,
            },
            fit,
            border: None,
            crop: None,
            label: None,
        };
        let layout = |id: &str, label: &str, slots: Vec<Slot>| Self {
            id: id.parse().expect("built-in layout ids are valid"),
            label: label.to_owned(),
            background: DEFAULT_BACKGROUND,
            slots,
        };
        // Side by side: slides 3/4 of the width at the left, the speaker as large as the rest
        // allows without covering text, both on one centre line.
        vec![
            layout(
                "slides",
                "Slides",
                vec![slot("slides", 0.0, 0.0, 1.0, 1.0, Fit::Contain)],
            ),
            layout(
                "speaker",
                "Speaker",
                vec![slot("speaker", 0.0, 0.0, 1.0, 1.0, Fit::Contain)],
            ),
            layout(
                "slides-speaker",
                "Slides + speaker",
                vec![
                    slot("slides", 0.0, 0.16, 0.68, 0.68, Fit::Contain),
                    slot("speaker", 0.69, 0.33, 0.30, 0.34, Fit::Cover),
                ],
            ),
            layout(
                "slides-pip",
                "Slides, speaker in a corner",
                vec![
                    slot("slides", 0.0, 0.0, 1.0, 1.0, Fit::Contain),
                    slot("speaker", 0.76, 0.74, 0.22, 0.22, Fit::Cover),
                ],
            ),
            layout("slate", "Slate", Vec::new()),
        ]
    }
}

/// What shows where no slot lies, when the venue file does not say.
pub const DEFAULT_BACKGROUND: Colour = Colour {
    red: 0x10,
    green: 0x18,
    blue: 0x28,
};

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn slots_that_touch_in_the_file_touch_on_screen() {
        for width in [640, 854, 1280, 1920, 3840] {
            let left = Rect {
                x: 0.0,
                y: 0.0,
                width: 0.333,
                height: 1.0,
            }
            .to_pixels(width, 1080);
            let right = Rect {
                x: 0.333,
                y: 0.0,
                width: 0.667,
                height: 1.0,
            }
            .to_pixels(width, 1080);
            assert_eq!(left.x + left.width, right.x);
            assert_eq!(right.x + right.width, width);
            assert!(!left.overlaps(&right));
        }
    }

    #[test]
    fn contain_keeps_the_aspect_and_stays_inside() {
        let slot = PixelRect {
            x: 100,
            y: 50,
            width: 640,
            height: 360,
        };
        assert_eq!(
            slot.contain(4, 3),
            PixelRect {
                x: 180,
                y: 50,
                width: 480,
                height: 360
            }
        );
        assert_eq!(
            slot.contain(21, 9),
            PixelRect {
                x: 100,
                y: 92,
                width: 640,
                height: 274
            }
        );
        assert_eq!(slot.contain(16, 9), slot);
        assert_eq!(slot.contain(1, 100_000).width, 2);
    }

    #[test]
    fn a_border_grows_with_the_programme_and_never_vanishes() {
        let border = |width| Border {
            width,
            colour: DEFAULT_BACKGROUND,
        };
        assert_eq!(
            [360, 1080, 2160].map(|lines| border(6.0).pixels(lines)),
            [2, 6, 12]
        );
        assert_eq!(border(1.0).pixels(360), 2);
    }

    #[test]
    fn what_a_crop_leaves_is_even_and_inside_the_picture() {
        let crop = |left, top, right, bottom| Crop {
            left,
            top,
            right,
            bottom,
        };
        assert_eq!(
            crop(0.25, 0.0, 0.25, 0.5).of(1920, 1080),
            PixelRect {
                x: 480,
                y: 0,
                width: 960,
                height: 540
            }
        );
        assert_eq!(Crop::default().of(1919, 1079).width, 1919);
        for size in [2, 3, 16, 17, 1919, 1920] {
            for n in 0..100 {
                let side = f64::from(n) / 100.0;
                let left = crop(side, side, 0.0, 1.0 - side - 0.01).of(size, size);
                assert!(
                    left.x % 2 == 0 && left.width >= 2 && left.height >= 2,
                    "{left:?}"
                );
                assert!(left.x + left.width <= size.max(2), "{left:?} of {size}");
                assert!(left.y + left.height <= size.max(2), "{left:?} of {size}");
            }
        }
    }

    #[test]
    fn a_slot_survives_the_wire_with_and_without_what_is_drawn_around_it() {
        let mut slot = Layout::built_in()[0].slots[0].clone();
        let plain = serde_json::to_string(&slot).unwrap();
        assert!(
            !plain.contains("border") && !plain.contains("label"),
            "{plain}"
        );
        assert_eq!(serde_json::from_str::<Slot>(&plain).unwrap(), slot);
        slot.border = Some(Border {
            width: 4.0,
            colour: DEFAULT_BACKGROUND,
        });
        for (label, written) in [
            (SlotLabel::Source, r#""label":true"#),
            (SlotLabel::Text("Q & A".into()), r#""label":"Q & A""#),
        ] {
            slot.label = Some(label);
            let line = serde_json::to_string(&slot).unwrap();
            assert!(line.contains(written), "{line}");
            assert_eq!(serde_json::from_str::<Slot>(&line).unwrap(), slot);
        }
    }

    #[test]
    fn a_colour_is_six_hex_digits() {
        assert_eq!(
            Colour::try_from("#101828".to_owned()),
            Ok(DEFAULT_BACKGROUND)
        );
        assert_eq!(String::from(DEFAULT_BACKGROUND), "#101828");
        for bad in ["101828", "#10182", "#10182g", "blue", "#é1828"] {
            assert!(Colour::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }
}

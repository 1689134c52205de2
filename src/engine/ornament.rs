//! What a layout asks for besides a slot's picture: a border around it, a crop of it, a label in
//! its corner. All are pictures that are drawn once and painted by the easel like any other, so a
//! border that lies beside its picture is not painted again with each frame of that, and a slot
//! without ornaments costs what it cost before.
//!
//! Made by the engine thread, painted by `picture` and `monitors`.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use crate::model::layout::DEFAULT_BACKGROUND;
use crate::model::{Border, Colour, Crop, Fit, PixelRect, Slot};
use crate::venue::FrameSize;

use super::canvas::{Painted, covered};
use super::lettering::{Lettering, LetteringError, Place, Style, solid};
use super::pictures::Picture;
use super::programme::SceneSlot;

/// Height of a label, of its letters, and the room beside these, in pixels of 1080 lines.
const LABEL: [u32; 3] = [44, 26, 16];

/// The ornaments of one slot.
#[derive(Debug)]
pub struct Ornament {
    crop: Option<Crop>,
    /// Its width in pixels, even, and its colour.
    border: Option<(u32, Picture)>,
    label: Option<Label>,
}

/// A label that may still be on its way: fonts take longer to load than a tick.
#[derive(Debug, Clone, Default)]
struct Label(Arc<OnceLock<Written>>);

/// A label's picture, and what of it has text.
#[derive(Debug)]
struct Written {
    picture: Picture,
    crop: PixelRect,
}

/// All ornaments, so that none is drawn twice. Owned by the engine thread.
#[derive(Debug, Default)]
pub struct Ornaments {
    labels: HashMap<String, Label>,
    colours: HashMap<Colour, Picture>,
}

impl Ornaments {
    /// What `slot` asks for in a programme of this size, with `source` as the label of who plays
    /// its role; `None`: nothing.
    pub fn of(
        &mut self,
        slot: &Slot,
        source: Option<&str>,
        size: FrameSize,
    ) -> Option<Arc<Ornament>> {
        use crate::model::SlotLabel;
        let text = match slot.label.as_ref() {
            Some(SlotLabel::Source) => source,
            Some(SlotLabel::Text(text)) => Some(text.as_str()),
            None => None,
        };
        if slot.crop.is_none() && slot.border.is_none() && text.is_none() {
            return None;
        }
        Some(Arc::new(Ornament {
            crop: slot.crop,
            border: slot.border.and_then(|border| self.border(border, size)),
            label: text.map(|text| self.label(text, size)),
        }))
    }

    fn border(&mut self, border: Border, size: FrameSize) -> Option<(u32, Picture)> {
        let colour = border.colour;
        let picture = match self.colours.get(&colour) {
            Some(known) => known.clone(),
            None => {
                let made = solid(colour)?;
                self.colours.insert(colour, made.clone());
                made
            }
        };
        Some((border.pixels(size.height), picture))
    }

    fn label(&mut self, text: &str, size: FrameSize) -> Label {
        if let Some(label) = self.labels.get(text) {
            return label.clone();
        }
        let label = Label::default();
        self.labels.insert(text.to_owned(), label.clone());
        let (text, cell) = (text.to_owned(), label.0.clone());
        let drawn = std::thread::Builder::new()
            .name("label".into())
            .spawn(move || {
                match write(&text, size) {
                    Ok(written) => {
                        // Set once, here only.
                        let _ = cell.set(written);
                    }
                    Err(error) => tracing::warn!("label {text:?} cannot be drawn: {error}"),
                }
            });
        if let Err(error) = drawn {
            tracing::warn!("no thread to draw a label: {error}");
        }
        label
    }
}

fn write(text: &str, size: FrameSize) -> Result<Written, LetteringError> {
    let [height, letters, room] = LABEL.map(|pixels| pixels * size.height / 1080);
    let height = (height & !1).max(12);
    let mut lettering = Lettering::new(Style {
        width: size.width,
        height,
        letters: letters.max(8),
        ground: DEFAULT_BACKGROUND,
        place: Place::Left(room),
    })?;
    let (picture, width) = lettering.write(text)?;
    let crop = PixelRect {
        x: 0,
        y: 0,
        width: ((width + 2 * room + 1) & !1).clamp(2, size.width),
        height,
    };
    Ok(Written { picture, crop })
}

/// A slot with what fills it, where it lies.
pub fn painted(slot: &SceneSlot, picture: Option<Picture>, is_live: bool) -> Painted {
    let painted = Painted {
        rect: slot.rect,
        // A slate is made to be read: all of it, undistorted.
        fit: if is_live { slot.fit } else { Fit::Contain },
        crop: None,
        picture,
    };
    match &slot.ornament {
        Some(ornament) => ornament.trim(painted, is_live),
        None => painted,
    }
}

impl Ornament {
    /// Makes room for the border, and cuts off what is not to be seen of a source's picture.
    fn trim(&self, mut painted: Painted, is_live: bool) -> Painted {
        if let Some((width, _)) = &self.border {
            painted.rect = shrunk(painted.rect, *width);
        }
        let crop = self.crop.filter(|_| is_live);
        let (Some(crop), Some(picture)) = (crop, &painted.picture) else {
            return painted;
        };
        let info = &picture.info;
        let par = info.par();
        let (n, d) = (par.numer().max(1) as u64, par.denom().max(1) as u64);
        let left = crop.of(info.width(), info.height());
        let (width, height) = (u64::from(left.width), u64::from(left.height));
        let slot = painted.rect;
        match painted.fit {
            Fit::Contain => painted.rect = slot.contain(width * n, height * d),
            Fit::Cover | Fit::Stretch => {}
        }
        painted.crop = Some(match painted.fit {
            // The slot's shape in the picture's own, perhaps not square, pixels.
            Fit::Cover => left.contain(u64::from(slot.width) * d, u64::from(slot.height) * n),
            Fit::Contain | Fit::Stretch => left,
        });
        painted.fit = Fit::Stretch;
        painted
    }

    /// Adds border and label to a slot that is painted like this.
    fn add(&self, slot: &Painted, frame: (u32, u32), all: &mut Vec<Painted>) {
        let inner = match &slot.picture {
            Some(picture) => covered(slot, &picture.info),
            None => slot.rect,
        };
        if let Some((width, colour)) = &self.border {
            let strips = around(inner, *width, frame).into_iter();
            let strips = strips.filter(|strip| strip.width > 0 && strip.height > 0);
            all.extend(strips.map(|rect| Painted {
                rect,
                fit: Fit::Stretch,
                crop: None,
                picture: Some(colour.clone()),
            }));
        }
        if let Some(written) = self.label.as_ref().and_then(|label| label.0.get())
            && let Some(rect) = corner(inner, &written.crop)
        {
            all.push(Painted {
                rect,
                fit: Fit::Stretch,
                crop: Some(written.crop),
                picture: Some(written.picture.clone()),
            });
        }
    }
}

/// All that is painted for these slots, `painted` as they are, in a frame of this size. `room` is
/// used where there are ornaments.
pub fn dressed<'a>(
    slots: &[SceneSlot],
    painted: &'a [Painted],
    frame: (u32, u32),
    room: &'a mut Vec<Painted>,
) -> &'a [Painted] {
    if slots.iter().all(|slot| slot.ornament.is_none()) {
        return painted;
    }
    room.clear();
    for (slot, painted) in slots.iter().zip(painted) {
        room.push(painted.clone());
        if let Some(ornament) = &slot.ornament {
            ornament.add(painted, frame, room);
        }
    }
    room
}

/// A rectangle without `width` pixels on each side.
fn shrunk(rect: PixelRect, width: u32) -> PixelRect {
    // A venue's borders leave something of their slots.
    let width = width.min((rect.width.min(rect.height) / 2).saturating_sub(2) & !1);
    PixelRect {
        x: rect.x + width,
        y: rect.y + width,
        width: rect.width - 2 * width,
        height: rect.height - 2 * width,
    }
}

/// Four strips of this width around a rectangle, within the frame.
fn around(inner: PixelRect, width: u32, frame: (u32, u32)) -> [PixelRect; 4] {
    let (right, bottom) = (inner.x + inner.width, inner.y + inner.height);
    let left = inner.x.saturating_sub(width);
    let top = inner.y.saturating_sub(width);
    let end = (right + width).min(frame.0 & !1);
    let below = (bottom + width).min(frame.1 & !1);
    let rect = |x: u32, y: u32, to_x: u32, to_y: u32| PixelRect {
        x,
        y,
        width: to_x.saturating_sub(x),
        height: to_y.saturating_sub(y),
    };
    [
        rect(left, top, end, inner.y),
        rect(left, bottom, end, below),
        rect(left, inner.y, inner.x, bottom),
        rect(right, inner.y, end, bottom),
    ]
}

/// The place of a label of this size in the lower left corner, smaller where it is wider than that;
/// `None`: it would take more than half of what it is about.
fn corner(inner: PixelRect, label: &PixelRect) -> Option<PixelRect> {
    let width = label.width.min(inner.width & !1);
    let height = (label.height * width / label.width.max(1)) & !1;
    let fits = width >= 2 && height >= 2 && 2 * height <= inner.height;
    fits.then(|| PixelRect {
        x: inner.x,
        y: inner.y + (inner.height & !1) - height,
        width,
        height,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rect(x: u32, y: u32, width: u32, height: u32) -> PixelRect {
        PixelRect {
            x,
            y,
            width,
            height,
        }
    }

    #[test]
    fn a_border_lies_around_its_picture_and_never_on_it_nor_outside_the_frame() {
        let frame = (640, 360);
        for inner in [
            rect(100, 50, 200, 100),
            rect(0, 0, 640, 360),
            rect(0, 0, 10, 10),
            rect(630, 350, 10, 10),
        ] {
            let strips = around(inner, 6, frame);
            for (i, strip) in strips.iter().enumerate() {
                assert!(strip.x + strip.width <= 640 && strip.y + strip.height <= 360);
                let parts = [strip.x, strip.y, strip.width, strip.height];
                assert!(parts.iter().all(|part| part % 2 == 0), "{strip:?}");
                if strip.width > 0 && strip.height > 0 {
                    assert!(!strip.overlaps(&inner), "{strip:?} on {inner:?}");
                    assert!(strips[..i].iter().all(|other| !strip.overlaps(other)));
                }
            }
        }
        let area: u32 = around(rect(100, 50, 200, 100), 6, frame)
            .iter()
            .map(|strip| strip.width * strip.height)
            .sum();
        assert_eq!(area, 212 * 112 - 200 * 100);
        assert_eq!(shrunk(rect(94, 44, 212, 112), 6), rect(100, 50, 200, 100));
        assert!(shrunk(rect(0, 0, 8, 8), 60).width >= 2);
    }

    /// A picture of 64 x 36 pixels in a slot of 100 x 100 with these ornaments.
    fn cropped(fit: Fit, crop: Crop, is_live: bool) -> Painted {
        assert!(gst::init().is_ok());
        let mut slot = crate::model::Layout::built_in()[0].slots[0].clone();
        slot.crop = Some(crop);
        let size = FrameSize {
            width: 640,
            height: 360,
        };
        let slot = SceneSlot {
            rect: rect(100, 100, 100, 100),
            fit,
            pictures: None,
            slate: crate::engine::slate::Slate::default(),
            ornament: Ornaments::default().of(&slot, None, size),
        };
        let info = gst_video::VideoInfo::builder(gst_video::VideoFormat::I420, 64, 36).build();
        let picture = info.ok().map(|info| Picture {
            buffer: gst::Buffer::new(),
            info,
            captured: 0,
            serial: 1,
        });
        painted(&slot, picture, is_live)
    }

    #[test]
    fn a_crop_is_taken_off_before_the_rest_is_fitted_and_never_off_a_slate() {
        let half = Crop {
            left: 0.5,
            ..Crop::default()
        };
        // What is left has 32 x 36 pixels.
        for (fit, place, crop) in [
            (Fit::Contain, rect(106, 100, 88, 100), rect(32, 0, 32, 36)),
            (Fit::Cover, rect(100, 100, 100, 100), rect(32, 2, 32, 32)),
            (Fit::Stretch, rect(100, 100, 100, 100), rect(32, 0, 32, 36)),
        ] {
            let seen = cropped(fit, half, true);
            assert_eq!((seen.rect, seen.crop), (place, Some(crop)), "{fit:?}");
            assert_eq!(seen.fit, Fit::Stretch);
        }
        let slate = cropped(Fit::Cover, half, false);
        assert_eq!((slate.fit, slate.crop), (Fit::Contain, None));
    }

    #[test]
    fn slots_without_ornaments_are_painted_as_they_are() {
        let slot = SceneSlot {
            rect: rect(0, 0, 10, 10),
            fit: Fit::Contain,
            pictures: None,
            slate: crate::engine::slate::Slate::default(),
            ornament: None,
        };
        let (own, mut room) = ([painted(&slot, None, true)], Vec::new());
        let all = dressed(std::slice::from_ref(&slot), &own, (640, 360), &mut room);
        assert!(std::ptr::eq(all, &own), "not even copied");
    }

    #[test]
    fn a_label_stays_in_its_corner_and_gets_smaller_with_it() {
        let label = rect(0, 0, 120, 20);
        assert_eq!(
            corner(rect(100, 50, 200, 100), &label),
            Some(rect(100, 130, 120, 20))
        );
        assert_eq!(
            corner(rect(100, 50, 60, 100), &label),
            Some(rect(100, 140, 60, 10))
        );
        assert_eq!(corner(rect(100, 50, 200, 30), &label), None);
    }
}

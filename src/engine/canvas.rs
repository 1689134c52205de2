//! Composes the programme's picture. Pictures are scaled, and their colours converted where they
//! have others, straight into the frame that the encoder reads: no picture is copied on the way. A
//! frame whose slots show what an earlier frame showed is not painted again.
//!
//! Each easel is owned by one thread: the programme's by `picture`, those of views by `monitors`.
//! (GStreamer's own compositor scales into a picture per slot, then copies, waits for its inputs,
//! and tears when a slot is moved from another thread.)

use gst_video::{VideoFrameRef, VideoInfo};

use crate::model::{Colour, Fit, PixelRect};

use super::brush::Brush;
use super::pictures::{Picture, next_serial};

/// More frames than this are never under way: the encoder's queue, and the one it reads.
pub(super) const MAX_CANVASES: usize = 12;

/// What a slot shows in one frame.
#[derive(Debug, Clone)]
pub struct Painted {
    /// Where the slot lies.
    pub rect: PixelRect,
    /// How the picture is put into it.
    pub fit: Fit,
    /// What of the picture is seen, in its own pixels; `None`: as `fit` has it.
    pub crop: Option<PixelRect>,
    /// What it shows; `None`: nothing, the background.
    pub picture: Option<Picture>,
}

impl Painted {
    /// Whether both look the same in a frame.
    pub fn is_same(&self, other: &Self) -> bool {
        let serial = |slot: &Self| slot.picture.as_ref().map(|picture| picture.serial);
        (self.rect, self.fit, self.crop) == (other.rect, other.fit, other.crop)
            && serial(self) == serial(other)
    }
}

/// What has to be the same for a slot not to be painted again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark {
    rect: PixelRect,
    fit: Fit,
    crop: Option<PixelRect>,
    /// Serial of the picture; 0 where there is none.
    serial: u64,
    /// What of the slot the picture covers.
    covered: PixelRect,
}

struct Canvas {
    buffer: gst::Buffer,
    background: Option<Colour>,
    marks: Vec<Mark>,
}

/// Paints frames of one size and format.
pub struct Easel {
    info: VideoInfo,
    canvases: Vec<Canvas>,
    /// One for each slot: most are needed again on the next tick.
    ways: Vec<Option<Way>>,
    last: Option<usize>,
    /// Of the last frame that was painted; 0 before the first.
    serial: u64,
}

/// How one slot's picture gets into the frame.
struct Way {
    source: VideoInfo,
    rect: PixelRect,
    fit: Fit,
    crop: Option<PixelRect>,
    by: Brush,
}

impl Easel {
    /// An easel for frames as `info` says: I420. Its rate is of no account.
    pub fn new(info: &VideoInfo) -> Self {
        let builder = VideoInfo::builder(info.format(), info.width(), info.height());
        let builder = builder.par(info.par()).colorimetry(&info.colorimetry());
        Self {
            info: builder
                .build()
                .expect("a format without its rate is a format"),
            canvases: Vec::new(),
            ways: Vec::new(),
            last: None,
            serial: 0,
        }
    }

    /// Tells the last frame from every other picture of the process; a frame that was not painted
    /// again keeps it. 0 before the first.
    pub fn serial(&self) -> u64 {
        self.serial
    }

    /// The layout of its frames.
    pub fn info(&self) -> &VideoInfo {
        &self.info
    }

    /// A frame with the slots painted over the background, from back to front. The caller sets its
    /// timestamps. `None` only where memory is out.
    pub fn paint(&mut self, background: Colour, slots: &[Painted]) -> Option<gst::Buffer> {
        let marks: Vec<Mark> = slots.iter().map(|slot| self.mark(slot)).collect();
        if let Some(last) = self.last
            && self.canvases[last].background == Some(background)
            && self.canvases[last].marks == marks
        {
            return Some(self.canvases[last].buffer.copy());
        }
        let index = self.free_canvas()?;
        let mut canvas = self.canvases.swap_remove(index);
        self.repaint(&mut canvas, background, slots, marks);
        self.serial = next_serial();
        let shared = canvas.buffer.copy();
        self.last = Some(self.canvases.len());
        self.canvases.push(canvas);
        Some(shared)
    }

    /// The last frame once more.
    pub fn repeat(&self) -> Option<gst::Buffer> {
        self.last.map(|last| self.canvases[last].buffer.copy())
    }

    fn mark(&self, slot: &Painted) -> Mark {
        let (serial, covered) = match &slot.picture {
            Some(picture) => (picture.serial, covered(slot, &picture.info)),
            None => (0, PixelRect::default()),
        };
        Mark {
            rect: slot.rect,
            fit: slot.fit,
            crop: slot.crop,
            serial,
            covered,
        }
    }

    /// A canvas that nobody reads any more; the newest such one, because least has changed on it.
    fn free_canvas(&mut self) -> Option<usize> {
        if let Some(index) = (self.canvases.iter()).rposition(|canvas| is_free(&canvas.buffer)) {
            return Some(index);
        }
        if self.canvases.len() >= MAX_CANVASES {
            // Somebody keeps frames: give up the oldest, its memory goes when they let go.
            self.canvases.remove(0);
            self.last = None;
        }
        let buffer = gst::Buffer::with_size(self.info.size()).ok()?;
        self.canvases.push(Canvas {
            buffer,
            background: None,
            marks: Vec::new(),
        });
        Some(self.canvases.len() - 1)
    }

    fn repaint(
        &mut self,
        canvas: &mut Canvas,
        background: Colour,
        slots: &[Painted],
        marks: Vec<Mark>,
    ) {
        let same_places = canvas.background == Some(background)
            && canvas.marks.len() == marks.len()
            && (canvas.marks.iter().zip(&marks))
                .all(|(old, new)| old.rect == new.rect && old.covered == new.covered);
        let Some(buffer) = canvas.buffer.get_mut() else {
            return;
        };
        let Ok(mut frame) = VideoFrameRef::from_buffer_ref_writable(buffer, &self.info) else {
            return;
        };
        if !same_places {
            fill(&mut frame, background);
        }
        let mut repainted: Vec<PixelRect> = Vec::new();
        for (i, slot) in slots.iter().enumerate() {
            let stale = !same_places
                || canvas.marks[i] != marks[i]
                || repainted
                    .iter()
                    .any(|below| below.overlaps(&marks[i].covered));
            let Some(picture) = slot.picture.as_ref().filter(|_| stale) else {
                continue;
            };
            repainted.push(marks[i].covered);
            let brush = brush(&mut self.ways, i, slot, &picture.info, &self.info);
            let source = VideoFrameRef::from_buffer_ref_readable(&picture.buffer, &picture.info);
            if let Ok(source) = source {
                brush.paint(&source, &mut frame);
            }
        }
        canvas.background = Some(background);
        canvas.marks = marks;
    }
}

/// Whether nobody else reads a frame any more.
pub(super) fn is_free(buffer: &gst::Buffer) -> bool {
    buffer.is_writable() && buffer.is_all_memory_writable()
}

/// Width and height of the picture as it is meant to be seen.
fn shape(info: &VideoInfo) -> (u64, u64) {
    let par = info.par();
    let (n, d) = (par.numer().max(1) as u64, par.denom().max(1) as u64);
    (u64::from(info.width()) * n, u64::from(info.height()) * d)
}

/// What of the slot the picture covers.
pub(super) fn covered(slot: &Painted, info: &VideoInfo) -> PixelRect {
    let (width, height) = shape(info);
    match slot.fit {
        Fit::Contain => slot.rect.contain(width, height),
        Fit::Cover | Fit::Stretch => slot.rect,
    }
}

/// What of the picture is seen.
pub(super) fn seen(slot: &Painted, info: &VideoInfo) -> PixelRect {
    if let Some(crop) = slot.crop {
        return crop;
    }
    let whole = PixelRect {
        x: 0,
        y: 0,
        width: info.width(),
        height: info.height(),
    };
    if slot.fit != Fit::Cover {
        return whole;
    }
    // The slot's shape in the picture's own, perhaps not square, pixels.
    let par = info.par();
    let (n, d) = (par.numer().max(1) as u64, par.denom().max(1) as u64);
    whole.contain(
        u64::from(slot.rect.width) * d,
        u64::from(slot.rect.height) * n,
    )
}

/// The brush of a slot, made anew when the source's format or the slot's place has changed.
fn brush<'a>(
    ways: &'a mut Vec<Option<Way>>,
    index: usize,
    slot: &Painted,
    source: &VideoInfo,
    frame: &VideoInfo,
) -> &'a mut Brush {
    if ways.len() <= index {
        ways.resize_with(index + 1, || None);
    }
    let place = &mut ways[index];
    let fits = |way: &Way| {
        (way.rect, way.fit, way.crop) == (slot.rect, slot.fit, slot.crop) && way.source == *source
    };
    let way = match place.take().filter(fits) {
        Some(way) => way,
        None => Way {
            source: source.clone(),
            rect: slot.rect,
            fit: slot.fit,
            crop: slot.crop,
            by: Brush::new(source, seen(slot, source), frame, covered(slot, source)),
        },
    };
    &mut place.insert(way).by
}

/// Paints the whole frame in one colour, by ITU-R BT.709, limited range.
fn fill(frame: &mut VideoFrameRef<&mut gst::BufferRef>, colour: Colour) {
    let [r, g, b] = [colour.red, colour.green, colour.blue].map(|c| f64::from(c) / 255.0);
    let luma = 0.2126 * r + 0.7152 * g + 0.0722 * b;
    let planes = [
        16.0 + 219.0 * luma,
        128.0 + 224.0 * (b - luma) / 1.8556,
        128.0 + 224.0 * (r - luma) / 1.5748,
    ];
    for (plane, value) in planes.into_iter().enumerate() {
        if let Ok(data) = frame.plane_data_mut(plane as u32) {
            data.fill(value.round() as u8);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use gst_video::prelude::*;
    use gst_video::{VideoColorimetry, VideoFormat};

    fn info(format: VideoFormat, width: u32, height: u32) -> VideoInfo {
        gst::init().unwrap();
        VideoInfo::builder(format, width, height)
            .colorimetry(&"bt709".parse::<VideoColorimetry>().unwrap())
            .build()
            .unwrap()
    }

    /// A picture whose left half has one brightness and whose right half another.
    fn halves(width: u32, height: u32, left: u8, right: u8) -> Picture {
        let info = info(VideoFormat::I420, width, height);
        let mut buffer = gst::Buffer::with_size(info.size()).unwrap();
        {
            let mut frame =
                VideoFrameRef::from_buffer_ref_writable(buffer.get_mut().unwrap(), &info).unwrap();
            for plane in [1, 2] {
                frame.plane_data_mut(plane).unwrap().fill(128);
            }
            let stride = frame.plane_stride()[0] as usize;
            for row in frame.plane_data_mut(0).unwrap().chunks_mut(stride) {
                row[..width as usize / 2].fill(left);
                row[width as usize / 2..width as usize].fill(right);
            }
        }
        Picture {
            buffer,
            info,
            captured: 0,
            serial: next_serial(),
        }
    }

    fn slot(x: u32, y: u32, width: u32, height: u32, fit: Fit, picture: &Picture) -> Painted {
        Painted {
            rect: PixelRect {
                x,
                y,
                width,
                height,
            },
            fit,
            crop: None,
            picture: Some(picture.clone()),
        }
    }

    fn luma(easel: &Easel, buffer: &gst::Buffer, x: usize, y: usize) -> u8 {
        let frame = VideoFrameRef::from_buffer_ref_readable(buffer, &easel.info).unwrap();
        frame.plane_data(0).unwrap()[y * frame.plane_stride()[0] as usize + x]
    }

    const BLACK: Colour = Colour {
        red: 0,
        green: 0,
        blue: 0,
    };

    #[test]
    fn slots_lie_where_they_should_and_later_ones_on_top() {
        let mut easel = Easel::new(&info(VideoFormat::I420, 640, 360));
        let (below, above) = (halves(320, 180, 100, 100), halves(320, 180, 200, 200));
        let slots = [
            slot(0, 0, 480, 270, Fit::Contain, &below),
            slot(400, 200, 160, 90, Fit::Contain, &above),
        ];
        let out = easel.paint(BLACK, &slots).unwrap();
        assert_eq!(luma(&easel, &out, 10, 10), 100);
        assert_eq!(luma(&easel, &out, 420, 220), 200);
        assert_eq!(luma(&easel, &out, 600, 20), 16);
        // A new picture below must not cover the slot above, which has not changed.
        let slots = [
            slot(0, 0, 480, 270, Fit::Contain, &halves(320, 180, 50, 50)),
            slots[1].clone(),
        ];
        let out = easel.paint(BLACK, &slots).unwrap();
        assert_eq!(luma(&easel, &out, 10, 10), 50);
        assert_eq!(luma(&easel, &out, 420, 220), 200);
    }

    #[test]
    fn a_picture_of_any_format_leaves_alone_what_lies_beside_it() {
        let mut easel = Easel::new(&info(VideoFormat::I420, 640, 360));
        let left = halves(320, 180, 100, 100);
        for format in [
            VideoFormat::I42010le,
            VideoFormat::Y42b,
            VideoFormat::Yuy2,
            VideoFormat::Bgrx,
            VideoFormat::Nv12,
        ] {
            let info = info(format, 320, 180);
            let right = Picture {
                buffer: gst::Buffer::with_size(info.size()).unwrap(),
                info,
                captured: 0,
                serial: next_serial(),
            };
            let slots = [
                slot(0, 90, 320, 180, Fit::Contain, &left),
                slot(320, 90, 320, 180, Fit::Contain, &right),
            ];
            let out = easel.paint(BLACK, &slots).unwrap();
            for x in [2, 160, 318] {
                assert_eq!(luma(&easel, &out, x, 180), 100, "{format:?} at {x}");
            }
            assert_eq!(luma(&easel, &out, 480, 80), 16, "{format:?} above");
        }
    }

    #[test]
    fn contain_letterboxes_cover_crops_stretch_distorts() {
        let mut easel = Easel::new(&info(VideoFormat::I420, 640, 360));
        let wide = halves(400, 100, 80, 220);
        let out = easel
            .paint(BLACK, &[slot(0, 0, 200, 200, Fit::Contain, &wide)])
            .unwrap();
        assert_eq!(luma(&easel, &out, 20, 20), 16, "bar above");
        assert_eq!(luma(&easel, &out, 20, 100), 80);
        assert_eq!(luma(&easel, &out, 180, 100), 220);
        let out = easel
            .paint(BLACK, &[slot(0, 0, 200, 200, Fit::Cover, &wide)])
            .unwrap();
        assert_eq!(luma(&easel, &out, 20, 20), 80, "no bar");
        assert_eq!(
            luma(&easel, &out, 96, 100),
            80,
            "the middle stays the middle"
        );
        assert_eq!(luma(&easel, &out, 104, 100), 220);
        let out = easel
            .paint(BLACK, &[slot(0, 0, 200, 200, Fit::Stretch, &wide)])
            .unwrap();
        assert_eq!(luma(&easel, &out, 20, 2), 80);
        assert_eq!(luma(&easel, &out, 180, 198), 220);
    }

    #[test]
    fn nothing_is_left_of_an_earlier_layout() {
        let mut easel = Easel::new(&info(VideoFormat::I420, 640, 360));
        let picture = halves(320, 180, 235, 235);
        for _ in 0..4 {
            let full = easel
                .paint(BLACK, &[slot(0, 0, 640, 360, Fit::Contain, &picture)])
                .unwrap();
            assert_eq!(luma(&easel, &full, 630, 350), 235);
            let small = easel
                .paint(BLACK, &[slot(0, 0, 320, 180, Fit::Contain, &picture)])
                .unwrap();
            assert_eq!(luma(&easel, &small, 630, 350), 16);
        }
        // A source that changes its shape leaves no edge of its old one either.
        let tall = halves(100, 400, 235, 235);
        let out = easel
            .paint(BLACK, &[slot(0, 0, 320, 180, Fit::Contain, &tall)])
            .unwrap();
        assert_eq!(luma(&easel, &out, 4, 90), 16);
        assert_eq!(luma(&easel, &out, 160, 90), 235);
    }

    #[test]
    fn a_frame_that_is_still_read_is_never_painted_over() {
        let mut easel = Easel::new(&info(VideoFormat::I420, 64, 64));
        let kept: Vec<_> = (0..20u8)
            .map(|i| {
                let picture = halves(64, 64, 16 + i * 10, 16 + i * 10);
                easel
                    .paint(BLACK, &[slot(0, 0, 64, 64, Fit::Stretch, &picture)])
                    .unwrap()
            })
            .collect();
        for (i, frame) in kept.iter().enumerate() {
            assert_eq!(luma(&easel, frame, 32, 32), 16 + i as u8 * 10);
        }
        assert!(easel.canvases.len() <= MAX_CANVASES);
    }

    #[test]
    fn an_unchanged_frame_is_not_painted_again() {
        let mut easel = Easel::new(&info(VideoFormat::I420, 64, 64));
        let slots = [slot(0, 0, 64, 64, Fit::Stretch, &halves(64, 64, 90, 90))];
        let (one, two) = (
            easel.paint(BLACK, &slots).unwrap(),
            easel.paint(BLACK, &slots).unwrap(),
        );
        assert_eq!(one.peek_memory(0).as_ptr(), two.peek_memory(0).as_ptr());
        let serial = easel.serial();
        easel.paint(BLACK, &slots).unwrap();
        assert_eq!(easel.serial(), serial);
        easel.paint(BLACK, &[]).unwrap();
        assert!(easel.serial() > serial);
    }

    #[test]
    fn a_source_may_have_any_rate_and_be_interlaced() {
        let mut easel = Easel::new(&info(VideoFormat::I420, 64, 64));
        let caps = gst::Caps::builder("video/x-raw")
            .field("format", "NV12")
            .field("width", 32)
            .field("height", 32)
            .field("framerate", gst::Fraction::new(25, 1))
            .field("interlace-mode", "mixed")
            .field("colorimetry", "bt709")
            .build();
        let info = crate::outlet::layout_of(&caps).unwrap();
        let picture = Picture {
            buffer: gst::Buffer::from_slice(vec![180u8; info.size()]),
            info,
            captured: 0,
            serial: next_serial(),
        };
        let out = easel
            .paint(BLACK, &[slot(0, 0, 64, 64, Fit::Cover, &picture)])
            .unwrap();
        assert!((175..=185).contains(&luma(&easel, &out, 32, 32)));
    }

    #[test]
    fn any_pixel_format_is_converted() {
        let mut easel = Easel::new(&info(VideoFormat::I420, 64, 64));
        gst::init().unwrap();
        let rgb = VideoInfo::builder(VideoFormat::Rgb, 32, 32)
            .build()
            .unwrap();
        let picture = Picture {
            buffer: gst::Buffer::from_slice(vec![255u8; rgb.size()]),
            info: rgb,
            captured: 0,
            serial: next_serial(),
        };
        let out = easel
            .paint(BLACK, &[slot(0, 0, 64, 64, Fit::Stretch, &picture)])
            .unwrap();
        assert!((233..=236).contains(&luma(&easel, &out, 32, 32)));
    }
}

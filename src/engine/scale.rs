//! Scales planar 8-bit pictures straight into their place in a frame.
//!
//! Scaling is most of what composing costs. GStreamer's converter gathers the pixels of a line one
//! by one (4 ms for 1920x1080 to 1440x810 and 1280x720 to 640x360); here a line is gathered sixteen
//! at a time (0.9 ms), with the same filter: a triangle as wide as a pixel of the smaller of the
//! two. What is not this common case (other formats, other colours, another processor) is left to
//! the converter.

mod axis;
#[cfg(target_arch = "x86_64")]
mod plane;

use gst_video::prelude::*;
use gst_video::{VideoColorimetry, VideoFormat, VideoFrameRef, VideoInfo};

use crate::model::PixelRect;

use axis::Span;

#[cfg(not(target_arch = "x86_64"))]
mod plane {
    //! No other processor has its own way yet.
    use super::axis::Span;

    /// Never made.
    #[derive(Debug)]
    pub enum PlaneScaler {}

    impl PlaneScaler {
        pub fn new(_: Span, _: Span) -> Option<Self> {
            None
        }

        pub fn scale(&mut self, _: &[u8], _: usize, _: &mut [u8], _: usize) {
            match *self {}
        }
    }
}

use plane::PlaneScaler;

/// Scales pictures of one layout from one place to one place.
#[derive(Debug)]
pub struct Scaler {
    planes: [PlaneScaler; 3],
}

impl Scaler {
    /// Scales what is `seen` of pictures like `source` to what is `covered` of frames like `frame`.
    /// `None`: not such pictures, or not on this machine.
    pub fn new(
        source: &VideoInfo,
        seen: PixelRect,
        frame: &VideoInfo,
        covered: PixelRect,
    ) -> Option<Self> {
        let planar = [VideoFormat::I420, VideoFormat::Y42b, VideoFormat::Y444];
        let fits = planar.contains(&source.format())
            && frame.format() == VideoFormat::I420
            && same_colours(&source.colorimetry(), &frame.colorimetry());
        if !fits || seen.width == 0 || seen.height == 0 {
            return None;
        }
        let plane = |component: u8| {
            let (from, to) = (
                Subsampling::of(source, component),
                Subsampling::of(frame, component),
            );
            let x = Span::new(seen.x, seen.width, from.x, covered.x, covered.width, to.x);
            let y = Span::new(seen.y, seen.height, from.y, covered.y, covered.height, to.y);
            PlaneScaler::new(x, y)
        };
        Some(Self {
            planes: [plane(0)?, plane(1)?, plane(2)?],
        })
    }

    /// Puts the picture into its place; all else in the frame stays as it is. Both are as they were
    /// announced: what is smaller is not touched.
    pub fn scale(
        &mut self,
        source: &VideoFrameRef<&gst::BufferRef>,
        frame: &mut VideoFrameRef<&mut gst::BufferRef>,
    ) {
        for (i, plane) in self.planes.iter_mut().enumerate() {
            let from_stride = source.plane_stride()[i];
            let to_stride = frame.plane_stride()[i];
            let (Ok(from), Ok(to)) = (source.plane_data(i as u32), frame.plane_data_mut(i as u32))
            else {
                continue;
            };
            if let (Ok(from_stride), Ok(to_stride)) = (from_stride.try_into(), to_stride.try_into())
            {
                plane.scale(from, from_stride, to, to_stride);
            }
        }
    }
}

/// Pixels of the picture, across and down, that make one of a plane.
struct Subsampling {
    x: u32,
    y: u32,
}

impl Subsampling {
    fn of(info: &VideoInfo, component: u8) -> Self {
        let shift = |shifts: &[u32]| shifts.get(usize::from(component)).map_or(1, |s| 1 << s);
        Self {
            x: shift(info.format_info().w_sub()),
            y: shift(info.format_info().h_sub()),
        }
    }
}

/// Whether the same numbers are the same colours.
fn same_colours(a: &VideoColorimetry, b: &VideoColorimetry) -> bool {
    a.matrix() == b.matrix() && a.range() == b.range()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

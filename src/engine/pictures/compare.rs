//! Whether two pictures are the same to the eye of a scaler: slides that nobody changes come out of
//! the decoder thirty times a second.

use gst_video::VideoFrameRef;
use gst_video::prelude::*;

use super::Picture;

/// Whether the pictures have the same layout and the same pixels. Two that differ do so soon, mostly:
/// it is the pictures that are the same that are read to their end (0.2 ms for 1920x1080).
pub fn same_pixels(a: &Picture, b: &Picture) -> bool {
    if a.info != b.info {
        return false;
    }
    let (Ok(a), Ok(b)) = (readable(a), readable(b)) else {
        return false;
    };
    (0..a.n_planes()).all(|plane| same_plane(&a, &b, plane))
}

fn readable(picture: &Picture) -> Result<VideoFrameRef<&gst::BufferRef>, glib::BoolError> {
    VideoFrameRef::from_buffer_ref_readable(&picture.buffer, &picture.info)
}

fn same_plane(
    a: &VideoFrameRef<&gst::BufferRef>,
    b: &VideoFrameRef<&gst::BufferRef>,
    plane: u32,
) -> bool {
    // The first component that lies in the plane tells how many of its bytes are pixels.
    let format = a.format_info();
    let component = (0..format.n_components()).find(|c| format.plane()[*c as usize] == plane);
    let Some(component) = component else {
        return false;
    };
    let rows = a.comp_height(component) as usize;
    let bytes = a.comp_width(component) as usize * a.comp_pstride(component) as usize;
    let stride = |frame: &VideoFrameRef<&gst::BufferRef>| {
        frame
            .plane_stride()
            .get(plane as usize)
            .and_then(|stride| usize::try_from(*stride).ok())
    };
    let (Some(stride_a), Some(stride_b)) = (stride(a), stride(b)) else {
        return false;
    };
    let (Ok(a), Ok(b)) = (a.plane_data(plane), b.plane_data(plane)) else {
        return false;
    };
    let row = |data: &'_ [u8], stride: usize, y: usize| -> Option<std::ops::Range<usize>> {
        let range = y * stride..y * stride + bytes;
        (range.end <= data.len()).then_some(range)
    };
    bytes > 0
        && (0..rows).all(|y| match (row(a, stride_a, y), row(b, stride_b, y)) {
            (Some(of_a), Some(of_b)) => a[of_a] == b[of_b],
            _ => false,
        })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::engine::pictures::next_serial;
    use gst_video::{VideoFormat, VideoInfo};

    fn picture(format: VideoFormat, mut data: impl FnMut(usize) -> u8) -> Picture {
        gst::init().unwrap();
        let info = VideoInfo::builder(format, 62, 38).build().unwrap();
        let bytes: Vec<u8> = (0..info.size()).map(&mut data).collect();
        Picture {
            buffer: gst::Buffer::from_slice(bytes),
            info,
            captured: 0,
            serial: next_serial(),
        }
    }

    #[test]
    fn one_pixel_makes_the_difference_and_padding_does_not() {
        for format in [
            VideoFormat::I420,
            VideoFormat::Nv12,
            VideoFormat::Rgb,
            VideoFormat::I42010le,
        ] {
            let one = picture(format, |i| i as u8);
            assert!(
                same_pixels(&one, &picture(format, |i| i as u8)),
                "{format:?}"
            );
            let (stride, offset) = (
                one.info.stride()[0] as usize,
                one.info.offset()[1.min(one.info.n_planes() as usize - 1)],
            );
            for changed in [0, stride * 37 + 61, offset, offset + 30] {
                let other = picture(format, |i| i as u8 ^ u8::from(i == changed));
                assert!(!same_pixels(&one, &other), "{format:?} {changed}");
            }
        }
        // 62 pixels in 64 bytes.
        let padded = picture(VideoFormat::I420, |i| {
            if i % 64 == 63 && i < 64 * 38 { 9 } else { 1 }
        });
        assert!(same_pixels(&padded, &picture(VideoFormat::I420, |_| 1)));
    }

    #[test]
    fn other_layouts_are_other_pictures() {
        let one = picture(VideoFormat::I420, |_| 1);
        assert!(!same_pixels(&one, &picture(VideoFormat::Yv12, |_| 1)));
    }
}

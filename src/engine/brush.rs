//! Gets a picture, whatever its size, format and colours, into its place in a frame.
//!
//! What is planar and has the programme's colours is scaled at once. All else is first brought into
//! the programme's colours by GStreamer, in a picture of its own: its converter, told to put
//! pictures with other colours into a part of a frame, writes over the rest of the lines as well
//! (1.22).

use gst_video::prelude::*;
use gst_video::{VideoConverter, VideoConverterConfig, VideoFormat, VideoFrameRef, VideoInfo};

use crate::model::PixelRect;

use super::scale::{Scaler, same_colours};

/// From one place in pictures of one layout to one place in frames of one layout.
pub enum Brush {
    /// The common case.
    Scaler(Box<Scaler>),
    /// The same, where the processor has no way of its own for it.
    Converter(VideoConverter),
    /// All else: into the scratch, then from there.
    Scratch {
        /// Into the whole scratch.
        converter: VideoConverter,
        scratch: gst::Buffer,
        info: VideoInfo,
        /// From the whole scratch; `None`: it is as large as its place, and copied.
        scaler: Option<Box<Scaler>>,
        place: PixelRect,
    },
    /// Nothing can: GStreamer does not know such pictures.
    None,
}

impl Brush {
    /// Puts what is `seen` of pictures like `source` where it is `covered` in frames like `frame`.
    pub fn new(source: &VideoInfo, seen: PixelRect, frame: &VideoInfo, covered: PixelRect) -> Self {
        if let Some(scaler) = Scaler::new(source, seen, frame, covered) {
            return Self::Scaler(Box::new(scaler));
        }
        let has_scaler = Scaler::new(frame, covered, frame, covered).is_some();
        let made = if !has_scaler && is_planar(source.format()) && same_colours(source, frame) {
            converter(source, seen, frame, covered).map(Self::Converter)
        } else {
            Self::scratch(source, seen, frame, covered)
        };
        made.unwrap_or_else(|| {
            tracing::warn!("pictures like {source:?} cannot be shown");
            Self::None
        })
    }

    fn scratch(
        source: &VideoInfo,
        seen: PixelRect,
        frame: &VideoInfo,
        covered: PixelRect,
    ) -> Option<Self> {
        let info = |place: PixelRect| {
            let info = VideoInfo::builder(frame.format(), place.width, place.height);
            info.colorimetry(&frame.colorimetry()).build().ok()
        };
        let whole = |place: PixelRect| PixelRect {
            x: 0,
            y: 0,
            ..place
        };
        let as_seen = info(seen)?;
        let scaler = Scaler::new(&as_seen, whole(seen), frame, covered).map(Box::new);
        let (info, place) = match scaler {
            Some(_) => (as_seen, whole(seen)),
            None => (info(covered)?, whole(covered)),
        };
        Some(Self::Scratch {
            converter: converter(source, seen, &info, place)?,
            scratch: gst::Buffer::with_size(info.size()).ok()?,
            info,
            scaler,
            place: covered,
        })
    }

    /// Paints. The picture and the frame are as they were announced.
    pub fn paint(
        &mut self,
        picture: &VideoFrameRef<&gst::BufferRef>,
        frame: &mut VideoFrameRef<&mut gst::BufferRef>,
    ) {
        match self {
            Self::Scaler(scaler) => scaler.scale(picture, frame),
            Self::Converter(converter) => converter.frame_ref(picture, frame),
            Self::Scratch {
                converter,
                scratch,
                info,
                scaler,
                place,
            } => {
                let Some(writable) = scratch.get_mut() else {
                    return;
                };
                if let Ok(mut whole) = VideoFrameRef::from_buffer_ref_writable(writable, info) {
                    converter.frame_ref(picture, &mut whole);
                }
                let Ok(whole) = VideoFrameRef::from_buffer_ref_readable(scratch, info) else {
                    return;
                };
                match scaler {
                    Some(scaler) => scaler.scale(&whole, frame),
                    None => copy(&whole, frame, *place),
                }
            }
            Self::None => {}
        }
    }
}

/// Formats that GStreamer's converter scales plane by plane, where the colours stay.
fn is_planar(format: VideoFormat) -> bool {
    matches!(
        format,
        VideoFormat::I420
            | VideoFormat::Yv12
            | VideoFormat::Nv12
            | VideoFormat::Nv21
            | VideoFormat::Y42b
            | VideoFormat::Y444
    )
}

fn converter(
    source: &VideoInfo,
    seen: PixelRect,
    frame: &VideoInfo,
    covered: PixelRect,
) -> Option<VideoConverter> {
    let mut config = VideoConverterConfig::new();
    config.set_src_x(seen.x as i32);
    config.set_src_y(seen.y as i32);
    config.set_src_width(Some(seen.width as i32));
    config.set_src_height(Some(seen.height as i32));
    config.set_dest_x(covered.x as i32);
    config.set_dest_y(covered.y as i32);
    config.set_dest_width(Some(covered.width as i32));
    config.set_dest_height(Some(covered.height as i32));
    config.set_fill_border(false);
    config.set_resampler_method(gst_video::VideoResamplerMethod::Linear);
    config.set_threads(1);
    VideoConverter::new(source, frame, Some(config)).ok()
}

/// Copies a whole picture to its place in a frame; both are I420, and the place is even.
fn copy(
    picture: &VideoFrameRef<&gst::BufferRef>,
    frame: &mut VideoFrameRef<&mut gst::BufferRef>,
    place: PixelRect,
) {
    for plane in 0..3 {
        let sub = if plane == 0 { 1 } else { 2 };
        let [x, y] = [place.x, place.y].map(|start| (start / sub) as usize);
        let [width, height] = [place.width, place.height].map(|size| size.div_ceil(sub) as usize);
        let [from, to] = [picture.plane_stride()[plane], frame.plane_stride()[plane]]
            .map(|stride| stride.max(0) as usize);
        let (Ok(source), Ok(target)) = (
            picture.plane_data(plane as u32),
            frame.plane_data_mut(plane as u32),
        ) else {
            continue;
        };
        for row in 0..height {
            let read = source.get(row * from..row * from + width);
            let start = (y + row) * to + x;
            if let (Some(read), Some(write)) = (read, target.get_mut(start..start + width)) {
                write.copy_from_slice(read);
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use gst_video::VideoColorimetry;

    fn info(format: VideoFormat, width: u32, height: u32, colours: &str) -> VideoInfo {
        gst::init().unwrap();
        VideoInfo::builder(format, width, height)
            .colorimetry(&colours.parse::<VideoColorimetry>().unwrap())
            .build()
            .unwrap()
    }

    const PLACE: PixelRect = PixelRect {
        x: 400,
        y: 100,
        width: 320,
        height: 240,
    };

    /// The luma of a frame that was 40 all over, and got a plain picture of this luma at its place.
    fn painted(brush: &mut Brush, source: &VideoInfo, frame: &VideoInfo, luma: u8) -> Vec<u8> {
        let mut picture = gst::Buffer::with_size(source.size()).unwrap();
        let mut grey = VideoConverterSource::new(luma);
        grey.fill(&mut picture, source);
        let mut buffer = gst::Buffer::with_size(frame.size()).unwrap();
        let writable = buffer.get_mut().unwrap();
        let mut to = VideoFrameRef::from_buffer_ref_writable(writable, frame).unwrap();
        to.plane_data_mut(0).unwrap().fill(40);
        let from = VideoFrameRef::from_buffer_ref_readable(&picture, source).unwrap();
        brush.paint(&from, &mut to);
        to.plane_data(0).unwrap().to_vec()
    }

    /// Makes plain grey pictures of any format, by way of one that is easy to fill.
    struct VideoConverterSource(u8);

    impl VideoConverterSource {
        fn new(luma: u8) -> Self {
            Self(luma)
        }

        fn fill(&mut self, picture: &mut gst::Buffer, info: &VideoInfo) {
            let colours = info.colorimetry().to_string();
            let easy = self::info(VideoFormat::I420, info.width(), info.height(), &colours);
            let mut data = vec![128; easy.size()];
            data[..easy.offset()[1]].fill(self.0);
            let from = gst::Buffer::from_slice(data);
            let from = VideoFrameRef::from_buffer_ref_readable(&from, &easy).unwrap();
            let writable = picture.get_mut().unwrap();
            let mut to = VideoFrameRef::from_buffer_ref_writable(writable, info).unwrap();
            let all = VideoConverter::new(&easy, info, None).unwrap();
            all.frame_ref(&from, &mut to);
        }
    }

    fn check(painted: &[u8], luma: u8, case: &str) {
        for (i, value) in painted.iter().enumerate() {
            let (x, y) = ((i % 1280) as u32, (i / 1280) as u32);
            let is_inside = (PLACE.x..PLACE.x + PLACE.width).contains(&x)
                && (PLACE.y..PLACE.y + PLACE.height).contains(&y);
            let wanted = if is_inside { luma } else { 40 };
            assert!(
                value.abs_diff(wanted) <= 1,
                "{case}: {value} at {x}, {y}, not {wanted}"
            );
        }
    }

    #[test]
    fn whatever_a_picture_is_like_the_rest_of_the_frame_stays() {
        let frame = info(VideoFormat::I420, 1280, 720, "bt709");
        for format in [
            VideoFormat::I420,
            VideoFormat::Yv12,
            VideoFormat::Nv12,
            VideoFormat::Y42b,
            VideoFormat::Y444,
            VideoFormat::Yuy2,
            VideoFormat::I42010le,
            VideoFormat::I42210le,
            VideoFormat::Y44410le,
            VideoFormat::Gray8,
        ] {
            for (width, height) in [(640, 480), (853, 479), (320, 240)] {
                for colours in ["bt709", "bt601"] {
                    let source = info(format, width, height, colours);
                    let seen = PixelRect {
                        x: 0,
                        y: 0,
                        width,
                        height,
                    };
                    let mut brush = Brush::new(&source, seen, &frame, PLACE);
                    let case = format!("{format:?} {width}x{height} {colours}");
                    check(&painted(&mut brush, &source, &frame, 180), 180, &case);
                }
            }
        }
    }

    #[test]
    fn a_scratch_of_the_places_size_is_copied() {
        let frame = info(VideoFormat::I420, 1280, 720, "bt709");
        let source = info(VideoFormat::Yuy2, 640, 480, "bt601");
        let (seen, whole) = (
            PixelRect {
                width: 640,
                height: 480,
                ..PixelRect::default()
            },
            PixelRect {
                x: 0,
                y: 0,
                ..PLACE
            },
        );
        let scratch = info(VideoFormat::I420, PLACE.width, PLACE.height, "bt709");
        let mut brush = Brush::Scratch {
            converter: converter(&source, seen, &scratch, whole).unwrap(),
            scratch: gst::Buffer::with_size(scratch.size()).unwrap(),
            info: scratch,
            scaler: None,
            place: PLACE,
        };
        check(&painted(&mut brush, &source, &frame, 99), 99, "copied");
    }
}

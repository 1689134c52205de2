use super::*;
use gst_video::VideoConverter;
use gst_video::VideoConverterConfig;

fn info(format: VideoFormat, width: u32, height: u32) -> VideoInfo {
    gst::init().unwrap();
    VideoInfo::builder(format, width, height)
        .colorimetry(&"bt709".parse::<VideoColorimetry>().unwrap())
        .build()
        .unwrap()
}

fn rect(x: u32, y: u32, width: u32, height: u32) -> PixelRect {
    PixelRect {
        x,
        y,
        width,
        height,
    }
}

/// A picture where `luma(x, y)` says how bright it is, and chroma goes along.
fn picture(info: &VideoInfo, value: impl Fn(u32, u32) -> u8) -> gst::Buffer {
    let mut buffer = gst::Buffer::with_size(info.size()).unwrap();
    let mut frame =
        VideoFrameRef::from_buffer_ref_writable(buffer.get_mut().unwrap(), info).unwrap();
    for plane in 0..3 {
        let sub = Subsampling::of(info, plane);
        let stride = frame.plane_stride()[usize::from(plane)] as usize;
        let data = frame.plane_data_mut(u32::from(plane)).unwrap();
        for (y, row) in data.chunks_mut(stride).enumerate() {
            for (x, pixel) in row.iter_mut().enumerate() {
                *pixel = value(x as u32 * sub.x, y as u32 * sub.y);
            }
        }
    }
    drop(frame);
    buffer
}

/// Luma and chroma of the frame that `paint` has painted on grey.
fn painted(
    info: &VideoInfo,
    paint: impl FnOnce(&mut VideoFrameRef<&mut gst::BufferRef>),
) -> Vec<Vec<u8>> {
    let mut buffer = picture(info, |_, _| 7);
    paint(&mut VideoFrameRef::from_buffer_ref_writable(buffer.get_mut().unwrap(), info).unwrap());
    let frame = VideoFrameRef::from_buffer_ref_readable(&buffer, info).unwrap();
    (0..3)
        .map(|i| frame.plane_data(i).unwrap().to_vec())
        .collect()
}

/// A slope with a fine grain: what a filter that looks too little, or too much, gets wrong.
fn grain(x: u32, y: u32) -> u8 {
    let noise = (x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(40_503)).rotate_left(9) % 16;
    ((x / 9 + y / 7) % 180) as u8 + noise as u8
}

const PLACES: [(u32, u32, PixelRect, PixelRect); 8] = {
    const fn r(x: u32, y: u32, width: u32, height: u32) -> PixelRect {
        PixelRect {
            x,
            y,
            width,
            height,
        }
    }
    [
        (1920, 1080, r(0, 0, 1920, 1080), r(0, 134, 1440, 810)),
        (1280, 720, r(0, 0, 1280, 720), r(1270, 360, 640, 360)),
        (640, 360, r(0, 0, 640, 360), r(0, 0, 1920, 1080)),
        (1280, 720, r(160, 90, 960, 540), r(10, 20, 300, 168)),
        (1920, 1200, r(0, 0, 1920, 1200), r(1800, 900, 100, 62)),
        (322, 182, r(0, 0, 322, 182), r(2, 2, 322, 182)),
        (64, 48, r(0, 0, 64, 48), r(6, 6, 10, 400)),
        (4096, 2160, r(0, 0, 4096, 2160), r(0, 0, 360, 190)),
    ]
};

#[test]
fn it_looks_as_the_converter_would_have_it_and_touches_nothing_else() {
    let frame = info(VideoFormat::I420, 1920, 1080);
    for format in [VideoFormat::I420, VideoFormat::Y42b, VideoFormat::Y444] {
        for (width, height, seen, covered) in PLACES {
            let source = info(format, width, height);
            let buffer = picture(&source, grain);
            let from = VideoFrameRef::from_buffer_ref_readable(&buffer, &source).unwrap();
            let own = painted(&frame, |to| {
                Scaler::new(&source, seen, &frame, covered)
                    .unwrap()
                    .scale(&from, to);
            });
            let mut config = VideoConverterConfig::new();
            for (set, value) in [
                (VideoConverterConfig::set_src_x as fn(&mut _, _), seen.x),
                (VideoConverterConfig::set_src_y, seen.y),
                (VideoConverterConfig::set_dest_x, covered.x),
                (VideoConverterConfig::set_dest_y, covered.y),
            ] {
                set(&mut config, value as i32);
            }
            config.set_src_width(Some(seen.width as i32));
            config.set_src_height(Some(seen.height as i32));
            config.set_dest_width(Some(covered.width as i32));
            config.set_dest_height(Some(covered.height as i32));
            config.set_fill_border(false);
            config.set_resampler_method(gst_video::VideoResamplerMethod::Linear);
            let converter = VideoConverter::new(&source, &frame, Some(config)).unwrap();
            let theirs = painted(&frame, |to| converter.frame_ref(&from, to));
            for (plane, (own, theirs)) in own.iter().zip(&theirs).enumerate() {
                let off = own
                    .iter()
                    .zip(theirs)
                    .map(|(a, b)| f64::from(a.abs_diff(*b)));
                let mean = off.sum::<f64>() / (covered.width * covered.height) as f64;
                let case = format!("{format:?} {width}x{height} {covered:?} plane {plane}");
                assert!(mean < 1.5, "{case}: {mean} off");
                let stride = if plane == 0 { 1920 } else { 960 };
                let sub = 1920 / stride;
                for (i, value) in own.iter().enumerate() {
                    let (x, y) = ((i % stride * sub) as u32, (i / stride * sub) as u32);
                    if !covered.overlaps(&rect(x, y, 1, 1)) {
                        assert_eq!(*value, 7, "{case}: {x}, {y} touched");
                    }
                }
            }
        }
    }
}

#[test]
fn plain_colour_stays_what_it_was() {
    let frame = info(VideoFormat::I420, 1920, 1080);
    for (width, height, seen, covered) in PLACES {
        for value in [0, 1, 128, 254, 255] {
            let source = info(VideoFormat::I420, width, height);
            let buffer = picture(&source, |_, _| value);
            let from = VideoFrameRef::from_buffer_ref_readable(&buffer, &source).unwrap();
            let own = painted(&frame, |to| {
                Scaler::new(&source, seen, &frame, covered)
                    .unwrap()
                    .scale(&from, to);
            });
            let inside = own[0].iter().filter(|pixel| **pixel == value).count();
            assert!(
                inside >= (covered.width * covered.height) as usize,
                "{covered:?} {value}"
            );
        }
    }
}

#[test]
fn the_same_size_is_the_same_picture() {
    let both = info(VideoFormat::I420, 320, 180);
    let all = rect(0, 0, 320, 180);
    let buffer = picture(&both, grain);
    let from = VideoFrameRef::from_buffer_ref_readable(&buffer, &both).unwrap();
    let own = painted(&both, |to| {
        Scaler::new(&both, all, &both, all)
            .unwrap()
            .scale(&from, to);
    });
    let as_it_was: Vec<_> = (0..3)
        .map(|i| from.plane_data(i).unwrap().to_vec())
        .collect();
    assert_eq!(own, as_it_was);
}

#[test]
fn other_colours_and_formats_are_not_taken() {
    let frame = info(VideoFormat::I420, 1920, 1080);
    let all = rect(0, 0, 640, 360);
    for format in [VideoFormat::Nv12, VideoFormat::Rgb, VideoFormat::I42010le] {
        let source = info(format, 640, 360);
        assert!(
            Scaler::new(&source, all, &frame, all).is_none(),
            "{format:?}"
        );
    }
    let full = VideoInfo::builder(VideoFormat::I420, 640, 360)
        .colorimetry(&"1:3:5:1".parse::<VideoColorimetry>().unwrap())
        .build()
        .unwrap();
    assert!(Scaler::new(&full, all, &frame, all).is_none());
}

//! Pictures of frames as drivers lay them out.

use gst_video::prelude::*;

use super::*;
use crate::engine::capture::device::Scan;
use crate::venue::Rate;

const WIDTH: u32 = 64;
const HEIGHT: u32 = 32;

fn arrangement(pixels: Pixels, stride: u32) -> Arrangement {
    gst::init().expect("GStreamer");
    Arrangement {
        pixels,
        width: WIDTH,
        height: HEIGHT,
        stride,
        rate: Some(Rate {
            numerator: 30,
            denominator: 1,
        }),
        colours: None,
        scan: Scan::default(),
        input: String::new(),
        follows_signal: false,
    }
}

/// A picture with another brightness on each line, in one colour, padded to its stride.
fn frame_of(pixels: Pixels, stride: u32) -> Vec<u8> {
    let (stride, lines) = (stride as usize, HEIGHT as usize);
    let luma = |y: usize| 16 + 4 * y as u8;
    let (blue, red) = (90, 200);
    let pad = |mut line: Vec<u8>, stride: usize| {
        line.resize(stride, 0xee);
        line
    };
    let pairs = WIDTH as usize / 2;
    let rows = |make: &dyn Fn(usize) -> Vec<u8>, stride: usize, count: usize| -> Vec<u8> {
        (0..count).flat_map(|y| pad(make(y), stride)).collect()
    };
    let plane =
        |value: u8, stride: usize, count: usize| rows(&|_| vec![value; pairs], stride, count);
    let whole = rows(&|y| vec![luma(y); WIDTH as usize], stride, lines);
    let both = |values: [u8; 2], count| rows(&|_| values.repeat(pairs), stride, count);
    let packed =
        |make: &dyn Fn(u8) -> [u8; 4]| rows(&|y| make(luma(y)).repeat(pairs), stride, lines);
    match pixels {
        Pixels::Yuyv => packed(&|y| [y, blue, y, red]),
        Pixels::Yvyu => packed(&|y| [y, red, y, blue]),
        Pixels::Uyvy => packed(&|y| [blue, y, red, y]),
        Pixels::Yu12 => [
            whole,
            plane(blue, stride / 2, lines / 2),
            plane(red, stride / 2, lines / 2),
        ]
        .concat(),
        Pixels::Yv12 => [
            whole,
            plane(red, stride / 2, lines / 2),
            plane(blue, stride / 2, lines / 2),
        ]
        .concat(),
        Pixels::Planar422 => [
            whole,
            plane(blue, stride / 2, lines),
            plane(red, stride / 2, lines),
        ]
        .concat(),
        Pixels::Nv12 => [whole, both([blue, red], lines / 2)].concat(),
        Pixels::Nv21 => [whole, both([red, blue], lines / 2)].concat(),
        Pixels::Nv16 => [whole, both([blue, red], lines)].concat(),
        other => panic!("{other}"),
    }
}

/// Brightness, blue and red of the picture at a place.
fn at(picture: &Picture, x: u32, y: u32) -> [u8; 3] {
    let frame = VideoFrameRef::from_buffer_ref_readable(&picture.buffer, &picture.info)
        .expect("a readable picture");
    [0, 1, 2].map(|component: u32| {
        let info = frame.format_info();
        let (x, y) = (
            x >> info.w_sub()[component as usize],
            y >> info.h_sub()[component as usize],
        );
        let stride = frame.plane_stride()[component as usize] as u32;
        frame.plane_data(component).expect("a plane")[(y * stride + x) as usize]
    })
}

fn developed(pixels: Pixels, stride: u32) -> Picture {
    let mut press = Press::new(&arrangement(pixels, stride), Field::Whole).expect("a press");
    let memory = gst::Buffer::from_slice(frame_of(pixels, stride));
    let buffer = press.print(&memory).expect("a picture");
    Picture {
        buffer,
        info: press.picture.clone(),
        captured: 0,
        serial: 1,
    }
}

#[test]
fn every_layout_of_pixels_gives_the_same_picture() {
    for pixels in Pixels::ALL {
        let bits = match pixels.bits() {
            // Of these only the size is of interest here: no colours that could be changed over.
            None | Some(8 | 24 | 32) => continue,
            Some(bits) => bits,
        };
        let packed = matches!(pixels, Pixels::Yuyv | Pixels::Yvyu | Pixels::Uyvy);
        let line = if packed { WIDTH * 2 } else { WIDTH };
        for stride in [line, line + 64] {
            let picture = developed(pixels, stride);
            for (x, y) in [
                (0, 0),
                (WIDTH - 1, 0),
                (31, 16),
                (0, HEIGHT - 1),
                (WIDTH - 1, HEIGHT - 1),
            ] {
                let expected = [16 + 4 * y as u8, 90, 200];
                assert_eq!(
                    at(&picture, x, y),
                    expected,
                    "{pixels} of {bits} bits, {stride}: {x},{y}"
                );
            }
        }
    }
}

#[test]
fn a_field_is_a_picture_of_half_the_lines() {
    let press = Press::new(&arrangement(Pixels::Yuyv, 0), Field::Half).expect("a press");
    assert_eq!(press.picture.par(), gst::Fraction::new(1, 2));
    assert_eq!(
        (press.picture.width(), press.picture.height()),
        (WIDTH, HEIGHT)
    );
}

#[test]
fn colours_are_kept_as_they_are() {
    let mut of = arrangement(Pixels::Yuyv, 0);
    for (colours, expected) in [
        (None, "bt601"),
        (Some("2:3:5:1"), "bt709"),
        (Some("1:4:16:4"), "1:4:16:4"),
    ] {
        of.colours = colours;
        let press = Press::new(&of, Field::Whole).expect("a press");
        assert_eq!(press.picture.colorimetry().to_string(), expected);
    }
}

fn darkroom(arrangement: Arrangement) -> (Darkroom, Arc<Pictures>) {
    let pictures = Arc::<Pictures>::default();
    let made = Darkroom::new(arrangement, pictures.clone(), Timebase::start());
    (made, pictures)
}

#[track_caller]
fn comes(pictures: &Pictures, least: u64) {
    let begun = std::time::Instant::now();
    while pictures.pushed() < least {
        let late = begun.elapsed() > std::time::Duration::from_secs(10);
        assert!(!late, "{} of {least} pictures", pictures.pushed());
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

#[test]
fn two_half_pictures_in_one_frame_become_two_whole_ones() {
    let (mut room, pictures) = darkroom(arrangement(Pixels::Yuyv, 128));
    let memory = gst::Buffer::from_slice(frame_of(Pixels::Yuyv, 128));
    let frame = Frame::of(memory.size(), Field::Both(Some(true)));
    for _ in 0..8 {
        room.develop(&frame, &memory).expect("a picture");
        std::thread::sleep(std::time::Duration::from_millis(33));
    }
    // The last ones wait for what follows.
    comes(&pictures, 12);
}

#[test]
fn a_jpeg_becomes_a_picture_and_rubbish_does_no_harm() {
    let (mut room, pictures) = darkroom(arrangement(Pixels::Mjpg, 0));
    let text = "videotestsrc num-buffers=1 ! video/x-raw,format=I420,width=64,height=32 \
                ! jpegenc ! appsink name=out sync=false";
    let encoder = gst::parse::launch(text).expect("an encoder");
    let encoder = encoder.downcast::<gst::Pipeline>().expect("a pipeline");
    let out = encoder.by_name("out").expect("out");
    let out = out.downcast::<gst_app::AppSink>().expect("an appsink");
    encoder.set_state(gst::State::Playing).expect("it plays");
    let jpeg = out
        .pull_sample()
        .expect("a JPEG")
        .buffer_owned()
        .expect("a JPEG");
    encoder.set_state(gst::State::Null).expect("it stops");
    let good = Frame::of(jpeg.size(), Field::Whole);
    let rubbish = gst::Buffer::from_slice(vec![7_u8; 500]);
    for _ in 0..3 {
        room.develop(&good, &jpeg).expect("a JPEG");
        // More of it is promised than there is; nothing; no JPEG.
        assert!(
            room.develop(&Frame::of(1 << 20, Field::Whole), &rubbish)
                .is_err()
        );
        assert!(room.develop(&Frame::of(0, Field::Whole), &rubbish).is_err());
        room.develop(&Frame::of(500, Field::Whole), &rubbish)
            .expect("it is tried");
        std::thread::sleep(std::time::Duration::from_millis(33));
    }
    comes(&pictures, 3);
}

#[test]
fn a_frame_that_is_cut_short_is_no_picture() {
    let (mut room, pictures) = darkroom(arrangement(Pixels::Nv12, 64));
    let memory = gst::Buffer::from_slice(frame_of(Pixels::Nv12, 64));
    let whole = Frame::of(memory.size(), Field::Whole);
    room.develop(&whole, &memory).expect("a picture");
    let cut = Frame::of(memory.size() - 1, Field::Whole);
    assert!(room.develop(&cut, &memory).is_err());
    assert_eq!(pictures.pushed(), 1);
}

#[test]
fn a_driver_that_says_more_of_its_lines_than_it_gives_is_not_believed() {
    for (pixels, stride) in [
        (Pixels::Yu12, WIDTH + WIDTH / 2),
        (Pixels::Nv12, WIDTH * 2),
        (Pixels::Yuyv, WIDTH * 2 + 64),
    ] {
        let (mut room, pictures) = darkroom(arrangement(pixels, stride));
        let line = if pixels == Pixels::Yuyv {
            2 * WIDTH
        } else {
            WIDTH
        };
        let memory = gst::Buffer::from_slice(frame_of(pixels, line));
        let frame = Frame::of(memory.size(), Field::Whole);
        assert!(room.develop(&frame, &memory).is_err(), "{pixels}");
        assert_eq!(pictures.pushed(), 0);
    }
}

//! What a layout draws besides pictures, as viewers see it: borders, crops and labels.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Colour, Engine, Picture, Recording, Viewer, camera, free_port, seconds, slides};

const BLUE: Colour = Colour(0x20, 0x40, 0xE0);
/// Behind a label's letters.
const STRIP: Colour = Colour(0x10, 0x18, 0x28);

fn venue(relay: u16) -> String {
    format!(
        r##"
[programme]
size = "640x360"
video_bitrate = "3000k"
[relay]
listen = "127.0.0.1:{relay}"
[[source]]
id = "laptop"
kind = "file"
path = "{}"
role = "slides"
[[source]]
id = "camera"
kind = "file"
label = "Ada Lovelace"
path = "{}"
role = "speaker"
[[layout]]
id = "left"
background = "#000000"
slots = [ {{ role = "slides", fit = "stretch", crop = {{ top = 0.2, right = 0.7 }} }},
          {{ role = "speaker", x = 0.05, y = 0.5, width = 0.4, height = 0.4, fit = "cover", border = {{ width = 48, colour = "#2040e0" }}, label = true }} ]
[[layout]]
id = "right"
background = "#000000"
slots = [ {{ role = "slides", fit = "stretch", crop = {{ top = 0.2, right = 0.7 }} }},
          {{ role = "speaker", x = 0.55, y = 0.1, width = 0.4, height = 0.4, fit = "cover", border = {{ width = 48, colour = "#2040e0" }} }} ]
"##,
        slides().display(),
        camera().display()
    )
}

/// The slot of the speaker in `left` and in `right`, and in these its picture.
const SLOTS: [[f64; 4]; 2] = [[32.0, 180.0, 256.0, 144.0], [352.0, 36.0, 256.0, 144.0]];
/// 48 pixels of 1080 lines.
const BORDER: f64 = 16.0;

#[track_caller]
fn watch(relay: u16, during: impl FnOnce()) -> Recording {
    let mut viewer = Viewer::watch_picture(&format!("rtsp://127.0.0.1:{relay}/programme"));
    viewer.wait_picture(seconds(8));
    std::thread::sleep(seconds(1));
    during();
    std::thread::sleep(seconds(1));
    viewer.stop()
}

/// The mean of some pixels.
fn pixels(picture: &Picture, x: f64, y: f64, width: f64, height: f64) -> Colour {
    picture.mean(x / 640.0, y / 360.0, width / 640.0, height / 360.0)
}

#[track_caller]
fn assert_pixels(picture: &Picture, x: f64, y: f64, expected: Colour) {
    let seen = pixels(picture, x - 2.0, y - 2.0, 4.0, 4.0);
    assert!(
        seen.is_like(expected),
        "{seen:?} at {x}, {y}, not {expected:?}; see {}",
        picture.keep()
    );
}

/// A border all around the slot, the camera in it, slides outside.
#[track_caller]
fn assert_bordered(picture: &Picture, [x, y, width, height]: [f64; 4]) {
    let middle = BORDER / 2.0;
    let (mid_x, mid_y) = (x + width / 2.0, y + height / 2.0);
    for (dx, dy) in [(middle, 0.0), (-middle, 0.0), (0.0, middle), (0.0, -middle)] {
        // From the edges inwards for positive, from the far ones for negative shifts.
        let at = |start: f64, length: f64, shift: f64, centre: f64| match shift {
            0.0 => centre,
            s if s > 0.0 => start + s,
            s => start + length + s,
        };
        let (px, py) = (at(x, width, dx, mid_x), at(y, height, dy, mid_y));
        assert_pixels(picture, px, py, BLUE);
        assert_pixels(
            picture,
            px + dx.signum() * f64::from(dx != 0.0) * 2.0 * BORDER,
            py + dy.signum() * f64::from(dy != 0.0) * 2.0 * BORDER,
            Colour::CAMERA_GREEN,
        );
        assert_pixels(
            picture,
            px - dx.signum() * f64::from(dx != 0.0) * 2.0 * BORDER,
            py - dy.signum() * f64::from(dy != 0.0) * 2.0 * BORDER,
            Colour::SLIDE_RED,
        );
    }
}

#[test]
fn borders_crops_and_labels_are_where_the_layout_wants_them_also_in_a_morph() {
    let relay = free_port();
    let engine = Engine::start(&venue(relay));
    engine.wait_status(seconds(10), "both live", |status| {
        let sources = status["sources"].as_array().unwrap();
        sources.iter().all(|source| source["has_picture"] == true)
    });
    let recording = watch(relay, || {
        let morph = ["take", "right", "--transition", "morph", "--duration", "1s"];
        engine.ctl(&morph).assert_ok();
        std::thread::sleep(seconds(1));
    });
    recording.assert_no_frame_missing(30.0);

    // Of the slides only the red field is left, over the whole frame.
    let first = recording.picture_at(0.5);
    for (x, y) in [
        (20.0, 20.0),
        (620.0, 20.0),
        (20.0, 340.0),
        (620.0, 340.0),
        (320.0, 60.0),
    ] {
        assert_pixels(&first, x, y, Colour::SLIDE_RED);
    }
    assert_bordered(&first, SLOTS[0]);
    // The label in the corner of the picture, within the border: 14 pixels high.
    let [x, y, _, height] = SLOTS[0];
    let (left, bottom) = (x + BORDER, y + height - BORDER);
    assert_pixels(&first, left + 2.0, bottom - 7.0, STRIP);
    assert_pixels(&first, left + 4.0, bottom - 24.0, Colour::CAMERA_GREEN);
    let row = (0..60).map(|n| pixels(&first, left + f64::from(n), bottom - 7.0, 1.0, 1.0));
    let row: Vec<Colour> = row.collect();
    let bright = row.iter().filter(|c| c.0.min(c.1).min(c.2) > 150).count();
    assert!((5..50).contains(&bright), "{bright} bright of {row:?}");
    // It ends with its text. (Below that the camera has a white box that runs.)
    assert_pixels(&first, left + 150.0, bottom - 12.0, Colour::CAMERA_GREEN);

    let last = recording.late_picture();
    assert_bordered(&last, SLOTS[1]);
    let [x, y, _, height] = SLOTS[1];
    assert_pixels(
        &last,
        x + BORDER + 4.0,
        y + height - BORDER - 12.0,
        Colour::CAMERA_GREEN,
    );
    assert_pixels(&last, 160.0, 250.0, Colour::SLIDE_RED);

    // On its way the border goes with its slot, in every frame as much of it.
    for (n, picture) in recording.every_picture(320, 180).iter().enumerate() {
        let places = (0..320).flat_map(|x| (0..180).map(move |y| (f64::from(x), f64::from(y))));
        let blue = places.filter(|(x, y)| {
            let seen = picture.mean(x / 320.0, y / 180.0, 1.0 / 320.0, 1.0 / 180.0);
            seen.distance(BLUE) < 40
        });
        let share = blue.count() as f64 / (320.0 * 180.0);
        let whole = (256.0 * 144.0 - 224.0 * 112.0) / (640.0 * 360.0);
        assert!(
            (share - whole).abs() < 0.35 * whole,
            "frame {n}: {share} of {whole}: {}",
            picture.keep()
        );
    }
}

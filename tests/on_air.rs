//! The main job: two laptops push, one programme comes out, at the server and in the room, with
//! the layout that was asked for.

#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use common::{
    Colour, Engine, Laptop, Nginx, Recording, Viewer, camera, free_port, seconds, slides,
    wait_until,
};
use serde_json::Value;

/// What shows where no slot lies.
const BACKGROUND: Colour = Colour(0x10, 0x18, 0x28);

/// The state of one source, in one word.
fn state<'a>(status: &'a Value, source: &str) -> &'a str {
    let sources = status["sources"].as_array().unwrap();
    let found = sources.iter().find(|own| own["id"] == source).unwrap();
    found["state"].as_str().unwrap()
}

/// A venue of two laptops and one server.
fn venue(size: &str, relay: u16, more: &str) -> String {
    format!(
        r##"
name = "Amphi A"
[programme]
size = "{size}"
video_bitrate = "3000k"
[relay]
listen = "127.0.0.1:{relay}"
[[source]]
id = "laptop"
kind = "push"
label = "Laptop"
role = "slides"
[[source]]
id = "camera"
kind = "push"
label = "Camera"
role = "speaker"
# What it shows in the tests stands still.
alarms = {{ frozen = "off" }}
[[layout]]
id = "side"
background = "#101828"
slots = [ {{ role = "slides", x = 0.0, y = 0.125, width = 0.75, height = 0.75 }},
          {{ role = "speaker", x = 0.6614, y = 0.3333, width = 0.3333, height = 0.3333, fit = "cover" }} ]
[[layout]]
id = "swapped"
background = "#101828"
slots = [ {{ role = "speaker", x = 0.0, y = 0.0, width = 0.5, height = 0.5 }},
          {{ role = "slides", x = 0.5, y = 0.5, width = 0.5, height = 0.5 }} ]
[[layout]]
id = "full"
slots = [ {{ role = "slides" }} ]
{more}"##
    )
}

/// What the layout `side` looks like with both laptops in it.
#[track_caller]
fn assert_side_by_side(recording: &Recording) {
    let picture = recording.late_picture();
    // Slides fill 0..0.75 by 0.125..0.875; the camera lies over their right edge.
    picture.assert_colour(0.1, 0.5, Colour::SLIDE_RED);
    picture.assert_colour(0.4, 0.17, Colour::SLIDE_TITLE);
    picture.assert_colour(0.6, 0.82, Colour::SLIDE_WHITE);
    picture.assert_colour(0.8, 0.5, Colour::CAMERA_GREEN);
    picture.assert_colour(0.68, 0.5, Colour::CAMERA_GREEN);
    picture.assert_colour(0.5, 0.05, BACKGROUND);
    picture.assert_colour(0.9, 0.2, BACKGROUND);
    picture.assert_colour(0.99, 0.95, BACKGROUND);
}

#[track_caller]
fn assert_good_stream(recording: &Recording) {
    recording.assert_frame_rate(30.0);
    recording.assert_stamps_never_go_backwards();
    recording.sound().assert_tone(1000.0);
}

#[test]
fn two_laptops_are_composed_for_the_server_and_for_the_room() {
    let server = Nginx::running();
    let relay = free_port();
    let output = format!(
        "[[output]]\nid = \"transcoder\"\nuri = \"{}\"\n",
        server.rtmp_url("live", "amphi-a")
    );
    let engine = Engine::start(&venue("1920x1080", relay, &output));
    let mut laptop = Laptop::push(
        &slides(),
        &format!("rtsp://127.0.0.1:{relay}/ingest/laptop"),
    )
    .tcp();
    let mut speaker = Laptop::push(
        &camera(),
        &format!("rtsp://127.0.0.1:{relay}/ingest/camera"),
    )
    .udp();
    engine.wait_status(seconds(10), "both laptops live", |status| {
        state(status, "laptop") == "live" && state(status, "camera") == "live"
    });
    server.wait_publishing("live", "amphi-a", seconds(5));

    let mut far = Viewer::watch(&server.rtmp_url("live", "amphi-a"));
    let mut near = Viewer::watch_picture(&format!("rtsp://127.0.0.1:{relay}/programme"));
    far.wait_picture(seconds(8));
    near.wait_picture(seconds(8));
    std::thread::sleep(seconds(6));
    let (far, near) = (far.stop(), near.stop());
    laptop.assert_running();
    speaker.assert_running();

    assert!(far.span() > 4.0 && near.span() > 4.0);
    assert_good_stream(&far);
    far.assert_no_frame_missing(30.0);
    near.assert_frame_rate(30.0);
    near.assert_stamps_never_go_backwards();
    near.assert_no_frame_missing(30.0);
    assert_side_by_side(&far);
    assert_side_by_side(&near);

    let mut room = Viewer::watch_udp(&format!("rtsp://127.0.0.1:{relay}/programme"));
    room.wait_picture(seconds(8));
    std::thread::sleep(seconds(2));
    let room = room.stop();
    assert_side_by_side(&room);
    room.sound().assert_tone(1000.0);

    let status = engine.status();
    let sources = status["sources"].as_array().unwrap();
    assert_eq!(sources[0]["picture"], "H.264 1920x1080 30 fps");
    assert_eq!(sources[1]["sound"], "AAC 48000 Hz stereo");
    assert_eq!(sources[1]["tally"], "programme");
    assert_eq!(status["programme"]["slots"][1]["live"], true);
    assert_eq!(status["faults"].as_array().unwrap().len(), 0, "{status:#}");
}

#[test]
fn the_stream_is_as_hls_players_take_it() {
    let server = Nginx::running();
    let output = format!(
        "[[output]]\nid = \"o\"\nuri = \"{}\"\n",
        server.rtmp_url("live", "o")
    );
    let venue = venue("640x360", free_port(), &output)
        .replace("3000k\"", "800k\"\nkeyframe_interval = \"1s\"");
    let _engine = Engine::start(&venue);
    server.wait_publishing("live", "o", seconds(5));
    let mut viewer = Viewer::watch(&server.rtmp_url("live", "o"));
    viewer.wait_picture(seconds(5));
    std::thread::sleep(seconds(5));
    let recording = viewer.stop();
    let video = recording.video();
    assert_eq!((video.codec(), video.profile()), ("h264", "High"));
    assert!(!video.has_b_frames());
    let distances = video.keyframe_distances();
    assert!(distances.len() >= 3, "{distances:?}");
    assert!(
        distances.iter().all(|d| (d - 1.0).abs() < 0.01),
        "{distances:?}"
    );
    assert_eq!(
        (recording.audio().codec(), recording.audio().profile()),
        ("aac", "LC")
    );
    for (name, value) in [("color_space", "bt709"), ("color_range", "tv")] {
        assert_eq!(video.text(name), value);
    }
}

#[test]
fn no_frame_ever_shows_half_of_a_change() {
    let relay = free_port();
    let engine = Engine::start(&venue("640x360", relay, ""));
    let _laptop = Laptop::push(
        &slides(),
        &format!("rtsp://127.0.0.1:{relay}/ingest/laptop"),
    )
    .tcp();
    let _camera = Laptop::push(
        &camera(),
        &format!("rtsp://127.0.0.1:{relay}/ingest/camera"),
    )
    .tcp();
    engine.wait_status(seconds(10), "both live", |status| {
        state(status, "laptop") == "live" && state(status, "camera") == "live"
    });
    let mut viewer = Viewer::watch_picture(&format!("rtsp://127.0.0.1:{relay}/programme"));
    viewer.wait_picture(seconds(8));
    for n in 0..30 {
        engine
            .ctl(&["take", if n % 2 == 0 { "swapped" } else { "side" }])
            .assert_ok();
        std::thread::sleep(Duration::from_millis(70));
    }
    let pictures = viewer.stop().every_picture(64, 36);
    let (mut side, mut swapped) = (0, 0);
    for (n, picture) in pictures.iter().enumerate() {
        // The camera on the right belongs to the slides on the left, and the other way round.
        let green_right =
            picture.colour_at(0.93, 0.45).1 > 90 && picture.colour_at(0.93, 0.45).0 < 90;
        let red_left = picture.colour_at(0.05, 0.6).0 > 120 && picture.colour_at(0.05, 0.6).1 < 90;
        let green_left = picture.colour_at(0.2, 0.2).1 > 90 && picture.colour_at(0.2, 0.2).0 < 90;
        let red_right = picture.colour_at(0.56, 0.8).0 > 120 && picture.colour_at(0.56, 0.8).1 < 90;
        match (green_right && red_left, green_left && red_right) {
            (true, false) => side += 1,
            (false, true) => swapped += 1,
            _ => panic!("frame {n} is neither layout: {}", picture.keep()),
        }
    }
    assert!(side > 15 && swapped > 15, "{side} and {swapped}");
}

#[test]
fn a_role_goes_to_another_source_while_on_air() {
    let relay = free_port();
    let engine = Engine::start(&venue("640x360", relay, ""));
    let _laptop = Laptop::push(
        &slides(),
        &format!("rtsp://127.0.0.1:{relay}/ingest/laptop"),
    )
    .tcp();
    let _camera = Laptop::push(
        &camera(),
        &format!("rtsp://127.0.0.1:{relay}/ingest/camera"),
    )
    .tcp();
    engine.ctl(&["take", "full"]).assert_ok();
    engine.wait_status(seconds(10), "both live", |status| {
        state(status, "laptop") == "live" && state(status, "camera") == "live"
    });
    engine.ctl(&["role", "slides=camera"]).assert_ok();
    let status = engine.status();
    assert_eq!(status["roles"]["slides"], "camera");
    assert_eq!(status["sources"][1]["tally"], "programme");
    assert_eq!(
        look(relay).colour_at(0.5, 0.5),
        look(relay).colour_at(0.2, 0.2)
    );
    look(relay).assert_colour(0.5, 0.5, Colour::CAMERA_GREEN);
    engine.ctl(&["role", "slides="]).assert_ok();
    assert_eq!(engine.status()["roles"]["slides"], Value::Null);
    assert!(
        !look(relay)
            .colour_at(0.2, 0.2)
            .is_like(Colour::CAMERA_GREEN)
    );
    engine.ctl(&["role", "slides=laptop"]).assert_ok();
    look(relay).assert_colour(0.1, 0.5, Colour::SLIDE_RED);
}

/// What a screen in the room shows now.
#[track_caller]
fn look(relay: u16) -> common::Picture {
    let mut viewer = Viewer::watch_picture(&format!("rtsp://127.0.0.1:{relay}/programme"));
    viewer.wait_picture(seconds(8));
    std::thread::sleep(Duration::from_millis(700));
    viewer.stop().late_picture()
}

#[test]
fn a_source_that_is_lost_gives_way_to_its_slate_and_is_back_within_a_second() {
    let relay = free_port();
    let engine = Engine::start(&venue("640x360", relay, ""));
    engine.ctl(&["take", "full"]).assert_ok();
    let url = format!("rtsp://127.0.0.1:{relay}/ingest/laptop");
    let mut viewer = Viewer::watch_picture(&format!("rtsp://127.0.0.1:{relay}/programme"));
    viewer.wait_picture(seconds(8));
    for round in 0..4 {
        // Three ways to go: killed, in good order, cable pulled.
        let mut laptop = if round == 1 {
            Laptop::push(&slides(), &url).udp()
        } else {
            Laptop::push(&slides(), &url).tcp()
        };
        engine.wait_status(seconds(8), "live", |status| {
            state(status, "laptop") == "live"
        });
        assert_eq!(engine.status()["programme"]["slots"][0]["live"], true);
        std::thread::sleep(Duration::from_millis(800));
        match round {
            0 => laptop.kill(),
            1 | 3 => laptop.stop(),
            _ => laptop.freeze(),
        }
        let took = wait_until(seconds(3), "the slate", || {
            engine.status()["programme"]["slots"][0]["live"] == false
        });
        assert!(
            took < Duration::from_millis(1100),
            "round {round}: {took:?}"
        );
        engine.wait_status(seconds(3), "a fault that names the source", |status| {
            status["faults"].as_array().unwrap().iter().any(|fault| {
                fault["scope"]["source"] == "laptop"
                    && fault["happened"].as_str().unwrap().contains("Laptop")
            })
        });
        std::thread::sleep(Duration::from_millis(600));
        if round == 2 {
            laptop.thaw();
            let took = wait_until(seconds(3), "the source again", || {
                engine.status()["programme"]["slots"][0]["live"] == true
            });
            assert!(took < Duration::from_millis(1100), "back after {took:?}");
            engine.wait_status(seconds(2), "no fault left", |status| {
                status["faults"].as_array().unwrap().is_empty()
            });
        }
    }
    let recording = viewer.stop();
    recording.assert_no_frame_missing(30.0);
    // Each round is seen: red while live, the slate's dark ground after.
    let is_red: Vec<bool> = (recording.every_picture(32, 18).iter())
        .map(|picture| picture.colour_at(0.1, 0.5).0 > 120)
        .collect();
    let turns = is_red.windows(2).filter(|pair| pair[0] != pair[1]).count();
    assert!(turns >= 8, "{turns} turns between slides and slate");
}

#[test]
fn the_slate_covers_the_whole_programme_and_mutes_it() {
    let relay = free_port();
    let engine = Engine::start(&venue("640x360", relay, ""));
    let _camera = Laptop::push(
        &camera(),
        &format!("rtsp://127.0.0.1:{relay}/ingest/camera"),
    )
    .tcp();
    engine.wait_status(seconds(10), "live", |status| {
        state(status, "camera") == "live"
    });
    engine.ctl(&["slate", "on"]).assert_ok();
    let mut viewer = Viewer::watch(&format!("rtsp://127.0.0.1:{relay}/programme"));
    viewer.wait_picture(seconds(8));
    std::thread::sleep(seconds(2));
    let recording = viewer.stop();
    let sound = recording.sound();
    let level = sound.between(0.5, sound.seconds()).level_db();
    assert!(level < -70.0, "{level} dB");
    assert!(
        !recording
            .late_picture()
            .colour_at(0.8, 0.5)
            .is_like(Colour::CAMERA_GREEN)
    );
    assert_eq!(engine.status()["programme"]["state"], "slate");
    engine.ctl(&["slate", "off"]).assert_ok();
    look(relay).assert_colour(0.8, 0.5, Colour::CAMERA_GREEN);
    assert_eq!(engine.status()["programme"]["state"], "on-air");
}

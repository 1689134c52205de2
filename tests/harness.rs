//! The harness tested without the product: what is known about the footage must come out of
//! nginx and of an RTSP server as it went in. A harness that is wrong proves nothing.

#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use common::{
    Colour, Laptop, Nginx, Recording, Viewer, camera, footage, free_port, plays_in_gstreamer,
    plays_in_mpv, seconds, slides, talk,
};
use gst_rtsp_server::prelude::*;

/// What `camera.mp4` shows and sounds, at the far end.
#[track_caller]
fn assert_camera(recording: &Recording) {
    recording.assert_frame_rate(25.0);
    recording.assert_no_frame_missing(25.0);
    recording.assert_stamps_never_go_backwards();
    let video = recording.video();
    assert_eq!(
        (video.codec(), video.size(), video.has_b_frames()),
        ("h264", (1280, 720), false)
    );
    assert!(
        video
            .keyframe_distances()
            .iter()
            .all(|distance| (distance - 1.0).abs() < 0.002)
    );
    let picture = recording.late_picture();
    picture.assert_colour(0.5, 0.5, Colour::CAMERA_GREEN);
    picture.assert_colour(0.05, 0.05, Colour::CAMERA_GREEN);
    assert_eq!(
        (
            recording.audio().codec(),
            recording.audio().text("sample_rate")
        ),
        ("aac", "48000")
    );
    let sound = recording.sound();
    sound.assert_tone(1000.0);
    assert!(!sound.has_tone(1300.0));
    assert!(
        (sound.level_db() + 15.05).abs() < 1.0,
        "{} dB",
        sound.level_db()
    );
    assert!(sound.between(0.1, sound.seconds()).longest_silence() < 0.03);
}

#[test]
fn the_harness_sees_what_nginx_serves() {
    let server = Nginx::running();
    assert!(!server.publishing("live", "camera"));
    let mut laptop = Laptop::push(&camera(), &server.rtmp_url("live", "camera")).rtmp();
    server.wait_publishing("live", "camera", seconds(5));
    assert!(!server.publishing("room", "camera") && !server.publishing("live", "other"));
    let mut viewer = Viewer::watch(&server.rtmp_url("live", "camera"));
    viewer.wait_picture(seconds(5));
    std::thread::sleep(seconds(4));
    let recording = viewer.stop();
    laptop.assert_running();
    assert!(server.bytes_in("live", "camera") > 10_000);
    assert!(recording.span() > 3.0, "{} s", recording.span());
    assert_camera(&recording);
}

#[test]
fn slides_have_their_colours_at_their_places() {
    let server = Nginx::running();
    let _laptop = Laptop::push(&slides(), &server.rtmp_url("live", "slides")).rtmp();
    server.wait_publishing("live", "slides", seconds(5));
    let mut viewer = Viewer::watch(&server.rtmp_url("live", "slides"));
    viewer.wait_picture(seconds(5));
    std::thread::sleep(seconds(3));
    let recording = viewer.stop();
    recording.assert_frame_rate(30.0);
    assert!(recording.audio.is_none());
    assert_eq!(recording.video().profile(), "Constrained Baseline");
    let pictures = recording.every_picture(160, 90);
    assert!(pictures.len() > 60, "{} pictures", pictures.len());
    for picture in pictures.iter().chain([&recording.picture_at(1.0)]) {
        picture.assert_colour(0.95, 0.07, Colour::SLIDE_TITLE);
        picture.assert_colour(0.1, 0.5, Colour::SLIDE_RED);
        picture.assert_colour(0.9, 0.9, Colour::SLIDE_WHITE);
        assert!(!picture.colour_at(0.1, 0.5).is_like(Colour::SLIDE_WHITE));
    }
}

#[test]
fn a_killed_server_loses_its_clients_and_returns_on_its_port() {
    let mut server = Nginx::running();
    let url = server.rtmp_url("live", "talk");
    let mut laptop = Laptop::push(&talk(), &url).rtmp();
    server.wait_publishing("live", "talk", seconds(5));
    server.kill();
    assert!(!server.publishing("live", "talk"));
    laptop.wait_refused(seconds(5));
    server.start();
    let laptop = Laptop::push(&talk(), &url).rtmp();
    server.wait_publishing("live", "talk", seconds(5));
    drop(laptop);
    common::wait_until(seconds(5), "nginx sees the laptop go", || {
        !server.publishing("live", "talk")
    });
}

#[test]
fn rtmps_reaches_the_same_server() {
    let server = Nginx::running_with_tls();
    let _laptop = Laptop::push(&talk(), &server.rtmps_url("live", "talk")).rtmp();
    server.wait_publishing("live", "talk", seconds(5));
    assert!(server.certificate().exists());
}

#[test]
fn a_laptop_pushes_by_rtsp_over_tcp_and_udp() {
    for over_udp in [false, true] {
        let url = format!("rtsp://127.0.0.1:{}/ingest/laptop", free_port());
        let mut viewer = Viewer::receive_rtsp(&url);
        std::thread::sleep(Duration::from_millis(700));
        let push = Laptop::push(&camera(), &url);
        let mut laptop = if over_udp { push.udp() } else { push.tcp() };
        viewer.wait_picture(seconds(8));
        std::thread::sleep(seconds(3));
        laptop.assert_running();
        assert_camera(&viewer.stop());
    }
}

#[test]
fn a_laptop_that_finds_nobody_says_so() {
    let url = format!("rtsp://127.0.0.1:{}/ingest/laptop", free_port());
    let mut laptop = Laptop::push(&camera(), &url)
        .with_key("laptop", "a key")
        .tcp();
    assert!(
        laptop
            .wait_refused(seconds(5))
            .contains("Connection refused")
    );
}

#[test]
fn the_harness_sees_what_an_rtsp_server_plays() {
    gst::init().unwrap();
    // A context of its own: another test's server shall not be served by this thread.
    let context = glib::MainContext::new();
    let server = gst_rtsp_server::RTSPServer::new();
    server.set_address("127.0.0.1");
    let port = free_port();
    server.set_service(&port.to_string());
    let factory = gst_rtsp_server::RTSPMediaFactory::new();
    let file = footage("camera.mp4");
    factory.set_launch(&format!(
        "( filesrc location={} ! qtdemux name=d d.video_0 ! queue ! h264parse ! rtph264pay name=pay0 pt=96 \
           config-interval=-1 d.audio_0 ! queue ! aacparse ! rtpmp4gpay name=pay1 pt=97 )",
        file.display()
    ));
    server
        .mount_points()
        .unwrap()
        .add_factory("/camera", factory);
    server.attach(Some(&context)).unwrap();
    let looper = glib::MainLoop::new(Some(&context), false);
    let thread = std::thread::spawn({
        let looper = looper.clone();
        move || looper.run()
    });

    let url = format!("rtsp://127.0.0.1:{port}/camera");
    for watch in [Viewer::watch, Viewer::watch_udp] {
        let mut viewer = watch(&url);
        viewer.wait_picture(seconds(8));
        std::thread::sleep(seconds(4));
        assert_camera(&viewer.stop());
    }
    let mut viewer = Viewer::watch_picture(&url);
    viewer.wait_picture(seconds(8));
    std::thread::sleep(seconds(2));
    let recording = viewer.stop();
    recording.assert_frame_rate(25.0);
    assert!(recording.audio.is_none() && recording.video().starts_with_keyframe());
    plays_in_mpv(&url).assert_ok();
    plays_in_gstreamer(&url).assert_ok();
    assert!(!plays_in_mpv(&format!("rtsp://127.0.0.1:{port}/nothing")).is_ok());
    assert!(!plays_in_gstreamer(&format!("rtsp://127.0.0.1:{port}/nothing")).is_ok());
    let said = Viewer::watch(&format!("rtsp://127.0.0.1:{port}/nothing")).wait_refused(seconds(5));
    assert!(said.contains("404"), "{said}");

    looper.quit();
    thread.join().unwrap();
}

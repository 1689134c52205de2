//! The relay: many players, each on its own account.

#![allow(clippy::unwrap_used)]

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use common::{
    Engine, Laptop, Viewer, free_port, plays_in_gstreamer, plays_in_mpv, seconds, slides, talk,
    wait_until,
};

fn venue(relay: u16) -> String {
    format!(
        r#"
[programme]
size = "640x360"
video_bitrate = "1500k"
keyframe_interval = "10s"
[relay]
listen = "127.0.0.1:{relay}"
[[source]]
id = "pattern"
kind = "test"
role = "slides"
[[source]]
id = "laptop"
kind = "push"
"#
    )
}

#[test]
fn the_usual_players_play_it() {
    let relay = free_port();
    let _engine = Engine::start(&venue(relay));
    let url = format!("rtsp://127.0.0.1:{relay}/programme");
    plays_in_mpv(&url).assert_ok();
    plays_in_gstreamer(&url).assert_ok();
    let mut picture = Viewer::watch_picture(&url);
    picture.wait_picture(seconds(8));
    for mut viewer in [Viewer::watch(&url), Viewer::watch_udp(&url)] {
        viewer.wait_picture(seconds(8));
        std::thread::sleep(seconds(2));
        let recording = viewer.stop();
        recording.assert_stamps_never_go_backwards();
        recording.sound().assert_tone(1000.0);
        // Whoever joins is told from the first packet on where picture and sound belong.
        let (at, gap) = recording.video().longest_gap();
        assert!(gap < 0.15, "{gap} s at {at} s");
    }
    let picture = picture.stop();
    picture.assert_frame_rate(30.0);
    picture.assert_no_frame_missing(30.0);
}

#[test]
fn whoever_joins_gets_a_picture_soon() {
    let relay = free_port();
    let _engine = Engine::start(&venue(relay));
    let url = format!("rtsp://127.0.0.1:{relay}/programme");
    let mut first = Viewer::watch_picture(&url);
    first.wait_picture(seconds(8));
    // Keyframes are 10 s apart by themselves.
    for _ in 0..4 {
        let mut next = Viewer::watch_picture(&url);
        next.wait_picture(seconds(4));
        std::thread::sleep(Duration::from_millis(900));
        let recording = next.stop();
        assert!(recording.video().starts_with_keyframe());
    }
    // A crowd that joins at once costs few keyframes.
    let crowd: Vec<Viewer> = (0..8).map(|_| Viewer::watch_picture(&url)).collect();
    std::thread::sleep(seconds(3));
    drop(crowd);
    let recording = first.stop();
    recording.assert_no_frame_missing(30.0);
    let distances = recording.video().keyframe_distances();
    assert!(
        distances.iter().all(|distance| *distance > 0.45),
        "{distances:?}"
    );
    assert!(distances.len() < 20, "{distances:?}");
}

#[test]
fn a_source_is_served_as_its_laptop_encoded_it() {
    let relay = free_port();
    let engine = Engine::start(&venue(relay));
    let url = format!("rtsp://127.0.0.1:{relay}/source/laptop");
    let log = Viewer::watch(&url).wait_refused(seconds(5));
    assert!(log.contains("404"), "nobody pushes: {log}");
    let mut laptop =
        Laptop::push(&talk(), &format!("rtsp://127.0.0.1:{relay}/ingest/laptop")).tcp();
    engine.wait_status(seconds(8), "live", |status| {
        status["sources"][1]["state"] == "live"
    });
    // A new connection's timestamps settle at first.
    std::thread::sleep(seconds(8));
    let mut viewer = Viewer::watch(&url);
    viewer.wait_picture(seconds(8));
    std::thread::sleep(seconds(3));
    let recording = viewer.stop();
    laptop.assert_running();
    let video = recording.video();
    assert_eq!((video.codec(), video.size()), ("h264", (1280, 720)));
    // As it was sent, but for what the way through has taught about the sender's clock.
    let rate = recording.frames_per_second();
    assert!((rate - 25.0).abs() < 0.3, "{rate} frames/s");
    // Encoded again, keyframes would not be where the laptop put them.
    assert!(
        video
            .keyframe_distances()
            .iter()
            .all(|distance| (distance - 1.0).abs() < 0.06)
    );
    assert_eq!(recording.audio().codec(), "aac");
    assert!(recording.sound().level_db() > -50.0);
    let mut still = Laptop::push(&slides(), &format!("rtsp://127.0.0.1:{relay}/programme")).tcp();
    still.wait_refused(seconds(5));
}

/// Plays `url` over one connection by hand, and hands the connection over without reading on.
fn play_and_stop_reading(port: u16) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(seconds(5))).unwrap();
    let base = format!("rtsp://127.0.0.1:{port}/programme");
    let ask = |stream: &mut TcpStream, text: String| {
        stream.write_all(text.as_bytes()).unwrap();
        // Head and body of an answer may come apart.
        std::thread::sleep(Duration::from_millis(200));
        let mut answer = vec![0; 8192];
        let n = stream.read(&mut answer).unwrap();
        String::from_utf8_lossy(&answer[..n]).into_owned()
    };
    ask(
        &mut stream,
        format!("DESCRIBE {base} RTSP/1.0\r\nCSeq: 1\r\n\r\n"),
    );
    let answer = ask(
        &mut stream,
        format!(
            "SETUP {base}/stream=0 RTSP/1.0\r\nCSeq: 2\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n"
        ),
    );
    let session = answer
        .lines()
        .find_map(|line| line.strip_prefix("Session: "))
        .unwrap();
    let session = session.split(';').next().unwrap();
    ask(
        &mut stream,
        format!("PLAY {base} RTSP/1.0\r\nCSeq: 3\r\nSession: {session}\r\n\r\n"),
    );
    stream
}

#[test]
fn a_player_that_stops_reading_costs_only_itself() {
    let relay = free_port();
    let engine = Engine::start(&venue(relay).replace("1500k", "6000k"));
    let url = format!("rtsp://127.0.0.1:{relay}/programme");
    let mut good = Viewer::watch_picture(&url);
    good.wait_picture(seconds(8));
    let stuck: Vec<TcpStream> = (0..3).map(|_| play_and_stop_reading(relay)).collect();
    wait_until(seconds(5), "all clients counted", || {
        let relay = engine.status()["relay"].take();
        (relay["clients"].as_u64(), relay["players"].as_u64()) == (Some(4), Some(4))
    });
    wait_until(seconds(40), "those that do not read dropped", || {
        let relay = engine.status()["relay"].take();
        (relay["clients"].as_u64(), relay["players"].as_u64()) == (Some(1), Some(1))
    });
    let said = engine.ctl(&["status"]).out;
    assert!(said.contains("1 clients, 1 of them play"), "{said}");
    let recording = good.stop();
    recording.assert_no_frame_missing(30.0);
    recording.assert_frame_rate(30.0);
    drop(stuck);
}

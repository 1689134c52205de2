//! Calibration: how far a picture and a sound lie apart is found from flashes and beeps, whatever
//! way they come by.

#![allow(clippy::unwrap_used)]

mod common;

use std::path::{Path, PathBuf};

use common::{
    Engine, Laptop, Look, Panel, Process, Room, SoundServer, Viewer, draw, during, free_port,
    seconds,
};
use serde_json::Value;

/// About every 0.7 s, never evenly.
fn times() -> Vec<f64> {
    // At all places between two pictures, whatever their rate.
    let uneven = |n: u32| (f64::from(n) * 0.618_034).fract();
    (0..56)
        .map(|n| 1.0 + f64::from(n) * 0.673 + 0.2 * uneven(n))
        .collect()
}

/// Flashes, and beeps that come so many milliseconds before them; it lasts 40 s.
fn film(folder: &Path, rate: u32, offset_ms: i32) -> PathBuf {
    let flashes = times();
    let beeps: Vec<f64> = (flashes.iter())
        .map(|at| at - f64::from(offset_ms) / 1000.0)
        .collect();
    let picture = format!(
        "color=0x303030:s=320x180:r={rate}:d=40,\
         drawbox=color=0xc0c0c0:t=fill:enable='{}'",
        during(&flashes, 0.12)
    );
    let sound = format!(
        "aevalsrc='0.4*sin(2000*PI*t)*({})':s=48000:d=40",
        during(&beeps, 0.1)
    );
    draw(
        folder,
        &format!("film{rate}{offset_ms}.mp4"),
        &picture,
        &sound,
    )
}

fn engine(relay: u16, rtmp: u16) -> Engine {
    Engine::start(&format!(
        r#"
[programme]
size = "320x180"
[relay]
listen = "127.0.0.1:{relay}"
[ingest]
rtmp = "127.0.0.1:{rtmp}"
[[source]]
id = "camera"
kind = "push"
role = "speaker"
[[source]]
id = "microphone"
kind = "pull"
uri = "rtsp://127.0.0.1:{relay}/source/camera"
"#
    ))
}

fn wait_live(engine: &Engine, source: usize) {
    engine.wait_status(seconds(10), "live", |status| {
        let source = &status["sources"][source];
        source["state"] == "live" && source["has_picture"] == true && source["sound"] != ""
    });
}

#[track_caller]
fn calibrate(engine: &Engine, more: &[&str]) -> Value {
    let arguments = [&["calibrate", "camera", "--json"], more].concat();
    let said = engine.ctl(&arguments);
    said.assert_ok();
    let found: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(found["state"], "found", "{found:#}");
    assert_eq!(found["by"], "flash", "{found:#}");
    found
}

/// The same by the panel's buttons.
#[track_caller]
fn calibrate_in_the_window(engine: &Engine) -> Value {
    let panel = Panel::open(&engine.room, Look::default());
    panel.button("Calibrate camera").wait_there().press();
    panel.button("Start").wait_there().press();
    engine.wait_status(seconds(5), "the panel has begun it", |status| {
        status["calibration"]["state"] == "listening"
    });
    panel.button("Hide").wait_there();
    let status = engine.wait_status(seconds(25), "found", |status| {
        status["calibration"]["state"] == "found"
    });
    panel.button("Once more").wait_there();
    assert_eq!(panel.complaints(), [""; 0]);
    status["calibration"].clone()
}

#[test]
fn a_known_offset_is_found_within_5_ms() {
    let folder = tempfile::tempdir().unwrap();
    let (relay, rtmp) = (free_port(), free_port());
    let engine = engine(relay, rtmp);
    for (rate, offset_ms, by_rtmp) in [(25, -120, true), (60, 40, false), (30, 80, true)] {
        let film = film(folder.path(), rate, offset_ms);
        let _camera = match by_rtmp {
            true => Laptop::push(&film, &format!("rtmp://127.0.0.1:{rtmp}/ingest/camera")).rtmp(),
            false => Laptop::push(&film, &format!("rtsp://127.0.0.1:{relay}/ingest/camera")).tcp(),
        };
        wait_live(&engine, 0);
        let found = match rate {
            30 => calibrate_in_the_window(&engine),
            _ => calibrate(&engine, &["--sound", "camera", "--seconds", "8"]),
        };
        eprintln!("{rate} {offset_ms}: {found}");
        let error = found["offset_ms"].as_f64().unwrap() - f64::from(offset_ms);
        assert!(error.abs() < 5.0, "{rate} {offset_ms}: {found:#}");
        assert!(found["doubt_ms"].as_f64().unwrap() < 4.0, "{found:#}");
        assert!(found["agree"].as_u64().unwrap() >= 6, "{found:#}");
        // One delay moves both: there is none to propose.
        assert_eq!(found["delays"], serde_json::json!([]));
    }
}

#[test]
fn what_is_found_is_set_and_then_they_lie_together() {
    let folder = tempfile::tempdir().unwrap();
    let (relay, rtmp) = (free_port(), free_port());
    let engine = engine(relay, rtmp);
    for (arguments, reason) in [
        (&["nobody"][..], "no source \"nobody\""),
        (&["camera"], "camera shows no picture now"),
        (&["camera", "--seconds", "2"], "3 to 60"),
    ] {
        let arguments = [&["calibrate"], arguments].concat();
        engine.ctl(&arguments).assert_refused(reason);
    }
    let film = film(folder.path(), 30, -100);
    let _camera = Laptop::push(&film, &format!("rtmp://127.0.0.1:{rtmp}/ingest/camera")).rtmp();
    wait_live(&engine, 0);
    engine
        .ctl(&["calibrate", "camera", "--sound", "desk"])
        .assert_refused("no source \"desk\"");
    // The same sound by a longer way.
    wait_live(&engine, 1);
    let arguments = ["--sound", "microphone", "--seconds", "8", "--apply"];
    let found = calibrate(&engine, &arguments);
    eprintln!("{found}");
    let delay = found["delays"][0]["delay_ms"].as_i64().unwrap();
    let offset = found["offset_ms"].as_f64().unwrap();
    assert_eq!(delay, -offset.round() as i64, "{found:#}");
    assert!(delay >= 95, "the way by the relay is no shorter: {found:#}");
    let status = engine.status();
    assert_eq!(status["sources"][0]["delay_ms"], delay);
    assert_eq!(status["sources"][1]["delay_ms"], 0);
    assert_eq!(status["calibration"], found);
    // Asked again, it is as it is.
    let again = calibrate(&engine, &["--sound", "microphone", "--seconds", "8"]);
    let delay_then = again["delays"][0]["delay_ms"].as_i64().unwrap();
    assert!((delay_then - delay).abs() <= 8, "{found:#} {again:#}");
    assert_eq!(again["delays"][0]["from_ms"], delay);
}

/// Sends the film's picture to a source, and plays its sound into the desk.
fn perform(film: &Path, url: &str, desk: &SoundServer, log: &Path) -> Process {
    let mut command = desk.client("ffmpeg");
    command
        .args([
            "-nostdin",
            "-v",
            "warning",
            "-re",
            "-stream_loop",
            "-1",
            "-i",
        ])
        .arg(film)
        .args([
            "-map",
            "0:v",
            "-c",
            "copy",
            "-rtsp_transport",
            "tcp",
            "-f",
            "rtsp",
            url,
        ])
        .args(["-map", "0:a", "-f", "pulse", "-device", "desk"])
        .args(["-buffer_duration", "300", "the hall"]);
    Process::start("the hall", &mut command, log)
}

#[test]
fn a_camera_and_the_desk_are_brought_together() {
    let folder = tempfile::tempdir().unwrap();
    let desk = SoundServer::start(48_000);
    let relay = free_port();
    let venue = format!(
        r#"
[programme]
size = "320x180"
framerate = "60"
[relay]
listen = "127.0.0.1:{relay}"
[[source]]
id = "camera"
kind = "push"
role = "speaker"
[desk]
device = "default"
"#
    );
    let room = Room::new(&venue).env("PULSE_SERVER", &desk.address());
    let engine = room.start();
    engine.ctl(&["take", "speaker"]).assert_ok();
    let base = format!("rtsp://127.0.0.1:{relay}");
    // As a microphone beside a camera that takes its time.
    let film = film(folder.path(), 60, -150);
    let camera = format!("{base}/ingest/camera");
    let _hall = perform(&film, &camera, &desk, &folder.path().join("log"));
    engine.wait_status(seconds(20), "both are live", |status| {
        let source = &status["sources"][0];
        source["state"] == "live"
            && source["has_picture"] == true
            && status["desk"]["state"] == "live"
    });
    // The desk's clock is known, and ticks lie by the camera.
    std::thread::sleep(seconds(8));
    let found = calibrate(&engine, &["--seconds", "9", "--apply"]);
    eprintln!("{found:#}");
    assert_eq!(found["sound"], "desk");
    let mut viewer = Viewer::watch(&format!("{base}/programme"));
    viewer.wait_picture(seconds(10));
    std::thread::sleep(seconds(11));
    let all = viewer.stop().sound_after_flash(-30.0);
    // The viewer's own first second aside.
    let settled = all.iter().filter(|(at, _)| *at > 1.0);
    let mut offsets: Vec<f64> = settled.map(|(_, offset)| *offset).collect();
    offsets.sort_by(f64::total_cmp);
    // Those that are long enough apart.
    assert!(offsets.len() >= 4, "{all:?}");
    let median = offsets[offsets.len() / 2];
    eprintln!("sound after the picture by {median:.1} ms: {offsets:.0?}");
    assert!(median.abs() <= 15.0, "{offsets:.1?}");
}

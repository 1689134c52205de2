//! Outputs: each on its own, retried for ever, and no key in sight.

#![allow(clippy::unwrap_used)]

mod common;

use std::time::{Duration, Instant};

use common::{Engine, Held, Nginx, Room, Viewer, free_port, seconds, wait_until};
use serde_json::Value;

const KEY_A: &str = "zx9-Secret-Key-Of-A";
const KEY_B: &str = "qw7/odd key&of=B";

fn output<'a>(status: &'a Value, id: &str) -> &'a Value {
    let outputs = status["outputs"].as_array().unwrap();
    outputs.iter().find(|own| own["id"] == id).unwrap()
}

fn venue(outputs: &[(&str, String)]) -> String {
    let mut text = format!(
        r#"
name = "Amphi A"
[programme]
size = "640x360"
video_bitrate = "1200k"
[relay]
listen = "127.0.0.1:{}"
[[source]]
id = "pattern"
kind = "test"
role = "slides"
size = "640x360"
"#,
        free_port()
    );
    for (id, rest) in outputs {
        text += &format!("[[output]]\nid = \"{id}\"\n{rest}\n");
    }
    text
}

/// Milliseconds since 1970.
fn wall_clock() -> u64 {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap();
    since.as_millis() as u64
}

fn relay_of(venue: &str) -> String {
    let line = venue
        .lines()
        .find(|line| line.starts_with("listen"))
        .unwrap();
    format!("rtsp://{}/programme", line.split('"').nth(1).unwrap())
}

#[test]
fn one_server_dies_and_returns_and_nobody_else_misses_a_frame() {
    let (mut mortal, steady) = (Nginx::running(), Nginx::running());
    let venue = venue(&[
        (
            "mortal",
            format!("uri = \"{}\"", mortal.rtmp_url("live", "out")),
        ),
        (
            "steady",
            format!("uri = \"{}\"", steady.rtmp_url("live", "out")),
        ),
    ]);
    let engine = Engine::start(&venue);
    mortal.wait_publishing("live", "out", seconds(5));
    steady.wait_publishing("live", "out", seconds(5));
    let mut far = Viewer::watch(&steady.rtmp_url("live", "out"));
    let mut near = Viewer::watch_picture(&relay_of(&venue));
    far.wait_picture(seconds(8));
    near.wait_picture(seconds(8));

    mortal.kill();
    let status = engine.wait_status(seconds(3), "the loss", |s| {
        output(s, "mortal")["state"] != "publishing"
    });
    assert_eq!(output(&status, "steady")["state"], "publishing");
    engine.wait_status(seconds(3), "a fault", |status| {
        let faults = status["faults"].as_array().unwrap();
        faults
            .iter()
            .any(|fault| fault["scope"]["output"] == "mortal")
    });
    let aired = engine.status()["on_air_since"].clone();
    std::thread::sleep(seconds(7));
    let status = engine.status();
    assert_eq!(status["on_air_since"], aired);
    let mortal_now = output(&status, "mortal");
    let reason = mortal_now["last_reason"].as_str().unwrap();
    assert!(!reason.is_empty() && !reason.ends_with('.'), "{reason}");
    assert_eq!(mortal_now["last_reason_said"]["template"], reason);
    let faults = status["faults"].as_array().unwrap();
    let lost = faults
        .iter()
        .find(|fault| fault["scope"]["output"] == "mortal");
    let said = &lost.unwrap()["said"]["happened"];
    assert_eq!(said["template"], "{output} cannot be reached: {reason}.");
    assert_eq!(said["values"]["output"], "mortal");
    mortal.start();
    let took = mortal.wait_publishing("live", "out", seconds(7));
    assert!(took < Duration::from_millis(5600), "back after {took:?}");
    let mut back = Viewer::watch(&mortal.rtmp_url("live", "out"));
    back.wait_picture(seconds(5));
    std::thread::sleep(seconds(2));
    let back = back.stop();
    assert!(back.video().starts_with_keyframe());
    back.assert_frame_rate(30.0);

    let (far, near) = (far.stop(), near.stop());
    assert!(far.span() > 9.0 && near.span() > 9.0);
    far.assert_no_frame_missing(30.0);
    near.assert_no_frame_missing(30.0);
    let status = engine.wait_status(seconds(3), "no fault left", |s| {
        s["faults"].as_array().unwrap().is_empty()
    });
    let (mortal, steady) = (output(&status, "mortal"), output(&status, "steady"));
    assert_eq!(
        (&mortal["reconnects"], &steady["reconnects"]),
        (&Value::from(1), &Value::from(0))
    );
    let lost = mortal["lost_frames"].as_u64().unwrap();
    assert!(
        (150..450).contains(&lost),
        "{lost} frames lost in some 8 to 12 s"
    );
    assert_eq!(steady["lost_frames"], 0);
    let rate = steady["bit_rate"].as_u64().unwrap();
    assert!((200_000..2_500_000).contains(&rate), "{rate} bit/s");
    assert!(steady["sent_frames"].as_u64().unwrap() > 300);
}

#[test]
fn a_server_that_comes_later_is_found() {
    let mut server = Nginx::absent();
    let engine = Engine::start(&venue(&[(
        "late",
        format!("uri = \"{}\"", server.rtmp_url("live", "out")),
    )]));
    engine.wait_status(seconds(5), "a fault", |status| {
        status["faults"]
            .as_array()
            .unwrap()
            .iter()
            .any(|fault| fault["scope"]["output"] == "late")
    });
    std::thread::sleep(seconds(3));
    server.start();
    server.wait_publishing("live", "out", seconds(6));
    engine.wait_status(seconds(3), "publishing", |status| {
        output(status, "late")["state"] == "publishing"
    });
}

#[test]
fn stopping_ends_within_two_seconds_whatever_the_peer_does() {
    let mut server = Nginx::running();
    let engine = Engine::start(&venue(&[(
        "out",
        format!("uri = \"{}\"", server.rtmp_url("live", "out")),
    )]));
    let watch = engine.watch();
    server.wait_publishing("live", "out", seconds(5));
    let status = engine.wait_status(seconds(3), "on air", |status| {
        status["on_air_since"].is_u64() && output(status, "out")["state"] == "publishing"
    });
    let since = &output(&status, "out")["since"];
    let apart = since.as_u64().unwrap() - status["on_air_since"].as_u64().unwrap();
    assert!(apart < 1000, "{status:#}");
    let age = wall_clock() - since.as_u64().unwrap();
    assert!(age < 10_000, "publishing for {age} ms?");
    engine.ctl(&["output", "out", "stop"]).assert_ok();
    let status = engine.wait_status(seconds(1), "stopped", |status| {
        output(status, "out")["state"] == "stopped"
    });
    assert_eq!(status["on_air_since"], Value::Null);
    common::wait_until(seconds(2), "the event", || {
        watch
            .text()
            .contains("{\"event\":\"on-air\",\"since\":null}")
    });
    common::wait_until(seconds(2), "the server to see it", || {
        !server.publishing("live", "out")
    });
    let lost = output(&engine.status(), "out")["lost_frames"].clone();
    std::thread::sleep(seconds(2));
    assert_eq!(
        output(&engine.status(), "out")["lost_frames"],
        lost,
        "nobody misses frames of a stopped output"
    );
    engine.ctl(&["output", "out", "start"]).assert_ok();
    server.wait_publishing("live", "out", seconds(3));
    server.freeze();
    std::thread::sleep(seconds(1));
    let begun = Instant::now();
    engine.ctl(&["output", "out", "stop"]).assert_ok();
    engine.wait_status(seconds(2), "stopped", |status| {
        output(status, "out")["state"] == "stopped"
    });
    assert!(begun.elapsed() < seconds(2), "{:?}", begun.elapsed());
    server.thaw();
}

#[test]
fn rtmps_reaches_its_server_and_believes_only_good_certificates() {
    let server = Nginx::running_with_tls();
    let uri = format!("uri = \"{}\"", server.rtmps_url("live", "out"));
    let trusting = format!("{uri}\ncertificate_check = false");
    let strict = format!("uri = \"{}\"", server.rtmps_url("live", "strict"));
    let engine = Engine::start(&venue(&[("trusting", trusting), ("strict", strict)]));
    server.wait_publishing("live", "out", seconds(6));
    let status = engine.wait_status(seconds(5), "a refusal", |status| {
        !output(status, "strict")["last_reason"]
            .as_str()
            .unwrap()
            .is_empty()
    });
    assert_eq!(output(&status, "strict")["reconnects"], 0);
    engine.wait_status(seconds(2), "publishing", |status| {
        output(status, "trusting")["state"] == "publishing"
    });
    assert!(!server.publishing("live", "strict"));
}

#[test]
fn sound_that_comes_late_keeps_its_place() {
    let server = Nginx::running();
    let url = server.rtmp_url("live", "out");
    let engine = Engine::start(&venue(&[("out", format!("uri = \"{url}\""))]));
    server.wait_publishing("live", "out", seconds(6));
    let mut viewer = Viewer::watch(&url);
    viewer.wait_picture(seconds(8));
    // As on a computer that has too much to do: all sound of this time comes at once, after the pictures.
    let Some(held) = Held::threads(engine.id(), "sound") else {
        return;
    };
    std::thread::sleep(Duration::from_millis(600));
    drop(held);
    let bytes = viewer.bytes();
    wait_until(seconds(8), "it goes on", || {
        viewer.bytes() > bytes + 300_000
    });
    let recording = viewer.stop();
    recording.assert_stamps_never_go_backwards();
    // A packet is 21.3 ms, and a stamp whole milliseconds.
    let packets = &recording.audio().packets;
    let steps = packets.windows(2).map(|two| two[1].pts - two[0].pts);
    let crowded = steps.filter(|step| *step < 0.020).count();
    assert_eq!(crowded, 0, "of {}", packets.len());
}

#[test]
fn no_key_appears_in_anything_that_regie_says() {
    let (server, absent) = (Nginx::running(), Nginx::absent());
    let base = |url: String| url.trim_end_matches("/x").to_owned();
    let venue = venue(&[
        (
            "a",
            format!(
                "uri = \"{}\"\nkey_file = \"a.key\"",
                base(server.rtmp_url("live", "x"))
            ),
        ),
        (
            "b",
            format!(
                "uri = \"{}\"\nkey_file = \"b.key\"",
                base(absent.rtmp_url("live", "x"))
            ),
        ),
        // An application that the server does not have: its answer quotes what it was asked.
        (
            "c",
            format!(
                "uri = \"{}\"\nkey_file = \"a.key\"",
                base(server.rtmp_url("nowhere", "x"))
            ),
        ),
    ]);
    let venue = venue.replace(
        "[[output]]\nid = \"a\"",
        "[[source]]\nid = \"laptop\"\nkind = \"push\"\nkey_file = \"b.key\"\n[[output]]\nid = \"a\"",
    );
    let mut engine = Room::new(&venue)
        .file("a.key", &format!("{KEY_A}\n"))
        .file("b.key", KEY_B)
        .env("RUST_LOG", "trace")
        .env("GST_DEBUG", "*rtmp*:7,flvmux:4,rtsp*:5")
        .launch();
    engine.wait_ready();
    server.wait_publishing("live", KEY_A, seconds(5));
    let watch = engine.watch();
    let mut said = String::new();
    for word in ["status", "check"] {
        let file = engine.room.venue();
        let file = file.to_str().unwrap();
        for arguments in [
            vec!["ctl", "status"],
            vec!["ctl", "--json", "status"],
            vec!["check", file],
        ] {
            let heard = engine.room.regie(&arguments);
            said += &format!("{word}{}{}", heard.out, heard.err);
        }
    }
    let relay = relay_of(&venue).replace("/programme", "/ingest/laptop");
    let mut wrong = common::Laptop::push(&common::slides(), &relay)
        .with_key("laptop", "not-the-key")
        .tcp();
    wrong.wait_refused(seconds(5));
    std::thread::sleep(seconds(2));
    engine.ctl(&["output", "a", "stop"]).assert_ok();
    std::thread::sleep(seconds(1));
    said += &watch.text();
    said += &engine.log();
    assert!(
        said.contains("rtmp"),
        "the log shows nothing of the connections"
    );
    assert!(
        engine.log().len() > 10_000,
        "GStreamer's own log is in there"
    );
    let encoded = "qw7%2Fodd+key%26of%3DB";
    let percent = "qw7/odd%20key&of=B";
    for key in [KEY_A, KEY_B, encoded, percent] {
        let at = said.find(key).map(|at| {
            said[at.saturating_sub(200)..]
                .chars()
                .take(300)
                .collect::<String>()
        });
        assert_eq!(at, None, "a key shows");
    }
    engine.terminate();
}

//! What is left after the worst: killed, powered off, given a damaged disk.

#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use common::{Engine, Nginx, free_port, seconds, wait_until};

fn venue(uri: &str) -> String {
    format!(
        r#"
name = "Amphi A"
[programme]
size = "640x360"
[relay]
listen = "127.0.0.1:{}"
[[source]]
id = "one"
kind = "test"
role = "slides"
[[source]]
id = "two"
kind = "test"
role = "speaker"
[[output]]
id = "out"
uri = "{uri}"
[[output]]
id = "spare"
uri = "rtmp://127.0.0.1:{}/live/spare"
"#,
        free_port(),
        free_port()
    )
}

#[test]
fn killed_it_comes_back_on_air_as_it_was() {
    let server = Nginx::running();
    let mut engine = Engine::start(&venue(&server.rtmp_url("live", "out")));
    for change in [
        &["take", "slides-pip"][..],
        &["preview", "speaker"],
        &["role", "slides=two"],
        &["role", "speaker=one"],
        &["gain", "one", "-6dB"],
        &["mute", "two", "on"],
        &["delay", "two", "120ms"],
        &["output", "spare", "stop"],
    ] {
        engine.ctl(change).assert_ok();
    }
    server.wait_publishing("live", "out", seconds(5));
    let before = engine.status();
    // The last change is on disk because it was answered.
    engine.kill9();
    let back = engine.restart();
    assert!(back < seconds(2), "it answers after {back:?}");
    server.wait_publishing("live", "out", seconds(3));
    let after = engine.status();
    for key in ["programme", "preview", "roles", "slate"] {
        let (mut before, mut after) = (before[key].clone(), after[key].clone());
        for bus in [&mut before, &mut after] {
            // Whether the sources are live already is not the show's state.
            if let Some(slots) = bus.get_mut("slots").and_then(|slots| slots.as_array_mut()) {
                slots.iter_mut().for_each(|slot| slot["live"] = true.into());
            }
        }
        assert_eq!(before, after, "{key}");
    }
    for (index, key) in [(0, "gain_db"), (1, "mute"), (1, "delay_ms")] {
        assert_eq!(
            before["sources"][index][key], after["sources"][index][key],
            "{key}"
        );
    }
    assert_eq!(after["sources"][0]["gain_db"], -6.0);
    assert_eq!(after["outputs"][1]["state"], "stopped");
}

#[test]
fn a_damaged_state_is_set_aside_and_named_and_the_show_starts() {
    let mut engine = Engine::start(&venue("rtmp://127.0.0.1:1/live/out"));
    engine.ctl(&["take", "slides-pip"]).assert_ok();
    engine.kill9();
    let file = engine.room.state().join("show.json");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("slides-pip"));
    // What a power cut leaves behind on some file systems.
    std::fs::write(&file, &text.as_bytes()[..text.len() / 2]).unwrap();
    engine.restart();
    let status = engine.status();
    assert_eq!(status["programme"]["layout"], "slides", "the venue's first");
    let faults = status["faults"].as_array().unwrap();
    let fault = faults
        .iter()
        .find(|fault| fault["scope"] == "state")
        .unwrap();
    let aside = engine.room.state().join("show.json.damaged-1");
    let happened = fault["happened"].as_str().unwrap();
    assert!(happened.contains(aside.to_str().unwrap()), "{happened}");
    assert_eq!(
        std::fs::read(&aside).unwrap(),
        &text.as_bytes()[..text.len() / 2]
    );
    engine.ctl(&["take", "speaker"]).assert_ok();
    engine.kill9();
    engine.restart();
    assert_eq!(engine.status()["programme"]["layout"], "speaker");
}

#[test]
fn it_ends_in_good_order_on_sigterm() {
    let server = Nginx::running();
    let mut engine = Engine::start(&venue(&server.rtmp_url("live", "out")));
    server.wait_publishing("live", "out", seconds(5));
    let watch = engine.watch();
    std::thread::sleep(Duration::from_millis(300));
    let took = engine.terminate();
    assert!(took < seconds(3), "{took:?}");
    common::wait_until(seconds(2), "the publisher to leave", || {
        !server.publishing("live", "out")
    });
    assert!(
        watch.text().contains(r#"{"event":"stopped"}"#),
        "{}",
        watch.text()
    );
    assert!(!engine.room.socket().exists());
}

#[test]
fn a_second_engine_on_the_same_socket_is_refused() {
    let mut engine = Engine::start(&venue("rtmp://127.0.0.1:1/live/out"));
    let venue = engine.room.venue();
    let said = engine
        .room
        .regie(&["engine", "--config", venue.to_str().unwrap()]);
    said.assert_refused("another engine is running");
    engine.assert_running();
    engine.ctl(&["status"]).assert_ok();
}

#[test]
fn systemd_is_told_when_the_programme_runs_and_that_it_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let socket = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(seconds(3))).unwrap();
    let mut engine = common::Room::new(&venue("rtmp://127.0.0.1:1/live/out"))
        .env("NOTIFY_SOCKET", path.to_str().unwrap())
        .start();
    let hear = || {
        let mut text = [0; 512];
        let n = socket.recv(&mut text).expect("a notification");
        String::from_utf8_lossy(&text[..n]).into_owned()
    };
    let mut all: Vec<String> = Vec::new();
    while all
        .iter()
        .filter(|line| line.contains("WATCHDOG=1"))
        .count()
        < 4
    {
        all.push(hear());
    }
    let at = |what: &str| all.iter().position(|line| line.contains(what));
    assert!(
        at("READY=1").unwrap() <= at("WATCHDOG=1").unwrap(),
        "{all:?}"
    );
    assert!(at("STATUS=slides on air; ").is_some(), "{all:?}");
    engine.terminate();
    while !hear().contains("STOPPING=1") {}
}

#[test]
fn a_state_that_cannot_be_saved_is_a_fault_and_is_saved_when_it_can_be() {
    let mut engine = Engine::start(&venue("rtmp://127.0.0.1:1/live/out"));
    // Root may write everywhere, but not over a folder.
    let obstacle = engine.room.state().join("show.json.new");
    // The start itself may still be writing there.
    wait_until(seconds(5), "a free place", || {
        std::fs::create_dir(&obstacle).is_ok()
    });
    engine.ctl(&["take", "slides-pip"]).assert_ok();
    let unsaved = |status: &serde_json::Value| {
        let faults = status["faults"].as_array().unwrap();
        faults
            .iter()
            .any(|fault| fault["scope"] == "state" && fault["code"] == "unsaved")
    };
    engine.wait_status(seconds(2), "a fault", unsaved);
    assert_eq!(
        engine.status()["programme"]["layout"],
        "slides-pip",
        "the show goes on"
    );
    std::fs::remove_dir(&obstacle).unwrap();
    engine.wait_status(seconds(5), "the fault over, untouched", |status| {
        !unsaved(status)
    });
    engine.kill9();
    engine.restart();
    assert_eq!(engine.status()["programme"]["layout"], "slides-pip");
}

#[test]
fn its_memory_is_kept_together_and_it_stays_the_process_it_was() {
    let engine = Engine::start(&venue("rtmp://127.0.0.1:9/live/out"));
    let of_process = |file: &str| {
        let path = format!("/proc/{}/{file}", engine.id());
        std::fs::read_to_string(path).unwrap()
    };
    let surroundings = of_process("environ");
    let pools = surroundings
        .split('\0')
        .find(|entry| entry.starts_with("MALLOC_ARENA_MAX="));
    assert_eq!(pools, Some("MALLOC_ARENA_MAX=8"));
    assert_eq!(of_process("comm").trim(), "regie");
}

//! Outputs under fire: a server that hangs, crawls, refuses or never answers costs its own viewers,
//! and nobody else a frame.

#![allow(clippy::unwrap_used)]

mod common;

use std::time::{Duration, Instant};

use common::{
    Engine, Laptop, Manner, Namespace, Nginx, Peer, Room, Viewer, free_port, seconds, talk,
    wait_until,
};
use serde_json::Value;

fn venue(relay: u16, bit_rate: &str, outputs: &[(&str, String)]) -> String {
    let mut text = format!(
        r#"
[programme]
size = "640x360"
video_bitrate = "{bit_rate}"
audio_bitrate = "64k"
[relay]
listen = "127.0.0.1:{relay}"
[[source]]
id = "pattern"
kind = "test"
role = "slides"
size = "640x360"
"#
    );
    for (id, uri) in outputs {
        text += &format!("[[output]]\nid = \"{id}\"\nuri = \"{uri}\"\n");
    }
    text
}

fn output<'a>(status: &'a Value, id: &str) -> &'a Value {
    let outputs = status["outputs"].as_array().unwrap();
    outputs.iter().find(|own| own["id"] == id).unwrap()
}

fn fault<'a>(status: &'a Value, id: &str, code: &str) -> Option<&'a Value> {
    let faults = status["faults"].as_array().unwrap();
    faults
        .iter()
        .find(|fault| fault["scope"]["output"] == id && fault["code"] == code)
}

fn is(state: &'static str, id: &'static str) -> impl Fn(&Value) -> bool {
    move |status| output(status, id)["state"] == state
}

/// Stops the output by the command, and says how long that took until it was so.
#[track_caller]
fn stop(engine: &Engine, id: &str) -> Duration {
    let begun = Instant::now();
    engine.ctl(&["output", id, "stop"]).assert_ok();
    engine.wait_status(seconds(2), "stopped", |s| {
        output(s, id)["state"] == "stopped"
    });
    begun.elapsed()
}

/// Somebody far and somebody near, whom nothing may disturb.
struct Undisturbed(Viewer, Viewer);

impl Undisturbed {
    #[track_caller]
    fn watch(far: &str, relay: u16) -> Self {
        let near = format!("rtsp://127.0.0.1:{relay}/programme");
        let (mut far, mut near) = (Viewer::watch(far), Viewer::watch_picture(&near));
        far.wait_picture(seconds(8));
        near.wait_picture(seconds(8));
        Self(far, near)
    }

    #[track_caller]
    fn assert_every_frame(self) {
        for recording in [self.0.stop(), self.1.stop()] {
            assert!(recording.span() > 5.0, "{} s", recording.span());
            recording.assert_no_frame_missing(30.0);
            recording.assert_frame_rate(30.0);
        }
    }
}

#[test]
fn a_server_that_hangs_or_crawls_is_cut_when_it_is_three_seconds_behind() {
    let (mut frozen, slow, steady) = (Nginx::running(), Nginx::running(), Nginx::running());
    let crawler = Peer::before(&slow.address(), "127.0.0.1", Manner::Good);
    let relay = free_port();
    // At this rate the kernels' buffers would hide a server that hangs for half a minute.
    let outputs = [
        ("frozen", frozen.rtmp_url("live", "out")),
        ("slow", crawler.rtmp_url("live", "out")),
        ("steady", steady.rtmp_url("live", "out")),
    ];
    let engine = Engine::start(&venue(relay, "300k", &outputs));
    let watch = engine.watch();
    for server in [&frozen, &slow, &steady] {
        server.wait_publishing("live", "out", seconds(5));
    }
    let undisturbed = Undisturbed::watch(&steady.rtmp_url("live", "out"), relay);
    let status = engine.status();
    for id in ["frozen", "slow", "steady"] {
        let behind = output(&status, id)["behind_ms"].as_u64().unwrap();
        assert!(behind < 500, "{id} is {behind} ms behind");
    }

    frozen.freeze();
    let hung = Instant::now();
    let status = engine.wait_status(seconds(10), "it is cut", |status| {
        fault(status, "frozen", "behind").is_some()
    });
    let took = hung.elapsed();
    eprintln!("a server that hangs, at 0.3 Mb/s, was cut after {took:?}");
    assert!(
        (seconds(3)..Duration::from_millis(5500)).contains(&took),
        "cut after {took:?}"
    );
    let said = fault(&status, "frozen", "behind").unwrap();
    assert_eq!(said["happened"], "frozen fell more than 3 s behind.");
    assert!(watch.text().contains("it fell more than 3 s behind"));
    for id in ["slow", "steady"] {
        assert_eq!(output(&status, id)["state"], "publishing");
    }
    // What lay in the kernels when it was cut counts as lost, not as sent.
    engine.wait_status(seconds(2), "frames lost", |status| {
        output(status, "frozen")["lost_frames"].as_u64() > Some(60)
    });
    let took = stop(&engine, "frozen");
    assert!(took < seconds(2), "stopped after {took:?}");
    engine.ctl(&["output", "frozen", "start"]).assert_ok();
    std::thread::sleep(seconds(1));
    frozen.thaw();
    let took = frozen.wait_publishing("live", "out", seconds(6));
    assert!(took < seconds(5), "publishing again after {took:?}");

    crawler.set(Manner::Slow);
    let begun = Instant::now();
    engine.wait_status(seconds(15), "it is cut", |status| {
        fault(status, "slow", "behind").is_some()
    });
    eprintln!(
        "a server that reads a fifth was cut after {:?}",
        begun.elapsed()
    );
    let took = stop(&engine, "slow");
    assert!(took < seconds(2), "stopped after {took:?}");
    engine.ctl(&["output", "slow", "start"]).assert_ok();
    crawler.set(Manner::Good);
    slow.wait_publishing("live", "out", seconds(5));
    engine.wait_status(seconds(15), "no fault is left", |status| {
        status["faults"].as_array().unwrap().is_empty()
    });
    undisturbed.assert_every_frame();
}

#[test]
fn servers_that_refuse_or_never_answer_are_named_stopped_and_found_again() {
    let server = Nginx::running();
    let [silent, half] = [Manner::Silent, Manner::Half]
        .map(|manner| Peer::before(&server.address(), "127.0.0.1", manner));
    // Somebody holds the name and hangs, as a session of ours does that a cut cable has ended.
    let mut holder = Laptop::push(&talk(), &server.rtmp_url("live", "held")).rtmp();
    server.wait_publishing("live", "held", seconds(5));
    holder.freeze();
    let relay = free_port();
    let outputs = [
        ("silent", silent.rtmp_url("live", "silent")),
        ("half", half.rtmp_url("live", "half")),
        ("refused", server.rtmp_url("keyed", "refused")),
        ("held", server.rtmp_url("live", "held")),
        ("steady", server.rtmp_url("live", "steady")),
    ];
    let engine = Engine::start(&venue(relay, "1200k", &outputs));
    server.wait_publishing("live", "steady", seconds(5));
    let undisturbed = Undisturbed::watch(&server.rtmp_url("live", "steady"), relay);
    let reasons = [
        ("silent", "the server does not answer"),
        ("half", "the server does not answer"),
        (
            "refused",
            "the server does not accept the stream's name or key",
        ),
        (
            "held",
            "the server still holds this stream's name for another session",
        ),
    ];
    let status = engine.wait_status(seconds(9), "all have failed", |status| {
        reasons
            .iter()
            .all(|(id, _)| fault(status, id, "unreachable").is_some())
    });
    for (id, reason) in reasons {
        assert_eq!(output(&status, id)["last_reason"], reason, "{id}");
    }
    let held = fault(&status, "held", "unreachable").unwrap();
    let doing = held["doing"].as_str().unwrap();
    assert!(
        doing.ends_with("until the server lets the name go."),
        "{doing}"
    );

    // In whatever state it is just now: on the way, or before the next attempt.
    for (id, peer) in [
        ("silent", Some(&silent)),
        ("half", Some(&half)),
        ("refused", None),
        ("held", None),
    ] {
        if let Some(peer) = peer {
            wait_until(seconds(6), "it is on the way", || peer.open() > 0);
        }
        let took = stop(&engine, id);
        assert!(took < seconds(2), "{id} stopped after {took:?}");
        if let Some(peer) = peer {
            wait_until(seconds(2), "its connection has ended", || peer.open() == 0);
        }
        engine.ctl(&["output", id, "start"]).assert_ok();
    }
    std::thread::sleep(seconds(1));
    // All are cured at one moment.
    silent.set(Manner::Good);
    half.set(Manner::Good);
    server.accept_keys();
    drop(holder);
    let cured = Instant::now();
    for (application, id) in [
        ("live", "held"),
        ("keyed", "refused"),
        ("live", "silent"),
        ("live", "half"),
    ] {
        server.wait_publishing(application, id, seconds(6));
        eprintln!("{id} publishes {:?} after the cure", cured.elapsed());
    }
    assert!(
        cured.elapsed() < Duration::from_millis(5600),
        "{:?}",
        cured.elapsed()
    );
    engine.wait_status(seconds(3), "no fault is left", |status| {
        status["faults"].as_array().unwrap().is_empty()
    });
    undisturbed.assert_every_frame();
}

#[test]
fn a_cable_that_is_plugged_in_means_an_attempt_at_once() {
    let Some(room) = Namespace::new() else {
        return;
    };
    let server = Nginx::running();
    let gate = Peer::before(&server.address(), &room.outside(), Manner::Good);
    room.pull_cable();
    let text = venue(
        free_port(),
        "1200k",
        &[("out", gate.rtmp_url("live", "out"))],
    );
    let engine = Room::new(&text).inside(&room).start();
    // The next attempt but for the cable would be 4 s after this one.
    engine.wait_status(seconds(12), "five attempts", |status| {
        fault(status, "out", "unreachable").is_some_and(|fault| fault["count"].as_u64() >= Some(5))
    });
    room.plug_cable();
    let took = wait_until(seconds(5), "a connection", || gate.open() > 0);
    eprintln!("an attempt {took:?} after the cable");
    assert!(
        took < Duration::from_millis(700),
        "an attempt after {took:?}"
    );
    server.wait_publishing("live", "out", seconds(2));
    engine.wait_status(seconds(2), "it publishes", is("publishing", "out"));

    // A network that carries a fifth: nothing is refused, nothing closes.
    room.slow_down(250);
    let begun = Instant::now();
    engine.wait_status(seconds(15), "it is cut", |status| {
        fault(status, "out", "behind").is_some()
    });
    eprintln!(
        "behind a network that carries a fifth it was cut after {:?}",
        begun.elapsed()
    );
    let took = stop(&engine, "out");
    assert!(took < seconds(2), "stopped after {took:?}");
    room.speed_up();
    engine.ctl(&["output", "out", "start"]).assert_ok();
    engine.wait_status(seconds(5), "it publishes", is("publishing", "out"));
}

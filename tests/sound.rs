//! The mix as a listener hears it.

#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use common::{Engine, Laptop, Recording, Viewer, camera, free_port, seconds};

fn venue(relay: u16, more: &str) -> String {
    format!(
        r#"
[programme]
size = "320x180"
[relay]
listen = "127.0.0.1:{relay}"
[[source]]
id = "camera"
kind = "push"
role = "speaker"
{more}
[[layout]]
id = "speaker"
slots = [ {{ role = "speaker" }} ]
[[layout]]
id = "empty"
slots = [ {{ role = "slides" }} ]
[[source]]
id = "silent"
kind = "push"
role = "slides"
"#
    )
}

fn record(relay: u16, during: impl FnOnce()) -> Recording {
    let mut viewer = Viewer::watch(&format!("rtsp://127.0.0.1:{relay}/programme"));
    viewer.wait_picture(seconds(8));
    std::thread::sleep(seconds(1));
    during();
    std::thread::sleep(seconds(1));
    viewer.stop()
}

fn on_air(more: &str) -> (Engine, Laptop, u16) {
    let relay = free_port();
    let engine = Engine::start(&venue(relay, more));
    let laptop = Laptop::push(
        &camera(),
        &format!("rtsp://127.0.0.1:{relay}/ingest/camera"),
    )
    .tcp();
    engine.wait_status(seconds(8), "live", |status| {
        status["sources"][0]["state"] == "live"
    });
    std::thread::sleep(seconds(2));
    (engine, laptop, relay)
}

#[test]
fn gain_and_mute_change_the_level_without_a_click() {
    let (engine, _laptop, relay) = on_air("");
    let mut levels = Vec::new();
    let recording = record(relay, || {
        for change in [
            &["gain", "camera", "-12dB"][..],
            &["mute", "camera", "on"],
            &["mute", "camera", "off"],
            &["gain", "camera", "0dB"],
        ] {
            engine.ctl(change).assert_ok();
            std::thread::sleep(Duration::from_millis(1200));
        }
    });
    let sound = recording.sound();
    for level in sound.levels_db(0.1) {
        levels.push(level);
    }
    let near = |wanted: f64| {
        levels
            .iter()
            .filter(|level| (*level - wanted).abs() < 1.0)
            .count()
    };
    assert!(near(-15.05) >= 10, "as it came: {levels:?}");
    assert!(near(-27.05) >= 10, "12 dB less: {levels:?}");
    assert!(
        levels.iter().filter(|level| **level < -70.0).count() >= 8,
        "muted: {levels:?}"
    );
    // A 1 kHz tone of that level moves 0.033 from one sample to the next.
    let step = sound.between(0.2, sound.seconds() - 0.1).largest_step();
    assert!(step < 0.06, "a click of {step}");
}

#[test]
fn a_source_may_be_heard_only_while_it_is_shown_or_never() {
    for (policy, hidden) in [("always", true), ("on-air", false)] {
        let (engine, _laptop, relay) = on_air(&format!("sound = \"{policy}\""));
        record(relay, || {}).sound().assert_tone(1000.0);
        engine.ctl(&["take", "empty"]).assert_ok();
        std::thread::sleep(Duration::from_millis(500));
        let recording = record(relay, || {});
        let sound = recording.sound();
        let level = sound.between(0.2, sound.seconds()).level_db();
        assert_eq!(level > -20.0, hidden, "{policy}: {level} dB");
    }
    let (_engine, _laptop, relay) = on_air("sound = \"off\"");
    let level = record(relay, || {}).sound().level_db();
    assert!(level < -70.0, "{level} dB");
}

#[test]
fn a_laptop_that_leaves_and_returns_does_not_click() {
    let (engine, mut laptop, relay) = on_air("");
    let recording = record(relay, || {
        laptop.kill();
        std::thread::sleep(seconds(1));
        laptop = Laptop::push(
            &camera(),
            &format!("rtsp://127.0.0.1:{relay}/ingest/camera"),
        )
        .tcp();
        engine.wait_status(seconds(8), "live", |status| {
            status["sources"][0]["connects"] == 2
        });
        std::thread::sleep(seconds(1));
    });
    let sound = recording.sound();
    let step = sound.between(0.2, sound.seconds() - 0.1).largest_step();
    assert!(step < 0.08, "a click of {step}");
    assert!(
        sound.levels_db(0.1).iter().any(|level| *level < -70.0),
        "the gap"
    );
}

//! The window's life and the engine's: neither takes the other along.

use std::process::Command;
use std::time::Instant;

use crate::common::{
    Engine, Look, Panel, Room, Supervisor, Viewer, free_port, seconds, wait_until,
};
use crate::{SOON, Venue, wait_layouts};
use serde_json::Value;

#[test]
fn a_panel_waits_for_its_engine_and_finds_it_again() {
    let mut engine = Room::new(&Venue::new().text()).launch();
    engine.wait_ready();
    engine.kill9();
    // The panel is there first.
    let panel = Panel::open(&engine.room, Look::default());
    panel.fault_bar().wait_description("No engine answers");
    panel.label("NO ENGINE").wait_there();
    assert!(!panel.button("Take").node().has("sensitive"));
    for layout in ["speaker", "slides-speaker"] {
        engine.restart();
        let found = panel
            .button("Layout Slides")
            .wait(seconds(1), "can be pressed", |button| {
                button.has("sensitive")
            });
        eprintln!("the engine is found {found:?} after its first answer");
        engine.ctl(&["preview", layout]).assert_ok();
        engine.ctl(&["take"]).assert_ok();
        let label = panel_name(layout);
        panel.image("Programme").wait_description(label);
        engine.kill9();
        panel.label("NO ENGINE").wait_there();
        panel.image("Programme").wait_description("not known");
        for control in [
            "Take",
            "Slate",
            "Layout Slides",
            "Source Camera",
            "Output Transcoder",
        ] {
            let node = panel.button(control).node();
            assert!(!node.has("sensitive"), "{control} can be pressed");
        }
        assert!(!panel.slider("Fader of Camera").node().has("sensitive"));
    }
    // Back, it shows at once what the engine remembers.
    engine.restart();
    let begun = Instant::now();
    panel
        .image("Programme")
        .wait_description("Slides + speaker");
    panel
        .button("Take")
        .wait(SOON, "can be pressed", |button| button.has("sensitive"));
    let took = begun.elapsed();
    eprintln!("the truth is shown {took:?} after the engine's first answer");
    assert!(took < seconds(1), "{took:?}");
    assert_eq!(panel.complaints(), [""; 0]);
}

fn panel_name(layout: &str) -> &'static str {
    match layout {
        "speaker" => "Speaker",
        _ => "Slides + speaker",
    }
}

/// Frames that were late or dropped.
#[track_caller]
fn lost(engine: &Engine) -> u64 {
    let encoding = &engine.status()["encoding"];
    encoding["late_frames"].as_u64().unwrap() + encoding["dropped_frames"].as_u64().unwrap()
}

#[test]
fn a_panel_that_hangs_or_dies_costs_the_programme_no_frame() {
    let relay = free_port();
    let engine = Engine::start(&format!(
        r#"
[programme]
size = "640x360"
[relay]
listen = "127.0.0.1:{relay}"
[[source]]
id = "pattern"
kind = "test"
role = "slides"
"#
    ));
    let mut doomed = Panel::open(&engine.room, Look::default());
    let other = Panel::open(&engine.room, Look::default());
    doomed.button("Source pattern").wait_there();
    other.button("Source pattern").wait_there();
    let before = lost(&engine);
    let mut viewer = Viewer::watch_picture(&format!("rtsp://127.0.0.1:{relay}/programme"));
    viewer.wait_picture(seconds(8));
    doomed.process().freeze();
    let frozen = Instant::now();
    other.button("Layout Slides + speaker").press();
    wait_layouts(&engine, "slides", "slides-speaker");
    while frozen.elapsed() < seconds(5) {
        // The other panel is alive all the while.
        other.key("F4");
        wait_layouts(&engine, "slides", "slides-pip");
        other.key("F2");
        wait_layouts(&engine, "slides", "speaker");
    }
    doomed.process().kill9();
    other.key("F1");
    wait_layouts(&engine, "slides", "slides");
    let recording = viewer.stop();
    assert!(recording.span() > 5.0, "{} s", recording.span());
    recording.assert_no_frame_missing(30.0);
    recording.assert_frame_rate(30.0);
    // The pattern moves in every frame: none is shown twice.
    let pictures = recording.every_picture(160, 90);
    let repeated = pictures.windows(2).filter(|pair| pair[0] == pair[1]);
    assert_eq!(repeated.count(), 0, "pictures shown twice");
    // A machine that compiles beside this test has a source late once or twice by itself.
    assert!(lost(&engine) <= before + 2, "{before} to {}", lost(&engine));
}

#[test]
fn closing_asks_in_the_window_and_a_kiosk_does_not_close() {
    let engine = Venue::new().start();
    let mut panel = Panel::open(&engine.room, Look::default());
    panel.button("Source Guest").wait_there();
    panel.ask_to_close();
    panel.button("Leave the show running").wait_there();
    assert_eq!(panel.window_count(), 1);
    // It has not started this engine, so it does not offer to stop it.
    assert!(!panel.button("Stop the show and close").is_there());
    panel.button("Cancel").press();
    panel.button("Cancel").wait_gone();
    panel.key("F2");
    wait_layouts(&engine, "slides", "speaker");
    panel.ask_to_close();
    panel.button("Leave the show running").wait_there().press();
    let (ended, _) = panel.process().wait_end(SOON);
    assert!(ended.success(), "{ended}");
    wait_layouts(&engine, "slides", "speaker");

    let kiosk = Look::default().by(&["panel", "--kiosk"]);
    let mut kiosk = Panel::open(&engine.room, kiosk);
    kiosk.button("Source Guest").wait_there();
    kiosk.ask_to_close();
    kiosk.key("Alt_L+F4");
    // The window has seen both when it obeys the key after them.
    kiosk.key("F3");
    wait_layouts(&engine, "slides", "slides-speaker");
    kiosk.image("Preview").wait_description("Slides + speaker");
    assert!(!kiosk.button("Cancel").is_there());
    kiosk.process().assert_running();
}

#[test]
fn an_engine_that_does_not_start_says_why_in_the_window() {
    let good = Venue::new().text();
    let supervisor = Supervisor::start(Room::new(&format!("nonsense = 1\n{good}")));
    let panel = Panel::open(&supervisor.room, Look::default());
    panel
        .fault_bar()
        .wait_description("unknown key \"nonsense\" = 1");
    supervisor.room.write_venue(&good);
    panel
        .button("Layout Slides")
        .wait(seconds(15), "can be pressed", |button| {
            button.has("sensitive")
        });
}

/// The engine that a panel has started by itself; ended with the test.
struct OwnEngine<'a>(&'a Room);

impl OwnEngine<'_> {
    fn answers(&self) -> bool {
        self.0.regie(&["ctl", "status"]).is_ok()
    }

    /// Frames that have left its encoder.
    fn frames(&self) -> u64 {
        let status = self.0.regie(&["ctl", "--json", "status"]).out;
        let status: Value = serde_json::from_str(&status).unwrap_or_default();
        status["encoding"]["frames"].as_u64().unwrap_or_default()
    }

    /// Its process: no other names this room's venue file.
    fn id(&self) -> Option<u32> {
        let venue = self.0.venue();
        std::fs::read_dir("/proc").unwrap().find_map(|entry| {
            let entry = entry.ok()?;
            let id = entry.file_name().to_str()?.parse().ok()?;
            let line = std::fs::read_to_string(entry.path().join("cmdline")).ok()?;
            let is_own = line.contains("\0engine\0") && line.contains(venue.to_str()?);
            is_own.then_some(id)
        })
    }
}

impl Drop for OwnEngine<'_> {
    fn drop(&mut self) {
        if let Some(id) = self.id() {
            let line = format!("kill -KILL {id}");
            let _already_gone = Command::new("sh").args(["-c", &line]).status();
        }
    }
}

#[test]
fn regie_alone_starts_the_show_and_leaves_it_running_or_stops_it() {
    let room = Room::new(&Venue::new().text());
    let engine = OwnEngine(&room);
    let venue = room.venue();
    let alone = Look::default().by(&["--config", venue.to_str().unwrap()]);
    assert!(!engine.answers());
    let mut panel = Panel::open(&room, alone.clone());
    panel
        .button("Source Guest")
        .wait_within(seconds(10))
        .wait(SOON, "can be pressed", |button| button.has("sensitive"));
    assert!(engine.answers());
    // Twice: one that breaks again is started again. The second one hangs, and is ended for that.
    for signal in ["-KILL", "-STOP"] {
        wait_until(seconds(8), "it is on air", || engine.frames() > 30);
        let broken = engine.id().expect("the engine");
        let killed = Command::new("kill")
            .args([signal, &broken.to_string()])
            .status();
        assert!(killed.unwrap().success());
        wait_until(seconds(12), "another engine answers", || {
            engine.id().is_some_and(|id| id != broken) && engine.answers()
        });
        panel
            .button("Source Guest")
            .wait(SOON, "can be pressed", |button| button.has("sensitive"));
    }
    panel.ask_to_close();
    panel.button("Stop the show and close").wait_there();
    panel.button("Leave the show running").press();
    assert!(panel.process().wait_end(SOON).0.success());
    drop(panel);
    let id = engine.id();
    assert!(id.is_some(), "the show has stopped");
    let said = room.regie(&["ctl", "status"]);
    let log = std::fs::read_to_string(room.state().join("engine.log")).unwrap();
    assert!(said.is_ok(), "the show answers no more: {said:?}\n{log}");

    // The next window finds the show, and may end it.
    let mut second = Panel::open(&room, alone);
    second.button("Source Guest").wait_within(seconds(10));
    second.ask_to_close();
    second
        .button("Stop the show and close")
        .wait_there()
        .press();
    assert!(second.process().wait_end(SOON).0.success());
    wait_until(seconds(5), "the show ends", || engine.id().is_none());
    assert!(!engine.answers());
}

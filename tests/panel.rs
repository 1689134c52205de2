//! The operator's window as an operator has it: the real panel on a display of its own, driven by
//! what a screen reader sees and by keys and mouse, against a real engine with real sources.

#![allow(clippy::unwrap_used)]

mod common;
#[path = "panel/life.rs"]
mod life;
#[path = "panel/pictures.rs"]
mod pictures;

use std::collections::HashSet;
use std::time::Duration;

use common::{
    Colour, Engine, Laptop, Look, Nginx, Node, Panel, Picture, Viewer, camera, free_port, seconds,
    slides, wait_until,
};
use serde_json::Value;

/// Long enough for an engine to do what it was told, on a busy machine.
const SOON: Duration = seconds(3);

/// A room with slides, a camera and a laptop that may come, one output, and a relay.
struct Venue {
    relay: u16,
    output: String,
    language: &'static str,
}

impl Venue {
    fn new() -> Self {
        Self {
            relay: free_port(),
            output: "rtmp://127.0.0.1:1/live/out".into(),
            language: "auto",
        }
    }

    fn to(output: &str) -> Self {
        Self {
            output: output.into(),
            ..Self::new()
        }
    }

    fn text(&self) -> String {
        format!(
            r#"
name = "Amphi A"
language = "{}"
[programme]
size = "640x360"
[relay]
listen = "127.0.0.1:{}"
[[source]]
id = "slides"
kind = "file"
label = "Laptop"
path = "{}"
role = "slides"
[[source]]
id = "camera"
kind = "file"
label = "Camera"
path = "{}"
role = "speaker"
[[source]]
id = "guest"
kind = "push"
label = "Guest"
[[output]]
id = "out"
label = "Transcoder"
uri = "{}"
"#,
            self.language,
            self.relay,
            slides().display(),
            camera().display(),
            self.output
        )
    }

    #[track_caller]
    fn start(&self) -> Engine {
        let engine = Engine::start(&self.text());
        wait_live(&engine);
        // Not what a test prepares first: that has to be seen to change.
        engine.ctl(&["preview", "slides-pip"]).assert_ok();
        engine
    }

    /// What viewers in the room see now.
    #[track_caller]
    fn aired(&self) -> Picture {
        let url = format!("rtsp://127.0.0.1:{}/programme", self.relay);
        let mut viewer = Viewer::watch_picture(&url);
        viewer.wait_picture(seconds(8));
        viewer.stop().late_picture()
    }
}

#[track_caller]
fn wait_live(engine: &Engine) {
    engine.wait_status(seconds(8), "the files are live", |status| {
        status["sources"][0]["state"] == "live" && status["sources"][1]["state"] == "live"
    });
}

#[track_caller]
fn wait_layouts(engine: &Engine, programme: &str, preview: &str) -> Value {
    let what = format!("{programme} on air, {preview} prepared");
    engine.wait_status(SOON, &what, |status| {
        status["programme"]["layout"] == programme && status["preview"]["layout"] == preview
    })
}

#[test]
fn a_layout_is_prepared_then_taken_by_buttons_and_seen_by_viewers() {
    let venue = Venue::new();
    let engine = venue.start();
    let panel = Panel::open(&engine.room, Look::default());
    panel.button("Layout Speaker").wait_there().press();
    wait_layouts(&engine, "slides", "speaker");
    panel.image("Preview").wait_description("Speaker");
    panel.image("Programme").wait_description("Slides");
    venue.aired().assert_colour(0.1, 0.6, Colour::SLIDE_RED);
    panel.button("Take").press();
    wait_layouts(&engine, "speaker", "slides");
    panel.image("Programme").wait_description("Speaker");
    panel.image("Preview").wait_description("Slides");
    venue.aired().assert_colour(0.1, 0.6, Colour::CAMERA_GREEN);
    // At once, where the operator has said so; what is prepared stays.
    panel.button("Direct").press();
    panel.button("Layout Slides + speaker").press();
    wait_layouts(&engine, "slides-speaker", "slides");
    panel.button("Direct").press();
    panel.button("Layout Speaker").press();
    wait_layouts(&engine, "slides-speaker", "speaker");
    panel.button("Take by mix").press();
    panel.button("Take").press();
    wait_layouts(&engine, "speaker", "slides-speaker");
    panel.button("Mix").press();
    wait_layouts(&engine, "slides-speaker", "speaker");
}

#[test]
fn the_keys_of_the_show_work_wherever_the_focus_is() {
    let venue = Venue::new();
    let engine = venue.start();
    let panel = Panel::open(&engine.room, Look::default());
    panel.button("Layout Speaker").wait_there();
    panel.key("F2");
    wait_layouts(&engine, "slides", "speaker");
    panel.key("Return");
    wait_layouts(&engine, "speaker", "slides");
    panel.key("space");
    wait_layouts(&engine, "slides", "speaker");
    panel.key("F4");
    panel.key("g");
    wait_layouts(&engine, "slides-pip", "slides");
    panel.key("Shift+F3");
    wait_layouts(&engine, "slides-speaker", "slides");
    panel.key("Escape");
    engine.wait_status(SOON, "the slate", |status| status["slate"] == true);
    panel.image("Programme").wait_description("Slate");
    panel.label("SLATE ON AIR");
    panel.key("Escape");
    engine.wait_status(SOON, "no slate", |status| status["slate"] == false);
    // Whatever has the focus, these keys are the show's.
    for focused in ["Slate", "Output Transcoder", "Mute Camera", "Layout Slate"] {
        let before = engine.status();
        panel.button(focused).focus();
        panel.key("space");
        let (next, last) = (text(&before["preview"]), text(&before["programme"]));
        let after = wait_layouts(&engine, &next, &last);
        panel.key("Return");
        wait_layouts(&engine, &last, &next);
        assert_eq!(after["slate"], false, "{focused}");
        assert_eq!(after["sources"][1]["mute"], false, "{focused}");
        assert_ne!(engine.status()["outputs"][0]["state"], "stopped");
    }
    assert!(!panel.button("Keep it running").is_there());
    // What has the focus is pressed with Control.
    panel.button("Mute Camera").focus();
    panel.key("Control_L+Return");
    engine.wait_status(SOON, "muted", |status| status["sources"][1]["mute"] == true);
    panel.key("h");
    panel.label("mix to the preview").wait_there();
    panel.key("h");
    panel.label("mix to the preview").wait_gone();
    // What can be captured from, by its key and from the list of keys.
    let devices = engine.ctl(&["devices", "--json"]).assert_ok().out.clone();
    let devices: Value = serde_json::from_str(&devices).unwrap();
    let is_empty = |kind: &str| devices[kind].as_array().unwrap().is_empty();
    panel.key("d");
    panel.button("Hide").wait_there();
    if is_empty("video") && is_empty("audio") {
        let nothing = "No capture card and no sound card is plugged in.";
        panel.label(nothing).wait_there();
    }
    panel.key("d");
    panel.button("Hide").wait_gone();
    panel.key("h");
    panel.button("Devices").wait_there().press();
    panel.label("mix to the preview").wait_gone();
    panel.button("Hide").wait_there();
    panel.key("Escape");
    panel.button("Hide").wait_gone();
}

#[test]
fn a_hand_that_slips_takes_once_and_types_no_delay_by_mistake() {
    let engine = Venue::new().start();
    let panel = Panel::open(&engine.room, Look::default());
    panel.button("Layout Speaker").wait_there();
    let takes = || engine.log().matches("{\"request\":\"take\"").count();
    panel.key("F2");
    wait_layouts(&engine, "slides", "speaker");
    panel.hold_key("Return", Duration::from_millis(1500));
    wait_layouts(&engine, "speaker", "slides");
    assert_eq!(takes(), 1, "a key that repeats takes once");
    // The other half of a double click does not take back.
    panel.button("Take").click();
    panel.button("Take").click();
    wait_layouts(&engine, "slides", "speaker");
    assert_eq!(takes(), 2);

    let field = panel.spin_button("Delay of Camera");
    let delay = || engine.status()["sources"][1]["delay_ms"].clone();
    let type_into = |keys: &[&str]| {
        field.click();
        panel.key("Control_L+a");
        keys.iter().for_each(|key| panel.key(key));
    };
    type_into(&["4", "0", "Return"]);
    engine.wait_status(SOON, "a delay", |status| {
        status["sources"][1]["delay_ms"] == 40
    });
    // Taken back, no number at all, and a key of the show in the middle of it.
    type_into(&["2", "0", "0", "Escape"]);
    type_into(&["BackSpace", "Escape"]);
    type_into(&["7", "F3"]);
    wait_layouts(&engine, "slides", "slides-speaker");
    assert_eq!(delay(), 40);
    assert_eq!(engine.status()["slate"], false);
}

#[test]
fn the_slate_is_on_for_a_time_that_its_button_tells() {
    let engine = Venue::new().start();
    let panel = Panel::open(&engine.room, Look::default());
    let slate = panel.button("Slate");
    slate.wait_there();
    let returns_in = |minutes: u64| {
        let status = engine.wait_status(SOON, "the slate with a return", |status| {
            let until = status["slate_until"].as_u64().unwrap_or(0);
            let left = until.saturating_sub(now());
            status["slate"] == true && left.abs_diff(minutes * 60_000) < 5_000
        });
        status["slate_until"].as_u64().unwrap()
    };
    panel.button("Slate for 10 minutes").click();
    returns_in(10);
    slate.wait_description("back in 9:5");
    panel.image("Programme").wait_description("Slate");
    // Without a mouse, while it is on: counted from now.
    panel.button("Slate for 5 minutes").focus();
    panel.key("Control_L+Return");
    returns_in(5);
    slate.wait_description("back in 4:5");
    panel.button("Slate until it is taken away").press();
    engine.wait_status(SOON, "no return", |status| {
        status["slate"] == true && status["slate_until"] == Value::Null
    });
    slate.wait(SOON, "tells no time", |own| own.description.is_empty());
    // Taken away by hand, it comes back by hand, however soon.
    engine.ctl(&["slate", "on", "--for", "10m"]).assert_ok();
    slate.wait_description("back in 9:5");
    for on in [false, true] {
        panel.key("Escape");
        engine.wait_status(SOON, "Escape", |status| status["slate"] == on);
        let shown = if on { "Slate" } else { "Slides" };
        panel.image("Programme").wait_description(shown);
    }
    // What another shell sets is shown here, and gone by itself it can be put on again.
    engine.ctl(&["slate", "on", "--for", "3s"]).assert_ok();
    slate.wait_description("back in 0:0");
    engine.wait_status(seconds(6), "the return", |status| status["slate"] == false);
    panel.image("Programme").wait_description("Slides");
    // Whoever wanted to end it by Escape comes too late, and must not put it on again.
    panel.key("Escape");
    panel.key("F2");
    wait_layouts(&engine, "slides", "speaker");
    assert_eq!(engine.status()["slate"], false);
    std::thread::sleep(seconds(1));
    panel.key("Escape");
    engine.wait_status(SOON, "the slate", |status| status["slate"] == true);
    assert_eq!(panel.complaints(), [""; 0]);
}

/// Milliseconds since 1970.
fn now() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.unwrap().as_millis() as u64
}

fn text(bus: &Value) -> String {
    bus["layout"].as_str().unwrap().to_owned()
}

#[test]
fn another_source_plays_the_slides_after_two_actions() {
    let venue = Venue::new();
    let engine = venue.start();
    let panel = Panel::open(&engine.room, Look::default());
    let plays = |role: &str, source: &str| {
        let what = format!("{source} plays {role}");
        engine.wait_status(SOON, &what, |status| status["roles"][role] == source);
    };
    panel.button("Role slides").wait_description("Laptop");
    panel.button("Role slides").press();
    panel.label("choose a source").wait_there();
    panel.button("Source Camera").press();
    plays("slides", "camera");
    panel.button("Role slides").wait_description("Camera");
    venue.aired().assert_colour(0.1, 0.6, Colour::CAMERA_GREEN);
    // By keys: R selects the first role, the number is the source's.
    panel.key("r");
    panel.label("choose a source").wait_there();
    panel.key("1");
    plays("slides", "slides");
    venue.aired().assert_colour(0.1, 0.6, Colour::SLIDE_RED);
    panel.key("r");
    panel.key("2");
    plays("slides", "camera");
    // A source alone changes nothing, and the window says what is missing.
    panel.button("Source Laptop").press();
    panel
        .fault_bar()
        .wait_description("Choose a role first, then its source.");
    assert_eq!(engine.status()["roles"]["slides"], "camera");
}

#[test]
fn faders_mutes_and_delays_are_the_engines() {
    let engine = Venue::new().start();
    let panel = Panel::open(&engine.room, Look::default());
    panel.slider("Fader of Camera").wait_there().set(-6.0);
    engine.wait_status(SOON, "the gain", |status| {
        status["sources"][1]["gain_db"] == -6.0
    });
    panel.label("−6 dB").wait_there();
    panel.button("Mute Camera").press();
    engine.wait_status(SOON, "muted", |status| status["sources"][1]["mute"] == true);
    panel.button("Mute Camera").press();
    engine.wait_status(SOON, "heard", |status| {
        status["sources"][1]["mute"] == false
    });
    panel.spin_button("Delay of Camera").set(120.0);
    engine.wait_status(SOON, "the delay", |status| {
        status["sources"][1]["delay_ms"] == 120
    });
    let others = engine.status();
    assert_eq!(others["sources"][0]["gain_db"], 0.0);
    assert_eq!(others["sources"][0]["delay_ms"], 0);
    // What somebody else sets is shown.
    engine.ctl(&["gain", "slides", "-12dB"]).assert_ok();
    panel.slider("Fader of Laptop").wait_value(-12.0);
    engine.ctl(&["delay", "slides", "40ms"]).assert_ok();
    panel.spin_button("Delay of Laptop").wait_value(40.0);
    engine.ctl(&["mute", "slides", "on"]).assert_ok();
    panel
        .button("Mute Laptop")
        .wait(SOON, "is pressed", |node| node.has("pressed"));
    // A level is told, where there is sound.
    assert!(panel.meter("Meter of the programme").is_there());
}

#[test]
fn nothing_that_happens_by_accident_stops_an_output() {
    let server = Nginx::running();
    let engine = Venue::to(&server.rtmp_url("live", "out")).start();
    let panel = Panel::open(&engine.room, Look::default());
    server.wait_publishing("live", "out", seconds(8));
    let is = |state: &str| {
        engine.wait_status(seconds(8), state, |status| {
            status["outputs"][0]["state"] == state
        });
    };
    let output = panel.button("Output Transcoder");
    is("publishing");
    output.wait_there().press();
    panel.button("Keep it running").wait_there().press();
    panel.button("Keep it running").wait_gone();
    is("publishing");
    // A short click asks as well, and Escape is a no.
    output.click();
    panel.button("Stop Transcoder").wait_there();
    panel.key("Escape");
    panel.button("Stop Transcoder").wait_gone();
    let status = engine.status();
    assert_eq!(status["slate"], false, "Escape was for the question");
    assert_eq!(status["outputs"][0]["state"], "publishing");
    // Stopped on purpose; it stays stopped.
    output.press();
    panel.button("Stop Transcoder").wait_there().press();
    is("stopped");
    output.wait_description("Stopped");
    assert!(!server.publishing("live", "out"));
    output.press();
    is("publishing");
    assert!(!panel.button("Keep it running").is_there());
    // Held down it stops without a question, and the click that ends the hold starts nothing.
    output.hold(Duration::from_millis(1500));
    is("stopped");
    output.wait_description("Stopped");
    assert!(!panel.button("Keep it running").is_there());
    output.click();
    is("publishing");
    server.wait_publishing("live", "out", seconds(8));
}

/// Names that GTK makes up where nobody has given one.
fn is_made_up(name: &str) -> bool {
    let class = |prefix: &str| {
        let rest = name.strip_prefix(prefix);
        rest.is_some_and(|rest| rest.starts_with(char::is_uppercase))
    };
    name.trim().is_empty() || class("Gtk") || class("Adw") || class("Regie")
}

#[test]
fn every_control_has_a_name_of_its_own_and_gtk_complains_of_nothing() {
    let engine = Venue::new().start();
    for look in [
        Look::default(),
        Look::default().french(),
        Look::sized(1920, 1080),
        Look::sized(3840, 2160),
        Look::sized(2560, 1440).scaled(2),
    ] {
        let panel = Panel::open(&engine.room, look.clone());
        panel.button("Source Laptop").wait_there();
        panel.key("h");
        panel.key("h");
        panel.key("l");
        let hide = if look.locale.starts_with("fr") {
            "Masquer"
        } else {
            "Hide"
        };
        panel.button(hide).wait_there();
        // What has just appeared gets its place with the next frame.
        let has_place = |control: &Node| control.extents[2] > 0.0 && control.extents[3] > 0.0;
        wait_until(SOON, &format!("{look:?}: all have a place"), || {
            panel.controls().iter().all(has_place)
        });
        let controls = panel.controls();
        panel.key("l");
        // 3 sources with 5 controls each, 5 layouts, 2 roles, 1 output, and what is always there.
        assert!(controls.len() >= 35, "{look:?}: {}", controls.len());
        let mut seen = HashSet::new();
        for control in &controls {
            assert!(!is_made_up(&control.name), "{look:?}: {control:?}");
            let key = (&control.role, &control.name);
            assert!(seen.insert(key), "{look:?}: twice: {control:?}");
        }
        assert_eq!(panel.window_count(), 1, "{look:?}");
        assert_eq!(panel.complaints(), [""; 0], "{look:?}");
    }
}

#[test]
fn a_fault_is_said_within_two_seconds_and_gone_when_cured_in_the_same_window() {
    let mut server = Nginx::running();
    let engine = Venue::to(&server.rtmp_url("live", "out")).start();
    let panel = Panel::open(&engine.room, Look::default());
    server.wait_publishing("live", "out", seconds(8));
    let bar = panel.fault_bar();
    bar.wait(seconds(8), "says that all is well", |bar| {
        bar.description.trim() == "No fault."
    });
    server.kill();
    let said = bar.wait(seconds(2), "names the output", |bar| {
        bar.description.contains("Transcoder")
    });
    eprintln!("a lost output is said after {said:?}");
    panel
        .button("Output Transcoder")
        .wait_description("Retrying");
    panel.button("Show all faults").press();
    panel.button("Hide").wait_there();
    let told = panel.labels();
    let told = told.iter().filter(|node| node.name.contains("  now  "));
    assert_eq!(told.count(), 1);
    assert_eq!(panel.window_count(), 1);
    // The show goes on behind the list.
    panel.key("F2");
    wait_layouts(&engine, "slides", "speaker");
    panel.button("Hide").press();
    panel.button("Hide").wait_gone();
    server.start();
    let cured = bar.wait(seconds(12), "says that all is well", |bar| {
        bar.description.trim() == "No fault."
    });
    eprintln!("cured after {cured:?}");
    panel.key("l");
    panel.button("Hide").wait_there();
    let told = panel.labels();
    assert!(told.iter().any(|node| node.name.contains("  over  ")));
    panel.key("l");
    panel.button("Hide").wait_gone();
    assert_eq!(panel.window_count(), 1);
}

/// All that two panels on one engine must agree about: figures that run are left out.
fn shown(panel: &Panel) -> Vec<(String, String, String, Vec<String>)> {
    let mut controls = panel.controls();
    controls.retain(|control| control.role != "meter");
    let told = controls.into_iter().map(|control| {
        let figures = control.name.starts_with("Output");
        let description = control.description.lines().next().unwrap_or_default();
        let description = if figures { "" } else { description };
        let mut states = control.states;
        states.retain(|state| !["focused", "active"].contains(&state.as_str()));
        let value = format!("{:?}", control.value);
        (control.name, description.to_owned(), value, states)
    });
    told.collect()
}

#[test]
fn two_panels_on_one_engine_show_the_same() {
    let engine = Venue::new().start();
    let one = Panel::open(&engine.room, Look::default());
    let two = Panel::open(&engine.room, Look::sized(1600, 900));
    one.button("Source Guest").wait_there();
    two.button("Source Guest").wait_there();
    let agree = |what: &str| {
        common::wait_until(seconds(5), what, || shown(&one) == shown(&two));
    };
    agree("both show the same at first");
    one.button("Layout Slides + speaker").press();
    one.slider("Fader of Camera").set(-9.0);
    two.button("Mute Laptop").press();
    one.key("Escape");
    two.button("Role speaker").press();
    two.button("Source Guest").press();
    engine.wait_status(SOON, "all of it", |status| {
        status["preview"]["layout"] == "slides-speaker"
            && status["slate"] == true
            && status["roles"]["speaker"] == "guest"
            && status["sources"][0]["mute"] == true
            && status["sources"][1]["gain_db"] == -9.0
    });
    agree("both show what both have done");
    two.slider("Fader of Camera").wait_value(-9.0);
    one.image("Programme").wait_description("Slate");
    two.image("Programme").wait_description("Slate");
}

/// Where every control lies.
fn places(panel: &Panel) -> Vec<(String, [f64; 4])> {
    let controls = panel.controls().into_iter();
    controls.map(|own| (own.name, own.extents)).collect()
}

#[test]
fn nothing_moves_whatever_happens() {
    let mut server = Nginx::running();
    let venue = Venue::to(&server.rtmp_url("live", "out"));
    let mut engine = venue.start();
    let guest = format!("rtsp://127.0.0.1:{}/ingest/guest", venue.relay);
    let mut laptop = Laptop::push(&camera(), &guest).tcp();
    let panel = Panel::open(&engine.room, Look::default());
    panel
        .button("Source Guest")
        .wait(seconds(8), "is live", |tile| {
            tile.description.contains("H.264")
        });
    panel.button("Output Transcoder").wait_description("Mb/s");
    let before = places(&panel);
    assert!(before.len() > 30);
    let stayed = |what: &str| {
        let moved: Vec<_> = before
            .iter()
            .zip(places(&panel))
            .filter(|(a, b)| *a != b)
            .collect();
        assert!(moved.is_empty(), "{what}: moved: {moved:?}");
    };
    laptop.kill();
    panel
        .button("Source Guest")
        .wait(seconds(8), "is lost", |tile| {
            tile.description.contains("no signal")
        });
    stayed("a source lost");
    server.kill();
    panel
        .button("Output Transcoder")
        .wait_description("Retrying");
    panel.fault_bar().wait_description("Transcoder");
    stayed("an output failing");
    panel.button("Slate").press();
    panel.image("Programme").wait_description("Slate");
    stayed("the slate");
    panel.button("Slate for 10 minutes").press();
    panel.button("Slate").wait_description("back in ");
    stayed("the slate with a return");
    panel.button("Role slides").press();
    panel.label("choose a source").wait_there();
    stayed("a role selected");
    panel.key("h");
    panel.label("mix to the preview").wait_there();
    let behind = places(&panel);
    // Those of the card itself are new.
    let of_card = |own: &&(String, [f64; 4])| ["Hide", "Devices"].contains(&own.0.as_str());
    let behind: Vec<_> = behind.iter().filter(|own| !of_card(own)).collect();
    assert_eq!(behind, before.iter().collect::<Vec<_>>(), "a card");
    panel.key("h");
    panel.label("mix to the preview").wait_gone();
    engine.kill9();
    panel.label("NO ENGINE").wait_there();
    stayed("the engine lost");
    assert_eq!(panel.complaints(), [""; 0]);
}

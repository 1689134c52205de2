//! The control socket and `regie ctl`, as scripts and operators use them.

#![allow(clippy::unwrap_used)]

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;

use common::{Engine, Room, free_port, seconds};
use serde_json::{Value, json};

fn venue() -> String {
    format!(
        r#"
name = "Amphi A"
language = "fr"
[programme]
size = "320x180"
[relay]
listen = "127.0.0.1:{}"
[[source]]
id = "one"
kind = "test"
role = "slides"
[[source]]
id = "two"
kind = "push"
role = "speaker"
"#,
        free_port()
    )
}

struct Wire(BufReader<UnixStream>);

impl Wire {
    fn to(engine: &Engine) -> Self {
        let stream = UnixStream::connect(engine.room.socket()).unwrap();
        stream.set_read_timeout(Some(seconds(5))).unwrap();
        Self(BufReader::new(stream))
    }

    fn say(&mut self, line: &str) {
        self.0
            .get_mut()
            .write_all(format!("{line}\n").as_bytes())
            .unwrap();
    }

    fn hear(&mut self) -> Value {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }
}

#[test]
fn a_request_gets_one_reply_and_a_subscriber_the_snapshot_then_events() {
    let engine = Engine::start(&venue());
    let mode = std::fs::metadata(engine.room.socket())
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o660);
    let mut wire = Wire::to(&engine);
    // Three at once are answered in order.
    wire.say("{\"request\":\"preview\",\"layout\":\"slides-pip\"}\n{\"request\":\"fly\"}\n{\"request\":\"status\"}");
    assert_eq!(wire.hear(), json!({"reply": "done"}));
    let refused = wire.hear();
    assert_eq!(
        (&refused["reply"], &refused["code"]),
        (&json!("refused"), &json!("invalid-request"))
    );
    let status = wire.hear();
    assert_eq!(status["reply"], "snapshot");
    assert_eq!(status["snapshot"]["preview"]["layout"], "slides-pip");
    assert_eq!(status["snapshot"]["language"], "fr");

    let mut watcher = Wire::to(&engine);
    watcher.say("{\"request\":\"subscribe\"}");
    let first = watcher.hear();
    assert_eq!(first["snapshot"]["venue"], "Amphi A");
    let mut snapshot = first["snapshot"].clone();
    wire.say("{\"request\":\"take\"}");
    assert_eq!(wire.hear(), json!({"reply": "done"}));
    let show = loop {
        let event = watcher.hear();
        if event["event"] == "show" {
            break event;
        }
    };
    assert_eq!(show["show"]["programme"]["layout"], "slides-pip");
    snapshot["programme"] = show["show"]["programme"].clone();
    assert_eq!(engine.status()["programme"], snapshot["programme"]);
}

#[test]
fn rubbish_is_refused_and_nobody_else_is_disturbed() {
    let engine = Engine::start(&venue());
    let mut good = Wire::to(&engine);
    for rubbish in [
        "",
        "{",
        "[1,2]",
        "null",
        "\u{0}\u{1}",
        "{\"request\":\"take\",\"layout\":7}",
    ] {
        let mut wire = Wire::to(&engine);
        wire.say(rubbish);
        wire.say("{\"request\":\"status\"}");
        let answer = wire.hear();
        let expected = if rubbish.is_empty() {
            "snapshot"
        } else {
            "refused"
        };
        assert_eq!(answer["reply"], expected, "{rubbish:?}");
    }
    let mut endless = UnixStream::connect(engine.room.socket()).unwrap();
    endless.set_read_timeout(Some(seconds(5))).unwrap();
    let chunk = vec![b'x'; 100_000];
    let _ = endless.write_all(&chunk);
    let mut answer = String::new();
    let _ = endless.read_to_string(&mut answer);
    assert!(answer.contains("longer than 65536 bytes"), "{answer:?}");
    let _ = UnixStream::connect(engine.room.socket())
        .unwrap()
        .write_all(&[0xff, 0xfe, b'\n']);
    good.say("{\"request\":\"status\"}");
    assert_eq!(good.hear()["reply"], "snapshot");
}

#[test]
fn a_subscriber_that_does_not_read_is_cut_off_and_gets_everything_when_it_is_back() {
    let mut engine = Engine::start(&venue());
    let mut lazy = Wire::to(&engine);
    lazy.say("{\"request\":\"subscribe\"}");
    let mut busy = Wire::to(&engine);
    for n in 0..3000 {
        let layout = if n % 2 == 0 { "slides" } else { "speaker" };
        busy.say(&format!(
            "{{\"request\":\"preview\",\"layout\":\"{layout}\"}}"
        ));
        assert_eq!(busy.hear()["reply"], "done");
    }
    // It reads what was under way, then finds the end.
    let mut rest = Vec::new();
    lazy.0.get_mut().set_read_timeout(Some(seconds(8))).unwrap();
    lazy.0.read_to_end(&mut rest).unwrap();
    engine.assert_running();
    let mut back = Wire::to(&engine);
    back.say("{\"request\":\"subscribe\"}");
    assert_eq!(back.hear()["snapshot"]["preview"]["layout"], "speaker");
}

#[test]
fn ctl_says_what_was_refused_and_exits_as_documented() {
    let mut engine = Engine::start(&venue());
    assert!(engine.ctl(&["take", "slides-pip"]).is_ok());
    let said = engine.ctl(&["take", "slidse"]);
    assert_eq!(said.code, 1);
    assert_eq!(
        said.err.trim(),
        "regie: no layout \"slidse\"; there are: slides, speaker, slides-speaker, slides-pip, slate"
    );
    for (arguments, reason) in [
        (
            vec!["role", "slides=three"],
            "no source \"three\"; there are: one, two",
        ),
        (
            vec!["role", "dancer=one"],
            "no role \"dancer\"; there are: slides, speaker",
        ),
        (vec!["gain", "three", "0dB"], "no source \"three\""),
        (
            vec!["output", "room", "start"],
            "no output \"room\"; there is none",
        ),
        (
            vec!["delay", "one", "3s"],
            "delay 3000ms is too long; accepted: 0ms to 2000ms",
        ),
    ] {
        engine.ctl(&arguments).assert_refused(reason);
    }
    for wrong in [
        &["take", "Not An Id"][..],
        &["gain", "one", "loud"],
        &["fly"],
        &["mute", "one"],
    ] {
        assert_eq!(engine.ctl(wrong).code, 2, "{wrong:?}");
    }
    let json = engine.ctl(&["--json", "take", "nowhere"]);
    assert_eq!(json.code, 1);
    assert_eq!(
        serde_json::from_str::<Value>(&json.out).unwrap()["code"],
        "unknown-layout"
    );
    let text = engine.ctl(&["status"]).out;
    for part in [
        "Amphi A",
        "on air    slides-pip",
        "airtime   0:0",
        "source    two",
        "idle",
        "relay     listening",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    let json = engine.status();
    for key in [
        "programme",
        "preview",
        "layouts",
        "roles",
        "sources",
        "outputs",
        "relay",
        "desk",
        "recordings",
        "faults",
        "language",
        "on_air_since",
    ] {
        assert!(json.get(key).is_some(), "{key}");
    }
    let (started, since) = (
        json["started"].as_u64().unwrap(),
        json["on_air_since"].as_u64(),
    );
    let aired = since.expect("without outputs, on air with the first frame");
    assert!((started..started + 10_000).contains(&aired), "{json}");
    engine.kill9();
    let said = engine.ctl(&["status"]);
    assert_eq!(said.code, 3);
    assert!(said.err.contains("no engine answers at"), "{}", said.err);
    engine.restart();
    engine.ctl(&["status"]).assert_ok();
}

#[test]
fn a_bad_venue_is_refused_before_anything_starts_with_every_fault_at_once() {
    let room = Room::new(
        r##"
[programme]
size = 7
bitrate = "3M"
[[source]]
id = "laptop"
kind = "push"
role = "slides"
key_file = "missing.key"
[[source]]
id = "laptop"
kind = "test"
[[layout]]
id = "odd"
slots = [ { role = "slidse" }, { role = "slides", width = 0.0 }, { role = "slides", x = 0.5, width = 0.75 } ]
[[output]]
id = "out"
uri = "not a url"
"##,
    );
    let file = room.venue();
    let file = file.to_str().unwrap();
    let check = room.regie(&["check", file]);
    assert_eq!(check.code, 1);
    let engine = room.regie(&["engine", "--config", file]);
    assert_eq!(engine.code, 1);
    assert!(
        !room.socket().exists() && !room.state().join("show.json").exists(),
        "something has started"
    );
    for said in [&check.err, &engine.err] {
        for part in [
            "venue.toml:3: ",
            "size = 7",
            "venue.toml:4: ",
            "bitrate",
            "missing.key",
            "\"laptop\"",
            "slidse",
            "width",
            "not a url",
            "accepted: ",
        ] {
            assert!(said.contains(part), "{part:?} is not in\n{said}");
        }
        assert!(said.lines().count() >= 8, "{said}");
    }
    let json: Value = serde_json::from_str(&room.regie(&["check", "--json", file]).out).unwrap();
    assert_eq!(json["ok"], false);
    assert!(json["problems"].as_array().unwrap().len() >= 8);
    let good = Room::new(&venue());
    let file = good.venue();
    let said = good.regie(&["check", file.to_str().unwrap()]);
    said.assert_ok();
    assert!(
        said.out
            .contains("good. Amphi A: 320x180 at 30 fps, 2 sources, 5 layouts, 0 outputs."),
        "{}",
        said.out
    );
    assert_eq!(good.regie(&["check", "/nowhere/venue.toml"]).code, 1);
}

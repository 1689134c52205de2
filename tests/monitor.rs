//! The operator's monitors and meters, as a panel gets them: what is seen and heard there is what is
//! so, and no panel, however it behaves, disturbs the programme or another panel.

#![allow(clippy::unwrap_used)]

mod common;

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::{Duration, Instant};

use common::{Colour, Engine, Process, Room, camera, free_port, seconds, slides, wait_until};
use regie::control::monitor::{OpenMonitorError, Reader};
use regie::model::{View, ViewRequest};
use serde_json::{Value, json};

const WIDTH: usize = 320;
const HEIGHT: usize = 180;
const NOBODY: Colour = Colour::BLACK;

/// Slides and a camera from files, and a laptop that never comes.
fn start() -> Engine {
    let engine = Engine::start(&format!(
        r##"
[programme]
size = "640x360"
[relay]
listen = "127.0.0.1:{}"
[[source]]
id = "slides"
kind = "file"
path = "{}"
role = "slides"
[[source]]
id = "camera"
kind = "file"
path = "{}"
role = "speaker"
mute = true
[[source]]
id = "laptop"
kind = "push"
[[layout]]
id = "slides"
slots = [ {{ role = "slides" }} ]
[[layout]]
id = "both"
background = "#0000ff"
slots = [ {{ role = "slides", x = 0.0, y = 0.25, width = 0.5, height = 0.5 }}, {{ role = "speaker", x = 0.5, y = 0.25, width = 0.5, height = 0.5 }} ]
[[layout]]
id = "speaker"
slots = [ {{ role = "speaker" }} ]
"##,
        free_port(),
        slides().display(),
        camera().display()
    ));
    engine.wait_status(seconds(8), "live", |status| {
        status["sources"][0]["state"] == "live" && status["sources"][1]["state"] == "live"
    });
    engine
}

fn view(of: View) -> ViewRequest {
    ViewRequest {
        of,
        width: WIDTH as u32,
        height: HEIGHT as u32,
        rate: 20,
    }
}

fn source(id: &str) -> ViewRequest {
    view(View::Source(id.parse().unwrap()))
}

fn open(engine: &Engine, views: &[ViewRequest]) -> Reader {
    Reader::open(&engine.room.socket(), views).unwrap()
}

/// The colour at a place of a picture, 0 to 1: I420, BT.709, limited range.
fn colour_at(picture: &[u8], x: f64, y: f64) -> Colour {
    let (column, row) = ((x * WIDTH as f64) as usize, (y * HEIGHT as f64) as usize);
    let chroma = &picture[WIDTH * HEIGHT..];
    let place = row / 2 * (WIDTH / 2) + column / 2;
    let luma = 255.0 / 219.0 * (f64::from(picture[row * WIDTH + column]) - 16.0);
    let blue = 255.0 / 224.0 * (f64::from(chroma[place]) - 128.0);
    let red = 255.0 / 224.0 * (f64::from(chroma[WIDTH * HEIGHT / 4 + place]) - 128.0);
    let part = |value: f64| value.round().clamp(0.0, 255.0) as u8;
    Colour(
        part(luma + 1.5748 * red),
        part(luma - 0.1873 * blue - 0.4681 * red),
        part(luma + 1.8556 * blue),
    )
}

/// Waits until a view shows these colours.
#[track_caller]
fn wait_shown(reader: &mut Reader, index: usize, what: &str, places: &[(f64, f64, Colour)]) {
    let (mut picture, mut newest) = (Vec::new(), 0);
    wait_until(seconds(5), &format!("{what} in view {index}"), || {
        if let Some(number) = reader.picture(index, newest, &mut picture).unwrap() {
            assert!(number > newest);
            newest = number;
        }
        let is_shown = |(x, y, colour): &(f64, f64, Colour)| {
            let seen = colour_at(&picture, *x, *y);
            seen.is_like(*colour)
        };
        newest > 0 && places.iter().all(is_shown)
    });
}

/// Pictures of a view that come within this time.
fn count(reader: &mut Reader, index: usize, time: Duration) -> usize {
    let (mut picture, mut newest, mut count) = (Vec::new(), 0, 0);
    let begun = Instant::now();
    while begun.elapsed() < time {
        if let Some(number) = reader.picture(index, newest, &mut picture).unwrap() {
            (newest, count) = (number, count + 1);
        }
        std::thread::sleep(Duration::from_millis(3));
    }
    count
}

/// Frames that were late or dropped.
fn lost(engine: &Engine) -> u64 {
    let encoding = &engine.status()["encoding"];
    encoding["late_frames"].as_u64().unwrap() + encoding["dropped_frames"].as_u64().unwrap()
}

fn open_files(engine: &Engine) -> usize {
    let folder = format!("/proc/{}/fd", engine.id());
    std::fs::read_dir(folder).unwrap().count()
}

#[test]
fn monitors_show_what_is_on_air_what_is_prepared_and_every_source() {
    let engine = start();
    let views = [
        view(View::Programme),
        view(View::Preview),
        source("camera"),
        source("laptop"),
    ];
    let mut panel = open(&engine, &views);
    let slides = [
        (0.1, 0.6, Colour::SLIDE_RED),
        (0.9, 0.8, Colour::SLIDE_WHITE),
        (0.98, 0.05, Colour::SLIDE_TITLE),
    ];
    let blue = Colour(0, 0, 255);
    let both = [
        (0.05, 0.6, Colour::SLIDE_RED),
        (0.45, 0.7, Colour::SLIDE_WHITE),
        (0.75, 0.5, Colour::CAMERA_GREEN),
        (0.5, 0.1, blue),
        (0.5, 0.9, blue),
    ];
    let camera = [(0.5, 0.5, Colour::CAMERA_GREEN)];
    wait_shown(&mut panel, 0, "the slides", &slides);
    wait_shown(&mut panel, 1, "both", &both);
    wait_shown(&mut panel, 2, "the camera", &camera);
    wait_shown(&mut panel, 3, "nobody", &[(0.5, 0.5, NOBODY)]);

    engine.ctl(&["take"]).assert_ok();
    wait_shown(&mut panel, 0, "both, taken", &both);
    wait_shown(&mut panel, 1, "the slides, prepared", &slides);
    engine.ctl(&["preview", "speaker"]).assert_ok();
    wait_shown(&mut panel, 1, "the speaker, prepared", &camera);
    engine.ctl(&["role", "speaker=slides"]).assert_ok();
    wait_shown(&mut panel, 1, "the slides as the speaker", &slides);
    wait_shown(&mut panel, 2, "the camera still", &camera);
    engine.ctl(&["slate", "on"]).assert_ok();
    // The slate is dark at its corner, and whatever it is, no slides.
    let (mut picture, mut newest) = (Vec::new(), 0);
    wait_until(seconds(5), "the slate", || {
        newest = (panel.picture(0, newest, &mut picture).unwrap()).unwrap_or(newest);
        !colour_at(&picture, 0.05, 0.6).is_like(Colour::SLIDE_RED)
            && !colour_at(&picture, 0.5, 0.1).is_like(blue)
    });
    engine.ctl(&["slate", "off"]).assert_ok();
    wait_shown(&mut panel, 0, "both again", &both[3..]);
}

#[test]
fn a_view_comes_at_its_rate_and_other_views_can_be_asked_for() {
    let engine = start();
    let mut panel = open(
        &engine,
        &[
            source("camera"),
            ViewRequest {
                rate: 5,
                ..source("camera")
            },
        ],
    );
    let fast = count(&mut panel, 0, seconds(3));
    let slow = count(&mut panel, 1, seconds(3));
    assert!((45..=62).contains(&fast), "{fast} of 60");
    assert!((12..=17).contains(&slow), "{slow} of 15");
    let (mut picture, mut number) = (Vec::new(), 0);
    wait_until(seconds(2), "a picture", || {
        number = (panel.picture(0, 0, &mut picture).unwrap()).unwrap_or(0);
        number > 0
    });
    panel.request(&[source("slides")]).unwrap();
    let places = [(0.1, 0.6, Colour::SLIDE_RED)];
    wait_shown(&mut panel, 0, "the slides", &places);
    let later = panel.picture(0, number, &mut picture).unwrap();
    assert!(later.is_some_and(|later| later > number), "{later:?}");
    assert!(panel.picture(1, 0, &mut picture).is_err(), "one view only");
    let refused = panel.request(&[source("nobody")]).unwrap_err();
    assert!(matches!(refused, OpenMonitorError::Refused(_)));
    wait_shown(&mut panel, 0, "the slides still", &places);
    assert!(panel.is_connected());
}

#[test]
fn meters_show_what_a_source_sends_and_what_is_aired() {
    let engine = start();
    let mut panel = open(&engine, &[]);
    std::thread::sleep(seconds(4));
    let levels = panel.levels().unwrap();
    assert_eq!(levels.len(), 4, "the mix and three sources");
    let [mix, slides, camera, laptop] = levels[..] else {
        panic!()
    };
    // A 1 kHz sine with an amplitude of 0.25 on both channels: -12.04 dB, and as much in LUFS.
    assert!((camera.short_term + 12.04).abs() < 0.3, "{camera:?}");
    assert!((camera.momentary + 12.04).abs() < 0.3, "{camera:?}");
    assert!(camera.peak_db.iter().all(|db| (db + 12.04).abs() < 0.5));
    assert!(camera.present && camera.silent_ms < 100 && camera.clips == 0);
    assert!(mix.peak_db[0] < -60.0, "the camera is muted: {mix:?}");
    assert!(mix.present && mix.silent_ms > 3000, "{mix:?}");
    for silent in [slides, laptop] {
        assert!(!silent.present && silent.momentary == f32::NEG_INFINITY);
    }
    engine.ctl(&["gain", "camera", "-10dB"]).assert_ok();
    engine.ctl(&["mute", "camera", "off"]).assert_ok();
    std::thread::sleep(seconds(4));
    let levels = panel.levels().unwrap();
    assert!((levels[0].short_term + 22.04).abs() < 0.3, "{levels:?}");
    assert!((levels[2].short_term + 12.04).abs() < 0.3, "{levels:?}");
}

#[test]
fn levels_that_grow_old_are_told_from_a_silence() {
    let engine = start();
    let mut panel = open(&engine, &[]);
    let signal = |name: &str| {
        let line = format!("kill -{name} {}", engine.id());
        let status = Command::new("sh").args(["-c", &line]).status().unwrap();
        assert!(status.success());
    };
    let age = |panel: &mut Reader| {
        panel.levels().unwrap();
        panel.age()
    };
    wait_until(seconds(2), "levels", || age(&mut panel) < seconds(1));
    let begun = Instant::now();
    while begun.elapsed() < seconds(2) {
        assert!(age(&mut panel) < Duration::from_millis(900));
        std::thread::sleep(Duration::from_millis(20));
    }
    // The engine hangs; its connections do not show that.
    signal("STOP");
    wait_until(seconds(3), "old age", || age(&mut panel) > seconds(1));
    assert!(panel.is_connected());
    signal("CONT");
    wait_until(seconds(3), "levels again", || age(&mut panel) < seconds(1));
}

#[test]
fn bad_requests_are_refused_in_words() {
    let engine = start();
    let stream = UnixStream::connect(engine.room.socket()).unwrap();
    stream.set_read_timeout(Some(seconds(5))).unwrap();
    let mut wire = BufReader::new(stream);
    let mut ask = |views: Value| -> Value {
        let line = json!({"request": "monitor", "views": views});
        writeln!(wire.get_mut(), "{line}").unwrap();
        let mut line = String::new();
        wire.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    };
    let one = |width: u32, height: u32, rate: u32| json!({"of": "programme", "width": width, "height": height, "rate": rate});
    for (views, code, message) in [
        (
            json!([one(321, 180, 8)]),
            "out-of-range",
            "a view of 321x180 is out of range; accepted: even numbers, 16x16 to 3840x2160",
        ),
        (
            json!([one(320, 180, 61)]),
            "out-of-range",
            "a view's rate of 61 is out of range; accepted: 1 to 60",
        ),
        (
            json!(vec![one(320, 180, 8); 65]),
            "out-of-range",
            "65 views are too many; accepted: at most 64",
        ),
        (
            json!([{"of": {"source": "balcony"}, "width": 320, "height": 180, "rate": 8}]),
            "unknown-source",
            "no source \"balcony\"; there are: slides, camera, laptop",
        ),
        (
            json!([{"of": "multiview", "width": 320, "height": 180, "rate": 8}]),
            "invalid-request",
            "unknown variant `multiview`, expected one of `programme`, `preview`, `source`",
        ),
    ] {
        assert_eq!(
            ask(views),
            json!({"reply": "refused", "code": code, "message": message})
        );
    }
    assert_eq!(ask(json!([one(320, 180, 8)])), json!({"reply": "monitor"}));
    // The memory came with that line, and was not taken.
    assert_eq!(
        ask(json!([one(320, 180, 8)])),
        json!({
            "reply": "refused",
            "code": "slow",
            "message": "the views asked for before have not been fetched yet"
        })
    );
    let refused = Reader::open(&engine.room.socket(), &[source("balcony")]).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "no source \"balcony\"; there are: slides, camera, laptop"
    );
    let nowhere = Reader::open("/nowhere".as_ref(), &[]).unwrap_err();
    assert!(nowhere.to_string().contains("no engine answers"));
}

/// Hundredths of a second of processor time: what there was, what was used, and what of it by the
/// engine and this test.
#[derive(Clone, Copy)]
struct Load {
    all: u64,
    used: u64,
    ours: u64,
}

impl Load {
    fn now(engine: &Engine) -> Self {
        let machine = std::fs::read_to_string("/proc/stat").unwrap();
        let fields = machine.lines().next().unwrap().split_whitespace().skip(1);
        // user, nice, system, idle, iowait, irq, softirq, steal; guests are counted in user.
        let fields: Vec<u64> = fields.take(8).map(|field| field.parse().unwrap()).collect();
        let all: u64 = fields.iter().sum();
        let of = |process: String| {
            used(&std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap())
        };
        Self {
            all,
            used: all - fields[3] - fields[4],
            ours: of(engine.id().to_string()) + of("self".to_owned()),
        }
    }

    /// Whether others had more than a quarter of the machine since then.
    fn is_disturbed_since(self, then: Self) -> bool {
        let others = (self.used - then.used).saturating_sub(self.ours - then.ours);
        others * 4 > self.all - then.all
    }
}

/// Of a process or a thread, from its line in /proc: its time in its own code and in the system's.
fn used(stat: &str) -> u64 {
    // Fields 14 and 15; the second is the name.
    let fields = stat.rsplit(')').next().unwrap().split_whitespace();
    let times = fields.skip(11).take(2);
    times.map(|field| field.parse::<u64>().unwrap()).sum()
}

/// How long the thread that paints monitors has run on a processor, in hundredths of a second.
fn painting(engine: &Engine) -> u64 {
    let tasks = format!("/proc/{}/task", engine.id());
    let stats = std::fs::read_dir(tasks).unwrap().map(|task| {
        let stat = std::fs::read_to_string(task.unwrap().path().join("stat"));
        // A thread may end meanwhile.
        stat.unwrap_or_default()
    });
    let of_monitors = stats.filter(|stat| stat.contains("(monitors)"));
    used(&of_monitors.last().expect("a thread that paints"))
}

/// What painting costs in this time.
fn painting_for(engine: &Engine, time: Duration) -> u64 {
    let before = painting(engine);
    std::thread::sleep(time);
    painting(engine) - before
}

/// A panel of its own process, which looks at its views for ever; every language can be one.
fn foreign_panel(room: &Room) -> Process {
    let script = r#"
import json, os, socket, struct, sys, time
wire = socket.socket(socket.AF_UNIX)
wire.connect(sys.argv[1])
views = [{"of": of, "width": 640, "height": 360, "rate": 30} for of in ("programme", "preview")]
wire.sendall(json.dumps({"request": "monitor", "views": views}).encode() + b"\n")
line, memory, _, _ = socket.recv_fds(wire, 100, 1)
print(line.decode(), os.pread(memory[0], 8, 0).decode(), flush=True)
looks = 0
while True:
    looks += 1
    os.pwrite(memory[0], looks.to_bytes(8, "little"), 24)
    os.pread(memory[0], 1 << 20, 0)
    time.sleep(0.01)
"#;
    let mut command = Command::new("python3");
    command.args(["-c", script]).arg(room.socket());
    let panel = Process::start("a panel", &mut command, &room.path().join("panel.log"));
    wait_until(seconds(5), "the panel's memory", || {
        panel.log().contains("regiemon")
    });
    panel
}

#[test]
fn panels_that_are_stopped_cost_nothing() {
    let engine = start();
    engine.ctl(&["take", "both"]).assert_ok();
    engine.ctl(&["preview", "slides"]).assert_ok();
    let mut panels = [foreign_panel(&engine.room), foreign_panel(&engine.room)];
    let looked_at = painting_for(&engine, seconds(4));
    panels.iter_mut().for_each(Process::freeze);
    std::thread::sleep(seconds(3));
    let stopped = painting_for(&engine, seconds(4));
    panels.iter_mut().for_each(Process::thaw);
    std::thread::sleep(Duration::from_millis(300));
    let again = painting_for(&engine, seconds(4));
    let said = format!("{looked_at}, {stopped} while stopped, {again} after");
    assert!(looked_at >= 8 && again >= 8, "{said}");
    assert!(stopped * 4 <= looked_at.min(again), "{said}");
}

#[test]
fn a_panel_that_stalls_hangs_or_dies_is_nobody_elses_trouble() {
    let mut engine = start();
    engine.ctl(&["take", "both"]).assert_ok();
    let files = open_files(&engine);
    let mut good = open(&engine, &[view(View::Programme), source("camera")]);
    // One never reads what it has asked for, and asks again and again: one memory waits for it.
    let mut lazy = UnixStream::connect(engine.room.socket()).unwrap();
    let views =
        json!({"request": "monitor", "views": [view(View::Programme), view(View::Preview)]});
    for _ in 0..40 {
        writeln!(lazy, "{views}").unwrap();
    }
    let mut frozen = foreign_panel(&engine.room);
    frozen.freeze();
    let mut dead = foreign_panel(&engine.room);
    let (before, load) = (lost(&engine), Load::now(&engine));
    let first = count(&mut good, 1, seconds(3));
    dead.kill9();
    let second = count(&mut good, 1, seconds(3));
    assert!(first > 40 && second > 40, "{first} and {second} of 60");
    // A machine that compiles beside this test loses a frame or two by itself.
    let forgiven = 2 * u64::from(Load::now(&engine).is_disturbed_since(load));
    let after = lost(&engine);
    assert!(
        after <= before + forgiven,
        "{before} to {after} lost frames, {forgiven} forgiven"
    );
    frozen.thaw();
    drop(frozen);
    lazy.set_read_timeout(Some(seconds(5))).unwrap();
    let answers: Vec<Value> = (BufReader::new(&lazy).lines().take(40))
        .map(|line| serde_json::from_str(&line.unwrap()).unwrap())
        .collect();
    let refused = answers.iter().filter(|answer| answer["code"] == "slow");
    assert_eq!((answers.len(), refused.count()), (40, 39));
    drop(lazy);
    assert!(good.is_connected());
    drop(good);
    wait_until(seconds(5), "all that was lent comes back", || {
        open_files(&engine) <= files
    });
    engine.assert_running();
    let last = open(&engine, &[]);
    assert!(last.is_connected());
    engine.terminate();
    wait_until(seconds(1), "the end is seen", || !last.is_connected());
}

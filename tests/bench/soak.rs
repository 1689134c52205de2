//! `make soak`: an evening in real time. Every kind of source, outputs and clients that come and go,
//! transitions all the while; every minute it is measured what must not grow: memory, descriptors,
//! threads, delay, and the offset of sound and picture. Fails where the last third is above the
//! first by more than noise.
//!
//! `SOAK=SECONDS` sets how long; an hour without it.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

#[path = "../common/mod.rs"]
mod common;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use common::{
    Engine, Laptop, Nginx, Process, Usage, Viewer, camera, free_port, read_stamps, seconds, slides,
    stamp, talk,
};

/// Until all have connected, and memory has found its size.
const WARM_UP: Duration = seconds(120);
/// How long the stamped stream is looked at.
const LOOK: u64 = 10;

/// One minute's figures.
#[derive(Debug, Clone, Copy)]
struct Minute {
    memory_mib: f64,
    descriptors: f64,
    threads: f64,
    delay_ms: f64,
    offset_ms: f64,
}

/// What is measured, and by how much the last third may be above the first.
type Figure = (&'static str, fn(&Minute) -> f64, f64);
const FIGURES: [Figure; 5] = [
    ("memory, MiB", |minute| minute.memory_mib, 12.0),
    ("descriptors", |minute| minute.descriptors, 4.0),
    ("threads", |minute| minute.threads, 4.0),
    ("delay, ms", |minute| minute.delay_ms, 40.0),
    ("sound against picture, ms", |minute| minute.offset_ms, 10.0),
];

fn venue(relay: u16, server: &Nginx, other: &Nginx) -> String {
    let kept = server.rtmp_url("live", "kept");
    let flaky = other.rtmp_url("live", "flaky");
    let pulled = server.rtmp_url("in", "pulled");
    let talk = talk().display().to_string();
    format!(
        r##"
[programme]
size = "1280x720"
[relay]
listen = "127.0.0.1:{relay}"
[[source]]
id = "stamped"
kind = "push"
role = "slides"
[[source]]
id = "laptop"
kind = "push"
role = "speaker"
sound = "on-air"
[[source]]
id = "datagrams"
kind = "push"
role = "audience"
sound = "on-air"
[[source]]
id = "pulled"
kind = "pull"
uri = "{pulled}"
role = "remote"
sound = "on-air"
[[source]]
id = "talk"
kind = "file"
path = "{talk}"
role = "film"
sound = "on-air"
[[source]]
id = "pattern"
kind = "test"
role = "test"
sound = "on-air"
[[layout]]
id = "stamped"
slots = [ {{ role = "slides" }} ]
[[layout]]
id = "pair"
slots = [ {{ role = "speaker", width = 0.6 }}, {{ role = "film", x = 0.6, width = 0.4 }} ]
[[layout]]
id = "many"
slots = [ {{ role = "audience", width = 0.5, height = 0.5 }}, {{ role = "remote", x = 0.5, width = 0.5, height = 0.5 }},
          {{ role = "test", y = 0.5, width = 0.5, height = 0.5 }}, {{ role = "film", x = 0.5, y = 0.5, width = 0.5, height = 0.5 }} ]
[[output]]
id = "kept"
uri = "{kept}"
[[output]]
id = "flaky"
uri = "{flaky}"
"##
    )
}

fn main() {
    let length = std::env::var("SOAK").map_or(3600, |text| text.parse().expect("seconds"));
    let length = Duration::from_secs(length).max(WARM_UP);
    let (server, mut other) = (Nginx::running(), Nginx::running());
    let feed = {
        let mut command = Command::new("ffmpeg");
        command.args(["-nostdin", "-v", "error", "-re", "-stream_loop", "-1", "-i"]);
        command.arg(talk()).args(["-c", "copy", "-f", "flv"]);
        command.arg(server.rtmp_url("in", "pulled"));
        let log = tempfile::NamedTempFile::new().unwrap();
        Process::start("a feed", &mut command, log.path())
    };
    let relay = free_port();
    let engine = Engine::start(&venue(relay, &server, &other));
    let base = format!("rtsp://127.0.0.1:{relay}");
    let _stamped = stamp(&format!("{base}/ingest/stamped"), 0);
    let push = |file: &Path, id: &str| Laptop::push(file, &format!("{base}/ingest/{id}"));
    let _datagrams = push(&camera(), "datagrams").udp();
    let mut laptop = push(&slides(), "laptop").tcp();

    let mut minutes = Vec::new();
    let begun = Instant::now();
    for n in 0_u64.. {
        if begun.elapsed() >= length {
            break;
        }
        // What comes and goes.
        match n % 4 {
            0 => other.kill(),
            1 => other.start(),
            2 => laptop.kill(),
            _ => laptop = push(&slides(), "laptop").tcp(),
        }
        let viewers: Vec<Viewer> = (0..3)
            .map(|i| Viewer::watch(&format!("{base}/{}", ["programme", "source/talk"][i % 2])))
            .collect();
        for (i, layout) in ["pair", "many", "pair", "stamped"].iter().enumerate() {
            let transition = ["cut", "mix", "morph"][(n as usize + i) % 3];
            let arguments = [
                "take",
                layout,
                "--transition",
                transition,
                "--duration",
                "700ms",
            ];
            engine.ctl(&arguments).assert_ok();
            std::thread::sleep(seconds(7));
        }
        for viewer in viewers {
            viewer.stop_whatever_came();
        }
        let slate = ["on", "off"].map(|word| engine.ctl(&["slate", word]).is_ok());
        assert_eq!(slate, [true; 2]);
        if let Some(minute) = look(&engine, &base).filter(|_| begun.elapsed() > WARM_UP) {
            println!("{:>6} s: {minute:?}", begun.elapsed().as_secs());
            minutes.push(minute);
        }
    }
    drop(feed);
    judge(&minutes, &engine);
}

fn look(engine: &Engine, base: &str) -> Option<Minute> {
    std::thread::sleep(seconds(3));
    let stamps = read_stamps(&format!("{base}/programme"), LOOK)?;
    let usage = Usage::of(engine.id());
    Some(Minute {
        memory_mib: usage.memory_mib,
        descriptors: usage.descriptors as f64,
        threads: usage.threads as f64,
        delay_ms: stamps.median,
        offset_ms: stamps.av_offset,
    })
}

fn judge(minutes: &[Minute], engine: &Engine) {
    assert!(
        minutes.len() >= 6,
        "too short to judge: {} looks",
        minutes.len()
    );
    let third = minutes.len() / 3;
    let median = |part: &[Minute], figure: fn(&Minute) -> f64| {
        let mut values: Vec<f64> = part.iter().map(figure).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let mut grown = Vec::new();
    for (name, figure, noise) in FIGURES {
        let first = median(&minutes[..third], figure);
        let last = median(&minutes[minutes.len() - third..], figure);
        println!("{name}: {first:.1} in the first third, {last:.1} in the last");
        if last - first > noise || (name.starts_with("sound") && first - last > noise) {
            grown.push(name);
        }
    }
    let encoding = &engine.status()["encoding"];
    println!(
        "{} frames, {} repeated, {} left out",
        encoding["frames"], encoding["late_frames"], encoding["dropped_frames"]
    );
    assert!(grown.is_empty(), "grown: {grown:?}");
}

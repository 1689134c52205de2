//! `cargo bench --bench monitor`: what one panel costs the engine: the programme at 960x540, the
//! preview at 480x270, four sources at 320x180, and meters. Processor time over 20 s without the
//! panel and 20 s with it, in turns; beside it what the threads used that do the work. The promise
//! is at most 0.10 s a second; the bench fails beyond it.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

#[path = "../common/mod.rs"]
mod common;

use std::time::{Duration, Instant};

use common::{Engine, camera, free_port, seconds, slides, talk};
use regie::control::monitor::Reader;
use regie::model::{View, ViewRequest};

const ROUNDS: usize = 3;
const SPAN: Duration = seconds(20);
/// Seconds of processor time a second.
const PROMISE: f64 = 0.10;
/// Of the kernel's clock, per second, as Linux tells it to everybody.
const TICKS: f64 = 100.0;

fn view(of: View, width: u32, height: u32, rate: u32) -> ViewRequest {
    ViewRequest {
        of,
        width,
        height,
        rate,
    }
}

/// Processor time of a process or a thread so far, in seconds.
fn used(stat: &str) -> f64 {
    let text = std::fs::read_to_string(stat).unwrap();
    // The name may hold anything, and ends at the last parenthesis.
    let fields: Vec<&str> = text[text.rfind(')').unwrap() + 2..].split(' ').collect();
    let ticks: f64 = fields[11..13]
        .iter()
        .map(|f| f.parse::<f64>().unwrap())
        .sum();
    ticks / TICKS
}

/// The stat file of the engine's thread of this name.
fn thread(engine: &Engine, name: &str) -> String {
    let folder = format!("/proc/{}/task", engine.id());
    let mut threads = std::fs::read_dir(folder)
        .unwrap()
        .map(|t| t.unwrap().path());
    let found = threads.find(|thread| {
        std::fs::read_to_string(thread.join("comm")).is_ok_and(|comm| comm.trim() == name)
    });
    found.unwrap().join("stat").display().to_string()
}

fn main() {
    let file = |id: &str, path: &std::path::Path, role: &str| {
        format!(
            "[[source]]\nid = \"{id}\"\nkind = \"file\"\npath = \"{}\"\n{role}\n",
            path.display()
        )
    };
    let engine = Engine::start(&format!(
        "[relay]\nlisten = \"127.0.0.1:{}\"\n{}{}{}{}",
        free_port(),
        file("slides", &slides(), "role = \"slides\""),
        file("talk", &talk(), "role = \"speaker\""),
        file("camera", &camera(), ""),
        file("more-slides", &slides(), ""),
    ));
    engine.wait_status(seconds(10), "live", |status| {
        let sources = status["sources"].as_array().unwrap();
        sources.iter().all(|source| source["state"] == "live")
    });
    engine.ctl(&["preview", "slides-speaker"]).assert_ok();
    let mut views = vec![
        view(View::Programme, 960, 540, 15),
        view(View::Preview, 480, 270, 10),
    ];
    for id in ["slides", "talk", "camera", "more-slides"] {
        views.push(view(View::Source(id.parse().unwrap()), 320, 180, 8));
    }
    let stats = [
        format!("/proc/{}/stat", engine.id()),
        thread(&engine, "monitors"),
        thread(&engine, "sound"),
    ];
    let measure = || {
        let (before, begun) = (stats.each_ref().map(|stat| used(stat)), Instant::now());
        std::thread::sleep(SPAN);
        let span = begun.elapsed().as_secs_f64();
        let after = stats.each_ref().map(|stat| used(stat));
        [0, 1, 2].map(|i| (after[i] - before[i]) / span)
    };
    let mut added = Vec::new();
    for round in 1..=ROUNDS {
        let without = measure();
        let mut panel = Reader::open(&engine.room.socket(), &views).unwrap();
        let with = measure();
        let pictures = panel.picture(0, 0, &mut Vec::new()).unwrap().unwrap_or(0);
        added.push(with[0] - without[0]);
        println!(
            "round {round}: engine {:.3} s/s without, {:.3} with; monitors {:.3}; sound and meters {:.3}; {:.1} pictures/s of the programme",
            without[0],
            with[0],
            with[1],
            with[2],
            pictures as f64 / SPAN.as_secs_f64()
        );
    }
    added.sort_by(f64::total_cmp);
    let median = added[ROUNDS / 2];
    println!("a panel adds {median:.3} s of processor time a second");
    assert!(median <= PROMISE, "promised: at most {PROMISE}");
}

//! `cargo bench --bench panel`: what the operator's window costs, and how soon its keys are obeyed.
//! The real window at 1920x1080 on a display without a GPU, drawn by GTK's cairo renderer.
//!
//! - Processor time of the engine, 12 s without a window and 12 s with one that shows the programme,
//!   the preview, four sources and their meters, in turns. The promise is at most 0.10 s a second
//!   more; the bench fails beyond it. What the window itself uses is for the reader.
//! - From the key (an X event) to the first frame of the new layout at a player of the relay, which
//!   decodes it: for the reader.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

#[path = "../common/mod.rs"]
mod common;

use std::time::{Duration, Instant};

use common::{Engine, Eye, Look, Panel, camera, free_port, seconds, slides, talk};

const ROUNDS: usize = 5;
const SPAN: Duration = seconds(12);
/// Seconds of processor time a second.
const PROMISE: f64 = 0.10;
/// Of the kernel's clock, per second, as Linux tells it to everybody.
const TICKS: f64 = 100.0;
/// Keys pressed for the delay.
const KEYS: usize = 100;

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

/// Processor time a second of each of these, over [`SPAN`].
fn measure<const N: usize>(stats: [&str; N]) -> [f64; N] {
    let (before, begun) = (stats.map(used), Instant::now());
    std::thread::sleep(SPAN);
    let span = begun.elapsed().as_secs_f64();
    let after = stats.map(used);
    std::array::from_fn(|i| (after[i] - before[i]) / span)
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
    let relay = free_port();
    let engine = Engine::start(&format!(
        "[relay]\nlisten = \"127.0.0.1:{relay}\"\n{}{}{}{}",
        file("slides", &slides(), "role = \"slides\""),
        file("camera", &camera(), "role = \"speaker\""),
        file("talk", &talk(), ""),
        file("more-slides", &slides(), ""),
    ));
    engine.wait_status(seconds(10), "live", |status| {
        let sources = status["sources"].as_array().unwrap();
        sources.iter().all(|source| source["state"] == "live")
    });
    cost(&engine);
    delay(&engine, &format!("rtsp://127.0.0.1:{relay}/programme"));
}

fn cost(engine: &Engine) {
    engine.ctl(&["preview", "slides-speaker"]).assert_ok();
    let whole = format!("/proc/{}/stat", engine.id());
    let monitors = thread(engine, "monitors");
    let mut added = Vec::new();
    for round in 1..=ROUNDS {
        let [without] = measure([&whole]);
        let panel = Panel::open(&engine.room, Look::sized(1920, 1080));
        panel.button("Take").wait_there();
        std::thread::sleep(seconds(3));
        let own = format!("/proc/{}/stat", panel.id());
        let [with, painting, window] = measure([&whole, &monitors, &own]);
        added.push(with - without);
        println!(
            "round {round}: engine {without:.3} s/s without a window, {with:.3} with one \
             (of these {painting:.3} to paint for it); the window itself {window:.3}"
        );
    }
    added.sort_by(f64::total_cmp);
    let median = added[ROUNDS / 2];
    println!("a window adds {median:.3} s of processor time a second to the engine");
    assert!(median <= PROMISE, "promised: at most {PROMISE}");
}

fn delay(engine: &Engine, url: &str) {
    // White slides in the middle, a green camera: one key swaps them.
    engine.ctl(&["take", "slides"]).assert_ok();
    engine.ctl(&["preview", "speaker"]).assert_ok();
    let panel = Panel::open(&engine.room, Look::sized(1920, 1080));
    panel.button("Take").wait_there();
    let player = Eye::open(url);
    std::thread::sleep(seconds(3));
    let mut took = Vec::new();
    for n in 0..KEYS {
        // At all phases of the frames.
        std::thread::sleep(Duration::from_millis(400 + (n * 7) as u64 % 40));
        let pressed = Instant::now();
        panel.key("Return");
        took.push(player.wait_change(pressed).expect("the picture changes"));
    }
    took.sort();
    let at = |share: f64| took[((KEYS - 1) as f64 * share).round() as usize].as_millis();
    println!(
        "from the key to the new layout at a player: {} ms median, {} ms p99, {} ms most, of {KEYS}",
        at(0.5),
        at(0.99),
        at(1.0)
    );
}

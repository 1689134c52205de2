//! `cargo bench --bench capture`: what a capture card costs the processor, beside reading the same
//! pictures and throwing them away, and beside GStreamer's own command line for the same job.
//!
//! It needs a card, so it runs in the virtual machine, with the kernel's own webcam. The processors there
//! are emulated: only the ratios of one run say something. The job: 640x360 in YUYV, made planar.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

#[path = "../common/mod.rs"]
mod common;

use std::process::Command;
use std::time::{Duration, Instant};

use common::{Engine, Process, Usage, Vm, seconds};

const WEBCAM: &str = "/dev/video0";
const RATE: u32 = 10;
const SPAN: Duration = seconds(20);
/// Until programs have started, which takes long there.
const SETTLE: Duration = seconds(25);
const ROUNDS: usize = 3;
/// What a picture costs in an engine, over what it costs GStreamer's command line.
const RATIO: f64 = 1.10;

fn main() {
    Vm::new().modules("vivid").timeout(1200).bench(inside);
}

fn inside() {
    let reads = |then: &str| {
        let line = format!(
            "v4l2src device={WEBCAM} ! \
             video/x-raw,format=YUY2,width=640,height=360,framerate={RATE}/1 ! {then} fakesink"
        );
        let mut command = Command::new("gst-launch-1.0");
        command.arg("-q").args(line.split_whitespace());
        let log = tempfile::NamedTempFile::new().unwrap();
        let mut process = Process::start("GStreamer", &mut command, log.path());
        std::thread::sleep(SETTLE);
        let used = share(process.id());
        process.assert_running();
        used
    };
    let mut ratios = Vec::new();
    for round in 1..=ROUNDS {
        let away = reads("");
        let planar = reads("videoconvert ! video/x-raw,format=Y42B !");
        let own = engine(true) - engine(false);
        println!(
            "round {round}: a picture read and thrown away {:.1} ms, made planar by GStreamer's command \
             line {:.1} ms, by an engine {:.1} ms",
            each(away),
            each(planar),
            each(own)
        );
        ratios.push(own / planar);
    }
    ratios.sort_by(f64::total_cmp);
    let ratio = ratios[ROUNDS / 2];
    println!("a card in an engine over GStreamer's command line: {ratio:.2} (median of {ROUNDS})");
    assert!(ratio <= RATIO, "promised: at most {RATIO}");
}

/// Milliseconds a picture, where so much of a second is used.
fn each(share: f64) -> f64 {
    share / f64::from(RATE) * 1e3
}

/// Processor time a second.
fn share(id: u32) -> f64 {
    let (before, begun) = (Usage::of(id).processor, Instant::now());
    std::thread::sleep(SPAN);
    (Usage::of(id).processor - before) / begun.elapsed().as_secs_f64()
}

/// The same of an engine whose programme shows nobody, with the card or without.
fn engine(with_card: bool) -> f64 {
    let mut venue = "[programme]\nsize = \"192x108\"\nframerate = \"5\"\nencoder = \"x264\"\n\
                     x264_preset = \"ultrafast\"\nvideo_bitrate = \"200k\"\n"
        .to_owned();
    if with_card {
        venue += &format!(
            "[[source]]\nid = \"cam\"\nkind = \"capture\"\nrole = \"speaker\"\ndevice = \"{WEBCAM}\"\n\
             format = \"YUYV\"\nsize = \"640x360\"\nframerate = \"{RATE}\"\n"
        );
    }
    let engine = Engine::start(&venue);
    engine.ctl(&["take", "slate"]).assert_ok();
    if with_card {
        engine.wait_status(seconds(60), "the card is live", |status| {
            status["sources"][0]["state"] == "live"
        });
    }
    std::thread::sleep(SETTLE);
    share(engine.id())
}

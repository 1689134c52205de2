//! `cargo bench --bench sync`: sound against picture, and delay, from a laptop that pushes by RTSP to
//! a player of the relay, beside the same stream straight through nginx-rtmp. The probe's stream
//! flashes and beeps once a second; the difference of the two offsets is what regie adds. Fails
//! beyond 15 ms. The delays are for the reader: they depend on the machine's load.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

#[path = "../common/mod.rs"]
mod common;

use std::path::Path;
use std::process::{Command, Stdio};

use common::{Engine, Nginx, Process, free_port, seconds};
use serde_json::Value;

/// What regie may add to the offset of sound and picture, in milliseconds.
const PROMISE: f64 = 15.0;

fn probe(arguments: &[&str]) -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new("python3");
    command
        .env("PYTHONPATH", root.join("target/python"))
        .arg(root.join("tests/tools/probe"))
        .args(arguments);
    command
}

/// Sends a stamped stream to `to`, reads it back at `from`: offset and median delay, in ms.
fn measure(to: &str, from: &str) -> (f64, f64) {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let _sender = Process::start(
        "the probe",
        &mut probe(&["stamp", to, "--seconds", "25"]),
        &log,
    );
    // Connections start with a burst; a source settles within some seconds.
    std::thread::sleep(seconds(10));
    let mut reader = probe(&["read", from, "--seconds", "8", "--line"]);
    let said = reader.stderr(Stdio::inherit()).output().unwrap();
    let report: Value = serde_json::from_slice(&said.stdout).expect("the probe's report");
    let figure = |name: &str| {
        report[name]["p50"]
            .as_f64()
            .unwrap_or_else(|| panic!("{report}"))
    };
    (figure("av_offset_ms"), figure("latency_ms"))
}

fn main() {
    let server = Nginx::running();
    let straight = server.rtmp_url("live", "probe");
    let (sent, direct) = measure(&straight, &straight);
    println!(
        "straight through nginx-rtmp: sound {sent:+.1} ms against picture, {direct:.0} ms delay"
    );
    let relay = free_port();
    let _engine = Engine::start(&format!(
        "[relay]\nlisten = \"127.0.0.1:{relay}\"\n[[source]]\nid = \"laptop\"\nkind = \"push\"\nrole = \"slides\"\n"
    ));
    let base = format!("rtsp://127.0.0.1:{relay}");
    let (came, delay) = measure(
        &format!("{base}/ingest/laptop"),
        &format!("{base}/programme"),
    );
    println!("through regie: sound {came:+.1} ms against picture, {delay:.0} ms delay");
    let added = came - sent;
    assert!(
        added.abs() <= PROMISE,
        "regie adds {added:+.1} ms; promised: at most {PROMISE} ms"
    );
}

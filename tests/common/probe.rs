//! The probe: a stream whose pictures say when they were made, and which flashes and beeps.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::Process;

fn probe(arguments: &[&str]) -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new("python3");
    command
        .env("PYTHONPATH", root.join("target/python"))
        .arg(root.join("tests/tools/probe"))
        .args(arguments);
    command
}

/// Sends a stamped stream, until it is dropped or the seconds have passed (0: never). `make probe`
/// installs what it needs.
#[track_caller]
pub fn stamp(url: &str, seconds: u64) -> Process {
    send(url, seconds, &[])
}

/// The same without sound.
#[track_caller]
pub fn stamp_silent(url: &str, seconds: u64) -> Process {
    send(url, seconds, &["--silent"])
}

#[track_caller]
fn send(url: &str, seconds: u64, options: &[&str]) -> Process {
    let log = tempfile::NamedTempFile::new().unwrap();
    let seconds = seconds.to_string();
    let mut sender = probe(&["stamp", url, "--seconds", &seconds]);
    sender.args(options);
    Process::start("the probe", &mut sender, log.path())
}

/// What a stamped stream shows where it is played.
#[derive(Debug, Clone, Copy)]
pub struct Stamps {
    /// Sound against picture: positive where sound is late. Median, in milliseconds; not a number
    /// where there is none.
    pub av_offset: f64,
    /// From the sender's clock to the picture in a reader's hands, in milliseconds.
    pub median: f64,
    /// The same, of the slowest hundredth.
    pub p99: f64,
    /// Pictures seen twice.
    pub repeated: u64,
}

/// Reads a stamped stream for so long; `None` where it cannot be read.
pub fn read_stamps(url: &str, seconds: u64) -> Option<Stamps> {
    let seconds = seconds.to_string();
    let mut reader = probe(&["read", url, "--seconds", &seconds, "--line"]);
    let said = reader.stderr(Stdio::inherit()).output().unwrap();
    let report: Value = serde_json::from_slice(&said.stdout).ok()?;
    let figure = |name: &str, share: &str| report[name][share].as_f64();
    Some(Stamps {
        av_offset: figure("av_offset_ms", "p50").unwrap_or(f64::NAN),
        median: figure("latency_ms", "p50")?,
        p99: figure("latency_ms", "p99")?,
        repeated: report["repeated"].as_u64()?,
    })
}

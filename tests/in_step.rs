//! Sound and picture of a laptop stay together as it sent them, whatever its clock and its packets do.

#![allow(clippy::unwrap_used)]

mod common;

use std::process::Command;
use std::time::Duration;

use common::{Engine, Process, Recording, Sound, Viewer, free_port, seconds};
use tempfile::TempDir;

/// People see more, in milliseconds.
const PROMISE: f64 = 15.0;
/// Louder than the sender's tone, and softer than its beeps, in dB.
const BEEP_DB: f64 = -18.0;

/// At 60 pictures a second a tick rounds the picture's time by no more than 8 ms.
fn venue(relay: u16) -> String {
    format!(
        r#"
[programme]
size = "320x180"
framerate = "60"
[relay]
listen = "127.0.0.1:{relay}"
[[source]]
id = "laptop"
kind = "push"
role = "slides"
"#
    )
}

/// A laptop whose picture is white for a tenth of each second, and whose tone of 1 kHz beeps at the
/// same instant. Its clock is so many ppm too fast.
struct Clap {
    _process: Process,
    _folder: TempDir,
}

impl Clap {
    fn push(url: &str, ppm: f64, options: &[&str]) -> Self {
        let pictures = "color=black:s=320x180:r=60,\
            drawbox=color=white:t=fill:enable='lt(mod(t,1),0.1)',format=yuv420p[out0]";
        let sound = "sine=frequency=1000:beep_factor=4:sample_rate=48000[out1]";
        let mut command = Command::new("ffmpeg");
        command
            .args(["-nostdin", "-v", "warning", "-f", "lavfi", "-readrate"])
            .arg(format!("{:.6}", 1.0 + ppm / 1e6))
            .arg("-i")
            .arg(format!("{pictures};{sound}"))
            .args(["-c:v", "libx264", "-preset", "ultrafast", "-tune"])
            .args(["zerolatency", "-g", "60", "-c:a", "aac", "-b:a", "160k"])
            .args(options)
            .args(["-f", "rtsp", url]);
        let folder = TempDir::with_prefix("regie-clap-").unwrap();
        let process = Process::start("the laptop", &mut command, &folder.path().join("log"));
        Self {
            _process: process,
            _folder: folder,
        }
    }
}

/// What the programme was for so long, once a laptop with these options has settled.
fn programme(ppm: f64, options: &[&str], length: Duration) -> Recording {
    let relay = free_port();
    let engine = Engine::start(&venue(relay));
    let base = format!("rtsp://127.0.0.1:{relay}");
    let _laptop = Clap::push(&format!("{base}/ingest/laptop"), ppm, options);
    engine.wait_status(seconds(10), "live", |status| {
        status["sources"][0]["state"] == "live"
    });
    // A timeline settles in its first five seconds.
    std::thread::sleep(seconds(6));
    let mut viewer = Viewer::watch(&format!("{base}/programme"));
    viewer.wait_picture(seconds(10));
    std::thread::sleep(length);
    viewer.stop()
}

/// Sound against picture, in milliseconds, at each flash; the viewer's own first seconds aside.
fn offsets(recording: &Recording) -> Vec<f64> {
    let all = recording.sound_after_flash(BEEP_DB);
    (all.into_iter())
        .filter(|(at, _)| *at > 6.0)
        .map(|(_, offset)| offset)
        .collect()
}

#[track_caller]
fn assert_in_step(mut offsets: Vec<f64>, at_least: usize) {
    offsets.sort_by(f64::total_cmp);
    assert!(offsets.len() >= at_least, "{} flashes only", offsets.len());
    let median = offsets[offsets.len() / 2];
    assert!(median.abs() <= PROMISE, "{median:.1} ms apart");
    // Ticks and onsets are measured to so much.
    let (first, last) = (offsets[0], offsets[offsets.len() - 1]);
    assert!(
        first > -PROMISE - 10.0 && last < PROMISE + 10.0,
        "{offsets:.1?}"
    );
}

/// The parts of a sound between its beeps.
fn between_beeps(sound: &Sound) -> Vec<Sound> {
    let onsets = sound.onsets(BEEP_DB);
    let parts = onsets.windows(2).filter(|pair| pair[1] - pair[0] < 1.1);
    parts
        .map(|pair| sound.between(pair[0] + 0.08, pair[1] - 0.02))
        .collect()
}

#[test]
fn a_clock_that_runs_wrong_is_followed_without_a_click() {
    const PPM: f64 = 800.0;
    let options = ["-rtsp_transport", "tcp", "-muxdelay", "0.05"];
    // What is 800 ppm too fast gets ahead by 28 ms.
    let recording = programme(PPM, &options, seconds(36));
    assert_in_step(offsets(&recording), 22);
    let sound = recording.sound();
    let parts = between_beeps(&sound.between(1.0, sound.seconds() - 1.0));
    assert!(parts.len() > 28, "{} beeps only", parts.len());
    for (n, part) in parts.iter().enumerate() {
        // A tone of 1 kHz and amplitude 1/8 moves 0.0164 from one sample to the next.
        let step = part.largest_step();
        assert!(step < 0.025, "a click of {step}, {n} s on");
        let pitch = part.pitch();
        let expected = 1000.0 * (1.0 + PPM / 1e6);
        assert!((pitch - expected).abs() < 1.5, "{pitch} Hz, {n} s on");
    }
}

#[test]
fn a_sender_that_collects_its_sound_is_in_step() {
    // Without -muxdelay ffmpeg puts as much sound into a packet as it holds, late by that much.
    let recording = programme(0.0, &["-rtsp_transport", "tcp"], seconds(14));
    assert_in_step(offsets(&recording), 5);
}

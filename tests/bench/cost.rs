//! `cargo bench --bench cost`: what regie costs beside the least that the job can cost.
//!
//! The job: pull slides at 1080p30 and a camera at 720p30 by RTMP, put them side by side into
//! 1920x1080 at 30, encode with x264 veryfast at 4.5 Mb/s, push by RTMP. The floor: two ffmpeg, one
//! that decodes both, one that encodes a programme that was composed before and lies in memory.
//!
//! - Processor time of the one over that of the other, which is measured before and after it: the
//!   median of the rounds is promised to be at most 1.10.
//! - Memory of the engine in that job: at most 250 MiB, and no more at the end than at the start.
//! - 1920x1080 at 60 with two sources and x264 superfast: no frame repeated, none left out.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

#[path = "../common/mod.rs"]
mod common;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{Engine, Nginx, Process, Usage, free_port, seconds, slides};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const ROUNDS: usize = 3;
const SPAN: Duration = seconds(15);
/// Until connections, decoders and encoders have settled.
const SETTLE: Duration = seconds(8);
/// regie's processor time over the floor's.
const RATIO: f64 = 1.10;
const MEMORY_MIB: f64 = 250.0;
/// What memory may seem to grow by from the first round to the last, in MiB.
const NOISE_MIB: f64 = 12.0;

const LAYOUT: &str = r##"
[[layout]]
id = "side"
background = "#101828"
slots = [ { role = "slides", x = 0.0, y = 0.125, width = 0.75, height = 0.75 },
          { role = "speaker", x = 0.661458, y = 0.333333, width = 0.333333, height = 0.333333 } ]
"##;

/// Composed as the layout says.
const COMPOSED: &str = "[0:v]scale=1440:810:flags=bilinear[s];[1:v]scale=640:360:flags=bilinear[c];\
    color=c=0x101828:s=1920x1080:r=30,format=yuv420p[b];[b][s]overlay=0:135[x];[x][c]overlay=1270:360";

const X264: [&str; 13] = [
    "-c:v",
    "libx264",
    "-preset",
    "veryfast",
    "-tune",
    "zerolatency",
    "-b:v",
    "4500k",
    "-maxrate",
    "4500k",
    "-bufsize",
    "4500k",
    "-nostats",
];

fn main() {
    let camera = camera();
    let server = Nginx::running();
    let feeds = [(slides(), "slides"), (camera.clone(), "camera")]
        .map(|(file, name)| feed(&file, &server.rtmp_url("in", name)));
    std::thread::sleep(seconds(2));
    cost(&server, &composed(&camera));
    full_rate(&server);
    drop(feeds);
}

fn ffmpeg() -> Command {
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-v", "error", "-y"]);
    command
}

fn start(what: &str, command: &mut Command) -> Process {
    let log = tempfile::NamedTempFile::new().unwrap();
    Process::start(what, command, log.path())
}

/// Plays a file in a loop to a server.
fn feed(file: &Path, url: &str) -> Process {
    let mut command = ffmpeg();
    command.args(["-re", "-stream_loop", "-1", "-i"]).arg(file);
    start("a feed", command.args(["-c", "copy", "-f", "flv", url]))
}

/// Made once: real footage, as a camera gives it.
fn camera() -> PathBuf {
    let file = scratch("camera-720p30.mp4");
    if !file.exists() {
        let real = Path::new(ROOT).join("target/footage/bigbuckbunny.mp4");
        let mut command = ffmpeg();
        command.args(["-stream_loop", "12", "-i"]).arg(real);
        command.args(["-vf", "scale=1280:720,fps=30,format=yuv420p", "-t", "60"]);
        command.args([
            "-c:v", "libx264", "-preset", "veryfast", "-b:v", "6M", "-g", "60", "-bf", "0",
        ]);
        command.args(["-c:a", "aac", "-ac", "2"]).arg(&file);
        assert!(command.status().unwrap().success());
    }
    file
}

/// The programme as raw pictures, for the floor to encode.
fn composed(camera: &Path) -> PathBuf {
    let file = scratch("composed.y4m");
    if !file.exists() {
        let mut command = ffmpeg();
        command
            .args(["-t", "8", "-i"])
            .arg(slides())
            .args(["-t", "8", "-i"])
            .arg(camera);
        command
            .args([
                "-filter_complex",
                COMPOSED,
                "-t",
                "8",
                "-pix_fmt",
                "yuv420p",
            ])
            .arg(&file);
        assert!(command.status().unwrap().success());
    }
    file
}

fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(ROOT).join("target/bench");
    std::fs::create_dir_all(&folder).unwrap();
    folder.join(name)
}

/// Processor time a second of these together, over [`SPAN`].
fn measure(ids: &[u32]) -> f64 {
    let all = || ids.iter().map(|id| Usage::of(*id).processor).sum::<f64>();
    let (before, begun) = (all(), Instant::now());
    std::thread::sleep(SPAN);
    (all() - before) / begun.elapsed().as_secs_f64()
}

fn floor(server: &Nginx, composed: &Path) -> f64 {
    let mut decoder = ffmpeg();
    for name in ["slides", "camera"] {
        decoder.args(["-i", &server.rtmp_url("in", name)]);
    }
    decoder.args(["-map", "0:v", "-map", "1:v", "-f", "null", "-"]);
    let mut encoder = ffmpeg();
    encoder
        .args(["-re", "-stream_loop", "-1", "-i"])
        .arg(composed);
    encoder.args([
        "-i",
        &server.rtmp_url("in", "camera"),
        "-map",
        "0:v",
        "-map",
        "1:a",
    ]);
    encoder
        .args(X264)
        .args(["-g", "60", "-c:a", "aac", "-b:a", "160k", "-f", "flv"]);
    encoder
        .arg(server.rtmp_url("live", "floor"))
        .stdout(Stdio::null());
    let both = [
        start("the decoder", &mut decoder),
        start("the encoder", &mut encoder),
    ];
    std::thread::sleep(SETTLE);
    measure(&both.each_ref().map(Process::id))
}

/// The engine with the job, where `programme` says how large, and how often.
fn engine(server: &Nginx, programme: &str) -> Engine {
    let pull = |id: &str, role: &str| {
        let uri = server.rtmp_url("in", id);
        format!("[[source]]\nid = \"{id}\"\nkind = \"pull\"\nuri = \"{uri}\"\nrole = \"{role}\"\n")
    };
    Engine::start(&format!(
        "[programme]\nsize = \"1920x1080\"\nencoder = \"x264\"\n{programme}\n\
         [relay]\nlisten = \"127.0.0.1:{}\"\n{}{}{LAYOUT}\
         [[output]]\nid = \"out\"\nuri = \"{}\"\n",
        free_port(),
        pull("slides", "slides"),
        pull("camera", "speaker"),
        server.rtmp_url("live", "out")
    ))
}

fn cost(server: &Nginx, composed: &Path) {
    let mut ratios = Vec::new();
    let mut most = 0.0_f64;
    let mut before = floor(server, composed);
    for _ in 0..ROUNDS {
        let engine = engine(server, "framerate = \"30\"\nvideo_bitrate = \"4500k\"");
        std::thread::sleep(SETTLE);
        let at_first = Usage::of(engine.id()).memory_mib;
        let own = measure(&[engine.id()]);
        let at_last = Usage::of(engine.id()).memory_mib;
        drop(engine);
        let after = floor(server, composed);
        let least = (before + after) / 2.0;
        before = after;
        println!(
            "regie {own:.3} s/s, floor {least:.3} s/s: {:.2}; {at_first:.0} MiB, then {at_last:.0}",
            own / least,
        );
        ratios.push(own / least);
        most = most.max(at_last);
        let grown = at_last - at_first;
        assert!(
            grown <= NOISE_MIB,
            "memory grew by {grown:.0} MiB in {SPAN:?}"
        );
    }
    ratios.sort_by(f64::total_cmp);
    let ratio = ratios[ROUNDS / 2];
    println!(
        "processor time over the floor's: {ratio:.2} (median of {ROUNDS}); memory {most:.0} MiB at most"
    );
    assert!(ratio <= RATIO, "promised: at most {RATIO}");
    assert!(most <= MEMORY_MIB, "promised: at most {MEMORY_MIB} MiB");
}

fn full_rate(server: &Nginx) {
    let engine = engine(
        server,
        "framerate = \"60\"\nvideo_bitrate = \"6M\"\nx264_preset = \"superfast\"",
    );
    std::thread::sleep(SETTLE);
    let figures = || {
        let encoding = &engine.status()["encoding"];
        ["frames", "late_frames", "dropped_frames"].map(|name| encoding[name].as_u64().unwrap())
    };
    let before = figures();
    let own = measure(&[engine.id()]);
    let after = figures();
    let [frames, late, dropped] = std::array::from_fn(|i| after[i] - before[i]);
    println!(
        "1920x1080 at 60: {own:.3} s/s; of {frames} frames {late} repeated, {dropped} left out"
    );
    assert_eq!(late + dropped, 0, "promised: none");
}

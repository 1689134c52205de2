//! Sources in every shape: each is seen and heard as it should be, and none disturbs another, nor
//! the programme. One row a case; all rows of a test push into one engine, each into its own field
//! of one layout, beside a source whose every frame is stamped.

#![allow(clippy::unwrap_used)]

#[path = "shapes/card.rs"]
mod card;
#[path = "shapes/changes.rs"]
mod changes;
mod common;
#[path = "shapes/fields.rs"]
mod fields;
#[path = "shapes/link.rs"]
mod link;
#[path = "shapes/roads.rs"]
mod roads;
#[path = "shapes/tones.rs"]
mod tones;
#[path = "shapes/wire.rs"]
mod wire;

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use card::{Area, card, clip, flaw};
use common::{Engine, Laptop, Picture, Process, Recording, Viewer, free_port, seconds};
use serde_json::Value;
use tones::Stereo;

/// Fields of the layout, in each direction.
const GRID: usize = 3;
/// Frames of the stamped clip: as many as its bars can tell apart.
const STAMPS: usize = 64;

/// From a laptop's start, which takes a second itself, to its picture.
const LIVE: Duration = Duration::from_secs(6);

/// A source that has just come makes up for its late start: until then it skips a frame now and then.
const SETTLED: Duration = Duration::from_secs(7);

/// One shape that a source may have.
#[derive(Clone, Copy)]
struct Row {
    /// What is special about it.
    name: &'static str,
    way: Way,
    size: (u32, u32),
    rate: &'static str,
    pixels: &'static str,
    /// What ffmpeg makes the picture with; empty: there is none.
    video: &'static str,
    sound: Sound,
    /// What ffmpeg makes the sound with.
    audio: &'static str,
    /// Width to height as it should be seen.
    shape: (f64, f64),
    /// Quarters that it should be seen turned by, clockwise.
    turned: usize,
    /// How the status describes picture and sound.
    says: (&'static str, &'static str),
}

/// How it gets to the engine.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    Tcp,
    Udp,
    /// As a file of this kind.
    File(&'static str),
}

impl Way {
    fn transport(self) -> Option<&'static str> {
        match self {
            Self::Tcp => Some("tcp"),
            Self::Udp => Some("udp"),
            Self::File(_) => None,
        }
    }
}

/// Sends a clip as it is, for ever. (VP9 by RTP is an experiment to ffmpeg.)
#[track_caller]
fn send(clip: &Path, how: &[&str], url: &str, log: &Path) -> Process {
    let mut command = Command::new("ffmpeg");
    command.args([
        "-nostdin",
        "-v",
        "warning",
        "-re",
        "-stream_loop",
        "-1",
        "-i",
    ]);
    command
        .arg(clip)
        .args(["-c", "copy", "-strict", "experimental"]);
    command.args(how).arg(url);
    Process::start("the laptop", &mut command, log)
}

/// Where its tones should be heard.
#[derive(Clone, Copy, PartialEq)]
enum Sound {
    None,
    /// One, on both sides.
    Mono,
    /// One on the left, one on the right.
    Stereo,
    /// Six channels; one on the left, one in the centre.
    Surround,
}

/// Most rows differ from this in little.
const PLAIN: Row = Row {
    name: "",
    way: Way::Tcp,
    size: (640, 360),
    rate: "30",
    pixels: "yuv420p",
    video: "-c:v libx264 -preset veryfast -bf 0 -g 30",
    sound: Sound::None,
    audio: "",
    shape: (16.0, 9.0),
    turned: 0,
    says: ("", ""),
};

fn tones_of(index: usize) -> (f64, f64) {
    let first = 500.0 + 190.0 * index as f64;
    (first, first + 95.0)
}

impl Row {
    fn clip(&self, index: usize) -> PathBuf {
        let mut arguments: Vec<String> = Vec::new();
        let input = |arguments: &mut Vec<String>, text: String| {
            arguments.extend(["-f", "lavfi", "-i"].map(str::to_owned));
            arguments.push(text);
        };
        if !self.video.is_empty() {
            input(&mut arguments, card(self.size, self.rate, self.pixels));
        }
        let (a, b) = tones_of(index);
        let tone = |hertz: f64| format!("0.05*sin(2*PI*{hertz}*t)");
        let channels = match self.sound {
            Sound::None => String::new(),
            Sound::Mono => tone(a),
            Sound::Stereo => format!("{}|{}", tone(a), tone(b)),
            Sound::Surround => format!("{}|0|{}|0|0|0:c=5.1", tone(a), tone(b)),
        };
        if self.sound != Sound::None {
            input(&mut arguments, format!("aevalsrc={channels}:s=48000"));
        }
        if !self.video.is_empty() {
            let tags = "-colorspace bt709 -color_primaries bt709 -color_trc bt709 -color_range tv";
            let words = tags.split(' ').chain(self.video.split(' '));
            arguments.extend(words.map(str::to_owned));
        }
        if self.sound != Sound::None {
            arguments.extend(self.audio.split(' ').map(str::to_owned));
        }
        arguments.extend(["-t", "2"].map(str::to_owned));
        let kind = match self.way {
            Way::File(kind) => kind,
            _ => "mkv",
        };
        let clip = clip(&arguments, kind);
        if self.turned == 0 {
            return clip;
        }
        // ffmpeg notes a turn where it only copies; its degrees run the other way.
        let (from, turn) = (clip.display(), 360 - 90 * self.turned);
        let note = format!("-i {from} -c copy -metadata:s:v:0 rotate={turn}");
        card::clip(
            &note.split(' ').map(str::to_owned).collect::<Vec<_>>(),
            kind,
        )
    }

    /// What is not as it should be, if anything.
    fn flaw(&self, index: usize, seen: &Picture, heard: &Stereo) -> Option<String> {
        if !self.video.is_empty()
            && let Some(flaw) = flaw(seen, field(index), self.shape, self.turned)
        {
            return Some(flaw);
        }
        let (a, b) = tones_of(index);
        let ([a_left, a_right], [b_left, b_right]) = (heard.tone_db(a), heard.tone_db(b));
        // -26 dB as sent; a downmix takes some of it.
        let (there, gone) = (|db: f64| (-43.0..-22.0).contains(&db), |db: f64| db < -45.0);
        let right = match self.sound {
            Sound::None => gone(a_left) && gone(a_right),
            Sound::Mono => there(a_left) && (a_left - a_right).abs() < 1.0,
            Sound::Stereo => there(a_left) && gone(a_right) && there(b_right) && gone(b_left),
            Sound::Surround => {
                there(a_left) && gone(a_right) && there(b_left) && (b_left - b_right).abs() < 1.0
            }
        };
        (!right).then(|| {
            format!("its tones: {a_left:.0} and {a_right:.0} dB, {b_left:.0} and {b_right:.0} dB")
        })
    }
}

/// Where the source of this number is seen.
fn field(index: usize) -> Area {
    let size = 1.0 / GRID as f64;
    Area {
        x: (index % GRID) as f64 * size,
        y: (index / GRID) as f64 * size,
        width: size,
        height: size,
    }
}

/// A venue of so many sources, each in its own field; `kind` says what the source is.
fn venue(relay: u16, count: usize, kind: impl Fn(usize) -> String) -> String {
    let mut venue = format!(
        "[programme]\nsize = \"768x432\"\nvideo_bitrate = \"3000k\"\n\
         [relay]\nlisten = \"0.0.0.0:{relay}\"\n"
    );
    let mut slots = String::new();
    for n in 0..count {
        let _ = write!(
            venue,
            "[[source]]\nid = \"s{n}\"\nrole = \"r{n}\"\n{}",
            kind(n)
        );
        let Area {
            x,
            y,
            width,
            height,
        } = field(n);
        let _ = write!(
            slots,
            "{{ role = \"r{n}\", x = {x:.4}, y = {y:.4}, width = {width:.4}, height = {height:.4} }},"
        );
    }
    let _ = write!(
        venue,
        "[[layout]]\nid = \"all\"\nbackground = \"#101828\"\nslots = [ {slots} ]\n"
    );
    venue
}

fn source(status: &Value, index: usize) -> &Value {
    &status["sources"][index]
}

/// A clip whose frames count, in bars of black and white.
fn stamped() -> PathBuf {
    let mut draw = "color=black:s=480x270:r=30,format=gbrp".to_owned();
    for bit in 0..STAMPS.ilog2() {
        let _ = write!(
            draw,
            ",drawbox={}:0:80:ih:white:fill:enable='mod(floor(n/{}),2)'",
            80 * bit,
            1 << bit
        );
    }
    draw += ",scale=out_color_matrix=bt709:out_range=tv,format=yuv420p";
    let encode = "-c:v libx264 -preset veryfast -tune zerolatency -bf 0 -g 32 -frames:v 64";
    let mut arguments = vec!["-f".to_owned(), "lavfi".to_owned(), "-i".to_owned(), draw];
    arguments.extend(encode.split(' ').map(str::to_owned));
    clip(&arguments, "mp4")
}

/// Somebody who pushes the stamped clip as source `index`, and has settled.
#[track_caller]
fn settled(engine: &Engine, door: &str, index: usize) -> Laptop {
    let laptop = Laptop::push(&stamped(), door).tcp();
    engine.wait_status(seconds(10), "the stamped source", |status| {
        source(status, index)["has_picture"] == true
    });
    std::thread::sleep(SETTLED);
    laptop
}

/// The stamps of the source in field `index`, of every frame.
fn stamps(recording: &Recording, index: usize) -> Vec<usize> {
    let Area {
        x,
        y,
        width,
        height,
    } = field(index);
    let bits = STAMPS.ilog2();
    let stamp = |picture: &Picture| {
        let white = |bit: u32| {
            let at = x + width * (f64::from(bit) + 0.5) / f64::from(bits);
            picture.mean(at, y + height / 2.0, 0.001, 0.001).1 > 128
        };
        (0..bits).map(|bit| usize::from(white(bit)) << bit).sum()
    };
    recording
        .every_picture(192, 108)
        .iter()
        .map(stamp)
        .collect()
}

/// What was lost of the programme's frames, or of those of the stamped source, if anything: each has
/// to be there, once.
fn disturbance(recording: &Recording, index: usize) -> Option<String> {
    let stamps = stamps(recording, index);
    assert!(stamps.len() > 60, "{} frames", stamps.len());
    let wrong: Vec<_> = (stamps.windows(2).enumerate())
        .filter(|(_, pair)| (pair[0] + 1) % STAMPS != pair[1])
        .map(|(n, pair)| (n, pair[0], pair[1]))
        .collect();
    let (_, gap) = recording.video().longest_gap();
    let good = wrong.is_empty() && gap < 0.037;
    (!good).then(|| format!("of {} frames {wrong:?}; a gap of {gap:.3} s", stamps.len()))
}

/// A machine that was busy with something else gets another chance to lose no frame; what is seen
/// and heard has to be right each time.
#[track_caller]
fn undisturbed(attempt: impl Fn() -> Option<String>) {
    for _ in 0..3 {
        let Some(disturbance) = attempt() else {
            return;
        };
        eprintln!("disturbed: {disturbance}");
    }
    panic!("what should not have been disturbed was, three times");
}

/// Pushes every row at once, and says what is wrong with any.
#[track_caller]
fn show(rows: &[Row]) {
    undisturbed(|| show_once(rows));
}

#[track_caller]
fn show_once(rows: &[Row]) -> Option<String> {
    let relay = free_port();
    let stamp = rows.len();
    let clips: Vec<PathBuf> = (rows.iter().enumerate())
        .map(|(n, row)| row.clip(n))
        .collect();
    let venue = venue(relay, rows.len() + 1, |n| {
        match rows.get(n).map(|row| row.way) {
            Some(Way::File(_)) => format!("kind = \"file\"\npath = \"{}\"\n", clips[n].display()),
            _ => "kind = \"push\"\n".to_owned(),
        }
    });
    let engine = Engine::start(&venue);
    let door = |n: usize| format!("rtsp://127.0.0.1:{relay}/ingest/s{n}");
    let _stamped = settled(&engine, &door(stamp), stamp);
    let mut viewer = Viewer::watch(&format!("rtsp://127.0.0.1:{relay}/programme"));
    viewer.wait_picture(seconds(8));
    let is_live = |status: &Value, n: usize| {
        let own = source(status, n);
        own["state"] == "live" && own["has_picture"] == !rows[n].video.is_empty()
    };
    let mut laptops = Vec::new();
    let mut flaws = String::new();
    for (n, row) in rows.iter().enumerate() {
        if let Some(transport) = row.way.transport() {
            let how = ["-f", "rtsp", "-rtsp_transport", transport];
            let log = engine.room.path().join(format!("laptop{n}.log"));
            laptops.push(send(&clips[n], &how, &door(n), &log));
        }
        // One after the other: eight programs that start at once disturb everybody on a small machine.
        let begun = Instant::now();
        while !is_live(&engine.status(), n) && begun.elapsed() < LIVE {
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    std::thread::sleep(Duration::from_millis(2500));
    // A file that begins again is not there for a moment.
    let begun = Instant::now();
    let mut status = engine.status();
    while !(0..rows.len()).all(|n| is_live(&status, n)) && begun.elapsed() < seconds(1) {
        std::thread::sleep(Duration::from_millis(50));
        status = engine.status();
    }
    let recording = viewer.stop();
    let seen = recording.late_picture();
    let heard = Stereo::end_of(recording.file(), 2.0);
    for (n, row) in rows.iter().enumerate() {
        let said = (&source(&status, n)["picture"], &source(&status, n)["sound"]);
        if said != (&row.says.0.into(), &row.says.1.into()) {
            let _ = writeln!(flaws, "{}: the status says {said:?}", row.name);
        }
        if !is_live(&status, n) {
            let own = source(&status, n);
            let _ = writeln!(flaws, "{}: {} {}", row.name, own["state"], own["reason"]);
        } else if let Some(flaw) = row.flaw(n, &seen, &heard) {
            let _ = writeln!(flaws, "{}: {flaw}", row.name);
        }
    }
    if !flaws.is_empty() {
        let faults = &status["faults"];
        panic!("\n{flaws}see {}; faults: {faults:#}", seen.keep());
    }
    assert_eq!(
        status["faults"],
        Value::Array(Vec::new()),
        "{:#}",
        status["faults"]
    );
    disturbance(&recording, stamp)
}

#[test]
fn h264_in_every_profile() {
    show(&[
        Row {
            name: "baseline, PCM mu-law 8 kHz",
            video: "-c:v libx264 -preset veryfast -profile:v baseline -g 30",
            sound: Sound::Mono,
            audio: "-c:a pcm_mulaw -ar 8000 -ac 1",
            says: ("H.264 640x360 30 fps", "G.711 mu-law 8000 Hz mono"),
            ..PLAIN
        },
        Row {
            name: "high with B-frames in an open GOP, AAC mono 8 kHz",
            video: "-c:v libx264 -preset medium -bf 3 -g 24 -x264-params open-gop=1:b-pyramid=normal",
            sound: Sound::Mono,
            audio: "-c:a aac -ar 8000 -ac 1",
            says: ("H.264 640x360 30 fps", "AAC 8000 Hz mono"),
            ..PLAIN
        },
        Row {
            name: "10 bits, AAC 5.1",
            pixels: "yuv420p10le",
            sound: Sound::Surround,
            audio: "-c:a aac -b:a 256k",
            says: ("H.264 640x360 30 fps", "AAC 48000 Hz 6 channels"),
            ..PLAIN
        },
        Row {
            name: "4:2:2, AAC 96 kHz, UDP",
            way: Way::Udp,
            pixels: "yuv422p",
            sound: Sound::Stereo,
            audio: "-c:a aac -ar 96000 -b:a 256k",
            says: ("H.264 640x360 30 fps", "AAC 96000 Hz stereo"),
            ..PLAIN
        },
        Row {
            name: "4:4:4, AAC 44.1 kHz",
            pixels: "yuv444p",
            sound: Sound::Stereo,
            audio: "-c:a aac -ar 44100",
            says: ("H.264 640x360 30 fps", "AAC 44100 Hz stereo"),
            ..PLAIN
        },
        Row {
            name: "interlaced, top field first",
            size: (720, 576),
            rate: "50",
            video: "-vf interlace=scan=tff -c:v libx264 -preset veryfast -flags +ilme+ildct -x264-params tff=1 -g 25 -aspect 16:9",
            says: ("H.264 720x576 25 fps", ""),
            ..PLAIN
        },
        Row {
            name: "interlaced, bottom field first, UDP",
            way: Way::Udp,
            size: (720, 480),
            rate: "60000/1001",
            video: "-vf interlace=scan=bff -c:v libx264 -preset veryfast -flags +ilme+ildct -x264-params bff=1 -g 25 -aspect 4:3",
            shape: (4.0, 3.0),
            says: ("H.264 720x480 29.97 fps", ""),
            ..PLAIN
        },
        Row {
            name: "intra refresh: one keyframe, ever",
            video: "-c:v libx264 -preset veryfast -bf 0 -g 30 -x264-params intra-refresh=1",
            says: ("H.264 640x360 30 fps", ""),
            ..PLAIN
        },
    ]);
}

#[test]
fn other_codecs() {
    show(&[
        Row {
            name: "H.265, Opus stereo",
            video: "-c:v libx265 -preset ultrafast -x265-params log-level=error:keyint=30:bframes=2",
            sound: Sound::Stereo,
            audio: "-c:a libopus -b:a 96k",
            says: ("H.265 640x360 30 fps", "Opus stereo"),
            ..PLAIN
        },
        Row {
            name: "H.265 of 10 bits, MP3",
            pixels: "yuv420p10le",
            video: "-c:v libx265 -preset ultrafast -x265-params log-level=error:keyint=30",
            sound: Sound::Stereo,
            audio: "-c:a libmp3lame -ar 44100",
            says: ("H.265 640x360 30 fps", "MP3 44100 Hz stereo"),
            ..PLAIN
        },
        Row {
            name: "VP8, Opus mono",
            video: "-vf scale=in_color_matrix=bt709:out_color_matrix=bt601 -c:v libvpx -deadline realtime -cpu-used 8 -b:v 1M -g 30",
            sound: Sound::Mono,
            audio: "-c:a libopus -ac 1",
            says: ("VP8 640x360", "Opus stereo"),
            ..PLAIN
        },
        Row {
            name: "VP9, G.711 A-law, UDP",
            way: Way::Udp,
            video: "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -b:v 1M -g 30",
            sound: Sound::Mono,
            audio: "-c:a pcm_alaw -ar 8000 -ac 1",
            says: ("VP9 640x360", "G.711 A-law 8000 Hz mono"),
            ..PLAIN
        },
        Row {
            name: "MJPEG, PCM 44.1 kHz",
            pixels: "yuvj420p",
            // By RTP there are two tables, and no restart marks, which more threads would make.
            video: "-vf scale=in_color_matrix=bt709:out_color_matrix=bt601 -c:v mjpeg -huffman default -force_duplicated_matrix 1 -q:v 2 -threads 1",
            sound: Sound::Stereo,
            audio: "-c:a pcm_s16be -ar 44100",
            says: ("JPEG 640x360", "raw 44100 Hz stereo"),
            ..PLAIN
        },
        Row {
            name: "MPEG-2 and MP2 in a transport stream",
            way: Way::File("ts"),
            video: "-c:v mpeg2video -b:v 2M -g 15 -bf 2",
            sound: Sound::Stereo,
            audio: "-c:a mp2",
            says: ("MPEG-2 640x360 30 fps", "MP2 48000 Hz stereo"),
            ..PLAIN
        },
        Row {
            name: "Opus alone",
            video: "",
            sound: Sound::Stereo,
            audio: "-c:a libopus",
            says: ("", "Opus stereo"),
            ..PLAIN
        },
        Row {
            name: "PCM 96 kHz of 24 bits in a file",
            way: Way::File("mkv"),
            video: "-c:v ffv1",
            sound: Sound::Stereo,
            audio: "-c:a pcm_s24le -ar 96000",
            says: ("FFV 640x360 30 fps", "raw 96000 Hz stereo"),
            ..PLAIN
        },
    ]);
}

#[test]
fn sizes_rates_and_turns() {
    show(&[
        Row {
            name: "anamorphic 16:11, full range",
            size: (704, 576),
            rate: "25",
            video: "-vf setsar=16/11,scale=in_range=tv:out_range=pc -color_range pc -c:v libx264 -preset veryfast -g 25",
            shape: (704.0 * 16.0, 576.0 * 11.0),
            says: ("H.264 704x576 25 fps", ""),
            ..PLAIN
        },
        Row {
            name: "320x240, 5 frames/s",
            size: (320, 240),
            rate: "5",
            shape: (4.0, 3.0),
            says: ("H.264 320x240 5 fps", ""),
            ..PLAIN
        },
        Row {
            name: "odd: 853x479, 23.976 frames/s",
            size: (853, 479),
            rate: "24000/1001",
            pixels: "yuv444p",
            says: ("H.264 853x479 23.98 fps", ""),
            shape: (853.0, 479.0),
            ..PLAIN
        },
        Row {
            name: "portrait, 50 frames/s",
            size: (360, 640),
            rate: "50",
            shape: (9.0, 16.0),
            says: ("H.264 360x640 50 fps", ""),
            ..PLAIN
        },
        Row {
            name: "120 frames/s",
            size: (320, 180),
            rate: "120",
            says: ("H.264 320x180 120 fps", ""),
            ..PLAIN
        },
        Row {
            name: "4K, one picture a second",
            size: (3840, 2160),
            rate: "5",
            video: "-c:v libx264 -preset ultrafast -g 5",
            says: ("H.264 3840x2160 5 fps", ""),
            ..PLAIN
        },
        Row {
            name: "1920x1200, variable rate",
            size: (1920, 1200),
            rate: "10",
            video: "-vf select='not(between(mod(n,10),3,6))' -vsync vfr -c:v libx264 -preset veryfast -g 5",
            shape: (1920.0, 1200.0),
            says: ("H.264 1920x1200 10 fps", ""),
            ..PLAIN
        },
        Row {
            name: "a file turned by a quarter",
            way: Way::File("mp4"),
            size: (640, 360),
            video: "-c:v libx264 -preset veryfast -bf 2 -g 30",
            shape: (9.0, 16.0),
            turned: 1,
            says: ("H.264 640x360 30 fps", ""),
            ..PLAIN
        },
    ]);
}

/// A clip of the card with its tones, as a laptop would send it.
fn plain_clip(index: usize) -> PathBuf {
    let row = Row {
        sound: Sound::Stereo,
        audio: "-c:a aac",
        ..PLAIN
    };
    row.clip(index)
}

/// Starts an engine with so many places to push to and a stamped source behind the last, which is
/// at work.
#[track_caller]
fn engine_with(count: usize) -> (Engine, u16, Laptop) {
    let relay = free_port();
    let engine = Engine::start(&venue(relay, count + 1, |_| "kind = \"push\"\n".to_owned()));
    let door = format!("rtsp://127.0.0.1:{relay}/ingest/s{count}");
    let stamped = settled(&engine, &door, count);
    (engine, relay, stamped)
}

fn has_fault(status: &Value, index: usize, code: &str) -> bool {
    let scope = format!("s{index}");
    (status["faults"].as_array().unwrap().iter())
        .any(|fault| fault["scope"]["source"] == *scope && fault["code"] == code)
}

/// Picture and tones of the plain clip at the end of a recording.
fn plain_flaw(index: usize, seen: &Picture, heard: &Stereo) -> Option<String> {
    let row = Row {
        sound: Sound::Stereo,
        ..PLAIN
    };
    row.flaw(index, seen, heard)
}

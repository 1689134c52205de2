//! Laptops as they come: every shape, rate and kind of timestamp that one may have.

use super::card::{Area, card, clip, flaw};
use super::sender::{Sender, Tag, enhanced_tags_of, tags_of};
use super::*;

/// Fields of the layout, in each direction.
const GRID: usize = 3;

/// One laptop.
struct Row {
    name: &'static str,
    size: (u32, u32),
    rate: &'static str,
    /// How ffmpeg makes the picture; empty: there is none.
    video: &'static str,
    /// How it makes the sound; empty: there is none.
    audio: &'static str,
    shape: (f64, f64),
    /// What the status says of it.
    says: (&'static str, &'static str),
}

const PLAIN: Row = Row {
    name: "",
    size: (640, 360),
    rate: "30",
    video: "-c:v libx264 -preset veryfast -g 30",
    audio: "",
    shape: (16.0, 9.0),
    says: ("H.264 640x360 30 fps", ""),
};

impl Row {
    fn clip(&self, kind: &str) -> std::path::PathBuf {
        let mut arguments = String::new();
        if !self.video.is_empty() {
            arguments += &format!("-f lavfi -i {} ", card(self.size, self.rate, "yuv420p"));
        }
        if !self.audio.is_empty() {
            arguments += "-f lavfi -i sine=600:r=48000 ";
        }
        if !self.video.is_empty() {
            arguments += "-colorspace bt709 -color_primaries bt709 -color_trc bt709 ";
            arguments += &format!("-color_range tv {} ", self.video);
        }
        arguments += &format!("{} -t 2", self.audio);
        let arguments: Vec<String> = (arguments.split_whitespace()).map(str::to_owned).collect();
        clip(&arguments, kind)
    }
}

fn field(n: usize) -> Area {
    let size = 1.0 / GRID as f64;
    let (x, y) = ((n % GRID) as f64 * size, (n / GRID) as f64 * size);
    Area {
        x,
        y,
        width: size,
        height: size,
    }
}

/// An engine with so many places, `s0`…, each in a field of its own.
fn engine_with(count: usize) -> (Engine, u16, u16, u16) {
    let (relay, rtmp, srt) = (free_port(), free_port(), free_port());
    let mut venue = format!(
        "[programme]\nsize = \"768x432\"\nvideo_bitrate = \"3000k\"\n\
         [relay]\nlisten = \"127.0.0.1:{relay}\"\n\
         [ingest]\nrtmp = \"127.0.0.1:{rtmp}\"\nsrt = \"127.0.0.1:{srt}\"\n"
    );
    let mut slots = String::new();
    for n in 0..count {
        venue += &format!("[[source]]\nid = \"s{n}\"\nkind = \"push\"\nrole = \"r{n}\"\n");
        let Area {
            x,
            y,
            width,
            height,
        } = field(n);
        slots += &format!(
            "{{ role = \"r{n}\", x = {x:.4}, y = {y:.4}, width = {width:.4}, height = {height:.4} }},"
        );
    }
    venue += &format!("[[layout]]\nid = \"all\"\nbackground = \"#101828\"\nslots = [ {slots} ]\n");
    (Engine::start(&venue), relay, rtmp, srt)
}

#[track_caller]
fn look(relay: u16) -> super::common::Picture {
    let mut viewer = Viewer::watch_picture(&format!("rtsp://127.0.0.1:{relay}/programme"));
    viewer.wait_picture(seconds(8));
    std::thread::sleep(Duration::from_millis(800));
    viewer.stop().late_picture()
}

#[test]
fn every_shape_and_rate() {
    shapes_and_rates(false);
}

#[test]
fn every_shape_and_rate_by_srt() {
    shapes_and_rates(true);
}

fn shapes_and_rates(by_srt: bool) {
    let rows = [
        Row {
            name: "10 frames a second",
            rate: "10",
            says: ("H.264 640x360 10 fps", ""),
            ..PLAIN
        },
        Row {
            name: "a variable rate",
            video: "-vf select='not(eq(mod(n\\,7)\\,2))*not(eq(mod(n\\,5)\\,3))' -fps_mode vfr \
                    -c:v libx264 -preset veryfast -g 30",
            ..PLAIN
        },
        Row {
            name: "portrait, AAC mono 44.1 kHz",
            size: (360, 640),
            audio: "-c:a aac -ar 44100 -ac 1",
            shape: (9.0, 16.0),
            says: ("H.264 360x640 30 fps", "AAC 44100 Hz mono"),
            ..PLAIN
        },
        Row {
            name: "4:3, baseline",
            size: (640, 480),
            video: "-c:v libx264 -preset veryfast -profile:v baseline -g 30",
            shape: (4.0, 3.0),
            says: ("H.264 640x480 30 fps", ""),
            ..PLAIN
        },
        Row {
            name: "3:2, B-frames in an open GOP",
            size: (720, 480),
            video: "-c:v libx264 -preset medium -bf 3 -g 24 -x264-params open-gop=1:b-pyramid=normal",
            shape: (3.0, 2.0),
            says: ("H.264 720x480 30 fps", ""),
            ..PLAIN
        },
        Row {
            name: "4K",
            size: (3840, 2160),
            rate: "5",
            video: "-c:v libx264 -preset ultrafast -g 10",
            says: ("H.264 3840x2160 5 fps", ""),
            ..PLAIN
        },
        Row {
            name: "only sound",
            video: "",
            audio: "-c:a aac -ar 48000 -ac 2",
            says: ("", "AAC 48000 Hz stereo"),
            ..PLAIN
        },
        Row {
            name: "MP3",
            audio: "-c:a libmp3lame -ar 44100 -ac 2",
            ..PLAIN
        },
    ];
    let (engine, relay, rtmp, srt) = engine_with(rows.len());
    let mut laptops = Vec::new();
    for (n, row) in rows.iter().enumerate() {
        let clip = row.clip("flv");
        laptops.push(if by_srt {
            let url = format!("srt://127.0.0.1:{srt}?streamid=ingest/s{n}");
            Laptop::push(&clip, &url).srt()
        } else {
            let url = format!("rtmp://127.0.0.1:{rtmp}/ingest/s{n}");
            Laptop::push(&clip, &url).rtmp()
        });
        engine.wait_status(seconds(10), row.name, |status| {
            let own = source(status, &format!("s{n}"));
            let has_picture = own["has_picture"] == !row.video.is_empty();
            own["state"] == "live" && has_picture
        });
    }
    std::thread::sleep(Duration::from_millis(1500));
    let (seen, status) = (look(relay), engine.status());
    for (n, row) in rows.iter().enumerate() {
        let own = source(&status, &format!("s{n}"));
        assert_eq!(own["state"], "live", "{}: {own}", row.name);
        if row.name != "MP3" && row.name != "a variable rate" {
            let said = (&own["picture"], &own["sound"]);
            assert_eq!(
                said,
                (&row.says.0.into(), &row.says.1.into()),
                "{}",
                row.name
            );
        }
        if !row.video.is_empty() {
            let flaw = flaw(&seen, field(n), row.shape, 0);
            assert_eq!(flaw, None, "{}: see {}", row.name, seen.keep());
        }
    }
    assert_eq!(
        status["faults"],
        Value::Array(Vec::new()),
        "{:#}",
        status["faults"]
    );
}

/// The tags of a clip, so often one after the other.
fn again(tags: &[Tag], times: u32) -> Vec<Tag> {
    let round = |n: u32| {
        tags.iter().map(move |tag| Tag {
            time: tag.time + n * 2000,
            ..tag.clone()
        })
    };
    (0..times).flat_map(round).collect()
}

/// Makes a timestamp of the true time and of the kind of message.
type Stamp = fn(u32, u8) -> u32;

/// Publishes in real time, on a thread of its own.
fn send(rtmp: u16, place: &str, tags: Vec<Tag>, stamp: Stamp) {
    let stream = std::net::TcpStream::connect(("127.0.0.1", rtmp)).unwrap();
    let mut sender = Sender::publish(stream, "ingest", place);
    std::thread::spawn(move || sender.play(&tags, stamp));
}

#[test]
fn timestamps_that_jump_wrap_or_begin_at_hours_and_enhanced_rtmp() {
    /// When the trouble begins, in milliseconds.
    const TROUBLE: u32 = 3000;
    let rows: [(&str, Stamp); 5] = [
        ("begins at ten hours", |time, _| time + 36_000_000),
        ("wraps", |time, _| time.wrapping_sub(TROUBLE)),
        ("an hour ahead", |time, _| match time {
            0..TROUBLE => time,
            _ => time + 3_600_000,
        }),
        ("back to nothing", |time, _| match time {
            0..TROUBLE => time + 100_000,
            _ => time - TROUBLE,
        }),
        ("the sound 5 s ahead", |time, kind| match kind {
            8 if time >= TROUBLE => time + 5000,
            _ => time,
        }),
    ];
    let (engine, relay, rtmp, _) = engine_with(rows.len() + 2);
    let film = Row {
        audio: "-c:a aac -ar 48000 -ac 2",
        ..PLAIN
    };
    let tags = again(&tags_of(&film.clip("flv")), 10);
    for (n, (_, stamp)) in rows.iter().enumerate() {
        send(rtmp, &format!("s{n}"), tags.clone(), *stamp);
    }
    let begun = Instant::now();
    let hevc = Row {
        video: "-c:v libx265 -preset ultrafast -x265-params log-level=none:bframes=2:keyint=30",
        ..PLAIN
    };
    let enhanced = again(&enhanced_tags_of(&hevc.clip("mp4")), 10);
    send(rtmp, "s5", enhanced, |time, _| time);
    // Another size in mid-stream, and sound by a codec that nobody takes.
    let small = Row {
        size: (320, 240),
        ..PLAIN
    };
    let small = tags_of(&small.clip("flv")).into_iter().map(|tag| Tag {
        time: tag.time + 4000,
        ..tag
    });
    let speex = Tag {
        kind: 8,
        time: 0,
        message: vec![0xB6; 40],
    };
    let plain = again(&tags_of(&PLAIN.clip("flv")), 2);
    let changing: Vec<Tag> = std::iter::once(speex).chain(plain).chain(small).collect();
    let changing = (0..2).flat_map(|n| {
        let later = move |tag: &Tag| Tag {
            time: tag.time + n * 6000,
            ..tag.clone()
        };
        changing.iter().map(later).collect::<Vec<_>>()
    });
    send(rtmp, "s6", changing.collect(), |time, _| time);
    for n in 0..rows.len() + 2 {
        wait_live(&engine, &format!("s{n}"));
    }
    let status = engine.wait_status(seconds(8), "another size", |status| {
        source(status, "s6")["picture"] == "H.264 320x240 30 fps"
    });
    assert_eq!(source(&status, "s5")["picture"], "H.265 640x360 30 fps");
    let seen = look(relay);
    let last = flaw(&seen, field(6), (4.0, 3.0), 0);
    assert_eq!(last, None, "another size: see {}", seen.keep());
    let trouble = Duration::from_millis(u64::from(TROUBLE) + 2500);
    std::thread::sleep(trouble.saturating_sub(begun.elapsed()));
    let (seen, status) = (look(relay), engine.status());
    for n in 0..=rows.len() {
        let name = rows.get(n).map_or("enhanced", |(name, _)| name);
        let own = source(&status, &format!("s{n}"));
        assert!(
            own["state"] == "live" && own["has_picture"] == true,
            "{name}: {own}"
        );
        let flaw = flaw(&seen, field(n), (16.0, 9.0), 0);
        assert_eq!(flaw, None, "{name}: see {}", seen.keep());
    }
    let faults = status["faults"].as_array().unwrap();
    let untaken = faults.iter().find(|fault| fault["code"] == "codec");
    let happened = untaken.map(|fault| fault["happened"].as_str().unwrap_or_default());
    assert!(
        happened.is_some_and(|text| text.contains("Speex, which is not taken")),
        "{faults:?}"
    );
}

#[test]
fn a_laptop_comes_and_goes_as_often_as_it_likes_and_leaves_nothing_behind() {
    let (engine, _relay, rtmp, _) = engine_with(1);
    let film = Row {
        audio: "-c:a aac -ar 48000 -ac 2",
        ..PLAIN
    };
    let tags = tags_of(&film.clip("flv"));
    let count = |what: &str| {
        let entries = std::fs::read_dir(format!("/proc/{}/{what}", engine.id()));
        entries.unwrap().count()
    };
    let mut first = None;
    for round in 0..15 {
        let stream = std::net::TcpStream::connect(("127.0.0.1", rtmp)).unwrap();
        let mut sender = Sender::publish(stream, "ingest", "s0");
        let begin: Vec<Tag> = tags.iter().take(30).cloned().collect();
        assert!(sender.play(&begin, |time, _| time));
        wait_live(&engine, "s0");
        if round % 2 == 0 {
            // It says goodbye.
            sender.message(20, 0, &[&[2, 0, 12][..], b"deleteStream"].concat());
            sender.wait_for("NetStream.Unpublish.Success");
        }
        drop(sender);
        wait_idle(&engine, "s0");
        if round < 3 {
            continue;
        }
        let now = (count("task"), count("fd"));
        let before = *first.get_or_insert(now);
        assert!(
            now.0 <= before.0 + 6 && now.1 <= before.1 + 12,
            "round {round}: {now:?} threads and descriptors, {before:?} at first"
        );
    }
}

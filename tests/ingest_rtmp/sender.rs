//! Laptops that no program on this machine is: a publisher of our own, which sends what a film holds
//! with other timestamps, in Enhanced RTMP, or not as it should at all.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use gst::prelude::*;
use regie::ingest::rtmp::protocol::amf::{self, Value};

/// The size of our chunks.
const CHUNK: usize = 60_000;
const ANSWER: Duration = Duration::from_secs(5);

/// One message of picture (9) or sound (8); the time is in milliseconds.
#[derive(Clone)]
pub struct Tag {
    pub kind: u8,
    pub time: u32,
    pub message: Vec<u8>,
}

/// A connection to the door.
pub struct Sender(pub TcpStream);

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

impl Sender {
    /// Greets, and no more.
    #[track_caller]
    pub fn greet(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(ANSWER)).unwrap();
        stream.set_write_timeout(Some(ANSWER)).unwrap();
        let mut own = Self(stream);
        let greeting: Vec<u8> = [&[3][..], &[1; 1536]].concat();
        own.0.write_all(&greeting).unwrap();
        let mut theirs = vec![0; 1 + 2 * 1536];
        own.0.read_exact(&mut theirs).unwrap();
        assert_eq!(theirs[1537..], greeting[1..], "our greeting comes back");
        let echo = theirs[1..1537].to_vec();
        own.0.write_all(&echo).unwrap();
        own
    }

    /// Names the application and the place, and waits for the answer.
    #[track_caller]
    pub fn publish(stream: TcpStream, application: &str, name: &str) -> Self {
        let mut own = Self::greet(stream);
        own.say(application, name);
        own.wait_for("NetStream.Publish.Start");
        own
    }

    /// Names the application and the place.
    pub fn say(&mut self, application: &str, name: &str) {
        self.message(1, 0, &(CHUNK as u32).to_be_bytes());
        let about = Value::Object(vec![("app".to_owned(), text(application))]);
        self.command(&[text("connect"), Value::Number(1.0), about]);
        self.command(&[text("createStream"), Value::Number(2.0), Value::Null]);
        let number = Value::Number(3.0);
        let live = text("live");
        self.command(&[text("publish"), number, Value::Null, text(name), live]);
    }

    /// Reads until this has been said.
    #[track_caller]
    pub fn wait_for(&mut self, what: &str) {
        self.wait_for_one([what]);
    }

    /// The same for the first of several; the answer is its number.
    #[track_caller]
    pub fn wait_for_one<const N: usize>(&mut self, all: [&str; N]) -> usize {
        let (mut said, mut buffer) = (Vec::new(), [0; 4096]);
        loop {
            let so_far = String::from_utf8_lossy(&said);
            if let Some(found) = all.iter().position(|what| so_far.contains(what)) {
                return found;
            }
            let count = self.0.read(&mut buffer).unwrap_or(0);
            assert!(count > 0, "none of {all:?}, but {so_far}");
            said.extend(&buffer[..count]);
        }
    }

    pub fn command(&mut self, values: &[Value]) {
        self.message(20, 0, &amf::write(values));
    }

    /// Sends a message. A connection that has ended takes none.
    pub fn message(&mut self, kind: u8, time: u32, payload: &[u8]) -> bool {
        let size = if kind == 1 { 128 } else { CHUNK };
        let mut out = vec![4];
        let long = time >= 0xFF_FFFF;
        let field = if long { 0xFF_FFFF } else { time };
        out.extend(&field.to_be_bytes()[1..]);
        out.extend(&(payload.len() as u32).to_be_bytes()[1..]);
        out.push(kind);
        out.extend(1u32.to_le_bytes());
        let extended = time.to_be_bytes();
        let extended = if long { &extended[..] } else { &[] };
        out.extend(extended);
        for (number, piece) in payload.chunks(size).enumerate() {
            if number > 0 {
                out.push(0xC4);
                out.extend(extended);
            }
            out.extend(piece);
        }
        self.0.write_all(&out).is_ok()
    }

    /// Sends the tags in real time, each with the timestamp that `stamp` makes of its own.
    pub fn play(&mut self, tags: &[Tag], stamp: impl Fn(u32, u8) -> u32) -> bool {
        let begun = Instant::now();
        tags.iter().all(|tag| {
            let due = Duration::from_millis(tag.time.into());
            std::thread::sleep(due.saturating_sub(begun.elapsed()));
            self.message(tag.kind, stamp(tag.time, tag.kind), &tag.message)
        })
    }
}

/// The tags of an FLV file.
#[track_caller]
pub fn tags_of(file: &Path) -> Vec<Tag> {
    let bytes = std::fs::read(file).unwrap();
    let number = |at: usize| u32::from_be_bytes([0, bytes[at], bytes[at + 1], bytes[at + 2]]);
    // A header of nine bytes; then the size of the last tag before each, and eleven of its own.
    let (mut at, mut tags) = (13, Vec::new());
    while at + 11 <= bytes.len() {
        let length = number(at + 1) as usize;
        let time = number(at + 4) | u32::from(bytes[at + 7]) << 24;
        let message = bytes[at + 11..at + 11 + length].to_vec();
        let kind = bytes[at];
        if kind != 18 {
            tags.push(Tag {
                kind,
                time,
                message,
            });
        }
        at += 11 + length + 4;
    }
    tags
}

/// The pictures of a film in H.265 as Enhanced RTMP has them.
#[track_caller]
pub fn enhanced_tags_of(file: &Path) -> Vec<Tag> {
    gst::init().unwrap();
    let line = "filesrc name=file ! qtdemux ! h265parse ! \
                video/x-h265,stream-format=hvc1,alignment=au ! appsink name=out sync=false";
    let pipeline = gst::parse::launch(line).unwrap();
    let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
    let element = |name: &str| pipeline.by_name(name).unwrap();
    element("file").set_property("location", file.to_str().unwrap());
    let sink = element("out").downcast::<gst_app::AppSink>().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let mut tags = Vec::new();
    let mut first = None;
    while let Ok(sample) = sink.pull_sample() {
        let buffer = sample.buffer().unwrap();
        let data = buffer.map_readable().unwrap().to_vec();
        let dts = buffer.dts_or_pts().unwrap().mseconds();
        let time = (dts - *first.get_or_insert(dts)) as u32;
        if tags.is_empty() {
            let caps = sample.caps().unwrap().structure(0).unwrap();
            let config = caps.get::<gst::Buffer>("codec_data").unwrap();
            let config = config.map_readable().unwrap().to_vec();
            let message = [&b"\x90hvc1"[..], &config].concat();
            tags.push(Tag {
                kind: 9,
                time,
                message,
            });
        }
        let keyframe = !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
        let kind = if keyframe { 0x91 } else { 0xA1 };
        let offset = buffer.pts().unwrap().mseconds() as i64 - dts as i64;
        let offset = &(offset as i32).to_be_bytes()[1..];
        let message = [&[kind][..], b"hvc1", offset, &data].concat();
        tags.push(Tag {
            kind: 9,
            time,
            message,
        });
    }
    pipeline.set_state(gst::State::Null).unwrap();
    tags
}

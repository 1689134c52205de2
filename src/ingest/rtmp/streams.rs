//! From a publisher's tags to the source's inlet. Each of picture and sound has a small pipeline of its
//! own, in which nothing ever waits: an appsrc, what the inlet puts behind it, an appsink.
//!
//! GStreamer's own reader of FLV is not used: it knows nothing of Enhanced RTMP, and waits for a
//! stream that a header promised.

use std::sync::Arc;

use gst::prelude::*;
use parking_lot::Mutex;

use crate::engine::inlet::Inlet;
use crate::engine::pipeline::{Pipe, PipeNote};

use super::protocol::tag::{Codec, Tag, aac_format};

/// So much may wait between us and the inlet, in bytes: more than the largest picture. A publisher
/// that sends faster than that can be taken waits.
const QUEUE: u64 = 12 << 20;
/// Added to all timestamps, so that one that runs back as far as it can, or a picture that is shown
/// before it is decoded, has one.
const START: i64 = 1 << 32;
/// What regie does not take is named so often for one publisher.
const NAMES: usize = 4;

/// A publisher's streams on their way in.
#[derive(Debug)]
pub struct Streams {
    inlet: Arc<Inlet>,
    picture: Option<Track>,
    sound: Option<Track>,
    time: Time,
    unknown: Vec<String>,
}

/// One stream.
#[derive(Debug)]
struct Track {
    codec: Codec,
    appsrc: gst_app::AppSrc,
    caps: gst::Caps,
    pipe: Pipe,
    broken: Arc<Mutex<Option<String>>>,
}

/// Timestamps of 32 bits made a line that does not wrap, in milliseconds. It begins where they do.
#[derive(Debug, Default)]
struct Time {
    last: Option<u32>,
    line: i64,
}

impl Time {
    fn unwrap(&mut self, timestamp: u32) -> i64 {
        self.line += match self.last.replace(timestamp) {
            Some(last) => i64::from(timestamp.wrapping_sub(last) as i32),
            None => i64::from(timestamp),
        };
        self.line
    }
}

/// The codec's bytes in a message, where they lie.
struct Part(Vec<u8>, usize);

impl AsRef<[u8]> for Part {
    fn as_ref(&self) -> &[u8] {
        self.0.get(self.1..).unwrap_or_default()
    }
}

impl Streams {
    /// Nothing flows yet.
    pub fn new(inlet: Arc<Inlet>) -> Self {
        Self {
            inlet,
            picture: None,
            sound: None,
            time: Time::default(),
            unknown: Vec::new(),
        }
    }

    /// A message of picture or sound, and what is in it. The answer names a codec that is not taken,
    /// the first time it comes.
    pub fn put(
        &mut self,
        timestamp: u32,
        message: Vec<u8>,
        tag: Tag,
    ) -> Result<Option<String>, String> {
        let time = self.time.unwrap(timestamp);
        match tag {
            Tag::Config { codec, data } => {
                let config = message.get(data..).unwrap_or_default();
                self.configure(codec, caps_of(codec, config))?;
            }
            Tag::Frame {
                codec,
                keyframe,
                offset,
                data,
            } => {
                if codec == Codec::Mp3 && self.track(codec).is_none() {
                    self.configure(codec, caps_of(codec, &[]))?;
                }
                if let Some(track) = self.track(codec).as_ref().filter(|own| own.codec == codec) {
                    let mut buffer = gst::Buffer::from_slice(Part(message, data));
                    if let Some(buffer) = buffer.get_mut() {
                        buffer.set_dts(stamp(time));
                        buffer.set_pts(stamp(time + i64::from(offset)));
                        if !keyframe {
                            buffer.set_flags(gst::BufferFlags::DELTA_UNIT);
                        }
                    }
                    track.push(&buffer);
                }
            }
            Tag::Unknown(name) => {
                if self.unknown.len() < NAMES && !self.unknown.contains(&name) {
                    self.unknown.push(name.clone());
                    return Ok(Some(name));
                }
            }
            Tag::Nothing => {}
        }
        Ok(None)
    }

    /// So much has come that the publisher has to wait.
    pub fn is_full(&self) -> bool {
        let tracks = self.picture.iter().chain(&self.sound);
        tracks
            .map(|track| track.appsrc.current_level_bytes())
            .sum::<u64>()
            > QUEUE
    }

    /// Why something cannot go on, if so: it will not by itself.
    pub fn broken(&self) -> Option<String> {
        let mut tracks = self.picture.iter().chain(&self.sound);
        tracks.find_map(|track| track.broken.lock().clone())
    }

    fn track(&mut self, codec: Codec) -> &mut Option<Track> {
        match codec {
            Codec::H264 | Codec::H265 => &mut self.picture,
            Codec::Aac | Codec::Mp3 => &mut self.sound,
        }
    }

    fn configure(&mut self, codec: Codec, caps: gst::Caps) -> Result<(), String> {
        let inlet = self.inlet.clone();
        let track = self.track(codec);
        match track {
            // With the next frame: those before it have the old ones.
            Some(track) if track.codec == codec => track.caps = caps,
            _ => {
                // The old one first: it has the same way in.
                *track = None;
                let new = Track::start(codec, caps, &inlet).map_err(|error| error.to_string())?;
                *track = Some(new);
            }
        }
        Ok(())
    }
}

impl Track {
    fn start(codec: Codec, caps: gst::Caps, inlet: &Arc<Inlet>) -> Result<Self, glib::BoolError> {
        let appsrc = gst_app::AppSrc::builder()
            .format(gst::Format::Time)
            .is_live(true)
            .block(false)
            .max_bytes(0)
            .caps(&caps)
            .build();
        let pipeline = gst::Pipeline::new();
        pipeline.add(&appsrc)?;
        let pad = appsrc.static_pad("src");
        let pad = pad.ok_or_else(|| glib::bool_error!("an appsrc without a pad"))?;
        let broken = Arc::new(Mutex::new(None));
        let trouble = broken.clone();
        let reporter = move |note| {
            if let PipeNote::Error { text, .. } = note {
                trouble.lock().get_or_insert(text);
            }
        };
        let pipe = Pipe::new(pipeline, Box::new(reporter));
        inlet.adopt(&pad, &caps, pipe.inner().upcast_ref())?;
        (pipe.play()).map_err(|_| glib::bool_error!("its pipeline does not start"))?;
        Ok(Self {
            codec,
            appsrc,
            caps,
            pipe,
            broken,
        })
    }

    fn push(&self, buffer: &gst::Buffer) {
        let sample = gst::Sample::builder()
            .buffer(buffer)
            .caps(&self.caps)
            .build();
        // Refused only once it is broken, which is seen elsewhere.
        let _ = self.appsrc.push_sample(&sample);
    }
}

impl Drop for Track {
    /// Nothing of it comes in any more once this is done. No element in it waits for anything.
    fn drop(&mut self) {
        // NULL cannot be refused.
        let _ = self.pipe.inner().set_state(gst::State::Null);
    }
}

fn stamp(milliseconds: i64) -> gst::ClockTime {
    let time = milliseconds.saturating_add(START).max(0);
    gst::ClockTime::from_mseconds(time as u64)
}

fn caps_of(codec: Codec, config: &[u8]) -> gst::Caps {
    let data = || gst::Buffer::from_slice(config.to_vec());
    match codec {
        Codec::H264 => gst::Caps::builder("video/x-h264")
            .field("stream-format", "avc")
            .field("alignment", "au")
            .field("codec_data", data())
            .build(),
        Codec::H265 => gst::Caps::builder("video/x-h265")
            .field("stream-format", "hvc1")
            .field("alignment", "au")
            .field("codec_data", data())
            .build(),
        Codec::Aac => {
            let caps = gst::Caps::builder("audio/mpeg")
                .field("mpegversion", 4)
                .field("framed", true)
                .field("stream-format", "raw")
                .field("codec_data", data());
            match aac_format(config) {
                Some((rate, channels)) => caps
                    .field("rate", rate as i32)
                    .field("channels", channels as i32)
                    .build(),
                None => caps.build(),
            }
        }
        Codec::Mp3 => gst::Caps::builder("audio/mpeg")
            .field("mpegversion", 1)
            .field("layer", 3)
            .field("parsed", true)
            .build(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_go_on_when_their_bits_run_out() {
        let mut time = Time::default();
        let line = [u32::MAX - 19, 20, 60, 40, 3_600_000].map(|timestamp| time.unwrap(timestamp));
        let begun = i64::from(u32::MAX - 19);
        assert_eq!(line.map(|time| time - begun), [0, 40, 80, 60, 3_600_020]);
        // An encoder that has run for a month; one that then jumps back to nothing.
        let mut time = Time::default();
        assert_eq!(time.unwrap(3_000_000_000), 3_000_000_000);
        assert_eq!(time.unwrap(3_000_000_040), 3_000_000_040);
        assert!(stamp(time.unwrap(0)).mseconds() > 0);
        assert_eq!(stamp(-20).mseconds() as i64, START - 20);
        assert_eq!(stamp(-2 * START).mseconds(), 0);
    }
}

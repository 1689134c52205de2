//! From a source's encoded feeds to its pictures and samples. A decoder is a small pipeline of its
//! own for each of the two: a broken picture never takes the sound along, nor the connection.

use std::sync::Arc;

use gst::prelude::*;
use gst_video::VideoOrientationMethod;

use crate::outlet::{self, running_time};

use super::damage::Damage;
use super::feed::{Feed, Media, Subscription};
use super::fragment::{Fragment, FragmentError};
use super::pictures::{Picture, Pictures, next_serial, same_pixels};
use super::pipeline::{Pipe, Reporter};
use super::samples::Samples;
use super::timebase::Timebase;

/// Encoded frames that may wait for the decoder.
const QUEUE: gst::ClockTime = gst::ClockTime::from_mseconds(1500);

/// A decoder at work. Dropped, it leaves the feed, then closes.
#[derive(Debug)]
pub struct Decoder {
    subscription: Subscription,
    _pipe: Pipe,
    turn: VideoOrientationMethod,
}

impl Decoder {
    /// Decodes pictures, and turns them upright as the sender says by now; those that `damage` hides
    /// are not shown.
    pub fn video(
        feed: &Arc<Feed>,
        damage: &Arc<Damage>,
        pictures: &Arc<Pictures>,
        timebase: &Timebase,
        reporter: Reporter,
    ) -> Result<Self, FragmentError> {
        let turn = feed.turn();
        let fragment = if turn == VideoOrientationMethod::Identity {
            Fragment::pipeline("decode-video")?
        } else {
            let fragment = Fragment::pipeline("decode-video-turned")?;
            let flip: gst::Element = fragment.element("turn")?;
            flip.set_property("video-direction", turn);
            fragment
        };
        let (pictures, damage, known) = (pictures.clone(), damage.clone(), feed.clone());
        on_picture(&fragment.element("out")?, move |picture, now| {
            // A decoder that turns as it should is on its way.
            if !damage.hides(picture.captured) && known.turn() == turn {
                pictures.push(picture, now);
            }
        });
        Self::start(fragment, feed, turn, timebase, reporter)
    }

    /// Decodes sound.
    pub fn audio(
        feed: &Arc<Feed>,
        samples: &Arc<Samples>,
        timebase: &Timebase,
        reporter: Reporter,
    ) -> Result<Self, FragmentError> {
        let fragment = Fragment::pipeline("decode-audio")?;
        hear(&fragment.element("out")?, samples.clone());
        let turn = VideoOrientationMethod::Identity;
        Self::start(fragment, feed, turn, timebase, reporter)
    }

    /// How it turns pictures.
    pub fn turn(&self) -> VideoOrientationMethod {
        self.turn
    }

    /// How often it was too slow for what came.
    pub fn overflows(&self) -> u64 {
        self.subscription.overflows()
    }

    fn start(
        fragment: Fragment,
        feed: &Arc<Feed>,
        turn: VideoOrientationMethod,
        timebase: &Timebase,
        reporter: Reporter,
    ) -> Result<Self, FragmentError> {
        let source: gst_app::AppSrc = fragment.element("in")?;
        let pipe = fragment.into_pipe(timebase, reporter);
        decode_into_pool(pipe.inner());
        let subscription = feed.subscribe_to_all(source, QUEUE);
        // A refusal has been reported; the owner builds anew.
        let _ = pipe.play();
        Ok(Self {
            subscription,
            _pipe: pipe,
            turn,
        })
    }
}

/// Has pictures come out of the decoder in memory of a pool. Those that libav decodes straight into GStreamer's
/// memory it needs for the next ones, so that GStreamer copies each of them, into memory that is new every
/// time.
fn decode_into_pool(pipeline: &gst::Pipeline) {
    pipeline.connect_deep_element_added(|_, _, element| {
        if element.has_property("direct-rendering") {
            element.set_property("direct-rendering", false);
        }
    });
}

/// Raw pictures that arrive at the sink, stamped in running time, are the source's.
pub fn show(sink: &gst_app::AppSink, pictures: Arc<Pictures>) {
    on_picture(sink, move |picture, now| pictures.push(picture, now));
}

/// The one raw picture that arrives at the sink is the source's for ever.
pub fn show_still(sink: &gst_app::AppSink, pictures: Arc<Pictures>) {
    on_picture(sink, move |picture, _| pictures.set_still(picture));
}

/// Hands on each picture, and the running time at which it is there, in nanoseconds.
fn on_picture(sink: &gst_app::AppSink, take: impl Fn(Picture, u64) + Send + 'static) {
    let mut last: Option<Picture> = None;
    outlet::on_picture(sink, move |sink, leaving| {
        let Some(captured) = leaving.stamp else {
            return;
        };
        let mut picture = Picture {
            buffer: leaving.buffer,
            info: leaving.info,
            captured,
            serial: next_serial(),
        };
        if let Some(last) = last.as_ref().filter(|last| same_pixels(last, &picture)) {
            picture.serial = last.serial;
        }
        last = Some(picture.clone());
        let now = sink.current_running_time();
        take(picture, now.map_or(captured, gst::ClockTime::nseconds));
    });
}

/// Samples that arrive at the sink, stamped in running time, are the source's.
pub fn hear(sink: &gst_app::AppSink, samples: Arc<Samples>) {
    let mut floats: Vec<f32> = Vec::new();
    sink.set_callbacks(
        gst_app::AppSinkCallbacks::builder()
            .new_sample(move |sink| {
                let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                if let Some(time) = running_time(&sample)
                    && let Some(map) = sample.buffer().and_then(|b| b.map_readable().ok())
                {
                    floats.clear();
                    let (quads, _) = map.as_chunks::<4>();
                    floats.extend(quads.iter().map(|quad| f32::from_le_bytes(*quad)));
                    samples.write(time, &floats);
                }
                Ok(gst::FlowSuccess::Ok)
            })
            .build(),
    );
}

/// What flows through the feed, for people: `H.264 1920x1080 30 fps`, `AAC 48000 Hz stereo`.
pub fn describe(media: Media, caps: &gst::CapsRef) -> String {
    let Some(structure) = caps.structure(0) else {
        return String::new();
    };
    let name = structure.name().as_str();
    let codec = match name {
        "video/x-h264" => "H.264",
        "video/x-h265" => "H.265",
        "video/x-vp8" => "VP8",
        "video/x-vp9" => "VP9",
        "video/x-raw" | "audio/x-raw" => "raw",
        "image/jpeg" => "JPEG",
        "audio/x-opus" => "Opus",
        "audio/x-mulaw" => "G.711 mu-law",
        "audio/x-alaw" => "G.711 A-law",
        "video/mpeg" => match structure.get::<i32>("mpegversion") {
            Ok(1) => "MPEG-1",
            Ok(2) => "MPEG-2",
            _ => "MPEG-4",
        },
        "audio/mpeg" => match (structure.get::<i32>("mpegversion"), structure.get("layer")) {
            (Ok(1), Ok(1)) => "MP1",
            (Ok(1), Ok(2)) => "MP2",
            (Ok(1), _) => "MP3",
            _ => "AAC",
        },
        other => other.split_once('/').map_or(other, |(_, short)| short),
    };
    // What GStreamer has no standard name for, it calls x-something.
    let codec = codec
        .strip_prefix("x-")
        .map_or_else(|| codec.to_owned(), str::to_uppercase);
    let mut words = vec![codec];
    match media {
        Media::Video => {
            let size = (
                structure.get::<i32>("width"),
                structure.get::<i32>("height"),
            );
            if let (Ok(width), Ok(height)) = size {
                words.push(format!("{width}x{height}"));
            }
            if let Ok(rate) = structure.get::<gst::Fraction>("framerate")
                && rate.numer() > 0
            {
                let rate = f64::from(rate.numer()) / f64::from(rate.denom());
                words.push(format!("{} fps", (rate * 100.0).round() / 100.0));
            }
        }
        Media::Audio => {
            if let Ok(rate) = structure.get::<i32>("rate") {
                words.push(format!("{rate} Hz"));
            }
            match structure.get::<i32>("channels") {
                Ok(1) => words.push("mono".to_owned()),
                Ok(2) => words.push("stereo".to_owned()),
                Ok(n) => words.push(format!("{n} channels")),
                Err(_) => {}
            }
        }
    }
    words.join(" ")
}

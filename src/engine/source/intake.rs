//! The ways in that regie opens itself: pulled servers, files, stills, test patterns. (Pushed
//! sources come in by the front doors of `ingest`.)

use gst::prelude::*;

use crate::engine::decode::{hear, show, show_still};
use crate::engine::fragment::{Fragment, FragmentError};
use crate::engine::pipeline::{Pipe, Reporter};
use crate::venue::SourceKind;

use super::Source;

/// Whether the source arrives encoded, and is decoded by decoders of its own.
pub fn is_encoded(kind: &SourceKind) -> bool {
    !matches!(
        kind,
        SourceKind::Image { .. } | SourceKind::Test { .. } | SourceKind::Capture(_)
    )
}

/// Starts the source's way in.
pub fn start(source: &Source, reporter: Reporter) -> Result<Pipe, FragmentError> {
    let pipe = match &source.config.kind {
        SourceKind::Push { .. } | SourceKind::Capture(_) => {
            return Err(FragmentError::Missing(format!(
                "source-{}",
                source.config.kind.name()
            )));
        }
        SourceKind::Pull { uri } => {
            let (name, property, pace) = match uri.scheme() {
                "rtmp" | "rtmps" => ("source-pull-rtmp", "location", Pace::Sender),
                "rtsp" | "rtsps" => ("source-pull-rtsp", "location", Pace::Sender),
                "srt" => ("source-pull-srt", "uri", Pace::Sender),
                // A server gives a file as fast as it can.
                _ => ("source-pull-http", "location", Pace::Timestamps),
            };
            let fragment = Fragment::pipeline(name)?;
            fragment.set("source", property, uri.as_str())?;
            encoded(source, fragment, pace, reporter)?
        }
        SourceKind::File { path } => {
            let fragment = Fragment::pipeline("source-file")?;
            fragment.set("source", "location", &path.to_string_lossy())?;
            encoded(source, fragment, Pace::Timestamps, reporter)?
        }
        SourceKind::Image { path } => {
            let fragment = Fragment::pipeline("source-image")?;
            fragment.set("source", "location", &path.to_string_lossy())?;
            show_still(&fragment.element("out")?, source.pictures.clone());
            fragment.into_pipe(&source.timebase, reporter)
        }
        SourceKind::Test { size, framerate } => {
            let fragment = Fragment::pipeline("source-test")?;
            let filter: gst::Element = fragment.element("size")?;
            let caps = gst::Caps::builder("video/x-raw")
                .field("format", "I420")
                .field("width", size.width as i32)
                .field("height", size.height as i32)
                .field(
                    "framerate",
                    gst::Fraction::new(framerate.numerator as i32, framerate.denominator as i32),
                )
                .build();
            filter.set_property("caps", caps);
            show(&fragment.element("video")?, source.pictures.clone());
            hear(&fragment.element("audio")?, source.samples.clone());
            fragment.into_pipe(&source.timebase, reporter)
        }
    };
    // A refusal is reported as an error message, and handled as such.
    let _ = pipe.play();
    Ok(pipe)
}

/// What decides when a frame comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pace {
    /// The sender, in real time.
    Sender,
    /// The frames' own timestamps: the sender would give everything at once.
    Timestamps,
}

fn encoded(
    source: &Source,
    fragment: Fragment,
    pace: Pace,
    reporter: Reporter,
) -> Result<Pipe, FragmentError> {
    let streams: gst::Element = fragment
        .element("streams")
        .or_else(|_| fragment.element("source"))?;
    source.inlet.follow(&streams, pace == Pace::Timestamps);
    let pipe = fragment.into_pipe(&source.timebase, reporter);
    if pace == Pace::Timestamps {
        // Its own base time: the first frame plays when it is there.
        pipe.inner().set_start_time(gst::ClockTime::ZERO);
    }
    Ok(pipe)
}

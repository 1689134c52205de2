//! Files that the venue names for the slate: a picture decoded, and whether a file has sound. For
//! the venue's check as well as for the engine, so that what is accepted is what can be shown.
//!
//! Blocks while the file is decoded, for at most [`PATIENCE`]: never call it on a streaming thread.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use gst::prelude::*;

use crate::engine::fragment::{Fragment, FragmentError};

/// A file that has given nothing for so long is not waited for.
const PATIENCE: gst::ClockTime = gst::ClockTime::from_seconds(10);
/// A picture on disk is not larger: nobody's slate is, and decoded it lies in memory.
const LARGEST: u64 = 64 << 20;
/// How PNG and JPEG files begin.
const BEGINNINGS: [&[u8]; 2] = [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"];

/// Why a file is of no use, as the rest of a sentence.
#[derive(Debug, thiserror::Error)]
pub enum MediaFileError {
    /// The system refuses it.
    #[error("cannot be read: {0}")]
    Unreadable(#[from] std::io::Error),
    /// A folder, a device, a pipe.
    #[error("is not a file")]
    NoFile,
    /// Larger than anything that is meant.
    #[error("is larger than 64 MB")]
    TooLarge,
    /// It does not begin as a picture does.
    #[error("is neither PNG nor JPEG")]
    NoPicture,
    /// It begins well, and cannot be decoded.
    #[error("cannot be decoded: {0}")]
    Broken(String),
    /// There is nothing to hear in it.
    #[error("has no sound")]
    NoSound,
    /// GStreamer lacks what is needed.
    #[error(transparent)]
    Fragment(#[from] FragmentError),
}

/// The picture in a PNG or JPEG file, as I420.
pub fn picture(path: &Path) -> Result<gst::Sample, MediaFileError> {
    if regular(path)? > LARGEST {
        return Err(MediaFileError::TooLarge);
    }
    let mut beginning = Vec::new();
    File::open(path)?.take(8).read_to_end(&mut beginning)?;
    if !BEGINNINGS.iter().any(|known| beginning.starts_with(known)) {
        return Err(MediaFileError::NoPicture);
    }
    let sample = first_sample("source-image", path)?;
    sample.ok_or_else(|| MediaFileError::Broken("it has no picture".to_owned()))
}

/// Whether the file has sound that can be decoded.
pub fn check_sound(path: &Path) -> Result<(), MediaFileError> {
    regular(path)?;
    match first_sample("slate-music", path)? {
        Some(_) => Ok(()),
        None => Err(MediaFileError::NoSound),
    }
}

/// The size of a regular file. Asked before opening: opening a FIFO waits for somebody to write.
fn regular(path: &Path) -> Result<u64, MediaFileError> {
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(MediaFileError::NoFile);
    }
    Ok(metadata.len())
}

/// The first thing that a fragment with `source` and `out` makes of a file.
fn first_sample(fragment: &str, path: &Path) -> Result<Option<gst::Sample>, MediaFileError> {
    gst::init().map_err(|error| MediaFileError::Broken(error.to_string()))?;
    let fragment = Fragment::pipeline(fragment)?;
    fragment.set("source", "location", &path.to_string_lossy())?;
    let sink: gst_app::AppSink = fragment.element("out")?;
    let pipeline = fragment.into_bin();
    let bus = gst::Bus::new();
    pipeline.set_bus(Some(&bus));
    // What is wrong is said on the bus; waiting for a sample of a file that broke would last for
    // the whole of PATIENCE.
    let mut broken = pipeline
        .set_state(gst::State::Paused)
        .is_err()
        .then(String::new);
    let mut sample = None;
    let mut waited = gst::ClockTime::ZERO;
    let step = gst::ClockTime::from_mseconds(20);
    while broken.is_none() && sample.is_none() && !sink.is_eos() && waited < PATIENCE {
        sample = sink.try_pull_preroll(step);
        waited += step;
        if sample.is_none() {
            broken = error_on(&bus);
        }
    }
    let broken = broken.filter(|_| sample.is_none());
    let said = broken.map(|said| error_on(&bus).unwrap_or(said));
    // NULL cannot be refused.
    let _ = pipeline.set_state(gst::State::Null);
    match said {
        Some(said) => Err(MediaFileError::Broken(
            said.trim_end_matches('.').to_owned(),
        )),
        None => Ok(sample),
    }
}

fn error_on(bus: &gst::Bus) -> Option<String> {
    let message = bus.pop_filtered(&[gst::MessageType::Error])?;
    match message.view() {
        gst::MessageView::Error(error) => Some(error.error().to_string()),
        _ => None,
    }
}

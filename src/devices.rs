//! Capture cards and audio inputs: which there are, what they offer, what they are called for good,
//! and when they come and go. Knows V4L2, ALSA's tables and udev; knows no GStreamer, and captures
//! nothing.
//!
//! A card may take its time to answer, or for ever: each is asked on a thread of its own, and nothing
//! here waits longer than [`ANSWER`] for one. Still, do not call [`list`] where nothing may wait.

mod audio;
mod names;
mod probe;
pub mod text;
mod users;
mod video;
mod watch;

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use crate::cli::DevicesArgs;
use crate::model::message::to_line;
use crate::model::{Device, Inventory};

pub use names::{alsa_name, find, is_stable_name};
pub use watch::{Watch, watch};

/// Longest wait for all cards' answers.
pub const ANSWER: Duration = Duration::from_secs(3);

/// Every capture card and camera. Nodes that give no pictures (outputs, metadata, codecs) are left out.
pub fn list() -> Vec<Device> {
    video::list(&users::Openers::now())
}

/// The same, and every audio input.
pub fn inventory() -> Inventory {
    let openers = users::Openers::now();
    Inventory {
        video: video::list(&openers),
        audio: audio::list(&openers),
    }
}

/// `regie devices`: the list, or with `--watch` what comes and goes, until interrupted.
pub fn run(args: &DevicesArgs, out: &mut impl Write, err: &mut impl Write) -> ExitCode {
    let done = if args.watch {
        follow(args, out)
    } else {
        show(args, out)
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read our output has gone.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to be told where stderr is closed.
            let _ = writeln!(err, "regie: {error}");
            ExitCode::FAILURE
        }
    }
}

fn show(args: &DevicesArgs, out: &mut impl Write) -> std::io::Result<()> {
    let inventory = inventory();
    if args.json {
        writeln!(out, "{}", to_line(&inventory))
    } else {
        write!(out, "{}", text::inventory(&inventory))
    }
}

fn follow(args: &DevicesArgs, out: &mut impl Write) -> std::io::Result<()> {
    let (sender, changes) = std::sync::mpsc::channel();
    let _watch = watch(move |change| {
        // Nobody listens any more when this process ends.
        let _ = sender.send(change);
    })?;
    for change in changes {
        if args.json {
            writeln!(out, "{}", to_line(&change))?;
        } else {
            writeln!(out, "{}", text::change(&change))?;
        }
        out.flush()?;
    }
    Ok(())
}

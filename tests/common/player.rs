//! Do the players that people use play it? They decode some frames and say so by their exit.

use std::process::Command;

use super::process::Said;

/// Thirty frames, and the patience of a person.
const FRAMES: &str = "30";
const PATIENCE: &str = "20";

/// mpv, without a window and without sound.
pub fn plays_in_mpv(url: &str) -> Said {
    let mut command = Command::new("timeout");
    command.args([PATIENCE, "mpv", "--no-config", "--vo=null", "--ao=null"]);
    command.arg(format!("--frames={FRAMES}")).arg(url);
    Said::by(&mut command)
}

/// GStreamer's rtspsrc, decoding the picture.
pub fn plays_in_gstreamer(url: &str) -> Said {
    let mut command = Command::new("timeout");
    command.args([PATIENCE, "gst-launch-1.0", "-q", "rtspsrc", "latency=200"]);
    command.arg(format!("location={url}"));
    command.args(
        "! application/x-rtp,media=video ! rtph264depay ! avdec_h264 ! fakesink sync=false"
            .split(' '),
    );
    command.arg(format!("num-buffers={FRAMES}"));
    Said::by(&mut command)
}

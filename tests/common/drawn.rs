//! Footage that a test draws for itself: what happens when is the test's own.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::process::Said;

/// Encodes what the two filter graphs make, as H.264 with a keyframe a second, and AAC, to a file of
/// this name.
#[track_caller]
pub fn draw(folder: &Path, name: &str, picture: &str, sound: &str) -> PathBuf {
    let file = folder.join(name);
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-hide_banner", "-v", "error"]);
    command.args(["-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", sound]);
    command.args("-c:v libx264 -preset ultrafast -pix_fmt yuv420p -bf 0".split(' '));
    command.args("-force_key_frames expr:gte(t,n_forced) -c:a aac -b:a 128k -shortest".split(' '));
    Said::by(command.arg(&file)).assert_ok();
    file
}

/// Of a filter's time: whether it is within `length` after any of these, in seconds.
pub fn during(times: &[f64], length: f64) -> String {
    let each = times
        .iter()
        .map(|at| format!("between(t,{at},{})", at + length));
    each.collect::<Vec<_>>().join("+")
}

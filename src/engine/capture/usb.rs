//! The USB plug of a card, as the kernel has it in `/sys`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a card stays without power over its plug, so to say.
const UNPLUGGED: Duration = Duration::from_millis(300);

/// Where the character device with this number is plugged in; `None`: not by USB.
pub fn plug_of(number: u64) -> Option<PathBuf> {
    let (major, minor) = (rustix::fs::major(number), rustix::fs::minor(number));
    let link = format!("/sys/dev/char/{major}:{minor}/device");
    let device = fs::canonicalize(link).ok()?;
    // Its interfaces are below it; they have no speed.
    let is_plug = |path: &&Path| path.join("authorized").exists() && path.join("speed").exists();
    device.ancestors().find(is_plug).map(Path::to_owned)
}

/// Of the connection, in megabits a second.
pub fn speed(plug: &Path) -> Option<u32> {
    let text = fs::read_to_string(plug.join("speed")).ok()?;
    text.trim().parse::<f64>().ok().map(|speed| speed as u32)
}

/// Takes the card away from its driver, and gives it back: the next best to pulling its plug. May
/// take seconds; not on a thread that anybody waits for.
pub fn replug(plug: &Path) -> io::Result<()> {
    let switch = plug.join("authorized");
    fs::write(&switch, "0")?;
    std::thread::sleep(UNPLUGGED);
    fs::write(&switch, "1")
}

//! A kiosk as a screen in the building has it: the compositor cage, with one window and nothing else, on
//! a display in memory. It refuses to be root.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::picture::Picture;
use super::process::{Process, Said};
use super::wait_until;

/// Debian's user for whoever needs no rights.
const NOBODY: u32 = 65534;
/// What cage makes of an output that nobody has described.
const SIZE: (usize, usize) = (1280, 720);

/// A kiosk at work.
pub struct Cage {
    process: Process,
    folder: TempDir,
}

impl Cage {
    /// `regie ARGUMENTS…` as the only window.
    #[track_caller]
    pub fn start(arguments: &[&str]) -> Self {
        let folder = TempDir::with_prefix("regie-cage-").expect("a temporary folder");
        let path = folder.path();
        // The checkout may lie where only its owner gets.
        let own = path.join("regie");
        let made = Path::new(env!("CARGO_BIN_EXE_regie"));
        if std::fs::hard_link(made, &own).is_err() {
            std::fs::copy(made, &own).expect("a copy of regie");
        }
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o700))
            .expect("a folder of its own");
        if is_root() {
            chown(path, Some(NOBODY), None).expect("a folder of nobody's");
        }
        let mut command = inside(path);
        command.args(["WLR_BACKENDS=headless", "WLR_RENDERER=pixman"]);
        command.args([
            "WLR_LIBINPUT_NO_DEVICES=1",
            "WLR_HEADLESS_OUTPUTS=1",
            "cage",
            "--",
        ]);
        command.arg(&own).args(arguments);
        let log = TempDir::with_prefix("regie-cage-log-")
            .expect("a temporary folder")
            .keep();
        let process = Process::start("cage", &mut command, &log.join("log"));
        let cage = Self { process, folder };
        let socket = cage.folder.path().join("wayland-0");
        wait_until(Duration::from_secs(15), "cage is there", || socket.exists());
        cage
    }

    /// What is on the display now; `None` before there is anything.
    pub fn picture(&self) -> Option<Picture> {
        let file = self.folder.path().join("shot.ppm");
        let mut command = inside(self.folder.path());
        command
            .args(["WAYLAND_DISPLAY=wayland-0", "grim", "-t", "ppm"])
            .arg(&file);
        if !Said::by(&mut command).is_ok() {
            return None;
        }
        let bytes = std::fs::read(&file).ok()?;
        let pixels = bytes.len().checked_sub(SIZE.0 * SIZE.1 * 3)?;
        Some(Picture::new(SIZE.0, SIZE.1, bytes[pixels..].to_vec()))
    }

    pub fn log(&self) -> String {
        self.process.log()
    }

    #[track_caller]
    pub fn assert_running(&mut self) {
        self.process.assert_running();
    }
}

/// `env …` as a user that cage accepts, in an environment that has nothing of ours.
fn inside(folder: &Path) -> Command {
    let mut command = if is_root() {
        let mut command = Command::new("runuser");
        command.args(["-u", "nobody", "--", "env"]);
        command
    } else {
        Command::new("env")
    };
    command
        .args([
            "-u",
            "DISPLAY",
            "-u",
            "DBUS_SESSION_BUS_ADDRESS",
            "NO_COLOR=1",
        ])
        .arg(format!("XDG_RUNTIME_DIR={}", folder.display()))
        .arg(format!("XDG_STATE_HOME={}", folder.display()))
        .arg(format!("HOME={}", folder.display()))
        .stdin(Stdio::null())
        .current_dir(folder);
    command
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

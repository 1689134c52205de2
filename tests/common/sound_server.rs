//! A real sound server with a desk that is none: whatever is played into its sink can be captured from
//! it. Where tests run there is no sound card, and no server of anybody's is touched.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use super::process::{Process, Said};
use super::wait_until;

/// A PulseAudio of our own.
pub struct SoundServer {
    folder: TempDir,
    process: Option<Process>,
    rate: u32,
}

impl SoundServer {
    /// Starts one whose desk has two channels of so many samples a second.
    #[track_caller]
    pub fn start(rate: u32) -> Self {
        let mut server = Self {
            folder: TempDir::with_prefix("regie-sound-").expect("a temporary folder"),
            process: None,
            rate,
        };
        server.restart();
        server
    }

    /// What `PULSE_SERVER` has to be.
    pub fn address(&self) -> String {
        format!("unix:{}", self.socket().display())
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("native")
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill9();
        }
    }

    /// Stops it where it stands.
    pub fn freeze(&mut self) {
        self.process.as_mut().expect("a server").freeze();
    }

    /// It goes on.
    pub fn thaw(&mut self) {
        self.process.as_mut().expect("a server").thaw();
    }

    /// Starts it again after its death, and waits until it answers.
    #[track_caller]
    pub fn restart(&mut self) {
        self.kill();
        // A server that was killed has left it behind.
        let _ = std::fs::remove_file(self.socket());
        let script = format!(
            "load-module module-native-protocol-unix auth-anonymous=1 socket={}\n\
             load-module module-null-sink sink_name=desk rate={} channels=2 format=float32le\n\
             set-default-sink desk\nset-default-source desk.monitor\n",
            self.socket().display(),
            self.rate
        );
        let folder = self.folder.path();
        std::fs::write(folder.join("desk.pa"), script).expect("a script");
        let mut command = Command::new("pulseaudio");
        command
            .args(["-n", "--daemonize=no", "--exit-idle-time=-1", "-F"])
            .arg(folder.join("desk.pa"))
            .env("HOME", folder)
            .env("XDG_RUNTIME_DIR", folder)
            .env("PULSE_RUNTIME_PATH", folder)
            .env_remove("PULSE_SERVER")
            .env_remove("DBUS_SESSION_BUS_ADDRESS")
            .env_remove("DISPLAY");
        let log = folder.join("server.log");
        self.process = Some(Process::start("pulseaudio", &mut command, &log));
        wait_until(Duration::from_secs(10), "the sound server answers", || {
            Said::by(self.client("pactl").args(["list", "short", "sinks"]))
                .out
                .contains("desk")
        });
    }

    /// A program that knows this server, and no other.
    pub fn client(&self, name: &str) -> Command {
        let mut command = Command::new(name);
        command
            .env("PULSE_SERVER", self.address())
            .env("HOME", self.folder.path())
            .env("XDG_RUNTIME_DIR", self.folder.path())
            .env_remove("DISPLAY");
        command
    }

    /// Plays into the desk: the left and the right channel as ffmpeg's `aevalsrc` has them, for ever.
    #[track_caller]
    pub fn play(&self, left: &str, right: &str) -> Tune {
        let mut command = self.client("ffmpeg");
        command
            .args(["-nostdin", "-v", "error", "-re", "-f", "lavfi", "-i"])
            .arg(format!("aevalsrc='{left}|{right}':s={}", self.rate))
            .args(["-f", "pulse", "-device", "desk", "-buffer_duration", "800"])
            .arg("tune");
        let log = self.folder.path().join("tune.log");
        Tune(Process::start("the tune", &mut command, &log))
    }
}

impl Drop for SoundServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Somebody who plays; dropped, it is silent.
pub struct Tune(Process);

impl Tune {
    /// What it has to say.
    pub fn log(&self) -> String {
        self.0.log()
    }
}

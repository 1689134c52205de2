//! The room that an engine lives in: venue file, state, socket and log in a private folder.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::namespace::Namespace;
use super::process::Said;

const REGIE: &str = env!("CARGO_BIN_EXE_regie");

/// The folder that an engine lives in. It outlives the engine, as a disk does.
pub struct Room {
    folder: TempDir,
    environment: Vec<(String, String)>,
    /// What comes before `regie` on the command line.
    inside: Vec<String>,
}

impl Room {
    /// A room with this venue file. The control socket is added unless the venue names one; RTMP and SRT
    /// are off unless it says where, and it is announced only where it asks for that.
    #[track_caller]
    pub fn new(venue: &str) -> Self {
        let folder = TempDir::with_prefix("regie-test-").expect("a temporary folder");
        std::fs::create_dir(folder.path().join("state")).expect("a folder for the state");
        let room = Self {
            folder,
            environment: Vec::new(),
            inside: Vec::new(),
        };
        room.write_venue(venue);
        room
    }

    /// Puts a file beside the venue file, such as a key.
    pub fn file(self, name: &str, content: &str) -> Self {
        std::fs::write(self.path().join(name), content).expect("a file in the room");
        self
    }

    /// Sets an environment variable for the engine and for every `regie` run in this room.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Whatever runs in this room has the network of that namespace.
    pub fn inside(self, namespace: &Namespace) -> Self {
        self.inside_of(namespace.enter())
    }

    /// The same; `enter` is what comes before a command line there.
    pub fn inside_of(mut self, enter: Vec<String>) -> Self {
        self.inside = enter;
        self
    }

    /// Replaces the venue file; a running engine has read the old one.
    pub fn write_venue(&self, venue: &str) {
        let mut text = venue.to_owned();
        // Rooms are side by side on one machine: a door on a port of its own is asked for.
        if !venue.contains("[ingest]") {
            text += "\n[ingest]\nrtmp = \"off\"\nsrt = \"off\"\n";
        }
        // And none of them is a room that others should find.
        if !venue.contains("[discovery]") {
            text += "\n[discovery]\nannounce = false\n";
        }
        if !venue.contains("[control]") {
            text += &format!("\n[control]\nsocket = \"{}\"\n", self.socket().display());
        }
        std::fs::write(self.venue(), text).expect("a venue file");
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn venue(&self) -> PathBuf {
        self.path().join("venue.toml")
    }

    /// The folder that the engine keeps its state in.
    pub fn state(&self) -> PathBuf {
        self.path().join("state")
    }

    pub fn socket(&self) -> PathBuf {
        self.path().join("control.sock")
    }

    /// `regie ARGUMENTS…`, in this room's environment.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut line = self.inside.iter().map(String::as_str).chain([REGIE]);
        let mut command = Command::new(line.next().expect("a program"));
        command
            .args(line)
            .args(arguments)
            .current_dir(self.path())
            .env("REGIE_SOCKET", self.socket())
            .env("STATE_DIRECTORY", self.state())
            .env("XDG_RUNTIME_DIR", self.path())
            .env("XDG_STATE_HOME", self.path())
            .env("XDG_CONFIG_HOME", self.path())
            .env("NO_COLOR", "1")
            .env_remove("NOTIFY_SOCKET")
            .env_remove("DISPLAY")
            .env_remove("WAYLAND_DISPLAY");
        for (name, value) in &self.environment {
            command.env(name, value);
        }
        command
    }

    /// Runs `regie ARGUMENTS…` to its end.
    #[track_caller]
    pub fn regie(&self, arguments: &[&str]) -> Said {
        Said::by(&mut self.command(arguments))
    }
}

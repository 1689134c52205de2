//! What a panel needs round it: display, session bus, accessibility bus, and the process that sees
//! and touches it. All end with their values.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::process::Said;
use super::wait_until;

/// What stops or starts by itself does so within this.
const SOON: Duration = Duration::from_secs(3);

/// The process that sees and touches the panel.
pub struct Driver {
    _own: Attendant,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Driver {
    #[track_caller]
    pub fn start(command: &mut Command, folder: &Path) -> Self {
        let mut own = Attendant::spawn(command.stdin(Stdio::piped()), folder);
        Self {
            input: own.0.stdin.take().expect("a pipe"),
            output: BufReader::new(own.0.stdout.take().expect("a pipe")),
            _own: own,
        }
    }

    pub fn ask(&mut self, request: &Value) -> Result<Value, String> {
        writeln!(self.input, "{request}").map_err(|error| error.to_string())?;
        let mut line = String::new();
        self.output
            .read_line(&mut line)
            .map_err(|error| error.to_string())?;
        let mut answer: Value = serde_json::from_str(&line)
            .map_err(|error| format!("the driver said {line:?}: {error}"))?;
        match answer["error"].take() {
            Value::String(error) => Err(error),
            _ => Ok(answer["ok"].take()),
        }
    }
}

/// A process that the panel needs.
pub struct Attendant(Child);

impl Attendant {
    #[track_caller]
    fn spawn(command: &mut Command, folder: &Path) -> Self {
        let log = File::options()
            .create(true)
            .append(true)
            .open(folder.join("surroundings.log"))
            .expect("a log file");
        let child = command.stdout(Stdio::piped()).stderr(log).spawn();
        Self(child.unwrap_or_else(|error| panic!("{command:?} does not start: {error}")))
    }

    /// Starts a process and answers the first line that it prints.
    #[track_caller]
    pub fn start(command: &mut Command, folder: &Path) -> (Self, String) {
        let mut own = Self::spawn(command.stdin(Stdio::null()), folder);
        let output = own.0.stdout.take().expect("a pipe");
        let mut line = String::new();
        let read = BufReader::new(output).read_line(&mut line);
        assert!(read.is_ok_and(|n| n > 0), "{command:?} says nothing");
        (own, line.trim().to_owned())
    }
}

impl Drop for Attendant {
    fn drop(&mut self) {
        let _already_gone = self.0.kill();
        let _status = self.0.wait();
    }
}

/// Serves the accessibility bus; with the session bus it ends, and takes its children along.
pub struct Accessibility(Child);

impl Accessibility {
    #[track_caller]
    pub fn start(command: &mut Command, folder: &Path) -> Self {
        let log = File::create(folder.join("accessibility.log")).expect("a log file");
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        Self(command.spawn().expect("at-spi-bus-launcher starts"))
    }
}

impl Drop for Accessibility {
    fn drop(&mut self) {
        let begun = Instant::now();
        while self.0.try_wait().is_ok_and(|ended| ended.is_none()) && begun.elapsed() < SOON {
            std::thread::sleep(Duration::from_millis(10));
        }
        let _already_gone = self.0.kill();
        let _status = self.0.wait();
    }
}

/// The panel must find the accessibility bus when it starts, or it does without.
#[track_caller]
pub fn wait_for_accessibility(address: &str) {
    wait_until(SOON, "the accessibility bus answers", || {
        let said = Said::by(Command::new("dbus-send").args([
            &format!("--bus={address}"),
            "--print-reply",
            "--dest=org.a11y.Bus",
            "/org/a11y/bus",
            "org.a11y.Bus.GetAddress",
        ]));
        said.is_ok()
    });
}

//! A child process with its output in a file, ended when dropped; and one that ran to its end.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use super::wait_until;

/// Says that a test cannot run here, and why: also where the outputs of tests that pass are kept back.
pub fn skip(reason: &str) {
    let _ = writeln!(std::io::stderr(), "skipped: {reason}");
}

/// A running process. Both its outputs go to one log file, appended to.
pub struct Process {
    child: Child,
    name: String,
    log: PathBuf,
}

impl Process {
    /// Starts `command`; `log` is where its output goes.
    #[track_caller]
    pub fn start(name: &str, command: &mut Command, log: &Path) -> Self {
        let out = File::options()
            .create(true)
            .append(true)
            .open(log)
            .expect("a log file");
        let err = out.try_clone().expect("a second handle");
        let child = command
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start ({command:?}): {error}"));
        Self {
            child,
            name: name.to_owned(),
            log: log.to_owned(),
        }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, or `None` while it runs.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be waited for")
    }

    #[track_caller]
    pub fn assert_running(&mut self) {
        if let Some(status) = self.ended() {
            panic!(
                "{} ended by itself ({status}):\n{}",
                self.name,
                self.log_tail()
            );
        }
    }

    /// Sends a signal by its name, such as `TERM`. A process that has ended gets none.
    pub fn signal(&mut self, name: &str) {
        if self.ended().is_none() {
            // The shell's own `kill`: a bare system has no other, and the tests no libc.
            let line = format!("kill -{name} {}", self.id());
            let status = Command::new("sh")
                .args(["-c", &line])
                .status()
                .expect("a shell");
            assert!(status.success(), "{line}");
        }
    }

    /// Stops it where it stands, as a hung peer does.
    pub fn freeze(&mut self) {
        self.signal("STOP");
    }

    pub fn thaw(&mut self) {
        self.signal("CONT");
    }

    /// SIGKILL: no farewell. Waits until it is gone.
    pub fn kill9(&mut self) {
        let _already_gone = self.child.kill();
        let _status = self.child.wait();
    }

    /// Waits for the end that was asked for; panics at the deadline.
    #[track_caller]
    pub fn wait_end(&mut self, deadline: Duration) -> (ExitStatus, Duration) {
        let begun = Instant::now();
        let what = format!(
            "{} should have ended; its log:\n{}",
            self.name,
            self.log_tail()
        );
        wait_until(deadline, &what, || self.ended().is_some());
        (self.ended().expect("just seen"), begun.elapsed())
    }

    /// Everything it has printed so far.
    pub fn log(&self) -> String {
        read_log(&self.log)
    }

    pub fn log_tail(&self) -> String {
        tail(&self.log())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill9();
    }
}

/// The text of a log, whatever bytes it holds.
pub fn read_log(log: &Path) -> String {
    String::from_utf8_lossy(&fs::read(log).unwrap_or_default()).into_owned()
}

/// The last lines of a text, for a panic's message.
pub fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

/// What a command that ran to its end said.
#[derive(Debug, Clone)]
pub struct Said {
    /// The exit code; -1 where a signal ended it.
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Said {
    /// Runs a command to its end.
    #[track_caller]
    pub fn by(command: &mut Command) -> Self {
        let output = command
            .stdin(Stdio::null())
            .output()
            .unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
        Self::from(output)
    }

    pub fn is_ok(&self) -> bool {
        self.code == 0
    }

    #[track_caller]
    pub fn assert_ok(&self) -> &Self {
        assert!(
            self.is_ok(),
            "exit code {}, stderr:\n{}\nstdout:\n{}",
            self.code,
            self.err,
            self.out
        );
        self
    }

    /// Refused: exit code 1, with `reason` on stderr.
    #[track_caller]
    pub fn assert_refused(&self, reason: &str) -> &Self {
        assert_eq!(self.code, 1, "should have been refused: {self:?}");
        assert!(
            self.err.contains(reason),
            "stderr lacks {reason:?}:\n{}",
            self.err
        );
        self
    }
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

//! The engine that `regie` alone starts where none answers: a process of its own, which outlives
//! the window unless the operator says otherwise. A later window knows it again, and can end it.

use std::fs::File;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::EnginePlan;

/// The engine's log in its state directory.
const LOG: &str = "engine.log";
/// Its process number, beside it.
const NUMBER: &str = "engine.pid";

/// An engine that a window started.
#[derive(Debug)]
pub struct OwnEngine {
    process: Pid,
    socket: PathBuf,
    /// Of this very window.
    child: Option<Child>,
    log: PathBuf,
    failure: Option<String>,
}

impl OwnEngine {
    /// Starts one for `socket`, unless one answers there already: that is ours if an earlier window
    /// started it.
    pub fn start(socket: &Path, plan: &EnginePlan) -> Option<Self> {
        if let Ok(stream) = UnixStream::connect(socket) {
            return Self::known(socket, &stream, plan);
        }
        match Self::spawn(socket, plan) {
            Ok(engine) => Some(engine),
            Err(error) => {
                tracing::error!("the engine cannot be started: {error}");
                None
            }
        }
    }

    /// The engine at the other end, if a window started it.
    fn known(socket: &Path, stream: &UnixStream, plan: &EnginePlan) -> Option<Self> {
        let process = peer(stream)?;
        let noted = std::fs::read_to_string(plan.state.join(NUMBER)).ok()?;
        let noted = noted.trim().parse().ok().and_then(Pid::from_raw);
        (noted == Some(process)).then(|| Self {
            process,
            socket: socket.to_owned(),
            child: None,
            log: plan.state.join(LOG),
            failure: None,
        })
    }

    fn spawn(socket: &Path, plan: &EnginePlan) -> std::io::Result<Self> {
        std::fs::create_dir_all(&plan.state)?;
        let log = plan.state.join(LOG);
        let file = File::create(&log)?;
        let child = Command::new(std::env::current_exe()?)
            .arg("engine")
            .arg("--config")
            .arg(&plan.config)
            .arg("--socket")
            .arg(socket)
            // GLib ends a process with the session's bus, and the show outlives the session.
            .env("DBUS_SESSION_BUS_ADDRESS", "disabled:")
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            // Ctrl-C in the window's terminal is not for the show.
            .process_group(0)
            .spawn()?;
        let process = Pid::from_child(&child);
        std::fs::write(
            plan.state.join(NUMBER),
            process.as_raw_nonzero().to_string(),
        )?;
        Ok(Self {
            process,
            socket: socket.to_owned(),
            child: Some(child),
            log,
            failure: None,
        })
    }

    /// Why it has ended, where it has not done what it should: the last it said.
    pub fn failure(&mut self) -> Option<String> {
        if self.failure.is_none()
            && let Some(child) = &mut self.child
            && let Ok(Some(status)) = child.try_wait()
        {
            let said = std::fs::read_to_string(&self.log).unwrap_or_default();
            let last = said.lines().rev().find(|line| !line.trim().is_empty());
            self.failure = Some(last.map_or_else(|| status.to_string(), str::to_owned));
        }
        self.failure.clone()
    }

    /// Has it end in good order. (Whoever answers now: a number may be another process's by then.)
    pub fn stop(self) {
        let answers = UnixStream::connect(&self.socket);
        let answering = answers.ok().and_then(|stream| peer(&stream));
        if answering == Some(self.process) {
            // It may be ending by itself.
            let _ = kill_process(self.process, Signal::TERM);
        }
    }
}

/// The process at the other end.
fn peer(stream: &UnixStream) -> Option<Pid> {
    let peer = rustix::net::sockopt::socket_peercred(stream).ok()?;
    Some(peer.pid)
}

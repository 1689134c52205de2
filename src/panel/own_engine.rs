//! The engine that `regie` alone starts where none answers: a process of its own, which outlives
//! the window unless the operator says otherwise.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::control::client::Client;

use super::EnginePlan;

/// The engine's log in its state directory.
const LOG: &str = "engine.log";

/// A started engine.
#[derive(Debug)]
pub struct OwnEngine {
    child: Child,
    log: PathBuf,
    failure: Option<String>,
}

impl OwnEngine {
    /// Starts one for `socket`, unless one answers there already.
    pub fn start(socket: &Path, plan: &EnginePlan) -> Option<Self> {
        if Client::connect(socket).is_ok() {
            return None;
        }
        match Self::spawn(socket, plan) {
            Ok(engine) => Some(engine),
            Err(error) => {
                tracing::error!("the engine cannot be started: {error}");
                None
            }
        }
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
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            // Ctrl-C in the window's terminal is not for the show.
            .process_group(0)
            .spawn()?;
        Ok(Self {
            child,
            log,
            failure: None,
        })
    }

    /// Why it has ended, where it has not done what it should: the last it said.
    pub fn failure(&mut self) -> Option<String> {
        if self.failure.is_none()
            && let Ok(Some(status)) = self.child.try_wait()
        {
            let said = std::fs::read_to_string(&self.log).unwrap_or_default();
            let last = said.lines().rev().find(|line| !line.trim().is_empty());
            self.failure = Some(last.map_or_else(|| status.to_string(), str::to_owned));
        }
        self.failure.clone()
    }

    /// Has it end in good order.
    pub fn stop(self) {
        if let Some(id) = rustix::process::Pid::from_raw(self.child.id() as i32) {
            // It may have ended by itself.
            let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
        }
    }
}

//! The engine that `regie` alone starts where none answers: a process of its own, which outlives
//! the window unless the operator says otherwise. While the window is there it starts an engine
//! that breaks again. A later window knows the engine again, and can end it.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::service::NOTIFY_SOCKET;
use crate::tongue::Tongue;

use super::EnginePlan;
use super::leash::Leash;

/// The engine's log in its state directory.
const LOG: &str = "engine.log";
/// Its process number, beside it.
const NUMBER: &str = "engine.pid";
/// Pauses before an engine that broke is started again: at once, then longer.
const PAUSES: [Duration; 4] = [
    Duration::ZERO,
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(5),
];
/// An engine that has run for so long had no trouble starting.
const WELL: Duration = Duration::from_secs(30);

/// Life of the process.
#[derive(Debug)]
enum Life {
    /// An earlier window started it; somebody else waits for its end.
    Adopted(Pid),
    /// It runs, since then; whether it has ever answered; where it says that it is well.
    Running(Child, Instant, bool, Option<Leash>),
    /// It broke after it had answered; it is started again at this moment.
    Broke(Instant),
    /// It ended before it answered: starting it again would not help. The last it said.
    Refused(String),
    /// It ended in good order.
    Ended,
}

/// An engine that a window started.
#[derive(Debug)]
pub struct OwnEngine {
    socket: PathBuf,
    plan: EnginePlan,
    life: Life,
    /// Starts since it last ran well. An engine that has answered once is tried for ever.
    starts: usize,
}

impl OwnEngine {
    /// Starts one for `socket`, unless one answers there already: that is ours if an earlier window
    /// started it.
    pub fn start(socket: &Path, plan: &EnginePlan) -> Option<Self> {
        let own = |life| Self {
            socket: socket.to_owned(),
            plan: plan.clone(),
            life,
            starts: 0,
        };
        if let Ok(stream) = UnixStream::connect(socket) {
            let noted = std::fs::read_to_string(plan.state.join(NUMBER)).ok()?;
            let noted = noted.trim().parse().ok().and_then(Pid::from_raw)?;
            return (peer(&stream) == Some(noted)).then(|| own(Life::Adopted(noted)));
        }
        Some(own(launch(socket, plan)))
    }

    /// The window has heard from whoever answers at the socket.
    pub fn on_answer(&mut self) {
        let Life::Running(child, _, answered, _) = &mut self.life else {
            return;
        };
        if std::mem::replace(answered, true) {
            return;
        }
        // The one that answers is the one that was started: another window may have been quicker.
        let number = child.id().to_string();
        let stream = UnixStream::connect(&self.socket).ok();
        if stream.and_then(|stream| peer(&stream)) == Some(Pid::from_child(child))
            && let Err(error) = std::fs::write(self.plan.state.join(NUMBER), number)
        {
            tracing::warn!("the engine's number cannot be noted: {error}");
        }
    }

    /// Notices its end, and starts it again where it broke. One that hangs is ended.
    pub fn look_after(&mut self, now: Instant) {
        match &mut self.life {
            Life::Running(child, since, answered, leash) => {
                if leash.take_if(|leash| leash.is_silent(now)).is_some() {
                    tracing::error!("the engine hangs: it is ended, and started again");
                    // It may have ended by itself.
                    let _ = child.kill();
                }
                if now.duration_since(*since) > WELL {
                    self.starts = 0;
                }
                let Ok(Some(status)) = child.try_wait() else {
                    return;
                };
                self.life = if status.success() {
                    Life::Ended
                } else if *answered || self.starts > 0 {
                    let pause = PAUSES[self.starts.min(PAUSES.len() - 1)];
                    self.starts += 1;
                    Life::Broke(now + pause)
                } else {
                    Life::Refused(last_words(&self.plan.state.join(LOG), &status.to_string()))
                };
            }
            Life::Broke(again) if now >= *again => {
                self.life = launch(&self.socket, &self.plan);
            }
            _ => {}
        }
    }

    /// What is wrong with it, for the operator.
    pub fn trouble(&self, tongue: Tongue) -> Option<String> {
        match &self.life {
            Life::Refused(reason) => {
                let text = tongue.tr("The engine does not start: {reason}");
                Some(text.replace("{reason}", reason))
            }
            Life::Broke(_) => Some(
                tongue
                    .tr("The engine broke. It is started again, and goes on as it was.")
                    .to_owned(),
            ),
            _ => None,
        }
    }

    /// Has it end in good order. (Whoever answers now: a number may be another process's by then.)
    pub fn stop(self) {
        let process = match &self.life {
            Life::Adopted(process) => *process,
            Life::Running(child, ..) => Pid::from_child(child),
            Life::Broke(_) | Life::Refused(_) | Life::Ended => return,
        };
        let answers = UnixStream::connect(&self.socket).ok();
        let answering = answers.and_then(|stream| peer(&stream));
        if answering == Some(process) {
            // It may be ending by itself.
            let _ = kill_process(process, Signal::TERM);
        }
    }
}

fn launch(socket: &Path, plan: &EnginePlan) -> Life {
    let leash = Leash::new(socket)
        .inspect_err(|error| tracing::warn!("an engine that hangs is not noticed: {error}"))
        .ok();
    let launched = (|| -> std::io::Result<Child> {
        std::fs::create_dir_all(&plan.state)?;
        let file = File::create(plan.state.join(LOG))?;
        let mut command = Command::new(std::env::current_exe()?);
        // The window's own supervisor is not the engine's.
        command
            .env_remove(NOTIFY_SOCKET)
            .env_remove("INVOCATION_ID");
        if let Some(leash) = &leash {
            command.env(NOTIFY_SOCKET, leash.path());
        }
        command
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
            .spawn()
    })();
    match launched {
        Ok(child) => Life::Running(child, Instant::now(), false, leash),
        Err(error) => Life::Refused(error.to_string()),
    }
}

/// The last line of a log, or `otherwise`.
fn last_words(log: &Path, otherwise: &str) -> String {
    const ENOUGH: u64 = 4096;
    let end = || -> std::io::Result<String> {
        let mut file = File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(ENOUGH)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let text = end().unwrap_or_default();
    let last = text.lines().rev().find(|line| !line.trim().is_empty());
    last.unwrap_or(otherwise).to_owned()
}

/// The process at the other end.
fn peer(stream: &UnixStream) -> Option<Pid> {
    let peer = rustix::net::sockopt::socket_peercred(stream).ok()?;
    Some(peer.pid)
}

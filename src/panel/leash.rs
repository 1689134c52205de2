//! What systemd would be for the engine that a window has started: hears that the show goes on, and says when
//! it does not any more. The window's main thread looks at it now and then, and never waits.

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// So long may an engine that runs be silent, as its unit has it (`WatchdogSec=`).
const LIMIT: Duration = Duration::from_secs(3);

/// The end of the line at which the engine says that it is well. Dropped, its file is removed.
#[derive(Debug)]
pub struct Leash {
    path: PathBuf,
    socket: UnixDatagram,
    /// When it was last heard; `None`: not on air yet.
    heard: Option<Instant>,
    /// It has said itself that it hangs.
    given_up: bool,
}

impl Leash {
    /// For the engine behind `socket`, before it is started.
    pub fn new(socket: &Path) -> std::io::Result<Self> {
        let path = socket.with_extension("notify");
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        // Left by a window that was killed.
        let _ = std::fs::remove_file(&path);
        let socket = UnixDatagram::bind(&path)?;
        socket.set_nonblocking(true)?;
        Ok(Self {
            path,
            socket,
            heard: None,
            given_up: false,
        })
    }

    /// Where the engine finds it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether an engine that was on air has gone silent. What it has said meanwhile is heard first: a window
    /// that was held up itself is no reason to end a show.
    pub fn is_silent(&mut self, now: Instant) -> bool {
        let mut words = [0; 512];
        while let Ok(length) = self.socket.recv(&mut words) {
            let said = String::from_utf8_lossy(&words[..length]);
            for word in said.lines() {
                match word {
                    "WATCHDOG=1" => (self.heard, self.given_up) = (Some(now), false),
                    "WATCHDOG=trigger" => self.given_up = true,
                    "STOPPING=1" => self.heard = None,
                    _ => {}
                }
            }
        }
        let is_late = |heard| now.duration_since(heard) > LIMIT;
        (self.heard).is_some_and(|heard| self.given_up || is_late(heard))
    }
}

impl Drop for Leash {
    fn drop(&mut self) {
        // It may have been taken over by another window's.
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn silence_counts_once_the_engine_was_on_air_and_not_while_it_ends() {
        let folder = tempfile::tempdir().unwrap();
        let mut leash = Leash::new(&folder.path().join("control.sock")).unwrap();
        let engine = UnixDatagram::unbound().unwrap();
        let say =
            |word: &str| engine.send_to(word.as_bytes(), folder.path().join("control.notify"));
        let begun = Instant::now();
        let at = |ms: u64| begun + Duration::from_millis(ms);
        // A start takes its time.
        assert!(!leash.is_silent(at(60_000)));
        say("READY=1").unwrap();
        assert!(!leash.is_silent(at(70_000)));
        say("STATUS=slides on air\nWATCHDOG=1").unwrap();
        assert!(!leash.is_silent(at(71_000)));
        assert!(!leash.is_silent(at(74_000)));
        assert!(leash.is_silent(at(74_001)));
        // Heard late is heard.
        say("WATCHDOG=1").unwrap();
        assert!(!leash.is_silent(at(90_000)));
        say("WATCHDOG=trigger").unwrap();
        assert!(leash.is_silent(at(90_100)));
        say("WATCHDOG=1").unwrap();
        assert!(!leash.is_silent(at(90_200)));
        say("STOPPING=1").unwrap();
        assert!(!leash.is_silent(at(99_000)));
    }
}

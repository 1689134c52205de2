//! The control socket: one JSON request a line, one reply a request, events after `subscribe`. The
//! messages are [`crate::model::message`]'s.

pub mod client;
pub mod monitor;
pub mod server;

use std::fs::{File, Permissions};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};

use crate::secret::redact;

/// The runtime directory of the service.
const SYSTEM: &str = "/run/regie";
/// The socket in its directory.
const NAME: &str = "control.sock";

/// A longer line is no request.
pub const MAX_LINE: u64 = 64 << 10;

/// Where a client looks when it is told nothing: the user's own engine, else the system's.
pub fn find_socket() -> PathBuf {
    let own = default_socket();
    let system = PathBuf::from(SYSTEM).join(NAME);
    if !own.exists() && system.exists() {
        system
    } else {
        own
    }
}

/// Where the socket lies when neither an argument, nor `REGIE_SOCKET`, nor the venue file says: in
/// the runtime directory of the service, of the user, or of the system.
pub fn default_socket() -> PathBuf {
    let own = std::env::var_os("RUNTIME_DIRECTORY").map(PathBuf::from);
    let user = || std::env::var_os("XDG_RUNTIME_DIR").map(|dir| PathBuf::from(dir).join("regie"));
    own.or_else(user)
        .unwrap_or_else(|| PathBuf::from(SYSTEM))
        .join(NAME)
}

/// What is read of an engine's last words.
const LAST_WORDS: u64 = 2000;

/// Why no engine answers at this socket, where the one that did not start has left word.
pub fn trouble(socket: &Path) -> Option<String> {
    let mut words = String::new();
    let file = File::open(trouble_file(socket)).ok()?;
    file.take(LAST_WORDS).read_to_string(&mut words).ok()?;
    let words = words.trim();
    (!words.is_empty()).then(|| words.to_owned())
}

/// Leaves word for panels that look for an engine here: keys are masked, and whoever may use the socket may
/// read it.
pub fn leave_trouble(socket: &Path, reason: &str) {
    let file = trouble_file(socket);
    let left = std::fs::write(&file, redact(reason))
        .and_then(|()| std::fs::set_permissions(&file, Permissions::from_mode(0o640)));
    if let Err(error) = left {
        tracing::debug!("no panel is told: {error}");
    }
}

/// An engine answers.
pub fn clear_trouble(socket: &Path) {
    // Most often there is none.
    let _ = std::fs::remove_file(trouble_file(socket));
}

fn trouble_file(socket: &Path) -> PathBuf {
    socket.with_extension("trouble")
}

/// Whether the other end still holds the connection. Does not wait, and takes nothing out of it.
fn is_open(stream: &UnixStream) -> bool {
    let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
    match recv(stream, &mut [0u8; 1], flags) {
        Ok((_, bytes)) => bytes > 0,
        Err(error) => matches!(error, Errno::AGAIN | Errno::INTR),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_that_does_not_start_leaves_word_without_keys() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("control.sock");
        assert_eq!(trouble(&socket), None);
        let _key = crate::secret::Secret::new("tr0uble-k3y");
        leave_trouble(&socket, "no encoder for tr0uble-k3y\n");
        assert_eq!(trouble(&socket).as_deref(), Some("no encoder for •••"));
        clear_trouble(&socket);
        assert_eq!(trouble(&socket), None);
        // Nobody is told, and nothing breaks.
        leave_trouble(&folder.path().join("gone/control.sock"), "x");
    }
}

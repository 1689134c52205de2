//! The control socket: one JSON request a line, one reply a request, events after `subscribe`. The
//! messages are [`crate::model::message`]'s.

pub mod client;
pub mod monitor;
pub mod server;

use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};

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

/// Whether the other end still holds the connection. Does not wait, and takes nothing out of it.
fn is_open(stream: &UnixStream) -> bool {
    let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
    match recv(stream, &mut [0u8; 1], flags) {
        Ok((_, bytes)) => bytes > 0,
        Err(error) => matches!(error, Errno::AGAIN | Errno::INTR),
    }
}

//! The control socket: one JSON request a line, one reply a request, events after `subscribe`. The
//! messages are [`crate::model::message`]'s.

pub mod client;
pub mod monitor;
pub mod server;

use std::path::PathBuf;

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

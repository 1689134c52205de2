//! Words to whoever supervises this process, by the socket that `NOTIFY_SOCKET` names (`sd_notify(3)`):
//! systemd, or the window that has started an engine of its own.
//!
//! They are sent and never waited for: a supervisor that has stopped reading must not hold up the engine,
//! as libraries' senders do once its queue is full. Any thread may call.

use std::io::ErrorKind;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::OnceLock;
use std::time::Duration;

/// The socket's name in the environment.
pub const SOCKET: &str = "NOTIFY_SOCKET";

/// The way to the supervisor.
struct Line {
    socket: UnixDatagram,
    to: SocketAddr,
}

/// Whether somebody supervises this process.
pub fn is_supervised() -> bool {
    std::env::var_os(SOCKET).is_some()
}

/// Whether that is systemd, and this process a unit of its: a terminal in a desktop has the number of an
/// invocation as well, but no socket.
pub fn is_unit() -> bool {
    is_supervised() && std::env::var_os("INVOCATION_ID").is_some()
}

/// The programme runs. `false`: it could not be said now, and should be said again.
pub fn ready() -> bool {
    send("READY=1")
}

/// The engine is ending.
pub fn stopping() {
    send("STOPPING=1");
}

/// It is well: what it is for goes on.
pub fn beat() {
    send("WATCHDOG=1");
}

/// It is not, and never will be by itself: what the watchdog would do in a moment is to be done now.
pub fn give_up() {
    send("WATCHDOG=trigger");
}

/// One line for `systemctl status`.
pub fn status(line: &str) -> bool {
    // A line's end would begin another word.
    send(&format!("STATUS={}", line.replace('\n', " ")))
}

/// The start takes so much longer, from now on.
pub fn extend_start(by: Duration) {
    send(&format!("EXTEND_TIMEOUT_USEC={}", by.as_micros()));
}

/// `false` where the supervisor's queue is full. Without a supervisor there is nobody to tell, and with one
/// that has gone neither.
fn send(text: &str) -> bool {
    static LINE: OnceLock<Option<Line>> = OnceLock::new();
    let Some(line) = LINE.get_or_init(connect) else {
        return true;
    };
    match line.socket.send_to_addr(text.as_bytes(), &line.to) {
        Ok(_) => true,
        Err(error) => error.kind() != ErrorKind::WouldBlock,
    }
}

fn connect() -> Option<Line> {
    let name = std::env::var_os(SOCKET)?;
    let made = (|| -> std::io::Result<Line> {
        let to = match name.as_bytes().split_first() {
            Some((b'@', hidden)) => SocketAddr::from_abstract_name(hidden)?,
            _ => SocketAddr::from_pathname(&name)?,
        };
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        Ok(Line { socket, to })
    })();
    made.inspect_err(|error| tracing::warn!("the supervisor cannot be told anything: {error}"))
        .ok()
}

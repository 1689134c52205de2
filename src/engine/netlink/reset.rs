//! Ends a connection with a reset instead of a farewell. A connection that is closed while its peer
//! takes nothing lives on in the kernel until the peer has taken all that was written: for minutes it
//! would fill the very link that is too narrow, and the server would hold the stream's name for it.

use std::time::Duration;

use rustix::io::Errno;
use rustix::net::sockopt::set_socket_linger;
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

/// Whoever holds the socket of this inode in this process: when it is closed, what has not left is
/// thrown away, and the peer is told at once.
pub fn when_closed(inode: u32) -> rustix::io::Result<()> {
    let name = format!("socket:[{inode}]");
    let descriptors = std::fs::read_dir("/proc/self/fd").map_err(|_| Errno::NOENT)?;
    let found = descriptors.flatten().find(|entry| {
        let target = std::fs::read_link(entry.path());
        target.is_ok_and(|target| target.to_str() == Some(name.as_str()))
    });
    let number = found.and_then(|entry| entry.file_name().to_str()?.parse().ok());
    // The kernel hands us a descriptor of our own for it: the number may be somebody else's by now.
    let own = pidfd_open(getpid(), PidfdFlags::empty())?;
    let number = number.ok_or(Errno::NOENT)?;
    let socket = pidfd_getfd(own, number, PidfdGetfdFlags::empty())?;
    set_socket_linger(socket, Some(Duration::ZERO))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::io::{ErrorKind, Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsRawFd;

    #[test]
    fn the_peer_is_told_at_once_although_it_has_not_read_all() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut theirs = listener.accept().unwrap().0;
        ours.write_all(&[1; 1000]).unwrap();
        let link = std::fs::read_link(format!("/proc/self/fd/{}", ours.as_raw_fd())).unwrap();
        let inode = link.to_str().unwrap();
        let inode = inode.strip_prefix("socket:[").unwrap();
        when_closed(inode.strip_suffix("]").unwrap().parse().unwrap()).unwrap();
        drop(ours);
        let mut buffer = Vec::new();
        let error = theirs.read_to_end(&mut buffer).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        assert_eq!(when_closed(1), Err(Errno::NOENT));
    }
}

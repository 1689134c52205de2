//! The panel's end of monitors and meters: asks the engine for views on a connection of its own,
//! and reads pictures and levels from the memory that the engine lends.
//!
//! [`Reader::open`] and [`Reader::request`] wait for the engine; all else returns at once, from any
//! thread. Dropped, the engine takes the views away.
//!
//! ```no_run
//! # use regie::control::monitor::{OpenMonitorError, Reader};
//! # use regie::model::{View, ViewRequest};
//! # fn main() -> Result<(), OpenMonitorError> {
//! let views = [ViewRequest { of: View::Programme, width: 960, height: 540, rate: 15 }];
//! let mut monitor = Reader::open("/run/regie/control.sock".as_ref(), &views)?;
//! let (mut picture, mut newest) = (Vec::new(), 0);
//! while monitor.is_connected() {
//!     if let Some(number) = monitor.picture(0, newest, &mut picture)? {
//!         newest = number; // and `picture` is the new one
//!     }
//!     let mix = monitor.levels()?[0];
//! # let _ = mix;
//! }
//! # Ok(())
//! # }
//! ```

use std::io::{self, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use crate::model::{Refused, Reply, Request, ViewRequest};
use crate::monitor::Levels;
use crate::monitor::memory::LentMemory;

use super::client::{AskError, REPLY};

/// The reply is one short line; a refusal names every source.
const MAX_REPLY: usize = super::MAX_LINE as usize;

/// Why there are no monitors.
#[derive(Debug, thiserror::Error)]
pub enum OpenMonitorError {
    /// Nobody listens, or it broke off.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The engine does not show that.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The memory that it lent cannot be read.
    #[error("the engine's pictures cannot be read: {0}")]
    Memory(#[from] io::Error),
}

/// Pictures and levels as they are now.
#[derive(Debug)]
pub struct Reader {
    stream: UnixStream,
    memory: LentMemory,
    /// What was read last; a torn read leaves it as it was.
    levels: Vec<Levels>,
    levels_number: u64,
    /// When they last were newer than before.
    levels_grew: Instant,
    spare: Vec<u8>,
    /// Numbers of this memory's pictures are counted on from here.
    base: u64,
    newest: u64,
}

impl Reader {
    /// Connects and asks for these views. Waits for the engine's answer.
    pub fn open(socket: &Path, views: &[ViewRequest]) -> Result<Self, OpenMonitorError> {
        let no_engine = |cause| AskError::NoEngine {
            path: socket.to_owned(),
            cause,
        };
        let stream = UnixStream::connect(socket).map_err(no_engine)?;
        stream.set_read_timeout(Some(REPLY)).map_err(no_engine)?;
        stream.set_write_timeout(Some(REPLY)).map_err(no_engine)?;
        let memory = ask(&stream, views)?;
        Ok(Self {
            levels: vec![Levels::NOTHING; memory.level_count()],
            stream,
            memory,
            levels_number: 0,
            levels_grew: Instant::now(),
            spare: Vec::new(),
            base: 0,
            newest: 0,
        })
    }

    /// Shows other views from now on; where that is refused, the old ones stay. Numbers of pictures
    /// go on growing: what was kept as `after` still works. Waits for the engine's answer.
    pub fn request(&mut self, views: &[ViewRequest]) -> Result<(), OpenMonitorError> {
        self.memory = ask(&self.stream, views)?;
        self.levels_number = 0;
        self.levels_grew = Instant::now();
        self.base = self.newest;
        Ok(())
    }

    /// The newest levels, renewed 20 times a second: first the mix, then the venue's sources in the
    /// venue's order.
    pub fn levels(&mut self) -> io::Result<Vec<Levels>> {
        let newer = (self.memory).levels(self.levels_number, &mut self.levels)?;
        if let Some(number) = newer {
            self.levels_number = number;
            self.levels_grew = Instant::now();
        }
        Ok(self.levels.clone())
    }

    /// How long [`Self::levels`] has found nothing new. The engine writes levels 20 times a second
    /// for as long as it is well: for one who reads them as often, more than a second means that
    /// pictures and levels are no longer what is so. Nothing while there are newer ones to be read.
    pub fn age(&self) -> Duration {
        let newest = self.memory.newest_levels().unwrap_or(0);
        if newest > self.levels_number {
            Duration::ZERO
        } else {
            self.levels_grew.elapsed()
        }
    }

    /// The newest picture of view `view` (its place in the request), where that is newer than
    /// number `after` (0: any): it is in `into` then, and the answer is its number. Otherwise
    /// `into` stays as it is.
    ///
    /// The picture is I420, BT.709, limited range, as `gst_video::VideoInfo` lays out that size:
    /// rows of [`ViewRequest::picture_bytes`].
    pub fn picture(
        &mut self,
        view: usize,
        after: u64,
        into: &mut Vec<u8>,
    ) -> io::Result<Option<u64>> {
        let after = after.saturating_sub(self.base);
        let number = self.memory.picture(view, after, &mut self.spare)?;
        let Some(number) = number.map(|number| self.base + number) else {
            return Ok(None);
        };
        std::mem::swap(into, &mut self.spare);
        self.newest = self.newest.max(number);
        Ok(Some(number))
    }

    /// Whether the engine is still there. Does not wait.
    pub fn is_connected(&self) -> bool {
        super::is_open(&self.stream)
    }
}

/// One request and its answer, with the memory that comes along.
fn ask(mut stream: &UnixStream, views: &[ViewRequest]) -> Result<LentMemory, OpenMonitorError> {
    let mut line = Request::Monitor(views.to_vec()).to_line();
    line.push('\n');
    stream.write_all(line.as_bytes()).map_err(AskError::from)?;
    let (line, descriptor) = hear(stream).map_err(AskError::from)?;
    match serde_json::from_slice(&line).map_err(AskError::from)? {
        Reply::Refused(refused) => Err(refused.into()),
        Reply::Monitor => {
            let descriptor = descriptor.ok_or_else(|| {
                io::Error::other("no descriptor came; this process may have too many files open")
            })?;
            Ok(LentMemory::adopt(descriptor, views)?)
        }
        Reply::Done | Reply::Join { .. } | Reply::Devices { .. } | Reply::Snapshot { .. } => {
            Err(io::Error::new(io::ErrorKind::InvalidData, "it answers something else").into())
        }
    }
}

/// One line, and the descriptor that came with it.
fn hear(stream: &UnixStream) -> io::Result<(Vec<u8>, Option<OwnedFd>)> {
    let mut line = Vec::new();
    let mut descriptor = None;
    let mut bytes = [0; 4096];
    while line.last() != Some(&b'\n') {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::CMSG_CLOEXEC;
        let received = match recvmsg(
            stream,
            &mut [IoSliceMut::new(&mut bytes)],
            &mut control,
            flags,
        ) {
            Err(rustix::io::Errno::INTR) => continue,
            received => received?,
        };
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                descriptor = descriptors.last().or(descriptor);
            }
        }
        if received.bytes == 0 || line.len() > MAX_REPLY {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        line.extend_from_slice(&bytes[..received.bytes]);
    }
    Ok((line, descriptor))
}

//! The engine's end of the control socket. Two threads a client: one reads requests and waits for
//! their answers, one writes lines. What a client has not read is bounded; a client that falls
//! behind is cut off, and gets a full snapshot when it is back.

use std::io::{BufRead, BufReader, IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::time::Duration;

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

use crate::devices;
use crate::engine::note::{Cut, Line, Note, Notes, Subscriber, Watching, Wish};
use crate::model::message::to_line;
use crate::model::{Refused, Reply, Request};

use super::MAX_LINE;

/// Lines that may wait for a client.
const MAX_QUEUE: usize = 512;
/// A client that takes nothing for so long is cut off.
const WRITE: Duration = Duration::from_secs(5);
/// Longest wait for the engine's answer: its disk may be slow.
const ANSWER: Duration = Duration::from_secs(20);
/// More clients than this are turned away.
const MAX_CLIENTS: usize = 64;

/// Why the control socket cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// An engine answers there.
    #[error("another engine is running: {0} answers")]
    Busy(PathBuf),
    /// The system refuses.
    #[error("the control socket {path} cannot be opened: {cause}")]
    System {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
}

/// The listening socket. Dropped, its file is removed.
#[derive(Debug)]
pub struct ControlServer {
    path: PathBuf,
}

impl ControlServer {
    /// Opens the socket and serves it on threads of its own.
    pub fn start(path: &Path, notes: Notes) -> Result<Self, ListenError> {
        let system = |cause| ListenError::System {
            path: path.to_owned(),
            cause,
        };
        if UnixStream::connect(path).is_ok() {
            return Err(ListenError::Busy(path.to_owned()));
        }
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(system)?;
        }
        // Left behind by an engine that was killed. Anything else is somebody's.
        if std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket()) {
            std::fs::remove_file(path).map_err(system)?;
        }
        let listener = UnixListener::bind(path).map_err(system)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660)).map_err(system)?;
        std::thread::Builder::new()
            .name("control".into())
            .spawn(move || accept(&listener, &notes))
            .map_err(system)?;
        Ok(Self {
            path: path.to_owned(),
        })
    }
}

impl Drop for ControlServer {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

fn accept(listener: &UnixListener, notes: &Notes) {
    let clients = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming() {
        let stream = match stream {
            Ok(stream) => stream,
            Err(error) => {
                tracing::warn!("a control client could not be accepted: {error}");
                // Out of descriptors, most likely: give others time to close theirs.
                std::thread::sleep(Duration::from_millis(100));
                continue;
            }
        };
        if clients.load(Ordering::Relaxed) >= MAX_CLIENTS {
            tracing::warn!("more than {MAX_CLIENTS} control clients; one turned away");
            continue;
        }
        let seat = Seat::take(&clients);
        let notes = notes.clone();
        let served = std::thread::Builder::new()
            .name("control-client".into())
            .spawn(move || {
                let _seat = seat;
                serve(&stream, &notes);
            });
        if let Err(error) = served {
            tracing::warn!("no thread for a control client: {error}");
        }
    }
}

/// One client's place in the count.
struct Seat(Arc<AtomicUsize>);

impl Seat {
    fn take(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count.clone())
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn serve(stream: &UnixStream, notes: &Notes) {
    let (Ok(reading), Ok(writing), Ok(closing)) =
        (stream.try_clone(), stream.try_clone(), stream.try_clone())
    else {
        return;
    };
    let (lines, queue) = sync_channel::<Line>(MAX_QUEUE);
    let writer = std::thread::Builder::new()
        .name("control-writer".into())
        .spawn(move || write(writing, &queue));
    let cut: Arc<Cut> = Arc::new(Cut(Box::new(move || {
        // Already closed is as good.
        let _ = closing.shutdown(Shutdown::Both);
    })));
    read(reading, &lines, &cut, notes);
    // The engine may still hold a sending end; the writer ends with the connection.
    drop(lines);
    if writer.is_err() {
        (cut.0)();
    }
}

fn read(stream: UnixStream, lines: &SyncSender<Line>, cut: &Arc<Cut>, notes: &Notes) {
    let mut reader = BufReader::new(stream);
    let mut subscribed = false;
    // The views of this connection end with it.
    let mut watching: Option<Watching> = None;
    loop {
        let mut line = String::new();
        match reader.by_ref().take(MAX_LINE).read_line(&mut line) {
            Ok(0) => return,
            Ok(_) if !line.ends_with('\n') && line.len() as u64 >= MAX_LINE => {
                let refused = Refused::new(
                    "invalid-request",
                    format!("a line is longer than {MAX_LINE} bytes"),
                );
                answer(lines, &Reply::Refused(refused));
                return;
            }
            Ok(_) => {}
            Err(_) => {
                (cut.0)();
                return;
            }
        }
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        let reply = match Request::parse(line) {
            Ok(Request::Subscribe) if subscribed => Reply::Refused(Refused::new(
                "subscribed",
                "this connection has subscribed already",
            )),
            Ok(Request::Subscribe) => {
                subscribed = true;
                let subscriber = Subscriber {
                    lines: lines.clone(),
                    cut: cut.clone(),
                };
                // The snapshot is queued by then, before any later reply.
                if ask(notes, |done| Note::Subscribe(subscriber, done)).is_err() {
                    return;
                }
                continue;
            }
            // Memory that waits to be fetched is held: one at a time.
            Ok(Request::Monitor(_)) if watching.as_ref().is_some_and(|own| !own.is_fetched()) => {
                Reply::Refused(Refused::new(
                    "slow",
                    "the views asked for before have not been fetched yet",
                ))
            }
            Ok(Request::Monitor(views)) => {
                let wish = Wish {
                    views,
                    instead_of: watching.as_ref().map(Watching::claim),
                    cut: cut.clone(),
                };
                match ask(notes, |done| Note::Monitor(wish, done)).flatten() {
                    Ok((views, memory)) => {
                        watching = Some(views);
                        if !lend(lines, memory) {
                            return;
                        }
                        continue;
                    }
                    Err(refused) => Reply::Refused(refused),
                }
            }
            // A card may take seconds to answer: this client waits, and nobody else.
            Ok(Request::Devices) => Reply::Devices {
                devices: Box::new(devices::inventory()),
            },
            Ok(request) => {
                ask(notes, |reply| Note::Request(request, reply)).unwrap_or_else(Reply::Refused)
            }
            Err(refused) => Reply::Refused(refused),
        };
        if !answer(lines, &reply) {
            return;
        }
    }
}

/// Asks the engine thread and waits for its answer.
fn ask<T>(notes: &Notes, note: impl FnOnce(Sender<T>) -> Note) -> Result<T, Refused> {
    let (sender, answer) = channel();
    notes.send(note(sender));
    answer.recv_timeout(ANSWER).map_err(|error| match error {
        RecvTimeoutError::Disconnected => Refused::new("stopping", "the engine is ending"),
        RecvTimeoutError::Timeout => Refused::new(
            "slow",
            "no answer yet; the change may have been made, but it is not known to be on disk",
        ),
    })
}

/// Queues an answer; waits while the client is busy reading, as it has asked for it.
fn answer(lines: &SyncSender<Line>, reply: &Reply) -> bool {
    let text: Arc<str> = to_line(reply).into();
    lines.send(text.into()).is_ok()
}

/// Queues the answer that takes memory along.
fn lend(lines: &SyncSender<Line>, memory: OwnedFd) -> bool {
    let line = Line {
        text: to_line(&Reply::Monitor).into(),
        memory: Some(memory),
    };
    lines.send(line).is_ok()
}

fn write(stream: UnixStream, queue: &Receiver<Line>) {
    // Without it a client that does not read would hold this thread for ever.
    let _ = stream.set_write_timeout(Some(WRITE));
    while let Ok(line) = queue.recv() {
        if send(&stream, &line).is_err() {
            break;
        }
    }
    let _ = stream.shutdown(Shutdown::Both);
}

/// Sends a line; its first byte takes the memory along.
fn send(mut stream: &UnixStream, line: &Line) -> std::io::Result<()> {
    let mut bytes = line.text.as_bytes().to_vec();
    bytes.push(b'\n');
    let mut sent = 0;
    if let Some(memory) = &line.memory {
        let descriptors = [memory.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        control.push(SendAncillaryMessage::ScmRights(&descriptors));
        let parts = [IoSlice::new(&bytes)];
        sent = sendmsg(stream, &parts, &mut control, SendFlags::NOSIGNAL)?;
    }
    stream.write_all(&bytes[sent..])
}

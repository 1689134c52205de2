//! Laptops that publish by SRT, all at one port; the stream id says which source each one is.
//!
//! GStreamer's SRT listener takes one caller and swallows the second, and libsrt's has one
//! passphrase for all. So each caller has a listener of its own, with its source's key, at a port of
//! this machine only; before them stands a [`front::Front`] on a thread of its own, which reads
//! nothing but the opening handshakes and passes all else on. Encryption, loss and latency are
//! libsrt's.

mod call;
mod cookie;
mod front;
mod handshake;
mod limits;
mod lock;
mod mailbox;
mod media;
mod pictures;
mod wish;

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::engine::note::{Note, Notes, Protocol};
use crate::engine::timebase::Timebase;

use super::Registry;
use front::Front;
use handshake::Refusal;
use mailbox::{Letter, Mail, Mailbox, mailbox};

/// Seconds between two attempts to listen.
const LISTEN_AGAIN: i64 = 3;

/// The running door. Dropped, it says goodbye to its callers and stops.
#[derive(Debug)]
pub struct Door {
    mailbox: Mailbox,
    thread: Option<JoinHandle<()>>,
}

impl Door {
    /// Starts the door's thread. Whether it can listen is told by a [`Note::Door`]; it is tried for
    /// ever.
    pub fn start(
        listen: SocketAddr,
        registry: Arc<Registry>,
        timebase: Timebase,
        notes: Notes,
    ) -> std::io::Result<Self> {
        let (mailbox, mail) = mailbox()?;
        let own = mailbox.clone();
        let thread = std::thread::Builder::new()
            .name("srt".into())
            .spawn(move || run(listen, &registry, &timebase, &notes, &own, &mail))?;
        Ok(Self {
            mailbox,
            thread: Some(thread),
        })
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.mailbox.send(Letter::Close);
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has nothing more to say.
            let _ = thread.join();
        }
    }
}

fn run(
    listen: SocketAddr,
    registry: &Arc<Registry>,
    timebase: &Timebase,
    notes: &Notes,
    mailbox: &Mailbox,
    mail: &Mail,
) {
    loop {
        match Front::listen(listen, registry.clone(), timebase.clone(), mailbox.clone()) {
            Ok(front) => {
                notes.send(Note::Door(Protocol::Srt, Ok(())));
                return front.serve(mail);
            }
            Err(error) => notes.send(Note::Door(Protocol::Srt, Err(error.to_string()))),
        }
        let pause = Timespec {
            tv_sec: LISTEN_AGAIN,
            tv_nsec: 0,
        };
        let bell = &mut [PollFd::from_borrowed_fd(mail.bell(), PollFlags::IN)];
        if poll(bell, Some(&pause)).is_err() {
            std::thread::sleep(Duration::from_secs(1));
        }
        if mail
            .take()
            .iter()
            .any(|letter| matches!(letter, Letter::Close))
        {
            return;
        }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Rogue => "its handshake makes no sense",
            Self::Version => "it speaks SRT before version 1.3, which has no stream ids",
            Self::WrongKey => "its passphrase is not the source's key",
            Self::KeyMissing => "it has a passphrase and the source has no key, or the reverse",
            Self::BadRequest => "its streamid is neither ingest/ID nor #!::r=ingest/ID,m=publish",
            Self::Overload => "it comes too often",
            Self::Forbidden => "the operator has released it",
            Self::NotFound => "no such source",
            Self::BadMode => "it wants to play, and here one publishes: play by RTSP",
            Self::Conflict => "somebody else is publishing already",
            Self::Internal => "its stream cannot be taken",
        })
    }
}

//! What the door's thread hears beside its sockets: a queue, and a descriptor that wakes it up.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use rustix::event::{EventfdFlags, eventfd};

use crate::engine::pipeline::Pipe;

/// One message. Calls are told apart by their numbers.
#[derive(Debug)]
pub enum Letter {
    /// The call's pipeline runs, or cannot.
    Opened(u64, Result<Pipe, String>),
    /// The call's stream is over, for this reason.
    Ended(u64, String),
    /// The call has to go: its place is another's.
    Evict(u64),
    /// The door closes.
    Close,
}

/// Takes letters from any thread; never blocks.
#[derive(Debug, Clone)]
pub struct Mailbox {
    letters: Sender<Letter>,
    bell: Arc<OwnedFd>,
}

/// Where they come out.
#[derive(Debug)]
pub struct Mail {
    letters: Receiver<Letter>,
    bell: Arc<OwnedFd>,
}

/// Both ends.
pub fn mailbox() -> std::io::Result<(Mailbox, Mail)> {
    let bell = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
    let (sender, letters) = channel();
    let mailbox = Mailbox {
        letters: sender,
        bell: bell.clone(),
    };
    Ok((mailbox, Mail { letters, bell }))
}

impl Mailbox {
    /// Hands a letter over. After the door has closed it goes nowhere.
    pub fn send(&self, letter: Letter) {
        let _ = self.letters.send(letter);
        // It can only be refused where it rings already.
        let _ = rustix::io::write(&self.bell, &1u64.to_ne_bytes());
    }
}

impl Mail {
    /// Readable when there is a letter.
    pub fn bell(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }

    /// All letters that have come.
    pub fn take(&self) -> Vec<Letter> {
        let mut count = [0; 8];
        // It does not ring: nothing is lost, the queue is what counts.
        let _ = rustix::io::read(&self.bell, &mut count);
        self.letters.try_iter().collect()
    }
}

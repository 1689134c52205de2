//! The show on disk, and the last venue file that was good. Written by a thread of its own, so that a slow disk holds up answers but not
//! the show; a command is answered when its state is on disk (`fsync`, then renamed into place).

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use crate::model::ShowState;
use crate::model::message::Reply;
use crate::venue::good;

use super::note::{Note, Notes};

/// The state file's name in the state directory.
const FILE: &str = "show.json";

/// What was found on disk at the start.
#[derive(Debug)]
pub enum Recalled {
    /// Nothing: the first start here.
    Nothing,
    /// The show as it was.
    Show(ShowState),
    /// Something that is not a show; it lies under another name now.
    Damaged {
        /// Where it lies.
        aside: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// What is to be written.
enum Entry {
    /// One state, and who waits for it.
    Show(ShowState, Option<Sender<Reply>>),
    /// A venue file that has proved good.
    Venue(good::Text),
}

/// The writing thread. Dropped, it finishes what it has.
#[derive(Debug)]
pub struct Memory {
    queue: Option<Sender<Entry>>,
    thread: Option<JoinHandle<()>>,
}

/// Reads what lies in `directory`.
pub fn recall(directory: &Path) -> Recalled {
    let path = directory.join(FILE);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Recalled::Nothing,
        Err(error) => return set_aside(&path, error.to_string()),
    };
    match serde_json::from_str(&text) {
        Ok(show) => Recalled::Show(show),
        Err(error) => set_aside(&path, error.to_string()),
    }
}

fn set_aside(path: &Path, reason: String) -> Recalled {
    let free = (1..1000)
        .map(|n| path.with_file_name(format!("{FILE}.damaged-{n}")))
        .find(|aside| !aside.exists());
    let aside = free.unwrap_or_else(|| path.with_file_name(format!("{FILE}.damaged")));
    let reason = match std::fs::rename(path, &aside) {
        Ok(()) => reason,
        Err(error) => format!("{reason}; it cannot be set aside: {error}"),
    };
    Recalled::Damaged { aside, reason }
}

impl Memory {
    /// Starts the writing thread for `directory`, which is made when it is first needed.
    pub fn start(directory: PathBuf, notes: Notes) -> std::io::Result<Self> {
        let (queue, writes) = channel();
        let thread = std::thread::Builder::new()
            .name("memory".into())
            .spawn(move || run(&directory, &writes, &notes))?;
        Ok(Self {
            queue: Some(queue),
            thread: Some(thread),
        })
    }

    /// Has the show written; `reply` is answered when it is on disk. Where it cannot be, the show
    /// goes on all the same: the answer is the same, and a note tells the engine.
    pub fn keep(&self, show: &ShowState, reply: Option<Sender<Reply>>) {
        if let Some(queue) = &self.queue {
            // The thread lives until the queue is dropped.
            let _ = queue.send(Entry::Show(show.clone(), reply));
        }
    }

    /// Has the venue file kept, for a start that finds a broken one.
    pub fn keep_venue(&self, text: good::Text) {
        if let Some(queue) = &self.queue {
            let _ = queue.send(Entry::Venue(text));
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(directory: &Path, writes: &Receiver<Entry>, notes: &Notes) {
    while let Ok(first) = writes.recv() {
        // Whatever has queued up meanwhile: only the newest state matters, all are answered.
        let (mut newest, mut replies) = (None, Vec::new());
        for entry in std::iter::once(first).chain(writes.try_iter()) {
            match entry {
                Entry::Show(show, reply) => {
                    newest = Some(show);
                    replies.extend(reply);
                }
                Entry::Venue(text) => {
                    if let Err(error) = text.keep(directory) {
                        tracing::warn!("the venue file is not kept for a worse day: {error}");
                    }
                }
            }
        }
        if let Some(show) = newest {
            let result = write(directory, &show);
            notes.send(Note::Saved(result.map_err(|error| error.to_string())));
        }
        for reply in replies {
            // A client that has gone does not wait.
            let _ = reply.send(Reply::Done);
        }
    }
}

fn write(directory: &Path, show: &ShowState) -> std::io::Result<()> {
    let text = serde_json::to_string_pretty(show)?;
    std::fs::create_dir_all(directory)?;
    let (path, new) = (directory.join(FILE), directory.join(format!("{FILE}.new")));
    let mut file = File::create(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&new, &path)?;
    // The new name is on disk as well.
    File::open(directory)?.sync_all()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn show() -> ShowState {
        ShowState {
            programme: "slides".parse().unwrap(),
            preview: "speaker".parse().unwrap(),
            slate: true,
            slate_until: Some(1_800_000_000_000),
            roles: BTreeMap::new(),
            sources: BTreeMap::new(),
            outputs: BTreeMap::new(),
        }
    }

    #[test]
    fn what_is_kept_is_recalled_and_answered_only_then() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("deep/state");
        let (sender, notes) = channel();
        let memory = Memory::start(directory.clone(), Notes::new(sender)).unwrap();
        assert!(matches!(recall(&directory), Recalled::Nothing));
        let (reply, answer) = channel();
        memory.keep(&show(), Some(reply));
        assert_eq!(answer.recv().unwrap(), Reply::Done);
        let Recalled::Show(found) = recall(&directory) else {
            panic!("not recalled");
        };
        assert_eq!(found, show());
        assert!(matches!(notes.recv().unwrap(), Note::Saved(Ok(()))));
    }

    #[test]
    fn a_damaged_file_is_set_aside_and_never_overwrites_another() {
        let folder = tempfile::tempdir().unwrap();
        for n in 1..=2 {
            std::fs::write(folder.path().join(FILE), "{\"programme\": 7").unwrap();
            let Recalled::Damaged { aside, reason } = recall(folder.path()) else {
                panic!("not damaged");
            };
            assert_eq!(aside, folder.path().join(format!("show.json.damaged-{n}")));
            assert!(aside.exists() && !reason.is_empty());
            assert!(matches!(recall(folder.path()), Recalled::Nothing));
        }
    }

    #[test]
    fn a_disk_that_refuses_is_reported_and_nobody_waits_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let (sender, notes) = channel();
        let memory = Memory::start(folder.path().to_owned(), Notes::new(sender)).unwrap();
        // Root may write everywhere, but not over a folder.
        std::fs::create_dir(folder.path().join("show.json.new")).unwrap();
        let (reply, answer) = channel();
        memory.keep(&show(), Some(reply));
        assert_eq!(answer.recv().unwrap(), Reply::Done);
        assert!(matches!(notes.recv().unwrap(), Note::Saved(Err(_))));
    }
}

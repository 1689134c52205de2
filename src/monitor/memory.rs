//! The memory between engine and panel: its layout, the engine's end and the panel's.
//!
//! ```text
//! 0       magic "regiemon", version, number of levels, number of views   (u32, little endian)
//! 24      the reader's looks (u64, little endian); all of this on one page
//! then    the levels' track, then one track per view, in the order of the request:
//!           one page: newest sequence, sequences of the three slots   (u64, little endian)
//!           three slots, each rounded up to whole pages
//! ```
//!
//! What is written as number `n` of a track, from 1 on, goes to slot `n % 3`, whose sequence is 0
//! meanwhile; last comes the track's newest sequence. A reader takes the newest slot and looks at
//! its sequence before and after: if both times it is the one it wants, what it has read is whole.
//! It has two pictures' time to read before the slot is used again.
//!
//! The reader counts its looks: whenever it takes the memory over, and whenever it looks for a
//! picture or levels, it writes a number that it has not written before. That is all that it
//! writes. While the number stays as it is, nobody looks, and the engine does not paint.
//!
//! Nothing is mapped: both ends copy by system calls, so that the other end cannot make them fault.
//! Both may write; the size is sealed. What a reader spoils is its own.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering, fence};

use rustix::fs::{FallocateFlags, MemfdFlags, SealFlags, fallocate, fcntl_add_seals, memfd_create};

use crate::model::ViewRequest;
use crate::model::monitor::SLOTS;

use super::levels::{BYTES, Levels};

const MAGIC: [u8; 8] = *b"regiemon";
const VERSION: u32 = 2;
const PAGE: u64 = 4096;
/// Where the reader counts its looks.
const LOOKS: u64 = 24;
/// More levels than this are no regie.
const MAX_LEVELS: u32 = 4096;
/// How often a reader that was overtaken while reading tries again.
const TRIES: usize = 3;

/// Where everything lies; computed alike by both ends.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Plan {
    levels: Track,
    views: Vec<Track>,
    size: u64,
}

/// What is written again and again to the same place, in three slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Track {
    at: u64,
    /// Bytes of one slot that are used.
    bytes: u64,
}

impl Plan {
    fn new(views: &[ViewRequest], levels: u32) -> Self {
        let mut end = PAGE;
        let mut place = |bytes: u64| {
            let track = Track { at: end, bytes };
            end = track.end();
            track
        };
        Self {
            levels: place(u64::from(levels) * BYTES as u64),
            views: views
                .iter()
                .map(|view| place(view.picture_bytes()))
                .collect(),
            size: end,
        }
    }

    fn view(&self, index: usize) -> io::Result<Track> {
        let track = self.views.get(index).copied();
        track.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no such view"))
    }
}

impl Track {
    fn slot(&self, sequence: u64) -> u64 {
        self.at + PAGE + sequence % SLOTS as u64 * self.bytes.next_multiple_of(PAGE)
    }

    /// Where the sequence of a slot lies.
    fn mark(&self, sequence: u64) -> u64 {
        self.at + 8 + sequence % SLOTS as u64 * 8
    }

    fn end(&self) -> u64 {
        self.slot(SLOTS as u64 - 1) + self.bytes.next_multiple_of(PAGE)
    }
}

/// The engine's end: written by one thread.
#[derive(Debug)]
pub struct OwnMemory {
    file: Arc<File>,
    plan: Plan,
    /// Sequences so far: of the levels, then of every view.
    written: Vec<u64>,
    scratch: Vec<u8>,
}

impl OwnMemory {
    /// Memory for these views and so many levels, all of it empty. It takes room when it is written.
    pub fn create(views: &[ViewRequest], levels: u32) -> io::Result<Self> {
        let plan = Plan::new(views, levels);
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let file = File::from(memfd_create("regie-monitor", flags)?);
        file.set_len(plan.size)?;
        // Whoever holds it can neither shorten it nor make it grow.
        fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
        let mut header = MAGIC.to_vec();
        for word in [VERSION, levels, views.len() as u32] {
            header.extend(word.to_le_bytes());
        }
        file.write_all_at(&header, 0)?;
        Ok(Self {
            file: Arc::new(file),
            written: vec![0; views.len() + 1],
            plan,
            scratch: Vec::new(),
        })
    }

    /// A second descriptor, to be lent.
    pub fn descriptor(&self) -> io::Result<OwnedFd> {
        Ok(self.file.try_clone()?.into())
    }

    /// Gives all its room back to the system: whoever still holds it finds nothing in it.
    fn empty(&self) -> io::Result<()> {
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        Ok(fallocate(&*self.file, flags, 0, self.plan.size)?)
    }

    /// How often it has been looked at.
    pub fn looks(&self) -> Looks {
        Looks(self.file.clone())
    }

    /// Writes the levels: as many as it was made for.
    pub fn write_levels(&mut self, levels: &[Levels]) -> io::Result<()> {
        let mut bytes = std::mem::take(&mut self.scratch);
        bytes.clear();
        bytes.extend(levels.iter().flat_map(Levels::to_bytes));
        let result = self.write(0, self.plan.levels, &bytes);
        self.scratch = bytes;
        result
    }

    /// Writes a picture of a view: I420 as [`ViewRequest::picture_bytes`] says.
    pub fn write_picture(&mut self, view: usize, pixels: &[u8]) -> io::Result<()> {
        self.write(view + 1, self.plan.view(view)?, pixels)
    }

    fn write(&mut self, index: usize, track: Track, bytes: &[u8]) -> io::Result<()> {
        if bytes.len() as u64 != track.bytes {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "of another size",
            ));
        }
        self.written[index] += 1;
        let sequence = self.written[index];
        put(&self.file, 0, track.mark(sequence))?;
        fence(Ordering::SeqCst);
        self.file.write_all_at(bytes, track.slot(sequence))?;
        fence(Ordering::SeqCst);
        put(&self.file, sequence, track.mark(sequence))?;
        put(&self.file, sequence, track.at)
    }
}

impl Drop for OwnMemory {
    fn drop(&mut self) {
        if let Err(error) = self.empty() {
            tracing::debug!("a panel's memory goes only with the panel: {error}");
        }
    }
}

/// What the engine knows of the reader: that it looks.
#[derive(Debug, Clone)]
pub struct Looks(Arc<File>);

impl Looks {
    /// Another number than before: it has looked. 0 until it has the memory.
    pub fn count(&self) -> io::Result<u64> {
        get(&self.0, LOOKS)
    }
}

fn get(file: &File, at: u64) -> io::Result<u64> {
    let mut bytes = [0; 8];
    file.read_exact_at(&mut bytes, at)?;
    Ok(u64::from_le_bytes(bytes))
}

fn put(file: &File, number: u64, at: u64) -> io::Result<()> {
    file.write_all_at(&number.to_le_bytes(), at)
}

/// The panel's end.
#[derive(Debug)]
pub struct LentMemory {
    file: File,
    plan: Plan,
    levels: u32,
    looks: AtomicU64,
}

impl LentMemory {
    /// Memory that was lent for these views; refused where it is anything else.
    pub fn adopt(descriptor: OwnedFd, views: &[ViewRequest]) -> io::Result<Self> {
        let strange = |what| Err(io::Error::new(io::ErrorKind::InvalidData, what));
        let file = File::from(descriptor);
        let mut header = [0; 20];
        file.read_exact_at(&mut header, 0)?;
        let (magic, words) = header.split_at(8);
        let (words, _) = words.as_chunks::<4>();
        let words: Vec<u32> = words.iter().map(|w| u32::from_le_bytes(*w)).collect();
        if magic != MAGIC || words[0] != VERSION {
            return strange("the engine's memory is of another version");
        }
        let levels = words[1];
        if words[2] as usize != views.len() || levels > MAX_LEVELS {
            return strange("the engine's memory is not for these views");
        }
        let plan = Plan::new(views, levels);
        if file.metadata()?.len() != plan.size {
            return strange("the engine's memory is of another size");
        }
        let lent = Self {
            file,
            plan,
            levels,
            looks: AtomicU64::new(0),
        };
        lent.look()?;
        Ok(lent)
    }

    /// Tells the engine that somebody looks.
    fn look(&self) -> io::Result<()> {
        let count = self.looks.fetch_add(1, Ordering::Relaxed) + 1;
        put(&self.file, count, LOOKS)
    }

    /// How many levels there are.
    pub fn level_count(&self) -> usize {
        self.levels as usize
    }

    /// The newest levels into `into`, where they are newer than number `after`.
    pub fn levels(&self, after: u64, into: &mut Vec<Levels>) -> io::Result<Option<u64>> {
        let mut bytes = Vec::new();
        let newest = self.read(self.plan.levels, after, &mut bytes)?;
        if newest.is_some() {
            let (all, _) = bytes.as_chunks::<BYTES>();
            into.clear();
            into.extend(all.iter().map(Levels::from_bytes));
        }
        Ok(newest)
    }

    /// The number of the newest levels. Not a look.
    pub fn newest_levels(&self) -> io::Result<u64> {
        get(&self.file, self.plan.levels.at)
    }

    /// The newest picture of a view into `into`, where it is newer than number `after`. Without an
    /// answer, `into` holds rubbish.
    pub fn picture(&self, view: usize, after: u64, into: &mut Vec<u8>) -> io::Result<Option<u64>> {
        self.read(self.plan.view(view)?, after, into)
    }

    fn read(&self, track: Track, after: u64, into: &mut Vec<u8>) -> io::Result<Option<u64>> {
        self.look()?;
        let get = |at: u64| get(&self.file, at);
        for _ in 0..TRIES {
            let sequence = get(track.at)?;
            if sequence <= after {
                return Ok(None);
            }
            if get(track.mark(sequence))? != sequence {
                continue;
            }
            fence(Ordering::SeqCst);
            into.resize(track.bytes as usize, 0);
            self.file.read_exact_at(into, track.slot(sequence))?;
            fence(Ordering::SeqCst);
            if get(track.mark(sequence))? == sequence {
                return Ok(Some(sequence));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests;

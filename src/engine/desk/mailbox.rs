//! What a sound card's callback hands over to the desk's thread: sample frames of two channels, and when
//! each block of them was captured. Bounded; it takes no memory once it is made. The callback holds the
//! lock to copy a block, the thread to exchange one batch for another.

use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::engine::samples::CHANNELS;

/// One call of the card.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Block {
    /// Sample frames.
    pub frames: usize,
    /// Running time of its first sample frame as the sound system has it, in nanoseconds.
    pub captured: i64,
    /// How long before it came that was, in nanoseconds.
    pub latency: u64,
    /// Sound was lost before it.
    pub interrupted: bool,
}

/// What has come since the last look.
#[derive(Debug, Default)]
pub struct Batch {
    /// All sample frames, block after block.
    pub frames: Vec<[f32; CHANNELS]>,
    /// The blocks they belong to.
    pub blocks: Vec<Block>,
    /// How often sound has been lost.
    pub xruns: u64,
    /// Why nothing comes any more.
    pub broken: Option<cpal::Error>,
}

impl Batch {
    fn with_room(frames: usize) -> Self {
        Self {
            frames: Vec::with_capacity(frames),
            // No card has shorter ones.
            blocks: Vec::with_capacity(frames / 16),
            ..Self::default()
        }
    }

    /// Forgets what was in it, and keeps its memory.
    pub fn clear(&mut self) {
        self.frames.clear();
        self.blocks.clear();
        self.xruns = 0;
        self.broken = None;
    }

    fn is_empty(&self) -> bool {
        self.blocks.is_empty() && self.xruns == 0 && self.broken.is_none()
    }
}

/// The place where both meet.
#[derive(Debug)]
pub struct Mailbox {
    inside: Mutex<Inside>,
    bell: Condvar,
}

#[derive(Debug)]
struct Inside {
    batch: Batch,
    /// Sound was lost before what comes next.
    interrupted: bool,
    ended: bool,
}

impl Mailbox {
    /// With room for so many sample frames; a batch to exchange as well.
    pub fn new(frames: usize) -> (Self, Batch) {
        let mailbox = Self {
            inside: Mutex::new(Inside {
                batch: Batch::with_room(frames),
                interrupted: false,
                ended: false,
            }),
            bell: Condvar::new(),
        };
        (mailbox, Batch::with_room(frames))
    }

    /// From the card's callback: a block, its sample frames by `copy`. Where there is no room for it, it
    /// is lost.
    pub fn put(&self, mut block: Block, copy: impl FnOnce(&mut Vec<[f32; CHANNELS]>)) {
        let mut guard = self.inside.lock();
        let inside = &mut *guard;
        let batch = &mut inside.batch;
        let room = batch.frames.capacity() - batch.frames.len();
        if block.frames > room || batch.blocks.len() == batch.blocks.capacity() {
            batch.xruns += 1;
            inside.interrupted = true;
        } else {
            let before = batch.frames.len();
            copy(&mut batch.frames);
            // Whatever was copied is what there is.
            block.frames = batch.frames.len() - before;
            block.interrupted |= std::mem::take(&mut inside.interrupted);
            batch.blocks.push(block);
        }
        drop(guard);
        self.bell.notify_one();
    }

    /// From the card's callback: sound has been lost.
    pub fn put_xrun(&self) {
        let mut inside = self.inside.lock();
        inside.batch.xruns += 1;
        inside.interrupted = true;
        drop(inside);
        self.bell.notify_one();
    }

    /// From the card's callback: nothing comes any more.
    pub fn put_broken(&self, error: cpal::Error) {
        let mut inside = self.inside.lock();
        inside.batch.broken.get_or_insert(error);
        drop(inside);
        self.bell.notify_one();
    }

    /// Nobody wants anything any more.
    pub fn end(&self) {
        self.inside.lock().ended = true;
        self.bell.notify_one();
    }

    /// Waits for something to come, but no longer than `limit`, and exchanges it for `batch`, which is
    /// empty. `false`: nobody wants it any more.
    pub fn fetch(&self, batch: &mut Batch, limit: Duration) -> bool {
        let mut inside = self.inside.lock();
        if inside.batch.is_empty() && !inside.ended {
            self.bell.wait_for(&mut inside, limit);
        }
        std::mem::swap(&mut inside.batch, batch);
        !inside.ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(frames: usize) -> Block {
        Block {
            frames,
            captured: 7,
            latency: 3,
            interrupted: false,
        }
    }

    #[test]
    fn what_is_put_is_fetched_once_and_what_has_no_room_is_counted() {
        let (mailbox, mut batch) = Mailbox::new(1000);
        let put = |frames: usize, value: f32| {
            mailbox.put(block(frames), |into| into.extend(vec![[value; 2]; frames]));
        };
        put(400, 0.1);
        put(400, 0.2);
        put(400, 0.3);
        assert!(mailbox.fetch(&mut batch, Duration::from_secs(5)));
        assert_eq!((batch.frames.len(), batch.blocks.len()), (800, 2));
        assert_eq!((batch.frames[0], batch.frames[400]), ([0.1; 2], [0.2; 2]));
        assert_eq!(batch.xruns, 1);
        batch.clear();
        put(400, 0.4);
        assert!(mailbox.fetch(&mut batch, Duration::from_secs(5)));
        assert!(batch.blocks[0].interrupted, "something was lost before it");
        assert_eq!(batch.frames, vec![[0.4; 2]; 400]);
        batch.clear();
        mailbox.put_xrun();
        mailbox.put_broken(cpal::ErrorKind::DeviceNotAvailable.into());
        assert!(mailbox.fetch(&mut batch, Duration::from_secs(5)));
        assert_eq!(batch.xruns, 1);
        assert!(batch.broken.is_some());
        batch.clear();
        assert!(mailbox.fetch(&mut batch, Duration::ZERO), "nothing came");
        mailbox.end();
        assert!(!mailbox.fetch(&mut batch, Duration::from_secs(5)));
    }

    #[test]
    fn nothing_is_allocated_while_it_is_fetched_in_time() {
        let (mailbox, mut batch) = Mailbox::new(4800);
        let rooms = |batch: &Batch| (batch.frames.capacity(), batch.blocks.capacity());
        let before = rooms(&batch);
        for _ in 0..50 {
            for _ in 0..10 {
                mailbox.put(block(480), |into| into.extend([[0.0; 2]; 480]));
            }
            assert!(mailbox.fetch(&mut batch, Duration::ZERO));
            assert_eq!(batch.frames.len(), 4800);
            assert_eq!(rooms(&batch), before);
            batch.clear();
        }
    }
}

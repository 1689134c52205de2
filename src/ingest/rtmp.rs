//! Laptops that publish by RTMP or RTMPS: OBS, ffmpeg, encoder boxes. They push to the application
//! `ingest`; the stream name is the source's id, with `?key=…` where the source has a key.
//!
//! The protocol is our own, in [`protocol`], because what is ready-made does not stand up to a peer
//! that means ill: a few hundred bytes of AMF references that stand for gigabytes, message buffers
//! by announced length for each of 65,000 chunk streams, no limit for an address.
//!
//! One thread, `rtmp`, serves all connections; it waits for none of them, and no other thread waits
//! for it. From there encoded frames go by small pipelines into the sources' inlets.

mod connection;
mod guests;
mod post;
pub mod protocol;
mod serve;
mod streams;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use rustix::event::{EventfdFlags, eventfd};

use crate::engine::note::Notes;
use crate::venue::IngestConfig;

use super::Registry;
use post::Post;
use serve::Server;

/// The running door. Dropped, it stops listening and lets everybody go.
#[derive(Debug)]
pub struct Door {
    stop: Arc<AtomicBool>,
    bell: Arc<Bell>,
    thread: Option<JoinHandle<()>>,
}

impl Door {
    /// Starts the door's thread, where the venue wants one. Whether it can listen is told by a
    /// [`Note::Door`](crate::engine::note::Note::Door), and again when that changes; it is tried for
    /// ever.
    pub fn start(
        config: &IngestConfig,
        registry: Arc<Registry>,
        notes: Notes,
    ) -> std::io::Result<Option<Self>> {
        let plain = config.rtmp.map(Post::plain);
        let secure = config.rtmps.as_ref().map(Post::secure);
        let posts: Vec<Post> = plain.into_iter().chain(secure).collect();
        if posts.is_empty() {
            return Ok(None);
        }
        let (stop, bell) = (Arc::new(AtomicBool::new(false)), Arc::new(Bell::new()?));
        let server = Server::new(posts, registry, notes, bell.clone(), stop.clone())?;
        let thread = std::thread::Builder::new()
            .name("rtmp".into())
            .spawn(move || server.run())?;
        Ok(Some(Self {
            stop,
            bell,
            thread: Some(thread),
        }))
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.bell.ring();
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has nothing more to say.
            let _ = thread.join();
        }
    }
}

/// Wakes the door's thread up, from any other.
#[derive(Debug)]
pub struct Bell(OwnedFd);

impl Bell {
    fn new() -> std::io::Result<Self> {
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        Ok(Self(eventfd(0, flags)?))
    }

    fn ring(&self) {
        // Refused only where it has been rung very often already.
        let _ = rustix::io::write(&self.0, &1u64.to_ne_bytes());
    }

    fn hush(&self) {
        // Refused only where it is quiet already.
        let _ = rustix::io::read(&self.0, &mut [0; 8]);
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

//! A window on the programme: the newest frame that went to the encoder, for operators' monitors.
//!
//! The picture thread offers, the monitors thread looks. Neither waits: a frame that comes while
//! somebody looks is left out. GStreamer is never called under the lock.

use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use super::pictures::Picture;

/// One frame, while somebody wants it.
#[derive(Debug, Default)]
pub struct Window {
    open: AtomicBool,
    pane: Mutex<Pane>,
}

#[derive(Debug, Default)]
enum Pane {
    /// Nobody looks: no frame is held.
    #[default]
    Shut,
    /// The newest frame, once there is one.
    Open(Option<Picture>),
}

impl Window {
    /// Whether a frame is worth offering.
    pub fn is_open(&self) -> bool {
        self.open.load(Ordering::Relaxed)
    }

    /// Somebody looks from now on, or nobody does any more.
    pub fn set_open(&self, open: bool) {
        if self.is_open() == open {
            return;
        }
        self.open.store(open, Ordering::Relaxed);
        let pane = if open { Pane::Open(None) } else { Pane::Shut };
        let old = std::mem::replace(&mut *self.pane.lock(), pane);
        drop(old);
    }

    /// The newest frame is this one.
    pub fn offer(&self, frame: Picture) {
        let old = match self.pane.try_lock().as_deref_mut() {
            Some(Pane::Open(newest)) => newest.replace(frame),
            Some(Pane::Shut) | None => Some(frame),
        };
        drop(old);
    }

    /// The newest frame.
    pub fn newest(&self) -> Option<Picture> {
        match &*self.pane.lock() {
            Pane::Open(newest) => newest.clone(),
            Pane::Shut => None,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::engine::pictures::next_serial;

    #[test]
    fn a_frame_is_held_only_while_somebody_looks() {
        gst::init().unwrap();
        let frame = Picture {
            buffer: gst::Buffer::new(),
            info: gst_video::VideoInfo::builder(gst_video::VideoFormat::I420, 16, 16)
                .build()
                .unwrap(),
            captured: 0,
            serial: next_serial(),
        };
        let window = Window::default();
        window.offer(frame.clone());
        assert!(window.newest().is_none() && frame.buffer.is_writable());
        window.set_open(true);
        window.offer(frame.clone());
        assert_eq!(window.newest().unwrap().serial, frame.serial);
        assert!(!frame.buffer.is_writable(), "held");
        window.set_open(false);
        assert!(frame.buffer.is_writable(), "still held");
    }
}

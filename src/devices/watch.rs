//! Devices that come and go, as udev tells when it has done its part: links and rights are set by then.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use udev::{EventType, MonitorBuilder, MonitorSocket};

use crate::model::device::{Change, Plug, PlugKind};

use super::{audio, names, video};

/// The thread that listens. Dropped, it ends.
#[derive(Debug)]
pub struct Watch {
    stop: Arc<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

/// Tells of every device that is there, then of every change, on a thread of its own: `on_change` may
/// take its time, and must not drop the watch. Where no udev runs, nothing is ever told.
pub fn watch(on_change: impl FnMut(Change) + Send + 'static) -> io::Result<Watch> {
    let stop = Arc::new(eventfd(0, EventfdFlags::CLOEXEC)?);
    let ending = stop.clone();
    let (listens, heard) = channel();
    let thread = std::thread::Builder::new()
        .name("devices".into())
        .spawn(move || listen(&ending, &listens, on_change))?;
    let watch = Watch {
        stop,
        thread: Some(thread),
    };
    // It says so, or has ended.
    heard
        .recv()
        .unwrap_or_else(|_| Err(io::ErrorKind::UnexpectedEof.into()))?;
    Ok(watch)
}

impl Drop for Watch {
    fn drop(&mut self) {
        // A counter of eight bytes takes them whole.
        let _ = rustix::io::write(&self.stop, &1u64.to_ne_bytes());
        if let Some(thread) = self.thread.take() {
            // A callback that panicked has said so.
            let _ = thread.join();
        }
    }
}

fn listen(
    stop: &OwnedFd,
    listens: &Sender<io::Result<()>>,
    mut on_change: impl FnMut(Change) + Send,
) {
    // Before the list is made: whatever comes meanwhile is heard of.
    let monitor = match open() {
        Ok(monitor) => monitor,
        Err(error) => {
            // The one who waits for it is there.
            let _ = listens.send(Err(error));
            return;
        }
    };
    let _ = listens.send(Ok(()));
    let mut known = present().unwrap_or_default();
    for device in known.values().cloned() {
        on_change(Change::Present { device });
    }
    while wait(&monitor, stop) {
        for event in monitor.iter() {
            let place = event.syspath().to_owned();
            let now = match event.event_type() {
                EventType::Remove => None,
                EventType::Add | EventType::Change | EventType::Bind => plug(&event),
                EventType::Unbind | EventType::Unknown => continue,
            };
            for change in note(&mut known, place, now) {
                on_change(change);
            }
        }
    }
}

fn open() -> io::Result<MonitorSocket> {
    MonitorBuilder::new()?
        .match_subsystem("video4linux")?
        .match_subsystem("sound")?
        .listen()
}

/// Waits for udev; `false`: to be ended.
fn wait(monitor: &MonitorSocket, stop: &OwnedFd) -> bool {
    loop {
        let mut both = [
            PollFd::from_borrowed_fd(monitor.as_fd(), PollFlags::IN),
            PollFd::new(stop, PollFlags::IN),
        ];
        match poll(&mut both, None) {
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return false,
            Ok(_) => return both[1].revents().is_empty(),
        }
    }
}

/// By their places in the kernel's tree.
type Known = BTreeMap<PathBuf, Plug>;

fn present() -> io::Result<Known> {
    let mut all = udev::Enumerator::new()?;
    all.match_is_initialized()?;
    all.match_subsystem("video4linux")?;
    all.match_subsystem("sound")?;
    let devices = all.scan_devices()?;
    let found = devices.filter_map(|device| Some((device.syspath().to_owned(), plug(&device)?)));
    Ok(found.collect())
}

/// What it is to an operator; `None` where it is nothing: an output, a codec, metadata.
fn plug(device: &udev::Device) -> Option<Plug> {
    let node = device.devnode()?.to_owned();
    let (kind, card) = if device.subsystem()? == "video4linux" {
        if !video::may_capture(device) {
            return None;
        }
        (PlugKind::Video, video::name_of(device))
    } else {
        // Of a card's nodes, this one is made last.
        let name = device.sysname().to_str()?;
        let number = name.strip_prefix("controlC")?.parse().ok()?;
        (PlugKind::Audio, audio::card_with_input(number)?)
    };
    let has_serial = device.property_value("ID_SERIAL_SHORT").is_some();
    Some(Plug {
        kind,
        links: names::rank(video::links_of(device), &node, has_serial),
        card,
        node,
    })
}

/// What an event changes: `now` is what is at that place from now on.
fn note(known: &mut Known, place: PathBuf, now: Option<Plug>) -> Vec<Change> {
    let before = match &now {
        Some(device) => known.insert(place, device.clone()),
        None => known.remove(&place),
    };
    match (before, now) {
        (Some(before), Some(now)) if before == now => Vec::new(),
        // It was taken for another one at the same place: that has gone unheard.
        (Some(before), Some(device)) if before.node != device.node => {
            vec![Change::Left { device: before }, Change::Arrived { device }]
        }
        (_, Some(device)) => vec![Change::Arrived { device }],
        (Some(device), None) => vec![Change::Left { device }],
        (None, None) => Vec::new(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn card(node: &str, link: &str) -> Plug {
        Plug {
            kind: PlugKind::Video,
            node: node.into(),
            links: vec![link.into()],
            card: "card".to_owned(),
        }
    }

    #[test]
    fn what_is_told_twice_is_heard_once() {
        let mut known = Known::new();
        let place = || PathBuf::from("/sys/devices/card");
        let (a, b) = (card("/dev/video0", "/dev/a"), card("/dev/video0", "/dev/b"));
        let arrived = |device: &Plug| Change::Arrived {
            device: device.clone(),
        };
        let left = |device: &Plug| Change::Left {
            device: device.clone(),
        };
        assert_eq!(note(&mut known, place(), Some(a.clone())), [arrived(&a)]);
        assert_eq!(note(&mut known, place(), Some(a.clone())), []);
        // Other rules: other names.
        assert_eq!(note(&mut known, place(), Some(b.clone())), [arrived(&b)]);
        let moved = card("/dev/video1", "/dev/b");
        assert_eq!(
            note(&mut known, place(), Some(moved.clone())),
            [left(&b), arrived(&moved)]
        );
        assert_eq!(note(&mut known, place(), None), [left(&moved)]);
        assert_eq!(note(&mut known, place(), None), []);
    }

    #[test]
    fn a_watch_ends_when_it_is_dropped() {
        // Whatever this machine has, and whether or not udev runs on it.
        let watch = watch(|_| {}).unwrap();
        drop(watch);
    }
}

#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::*;
use crate::engine::meter::Meters;
use crate::model::Colour;
use crate::monitor::memory::LentMemory;

fn monitors() -> Monitors {
    gst::init().unwrap();
    let room = Room {
        size: FrameSize {
            width: 640,
            height: 360,
        },
        window: Arc::default(),
        board: Meters::new(0).board(),
        preview: scene(),
        spare: false,
    };
    Monitors::new(room, Vec::new()).unwrap()
}

/// Nothing on black.
fn scene() -> Scene {
    Scene {
        background: Colour {
            red: 0,
            green: 0,
            blue: 0,
        },
        slots: Vec::new(),
    }
}

fn view(width: u32, height: u32, rate: u32) -> ViewRequest {
    ViewRequest {
        of: View::Preview,
        width,
        height,
        rate,
    }
}

/// Counts how often a connection is cut.
fn cut(count: &Arc<AtomicU64>) -> Arc<Cut> {
    let count = count.clone();
    Arc::new(Cut(Box::new(move || {
        count.fetch_add(1, Ordering::Relaxed);
    })))
}

#[track_caller]
fn wait(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(5), "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_thread_that_broke_cuts_whom_it_painted_for_and_the_next_finds_another() {
    let mut monitors = monitors();
    let views = [view(160, 90, 50)];
    let (cuts, later) = (Arc::default(), Arc::default());
    let (first, _memory) = monitors.watch(&views, None, cut(&cuts)).unwrap();
    monitors.prepare(Scene {
        background: Colour {
            red: 255,
            green: 255,
            blue: 255,
        },
        ..scene()
    });
    monitors.order(Order::Panic);
    wait("the connection is cut", || {
        cuts.load(Ordering::Relaxed) == 1
    });
    wait("the thread ends", || {
        monitors.thread.as_ref().unwrap().is_finished()
    });
    let (second, memory) = monitors.watch(&views, None, cut(&later)).unwrap();
    let lent = LentMemory::adopt(memory, &views).unwrap();
    let mut pixels = Vec::new();
    wait("a picture of what is prepared now", || {
        lent.picture(0, 0, &mut pixels).unwrap().is_some() && pixels[0] == 235
    });
    drop(first);
    drop(second);
    drop(monitors);
    assert_eq!(later.load(Ordering::Relaxed), 0, "left, not cut");
}

#[test]
fn what_is_no_longer_watched_is_free_for_others() {
    let mut monitors = monitors();
    let views = vec![view(1280, 720, 27); 2];
    let cuts = Arc::default();
    let mut watch = |instead_of: Option<&Claim>| monitors.watch(&views, instead_of, cut(&cuts));
    let (first, memory) = watch(None).unwrap();
    let (second, _memory) = watch(None).unwrap();
    assert_eq!(watch(None).unwrap_err().code, "unavailable");
    let (third, _memory) = watch(Some(&first.claim())).unwrap();
    drop(first);
    assert!(watch(None).is_err());
    drop(second);
    let (_fourth, _memory) = watch(None).unwrap();
    drop(third);
    // And the memory is the system's again, although its reader keeps it.
    let memory = std::fs::File::from(memory);
    wait("the memory is given back", || {
        std::os::unix::fs::MetadataExt::blocks(&memory.metadata().unwrap()) == 0
    });
}

#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};

use super::*;
use crate::engine::meter::Meters;
use crate::engine::pictures::next_serial;
use crate::engine::slate::Slate;
use crate::model::View;
use crate::monitor::memory::LentMemory;

const SIZE: FrameSize = FrameSize {
    width: 640,
    height: 360,
};

/// A flat picture of this brightness.
fn flat(luma: u8) -> Picture {
    let info = frame_info(SIZE, gst::Fraction::new(0, 1));
    let mut pixels = vec![128u8; info.size()];
    pixels[..640 * 360].fill(luma);
    Picture {
        buffer: gst::Buffer::from_slice(pixels),
        info,
        captured: 0,
        serial: next_serial(),
    }
}

fn scene(slots: &[(PixelRect, &Arc<Pictures>)]) -> Scene {
    Scene {
        background: BLACK,
        slots: (slots.iter())
            .map(|(rect, pictures)| SceneSlot {
                rect: *rect,
                fit: Fit::Contain,
                pictures: Some((*pictures).clone()),
                slate: Slate::default(),
            })
            .collect(),
    }
}

fn rect(x: u32, y: u32, width: u32, height: u32) -> PixelRect {
    PixelRect {
        x,
        y,
        width,
        height,
    }
}

/// A painter at work, and one connection's views.
struct Room {
    orders: Sender<Order>,
    window: Arc<Window>,
    lent: LentMemory,
    thread: Option<std::thread::JoinHandle<()>>,
    /// Whether the connection has been cut.
    cut: Arc<AtomicBool>,
}

impl Room {
    fn new(subjects: Vec<Subject>, preview: Scene) -> Self {
        Self::with_levels(subjects, preview, 1)
    }

    /// Memory for so many levels: there is one, and more are not written.
    fn with_levels(subjects: Vec<Subject>, preview: Scene, levels: u32) -> Self {
        let views: Vec<_> = (subjects.iter())
            .map(|_| ViewRequest {
                of: View::Preview,
                width: 160,
                height: 90,
                rate: 50,
            })
            .collect();
        let memory = OwnMemory::create(&views, levels).unwrap();
        let lent = LentMemory::adopt(memory.descriptor().unwrap(), &views).unwrap();
        let jobs = subjects.into_iter().zip(&views);
        let jobs = jobs.map(|(of, view)| Job::new(of, view)).collect();
        let cut = Arc::new(AtomicBool::new(false));
        let flag = cut.clone();
        let on_cut = Cut(Box::new(move || flag.store(true, Ordering::Relaxed)));
        let watch = Watch::new(jobs, memory, Arc::new(on_cut));
        let (orders, queue) = channel();
        let window = Arc::<Window>::default();
        let board = Meters::new(0).board();
        let painter = Painter::new(queue, SIZE, window.clone(), board, preview, false);
        orders.send(Order::Watch(1, watch)).unwrap();
        let thread = std::thread::spawn(move || painter.run());
        Self {
            orders,
            window,
            lent,
            thread: Some(thread),
            cut,
        }
    }

    /// Waits until the view has this brightness at a place, 0 to 1.
    #[track_caller]
    fn wait_luma(&self, view: usize, (x, y): (f64, f64), luma: u8) {
        let begun = Instant::now();
        let mut pixels = Vec::new();
        let mut seen = None;
        while seen != Some(luma) {
            assert!(begun.elapsed() < Duration::from_secs(5), "{seen:?}");
            if self.lent.picture(view, 0, &mut pixels).unwrap().is_some() {
                seen = Some(pixels[(y * 90.0) as usize * 160 + (x * 160.0) as usize]);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn newest(&self, view: usize) -> u64 {
        let newest = self.lent.picture(view, 0, &mut Vec::new()).unwrap();
        newest.unwrap_or(0)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.orders.send(Order::Stop).unwrap();
        self.thread.take().unwrap().join().unwrap();
    }
}

#[test]
fn a_source_is_shown_as_it_is_and_black_without_a_picture() {
    gst::init().unwrap();
    let source = Arc::new(Pictures::default());
    let room = Room::new(vec![Subject::Source(source.clone())], scene(&[]));
    room.wait_luma(0, (0.5, 0.5), 16);
    source.set_still(flat(200));
    room.wait_luma(0, (0.5, 0.5), 200);
    let still = room.newest(0);
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(room.newest(0), still, "written again without a change");
    source.set_still(flat(100));
    room.wait_luma(0, (0.01, 0.99), 100);
}

#[test]
fn the_programme_is_what_the_picture_thread_offers_while_somebody_watches() {
    gst::init().unwrap();
    let room = Room::new(vec![Subject::Programme], scene(&[]));
    room.wait_luma(0, (0.5, 0.5), 16);
    assert!(room.window.is_open());
    room.window.offer(flat(150));
    room.wait_luma(0, (0.5, 0.5), 150);
    room.orders.send(Order::Leave(1)).unwrap();
    let begun = Instant::now();
    while room.window.is_open() {
        assert!(begun.elapsed() < Duration::from_secs(5));
        std::thread::sleep(Duration::from_millis(2));
    }
    assert!(room.window.newest().is_none());
}

#[test]
fn a_watch_that_is_given_up_cuts_its_connection_and_one_that_is_left_does_not() {
    gst::init().unwrap();
    let is_cut = |room: &Room| {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(500) {
            if room.cut.load(Ordering::Relaxed) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        false
    };
    let good = Room::new(vec![Subject::Programme], scene(&[]));
    assert!(!is_cut(&good));
    good.orders.send(Order::Leave(1)).unwrap();
    assert!(!is_cut(&good));
    let cut = Room::new(vec![], scene(&[])).cut.clone();
    assert!(!cut.load(Ordering::Relaxed), "the engine only ended");
    assert!(is_cut(&Room::with_levels(vec![], scene(&[]), 2)));
}

#[test]
fn what_nobody_looks_at_is_not_painted_until_somebody_does() {
    gst::init().unwrap();
    let source = Arc::new(Pictures::default());
    source.set_still(flat(100));
    let subjects = vec![Subject::Source(source.clone()), Subject::Programme];
    let room = Room::new(subjects, scene(&[]));
    room.wait_luma(0, (0.5, 0.5), 100);
    // It hangs: the programme's frames are not even copied for it any more.
    let begun = Instant::now();
    while room.window.is_open() {
        assert!(begun.elapsed() < UNSEEN + Duration::from_secs(3));
        std::thread::sleep(Duration::from_millis(2));
    }
    assert!(begun.elapsed() > UNSEEN - Duration::from_millis(200));
    source.set_still(flat(150));
    std::thread::sleep(Duration::from_millis(200));
    let mut pixels = Vec::new();
    let mut levels = Vec::new();
    let known = room.lent.levels(0, &mut levels).unwrap().unwrap();
    room.lent.picture(0, 0, &mut pixels).unwrap();
    assert_eq!(pixels[0], 100, "painted for nobody");
    // That was a look, and the next picture comes at once; the levels never stopped.
    let begun = Instant::now();
    room.wait_luma(0, (0.5, 0.5), 150);
    assert!(begun.elapsed() < Duration::from_secs(1), "{begun:?}");
    let later = room.lent.levels(0, &mut levels).unwrap().unwrap();
    assert!(known > 40 && later > known, "{known} to {later}");
}

#[test]
fn a_programme_that_is_looked_at_again_is_not_black_meanwhile() {
    gst::init().unwrap();
    let room = Room::new(vec![Subject::Programme], scene(&[]));
    let begun = Instant::now();
    while !room.window.is_open() {
        assert!(begun.elapsed() < Duration::from_secs(5));
        std::thread::sleep(Duration::from_millis(2));
    }
    room.window.offer(flat(150));
    room.wait_luma(0, (0.5, 0.5), 150);
    while room.window.is_open() {
        assert!(begun.elapsed() < Duration::from_secs(9));
        std::thread::sleep(Duration::from_millis(2));
    }
    let before = room.newest(0);
    while !room.window.is_open() {
        room.newest(0);
        assert!(begun.elapsed() < Duration::from_secs(12));
        std::thread::sleep(Duration::from_millis(2));
    }
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(room.newest(0), before, "something else was painted");
    room.window.offer(flat(90));
    room.wait_luma(0, (0.5, 0.5), 90);
}

#[test]
fn the_preview_is_composed_at_the_size_of_the_view() {
    gst::init().unwrap();
    let (one, two) = (Arc::<Pictures>::default(), Arc::<Pictures>::default());
    one.set_still(flat(100));
    two.set_still(flat(200));
    let halves = scene(&[
        (rect(0, 90, 320, 180), &one),
        (rect(320, 90, 320, 180), &two),
    ]);
    let room = Room::new(vec![Subject::Preview], halves);
    room.wait_luma(0, (0.25, 0.5), 100);
    room.wait_luma(0, (0.75, 0.5), 200);
    room.wait_luma(0, (0.25, 0.1), 16);
    let whole = scene(&[(rect(0, 0, 640, 360), &two)]);
    room.orders.send(Order::Prepare(whole)).unwrap();
    room.wait_luma(0, (0.25, 0.1), 200);
}

#[test]
fn slots_that_touch_still_touch_and_none_leaves_the_view() {
    let size = FrameSize {
        width: 1920,
        height: 1080,
    };
    let frame = rect(0, 10, 320, 180);
    let (left, right) = (
        scaled(rect(0, 0, 1306, 1080), size, frame),
        scaled(rect(1306, 0, 614, 1080), size, frame),
    );
    assert_eq!((left.x, left.y, left.height), (0, 10, 180));
    assert_eq!(left.x + left.width, right.x);
    assert_eq!(right.x + right.width, 320);
    assert_eq!(
        scaled(rect(1918, 1078, 2, 2), size, frame),
        rect(318, 188, 2, 2)
    );
}

#[test]
fn pictures_lie_in_the_memory_as_gstreamer_lays_them_out() {
    gst::init().unwrap();
    for (width, height) in [(16, 16), (18, 22), (326, 184), (3838, 2158), (960, 540)] {
        let view = ViewRequest {
            of: View::Programme,
            width,
            height,
            rate: 1,
        };
        let info = frame_info(FrameSize { width, height }, gst::Fraction::new(0, 1));
        assert_eq!(view.picture_bytes(), info.size() as u64, "{width}x{height}");
    }
}

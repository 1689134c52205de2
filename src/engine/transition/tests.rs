//! One scene after the other, on driven ticks.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::engine::ornament::Ornaments;
use crate::engine::pictures::{Pictures, next_serial};
use crate::engine::slate::Slate;
use crate::model::{Colour, PixelRect};
use gst_video::prelude::*;
use gst_video::{VideoFormat, VideoFrameRef};

const WIDTH: u32 = 320;
const HEIGHT: u32 = 180;
/// Of a tick, and of a frame.
const STEP: u64 = 33_333_333;
const BLACK: Colour = Colour {
    red: 0,
    green: 0,
    blue: 0,
};

fn info(width: u32, height: u32) -> VideoInfo {
    gst::init().unwrap();
    // As the programme has it.
    let colours = "bt709".parse::<gst_video::VideoColorimetry>().unwrap();
    let builder = VideoInfo::builder(VideoFormat::I420, width, height);
    builder.colorimetry(&colours).build().unwrap()
}

/// A source that shows one brightness for ever.
fn source(luma: u8) -> Arc<Pictures> {
    let pictures = Arc::new(Pictures::default());
    repaint(&pictures, luma);
    pictures
}

fn repaint(pictures: &Pictures, luma: u8) {
    let info = info(64, 36);
    let mut data = vec![128u8; info.size()];
    data[..info.offset()[1]].fill(luma);
    pictures.set_still(Picture {
        buffer: gst::Buffer::from_slice(data),
        info,
        captured: 0,
        serial: next_serial(),
    });
}

fn slot(x: u32, y: u32, width: u32, height: u32, pictures: &Arc<Pictures>) -> SceneSlot {
    SceneSlot {
        rect: PixelRect {
            x,
            y,
            width,
            height,
        },
        fit: Fit::Contain,
        pictures: Some(pictures.clone()),
        slate: Slate::default(),
        ornament: None,
    }
}

fn scene(slots: &[SceneSlot]) -> Arc<Scene> {
    Arc::new(Scene {
        background: BLACK,
        slots: slots.to_vec(),
    })
}

fn full(pictures: &Arc<Pictures>) -> Arc<Scene> {
    scene(&[slot(0, 0, WIDTH, HEIGHT, pictures)])
}

fn passage(transition: Transition, ms: u64) -> Option<Passage> {
    Some(Passage {
        transition,
        duration: Duration::from_millis(ms),
    })
}

/// A view with its ticks.
struct Bench {
    view: View,
    tick: u64,
    frame: Option<gst::Buffer>,
}

impl Bench {
    fn new(scene: &Arc<Scene>) -> Self {
        let pacing = Pacing {
            latency: 0,
            tolerance: STEP / 4,
            hold: 20 * STEP,
            step: STEP,
        };
        let mut bench = Self {
            view: View::new(&info(WIDTH, HEIGHT), pacing, STEP, scene.clone()),
            tick: 1_000_000_000,
            frame: None,
        };
        bench.next();
        bench
    }

    fn show(&mut self, scene: &Arc<Scene>, passage: Option<Passage>) {
        self.view.show(scene, passage, self.tick);
    }

    /// Paints the next frame.
    fn next(&mut self) {
        self.frame = self.view.paint(self.tick);
        self.tick += STEP;
    }

    /// Brightness at a place of the last frame.
    fn at(&self, x: usize, y: usize) -> u8 {
        let info = info(WIDTH, HEIGHT);
        let frame = self.frame.as_ref().unwrap();
        let frame = VideoFrameRef::from_buffer_ref_readable(frame, &info).unwrap();
        frame.plane_data(0).unwrap()[y * frame.plane_stride()[0] as usize + x]
    }

    /// Brightness at a place of each of the next frames.
    fn run(&mut self, frames: usize, x: usize, y: usize) -> Vec<u8> {
        (0..frames)
            .map(|_| {
                self.next();
                self.at(x, y)
            })
            .collect()
    }
}

#[test]
fn a_mix_goes_evenly_from_old_to_new_and_ends_on_its_tick() {
    let (old, new) = (source(40), source(200));
    let mut bench = Bench::new(&full(&old));
    bench.show(&full(&new), passage(Transition::Mix, 333));
    let seen = bench.run(12, 100, 100);
    assert_eq!(seen[..4], [56, 72, 88, 104]);
    assert!(seen.windows(2).all(|w| w[0] <= w[1]));
    assert!(seen[8] < 200 && seen[9..].iter().all(|luma| *luma == 200));
    assert!(bench.view.crossing.is_none(), "no second easel");
}

#[test]
fn both_pictures_are_live_while_they_are_blended() {
    let (old, new) = (source(40), source(200));
    let mut bench = Bench::new(&full(&old));
    bench.show(&full(&new), passage(Transition::Mix, 1000));
    let seen = bench.run(15, 100, 100);
    assert_eq!(seen[14], 120);
    repaint(&old, 80);
    repaint(&new, 120);
    assert_eq!(bench.run(1, 100, 100), [101]);
}

#[test]
fn nothing_of_the_old_picture_is_left_and_only_what_changes_is_painted() {
    let (old, new) = (source(235), source(100));
    let mut bench = Bench::new(&full(&old));
    let small = scene(&[slot(0, 0, 160, 90, &new)]);
    for transition in [Transition::Mix, Transition::Morph] {
        for _ in 0..3 {
            bench.show(&small, passage(transition, 100));
            bench.run(5, 0, 0);
            assert_eq!((bench.at(300, 170), bench.at(50, 50)), (16, 100));
            bench.show(&full(&old), passage(transition, 100));
            bench.run(5, 0, 0);
            assert_eq!((bench.at(300, 170), bench.at(50, 50)), (235, 235));
        }
    }
    let pointer = |bench: &Bench| bench.frame.as_ref().unwrap().peek_memory(0).as_ptr();
    let before = pointer(&bench);
    bench.next();
    assert_eq!(before, pointer(&bench), "painted again for nothing");
}

#[test]
fn a_take_during_a_mix_starts_from_what_is_seen() {
    let (old, new, third) = (source(40), source(200), source(16));
    let mut bench = Bench::new(&full(&old));
    bench.show(&full(&new), passage(Transition::Mix, 1000));
    assert_eq!(bench.run(15, 100, 100)[14], 120);
    bench.show(&full(&third), passage(Transition::Mix, 1000));
    let seen = bench.run(31, 100, 100);
    assert!((115..120).contains(&seen[0]), "a jump: {seen:?}");
    assert!(seen.windows(2).all(|w| w[0] >= w[1]), "{seen:?}");
    assert_eq!(seen[29..], [16, 16]);
}

#[test]
fn a_cut_ends_a_mix_at_once() {
    let (old, new) = (source(40), source(200));
    let mut bench = Bench::new(&full(&old));
    bench.show(&full(&new), passage(Transition::Mix, 1000));
    bench.run(5, 0, 0);
    bench.show(&full(&old), Some(Passage::CUT));
    assert_eq!(bench.run(2, 100, 100), [40, 40]);
    bench.show(&full(&new), passage(Transition::Mix, 0));
    assert_eq!(bench.run(1, 100, 100), [200]);
}

#[test]
fn another_player_of_a_role_does_not_end_a_mix() {
    let (old, new, other) = (source(40), source(200), source(120));
    let mut bench = Bench::new(&full(&old));
    bench.show(&full(&new), passage(Transition::Mix, 1000));
    assert_eq!(bench.run(15, 100, 100)[14], 120);
    bench.show(&full(&other), None);
    assert_eq!(bench.run(1, 100, 100), [83]);
    assert_eq!(bench.run(14, 100, 100)[13], 120);
    bench.show(&full(&old), None);
    assert_eq!(bench.run(1, 100, 100), [40], "at once where nothing runs");
}

#[test]
fn a_late_frame_is_the_last_one_once_more() {
    let (old, new) = (source(40), source(200));
    let mut bench = Bench::new(&full(&old));
    bench.show(&full(&new), passage(Transition::Mix, 1000));
    bench.run(6, 0, 0);
    let seen = bench.at(100, 100);
    bench.frame = bench.view.repeat();
    assert_eq!(bench.at(100, 100), seen);
}

#[test]
fn a_morph_moves_what_stays_and_keeps_it_solid() {
    let (slides, camera) = (source(100), source(220));
    let corner = scene(&[
        slot(0, 0, WIDTH, HEIGHT, &slides),
        slot(240, 136, 64, 36, &camera),
    ]);
    let mut bench = Bench::new(&corner);
    let alone = full(&camera);
    bench.show(&alone, passage(Transition::Morph, 1000));
    let mut lefts = Vec::new();
    for n in 0..30 {
        bench.next();
        assert_eq!(bench.at(270, 150), 220, "frame {n}: the camera stays solid");
        let left = (0..WIDTH as usize).find(|x| bench.at(*x, 150) == 220);
        lefts.push(left.unwrap());
    }
    assert_eq!((lefts[0], lefts[29]), (238, 0));
    assert!(lefts.windows(2).all(|w| w[0] >= w[1]), "{lefts:?}");
    assert!((110..=130).contains(&lefts[14]), "half way: {lefts:?}");
    // The other way round, the slides come out of nothing while the camera shrinks.
    bench.show(&corner, passage(Transition::Morph, 1000));
    let seen = bench.run(31, 10, 10);
    assert_eq!(seen[30], 100);
    assert_eq!(bench.at(270, 150), 220);
    assert_eq!(bench.at(230, 150), 100);
}

#[test]
fn a_border_glides_with_its_slot_and_fades_where_it_is_new() {
    let camera = source(150);
    let white = "#ffffff".to_owned().try_into().unwrap();
    let mut ornaments = Ornaments::default();
    let mut bordered = |x: u32, y: u32, border| {
        let mut layout = crate::model::Layout::built_in()[0].slots[0].clone();
        layout.border = border;
        let size = crate::venue::FrameSize {
            width: WIDTH,
            height: HEIGHT,
        };
        SceneSlot {
            fit: Fit::Stretch,
            ornament: ornaments.of(&layout, None, size),
            ..slot(x, y, 64, 36, &camera)
        }
    };
    // Six pixels of 180 lines.
    let border = Some(crate::model::Border {
        width: 36.0,
        colour: white,
    });
    let mut bench = Bench::new(&scene(&[bordered(0, 0, border)]));
    assert_eq!(
        [1, 3, 8, 62, 70].map(|x| bench.at(x, 18)),
        [235, 235, 150, 235, 16]
    );
    assert_eq!(
        [1, 3, 8, 34, 50].map(|y| bench.at(32, y)),
        [235, 235, 150, 235, 16]
    );
    let right = scene(&[bordered(256, 144, border)]);
    bench.show(&right, passage(Transition::Morph, 1000));
    bench.run(15, 0, 0);
    // Half way, all of it, and nothing is left where it was.
    assert_eq!(
        [125, 130, 136, 188, 195].map(|x| bench.at(x, 90)),
        [16, 235, 150, 235, 16]
    );
    assert_eq!(bench.at(3, 18), 16);
    let crossing = bench.view.crossing.as_ref().unwrap();
    assert_eq!(crossing.blender.frames(), 0, "nothing was blended");
    bench.run(16, 0, 0);
    assert_eq!(
        [250, 258, 290, 318].map(|x| bench.at(x, 162)),
        [16, 235, 150, 235]
    );
    // To the same place without one: it fades, and the picture grows into its place.
    bench.show(
        &scene(&[bordered(256, 144, None)]),
        passage(Transition::Morph, 1000),
    );
    let seen = bench.run(31, 318, 162);
    assert!(seen[..28].windows(2).all(|w| w[0] >= w[1]), "{seen:?}");
    assert!(seen[0] > 225 && (120..140).contains(&seen[14]), "{seen:?}");
    assert_eq!(seen[30], 150);
}

#[test]
fn a_morph_of_places_alone_paints_one_frame() {
    let camera = source(220);
    let mut bench = Bench::new(&scene(&[slot(0, 0, 64, 36, &camera)]));
    bench.show(
        &scene(&[slot(256, 144, 64, 36, &camera)]),
        passage(Transition::Morph, 1000),
    );
    bench.run(15, 0, 0);
    assert_eq!(bench.at(160, 90), 220, "half way");
    assert_eq!((bench.at(10, 10), bench.at(300, 170)), (16, 16));
    let crossing = bench.view.crossing.as_ref().unwrap();
    let Origin::Scene { easel, .. } = &crossing.from else {
        panic!("the old scene is still live");
    };
    assert!(easel.repeat().is_some(), "its frame before the morph");
    assert_eq!(crossing.blender.frames(), 0, "nothing was blended");
    bench.run(15, 0, 0);
    assert_eq!((bench.at(10, 10), bench.at(300, 170)), (16, 220));
}

//! The picture on air: one scene, or one that gives way to the next.
//!
//! A transition is two frames, both painted live, blended into a third. In a mix nothing moves. In
//! a morph the slots that go on showing the same lie in both frames at one place, which glides from
//! the old to the new: so they stay solid while the rest is blended. Where nothing is left to blend
//! there is one frame only. What a frame shows depends on its tick's time alone.
//!
//! A take during a transition starts from what is seen at that moment, as a still: no jump, and
//! never more than two frames to paint. Owned by the picture thread alone.

use std::sync::Arc;
use std::time::Duration;

use gst_video::VideoInfo;

use crate::model::transition::pairs;
use crate::model::{Fit, Passage, Transition};

use super::blend::Blender;
use super::canvas::{Easel, Painted, covered, seen};
use super::ornament::{dressed, painted};
use super::pictures::{Pacing, Picture, next_serial};
use super::programme::{Scene, SceneSlot};

/// Paints what is on air.
pub struct View {
    info: VideoInfo,
    pacing: Pacing,
    /// Length of a tick, in nanoseconds.
    step: u64,
    scene: Arc<Scene>,
    easel: Easel,
    /// What `scene` comes after, while that is still seen.
    crossing: Option<Crossing>,
    painted: Vec<Painted>,
    /// The same with what the layout has drawn around it.
    dressed: Vec<Painted>,
}

/// A transition under way.
struct Crossing {
    passage: Passage,
    from: Origin,
    /// When nothing of the new was seen yet, in nanoseconds of running time.
    start: u64,
    blender: Blender,
    painted: Vec<Painted>,
    dressed: Vec<Painted>,
    last: Option<gst::Buffer>,
}

/// What gives way.
enum Origin {
    /// A scene, still live.
    Scene {
        scene: Arc<Scene>,
        easel: Box<Easel>,
        /// Its slots that go on, with their successors.
        pairs: Vec<(usize, usize)>,
    },
    /// What was seen in the middle of another transition.
    Frame(gst::Buffer),
}

impl View {
    /// Shows `scene`, in frames as `info` says, one each `step` nanoseconds.
    pub fn new(info: &VideoInfo, pacing: Pacing, step: u64, scene: Arc<Scene>) -> Self {
        Self {
            info: info.clone(),
            pacing,
            step,
            scene,
            easel: Easel::new(info),
            crossing: None,
            painted: Vec::new(),
            dressed: Vec::new(),
        }
    }

    /// From the tick at running time `tick` on, the picture becomes this scene. Without a passage
    /// it does so at once, but a transition that is under way goes on, to its changed end.
    pub fn show(&mut self, scene: &Arc<Scene>, passage: Option<Passage>, tick: u64) {
        let Some(passage) = passage else {
            if !Arc::ptr_eq(scene, &self.scene) {
                self.scene = scene.clone();
                self.pair();
            }
            return;
        };
        let before = std::mem::replace(&mut self.scene, scene.clone());
        let last = self.crossing.take().and_then(|crossing| crossing.last);
        if passage.length().is_zero() {
            return;
        }
        let from = match last {
            Some(frame) => Origin::Frame(frame),
            None => Origin::Scene {
                scene: before,
                easel: Box::new(std::mem::replace(&mut self.easel, Easel::new(&self.info))),
                pairs: Vec::new(),
            },
        };
        self.crossing = Some(Crossing {
            passage,
            from,
            // The frame before was the last one that showed nothing of the new.
            start: tick.saturating_sub(self.step),
            blender: Blender::new(self.info.size()),
            painted: Vec::new(),
            dressed: Vec::new(),
            last: None,
        });
        self.pair();
    }

    /// Finds the slots that glide.
    fn pair(&mut self) {
        if let Some(crossing) = &mut self.crossing
            && crossing.passage.transition == Transition::Morph
            && let Origin::Scene {
                scene, pairs: p, ..
            } = &mut crossing.from
        {
            *p = pairs(&scene.slots, &self.scene.slots, shows_the_same);
        }
    }

    /// The frame of this tick; the caller sets its timestamps. `None` only where memory is out.
    pub fn paint(&mut self, tick: u64) -> Option<gst::Buffer> {
        let share = (self.crossing.as_ref()).map_or(1.0, |crossing| crossing.share(tick));
        if share >= 1.0 {
            self.crossing = None;
        }
        let moment = Moment {
            tick,
            pacing: self.pacing,
            share,
        };
        self.painted.clear();
        let frame = (self.info.width(), self.info.height());
        let Some(crossing) = &mut self.crossing else {
            let slots = &self.scene.slots;
            self.painted
                .extend(slots.iter().map(|slot| moment.still(slot)));
            let all = dressed(slots, &self.painted, frame, &mut self.dressed);
            return self.easel.paint(self.scene.background, all);
        };
        for (j, slot) in self.scene.slots.iter().enumerate() {
            let painted = match crossing.predecessor(j) {
                Some(old) => moment.gliding(old, slot),
                None => moment.still(slot),
            };
            self.painted.push(painted);
        }
        let all = dressed(&self.scene.slots, &self.painted, frame, &mut self.dressed);
        let frame = match crossing.paint_old(moment, &self.scene, &self.painted, all, frame) {
            Old::Same => self.easel.paint(self.scene.background, all),
            Old::Frame(old) => {
                let new = self.easel.paint(self.scene.background, all)?;
                crossing.blender.blend(&old, &new, share)
            }
            Old::None => None,
        };
        crossing.last.clone_from(&frame);
        frame
    }

    /// What its frames are like.
    pub fn info(&self) -> &VideoInfo {
        self.easel.info()
    }

    /// Tells the last frame from every other picture: the same frame again has the same.
    pub fn serial(&self) -> u64 {
        match &self.crossing {
            Some(_) => next_serial(),
            None => self.easel.serial(),
        }
    }

    /// The last frame once more.
    pub fn repeat(&self) -> Option<gst::Buffer> {
        match &self.crossing {
            Some(crossing) => crossing.last.clone(),
            None => self.easel.repeat(),
        }
    }
}

/// What gives way, in one frame.
enum Old {
    /// It looks as the new one does.
    Same,
    Frame(gst::Buffer),
    /// Memory is out.
    None,
}

impl Crossing {
    fn share(&self, tick: u64) -> f64 {
        // Ticks are whole nanoseconds; the last one of a transition must not miss its end by that.
        let elapsed = Duration::from_nanos(tick.saturating_sub(self.start) + 1000);
        self.passage.progress(elapsed)
    }

    /// The old slot that slot `j` of the new scene glides from.
    fn predecessor(&self, j: usize) -> Option<&SceneSlot> {
        let Origin::Scene { scene, pairs, .. } = &self.from else {
            return None;
        };
        let (i, _) = pairs.iter().find(|(_, new)| *new == j)?;
        scene.slots.get(*i)
    }

    /// Paints the old scene, with the slots that go on where they are in the new one's frame, in
    /// which `all` is painted; `frame` is its size.
    fn paint_old(
        &mut self,
        moment: Moment,
        next: &Scene,
        new: &[Painted],
        all: &[Painted],
        frame: (u32, u32),
    ) -> Old {
        let (scene, easel, pairs) = match &mut self.from {
            Origin::Frame(frame) => return Old::Frame(frame.clone()),
            Origin::Scene {
                scene,
                easel,
                pairs,
            } => (scene, easel, pairs),
        };
        self.painted.clear();
        for (i, slot) in scene.slots.iter().enumerate() {
            let glides = (pairs.iter().find(|(old, _)| *old == i)).and_then(|(_, j)| new.get(*j));
            (self.painted).push(glides.cloned().unwrap_or_else(|| moment.still(slot)));
        }
        let own = dressed(&scene.slots, &self.painted, frame, &mut self.dressed);
        let same = scene.background == next.background
            && own.len() == all.len()
            && own.iter().zip(all).all(|(a, b)| a.is_same(b));
        if same {
            return Old::Same;
        }
        easel
            .paint(scene.background, own)
            .map_or(Old::None, Old::Frame)
    }
}

/// When slots are looked at.
#[derive(Clone, Copy)]
struct Moment {
    tick: u64,
    pacing: Pacing,
    share: f64,
}

impl Moment {
    /// What fills the slot now, and whether its source gave it.
    fn filling(&self, slot: &SceneSlot) -> (Option<Picture>, bool) {
        let source = slot.pictures.as_ref();
        match source.and_then(|source| source.at(self.tick, self.pacing)) {
            Some(live) => (Some(live), true),
            None => (slot.slate.picture().cloned(), false),
        }
    }

    /// A slot where it lies.
    fn still(&self, slot: &SceneSlot) -> Painted {
        let (picture, is_live) = self.filling(slot);
        painted(slot, picture, is_live)
    }

    /// A slot on its way, seen as the new one.
    fn gliding(&self, old: &SceneSlot, new: &SceneSlot) -> Painted {
        let (picture, is_live) = self.filling(new);
        let to = painted(new, picture, is_live);
        let from = painted(old, to.picture.clone(), is_live);
        let Some(picture) = to.picture.as_ref().filter(|_| !from.is_same(&to)) else {
            return to;
        };
        let info = &picture.info;
        Painted {
            rect: covered(&from, info).towards(&covered(&to, info), self.share),
            fit: Fit::Stretch,
            crop: Some(seen(&from, info).towards(&seen(&to, info), self.share)),
            picture: to.picture,
        }
    }
}

/// Whether two slots have one source, or say the same slate.
fn shows_the_same(a: &SceneSlot, b: &SceneSlot) -> bool {
    match (&a.pictures, &b.pictures) {
        (Some(a), Some(b)) => Arc::ptr_eq(a, b),
        (None, None) => a.slate.is_same(&b.slate),
        _ => false,
    }
}

#[cfg(test)]
mod tests;

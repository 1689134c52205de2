//! Blends two frames into a third that the encoder reads.
//!
//! Owned by the picture thread alone, for as long as a transition takes.

use super::canvas::{MAX_CANVASES, is_free};

/// How fine the steps between two frames are.
const STEPS: u16 = 256;

/// Makes blended frames of one size.
pub struct Blender {
    size: usize,
    /// Used again once nobody reads them.
    frames: Vec<gst::Buffer>,
}

impl Blender {
    /// A blender for frames of so many bytes.
    pub fn new(size: usize) -> Self {
        Self {
            size,
            frames: Vec::new(),
        }
    }

    /// A frame that shows `share` (0 to 1) of `new` and the rest of `old`. `None` only where memory
    /// is out or the frames are not of this size.
    pub fn blend(
        &mut self,
        old: &gst::BufferRef,
        new: &gst::BufferRef,
        share: f64,
    ) -> Option<gst::Buffer> {
        let mut frame = self.free_frame()?;
        {
            let (old, new) = (old.map_readable().ok()?, new.map_readable().ok()?);
            let mut out = frame.get_mut()?.map_writable().ok()?;
            if old.len() != out.len() || new.len() != out.len() {
                return None;
            }
            blend(&mut out, &old, &new, share);
        }
        let shared = frame.copy();
        self.frames.push(frame);
        Some(shared)
    }

    /// How many frames it has made.
    #[cfg(test)]
    pub fn frames(&self) -> usize {
        self.frames.len()
    }

    /// A frame that nobody reads any more, taken out of the list.
    fn free_frame(&mut self) -> Option<gst::Buffer> {
        if let Some(index) = self.frames.iter().rposition(is_free) {
            return Some(self.frames.remove(index));
        }
        if self.frames.len() >= MAX_CANVASES {
            // Somebody keeps frames: give up the oldest, its memory goes when they let go.
            self.frames.remove(0);
        }
        gst::Buffer::with_size(self.size).ok()
    }
}

/// Eight-bit samples, whatever plane they belong to: every plane is blended alike.
fn blend(out: &mut [u8], old: &[u8], new: &[u8], share: f64) {
    let share = (share.clamp(0.0, 1.0) * f64::from(STEPS)).round() as u16;
    let rest = STEPS - share;
    // Sixteen bits hold 255 * 256 and the half for rounding; the compiler makes it wide.
    for ((out, old), new) in out.iter_mut().zip(old).zip(new) {
        *out = ((u16::from(*old) * rest + u16::from(*new) * share + STEPS / 2) / STEPS) as u8;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn nothing_half_and_all_of_the_new() {
        let (old, new) = ([0u8, 255, 16, 235, 100], [255u8, 0, 235, 16, 100]);
        let mut out = [0; 5];
        blend(&mut out, &old, &new, 0.0);
        assert_eq!(out, old);
        blend(&mut out, &old, &new, 0.5);
        assert_eq!(out, [128, 128, 126, 126, 100]);
        blend(&mut out, &old, &new, 1.0);
        assert_eq!(out, new);
    }

    #[test]
    fn every_step_lies_between_and_none_goes_back() {
        for (old, new) in [(0u8, 255u8), (16, 235), (200, 201)] {
            let mut last = old;
            for n in 0..=1000 {
                let mut out = [0];
                blend(&mut out, &[old], &[new], f64::from(n) / 1000.0);
                assert!((last..=new).contains(&out[0]));
                last = out[0];
            }
            assert_eq!(last, new);
        }
    }

    #[test]
    fn a_frame_that_is_still_read_is_never_blended_over_and_others_are_used_again() {
        gst::init().unwrap();
        let old = gst::Buffer::from_slice(vec![0u8; 64]);
        let new = gst::Buffer::from_slice(vec![100u8; 64]);
        let mut blender = Blender::new(64);
        let kept: Vec<_> = (0..20)
            .map(|n| blender.blend(&old, &new, f64::from(n) / 20.0).unwrap())
            .collect();
        for (n, frame) in kept.iter().enumerate() {
            assert_eq!(frame.map_readable().unwrap()[0], n as u8 * 5);
        }
        assert!(blender.frames() <= MAX_CANVASES);
        let mut blender = Blender::new(64);
        for _ in 0..20 {
            blender.blend(&old, &new, 0.3).unwrap();
        }
        assert_eq!(blender.frames(), 1);
    }
}

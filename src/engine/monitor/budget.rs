//! What all views together may cost: memory, and painting. Owned by the engine thread; a [`Share`] is
//! given back from any thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::model::{Refused, ViewRequest};
use crate::venue::FrameSize;

/// Bytes of all memories together.
const MAX_BYTES: u64 = 512 << 20;
/// Of one processor, in percent, for the painting of all panels together. A panel on a screen of
/// 1920x1080 with eight sources of that size needs about 16, one on a screen of twice that 38.
const MAX_PERCENT: u64 = 50;
/// Pixels that are painted in a hundredth of a second: 4 ns each, as measured on a slow machine.
const PIXELS_PER_PERCENT: u64 = 2_500_000;
/// So many pixels of a source are read in the time in which one is painted.
const READ: u64 = 8;

/// What some views cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Cost {
    bytes: u64,
    /// In a second.
    pixels: u64,
}

/// What is taken, and the pixels that are read for a picture: sources are of the programme's size,
/// by and large.
#[derive(Debug, Clone)]
pub(super) struct Budget {
    taken: Arc<Taken>,
    read: u64,
}

#[derive(Debug, Default)]
struct Taken {
    bytes: AtomicU64,
    pixels: AtomicU64,
}

/// Taken for somebody's views. Dropped, it is given back.
#[derive(Debug)]
pub(super) struct Share {
    budget: Budget,
    cost: Cost,
}

impl Budget {
    /// All of it is free.
    pub(super) fn new(programme: FrameSize) -> Self {
        Self {
            taken: Arc::default(),
            read: u64::from(programme.width * programme.height) / READ,
        }
    }

    fn cost(&self, views: &[ViewRequest]) -> Cost {
        let painted = |view: &ViewRequest| u64::from(view.width * view.height) + self.read;
        let pixels = |view: &ViewRequest| painted(view) * u64::from(view.rate);
        Cost {
            bytes: views.iter().map(ViewRequest::memory_bytes).sum(),
            pixels: views.iter().map(pixels).sum(),
        }
    }

    /// Takes what these views cost, or refuses them. `instead_of` is what the same reader holds now,
    /// and gives back in return.
    pub(super) fn take(
        &self,
        views: &[ViewRequest],
        instead_of: Option<&Claim>,
    ) -> Result<Share, Refused> {
        let cost = self.cost(views);
        let own = instead_of.map_or(Cost::default(), |claim| claim.0);
        let others = |taken: &AtomicU64, own| taken.load(Ordering::Relaxed).saturating_sub(own);
        let bytes = others(&self.taken.bytes, own.bytes);
        let pixels = others(&self.taken.pixels, own.pixels);
        if bytes + cost.bytes > MAX_BYTES {
            return Err(Refused::new(
                "unavailable",
                format!(
                    "these views need {} MiB; accepted: at most {} MiB for all panels together, \
                     of which {} MiB are free",
                    cost.bytes >> 20,
                    MAX_BYTES >> 20,
                    MAX_BYTES.saturating_sub(bytes) >> 20
                ),
            ));
        }
        let most = MAX_PERCENT * PIXELS_PER_PERCENT;
        if pixels + cost.pixels > most {
            return Err(Refused::new(
                "unavailable",
                format!(
                    "painting these views needs {} % of a processor; accepted: at most \
                     {MAX_PERCENT} % for all panels together, of which {} % are free",
                    cost.pixels.div_ceil(PIXELS_PER_PERCENT),
                    most.saturating_sub(pixels) / PIXELS_PER_PERCENT
                ),
            ));
        }
        self.taken.bytes.fetch_add(cost.bytes, Ordering::Relaxed);
        self.taken.pixels.fetch_add(cost.pixels, Ordering::Relaxed);
        Ok(Share {
            budget: self.clone(),
            cost,
        })
    }
}

/// What a reader holds, to be exchanged.
#[derive(Debug, Clone, Copy)]
pub struct Claim(Cost);

impl Share {
    /// For exchanging it.
    pub(super) fn claim(&self) -> Claim {
        Claim(self.cost)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let taken = &self.budget.taken;
        taken.bytes.fetch_sub(self.cost.bytes, Ordering::Relaxed);
        taken.pixels.fetch_sub(self.cost.pixels, Ordering::Relaxed);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::model::View;

    fn views(count: usize, width: u32, height: u32, rate: u32) -> Vec<ViewRequest> {
        let view = ViewRequest {
            of: View::Preview,
            width,
            height,
            rate,
        };
        vec![view; count]
    }

    const HD: FrameSize = FrameSize {
        width: 1920,
        height: 1080,
    };

    #[test]
    fn all_panels_share_one_memory() {
        let budget = Budget::new(HD);
        let large = views(7, 3840, 2160, 1);
        let (first, _second) = (
            budget.take(&large, None).unwrap(),
            budget.take(&large, None).unwrap(),
        );
        let refused = budget.take(&large, None).unwrap_err();
        assert_eq!(refused.code, "unavailable");
        assert_eq!(
            refused.message,
            "these views need 249 MiB; accepted: at most 512 MiB for all panels together, of which \
             13 MiB are free"
        );
        // Who has them may change them; and what is given back is free.
        let claim = first.claim();
        let other = budget.take(&large, Some(&claim)).unwrap();
        drop(first);
        assert!(budget.take(&large, None).is_err());
        drop(other);
        budget.take(&large, None).unwrap();
    }

    #[test]
    fn all_panels_share_one_painter() {
        let budget = Budget::new(HD);
        let large = views(2, 1280, 720, 20);
        let first = budget.take(&large, None).unwrap();
        let _second = budget.take(&large, None).unwrap();
        let refused = budget.take(&large, None).unwrap_err();
        assert_eq!(
            refused.message,
            "painting these views needs 19 % of a processor; accepted: at most 50 % for all \
             panels together, of which 12 % are free"
        );
        drop(first);
        budget.take(&large, None).unwrap();
    }

    #[test]
    fn a_panel_on_any_screen_has_room_and_many_small_views_have_not() {
        for (large, small, room) in [((960, 540), (320, 180), 3), ((2000, 1126), (640, 360), 1)] {
            let mut panel = views(1, large.0, large.1, 15);
            panel.extend(views(1, large.0, large.1, 10));
            panel.extend(views(8, small.0, small.1, 8));
            let budget = Budget::new(HD);
            let taken: Vec<_> = (0..9)
                .map_while(|_| budget.take(&panel, None).ok())
                .collect();
            assert_eq!(taken.len(), room);
        }
        // Each reads a whole picture, however little it shows.
        let refused = Budget::new(HD).take(&views(64, 16, 16, 60), None);
        assert!(refused.unwrap_err().message.contains("needs 399 %"));
    }
}

//! Which pixels of a line, and how much of each, make a pixel of another line.

use std::ops::Range;

/// What the shares of the pixels that make one add up to.
pub const WHOLE: u16 = 256;

/// A part of a line, and the part of another line that it becomes, in pixels of one plane.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// Nothing outside is looked at.
    pub from: Range<usize>,
    /// What is made.
    pub to: Range<usize>,
    /// Where, in the line that is read, the middle of the first pixel that is made lies.
    middle: f64,
    /// How many pixels become one.
    ratio: f64,
}

impl Span {
    /// From `length` at `start`, in planes where `sub` pixels make one, to `new_length` at
    /// `new_start` where `new_sub` do. All are pixels of the whole picture.
    pub fn new(
        start: u32,
        length: u32,
        sub: u32,
        new_start: u32,
        new_length: u32,
        new_sub: u32,
    ) -> Self {
        let planar = |start: u32, length: u32, sub: u32| {
            (start / sub) as usize..(start + length).div_ceil(sub) as usize
        };
        let (from, to) = (
            planar(start, length, sub),
            planar(new_start, new_length, new_sub),
        );
        let [start, length, sub] = [start, length, sub].map(f64::from);
        let [new_start, new_length, new_sub] = [new_start, new_length, new_sub].map(f64::from);
        let ratio = length / new_length.max(1.0);
        let first = (to.start as f64 + 0.5) * new_sub - new_start;
        Self {
            from,
            to,
            middle: (start + first * ratio) / sub - 0.5,
            ratio: ratio * new_sub / sub,
        }
    }

    /// The pixels that make each of [`Self::to`], relative to [`Self::from`].
    pub fn taps(&self) -> Taps {
        let (length, new_length) = (self.from.len(), self.to.len());
        // A triangle: as wide as what becomes one pixel, but never narrower than two.
        let reach = self.ratio.max(1.0);
        let count = ((2.0 * reach).ceil() as usize).clamp(1, length.max(1));
        let mut taps = Taps {
            count,
            starts: Vec::with_capacity(new_length),
            shares: vec![0; count * new_length],
        };
        let mut exact = vec![0.0; count];
        for (i, shares) in taps.shares.chunks_exact_mut(count).enumerate() {
            let middle = self.middle + i as f64 * self.ratio - self.from.start as f64;
            let first = (middle - reach).floor() as isize + 1;
            let start = first.clamp(0, (length - count.min(length)) as isize);
            exact.fill(0.0);
            for pixel in first..=first + count as isize {
                let share = 1.0 - (pixel as f64 - middle).abs() / reach;
                // Over the edge, the last pixel goes on.
                let index = (pixel - start).clamp(0, count as isize - 1) as usize;
                exact[index] += share.max(0.0);
            }
            whole_shares(&exact, shares);
            taps.starts.push(start as usize);
        }
        taps.drop_unused();
        taps
    }
}

/// Rounds shares so that they add up to [`WHOLE`]: what is even stays even.
fn whole_shares(exact: &[f64], shares: &mut [u16]) {
    let sum: f64 = exact.iter().sum();
    let (mut passed, mut given) = (0.0, 0);
    for (share, exact) in shares.iter_mut().zip(exact) {
        passed += exact;
        let until = (passed / sum * f64::from(WHOLE)).round() as u16;
        *share = until - given;
        given = until;
    }
}

/// For each pixel that is made: where its pixels begin, and the share of each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taps {
    /// Pixels that make one.
    pub count: usize,
    /// The first of them, for each.
    pub starts: Vec<usize>,
    /// `count` for each; they add up to [`WHOLE`].
    pub shares: Vec<u16>,
}

impl Taps {
    /// Whether every pixel is made of one alone, and they follow each other.
    pub fn is_copy(&self) -> bool {
        self.count == 1 && self.starts.windows(2).all(|two| two[1] == two[0] + 1)
    }

    /// Of every pixel's taps, leaves out what counts for nothing, as long as all can do with fewer.
    fn drop_unused(&mut self) {
        let used = |shares: &[u16]| {
            let first = shares.iter().position(|share| *share > 0).unwrap_or(0);
            let last = shares.iter().rposition(|share| *share > 0).unwrap_or(0);
            first..last + 1
        };
        let all = || self.shares.chunks_exact(self.count);
        let count = all().map(|shares| used(shares).len()).max().unwrap_or(1);
        if count == self.count {
            return;
        }
        let mut kept = Vec::with_capacity(count * self.starts.len());
        for (start, shares) in self
            .starts
            .iter_mut()
            .zip(self.shares.chunks_exact(self.count))
        {
            let first = used(shares).start.min(self.count - count);
            kept.extend_from_slice(&shares[first..first + count]);
            *start += first;
        }
        self.shares = kept;
        self.count = count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taps(length: u32, new_length: u32) -> Taps {
        Span::new(0, length, 1, 0, new_length, 1).taps()
    }

    #[test]
    fn shares_add_up_and_stay_inside() {
        for (length, new_length) in [
            (1920, 1440),
            (1280, 640),
            (7, 1000),
            (1000, 7),
            (3, 2),
            (1, 9),
            (2, 2),
            (640, 642),
        ] {
            let taps = taps(length, new_length);
            assert_eq!(taps.starts.len(), new_length as usize);
            for (start, shares) in taps.starts.iter().zip(taps.shares.chunks_exact(taps.count)) {
                assert_eq!(
                    shares.iter().sum::<u16>(),
                    WHOLE,
                    "{length} to {new_length}"
                );
                assert!(start + taps.count <= length as usize);
            }
        }
    }

    #[test]
    fn the_same_size_is_a_copy() {
        assert!(taps(640, 640).is_copy());
        assert!(!taps(640, 320).is_copy());
        let moved = Span::new(100, 50, 2, 30, 50, 2);
        assert_eq!((moved.from.clone(), moved.to.clone()), (50..75, 15..40));
        assert!(moved.taps().is_copy());
    }

    #[test]
    fn a_ramp_stays_a_ramp() {
        // Each pixel is worth its place; so is what is made of them.
        for (length, new_length) in [(1920u32, 1440u32), (1280, 640), (400, 1000), (1000, 77)] {
            let taps = taps(length, new_length);
            let ratio = f64::from(length) / f64::from(new_length);
            let edge = (2.0 / ratio).ceil() as usize + 2;
            for i in edge..new_length as usize - edge {
                let shares = &taps.shares[i * taps.count..(i + 1) * taps.count];
                let place: f64 = (shares.iter().enumerate())
                    .map(|(k, share)| f64::from(*share) * (taps.starts[i] + k) as f64 / 256.0)
                    .sum();
                let wanted = (i as f64 + 0.5) * ratio - 0.5;
                // Shares are multiples of 1/256.
                let most = 0.02 * ratio.max(1.0);
                assert!(
                    (place - wanted).abs() < most,
                    "{length} to {new_length}, {i}: {place} {wanted}"
                );
            }
        }
    }
}

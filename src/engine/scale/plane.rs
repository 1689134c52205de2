//! One plane, by AVX2: first the lines that make a line, then the pixels that make a pixel.
//!
//! All is in 16 bits: pixels of 8 bits by shares that add up to 256 just fit.

use std::arch::x86_64::__m256i;

use pulp::NullaryFnOnce;
use pulp::x86::V3;

use super::axis::{Span, Taps};

/// Bytes of a vector, and of its halves: bytes are moved within a half only.
const VECTOR: usize = 32;
const HALF: usize = VECTOR / 2;
/// Pixels that are made at once.
const GROUP: usize = HALF;
/// Moves nothing: the byte becomes zero.
const NOWHERE: u8 = 0x80;
/// Rounds what is divided by 256.
const ROUND: u16 = 128;

/// Scales one plane.
#[derive(Debug)]
pub struct PlaneScaler {
    simd: V3,
    x: Span,
    y: Span,
    lines: Taps,
    across: Across,
    /// A line made of lines, with room for a vector that begins at its end.
    line: Vec<u8>,
}

/// How the pixels of a line are made.
#[derive(Debug)]
enum Across {
    /// They are what they were.
    Copy,
    /// Each of several, in groups of [`GROUP`].
    Gather {
        /// Pixels that make one.
        taps: usize,
        /// Looks for each group: the first `windows` for the first group, and so on.
        looks: Vec<Look>,
        windows: usize,
        /// For each group and tap, the shares.
        shares: Vec<[u16; GROUP]>,
    },
}

/// A look at two stretches of a line, and what of them belongs where.
#[derive(Debug, Clone, Copy)]
struct Look {
    starts: [usize; 2],
    moves: [u8; VECTOR],
}

impl PlaneScaler {
    /// `None` where the processor has no AVX2.
    pub fn new(x: Span, y: Span) -> Option<Self> {
        let simd = V3::try_new()?;
        Some(Self {
            simd,
            lines: y.taps(),
            across: Across::new(&x.taps()),
            line: vec![0; x.from.len() + 2 * VECTOR],
            x,
            y,
        })
    }

    /// Scales from a plane with `stride` bytes a line to another one. Planes that are too small for
    /// it are left alone.
    pub fn scale(&mut self, from: &[u8], stride: usize, to: &mut [u8], to_stride: usize) {
        let holds = |plane: &[u8], stride: usize, x: usize, y: usize| {
            x <= stride && y.saturating_sub(1) * stride + x <= plane.len()
        };
        if holds(from, stride, self.x.from.end, self.y.from.end)
            && holds(to, to_stride, self.x.to.end, self.y.to.end)
        {
            self.simd.vectorize(Work {
                scaler: self,
                from,
                stride,
                to,
                to_stride,
            });
        }
    }
}

impl Across {
    fn new(taps: &Taps) -> Self {
        if taps.is_copy() {
            return Self::Copy;
        }
        let halves = || taps.starts.chunks(GROUP / 2);
        let fits = |windows: &usize| {
            let mut looked = halves().flat_map(|half| half.chunks(GROUP / 2 / windows));
            looked.all(|starts| starts[starts.len() - 1] - starts[0] < HALF)
        };
        let windows = [1, 2, 4].into_iter().find(fits).unwrap_or(GROUP / 2);
        let mut looks = Vec::new();
        let mut shares = Vec::new();
        for (n, starts) in taps.starts.chunks(GROUP).enumerate() {
            looks.extend((0..windows).map(|window| Look::new(starts, window, windows)));
            shares.extend((0..taps.count).map(|tap| {
                let share = |i: usize| taps.shares.get((n * GROUP + i) * taps.count + tap);
                std::array::from_fn(|i| share(i).copied().unwrap_or(0))
            }));
        }
        Self::Gather {
            taps: taps.count,
            looks,
            windows,
            shares,
        }
    }
}

impl Look {
    /// One of the `windows` looks that a group of pixels takes, whose own begin at `starts`.
    fn new(starts: &[usize], window: usize, windows: usize) -> Self {
        let mut look = Self {
            starts: [0; 2],
            moves: [NOWHERE; VECTOR],
        };
        let each = GROUP / 2 / windows;
        for half in 0..2 {
            let first = half * GROUP / 2 + window * each;
            look.starts[half] = starts.get(first).copied().unwrap_or(0);
            for (i, start) in starts.iter().enumerate().skip(first).take(each) {
                // A byte becomes the lower one of 16 bits.
                look.moves[2 * i] = (start - look.starts[half]) as u8;
            }
        }
        look
    }
}

/// One plane to scale, for the processor's vectors.
struct Work<'a> {
    scaler: &'a mut PlaneScaler,
    from: &'a [u8],
    stride: usize,
    to: &'a mut [u8],
    to_stride: usize,
}

impl NullaryFnOnce for Work<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let PlaneScaler {
            simd,
            x,
            y,
            lines,
            across,
            line,
        } = self.scaler;
        let taps = lines.count;
        let width = x.from.len();
        for (i, start) in lines.starts.iter().enumerate() {
            let shares = &lines.shares[i * taps..(i + 1) * taps];
            let source = &self.from[(y.from.start + start) * self.stride + x.from.start..];
            let made = (y.to.start + i) * self.to_stride;
            let made = &mut self.to[made + x.to.start..made + x.to.end];
            let whole = match across {
                Across::Copy => &mut *made,
                Across::Gather { .. } => &mut line[..width],
            };
            blend(*simd, source, self.stride, shares, whole);
            if let Across::Gather {
                taps,
                looks,
                windows,
                shares,
            } = across
            {
                let groups = looks.chunks_exact(*windows);
                let groups = groups.zip(shares.chunks_exact(*taps));
                for ((looks, shares), made) in groups.zip(made.chunks_mut(GROUP)) {
                    let pixels = gather(*simd, line, looks, shares);
                    made.copy_from_slice(&pixels[..made.len()]);
                }
            }
        }
    }
}

/// Makes a line of as many lines as there are shares; the first is at the start of `from`.
#[inline(always)]
fn blend(simd: V3, from: &[u8], stride: usize, shares: &[u16], line: &mut [u8]) {
    let length = line.len();
    if shares.len() == 1 {
        line.copy_from_slice(&from[..length]);
        return;
    }
    let avx2 = simd.avx2;
    let mut at = 0;
    while at + VECTOR <= length {
        let mut low: __m256i = pulp::cast([ROUND; GROUP]);
        let mut high = low;
        for (k, share) in shares.iter().enumerate() {
            let share = simd.avx._mm256_set1_epi16(*share as i16);
            let (halves, _) = from[k * stride + at..][..VECTOR].as_chunks::<HALF>();
            let wide = |half: [u8; HALF]| avx2._mm256_cvtepu8_epi16(pulp::cast(half));
            let part = |half| avx2._mm256_mullo_epi16(wide(half), share);
            low = avx2._mm256_add_epi16(low, part(halves[0]));
            high = avx2._mm256_add_epi16(high, part(halves[1]));
        }
        let low = avx2._mm256_srli_epi16::<8>(low);
        let high = avx2._mm256_srli_epi16::<8>(high);
        // Packed half by half: the middle quarters change places.
        let packed = avx2._mm256_packus_epi16(low, high);
        let pixels: [u8; VECTOR] =
            pulp::cast(avx2._mm256_permute4x64_epi64::<0b11_01_10_00>(packed));
        line[at..at + VECTOR].copy_from_slice(&pixels);
        at += VECTOR;
    }
    for (i, made) in line.iter_mut().enumerate().skip(at) {
        let parts = shares.iter().enumerate();
        let sum: u16 = parts
            .map(|(k, share)| u16::from(from[k * stride + i]) * share)
            .sum();
        *made = ((sum + ROUND) >> 8) as u8;
    }
}

/// Makes a group of pixels, in the first [`GROUP`] bytes, of what the looks see.
#[inline(always)]
fn gather(simd: V3, line: &[u8], looks: &[Look], shares: &[[u16; GROUP]]) -> [u8; VECTOR] {
    let avx2 = simd.avx2;
    let mut sum: __m256i = pulp::cast([ROUND; GROUP]);
    for (tap, shares) in shares.iter().enumerate() {
        let mut pixels: __m256i = pulp::cast([0u8; VECTOR]);
        for look in looks {
            let mut seen = [0; VECTOR];
            for (half, start) in seen.as_chunks_mut::<HALF>().0.iter_mut().zip(look.starts) {
                half.copy_from_slice(&line[start + tap..][..HALF]);
            }
            let moved = avx2._mm256_shuffle_epi8(pulp::cast(seen), pulp::cast(look.moves));
            pixels = avx2._mm256_or_si256(pixels, moved);
        }
        let part = avx2._mm256_mullo_epi16(pixels, pulp::cast(*shares));
        sum = avx2._mm256_add_epi16(sum, part);
    }
    let sum = avx2._mm256_srli_epi16::<8>(sum);
    let packed = avx2._mm256_packus_epi16(sum, sum);
    pulp::cast(avx2._mm256_permute4x64_epi64::<0b00_00_10_00>(packed))
}

//! A sparse look at a picture: the luma of a few hundred or thousand of its points, whatever its
//! format. A look costs about as many cache misses as it has points, and copies nothing else.

use gst_video::prelude::*;
use gst_video::{VideoColorRange, VideoFormatFlags, VideoFormatInfo, VideoFrameRef};

use super::pictures::Picture;

/// Darker than this is black: a sixteenth of the way to white.
const DARK: u8 = 30;
/// So many points in a thousand may be lighter in a black picture: a dead pixel, a clock's dot.
const LIGHT: usize = 2;
/// Points of two looks that differ by more than this, or by more than this on average, tell two
/// pictures apart: encoders alone make less of a difference.
const FAR: u8 = 12;
const FAR_ON_AVERAGE: f32 = 1.5;

/// Luma of a grid of points, row by row: black is 16, white 235.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grid {
    columns: usize,
    rows: usize,
    luma: Vec<u8>,
}

impl Grid {
    /// A grid that has not looked at anything.
    pub fn new(columns: usize, rows: usize) -> Self {
        Self {
            columns,
            rows,
            luma: Vec::with_capacity(columns * rows),
        }
    }

    /// One that has seen these points.
    #[cfg(test)]
    pub fn of(luma: impl Iterator<Item = u8>) -> Self {
        let luma: Vec<u8> = luma.collect();
        Self {
            columns: luma.len(),
            rows: 1,
            luma,
        }
    }

    /// Looks at a picture; `false`, and nothing to be seen, where its format is none of those that
    /// have a luma, or a green, that can be found. Maps the picture: not under a lock.
    pub fn look(&mut self, picture: &Picture) -> bool {
        self.luma.clear();
        let frame = VideoFrameRef::from_buffer_ref_readable(&picture.buffer, &picture.info);
        let full = picture.info.colorimetry().range() == VideoColorRange::Range0_255;
        let seen = frame.is_ok_and(|frame| self.read(&frame, full).is_some());
        if !seen {
            self.luma.clear();
        }
        seen
    }

    fn read(&mut self, frame: &VideoFrameRef<&gst::BufferRef>, full: bool) -> Option<()> {
        let format = frame.format_info();
        let flags = format.flags();
        if flags.intersects(VideoFormatFlags::COMPLEX | VideoFormatFlags::PALETTE) {
            return None;
        }
        let rgb = flags.contains(VideoFormatFlags::RGB);
        // Of red, green and blue, green has most of the luma, and nobody looks for colours here.
        let point = Point::of(&format, if rgb { 1 } else { 0 })?;
        let full = full || rgb;
        let (width, height) = (frame.width() as usize, frame.height() as usize);
        let data = frame.plane_data(point.plane as u32).ok()?;
        let stride = usize::try_from(*frame.plane_stride().get(point.plane)?).ok()?;
        for row in 0..self.rows {
            let y = (2 * row + 1) * height / (2 * self.rows);
            let line = data.get(y * stride..)?;
            for column in 0..self.columns {
                let x = (2 * column + 1) * width / (2 * self.columns);
                let value = point.read(line, x)?;
                self.luma.push(if full { squeeze(value) } else { value });
            }
        }
        Some(())
    }

    /// Its points.
    pub fn luma(&self) -> &[u8] {
        &self.luma
    }

    /// Whether there is a picture, and nothing to be seen in it.
    pub fn is_black(&self) -> bool {
        let light = self.luma.iter().filter(|luma| **luma > DARK).count();
        !self.luma.is_empty() && light * 1000 <= LIGHT * self.luma.len()
    }

    /// How many points are not exactly the same at both looks.
    pub fn changed(&self, other: &Self) -> usize {
        let both = self.luma.iter().zip(&other.luma);
        both.filter(|(one, two)| one != two).count()
    }

    /// Whether the two looks are at pictures that differ, by more than encoding makes them differ.
    pub fn differs(&self, other: &Self) -> bool {
        if self.luma.len() != other.luma.len() {
            return true;
        }
        let mut sum = 0u32;
        for (one, two) in self.luma.iter().zip(&other.luma) {
            let step = one.abs_diff(*two);
            if step > FAR {
                return true;
            }
            sum += u32::from(step);
        }
        sum as f32 > FAR_ON_AVERAGE * self.luma.len().max(1) as f32
    }
}

/// From full range to that of television.
fn squeeze(value: u8) -> u8 {
    (16 + u16::from(value) * 219 / 255) as u8
}

/// Where the points of a component lie in memory.
struct Point {
    plane: usize,
    step: usize,
    offset: usize,
    /// Of a value of more than a byte: how far to shift it, so that a byte is left.
    wide: Option<u32>,
    little: bool,
}

impl Point {
    fn of(format: &VideoFormatInfo, component: usize) -> Option<Self> {
        let depth = *format.depth().get(component)?;
        let shift = *format.shift().get(component)?;
        let narrow = depth == 8 && shift == 0;
        if !narrow && !(9..=16).contains(&depth) {
            return None;
        }
        Some(Self {
            plane: *format.plane().get(component)? as usize,
            step: usize::try_from(*format.pixel_stride().get(component)?).ok()?,
            offset: *format.poffset().get(component)? as usize,
            wide: (!narrow).then_some(shift + depth - 8),
            little: format.flags().contains(VideoFormatFlags::LE),
        })
    }

    fn read(&self, line: &[u8], x: usize) -> Option<u8> {
        let at = x * self.step + self.offset;
        let Some(shift) = self.wide else {
            return line.get(at).copied();
        };
        let pair = [*line.get(at)?, *line.get(at + 1)?];
        let value = match self.little {
            true => u16::from_le_bytes(pair),
            false => u16::from_be_bytes(pair),
        };
        Some((value >> shift) as u8)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::engine::pictures::next_serial;
    use gst_video::{VideoFormat, VideoInfo};

    /// A picture whose left half is black and whose right half is white, made by GStreamer.
    fn half_white(format: VideoFormat) -> Picture {
        gst::init().unwrap();
        let source = VideoInfo::builder(VideoFormat::Gray8, 64, 36)
            .colorimetry(&gst_video::VideoColorimetry::new(
                VideoColorRange::Range0_255,
                gst_video::VideoColorMatrix::Bt709,
                gst_video::VideoTransferFunction::Bt709,
                gst_video::VideoColorPrimaries::Bt709,
            ))
            .build()
            .unwrap();
        let bytes: Vec<u8> = (0..source.size())
            .map(|i| {
                if i % source.stride()[0] as usize >= 32 {
                    255
                } else {
                    0
                }
            })
            .collect();
        let frame =
            gst_video::VideoFrame::from_buffer_readable(gst::Buffer::from_slice(bytes), &source)
                .unwrap();
        let info = VideoInfo::builder(format, 64, 36).build().unwrap();
        let sample = gst::Sample::builder()
            .buffer(&frame.into_buffer())
            .caps(&source.to_caps().unwrap())
            .build();
        let timeout = gst::ClockTime::from_seconds(5);
        let made = gst_video::convert_sample(&sample, &info.to_caps().unwrap(), timeout).unwrap();
        Picture {
            info: VideoInfo::from_caps(made.caps().unwrap()).unwrap(),
            buffer: made.buffer_owned().unwrap(),
            captured: 0,
            serial: next_serial(),
        }
    }

    #[test]
    fn black_and_white_are_seen_in_every_format_that_comes() {
        for format in [
            VideoFormat::I420,
            VideoFormat::Yv12,
            VideoFormat::Nv12,
            VideoFormat::Y42b,
            VideoFormat::Y444,
            VideoFormat::Yuy2,
            VideoFormat::Uyvy,
            VideoFormat::I42010le,
            VideoFormat::P01010le,
            VideoFormat::Rgb,
            VideoFormat::Bgrx,
            VideoFormat::Gbr,
            VideoFormat::Gray8,
        ] {
            let mut grid = Grid::new(8, 4);
            assert!(grid.look(&half_white(format)), "{format:?}");
            assert_eq!(grid.luma().len(), 32);
            for line in grid.luma().chunks(8) {
                let (left, right) = line.split_at(4);
                assert!(left.iter().all(|luma| *luma <= 20), "{format:?} {line:?}");
                assert!(right.iter().all(|luma| *luma >= 230), "{format:?} {line:?}");
            }
            assert!(!grid.is_black());
        }
    }

    #[test]
    fn a_look_costs_next_to_nothing() {
        gst::init().unwrap();
        let info = VideoInfo::builder(VideoFormat::I420, 1920, 1080)
            .build()
            .unwrap();
        // So many that none is in the processor's cache any more when it is looked at again.
        let pictures: Vec<Picture> = (0..30)
            .map(|n| Picture {
                buffer: gst::Buffer::from_slice(vec![n as u8; info.size()]),
                info: info.clone(),
                captured: 0,
                serial: next_serial(),
            })
            .collect();
        for (columns, rows) in [(32, 18), (64, 36)] {
            let mut grid = Grid::new(columns, rows);
            let took = pictures.iter().map(|picture| {
                let begun = std::time::Instant::now();
                assert!(grid.look(picture));
                begun.elapsed()
            });
            // But for what else the machine does.
            let mut took: Vec<_> = took.collect();
            took.sort_unstable();
            eprintln!("{columns}x{rows}: {:?} in the middle", took[15]);
            assert!(took[3].as_micros() < 500, "{took:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_not_black() {
        let mut grid = Grid::new(8, 4);
        assert!(!grid.look(&half_white(VideoFormat::Rgb16)));
        assert!(!grid.is_black());
    }

    fn grid(luma: Vec<u8>) -> Grid {
        Grid::of(luma.into_iter())
    }

    #[test]
    fn black_may_be_noisy_and_a_line_of_text_is_not_black() {
        let noisy = |i: usize| 16 + (i * 7 % 11) as u8;
        let mut luma: Vec<u8> = (0..576).map(noisy).collect();
        assert!(grid(luma.clone()).is_black());
        luma[77] = 200;
        assert!(grid(luma.clone()).is_black(), "a dead pixel");
        luma[120..126].fill(220);
        assert!(!grid(luma).is_black());
        assert!(!grid(Vec::new()).is_black());
    }

    #[test]
    fn what_an_encoder_makes_of_a_picture_is_the_same_picture() {
        let base = grid(vec![100; 576]);
        let mut luma = vec![100; 576];
        luma.iter_mut().step_by(3).for_each(|luma| *luma += 3);
        assert!(!base.differs(&grid(luma.clone())));
        luma[40] = 140;
        assert!(base.differs(&grid(luma)), "something has moved");
        assert!(base.differs(&grid(vec![103; 576])), "the light has changed");
        assert!(base.differs(&grid(Vec::new())));
    }
}

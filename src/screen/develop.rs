//! Makes a decoded picture what GTK draws: BGRA, in memory that is used again. On the thread
//! `screen`.
//!
//! GTK gets whole pictures in memory, and no sink of its own: such a sink asks GTK's thread for things
//! and waits, so that a connection that hangs could take the window along. Without a GPU both cost the
//! same, for GTK draws from memory then; with one GTK uploads a picture in a millisecond or two and
//! scales it for nothing. (Pictures that stay on the GPU from decoder to glass need GTK 4.14.)

use gst::prelude::*;
use gst_video::{
    VideoConverter, VideoConverterConfig, VideoFormat, VideoFrameRef, VideoInfo,
    VideoResamplerMethod,
};

use crate::model::letterbox::MADE_FOR;

/// Pictures that are converted at once by so many threads: a full HD picture that is scaled as well
/// takes 20 ms by one.
const THREADS: u32 = 2;

/// A picture ready to be drawn: BGRA, opaque.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Which connection brought it.
    pub run: u64,
    /// When its last byte came from the network, on the gate's clock.
    pub entered: i64,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Of the picture as it was sent.
    pub sent: (u32, u32),
    /// Bytes of a row.
    pub stride: usize,
    /// The pixels.
    pub pixels: glib::Bytes,
}

/// Converts; keeps what it takes for pictures of one kind.
#[derive(Default)]
pub struct Developer {
    made: Option<Made>,
}

struct Made {
    from: VideoInfo,
    to: VideoInfo,
    converter: VideoConverter,
    pool: gst::BufferPool,
}

impl Developer {
    /// The picture in its own size, or as large as fits into `size` undistorted; `None` where it
    /// cannot be converted.
    pub fn develop(
        &mut self,
        buffer: &gst::Buffer,
        info: &VideoInfo,
        size: Option<(u32, u32)>,
    ) -> Option<Frame> {
        let (width, height) = size.map_or((info.width(), info.height()), |size| {
            fitted(aspect(info), size)
        });
        let fits = |made: &Made| {
            made.from == *info && (made.to.width(), made.to.height()) == (width, height)
        };
        if !self.made.as_ref().is_some_and(fits) {
            self.made = None;
            match Made::new(info, width, height) {
                Ok(made) => self.made = Some(made),
                Err(error) => tracing::warn!("pictures cannot be converted: {error}"),
            }
        }
        self.made.as_ref()?.develop(buffer, info)
    }
}

impl Made {
    fn new(from: &VideoInfo, width: u32, height: u32) -> Result<Self, glib::BoolError> {
        let to = VideoInfo::builder(VideoFormat::Bgra, width, height)
            .fps(from.fps())
            .interlace_mode(from.interlace_mode())
            .build()?;
        let mut config = VideoConverterConfig::new();
        config.set_threads(THREADS);
        config.set_resampler_method(VideoResamplerMethod::Linear);
        let converter = VideoConverter::new(from, &to, Some(config))?;
        let pool = gst::BufferPool::new();
        let mut settings = pool.config();
        let bytes = u32::try_from(to.size()).unwrap_or(u32::MAX);
        // One on the glass, one that waits for GTK, one that is being made; more where GTK is slow.
        settings.set_params(Some(&to.to_caps()?), bytes, 3, 0);
        pool.set_config(settings)?;
        pool.set_active(true)?;
        Ok(Self {
            from: from.clone(),
            to,
            converter,
            pool,
        })
    }

    fn develop(&self, buffer: &gst::Buffer, info: &VideoInfo) -> Option<Frame> {
        let mut target = self.pool.acquire_buffer(None).ok()?;
        {
            let source = VideoFrameRef::from_buffer_ref_readable(buffer, info).ok()?;
            let mut frame =
                VideoFrameRef::from_buffer_ref_writable(target.get_mut()?, &self.to).ok()?;
            self.converter.frame_ref(&source, &mut frame);
        }
        let memory = target.into_mapped_buffer_readable().ok()?;
        Some(Frame {
            run: 0,
            entered: 0,
            width: self.to.width(),
            height: self.to.height(),
            sent: (info.width(), info.height()),
            stride: usize::try_from(self.to.stride()[0]).ok()?,
            pixels: glib::Bytes::from_owned(memory),
        })
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        // What GTK still holds comes home to nobody, and is freed.
        let _ = self.pool.set_active(false);
    }
}

/// Width over height, as the picture is to be seen.
fn aspect(info: &VideoInfo) -> f64 {
    let pixel = info.par();
    let pixel = f64::from(pixel.numer().max(1)) / f64::from(pixel.denom().max(1));
    f64::from(info.width()) * pixel / f64::from(info.height().max(1))
}

/// The largest even size of this aspect in that place. One that lacks a few pixels of the place has
/// all of it.
fn fitted(aspect: f64, (width, height): (u32, u32)) -> (u32, u32) {
    let (most_width, most_height) = (f64::from(width), f64::from(height));
    let own_width = most_width.min(most_height * aspect);
    let own_height = own_width / aspect;
    let even = |length: f64, most: u32| {
        if f64::from(most) - length < f64::from(MADE_FOR) {
            most
        } else {
            (length.round() as u32).max(2) & !1
        }
    };
    (even(own_width, width), even(own_height, height))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_as_large_as_fits() {
        for (aspect, place, size) in [
            (16.0 / 9.0, (1920, 1080), (1920, 1080)),
            (16.0 / 9.0, (1366, 768), (1366, 768)),
            (16.0 / 9.0, (1280, 1024), (1280, 720)),
            (4.0 / 3.0, (1920, 1080), (1440, 1080)),
            (16.0 / 9.0, (1920, 900), (1600, 900)),
        ] {
            assert_eq!(fitted(aspect, place), size, "{aspect} in {place:?}");
        }
    }

    #[test]
    fn colours_are_those_that_were_sent() {
        gst::init().unwrap();
        let colours = "bt709".parse().unwrap();
        let info = VideoInfo::builder(VideoFormat::I420, 64, 32)
            .colorimetry(&colours)
            .build()
            .unwrap();
        // Pure red of BT.709.
        let mut pixels = vec![63; info.size()];
        pixels[info.offset()[1]..].fill(102);
        pixels[info.offset()[2]..].fill(240);
        let buffer = gst::Buffer::from_slice(pixels);
        let mut developer = Developer::default();
        for size in [None, Some((32, 16))] {
            let frame = developer.develop(&buffer, &info, size).unwrap();
            let pixel = &frame.pixels[frame.stride * 5 + 40..][..4];
            let near = |at: usize, wanted: u8| pixel[at].abs_diff(wanted) < 6;
            assert!(near(0, 0) && near(1, 0) && near(2, 255), "{pixel:?}");
            assert_eq!(pixel[3], 255, "opaque");
        }
    }
}

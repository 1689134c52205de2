//! Makes pictures of a card's frames: out of the driver's memory in one go, into the planar form that
//! composing takes as it is. JPEGs and half pictures go through a small pipeline of their own.
//!
//! Lives on the card's thread; what comes out of a pipeline is pushed on that one's thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gst::prelude::*;
use gst_video::video_frame::VideoBufferExt;
use gst_video::{
    VideoBufferFlags, VideoColorimetry, VideoConverter, VideoFormat, VideoFrameRef, VideoInfo,
};

use crate::engine::decode::show;
use crate::engine::fragment::{Fragment, FragmentError};
use crate::engine::pictures::{Picture, Pictures, next_serial, same_pixels};
use crate::engine::pipeline::Pipe;
use crate::engine::timebase::Timebase;
use crate::model::Pixels;

use super::device::Arrangement;
use super::stream::{Field, Frame};

/// From frames of one kind to pictures of one source.
pub struct Darkroom {
    arrangement: Arrangement,
    pictures: Arc<Pictures>,
    timebase: Timebase,
    press: Option<Press>,
    /// The last picture: the next may be the same.
    last: Option<Picture>,
    pipeline: Option<Pipeline>,
}

/// Turns frames of one layout into pictures of one layout.
struct Press {
    field: Field,
    frame: VideoInfo,
    /// Bytes that a frame has to have for nothing to be read beyond it.
    needs: usize,
    picture: VideoInfo,
    converter: VideoConverter,
    /// Pictures come back to it when nobody needs them any more.
    pool: gst::BufferPool,
}

/// For what a single frame is not enough, or too much.
struct Pipeline {
    appsrc: gst_app::AppSrc,
    broken: Arc<AtomicBool>,
    _pipe: Pipe,
}

impl Drop for Press {
    fn drop(&mut self) {
        // A pool that is refused is none.
        let _ = self.pool.set_active(false);
    }
}

impl Darkroom {
    /// For frames as arranged.
    pub fn new(arrangement: Arrangement, pictures: Arc<Pictures>, timebase: Timebase) -> Self {
        Self {
            arrangement,
            pictures,
            timebase,
            press: None,
            last: None,
            pipeline: None,
        }
    }

    /// Makes a picture of the frame, whose memory this is. What is wrong with it is for the log.
    pub fn develop(&mut self, frame: &Frame, memory: &gst::Buffer) -> Result<(), String> {
        let captured = self.running_time(frame);
        if self.arrangement.pixels.is_compressed() {
            return self.decode(frame, memory, captured);
        }
        if self
            .press
            .as_ref()
            .is_none_or(|press| press.field != frame.field)
        {
            let press = Press::new(&self.arrangement, frame.field)?;
            self.pipeline = match frame.field {
                Field::Both(_) => {
                    let made = self.pipeline("capture-interlaced", &press.caps()?);
                    Some(made.map_err(|error| error.to_string())?)
                }
                _ => None,
            };
            self.press = Some(press);
        }
        let Some(press) = &mut self.press else {
            return Ok(());
        };
        let there = frame.bytes.min(memory.size());
        if there < press.needs {
            return Err(format!("{there} bytes of {}", press.needs));
        }
        let mut buffer = press.print(memory)?;
        if let Some(pipeline) = &self.pipeline {
            let is_upper_first = match frame.field {
                Field::Both(Some(upper)) => upper,
                // As the two standards of old have it.
                _ => self.arrangement.height != 480,
            };
            if let Some(buffer) = buffer.get_mut() {
                buffer.set_pts(gst::ClockTime::from_nseconds(captured));
                buffer.set_video_flags(VideoBufferFlags::INTERLACED);
                if is_upper_first {
                    buffer.set_video_flags(VideoBufferFlags::TFF);
                }
            }
            return pipeline.take(buffer);
        }
        let mut picture = Picture {
            buffer,
            info: press.picture.clone(),
            captured,
            serial: next_serial(),
        };
        if let Some(last) = self
            .last
            .as_ref()
            .filter(|last| same_pixels(last, &picture))
        {
            picture.serial = last.serial;
        }
        self.last = Some(picture.clone());
        let now = self.timebase.now().nseconds();
        self.pictures.push(picture, now);
        Ok(())
    }

    /// When the frame was captured. A driver whose clock is not ours is not believed.
    fn running_time(&self, frame: &Frame) -> u64 {
        /// No frame is under way for longer.
        const OLDEST: u64 = 1_000_000_000;
        let now = self.timebase.now().nseconds();
        let said = frame
            .captured
            .and_then(|time| self.timebase.of_monotonic(time));
        said.filter(|time| *time <= now && now - time < OLDEST)
            .unwrap_or(now)
    }

    fn decode(&mut self, frame: &Frame, memory: &gst::Buffer, captured: u64) -> Result<(), String> {
        if self.pipeline.is_none() {
            let mut caps = gst::Caps::builder("image/jpeg")
                .field("width", self.arrangement.width as i32)
                .field("height", self.arrangement.height as i32);
            if let Some(rate) = self.arrangement.rate {
                let rate = gst::Fraction::new(rate.numerator as i32, rate.denominator as i32);
                caps = caps.field("framerate", rate);
            }
            let made = self.pipeline("capture-jpeg", &caps.build());
            self.pipeline = Some(made.map_err(|error| error.to_string())?);
        }
        let map = memory.map_readable().map_err(|error| error.to_string())?;
        let Some(jpeg) = map.get(..frame.bytes).filter(|jpeg| !jpeg.is_empty()) else {
            return Err("an empty frame".to_owned());
        };
        let mut buffer = gst::Buffer::from_slice(jpeg.to_vec());
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(gst::ClockTime::from_nseconds(captured));
        }
        (self.pipeline.as_ref()).map_or(Ok(()), |pipeline| pipeline.take(buffer))
    }

    fn pipeline(&self, name: &str, caps: &gst::Caps) -> Result<Pipeline, FragmentError> {
        let fragment = Fragment::pipeline(name)?;
        let appsrc: gst_app::AppSrc = fragment.element("in")?;
        appsrc.set_caps(Some(caps));
        show(&fragment.element("out")?, self.pictures.clone());
        let broken = Arc::new(AtomicBool::new(false));
        let noted = broken.clone();
        let pipe = fragment.into_pipe(
            &self.timebase,
            Box::new(move |note| {
                tracing::debug!("a card's pictures: {note:?}");
                noted.store(true, Ordering::Relaxed);
            }),
        );
        // A refusal is reported, and found when the first frame is to go in.
        let _ = pipe.play();
        Ok(Pipeline {
            appsrc,
            broken,
            _pipe: pipe,
        })
    }
}

impl Pipeline {
    /// Takes a frame; the oldest that wait are dropped by the queue where it falls behind.
    fn take(&self, buffer: gst::Buffer) -> Result<(), String> {
        if self.broken.load(Ordering::Relaxed) {
            return Err("its decoder broke".to_owned());
        }
        self.appsrc
            .push_buffer(buffer)
            .map(|_| ())
            .map_err(|error| error.to_string())
    }
}

impl Press {
    fn new(arrangement: &Arrangement, field: Field) -> Result<Self, String> {
        let unknown = |error: glib::BoolError| error.to_string();
        let format = format_of(arrangement.pixels).ok_or("no raw pixels")?;
        let (width, height) = (arrangement.width, arrangement.height);
        let colours = |builder: gst_video::VideoInfoBuilder<'_>| -> Result<VideoInfo, String> {
            builder.build().map_err(unknown)
        };
        let known: Option<VideoColorimetry> =
            arrangement.colours.and_then(|colours| colours.parse().ok());
        // The lines of a field lie twice as far apart.
        let par = match field {
            Field::Half => gst::Fraction::new(1, 2),
            _ => gst::Fraction::new(1, 1),
        };
        let is_yuv = !matches!(
            format,
            VideoFormat::Bgr | VideoFormat::Rgb | VideoFormat::Bgrx
        );
        let (strides, offsets) = planes(arrangement);
        let mut frame = VideoInfo::builder(format, width, height).par(par);
        if !strides.is_empty() {
            frame = frame.stride(&strides).offset(&offsets);
        }
        let mut picture = VideoInfo::builder(planar(format), width, height).par(par);
        if let Some(known) = known.as_ref().filter(|_| is_yuv) {
            frame = frame.colorimetry(known);
            picture = picture.colorimetry(known);
        }
        let (frame, picture) = (colours(frame)?, colours(picture)?);
        let mut config = gst_video::VideoConverterConfig::new();
        config.set_threads(1);
        let converter = VideoConverter::new(&frame, &picture, Some(config)).map_err(unknown)?;
        let pool = gst_video::VideoBufferPool::new().upcast::<gst::BufferPool>();
        let mut settings = pool.config();
        settings.set_params(picture.to_caps().ok().as_ref(), picture.size() as u32, 0, 0);
        pool.set_config(settings).map_err(unknown)?;
        pool.set_active(true).map_err(unknown)?;
        Ok(Self {
            field,
            needs: end_of(&frame),
            frame,
            picture,
            converter,
            pool,
        })
    }

    /// What comes out, for a pipeline that makes whole pictures of both fields.
    fn caps(&self) -> Result<gst::Caps, String> {
        let mut caps = self.picture.to_caps().map_err(|error| error.to_string())?;
        caps.make_mut().set("interlace-mode", "interleaved");
        Ok(caps)
    }

    fn print(&mut self, memory: &gst::Buffer) -> Result<gst::Buffer, String> {
        let mut buffer = (self.pool.acquire_buffer(None)).map_err(|error| error.to_string())?;
        let writable = buffer.get_mut().ok_or("a picture in use")?;
        let frame = VideoFrameRef::from_buffer_ref_readable(memory, &self.frame)
            .map_err(|error| error.to_string())?;
        let mut picture = VideoFrameRef::from_buffer_ref_writable(writable, &self.picture)
            .map_err(|error| error.to_string())?;
        self.converter.frame_ref(&frame, &mut picture);
        drop(picture);
        Ok(buffer)
    }
}

fn format_of(pixels: Pixels) -> Option<VideoFormat> {
    Some(match pixels {
        Pixels::Yuyv => VideoFormat::Yuy2,
        Pixels::Uyvy => VideoFormat::Uyvy,
        Pixels::Yvyu => VideoFormat::Yvyu,
        Pixels::Planar422 => VideoFormat::Y42b,
        Pixels::Nv16 => VideoFormat::Nv16,
        Pixels::Yu12 => VideoFormat::I420,
        Pixels::Yv12 => VideoFormat::Yv12,
        Pixels::Nv12 => VideoFormat::Nv12,
        Pixels::Nv21 => VideoFormat::Nv21,
        Pixels::Grey => VideoFormat::Gray8,
        Pixels::Bgr24 => VideoFormat::Bgr,
        Pixels::Rgb24 => VideoFormat::Rgb,
        Pixels::Bgr32 => VideoFormat::Bgrx,
        Pixels::Mjpg | Pixels::Jpeg => return None,
    })
}

/// What the programme's scaler takes as it is, with all the colours that there are.
fn planar(format: VideoFormat) -> VideoFormat {
    match format {
        VideoFormat::Yuy2
        | VideoFormat::Uyvy
        | VideoFormat::Yvyu
        | VideoFormat::Y42b
        | VideoFormat::Nv16 => VideoFormat::Y42b,
        _ => VideoFormat::I420,
    }
}

/// Where the last plane of a frame ends, in bytes: a driver may say whatever it likes of its lines.
fn end_of(frame: &VideoInfo) -> usize {
    let planes = 0..frame.n_planes();
    let ends = planes.map(|plane| {
        let lines = match plane {
            0 => frame.comp_height(0),
            plane => frame.comp_height((plane as u8).min(frame.n_components() as u8 - 1)),
        };
        frame.offset()[plane as usize]
            + frame.stride()[plane as usize].unsigned_abs() as usize * lines as usize
    });
    ends.max().unwrap_or(0).max(frame.size())
}

/// Strides and offsets of the planes in a frame; empty where the driver does not say.
fn planes(arrangement: &Arrangement) -> (Vec<i32>, Vec<usize>) {
    let (stride, lines) = (arrangement.stride as usize, arrangement.height as usize);
    if stride == 0 {
        return (Vec::new(), Vec::new());
    }
    let whole = stride * lines;
    let (strides, offsets) = match arrangement.pixels {
        Pixels::Yu12 | Pixels::Yv12 => {
            let chroma = stride / 2;
            let size = chroma * lines.div_ceil(2);
            (vec![stride, chroma, chroma], vec![0, whole, whole + size])
        }
        Pixels::Planar422 => {
            let chroma = stride / 2;
            let size = chroma * lines;
            (vec![stride, chroma, chroma], vec![0, whole, whole + size])
        }
        Pixels::Nv12 | Pixels::Nv21 | Pixels::Nv16 => (vec![stride; 2], vec![0, whole]),
        _ => (vec![stride], vec![0]),
    };
    let strides = strides.into_iter().map(|stride| stride as i32).collect();
    (strides, offsets)
}

#[cfg(test)]
mod tests;

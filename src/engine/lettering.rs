//! Text on plain pictures: labels of slots, and the time left on the slate. Each [`Lettering`] is
//! owned by one thread, which waits while fonts are loaded: never one of the programme's.

use gst::prelude::*;
use gst_video::{VideoColorimetry, VideoFormat, VideoInfo};

use crate::model::layout::DEFAULT_BACKGROUND;
use crate::model::{Colour, Fit, PixelRect};

use super::canvas::{Easel, Painted};
use super::fragment::{Fragment, FragmentError};
use super::pictures::{Picture, next_serial};

/// The first text waits for fonts to be found and loaded.
const PATIENCE: gst::ClockTime = gst::ClockTime::from_seconds(10);

/// Why nothing can be written.
#[derive(Debug, thiserror::Error)]
pub enum LetteringError {
    /// The fragment is of no use.
    #[error(transparent)]
    Fragment(#[from] FragmentError),
    /// The fragment gave no picture.
    #[error("the drawing pipeline gave no picture")]
    NoPicture,
}

/// Where a text begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// So many pixels from the left edge.
    Left(u32),
    /// It stands in the middle.
    Middle,
}

/// How texts are written.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    /// Pixels of every picture, even.
    pub width: u32,
    /// Pixels of every picture, even.
    pub height: u32,
    /// Height of the letters, in pixels.
    pub letters: u32,
    /// What they are written on.
    pub ground: Colour,
    /// Where they begin.
    pub place: Place,
}

/// Writes one text after the other, each on a picture of its own.
pub struct Lettering {
    bin: gst::Bin,
    input: gst_app::AppSrc,
    output: gst_app::AppSink,
    text: gst::Element,
    ground: gst::Buffer,
    info: VideoInfo,
    written: u64,
}

impl Lettering {
    /// Ready to write.
    pub fn new(style: Style) -> Result<Self, LetteringError> {
        let info = plain(style.width, style.height);
        let fragment = Fragment::pipeline("lettering")?;
        let font = format!("DejaVu Sans Bold {}px", style.letters);
        fragment.set("text", "font-desc", &font)?;
        let (alignment, pad) = match style.place {
            Place::Left(pad) => ("left", pad),
            Place::Middle => ("center", 0),
        };
        fragment.set("text", "halignment", alignment)?;
        fragment.set("text", "xpad", &pad.to_string())?;
        // The room for what hangs below a line counts as text: without this letters stand high.
        fragment.set("text", "deltay", &(style.letters / 10).to_string())?;
        let input: gst_app::AppSrc = fragment.element("in")?;
        let caps = info.to_caps().map_err(|_| LetteringError::NoPicture)?;
        input.set_caps(Some(&caps));
        let ground = Easel::new(&info)
            .paint(style.ground, &[])
            .ok_or(LetteringError::NoPicture)?;
        let lettering = Self {
            input,
            output: fragment.element("out")?,
            text: fragment.element("text")?,
            bin: fragment.into_bin(),
            ground,
            info,
            written: 0,
        };
        // A refusal shows in the first picture that does not come.
        let _ = lettering.bin.set_state(gst::State::Playing);
        Ok(lettering)
    }

    /// The text's picture, and how many of its pixels from the left edge on it takes.
    pub fn write(&mut self, text: &str) -> Result<(Picture, u32), LetteringError> {
        // The text is Pango markup.
        let markup = glib::markup_escape_text(text);
        self.text.set_property("text", markup.as_str());
        let mut buffer = self.ground.copy();
        if let Some(inner) = buffer.get_mut() {
            inner.set_pts(gst::ClockTime::from_seconds(self.written));
            inner.set_duration(gst::ClockTime::SECOND);
        }
        self.written += 1;
        // A refusal shows in the picture that does not come.
        let _ = self.input.push_buffer(buffer);
        let sample = self.output.try_pull_sample(PATIENCE);
        let buffer = sample.and_then(|sample| sample.buffer_owned());
        let picture = Picture {
            buffer: buffer.ok_or(LetteringError::NoPicture)?,
            info: self.info.clone(),
            captured: 0,
            serial: next_serial(),
        };
        Ok((picture, self.text.property("text-width")))
    }
}

impl Drop for Lettering {
    fn drop(&mut self) {
        // NULL cannot be refused.
        let _ = self.bin.set_state(gst::State::Null);
    }
}

/// A picture of one colour, to be stretched over whatever is to have it.
pub fn solid(colour: Colour) -> Option<Picture> {
    let info = plain(16, 16);
    Some(Picture {
        buffer: Easel::new(&info).paint(colour, &[])?,
        info,
        captured: 0,
        serial: next_serial(),
    })
}

/// The same picture in the programme's colours: GStreamer's converter, where it has to change those
/// as well, writes over what lies beside a picture that does not fill its frame.
pub fn in_programme_colours(picture: Picture) -> Option<Picture> {
    let (width, height) = (picture.info.width() & !1, picture.info.height() & !1);
    let par = picture.info.par();
    let info = VideoInfo::builder(VideoFormat::I420, width, height);
    let info = info.colorimetry(&plain(16, 16).colorimetry()).par(par);
    let info = info.build().ok()?;
    let rect = PixelRect {
        x: 0,
        y: 0,
        width,
        height,
    };
    let whole = Painted {
        rect,
        fit: Fit::Stretch,
        crop: None,
        picture: Some(picture),
    };
    Some(Picture {
        buffer: Easel::new(&info).paint(DEFAULT_BACKGROUND, &[whole])?,
        info,
        captured: 0,
        serial: next_serial(),
    })
}

/// The layout of pictures that are drawn here.
fn plain(width: u32, height: u32) -> VideoInfo {
    let colorimetry = VideoColorimetry::new(
        gst_video::VideoColorRange::Range16_235,
        gst_video::VideoColorMatrix::Bt709,
        gst_video::VideoTransferFunction::Bt709,
        gst_video::VideoColorPrimaries::Bt709,
    );
    VideoInfo::builder(VideoFormat::I420, width, height)
        .colorimetry(&colorimetry)
        .build()
        .expect("I420 of any size is a format")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const STYLE: Style = Style {
        width: 400,
        height: 40,
        letters: 24,
        ground: Colour {
            red: 0,
            green: 0,
            blue: 0,
        },
        place: Place::Left(10),
    };

    /// Of the bright pixels: the first column, and one past the last.
    fn span(picture: &Picture) -> (usize, usize) {
        let map = picture.buffer.map_readable().unwrap();
        let (width, stride) = (400, picture.info.stride()[0] as usize);
        let bright = |x: &usize| (0..40).any(|y| map[y * stride + x] > 150);
        let first = (0..width).find(bright).unwrap();
        (first, (0..width).rfind(bright).unwrap() + 1)
    }

    #[test]
    fn one_text_after_the_other_each_at_its_place() {
        gst::init().unwrap();
        let mut lettering = Lettering::new(STYLE).unwrap();
        let (one, narrow) = lettering.write("Q <& A>").unwrap();
        let (two, wide) = lettering.write("Professor Ada Lovelace").unwrap();
        assert_ne!(one.serial, two.serial);
        for (picture, width) in [(&one, narrow), (&two, wide)] {
            let (from, to) = span(picture);
            assert!((10..16).contains(&from), "{from}");
            assert!(to.abs_diff(10 + width as usize) < 8, "{to} {width}");
        }
        assert!(wide > 2 * narrow);
        let middle = Style {
            place: Place::Middle,
            ..STYLE
        };
        let (three, _) = Lettering::new(middle).unwrap().write("09:32").unwrap();
        let (from, to) = span(&three);
        assert!((from + to).abs_diff(400) < 6, "{from} {to}");
    }
}

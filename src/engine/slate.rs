//! Slates: the picture that stands in for a slot whose source has nothing to give, and for the
//! whole programme. Drawn once per text, on a thread of its own, because loading fonts takes longer
//! than a tick; until it is ready the slot is plain. The programme's may be a picture from a file,
//! and counts down where it goes by itself.

mod countdown;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use gst::prelude::*;

use crate::media_file;
use crate::outlet::layout_of;
use crate::tongue::Tongue;
use crate::venue::{FrameSize, SlateConfig, Venue};

use super::fragment::{Fragment, FragmentError};
use super::lettering::in_programme_colours;
use super::note::{Note, Notes};
use super::ornament::Ornaments;
use super::pictures::{Picture, next_serial};
use countdown::Countdown;

/// A slate that may still be on its way.
#[derive(Debug, Clone, Default)]
pub struct Slate(Arc<OnceLock<Picture>>);

impl Slate {
    /// The picture, once drawn. Called on every tick.
    pub fn picture(&self) -> Option<&Picture> {
        self.0.get()
    }

    /// Whether both are the slate of one text.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// All that is drawn beside the sources' pictures. Owned by the engine thread.
#[derive(Debug)]
pub struct Slates {
    by_text: HashMap<String, Slate>,
    whole: Slate,
    countdown: Option<Countdown>,
    size: FrameSize,
    tongue: Tongue,
    /// What layouts ask for besides pictures.
    pub ornaments: Ornaments,
}

impl Slates {
    /// The slates of a venue; `notes` is told of a picture that cannot be shown.
    pub fn new(venue: &Venue, notes: Notes) -> Self {
        let config = venue.slate.clone();
        Self {
            by_text: HashMap::new(),
            whole: soon(move || draw_whole(&config, &notes)),
            countdown: None,
            size: venue.programme.size,
            tongue: venue.language.unwrap_or_else(Tongue::of_locale),
            ornaments: Ornaments::default(),
        }
    }

    /// The slate that stands in for the whole programme.
    pub fn whole(&self) -> Slate {
        self.whole.clone()
    }

    /// What counts down to `until`, in milliseconds since 1970; `None`: nothing does any more.
    pub fn count_down(&mut self, until: Option<u64>) -> Option<&Countdown> {
        let known = self.countdown.as_ref().map(Countdown::until);
        if known != until {
            self.countdown = until.map(|until| Countdown::start(until, self.size, self.tongue));
        }
        self.countdown.as_ref()
    }

    /// The slate that says `text`, drawn when first asked for.
    pub fn get(&mut self, text: &str) -> Slate {
        if let Some(slate) = self.by_text.get(text) {
            return slate.clone();
        }
        let own = text.to_owned();
        let slate = soon(move || draw(&own));
        self.by_text.insert(text.to_owned(), slate.clone());
        slate
    }
}

/// A slate that `make` gives, on a thread of its own.
fn soon(make: impl FnOnce() -> Result<Picture, DrawSlateError> + Send + 'static) -> Slate {
    let slate = Slate::default();
    let cell = slate.0.clone();
    let thread = std::thread::Builder::new().name("slate".into());
    let drawn = thread.spawn(move || {
        match make() {
            Ok(picture) => {
                // Set once, here only.
                let _ = cell.set(picture);
            }
            Err(error) => tracing::warn!("a slate cannot be drawn: {error}"),
        }
    });
    if let Err(error) = drawn {
        tracing::warn!("no thread to draw a slate: {error}");
    }
    slate
}

/// The venue's picture. It was good when the venue was checked; should it have gone since, the
/// drawn slate is better than nothing.
fn draw_whole(config: &SlateConfig, notes: &Notes) -> Result<Picture, DrawSlateError> {
    let Some(path) = &config.picture else {
        return draw(&config.text);
    };
    let read = media_file::picture(path).map_err(|error| error.to_string());
    let shown = |sample| picture_of(&sample).and_then(in_programme_colours);
    match read.and_then(|sample| shown(sample).ok_or_else(|| "has no size".to_owned())) {
        Ok(picture) => Ok(picture),
        Err(error) => {
            notes.send(Note::SlatePicture(format!("{} {error}", path.display())));
            draw(&config.text)
        }
    }
}

fn picture_of(sample: &gst::Sample) -> Option<Picture> {
    Some(Picture {
        buffer: sample.buffer_owned()?,
        info: layout_of(sample.caps()?)?,
        captured: 0,
        serial: next_serial(),
    })
}

/// Why a slate could not be drawn.
#[derive(Debug, thiserror::Error)]
enum DrawSlateError {
    #[error(transparent)]
    Fragment(#[from] FragmentError),
    #[error("the drawing pipeline gave no picture")]
    NoPicture,
}

fn draw(text: &str) -> Result<Picture, DrawSlateError> {
    let fragment = Fragment::pipeline("slate")?;
    // The text is Pango markup.
    fragment.set("text", "text", &glib::markup_escape_text(text))?;
    let sink: gst_app::AppSink = fragment.element("out")?;
    let pipeline = fragment.into_bin();
    let sample = match pipeline.set_state(gst::State::Playing) {
        Ok(_) => sink.try_pull_sample(gst::ClockTime::from_seconds(10)),
        Err(_) => None,
    };
    let picture = sample.and_then(|sample| picture_of(&sample));
    // NULL cannot be refused.
    let _ = pipeline.set_state(gst::State::Null);
    picture.ok_or(DrawSlateError::NoPicture)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_slate_shows_its_text_even_when_that_looks_like_markup() {
        gst::init().unwrap();
        let bright = |text: &str| {
            let picture = draw(text).unwrap();
            let map = picture.buffer.map_readable().unwrap();
            let luma = (picture.info.width() * picture.info.height()) as usize;
            map[..luma].iter().filter(|y| **y > 150).count()
        };
        let short = bright("Hi");
        assert!(short > 100);
        assert!(bright("Laptop <b> & \"stage\"") > 3 * short);
    }
}

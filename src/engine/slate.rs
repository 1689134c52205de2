//! Slates: the picture that stands in for a slot whose source has nothing to give, and for the
//! whole programme. Drawn once per text, on a thread of its own, because loading fonts takes longer
//! than a tick; until it is ready the slot is plain.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use gst::prelude::*;

use super::fragment::{Fragment, FragmentError};
use super::pictures::{Picture, layout_of, next_serial};

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

/// All slates by their text. Owned by the engine thread.
#[derive(Debug, Default)]
pub struct Slates {
    by_text: HashMap<String, Slate>,
}

impl Slates {
    /// The slate that says `text`, drawn when first asked for.
    pub fn get(&mut self, text: &str) -> Slate {
        if let Some(slate) = self.by_text.get(text) {
            return slate.clone();
        }
        let slate = Slate::default();
        self.by_text.insert(text.to_owned(), slate.clone());
        let (text, cell) = (text.to_owned(), slate.0.clone());
        let drawn = std::thread::Builder::new()
            .name("slate".into())
            .spawn(move || {
                match draw(&text) {
                    Ok(picture) => {
                        // Set once, here only.
                        let _ = cell.set(picture);
                    }
                    Err(error) => tracing::warn!("slate {text:?} cannot be drawn: {error}"),
                }
            });
        if let Err(error) = drawn {
            tracing::warn!("no thread to draw a slate: {error}");
        }
        slate
    }
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
    let picture = sample.and_then(|sample| {
        Some(Picture {
            buffer: sample.buffer_owned()?,
            info: layout_of(sample.caps()?)?,
            captured: 0,
            serial: next_serial(),
        })
    });
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

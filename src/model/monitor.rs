//! What a panel asks to be shown: the operator's monitors. Their pictures, and the sound levels, do
//! not go over the socket but through memory that the engine lends; see [`crate::monitor`].
//!
//! ```text
//! > {"request":"monitor","views":[{"of":"programme","width":960,"height":540,"rate":15},
//!                                 {"of":{"source":"laptop"},"width":320,"height":180,"rate":8}]}
//! < {"reply":"monitor"}        with the memory's descriptor on its first byte
//! ```
//!
//! Whoever has the memory counts its looks in it, as [`crate::monitor::memory`] says: views that
//! nobody has looked at for 2 s are not painted until somebody does. Levels are written all the
//! same. Before its first look, a connection may not ask for other views.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use super::id::SourceId;
use super::message::Refused;

/// Pixels of a view's width, even.
const WIDTHS: RangeInclusive<u32> = 16..=3840;
/// Pixels of a view's height, even.
const HEIGHTS: RangeInclusive<u32> = 16..=2160;
/// Pictures a second.
const RATES: RangeInclusive<u32> = 1..=60;
/// Views of one connection.
const MAX_VIEWS: usize = 64;
/// Bytes of one connection's pictures, with the copies that keep a reader from waiting.
const MAX_BYTES: u64 = 256 << 20;
/// Copies that the memory holds of every view.
pub const SLOTS: usize = 3;

/// What a monitor shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum View {
    /// What viewers get: the frames as they go to the encoder.
    Programme,
    /// What a take would put on air.
    Preview,
    /// One source, whether it is shown or not.
    Source(SourceId),
}

/// One monitor as a panel asks for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ViewRequest {
    /// What it shows.
    pub of: View,
    /// Pixels, even, 16 to 3840. A picture of another shape gets black bars.
    pub width: u32,
    /// Pixels, even, 16 to 2160.
    pub height: u32,
    /// Pictures a second at most, 1 to 60; a picture that has not changed is not sent again.
    pub rate: u32,
}

impl ViewRequest {
    /// Bytes of one picture: I420 as GStreamer lays it out, each row rounded up to four bytes.
    pub fn picture_bytes(&self) -> u64 {
        let rows = |width: u32, height: u32| u64::from(width.next_multiple_of(4) * height);
        rows(self.width, self.height) + 2 * rows(self.width / 2, self.height / 2)
    }

    /// Bytes of the memory's copies of it.
    pub fn memory_bytes(&self) -> u64 {
        self.picture_bytes() * SLOTS as u64
    }

    /// Refuses what is out of range, and sources that are not among `sources`.
    pub fn check(views: &[Self], sources: &[SourceId]) -> Result<(), Refused> {
        let refuse = |message| Err(Refused::new("out-of-range", message));
        if views.len() > MAX_VIEWS {
            return refuse(format!(
                "{} views are too many; accepted: at most {MAX_VIEWS}",
                views.len()
            ));
        }
        for view in views {
            let (width, height) = (view.width, view.height);
            let even = width.is_multiple_of(2) && height.is_multiple_of(2);
            if !even || !WIDTHS.contains(&width) || !HEIGHTS.contains(&height) {
                return refuse(format!(
                    "a view of {width}x{height} is out of range; accepted: even numbers, {}x{} to {}x{}",
                    WIDTHS.start(),
                    HEIGHTS.start(),
                    WIDTHS.end(),
                    HEIGHTS.end()
                ));
            }
            if !RATES.contains(&view.rate) {
                return refuse(format!(
                    "a view's rate of {} is out of range; accepted: {} to {}",
                    view.rate,
                    RATES.start(),
                    RATES.end()
                ));
            }
            if let View::Source(id) = &view.of
                && !sources.contains(id)
            {
                return Err(Refused::unknown("source", id, sources.iter()));
            }
        }
        let bytes: u64 = views.iter().map(Self::memory_bytes).sum();
        if bytes > MAX_BYTES {
            return refuse(format!(
                "these views need {} MiB; accepted: at most {} MiB",
                bytes >> 20,
                MAX_BYTES >> 20
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn view(of: View, width: u32, height: u32, rate: u32) -> ViewRequest {
        ViewRequest {
            of,
            width,
            height,
            rate,
        }
    }

    #[test]
    fn what_is_out_of_range_is_refused_in_words() {
        let sources: Vec<SourceId> = vec!["one".parse().unwrap(), "two".parse().unwrap()];
        let refused = |views: &[ViewRequest]| {
            let refused = ViewRequest::check(views, &sources).unwrap_err();
            (refused.code, refused.message)
        };
        let good = view(View::Source("two".parse().unwrap()), 16, 2160, 60);
        assert_eq!(ViewRequest::check(&[], &sources), Ok(()));
        assert_eq!(
            ViewRequest::check(&vec![good.clone(); 64], &sources),
            Ok(())
        );
        for (views, code, message) in [
            (
                vec![good.clone(); 65],
                "out-of-range",
                "65 views are too many; accepted: at most 64",
            ),
            (
                vec![view(View::Programme, 321, 180, 8)],
                "out-of-range",
                "a view of 321x180 is out of range; accepted: even numbers, 16x16 to 3840x2160",
            ),
            (
                vec![good.clone(), view(View::Preview, 320, 14, 8)],
                "out-of-range",
                "a view of 320x14 is out of range; accepted: even numbers, 16x16 to 3840x2160",
            ),
            (
                vec![view(View::Preview, 320, 180, 0)],
                "out-of-range",
                "a view's rate of 0 is out of range; accepted: 1 to 60",
            ),
            (
                vec![view(View::Source("three".parse().unwrap()), 320, 180, 8)],
                "unknown-source",
                "no source \"three\"; there are: one, two",
            ),
            (
                vec![view(View::Programme, 3840, 2160, 8); 8],
                "out-of-range",
                "these views need 284 MiB; accepted: at most 256 MiB",
            ),
        ] {
            assert_eq!(refused(&views), (code.to_owned(), message.to_owned()));
        }
    }
}

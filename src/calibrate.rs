//! Where picture and sound of one event lie apart: finds, from the pictures of a camera and from a
//! sound, by how much the one comes later than the other, while somebody claps in front of the camera
//! or a flash and a beep are played. Pure: no GStreamer, no clock, no threads.
//!
//! All times are capture times in seconds, as the stamps say. What is found is *offset* = picture
//! minus sound: positive where the picture of an event is stamped later than its sound.
//!
//! What a picture can tell: one that is stamped `t` shows what was so at `t`, the middle of its
//! exposure. An event between two pictures is seen first in the second one, so the pair says no more
//! than "between these two", and the stamp of the picture in which it is first seen is half a distance
//! of pictures too late in the mean. That bias is not in the result: an event is the interval between
//! the two pictures, and many events at different phases narrow down where the offset must lie to be
//! in all of their intervals, to a few milliseconds where pictures come every forty. (Where a card
//! stamps the beginning or the end of an exposure, the result is off by half the exposure; that only
//! the camera knows.)
//!
//! Rooms: `sight` finds flashes and claps in pictures, `hearing` finds onsets in sound, `verdict`
//! finds the offset at which most of the one meet some of the other.

mod hearing;
mod sight;
mod verdict;

pub use hearing::Hearing;
pub use sight::{By, Sight};
pub use verdict::{Found, Verdict, judge};

#[cfg(test)]
mod tests;

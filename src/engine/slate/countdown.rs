//! The time that is left until the slate goes by itself: a picture that is written anew each second
//! on a thread of its own, and painted as one more slot over the slate. Nothing else is painted
//! meanwhile, and without a return there is no thread.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use crate::engine::ledger::wall_clock;
use crate::engine::lettering::{Lettering, LetteringError, Place, Style};
use crate::engine::pictures::Pictures;
use crate::model::layout::DEFAULT_BACKGROUND;
use crate::model::{Phrase, PixelRect, Rect};
use crate::tongue::Tongue;
use crate::venue::FrameSize;

/// Where it stands: in the lower third, clear of a text in the middle.
const PLACE: Rect = Rect {
    x: 0.27,
    y: 0.8,
    width: 0.46,
    height: 0.085,
};

/// A countdown at work. Dropped, its thread ends.
#[derive(Debug)]
pub struct Countdown {
    until: u64,
    rect: PixelRect,
    pictures: Arc<Pictures>,
    _end: Sender<()>,
}

impl Countdown {
    /// Counts down to `until`, in milliseconds since 1970, for a programme of this size.
    pub fn start(until: u64, size: FrameSize, tongue: Tongue) -> Self {
        let rect = PLACE.to_pixels(size.width, size.height);
        let pictures = Arc::<Pictures>::default();
        let (end, ended) = channel();
        let style = Style {
            width: rect.width,
            height: rect.height,
            letters: (rect.height / 2).max(8),
            ground: DEFAULT_BACKGROUND,
            place: Place::Middle,
        };
        let shown = pictures.clone();
        let thread = std::thread::Builder::new().name("countdown".into());
        let started = thread.spawn(move || {
            if let Err(error) = run(until, style, tongue, &shown, &ended) {
                tracing::warn!("the time left cannot be shown: {error}");
            }
        });
        if let Err(error) = started {
            tracing::warn!("no thread to show the time left: {error}");
        }
        Self {
            until,
            rect,
            pictures,
            _end: end,
        }
    }

    /// When it is at its end, in milliseconds since 1970.
    pub fn until(&self) -> u64 {
        self.until
    }

    /// Where it stands in the programme.
    pub fn rect(&self) -> PixelRect {
        self.rect
    }

    /// What it shows.
    pub fn pictures(&self) -> &Arc<Pictures> {
        &self.pictures
    }
}

/// Writes until the other end is dropped.
fn run(
    until: u64,
    style: Style,
    tongue: Tongue,
    pictures: &Pictures,
    ended: &Receiver<()>,
) -> Result<(), LetteringError> {
    let mut lettering = Lettering::new(style)?;
    let mut shown = None;
    loop {
        let left = until.saturating_sub(wall_clock());
        let seconds = left.div_ceil(1000);
        if shown.replace(seconds) != Some(seconds) {
            let (picture, _) = lettering.write(&words(until, seconds, tongue))?;
            pictures.set_still(picture);
        }
        // To the moment when a second less is left. The wall clock may be set meanwhile: never
        // asleep for longer.
        let wait = match left {
            0 => Duration::from_secs(1),
            left => Duration::from_millis((left - 1) % 1000 + 1),
        };
        if ended.recv_timeout(wait) != Err(RecvTimeoutError::Timeout) {
            return Ok(());
        }
    }
}

/// `Back at 14:00 · 09:32`, by this machine's local time.
fn words(until: u64, seconds: u64, tongue: Tongue) -> String {
    let local = i64::try_from(until / 1000)
        .ok()
        .and_then(|seconds| glib::DateTime::from_unix_local(seconds).ok())
        .and_then(|local| local.format("%H:%M").ok());
    let left = left(seconds);
    match local {
        Some(time) => {
            let back = Phrase::new("Back at {time}").with("time", time.as_str());
            format!("{}  ·  {left}", tongue.say(&back))
        }
        None => left,
    }
}

/// `09:32`, `1:09:32`.
fn left(seconds: u64) -> String {
    let (minutes, seconds) = (seconds / 60, seconds % 60);
    match minutes / 60 {
        0 => format!("{minutes:02}:{seconds:02}"),
        hours => format!("{hours}:{:02}:{seconds:02}", minutes % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_is_said_in_the_venues_language() {
        assert_eq!(
            [0, 9, 572, 3599, 3600, 36_061].map(left),
            ["00:00", "00:09", "09:32", "59:59", "1:00:00", "10:01:01"]
        );
        let now = wall_clock();
        let english = words(now, 572, Tongue::English);
        assert!(english.starts_with("Back at ") && english.ends_with("  ·  09:32"));
        let french = words(now, 572, Tongue::French);
        assert!(french.starts_with("Reprise à "), "{french}");
    }

    #[test]
    fn a_picture_comes_at_once_and_another_each_second() {
        assert!(gst::init().is_ok());
        let size = FrameSize {
            width: 640,
            height: 360,
        };
        let countdown = Countdown::start(wall_clock() + 60_000, size, Tongue::English);
        let began = std::time::Instant::now();
        while countdown.pictures().pushed() < 3 && began.elapsed().as_secs() < 20 {
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(countdown.pictures().pushed() >= 3);
        let shown = countdown.pictures().current().ok().flatten();
        let shown = shown.map(|picture| (picture.info.width(), picture.info.height()));
        let rect = countdown.rect();
        assert_eq!(shown, Some((rect.width, rect.height)));
        let pictures = Arc::downgrade(countdown.pictures());
        drop(countdown);
        while pictures.upgrade().is_some() && began.elapsed().as_secs() < 20 {
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(pictures.upgrade().is_none(), "its thread goes on");
    }
}

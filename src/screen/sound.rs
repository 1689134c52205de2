//! A connection's sound, and what it is played by: a pipeline of its own, so that a sound card that is
//! pulled, or a sound server that dies or hangs, costs the sound alone.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gst::prelude::*;
use parking_lot::Mutex;

use crate::engine::fragment::{Fragment, FragmentError};
use crate::engine::pipeline::{Pipe, Reporter};
use crate::engine::timebase::Timebase;
use crate::outlet::running_time;

use super::session::join;

/// Packets that may be on their way to [`Sound`].
const QUEUE: u32 = 64;
/// Sound that lies with the sound card, in microseconds: a part of the delay.
const BUFFER: i64 = 80_000;
/// What is to be heard further than this from where the sound card is, in nanoseconds, is put right; by
/// itself GStreamer would let 40 ms pass, and that for a second.
const IN_STEP: u64 = 10_000_000;
/// Steps of sound are heard: it is moved only by more than this, in nanoseconds...
const STEP: i64 = 20_000_000;
/// ...and only to what has held for so long.
const HELD: Duration = Duration::from_secs(2);
/// An offset that is right lies still by so much, in nanoseconds, and a connection, which begins with a
/// burst, has settled when it has for so long.
const STILL: i64 = 5_000_000;
const SETTLED: Duration = Duration::from_millis(400);
/// One that never lies still, as on a busy machine, is believed after so long: sound that lies a little off
/// is better than none.
const AT_LAST: Duration = Duration::from_millis(1500);

/// OpenAL plays where nothing else works, and where it does not work either it plays to nobody and says
/// that it does.
pub fn leave_out_what_is_heard_nowhere() {
    if let Some(factory) = gst::ElementFactory::find("openalsink") {
        factory.set_rank(gst::Rank::NONE);
    }
}

/// A connection's sound as it was sent. Brought by a streaming thread.
#[derive(Default)]
pub struct Sound {
    inside: Mutex<Inside>,
}

#[derive(Default)]
struct Inside {
    /// What flows, once something does.
    caps: Option<gst::Caps>,
    /// Who plays it.
    player: Option<gst_app::AppSrc>,
}

impl Sound {
    /// Takes what comes by the pad. Called by the streaming thread that came up with it.
    pub fn take(
        self: &Arc<Self>,
        pipeline: &gst::Pipeline,
        pad: &gst::Pad,
    ) -> Result<(), glib::BoolError> {
        let sink = gst_app::AppSink::builder()
            .sync(false)
            .async_(false)
            .max_buffers(QUEUE)
            .wait_on_eos(false)
            .build();
        let own = self.clone();
        sink.set_callbacks(
            gst_app::AppSinkCallbacks::builder()
                .new_sample(move |sink| {
                    let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                    own.pass(&sample);
                    Ok(gst::FlowSuccess::Ok)
                })
                .build(),
        );
        pipeline.add(&sink)?;
        sink.sync_state_with_parent()?;
        join(pad, &sink)
    }

    /// Whether there is any.
    pub fn flows(&self) -> bool {
        self.inside.lock().caps.is_some()
    }

    fn pass(&self, sample: &gst::Sample) {
        let stamp = running_time(sample).map(gst::ClockTime::from_nseconds);
        let (Some(caps), Some(stamp), Some(mut buffer)) =
            (sample.caps(), stamp, sample.buffer_owned())
        else {
            return;
        };
        let (player, is_new) = {
            let mut inside = self.inside.lock();
            let is_new = inside.caps.as_deref() != Some(caps);
            if is_new {
                inside.caps = Some(caps.to_owned());
            }
            (inside.player.clone(), is_new)
        };
        let Some(player) = player else { return };
        if is_new {
            player.set_caps(Some(&caps.to_owned()));
        }
        let own = buffer.make_mut();
        own.set_pts(stamp);
        own.set_dts(None);
        // It never waits: what the sound card does not take is replaced by what is newer. Refused only by
        // a pipeline that is being taken down.
        let _ = player.push_buffer(buffer);
    }

    /// From now on this one plays it.
    fn give_to(&self, player: &gst_app::AppSrc) {
        let caps = {
            let mut inside = self.inside.lock();
            inside.player = Some(player.clone());
            inside.caps.clone()
        };
        player.set_caps(caps.as_ref());
    }

    fn keep_from(&self, player: &gst_app::AppSrc) {
        let mut inside = self.inside.lock();
        if inside.player.as_ref() == Some(player) {
            inside.player = None;
        }
    }
}

/// Why sound cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum OpenSoundError {
    /// The fragment.
    #[error(transparent)]
    Fragment(#[from] FragmentError),
    /// GStreamer plays to nobody then.
    #[error("neither a sound server nor a sound card can be opened")]
    NoDevice,
}

/// What plays a connection's sound. Dropped, it is closed on a thread of GStreamer's.
pub struct Loudspeaker {
    sound: Arc<Sound>,
    entry: gst_app::AppSrc,
    out: gst::Element,
    _pipe: Pipe,
}

impl Loudspeaker {
    /// Opens this machine's sound system, and has the sound be heard so many nanoseconds after its
    /// stamps. May wait for a sound server. What fails later is told by `reporter`.
    pub fn start(
        sound: &Arc<Sound>,
        offset: i64,
        timebase: &Timebase,
        reporter: Reporter,
    ) -> Result<Self, OpenSoundError> {
        let fragment = Fragment::pipeline("screen-sound")?;
        let entry: gst_app::AppSrc = fragment.element("in")?;
        let out: gst::Element = fragment.element("out")?;
        out.set_property("ts-offset", offset);
        let pipe = fragment.into_pipe(timebase, reporter);
        // Sound is told when it is due; the pipeline adds nothing to that.
        pipe.inner().set_latency(gst::ClockTime::ZERO);
        pipe.inner().connect_deep_element_added(|_, _, element| {
            let has = |name: &str| element.has_property(name);
            if has("buffer-time") && has("latency-time") {
                element.set_property("buffer-time", BUFFER);
                element.set_property("latency-time", BUFFER / 4);
            }
            if has("alignment-threshold") && has("discont-wait") {
                element.set_property("alignment-threshold", IN_STEP);
                element.set_property("discont-wait", 0u64);
            }
        });
        // A refusal has been reported.
        let _ = pipe.play();
        if plays_to_nobody(&out) {
            return Err(OpenSoundError::NoDevice);
        }
        sound.give_to(&entry);
        Ok(Self {
            sound: sound.clone(),
            entry,
            out,
            _pipe: pipe,
        })
    }

    /// Has it be heard so many nanoseconds after its stamps from now on.
    pub fn set_offset(&self, offset: i64) {
        self.out.set_property("ts-offset", offset);
    }
}

impl Drop for Loudspeaker {
    fn drop(&mut self) {
        self.sound.keep_from(&self.entry);
    }
}

/// Whether no device that was tried could be opened.
fn plays_to_nobody(out: &gst::Element) -> bool {
    let Some(chosen) = out.downcast_ref::<gst::Bin>() else {
        return false;
    };
    let mut inside = chosen.iterate_elements().into_iter().flatten();
    inside.any(|element| {
        let factory = element.factory();
        factory.is_some_and(|factory| factory.name() == "fakesink")
    })
}

/// When sound is to be heard: by the pictures' pace, but for what would be heard as a step. Pure: whoever
/// asks brings the time.
#[derive(Debug, Clone, Default)]
pub struct Due {
    /// When something was said first.
    begun: Option<Instant>,
    /// What was said last, and since when nothing else was.
    said: Option<(i64, Instant)>,
    /// How it is heard.
    heard: Option<i64>,
}

impl Due {
    /// The pictures are shown so many nanoseconds after their stamps. The answer is where sound has to be
    /// moved to, where it has to.
    pub fn say(&mut self, offset: i64, now: Instant) -> Option<i64> {
        let near = |other: i64, by: i64| (offset - other).abs() <= by;
        let begun = *self.begun.get_or_insert(now);
        match self.said {
            Some((said, since)) if near(said, STILL) => {
                let since = now.duration_since(since);
                let moves = match self.heard {
                    None => since >= SETTLED,
                    Some(heard) => since >= HELD && !near(heard, STEP),
                };
                moves.then(|| *self.heard.insert(offset))
            }
            _ => {
                self.said = Some((offset, now));
                let late = self.heard.is_none() && now.duration_since(begun) >= AT_LAST;
                late.then(|| *self.heard.insert(offset))
            }
        }
    }

    /// Where it is to be heard now, once that is known.
    pub fn heard(&self) -> Option<i64> {
        self.heard
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;

    /// Says these offsets, in milliseconds, each 100 ms after the one before; the answers.
    fn say(due: &mut Due, from: Instant, offsets: &[i64]) -> Vec<Option<i64>> {
        let times = (0..).map(|n| from + Duration::from_millis(100 * n));
        let said = offsets.iter().zip(times);
        said.map(|(offset, now)| due.say(offset * MS, now).map(|at| at / MS))
            .collect()
    }

    #[test]
    fn sound_begins_when_the_burst_of_a_connection_is_over() {
        let mut due = Due::default();
        let answers = say(
            &mut due,
            Instant::now(),
            &[80, 120, 141, 140, 140, 142, 143],
        );
        assert_eq!(answers, [None, None, None, None, None, None, Some(143)]);
        assert_eq!(due.heard(), Some(143 * MS));
    }

    #[test]
    fn sound_begins_where_pictures_never_come_evenly() {
        let mut due = Due::default();
        let uneven: Vec<i64> = (0..18).map(|n| 140 + 20 * (n % 2)).collect();
        let answers = say(&mut due, Instant::now(), &uneven);
        let first = answers.iter().position(Option::is_some);
        assert_eq!(first, Some(15));
        assert_eq!(answers.iter().flatten().count(), 1);
    }

    #[test]
    fn what_nobody_hears_moves_nothing_and_what_passes_neither() {
        let (mut due, begun) = (Due::default(), Instant::now());
        say(&mut due, begun, &[140; 6]);
        let later = begun + Duration::from_secs(10);
        assert_eq!(say(&mut due, later, &[150; 30]), [None; 30]);
        let later = later + Duration::from_secs(10);
        // Uneven for a second.
        assert_eq!(say(&mut due, later, &[220; 10]), [None; 10]);
        let later = later + Duration::from_secs(1);
        assert_eq!(say(&mut due, later, &[150; 3]), [None; 3]);
        let later = later + Duration::from_secs(10);
        let mut answers = say(&mut due, later, &[220; 25]);
        assert_eq!(answers.remove(20), Some(220));
        assert_eq!(answers, [None; 24]);
    }
}

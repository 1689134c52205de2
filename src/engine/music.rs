//! The slate's music: a file, played again and again while the slate is on.
//!
//! The engine thread owns [`Music`] and says when it is wanted. A thread of its own fetches decoded
//! sound a little ahead of time and lays it down sample after sample: also across the end of the
//! file, whose rewinding takes less time than that, so the loop has no seam but the file's own. The
//! mixer fades it in and out like any other sound. A file that breaks is silent, and is tried again.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use gst::prelude::*;

use crate::venue::MusicConfig;

use super::fragment::{Fragment, FragmentError};
use super::note::{MusicNote, Note, Notes};
use super::pipeline::{Pipe, PipeNote};
use super::samples::{CHANNELS, RATE, Samples};
use super::timebase::Timebase;

/// How long it takes to come and to go.
pub const FADE: Duration = Duration::from_millis(500);
/// So long after it is no longer wanted it ends: by then it has been faded out.
const LINGER: Duration = Duration::from_millis(1500);
/// Pause before a file that broke is tried again.
const AGAIN: Duration = Duration::from_secs(3);
/// How far ahead of its time sound is laid down, in nanoseconds: longer than a rewind takes.
const AHEAD: u64 = 500_000_000;
/// The first sound is laid down so far ahead, in nanoseconds.
const LEAD: u64 = 20_000_000;
/// A decoder that gives nothing is looked at again after this.
const LOOK: gst::ClockTime = gst::ClockTime::from_mseconds(100);

/// The music and its supervision. Dropped, it ends.
#[derive(Debug)]
pub struct Music {
    path: PathBuf,
    /// Factor.
    pub gain: f32,
    /// What it sounds like.
    pub samples: Arc<Samples>,
    timebase: Timebase,
    notes: Notes,
    state: State,
    run: u64,
}

#[derive(Debug)]
enum State {
    /// Nobody wants it.
    Silent,
    /// Wanted, and at work.
    Playing(Player),
    /// No longer wanted; it fades out until then.
    Fading(Player, Instant),
    /// Wanted, but it broke; tried again then.
    Waiting(Instant),
}

/// A thread that plays. Dropped, it ends soon, and is not waited for.
#[derive(Debug)]
struct Player {
    _end: Sender<()>,
}

impl Music {
    /// Music that is not wanted yet.
    pub fn new(config: &MusicConfig, timebase: &Timebase, notes: Notes) -> Self {
        Self {
            path: config.path.clone(),
            gain: 10f64.powf(config.gain / 20.0) as f32,
            samples: Arc::default(),
            timebase: timebase.clone(),
            notes,
            state: State::Silent,
            run: 0,
        }
    }

    /// Whether it is to be heard.
    pub fn is_wanted(&self) -> bool {
        matches!(self.state, State::Playing(_) | State::Waiting(_))
    }

    /// Has it heard from now on, from the beginning of the file, or no longer.
    pub fn want(&mut self, wanted: bool, now: Instant) {
        self.state = match (std::mem::replace(&mut self.state, State::Silent), wanted) {
            (State::Silent, true) => self.play(now),
            (State::Fading(player, _), true) => State::Playing(player),
            (State::Playing(player), false) => State::Fading(player, now + LINGER),
            (State::Waiting(_), false) => State::Silent,
            (unchanged, _) => unchanged,
        };
    }

    /// Looks after it; called some ten times a second.
    pub fn poll(&mut self, now: Instant) {
        match &self.state {
            State::Fading(_, until) if now >= *until => self.state = State::Silent,
            State::Waiting(until) if now >= *until => self.state = self.play(now),
            _ => {}
        }
    }

    /// The player of run `run` broke; whether that is the one of now.
    pub fn on_broken(&mut self, run: u64, now: Instant) -> bool {
        if run != self.run {
            return false;
        }
        match self.state {
            State::Playing(_) => self.state = State::Waiting(now + AGAIN),
            // Nobody would hear it again.
            State::Fading(..) => {
                self.state = State::Silent;
                return false;
            }
            State::Silent | State::Waiting(_) => return false,
        }
        true
    }

    /// The player of run `run` plays; whether that is the one of now.
    pub fn is_now(&self, run: u64) -> bool {
        run == self.run
    }

    fn play(&mut self, now: Instant) -> State {
        self.run += 1;
        let (end, ended) = channel();
        let deck = Deck {
            samples: self.samples.clone(),
            timebase: self.timebase.clone(),
            notes: self.notes.clone(),
            run: self.run,
            ended,
        };
        let path = self.path.clone();
        let thread = std::thread::Builder::new().name("music".into());
        match thread.spawn(move || deck.run(&path)) {
            Ok(_) => State::Playing(Player { _end: end }),
            Err(error) => {
                tracing::warn!("no thread to play the slate's music: {error}");
                State::Waiting(now + AGAIN)
            }
        }
    }
}

/// What the playing thread has.
struct Deck {
    samples: Arc<Samples>,
    timebase: Timebase,
    notes: Notes,
    run: u64,
    ended: Receiver<()>,
}

/// Why music ends.
enum End {
    /// It is not wanted any more.
    Asked,
    /// It broke, for this reason.
    Broke(String),
}

impl Deck {
    fn run(self, path: &Path) {
        if let End::Broke(reason) = self.play(path) {
            self.tell(MusicNote::Broke(reason));
        }
    }

    fn tell(&self, note: MusicNote) {
        self.notes.send(Note::Music(self.run, note));
    }

    fn play(&self, path: &Path) -> End {
        let (errors, broken) = channel();
        let opened = open(path, &self.timebase, errors);
        let (pipe, sink) = match opened {
            Ok(opened) => opened,
            Err(error) => return End::Broke(error.to_string()),
        };
        let now = || self.timebase.now().nseconds();
        let mut floats: Vec<f32> = Vec::new();
        // Index of the next sample frame, and how many have come since the file's beginning.
        let mut next = index_ahead(now(), LEAD);
        let mut heard: u64 = 0;
        let mut told = false;
        loop {
            let sample = sink.try_pull_sample(LOOK);
            if let Ok(reason) = broken.try_recv() {
                return End::Broke(reason);
            }
            let buffer = sample.as_ref().and_then(|sample| sample.buffer());
            let Some(map) = buffer.and_then(|buffer| buffer.map_readable().ok()) else {
                if self.is_asked(Duration::ZERO) {
                    return End::Asked;
                }
                if sink.is_eos() {
                    if heard == 0 {
                        return End::Broke("it has no sound".to_owned());
                    }
                    heard = 0;
                    let flags = gst::SeekFlags::FLUSH | gst::SeekFlags::ACCURATE;
                    if pipe
                        .inner()
                        .seek_simple(flags, gst::ClockTime::ZERO)
                        .is_err()
                    {
                        return End::Broke("it cannot be rewound".to_owned());
                    }
                }
                continue;
            };
            floats.clear();
            let (quads, _) = map.as_chunks::<4>();
            floats.extend(quads.iter().map(|quad| f32::from_le_bytes(*quad)));
            drop(map);
            let frames = (floats.len() / CHANNELS) as u64;
            if !std::mem::replace(&mut told, true) {
                self.tell(MusicNote::Plays);
            }
            // Too slow a disk: what could not be in time goes on from now.
            next = next.max(index_ahead(now(), 0));
            self.samples.write(nanoseconds(next), &floats);
            next += frames;
            heard += frames;
            let early = nanoseconds(next).saturating_sub(now() + AHEAD);
            if self.is_asked(Duration::from_nanos(early)) {
                return End::Asked;
            }
        }
    }

    /// Waits so long, unless it is asked to end.
    fn is_asked(&self, wait: Duration) -> bool {
        self.ended.recv_timeout(wait) != Err(RecvTimeoutError::Timeout)
    }
}

fn open(
    path: &Path,
    timebase: &Timebase,
    errors: Sender<String>,
) -> Result<(Pipe, gst_app::AppSink), FragmentError> {
    let fragment = Fragment::pipeline("slate-music")?;
    fragment.set("source", "location", &path.to_string_lossy())?;
    let sink: gst_app::AppSink = fragment.element("out")?;
    let reporter = move |note| {
        if let PipeNote::Error { text, detail } = note {
            tracing::debug!("the slate's music: {detail}");
            // The thread that listens may have ended.
            let _ = errors.send(text);
        }
    };
    let pipe = fragment.into_pipe(timebase, Box::new(reporter));
    // A refusal has been reported.
    let _ = pipe.play();
    Ok((pipe, sink))
}

/// The sample frame that lies `ahead` nanoseconds after a running time.
fn index_ahead(now: u64, ahead: u64) -> u64 {
    super::samples::index_at(now + ahead)
}

/// The running time of a sample frame, rounded up, so that it is that frame's again.
fn nanoseconds(index: u64) -> u64 {
    (u128::from(index) * 1_000_000_000).div_ceil(u128::from(RATE)) as u64
}

//! Supervisor of one source: starts its way in, notices when it falls silent or fails, tries again
//! for ever with pauses. Owned by the engine thread; [`Source::poll`] is its clock.

mod card;
mod intake;
mod state;
mod trouble;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::model::{Phrase, SourceId};
use crate::venue::{SourceConfig, SourceKind};

use super::decode::{Decoder, describe};
use super::feed::Media;
use super::fragment::FragmentError;
use super::inlet::Inlet;
use super::note::{Note, Notes, SourceNote};
use super::pictures::Pictures;
use super::pipeline::{Pipe, PipeNote, Reporter};
use super::programme::HOLD;
use super::samples::Samples;
use super::timebase::Timebase;
use super::wording::foreign;

pub use card::CardFault;
use card::CardSeat;
pub use state::SourceState;
pub use trouble::Change;
use trouble::Watch;

/// A connection that gives nothing for so long is built anew.
const GIVE_UP: Duration = Duration::from_secs(4);
/// Nothing came of a connection for so long: build it anew.
const CONNECT: Duration = Duration::from_secs(5);
/// A source that has been live for so long is a good one: after that, attempts start quickly again.
const GOOD: Duration = Duration::from_secs(5);
/// Decoders that have worked for so long after a trouble are well again.
const CURED: Duration = Duration::from_secs(2);

/// A source whose pictures have stopped for so long, while its sound goes on, is in trouble: a slot
/// has shown its slate for a while by then, and one that stops altogether has been found stalled.
const PICTURE_LOST: Duration = HOLD.saturating_mul(2);

/// Time between attempt `n` (from 1 on) to fetch a source and the next: short enough for it to be
/// back within a second of its server's return.
fn pause(attempt: u32) -> Duration {
    match attempt {
        0 | 1 => Duration::from_millis(50),
        2 => Duration::from_millis(400),
        _ => Duration::from_millis(800),
    }
}

/// How long after they are due pictures are shown is believed when it has changed by less than so
/// many nanoseconds for so long: ticks may still be moving.
const UNSTEADY: f64 = 3e6;
const STEADY: Duration = Duration::from_millis(1500);

/// Time before decoders are built anew for the `n`th time without success.
fn decoder_pause(attempt: u32) -> Duration {
    Duration::from_millis(500 << attempt.min(3))
}

/// One source and everything it owns.
#[derive(Debug)]
pub struct Source {
    /// What the venue file says.
    pub config: SourceConfig,
    /// Its decoded pictures.
    pub pictures: Arc<Pictures>,
    /// Its decoded sound.
    pub samples: Arc<Samples>,
    /// How long after they are due its pictures are shown, in nanoseconds, and since when that is so.
    behind: Option<(f64, Instant)>,
    /// The same in the mean of sources that the programme's ticks do not follow.
    pub mean_behind: i64,
    /// Its encoded side.
    pub inlet: Arc<Inlet>,
    timebase: Timebase,
    notes: Notes,
    state: SourceState,
    /// The state that was last judged.
    judged: SourceState,
    /// Tells notes of the pipelines of now from those of earlier ones.
    run: u64,
    intake: Option<Pipe>,
    card: Option<CardSeat>,
    video: Option<Decoder>,
    audio: Option<Decoder>,
    decoders_due: Option<Instant>,
    decoder_attempt: u32,
    /// The last trouble with a decoder, until it is over.
    decoder_broke: Option<Instant>,
    attempt: u32,
    /// When the last attempt began, and since when it has been live.
    tried: Instant,
    live_since: Option<Instant>,
    /// Which publisher is at work.
    publisher: Option<u64>,
    activity: u64,
    active_at: Instant,
    pictures_seen: u64,
    picture_at: Option<Instant>,
    /// When the last picture of this session came; `None`: it has sent none.
    last_picture: Option<Instant>,
    lacked_picture: bool,
    connects: u64,
    watch: Watch,
    /// Of decoders that are no more.
    overflows: u64,
}

impl Source {
    /// A source that has not started.
    pub fn new(config: SourceConfig, timebase: &Timebase, notes: Notes) -> Self {
        Self {
            config,
            pictures: Arc::default(),
            samples: Arc::default(),
            behind: None,
            mean_behind: 0,
            inlet: Inlet::new(timebase),
            timebase: timebase.clone(),
            notes,
            state: SourceState::Idle {
                reason: Phrase::default(),
            },
            judged: SourceState::Idle {
                reason: Phrase::default(),
            },
            run: 0,
            intake: None,
            card: None,
            video: None,
            audio: None,
            decoders_due: None,
            decoder_attempt: 0,
            decoder_broke: None,
            attempt: 0,
            tried: Instant::now(),
            live_since: None,
            publisher: None,
            activity: 0,
            active_at: Instant::now(),
            pictures_seen: 0,
            picture_at: None,
            last_picture: None,
            lacked_picture: false,
            connects: 0,
            watch: Watch::default(),
            overflows: 0,
        }
    }

    /// Its id.
    pub fn id(&self) -> &SourceId {
        &self.config.id
    }

    /// What is so.
    pub fn state(&self) -> &SourceState {
        &self.state
    }

    /// Whether its state is another one than at the last call.
    pub fn take_change(&mut self) -> bool {
        let changed = self.judged != self.state;
        self.judged = self.state.clone();
        changed
    }

    /// How often it became live.
    pub fn connects(&self) -> u64 {
        self.connects
    }

    /// Whether a slot that it plays shows its picture.
    pub fn has_picture(&self) -> bool {
        self.picture_at.is_some()
    }

    /// Whether it sends, and has sent pictures in this session, but does no longer. A decoder that
    /// broke is another trouble.
    fn lacks_picture(&self, now: Instant) -> bool {
        // After a stall the picture may return a little later than the sound.
        let since = |at: Instant| self.live_since.map_or(at, |live| live.max(at));
        let lost = |at: Instant| now.duration_since(since(at)) > PICTURE_LOST;
        self.state == SourceState::Live
            && !matches!(self.config.kind, SourceKind::Image { .. })
            && self.decoder_broke.is_none()
            && self.last_picture.is_some_and(lost)
    }

    /// Whether its picture has stopped, `true`, or that is over, since the last call.
    pub fn take_picture_change(&mut self, now: Instant) -> Option<bool> {
        let lacks = self.lacks_picture(now);
        let before = std::mem::replace(&mut self.lacked_picture, lacks);
        (before != lacks).then_some(lacks)
    }

    /// Troubles that have begun to last, or are over, since the last call.
    pub fn take_troubles(&mut self, now: Instant) -> Vec<trouble::Change> {
        let overflows = self.overflows + self.video.as_ref().map_or(0, Decoder::overflows);
        let way = self.inlet.way();
        self.watch.look(now, trouble::Figures { way, overflows })
    }

    /// Whether it arrives encoded, and can be played on as it is.
    pub fn is_encoded(&self) -> bool {
        intake::is_encoded(&self.config.kind)
    }

    /// Its picture and its sound as they arrive, for people.
    pub fn formats(&self) -> (String, String) {
        if let SourceKind::Test { size, framerate } = &self.config.kind {
            return (
                format!("test pattern {size} {framerate} fps"),
                "tone 48000 Hz".to_owned(),
            );
        }
        if let Some(card) = &self.card {
            return (card.picture().to_owned(), String::new());
        }
        let of = |media, feed: &super::feed::Feed| {
            feed.caps()
                .map_or(String::new(), |caps| describe(media, &caps))
        };
        (
            of(Media::Video, &self.inlet.video),
            of(Media::Audio, &self.inlet.audio),
        )
    }

    /// Sets it going: fetches, or waits for somebody to push.
    pub fn start(&mut self, now: Instant) {
        self.run += 1;
        self.tried = now;
        self.last_picture = None;
        self.intake = None;
        self.inlet.reset();
        self.activity = self.activity();
        if let Err(error) = self.build(now) {
            let said = error.to_string();
            self.fail(foreign(&said), said, now);
        }
    }

    fn build(&mut self, now: Instant) -> Result<(), FragmentError> {
        if matches!(self.config.kind, SourceKind::Push { .. }) {
            self.renew_decoders(now);
            return Ok(());
        }
        if let SourceKind::Capture(config) = &self.config.kind {
            self.card = Some(CardSeat::start(self, config.clone(), now));
            self.state = SourceState::Connecting { since: now };
            return Ok(());
        }
        if intake::is_encoded(&self.config.kind) {
            self.renew_decoders(now);
        }
        self.state = SourceState::Connecting { since: now };
        let reporter = self.reporter(SourceNote::Intake);
        self.intake = Some(intake::start(self, reporter)?);
        Ok(())
    }

    /// Fresh decoders: what they were fed with before does not matter to what comes.
    fn renew_decoders(&mut self, now: Instant) {
        self.decoders_due = None;
        let video = self.reporter(|note| SourceNote::Decoder(Media::Video, note));
        let audio = self.reporter(|note| SourceNote::Decoder(Media::Audio, note));
        let old = self.video.take();
        self.overflows += old.as_ref().map_or(0, Decoder::overflows);
        drop(old);
        self.audio = None;
        let (inlet, timebase) = (&self.inlet, &self.timebase);
        let made = Decoder::video(&inlet.video, &inlet.damage, &self.pictures, timebase, video)
            .map(|decoder| self.video = Some(decoder))
            .and_then(|()| Decoder::audio(&inlet.audio, &self.samples, timebase, audio))
            .map(|decoder| self.audio = Some(decoder));
        if let Err(error) = made {
            tracing::error!("source {}: {error}", self.config.id);
            self.decoders_due = Some(now + GIVE_UP);
        }
    }

    fn reporter(&self, wrap: impl Fn(PipeNote) -> SourceNote + Send + Sync + 'static) -> Reporter {
        let (notes, id, run) = (self.notes.clone(), self.config.id.clone(), self.run);
        Box::new(move |note| notes.send(Note::Source(id.clone(), run, wrap(note))))
    }

    /// A publisher has taken the source's place at the door.
    pub fn on_publisher(&mut self, session: u64, now: Instant) {
        if let Some(before) = self.publisher {
            // Its farewell is still on the way.
            self.on_publisher_left(before, Phrase::default(), now);
        }
        self.publisher = Some(session);
        self.inlet.set_session(session);
        self.last_picture = None;
        self.activity = self.activity();
        self.state = SourceState::Connecting { since: now };
    }

    /// The publisher has left, or had to, for this reason; nothing changes where another one has its place already.
    pub fn on_publisher_left(&mut self, session: u64, reason: Phrase, now: Instant) {
        if self.publisher != Some(session) {
            return;
        }
        self.publisher = None;
        self.live_since = None;
        self.decoder_attempt = 0;
        self.run += 1;
        self.inlet.reset();
        self.state = SourceState::Idle { reason };
        self.renew_decoders(now);
    }

    /// A pipeline of run `run` has something to say. The result is what an operator should know,
    /// and the detail.
    pub fn on_note(
        &mut self,
        run: u64,
        note: SourceNote,
        now: Instant,
    ) -> Option<(Phrase, String)> {
        if run != self.run {
            return None;
        }
        match note {
            SourceNote::Intake(PipeNote::Ended) => match self.config.kind {
                SourceKind::File { .. }
                    if now.duration_since(self.tried) > Duration::from_secs(1) =>
                {
                    self.start(now);
                    None
                }
                // A still is decoded once.
                SourceKind::Image { .. } => None,
                SourceKind::File { .. } => {
                    self.give_up(Phrase::new("the file ends within a second"), now);
                    None
                }
                _ => {
                    self.give_up(Phrase::new("the server ended the stream"), now);
                    None
                }
            },
            SourceNote::Intake(PipeNote::Error { text, detail }) => {
                tracing::debug!("source {}: {detail}", self.config.id);
                self.fail(foreign(&text), format!("{text} ({detail})"), now);
                None
            }
            SourceNote::Card(note) => {
                self.on_card(note, now);
                None
            }
            SourceNote::Decoder(media, note) => {
                let (happened, what) = match media {
                    Media::Video => (
                        Phrase::new("{source}: its picture cannot be decoded: {reason}."),
                        "picture",
                    ),
                    Media::Audio => (
                        Phrase::new("{source}: its sound cannot be decoded: {reason}."),
                        "sound",
                    ),
                };
                let PipeNote::Error { text, detail } = note else {
                    return None;
                };
                tracing::debug!("source {}: {what} decoder: {detail}", self.config.id);
                // Not at once: whatever broke it may still be coming.
                self.decoder_broke = Some(now);
                if self.decoders_due.is_none() {
                    self.decoders_due = Some(now + decoder_pause(self.decoder_attempt));
                    self.decoder_attempt += 1;
                }
                let happened = happened.with("source", &self.config.label);
                let happened = happened.with("reason", foreign(&text));
                Some((happened, format!("{text} ({detail})")))
            }
        }
    }

    /// What it should have given did not come.
    fn give_up(&mut self, reason: Phrase, now: Instant) {
        self.fail(reason, String::new(), now);
    }

    fn fail(&mut self, reason: Phrase, detail: String, now: Instant) {
        if self
            .live_since
            .take()
            .is_some_and(|since| now.duration_since(since) > GOOD)
        {
            self.attempt = 0;
        }
        self.attempt += 1;
        self.run += 1;
        self.intake = None;
        self.inlet.reset();
        self.state = SourceState::Waiting {
            until: (self.tried + pause(self.attempt)).max(now),
            reason,
            detail,
        };
    }

    fn activity(&self) -> u64 {
        self.pictures.pushed() + self.samples.written()
    }

    /// Looks after it; called some ten times a second.
    pub fn poll(&mut self, now: Instant) {
        let still = matches!(self.config.kind, SourceKind::Image { .. });
        let activity = self.activity();
        let active = activity != self.activity;
        if active {
            self.activity = activity;
            self.active_at = now;
        }
        let pictures = self.pictures.pushed();
        if pictures != self.pictures_seen {
            self.pictures_seen = pictures;
            self.picture_at = Some(now);
            self.last_picture = Some(now);
        }
        // Sound is heard as long after its capture as pictures are seen.
        if let Some(behind) = self.pictures.behind() {
            let (before, since) = self.behind.unwrap_or((behind, now));
            if (behind - before).abs() > UNSTEADY {
                self.behind = Some((behind, now));
            } else {
                self.behind = Some((before, since));
                if now.duration_since(since) > STEADY {
                    self.samples.set_shift(behind as i64);
                }
            }
        } else {
            self.behind = None;
            self.samples.set_shift(self.mean_behind);
        }
        if !still
            && self
                .picture_at
                .is_some_and(|at| now.duration_since(at) > HOLD)
        {
            self.picture_at = None;
        }
        let turned =
            (self.video.as_ref()).is_some_and(|video| video.turn() != self.inlet.video.turn());
        if turned || self.decoders_due.is_some_and(|due| now >= due) {
            self.renew_decoders(now);
        }
        match self.state.clone() {
            SourceState::Connecting { .. } | SourceState::Stalled { .. }
                if active && !self.is_dark() =>
            {
                self.live_since = Some(now);
                self.connects += 1;
                self.state = SourceState::Live;
            }
            SourceState::Live if !still && now.duration_since(self.active_at) > HOLD => {
                self.state = SourceState::Stalled {
                    since: self.active_at,
                };
            }
            SourceState::Connecting { since }
                if self.fetches() && now.duration_since(since) > CONNECT =>
            {
                self.give_up(Phrase::new("no answer"), now);
            }
            SourceState::Stalled { since }
                if self.fetches() && now.duration_since(since) > GIVE_UP =>
            {
                self.give_up(Phrase::new("nothing arrives any more"), now);
            }
            // A card's thread tries by itself.
            SourceState::Waiting { until, .. } if now >= until && self.card.is_none() => {
                self.start(now);
            }
            _ => {}
        }
        self.look_after_card(now);
    }

    /// Whether a trouble with its decoders is over since the last call.
    pub fn take_cure(&mut self, now: Instant) -> bool {
        let cured = self
            .decoder_broke
            .is_some_and(|broke| now.duration_since(broke) > CURED)
            && self.decoders_due.is_none()
            && now.duration_since(self.active_at) < HOLD;
        if cured {
            self.decoder_broke = None;
            self.decoder_attempt = 0;
        }
        cured
    }

    /// Whether regie goes and gets it, rather than wait for somebody to bring it. Cards have their
    /// own ways.
    fn fetches(&self) -> bool {
        !matches!(
            self.config.kind,
            SourceKind::Push { .. } | SourceKind::Capture(_)
        )
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;
    use crate::engine::pictures::{Picture, next_serial};

    fn laptop() -> Source {
        gst::init().unwrap();
        let venue = "[[source]]\nid = \"laptop\"\nkind = \"push\"\n";
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("venue.toml");
        std::fs::write(&file, venue).unwrap();
        let config = crate::venue::Venue::load(&file).unwrap().sources.remove(0);
        // The queue may be gone: nobody has to hear what its pipelines say.
        Source::new(config, &Timebase::start(), Notes::new(channel().0))
    }

    /// What happens to a source in time, a tenth of a second at a step.
    struct Script {
        source: Source,
        now: Instant,
    }

    impl Script {
        /// So much goes by while these arrive; the changes that were told.
        fn goes(&mut self, ms: u64, picture: bool, sound: bool) -> Vec<bool> {
            let mut told = Vec::new();
            for _ in 0..ms / 100 {
                self.now += Duration::from_millis(100);
                if picture {
                    let picture = Picture {
                        buffer: gst::Buffer::new(),
                        info: gst_video::VideoInfo::builder(gst_video::VideoFormat::I420, 16, 16)
                            .build()
                            .unwrap(),
                        captured: 0,
                        serial: next_serial(),
                    };
                    self.source.pictures.push(picture, 0);
                }
                if sound {
                    self.source.samples.write(0, &[0.0; 64]);
                }
                self.source.poll(self.now);
                told.extend(self.source.take_picture_change(self.now));
            }
            told
        }
    }

    #[test]
    fn a_picture_that_stops_while_sound_goes_on_is_noticed_until_it_is_back() {
        let mut script = Script {
            source: laptop(),
            now: Instant::now(),
        };
        script.source.on_publisher(1, script.now);
        assert!(script.goes(3000, true, true).is_empty());
        assert!(script.source.has_picture());
        assert!(script.goes(1400, false, true).is_empty());
        assert!(!script.source.has_picture(), "the slate is shown by now");
        assert_eq!(script.goes(2000, false, true), [true]);
        assert_eq!(*script.source.state(), SourceState::Live);
        assert_eq!(script.goes(500, true, true), [false]);
        // What stops altogether has stalled: another trouble.
        assert!(script.goes(100, false, true).is_empty());
        assert!(script.goes(3000, false, false).is_empty());
        assert!(matches!(script.source.state(), SourceState::Stalled { .. }));
        // Sound alone may return first.
        assert!(script.goes(1000, false, true).is_empty());
        assert_eq!(script.goes(2000, false, true), [true]);
        let reason = Phrase::new("the sender has stopped");
        script.source.on_publisher_left(1, reason, script.now);
        assert_eq!(script.goes(200, false, false), [false]);
        // The next session never had a picture: nothing is missing.
        script.source.on_publisher(2, script.now);
        assert!(script.goes(5000, false, true).is_empty());
        assert!(!script.source.has_picture());
    }
}

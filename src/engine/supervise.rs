//! What the engine thread does ten times a second: lets every supervisor look after what is its own,
//! judges what has become of it, and raises and clears faults.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::model::{Phrase, Said, Scope, Severity};
use crate::service;
use crate::venue::SourceKind;

use super::StartEngineError;
use super::actor::Actor;
use super::airtime;
use super::encoder::{Choice, Codec, Effort, Encoder, Outlet};
use super::feed::{Feed, Media};
use super::ledger::wall_clock;
use super::note::{Note, Notes};
use super::output::{Cause, Output, OutputState};
use super::pipeline::{PipeNote, Reporter};
use super::programme::VideoIn;
use super::pulse::{Pulse, Vitals};
use super::source::{CardFault, Change, SourceState};

/// How often figures are refreshed, for people.
const FIGURES: Duration = Duration::from_secs(1);
/// An encoder that broke is built anew after this.
const ENCODER_PAUSE: Duration = Duration::from_millis(200);
/// A hardware encoder that broke so often in a row gives way to x264.
const ENCODER_TRIES: u32 = 3;
/// An encoder that makes nothing for so long hangs. A new one has to be at work before the watchdog, which
/// may have been fed last just before, takes 3 s without a frame for the end of the whole engine.
const ENCODER_HANGS: Duration = Duration::from_millis(1500);
/// The same before the programme runs, when no watchdog counts yet and a machine that boots is slow.
const ENCODER_STARTS: Duration = Duration::from_secs(5);
/// An encoder that has worked for so long is well again.
const ENCODER_CURED: Duration = Duration::from_secs(20);

/// One of the two encoders and its supervision.
#[derive(Debug, Default)]
pub(super) struct EncoderSeat {
    pub(super) encoder: Option<Encoder>,
    /// How hard the one of the picture works.
    pub(super) effort: Effort,
    /// One that has been replaced, and since when.
    pub(super) retired: Option<(Encoder, Instant)>,
    outlet: Option<Outlet>,
    run: u64,
    due: Option<Instant>,
    failures: u32,
    /// What it had made at the last look, and when that last grew.
    made: u64,
    grew: Option<Instant>,
    broke: Option<Instant>,
}

impl EncoderSeat {
    /// Whether an encoder is at work here.
    pub(super) fn is_well(&self) -> bool {
        self.encoder.is_some() && self.due.is_none()
    }

    /// The encoder that was to be replaced stays: it is heard again.
    pub(super) fn take_back(&mut self) {
        self.run -= 1;
    }

    fn outlet(&mut self, feed: &Arc<Feed>) -> Outlet {
        self.outlet.get_or_insert_with(|| Outlet::new(feed)).clone()
    }
}

impl Actor {
    /// Puts an encoder at its seat.
    pub(super) fn seat(&mut self, media: Media) -> Result<(), StartEngineError> {
        let config = &self.venue.programme;
        match media {
            Media::Video => {
                self.video.run += 1;
                let report = reporter(&self.notes, media, self.video.run);
                let out = self.video.outlet(&self.programme.video);
                let (codec, effort) = (self.choice.codec, self.video.effort);
                let encoder = Encoder::video(codec, effort, config, out, &self.timebase, report)?;
                self.programme.set_video_in(Some(VideoIn {
                    frames: encoder.input(),
                    encoded: encoder.output(),
                }));
                self.video.encoder = Some(encoder);
            }
            Media::Audio => {
                self.audio.run += 1;
                let report = reporter(&self.notes, media, self.audio.run);
                let out = self.audio.outlet(&self.programme.audio);
                let encoder = Encoder::audio(config, out, &self.timebase, report)?;
                self.programme.set_audio_in(Some(encoder.input()));
                self.audio.encoder = Some(encoder);
            }
        }
        Ok(())
    }

    pub(super) fn on_encoder(&mut self, media: Media, run: u64, note: PipeNote, now: Instant) {
        let seat = match media {
            Media::Video => &mut self.video,
            Media::Audio => &mut self.audio,
        };
        if run != seat.run || seat.due.is_some() {
            return;
        }
        seat.due = Some(now + ENCODER_PAUSE);
        seat.broke = Some(now);
        seat.failures += 1;
        // One that breaks may have stamped its last frames with anything.
        seat.outlet = None;
        let gives_way = media == Media::Video && seat.failures >= ENCODER_TRIES;
        if gives_way && self.choice.codec != Codec::X264 {
            self.choice = Choice {
                codec: Codec::X264,
                reason: format!("{} broke {ENCODER_TRIES} times", self.choice.codec.name()),
                second_best: true,
            };
            self.forget_load();
        }
        let (happened, name) = match media {
            Media::Video => (
                Phrase::new("The encoder of the programme's picture broke."),
                self.choice.codec.name(),
            ),
            Media::Audio => (
                Phrase::new("The encoder of the programme's sound broke."),
                "AAC",
            ),
        };
        let said = Said {
            happened,
            doing: Phrase::new("It is started again, as {encoder}.").with("encoder", name),
            advice: Phrase::new("If this repeats, choose another encoder in the venue file."),
        };
        let detail = match note {
            PipeNote::Error { text, detail } => format!("{text}: {detail}"),
            PipeNote::Ended => "it ended".to_owned(),
        };
        self.raise(
            Scope::Programme,
            "encoder",
            Severity::Serious,
            said,
            &detail,
        );
    }

    pub(super) fn poll(&mut self, now: Instant) {
        for media in [Media::Video, Media::Audio] {
            self.look_after_encoder(media, now);
        }
        self.judge_load(now);
        for i in 0..self.sources.len() {
            self.sources[i].poll(now);
            self.judge_source(i, now);
        }
        let connected = self.outputs.iter().filter(|output| output.has_session());
        let wires = self.network.connections(connected.count());
        let opened = self.network.take_opened();
        for i in 0..self.outputs.len() {
            if opened {
                self.outputs[i].hurry();
            }
            self.outputs[i].poll(&wires, now);
            self.judge_output(i, now);
        }
        self.look_after_desk(now);
        self.look_after_slate(now);
        self.look_after_visitors(now);
        self.look_after_alarms(now);
        if self.figures.is_due(now, FIGURES) {
            self.look_after_relay(now);
            if let Some(announcer) = &mut self.announcer {
                announcer.look();
            }
            self.doors.evict_silent();
            let (sources, outputs) = (&self.sources, &self.outputs);
            self.figures
                .refresh(now, sources, outputs, &self.programme, &self.relay);
        }
        if self.save_again.take_if(|due| now >= *due).is_some() {
            self.memory.keep(&self.show, None);
        }
        self.turns.fetch_add(1, Ordering::Relaxed);
        let runs = self.programme.video.pushed() > 0 && self.programme.audio.pushed() > 0;
        if self.pulse.is_none() && runs && service::ready() {
            tracing::info!("the programme runs");
            self.begin_watch();
        }
    }

    /// From now on the watchdog is fed while the show goes on, and this venue file has proved good.
    fn begin_watch(&mut self) {
        let vitals = Vitals {
            picture: self.programme.video.clone(),
            sound: self.programme.audio.clone(),
            turns: self.turns.clone(),
        };
        let life = self.surroundings.life.take();
        self.pulse = Pulse::start(vitals, life)
            .inspect_err(|error| tracing::error!("nothing feeds the watchdog: {error}"))
            .ok();
        if let Some(text) = self.surroundings.text.take() {
            self.memory.keep_venue(text);
        }
    }

    /// Builds an encoder anew when it is due, notices one that hangs, and one that is well again.
    fn look_after_encoder(&mut self, media: Media, now: Instant) {
        let (seat, feed) = match media {
            Media::Video => (&mut self.video, &self.programme.video),
            Media::Audio => (&mut self.audio, &self.programme.audio),
        };
        if seat.due.is_some_and(|due| now >= due) {
            seat.due = None;
            seat.grew = Some(now);
            if let Err(error) = self.seat(media) {
                tracing::error!("the encoder cannot be built: {error}");
                let seat = match media {
                    Media::Video => &mut self.video,
                    Media::Audio => &mut self.audio,
                };
                seat.due = Some(now + ENCODER_HANGS);
            }
            return;
        }
        let made = feed.pushed();
        if made != seat.made || seat.grew.is_none() {
            seat.made = made;
            seat.grew = Some(now);
        }
        let limit = if self.pulse.is_some() {
            ENCODER_HANGS
        } else {
            ENCODER_STARTS
        };
        let hangs = (seat.grew).is_some_and(|grew| now.duration_since(grew) > limit);
        let cured = (seat.broke).is_some_and(|broke| now.duration_since(broke) > ENCODER_CURED);
        let run = seat.run;
        if hangs {
            let note = PipeNote::Error {
                text: "it makes nothing any more".to_owned(),
                detail: format!("{media:?}"),
            };
            self.on_encoder(media, run, note, now);
        } else if cured {
            seat.broke = None;
            seat.failures = 0;
            if self.video.broke.is_none() && self.audio.broke.is_none() && !self.choice.second_best
            {
                self.clear(&Scope::Programme, "encoder");
            }
        }
    }

    /// Raises and clears the fault of a source whose state changes.
    fn judge_source(&mut self, index: usize, now: Instant) {
        for change in self.sources[index].take_troubles(now) {
            let scope = Scope::Source(self.sources[index].id().clone());
            match change {
                Change::Raised(trouble, figure) => {
                    let said = trouble.said(&self.sources[index].config.label, &figure);
                    self.raise(scope, trouble.code(), Severity::Warning, said, "");
                }
                Change::Cleared(trouble) => self.clear(&scope, trouble.code()),
            }
        }
        if self.sources[index].take_cure(now) {
            let scope = Scope::Source(self.sources[index].id().clone());
            self.clear(&scope, "decoder");
        }
        match self.sources[index].take_picture_change(now) {
            Some(true) => self.raise_no_picture(index),
            Some(false) => {
                let scope = Scope::Source(self.sources[index].id().clone());
                self.clear(&scope, "no-picture");
            }
            None => {}
        }
        if self.is_hidden(&self.sources[index]) {
            // A guest has gone, and nobody waits for it.
            let scope = Scope::Source(self.sources[index].id().clone());
            self.sources[index].take_change();
            for code in ["lost", "decoder"] {
                self.clear(&scope, code);
            }
            return;
        }
        if matches!(self.sources[index].config.kind, SourceKind::Capture(_)) {
            self.judge_card(index);
            return;
        }
        if !self.sources[index].take_change() {
            return;
        }
        let source = &self.sources[index];
        let (state, label) = (source.state(), &source.config.label);
        let scope = Scope::Source(source.id().clone());
        if *state == SourceState::Live {
            tracing::info!("{label} is live");
            self.clear(&scope, "lost");
            return;
        }
        let was_live = source.connects() > 0;
        let pushed = matches!(source.config.kind, SourceKind::Push { .. });
        if matches!(state, SourceState::Connecting { .. }) || (pushed && !was_live) {
            return;
        }
        let advice = match (&source.config.kind, state) {
            (SourceKind::Push { .. }, SourceState::Idle { .. }) => {
                Phrase::new("Start the stream on the laptop again.")
            }
            (SourceKind::Push { .. }, _) => Phrase::new("Check the laptop and its network."),
            (SourceKind::Pull { .. }, _) => Phrase::new("Check the server and the network."),
            (SourceKind::File { .. } | SourceKind::Image { .. }, _) => {
                Phrase::new("Check the file.")
            }
            (SourceKind::Test { .. } | SourceKind::Capture(_), _) => {
                Phrase::new("Check that GStreamer's plug-ins are installed.")
            }
        };
        let said = Said {
            happened: Phrase::new("{source} is not live: {reason}.")
                .with("source", label)
                .with("reason", state.reason()),
            doing: if pushed {
                Phrase::new("Its slate is shown until it is back.")
            } else {
                Phrase::new("Its slate is shown; it is tried again, at most 5 s apart.")
            },
            advice,
        };
        let detail = state.detail().to_owned();
        self.raise(scope, "lost", Severity::Warning, said, &detail);
    }

    /// The same of a card: it has one trouble at a time, or none.
    fn judge_card(&mut self, index: usize) {
        let source = &mut self.sources[index];
        let scope = Scope::Source(source.id().clone());
        if source.take_change() && *source.state() == SourceState::Live {
            let (picture, _) = source.formats();
            tracing::info!("{} is live: {picture}", source.config.label);
        }
        let Some(CardFault { before, now }) = source.take_card_fault() else {
            return;
        };
        if let Some(code) = before {
            self.clear(&scope, code);
        }
        if let Some((code, said, detail)) = now {
            self.raise(scope, code, Severity::Warning, said, &detail);
        }
    }

    fn raise_no_picture(&mut self, index: usize) {
        let source = &self.sources[index];
        let scope = Scope::Source(source.id().clone());
        let said = Said {
            happened: Phrase::new("{source} sends sound, but no picture any more.")
                .with("source", &source.config.label),
            doing: Phrase::new("Its slate is shown until the picture is back; its sound goes on."),
            advice: match source.config.kind {
                SourceKind::Push { .. } => {
                    Phrase::new("Check the camera or the screen sharing on the laptop.")
                }
                _ => Phrase::new("Check what sends it."),
            },
        };
        self.raise(scope, "no-picture", Severity::Warning, said, "");
    }

    /// Notices that the show has gone on air, or off.
    pub(super) fn judge_airtime(&mut self) {
        let outputs = self.outputs.iter().map(Output::state);
        let runs = self.programme.video.pushed() > 0;
        let since = airtime::since(self.on_air_since, outputs, runs, wall_clock());
        match (self.on_air_since, since) {
            (None, Some(_)) => tracing::info!("on air"),
            (Some(_), None) => tracing::info!("off air"),
            _ => {}
        }
        self.on_air_since = since;
    }

    fn judge_output(&mut self, index: usize, now: Instant) {
        let output = &mut self.outputs[index];
        let scope = Scope::Output(output.config.id.clone());
        match output.state() {
            OutputState::Publishing { .. } => {
                let (reached, steady) = (output.is_reached(now), output.is_steady(now));
                if reached {
                    self.clear(&scope, Cause::Unreachable.code());
                }
                if steady {
                    self.clear(&scope, Cause::Behind.code());
                }
            }
            OutputState::Stopped => {
                for cause in [Cause::Unreachable, Cause::Behind] {
                    self.clear(&scope, cause.code());
                }
            }
            OutputState::Waiting { .. } | OutputState::Connecting { .. } => {
                let Some((cause, said)) = output.take_failure() else {
                    return;
                };
                let detail = output.last_detail().to_owned();
                self.raise(scope, cause.code(), Severity::Warning, said, &detail);
            }
        }
    }
}

fn reporter(notes: &Notes, media: Media, run: u64) -> Reporter {
    let notes = notes.clone();
    Box::new(move |note| notes.send(Note::Encoder(media, run, note)))
}

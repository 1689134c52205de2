//! Calibration as the engine does it: taps a source's pictures and a sound for a while, has a thread of
//! its own judge what came, and proposes delays. The engine thread only starts it and takes notes.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use crate::calibrate::{By, Found, Hearing, Sight, Verdict, judge};
use crate::model::calibration::{Calibration, Progress, Proposal, SECONDS};
use crate::model::show::MAX_DELAY_MS;
use crate::model::{Phrase, Refused, SourceId};

use super::actor::Actor;
use super::note::{Note, Notes};
use super::samples::{RATE, Samples};
use super::source::{Source, SourceState};
use super::tap::{Opened, Passed};

/// Pictures and blocks of sound that may wait for the thread: seconds of them.
const ROOM: usize = 1024;
/// What was seen and heard is judged in less.
const JUDGING: Duration = Duration::from_secs(10);

/// The calibration under way, if there is one, and the last one's result.
#[derive(Debug, Default)]
pub(super) struct Calibrator {
    /// Counts them: notes of one that was given up are not heard.
    run: u64,
    taps: Option<[Opened; 2]>,
    /// It has come to its end by then, or never will.
    until: Option<Instant>,
    last: Option<Calibration>,
}

impl Calibrator {
    /// As the status shows it.
    pub(super) fn last(&self) -> Option<Calibration> {
        self.last.clone()
    }
}

/// What the thread says.
#[derive(Debug)]
pub enum CalibrationNote {
    /// So many seconds are left.
    Left(u32),
    /// The end.
    Judged(Verdict),
}

impl Actor {
    /// Looks at the pictures of `source` and listens to `sound` for so many seconds; to the desk where
    /// nothing is said, else to the source's own.
    pub(super) fn calibrate(
        &mut self,
        source: &SourceId,
        sound: Option<&SourceId>,
        seconds: u32,
    ) -> Result<(), Refused> {
        if !SECONDS.contains(&seconds) {
            let (least, most) = (SECONDS.start(), SECONDS.end());
            let said = format!("{seconds} s is out of range; accepted: {least} to {most}");
            return Err(Refused::new("out-of-range", said));
        }
        let under_way = |until: Instant| Instant::now() < until;
        if self.calibrator.taps.is_some() && self.calibrator.until.is_some_and(under_way) {
            let said = "another calibration is under way; wait for its end";
            return Err(Refused::new("busy", said));
        }
        let seen = self.known_source(source)?;
        if *seen.state() != SourceState::Live || !seen.has_picture() {
            let said = format!("{} shows no picture now", seen.config.label);
            return Err(Refused::new("unavailable", said));
        }
        let pictures = seen.pictures.clone();
        let desk = Some(SourceId::desk()).filter(|desk| self.sound_of(desk).is_ok());
        let sound = sound.or(desk.as_ref()).unwrap_or(source).clone();
        let samples = self.sound_of(&sound)?;
        let (sender, passed) = sync_channel(ROOM);
        self.calibrator.run += 1;
        let (run, notes) = (self.calibrator.run, self.notes.clone());
        let length = Duration::from_secs(seconds.into());
        let started = std::thread::Builder::new()
            .name("calibration".into())
            .spawn(move || watch(&passed, length, run, &notes));
        started.map_err(|error| {
            Refused::new(
                "unavailable",
                format!("no thread for a calibration: {error}"),
            )
        })?;
        self.calibrator.until = Some(Instant::now() + length + JUDGING);
        self.calibrator.taps = Some([pictures.tap.open(sender.clone()), samples.tap.open(sender)]);
        tracing::info!("calibration: pictures of {source}, sound of {sound}, {seconds} s");
        self.calibrator.last = Some(Calibration {
            source: source.clone(),
            sound,
            progress: Progress::Listening { left: seconds },
        });
        Ok(())
    }

    fn known_source(&self, id: &SourceId) -> Result<&Source, Refused> {
        let found = self.sources.iter().find(|source| source.id() == id);
        found.ok_or_else(|| Refused::unknown("source", id, self.cast.sources.iter()))
    }

    /// Whoever has this id and is heard now.
    fn sound_of(&self, id: &SourceId) -> Result<Arc<Samples>, Refused> {
        if let Some(desk) = self.desk.as_ref().filter(|_| *id == SourceId::desk()) {
            if !desk.is_live() {
                let said = format!("{} gives no sound now", desk.config.label);
                return Err(Refused::new("unavailable", said));
            }
            return Ok(desk.samples.clone());
        }
        let source = self.known_source(id)?;
        if *source.state() != SourceState::Live || source.formats().1.is_empty() {
            let said = format!("{} sends no sound now", source.config.label);
            return Err(Refused::new("unavailable", said));
        }
        Ok(source.samples.clone())
    }

    pub(super) fn on_calibration(&mut self, run: u64, note: CalibrationNote) {
        if run != self.calibrator.run {
            return;
        }
        let Some(mut last) = self.calibrator.last.take() else {
            return;
        };
        last.progress = match note {
            CalibrationNote::Left(left) => Progress::Listening { left },
            CalibrationNote::Judged(verdict) => {
                self.calibrator.taps = None;
                let progress = match verdict {
                    Verdict::Found(found) => {
                        let delay = |id| {
                            let setting = self.show.sources.get(id);
                            setting.map_or(0, |setting| setting.delay_ms)
                        };
                        let delays = (delay(&last.source), delay(&last.sound));
                        progress_of(&found, &last.source, &last.sound, delays)
                    }
                    other => failed(&other),
                };
                tracing::info!("calibration: {progress:?}");
                progress
            }
        };
        self.calibrator.last = Some(last);
    }
}

/// The thread: takes what passes until the time is over, then judges it.
fn watch(passed: &Receiver<Passed>, length: Duration, run: u64, notes: &Notes) {
    let (mut sight, mut hearing) = (Sight::default(), Hearing::new(RATE as f64));
    let end = Instant::now() + length;
    let mut told = length.as_secs() as u32;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        let seconds = left.as_secs_f64().ceil() as u32;
        if seconds < told {
            told = seconds;
            notes.send(Note::Calibration(run, CalibrationNote::Left(seconds)));
        }
        match passed.recv_timeout(left.min(Duration::from_millis(200))) {
            Ok(Passed::Picture { captured, grid }) => {
                sight.see(captured as f64 / 1e9, grid.luma());
            }
            Ok(Passed::Sound { captured, samples }) => {
                hearing.hear(captured as f64 / 1e9, samples);
            }
            Err(RecvTimeoutError::Timeout) => {}
            // The engine ends.
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
    tracing::debug!(
        "calibration: flashes {:?}, claps {:?}, sounds {:?}",
        sight.events(By::Flash),
        sight.events(By::Clap),
        hearing.onsets()
    );
    let judged = CalibrationNote::Judged(judge(&sight, &hearing));
    notes.send(Note::Calibration(run, judged));
}

fn progress_of(found: &Found, source: &SourceId, sound: &SourceId, delays: (u32, u32)) -> Progress {
    let offset_ms = tenths(found.offset);
    let (delays, remark) = propose(offset_ms, source, sound, delays);
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Progress::Found {
        offset_ms,
        doubt_ms: tenths(found.doubt),
        spread_ms: tenths(found.spread),
        agree: count(found.agree),
        seen: count(found.seen),
        heard: count(found.heard),
        by: match found.by {
            By::Flash => "flash",
            By::Clap => "clap",
        }
        .to_owned(),
        delays,
        remark: remark.to_string(),
        remark_said: remark,
    }
}

/// Seconds as milliseconds, to a tenth.
fn tenths(seconds: f64) -> f64 {
    (seconds * 10_000.0).round() / 10.0
}

/// The delays that bring picture and sound together, where the picture's source and the sound's have
/// these now. The sound keeps its own where that is possible: other pictures go by it.
fn propose(
    offset_ms: f64,
    source: &SourceId,
    sound: &SourceId,
    (of_picture, of_sound): (u32, u32),
) -> (Vec<Proposal>, Phrase) {
    if source == sound {
        let remark = Phrase::new(
            "Picture and sound come by one way, and a delay here moves both: set it where they are \
             sent.",
        );
        return (Vec::new(), remark);
    }
    // The picture's delay must be so much longer than the sound's.
    let longer = -offset_ms.round() as i64;
    let wanted = i64::from(of_sound) + longer;
    let (picture, sound_delay) = match u32::try_from(wanted) {
        Ok(picture) if picture <= MAX_DELAY_MS => (picture, of_sound),
        Ok(_) => (u32::try_from(longer).unwrap_or(0), 0),
        Err(_) => (0, u32::try_from(-longer).unwrap_or(0)),
    };
    let proposal = |source: &SourceId, from_ms, delay_ms| Proposal {
        source: source.clone(),
        from_ms,
        delay_ms,
    };
    let mut delays = vec![proposal(source, of_picture, picture)];
    if sound_delay == of_sound {
        return (delays, Phrase::default());
    }
    delays.push(proposal(sound, of_sound, sound_delay));
    let remark = Phrase::new("The sound is moved: calibrate other cameras that go by it again.");
    (delays, remark)
}

fn failed(verdict: &Verdict) -> Progress {
    let reason = match verdict {
        Verdict::Found(_) => Phrase::default(),
        Verdict::NoPictures => Phrase::new("No pictures came meanwhile."),
        Verdict::NoSound => Phrase::new("No sound came meanwhile."),
        Verdict::NothingHeard(count) => Phrase::new(
            "Too few claps or beeps were heard: {count}. Clap five times, loudly, near the \
             microphone.",
        )
        .with("count", count.to_string()),
        Verdict::NothingSeen(count) => Phrase::new(
            "Too few claps or flashes were seen: {count}. Clap five times in the middle of the \
             picture, with wide movements.",
        )
        .with("count", count.to_string()),
        Verdict::NoAgreement { seen, heard } => Phrase::new(
            "What was seen ({seen}) and what was heard ({heard}) do not agree. Clap again, with \
             nothing else moving and nobody speaking.",
        )
        .with("seen", seen.to_string())
        .with("heard", heard.to_string()),
        Verdict::TooEven => Phrase::new(
            "The claps follow each other too evenly to tell which is which. Clap again, at \
             irregular times.",
        ),
    };
    Progress::Failed {
        reason: reason.to_string(),
        reason_said: reason,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_early_waits_and_the_sound_stays_where_it_can() {
        let ids: [SourceId; 2] = ["camera".parse().unwrap(), "desk".parse().unwrap()];
        for (offset, now, camera, desk) in [
            // The picture comes 80 ms early.
            (-80.0, (0, 0), 80, None),
            (-80.4, (40, 20), 100, None),
            // It comes late: the sound must wait, unless it waits too long already.
            (80.0, (0, 0), 0, Some(80)),
            (80.0, (500, 200), 120, None),
            (80.0, (0, 30), 0, Some(80)),
            (-80.0, (0, 1990), 80, Some(0)),
            (0.2, (0, 0), 0, None),
        ] {
            let (delays, remark) = propose(offset, &ids[0], &ids[1], now);
            assert_eq!(delays[0].delay_ms, camera, "{offset} {now:?}");
            assert_eq!(
                delays.get(1).map(|own| own.delay_ms),
                desk,
                "{offset} {now:?}"
            );
            assert_eq!(remark.is_empty(), desk.is_none());
            // Then they lie together.
            let sound = desk.unwrap_or(now.1);
            let left = offset + f64::from(camera) - f64::from(sound);
            assert!(left.abs() <= 0.5, "{left}");
        }
        let (delays, remark) = propose(40.0, &ids[0], &ids[0], (0, 0));
        assert!(delays.is_empty() && !remark.is_empty());
    }
}

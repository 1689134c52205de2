//! The engine's starts in a row. systemd restarts what ends, always after the same moment; an engine that
//! ends again and again soon after its start (a port that another one has, a driver that is broken, a venue
//! file that is refused) would spend a core on trying, and flood the journal. So regie itself waits before
//! it tries again, a little longer each time. The first restart is immediate: it is the one that brings a
//! show back.
//!
//! What has to be remembered lies in the state directory, and holds until the machine is booted anew.
//! [`Record`] decides and has no clock and no disk; [`Life`] writes, on a thread of its own: a disk that
//! hangs holds up nothing.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::notify;
use crate::secret::redact;

/// The record's name in the state directory.
const FILE: &str = "starts.json";
/// What tells one boot of the machine from another.
const BOOT: &str = "/proc/sys/kernel/random/boot_id";
/// How long an engine has to be on air for its end not to count.
pub const STEADY: Duration = Duration::from_secs(10);
/// An engine that has been on air for so long is well, whatever went before.
pub const WELL: Duration = Duration::from_secs(60);
/// Beyond its pause, what a start is given: encoders are tried, drivers opened.
const START: Duration = Duration::from_secs(30);

/// How far this start has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Stage {
    /// Not on air for [`STEADY`] yet: an end now is a start that came to nothing.
    Starting,
    /// On air for longer.
    Steady,
}

/// What is known of the starts so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    boot: String,
    stage: Stage,
    /// Starts in a row that came to nothing, before this one.
    failed: u32,
    /// Why this one has ended, or is about to.
    ended: Option<String>,
    /// Why the last one did.
    last: Option<String>,
}

impl Record {
    /// Of the start that is made now, after what is known of the one `before`.
    fn after(before: Option<Self>, boot: &str) -> Self {
        let before = before.filter(|before| before.boot == boot);
        let came_to_nothing = |before: &Self| before.stage == Stage::Starting;
        let failed = before.as_ref().map_or(0, |before| {
            before.failed + u32::from(came_to_nothing(before))
        });
        let killed = || "it crashed or was killed".to_owned();
        Self {
            boot: boot.to_owned(),
            stage: Stage::Starting,
            failed,
            ended: None,
            last: before.map(|before| before.ended.unwrap_or_else(killed)),
        }
    }

    /// How long this start waits.
    pub fn pause(&self) -> Duration {
        // The first restart is the second start.
        Duration::from_millis(match self.failed {
            0 | 1 => 0,
            2 => 500,
            3 => 1000,
            4 => 2000,
            5 => 4000,
            6 => 8000,
            _ => 10_000,
        })
    }

    /// What is said while it waits.
    fn waits(&self) -> String {
        let pause = self.pause().as_secs_f64();
        let last = self.last.as_deref().unwrap_or("not known");
        format!(
            "waits {pause} s: ended {} times in a row, last: {last}",
            self.failed
        )
    }

    fn note(&mut self, mark: Mark) {
        match mark {
            Mark::Steady => self.stage = Stage::Steady,
            Mark::Well => self.failed = 0,
            Mark::Ends(reason) => self.ended = Some(reason),
            Mark::Recovered => self.ended = None,
        }
    }
}

/// What happens in an engine's life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mark {
    /// It has been on air for [`STEADY`].
    Steady,
    /// It has been on air for [`WELL`].
    Well,
    /// Unless something changes, it ends, for this reason.
    Ends(String),
    /// Something has changed.
    Recovered,
}

/// One start: waited for, then noted. Kept while the engine lives.
#[derive(Debug)]
pub struct Life {
    path: PathBuf,
    marks: Option<Sender<Mark>>,
    thread: Option<JoinHandle<()>>,
}

impl Life {
    /// Begins one. Where the last ones came to nothing, waits first, and says so to systemd.
    pub fn begin(state: &Path) -> Self {
        let path = state.join(FILE);
        let boot = std::fs::read_to_string(BOOT).unwrap_or_default();
        let before = std::fs::read(&path).ok();
        // One that is torn or of another version is none.
        let before = before.and_then(|text| serde_json::from_slice(&text).ok());
        let record = Record::after(before, boot.trim());
        keep(&path, &record);
        let pause = record.pause();
        notify::extend_start(pause + START);
        if !pause.is_zero() {
            let words = redact(&record.waits());
            notify::status(&words);
            tracing::warn!("{words}");
            // Nothing runs yet that would wait with it, and a signal ends it.
            std::thread::sleep(pause);
        }
        let (marks, queue) = channel();
        let own = path.clone();
        let thread = std::thread::Builder::new()
            .name("life".into())
            .spawn(move || write(&own, record, &queue))
            .inspect_err(|error| tracing::warn!("starts are not remembered: {error}"));
        Self {
            path,
            marks: Some(marks),
            thread: thread.ok(),
        }
    }

    /// Where it may be noted how it goes on. Never waits.
    pub fn marks(&self) -> Option<Sender<Mark>> {
        self.marks.clone()
    }

    /// It has come to nothing, for this reason.
    pub fn fail(self, reason: &str) {
        if let Some(marks) = &self.marks {
            // The thread lives until the queue is dropped.
            let _ = marks.send(Mark::Ends(redact(reason)));
        }
    }

    /// It has ended in good order: the next start is the first of its row.
    pub fn end(mut self) {
        self.close();
        // There may be none: a state directory that cannot be written to.
        let _ = std::fs::remove_file(&self.path);
    }

    fn close(&mut self) {
        self.marks = None;
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has nothing more to write.
            let _ = thread.join();
        }
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        self.close();
    }
}

fn write(path: &Path, mut record: Record, marks: &Receiver<Mark>) {
    while let Ok(mark) = marks.recv() {
        record.note(mark);
        keep(path, &record);
    }
}

/// Puts it in place whole. Not further: after a power cut it is another boot.
fn keep(path: &Path, record: &Record) {
    let kept = (|| -> std::io::Result<()> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let new = path.with_extension("json.new");
        std::fs::write(&new, serde_json::to_vec(record)?)?;
        std::fs::rename(&new, path)
    })();
    if let Err(error) = kept {
        tracing::warn!("this start is not remembered: {error}");
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// A start of the same boot after `before`.
    fn next(before: &Record) -> Record {
        Record::after(Some(before.clone()), "boot")
    }

    #[test]
    fn the_first_restart_is_immediate_and_the_next_ones_wait_longer_and_longer() {
        let mut record = Record::after(None, "boot");
        let mut pauses = Vec::new();
        for _ in 0..10 {
            pauses.push(record.pause().as_millis());
            record = next(&record);
        }
        let expected = [0, 0, 500, 1000, 2000, 4000, 8000, 10_000, 10_000, 10_000];
        assert_eq!(pauses, expected);
    }

    #[test]
    fn an_end_after_ten_seconds_on_air_does_not_count_and_a_good_minute_ends_the_row() {
        let failed = |times: u32| {
            let first = Record::after(None, "boot");
            (0..times).fold(first, |record, _| next(&record))
        };
        let mut record = failed(4);
        record.note(Mark::Steady);
        let record = next(&record);
        assert_eq!(record.failed, 4, "neither more nor less");
        let mut record = next(&record);
        assert_eq!(record.failed, 5, "the one after it counts again");
        record.note(Mark::Steady);
        record.note(Mark::Well);
        let record = next(&record);
        assert_eq!((record.failed, record.pause()), (0, Duration::ZERO));
        // A show that is killed once a day never waits.
        assert_eq!(next(&record).pause(), Duration::ZERO);
    }

    #[test]
    fn another_boot_knows_nothing_of_it() {
        let mut record = Record::after(None, "boot");
        for _ in 0..5 {
            record = next(&record);
        }
        let fresh = Record::after(Some(record), "another");
        assert_eq!((fresh.failed, fresh.last), (0, None));
    }

    #[test]
    fn it_says_how_often_and_why() {
        let mut record = Record::after(None, "boot");
        for _ in 0..4 {
            record = next(&record);
        }
        record.note(Mark::Ends("no picture leaves its encoder".to_owned()));
        record.note(Mark::Recovered);
        record.note(Mark::Ends("another engine is running".to_owned()));
        let record = next(&record);
        let words = "waits 4 s: ended 5 times in a row, last: another engine is running";
        assert_eq!(record.waits(), words);
        let words = "waits 8 s: ended 6 times in a row, last: it crashed or was killed";
        assert_eq!(next(&record).waits(), words);
    }

    #[test]
    fn a_life_is_remembered_until_it_ends_in_good_order() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("deep");
        let read = || -> Record {
            serde_json::from_slice(&std::fs::read(state.join(FILE)).unwrap()).unwrap()
        };
        Life::begin(&state).fail("it has no encoder");
        assert_eq!(read().ended.as_deref(), Some("it has no encoder"));
        let life = Life::begin(&state);
        let record = read();
        assert_eq!(record.failed, 1);
        assert_eq!(record.last.as_deref(), Some("it has no encoder"));
        life.marks().unwrap().send(Mark::Well).unwrap();
        drop(life);
        assert_eq!(read().failed, 0);
        // What a full disk leaves behind.
        std::fs::write(state.join(FILE), "{\"boot").unwrap();
        let life = Life::begin(&state);
        assert_eq!(read().failed, 0);
        life.end();
        assert!(!state.join(FILE).exists());
    }
}

//! Somebody who listens to what a sound server's desk plays, and notes when.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use super::process::Process;
use super::recording::Recording;
use super::sound::Sound;
use super::sound_server::SoundServer;
use super::wait_until;

/// Bytes of a sample of both channels.
const FRAME: u64 = 4;
const RATE: f64 = 48_000.0;

/// An ear at the desk.
pub struct Ear {
    process: Process,
    folder: TempDir,
    file: PathBuf,
}

/// What an ear has heard, a channel each.
pub struct Heard {
    pub left: Sound,
    pub right: Sound,
    /// For each packet: seconds from the sound's start, and the system's clock, in seconds.
    times: Vec<(f64, f64)>,
}

impl Ear {
    /// Listens from now on.
    #[track_caller]
    pub fn at(server: &SoundServer) -> Self {
        let folder = TempDir::with_prefix("regie-ear-").expect("a temporary folder");
        let file = folder.path().join("heard.nut");
        let mut command = server.client("ffmpeg");
        command.args(["-nostdin", "-v", "warning", "-f", "pulse"]);
        command.args([
            "-channels",
            "2",
            "-fragment_size",
            "1920",
            "-i",
            "desk.monitor",
        ]);
        command.args(["-copyts", "-c:a", "pcm_s16le", "-flush_packets", "1"]);
        command.arg(&file);
        let process = Process::start("the ear", &mut command, &folder.path().join("log"));
        wait_until(Duration::from_secs(8), "the ear hears", || {
            std::fs::metadata(&file).is_ok_and(|file| file.len() > 8 << 10)
        });
        Self {
            process,
            folder,
            file,
        }
    }

    /// Ends it, and answers what was heard.
    #[track_caller]
    pub fn stop(mut self) -> Heard {
        self.process.signal("INT");
        self.process.wait_end(Duration::from_secs(5));
        let log = self.process.log();
        let recording = Recording::open(self.folder, self.file, log);
        let mut frames = 0;
        let times = recording.audio().packets.iter().map(|packet| {
            let from = frames as f64 / RATE;
            frames += packet.bytes / FRAME;
            (from, packet.pts)
        });
        Heard {
            times: times.collect(),
            left: Sound::channel(recording.file(), 0),
            right: Sound::channel(recording.file(), 1),
        }
    }
}

impl Heard {
    /// The system's clock so many seconds from the sound's start, in seconds since 1970.
    pub fn clock(&self, at: f64) -> f64 {
        let packet = self.times.partition_point(|(from, _)| *from <= at);
        let (from, clock) = self.times[packet.saturating_sub(1)];
        clock + at - from
    }
}

/// The system's clock, in seconds since 1970.
pub fn clock() -> f64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.expect("a clock").as_secs_f64()
}

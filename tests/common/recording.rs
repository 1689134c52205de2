//! What a viewer was sent: the packets with their stamps, the pictures, the sound.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::picture::{self, Picture};
use super::process::Said;
use super::sound::Sound;
use super::track::Track;

/// A finished recording. Times are seconds from its first picture, where nothing else is said.
pub struct Recording {
    /// Keeps the file until the recording is dropped.
    _folder: TempDir,
    file: PathBuf,
    /// The first picture and the first sound stream, where there is one.
    pub video: Option<Track>,
    pub audio: Option<Track>,
    /// Stamps that went backwards and were mended before they were written (RTSP only).
    mended: usize,
}

impl Recording {
    #[track_caller]
    pub fn open(folder: TempDir, file: PathBuf, log: String) -> Self {
        let shown = Said::by(
            Command::new("ffprobe")
                .args([
                    "-v",
                    "quiet",
                    "-show_streams",
                    "-show_packets",
                    "-of",
                    "json",
                ])
                .arg(&file),
        );
        let content: Value = serde_json::from_str(&shown.out).unwrap_or_default();
        let mended = log
            .lines()
            .filter(|line| tells_of_a_backward_step(line))
            .count();
        let [mut video, audio] = ["video", "audio"].map(|kind| Track::find(&content, kind));
        if let Some(video) = &mut video {
            if file.extension().is_some_and(|name| name == "nut") {
                video.forget_unstamped();
            }
            video.join_pictures();
        }
        assert!(
            video.is_some() || audio.is_some(),
            "the viewer was sent nothing; its log:\n{log}"
        );
        Self {
            _folder: folder,
            file,
            video,
            audio,
            mended,
        }
    }

    /// The picture's track; panics where none came.
    #[track_caller]
    pub fn video(&self) -> &Track {
        self.video.as_ref().expect("a recording with a picture")
    }

    /// The sound's track; panics where none came.
    #[track_caller]
    pub fn audio(&self) -> &Track {
        self.audio.as_ref().expect("a recording with sound")
    }

    /// How often a stamp of either track lies before the one that came before it.
    pub fn backward_steps(&self) -> usize {
        let tracks = [&self.video, &self.audio].into_iter().flatten();
        self.mended + tracks.map(Track::backward_steps).sum::<usize>()
    }

    /// From the first picture's stamp to the last one's.
    pub fn span(&self) -> f64 {
        self.video().span()
    }

    /// Pictures per second of stamps, not of arrival.
    #[track_caller]
    pub fn frames_per_second(&self) -> f64 {
        let track = self.video();
        (track.packets.len() - 1) as f64 / track.span()
    }

    #[track_caller]
    pub fn assert_frame_rate(&self, expected: f64) {
        let seen = self.frames_per_second();
        let frames = self.video().packets.len();
        // FLV stamps are whole milliseconds, at either end; and ticks may move, by less than a frame in
        // all, to where a source's pictures want them.
        let tolerance = 0.02 + (expected * 0.002 + 0.75) / self.span();
        assert!(
            (seen - expected).abs() < tolerance,
            "{seen:.3} frames/s ({frames} frames), not {expected}"
        );
    }

    /// No frame is missing: no two stamps lie further apart than a frame and FLV's rounding.
    #[track_caller]
    pub fn assert_no_frame_missing(&self, frame_rate: f64) {
        let (at, gap) = self.video().longest_gap();
        let allowed = 1.0 / frame_rate + 0.003;
        assert!(
            gap <= allowed,
            "a gap of {:.0} ms, {at:.2} s into the recording",
            gap * 1000.0
        );
    }

    #[track_caller]
    pub fn assert_stamps_never_go_backwards(&self) {
        assert_eq!(self.backward_steps(), 0, "stamps that went backwards");
    }

    /// The picture shown `at` seconds after the first one, in full size.
    #[track_caller]
    pub fn picture_at(&self, at: f64) -> Picture {
        let track = self.video();
        // Half a millisecond early: the stamp printed may be the stamp rounded up.
        let wanted = track.first() + at - 0.0005;
        picture::decode(
            &self.file,
            track,
            &format!("select='gte(t\\,{wanted:.6})',"),
            None,
            Some(1),
        )
        .pop()
        .unwrap_or_else(|| panic!("no picture {at} s into a recording of {:.2} s", self.span()))
    }

    /// The last picture but a few: a decoder may hold those back.
    #[track_caller]
    pub fn late_picture(&self) -> Picture {
        self.picture_at((self.span() - 0.3).max(0.0))
    }

    /// Every picture that can be decoded, each made this small by taking single pixels.
    #[track_caller]
    pub fn every_picture(&self, width: usize, height: usize) -> Vec<Picture> {
        picture::decode(&self.file, self.video(), "", Some((width, height)), None)
    }

    /// All the sound, as one channel.
    #[track_caller]
    pub fn sound(&self) -> Sound {
        self.audio();
        Sound::decode(&self.file)
    }

    /// When pictures turn white: stamps, not counted from the first picture.
    #[track_caller]
    pub fn flashes(&self) -> Vec<f64> {
        let said = Said::by(
            Command::new("ffmpeg")
                .args(["-nostdin", "-hide_banner", "-copyts", "-i"])
                .arg(&self.file)
                .args(["-vf", "scale=16:16,negate,blackdetect=d=0.03:pix_th=0.3"])
                .args(["-an", "-f", "null", "-"]),
        );
        let starts = said.err.split("black_start:").skip(1);
        starts
            .filter_map(|rest| rest.split_whitespace().next()?.parse().ok())
            .collect()
    }

    /// By how many milliseconds each sound that is louder than this many dB comes after the flash
    /// it belongs to, and when that is, counted from the first picture.
    #[track_caller]
    pub fn sound_after_flash(&self, db: f64) -> Vec<(f64, f64)> {
        let begun = self.audio().first();
        let beeps: Vec<f64> = self
            .sound()
            .onsets(db)
            .iter()
            .map(|at| begun + at)
            .collect();
        let near = |flash: f64| {
            let after = beeps.iter().map(|beep| beep - flash);
            after.min_by(|a, b| a.abs().total_cmp(&b.abs()))
        };
        let pairs = (self.flashes().into_iter()).filter_map(|flash| Some((flash, near(flash)?)));
        pairs
            .filter(|(_, after)| after.abs() < 0.5)
            .map(|(flash, after)| (flash - self.video().first(), after * 1000.0))
            .collect()
    }

    /// Where the recording lies while it lives, to be looked at by other tools.
    pub fn file(&self) -> &Path {
        &self.file
    }
}

/// ffmpeg's `Non-monotonous DTS in output stream 0:0; previous: 9, current: 7; changing to 10.`
/// It says the same of two equal stamps, which are none.
fn tells_of_a_backward_step(line: &str) -> bool {
    let number = |name: &str| -> Option<i64> {
        let rest = line.split_once(name)?.1;
        rest.split([',', ';']).next()?.trim().parse().ok()
    };
    let stamps = number("previous:").zip(number("current:"));
    line.contains("Non-monoton") && stamps.is_none_or(|(previous, current)| current < previous)
}

//! Somebody who watches a stream and keeps what arrived, untouched, for a look afterwards.
//!
//!     let viewer = Viewer::watch(&server.rtmp_url("live", "out"));
//!     …
//!     let recording = viewer.stop();
//!
//! From RTMP the bytes are kept as the server sent them (an FLV file), so that nothing between
//! the wire and the measurement can mend a timestamp. RTSP has no such bytes: ffmpeg keeps its
//! packets with the stamps they came with (a NUT file), and complains in its log where one
//! goes backwards; the recording counts these complaints.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::process::Process;
use super::recording::Recording;

/// More than any header: a file of this size holds something of the stream.
const SOMETHING: u64 = 4096;

/// A viewer at work.
pub struct Viewer {
    process: Process,
    folder: TempDir,
    file: PathBuf,
}

impl Viewer {
    /// Watches a stream from now on; RTSP comes over TCP.
    #[track_caller]
    pub fn watch(url: &str) -> Self {
        if url.starts_with("rtmp") {
            Self::start(
                "stream.flv",
                &[
                    "-f", "data", "-i", url, "-map", "0", "-c", "copy", "-f", "data",
                ],
            )
        } else {
            Self::watch_rtsp(url, &["-rtsp_transport", "tcp"])
        }
    }

    /// Watches an RTSP stream that comes in datagrams.
    #[track_caller]
    pub fn watch_udp(url: &str) -> Self {
        Self::watch_rtsp(url, &["-rtsp_transport", "udp"])
    }

    /// Watches only the picture of an RTSP stream. Its stamps are then the sender's from the
    /// first to the last: with sound beside it, ffmpeg shifts both by the sender's reports,
    /// which shows as a step where the first report comes late.
    #[track_caller]
    pub fn watch_picture(url: &str) -> Self {
        Self::watch_rtsp(
            url,
            &["-rtsp_transport", "tcp", "-allowed_media_types", "video"],
        )
    }

    /// Watches an RTSP stream from a network of its own, by `transport` in ffmpeg's words; `enter` is
    /// what comes before the command line.
    #[track_caller]
    pub fn watch_inside(enter: &[String], url: &str, transport: &str) -> Self {
        Self::watch_rtsp_from(enter, url, &["-rtsp_transport", transport])
    }

    /// Takes the place of an RTSP server that one laptop pushes to.
    #[track_caller]
    pub fn receive_rtsp(url: &str) -> Self {
        Self::watch_rtsp(url, &["-rtsp_flags", "listen"])
    }

    #[track_caller]
    fn watch_rtsp(url: &str, how: &[&str]) -> Self {
        Self::watch_rtsp_from(&[], url, how)
    }

    #[track_caller]
    fn watch_rtsp_from(enter: &[String], url: &str, how: &[&str]) -> Self {
        let mut arguments = how.to_vec();
        // A short look is enough to tell the codecs, and all that is looked at is kept.
        arguments.extend([
            "-analyzeduration",
            "1000000",
            "-copyts",
            "-i",
            url,
            "-map",
            "0",
        ]);
        arguments.extend(["-c", "copy", "-copyts", "-f", "nut"]);
        Self::start_from(enter, "stream.nut", &arguments)
    }

    #[track_caller]
    fn start(name: &str, arguments: &[&str]) -> Self {
        Self::start_from(&[], name, arguments)
    }

    #[track_caller]
    fn start_from(enter: &[String], name: &str, arguments: &[&str]) -> Self {
        let folder = TempDir::with_prefix("regie-viewer-").expect("a temporary folder");
        let file = folder.path().join(name);
        let mut line = enter.iter().map(String::as_str).chain(["ffmpeg"]);
        let mut command = Command::new(line.next().expect("a program"));
        command
            .args(line)
            .args(["-nostdin", "-hide_banner", "-v", "warning", "-y"])
            .args(arguments);
        command.args(["-flush_packets", "1"]).arg(&file);
        let process = Process::start("the viewer", &mut command, &folder.path().join("log"));
        Self {
            process,
            folder,
            file,
        }
    }

    /// Has anything of the stream arrived?
    pub fn sees_something(&self) -> bool {
        self.bytes() > SOMETHING
    }

    /// How much has arrived.
    pub fn bytes(&self) -> u64 {
        std::fs::metadata(&self.file).map_or(0, |file| file.len())
    }

    /// Waits for the first pictures; says how long that took.
    #[track_caller]
    pub fn wait_picture(&mut self, deadline: Duration) -> Duration {
        let begun = Instant::now();
        while !self.sees_something() {
            self.process.assert_running();
            let late = begun.elapsed() > deadline;
            assert!(
                !late,
                "no picture after {deadline:?}; the viewer's log:\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        begun.elapsed()
    }

    #[track_caller]
    pub fn assert_running(&mut self) {
        self.process.assert_running();
    }

    /// Waits for the end of a viewer that was sent away, and answers what it said.
    #[track_caller]
    pub fn wait_refused(&mut self, deadline: Duration) -> String {
        self.process.wait_end(deadline);
        self.log()
    }

    /// Stays connected, reads nothing.
    pub fn freeze(&mut self) {
        self.process.freeze();
    }

    pub fn thaw(&mut self) {
        self.process.thaw();
    }

    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Ends the watching, and answers what was seen. A viewer that was thrown out before is a
    /// failure here: use [`Viewer::stop_whatever_came`] where the stream may have ended.
    #[track_caller]
    pub fn stop(mut self) -> Recording {
        self.process.assert_running();
        self.stop_whatever_came()
    }

    #[track_caller]
    pub fn stop_whatever_came(mut self) -> Recording {
        // ffmpeg ends its file in good order; one that hangs in a read is killed, which the
        // file survives.
        self.process.signal("INT");
        let begun = Instant::now();
        while self.process.ended().is_none() && begun.elapsed() < Duration::from_secs(2) {
            std::thread::sleep(Duration::from_millis(20));
        }
        self.process.kill9();
        let log = self.process.log();
        Recording::open(self.folder, self.file, log)
    }
}

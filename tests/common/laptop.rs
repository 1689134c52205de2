//! A speaker's laptop: ffmpeg (or GStreamer) pushing a file, in real time and for ever.
//!
//!     let laptop = Laptop::push(&slides(), "rtsp://127.0.0.1:8554/ingest/laptop").tcp();
//!
//! The file is sent as it is, so that a laptop costs the test machine next to nothing.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use super::process::Process;

/// A laptop that pushes; dropped, it is gone as if its cable were pulled.
pub struct Laptop {
    process: Process,
    _folder: TempDir,
}

/// What a laptop is about to do.
#[derive(Clone)]
pub struct Push {
    file: PathBuf,
    url: String,
}

impl Laptop {
    /// A file to a URL; `tcp`, `udp` or `rtmp` then starts it.
    pub fn push(file: &Path, url: &str) -> Push {
        Push {
            file: file.to_owned(),
            url: url.to_owned(),
        }
    }

    /// The cable is pulled.
    pub fn kill(&mut self) {
        self.process.kill9();
    }

    /// The person ends it: ffmpeg says goodbye.
    #[track_caller]
    pub fn stop(&mut self) {
        self.process.signal("INT");
        self.process.wait_end(Duration::from_secs(5));
    }

    /// The laptop hangs: connected, but silent.
    pub fn freeze(&mut self) {
        self.process.freeze();
    }

    pub fn thaw(&mut self) {
        self.process.thaw();
    }

    pub fn is_running(&mut self) -> bool {
        self.process.ended().is_none()
    }

    #[track_caller]
    pub fn assert_running(&mut self) {
        self.process.assert_running();
    }

    /// Waits until it has given up, and answers what it said about that.
    #[track_caller]
    pub fn wait_refused(&mut self, deadline: Duration) -> String {
        let (status, _) = self.process.wait_end(deadline);
        assert!(
            !status.success(),
            "the push ended well; its log:\n{}",
            self.log()
        );
        self.log()
    }

    pub fn log(&self) -> String {
        self.process.log()
    }
}

impl Push {
    /// Authenticates as `id` with `key`.
    #[track_caller]
    pub fn with_key(mut self, id: &str, key: &str) -> Self {
        let mut url = url::Url::parse(&self.url).expect("a URL");
        url.set_username(id).expect("a URL that takes a user");
        url.set_password(Some(key))
            .expect("a URL that takes a password");
        self.url = url.into();
        self
    }

    /// By RTSP, interleaved on its one connection.
    #[track_caller]
    pub fn tcp(&self) -> Laptop {
        self.ffmpeg(&["-f", "rtsp", "-rtsp_transport", "tcp"])
    }

    /// By RTSP, with the media in datagrams.
    #[track_caller]
    pub fn udp(&self) -> Laptop {
        self.ffmpeg(&["-f", "rtsp", "-rtsp_transport", "udp"])
    }

    /// By RTMP (or RTMPS: the URL says which).
    #[track_caller]
    pub fn rtmp(&self) -> Laptop {
        self.ffmpeg(&["-f", "flv"])
    }

    /// As MPEG-TS, to an `srt://` listener.
    #[track_caller]
    pub fn srt(&self) -> Laptop {
        self.ffmpeg(&["-f", "mpegts"])
    }

    /// By GStreamer's own RTSP client, once through the file; with the sound where `sound` says so.
    #[track_caller]
    pub fn rtspclientsink(&self, protocol: &str, sound: bool) -> Laptop {
        let mut command = Command::new("gst-launch-1.0");
        command
            .args(["-q", "filesrc"])
            .arg(format!("location={}", self.file.display()));
        command.args("! qtdemux name=d d.video_0 ! queue ! h264parse ! clocksync ! s.".split(' '));
        if sound {
            command.args("d.audio_0 ! queue ! aacparse ! clocksync ! s.".split(' '));
        }
        command
            .args(["rtspclientsink", "name=s"])
            .arg(format!("protocols={protocol}"));
        command.arg(format!("location={}", self.url));
        start(&mut command)
    }

    #[track_caller]
    fn ffmpeg(&self, format: &[&str]) -> Laptop {
        let mut command = Command::new("ffmpeg");
        command.args([
            "-nostdin",
            "-hide_banner",
            "-v",
            "warning",
            "-re",
            "-stream_loop",
            "-1",
            "-i",
        ]);
        command
            .arg(&self.file)
            .args(["-c", "copy"])
            .args(format)
            .arg(&self.url);
        start(&mut command)
    }
}

#[track_caller]
fn start(command: &mut Command) -> Laptop {
    let folder = TempDir::with_prefix("regie-laptop-").expect("a temporary folder");
    let process = Process::start("the laptop", command, &folder.path().join("log"));
    Laptop {
        process,
        _folder: folder,
    }
}

//! The servers of `tests/reference`, as their files have them. Only what belongs to a machine is put in
//! another place: ports and folders; and the pictures are small.

use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use super::nginx::{is_root, make_certificate, statistics};
use super::process::{Process, Said};
use super::{free_port, wait_until};

/// The pictures of the transcoder's qualities, in the file and in a test; nothing else changes with them.
const SIZES: [(&str, &str); 3] = [
    ("640x360", "320x180"),
    ("1280x720", "480x270"),
    ("1920x1080", "640x360"),
];

/// A server that runs.
pub struct Reference {
    folder: TempDir,
    process: Process,
    rtmp: u16,
    rtmps: u16,
    http: u16,
    statistics: u16,
    secure: bool,
}

impl Reference {
    /// The building's relay.
    #[track_caller]
    pub fn relay() -> Self {
        Self::start("relay", |_| {})
    }

    /// The transcoder; `keys` are lines of its map. `prepare` lays what an earlier run left into the folder
    /// that its HLS goes to.
    #[track_caller]
    pub fn transcoder(keys: &str, prepare: impl FnOnce(&Path)) -> Self {
        Self::start("transcoder", |folder| {
            make_certificate(folder, "regie-key.pem", "regie.pem");
            std::fs::write(folder.join("regie-keys.map"), keys).expect("a file");
            prepare(&folder.join("data/hls"));
        })
    }

    #[track_caller]
    fn start(name: &str, prepare: impl FnOnce(&Path)) -> Self {
        let folder = TempDir::with_prefix("regie-reference-").expect("a temporary folder");
        let path = folder.path();
        for sub in ["log", "data", "data/hls"] {
            std::fs::create_dir(path.join(sub)).expect("a folder");
        }
        prepare(path);
        let secure = name == "transcoder";
        if secure {
            std::fs::write(path.join("log/ffmpeg.log"), "").expect("a log");
        }
        hand_over(path);
        let [rtmp, rtmps, http, keys] = std::array::from_fn(|_| free_port());
        let place = path.display().to_string();
        let mut changes = vec![
            ("/run/nginx.pid", format!("{place}/pid")),
            ("/var/log/nginx", format!("{place}/log")),
            ("listen 1935;", format!("listen 127.0.0.1:{rtmp};")),
        ];
        if secure {
            changes.extend(SIZES.map(|(from, to)| (from, to.to_owned())));
            changes.extend([
                ("127.0.0.1:1935", format!("127.0.0.1:{rtmp}")),
                ("127.0.0.1:8081", format!("127.0.0.1:{keys}")),
                ("listen 1936 ssl;", format!("listen 127.0.0.1:{rtmps} ssl;")),
                ("listen 443 ssl", format!("listen 127.0.0.1:{http} ssl")),
                ("/var/lib/regie-transcoder", format!("{place}/data")),
                ("/etc/nginx/regie", format!("{place}/regie")),
            ]);
        } else {
            changes.extend([
                ("listen 8080;", format!("listen 127.0.0.1:{http};")),
                ("/var/lib/regie-relay", format!("{place}/data")),
            ]);
        }
        if !is_root() {
            // Who is nobody special can become nobody else, and has no part of /var/lib/nginx.
            let own = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
                .map(|kind| format!("{kind}_temp_path {place}/{kind};"));
            changes.push(("user www-data;", String::new()));
            changes.push(("http {", format!("http {{ {}", own.join(" "))));
        }
        let config = path.join("nginx.conf");
        std::fs::write(&config, changed(name, &changes)).expect("nginx.conf");
        let nginx = |options: &[&str]| {
            let mut command = Command::new("/usr/sbin/nginx");
            command.args(["-e", &format!("{place}/log/error.log"), "-c"]);
            command.arg(&config).args(options);
            command
        };
        let said = Said::by(&mut nginx(&["-t", "-q"]));
        assert_eq!(said.assert_ok().err, "", "nginx has doubts");
        let mut command = nginx(&["-g", "daemon off;"]);
        let mut process = Process::start("nginx", &mut command, &path.join("log/nginx.log"));
        let mut ports = vec![rtmp, http];
        if secure {
            ports.extend([rtmps, keys]);
        }
        wait_until(Duration::from_secs(5), "nginx listens", || {
            process.assert_running();
            let mut ports = ports.iter();
            ports.all(|port| TcpStream::connect(("127.0.0.1", *port)).is_ok())
        });
        Self {
            folder,
            process,
            rtmp,
            rtmps,
            http,
            statistics: if secure { keys } else { http },
            secure,
        }
    }

    pub fn rtmp_url(&self, application: &str) -> String {
        format!("rtmp://127.0.0.1:{}/{application}", self.rtmp)
    }

    /// By TLS: the transcoder's alone.
    pub fn rtmps_url(&self, application: &str) -> String {
        format!("rtmps://localhost:{}/{application}", self.rtmps)
    }

    /// By HTTPS where it speaks that, else by HTTP.
    pub fn url(&self, path: &str) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        format!("{scheme}://localhost:{}{path}", self.http)
    }

    /// What is at a path: status, headers in small letters, an empty line, what was answered.
    #[track_caller]
    pub fn get(&self, path: &str) -> String {
        let said = Said::by(self.ask("get").arg(self.url(path)));
        said.assert_ok().out.clone()
    }

    /// Somebody at the address 127.0.0.2 who asks for a path as fast as he can, until dropped. Each status
    /// is a line of the log when it is answered for the first time.
    #[track_caller]
    pub fn flood(&self, path: &str) -> Process {
        let mut command = self.ask("flood");
        command.args(["--address", "127.0.0.2"]).arg(self.url(path));
        Process::start("the flood", &mut command, &self.folder.path().join("flood"))
    }

    fn ask(&self, what: &str) -> Command {
        let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/ask");
        let mut command = Command::new(tool);
        command.arg(what);
        if self.secure {
            let trusted = self.folder.path().join("regie.pem");
            command.arg("--trust").arg(trusted);
        }
        command
    }

    /// What it keeps for players.
    pub fn hls(&self) -> PathBuf {
        self.folder.path().join("data/hls")
    }

    /// Does anybody publish anything?
    pub fn publishing(&self) -> bool {
        statistics(self.statistics).is_some_and(|page| page.contains("<publishing/>"))
    }

    /// All its logs, nginx's and those of what it runs, at their level "warning"; each line begins with its
    /// log's name.
    pub fn logs(&self) -> Vec<String> {
        let folder = std::fs::read_dir(self.folder.path().join("log")).expect("logs");
        let lines = folder.flatten().flat_map(|log| {
            let text = std::fs::read(log.path()).unwrap_or_default();
            let text = String::from_utf8_lossy(&text).into_owned();
            let name = log.file_name().to_string_lossy().into_owned();
            let lines = text.lines().map(|line| format!("{name}: {line}"));
            lines.collect::<Vec<_>>()
        });
        lines.collect()
    }

    /// Nobody has complained of anything.
    #[track_caller]
    pub fn assert_no_warning(&self) {
        let said = self.logs();
        assert!(said.is_empty(), "warnings: {said:#?}");
    }

    /// Ends it as systemd does; nothing that it ran is left.
    #[track_caller]
    pub fn stop(mut self) {
        self.process.signal("TERM");
        self.process.wait_end(Duration::from_secs(5));
        let own = format!("127.0.0.1:{}/", self.rtmp);
        wait_until(Duration::from_secs(2), "nothing is left", || !runs(&own));
    }
}

impl Drop for Reference {
    /// nginx takes its workers and their children along where it is asked to end.
    fn drop(&mut self) {
        self.process.signal("TERM");
        for _ in 0..100 {
            if self.process.ended().is_some() {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        if std::thread::panicking() {
            eprintln!("--- the reference's logs: {:#?}\n---", self.logs());
        }
    }
}

/// Whoever its workers are, what is theirs on Debian is theirs here: HLS and ffmpeg's log. The folder of the
/// logs is root's.
#[track_caller]
fn hand_over(folder: &Path) {
    if !is_root() {
        return;
    }
    std::fs::set_permissions(folder, PermissionsExt::from_mode(0o755)).expect("a folder's mode");
    let mut command = Command::new("chown");
    command.args(["-R", "www-data"]).arg(folder.join("data"));
    let log = folder.join("log/ffmpeg.log");
    if log.exists() {
        command.arg(log);
    }
    Said::by(&mut command).assert_ok();
}

/// The file with these changes; each has its place there.
#[track_caller]
fn changed(name: &str, changes: &[(&str, String)]) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = file.join(format!("tests/reference/{name}.nginx.conf"));
    let text = std::fs::read_to_string(file).expect("a configuration");
    changes.iter().fold(text, |text, (from, to)| {
        assert!(text.contains(from), "{name}.nginx.conf has no {from:?}");
        text.replace(from, to)
    })
}

/// Is this a part of any process's command line?
fn runs(words: &str) -> bool {
    let processes = std::fs::read_dir("/proc").expect("/proc");
    processes.flatten().any(|process| {
        let line = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(words)
    })
}

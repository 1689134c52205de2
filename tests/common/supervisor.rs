//! What systemd does with a unit of `Type=notify`, `Restart=always`, `RestartSec=500ms`, `WatchdogSec=3` and
//! `WatchdogSignal=SIGKILL`, on a thread of its own: a real socket, real signals, real restarts.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::process::{Process, Said, read_log, tail};
use super::room::Room;
use super::wait_until;

const WATCHDOG: Duration = Duration::from_secs(3);
const RESTART: Duration = Duration::from_millis(500);
/// `TimeoutStartSec`.
const START: Duration = Duration::from_secs(20);

/// What it has seen so far.
#[derive(Debug, Default, Clone)]
pub struct Story {
    /// When each process was started.
    pub starts: Vec<Instant>,
    /// Of the one that runs.
    pub process: Option<u32>,
    /// Whether that one has said READY.
    pub ready: bool,
    /// When a silent one was killed.
    pub killed: Vec<Instant>,
    /// Every STATUS, in order.
    pub status: Vec<String>,
}

/// Keeps an engine running; dropped, it ends it.
pub struct Supervisor {
    pub room: Arc<Room>,
    story: Arc<Mutex<Story>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Supervisor {
    /// Starts the engine of this room.
    #[track_caller]
    pub fn start(room: Room) -> Self {
        let room = Arc::new(room);
        let path = room.path().join("notify");
        let socket = UnixDatagram::bind(path).expect("a socket");
        let patience = Some(Duration::from_millis(20));
        socket.set_read_timeout(patience).expect("a timeout");
        let (story, stop) = (Arc::<Mutex<Story>>::default(), Arc::<AtomicBool>::default());
        let (own, written, stopped) = (room.clone(), story.clone(), stop.clone());
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                supervise(&own, &socket, &written, &stopped);
                let pause = Instant::now() + RESTART;
                while Instant::now() < pause && !stopped.load(Ordering::Relaxed) {
                    std::thread::sleep(Duration::from_millis(5));
                }
            }
        });
        Self {
            room,
            story,
            stop,
            thread: Some(thread),
        }
    }

    pub fn story(&self) -> Story {
        self.story.lock().expect("no panic over there").clone()
    }

    /// Waits until the engine has said READY that was started after `starts` others.
    #[track_caller]
    pub fn wait_ready(&self, starts: usize, deadline: Duration) -> u32 {
        let what = format!("engine {} is ready; log:\n{}", starts + 1, self.log_tail());
        wait_until(deadline, &what, || {
            let story = self.story();
            story.ready && story.starts.len() > starts
        });
        self.story().process.expect("a process")
    }

    /// `regie ctl ARGUMENTS…`
    #[track_caller]
    pub fn ctl(&self, arguments: &[&str]) -> Said {
        let all: Vec<&str> = std::iter::once("ctl")
            .chain(arguments.iter().copied())
            .collect();
        self.room.regie(&all)
    }

    /// The snapshot.
    #[track_caller]
    pub fn status(&self) -> serde_json::Value {
        let said = self.ctl(&["status", "--json"]);
        serde_json::from_str(&said.assert_ok().out).expect("a status")
    }

    pub fn log(&self) -> String {
        read_log(&self.room.path().join("engine.log"))
    }

    pub fn log_tail(&self) -> String {
        tail(&self.log())
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
        if std::thread::panicking() {
            eprintln!("--- {:#?}", self.story());
            eprintln!("--- the engine's log:\n{}\n---", self.log_tail());
        }
    }
}

/// One life of the engine, to its end.
fn supervise(room: &Room, socket: &UnixDatagram, story: &Mutex<Story>, stop: &AtomicBool) {
    let write = |change: &dyn Fn(&mut Story)| change(&mut story.lock().expect("no panic"));
    let mut words = [0; 1024];
    // What the last one has said is not this one's (`NotifyAccess=main`).
    socket.set_nonblocking(true).expect("a socket");
    while socket.recv(&mut words).is_ok() {}
    socket.set_nonblocking(false).expect("a socket");
    let mut process = launch(room, &room.path().join("notify"));
    let id = process.id();
    let begun = Instant::now();
    write(&|story| {
        story.starts.push(begun);
        story.process = Some(id);
        story.ready = false;
    });
    // Until READY the limit is that of a start; then of the watchdog; then there is none.
    let mut limit = Some(begun + START);
    let mut ready = false;
    while !stop.load(Ordering::Relaxed) {
        if let Ok(length) = socket.recv(&mut words) {
            let now = Instant::now();
            for word in String::from_utf8_lossy(&words[..length]).lines() {
                let (name, value) = word.split_once('=').unwrap_or((word, ""));
                match name {
                    "READY" => {
                        ready = true;
                        limit = Some(now + WATCHDOG);
                        write(&|story| story.ready = true);
                    }
                    "WATCHDOG" if ready && limit.is_some() && value == "trigger" => {
                        limit = Some(now)
                    }
                    "WATCHDOG" if ready && limit.is_some() => limit = Some(now + WATCHDOG),
                    "EXTEND_TIMEOUT_USEC" if !ready => {
                        let by = Duration::from_micros(value.parse().unwrap_or(0));
                        limit = limit.max(Some(now + by));
                    }
                    "STATUS" => write(&|story| story.status.push(value.to_owned())),
                    "STOPPING" => limit = None,
                    _ => {}
                }
            }
        }
        if process.ended().is_some() {
            break;
        }
        let now = Instant::now();
        if limit.is_some_and(|limit| now > limit) {
            write(&|story| story.killed.push(now));
            break;
        }
    }
    process.kill9();
    write(&|story| {
        story.process = None;
        story.ready = false;
    });
}

fn launch(room: &Room, notify: &Path) -> Process {
    let mut command = room.command(&["engine", "--config"]);
    command
        .arg(room.venue())
        .env("NOTIFY_SOCKET", notify)
        .env("WATCHDOG_USEC", WATCHDOG.as_micros().to_string())
        .env("INVOCATION_ID", "7f0c0d3f5b1c4a7e9c5d0f6f3f1f2a10");
    Process::start("the engine", &mut command, &room.path().join("engine.log"))
}

//! A real engine in a room of its own.
//!
//!     let engine = Room::new(&venue).file("laptop.key", "secret").start();
//!     engine.ctl(&["take", "slides"]).assert_ok();

use std::cell::RefCell;
use std::time::{Duration, Instant};

use super::process::{Process, Said, read_log, tail};
use super::room::Room;
use serde_json::Value;

/// From the process's start until it answers; generous, for a machine that compiles beside it.
const START: Duration = Duration::from_secs(15);

impl Room {
    /// Starts the engine and waits until it answers.
    #[track_caller]
    pub fn start(self) -> Engine {
        let mut engine = self.launch();
        engine.wait_ready();
        engine
    }

    /// Starts the engine and does not wait.
    #[track_caller]
    pub fn launch(self) -> Engine {
        let process = launch(&self);
        Engine {
            room: self,
            process,
            begun: Instant::now(),
            last_status: RefCell::new(Value::Null),
        }
    }
}

#[track_caller]
fn launch(room: &Room) -> Process {
    let venue = room.venue();
    let mut command = room.command(&["engine", "--config"]);
    Process::start(
        "the engine",
        command.arg(venue),
        &room.path().join("engine.log"),
    )
}

/// A running engine; dropped, it is killed and its room removed.
pub struct Engine {
    pub room: Room,
    process: Process,
    begun: Instant,
    last_status: RefCell<Value>,
}

impl Engine {
    /// Starts an engine with this venue file, and waits until it answers.
    #[track_caller]
    pub fn start(venue: &str) -> Self {
        Room::new(venue).start()
    }

    /// Waits until `regie ctl status` answers; says how long after its start that was.
    #[track_caller]
    pub fn wait_ready(&mut self) -> Duration {
        while !self.ctl(&["status", "--json"]).is_ok() {
            self.process.assert_running();
            let late = self.begun.elapsed() > START;
            assert!(
                !late,
                "no answer from the engine after {START:?}; its log:\n{}",
                self.log_tail()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        self.begun.elapsed()
    }

    /// `regie ctl ARGUMENTS…`
    #[track_caller]
    pub fn ctl(&self, arguments: &[&str]) -> Said {
        let all: Vec<&str> = std::iter::once("ctl")
            .chain(arguments.iter().copied())
            .collect();
        self.room.regie(&all)
    }

    /// The snapshot, as `regie ctl status --json` prints it.
    #[track_caller]
    pub fn status(&self) -> Value {
        let said = self.ctl(&["status", "--json"]);
        assert!(
            said.is_ok(),
            "no status: {said:?}; the engine's log:\n{}",
            self.log_tail()
        );
        let status: Value = serde_json::from_str(&said.out)
            .unwrap_or_else(|error| panic!("the status is no JSON ({error}):\n{}", said.out));
        self.last_status.replace(status.clone());
        status
    }

    /// Waits for a status that `is_so` accepts, and answers it.
    #[track_caller]
    pub fn wait_status(
        &self,
        deadline: Duration,
        what: &str,
        is_so: impl Fn(&Value) -> bool,
    ) -> Value {
        let begun = Instant::now();
        loop {
            let status = self.status();
            if is_so(&status) {
                return status;
            }
            assert!(
                begun.elapsed() < deadline,
                "waited {deadline:?} in vain: {what}\nlast status: {status:#}\nthe engine's log:\n{}",
                self.log_tail()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Follows `regie ctl --json watch` from now on.
    #[track_caller]
    pub fn watch(&self) -> Watch {
        let log = self.room.path().join("watch.log");
        let mut command = self.room.command(&["ctl", "--json", "watch"]);
        Watch(Process::start("ctl watch", &mut command, &log))
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// All that the engine has printed, over its restarts.
    pub fn log(&self) -> String {
        read_log(&self.room.path().join("engine.log"))
    }

    pub fn log_tail(&self) -> String {
        tail(&self.log())
    }

    #[track_caller]
    pub fn assert_running(&mut self) {
        self.process.assert_running();
    }

    /// Waits for an engine that ends by itself, as one does whose venue file is bad.
    #[track_caller]
    pub fn wait_end(&mut self, deadline: Duration) -> Option<i32> {
        self.process.wait_end(deadline).0.code()
    }

    /// SIGKILL, as a power cut would have it.
    pub fn kill9(&mut self) {
        self.process.kill9();
    }

    /// It hangs: its connections stay, and nothing comes of them.
    pub fn freeze(&mut self) {
        self.process.freeze();
    }

    pub fn thaw(&mut self) {
        self.process.thaw();
    }

    /// SIGTERM, as systemd sends it: the engine ends in good order within 5 s. Says how fast.
    #[track_caller]
    pub fn terminate(&mut self) -> Duration {
        self.process.signal("TERM");
        let (status, took) = self.process.wait_end(Duration::from_secs(5));
        assert!(
            status.success(),
            "ended by SIGTERM with {status}; its log:\n{}",
            self.log_tail()
        );
        took
    }

    /// Starts the engine again in the same room, with the state that the last one left.
    #[track_caller]
    pub fn restart(&mut self) -> Duration {
        self.process.kill9();
        self.begun = Instant::now();
        self.process = launch(&self.room);
        self.wait_ready()
    }
}

impl Drop for Engine {
    /// A failing test prints what a person would look at first.
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- last status: {:#}", self.last_status.borrow());
            eprintln!("--- the engine's log:\n{}\n---", self.log_tail());
        }
    }
}

/// A client that follows the engine's events.
pub struct Watch(Process);

impl Watch {
    /// Everything said so far: the snapshot, then one event per line.
    pub fn text(&self) -> String {
        self.0.log()
    }
}

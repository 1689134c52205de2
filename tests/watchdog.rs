//! An engine that hangs is ended and back on air, as it was, within five seconds; one that is only busy is
//! left alone; one that cannot start waits longer and longer; and one whose venue file is broken runs with
//! the last one that was good.

#![allow(clippy::unwrap_used)]

mod common;

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::{Engine, Held, Nginx, Room, Supervisor, free_port, seconds, wait_until};

/// From the moment when it hangs until frames arrive again.
const BACK: Duration = Duration::from_secs(5);

fn venue(uri: &str) -> String {
    format!(
        r#"
name = "Amphi A"
[programme]
size = "640x360"
[relay]
listen = "127.0.0.1:{}"
[[source]]
id = "one"
kind = "test"
role = "slides"
[[output]]
id = "out"
uri = "{uri}"
"#,
        free_port()
    )
}

#[track_caller]
fn signal(process: u32, name: &str) {
    let line = format!("kill -{name} {process}");
    let sent = Command::new("sh").args(["-c", &line]).status();
    assert!(sent.unwrap().success(), "{line}");
}

/// An engine on air at a server, in a layout that is not the venue's first.
struct Show {
    server: Nginx,
    supervisor: Supervisor,
}

impl Show {
    #[track_caller]
    fn start(surround: impl FnOnce(Room) -> Room) -> Self {
        let server = Nginx::running();
        let room = surround(Room::new(&venue(&server.rtmp_url("live", "out"))));
        let supervisor = Supervisor::start(room);
        supervisor.wait_ready(0, seconds(15));
        supervisor.ctl(&["take", "slides-pip"]).assert_ok();
        let show = Self { server, supervisor };
        show.wait_frames(seconds(5));
        show
    }

    /// Waits until bytes arrive at the server, some and then more.
    #[track_caller]
    fn wait_frames(&self, deadline: Duration) {
        let arrived = || self.server.bytes_in("live", "out");
        let begun = arrived();
        wait_until(deadline, "frames at the server", || {
            let now = arrived();
            self.server.publishing("live", "out") && now > begun && begun > 0
                || (begun == 0 && now > 100_000)
        });
    }

    /// It hangs now: says how long it takes until frames of another process arrive, in the same layout.
    #[track_caller]
    fn wait_back(&self, hung: Instant) -> Duration {
        let supervisor = &self.supervisor;
        let before = supervisor.story().starts.len();
        wait_until(seconds(10), "another engine", || {
            supervisor.story().starts.len() > before
        });
        // The server has dropped the stream of the one that was killed.
        wait_until(seconds(10), "frames at the server", || {
            self.server.publishing("live", "out") && self.server.bytes_in("live", "out") > 0
        });
        let took = hung.elapsed();
        supervisor.wait_ready(before, seconds(5));
        let layout = &supervisor.status()["programme"]["layout"];
        assert_eq!(layout, "slides-pip");
        assert_eq!(supervisor.story().starts.len(), before + 1);
        assert_eq!(supervisor.story().killed.len(), 1);
        took
    }
}

#[test]
fn whatever_hangs_the_show_is_back_as_it_was_within_five_seconds() {
    std::thread::scope(|scope| {
        // It takes its time, and is another engine.
        let patient = scope.spawn(an_engine_thread_that_hangs);
        an_engine_that_stands_still();
        for thread in ["picture", "sound"] {
            no_more(thread);
        }
        if let Err(panic) = patient.join() {
            std::panic::resume_unwind(panic);
        }
    });
}

fn an_engine_that_stands_still() {
    let show = Show::start(|room| room);
    let id = show.supervisor.story().process.unwrap();
    let hung = Instant::now();
    signal(id, "STOP");
    let took = show.wait_back(hung);
    eprintln!("stopped: back on air after {took:?}");
    assert!(took < BACK, "{took:?}");
}

fn no_more(thread: &str) {
    let show = Show::start(|room| room);
    let id = show.supervisor.story().process.unwrap();
    let hung = Instant::now();
    let Some(_held) = Held::threads(id, thread) else {
        return;
    };
    let took = show.wait_back(hung);
    eprintln!("thread {thread} held: back on air after {took:?}");
    assert!(took < BACK, "{thread}: {took:?}");
    let log = show.supervisor.log();
    let said = format!("no {thread} has left its encoder for 2 s");
    assert!(log.contains(&said), "{log}");
}

/// Reads a pipe that an encoder writes to, until it is told to stop for a while: then the encoder hangs in
/// the middle of a write, and so does every other that is put in its place.
struct Drain {
    open: Arc<AtomicBool>,
}

impl Drain {
    fn of(pipe: &Path) -> Self {
        // Open for both, so that neither end is ever without the other.
        let mut file = File::options().read(true).write(true).open(pipe).unwrap();
        let open = Arc::new(AtomicBool::new(true));
        let flag = open.clone();
        std::thread::spawn(move || {
            let mut bytes = vec![0; 1 << 16];
            loop {
                if flag.load(Ordering::Relaxed) {
                    let _ = file.read(&mut bytes);
                } else {
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
        });
        Self { open }
    }
}

#[test]
fn an_encoder_that_hangs_for_good_takes_no_longer() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let drain = Drain::of(&pipe);
    let own = std::fs::read_to_string("pipelines/encode-x264.launch").unwrap();
    // The pipe first: what does not fit into it does not get out either.
    let branch = format!(
        "! tee name=t t. ! filesink location={} sync=false async=false buffer-mode=unbuffered \
         t. ! appsink name=out sync=false wait-on-eos=false",
        pipe.display()
    );
    let (rest, _) = own.split_once("! appsink").unwrap();
    let fragment = folder.path().join("encode-x264.launch");
    std::fs::write(&fragment, format!("{rest}{branch}\n")).unwrap();
    let show = Show::start(|room| room.env("REGIE_PIPELINES", folder.path().to_str().unwrap()));
    drain.open.store(false, Ordering::Relaxed);
    // It hangs when the pipe is full, and that is said when no picture has come for 2 to 2.2 s.
    wait_until(seconds(8), "the encoder hangs", || {
        let log = show.supervisor.log();
        log.contains("no picture has left its encoder for 2 s")
    });
    let hung = Instant::now() - Duration::from_millis(2200);
    wait_until(seconds(5), "it is killed", || {
        !show.supervisor.story().killed.is_empty()
    });
    assert_eq!(show.supervisor.story().starts.len(), 1);
    drain.open.store(true, Ordering::Relaxed);
    let took = show.wait_back(hung);
    eprintln!("encoder hung: back on air after {took:?}");
    assert!(took < BACK, "{took:?}");
}

/// The show stays on air as it is; nobody can change it, which is noticed as well.
fn an_engine_thread_that_hangs() {
    let show = Show::start(|room| room);
    let id = show.supervisor.story().process.unwrap();
    let Some(_held) = Held::threads(id, "main") else {
        return;
    };
    let hung = Instant::now();
    // Nobody can change it, but it goes on.
    while hung.elapsed() < seconds(8) {
        let arrived = show.server.bytes_in("live", "out");
        wait_until(seconds(2), "frames go on", || {
            show.server.bytes_in("live", "out") > arrived
        });
        assert_eq!(
            show.supervisor.story().starts.len(),
            1,
            "the show is on air"
        );
        std::thread::sleep(Duration::from_millis(100));
    }
    wait_until(seconds(10), "it is killed", || {
        !show.supervisor.story().killed.is_empty()
    });
    let killed = show.supervisor.story().killed[0];
    wait_until(seconds(5), "frames at the server", || {
        show.supervisor.story().starts.len() == 2
            && show.server.publishing("live", "out")
            && show.server.bytes_in("live", "out") > 0
    });
    let off_air = killed.elapsed();
    eprintln!(
        "engine thread held: killed after {:?}, off air for {off_air:?}",
        killed - hung
    );
    assert!(off_air < seconds(3), "{off_air:?}");
    show.supervisor.wait_ready(1, seconds(5));
    assert_eq!(
        show.supervisor.status()["programme"]["layout"],
        "slides-pip"
    );
}

#[test]
fn a_busy_machine_or_a_relay_that_hangs_is_no_reason_to_end_a_show() {
    let show = Show::start(|room| room);
    let held = Held::threads(show.supervisor.story().process.unwrap(), "rtsp");
    let mut burners: Vec<_> = (0..12)
        .map(|_| {
            let mut command = Command::new("sh");
            command.args(["-c", "while :; do :; done"]);
            command.stdout(Stdio::null()).spawn().unwrap()
        })
        .collect();
    let begun = Instant::now();
    while begun.elapsed() < seconds(8) {
        assert_eq!(show.supervisor.story().killed.len(), 0);
        std::thread::sleep(Duration::from_millis(50));
    }
    for burner in &mut burners {
        let _already_gone = burner.kill();
        let _status = burner.wait();
    }
    if held.is_some() {
        wait_until(seconds(10), "a fault", || {
            let status = show.supervisor.status();
            let faults = status["faults"].as_array().unwrap();
            let hangs =
                |fault: &serde_json::Value| fault["scope"] == "relay" && fault["code"] == "hangs";
            faults.iter().any(hangs)
        });
    }
    let story = show.supervisor.story();
    assert_eq!((story.starts.len(), story.killed.len()), (1, 0));
}

#[test]
fn with_a_thread_that_hangs_it_still_ends_within_five_seconds() {
    let server = Nginx::running();
    let mut engine = Engine::start(&venue(&server.rtmp_url("live", "out")));
    server.wait_publishing("live", "out", seconds(5));
    let Some(_held) = Held::threads(engine.id(), "picture") else {
        return;
    };
    let begun = Instant::now();
    signal(engine.id(), "TERM");
    engine.wait_end(seconds(5));
    eprintln!("ended {:?} after SIGTERM", begun.elapsed());
}

#[test]
fn an_engine_that_cannot_start_waits_longer_and_longer_and_is_back_when_it_can() {
    let good = venue("rtmp://127.0.0.1:1/live/out");
    let supervisor = Supervisor::start(Room::new(&good.replace("640x360", "641x360")));
    let started = |n: usize| {
        wait_until(seconds(15), "another start", || {
            supervisor.story().starts.len() >= n
        });
    };
    started(6);
    let starts = supervisor.story().starts;
    let pauses: Vec<f64> = starts
        .windows(2)
        .map(|pair| (pair[1] - pair[0]).as_secs_f64())
        .collect();
    eprintln!("pauses between starts, 0.5 s of them the supervisor's: {pauses:.2?}");
    // The pause of a start shows in the distance to the next one.
    for (pause, expected) in pauses.iter().zip([0.5, 0.5, 1.0, 1.5, 2.5]) {
        assert!((expected..expected + 0.6).contains(pause), "{pauses:?}");
    }
    let said = || {
        let all = supervisor.story().status;
        all.iter().any(|line| {
            line.starts_with("waits 4 s: ended 5 times in a row, last: ")
                && line.contains("641x360")
        })
    };
    wait_until(seconds(2), "a status in words", said);
    // The panel at the control room's screen is told as well.
    let word = supervisor.room.path().join("control.trouble");
    assert!(std::fs::read_to_string(&word).unwrap().contains("641x360"));
    supervisor.room.write_venue(&good);
    supervisor.wait_ready(5, seconds(12));
    assert!(!word.exists());
}

#[test]
fn a_venue_file_that_is_broken_in_the_morning_gives_way_to_the_last_good_one() {
    let server = Nginx::running();
    let good = venue(&server.rtmp_url("live", "out"));
    let room = Room::new(&good);
    let supervisor = Supervisor::start(room);
    supervisor.wait_ready(0, seconds(15));
    let kept = supervisor.room.state().join("venue-good.toml");
    wait_until(seconds(5), "the good file is kept", || kept.exists());
    // Somebody edits it in the evening, and turns the machine off.
    supervisor
        .room
        .write_venue(&good.replace("kind = \"test\"", "kind = \"tset\""));
    signal(supervisor.story().process.unwrap(), "KILL");
    supervisor.wait_ready(1, seconds(10));
    server.wait_publishing("live", "out", seconds(5));
    let status = supervisor.status();
    let faults = status["faults"].as_array().unwrap();
    let fault = faults
        .iter()
        .find(|fault| fault["scope"] == "venue")
        .unwrap();
    assert_eq!(fault["severity"], "serious");
    let happened = fault["happened"].as_str().unwrap();
    for part in ["venue.toml:", "source \"one\"", "kind = \"tset\""] {
        assert!(happened.contains(part), "{happened}");
    }
    let file = supervisor.room.venue();
    let file = file.to_str().unwrap();
    supervisor
        .room
        .regie(&["check", file])
        .assert_refused("tset");
    // By hand nobody wants another file than the one that was named.
    let said = supervisor
        .room
        .regie(&["engine", "--config", file, "--socket", "other.sock"]);
    said.assert_refused("tset");
    supervisor.room.write_venue(&good);
    let before = supervisor.story().starts.len();
    signal(supervisor.story().process.unwrap(), "KILL");
    supervisor.wait_ready(before, seconds(10));
    let status = supervisor.status();
    let faults = status["faults"].as_array().unwrap();
    assert!(
        faults.iter().all(|fault| fault["scope"] != "venue"),
        "{faults:?}"
    );
}

//! The process as the system sees it: signals, systemd's notifications, its starts, the journal.

mod notify;
pub mod starts;

use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use rustix::process::{Resource, getrlimit, setrlimit};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level;

use crate::engine::note::{Note, Notes};
use crate::model::Snapshot;
use crate::secret::redact;

pub use notify::{SOCKET as NOTIFY_SOCKET, beat, extend_start, give_up, is_unit, ready, stopping};

/// What the engine may take to end, before it is ended.
const PATIENCE: Duration = Duration::from_millis(4500);

/// SIGTERM and SIGINT end the engine in good order. A second one ends it at once, and so does
/// whatever holds it up for too long: a disk that does not answer, a driver or a thread that hangs. No
/// library is asked then for its farewell: it may be what hangs.
pub fn watch_signals(notes: Notes) -> std::io::Result<()> {
    let mut signals = signal_hook::iterator::Signals::new([SIGTERM, SIGINT])?;
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            let mut asked = false;
            for signal in signals.forever() {
                tracing::info!("asked to end (signal {signal})");
                notes.send(Note::Shutdown);
                if std::mem::replace(&mut asked, true) {
                    low_level::exit(128 + signal);
                }
                let limit = std::thread::Builder::new().name("limit".into()).spawn(|| {
                    std::thread::sleep(PATIENCE);
                    tracing::error!("the engine does not end by itself");
                    low_level::exit(1);
                });
                if let Err(error) = limit {
                    tracing::warn!("nothing limits how long the end takes: {error}");
                }
            }
        })?;
    Ok(())
}

/// Lets the process have as many descriptors as it may: a roomful of players takes some thousands,
/// and systems allow 1024 to whoever does not ask.
pub fn raise_descriptor_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!("no more descriptors than usual: {error}");
    }
}

/// glibc gives threads pools of memory of their own, eight for each core, and takes for its measure of what
/// may lie in them the largest piece that was ever freed: while players and laptops came and went, the
/// engine held 350 MiB where it needs 135. It is asked for fewer pools (with two, a hundred players wait
/// for each other), and for pictures outside of them. That has to be said before the process begins, so it
/// begins again, as the same process; where that is not possible, it goes on as it is.
pub fn keep_memory_together() {
    const POOLS: &str = "MALLOC_ARENA_MAX";
    /// In bytes. Saying it also fixes the size from which on pieces lie outside, at the same.
    const KEPT: &str = "MALLOC_TRIM_THRESHOLD_";
    if std::env::var_os(POOLS).is_some() {
        return;
    }
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_default();
    let Ok(program) = std::env::current_exe() else {
        return;
    };
    let again = Command::new(program)
        .arg0(name)
        .args(arguments)
        .env(POOLS, "8")
        .env(KEPT, "131072")
        .exec();
    tracing::warn!("memory is not kept together: {again}");
}

/// One line for `systemctl status`, when it changes.
pub fn status(snapshot: &Snapshot) {
    static LAST: Mutex<String> = Mutex::new(String::new());
    let live = snapshot
        .sources
        .iter()
        .filter(|source| source.state == "live")
        .count();
    let publishing = snapshot
        .outputs
        .iter()
        .filter(|output| output.state == "publishing")
        .count();
    let line = format!(
        "{} on air; {live} of {} sources live, {publishing} of {} outputs publishing, {} faults",
        if snapshot.show.slate {
            "slate"
        } else {
            snapshot.show.programme.layout.as_str()
        },
        snapshot.shown_sources().count(),
        snapshot.outputs.len(),
        snapshot.faults.len()
    );
    let Ok(mut last) = LAST.lock() else { return };
    if *last != line && notify::status(&line) {
        *last = line;
    }
}

/// Where log lines go: stderr, with every known key masked, whoever wrote the line.
#[derive(Debug, Clone, Copy, Default)]
struct Redacting;

impl std::io::Write for Redacting {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let clean = redact(&String::from_utf8_lossy(bytes));
        std::io::stderr().write_all(clean.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().flush()
    }
}

/// Sets up the log: `RUST_LOG` as usual, `info` by default. Under systemd lines carry no time of
/// their own: the journal has one.
pub fn start_log() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_ansi(false)
        .with_writer(|| std::io::LineWriter::new(Redacting));
    let started = if std::env::var_os("JOURNAL_STREAM").is_some() {
        builder.without_time().try_init()
    } else {
        builder.try_init()
    };
    // A second log in one process is a test's; the first stays.
    let _ = started;
}

/// GStreamer's own log (`GST_DEBUG`) goes through ours, so that keys are masked there too.
pub fn forward_gstreamer_log() {
    gst::log::remove_default_log_function();
    gst::log::add_log_function(
        |category, level, _file, _function, _line, _object, message| {
            let text = message.get().unwrap_or_default();
            match level {
                gst::DebugLevel::Error => tracing::warn!("gstreamer {}: {text}", category.name()),
                gst::DebugLevel::Warning => tracing::info!("gstreamer {}: {text}", category.name()),
                _ => tracing::debug!("gstreamer {}: {text}", category.name()),
            }
        },
    );
}

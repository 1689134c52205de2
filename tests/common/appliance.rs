//! A PC of its own with the package installed: a virtual machine that boots a Debian 12 from its own disk,
//! with systemd as the first process. `tests/tools/vm/appliance` lays the disk out.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::package::Package;
use super::picture::Picture;
use super::process::{Process, Said, read_log, skip};
use super::{seconds, vm, wait_until};

/// `appliance` ends so where this machine cannot have one.
const UNAVAILABLE: i32 = 69;

/// A disk with the package on it.
pub struct Disk {
    folder: TempDir,
}

impl Disk {
    /// Lays it out; `setup` is the shell script that installs the package, and does what an administrator
    /// would. Answers `None`, and says why, where no such machine can be had.
    #[track_caller]
    pub fn lay_out(package: &Package, setup: &str) -> Option<Self> {
        let folder = TempDir::with_prefix("regie-disk-").expect("a temporary folder");
        let script = folder.path().join("setup");
        std::fs::write(&script, format!("#!/bin/sh\nset -eux\n{setup}")).expect("a script");
        let disk = Self { folder };
        let mut command = Command::new(vm::tool("appliance"));
        let said = Said::by(command.arg(package.file()).arg(script).arg(disk.image()));
        if said.code == UNAVAILABLE {
            skip(said.err.trim());
            return None;
        }
        said.assert_ok();
        Some(disk)
    }

    fn image(&self) -> PathBuf {
        self.folder.path().join("disk.img")
    }

    /// Switches the PC on.
    #[track_caller]
    pub fn power_on(&self) -> Pc {
        let folder = TempDir::with_prefix("regie-pc-").expect("a temporary folder");
        let path = folder.path();
        let mut command = Command::new(vm::tool("appliance-boot"));
        command.arg(self.image()).arg(path);
        let process = Process::start("qemu", &mut command, &path.join("qemu.log"));
        let mut pc = Pc {
            process,
            shell: None,
            monitor: None,
            folder,
        };
        pc.shell = Some(pc.connect("shell"));
        pc.monitor = Some(pc.connect("monitor"));
        pc.ask_monitor(&json!({ "execute": "qmp_capabilities" }));
        pc
    }
}

/// A PC that runs. Dropped, its plug is pulled.
pub struct Pc {
    process: Process,
    shell: Option<UnixStream>,
    monitor: Option<UnixStream>,
    folder: TempDir,
}

impl Pc {
    #[track_caller]
    fn connect(&mut self, name: &str) -> UnixStream {
        let path = self.folder.path().join(name);
        wait_until(seconds(10), "qemu opens its sockets", || {
            self.process.assert_running();
            path.exists()
        });
        UnixStream::connect(&path).expect("qemu's socket")
    }

    /// It runs; panics where it does not, as one whose kernel gave up.
    #[track_caller]
    pub fn is_on(&mut self) -> bool {
        self.process.assert_running();
        true
    }

    /// When its kernel started, by the host's clock.
    #[track_caller]
    pub fn kernel_start(&mut self, deadline: Duration) -> Instant {
        let uptime = self.shell("cat /proc/uptime", deadline);
        // The answer's own way is short.
        let now = Instant::now();
        let seconds: f64 = uptime
            .assert_ok()
            .out
            .split_whitespace()
            .next()
            .and_then(|text| text.parse().ok())
            .expect("the guest's uptime");
        now - Duration::from_secs_f64(seconds)
    }

    /// Runs a command in the guest, as root, once it is up; both outputs come as one.
    #[track_caller]
    pub fn shell(&mut self, command: &str, deadline: Duration) -> Said {
        const MARK: &str = "regie-host-said";
        let begun = Instant::now();
        let line = format!("( {command} ) </dev/null 2>&1; echo {MARK} $?\n");
        let mut shell = self.shell.as_ref().expect("a socket to the shell");
        shell.write_all(line.as_bytes()).expect("the guest listens");
        shell
            .set_read_timeout(Some(Duration::from_millis(200)))
            .expect("a socket");
        let (mut said, mut bytes) = (Vec::new(), [0; 4096]);
        loop {
            // Nothing within the time is no end; the deadline is.
            if let Ok(count) = shell.read(&mut bytes) {
                said.extend_from_slice(&bytes[..count]);
            }
            let text = String::from_utf8_lossy(&said);
            if let Some((out, code)) = text.split_once(MARK)
                && let Some((code, _)) = code.split_once('\n')
            {
                return Said {
                    code: code.trim().parse().unwrap_or(-1),
                    out: out.to_owned(),
                    err: String::new(),
                };
            }
            self.process.assert_running();
            assert!(
                begun.elapsed() < deadline,
                "no answer to {command:?} after {deadline:?}; so far:\n{text}\nthe console:\n{}",
                read_log(&self.folder.path().join("console.log"))
            );
        }
    }

    #[track_caller]
    fn ask_monitor(&mut self, request: &Value) {
        let mut monitor = self.monitor.as_ref().expect("a socket to the monitor");
        writeln!(monitor, "{request}").expect("qemu listens");
        monitor
            .set_read_timeout(Some(seconds(10)))
            .expect("a socket");
        let (mut said, mut bytes) = (String::new(), [0; 4096]);
        while !said.contains("\"return\"") {
            let count = monitor.read(&mut bytes).expect("qemu answers");
            said.push_str(&String::from_utf8_lossy(&bytes[..count]));
            assert!(!said.contains("\"error\""), "{request}: {said}");
        }
    }

    /// What its display shows.
    #[track_caller]
    pub fn display(&mut self) -> Picture {
        let file = self.folder.path().join("display.ppm");
        let arguments = json!({ "filename": file });
        self.ask_monitor(&json!({ "execute": "screendump", "arguments": arguments }));
        read_ppm(&file)
    }

    /// Pulls its plug.
    pub fn pull_the_plug(mut self) {
        self.process.kill9();
    }
}

/// A PPM file as qemu writes it: three words, the largest value, then the pixels.
#[track_caller]
fn read_ppm(file: &Path) -> Picture {
    let bytes = std::fs::read(file).expect("qemu's picture");
    let mut words = bytes.splitn(4, u8::is_ascii_whitespace);
    let mut word = || words.next().unwrap_or_default();
    assert_eq!(word(), b"P6", "a picture");
    let mut number = || -> usize {
        let text = String::from_utf8_lossy(word()).into_owned();
        text.parse().expect("a number")
    };
    let (width, height) = (number(), number());
    let rest = word();
    let depth = rest.iter().position(u8::is_ascii_whitespace);
    let pixels = &rest[depth.expect("pixels") + 1..];
    Picture::new(width, height, pixels.to_vec())
}

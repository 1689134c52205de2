//! Tests that need devices run in a virtual machine that has them: `tests/tools/vm`, whose README
//! tells what the guest has.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::process::{Said, skip};

/// Set in the guest.
const INSIDE: &str = "REGIE_IN_VM";
/// `vm-run` ends so where this machine cannot have one.
const UNAVAILABLE: i32 = 69;

/// A virtual machine to be booted for one test.
pub struct Vm {
    options: Vec<String>,
}

impl Vm {
    /// With the devices that the README names: a webcam, an HDMI input, an HDMI output, a sound card.
    pub fn new() -> Self {
        Self {
            options: Vec::new(),
        }
    }

    fn option(mut self, name: &str, value: &str) -> Self {
        self.options.extend([name.to_owned(), value.to_owned()]);
        self
    }

    /// These modules in place of `vivid,snd-aloop`.
    pub fn modules(self, names: &str) -> Self {
        self.option("--modules", names)
    }

    /// One of them with parameters of its own, as `vivid:n_devs=1`.
    pub fn module_arguments(self, of_module: &str) -> Self {
        self.option("--module-args", of_module)
    }

    /// The rules of this file are active before the modules are loaded.
    pub fn rules(self, file: &Path) -> Self {
        self.option("--udev-rules", &file.display().to_string())
    }

    /// So many megabytes, which hold all that is written as well.
    pub fn memory(self, megabytes: u32) -> Self {
        self.option("--mem", &megabytes.to_string())
    }

    /// Ends what takes longer; 300 s unless it is said.
    pub fn timeout(self, seconds: u32) -> Self {
        self.option("--timeout", &seconds.to_string())
    }

    /// Runs `inside` in the guest. `test` is the test function that calls this: the guest runs this
    /// binary's test of that name.
    #[track_caller]
    pub fn run<T: Fn()>(self, test: T, inside: impl FnOnce()) {
        if std::env::var_os(INSIDE).is_some() {
            return inside();
        }
        let name = name_of(&test);
        let arguments = [name, "--exact", "--nocapture", "--test-threads=1"];
        let Some(said) = self.boot(&arguments) else {
            return;
        };
        eprintln!("{}{}", said.out, said.err);
        assert!(
            said.is_ok(),
            "{name} failed in the guest, status {}",
            said.code
        );
        // A name that is no test's runs nothing, and succeeds.
        assert!(
            said.out.contains("1 passed"),
            "{name} did not run in the guest"
        );
    }

    /// Runs `inside` in the guest; for a bench, whose binary does one thing.
    #[track_caller]
    pub fn bench(self, inside: impl FnOnce()) {
        if std::env::var_os(INSIDE).is_some() {
            return inside();
        }
        if let Some(said) = self.boot(&[]) {
            eprint!("{}", said.out);
            assert!(said.is_ok(), "status {}: {}", said.code, said.err);
        }
    }

    /// This binary with these arguments in the guest; `None`, with a line that says so, where there is
    /// none to be had.
    #[track_caller]
    fn boot(self, arguments: &[&str]) -> Option<Said> {
        let mut command = Command::new(tool("vm-run"));
        command
            .args(&self.options)
            .args(["--env", &format!("{INSIDE}=1"), "--"])
            .arg(std::env::current_exe().expect("this binary"))
            .args(arguments);
        let said = Said::by(&mut command);
        if said.code == UNAVAILABLE {
            skip(said.err.trim());
            return None;
        }
        Some(said)
    }
}

/// The path of a test as its binary knows it: without the name of the crate.
fn name_of<T>(_: &T) -> &'static str {
    let path = std::any::type_name::<T>();
    path.split_once("::").map_or(path, |(_, name)| name)
}

/// A tool of the virtual machine.
pub fn tool(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/tools/vm")
        .join(name)
}

/// In the guest: loads a module.
#[track_caller]
pub fn modprobe(module: &str) {
    Said::by(Command::new("modprobe").arg(module)).assert_ok();
}

/// In the guest: unloads a module.
#[track_caller]
pub fn unload(module: &str) {
    Said::by(Command::new("modprobe").args(["-r", module])).assert_ok();
}

/// In the guest: waits until udev has done what it knows of.
#[track_caller]
pub fn settle() {
    Said::by(Command::new("udevadm").args(["settle", "-t", "30"])).assert_ok();
}

/// In the guest: sets a control of a video device, as `dv_timings_signal_mode=1`.
#[track_caller]
pub fn set_control(device: &str, control: &str) {
    Said::by(Command::new("v4l2-ctl").args(["-d", device, "-c", control])).assert_ok();
}

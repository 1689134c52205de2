//! Threads of a process that stand still, as in a deadlock, while all others go on.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::process::skip;

/// What the tool ends with where the system does not let it.
const NOT_LET: i32 = 69;

/// Held threads; dropped, they go on.
pub struct Held(Child);

impl Held {
    /// The threads of that name; `main` is the first one. `None`, with a line that says so, where the
    /// system does not let us.
    #[track_caller]
    pub fn threads(process: u32, name: &str) -> Option<Self> {
        let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/hold_threads");
        let mut child = Command::new(tool)
            .args([&process.to_string(), name])
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3");
        let mut said = String::new();
        let out = child.stdout.take().expect("a pipe");
        BufReader::new(out).read_line(&mut said).expect("a line");
        let Some(count) = said.trim().strip_prefix("held: ") else {
            let ended = child.wait().expect("its end");
            assert_eq!(ended.code(), Some(NOT_LET), "hold_threads {process} {name}");
            skip("threads cannot be held here: ptrace is not allowed");
            return None;
        };
        assert_ne!(count, "0", "no thread of {process} is called {name}");
        Some(Self(child))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // Its end lets them go.
        let _already_gone = self.0.kill();
        let _status = self.0.wait();
    }
}

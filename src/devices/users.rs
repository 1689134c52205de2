//! Who has a device open, as far as `/proc` shows it: processes of other users only to root.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::model::device::User;

/// Who had which device open at one moment.
#[derive(Debug, Default)]
pub struct Openers(BTreeMap<PathBuf, BTreeSet<User>>);

impl Openers {
    /// Looks.
    pub fn now() -> Self {
        let mut all = Self::default();
        let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        for process in processes {
            let name = process.file_name();
            let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            all.look_at(&process.path(), pid);
        }
        all
    }

    fn look_at(&mut self, process: &Path, pid: u32) {
        // It may have ended, or be somebody else's.
        let open = std::fs::read_dir(process.join("fd"));
        for descriptor in open.into_iter().flatten().flatten() {
            let Ok(target) = std::fs::read_link(descriptor.path()) else {
                continue;
            };
            if !is_device(&target) {
                continue;
            }
            let program = std::fs::read_to_string(process.join("comm")).unwrap_or_default();
            self.0.entry(target).or_default().insert(User {
                pid,
                program: program.trim_end().to_owned(),
            });
        }
    }

    /// Those who had this node open.
    pub fn of(&self, node: &Path) -> Vec<User> {
        let users = self.0.get(node).into_iter().flatten();
        users.cloned().collect()
    }
}

fn is_device(path: &Path) -> bool {
    let path = path.to_string_lossy();
    path.starts_with("/dev/video") || path.starts_with("/dev/snd/pcm")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_open_device_is_seen_with_its_program() {
        let process = tempfile::tempdir().unwrap();
        let open = process.path().join("fd");
        std::fs::create_dir(&open).unwrap();
        for (number, target) in [
            ("0", "/dev/null"),
            ("7", "/dev/video1"),
            ("8", "/dev/video1"),
        ] {
            std::os::unix::fs::symlink(target, open.join(number)).unwrap();
        }
        std::fs::write(process.path().join("comm"), "obs\n").unwrap();
        let mut openers = Openers::default();
        openers.look_at(process.path(), 42);
        let obs = User {
            pid: 42,
            program: "obs".to_owned(),
        };
        assert_eq!(openers.of(Path::new("/dev/video1")), [obs]);
        assert!(openers.of(Path::new("/dev/null")).is_empty());
        // The real table can be read.
        let _ = Openers::now();
    }
}

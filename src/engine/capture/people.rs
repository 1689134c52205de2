//! Who may use a device, and who does: for the texts of faults. Reads small files of the system.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The name of the user that this process runs as; else the number.
pub fn user() -> String {
    let id = rustix::process::geteuid().as_raw();
    name_of("/etc/passwd", id).unwrap_or_else(|| id.to_string())
}

/// The name of the group that may open the file; empty where that is root's, or unknown.
pub fn group_of(path: &Path) -> String {
    let group = fs::metadata(path).map_or(0, |data| data.gid());
    if group == 0 {
        return String::new();
    }
    name_of("/etc/group", group).unwrap_or_default()
}

/// The name in a file of lines as `name:x:number:…`.
fn name_of(file: &str, id: u32) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let number: u32 = fields.nth(1)?.parse().ok()?;
        (number == id).then(|| name.to_owned())
    })
}

/// The program that has the device open; empty where nobody does, or it is another user's.
pub fn holder_of(path: &Path) -> String {
    let Ok(node) = path.canonicalize() else {
        return String::new();
    };
    let own = std::process::id().to_string();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    for process in processes {
        let name = process.file_name();
        let is_process = name
            .to_str()
            .is_some_and(|n| n.parse::<u32>().is_ok() && n != own);
        if !is_process {
            continue;
        }
        let files = fs::read_dir(process.path().join("fd"))
            .into_iter()
            .flatten()
            .flatten();
        let has_it = |file: fs::DirEntry| fs::read_link(file.path()).is_ok_and(|to| to == node);
        if files.into_iter().any(has_it) {
            let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            return name.trim().to_owned();
        }
    }
    String::new()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_by_number() {
        assert_eq!(name_of("/etc/passwd", 0).as_deref(), Some("root"));
        assert_eq!(name_of("/etc/passwd", 4_000_000_000), None);
        assert!(!user().is_empty());
    }

    #[test]
    fn who_holds_a_file_is_found() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(holder_of(file.path()), "", "this process does not count");
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .stdin(fs::File::open(file.path()).unwrap())
            .spawn()
            .unwrap();
        let holder = holder_of(file.path());
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(holder, "sleep");
    }
}

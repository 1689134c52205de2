//! The last venue file that was good: one with which the programme has run. A file that is broken in the
//! morning must not keep the show off air; its own key files are read from where they always lie.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::{Files, Venue, VenueError, read, resolve};

/// Its name in the state directory.
const FILE: &str = "venue-good.toml";
/// Before the path of the file that it was, on the first line.
const HEAD: &str = "# The last good text of ";

/// A venue file as it was read, to be kept once it has proved good.
#[derive(Debug)]
pub struct Text {
    file: PathBuf,
    text: String,
}

/// Reads and checks a file for an engine that goes on air.
pub fn load(file: &Path) -> Result<(Venue, Text), VenueError> {
    let text = read(file)?;
    let venue = resolve::venue(file, &text, Files::Believed)?;
    let file = file.to_owned();
    Ok((venue, Text { file, text }))
}

/// What `file` said when it was good for the last time; `None` where nothing is known of that, or that is
/// no longer good either. It is read as if it lay where `file` lies.
pub fn recall(state: &Path, file: &Path) -> Option<Venue> {
    let text = std::fs::read_to_string(state.join(FILE)).ok()?;
    let (first, _) = text.split_once('\n')?;
    if first != head(file) {
        return None;
    }
    let venue = resolve::venue(file, &text, Files::Believed);
    venue
        .inspect_err(|error| tracing::warn!("the last good venue file is none any more: {error}"))
        .ok()
}

impl Text {
    /// Keeps it. Only its owner may read it: URIs may have passwords in them.
    pub fn keep(&self, state: &Path) -> io::Result<()> {
        let whole = format!("{}\n{}", head(&self.file), self.text);
        let path = state.join(FILE);
        if std::fs::read(&path).is_ok_and(|known| known == whole.as_bytes()) {
            return Ok(());
        }
        std::fs::create_dir_all(state)?;
        let new = state.join(format!("{FILE}.new"));
        // One that is left of a power cut may be anybody's to read.
        let _ = std::fs::remove_file(&new);
        let mut file = File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&new)?;
        file.write_all(whole.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&new, &path)?;
        // The new name is on disk as well.
        File::open(state)?.sync_all()
    }
}

fn head(file: &Path) -> String {
    // Whatever the path says, it is one line.
    format!("{HEAD}{:?}", file.display().to_string())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    const GOOD: &str = "name = \"Amphi A\"\n[[source]]\nid = \"laptop\"\nkind = \"push\"\n\
                        key_file = \"laptop.key\"\n";

    #[test]
    fn what_was_good_is_recalled_and_its_keys_lie_where_they_lay() {
        let folder = tempfile::tempdir().unwrap();
        let (file, state) = (
            folder.path().join("venue.toml"),
            folder.path().join("state"),
        );
        std::fs::write(folder.path().join("laptop.key"), "a-key-of-good").unwrap();
        std::fs::write(&file, GOOD).unwrap();
        let (venue, text) = load(&file).unwrap();
        assert_eq!(venue.name, "Amphi A");
        assert!(recall(&state, &file).is_none(), "it has not proved good");
        text.keep(&state).unwrap();
        text.keep(&state).unwrap();
        std::fs::write(&file, GOOD.replace("kind", "knid")).unwrap();
        assert!(load(&file).is_err());
        let recalled = recall(&state, &file).unwrap();
        assert_eq!(recalled.name, "Amphi A");
        let crate::venue::SourceKind::Push { key: Some(key) } = &recalled.sources[0].kind else {
            panic!("{:?}", recalled.sources[0]);
        };
        assert_eq!(key.reveal(), "a-key-of-good");
        let mode = std::fs::metadata(state.join(FILE))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        // Another file's past is nobody else's.
        assert!(recall(&state, &folder.path().join("other.toml")).is_none());
        std::fs::remove_file(folder.path().join("laptop.key")).unwrap();
        assert!(recall(&state, &file).is_none(), "no longer good either");
    }
}

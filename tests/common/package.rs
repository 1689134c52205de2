//! The Debian package of the program under test, made by the recipe that releases are made by.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::process::Said;

/// A package that was built, in a folder of its own.
pub struct Package {
    folder: TempDir,
    file: PathBuf,
}

impl Package {
    /// Of the program that the tests are about, as a release would be.
    #[track_caller]
    pub fn build() -> Self {
        Self::with(&["--fast"])
    }

    /// The same, packed so that an emulated processor is done with it soon.
    #[track_caller]
    pub fn build_light() -> Self {
        Self::with(&["--fast", "--compress-type", "gz", "--compress-system"])
    }

    #[track_caller]
    fn with(options: &[&str]) -> Self {
        let folder = TempDir::with_prefix("regie-package-").expect("a temporary folder");
        let file = folder.path().join("regie.deb");
        Said::by(
            Command::new(root().join("systemd/package/build"))
                .arg(env!("CARGO_BIN_EXE_regie"))
                .args(options)
                .arg("--output")
                .arg(&file),
        )
        .assert_ok();
        Self { folder, file }
    }

    pub fn file(&self) -> &Path {
        &self.file
    }

    /// One field of what dpkg knows of it.
    #[track_caller]
    pub fn field(&self, name: &str) -> String {
        let mut command = Command::new("dpkg-deb");
        let said = Said::by(command.arg("--field").arg(&self.file).arg(name));
        said.assert_ok().out.trim().to_owned()
    }

    /// What it lays down, one line a file: mode, owner, size, date, path.
    #[track_caller]
    pub fn contents(&self) -> String {
        let said = Said::by(Command::new("dpkg-deb").arg("--contents").arg(&self.file));
        said.assert_ok().out.clone()
    }

    /// Its files, laid out in a folder.
    #[track_caller]
    pub fn unpack(&self) -> PathBuf {
        let root = self.folder.path().join("root");
        let mut command = Command::new("dpkg-deb");
        Said::by(command.arg("--extract").arg(&self.file).arg(&root)).assert_ok();
        root
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

//! The services as systemd reads them, and what is shipped beside them.

#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Room, Said};
use tempfile::TempDir;

const UNITS: [&str; 3] = [
    "regie.service",
    "regie-kiosk.service",
    "regie-screen.service",
];

fn shipped(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    root.join("systemd").join(name)
}

#[test]
fn systemd_has_nothing_to_say_of_the_units() {
    let folder = TempDir::new().expect("a temporary folder");
    // What they start is not installed here.
    let program = folder.path().join("program");
    fs::write(&program, "#!/bin/sh\n").expect("a program");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("its mode");
    for name in UNITS {
        let text = fs::read_to_string(shipped(name)).expect(name);
        let text = ["/usr/bin/regie", "/usr/libexec/regie/kiosk"]
            .iter()
            .fold(text, |text, path| {
                text.replace(path, &program.display().to_string())
            });
        let unit = folder.path().join(name);
        fs::write(&unit, text).expect("a unit");
        let mut command = Command::new("systemd-analyze");
        let said = Said::by(command.args(["verify", "--man=no"]).arg(&unit));
        said.assert_ok();
        assert_eq!((said.out.as_str(), said.err.as_str()), ("", ""), "{name}");
    }
}

#[test]
fn a_stream_that_takes_the_engine_over_has_little_to_take() {
    let mut command = Command::new("systemd-analyze");
    let said = Said::by(
        command
            .args(["security", "--offline=true", "--no-pager"])
            .arg(shipped("regie.service")),
    );
    let (_, exposure) = said
        .assert_ok()
        .out
        .rsplit_once("regie.service: ")
        .expect("a verdict");
    let figure: f64 = exposure
        .split_whitespace()
        .next()
        .and_then(|word| word.parse().ok())
        .expect("a figure");
    eprintln!("exposure of regie.service: {figure} (0 to 10; allowed: 3.0)");
    assert!(figure <= 3.0, "{}", said.out);
}

#[test]
fn the_users_are_as_the_units_name_them() {
    let root = TempDir::new().expect("a temporary folder");
    fs::create_dir(root.path().join("etc")).expect("a folder");
    let mut command = Command::new("systemd-sysusers");
    Said::by(
        command
            .arg(format!("--root={}", root.path().display()))
            .arg(shipped("regie.sysusers")),
    )
    .assert_ok();
    let read = |name: &str| fs::read_to_string(root.path().join("etc").join(name)).expect(name);
    let (users, groups) = (read("passwd"), read("group"));
    for unit in UNITS {
        let text = fs::read_to_string(shipped(unit)).expect(unit);
        let value = |key: &str| {
            let mut lines = text.lines();
            lines.find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
        };
        let user = value("User").expect("a user");
        assert!(users.contains(&format!("{user}:x:")), "{user}:\n{users}");
        for group in value("SupplementaryGroups")
            .expect("groups")
            .split_whitespace()
        {
            let line = format!("{group}:x:");
            assert!(
                groups.lines().any(|each| each.starts_with(&line)),
                "{group}"
            );
        }
    }
}

#[test]
fn the_venue_that_is_installed_needs_nothing_and_is_good() {
    let text = fs::read_to_string(shipped("venue.toml")).expect("the venue file");
    let room = Room::new(&text);
    let venue = room.venue().display().to_string();
    let said = room.regie(&["check", "--json", &venue]);
    let verdict: serde_json::Value =
        serde_json::from_str(&said.assert_ok().out).expect("a verdict");
    assert_eq!(verdict["ok"], true, "{verdict}");
    assert_eq!(verdict["warnings"], serde_json::json!([]), "{verdict}");
}

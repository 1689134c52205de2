//! The Debian package: what is in it, what it asks for, and what Debian's own critic has to say.

#![allow(clippy::unwrap_used)]

mod common;

use std::process::Command;

use common::{Package, Said};

/// What has to be there, and with which rights.
const FILES: &[(&str, &str)] = &[
    ("-rwxr-xr-x", "./usr/bin/regie"),
    ("-rwxr-xr-x", "./usr/libexec/regie/kiosk"),
    ("-rw-r--r--", "./lib/systemd/system/regie.service"),
    ("-rw-r--r--", "./lib/systemd/system/regie.slice"),
    ("-rw-r--r--", "./lib/systemd/system/regie-kiosk.service"),
    ("-rw-r--r--", "./lib/systemd/system/regie-screen.service"),
    ("-rw-r--r--", "./lib/udev/rules.d/70-regie.rules"),
    ("-rw-r--r--", "./usr/lib/sysusers.d/regie.conf"),
    ("-rw-r--r--", "./usr/lib/tmpfiles.d/regie.conf"),
    ("-rw-r--r--", "./etc/pam.d/regie-kiosk"),
    ("-rw-r--r--", "./etc/regie/venue.toml"),
    ("-rw-r--r--", "./etc/default/regie-screen"),
    (
        "-rw-r--r--",
        "./usr/share/applications/org.regie.Panel.desktop",
    ),
    (
        "-rw-r--r--",
        "./usr/share/icons/hicolor/scalable/apps/org.regie.Panel.svg",
    ),
    ("-rw-r--r--", "./usr/share/man/man1/regie.1.gz"),
    ("-rw-r--r--", "./usr/share/man/man1/regie-ctl-take.1.gz"),
    (
        "-rw-r--r--",
        "./usr/share/bash-completion/completions/regie",
    ),
    ("-rw-r--r--", "./usr/share/zsh/vendor-completions/_regie"),
    (
        "-rw-r--r--",
        "./usr/share/fish/vendor_completions.d/regie.fish",
    ),
    ("-rw-r--r--", "./usr/share/doc/regie/copyright"),
    ("-rw-r--r--", "./usr/share/doc/regie/changelog.Debian.gz"),
    ("-rw-r--r--", "./usr/share/doc/regie/venue-reference.toml"),
    (
        "-rw-r--r--",
        "./usr/share/doc/regie/reference/transcoder.nginx.conf",
    ),
];

#[test]
fn the_package_is_whole_and_debian_has_nothing_against_it() {
    let package = Package::build();

    let contents = package.contents();
    for (rights, path) in FILES {
        let line = contents
            .lines()
            .find(|line| line.split_whitespace().last() == Some(path))
            .unwrap_or_else(|| panic!("{path} is missing:\n{contents}"));
        assert!(line.starts_with(rights), "{line}");
    }

    // What it links, what its pipelines name, what its services start.
    let depends = package.field("Depends");
    for name in [
        "libgstreamer1.0-0",
        "libgtk-4-1",
        "libadwaita-1-0",
        "gstreamer1.0-plugins-bad",
        "gstreamer1.0-libav",
        "cage",
        "libpam-systemd",
    ] {
        let named = |each: &str| each.split_whitespace().next() == Some(name);
        assert!(
            depends.split(',').any(|each| named(each.trim())),
            "{name}: {depends}"
        );
    }
    assert_eq!(
        package.field("Version"),
        format!("{}-1", env!("CARGO_PKG_VERSION"))
    );

    // The program in it runs, and says who it is.
    let root = package.unpack();
    let said = Said::by(Command::new(root.join("usr/bin/regie")).arg("--version"));
    assert_eq!(
        said.assert_ok().out.trim(),
        concat!("regie ", env!("CARGO_PKG_VERSION"))
    );

    // Whatever is left for a reason stands, with it, in systemd/package/lintian-overrides.
    let mut command = Command::new("lintian");
    let said = Said::by(
        command
            .args([
                "--allow-root",
                "--no-cfg",
                "--fail-on",
                "error,warning,info",
            ])
            .args(["--display-info", "--tag-display-limit", "0"])
            .arg(package.file()),
    );
    eprintln!("{}{}", said.out, said.err);
    said.assert_ok();
}

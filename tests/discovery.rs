//! Rooms are found by other machines on the network without being told where they are, leave the list when
//! they leave, and are told apart. Each machine is a network namespace with a cable to this one.

#![allow(clippy::unwrap_used)]

mod common;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use common::{Namespace, Process, Room, Said, free_port, seconds, wait_until};
use serde_json::Value;

fn venue(name: &str, port: u16) -> String {
    format!(
        r#"
name = "{name}"
[programme]
size = "320x180"
[relay]
listen = "0.0.0.0:{port}"
[ingest]
rtmp = "off"
srt = "0.0.0.0:{}"
[discovery]
announce = true
"#,
        free_port()
    )
}

/// `regie rooms --watch` on this machine.
struct Technician(Process);

impl Technician {
    #[track_caller]
    fn walks_in(folder: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_regie"));
        command.args(["rooms", "--watch", "--json"]);
        Self(Process::start(
            "rooms",
            &mut command,
            &folder.join("rooms.log"),
        ))
    }

    /// The rooms of the latest list at this address, as names and URLs.
    fn sees(&self, address: &str) -> Vec<(String, String)> {
        let log = self.0.log();
        let last: Option<Value> =
            (log.lines().last()).and_then(|line| serde_json::from_str(line).ok());
        let rooms = last.as_ref().and_then(Value::as_array).cloned();
        let text = |room: &Value, key: &str| room[key].as_str().unwrap().to_owned();
        let all = rooms.unwrap_or_default();
        let all = all
            .iter()
            .map(|room| (text(room, "name"), text(room, "url")));
        all.filter(|(_, url)| url.contains(address)).collect()
    }

    /// Waits until it sees these names at this address.
    #[track_caller]
    fn wait(&self, address: &str, names: &[&str], deadline: Duration) -> Duration {
        let what = format!("{names:?} at {address}; seen: {}", self.0.log_tail());
        wait_until(deadline, &what, || {
            let seen = self.sees(address);
            seen.iter()
                .map(|(name, _)| name.as_str())
                .eq(names.iter().copied())
        })
    }
}

#[test]
fn a_room_is_found_leaves_and_comes_back() {
    let Some(elsewhere) = Namespace::new() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let technician = Technician::walks_in(folder.path());
    let (address, port) = (elsewhere.address(), free_port());
    // Its cable is not in yet when it is started.
    elsewhere.pull_cable();
    let room = Room::new(&venue("Amphi é", port)).inside(&elsewhere);
    let mut engine = room.start();
    elsewhere.plug_cable();
    let took = technician.wait(&address, &["Amphi é"], seconds(15));
    eprintln!("a cable that comes late: found after {took:?}");
    let url = format!("rtsp://{address}:{port}/programme");
    assert_eq!(technician.sees(&address)[0].1, url);

    // Whoever comes now is told at once.
    let said = Said::by(Command::new(env!("CARGO_BIN_EXE_regie")).arg("rooms"));
    let line = said.out.lines().find(|line| line.starts_with("Amphi é "));
    assert!(line.is_some_and(|line| line.contains(&url)), "{said:?}");

    engine.terminate();
    let took = technician.wait(&address, &[], seconds(3));
    eprintln!("ended: gone after {took:?}");
    engine.restart();
    let took = technician.wait(&address, &["Amphi é"], seconds(8));
    eprintln!("back: found after {took:?}");
    // Without a farewell.
    engine.kill9();
    let took = technician.wait(&address, &[], seconds(20));
    eprintln!("killed: gone after {took:?}");
    engine.restart();
    let took = technician.wait(&address, &["Amphi é"], seconds(8));
    eprintln!("back: found after {took:?}");
}

#[test]
fn rooms_of_one_name_are_told_apart_and_a_relay_for_one_machine_is_told_of_to_nobody() {
    let Some(elsewhere) = Namespace::new() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let address = elsewhere.address();
    let start = |text: &str| Room::new(text).inside(&elsewhere).start();
    let first = start(&venue("Salle 2.1", free_port()));
    let technician = Technician::walks_in(folder.path());
    technician.wait(&address, &["Salle 2.1"], seconds(8));
    let alone = venue("Alone", free_port()).replace("\"0.0.0.0:", "\"127.0.0.1:");
    let silent = venue("Silent", free_port()).replace("announce = true", "announce = false");
    let _others = [start(&alone), start(&silent)];
    let second = start(&venue("Salle 2.1", free_port()));
    wait_until(seconds(10), "two rooms", || {
        technician.sees(&address).len() == 2
    });
    wait_until(seconds(5), "two names", || {
        let seen = technician.sees(&address);
        seen.len() == 2
            && seen[0].0 != seen[1].0
            && seen.iter().all(|(name, _)| name.starts_with("Salle 2.1"))
    });
    eprintln!("{:?}", technician.sees(&address));
    drop((first, second));
}

#[test]
fn avahi_beside_it_sees_it_and_keeps_its_own_name() {
    let Some(elsewhere) = Namespace::new() else {
        return;
    };
    if !Path::new("/usr/sbin/avahi-daemon").exists() || Path::new("/run/avahi-daemon/pid").exists()
    {
        common::skip("avahi is not installed, or runs here already");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let avahi = Avahi::start(&elsewhere, folder.path());
    let port = free_port();
    let _engine = Room::new(&venue("Amphi é", port))
        .inside(&elsewhere)
        .start();
    let address = elsewhere.address();
    // Parsable, resolved, and then the end; "é" is escaped.
    let machine = format!(";regie-{}-", avahi.host());
    let wanted = format!(".local;{address};{port};");
    let mut last = String::new();
    wait_until(seconds(10), "avahi sees the room", || {
        last = avahi.browse("_regie._tcp");
        last.lines().any(|line| {
            line.starts_with("=;eth0;IPv4;Amphi\\032\\195\\169;_regie._tcp;local")
                && line.contains(&machine)
                && line.contains(&wanted)
        })
    });
    for property in [
        "\"path=/programme\"",
        "\"name=Amphi \\195\\169\"",
        "\"access=open\"",
    ] {
        assert!(last.contains(property), "{property}: {last}");
    }
    let players = avahi.browse("_rtsp._tcp");
    assert!(players.contains(&format!(";{port};")), "{players}");
    let log = avahi.daemon.log();
    assert!(!log.to_lowercase().contains("conflict"), "{log}");
}

/// avahi with a system bus of its own.
struct Avahi {
    daemon: Process,
    _bus: Process,
    address: String,
    enter: Vec<String>,
}

impl Avahi {
    #[track_caller]
    fn start(elsewhere: &Namespace, folder: &Path) -> Self {
        let socket = folder.join("bus");
        let address = format!("unix:path={}", socket.display());
        let config = folder.join("bus.conf");
        let text = format!(
            "<busconfig><type>system</type><listen>{address}</listen><auth>EXTERNAL</auth>\
             <policy context=\"default\"><allow user=\"*\"/><allow own=\"*\"/>\
             <allow send_type=\"method_call\"/><allow send_destination=\"*\"/>\
             <allow receive_sender=\"*\"/></policy></busconfig>"
        );
        std::fs::write(&config, text).unwrap();
        let mut command = Command::new("dbus-daemon");
        command.arg("--nofork").arg("--config-file").arg(&config);
        let bus = Process::start("the bus", &mut command, &folder.join("bus.log"));
        wait_until(seconds(5), "the bus", || socket.exists());
        let enter = elsewhere.enter();
        let mut command = Command::new(&enter[0]);
        command
            .args(&enter[1..])
            .args([
                "avahi-daemon",
                "--no-drop-root",
                "--no-rlimits",
                "--no-chroot",
            ])
            .env("DBUS_SYSTEM_BUS_ADDRESS", &address);
        let daemon = Process::start("avahi", &mut command, &folder.join("avahi.log"));
        wait_until(seconds(10), "avahi has its name", || {
            daemon.log().contains("Server startup complete")
        });
        Self {
            daemon,
            _bus: bus,
            address,
            enter,
        }
    }

    /// What it knows of a service by now.
    #[track_caller]
    fn browse(&self, service: &str) -> String {
        let mut command = Command::new(&self.enter[0]);
        command
            .args(&self.enter[1..])
            .args(["avahi-browse", "-rpt", service])
            .env("DBUS_SYSTEM_BUS_ADDRESS", &self.address);
        Said::by(&mut command).out
    }

    fn host(&self) -> String {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        host.trim().replace('.', "-")
    }
}

impl Drop for Avahi {
    fn drop(&mut self) {
        // SIGTERM, so that it takes its file with its number away.
        self.daemon.signal("TERM");
        let _ended = self.daemon.wait_end(Duration::from_secs(5));
    }
}

//! Capture cards and audio inputs as the operator finds them, with real devices in a virtual machine:
//! what `regie devices` lists, what it sees come and go, and what the rules in `udev/` do.

#![allow(clippy::unwrap_used)]

mod common;

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Engine, Process, Said, UsbCard, Vm, seconds, set_control, settle, wait_until};
use serde_json::Value;

const REGIE: &str = env!("CARGO_BIN_EXE_regie");
const HDMI: &str = "/dev/video1";
const WEBCAM_LINK: &str = "/dev/regie/video/platform-vivid.0-vivid-000-vid-cap";
const HDMI_LINK: &str = "/dev/regie/video/platform-vivid.0-vivid-001-vid-cap";
/// Of the software USB card.
const CARD: &str = "/dev/regie/video/regie_Test_USB_Capture_TEST0001";
const BY_ID: &str = "/dev/v4l/by-id/usb-regie_Test_USB_Capture_TEST0001-video-index0";

fn rules() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("udev/70-regie.rules")
}

/// `regie devices --json`.
#[track_caller]
fn devices() -> Value {
    let said = Said::by(Command::new(REGIE).args(["devices", "--json"]));
    serde_json::from_str(&said.assert_ok().out).unwrap()
}

/// The card at this node, of that list.
#[track_caller]
fn at<'a>(devices: &'a Value, node: &str) -> &'a Value {
    let mut all = devices["video"].as_array().unwrap().iter();
    all.find(|device| device["node"] == node)
        .unwrap_or_else(|| panic!("no {node} in {devices:#}"))
}

/// What it says of the HDMI input's signal and mode.
fn hdmi() -> (String, Value) {
    let all = devices();
    let device = at(&all, HDMI);
    let signal = device["signal"].as_str().unwrap().to_owned();
    (signal, device["timings"].clone())
}

#[test]
fn every_card_is_listed_with_its_names_formats_and_signal() {
    let vm = Vm::new().rules(&rules());
    vm.run(
        every_card_is_listed_with_its_names_formats_and_signal,
        || {
            let all = devices();
            let nodes: Vec<&str> = (all["video"].as_array().unwrap().iter())
                .map(|device| device["node"].as_str().unwrap())
                .collect();
            // What only shows pictures is none.
            assert_eq!(nodes, ["/dev/video0", HDMI], "{all:#}");

            let webcam = at(&all, "/dev/video0");
            assert_eq!(webcam["driver"], "vivid");
            assert_eq!(webcam["bus"], "platform:vivid-000");
            // Both are in one place, where each has a name of its own.
            assert_eq!(webcam["links"][0], WEBCAM_LINK);
            assert_eq!(at(&all, HDMI)["links"][0], HDMI_LINK);
            assert_eq!(webcam["inputs"][0]["has_timings"], false, "{webcam:#}");
            // It sends pictures whatever comes in.
            assert_eq!(
                (&webcam["signal"], &webcam["problem"]),
                (&"unknown".into(), &Value::Null)
            );
            let formats = webcam["formats"].as_array().unwrap();
            let yuyv = formats.iter().find(|it| it["fourcc"] == "YUYV").unwrap();
            let sizes = yuyv["sizes"].as_array().unwrap();
            let small = sizes
                .iter()
                .find(|it| it["width"] == 320 && it["height"] == 180);
            let rates = small.unwrap()["rates"].as_array().unwrap();
            assert!(rates.contains(&"30".into()), "{rates:?}");
            assert_eq!(yuyv["compressed"], false);
            let controls = webcam["controls"].as_array().unwrap();
            let brightness = controls
                .iter()
                .find(|it| it["name"] == "Brightness")
                .unwrap();
            assert_eq!(
                (&brightness["minimum"], &brightness["maximum"]),
                (&0.into(), &255.into())
            );
            assert_eq!(brightness["value"], brightness["default"]);

            // Sound cards: of two devices, one is captured from what the other plays.
            let names: Vec<&str> = (all["audio"].as_array().unwrap().iter())
                .map(|input| input["name"].as_str().unwrap())
                .collect();
            assert_eq!(names, ["hw:CARD=Loopback,DEV=0", "hw:CARD=Loopback,DEV=1"]);
            assert_eq!(
                all["audio"][0]["links"][0],
                "/dev/regie/audio/platform-snd_aloop.0"
            );

            // HDMI: as the signal is at this moment.
            let device = at(&all, HDMI);
            assert_eq!(device["inputs"][0]["has_timings"], true, "{device:#}");
            let (signal, set) = hdmi();
            assert_eq!(signal, "present");
            set_control(HDMI, "dv_timings_signal_mode=1");
            assert_eq!(hdmi(), ("none".to_owned(), set.clone()));
            set_control(HDMI, "dv_timings_signal_mode=2");
            assert_eq!(hdmi().0, "unstable");
            set_control(HDMI, "dv_timings_signal_mode=3");
            assert_eq!(hdmi().0, "unsupported");
            // Another mode: the card is set to it, and lists its size.
            let modes = Said::by(Command::new("v4l2-ctl").args(["-d", HDMI, "-L"])).out;
            let mode = |name: &str| {
                let line = modes.lines().find(|line| line.contains(name)).unwrap();
                line.trim().split(':').next().unwrap().to_owned()
            };
            for (name, width, height, rate) in [
                ("1280x720p60", 1280, 720, "60"),
                ("1920x1080p50", 1920, 1080, "50"),
            ] {
                set_control(HDMI, &format!("dv_timings={}", mode(name)));
                set_control(HDMI, "dv_timings_signal_mode=4");
                let (signal, mode) = hdmi();
                assert_eq!(signal, "present");
                let expected = serde_json::json!(
                { "width": width, "height": height, "interlaced": false, "rate": rate });
                assert_eq!(mode, expected);
            }

            // Who has it open, and what a stranger is told.
            let open = std::fs::File::open("/dev/video0").unwrap();
            let used = devices();
            let own = std::process::id();
            assert_eq!(at(&used, "/dev/video0")["used_by"][0]["pid"], own);
            assert_eq!(at(&used, HDMI)["used_by"], serde_json::json!([]));
            drop(open);
            let stranger = Said::by(Command::new("setpriv").args([
                "--reuid=65534",
                "--regid=65534",
                "--clear-groups",
                REGIE,
                "devices",
                "--json",
            ]));
            let told: Value = serde_json::from_str(&stranger.assert_ok().out).unwrap();
            assert_eq!(at(&told, HDMI)["problem"], "denied");
            assert_eq!(at(&told, HDMI)["links"], device["links"]);

            // The same in words, with the line for the venue file.
            let said = Said::by(Command::new(REGIE).arg("devices"));
            for line in [
                &format!("  device = \"{WEBCAM_LINK}\""),
                "  device = \"hw:CARD=Loopback,DEV=1\"",
                "  signal   present, 1920x1080p50",
            ] {
                assert!(
                    said.out.lines().any(|own| own == line),
                    "{line}\n{}",
                    said.out
                );
            }
            eprintln!("{}", said.out);
        },
    );
}

#[test]
fn a_card_that_is_plugged_in_has_its_name_its_rights_and_no_sleep() {
    let vm = Vm::new().modules("vhci-hcd").rules(&rules());
    vm.run(
        a_card_that_is_plugged_in_has_its_name_its_rights_and_no_sleep,
        || {
            let log = std::env::temp_dir().join("watch.log");
            let mut command = Command::new(REGIE);
            command.args(["devices", "--watch"]);
            let watch = Process::start("regie devices --watch", &mut command, &log);
            let engine = Engine::start(
                "name = \"cards\"\n[programme]\nsize = \"320x180\"\nframerate = \"10\"\n",
            );
            let events = engine.watch();
            wait_until(seconds(30), "the events begin", || {
                events.text().contains("\"sources\"")
            });

            let card = UsbCard::plug(&["-s", "320x180"]);
            let arrived = format!("arrived  video {CARD} (Test USB Capture");
            wait_until(seconds(30), "the card has come", || {
                watch.log().contains(&arrived)
            });
            wait_until(seconds(10), "the engine's clients know", || {
                let line = r#"{"event":"device","change":"arrived","device":{"kind":"video""#;
                events.text().contains(line)
            });
            let all = devices();
            let device = &all["video"][0];
            assert_eq!(device["links"][0], CARD, "{all:#}");
            assert_eq!(device["links"][1], BY_ID);
            assert_eq!(device["usb_megabits"], 480);
            assert_eq!(device["driver"], "uvcvideo");
            // Its second node is not one to capture from.
            assert_eq!(all["video"].as_array().unwrap().len(), 1);
            let told = engine.ctl(&["devices", "--json"]).assert_ok().out.clone();
            assert_eq!(serde_json::from_str::<Value>(&told).unwrap(), all);

            // Rights, sleep, systemd.
            let node = std::fs::canonicalize(CARD).unwrap();
            let found = node.metadata().unwrap();
            assert_eq!(found.permissions().mode() & 0o777, 0o660);
            assert_eq!(found.gid(), group("video"));
            let usb = usb_device(&node);
            let power = std::fs::read_to_string(usb.join("power/control")).unwrap();
            assert_eq!(power, "on\n");
            let authorized = usb.join("authorized").metadata().unwrap();
            assert_eq!(
                (authorized.gid(), authorized.permissions().mode() & 0o777),
                (group("video"), 0o664)
            );
            let known = Said::by(Command::new("udevadm").arg("info").arg(&node)).out;
            let tags = known
                .lines()
                .find(|line| line.starts_with("E: TAGS="))
                .unwrap();
            assert!(
                tags.contains(":systemd:") && tags.contains(":uaccess:"),
                "{tags}"
            );

            // Gone, and what it was called as well.
            card.unplug();
            let left = format!("left     video {CARD} (");
            wait_until(seconds(30), "the card has gone", || {
                watch.log().contains(&left)
            });
            wait_until(seconds(5), "no link is left", || !Path::new(CARD).exists());
            wait_until(seconds(10), "the engine's clients know", || {
                events.text().contains(r#""change":"left""#)
            });

            // In another port: the same name; where it is plugged in is another place.
            let place = &device["links"][2];
            let card = UsbCard::plug(&["-s", "320x180", "-P", "3"]);
            wait_until(seconds(30), "the same name", || Path::new(CARD).exists());
            settle();
            let moved = devices();
            assert_eq!(moved["video"][0]["links"][0], CARD);
            assert_ne!(&moved["video"][0]["links"][2], place, "{moved:#}");
            // One without a number is called by its port.
            let nameless = UsbCard::plug(&["-s", "320x180", "-n", "", "-p", "Dongle", "-P", "5"]);
            let dongle = || {
                let all = devices();
                let mut cards = all["video"].as_array().unwrap().clone().into_iter();
                cards.find(|device| device["card"].as_str().unwrap().starts_with("Dongle"))
            };
            wait_until(seconds(30), "the dongle is there", || dongle().is_some());
            settle();
            let links = dongle().unwrap()["links"].clone();
            let first = links[0].as_str().unwrap();
            assert!(
                first.starts_with("/dev/regie/video/platform-vhci_hcd"),
                "{links}"
            );
            assert!(links[1].as_str().unwrap().contains("by-path"), "{links}");
            drop((card, nameless));
            assert!(!Path::new("/dev/video9").exists());
        },
    );
}

#[test]
fn udev_finds_nothing_wrong_in_the_rules() {
    let vm = Vm::new().modules("vivid").rules(&rules());
    vm.run(udev_finds_nothing_wrong_in_the_rules, || {
        let tested = || {
            let said =
                Said::by(Command::new("udevadm").args(["test", "/sys/class/video4linux/video0"]));
            let all = format!("{}{}", said.out, said.err);
            let wrong = ["nvalid", "nknown", "gnor", "ailed", "onflict"];
            let of_rules = all.lines().filter(|line| line.contains("70-regie.rules:"));
            let bad = of_rules.filter(|line| wrong.iter().any(|word| line.contains(word)));
            (bad.map(str::to_owned).collect::<Vec<_>>(), all)
        };
        let (bad, all) = tested();
        assert!(bad.is_empty(), "{bad:#?}");
        // It has read them, and says so where there is something to say.
        assert!(all.contains("regie/video/platform-vivid.0"), "{all}");
        let active = Path::new("/run/udev/rules.d/70-regie.rules");
        let rules = std::fs::read_to_string(active).unwrap();
        std::fs::write(
            active,
            rules.replace("TAG+=\"systemd\"", "TAAG+=\"systemd\""),
        )
        .unwrap();
        assert!(!tested().0.is_empty(), "{}", tested().1);
    });
}

fn group(name: &str) -> u32 {
    let groups = std::fs::read_to_string("/etc/group").unwrap();
    let line = groups
        .lines()
        .find(|line| line.starts_with(&format!("{name}:")));
    line.unwrap().split(':').nth(2).unwrap().parse().unwrap()
}

/// The USB device that a video node belongs to, in the kernel's tree.
fn usb_device(node: &Path) -> PathBuf {
    let name = node.file_name().unwrap();
    let interface = Path::new("/sys/class/video4linux")
        .join(name)
        .join("device");
    interface
        .canonicalize()
        .unwrap()
        .parent()
        .unwrap()
        .to_owned()
}

#[test]
fn a_machine_without_devices_says_so() {
    // This one may have some, and then lists them.
    let said = Said::by(Command::new(REGIE).arg("devices"));
    said.assert_ok();
    assert!(said.out.contains("No capture card") || said.out.contains("device = "));
    let listed = devices();
    assert!(listed["video"].is_array() && listed["audio"].is_array());
}

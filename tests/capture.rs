//! Capture cards on air, with real devices in a virtual machine: signals that come, go and change,
//! cards that are pulled, plugged and hang. Whatever a card does, the programme goes on.

#![allow(clippy::unwrap_used)]

mod common;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use common::{
    Engine, Process, Room, Said, UsbCard, Vm, modprobe, seconds, set_control, wait_until,
};
use serde_json::Value;

const WEBCAM: &str = "/dev/video0";
const HDMI: &str = "/dev/video1";
const BY_ID: &str = "/dev/v4l/by-id/usb-regie_Test_USB_Capture_TEST0001-video-index0";

/// What the guest's emulated processors manage beside everything else.
const PROGRAMME: &str = "[programme]\nsize = \"192x108\"\nframerate = \"5\"\nencoder = \"x264\"\n\
                         x264_preset = \"ultrafast\"\nvideo_bitrate = \"200k\"\n";

fn source(id: &str, role: &str, device: &str, more: &str) -> String {
    format!(
        "[[source]]\nid = \"{id}\"\nkind = \"capture\"\nrole = \"{role}\"\ndevice = \"{device}\"\n{more}\n"
    )
}

/// One source of the status.
fn of<'a>(status: &'a Value, id: &str) -> &'a Value {
    let mut all = status["sources"].as_array().unwrap().iter();
    all.find(|source| source["id"] == id).unwrap()
}

/// The codes of the faults that a source has.
fn faults(status: &Value, id: &str) -> Vec<String> {
    let all = status["faults"].as_array().unwrap().iter();
    all.filter(|fault| fault["scope"]["source"] == id)
        .map(|fault| fault["code"].as_str().unwrap().to_owned())
        .collect()
}

fn is_live(status: &Value, id: &str) -> bool {
    let source = of(status, id);
    source["state"] == "live" && source["has_picture"] == true && faults(status, id).is_empty()
}

/// Waits, and says how long that took.
#[track_caller]
fn within(
    engine: &Engine,
    limit: Duration,
    what: &str,
    is_so: impl Fn(&Value) -> bool,
) -> (Value, Duration) {
    let begun = Instant::now();
    let status = engine.wait_status(limit, what, is_so);
    let took = begun.elapsed();
    println!("{what}: after {} ms", took.as_millis());
    (status, took)
}

/// Ticks that the programme could not make anything of.
fn missed(engine: &Engine) -> u64 {
    let encoding = &engine.status()["encoding"];
    println!("programme: {encoding}");
    encoding["late_frames"].as_u64().unwrap() + encoding["dropped_frames"].as_u64().unwrap()
}

/// The number that the HDMI input has for a mode.
fn mode(name: &str) -> String {
    let modes = Said::by(Command::new("v4l2-ctl").args(["-d", HDMI, "-L"])).out;
    let line = modes.lines().find(|line| line.contains(name)).unwrap();
    line.trim().split(':').next().unwrap().to_owned()
}

fn sends(name: &str) {
    set_control(HDMI, &format!("dv_timings={}", mode(name)));
    set_control(HDMI, "dv_timings_signal_mode=4");
}

#[test]
fn what_comes_in_is_followed_and_what_does_not_is_told() {
    Vm::new().run(what_comes_in_is_followed_and_what_does_not_is_told, || {
        sends("640x480p59");
        // Somebody else has the webcam at first.
        let log = std::env::temp_dir().join("other.log");
        let mut other = Command::new("v4l2-ctl");
        other.args(["-d", WEBCAM, "--stream-mmap", "--stream-count=100000"]);
        let other = Process::start("v4l2-ctl", &mut other, &log);
        wait_until(seconds(20), "it streams", || other.log().contains('<'));
        let venue = format!(
            "{PROGRAMME}{}{}",
            source("cam", "speaker", WEBCAM, ""),
            source("hdmi", "slides", HDMI, "input = \"HDMI 0\"")
        );
        let engine = Engine::start(&venue);
        engine.ctl(&["take", "slides-speaker"]).assert_ok();
        within(&engine, seconds(20), "HDMI is live", |now| {
            is_live(now, "hdmi")
        });
        let (now, _) = within(&engine, seconds(5), "the webcam is not to be had", |now| {
            faults(now, "cam") == ["card-busy"]
        });
        let said = now["faults"].to_string();
        assert!(
            said.contains("v4l2-ctl uses its card /dev/video0"),
            "{said}"
        );
        drop(other);
        let (now, _) = within(&engine, seconds(6), "the webcam is live", |now| {
            is_live(now, "cam")
        });
        let picture = of(&now, "cam")["picture"].as_str().unwrap().to_owned();
        assert!(picture.contains("320x180 "), "{picture}");
        let picture = of(&now, "hdmi")["picture"].as_str().unwrap().to_owned();
        assert!(picture.contains("640x480, HDMI 0, 480p59.94"), "{picture}");
        let slots = now["programme"]["slots"].as_array().unwrap();
        assert!(slots.iter().all(|slot| slot["live"] == true), "{slots:?}");

        std::thread::sleep(seconds(3));
        let before = missed(&engine);
        for (signal, code) in [(1, "no-signal"), (2, "no-lock"), (3, "bad-mode")] {
            set_control(HDMI, &format!("dv_timings_signal_mode={signal}"));
            let (now, _) = within(&engine, seconds(3), code, |now| {
                faults(now, "hdmi") == [code] && of(now, "hdmi")["has_picture"] == false
            });
            assert_eq!(of(&now, "hdmi")["state"], "stalled");
            assert!(is_live(&now, "cam"), "{now:#}");
        }
        for (name, shown) in [
            ("640x480p59", "640x480, HDMI 0, 480p59.94"),
            ("720x576p50", "720x576, HDMI 0, 576p50"),
            ("720x480i59", "HDMI 0, 240i"),
        ] {
            sends(name);
            within(&engine, seconds(3), name, |now| {
                let picture = of(now, "hdmi")["picture"].as_str().unwrap();
                is_live(now, "hdmi") && picture.contains(shown)
            });
        }
        assert_eq!(missed(&engine), before, "{}", engine.log());
        println!("{}", engine.log());
    });
}

#[test]
fn a_card_may_be_pulled_plugged_and_hang() {
    Vm::new()
        .modules("vhci-hcd")
        .run(a_card_may_be_pulled_plugged_and_hang, || {
            let venue = format!("{PROGRAMME}{}", source("cam", "speaker", BY_ID, ""));
            let engine = Engine::start(&venue);
            engine.ctl(&["take", "speaker"]).assert_ok();
            within(&engine, seconds(5), "no card yet", |now| {
                faults(now, "cam") == ["card-gone"]
            });

            // One that is not ours is left alone.
            let stranger = UsbCard::plug(&["-s", "320x180", "-n", "OTHER", "-P", "4"]);
            let is_there = |path: &str| Path::new(path).exists();
            wait_until(seconds(30), "the stranger is there", || {
                is_there(&BY_ID.replace("TEST0001", "OTHER"))
            });
            let mut card = UsbCard::plug(&["-s", "320x180"]);
            wait_until(seconds(30), "it is there", || is_there(BY_ID));
            let (now, _) = within(&engine, seconds(3), "plugged in", |now| is_live(now, "cam"));
            let picture = of(&now, "cam")["picture"].as_str().unwrap();
            assert!(picture.contains("YUYV 320x180 10 fps"), "{picture}");
            std::thread::sleep(seconds(3));
            let before = missed(&engine);

            card.unplug();
            within(&engine, seconds(2), "pulled", |now| {
                faults(now, "cam") == ["card-gone"] && of(now, "cam")["has_picture"] == false
            });
            // The stranger stays where it is, and is not taken.
            std::thread::sleep(seconds(2));
            assert_eq!(faults(&engine.status(), "cam"), ["card-gone"]);
            drop(stranger);

            card = UsbCard::plug(&["-s", "320x180", "-P", "2"]);
            wait_until(seconds(30), "it is there again", || is_there(BY_ID));
            within(&engine, seconds(3), "plugged in elsewhere", |now| {
                is_live(now, "cam")
            });
            std::thread::sleep(seconds(6));

            // It goes on answering, but sends nothing: every stage is tried.
            card.stop_frames();
            within(&engine, seconds(3), "silent", |now| {
                faults(now, "cam") == ["card-silent"] && of(now, "cam")["has_picture"] == false
            });
            wait_until(seconds(10), "its plug is pulled", || {
                engine.log().contains("its USB port is switched off and on")
            });
            card.send_frames();
            within(&engine, seconds(20), "well again", |now| {
                is_live(now, "cam")
            });
            let log = engine.log();
            for stage in [
                "its stream is switched",
                "it is closed and opened",
                "its USB port is",
            ] {
                assert_eq!(log.matches(stage).count(), 1, "{stage}\n{log}");
            }
            std::thread::sleep(seconds(6));

            // It answers nothing at all: who asks it waits in the kernel.
            card.hang();
            within(&engine, seconds(3), "hangs", |now| {
                faults(now, "cam") == ["card-silent"] && of(now, "cam")["has_picture"] == false
            });
            std::thread::sleep(seconds(5));
            let frames = engine.status()["encoding"]["frames"].as_u64().unwrap();
            std::thread::sleep(seconds(2));
            let grown = engine.status()["encoding"]["frames"].as_u64().unwrap() - frames;
            assert!((6..=16).contains(&grown), "{grown} ticks in two seconds");
            card.recover();
            within(&engine, seconds(20), "recovered", |now| is_live(now, "cam"));
            assert_eq!(missed(&engine), before, "{}", engine.log());
            println!("{}", engine.log());
        });
}

//! Capture cards on air, with real devices in a virtual machine: signals that come, go and change,
//! cards that are pulled, plugged and hang. Whatever a card does, the programme goes on.

#![allow(clippy::unwrap_used)]

mod common;

use std::cell::Cell;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use common::{Engine, Process, Room, Said, UsbCard, Vm, Watch, seconds, set_control, wait_until};
use serde_json::Value;

const WEBCAM: &str = "/dev/video0";
const HDMI: &str = "/dev/video1";
const BY_ID: &str = "/dev/v4l/by-id/usb-regie_Test_USB_Capture_TEST0001-video-index0";

/// What the guest's emulated processors manage beside everything else.
const PROGRAMME: &str = "[programme]\nsize = \"192x108\"\nframerate = \"5\"\nencoder = \"x264\"\n\
                         x264_preset = \"ultrafast\"\nvideo_bitrate = \"200k\"\n";
const TICKS: f64 = 5.0;
/// A slate is shown within a second, and a card is live within three. What is told of it comes by a
/// process of its own, which needs a moment here.
const SLATE: Duration = Duration::from_millis(1000 + 700);
const LIVE: Duration = Duration::from_millis(3000 + 700);

fn source(id: &str, role: &str, device: &str, more: &str) -> String {
    format!(
        "[[source]]\nid = \"{id}\"\nkind = \"capture\"\nrole = \"{role}\"\ndevice = \"{device}\"\n{more}\n"
    )
}

/// An engine, and what it has told since it was last asked.
struct Show {
    engine: Engine,
    watch: Watch,
    read: Cell<usize>,
}

impl Show {
    #[track_caller]
    fn begin(sources: &str, layout: &str) -> Self {
        let engine = Engine::start(&format!("{PROGRAMME}{sources}"));
        engine.ctl(&["take", layout]).assert_ok();
        let watch = engine.watch();
        wait_until(seconds(30), "what is told begins", || {
            watch.text().contains("\"sources\"")
        });
        Self {
            engine,
            watch,
            read: Cell::new(0),
        }
    }

    /// All that is told from now on is of interest.
    fn listen(&self) -> Instant {
        let told = self.watch.text();
        self.read.set(told.rfind('\n').map_or(0, |end| end + 1));
        Instant::now()
    }

    /// Waits until an event is as it should be, for so long from `begun` on.
    #[track_caller]
    fn hears(&self, begun: Instant, limit: Duration, what: &str, is_it: impl Fn(&Value) -> bool) {
        loop {
            let told = self.watch.text();
            let late = begun.elapsed() > limit;
            let lines = told[self.read.get()..].lines();
            // The last one may not be there as a whole.
            let mut events = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok());
            if events.any(|event| is_it(&event)) {
                eprintln!("{what}: after {} ms", begun.elapsed().as_millis());
                return;
            }
            assert!(
                !late,
                "waited {limit:?} in vain: {what}\n{}\n{}",
                &told[self.read.get()..],
                self.engine.log_tail()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    #[track_caller]
    fn hears_fault(&self, begun: Instant, limit: Duration, code: &str) {
        self.hears(begun, limit, code, |event| {
            event["event"] == "fault-raised" && event["fault"]["code"] == code
        });
    }

    /// The slate is shown in its place.
    #[track_caller]
    fn misses(&self, begun: Instant, id: &str) {
        self.hears(begun, SLATE, &format!("{id}: its slate"), |event| {
            event["source"]["id"] == id && event["source"]["has_picture"] == false
        });
    }

    #[track_caller]
    fn sees(&self, begun: Instant, limit: Duration, id: &str, picture: &str) {
        self.hears(begun, limit, &format!("{id} is live: {picture}"), |event| {
            let source = &event["source"];
            source["id"] == id
                && source["state"] == "live"
                && source["has_picture"] == true
                && source["picture"].as_str().unwrap().contains(picture)
        });
    }

    /// Frames of the programme, those of them that were late, and when that was so.
    fn ticks(&self) -> (f64, f64, Instant) {
        let status = self.engine.status();
        let encoding = &status["encoding"];
        eprintln!("programme: {encoding}");
        let figure = |name: &str| encoding[name].as_f64().unwrap();
        let late = figure("late_frames") + figure("dropped_frames");
        (figure("frames"), late, Instant::now())
    }

    /// The programme has had a frame for every tick since then, and hardly any was late.
    #[track_caller]
    fn assert_went_on(&self, since: (f64, f64, Instant)) {
        let now = self.ticks();
        let (frames, late) = (now.0 - since.0, now.1 - since.1);
        let expected = TICKS * now.2.duration_since(since.2).as_secs_f64();
        // Figures are a second old, and asking for them takes another.
        let slack = TICKS * 2.5;
        assert!(
            (frames - expected).abs() < slack,
            "{frames} frames where {expected} were expected\n{}",
            self.engine.log()
        );
        assert!(late <= 1.0 + frames * LATE, "{late} of {frames} were late");
    }
}

/// So many of the emulated processors' frames may be late, whatever cards do.
const LATE: f64 = 0.1;

/// The number that the HDMI input has for a mode.
fn mode(name: &str) -> String {
    let modes = Said::by(Command::new("v4l2-ctl").args(["-d", HDMI, "-L"])).out;
    let line = modes.lines().find(|line| line.contains(name));
    let line = line.unwrap_or_else(|| panic!("no {name} in {modes}"));
    line.trim().split(':').next().unwrap().to_owned()
}

fn sends(mode: &str) {
    let control = format!("dv_timings={mode},dv_timings_signal_mode=4");
    set_control(HDMI, &control);
}

#[test]
fn what_comes_in_is_followed_and_what_does_not_is_told() {
    Vm::new().run(what_comes_in_is_followed_and_what_does_not_is_told, || {
        let [vga, pal, interlaced] = ["640x480p59", "720x576p50", "1920x1080i25"].map(mode);
        sends(&vga);
        // Somebody else has the webcam at first.
        let log = std::env::temp_dir().join("other.log");
        let mut other = Command::new("v4l2-ctl");
        other.args(["-d", WEBCAM, "--stream-mmap", "--stream-count=100000"]);
        let other = Process::start("v4l2-ctl", &mut other, &log);
        wait_until(seconds(20), "it streams", || other.log().contains('<'));
        let sources = source(
            "cam",
            "speaker",
            WEBCAM,
            "size = \"320x180\"\nframerate = 5",
        ) + &source("hdmi", "slides", HDMI, "input = \"HDMI 0\"");
        let show = Show::begin(&sources, "slides-speaker");
        let engine = &show.engine;
        engine.wait_status(
            seconds(20),
            "HDMI is live, the webcam is another's",
            |now| {
                let sources = now["sources"].as_array().unwrap();
                let faults = now["faults"].to_string();
                sources[1]["state"] == "live"
                    && sources[0]["state"] == "waiting"
                    && faults.contains("v4l2-ctl uses its card /dev/video0")
            },
        );
        let begun = show.listen();
        drop(other);
        show.sees(begun, LIVE, "cam", "YU12 320x180 5 fps");
        let status = engine.status();
        assert_eq!(
            status["sources"][1]["picture"],
            "YU12 640x480, HDMI 0, 480p59.94"
        );
        let slots = status["programme"]["slots"].as_array().unwrap();
        assert!(slots.iter().all(|slot| slot["live"] == true), "{slots:?}");

        let since = show.ticks();
        for (signal, code) in [(1, "no-signal"), (2, "no-lock"), (3, "bad-mode")] {
            let begun = show.listen();
            set_control(HDMI, &format!("dv_timings_signal_mode={signal}"));
            show.hears_fault(begun, SLATE, code);
            if signal == 1 {
                show.misses(begun, "hdmi");
            }
        }
        let status = engine.status();
        assert_eq!(status["sources"][1]["state"], "stalled");
        assert_eq!(status["sources"][0]["state"], "live", "{status:#}");
        for (mode, shown) in [
            (&vga, "640x480, HDMI 0, 480p59.94"),
            (&pal, "720x576, HDMI 0, 576p50"),
        ] {
            let begun = show.listen();
            sends(mode);
            show.sees(begun, LIVE, "hdmi", shown);
        }
        show.assert_went_on(since);
        // Half pictures, as large as they are: more than this machine can do in time.
        let begun = show.listen();
        sends(&interlaced);
        show.sees(begun, seconds(20), "hdmi", "1920x1080, HDMI 0, 1080i25");
        eprintln!("{}", engine.log());

        // A card that the system keeps, and an input that a card does not have.
        drop(show);
        std::fs::set_permissions(WEBCAM, Permissions::from_mode(0o000)).unwrap();
        let sources = source("cam", "speaker", WEBCAM, "")
            + &source("hdmi", "slides", HDMI, "input = \"SDI 7\"");
        // Without this even root may do only what permissions say.
        let obeys = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"];
        let room = Room::new(&format!("{PROGRAMME}{sources}"));
        let engine = room.inside_of(obeys.map(str::to_owned).to_vec()).start();
        engine.wait_status(seconds(20), "each is told", |now| {
            let faults = now["faults"].to_string();
            let told = |words| faults.contains(words);
            told("\"card-denied\"")
                && told("root may not open /dev/video0")
                && told("has no input SDI 7")
                && told("there are: HDMI 0")
        });
    });
}

#[test]
fn a_card_may_be_pulled_plugged_and_hang() {
    Vm::new()
        .modules("vhci-hcd")
        .run(a_card_may_be_pulled_plugged_and_hang, || {
            let show = Show::begin(&source("cam", "speaker", BY_ID, ""), "speaker");
            let engine = &show.engine;
            let has_fault = |code: &'static str| {
                move |now: &Value| now["faults"].to_string().contains(&format!("\"{code}\""))
            };
            engine.wait_status(seconds(5), "no card yet", has_fault("card-gone"));

            // One that is not ours is left alone.
            let stranger = UsbCard::plug(&["-s", "320x180", "-n", "OTHER", "-P", "4"]);
            let other = BY_ID.replace("TEST0001", "OTHER");
            let is_there = |path: &str| Path::new(path).exists();
            wait_until(seconds(30), "the stranger is there", || is_there(&other));
            let plug = |port: &str| {
                show.listen();
                let card = UsbCard::plug(&["-s", "320x180", "-P", port]);
                // How fast the kernel and udev are is not ours to say.
                wait_until(seconds(30), "it is there", || is_there(BY_ID));
                show.sees(Instant::now(), LIVE, "cam", "YUYV 320x180 10 fps");
                card
            };
            let card = plug("0");
            let since = show.ticks();
            let begun = show.listen();
            card.unplug();
            show.hears_fault(begun, SLATE, "card-gone");
            show.misses(begun, "cam");
            // The stranger stays where it is, and is not taken.
            engine.wait_status(seconds(5), "still gone", has_fault("card-gone"));
            drop(stranger);
            let mut card = plug("2");
            wait_until_forgotten();

            // It goes on answering, but sends nothing: every stage is tried.
            let begun = show.listen();
            card.stop_frames();
            show.misses(begun, "cam");
            show.hears_fault(begun, SLATE, "card-silent");
            wait_until(seconds(10), "its plug is pulled", || {
                engine.log().contains("its USB port is switched off and on")
            });
            show.listen();
            card.send_frames();
            show.sees(Instant::now(), seconds(10), "cam", "YUYV");
            let log = engine.log();
            for stage in [
                "its stream is switched",
                "it is closed and opened",
                "its USB port is switched",
            ] {
                assert_eq!(log.matches(stage).count(), 1, "{stage}\n{log}");
            }
            wait_until_forgotten();

            // It answers nothing at all: who asks it waits in the kernel.
            let begun = show.listen();
            card.hang();
            show.misses(begun, "cam");
            show.hears_fault(begun, SLATE, "card-silent");
            wait_until(seconds(10), "all stages are tried", || {
                engine.log().matches("its USB port is switched").count() == 2
            });
            show.assert_went_on(since);
            show.listen();
            card.recover();
            show.sees(Instant::now(), seconds(30), "cam", "YUYV");
            show.assert_went_on(since);
            eprintln!("{}", engine.log());
        });
}

/// A card that has been well for so long begins anew with the first stage.
fn wait_until_forgotten() {
    std::thread::sleep(seconds(6));
}

//! Laptops publish by SRT: all at one port, each to its own source; and everybody who is turned away.

#![allow(clippy::unwrap_used)]

mod common;
#[path = "ingest_srt/knock.rs"]
mod knock;
#[path = "ingest_srt/road.rs"]
mod road;

use std::net::UdpSocket;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use common::{
    Announcer, Colour, Engine, Laptop, Obs, Picture, Process, Room, Said, Usage, Viewer, camera,
    free_port, seconds, slides, talk, wait_until,
};
use knock::{Answer, Knock, nonsense_key};
use road::Road;
use serde_json::Value;

/// From a laptop's start, which takes a second itself, to its picture.
const LIVE: Duration = Duration::from_secs(8);
const KEY: &str = "right passphrase";

/// A room with two sources beside each other: `open` on the left, `locked`, which has a key, on
/// the right.
struct Venue {
    relay: u16,
    srt: u16,
}

impl Venue {
    fn new() -> Self {
        let (relay, srt) = (free_port(), free_port());
        Self { relay, srt }
    }

    fn room(&self) -> Room {
        let Self { relay, srt } = self;
        let text = format!(
            r#"
[programme]
size = "640x360"
[relay]
listen = "127.0.0.1:{relay}"
[ingest]
rtmp = "off"
srt = "127.0.0.1:{srt}"
[[source]]
id = "open"
kind = "push"
role = "slides"
[[source]]
id = "locked"
kind = "push"
role = "speaker"
key_file = "key"
[[source]]
id = "third"
kind = "push"
[[source]]
id = "fourth"
kind = "push"
[[layout]]
id = "both"
slots = [ {{ role = "slides",  x = 0.0, y = 0.0, width = 0.5, height = 1.0, fit = "cover" }},
          {{ role = "speaker", x = 0.5, y = 0.0, width = 0.5, height = 1.0, fit = "cover" }} ]
"#
        );
        Room::new(&text).file("key", KEY)
    }

    fn door(&self, id: &str) -> String {
        format!("srt://127.0.0.1:{}?streamid=ingest/{id}", self.srt)
    }

    fn locked(&self) -> String {
        format!("{}&passphrase={KEY}", self.door("locked"))
    }

    fn watch(&self) -> Viewer {
        let mut viewer =
            Viewer::watch_picture(&format!("rtsp://127.0.0.1:{}/programme", self.relay));
        viewer.wait_picture(seconds(8));
        viewer
    }

    fn look(&self) -> Picture {
        let viewer = self.watch();
        std::thread::sleep(Duration::from_millis(700));
        viewer.stop().late_picture()
    }
}

fn source<'a>(status: &'a Value, id: &str) -> &'a Value {
    let sources = status["sources"].as_array().unwrap();
    sources.iter().find(|own| own["id"] == id).unwrap()
}

#[track_caller]
fn wait_live(engine: &Engine, id: &str) -> Value {
    let status = engine.wait_status(LIVE, &format!("{id} live"), |status| {
        let own = source(status, id);
        own["state"] == "live" && own["has_picture"] == true
    });
    source(&status, id).clone()
}

fn fault<'a>(status: &'a Value, code: &str) -> Option<&'a Value> {
    let faults = status["faults"].as_array().unwrap();
    faults.iter().find(|fault| fault["code"] == code)
}

/// A drawn picture and a tone, encoded like this.
#[track_caller]
fn encode(log: &Path, colour: &str, codecs: &[&str], url: &str) -> Process {
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-v", "warning", "-re", "-f", "lavfi", "-i"]);
    command.arg(format!(
        "color={colour}:s=320x180:r=25,format=yuv420p[out0];sine=440:sample_rate=48000[out1]"
    ));
    command.args(codecs).args(["-g", "25", "-f", "mpegts", url]);
    Process::start("the laptop", &mut command, log)
}

#[test]
fn obs_publishes_crashes_and_is_on_air_again_when_it_is_started_again() {
    let venue = Venue::new();
    let engine = venue.room().start();
    let mut obs = Obs::open();
    obs.stream(&format!("{}&latency=120000", venue.locked()), "");
    let live = wait_live(&engine, "locked");
    assert_eq!(live["picture"], "H.264 640x360 30 fps");
    assert_eq!(live["publisher"]["protocol"], "srt");
    venue.look().assert_colour(0.75, 0.5, Obs::COLOUR);
    obs.kill();
    obs.start_again();
    engine.wait_status(LIVE, "OBS again", |status| {
        let own = source(status, "locked");
        own["connects"] == 2 && own["state"] == "live" && own["has_picture"] == true
    });
    venue.look().assert_colour(0.75, 0.5, Obs::COLOUR);
}

#[test]
fn several_callers_at_one_port_each_to_its_own_source() {
    let venue = Venue::new();
    let mut engine = venue.room().start();
    let log = engine.room.path().join("laptop.log");
    let srt = venue.srt;
    let _open = Laptop::push(&camera(), &venue.door("open")).srt();
    // The other form, with words of others in it, a long key and a latency of its own.
    let standard = format!(
        "srt://127.0.0.1:{srt}?streamid=#!::u=ada b%20c,r=ingest/locked,m=publish&\
         passphrase={KEY}&pbkeylen=32&latency=300000"
    );
    let codecs = "-c:v libx265 -preset ultrafast -x265-params log-level=error -c:a libopus";
    let codecs: Vec<&str> = codecs.split(' ').collect();
    let _locked = encode(&log, "red", &codecs, &standard);
    let mut sink = Command::new("gst-launch-1.0");
    sink.args(["-q", "filesrc"])
        .arg(format!("location={}", camera().display()));
    // Its muxer puts each piece of a picture into a packet of its own.
    let pieces = "video/x-h264,stream-format=byte-stream,alignment=nal";
    sink.args("! qtdemux name=d d.video_0 ! queue ! h264parse ! clocksync !".split(' '));
    sink.args([pieces, "!", "m."]);
    sink.args("d.audio_0 ! queue ! aacparse ! clocksync ! m. mpegtsmux name=m".split(' '));
    sink.args(["alignment=7", "!", "srtsink"]);
    sink.arg(format!("uri={}&latency=20", venue.door("third")));
    let _third = Process::start("gst-launch", &mut sink, &log);
    let rtsp = format!("rtsp://127.0.0.1:{}/ingest/fourth", venue.relay);
    let _fourth = Laptop::push(&slides(), &rtsp).tcp();
    for (id, picture, sound) in [
        ("open", "H.264 1280x720 25 fps", "AAC 48000 Hz stereo"),
        ("locked", "H.265 320x180 25 fps", "Opus 48000 Hz mono"),
        ("third", "H.264 1280x720 25 fps", "AAC 48000 Hz stereo"),
        ("fourth", "H.264 1920x1080 30 fps", ""),
    ] {
        let is_so = |status: &Value| {
            let own = source(status, id);
            own["state"] == "live" && own["picture"] == picture && own["sound"] == sound
        };
        engine.wait_status(LIVE, id, is_so);
    }
    let seen = venue.look();
    seen.assert_colour(0.25, 0.5, Colour::CAMERA_GREEN);
    let Colour(red, green, blue) = seen.colour_at(0.75, 0.5);
    assert!(red > 200 && green < 40 && blue < 40, "{}", seen.keep());
    assert_eq!(fault(&engine.status(), "listen-srt"), None);
    assert!(!engine.log().contains(KEY), "the key is in the log");
    // It ends at once, with all of them connected.
    let took = engine.terminate();
    assert!(took < seconds(2), "the end took {took:?}");
}

#[test]
fn who_is_turned_away_is_told_why_in_the_protocols_words() {
    let venue = Venue::new();
    let engine = venue.room().start();
    let srt = venue.srt;
    // As ffmpeg's user reads it.
    for (url, words) in [
        (
            format!("{}&passphrase=wrong passphrase", venue.door("locked")),
            "Incorrect passphrase",
        ),
        (venue.door("locked"), "Password required or unexpected"),
        (
            format!("{}&passphrase={KEY}", venue.door("open")),
            "Password required or unexpected",
        ),
    ] {
        let log = (Laptop::push(&camera(), &url).srt()).wait_refused(seconds(6));
        assert!(log.contains(words), "{url}: {log}");
    }
    // As a program does.
    let nonsense = nonsense_key();
    for (stream_id, key, number) in [
        ("ingest/nobody", None, 1404),
        ("elsewhere", None, 1404),
        ("#!::r=ingest/open,m=request", None, 1405),
        ("", None, 1400),
        ("#!::m=publish", None, 1400),
        ("ingest/locked", Some(&nonsense[..]), 10),
        ("ingest/locked", None, 11),
        ("ingest/open", Some(&nonsense[..]), 11),
        ("ingest/locked", Some(&nonsense[..40]), 4),
    ] {
        let answer = Knock::ask(srt, stream_id, key);
        assert_eq!(answer, Answer::No(number), "{stream_id}");
    }
    // An SRT that knows no stream ids.
    let old = Knock::at(srt);
    let cookie = old.introduce();
    old.send(&old.handshake(4, 2, u32::MAX, cookie));
    assert_eq!(old.answer(), Answer::No(8));
    // No cookie, or another one's: no answer at all.
    for cookie in [0, cookie] {
        let liar = Knock::at(srt);
        liar.send(&liar.conclude(cookie, b"ingest/open", None));
        assert_eq!(liar.answer(), Answer::Silence);
    }
    // It is told, and not each time again.
    let log = engine.log();
    let lines = log.matches("turned away").count();
    assert!((1..=8).contains(&lines), "{lines} lines in:\n{log}");
    let status = engine.status();
    for id in ["open", "locked"] {
        assert_eq!(source(&status, id)["connects"], 0);
    }
}

#[test]
fn a_place_is_held_and_given_back_whatever_the_latency() {
    let venue = Venue::new();
    let engine = venue.room().start();
    let slow = format!("{}&latency=2000000", venue.door("open"));
    let mut first = Laptop::push(&slides(), &slow).srt();
    engine.wait_status(LIVE, "the laptop let in", |status| {
        !source(status, "open")["publisher"].is_null()
    });
    // Nothing of its stream is there for two seconds.
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(3000) {
        let again = Knock::ask(venue.srt, "ingest/open", None);
        assert_eq!(again, Answer::No(1409), "after {:?}", begun.elapsed());
        std::thread::sleep(Duration::from_millis(250));
    }
    wait_live(&engine, "open");
    assert_eq!(source(&engine.status(), "open")["connects"], 1);
    // What is still on its way when it vanishes holds no place.
    first.kill();
    let begun = Instant::now();
    wait_until(seconds(6), "room", || {
        let mut next = Announcer::connect("127.0.0.2", venue.relay, "open");
        next.announce("").0.contains("200")
    });
    assert!(
        begun.elapsed() < Duration::from_millis(2500),
        "{:?}",
        begun.elapsed()
    );
}

#[test]
fn the_first_has_the_source_and_one_that_vanishes_gives_way_in_two_seconds() {
    let venue = Venue::new();
    let engine = venue.room().start();
    let _other = Laptop::push(&camera(), &venue.door("open")).srt();
    let mut first = Laptop::push(&slides(), &venue.locked()).srt();
    wait_live(&engine, "open");
    wait_live(&engine, "locked");
    let viewer = venue.watch();
    let again = Knock::ask(venue.srt, "ingest/open", None);
    assert_eq!(again, Answer::No(1409), "a conflict");
    let log = (Laptop::push(&camera(), &venue.locked()).srt()).wait_refused(seconds(5));
    assert!(log.contains("rejection reason"), "{log}");
    first.assert_running();
    assert_eq!(source(&engine.status(), "locked")["connects"], 1);
    // It comes back before anybody can know that it was gone, and is let in.
    let mut film = camera();
    for round in 2..=3u64 {
        match round {
            2 => first.kill(),
            _ => first.freeze(),
        }
        // Nobody starts it again sooner: one that is well is never silent for a tenth of a second.
        std::thread::sleep(Duration::from_millis(200));
        let begun = Instant::now();
        let mut next = Laptop::push(&film, &venue.locked()).srt();
        engine.wait_status(LIVE, "the next one", |status| {
            let own = source(status, "locked");
            own["connects"] == round && own["has_picture"] == true
        });
        let took = begun.elapsed();
        // ffmpeg itself takes the better part of a second.
        assert!(took < Duration::from_millis(4500), "{took:?}");
        next.assert_running();
        if round == 3 {
            first.thaw();
            first.wait_refused(seconds(8));
            next.assert_running();
        }
        first = next;
        film = slides();
    }
    assert_eq!(source(&engine.status(), "locked")["connects"], 3);
    // Its goodbye is heard at once.
    first.stop();
    engine.wait_status(seconds(2), "the place free", |status| {
        source(status, "locked")["state"] == "idle"
    });
    // All the while the other one went on.
    assert_eq!(source(&engine.status(), "open")["connects"], 1);
    let recording = viewer.stop();
    recording.assert_no_frame_missing(30.0);
    for picture in recording.every_picture(32, 18) {
        assert!(picture.colour_at(0.25, 0.5).1 > 120, "{}", picture.keep());
    }
}

#[test]
fn datagrams_that_are_lost_are_not_missed() {
    let venue = Venue::new();
    let engine = venue.room().start();
    let road = Road::to(venue.srt, 20);
    let url = format!(
        "srt://127.0.0.1:{}?streamid=ingest/open&latency=120000",
        road.port
    );
    let _laptop = Laptop::push(&talk(), &url).srt();
    // In its first second libsrt does not know yet how soon to ask again for what is lost.
    engine.wait_status(LIVE, "some seconds", |status| {
        source(status, "open")["frames"].as_u64() > Some(75)
    });
    // As it arrived, and not as it is shown: every picture of it is one of the film's, to the bit.
    let mut viewer =
        Viewer::watch_picture(&format!("rtsp://127.0.0.1:{}/source/open", venue.relay));
    viewer.wait_picture(seconds(8));
    let (lost, begun) = (road.lost(), Instant::now());
    wait_until(seconds(20), "a hundred lost datagrams", || {
        road.lost() > lost + 100 && begun.elapsed() > seconds(6)
    });
    let recording = viewer.stop();
    let (film, arrived) = (fingerprints(&talk()), fingerprints(recording.file()));
    // A recording begins and ends where it is cut.
    let whole = &arrived[..arrived.len() - 3];
    eprintln!("{} lost; {} pictures arrived", road.lost(), whole.len());
    assert!(whole.len() > 125, "{} pictures", whole.len());
    let first = film.iter().position(|own| *own == whole[0]).unwrap();
    for (n, own) in whole.iter().enumerate() {
        assert_eq!(*own, film[(first + n) % film.len()], "picture {n}");
    }
}

/// What each picture of a film looks like when decoded, as a number.
#[track_caller]
fn fingerprints(film: &Path) -> Vec<String> {
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-v", "error", "-i"]).arg(film);
    command.args([
        "-map",
        "0:v",
        "-fps_mode",
        "passthrough",
        "-f",
        "framemd5",
        "-",
    ]);
    let said = Said::by(&mut command);
    let lines = said
        .assert_ok()
        .out
        .lines()
        .filter(|line| !line.starts_with('#'));
    let sums = lines.filter_map(|line| line.rsplit(',').next());
    sums.map(|sum| sum.trim().to_owned()).collect()
}

#[test]
fn hostile_callers_cost_themselves_only() {
    let venue = Venue::new();
    let engine = venue.room().start();
    let mut laptop = Laptop::push(&camera(), &venue.door("open")).srt();
    wait_live(&engine, "open");
    let viewer = venue.watch();
    let before = Usage::of(engine.id());
    let door = ("127.0.0.1", venue.srt);
    let mut noise: Vec<u8> = (0..1400u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    // First handshakes of thousands, from ports of which most never ask again.
    for _ in 0..40 {
        let callers: Vec<Knock> = (0..100).map(|_| Knock::at(venue.srt)).collect();
        for caller in &callers {
            caller.send(&caller.handshake(4, 2, 1, 0));
        }
    }
    // Rubbish of every length, rubbish that looks like handshakes, half ones, and huge ones.
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    let caller = Knock::at(venue.srt);
    let cookie = caller.introduce();
    for round in 0..3000usize {
        let length = round % noise.len();
        noise[round % 1400] ^= round as u8;
        let _unheard = sender.send_to(&noise[..length], door);
        let mut spoilt = caller.conclude(cookie, &noise[..length.min(900)], Some(&noise[..64]));
        let at = round % spoilt.len();
        spoilt[at] = spoilt[at].wrapping_add(round as u8);
        caller.send(&spoilt[..spoilt.len() - round % 60]);
        if round % 3 == 0 {
            caller.send(&caller.conclude(cookie, &[b'x'; 1200], None));
        }
    }
    // Wrong passphrases at speed.
    let nonsense = nonsense_key();
    for _ in 0..300 {
        let own = Knock::at(venue.srt);
        let cookie = own.introduce();
        for _ in 0..10 {
            own.send(&own.conclude(cookie, b"ingest/locked", Some(&nonsense)));
        }
    }
    // One that gets in, by a door without a key, and then sends what is no stream.
    let mute = Knock::at(venue.srt);
    let cookie = mute.introduce();
    // Whatever it is allowed by now, by and by it is.
    wait_until(seconds(10), "the mute caller's place", || {
        mute.send(&mute.conclude(cookie, b"ingest/third", None));
        mute.answer() == Answer::Welcome
    });
    for length in 0..1400 {
        mute.send(&noise[..length]);
    }
    laptop.assert_running();
    assert_eq!(source(&engine.status(), "open")["connects"], 1);
    let recording = viewer.stop();
    recording.assert_no_frame_missing(30.0);
    for picture in recording.every_picture(32, 18) {
        picture.assert_colour(0.25, 0.5, Colour::CAMERA_GREEN);
    }
    let now = Usage::of(engine.id());
    eprintln!("{before:?}, then {now:?}");
    assert!(now.memory_mib < before.memory_mib + 24.0, "memory");
    assert!(now.threads < before.threads + 20, "threads");
    let log = engine.log();
    let lines = log.matches("was turned away").count();
    assert!(lines < 20, "{lines} lines of refusals:\n{log}");
    // Whoever has the key still gets in.
    let _locked = Laptop::push(&slides(), &venue.locked()).srt();
    wait_live(&engine, "locked");
}

#[test]
fn a_taken_port_is_said_and_tried_again() {
    let venue = Venue::new();
    let squatter = UdpSocket::bind(("127.0.0.1", venue.srt)).unwrap();
    let engine = venue.room().start();
    let status = engine.wait_status(seconds(5), "a fault", |status| {
        fault(status, "listen-srt").is_some()
    });
    let said = fault(&status, "listen-srt").unwrap();
    let happened = said["happened"].as_str().unwrap();
    assert!(happened.contains("SRT"), "{happened}");
    drop(squatter);
    engine.wait_status(seconds(6), "it is over", |status| {
        fault(status, "listen-srt").is_none()
    });
    let _laptop = Laptop::push(&camera(), &venue.door("open")).srt();
    wait_live(&engine, "open");
}

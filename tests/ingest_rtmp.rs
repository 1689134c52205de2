//! Laptops that publish by RTMP: OBS, ffmpeg, GStreamer, and whatever else speaks it; how they come
//! back, how they are turned away, and those that mean ill.

#![allow(clippy::unwrap_used)]

#[path = "shapes/card.rs"]
mod card;
mod common;
#[path = "ingest_rtmp/hostile.rs"]
mod hostile;
#[path = "ingest_rtmp/odd.rs"]
mod odd;
#[path = "ingest_rtmp/sender.rs"]
mod sender;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use common::{
    Colour, Engine, Laptop, Obs, Process, Room, Said, Usage, Viewer, camera, free_port, seconds,
    slides, wait_until,
};
use serde_json::Value;

/// Silence after which a publisher gives way.
const SILENCE: Duration = Duration::from_secs(2);

/// A venue whose sources each have a quarter of the picture.
fn venue(relay: u16, rtmp: u16, sources: &[(&str, &str)]) -> String {
    let mut venue = format!(
        "[programme]\nsize = \"640x360\"\n[relay]\nlisten = \"127.0.0.1:{relay}\"\n\
         [ingest]\nrtmp = \"127.0.0.1:{rtmp}\"\nsrt = \"off\"\n"
    );
    let mut slots = Vec::new();
    for (n, (id, more)) in sources.iter().enumerate() {
        venue += &format!("[[source]]\nid = \"{id}\"\nkind = \"push\"\nrole = \"r{n}\"\n{more}\n");
        let (x, y) = place(n);
        slots.push(format!(
            "{{ role = \"r{n}\", x = {x}, y = {y}, width = 0.5, height = 0.5 }}"
        ));
    }
    venue
        + &format!(
            "[[layout]]\nid = \"all\"\nslots = [ {} ]\n",
            slots.join(", ")
        )
}

/// The corner of a source's quarter.
fn place(n: usize) -> (f64, f64) {
    ((n % 2) as f64 * 0.5, (n / 2 % 2) as f64 * 0.5)
}

fn source<'a>(status: &'a Value, id: &str) -> &'a Value {
    let sources = status["sources"].as_array().unwrap();
    sources.iter().find(|own| own["id"] == id).unwrap()
}

#[track_caller]
fn wait_live(engine: &Engine, id: &str) -> Value {
    let status = engine.wait_status(seconds(15), &format!("{id} live"), |status| {
        let own = source(status, id);
        own["state"] == "live" && own["has_picture"] == true
    });
    source(&status, id).clone()
}

/// Waits until a place is free; says how long that took.
#[track_caller]
fn wait_idle(engine: &Engine, id: &str) -> Duration {
    let begun = Instant::now();
    engine.wait_status(seconds(5), &format!("{id} idle"), |status| {
        source(status, id)["state"] == "idle"
    });
    begun.elapsed()
}

/// GStreamer's own RTMP client, once through the film.
#[track_caller]
fn rtmp2sink(file: &Path, url: &str, log: &Path) -> Process {
    let mut command = Command::new("gst-launch-1.0");
    command.args(["-q", "filesrc"]);
    command.arg(format!("location={}", file.display()));
    let line = "! qtdemux name=d d.video_0 ! queue ! h264parse ! clocksync ! m.video \
                d.audio_0 ! queue ! aacparse ! clocksync ! m.audio \
                flvmux name=m streamable=true latency=200000000 ! rtmp2sink";
    command.args(line.split_whitespace());
    command.arg(format!("location={url}"));
    Process::start("rtmp2sink", &mut command, log)
}

#[test]
fn obs_ffmpeg_and_gstreamer_beside_an_rtsp_laptop_each_in_its_own_slot() {
    let (relay, rtmp) = (free_port(), free_port());
    let sources = [
        ("obs", "key_file = \"obs.key\""),
        ("ffmpeg", ""),
        ("gst", "key_file = \"gst.key\""),
        ("rtsp", ""),
    ];
    let mut engine = Room::new(&venue(relay, rtmp, &sources))
        .file("obs.key", "an obs key\n")
        .file("gst.key", "gst-key\n")
        .start();
    let door = format!("rtmp://127.0.0.1:{rtmp}/ingest");
    let mut obs = Obs::open();
    obs.stream(&door, "obs?key=an obs key");
    let mut ffmpeg = Laptop::push(&camera(), &format!("{door}/ffmpeg")).rtmp();
    let log = engine.room.path().join("gst.log");
    let mut gst = rtmp2sink(&camera(), &format!("{door}/gst?key=gst-key"), &log);
    let mut rtsp = Laptop::push(&slides(), &format!("rtsp://127.0.0.1:{relay}/ingest/rtsp")).tcp();
    let look = |engine: &Engine| {
        for (id, _) in sources {
            wait_live(engine, id);
        }
        let mut viewer = Viewer::watch_picture(&format!("rtsp://127.0.0.1:{relay}/programme"));
        viewer.wait_picture(seconds(8));
        std::thread::sleep(Duration::from_millis(800));
        let seen = viewer.stop().late_picture();
        let green = Colour::CAMERA_GREEN;
        let colours = [Obs::COLOUR, green, green, Colour::SLIDE_RED];
        for (n, colour) in colours.into_iter().enumerate() {
            let (x, y) = place(n);
            seen.assert_colour(x + 0.08, y + 0.25, colour);
        }
    };
    look(&engine);
    let status = engine.status();
    for (id, picture, sound) in [
        ("obs", "H.264 640x360 30 fps", "AAC 48000 Hz stereo"),
        ("ffmpeg", "H.264 1280x720 25 fps", "AAC 48000 Hz stereo"),
        ("gst", "H.264 1280x720 25 fps", "AAC 48000 Hz stereo"),
    ] {
        let own = source(&status, id);
        assert_eq!(
            (&own["picture"], &own["sound"]),
            (&picture.into(), &sound.into()),
            "{id}"
        );
    }

    // OBS crashes, and somebody starts it again.
    obs.kill();
    let free = wait_idle(&engine, "obs");
    obs.start_again();
    wait_live(&engine, "obs");
    eprintln!("OBS's place was free {free:?} after it was killed");
    assert_eq!(source(&engine.status(), "obs")["connects"], 2);

    // regie is started again, and OBS comes back by itself.
    engine.restart();
    wait_live(&engine, "obs");
    assert_eq!(obs.status()["outputActive"], true);
    assert!(!engine.log().contains("an obs key"), "a key is in the log");
    // Of the others only those come back that were told to.
    ffmpeg.kill();
    gst.kill9();
    rtsp.kill();
    ffmpeg = Laptop::push(&camera(), &format!("{door}/ffmpeg")).rtmp();
    let _gst = rtmp2sink(&camera(), &format!("{door}/gst?key=gst-key"), &log);
    let _rtsp = Laptop::push(&slides(), &format!("rtsp://127.0.0.1:{relay}/ingest/rtsp")).tcp();
    look(&engine);
    ffmpeg.assert_running();
    let took = engine.terminate();
    assert!(took < seconds(2), "{took:?} to end with laptops connected");
}

#[test]
fn whoever_is_turned_away_is_told_why_in_the_protocols_words() {
    let (relay, rtmp) = (free_port(), free_port());
    let sources = [("laptop", "key_file = \"laptop.key\""), ("open", "")];
    let engine = Room::new(&venue(relay, rtmp, &sources))
        .file("laptop.key", "s3cret-key\n")
        .start();
    let door = |path: &str| format!("rtmp://127.0.0.1:{rtmp}/{path}");
    let mut first = Laptop::push(&camera(), &door("ingest/open")).rtmp();
    wait_live(&engine, "open");
    for (path, told) in [
        ("ingest/laptop", "Server error: the key is wrong"),
        ("ingest/laptop?key=s3cret", "Server error: the key is wrong"),
        (
            "ingest/nobody?key=s3cret-key",
            "Server error: no such source",
        ),
        ("ingest/", "Server error: no such source"),
        (
            "ingest/open",
            "Server error: somebody else is pushing to it already",
        ),
        (
            "live/laptop",
            "Server error: no such application: push to rtmp://",
        ),
    ] {
        let begun = Instant::now();
        let log = Laptop::push(&camera(), &door(path))
            .rtmp()
            .wait_refused(seconds(5));
        assert!(log.contains(told), "{path}: {log}");
        assert!(
            begun.elapsed() < seconds(3),
            "{path}: {:?}",
            begun.elapsed()
        );
    }
    let log = engine.room.path().join("gst.log");
    let mut refused = rtmp2sink(&camera(), &door("ingest/laptop?key=wrong"), &log);
    refused.wait_end(seconds(5));
    assert!(
        refused.log().contains("publish denied")
            || refused.log().contains("BadName")
            || refused.log().contains("the key is wrong"),
        "{}",
        refused.log()
    );
    first.assert_running();
    // The ways in which one address is cut in two.
    for (application, name) in [
        ("ingest", "laptop?key=s3cret-key"),
        ("ingest/laptop", "s3cret-key"),
        ("ingest/laptop?key=s3cret-key", ""),
        ("ingest/laptop", "stream?key=s3cret-key"),
    ] {
        let stream = std::net::TcpStream::connect(("127.0.0.1", rtmp)).unwrap();
        let own = sender::Sender::publish(stream, application, name);
        drop(own);
        wait_idle(&engine, "laptop");
    }
    let log = engine.log();
    assert!(log.contains("by RTMP: the key is wrong"), "{log}");
    assert!(
        !log.contains("s3cret"),
        "a key, or half of it, is in the log"
    );
}

#[test]
fn a_laptop_that_sleeps_goes_on_or_gives_way_after_two_seconds() {
    let (relay, rtmp) = (free_port(), free_port());
    let engine = Engine::start(&venue(relay, rtmp, &[("laptop", "")]));
    let door = format!("rtmp://127.0.0.1:{rtmp}/ingest/laptop");
    let mut first = Laptop::push(&slides(), &door).rtmp();
    wait_live(&engine, "laptop");
    first.freeze();
    engine.wait_status(seconds(4), "silence", |status| {
        source(status, "laptop")["state"] != "live"
    });
    first.thaw();
    wait_live(&engine, "laptop");
    first.assert_running();
    first.freeze();
    let begun = Instant::now();
    // As OBS would: it asks again and again.
    let is_second = || source(&engine.status(), "laptop")["picture"] == "H.264 1280x720 25 fps";
    let mut second = loop {
        let asked = begun.elapsed();
        let mut next = Laptop::push(&camera(), &door).rtmp();
        wait_until(seconds(8), "an answer", || {
            !next.is_running() || is_second()
        });
        if next.is_running() {
            eprintln!("the place was given to who asked {asked:?} after the silence began");
            break next;
        }
        assert!(asked < SILENCE, "refused {asked:?} after the silence began");
    };
    // One that is only held up for a moment keeps its place.
    assert!(begun.elapsed() > seconds(1), "{:?}", begun.elapsed());
    wait_live(&engine, "laptop");
    first.thaw();
    first.wait_refused(seconds(8));
    second.assert_running();
    second.kill();
    let free = wait_idle(&engine, "laptop");
    assert!(free < seconds(1), "{free:?} after it was killed");
}

#[test]
fn rtmps_with_the_venues_certificate_which_may_come_later() {
    let (relay, rtmp, rtmps) = (free_port(), free_port(), free_port());
    let sources = [("laptop", "key_file = \"laptop.key\""), ("plain", "")];
    let doors = format!(
        "[ingest]\nrtmps = \"127.0.0.1:{rtmps}\"\ncertificate = \"regie.pem\"\n\
         private_key = \"regie.key\"\n"
    );
    let venue = venue(relay, rtmp, &sources).replace("[ingest]\n", &doors);
    let room = Room::new(&venue).file("laptop.key", "s3cret-key\n");
    let engine = room.start();
    let fault = |status: &Value| {
        let faults = status["faults"].as_array().unwrap();
        faults.iter().any(|fault| fault["code"] == "listen-rtmps")
    };
    engine.wait_status(seconds(5), "a fault", |status| fault(status));
    let mut plain =
        Laptop::push(&camera(), &format!("rtmp://127.0.0.1:{rtmp}/ingest/plain")).rtmp();
    wait_live(&engine, "plain");
    let mut command = Command::new("openssl");
    command.args("req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=regie -keyout".split(' '));
    command
        .arg(engine.room.path().join("regie.key"))
        .arg("-out");
    Said::by(command.arg(engine.room.path().join("regie.pem"))).assert_ok();
    engine.wait_status(seconds(6), "no fault", |status| !fault(status));
    let url = format!("rtmps://127.0.0.1:{rtmps}/ingest/laptop?key=s3cret-key");
    let mut laptop = Laptop::push(&camera(), &url).rtmp();
    wait_live(&engine, "laptop");
    let refused = Laptop::push(&camera(), &url)
        .rtmp()
        .wait_refused(seconds(5));
    assert!(
        refused.contains("somebody else is pushing to it already"),
        "{refused}"
    );
    // Without TLS where TLS is spoken, and the other way round.
    let door = format!("127.0.0.1:{rtmps}/ingest/plain");
    let _log = Laptop::push(&camera(), &format!("rtmp://{door}"))
        .rtmp()
        .wait_refused(seconds(8));
    let door = format!("127.0.0.1:{rtmp}/ingest/laptop");
    let _log = Laptop::push(&camera(), &format!("rtmps://{door}"))
        .rtmp()
        .wait_refused(seconds(8));
    laptop.assert_running();
    plain.assert_running();
    laptop.kill();
    wait_idle(&engine, "laptop");
}

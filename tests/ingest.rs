//! Everything that brings a source in: laptops that push, servers that are pulled, files, stills,
//! patterns. And everybody who is turned away.

#![allow(clippy::unwrap_used)]

mod common;

use std::process::Command;
use std::time::Duration;

use common::{
    Colour, Engine, Laptop, Nginx, Picture, Process, Room, Viewer, camera, free_port, seconds,
    slides, talk,
};
use serde_json::Value;

fn venue(relay: u16, sources: &str) -> String {
    format!(
        r#"
[programme]
size = "640x360"
[relay]
listen = "127.0.0.1:{relay}"
{sources}
[[layout]]
id = "full"
slots = [ {{ role = "slides" }} ]
"#
    )
}

fn source<'a>(status: &'a Value, id: &str) -> &'a Value {
    let sources = status["sources"].as_array().unwrap();
    sources.iter().find(|own| own["id"] == id).unwrap()
}

#[track_caller]
fn wait_live(engine: &Engine, id: &str) -> Value {
    let status = engine.wait_status(seconds(12), &format!("{id} live"), |status| {
        source(status, id)["state"] == "live"
    });
    source(&status, id).clone()
}

#[test]
fn a_picture_that_stops_while_the_sound_goes_on_is_said_and_over_when_it_is_back() {
    let relay = free_port();
    let laptop = "[[source]]\nid = \"laptop\"\nkind = \"push\"\nrole = \"slides\"\n";
    let engine = Engine::start(&venue(relay, laptop));
    let door = format!("rtsp://127.0.0.1:{relay}/ingest/laptop");
    let fault = |status: &Value| {
        let faults = status["faults"].as_array().unwrap();
        faults.iter().any(|fault| fault["code"] == "no-picture")
    };
    // Four seconds of picture; its sound has no end.
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-v", "warning", "-re", "-t", "4", "-i"]);
    command.arg(camera());
    command.args(["-re", "-stream_loop", "-1", "-i"]);
    command.arg(camera());
    command.args(["-map", "0:v", "-map", "1:a", "-c", "copy"]);
    command.args(["-max_interleave_delta", "300000"]);
    command.args(["-f", "rtsp", "-rtsp_transport", "tcp", &door]);
    let log = engine.room.path().join("laptop.log");
    let laptop = Process::start("the laptop", &mut command, &log);
    let status = engine.wait_status(seconds(12), "picture", |status| {
        source(status, "laptop")["has_picture"] == true
    });
    assert!(!fault(&status));
    let said = &engine.wait_status(seconds(3), "one client", |status| {
        status["relay"]["clients"] == 1
    })["relay"];
    assert_eq!(said["players"], 0, "it pushes");
    let status = engine.wait_status(seconds(15), "the fault", |status| fault(status));
    let own = source(&status, "laptop");
    assert_eq!(
        (&own["state"], &own["has_picture"]),
        (&"live".into(), &false.into())
    );
    let said = engine.ctl(&["status"]).out;
    assert!(said.contains("NO PICTURE"), "{said}");
    assert!(
        said.contains("laptop sends sound, but no picture any more."),
        "{said}"
    );
    drop(laptop);
    let _laptop = Laptop::push(&camera(), &door).tcp();
    engine.wait_status(seconds(15), "all is well", |status| {
        !fault(status) && source(status, "laptop")["has_picture"] == true
    });
}

#[track_caller]
fn look(relay: u16) -> Picture {
    let mut viewer = Viewer::watch_picture(&format!("rtsp://127.0.0.1:{relay}/programme"));
    viewer.wait_picture(seconds(8));
    std::thread::sleep(Duration::from_millis(700));
    viewer.stop().late_picture()
}

#[test]
fn only_who_knows_the_key_gets_in_and_only_where_there_is_a_door() {
    let relay = free_port();
    let sources = r#"
[[source]]
id = "laptop"
kind = "push"
role = "slides"
key_file = "laptop.key"
[[source]]
id = "other"
kind = "push"
key_file = "other.key"
[[source]]
id = "open"
kind = "push"
[[source]]
id = "pattern"
kind = "test"
"#;
    let engine = Room::new(&venue(relay, sources))
        .file("laptop.key", "right key\n")
        .file("other.key", "another-key\n")
        .start();
    let door = |id: &str| format!("rtsp://127.0.0.1:{relay}/ingest/{id}");
    let refused = |mut laptop: Laptop| laptop.wait_refused(seconds(6));
    for attempt in [
        Laptop::push(&slides(), &door("laptop")).tcp(),
        Laptop::push(&slides(), &door("laptop")).udp(),
        Laptop::push(&slides(), &door("laptop"))
            .with_key("laptop", "wrong key")
            .tcp(),
        Laptop::push(&slides(), &door("laptop"))
            .with_key("somebody", "right key")
            .tcp(),
        // A good key, of another door.
        Laptop::push(&slides(), &door("laptop"))
            .with_key("other", "another-key")
            .tcp(),
    ] {
        let log = refused(attempt);
        assert!(log.contains("401 Unauthorized"), "{log}");
    }
    for nowhere in ["nobody", "pattern", "laptop-2"] {
        let log = refused(Laptop::push(&slides(), &door(nowhere)).tcp());
        assert!(log.contains("404 Not Found"), "{nowhere}: {log}");
    }
    assert_eq!(source(&engine.status(), "laptop")["state"], "idle");
    let mut right = Laptop::push(&slides(), &door("laptop"))
        .with_key("laptop", "right key")
        .tcp();
    let mut open = Laptop::push(&camera(), &door("open")).tcp();
    wait_live(&engine, "laptop");
    wait_live(&engine, "open");
    look(relay).assert_colour(0.1, 0.5, Colour::SLIDE_RED);
    right.assert_running();
    open.assert_running();
    assert!(!engine.log().contains("right key"));
}

#[test]
fn a_second_publisher_is_refused_and_the_first_is_undisturbed() {
    let relay = free_port();
    let engine = Engine::start(&venue(
        relay,
        "[[source]]\nid = \"laptop\"\nkind = \"push\"\nrole = \"slides\"\n",
    ));
    let door = format!("rtsp://127.0.0.1:{relay}/ingest/laptop");
    let mut first = Laptop::push(&slides(), &door).tcp();
    wait_live(&engine, "laptop");
    let mut viewer = Viewer::watch_picture(&format!("rtsp://127.0.0.1:{relay}/programme"));
    viewer.wait_picture(seconds(8));
    for _ in 0..3 {
        let log = Laptop::push(&camera(), &door)
            .tcp()
            .wait_refused(seconds(5));
        assert!(log.contains("403"), "{log}");
        let log = Laptop::push(&camera(), &door)
            .udp()
            .wait_refused(seconds(5));
        assert!(log.contains("403"), "{log}");
    }
    first.assert_running();
    let recording = viewer.stop();
    recording.assert_no_frame_missing(30.0);
    for picture in recording.every_picture(32, 18) {
        assert!(picture.colour_at(0.1, 0.5).0 > 120, "{}", picture.keep());
    }
    let laptop = source(&engine.status(), "laptop").clone();
    assert_eq!(
        (laptop["state"].as_str(), laptop["connects"].as_u64()),
        (Some("live"), Some(1))
    );
    // The place is free as soon as the first has gone.
    first.kill();
    let _second = Laptop::push(&camera(), &door).tcp();
    wait_live(&engine, "laptop");
    look(relay).assert_colour(0.5, 0.5, Colour::CAMERA_GREEN);
}

#[test]
fn a_publisher_that_fell_silent_gives_way_to_the_next() {
    let relay = free_port();
    let engine = Engine::start(&venue(
        relay,
        "[[source]]\nid = \"laptop\"\nkind = \"push\"\nrole = \"slides\"\n",
    ));
    let door = format!("rtsp://127.0.0.1:{relay}/ingest/laptop");
    let mut first = Laptop::push(&slides(), &door).tcp();
    wait_live(&engine, "laptop");
    first.freeze();
    std::thread::sleep(Duration::from_millis(2500));
    let mut second = Laptop::push(&camera(), &door).tcp();
    wait_live(&engine, "laptop");
    look(relay).assert_colour(0.5, 0.5, Colour::CAMERA_GREEN);
    first.thaw();
    first.wait_refused(seconds(8));
    second.assert_running();
    look(relay).assert_colour(0.5, 0.5, Colour::CAMERA_GREEN);
}

#[test]
fn gstreamers_own_client_pushes_with_and_without_sound() {
    let relay = free_port();
    let engine = Engine::start(&venue(
        relay,
        "[[source]]\nid = \"laptop\"\nkind = \"push\"\nrole = \"slides\"\n",
    ));
    let door = format!("rtsp://127.0.0.1:{relay}/ingest/laptop");
    for (protocol, sound) in [("tcp", true), ("udp", true), ("tcp", false), ("udp", false)] {
        let file = if sound { camera() } else { slides() };
        let mut laptop = Laptop::push(&file, &door).rtspclientsink(protocol, sound);
        let status = wait_live(&engine, "laptop");
        let picture = look(relay);
        if sound {
            engine.wait_status(seconds(3), "sound", |status| {
                source(status, "laptop")["sound"] == "AAC 48000 Hz stereo"
            });
            picture.assert_colour(0.5, 0.5, Colour::CAMERA_GREEN);
        } else {
            assert_eq!(status["sound"], "");
            picture.assert_colour(0.1, 0.5, Colour::SLIDE_RED);
        }
        laptop.kill();
        engine.wait_status(seconds(5), "the place free", |s| {
            source(s, "laptop")["state"] == "idle"
        });
    }
}

#[test]
fn a_laptop_comes_and_goes_as_often_as_it_likes() {
    let relay = free_port();
    let engine = Engine::start(&venue(
        relay,
        "[[source]]\nid = \"laptop\"\nkind = \"push\"\nrole = \"slides\"\n",
    ));
    let door = format!("rtsp://127.0.0.1:{relay}/ingest/laptop");
    let threads = || {
        std::fs::read_dir(format!("/proc/{}/task", engine.id()))
            .unwrap()
            .count()
    };
    let handles = || {
        std::fs::read_dir(format!("/proc/{}/fd", engine.id()))
            .unwrap()
            .count()
    };
    let mut first = None;
    for round in 0..8u64 {
        let film = if round % 2 == 0 { slides() } else { talk() };
        let push = Laptop::push(&film, &door);
        let mut laptop = if round % 3 == 0 {
            push.udp()
        } else {
            push.tcp()
        };
        wait_live(&engine, "laptop");
        assert_eq!(source(&engine.status(), "laptop")["connects"], round + 1);
        if round % 2 == 0 {
            laptop.kill()
        } else {
            laptop.stop()
        }
        engine.wait_status(seconds(5), "idle", |s| {
            source(s, "laptop")["state"] == "idle"
        });
        std::thread::sleep(Duration::from_millis(300));
        let (threads, handles) = (threads(), handles());
        let (first_threads, first_handles) = *first.get_or_insert((threads, handles));
        assert!(
            threads <= first_threads + 6,
            "round {round}: {threads} threads, {first_threads} at first"
        );
        assert!(
            handles <= first_handles + 12,
            "round {round}: {handles} handles, {first_handles} at first"
        );
    }
}

#[test]
fn sources_are_fetched_from_servers_files_and_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Nginx::running();
    let (relay, srt, http) = (free_port(), free_port(), free_port());
    let rtsp = free_port();
    let drawn = Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-i"])
        .arg(slides())
        .args(["-frames:v", "1"])
        .arg(folder.path().join("still.png"))
        .status();
    assert!(drawn.unwrap().success());
    let still = folder.path().join("still.png");
    let pull = |id: &str, uri: String| {
        format!("[[source]]\nid = \"{id}\"\nkind = \"pull\"\nuri = \"{uri}\"\n")
    };
    let mut sources = pull("rtmp", server.rtmp_url("in", "cam"));
    sources += &pull("srt", format!("srt://127.0.0.1:{srt}"));
    sources += &pull("http", format!("http://127.0.0.1:{http}/camera.ts"));
    sources += &pull("rtsp", format!("rtsp://127.0.0.1:{rtsp}/programme"));
    sources += &format!(
        "[[source]]\nid = \"film\"\nkind = \"file\"\npath = \"{}\"\n",
        slides().display()
    );
    sources += &format!(
        "[[source]]\nid = \"still\"\nkind = \"image\"\npath = \"{}\"\n",
        still.display()
    );
    sources += "[[source]]\nid = \"pattern\"\nkind = \"test\"\nrole = \"slides\"\n";

    // Another regie is an RTSP server like any other.
    let other = Engine::start(&venue(
        rtsp,
        "[[source]]\nid = \"pattern\"\nkind = \"test\"\nrole = \"slides\"\n",
    ));
    let engine = Engine::start(&venue(relay, &sources));
    let _cam = Laptop::push(&camera(), &server.rtmp_url("in", "cam")).rtmp();
    let log = engine.room.path().join("srt.log");
    let mut sender = Command::new("ffmpeg");
    sender
        .args([
            "-nostdin",
            "-v",
            "warning",
            "-re",
            "-stream_loop",
            "-1",
            "-i",
        ])
        .arg(camera());
    sender.args([
        "-c",
        "copy",
        "-f",
        "mpegts",
        &format!("srt://127.0.0.1:{srt}?mode=listener"),
    ]);
    let _sender = Process::start("an SRT server", &mut sender, &log);
    let transport = engine.room.path().join("camera.ts");
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(camera())
        .args(["-c", "copy"])
        .arg(&transport)
        .status();
    assert!(made.unwrap().success());
    let mut web = Command::new("python3");
    web.args([
        "-m",
        "http.server",
        &http.to_string(),
        "--bind",
        "127.0.0.1",
        "--directory",
    ]);
    web.arg(engine.room.path());
    let _web = Process::start(
        "a web server",
        &mut web,
        &engine.room.path().join("web.log"),
    );

    for (id, picture) in [
        ("pattern", "test pattern 1280x720 30 fps"),
        ("still", ""),
        ("film", "H.264 1920x1080 30 fps"),
        ("rtmp", "H.264 1280x720 25 fps"),
        ("srt", "H.264 1280x720 25 fps"),
        ("http", "H.264 1280x720 25 fps"),
        ("rtsp", "H.264 640x360 30 fps"),
    ] {
        let status = wait_live(&engine, id);
        assert_eq!(status["picture"], picture, "{id}");
        engine.ctl(&["role", &format!("slides={id}")]).assert_ok();
        let seen = look(relay);
        match id {
            "still" | "film" => seen.assert_colour(0.1, 0.5, Colour::SLIDE_RED),
            "pattern" | "rtsp" => {
                assert!(!seen.colour_at(0.05, 0.2).is_like(seen.colour_at(0.35, 0.2)))
            }
            _ => seen.assert_colour(0.5, 0.5, Colour::CAMERA_GREEN),
        }
    }
    drop(other);
    engine.wait_status(seconds(8), "the RTSP server's loss", |s| {
        source(s, "rtsp")["state"] != "live"
    });
    server.kill();
    engine.wait_status(seconds(8), "the RTMP server's loss", |s| {
        source(s, "rtmp")["state"] != "live"
    });
    server.start();
    let _cam = Laptop::push(&camera(), &server.rtmp_url("in", "cam")).rtmp();
    wait_live(&engine, "rtmp");
}

#[test]
fn a_file_is_played_again_and_a_missing_one_is_waited_for() {
    let relay = free_port();
    let sources =
        "[[source]]\nid = \"film\"\nkind = \"file\"\npath = \"film.mp4\"\nrole = \"slides\"\n";
    let engine = Engine::start(&venue(relay, sources));
    let status = engine.wait_status(seconds(5), "a fault", |status| {
        source(status, "film")["state"] == "waiting"
            && !status["faults"].as_array().unwrap().is_empty()
    });
    let reason = source(&status, "film")["reason"].as_str().unwrap();
    assert!(
        reason.contains("film.mp4") || reason.to_lowercase().contains("not found"),
        "{reason}"
    );
    let cut = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(camera())
        .args(["-t", "2", "-c", "copy"])
        .arg(engine.room.path().join("film.mp4"))
        .status();
    assert!(cut.unwrap().success());
    wait_live(&engine, "film");
    let mut viewer = Viewer::watch(&format!("rtsp://127.0.0.1:{relay}/programme"));
    viewer.wait_picture(seconds(8));
    std::thread::sleep(seconds(6));
    let recording = viewer.stop();
    for picture in recording.every_picture(32, 18) {
        assert!(
            picture.colour_at(0.5, 0.5).is_like(Colour::CAMERA_GREEN),
            "{}",
            picture.keep()
        );
    }
    let sound = recording.sound();
    sound.assert_tone(1000.0);
    assert!(sound.between(0.3, sound.seconds()).longest_silence() < 0.5);
}

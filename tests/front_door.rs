//! Who may push, who has to wait, who has to go: the rules of the front door, by RTSP.

#![allow(clippy::unwrap_used)]

mod common;

use std::path::Path;
use std::time::{Duration, Instant};

use common::{
    Announcer, Elsewhere, Engine, Laptop, Look, Panel, Room, camera, free_port, plays_in_gstreamer,
    seconds, slides, wait_until,
};
use serde_json::Value;

const LAPTOP: &str = "[[source]]\nid = \"laptop\"\nkind = \"push\"\nrole = \"slides\"\n";

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

/// How long it takes until the place is given to somebody else.
#[track_caller]
fn time_to_room(relay: u16, since: Instant) -> Duration {
    wait_until(seconds(6), "room for the next", || {
        let mut next = Announcer::connect("127.0.0.2", relay, "laptop");
        next.announce("").0.contains("200")
    });
    since.elapsed()
}

#[test]
fn a_publisher_that_vanishes_makes_room_within_two_seconds() {
    let relay = free_port();
    let engine = Engine::start(&venue(relay, LAPTOP));
    let door = format!("rtsp://127.0.0.1:{relay}/ingest/laptop");
    for (way, killed) in [("tcp", true), ("tcp", false), ("udp", false)] {
        let push = Laptop::push(&slides(), &door);
        let mut laptop = if way == "tcp" { push.tcp() } else { push.udp() };
        wait_live(&engine, "laptop");
        let vanished = Instant::now();
        if killed {
            laptop.kill();
        } else {
            laptop.freeze();
        }
        let took = time_to_room(relay, vanished);
        eprintln!("{way}, killed: {killed}: room after {took:?}");
        // A tenth for whoever asks.
        let promised = if killed { 500 } else { 2100 };
        assert!(took < Duration::from_millis(promised), "{way}: {took:?}");
        drop(laptop);
        engine.wait_status(seconds(5), "nobody", |status| {
            source(status, "laptop")["publisher"].is_null()
        });
    }
}

#[test]
fn who_is_refused_for_its_codec_holds_no_place() {
    let relay = free_port();
    let engine = Engine::start(&venue(relay, LAPTOP));
    let mut strange = Announcer::connect("127.0.0.2", relay, "laptop");
    let (first, _) = strange.announce_codec("X-NOBODY-KNOWS", "");
    assert!(first.contains("415"), "{first}");
    let fault = |code: &'static str| {
        move |status: &Value| {
            let faults = status["faults"].as_array().unwrap();
            faults.iter().any(|fault| fault["code"] == code)
        }
    };
    let told = engine.wait_status(seconds(2), "the codec told", fault("codec"));
    let text = told["faults"][0]["happened"].as_str().unwrap();
    assert_eq!(
        text,
        "laptop: a sender uses X-NOBODY-KNOWS, which is not taken."
    );
    // Its connection is still open.
    let mut next = Announcer::connect("127.0.0.3", relay, "laptop");
    let (first, _) = next.announce("");
    assert!(first.contains("200"), "{first}");
    let status = engine.status();
    assert_eq!(
        source(&status, "laptop")["publisher"]["address"],
        "127.0.0.3"
    );
    assert_eq!(status["faults"], serde_json::json!([]), "it is over");
    // A third one finds it taken, and the operator reads so.
    let mut third = Announcer::connect("127.0.0.4", relay, "laptop");
    let (first, _) = third.announce("");
    assert!(first.contains("403"), "{first}");
    engine.wait_status(seconds(2), "the refusal told", fault("turned-away"));
}

#[test]
fn wrong_keys_at_speed_wait_and_nobody_else_does() {
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
"#;
    let engine = Room::new(&venue(relay, sources))
        .file("laptop.key", "tea-at-four")
        .file("other.key", "tea-at-five")
        .start();
    let (mut refused, mut told_to_wait) = (0, 0);
    for _ in 0..10 {
        let mut guesser = Announcer::connect("127.0.0.2", relay, "laptop");
        for _ in 0..20 {
            let (first, answer) = guesser.try_wrong_key("laptop");
            if first.contains("401") {
                refused += 1;
            } else {
                assert!(first.contains("503 Service Unavailable"), "{answer}");
                let seconds = answer.split("Retry-After: ").nth(1).unwrap_or_default();
                let seconds = seconds.lines().next().and_then(|n| n.parse::<u64>().ok());
                assert!(seconds.is_some_and(|n| (1..=30).contains(&n)), "{answer}");
                told_to_wait += 1;
            }
        }
    }
    // On a slow machine a second goes by meanwhile, and the next key is looked at.
    assert!((10..20).contains(&refused), "{refused} keys looked at");
    assert_eq!(refused + told_to_wait, 200);
    // The right key is not looked at either, from there and for there.
    let there = Elsewhere::at("127.0.0.2", relay);
    let from_there = |id: &str| format!("rtsp://127.0.0.1:{}/ingest/{id}", there.port());
    let mut guesser = Announcer::connect("127.0.0.2", relay, "laptop");
    wait_until(seconds(5), "the next wait", || {
        guesser.try_wrong_key("laptop").0.contains("401")
    });
    let mut own = Laptop::push(&slides(), &from_there("laptop"))
        .with_key("laptop", "tea-at-four")
        .tcp();
    let log = own.wait_refused(seconds(5));
    assert!(log.contains("503 Service Unavailable"), "{log}");
    // Another place from there, and this place from elsewhere, are as ever.
    let _other = Laptop::push(&camera(), &from_there("other"))
        .with_key("other", "tea-at-five")
        .tcp();
    let door = format!("rtsp://127.0.0.1:{relay}/ingest/laptop");
    let mut laptop = Laptop::push(&slides(), &door)
        .with_key("laptop", "tea-at-four")
        .tcp();
    let status = wait_live(&engine, "laptop");
    assert_eq!(status["publisher"]["address"], "127.0.0.1");
    let status = wait_live(&engine, "other");
    assert_eq!(status["publisher"]["address"], "127.0.0.2");
    laptop.assert_running();
    let log = engine.log();
    let told =
        |line: &&str| line.contains("WARN") && line.contains("127.0.0.2 by RTSP: the key is wrong");
    let lines = log.lines().filter(told).count();
    assert_eq!(lines, 1, "{}", engine.log_tail());
}

#[test]
fn a_released_source_goes_to_whoever_waits_for_it() {
    let relay = free_port();
    let pattern = format!("{LAPTOP}[[source]]\nid = \"pattern\"\nkind = \"test\"\n");
    let engine = Engine::start(&venue(relay, &pattern));
    let release = |id: &str| engine.ctl(&["source", id, "--release"]);
    release("laptop").assert_refused("nobody pushes to \"laptop\"");
    release("pattern").assert_refused("\"pattern\" is of kind test: nobody pushes to it");
    release("nobody").assert_refused("no source \"nobody\"; there are: laptop");
    let door = format!("rtsp://127.0.0.1:{relay}/ingest/laptop");
    let mut first = Laptop::push(&slides(), &door).tcp();
    let publisher = wait_live(&engine, "laptop")["publisher"].clone();
    assert_eq!(publisher["protocol"], "rtsp");
    assert_eq!(publisher["address"], "127.0.0.1");
    let said = engine.ctl(&["status"]).out;
    assert!(said.contains("from 127.0.0.1 by rtsp since "), "{said}");
    let there = Elsewhere::at("127.0.0.2", relay);
    let from_there = format!("rtsp://127.0.0.1:{}/ingest/laptop", there.port());
    let log = Laptop::push(&camera(), &from_there)
        .tcp()
        .wait_refused(seconds(5));
    assert!(log.contains("403 Forbidden"), "{log}");

    release("laptop").assert_ok();
    first.wait_refused(seconds(2));
    // It comes back by itself at once, as encoders do, and is told to wait.
    let log = Laptop::push(&slides(), &door)
        .tcp()
        .wait_refused(seconds(5));
    assert!(log.contains("503 Service Unavailable"), "{log}");
    let status = engine.status();
    assert_eq!(
        source(&status, "laptop")["reason"],
        "the operator has released it"
    );
    assert!(source(&status, "laptop")["publisher"].is_null());
    let mut second = Laptop::push(&camera(), &from_there).tcp();
    let laptop = wait_live(&engine, "laptop");
    assert_eq!(laptop["publisher"]["address"], "127.0.0.2");
    second.stop();
    // Where nobody else comes, the first has it back when its time is over.
    wait_until(seconds(12), "the first is back", || {
        let mut again = Announcer::connect("127.0.0.1", relay, "laptop");
        again.announce("").0.contains("200")
    });
}

#[test]
fn guests_come_in_by_one_key_and_each_is_a_source_of_its_own() {
    let relay = free_port();
    let guests = format!(
        "{LAPTOP}[ingest]\nrtmp = \"off\"\nsrt = \"off\"\nguests = 2\nguest_key_file = \"guest.key\"\n"
    );
    let engine = Room::new(&venue(relay, &guests))
        .file("guest.key", "come-as-you-are")
        .start();
    let shown = |status: &Value| {
        let all = status["sources"].as_array().unwrap().clone();
        let shown = all.into_iter().filter(|own| own["hidden"] == false);
        shown
            .map(|own| own["id"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(shown(&engine.status()), ["laptop"]);
    assert!(!engine.ctl(&["status"]).out.contains("guest"));
    let at = |port: u16, name: &str| format!("rtsp://127.0.0.1:{port}/ingest/{name}");
    let there = Elsewhere::at("127.0.0.2", relay);
    let push = |file: &Path, port| {
        let push = Laptop::push(file, &at(port, "guest"));
        push.with_key("guest", "come-as-you-are")
    };
    let log = Laptop::push(&slides(), &at(relay, "guest"))
        .with_key("guest", "come")
        .tcp()
        .wait_refused(seconds(5));
    assert!(log.contains("401 Unauthorized"), "{log}");
    // Nobody chooses a place, and nobody comes in by mistake.
    for name in ["guest-1", "lap-top"] {
        let mut laptop = Laptop::push(&slides(), &at(relay, name))
            .with_key("guest", "come-as-you-are")
            .tcp();
        let log = laptop.wait_refused(seconds(5));
        assert!(log.contains("404 Not Found"), "{name}: {log}");
    }
    let mut first = push(&slides(), relay).tcp();
    let one = wait_live(&engine, "guest-1");
    assert_eq!(
        (&one["label"], &one["guest"], &one["kind"], &one["tally"]),
        (&"Guest 1".into(), &1.into(), &"push".into(), &"off".into())
    );
    let mut second = push(&camera(), there.port()).tcp();
    wait_live(&engine, "guest-2");
    assert_eq!(shown(&engine.status()), ["laptop", "guest-1", "guest-2"]);
    let said = plays_in_gstreamer(&format!("rtsp://127.0.0.1:{relay}/source/guest-2"));
    assert!(said.is_ok(), "{said:?}");
    let mut third = Announcer::connect("127.0.0.3", relay, "guest");
    assert!(third.announce("").0.contains("401"));
    let log = push(&slides(), relay).tcp().wait_refused(seconds(5));
    assert!(log.contains("503 Service Unavailable"), "no room: {log}");

    engine.ctl(&["role", "slides=guest-2"]).assert_ok();
    engine.wait_status(seconds(3), "guest 2 on air", |status| {
        source(status, "guest-2")["tally"] == "programme"
    });
    // Whoever has no role is forgotten when it has gone; whoever has one is waited for.
    first.kill();
    second.kill();
    let status = engine.wait_status(seconds(5), "gone", |status| {
        let scopes = status["faults"].to_string();
        shown(status) == ["laptop", "guest-2"] && scopes.contains("guest-2")
    });
    let scopes = status["faults"].to_string();
    assert!(
        !scopes.contains("guest-1") && scopes.contains("guest-2"),
        "{scopes}"
    );
    // Each its own number again, in whatever order they come.
    let _second = push(&camera(), there.port()).tcp();
    let two = wait_live(&engine, "guest-2");
    assert_eq!(two["publisher"]["address"], "127.0.0.2");
    engine.ctl(&["mute", "guest-1", "on"]).assert_ok();
    let mut first = push(&slides(), relay).tcp();
    let one = wait_live(&engine, "guest-1");
    assert_eq!(one["publisher"]["address"], "127.0.0.1");
    assert_eq!(one["mute"], true, "as it was set for this guest");
    // A stranger at its place is heard as guests are.
    first.kill();
    let elsewhere = Elsewhere::at("127.0.0.3", relay);
    wait_until(seconds(5), "the place is free", || {
        source(&engine.status(), "guest-1")["publisher"].is_null()
    });
    let _third = push(&slides(), elsewhere.port()).tcp();
    let one = wait_live(&engine, "guest-1");
    assert_eq!(one["publisher"]["address"], "127.0.0.3");
    assert_eq!(one["mute"], false);
    assert!(!engine.log().contains("come-as-you-are"));
}

#[test]
fn the_rules_are_the_same_whatever_a_laptop_speaks() {
    let (relay, rtmp, srt) = (free_port(), free_port(), free_port());
    let doors = format!(
        "{LAPTOP}[ingest]\nrtmp = \"127.0.0.1:{rtmp}\"\nsrt = \"127.0.0.1:{srt}\"\n\
         guests = 2\nguest_key_file = \"guest.key\"\n"
    );
    let engine = Room::new(&venue(relay, &doors))
        .file("guest.key", "come-as-you-are")
        .start();
    let by_rtmp = |name: &str| format!("rtmp://127.0.0.1:{rtmp}/ingest/{name}");
    let by_srt = |name: &str| format!("srt://127.0.0.1:{srt}?streamid=ingest/{name}");
    // Guests by both.
    let guest = by_rtmp("guest?key=come-as-you-are");
    let mut first = Laptop::push(&slides(), &guest).rtmp();
    let one = wait_live(&engine, "guest-1");
    assert_eq!(one["publisher"]["protocol"], "rtmp");
    let guest = format!("{}&passphrase=come-as-you-are", by_srt("guest"));
    let mut second = Laptop::push(&camera(), &guest).srt();
    let two = wait_live(&engine, "guest-2");
    assert_eq!(two["publisher"]["protocol"], "srt");
    // Who is released goes, and may not come back at once by the same way.
    for (id, laptop) in [("guest-1", &mut first), ("guest-2", &mut second)] {
        engine.ctl(&["source", id, "--release"]).assert_ok();
        wait_until(seconds(6), "the laptop let go", || !laptop.is_running());
        assert!(source(&engine.status(), id)["publisher"].is_null(), "{id}");
    }
    // Whoever has a place has it for all protocols.
    let holder = Laptop::push(&slides(), &by_rtmp("laptop")).rtmp();
    wait_live(&engine, "laptop");
    let log = Laptop::push(&camera(), &by_srt("laptop"))
        .srt()
        .wait_refused(seconds(6));
    assert!(log.contains("rejection reason"), "{log}");
    let mut other = Announcer::connect("127.0.0.2", relay, "laptop");
    assert!(other.announce("").0.contains("403"));
    drop(other);
    drop(holder);
    wait_until(seconds(4), "room", || {
        source(&engine.status(), "laptop")["publisher"].is_null()
    });
    let _holder = Laptop::push(&slides(), &by_srt("laptop")).srt();
    wait_live(&engine, "laptop");
    let mut late = Laptop::push(&camera(), &by_rtmp("laptop")).rtmp();
    let log = late.wait_refused(seconds(6));
    assert!(log.contains("somebody else"), "{log}");
}

#[test]
fn the_window_shows_guests_while_they_are_there_and_releases_a_source() {
    let relay = free_port();
    let guests = format!(
        "{LAPTOP}[ingest]\nrtmp = \"off\"\nsrt = \"off\"\nguests = 2\nguest_key_file = \"guest.key\"\n"
    );
    let engine = Room::new(&venue(relay, &guests))
        .file("guest.key", "come-as-you-are")
        .start();
    let at = |name: &str| format!("rtsp://127.0.0.1:{relay}/ingest/{name}");
    let panel = Panel::open(&engine.room, Look::default().french());
    panel.button("Source laptop").wait_there();
    let mut guest = Laptop::push(&camera(), &at("guest"))
        .with_key("guest", "come-as-you-are")
        .tcp();
    let tile = panel.button("Source Invité 1");
    tile.wait(seconds(8), "says who it is", |tile| {
        let said = &tile.description;
        said.contains("H.264") && said.contains("RTSP depuis 127.0.0.1")
    });
    assert!(!panel.button("Source Invité 2").is_there());
    // By keys: the second source plays the first role.
    panel.key("r");
    panel.key("2");
    engine.wait_status(seconds(3), "the guest plays", |status| {
        status["roles"]["slides"] == "guest-1"
    });
    engine.ctl(&["role", "slides=laptop"]).assert_ok();
    guest.kill();
    tile.wait_gone();

    let mut laptop = Laptop::push(&slides(), &at("laptop")).tcp();
    let release = panel.button("Libérer laptop");
    release.wait(seconds(8), "may be pressed", |own| own.has("sensitive"));
    release.click();
    panel.button("Le déconnecter").wait_there();
    // The calm answer has the focus.
    panel.key("Control_L+Return");
    panel.button("Le déconnecter").wait_gone();
    laptop.assert_running();
    // By keys alone.
    release.focus();
    panel.key("Control_L+Return");
    panel.button("Le déconnecter").wait_there().press();
    laptop.wait_refused(seconds(3));
    let status = engine.status();
    assert_eq!(
        source(&status, "laptop")["reason"],
        "the operator has released it"
    );
    release.wait(seconds(3), "has nothing to do", |own| !own.has("sensitive"));
    assert_eq!(panel.complaints(), [""; 0]);
}

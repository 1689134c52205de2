//! The relay for a whole building: one stream by multicast beside players of their own, and by TLS.

#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::process::Command;
use std::time::Instant;

use gst::prelude::*;

use common::{
    Building, Engine, Laptop, Room, Said, Viewer, ask_for_both, camera, connect_from, free_port,
    plays_in_gstreamer, seconds, wait_until,
};

const GROUP: &str = "239.255.42.1";

fn venue(relay: u16, more: &str) -> String {
    format!(
        r#"
[programme]
size = "640x360"
video_bitrate = "1500k"
keyframe_interval = "10s"
[relay]
listen = "0.0.0.0:{relay}"
{more}
[[source]]
id = "pattern"
kind = "test"
role = "slides"
size = "640x360"
[[source]]
id = "laptop"
kind = "push"
"#
    )
}

/// Bytes that leave the engine's room in a second, and that come to room `other`.
fn rates(building: &Building, other: usize) -> (f64, f64) {
    let (sent, received) = (building.sent(0), building.received(other));
    let begun = Instant::now();
    std::thread::sleep(seconds(4));
    let span = begun.elapsed().as_secs_f64();
    let per_second = |before, after| (after - before) as f64 / span;
    (
        per_second(sent, building.sent(0)),
        per_second(received, building.received(other)),
    )
}

/// The relay in room 0, seen from another: its picture is there. One stream for all has an address of its own.
#[track_caller]
fn watch(building: &Building, relay: u16, room: usize, transport: &str) -> Viewer {
    let place = match transport {
        "udp_multicast" => "/multicast",
        _ => "",
    };
    let url = format!("rtsp://{}:{relay}/programme{place}", building.address(0));
    let mut viewer = Viewer::watch_inside(&building.enter(room), &url, transport);
    viewer.wait_picture(seconds(8));
    viewer
}

#[test]
fn by_multicast_any_number_of_rooms_costs_one_stream() {
    const ROOMS: usize = 6;
    let Some(building) = Building::new(ROOMS) else {
        return;
    };
    let relay = free_port();
    let multicast = format!("multicast = {{ range = \"{GROUP}\", ports = \"5000-5015\" }}");
    let room = Room::new(&venue(relay, &multicast));
    let engine = room.inside_of(building.enter(0)).start();
    let watch = |room, transport| watch(&building, relay, room, transport);
    let first = watch(1, "udp_multicast");
    let (one, _) = rates(&building, 5);
    assert!(building.groups(1).contains(GROUP), "IGMP: it has joined");
    let more = [watch(2, "udp_multicast"), watch(3, "udp_multicast")];
    let (three, quiet) = rates(&building, 5);
    eprintln!(
        "bytes per second out of the engine's room: {one:.0} for one room, {three:.0} for three; \
         {quiet:.0} to a room that does not watch, by this switch"
    );
    let rate = 1_500_000.0 / 8.0;
    assert!(one > rate * 0.5, "{one} is no stream");
    // The pattern is not of an even rate; a second stream would be a doubling.
    assert!(three < one * 1.5, "{one}, then {three}");
    assert!(!building.groups(5).contains(GROUP));

    // Beside it, players of their own, of either kind.
    let own = [watch(4, "tcp"), watch(5, "udp")];
    let beside = [watch(4, "udp"), watch(5, "tcp")];
    std::thread::sleep(seconds(3));
    let status = engine.status();
    assert_eq!(status["relay"]["players"], 7, "{}", status["relay"]);
    for viewer in own.into_iter().chain(beside).chain(more).chain([first]) {
        let recording = viewer.stop();
        recording.assert_no_frame_missing(30.0);
        recording.assert_frame_rate(30.0);
        recording.sound().assert_tone(1000.0);
    }
    wait_until(seconds(8), "all have gone", || {
        engine.status()["relay"]["players"] == 0
    });
    let (none, _) = rates(&building, 5);
    assert!(none < one * 0.05, "{none} bytes a second to nobody");
}

#[test]
fn the_password_is_asked_of_those_who_want_the_group_and_nobody_else_may_choose_it() {
    const PASSWORD: &str = "gr0up-w0rd";
    let relay = free_port();
    let multicast = format!(
        "user = \"screens\"\npassword_file = \"relay.pw\"\n\
         multicast = {{ range = \"{GROUP}\", interface = \"lo\" }}"
    );
    let room = Room::new(&venue(relay, &multicast)).file("relay.pw", PASSWORD);
    let said = room.regie(&["check", "venue.toml"]);
    let warned = said.assert_ok().err.clone() + &said.out;
    assert!(warned.contains("whoever joins the group"), "{warned}");
    let _engine = room.start();
    let mut stranger = connect_from("127.0.0.1", relay);
    let url = format!("rtsp://127.0.0.1:{relay}/programme/multicast");
    let group = "RTP/AVP;multicast";
    assert_eq!(ask_for_both(&mut stranger, &url, [group; 2]), None, "401");

    let relay = free_port();
    let multicast = format!("multicast = {{ range = \"{GROUP}\", interface = \"lo\", ttl = 3 }}");
    let engine = Engine::start(&venue(relay, &multicast));
    let url = format!("rtsp://127.0.0.1:{relay}/programme");
    let place = format!("{url}/multicast");
    let mut clients = Vec::new();
    let mut answers = Vec::new();
    // One that says nothing of where, and one that wants somebody else to be flooded.
    for asked in [
        "RTP/AVP;multicast",
        "RTP/AVP;multicast;destination=239.1.2.3;port=7000-7001;ttl=9",
    ] {
        let mut client = connect_from("127.0.0.1", relay);
        answers.push(ask_for_both(&mut client, &place, [asked; 2]).unwrap());
        clients.push(client);
    }
    assert_eq!(answers[0], answers[1], "all are sent the same");
    for answer in &answers[0] {
        assert!(answer.contains(&format!("destination={GROUP}")), "{answer}");
        assert!(answer.contains("ttl=3"), "{answer}");
    }
    wait_until(seconds(5), "both play", || {
        engine.status()["relay"]["players"] == 2
    });
    // Players that know nothing of it get what they have always got.
    plays_in_gstreamer(&url).assert_ok();
    // Off, it is refused.
    let relay = free_port();
    let _engine = Engine::start(&venue(relay, ""));
    let mut client = connect_from("127.0.0.1", relay);
    let place = format!("rtsp://127.0.0.1:{relay}/programme/multicast");
    assert_eq!(ask_for_both(&mut client, &place, [group; 2]), None);
}

/// One that takes nothing, and one whose way is too narrow, cost themselves; others do not notice.
#[test]
fn a_room_with_a_bad_network_costs_nobody_else_a_frame() {
    let Some(building) = Building::new(4) else {
        return;
    };
    let relay = free_port();
    let multicast = format!("multicast = {{ range = \"{GROUP}\" }}");
    let room = Room::new(&venue(relay, &multicast));
    let engine = room.inside_of(building.enter(0)).start();
    let watch = |room, transport| watch(&building, relay, room, transport);
    let good = [watch(1, "tcp"), watch(1, "udp"), watch(2, "udp_multicast")];
    let mut frozen = watch(3, "tcp");
    frozen.freeze();
    let narrow = watch(3, "tcp");
    building.narrow(3, 700);
    wait_until(seconds(40), "both are let go", || {
        engine.status()["relay"]["players"] == 3
    });
    drop((frozen, narrow));
    // Whoever comes back is welcome.
    building.widen(3);
    let back = watch(3, "tcp");
    std::thread::sleep(seconds(1));
    for viewer in good.into_iter().chain([back]) {
        let recording = viewer.stop();
        recording.assert_no_frame_missing(30.0);
        recording.assert_frame_rate(30.0);
    }
}

/// Plays with GStreamer, which believes the certificate where `ca` is who has signed it.
fn plays_by_tls(url: &str, ca: Option<&std::path::Path>) -> Result<(), String> {
    gst::init().unwrap();
    let launch = "rtspsrc name=src protocols=tcp ! application/x-rtp,media=video ! rtph264depay \
                  ! avdec_h264 ! fakesink name=out sync=false num-buffers=30";
    let pipeline = gst::parse::launch(launch).unwrap();
    let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
    let source = pipeline.by_name("src").unwrap();
    source.set_property("location", url);
    if let Some(ca) = ca {
        let database = gio::TlsFileDatabase::new(ca).unwrap();
        source.set_property("tls-database", &database);
    }
    pipeline.set_state(gst::State::Playing).unwrap();
    let ends = [gst::MessageType::Eos, gst::MessageType::Error];
    let bus = pipeline.bus().unwrap();
    let end = bus.timed_pop_filtered(gst::ClockTime::from_seconds(15), &ends);
    pipeline.set_state(gst::State::Null).unwrap();
    match end.as_ref().map(|end| end.view()) {
        Some(gst::MessageView::Eos(_)) => Ok(()),
        Some(gst::MessageView::Error(error)) => Err(error.error().to_string()),
        _ => Err("nothing came".to_owned()),
    }
}

#[test]
fn by_tls_the_same_relay_with_a_certificate_that_may_come_later() {
    const PASSWORD: &str = "0ver-tls";
    let (relay, secure) = (free_port(), free_port());
    let more = format!(
        "listen_tls = \"0.0.0.0:{secure}\"\ncertificate = \"regie.pem\"\n\
         private_key = \"regie.key\"\nuser = \"screens\"\npassword_file = \"relay.pw\""
    );
    let room = Room::new(&venue(relay, &more)).file("relay.pw", PASSWORD);
    let said = room.regie(&["check", "venue.toml"]);
    said.assert_refused("listen_tls = ");
    said.assert_refused("regie.pem is no good");
    let engine = room.start();
    let status = engine.wait_status(seconds(5), "a fault", |status| {
        let faults = status["faults"].as_array().unwrap();
        faults.iter().any(|fault| fault["code"] == "listen-tls")
    });
    let fault = status["faults"][0]["detail"].to_string();
    assert!(fault.contains("regie.pem is no good"), "{status}");
    let known = format!("screens:{PASSWORD}@");
    let plain = |who: &str| format!("rtsp://{who}127.0.0.1:{relay}/programme");
    Viewer::watch(&plain(&known)).wait_picture(seconds(8));

    let certificate = engine.room.path().join("regie.pem");
    let mut command = Command::new("openssl");
    let request = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
                   -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1";
    command.args(request.split_whitespace()).arg("-keyout");
    command.arg(engine.room.path().join("regie.key"));
    Said::by(command.arg("-out").arg(&certificate)).assert_ok();
    engine.wait_status(seconds(8), "no such fault", |status| {
        let faults = status["faults"].as_array().unwrap();
        faults.iter().all(|fault| fault["code"] != "listen-tls")
    });
    engine.room.regie(&["check", "venue.toml"]).assert_ok();

    let url = |who: &str| format!("rtsps://{who}localhost:{secure}/programme");
    for who in ["", "screens:wrong@"] {
        let log = Viewer::watch(&url(who)).wait_refused(seconds(8));
        assert!(log.contains("401"), "{who}: {log}");
    }
    let mut viewer = Viewer::watch(&url(&known));
    viewer.wait_picture(seconds(8));
    // Who believes nobody but the authorities does not believe us; who has our certificate does.
    plays_by_tls(&url(&known), None).unwrap_err();
    plays_by_tls(&url(&known), Some(&certificate)).unwrap();
    // Without TLS where TLS is spoken, and the other way round.
    let wrong = format!("rtsp://{known}127.0.0.1:{secure}/programme");
    let _log = Viewer::watch(&wrong).wait_refused(seconds(15));
    let wrong = format!("rtsps://{known}127.0.0.1:{relay}/programme");
    let _log = Viewer::watch(&wrong).wait_refused(seconds(15));
    // A laptop pushes by it as well.
    let ingest = format!("rtsps://localhost:{secure}/ingest/laptop");
    let mut laptop = Laptop::push(&camera(), &ingest).tcp();
    engine.wait_status(seconds(8), "live", |status| {
        status["sources"][1]["state"] == "live"
    });
    // One that greets and says nothing more is let go, as by the other door.
    let clients = || engine.status()["relay"]["clients"].as_u64().unwrap();
    wait_until(seconds(14), "the viewer and the laptop", || clients() == 2);
    let silent = connect_from("127.0.0.5", secure);
    wait_until(seconds(4), "it is there", || clients() == 3);
    wait_until(seconds(14), "whoever asks for nothing is let go", || {
        clients() == 2
    });
    drop(silent);
    laptop.assert_running();
    let recording = viewer.stop();
    recording.assert_stamps_never_go_backwards();
    recording.assert_no_frame_missing(30.0);
    let log = fs::read_to_string(engine.room.path().join("engine.log")).unwrap();
    assert!(!log.contains(PASSWORD), "the password shows");
}

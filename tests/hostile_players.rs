//! The relay under fire: a crowd, and players that hang, vanish or talk rubbish. Each costs itself.

#![allow(clippy::unwrap_used)]

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use common::{
    Engine, Laptop, Namespace, Nginx, Player, Process, Room, Usage, Viewer, ask_to_play, camera,
    connect_from, free_port, plays_in_gstreamer, plays_in_mpv, seconds, wait_until,
};

fn venue(relay: u16, output: &str) -> String {
    format!(
        r#"
[programme]
size = "640x360"
video_bitrate = "800k"
keyframe_interval = "10s"
[relay]
listen = "0.0.0.0:{relay}"
[[source]]
id = "pattern"
kind = "test"
role = "slides"
size = "640x360"
[[source]]
id = "laptop"
kind = "push"
[[output]]
id = "out"
uri = "{output}"
"#
    )
}

fn connected(engine: &Engine) -> (u64, u64) {
    let relay = engine.status()["relay"].take();
    (
        relay["clients"].as_u64().unwrap(),
        relay["players"].as_u64().unwrap(),
    )
}

#[test]
fn a_hundred_players_that_join_at_once_all_get_a_picture_and_cost_nobody_a_frame() {
    const CROWD: usize = 100;
    let server = Nginx::running();
    let relay = free_port();
    let engine = Engine::start(&venue(relay, &server.rtmp_url("live", "out")));
    server.wait_publishing("live", "out", seconds(5));
    let mut far = Viewer::watch(&server.rtmp_url("live", "out"));
    far.wait_picture(seconds(8));
    let near = Player::join(relay, "/programme");
    wait_until(seconds(5), "the first player's picture", || {
        near.seen().keyframes > 0
    });
    let before = Usage::of(engine.id());

    let crowd: Vec<Player> = (0..CROWD)
        .map(|_| Player::join(relay, "/programme"))
        .collect();
    wait_until(seconds(20), "a picture for everybody", || {
        crowd.iter().all(|player| player.seen().keyframes > 0)
    });
    let mut waits: Vec<Duration> = crowd
        .iter()
        .filter_map(|player| player.seen().first_keyframe)
        .collect();
    waits.sort();
    let (median, last) = (waits[CROWD / 2], waits[CROWD - 1]);
    let busy = Usage::of(engine.id()).processor;
    std::thread::sleep(seconds(4));
    let busy = (Usage::of(engine.id()).processor - busy) / 4.0;
    eprintln!(
        "{busy:.2} s of processor time per second; the engine's figures: {}",
        engine.status()["encoding"]
    );
    let during = Usage::of(engine.id());
    eprintln!(
        "{CROWD} players at once: first keyframe after {median:?} (median), {last:?} (last); \
         {:.0} MiB and {} threads before, {:.0} MiB and {} threads with them",
        before.memory_mib, before.threads, during.memory_mib, during.threads
    );
    assert_eq!(connected(&engine), (CROWD as u64 + 1, CROWD as u64 + 1));
    assert!(
        last < seconds(8),
        "the last got its first keyframe after {last:?}"
    );
    for player in &crowd {
        let seen = player.seen();
        assert!(
            !seen.ended && seen.missing_packets == 0 && seen.gaps.is_empty(),
            "{seen:?}"
        );
        assert!(seen.pictures > 90, "{seen:?}");
    }
    let gone = |crowd: Vec<Player>| {
        drop(crowd);
        wait_until(seconds(8), "they have gone", || {
            connected(&engine) == (1, 1)
        });
        wait_until(seconds(10), "their threads have ended", || {
            Usage::of(engine.id()).threads <= before.threads + 4
        });
        Usage::of(engine.id()).memory_mib
    };
    let first = gone(crowd);
    let crowd: Vec<Player> = (0..CROWD)
        .map(|_| Player::join(relay, "/programme"))
        .collect();
    wait_until(seconds(20), "a picture for everybody again", || {
        crowd.iter().all(|player| player.seen().keyframes > 0)
    });
    let second = gone(crowd);
    eprintln!("{first:.0} MiB after the first crowd, {second:.0} MiB after the second");
    // What the first crowd has left is the allocator's, for the next crowd.
    assert!(
        first < before.memory_mib + 120.0,
        "{before:?}, then {first} MiB"
    );
    assert!(second < first + 25.0, "{first} MiB, then {second}");
    let near = near.seen();
    assert_eq!(
        (near.missing_packets, &near.gaps[..]),
        (0, &[][..]),
        "{near:?}"
    );
    let far = far.stop();
    far.assert_no_frame_missing(30.0);
    far.assert_frame_rate(30.0);
}

/// Sends the same again and again until it is sent away; says how long that took, and how much went.
fn flood(port: u16, first: &[u8], again: &[u8]) -> (Duration, usize) {
    let begun = Instant::now();
    let mut stream = connect_from("127.0.0.2", port);
    stream.set_write_timeout(Some(seconds(5))).unwrap();
    let mut sent = 0;
    let mut next = first;
    while stream.write_all(next).is_ok() {
        sent += next.len();
        next = again;
        assert!(begun.elapsed() < seconds(15), "it may send for ever");
    }
    (begun.elapsed(), sent)
}

#[test]
fn players_that_hang_vanish_or_talk_rubbish_cost_themselves() {
    const HALF_OPEN: usize = 300;
    const ROOM_FOR_ONE: usize = 200;
    let server = Nginx::running();
    let relay = free_port();
    let engine = Engine::start(&venue(relay, &server.rtmp_url("live", "out")));
    server.wait_publishing("live", "out", seconds(5));
    let mut far = Viewer::watch(&server.rtmp_url("live", "out"));
    let near = Player::join(relay, "/programme");
    far.wait_picture(seconds(8));
    wait_until(seconds(5), "a picture", || near.seen().keyframes > 0);
    let before = Usage::of(engine.id());

    // One whose cable is pulled, one that is killed, and ten that no longer read.
    let room = Namespace::new();
    let folder = tempfile::tempdir().unwrap();
    let remote = room.as_ref().map(|room| {
        let mut line = room.enter();
        line.extend(
            [
                "ffmpeg",
                "-nostdin",
                "-v",
                "error",
                "-rtsp_transport",
                "tcp",
                "-i",
            ]
            .map(String::from),
        );
        line.push(format!("rtsp://{}:{relay}/programme", room.outside()));
        line.extend(["-c", "copy", "-f", "null", "-"].map(String::from));
        let mut command = Command::new(&line[0]);
        Process::start(
            "the remote player",
            command.args(&line[1..]),
            &folder.path().join("log"),
        )
    });
    let far_away = u64::from(remote.is_some());
    let mut killed = Viewer::watch_picture(&format!("rtsp://127.0.0.1:{relay}/programme"));
    let url = format!("rtsp://127.0.0.1:{relay}/programme");
    let stuck: Vec<TcpStream> = (0..10)
        .map(|_| {
            let mut stream = connect_from("127.0.0.3", relay);
            ask_to_play(&mut stream, &url).unwrap();
            stream
        })
        .collect();
    wait_until(seconds(10), "all play", || {
        connected(&engine).1 == 12 + far_away
    });
    killed.wait_picture(seconds(5));
    drop(killed);
    wait_until(seconds(3), "the killed one has gone", || {
        connected(&engine).1 == 11 + far_away
    });
    let unplugged = Instant::now();
    if let Some(room) = &room {
        room.pull_cable();
    }

    let many_headers: Vec<u8> = (0..2000)
        .flat_map(|n| format!("X-{n}: {}\r\n", "a".repeat(40)).into_bytes())
        .collect();
    let noise: Vec<u8> = (0..65_536u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    let request = format!("OPTIONS {url} RTSP/1.0\r\nCSeq: 1\r\n");
    let packet: Vec<u8> = [b'$', 5, 255, 255]
        .into_iter()
        .chain(vec![0; 65_535])
        .collect();
    for (what, first, again) in [
        ("noise", &noise, &noise),
        (
            "endless headers",
            &request.clone().into_bytes(),
            &many_headers,
        ),
        ("one endless line", &vec![b'A'; 65_536], &vec![b'A'; 65_536]),
        ("packets that nobody wants", &packet, &packet),
        (
            "requests without end",
            &format!("{request}\r\n").into_bytes(),
            &format!("{request}\r\n").repeat(100).into_bytes(),
        ),
    ] {
        let (took, sent) = flood(relay, first, again);
        eprintln!("{what}: sent away after {took:?} and {sent} bytes");
        assert!(took < seconds(4), "{what}: sent away after {took:?}");
    }
    let mut headline = connect_from("127.0.0.2", relay);
    let giant = format!("ANNOUNCE {url} RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 4000000000\r\n\r\n");
    headline.write_all(giant.as_bytes()).unwrap();

    // More connections than an address may have: those beyond are told so, and others find room.
    let waiting: Vec<TcpStream> = (0..HALF_OPEN)
        .map(|_| connect_from("127.0.0.4", relay))
        .collect();
    let turned_away = || {
        let gone = waiting.iter().filter(|stream| {
            stream.set_nonblocking(true).unwrap();
            let mut answer = [0; 64];
            stream
                .peek(&mut answer)
                .is_ok_and(|n| answer[..n].starts_with(b"RTSP/1.0 503"))
        });
        gone.count()
    };
    wait_until(seconds(5), "those too many are turned away", || {
        turned_away() == HALF_OPEN - ROOM_FOR_ONE
    });
    let guest = Player::join(relay, "/programme");
    wait_until(seconds(5), "another's picture", || {
        guest.seen().keyframes > 0
    });
    wait_until(seconds(15), "those that ask for nothing are let go", || {
        waiting.iter().all(|mut stream| {
            let ended = |n: std::io::Result<usize>| match n {
                Ok(length) => length == 0,
                Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
            };
            let mut answer = [0; 256];
            ended(stream.read(&mut answer)) || ended(stream.read(&mut answer))
        })
    });
    wait_until(seconds(30), "those that read nothing are let go", || {
        connected(&engine) == (2, 2)
    });
    eprintln!(
        "all are gone {:?} after the cable was pulled",
        unplugged.elapsed()
    );
    drop((stuck, headline, remote));

    wait_until(seconds(20), "their threads have ended", || {
        Usage::of(engine.id()).threads <= before.threads + 24
    });
    let after = Usage::of(engine.id());
    eprintln!("{before:?} before, {after:?} after");
    assert!(
        after.memory_mib < before.memory_mib + 80.0,
        "{before:?}, then {after:?}"
    );
    for seen in [near.seen(), guest.seen()] {
        assert_eq!(
            (seen.missing_packets, &seen.gaps[..]),
            (0, &[][..]),
            "{seen:?}"
        );
    }
    let far = far.stop();
    far.assert_no_frame_missing(30.0);
    far.assert_frame_rate(30.0);
}

#[test]
fn players_of_a_source_stay_while_it_comes_and_goes_and_leave_when_its_codec_changes() {
    let relay = free_port();
    let engine = Engine::start(&venue(relay, "rtmp://127.0.0.1:1/live/nobody"));
    let ingest = format!("rtsp://127.0.0.1:{relay}/ingest/laptop");
    let live = |engine: &Engine| {
        engine.wait_status(seconds(8), "live", |status| {
            status["sources"][1]["state"] == "live"
        });
    };
    let mut laptop = Laptop::push(&camera(), &ingest).tcp();
    live(&engine);
    let player = Player::join(relay, "/source/laptop");
    wait_until(seconds(5), "a picture", || player.seen().keyframes > 0);
    for _ in 0..2 {
        laptop.kill();
        engine.wait_status(seconds(5), "gone", |status| {
            status["sources"][1]["state"] != "live"
        });
        laptop = Laptop::push(&camera(), &ingest).tcp();
        live(&engine);
        let (keyframes, pictures) = (player.seen().keyframes, player.seen().pictures);
        wait_until(seconds(5), "a picture again", || {
            let seen = player.seen();
            seen.keyframes > keyframes && seen.pictures > pictures + 20
        });
        assert!(!player.seen().ended);
    }
    laptop.kill();
    engine.wait_status(seconds(5), "gone", |status| {
        status["sources"][1]["state"] != "live"
    });
    let folder = tempfile::tempdir().unwrap();
    let line = "-nostdin -v error -re -f lavfi -i testsrc2=size=320x180:rate=15 -c:v libvpx -deadline realtime -g 15 -f rtsp -rtsp_transport tcp";
    let mut command = Command::new("ffmpeg");
    command.args(line.split(' ')).arg(&ingest);
    let _other = Process::start("another codec", &mut command, &folder.path().join("log"));
    live(&engine);
    wait_until(seconds(3), "the player is sent away, to join again", || {
        player.seen().ended
    });
    let mut again = Viewer::watch_picture(&format!("rtsp://127.0.0.1:{relay}/source/laptop"));
    again.wait_picture(seconds(8));
    std::thread::sleep(seconds(1));
    assert_eq!(again.stop().video().codec(), "vp8");
}

#[test]
fn a_relay_with_a_password_plays_to_those_who_know_it() {
    const PASSWORD: &str = "Qz7-w0rd-0f-the-screens";
    let relay = free_port();
    let listen = format!("listen = \"0.0.0.0:{relay}\"");
    let guarded = format!("{listen}\nuser = \"screens\"\npassword_file = \"relay.password\"");
    let text = venue(relay, "rtmp://127.0.0.1:1/live/nobody").replace(&listen, &guarded);
    let mut engine = Room::new(&text)
        .file("relay.password", PASSWORD)
        .env("RUST_LOG", "trace")
        .env("GST_DEBUG", "rtsp*:6")
        .launch();
    engine.wait_ready();
    let url = |who: &str, path: &str| format!("rtsp://{who}127.0.0.1:{relay}{path}");
    let known = format!("screens:{PASSWORD}@");
    // Laptops have keys of their own, or none.
    let mut laptop = Laptop::push(&camera(), &url("", "/ingest/laptop")).tcp();
    engine.wait_status(seconds(8), "live", |status| {
        status["sources"][1]["state"] == "live"
    });
    for path in ["/programme", "/source/laptop"] {
        for who in ["", "screens:wrong@", "laptop:wrong@"] {
            let log = Viewer::watch(&url(who, path)).wait_refused(seconds(5));
            assert!(log.contains("401"), "{who}{path}: {log}");
        }
        let mut viewer = Viewer::watch(&url(&known, path));
        viewer.wait_picture(seconds(8));
    }
    // Nor is the picture to be had without a look at its description.
    let mut stream = connect_from("127.0.0.1", relay);
    let setup = format!(
        "SETUP {} RTSP/1.0\r\nCSeq: 1\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n",
        url("", "/programme/stream=0")
    );
    stream.write_all(setup.as_bytes()).unwrap();
    let mut answer = [0; 512];
    let length = stream.read(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer[..length]);
    assert!(answer.starts_with("RTSP/1.0 401"), "{answer}");
    plays_in_mpv(&url(&known, "/programme")).assert_ok();
    plays_in_gstreamer(&url(&known, "/programme")).assert_ok();
    laptop.assert_running();
    let said = engine.log() + &engine.ctl(&["--json", "status"]).out + &engine.ctl(&["status"]).out;
    assert!(
        said.contains("gstreamer rtspclient"),
        "GStreamer's own log is in there"
    );
    assert!(!said.contains(PASSWORD), "the password shows");
}

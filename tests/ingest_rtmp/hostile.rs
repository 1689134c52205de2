//! Peers that mean ill, case by case: each is refused, and costs nobody else a frame.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use regie::ingest::rtmp::protocol::amf::{self, Value};

use super::common::{connect_from, wait_until};
use super::sender::Sender;
use super::*;

/// From a laptop's first picture until its timestamps go by without a step.
const SETTLED: Duration = Duration::from_secs(5);

/// An address for each case, so that the limits of one do not help another.
fn knock(case: u8, rtmp: u16) -> TcpStream {
    connect_from(&format!("127.0.1.{case}"), rtmp)
}

/// Waits until the door has ended this connection.
#[track_caller]
fn wait_cut(mut stream: TcpStream, deadline: Duration, what: &str) -> Duration {
    stream.set_read_timeout(Some(deadline)).unwrap();
    let begun = Instant::now();
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                panic!("{what}: still connected after {deadline:?}")
            }
            Err(_) => break,
        }
    }
    begun.elapsed()
}

/// A chunk that begins a message of this length on this stream.
fn begin(stream: u8, length: u32, kind: u8) -> Vec<u8> {
    let length = &length.to_be_bytes()[1..];
    [&[stream, 0, 0, 0][..], length, &[kind, 0, 0, 0, 0]].concat()
}

const GREETING: [u8; 1537] = {
    let mut greeting = [7; 1537];
    greeting[0] = 3;
    greeting
};

#[test]
fn hostile_peers_are_cut_off_and_cost_nobody_a_frame() {
    let (relay, rtmp) = (free_port(), free_port());
    let sources = [("laptop", ""), ("free", ""), ("locked", "key_file = \"k\"")];
    let engine = Room::new(&venue(relay, rtmp, &sources))
        .file("k", "s3cret-key\n")
        .start();
    let mut laptop =
        Laptop::push(&camera(), &format!("rtmp://127.0.0.1:{rtmp}/ingest/laptop")).rtmp();
    wait_live(&engine, "laptop");
    // Those that say too little are given ten seconds; they wait while the others are at it.
    let mut half = knock(1, rtmp);
    half.write_all(&GREETING[..700]).unwrap();
    let silent = knock(2, rtmp);
    let greeted = Sender::greet(knock(3, rtmp)).0;
    let waiting = Instant::now();
    // A source that has just come still finds its place in time.
    std::thread::sleep(SETTLED);
    let mut viewer = Viewer::watch_picture(&format!("rtsp://127.0.0.1:{relay}/source/laptop"));
    viewer.wait_picture(seconds(8));
    let before = Usage::of(engine.id());

    // Another protocol; noise; noise after a good greeting.
    let mut web = knock(4, rtmp);
    web.write_all(b"GET / HTTP/1.1\r\nHost: regie\r\n\r\n")
        .unwrap();
    wait_cut(web, seconds(2), "a browser");
    for seed in 0..10u64 {
        let mut noise = Sender::greet(knock(5, rtmp)).0;
        let bytes = (0..100_000u64).map(|n| (n * n + seed * 77_777 + n / 3) as u8);
        let _refused = noise.write_all(&bytes.collect::<Vec<u8>>());
        let _closed = noise.shutdown(std::net::Shutdown::Write);
        wait_cut(noise, seconds(2), "noise");
    }

    // Lengths: one message of 16 MB; many at once; a chunk size of nothing, and of everything.
    let lengths: [(&str, Vec<u8>); 5] = [
        ("a long message", begin(3, 0xFF_FFFF, 20)),
        (
            "many messages",
            (3..63)
                .flat_map(|n| [begin(n, 9000, 20), vec![0; 128]].concat())
                .collect(),
        ),
        ("no chunk size", [begin(2, 4, 1), vec![0; 4]].concat()),
        ("all chunk size", [begin(2, 4, 1), vec![0xFF; 4]].concat()),
        (
            "half a control message",
            [begin(2, 2, 1), vec![0; 2]].concat(),
        ),
    ];
    for (what, bytes) in lengths {
        let mut peer = Sender::greet(knock(6, rtmp)).0;
        let _refused = peer.write_all(&bytes);
        wait_cut(peer, seconds(2), what);
    }

    // Commands that are bombs.
    let deep = [&[2, 0, 7][..], b"connect", &[3, 0, 1, b'a'].repeat(3000)].concat();
    let wide = [
        &[2, 0, 7][..],
        b"connect",
        &[10, 0xFF, 0xFF, 0xFF, 0xFF],
        &[5; 12_000],
    ]
    .concat();
    let mut twins = vec![10, 0, 0, 0, 2, 5, 5];
    for index in 0..255u8 {
        // Lists of two references, each to the list before: two to the power of 255 values.
        twins.extend([10, 0, 0, 0, 2, 7, 0, index, 7, 0, index]);
    }
    let many = Value::Object((0..2000).map(|n| (format!("n{n}"), Value::Null)).collect());
    let many = amf::write(&[Value::Text("connect".to_owned()), Value::Number(1.0), many]);
    for (what, bomb) in [
        ("deep", deep),
        ("wide", wide),
        ("twins", twins),
        ("many", many),
    ] {
        let mut peer = Sender::greet(knock(7, rtmp));
        peer.message(1, 0, &60_000u32.to_be_bytes());
        peer.message(20, 0, &bomb);
        wait_cut(peer.0, seconds(2), what);
    }

    // Questions without end, and no answer is ever read.
    let mut deaf = Sender::greet(knock(8, rtmp));
    let ping = [&[0, 6][..], &[0; 4]].concat();
    let mut taken = 0;
    while deaf.message(4, 0, &ping) && taken < 1_000_000 {
        taken += 1;
    }
    assert!(taken < 1_000_000, "it goes on asking");

    // A publisher that does not read: its place is its own, and the door waits for nothing.
    let mut rude = Sender::publish(knock(9, rtmp), "ingest", "free");
    rude.message(5, 0, &1u32.to_be_bytes());
    for _ in 0..2000 {
        rude.message(8, 0, &[0xAF; 3000]);
        rude.message(4, 0, &ping);
    }
    // Rubbish where pictures should be.
    for (tag, byte) in [(9, 0x17), (9, 0x90), (8, 0xAF), (9, 0x27), (8, 0x2F)] {
        for length in [1, 2, 5, 6, 50, 5000] {
            let mut message = vec![0xFF; length];
            message[0] = byte;
            if let Some(second) = message.get_mut(1) {
                *second = (length % 2) as u8;
            }
            rude.message(tag, length as u32, &message);
        }
    }
    drop(rude);
    wait_idle(&engine, "free");

    // Thousands of connections from one address.
    let mut crowd: Vec<TcpStream> = Vec::new();
    let begun = Instant::now();
    for _ in 0..3000 {
        crowd.push(knock(10, rtmp));
    }
    wait_until(seconds(5), "the crowd let go", || {
        Usage::of(engine.id()).descriptors < before.descriptors + 60
    });
    let crowded = begun.elapsed();
    drop(crowd);

    // Wrong keys at speed.
    let (begun, mut tried, mut looked_at) = (Instant::now(), 0, 0);
    while begun.elapsed() < seconds(2) {
        let mut peer = knock(11, rtmp);
        let _refused = peer
            .write_all(&GREETING)
            .and_then(|()| peer.write_all(&GREETING[1..]));
        let mut greeting = vec![0; 1 + 2 * 1536];
        if peer.read_exact(&mut greeting).is_ok() {
            let mut peer = Sender(peer);
            peer.say("ingest", &format!("locked?key=guess{tried}"));
            // The first ones are looked at, then that address waits longer and longer.
            looked_at +=
                u32::from(peer.wait_for_one(["the key is wrong", "too many wrong keys"]) == 0);
            tried += 1;
        }
    }
    assert!(
        (15..40).contains(&tried),
        "{tried} keys tried in two seconds"
    );
    assert!((10..=12).contains(&looked_at), "{looked_at} keys looked at");

    // Everybody else goes on; the three that said nothing are gone after ten seconds.
    for (stream, what) in [(half, "half"), (silent, "silent"), (greeted, "greeted")] {
        wait_cut(stream, seconds(12), what);
    }
    assert!(waiting.elapsed() > seconds(9), "{:?}", waiting.elapsed());
    // A house full of silence, from many addresses: there is room for who has something to say.
    let crowd: Vec<TcpStream> = (20..40u8)
        .flat_map(|n| (0..20).map(move |_| knock(n, rtmp)))
        .collect();
    drop(Sender::publish(knock(12, rtmp), "ingest", "free"));
    drop(crowd);

    laptop.assert_running();
    let recording = viewer.stop();
    recording.assert_no_frame_missing(25.0);
    wait_until(seconds(4), "descriptors given back", || {
        Usage::of(engine.id()).descriptors < before.descriptors + 8
    });
    let after = Usage::of(engine.id());
    eprintln!(
        "a crowd of 3000 in {crowded:?}; {tried} keys tried in 2 s; {before:?} before, {after:?} after"
    );
    assert!(
        after.memory_mib < before.memory_mib + 40.0,
        "{before:?} before, {after:?} after"
    );
    let log = engine.log();
    let lines = log
        .lines()
        .filter(|line| line.contains("RTMP from"))
        .count();
    assert!((5..=20).contains(&lines), "{lines} lines:\n{log}");
    assert!(!log.contains("guess"), "what was tried is in the log");
    // The address that tried keys may come again, in a moment.
    wait_until(seconds(5), "a good key", || {
        let mut peer = knock(11, rtmp);
        let _refused = peer
            .write_all(&GREETING)
            .and_then(|()| peer.write_all(&GREETING[1..]));
        peer.read_exact(&mut [0; 1 + 2 * 1536]).is_ok()
    });
}

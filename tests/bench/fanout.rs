//! `cargo bench --bench fanout`: what players of the relay cost.
//!
//! - A hundred players by TCP of a programme at 4.5 Mb/s, against nginx-rtmp with as many players of
//!   the same stream: processor time per player is promised to be at most nginx's. Of either what it
//!   spends without players is taken off; they take turns, and the median of the rounds counts.
//! - By multicast fifty players cost what one costs, on the processor and on the wire.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

#[path = "../common/mod.rs"]
mod common;

use std::net::TcpStream;
use std::time::{Duration, Instant};

use common::{
    Drain, Engine, Namespace, Nginx, Viewer, ask_for_both, connect_from, free_port, play_by_rtmp,
    play_by_rtsp, seconds, wait_until,
};

const PLAYERS: usize = 100;
const ROUNDS: usize = 3;
const SPAN: Duration = seconds(8);
/// Until whoever has come or gone no longer shows.
const SETTLE: Duration = seconds(2);
/// The relay's processor time per player over nginx's.
const RATIO: f64 = 1.0;
/// Players by multicast, and what they may seem to cost by chance, in seconds a second.
const ROOMS: usize = 50;
const NOISE: f64 = 0.02;
/// Of the kernel's clock, per second, as Linux tells it to everybody.
const TICKS: f64 = 100.0;

fn venue(relay: u16, multicast: &str, output: &str) -> String {
    format!(
        "[programme]\nsize = \"1280x720\"\nframerate = \"30\"\nvideo_bitrate = \"4500k\"\n\
         encoder = \"x264\"\nx264_preset = \"ultrafast\"\n\
         [relay]\nlisten = \"0.0.0.0:{relay}\"\n{multicast}\n\
         [[source]]\nid = \"pattern\"\nkind = \"test\"\nrole = \"slides\"\nsize = \"1280x720\"\n\
         {output}\n"
    )
}

fn main() {
    by_tcp();
    by_multicast();
}

/// Processor time of a process so far, in seconds.
fn used(id: u32) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    // The name may hold anything, and ends at the last parenthesis.
    let fields: Vec<&str> = text[text.rfind(')').unwrap() + 2..].split(' ').collect();
    fields[11..13]
        .iter()
        .map(|ticks| ticks.parse::<f64>().unwrap())
        .sum::<f64>()
        / TICKS
}

/// Processor time a second of these processes, over [`SPAN`].
fn measure<const N: usize>(ids: [u32; N]) -> [f64; N] {
    std::thread::sleep(SETTLE);
    let (before, begun) = (ids.map(used), Instant::now());
    std::thread::sleep(SPAN);
    let span = begun.elapsed().as_secs_f64();
    std::array::from_fn(|i| (used(ids[i]) - before[i]) / span)
}

/// The same while these players play, and what each of them was sent, in bits a second.
fn with_players(ids: [u32; 2], join: impl Fn() -> TcpStream) -> ([f64; 2], f64) {
    let crowd = Drain::of((0..PLAYERS).map(|_| join()).collect());
    std::thread::sleep(SETTLE);
    let (bytes, begun) = (crowd.bytes(), Instant::now());
    let spent = measure(ids);
    let rate = (crowd.bytes() - bytes) as f64 * 8.0 / begun.elapsed().as_secs_f64();
    assert_eq!(crowd.players(), PLAYERS as u64, "some were sent away");
    (spent, rate / PLAYERS as f64)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn by_tcp() {
    let server = Nginx::running();
    let port = server
        .address()
        .rsplit(':')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    let relay = free_port();
    let output = format!(
        "[[output]]\nid = \"out\"\nuri = \"{}\"",
        server.rtmp_url("live", "out")
    );
    let engine = Engine::start(&venue(relay, "", &output));
    server.wait_publishing("live", "out", seconds(5));
    let ids = [engine.id(), server.id()];
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let mut alone = measure(ids);
    for _ in 0..ROUNDS {
        let (with, rate) = with_players(ids, || play_by_rtsp(relay));
        let between = measure(ids);
        let own = (with[0] - (alone[0] + between[0]) / 2.0) / PLAYERS as f64;
        let (with, other_rate) = with_players(ids, || play_by_rtmp(port, "live", "out"));
        alone = measure(ids);
        let other = (with[1] - (alone[1] + between[1]) / 2.0) / PLAYERS as f64;
        println!(
            "a player of the relay: {:.2} ms/s at {:.2} Mb/s; of nginx-rtmp: {:.2} ms/s at {:.2} Mb/s",
            own * 1e3,
            rate / 1e6,
            other * 1e3,
            other_rate / 1e6
        );
        assert!(rate > 4e6 && other_rate > 4e6, "less than was asked for");
        ours.push(own);
        theirs.push(other);
    }
    let (ours, theirs) = (median(ours), median(theirs));
    println!(
        "processor time per player, of {PLAYERS} by TCP: {:.2} ms/s, nginx-rtmp {:.2} ms/s: {:.2} \
         (median of {ROUNDS})",
        ours * 1e3,
        theirs * 1e3,
        ours / theirs
    );
    assert!(ours / theirs <= RATIO, "promised: at most {RATIO}");
}

fn by_multicast() {
    let Some(room) = Namespace::new() else {
        return;
    };
    let relay = free_port();
    let multicast = format!(
        "multicast = {{ range = \"239.255.42.1\", interface = \"{}\" }}",
        room.cable()
    );
    let engine = Engine::start(&venue(relay, &multicast, ""));
    let wire = || {
        let file = format!("/sys/class/net/{}/statistics/tx_bytes", room.cable());
        let bytes: u64 = std::fs::read_to_string(file)
            .unwrap()
            .trim()
            .parse()
            .unwrap();
        bytes as f64
    };
    let spent = |what: &str| {
        let (before, begun) = (wire(), Instant::now());
        let [own] = measure([engine.id()]);
        let rate = (wire() - before) * 8.0 / begun.elapsed().as_secs_f64();
        println!("{what}: {own:.3} s/s, {:.2} Mb/s on the wire", rate / 1e6);
        (own, rate)
    };
    let (none, _) = spent("nobody by multicast");
    // One that sees it, in a network of its own.
    let url = format!("rtsp://{}:{relay}/programme/multicast", room.outside());
    let mut viewer = Viewer::watch_inside(&room.enter(), &url, "udp_multicast");
    viewer.wait_picture(seconds(8));
    let (one, one_rate) = spent("one player by multicast");
    let group = ["RTP/AVP;multicast"; 2];
    let others: Vec<TcpStream> = (1..ROOMS)
        .map(|_| {
            let mut player = connect_from("127.0.0.1", relay);
            let url = format!("rtsp://127.0.0.1:{relay}/programme/multicast");
            ask_for_both(&mut player, &url, group).unwrap();
            player
        })
        .collect();
    wait_until(seconds(10), "all play", || {
        engine.status()["relay"]["players"] == ROOMS as u64
    });
    let (all, all_rate) = spent(&format!("{ROOMS} players by multicast"));
    println!(
        "by multicast one player costs {:.3} s/s, {ROOMS} cost {:.3} s/s; {:.2} and {:.2} Mb/s",
        one - none,
        all - none,
        one_rate / 1e6,
        all_rate / 1e6
    );
    viewer.stop().assert_no_frame_missing(30.0);
    drop(others);
    assert!(
        (all_rate / one_rate - 1.0).abs() < 0.05,
        "promised: the same"
    );
    assert!(all - one < NOISE + (one - none) * 0.1, "promised: the same");
}

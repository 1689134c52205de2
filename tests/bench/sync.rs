//! `cargo bench --bench sync`: sound against picture, and delay, from a laptop that pushes by RTSP to
//! a player of the relay, beside the same stream straight through nginx-rtmp. The probe's stream
//! flashes and beeps once a second, and every picture says when it was made.
//!
//! Promised, on a machine that is otherwise quiet: regie adds at most 15 ms to the offset of sound
//! and picture, at most 35 ms to the delay and 55 ms to that of the slowest hundredth.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

#[path = "../common/mod.rs"]
mod common;

use common::{Engine, Nginx, Stamps, free_port, read_stamps, seconds, stamp};

/// What regie may add, in milliseconds.
const OFFSET: f64 = 15.0;
const MEDIAN: f64 = 35.0;
const P99: f64 = 55.0;
/// Each on its own, with connections of its own: ticks and pictures meet at another phase.
const ROUNDS: usize = 3;

/// Sends a stamped stream to `to`, and reads it back at `from`.
fn measure(to: &str, from: &str) -> Stamps {
    let _sender = stamp(to, 25);
    // Connections start with a burst; a source settles within some seconds.
    std::thread::sleep(seconds(10));
    read_stamps(from, 8).expect("a stamped stream")
}

/// The median of one figure of all rounds.
fn median(all: &[Stamps], figure: impl Fn(&Stamps) -> f64) -> f64 {
    let mut values: Vec<f64> = all.iter().map(figure).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let server = Nginx::running();
    let straight = server.rtmp_url("live", "probe");
    let (mut direct, mut through) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        direct.push(measure(&straight, &straight));
        let relay = free_port();
        let _engine = Engine::start(&format!(
            "[programme]\nsize = \"1280x720\"\n[relay]\nlisten = \"127.0.0.1:{relay}\"\n\
             [[source]]\nid = \"laptop\"\nkind = \"push\"\nrole = \"slides\"\n\
             [[layout]]\nid = \"slides\"\nslots = [ {{ role = \"slides\" }} ]\n"
        ));
        let base = format!("rtsp://127.0.0.1:{relay}");
        let ingest = format!("{base}/ingest/laptop");
        through.push(measure(&ingest, &format!("{base}/programme")));
        for (name, stamps) in [("straight", &direct), ("regie", &through)] {
            let Some(s) = stamps.last() else { continue };
            println!(
                "{name:>8}: {:.0} ms, p99 {:.0} ms; sound {:+.1} ms; {} repeated",
                s.median, s.p99, s.av_offset, s.repeated
            );
        }
    }
    let added = |figure: fn(&Stamps) -> f64| median(&through, figure) - median(&direct, figure);
    let (offset, delay, p99) = (
        added(|s| s.av_offset),
        added(|s| s.median),
        added(|s| s.p99),
    );
    println!(
        "regie adds {delay:.0} ms, {p99:.0} ms at p99, sound {offset:+.1} ms (medians of {ROUNDS})"
    );
    assert!(offset.abs() <= OFFSET, "promised: at most {OFFSET} ms");
    assert!(
        delay <= MEDIAN && p99 <= P99,
        "promised: at most {MEDIAN} ms and {P99} ms"
    );
}

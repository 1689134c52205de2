//! `cargo bench --bench delay`: from a laptop's picture to a player of the relay, for each protocol
//! that laptops push by. The stream is the probe's, without sound, 720p30: every picture says when it
//! was made.
//!
//! Promised, on a machine that is otherwise quiet: RTMP takes at most 40 ms longer than RTSP, and SRT
//! at most 60 ms longer than RTSP and the latency that was asked for.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

#[path = "../common/mod.rs"]
mod common;

use common::{Engine, Stamps, free_port, read_stamps, seconds, stamp_silent};

/// What each may take longer than RTSP, in milliseconds, beside SRT's latency.
const RTMP: f64 = 40.0;
const SRT: f64 = 60.0;

struct Ports {
    relay: u16,
    rtmp: u16,
    srt: u16,
}

impl Ports {
    fn venue(&self) -> String {
        let Self { relay, rtmp, srt } = self;
        format!(
            "[programme]\nsize = \"1280x720\"\n[relay]\nlisten = \"127.0.0.1:{relay}\"\n\
             [ingest]\nrtmp = \"127.0.0.1:{rtmp}\"\nsrt = \"127.0.0.1:{srt}\"\n\
             [[source]]\nid = \"laptop\"\nkind = \"push\"\nrole = \"slides\"\n\
             [[layout]]\nid = \"slides\"\nslots = [ {{ role = \"slides\" }} ]\n"
        )
    }
}

/// By an engine of its own.
fn measure(address: impl Fn(&Ports) -> String) -> Stamps {
    let ports = Ports {
        relay: free_port(),
        rtmp: free_port(),
        srt: free_port(),
    };
    let _engine = Engine::start(&ports.venue());
    let _sender = stamp_silent(&address(&ports), 30);
    // Connections start with a burst; ticks come to lie where its pictures want them.
    std::thread::sleep(seconds(14));
    let programme = format!("rtsp://127.0.0.1:{}/programme", ports.relay);
    read_stamps(&programme, 8).expect("a stamped stream")
}

fn main() {
    let srt = |ports: &Ports, latency: u32| {
        let port = ports.srt;
        format!("srt://127.0.0.1:{port}?streamid=ingest/laptop&latency={latency}000")
    };
    let rtsp = measure(|ports| format!("rtsp://127.0.0.1:{}/ingest/laptop", ports.relay));
    let rtmp = measure(|ports| format!("rtmp://127.0.0.1:{}/ingest/laptop", ports.rtmp));
    let srt_least = measure(|ports| srt(ports, 20));
    let srt_usual = measure(|ports| srt(ports, 120));
    let rows = [
        ("RTSP", &rtsp, 0.0),
        ("RTMP", &rtmp, RTMP),
        ("SRT, latency 20 ms", &srt_least, 20.0 + SRT),
        ("SRT, latency 120 ms", &srt_usual, 120.0 + SRT),
    ];
    for (name, stamps, _) in &rows {
        println!(
            "{name:>20}: {:.0} ms, p99 {:.0} ms; {} repeated",
            stamps.median, stamps.p99, stamps.repeated
        );
    }
    for (name, stamps, more) in rows {
        let more_than_rtsp = stamps.median - rtsp.median;
        assert!(
            more_than_rtsp <= more,
            "{name} takes {more_than_rtsp:.0} ms more than RTSP; promised: at most {more:.0}"
        );
    }
}

//! `cargo bench --bench start`: how long it takes from the start of the process to the first frame
//! of the programme at an RTMP server on the same machine. The promise is at most 1 s; the bench
//! fails beyond it.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

#[path = "../common/mod.rs"]
mod common;

use std::time::{Duration, Instant};

use common::{Nginx, Room, Viewer, free_port, seconds};

const ROUNDS: usize = 7;
const PROMISE: Duration = Duration::from_secs(1);

fn main() {
    let server = Nginx::running();
    let mut took = Vec::new();
    for round in 0..ROUNDS {
        let name = format!("start-{round}");
        // It waits at the server before anybody publishes, and keeps what it is sent.
        let viewer = Viewer::watch(&server.rtmp_url("live", &name));
        std::thread::sleep(seconds(2));
        let venue = format!(
            r#"
[relay]
listen = "127.0.0.1:{}"
[[source]]
id = "pattern"
kind = "test"
role = "slides"
[[output]]
id = "out"
uri = "{}"
"#,
            free_port(),
            server.rtmp_url("live", &name)
        );
        let room = Room::new(&venue);
        let begun = Instant::now();
        let engine = room.launch();
        while !viewer.sees_something() {
            assert!(
                begun.elapsed() < seconds(10),
                "nothing came: {}",
                engine.log_tail()
            );
            std::thread::sleep(Duration::from_millis(2));
        }
        took.push(begun.elapsed());
        drop(engine);
        drop(viewer);
    }
    took.sort();
    let (least, median, most) = (took[0], took[ROUNDS / 2], took[ROUNDS - 1]);
    println!(
        "start to first frame at the server: {least:?} least, {median:?} median, {most:?} most"
    );
    assert!(median <= PROMISE, "promised: at most {PROMISE:?}");
}

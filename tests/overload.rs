//! A machine that cannot keep up: what is given up, and that nothing ever waits for it.

#![allow(clippy::unwrap_used)]

mod common;

use std::process::{Child, Command};
use std::time::{Duration, Instant};

use common::{Engine, Eye, Laptop, camera, free_port, seconds, slides, wait_until};

fn venue(relay: u16) -> String {
    format!(
        r##"
[programme]
size = "1920x1080"
encoder = "x264"
[relay]
listen = "127.0.0.1:{relay}"
[[source]]
id = "laptop"
kind = "push"
role = "slides"
[[source]]
id = "camera"
kind = "push"
role = "speaker"
[[layout]]
id = "slides"
slots = [ {{ role = "slides" }} ]
[[layout]]
id = "speaker"
slots = [ {{ role = "speaker" }} ]
"##
    )
}

/// Programs that want all there is; ended with the test.
struct Hogs(Vec<Child>);

impl Hogs {
    fn let_loose(number: usize) -> Self {
        let hog = || {
            Command::new("sh")
                .args(["-c", "while :; do :; done"])
                .spawn()
        };
        Self((0..number).map(|_| hog().unwrap()).collect())
    }
}

impl Drop for Hogs {
    fn drop(&mut self) {
        for hog in &mut self.0 {
            let _ = hog.kill();
            let _ = hog.wait();
        }
    }
}

/// From the command to the picture at a player of the relay: the median of some takes.
fn delay(engine: &Engine, eye: &Eye, takes: usize) -> Duration {
    let mut took: Vec<Duration> = (0..takes)
        .map(|n| {
            std::thread::sleep(Duration::from_millis(400 + (n * 7) as u64 % 33));
            let shown = engine.status()["programme"]["layout"].clone();
            let other = if shown == "slides" {
                "speaker"
            } else {
                "slides"
            };
            let since = Instant::now();
            engine.ctl(&["take", other]).assert_ok();
            eye.wait_change(since)
                .expect("the picture changes within 3 s")
        })
        .collect();
    took.sort();
    took[takes / 2]
}

#[test]
fn an_overloaded_machine_gives_up_what_it_said_and_its_delay_does_not_grow() {
    let relay = free_port();
    let engine = Engine::start(&venue(relay));
    let push = |file, id: &str| {
        let url = format!("rtsp://127.0.0.1:{relay}/ingest/{id}");
        Laptop::push(file, &url).tcp()
    };
    let _laptops = [push(&slides(), "laptop"), push(&camera(), "camera")];
    engine.wait_status(seconds(10), "both live", |status| {
        let sources = status["sources"].as_array().unwrap();
        sources.iter().all(|source| source["state"] == "live")
    });
    let eye = Eye::open(&format!("rtsp://127.0.0.1:{relay}/programme"));
    let before = delay(&engine, &eye, 7);

    let cores = std::thread::available_parallelism().unwrap().get();
    let hogs = Hogs::let_loose(8 * cores);
    let mut seen = vec!["none".to_owned()];
    wait_until(seconds(25), "the encoder's effort is given up", || {
        let relief = engine.status()["encoding"]["relief"]
            .as_str()
            .unwrap()
            .to_owned();
        if seen.last() != Some(&relief) {
            seen.push(relief.clone());
        }
        relief == "encoder" || relief == "frames"
    });
    assert_eq!(seen[..2], ["none", "monitors"], "in the stated order");
    let status = engine.status();
    let faults = status["faults"].as_array().unwrap();
    let said = faults
        .iter()
        .find(|fault| fault["code"] == "overload")
        .expect("it is said");
    assert_eq!(said["happened"], "This computer cannot keep up.");
    let meanwhile = delay(&engine, &eye, 3);
    drop(hogs);

    std::thread::sleep(seconds(2));
    let after = delay(&engine, &eye, 7);
    eprintln!("delay {before:?} before, {meanwhile:?} meanwhile, {after:?} after");
    assert!(
        after < before + Duration::from_millis(70),
        "{before:?} before, {after:?} after"
    );
    assert!(meanwhile < seconds(2), "{meanwhile:?} meanwhile");
}

//! A take may take its time: what viewers see and hear meanwhile, and that nothing is lost by it.

#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use common::{Colour, Engine, Laptop, Picture, Viewer, camera, free_port, seconds, slides};

fn venue(relay: u16) -> String {
    format!(
        r##"
[programme]
size = "640x360"
video_bitrate = "3000k"
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
sound = "on-air"
[[layout]]
id = "slides"
background = "#101828"
slots = [ {{ role = "slides" }} ]
[[layout]]
id = "speaker"
background = "#101828"
slots = [ {{ role = "speaker" }} ]
[[layout]]
id = "side"
slots = [ {{ role = "slides", x = 0.0, y = 0.25, width = 0.5, height = 0.5 }},
          {{ role = "speaker", x = 0.5, y = 0.25, width = 0.5, height = 0.5 }} ]
[[layout]]
id = "swapped"
slots = [ {{ role = "speaker", x = 0.0, y = 0.25, width = 0.5, height = 0.5 }},
          {{ role = "slides", x = 0.5, y = 0.25, width = 0.5, height = 0.5 }} ]
[[layout]]
id = "left"
background = "#101828"
slots = [ {{ role = "speaker", x = 0.0, y = 0.0, width = 0.25, height = 0.25 }} ]
[[layout]]
id = "right"
background = "#101828"
slots = [ {{ role = "speaker", x = 0.75, y = 0.75, width = 0.25, height = 0.25 }} ]
"##
    )
}

/// Slides on air, slides and camera live.
fn on_air() -> (Engine, [Laptop; 2], u16) {
    let relay = free_port();
    let engine = Engine::start(&venue(relay));
    let push = |file, id: &str| {
        let url = format!("rtsp://127.0.0.1:{relay}/ingest/{id}");
        Laptop::push(file, &url).tcp()
    };
    let laptops = [push(&slides(), "laptop"), push(&camera(), "camera")];
    engine.wait_status(seconds(10), "both live", |status| {
        let sources = status["sources"].as_array().unwrap();
        sources.iter().all(|source| source["state"] == "live")
    });
    (engine, laptops, relay)
}

/// Every picture of the relay while `during` goes on, and a second before and after it.
#[track_caller]
fn pictures(relay: u16, during: impl FnOnce()) -> Vec<Picture> {
    let mut viewer = Viewer::watch_picture(&format!("rtsp://127.0.0.1:{relay}/programme"));
    viewer.wait_picture(seconds(8));
    std::thread::sleep(seconds(1));
    during();
    std::thread::sleep(seconds(1));
    let recording = viewer.stop();
    recording.assert_frame_rate(30.0);
    recording.assert_no_frame_missing(30.0);
    recording.assert_stamps_never_go_backwards();
    recording.every_picture(64, 36)
}

#[test]
fn a_mix_goes_evenly_from_the_old_picture_to_the_new_and_loses_no_frame() {
    let (engine, _laptops, relay) = on_air();
    let before = engine.status();
    let pictures = pictures(relay, || {
        let mix = ["take", "speaker", "--transition", "mix", "--duration", "1s"];
        engine.ctl(&mix).assert_ok();
        assert_eq!(engine.status()["programme"]["layout"], "speaker");
        std::thread::sleep(seconds(1));
    });
    // The slides are red here and the camera green: the one goes as the other comes.
    let seen: Vec<Colour> = pictures.iter().map(|p| p.colour_at(0.1, 0.5)).collect();
    assert!(seen[5].is_like(Colour::SLIDE_RED), "{seen:?}");
    assert!(
        seen.last().unwrap().is_like(Colour::CAMERA_GREEN),
        "{seen:?}"
    );
    for pair in seen.windows(2) {
        // What encoding does to it is at most this.
        assert!(pair[1].0 <= pair[0].0.saturating_add(4), "{seen:?}");
        assert!(pair[1].1.saturating_add(4) >= pair[0].1, "{seen:?}");
    }
    let between = seen.iter().filter(|colour| {
        !colour.is_like(Colour::SLIDE_RED) && !colour.is_like(Colour::CAMERA_GREEN)
    });
    let between = between.count();
    assert!((22..=30).contains(&between), "{between} frames: {seen:?}");
    let largest = seen.windows(2).map(|pair| pair[0].distance(pair[1])).max();
    assert!(largest < Some(32), "a step of {largest:?}: {seen:?}");
    let dropped =
        |status: &serde_json::Value| status["encoding"]["dropped_frames"].as_u64().unwrap();
    assert_eq!(dropped(&engine.status()), dropped(&before));
}

/// Numbers without order, the same at each run.
fn dice() -> impl FnMut(u64) -> u64 {
    let mut state = 12_345_u64;
    move |sides| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) % sides
    }
}

#[test]
fn of_two_hundred_takes_at_any_moment_no_frame_is_torn() {
    let (engine, _laptops, relay) = on_air();
    engine.ctl(&["take", "side"]).assert_ok();
    std::thread::sleep(seconds(1));
    let mut dice = dice();
    let take = |layout: &str, transition: &str, milliseconds: u64| {
        let length = format!("{milliseconds}ms");
        let take = [
            "take",
            layout,
            "--transition",
            transition,
            "--duration",
            &length,
        ];
        engine.ctl(&take).assert_ok();
    };
    let seen = pictures(relay, || {
        for n in 0..140 {
            // Many a mix is overtaken by the next take.
            let transition = ["cut", "mix"][dice(2) as usize];
            take(["swapped", "side"][n % 2], transition, 40 + dice(200));
            std::thread::sleep(Duration::from_millis(20 + dice(100)));
        }
    });
    let (mut pure, mut between) = (0, 0);
    for (n, picture) in seen.iter().enumerate() {
        // Red slides and a green camera change places: as much as the one side has of red, the
        // other one lacks.
        let red = [0.075, 0.575].map(|x| f64::from(picture.colour_at(x, 0.55).0));
        let whole = f64::from(Colour::SLIDE_RED.0);
        let sum = (red[0] + red[1]) / whole;
        assert!(
            (0.8..1.2).contains(&sum),
            "frame {n}: {red:?}: {}",
            picture.keep()
        );
        let is_pure = red
            .iter()
            .all(|red| *red < 0.1 * whole || *red > 0.9 * whole);
        *(if is_pure { &mut pure } else { &mut between }) += 1;
    }
    assert!(
        pure > 60 && between > 40,
        "{pure} frames of a layout, {between} between"
    );

    engine.ctl(&["take", "left"]).assert_ok();
    let seen = pictures(relay, || {
        for n in 0..60 {
            let transition = ["cut", "morph"][dice(2) as usize];
            take(["right", "left"][n % 2], transition, 100);
            // A morph that is overtaken goes on as a mix.
            std::thread::sleep(Duration::from_millis(150 + dice(60)));
        }
    });
    let mut places = std::collections::HashSet::new();
    for (n, picture) in seen.iter().enumerate() {
        let green = |column: i32, row: i32| {
            let (x, y) = (
                (f64::from(column) + 0.5) / 64.0,
                (f64::from(row) + 0.5) / 36.0,
            );
            picture.colour_at(x, y).distance(Colour::CAMERA_GREEN) < 60
        };
        let found: Vec<(i32, i32)> = (0..64)
            .flat_map(|column| (0..36).map(move |row| (column, row)))
            .filter(|(column, row)| green(*column, *row))
            .collect();
        let left = found
            .iter()
            .map(|(column, _)| *column)
            .min()
            .expect("green");
        let right = found
            .iter()
            .map(|(column, _)| *column)
            .max()
            .expect("green");
        let top = found.iter().map(|(_, row)| *row).min().expect("green");
        // One piece, a quarter of the width, as far down as it is to the right.
        let case = format!(
            "frame {n}: {left} to {right}, from {top}: {}",
            picture.keep()
        );
        assert!((14..=17).contains(&(right - left + 1)), "{case}");
        let (across, down) = (f64::from(left) / 48.0, f64::from(top) / 27.0);
        assert!((across - down).abs() < 0.08, "{case}");
        places.insert(left);
    }
    assert!(places.len() >= 4, "only at {places:?}");
}

#[test]
fn a_morph_carries_a_slot_to_its_new_place() {
    let (engine, _laptops, relay) = on_air();
    engine.ctl(&["take", "left"]).assert_ok();
    std::thread::sleep(seconds(1));
    let pictures = pictures(relay, || {
        let morph = ["take", "right", "--transition", "morph", "--duration", "1s"];
        engine.ctl(&morph).assert_ok();
        std::thread::sleep(seconds(1));
    });
    // The middle of what is green, and how much that is.
    let mut middles = Vec::new();
    for (n, picture) in pictures.iter().enumerate() {
        let mut found = Vec::new();
        for column in 0..64 {
            for row in 0..36 {
                let at = |i: i32, count: f64| (f64::from(i) + 0.5) / count;
                let colour = picture.mean(at(column, 64.0), at(row, 36.0), 0.0, 0.0);
                if colour.distance(Colour::CAMERA_GREEN) < 60 {
                    found.push(f64::from(column));
                }
            }
        }
        // A quarter of the width by a quarter of the height, less the white box.
        let share = found.len() as f64 / (64.0 * 36.0);
        assert!(
            (0.04..0.075).contains(&share),
            "frame {n}: {share} of it is green: {}",
            picture.keep()
        );
        middles.push(found.iter().sum::<f64>() / found.len() as f64 / 64.0);
    }
    assert!((middles[5] - 0.125).abs() < 0.02, "{middles:?}");
    assert!(
        (middles.last().unwrap() - 0.875).abs() < 0.02,
        "{middles:?}"
    );
    assert!(
        middles.windows(2).all(|pair| pair[1] > pair[0] - 0.01),
        "{middles:?}"
    );
    let moving = middles.iter().filter(|x| (0.15..0.85).contains(*x)).count();
    assert!((18..=30).contains(&moving), "{moving} frames: {middles:?}");
}

#[test]
fn sound_that_is_heard_on_air_only_fades_with_the_picture() {
    let (engine, _laptops, relay) = on_air();
    let mut viewer = Viewer::watch(&format!("rtsp://127.0.0.1:{relay}/programme"));
    viewer.wait_picture(seconds(8));
    std::thread::sleep(seconds(1));
    for layout in ["speaker", "slides"] {
        let mix = ["take", layout, "--transition", "mix", "--duration", "2s"];
        engine.ctl(&mix).assert_ok();
        std::thread::sleep(seconds(3));
    }
    let sound = viewer.stop().sound();
    let levels: Vec<f64> = (sound.levels_db(0.1).iter())
        .map(|level| level.max(-80.0))
        .collect();
    let loudest = levels.iter().position(|level| *level > -15.5).unwrap();
    let (up, down) = levels.split_at(loudest);
    let between = |level: &&f64| (-60.0..-15.5).contains(*level);
    for (way, part) in [("up", up), ("down", down)] {
        let fading = part.iter().filter(between).count();
        assert!((15..=21).contains(&fading), "{way}: {levels:?}");
    }
    assert!(up.windows(2).all(|w| w[1] > w[0] - 0.5), "{levels:?}");
    assert!(down.windows(2).all(|w| w[1] < w[0] + 0.5), "{levels:?}");
    // A 1 kHz tone of that level moves 0.033 from one sample to the next.
    let step = sound.between(0.2, sound.seconds() - 0.1).largest_step();
    assert!(step < 0.045, "a click of {step}");
}

#[test]
fn a_transition_that_is_too_long_is_refused_with_what_is_accepted() {
    let engine = Engine::start(&venue(free_port()));
    let mix = |duration| {
        let words = ["take", "speaker", "--transition", "mix", "--duration"];
        engine.ctl(&[&words[..], &[duration]].concat())
    };
    mix("20s").assert_refused("duration 20000ms is too long; accepted: 0ms to 10000ms");
    assert_eq!(engine.status()["programme"]["layout"], "slides");
    mix("10s").assert_ok();
}

#[test]
fn an_engine_that_dies_in_a_transition_comes_back_after_it() {
    let mut engine = Engine::start(&venue(free_port()));
    let mix = ["take", "left", "--transition", "mix", "--duration", "10s"];
    engine.ctl(&mix).assert_ok();
    engine.restart();
    assert_eq!(engine.status()["programme"]["layout"], "left");
}

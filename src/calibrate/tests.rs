//! Drawn pictures and made-up sounds, a known time apart.

use super::*;
use crate::engine::chance::Chance;

/// Points across and down.
const WIDE: usize = 64;
const HIGH: usize = 36;
const RATE: f64 = 48_000.0;

/// What happens in front of the camera, besides noise of the sensor and light that flickers.
#[derive(Clone, Copy)]
enum Scene {
    /// Flashes of a tenth of a second.
    Flash,
    /// The same, with pictures exposed for this share of their distance.
    Exposed(f64),
    /// Two hands that meet.
    Clap,
    /// Nothing.
    Empty,
}

/// Times of events, about every 0.9 s, never evenly.
fn times(count: usize, chance: &mut Chance) -> Vec<f64> {
    (0..count)
        .map(|n| 1.5 + n as f64 * 0.9 + chance.next() * 0.4)
        .collect()
}

fn luma(scene: Scene, time: f64, distance: f64, events: &[f64]) -> impl Fn(usize, usize) -> f64 {
    let lit = |time: f64| events.iter().any(|at| (*at..*at + 0.1).contains(&time));
    let flash = match scene {
        Scene::Flash => f64::from(u8::from(lit(time))),
        // The stamp is the middle of the exposure.
        Scene::Exposed(share) => {
            let open = share * distance;
            let parts = (0..20).filter(|n| lit(time + open * ((*n as f64 + 0.5) / 20.0 - 0.5)));
            parts.count() as f64 / 20.0
        }
        Scene::Clap | Scene::Empty => 0.0,
    };
    let hands = matches!(scene, Scene::Clap).then(|| {
        // How far each hand is from the middle: it comes at 90 points a second, rests, and leaves.
        let nearest = events.iter().map(|at| time - at);
        let since = nearest.min_by(|a, b| a.abs().total_cmp(&b.abs()));
        let since = since.unwrap_or(9.0);
        match since {
            s if s < 0.0 => (-s * 90.0).min(14.0),
            s if s < 0.09 => 0.0,
            s => ((s - 0.09) * 40.0).min(14.0),
        }
    });
    move |x, y| {
        // 100 Hz light, read line by line.
        let flicker = 3.0 * ((time + y as f64 / HIGH as f64 * distance) * 628.3).sin();
        // How much of the point a hand covers.
        let hand = hands.map_or(0.0, |apart| {
            let from_middle = (x as f64 + 0.5 - WIDE as f64 / 2.0).abs();
            let covered = (from_middle + 0.5).min(apart + 6.0) - (from_middle - 0.5).max(apart);
            if (12..24).contains(&y) {
                covered.clamp(0.0, 1.0)
            } else {
                0.0
            }
        });
        60.0 + flicker + 70.0 * flash + 110.0 * hand
    }
}

fn seen(scene: Scene, fps: f64, phase: f64, events: &[f64], chance: &mut Chance) -> Sight {
    let mut sight = Sight::default();
    let length = events.last().copied().unwrap_or(8.0) + 1.5;
    for n in 0..(length * fps) as usize {
        let time = (n as f64 + phase) / fps;
        let luma = luma(scene, time, 1.0 / fps, events);
        let grid: Vec<u8> = (0..WIDE * HIGH)
            .map(|i| (luma(i % WIDE, i / WIDE) + chance.next() * 6.0 - 3.0) as u8)
            .collect();
        // Stamps of a millisecond, as RTMP has them.
        sight.see((time * 1000.0).round() / 1000.0, &grid);
    }
    sight
}

/// Beeps, or claps, at these times, in a room that is not quite silent.
fn heard(events: &[f64], clap: bool, talk: bool, chance: &mut Chance) -> Hearing {
    let length = events.last().copied().unwrap_or(8.0) + 1.5;
    let mut samples: Vec<f32> = (0..(length * RATE) as usize)
        .map(|_| (chance.next() as f32 - 0.5) * 0.004)
        .collect();
    let mut add = |at: f64, length: f64, wave: &mut dyn FnMut(f64) -> f64| {
        for n in (at * RATE).max(0.0).ceil() as usize..((at + length) * RATE) as usize {
            if let Some(sample) = samples.get_mut(n) {
                *sample += wave(n as f64 / RATE - at) as f32;
            }
        }
    };
    if talk {
        // Syllables: tones that swell within some 40 ms, up to the first event and between them.
        for n in 0..40 {
            let at = 0.2 + f64::from(n) * 0.27 + chance.next() * 0.05;
            let pitch = 120.0 + chance.next() * 80.0;
            add(at, 0.2, &mut |t| {
                let swell = (t / 0.04).min(1.0) * ((0.2 - t) / 0.08).clamp(0.0, 1.0);
                0.04 * swell * (t * pitch * std::f64::consts::TAU).sin()
            });
        }
    }
    for at in events {
        if clap {
            add(*at, 0.15, &mut |t| {
                (chance.next() - 0.5) * 1.4 * (-t / 0.012).exp()
            });
        } else {
            add(*at, 0.1, &mut |t| {
                0.4 * (t * 1000.0 * std::f64::consts::TAU).sin()
            });
        }
    }
    let mut hearing = Hearing::new(RATE);
    for (n, block) in samples.chunks(480).enumerate() {
        let jitter = (chance.next() - 0.5) * 0.001;
        hearing.hear(n as f64 * 0.01 + jitter, block.iter().copied());
    }
    hearing
}

/// What is found where pictures are stamped later than sounds by so many ms.
fn verdict(scene: Scene, fps: f64, offset_ms: f64, count: usize, talk: bool) -> Verdict {
    let mut chance = Chance::default();
    // Another beginning for each.
    for _ in 0..(fps + offset_ms + 500.0) as usize {
        chance.next();
    }
    let events = times(count, &mut chance);
    let phase = chance.next();
    let sight = seen(scene, fps, phase, &events, &mut chance);
    let sounds: Vec<f64> = events.iter().map(|at| at - offset_ms / 1000.0).collect();
    let clap = matches!(scene, Scene::Clap);
    judge(&sight, &heard(&sounds, clap, talk, &mut chance))
}

#[track_caller]
fn found(verdict: Verdict) -> Found {
    match verdict {
        Verdict::Found(found) => found,
        other => panic!("{other:?}"),
    }
}

const OFFSETS: [f64; 7] = [-120.0, -80.0, -40.0, 0.0, 40.0, 80.0, 120.0];

#[test]
fn a_flash_and_a_beep_are_found_within_5_ms() {
    for fps in [25.0, 30.0, 60.0] {
        for offset in OFFSETS {
            for talk in [false, true] {
                let found = found(verdict(Scene::Flash, fps, offset, 16, talk));
                let error = found.offset * 1000.0 - offset;
                assert!(
                    error.abs() < 5.0,
                    "{fps} {offset} {talk}: {error} {found:?}"
                );
                assert_eq!((found.by, found.seen, found.agree), (By::Flash, 16, 16));
                assert!(found.doubt < 0.005 && found.spread < 0.6 / fps, "{found:?}");
            }
        }
    }
}

#[test]
fn an_exposure_makes_no_difference() {
    for share in [0.2, 0.5, 0.95] {
        for offset in OFFSETS {
            let found = found(verdict(Scene::Exposed(share), 25.0, offset, 16, false));
            let error = found.offset * 1000.0 - offset;
            assert!(error.abs() < 5.0, "{share} {offset}: {error} {found:?}");
        }
    }
}

#[test]
fn claps_are_found() {
    let mut worst = 0.0f64;
    for fps in [25.0, 30.0, 60.0] {
        for offset in OFFSETS {
            for talk in [false, true] {
                let found = found(verdict(Scene::Clap, fps, offset, 8, talk));
                let error = found.offset * 1000.0 - offset;
                worst = worst.max(error.abs());
                assert!(
                    error.abs() < 8.0,
                    "{fps} {offset} {talk}: {error} {found:?}"
                );
                assert_eq!(found.by, By::Clap);
                assert!(found.agree >= 6, "{found:?}");
            }
        }
    }
    eprintln!("claps: worst {worst:.1} ms");
}

#[test]
fn false_events_do_not_mislead() {
    let mut chance = Chance::default();
    let events = times(8, &mut chance);
    let mut lights = events.clone();
    // The light is switched now and then, and doors bang.
    lights.extend([0.7, 4.9, 9.2]);
    lights.sort_unstable_by(f64::total_cmp);
    let mut sounds: Vec<f64> = events.iter().skip(1).map(|at| at + 0.04).collect();
    sounds.extend([0.4, 2.3, 3.9, 7.7]);
    sounds.sort_unstable_by(f64::total_cmp);
    let sight = seen(Scene::Flash, 30.0, 0.3, &lights, &mut chance);
    let found = found(judge(&sight, &heard(&sounds, false, true, &mut chance)));
    assert!((found.offset + 0.04).abs() < 0.005, "{found:?}");
    assert_eq!(found.agree, 7);
}

#[test]
fn what_cannot_be_known_is_said_to_be_unknown() {
    let mut chance = Chance::default();
    let events = times(6, &mut chance);
    let none: [f64; 0] = [];
    let flashes = seen(Scene::Flash, 30.0, 0.3, &events, &mut chance);
    let beeps = heard(&events, false, false, &mut chance);
    let empty = seen(Scene::Empty, 30.0, 0.3, &none, &mut chance);
    assert_eq!(judge(&Sight::default(), &beeps), Verdict::NoPictures);
    assert_eq!(judge(&flashes, &Hearing::new(RATE)), Verdict::NoSound);
    assert_eq!(judge(&empty, &beeps), Verdict::NothingSeen(0));
    let talk = heard(&none, false, true, &mut chance);
    let verdict = judge(&flashes, &talk);
    assert!(matches!(verdict, Verdict::NothingHeard(_)), "{verdict:?}");
    let others = heard(&[0.9, 2.0, 3.3, 5.9, 7.1, 8.4], false, false, &mut chance);
    let verdict = judge(&flashes, &others);
    assert!(
        matches!(verdict, Verdict::NoAgreement { .. }),
        "{verdict:?}"
    );
    // A metronome: half a period to the one side is as good as to the other.
    let even: Vec<f64> = (0..20).map(|n| 1.0 + f64::from(n) * 0.5).collect();
    let sounds: Vec<f64> = even.iter().map(|at| at + 0.24).collect();
    let sight = seen(Scene::Flash, 30.0, 0.3, &even, &mut chance);
    let verdict = judge(&sight, &heard(&sounds, false, false, &mut chance));
    assert_eq!(verdict, Verdict::TooEven);
}

//! The audio desk: a real sound server's, and a sound card in a virtual machine.

#![allow(clippy::unwrap_used)]

mod common;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use common::{
    Engine, Process, Recording, Room, SoundServer, Viewer, Vm, free_port, seconds, wait_until,
};
use regie::control::monitor::Reader;
use serde_json::Value;

fn venue(relay: u16, desk: &str) -> String {
    format!(
        r#"
[programme]
size = "320x180"
[relay]
listen = "127.0.0.1:{relay}"
[[source]]
id = "camera"
kind = "test"
role = "speaker"
sound = "off"
size = "320x180"
[desk]
{desk}
"#
    )
}

/// An engine whose desk is the server's, with these lines under `[desk]`.
#[track_caller]
fn on_air(server: &SoundServer, relay: u16, desk: &str) -> Engine {
    let room = Room::new(&venue(relay, desk)).env("PULSE_SERVER", &server.address());
    let engine = room.start();
    wait_live(&engine, 1);
    engine
}

/// Waits until the desk has become live for the `n`th time; says how long that took.
#[track_caller]
fn wait_live(engine: &Engine, n: u64) -> Duration {
    let begun = Instant::now();
    engine.wait_status(seconds(30), "the desk is live", |status| {
        let desk = &status["desk"];
        desk["state"] == "live" && desk["connects"].as_u64() >= Some(n)
    });
    begun.elapsed()
}

#[track_caller]
fn record(relay: u16, during: impl FnOnce()) -> Recording {
    let mut viewer = Viewer::watch(&format!("rtsp://127.0.0.1:{relay}/programme"));
    viewer.wait_picture(seconds(8));
    std::thread::sleep(Duration::from_millis(500));
    during();
    std::thread::sleep(Duration::from_millis(700));
    viewer.stop()
}

/// What is heard while nothing changes.
#[track_caller]
fn heard(relay: u16) -> common::Sound {
    let sound = record(relay, || std::thread::sleep(seconds(1))).sound();
    sound.between(0.3, sound.seconds() - 0.1)
}

/// The codes of the desk's faults.
fn faults(status: &Value) -> Vec<String> {
    let all = status["faults"].as_array().cloned().unwrap_or_default();
    let of_desk = all.iter().filter(|fault| fault["scope"] == "desk");
    of_desk
        .map(|fault| fault["code"].as_str().unwrap_or_default().to_owned())
        .collect()
}

/// A tone of -20 dB, as a level over its cycles.
const TONE: &str = "0.141421*sin(2*PI*1000*t)";
const OTHER: &str = "0.141421*sin(2*PI*440*t)";

#[test]
fn the_desk_is_heard_at_its_level_and_obeys_as_a_source_does() {
    let server = SoundServer::start(48_000);
    let _tune = server.play(TONE, TONE);
    let relay = free_port();
    let mut engine = on_air(&server, relay, "device = \"default\"\nlabel = \"FOH\"");
    let status = engine.status();
    let desk = &status["desk"];
    assert_eq!(desk["label"], "FOH");
    assert!(
        desk["sound"].as_str().unwrap().starts_with("48000 Hz f32"),
        "{desk}"
    );
    assert_eq!(faults(&status), Vec::<String>::new());
    let sound = heard(relay);
    sound.assert_tone(1000.0);
    let level = sound.level_db();
    assert!((level + 20.0).abs() < 0.5, "{level} dB");
    assert!(
        sound.largest_step() < 0.03,
        "a click of {}",
        sound.largest_step()
    );
    engine.ctl(&["gain", "desk", "-12dB"]).assert_ok();
    engine.ctl(&["delay", "desk", "200ms"]).assert_ok();
    let sound = heard(relay);
    let level = sound.level_db();
    assert!((level + 32.0).abs() < 0.5, "{level} dB");
    engine.ctl(&["mute", "desk", "on"]).assert_ok();
    assert!(heard(relay).level_db() < -70.0);
    let refused = engine.ctl(&["role", "speaker=desk"]);
    refused.assert_refused("no source \"desk\"");
    // A restart knows all of it.
    engine.restart();
    wait_live(&engine, 1);
    let desk = engine.status()["desk"].clone();
    assert_eq!(
        (&desk["gain_db"], &desk["mute"]),
        (&(-12.0).into(), &true.into())
    );
    assert_eq!(desk["delay_ms"], 200);
    let said = engine.ctl(&["status"]);
    assert!(said.out.contains("  desk      default"), "{}", said.out);
    let ended = engine.terminate();
    assert!(ended < seconds(3), "{ended:?}");
}

#[test]
fn a_desk_that_is_silent_or_too_loud_is_told_of() {
    let server = SoundServer::start(48_000);
    let lines = "device = \"default\"\n[alarms]\nsilence = \"1s\"";
    let engine = on_air(&server, free_port(), lines);
    let alarms = |status: &Value, codes: &[&str]| {
        status["desk"]["alarms"] == serde_json::json!(codes) && faults(status) == codes
    };
    engine.wait_status(seconds(8), "silence", |status| alarms(status, &["silent"]));
    engine.ctl(&["slate", "on"]).assert_ok();
    let asked = "nobody is asked for sound in a pause";
    engine.wait_status(seconds(3), asked, |status| alarms(status, &[]));
    engine.ctl(&["slate", "off"]).assert_ok();
    engine.wait_status(seconds(8), "silence", |status| alarms(status, &["silent"]));
    engine.ctl(&["mute", "desk", "on"]).assert_ok();
    let asked = "what is muted may be silent, but not the programme";
    engine.wait_status(seconds(8), asked, |status| {
        status["encoding"]["alarms"] == serde_json::json!(["silent"])
    });
    engine.wait_status(seconds(3), asked, |status| alarms(status, &[]));
    engine.ctl(&["mute", "desk", "off"]).assert_ok();
    engine.wait_status(seconds(8), "silence", |status| alarms(status, &["silent"]));
    let tune = server.play(TONE, TONE);
    engine.wait_status(seconds(8), "a tone", |status| alarms(status, &[]));
    drop(tune);
    let _noise = server.play("1.4*sin(2*PI*1000*t)", TONE);
    let loud = "a desk that is cut off";
    engine.wait_status(seconds(15), loud, |status| alarms(status, &["clipping"]));
}

#[test]
fn one_channel_or_the_other_is_heard_on_both_sides_at_any_rate() {
    let server = SoundServer::start(44_100);
    let _tune = server.play(OTHER, TONE);
    for (lines, hertz) in [
        ("device = \"pulse\"\nchannels = 2\nrate = 44100", 1000.0),
        ("device = \"pulse\"\nchannels = [1]\nrate = 96000", 440.0),
    ] {
        let relay = free_port();
        let _engine = on_air(&server, relay, lines);
        let sound = heard(relay);
        sound.assert_tone(hertz);
        // The card's clock is still being learnt: what is not in its place yet is stretched, which is
        // another pitch, and no other sound beside it.
        let pitch = sound.pitch();
        assert!((pitch / hertz - 1.0).abs() < 0.002, "{lines}: {pitch} Hz");
        let (level, share) = (sound.level_db(), sound.tone_share(pitch));
        assert!((level + 20.0).abs() < 0.7, "{lines}: {level} dB");
        assert!(share > 0.99, "{lines}: {share}");
    }
}

#[test]
fn a_server_that_dies_or_freezes_costs_the_desk_alone_and_it_comes_back() {
    let mut server = SoundServer::start(48_000);
    let mut tune = server.play(TONE, TONE);
    let relay = free_port();
    let engine = on_air(&server, relay, "device = \"pulse\"");
    let mut back = Vec::new();
    let mut frozen = 0.0;
    let recording = record(relay, || {
        let begun = Instant::now();
        server.kill();
        let gone = engine.wait_status(seconds(5), "the desk is missed", |status| {
            status["desk"]["state"] != "live" && !faults(status).is_empty()
        });
        let codes = faults(&gone);
        assert!(["lost", "absent"].contains(&codes[0].as_str()), "{codes:?}");
        engine.wait_status(seconds(5), "it is not there", |status| {
            faults(status) == ["absent"] && status["desk"]["state"] != "live"
        });
        server.restart();
        tune = server.play(TONE, TONE);
        back.push(wait_live(&engine, 2));
        std::thread::sleep(seconds(1));
        frozen = begun.elapsed().as_secs_f64();
        server.freeze();
        engine.wait_status(seconds(6), "the desk is missed again", |status| {
            !faults(status).is_empty()
        });
        engine.ctl(&["gain", "desk", "0dB"]).assert_ok();
        server.thaw();
        back.push(wait_live(&engine, 3));
        std::thread::sleep(seconds(2));
    });
    drop(tune);
    eprintln!("back after {back:?}");
    // An attempt at a server that is not there, and the pause after it, come before the one that succeeds.
    assert!(back.iter().all(|back| *back < seconds(8)), "{back:?}");
    assert_eq!(faults(&engine.status()), Vec::<String>::new());
    recording.assert_no_frame_missing(30.0);
    recording.assert_stamps_never_go_backwards();
    let (at, gap) = recording.audio().longest_gap();
    assert!(
        gap < 0.025,
        "a gap of {gap} s in the sound's packets at {at} s"
    );
    let sound = recording.sound();
    let level = sound
        .between(sound.seconds() - 1.5, sound.seconds() - 0.2)
        .level_db();
    assert!((level + 20.0).abs() < 0.7, "it is heard again: {level} dB");
    // What a server that goes on has lost in its own buffers is a step of the tone that it hands on.
    let step = sound.between(0.3, frozen).largest_step();
    assert!(step < 0.06, "a click of {step}");
    let counters = engine.status()["encoding"].clone();
    assert_eq!(counters["dropped_frames"], 0, "{counters}");
}

#[test]
fn its_sound_keeps_its_place() {
    let server = SoundServer::start(48_000);
    // A beep at each second.
    let beep = "0.5*sin(2*PI*1000*t)*lt(mod(t,1),0.1)";
    let _tune = server.play(beep, beep);
    let relay = free_port();
    let engine = on_air(&server, relay, "device = \"default\"");
    // Where the first blocks were held up, it glides to its place, by at most a thousandth of time.
    std::thread::sleep(seconds(12));
    let recording = record(relay, || std::thread::sleep(seconds(18)));
    let onsets = recording.sound().onsets(-30.0);
    assert!(onsets.len() >= 16, "{onsets:?}");
    let places: Vec<f64> = onsets
        .iter()
        .map(|at| (at - onsets[0] + 0.5).fract() - 0.5)
        .collect();
    let least = places.iter().copied().fold(f64::MAX, f64::min);
    let most = places.iter().copied().fold(f64::MIN, f64::max);
    eprintln!(
        "beeps within {:.1} ms; {}",
        (most - least) * 1e3,
        engine.status()["desk"]
    );
    // Onsets are found to 2 ms; the server itself may slip once, where the machine is busy.
    let mut sorted = places.clone();
    sorted.sort_by(f64::total_cmp);
    let usual = sorted[sorted.len() - 2] - sorted[1];
    assert!(usual < 0.008 && most - least < 0.030, "{places:?}");
}

/// A file with ten minutes of a tone of 1 kHz and -20 dB on the left, of 440 Hz on the right.
fn write_tones(file: &Path, format: &str) {
    const RATE: u32 = 48_000;
    let mut data = Vec::new();
    // One second of whole cycles.
    for i in 0..RATE {
        for hertz in [1000.0, 440.0] {
            let sample =
                0.141_421 * (f64::from(i) / f64::from(RATE) * hertz * std::f64::consts::TAU).sin();
            match format {
                "S16_LE" => data.extend(((sample * 32_768.0) as i16).to_le_bytes()),
                _ => data.extend((sample as f32).to_le_bytes()),
            }
        }
    }
    std::fs::write(file, data.repeat(600)).unwrap();
}

/// Plays it into the guest's card.
fn play_into_card(folder: &Path, format: &str) -> Process {
    let file = folder.join("tones.raw");
    write_tones(&file, format);
    let mut command = Command::new("aplay");
    command
        .args([
            "-q",
            "-D",
            "hw:CARD=Loopback,DEV=0",
            "-t",
            "raw",
            "-c",
            "2",
            "-f",
            format,
        ])
        .args(["-r", "48000"])
        .arg(&file);
    let process = Process::start("aplay", &mut command, &folder.join("aplay.log"));
    let status = "/proc/asound/Loopback/pcm0p/sub0/status";
    wait_until(seconds(20), "the card plays", || {
        std::fs::read_to_string(status).is_ok_and(|text| text.contains("RUNNING"))
    });
    process
}

/// Plugs the guest's card, or pulls it out of whoever uses it.
fn plug(is_in: bool) {
    let verb = if is_in { "bind" } else { "unbind" };
    let file = format!("/sys/bus/platform/drivers/snd_aloop/{verb}");
    // Pulling waits for everybody to let go.
    std::thread::spawn(move || std::fs::write(file, "snd_aloop.0").unwrap());
    let card = Path::new("/proc/asound/Loopback");
    wait_until(seconds(20), "the card comes or goes", || {
        card.exists() == is_in
    });
}

/// Waits until the meters of the desk and of the mix, which has nothing else, show this peak in dB.
#[track_caller]
fn wait_peak(engine: &Engine, db: f32) {
    let mut panel = Reader::open(&engine.room.socket(), &[]).unwrap();
    let mut seen = Vec::new();
    let near = |peak: &f32| (peak - db).abs() < 0.5;
    let begun = Instant::now();
    while begun.elapsed() < seconds(60) {
        seen = panel.levels().unwrap();
        let [mix, desk] = seen[..] else {
            panic!("meters of {} sounds", seen.len());
        };
        if mix.peak_db.iter().chain(&desk.peak_db).all(near) {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("no peak of {db} dB: {seen:?}");
}

#[test]
fn a_card_that_is_pulled_is_missed_and_heard_again() {
    Vm::new()
        .modules("snd-aloop")
        .run(a_card_that_is_pulled_is_missed_and_heard_again, || {
            let folder = tempfile::tempdir().unwrap();
            let player = play_into_card(folder.path(), "S16_LE");
            let relay = free_port();
            let desk = "device = \"hw:CARD=Loopback,DEV=1\"\nchannels = 1";
            // Its processors are emulated: there is nothing else to do.
            let venue = format!(
                "[programme]\nsize = \"64x64\"\nframerate = \"10\"\n\
                 [relay]\nlisten = \"127.0.0.1:{relay}\"\n[desk]\n{desk}\n"
            );
            let engine = Engine::start(&venue);
            wait_live(&engine, 1);
            let status = engine.status();
            assert_eq!(status["desk"]["sound"], "48000 Hz i16 2 channels");
            wait_peak(&engine, -17.0);
            // A machine that stands still loses sound, and goes on.
            let kill = |signal: &str| {
                let pid = engine.id().to_string();
                assert!(
                    Command::new("kill")
                        .args([signal, &pid])
                        .status()
                        .unwrap()
                        .success()
                );
            };
            let before = status["desk"]["xruns"].as_u64().unwrap();
            kill("-STOP");
            std::thread::sleep(Duration::from_millis(400));
            kill("-CONT");
            let status = engine.wait_status(seconds(10), "lost sound is counted", |status| {
                status["desk"]["xruns"].as_u64() > Some(before)
            });
            assert_eq!(status["desk"]["connects"], 1, "{}", status["desk"]);
            wait_peak(&engine, -17.0);
            // Pulled out, and plugged in again.
            drop(player);
            plug(false);
            engine.wait_status(seconds(20), "it is missed", |status| {
                status["desk"]["state"] != "live" && faults(status).contains(&"absent".to_owned())
            });
            let frames = engine.status()["encoding"]["frames"].as_u64();
            plug(true);
            let took = wait_live(&engine, 2);
            eprintln!("back after {took:?}");
            // It was there first, and chose.
            let _player = play_into_card(folder.path(), "FLOAT_LE");
            let status = engine.status();
            assert_eq!(status["desk"]["sound"], "48000 Hz f32 2 channels");
            assert!(status["encoding"]["frames"].as_u64() > frames);
            wait_peak(&engine, -17.0);
            eprintln!("{}", engine.status()["desk"]);
        });
}

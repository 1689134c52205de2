//! The slate for the whole programme: what it shows and sounds like, and that it goes by itself.

#![allow(clippy::unwrap_used)]

mod common;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use common::{
    Colour, Engine, Recording, Room, Said, Viewer, camera, free_port, seconds, wait_until,
};
use serde_json::Value;

/// Of the slate's picture: its left half, its right half.
const VIOLET: Colour = Colour(0x80, 0x30, 0x90);
const OCHRE: Colour = Colour(0xB0, 0x80, 0x20);
/// Behind the time left, and beside the picture.
const BOX: Colour = Colour(0x10, 0x18, 0x28);

/// A camera on air with its tone of 1 kHz, and this `[slate]`.
fn venue(relay: u16, slate: &str) -> String {
    format!(
        r#"
name = "Amphi A"
[programme]
size = "640x360"
[relay]
listen = "127.0.0.1:{relay}"
[[source]]
id = "camera"
kind = "file"
path = "{}"
role = "speaker"
[[layout]]
id = "speaker"
slots = [ {{ role = "speaker" }} ]
[slate]
{slate}
"#,
        camera().display()
    )
}

/// A room with a slate's files beside its venue.
#[track_caller]
fn room(relay: u16, slate: &str) -> Room {
    let room = Room::new("");
    let halves = "color=c=0x803090:s=320x400,format=gbrp[a];color=c=0xB08020:s=320x400,format=gbrp[b];[a][b]hstack";
    draw(
        &["-filter_complex", halves, "-frames:v", "1"],
        &room.path().join("slate.png"),
    );
    music(room.path());
    room.write_venue(&venue(relay, slate));
    room
}

/// A second of 440 Hz: a whole number of periods, so that a loop without a seam has none.
#[track_caller]
fn music(folder: &Path) {
    let tone = "aevalsrc=0.25*sin(2*PI*440*t):s=48000:d=1";
    draw(
        &["-f", "lavfi", "-i", tone, "-c:a", "pcm_s16le"],
        &folder.join("music.wav"),
    );
}

#[track_caller]
fn draw(arguments: &[&str], file: &Path) {
    let mut command = Command::new("ffmpeg");
    command
        .args(["-nostdin", "-v", "error", "-y"])
        .args(arguments);
    let said = Said::by(command.arg(file));
    assert!(said.is_ok(), "{said:?}");
}

#[track_caller]
fn wait_live(engine: &Engine) {
    engine.wait_status(seconds(10), "live", |status| {
        status["sources"][0]["state"] == "live"
    });
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_millis() as u64
}

/// Waits until the slate has gone, and says how late that was, in milliseconds.
#[track_caller]
fn wait_return(engine: &Engine, until: u64) -> i64 {
    let ahead = Duration::from_millis(until.saturating_sub(now()));
    wait_until(ahead + seconds(3), "the slate's return", || {
        engine.status()["slate"] == false
    });
    now() as i64 - until as i64
}

/// Watches the relay while something is done, and a moment before and after.
#[track_caller]
fn watch(relay: u16, during: impl FnOnce()) -> Recording {
    let mut viewer = Viewer::watch(&format!("rtsp://127.0.0.1:{relay}/programme"));
    viewer.wait_picture(seconds(8));
    std::thread::sleep(seconds(1));
    during();
    std::thread::sleep(seconds(1));
    viewer.stop()
}

#[test]
fn a_slate_shows_its_picture_plays_its_music_counts_down_and_goes_by_itself() {
    let relay = free_port();
    let engine = room(relay, "picture = \"slate.png\"\nmusic = \"music.wav\"").start();
    wait_live(&engine);
    let recording = watch(relay, || {
        engine.ctl(&["slate", "on", "--for", "3s"]).assert_ok();
        let status = engine.status();
        let until = status["slate_until"].as_u64().unwrap();
        assert_eq!(
            (&status["slate"], &status["slate_sound"]),
            (&Value::Bool(true), &"music".into())
        );
        assert!(engine.ctl(&["status"]).out.contains("SLATE IS ON until "));
        let late = wait_return(&engine, until);
        assert!((0..500).contains(&late), "{late} ms late");
        assert_eq!(engine.status()["slate_until"], Value::Null);
        std::thread::sleep(seconds(1));
    });
    recording.assert_no_frame_missing(30.0);

    let small = recording.every_picture(64, 36);
    let is = |picture: &common::Picture, left, right| {
        picture.colour_at(0.1, 0.2).is_like(left) && picture.colour_at(0.9, 0.2).is_like(right)
    };
    let slate: Vec<usize> = (0..small.len())
        .filter(|n| is(&small[*n], VIOLET, OCHRE))
        .collect();
    let (first, last) = (slate[0], *slate.last().unwrap());
    assert_eq!(last - first + 1, slate.len(), "it comes and goes once");
    assert!((86..=96).contains(&slate.len()), "{} frames", slate.len());
    // It comes at once, all of it; it goes over nine frames.
    let green = Colour::CAMERA_GREEN;
    assert!(
        (0..first).all(|n| is(&small[n], green, green)),
        "a torn frame"
    );
    let mixed = (last + 1..small.len()).take_while(|n| !is(&small[*n], green, green));
    let mixed = mixed.count();
    assert!((6..=9).contains(&mixed), "{mixed} frames of a mix");
    assert!((last + 1 + mixed..small.len()).all(|n| is(&small[n], green, green)));

    // The time left stands on the picture, changes each second, and nothing else does.
    let at = |frame: usize| recording.picture_at(frame as f64 / 30.0);
    let pictures = [at(first + 20), at(first + 50), at(first + 80)];
    for picture in &pictures {
        picture.assert_colour(0.285, 0.84, BOX);
        picture.assert_colour(0.715, 0.84, BOX);
        picture.assert_colour(0.2, 0.84, VIOLET);
        // It has another shape: the layout's ground is seen beside it.
        picture.assert_colour(0.02, 0.5, BOX);
        picture.assert_colour(0.98, 0.5, BOX);
        picture.assert_colour(0.5 + 0.02, 0.7, OCHRE);
        let bright = letters(picture);
        assert!(bright > 40, "{bright} bright places: {}", picture.keep());
    }
    assert!(pictures[0].largest_difference(&pictures[1]) > 100);
    assert!(pictures[1].largest_difference(&pictures[2]) > 100);

    let sound = recording.sound();
    let [start, end] = [first, last].map(|frame| frame as f64 / 30.0);
    let before = sound.between(0.2, start - 0.2);
    before.assert_tone(1000.0);
    let during = sound.between(start + 0.8, end - 0.2);
    during.assert_tone(440.0);
    assert!(during.tone_share(1000.0) < 0.001, "the room is silent");
    // It was played twice in there: 440 Hz of that amplitude move by 0.0144 a sample.
    assert!(during.longest_silence() < 0.001);
    assert!(during.largest_step() < 0.02, "{}", during.largest_step());
    let levels = during.levels_db(0.05);
    let quietest = levels.iter().copied().fold(f64::INFINITY, f64::min);
    assert!((-16.5..-14.0).contains(&quietest), "{levels:?}");
    // The room at once, the music over half a second.
    let fades = sound.between(start + 0.1, start + 0.2);
    assert!(fades.tone_share(1000.0) < 0.1 && fades.level_db() < -18.0);
    sound
        .between(end + 1.0, sound.seconds() - 0.1)
        .assert_tone(1000.0);
}

/// Bright places in the box of the time left.
fn letters(picture: &common::Picture) -> usize {
    let (width, height) = (picture.width as f64, picture.height as f64);
    let places = (180..460).flat_map(|x| (290..318).map(move |y| (f64::from(x), f64::from(y))));
    places
        .filter(|(x, y)| {
            let Colour(red, green, blue) =
                picture.mean(x / width, y / height, 1.0 / width, 1.0 / height);
            red.min(green).min(blue) > 170
        })
        .count()
}

#[test]
fn a_slate_outlives_a_crash_and_returns_in_time() {
    let relay = free_port();
    let mut engine = room(relay, "picture = \"slate.png\"").start();
    engine.ctl(&["slate", "on", "--for", "5s"]).assert_ok();
    let until = engine.status()["slate_until"].clone();
    engine.restart();
    let status = engine.status();
    assert_eq!(
        (&status["slate"], &status["slate_until"]),
        (&Value::Bool(true), &until)
    );
    assert_eq!(status["programme"]["state"], "slate");
    let late = wait_return(&engine, until.as_u64().unwrap());
    assert!((0..500).contains(&late), "{late} ms late");
    // What went by itself does not come back with the next start.
    engine.restart();
    assert_eq!(engine.status()["slate"], false);
    // Its time comes while nobody is there.
    engine.ctl(&["slate", "on", "--for", "1s"]).assert_ok();
    let until = engine.status()["slate_until"].as_u64().unwrap();
    engine.kill9();
    wait_until(seconds(3), "the return's time", || now() > until);
    // Its picture has gone meanwhile: that is refused by a check, but no reason to be off air.
    std::fs::remove_file(engine.room.path().join("slate.png")).unwrap();
    let checked = engine.room.regie(&["check", "venue.toml"]);
    assert!(!checked.is_ok());
    assert!(
        checked.err.contains("slate: picture = \"slate.png\""),
        "{checked:?}"
    );
    engine.restart();
    let status = engine.wait_status(seconds(3), "the fault", |status| {
        let faults = status["faults"].as_array().unwrap();
        faults.iter().any(|fault| fault["code"] == "slate-picture")
    });
    assert!(status["slate_until"].is_null());
    let status = engine.wait_status(seconds(3), "the programme again", |status| {
        status["encoding"]["state"] == "running" && status["programme"]["state"] == "on-air"
    });
    assert_eq!(
        (&status["slate"], &status["slate_until"]),
        (&Value::Bool(false), &Value::Null)
    );
}

#[test]
fn a_return_is_set_anew_taken_back_and_refused_where_nobody_can_mean_it() {
    let engine = Engine::start(&venue(free_port(), ""));
    let until = || engine.status()["slate_until"].clone();
    let refused = "accepted: a time within the next 12 hours";
    for span in ["0s", "13h"] {
        let said = engine.ctl(&["slate", "on", "--for", span]);
        assert!(said.err.contains(refused) && !said.is_ok(), "{said:?}");
    }
    engine
        .ctl(&["slate", "off", "--for", "10m"])
        .assert_refused("a slate that goes has no return; accepted: on with a return, or off");
    assert_eq!(engine.status()["slate"], false);
    // The minute after the next but one, on this machine's clock.
    let local = glib::DateTime::now_local().unwrap().add_minutes(2).unwrap();
    let text = local.format("%H:%M").unwrap();
    engine.ctl(&["slate", "on", "--until", &text]).assert_ok();
    let seconds = local.to_unix() - i64::from(local.second());
    assert_eq!(until(), Value::from(seconds * 1000));
    engine.ctl(&["slate", "on", "--for", "10m"]).assert_ok();
    let ahead = until().as_u64().unwrap() - now();
    assert!((590_000..=600_000).contains(&ahead), "{ahead} ms");
    // A take goes on behind it.
    engine.ctl(&["take", "slate"]).assert_ok();
    assert_eq!(engine.status()["slate"], true);
    engine.ctl(&["slate", "on"]).assert_ok();
    assert_eq!(
        (engine.status()["slate"].clone(), until()),
        (true.into(), Value::Null)
    );
    engine.ctl(&["slate", "on", "--for", "10m"]).assert_ok();
    engine.ctl(&["slate", "off"]).assert_ok();
    assert_eq!(
        (engine.status()["slate"].clone(), until()),
        (false.into(), Value::Null)
    );
}

#[test]
fn music_that_breaks_is_a_fault_in_words_and_the_show_goes_on() {
    let relay = free_port();
    let engine = room(relay, "music = \"music.wav\"").start();
    wait_live(&engine);
    let file = engine.room.path().join("music.wav");
    std::fs::write(&file, "no music any more").unwrap();
    engine.ctl(&["slate", "on"]).assert_ok();
    let fault = |status: &Value| {
        let faults = status["faults"].as_array().unwrap();
        faults
            .iter()
            .find(|fault| fault["code"] == "music")
            .cloned()
    };
    let status = engine.wait_status(seconds(5), "the fault", |status| fault(status).is_some());
    let said = fault(&status).unwrap()["happened"].clone();
    assert!(
        said.as_str()
            .unwrap()
            .starts_with("The slate's music cannot be played: "),
        "{said}"
    );
    let recording = watch(relay, || {});
    recording.assert_no_frame_missing(30.0);
    let level = recording.sound().level_db();
    assert!(level < -70.0, "silent: {level} dB");
    music(engine.room.path());
    engine.wait_status(seconds(6), "the music", |status| fault(status).is_none());
    let sound = watch(relay, || {}).sound();
    sound.between(0.3, sound.seconds() - 0.1).assert_tone(440.0);
    // Without a slate nobody plays it, and nobody is told of it.
    engine.ctl(&["slate", "off"]).assert_ok();
    std::fs::write(&file, "no music any more").unwrap();
    std::thread::sleep(seconds(2));
    engine.ctl(&["slate", "on"]).assert_ok();
    engine.wait_status(seconds(5), "the fault again", |status| {
        fault(status).is_some()
    });
    engine.ctl(&["slate", "off"]).assert_ok();
    assert_eq!(fault(&engine.status()), None);
}

#[test]
fn a_slate_may_leave_the_programmes_sound() {
    let relay = free_port();
    let engine = room(relay, "sound = \"programme\"\ntext = \"Pause\"").start();
    wait_live(&engine);
    engine.ctl(&["slate", "on"]).assert_ok();
    let recording = watch(relay, || {});
    let sound = recording.sound();
    sound
        .between(0.2, sound.seconds() - 0.1)
        .assert_tone(1000.0);
    // The drawn slate's ground.
    recording
        .late_picture()
        .assert_colour(0.1, 0.2, Colour(0x1B, 0x24, 0x33));
}

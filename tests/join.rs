//! The join card: what it prints is what a laptop needs.

#![allow(clippy::unwrap_used)]

mod common;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use common::{Engine, Process, Room, Said, footage, free_port, seconds};
use serde_json::Value;

/// A key that shells and URLs would make something of.
const KEY: &str = "it's 100% & $HOME";

fn room(relay: u16) -> Room {
    let venue = format!(
        r#"
name = "Amphi A"
[programme]
size = "640x360"
[relay]
listen = "127.0.0.1:{relay}"
[ingest]
rtmp = "127.0.0.1:{rtmp}"
srt = "127.0.0.1:{srt}"
guests = 3
guest_key_file = "guest.key"
[[source]]
id = "laptop"
kind = "push"
label = "Laptop on stage"
key_file = "laptop.key"
[[source]]
id = "pattern"
kind = "test"
"#,
        rtmp = free_port(),
        srt = free_port()
    );
    Room::new(&venue)
        .file("laptop.key", KEY)
        .file("guest.key", "come-as-you-are")
        .env("LC_ALL", "fr_FR.UTF-8")
}

#[track_caller]
fn join(engine: &Engine, arguments: &[&str]) -> String {
    let all: Vec<&str> = [&["join"], arguments].concat();
    engine.ctl(&all).assert_ok().out.clone()
}

/// What a camera reads in a picture.
#[track_caller]
fn read_code(picture: &Path) -> String {
    let mut command = Command::new("zbarimg");
    command.args(["--quiet", "--raw"]).arg(picture);
    let said = Said::by(&mut command);
    assert!(said.is_ok(), "{}: {said:?}", picture.display());
    said.out.trim().to_owned()
}

/// The code of a terminal's lines, drawn as a terminal with light letters on black draws it.
fn draw_blocks(text: &str, to: &Path) {
    const MODULE: usize = 6;
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| line.contains(['█', '▀', '▄']))
        .collect();
    let width = lines.iter().map(|line| line.chars().count()).max().unwrap();
    let mut rows = Vec::new();
    for line in &lines {
        for upper in [true, false] {
            let light = |c| c == '█' || c == if upper { '▀' } else { '▄' };
            let mut row: Vec<bool> = line.chars().map(light).collect();
            row.resize(width, false);
            rows.push(row);
        }
    }
    let mut picture = format!("P5\n{} {}\n255\n", width * MODULE, rows.len() * MODULE).into_bytes();
    for row in rows {
        for _ in 0..MODULE {
            let pixels = row
                .iter()
                .flat_map(|light| [u8::from(*light) * 255; MODULE]);
            picture.extend(pixels);
        }
    }
    std::fs::write(to, picture).unwrap();
}

#[test]
fn a_laptop_that_follows_the_card_is_live() {
    let relay = free_port();
    let engine = room(relay).start();
    let card = join(&engine, &["laptop", "--lang", "en"]);
    let line = card.lines().find(|line| line.contains("ffmpeg -re"));
    let line = line.unwrap_or_else(|| panic!("no line for ffmpeg:\n{card}"));
    let file = footage("camera.mp4");
    let line = line.trim().replace("FILE", file.to_str().unwrap());
    let line = line.replacen(
        "ffmpeg ",
        "exec ffmpeg -nostdin -v warning -stream_loop -1 ",
        1,
    );
    let log = engine.room.path().join("laptop.log");
    let mut shell = Command::new("sh");
    let mut laptop = Process::start("the laptop", shell.args(["-c", &line]), &log);
    engine.wait_status(seconds(12), "the laptop is live", |status: &Value| {
        let laptop = &status["sources"][0];
        laptop["state"] == "live" && laptop["publisher"]["protocol"] == "rtsp"
    });
    laptop.assert_running();
    assert!(!engine.log().contains(KEY), "{}", engine.log_tail());
}

#[test]
fn the_card_is_for_eyes_cameras_and_printers() {
    let relay = free_port();
    let engine = room(relay).start();
    let status = engine.status().to_string();
    assert!(!status.contains("come-as-you-are") && !status.contains("HOME"));
    let json: Value = serde_json::from_str(&join(&engine, &["laptop", "--json"])).unwrap();
    assert_eq!(json["key"], KEY);
    let port = |protocol: &str| {
        let all = json["entrances"].as_array().unwrap();
        let own = all.iter().find(|own| own["protocol"] == protocol).unwrap();
        own["port"].as_u64().unwrap()
    };
    assert_eq!(port("rtsp"), u64::from(relay));

    // The locale's language, unless another is asked for.
    let card = join(&engine, &["laptop"]);
    let key = "it%27s%20100%25%20%26%20%24HOME";
    let server = format!("Serveur        rtmp://127.0.0.1:{}/ingest\n", port("rtmp"));
    assert!(card.contains(&server), "{card}");
    assert!(
        card.contains(&format!("Clé de stream  laptop?key={key}\n")),
        "{card}"
    );
    let best = format!("rtmp://127.0.0.1:{}/ingest/laptop?key={key}", port("rtmp"));
    let picture = engine.room.path().join("code.pgm");
    draw_blocks(&card, &picture);
    assert_eq!(read_code(&picture), best);

    let page_file = engine.room.path().join("card.html");
    let page_name = page_file.to_str().unwrap();
    assert_eq!(
        join(&engine, &["--guest", "--lang", "en", "--html", page_name]),
        ""
    );
    let page = std::fs::read_to_string(&page_file).unwrap();
    let mode = page_file.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "the key is on it");
    assert_eq!(page, join(&engine, &["--guest", "--lang", "en", "--html"]));
    assert!(page.contains("<h1>Guests</h1>") && page.contains("room for 3 at a time"));
    let (start, end) = (page.find("<svg").unwrap(), page.find("</svg>").unwrap());
    let drawing = engine.room.path().join("code.svg");
    std::fs::write(&drawing, &page[start..end + 6]).unwrap();
    let picture = engine.room.path().join("code.png");
    let mut command = Command::new("ffmpeg");
    command
        .args(["-nostdin", "-v", "error", "-i"])
        .arg(&drawing);
    Said::by(command.args(["-frames:v", "1"]).arg(&picture)).assert_ok();
    let best = format!(
        "rtmp://127.0.0.1:{}/ingest/guest?key=come-as-you-are",
        port("rtmp")
    );
    assert_eq!(read_code(&picture), best);
    let srt = format!(
        "srt://127.0.0.1:{}?streamid=ingest/guest&amp;passphrase=come-as-you-are",
        port("srt")
    );
    assert!(page.contains(&srt), "{page}");

    let refused = |arguments: &[&str], reason: &str| {
        let all: Vec<&str> = [&["join"], arguments].concat();
        engine.ctl(&all).assert_refused(reason);
    };
    refused(&["pattern"], "is of kind test: nobody pushes to it");
    refused(&["lap-top"], "no source \"lap-top\"; there are: laptop");
    refused(&["guest-1"], "accepted: the card for all guests");
    refused(
        &["laptop", "--html", "/nowhere/card.html"],
        "/nowhere/card.html cannot be written",
    );
}

//! The reference configurations for where one machine is outgrown take the appliance's own stream
//! without one warning, and serve what they promise.

#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use common::{
    Engine, Laptop, Reference, Room, Said, Viewer, camera, free_port, seconds, wait_until,
};

fn venue(output: &str) -> String {
    format!(
        r#"
[programme]
size = "640x360"
video_bitrate = "1500k"
[relay]
listen = "127.0.0.1:{}"
[[source]]
id = "pattern"
kind = "test"
role = "slides"
size = "640x360"
[[output]]
id = "out"
{output}
"#,
        free_port()
    )
}

fn publishes(engine: &Engine) {
    engine.wait_status(seconds(8), "on air", |status| {
        status["outputs"][0]["state"] == "publishing"
    });
}

/// The streams of what is at a URL. ffmpeg has nothing to say of them.
#[track_caller]
fn streams(url: &str, options: &[&str]) -> Vec<Value> {
    let mut command = Command::new("timeout");
    let words = "20 ffprobe -v warning -show_streams -of json";
    let said = Said::by(command.args(words.split(' ')).args(options).arg(url));
    assert_eq!(said.assert_ok().err, "", "{url}");
    let shown: Value = serde_json::from_str(&said.out).unwrap();
    shown["streams"].as_array().unwrap().clone()
}

fn codecs(streams: &[Value]) -> Vec<&str> {
    let names = streams.iter().map(|stream| &stream["codec_name"]);
    names.map(|name| name.as_str().unwrap()).collect()
}

/// Three seconds of a URL can be decoded, all of them, without an error.
#[track_caller]
fn plays(url: &str) {
    let mut command = Command::new("timeout");
    let begin = "30 ffmpeg -nostdin -v error -xerror -live_start_index -2 -i";
    command.args(begin.split(' ')).arg(url);
    // By the stream's own clock: in units of a frame, as ffmpeg counts otherwise, two of the pictures that
    // lie half a frame beside the first sound are one.
    let end = "-t 3 -enc_time_base:v -1 -f null -";
    command.args(end.split(' '));
    let said = Said::by(&mut command);
    assert_eq!(said.assert_ok().err, "", "{url}");
}

/// The fragments of a playlist: seconds, and the file's name.
fn fragments(playlist: &str) -> Vec<(f64, String)> {
    let mut lines = playlist.lines();
    let mut found = Vec::new();
    while let Some(line) = lines.next() {
        if let Some(length) = line.strip_prefix("#EXTINF:") {
            let length = length.trim_end_matches(',').parse().unwrap();
            found.push((length, lines.next().unwrap().to_owned()));
        }
    }
    found
}

/// The number of a playlist's first fragment; 0 where there is none.
fn sequence(playlist: &str) -> u32 {
    let rest = playlist.split_once("#EXT-X-MEDIA-SEQUENCE:");
    let line = rest.and_then(|(_, rest)| rest.lines().next());
    line.map_or(0, |number| number.parse().unwrap())
}

/// One line of the list of what there is.
struct Offer {
    playlist: String,
    bandwidth: f64,
    resolution: Option<String>,
    codecs: String,
}

fn offers(list: &str) -> Vec<Offer> {
    let mut lines = list.lines();
    let mut found = Vec::new();
    while let Some(line) = lines.next() {
        let Some(words) = line.strip_prefix("#EXT-X-STREAM-INF:") else {
            continue;
        };
        let value = |name: &str| {
            let rest = words.split_once(&format!("{name}="))?.1;
            let quoted = rest
                .strip_prefix('"')
                .and_then(|rest| rest.split('"').next());
            Some(
                quoted
                    .unwrap_or_else(|| rest.split(',').next().unwrap())
                    .to_owned(),
            )
        };
        found.push(Offer {
            playlist: lines.next().unwrap().to_owned(),
            bandwidth: value("BANDWIDTH").unwrap().parse().unwrap(),
            resolution: value("RESOLUTION"),
            codecs: value("CODECS").unwrap(),
        });
    }
    found
}

/// Profile and level of H.264, as a list of codecs has them: `avc1.`, then each of the two, and what it
/// renounces between them, as two hexadecimal digits.
fn profile_and_level(codecs: &str) -> (&str, u64) {
    let word = codecs.strip_prefix("avc1.").unwrap();
    let profile = match &word[..2] {
        "4d" => "Main",
        "64" => "High",
        other => panic!("profile {other}"),
    };
    (profile, u64::from_str_radix(&word[4..6], 16).unwrap())
}

#[test]
fn the_buildings_relay_fans_the_programme_out_by_rtmp_and_hls() {
    let server = Reference::relay();
    let uri = format!("{}/amphi-a", server.rtmp_url("room"));
    let mut engine = Engine::start(&venue(&format!("uri = \"{uri}\"")));
    publishes(&engine);
    let mut viewers = [Viewer::watch(&uri), Viewer::watch(&uri)];
    for viewer in &mut viewers {
        viewer.wait_picture(seconds(8));
    }
    engine.ctl(&["take", "slides-speaker"]).assert_ok();
    let path = "/hls/amphi-a/index.m3u8";
    let playlist = || fs::read_to_string(server.hls().join("amphi-a/index.m3u8"));
    wait_until(seconds(20), "fragments", || {
        fragments(&playlist().unwrap_or_default()).len() >= 3
    });
    engine
        .ctl(&["take", "slides", "--transition", "mix"])
        .assert_ok();
    let seen = streams(&server.url(path), &[]);
    assert_eq!(codecs(&seen), ["h264", "aac"]);
    assert_eq!(seen[0]["width"], 640);
    plays(&server.url(path));
    // A browser's player, of a page that came from elsewhere, takes it for what it is, and anew each time.
    let page = server.get(path);
    for header in [
        "content-type: application/vnd.apple.mpegurl",
        "access-control-allow-origin: *",
        "cache-control: no-cache",
    ] {
        assert!(page.contains(header), "{page}");
    }
    let [one, other] = viewers.map(Viewer::stop);
    one.assert_stamps_never_go_backwards();
    // Both were sent the same pictures: all that came while both were there.
    let between = |from: f64, to: f64| {
        [&one, &other].map(|recording| {
            let packets = recording.video().packets.iter();
            let stamps = packets.map(|packet| packet.pts);
            stamps
                .filter(|at| (from..=to).contains(at))
                .collect::<Vec<_>>()
        })
    };
    let ends = [&one, &other].map(|recording| {
        let packets = &recording.video().packets;
        (packets[0].pts, packets[packets.len() - 1].pts)
    });
    let [of_one, of_other] = between(ends[0].0.max(ends[1].0), ends[0].1.min(ends[1].1));
    assert!(of_one.len() > 100, "{} pictures", of_one.len());
    assert_eq!(of_one, of_other);
    // Off air and on again; an end without a farewell; an end in good order.
    engine.ctl(&["output", "out", "stop"]).assert_ok();
    engine.ctl(&["output", "out", "start"]).assert_ok();
    publishes(&engine);
    engine.restart();
    publishes(&engine);
    let mut viewer = Viewer::watch(&uri);
    viewer.wait_picture(seconds(8));
    drop(viewer);
    engine.terminate();
    wait_until(seconds(5), "nobody publishes", || !server.publishing());
    server.assert_no_warning();
    server.stop();
}

const KEY: &str = "5ec7e7-k3y";
const LIST: &str = "/hls/amphi-a.m3u8";

/// The window, a quarter of an hour, in fragments: nginx-rtmp counts by the least length that one of the
/// pictures' has, ffmpeg by the sound's.
const WINDOW: [(&str, usize); 4] = [
    ("1080p", 15 * 60 * 1000 / 3900),
    ("720p", 15 * 60 * 1000 / 3900),
    ("360p", 15 * 60 * 1000 / 3900),
    ("sound", 15 * 60 / 4),
];

/// What an earlier part of the morning left: as much as there may be.
fn morning(hls: &Path) {
    for (kind, count) in WINDOW {
        let folder = hls.join(format!("amphi-a_{kind}"));
        fs::create_dir(&folder).unwrap();
        let fragments = (0..count).map(|number| format!("#EXTINF:4.000,\n{number}.ts\n"));
        let head = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-TARGETDURATION:4\n";
        let list = head.to_owned() + &fragments.collect::<String>();
        fs::write(folder.join("index.m3u8"), list).unwrap();
    }
}

#[test]
fn the_transcoder_offers_qualities_and_sound_alone_with_a_window_of_a_quarter_of_an_hour() {
    let server = Reference::transcoder(&format!("{KEY} amphi-a;\n"), morning);
    let output = format!(
        "uri = \"{}\"\nkey_file = \"out.key\"\ncertificate_check = false",
        server.rtmps_url("live")
    );
    let mut engine = Room::new(&venue(&output)).file("out.key", KEY).start();
    publishes(&engine);
    engine.ctl(&["take", "slides-speaker"]).assert_ok();
    let playlist = |kind: &str| {
        let file = server.hls().join(format!("amphi-a_{kind}/index.m3u8"));
        fs::read_to_string(file).unwrap_or_default()
    };
    wait_until(seconds(40), "two fragments of every kind", || {
        (WINDOW.iter()).all(|(kind, _)| sequence(&playlist(kind)) >= 2)
    });
    engine
        .ctl(&["take", "slides", "--transition", "mix"])
        .assert_ok();
    for (kind, count) in WINDOW {
        keeps_a_quarter_of_an_hour(&playlist(kind), count);
    }
    offers_what_there_is(&server);
    for (kind, _) in WINDOW {
        plays(&server.url(&format!("/hls/amphi-a_{kind}/index.m3u8")));
    }
    engine.terminate();
    wait_until(seconds(5), "nobody publishes", || !server.publishing());
    server.assert_no_warning();
    // The key is nobody's but the sender's: nothing that is kept is named after it.
    let named = Said::by(Command::new("find").arg(server.hls())).out;
    assert!(
        named.contains("amphi-a_720p") && !named.contains(KEY),
        "{named}"
    );
    turns_others_away(&server);
    server.stop();
}

/// The oldest left when others came.
#[track_caller]
fn keeps_a_quarter_of_an_hour(playlist: &str, count: usize) {
    let kept = fragments(playlist);
    assert_eq!(kept.len(), count, "{playlist}");
    assert_eq!(kept[0].1, format!("{}.ts", sequence(playlist)));
    let length: f64 = kept.iter().map(|(length, _)| length).sum();
    assert!((895.0..930.0).contains(&length), "{length} s");
}

/// The list names every quality, with the bit rate that it takes at most, its size, and how it is coded.
#[track_caller]
fn offers_what_there_is(server: &Reference) {
    let list = server.get(LIST);
    let offers = offers(&list);
    let names = WINDOW.map(|(kind, _)| format!("amphi-a_{kind}/index.m3u8"));
    let offered: Vec<&str> = offers.iter().map(|offer| offer.playlist.as_str()).collect();
    assert_eq!(offered, names, "{list}");
    let falls = offers
        .windows(2)
        .all(|two| two[0].bandwidth > two[1].bandwidth);
    assert!(falls, "{list}");
    let mut starts = Vec::new();
    for offer in &offers {
        let playlist = server.get(&format!("/hls/{}", offer.playlist));
        // One of today, which all have; the sound's have numbers of their own.
        let mut there = fragments(&playlist);
        if offer.resolution.is_some() {
            let second = format!("{}.ts", WINDOW[0].1 + 1);
            there.retain(|(_, name)| *name == second);
        }
        let (length, name) = there.pop().unwrap();
        let path = offer.playlist.replace("index.m3u8", &name);
        let size = fs::metadata(server.hls().join(&path)).unwrap().len();
        let rate = size as f64 * 8.0 / length;
        assert!(rate < offer.bandwidth, "{path}: {rate:.0} bits/s\n{list}");
        let seen = streams(&server.url(&format!("/hls/{path}")), &["-count_packets"]);
        let Some(resolution) = &offer.resolution else {
            assert_eq!(codecs(&seen), ["aac"], "{path} has no picture");
            assert_eq!(offer.codecs, "mp4a.40.2");
            continue;
        };
        assert_eq!(codecs(&seen), ["h264", "aac"], "{path}");
        let picture = &seen[0];
        assert_eq!(
            *resolution,
            format!("{}x{}", picture["width"], picture["height"])
        );
        assert_eq!(seen[1]["profile"], "LC");
        let (profile, level) = profile_and_level(offer.codecs.strip_suffix(",mp4a.40.2").unwrap());
        assert_eq!(picture["profile"], profile, "{path}");
        // What regie sends is smaller here than what the list is for.
        let actual = picture["level"].as_u64().unwrap();
        assert!(
            actual == level || offer.playlist.contains("1080p") && actual < level,
            "{path}: {actual}"
        );
        let start: f64 = picture["start_time"].as_str().unwrap().parse().unwrap();
        starts.push((name, picture["nb_read_packets"].clone(), start, length));
    }
    // The same pictures in all qualities. ffmpeg stamps in units of a frame what it encodes: half of one
    // is the most that this takes away or adds; and stamps are whole milliseconds.
    let together = |a: f64, b: f64| (a - b).abs() < 1.0 / 60.0 + 0.002;
    let same = |own: &(String, Value, f64, f64)| {
        let (name, count, start, length) = &starts[0];
        own.0 == *name && own.1 == *count && together(own.2, *start) && together(own.3, *length)
    };
    assert!(starts.iter().all(same), "{starts:?}");
}

/// Wrong keys, whoever would take a way around them, and whoever asks too much; nobody else notices.
#[track_caller]
fn turns_others_away(server: &Reference) {
    let wrong = [
        server.rtmps_url("live/wr0ng"),
        server.rtmp_url("live/wr0ng"),
        // Who comes by TLS is at this machine, but not this machine.
        server.rtmps_url("hls/amphi-a_720p"),
    ];
    for url in wrong {
        let _log = Laptop::push(&camera(), &url)
            .rtmp()
            .wait_refused(seconds(8));
    }
    let _log = Viewer::watch(&server.rtmps_url("live/amphi-a")).wait_refused(seconds(8));
    let mut flood = server.flood(LIST);
    wait_until(seconds(20), "too many", || flood.log().contains("429"));
    plays(&server.url("/hls/amphi-a_360p/index.m3u8"));
    // It was answered, until it asked too much, and is still at it.
    flood.assert_running();
    assert_eq!(flood.log(), "200\n429\n");
    drop(flood);
    let said = server.logs();
    let told = |words: &str| said.iter().filter(|line| line.contains(words)).count();
    assert_eq!(told("access forbidden by rule"), 2, "{said:#?}");
    assert!(told("limiting requests") > 0, "{said:#?}");
    assert_eq!(told(KEY) + told("wr0ng"), 0, "{said:#?}");
}

//! The reference configurations for where one machine is outgrown take the appliance's own stream
//! without one warning, and serve what they promise.

#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
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
fn streams(url: &str) -> Vec<Value> {
    let mut command = Command::new("timeout");
    let words = "20 ffprobe -v warning -show_streams -of json";
    let said = Said::by(command.args(words.split(' ')).arg(url));
    assert_eq!(said.assert_ok().err, "", "{url}");
    let shown: Value = serde_json::from_str(&said.out).unwrap();
    shown["streams"].as_array().unwrap().clone()
}

fn codecs(streams: &[Value]) -> Vec<&str> {
    let names = streams.iter().map(|stream| &stream["codec_name"]);
    names.map(|name| name.as_str().unwrap()).collect()
}

/// Five seconds of a URL can be decoded, all of them, without an error.
#[track_caller]
fn plays(url: &str) {
    let mut command = Command::new("timeout");
    command.args("30 ffmpeg -nostdin -v error -xerror -i".split(' '));
    command.arg(url).args("-t 5 -f null -".split(' '));
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

/// The number of a playlist's first fragment.
fn sequence(playlist: &str) -> u32 {
    let rest = playlist.split_once("#EXT-X-MEDIA-SEQUENCE:");
    let line = rest.and_then(|(_, rest)| rest.lines().next());
    line.unwrap().parse().unwrap()
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
    let seen = streams(&server.url(path));
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
    for viewer in viewers {
        let recording = viewer.stop();
        recording.assert_stamps_never_go_backwards();
        recording.assert_no_frame_missing(30.0);
    }
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
const PICTURES: [&str; 3] = ["1080p", "720p", "360p"];

/// The window: a quarter of an hour, in fragments of 4 s.
const WINDOW: usize = 15 * 60 / 4;

#[test]
fn the_transcoder_offers_qualities_and_sound_alone_with_a_window_of_a_quarter_of_an_hour() {
    let server = Reference::transcoder(&format!("{KEY} amphi-a;\n"), |hls| {
        // The sound of an earlier part of the morning: as much as there may be.
        let folder = hls.join("amphi-a_sound");
        fs::create_dir(&folder).unwrap();
        let mut list =
            "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-TARGETDURATION:4\n"
                .to_owned();
        for number in 0..WINDOW {
            list += &format!("#EXTINF:4.000,\n{number}.ts\n");
        }
        fs::write(folder.join("index.m3u8"), list).unwrap();
    });
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
        let all = PICTURES
            .iter()
            .all(|kind| fragments(&playlist(kind)).len() >= 2);
        all && sequence(&playlist("sound")) >= 2
    });
    engine
        .ctl(&["take", "slides", "--transition", "mix"])
        .assert_ok();
    keeps_a_quarter_of_an_hour(&playlist("sound"));
    offers_what_there_is(&server);
    // The same pictures in all qualities, from the same instant on.
    let lengths = PICTURES.map(|kind| {
        let first = fragments(&playlist(kind)).into_iter().take(2);
        first.map(|(length, _)| length).collect::<Vec<_>>()
    });
    assert!(lengths.iter().all(|own| *own == lengths[0]), "{lengths:?}");
    for kind in ["1080p", "720p", "360p", "sound"] {
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
fn keeps_a_quarter_of_an_hour(playlist: &str) {
    let kept = fragments(playlist);
    assert_eq!(kept.len(), WINDOW);
    assert_eq!(kept[0].1, format!("{}.ts", sequence(playlist)));
    let length: f64 = kept.iter().map(|(length, _)| length).sum();
    assert!((length - 900.0).abs() < 5.0, "{length} s");
}

/// The list names every quality, with the bit rate that it takes at most, its size, and how it is coded.
#[track_caller]
fn offers_what_there_is(server: &Reference) {
    let list = server.get(LIST);
    let offers = offers(&list);
    let names = ["1080p", "720p", "360p", "sound"].map(|kind| format!("amphi-a_{kind}/index.m3u8"));
    let offered: Vec<&str> = offers.iter().map(|offer| offer.playlist.as_str()).collect();
    assert_eq!(offered, names, "{list}");
    let falls = offers
        .windows(2)
        .all(|two| two[0].bandwidth > two[1].bandwidth);
    assert!(falls, "{list}");
    let mut starts = Vec::new();
    for offer in &offers {
        let playlist = server.get(&format!("/hls/{}", offer.playlist));
        // The newest; of pictures, one that all qualities have.
        let mut there = fragments(&playlist);
        there.truncate(if offer.resolution.is_some() {
            2
        } else {
            WINDOW
        });
        let (length, name) = there.pop().unwrap();
        let path = offer.playlist.replace("index.m3u8", &name);
        let size = fs::metadata(server.hls().join(&path)).unwrap().len();
        let rate = size as f64 * 8.0 / length;
        assert!(rate < offer.bandwidth, "{path}: {rate:.0} bits/s\n{list}");
        let seen = streams(&server.url(&format!("/hls/{path}")));
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
        starts.push((name, picture["start_pts"].clone()));
    }
    assert!(starts.iter().all(|start| *start == starts[0]), "{starts:?}");
}

/// Wrong keys, whoever would take a way around them, and whoever asks too much; each is a line of the log,
/// and there is no other.
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
    let flood = server.flood(LIST);
    wait_until(seconds(20), "too many", || flood.log().contains("429"));
    assert!(flood.log().starts_with("200"), "{}", flood.log());
    plays(&server.url("/hls/amphi-a_360p/index.m3u8"));
    assert_eq!(flood.log(), "200\n429\n", "all the time");
    drop(flood);
    let said = server.logs();
    let told = |words: &str| said.iter().filter(|line| line.contains(words)).count();
    let refused = told("notify: HTTP retcode: 4xx");
    let denied = told("access forbidden by rule");
    let limited = told("limiting requests");
    assert!(refused == 2 && denied == 2 && limited > 0, "{said:#?}");
    assert_eq!(refused + denied + limited, said.len(), "{said:#?}");
}

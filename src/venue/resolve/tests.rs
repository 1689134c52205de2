//! What a venue file may say, and the exact text of every refusal.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::secret::redact;
use crate::venue::{AlarmsConfig, Limit, SoundPolicy, SourceAlarms, SourceKind};

mod cards;
mod refusals;

/// A camera that every list of sources can begin with: two lines of text, no complaint.
const CAMERA: &str = "[[source]]\nid = \"cam\"\nkind = \"test\"\n";

/// As a check reads it.
fn venue(path: &Path, text: &str) -> Result<Venue, VenueError> {
    Venue::parse(path, text)
}

#[track_caller]
fn accepted(text: &str) -> Venue {
    match venue(Path::new("venue.toml"), text) {
        Ok(venue) => venue,
        Err(error) => panic!("refused:\n{error}"),
    }
}

/// The complaints about a file, one a line.
#[track_caller]
fn refused(text: &str) -> String {
    venue(Path::new("venue.toml"), text)
        .expect_err("the file should be refused")
        .to_string()
}

#[test]
fn alarms_have_defaults_and_may_be_off() {
    let seconds = |n| Limit::After(Duration::from_secs(n));
    let usual = accepted(CAMERA);
    assert_eq!(
        usual.alarms,
        AlarmsConfig {
            silence: seconds(10),
            silence_level: -50.0,
            clipping: Limit::After(3),
            black: seconds(10),
            frozen: seconds(20),
        }
    );
    assert_eq!(usual.sources[0].alarms, SourceAlarms::default());
    let venue = accepted(&format!(
        "{CAMERA}alarms = {{ frozen = \"off\", silence = \"1m\", silence_level = -40 }}\n\
         [alarms]\nclipping = \"5\"\nblack = \"off\"\n"
    ));
    assert_eq!(
        venue.sources[0].alarms,
        SourceAlarms {
            silence: Some(seconds(60)),
            silence_level: Some(-40.0),
            frozen: Some(Limit::Off),
            ..SourceAlarms::default()
        }
    );
    assert_eq!(venue.alarms.clipping, Limit::After(5));
    assert_eq!(venue.alarms.black, Limit::Off);
}

#[test]
fn an_empty_file_is_a_venue() {
    let venue = accepted("");
    assert_eq!(venue.name, "regie");
    assert_eq!(venue.language, None);
    let programme = &venue.programme;
    assert_eq!(programme.size.to_string(), "1920x1080");
    assert_eq!(programme.framerate.to_string(), "30");
    assert_eq!(programme.video_bitrate.to_string(), "4500k");
    assert_eq!(programme.audio_bitrate.to_string(), "160k");
    assert_eq!(programme.keyframe_interval, Duration::from_secs(2));
    assert_eq!(programme.encoder, EncoderChoice::Auto);
    assert_eq!(programme.latency, Duration::from_millis(15));
    assert_eq!(venue.relay.listen.to_string(), "0.0.0.0:8554");
    assert_eq!(venue.layouts, crate::model::Layout::built_in());
    assert!(venue.outputs.is_empty());
    assert_eq!(venue.control_socket, None);
    assert_eq!(
        venue.warnings,
        ["venue.toml:1: there is no [[source]]: the programme will show its slate"]
    );
}

#[test]
fn a_language_is_one_of_ours_or_nobodys() {
    for (written, language) in [
        ("auto", None),
        ("fr", Some(Tongue::French)),
        ("en", Some(Tongue::English)),
    ] {
        let venue = accepted(&format!("language = \"{written}\"\n"));
        assert_eq!(venue.language, language);
    }
}

#[test]
fn a_source_has_defaults() {
    let venue = accepted(&format!("[programme]\nframerate = 25\n{CAMERA}"));
    let source = &venue.sources[0];
    assert_eq!(source.label, "cam");
    assert_eq!(source.role, None);
    assert_eq!(source.delay, Duration::ZERO);
    assert_eq!((source.gain, source.mute), (0.0, false));
    assert_eq!(source.sound, SoundPolicy::Always);
    assert_eq!(
        source.kind,
        SourceKind::Test {
            size: "1280x720".parse().expect("a size"),
            framerate: "25".parse().expect("a rate"),
        }
    );
    assert!(venue.warnings.is_empty());
}

#[test]
fn everything_that_is_said_arrives() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("venue.toml");
    write_key(&folder.path().join("laptop.key"), "lapt0p-pw!\n", 0o600);
    write_key(&folder.path().join("out.key"), "  0ut-pw \r\n", 0o600);
    write_key(&folder.path().join("relay.pw"), "pl4y-pw\n", 0o600);
    fs::write(folder.path().join("card.png"), "").expect("a picture");
    let text = r##"
        name = "Amphi A"
        language = "fr"
        [programme]
        size = "640x360"
        framerate = "30000/1001"
        video_bitrate = "1.5M"
        audio_bitrate = "96k"
        keyframe_interval = "1s"
        encoder = "x264"
        latency = "40ms"
        [[source]]
        id = "laptop"
        label = "Laptop"
        role = "slides"
        kind = "push"
        key_file = "laptop.key"
        delay = "1.5s"
        gain = "-3dB"
        mute = true
        sound = "on-air"
        [[source]]
        id = "balcony"
        kind = "pull"
        uri = "rtsp://me:b4lcony@10.0.0.7/cam"
        gain = 6
        sound = "off"
        [[source]]
        id = "card"
        kind = "image"
        path = "card.png"
        [[layout]]
        id = "one"
        label = "One"
        background = "#ffffff"
        slots = [{ role = "slides", x = 0.333333, width = 0.666667, fit = "cover" }]
        [[output]]
        id = "room"
        uri = "rtmps://h/live"
        key_file = "out.key"
        enabled = false
        certificate_check = false
        [relay]
        listen = "[::1]:0"
        user = "screens"
        password_file = "relay.pw"
        [control]
        socket = "run/s"
    "##;
    let venue = venue(&path, text).expect("a venue");
    assert_eq!(venue.name, "Amphi A");
    assert_eq!(venue.language, Some(Tongue::French));
    assert_eq!(venue.programme.encoder, EncoderChoice::X264);
    assert_eq!(venue.programme.latency, Duration::from_millis(40));

    let laptop = &venue.sources[0];
    let SourceKind::Push { key: Some(key) } = &laptop.kind else {
        panic!("a push source with a key, not {:?}", laptop.kind);
    };
    assert_eq!(key.reveal(), "lapt0p-pw!");
    assert_eq!(laptop.delay, Duration::from_millis(1500));
    assert_eq!((laptop.gain, laptop.mute), (-3.0, true));
    assert_eq!(laptop.sound, SoundPolicy::OnAir);
    assert_eq!(venue.sources[1].gain, 6.0);
    assert_eq!(redact("as me:b4lcony"), "as me:•••");
    let card = folder.path().join("card.png");
    assert_eq!(venue.sources[2].kind, SourceKind::Image { path: card });

    let ids: Vec<&str> = venue
        .layouts
        .iter()
        .map(|layout| layout.id.as_str())
        .collect();
    assert_eq!(ids, ["one", "slate"]);
    let rect = venue.layouts[0].slots[0].rect;
    assert_eq!((rect.x, rect.y, rect.height), (0.333333, 0.0, 1.0));

    let output = &venue.outputs[0];
    assert_eq!(output.key.as_ref().map(|key| key.reveal()), Some("0ut-pw"));
    assert!(!output.enabled && !output.tls_verify);
    assert_eq!(venue.relay.listen.to_string(), "[::1]:0");
    let guard = venue.relay.guard.as_ref().expect("a user and a password");
    assert_eq!(
        (&*guard.user, guard.password.reveal()),
        ("screens", "pl4y-pw")
    );
    assert_eq!(redact("rtsp://screens:pl4y-pw@h"), "rtsp://screens:•••@h");
    assert_eq!(venue.control_socket, Some(folder.path().join("run/s")));
    assert!(venue.warnings.is_empty(), "{:?}", venue.warnings);
}

#[test]
fn laptops_have_doors_unless_they_are_shut() {
    let read = |text: &str| {
        let venue = Venue::parse(Path::new("/v/venue.toml"), text).expect("a good venue");
        venue.ingest
    };
    let usual = read("");
    let port = |door: Option<std::net::SocketAddr>| door.map(|door| door.port());
    assert_eq!(
        (port(usual.rtmp), port(usual.srt)),
        (Some(1935), Some(8890))
    );
    assert_eq!(usual.rtmps, None);
    let own = read(
        "[ingest]\nrtmp = \"off\"\nsrt = \"[::]:9000\"\nrtmps = \"0.0.0.0:1936\"\n\
         certificate = \"venue.pem\"\nprivate_key = \"/etc/venue.key\"",
    );
    assert_eq!((port(own.rtmp), port(own.srt)), (None, Some(9000)));
    let tls = own.rtmps.expect("RTMPS");
    assert_eq!(tls.listen.port(), 1936);
    assert_eq!(tls.certificate, Path::new("/v/venue.pem"));
    assert_eq!(tls.private_key, Path::new("/etc/venue.key"));
}

#[test]
fn the_relay_has_a_second_door_and_a_group_where_it_is_told() {
    let read = |text: &str| {
        // As for a show: the certificate is looked at when the door opens.
        let path = Path::new("/v/venue.toml");
        let venue = super::venue(path, text, Files::Believed).expect("a good venue");
        (venue.relay, venue.warnings)
    };
    let (usual, _) = read("");
    assert_eq!((usual.secure, usual.multicast), (None, None));
    let (own, warnings) = read(
        "[relay]\nlisten_tls = \"[::]:8322\"\ncertificate = \"venue.pem\"\n\
         private_key = \"/etc/venue.key\"\n\
         multicast = { range = \"239.1.2.3-239.1.2.9\", ttl = 4, interface = \"eth1\" }",
    );
    let tls = own.secure.expect("a second door");
    assert_eq!(tls.listen.port(), 8322);
    assert_eq!(tls.certificate, Path::new("/v/venue.pem"));
    assert_eq!(tls.private_key, Path::new("/etc/venue.key"));
    let group = own.multicast.expect("a group");
    assert_eq!(group.first, std::net::Ipv4Addr::new(239, 1, 2, 3));
    assert_eq!(group.last, std::net::Ipv4Addr::new(239, 1, 2, 9));
    assert_eq!((group.ports, group.ttl), (5000..=5015, 4));
    assert_eq!(group.interface.as_deref(), Some("eth1"));
    assert!(!warnings.iter().any(|said| said.contains("relay")));
}

#[test]
fn a_password_guards_no_group_and_a_check_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("venue.toml");
    write_key(&folder.path().join("relay.pw"), "pl4y-pw", 0o600);
    let text = "[relay]\nuser = \"screens\"\npassword_file = \"relay.pw\"\n\
                multicast = { range = \"239.1.2.3\" }\n";
    let warnings = venue(&path, text).expect("a good venue").warnings;
    let warned = |said: &String| said.contains(":4: relay: whoever joins the group");
    assert!(warnings.iter().any(warned), "{warnings:?}");
}

#[test]
fn guests_have_places_and_names_of_their_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("venue.toml");
    write_key(&folder.path().join("guest.key"), "come in", 0o600);
    let text = |language: &str, id: &str, user: &str| {
        format!(
            "language = \"{language}\"\n[[source]]\nid = \"{id}\"\nkind = \"test\"\n[relay]\n{user}\
             [ingest]\nguests = 2\nguest_key_file = \"guest.key\"\n"
        )
    };
    let read = |text: &str| venue(&file, text);
    let good = read(&text("fr", "guest-3", "")).expect("a good venue");
    let guests: Vec<_> = (good.sources.iter())
        .filter(|source| source.guest.is_some())
        .map(|source| (source.id.as_str(), source.label.as_str(), source.sound))
        .collect();
    let heard = SoundPolicy::OnAir;
    assert_eq!(
        guests,
        [
            ("guest-1", "Invité 1", heard),
            ("guest-2", "Invité 2", heard)
        ]
    );
    assert!(crate::venue::summary(&file, &good).contains("1 source,"));
    for taken in ["guest", "guest-1", "guest-2"] {
        let refused = read(&text("en", taken, "")).expect_err("a name that is taken");
        let said = refused.to_string();
        assert!(
            said.ends_with(&format!(
                ":3: source \"{taken}\": id = \"{taken}\" is the name of a guest, and [ingest] lets guests \
                 in; accepted: an id of its own"
            )),
            "{said}"
        );
    }
    let user = "user = \"guest\"\npassword_file = \"guest.key\"\n";
    let refused = read(&text("en", "cam", user)).expect_err("a name that is taken");
    let said = refused.to_string();
    assert!(said.contains("is the name that guests push by"), "{said}");
    // Where there are no guests, nobody minds.
    accepted(&CAMERA.replace("cam", "guest"));
}

#[test]
fn a_desk_is_there_where_the_file_has_one() {
    assert_eq!(accepted("").desk, None);
    let of = |text: &str| accepted(&format!("{CAMERA}{text}")).desk.expect("a desk");
    let desk = of("[desk]\n");
    assert_eq!((desk.device.as_str(), desk.channels), ("default", [1, 2]));
    assert_eq!((desk.label.as_str(), desk.rate), ("Audio desk", None));
    assert_eq!(
        (desk.gain, desk.mute, desk.sound),
        (0.0, false, SoundPolicy::Always)
    );
    let desk = of(
        "[desk]\ndevice = \"pulse\"\nchannels = [17, 3]\nrate = 96000\nlabel = \"FOH\"\n\
         delay = \"40ms\"\ngain = \"-3dB\"\nmute = true\nsound = \"on-air\"\n",
    );
    assert_eq!((desk.device.as_str(), desk.channels), ("pulse", [17, 3]));
    assert_eq!((desk.label.as_str(), desk.rate), ("FOH", Some(96_000)));
    assert_eq!(desk.delay, Duration::from_millis(40));
    assert_eq!(
        (desk.gain, desk.mute, desk.sound),
        (-3.0, true, SoundPolicy::OnAir)
    );
    for one in ["5", "[5]"] {
        assert_eq!(of(&format!("[desk]\nchannels = {one}\n")).channels, [5, 5]);
    }
    let french = accepted("language = \"fr\"\n[desk]\n")
        .desk
        .expect("a desk");
    assert_eq!(french.label, "Console son");
}

#[test]
fn a_desk_by_a_number_or_not_there_is_warned_of() {
    let warned = |device: &str| {
        let text = format!("{CAMERA}[desk]\ndevice = \"{device}\"\n");
        accepted(&text).warnings
    };
    for device in ["default", "pulse", "sysdefault", "regie:some,thing"] {
        let odd: Vec<_> = (warned(device).into_iter())
            .filter(|line| !line.contains("no sound card"))
            .collect();
        assert!(odd.is_empty(), "{device}: {odd:?}");
    }
    for device in ["hw:0", "plughw:1,0", "hw:CARD=2,DEV=0", "alsa:hw:3"] {
        let name = device.trim_start_matches("alsa:");
        assert_eq!(
            warned(device),
            [format!(
                "venue.toml:5: desk: {name} goes by the card's number, which is another card's when \
                 cards are plugged in another order; hw:CARD= with its name, or its link in \
                 /dev/snd/by-id, stays"
            )]
        );
    }
    for (device, said) in [
        (
            "hw:CARD=NoSuchDesk",
            "there is no sound card \"NoSuchDesk\" yet",
        ),
        (
            "/dev/snd/by-id/no-such-desk",
            "/dev/snd/by-id/no-such-desk is not there yet",
        ),
    ] {
        assert_eq!(warned(device), [format!("venue.toml:5: desk: {said}")]);
    }
}

#[test]
fn slots_stay_inside_the_frame() {
    for (x, width, size) in [
        (0.0, 1.0, 1280),
        (0.333333, 0.666667, 1280),
        (0.6667, 0.3333003, 1920),
        (0.998, 0.002, 1920),
    ] {
        let venue = accepted(&format!(
            "[programme]\nsize = \"{size}x720\"\n[[layout]]\nid = \"l\"\n\
             slots = [{{ role = \"r\", x = {x}, width = {width} }}]\n{CAMERA}role = \"r\"\n"
        ));
        let rect = venue.layouts[0].slots[0].rect;
        let pixels = rect.to_pixels(size, 720);
        assert!(rect.x + rect.width <= 1.0, "{rect:?}");
        assert!(pixels.x + pixels.width <= size, "{pixels:?}");
    }
}

#[test]
fn a_slate_of_the_file_is_kept() {
    let venue = accepted(
        "[[layout]]\nid = \"slate\"\nlabel = \"Pause\"\nslots = []\n\
         [[layout]]\nid = \"empty\"\nslots = []\n",
    );
    let labels: Vec<&str> = venue
        .layouts
        .iter()
        .map(|layout| layout.label.as_str())
        .collect();
    assert_eq!(labels, ["Pause", "empty"]);
}

#[test]
fn what_is_odd_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("venue.toml");
    write_key(&folder.path().join("out.key"), "k3y-of-out", 0o644);
    write_key(&folder.path().join("short.key"), "9-of-them", 0o600);
    let text = r#"
[[source]]
id = "a"
kind = "file"
path = "gone.mp4"
role = "slides"
[[source]]
id = "b"
kind = "test"
role = "slides"
[[source]]
id = "c"
kind = "test"
role = "organ"
[[source]]
id = "d"
kind = "push"
key_file = "short.key"
[[output]]
id = "o"
uri = "rtmp://h/live"
key_file = "out.key"
[[output]]
id = "p"
uri = "rtmp://h/live"
"#;
    let warnings = venue(&path, text).expect("a venue").warnings.join("\n");
    let shown = warnings.replace(&format!("{}/", folder.path().display()), "");
    assert_eq!(
        shown,
        "venue.toml:5: source \"a\": gone.mp4 is not there yet\n\
         venue.toml:10: source \"b\": role \"slides\" is also that of source \"a\" in line 6; \
         only one can play it when the show starts\n\
         venue.toml:14: source \"c\": no layout has a slot for role \"organ\"\n\
         venue.toml:18: source \"d\": nobody can push to it by SRT, which takes passphrases of 10 \
         to 79 bytes: the key has 9\n\
         venue.toml:22: output \"o\": out.key can be read by everybody; chmod o-r out.key keeps \
         it secret\n\
         venue.toml:25: output \"p\": the uri has an app but no stream name, and there is no \
         key_file; most servers refuse that"
    );
}

/// Whatever is done to a line or a value, the answer is a venue or a refusal with lines.
#[test]
fn mangled_files_are_refused_and_never_panic() {
    let example = include_str!("../../../tests/demo/venue.toml");
    let full = with_comments_as_code(example);
    let garbage = [
        "\"\"",
        "\"é\"",
        "\"x y\"",
        "0",
        "-1",
        "1e400",
        "nan",
        "-inf",
        "0xff",
        "true",
        "[]",
        "[1]",
        "[[[]]]",
        "{}",
        "[{}]",
        "{ a = 1 }",
        "1979-05-27",
        "9223372036854775807",
        "\"\\u0000\"",
        "\"://@:?=&\"",
        "\"rtmp:x\"",
        "\"-\"",
        "\"1e9m\"",
        "\"99999999999999999999k\"",
        "",
        "\"",
    ];
    let mut tried = 0;
    for text in [example, &full] {
        let lines: Vec<&str> = text.lines().collect();
        for index in 0..lines.len() {
            let mut without = lines.clone();
            without.remove(index);
            check(&without.join("\n"));
            if !lines[index].contains('=') {
                continue;
            }
            for value in garbage {
                let mut mangled: Vec<String> = lines.iter().map(ToString::to_string).collect();
                let key = lines[index].split('=').next().expect("a key");
                mangled[index] = format!("{key}= {value}");
                check(&mangled.join("\n"));
                mangled[index] = format!("{key}x = {value}");
                check(&mangled.join("\n"));
                tried += 1;
            }
        }
        for end in (0..text.len())
            .filter(|end| text.is_char_boundary(*end))
            .step_by(7)
        {
            check(&text[..end]);
        }
    }
    assert!(tried > 500, "{tried}");

    #[track_caller]
    fn check(text: &str) {
        match venue(Path::new("venue.toml"), text) {
            Ok(venue) => assert!(!venue.layouts.is_empty()),
            Err(error) => {
                for line in error.to_string().lines() {
                    assert!(line.starts_with("venue.toml:"), "{line}");
                }
            }
        }
    }
}

fn without_secrets(text: &str) -> String {
    let text = text.replace("key_file", "#");
    text.replace("password_file", "#").replace("user = ", "# ")
}

/// The reference knows every key, and what stands in its comments is right: all that is wrong
/// with it is that its key files are not there.
#[test]
fn the_comments_of_the_demo_are_true() {
    let text = with_comments_as_code(include_str!("../../../tests/demo/venue.toml"));
    let said = refused(&text);
    for line in said.lines() {
        assert!(line.contains("No such file or directory"), "{line}\n{text}");
    }
    let mut text = text;
    for file in [
        "guest_key_file",
        "guests = ",
        "key_file",
        "listen_tls = ",
        "picture = ",
        "sound = \"music\"",
        "music = ",
        "music_gain = ",
    ] {
        text = text.replace(file, "#");
    }
    let venue = accepted(&without_secrets(&text));
    assert_eq!((venue.sources.len(), venue.outputs.len()), (6, 1));
    let camera = &venue.layouts[0].slots[1];
    assert!(camera.border.is_some() && camera.crop.is_some() && camera.label.is_some());
    assert_eq!(venue.layouts.len(), 2);
    let default = accepted("");
    assert_eq!(venue.relay.listen, default.relay.listen);
    assert_eq!(
        venue.programme.audio_bitrate,
        default.programme.audio_bitrate
    );
    assert_eq!(
        venue.programme.keyframe_interval,
        default.programme.keyframe_interval
    );
    assert_eq!(venue.programme.encoder, default.programme.encoder);
    assert_eq!(venue.programme.latency, default.programme.latency);
}

/// The file with everything uncommented that looks like TOML.
fn with_comments_as_code(text: &str) -> String {
    let uncommented = |line: &str| -> Option<String> {
        let Some(comment) = line.strip_prefix("# ") else {
            return Some(line.to_owned());
        };
        let is_key = |word: &str| word.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        let code = comment.starts_with(['[', ']'])
            || comment.starts_with("    { ")
            || comment
                .split_once(" = ")
                .is_some_and(|(key, _)| is_key(key));
        code.then(|| comment.to_owned())
    };
    let lines: Vec<String> = text.lines().filter_map(uncommented).collect();
    lines.join("\n")
}

fn write_key(path: &Path, text: &str, mode: u32) {
    fs::write(path, text).expect("a key file");
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("its mode");
}

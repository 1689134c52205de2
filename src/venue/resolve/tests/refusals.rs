//! The exact text of every refusal. Those that need nothing but lines of a venue file are in
//! `refusals.txt`.

use gst::prelude::*;

use super::*;
use crate::model::SlateSound;

/// The cases of `refusals.txt`: lines of a venue file, and what is said about them.
fn cases() -> Vec<(String, String)> {
    let mut cases = Vec::new();
    for block in include_str!("refusals.txt").split("\n\n") {
        let lines = block.lines().filter(|line| !line.starts_with('#'));
        let (said, written): (Vec<&str>, Vec<&str>) =
            lines.partition(|line| line.starts_with("> "));
        let said: Vec<&str> = said.iter().map(|line| &line[2..]).collect();
        if !said.is_empty() {
            cases.push((written.join("\n"), said.join("\n")));
        }
    }
    cases
}

#[test]
fn every_refusal_has_its_words() {
    let cases = cases();
    assert!(cases.len() > 70, "only {} cases were found", cases.len());
    for (written, said) in cases {
        let text = format!("{CAMERA}{written}");
        assert_eq!(refused(&text), said, "\n{written}");
        assert!(!said.contains("s3cr3t"), "{said}");
    }
}

#[test]
fn a_file_that_is_not_toml() {
    for (text, said) in [
        (
            "name = \"a\"\nname = \"b\"\n",
            "venue.toml:2:1: is not TOML: duplicate key",
        ),
        (
            "[[output]]\nkey = s3cr3t\n",
            "venue.toml:2:7: is not TOML: string values must be quoted, expected literal string",
        ),
        (
            "[[output]]\nkey = \"s3cr3t\n",
            "venue.toml:2:14: is not TOML: invalid basic string, expected `\"`",
        ),
    ] {
        assert_eq!(refused(text), said);
    }
}

#[test]
fn a_language_that_nobody_has_learned() {
    for (written, said) in [
        ("\"de\"", "\"de\" is not known"),
        ("\"FR\"", "\"FR\" is not known"),
        ("\"\"", "\"\" is not known"),
        ("33", "33 is a number"),
    ] {
        assert_eq!(
            refused(&format!("name = \"a\"\nlanguage = {written}\n")),
            format!("venue.toml:2: language = {said}; accepted: auto, fr, en")
        );
    }
}

#[test]
fn a_file_that_cannot_be_read() {
    let missing = Venue::load(Path::new("/nonexistent/venue.toml")).expect_err("no such file");
    assert_eq!(
        missing.to_string(),
        "/nonexistent/venue.toml: cannot be read: No such file or directory (os error 2)"
    );
}

#[test]
fn keys_of_files_that_are_no_keys() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("venue.toml");
    write_key(&folder.path().join("empty"), " \n", 0o600);
    write_key(&folder.path().join("lines"), "s3cr3t\nm0re\n", 0o600);
    write_key(&folder.path().join("control"), "s3cr3t\tm0re\n", 0o600);
    write_key(&folder.path().join("large"), &"s".repeat(5000), 0o600);
    fs::write(folder.path().join("binary"), [0xff, 0xfe]).expect("a file");
    fs::create_dir(folder.path().join("folder")).expect("a folder");
    let accepted = "a file with the key on its only line, seen from the venue file's folder";
    for (name, problem) in [
        (
            "gone",
            "cannot be read: No such file or directory (os error 2)",
        ),
        ("folder", "is not a file"),
        ("empty", "is empty"),
        ("lines", "has more than one line"),
        ("control", "has control characters"),
        ("large", "is too large for a key"),
        ("binary", "is not text"),
    ] {
        let text = format!(
            "[[source]]\nid = \"a\"\nkind = \"push\"\nkey_file = \"{name}\"\n\
             [[output]]\nid = \"o\"\nuri = \"rtmp://h/live\"\nkey_file = \"{name}\"\n"
        );
        let said = venue(&path, &text).expect_err("refused").to_string();
        let full = folder.path().join(name);
        let (file, full) = (path.display(), full.display());
        assert_eq!(
            said,
            format!(
                "{file}:4: source \"a\": key_file = \"{name}\" ({full}) {problem}; accepted: \
                 {accepted}\n\
                 {file}:8: output \"o\": key_file = \"{name}\" ({full}) {problem}; accepted: \
                 {accepted}"
            )
        );
    }
}

#[test]
fn files_of_the_slate_that_cannot_be_shown_or_heard() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("venue.toml");
    let lie = |name: &str| folder.path().join(name);
    made("videotestsrc num-buffers=1 ! pngenc", &lie("good.png"));
    made("videotestsrc num-buffers=1 ! jpegenc", &lie("good.jpg"));
    made("audiotestsrc num-buffers=9 ! wavenc", &lie("good.wav"));
    made(
        "videotestsrc num-buffers=9 ! jpegenc ! avimux",
        &lie("mute.avi"),
    );
    let whole = fs::read(lie("good.png")).expect("a picture");
    fs::write(lie("half.png"), &whole[..200]).expect("a file");
    fs::write(lie("text.png"), "no picture").expect("a file");
    fs::create_dir(lie("folder")).expect("a folder");
    let slate = |key: &str, name: &str| venue(&path, &format!("[slate]\n{key} = \"{name}\"\n"));
    let good = slate("picture", "good.png").expect("a picture is accepted");
    assert_eq!(good.slate.picture, Some(lie("good.png")));
    assert_eq!(good.slate.sound, SlateSound::Mute);
    assert!(slate("picture", "good.jpg").is_ok());
    let good = slate("music", "good.wav").expect("music is accepted");
    assert_eq!(good.slate.sound, SlateSound::Music);
    let gone = "cannot be read: No such file or directory (os error 2)";
    let picture = "a PNG or JPEG file, seen from the venue file's folder";
    let music = "a file with sound, seen from the venue file's folder";
    for (key, name, problem, accepted) in [
        ("picture", "gone.png", gone, picture),
        ("picture", "folder", "is not a file", picture),
        ("picture", "text.png", "is neither PNG nor JPEG", picture),
        ("picture", "good.wav", "is neither PNG nor JPEG", picture),
        ("picture", "half.png", "cannot be decoded: ", picture),
        ("music", "gone.ogg", gone, music),
        ("music", "text.png", "cannot be decoded: ", music),
        ("music", "mute.avi", "", music),
    ] {
        let said = slate(key, name).expect_err("refused").to_string();
        let (file, full) = (path.display(), lie(name));
        let begins = format!(
            "{file}:2: slate: {key} = \"{name}\" ({}) {problem}",
            full.display()
        );
        assert!(said.starts_with(&begins), "{said}");
        assert!(said.ends_with(&format!("; accepted: {accepted}")), "{said}");
    }
}

/// What a pipeline without its end makes, in a file.
fn made(launch: &str, file: &Path) {
    gst::init().expect("GStreamer");
    let pipeline = gst::parse::launch(&format!("{launch} ! filesink name=out")).expect(launch);
    let pipeline = pipeline.downcast::<gst::Pipeline>().expect("a pipeline");
    let out = pipeline.by_name("out").expect("its end");
    out.set_property("location", file.to_string_lossy().as_ref());
    pipeline.set_state(gst::State::Playing).expect(launch);
    let ends = [gst::MessageType::Eos, gst::MessageType::Error];
    let bus = pipeline.bus().expect("a bus");
    let end = bus.timed_pop_filtered(gst::ClockTime::from_seconds(20), &ends);
    assert!(
        matches!(end, Some(end) if end.type_() == gst::MessageType::Eos),
        "{launch}"
    );
    pipeline.set_state(gst::State::Null).expect(launch);
}

#[test]
fn a_player_with_the_name_of_a_laptop() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("venue.toml");
    write_key(&folder.path().join("a.key"), "s3cr3t-a", 0o600);
    let text = |key: &str| {
        format!(
            "[[source]]\nid = \"a\"\nkind = \"push\"\n{key}\n\
             [relay]\nuser = \"a\"\npassword_file = \"a.key\"\n"
        )
    };
    let said = venue(&path, &text("key_file = \"a.key\"")).expect_err("refused");
    let file = path.display();
    assert_eq!(
        said.to_string(),
        format!(
            "{file}:6: relay: user = \"a\" is the id of a source with a key_file, whose sender has \
             that name; accepted: a name of its own"
        )
    );
    assert!(venue(&path, &text("")).is_ok());
}

#[test]
fn two_outputs_with_one_key_and_one_uri() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("venue.toml");
    write_key(&folder.path().join("a.key"), "s3cr3t-a", 0o600);
    write_key(&folder.path().join("b.key"), "s3cr3t-b", 0o600);
    let output = |id: &str, uri: &str, key: &str| {
        format!("[[output]]\nid = \"{id}\"\nuri = \"{uri}\"\nkey_file = \"{key}\"\n")
    };
    let first = output("a", "rtmp://h/live", "a.key");
    let other = output("b", "rtmp://h/live", "b.key");
    assert!(venue(&path, &(first.clone() + &other)).is_ok());
    let same = output("b", "rtmp://h/live/", "a.key");
    let said = venue(&path, &(first + &same))
        .expect_err("refused")
        .to_string();
    assert_eq!(
        said,
        format!(
            "{}:7: output \"b\": uri = \"rtmp://h/live/\" is where output \"a\" in line 3 pushes \
             to; accepted: a uri and key_file that no other output has",
            path.display()
        )
    );
}

#[test]
fn all_faults_of_a_file_are_reported_at_once_and_in_order() {
    let said = refused(
        r#"nam = "Amphi A"
[programme]
size = "1080p"
bitrate = "3M"
[[output]]
id = "room"
uri = "https://h/live"
key = "s3cr3t"
[[source]]
id = "laptop"
kind = "push"
path = "x"
gain = "20dB"
[[source]]
id = "laptop"
role = "speaker"
delay = "1h"
[[layout]]
id = "pip"
slots = [
    { role = "speaker", x = 0.5, width = 0.75 },
    { role = "slids", y = -1 },
]
[desck]
device = "default"
"#,
    );
    let starts = [
        "venue.toml:1: unknown key \"nam\" = \"Amphi A\" (did you mean \"name\"?);",
        "venue.toml:3: programme: size = \"1080p\" is not a size;",
        "venue.toml:4: programme: unknown key \"bitrate\" = \"3M\";",
        "venue.toml:7: output \"room\": uri = \"https://h/live\" has another scheme;",
        "venue.toml:8: output \"room\": unknown key \"key\" = \"•••\" (secrets come from files: \
         key_file);",
        "venue.toml:12: source \"laptop\": path = \"x\" belongs to kind \"file\" and \"image\";",
        "venue.toml:13: source \"laptop\": gain = \"20dB\" is out of range;",
        "venue.toml:14: source \"laptop\": kind is missing;",
        "venue.toml:15: source \"laptop\": id = \"laptop\" is already the id of the source in \
         line 10;",
        "venue.toml:17: source \"laptop\": delay = \"1h\" is not a time;",
        "venue.toml:21: layout \"pip\", slot 1: width = 0.75 reaches outside the frame from x = \
         0.5;",
        "venue.toml:22: layout \"pip\", slot 2: role = \"slids\" is a role that no source and no \
         other layout knows;",
        "venue.toml:22: layout \"pip\", slot 2: y = -1 is outside the frame;",
        "venue.toml:24: unknown key \"desck\" (did you mean \"desk\"?); accepted: name, language, \
         programme, source, layout, slate, desk, output, relay, ingest, alarms, discovery, control",
    ];
    assert_eq!(said.lines().count(), starts.len(), "\n{said}");
    for (line, start) in said.lines().zip(starts) {
        assert!(line.starts_with(start), "\n{line}\n{start}");
    }
}

//! What the window says of a given snapshot.

use super::*;
use serde_json::json;

const EN: Tongue = Tongue::English;
const FR: Tongue = Tongue::French;
const NOW: u64 = 10_000_000;

fn source(id: &str, state: &str, since: u64, picture: &str) -> serde_json::Value {
    json!({
        "id": id, "label": format!("The {id}"), "kind": "push", "state": state, "since": since,
        "reason": "", "reason_said": {"template": ""}, "tally": "off", "picture": picture, "has_picture": !picture.is_empty(),
        "sound": "AAC 48000 Hz stereo", "gain_db": 0.0, "mute": false, "delay_ms": 0,
        "frames": 1, "connects": if state == "idle" { 0 } else { 1 }
    })
}

fn output(id: &str, state: &str) -> serde_json::Value {
    json!({
        "id": id, "label": id, "to": "rtmp://server/live", "state": state, "since": NOW - 65_000,
        "last_reason": "no answer", "last_reason_said": {"template": "no answer"},
        "bit_rate": 4_512_000, "sent_frames": 10, "lost_frames": 1, "reconnects": 0
    })
}

fn fault(scope: serde_json::Value, code: &str, severity: &str, since: u64) -> Fault {
    let value = json!({
        "scope": scope, "code": code, "severity": severity, "happened": "", "doing": "",
        "advice": "", "detail": "", "count": 1, "since": since,
        "said": {"happened": {"template": ""}, "doing": {"template": ""},
            "advice": {"template": ""}}
    });
    match serde_json::from_value(value) {
        Ok(fault) => fault,
        Err(error) => panic!("{error}"),
    }
}

/// Slides and speaker, side by side on air; the camera is lost, the laptop is live.
fn snapshot() -> Snapshot {
    let slot = |role: &str| json!({"role": role, "x": 0.0, "y": 0.0, "width": 0.5, "height": 0.5, "fit": "contain"});
    let layout = |id: &str, label: &str, slots: Vec<serde_json::Value>| json!({"id": id, "label": label, "background": "#101828", "slots": slots});
    let both = vec![slot("slides"), slot("speaker")];
    let value = json!({
        "version": "1", "venue": "Amphi", "started": 0, "language": null,
        "on_air_since": NOW - 3_725_000,
        "programme": {"state": "on-air", "layout": "both", "slots": [
            {"role": "slides", "source": "laptop", "live": true},
            {"role": "speaker", "source": "camera", "live": false}]},
        "preview": {"state": "prepared", "layout": "alone", "slots": []},
        "slate": false,
        "roles": {"slides": "laptop", "speaker": "camera", "room": null},
        "encoding": {"state": "running", "size": "1920x1080", "framerate": "30", "encoder": "x264",
            "encoder_reason": "", "frames": 1, "late_frames": 0, "dropped_frames": 0},
        "layouts": [layout("both", "Slides + speaker", both),
            layout("alone", "My own", vec![slot("slides")]), layout("slate", "Slate", vec![])],
        "sources": [source("laptop", "live", 0, "H.264 1920x1080 30 fps"),
            source("camera", "stalled", NOW - 12_000, ""), source("guest", "idle", 0, ""),
            source("desk", "live", 0, "")],
        "outputs": [output("room", "publishing"), output("far", "waiting"),
            output("spare", "stopped")],
        "relay": {"state": "listening", "listen": "0.0.0.0:8554", "clients": 2, "players": 1},
        "desk": null, "recordings": [], "faults": []
    });
    match serde_json::from_value(value) {
        Ok(snapshot) => snapshot,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_layout_says_where_it_is_and_who_is_missing_in_it() {
    let all = layouts(EN, &snapshot());
    let said: Vec<_> = all
        .iter()
        .map(|one| (one.label.as_str(), one.tally, one.missing.as_str()))
        .collect();
    assert_eq!(
        said,
        [
            ("Slides + speaker", Tally::Programme, "speaker missing"),
            ("My own", Tally::Preview, ""),
            ("Slate", Tally::Off, ""),
        ]
    );
    let french = layouts(FR, &snapshot());
    assert_eq!(french[0].label, "Diapos + orateur");
    assert_eq!(french[1].label, "My own", "the venue's words stay");
    assert!(french[0].missing.contains("orateur"), "{:?}", french[0]);
}

#[test]
fn a_source_says_in_words_why_there_is_no_picture() {
    let all = sources(EN, &snapshot(), NOW);
    let said: Vec<_> = all
        .iter()
        .map(|one| (one.mark, one.notice.as_str(), one.words.as_str()))
        .collect();
    assert_eq!(
        said,
        [
            (
                Mark::Good,
                "",
                "H.264 1920x1080 30 fps · AAC 48000 Hz stereo"
            ),
            (Mark::Bad, "No signal", "no signal since 0:12, slate shown"),
            (Mark::Off, "Nobody pushes yet", "Nobody pushes yet"),
            (Mark::Good, "Sound only", "AAC 48000 Hz stereo"),
        ]
    );
    assert_eq!(all[0].roles, "slides");
    assert_eq!(all[1].roles, "speaker");
    // Not on air: no slate is shown anywhere.
    let mut other = snapshot();
    other.show.programme.slots.truncate(1);
    assert_eq!(sources(EN, &other, NOW)[1].words, "no signal since 0:12");
}

#[test]
fn guests_are_seen_while_they_are_there_and_everybody_says_who_it_is() {
    use crate::model::status::PublisherStatus;
    let mut snapshot = snapshot();
    snapshot.sources[2].guest = Some(3);
    snapshot.sources[2].publisher = Some(PublisherStatus {
        protocol: "srt".to_owned(),
        address: "10.0.0.7".to_owned(),
        since: 0,
    });
    let guest = |tongue| sources(tongue, &snapshot, NOW).remove(2);
    let (english, french) = (guest(EN), guest(FR));
    assert_eq!((&*english.label, &*french.label), ("Guest 3", "Invité 3"));
    assert_eq!(english.publisher, "SRT from 10.0.0.7");
    assert_eq!(french.publisher, "SRT depuis 10.0.0.7");
    assert!(english.is_pushed);
    let others = sources(EN, &snapshot, NOW);
    assert_eq!(others[0].publisher, "");
    let gone = sources(EN, &unknown(&snapshot), NOW);
    assert_eq!(gone[2].publisher, "", "nobody knows");
    snapshot.sources[2].hidden = true;
    let shown = sources(EN, &snapshot, NOW);
    let shown: Vec<&str> = shown.iter().map(|source| source.id.as_str()).collect();
    assert_eq!(shown, ["laptop", "camera", "desk"]);
}

#[test]
fn a_trouble_is_as_old_as_it_is_whatever_the_attempts() {
    let mut snapshot = snapshot();
    let lost = |scope: serde_json::Value| fault(scope, "lost", "warning", NOW - 125_000);
    snapshot.faults = vec![
        lost(json!({"source": "camera"})),
        lost(json!({"output": "far"})),
    ];
    // An attempt is under way: the words are the same as between two.
    for state in ["waiting", "connecting"] {
        snapshot.outputs[1].state = state.to_owned();
        snapshot.outputs[1].since = NOW;
        let far = &outputs(EN, &snapshot, NOW)[1];
        assert_eq!(far.words, "Retrying · 1 lost · for 2:05");
        assert_eq!(far.mark, Mark::Bad);
        snapshot.sources[1].state = state.to_owned();
        snapshot.sources[1].since = NOW;
        let camera = &sources(EN, &snapshot, NOW)[1];
        assert_eq!(camera.words, "no signal since 2:05, slate shown");
    }
}

#[test]
fn a_picture_that_stops_is_said_though_the_sound_goes_on() {
    let mut snapshot = snapshot();
    snapshot.sources[0].has_picture = false;
    let laptop = &sources(EN, &snapshot, NOW)[0];
    assert_eq!(
        (laptop.mark, laptop.notice.as_str()),
        (Mark::Bad, "No picture")
    );
    assert_eq!(layouts(EN, &snapshot)[1].missing, "slides missing");
}

#[test]
fn nothing_is_claimed_of_an_engine_that_does_not_answer() {
    let unknown = unknown(&snapshot());
    assert!(
        layouts(EN, &unknown)
            .iter()
            .all(|one| one.tally == Tally::Off && one.missing.is_empty())
    );
    let sources = sources(EN, &unknown, NOW);
    assert!(
        sources
            .iter()
            .all(|one| one.mark == Mark::Off && one.tally == Tally::Off)
    );
    let outputs = outputs(EN, &unknown, NOW);
    assert!(
        outputs
            .iter()
            .all(|one| one.mark == Mark::Off && one.words == "not known")
    );
    assert_eq!(air(&unknown, NOW), Air::Off);
}

#[test]
fn roles_come_in_the_layouts_order_with_who_plays_them() {
    let all = roles(EN, &snapshot());
    let said: Vec<_> = all
        .iter()
        .map(|one| (one.id.as_str(), one.player.as_str(), one.live))
        .collect();
    assert_eq!(
        said,
        [
            ("slides", "The laptop", true),
            ("speaker", "The camera", false),
            ("room", "Nobody", false),
        ]
    );
}

#[test]
fn an_output_says_its_figures_and_why_it_fails() {
    let all = outputs(EN, &snapshot(), NOW);
    assert_eq!(all[0].words, "4.5 Mb/s · 1 lost · for 1:05");
    assert!(all[0].running && !all[0].detail.contains("no answer"));
    assert_eq!(all[1].words, "Retrying · 1 lost · for 1:05");
    assert!(all[1].detail.contains("no answer"), "{}", all[1].detail);
    assert_eq!((all[2].words.as_str(), all[2].running), ("Stopped", false));
    let french = &outputs(FR, &snapshot(), NOW)[0].words;
    assert_eq!(french, "4,5 Mbit/s · 1 image perdue · depuis 1:05");
}

#[test]
fn what_viewers_get_is_what_is_said() {
    let mut snapshot = snapshot();
    assert_eq!(air(&snapshot, NOW), Air::On(3725));
    assert_eq!(on_air_time(3725), "01:02:05");
    assert_eq!(buses(EN, &snapshot).0.layout, "Slides + speaker");
    snapshot.show.slate = true;
    let (programme, preview) = buses(EN, &snapshot);
    assert!(programme.slate && programme.layout == "Slate");
    assert_eq!(preview.layout, "My own");
    let hidden = &layouts(EN, &snapshot)[0];
    assert!(hidden.behind_slate && hidden.tally == Tally::Off);
    snapshot.outputs[0].state = "waiting".to_owned();
    assert_eq!(air(&snapshot, NOW), Air::Cut(3725), "nobody gets it");
    snapshot.on_air_since = None;
    assert_eq!(air(&snapshot, NOW), Air::Off);
}

#[test]
fn the_slate_says_how_long_it_stays_and_what_is_heard() {
    let mut snapshot = snapshot();
    assert_eq!(slate(&snapshot, NOW), Slate::default());
    assert!(audible(&snapshot));
    snapshot.show.slate = true;
    assert_eq!(slate(&snapshot, NOW).left, "");
    assert!(!audible(&snapshot), "silence is meant");
    for (ahead, left) in [
        (0, "0:00"),
        (1, "0:01"),
        (571_001, "9:32"),
        (3_600_000, "1:00:00"),
    ] {
        snapshot.show.slate_until = Some(NOW + ahead);
        assert_eq!(slate(&snapshot, NOW).left, left);
    }
    for (sound, heard) in [(SlateSound::Music, true), (SlateSound::Programme, true)] {
        snapshot.slate_sound = sound;
        assert_eq!(audible(&snapshot), heard);
    }
    assert_eq!(slate(&unknown(&snapshot), NOW), Slate::default());
}

#[test]
fn the_worst_fault_is_said_first_then_the_newest() {
    let fault = |code, severity, since| fault(json!("programme"), code, severity, since);
    let all = [
        fault("old", "serious", 1),
        fault("new", "serious", 2),
        fault("newer", "warning", 3),
    ];
    assert_eq!(worst(&all).map(|fault| fault.code.as_str()), Some("new"));
    assert_eq!(worst(&[]), None);
}

#[test]
fn the_desk_has_a_strip_that_says_how_it_is() {
    let mut snapshot = snapshot();
    assert_eq!(desk(EN, &snapshot), None);
    let status = json!({
        "label": "FOH", "state": "live", "since": 0, "reason": "", "reason_said": {"template": ""},
        "device": "default", "sound": "48000 Hz i32 18 channels", "channels": [1, 2],
        "gain_db": -3.0, "mute": true, "delay_ms": 40, "xruns": 0, "drift_ppm": 12.5,
        "latency_ms": 30, "connects": 1
    });
    snapshot.desk = serde_json::from_value(status).ok();
    let shown = desk(EN, &snapshot).expect("a desk");
    assert_eq!((shown.label.as_str(), shown.mark), ("FOH", Mark::Good));
    assert_eq!(shown.words, "48000 Hz i32 18 channels");
    assert_eq!(
        (shown.gain_db, shown.mute, shown.delay_ms),
        (-3.0, true, 40)
    );
    assert!(shown.has_sound);
    if let Some(own) = &mut snapshot.desk {
        own.state = "opening".to_owned();
        own.reason_said = crate::model::Phrase::new("waiting for its first sound");
    }
    let shown = desk(EN, &snapshot).expect("a desk");
    assert_eq!((shown.mark, shown.has_sound), (Mark::Busy, false));
    snapshot.faults = vec![fault(json!("desk"), "absent", "serious", 0)];
    let shown = desk(EN, &snapshot).expect("a desk");
    assert_eq!((shown.label.as_str(), shown.mark), ("▲ FOH", Mark::Bad));
    let shown = desk(EN, &unknown(&snapshot)).expect("a desk");
    assert_eq!((shown.words.as_str(), shown.mark), ("not known", Mark::Off));
}

#[test]
fn what_is_wrong_although_it_arrives_is_seen_on_the_tile() {
    let mut snapshot = snapshot();
    let said = |snapshot: &Snapshot, tongue| {
        let source = sources(tongue, snapshot, NOW).swap_remove(0);
        (source.mark, source.alarm, source.words)
    };
    assert_eq!(said(&snapshot, EN).1, "");
    snapshot.sources[0].alarms = vec![Alarm::Silent, Alarm::Frozen];
    let scope = json!({"source": "laptop"});
    (snapshot.faults).push(fault(scope, "silent", "warning", NOW - 75_000));
    let words = "Silent · Picture stands still";
    assert_eq!(
        said(&snapshot, EN),
        (Mark::Bad, words.to_owned(), format!("{words} for 1:15"))
    );
    assert_eq!(said(&snapshot, FR).1, "Silence · Image figée");
    // Off air or under the slate, silence is meant.
    snapshot.encoding.alarms = vec![Alarm::Silent];
    assert!(is_mix_silent(&snapshot));
    snapshot.show.slate = true;
    assert!(!is_mix_silent(&snapshot));
}

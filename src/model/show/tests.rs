//! The show under commands, in order and at random.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::model::message::Transition;

/// Some moment, in milliseconds since 1970.
const NOW: u64 = 1_800_000_000_000;

fn cast() -> Cast {
    Cast {
        layouts: Layout::built_in(),
        roles: ["slides", "speaker"].map(|r| r.parse().unwrap()).into(),
        sources: ["laptop", "camera"].map(|s| s.parse().unwrap()).into(),
        outputs: vec!["room".parse().unwrap()],
    }
}

fn show() -> ShowState {
    let setting = SourceSetting {
        gain: Gain::UNITY,
        mute: false,
        delay_ms: 0,
    };
    ShowState {
        programme: "slides".parse().unwrap(),
        preview: "speaker".parse().unwrap(),
        slate: false,
        slate_until: None,
        roles: BTreeMap::from([("slides".parse().unwrap(), "laptop".parse().unwrap())]),
        sources: (cast().sources.into_iter()).map(|s| (s, setting)).collect(),
        outputs: BTreeMap::from([("room".parse().unwrap(), true)]),
    }
}

fn take(layout: Option<&str>) -> Command {
    Command::Take {
        layout: layout.map(|l| l.parse().unwrap()),
        transition: Transition::Cut,
        duration_ms: 300,
    }
}

fn slate(on: bool, until: Option<u64>) -> Command {
    Command::Slate { on, until }
}

#[test]
fn a_take_puts_the_preview_on_air_and_a_second_goes_back() {
    let mut show = show();
    show.apply(&take(None), &cast(), NOW).unwrap();
    assert_eq!(show.programme.as_str(), "speaker");
    assert_eq!(show.preview.as_str(), "slides");
    show.apply(&take(None), &cast(), NOW).unwrap();
    assert_eq!(show.programme.as_str(), "slides");
}

#[test]
fn a_take_of_a_named_layout_leaves_the_preview() {
    let mut show = show();
    show.apply(&take(Some("slides-pip")), &cast(), NOW).unwrap();
    assert_eq!(show.programme.as_str(), "slides-pip");
    assert_eq!(show.preview.as_str(), "speaker");
}

#[test]
fn a_refusal_names_what_there_is_and_changes_nothing() {
    let mut show = show();
    let before = show.clone();
    let refused = show.apply(&take(Some("slidse")), &cast(), NOW).unwrap_err();
    assert_eq!(refused.code, "unknown-layout");
    assert_eq!(
        refused.message,
        "no layout \"slidse\"; there are: slides, speaker, slides-speaker, slides-pip, slate"
    );
    let too_long = Command::Delay {
        source: "laptop".parse().unwrap(),
        delay_ms: 2001,
    };
    assert_eq!(
        show.apply(&too_long, &cast(), NOW).unwrap_err().message,
        "delay 2001ms is too long; accepted: 0ms to 2000ms"
    );
    let too_slow = Command::Take {
        layout: Some("speaker".parse().unwrap()),
        transition: Transition::Mix,
        duration_ms: 10_001,
    };
    let refused = show.apply(&too_slow, &cast(), NOW).unwrap_err();
    assert_eq!(refused.code, "out-of-range");
    assert_eq!(
        refused.message,
        "duration 10001ms is too long; accepted: 0ms to 10000ms"
    );
    assert_eq!(show, before);
}

#[test]
fn a_change_says_how_the_picture_gives_way() {
    let mut show = show();
    let mix = Command::Take {
        layout: None,
        transition: Transition::Mix,
        duration_ms: 1500,
    };
    let passage = Passage {
        transition: Transition::Mix,
        duration: Duration::from_millis(1500),
    };
    assert_eq!(
        show.apply(&mix, &cast(), NOW),
        Ok(Change::Picture(Some(passage)))
    );
    for (command, passage) in [
        (take(None), Some(Passage::CUT)),
        (slate(true, None), Some(Passage::CUT)),
        (slate(true, Some(NOW + 1)), None),
        (slate(false, None), Some(Passage::CUT)),
        (
            Command::Preview {
                layout: "slate".parse().unwrap(),
            },
            None,
        ),
        (
            Command::Role {
                role: "speaker".parse().unwrap(),
                source: None,
            },
            None,
        ),
    ] {
        assert_eq!(
            show.apply(&command, &cast(), NOW),
            Ok(Change::Picture(passage))
        );
    }
}

#[test]
fn a_slate_with_a_return_goes_by_itself_and_not_before() {
    let mut show = show();
    assert_eq!(show.return_if_due(u64::MAX), None, "there is none");
    show.apply(&slate(true, None), &cast(), NOW).unwrap();
    assert_eq!(show.return_if_due(u64::MAX), None, "it stays");
    let ten = NOW + 600_000;
    show.apply(&slate(true, Some(ten)), &cast(), NOW).unwrap();
    show.apply(&take(None), &cast(), NOW).unwrap();
    assert_eq!(show.slate_until, Some(ten), "whatever goes on behind it");
    assert_eq!(show.return_if_due(ten - 1), None);
    let mix = Passage {
        transition: Transition::Mix,
        duration: Duration::from_millis(300),
    };
    assert_eq!(show.return_if_due(ten), Some(Change::Picture(Some(mix))));
    assert!(!show.slate && show.slate_until.is_none());
    // Gone by hand, it does not come to go again; said anew without a return, it stays.
    for (on, slate_is) in [(false, false), (true, true)] {
        show.apply(&slate(true, Some(ten)), &cast(), NOW).unwrap();
        show.apply(&slate(on, None), &cast(), NOW).unwrap();
        assert_eq!((show.return_if_due(ten), show.slate), (None, slate_is));
    }
}

#[test]
fn a_return_that_is_past_or_far_away_is_refused() {
    let mut show = show();
    let before = show.clone();
    for (command, said) in [
        (
            slate(true, Some(NOW)),
            "the return is not ahead; accepted: a time within the next 12 hours",
        ),
        (
            slate(true, Some(NOW + MAX_SLATE_MS + 1)),
            "the return is too far ahead; accepted: a time within the next 12 hours",
        ),
        (
            slate(false, Some(NOW + 1)),
            "a slate that goes has no return; accepted: on with a return, or off",
        ),
    ] {
        let refused = show.apply(&command, &cast(), NOW).unwrap_err();
        assert_eq!(
            (refused.code.as_str(), refused.message.as_str()),
            ("out-of-range", said)
        );
        assert_eq!(show, before);
    }
    show.apply(&slate(true, Some(NOW + MAX_SLATE_MS)), &cast(), NOW)
        .unwrap();
}

#[test]
fn a_slate_is_recalled_with_its_return_also_from_a_state_without_one() {
    let mut saved = show();
    saved
        .apply(&slate(true, Some(NOW + 5)), &cast(), NOW)
        .unwrap();
    let mut fresh = show();
    fresh.recall(saved, &cast());
    assert_eq!((fresh.slate, fresh.slate_until), (true, Some(NOW + 5)));
    let old = serde_json::to_string(&show()).unwrap();
    assert!(!old.contains("slate_until"));
    let old: ShowState = serde_json::from_str(&old).unwrap();
    fresh.recall(old, &cast());
    assert_eq!((fresh.slate, fresh.slate_until), (false, None));
}

#[test]
fn what_the_venue_no_longer_has_is_forgotten() {
    let mut saved = show();
    saved.programme = "gone".parse().unwrap();
    saved.preview = "slate".parse().unwrap();
    saved
        .roles
        .insert("speaker".parse().unwrap(), "gone".parse().unwrap());
    saved.outputs.insert("gone".parse().unwrap(), true);
    saved.outputs.insert("room".parse().unwrap(), false);
    let mut fresh = show();
    fresh.recall(saved, &cast());
    assert_eq!(fresh.programme.as_str(), "slides");
    assert_eq!(fresh.preview.as_str(), "slate");
    assert_eq!(fresh.roles.len(), 1);
    assert_eq!(
        fresh.outputs,
        BTreeMap::from([("room".parse().unwrap(), false)])
    );
}

#[test]
fn a_role_taken_from_everybody_stays_so() {
    let mut saved = show();
    saved.roles.clear();
    let mut fresh = show();
    fresh.recall(saved, &cast());
    assert!(fresh.roles.is_empty());
}

#[test]
fn a_gain_is_read_as_people_write_it() {
    for (text, db) in [("-3dB", -3.0), ("+6 dB", 6.0), ("0", 0.0), ("-60db", -60.0)] {
        assert_eq!(text.parse::<Gain>().unwrap().db(), db);
    }
    for bad in ["", "loud", "13dB", "-61", "nan", "inf"] {
        assert!(bad.parse::<Gain>().is_err(), "{bad}");
    }
}

/// Any sequence of commands, good or bad, leaves a show that names only what exists.
#[test]
fn random_commands_never_break_the_show() {
    let cast = cast();
    let mut show = show();
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move |n: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % n as u64) as usize
    };
    let layouts = ["slides", "speaker", "slides-pip", "slate", "nonsense"];
    let sources = ["laptop", "camera", "nobody"];
    for _ in 0..5000 {
        let source: SourceId = sources[random(3)].parse().unwrap();
        let command = match random(8) {
            0 => take(None),
            1 => take(Some(layouts[random(5)])),
            2 => Command::Preview {
                layout: layouts[random(5)].parse().unwrap(),
            },
            3 => Command::Role {
                role: ["slides", "speaker", "extra"][random(3)].parse().unwrap(),
                source: (random(2) == 0).then_some(source),
            },
            4 => Command::Gain {
                source,
                gain: Gain::from_db(random(70) as f64 - 58.0).unwrap(),
            },
            5 => Command::Delay {
                source,
                delay_ms: random(4000) as u32,
            },
            6 => slate(
                random(2) == 0,
                [None, Some(NOW), Some(NOW + 1), Some(u64::MAX)][random(4)],
            ),
            _ => Command::Output {
                output: ["room", "moon"][random(2)].parse().unwrap(),
                run: random(2) == 0,
            },
        };
        let before = show.clone();
        if show.apply(&command, &cast, NOW).is_err() {
            assert_eq!(show, before, "{command:?}");
        }
        assert!(cast.layout(&show.programme).is_some());
        assert!(cast.layout(&show.preview).is_some());
        assert!(
            show.roles
                .iter()
                .all(|(r, s)| cast.roles.contains(r) && cast.sources.contains(s))
        );
        assert!(show.sources.values().all(|s| s.delay_ms <= MAX_DELAY_MS));
        assert_eq!(show.outputs.len(), 1);
        assert!(show.slate || show.slate_until.is_none());
        let text = serde_json::to_string(&show).unwrap();
        assert_eq!(serde_json::from_str::<ShowState>(&text).unwrap(), show);
    }
}

#[test]
fn the_desk_has_a_gain_and_plays_no_role() {
    let mut show = show();
    let desk = SourceId::desk();
    let gain = Command::Gain {
        source: desk.clone(),
        gain: Gain::from_db(-3.0).unwrap(),
    };
    let refused = show.apply(&gain, &cast(), NOW).unwrap_err();
    assert_eq!(
        refused.message,
        "no source \"desk\"; there are: laptop, camera"
    );
    let laptop: SourceId = "laptop".parse().unwrap();
    let setting = show.sources[&laptop];
    show.sources.insert(desk.clone(), setting);
    assert_eq!(
        show.apply(&gain, &cast(), NOW),
        Ok(Change::Source(desk.clone()))
    );
    assert_eq!(show.sources[&desk].gain.db(), -3.0);
    let role = Command::Role {
        role: "speaker".parse().unwrap(),
        source: Some(desk),
    };
    let refused = show.apply(&role, &cast(), NOW).unwrap_err();
    assert_eq!(refused.code, "unknown-source");
    let nobody = Command::Mute {
        source: "nobody".parse().unwrap(),
        mute: true,
    };
    let refused = show.apply(&nobody, &cast(), NOW).unwrap_err();
    assert_eq!(
        refused.message,
        "no source \"nobody\"; there are: laptop, camera, desk"
    );
}

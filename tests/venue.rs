//! The venue file, as somebody meets it who installs regie: the demo works as it is, and a file
//! with faults says all of them.

use std::path::Path;

use regie::venue::{Problem, SourceKind, Venue, VenueError};

#[test]
fn the_demo_venue_loads_without_a_word() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/demo/venue.toml");
    let venue = Venue::load(&path).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(venue.name, "Demo");
    assert_eq!(venue.programme.size.to_string(), "1280x720");
    assert_eq!(venue.programme.framerate.to_string(), "30");
    assert!(venue.warnings.is_empty(), "{:?}", venue.warnings);
    assert!(
        venue.outputs.is_empty(),
        "the demo must need no other machine"
    );

    let sources: Vec<(&str, &str, Option<&str>)> = venue
        .sources
        .iter()
        .map(|source| {
            let role = source.role.as_ref().map(|role| role.as_str());
            (source.id.as_str(), source.kind.name(), role)
        })
        .collect();
    assert_eq!(
        sources,
        [
            ("laptop", "push", None),
            ("pattern", "test", Some("slides")),
            ("camera", "test", Some("speaker")),
        ]
    );
    assert_eq!(venue.sources[0].kind, SourceKind::Push { key: None });
    let layouts: Vec<&str> = venue
        .layouts
        .iter()
        .map(|layout| layout.id.as_str())
        .collect();
    assert_eq!(
        layouts,
        ["slides", "speaker", "slides-speaker", "slides-pip", "slate"]
    );
}

#[test]
fn a_refusal_is_data_and_text() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("venue.toml");
    let text = "[programme]\nframrate = 30\n\n[[source]]\nid = \"cam\"\nkind = \"tset\"\n";
    std::fs::write(&path, text).expect("a file");
    let error = Venue::load(&path).expect_err("two faults");
    let VenueError::Refused { complaints, .. } = &error else {
        panic!("refused, not {error}");
    };
    let places: Vec<(Option<usize>, &str, &str)> = complaints
        .iter()
        .map(|complaint| {
            (
                complaint.line,
                complaint.place.as_str(),
                complaint.key.as_str(),
            )
        })
        .collect();
    assert_eq!(
        places,
        [
            (Some(2), "programme", "framrate"),
            (Some(6), "source \"cam\"", "kind")
        ]
    );
    assert_eq!(
        complaints[0].problem,
        Problem::Unknown {
            hint: Some("did you mean \"framerate\"?".to_owned())
        }
    );
    assert_eq!(error.to_string().lines().count(), 2);
    // Where there is room for one line only.
    let first = error.first();
    assert!(first.contains("venue.toml:2: ") && first.ends_with(" (and 1 more)"));
}

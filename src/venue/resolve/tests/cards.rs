//! Capture cards in a venue file.

use super::*;
use crate::model::Pixels;
use crate::venue::{CaptureConfig, CardInput};

#[track_caller]
fn card(text: &str) -> (CaptureConfig, Vec<String>) {
    let mut venue = accepted(text);
    let source = venue.sources.remove(0);
    assert_eq!(source.kind.name(), "capture");
    let SourceKind::Capture(capture) = source.kind else {
        panic!("{:?}", source.kind);
    };
    (capture, venue.warnings)
}

#[test]
fn a_card_needs_its_name_and_no_more() {
    let text = "[[source]]\nid = \"a\"\nkind = \"capture\"\ndevice = \"/dev/v4l/by-id/usb-x\"\n";
    let (capture, warnings) = card(text);
    assert_eq!(capture.device, Path::new("/dev/v4l/by-id/usb-x"));
    assert_eq!((capture.input, capture.format), (None, None));
    assert_eq!((capture.size, capture.framerate), (None, None));
    assert_eq!(capture.need.to_string(), "1920x1080");
    assert_eq!(capture.programme_rate.to_string(), "30");
    assert!(warnings.is_empty(), "{warnings:?}");
}

#[test]
fn what_the_file_fixes_is_kept() {
    let text = "[[source]]\nid = \"a\"\nkind = \"capture\"\ndevice = \"/dev/regie/video/desk\"\n\
                input = \"HDMI 2\"\nformat = \"NV12\"\nsize = \"1280x720\"\nframerate = 50\n\
                [programme]\nframerate = 25\n";
    let (capture, _) = card(text);
    assert_eq!(capture.input, Some(CardInput::Name("HDMI 2".to_owned())));
    assert_eq!(capture.format, Some(Pixels::Nv12));
    assert_eq!(capture.size.map(|s| s.to_string()), Some("1280x720".into()));
    assert_eq!(capture.framerate.map(|r| r.to_string()), Some("50".into()));
    assert_eq!(capture.programme_rate.to_string(), "25");
    let (capture, _) = card(&text.replace("\"HDMI 2\"", "3"));
    assert_eq!(capture.input, Some(CardInput::Number(3)));
}

#[test]
fn a_number_is_no_name() {
    let of = |device: &str| {
        card(&format!(
            "[[source]]\nid = \"a\"\nkind = \"capture\"\ndevice = \"{device}\"\n"
        ))
        .1
    };
    let warned = of("/dev/video0");
    assert_eq!(
        warned,
        [
            "venue.toml:4: source \"a\": /dev/video0 is whichever card was found first; name it by \
             its link under /dev/v4l/by-id, or another card may take its place"
        ]
    );
    for device in [
        "/dev/v4l/by-path/video0",
        "/dev/video-hdmi",
        "/dev/regie/video0",
    ] {
        assert!(of(device).is_empty(), "{device}");
    }
}

#[test]
fn it_has_to_fill_the_largest_slot_of_its_role() {
    let text = "[[source]]\nid = \"a\"\nkind = \"capture\"\ndevice = \"/dev/regie/a\"\nROLE\n\
                [[source]]\nid = \"b\"\nkind = \"test\"\nrole = \"slides\"\n\
                [[source]]\nid = \"c\"\nkind = \"test\"\nrole = \"speaker\"\n\
                [programme]\nsize = \"1280x720\"\n\
                [[layout]]\nid = \"both\"\nslots = [\n\
                { role = \"slides\", x = 0, y = 0, width = 1, height = 1 },\n\
                { role = \"speaker\", x = 0.75, y = 0.5, width = 0.25, height = 0.5 } ]\n\
                [[layout]]\nid = \"cut\"\nslots = [\n\
                { role = \"speaker\", x = 0, y = 0, width = 0.5, height = 0.25, \
                crop = { left = 0.25, right = 0.25 } } ]\n";
    let need = |role: &str| card(&text.replace("ROLE", role)).0.need.to_string();
    assert_eq!(need("role = \"speaker\""), "1280x360");
    assert_eq!(need("role = \"slides\""), "1280x720");
    // Anybody may be given any role.
    assert_eq!(need(""), "1280x720");
}

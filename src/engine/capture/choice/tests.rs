//! What is read from cards that are in use, by the lists that they give.

use super::*;
use crate::venue::FrameSize;

fn rate(numerator: u32, denominator: u32) -> Rate {
    Rate {
        numerator,
        denominator,
    }
}

fn offer(pixels: Pixels, width: u32, height: u32, rates: &[u32]) -> Offer {
    Offer {
        pixels,
        size: Sizes::One(width, height),
        rates: rates
            .iter()
            .map(|per_second| rate(*per_second, 1))
            .collect(),
    }
}

/// A show: the source's largest slot, and the programme's rate.
fn show(width: u32, height: u32, per_second: u32) -> CaptureConfig {
    CaptureConfig {
        device: "/dev/regie/card".into(),
        input: None,
        format: None,
        size: None,
        framerate: None,
        need: FrameSize { width, height },
        programme_rate: rate(per_second, 1),
    }
}

fn said(mode: Option<Mode>) -> String {
    mode.map_or("nothing".to_owned(), |mode| {
        let rate = mode.rate.map_or("its own".to_owned(), |r| r.to_string());
        format!("{} {}x{} {rate}", mode.pixels, mode.width, mode.height)
    })
}

#[track_caller]
fn chosen(offers: &[Offer], shows: &[(CaptureConfig, &str)], bus: Bus) {
    for (config, expected) in shows {
        let best = choose(offers, config, bus);
        let need = config.need;
        let of = config.programme_rate;
        assert_eq!(said(best), *expected, "for a slot of {need} at {of}");
    }
}

/// Logitech C920: by USB 2 it has raw pictures only as small or as slow ones.
fn c920() -> Vec<Offer> {
    use Pixels::{Mjpg, Yuyv};
    let slow: &[u32] = &[10, 5];
    let all: &[u32] = &[30, 24, 20, 15, 10, 5];
    vec![
        offer(Yuyv, 640, 480, all),
        offer(Yuyv, 640, 360, all),
        offer(Yuyv, 800, 600, &[24, 20, 15, 10, 5]),
        offer(Yuyv, 1280, 720, slow),
        offer(Yuyv, 1920, 1080, &[5]),
        offer(Mjpg, 640, 480, all),
        offer(Mjpg, 640, 360, all),
        offer(Mjpg, 800, 600, all),
        offer(Mjpg, 1024, 576, all),
        offer(Mjpg, 1280, 720, all),
        offer(Mjpg, 1920, 1080, all),
    ]
}

#[test]
fn a_webcam_by_usb_2() {
    chosen(
        &c920(),
        &[
            (show(1920, 1080, 30), "MJPG 1920x1080 30"),
            (show(1280, 720, 30), "MJPG 1280x720 30"),
            (show(1280, 720, 25), "MJPG 1280x720 30"),
            (show(1280, 720, 24), "MJPG 1280x720 24"),
            (show(960, 540, 30), "MJPG 1024x576 30"),
            (show(640, 360, 30), "YUYV 640x360 30"),
            (show(320, 180, 10), "YUYV 640x360 10"),
            (show(1920, 1080, 60), "MJPG 1920x1080 30"),
            (show(1280, 720, 10), "YUYV 1280x720 10"),
        ],
        Bus::usb(480),
    );
}

#[test]
fn a_stick_for_hdmi_by_usb_3() {
    // Elgato Cam Link 4K: what comes in by HDMI, and nothing else. Of 3840x2160 not all fits through.
    let cam_link = |width, height, per_second| {
        [Pixels::Nv12, Pixels::Yuyv]
            .map(|pixels| offer(pixels, width, height, per_second))
            .to_vec()
    };
    chosen(
        &cam_link(1920, 1080, &[60]),
        &[
            (show(1920, 1080, 30), "YUYV 1920x1080 60"),
            (show(640, 360, 25), "YUYV 1920x1080 60"),
        ],
        Bus::usb(5000),
    );
    let shows = [(show(1920, 1080, 30), "NV12 3840x2160 30")];
    chosen(&cam_link(3840, 2160, &[30]), &shows, Bus::usb(5000));
}

#[test]
fn a_grabber_that_scales() {
    // Magewell USB Capture HDMI: every format at every size and rate.
    let mut offers = Vec::new();
    for pixels in [
        Pixels::Yuyv,
        Pixels::Uyvy,
        Pixels::Nv12,
        Pixels::Yu12,
        Pixels::Rgb24,
    ] {
        for (width, height) in [
            (640, 360),
            (1280, 720),
            (1920, 1080),
            (1920, 1200),
            (2048, 1152),
        ] {
            offers.push(offer(pixels, width, height, &[60, 50, 30, 25, 24]));
        }
    }
    chosen(
        &offers,
        &[
            (show(1920, 1080, 30), "YU12 1920x1080 30"),
            (show(1920, 1080, 50), "YU12 1920x1080 50"),
            (show(1280, 720, 25), "YU12 1280x720 25"),
            (show(1000, 562, 15), "YU12 1280x720 30"),
        ],
        Bus::usb(5000),
    );
}

#[test]
fn a_cheap_stick() {
    // MS2109: promises raw pictures that no USB 2 can carry.
    let offers = [
        offer(Pixels::Mjpg, 1920, 1080, &[60, 30, 25, 20, 10]),
        offer(Pixels::Mjpg, 1280, 720, &[60, 50, 30, 20, 10]),
        offer(Pixels::Mjpg, 640, 480, &[60, 50, 30, 20, 10]),
        offer(Pixels::Yuyv, 1920, 1080, &[30, 5]),
        offer(Pixels::Yuyv, 1280, 720, &[30, 10]),
        offer(Pixels::Yuyv, 640, 480, &[20, 10, 5]),
    ];
    chosen(
        &offers,
        &[
            (show(1920, 1080, 30), "MJPG 1920x1080 30"),
            (show(1280, 720, 50), "MJPG 1280x720 50"),
            (show(1280, 720, 10), "YUYV 1280x720 10"),
        ],
        Bus::usb(480),
    );
    // The same list by a wide bus is taken at its word.
    let shows = [(show(1920, 1080, 30), "YUYV 1920x1080 30")];
    chosen(&offers, &shows, Bus::usb(5000));
}

#[test]
fn a_card_with_one_mode_gives_that() {
    let ntsc = [Offer {
        pixels: Pixels::Uyvy,
        size: Sizes::One(720, 480),
        rates: vec![rate(30000, 1001)],
    }];
    let expected = "UYVY 720x480 30000/1001";
    let shows = [
        (show(1920, 1080, 30), expected),
        (show(320, 180, 60), expected),
    ];
    chosen(&ntsc, &shows, Bus::WIDE);
    let silent = [offer(Pixels::Grey, 640, 480, &[])];
    chosen(
        &silent,
        &[(show(1920, 1080, 30), "GREY 640x480 its own")],
        Bus::WIDE,
    );
    chosen(&[], &[(show(1920, 1080, 30), "nothing")], Bus::WIDE);
    // Slower than anybody wants, and more than the bus carries: still better than a slate.
    let slow = [offer(Pixels::Yuyv, 1920, 1080, &[5])];
    chosen(
        &slow,
        &[(show(640, 360, 30), "YUYV 1920x1080 5")],
        Bus::usb(12),
    );
}

#[test]
fn a_card_that_scales_gives_what_is_needed() {
    let offers = [Offer {
        pixels: Pixels::Yuyv,
        size: Sizes::Between {
            least: (48, 32),
            most: (1920, 1080),
            step: (16, 2),
        },
        rates: vec![rate(30, 1)],
    }];
    chosen(
        &offers,
        &[
            (show(1280, 720, 30), "YUYV 1280x720 30"),
            (show(1000, 563, 30), "YUYV 1008x564 30"),
            (show(3840, 2160, 30), "YUYV 1920x1080 30"),
            (show(16, 16, 30), "YUYV 48x32 30"),
        ],
        Bus::WIDE,
    );
}

#[test]
fn what_the_file_fixes_is_taken_or_nothing() {
    let fixed = |format, size: Option<&str>, framerate| {
        let size = size.map(|size| size.parse().expect("a size"));
        CaptureConfig {
            format,
            size,
            framerate,
            ..show(1920, 1080, 30)
        }
    };
    chosen(
        &c920(),
        &[
            (fixed(Some(Pixels::Yuyv), None, None), "YUYV 800x600 24"),
            (
                fixed(Some(Pixels::Yuyv), Some("1920x1080"), None),
                "YUYV 1920x1080 5",
            ),
            (fixed(None, Some("640x480"), None), "YUYV 640x480 30"),
            (fixed(None, None, Some(rate(15, 1))), "MJPG 1920x1080 15"),
            (fixed(Some(Pixels::Nv12), None, None), "nothing"),
            (fixed(None, Some("1922x1080"), None), "nothing"),
            (fixed(None, None, Some(rate(50, 1))), "nothing"),
        ],
        Bus::usb(480),
    );
}

#[test]
fn sizes_that_make_no_sense_do_no_harm() {
    assert_eq!(up(1920, 640, 1280, 0), 1280);
    assert_eq!(up(1920, 1280, 640, 16), 1280);
    assert_eq!(up(u32::MAX, 1, u32::MAX, u32::MAX), u32::MAX);
}

//! What the value types take and what they refuse.

use super::*;

/// The value's text after a round through `FromStr`.
#[track_caller]
fn read<T: FromStr<Err = Unfit> + ToString>(text: &str) -> Result<String, String> {
    text.parse::<T>()
        .map(|value| value.to_string())
        .map_err(|unfit| unfit.problem.to_owned())
}

#[test]
fn a_size_is_two_even_numbers() {
    for good in ["1920x1080", "64x64", "7680x4320"] {
        assert_eq!(read::<FrameSize>(good), Ok(good.to_owned()));
    }
    for (bad, problem) in [
        ("1920", "is not a size"),
        ("1920X1080", "is not a size"),
        ("1920x1080x2", "is not a size"),
        ("1920 x 1080", "is not a size"),
        ("-1920x1080", "is not a size"),
        ("x", "is not a size"),
        ("", "is not a size"),
        ("99999999999x2", "is not a size"),
        ("62x64", "is out of range"),
        ("7682x4320", "is out of range"),
        ("1920x4322", "is out of range"),
        ("1919x1080", "has an odd side"),
        ("1920x1081", "has an odd side"),
    ] {
        assert_eq!(read::<FrameSize>(bad), Err(problem.to_owned()), "{bad}");
    }
    assert_eq!(
        "big".parse::<FrameSize>().expect_err("refused").to_string(),
        "\"big\" is not a size; accepted: pixels as \"1920x1080\", both even, 64 to 7680 wide \
         and 64 to 4320 high"
    );
}

#[test]
fn a_rate_is_a_reduced_fraction() {
    for (good, shown) in [
        ("30", "30"),
        ("1", "1"),
        ("120", "120"),
        ("30000/1001", "30000/1001"),
        ("60/2", "30"),
        ("50/4", "25/2"),
    ] {
        assert_eq!(read::<Rate>(good), Ok(shown.to_owned()));
    }
    for (bad, problem) in [
        ("29.97", "is not a frame rate"),
        ("30fps", "is not a frame rate"),
        ("30/", "is not a frame rate"),
        ("/1", "is not a frame rate"),
        ("", "is not a frame rate"),
        ("0", "is out of range"),
        ("30/0", "is out of range"),
        ("1/2", "is out of range"),
        ("121", "is out of range"),
        ("4294967295/4294967294", "ok"),
        ("4294967295/1", "is out of range"),
    ] {
        if problem == "ok" {
            assert!(read::<Rate>(bad).is_ok(), "{bad}");
        } else {
            assert_eq!(read::<Rate>(bad), Err(problem.to_owned()), "{bad}");
        }
    }
}

#[test]
fn a_rate_knows_its_frames() {
    let ntsc: Rate = "30000/1001".parse().expect("a rate");
    assert_eq!(ntsc.frame_duration(), Duration::from_nanos(33_366_667));
    assert!((ntsc.as_f64() - 29.970_03).abs() < 1e-5);
    let pal: Rate = "25".parse().expect("a rate");
    assert_eq!(pal.frame_duration(), Duration::from_millis(40));
}

#[test]
fn a_bit_rate_has_a_unit_or_is_bits() {
    for (good, bits, shown) in [
        ("4500k", 4_500_000, "4500k"),
        ("4.5M", 4_500_000, "4500k"),
        ("160000", 160_000, "160k"),
        ("160 k", 160_000, "160k"),
        ("0.5k", 500, "500"),
        ("0", 0, "0"),
    ] {
        let rate: BitRate = good.parse().expect("a bit rate");
        assert_eq!(rate.bits_per_second(), bits);
        assert_eq!(rate.to_string(), shown);
    }
    for bad in [
        "", "k", "fast", "4,5M", "4.M", ".5M", "4.5.1M", "4500m", "-1k", "1e3", "5000M", "0.0005k",
        "4500kb",
    ] {
        assert_eq!(
            read::<BitRate>(bad),
            Err("is not a bit rate".to_owned()),
            "{bad}"
        );
    }
    assert_eq!(BitRate::kilobits(160).bits_per_second(), 160_000);
}

#[test]
fn a_duration_has_a_unit() {
    for (good, millis) in [
        ("2s", 2000),
        ("500ms", 500),
        ("1.5s", 1500),
        ("1m", 60_000),
        ("0ms", 0),
        ("0.5 m", 30_000),
    ] {
        assert_eq!(duration(good), Ok(Duration::from_millis(millis)), "{good}");
    }
    for bad in [
        "",
        "2",
        "s",
        "2 seconds",
        "-2s",
        "2h",
        "1e3s",
        "9999999999m",
        "0.0000000001s",
    ] {
        assert_eq!(
            duration(bad).map_err(|e| e.problem),
            Err("is not a time"),
            "{bad}"
        );
    }
}

#[test]
fn a_gain_is_decibels() {
    for (good, gain) in [
        ("-3dB", -3.0),
        ("-3 dB", -3.0),
        ("+2.5db", 2.5),
        ("0", 0.0),
        ("12", 12.0),
    ] {
        assert_eq!(decibels(good), Ok(gain), "{good}");
    }
    for bad in ["", "dB", "loud", "nan", "inf", "1e1", "--3", "-3 dBFS"] {
        assert_eq!(
            decibels(bad).map_err(|e| e.problem),
            Err("is not a gain"),
            "{bad}"
        );
    }
    for bad in ["-60.1", "12.5dB", "1000"] {
        assert_eq!(
            decibels(bad).map_err(|e| e.problem),
            Err("is out of range"),
            "{bad}"
        );
    }
}

#[test]
fn an_encoder_is_a_word() {
    for word in EncoderChoice::ACCEPTED.split(", ") {
        assert_eq!(read::<EncoderChoice>(word), Ok(word.to_owned()));
        assert_eq!(
            serde_json::to_value(word.parse::<EncoderChoice>().expect("known")).expect("JSON"),
            serde_json::Value::from(word)
        );
    }
    for bad in ["", "Auto", "h264"] {
        assert_eq!(read::<EncoderChoice>(bad), Err("is not known".to_owned()));
    }
}

#[test]
fn values_have_one_spelling_in_serde_too() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct All {
        size: FrameSize,
        text: Rate,
        number: Rate,
        bits: BitRate,
    }
    let all: All =
        toml::from_str("size = \"1280x720\"\ntext = \"30000/1001\"\nnumber = 25\nbits = \"4.5M\"")
            .expect("all of them");
    assert_eq!(
        serde_json::to_string(&all).expect("JSON"),
        r#"{"size":"1280x720","text":"30000/1001","number":"25","bits":"4500k"}"#
    );
    assert!(toml::from_str::<All>("size = \"1280\"").is_err());
}

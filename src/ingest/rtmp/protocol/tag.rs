//! What is in a message of picture or sound: FLV's tags, and those of Enhanced RTMP, in which a
//! codec has a name of four letters.

/// What regie takes by RTMP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// H.264, with a size before each part of a picture.
    H264,
    /// H.265, likewise.
    H265,
    /// AAC without a header of its own.
    Aac,
    /// MP3.
    Mp3,
}

/// One tag. `data` is the place in the message where the codec's own bytes begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tag {
    /// How what follows is to be decoded.
    Config {
        /// By which codec.
        codec: Codec,
        /// Where it begins.
        data: usize,
    },
    /// A picture, or a block of sound.
    Frame {
        /// By which codec.
        codec: Codec,
        /// It needs no other one.
        keyframe: bool,
        /// Milliseconds from its decoding to its showing.
        offset: i32,
        /// Where it begins.
        data: usize,
    },
    /// A codec that is not taken, by its name.
    Unknown(String),
    /// Nothing to see or hear.
    Nothing,
}

/// A tag of Enhanced RTMP.
const SEQUENCE_START: u8 = 0;
const CODED_FRAMES: u8 = 1;
const CODED_FRAMES_X: u8 = 3;
const MULTITRACK_VIDEO: u8 = 6;
const MULTITRACK_AUDIO: u8 = 5;
/// Something before the tag proper that may be left out.
const MODIFIER: u8 = 7;

/// The four letters of codecs that are taken.
pub const FOUR_LETTERS: [&str; 3] = ["avc1", "hvc1", "mp4a"];

/// Reads a message of picture.
pub fn video(message: &[u8]) -> Tag {
    let Some(&first) = message.first() else {
        return Tag::Nothing;
    };
    if first & 0x80 != 0 {
        return enhanced_video(message, first);
    }
    // Frames of the fifth kind tell a player something.
    if first >> 4 == 5 {
        return Tag::Nothing;
    }
    let codec = match first & 15 {
        7 => Codec::H264,
        // Not in FLV's specification, but in encoders.
        12 => Codec::H265,
        other => return Tag::Unknown(video_name(other).to_owned()),
    };
    let (Some(what), Some(offset)) = (message.get(1), offset_at(message, 2)) else {
        return Tag::Nothing;
    };
    match what {
        _ if message.len() == 5 => Tag::Nothing,
        0 => Tag::Config { codec, data: 5 },
        1 => Tag::Frame {
            codec,
            keyframe: first >> 4 == 1,
            offset,
            data: 5,
        },
        _ => Tag::Nothing,
    }
}

fn enhanced_video(message: &[u8], first: u8) -> Tag {
    let kind = first >> 4 & 7;
    let Some((what, at)) = skip_modifiers(message, first & 15) else {
        return Tag::Nothing;
    };
    if what == MULTITRACK_VIDEO {
        return Tag::Unknown("several pictures in one stream".to_owned());
    }
    let Some(letters) = message.get(at..at + 4).filter(|_| kind != 5) else {
        return Tag::Nothing;
    };
    let codec = match letters {
        b"avc1" => Codec::H264,
        b"hvc1" => Codec::H265,
        other => return Tag::Unknown(name_of(other)),
    };
    let data = at + 4;
    let keyframe = kind == 1;
    let frame = |offset, data| Tag::Frame {
        codec,
        keyframe,
        offset,
        data,
    };
    let tag = match what {
        SEQUENCE_START => Tag::Config { codec, data },
        CODED_FRAMES => match offset_at(message, data) {
            Some(offset) => frame(offset, data + 3),
            None => Tag::Nothing,
        },
        CODED_FRAMES_X => frame(0, data),
        _ => Tag::Nothing,
    };
    whole(tag, message)
}

/// Reads a message of sound.
pub fn audio(message: &[u8]) -> Tag {
    let Some(&first) = message.first() else {
        return Tag::Nothing;
    };
    let frame = |codec, data| Tag::Frame {
        codec,
        keyframe: true,
        offset: 0,
        data,
    };
    let tag = match first >> 4 {
        2 | 14 => frame(Codec::Mp3, 1),
        9 => return enhanced_audio(message, first),
        10 => match message.get(1) {
            Some(0) => Tag::Config {
                codec: Codec::Aac,
                data: 2,
            },
            Some(1) => frame(Codec::Aac, 2),
            _ => Tag::Nothing,
        },
        other => Tag::Unknown(audio_name(other).to_owned()),
    };
    whole(tag, message)
}

fn enhanced_audio(message: &[u8], first: u8) -> Tag {
    let Some((what, at)) = skip_modifiers(message, first & 15) else {
        return Tag::Nothing;
    };
    if what == MULTITRACK_AUDIO {
        return Tag::Unknown("several sounds in one stream".to_owned());
    }
    let codec = match message.get(at..at + 4) {
        Some(b"mp4a") => Codec::Aac,
        Some(b".mp3") => Codec::Mp3,
        Some(other) => return Tag::Unknown(name_of(other)),
        None => return Tag::Nothing,
    };
    let data = at + 4;
    let tag = match what {
        SEQUENCE_START => Tag::Config { codec, data },
        CODED_FRAMES => Tag::Frame {
            codec,
            keyframe: true,
            offset: 0,
            data,
        },
        _ => Tag::Nothing,
    };
    whole(tag, message)
}

/// The tag, unless nothing follows it.
fn whole(tag: Tag, message: &[u8]) -> Tag {
    match tag {
        Tag::Config { data, .. } | Tag::Frame { data, .. } if data >= message.len() => Tag::Nothing,
        tag => tag,
    }
}

/// The kind of tag behind all modifiers, and where it goes on. A modifier is its size less one in a
/// byte (or, where that is 255, in two more), so many bytes, and a byte with the next kind.
fn skip_modifiers(message: &[u8], mut what: u8) -> Option<(u8, usize)> {
    let mut at = 1;
    while what == MODIFIER {
        let mut size = usize::from(*message.get(at)?) + 1;
        at += 1;
        if size == 256 {
            let more = message.get(at..at + 2)?;
            size = usize::from(u16::from_be_bytes([more[0], more[1]])) + 1;
            at += 2;
        }
        what = message.get(at + size)? & 15;
        at += size + 1;
    }
    Some((what, at))
}

/// A signed number of three bytes.
fn offset_at(message: &[u8], at: usize) -> Option<i32> {
    let bytes = message.get(at..at + 3)?;
    Some(i32::from_be_bytes([bytes[0], bytes[1], bytes[2], 0]) >> 8)
}

fn name_of(letters: &[u8]) -> String {
    let letters = letters.iter().map(|letter| match letter {
        b'!'..=b'~' => char::from(*letter),
        _ => '?',
    });
    letters.collect()
}

fn video_name(codec: u8) -> &'static str {
    match codec {
        2 => "Sorenson H.263",
        3 | 6 => "Screen Video",
        4 | 5 => "VP6",
        _ => "an unknown codec",
    }
}

fn audio_name(codec: u8) -> &'static str {
    match codec {
        0 | 3 => "PCM",
        1 => "ADPCM",
        4..=6 => "Nellymoser",
        7 | 8 => "G.711",
        11 => "Speex",
        _ => "an unknown codec",
    }
}

/// Rate and channels in an AudioSpecificConfig (ISO 14496-3, 1.6.2.1).
pub fn aac_format(config: &[u8]) -> Option<(u32, u32)> {
    const RATES: [u32; 13] = [
        96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350,
    ];
    let mut at = 0;
    let mut bits = |count: u32| {
        let mut value = 0;
        for _ in 0..count {
            let byte = config.get(at / 8)?;
            value = value << 1 | u32::from(byte >> (7 - at % 8) & 1);
            at += 1;
        }
        Some(value)
    };
    if bits(5)? == 31 {
        bits(6)?;
    }
    let rate = match bits(4)? as usize {
        15 => bits(24)?,
        index => *RATES.get(index)?,
    };
    let channels = match bits(4)? {
        count @ 1..=6 => count,
        7 => 8,
        // Told elsewhere, or not at all.
        _ => return None,
    };
    (1..=192_000).contains(&rate).then_some((rate, channels))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_of_flv_and_of_enhanced_rtmp_are_read() {
        let frame = |codec, keyframe, offset, data| Tag::Frame {
            codec,
            keyframe,
            offset,
            data,
        };
        let config = |codec, data| Tag::Config { codec, data };
        let (avc, hevc) = (Codec::H264, Codec::H265);
        for (message, tag) in [
            (&b"\x17\x00\0\0\0C"[..], config(avc, 5)),
            (b"\x17\x01\0\0\x28F", frame(avc, true, 40, 5)),
            (b"\x27\x01\xFF\xFF\xD8F", frame(avc, false, -40, 5)),
            (b"\x27\x01\0\0\0", Tag::Nothing),
            (b"\x17\x02\0\0\0", Tag::Nothing),
            (b"\x57\x00", Tag::Nothing),
            (b"\x1C\x01\0\0\0F", frame(hevc, true, 0, 5)),
            (b"\x14\x01", Tag::Unknown("VP6".to_owned())),
            (b"\x90hvc1C", config(hevc, 5)),
            (b"\x91hvc1\0\0\x21F", frame(hevc, true, 33, 8)),
            (b"\xA3hvc1F", frame(hevc, false, 0, 5)),
            (b"\xA1hvc1\0\0", Tag::Nothing),
            (b"\x92hvc1", Tag::Nothing),
            (b"\x90av01C", Tag::Unknown("av01".to_owned())),
            (b"\x90\xFF\n1 C", Tag::Unknown("??1?".to_owned())),
            // Nanoseconds, then a frame.
            (b"\x97\x02\0\0\x07\x03hvc1F", frame(hevc, true, 0, 10)),
            (b"\x97\xFF\xFF\xFF\0", Tag::Nothing),
            (b"", Tag::Nothing),
        ] {
            assert_eq!(video(message), tag, "{message:?}");
        }
        let aac = Codec::Aac;
        for (message, tag) in [
            (&b"\xAF\x00\x11\x90"[..], config(aac, 2)),
            (b"\xAF\x01F", frame(aac, true, 0, 2)),
            (b"\xAF\x01", Tag::Nothing),
            (b"\x2FF", frame(Codec::Mp3, true, 0, 1)),
            (b"\xB6F", Tag::Unknown("Speex".to_owned())),
            (b"\x90mp4aC", config(aac, 5)),
            (b"\x91mp4aF", frame(aac, true, 0, 5)),
            (b"\x91OpusF", Tag::Unknown("Opus".to_owned())),
            (b"\x91mp", Tag::Nothing),
        ] {
            assert_eq!(audio(message), tag, "{message:?}");
        }
    }

    #[test]
    fn rate_and_channels_of_aac_are_found() {
        assert_eq!(aac_format(&[0x11, 0x90]), Some((48000, 2)));
        assert_eq!(aac_format(&[0x12, 0x08]), Some((44100, 1)));
        assert_eq!(aac_format(&[0x11, 0xB0]), Some((48000, 6)));
        assert_eq!(aac_format(&[0x11]), None);
        assert_eq!(aac_format(&[0xFF, 0xFF, 0xFF]), None);
        assert_eq!(aac_format(&[]), None);
    }
}

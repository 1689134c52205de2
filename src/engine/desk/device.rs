//! From the name of a device in the venue file to one that cpal knows, and the best that it offers. On
//! the desk's thread: asking a device what it can do opens it.

use std::path::Path;

use cpal::traits::{DeviceTrait, HostTrait};
use cpal::{BufferSize, Device, SampleFormat, SupportedBufferSize, SupportedStreamConfigRange};

use crate::engine::samples::{CHANNELS, RATE};

use super::Trouble;
use super::pick::FORMATS;

/// Samples a second that are asked for where the venue file says nothing, the best first.
const RATES: [u32; 4] = [RATE as u32, 96_000, 44_100, 88_200];
/// Blocks a second: a block is a part of the delay, and twice as long may nobody fetch one.
const BLOCKS: u32 = 40;

/// Why there is no sound: what kind of trouble, and what exactly, for whoever repairs it.
pub type Failure = (Trouble, String);

/// How a device is to be opened.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Offer {
    /// Of its samples.
    pub format: SampleFormat,
    /// As many as have to be asked for, so that the wanted ones are among them.
    pub channels: u16,
    /// Samples a second.
    pub rate: u32,
    /// Sample frames a block, where the device lets us choose.
    pub block: BufferSize,
}

/// The device of that name, and how to open it so that it has these channels (counted from 1).
pub fn find(
    host: &cpal::Host,
    name: &str,
    channels: [u16; CHANNELS],
    rate: Option<u32>,
) -> Result<(Device, Offer), Failure> {
    let wanted = wanted(name)?;
    let direct = find_one(host, &wanted).and_then(|device| offer(&device, channels, rate));
    let Err((Trouble::Format, reason)) = direct else {
        return direct;
    };
    // The card has no format of ours, but ALSA can convert: three bytes a sample are common.
    let Some(card) = wanted.strip_prefix("hw:") else {
        return Err((Trouble::Format, reason));
    };
    let converted = find_one(host, &format!("plughw:{card}"))
        .and_then(|device| offer(&device, own_channels(card, channels), rate));
    converted.map_err(|_| (Trouble::Format, reason))
}

/// The name that cpal has for it. What begins with a slash is a link to one of the card's nodes in
/// `/dev/snd`.
fn wanted(name: &str) -> Result<String, Failure> {
    let name = name.strip_prefix("alsa:").unwrap_or(name);
    if !name.starts_with('/') {
        return Ok(canonical(name));
    }
    let node = std::fs::canonicalize(name)
        .map_err(|error| (Trouble::Absent, format!("{name}: {error}")))?;
    of_node(&node).ok_or_else(|| {
        let detail = format!("{name} leads to {}, no sound card", node.display());
        (Trouble::Absent, detail)
    })
}

/// `hw:CARD=1,DEV=0` for `/dev/snd/controlC1`, and likewise for `/dev/snd/pcmC1D0c`.
fn of_node(node: &Path) -> Option<String> {
    let file = node.file_name()?.to_str()?;
    let (card, device) = if let Some(card) = file.strip_prefix("controlC") {
        (card, "0")
    } else {
        let pcm = file.strip_prefix("pcmC")?;
        pcm.trim_end_matches(['c', 'p']).split_once('D')?
    };
    let number = |text: &str| text.parse::<u32>().ok();
    Some(format!("hw:CARD={},DEV={}", number(card)?, number(device)?))
}

/// The one spelling of `hw:1`, `hw:1,0`, `hw:CARD=1` and `hw:CARD=1,DEV=0`. Other names stay as they are.
fn canonical(name: &str) -> String {
    let Some((prefix @ ("hw" | "plughw"), rest)) = name.split_once(':') else {
        return name.to_owned();
    };
    let (card, device) = rest.split_once(',').unwrap_or((rest, "0"));
    let value = |text: &str, key: &str| {
        let text = text.trim();
        text.strip_prefix(key).unwrap_or(text).to_owned()
    };
    let (card, device) = (value(card, "CARD="), value(device, "DEV="));
    format!("{prefix}:CARD={card},DEV={device}")
}

fn find_one(host: &cpal::Host, wanted: &str) -> Result<Device, Failure> {
    let absent = || (Trouble::Absent, format!("no device is called {wanted}"));
    if wanted == "default" {
        return host.default_input_device().ok_or_else(absent);
    }
    let mut devices = host.devices().map_err(failure)?;
    let is_it = |device: &Device| device.id().is_ok_and(|id| canonical(id.id()) == wanted);
    devices.find(is_it).ok_or_else(absent)
}

/// Whether it is a card itself, and not what a sound server makes of one.
pub fn is_card(device: &Device) -> bool {
    device.id().is_ok_and(|id| id.id().contains("CARD="))
}

fn offer(
    device: &Device,
    channels: [u16; CHANNELS],
    rate: Option<u32>,
) -> Result<(Device, Offer), Failure> {
    let ranges: Vec<_> = device.supported_input_configs().map_err(failure)?.collect();
    match choose(&ranges, channels, rate) {
        Some(offer) => Ok((device.clone(), offer)),
        None => Err((Trouble::Format, what_there_is(&ranges))),
    }
}

/// The best of what a device offers: the rate that was asked for or the nearest to ours, as few channels
/// as have the wanted ones among them (but two rather than one: a sound server that is asked for one
/// mixes all it has), samples as they need least work and are most exact.
fn choose(
    ranges: &[SupportedStreamConfigRange],
    channels: [u16; CHANNELS],
    rate: Option<u32>,
) -> Option<Offer> {
    let needed = channels[0].max(channels[1]);
    let rates = rate.map_or(RATES.to_vec(), |rate| vec![rate]);
    let mut best: Option<((usize, bool, u16, usize), Offer)> = None;
    for range in ranges {
        let format = (FORMATS.iter()).position(|format| *format == range.sample_format());
        let rate = (rates.iter()).position(|rate| range.contains_rate(*rate));
        let (Some(format), Some(place)) = (format, rate) else {
            continue;
        };
        if range.channels() < needed {
            continue;
        }
        let rank = (place, range.channels() < 2, range.channels(), format);
        if best.as_ref().is_none_or(|(least, _)| rank < *least) {
            let rate = rates[place];
            let offer = Offer {
                format: range.sample_format(),
                channels: range.channels(),
                rate,
                block: match *range.buffer_size() {
                    SupportedBufferSize::Range { min, max } if min <= max => {
                        BufferSize::Fixed((rate / BLOCKS).clamp(min, max))
                    }
                    _ => BufferSize::Default,
                },
            };
            best = Some((rank, offer));
        }
    }
    best.map(|(_, offer)| offer)
}

fn what_there_is(ranges: &[SupportedStreamConfigRange]) -> String {
    if ranges.is_empty() {
        return "it offers no format that is known here".to_owned();
    }
    let one = |range: &SupportedStreamConfigRange| {
        format!(
            "{} channels {} to {} Hz {}",
            range.channels(),
            range.min_sample_rate(),
            range.max_sample_rate(),
            range.sample_format()
        )
    };
    let all: Vec<String> = ranges.iter().take(12).map(one).collect();
    format!("it offers {}", all.join(", "))
}

/// ALSA's conversions offer any number of channels, and mix where that is not the card's own: of a USB
/// card the kernel tells how many it has.
fn own_channels(card: &str, wanted: [u16; CHANNELS]) -> [u16; CHANNELS] {
    let (card, device) = card.split_once(',').unwrap_or((card, "DEV=0"));
    let card = card.strip_prefix("CARD=").unwrap_or(card);
    let folder = if card.bytes().all(|byte| byte.is_ascii_digit()) {
        format!("card{card}")
    } else {
        card.to_owned()
    };
    let device = device.strip_prefix("DEV=").unwrap_or(device);
    let file = format!("/proc/asound/{folder}/stream{device}");
    let needed = wanted[0].max(wanted[1]);
    let told = std::fs::read_to_string(file).ok();
    let own = told.and_then(|text| channels_of(&text, needed));
    own.map_or(wanted, |own| [wanted[0].min(wanted[1]), own])
}

/// The fewest channels, of those that the kernel tells of a USB card's capture, with so many.
fn channels_of(stream: &str, needed: u16) -> Option<u16> {
    let (_, capture) = stream.split_once("\nCapture:")?;
    let counts = capture
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Channels:"));
    let counts = counts.filter_map(|count| count.trim().parse::<u16>().ok());
    counts.filter(|count| *count >= needed).min()
}

/// What cpal says, as a trouble of ours.
pub fn failure(error: cpal::Error) -> Failure {
    let text = error.to_string();
    let refused = text.to_lowercase().contains("connection refused");
    let trouble = match error.kind() {
        cpal::ErrorKind::DeviceNotAvailable | cpal::ErrorKind::HostUnavailable => Trouble::Absent,
        cpal::ErrorKind::DeviceBusy => Trouble::Busy,
        cpal::ErrorKind::PermissionDenied => Trouble::Denied,
        cpal::ErrorKind::UnsupportedConfig
        | cpal::ErrorKind::UnsupportedOperation
        | cpal::ErrorKind::InvalidInput => Trouble::Format,
        // A sound server that is not there.
        _ if refused => Trouble::Absent,
        _ => Trouble::Lost,
    };
    (trouble, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(channels: u16, rates: (u32, u32), format: SampleFormat) -> SupportedStreamConfigRange {
        let blocks = SupportedBufferSize::Range { min: 64, max: 4096 };
        SupportedStreamConfigRange::new(channels, rates.0, rates.1, blocks, format)
    }

    fn chosen(
        ranges: &[SupportedStreamConfigRange],
        channels: [u16; 2],
        rate: Option<u32>,
    ) -> Option<(SampleFormat, u16, u32)> {
        choose(ranges, channels, rate).map(|offer| (offer.format, offer.channels, offer.rate))
    }

    #[test]
    fn a_device_has_one_spelling() {
        for name in ["hw:1", "hw:1,0", "hw:CARD=1", "hw:CARD=1,DEV=0"] {
            assert_eq!(wanted(name).ok().as_deref(), Some("hw:CARD=1,DEV=0"));
        }
        for (name, one) in [
            ("alsa:plughw:Desk,2", "plughw:CARD=Desk,DEV=2"),
            ("pulse", "pulse"),
            ("sysdefault:CARD=Desk", "sysdefault:CARD=Desk"),
        ] {
            assert_eq!(wanted(name).ok().as_deref(), Some(one));
        }
        for (node, device) in [
            ("/dev/snd/controlC3", Some("hw:CARD=3,DEV=0")),
            ("/dev/snd/pcmC0D2c", Some("hw:CARD=0,DEV=2")),
            ("/dev/video0", None),
            ("/dev/snd/timer", None),
        ] {
            assert_eq!(of_node(Path::new(node)).as_deref(), device, "{node}");
        }
        let missing = wanted("/dev/snd/by-id/no-such-desk");
        assert!(matches!(missing, Err((Trouble::Absent, _))), "{missing:?}");
    }

    #[test]
    fn the_best_of_what_there_is_is_asked_for() {
        use SampleFormat::{DsdU8, F32, I16, I24, I32};
        // A sound server offers everything.
        let server: Vec<_> = [I16, I32, F32]
            .iter()
            .flat_map(|format| (1..=32).map(|count| range(count, (1, 384_000), *format)))
            .collect();
        assert_eq!(chosen(&server, [1, 2], None), Some((F32, 2, 48_000)));
        assert_eq!(chosen(&server, [1, 1], None), Some((F32, 2, 48_000)));
        assert_eq!(chosen(&server, [7, 3], None), Some((F32, 7, 48_000)));
        let rate = Some(44_100);
        assert_eq!(chosen(&server, [1, 2], rate), Some((F32, 2, 44_100)));
        // A desk has what it has.
        let desk = [
            range(18, (44_100, 44_100), I32),
            range(18, (96_000, 96_000), I24),
        ];
        assert_eq!(chosen(&desk, [1, 2], None), Some((I24, 18, 96_000)));
        assert_eq!(chosen(&desk, [18, 18], rate), Some((I32, 18, 44_100)));
        assert_eq!(chosen(&desk, [19, 18], None), None);
        assert_eq!(chosen(&desk, [1, 2], Some(48_000)), None);
        let odd = [
            range(2, (48_000, 48_000), DsdU8),
            range(1, (8000, 16_000), I16),
        ];
        assert_eq!(chosen(&odd, [1, 1], None), None);
        let mono = [range(1, (16_000, 48_000), I16)];
        assert_eq!(chosen(&mono, [1, 1], None), Some((I16, 1, 48_000)));
        let offer = choose(&mono, [1, 1], None).expect("a good one");
        assert_eq!(offer.block, BufferSize::Fixed(1200));
    }

    #[test]
    fn a_usb_cards_channels_are_read_from_the_kernel() {
        let text = "Desk at usb-1, high speed : USB Audio\n\nPlayback:\n  Interface 1\n    \
                    Altset 1\n    Format: S24_3LE\n    Channels: 4\n\nCapture:\n  Status: Stop\n  \
                    Interface 2\n    Altset 1\n    Format: S24_3LE\n    Channels: 32\n    \
                    Altset 2\n    Format: S24_3LE\n    Channels: 8\n";
        assert_eq!(channels_of(text, 2), Some(8));
        assert_eq!(channels_of(text, 9), Some(32));
        assert_eq!(channels_of(text, 33), None);
        assert_eq!(channels_of("Playback:\n Channels: 2\n", 1), None);
    }
}

//! `[desk]`: the audio desk. What its device is called is the sound system's to know; only what a name
//! itself tells is judged here.

use std::path::Path;
use std::time::Duration;

use toml::de::DeValue;

use super::super::reader::{Refusal, Section, kind_of};
use super::super::value::DECIBELS_ACCEPTED;
use super::super::{DeskConfig, SoundPolicy};
use super::{source, take};
use crate::model::id::DESK;
use crate::tongue::Tongue;

/// No desk has more, as an ALSA device.
const MOST_CHANNELS: f64 = 64.0;
/// Samples a second.
const RATES: (f64, f64) = (44_100.0, 96_000.0);

const DEVICE: &str = "\"default\", a name as \"hw:CARD=Desk\", or a link as \"/dev/snd/by-id/…\"";
const CHANNELS: &str = "two channels as [1, 2], or one as 1, counted from 1 to 64";

/// The file's desk, if it has one. A source must not have its name.
pub fn desk(
    root: &Section<'_>,
    sources: &[source::Read<'_>],
    language: Option<Tongue>,
) -> Option<DeskConfig> {
    let section = root.section(DESK);
    let is_there = root.has(DESK);
    let device = section.optional("device", DEVICE, device);
    let channels = section.optional("channels", CHANNELS, channels);
    let rate = section.optional("rate", "a whole number of hertz, 44100 to 96000", |value| {
        whole(take::within(take::number(value)?, RATES.0, RATES.1)?)
    });
    let label = section.optional("label", take::LABEL, take::label);
    let delay = section.optional("delay", "a time as \"40ms\", 0ms to 2s", |value| {
        let most = Duration::from_secs(2);
        take::within(take::duration(value)?, Duration::ZERO, most)
    });
    let gain = section.optional("gain", DECIBELS_ACCEPTED, take::gain);
    let mute = section.optional("mute", "true, false", take::flag);
    let sound = section.optional("sound", "always, on-air, off", |value| {
        take::word(value, &source::SOUNDS)
    });
    section.finish(|_| None);
    for read in sources {
        if read.id.as_ref().is_some_and(|id| id.as_str() == DESK) {
            let what = "is the name of the audio desk";
            read.section.complain("id", what, "an id of its own");
        }
    }
    if let Some(device) = &device {
        warn_of(&section, device);
    }
    is_there.then(|| DeskConfig {
        device: device.unwrap_or_else(|| "default".to_owned()),
        channels: channels.unwrap_or([1, 2]),
        rate,
        label: label.unwrap_or_else(|| language.unwrap_or_default().tr("Audio desk").to_owned()),
        delay: delay.unwrap_or_default(),
        gain: gain.unwrap_or(0.0),
        mute: mute.unwrap_or(false),
        sound: sound.unwrap_or(SoundPolicy::Always),
    })
}

fn device(value: &DeValue<'_>) -> Result<String, Refusal> {
    let name = take::text(value)?.trim();
    if name.is_empty() {
        Err("is empty".to_owned())
    } else if name.chars().any(char::is_control) {
        Err("is not on one line".to_owned())
    } else {
        Ok(name.to_owned())
    }
}

fn whole<T: TryFrom<u32>>(number: f64) -> Result<T, Refusal> {
    let fits = (number.fract() == 0.0).then_some(number as u32);
    fits.and_then(|number| T::try_from(number).ok())
        .ok_or_else(|| "is no whole number".to_owned())
}

fn channels(value: &DeValue<'_>) -> Result<[u16; 2], Refusal> {
    let channel =
        |value: &DeValue<'_>| whole::<u16>(take::within(take::number(value)?, 1.0, MOST_CHANNELS)?);
    let Some(list) = value.as_array() else {
        let one = channel(value)?;
        return Ok([one, one]);
    };
    match &list[..] {
        [one] => channel(one.get_ref()).map(|one| [one, one]),
        [left, right] => Ok([channel(left.get_ref())?, channel(right.get_ref())?]),
        _ => Err(format!("is {} of {}", kind_of(value), list.len())),
    }
}

/// Names that may mean another card tomorrow, and devices that are not there yet.
fn warn_of(section: &Section<'_>, device: &str) {
    let name = device.strip_prefix("alsa:").unwrap_or(device);
    if name.starts_with('/') {
        if !Path::new(name).exists() {
            section.warn("device", &format!("{name} is not there yet"));
        } else if name.starts_with("/dev/snd/control") || name.starts_with("/dev/snd/pcm") {
            warn_of_number(section, name);
        }
        return;
    }
    let Some(card) = card_of(name) else {
        return;
    };
    if !card.is_empty() && card.bytes().all(|byte| byte.is_ascii_digit()) {
        warn_of_number(section, name);
    } else if !Path::new("/proc/asound").join(card).exists() {
        section.warn("device", &format!("there is no sound card \"{card}\" yet"));
    }
}

fn warn_of_number(section: &Section<'_>, name: &str) {
    section.warn(
        "device",
        &format!(
            "{name} goes by the card's number, which is another card's when cards are plugged in \
             another order; hw:CARD= with its name, or its link in /dev/snd/by-id, stays"
        ),
    );
}

/// The card in `hw:CARD=Desk,DEV=0`, `plughw:1,0` and their like.
fn card_of(name: &str) -> Option<&str> {
    let (_, rest) = name.split_once(':')?;
    let first = rest.split(',').next()?;
    Some(first.strip_prefix("CARD=").unwrap_or(first))
}

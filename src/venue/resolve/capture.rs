//! `kind = "capture"`: which card, and what of its pictures the file fixes.

use std::path::{Path, PathBuf};

use toml::de::DeValue;

use super::super::reader::{Refusal, Section};
use super::super::{
    CaptureConfig, CardInput, FrameSize, ProgrammeConfig, Rate, SourceConfig, SourceKind,
};
use super::{source, take};
use crate::devices::is_stable_name;
use crate::model::{Layout, Pixels};

const DEVICE: &str = "the card's stable name, as \"/dev/v4l/by-id/…\", \"/dev/v4l/by-path/…\" or \
                      \"/dev/regie/…\"";
const INPUT: &str = "one of the card's inputs, by its name or by its number from 0 on";

/// Cards have fewer inputs.
const MOST_INPUTS: f64 = 63.0;

/// The keys of a card. What the show needs of it is said later, by [`fit_to_show`].
pub fn config(section: &Section<'_>, programme_rate: Rate) -> Option<CaptureConfig> {
    let device = section.required("device", DEVICE, device);
    let input = section.optional("input", INPUT, input);
    let format = section.optional("format", Pixels::ACCEPTED, pixels);
    let size = section.optional("size", FrameSize::ACCEPTED, take::parsed);
    let framerate = section.optional("framerate", Rate::ACCEPTED, take::rate);
    let device = device?;
    if !is_stable_name(&device.to_string_lossy()) {
        section.warn(
            "device",
            &format!(
                "{} is whichever card was found first; name it by its link under /dev/v4l/by-id, \
                 or another card may take its place",
                device.display()
            ),
        );
    }
    Some(CaptureConfig {
        device,
        input,
        format,
        size,
        framerate,
        need: FrameSize {
            width: 1920,
            height: 1080,
        },
        programme_rate,
    })
}

/// Tells every card the largest slot that it has to fill: of its own role, else the whole frame.
pub fn fit_to_show(
    sources: &mut [source::Read<'_>],
    programme: &ProgrammeConfig,
    layouts: &[Layout],
) {
    for config in sources.iter_mut().filter_map(|read| read.config.as_mut()) {
        let need = need(config, programme.size, layouts);
        if let SourceKind::Capture(capture) = &mut config.kind {
            capture.need = need;
        }
    }
}

fn need(config: &SourceConfig, frame: FrameSize, layouts: &[Layout]) -> FrameSize {
    let slots = layouts.iter().flat_map(|layout| &layout.slots);
    let own = slots.filter(|slot| Some(&slot.role) == config.role.as_ref());
    let sizes = own.map(|slot| {
        let place = slot.rect.to_pixels(frame.width, frame.height);
        let crop = slot.crop.unwrap_or_default();
        // What is cut off has to come from the card as well.
        let whole = |size: u32, cut: f64| (f64::from(size) / (1.0 - cut).max(0.1)) as u32;
        (
            whole(place.width, crop.left + crop.right),
            whole(place.height, crop.top + crop.bottom),
        )
    });
    sizes
        .reduce(|a, b| (a.0.max(b.0), a.1.max(b.1)))
        .map_or(frame, |(width, height)| FrameSize { width, height })
}

fn device(value: &DeValue<'_>) -> Result<PathBuf, Refusal> {
    let text = take::text(value)?;
    let path = Path::new(text);
    // Any other file is a slip, and opening it might hang.
    if !path.starts_with("/dev") || text.contains("/../") || text.contains('\0') {
        return Err("is no device".to_owned());
    }
    Ok(path.to_owned())
}

fn input(value: &DeValue<'_>) -> Result<CardInput, Refusal> {
    if value.is_str() {
        return take::label(value).map(CardInput::Name);
    }
    let number = take::within(take::number(value)?, 0.0, MOST_INPUTS)?;
    if number.fract() > 0.0 {
        return Err("is not a whole number".to_owned());
    }
    Ok(CardInput::Number(number as u32))
}

fn pixels(value: &DeValue<'_>) -> Result<Pixels, Refusal> {
    let letters = take::text(value)?.as_bytes().try_into().ok();
    letters
        .and_then(Pixels::from_fourcc)
        .ok_or_else(|| "is not known".to_owned())
}

//! `[alarms]`, and what a source has of its own: `alarms = { frozen = "off" }`.

use std::time::Duration;

use toml::de::DeValue;

use super::super::reader::{Refusal, Section};
use super::super::{AlarmsConfig, Limit, SourceAlarms};
use super::take;

const TIME: &str = "a time as \"10s\" or \"2m\", 1s to 1h, or \"off\"";
const LEVEL: &str = "decibels of full scale as \"-50dB\", -60 to -10";
const CLIPPING: &str = "how many tenths of a second within ten seconds, 1 to 100, or \"off\"";
const OF_SOURCE: &str = "a table as { silence = \"30s\", frozen = \"off\" }";

/// The venue's.
pub fn alarms(section: &Section<'_>) -> AlarmsConfig {
    let read = read(section);
    section.finish(|_| None);
    let seconds = |n| Limit::After(Duration::from_secs(n));
    AlarmsConfig {
        silence: read.silence.unwrap_or(seconds(10)),
        silence_level: read.silence_level.unwrap_or(-50.0),
        clipping: read.clipping.unwrap_or(Limit::After(3)),
        black: read.black.unwrap_or(seconds(10)),
        frozen: read.frozen.unwrap_or(seconds(20)),
    }
}

/// A source's own.
pub fn of_source(source: &Section<'_>) -> SourceAlarms {
    let Some(section) = source.inline("alarms", OF_SOURCE) else {
        return SourceAlarms::default();
    };
    let read = read(&section);
    section.finish(|_| None);
    read
}

fn read(section: &Section<'_>) -> SourceAlarms {
    let time = |key| section.optional(key, TIME, |value| limit(value, time));
    SourceAlarms {
        silence: time("silence"),
        silence_level: section.optional("silence_level", LEVEL, |value| {
            take::within(take::gain(value)?, -60.0, -10.0)
        }),
        clipping: section.optional("clipping", CLIPPING, |value| limit(value, tenths)),
        black: time("black"),
        frozen: time("frozen"),
    }
}

fn limit<T>(
    value: &DeValue<'_>,
    read: fn(&DeValue<'_>) -> Result<T, Refusal>,
) -> Result<Limit<T>, Refusal> {
    match value.as_str() {
        Some("off") => Ok(Limit::Off),
        _ => read(value).map(Limit::After),
    }
}

fn time(value: &DeValue<'_>) -> Result<Duration, Refusal> {
    let (least, most) = (Duration::from_secs(1), Duration::from_secs(3600));
    take::within(take::duration(value)?, least, most)
}

/// With or without quotes.
fn tenths(value: &DeValue<'_>) -> Result<u32, Refusal> {
    let number = match value.as_str() {
        Some(text) => text.parse().map_err(|_| "is no whole number".to_owned())?,
        None => take::number(value)?,
    };
    if number.fract() != 0.0 {
        return Err("is no whole number".to_owned());
    }
    Ok(take::within(number, 1.0, 100.0)? as u32)
}

//! The snapshot and events in words.

use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::devices;
use crate::model::status::{BusStatus, DeskStatus, OutputStatus, ShowStatus, SourceStatus, Tally};
use crate::model::{Alarm, Event, Fault, Snapshot};

/// The whole state, for a person at a shell.
pub fn snapshot(snapshot: &Snapshot) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write_snapshot(&mut text, snapshot);
    text
}

fn write_snapshot(text: &mut String, s: &Snapshot) -> std::fmt::Result {
    let encoding = &s.encoding;
    writeln!(text, "{} (regie {})", s.venue, s.version)?;
    let slate = slate(&s.show).map_or(String::new(), |slate| format!("  {slate}"));
    writeln!(text, "  on air    {}{slate}", bus(&s.show.programme))?;
    writeln!(text, "  airtime   {}", airtime(s.on_air_since))?;
    writeln!(text, "  prepared  {}", bus(&s.show.preview))?;
    writeln!(
        text,
        "  programme {} {} fps by {} ({}); {} frames, {} late, {} dropped",
        encoding.size,
        encoding.framerate,
        encoding.encoder,
        encoding.encoder_reason,
        encoding.frames,
        encoding.late_frames,
        encoding.dropped_frames
    )?;
    if !["", "none"].contains(&encoding.relief.as_str()) {
        writeln!(text, "  OVERLOAD  given up: {}", encoding.relief)?;
    }
    if !encoding.alarms.is_empty() {
        writeln!(text, "  ALARM     {}", alarms(&encoding.alarms))?;
    }
    writeln!(
        text,
        "  relay     {} on {}, {} clients, {} of them play",
        s.relay.state, s.relay.listen, s.relay.clients, s.relay.players
    )?;
    let layouts: Vec<&str> = s.layouts.iter().map(|layout| layout.id.as_str()).collect();
    writeln!(text, "  layouts   {}", layouts.join(", "))?;
    for source in s.shown_sources() {
        let tally = match source.tally {
            Tally::Programme => "on air",
            Tally::Preview => "prepared",
            Tally::Off => "",
        };
        let formats = [
            source.picture.as_str(),
            picture_gone(source),
            source.sound.as_str(),
            &alarms(&source.alarms),
            source.reason.as_str(),
            &publisher(source),
        ];
        let formats: Vec<&str> = formats
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect();
        let mute = if source.mute { " muted" } else { "" };
        writeln!(
            text,
            "  source    {:<12} {:<10} {:<8} {:+.1} dB{mute} {} ms  {}",
            source.id,
            source.state,
            tally,
            source.gain_db,
            source.delay_ms,
            formats.join(", ")
        )?;
    }
    if let Some(desk) = &s.desk {
        writeln!(text, "  desk      {}", desk_line(desk))?;
    }
    for output in &s.outputs {
        writeln!(
            text,
            "  output    {:<12} {}",
            output.id,
            output_line(output)
        )?;
    }
    for fault in &s.faults {
        writeln!(text, "  fault     {}", fault_line(fault))?;
    }
    Ok(())
}

/// Whether the slate is on, and until when.
fn slate(show: &ShowStatus) -> Option<String> {
    show.slate.then(|| match show.slate_until {
        Some(until) => {
            let left = span(until.saturating_sub(now()));
            format!("SLATE IS ON until {} ({left} left)", clock(until))
        }
        None => "SLATE IS ON".to_owned(),
    })
}

/// Milliseconds since 1970.
fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default().as_millis() as u64
}

/// Where a source is live without its picture.
fn picture_gone(source: &SourceStatus) -> &'static str {
    let gone = source.state == "live" && !source.has_picture && !source.picture.is_empty();
    if gone { "but NO PICTURE comes" } else { "" }
}

/// What is wrong although it arrives.
fn alarms(alarms: &[Alarm]) -> String {
    let words: Vec<String> = (alarms.iter())
        .map(|alarm| alarm.code().to_uppercase())
        .collect();
    words.join(", ")
}

/// Who pushes.
fn publisher(source: &SourceStatus) -> String {
    let publisher = source.publisher.as_ref();
    publisher.map_or(String::new(), |who| {
        let since = clock(who.since);
        format!("from {} by {} since {since}", who.address, who.protocol)
    })
}

/// Of the show, by this machine's clock.
fn airtime(since: Option<u64>) -> String {
    let Some(since) = since else {
        return "off air".to_owned();
    };
    format!(
        "{}, since {}",
        span(now().saturating_sub(since)),
        clock(since)
    )
}

/// A time of today, as a clock on the wall shows it.
fn clock(since_1970: u64) -> String {
    let local = glib::DateTime::from_unix_local((since_1970 / 1000) as i64);
    let shown = local.and_then(|local| local.format("%H:%M:%S"));
    shown.map_or("an unknown time".to_owned(), |shown| shown.to_string())
}

/// Milliseconds as hours, minutes, seconds.
fn span(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    format!(
        "{}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

fn bus(bus: &BusStatus) -> String {
    let slots = bus.slots.iter().map(|slot| {
        let source = slot
            .source
            .as_ref()
            .map_or("nobody", |source| source.as_str());
        let slate = if slot.live { "" } else { ", slate shown" };
        format!("{}: {source}{slate}", slot.role)
    });
    let slots: Vec<String> = slots.collect();
    if slots.is_empty() {
        bus.layout.to_string()
    } else {
        format!("{} ({})", bus.layout, slots.join("; "))
    }
}

fn output_line(output: &OutputStatus) -> String {
    let reason = if output.last_reason.is_empty() {
        String::new()
    } else {
        format!("; last trouble: {}", output.last_reason)
    };
    // Less is what a network does.
    let behind = if output.behind_ms < 500 {
        String::new()
    } else {
        format!("; {:.1} s behind", output.behind_ms as f64 / 1000.0)
    };
    format!(
        "{:<10} {} kb/s to {}; {} frames sent, {} lost, {} reconnects{behind}{reason}",
        output.state,
        output.bit_rate / 1000,
        output.to,
        output.sent_frames,
        output.lost_frames,
        output.reconnects
    )
}

fn desk_line(desk: &DeskStatus) -> String {
    let mute = if desk.mute { " muted" } else { "" };
    let [left, right] = desk.channels;
    let how = if desk.state == "live" {
        format!(
            "{}, {left} and {right} of them heard; {} ms late, its clock {:+.1} ppm, {} xruns",
            desk.sound, desk.latency_ms, desk.drift_ppm, desk.xruns
        )
    } else {
        desk.reason.clone()
    };
    format!(
        "{:<12} {:<10} {:+.1} dB{mute} {} ms  {how}",
        desk.device, desk.state, desk.gain_db, desk.delay_ms
    )
}

fn fault_line(fault: &Fault) -> String {
    let times = if fault.count > 1 {
        format!(" ({} times)", fault.count)
    } else {
        String::new()
    };
    format!("{}{times} {} {}", fault.happened, fault.doing, fault.advice)
}

/// An event in one line; `None` for what only figures concern.
pub fn event(event: &Event) -> Option<String> {
    match event {
        Event::Show { show } => {
            let slate = slate(show).map_or(String::new(), |slate| format!(", {slate}"));
            Some(format!(
                "on air: {}{slate}; prepared: {}",
                bus(&show.programme),
                bus(&show.preview)
            ))
        }
        Event::OnAir { since: Some(since) } => Some(format!("on air since {}", clock(*since))),
        Event::OnAir { since: None } => Some("off air".to_owned()),
        Event::Source { source } => Some(format!(
            "source {}: {} {} {}{} {}",
            source.id,
            source.state,
            source.picture,
            source.reason,
            picture_gone(source),
            publisher(source)
        )),
        Event::Output { output } => Some(format!("output {}: {}", output.id, output_line(output))),
        Event::Desk { desk } => Some(format!("desk: {}", desk_line(desk))),
        Event::Calibration { calibration } => super::calibrate::line(calibration),
        Event::FaultRaised { fault } => Some(format!("fault: {}", fault_line(fault))),
        Event::FaultCleared { scope, code } => Some(format!("over: {scope:?} {code}")),
        Event::Device { change } => Some(devices::text::change(change)),
        Event::Stopped => Some("the engine ends".to_owned()),
        Event::Programme { .. } | Event::Relay { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn airtime_is_a_clock_and_a_span() {
        assert_eq!(airtime(None), "off air");
        assert_eq!(span(59_999), "0:00:59");
        assert_eq!(span((26 * 3600 + 62) * 1000), "26:01:02");
        let shown = airtime(Some(0));
        let parts: Vec<&str> = shown.split([':', ' ']).collect();
        assert_eq!((parts.len(), parts[3]), (7, "since"), "{shown}");
    }
}

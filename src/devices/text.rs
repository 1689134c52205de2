//! The list and its changes in words, for whoever writes the venue file.

use std::fmt::{self, Write};

use crate::model::device::{
    AudioInput, Change, Device, Format, FrameSize, Inventory, Plug, PlugKind, Problem, Signal, User,
};

/// Sizes that a format is shown with; a card may list dozens.
const SIZES: usize = 6;
/// Formats that a card is shown with; `--json` has them all.
const FORMATS: usize = 8;

/// The whole list.
pub fn inventory(inventory: &Inventory) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write_inventory(&mut text, inventory);
    text
}

fn write_inventory(text: &mut String, inventory: &Inventory) -> fmt::Result {
    if inventory.video.is_empty() {
        writeln!(text, "No capture card and no camera is plugged in.")?;
    }
    for device in &inventory.video {
        write_device(text, device)?;
    }
    if inventory.audio.is_empty() {
        writeln!(text, "No sound card with an input is there.")?;
    }
    for input in &inventory.audio {
        write_input(text, input)?;
    }
    Ok(())
}

fn write_device(text: &mut String, device: &Device) -> fmt::Result {
    writeln!(text, "{}", device.card)?;
    writeln!(text, "  device = \"{}\"", device.name().display())?;
    if device.links.is_empty() {
        writeln!(
            text,
            "           (the number may be another one after the next start: udev knows no better name)"
        )?;
    }
    for link in device.links.iter().skip(1) {
        writeln!(text, "  or       {}", link.display())?;
    }
    write!(text, "  now      {}", device.node.display())?;
    if !device.bus.is_empty() {
        write!(text, ", {}", device.bus)?;
    }
    if let Some(megabits) = device.usb_megabits {
        write!(text, " ({megabits} Mbit/s)")?;
    }
    if !device.driver.is_empty() {
        write!(text, ", driver {}", device.driver)?;
    }
    writeln!(text)?;
    if let Some(problem) = &device.problem {
        return writeln!(text, "  TROUBLE  {}", trouble(problem));
    }
    write_signal(text, device)?;
    let inputs: Vec<&str> = device.inputs.iter().map(|it| it.name.as_str()).collect();
    if inputs.len() > 1 {
        writeln!(text, "  inputs   {}", inputs.join(", "))?;
    }
    for format in device.formats.iter().take(FORMATS) {
        writeln!(text, "  format   {:<4}  {}", format.fourcc, sizes(format))?;
    }
    if device.formats.len() > FORMATS {
        writeln!(
            text,
            "           and {} more",
            device.formats.len() - FORMATS
        )?;
    }
    write_users(text, &device.used_by)
}

fn write_signal(text: &mut String, device: &Device) -> fmt::Result {
    let signal = match device.signal {
        Signal::Present => "present",
        Signal::None => "NONE: nothing is plugged in, or it is off",
        Signal::Unstable => "UNSTABLE: the card does not lock on to it; try another cable",
        Signal::Unsupported => "NOT TAKEN by this card: choose another mode at the sender",
        Signal::Unknown => "unknown: the card does not tell",
    };
    write!(text, "  signal   {signal}")?;
    match &device.timings {
        Some(mode) if device.signal == Signal::Present => writeln!(text, ", {mode}"),
        Some(mode) => writeln!(text, " (set to {mode})"),
        None => writeln!(text),
    }
}

fn write_input(text: &mut String, input: &AudioInput) -> fmt::Result {
    writeln!(text, "{}, {}", input.card, input.label)?;
    writeln!(text, "  device = \"{}\"", input.name)?;
    for link in &input.links {
        writeln!(text, "  card     {}", link.display())?;
    }
    writeln!(text, "  driver   {}", input.driver)?;
    write_users(text, &input.used_by)
}

fn write_users(text: &mut String, users: &[User]) -> fmt::Result {
    if users.is_empty() {
        return Ok(());
    }
    let users = users.iter();
    let names: Vec<String> = users
        .map(|user| format!("{} (process {})", user.program, user.pid))
        .collect();
    writeln!(text, "  in use   by {}", names.join(", "))
}

fn trouble(problem: &Problem) -> String {
    match problem {
        Problem::Denied => "this user may not open it: it wants the group video".to_owned(),
        Problem::Busy => "another program has it for itself".to_owned(),
        Problem::Gone => "it was unplugged meanwhile".to_owned(),
        Problem::Hangs => "it does not answer: pull it and plug it in again".to_owned(),
        Problem::Other(reason) => reason.clone(),
    }
}

fn sizes(format: &Format) -> String {
    let mut parts: Vec<String> = format.sizes.iter().take(SIZES).map(size).collect();
    if format.sizes.len() > SIZES {
        parts.push(format!("and {} more", format.sizes.len() - SIZES));
    }
    if let Some(range) = &format.range {
        let ((low, lower), (high, higher)) = (range.smallest, range.largest);
        parts.push(format!("any from {low}x{lower} to {high}x{higher}"));
    }
    parts.join("; ")
}

fn size(size: &FrameSize) -> String {
    let rates = size.rates.iter();
    let rates: Vec<String> = rates.map(|rate| rate.decimal()).collect();
    if rates.is_empty() {
        format!("{}x{}", size.width, size.height)
    } else {
        format!("{}x{} at {}", size.width, size.height, rates.join(" "))
    }
}

/// One change, in one line.
pub fn change(change: &Change) -> String {
    let (word, device) = match change {
        Change::Present { device } => ("there", device),
        Change::Arrived { device } => ("arrived", device),
        Change::Left { device } => ("left", device),
    };
    format!("{word:<8} {}", plug(device))
}

fn plug(device: &Plug) -> String {
    let kind = match device.kind {
        PlugKind::Video => "video",
        PlugKind::Audio => "audio",
    };
    let name = device.links.first().unwrap_or(&device.node);
    format!("{kind} {} ({})", name.display(), device.card)
}

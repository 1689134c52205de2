//! Capture cards: what udev knows of them, and what each says when it is asked.

use std::path::{Path, PathBuf};

use crate::model::Device;
use crate::model::device::Signal;

use super::names;
use super::probe::{self, Answer};
use super::users::Openers;

/// Every node that captures pictures, in the order of their numbers.
pub fn list(openers: &Openers) -> Vec<Device> {
    let mut found: Vec<Device> = nodes().iter().filter_map(known_to_udev).collect();
    found.sort_by_key(|device| number(&device.node));
    for device in &mut found {
        device.used_by = openers.of(&device.node);
    }
    let paths = found.iter().map(|device| device.node.clone()).collect();
    let in_use = found.iter().filter(|device| !device.used_by.is_empty());
    let in_use = in_use.map(|device| device.node.clone()).collect();
    let answers = probe::ask_all(paths, in_use);
    let asked = found.into_iter().zip(answers);
    let told = asked.filter_map(|(mut device, answer)| {
        match answer {
            Ok(Some(answer)) => fill(&mut device, answer),
            // It captures no pictures.
            Ok(None) => return None,
            Err(problem) => device.problem = Some(problem),
        }
        Some(device)
    });
    told.collect()
}

/// V4L2's nodes. None where udev's library is of no use.
pub fn nodes() -> Vec<udev::Device> {
    let scan = || -> std::io::Result<Vec<udev::Device>> {
        let mut all = udev::Enumerator::new()?;
        all.match_subsystem("video4linux")?;
        Ok(all.scan_devices()?.collect())
    };
    scan().unwrap_or_default()
}

/// What can be said of a node without opening it; `None` where udev has seen that it captures nothing.
fn known_to_udev(device: &udev::Device) -> Option<Device> {
    let node = device.devnode()?.to_owned();
    if !may_capture(device) {
        return None;
    }
    let has_serial = device.property_value("ID_SERIAL_SHORT").is_some();
    Some(Device {
        links: names::rank(links_of(device), &node, has_serial),
        card: name_of(device),
        driver: String::new(),
        bus: text(device.property_value("ID_PATH")),
        usb_megabits: usb_megabits(device),
        inputs: Vec::new(),
        input: None,
        formats: Vec::new(),
        timings: None,
        signal: Signal::Unknown,
        controls: Vec::new(),
        used_by: Vec::new(),
        problem: None,
        node,
    })
}

/// Whether udev has seen that it captures pictures, or has not looked.
pub fn may_capture(device: &udev::Device) -> bool {
    let seen = device.property_value("ID_V4L_CAPABILITIES");
    seen.is_none_or(|seen| seen.to_string_lossy().contains(":capture:"))
}

/// What the card calls itself.
pub fn name_of(device: &udev::Device) -> String {
    text(device.attribute_value("name"))
}

/// The links that udev has made.
pub fn links_of(device: &udev::Device) -> Vec<PathBuf> {
    let links = text(device.property_value("DEVLINKS"));
    links.split_whitespace().map(PathBuf::from).collect()
}

fn usb_megabits(device: &udev::Device) -> Option<u32> {
    let parent = device.parent_with_subsystem_devtype("usb", "usb_device");
    let parent = parent.ok().flatten()?;
    // 1.5 of the slowest is no number here, and no card's either.
    text(parent.attribute_value("speed")).trim().parse().ok()
}

fn text(value: Option<&std::ffi::OsStr>) -> String {
    value.map_or_else(String::new, |value| value.to_string_lossy().into_owned())
}

/// The 12 in `/dev/video12`.
fn number(node: &Path) -> u32 {
    let name = node.to_string_lossy();
    let digits = name.trim_start_matches(|c: char| !c.is_ascii_digit());
    digits.parse().unwrap_or(u32::MAX)
}

fn fill(device: &mut Device, answer: Answer) {
    device.card = answer.card;
    device.driver = answer.driver;
    device.bus = answer.bus;
    device.inputs = answer.inputs;
    device.input = answer.input;
    device.formats = answer.formats;
    device.timings = answer.timings;
    device.signal = answer.signal;
    device.controls = answer.controls;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_counted() {
        assert_eq!(number(Path::new("/dev/video12")), 12);
        assert_eq!(number(Path::new("/dev/capture")), u32::MAX);
    }
}

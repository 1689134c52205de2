//! Audio inputs, from ALSA's tables in `/proc` and from udev. Opens no device.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::model::device::AudioInput;

use super::names;
use super::users::Openers;
use super::video::links_of;

/// The table of cards, and a folder for each.
const CARDS: &str = "/proc/asound";

/// Every capture device of every card.
pub fn list(openers: &Openers) -> Vec<AudioInput> {
    let text = std::fs::read_to_string(Path::new(CARDS).join("cards")).unwrap_or_default();
    let mut inputs = Vec::new();
    for card in parse_cards(&text) {
        let links = links_of_card(card.number);
        for (device, label) in inputs_of(card.number) {
            let node = format!("/dev/snd/pcmC{}D{device}c", card.number);
            inputs.push(AudioInput {
                name: format!("hw:CARD={},DEV={device}", card.id),
                links: links.clone(),
                card: card.name.clone(),
                label,
                driver: card.driver.clone(),
                used_by: openers.of(Path::new(&node)),
            });
        }
    }
    inputs
}

/// What the card of that number calls itself, where it has an input.
pub fn card_with_input(number: u32) -> Option<String> {
    if inputs_of(number).is_empty() {
        return None;
    }
    let text = std::fs::read_to_string(Path::new(CARDS).join("cards")).ok()?;
    let mut cards = parse_cards(&text).into_iter();
    cards
        .find(|card| card.number == number)
        .map(|card| card.name)
}

fn links_of_card(number: u32) -> Vec<PathBuf> {
    let name = format!("controlC{number}");
    let device = udev::Device::from_subsystem_sysname("sound".to_owned(), name);
    let Ok(device) = device else {
        return Vec::new();
    };
    let node = device.devnode().map(Path::to_owned).unwrap_or_default();
    let has_serial = device.property_value("ID_SERIAL_SHORT").is_some();
    names::rank(links_of(&device), &node, has_serial)
}

/// The card's capture devices by their numbers, with what it calls them.
fn inputs_of(card: u32) -> BTreeMap<u32, String> {
    let folder = Path::new(CARDS).join(format!("card{card}"));
    let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
    let inputs = entries.filter_map(|entry| {
        let number = input_number(&entry.file_name())?;
        let info = std::fs::read_to_string(entry.path().join("info")).unwrap_or_default();
        let label = info.lines().find_map(|line| line.strip_prefix("name: "));
        Some((number, label.unwrap_or_default().trim().to_owned()))
    });
    inputs.collect()
}

/// The 3 in `pcm3c`; what plays ends in `p`.
fn input_number(name: &OsStr) -> Option<u32> {
    let name = name.to_str()?;
    name.strip_prefix("pcm")?.strip_suffix('c')?.parse().ok()
}

/// A line of the table, and the next.
#[derive(Debug, PartialEq, Eq)]
struct Card {
    number: u32,
    id: String,
    driver: String,
    name: String,
}

fn parse_cards(text: &str) -> Vec<Card> {
    text.lines().filter_map(parse_card).collect()
}

/// From ` 1 [Loopback       ]: Loopback - Loopback`; `None` for the second line of each, and for
/// `--- no soundcards ---`.
fn parse_card(line: &str) -> Option<Card> {
    let (number, rest) = line.split_once('[')?;
    let (id, rest) = rest.split_once("]:")?;
    let (driver, name) = rest.split_once(" - ")?;
    Some(Card {
        number: number.trim().parse().ok()?,
        id: id.trim().to_owned(),
        driver: driver.trim().to_owned(),
        name: name.trim().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_cards_is_read() {
        let card = |number, id: &str, driver: &str, name: &str| Card {
            number,
            id: id.to_owned(),
            driver: driver.to_owned(),
            name: name.to_owned(),
        };
        let text = concat!(
            " 0 [PCH            ]: HDA-Intel - HDA Intel PCH\n",
            "                      HDA Intel PCH at 0xf7f10000 irq 32\n",
            " 2 [Link4K         ]: USB-Audio - Cam Link 4K - rev [2]\n",
            "                      Elgato Cam Link 4K at usb-0000:00:14.0-2, super speed\n",
            "12 [Loopback       ]: Loopback - Loopback\n",
            "                      Loopback 1\n",
        );
        assert_eq!(
            parse_cards(text),
            [
                card(0, "PCH", "HDA-Intel", "HDA Intel PCH"),
                card(2, "Link4K", "USB-Audio", "Cam Link 4K - rev [2]"),
                card(12, "Loopback", "Loopback", "Loopback"),
            ]
        );
        assert_eq!(parse_cards("--- no soundcards ---\n"), []);
    }

    #[test]
    fn inputs_are_told_from_outputs() {
        let number = |name: &str| input_number(OsStr::new(name));
        assert_eq!((number("pcm0c"), number("pcm11c")), (Some(0), Some(11)));
        for other in ["pcm0p", "id", "midi0", "pcmc", "oss_mixer"] {
            assert_eq!(number(other), None, "{other}");
        }
    }
}

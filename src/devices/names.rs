//! What devices are called for good, and which names to prefer.

use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

/// Where the rules in `udev/` put their links.
const OWN: &str = "/dev/regie/";

/// The device that a name means at this moment: `/dev/regie/video/…`, `/dev/v4l/by-id/…`, any other link,
/// or the node itself. `None` where there is no such device now.
pub fn find(name: &str) -> Option<PathBuf> {
    let node = std::fs::canonicalize(name).ok()?;
    let found = std::fs::metadata(&node).ok()?;
    found.file_type().is_char_device().then_some(node)
}

/// What ALSA calls the sound card that a link means at this moment, as `hw:CARD=Loopback`.
pub fn alsa_name(link: &str) -> Option<String> {
    let node = find(link)?;
    let number = card_number(&node)?;
    let id = std::fs::read_to_string(format!("/proc/asound/card{number}/id")).ok()?;
    Some(format!("hw:CARD={}", id.trim()))
}

/// The number in `/dev/snd/controlC3` and `/dev/snd/pcmC3D0c`.
fn card_number(node: &Path) -> Option<u32> {
    let name = node.strip_prefix("/dev/snd").ok()?.to_str()?;
    let (_, number) = name.split_once('C')?;
    let digits = number.find(|c: char| !c.is_ascii_digit());
    number[..digits.unwrap_or(number.len())].parse().ok()
}

/// Whether a name still means the same device after a restart, or when others are plugged in:
/// `/dev/video0`, `/dev/snd/…` and `hw:0` do not.
pub fn is_stable_name(name: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if let Some(rest) = name.strip_prefix("/dev/video") {
        return !is_number(rest);
    }
    if let Some(rest) = name.strip_prefix("/dev/snd/") {
        return rest.starts_with("by-");
    }
    // ALSA's: kind:CARD,DEVICE or kind:CARD=…,DEV=…
    if let Some((_, card)) = name.split_once(':') {
        let card = card.strip_prefix("CARD=").unwrap_or(card);
        return !is_number(card.split(',').next().unwrap_or_default());
    }
    true
}

/// The links of a device that mean it and nothing else, the best first. Devices without a serial number
/// share the link by id with others of their kind: then the place where it is plugged in goes before.
pub fn rank(links: Vec<PathBuf>, node: &Path, has_serial: bool) -> Vec<PathBuf> {
    let leads_there = |link: &PathBuf| std::fs::canonicalize(link).is_ok_and(|to| to == node);
    let mut links: Vec<PathBuf> = links.into_iter().filter(leads_there).collect();
    links.sort_by_key(|link| (place(link, has_serial), link.clone()));
    links
}

fn place(link: &Path, has_serial: bool) -> u8 {
    let link = link.to_string_lossy();
    if link.starts_with(OWN) {
        0
    } else if link.contains("/by-path/") {
        2
    } else if link.contains("/by-id/") {
        if has_serial { 1 } else { 3 }
    } else {
        // Of a rule of the house: chosen, but by whatever it goes by.
        4
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_no_names() {
        for name in [
            "/dev/video0",
            "/dev/video12",
            "/dev/snd/controlC0",
            "/dev/snd/pcmC1D0c",
            "hw:0",
            "hw:1,0",
            "plughw:0,1",
            "hw:CARD=0",
            "hw:CARD=1,DEV=0",
        ] {
            assert!(!is_stable_name(name), "{name}");
        }
        for name in [
            "/dev/v4l/by-id/usb-Elgato_Cam_Link_4K_0005-video-index0",
            "/dev/v4l/by-path/pci-0000:00:14.0-usb-0:2:1.0-video-index0",
            "/dev/regie/video/Elgato_Cam_Link_4K_0005",
            "/dev/videoconference",
            "/dev/video-hdmi",
            "/dev/snd/by-id/usb-Focusrite_Scarlett_2i2-00",
            "hw:Loopback,0",
            "hw:CARD=Loopback,DEV=1",
            "hw:CARD=2i2",
            "default",
            "pulse",
        ] {
            assert!(is_stable_name(name), "{name}");
        }
    }

    #[test]
    fn sound_cards_are_counted_in_their_nodes() {
        let number = |node: &str| card_number(Path::new(node));
        assert_eq!(number("/dev/snd/controlC3"), Some(3));
        assert_eq!(number("/dev/snd/pcmC12D0c"), Some(12));
        assert_eq!(
            (number("/dev/snd/timer"), number("/dev/video0")),
            (None, None)
        );
    }

    #[test]
    fn the_best_name_is_the_one_that_is_the_devices_own() {
        let folder = tempfile::tempdir().unwrap();
        let node = folder.path().canonicalize().unwrap().join("video0");
        let other = node.with_file_name("video1");
        std::fs::write(&node, "").unwrap();
        std::fs::write(&other, "").unwrap();
        let link = |name: &str, to: &Path| {
            let link = folder.path().join(name);
            std::fs::create_dir_all(link.parent().unwrap()).unwrap();
            std::os::unix::fs::symlink(to, &link).unwrap();
            link
        };
        let id = link("by-id/card", &node);
        let path = link("by-path/card", &node);
        let house = link("pulpit", &node);
        // Two cards without a number share it, and the other has it.
        let taken = link("by-id/twin", &other);
        let all = vec![house.clone(), taken, path.clone(), id.clone()];
        assert_eq!(
            rank(all.clone(), &node, true),
            [id.clone(), path.clone(), house.clone()]
        );
        assert_eq!(rank(all, &node, false), [path, id, house]);
        assert!(place(Path::new("/dev/regie/video/card"), false) == 0);
        assert_eq!(find("/dev/null"), Some(PathBuf::from("/dev/null")));
        assert_eq!(find(node.to_str().unwrap()), None, "no device");
        assert_eq!(find("/dev/v4l/by-id/nothing"), None);
    }
}

//! Capture cards and audio inputs as the operator finds them, with real devices in a virtual machine:
//! what `regie devices` lists, what it sees come and go, and what the rules in `udev/` do.

#![allow(clippy::unwrap_used)]

mod common;

use std::path::Path;

use common::{UsbCard, Vm, modprobe, seconds, wait_until};

#[test]
fn the_guest_has_the_devices_that_it_promises() {
    Vm::new().run(the_guest_has_the_devices_that_it_promises, || {
        for node in ["/dev/video0", "/dev/video1", "/dev/video2"] {
            assert!(Path::new(node).exists(), "{node}");
        }
        assert!(Path::new("/proc/asound/Loopback").exists());
        modprobe("vhci-hcd");
        let link = Path::new("/dev/v4l/by-id/usb-regie_Test_USB_Capture_TEST0001-video-index0");
        let card = UsbCard::plug(&["-s", "320x180"]);
        wait_until(seconds(20), "the card is there", || link.exists());
        card.unplug();
        wait_until(seconds(20), "the card is gone", || !link.exists());
    });
}

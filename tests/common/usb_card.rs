//! A USB capture card made of software, in the guest of a [`Vm`](super::Vm) with the module
//! `vhci-hcd`.

use std::path::Path;
use std::process::Command;

use super::process::Process;

/// A card that is plugged in; dropped, it is unplugged.
pub struct UsbCard(Process);

impl UsbCard {
    /// Plugs one in; `options` are those of `tests/tools/vm/usb-capture.c`. The device is there a moment
    /// later.
    #[track_caller]
    pub fn plug(options: &[&str]) -> Self {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/usb-capture");
        let log = std::env::temp_dir().join("usb-capture.log");
        let mut command = Command::new(program);
        Self(Process::start("usb-capture", command.args(options), &log))
    }

    /// Pulls it.
    pub fn unplug(self) {}

    /// It goes on answering, and sends no more frames.
    pub fn stop_frames(&mut self) {
        self.0.signal("USR1");
    }

    /// It sends frames again.
    pub fn send_frames(&mut self) {
        self.0.signal("USR2");
    }

    /// It answers nothing.
    pub fn hang(&mut self) {
        self.0.freeze();
    }

    /// It answers again.
    pub fn recover(&mut self) {
        self.0.thaw();
    }
}

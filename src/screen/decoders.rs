//! Which decoder is tried: the machine's hardware first, then software. One that did not work here is
//! not tried again while the screen runs. Pure, but for the question what is installed.

/// What is played, as far as decoders differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// H.264.
    H264,
    /// H.265.
    H265,
}

/// Hardware before software, and of the hardware what keeps pictures where they are before what copies.
/// Where several are installed, drivers decide which exist: an element of a card that is not there is not
/// registered.
const H264: [&str; 9] = [
    "nvh264dec",
    "vah264dec",
    "vaapih264dec",
    "qsvh264dec",
    "v4l2slh264dec",
    "v4l2h264dec",
    "omxh264dec",
    "avdec_h264",
    "openh264dec",
];
const H265: [&str; 7] = [
    "nvh265dec",
    "vah265dec",
    "vaapih265dec",
    "qsvh265dec",
    "v4l2slh265dec",
    "v4l2h265dec",
    "avdec_h265",
];

/// What has been learnt about this machine's decoders.
#[derive(Debug, Clone, Default)]
pub struct Decoders {
    failed: Vec<&'static str>,
}

impl Decoders {
    /// The one to try, of those that `is_installed` knows; after all have failed, the last again:
    /// then it is the stream that is broken.
    pub fn choose(
        &self,
        codec: Codec,
        is_installed: impl Fn(&str) -> bool,
    ) -> Option<&'static str> {
        let all: &[&'static str] = match codec {
            Codec::H264 => &H264,
            Codec::H265 => &H265,
        };
        let installed = || all.iter().copied().filter(|name| is_installed(name));
        installed()
            .find(|name| !self.failed.contains(name))
            .or_else(|| installed().last())
    }

    /// This one got pictures and gave none. `true`: another one is tried next.
    pub fn fail(&mut self, name: &'static str) -> bool {
        let new = !is_software(name) && !self.failed.contains(&name);
        if new {
            self.failed.push(name);
        }
        new
    }
}

/// Whether the processor does the work.
pub fn is_software(name: &str) -> bool {
    name.starts_with("av") || name.starts_with("openh264")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hardware_goes_first_and_what_failed_is_not_tried_again() {
        let mut decoders = Decoders::default();
        let here = |name: &str| ["vah264dec", "v4l2h264dec", "avdec_h264"].contains(&name);
        let chosen = |decoders: &Decoders| decoders.choose(Codec::H264, here);
        assert_eq!(chosen(&decoders), Some("vah264dec"));
        assert!(decoders.fail("vah264dec"));
        assert_eq!(chosen(&decoders), Some("v4l2h264dec"));
        assert!(decoders.fail("v4l2h264dec"));
        assert_eq!(chosen(&decoders), Some("avdec_h264"));
        // A broken stream is no fault of the software's.
        assert!(!decoders.fail("avdec_h264"));
        assert_eq!(chosen(&decoders), Some("avdec_h264"));
        assert_eq!(decoders.choose(Codec::H265, here), None);
    }
}

//! How a capture card may hand its pictures over, in the four letters that V4L2 has for it.

use std::fmt;

/// A layout of pixels, or an encoding, that regie can read from a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pixels {
    /// 4:2:2, packed.
    Yuyv,
    /// 4:2:2, packed, the other way round.
    Uyvy,
    /// 4:2:2, packed, with the colours changed over.
    Yvyu,
    /// 4:2:2, three planes.
    Planar422,
    /// 4:2:2, colours packed in a plane of their own.
    Nv16,
    /// 4:2:0, three planes: as the programme has them.
    Yu12,
    /// The same with the colours changed over.
    Yv12,
    /// 4:2:0, colours packed in a plane of their own.
    Nv12,
    /// The same with the colours changed over.
    Nv21,
    /// Brightness alone.
    Grey,
    /// 24 bits a pixel, blue first.
    Bgr24,
    /// 24 bits a pixel, red first.
    Rgb24,
    /// 32 bits a pixel, blue first, the last byte of no account.
    Bgr32,
    /// A JPEG for each picture, as cameras say.
    Mjpg,
    /// A JPEG for each picture.
    Jpeg,
}

impl Pixels {
    /// What is accepted, as told to people.
    pub const ACCEPTED: &'static str = "the card's own word for its pixels: YUYV, UYVY, YVYU, 422P, NV16, YU12, YV12, NV12, NV21, \
         GREY, BGR3, RGB3, BGR4, MJPG or JPEG";

    /// Those that cost regie least come first: 1.0 ms for 1920x1080 of the first, 1.2 of YUYV, 2.1 of
    /// NV12, 3.2 of NV16, 6 of BGR4.
    pub const ALL: [Self; 15] = [
        Self::Yu12,
        Self::Yv12,
        Self::Planar422,
        Self::Yuyv,
        Self::Uyvy,
        Self::Yvyu,
        Self::Nv12,
        Self::Nv21,
        Self::Nv16,
        Self::Bgr24,
        Self::Rgb24,
        Self::Bgr32,
        Self::Grey,
        Self::Mjpg,
        Self::Jpeg,
    ];

    /// V4L2's letters.
    pub const fn fourcc(self) -> &'static [u8; 4] {
        match self {
            Self::Yuyv => b"YUYV",
            Self::Uyvy => b"UYVY",
            Self::Yvyu => b"YVYU",
            Self::Planar422 => b"422P",
            Self::Nv16 => b"NV16",
            Self::Yu12 => b"YU12",
            Self::Yv12 => b"YV12",
            Self::Nv12 => b"NV12",
            Self::Nv21 => b"NV21",
            Self::Grey => b"GREY",
            Self::Bgr24 => b"BGR3",
            Self::Rgb24 => b"RGB3",
            Self::Bgr32 => b"BGR4",
            Self::Mjpg => b"MJPG",
            Self::Jpeg => b"JPEG",
        }
    }

    /// The pixels with these letters; `None`: regie cannot read them.
    pub fn from_fourcc(letters: &[u8; 4]) -> Option<Self> {
        // A newer name of the same.
        let letters = if letters == b"XR24" { b"BGR4" } else { letters };
        Self::ALL.into_iter().find(|own| own.fourcc() == letters)
    }

    /// Whether each picture is a JPEG.
    pub const fn is_compressed(self) -> bool {
        matches!(self, Self::Mjpg | Self::Jpeg)
    }

    /// Bits of a pixel on the bus; of a JPEG nobody knows before.
    pub const fn bits(self) -> Option<u32> {
        match self {
            Self::Yu12 | Self::Yv12 | Self::Nv12 | Self::Nv21 => Some(12),
            Self::Yuyv | Self::Uyvy | Self::Yvyu | Self::Planar422 | Self::Nv16 => Some(16),
            Self::Grey => Some(8),
            Self::Bgr24 | Self::Rgb24 => Some(24),
            Self::Bgr32 => Some(32),
            Self::Mjpg | Self::Jpeg => None,
        }
    }

    /// How much regie has to do for a picture; the less, the better. The order of [`Self::ALL`].
    pub fn effort(self) -> usize {
        (Self::ALL.iter())
            .position(|own| *own == self)
            .unwrap_or(Self::ALL.len())
    }
}

impl fmt::Display for Pixels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // All of them are ASCII.
        f.write_str(&String::from_utf8_lossy(self.fourcc()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_letters_of_its_own_and_is_named_to_people() {
        for pixels in Pixels::ALL {
            assert_eq!(Pixels::from_fourcc(pixels.fourcc()), Some(pixels));
            assert!(Pixels::ACCEPTED.contains(&pixels.to_string()), "{pixels}");
            assert_eq!(pixels.bits().is_none(), pixels.is_compressed());
        }
        assert_eq!(Pixels::from_fourcc(b"XR24"), Some(Pixels::Bgr32));
        assert_eq!(Pixels::from_fourcc(b"H264"), None);
    }
}

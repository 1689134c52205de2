//! Where a picture lies in a place of another shape: undistorted, in the middle.

/// A side that lacks fewer pixels than this of its place has all of it: the picture was made for the
/// place, with sides that had to be even.
pub const MADE_FOR: f32 = 3.0;

/// Where it lies, in the place's own unit: pixels, or GTK's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Letterbox {
    /// Left edge.
    pub x: f32,
    /// Top edge.
    pub y: f32,
    /// Width.
    pub width: f32,
    /// Height.
    pub height: f32,
}

impl Letterbox {
    /// Of a picture of this width and height in a place of that width and height.
    pub fn of(picture: (f32, f32), place: (f32, f32)) -> Self {
        let factor = (place.0 / picture.0).min(place.1 / picture.1);
        let side = |own: f32, whole: f32| {
            if whole - own < MADE_FOR {
                whole
            } else {
                own.round()
            }
        };
        let (width, height) = (
            side(picture.0 * factor, place.0),
            side(picture.1 * factor, place.1),
        );
        Self {
            x: ((place.0 - width) / 2.0).floor(),
            y: ((place.1 - height) / 2.0).floor(),
            width,
            height,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_lies_undistorted_in_the_middle() {
        for (picture, place, [x, y, width, height]) in [
            ((16.0, 9.0), (1280.0, 1024.0), [0.0, 152.0, 1280.0, 720.0]),
            ((4.0, 3.0), (1920.0, 1080.0), [240.0, 0.0, 1440.0, 1080.0]),
            ((1920.0, 1080.0), (1366.0, 768.0), [0.0, 0.0, 1366.0, 768.0]),
            ((640.0, 360.0), (641.0, 361.0), [0.0, 0.0, 641.0, 361.0]),
            ((1280.0, 720.0), (1280.0, 724.0), [0.0, 2.0, 1280.0, 720.0]),
        ] {
            let lies = Letterbox::of(picture, place);
            let seen = [lies.x, lies.y, lies.width, lies.height];
            assert_eq!(seen, [x, y, width, height], "{picture:?}");
        }
    }
}

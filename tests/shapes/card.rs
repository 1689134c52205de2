//! The test card: four fields of colour, so that a picture that is squeezed, cut, turned or
//! mirrored is told from one that is right; and a tone for each channel of its sound. Clips are
//! made once, and sent as they are, for ever.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use crate::common::{Colour, Picture, Said};

/// The card's fields: upper left and right, lower left and right.
const FIELDS: [Colour; 4] = [
    Colour(0xC0, 0x00, 0x00),
    Colour(0x00, 0xA0, 0x00),
    Colour(0x00, 0x30, 0xC0),
    Colour(0xE0, 0xE0, 0xE0),
];

/// Draws the card at a size and rate, in BT.709.
pub fn card((width, height): (u32, u32), rate: &str, pixels: &str) -> String {
    let hex = |c: Colour| format!("0x{:02X}{:02X}{:02X}", c.0, c.1, c.2);
    let [a, b, c, d] = FIELDS.map(hex);
    format!(
        "color={a}:s={width}x{height}:r={rate},format=gbrp,\
         drawbox=iw/2:0:iw:ih/2:{b}:fill,drawbox=0:ih/2:iw/2:ih:{c}:fill,\
         drawbox=iw/2:ih/2:iw:ih:{d}:fill,\
         scale=out_color_matrix=bt709:out_range=tv,format={pixels}"
    )
}

/// Makes a clip by ffmpeg, once; the arguments are its name.
#[track_caller]
pub fn clip(arguments: &[String], extension: &str) -> PathBuf {
    static MAKING: Mutex<()> = Mutex::new(());
    let _one = MAKING.lock();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("shapes");
    std::fs::create_dir_all(&folder).expect("a folder for clips");
    let file = folder.join(format!("{:016x}.{extension}", hash(arguments)));
    if !file.exists() {
        // Moved at the end: an interrupted run leaves no half clip.
        let half = folder.join(format!("half.{extension}"));
        let mut command = Command::new("ffmpeg");
        command
            .args(["-nostdin", "-v", "error", "-y"])
            .args(arguments);
        Said::by(command.arg(&half)).assert_ok();
        std::fs::rename(&half, &file).expect("a clip");
    }
    file
}

/// FNV-1a: the same on every machine and at every run.
fn hash(arguments: &[String]) -> u64 {
    let bytes = arguments.iter().flat_map(|text| text.bytes().chain([0]));
    bytes.fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    })
}

/// A rectangle of a picture, in fractions of it.
#[derive(Debug, Clone, Copy)]
pub struct Area {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
}

impl Area {
    /// Where a picture of this shape lies in the area of a 16:9 frame, whole and undistorted.
    pub fn contain(self, shape: (f64, f64)) -> Self {
        let own = self.width * 16.0 / (self.height * 9.0);
        let its = shape.0 / shape.1;
        let (width, height) = if its > own {
            (self.width, self.height * own / its)
        } else {
            (self.width * its / own, self.height)
        };
        Self {
            x: self.x + (self.width - width) / 2.0,
            y: self.y + (self.height - height) / 2.0,
            width,
            height,
        }
    }
}

/// What is wrong with the card in an area, if anything. `turned` clockwise, by quarters.
pub fn flaw(picture: &Picture, area: Area, shape: (f64, f64), turned: usize) -> Option<String> {
    let covered = area.contain(shape);
    // Upper left, upper right, lower right, lower left: a turn moves each on by one.
    let round = [FIELDS[0], FIELDS[1], FIELDS[3], FIELDS[2]];
    let corners = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)];
    // Two pixels of 1280: scaling and encoding blur an edge.
    let (margin_x, margin_y) = (4.0 / 1280.0, 4.0 / 720.0);
    for (n, (right, below)) in corners.into_iter().enumerate() {
        let field = round[(n + 4 - turned) % 4];
        for (inset_x, inset_y) in [(0.25, 0.25), (0.0, 0.25), (0.25, 0.0), (0.46, 0.46)] {
            let (x, y) = (
                covered.width * inset_x + if inset_x == 0.0 { 2.0 * margin_x } else { 0.0 },
                covered.height * inset_y + if inset_y == 0.0 { 2.0 * margin_y } else { 0.0 },
            );
            let x = covered.x + if right == 0.0 { x } else { covered.width - x };
            let y = covered.y + if below == 0.0 { y } else { covered.height - y };
            let seen = picture.mean(x - 0.001, y - 0.001, 0.002, 0.002);
            if seen.distance(field) > 20 {
                return Some(format!("{seen:?} at ({x:.3}, {y:.3}), not {field:?}"));
            }
        }
    }
    // Beside the picture nothing of it is seen.
    let beside = [
        (
            covered.x - 2.0 * margin_x,
            covered.y + covered.height / 4.0,
            covered.x - area.x,
        ),
        (
            covered.x + covered.width / 4.0,
            covered.y - 2.0 * margin_y,
            covered.y - area.y,
        ),
    ];
    for (x, y, bar) in beside {
        let seen = picture.mean(x - 0.001, y - 0.001, 0.002, 0.002);
        if bar > 0.02 && seen.distance(Colour(0x10, 0x18, 0x28)) > 40 {
            return Some(format!(
                "{seen:?} at ({x:.3}, {y:.3}), where a bar should be"
            ));
        }
    }
    None
}

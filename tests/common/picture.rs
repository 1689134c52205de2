//! Decoded pictures, and the colours at places in them. Places are fractions of the frame, as
//! the venue file has them, so that they read the same at every size.

use std::fmt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use super::track::Track;

/// How far a colour may be off, per component: what a 4.5 Mb/s encoder does to a flat field.
const TOLERANCE: u8 = 14;

/// Red, green, blue, as in `0xC00000`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Colour(pub u8, pub u8, pub u8);

impl Colour {
    /// The fields of the tests' footage.
    pub const SLIDE_RED: Self = Self(0xC0, 0x00, 0x00);
    pub const SLIDE_WHITE: Self = Self(0xFF, 0xFF, 0xFF);
    pub const SLIDE_TITLE: Self = Self(0x1A, 0x36, 0x5D);
    pub const CAMERA_GREEN: Self = Self(0x00, 0xA0, 0x00);
    pub const BLACK: Self = Self(0, 0, 0);

    /// The same colour, but for what encoding does to it.
    pub fn is_like(self, other: Self) -> bool {
        self.distance(other) <= TOLERANCE
    }

    /// The largest difference of a component.
    pub fn distance(self, other: Self) -> u8 {
        let parts = [
            self.0.abs_diff(other.0),
            self.1.abs_diff(other.1),
            self.2.abs_diff(other.2),
        ];
        parts.into_iter().max().unwrap_or(0)
    }
}

impl fmt::Debug for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:02X}{:02X}{:02X}", self.0, self.1, self.2)
    }
}

/// One decoded picture.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    pub width: usize,
    pub height: usize,
    rgb: Vec<u8>,
}

impl Picture {
    /// A picture of these bytes: red, green, blue, line by line.
    #[track_caller]
    pub fn new(width: usize, height: usize, rgb: Vec<u8>) -> Self {
        assert_eq!(
            rgb.len(),
            width * height * 3,
            "no picture of {width}x{height}"
        );
        Self { width, height, rgb }
    }

    /// The mean colour of a small patch (1/100 of the frame's width and height) around a place.
    #[track_caller]
    pub fn colour_at(&self, x: f64, y: f64) -> Colour {
        self.mean(x - 0.005, y - 0.005, 0.01, 0.01)
    }

    /// The mean colour of a rectangle.
    #[track_caller]
    pub fn mean(&self, x: f64, y: f64, width: f64, height: f64) -> Colour {
        let span = |at: f64, length: f64, size: usize| {
            let from = ((at * size as f64).round().max(0.0) as usize).min(size - 1);
            let to = (((at + length) * size as f64).round() as usize).clamp(from + 1, size);
            from..to
        };
        let (columns, rows) = (span(x, width, self.width), span(y, height, self.height));
        let mut sums = [0_u64; 3];
        let count = (columns.len() * rows.len()) as u64;
        for row in rows {
            let line = &self.rgb[row * self.width * 3..];
            for pixel in line[columns.start * 3..columns.end * 3].chunks_exact(3) {
                for (sum, part) in sums.iter_mut().zip(pixel) {
                    *sum += u64::from(*part);
                }
            }
        }
        let [red, green, blue] = sums.map(|sum| ((sum + count / 2) / count) as u8);
        Colour(red, green, blue)
    }

    /// The colour at a place; a picture that fails this is kept for a look.
    #[track_caller]
    pub fn assert_colour(&self, x: f64, y: f64, expected: Colour) {
        let seen = self.colour_at(x, y);
        if !seen.is_like(expected) {
            let kept = self.keep();
            panic!("{seen:?} at ({x}, {y}) of the frame, not {expected:?}; see {kept}");
        }
    }

    /// Which part of the pixels has this colour.
    pub fn share_like(&self, colour: Colour) -> f64 {
        let pixels = self.rgb.chunks_exact(3);
        let like = pixels.filter(|pixel| Colour(pixel[0], pixel[1], pixel[2]).is_like(colour));
        like.count() as f64 / (self.width * self.height) as f64
    }

    /// The largest difference between this picture and another of its size, at any pixel.
    #[track_caller]
    pub fn largest_difference(&self, other: &Self) -> u8 {
        assert_eq!(
            (self.width, self.height),
            (other.width, other.height),
            "pictures of two sizes"
        );
        let pairs = self.rgb.iter().zip(&other.rgb);
        pairs.map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0)
    }

    /// Writes the picture where it outlives the test, and answers the file's name.
    pub fn keep(&self) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("picture-{}-{number}.ppm", std::process::id());
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let mut ppm = format!("P6 {} {} 255\n", self.width, self.height).into_bytes();
        ppm.extend(&self.rgb);
        match std::fs::write(&file, ppm) {
            Ok(()) => file.display().to_string(),
            Err(error) => format!("(not kept: {error})"),
        }
    }
}

/// Decodes pictures of a recording: those that `filter` lets through, at most `count`, each in
/// its own size or in `size`.
#[track_caller]
pub fn decode(
    file: &Path,
    track: &Track,
    filter: &str,
    size: Option<(usize, usize)>,
    count: Option<usize>,
) -> Vec<Picture> {
    let (full_width, full_height) = track.size();
    let (width, height) = size.unwrap_or((full_width as usize, full_height as usize));
    // A stream that does not say its matrix is shown by its size; ffmpeg alone would take
    // every such stream for standard definition.
    let matrix = match track.text("color_space") {
        "" | "unknown" if full_height >= 720 => "in_color_matrix=bt709:",
        _ => "",
    };
    let filter = format!(
        "{filter}scale={width}:{height}:{matrix}flags=neighbor+accurate_rnd+full_chroma_int"
    );
    let mut command = Command::new("ffmpeg");
    command
        .args(["-nostdin", "-v", "error", "-copyts", "-i"])
        .arg(file);
    command.args(["-map", "0:v:0", "-vf", &filter, "-fps_mode", "passthrough"]);
    if let Some(count) = count {
        command.args(["-frames:v", &count.to_string()]);
    }
    command
        .args(["-f", "rawvideo", "-pix_fmt", "rgb24", "-"])
        .stdin(Stdio::null());
    let output = command.output().expect("ffmpeg decodes");
    let pictures = output.stdout.chunks_exact(width * height * 3);
    pictures
        .map(|rgb| Picture {
            width,
            height,
            rgb: rgb.to_vec(),
        })
        .collect()
}

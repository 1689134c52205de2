//! What is really on a display: its memory, read as it changes. Xvfb keeps it in a file of the X window
//! dump's form (`XWDFile.h`). Footage whose pictures carry their numbers tells which were shown.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::drawn::draw;
use super::picture::{Colour, Picture};
use super::wait_until;

/// Cells of the strip along the upper edge: white, black, twelve bits, black, white.
const CELLS: usize = 16;
/// The middle of the strip, as a fraction of the picture's height.
const STRIP: f64 = 20.0 / 720.0;
/// Pictures of the numbered footage.
const COUNT: u32 = 600;

/// 1280x720, 30 pictures a second for 20 s, steel blue with a number each, and silence.
#[track_caller]
pub fn numbered(folder: &Path) -> PathBuf {
    numbered_with(folder, "numbered.mp4", "anullsrc=r=48000:cl=stereo")
}

/// The same, but that a tone of 440 Hz, amplitude 0.14, is on the left for all the time, and a beep of
/// 1500 Hz on the right for the first tenth of each second.
#[track_caller]
pub fn numbered_and_heard(folder: &Path) -> PathBuf {
    let beep = "0.25*sin(2*PI*1500*t)*lt(mod(t,1),0.1)";
    let sound = format!("aevalsrc='0.14*sin(2*PI*440*t)|{beep}':s=48000");
    numbered_with(folder, "heard.mp4", &sound)
}

#[track_caller]
fn numbered_with(folder: &Path, name: &str, sound: &str) -> PathBuf {
    let seconds = COUNT / 30;
    let bit =
        "if(eq(X,0)+eq(X,15),235,if(eq(X,1)+eq(X,14),16,if(mod(floor(N/pow(2,13-X)),2),235,16)))";
    let picture = format!(
        "color=c=0x306090:s=1280x720:r=30:d={seconds}[ground];\
         color=c=black:s=16x2:r=30:d={seconds},format=yuv420p,geq=lum='{bit}':cb=128:cr=128,\
         scale=1280:40:flags=neighbor[strip];[ground][strip]overlay=0:0"
    );
    draw(folder, name, &picture, &format!("{sound}:d={seconds}"))
}

/// The number that a picture carries, by the brightness at a place of it.
pub fn number_in(bright: impl Fn(f64, f64) -> bool) -> Option<u32> {
    let cells: Vec<bool> = (0..CELLS)
        .map(|cell| bright((cell as f64 + 0.5) / CELLS as f64, STRIP))
        .collect();
    let is_strip = cells[0] && !cells[1] && !cells[14] && cells[15];
    is_strip.then(|| {
        cells[2..14]
            .iter()
            .fold(0, |number, bit| number * 2 + u32::from(*bit))
    })
}

/// A display's memory.
pub struct Wall {
    file: File,
    width: u64,
    height: u64,
    stride: u64,
    pixels: u64,
}

/// What was seen of numbered footage.
#[derive(Debug, Clone, Default)]
pub struct Sight {
    /// Pictures, by their numbers, with the times at which they were first seen.
    pub seen: Vec<(Instant, u32)>,
    /// Numbers that were left out.
    pub missed: u32,
    /// Steps back: a picture that was shown after a later one.
    pub backward: u32,
    /// The longest time with one picture.
    pub longest: Duration,
}

impl Wall {
    #[track_caller]
    pub fn open(path: &Path) -> Self {
        let file = File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let field = |at: u64| {
            let mut bytes = [0; 4];
            file.read_exact_at(&mut bytes, at * 4).expect("a header");
            u64::from(u32::from_be_bytes(bytes))
        };
        let (header, colours, bits) = (field(0), field(19), field(11));
        assert_eq!(bits, 32, "bits per pixel");
        Self {
            width: field(4),
            height: field(5),
            stride: field(12),
            pixels: header + colours * 12,
            file,
        }
    }

    /// The colour of one pixel, at fractions of the display.
    pub fn colour(&self, x: f64, y: f64) -> Colour {
        let at = |share: f64, whole: u64| ((share * whole as f64) as u64).min(whole - 1);
        let place = self.pixels + at(y, self.height) * self.stride + at(x, self.width) * 4;
        let mut pixel = [0; 4];
        self.file.read_exact_at(&mut pixel, place).expect("a pixel");
        Colour(pixel[2], pixel[1], pixel[0])
    }

    /// The number of the picture that is shown; `None`: none of the numbered footage.
    pub fn number(&self) -> Option<u32> {
        number_in(|x, y| self.colour(x, y).1 > 127)
    }

    /// The probe's stamp, in milliseconds of the day; `None` where there is none.
    fn stamp(&self) -> Option<f64> {
        const CELLS: u32 = 32;
        let bit = |cell: u32| {
            let x = (f64::from(cell) + 0.5) / f64::from(CELLS);
            u32::from(self.colour(x, 1.0 / 36.0).1 > 127)
        };
        let word =
            |from: u32, count: u32| (from..from + count).fold(0, |all, at| all * 2 + bit(at));
        let (ticks, sum) = (word(2, 24), word(26, 4));
        let nibbles: u32 = (0..6).map(|at| ticks >> (4 * at) & 15).sum();
        let is_stamp = (word(0, 2), word(30, 2)) == (0b10, 0b01) && nibbles & 15 == sum;
        is_stamp.then(|| f64::from(ticks) * 5.0)
    }

    /// How old the probe's pictures are when they are first seen here, in milliseconds, for so long.
    pub fn stamp_delays(&self, time: Duration) -> Vec<f64> {
        let (begun, mut last, mut delays) = (Instant::now(), None, Vec::new());
        while begun.elapsed() < time {
            std::thread::sleep(Duration::from_millis(1));
            let stamp = self.stamp();
            if let Some(made) = stamp.filter(|_| stamp != last) {
                let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
                let now = now.expect("a clock").as_secs_f64() * 1e3 % 86_400_000.0;
                delays.push(now - made);
                last = stamp;
            }
        }
        delays
    }

    /// Waits for a picture with a number; says how long that took.
    #[track_caller]
    pub fn wait_number(&self, deadline: Duration) -> Duration {
        wait_until(deadline, "a numbered picture is on the display", || {
            self.number().is_some()
        })
    }

    /// Waits for a picture with another number than is shown; says how long that took.
    #[track_caller]
    pub fn wait_another(&self, deadline: Duration) -> Duration {
        let known = self.number();
        wait_until(deadline, "another picture is on the display", || {
            let number = self.number();
            number.is_some() && number != known
        })
    }

    /// Looks on for so long.
    pub fn watch(&self, time: Duration) -> Sight {
        let (begun, mut sight) = (Instant::now(), Sight::default());
        while begun.elapsed() < time {
            // A display is refreshed every 17 ms; that is looked at four times.
            std::thread::sleep(Duration::from_millis(4));
            let now = Instant::now();
            let (Some(number), last) = (self.number(), sight.seen.last().copied()) else {
                continue;
            };
            let Some((at, last)) = last else {
                sight.seen.push((now, number));
                continue;
            };
            if number == last {
                continue;
            }
            match (number + COUNT - last) % COUNT {
                step if step > COUNT / 2 => sight.backward += 1,
                step => sight.missed += step - 1,
            }
            sight.longest = sight.longest.max(now - at);
            sight.seen.push((now, number));
        }
        sight
    }
}

impl Picture {
    /// The number that it carries.
    pub fn number(&self) -> Option<u32> {
        number_in(|x, y| self.mean(x, y, 0.002, 0.004).1 > 127)
    }
}

//! What the screen measures, and what it says of it when somebody asks. Pure: whoever asks brings the
//! time.

use std::collections::VecDeque;

use crate::tongue::Tongue;

use super::decoders;

/// Pictures that delay and rate are of: some seconds.
const SPAN: usize = 128;

/// The pictures that were drawn of late.
#[derive(Debug, Clone, Default)]
pub struct Drawn {
    /// When each was drawn, and how long before that it had come from the network; nanoseconds.
    late: VecDeque<(i64, i64)>,
}

impl Drawn {
    /// One that had come at `entered` was drawn.
    pub fn note(&mut self, entered: i64, now: i64) {
        if self.late.len() >= SPAN {
            self.late.pop_front();
        }
        self.late.push_back((now, now - entered));
    }

    /// Begins anew: another connection.
    pub fn clear(&mut self) {
        self.late.clear();
    }

    /// Pictures per second; `None` before there are two.
    pub fn rate(&self) -> Option<f64> {
        let (first, last) = (self.late.front()?, self.late.back()?);
        let span = last.0 - first.0;
        (span > 0).then(|| (self.late.len() - 1) as f64 * 1e9 / span as f64)
    }

    /// From network to glass, in milliseconds: the middle one, and the slowest.
    pub fn delay(&self) -> Option<(f64, f64)> {
        let mut delays: Vec<i64> = self.late.iter().map(|(_, delay)| *delay).collect();
        delays.sort_unstable();
        let middle = *delays.get(delays.len() / 2)?;
        let slowest = *delays.last()?;
        Some((middle as f64 / 1e6, slowest as f64 / 1e6))
    }
}

/// Whether the feed is heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Heard {
    /// Nobody wants to hear it.
    #[default]
    Off,
    /// No sound has come, or it has only just begun.
    NotYet,
    /// It is.
    Yes,
    /// It would be, if this machine's sound system worked.
    NoDevice,
}

/// All that is told.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    /// Where the feed comes from.
    pub address: String,
    /// RTSP over TCP, and so on.
    pub transport: String,
    /// The decoder's name.
    pub decoder: Option<&'static str>,
    /// Of the picture as it was sent.
    pub size: Option<(u32, u32)>,
    /// Per second.
    pub rate: Option<f64>,
    /// Network to glass, in milliseconds: the middle, the slowest.
    pub delay: Option<(f64, f64)>,
    /// Of that held back, in milliseconds.
    pub held: f64,
    /// Packets lost on the way, where that is known.
    pub lost: Option<u64>,
    /// Pictures shown too late, and pictures never shown.
    pub late: u64,
    /// Never shown.
    pub skipped: u64,
    /// Whether it is heard.
    pub heard: Heard,
    /// How often the feed was gone.
    pub losses: u64,
    /// Why it is not there, in the words of whoever said so.
    pub trouble: Option<String>,
}

impl Figures {
    /// Names and values, a line each.
    pub fn lines(&self, tongue: Tongue) -> Vec<(String, String)> {
        let number = |value: f64, digits: usize| tongue.number(&format!("{value:.digits$}"));
        let missing = || "–".to_owned();
        let delay = self.delay.map_or_else(missing, |(middle, slowest)| {
            tongue
                .tr("{middle} ms, at most {slowest} ms; {held} ms of it held back")
                .replace("{middle}", &number(middle, 0))
                .replace("{slowest}", &number(slowest, 0))
                .replace("{held}", &number(self.held, 0))
        });
        let rate = self.rate.map_or_else(missing, |rate| {
            let (width, height) = self.size.unwrap_or_default();
            tongue
                .tr("{rate} a second, {width} × {height}")
                .replace("{rate}", &number(rate, 1))
                .replace("{width}", &width.to_string())
                .replace("{height}", &height.to_string())
        });
        let lost = self.lost.map_or_else(missing, |lost| lost.to_string());
        let lost = tongue
            .tr("{lost} packets lost, {late} pictures late, {skipped} left out")
            .replace("{lost}", &lost)
            .replace("{late}", &self.late.to_string())
            .replace("{skipped}", &self.skipped.to_string());
        let decoder = self.decoder.map_or_else(missing, |name| {
            let kind = match decoders::is_software(name) {
                true => tongue.tr("{decoder}, by the processor"),
                false => tongue.tr("{decoder}, by the graphics card"),
            };
            kind.replace("{decoder}", name)
        });
        let heard = match self.heard {
            Heard::Off => tongue.tr("off"),
            Heard::NotYet => tongue.tr("none has come yet"),
            Heard::Yes => tongue.tr("on"),
            Heard::NoDevice => tongue.tr("no sound device of this PC works; it is tried again"),
        };
        let mut lines = vec![
            (tongue.tr("Delay here").to_owned(), delay),
            (tongue.tr("Pictures").to_owned(), rate),
            (tongue.tr("Lost").to_owned(), lost),
            (tongue.tr("Sound").to_owned(), heard.to_owned()),
            (tongue.tr("Decoder").to_owned(), decoder),
            (tongue.tr("Transport").to_owned(), self.transport.clone()),
            (tongue.tr("Address").to_owned(), self.address.clone()),
            (
                tongue.tr("Interruptions").to_owned(),
                self.losses.to_string(),
            ),
        ];
        if let Some(trouble) = &self.trouble {
            lines.push((tongue.tr("Trouble").to_owned(), trouble.clone()));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delay_and_rate_are_of_what_was_drawn() {
        let mut drawn = Drawn::default();
        assert_eq!((drawn.rate(), drawn.delay()), (None, None));
        for n in 0..300i64 {
            let now = n * 40_000_000;
            drawn.note(now - 20_000_000 - n % 3 * 1_000_000, now);
        }
        assert_eq!(drawn.rate(), Some(25.0));
        assert_eq!(drawn.delay(), Some((21.0, 22.0)));
    }

    #[test]
    fn the_figures_are_told_in_both_languages() {
        let figures = Figures {
            decoder: Some("avdec_h264"),
            rate: Some(29.97),
            size: Some((1920, 1080)),
            delay: Some((23.4, 31.0)),
            lost: Some(0),
            ..Figures::default()
        };
        let english = figures.lines(Tongue::English);
        assert_eq!(english[0].1, "23 ms, at most 31 ms; 0 ms of it held back");
        assert_eq!(english[1].1, "30.0 a second, 1920 × 1080");
        assert_eq!(english[2].1, "0 packets lost, 0 pictures late, 0 left out");
        assert_eq!(english[3].1, "off");
        assert_eq!(english[4].1, "avdec_h264, by the processor");
        let french = figures.lines(Tongue::French);
        assert!(
            french[1].1.starts_with("30,0 par seconde"),
            "{}",
            french[1].1
        );
        let deaf = Figures {
            heard: Heard::NoDevice,
            ..figures
        };
        let line = deaf.lines(Tongue::French).swap_remove(3);
        assert_eq!(line.0, "Son");
        assert!(line.1.starts_with("aucune sortie son"), "{}", line.1);
    }
}

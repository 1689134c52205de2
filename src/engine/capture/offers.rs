//! What a device says that it gives. Asks the driver: only the card's own thread does.

use std::fs::File;

use v4l2r::PixelFormat;
use v4l2r::bindings::{v4l2_frmivalenum, v4l2_frmsizeenum};
use v4l2r::ioctl::{self, FmtDesc, FrmIvalTypes, FrmSizeTypes};

use crate::model::Pixels;
use crate::venue::{CaptureConfig, Rate};

use super::choice::{Offer, Sizes};
use super::device::QUEUE;

/// No driver has more of anything that is counted here.
const MOST: u32 = 256;

/// All that regie can read. Where the signal decides, it has one size, and its own rate.
pub fn offers(file: &File, config: &CaptureConfig, follows_signal: bool) -> Vec<Offer> {
    let formats = (0..MOST).map_while(|index| ioctl::enum_fmt::<FmtDesc>(file, QUEUE, index).ok());
    let mut offers = Vec::new();
    for letters in formats.map(|format| format.pixelformat.to_fourcc()) {
        let Some(pixels) = Pixels::from_fourcc(&letters) else {
            continue;
        };
        let need = Sizes::One(config.need.width, config.need.height);
        if follows_signal {
            offers.push(Offer {
                pixels,
                size: need,
                rates: Vec::new(),
            });
            continue;
        }
        let mut sizes = sizes(file, (&letters).into());
        if sizes.is_empty() {
            // It does not say: asked for what is needed, it takes what comes nearest.
            sizes.push(need);
        }
        for size in sizes {
            let (width, height) = size.nearest(config);
            let rates = rates(file, (&letters).into(), width, height, config);
            offers.push(Offer {
                pixels,
                size,
                rates,
            });
        }
    }
    offers
}

fn sizes(file: &File, format: PixelFormat) -> Vec<Sizes> {
    let all = (0..MOST)
        .map_while(|index| ioctl::enum_frame_sizes::<v4l2_frmsizeenum>(file, index, format).ok());
    all.filter_map(|size| match size.size()? {
        FrmSizeTypes::Discrete(one) => Some(Sizes::One(one.width, one.height)),
        FrmSizeTypes::StepWise(many) => Some(Sizes::Between {
            least: (many.min_width, many.min_height),
            most: (many.max_width, many.max_height),
            step: (many.step_width, many.step_height),
        }),
    })
    .collect()
}

fn rates(
    file: &File,
    format: PixelFormat,
    width: u32,
    height: u32,
    config: &CaptureConfig,
) -> Vec<Rate> {
    let all = (0..MOST).map_while(|index| {
        ioctl::enum_frame_intervals::<v4l2_frmivalenum>(file, index, format, width, height).ok()
    });
    let mut rates = Vec::new();
    for interval in all {
        match interval.intervals() {
            Some(FrmIvalTypes::Discrete(one)) => rates.extend(rate(one.denominator, one.numerator)),
            Some(FrmIvalTypes::StepWise(many)) => {
                let ends = [many.max, many.min].map(|end| rate(end.denominator, end.numerator));
                let [slowest, fastest] = ends;
                let wanted = [config.framerate, Some(config.programme_rate)];
                let within = |rate: &Rate| {
                    slowest.is_none_or(|end| end.as_f64() <= rate.as_f64())
                        && fastest.is_none_or(|end| rate.as_f64() <= end.as_f64())
                };
                rates.extend(wanted.into_iter().flatten().filter(within));
                rates.extend(ends.into_iter().flatten());
            }
            None => {}
        }
    }
    rates
}

/// So many pictures in so many seconds, as people would write it: drivers count in steps of 100 ns.
pub fn rate(numerator: u32, denominator: u32) -> Option<Rate> {
    if numerator == 0 || denominator == 0 {
        return None;
    }
    let exact = f64::from(numerator) / f64::from(denominator);
    let near = |value: f64| (value / exact - 1.0).abs() < 1e-4;
    let whole = exact.round();
    if whole >= 1.0 && near(whole) {
        return Some(Rate {
            numerator: whole as u32,
            denominator: 1,
        });
    }
    let ntsc = (exact * 1.001).round();
    if ntsc >= 1.0 && near(ntsc / 1.001) {
        return Some(Rate {
            numerator: ntsc as u32 * 1000,
            denominator: 1001,
        });
    }
    Some(Rate {
        numerator,
        denominator,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_told_as_people_write_them() {
        for (numerator, denominator, expected) in [
            (10_000_000, 333_333, "30"),
            (10_000_000, 333_667, "30000/1001"),
            (10_000_000, 166_833, "60000/1001"),
            (30, 1, "30"),
            (60_000, 1001, "60000/1001"),
            (15, 2, "15/2"),
            (25, 2, "25/2"),
        ] {
            let rate = rate(numerator, denominator).map(|rate| rate.to_string());
            assert_eq!(rate.as_deref(), Some(expected));
        }
        assert_eq!((rate(0, 1), rate(30, 0)), (None, None));
    }
}

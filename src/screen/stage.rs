//! The speaker's clock, and the time that is left. Pure: whoever asks brings the time.

use std::time::Duration;

use crate::ctl::TimeOfDay;

/// From here on the time that is left is amber.
const SOON: i64 = 5 * 60;
/// A time of day further ahead than this was today's, and is past.
const AHEAD: i64 = 12 * 3600;

/// How the time that is left is to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// There is time.
    Calm,
    /// Less than five minutes.
    Soon,
    /// It is over.
    Over,
}

/// When the talk ends, in seconds since 1970: the time of day that is nearest, or so long from now
/// on.
pub fn end(now: &glib::DateTime, until: Option<TimeOfDay>, span: Option<Duration>) -> Option<i64> {
    let today = now.to_unix();
    if let Some(span) = span {
        return Some(today + i64::try_from(span.as_secs()).unwrap_or(i64::MAX / 2));
    }
    let next = i64::try_from(until?.next_after(now)? / 1000).ok()?;
    // Started anew after a power cut, a talk that is over stays over.
    Some(if next - today > AHEAD {
        next - 24 * 3600
    } else {
        next
    })
}

/// The time that is left at `now`, both in seconds since 1970: `12:34`, `1:02:03`, and `+0:07` once it
/// is over.
pub fn left(end: i64, now: i64) -> (String, Urgency) {
    let left = end.saturating_sub(now);
    let urgency = match left {
        ..=0 => Urgency::Over,
        1..=SOON => Urgency::Soon,
        _ => Urgency::Calm,
    };
    let sign = if left < 0 { "+" } else { "" };
    let (hours, minutes, seconds) = {
        let all = left.unsigned_abs();
        (all / 3600, all / 60 % 60, all % 60)
    };
    let text = match hours {
        0 => format!("{sign}{minutes}:{seconds:02}"),
        _ => format!("{sign}{hours}:{minutes:02}:{seconds:02}"),
    };
    (text, urgency)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn it_counts_down_turns_amber_and_red_and_counts_over() {
        for (left_over, text, urgency) in [
            (3723, "1:02:03", Urgency::Calm),
            (301, "5:01", Urgency::Calm),
            (300, "5:00", Urgency::Soon),
            (1, "0:01", Urgency::Soon),
            (0, "0:00", Urgency::Over),
            (-7, "+0:07", Urgency::Over),
            (-3600, "+1:00:00", Urgency::Over),
        ] {
            assert_eq!(left(10_000 + left_over, 10_000), (text.to_owned(), urgency));
        }
    }

    #[test]
    fn a_time_of_day_is_the_nearest_one() {
        let noon = glib::DateTime::from_utc(2026, 5, 4, 12, 0, 0.0).unwrap();
        let at =
            |text: &str| end(&noon, Some(text.parse().unwrap()), None).unwrap() - noon.to_unix();
        assert_eq!(at("14:45"), 165 * 60);
        assert_eq!(at("11:50"), -600);
        assert_eq!(end(&noon, None, None), None);
        let span = end(&noon, None, Some(Duration::from_secs(2400)));
        assert_eq!(span, Some(noon.to_unix() + 2400));
    }
}

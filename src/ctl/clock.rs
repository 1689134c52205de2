//! Times of day as people write them, and when they are next.

use std::str::FromStr;

/// A time of day on a wall: `14:00`, `9:05`, `13:59:30`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeOfDay {
    hour: u8,
    minute: u8,
    second: u8,
}

impl FromStr for TimeOfDay {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("not a time of day: {text:?}; accepted: 14:00 or 14:00:30");
        let mut parts = text.split(':').map(|part| {
            let digits = matches!(part.len(), 1 | 2) && part.bytes().all(|b| b.is_ascii_digit());
            digits.then(|| part.parse::<u8>().ok()).flatten()
        });
        let (hour, minute) = (parts.next().flatten(), parts.next().flatten());
        let second = parts.next().unwrap_or(Some(0));
        match (hour, minute, second, parts.next()) {
            (Some(hour @ 0..24), Some(minute @ 0..60), Some(second @ 0..60), None) => Ok(Self {
                hour,
                minute,
                second,
            }),
            _ => Err(wrong()),
        }
    }
}

impl TimeOfDay {
    /// When the clock shows this next after `now`, in milliseconds since 1970: today, or tomorrow.
    /// A time that the change to summer time leaves out comes with that change. `None` only beyond
    /// what a calendar holds.
    pub fn next_after(self, now: &glib::DateTime) -> Option<u64> {
        let on = |day: &glib::DateTime| {
            let (year, month, date) = day.ymd();
            let (hour, minute) = (self.hour.into(), self.minute.into());
            glib::DateTime::new(
                &day.timezone(),
                year,
                month,
                date,
                hour,
                minute,
                self.second.into(),
            )
            .ok()
        };
        let today = on(now)?;
        let next = if today > *now {
            today
        } else {
            on(&now.add_days(1).ok()?)?
        };
        u64::try_from(next.to_unix()).ok().map(|s| s * 1000)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// By the rules of central Europe, whatever this machine knows of the world.
    const ZONE: &str = "CET-1CEST,M3.5.0,M10.5.0/3";

    fn at(year: i32, month: i32, day: i32, hour: i32, minute: i32) -> glib::DateTime {
        let zone = glib::TimeZone::from_identifier(Some(ZONE)).unwrap();
        glib::DateTime::new(&zone, year, month, day, hour, minute, 0.0).unwrap()
    }

    #[test]
    fn a_time_of_day_is_read_as_people_write_it() {
        for good in ["14:00", "9:05", "00:00", "23:59:59"] {
            assert!(good.parse::<TimeOfDay>().is_ok(), "{good}");
        }
        for bad in [
            "", "14", "24:00", "12:60", "12:00:60", "1:2:3:4", "-1:00", "+1:00", "012:00", "2 pm",
        ] {
            assert!(bad.parse::<TimeOfDay>().is_err(), "{bad}");
        }
    }

    #[test]
    fn it_is_today_or_tomorrow_and_summer_time_does_not_shift_it() {
        let time = |text: &str| text.parse::<TimeOfDay>().unwrap();
        let ahead = |text: &str, now: &glib::DateTime| {
            let next = time(text).next_after(now).unwrap();
            (next as i64 - now.to_unix() * 1000) / 60_000
        };
        let noon = at(2026, 5, 4, 12, 0);
        assert_eq!(ahead("14:00", &noon), 120);
        assert_eq!(ahead("12:00", &noon), 24 * 60, "now is not ahead");
        assert_eq!(ahead("11:59", &noon), 24 * 60 - 1);
        let late = at(2026, 12, 31, 23, 50);
        assert_eq!(ahead("00:10", &late), 20, "over the end of the year");
        // The night of 29 March 2026 has no 02:30; that of 25 October has it twice.
        let spring = at(2026, 3, 29, 1, 0);
        assert_eq!(ahead("04:00", &spring), 120);
        assert_eq!(ahead("02:30", &spring), 60);
        let autumn = at(2026, 10, 25, 1, 0);
        assert_eq!(ahead("04:00", &autumn), 240);
    }
}

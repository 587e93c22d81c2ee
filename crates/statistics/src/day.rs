//! Days and hours of UTC.
//!
//! In: nanoseconds since the epoch. Out: the day, its date, the hour of the day. Never: a time zone,
//! the present time.

use core::fmt;
use market::UtcNs;

/// Nanoseconds of a day; UTC as computers count it has no other days.
pub const DAY_NS: i64 = 86_400_000_000_000;

const HOUR_NS: i64 = DAY_NS / 24;

/// Days of the 400 years after which the calendar repeats.
const DAYS_OF_400_YEARS: i64 = 146_097;

/// A day of UTC, counted from 1970-01-01. Its text is the date, `2026-11-27`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(pub i64);

impl Day {
    /// The day of an event: from 00:00 on, before 24:00.
    #[must_use]
    pub const fn of(time: UtcNs) -> Self {
        Self(time.0.div_euclid(DAY_NS))
    }

    /// The day that a balance closes: after 00:00, up to 24:00 and with it. What an account is worth
    /// at midnight is the result of the day before.
    #[must_use]
    pub const fn closed_by(time: UtcNs) -> Self {
        Self(time.0.saturating_sub(1).div_euclid(DAY_NS))
    }

    /// Year, month (1 to 12) and day of the month of the proleptic Gregorian calendar.
    #[must_use]
    pub const fn date(self) -> (i64, u8, u8) {
        // Whole cycles first: what is left is less than 400 years, so the loops are short.
        let mut year = 1970 + 400 * self.0.div_euclid(DAYS_OF_400_YEARS);
        let mut left = self.0.rem_euclid(DAYS_OF_400_YEARS);
        while left >= days_of_year(year) {
            left -= days_of_year(year);
            year += 1;
        }
        let mut month = 1;
        while left >= days_of_month(year, month) {
            left -= days_of_month(year, month);
            month += 1;
        }
        (year, month, left as u8 + 1)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.date();
        f.pad(&format!("{year:04}-{month:02}-{day:02}"))
    }
}

/// Hour of the day, 0 to 23.
#[must_use]
pub const fn hour_of(time: UtcNs) -> u8 {
    (time.0.rem_euclid(DAY_NS) / HOUR_NS) as u8
}

const fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

const fn days_of_year(year: i64) -> i64 {
    if is_leap(year) { 366 } else { 365 }
}

const fn days_of_month(year: i64, month: u8) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        // As `date --utc --date=@SECONDS` says.
        let cases = [
            (0, "1970-01-01"),
            (-1, "1969-12-31"),
            (31_536_000, "1971-01-01"),
            (951_782_400, "2000-02-29"),
            (951_868_800, "2000-03-01"),
            (1_735_603_200, "2024-12-31"),
            (1_795_737_600, "2026-11-27"),
            (4_107_542_400, "2100-03-01"),
            (-9_223_372_036, "1677-09-21"),
            (9_223_372_036, "2262-04-11"),
        ];
        for (seconds, date) in cases {
            let day = Day::of(UtcNs(seconds * 1_000_000_000));
            assert_eq!(day.to_string(), date);
        }
    }

    #[test]
    fn midnight_begins_a_day_of_events_and_closes_one_of_balances() {
        let midnight = UtcNs(3 * DAY_NS);
        assert_eq!(Day::of(midnight), Day(3));
        assert_eq!(Day::closed_by(midnight), Day(2));
        assert_eq!(Day::closed_by(UtcNs(midnight.0 + 1)), Day(3));
        assert_eq!(Day::of(UtcNs(midnight.0 - 1)), Day(2));
        assert_eq!(hour_of(midnight), 0);
        assert_eq!(hour_of(UtcNs(midnight.0 - 1)), 23);
        assert_eq!(Day::closed_by(UtcNs(i64::MIN)), Day::of(UtcNs(i64::MIN)));
    }

    #[test]
    fn no_day_is_out_of_reach_of_the_calendar() {
        for day in [i64::MIN, i64::MAX, -146_097, 146_096] {
            let (_, month, day) = Day(day).date();
            assert!((1..=12).contains(&month) && (1..=31).contains(&day));
        }
    }
}

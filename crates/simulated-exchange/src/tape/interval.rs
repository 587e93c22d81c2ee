//! The intervals of klines (binance.md 1.2): their words, and where each candle begins.
//!
//! In: words, times. Out: the opening times of candles. Never: a time zone but UTC and a shift.
//!
//! Intervals up to a day begin at multiples of their length since midnight UTC, three days at
//! multiples since 1970, weeks on Monday, months on their first day.

use market::Market;

const SECOND_MS: i64 = 1_000;
const MINUTE_MS: i64 = 60 * SECOND_MS;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// Word and length; months have none.
const TABLE: [(&str, Option<i64>); 16] = [
    ("1s", Some(SECOND_MS)),
    ("1m", Some(MINUTE_MS)),
    ("3m", Some(3 * MINUTE_MS)),
    ("5m", Some(5 * MINUTE_MS)),
    ("15m", Some(15 * MINUTE_MS)),
    ("30m", Some(30 * MINUTE_MS)),
    ("1h", Some(HOUR_MS)),
    ("2h", Some(2 * HOUR_MS)),
    ("4h", Some(4 * HOUR_MS)),
    ("6h", Some(6 * HOUR_MS)),
    ("8h", Some(8 * HOUR_MS)),
    ("12h", Some(12 * HOUR_MS)),
    ("1d", Some(DAY_MS)),
    ("3d", Some(3 * DAY_MS)),
    ("1w", Some(7 * DAY_MS)),
    ("1M", None),
];

/// 1970 began on a Thursday: weeks begin four days later.
const FIRST_MONDAY_MS: i64 = 4 * DAY_MS;

/// An interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Interval(u8);

impl Interval {
    /// One minute.
    pub const MINUTE: Self = Self(1);

    /// The interval of a word in a market; futures have no `1s`.
    #[must_use]
    pub fn parse(word: &str, market: Market) -> Option<Self> {
        Self::all(market).find(|interval| interval.word() == word)
    }

    /// All intervals of a market.
    pub fn all(market: Market) -> impl Iterator<Item = Self> {
        let first = u8::from(market == Market::UsdM);
        (first..TABLE.len() as u8).map(Self)
    }

    /// As clients write it.
    #[must_use]
    pub fn word(self) -> &'static str {
        TABLE[usize::from(self.0)].0
    }

    /// Length in ms; `None` for months.
    #[must_use]
    pub fn length_ms(self) -> Option<i64> {
        TABLE[usize::from(self.0)].1
    }

    /// The opening time of the candle that `time_ms` lies in, in a zone `shift_ms` ahead of UTC.
    #[must_use]
    pub fn start(self, time_ms: i64, shift_ms: i64) -> i64 {
        let local = time_ms + shift_ms;
        let start = match self.length_ms() {
            Some(length) => {
                let origin = if length == 7 * DAY_MS {
                    FIRST_MONDAY_MS
                } else {
                    0
                };
                local - (local - origin).rem_euclid(length)
            }
            None => month_start(local, 0),
        };
        start - shift_ms
    }

    /// The opening time of the candle behind the one that opens at `open_ms`.
    #[must_use]
    pub fn next(self, open_ms: i64, shift_ms: i64) -> i64 {
        match self.length_ms() {
            Some(length) => open_ms + length,
            None => month_start(open_ms + shift_ms, 1) - shift_ms,
        }
    }

    /// The opening time of the candle before the one that opens at `open_ms`.
    #[must_use]
    pub fn previous(self, open_ms: i64, shift_ms: i64) -> i64 {
        match self.length_ms() {
            Some(length) => open_ms - length,
            None => month_start(open_ms + shift_ms, -1) - shift_ms,
        }
    }
}

/// First moment of the month that lies `months` behind that of `time_ms`.
fn month_start(time_ms: i64, months: i64) -> i64 {
    let (year, month) = month_of(time_ms.div_euclid(DAY_MS));
    let index = year * 12 + (month - 1) + months;
    days_before(index.div_euclid(12), index.rem_euclid(12) + 1) * DAY_MS
}

/// Year and month of a day since 1970, by the proleptic Gregorian calendar
/// (H. Hinnant, chrono-compatible low-level date algorithms, `civil_from_days`).
fn month_of(day: i64) -> (i64, i64) {
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    (year_of_era + era * 400 + i64::from(month <= 2), month)
}

/// Days from 1970 to the first of a month (`days_from_civil`).
fn days_before(year: i64, month: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted_month = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted_month + 2) / 5;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(word: &str, time_ms: i64, expected: [i64; 3]) {
        let interval = Interval::parse(word, Market::Spot).expect("a word of the table");
        let start = interval.start(time_ms, 0);
        let found = [interval.previous(start, 0), start, interval.next(start, 0)];
        assert_eq!(found, expected, "{word}");
    }

    /// The expected times are those of `date -u -d …`.
    #[test]
    fn candles_begin_where_the_exchange_begins_them() {
        // Thursday, 2026-11-26 13:47:05.123 UTC.
        let time = 1_795_700_825_123;
        let second = 1_795_700_825_000;
        check("1s", time, [second - 1_000, second, second + 1_000]);
        let minute = 1_795_700_820_000;
        check("1m", time, [minute - 60_000, minute, minute + 60_000]);
        let midnight = 1_795_651_200_000;
        check("1d", time, [midnight - DAY_MS, midnight, midnight + DAY_MS]);
        let monday = 1_795_392_000_000;
        check(
            "1w",
            time,
            [monday - 7 * DAY_MS, monday, monday + 7 * DAY_MS],
        );
        let (october, november, december) =
            (1_790_812_800_000, 1_793_491_200_000, 1_796_083_200_000);
        check("1M", time, [october, november, december]);
        // A leap February.
        check(
            "1M",
            1_709_251_199_999,
            [1_704_067_200_000, 1_706_745_600_000, 1_709_251_200_000],
        );
    }

    #[test]
    fn a_shift_moves_where_days_begin() {
        let day = Interval::parse("1d", Market::Spot).expect("a word of the table");
        let eight_hours = 8 * HOUR_MS;
        assert_eq!(
            day.start(1_795_651_200_000, eight_hours),
            1_795_651_200_000 - eight_hours
        );
    }

    #[test]
    fn futures_have_no_seconds() {
        assert_eq!(Interval::parse("1s", Market::UsdM), None);
        assert_eq!(Interval::parse("7m", Market::Spot), None);
        assert_eq!(Interval::all(Market::UsdM).count(), 15);
    }
}

//! Candles by request: `klines` and its relatives (binance.md 1.2, 1.7).
//!
//! In: a checked call. Out: up to 1,500 candles (spot: 1,000), oldest first, the running one last.
//! Never: a candle of the future.

use market::{Instrument, Market, UtcMs};

use super::endpoint::{Answer, Call};
use super::error::ApiError;
use super::market_data::{limit, span};
use super::params::Params;
use crate::streams::ticker_text::{index_row, kline_row};
use crate::tape::candle::Candle;
use crate::tape::interval::Interval;
use crate::tape::{Source, Tape};

/// Weight of futures by the limit (measured, binance.md 1.2).
#[must_use]
pub fn weight(params: &Params) -> u32 {
    match params.integer("limit").ok().flatten().unwrap_or(500) {
        ..101 => 1,
        101..501 => 2,
        501..1_001 => 5,
        _ => 10,
    }
}

/// `GET …/klines` and spot's `uiKlines`.
///
/// # Errors
/// -1102, -1120, -1121, -1130.
pub fn klines(call: &mut Call<'_>) -> Answer {
    let instrument = call.instrument()?;
    rows(call, &instrument, Some(Source::Trades))
}

/// `GET /fapi/v1/continuousKlines`: the perpetual's are those of its symbol.
///
/// # Errors
/// As [`klines`]; -1130 for another contract.
pub fn continuous(call: &mut Call<'_>) -> Answer {
    let instrument = pair(call)?;
    let contract = call.params.require("contractType")?;
    if contract != "PERPETUAL" {
        return Err(invalid("contractType"));
    }
    rows(call, &instrument, Some(Source::Trades))
}

/// `GET /fapi/v1/indexPriceKlines`: the index is the mark price here.
///
/// # Errors
/// As [`klines`].
pub fn index(call: &mut Call<'_>) -> Answer {
    let instrument = pair(call)?;
    rows(call, &instrument, Some(Source::Marks))
}

/// `GET /fapi/v1/markPriceKlines`.
///
/// # Errors
/// As [`klines`].
pub fn mark(call: &mut Call<'_>) -> Answer {
    let instrument = call.instrument()?;
    rows(call, &instrument, Some(Source::Marks))
}

/// `GET /fapi/v1/premiumIndexKlines`: the index is the mark price here, so that there is no premium.
///
/// # Errors
/// As [`klines`].
pub fn premium(call: &mut Call<'_>) -> Answer {
    let instrument = call.instrument()?;
    rows(call, &instrument, None)
}

/// -1130 for a parameter.
pub(super) fn invalid(name: &str) -> ApiError {
    ApiError::new(
        -1130,
        format!("Data sent for parameter '{name}' is not valid."),
    )
}

fn pair(call: &Call<'_>) -> Result<Instrument, ApiError> {
    let pair = call.params.require("pair")?;
    let found = call.exchange.floor(call.market).find(pair);
    found.copied().ok_or_else(ApiError::invalid_symbol)
}

/// What is asked for.
struct Asked {
    interval: Interval,
    from: Option<i64>,
    until: Option<i64>,
    limit: usize,
    shift_ms: i64,
}

/// Candles of a source; without one they stay at zero.
fn rows(call: &mut Call<'_>, instrument: &Instrument, source: Option<Source>) -> Answer {
    let word = call.params.require("interval")?;
    let interval = Interval::parse(word, call.market)
        .ok_or_else(|| ApiError::new(-1120, "Invalid interval."))?;
    let spot = call.market == Market::Spot;
    let (from, until) = span(call)?;
    let asked = Asked {
        interval,
        from,
        until,
        limit: limit(call, 500, if spot { 1_000 } else { 1_500 })?,
        shift_ms: match call.params.get("timeZone").filter(|_| spot) {
            Some(zone) => zone_ms(zone).ok_or_else(|| invalid("timeZone"))?,
            None => 0,
        },
    };
    let now = call.now;
    let tape = call.exchange.floor_mut(call.market).tape_mut(instrument.id);
    let mut out = vec![b'['];
    for open_ms in opens(&asked, tape, now) {
        if out.len() > 1 {
            out.push(b',');
        }
        let next = interval.next(open_ms, asked.shift_ms);
        let Some(source) = source else {
            index_row(&mut out, instrument, &Candle::flat(open_ms, 0), next - 1);
            continue;
        };
        let candle = if asked.shift_ms == 0 {
            tape.candle(source, interval, open_ms, now)
        } else {
            tape.between(source, open_ms, next, now)
        };
        match source {
            Source::Trades => kline_row(&mut out, instrument, &candle, next - 1),
            Source::Marks => index_row(&mut out, instrument, &candle, next - 1),
        }
    }
    out.push(b']');
    Ok(out)
}

/// The opening times that are asked for: behind `startTime` where it is given, else the last ones.
fn opens(asked: &Asked, tape: &Tape, now: UtcMs) -> Vec<i64> {
    let (interval, shift) = (asked.interval, asked.shift_ms);
    let running = interval.start(now.0, shift);
    let last = asked
        .until
        .map_or(running, |until| interval.start(until.min(now.0), shift));
    let mut first = interval.start(tape.first_ms(), shift);
    if first < tape.first_ms() {
        first = interval.next(first, shift);
    }
    let mut opens = Vec::new();
    if let Some(from) = asked.from {
        let mut open = interval.start(from.max(first), shift);
        if open < from {
            open = interval.next(open, shift);
        }
        while open <= last && opens.len() < asked.limit {
            opens.push(open);
            open = interval.next(open, shift);
        }
    } else {
        let mut open = last;
        while open >= first && opens.len() < asked.limit {
            opens.push(open);
            open = interval.previous(open, shift);
        }
        opens.reverse();
    }
    opens
}

/// `-1:00`, `05:45`, `4`: from -12:00 to +14:00.
fn zone_ms(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (hours, minutes) = digits.split_once(':').unwrap_or((digits, "0"));
    let number = |text: &str, below: u32| text.parse::<u32>().ok().filter(|one| *one < below);
    let minutes = i64::from(number(hours, 15)? * 60 + number(minutes, 60)?);
    let shift = if negative { -minutes } else { minutes };
    (-12 * 60..=14 * 60)
        .contains(&shift)
        .then_some(shift * 60_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_zones_are_read_as_documented() {
        assert_eq!(zone_ms("-1:00"), Some(-3_600_000));
        assert_eq!(zone_ms("05:45"), Some(20_700_000));
        assert_eq!(zone_ms("4"), Some(14_400_000));
        assert_eq!(zone_ms("+8:00"), Some(28_800_000));
        for wrong in ["", "15", "-13:00", "1:60", "x", "--1", "14:01"] {
            assert_eq!(zone_ms(wrong), None, "{wrong}");
        }
    }
}

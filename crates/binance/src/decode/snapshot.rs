//! The REST depth snapshot.
//!
//! In: the body of `GET …/depth`. Out: its header at once, then the levels in runs that fit the
//! caller's buffer, best first. Never: a level from a body that is not sound to its last byte.

use super::depth::level;
use super::{DecodeError, required, set, time};
use crate::json::Cursor;
use market::{Instrument, Level, Price, Side, UpdateId, UtcMs};

/// Most levels a side that the exchange sends (spot; futures send 1,000).
pub const SNAPSHOT_LEVELS_MAX: usize = 5000;

/// What a snapshot says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotHeader {
    /// The book version.
    pub last_update_id: UpdateId,
    /// When the exchange sent it; 0 on spot, which does not say.
    pub event_time: UtcMs,
    /// When it was true; 0 on spot.
    pub transaction_time: UtcMs,
    /// Number of bids.
    pub bid_count: usize,
    /// Number of asks.
    pub ask_count: usize,
}

/// A snapshot whose every level has been checked: sorted, unique, above 0, not crossed.
#[derive(Clone, Copy, Debug)]
pub struct Snapshot<'a> {
    header: SnapshotHeader,
    instrument: &'a Instrument,
    bids: Cursor<'a>,
    asks: Cursor<'a>,
}

/// The levels of one side, run by run.
#[derive(Clone, Copy, Debug)]
pub struct LevelRuns<'a> {
    cursor: Cursor<'a>,
    instrument: &'a Instrument,
    left: usize,
}

/// Checks a whole snapshot of `instrument`.
///
/// # Errors
/// [`DecodeError`] names the field.
pub fn decode_snapshot<'a>(
    bytes: &'a [u8],
    instrument: &'a Instrument,
) -> Result<Snapshot<'a>, DecodeError> {
    let mut cursor = Cursor::new(bytes);
    let (mut id, mut event_time, mut transaction_time) = (None, None, None);
    let (mut bids, mut asks) = (None, None);
    cursor.object(|cursor, key| match key {
        b"lastUpdateId" => set(&mut id, "lastUpdateId", cursor.unsigned("lastUpdateId")?),
        b"E" => set(&mut event_time, "E", time(cursor, "E")?),
        b"T" => set(&mut transaction_time, "T", time(cursor, "T")?),
        b"bids" => {
            let side = CheckedSide::read(cursor, instrument, Side::Buy)?;
            set(&mut bids, "bids", side)
        }
        b"asks" => {
            let side = CheckedSide::read(cursor, instrument, Side::Sell)?;
            set(&mut asks, "asks", side)
        }
        _ => cursor.skip().map(|_| ()),
    })?;
    cursor.end()?;
    let bids = required(bids, "bids")?;
    let asks = required(asks, "asks")?;
    if let (Some(bid), Some(ask)) = (bids.best, asks.best)
        && bid >= ask
    {
        return Err(DecodeError::Value("bids"));
    }
    Ok(Snapshot {
        header: SnapshotHeader {
            last_update_id: UpdateId(required(id, "lastUpdateId")?),
            event_time: event_time.unwrap_or(UtcMs(0)),
            transaction_time: transaction_time.unwrap_or(UtcMs(0)),
            bid_count: bids.count,
            ask_count: asks.count,
        },
        instrument,
        bids: bids.start,
        asks: asks.start,
    })
}

impl<'a> Snapshot<'a> {
    /// Id, times and counts.
    #[must_use]
    pub const fn header(&self) -> &SnapshotHeader {
        &self.header
    }

    /// True when both sides are shorter than the `limit` asked for: nothing lies beyond.
    #[must_use]
    pub const fn is_complete(&self, limit: usize) -> bool {
        self.header.bid_count < limit && self.header.ask_count < limit
    }

    /// The levels of `side`, best first.
    #[must_use]
    pub const fn runs(&self, side: Side) -> LevelRuns<'a> {
        let (cursor, left) = match side {
            Side::Buy => (self.bids, self.header.bid_count),
            Side::Sell => (self.asks, self.header.ask_count),
        };
        LevelRuns {
            cursor,
            instrument: self.instrument,
            left,
        }
    }
}

impl LevelRuns<'_> {
    /// Fills the front of `buffer` with the next levels; empty at the end.
    pub fn next_run<'l>(&mut self, buffer: &'l mut [Level]) -> &'l [Level] {
        let count = self.left.min(buffer.len());
        for slot in &mut buffer[..count] {
            let level = level(&mut self.cursor, self.instrument, "bids")
                .and_then(|level| self.cursor.more(b']').map(|_| level));
            *slot = level.expect("decode_snapshot has read these very bytes");
        }
        self.left -= count;
        &buffer[..count]
    }
}

/// One side that has been read once; `start` stands before its first level.
struct CheckedSide<'a> {
    start: Cursor<'a>,
    count: usize,
    best: Option<Price>,
}

impl<'a> CheckedSide<'a> {
    fn read(
        cursor: &mut Cursor<'a>,
        instrument: &Instrument,
        side: Side,
    ) -> Result<Self, DecodeError> {
        let name = match side {
            Side::Buy => "bids",
            Side::Sell => "asks",
        };
        if cursor.peek() != Some(b'[') {
            return Err(DecodeError::WrongType(name));
        }
        let mut more = cursor.open(b'[', b']')?;
        let mut checked = Self {
            start: *cursor,
            count: 0,
            best: None,
        };
        let mut previous: Option<Price> = None;
        while more {
            let level = level(cursor, instrument, name)?;
            if level.quantity.is_zero() {
                return Err(DecodeError::Number(name));
            }
            let sorted = previous.is_none_or(|previous| match side {
                Side::Buy => level.price < previous,
                Side::Sell => level.price > previous,
            });
            if !sorted {
                return Err(DecodeError::Value(name));
            }
            checked.best = checked.best.or(Some(level.price));
            previous = Some(level.price);
            checked.count += 1;
            if checked.count > SNAPSHOT_LEVELS_MAX {
                return Err(DecodeError::TooManyLevels);
            }
            more = cursor.more(b']')?;
        }
        Ok(checked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use market::{Filters, InstrumentId, InstrumentStatus, Market, Step, Symbol};

    #[test]
    fn a_side_has_as_many_levels_as_can_be_asked_for_and_not_one_more() {
        let instrument = Instrument {
            id: InstrumentId(0),
            market: Market::Spot,
            symbol: Symbol::new(b"BTCUSDT").unwrap(),
            tick: Step::from_text(b"0.01").unwrap(),
            lot: Step::from_text(b"0.001").unwrap(),
            price_decimals: 8,
            quantity_decimals: 8,
            status: InstrumentStatus::Trading,
            filters: Filters::NONE,
        };
        for (count, expected) in [(5_000, Ok(5_000)), (5_001, Err(DecodeError::TooManyLevels))] {
            let level = |at: u32| format!(r#"["{}.00","1.000"]"#, 1_000 + at);
            let asks: Vec<String> = (0..count).map(level).collect();
            let body = format!(
                r#"{{"lastUpdateId":7,"bids":[["999.00","1.000"]],"asks":[{}]}}"#,
                asks.join(",")
            );
            let read = decode_snapshot(body.as_bytes(), &instrument);
            assert_eq!(read.map(|one| one.header().ask_count), expected);
        }
    }
}

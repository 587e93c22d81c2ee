//! The fast decoders beside the plain ones.
//!
//! In: bytes that may be a message. Out: whether both read the same from it, or both refuse it.
//! Never: an opinion on which of two is right.

use super::reference::{self, Depth, Mark, Number, Pair, Snapshot, TEXT_STEPS_MAX, Ticker, Trade};
use binance::decode::{
    decode_agg_trade, decode_book_ticker, decode_depth, decode_mark_price, decode_snapshot,
    decode_trade,
};
use market::decimal::TEXT_MAX;
use market::{Instrument, Instruments, Level, Price, Quantity, Side};
use recordings::MessageKind;
use std::fmt::Debug;

/// Most levels in one message that is compared.
const LEVELS_MAX: usize = 1 << 14;

/// Compares decoders on one kind of message at a time.
pub struct Decoders {
    instrument: Instrument,
    levels: Vec<Level>,
}

impl Decoders {
    /// For messages of one instrument.
    #[must_use]
    pub fn new(instrument: Instrument) -> Self {
        Self {
            instrument,
            levels: vec![Level::default(); LEVELS_MAX],
        }
    }

    /// Reads `bytes` as a message of `kind` with both; true when both took it.
    ///
    /// # Errors
    /// Both results, where they differ.
    pub fn compare(&mut self, kind: MessageKind, bytes: &[u8]) -> Result<bool, String> {
        let instrument = self.instrument;
        match kind {
            MessageKind::Depth { .. } => {
                same(self.depth(bytes), reference::depth(bytes, &instrument))
            }
            MessageKind::BookTicker { .. } => {
                same(self.ticker(bytes), reference::ticker(bytes, &instrument))
            }
            MessageKind::Trade => same(
                self.trade(bytes),
                reference::trade(bytes, &instrument, false),
            ),
            MessageKind::AggTrade => same(
                self.agg_trade(bytes),
                reference::trade(bytes, &instrument, true),
            ),
            MessageKind::MarkPrice => same(self.mark(bytes), reference::mark(bytes, &instrument)),
            MessageKind::Snapshot { .. } => same(
                self.snapshot(bytes),
                reference::snapshot(bytes, &instrument),
            ),
            MessageKind::Other => Ok(false),
        }
    }

    fn depth(&mut self, bytes: &[u8]) -> Option<Depth> {
        let table = [self.instrument];
        let market = self.instrument.market;
        let found = decode_depth(bytes, &Instruments(&table), market, &mut self.levels).ok()?;
        Some(Depth {
            first: found.header.first_update_id.0,
            last: found.header.last_update_id.0,
            previous: found.header.previous_update_id.0,
            event_ms: found.header.event_time.0.unsigned_abs(),
            transaction_ms: found.header.transaction_time.0.unsigned_abs(),
            bids: found
                .bids
                .iter()
                .map(|level| pair(&self.instrument, *level))
                .collect(),
            asks: found
                .asks
                .iter()
                .map(|level| pair(&self.instrument, *level))
                .collect(),
        })
    }

    fn ticker(&self, bytes: &[u8]) -> Option<Ticker> {
        let table = [self.instrument];
        let market = self.instrument.market;
        let found = decode_book_ticker(bytes, &Instruments(&table), market).ok()?;
        Some(Ticker {
            update_id: found.update_id.0,
            bid: pair(&self.instrument, found.bid),
            ask: pair(&self.instrument, found.ask),
            event_ms: found.event_time.0.unsigned_abs(),
            transaction_ms: found.transaction_time.0.unsigned_abs(),
        })
    }

    fn trade(&self, bytes: &[u8]) -> Option<Trade> {
        let table = [self.instrument];
        let market = self.instrument.market;
        let found = decode_trade(bytes, &Instruments(&table), market).ok()?;
        Some(Trade {
            id: found.trade_id.0,
            range: None,
            level: level(&self.instrument, found.price, found.quantity),
            buyer_is_maker: found.aggressor == Side::Sell,
            from_book: found.from_book,
            event_ms: found.event_time.0.unsigned_abs(),
            transaction_ms: found.transaction_time.0.unsigned_abs(),
        })
    }

    fn agg_trade(&self, bytes: &[u8]) -> Option<Trade> {
        let table = [self.instrument];
        let market = self.instrument.market;
        let found = decode_agg_trade(bytes, &Instruments(&table), market).ok()?;
        Some(Trade {
            id: found.aggregate_id.0,
            range: Some((found.first_trade_id.0, found.last_trade_id.0)),
            level: level(&self.instrument, found.price, found.quantity),
            buyer_is_maker: found.aggressor == Side::Sell,
            from_book: true,
            event_ms: found.event_time.0.unsigned_abs(),
            transaction_ms: found.transaction_time.0.unsigned_abs(),
        })
    }

    fn mark(&self, bytes: &[u8]) -> Option<Mark> {
        let table = [self.instrument];
        let market = self.instrument.market;
        let found = decode_mark_price(bytes, &Instruments(&table), market).ok()?;
        Some(Mark {
            mark: found.mark.0,
            rate_e8: found.funding_rate.0,
            next_funding_ms: found.next_funding_time.0.unsigned_abs(),
            event_ms: found.event_time.0.unsigned_abs(),
        })
    }

    fn snapshot(&mut self, bytes: &[u8]) -> Option<Snapshot> {
        let instrument = self.instrument;
        let found = decode_snapshot(bytes, &instrument).ok()?;
        let mut side = |side| -> Vec<Pair> {
            let levels = found.runs(side).next_run(&mut self.levels);
            levels
                .iter()
                .map(|level| pair(&instrument, *level))
                .collect()
        };
        Some(Snapshot {
            last_update_id: found.header().last_update_id.0,
            bids: side(Side::Buy),
            asks: side(Side::Sell),
        })
    }
}

fn same<T: PartialEq + Debug>(fast: Option<T>, plain: Option<T>) -> Result<bool, String> {
    if fast == plain {
        return Ok(fast.is_some());
    }
    Err(format!("fast {fast:?}, plain {plain:?}"))
}

fn pair(instrument: &Instrument, one: Level) -> Pair {
    level(instrument, one.price, one.quantity)
}

fn level(instrument: &Instrument, price: Price, quantity: Quantity) -> Pair {
    let number = |steps: i64, text: &dyn Fn(&mut [u8; TEXT_MAX]) -> Vec<u8>| Number {
        steps,
        text: if steps > TEXT_STEPS_MAX {
            String::new()
        } else {
            String::from_utf8(text(&mut [0; TEXT_MAX])).expect("digits")
        },
    };
    (
        number(price.0, &|buffer| {
            instrument.write_price(price, buffer).to_vec()
        }),
        number(quantity.0, &|buffer| {
            instrument.write_quantity(quantity, buffer).to_vec()
        }),
    )
}

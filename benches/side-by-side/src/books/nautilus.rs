//! nautilus-model's book, level 2 by price.
//!
//! In: its own deltas. Out: sums of the sizes of the first five levels of its sides. Never: its
//! message bus; only the book is compared.

use super::{Contender, Decoded};
use crate::input::Input;
use crate::reference::TOP_LEVELS;
use market::{Instrument, Level};
use nautilus_core::UnixNanos;
use nautilus_model::data::{BookOrder, OrderBookDelta, OrderBookDeltas};
use nautilus_model::enums::{BookAction, BookType, OrderSide, RecordFlag};
use nautilus_model::identifiers::InstrumentId;
use nautilus_model::orderbook::OrderBook;
use nautilus_model::types::fixed::FIXED_PRECISION;
use nautilus_model::types::{Price, Quantity};
use std::hint::black_box;

pub(super) struct Nautilus<'a> {
    input: &'a Input,
    id: InstrumentId,
    messages: Vec<OrderBookDeltas>,
    book: OrderBook,
    last: [u64; 2],
}

impl<'a> Nautilus<'a> {
    pub(super) fn new(input: &'a Input, decoded: &Decoded) -> Self {
        let id = InstrumentId::from("BTCUSDT-PERP.BINANCE");
        let message = |update: market::DepthUpdate<'_>| {
            let sequence = update.header.last_update_id.0;
            let both = [
                (OrderSide::Buy, update.bids),
                (OrderSide::Sell, update.asks),
            ];
            deltas(&input.instrument, id, sequence, both)
        };
        Self {
            input,
            id,
            messages: decoded.updates().map(message).collect(),
            book: OrderBook::new(id, BookType::L2_MBP),
            last: [0; 2],
        }
    }
}

fn deltas(
    instrument: &Instrument,
    id: InstrumentId,
    sequence: u64,
    sides: [(OrderSide, &[Level]); 2],
) -> OrderBookDeltas {
    let mut all = Vec::new();
    for (side, levels) in sides {
        for level in levels {
            let action = if level.quantity.is_zero() {
                BookAction::Delete
            } else {
                BookAction::Update
            };
            // For an L2 book its own pre-processing makes the id of the price.
            let order = BookOrder::new(
                side,
                price(instrument, level),
                quantity(instrument, level),
                0,
            );
            let now = UnixNanos::default();
            all.push(OrderBookDelta::new(
                id, action, order, 0, sequence, now, now,
            ));
        }
    }
    if let Some(last) = all.last_mut() {
        last.flags = RecordFlag::F_LAST as u8;
    }
    OrderBookDeltas::new(id, all)
}

/// Raw units of one step of `decimals` decimals.
fn unit(mantissa: i64, decimals: u8) -> i64 {
    mantissa * 10i64.pow(u32::from(FIXED_PRECISION - decimals))
}

fn price(instrument: &Instrument, level: &Level) -> Price {
    let unit = unit(instrument.tick.mantissa, instrument.tick.decimals);
    Price::from_raw(level.price.0 * unit, instrument.price_decimals)
}

fn quantity(instrument: &Instrument, level: &Level) -> Quantity {
    let unit = unit(instrument.lot.mantissa, instrument.lot.decimals);
    let raw = u64::try_from(level.quantity.0 * unit).expect("quantities are not negative");
    Quantity::from_raw(raw, instrument.quantity_decimals)
}

impl Contender for Nautilus<'_> {
    fn name(&self) -> &'static str {
        "nautilus-model OrderBook L2_MBP"
    }

    fn reset(&mut self) {
        self.book = OrderBook::new(self.id, BookType::L2_MBP);
        let both = [
            (OrderSide::Buy, self.input.bids.as_slice()),
            (OrderSide::Sell, self.input.asks.as_slice()),
        ];
        let start = deltas(
            &self.input.instrument,
            self.id,
            self.input.start_update_id,
            both,
        );
        self.book
            .apply_deltas(&start)
            .expect("levels of one instrument");
    }

    fn message(&mut self, index: usize) {
        self.book
            .apply_deltas(&self.messages[index])
            .expect("levels of one instrument");
        let bids = self
            .book
            .bids(Some(TOP_LEVELS))
            .map(|level| level.size_raw());
        let asks = self
            .book
            .asks(Some(TOP_LEVELS))
            .map(|level| level.size_raw());
        self.last = black_box([bids.sum(), asks.sum()]);
    }

    fn top(&mut self) -> [i64; 2] {
        let lot = self.input.instrument.lot;
        let unit = unit(lot.mantissa, lot.decimals);
        self.last
            .map(|raw| i64::try_from(raw).expect("a sum of lots fits 63 bits") / unit)
    }
}

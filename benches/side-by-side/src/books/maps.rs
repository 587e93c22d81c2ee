//! Ordered maps: what most people begin with.
//!
//! In: decimals, or ticks and lots. Out: sums of the top five values. Never: a trick.

use super::{Contender, Decoded};
use crate::input::Input;
use crate::reference::TOP_LEVELS;
use market::{Instrument, Level};
use rust_decimal::Decimal;
use std::collections::BTreeMap;
use std::hint::black_box;

/// `BTreeMap<i64, i64>` of ticks to lots.
pub(super) struct Integers<'a> {
    input: &'a Input,
    decoded: &'a Decoded,
    bids: BTreeMap<i64, i64>,
    asks: BTreeMap<i64, i64>,
    last: [i64; 2],
}

impl<'a> Integers<'a> {
    pub(super) fn new(input: &'a Input, decoded: &'a Decoded) -> Self {
        Self {
            input,
            decoded,
            bids: BTreeMap::new(),
            asks: BTreeMap::new(),
            last: [0; 2],
        }
    }
}

impl Contender for Integers<'_> {
    fn name(&self) -> &'static str {
        "BTreeMap<i64, i64>"
    }

    fn reset(&mut self) {
        let map = |levels: &[Level]| {
            let pairs = levels.iter().map(|one| (one.price.0, one.quantity.0));
            pairs.collect()
        };
        self.bids = map(&self.input.bids);
        self.asks = map(&self.input.asks);
    }

    fn message(&mut self, index: usize) {
        let update = self.decoded.update(index);
        for (side, changes) in [(&mut self.bids, update.bids), (&mut self.asks, update.asks)] {
            for change in changes {
                if change.quantity.0 == 0 {
                    side.remove(&change.price.0);
                } else {
                    side.insert(change.price.0, change.quantity.0);
                }
            }
        }
        self.last = black_box([
            self.bids.values().rev().take(TOP_LEVELS).sum(),
            self.asks.values().take(TOP_LEVELS).sum(),
        ]);
    }

    fn top(&mut self) -> [i64; 2] {
        self.last
    }
}

/// A price and a quantity.
pub(super) type Pair = (Decimal, Decimal);

/// The decimals that a text on the wire would give.
pub(super) fn decimals(instrument: &Instrument, level: &Level) -> Pair {
    let decimal = |count: i64, mantissa: i64, decimals: u8, wire: u8| {
        let mut value = Decimal::new(count * mantissa, u32::from(decimals));
        value.rescale(u32::from(wire));
        value
    };
    let (tick, lot) = (instrument.tick, instrument.lot);
    (
        decimal(
            level.price.0,
            tick.mantissa,
            tick.decimals,
            instrument.price_decimals,
        ),
        decimal(
            level.quantity.0,
            lot.mantissa,
            lot.decimals,
            instrument.quantity_decimals,
        ),
    )
}

/// Lots of a sum of quantities; for comparison.
pub(super) fn lots(instrument: &Instrument, quantity: Decimal) -> i64 {
    let lot = Decimal::new(instrument.lot.mantissa, u32::from(instrument.lot.decimals));
    let lots = (quantity / lot).normalize();
    i64::try_from(lots.mantissa()).expect("a sum of lots fits 63 bits")
        * 10i64.pow(0u32.saturating_sub(lots.scale()))
}

/// `BTreeMap<Decimal, Decimal>`.
pub(super) struct Decimals<'a> {
    input: &'a Input,
    messages: Vec<[Vec<Pair>; 2]>,
    bids: BTreeMap<Decimal, Decimal>,
    asks: BTreeMap<Decimal, Decimal>,
    last: [Decimal; 2],
}

impl<'a> Decimals<'a> {
    pub(super) fn new(input: &'a Input, decoded: &Decoded) -> Self {
        let side = |levels: &[Level]| -> Vec<Pair> {
            let pairs = levels.iter().map(|one| decimals(&input.instrument, one));
            pairs.collect()
        };
        let message = |update: market::DepthUpdate<'_>| [side(update.bids), side(update.asks)];
        Self {
            input,
            messages: decoded.updates().map(message).collect(),
            bids: BTreeMap::new(),
            asks: BTreeMap::new(),
            last: [Decimal::ZERO; 2],
        }
    }
}

impl Contender for Decimals<'_> {
    fn name(&self) -> &'static str {
        "BTreeMap<Decimal, Decimal>"
    }

    fn reset(&mut self) {
        let map = |levels: &[Level]| {
            let pairs = levels
                .iter()
                .map(|one| decimals(&self.input.instrument, one));
            pairs.collect()
        };
        self.bids = map(&self.input.bids);
        self.asks = map(&self.input.asks);
    }

    fn message(&mut self, index: usize) {
        let [bids, asks] = &self.messages[index];
        for (side, changes) in [(&mut self.bids, bids), (&mut self.asks, asks)] {
            for (price, quantity) in changes {
                if quantity.is_zero() {
                    side.remove(price);
                } else {
                    side.insert(*price, *quantity);
                }
            }
        }
        self.last = black_box([
            self.bids.values().rev().take(TOP_LEVELS).sum(),
            self.asks.values().take(TOP_LEVELS).sum(),
        ]);
    }

    fn top(&mut self) -> [i64; 2] {
        self.last.map(|sum| lots(&self.input.instrument, sum))
    }
}

//! hftbacktest's three books.
//!
//! In: prices and quantities as floats, which is what they take. Out: sums of the first five
//! levels, found by walking ticks from the best: their interface has no other way. Never: a range
//! of interest so narrow that the top leaves it: ten per cent on either side.

use super::{Contender, Decoded};
use crate::input::Input;
use crate::reference::TOP_LEVELS;
use hftbacktest::depth::{
    BTreeMarketDepth, HashMapMarketDepth, L2MarketDepth, MarketDepth, ROIVectorMarketDepth,
};
use market::{Instrument, Level};
use std::hint::black_box;

/// Ticks that the walk for the top is allowed; far more than it ever needs.
const WALK_TICKS: i64 = 1_000_000;

type Pairs = Vec<(f64, f64)>;

pub(super) struct HftBacktest<'a, D> {
    name: &'static str,
    input: &'a Input,
    messages: Vec<[Pairs; 2]>,
    make: fn(&Input) -> D,
    depth: D,
    last: [f64; 2],
}

pub(super) fn roi_vector<'a>(
    input: &'a Input,
    decoded: &Decoded,
) -> HftBacktest<'a, ROIVectorMarketDepth> {
    HftBacktest::new(
        "hftbacktest ROIVectorMarketDepth",
        input,
        decoded,
        |input| {
            let tick = input.instrument.tick.to_f64();
            let mid = input.bids[0].price.0 as f64 * tick;
            ROIVectorMarketDepth::new(tick, input.instrument.lot.to_f64(), mid * 0.9, mid * 1.1)
        },
    )
}

pub(super) fn hash_map<'a>(
    input: &'a Input,
    decoded: &Decoded,
) -> HftBacktest<'a, HashMapMarketDepth> {
    HftBacktest::new("hftbacktest HashMapMarketDepth", input, decoded, |input| {
        let (tick, lot) = (input.instrument.tick, input.instrument.lot);
        HashMapMarketDepth::new(tick.to_f64(), lot.to_f64())
    })
}

pub(super) fn btree<'a>(input: &'a Input, decoded: &Decoded) -> HftBacktest<'a, BTreeMarketDepth> {
    HftBacktest::new("hftbacktest BTreeMarketDepth", input, decoded, |input| {
        let (tick, lot) = (input.instrument.tick, input.instrument.lot);
        BTreeMarketDepth::new(tick.to_f64(), lot.to_f64())
    })
}

/// The floats that the texts on the wire would parse to.
fn floats(instrument: &Instrument, levels: &[Level]) -> Pairs {
    let decimals = |steps: i64, mantissa: i64, decimals: u8| {
        // One division of two exact integers rounds as a parser does.
        (steps * mantissa) as f64 / f64::from(10u32.pow(u32::from(decimals)))
    };
    let (tick, lot) = (instrument.tick, instrument.lot);
    let pair = |one: &Level| {
        (
            decimals(one.price.0, tick.mantissa, tick.decimals),
            decimals(one.quantity.0, lot.mantissa, lot.decimals),
        )
    };
    levels.iter().map(pair).collect()
}

impl<'a, D: L2MarketDepth + MarketDepth> HftBacktest<'a, D> {
    fn new(name: &'static str, input: &'a Input, decoded: &Decoded, make: fn(&Input) -> D) -> Self {
        let side = |levels: &[Level]| floats(&input.instrument, levels);
        let message = |update: market::DepthUpdate<'_>| [side(update.bids), side(update.asks)];
        Self {
            name,
            input,
            messages: decoded.updates().map(message).collect(),
            make,
            depth: make(input),
            last: [0.0; 2],
        }
    }

    fn sums(&self) -> [f64; 2] {
        let sum = |first: i64, step: i64, quantity: &dyn Fn(i64) -> f64| {
            let ticks = (0..WALK_TICKS).map(|away| first + step * away);
            let there = ticks.map(quantity).filter(|lots| *lots > 0.0);
            there.take(TOP_LEVELS).sum::<f64>()
        };
        let depth = &self.depth;
        [
            sum(depth.best_bid_tick(), -1, &|tick| {
                depth.bid_qty_at_tick(tick)
            }),
            sum(depth.best_ask_tick(), 1, &|tick| {
                depth.ask_qty_at_tick(tick)
            }),
        ]
    }
}

impl<D: L2MarketDepth + MarketDepth> Contender for HftBacktest<'_, D> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn reset(&mut self) {
        self.depth = (self.make)(self.input);
        for (price, quantity) in floats(&self.input.instrument, &self.input.bids) {
            self.depth.update_bid_depth(price, quantity, 0);
        }
        for (price, quantity) in floats(&self.input.instrument, &self.input.asks) {
            self.depth.update_ask_depth(price, quantity, 0);
        }
    }

    fn message(&mut self, index: usize) {
        let [bids, asks] = &self.messages[index];
        let now = index as i64;
        for (price, quantity) in bids {
            self.depth.update_bid_depth(*price, *quantity, now);
        }
        for (price, quantity) in asks {
            self.depth.update_ask_depth(*price, *quantity, now);
        }
        self.last = black_box(self.sums());
    }

    fn top(&mut self) -> [i64; 2] {
        let lot = self.input.instrument.lot.to_f64();
        self.last.map(|sum| (sum / lot).round() as i64)
    }
}

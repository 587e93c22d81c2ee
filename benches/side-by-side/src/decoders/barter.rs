//! barter-data's own types: what its connector deserialises a frame into.
//!
//! In: a frame. Out: its update with prices and quantities as decimals. Never: anything of its
//! transport.

use super::fixed::Scale;
use super::{Decoder, Depth};
use barter_data::exchange::binance::futures::l2::BinanceFuturesOrderBookL2Update;
use std::hint::black_box;

/// barter-data's futures difference.
pub(crate) type BarterUpdate = BinanceFuturesOrderBookL2Update;

/// As its socket does it: `serde_json` into its own type.
pub(crate) fn barter_update(frame: &[u8]) -> Result<BarterUpdate, String> {
    serde_json::from_slice(frame).map_err(|error| error.to_string())
}

pub(super) struct Barter(Scale);

impl Barter {
    pub(super) fn new(scale: Scale) -> Self {
        Self(scale)
    }
}

impl Decoder for Barter {
    fn name(&self) -> &'static str {
        "barter-data"
    }

    fn decode(&mut self, frame: &[u8]) -> usize {
        let update = barter_update(frame).expect("checked before the first round");
        let update = black_box(update);
        update.bids.len() + update.asks.len()
    }

    fn depth(&mut self, frame: &[u8]) -> Result<Depth, String> {
        let update = barter_update(frame)?;
        let side = |levels: &[barter_data::exchange::binance::book::BinanceLevel]| {
            let pairs = levels
                .iter()
                .map(|one| self.0.of_decimals(one.price, one.amount));
            pairs.collect::<Vec<_>>()
        };
        let ids = [
            update.first_update_id,
            update.last_update_id,
            update.prev_last_update_id,
        ];
        Ok(self.0.depth(ids, &side(&update.bids), &side(&update.asks)))
    }
}

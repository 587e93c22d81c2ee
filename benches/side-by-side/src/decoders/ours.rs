//! The decoder of the product.
//!
//! In: a frame. Out: levels in a buffer that it reuses. Never: another call than the product's.

use super::{Decoder, Depth, OURS};
use crate::input::Input;
use binance::{StreamMessage, decode_stream_message};
use market::{DepthUpdate, Instrument, Instruments, Level};
use std::hint::black_box;

/// Our decoder with its buffer.
pub(crate) struct Ours {
    table: [Instrument; 1],
    levels: Vec<Level>,
}

impl Ours {
    /// A decoder for the input's instrument.
    pub(crate) fn new(input: &Input) -> Self {
        Self {
            table: [input.instrument],
            levels: vec![Level::default(); engine::event::LEVELS_MAX],
        }
    }

    /// One difference; anything else is an error of the bench.
    pub(crate) fn update(&mut self, frame: &[u8]) -> Result<DepthUpdate<'_>, String> {
        let market = self.table[0].market;
        match decode_stream_message(frame, &Instruments(&self.table), market, &mut self.levels) {
            Ok(StreamMessage::Depth(update)) => Ok(update),
            other => Err(format!("no difference: {other:?}")),
        }
    }
}

impl Decoder for Ours {
    fn name(&self) -> &'static str {
        OURS
    }

    fn decode(&mut self, frame: &[u8]) -> usize {
        let update = self.update(frame).expect("checked before the first round");
        let update = black_box(&update);
        update.bids.len() + update.asks.len()
    }

    fn depth(&mut self, frame: &[u8]) -> Result<Depth, String> {
        let update = self.update(frame)?;
        let pairs = |levels: &[Level]| {
            let pairs = levels.iter().map(|one| (one.price.0, one.quantity.0));
            pairs.collect()
        };
        let header = update.header;
        Ok(Depth {
            ids: [
                header.first_update_id.0,
                header.last_update_id.0,
                header.previous_update_id.0,
            ],
            bids: pairs(update.bids),
            asks: pairs(update.asks),
        })
    }
}

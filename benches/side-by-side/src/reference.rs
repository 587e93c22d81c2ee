//! A book of two ordered maps: what every contender's book is compared with.
//!
//! In: a snapshot, then differences. Out: levels, sums of the top five. Never: speed.

use binance::StreamMessage;
use market::{Instrument, Instruments, Level, Price, Quantity};
use std::collections::BTreeMap;

/// Levels of each side that every contender sums.
pub(crate) const TOP_LEVELS: usize = 5;

/// Ticks to lots on both sides.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reference {
    /// Version: `lastUpdateId` of the snapshot or `u` of the last difference.
    pub(crate) update_id: u64,
    bids: BTreeMap<i64, i64>,
    asks: BTreeMap<i64, i64>,
}

impl Reference {
    /// A book with these levels.
    pub(crate) fn new(update_id: u64, bids: &[Level], asks: &[Level]) -> Self {
        let map = |levels: &[Level]| {
            let pairs = levels.iter().map(|one| (one.price.0, one.quantity.0));
            pairs.collect()
        };
        Self {
            update_id,
            bids: map(bids),
            asks: map(asks),
        }
    }

    /// The book of a REST snapshot.
    pub(crate) fn of_snapshot(bytes: &[u8], instrument: &Instrument) -> Result<Self, String> {
        #[derive(serde::Deserialize)]
        struct Snapshot {
            #[serde(rename = "lastUpdateId")]
            update_id: u64,
            bids: Vec<(String, String)>,
            asks: Vec<(String, String)>,
        }
        let snapshot: Snapshot =
            serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        let side = |levels: &[(String, String)]| -> Result<Vec<Level>, String> {
            levels
                .iter()
                .map(|(price, quantity)| level(instrument, price, quantity))
                .collect()
        };
        Ok(Self::new(
            snapshot.update_id,
            &side(&snapshot.bids)?,
            &side(&snapshot.asks)?,
        ))
    }

    /// Applies a frame; one that is older than the book changes nothing.
    pub(crate) fn apply_frame(
        &mut self,
        frame: &[u8],
        instrument: &Instrument,
    ) -> Result<(), String> {
        let mut levels = vec![Level::default(); engine::event::LEVELS_MAX];
        let table = [*instrument];
        let found = binance::decode_stream_message(
            frame,
            &Instruments(&table),
            instrument.market,
            &mut levels,
        );
        let Ok(StreamMessage::Depth(update)) = found else {
            return Err(format!("no difference: {found:?}"));
        };
        if update.header.last_update_id.0 < self.update_id {
            return Ok(());
        }
        self.update_id = update.header.last_update_id.0;
        self.apply(update.bids, update.asks);
        Ok(())
    }

    /// Applies levels; lots of 0 remove.
    pub(crate) fn apply(&mut self, bids: &[Level], asks: &[Level]) {
        for (side, changes) in [(&mut self.bids, bids), (&mut self.asks, asks)] {
            for change in changes {
                if change.quantity.is_zero() {
                    side.remove(&change.price.0);
                } else {
                    side.insert(change.price.0, change.quantity.0);
                }
            }
        }
    }

    /// Lots on the best levels of both sides.
    pub(crate) fn top(&self) -> [i64; 2] {
        [
            self.bids.values().rev().take(TOP_LEVELS).sum(),
            self.asks.values().take(TOP_LEVELS).sum(),
        ]
    }

    /// Bids, best first.
    pub(crate) fn bids(&self) -> Vec<Level> {
        self.bids.iter().rev().map(pair).collect()
    }

    /// Asks, best first.
    pub(crate) fn asks(&self) -> Vec<Level> {
        self.asks.iter().map(pair).collect()
    }
}

fn pair((price, lots): (&i64, &i64)) -> Level {
    Level {
        price: Price(*price),
        quantity: Quantity(*lots),
    }
}

fn level(instrument: &Instrument, price: &str, quantity: &str) -> Result<Level, String> {
    Ok(Level {
        price: instrument
            .price_from_text(price.as_bytes())
            .map_err(|error| format!("{price}: {error:?}"))?,
        quantity: instrument
            .quantity_from_text(quantity.as_bytes())
            .map_err(|error| format!("{quantity}: {error:?}"))?,
    })
}

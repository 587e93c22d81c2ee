//! Book differences near the touch.
//!
//! In: a seed and a number of messages. Out: a start book and a chain of differences that never
//! crosses it: about 20 level changes and 560 bytes a message, 22 % removals, both sides in
//! ascending price. Never: a gap.

use crate::{Numbers, instrument, price_text, quantity_text};
use market::{Instrument, Level, Price, Quantity};
use std::collections::BTreeMap;
use std::fmt::Write as _;

const START_LEVELS: i64 = 1_000;
const START_BID_TICKS: i64 = 281_450;
const START_UPDATE_ID: u64 = 2_710_000_000_000;

/// A start book and the differences that follow.
#[derive(Clone, Debug)]
pub struct DepthStream {
    /// Whose book.
    pub instrument: Instrument,
    /// Version of the start book: the first difference's `pu`.
    pub start_update_id: u64,
    /// Bids of the start book, best first.
    pub bids: Vec<Level>,
    /// Asks of the start book, best first.
    pub asks: Vec<Level>,
    /// Bare `depthUpdate` objects.
    pub frames: Vec<Vec<u8>>,
}

/// The book while the stream is written.
struct World {
    numbers: Numbers,
    /// Best bid in ticks; the best ask is one above.
    bid: i64,
    bids: BTreeMap<i64, i64>,
    asks: BTreeMap<i64, i64>,
}

/// `count` differences from `seed`.
#[must_use]
pub fn depth_stream(seed: u64, count: usize) -> DepthStream {
    let mut world = World::new(seed);
    let level = |(price, lots): (&i64, &i64)| Level {
        price: Price(*price),
        quantity: Quantity(*lots),
    };
    let bids = world.bids.iter().rev().map(level).collect();
    let asks = world.asks.iter().map(level).collect();
    let mut update_id = START_UPDATE_ID;
    let mut frames = Vec::with_capacity(count);
    for index in 0..count {
        let previous = update_id;
        let first = previous + 1 + world.numbers.below(40) as u64;
        update_id = first + world.numbers.below(600) as u64;
        let changes = world.step();
        let time = 1_680_653_000_000 + 32 * index as u64;
        frames.push(frame(time, [first, update_id, previous], &changes));
    }
    DepthStream {
        instrument: instrument(),
        start_update_id: START_UPDATE_ID,
        bids,
        asks,
        frames,
    }
}

impl World {
    fn new(seed: u64) -> Self {
        let mut numbers = Numbers::new(seed);
        let mut side = |first: i64, step: i64| -> BTreeMap<i64, i64> {
            (0..START_LEVELS)
                .map(|index| (first + step * index, lots(&mut numbers)))
                .collect()
        };
        let bids = side(START_BID_TICKS, -1);
        let asks = side(START_BID_TICKS + 1, 1);
        Self {
            numbers,
            bid: START_BID_TICKS,
            bids,
            asks,
        }
    }

    /// Moves the touch by at most two ticks and changes levels around it.
    fn step(&mut self) -> [BTreeMap<i64, i64>; 2] {
        self.bid += self.numbers.below(5) - 2;
        let mut changes = [BTreeMap::new(), BTreeMap::new()];
        // What the touch has passed is gone, and the touch itself is there.
        let passed_bids = self
            .bids
            .range(self.bid + 1..)
            .map(|(price, _)| (*price, 0));
        changes[0].extend(passed_bids);
        let passed_asks = self.asks.range(..=self.bid).map(|(price, _)| (*price, 0));
        changes[1].extend(passed_asks);
        changes[0].insert(self.bid, lots(&mut self.numbers));
        changes[1].insert(self.bid + 1, lots(&mut self.numbers));
        let more = 12 + self.numbers.below(18);
        for _ in 0..more {
            let away = 1 + self.numbers.below(8) * self.numbers.below(14);
            let quantity = if self.numbers.chance(24) {
                0
            } else {
                lots(&mut self.numbers)
            };
            if self.numbers.chance(50) {
                changes[0].insert(self.bid - away, quantity);
            } else {
                changes[1].insert(self.bid + 1 + away, quantity);
            }
        }
        for (side, changed) in [&mut self.bids, &mut self.asks].into_iter().zip(&changes) {
            for (price, quantity) in changed {
                if *quantity == 0 {
                    side.remove(price);
                } else {
                    side.insert(*price, *quantity);
                }
            }
        }
        changes
    }
}

/// Small quantities are common, large ones rare.
fn lots(numbers: &mut Numbers) -> i64 {
    let most = [40, 900, 9_000, 60_000][numbers.below(4) as usize];
    1 + numbers.below(most)
}

fn frame(time: u64, ids: [u64; 3], changes: &[BTreeMap<i64, i64>; 2]) -> Vec<u8> {
    let [first, last, previous] = ids;
    let mut text = format!(
        r#"{{"e":"depthUpdate","E":{},"T":{time},"s":"BTCUSDT","U":{first},"u":{last},"pu":{previous},"#,
        time + 6
    );
    for (name, side) in ["b", "a"].into_iter().zip(changes) {
        let levels: Vec<String> = side
            .iter()
            .map(|(price, lots)| {
                format!(r#"["{}","{}"]"#, price_text(*price), quantity_text(*lots))
            })
            .collect();
        let end = if name == "b" { "," } else { "}" };
        write!(text, r#""{name}":[{}]{end}"#, levels.join(",")).expect("a String takes all");
    }
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_has_the_shape_that_it_claims() {
        let stream = depth_stream(7, 2_000);
        let bytes: usize = stream.frames.iter().map(Vec::len).sum();
        let quotes: usize = stream
            .frames
            .iter()
            .map(|frame| frame.windows(2).filter(|pair| pair == br#"[""#).count())
            .sum();
        let (bytes, levels) = (bytes / 2_000, quotes as f64 / 2_000.0);
        assert!((540..=580).contains(&bytes), "{bytes} B a message");
        assert!((19.0..=21.5).contains(&levels), "{levels} levels a message");
    }

    #[test]
    fn the_same_seed_is_the_same_stream_and_another_is_not() {
        assert_eq!(depth_stream(1, 50).frames, depth_stream(1, 50).frames);
        assert_ne!(depth_stream(1, 50).frames, depth_stream(2, 50).frames);
    }
}

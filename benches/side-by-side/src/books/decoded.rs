//! Differences in ticks and lots, one after the other in memory as in a ring's slots.
//!
//! In: frames. Out: borrowed differences. Never: a vector a message; following pointers alone
//! would cost more than a good book takes.

use crate::decoders::Ours;
use crate::input::Input;
use market::event::DepthHeader;
use market::{DepthUpdate, Level};

/// All differences of an input.
pub(crate) struct Decoded {
    headers: Vec<DepthHeader>,
    levels: Vec<Level>,
    /// Where the bids, then the asks of a message end.
    ends: Vec<[usize; 2]>,
}

impl Decoded {
    /// Decodes an input.
    pub(crate) fn new(input: &Input) -> Result<Self, String> {
        let mut decoder = Ours::new(input);
        let mut all = Self {
            headers: Vec::new(),
            levels: Vec::new(),
            ends: Vec::new(),
        };
        for frame in input.frames() {
            let update = decoder.update(frame)?;
            all.headers.push(update.header);
            all.levels.extend_from_slice(update.bids);
            let bids_end = all.levels.len();
            all.levels.extend_from_slice(update.asks);
            all.ends.push([bids_end, all.levels.len()]);
        }
        Ok(all)
    }

    /// One difference.
    pub(crate) fn update(&self, index: usize) -> DepthUpdate<'_> {
        let begin = index
            .checked_sub(1)
            .map_or(0, |before| self.ends[before][1]);
        let [middle, end] = self.ends[index];
        DepthUpdate {
            header: self.headers[index],
            bids: &self.levels[begin..middle],
            asks: &self.levels[middle..end],
        }
    }

    /// All differences in order.
    pub(crate) fn updates(&self) -> impl Iterator<Item = DepthUpdate<'_>> {
        (0..self.headers.len()).map(|index| self.update(index))
    }
}

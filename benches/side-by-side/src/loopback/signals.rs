//! Which ticks call for an order: the same for every path.
//!
//! In: frames. Out: for each, whether its book shows a signal. Never: a path's own opinion; the
//! run fails when the product answers other ticks than these.

use crate::input::Input;
use crate::reference::Reference;

/// Levels of each side in the signal.
pub(super) const SIGNAL_LEVELS: usize = crate::reference::TOP_LEVELS;

/// A frame as the bench knows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tick {
    /// `u` of its difference.
    pub(crate) update_id: u64,
    /// Buy above a ratio of 3, sell below 0.33, by the top five levels.
    pub(crate) has_signal: bool,
}

/// The first `count` frames.
pub(super) fn ticks(input: &Input, count: usize) -> Result<Vec<Tick>, String> {
    let mut book = Reference::new(input.start_update_id, &input.bids, &input.asks);
    let one = |index| {
        book.apply_frame(input.frame(index), &input.instrument)?;
        let [bids, asks] = book.top().map(i128::from);
        let has_signal = bids > 3 * asks || 100 * bids < 33 * asks;
        Ok(Tick {
            update_id: book.update_id,
            has_signal,
        })
    };
    (0..count).map(one).collect()
}

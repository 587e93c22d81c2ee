//! The body of `GET …/depth`.
//!
//! In: both sides of a book, best first. Out: the REST snapshot. Never: more levels than given.

use super::JsonText;
use super::event::levels;
use market::{Instrument, Level, Market, UpdateId, UtcMs};

/// Appends a snapshot of `instrument` as it was at `time`.
pub fn snapshot(
    out: &mut Vec<u8>,
    instrument: &Instrument,
    last_update_id: UpdateId,
    time: UtcMs,
    bids: &[Level],
    asks: &[Level],
) {
    let mut json = JsonText::new(out);
    json.open();
    json.id("lastUpdateId", last_update_id.0);
    if instrument.market == Market::UsdM {
        json.integer("E", time.0);
        json.integer("T", time.0);
    }
    levels(&mut json, "bids", instrument, bids);
    levels(&mut json, "asks", instrument, asks);
    json.close();
}

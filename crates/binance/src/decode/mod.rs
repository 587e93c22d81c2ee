//! Bytes of market streams and snapshots to `market` events.
//!
//! In: frames as they come off the wire, in any key order. Out: events in ticks and lots, or the
//! kind of the error. Never: an allocation, a panic, a guess.
//!
//! A frame whose every byte stands where the exchange writes it goes the fast way; nothing depends
//! on that. Every other one is read strictly: in any key order, unknown fields skipped whatever
//! they hold, a known field once at most. Only the strict way refuses.

mod book_ticker;
mod depth;
mod error;
#[allow(unsafe_code, reason = "calls code that is compiled for AVX2")]
mod fast;
mod field;
mod mark_price;
mod snapshot;
mod stream;
mod trade;
#[cfg(target_arch = "x86_64")]
mod wide;

pub use book_ticker::decode_book_ticker;
pub use depth::decode_depth;
pub use error::DecodeError;
pub use mark_price::decode_mark_price;
pub use snapshot::{LevelRuns, SNAPSHOT_LEVELS_MAX, Snapshot, SnapshotHeader, decode_snapshot};
pub use stream::{ControlReply, OtherEvent, StreamMessage, decode_stream_message, instrument_hint};
#[doc(hidden)]
pub use stream::{decode_exact_form, decode_stream_message_strictly};
pub use trade::{decode_agg_trade, decode_trade};

pub(crate) use field::{
    NUMBER_BYTES_MAX, average_price, instrument_of, money, positive_price, positive_quantity,
    price, quantity, rate, required, set, signed_decimal, signed_quantity, text_of, time,
};
pub(crate) use mark_price::nearest_tick;

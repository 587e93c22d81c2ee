//! Messages that own their levels, so that two decoders can be compared.
//!
//! In: what the fast decoder says. Out: the same, owned. Never: a difference hidden.

use binance::decode::{ControlReply, OtherEvent, StreamMessage, decode_snapshot};
use market::event::DepthHeader;
use market::{
    AggTrade, BookTicker, Instrument, Instruments, Level, MarkPrice, Market, Side, Trade, UpdateId,
    UtcMs,
};

/// A message with its levels.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Owned {
    Depth(DepthHeader, Vec<Level>, Vec<Level>),
    BookTicker(BookTicker),
    Trade(Trade),
    AggTrade(AggTrade),
    MarkPrice(MarkPrice),
    Control(ControlReply),
    Shutdown,
    Unused,
}

/// A snapshot with its levels.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct OwnedSnapshot {
    pub(crate) last_update_id: UpdateId,
    pub(crate) event_time: UtcMs,
    pub(crate) transaction_time: UtcMs,
    pub(crate) bids: Vec<Level>,
    pub(crate) asks: Vec<Level>,
}

/// Most levels that one message may have here.
pub(crate) const LEVELS_MAX: usize = 4096;

/// The fast decoder's answer.
pub(crate) fn fast(
    bytes: &[u8],
    instruments: &Instruments<'_>,
    market: Market,
    levels: &mut [Level],
) -> Result<Owned, String> {
    let message = binance::decode_stream_message(bytes, instruments, market, levels)
        .map_err(|error| format!("{error:?}"))?;
    Ok(match message {
        StreamMessage::Depth(depth) => {
            Owned::Depth(depth.header, depth.bids.to_vec(), depth.asks.to_vec())
        }
        StreamMessage::BookTicker(ticker) => Owned::BookTicker(ticker),
        StreamMessage::Trade(trade) => Owned::Trade(trade),
        StreamMessage::AggTrade(trade) => Owned::AggTrade(trade),
        StreamMessage::MarkPrice(mark) => Owned::MarkPrice(mark),
        StreamMessage::Control(reply) => Owned::Control(reply),
        StreamMessage::Other(OtherEvent::ServerShutdown) => Owned::Shutdown,
        StreamMessage::Other(OtherEvent::Unused) => Owned::Unused,
    })
}

/// The fast snapshot decoder's answer, read in runs of `run` levels.
pub(crate) fn fast_snapshot(
    bytes: &[u8],
    instrument: &Instrument,
    run: usize,
) -> Result<OwnedSnapshot, String> {
    let snapshot = decode_snapshot(bytes, instrument).map_err(|error| format!("{error:?}"))?;
    let side = |side| {
        let mut runs = snapshot.runs(side);
        let mut buffer = vec![Level::default(); run];
        let mut all = Vec::new();
        loop {
            let levels = runs.next_run(&mut buffer);
            if levels.is_empty() {
                return all;
            }
            all.extend_from_slice(levels);
        }
    };
    Ok(OwnedSnapshot {
        last_update_id: snapshot.header().last_update_id,
        event_time: snapshot.header().event_time,
        transaction_time: snapshot.header().transaction_time,
        bids: side(Side::Buy),
        asks: side(Side::Sell),
    })
}

//! The fast way before the strict one, where the processor has it.
//!
//! In: a frame of a market stream. Out: its event when it has exactly the exchange's form, else
//! nothing. Never: a verdict; what comes back empty is read again by the strict decoder, which
//! alone refuses.

use super::StreamMessage;
use market::event::DepthHeader;
use market::{AggTrade, BookTicker, DepthUpdate, Instruments, Level, Market, Trade};

/// An event; the levels of a book difference lie at the front of the caller's buffer.
pub(super) enum Event {
    /// Bids first, asks behind them.
    Depth {
        header: DepthHeader,
        bids: usize,
        asks: usize,
    },
    BookTicker(BookTicker),
    Trade(Trade),
    AggTrade(AggTrade),
}

impl Event {
    /// The event with its levels.
    #[inline]
    pub(super) fn with(self, levels: &[Level]) -> StreamMessage<'_> {
        match self {
            Self::Depth { header, bids, asks } => {
                let (bids, rest) = levels.split_at(bids);
                StreamMessage::Depth(DepthUpdate {
                    header,
                    bids,
                    asks: &rest[..asks],
                })
            }
            Self::BookTicker(ticker) => StreamMessage::BookTicker(ticker),
            Self::Trade(trade) => StreamMessage::Trade(trade),
            Self::AggTrade(trade) => StreamMessage::AggTrade(trade),
        }
    }
}

/// Reads one frame if it has the exchange's form and this processor has the instructions. Its
/// event may be `wrapped` in the name of its stream. `levels` may hold rubbish where there is no event.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(super) fn frame(
    bytes: &[u8],
    wrapped: bool,
    instruments: &Instruments<'_>,
    market: Market,
    levels: &mut [Level],
) -> Option<Event> {
    // The answers are cached by the standard library: a load and a test each.
    if !(std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("bmi1")) {
        return None;
    }
    // SAFETY: the processor has both features that the function is compiled for.
    unsafe { super::wide::frame(bytes, wrapped, instruments, market, levels) }
}

/// No fast way on other processors.
#[cfg(not(target_arch = "x86_64"))]
#[inline]
pub(super) fn frame(
    _: &[u8],
    _: bool,
    _: &Instruments<'_>,
    _: Market,
    _: &mut [Level],
) -> Option<Event> {
    None
}

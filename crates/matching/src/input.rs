//! Everything that can change a venue, as values: what came, when, in which order.
//!
//! In: the calls of a running venue. Out: the same calls, to be applied to another one; it then has
//! the same fills, fees and positions. Never: an output; those follow.

use market::{
    BookTicker, ExchangeOrderId, InstrumentId, Level, Price, Quantity, Trade, UpdateId, UtcMs,
    event::DepthHeader,
};

use crate::order::PlaceOrder;
use crate::venue::{Output, Venue};

/// One call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// [`Venue::on_snapshot`].
    Snapshot {
        /// Which instrument.
        instrument: InstrumentId,
        /// Version.
        last_update_id: UpdateId,
        /// Best first.
        bids: Vec<Level>,
        /// Best first.
        asks: Vec<Level>,
    },
    /// [`Venue::on_depth`].
    Depth {
        /// When.
        now: UtcMs,
        /// Ids and times.
        header: DepthHeader,
        /// Changed bids.
        bids: Vec<Level>,
        /// Changed asks.
        asks: Vec<Level>,
    },
    /// [`Venue::on_ticker`].
    Ticker(UtcMs, BookTicker),
    /// [`Venue::on_trade`].
    Trade(UtcMs, Trade),
    /// [`Venue::on_mark`].
    Mark(InstrumentId, Price),
    /// [`Venue::place`], also one that was refused.
    Place(UtcMs, PlaceOrder),
    /// [`Venue::cancel`].
    Cancel(UtcMs, ExchangeOrderId),
    /// [`Venue::modify`].
    Modify(UtcMs, ExchangeOrderId, Price, Quantity),
    /// [`Venue::set_leverage`].
    Leverage(InstrumentId, u32),
}

/// The calls of a venue since they were last taken; nothing unless it is asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recorder(Option<Vec<Input>>);

impl Recorder {
    /// Notes a call; without a recording it is not even made.
    pub(crate) fn note(&mut self, input: impl FnOnce() -> Input) {
        if let Some(inputs) = &mut self.0 {
            inputs.push(input());
        }
    }
}

impl Venue {
    /// Notes every call from now on; whoever asks for it takes them regularly.
    pub fn record_inputs(&mut self) {
        self.recorder.0.get_or_insert_default();
    }

    /// The calls since the last time, oldest first.
    pub fn take_inputs(&mut self) -> Vec<Input> {
        self.recorder
            .0
            .as_mut()
            .map(std::mem::take)
            .unwrap_or_default()
    }

    /// Makes a call again. A refusal is no news: it was one before.
    pub fn apply(&mut self, input: &Input, out: &mut Vec<Output>) {
        match input {
            Input::Snapshot {
                instrument,
                last_update_id,
                bids,
                asks,
            } => self.on_snapshot(*instrument, *last_update_id, bids, asks),
            Input::Depth {
                now,
                header,
                bids,
                asks,
            } => {
                let update = market::DepthUpdate {
                    header: *header,
                    bids,
                    asks,
                };
                self.on_depth(*now, &update, out);
            }
            Input::Ticker(now, ticker) => self.on_ticker(*now, ticker, out),
            Input::Trade(now, trade) => self.on_trade(*now, trade, out),
            Input::Mark(instrument, mark) => self.on_mark(*instrument, *mark),
            Input::Place(now, request) => {
                let _ = self.place(*now, request, out);
            }
            Input::Cancel(now, id) => {
                let _ = self.cancel(*now, *id, out);
            }
            Input::Modify(now, id, price, quantity) => {
                let _ = self.modify(*now, *id, *price, *quantity, out);
            }
            Input::Leverage(instrument, leverage) => self.set_leverage(*instrument, *leverage),
        }
    }
}

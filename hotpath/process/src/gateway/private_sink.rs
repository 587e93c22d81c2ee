//! Where private events go, whichever connection they come over.
//!
//! In: order updates, positions, balances of a session. Out: inputs in the reply ring. Never: an
//! event that is lost; the ring waits for room.

use super::inbox::Inbox;
use super::stream_cells::StreamCells;
use binance::DecodeError;
use binance::session::UserEvents;
use engine::Input;
use engine::event::{StreamChange, StreamKind};
use market::{BalanceReport, Market, OrderUpdate, PositionReport};

/// Puts private events into the ring; `more` is what a connection with more to say needs.
pub struct PrivateSink<'a, M = ()> {
    /// The reply ring.
    pub inbox: &'a mut Inbox,
    /// Cells of the connection.
    pub stream: &'a StreamCells,
    /// Of the connection alone.
    pub more: M,
}

impl<'a> PrivateSink<'a> {
    /// For private events alone.
    pub fn new(inbox: &'a mut Inbox, stream: &'a StreamCells) -> Self {
        Self::with(inbox, stream, ())
    }
}

impl<'a, M> PrivateSink<'a, M> {
    /// For a connection with more to say.
    pub fn with(inbox: &'a mut Inbox, stream: &'a StreamCells, more: M) -> Self {
        Self {
            inbox,
            stream,
            more,
        }
    }
}

impl<M> UserEvents for PrivateSink<'_, M> {
    fn order_update(&mut self, update: OrderUpdate) {
        self.inbox.deliver(Input::OrderUpdate(update));
    }

    fn position(&mut self, position: PositionReport) {
        self.inbox.deliver(Input::Position(position));
    }

    fn balance(&mut self, balance: BalanceReport) {
        self.inbox.deliver(Input::Balance(balance));
    }

    fn stream(&mut self, market: Market, up: bool) {
        let stream = StreamKind::User;
        self.inbox
            .deliver(Input::Stream(StreamChange { stream, market, up }));
    }

    fn parse_error(&mut self, error: DecodeError) {
        self.stream.parse_error(error);
    }
}

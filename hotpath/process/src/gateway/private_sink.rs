//! Where private events go, whichever connection they come over.
//!
//! In: replies, order updates, positions, balances of a session. Out: inputs for the engine.
//! Never: an event that is lost.

use super::inbox::Inbox;
use super::latency_cells::LatencyCells;
use super::stream_cells::StreamCells;
use binance::DecodeError;
use binance::session::{NOT_SENT, OrderEvents, UserEvents};
use engine::Input;
use engine::event::{StreamChange, StreamKind};
use market::{AccountConfigChange, BalanceReport, Market, OrderReply, OrderUpdate, PositionReport};

/// Takes inputs that must not be lost.
pub trait Deliver {
    /// Takes one.
    fn deliver(&mut self, input: Input<'static>);
}

impl Deliver for Inbox {
    fn deliver(&mut self, input: Input<'static>) {
        Inbox::deliver(self, input);
    }
}

/// Hands private events on; `more` is what a connection with more to say needs.
pub struct PrivateSink<'a, D, M = ()> {
    /// Where they go.
    pub inbox: &'a mut D,
    /// Cells of the connection.
    pub stream: &'a StreamCells,
    /// Of the connection alone.
    pub more: M,
}

impl<'a, D> PrivateSink<'a, D> {
    /// For private events alone.
    pub fn new(inbox: &'a mut D, stream: &'a StreamCells) -> Self {
        Self::with(inbox, stream, ())
    }
}

impl<'a, D, M> PrivateSink<'a, D, M> {
    /// For a connection with more to say.
    pub fn with(inbox: &'a mut D, stream: &'a StreamCells, more: M) -> Self {
        Self {
            inbox,
            stream,
            more,
        }
    }
}

impl<D: Deliver, M> UserEvents for PrivateSink<'_, D, M> {
    fn order_update(&mut self, update: OrderUpdate) {
        self.inbox.deliver(Input::OrderUpdate(update));
    }

    fn position(&mut self, position: PositionReport) {
        self.inbox.deliver(Input::Position(position));
    }

    fn balance(&mut self, balance: BalanceReport) {
        self.inbox.deliver(Input::Balance(balance));
    }

    fn account_config(&mut self, change: AccountConfigChange) {
        self.inbox.deliver(Input::AccountConfig(change));
    }

    fn wallet_moved(&mut self, market: Market) {
        self.inbox.deliver(Input::WalletMoved(market));
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

/// Spot's private events come over the order connection.
impl<D: Deliver> OrderEvents for PrivateSink<'_, D, &LatencyCells> {
    fn reply(&mut self, reply: OrderReply, took_ns: Option<u64>) {
        match took_ns {
            Some(took_ns) => self.more.acknowledge[reply.request as usize].record(took_ns),
            None if reply.error_code == NOT_SENT => self.more.not_sent.add(1),
            None => {}
        }
        self.inbox.deliver(Input::OrderReply(reply));
    }

    fn stream(&mut self, market: Market, up: bool) {
        let stream = StreamKind::Orders;
        self.inbox
            .deliver(Input::Stream(StreamChange { stream, market, up }));
    }

    fn unreadable(&mut self) {
        self.more.unreadable.add(1);
    }
}

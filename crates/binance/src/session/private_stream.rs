//! The private stream of futures behind its key: connection and events.
//!
//! In: frames, the end of the connection, the time. Out: connect, ping or close, and account events
//! in the caller's sink. Never: an allocation per frame; an event that could not be read and is
//! passed over (the connection is renewed, and that reconciles).

use super::link::PING_AFTER_NS;
use super::{CloseReason, Link, LinkAction, LinkSettings, SECOND_NS};
use crate::decode::DecodeError;
use crate::user_data::{AccountReason, UserMessage, decode_user_message};
use market::{
    AccountConfigChange, BalanceReport, Instruments, Market, MonoNs, OrderUpdate, PositionReport,
};

/// Takes what the private stream brings.
pub trait UserEvents {
    /// Something happened to an order.
    fn order_update(&mut self, update: OrderUpdate);
    /// A position changed.
    fn position(&mut self, position: PositionReport);
    /// A balance changed.
    fn balance(&mut self, balance: BalanceReport);
    /// Somebody changed how the account is set up.
    fn account_config(&mut self, change: AccountConfigChange);
    /// Money came or went otherwise than by a trade.
    fn wallet_moved(&mut self, market: Market);
    /// The stream went up or down.
    fn stream(&mut self, market: Market, up: bool);
    /// A frame could not be read.
    fn parse_error(&mut self, error: DecodeError);
}

/// One private stream; whoever connects it has a key.
#[derive(Clone, Debug)]
pub struct PrivateStream {
    link: Link,
}

/// So long one that is too old waits for the one that replaces it.
const OVERTIME_NS: u64 = 20 * 60 * SECOND_NS;

impl PrivateStream {
    /// A stream that wants to be connected at its first poll.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            link: Link::new(LinkSettings {
                ping_after_ns: PING_AFTER_NS,
                seed,
                ..LinkSettings::default()
            }),
        }
    }

    /// The same, of a [`PrivateFeed`](super::PrivateFeed): it is replaced before it is closed for its
    /// age.
    #[must_use]
    pub fn relieved(seed: u64) -> Self {
        Self {
            link: Link::new(LinkSettings {
                ping_after_ns: PING_AFTER_NS,
                overtime_ns: OVERTIME_NS,
                seed,
                ..LinkSettings::default()
            }),
        }
    }

    /// True once another connection is to take its place.
    #[must_use]
    pub fn is_due_for_replacement(&self, now: MonoNs) -> bool {
        self.link.is_aged(now)
    }

    /// What is due now. A connection wants a fresh key.
    pub fn poll(&mut self, now: MonoNs, events: &mut impl UserEvents) -> Option<LinkAction> {
        let was_up = self.link.is_up();
        let action = self.link.poll(now);
        if matches!(action, Some(LinkAction::Close(_))) {
            tell_lost(was_up, events);
        }
        action
    }

    /// When `poll` may have something to say.
    #[must_use]
    pub fn next_deadline(&self) -> MonoNs {
        self.link.next_deadline()
    }

    /// The connection is open.
    pub fn on_connected(&mut self, now: MonoNs, events: &mut impl UserEvents) {
        self.link.on_connected(now);
        events.stream(Market::UsdM, true);
    }

    /// The connection ended or could not be opened.
    pub fn on_disconnected(&mut self, now: MonoNs, events: &mut impl UserEvents) {
        let was_up = self.link.on_disconnected(now);
        tell_lost(was_up, events);
    }

    /// A ping or any other sign of life without content.
    pub fn on_alive(&mut self, now: MonoNs) {
        self.link.on_data(now);
    }

    /// One text frame.
    pub fn on_frame(
        &mut self,
        bytes: &[u8],
        now: MonoNs,
        instruments: &Instruments<'_>,
        events: &mut impl UserEvents,
    ) -> Option<LinkAction> {
        self.link.on_data(now);
        take_private_frame(bytes, Market::UsdM, instruments, events)
            .map(|reason| self.close(reason, now, events))
    }

    /// Ends the connection from this side.
    pub fn close(
        &mut self,
        reason: CloseReason,
        now: MonoNs,
        events: &mut impl UserEvents,
    ) -> LinkAction {
        let was_up = self.link.is_up();
        let action = self.link.close(reason, now);
        tell_lost(was_up, events);
        action
    }
}

fn tell_lost(was_up: bool, events: &mut impl UserEvents) {
    if was_up {
        events.stream(Market::UsdM, false);
    }
}

/// Delivers one private frame; a reason when the stream has to be renewed after it.
pub(super) fn take_private_frame(
    bytes: &[u8],
    market: Market,
    instruments: &Instruments<'_>,
    events: &mut impl UserEvents,
) -> Option<CloseReason> {
    match decode_user_message(bytes, instruments, market) {
        Ok(UserMessage::Order(update)) => events.order_update(update),
        Ok(UserMessage::Account(update)) => {
            for position in &update.positions {
                events.position(*position);
            }
            for balance in &update.balances {
                events.balance(*balance);
            }
            let moved = update.reason != AccountReason::Order && market == Market::UsdM;
            // What found no room is not told: the exchange is asked for the whole.
            if moved || update.left_out > 0 {
                events.wallet_moved(market);
            }
        }
        Ok(UserMessage::Transfer) => events.wallet_moved(market),
        Ok(UserMessage::ListenKeyExpired) => return Some(CloseReason::KeyExpired),
        Ok(UserMessage::Terminated) => return Some(CloseReason::ServerShutdown),
        Ok(UserMessage::Leverage {
            instrument: Some(instrument),
            ..
        }) => events.account_config(AccountConfigChange {
            market,
            instrument: Some(instrument),
        }),
        Ok(UserMessage::MultiAssetMode(_)) => events.account_config(AccountConfigChange {
            market,
            instrument: None,
        }),
        // None of these changes an order, a position or a balance.
        Ok(_) => {}
        Err(error @ (DecodeError::UnknownSymbol | DecodeError::OtherMarket)) => {
            events.parse_error(error);
        }
        Err(error) => {
            events.parse_error(error);
            return Some(CloseReason::Unreadable);
        }
    }
    None
}

//! One frame of a private stream.
//!
//! In: a bare event, `{"stream":…,"data":…}` or `{"subscriptionId":…,"event":…}`. Out: one
//! message. Never: an event type that nobody handles hidden; it is `Other`.

use super::account::{self, AccountUpdate};
use super::order;
use crate::decode::{DecodeError, instrument_of, required, set};
use crate::json::Cursor;
use market::{InstrumentId, Instruments, Market, OrderUpdate};

/// What a frame of a private stream can hold.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(
    clippy::large_enum_variant,
    reason = "a box would allocate; one message lives at a time"
)]
pub enum UserMessage {
    /// Something happened to an order (`ORDER_TRADE_UPDATE`, `executionReport`).
    Order(OrderUpdate),
    /// Balances or positions changed (`ACCOUNT_UPDATE`, `outboundAccountPosition`).
    Account(AccountUpdate),
    /// A fill ahead of its full event (`TRADE_LITE`): not used, the full one follows.
    TradeLite,
    /// The listenKey is dead and this stream silent: make a new one, reconcile.
    ListenKeyExpired,
    /// A conditional order changed (`ALGO_UPDATE`).
    Algo,
    /// Leverage of a symbol was changed, here or elsewhere.
    Leverage {
        /// Which, if it is in the table.
        instrument: Option<InstrumentId>,
        /// The new leverage.
        leverage: u32,
    },
    /// Multi-asset mode was changed.
    MultiAssetMode(bool),
    /// Margin is short; advice only.
    MarginCall,
    /// A transfer (spot `balanceUpdate`); the new balance comes in an account event.
    Transfer,
    /// The subscription or the server ends: reconnect, reconcile.
    Terminated,
    /// The answer to a control frame of the stream.
    Control,
    /// A valid event that means nothing to us.
    Other,
}

/// Decodes one text frame of a private stream of `market`.
///
/// # Errors
/// [`DecodeError`]. An order event that cannot be read may be a fill: the caller reconciles,
/// unless it is [`DecodeError::UnknownSymbol`].
pub fn decode_user_message(
    bytes: &[u8],
    instruments: &Instruments<'_>,
    market: Market,
) -> Result<UserMessage, DecodeError> {
    let mut cursor = Cursor::new(bytes);
    let outer = Outer::read(&mut cursor)?;
    cursor.end()?;
    let (mut event, kind) = match outer {
        Outer {
            inner: Some(inner), ..
        } => (inner, Outer::read(&mut inner.clone())?.kind),
        Outer {
            kind: Some(kind), ..
        } => (Cursor::new(bytes), Some(kind)),
        Outer { control: true, .. } => return Ok(UserMessage::Control),
        _ => return Err(DecodeError::Missing("e")),
    };
    read_event(&mut event, required(kind, "e")?, instruments, market)
}

#[derive(Clone, Copy)]
enum Kind {
    OrderTradeUpdate,
    AccountUpdate,
    ExecutionReport,
    OutboundAccountPosition,
    AccountConfigUpdate,
    /// Events whose name says all.
    Notice(Notice),
}

#[derive(Clone, Copy)]
enum Notice {
    TradeLite,
    ListenKeyExpired,
    Algo,
    MarginCall,
    Transfer,
    Terminated,
    Other,
}

/// What the outermost object shows.
#[derive(Default)]
struct Outer<'a> {
    kind: Option<Kind>,
    inner: Option<Cursor<'a>>,
    control: bool,
}

impl<'a> Outer<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, DecodeError> {
        let mut outer = Outer::default();
        cursor.object(|cursor, key| match key {
            b"e" => set(&mut outer.kind, "e", kind(cursor)?),
            b"data" | b"event" if cursor.peek() == Some(b'{') => {
                set(&mut outer.inner, "data", *cursor)?;
                cursor.skip().map(|_| ())
            }
            b"result" | b"error" => {
                outer.control = true;
                cursor.skip().map(|_| ())
            }
            _ => cursor.skip().map(|_| ()),
        })?;
        Ok(outer)
    }
}

fn kind(cursor: &mut Cursor<'_>) -> Result<Kind, DecodeError> {
    let mut buffer = [0; 40];
    let word = cursor.string("e")?.text(&mut buffer).unwrap_or_default();
    Ok(match word {
        b"ORDER_TRADE_UPDATE" => Kind::OrderTradeUpdate,
        b"ACCOUNT_UPDATE" => Kind::AccountUpdate,
        b"executionReport" => Kind::ExecutionReport,
        b"outboundAccountPosition" => Kind::OutboundAccountPosition,
        b"ACCOUNT_CONFIG_UPDATE" => Kind::AccountConfigUpdate,
        b"TRADE_LITE" => Kind::Notice(Notice::TradeLite),
        b"listenKeyExpired" => Kind::Notice(Notice::ListenKeyExpired),
        b"ALGO_UPDATE" => Kind::Notice(Notice::Algo),
        b"MARGIN_CALL" => Kind::Notice(Notice::MarginCall),
        b"balanceUpdate" => Kind::Notice(Notice::Transfer),
        b"eventStreamTerminated" | b"serverShutdown" => Kind::Notice(Notice::Terminated),
        _ => Kind::Notice(Notice::Other),
    })
}

fn read_event(
    event: &mut Cursor<'_>,
    kind: Kind,
    instruments: &Instruments<'_>,
    market: Market,
) -> Result<UserMessage, DecodeError> {
    Ok(match kind {
        Kind::OrderTradeUpdate => {
            UserMessage::Order(order::order_trade_update(event, instruments, market)?)
        }
        Kind::ExecutionReport => {
            UserMessage::Order(order::execution_report(event, instruments, market)?)
        }
        Kind::AccountUpdate => {
            UserMessage::Account(account::account_update(event, instruments, market)?)
        }
        Kind::OutboundAccountPosition => {
            UserMessage::Account(account::outbound_account_position(event)?)
        }
        Kind::AccountConfigUpdate => config_update(event, instruments, market)?,
        Kind::Notice(notice) => match notice {
            Notice::TradeLite => UserMessage::TradeLite,
            Notice::ListenKeyExpired => UserMessage::ListenKeyExpired,
            Notice::Algo => UserMessage::Algo,
            Notice::MarginCall => UserMessage::MarginCall,
            Notice::Transfer => UserMessage::Transfer,
            Notice::Terminated => UserMessage::Terminated,
            Notice::Other => UserMessage::Other,
        },
    })
}

fn config_update(
    event: &mut Cursor<'_>,
    instruments: &Instruments<'_>,
    market: Market,
) -> Result<UserMessage, DecodeError> {
    let (mut instrument, mut leverage, mut multi_asset) = (None, None, None);
    event.object(|cursor, key| match key {
        b"ac" if cursor.peek() == Some(b'{') => cursor.object(|cursor, key| match key {
            b"s" => {
                let found = instrument_of(cursor.string("s")?, instruments, market);
                set(&mut instrument, "s", found.ok().map(|one| one.id))
            }
            b"l" => {
                let value = u32::try_from(cursor.unsigned("l")?);
                set(
                    &mut leverage,
                    "l",
                    value.map_err(|_| DecodeError::Number("l"))?,
                )
            }
            _ => cursor.skip().map(|_| ()),
        }),
        b"ai" if cursor.peek() == Some(b'{') => cursor.object(|cursor, key| match key {
            b"j" => set(&mut multi_asset, "j", cursor.boolean("j")?),
            _ => cursor.skip().map(|_| ()),
        }),
        _ => cursor.skip().map(|_| ()),
    })?;
    match (leverage, multi_asset) {
        (Some(leverage), _) => Ok(UserMessage::Leverage {
            instrument: required(instrument, "s")?,
            leverage,
        }),
        (None, Some(on)) => Ok(UserMessage::MultiAssetMode(on)),
        (None, None) => Err(DecodeError::Missing("ac")),
    }
}

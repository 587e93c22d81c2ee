//! Replies: what was asked for, or why not.
//!
//! In: values of the hot path. Out: a line. Never: a money figure as a JSON number; decimals are
//! texts, as everywhere.

use serde::{Deserialize, Serialize};

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ErrorCode {
    /// Not a request.
    BadRequest,
    /// No such verb.
    UnknownVerb,
    /// Neither an order, nor a symbol of the configuration.
    UnknownTarget,
    /// KILLED: only the local operator's reset leads out.
    KillLatched,
    /// There is no latch to clear.
    NotKilled,
    /// Orders are open, or not known to be gone.
    OrdersOpen,
    /// The configuration names no operator's key.
    NoOperatorKey,
    /// The nonce is another one, or too old.
    BadNonce,
    /// Not the operator's signature.
    BadSignature,
    /// The latch came anew meanwhile, or could not be taken from the disk.
    ResetFailed,
    /// The exchange did not answer, or refused.
    ExchangeUnavailable,
    /// The exchange was sent the request and may have done it.
    OutcomeUnknown,
    /// It needs whole lists of the exchange, and those of this minute are spent.
    TooOften,
    /// Only paper trading is drilled.
    PaperOnly,
    /// A drill begins with a box that trades.
    NotActive,
}

/// A refused request; nothing has changed, but perhaps by [`ErrorCode::OutcomeUnknown`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Refusal {
    /// For programs.
    pub code: ErrorCode,
    /// For people.
    pub message: String,
}

impl Refusal {
    /// Both.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }
}

/// How far the sweep of a kill is in one market.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct SweepLine {
    /// `usdm` or `spot`.
    pub market: String,
    /// Lists that were asked for after the last act showed nothing.
    pub verified: bool,
    /// Rounds of requests so far.
    pub rounds: u32,
    /// Milliseconds from the latch to the verification.
    pub verified_after_ms: Option<u64>,
}

/// The latch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct KillLine {
    /// KILLED.
    pub latched: bool,
    /// The latch is on the disk; `null` while that is not known.
    pub durable: Option<bool>,
    /// Positions are kept.
    pub keep_positions: bool,
    /// When it was latched, milliseconds UTC.
    pub since_utc_ms: i64,
    /// Everything is gone that was to go.
    pub verified: bool,
    /// By market.
    pub sweeps: Vec<SweepLine>,
    /// It is a drill, and no other kill has come since.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub drill: bool,
}

/// The answer to `status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct StatusReply {
    /// Account.
    pub account: String,
    /// `paper`, `testnet`, `live`.
    pub mode: String,
    /// Number of the start.
    pub generation: u64,
    /// ACTIVE, REDUCING, HALTED, KILLED.
    pub state: String,
    /// Why.
    pub reason: String,
    /// What a person has to do about it; empty for nothing.
    #[serde(default)]
    pub advice: String,
    /// Agrees with the exchange since the start.
    pub reconciled: bool,
    /// Market streams are live.
    pub market_stream_up: bool,
    /// The private stream is live.
    pub user_stream_up: bool,
    /// Control beats.
    pub control_alive: bool,
    /// Own open orders.
    pub orders_open: u32,
    /// Own orders of unknown fate.
    pub orders_unknown: u32,
    /// Own orders of earlier starts that are being cancelled.
    pub orders_inherited: u32,
    /// Milliseconds from the start of the process until it was safe: it agreed with the exchange,
    /// and no order of an earlier start was left that is not wanted. `null` until then.
    pub safe_after_ms: Option<u64>,
    /// The same until it was ready: in the state that it is told to be in, no longer HALTED because
    /// of the start.
    pub ready_after_ms: Option<u64>,
    /// Equity in USDT.
    pub equity_usdt: String,
    /// Unrealised profit in USDT.
    pub unrealized_usdt: String,
    /// Realised profit before fees in USDT, since the start.
    pub realized_usdt: String,
    /// Fees paid in USDT, since the start.
    pub fees_usdt: String,
    /// Funding received in USDT, since the start; negative where it was paid.
    pub funding_usdt: String,
    /// Time of these figures, milliseconds UTC.
    pub utc_ms: i64,
    /// The latch.
    pub kill: KillLine,
}

/// One open order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct OrderLine {
    /// `usdm` or `spot`.
    pub market: String,
    /// Symbol.
    pub symbol: String,
    /// `OWN` or `EXTERNAL`.
    pub origin: String,
    /// The client's id.
    pub client_order_id: String,
    /// The exchange's id.
    pub order_id: u64,
    /// `BUY` or `SELL`.
    pub side: String,
    /// Such as `LIMIT`.
    pub order_type: String,
    /// Limit price.
    pub price: String,
    /// Ordered.
    pub quantity: String,
    /// Filled.
    pub filled: String,
    /// May only reduce.
    pub reduce_only: bool,
}

/// One open conditional order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct AlgoOrderLine {
    /// Symbol.
    pub symbol: String,
    /// `OWN` or `EXTERNAL`.
    pub origin: String,
    /// The client's id.
    pub client_algo_id: String,
    /// The exchange's id.
    pub algo_id: u64,
    /// `BUY` or `SELL`.
    pub side: String,
    /// Such as `STOP_MARKET`.
    pub order_type: String,
    /// Price that triggers it.
    pub trigger_price: String,
    /// Quantity.
    pub quantity: String,
    /// Closes the whole position.
    pub close_position: bool,
}

/// One instrument.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct PositionLine {
    /// `usdm` or `spot`.
    pub market: String,
    /// Symbol.
    pub symbol: String,
    /// Signed position in the base asset.
    pub quantity: String,
    /// Average entry price; empty while flat.
    pub entry_price: String,
    /// Mark price; empty while not known.
    pub mark_price: String,
    /// Price at which a stop at the exchange closes the position; empty without one.
    #[serde(default)]
    pub protective_stop: String,
    /// Unrealised profit in USDT.
    pub unrealized_usdt: String,
    /// State of the book.
    pub book: String,
    /// Own open orders.
    pub orders_open: u32,
}

/// One limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct LimitLine {
    /// The key of the configuration.
    pub limit: String,
    /// Its value.
    pub value: String,
    /// The loosest value that the configuration may give it.
    pub ceiling: String,
    /// The largest use of it now; empty where that is not a level.
    pub used: String,
    /// The code of the denial, or the breaker, that it belongs to.
    pub guards: String,
}

/// The answer to a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case", tag = "reply")]
pub enum Reply {
    /// To `ping`, `start`, `pause`, `resume`, `rearm`, `flatten`, `stop`, `cancel`: it is carried out.
    Accepted {
        /// What follows, for people.
        note: String,
    },
    /// To `status`.
    Status(Box<StatusReply>),
    /// To `orders`.
    Orders {
        /// How old the lists are: a whole list is dear, and an operator who asks again and again
        /// gets the last one.
        age_ms: u64,
        /// Ordinary ones.
        orders: Vec<OrderLine>,
        /// Conditional ones.
        algo_orders: Vec<AlgoOrderLine>,
    },
    /// To `positions`.
    Positions {
        /// One an instrument.
        positions: Vec<PositionLine>,
    },
    /// To `limits`.
    Limits {
        /// One a limit.
        limits: Vec<LimitLine>,
    },
    /// To `kill`.
    Killed(KillLine),
    /// To `challenge`.
    Challenge {
        /// Valid once, for a minute.
        nonce: String,
        /// Whose.
        account: String,
        /// When it was latched, milliseconds UTC.
        since_utc_ms: i64,
    },
    /// To `reset`: HALTED.
    Reset {
        /// What follows, for people.
        note: String,
    },
    /// Nothing has changed.
    Refused(Refusal),
}

impl Reply {
    /// As a line, with its end.
    ///
    /// # Panics
    /// Never: a reply is plain data.
    #[must_use]
    pub fn line(&self) -> String {
        let mut line = serde_json::to_string(self).expect("a reply is plain data");
        line.push('\n');
        line
    }
}

impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_read_as_documented() {
        let refused = Reply::from(Refusal::new(ErrorCode::KillLatched, "no"));
        assert_eq!(
            refused.line(),
            "{\"reply\":\"refused\",\"code\":\"KILL_LATCHED\",\"message\":\"no\"}\n"
        );
        let killed = Reply::Killed(KillLine {
            latched: true,
            durable: Some(false),
            ..KillLine::default()
        });
        let line = killed.line();
        assert!(line.starts_with("{\"reply\":\"killed\",\"latched\":true,\"durable\":false"));
        assert_eq!(
            serde_json::from_str::<Reply>(&line).expect("it reads"),
            killed
        );
    }
}

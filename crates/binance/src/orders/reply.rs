//! Reply frames of the WebSocket API.
//!
//! In: one text frame. Out: id, status, order or error, used limits; and the venue-neutral order
//! reply. Never: an allocation, a success that the frame does not prove.

use super::{ErrorClass, RequestId, classify_code, outcome_of};
use crate::decode::{DecodeError, nearest_tick, quantity, required, set, text_of, time};
use crate::json::{Cursor, Quoted};
use crate::word;
use market::{
    ClientOrderId, ExchangeOrderId, Instrument, OrderReply, OrderState, OrderTerms, Quantity,
    ReplyOutcome, RequestKind, UtcMs,
};

/// "No need to modify the order.": its price and quantity are those that were asked for.
const UNCHANGED: i64 = -5_027;

/// Most limits in one reply that are kept.
pub const RATE_LIMITS_MAX: usize = 8;

/// A decoded reply. Texts lie in the frame.
#[derive(Clone, Debug)]
pub struct Reply<'a> {
    /// Which request it answers.
    pub id: ReplyId,
    /// HTTP-like status.
    pub status: u16,
    /// The error, where there is one.
    pub error: Option<ReplyError<'a>>,
    /// Used limits, where the exchange tells them.
    pub rate_limits: heapless::Vec<RateLimitUse, RATE_LIMITS_MAX>,
    result: &'a [u8],
}

/// The id of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyId {
    /// One of ours.
    Ours(RequestId),
    /// Null: an error about the connection or about a frame that could not be read.
    Null,
    /// Anything else.
    Foreign,
}

/// An error as the exchange states it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplyError<'a> {
    /// Its code, negative.
    pub code: i64,
    /// Its text, escapes not resolved.
    pub message: &'a [u8],
    /// When requests are taken again (`data.retryAfter`, ms since the epoch), where told.
    pub retry_after_ms: Option<u64>,
}

/// One limit and how much of it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimitUse {
    /// True for orders, false for request weight.
    pub orders: bool,
    /// Length of its window in seconds.
    pub window_s: u32,
    /// The limit.
    pub limit: u32,
    /// Used of it.
    pub count: u32,
}

/// Decodes one text frame of the WebSocket API.
///
/// # Errors
/// [`DecodeError`]; the request that it may have answered is unresolved then.
pub fn decode_reply(bytes: &[u8]) -> Result<Reply<'_>, DecodeError> {
    let mut cursor = Cursor::new(bytes);
    let (mut id, mut status, mut error) = (None, None, None);
    let mut result = None;
    let mut rate_limits = None;
    cursor.object(|cursor, key| match key {
        b"id" => set(&mut id, "id", reply_id(cursor)?),
        b"status" => {
            let value = cursor.unsigned("status")?;
            let value = u16::try_from(value).map_err(|_| DecodeError::Number("status"))?;
            set(&mut status, "status", value)
        }
        b"result" => set(&mut result, "result", cursor.skip()?),
        b"error" => set(&mut error, "error", reply_error(cursor)?),
        b"rateLimits" => set(&mut rate_limits, "rateLimits", limits(cursor)?),
        _ => cursor.skip().map(|_| ()),
    })?;
    cursor.end()?;
    Ok(Reply {
        id: required(id, "id")?,
        status: required(status, "status")?,
        error,
        rate_limits: rate_limits.unwrap_or_default(),
        result: result.unwrap_or_default(),
    })
}

/// A REST answer about one order: its body is what stands in `result` or `error` of a frame.
///
/// Nothing where a refusal cannot be read, as of a page of something between us and the exchange:
/// what it stands for is not known.
#[must_use]
pub fn decode_rest_reply(status: u16, body: &[u8]) -> Option<Reply<'_>> {
    let error = match status {
        200 => None,
        _ => {
            let mut cursor = Cursor::new(body);
            let error = reply_error(&mut cursor).ok()?;
            cursor.end().ok()?;
            Some(error)
        }
    };
    Some(Reply {
        id: ReplyId::Null,
        status,
        error,
        rate_limits: heapless::Vec::new(),
        result: if status == 200 { body } else { b"" },
    })
}

impl<'a> Reply<'a> {
    /// The `result` as it stands in the frame; empty where there is none.
    #[must_use]
    pub const fn result(&self) -> &'a [u8] {
        self.result
    }

    /// A refused query says nothing of the order, but for the one refusal that is its answer: the
    /// exchange does not know the order. A limit, a ban, a bad time stamp or key is not that (I3).
    fn outcome(&self, request: RequestKind, code: i64, message: &[u8]) -> ReplyOutcome {
        let outcome = outcome_of(self.status, code, message);
        let not_found = self.status == 400 && classify_code(code) == ErrorClass::OrderNotFound;
        match (request, outcome) {
            (RequestKind::Query, ReplyOutcome::Rejected) if !not_found => ReplyOutcome::Unresolved,
            // The order is what was asked for already.
            (RequestKind::Amend, ReplyOutcome::Rejected) if code == UNCHANGED => {
                ReplyOutcome::Confirmed
            }
            _ => outcome,
        }
    }

    /// What the reply means for the order that it answers.
    ///
    /// A success whose result does not name the order as expected is unresolved.
    #[must_use]
    pub fn order_reply(
        &self,
        request: RequestKind,
        client_order_id: ClientOrderId,
        instrument: &Instrument,
    ) -> OrderReply {
        let (code, message): (i64, &[u8]) = match self.error {
            Some(error) => (error.code, error.message),
            None => (0, b""),
        };
        let mut reply = OrderReply {
            request,
            outcome: self.outcome(request, code, message),
            client_order_id,
            instrument: instrument.id,
            exchange_order_id: ExchangeOrderId(0),
            state: OrderState::Submitted,
            cumulative_quantity: Quantity::ZERO,
            error_code: code,
            terms: None,
        };
        if reply.outcome != ReplyOutcome::Confirmed {
            return reply;
        }
        if self.error.is_some() {
            let unchanged = request == RequestKind::Amend && code == UNCHANGED;
            if !unchanged {
                reply.outcome = ReplyOutcome::Unresolved;
            }
            return reply;
        }
        match order_result(self.result, request, client_order_id, instrument) {
            Ok(order) => {
                reply.exchange_order_id = order.exchange_order_id;
                reply.state = order.state;
                reply.cumulative_quantity = order.cumulative_quantity;
                reply.terms = order.terms;
            }
            Err(_) => reply.outcome = ReplyOutcome::Unresolved,
        }
        reply
    }
}

struct OrderResult {
    exchange_order_id: ExchangeOrderId,
    state: OrderState,
    cumulative_quantity: Quantity,
    terms: Option<OrderTerms>,
}

fn order_result(
    bytes: &[u8],
    request: RequestKind,
    expected: ClientOrderId,
    instrument: &Instrument,
) -> Result<OrderResult, DecodeError> {
    let mut cursor = Cursor::new(bytes);
    let (mut order_id, mut client_id, mut original_id) = (None, None, None);
    let (mut status, mut executed) = (None, None);
    // What the order is after a change, or at the time of a query; a place or a cancel changes none
    // of it.
    let asks_terms = matches!(request, RequestKind::Amend | RequestKind::Query);
    let (mut limit, mut whole, mut updated) = (None, None, None);
    cursor.object(|cursor, key| match key {
        b"price" if asks_terms => {
            let value = nearest_tick(cursor.string("price")?, instrument, "price")?;
            set(&mut limit, "price", value)
        }
        b"origQty" if asks_terms => {
            let value = quantity(cursor.string("origQty")?, instrument, "origQty")?;
            set(&mut whole, "origQty", value)
        }
        b"updateTime" if asks_terms => set(&mut updated, "updateTime", time(cursor, "updateTime")?),
        b"orderId" => set(&mut order_id, "orderId", cursor.unsigned("orderId")?),
        b"clientOrderId" => set(
            &mut client_id,
            "clientOrderId",
            cursor.string("clientOrderId")?,
        ),
        b"origClientOrderId" => {
            let value = cursor.string("origClientOrderId")?;
            set(&mut original_id, "origClientOrderId", value)
        }
        b"status" => set(&mut status, "status", state(cursor.string("status")?)?),
        b"executedQty" => {
            let value = quantity(cursor.string("executedQty")?, instrument, "executedQty")?;
            set(&mut executed, "executedQty", value)
        }
        _ => cursor.skip().map(|_| ()),
    })?;
    cursor.end()?;
    // A spot cancel names itself in clientOrderId and the order in origClientOrderId.
    let named = required(original_id.or(client_id), "clientOrderId")?;
    if text_of::<36>(named, "clientOrderId")? != expected {
        return Err(DecodeError::Value("clientOrderId"));
    }
    let state = match (status, request) {
        (Some(state), _) => state,
        (None, RequestKind::Place) => OrderState::Accepted,
        (None, RequestKind::Cancel) => OrderState::Canceled,
        (None, RequestKind::Query | RequestKind::Amend) => {
            return Err(DecodeError::Missing("status"));
        }
    };
    let terms = limit.zip(whole).map(|(price, quantity)| OrderTerms {
        price,
        quantity,
        changed: updated.unwrap_or(UtcMs(0)),
    });
    if request == RequestKind::Amend && terms.is_none() {
        return Err(DecodeError::Missing("price"));
    }
    Ok(OrderResult {
        terms,
        exchange_order_id: ExchangeOrderId(required(order_id, "orderId")?),
        state,
        cumulative_quantity: executed.unwrap_or(Quantity::ZERO),
    })
}

fn state(word: Quoted<'_>) -> Result<OrderState, DecodeError> {
    let mut buffer = [0; 32];
    word.text(&mut buffer)
        .and_then(word::order_state)
        .ok_or(DecodeError::Value("status"))
}

fn reply_id(cursor: &mut Cursor<'_>) -> Result<ReplyId, DecodeError> {
    match cursor.peek() {
        Some(b'"') => {
            let text = cursor.string("id")?;
            let ours = text.text(&mut [0; 16]).and_then(RequestId::parse);
            Ok(ours.map_or(ReplyId::Foreign, ReplyId::Ours))
        }
        Some(b'n') => cursor.skip().map(|_| ReplyId::Null),
        _ => cursor.skip().map(|_| ReplyId::Foreign),
    }
}

fn reply_error<'a>(cursor: &mut Cursor<'a>) -> Result<ReplyError<'a>, DecodeError> {
    let (mut code, mut message, mut retry_after_ms) = (None, None, None);
    if cursor.peek() != Some(b'{') {
        return Err(DecodeError::WrongType("error"));
    }
    cursor.object(|cursor, key| match key {
        b"code" => set(&mut code, "code", cursor.signed("code")?),
        b"msg" => set(&mut message, "msg", cursor.string("msg")?),
        b"data" if cursor.peek() == Some(b'{') => cursor.object(|cursor, key| match key {
            b"retryAfter" => {
                let value = cursor.unsigned("retryAfter")?;
                set(&mut retry_after_ms, "retryAfter", value)
            }
            _ => cursor.skip().map(|_| ()),
        }),
        _ => cursor.skip().map(|_| ()),
    })?;
    Ok(ReplyError {
        code: required(code, "code")?,
        message: message.map_or(b"", Quoted::raw),
        retry_after_ms,
    })
}

fn limits(
    cursor: &mut Cursor<'_>,
) -> Result<heapless::Vec<RateLimitUse, RATE_LIMITS_MAX>, DecodeError> {
    let mut all = heapless::Vec::new();
    if cursor.peek() != Some(b'[') {
        return Err(DecodeError::WrongType("rateLimits"));
    }
    cursor.array(|cursor| {
        let (mut orders, mut unit_s, mut number) = (false, 0u32, 0);
        let (mut limit, mut count) = (0, 0);
        if cursor.peek() != Some(b'{') {
            return Err(DecodeError::WrongType("rateLimits"));
        }
        cursor.object(|cursor, key| {
            match key {
                b"rateLimitType" => {
                    let word = cursor.string("rateLimitType")?;
                    orders = word.text(&mut [0; 32]) == Some(b"ORDERS");
                }
                b"interval" => {
                    unit_s = match cursor.string("interval")?.text(&mut [0; 16]) {
                        Some(b"SECOND") => 1,
                        Some(b"MINUTE") => 60,
                        Some(b"HOUR") => 3600,
                        Some(b"DAY") => 86_400,
                        _ => 0,
                    };
                }
                b"intervalNum" => number = small(cursor, "intervalNum")?,
                b"limit" => limit = small(cursor, "limit")?,
                b"count" => count = small(cursor, "count")?,
                _ => {
                    cursor.skip()?;
                }
            }
            Ok(())
        })?;
        // More limits than there is room for are of no use to the governor.
        let _ = all.push(RateLimitUse {
            orders,
            window_s: unit_s.saturating_mul(number),
            limit,
            count,
        });
        Ok(())
    })?;
    Ok(all)
}

fn small(cursor: &mut Cursor<'_>, name: &'static str) -> Result<u32, DecodeError> {
    u32::try_from(cursor.unsigned(name)?).map_err(|_| DecodeError::Number(name))
}

//! Verdicts on requests that the exchange has not answered, whichever way they went.
//!
//! In: a request. Out: what it came to. Never: a word of the exchange; that is decoded.

use market::{
    ClientOrderId, ExchangeOrderId, InstrumentId, OrderReply, OrderState, Quantity, ReplyOutcome,
    RequestKind,
};

/// What a request that never left came to. A query that was not asked says nothing of its order:
/// `Rejected` would mean that the exchange does not know it (I4).
pub(super) const fn not_sent(request: RequestKind) -> ReplyOutcome {
    match request {
        RequestKind::Query => ReplyOutcome::Unresolved,
        RequestKind::Place | RequestKind::Cancel | RequestKind::Amend => ReplyOutcome::Rejected,
    }
}

/// A verdict that tells nothing of the order itself.
pub(super) const fn unanswered(
    request: RequestKind,
    client_order_id: ClientOrderId,
    instrument: InstrumentId,
    outcome: ReplyOutcome,
    error_code: i64,
) -> OrderReply {
    OrderReply {
        request,
        outcome,
        client_order_id,
        instrument,
        exchange_order_id: ExchangeOrderId(0),
        state: OrderState::Submitted,
        cumulative_quantity: Quantity::ZERO,
        error_code,
        terms: None,
    }
}

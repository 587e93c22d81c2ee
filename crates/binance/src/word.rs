//! The exchange's words for sides, types, lifetimes and states, both ways.
//!
//! In: its words or ours. Out: the other one. Never: a word made up for one that is not known.

use market::{Market, OrderState, OrderType, Side, TimeInForce};

/// A side.
pub(crate) fn side(word: &[u8]) -> Option<Side> {
    match word {
        b"BUY" => Some(Side::Buy),
        b"SELL" => Some(Side::Sell),
        _ => None,
    }
}

/// A type. Types of other people's orders that we never send are told by what they become:
/// with a limit price `Limit`, without one `StopMarket`.
pub(crate) fn order_type(word: &[u8]) -> Option<OrderType> {
    match word {
        b"LIMIT" | b"LIMIT_MAKER" | b"STOP" | b"TAKE_PROFIT" | b"STOP_LOSS_LIMIT"
        | b"TAKE_PROFIT_LIMIT" => Some(OrderType::Limit),
        b"MARKET" => Some(OrderType::Market),
        b"STOP_MARKET" | b"TAKE_PROFIT_MARKET" | b"TRAILING_STOP_MARKET" | b"STOP_LOSS" => {
            Some(OrderType::StopMarket)
        }
        b"LIQUIDATION" => Some(OrderType::Liquidation),
        _ => None,
    }
}

/// A lifetime. GTD and GTE_GTC end by a clock that is not ours: `GoodTillCancel` to us; RPI is
/// maker only.
pub(crate) fn time_in_force(word: &[u8]) -> Option<TimeInForce> {
    match word {
        b"GTC" | b"GTD" | b"GTE_GTC" => Some(TimeInForce::GoodTillCancel),
        b"IOC" => Some(TimeInForce::ImmediateOrCancel),
        b"FOK" => Some(TimeInForce::FillOrKill),
        b"GTX" | b"RPI" => Some(TimeInForce::PostOnly),
        _ => None,
    }
}

/// A state.
pub(crate) fn order_state(word: &[u8]) -> Option<OrderState> {
    match word {
        b"NEW" | b"PENDING_NEW" | b"PENDING_CANCEL" => Some(OrderState::Accepted),
        b"PARTIALLY_FILLED" => Some(OrderState::PartiallyFilled),
        b"FILLED" => Some(OrderState::Filled),
        b"CANCELED" => Some(OrderState::Canceled),
        b"EXPIRED" | b"EXPIRED_IN_MATCH" => Some(OrderState::Expired),
        b"REJECTED" => Some(OrderState::Rejected),
        _ => None,
    }
}

/// How the exchange writes our state in order objects and events.
pub(crate) const fn state_word(state: OrderState) -> &'static str {
    match state {
        OrderState::Accepted | OrderState::Initialized | OrderState::Submitted => "NEW",
        OrderState::PartiallyFilled => "PARTIALLY_FILLED",
        OrderState::Filled => "FILLED",
        OrderState::Canceled => "CANCELED",
        OrderState::Expired => "EXPIRED",
        OrderState::Rejected | OrderState::Denied => "REJECTED",
    }
}

/// Type and lifetime of a new order: spot's maker-only is a type, the futures' a lifetime.
pub(crate) const fn type_and_lifetime(
    market: Market,
    order_type: OrderType,
    time_in_force: TimeInForce,
) -> (&'static str, Option<&'static str>) {
    match (market, order_type, time_in_force) {
        (Market::Spot, OrderType::Limit, TimeInForce::PostOnly) => ("LIMIT_MAKER", None),
        (_, OrderType::Limit, lifetime) => ("LIMIT", Some(lifetime.as_str())),
        (_, other, _) => (other.as_str(), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words of the exchange's enum pages; another one is never guessed at.
    #[test]
    fn each_word_of_the_exchange_has_one_meaning_and_a_new_one_has_none() {
        use OrderState as S;
        use OrderType as T;
        use TimeInForce as F;
        let types = [
            ("LIMIT", T::Limit),
            ("LIMIT_MAKER", T::Limit),
            ("STOP", T::Limit),
            ("TAKE_PROFIT", T::Limit),
            ("STOP_LOSS_LIMIT", T::Limit),
            ("TAKE_PROFIT_LIMIT", T::Limit),
            ("MARKET", T::Market),
            ("STOP_MARKET", T::StopMarket),
            ("TAKE_PROFIT_MARKET", T::StopMarket),
            ("TRAILING_STOP_MARKET", T::StopMarket),
            ("STOP_LOSS", T::StopMarket),
            ("LIQUIDATION", T::Liquidation),
        ];
        for (word, meaning) in types {
            assert_eq!(order_type(word.as_bytes()), Some(meaning), "{word}");
        }
        let lifetimes = [
            ("GTC", F::GoodTillCancel),
            ("GTD", F::GoodTillCancel),
            ("GTE_GTC", F::GoodTillCancel),
            ("IOC", F::ImmediateOrCancel),
            ("FOK", F::FillOrKill),
            ("GTX", F::PostOnly),
            ("RPI", F::PostOnly),
        ];
        for (word, meaning) in lifetimes {
            assert_eq!(time_in_force(word.as_bytes()), Some(meaning), "{word}");
        }
        let states = [
            ("NEW", S::Accepted),
            ("PENDING_NEW", S::Accepted),
            ("PENDING_CANCEL", S::Accepted),
            ("PARTIALLY_FILLED", S::PartiallyFilled),
            ("FILLED", S::Filled),
            ("CANCELED", S::Canceled),
            ("EXPIRED", S::Expired),
            ("EXPIRED_IN_MATCH", S::Expired),
            ("REJECTED", S::Rejected),
        ];
        for (word, meaning) in states {
            assert_eq!(order_state(word.as_bytes()), Some(meaning), "{word}");
            let back = order_state(state_word(meaning).as_bytes());
            assert_eq!(back, Some(meaning), "written as {}", state_word(meaning));
        }
        let sides = [side(b"BUY"), side(b"SELL")];
        assert_eq!(sides, [Some(Side::Buy), Some(Side::Sell)]);
        for unknown in [&b""[..], b"buy", b"LIMITED", b"A_NEW_WORD"] {
            assert_eq!((side(unknown), order_type(unknown)), (None, None));
            assert_eq!((time_in_force(unknown), order_state(unknown)), (None, None));
        }
    }
}

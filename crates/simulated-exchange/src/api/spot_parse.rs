//! What a request says about an order of spot, alone or as part of a list.
//!
//! In: parameters, each with the prefix of its order (`aboveStopPrice`). Out: orders on the
//! instrument's grid, or the first rule that they break. Never: an iceberg or a pegged order; they
//! are refused with the words for a symbol that does not take them.

use market::{Instrument, Market, Money, OrderType, Price, Quantity, Side, TimeInForce};
use matching::{ConditionalKind, OrderOptions, PlaceOrder, Stop};

use super::endpoint::Call;
use super::error::ApiError;
use super::order_parse::{
    client_order_id, lifetime_of, price_of, quantity_named, quantity_of, self_trade, side_of,
};

/// Kinds of strategies below this are the exchange's own.
const STRATEGY_KIND_MIN: i64 = 1_000_000;

/// A type as requests name it: what it waits for, and what works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) stop: Option<ConditionalKind>,
    order_type: OrderType,
    is_maker: bool,
}

impl Kind {
    /// The kind of a word.
    ///
    /// # Errors
    /// -1116.
    pub(super) fn of(word: &str) -> Result<Self, ApiError> {
        use ConditionalKind::{Stop as Loss, TakeProfit};
        let (stop, order_type) = match word {
            "LIMIT" | "LIMIT_MAKER" => (None, OrderType::Limit),
            "MARKET" => (None, OrderType::Market),
            "STOP_LOSS" => (Some(Loss), OrderType::Market),
            "STOP_LOSS_LIMIT" => (Some(Loss), OrderType::Limit),
            "TAKE_PROFIT" => (Some(TakeProfit), OrderType::Market),
            "TAKE_PROFIT_LIMIT" => (Some(TakeProfit), OrderType::Limit),
            _ => return Err(ApiError::new(-1116, "Invalid orderType.")),
        };
        Ok(Self {
            stop,
            order_type,
            is_maker: word == "LIMIT_MAKER",
        })
    }
}

/// The name of a parameter of one order: `stopPrice`, `aboveStopPrice`.
pub(super) fn named(prefix: &str, name: &str) -> String {
    let mut letters = name.chars();
    match (prefix, letters.next()) {
        ("", _) | (_, None) => name.to_owned(),
        (prefix, Some(first)) => {
            format!("{prefix}{}{}", first.to_ascii_uppercase(), letters.as_str())
        }
    }
}

/// A single order as requested.
///
/// # Errors
/// The first rule that a parameter breaks.
pub(super) fn order(call: &Call<'_>) -> Result<PlaceOrder, ApiError> {
    let instrument = call.instrument()?;
    let side = side_of(call)?;
    let kind = Kind::of(call.params.require("type")?)?;
    let quote = call.params.get("quoteOrderQty").is_some();
    if quote && kind.order_type == OrderType::Market && kind.stop.is_none() {
        if call.params.get("quantity").is_some() {
            return Err(ApiError::new(
                -1128,
                "Combination of optional parameters invalid.",
            ));
        }
        let (amount, lots) = quantity_for_quote(call, side, &instrument)?;
        let plain = part(call, "", kind, side, lots, &instrument)?;
        return Ok(PlaceOrder {
            options: OrderOptions {
                quote: amount,
                ..plain.options
            },
            ..plain
        });
    }
    if quote {
        return Err(ApiError::not_required("quoteOrderQty"));
    }
    let quantity = quantity_of(call, &instrument)?;
    part(call, "", kind, side, quantity, &instrument)
}

/// One order of a request whose parameters have a prefix.
///
/// # Errors
/// The first rule that a parameter breaks.
pub(super) fn part(
    call: &Call<'_>,
    prefix: &str,
    kind: Kind,
    side: Side,
    quantity: Quantity,
    instrument: &Instrument,
) -> Result<PlaceOrder, ApiError> {
    let sent = |name: &str| call.params.get(&named(prefix, name)).is_some();
    refuse_unsupported(&sent)?;
    let is_limit = kind.order_type == OrderType::Limit;
    let lifetime = named(prefix, "timeInForce");
    let time_in_force = match (is_limit && !kind.is_maker, call.params.get(&lifetime)) {
        (true, Some(word)) => lifetime_of(word, false)?,
        (true, None) => return Err(ApiError::mandatory(&lifetime)),
        (false, Some(_)) if !kind.is_maker => return Err(ApiError::not_required(&lifetime)),
        (false, _) => TimeInForce::GoodTillCancel,
    };
    let price = named(prefix, "price");
    let price = match is_limit {
        true => price_of(call, &price, instrument)?,
        false if sent("price") => return Err(ApiError::not_required(&price)),
        false => Price(0),
    };
    let id = match prefix {
        "" => "newClientOrderId".to_owned(),
        prefix => format!("{prefix}ClientOrderId"),
    };
    Ok(PlaceOrder {
        client_order_id: client_order_id(call, &id)?,
        instrument: instrument.id,
        side,
        order_type: kind.order_type,
        time_in_force: match kind.is_maker {
            true => TimeInForce::PostOnly,
            false => time_in_force,
        },
        price,
        quantity,
        reduce_only: false,
        options: OrderOptions {
            self_trade: self_trade(call)?,
            stop: stop(call, prefix, kind, instrument)?,
            strategy: strategy(call, prefix)?,
            ..OrderOptions::default()
        },
    })
}

/// `stopPrice` and `trailingDelta`, at least one of them.
fn stop(
    call: &Call<'_>,
    prefix: &str,
    kind: Kind,
    instrument: &Instrument,
) -> Result<Option<Stop>, ApiError> {
    let (price, delta) = (named(prefix, "stopPrice"), named(prefix, "trailingDelta"));
    let (has_price, has_delta) = (call.params.get(&price), call.params.get(&delta));
    let Some(kind) = kind.stop else {
        return match (has_price, has_delta) {
            (Some(_), _) => Err(ApiError::not_required(&price)),
            (_, Some(_)) => Err(ApiError::not_required(&delta)),
            (None, None) => Ok(None),
        };
    };
    if has_price.is_none() && has_delta.is_none() {
        return Err(ApiError::new(
            -1102,
            format!("Param '{price}' or '{delta}' must be sent, but both were empty/null!"),
        ));
    }
    let bips = call.params.integer(&delta)?;
    Ok(Some(Stop {
        kind,
        price: match has_price {
            Some(_) => price_of(call, &price, instrument)?,
            None => Price(0),
        },
        // What is out of range breaks the filter; 0 would be no distance at all.
        trailing_bips: bips.map_or(0, |bips| u32::try_from(bips).unwrap_or(u32::MAX).max(1)),
    }))
}

fn strategy(call: &Call<'_>, prefix: &str) -> Result<(Option<i64>, Option<i64>), ApiError> {
    let id = call.params.integer(&named(prefix, "strategyId"))?;
    let kind = call.params.integer(&named(prefix, "strategyType"))?;
    if kind.is_some_and(|kind| kind < STRATEGY_KIND_MIN) {
        return Err(ApiError::new(
            -1134,
            "`strategyType` was less than 1000000.",
        ));
    }
    Ok((id, kind))
}

fn refuse_unsupported(sent: &impl Fn(&str) -> bool) -> Result<(), ApiError> {
    if sent("icebergQty") {
        let message = "Iceberg orders are not supported for this symbol.";
        return Err(ApiError::new(-2010, message));
    }
    if sent("pegPriceType") || sent("pegOffsetValue") || sent("pegOffsetType") {
        let message = "Pegged orders are not supported for this symbol.";
        return Err(ApiError::new(-2010, message));
    }
    Ok(())
}

/// Amount of `quoteOrderQty`, and the lots that it buys or sells for at the present book.
fn quantity_for_quote(
    call: &Call<'_>,
    side: Side,
    instrument: &Instrument,
) -> Result<(Money, Quantity), ApiError> {
    let text = call.params.require("quoteOrderQty")?;
    let amount = market::decimal::parse_decimal(text.as_bytes(), 8)
        .map_err(|_| ApiError::mandatory("quoteOrderQty"))?;
    let (mut rest, mut lots) = (Money(amount), Quantity::ZERO);
    let view = call.exchange.floor(Market::Spot).venue.view(instrument.id);
    for level in view.available(side.opposite()) {
        let some = instrument
            .quantity_for(level.price, rest)
            .min(level.quantity);
        lots += some;
        rest -= instrument.notional(level.price, some);
        if some < level.quantity {
            break;
        }
    }
    Ok((Money(amount), lots))
}

/// The quantity of one order of a list.
///
/// # Errors
/// -1102, -1111, -1013.
pub(super) fn quantity_of_part(
    call: &Call<'_>,
    name: &str,
    instrument: &Instrument,
) -> Result<Quantity, ApiError> {
    quantity_named(call, name, instrument)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_of_a_list_is_named_after_its_order() {
        assert_eq!(named("", "stopPrice"), "stopPrice");
        assert_eq!(named("pendingAbove", "stopPrice"), "pendingAboveStopPrice");
        assert_eq!(named("working", "type"), "workingType");
    }
}

//! Conditional orders by request (binance.md 1.3): place, cancel, query, lists.
//!
//! In: a checked call. Out: algo objects; their events wait in the floor. Never: a conditional
//! order by the endpoint of ordinary ones, or the other way round.

use binance::encode::JsonText;
use market::{ClientOrderId, Instrument, OrderType, Price, Quantity, Rate, TimeInForce};
use matching::{
    Conditional, ConditionalKind, ConditionalOptions, ConditionalRejection, ConditionalState,
    PlaceConditional, Trailing, TriggerBy, Venue,
};

use super::endpoint::{Answer, Call};
use super::error::ApiError;
use super::order_object::{price, quantity};
use super::order_parse::{
    client_order_id, flag, good_till, lifetime_of, position_side, price_match, price_of,
    quantity_of, reduce_only, self_trade, side_of,
};

/// `POST …/algoOrder`, `algoOrder.place`.
///
/// # Errors
/// -1102, -1116, -2021, -4045, -4116, -4130, -4137, -4138 and those of price and quantity.
pub fn place(call: &mut Call<'_>) -> Answer {
    let request = parse(call)?;
    let (market, now) = (call.market, call.now);
    let floor = call.exchange.floor_mut(market);
    let last = floor.last_price(request.instrument);
    let mark = floor.venue.mark(request.instrument);
    let placed = floor.conditional.place(now, &request, last, mark);
    let order = placed.map_err(refusal)?;
    floor.conditional_changes.push(order);
    Ok(one(call, &order))
}

/// `DELETE …/algoOrder`, `algoOrder.cancel`.
///
/// # Errors
/// -2011 when nothing open has this id.
pub fn cancel(call: &mut Call<'_>) -> Answer {
    let unknown = || refusal(ConditionalRejection::Unknown);
    let id = find(call)?.ok_or_else(unknown)?.id;
    let (market, now) = (call.market, call.now);
    let floor = call.exchange.floor_mut(market);
    let order = floor.conditional.cancel(now, id).map_err(refusal)?;
    floor.conditional_changes.push(order);
    let mut out = Vec::new();
    let mut json = JsonText::new(&mut out);
    json.open();
    json.id("algoId", order.id);
    json.text("clientAlgoId", order.request.client_id.as_bytes());
    json.text("code", b"200");
    json.text("msg", b"success");
    json.close();
    Ok(out)
}

/// `DELETE …/algoOpenOrders`.
///
/// # Errors
/// -1102, -1121.
pub fn cancel_all(call: &mut Call<'_>) -> Answer {
    let instrument = call.instrument()?;
    let (market, now) = (call.market, call.now);
    let floor = call.exchange.floor_mut(market);
    let here = |one: &&Conditional| one.request.instrument == instrument.id;
    let open: Vec<u64> = floor
        .conditional
        .open()
        .filter(here)
        .map(|one| one.id)
        .collect();
    for id in open {
        let ended = floor.conditional.cancel(now, id);
        floor
            .conditional_changes
            .push(ended.expect("listed as open"));
    }
    Ok(br#"{"code":200,"msg":"The operation of cancel all open order is done."}"#.to_vec())
}

/// `GET …/algoOrder`.
///
/// # Errors
/// -2013.
pub fn query(call: &mut Call<'_>) -> Answer {
    match find(call)? {
        Some(order) => Ok(one(call, &order)),
        None => Err(ApiError::new(-2013, "Order does not exist.")),
    }
}

/// `GET …/openAlgoOrders`.
///
/// # Errors
/// -1121.
pub fn open_orders(call: &mut Call<'_>) -> Answer {
    let instruments = call.instruments()?;
    let asked = |one: &&Conditional| {
        instruments
            .iter()
            .any(|instrument| instrument.id == one.request.instrument)
    };
    let floor = call.exchange.floor(call.market);
    let orders: Vec<Conditional> = floor.conditional.open().filter(asked).copied().collect();
    Ok(list(call, &orders))
}

/// `GET …/allAlgoOrders`: the newest 500.
///
/// # Errors
/// -1102, -1121.
pub fn all_orders(call: &mut Call<'_>) -> Answer {
    let instrument = call.instrument()?;
    let floor = call.exchange.floor(call.market);
    let here = |one: &&Conditional| one.request.instrument == instrument.id;
    let mut orders: Vec<Conditional> = floor.conditional.all().filter(here).copied().collect();
    let surplus = orders.len().saturating_sub(500);
    orders.drain(..surplus);
    Ok(list(call, &orders))
}

/// The type as requests and objects name it.
#[must_use]
pub fn type_word(request: &PlaceConditional) -> &'static str {
    if request.options.trailing.is_some() {
        return "TRAILING_STOP_MARKET";
    }
    match (request.kind, request.order_type) {
        (ConditionalKind::Stop, OrderType::Limit) => "STOP",
        (ConditionalKind::Stop, _) => "STOP_MARKET",
        (ConditionalKind::TakeProfit, OrderType::Limit) => "TAKE_PROFIT",
        (ConditionalKind::TakeProfit, _) => "TAKE_PROFIT_MARKET",
    }
}

/// The state as objects and events name it.
#[must_use]
pub fn state_word(state: ConditionalState) -> &'static str {
    match state {
        ConditionalState::New => "NEW",
        ConditionalState::Triggered => "TRIGGERED",
        ConditionalState::Finished => "FINISHED",
        ConditionalState::Canceled => "CANCELED",
        ConditionalState::Rejected => "REJECTED",
        ConditionalState::Expired => "EXPIRED",
    }
}

/// The lifetime as objects and events name it.
#[must_use]
pub fn lifetime(request: &PlaceConditional) -> &'static str {
    match request.options.good_till {
        Some(_) => "GTD",
        None => request.time_in_force.as_str(),
    }
}

/// Why what it became was refused; empty where it was not.
#[must_use]
pub fn reject_reason(order: &Conditional) -> String {
    let rejection = order
        .rejection
        .filter(|_| order.state == ConditionalState::Rejected);
    let error = rejection.map(|rejection| ApiError::of(rejection, market::Market::UsdM));
    error.map_or(String::new(), |error| error.message)
}

/// Where its price will come from.
#[must_use]
pub fn price_match_word(request: &PlaceConditional) -> &'static str {
    match request.options.price_match {
        "" => "NONE",
        word => word,
    }
}

/// Which price triggers.
#[must_use]
pub fn working_type(request: &PlaceConditional) -> &'static str {
    match request.trigger_by {
        TriggerBy::Last => "CONTRACT_PRICE",
        TriggerBy::Mark => "MARK_PRICE",
    }
}

fn refusal(rejection: ConditionalRejection) -> ApiError {
    match rejection {
        ConditionalRejection::TooMany => ApiError::new(-4045, "Reach max stop order limit."),
        ConditionalRejection::DuplicateClientId => {
            ApiError::new(-4116, "ClientOrderId is duplicated.")
        }
        ConditionalRejection::OneADirection => ApiError::new(
            -4130,
            "An open stop or take profit order with GTE and closePosition in the direction is \
             existing.",
        ),
        ConditionalRejection::WouldTrigger => {
            ApiError::new(-2021, "Order would immediately trigger.")
        }
        ConditionalRejection::Unknown => ApiError::new(-2011, "Unknown order sent."),
    }
}

fn parse(call: &Call<'_>) -> Result<PlaceConditional, ApiError> {
    if call.params.require("algoType")? != "CONDITIONAL" {
        return Err(ApiError::invalid("algoType"));
    }
    let instrument = call.instrument()?;
    let side = side_of(call)?;
    let (kind, order_type, trails) = kind_of(call.params.require("type")?)?;
    let leg = position_side(call)?;
    let is_limit = order_type == OrderType::Limit;
    let close_position = flag(call, "closePosition");
    check_closing(call, close_position, is_limit || trails)?;
    let price_match = price_match(call, order_type)?;
    let time_in_force = match call.params.get("timeInForce") {
        None => TimeInForce::GoodTillCancel,
        Some(word) => lifetime_of(word, true)?,
    };
    Ok(PlaceConditional {
        client_id: client_order_id(call, "clientAlgoId")?,
        instrument: instrument.id,
        side,
        kind,
        order_type,
        time_in_force,
        price: match is_limit && price_match.is_empty() {
            true => price_of(call, "price", &instrument)?,
            false => Price(0),
        },
        quantity: match close_position {
            true => Quantity::ZERO,
            false => quantity_of(call, &instrument)?,
        },
        trigger_price: match trails {
            true => Price(0),
            false => price_of(call, "triggerPrice", &instrument)?,
        },
        trigger_by: match call.params.get("workingType") {
            None | Some("CONTRACT_PRICE") => TriggerBy::Last,
            Some("MARK_PRICE") => TriggerBy::Mark,
            Some(_) => return Err(ApiError::invalid("workingType")),
        },
        close_position,
        reduce_only: reduce_only(call)?,
        options: ConditionalOptions {
            position_side: leg,
            self_trade: self_trade(call)?,
            trailing: match trails {
                true => Some(trailing(call, &instrument)?),
                false => None,
            },
            price_protect: flag(call, "priceProtect"),
            good_till: good_till(call)?,
            price_match,
        },
    })
}

/// Kind, what it becomes, and whether it follows the price.
fn kind_of(word: &str) -> Result<(ConditionalKind, OrderType, bool), ApiError> {
    Ok(match word {
        "STOP" => (ConditionalKind::Stop, OrderType::Limit, false),
        "STOP_MARKET" => (ConditionalKind::Stop, OrderType::Market, false),
        "TAKE_PROFIT" => (ConditionalKind::TakeProfit, OrderType::Limit, false),
        "TAKE_PROFIT_MARKET" => (ConditionalKind::TakeProfit, OrderType::Market, false),
        "TRAILING_STOP_MARKET" => (ConditionalKind::Stop, OrderType::Market, true),
        _ => return Err(ApiError::new(-1116, "Invalid orderType.")),
    })
}

/// `callbackRate` in per cent, 0.1 to 10, and `activatePrice`.
fn trailing(call: &Call<'_>, instrument: &Instrument) -> Result<Trailing, ApiError> {
    let text = call.params.require("callbackRate")?;
    let percent_e6 = market::decimal::parse_decimal(text.as_bytes(), 6)
        .map_err(|_| ApiError::mandatory("callbackRate"))?;
    if !(100_000..=10_000_000).contains(&percent_e6) {
        return Err(ApiError::new(-2007, "Invalid callBack rate"));
    }
    let activation = match call.params.get("activatePrice") {
        None => Price(0),
        Some(_) => price_of(call, "activatePrice", instrument)?,
    };
    Ok(Trailing {
        // A per cent in 1e-6 is a share in 1e-8.
        callback: Rate(percent_e6),
        activation,
    })
}

/// What closes the position has no quantity of its own, and reduces by itself.
fn check_closing(call: &Call<'_>, closes: bool, is_limit: bool) -> Result<(), ApiError> {
    if closes && (call.params.get("quantity").is_some() || is_limit) {
        return Err(ApiError::new(
            -4137,
            "Quantity must be zero with closePosition equals true.",
        ));
    }
    if closes && call.params.get("reduceOnly").is_some() {
        return Err(ApiError::new(
            -4138,
            "Reduce only must be true with closePosition.",
        ));
    }
    Ok(())
}

fn find(call: &Call<'_>) -> Result<Option<Conditional>, ApiError> {
    let orders = &call.exchange.floor(call.market).conditional;
    if let Some(id) = call.params.integer("algoId")? {
        return Ok(orders.get(id.unsigned_abs()).copied());
    }
    let Some(id) = call.params.get("clientAlgoId") else {
        return Err(ApiError::new(
            -1102,
            "Param 'algoId' or 'clientAlgoId' must be sent, but both were empty/null!",
        ));
    };
    let id = ClientOrderId::new(id.as_bytes());
    Ok(id.and_then(|id| orders.by_client(&id).copied()))
}

fn one(call: &Call<'_>, order: &Conditional) -> Vec<u8> {
    let mut out = Vec::with_capacity(640);
    write(&mut JsonText::new(&mut out), venue(call), order);
    out
}

fn list(call: &Call<'_>, orders: &[Conditional]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut json = JsonText::new(&mut out);
    json.open_array();
    for order in orders {
        write(&mut json, venue(call), order);
    }
    json.close_list();
    out
}

fn venue<'a>(call: &'a Call<'_>) -> &'a Venue {
    &call.exchange.floor(call.market).venue
}

fn write(json: &mut JsonText<'_>, venue: &Venue, order: &Conditional) {
    let request = &order.request;
    let instrument = &venue.instruments()[usize::from(request.instrument.0)];
    json.open();
    json.id("algoId", order.id);
    json.text("clientAlgoId", request.client_id.as_bytes());
    json.text("algoType", b"CONDITIONAL");
    json.text("orderType", type_word(request).as_bytes());
    json.text("symbol", instrument.symbol.as_bytes());
    json.text("side", request.side.as_str().as_bytes());
    let options = &request.options;
    json.text("positionSide", options.position_side.as_str().as_bytes());
    json.text("timeInForce", lifetime(request).as_bytes());
    quantity(json, "quantity", instrument, request.quantity);
    json.text("algoStatus", state_word(order.state).as_bytes());
    let id = order.order_id.map(|id| id.0.to_string());
    json.text("actualOrderId", id.unwrap_or_default().as_bytes());
    let became = order.order_id.and_then(|id| venue.order(id));
    let average_e8 = became.map_or(0, |one| venue.average_price_e8(one));
    json.decimal("actualPrice", average_e8 / 1_000, 5);
    price(json, "triggerPrice", instrument, request.trigger_price);
    price(json, "price", instrument, request.price);
    json.raw("icebergQuantity", b"null");
    json.text(
        "selfTradePreventionMode",
        options.self_trade.as_str().as_bytes(),
    );
    json.text("workingType", working_type(request).as_bytes());
    json.text("priceMatch", price_match_word(request).as_bytes());
    json.boolean("closePosition", request.close_position);
    json.boolean("priceProtect", options.price_protect);
    json.boolean("reduceOnly", request.reduce_only);
    match options.trailing {
        None => {
            json.text("activatePrice", b"");
            json.text("callbackRate", b"");
        }
        Some(trailing) => {
            price(json, "activatePrice", instrument, trailing.activation);
            json.short_decimal("callbackRate", trailing.callback.0, 6);
        }
    }
    json.integer("createTime", order.created.0);
    json.integer("updateTime", order.updated.0);
    json.integer("triggerTime", order.triggered.0);
    json.integer("goodTillDate", options.good_till.map_or(0, |at| at.0));
    json.close();
}

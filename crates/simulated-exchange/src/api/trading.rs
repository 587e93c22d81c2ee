//! Orders by request: place, modify, cancel.
//!
//! In: a checked call. Out: order objects; private events wait in the floor's outputs. Never: an
//! order from a parameter that does not parse.

use binance::encode::JsonText;
use market::{ClientOrderId, ExchangeOrderId, Market, OrderState, Quantity};
use matching::{Order, Rejection};

use super::endpoint::{Answer, Call};
use super::error::ApiError;
use super::order_object::{self, Answer as Form};
use super::order_parse::{matched_price, parse_place, price_match, price_of, quantity_of, side_of};
use crate::faults::OrderFate;

/// `POST …/order`, `order.place`.
///
/// # Errors
/// Any of binance.md 5.4 that an order can meet.
pub fn place(call: &mut Call<'_>) -> Answer {
    let mut order = place_order(call)?;
    if call.market == Market::Spot {
        return Ok(spot_placed(call, &order));
    }
    if call.params.get("newOrderRespType") != Some("RESULT") {
        // An ACK tells the order as it was accepted, whatever it met since.
        order.state = OrderState::Accepted;
        order.filled = Quantity::ZERO;
        order.filled_tick_lots = 0;
    }
    Ok(one(call, &order, Form::Action))
}

/// Places what a call asks for; the order as it stands afterwards.
pub(super) fn place_order(call: &mut Call<'_>) -> Result<Order, ApiError> {
    let request = parse_place(call)?;
    let fate = call.exchange.faults.on_order();
    if let OrderFate::Reject(code) = fate {
        return Err(ApiError::new(code, "Order rejected."));
    }
    let market = call.market;
    let floor = call.exchange.floor_mut(market);
    floor.refuse_while_lost(request.instrument)?;
    let id = floor
        .venue
        .place(call.now, &request, &mut floor.outputs)
        .map_err(|rejection| ApiError::of(rejection, market))?;
    match fate {
        OrderFate::AckLost => Err(lost()),
        OrderFate::Unknown503 => Err(ApiError::unknown_503()),
        OrderFate::Unknown1007 => Err(ApiError::timeout()),
        OrderFate::Normal | OrderFate::Reject(_) => {
            Ok(*floor.venue.order(id).expect("just placed"))
        }
    }
}

/// Marks an answer that must not be sent at all (fault `ack-lost`).
fn lost() -> ApiError {
    ApiError::new(0, "").with_status(0)
}

/// True for an answer that must not be sent.
#[must_use]
pub fn is_lost(error: &ApiError) -> bool {
    error.status == 0
}

/// `POST …/order/test`: everything is checked, nothing is placed.
///
/// # Errors
/// As [`place`].
pub fn test(call: &mut Call<'_>) -> Answer {
    let request = parse_place(call)?;
    let market = call.market;
    let venue = &call.exchange.floor(market).venue;
    venue
        .check(&request)
        .map_err(|rejection| ApiError::of(rejection, market))?;
    match market {
        Market::UsdM => {
            let order = Order::accepted(call.now, 0, &request);
            Ok(one(call, &order, Form::Action))
        }
        Market::Spot => Ok(super::spot_trading::tested(call)),
    }
}

/// `PUT …/order`, `order.modify`.
///
/// # Errors
/// -2013, -5027 and those of the filters.
pub fn modify(call: &mut Call<'_>) -> Answer {
    let order = find(call)?;
    let instrument = call.instrument()?;
    if call.params.get("side").is_some() && side_of(call)? != order.request.side {
        return Err(ApiError::invalid("side"));
    }
    let word = price_match(call, order.request.order_type)?;
    let price = match word {
        "" => price_of(call, "price", &instrument)?,
        word => matched_price(call, word, order.request.side, &instrument)?,
    };
    let quantity = quantity_of(call, &instrument)?;
    let market = call.market;
    let floor = call.exchange.floor_mut(market);
    floor.refuse_while_lost(instrument.id)?;
    let changed = floor
        .venue
        .modify(call.now, order.id, price, quantity, &mut floor.outputs)
        .map_err(|rejection| match rejection {
            Rejection::UnknownOrder => ApiError::new(-2013, "Order does not exist."),
            other => ApiError::of(other, market),
        })?;
    Ok(one(call, &changed, Form::Action))
}

/// `DELETE …/order`, `order.cancel`.
///
/// # Errors
/// -2011 when nothing open has this id.
pub fn cancel(call: &mut Call<'_>) -> Answer {
    if call.market == Market::Spot {
        return super::spot_trading::cancel(call);
    }
    let market = call.market;
    let unknown = || ApiError::of(Rejection::UnknownOrder, market);
    let order = find(call).map_err(|error| match error.code {
        -2013 => unknown(),
        _ => error,
    })?;
    let floor = call.exchange.floor_mut(market);
    let ended = floor
        .venue
        .cancel(call.now, order.id, &mut floor.outputs)
        .map_err(|_| unknown())?;
    Ok(one(call, &ended, Form::Action))
}

/// `DELETE …/allOpenOrders`.
///
/// # Errors
/// -1102, -1121.
pub fn cancel_all(call: &mut Call<'_>) -> Answer {
    if call.market == Market::Spot {
        return super::spot_trading::cancel_all(call);
    }
    let instrument = call.instrument()?;
    let (market, now) = (call.market, call.now);
    let floor = call.exchange.floor_mut(market);
    let open: Vec<_> = floor
        .venue
        .open_orders(instrument.id)
        .map(|order| order.id)
        .collect();
    for id in open {
        let order = floor.venue.cancel(now, id, &mut floor.outputs);
        order.expect("listed as open");
    }
    Ok(br#"{"code":200,"msg":"The operation of cancel all open order is done."}"#.to_vec())
}

/// `POST …/countdownCancelAll`: starts, renews or ends (0) the countdown of a symbol.
///
/// # Errors
/// -1102, -1121.
pub fn countdown(call: &mut Call<'_>) -> Answer {
    let instrument = call.instrument()?;
    let text = call.params.require("countdownTime")?;
    let time_ms = call
        .params
        .integer("countdownTime")?
        .filter(|time| *time >= 0);
    let time_ms = time_ms.ok_or_else(|| ApiError::mandatory("countdownTime"))?;
    let mut out = Vec::new();
    let mut json = JsonText::new(&mut out);
    json.open();
    json.text("symbol", instrument.symbol.as_bytes());
    json.text("countdownTime", text.as_bytes());
    json.close();
    let at_ns = call
        .exchange
        .clock
        .now_ns()
        .saturating_add(time_ms.saturating_mul(1_000_000));
    let market = call.market;
    let floor = call.exchange.floor_mut(market);
    floor.set_countdown(instrument.id, (time_ms > 0).then_some(at_ns));
    Ok(out)
}

/// The order that `orderId` or `origClientOrderId` names; `orderId` wins.
pub(super) fn find(call: &Call<'_>) -> Result<Order, ApiError> {
    find_named(call, "orderId", "origClientOrderId")
}

/// As [`find`], by other parameters.
pub(super) fn find_named(
    call: &Call<'_>,
    id_name: &str,
    client_name: &str,
) -> Result<Order, ApiError> {
    let instrument = call.instrument()?;
    let venue = &call.exchange.floor(call.market).venue;
    let found = if let Some(id) = call.params.integer(id_name)? {
        venue.order(ExchangeOrderId(id.unsigned_abs()))
    } else if let Some(id) = call.params.get(client_name) {
        ClientOrderId::new(id.as_bytes()).and_then(|id| venue.order_by_client(&id))
    } else {
        return Err(ApiError::new(
            -1102,
            format!("Param '{client_name}' or '{id_name}' must be sent, but both were empty/null!"),
        ));
    };
    found
        .filter(|order| order.request.instrument == instrument.id)
        .copied()
        .ok_or_else(|| ApiError::new(-2013, "Order does not exist."))
}

pub(super) fn one(call: &Call<'_>, order: &Order, form: Form) -> Vec<u8> {
    let mut out = Vec::with_capacity(640);
    write(call, &mut JsonText::new(&mut out), order, form);
    out
}

/// The answer to a new spot order.
pub(super) fn spot_placed(call: &Call<'_>, order: &Order) -> Vec<u8> {
    let mut out = Vec::with_capacity(640);
    spot_placed_into(call, &mut JsonText::new(&mut out), order);
    out
}

/// A new spot order as `newOrderRespType` asks; FULL is the default of LIMIT and MARKET, RESULT
/// that of lists, ACK that of all others.
pub(super) fn spot_placed_into(call: &Call<'_>, json: &mut JsonText<'_>, order: &Order) {
    let venue = &call.exchange.spot.venue;
    let request = &order.request;
    let instrument = &venue.instruments()[usize::from(request.instrument.0)];
    let word = order_object::spot_type(
        request.order_type,
        request.time_in_force,
        request.options.stop,
    );
    let default = match (order.standing.list, word) {
        (Some(_), _) => "RESULT",
        (None, "LIMIT" | "MARKET") => "FULL",
        (None, _) => "ACK",
    };
    let kind = call.params.get("newOrderRespType").unwrap_or(default);
    if kind == "ACK" {
        json.open();
        json.text("symbol", instrument.symbol.as_bytes());
        json.id("orderId", order.id.0);
        order_object::list_id(json, order);
        json.text("clientOrderId", order.request.client_order_id.as_bytes());
        json.integer("transactTime", order.updated.0);
        json.close();
        return;
    }
    let fills: Vec<_> = venue
        .fills()
        .filter(|fill| fill.order_id == order.id)
        .copied()
        .collect();
    let listed = (kind == "FULL").then_some(fills.as_slice());
    order_object::spot_placed(json, instrument, order, listed);
}

/// The client's name of a cancel, or one of the exchange's making.
pub(super) fn cancel_id(call: &Call<'_>) -> Result<ClientOrderId, ApiError> {
    super::order_parse::client_order_id(call, "newClientOrderId")
}

pub(super) fn list(call: &Call<'_>, orders: &[Order], form: Form) -> Vec<u8> {
    let mut out = Vec::new();
    let mut json = JsonText::new(&mut out);
    json.open_array();
    for order in orders {
        write(call, &mut json, order, form);
    }
    json.close_list();
    out
}

fn write(call: &Call<'_>, json: &mut JsonText<'_>, order: &Order, form: Form) {
    let venue = &call.exchange.floor(call.market).venue;
    let instrument = &venue.instruments()[usize::from(order.request.instrument.0)];
    match call.market {
        Market::UsdM => {
            let average_e8 = venue.average_price_e8(order);
            order_object::futures(json, instrument, order, average_e8, form);
        }
        Market::Spot => order_object::spot(json, instrument, order),
    }
}

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
use super::order_parse::{parse_place, price_of, quantity_of, side_of};
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
    let price = price_of(call, "price", &instrument)?;
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
    let instrument = call.instrument()?;
    let (market, now) = (call.market, call.now);
    let floor = call.exchange.floor_mut(market);
    let open: Vec<_> = floor
        .venue
        .open_orders(instrument.id)
        .map(|order| order.id)
        .collect();
    let mut ended = Vec::with_capacity(open.len());
    for id in open {
        let order = floor.venue.cancel(now, id, &mut floor.outputs);
        ended.push(order.expect("listed as open"));
    }

    if market == Market::Spot {
        return if ended.is_empty() {
            Err(ApiError::of(Rejection::UnknownOrder, market))
        } else {
            Ok(list(call, &ended, Form::Action))
        };
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

/// The answer to a new spot order, as `newOrderRespType` asks; FULL is the default.
pub(super) fn spot_placed(call: &Call<'_>, order: &Order) -> Vec<u8> {
    let venue = &call.exchange.spot.venue;
    let instrument = &venue.instruments()[usize::from(order.request.instrument.0)];
    let kind = call.params.get("newOrderRespType").unwrap_or("FULL");
    let mut out = Vec::with_capacity(640);
    let mut json = JsonText::new(&mut out);
    if kind == "ACK" {
        json.open();
        json.text("symbol", instrument.symbol.as_bytes());
        json.id("orderId", order.id.0);
        json.integer("orderListId", -1);
        json.text("clientOrderId", order.request.client_order_id.as_bytes());
        json.integer("transactTime", order.updated.0);
        json.close();
        return out;
    }
    let fills: Vec<_> = venue
        .fills()
        .filter(|fill| fill.order_id == order.id)
        .copied()
        .collect();
    let listed = (kind == "FULL").then_some(fills.as_slice());
    order_object::spot_placed(&mut json, instrument, order, listed);
    out
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
        Market::Spot => order_object::spot(json, instrument, order, form),
    }
}

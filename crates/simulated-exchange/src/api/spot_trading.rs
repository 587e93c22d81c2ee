//! What only spot orders have: replaced in one call, made smaller in place, tested for fees.
//!
//! In: a checked call. Out: order objects. Never: a futures order.

use binance::encode::JsonText;
use market::{ClientOrderId, ExchangeOrderId, Market, OrderState};
use matching::{Order, Rejection};

use super::endpoint::{Answer, Call};
use super::error::ApiError;
use super::order_lists;
use super::order_object;
use super::order_parse::quantity_named;
use super::trading::{self, find_named, spot_placed};

/// `POST /api/v3/order/cancelReplace`, `order.cancelReplace`.
///
/// # Errors
/// -2022 (400) where nothing was done, -2021 (409) where half was.
pub fn cancel_replace(call: &mut Call<'_>) -> Answer {
    let stop = match call.params.require("cancelReplaceMode")? {
        "STOP_ON_FAILURE" => true,
        "ALLOW_FAILURE" => false,
        _ => return Err(ApiError::invalid("cancelReplaceMode")),
    };
    // A new order that cannot be read ends the whole call before anything happens.
    super::order_parse::parse_place(call)?;
    let cancel_id = super::order_parse::client_order_id(call, "cancelNewClientOrderId")?;
    let names = ("cancelOrderId", "cancelOrigClientOrderId");
    let canceled = cancel_by(call, names, cancel_id);
    let placed = match &canceled {
        Err(_) if stop => None,
        _ => Some(trading::place_order(call).map(|order| spot_placed(call, &order))),
    };
    if let Some(Err(error)) = &placed
        && trading::is_lost(error)
    {
        return Err(error.clone());
    }
    let data = both(&canceled, placed.as_ref());
    match (&canceled, &placed) {
        (Ok(_), Some(Ok(_))) => Ok(data),
        (Err(_), Some(Err(_)) | None) => Err(failure(-2022, "failed", 400, data)),
        _ => Err(failure(-2021, "partially failed", 409, data)),
    }
}

fn failure(code: i64, how: &str, status: u16, data: Vec<u8>) -> ApiError {
    let mut error = ApiError::new(code, format!("Order cancel-replace {how}.")).with_status(status);
    error.data = Some(data);
    error
}

fn both(canceled: &Answer, placed: Option<&Answer>) -> Vec<u8> {
    let word = |answer: Option<&Answer>| match answer {
        None => "NOT_ATTEMPTED",
        Some(Ok(_)) => "SUCCESS",
        Some(Err(_)) => "FAILURE",
    };
    let text = |answer: Option<&Answer>| match answer {
        None => b"null".to_vec(),
        Some(Ok(text)) => text.clone(),
        Some(Err(error)) => error.body(),
    };
    let mut out = Vec::with_capacity(1_024);
    let mut json = JsonText::new(&mut out);
    json.open();
    json.text("cancelResult", word(Some(canceled)).as_bytes());
    json.text("newOrderResult", word(placed).as_bytes());
    json.raw("cancelResponse", &text(Some(canceled)));
    json.raw("newOrderResponse", &text(placed));
    json.close();
    out
}

/// `DELETE /api/v3/order`, `order.cancel`: an order of a list ends with the whole list, and the
/// list is the answer.
///
/// # Errors
/// -2011 when nothing open has this id, or it is not what `cancelRestrictions` wants; -1145.
pub fn cancel(call: &mut Call<'_>) -> Answer {
    let cancel_id = trading::cancel_id(call)?;
    cancel_by(call, ("orderId", "origClientOrderId"), cancel_id)
}

/// `DELETE /api/v3/openOrders`, `openOrders.cancelAll`.
///
/// # Errors
/// -1102, -1121; -2011 when nothing is open.
pub fn cancel_all(call: &mut Call<'_>) -> Answer {
    let instrument = call.instrument()?;
    let cancel_id = trading::cancel_id(call)?;
    let (now, floor) = (call.now, &mut call.exchange.spot);
    let open = floor.venue.open_orders(instrument.id);
    let mut open: Vec<_> = open.map(|order| (order.id, order.standing.list)).collect();
    open.sort_unstable();
    floor.venue.name_cancel(Some(cancel_id));
    for (id, _) in &open {
        // Orders of a list have ended with the first of it.
        let _ = floor.venue.cancel(now, *id, &mut floor.outputs);
    }
    floor.venue.name_cancel(None);
    if open.is_empty() {
        return Err(ApiError::of(Rejection::UnknownOrder, Market::Spot));
    }
    let mut out = Vec::new();
    let mut json = JsonText::new(&mut out);
    json.open_array();
    let mut told = Vec::new();
    for (id, list) in open {
        if list.is_some_and(|list| told.contains(&list)) {
            continue;
        }
        told.extend(list);
        write_canceled(call, &mut json, id, &cancel_id);
    }
    json.close_list();
    Ok(out)
}

/// An order that was cancelled, or the list that ended with it.
fn write_canceled(
    call: &Call<'_>,
    json: &mut JsonText<'_>,
    id: ExchangeOrderId,
    cancel_id: &ClientOrderId,
) {
    let venue = &call.exchange.spot.venue;
    let order = venue.order(id).expect("it has just ended");
    let list = order.standing.list.and_then(|list| venue.list(list));
    if let Some(list) = list {
        order_lists::write_canceled(call, json, list, cancel_id);
        return;
    }
    let instrument = &venue.instruments()[usize::from(order.request.instrument.0)];
    order_object::spot_canceled(json, instrument, order, cancel_id.as_str());
}

fn cancel_by(
    call: &mut Call<'_>,
    (id_name, client_name): (&str, &str),
    cancel_id: ClientOrderId,
) -> Answer {
    let unknown = || ApiError::of(Rejection::UnknownOrder, Market::Spot);
    let restriction = match call.params.get("cancelRestrictions") {
        None => None,
        Some("ONLY_NEW") => Some(OrderState::Accepted),
        Some("ONLY_PARTIALLY_FILLED") => Some(OrderState::PartiallyFilled),
        Some(_) => return Err(ApiError::new(-1145, "Invalid cancelRestrictions")),
    };
    let order = find_named(call, id_name, client_name).map_err(|error| match error.code {
        -2013 => unknown(),
        _ => error,
    })?;
    let open = !order.state.is_final();
    if restriction.is_some_and(|state| open && order.state != state) {
        return Err(ApiError::new(
            -2011,
            "Order was not canceled due to cancel restrictions.",
        ));
    }
    let floor = &mut call.exchange.spot;
    floor.venue.name_cancel(Some(cancel_id));
    let ended = floor.venue.cancel(call.now, order.id, &mut floor.outputs);
    floor.venue.name_cancel(None);
    ended.map_err(|_| unknown())?;
    let mut out = Vec::with_capacity(640);
    write_canceled(call, &mut JsonText::new(&mut out), order.id, &cancel_id);
    Ok(out)
}

/// `PUT /api/v3/order/amend/keepPriority`, `order.amend.keepPriority`.
///
/// # Errors
/// -2013, -2038 where the quantity does not become smaller, those of the filters.
pub fn amend(call: &mut Call<'_>) -> Answer {
    let order = find_named(call, "orderId", "origClientOrderId")?;
    let instrument = call.instrument()?;
    let quantity = quantity_named(call, "newQty", &instrument)?;
    let client_id = super::order_parse::client_order_id(call, "newClientOrderId")?;
    let before = order.request.client_order_id;
    let floor = &mut call.exchange.spot;
    let changed: Order = floor
        .venue
        .shrink(call.now, order.id, quantity, client_id, &mut floor.outputs)
        .map_err(|rejection| match rejection {
            Rejection::UnknownOrder => ApiError::new(-2013, "Order does not exist."),
            other => ApiError::of(other, Market::Spot),
        })?;
    let mut out = Vec::with_capacity(640);
    let mut json = JsonText::new(&mut out);
    json.open();
    json.integer("transactTime", call.now.0);
    json.id("executionId", changed.id.0);
    json.open_member("amendedOrder");
    order_object::spot_amended(&mut json, &instrument, &changed, &before);
    json.close();
    let list = changed.standing.list;
    let list = list.and_then(|list| call.exchange.spot.venue.list(list));
    if let Some(list) = list {
        json.open_member("listStatus");
        order_lists::members(call, &mut json, list, None);
        json.close();
    }
    json.close();
    Ok(out)
}

/// `GET /api/v3/myPreventedMatches`, `myPreventedMatches`.
///
/// # Errors
/// -1102 without an id, -1121.
pub fn prevented_matches(call: &mut Call<'_>) -> Answer {
    let instrument = call.instrument()?;
    let id = call.params.integer("preventedMatchId")?;
    let order = call.params.integer("orderId")?;
    if id.is_none() && order.is_none() {
        return Err(ApiError::new(
            -1102,
            "Param 'preventedMatchId' or 'orderId' must be sent, but both were empty/null!",
        ));
    }
    let from = call.params.integer("fromPreventedMatchId")?.unwrap_or(0);
    let limit = super::order_queries::limit(call)?;
    let is = |asked: Option<i64>, known: u64| asked.is_none_or(|id| id.unsigned_abs() == known);
    let venue = &call.exchange.spot.venue;
    let asked = venue.prevented().filter(|one| {
        one.instrument == instrument.id
            && is(id, one.id)
            && (is(order, one.taker.0) || is(order, one.maker.0))
            && one.id >= from.unsigned_abs()
    });
    let mut out = Vec::new();
    let mut json = JsonText::new(&mut out);
    json.open_array();
    for one in asked.take(limit) {
        json.open();
        json.text("symbol", instrument.symbol.as_bytes());
        json.id("preventedMatchId", one.id);
        json.id("takerOrderId", one.taker.0);
        json.text("makerSymbol", instrument.symbol.as_bytes());
        json.id("makerOrderId", one.maker.0);
        json.integer("tradeGroupId", -1);
        json.text("selfTradePreventionMode", one.mode.as_str().as_bytes());
        order_object::price(&mut json, "price", &instrument, one.price);
        for (name, quantity) in [
            ("takerPreventedQuantity", one.taker_quantity),
            ("makerPreventedQuantity", one.maker_quantity),
        ] {
            if !quantity.is_zero() {
                order_object::quantity(&mut json, name, &instrument, quantity);
            }
        }
        json.integer("transactTime", one.time.0);
        json.close();
    }
    json.close_list();
    Ok(out)
}

/// `GET /api/v3/myAllocations`, `myAllocations`: orders are not routed, so that nothing is
/// allocated.
///
/// # Errors
/// -1102, -1121.
pub fn allocations(call: &mut Call<'_>) -> Answer {
    call.instrument()?;
    Ok(b"[]".to_vec())
}

/// `GET /api/v3/order/amendments`, `order.amendments`: changes of one order, oldest first.
///
/// # Errors
/// -1102, -1121.
pub fn amendments(call: &mut Call<'_>) -> Answer {
    let instrument = call.instrument()?;
    let order = call.params.integer("orderId")?;
    let order = order.ok_or_else(|| ApiError::mandatory("orderId"))?;
    let from = call.params.integer("fromExecutionId")?.unwrap_or(0);
    let limit = super::order_queries::limit(call)?;
    let venue = &call.exchange.spot.venue;
    let asked = venue.amendments().filter(|one| {
        one.instrument == instrument.id
            && one.order.0 == order.unsigned_abs()
            && one.id >= from.unsigned_abs()
    });
    let mut out = Vec::new();
    let mut json = JsonText::new(&mut out);
    json.open_array();
    for one in asked.take(limit) {
        json.open();
        json.text("symbol", instrument.symbol.as_bytes());
        json.id("orderId", one.order.0);
        json.id("executionId", one.id);
        json.text("origClientOrderId", one.client_order_id.as_bytes());
        json.text("newClientOrderId", one.new_client_id.as_bytes());
        order_object::quantity(&mut json, "origQty", &instrument, one.quantity.0);
        order_object::quantity(&mut json, "newQty", &instrument, one.quantity.1);
        json.integer("time", one.time.0);
        json.close();
    }
    json.close_list();
    Ok(out)
}

/// The answer to a tested order: nothing, or its fees where they are asked for.
pub(super) fn tested(call: &Call<'_>) -> Vec<u8> {
    if !super::order_parse::flag(call, "computeCommissionRates") {
        return b"{}".to_vec();
    }
    let fees = call.exchange.spot.venue.account().fees;
    let mut out = Vec::new();
    let mut json = JsonText::new(&mut out);
    json.open();
    let parts = [
        ("standardCommissionForOrder", fees.maker.0, fees.taker.0),
        ("specialCommissionForOrder", 0, 0),
        ("taxCommissionForOrder", 0, 0),
    ];
    for (name, maker, taker) in parts {
        json.open_member(name);
        json.decimal("maker", maker, 8);
        json.decimal("taker", taker, 8);
        json.close();
    }
    super::spot_account::bnb_discount(&mut json);
    json.close();
    out
}

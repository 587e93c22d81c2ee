//! What only spot orders have: replaced in one call, made smaller in place, tested for fees.
//!
//! In: a checked call. Out: order objects. Never: a futures order.

use binance::encode::JsonText;
use market::Market;
use matching::{Order, Rejection};

use super::endpoint::{Answer, Call};
use super::error::ApiError;
use super::order_object::{self, Answer as Form};
use super::order_parse::quantity_named;
use super::trading::{self, find_named, one, spot_placed};

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
    let canceled = cancel_named(call);
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

fn cancel_named(call: &mut Call<'_>) -> Answer {
    let unknown = || ApiError::of(Rejection::UnknownOrder, Market::Spot);
    let order =
        find_named(call, "cancelOrderId", "cancelOrigClientOrderId").map_err(
            |error| match error.code {
                -2013 => unknown(),
                _ => error,
            },
        )?;
    let floor = &mut call.exchange.spot;
    let ended = floor
        .venue
        .cancel(call.now, order.id, &mut floor.outputs)
        .map_err(|_| unknown())?;
    Ok(one(call, &ended, Form::Action))
}

/// `PUT /api/v3/order/amend/keepPriority`, `order.amend.keepPriority`.
///
/// # Errors
/// -2013, -2038 where the quantity does not become smaller, those of the filters.
pub fn amend(call: &mut Call<'_>) -> Answer {
    let order = find_named(call, "orderId", "origClientOrderId")?;
    let instrument = call.instrument()?;
    let quantity = quantity_named(call, "newQty", &instrument)?;
    let floor = &mut call.exchange.spot;
    let changed: Order = floor
        .venue
        .shrink(call.now, order.id, quantity, &mut floor.outputs)
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
    let client_id = changed.request.client_order_id;
    json.text("symbol", instrument.symbol.as_bytes());
    json.id("orderId", changed.id.0);
    json.integer("orderListId", -1);
    json.text("origClientOrderId", client_id.as_bytes());
    json.text("clientOrderId", client_id.as_bytes());
    order_object::price(&mut json, "price", &instrument, changed.request.price);
    order_object::quantity(&mut json, "qty", &instrument, changed.request.quantity);
    order_object::quantity(&mut json, "executedQty", &instrument, changed.filled);
    json.text("preventedQty", b"0.00000000");
    json.text("quoteOrderQty", b"0.00000000");
    let spent = instrument.money(changed.filled_tick_lots);
    json.decimal("cumulativeQuoteQty", spent.0, 8);
    json.text("status", order_object::status(&changed).as_bytes());
    json.text("timeInForce", b"GTC");
    json.text("type", b"LIMIT");
    json.text("side", changed.request.side.as_str().as_bytes());
    json.integer("workingTime", changed.created.0);
    let self_trade = changed.request.options.self_trade.as_str();
    json.text("selfTradePreventionMode", self_trade.as_bytes());
    json.close();
    json.close();
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

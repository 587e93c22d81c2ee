//! What is known of orders and trades: one order, lists, changes of orders, forced orders.
//!
//! In: a checked call. Out: order objects, trades. Never: a change of anything.

use binance::encode::JsonText;
use market::{Market, OrderType};
use matching::Order;

use super::endpoint::{Answer, Call};
use super::error::ApiError;
use super::order_object::{self, Answer as Form};
use super::trading::{find, list, one};

/// A day.
const DAY_MS: i64 = 86_400_000;

/// `GET …/order`, `order.status`.
///
/// # Errors
/// -2013.
pub fn query(call: &mut Call<'_>) -> Answer {
    let order = find(call)?;
    Ok(one(call, &order, Form::Query))
}

/// `GET …/openOrder`.
///
/// # Errors
/// -2013, also for an order that is not open any more.
pub fn query_open(call: &mut Call<'_>) -> Answer {
    let order = find(call)?;
    if order.state.is_final() {
        return Err(ApiError::new(-2013, "Order does not exist."));
    }
    Ok(one(call, &order, Form::Query))
}

/// `GET …/openOrders`.
///
/// # Errors
/// -1121.
pub fn open_orders(call: &mut Call<'_>) -> Answer {
    let venue = &call.exchange.floor(call.market).venue;
    let instruments = call.instruments()?;
    let mut orders: Vec<Order> = instruments
        .iter()
        .flat_map(|instrument| venue.open_orders(instrument.id).copied())
        .collect();
    orders.sort_by_key(|order| order.id);
    Ok(list(call, &orders, Form::Query))
}

/// `GET …/allOrders`.
///
/// # Errors
/// -1102, -1121; -4165 or -1127 for too long a span of time.
pub fn all_orders(call: &mut Call<'_>) -> Answer {
    // Futures have it without a symbol, too (2026-08).
    let instruments = match call.market {
        Market::UsdM => call.instruments()?,
        Market::Spot => vec![call.instrument()?],
    };
    let from = call.params.integer("orderId")?.unwrap_or(0).unsigned_abs();
    let (start, end) = bounded_range(call)?;
    let limit = limit(call)?;
    let venue = &call.exchange.floor(call.market).venue;
    let asked = |order: &&Order| {
        let mut ids = instruments.iter().map(|one| one.id);
        ids.any(|id| id == order.request.instrument) && order.id.0 >= from
    };
    let mut orders: Vec<Order> = venue
        .orders()
        .filter(asked)
        .filter(|order| (start..=end).contains(&order.created.0))
        .copied()
        .collect();
    trim(&mut orders, limit, from > 0);
    Ok(list(call, &orders, Form::Query))
}

/// `GET …/userTrades`, `GET …/myTrades`.
///
/// # Errors
/// As [`all_orders`].
pub fn user_trades(call: &mut Call<'_>) -> Answer {
    let instrument = call.instrument()?;
    let order_id = call.params.integer("orderId")?.map(i64::unsigned_abs);
    let from = call.params.integer("fromId")?.unwrap_or(0).unsigned_abs();
    let (start, end) = bounded_range(call)?;
    let limit = limit(call)?;
    let venue = &call.exchange.floor(call.market).venue;
    let mut fills: Vec<_> = venue
        .fills()
        .filter(|fill| fill.instrument == instrument.id && fill.trade_id.0 >= from)
        .filter(|fill| order_id.is_none_or(|id| fill.order_id.0 == id))
        .filter(|fill| (start..=end).contains(&fill.time.0))
        .collect();
    trim(&mut fills, limit, from > 0 || start > 0);
    let mut out = Vec::new();
    let mut json = JsonText::new(&mut out);
    json.open_array();
    for fill in fills {
        match call.market {
            Market::UsdM => order_object::futures_fill(&mut json, &instrument, fill),
            Market::Spot => {
                let order = venue.order(fill.order_id);
                let list = order.and_then(|order| order.standing.list);
                order_object::spot_fill(&mut json, &instrument, fill, list);
            }
        }
    }
    json.close_list();
    Ok(out)
}

fn time_range(call: &Call<'_>) -> Result<(i64, i64), ApiError> {
    let start = call.params.integer("startTime")?.unwrap_or(0);
    Ok((start, call.params.integer("endTime")?.unwrap_or(i64::MAX)))
}

/// A span of time that is not longer than the exchange searches at once.
///
/// # Errors
/// -4165 over seven days (futures), -1127 over one (spot).
pub(super) fn bounded_range(call: &Call<'_>) -> Result<(i64, i64), ApiError> {
    let (start, end) = time_range(call)?;
    let is_given = ["startTime", "endTime"]
        .into_iter()
        .all(|name| call.params.get(name).is_some());
    let (longest, code, message) = match call.market {
        Market::UsdM => (7 * DAY_MS, -4165, "Maximum time interval is 7 days"),
        Market::Spot => (
            DAY_MS,
            -1127,
            "More than 24 hours between startTime and endTime.",
        ),
    };
    if is_given && end.saturating_sub(start) > longest {
        return Err(ApiError::new(code, message));
    }
    Ok((start, end))
}

pub(super) fn limit(call: &Call<'_>) -> Result<usize, ApiError> {
    super::market_data::limit(call, 500, 1_000)
}

/// The newest rows, or the oldest behind a given id.
pub(super) fn trim<T>(rows: &mut Vec<T>, limit: usize, from_id: bool) {
    if from_id {
        rows.truncate(limit);
    } else if rows.len() > limit {
        rows.drain(..rows.len() - limit);
    }
}

/// `GET …/forceOrders`: orders that the exchange made to liquidate or deleverage.
///
/// # Errors
/// -1121, -1130 for an unknown kind.
pub fn forced(call: &mut Call<'_>) -> Answer {
    let instruments = call.instruments()?;
    let prefixes: &[&str] = match call.params.get("autoCloseType") {
        None => &["autoclose-", "adl_autoclose"],
        Some("LIQUIDATION") => &["autoclose-"],
        Some("ADL") => &["adl_autoclose"],
        Some(_) => return Err(ApiError::invalid("autoCloseType")),
    };
    let (start, end) = time_range(call)?;
    let most = call.params.integer("limit")?.unwrap_or(50).clamp(1, 100) as usize;
    let venue = &call.exchange.floor(call.market).venue;
    let named = |order: &&Order| {
        let id = order.request.client_order_id;
        prefixes
            .iter()
            .any(|prefix| id.as_str().starts_with(prefix))
    };
    let asked = |order: &&Order| {
        let mut ids = instruments.iter().map(|one| one.id);
        order.request.order_type == OrderType::Liquidation
            && ids.any(|id| id == order.request.instrument)
            && (start..=end).contains(&order.created.0)
    };
    let mut orders: Vec<Order> = venue
        .orders()
        .filter(named)
        .filter(asked)
        .copied()
        .collect();
    trim(&mut orders, most, false);
    Ok(list(call, &orders, Form::Query))
}

/// `GET …/orderAmendment`: changes of orders, newest first.
///
/// # Errors
/// -1102, -1121.
pub fn amendments(call: &mut Call<'_>) -> Answer {
    let instrument = call.instrument()?;
    let order_id = call.params.integer("orderId")?.map(i64::unsigned_abs);
    let client_id = call.params.get("origClientOrderId");
    let (start, end) = time_range(call)?;
    let most = call.params.integer("limit")?.unwrap_or(50).clamp(1, 100) as usize;
    let venue = &call.exchange.floor(call.market).venue;
    let asked = venue.amendments().rev().filter(|one| {
        one.instrument == instrument.id
            && order_id.is_none_or(|id| id == one.order.0)
            && client_id.is_none_or(|id| id == one.client_order_id.as_str())
            && (start..=end).contains(&one.time.0)
    });
    let mut out = Vec::new();
    let mut json = JsonText::new(&mut out);
    json.open_array();
    for one in asked.take(most) {
        json.open();
        json.id("amendmentId", one.id);
        json.text("symbol", instrument.symbol.as_bytes());
        json.text("pair", instrument.symbol.as_bytes());
        json.id("orderId", one.order.0);
        json.text("clientOrderId", one.client_order_id.as_bytes());
        json.integer("time", one.time.0);
        json.open_member("amendment");
        json.open_member("price");
        order_object::price(&mut json, "before", &instrument, one.price.0);
        order_object::price(&mut json, "after", &instrument, one.price.1);
        json.close();
        json.open_member("origQty");
        order_object::quantity(&mut json, "before", &instrument, one.quantity.0);
        order_object::quantity(&mut json, "after", &instrument, one.quantity.1);
        json.close();
        json.integer("count", i64::from(one.count));
        json.close();
        json.close();
    }
    json.close_list();
    Ok(out)
}

//! Orders by request: place, modify, cancel, query, lists.
//!
//! In: a checked call. Out: order objects; private events wait in the floor's outputs. Never: an
//! order from a parameter that does not parse.

use binance::encode::JsonText;
use market::instrument::NumberError;
use market::{
    ClientOrderId, DecimalError, ExchangeOrderId, Instrument, Market, OrderState, OrderType, Price,
    Quantity, Side, TimeInForce,
};
use matching::{Order, PlaceOrder, Rejection};

use super::endpoint::{Answer, Call};
use super::error::ApiError;
use super::order_object::{self, Answer as Form};
use crate::faults::OrderFate;

/// `POST …/order`, `order.place`.
///
/// # Errors
/// Any of binance.md 5.4 that an order can meet.
pub fn place(call: &mut Call<'_>) -> Answer {
    let request = parse_place(call)?;
    let fate = call.exchange.faults.on_order();
    if let OrderFate::Reject(code) = fate {
        return Err(ApiError::new(code, "Order rejected."));
    }
    let market = call.market;
    let floor = call.exchange.floor_mut(market);
    let id = floor
        .venue
        .place(call.now, &request, &mut floor.outputs)
        .map_err(|rejection| ApiError::of(rejection, market))?;
    match fate {
        OrderFate::AckLost => Err(lost()),
        OrderFate::Unknown503 => Err(ApiError::unknown_503()),
        OrderFate::Unknown1007 => Err(ApiError::timeout()),
        OrderFate::Normal | OrderFate::Reject(_) => {
            let mut order = *call
                .exchange
                .floor(market)
                .venue
                .order(id)
                .expect("just placed");
            if market == Market::Spot {
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

/// `POST …/order/test`: the parameters are checked, nothing is placed.
///
/// # Errors
/// As [`place`], without the venue's.
pub fn test(call: &mut Call<'_>) -> Answer {
    parse_place(call)?;
    Ok(b"{}".to_vec())
}

/// `PUT …/order`, `order.modify`.
///
/// # Errors
/// -2013, -5027 and those of the filters.
pub fn modify(call: &mut Call<'_>) -> Answer {
    let order = find(call)?;
    let instrument = call.instrument()?;
    let price = price_of(call, "price", &instrument)?;
    let quantity = quantity_of(call, &instrument)?;
    let market = call.market;
    let floor = call.exchange.floor_mut(market);
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
    let orders: Vec<Order> = instruments
        .iter()
        .flat_map(|instrument| venue.open_orders(instrument.id).copied())
        .collect();
    Ok(list(call, &orders, Form::Query))
}

/// `GET …/allOrders`.
///
/// # Errors
/// -1102, -1121.
pub fn all_orders(call: &mut Call<'_>) -> Answer {
    let instrument = call.instrument()?;
    let from = call.params.integer("orderId")?.unwrap_or(0).unsigned_abs();
    let (start, end) = time_range(call)?;
    let limit = limit(call)?;
    let venue = &call.exchange.floor(call.market).venue;
    let mut orders: Vec<Order> = venue
        .orders()
        .filter(|order| order.request.instrument == instrument.id && order.id.0 >= from)
        .filter(|order| (start..=end).contains(&order.created.0))
        .copied()
        .collect();
    trim(&mut orders, limit, from > 0);
    Ok(list(call, &orders, Form::Query))
}

/// `GET …/userTrades`.
///
/// # Errors
/// -1102, -1121.
pub fn user_trades(call: &mut Call<'_>) -> Answer {
    let instrument = call.instrument()?;
    let order_id = call.params.integer("orderId")?.map(i64::unsigned_abs);
    let from = call.params.integer("fromId")?.unwrap_or(0).unsigned_abs();
    let (start, end) = time_range(call)?;
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
            Market::Spot => order_object::spot_fill(&mut json, &instrument, fill),
        }
    }
    json.close_list();
    Ok(out)
}

fn time_range(call: &Call<'_>) -> Result<(i64, i64), ApiError> {
    let start = call.params.integer("startTime")?.unwrap_or(0);
    Ok((start, call.params.integer("endTime")?.unwrap_or(i64::MAX)))
}

fn limit(call: &Call<'_>) -> Result<usize, ApiError> {
    let limit = call.params.integer("limit")?.unwrap_or(500);
    Ok(limit.clamp(1, 1_000) as usize)
}

/// The newest rows, or the oldest behind a given id.
fn trim<T>(rows: &mut Vec<T>, limit: usize, from_id: bool) {
    if from_id {
        rows.truncate(limit);
    } else if rows.len() > limit {
        rows.drain(..rows.len() - limit);
    }
}

/// The order that `orderId` or `origClientOrderId` names; `orderId` wins.
fn find(call: &Call<'_>) -> Result<Order, ApiError> {
    let instrument = call.instrument()?;
    let venue = &call.exchange.floor(call.market).venue;
    let found = if let Some(id) = call.params.integer("orderId")? {
        venue.order(ExchangeOrderId(id.unsigned_abs()))
    } else if let Some(id) = call.params.get("origClientOrderId") {
        ClientOrderId::new(id.as_bytes()).and_then(|id| venue.order_by_client(&id))
    } else {
        return Err(ApiError::new(
            -1102,
            "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!",
        ));
    };
    found
        .filter(|order| order.request.instrument == instrument.id)
        .copied()
        .ok_or_else(|| ApiError::new(-2013, "Order does not exist."))
}

fn parse_place(call: &mut Call<'_>) -> Result<PlaceOrder, ApiError> {
    let instrument = call.instrument()?;
    let side = Side::from_word(call.params.require("side")?)
        .ok_or_else(|| ApiError::new(-1117, "Invalid side."))?;
    let (order_type, time_in_force) = parse_type(call)?;
    check_position_side(call)?;
    let price = if order_type == OrderType::Limit {
        price_of(call, "price", &instrument)?
    } else {
        Price(0)
    };
    let quantity = quantity_of(call, &instrument)?;
    let reduce_only = call
        .params
        .get("reduceOnly")
        .is_some_and(|v| v.eq_ignore_ascii_case("true"));
    Ok(PlaceOrder {
        client_order_id: client_order_id(call, "newClientOrderId")?,
        instrument: instrument.id,
        side,
        order_type,
        time_in_force,
        price,
        quantity,
        reduce_only,
    })
}

fn parse_type(call: &Call<'_>) -> Result<(OrderType, TimeInForce), ApiError> {
    let word = call.params.require("type")?;
    let futures = call.market == Market::UsdM;
    match word {
        "MARKET" => Ok((OrderType::Market, TimeInForce::GoodTillCancel)),
        "LIMIT_MAKER" if !futures => Ok((OrderType::Limit, TimeInForce::PostOnly)),
        "LIMIT" => {
            let word = call.params.require("timeInForce")?;
            let lifetime = TimeInForce::from_word(word)
                .filter(|lifetime| futures || *lifetime != TimeInForce::PostOnly)
                .ok_or_else(|| ApiError::new(-1115, "Invalid timeInForce."))?;
            Ok((OrderType::Limit, lifetime))
        }
        "STOP" | "STOP_MARKET" | "TAKE_PROFIT" | "TAKE_PROFIT_MARKET" | "TRAILING_STOP_MARKET"
            if futures =>
        {
            Err(ApiError::new(
                -4120,
                "Order type not supported for this endpoint. Please use the Algo Order API \
                 endpoints instead.",
            ))
        }
        _ => Err(ApiError::new(-1116, "Invalid orderType.")),
    }
}

pub(super) fn check_position_side(call: &Call<'_>) -> Result<(), ApiError> {
    match call.params.get("positionSide") {
        None | Some("BOTH") => Ok(()),
        Some("LONG" | "SHORT") => Err(ApiError::new(
            -4061,
            "Order's position side does not match user's setting.",
        )),
        Some(_) => Err(ApiError::new(-4060, "Invalid position side.")),
    }
}

/// The client's id: `^[\.A-Z\:/a-z0-9_-]{1,36}$`, or one of the exchange's making.
pub(super) fn client_order_id(call: &Call<'_>, name: &str) -> Result<ClientOrderId, ApiError> {
    let Some(text) = call.params.get(name) else {
        let made = format!("sim{:019x}{:08x}", call.now.0, call.exchange.requests);
        return Ok(ClientOrderId::new(made.as_bytes()).expect("30 ASCII bytes"));
    };
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b".:/_-".contains(&byte);
    ClientOrderId::new(text.as_bytes())
        .filter(|_| text.bytes().all(legal))
        .ok_or_else(|| ApiError::new(-4015, "Client order id is not valid."))
}

pub(super) fn price_of(
    call: &Call<'_>,
    name: &str,
    instrument: &Instrument,
) -> Result<Price, ApiError> {
    let text = call.params.require(name)?;
    if too_precise(text, instrument.price_decimals) {
        return Err(precision());
    }
    instrument
        .price_from_text(text.as_bytes())
        .map_err(|error| match error {
            NumberError::OffGrid if call.market == Market::Spot => {
                ApiError::new(-1013, "Filter failure: PRICE_FILTER")
            }
            NumberError::OffGrid => ApiError::new(-4014, "Price not increased by tick size."),
            NumberError::Decimal(DecimalError::Sign) => ApiError::new(-4001, "Price less than 0."),
            NumberError::Decimal(_) => ApiError::mandatory(name),
        })
}

pub(super) fn quantity_of(call: &Call<'_>, instrument: &Instrument) -> Result<Quantity, ApiError> {
    let text = call.params.require("quantity")?;
    if too_precise(text, instrument.quantity_decimals) {
        return Err(precision());
    }
    instrument
        .quantity_from_text(text.as_bytes())
        .map_err(|error| match error {
            NumberError::OffGrid if call.market == Market::Spot => {
                ApiError::new(-1013, "Filter failure: LOT_SIZE")
            }
            NumberError::OffGrid => ApiError::new(-4023, "Qty not increased by step size."),
            NumberError::Decimal(DecimalError::Sign) => {
                ApiError::new(-4003, "Quantity less than or equal to zero.")
            }
            NumberError::Decimal(_) => ApiError::mandatory("quantity"),
        })
}

/// True when a text has more significant decimals than the asset.
fn too_precise(text: &str, decimals: u8) -> bool {
    let fraction = text.split_once('.').map_or("", |(_, fraction)| fraction);
    fraction.trim_end_matches('0').len() > usize::from(decimals)
}

fn precision() -> ApiError {
    ApiError::new(
        -1111,
        "Precision is over the maximum defined for this asset.",
    )
}

fn one(call: &Call<'_>, order: &Order, form: Form) -> Vec<u8> {
    let mut out = Vec::with_capacity(640);
    write(call, &mut JsonText::new(&mut out), order, form);
    out
}

/// The answer to a new spot order, as `newOrderRespType` asks; FULL is the default.
fn spot_placed(call: &Call<'_>, order: &Order) -> Vec<u8> {
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

fn list(call: &Call<'_>, orders: &[Order], form: Form) -> Vec<u8> {
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

//! Orders and fills as REST and the WebSocket API write them (binance.md 1.5).
//!
//! In: orders of the venue. Out: JSON objects. Never: a float.

use binance::encode::JsonText;
use market::decimal::TEXT_MAX;
use market::{
    ClientOrderId, Instrument, OrderState, OrderType, Price, Quantity, Side, TimeInForce,
};
use matching::{ConditionalKind, Expiry, Fill, Order, Stage, Stop};

/// The state as `status`.
#[must_use]
pub fn status(order: &Order) -> &'static str {
    if order.standing.stage == Stage::Pending && !order.state.is_final() {
        return "PENDING_NEW";
    }
    status_of(order.state, order.expiry)
}

/// The state as `status` and `X`.
#[must_use]
pub fn status_of(state: OrderState, expiry: Expiry) -> &'static str {
    match state {
        OrderState::Expired if expiry == Expiry::SelfTrade => "EXPIRED_IN_MATCH",
        OrderState::Initialized | OrderState::Submitted | OrderState::Accepted => "NEW",
        OrderState::Denied | OrderState::Rejected => "REJECTED",
        other => other.as_str(),
    }
}

/// A price member at wire precision.
pub fn price(json: &mut JsonText<'_>, name: &str, instrument: &Instrument, value: Price) {
    json.text(name, instrument.write_price(value, &mut [0; TEXT_MAX]));
}

/// A quantity member at wire precision.
pub fn quantity(json: &mut JsonText<'_>, name: &str, instrument: &Instrument, value: Quantity) {
    json.text(name, instrument.write_quantity(value, &mut [0; TEXT_MAX]));
}

/// What a futures answer is for: queries have other fields than actions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// POST, PUT, DELETE.
    Action,
    /// GET.
    Query,
}

/// A futures order.
pub fn futures(
    json: &mut JsonText<'_>,
    instrument: &Instrument,
    order: &Order,
    average_price_e8: i64,
    answer: Answer,
) {
    let request = &order.request;
    json.open();
    json.id("orderId", order.id.0);
    json.text("symbol", instrument.symbol.as_bytes());
    json.text("status", status(order).as_bytes());
    json.text("clientOrderId", request.client_order_id.as_bytes());
    price(json, "price", instrument, request.price);
    json.decimal("avgPrice", average_price_e8 / 1_000, 5);
    quantity(json, "origQty", instrument, request.quantity);
    quantity(json, "executedQty", instrument, order.filled);
    if answer == Answer::Action {
        quantity(json, "cumQty", instrument, order.filled);
    }
    json.decimal("cumQuote", instrument.money(order.filled_tick_lots).0, 8);
    let options = &request.options;
    let lifetime = match options.good_till {
        Some(_) => "GTD",
        None => request.time_in_force.as_str(),
    };
    json.text("timeInForce", lifetime.as_bytes());
    json.text("type", request.order_type.as_str().as_bytes());
    json.boolean("reduceOnly", request.reduce_only);
    json.boolean("closePosition", false);
    json.text("side", request.side.as_str().as_bytes());
    json.text("positionSide", options.position_side.as_str().as_bytes());
    json.text("stopPrice", b"0");
    json.text("workingType", b"CONTRACT_PRICE");
    json.boolean("priceProtect", false);
    json.text("origType", request.order_type.as_str().as_bytes());
    let price_match = match options.price_match {
        "" => "NONE",
        word => word,
    };
    json.text("priceMatch", price_match.as_bytes());
    let self_trade = options.self_trade.as_str();
    json.text("selfTradePreventionMode", self_trade.as_bytes());
    json.integer("goodTillDate", options.good_till.map_or(0, |at| at.0));
    if answer == Answer::Query {
        json.integer("time", order.created.0);
    }
    json.integer("updateTime", order.updated.0);
    json.close();
}

/// A spot order as a query tells it (binance.md 1.7).
pub fn spot(json: &mut JsonText<'_>, instrument: &Instrument, order: &Order) {
    json.open();
    spot_head(json, instrument, order, None);
    let stop = order.request.options.stop;
    let stop_price = stop.map_or(Price(0), |stop| stop.price);
    price(json, "stopPrice", instrument, stop_price);
    spot_trailing(json, order);
    json.text("icebergQty", b"0.00000000");
    json.integer("time", order.created.0);
    json.integer("updateTime", order.updated.0);
    json.boolean("isWorking", order.standing.working_since.0 > 0);
    json.integer("workingTime", working_time(order));
    spot_tail(json, instrument, order);
    json.close();
}

/// A spot order as its cancel tells it.
pub fn spot_canceled(
    json: &mut JsonText<'_>,
    instrument: &Instrument,
    order: &Order,
    cancel_id: &str,
) {
    json.open();
    spot_head(json, instrument, order, Some(cancel_id));
    json.integer("transactTime", order.updated.0);
    spot_stop(json, instrument, order);
    spot_tail(json, instrument, order);
    json.close();
}

/// The members of a spot order that was made smaller; `before` is the id that it had.
pub fn spot_amended(
    json: &mut JsonText<'_>,
    instrument: &Instrument,
    order: &Order,
    before: &ClientOrderId,
) {
    let request = &order.request;
    json.text("symbol", instrument.symbol.as_bytes());
    json.id("orderId", order.id.0);
    list_id(json, order);
    json.text("origClientOrderId", before.as_bytes());
    json.text("clientOrderId", request.client_order_id.as_bytes());
    price(json, "price", instrument, request.price);
    quantity(json, "qty", instrument, request.quantity);
    quantity(json, "executedQty", instrument, order.filled);
    json.text("preventedQty", b"0.00000000");
    json.decimal("quoteOrderQty", request.options.quote.0, 8);
    let spent = instrument.money(order.filled_tick_lots);
    json.decimal("cumulativeQuoteQty", spent.0, 8);
    json.text("status", status(order).as_bytes());
    let lifetime = match request.time_in_force {
        TimeInForce::PostOnly => "GTC",
        lifetime => lifetime.as_str(),
    };
    json.text("timeInForce", lifetime.as_bytes());
    let stop = request.options.stop;
    let word = spot_type(request.order_type, request.time_in_force, stop);
    json.text("type", word.as_bytes());
    json.text("side", request.side.as_str().as_bytes());
    spot_stop(json, instrument, order);
    if order.standing.working_since.0 > 0 {
        json.integer("workingTime", order.standing.working_since.0);
    }
    let self_trade = request.options.self_trade.as_str();
    json.text("selfTradePreventionMode", self_trade.as_bytes());
}

/// The type of a spot order, with what it waits for in it.
#[must_use]
pub fn spot_type(kind: OrderType, lifetime: TimeInForce, stop: Option<Stop>) -> &'static str {
    match (stop.map(|stop| stop.kind), kind, lifetime) {
        (Some(ConditionalKind::Stop), OrderType::Limit, _) => "STOP_LOSS_LIMIT",
        (Some(ConditionalKind::Stop), ..) => "STOP_LOSS",
        (Some(ConditionalKind::TakeProfit), OrderType::Limit, _) => "TAKE_PROFIT_LIMIT",
        (Some(ConditionalKind::TakeProfit), ..) => "TAKE_PROFIT",
        (None, OrderType::Limit, TimeInForce::PostOnly) => "LIMIT_MAKER",
        (None, kind, _) => kind.as_str(),
    }
}

/// When it began to work; -1 before.
fn working_time(order: &Order) -> i64 {
    match order.standing.working_since.0 {
        0 => -1,
        at => at,
    }
}

/// What an order that waits for a price has beside the others.
fn spot_stop(json: &mut JsonText<'_>, instrument: &Instrument, order: &Order) {
    if let Some(stop) = order.request.options.stop {
        if stop.price.0 > 0 {
            price(json, "stopPrice", instrument, stop.price);
        }
        spot_trailing(json, order);
    }
}

fn spot_trailing(json: &mut JsonText<'_>, order: &Order) {
    let stop = order.request.options.stop;
    let Some(stop) = stop.filter(|stop| stop.trailing_bips > 0) else {
        return;
    };
    json.integer("trailingDelta", i64::from(stop.trailing_bips));
    let since = match order.standing.trailing_since.0 {
        0 => -1,
        at => at,
    };
    json.integer("trailingTime", since);
}

/// What stands last in every spot order object.
fn spot_tail(json: &mut JsonText<'_>, instrument: &Instrument, order: &Order) {
    let options = &order.request.options;
    json.decimal("origQuoteOrderQty", options.quote.0, 8);
    let (id, kind) = options.strategy;
    for (name, number) in [("strategyId", id), ("strategyType", kind)] {
        if let Some(number) = number {
            json.integer(name, number);
        }
    }
    json.text(
        "selfTradePreventionMode",
        options.self_trade.as_str().as_bytes(),
    );
    if let Some(id) = order.standing.prevented {
        json.id("preventedMatchId", id);
        quantity(json, "preventedQuantity", instrument, order.remaining());
    }
}

/// The answer to a new spot order: ACK, RESULT or FULL; FULL lists the fills.
pub fn spot_placed(
    json: &mut JsonText<'_>,
    instrument: &Instrument,
    order: &Order,
    fills: Option<&[Fill]>,
) {
    json.open();
    spot_head(json, instrument, order, None);
    json.integer("transactTime", order.updated.0);
    spot_stop(json, instrument, order);
    json.integer("workingTime", working_time(order));
    spot_tail(json, instrument, order);
    if let Some(fills) = fills {
        json.open_list("fills");
        for fill in fills {
            json.open();
            price(json, "price", instrument, fill.price);
            quantity(json, "qty", instrument, fill.quantity);
            json.decimal("commission", fill.commission.0, 8);
            json.text("commissionAsset", fill.commission_asset.as_bytes());
            json.id("tradeId", fill.trade_id.0);
            json.close();
        }
        json.close_list();
    }
    json.close();
}

/// `orderListId`; -1 for an order of none.
pub fn list_id(json: &mut JsonText<'_>, order: &Order) {
    match order.standing.list {
        None => json.integer("orderListId", -1),
        Some(list) => json.id("orderListId", list),
    };
}

fn spot_head(
    json: &mut JsonText<'_>,
    instrument: &Instrument,
    order: &Order,
    cancel_id: Option<&str>,
) {
    let request = &order.request;
    let (kind, lifetime) = (request.order_type, request.time_in_force);
    let word = spot_type(kind, lifetime, request.options.stop);
    let lifetime = match lifetime {
        TimeInForce::PostOnly => "GTC",
        lifetime => lifetime.as_str(),
    };
    json.text("symbol", instrument.symbol.as_bytes());
    json.id("orderId", order.id.0);
    list_id(json, order);
    if let Some(cancel_id) = cancel_id {
        json.text("origClientOrderId", request.client_order_id.as_bytes());
        json.text("clientOrderId", cancel_id.as_bytes());
    } else {
        json.text("clientOrderId", request.client_order_id.as_bytes());
    }
    price(json, "price", instrument, request.price);
    quantity(json, "origQty", instrument, request.quantity);
    quantity(json, "executedQty", instrument, order.filled);
    json.decimal(
        "cummulativeQuoteQty",
        instrument.money(order.filled_tick_lots).0,
        8,
    );
    json.text("status", status(order).as_bytes());
    json.text("timeInForce", lifetime.as_bytes());
    json.text("type", word.as_bytes());
    json.text("side", request.side.as_str().as_bytes());
}

/// A row of `myTrades`; `list` is the list that its order belongs to.
pub fn spot_fill(json: &mut JsonText<'_>, instrument: &Instrument, fill: &Fill, list: Option<u64>) {
    json.open();
    json.text("symbol", instrument.symbol.as_bytes());
    json.id("id", fill.trade_id.0);
    json.id("orderId", fill.order_id.0);
    match list {
        None => json.integer("orderListId", -1),
        Some(list) => json.id("orderListId", list),
    };
    price(json, "price", instrument, fill.price);
    quantity(json, "qty", instrument, fill.quantity);
    json.decimal(
        "quoteQty",
        instrument.notional(fill.price, fill.quantity).0,
        8,
    );
    json.decimal("commission", fill.commission.0, 8);
    json.text("commissionAsset", fill.commission_asset.as_bytes());
    json.integer("time", fill.time.0);
    json.boolean("isBuyer", fill.side == Side::Buy);
    json.boolean("isMaker", fill.liquidity == market::Liquidity::Maker);
    json.boolean("isBestMatch", true);
    json.close();
}

/// A row of `userTrades`.
pub fn futures_fill(json: &mut JsonText<'_>, instrument: &Instrument, fill: &Fill) {
    let maker = fill.liquidity == market::Liquidity::Maker;
    json.open();
    json.text("symbol", instrument.symbol.as_bytes());
    json.id("id", fill.trade_id.0);
    json.id("orderId", fill.order_id.0);
    json.text("side", fill.side.as_str().as_bytes());
    price(json, "price", instrument, fill.price);
    quantity(json, "qty", instrument, fill.quantity);
    json.decimal("realizedPnl", fill.realized.0, 8);
    json.decimal(
        "quoteQty",
        instrument.notional(fill.price, fill.quantity).0,
        8,
    );
    json.decimal("commission", fill.commission.0, 8);
    json.text("commissionAsset", fill.commission_asset.as_bytes());
    json.integer("time", fill.time.0);
    json.text("positionSide", fill.position_side.as_str().as_bytes());
    json.boolean("maker", maker);
    json.boolean("buyer", fill.side == Side::Buy);
    json.close();
}

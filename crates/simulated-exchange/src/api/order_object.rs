//! Orders and fills as REST and the WebSocket API write them (binance.md 1.5).
//!
//! In: orders of the venue. Out: JSON objects. Never: a float.

use binance::encode::JsonText;
use market::decimal::TEXT_MAX;
use market::{Instrument, OrderState, OrderType, Price, Quantity, Side, TimeInForce};
use matching::{Expiry, Fill, Order};

/// The state as `status`.
#[must_use]
pub fn status(order: &Order) -> &'static str {
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

/// A spot order as a query, or a cancel, tells it (binance.md 1.7).
pub fn spot(json: &mut JsonText<'_>, instrument: &Instrument, order: &Order, answer: Answer) {
    json.open();
    spot_head(json, instrument, order, answer);
    if answer == Answer::Query {
        json.text("stopPrice", b"0.00000000");
        json.text("icebergQty", b"0.00000000");
        json.integer("time", order.created.0);
        json.integer("updateTime", order.updated.0);
        json.boolean("isWorking", true);
        json.text("origQuoteOrderQty", b"0.00000000");
    } else {
        json.integer("transactTime", order.updated.0);
    }
    json.integer("workingTime", order.created.0);
    let self_trade = order.request.options.self_trade.as_str();
    json.text("selfTradePreventionMode", self_trade.as_bytes());
    json.close();
}

/// The answer to a new spot order: ACK, RESULT or FULL; FULL lists the fills.
pub fn spot_placed(
    json: &mut JsonText<'_>,
    instrument: &Instrument,
    order: &Order,
    fills: Option<&[Fill]>,
) {
    json.open();
    spot_head(json, instrument, order, Answer::Query);
    json.integer("transactTime", order.updated.0);
    json.text("origQuoteOrderQty", b"0.00000000");
    json.integer("workingTime", order.created.0);
    let self_trade = order.request.options.self_trade.as_str();
    json.text("selfTradePreventionMode", self_trade.as_bytes());
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

fn spot_head(json: &mut JsonText<'_>, instrument: &Instrument, order: &Order, answer: Answer) {
    let request = &order.request;
    let (kind, lifetime) = match (request.order_type, request.time_in_force) {
        (OrderType::Limit, TimeInForce::PostOnly) => ("LIMIT_MAKER", "GTC"),
        (kind, lifetime) => (kind.as_str(), lifetime.as_str()),
    };
    json.text("symbol", instrument.symbol.as_bytes());
    json.id("orderId", order.id.0);
    json.integer("orderListId", -1);
    if answer == Answer::Action {
        json.text("origClientOrderId", request.client_order_id.as_bytes());
        json.text("clientOrderId", b"cancel");
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
    json.text("type", kind.as_bytes());
    json.text("side", request.side.as_str().as_bytes());
}

/// A row of `myTrades`.
pub fn spot_fill(json: &mut JsonText<'_>, instrument: &Instrument, fill: &Fill) {
    json.open();
    json.text("symbol", instrument.symbol.as_bytes());
    json.id("id", fill.trade_id.0);
    json.id("orderId", fill.order_id.0);
    json.integer("orderListId", -1);
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

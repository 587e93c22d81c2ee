//! Entries of the exchange's lists.
//!
//! In: an order of ours, a trade's numbers. Out: the report that a list would have. Never: a check.

use super::rig::ID;
use market::account::OpenOrderReport;
use market::ids::Asset;
use market::{
    ExchangeOrderId, Liquidity, Money, NewOrder, OrderState, Price, Quantity, Side, TradeId,
    TradeReport, UtcMs,
};

/// An open order as it was sent, with nothing filled.
pub(super) fn report(order: &NewOrder, exchange_id: u64) -> OpenOrderReport {
    OpenOrderReport {
        instrument: ID,
        client_order_id: order.client_order_id,
        exchange_order_id: ExchangeOrderId(exchange_id),
        state: OrderState::Accepted,
        side: order.side,
        order_type: order.order_type,
        time_in_force: order.time_in_force,
        reduce_only: order.reduce_only,
        price: order.price,
        quantity: order.quantity,
        cumulative_quantity: Quantity(0),
    }
}

/// A trade of the order with this exchange id.
pub(super) fn trade(id: u64, order: u64, side: Side, lots: i64, price: i64) -> TradeReport {
    TradeReport {
        instrument: ID,
        trade_id: TradeId(id),
        exchange_order_id: ExchangeOrderId(order),
        side,
        price: Price(price),
        quantity: Quantity(lots),
        liquidity: Liquidity::Maker,
        commission: Money(777),
        commission_asset: Asset::new(b"USDT").unwrap(),
        transaction_time: UtcMs(1_700_000_000_500),
    }
}

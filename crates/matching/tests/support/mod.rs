//! A futures venue of two instruments with books of a few levels.
//!
//! In: prices in cents, quantities in thousandths. Out: the venue after what was done. Never: a
//! check of its own.
#![allow(dead_code, reason = "every test file uses its own part")]

use market::event::DepthHeader;
use market::{
    ClientOrderId, DepthUpdate, Execution, Filters, Instrument, InstrumentId, InstrumentStatus,
    Level, Market, Money, OrderState, OrderType, Price, Quantity, Side, Step, Symbol, TimeInForce,
    Trade, TradeId, UpdateId, UtcMs,
};
use matching::{Fees, OrderOptions, Output, PlaceOrder, Rejection, Venue, VenueConfig};

pub(crate) const BTC: InstrumentId = InstrumentId(0);
pub(crate) const ETH: InstrumentId = InstrumentId(1);
pub(crate) const NOW: UtcMs = UtcMs(1_000);

/// A decimal text in units of 1e-8.
pub(crate) fn money(text: &str) -> Money {
    Money(
        market::decimal::parse_decimal(text.as_bytes(), 8).unwrap_or_else(|_| {
            let digits = text.strip_prefix('-').expect("a decimal");
            -market::decimal::parse_decimal(digits.as_bytes(), 8).expect("a decimal")
        }),
    )
}

fn instrument(id: InstrumentId, symbol: &[u8]) -> Instrument {
    Instrument {
        id,
        market: Market::UsdM,
        symbol: Symbol::new(symbol).expect("short"),
        tick: Step::from_text(b"0.01").expect("a step"),
        lot: Step::from_text(b"0.001").expect("a step"),
        price_decimals: 2,
        quantity_decimals: 3,
        status: InstrumentStatus::Trading,
        filters: Filters {
            quantity_min: Quantity(1),
            ..Filters::NONE
        },
    }
}

pub(crate) fn venue(wallet: Money, fees: Fees) -> Venue {
    Venue::new(VenueConfig {
        instruments: vec![instrument(BTC, b"BTCUSDT"), instrument(ETH, b"ETHUSDT")],
        wallet,
        fees,
        spot: None,
        leverage: 20,
        first_order_id: 100,
        first_trade_id: 500,
    })
}

pub(crate) fn order(id: &str, of: InstrumentId, side: Side, price: i64, lots: i64) -> PlaceOrder {
    PlaceOrder {
        client_order_id: ClientOrderId::new(id.as_bytes()).expect("short"),
        instrument: of,
        side,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::GoodTillCancel,
        price: Price(price),
        quantity: Quantity(lots),
        reduce_only: false,
        options: OrderOptions::default(),
    }
}

/// A fill at a price, whatever the book says.
pub(crate) fn force(venue: &mut Venue, of: InstrumentId, side: Side, price: i64, lots: i64) {
    venue.force(
        NOW,
        &order("forced", of, side, price, lots),
        &mut Vec::new(),
    );
}

pub(crate) fn place(venue: &mut Venue, order: PlaceOrder) -> Result<Vec<Output>, Rejection> {
    let mut out = Vec::new();
    venue.place(NOW, &order, &mut out).map(|_| out)
}

/// Replaces the book: 50 lots on each side.
pub(crate) fn book(venue: &mut Venue, of: InstrumentId, bid: i64, ask: i64) {
    depth(venue, of, &[(bid, 50)], &[(ask, 500)]);
}

pub(crate) fn depth(venue: &mut Venue, of: InstrumentId, bids: &[(i64, i64)], asks: &[(i64, i64)]) {
    let levels = |levels: &[(i64, i64)]| -> Vec<Level> {
        let level = |(price, quantity): &(i64, i64)| Level {
            price: Price(*price),
            quantity: Quantity(*quantity),
        };
        levels.iter().map(level).collect()
    };
    venue.on_snapshot(of, UpdateId(10), &levels(bids), &levels(asks));
}

/// One level of each side changes.
pub(crate) fn change(
    venue: &mut Venue,
    of: InstrumentId,
    bid: (i64, i64),
    ask: (i64, i64),
    out: &mut Vec<Output>,
) {
    let level = |(price, quantity): (i64, i64)| Level {
        price: Price(price),
        quantity: Quantity(quantity),
    };
    let update = DepthUpdate {
        header: DepthHeader {
            instrument: of,
            first_update_id: UpdateId(11),
            last_update_id: UpdateId(11),
            previous_update_id: UpdateId(10),
            event_time: NOW,
            transaction_time: NOW,
        },
        bids: &[level(bid)],
        asks: &[level(ask)],
    };
    venue.on_depth(NOW, &update, out);
}

pub(crate) fn trade(
    venue: &mut Venue,
    of: InstrumentId,
    aggressor: Side,
    price: i64,
    lots: i64,
) -> Vec<Output> {
    let mut out = Vec::new();
    let trade = Trade {
        instrument: of,
        trade_id: TradeId(1),
        price: Price(price),
        quantity: Quantity(lots),
        aggressor,
        from_book: true,
        transaction_time: NOW,
        event_time: NOW,
    };
    venue.on_trade(NOW, &trade, &mut out);
    out
}

/// What the order events say: execution, state.
pub(crate) fn story(outputs: &[Output]) -> Vec<(Execution, OrderState)> {
    let told = outputs.iter().filter_map(|output| match output {
        Output::Order(event) => Some((event.update.execution, event.update.state)),
        Output::Account(_) | Output::Wallet(_) | Output::List(_) => None,
    });
    told.collect()
}

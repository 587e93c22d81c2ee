//! A futures venue of two instruments with books of a few levels.
//!
//! In: prices in cents, quantities in thousandths. Out: the venue after what was done. Never: a
//! check of its own.
#![allow(dead_code, reason = "every test file uses its own part")]

use std::collections::BTreeSet;

use market::event::DepthHeader;
use market::{
    ClientOrderId, DepthUpdate, Execution, Filters, Instrument, InstrumentId, InstrumentStatus,
    Level, Market, Money, OrderState, OrderType, Price, Quantity, Side, Step, Symbol, TimeInForce,
    Trade, TradeId, UpdateId, UtcMs,
};
use matching::{
    AccountId, AccountRecord, Fees, OrderOptions, Output, PlaceOrder, Recorded, Rejection, Venue,
    VenueConfig,
};

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

/// Another venue, which is made of the records of one alone.
pub(crate) struct Mirror {
    venue: Venue,
    recorded: Vec<Recorded>,
    told: usize,
}

impl Mirror {
    /// Begins with all that `venue` has; `empty` is one of the same instruments and market.
    pub(crate) fn of(venue: &mut Venue, mut empty: Venue, told: usize) -> Self {
        let mut recorded = Vec::new();
        for id in 0..venue.account_count() {
            let account = AccountId(id as u16);
            venue.select(account);
            if id > 0 {
                empty.open_account(venue.account().clone());
            }
            empty.select(account);
            take(&mut empty, venue.whole_record());
            recorded.push(venue.recorded());
        }
        Self {
            venue: empty,
            recorded,
            told,
        }
    }

    /// Takes what is new, as events and accounts tell it.
    pub(crate) fn follow(&mut self, venue: &mut Venue, out: &[Output]) {
        let selected = venue.selected();
        for (id, recorded) in self.recorded.iter_mut().enumerate() {
            let account = AccountId(id as u16);
            let (mut orders, mut lists) = (BTreeSet::new(), BTreeSet::new());
            let its = out[self.told..].iter();
            for output in its.filter(|output| output.account() == account) {
                match output {
                    Output::Order(event) => {
                        orders.insert(event.update.exchange_order_id.0);
                    }
                    Output::List(event) => {
                        lists.insert(event.list.id);
                    }
                    Output::Account(_) | Output::Wallet(_) => {}
                }
            }
            venue.select(account);
            self.venue.select(account);
            take(&mut self.venue, venue.record(recorded, &orders, &lists));
        }
        self.venue.set_next_ids(venue.next_ids());
        self.told = out.len();
        venue.select(selected);
    }

    /// What the first difference of an account is.
    pub(crate) fn difference(&mut self, venue: &mut Venue) -> Option<String> {
        (0..venue.account_count()).find_map(|id| {
            let account = AccountId(id as u16);
            venue.select(account);
            self.venue.select(account);
            let (one, other) = (told(venue), told(&self.venue));
            let ids = (venue.next_ids(), self.venue.next_ids());
            (one != other || ids.0 != ids.1).then(|| format!("{one}\n{other}\n{ids:?}"))
        })
    }
}

/// Everything of the selected account.
fn told(venue: &Venue) -> String {
    serde_json::to_string(&venue.whole_record()).expect("plain values")
}

/// Through a text and back.
fn take(venue: &mut Venue, record: AccountRecord) {
    let text = serde_json::to_string(&record).expect("plain values");
    let read = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    venue.absorb(read).expect("it is of this venue");
}

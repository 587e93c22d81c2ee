//! What the venue does with orders: takers, makers, ends, and the sums that must hold.
//!
//! In: short books and random sequences. Out: passes or the seed. Never: sockets.

use market::{
    ClientOrderId, DepthUpdate, Execution, Filters, Instrument, InstrumentId, InstrumentStatus,
    Level, Liquidity, Market, Money, OrderState, OrderType, Price, Quantity, Side, Step, Symbol,
    TimeInForce, Trade, TradeId, UpdateId, UtcMs, event::DepthHeader,
};
use matching::{
    Expiry, Fees, OrderOptions, Output, PlaceOrder, Rejection, SpotBalances, Venue, VenueConfig,
};
use proptest::prelude::*;

const BTC: InstrumentId = InstrumentId(0);
const NOW: UtcMs = UtcMs(1_000);

fn instrument() -> Instrument {
    Instrument {
        id: BTC,
        market: Market::UsdM,
        symbol: Symbol::new(b"BTCUSDT").expect("short"),
        tick: Step::from_text(b"0.10").expect("a step"),
        lot: Step::from_text(b"0.001").expect("a step"),
        price_decimals: 2,
        quantity_decimals: 3,
        status: InstrumentStatus::Trading,
        filters: Filters {
            quantity_min: Quantity(1),
            notional_min: Money::from_whole(1),
            open_orders_max: 3,
            ..Filters::NONE
        },
    }
}

fn levels(levels: &[(i64, i64)]) -> Vec<Level> {
    levels
        .iter()
        .map(|(price, quantity)| Level {
            price: Price(*price),
            quantity: Quantity(*quantity),
        })
        .collect()
}

/// Bids 1000 x 50, 999 x 60; asks 1001 x 50, 1002 x 60 (ticks and lots).
fn venue() -> Venue {
    let mut venue = Venue::new(VenueConfig {
        instruments: vec![instrument()],
        wallet: Money::from_whole(10_000),
        fees: Fees::FIRST_TIER,
        spot: None,
        leverage: 20,
        first_order_id: 100,
        first_trade_id: 500,
    });
    venue.on_snapshot(
        BTC,
        UpdateId(10),
        &levels(&[(1000, 50), (999, 60)]),
        &levels(&[(1001, 50), (1002, 60)]),
    );
    venue
}

fn order(id: &str, side: Side, price: i64, lots: i64) -> PlaceOrder {
    PlaceOrder {
        client_order_id: ClientOrderId::new(id.as_bytes()).expect("short"),
        instrument: BTC,
        side,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::GoodTillCancel,
        price: Price(price),
        quantity: Quantity(lots),
        reduce_only: false,
        options: OrderOptions::default(),
    }
}

fn with(tif: TimeInForce, order: PlaceOrder) -> PlaceOrder {
    PlaceOrder {
        time_in_force: tif,
        ..order
    }
}

fn depth(
    last: u64,
    bids: &[(i64, i64)],
    asks: &[(i64, i64)],
) -> (DepthHeader, Vec<Level>, Vec<Level>) {
    let header = DepthHeader {
        instrument: BTC,
        first_update_id: UpdateId(last),
        last_update_id: UpdateId(last),
        previous_update_id: UpdateId(last - 1),
        event_time: NOW,
        transaction_time: NOW,
    };
    (header, levels(bids), levels(asks))
}

fn apply(venue: &mut Venue, last: u64, bids: &[(i64, i64)], asks: &[(i64, i64)]) -> Vec<Output> {
    let (header, bids, asks) = depth(last, bids, asks);
    let mut out = Vec::new();
    let update = DepthUpdate {
        header,
        bids: &bids,
        asks: &asks,
    };
    venue.on_depth(NOW, &update, &mut out);
    out
}

fn trade(venue: &mut Venue, aggressor: Side, price: i64, lots: i64) -> Vec<Output> {
    let mut out = Vec::new();
    let trade = Trade {
        instrument: BTC,
        trade_id: TradeId(1),
        price: Price(price),
        quantity: Quantity(lots),
        aggressor,
        from_book: true,
        transaction_time: NOW,
        event_time: NOW,
    };
    // Later than any change of the book: what comes in one moment may be one thing told twice.
    venue.on_trade(UtcMs(NOW.0 + 1), &trade, &mut out);
    out
}

fn place(venue: &mut Venue, order: PlaceOrder) -> Result<Vec<Output>, Rejection> {
    let mut out = Vec::new();
    venue.place(NOW, &order, &mut out).map(|_| out)
}

fn story(outputs: &[Output]) -> Vec<(Execution, OrderState, i64, i64)> {
    outputs
        .iter()
        .filter_map(|output| match output {
            Output::Order(event) => {
                let update = &event.update;
                let (lots, price) = (update.last_quantity.0, update.last_price.0);
                Some((update.execution, update.state, lots, price))
            }
            Output::Account(_) | Output::Wallet(_) | Output::List(_) => None,
        })
        .collect()
}

#[test]
fn a_taker_walks_the_book_and_the_rest_of_an_ioc_expires() {
    let mut venue = venue();
    let ioc = with(
        TimeInForce::ImmediateOrCancel,
        order("a", Side::Buy, 1001, 70),
    );
    let out = place(&mut venue, ioc).unwrap();
    assert_eq!(
        story(&out),
        [
            (Execution::New, OrderState::Accepted, 0, 0),
            (Execution::Trade, OrderState::PartiallyFilled, 50, 1001),
            (Execution::Expired, OrderState::Expired, 0, 0),
        ]
    );
    // The account is told before the trade that changed it.
    assert!(matches!(out[1], Output::Account(_)));
}

#[test]
fn liquidity_that_we_took_is_gone_until_the_stream_refreshes_it() {
    let mut venue = venue();
    let ioc = |id| {
        with(
            TimeInForce::ImmediateOrCancel,
            order(id, Side::Buy, 1001, 50),
        )
    };
    assert_eq!(place(&mut venue, ioc("a")).unwrap().len(), 3);
    let second = place(&mut venue, ioc("b")).unwrap();
    assert_eq!(story(&second).last().unwrap().0, Execution::Expired);
    apply(&mut venue, 11, &[], &[(1001, 50)]);
    let third = place(&mut venue, ioc("c")).unwrap();
    assert_eq!(story(&third).last().unwrap().1, OrderState::Filled);
}

#[test]
fn a_maker_fills_only_after_the_queue_ahead_of_it() {
    let mut venue = venue();
    place(&mut venue, order("a", Side::Buy, 1000, 20)).unwrap();
    assert!(trade(&mut venue, Side::Sell, 1000, 30).is_empty());
    apply(&mut venue, 11, &[(1000, 10)], &[]);
    let out = trade(&mut venue, Side::Sell, 1000, 15);
    assert_eq!(
        story(&out),
        [(Execution::Trade, OrderState::PartiallyFilled, 5, 1000)]
    );
    // A trade below our price must have passed us: the rest fills at our price.
    let out = trade(&mut venue, Side::Sell, 999, 100);
    assert_eq!(
        story(&out),
        [(Execution::Trade, OrderState::Filled, 15, 1000)]
    );
    let fill = venue.fills().last().unwrap();
    assert_eq!(fill.liquidity, Liquidity::Maker);
}

#[test]
fn our_orders_at_one_price_fill_first_in_first_out() {
    let mut venue = venue();
    place(&mut venue, order("a", Side::Buy, 1000, 20)).unwrap();
    place(&mut venue, order("b", Side::Buy, 1000, 20)).unwrap();
    let out = trade(&mut venue, Side::Sell, 1000, 75);
    assert_eq!(
        story(&out),
        [
            (Execution::Trade, OrderState::Filled, 20, 1000),
            (Execution::Trade, OrderState::PartiallyFilled, 5, 1000),
        ]
    );
}

#[test]
fn a_book_that_crosses_our_order_fills_it_as_maker() {
    let mut venue = venue();
    place(&mut venue, order("a", Side::Sell, 1003, 20)).unwrap();
    let out = apply(
        &mut venue,
        11,
        &[(1004, 30)],
        &[(1001, 0), (1002, 0), (1005, 9)],
    );
    assert_eq!(
        story(&out),
        [(Execution::Trade, OrderState::Filled, 20, 1003)]
    );
}

#[test]
fn each_refusal_leaves_no_order() {
    let mut venue = venue();
    let reduce_only = PlaceOrder {
        reduce_only: true,
        ..order("r", Side::Sell, 1001, 50)
    };
    let market = PlaceOrder {
        order_type: OrderType::Market,
        ..order("m", Side::Buy, 0, 50)
    };
    let cases = [
        (
            with(TimeInForce::PostOnly, order("x", Side::Buy, 1001, 60)),
            Rejection::PostOnlyWouldTake,
        ),
        (
            with(TimeInForce::FillOrKill, order("x", Side::Buy, 1001, 60)),
            Rejection::FillOrKillUnfillable,
        ),
        (order("x", Side::Buy, 0, 60), Rejection::PriceNotPositive),
        (
            order("x", Side::Buy, 1000, 0),
            Rejection::QuantityNotPositive,
        ),
        (
            order("x", Side::Buy, 1000, 9),
            Rejection::NotionalTooSmall(Money::from_whole(1)),
        ),
        (reduce_only, Rejection::ReduceOnly),
        (
            order("x", Side::Buy, 1000, 3_000_000),
            Rejection::MarginInsufficient,
        ),
    ];
    for (request, expected) in cases {
        assert_eq!(place(&mut venue, request), Err(expected), "{request:?}");
    }
    assert_eq!(venue.totals(), (0, 0));
    place(&mut venue, order("x", Side::Buy, 990, 60)).unwrap();
    let again = order("x", Side::Buy, 990, 60);
    assert_eq!(
        place(&mut venue, again),
        Err(Rejection::DuplicateClientOrderId)
    );
    place(&mut venue, order("y", Side::Buy, 990, 60)).unwrap();
    place(&mut venue, order("z", Side::Buy, 990, 60)).unwrap();
    assert_eq!(place(&mut venue, market), Err(Rejection::TooManyOpenOrders));
}

#[test]
fn reduce_only_orders_never_go_beyond_flat_and_expire_when_idle() {
    let mut venue = venue();
    place(&mut venue, order("entry", Side::Buy, 1001, 50)).unwrap();
    let exit = |id, price, lots| PlaceOrder {
        reduce_only: true,
        ..order(id, Side::Sell, price, lots)
    };
    place(&mut venue, exit("target", 1010, 50)).unwrap();
    let out = place(&mut venue, exit("stop", 999, 80)).unwrap();
    assert_eq!(venue.account().positions[0].quantity, Quantity::ZERO);
    let ends: Vec<_> = out
        .iter()
        .filter_map(|output| match output {
            Output::Order(event) if event.update.state == OrderState::Expired => Some((
                event.update.client_order_id.as_str().to_owned(),
                event.expiry,
            )),
            _ => None,
        })
        .collect();
    assert_eq!(
        ends,
        [
            ("target".to_owned(), Expiry::ReduceOnly),
            ("stop".to_owned(), Expiry::ReduceOnly)
        ]
    );
}

#[test]
fn an_order_that_would_meet_our_own_expires_the_resting_one() {
    let mut venue = venue();
    place(&mut venue, order("maker", Side::Sell, 1001, 50)).unwrap();
    let out = place(&mut venue, order("taker", Side::Buy, 1001, 50)).unwrap();
    assert_eq!(story(&out)[1].0, Execution::Expired);
    assert_eq!(
        story(&out)[2],
        (Execution::Trade, OrderState::Filled, 50, 1001)
    );
}

#[test]
fn spot_fees_come_out_of_what_is_received_and_orders_lock_what_they_need() {
    let mut venue = Venue::new(VenueConfig {
        instruments: vec![instrument()],
        wallet: Money::from_whole(100),
        fees: Fees::FIRST_TIER,
        spot: Some(SpotBalances {
            quote: Money::from_whole(100),
            bases: vec![Money::ZERO],
        }),
        leverage: 1,
        first_order_id: 1,
        first_trade_id: 1,
    });
    venue.on_snapshot(
        BTC,
        UpdateId(10),
        &levels(&[(1000, 50)]),
        &levels(&[(1001, 50)]),
    );
    let too_much = order("x", Side::Buy, 990, 1_020);
    assert_eq!(
        place(&mut venue, too_much),
        Err(Rejection::MarginInsufficient)
    );
    assert_eq!(
        place(&mut venue, order("x", Side::Sell, 1010, 50)),
        Err(Rejection::MarginInsufficient)
    );
    let out = place(&mut venue, order("b", Side::Buy, 1001, 50)).unwrap();
    let Output::Order(event) = out[2] else {
        panic!("{out:?}")
    };
    // 0.05 BTC less 0.05 %: the fee is in BTC.
    assert_eq!(event.update.commission, Money(2_500));
    assert_eq!(event.update.commission_asset.as_str(), "BTC");
    assert_eq!(venue.spot_base(BTC).free, Money(5_000_000 - 2_500));
    assert_eq!(
        venue.spot_quote().free,
        Money::from_whole(100) - Money(500_500_000)
    );
    place(&mut venue, order("s", Side::Sell, 1010, 40)).unwrap();
    assert_eq!(venue.spot_base(BTC).locked, Money(4_000_000));
    let out = trade(&mut venue, Side::Buy, 1011, 40);
    let Output::Order(event) = out[1] else {
        panic!("{out:?}")
    };
    assert_eq!(event.update.commission_asset.as_str(), "USDT");
    assert_eq!(venue.spot_base(BTC).locked, Money::ZERO);
}

#[test]
fn what_the_venue_does_by_itself_is_told_and_adds_up() {
    let mut venue = venue();
    place(&mut venue, order("rest", Side::Buy, 998, 20)).expect("it rests");
    let id = venue.open_orders(BTC).next().expect("one rests").id;
    let mut out = Vec::new();
    venue.fill_now(NOW, id, Quantity(5), 5, &mut out);
    assert_eq!(story(&out).len(), 5);
    assert_eq!(venue.account().positions[0].quantity, Quantity(5));
    out.clear();
    let forced = order("autoclose-1", Side::Sell, 990, 5);
    venue.force(NOW, &forced, &mut out);
    assert_eq!(venue.account().positions[0].quantity, Quantity(0));
    assert_eq!(
        story(&out).last(),
        Some(&(Execution::Trade, OrderState::Filled, 5, 990))
    );
    venue.end_now(NOW, id, OrderState::Expired, Expiry::SelfTrade, &mut out);
    assert_eq!(venue.open_orders(BTC).count(), 0);
    let before = venue.account().wallet;
    out.clear();
    venue.move_money(NOW, Money::from_whole(-7), "FUNDING_FEE", &mut out);
    assert_eq!(venue.account().wallet, before - Money::from_whole(7));
    assert!(matches!(out[..], [Output::Wallet(told)] if told.wallet == venue.account().wallet));
}

#[test]
fn a_fee_in_another_asset_leaves_the_wallet_alone() {
    let mut venue = venue();
    venue.take_fees_elsewhere(1);
    let before = venue.account().wallet;
    let out = place(&mut venue, order("take", Side::Buy, 1001, 10)).expect("it takes");
    assert_eq!(venue.account().wallet, before);
    let asset = out.iter().rev().find_map(|output| match output {
        Output::Order(event) if event.update.execution == Execution::Trade => {
            Some(event.update.commission_asset)
        }
        _ => None,
    });
    assert_eq!(asset.expect("a fill").as_str(), "BNB");
    place(&mut venue, order("next", Side::Buy, 1001, 10)).expect("it takes");
    assert!(venue.account().wallet < before);
}

#[test]
fn a_modified_order_loses_its_place_and_may_be_cancelled_by_it() {
    let mut venue = venue();
    place(&mut venue, order("a", Side::Buy, 1000, 60)).unwrap();
    trade(&mut venue, Side::Sell, 1000, 50);
    let id = venue.orders().next().unwrap().id;
    let mut out = Vec::new();
    let order = venue
        .modify(NOW, id, Price(1000), Quantity(70), &mut out)
        .unwrap();
    assert_eq!(order.queue.ahead(), 50);
    assert_eq!(
        venue.modify(NOW, id, Price(1000), Quantity(70), &mut out),
        Err(Rejection::Unchanged)
    );
    trade(&mut venue, Side::Sell, 1000, 60);
    let order = venue
        .modify(NOW, id, Price(1001), Quantity(60), &mut out)
        .unwrap();
    assert_eq!(order.state, OrderState::Filled);
}

proptest! {
    #[test]
    fn sums_hold_after_any_sequence(
        steps in prop::collection::vec((0u8..6, 985i64..1016, 1i64..120, any::<bool>()), 1..120)
    ) {
        let mut venue = venue();
        let mut outputs = Vec::new();
        let mut last = 10;
        for (number, (kind, price, lots, buy)) in steps.into_iter().enumerate() {
            let side = if buy { Side::Buy } else { Side::Sell };
            let tif = [TimeInForce::GoodTillCancel, TimeInForce::ImmediateOrCancel,
                TimeInForce::PostOnly][number % 3];
            let request = with(tif, PlaceOrder {
                reduce_only: kind == 1,
                ..order(&format!("o{number}"), side, price, lots + 49)
            });
            match kind {
                0..=2 => { let _ = venue.place(NOW, &request, &mut outputs); }
                3 => outputs.extend(trade(&mut venue, side, price, lots)),
                4 => {
                    last += 1;
                    let (bid, ask) = (price.min(1000), price.max(1001));
                    outputs.extend(apply(&mut venue, last, &[(bid, lots)], &[(ask, lots)]));
                }
                _ => {
                    let first = venue.open_orders(BTC).next().map(|order| order.id);
                    if let Some(id) = first { venue.cancel(NOW, id, &mut outputs).unwrap(); }
                }
            }
        }
        let signed: i64 = venue.fills().map(|fill| fill.side.sign() * fill.quantity.0).sum();
        let fees: Money = venue.fills().map(|fill| fill.commission).sum();
        let realized: Money = venue.fills().map(|fill| fill.realized).sum();
        let account = venue.account();
        prop_assert_eq!(account.positions[0].quantity.0, signed);
        prop_assert_eq!(account.positions[0].realized, realized);
        prop_assert_eq!(account.wallet - Money::from_whole(10_000), realized - fees);
        // Cash flow of all fills plus the cost of what is open equals what was realised, exactly.
        let cash: Money = venue.fills().map(|fill| {
            let value = instrument().notional(fill.price, fill.quantity);
            Money(-fill.side.sign() * value.0)
        }).sum();
        let open_cost = Money(account.positions[0].cost.0 * signed.signum());
        prop_assert_eq!(cash + open_cost, realized);
        for order in venue.orders() {
            let filled: i64 = venue.fills().filter(|fill| fill.order_id == order.id)
                .map(|fill| fill.quantity.0).sum();
            prop_assert_eq!(order.filled.0, filled);
            prop_assert!(order.filled <= order.request.quantity);
        }
        let ids: Vec<u64> = venue.fills().map(|fill| fill.trade_id.0).collect();
        prop_assert!(ids.windows(2).all(|pair| pair[1] == pair[0] + 1));
    }
}

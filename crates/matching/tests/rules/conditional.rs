//! Conditional orders that follow a price, end by a clock, or outlive their process.
//!
//! In: prices, times, records through a text. Out: what is due and what is known afterwards. Never:
//! a venue.

use std::collections::BTreeSet;

use market::{
    ClientOrderId, ExchangeOrderId, InstrumentId, OrderType, Price, Quantity, Rate, Side,
    TimeInForce, UtcMs,
};
use matching::{
    AccountId, ConditionalKind, ConditionalOptions, ConditionalOrders, ConditionalRecord,
    ConditionalState, PlaceConditional, Rejection, Trailing, TriggerBy,
};

const BTC: InstrumentId = InstrumentId(0);
const NOW: UtcMs = UtcMs(1_000);
const NO_MARK: Price = Price(0);

fn request(name: &str, side: Side, options: ConditionalOptions) -> PlaceConditional {
    PlaceConditional {
        client_id: ClientOrderId::new(name.as_bytes()).expect("short"),
        instrument: BTC,
        side,
        kind: ConditionalKind::Stop,
        order_type: OrderType::Market,
        time_in_force: TimeInForce::GoodTillCancel,
        price: Price(0),
        quantity: Quantity(5),
        trigger_price: Price(if side == Side::Buy { 2_000 } else { 500 }),
        trigger_by: TriggerBy::Last,
        close_position: false,
        reduce_only: true,
        options,
    }
}

/// Follows the price by one percent from `activation` on; 0 is at once.
fn trailing(activation: i64) -> ConditionalOptions {
    ConditionalOptions {
        trailing: Some(Trailing {
            callback: Rate(1_000_000),
            activation: Price(activation),
        }),
        ..ConditionalOptions::default()
    }
}

/// Shows the prices one after another; the one at which it is due.
fn due_at(side: Side, activation: i64, prices: &[i64]) -> Option<i64> {
    let mut orders = ConditionalOrders::new(1);
    let placed = orders.place(
        NOW,
        &request("t", side, trailing(activation)),
        Price(1),
        NO_MARK,
    );
    assert!(placed.is_ok());
    prices.iter().copied().find(|price| {
        orders.observe(BTC, Price(*price), NO_MARK);
        !orders.due(BTC, Price(*price), NO_MARK).is_empty()
    })
}

#[test]
fn a_trailing_order_follows_the_best_price_and_is_due_one_callback_behind_it() {
    // (side, activation, prices, due at)
    let cases: [(Side, i64, &[i64], Option<i64>); 7] = [
        (Side::Sell, 0, &[10_000, 10_100, 10_000, 9_999], Some(9_999)),
        (Side::Sell, 0, &[10_000, 9_901, 9_900], Some(9_900)),
        (Side::Buy, 0, &[10_000, 9_900, 9_998, 9_999], Some(9_999)),
        (Side::Buy, 0, &[10_000, 10_099, 10_100], Some(10_100)),
        // Before it is activated nothing is followed.
        (Side::Sell, 10_200, &[10_000, 9_000, 8_000], None),
        (
            Side::Sell,
            10_200,
            &[9_000, 10_200, 10_099, 10_098],
            Some(10_098),
        ),
        // A price that nobody knows is none.
        (Side::Sell, 0, &[0, 0, 10_000, 0], None),
    ];
    for (side, activation, prices, expected) in cases {
        assert_eq!(
            due_at(side, activation, prices),
            expected,
            "{side} {prices:?}"
        );
    }
}

#[test]
fn an_order_ends_at_its_time_and_not_before() {
    let mut orders = ConditionalOrders::new(1);
    let till = ConditionalOptions {
        good_till: Some(UtcMs(5_000)),
        ..ConditionalOptions::default()
    };
    let ends = orders.place(NOW, &request("a", Side::Sell, till), Price(1_000), NO_MARK);
    let ends = ends.expect("it waits").id;
    let stays = request("b", Side::Sell, ConditionalOptions::default());
    let stays = orders
        .place(NOW, &stays, Price(1_000), NO_MARK)
        .expect("it waits")
        .id;
    assert!(orders.end_good_till(UtcMs(4_999)).is_empty());
    let ended = orders.end_good_till(UtcMs(5_000));
    assert_eq!((ended.len(), ended[0].id), (1, ends));
    assert_eq!(ended[0].state, ConditionalState::Expired);
    assert_eq!(orders.open().map(|one| one.id).collect::<Vec<_>>(), [stays]);
    assert!(
        orders.end_good_till(UtcMs(5_001)).is_empty(),
        "it ended once"
    );
}

#[test]
fn an_order_that_the_market_refused_says_why_and_is_over() {
    let mut orders = ConditionalOrders::new(1);
    let one = request("a", Side::Sell, ConditionalOptions::default());
    let id = orders
        .place(NOW, &one, Price(1_000), NO_MARK)
        .expect("it waits")
        .id;
    let refused = orders.refused(UtcMs(2_000), id, Rejection::ReduceOnly);
    let refused = refused.expect("it was open");
    assert_eq!(refused.state, ConditionalState::Rejected);
    assert_eq!(refused.rejection, Some(Rejection::ReduceOnly));
    assert_eq!((orders.open().count(), orders.has_triggered()), (0, false));
    assert!(
        orders.refused(NOW, id, Rejection::ReduceOnly).is_none(),
        "it ended once"
    );
    assert_eq!(orders.by_client(&one.client_id).map(|one| one.id), Some(id));
}

/// Through a text and back.
fn read_again(record: &ConditionalRecord) -> ConditionalRecord {
    let text = serde_json::to_string(record).expect("plain values");
    serde_json::from_str(&text).expect("it was written just now")
}

#[test]
fn what_changed_is_enough_to_follow_and_a_whole_record_to_begin() {
    let mut orders = ConditionalOrders::new(7);
    let mut follower = ConditionalOrders::new(1);
    let mut follow = |orders: &ConditionalOrders, changed: &[u64]| {
        let changed: BTreeSet<u64> = changed.iter().copied().collect();
        let record = read_again(&orders.record(&changed));
        follower.absorb(record, 1).expect("it is of this account");
        assert_eq!(follower.whole_record(), orders.whole_record());
        assert_eq!(follower.has_triggered(), orders.has_triggered());
        let mut begun = ConditionalOrders::new(1);
        let whole = read_again(&orders.whole_record());
        begun.absorb(whole, 1).expect("it is of this account");
        assert_eq!(begun.whole_record(), orders.whole_record());
        assert_eq!(begun.has_triggered(), orders.has_triggered());
        assert_eq!(begun.all().count(), orders.all().count());
    };
    let trails = orders.place(
        NOW,
        &request("t", Side::Sell, trailing(0)),
        Price(1),
        NO_MARK,
    );
    let trails = trails.expect("it waits").id;
    let plain = request("p", Side::Sell, ConditionalOptions::default());
    let plain = orders
        .place(NOW, &plain, Price(1_000), NO_MARK)
        .expect("it waits")
        .id;
    follow(&orders, &[trails, plain]);
    // What a trailing order has seen is told with every record.
    orders.observe(BTC, Price(1_234), NO_MARK);
    follow(&orders, &[]);
    let state = ConditionalState::Triggered;
    let made = orders.triggered(UtcMs(2_000), plain, state, Some(ExchangeOrderId(99)));
    assert!(made.is_some() && orders.has_triggered());
    follow(&orders, &[plain]);
    assert_eq!(orders.finish(UtcMs(3_000), |order| order.0 == 99).len(), 1);
    follow(&orders, &[plain]);
    assert!(orders.cancel(UtcMs(4_000), trails).is_ok());
    follow(&orders, &[trails]);
}

#[test]
fn a_record_of_another_account_or_of_no_instrument_is_refused() {
    let mut orders = ConditionalOrders::new(7);
    let one = request("a", Side::Sell, ConditionalOptions::default());
    assert!(orders.place(NOW, &one, Price(1_000), NO_MARK).is_ok());
    let record = orders.whole_record();
    let mut other = ConditionalOrders::of(AccountId(1), 1);
    assert!(other.absorb(record.clone(), 1).is_err());
    assert_eq!(other.all().count(), 0);
    assert!(ConditionalOrders::new(1).absorb(record, 0).is_err());
}

//! Spot orders that wait for a price, and lists of orders: when they work, what they lock, what
//! ends with what.
//!
//! In: short books and trades. Out: passes, or the state that differs. Never: sockets.

use crate::support::{self, BTC, NOW, change, money, order, place, trade};
use market::{ClientOrderId, Execution, Money, OrderState, OrderType, Price, Quantity, Side};
use market::{InstrumentId, TimeInForce, UtcMs};
use matching::{
    ConditionalKind, Fees, ListChange, ListKind, Order, OrderList, Output, PlaceList, PlaceOrder,
    Rejection, SpotBalances, Stage, Stop, Venue, VenueConfig,
};

/// 10,000 USDT, 10 BTC; bids 1000.00 x 0.05, asks 1001.00 x 0.5 (ticks of 0.01, lots of 0.001).
fn spot() -> Venue {
    let plain = support::venue(Money::ZERO, Fees::FIRST_TIER);
    let mut instruments = plain.instruments().to_vec();
    for instrument in &mut instruments {
        instrument.market = market::Market::Spot;
    }
    let mut venue = Venue::new(VenueConfig {
        instruments,
        wallet: Money::ZERO,
        fees: Fees::FIRST_TIER,
        spot: Some(SpotBalances {
            quote: money("10000"),
            bases: vec![money("10"), money("10")],
        }),
        leverage: 1,
        first_order_id: 1,
        first_trade_id: 500,
    });
    support::book(&mut venue, BTC, 100_000, 100_100);
    trade(&mut venue, BTC, Side::Buy, 100_050, 1);
    venue
}

fn stop(id: &str, side: Side, kind: ConditionalKind, price: i64, bips: u32) -> PlaceOrder {
    let plain = order(id, BTC, side, 0, 100);
    let stop = Stop {
        kind,
        price: Price(price),
        trailing_bips: bips,
    };
    PlaceOrder {
        order_type: OrderType::Market,
        options: matching::OrderOptions {
            stop: Some(stop),
            ..plain.options
        },
        ..plain
    }
}

fn with_limit(order: PlaceOrder, price: i64) -> PlaceOrder {
    PlaceOrder {
        order_type: OrderType::Limit,
        price: Price(price),
        ..order
    }
}

fn maker(order: PlaceOrder) -> PlaceOrder {
    PlaceOrder {
        time_in_force: TimeInForce::PostOnly,
        ..order
    }
}

fn named<'a>(venue: &'a Venue, id: &str) -> &'a Order {
    let id = ClientOrderId::new(id.as_bytes()).expect("short");
    venue.order_by_client(&id).expect("it was placed")
}

fn state(venue: &Venue, id: &str) -> (OrderState, Stage) {
    let order = named(venue, id);
    (order.state, order.standing.stage)
}

fn last(venue: &mut Venue, price: i64) -> Vec<Output> {
    let mut out = trade(venue, BTC, Side::Sell, price, 1);
    venue.trigger_stops(NOW, &mut out);
    out
}

fn list(kind: ListKind, orders: &[PlaceOrder]) -> PlaceList {
    PlaceList {
        client_id: ClientOrderId::new(b"list").expect("short"),
        kind,
        orders: orders.to_vec(),
    }
}

fn place_list(
    venue: &mut Venue,
    kind: ListKind,
    orders: &[PlaceOrder],
) -> Result<(OrderList, Vec<Output>), Rejection> {
    let mut out = Vec::new();
    let placed = venue.place_list(NOW, &list(kind, orders), &mut out)?;
    Ok((placed, out))
}

fn lists_told(out: &[Output]) -> Vec<ListChange> {
    let told = out.iter().filter_map(|output| match output {
        Output::List(event) => Some(event.change),
        _ => None,
    });
    told.collect()
}

use ConditionalKind::{Stop as Loss, TakeProfit};
use ListKind::{OneCancelsOther, OneTriggersOther, OneTriggersPair};
use OrderState::{Accepted, Canceled, Expired, Filled};
use Stage::{Pending, Waiting, Working};

#[test]
fn a_stop_waits_beside_the_book_and_works_at_its_price() {
    // Side, kind, stop, a last price that is not there yet, and one that is.
    for (side, kind, price, before, at) in [
        (Side::Buy, Loss, 100_500, 100_499, 100_500),
        (Side::Sell, Loss, 99_500, 99_501, 99_400),
        (Side::Buy, TakeProfit, 99_500, 99_501, 99_500),
        (Side::Sell, TakeProfit, 100_500, 100_499, 100_600),
    ] {
        let mut venue = spot();
        place(&mut venue, stop("s", side, kind, price, 0)).expect("it waits");
        assert_eq!(state(&venue, "s"), (Accepted, Waiting));
        last(&mut venue, before);
        assert_eq!(state(&venue, "s"), (Accepted, Waiting), "{side} {kind:?}");
        let told = support::story(&last(&mut venue, at));
        assert_eq!(told[0], (Execution::New, Accepted), "{side} {kind:?}");
        // What the book has is taken, and the rest of a market order expires.
        let wanted = if side == Side::Buy { Filled } else { Expired };
        assert_eq!(state(&venue, "s"), (wanted, Working), "{side} {kind:?}");
    }
}

#[test]
fn a_price_that_was_traded_and_left_again_still_counts() {
    let mut venue = spot();
    let stop = with_limit(stop("s", Side::Buy, Loss, 100_500, 0), 99_000);
    place(&mut venue, stop).expect("it waits");
    trade(&mut venue, BTC, Side::Buy, 100_500, 1);
    trade(&mut venue, BTC, Side::Buy, 100_100, 1);
    let mut out = Vec::new();
    venue.trigger_stops(UtcMs(2_000), &mut out);
    assert_eq!(state(&venue, "s"), (Accepted, Working));
    assert_eq!(named(&venue, "s").standing.working_since, UtcMs(2_000));
    // It rests like any other, and fills like one.
    trade(&mut venue, BTC, Side::Sell, 98_000, 500);
    assert_eq!(state(&venue, "s").0, Filled);
}

#[test]
fn a_stop_whose_price_is_there_is_refused() {
    let mut venue = spot();
    for (side, kind, price) in [
        (Side::Buy, Loss, 100_050),
        (Side::Sell, Loss, 100_050),
        (Side::Buy, TakeProfit, 100_060),
        (Side::Sell, TakeProfit, 100_040),
    ] {
        let refused = place(&mut venue, stop("s", side, kind, price, 0));
        assert_eq!(refused.err(), Some(Rejection::WouldTrigger));
    }
    assert_eq!(venue.orders().count(), 0);
}

#[test]
fn as_many_stops_as_the_filter_allows_and_distances_inside_of_it() {
    let mut venue = spot();
    for bips in [1, 9, 2_001] {
        let refused = place(&mut venue, stop("s", Side::Sell, Loss, 0, bips));
        assert_eq!(refused.err(), Some(Rejection::TrailingDelta), "{bips}");
    }
    for number in 0..matching::STOPS_MAX {
        let id = format!("s{number}");
        place(&mut venue, stop(&id, Side::Sell, Loss, 99_000, 0)).expect("room");
    }
    let more = place(&mut venue, stop("more", Side::Sell, Loss, 99_000, 0));
    assert_eq!(more.err(), Some(Rejection::TooManyStops));
    let plain = place(&mut venue, order("plain", BTC, Side::Sell, 101_000, 100));
    assert!(plain.is_ok(), "an order that does not wait is none of them");
}

/// Side, kind, stop and bips of an order; prices that do nothing; the one that triggers it.
type Scenario = (Side, ConditionalKind, i64, u32, &'static [i64], i64);

/// The scenarios of the exchange's own FAQ, in its prices.
#[test]
fn trailing_stops_follow_as_the_faq_of_the_exchange_has_it() {
    let scenarios: [Scenario; 5] = [
        // A: falls from 40,000 to 37,000 do not count before 44,000 is there.
        (
            Side::Buy,
            Loss,
            44_000,
            500,
            &[37_000, 44_000, 46_000, 42_000, 44_099],
            44_100,
        ),
        (
            Side::Sell,
            Loss,
            39_000,
            1_000,
            &[41_500, 39_000, 37_000, 41_000, 36_901],
            36_900,
        ),
        (
            Side::Buy,
            TakeProfit,
            38_000,
            850,
            &[42_000, 38_000, 37_000, 39_000, 38_000],
            40_145,
        ),
        (
            Side::Sell,
            TakeProfit,
            42_000,
            750,
            &[41_500, 39_000, 45_000, 44_000, 46_500, 43_013],
            43_012,
        ),
        (
            Side::Sell,
            Loss,
            0,
            700,
            &[42_000, 39_500, 45_500, 42_316],
            42_315,
        ),
    ];
    for (number, (side, kind, price, bips, before, at)) in scenarios.into_iter().enumerate() {
        let mut venue = spot();
        trade(&mut venue, BTC, Side::Buy, 40_000, 1);
        let one = with_limit(stop("s", side, kind, price, bips), 40_000);
        place(&mut venue, one).expect("it waits");
        for seen in before {
            last(&mut venue, *seen);
            assert_eq!(state(&venue, "s").1, Waiting, "{number}: {seen}");
        }
        last(&mut venue, at);
        assert_eq!(state(&venue, "s").1, Working, "{number}");
    }
}

#[test]
fn a_waiting_order_locks_what_it_may_cost() {
    let mut venue = spot();
    let half = with_limit(stop("a", Side::Buy, Loss, 100_500, 0), 101_000);
    place(&mut venue, half).expect("covered");
    assert_eq!(venue.spot_quote().locked, money("101"));
    // A market order is covered at its stop price, a trailing one at the furthest that it can be.
    place(&mut venue, stop("b", Side::Buy, Loss, 110_000, 0)).expect("covered");
    assert_eq!(venue.spot_quote().locked, money("211"));
    place(&mut venue, stop("c", Side::Buy, Loss, 0, 1_000)).expect("covered");
    assert_eq!(venue.spot_quote().locked, money("321.055"));
    place(&mut venue, stop("d", Side::Sell, Loss, 90_000, 0)).expect("covered");
    assert_eq!(venue.spot_base(BTC).locked, money("0.1"));
    let large = PlaceOrder {
        quantity: Quantity(9_901),
        ..stop("e", Side::Sell, Loss, 90_000, 0)
    };
    assert_eq!(
        place(&mut venue, large).err(),
        Some(Rejection::MarginInsufficient)
    );
    let id = named(&venue, "a").id;
    venue.cancel(NOW, id, &mut Vec::new()).expect("it waits");
    assert_eq!(venue.spot_quote().locked, money("220.055"));
}

#[test]
fn a_market_stop_that_has_become_too_dear_ends_with_its_reason() {
    let mut venue = spot();
    // 9.9 BTC cost 9,900 at the stop, and much more by the time it triggers.
    let dear = PlaceOrder {
        quantity: Quantity(9_900),
        ..stop("s", Side::Buy, Loss, 100_060, 0)
    };
    place(&mut venue, dear).expect("covered at its stop price");
    let mut out = Vec::new();
    change(&mut venue, BTC, (100_000, 50), (150_000, 20_000), &mut out);
    last(&mut venue, 150_000);
    assert_eq!(state(&venue, "s").0, Expired);
    let rejection = named(&venue, "s").standing.rejection;
    assert_eq!(rejection, Some(Rejection::MarginInsufficient));
    assert_eq!(venue.spot_quote().free, money("10000"));
}

/// A sell pair: a limit above, a stop below.
fn sell_pair() -> [PlaceOrder; 2] {
    [
        stop("below", Side::Sell, Loss, 99_000, 0),
        maker(order("above", BTC, Side::Sell, 102_000, 100)),
    ]
}

#[test]
fn a_pair_locks_once_and_the_fill_of_one_ends_the_other() {
    let mut venue = spot();
    let (placed, out) = place_list(&mut venue, OneCancelsOther, &sell_pair()).expect("a pair");
    assert_eq!(lists_told(&out), [ListChange::Started]);
    assert_eq!(placed.orders().len(), 2);
    assert_eq!(venue.spot_base(BTC).locked, money("0.1"));
    assert_eq!(state(&venue, "below"), (Accepted, Waiting));
    assert_eq!(state(&venue, "above"), (Accepted, Working));
    // A part of it is enough.
    let out = trade(&mut venue, BTC, Side::Buy, 102_000, 40);
    assert_eq!(state(&venue, "above").0, OrderState::PartiallyFilled);
    assert_eq!(state(&venue, "below").0, Expired);
    assert_eq!(lists_told(&out), []);
    assert_eq!(venue.spot_base(BTC).locked, money("0.06"));
    let out = trade(&mut venue, BTC, Side::Buy, 102_100, 60);
    assert_eq!(lists_told(&out), [ListChange::Done]);
    assert!(venue.list(placed.id).is_some_and(|list| list.is_over));
    assert_eq!(venue.spot_base(BTC).locked, Money::ZERO);
}

#[test]
fn the_trigger_of_one_ends_the_other_of_a_pair() {
    let mut venue = spot();
    let pair = [with_limit(sell_pair()[0], 98_000), sell_pair()[1]];
    place_list(&mut venue, OneCancelsOther, &pair).expect("a pair");
    let told = support::story(&last(&mut venue, 98_900));
    assert_eq!(
        told[0],
        (Execution::Expired, Expired),
        "the limit ends first"
    );
    assert_eq!(state(&venue, "above").0, Expired);
    assert_eq!(state(&venue, "below").1, Working);
    // 50 were bid; the rest asks its price, and the list is not over before it is.
    assert_eq!(named(&venue, "below").filled, Quantity(50));
    assert!(venue.lists().all(|list| !list.is_over));
    trade(&mut venue, BTC, Side::Buy, 98_000, 50);
    assert!(venue.lists().all(|list| list.is_over));
}

#[test]
fn the_cancel_of_one_ends_the_whole_list() {
    for name in ["above", "below"] {
        let mut venue = spot();
        place_list(&mut venue, OneCancelsOther, &sell_pair()).expect("a pair");
        let (id, mut out) = (named(&venue, name).id, Vec::new());
        venue.cancel(NOW, id, &mut out).expect("it is open");
        assert_eq!(state(&venue, "above").0, Canceled);
        assert_eq!(state(&venue, "below").0, Canceled);
        assert_eq!(lists_told(&out), [ListChange::Done]);
        assert_eq!(venue.spot_base(BTC).locked, Money::ZERO);
        assert!(place_list(&mut venue, OneCancelsOther, &sell_pair()).is_ok());
    }
}

#[test]
fn lists_that_do_not_go_together_leave_nothing_behind() {
    let [below, above] = sell_pair();
    let at = |one: PlaceOrder, price| PlaceOrder {
        price: Price(price),
        ..one
    };
    let cases = [
        // A limit below the last price, a stop above it, and both the wrong way round.
        (vec![below, at(above, 100_040)], Rejection::ListPrices),
        (
            vec![stop("below", Side::Sell, Loss, 100_060, 0), above],
            Rejection::ListPrices,
        ),
        (
            vec![above, maker(order("third", BTC, Side::Sell, 103_000, 100))],
            Rejection::ListPrices,
        ),
        (
            vec![
                below,
                PlaceOrder {
                    client_order_id: below.client_order_id,
                    ..above
                },
            ],
            Rejection::DuplicateClientOrderId,
        ),
        (
            vec![
                PlaceOrder {
                    quantity: Quantity(10_001),
                    ..below
                },
                PlaceOrder {
                    quantity: Quantity(10_001),
                    ..above
                },
            ],
            Rejection::MarginInsufficient,
        ),
    ];
    for (orders, wanted) in cases {
        let mut venue = spot();
        let refused = place_list(&mut venue, OneCancelsOther, &orders);
        assert_eq!(refused.err(), Some(wanted));
        assert_eq!((venue.orders().count(), venue.lists().count()), (0, 0));
    }
    let mut venue = spot();
    place_list(&mut venue, OneCancelsOther, &sell_pair()).expect("a pair");
    let again = [
        stop("b2", Side::Sell, Loss, 99_000, 0),
        maker(order("a2", BTC, Side::Sell, 102_000, 100)),
    ];
    let refused = place_list(&mut venue, OneCancelsOther, &again);
    assert_eq!(refused.err(), Some(Rejection::DuplicateListId));
}

#[test]
fn an_instrument_has_room_for_so_many_lists() {
    let mut venue = spot();
    for number in 0..=matching::LISTS_MAX {
        let working = order(&format!("w{number}"), BTC, Side::Buy, 90_000, 1);
        let pending = order(&format!("p{number}"), BTC, Side::Sell, 110_000, 1);
        let request = PlaceList {
            client_id: ClientOrderId::new(format!("l{number}").as_bytes()).expect("short"),
            ..list(OneTriggersOther, &[working, pending])
        };
        let placed = venue.place_list(NOW, &request, &mut Vec::new());
        match number < matching::LISTS_MAX {
            true => assert!(placed.is_ok(), "{number}"),
            false => assert_eq!(placed.err(), Some(Rejection::TooManyLists)),
        }
    }
}

#[test]
fn what_waits_for_the_first_order_begins_when_that_is_filled() {
    let mut venue = spot();
    let working = order("w", BTC, Side::Buy, 99_000, 100);
    let pending = maker(order("p", BTC, Side::Sell, 105_000, 90));
    place_list(&mut venue, OneTriggersOther, &[working, pending]).expect("a list");
    assert_eq!(state(&venue, "p"), (Accepted, Pending));
    assert_eq!(
        venue.spot_base(BTC).locked,
        Money::ZERO,
        "it locks nothing yet"
    );
    trade(&mut venue, BTC, Side::Sell, 99_000, 40);
    assert_eq!(state(&venue, "p").1, Pending, "a part is not enough");
    trade(&mut venue, BTC, Side::Buy, 106_000, 500);
    assert_eq!(
        named(&venue, "p").filled,
        Quantity(0),
        "it is not in the book"
    );
    trade(&mut venue, BTC, Side::Sell, 98_900, 60);
    assert_eq!(state(&venue, "p"), (Accepted, Working));
    assert_eq!(venue.spot_base(BTC).locked, money("0.09"));
    let out = trade(&mut venue, BTC, Side::Buy, 106_000, 500);
    assert_eq!(state(&venue, "p").0, Filled);
    assert_eq!(lists_told(&out), [ListChange::Done]);
}

#[test]
fn a_pair_that_follows_is_a_pair() {
    let mut venue = spot();
    let [below, above] = sell_pair();
    // Taken at once: the pair is there as soon as the list is.
    let working = order("w", BTC, Side::Buy, 100_100, 200);
    place_list(&mut venue, OneTriggersPair, &[working, above, below]).expect("a list");
    assert_eq!(state(&venue, "w").0, Filled);
    assert_eq!(state(&venue, "above"), (Accepted, Working));
    assert_eq!(state(&venue, "below"), (Accepted, Waiting));
    assert_eq!(venue.spot_base(BTC).locked, money("0.1"));
    last(&mut venue, 98_000);
    assert_eq!(state(&venue, "above").0, Expired);
    assert_eq!(
        named(&venue, "below").filled,
        Quantity(50),
        "as much as was bid"
    );
    assert!(venue.lists().all(|list| list.is_over));
}

#[test]
fn what_cannot_follow_is_refused_with_its_reason() {
    // The base that it would sell is not there after all: 10 and the 0.1 that is bought.
    let too_many = PlaceOrder {
        quantity: Quantity(10_200),
        ..order("p", BTC, Side::Sell, 105_000, 1)
    };
    let late = stop("p", Side::Sell, Loss, 100_080, 0);
    let taker = maker(order("p", BTC, Side::Sell, 99_000, 10));
    for (pending, wanted) in [
        (too_many, Rejection::MarginInsufficient),
        (late, Rejection::WouldTrigger),
        (taker, Rejection::PostOnlyWouldTake),
    ] {
        let mut venue = spot();
        let working = order("w", BTC, Side::Buy, 100_100, 100);
        let (placed, out) =
            place_list(&mut venue, OneTriggersOther, &[working, pending]).expect("a list");
        assert_eq!(state(&venue, "p").0, Expired, "{wanted:?}");
        assert_eq!(named(&venue, "p").standing.rejection, Some(wanted));
        assert_eq!(lists_told(&out), [ListChange::Started, ListChange::Done]);
        assert!(placed.is_over);
    }
}

#[test]
fn what_waits_ends_with_the_order_that_it_waits_for() {
    let mut venue = spot();
    let working = order("w", BTC, Side::Buy, 99_000, 100);
    let [below, above] = sell_pair();
    place_list(&mut venue, OneTriggersPair, &[working, above, below]).expect("a list");
    trade(&mut venue, BTC, Side::Sell, 99_000, 40);
    let id = named(&venue, "w").id;
    venue.cancel(NOW, id, &mut Vec::new()).expect("it is open");
    for name in ["w", "above", "below"] {
        assert_eq!(state(&venue, name).0, Canceled, "{name}");
    }
    assert!(venue.lists().all(|list| list.is_over));
}

#[test]
fn the_orders_of_a_pair_become_smaller_together_and_have_new_names() {
    let mut venue = spot();
    place_list(&mut venue, OneCancelsOther, &sell_pair()).expect("a pair");
    let (id, mut out) = (named(&venue, "above").id, Vec::new());
    let other = ClientOrderId::new(b"renamed").expect("short");
    venue
        .shrink(NOW, id, Quantity(70), other, &mut out)
        .expect("smaller");
    assert_eq!(named(&venue, "renamed").request.quantity, Quantity(70));
    assert_eq!(named(&venue, "below").request.quantity, Quantity(70));
    let gone = ClientOrderId::new(b"above").expect("short");
    assert!(venue.order_by_client(&gone).is_none());
    assert_eq!(lists_told(&out), [ListChange::Updated]);
    assert_eq!(venue.spot_base(BTC).locked, money("0.07"));
    for number in 1..=matching::SHRINKS_OF_ONE_MAX {
        let quantity = Quantity(70 - i64::from(number));
        let shrunk = venue.shrink(NOW, id, quantity, other, &mut out);
        match number < matching::SHRINKS_OF_ONE_MAX {
            true => assert!(shrunk.is_ok(), "{number}"),
            false => assert_eq!(shrunk.err(), Some(Rejection::TooManyModifications)),
        }
    }
}

#[test]
fn spot_prices_are_measured_from_the_mean_of_the_last_trades() {
    let mut venue = spot();
    let mut filters = venue.instruments()[0].filters;
    filters.multiplier_up = market::Rate(500_000_000);
    filters.multiplier_down = market::Rate(20_000_000);
    venue.set_filters(InstrumentId(0), filters);
    assert_eq!(venue.average_price(BTC), Price(100_050));
    for (side, price, wanted) in [
        (Side::Buy, 20_009, Some(Rejection::PriceBelowMultiplier)),
        (Side::Buy, 20_010, None),
        (Side::Sell, 500_251, Some(Rejection::PriceAboveMultiplier)),
        (Side::Sell, 500_250, None),
    ] {
        let one = order(&format!("o{price}"), BTC, side, price, 1);
        assert_eq!(place(&mut venue, one).err(), wanted, "{side} {price}");
    }
}

#[test]
fn a_fill_or_kill_that_waited_is_filled_whole_or_not_at_all() {
    for (lots, wanted, filled) in [(500, Filled, 500), (501, Expired, 0)] {
        let mut venue = spot();
        let mut one = with_limit(stop("s", Side::Buy, Loss, 100_500, 0), 100_600);
        one.quantity = Quantity(lots);
        one.time_in_force = TimeInForce::FillOrKill;
        place(&mut venue, one).expect("it waits");
        last(&mut venue, 100_500);
        let order = named(&venue, "s");
        assert_eq!((order.state, order.filled), (wanted, Quantity(filled)));
        assert_eq!(venue.spot_quote().locked, Money::ZERO);
    }
}

#[test]
fn a_stop_lies_inside_of_the_filter_for_prices() {
    let mut venue = spot();
    let filters = market::Filters {
        price_min: Price(90_000),
        price_max: Price(110_000),
        ..venue.instruments()[0].filters
    };
    venue.set_filters(BTC, filters);
    for (side, price, wanted) in [
        (Side::Sell, 0, Some(Rejection::PriceNotPositive)),
        (Side::Sell, 89_999, Some(Rejection::PriceTooLow)),
        (Side::Sell, 90_000, None),
        (Side::Buy, 110_001, Some(Rejection::PriceTooHigh)),
        (Side::Buy, 110_000, None),
    ] {
        let one = stop(&format!("s{price}"), side, Loss, price, 0);
        assert_eq!(place(&mut venue, one).err(), wanted, "{price}");
    }
}

#[test]
fn a_change_takes_no_name_of_another_open_order_and_no_order_without_a_limit() {
    let mut venue = spot();
    place(&mut venue, order("a", BTC, Side::Sell, 101_000, 100)).expect("it rests");
    place(&mut venue, order("b", BTC, Side::Sell, 101_000, 100)).expect("it rests");
    let (id, b) = (
        named(&venue, "a").id,
        named(&venue, "b").request.client_order_id,
    );
    let taken = venue.shrink(NOW, id, Quantity(70), b, &mut Vec::new());
    assert_eq!(taken.err(), Some(Rejection::DuplicateClientOrderId));
    assert_eq!(named(&venue, "a").request.quantity, Quantity(100));
    let of_b = named(&venue, "b").id;
    venue
        .cancel(NOW, of_b, &mut Vec::new())
        .expect("it is open");
    assert!(
        venue
            .shrink(NOW, id, Quantity(70), b, &mut Vec::new())
            .is_ok()
    );

    place(&mut venue, stop("s", Side::Sell, Loss, 99_000, 0)).expect("it waits");
    let id = named(&venue, "s").id;
    let changed = venue.modify(NOW, id, Price(98_000), Quantity(90), &mut Vec::new());
    assert_eq!(changed.err(), Some(Rejection::NotModifiable));
}

#[test]
fn a_market_that_does_not_trade_takes_no_list() {
    let mut venue = spot();
    venue.set_status(BTC, market::InstrumentStatus::NotTrading);
    let refused = place_list(&mut venue, OneCancelsOther, &sell_pair());
    assert_eq!(refused.err(), Some(Rejection::NotTrading));
    assert_eq!((venue.lists().count(), venue.orders().count()), (0, 0));
    venue.set_status(BTC, market::InstrumentStatus::Trading);
    assert!(place_list(&mut venue, OneCancelsOther, &sell_pair()).is_ok());
}

#[test]
fn the_oldest_ended_lists_are_forgotten_and_an_open_one_never() {
    const ENDED: usize = 10_000;
    let mut venue = spot();
    let mut open = list(OneCancelsOther, &sell_pair());
    open.client_id = ClientOrderId::new(b"open").expect("short");
    for (order, name) in open.orders.iter_mut().zip(["x", "y"]) {
        order.client_order_id = ClientOrderId::new(name.as_bytes()).expect("short");
    }
    let open = venue
        .place_list(NOW, &open, &mut Vec::new())
        .expect("a pair");
    let mut first = None;
    for _ in 0..=ENDED {
        let (placed, _) = place_list(&mut venue, OneCancelsOther, &sell_pair()).expect("a pair");
        first.get_or_insert(placed.id);
        let id = named(&venue, "above").id;
        venue.cancel(NOW, id, &mut Vec::new()).expect("it is open");
    }
    assert!(venue.list(first.expect("many")).is_some());
    // The bound is looked at when the next one comes.
    place_list(&mut venue, OneCancelsOther, &sell_pair()).expect("a pair");
    assert_eq!(venue.lists().filter(|list| list.is_over).count(), ENDED);
    assert!(venue.list(first.expect("many")).is_none());
    assert!(venue.list(open.id).is_some_and(|list| !list.is_over));
}

//! Whatever is asked of a spot account in whatever order, its sums hold, its lists hold together,
//! and its inputs make the same account again.
//!
//! In: random sequences of orders, stops, lists, changes, cancels and trades, on two accounts. Out:
//! passes, or the sequence. Never: a sum that is read from where it is checked.

use crate::support::{self, BTC, ETH, Mirror, NOW, money, order};
use market::{ClientOrderId, Money, OrderType, Price, Quantity, Side, TimeInForce, UtcMs};
use matching::{
    Account, AccountId, ConditionalKind, Fees, ListKind, Order, Output, PlaceList, PlaceOrder,
    SpotBalances, Stage, Stop, Venue, VenueConfig,
};
use proptest::prelude::*;

const QUOTE: &str = "3000";
const BASE: &str = "2";

#[derive(Clone, Copy, Debug)]
struct Shape {
    price: i64,
    away: i64,
    lots: i64,
    buy: bool,
    kind: u8,
}

#[derive(Clone, Debug)]
enum Step {
    Place(Shape),
    List(Shape, Shape, u8),
    Cancel(usize),
    Shrink(usize, i64),
    Trade(i64, i64, bool),
    Book(i64, i64),
    Fill(usize, i64),
}

fn shape() -> impl Strategy<Value = Shape> {
    (
        98_000i64..102_000,
        1i64..3_000,
        1i64..900,
        any::<bool>(),
        any::<u8>(),
    )
        .prop_map(|(price, away, lots, buy, kind)| Shape {
            price,
            away,
            lots,
            buy,
            kind,
        })
}

fn step() -> impl Strategy<Value = Step> {
    let price = 97_000i64..103_000;
    prop_oneof![
        5 => shape().prop_map(Step::Place),
        5 => (shape(), shape(), any::<u8>()).prop_map(|(a, b, k)| Step::List(a, b, k)),
        1 => (0usize..8).prop_map(Step::Cancel),
        1 => (0usize..8, 1i64..900).prop_map(|(n, q)| Step::Shrink(n, q)),
        6 => (price.clone(), 1i64..900, any::<bool>()).prop_map(|(p, q, b)| Step::Trade(p, q, b)),
        2 => (price, 1i64..900).prop_map(|(p, q)| Step::Book(p, q)),
        1 => (0usize..8, 1i64..900).prop_map(|(n, q)| Step::Fill(n, q)),
    ]
}

fn plain(id: &str, shape: Shape) -> PlaceOrder {
    let side = if shape.buy { Side::Buy } else { Side::Sell };
    let lifetimes = [
        TimeInForce::GoodTillCancel,
        TimeInForce::PostOnly,
        TimeInForce::ImmediateOrCancel,
        TimeInForce::FillOrKill,
    ];
    PlaceOrder {
        time_in_force: lifetimes[usize::from(shape.kind >> 2) % 4],
        ..order(id, BTC, side, shape.price, shape.lots)
    }
}

fn stop(id: &str, shape: Shape, above: bool) -> PlaceOrder {
    let plain = plain(id, shape);
    let buys = plain.side == Side::Buy;
    let market = shape.kind & 2 == 0;
    let stop = Stop {
        kind: match above == buys {
            true => ConditionalKind::Stop,
            false => ConditionalKind::TakeProfit,
        },
        price: Price(shape.price + if above { shape.away } else { -shape.away }),
        trailing_bips: if shape.kind & 16 == 0 {
            0
        } else {
            10 + u32::from(shape.kind)
        },
    };
    PlaceOrder {
        order_type: if market {
            OrderType::Market
        } else {
            OrderType::Limit
        },
        price: if market { Price(0) } else { plain.price },
        time_in_force: TimeInForce::GoodTillCancel,
        options: matching::OrderOptions {
            stop: Some(stop),
            ..plain.options
        },
        ..plain
    }
}

/// The two orders of a pair around a price.
fn pair(number: usize, shape: Shape) -> [PlaceOrder; 2] {
    let limit = PlaceOrder {
        time_in_force: TimeInForce::PostOnly,
        price: Price(shape.price + if shape.buy { -shape.away } else { shape.away }),
        ..plain(&format!("l{number}"), shape)
    };
    [stop(&format!("s{number}"), shape, shape.buy), limit]
}

fn list(number: usize, working: Shape, following: Shape, kind: u8) -> PlaceList {
    let first = PlaceOrder {
        time_in_force: TimeInForce::GoodTillCancel,
        ..plain(&format!("w{number}"), working)
    };
    let [one, other] = pair(number, following);
    let (kind, orders) = match kind % 3 {
        0 => (ListKind::OneCancelsOther, vec![one, other]),
        1 => (
            ListKind::OneTriggersOther,
            vec![first, if kind & 4 == 0 { one } else { other }],
        ),
        _ => (ListKind::OneTriggersPair, vec![first, one, other]),
    };
    PlaceList {
        client_id: ClientOrderId::new(format!("list{number}").as_bytes()).expect("short"),
        kind,
        orders,
    }
}

fn nth_open(venue: &Venue, n: usize) -> Option<market::ExchangeOrderId> {
    venue.open_orders(BTC).nth(n).map(|order| order.id)
}

fn act(venue: &mut Venue, number: usize, step: &Step, out: &mut Vec<Output>) {
    let now = UtcMs(NOW.0 + number as i64);
    match step {
        Step::Place(shape) => {
            let id = format!("o{number}");
            let request = match shape.kind & 1 {
                0 => plain(&id, *shape),
                _ => stop(&id, *shape, shape.kind & 8 == 0),
            };
            let _ = venue.place(now, &request, out);
        }
        Step::List(working, following, kind) => {
            let _ = venue.place_list(now, &list(number, *working, *following, *kind), out);
        }
        Step::Cancel(n) => {
            if let Some(id) = nth_open(venue, *n) {
                venue.cancel(now, id, out).expect("it is open");
            }
        }
        Step::Shrink(n, lots) => {
            if let Some(id) = nth_open(venue, *n) {
                let name = ClientOrderId::new(format!("n{number}").as_bytes()).expect("short");
                let _ = venue.shrink(now, id, Quantity(*lots), name, out);
            }
        }
        Step::Trade(price, lots, buy) => {
            let side = if *buy { Side::Buy } else { Side::Sell };
            out.extend(support::trade(venue, BTC, side, *price, *lots));
            venue.trigger_stops(now, out);
        }
        Step::Book(price, lots) => {
            support::change(venue, BTC, (price - 1, *lots), (price + 1, *lots), out);
        }
        Step::Fill(n, lots) => {
            let id = nth_open(venue, *n);
            let working = id.and_then(|id| venue.order(id));
            let working = working.filter(|one| one.standing.stage == Stage::Working);
            if let Some(id) = working.map(|order| order.id) {
                venue.fill_now(now, id, Quantity(*lots), 2, out);
            }
        }
    }
}

/// What an order locks by itself.
fn need(venue: &Venue, order: &Order) -> Money {
    let instrument = &venue.instruments()[usize::from(order.request.instrument.0)];
    if order.standing.stage == Stage::Pending {
        return Money::ZERO;
    }
    let price = match order.request.order_type {
        OrderType::Limit => order.request.price,
        _ => order.standing.reserve,
    };
    match order.request.side {
        Side::Buy => instrument.notional(price, order.remaining()),
        Side::Sell => matching::spot::base_amount(instrument, order.remaining()),
    }
}

fn check(venue: &Venue) -> Result<(), TestCaseError> {
    let instrument = venue.instruments()[0];
    let (mut quote, mut base) = (money(QUOTE), money(BASE));
    for fill in venue.fills() {
        let value = instrument.notional(fill.price, fill.quantity);
        let amount = matching::spot::base_amount(&instrument, fill.quantity);
        match fill.side {
            Side::Buy => {
                quote -= value;
                base += amount - fill.commission;
            }
            Side::Sell => {
                quote += value - fill.commission;
                base -= amount;
            }
        }
    }
    for (side, total, balance) in [
        (Side::Buy, quote, venue.spot_quote()),
        (Side::Sell, base, venue.spot_base(BTC)),
    ] {
        prop_assert_eq!(balance.free + balance.locked, total);
        prop_assert!(balance.free >= Money::ZERO, "{:?} {:?}", side, balance);
        // Orders alone lock what they need, those of one list the most that one of them needs.
        let mut locked = Money::ZERO;
        for order in venue
            .open_orders(BTC)
            .filter(|one| one.request.side == side)
        {
            let of_list = |other: &&Order| {
                order.standing.list.is_some()
                    && other.standing.list == order.standing.list
                    && other.request.side == side
            };
            let own = need(venue, order);
            let others = venue.open_orders(BTC).filter(of_list);
            let most = others.map(|other| (need(venue, other), other.id)).max();
            if most.is_none_or(|(most, id)| own > most || id == order.id) {
                locked += own;
            }
        }
        prop_assert_eq!(balance.locked, locked);
    }
    check_lists(venue)
}

fn check_lists(venue: &Venue) -> Result<(), TestCaseError> {
    for list in venue.lists() {
        let orders: Vec<&Order> = list
            .orders()
            .iter()
            .map(|(id, _)| venue.order(*id).expect("kept"))
            .collect();
        let open = orders.iter().any(|order| !order.state.is_final());
        prop_assert_eq!(list.is_over, !open);
        let pair = match list.kind {
            ListKind::OneCancelsOther => &orders[..],
            ListKind::OneTriggersOther => &[],
            ListKind::OneTriggersPair => &orders[1..],
        };
        let active = pair.iter().filter(|order| !order.filled.is_zero());
        prop_assert!(active.count() <= 1, "both of a pair were filled");
        if list.kind != ListKind::OneCancelsOther {
            let follows = orders[1..].iter().any(|order| !order.filled.is_zero());
            prop_assert!(!follows || orders[0].remaining().is_zero());
        }
    }
    for order in venue.orders() {
        let fills = venue.fills().filter(|fill| fill.order_id == order.id);
        let filled: i64 = fills.map(|fill| fill.quantity.0).sum();
        prop_assert_eq!(order.filled.0, filled);
        prop_assert!(order.filled <= order.request.quantity);
    }
    Ok(())
}

fn balances() -> SpotBalances {
    SpotBalances {
        quote: money(QUOTE),
        bases: vec![money(BASE), Money::ZERO],
    }
}

fn empty() -> Venue {
    let plain = support::venue(Money::ZERO, Fees::FIRST_TIER);
    Venue::new(VenueConfig {
        instruments: plain.instruments().to_vec(),
        wallet: Money::ZERO,
        fees: Fees::FIRST_TIER,
        spot: Some(balances()),
        leverage: 1,
        first_order_id: 1,
        first_trade_id: 500,
    })
}

fn open(venue: &mut Venue) {
    venue.open_account(Account {
        spot: Some(balances()),
        ..Account::new(Money::ZERO, Fees::FIRST_TIER, 1, 2)
    });
    let (bids, asks) = (
        [(99_990, 300), (99_900, 900)],
        [(100_010, 300), (100_100, 900)],
    );
    support::depth(venue, BTC, &bids, &asks);
    support::depth(venue, ETH, &bids, &asks);
}

/// Everything that can be asked of the selected account.
fn books(venue: &Venue) -> Vec<String> {
    let fills = venue.fills().map(|fill| format!("{fill:?}"));
    let orders = venue.orders().map(|order| format!("{order:?}"));
    let lists = venue.lists().map(|list| format!("{list:?}"));
    let account = std::iter::once(format!("{:?} {:?}", venue.account(), venue.totals()));
    fills.chain(orders).chain(lists).chain(account).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_sums_and_the_lists_of_every_account_hold_after_every_step(
        steps in prop::collection::vec((step(), any::<bool>()), 1..120)
    ) {
        let mut venue = empty();
        venue.record_inputs();
        open(&mut venue);
        let mut out = Vec::new();
        let mut mirror = Mirror::of(&mut venue, empty(), out.len());
        for (number, (step, second)) in steps.iter().enumerate() {
            venue.select(AccountId(u16::from(*second)));
            act(&mut venue, number, step, &mut out);
            mirror.follow(&mut venue, &out);
            for account in [AccountId(0), AccountId(1)] {
                venue.select(account);
                check(&venue)?;
            }
        }
        prop_assert_eq!(mirror.difference(&mut venue), None);
        // The same inputs make the same account, and say the same.
        let (mut again, mut told) = (empty(), Vec::new());
        for input in venue.take_inputs() {
            again.apply(&input, &mut told);
        }
        prop_assert_eq!(told, out);
        for account in [AccountId(0), AccountId(1)] {
            venue.select(account);
            again.select(account);
            prop_assert_eq!(books(&venue), books(&again));
        }
    }
}

//! Random worlds: what must hold after every event.
//!
//! In: random acts of market, exchange and operator. Out: invariants. Never: a fixed script.

use super::rig::{ID, Rig, config, dummy, imbalance, level, update};
use crate::bounds::LOTS_MAX;
use crate::event::{Command, StreamKind};
use crate::orders::Order;
use crate::strategy::imbalance::{EntryStyle, ImbalanceParameters};
use crate::{Input, Request};
use market::account::{Execution, ReplyOutcome, RequestKind};
use market::ids::Asset;
use market::{
    BalanceReport, ClientOrderId, Market, Money, NewOrder, OrderState, OrderUpdate, PendingRequest,
    PositionReport, Price, Quantity, TradingState, UtcMs, UtcNs,
};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// One thing that happens.
#[derive(Clone, Copy, Debug)]
pub(super) enum Act {
    Book(i64, i64, i64),
    Pass(u64),
    Answer(u32, u32),
    Command(u32),
    Reconnect,
    Gap,
    Clock(i64),
    Absurd(u32, u32),
}

impl Act {
    pub(super) fn from_numbers(kind: u32, first: u32, second: u32) -> Self {
        match kind % 18 {
            0..=5 => Self::Book(
                499_900 + i64::from(first % 200),
                1 + i64::from(second % 60),
                1 + i64::from(second / 64 % 60),
            ),
            6 | 7 => Self::Pass(u64::from(first % 3_000)),
            8..=12 => Self::Answer(first, second),
            13 => Self::Command(first),
            14 if first.is_multiple_of(4) => Self::Reconnect,
            14 if first % 4 == 1 => Self::Gap,
            14 | 15 => Self::Clock(i64::from(second)),
            _ => Self::Absurd(first, second),
        }
    }
}

/// Lets `act` happen. The exchange of this world answers what it is asked, in its own way.
pub(super) fn play(rig: &mut Rig, act: &Act) {
    match *act {
        Act::Book(bid, bid_lots, ask_lots) => rig.book(bid, bid_lots, ask_lots),
        Act::Pass(ms) => rig.pass_ms(ms),
        Act::Answer(which, how) => answer(rig, which, how),
        Act::Command(which) => {
            let verbs = [
                Command::Pause,
                Command::Resume,
                Command::Start,
                Command::CancelAll,
                Command::Rearm,
            ];
            rig.command(verbs[which as usize % verbs.len()]);
        }
        Act::Reconnect => {
            rig.stream(StreamKind::User, Market::UsdM, false);
            rig.stream(StreamKind::User, Market::UsdM, true);
        }
        Act::Gap => {
            rig.depth(10_000_000, 10_000_000, &[], &[]);
            rig.sync();
        }
        Act::Absurd(which, number) => absurd(rig, which, number),
        // Most samples are right, some are decades off.
        Act::Clock(seconds) if seconds % 4 == 0 => {
            rig.send(Input::Clock(UtcNs(seconds * 1_000_000_000)));
        }
        Act::Clock(_) => rig.clock(),
    }
    serve(rig);
}

/// A message with a number that cannot be, or hardly can (F9).
fn absurd(rig: &mut Rig, which: u32, number: u32) {
    let numbers = [
        i64::MAX,
        i64::MIN,
        5_000_000_000_000_000_000,
        900_000_000_000,
        LOTS_MAX,
        LOTS_MAX + 1,
        -1,
        0,
    ];
    let one = numbers[number as usize % 8];
    let other = numbers[number as usize / 8 % 8];
    let far = level(one, other.max(1));
    match which % 9 {
        0 => rig.ticker(level(499_999, one), level(500_001, other)),
        1 => rig.ticker(level(one, 5), level(other, 5)),
        2 => rig.next_depth(&[level(499_990, one)], &[far]),
        3 => rig.mark(one),
        4 => rig.send(Input::Position(PositionReport {
            entry_price_e8: other,
            ..super::rig::position(one, 1)
        })),
        5 | 6 => {
            let mut update = absurd_fill(rig, one, other);
            if which.is_multiple_of(2) {
                let live = rig.engine.orders().live_orders().next();
                update.client_order_id =
                    live.map_or(ClientOrderId::EMPTY, |order| order.new.client_order_id);
            }
            rig.send(Input::OrderUpdate(update));
        }
        7 => rig.send(Input::Balance(BalanceReport {
            asset: Asset::new(b"USDT").unwrap(),
            wallet: Money(one),
            event_time: UtcMs(1),
        })),
        _ => rig.trade(one, other),
    }
}

/// A fill whose quantity or commission is absurd and would not fit the order.
fn absurd_fill(rig: &Rig, one: i64, other: i64) -> OrderUpdate {
    let order = rig.some_order();
    let mut fill = update(&order, Execution::Trade, OrderState::PartiallyFilled, 1);
    fill.last_quantity = Quantity(if one > 0 { one } else { i64::MAX });
    // Within the bounds only what nobody sent can be this large.
    fill.last_quantity.0 = fill.last_quantity.0.max(LOTS_MAX + 1);
    fill.last_price = Price(other);
    fill.commission = Money(one);
    fill
}

/// Snapshots and reconciliations are answered at once; the exchange agrees with us.
fn serve(rig: &mut Rig) {
    let requests = rig.take();
    if requests
        .iter()
        .any(|one| matches!(one, Request::Snapshot(_)))
    {
        rig.sync();
    }
    if requests
        .iter()
        .any(|one| matches!(one, Request::Reconcile(_)))
    {
        let held = super::rig::position(rig.position(), 50_000);
        rig.reconcile(&[], &[held]);
    }
    let rest = rig.take();
    assert!(rest.len() < crate::outbox::REQUESTS_MAX);
}

/// The exchange says something about one of the live orders.
fn answer(rig: &mut Rig, which: u32, how: u32) {
    let live: Vec<Order> = rig.engine.orders().live_orders().copied().collect();
    let Some(order) = live.get(which as usize % live.len().max(1)).copied() else {
        return;
    };
    let new = order.new;
    let rest = order.new.quantity.0 - order.filled.0;
    let part = 1 + i64::from(how >> 8) % rest.max(1);
    let told = order.filled.0 + part;
    match how % 9 {
        0 => rig.confirm(&new),
        1 | 2 if rest > 0 => rig.fill(&new, part, new.price.0.max(1), told),
        3 if rest > 0 => rig.fill(&new, rest, new.price.0.max(1), new.quantity.0),
        4 => rig.end(&new, OrderState::Expired, order.filled.0),
        5 => rig.end(&new, OrderState::Canceled, order.filled.0),
        6 => reply(rig, &new, ReplyOutcome::Unresolved),
        7 => reply(rig, &new, ReplyOutcome::Rejected),
        _ => rig.reply(
            &new,
            RequestKind::Query,
            ReplyOutcome::Rejected,
            OrderState::Submitted,
            0,
        ),
    }
}

fn reply(rig: &mut Rig, order: &NewOrder, outcome: ReplyOutcome) {
    rig.reply(order, RequestKind::Place, outcome, OrderState::Submitted, 0);
}

/// What must hold whatever happens.
fn check(rig: &Rig, sent: &mut BTreeSet<String>) {
    let table = rig.engine.orders();
    let mut intents = BTreeSet::new();
    for order in table.live_orders() {
        assert!(!order.is_settled(), "a settled order is not live");
        assert!(order.filled <= order.new.quantity, "I6");
        assert!(order.told <= order.new.quantity, "I6");
        assert!(
            intents.insert((order.assignment, order.slot)),
            "I1: {order:?}"
        );
        if order.state == OrderState::Submitted {
            assert_ne!(order.pending, PendingRequest::None, "{order:?}");
        }
        sent.insert(order.new.client_order_id.as_str().to_string());
    }
    let facts = &rig.engine.facts;
    let positions = rig.engine.instruments.iter().map(|one| one.facts.notional);
    let gross: Money = positions.clone().map(|one| Money(one.0.abs())).sum();
    assert_eq!(facts.gross_usdm + facts.gross_spot, gross);
    assert_eq!(facts.net_exposure, positions.sum());
    let mut may_add = table.live_orders().filter(|order| !order.new.reduce_only);
    let zero = may_add.all(|order| order.exposure().is_zero());
    assert_eq!(rig.engine.reserved_exposure() == Money::ZERO, zero, "I12");
    let page = rig.engine.instrument_page(ID);
    let claimed = rig.engine.claimed(0);
    assert_eq!(page.position, claimed, "I11: all fills are the strategies'");
}

fn any_act() -> impl Strategy<Value = Act> {
    (any::<u32>(), any::<u32>(), any::<u32>())
        .prop_map(|(kind, first, second)| Act::from_numbers(kind, first, second))
}

fn rig(entry: EntryStyle) -> Rig {
    let parameters = ImbalanceParameters {
        entry,
        ..ImbalanceParameters::default()
    };
    Rig::ready(config(Market::UsdM, &[imbalance(parameters), dummy()]))
}

proptest! {
    #[test]
    fn invariants_hold_in_any_world(maker in any::<bool>(), acts in prop::collection::vec(any_act(), 1..150)) {
        let mut rig = rig(if maker { EntryStyle::Maker } else { EntryStyle::Taker });
        let mut sent = BTreeSet::new();
        for act in &acts {
            play(&mut rig, act);
            check(&rig, &mut sent);
        }
    }

    #[test]
    fn while_reducing_no_order_can_increase_the_position(acts in prop::collection::vec(any_act(), 1..150)) {
        let mut rig = rig(EntryStyle::Taker);
        for act in &acts {
            let before = rig.engine.orders().live().len();
            play(&mut rig, act);
            rig.command(Command::Pause);
            serve(&mut rig);
            prop_assert_eq!(rig.engine.trading_state().0 , TradingState::Reducing);
            let held = rig.position();
            rig.book(500_000, 50, 1);
            for request in rig.take() {
                if let Request::Place(order) = request {
                    let order = order.get();
                    prop_assert_eq!(order.side.sign(), -held.signum(), "I19 {} {:?}", before, order);
                    prop_assert!(order.reduce_only || order.quantity.0 <= held.abs());
                }
            }
            rig.command(Command::Resume);
            serve(&mut rig);
        }
    }
}

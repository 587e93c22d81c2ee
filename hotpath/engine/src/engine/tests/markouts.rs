//! Markouts against what the book was, in quiet markets and in random ones.
//!
//! In: fills, books, time. Out: the mids that were told. Never: the engine's own look as its judge;
//! the oracle reads a list of what the book showed after each event.

use super::properties::{Act, play};
use super::rig::{ID, MS, Notes, Rig, config, dummy, imbalance};
use crate::Engine;
use crate::engine::markouts::MARKOUTS_MAX;
use crate::event::StreamKind;
use crate::strategy::imbalance::{EntryStyle, ImbalanceParameters};
use market::record::{EntryReason, Markout, MarkoutAfter, NoMid, Record};
use market::{BookState, Market, Mid, NewOrder, TradeId};
use proptest::prelude::*;

fn taker() -> Rig {
    let parameters = ImbalanceParameters {
        entry: EntryStyle::Taker,
        ..ImbalanceParameters::default()
    };
    Rig::ready(config(Market::UsdM, &[imbalance(parameters)]))
}

/// An entry that the exchange has taken.
fn entry(rig: &mut Rig) -> NewOrder {
    rig.book(500_000, 50, 10);
    let order = rig.place_one();
    rig.confirm(&order);
    order
}

fn markouts(notes: &Notes) -> Vec<Markout> {
    let all = notes.records.iter().filter_map(|one| match one {
        Record::Markout(markout) => Some(*markout),
        _ => None,
    });
    all.collect()
}

/// What was told of each look: how long after the fill, and the mid in half ticks or why not.
fn told(rig: &Rig) -> Vec<(MarkoutAfter, Result<i64, NoMid>)> {
    let result = |one: &Markout| match (one.mid, one.none_because) {
        (Some(mid), None) => Ok(mid.0),
        (None, Some(why)) => Err(why),
        other => panic!("a mid or a reason: {other:?}"),
    };
    let all = markouts(&rig.outbox.observer);
    all.iter().map(|one| (one.after, result(one))).collect()
}

#[test]
fn a_quiet_market_is_looked_at_on_time_and_with_the_book_before_the_next_input() {
    let mut rig = taker();
    let order = entry(&mut rig);
    rig.fill_all(&order, 500_001);
    let filled_at = rig.time;
    assert_eq!(told(&rig), [(MarkoutAfter::Fill, Ok(1_000_001))]);
    // The next change comes at the very moment of the look: it is not seen by it.
    rig.time = filled_at + 99 * MS;
    rig.book(500_010, 50, 10);
    rig.time = filled_at + 100 * MS;
    rig.book(500_020, 50, 10);
    assert_eq!(told(&rig)[1..], [(MarkoutAfter::Ms100, Ok(1_000_021))]);
    // Nothing comes any more: the engine asks to be woken.
    for _ in 0..20 {
        let due = rig.engine.next_deadline().unwrap().0;
        if due >= filled_at + 1_000 * MS {
            break;
        }
        rig.time = due;
        rig.send(crate::Input::Time);
    }
    assert_eq!(
        rig.engine.next_deadline().unwrap().0,
        filled_at + 1_000 * MS
    );
    rig.pass_ms(20_000);
    let found = told(&rig);
    assert_eq!(found[2], (MarkoutAfter::S1, Ok(1_000_041)));
    assert_eq!(found[3], (MarkoutAfter::S10, Err(NoMid::Stale)));
    assert_eq!(found.len(), 4);
}

#[test]
fn a_book_of_no_use_gives_no_mid_but_the_reason() {
    let mut rig = taker();
    let order = entry(&mut rig);
    rig.fill_all(&order, 500_001);
    rig.pass_ms(50);
    rig.stream(StreamKind::Market, Market::UsdM, false);
    rig.pass_ms(100);
    assert_eq!(
        told(&rig)[1..],
        [(MarkoutAfter::Ms100, Err(NoMid::BookUnsynced))]
    );
}

#[test]
fn fills_beyond_the_bound_say_so_once_and_the_others_are_followed() {
    let mut rig = taker();
    let order = entry(&mut rig);
    rig.forget();
    // Each one lot of a position that strategies do not know: what counts is that they are many.
    let slot = rig.engine.orders().live()[0];
    let fill = market::record::Fill {
        client_order_id: order.client_order_id,
        instrument: ID,
        strategy: order.strategy,
        side: order.side,
        trade_id: TradeId(1),
        price: order.price,
        quantity: order.quantity,
        fee: market::Money::ZERO,
        realized: market::Money::ZERO,
        liquidity: market::Liquidity::Taker,
        transaction_time: market::UtcMs(1),
    };
    assert!(rig.engine.orders().get(slot).new == order);
    let hash = rig.engine.hash;
    let mut emit = crate::engine::emit::Emit::new(&mut rig.outbox, hash);
    for _ in 0..MARKOUTS_MAX + 2 {
        rig.engine.mark_fill(0, &fill, false, &mut emit);
    }
    let all = markouts(&rig.outbox.observer);
    let no_room = |one: &&Markout| one.none_because == Some(NoMid::NoRoom);
    assert_eq!(all.iter().filter(no_room).count(), 2);
    rig.pass_ms(11_000);
    let all = markouts(&rig.outbox.observer);
    let later = all.iter().filter(|one| one.after == MarkoutAfter::S10);
    assert_eq!(later.count(), MARKOUTS_MAX);
    // There is room again.
    rig.forget();
    let hash = rig.engine.hash;
    let mut emit = crate::engine::emit::Emit::new(&mut rig.outbox, hash);
    rig.engine.mark_fill(0, &fill, false, &mut emit);
    assert_eq!(told(&rig).len(), 1);
}

#[test]
fn looks_that_are_due_go_through_a_checkpoint() {
    let mut rig = taker();
    let order = entry(&mut rig);
    rig.fill_all(&order, 500_001);
    rig.pass_ms(150);
    let mut bytes = Vec::new();
    rig.engine.save(&mut bytes);
    let config = rig.engine.config().clone();
    rig.engine = Engine::load(config, &bytes).unwrap();
    rig.forget();
    rig.pass_ms(10_000);
    let after: Vec<MarkoutAfter> = told(&rig).iter().map(|one| one.0).collect();
    assert_eq!(after, [MarkoutAfter::S1, MarkoutAfter::S10]);
}

#[test]
fn an_intent_has_the_mid_and_a_trade_its_two_ends() {
    let mut rig = taker();
    let order = entry(&mut rig);
    let mids = rig
        .outbox
        .observer
        .records
        .iter()
        .filter_map(|one| match one {
            Record::Intent(intent) => Some(intent.mid),
            _ => None,
        });
    assert_eq!(mids.collect::<Vec<_>>(), [Some(Mid(1_000_001))]);
    let whole = order.quantity.0;
    rig.fill(&order, 1, 500_001, 1);
    rig.fill(&order, whole - 1, 500_003, whole);
    rig.pass_ms(10);
    rig.forget();
    // Far below: the stop closes it.
    rig.book(490_000, 10, 10);
    let exit = rig.place_one();
    assert_eq!(exit.quantity, order.quantity);
    rig.fill_all(&exit, 490_000);
    let closed = rig
        .outbox
        .observer
        .records
        .iter()
        .find_map(|one| match one {
            Record::TradeClosed(trade) => Some(*trade),
            _ => None,
        });
    let trade = closed.unwrap();
    let legs = trade.legs.unwrap();
    let whole = i128::from(whole);
    assert_eq!(legs.entry_tick_lots, 500_001 + 500_003 * (whole - 1));
    assert_eq!(legs.exit_tick_lots, 490_000 * whole);
    assert_eq!(legs.lots, order.quantity);
    assert_eq!(legs.entry_reason, EntryReason::Order);
    assert_eq!(legs.entry_order, order.client_order_id);
    assert_eq!(legs.exit_order, exit.client_order_id);
}

/// What the book showed after an event: what a look after it may see.
#[derive(Clone, Copy)]
struct Seen {
    time: u64,
    mid: Result<i64, NoMid>,
    stated_at: u64,
}

fn see(rig: &Rig) -> Seen {
    let book = rig.engine.book(ID).unwrap();
    let mid = match (book.state(), book.best_bid(), book.best_ask()) {
        (BookState::Synced, Some(bid), Some(ask)) if bid.price < ask.price => {
            Ok(bid.price.0 + ask.price.0)
        }
        (BookState::Synced, Some(_), Some(_)) => Err(NoMid::Crossed),
        (BookState::Synced, ..) => Err(NoMid::OneSided),
        _ => Err(NoMid::BookUnsynced),
    };
    Seen {
        time: rig.time,
        mid,
        stated_at: book.top_changed_at().0,
    }
}

proptest! {
    #[test]
    fn in_random_worlds_each_look_shows_the_book_as_it_was(
        numbers in prop::collection::vec((any::<u32>(), any::<u32>(), any::<u32>()), 20..150),
    ) {
        let parameters = ImbalanceParameters { entry: EntryStyle::Taker, ..Default::default() };
        let mut rig = Rig::ready(config(Market::UsdM, &[imbalance(parameters), dummy()]));
        let stale_ns = rig.engine.config().signal.stale_after_ns;
        let mut shown = vec![see(&rig)];
        // When each fill was booked, by its order among the looks at once.
        let mut open: Vec<(u64, TradeId, u64)> = Vec::new();
        let mut told = 0;
        for (kind, first, second) in numbers {
            let act = Act::from_numbers(kind, first, second);
            let before = rig.time;
            play(&mut rig, &act);
            let records = &rig.outbox.observer.records;
            for one in records[told..].iter() {
                let Record::Markout(look) = one else { continue };
                let found = look.mid.map(|mid| mid.0).ok_or(look.none_because.unwrap_or(NoMid::NoRoom));
                if look.after == MarkoutAfter::Fill {
                    if look.none_because != Some(NoMid::ToldLate) {
                        open.push((rig.time, look.trade_id, 0));
                    }
                    continue;
                }
                let at = open.iter_mut().find(|one| one.1 == look.trade_id && one.2 < look.after.ns());
                let Some(fill) = at else { prop_assert!(false, "a look at nothing"); continue };
                fill.2 = look.after.ns();
                let due = fill.0 + look.after.ns();
                prop_assert!((before..=rig.time).contains(&due), "late: {look:?}");
                let last = shown.iter().rev().find(|one| one.time < due).unwrap();
                let expected = match last.mid {
                    Ok(_) if due.saturating_sub(last.stated_at) > stale_ns => Err(NoMid::Stale),
                    mid => mid,
                };
                prop_assert_eq!(found, expected, "{:?} due at {}", look, due);
            }
            told = records.len();
            shown.push(see(&rig));
        }
    }
}

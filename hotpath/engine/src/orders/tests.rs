//! Orders and their table where a number decides: terms, reserves, times, lists.
//!
//! In: orders at the edges. Out: what becomes of them. Never: a walk through the whole engine, which
//! the tests of `engine` take.

use super::{Amending, Evidence, NEVER, Order, OrderTable};
use crate::bounds::RESERVE_MAX;
use crate::config::OrdersConfig;
use market::{
    ClientOrderId, ExchangeOrderId, InstrumentId, IntentId, Market, Money, MonoNs, NewOrder,
    OrderState, OrderType, PendingRequest, Price, Quantity, Reader, Side, StrategyId, TimeInForce,
    UtcMs, Writer,
};

const SECOND: u64 = 1_000_000_000;

fn new_order(instrument: u16) -> NewOrder {
    NewOrder {
        client_order_id: ClientOrderId::EMPTY,
        intent: IntentId(1),
        instrument: InstrumentId(instrument),
        strategy: StrategyId(0),
        side: Side::Buy,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::GoodTillCancel,
        price: Price(100),
        quantity: Quantity(10),
        reduce_only: false,
    }
}

/// 10 lots at 100 that reserve 1,000, of which 4 are filled; its terms are of time 50.
fn order() -> Order {
    let mut order = Order::submitted(new_order(0), 0, 0, MonoNs(1), NEVER);
    order.state = OrderState::PartiallyFilled;
    (order.filled, order.told) = (Quantity(4), Quantity(4));
    order.reserve = Money(1_000);
    order.amended_at = UtcMs(50);
    order
}

fn amending(price: i64, quantity: i64, reserve: i64) -> Amending {
    Amending {
        price: Price(price),
        quantity: Quantity(quantity),
        reserve: Money(reserve),
        sent_at: MonoNs(7),
    }
}

#[test]
fn terms_are_taken_when_they_are_new_possible_and_not_older() {
    // (price, quantity, time) to (price, quantity, reserve), or refused.
    let cases = [
        ((100, 10, 60), None),
        ((100, 3, 60), None),
        ((100, 4, 60), Some((100, 4, 400))),
        ((100, -1, 60), None),
        ((101, 10, 49), None),
        ((101, 10, 50), Some((101, 10, 1_010))),
        // A lower price frees nothing.
        ((50, 10, 60), Some((50, 10, 1_000))),
        ((200, 20, 60), Some((200, 20, 4_000))),
        ((0, 20, 60), Some((100, 20, 2_000))),
        ((-5, 20, 60), Some((100, 20, 2_000))),
        // Rounded up.
        ((100, 7, 60), Some((100, 7, 700))),
        ((103, 7, 60), Some((103, 7, 721))),
    ];
    for ((price, quantity, at), expected) in cases {
        let mut order = order();
        let taken = order.take_terms(Price(price), Quantity(quantity), UtcMs(at), MonoNs(9));
        let (price, quantity, reserve) = expected.unwrap_or((100, 10, 1_000));
        assert_eq!(taken, expected.is_some(), "{price} {quantity} {at}");
        assert_eq!(order.new.price, Price(price));
        assert_eq!(order.new.quantity, Quantity(quantity));
        assert_eq!(order.reserve, Money(reserve));
        let (amended, told) = if taken { (at, 9) } else { (50, 0) };
        assert_eq!(order.amended_at, UtcMs(amended));
        assert_eq!(order.terms_at, MonoNs(told));
    }
}

#[test]
fn nothing_filled_is_no_reason_to_take_no_quantity() {
    let mut order = order();
    (order.filled, order.told) = (Quantity(0), Quantity(0));
    assert!(!order.take_terms(Price(100), Quantity(0), UtcMs(60), MonoNs(9)));
}

#[test]
fn a_market_order_keeps_having_no_price() {
    let mut order = order();
    order.new.order_type = OrderType::Market;
    order.new.price = Price(0);
    assert!(order.take_terms(Price(300), Quantity(20), UtcMs(60), MonoNs(9)));
    assert_eq!((order.new.price, order.reserve), (Price(0), Money(2_000)));
    // A limit order whose price was never told.
    order.new.order_type = OrderType::Limit;
    assert!(order.take_terms(Price(300), Quantity(20), UtcMs(61), MonoNs(9)));
    assert_eq!((order.new.price, order.reserve), (Price(300), Money(2_000)));
}

#[test]
fn terms_that_we_asked_for_reserve_what_we_decided() {
    let mut order = order();
    order.amending = Some(amending(200, 20, 77));
    assert!(order.take_terms(Price(200), Quantity(20), UtcMs(60), MonoNs(9)));
    assert_eq!(order.reserve, Money(77));
    assert!(order.is_amended());
    assert!(order.take_terms(Price(200), Quantity(40), UtcMs(61), MonoNs(9)));
    assert_eq!(order.reserve, Money(154), "somebody else went further");
    assert!(!order.is_amended());
}

#[test]
fn what_may_still_trade_is_exposed_and_reserved() {
    let mut order = order();
    assert_eq!(
        (order.exposure(), order.reserved()),
        (Quantity(6), Money(600))
    );
    order.amending = Some(amending(100, 14, 1_400));
    assert_eq!(
        (order.exposure(), order.reserved()),
        (Quantity(10), Money(1_000))
    );
    order.amending = Some(amending(100, 5, 1_400));
    assert_eq!(
        (order.exposure(), order.reserved()),
        (Quantity(6), Money(600))
    );
    order.amending = None;
    order.filled = Quantity(0);
    assert_eq!(
        (order.exposure(), order.reserved()),
        (Quantity(10), Money(1_000))
    );
    order.filled = Quantity(3);
    order.reserve = Money(1);
    assert_eq!(order.reserved(), Money(1), "rounded up");
    order.reserve = Money::ZERO;
    assert_eq!(order.reserved(), Money::ZERO);
    // Over, but for fills that were told and not seen.
    order.state = OrderState::Canceled;
    (order.told, order.filled) = (Quantity(7), Quantity(4));
    assert_eq!((order.exposure(), order.is_settled()), (Quantity(3), false));
    order.filled = Quantity(7);
    assert_eq!((order.exposure(), order.is_settled()), (Quantity(0), true));
    order.filled = Quantity(8);
    assert_eq!((order.exposure(), order.is_settled()), (Quantity(0), true));
    order.state = OrderState::Accepted;
    assert!(!order.is_settled());
}

#[test]
fn a_reserve_never_passes_its_bound() {
    let mut order = order();
    order.reserve = RESERVE_MAX;
    assert!(order.take_terms(Price(300), Quantity(20), UtcMs(60), MonoNs(9)));
    assert_eq!(order.reserve, RESERVE_MAX);
}

/// A table of four slots; windows of 1 s.
fn table() -> OrderTable {
    OrderTable::new(&OrdersConfig {
        capacity: 4,
        ..OrdersConfig::default()
    })
}

/// Puts an order of an instrument in, sent at `at`.
fn place(table: &mut OrderTable, instrument: u16, at: u64) -> u16 {
    let (slot, id) = table.reserve().unwrap();
    let mut new = new_order(instrument);
    new.client_order_id = id;
    let due = table.reply_due(MonoNs(at));
    table.insert(slot, Order::submitted(new, 0, 0, MonoNs(at), due));
    slot
}

#[test]
fn a_slot_is_reused_when_its_order_is_settled_and_skipped_while_it_is_not() {
    let mut table = table();
    let slots: Vec<u16> = (0..4).map(|_| place(&mut table, 0, 1)).collect();
    assert_eq!(slots, [0, 1, 2, 3]);
    assert_eq!(table.reserve(), None);
    table.apply(2, Evidence::Reject, Quantity::ZERO, MonoNs(2));
    let (slot, id) = table.reserve().unwrap();
    assert_eq!(slot, 2);
    assert_eq!(id.parse("fu"), Some((0, 10)), "the sequence goes on");
    assert_eq!(table.live(), [0, 1, 3]);
}

#[test]
fn orders_are_found_by_both_ids_and_only_on_their_instrument() {
    let mut table = table();
    let (first, second) = (place(&mut table, 0, 1), place(&mut table, 1, 1));
    table.get_mut(first).exchange_order_id = ExchangeOrderId(5);
    let found =
        |instrument, id| table.find_by_exchange(InstrumentId(instrument), ExchangeOrderId(id));
    assert_eq!(found(0, 5), Some(first));
    assert_eq!(found(1, 5), None);
    assert_eq!(found(0, 6), None);
    assert_eq!(found(1, 0), None, "no id is no id");
    assert_eq!(
        table.find(&table.get(second).new.client_order_id),
        Some(second)
    );
    assert!(!table.awaits_exchange_id(InstrumentId(0)));
    assert!(table.awaits_exchange_id(InstrumentId(1)));
    assert!(!table.awaits_exchange_id(InstrumentId(2)));
}

#[test]
fn an_order_of_an_earlier_life_is_found_by_a_walk() {
    let mut table = table();
    let slot = place(&mut table, 0, 1);
    let earlier = ClientOrderId::compose("fu", 3, 1);
    table.get_mut(slot).new.client_order_id = earlier;
    assert_eq!(table.find(&earlier), Some(slot));
    assert_eq!(table.find(&ClientOrderId::compose("fu", 3, 2)), None);
    assert!(table.is_ours(&earlier));
    assert!(!table.is_ours(&ClientOrderId::compose("xx", 3, 1)));
}

#[test]
fn queries_are_an_interval_apart_and_two_late_answers_decide() {
    let mut table = table();
    let slot = place(&mut table, 0, SECOND);
    assert!(table.make_unknown(slot, MonoNs(2 * SECOND)));
    assert!(
        !table.make_unknown(slot, MonoNs(2 * SECOND)),
        "it is already"
    );
    assert_eq!((table.unknown_now(), table.counters.unknown_ever), (1, 1));
    assert_eq!(table.get(slot).wake, MonoNs(2 * SECOND + SECOND / 5));
    assert_eq!(
        table.query_is_early(slot, MonoNs(2 * SECOND)),
        None,
        "never asked"
    );
    // The exchange may accept until 2 s after sending, with the margin until 4 s.
    table.queried(slot, MonoNs(4 * SECOND - 1));
    assert_eq!(table.get(slot).wake, MonoNs(5 * SECOND - 1));
    let early = |table: &OrderTable, at| table.query_is_early(slot, MonoNs(at));
    assert_eq!(early(&table, 5 * SECOND - 2), Some(MonoNs(5 * SECOND - 1)));
    assert_eq!(early(&table, 5 * SECOND - 1), None);
    assert!(
        !table.not_found(slot, Market::UsdM),
        "asked before the window closed"
    );
    assert_eq!(table.get(slot).not_found, 0);
    table.queried(slot, MonoNs(4 * SECOND));
    assert!(!table.not_found(slot, Market::UsdM), "one answer");
    table.queried(slot, MonoNs(5 * SECOND));
    assert!(table.not_found(slot, Market::UsdM), "two answers");
}

#[test]
fn what_is_known_or_confirmed_is_never_declared_not_to_exist() {
    let mut table = table();
    let slot = place(&mut table, 0, SECOND);
    table.queried(slot, MonoNs(9 * SECOND));
    assert_eq!(
        table.query_is_early(slot, MonoNs(9 * SECOND)),
        None,
        "nothing is in doubt"
    );
    assert!(!table.not_found(slot, Market::UsdM) && !table.not_found(slot, Market::UsdM));
    table.apply(slot, Evidence::Accept, Quantity::ZERO, MonoNs(9 * SECOND));
    table.make_unknown(slot, MonoNs(9 * SECOND));
    table.queried(slot, MonoNs(10 * SECOND));
    assert!(!table.not_found(slot, Market::UsdM) && !table.not_found(slot, Market::UsdM));
    assert_eq!(table.get(slot).not_found, 0);
}

#[test]
fn an_order_that_reduces_has_the_longer_window() {
    let mut table = table();
    let slot = place(&mut table, 0, SECOND);
    table.get_mut(slot).new.reduce_only = true;
    table.make_unknown(slot, MonoNs(2 * SECOND));
    let window = market::WANTED_WINDOW_MS as u64 * 1_000_000;
    let closed = SECOND + window + 2 * SECOND;
    table.queried(slot, MonoNs(closed - 1));
    assert!(!table.not_found(slot, Market::UsdM));
    assert_eq!(table.get(slot).not_found, 0);
    table.queried(slot, MonoNs(closed));
    table.not_found(slot, Market::UsdM);
    assert_eq!(table.get(slot).not_found, 1);
}

#[test]
fn an_amendment_is_given_up_by_two_late_answers_only() {
    let mut table = table();
    let slot = place(&mut table, 0, SECOND);
    table.apply(slot, Evidence::Accept, Quantity::ZERO, MonoNs(SECOND));
    assert!(table.not_amended(slot, Market::UsdM), "there is none");
    let asked = Amending {
        sent_at: MonoNs(2 * SECOND),
        ..amending(101, 10, 0)
    };
    table.amend_sent(slot, asked);
    let order = table.get(slot);
    assert_eq!(
        (order.pending, order.amendments),
        (PendingRequest::Amend, 1)
    );
    assert_eq!(order.wake, MonoNs(5 * SECOND), "a reply is due");
    table.queried(slot, MonoNs(9 * SECOND));
    assert!(!table.not_amended(slot, Market::UsdM), "not in doubt");
    assert_eq!(table.get(slot).not_found, 0);
    table.make_unknown(slot, MonoNs(5 * SECOND));
    table.queried(slot, MonoNs(5 * SECOND - 1));
    assert!(!table.not_amended(slot, Market::UsdM));
    assert_eq!(table.get(slot).not_found, 0);
    table.queried(slot, MonoNs(5 * SECOND));
    assert!(!table.not_amended(slot, Market::UsdM));
    table.queried(slot, MonoNs(6 * SECOND));
    assert!(table.not_amended(slot, Market::UsdM));
    // One that reduces has the longer window here too.
    table.get_mut(slot).new.reduce_only = true;
    table.get_mut(slot).not_found = 0;
    assert!(!table.not_amended(slot, Market::UsdM));
    assert_eq!(table.get(slot).not_found, 0);
}

#[test]
fn fills_that_are_told_and_missing_keep_the_order_and_wake_it() {
    let mut table = table();
    let slot = place(&mut table, 0, SECOND);
    table.apply(slot, Evidence::Accept, Quantity::ZERO, MonoNs(SECOND));
    table.refresh_wake();
    assert_eq!(table.wake(), NEVER);
    table.apply(slot, Evidence::Cancel, Quantity(3), MonoNs(2 * SECOND));
    assert_eq!(table.live(), [slot]);
    assert_eq!(table.get(slot).unsettled_since, MonoNs(2 * SECOND));
    assert_eq!(
        (table.get(slot).wake, table.wake()),
        (MonoNs(3 * SECOND), MonoNs(3 * SECOND))
    );
    // Told once more, later: still due from when it began to be missing.
    table.settle(slot, MonoNs(5 * SECOND / 2));
    assert_eq!(table.get(slot).wake, MonoNs(3 * SECOND));
    assert!(table.fill(slot, Quantity(2), MonoNs(4 * SECOND)));
    assert_eq!(table.live(), [slot]);
    assert!(
        !table.fill(slot, Quantity(9), MonoNs(4 * SECOND)),
        "more than was ordered"
    );
    assert_eq!(table.counters.violations, 1);
    assert!(table.fill(slot, Quantity(1), MonoNs(4 * SECOND)));
    assert_eq!(
        (table.live().len(), table.get(slot).unsettled_since),
        (0, NEVER)
    );
}

#[test]
fn a_table_is_loaded_as_it_was_saved_and_nothing_else_is() {
    let mut table = table();
    place(&mut table, 0, SECOND);
    place(&mut table, 1, SECOND);
    let mut buffer = vec![0; 1 << 14];
    let mut writer = Writer::new(&mut buffer);
    table.save(&mut writer).unwrap();
    let length = writer.length();
    let bytes = &mut buffer[..length];
    let load = |bytes: &[u8]| {
        let mut loaded = self::table();
        loaded.load(&mut Reader::new(bytes)).map(|()| loaded)
    };
    let loaded = load(bytes).unwrap();
    assert_eq!(loaded.live(), [0, 1]);
    assert_eq!((loaded.wake(), loaded.get(1)), (table.wake(), table.get(1)));
    // The second entry of the list of live orders: one that is there twice, none at all, an empty one.
    let at = length_before_live(&table) + 2;
    for slot in [0_u16, 4, 3] {
        let mut bad = bytes.to_vec();
        bad[at..at + 2].copy_from_slice(&slot.to_le_bytes());
        assert!(load(&bad).is_err(), "slot {slot}");
    }
}

/// Bytes before the list of live orders.
fn length_before_live(table: &OrderTable) -> usize {
    use market::Wire;
    let mut buffer = [0; 512];
    let counters = table.counters.to_bytes(&mut buffer).unwrap();
    // The sequence, the wake, the counters, the length of the list.
    8 + 8 + counters + 8
}

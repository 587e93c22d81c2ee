//! Positions against an independent count in decimals.
//!
//! In: random fills. Out: equality with rust_decimal over flat cycles. Never: a tolerance.

use super::Position;
use market::{Money, MonoNs, Price, Quantity, Side};
use proptest::prelude::*;
use rust_decimal::Decimal;

fn side(buy: bool) -> Side {
    if buy { Side::Buy } else { Side::Sell }
}

#[test]
fn a_flip_closes_one_trade_and_opens_the_next() {
    let mut position = Position::default();
    position.apply(Side::Buy, Price(100), Quantity(3), Money(30), MonoNs(1));
    let effect = position.apply(Side::Sell, Price(110), Quantity(5), Money(50), MonoNs(9));
    let closed = effect.closed.unwrap();
    assert_eq!((closed.realized_tick_lots, closed.held_ns), (30, 8));
    assert_eq!((closed.peak, closed.side), (Quantity(3), Side::Buy));
    assert_eq!(closed.fees, Money(30 + 30));
    assert_eq!(
        (position.quantity, position.cost_tick_lots),
        (Quantity(-2), -220)
    );
    assert_eq!(position.fees - position.fees_before, Money(20));
}

#[test]
fn a_position_of_nothing_that_is_taken_over_has_cost_nothing() {
    let mut position = Position::default();
    position.apply(Side::Buy, Price(100), Quantity(2), Money(3), MonoNs(1));
    position.adopt(Quantity(0), 77, MonoNs(2));
    assert_eq!(
        (position.quantity, position.cost_tick_lots),
        (Quantity(0), 0)
    );
    assert_eq!(position.fees, Money(3), "what was paid stays paid");
}

#[test]
fn what_reductions_round_away_comes_out_with_the_last_lot() {
    let mut position = Position::default();
    position.apply(Side::Buy, Price(100), Quantity(2), Money(0), MonoNs(1));
    position.apply(Side::Buy, Price(101), Quantity(1), Money(0), MonoNs(1));
    for _ in 0..3 {
        position.apply(Side::Sell, Price(100), Quantity(1), Money(0), MonoNs(1));
    }
    assert!(position.is_flat());
    assert_eq!(
        (position.realized_tick_lots, position.cost_tick_lots),
        (-1, 0)
    );
}

proptest! {
    #[test]
    fn cash_flow_is_realized_profit_whenever_flat(
        fills in prop::collection::vec((any::<bool>(), 1i64..10_000_000, 1i64..100_000), 1..60),
    ) {
        let mut position = Position::default();
        let mut cash = Decimal::ZERO;
        let mut held = Decimal::ZERO;
        let mut trades = 0;
        for (buy, price, lots) in fills {
            let side = side(buy);
            let effect = position.apply(side, Price(price), Quantity(lots), Money(0), MonoNs(1));
            trades += u64::from(effect.closed.is_some());
            let signed = Decimal::from(side.sign()) * Decimal::from(lots);
            cash -= signed * Decimal::from(price);
            held += signed;
            prop_assert_eq!(Decimal::from(position.quantity.0), held);
            // Cost is what is not realised of the cash that went out: exact at every step.
            let cost = Decimal::from_i128_with_scale(position.cost_tick_lots, 0);
            let realized = Decimal::from_i128_with_scale(position.realized_tick_lots, 0);
            prop_assert_eq!(cash + cost, realized);
            prop_assert!(position.cost_tick_lots.signum() == i128::from(position.quantity.0.signum()));
        }
        let rest = position.quantity;
        if !rest.is_zero() {
            let closing = position.closing_side();
            position.apply(closing, Price(5), rest.magnitude(), Money(0), MonoNs(1));
            cash += Decimal::from(rest.0) * Decimal::from(5);
            trades += 1;
        }
        prop_assert_eq!(Decimal::from_i128_with_scale(position.realized_tick_lots, 0), cash);
        prop_assert_eq!(position.cost_tick_lots, 0);
        prop_assert!(trades > 0);
    }
}

/// A trade, added up by hand.
#[derive(Clone, Debug, Default)]
struct ByHand {
    side: Decimal,
    lots: Decimal,
    entry: Decimal,
    exit: Decimal,
    fees: Decimal,
}

fn decimal(wide: i128) -> Decimal {
    Decimal::from_i128_with_scale(wide, 0)
}

proptest! {
    /// Entries, exits and fees of each trade, against sums in decimals from flat to flat.
    #[test]
    fn each_trade_is_what_its_fills_add_up_to(
        fills in prop::collection::vec(
            (any::<bool>(), 1i64..10_000_000, 1i64..1_000, -100_000i64..1_000_000), 1..80),
    ) {
        let mut position = Position::default();
        let (mut held, mut hand) = (Decimal::ZERO, ByHand::default());
        for (buy, price, lots, fee) in fills {
            let before = position.is_flat();
            let effect =
                position.apply(side(buy), Price(price), Quantity(lots), Money(fee), MonoNs(1));
            let sign = if buy { Decimal::ONE } else { -Decimal::ONE };
            let (price, lots, fee) = (Decimal::from(price), Decimal::from(lots), Decimal::from(fee));
            let closing = if held * sign < Decimal::ZERO { lots.min(held.abs()) } else { Decimal::ZERO };
            let opening = lots - closing;
            // Half away from zero, as money is rounded everywhere.
            let away = rust_decimal::RoundingStrategy::MidpointAwayFromZero;
            let closing_fee = (fee * closing / lots).round_dp_with_strategy(0, away);
            hand.exit += price * closing;
            hand.fees += closing_fee;
            held += sign * closing;
            prop_assert_eq!(effect.closed.is_some(), closing > Decimal::ZERO && held.is_zero());
            if let Some(closed) = effect.closed {
                prop_assert_eq!(Decimal::from(closed.side.sign()), hand.side);
                prop_assert_eq!(Decimal::from(closed.lots.0), hand.lots);
                prop_assert_eq!(decimal(closed.entry_tick_lots), hand.entry);
                prop_assert_eq!(decimal(closed.exit_tick_lots()), hand.exit);
                prop_assert_eq!(decimal(closed.realized_tick_lots), (hand.exit - hand.entry) * hand.side);
                prop_assert_eq!(Decimal::from(closed.fees.0), hand.fees);
            }
            if held.is_zero() && opening > Decimal::ZERO {
                hand = ByHand { side: sign, ..ByHand::default() };
            }
            let opened = opening > Decimal::ZERO && (before || effect.closed.is_some());
            prop_assert_eq!(effect.opened, opened);
            hand.lots += opening;
            hand.entry += price * opening;
            hand.fees += if opening > Decimal::ZERO { fee - closing_fee } else { Decimal::ZERO };
            held += sign * opening;
        }
    }
}

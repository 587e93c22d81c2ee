//! Where the window of a side stands after each kind of move, and what is counted beside it.
//!
//! In: levels chosen at the borders of a window. Out: its base, span, far levels, sums. Never: a
//! random level; those are in `ladder_tests`.

use super::ladder::{Ladder, NO_KEY};
use crate::bounds::{LOTS_MAX, TICKS_MAX};
use market::{Level, Price, Quantity, Side};

/// An eighth is 128 ticks, a quarter 256.
const WIDTH: i64 = 1_024;

fn level(price: i64, quantity: i64) -> Level {
    Level {
        price: Price(price),
        quantity: Quantity(quantity),
    }
}

/// Asks at these prices, one lot each; everything is known.
fn asks(prices: &[i64]) -> Ladder {
    let mut ladder = Ladder::new(Side::Sell, WIDTH as usize, 64);
    ladder.widen(NO_KEY);
    let levels: Vec<_> = prices.iter().map(|price| level(*price, 1)).collect();
    assert!(ladder.apply(&levels));
    ladder
}

fn remove(ladder: &mut Ladder, price: i64) {
    assert!(ladder.apply(&[level(price, 0)]));
}

#[test]
fn the_first_level_stands_a_quarter_from_the_front() {
    let ladder = asks(&[10_000]);
    assert_eq!(ladder.base, (10_000 - WIDTH / 4) & !63);
    assert_eq!(ladder.span, WIDTH as u64);
}

#[test]
fn the_part_of_a_window_that_prices_can_have_ends_with_the_prices() {
    let ladder = asks(&[]);
    assert_eq!((ladder.open, ladder.span), (1, 1_023));
    let ladder = asks(&[TICKS_MAX]);
    assert_eq!(ladder.span, (TICKS_MAX + 1 - ladder.base) as u64);
    let mut bids = Ladder::new(Side::Buy, WIDTH as usize, 64);
    assert_eq!(bids.span, 0);
    assert!(bids.apply(&[level(100, 1)]));
    assert_eq!((bids.base, bids.open, bids.span), (-384, -384, 384));
}

#[test]
fn a_quiet_call_moves_the_window_when_the_best_is_outside_of_one_to_three_eighths() {
    // The base is 2,048 for a first level at 2,304.
    for (best, base) in [
        (2_048 + 127, 1_856),
        (2_048 + 128, 2_048),
        (2_048 + 384, 2_048),
        (2_048 + 385, 2_176),
    ] {
        let mut ladder = asks(&[2_304, 2_500]);
        assert_eq!(ladder.base, 2_048);
        assert!(ladder.apply(&[level(best, 1)]));
        remove(&mut ladder, 2_304);
        assert_eq!((ladder.best(), ladder.base), (best, 2_048));
        ladder.settle();
        assert_eq!(ladder.base, base, "best {best}");
    }
    let mut empty = asks(&[]);
    empty.settle();
    assert_eq!(empty.base, 0, "no level is nowhere");
}

#[test]
fn an_event_moves_the_window_when_its_best_is_left_beyond_the_middle() {
    for (best, base) in [(2_048 + 512, 2_048), (2_048 + 513, 2_304)] {
        let mut ladder = asks(&[2_304, best]);
        assert_eq!(ladder.base, 2_048);
        remove(&mut ladder, 2_304);
        assert_eq!((ladder.best(), ladder.base), (best, base));
    }
}

#[test]
fn what_lies_behind_the_last_tick_of_a_window_stays_far() {
    // The window moves from 0 to 256: its last tick is 1,279.
    let mut ladder = asks(&[10, 513, 1_023, 1_024, 1_279, 1_280, 1_281]);
    assert_eq!(ladder.far.len(), 4);
    assert_eq!((ladder.quantity(1_023), ladder.quantity(1_024)), (1, 1));
    assert_eq!(ladder.sum_from(i64::MIN, 4), Some(4));
    remove(&mut ladder, 10);
    assert_eq!((ladder.base, ladder.far.len()), (256, 2));
    for price in [513, 1_023, 1_024, 1_279, 1_280, 1_281] {
        assert_eq!(ladder.quantity(price), 1, "{price}");
    }
    assert_eq!(ladder.sum_from(i64::MIN, 6), Some(6));
    assert_eq!(ladder.sum_from(1_280, 2), Some(2), "far levels alone");
    assert_eq!(ladder.sum_from(1_280, 3), None);
    assert_eq!(ladder.sum_from(600, 0), Some(0));
}

#[test]
fn a_far_level_at_the_end_of_what_is_known_counts_and_the_next_does_not() {
    let mut ladder = Ladder::new(Side::Sell, WIDTH as usize, 64);
    assert!(ladder.apply(&[level(10, 1), level(2_000, 5), level(2_001, 7)]));
    ladder.widen(2_000);
    assert_eq!(ladder.sum_from(i64::MIN, 2), Some(6));
    assert_eq!(ladder.sum_from(i64::MIN, 3), None);
}

#[test]
fn what_is_unknown_is_forgotten_wherever_it_lies() {
    let mut ladder = Ladder::new(Side::Sell, WIDTH as usize, 64);
    assert!(ladder.apply(&[level(10, 1), level(20, 1), level(21, 1), level(3_000, 1)]));
    ladder.widen(20);
    ladder.clear_unknown();
    let left = [10, 20, 21, 3_000].map(|price| ladder.quantity(price));
    assert_eq!(left, [1, 1, 0, 0]);
}

#[test]
fn a_far_table_is_crowded_from_more_than_three_quarters_on() {
    let mut ladder = Ladder::new(Side::Sell, WIDTH as usize, 8);
    ladder.widen(NO_KEY);
    for count in 0..8 {
        assert_eq!(ladder.is_crowded(), count > 6, "{count} of 8");
        assert!(ladder.apply(&[level(10, 1), level(5_000 + count, 1)]));
    }
}

#[test]
fn two_wrongs_of_one_level_do_not_make_it_right() {
    let mut ladder = asks(&[]);
    for (price, quantity) in [
        (0, -1),
        (0, LOTS_MAX + 1),
        (TICKS_MAX + 1, -1),
        (TICKS_MAX + 1, LOTS_MAX + 1),
    ] {
        assert!(
            !ladder.apply(&[level(price, quantity)]),
            "{price} {quantity}"
        );
    }
    assert_eq!(ladder.best(), NO_KEY);
}

#[test]
fn only_a_base_that_a_window_can_have_is_restored() {
    let mut ladder = asks(&[10]);
    for (base, possible) in [
        (64, true),
        (65, false),
        (TICKS_MAX * 2 / 64 * 64, true),
        ((TICKS_MAX * 2 / 64 + 1) * 64, false),
        (-(TICKS_MAX * 2 / 64 * 64), true),
        (-((TICKS_MAX * 2 / 64 + 1) * 64), false),
    ] {
        assert_eq!(ladder.restore((base, 5, 9, 3)), possible, "{base}");
        assert_eq!(ladder.best(), NO_KEY);
        if possible {
            assert_eq!(ladder.bounds(), (base, 5, 9, 3));
        }
    }
}

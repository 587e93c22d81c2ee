//! One side of a book against a map.
//!
//! In: random and hostile levels, and calls of `settle` in between. Out: the same levels, best and
//! sums as the map. Never: a window that its best has left.

use super::ladder::{Ladder, NO_KEY};
use crate::bounds::{LOTS_MAX, TICKS_MAX};
use market::{Level, Price, Quantity, Side};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn level(price: i64, quantity: i64) -> Level {
    Level {
        price: Price(price),
        quantity: Quantity(quantity),
    }
}

/// Levels as a checkpoint has them.
fn saved(ladder: &Ladder) -> Vec<(i64, i64)> {
    let mut bytes = Vec::new();
    ladder.save_levels(&mut bytes);
    let (words, rest) = bytes.as_chunks::<8>();
    let words: Vec<i64> = words.iter().map(|word| i64::from_le_bytes(*word)).collect();
    let (pairs, odd) = words[1..].as_chunks::<2>();
    assert!(rest.is_empty() && odd.is_empty() && words[0] == pairs.len() as i64);
    pairs.iter().map(|[key, lots]| (*key, *lots)).collect()
}

#[test]
fn no_price_of_any_size_is_written_or_panics() {
    for side in [Side::Buy, Side::Sell] {
        let mut ladder = Ladder::new(side, 256, 4);
        let insane = [
            level(0, 1),
            level(-1, 1),
            level(i64::MIN, 1),
            level(i64::MAX, 1),
            level(TICKS_MAX + 1, 1),
            level(5, LOTS_MAX + 1),
            level(5, i64::MAX),
            level(5, -1),
            level(5, i64::MIN),
        ];
        for one in insane {
            assert!(!ladder.apply(&[one]), "{one:?}");
        }
        assert_eq!(ladder.best(), NO_KEY);
        assert!(ladder.apply(&[level(TICKS_MAX, 1), level(1, 1), level(TICKS_MAX, LOTS_MAX)]));
        ladder.widen(NO_KEY);
        assert_eq!(ladder.sum_from(i64::MIN, 2), Some(LOTS_MAX + 1));
    }
}

#[test]
fn a_full_far_table_shrinks_the_known_range() {
    let mut ladder = Ladder::new(Side::Sell, 256, 2);
    ladder.widen(NO_KEY);
    assert!(ladder.apply(&[level(10, 1), level(500, 1), level(600, 1), level(400, 1)]));
    assert_eq!(ladder.dropped, 1);
    assert_eq!(ladder.edge(), 399);
    assert_eq!(ladder.sum_from(i64::MIN, 1), Some(1));
    assert_eq!(ladder.sum_from(i64::MIN, 2), None);
    ladder.widen(1_000);
    assert_eq!(ladder.edge(), 399);
    ladder.clear_unknown();
    ladder.widen(1_000);
    assert_eq!((ladder.edge(), ladder.far.len()), (1_000, 0));
}

proptest! {
    #[test]
    fn a_ladder_equals_a_map_wherever_its_window_is(
        steps in prop::collection::vec(
            (0u8..4, 1i64..40, prop::sample::select(vec![0i64, 0, 1, 2, 9]), any::<bool>()),
            1..300),
        is_bid in any::<bool>(),
        center in 1_000i64..2_000,
    ) {
        let side = if is_bid { Side::Buy } else { Side::Sell };
        let mut ladder = Ladder::new(side, 256, 4_096);
        ladder.widen(NO_KEY);
        let mut model = BTreeMap::new();
        for (scale, offset, quantity, settle) in steps {
            // Near, some windows away, far away.
            let price = center + offset * [1, 7, 300, 9_000][usize::from(scale)];
            prop_assert!(ladder.apply(&[level(price, quantity)]));
            if settle {
                ladder.settle();
            }
            let key = ladder.key(Price(price));
            if quantity == 0 { model.remove(&key); } else { model.insert(key, quantity); }
            prop_assert_eq!(saved(&ladder), model.clone().into_iter().collect::<Vec<_>>());
            let best = model.first_key_value().map_or(NO_KEY, |(key, _)| *key);
            prop_assert_eq!(ladder.best(), best);
            prop_assert!(best == NO_KEY || ladder.in_window(best));
            prop_assert_eq!(ladder.quantity(key), quantity);
            for count in [1, 3, 8] {
                let sum = (model.len() >= count).then(|| model.values().take(count).sum());
                prop_assert_eq!(ladder.sum_from(i64::MIN, count), sum);
            }
            let after = model.range(key + 1..).next().map(|(key, value)| (*key, *value));
            prop_assert_eq!(ladder.next_from(key + 1), after);
        }
    }
}

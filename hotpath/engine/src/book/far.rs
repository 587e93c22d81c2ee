//! Levels outside of the window: a fixed hash table from key to quantity.
//!
//! In: keys and quantities. Out: the same, and ordered look-ups by a scan of the table (cold).
//! Never: more entries than it was made for; a full table says so.
//!
//! Linear probing with backward-shift removal, at most half full, so that probes stay short and
//! no tombstones pile up over days.

/// Far levels of one side.
#[derive(Debug)]
pub(super) struct FarLevels {
    /// Key and quantity; quantity 0 marks a free slot.
    slots: Box<[(i64, i64)]>,
    count: usize,
    count_max: usize,
}

/// There is no room for another level.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

impl FarLevels {
    pub(super) fn new(count_max: usize) -> Self {
        let slots = (count_max.max(1) * 2).next_power_of_two();
        Self {
            slots: vec![(0, 0); slots].into_boxed_slice(),
            count: 0,
            count_max,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn capacity(&self) -> usize {
        self.count_max
    }

    #[cfg(test)]
    pub(super) fn get(&self, key: i64) -> i64 {
        if self.count == 0 {
            return 0;
        }
        self.slots[self.find(key)].1
    }

    /// Sets a level; quantity 0 removes it.
    pub(super) fn set(&mut self, key: i64, quantity: i64) -> Result<(), Full> {
        if self.count == 0 && quantity == 0 {
            return Ok(());
        }
        let at = self.find(key);
        if self.slots[at].1 != 0 {
            if quantity == 0 {
                self.remove_at(at);
            } else {
                self.slots[at].1 = quantity;
            }
            return Ok(());
        }
        if quantity == 0 {
            return Ok(());
        }
        if self.count >= self.count_max {
            return Err(Full);
        }
        self.slots[at] = (key, quantity);
        self.count += 1;
        Ok(())
    }

    /// The level with the lowest key from `from` on.
    pub(super) fn first_from(&self, from: i64) -> Option<(i64, i64)> {
        if self.count == 0 {
            return None;
        }
        let worth = |slot: &&(i64, i64)| slot.1 != 0 && slot.0 >= from;
        self.slots.iter().filter(worth).min().copied()
    }

    /// Takes out every level whose key lies in `from..=to`.
    pub(super) fn take_range(&mut self, from: i64, to: i64, mut taken: impl FnMut(i64, i64)) {
        let mut at = 0;
        while self.count > 0 && at < self.slots.len() {
            let (key, quantity) = self.slots[at];
            if quantity != 0 && (from..=to).contains(&key) {
                taken(key, quantity);
                // The removal may move another level to this slot, so it is looked at again.
                self.remove_at(at);
            } else {
                at += 1;
            }
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (i64, i64)> + '_ {
        self.slots.iter().copied().filter(|slot| slot.1 != 0)
    }

    pub(super) fn clear(&mut self) {
        if self.count > 0 {
            self.slots.fill((0, 0));
            self.count = 0;
        }
    }

    fn mask(&self) -> usize {
        self.slots.len() - 1
    }

    fn home(&self, key: i64) -> usize {
        // Fibonacci hashing: the high bits of the product are well mixed.
        let mixed = (key as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (mixed >> 32) as usize & self.mask()
    }

    /// The slot of `key`, or the free slot where it would stand. The table is never full.
    fn find(&self, key: i64) -> usize {
        let mut at = self.home(key);
        while self.slots[at].1 != 0 && self.slots[at].0 != key {
            at = (at + 1) & self.mask();
        }
        at
    }

    fn remove_at(&mut self, at: usize) {
        let mask = self.mask();
        let mut hole = at;
        let mut next = (at + 1) & mask;
        while self.slots[next].1 != 0 {
            // A level may move back to the hole unless its home lies after the hole.
            let from_home = next.wrapping_sub(self.home(self.slots[next].0)) & mask;
            let from_hole = next.wrapping_sub(hole) & mask;
            if from_home >= from_hole {
                self.slots[hole] = self.slots[next];
                hole = next;
            }
            next = (next + 1) & mask;
        }
        self.slots[hole] = (0, 0);
        self.count -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[test]
    fn a_cleared_table_holds_nothing_and_takes_as_much_as_before() {
        let mut far = FarLevels::new(3);
        assert_eq!(far.capacity(), 3);
        for round in 0..3 {
            for key in [-7, 0, 7] {
                assert_eq!(far.set(key + round, 1), Ok(()));
            }
            assert_eq!(far.set(100, 1), Err(Full));
            far.clear();
            assert_eq!((far.len(), far.iter().count()), (0, 0));
            assert_eq!(far.first_from(i64::MIN), None);
        }
    }

    proptest! {
        #[test]
        fn far_levels_equal_a_map(
            steps in prop::collection::vec((-20i64..20, 0i64..4, any::<bool>()), 0..400),
        ) {
            let mut far = FarLevels::new(12);
            let mut model = BTreeMap::new();
            for (key, quantity, take) in steps {
                if take && quantity == 3 {
                    let mut taken = Vec::new();
                    far.take_range(key, key + 5, |key, quantity| taken.push((key, quantity)));
                    taken.sort_unstable();
                    let expected: Vec<_> =
                        model.range(key..=key + 5).map(|(key, value)| (*key, *value)).collect();
                    model.retain(|one, _| !(key..=key + 5).contains(one));
                    prop_assert_eq!(taken, expected);
                    continue;
                }
                let full = model.len() == 12 && !model.contains_key(&key) && quantity > 0;
                prop_assert_eq!(far.set(key, quantity).is_err(), full);
                if quantity == 0 {
                    model.remove(&key);
                } else if !full {
                    model.insert(key, quantity);
                }
                prop_assert_eq!(far.len(), model.len());
                prop_assert_eq!(far.get(key), model.get(&key).copied().unwrap_or(0));
                let first = model.range(key..).next().map(|(key, value)| (*key, *value));
                prop_assert_eq!(far.first_from(key), first);
                let mut all: Vec<_> = far.iter().collect();
                all.sort_unstable();
                prop_assert_eq!(all, model.clone().into_iter().collect::<Vec<_>>());
            }
        }
    }
}

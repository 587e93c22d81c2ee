//! Places of our own code that may do something rare, but allowed, more often than life would.
//!
//! In: a seed for the thread, before a run. Out: whether a place does its rare thing now, and how
//! often each did. Never: anything in a build without the feature `buggify`, which no product
//! build has: there every question is `false` at compile time, and the product's binaries assert
//! that they were built so.

crate::wire_enum! {
    /// A place that can do something rare.
    pub enum Point {
        /// The journal says that it is nearly full.
        JournalHigh = "journal_high",
        /// The journal takes no record of this intent.
        IntentLost = "intent_lost",
        /// A turn of the pinned thread ends without its upkeep.
        UpkeepSkipped = "upkeep_skipped",
        /// An order request is not sent: the connection is as if not ready.
        OrderNotSent = "order_not_sent",
        /// An order connection is given up as if it were silent.
        OrderLinkDropped = "order_link_dropped",
        /// A snapshot is asked for a second later.
        SnapshotLate = "snapshot_late",
        /// A whole snapshot is thrown away, and asked for again.
        SnapshotDropped = "snapshot_dropped",
        /// A part of a reconciliation is asked for later.
        ReconcileLate = "reconcile_late",
        /// A part of a reconciliation counts as failed, and all of it begins again.
        ReconcileFailed = "reconcile_failed",
        /// The request budget is used up for a moment.
        BudgetTight = "budget_tight",
        /// The renewal of a countdown fails.
        CountdownLate = "countdown_late",
        /// An answer is handled one turn later.
        ReplyLate = "reply_late",
        /// A checkpoint is taken now.
        CheckpointNow = "checkpoint_now",
    }
}

/// How many places there are.
pub const POINTS: usize = Point::ALL.len();

/// True in a build that contains the places.
pub const COMPILED_IN: bool = cfg!(feature = "buggify");

/// Whether `point` does its rare thing now.
#[cfg(not(feature = "buggify"))]
#[inline(always)]
#[must_use]
pub const fn happens(_: Point) -> bool {
    false
}

#[cfg(feature = "buggify")]
pub use armed::{arm, counts, disarm, happens};

#[cfg(feature = "buggify")]
mod armed {
    extern crate std;

    use super::{POINTS, Point};
    use std::cell::RefCell;

    /// What one thread is armed with.
    struct Armed {
        state: u64,
        /// In a million cases, by point; most are silent in most runs.
        chances: [u32; POINTS],
        counts: [u64; POINTS],
    }

    std::thread_local! {
        static ARMED: RefCell<Option<Armed>> = const { RefCell::new(None) };
    }

    /// In a million questions, the most that a place does its rare thing. Those that are asked on
    /// every turn or event are rarer than those that are asked for a request.
    const fn most(point: Point) -> u32 {
        match point {
            Point::UpkeepSkipped => 200_000,
            Point::ReplyLate => 50_000,
            Point::JournalHigh | Point::OrderLinkDropped => 30,
            Point::IntentLost => 1_000,
            Point::OrderNotSent => 20_000,
            Point::SnapshotLate | Point::SnapshotDropped => 300_000,
            Point::ReconcileLate | Point::ReconcileFailed => 200_000,
            Point::BudgetTight => 30_000,
            Point::CountdownLate => 100_000,
            Point::CheckpointNow => 500,
        }
    }

    /// Arms this thread: a quarter of the places, each with a chance of its own.
    pub fn arm(seed: u64) {
        let mut armed = Armed {
            state: seed,
            chances: [0; POINTS],
            counts: [0; POINTS],
        };
        for point in Point::ALL {
            let (draw, share) = (armed.next(), armed.next() % 1_000);
            if draw.is_multiple_of(4) {
                let most = u64::from(most(*point));
                armed.chances[*point as usize] = (1 + most * share / 1_000) as u32;
            }
        }
        ARMED.set(Some(armed));
    }

    /// Nothing rare happens any more; what happened stays counted.
    pub fn disarm() {
        ARMED.with_borrow_mut(|armed| {
            if let Some(armed) = armed {
                armed.chances = [0; POINTS];
            }
        });
    }

    /// How often each place did its rare thing since this thread was armed.
    #[must_use]
    pub fn counts() -> [u64; POINTS] {
        ARMED.with_borrow(|armed| armed.as_ref().map_or([0; POINTS], |armed| armed.counts))
    }

    /// Whether `point` does its rare thing now.
    #[must_use]
    pub fn happens(point: Point) -> bool {
        ARMED.with_borrow_mut(|armed| {
            let Some(armed) = armed else { return false };
            let chance = u64::from(armed.chances[point as usize]);
            let happens = chance > 0 && armed.next() % 1_000_000 < chance;
            armed.counts[point as usize] += u64::from(happens);
            happens
        })
    }

    impl Armed {
        /// splitmix64 (Steele, Lea, Flood 2014).
        fn next(&mut self) -> u64 {
            self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut word = self.state;
            word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            word ^ (word >> 31)
        }
    }
}

#[cfg(all(test, feature = "buggify"))]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_and_a_thread_that_is_not_armed_does_nothing_rare() {
        assert!(!happens(Point::UpkeepSkipped));
        let run = |seed| {
            arm(seed);
            for _ in 0..2_000 {
                for point in Point::ALL {
                    let _ = happens(*point);
                }
            }
            counts()
        };
        let seen = (0..64).map(run).fold([0; POINTS], |mut sum, one| {
            sum.iter_mut().zip(one).for_each(|(sum, one)| *sum += one);
            sum
        });
        assert!(seen.iter().all(|count| *count > 0), "{seen:?}");
        assert_eq!(run(7), run(7));
        disarm();
        let before = counts();
        assert!(!Point::ALL.iter().any(|point| happens(*point)));
        assert_eq!(counts(), before);
    }
}

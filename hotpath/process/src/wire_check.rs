//! The second count of I16: decisions in the journal against frames at the last hop.
//!
//! In: the cells that the recorder counts decisions in, and those of every order connection. Out: a
//! counter of the times at which they were not the same, a line of the log, and REDUCING once more
//! was written than was decided. Never: a part in the way of an order; the counts are compared
//! beside it, by another thread.

use crate::telemetry::Telemetry;
use ipc::{Counter, RegisterError, Segment};

/// Orders and amendments that passed risk, counted with their journal records.
pub const DECIDED: &str = "orders_decided_total";

/// Orders and amendments at the order connections, by what became of their frames.
pub const AT_LAST_HOP: &str = "orders_at_last_hop_total";

/// Those that were held back because their record found no room (I25).
pub const HELD_BACK: &str = "orders_held_back_total";

/// Compares both counts now and then.
pub struct WireCheck {
    mismatches: Counter,
    /// Both counts at the last look.
    last: Counts,
    /// The difference that was told.
    told: i64,
}

/// Both counts of a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Orders and amendments that were decided.
    pub decided: u64,
    /// Orders and amendments that came to their end: written, given up, held back.
    pub ended: u64,
}

/// What a look has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Nothing that was not told before; some may be on their way.
    Sound,
    /// So many were written that nobody decided.
    Undecided(u64),
    /// So many were decided and came nowhere, and nothing moves any more.
    Lost(u64),
}

impl WireCheck {
    /// Nothing was decided yet.
    ///
    /// # Errors
    /// [`RegisterError`].
    pub fn new(telemetry: Telemetry<'_>) -> Result<Self, RegisterError> {
        Ok(Self {
            mismatches: telemetry.counter("wire_intent_mismatch_total")?,
            last: Counts::default(),
            told: 0,
        })
    }

    /// Looks at the cells of `segment`; to be asked once a second.
    pub fn look(&mut self, segment: &Segment) -> Finding {
        // What has ended first: what is decided between both looks is on its way, no mismatch.
        let ended = sum(segment, &[AT_LAST_HOP, HELD_BACK]);
        let decided = sum(segment, &[DECIDED]);
        self.judge(Counts { decided, ended })
    }

    /// Judges the counts of a moment; each difference is told once.
    pub fn judge(&mut self, counts: Counts) -> Finding {
        let still = counts == self.last;
        self.last = counts;
        let difference = i64::try_from(i128::from(counts.ended) - i128::from(counts.decided))
            .unwrap_or(i64::MAX);
        // What was decided a moment ago may be in a ring: only what stays behind is lost.
        let settled = difference > 0 || still;
        if difference == self.told || !settled {
            return Finding::Sound;
        }
        self.told = difference;
        if difference == 0 {
            return Finding::Sound;
        }
        self.mismatches.add(1);
        let count = difference.unsigned_abs();
        let (decided, ended) = (counts.decided, counts.ended);
        tracing::error!(decided, ended, "WIRE_INTENT_MISMATCH");
        if difference > 0 {
            Finding::Undecided(count)
        } else {
            Finding::Lost(count)
        }
    }
}

/// Sum of the cells of some families.
fn sum(segment: &Segment, families: &[&str]) -> u64 {
    let of = |name: &str| {
        let family = name.split('{').next().unwrap_or_default();
        families.contains(&family)
    };
    let cells = segment.counters().iter();
    cells
        .filter(|(name, _)| of(name))
        .map(|(_, value)| value)
        .sum()
}

#[cfg(test)]
mod tests;

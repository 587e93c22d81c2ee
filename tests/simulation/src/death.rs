//! Where a process can die (F57): labelled points of its own code.
//!
//! In: a point and how often it is passed before it kills. Out: dead or not. Never: a second
//! death of one life.

/// A labelled point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeathPoint {
    /// The intent is in the journal, its frame is not written.
    BeforeWrite,
    /// The frame is written, its answer is not there.
    AfterWrite,
    /// An answer of the exchange is decoded, the engine was not told.
    BeforeReply,
    /// The engine was told, what follows from it was not looked at.
    AfterReply,
    /// A reconciliation has begun.
    InReconciliation,
    /// A snapshot has begun.
    InSnapshot,
    /// Between two steps, as nothing is going on.
    AtRest,
    /// A market event was stepped.
    AfterMarket,
    /// A request about a protective stop has left, its answer is not there.
    AfterStop,
}

/// All of them, in the order in which a fault's parameter counts them.
const POINTS: [DeathPoint; 9] = [
    DeathPoint::BeforeWrite,
    DeathPoint::AfterWrite,
    DeathPoint::BeforeReply,
    DeathPoint::AfterReply,
    DeathPoint::InReconciliation,
    DeathPoint::InSnapshot,
    DeathPoint::AtRest,
    DeathPoint::AfterMarket,
    DeathPoint::AfterStop,
];

/// The point that a draw picks; the last one is passed where there are stops alone.
#[must_use]
pub const fn point_of(draw: u64, has_stops: bool) -> DeathPoint {
    let count = POINTS.len() as u64 - !has_stops as u64;
    POINTS[(draw % count) as usize]
}

/// How this life ends.
#[derive(Clone, Copy, Debug, Default)]
pub struct Death {
    at: Option<(DeathPoint, u64)>,
    /// It has.
    pub dead: bool,
    /// The whole machine loses its power: nothing but what is durable is left.
    pub power_cut: bool,
}

impl Death {
    /// Dies where `point` is passed for the time after `before`.
    pub const fn plan(&mut self, point: DeathPoint, before: u64, power_cut: bool) {
        self.at = Some((point, before));
        self.power_cut = power_cut;
    }

    /// True while a death is planned.
    #[must_use]
    pub const fn is_planned(&self) -> bool {
        self.at.is_some()
    }

    /// A point is passed.
    pub fn pass(&mut self, point: DeathPoint) {
        if let Some((planned, before)) = &mut self.at
            && *planned == point
        {
            if *before == 0 {
                self.dead = true;
                self.at = None;
            } else {
                *before -= 1;
            }
        }
    }
}

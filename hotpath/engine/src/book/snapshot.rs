//! Snapshots: the first one makes a book usable, later ones widen what it knows.
//!
//! In: begin, levels, end. Out: a book that the stream joined, or a request for another snapshot.
//! Never: a phase without a usable book while a running one is widened.

use super::continuity::{self, Join};
use super::ladder::{Ladder, NO_KEY, is_sane};
use super::{Book, BookChange};
use crate::event::SnapshotBegin;
use market::reason::BookReason;
use market::{BookState, Level, MonoNs, Side};

/// A snapshot on its way into the book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Snapshot {
    /// None.
    None,
    /// Its levels arrive.
    Arriving(Incoming),
    /// It is here, and no difference has joined it yet.
    Loaded(Incoming),
}

/// What is known of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Incoming {
    pub(super) update_id: u64,
    /// Nothing exists beyond its levels.
    pub(super) complete: bool,
    /// It widens a running book.
    pub(super) widens: bool,
    /// It had something that can be no level.
    pub(super) broken: bool,
    /// Worst key of each side so far.
    pub(super) reach: [i64; 2],
}

/// The part of the first room between best and edge at which a wider view is asked for.
const ROOM_SHARE: i64 = 4;

impl Book {
    /// A snapshot begins. In a running book it widens the known range; otherwise it replaces
    /// what is there.
    pub fn snapshot_begin(&mut self, begin: &SnapshotBegin, now: MonoNs) -> BookChange {
        let mut change = BookChange::default();
        let update_id = begin.last_update_id.0;
        let widens = self.state == BookState::Synced;
        if widens {
            if self.requested_at.is_none() {
                // Nobody asked, but it is welcome: hold from here on.
                self.hold.restart(self.last.last_update_id.0);
                self.requested_at = Some(now);
            }
            if update_id < self.hold.since() {
                // Differences between it and the first held one are gone.
                self.stats.snapshots_rejected += 1;
                self.requested_at = None;
                return change;
            }
            if self.half_refreshed || self.bids.is_crowded() || self.asks.is_crowded() {
                self.bids.clear_unknown();
                self.asks.clear_unknown();
            }
            self.half_refreshed = true;
        } else {
            if self.state == BookState::Empty {
                self.enter(BookState::Buffering, BookReason::FirstData, &mut change);
            }
            self.bids.clear();
            self.asks.clear();
            self.half_refreshed = false;
        }
        self.snapshot = Snapshot::Arriving(Incoming {
            update_id,
            complete: begin.complete,
            widens,
            broken: false,
            reach: [i64::MIN; 2],
        });
        change
    }

    /// Some levels of one side.
    pub fn snapshot_levels(&mut self, side: Side, levels: &[Level]) -> BookChange {
        if let Snapshot::Arriving(incoming) = &mut self.snapshot {
            let (ladder, reach) = match side {
                Side::Buy => (&mut self.bids, &mut incoming.reach[0]),
                Side::Sell => (&mut self.asks, &mut incoming.reach[1]),
            };
            for level in levels {
                if !is_sane(level) || level.quantity.is_zero() {
                    incoming.broken = true;
                    continue;
                }
                let key = ladder.key(level.price);
                *reach = (*reach).max(key);
                if !incoming.widens || key > ladder.edge() {
                    ladder.set(key, level.quantity.0);
                }
            }
            ladder.tighten();
        }
        BookChange::default()
    }

    /// The snapshot is complete: joins it with what is held.
    pub fn snapshot_end(&mut self, now: MonoNs) -> BookChange {
        let mut change = BookChange::default();
        let Snapshot::Arriving(incoming) = self.snapshot else {
            return change;
        };
        self.snapshot = Snapshot::Loaded(incoming);
        if incoming.widens {
            let before = self.top();
            if incoming.broken {
                self.reject_snapshot();
                self.requested_at = None;
                return change;
            }
            self.finish_refresh();
            if self.is_crossed() {
                change = self.break_down(BookReason::Crossed);
                self.request(now, &mut change);
            }
            change.top_changed |= before != self.top();
            return change;
        }
        self.widen(&incoming);
        if incoming.broken || self.is_crossed() {
            self.reject_snapshot();
            self.request(now, &mut change);
            return change;
        }
        self.join_held(incoming.update_id, now, &mut change);
        change
    }

    /// Applies what is held to a fresh snapshot.
    fn join_held(&mut self, snapshot_id: u64, now: MonoNs, change: &mut BookChange) {
        // The hold is taken out while its differences are written; this moves three pointers.
        let hold = core::mem::take(&mut self.hold);
        let mut joined = false;
        let mut too_new = false;
        let mut sane = true;
        for update in hold.iter() {
            if !joined {
                match continuity::join(self.market, snapshot_id, &update.header) {
                    Join::Older => {
                        self.stats.ignored += 1;
                        continue;
                    }
                    Join::Joins => joined = true,
                    Join::TooNew => {
                        too_new = true;
                        break;
                    }
                }
            }
            sane &= self.write(&update);
        }
        self.hold = hold;
        if too_new {
            // What is held stays: a newer snapshot can join it.
            self.reject_snapshot();
            self.request(now, change);
        } else if joined {
            self.finish_sync(sane, now, change);
        } else {
            self.hold.restart(snapshot_id);
        }
    }

    /// Differences have joined the snapshot: the book becomes usable, unless they broke it.
    pub(super) fn finish_sync(&mut self, sane: bool, now: MonoNs, change: &mut BookChange) {
        self.hold.restart(0);
        if !sane || self.is_crossed() {
            self.reject_snapshot();
            self.request(now, change);
            return;
        }
        self.snapshot = Snapshot::None;
        self.requested_at = None;
        self.refreshed_at = now;
        self.changed_at = now;
        self.top_changed_at = now;
        self.overlay = None;
        self.stats.syncs += 1;
        self.enter(BookState::Synced, BookReason::SnapshotBridged, change);
        change.applied = true;
        change.top_changed = true;
    }

    /// Merges a wider snapshot as soon as the running book has reached its version.
    pub(super) fn finish_refresh(&mut self) {
        let Snapshot::Loaded(incoming) = self.snapshot else {
            return;
        };
        if !incoming.widens || self.last.last_update_id.0 < incoming.update_id {
            return;
        }
        if incoming.update_id < self.hold.since() {
            // The hold overflowed meanwhile; the next request will be answered sooner.
            self.reject_snapshot();
            self.requested_at = None;
            return;
        }
        let hold = core::mem::take(&mut self.hold);
        let newer = hold
            .iter()
            .filter(|update| update.header.last_update_id.0 > incoming.update_id);
        for update in newer {
            // They were applied and found sane when they came.
            let _ = self.bids.apply(update.bids) & self.asks.apply(update.asks);
        }
        self.hold = hold;
        self.hold.restart(0);
        self.widen(&incoming);
        self.snapshot = Snapshot::None;
        self.requested_at = None;
        self.half_refreshed = false;
        self.stats.refreshes += 1;
    }

    /// Takes over what a snapshot shows as known.
    fn widen(&mut self, incoming: &Incoming) {
        let sides = [&mut self.bids, &mut self.asks];
        for (index, ladder) in sides.into_iter().enumerate() {
            let reach = incoming.reach[index];
            ladder.widen(if incoming.complete { NO_KEY } else { reach });
            self.room_min[index] = room(ladder) / ROOM_SHARE;
        }
    }

    pub(super) fn reject_snapshot(&mut self) {
        self.snapshot = Snapshot::None;
        self.stats.snapshots_rejected += 1;
    }

    /// Whether the best of a side is near the end of what is known.
    pub(super) fn wants_refresh(&self, now: MonoNs) -> bool {
        let near = room(&self.bids) < self.room_min[0] || room(&self.asks) < self.room_min[1];
        if !near && !self.edge_hit {
            return false;
        }
        let pending = self
            .requested_at
            .is_some_and(|asked| now.since(asked) < self.config.snapshot_retry_ns);
        !pending && now.since(self.refreshed_at) >= self.config.refresh_interval_ns
    }

    /// Asks for a wider view and holds what comes from here on.
    pub(super) fn request_refresh(&mut self, now: MonoNs, change: &mut BookChange) {
        if self.requested_at.is_none() {
            self.hold.restart(self.last.last_update_id.0);
        }
        self.snapshot = Snapshot::None;
        self.edge_hit = false;
        self.refreshed_at = now;
        self.request(now, change);
    }
}

/// Ticks between best and edge; the maximum where nothing is unknown.
fn room(ladder: &Ladder) -> i64 {
    match (ladder.edge(), ladder.best()) {
        (NO_KEY, _) => i64::MAX,
        (_, NO_KEY) => 0,
        (edge, best) => edge.saturating_sub(best).max(0),
    }
}

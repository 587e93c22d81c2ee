//! Messages that came too early wait here for what another connection may still bring.
//!
//! In: messages. Out: the same, in the order of their ids. Never: an allocation after the start;
//! what finds no room is for the caller to pass on.

use crate::decode::StreamMessage;
use market::event::DepthHeader;
use market::{AggTrade, DepthUpdate, Level, MonoNs, Trade};

/// Depth messages that can wait at a time.
const DEPTHS: usize = 16;

/// Trades that can wait at a time: they have room of their own, so that a burst of them leaves
/// none of the depth without.
const TRADES: usize = 32;

/// Levels of one that can wait: more than a hundred times what one has on average.
const LEVELS: usize = 1_024;

/// A message without its levels.
#[derive(Clone, Copy, Debug)]
enum Kept {
    Depth(DepthHeader),
    Trade(Trade),
    AggTrade(AggTrade),
}

/// One that waits.
#[derive(Clone, Debug)]
struct Slot {
    kept: Option<Kept>,
    place: Place,
    bids: usize,
    levels: Vec<Level>,
}

/// What is known of one that waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// Its chain.
    pub(super) chain: usize,
    /// The id that it follows.
    pub(super) follows: u64,
    /// Its id.
    pub(super) id: u64,
    /// Who brought it.
    pub(super) connection: usize,
    /// When.
    pub(super) since: MonoNs,
}

/// Room for some.
#[derive(Clone, Debug)]
pub(super) struct Hold {
    slots: Vec<Slot>,
    used: usize,
}

impl Hold {
    pub(super) fn new() -> Self {
        let slot = Slot {
            kept: None,
            place: Place::default(),
            bids: 0,
            levels: Vec::new(),
        };
        let mut slots = vec![slot; DEPTHS + TRADES];
        for slot in &mut slots[..DEPTHS] {
            slot.levels.reserve_exact(LEVELS);
        }
        Self { slots, used: 0 }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// Keeps a copy; false when there is no room, or it is no message that can wait.
    pub(super) fn keep(&mut self, place: Place, message: &StreamMessage<'_>) -> bool {
        let (kept, bids, asks): (Kept, &[Level], &[Level]) = match message {
            StreamMessage::Depth(depth) => (Kept::Depth(depth.header), depth.bids, depth.asks),
            StreamMessage::Trade(trade) => (Kept::Trade(*trade), &[], &[]),
            StreamMessage::AggTrade(trade) => (Kept::AggTrade(*trade), &[], &[]),
            _ => return false,
        };
        let (depths, trades) = self.slots.split_at_mut(DEPTHS);
        let room = match kept {
            Kept::Depth(_) => depths,
            Kept::Trade(_) | Kept::AggTrade(_) => trades,
        };
        let free = room.iter_mut().find(|one| one.kept.is_none());
        let Some(slot) = free.filter(|_| bids.len() + asks.len() <= LEVELS) else {
            return false;
        };
        slot.levels.clear();
        slot.levels.extend_from_slice(bids);
        slot.levels.extend_from_slice(asks);
        (slot.kept, slot.place, slot.bids) = (Some(kept), place, bids.len());
        self.used += 1;
        true
    }

    /// Who waits, lowest id first among those that `wanted` takes.
    pub(super) fn first(&self, wanted: impl Fn(&Place) -> bool) -> Option<(usize, Place)> {
        let waiting = self.slots.iter().enumerate();
        let waiting = waiting.filter(|(_, slot)| slot.kept.is_some() && wanted(&slot.place));
        waiting
            .min_by_key(|(_, slot)| slot.place.id)
            .map(|(number, slot)| (number, slot.place))
    }

    /// True when a copy of it waits already.
    pub(super) fn has(&self, chain: usize, id: u64) -> bool {
        self.first(|one| one.chain == chain && one.id == id)
            .is_some()
    }

    /// Since when the oldest waits.
    pub(super) fn oldest(&self) -> Option<MonoNs> {
        let waiting = self.slots.iter().filter(|slot| slot.kept.is_some());
        waiting.map(|slot| slot.place.since).min()
    }

    /// Takes one out, and shows it to `see` first.
    pub(super) fn release(&mut self, number: usize, see: impl FnOnce(StreamMessage<'_>)) {
        let slot = &mut self.slots[number];
        let Some(kept) = slot.kept.take() else {
            return;
        };
        self.used -= 1;
        let (bids, asks) = slot.levels.split_at(slot.bids);
        see(match kept {
            Kept::Depth(header) => StreamMessage::Depth(DepthUpdate { header, bids, asks }),
            Kept::Trade(trade) => StreamMessage::Trade(trade),
            Kept::AggTrade(trade) => StreamMessage::AggTrade(trade),
        });
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.slots.iter_mut().for_each(|slot| slot.kept = None);
        self.used = 0;
    }
}

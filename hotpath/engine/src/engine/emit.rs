//! Everything that leaves the engine goes through here and into the hash.
//!
//! In: requests, records, non-actions. Out: the same, told to the outbox and folded into the
//! rolling hash. Never: an output that the hash does not see.

use crate::hash::RollingHash;
use crate::outbox::{Observer, Outbox, REQUESTS_MAX, Request, Stage};
use market::record::{RECORD_BYTES_MAX, Record};
use market::{InstrumentId, NonAction, StrategyId, Wire};

const TAG_REQUEST: u64 = 1;
const TAG_RECORD: u64 = 2;
const TAG_NON_ACTION: u64 = 3;

/// An outbox and the hash of what goes into it.
pub(super) struct Emit<'a, O> {
    outbox: &'a mut Outbox<O>,
    pub(super) hash: RollingHash,
    /// Whether this step asked for anything.
    pub(super) has_requested: bool,
}

impl<'a, O: Observer> Emit<'a, O> {
    pub(super) fn new(outbox: &'a mut Outbox<O>, hash: RollingHash) -> Self {
        Self {
            outbox,
            hash,
            has_requested: false,
        }
    }

    /// True while `count` more requests have room.
    pub(super) fn has_room(&self, count: usize) -> bool {
        self.outbox.requests.len() + count <= REQUESTS_MAX
    }

    /// A station of the step, which is no output.
    #[inline]
    pub(super) fn stage(&mut self, stage: Stage) {
        self.outbox.observer.stage(stage);
    }

    pub(super) fn request(&mut self, request: Request) {
        self.fold(TAG_REQUEST, &request);
        self.outbox.push(request);
        self.has_requested = true;
    }

    pub(super) fn record(&mut self, record: Record) {
        self.fold(TAG_RECORD, &record);
        self.outbox.observer.record(&record);
    }

    pub(super) fn non_action(
        &mut self,
        strategy: StrategyId,
        instrument: InstrumentId,
        reason: NonAction,
    ) {
        let who = u64::from(strategy.0) << 32 | u64::from(instrument.0) << 16;
        self.hash
            .word(TAG_NON_ACTION << 48 | who | u64::from(reason as u8));
        self.outbox
            .observer
            .non_action(strategy, instrument, reason);
    }

    fn fold<T: Wire>(&mut self, tag: u64, value: &T) {
        let mut bytes = [0; RECORD_BYTES_MAX];
        let length = value
            .to_bytes(&mut bytes)
            .expect("requests and records are smaller than a record's bound");
        self.hash.word(tag);
        self.hash.bytes(&bytes[..length]);
    }
}

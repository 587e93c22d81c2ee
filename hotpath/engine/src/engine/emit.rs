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
const TAG_PLACE: u64 = 4;
const TAG_AMEND: u64 = 5;

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
        match &request {
            // Its intent, which went before it, has told the hash all of it.
            Request::Place(order) => {
                self.hash.word(TAG_PLACE);
                self.hash.word(order.get().intent.0);
            }
            Request::Amend(amend) => {
                self.hash.word(TAG_AMEND);
                self.hash.word(amend.get().decision.0);
            }
            other => {
                let length = encode(other, &mut self.outbox.scratch);
                self.fold(TAG_REQUEST, length);
            }
        }
        self.outbox.push(request);
        self.has_requested = true;
    }

    pub(super) fn record(&mut self, record: Record) {
        let length = encode(&record, &mut self.outbox.scratch);
        self.fold(TAG_RECORD, length);
        let encoded = &self.outbox.scratch[..length];
        self.outbox.observer.record(&record, encoded);
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

    /// Folds in what was encoded last.
    fn fold(&mut self, tag: u64, length: usize) {
        self.hash.word(tag);
        self.hash.bytes(&self.outbox.scratch[..length]);
    }
}

fn encode<T: Wire>(value: &T, scratch: &mut [u8; RECORD_BYTES_MAX]) -> usize {
    value
        .to_bytes(scratch)
        .expect("requests and records are smaller than a record's bound")
}

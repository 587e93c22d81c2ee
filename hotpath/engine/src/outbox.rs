//! What leaves the engine: requests for the sessions, records for the journal.
//!
//! In: decisions of one step. Out: a bounded list that the shell empties after each step. Never:
//! silent loss; a full list is a broken bound and counted.

use crate::approved::Approved;
use market::record::{RECORD_BYTES_MAX, Record};
use market::{
    AmendOrder, CancelOrder, InstrumentId, NewOrder, NonAction, StrategyId, TradesWanted,
    wire_union,
};

/// Most requests of one step.
pub const REQUESTS_MAX: usize = 128;

wire_union! {
    /// What the engine asks of the world.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Request {
        /// Place an order that passed risk.
        Place(Approved<NewOrder>) = 1,
        /// Cancel an order.
        Cancel(CancelOrder) = 2,
        /// Ask what became of an order of unknown fate.
        Query(CancelOrder) = 3,
        /// Fetch a snapshot of a book.
        Snapshot(InstrumentId) = 4,
        /// Fetch open orders, positions and balances: ReconcileBegin to ReconcileEnd.
        Reconcile(InstrumentId) = 5,
        /// Change price and quantity of a resting order, as risk has approved.
        Amend(Approved<AmendOrder>) = 6,
        /// Cancel an order while the order connection is away.
        CancelOverRest(CancelOrder) = 7,
        /// Ask what became of an order while the order connection is away.
        QueryOverRest(CancelOrder) = 8,
        /// The next reconciliation lists these trades, too.
        Trades(TradesWanted) = 20,
        /// Read again how the instrument is set up at the exchange.
        VerifySetup(InstrumentId) = 21,
    }
}

impl Request {
    /// True for what the cold path does: no order that could go another way waits for it.
    #[must_use]
    pub const fn is_cold(&self) -> bool {
        matches!(
            self,
            Self::Snapshot(_)
                | Self::Reconcile(_)
                | Self::Trades(_)
                | Self::VerifySetup(_)
                | Self::CancelOverRest(_)
                | Self::QueryOverRest(_)
        )
    }
}

/// Stations of one step, for whoever stamps them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The input is in the book, or wherever it belongs.
    Booked,
    /// The strategies have decided: before risk is asked for an order, and at the step's end.
    Decided,
    /// Risk has approved an order.
    Approved,
}

/// Receives what the engine notes beside its requests. A backtest uses [`NoObserver`] and pays
/// nothing.
pub trait Observer {
    /// The step has reached a station. Not an output: the hash does not see it.
    #[inline]
    fn stage(&mut self, _: Stage) {}
    /// A fact for the journal, and its bytes.
    fn record(&mut self, record: &Record, encoded: &[u8]);
    /// A strategy had a look and did nothing.
    fn non_action(&mut self, strategy: StrategyId, instrument: InstrumentId, reason: NonAction);
}

/// Notes nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoObserver;

impl Observer for NoObserver {
    fn record(&mut self, _: &Record, _: &[u8]) {}
    fn non_action(&mut self, _: StrategyId, _: InstrumentId, _: NonAction) {}
}

/// Where a step puts its results.
#[derive(Clone, Debug)]
pub struct Outbox<O = NoObserver> {
    /// Requests in order of decision.
    pub requests: heapless::Vec<Request, REQUESTS_MAX>,
    /// Requests that found no room; each is a broken bound.
    pub overflowed: u64,
    /// Who is told of facts.
    pub observer: O,
    /// Room to encode what goes into the hash and the journal.
    pub(crate) scratch: [u8; RECORD_BYTES_MAX],
}

impl<O: Observer + Default> Default for Outbox<O> {
    fn default() -> Self {
        Self::new(O::default())
    }
}

impl<O: Observer> Outbox<O> {
    /// An empty outbox that tells `observer`.
    pub fn new(observer: O) -> Self {
        Self {
            requests: heapless::Vec::new(),
            overflowed: 0,
            observer,
            scratch: [0; RECORD_BYTES_MAX],
        }
    }

    /// Adds a request.
    pub fn push(&mut self, request: Request) {
        if self.requests.push(request).is_err() {
            self.overflowed += 1;
        }
    }
}

//! What is not ours: orders of others, conditional orders, how the account is set up, and whether
//! it is an account that we may begin to trade on at all.
//!
//! In: listed orders, set-up reports. Out: records, cancels where the policy says so, entries held
//! back. Never: an order of somebody else touched without being told to.

use super::core::Engine;
use super::emit::Emit;
use crate::config::{ExternalOrders, FirstStart};
use crate::outbox::{Observer, Request};
use market::record::{ExternalOrder, FirstStartFate, FirstStartRecord, OpeningRecord, Record};
use market::{
    AccountConfigChange, AlgoOrderReport, CancelOrder, ElsewhereReport, InstrumentId, Market,
    OpenOrderReport, Quantity, SetupReport, TradeId,
};

/// Between two cancels of orders of others: a cancel that is under way is not repeated.
const CANCEL_AGAIN_NS: u64 = 10_000_000_000;

impl Engine {
    /// True while nothing may be touched: the first start on an account that may be somebody's.
    pub(super) fn is_only_looking(&self, market: Market) -> bool {
        let decided = self.links[market as usize]
            .first_start
            .is_some_and(|fate| fate != FirstStartFate::Refused);
        self.facts.first_start && !decided && self.config.first_start == FirstStart::Refuse
    }

    /// Whether cancels of others' orders that are still there are due again.
    pub(super) fn cancels_again(&self) -> bool {
        self.facts.now.since(self.facts.externals_cancelled_at) >= CANCEL_AGAIN_NS
    }

    /// An open order that is not one of the engine's.
    pub(super) fn take_external<O: Observer>(
        &mut self,
        report: &OpenOrderReport,
        emit: &mut Emit<'_, O>,
    ) {
        self.run.foreign += 1;
        let id = TradeId(report.exchange_order_id.0);
        let is_new = self.externals[0].insert(id);
        self.orders.counters.foreign += u64::from(is_new);
        let market = self.config.instruments[usize::from(report.instrument.0)].market;
        let now = self.facts.now;
        let again = is_new || self.run.cancel_again;
        // One with our ids is of another process, which a person has to end.
        let cancels = self.config.orders.external_orders == ExternalOrders::Cancel
            && !self.orders.is_ours(&report.client_order_id)
            && !self.is_only_looking(market)
            && again
            && emit.has_room(2);
        if is_new || cancels {
            emit.record(Record::External(ExternalOrder {
                client_order_id: report.client_order_id,
                exchange_order_id: report.exchange_order_id,
                instrument: report.instrument,
                side: report.side,
                price: report.price,
                quantity: report.quantity,
                conditional: false,
                own: self.orders.is_ours(&report.client_order_id),
                cancelled: cancels,
            }));
        }
        if cancels {
            self.facts.externals_cancelled_at = now;
            self.throttle.take_reserved(now);
            let cancel = CancelOrder {
                client_order_id: report.client_order_id,
                instrument: report.instrument,
                exchange_order_id: report.exchange_order_id,
            };
            emit.record(Record::CancelIntent(cancel));
            emit.request(self.cancel_request(cancel));
        }
    }

    /// An open conditional order; it is shown, whoever's it is.
    pub(super) fn take_algo_order<O: Observer>(
        &mut self,
        report: &AlgoOrderReport,
        emit: &mut Emit<'_, O>,
    ) {
        if self.index_of(report.instrument).is_none() || !self.run.begun {
            return;
        }
        self.run.algo_orders += 1;
        if self.externals[1].insert(TradeId(report.exchange_order_id.0)) {
            emit.record(Record::External(ExternalOrder {
                client_order_id: report.client_order_id,
                exchange_order_id: report.exchange_order_id,
                instrument: report.instrument,
                side: report.side,
                price: report.price,
                quantity: report.quantity,
                conditional: true,
                own: self.orders.is_ours(&report.client_order_id)
                    || report.client_order_id.is_protective_stop(),
                cancelled: false,
            }));
        }
    }

    pub(super) fn take_elsewhere(&mut self, report: &ElsewhereReport) {
        if self.run.begun && self.run.market == Some(report.market) {
            self.run.orders_elsewhere = report.orders + report.algo_orders;
            self.run.positions_elsewhere = report.positions;
        }
    }

    /// Orders of others that the last look listed.
    #[must_use]
    pub fn external_orders(&self, market: Market) -> u32 {
        self.links[market as usize].external_orders
    }

    /// Decides what a first start does with what it found. False: nothing may be touched, and the
    /// look ends here.
    pub(super) fn pass_first_start<O: Observer>(
        &mut self,
        market: Market,
        emit: &mut Emit<'_, O>,
    ) -> bool {
        let decided = self.links[market as usize].first_start;
        if !self.facts.first_start || decided.is_some_and(|one| one != FirstStartFate::Refused) {
            return true;
        }
        let run = self.run;
        let held = |index: &usize| {
            let theirs = self.instruments[*index].facts.exchange_quantity;
            let reported = self.instruments[*index].facts.reported;
            market == Market::UsdM
                && self.config.instruments[*index].market == market
                && reported
                && theirs.is_some_and(|theirs| !theirs.is_zero())
        };
        let here = (0..self.instruments.len()).filter(held).count() as u32;
        let positions = here + run.positions_elsewhere;
        let orders = run.foreign + run.own + run.algo_orders + run.orders_elsewhere;
        let fate = match self.config.first_start {
            _ if positions + orders == 0 => FirstStartFate::Clean,
            FirstStart::Refuse => FirstStartFate::Refused,
            FirstStart::Adopt => FirstStartFate::Adopted,
            FirstStart::Ignore => FirstStartFate::Ignored,
        };
        if decided != Some(fate) {
            self.links[market as usize].first_start = Some(fate);
            emit.record(Record::FirstStart(FirstStartRecord {
                market,
                fate,
                positions,
                orders,
            }));
        }
        let refused = |link: &super::links::Link| link.first_start == Some(FirstStartFate::Refused);
        self.trading.refused = self.links.iter().any(refused);
        if fate == FirstStartFate::Ignored {
            self.ignore_positions(market, emit);
        }
        fate != FirstStartFate::Refused
    }

    /// What is held is somebody else's, and stays so.
    fn ignore_positions<O: Observer>(&mut self, market: Market, emit: &mut Emit<'_, O>) {
        for index in 0..self.instruments.len() {
            if self.config.instruments[index].market == market {
                self.ignore_position(index, emit);
            }
        }
    }

    fn ignore_position<O: Observer>(&mut self, index: usize, emit: &mut Emit<'_, O>) {
        let futures = self.config.instruments[index].market == Market::UsdM;
        let facts = &mut self.instruments[index].facts;
        let theirs = facts.exchange_quantity.unwrap_or_default();
        if futures && facts.reported && !theirs.is_zero() {
            facts.opening = theirs;
            emit.record(Record::Opening(OpeningRecord {
                instrument: InstrumentId(index as u16),
                quantity: theirs,
            }));
        }
    }

    pub(super) fn note_unseen(&mut self, id: InstrumentId) {
        if let Some(index) = self.index_of(id) {
            self.instruments[index].facts.unseen = true;
        }
    }

    /// An instrument that a known account trades for the first time: what is held there was not
    /// opened by us. Unless it is to be adopted it is somebody else's and stays so.
    pub(super) fn meet_unseen<O: Observer>(&mut self, market: Market, emit: &mut Emit<'_, O>) {
        for index in 0..self.instruments.len() {
            let here = self.config.instruments[index].market == market;
            let unseen = here && std::mem::take(&mut self.instruments[index].facts.unseen);
            if unseen && self.config.first_start != FirstStart::Adopt {
                self.ignore_position(index, emit);
            }
        }
    }

    /// How an instrument is set up. A fault holds entries back, and nothing else.
    pub(super) fn take_setup<O: Observer>(&mut self, report: &SetupReport, emit: &mut Emit<'_, O>) {
        let Some(index) = self.index_of(report.instrument) else {
            return;
        };
        self.instruments[index].facts.setup = report.fault;
        emit.record(Record::Setup(*report));
        self.touch(report.instrument);
    }

    /// Somebody changed leverage, margin or position mode (F48): it is read again.
    pub(super) fn take_account_config<O: Observer>(
        &mut self,
        change: &AccountConfigChange,
        emit: &mut Emit<'_, O>,
    ) {
        let mut table = self.config.instruments.iter();
        let first = table
            .find(|one| one.market == change.market)
            .map(|one| one.id);
        let Some(id) = change.instrument.or(first) else {
            return;
        };
        if emit.has_room(1) {
            emit.request(Request::VerifySetup(id));
        }
    }

    /// Whether an order that opens or increases may be sent for the instrument: its set-up is
    /// right, and it does not trade against what somebody else holds there, nor beside it where
    /// nobody has said that this is to be borne.
    pub(super) fn may_enter(&self, index: usize, side: market::Side) -> bool {
        let facts = &self.instruments[index].facts;
        let against = facts.opening.0.signum() == -side.sign();
        let refused = self.config.first_start == FirstStart::Refuse && !facts.opening.is_zero();
        facts.setup.is_none() && !against && !refused
    }

    /// The part of the exchange's position in an instrument that is not ours.
    #[must_use]
    pub fn opening(&self, id: InstrumentId) -> Quantity {
        let state = self.instruments.get(usize::from(id.0));
        state.map_or(Quantity::ZERO, |state| state.facts.opening)
    }
}

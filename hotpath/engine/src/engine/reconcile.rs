//! Reconciliation: the exchange's list of orders and positions against ours.
//!
//! In: ReconcileBegin, open orders, positions, balances, ReconcileEnd. Out: adopted or cancelled
//! orders, queries for what was not listed, corrected positions, a report. Never: a correction
//! while fills or fates are still on their way; it asks again instead.

use super::assignment::TradeOpening;
use super::core::Engine;
use super::emit::Emit;
use super::links::{RECONCILE_AGAIN_NS, RECONCILE_INTERVAL_NS, ReconcileRun};
use super::trades::LISTED_IN_NS;
use crate::orders::{Evidence, Order};
use crate::outbox::Observer;
use market::record::{Difference, DifferenceFate, Reconciled, Record};
use market::units::round_div_saturating;
use market::{
    Instrument, InstrumentId, Market, MonoNs, OpenOrderReport, OrderState, OrderTerms,
    PendingRequest, Quantity,
};

/// A refused first start looks again: the account may have been emptied.
const REFUSED_LOOK_NS: u64 = 5_000_000_000;

/// Pause while the exchange has not listed yet what would explain a difference: each look costs
/// weight.
const RECONCILE_LISTED_NS: u64 = 700_000_000;

/// Pause before a look that only confirms is repeated.
pub(super) const RECONCILE_CALM_NS: u64 = 10_000_000_000;

impl Engine {
    pub(super) fn begin_reconcile(&mut self) {
        let Some(market) = self.run.market else {
            return;
        };
        self.run = ReconcileRun {
            market: Some(market),
            requested_at: self.run.requested_at,
            begun: true,
            cancel_again: self.cancels_again(),
            ..ReconcileRun::default()
        };
        self.begin_listing(market);
        for index in 0..self.orders.live().len() {
            let slot = self.orders.live()[index];
            self.orders.get_mut(slot).listed = false;
        }
        for index in 0..self.instruments.len() {
            if self.config.instruments[index].market == market {
                self.instruments[index].facts.reported = false;
            }
        }
    }

    pub(super) fn take_open_order<O: Observer>(
        &mut self,
        report: &OpenOrderReport,
        emit: &mut Emit<'_, O>,
    ) {
        if self.index_of(report.instrument).is_none() {
            self.run.foreign += 1;
            return;
        }
        self.touch(report.instrument);
        if let Some(slot) = self.orders.find(&report.client_order_id) {
            self.take_listed(slot, report, emit);
        } else if self.meets_another(&report.client_order_id) {
            self.take_external(report, emit);
        } else if self.orders.is_ours(&report.client_order_id) {
            let market = self.config.instruments[usize::from(report.instrument.0)].market;
            if self.is_only_looking(market) {
                self.run.own += 1;
            } else if let Some(slot) = self.adopt_order(report, emit) {
                let order = self.orders.get_mut(slot);
                order.listed = true;
                self.run.cancelled += u32::from(order.cancel_wanted);
                self.run.adopted += u32::from(!order.cancel_wanted);
            }
        } else {
            self.take_external(report, emit);
        }
    }

    /// An order that we know is listed as open.
    fn take_listed<O: Observer>(
        &mut self,
        slot: u16,
        report: &OpenOrderReport,
        emit: &mut Emit<'_, O>,
    ) {
        let order = self.orders.get_mut(slot);
        order.listed = true;
        let terms = OrderTerms {
            price: report.price,
            quantity: report.quantity,
            changed: order.amended_at,
        };
        // A list that was asked for before a change says nothing of it, and what becomes of an
        // open amendment a query tells.
        let older = order.amending.is_some() || order.terms_at >= self.run.requested_at;
        if !order.state.is_final() && !older {
            self.take_terms(slot, terms, emit);
        }
        let order = self.orders.get_mut(slot);
        order.exchange_order_id = report.exchange_order_id;
        let was_rejected = order.state == OrderState::Rejected;
        let evidence = Evidence::of(report.state).unwrap_or(Evidence::Accept);
        // Lists are older than the stream: an order that has ended meanwhile stays ended.
        if self.apply(slot, evidence, report.cumulative_quantity) {
            self.record_order(slot, None, 0, emit);
        }
        if was_rejected && emit.has_room(1) {
            emit.request(self.cancel_request(self.cancel_of(slot)));
        }
    }

    pub(super) fn end_reconcile<O: Observer>(&mut self, emit: &mut Emit<'_, O>) {
        let Some(market) = self.run.market.filter(|_| self.run.begun) else {
            return;
        };
        self.links[market as usize].external_orders = self.run.foreign;
        let may_begin = self.pass_first_start(market, emit);
        let run = self.run;
        self.run = Default::default();
        if !may_begin {
            let again = self.facts.now.after(REFUSED_LOOK_NS);
            self.links[market as usize].ask_at = again;
            self.schedule(again);
            return;
        }
        self.meet_unseen(market, emit);
        self.doubt_unlisted(market, run.requested_at, emit);
        self.book_missing_fills(market, run.requested_at, emit);
        let clear = self.orders_are_clear(market);
        let differences = match self.adopt_positions(market, run.requested_at, clear, emit) {
            Some(differences) => differences,
            None => {
                self.look_again(market, clear);
                return;
            }
        };
        let doubted = !self.links[market as usize].reconciled;
        if let Some(wallet) = run.wallet {
            self.take_wallet(market, (wallet, run.requested_at), doubted, clear);
        }
        let link = &mut self.links[market as usize];
        let is_first = !link.ever_reconciled;
        // Without the private stream this is true of a moment only.
        link.reconciled = link.user_up;
        link.ever_reconciled = true;
        link.agreed_at.get_or_insert(self.facts.now);
        link.looks_in_vain = 0;
        let pause = match self.wants_trades(market) {
            true => RECONCILE_AGAIN_NS,
            false => self.wallet_pause(market, RECONCILE_INTERVAL_NS),
        };
        let link = &mut self.links[market as usize];
        link.ask_at = self.facts.now.after(link.pause(pause));
        let next = link.ask_at;
        self.schedule(next);
        self.agree_on_all(market, is_first, run.requested_at, emit);
        // What differs in the other market still does.
        self.trading.mismatch = self.instruments.iter().any(|one| one.facts.difference_told);
        self.breakers.judged = None;
        self.settle_margin(market);
        self.trading.reconciled = self
            .links
            .iter()
            .all(|link| link.ever_reconciled || !link.used);
        emit.record(Record::Reconciled(Reconciled {
            adopted: run.adopted,
            cancelled: run.cancelled,
            foreign: run.foreign,
            position_differences: differences,
        }));
        self.touch_all();
    }

    /// After a look that came too early to say.
    fn look_again(&mut self, market: Market, clear: bool) {
        // A look without need can wait until the fills under way have settled.
        let calm = self.links[market as usize].reconciled && !self.wants_trades(market);
        let pause = if calm {
            RECONCILE_CALM_NS
        } else if !clear {
            self.links[market as usize].pause_in_vain()
        } else if self.has_differed(market) {
            RECONCILE_LISTED_NS
        } else {
            RECONCILE_AGAIN_NS
        };
        let link = &mut self.links[market as usize];
        let again = self.facts.now.after(link.pause(pause));
        link.ask_at = again;
        self.schedule(again);
    }

    /// What we hold for open and the exchange did not list has ended, or is not there yet: only
    /// a query tells.
    fn doubt_unlisted<O: Observer>(
        &mut self,
        market: Market,
        requested_at: MonoNs,
        emit: &mut Emit<'_, O>,
    ) {
        for index in (0..self.orders.live().len()).rev() {
            let slot = self.orders.live()[index];
            let order = self.orders.get(slot);
            let asked = order.pending != PendingRequest::None;
            let known = self.market_of(order) == market && order.submitted_at < requested_at;
            if order.listed || asked || !known {
                continue;
            }
            if self.orders.make_unknown(slot, self.facts.now) {
                self.record_order(slot, None, 0, emit);
            }
        }
    }

    /// Fills that were told of and did not come in their time. Their trades are fetched; what the
    /// exchange does not list in time is booked without.
    fn book_missing_fills<O: Observer>(
        &mut self,
        market: Market,
        requested_at: MonoNs,
        emit: &mut Emit<'_, O>,
    ) {
        for index in (0..self.orders.live().len()).rev() {
            let slot = self.orders.live()[index];
            let order = self.orders.get(slot);
            let overdue = order.unsettled_since < requested_at;
            if !overdue || self.market_of(order) != market {
                continue;
            }
            let index = usize::from(order.new.instrument.0);
            let waited_ns = self.facts.now.since(order.unsettled_since);
            if waited_ns >= LISTED_IN_NS || !self.instruments[index].facts.trades.known {
                self.book_missing_fill(slot, emit);
            } else {
                self.want_trades(index);
            }
        }
    }

    /// Number of positions that were corrected; `None` when it is too early to say.
    fn adopt_positions<O: Observer>(
        &mut self,
        market: Market,
        requested_at: MonoNs,
        clear: bool,
        emit: &mut Emit<'_, O>,
    ) -> Option<u32> {
        let mut differences = 0;
        // Spot holdings are balances, not positions: ours is what we bought and have not sold, of
        // earlier starts too; what else lies there is not ours to sell.
        if market == Market::Spot {
            return Some(0);
        }
        for index in 0..self.instruments.len() {
            if self.config.instruments[index].market != market {
                continue;
            }
            let state = &mut self.instruments[index];
            if !state.facts.reported {
                state.facts.exchange_quantity = Some(Quantity::ZERO);
            }
            state.facts.mismatch_at = MonoNs(0);
            let whole = state.position.quantity + state.facts.opening;
            if state.facts.exchange_quantity == Some(whole) {
                continue;
            }
            let last_fill_at = state.facts.last_fill_at;
            let moving = last_fill_at != MonoNs(0) && last_fill_at >= requested_at;
            if !clear || moving {
                return None;
            }
            if self.waits_for_trades(index, emit) {
                return None;
            }
            differences += 1;
            self.adopt_position(index, emit);
        }
        Some(differences)
    }

    /// True where a difference is older than this look: its trades were asked for in vain.
    fn has_differed(&self, market: Market) -> bool {
        let now = self.facts.now;
        let mut all = self.instruments.iter().zip(&self.config.instruments);
        all.any(|(state, one)| {
            let since = state.facts.trades.differs_since;
            one.market == market && since.is_some_and(|since| since < now)
        })
    }

    /// A difference that trades may still explain: REDUCING meanwhile. False once the exchange has
    /// had its time to list them, or where there is no place to begin.
    fn waits_for_trades<O: Observer>(&mut self, index: usize, emit: &mut Emit<'_, O>) -> bool {
        let now = self.facts.now;
        let trades = &mut self.instruments[index].facts.trades;
        let since = *trades.differs_since.get_or_insert(now);
        if !trades.known || now.since(since) >= LISTED_IN_NS {
            return false;
        }
        self.trading.mismatch = true;
        self.tell_difference(index, emit);
        self.want_trades(index);
        true
    }

    /// A difference that is there for longer than fills take stands in the journal.
    pub(super) fn tell_difference<O: Observer>(&mut self, index: usize, emit: &mut Emit<'_, O>) {
        if !std::mem::replace(&mut self.instruments[index].facts.difference_told, true) {
            self.record_difference(index, DifferenceFate::Open, emit);
        }
    }

    fn record_difference<O: Observer>(
        &self,
        index: usize,
        fate: DifferenceFate,
        emit: &mut Emit<'_, O>,
    ) {
        let theirs = self.instruments[index].facts.exchange_quantity;
        emit.record(Record::Difference(Difference {
            instrument: InstrumentId(index as u16),
            fate,
            ours: self.whole_position(index),
            theirs: theirs.unwrap_or_default(),
        }));
    }

    /// Both sides say the same of every instrument of a market.
    fn agree_on_all<O: Observer>(
        &mut self,
        market: Market,
        is_first: bool,
        requested_at: MonoNs,
        emit: &mut Emit<'_, O>,
    ) {
        for index in 0..self.instruments.len() {
            if self.config.instruments[index].market != market {
                continue;
            }
            let facts = &mut self.instruments[index].facts;
            let recovered = facts.trades.recovered > 0;
            if std::mem::take(&mut facts.difference_told) {
                let fate = match recovered {
                    true => DifferenceFate::Explained,
                    false => DifferenceFate::Gone,
                };
                self.record_difference(index, fate, emit);
            }
            // What an earlier start held, and the trades since, have no strategy yet.
            let held = self.instruments[index].position.quantity;
            if is_first && held != self.claimed(index) {
                self.hand_over(index);
            }
            self.agree(index, requested_at);
        }
    }

    fn adopt_position<O: Observer>(&mut self, index: usize, emit: &mut Emit<'_, O>) {
        let now = self.facts.now;
        let instrument = self.config.instruments[index];
        self.record_difference(index, DifferenceFate::Adopted, emit);
        let state = &mut self.instruments[index];
        let theirs = state.facts.exchange_quantity.unwrap_or_default() - state.facts.opening;
        let cost = cost_of(&instrument, theirs, state.facts.exchange_entry_e8);
        state.position.adopt(theirs, cost, now);
        state.facts.valued = false;
        state.facts.difference_told = false;
        self.hand_over(index);
        self.value_position(index, emit);
        self.record_position(index, emit);
    }

    /// A single strategy takes the position over, with its exits; several would fight for it.
    fn hand_over(&mut self, index: usize) {
        let now = self.facts.now;
        let strategies = self.by_instrument[index].len() - 1;
        if strategies == 1 {
            let position = &self.instruments[index].position;
            let (held, cost) = (position.quantity, position.cost_tick_lots);
            let only = usize::from(self.by_instrument[index][0]);
            self.assignments[only].position.adopt(held, cost, now);
            self.assignments[only].opening = TradeOpening::default();
        }
    }

    pub(super) fn market_of(&self, order: &Order) -> Market {
        self.config.instruments[usize::from(order.new.instrument.0)].market
    }
}

/// Cost in ticks times lots of a position that the exchange states with an average price.
fn cost_of(instrument: &Instrument, quantity: Quantity, entry_price_e8: i64) -> i128 {
    // One tick is mantissa / 10^decimals, so price_e8 * 10^decimals / (mantissa * 10^8) ticks.
    let scale = 10i128.pow(u32::from(instrument.tick.decimals));
    let tick_e8 = i128::from(instrument.tick.mantissa) * i128::from(market::units::ONE);
    let price = i128::from(entry_price_e8) * scale;
    // Whole ticks and the rest apart: reports are bounded in ticks, so neither product overflows.
    let (ticks, rest) = (price / tick_e8, price % tick_e8);
    let lots = i128::from(quantity.0);
    let part = round_div_saturating(rest * lots, tick_e8);
    ticks * lots + i128::from(part)
}

#[cfg(test)]
mod tests {
    use super::super::tests::rig;
    use super::*;
    use market::Step;

    #[test]
    fn a_cost_is_quantity_times_price_in_ticks_to_the_nearest() {
        // A tick of 0.1: 50,000.123 are 500,001.23 ticks.
        let instrument = rig::instrument(Market::UsdM);
        let cases = [
            (1, 5_000_000_000_000, 500_000),
            (7, 5_000_012_300_000, 3_500_009),
            (-7, 5_000_012_300_000, -3_500_009),
            (3, 5_000_012_300_000, 1_500_004),
            (0, 5_000_012_300_000, 0),
            (7, 0, 0),
        ];
        for (lots, entry_e8, cost) in cases {
            let found = cost_of(&instrument, Quantity(lots), entry_e8);
            assert_eq!(found, cost, "{lots} at {entry_e8}");
        }
        // A tick of 0.5: 50,000.25 are 100,000.5 ticks.
        let coarse = Instrument {
            tick: Step::from_text(b"0.5").unwrap(),
            ..instrument
        };
        assert_eq!(cost_of(&coarse, Quantity(4), 5_000_025_000_000), 400_002);
    }
}

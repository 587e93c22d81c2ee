//! Order events, fills, positions, balances.
//!
//! In: what the exchange says by itself of our orders and account. Out: order changes, fills, positions.
//! Never: a verdict that the exchange did not give (I3), a trade twice (I6).

use super::adopt::SLOT_ADOPTED;
use super::assignment::TradeOpening;
use super::core::{Engine, FOREIGN};
use super::emit::Emit;
use super::fees::fee_in_quote;
use super::trades::Traded;
use crate::bounds;
use crate::orders::{Evidence, Order};
use crate::outbox::Observer;
use crate::position::ClosedTrade;
use crate::strategy::Purpose;
use market::record::{
    EntryReason, Fill, OrderChange, PositionRecord, Record, TradeClosed, TradeLegs, WalletRecord,
};
use market::{
    BalanceReport, CancelOrder, Certainty, ClientOrderId, Execution, ExitReason, Liquidity, Market,
    Money, OrderState, OrderTerms, OrderType, OrderUpdate, PositionReport, Quantity, RequestKind,
    TradeId, UtcMs,
};

/// How long our position may differ from the exchange's statement: fills follow it.
const MISMATCH_GRACE_NS: u64 = 2_000_000_000;

impl Engine {
    pub(super) fn take_update<O: Observer>(
        &mut self,
        update: &OrderUpdate,
        emit: &mut Emit<'_, O>,
    ) {
        let Some(index) = self.index_of(update.instrument) else {
            return;
        };
        self.touch(update.instrument);
        let known = self.orders.find(&update.client_order_id);
        let found = known.or_else(|| self.adopt_told(update, emit));
        if found.is_none() {
            let another = self.meets_another(&update.client_order_id);
            let ours = self.orders.is_ours(&update.client_order_id) && !another;
            self.orders.counters.forgotten += u64::from(ours);
            self.orders.counters.foreign += u64::from(!ours && update.execution == Execution::New);
            if ours && !update.state.is_final() {
                // Only another look can say what becomes of it.
                self.doubt(self.config.instruments[index].market);
            }
        }
        if let Some(slot) = found
            && !self.orders.get(slot).state.is_final()
        {
            let terms = OrderTerms {
                price: update.price,
                quantity: update.quantity,
                changed: update.transaction_time,
            };
            self.take_terms(slot, terms, emit);
        }
        if is_trade(update) {
            let by_venue = update.order_type == OrderType::Liquidation
                || update.execution == Execution::Liquidation;
            let traded = Traded::told(update, by_venue);
            self.take_trade(index, found, &traded, emit);
        }
        let Some(slot) = found else {
            return;
        };
        self.orders.get_mut(slot).exchange_order_id = update.exchange_order_id;
        let Some(evidence) = Evidence::of(update.state) else {
            return;
        };
        let was_rejected = self.orders.get(slot).state == OrderState::Rejected;
        let changed = self.apply(slot, evidence, update.cumulative_quantity);
        if changed || is_trade(update) {
            self.record_order(slot, None, 0, emit);
        }
        if was_rejected && !update.state.is_final() && emit.has_room(1) {
            // It was taken for never existing and lives: nobody wants it any more.
            emit.request(self.cancel_request(self.cancel_of(slot)));
        }
    }

    /// Applies evidence, and lets the order's strategy know how it went.
    pub(super) fn apply(&mut self, slot: u16, evidence: Evidence, told: Quantity) -> bool {
        self.apply_and_tell(slot, evidence, told, true)
    }

    /// As [`Self::apply`]; `sent` is false for an order that never left this machine.
    pub(super) fn apply_and_tell(
        &mut self,
        slot: u16,
        evidence: Evidence,
        told: Quantity,
        sent: bool,
    ) -> bool {
        let now = self.facts.now;
        let was_final = self.orders.get(slot).state.is_final();
        let changed = self.orders.apply(slot, evidence, told, now);
        let order = *self.orders.get(slot);
        let (assignment, state) = (usize::from(order.assignment), order.state);
        let reduces = order.purpose.reduces();
        let refused = evidence == Evidence::Reject;
        // A refused exit met no market: the next one need not reach further.
        if !was_final
            && state.is_final()
            && order.told < order.new.quantity
            && !(refused && reduces)
        {
            self.assignments[assignment].fell_short(order.purpose, now);
        }
        if changed && refused {
            if sent {
                self.assignments[assignment].rejected(reduces, now);
            } else {
                self.assignments[assignment].unsent(reduces, now);
            }
            let wake = self.assignments[assignment].pauses.wake;
            self.schedule(wake);
        } else if changed && state != OrderState::Submitted {
            self.assignments[assignment].accepted(reduces);
        }
        changed
    }

    /// A trade: ours, or one that moves the account all the same (I15). True when it was booked.
    pub(super) fn take_trade<O: Observer>(
        &mut self,
        index: usize,
        slot: Option<u16>,
        traded: &Traded,
        emit: &mut Emit<'_, O>,
    ) -> bool {
        let mut lots = traded.quantity;
        let state = &mut self.instruments[index];
        if !state.fills.insert(traded.trade_id) {
            self.orders.counters.duplicate_fills += 1;
            return false;
        }
        let seen = &mut state.facts.trades.seen;
        *seen = (*seen).max(traded.trade_id);
        if slot.is_none() && !traded.by_venue {
            lots = self.part_of_ours(index, traded, emit);
            if lots.is_zero() {
                self.check_mismatch(index);
                return true;
            }
        }
        if let Some(slot) = slot {
            let order = self.orders.get_mut(slot);
            if order.synthetic >= lots {
                // Reconciliation booked this quantity without its trade already.
                order.synthetic -= lots;
                self.orders.counters.late_fills += 1;
                return false;
            }
            // What an adopted order began with may hold this trade, of which nobody knew.
            let part = if order.slot == SLOT_ADOPTED {
                let whole = traded.cumulative.unwrap_or(order.new.quantity);
                Quantity((whole - order.filled).0.clamp(0, lots.0))
            } else {
                lots
            };
            if !self.orders.fill(slot, part, self.facts.now) {
                return false;
            }
        }
        let fill = Fill {
            client_order_id: traded.client_order_id,
            instrument: traded.instrument,
            strategy: FOREIGN,
            side: traded.side,
            trade_id: traded.trade_id,
            price: traded.price,
            quantity: lots,
            fee: fee_in_quote(traded, &self.config.instruments[index], &self.config),
            realized: Money::ZERO,
            liquidity: traded.liquidity,
            transaction_time: traded.time,
        };
        let last_fill_at = self.instruments[index].facts.last_fill_at;
        self.book_fill(index, slot, fill, emit);
        if slot.is_some() {
            self.mark_fill(index, &fill, traded.listed, emit);
        }
        if traded.listed {
            // The positions of this run are younger than its lists.
            self.instruments[index].facts.last_fill_at = last_fill_at;
        }
        self.pay_in_kind(index, slot, traded, emit);
        if slot.is_none() {
            let reason = super::protection::reason_of(traded);
            self.take_from_strategies(index, &fill, reason, emit);
        }
        true
    }

    /// A spot buy pays its fee in what was bought: less than the filled quantity can be sold.
    fn pay_in_kind<O: Observer>(
        &mut self,
        index: usize,
        slot: Option<u16>,
        traded: &Traded,
        emit: &mut Emit<'_, O>,
    ) {
        let instrument = &self.config.instruments[index];
        let symbol = instrument.symbol.as_bytes();
        let base = symbol.strip_suffix(self.config.quote_asset.as_bytes());
        let in_kind = base == Some(traded.commission_asset.as_bytes());
        if instrument.market != Market::Spot || !in_kind || traded.commission.0 <= 0 {
            return;
        }
        let fee_e8 = traded.commission.0;
        let scale = 10i128.pow(u32::from(instrument.lot.decimals));
        let lot = i128::from(instrument.lot.mantissa) * i128::from(market::units::ONE);
        let lot_e8 = i64::try_from(lot / scale).unwrap_or(i64::MAX);
        let account = &mut self.instruments[index].position;
        let before = bounds::amount(instrument, account.realized_tick_lots);
        account.pay_in_kind(fee_e8, lot_e8, traded.price);
        let after = bounds::amount(instrument, account.realized_tick_lots);
        self.earn(Market::Spot, after - before);
        if let Some(slot) = slot {
            let owner = usize::from(self.orders.get(slot).assignment);
            let position = &mut self.assignments[owner].position;
            position.pay_in_kind(fee_e8, lot_e8, traded.price);
        }
        // The position that the fill left is not the one that is held now.
        self.record_position(index, emit);
    }

    /// Books a fill into the account and, when the order is ours, into its strategy.
    fn book_fill<O: Observer>(
        &mut self,
        index: usize,
        slot: Option<u16>,
        mut fill: Fill,
        emit: &mut Emit<'_, O>,
    ) {
        let now = self.facts.now;
        let instrument = self.config.instruments[index];
        let state = &mut self.instruments[index];
        let before = bounds::amount(&instrument, state.position.realized_tick_lots);
        state
            .position
            .apply(fill.side, fill.price, fill.quantity, fill.fee, now);
        let after = bounds::amount(&instrument, state.position.realized_tick_lots);
        state.facts.last_fill_at = now;
        state.facts.fills += u64::from(slot.is_some());
        fill.realized = after - before;
        self.earn(instrument.market, fill.realized - fill.fee);
        let owner = slot.map(|slot| *self.orders.get(slot));
        if let Some(order) = owner {
            fill.strategy = self.assignments[self.owner_of(&order)].strategy;
        }
        emit.record(Record::Fill(fill));
        if let Some(order) = owner {
            if order.purpose == Purpose::Entry && order.filled == fill.quantity {
                self.watch_execution(usize::from(order.assignment), fill.side, emit);
            }
            let reason = order.purpose.exit_reason();
            self.book_strategy_fill(self.owner_of(&order), &fill, reason, emit);
        }
        self.record_position(index, emit);
        self.check_mismatch(index);
        self.touch(instrument.id);
    }

    /// Whose a fill is: an order of an earlier life belongs to the only strategy that there is, as
    /// the position does that its start found; where several trade, nobody claims it.
    fn owner_of(&self, order: &Order) -> usize {
        let here = &self.by_instrument[usize::from(order.new.instrument.0)];
        match here[..] {
            [only, _] if order.slot == SLOT_ADOPTED => usize::from(only),
            _ => usize::from(order.assignment),
        }
    }

    fn book_strategy_fill<O: Observer>(
        &mut self,
        assignment: usize,
        fill: &Fill,
        reason: ExitReason,
        emit: &mut Emit<'_, O>,
    ) {
        if self.assignments[assignment].is_desk() {
            return;
        }
        let now = self.facts.now;
        let one = &mut self.assignments[assignment];
        let effect = one
            .position
            .apply(fill.side, fill.price, fill.quantity, fill.fee, now);
        let this = TradeOpening {
            order: fill.client_order_id,
            time: fill.transaction_time,
        };
        let opening = match effect.opened {
            true => std::mem::replace(&mut one.opening, this),
            false => one.opening,
        };
        if let Some(closed) = effect.closed {
            let legs = legs_of(&closed, opening, this);
            self.close_trade(assignment, closed, legs, reason, emit);
        }
    }

    fn close_trade<O: Observer>(
        &mut self,
        assignment: usize,
        closed: ClosedTrade,
        legs: TradeLegs,
        reason: ExitReason,
        emit: &mut Emit<'_, O>,
    ) {
        let one = &mut self.assignments[assignment];
        let instrument = &self.config.instruments[usize::from(one.instrument.0)];
        let realized = bounds::amount(instrument, closed.realized_tick_lots);
        let won = realized > closed.fees;
        one.position.count_trade(won);
        one.pauses.exit_tries = 0;
        emit.record(Record::TradeClosed(TradeClosed {
            instrument: one.instrument,
            strategy: one.strategy,
            side: closed.side,
            quantity: closed.peak,
            realized,
            fees: closed.fees,
            held_ns: closed.held_ns,
            reason,
            legs: Some(legs),
        }));
        self.watch_trade(assignment, won, reason, emit);
    }

    /// What the exchange or a person closed is taken from the strategies that held it (F47);
    /// what no strategy claims goes first.
    fn take_from_strategies<O: Observer>(
        &mut self,
        index: usize,
        fill: &Fill,
        reason: ExitReason,
        emit: &mut Emit<'_, O>,
    ) {
        let beyond = self.instruments[index].position.quantity - self.claimed(index);
        let mut rest = fill.quantity.0.min(beyond.0 * fill.side.sign()).max(0);
        for place in 0..self.by_instrument[index].len() {
            let assignment = usize::from(self.by_instrument[index][place]);
            let held = self.assignments[assignment].position.quantity;
            if rest == 0 || held.0.signum() != -fill.side.sign() {
                continue;
            }
            let lots = rest.min(held.magnitude().0);
            rest -= lots;
            let part = Fill {
                quantity: Quantity(lots),
                fee: Money::ZERO,
                ..*fill
            };
            self.book_strategy_fill(assignment, &part, reason, emit);
        }
    }

    /// Books what an order is told to have filled and no trade was ever told for, at its limit
    /// price: the worst that it can have been.
    pub(super) fn book_missing_fill<O: Observer>(&mut self, slot: u16, emit: &mut Emit<'_, O>) {
        let order = *self.orders.get(slot);
        let lots = order.told - order.filled;
        let index = usize::from(order.new.instrument.0);
        let instrument = &self.config.instruments[index];
        let priced = (order.new.price.0 > 0).then_some(order.new.price);
        let price = priced.or(self.instruments[index].last_price());
        let Some(price) = price.filter(|_| lots.0 > 0) else {
            return;
        };
        let notional = instrument.notional(price, lots);
        if !self.orders.fill(slot, lots, self.facts.now) {
            return;
        }
        self.orders.get_mut(slot).synthetic += lots;
        self.orders.counters.synthetic_fills += 1;
        let fill = Fill {
            client_order_id: order.new.client_order_id,
            instrument: order.new.instrument,
            strategy: order.new.strategy,
            side: order.new.side,
            trade_id: TradeId(0),
            price,
            quantity: lots,
            fee: notional.times(self.config.fees.taker),
            realized: Money::ZERO,
            liquidity: Liquidity::Taker,
            transaction_time: UtcMs(0),
        };
        self.book_fill(index, Some(slot), fill, emit);
        self.mark_fill(index, &fill, true, emit);
    }

    pub(super) fn take_position(&mut self, report: &PositionReport) {
        let Some(index) = self.index_of(report.instrument) else {
            return;
        };
        let facts = &mut self.instruments[index].facts;
        facts.exchange_quantity = Some(report.quantity);
        facts.exchange_entry_e8 = report.entry_price_e8;
        let market = self.config.instruments[index].market;
        if self.run.begun && self.run.market == Some(market) {
            facts.reported = true;
        } else {
            self.check_mismatch(index);
        }
    }

    /// Opens or closes the grace for a difference between our position and the exchange's.
    fn check_mismatch(&mut self, index: usize) {
        let now = self.facts.now;
        let futures = self.config.instruments[index].market == Market::UsdM;
        let state = &mut self.instruments[index];
        let theirs = state.facts.exchange_quantity;
        let whole = state.position.quantity + state.facts.opening;
        let differs = theirs.is_some_and(|theirs| theirs != whole);
        if !differs || !futures {
            state.facts.mismatch_at = Default::default();
        } else if state.facts.mismatch_at.0 == 0 {
            let due = now.after(MISMATCH_GRACE_NS);
            state.facts.mismatch_at = due;
            self.schedule(due);
        }
    }

    pub(super) fn take_balance<O: Observer>(
        &mut self,
        report: &BalanceReport,
        emit: &mut Emit<'_, O>,
    ) {
        if report.asset != self.config.quote_asset {
            return self.take_other_balance(report, emit);
        }
        if self.run.begun {
            self.run.wallet = Some(report.wallet);
        }
        emit.record(Record::Wallet(WalletRecord {
            wallet: report.wallet,
            event_time: report.event_time,
        }));
    }

    pub(super) fn record_order<O: Observer>(
        &mut self,
        slot: u16,
        request: Option<RequestKind>,
        error_code: i64,
        emit: &mut Emit<'_, O>,
    ) {
        let order = self.orders.get(slot);
        emit.record(Record::OrderChange(OrderChange {
            client_order_id: order.new.client_order_id,
            instrument: order.new.instrument,
            strategy: order.new.strategy,
            intent: order.new.intent,
            exchange_order_id: order.exchange_order_id,
            state: order.state,
            pending: order.pending,
            certainty: order.certainty,
            cumulative_quantity: order.told,
            request,
            error_code,
        }));
    }

    pub(super) fn record_position<O: Observer>(&mut self, index: usize, emit: &mut Emit<'_, O>) {
        let instrument = &self.config.instruments[index];
        let position = &self.instruments[index].position;
        emit.record(Record::Position(PositionRecord {
            instrument: instrument.id,
            quantity: position.quantity,
            cost_tick_lots: position.cost_tick_lots,
            realized: bounds::amount(instrument, position.realized_tick_lots),
            fees: position.fees,
        }));
    }

    pub(super) fn cancel_of(&self, slot: u16) -> CancelOrder {
        let order = self.orders.get(slot);
        CancelOrder {
            client_order_id: order.new.client_order_id,
            instrument: order.new.instrument,
            exchange_order_id: order.exchange_order_id,
        }
    }

    /// True when nothing about this market's orders is open: all fates known, all fills booked.
    pub(super) fn orders_are_clear(&self, market: Market) -> bool {
        !self.orders.live_orders().any(|order| {
            let index = usize::from(order.new.instrument.0);
            let here = self.config.instruments[index].market == market;
            let open = order.certainty == Certainty::Unknown || order.told > order.filled;
            here && open
        })
    }
}

/// A closed trade between the fill that opened it and the one that closed it.
fn legs_of(closed: &ClosedTrade, opening: TradeOpening, closing: TradeOpening) -> TradeLegs {
    let adopted = opening.order == ClientOrderId::EMPTY;
    TradeLegs {
        lots: closed.lots,
        entry_tick_lots: closed.entry_tick_lots,
        exit_tick_lots: closed.exit_tick_lots(),
        entry_reason: match adopted {
            true => EntryReason::Adopted,
            false => EntryReason::Order,
        },
        entry_order: opening.order,
        exit_order: closing.order,
        opened: opening.time,
        closed: closing.time,
    }
}

fn is_trade(update: &OrderUpdate) -> bool {
    matches!(update.execution, Execution::Trade | Execution::Liquidation)
        && update.last_quantity.0 > 0
        && update.last_price.0 > 0
}

//! Trades that were not told: asked for, matched, booked once; and what of them outlives us.
//!
//! In: doubts, listed trades, the memory of an earlier start. Out: wishes, fills with their real
//! ids, prices and fees. Never: a trade twice (I6), a trade given to nobody while an order that
//! may have made it has no exchange id yet.

use super::core::Engine;
use super::emit::Emit;
use crate::orders::Order;
use crate::outbox::{Observer, Request};
use market::ids::Asset;
use market::record::{OpeningRecord, Record, TradesRecovered};
use market::{
    ClientOrderId, InstrumentId, InstrumentMemory, Liquidity, Market, Money, MonoNs, OrderUpdate,
    Price, Quantity, Side, TradeId, TradeReport, TradesWanted, UtcMs, wire_struct,
};

/// How long the exchange may take to list a trade; then what is missing is booked without it.
pub(super) const LISTED_IN_NS: u64 = 3_000_000_000;

wire_struct! {
    /// The trades of one instrument, as far as reconciliation knows them.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct TradeFacts {
        /// The highest trade id that was booked; 0 before the first.
        pub seen: TradeId,
        /// As it was when we agreed with the exchange last.
        pub agreed: InstrumentMemory,
        /// We agreed at least once, in this life or an earlier one.
        pub known: bool,
        /// Trades are to be fetched, since then.
        pub wanted_since: Option<MonoNs>,
        /// Our position has differed in every look since then.
        pub differs_since: Option<MonoNs>,
        /// The running reconciliation has listed all of them.
        pub listed: bool,
        /// It listed one that may be of an order whose exchange id is not known yet.
        pub deferred: bool,
        /// New ones in it.
        pub recovered: u32,
        /// Of those, of orders that are not ours.
        pub foreign: u32,
        /// The last one that it listed.
        pub last: TradeId,
    }
}

/// A trade of the account, wherever it was told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Traded {
    pub(super) instrument: InstrumentId,
    /// Empty where the list does not say and the order is not ours.
    pub(super) client_order_id: ClientOrderId,
    pub(super) side: Side,
    pub(super) trade_id: TradeId,
    pub(super) price: Price,
    pub(super) quantity: Quantity,
    /// What its order had filled after it; a list does not say.
    pub(super) cumulative: Option<Quantity>,
    pub(super) liquidity: Liquidity,
    pub(super) commission: Money,
    pub(super) commission_asset: Asset,
    pub(super) time: UtcMs,
    /// The exchange made the order (I15).
    pub(super) by_venue: bool,
    /// It comes from a list that is older than the positions of its run.
    pub(super) listed: bool,
}

impl Traded {
    pub(super) fn told(update: &OrderUpdate, by_venue: bool) -> Self {
        Self {
            instrument: update.instrument,
            client_order_id: update.client_order_id,
            side: update.side,
            trade_id: update.trade_id,
            price: update.last_price,
            quantity: update.last_quantity,
            cumulative: Some(update.cumulative_quantity),
            liquidity: update.liquidity,
            commission: update.commission,
            commission_asset: update.commission_asset,
            time: update.transaction_time,
            by_venue,
            listed: false,
        }
    }

    fn listed(report: &TradeReport, client_order_id: ClientOrderId) -> Self {
        Self {
            instrument: report.instrument,
            client_order_id,
            side: report.side,
            trade_id: report.trade_id,
            price: report.price,
            quantity: report.quantity,
            cumulative: None,
            liquidity: report.liquidity,
            commission: report.commission,
            commission_asset: report.commission_asset,
            time: report.transaction_time,
            by_venue: false,
            listed: true,
        }
    }
}

impl Engine {
    /// Fills of an instrument may be missing: the next look lists its trades. Without a moment at
    /// which we agreed there is no place to begin, and nothing is missing either.
    pub(super) fn want_trades(&mut self, index: usize) {
        let trades = &mut self.instruments[index].facts.trades;
        if trades.known {
            trades.wanted_since.get_or_insert(self.facts.now);
        }
    }

    /// After a gap of the private stream: whatever has something at stake may have traded.
    pub(super) fn want_trades_at_stake(&mut self, market: Market) {
        for index in 0..self.instruments.len() {
            if self.config.instruments[index].market != market {
                continue;
            }
            let held = !self.instruments[index].position.is_flat();
            let here = |one: &Order| usize::from(one.new.instrument.0) == index;
            if held || self.orders.live_orders().any(here) {
                self.want_trades(index);
            }
        }
    }

    /// True while trades of `market` are to be fetched.
    pub(super) fn wants_trades(&self, market: Market) -> bool {
        let mut all = self.instruments.iter().zip(&self.config.instruments);
        all.any(|(state, one)| one.market == market && state.facts.trades.wanted_since.is_some())
    }

    /// Says which trades the look that follows is to list.
    pub(super) fn ask_trades<O: Observer>(&self, market: Market, emit: &mut Emit<'_, O>) {
        for (state, instrument) in self.instruments.iter().zip(&self.config.instruments) {
            let trades = &state.facts.trades;
            // What finds no room comes with the next look.
            if instrument.market != market || trades.wanted_since.is_none() || !emit.has_room(2) {
                continue;
            }
            emit.request(Request::Trades(TradesWanted {
                instrument: instrument.id,
                after: trades.agreed.after.max(state.fills.floor()),
                since: trades.agreed.since,
            }));
        }
    }

    pub(super) fn begin_listing(&mut self, market: Market) {
        for (state, instrument) in self.instruments.iter_mut().zip(&self.config.instruments) {
            if instrument.market == market {
                let trades = &mut state.facts.trades;
                (trades.listed, trades.deferred) = (false, false);
                (trades.recovered, trades.foreign) = (0, 0);
            }
        }
    }

    /// One trade of a list. It is a fill when nobody told it before.
    pub(super) fn take_listed_trade<O: Observer>(
        &mut self,
        report: &TradeReport,
        emit: &mut Emit<'_, O>,
    ) {
        let Some(index) = self.index_of(report.instrument).filter(|_| self.run.begun) else {
            return;
        };
        let state = &mut self.instruments[index];
        state.facts.trades.last = state.facts.trades.last.max(report.trade_id);
        let old = report.trade_id <= state.fills.floor();
        if old || state.fills.contains(report.trade_id) {
            return;
        }
        let id = report.exchange_order_id;
        let slot = self.orders.find_by_exchange(report.instrument, id);
        if slot.is_none() && self.orders.awaits_exchange_id(report.instrument) {
            self.instruments[index].facts.trades.deferred = true;
            return;
        }
        let client_order_id = match slot {
            Some(slot) => self.orders.get(slot).new.client_order_id,
            // A list names the exchange's id alone.
            None => match self.instruments[index].facts.stop_triggered {
                Some(stop) if stop.became == id => stop.stop,
                _ => ClientOrderId::EMPTY,
            },
        };
        let traded = Traded::listed(report, client_order_id);
        if !self.take_trade(index, slot, &traded, emit) {
            return;
        }
        let trades = &mut self.instruments[index].facts.trades;
        trades.recovered += 1;
        trades.foreign += u32::from(slot.is_none());
        self.orders.counters.recovered_fills += 1;
        if let Some(slot) = slot {
            self.record_order(slot, None, 0, emit);
        }
        self.touch(report.instrument);
    }

    /// Every trade of an instrument that was asked for has been told.
    pub(super) fn take_trades_listed<O: Observer>(
        &mut self,
        id: InstrumentId,
        emit: &mut Emit<'_, O>,
    ) {
        let Some(index) = self.index_of(id).filter(|_| self.run.begun) else {
            return;
        };
        let trades = &mut self.instruments[index].facts.trades;
        if !trades.deferred {
            trades.listed = true;
            trades.wanted_since = None;
        }
        if trades.recovered > 0 {
            emit.record(Record::TradesRecovered(TradesRecovered {
                instrument: id,
                count: trades.recovered,
                foreign: trades.foreign,
                last: trades.last,
            }));
        }
    }

    /// We agree with the exchange on `index`: what comes after this moment is new.
    pub(super) fn agree(&mut self, index: usize, requested_at: MonoNs) {
        let utc = self.utc_now().to_ms();
        let since = self.facts.now.since(requested_at) / 1_000_000;
        let state = &mut self.instruments[index];
        state.facts.trades.differs_since = None;
        let last_fill_at = state.facts.last_fill_at;
        let moving = last_fill_at != MonoNs(0) && last_fill_at >= requested_at;
        if moving && state.facts.trades.known {
            return;
        }
        let agreed = InstrumentMemory {
            instrument: InstrumentId(index as u16),
            after: state.facts.trades.seen,
            // With a trade to begin at, the time only tells how old this is.
            since: UtcMs(utc.0.saturating_sub_unsigned(since)),
            quantity: state.position.quantity,
            cost_tick_lots: state.position.cost_tick_lots,
            opening: state.facts.opening,
        };
        let trades = &mut state.facts.trades;
        let changed = InstrumentMemory {
            since: trades.agreed.since,
            ..agreed
        } != trades.agreed;
        // A quiet instrument is not written anew every minute, unless time is where it begins.
        if changed || !trades.known || agreed.after == TradeId(0) {
            trades.agreed = agreed;
            trades.known = true;
            self.facts.memory_version += 1;
        }
    }

    /// What an earlier start knew: its position, and where its trades go on.
    pub(super) fn remember_instrument<O: Observer>(
        &mut self,
        memory: &InstrumentMemory,
        emit: &mut Emit<'_, O>,
    ) {
        let Some(index) = self.index_of(memory.instrument) else {
            return;
        };
        let now = self.facts.now;
        let state = &mut self.instruments[index];
        state.facts.trades = TradeFacts {
            seen: memory.after,
            agreed: *memory,
            known: true,
            wanted_since: Some(now),
            ..TradeFacts::default()
        };
        state.facts.opening = memory.opening;
        if !memory.quantity.is_zero() {
            let (quantity, cost) = (memory.quantity, memory.cost_tick_lots);
            state.position.adopt(quantity, cost, now);
            state.facts.valued = false;
            self.value_position(index, emit);
            self.record_position(index, emit);
        }
        self.touch(memory.instrument);
    }

    /// What of an instrument outlives the process; `None` until we agreed with the exchange.
    #[must_use]
    pub fn instrument_memory(&self, id: InstrumentId) -> Option<InstrumentMemory> {
        let state = self.instruments.get(usize::from(id.0))?;
        let trades = &state.facts.trades;
        trades.known.then_some(trades.agreed)
    }

    /// Grows whenever [`Self::instrument_memory`] may say something new.
    #[must_use]
    pub const fn memory_version(&self) -> u64 {
        self.facts.memory_version
    }

    /// Of a trade that no order in the table made, what moves our position. Our own protective stop
    /// closes that first; what is left of it, and every trade of others, moves what others hold.
    pub(super) fn part_of_ours<O: Observer>(
        &mut self,
        index: usize,
        traded: &Traded,
        emit: &mut Emit<'_, O>,
    ) -> Quantity {
        let held = self.instruments[index].position.quantity;
        let closes = match traded.client_order_id.is_protective_stop() {
            true => Quantity((-held.0 * traded.side.sign()).clamp(0, traded.quantity.0)),
            false => Quantity::ZERO,
        };
        let rest = traded.quantity - closes;
        closes + self.move_opening(index, traded.side, rest, emit)
    }

    /// A trade of somebody else on an instrument where somebody else holds a position: it is
    /// theirs. What goes beyond it is left, and the account has to bear it.
    fn move_opening<O: Observer>(
        &mut self,
        index: usize,
        side: Side,
        lots: Quantity,
        emit: &mut Emit<'_, O>,
    ) -> Quantity {
        let opening = &mut self.instruments[index].facts.opening;
        if opening.is_zero() || lots.is_zero() {
            return lots;
        }
        let part = if opening.0.signum() == side.sign() {
            lots
        } else {
            lots.min(opening.magnitude())
        };
        opening.0 += side.sign() * part.0;
        let quantity = *opening;
        emit.record(Record::Opening(OpeningRecord {
            instrument: InstrumentId(index as u16),
            quantity,
        }));
        lots - part
    }

    /// The exchange's position as ours and what is held beside us.
    pub(super) fn whole_position(&self, index: usize) -> Quantity {
        let state = &self.instruments[index];
        state.position.quantity + state.facts.opening
    }
}

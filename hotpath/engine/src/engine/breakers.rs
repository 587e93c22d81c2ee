//! The breakers at work: what trips them, what a trip does, what outlives the process.
//!
//! In: profit, closed trades, incidents, what an earlier start remembered. Out: latches, records,
//! trades that are to be closed. Never: a latch that anything but `rearm` clears; a breaker that
//! holds back an exit.

use super::core::Engine;
use super::emit::Emit;
use crate::bounds;
use crate::outbox::Observer;
use crate::risk::{BreakerMemory, Cooldown, Trip};
use market::account::NOT_SENT;
use market::record::{BreakerRecord, Record};
use market::{
    Breaker, ExitReason, InstrumentId, Money, OrderReply, Price, ReplyOutcome, RequestKind, Side,
    StrategyId, TimeInForce, UtcMs,
};

/// A mark price comes every three seconds at most: what has none for so long gets none.
const UNVALUED_NS: u64 = 30_000_000_000;

/// What a trip is about, beside the account.
#[derive(Clone, Copy, Default)]
pub(super) struct About {
    pub(super) instrument: Option<InstrumentId>,
    pub(super) strategy: Option<StrategyId>,
}

impl About {
    /// The instrument at `index`.
    pub(super) fn of(index: usize) -> Self {
        Self {
            instrument: Some(InstrumentId(index as u16)),
            ..Self::default()
        }
    }
}

impl Engine {
    /// Judges a profit that has changed. Not before every position has a price: what a start finds
    /// would count as a loss until then. One that gets none keeps the others from being judged for
    /// [`UNVALUED_NS`] only.
    #[inline(never)]
    pub(super) fn judge_profit<O: Observer>(&mut self, emit: &mut Emit<'_, O>) {
        let waits = self.facts.unvalued != 0
            && self.facts.now.since(self.facts.unvalued_since) < UNVALUED_NS;
        if !self.trading.reconciled || waits {
            return;
        }
        let (profit, base) = (self.profit(), self.base());
        let trips = self.breakers.judge(profit, base, &self.config.risk);
        for trip in trips.into_iter().flatten() {
            self.trip(trip, About::default(), emit);
        }
    }

    /// Latches a breaker, or tells that it would.
    pub(super) fn trip<O: Observer>(&mut self, trip: Trip, about: About, emit: &mut Emit<'_, O>) {
        let bit = trip.breaker.bit();
        let dry = self.is_dry(trip.breaker);
        let latched = if dry {
            &mut self.breakers.told
        } else {
            &mut self.trading.tripped
        };
        let again = *latched & bit != 0;
        if trip.breaker.state_reason().is_some() {
            *latched |= bit;
            if again {
                return;
            }
        }
        emit.record(Record::Breaker(BreakerRecord {
            breaker: trip.breaker,
            instrument: about.instrument,
            strategy: about.strategy,
            value: trip.value,
            limit: trip.limit,
            dry,
        }));
    }

    /// What a breaker measures now, of the kind of its limit; see
    /// [`Breakers::measure`](crate::risk::Breakers::measure).
    #[must_use]
    pub fn breaker_measure(&self, breaker: Breaker) -> Option<i64> {
        let (profit, base, now) = (self.profit(), self.base(), self.facts.now);
        let risk = &self.config.risk;
        self.breakers.measure(breaker, profit, base, now, risk)
    }

    pub(super) fn is_dry(&self, breaker: Breaker) -> bool {
        self.config.risk.dry_breakers & breaker.bit() != 0
    }

    /// Something happened that a breaker counts.
    #[cold]
    pub(super) fn incident<O: Observer>(
        &mut self,
        breaker: Breaker,
        about: About,
        emit: &mut Emit<'_, O>,
    ) {
        let now = self.facts.now;
        if let Some(trip) = self.breakers.incident(breaker, now, &self.config.risk) {
            self.trip(trip, about, emit);
        }
    }

    /// What a reply says about the exchange, beside the order.
    pub(super) fn watch_reply<O: Observer>(
        &mut self,
        slot: u16,
        reply: &OrderReply,
        emit: &mut Emit<'_, O>,
    ) {
        let order = self.orders.get(slot);
        let waited_ns = self.facts.now.since(order.submitted_at);
        // A post-only order that would have taken is refused in the course of business.
        let refused = order.new.time_in_force != TimeInForce::PostOnly;
        let sent = reply.error_code != NOT_SENT;
        let about = About::of(usize::from(order.new.instrument.0));
        match (reply.request, reply.outcome) {
            (RequestKind::Place, ReplyOutcome::Rejected) if refused && sent => {
                self.incident(Breaker::RejectRate, about, emit);
            }
            (RequestKind::Place | RequestKind::Cancel, ReplyOutcome::Unresolved) if sent => {
                self.incident(Breaker::ErrorRate, about, emit);
            }
            (RequestKind::Place, ReplyOutcome::Confirmed)
                if waited_ns >= self.config.risk.reply_slow_ns =>
            {
                self.incident(Breaker::Latency, about, emit);
            }
            _ => {}
        }
    }

    /// A trade ended: a streak goes on or ends, and after a stop its instrument rests.
    pub(super) fn watch_trade<O: Observer>(
        &mut self,
        assignment: usize,
        won: bool,
        reason: ExitReason,
        emit: &mut Emit<'_, O>,
    ) {
        let one = &mut self.assignments[assignment];
        one.pauses.loses_too_much = false;
        let instrument = one.instrument;
        if let Some(trip) = self.breakers.trade_closed(won, &self.config.risk) {
            self.trip(trip, About::default(), emit);
        }
        let stopped = matches!(
            reason,
            ExitReason::StopLoss | ExitReason::TradeLoss | ExitReason::ProtectiveStop
        );
        let pause_ns = self.config.risk.stop_cooldown_ns;
        if stopped && self.utc_now().0 != 0 {
            let about = About::of(usize::from(instrument.0));
            let pause = i64::try_from(pause_ns).unwrap_or(i64::MAX);
            let trip = Trip {
                breaker: Breaker::StopCooldown,
                value: pause,
                limit: pause,
            };
            self.trip(trip, about, emit);
            if !self.is_dry(Breaker::StopCooldown) {
                let until = self.utc_now().0.saturating_add(pause);
                // Rounded up: the pause is never shorter than told.
                let until = UtcMs(until.div_euclid(1_000_000).saturating_add(1));
                self.cool_down(Cooldown { instrument, until });
            }
        }
    }

    /// Nothing is opened on the instrument before.
    pub(super) fn cool_down(&mut self, cooldown: Cooldown) {
        if let Some(index) = self.index_of(cooldown.instrument) {
            let until = &mut self.instruments[index].facts.cooldown_until;
            *until = (*until).max(cooldown.until);
        }
    }

    /// True while the instrument rests after a stop.
    pub(super) fn is_cooling_down(&self, index: usize) -> bool {
        self.utc_now().to_ms() < self.instruments[index].facts.cooldown_until
    }

    /// The first fill of an entry order: one more execution of its strategy's signal. So many of
    /// one side in such a time, and the strategy is latched off.
    pub(super) fn watch_execution<O: Observer>(
        &mut self,
        assignment: usize,
        side: Side,
        emit: &mut Emit<'_, O>,
    ) {
        let limit = self.config.risk.repeated_executions;
        let now = self.facts.now;
        let one = &mut self.assignments[assignment];
        if one.executions.side != Some(side) {
            one.executions = Default::default();
            one.executions.side = Some(side);
        }
        let (strategy, instrument) = (one.strategy, one.instrument);
        let repeated = one.executions.recent.note(now, limit);
        if !repeated || strategy.0 >= 32 {
            return;
        }
        let about = About {
            instrument: Some(instrument),
            strategy: Some(strategy),
        };
        let count = i64::from(limit.count);
        let trip = Trip {
            breaker: Breaker::RepeatedExecution,
            value: count,
            limit: count,
        };
        if !self.is_latched_off(strategy) {
            self.trip(trip, about, emit);
        }
        if !self.is_dry(Breaker::RepeatedExecution) {
            self.breakers.latched_strategies |= 1 << strategy.0;
        }
    }

    /// True while the strategy may open nothing; `rearm` clears it.
    pub(super) fn is_latched_off(&self, strategy: StrategyId) -> bool {
        let latched = self.breakers.latched_strategies;
        latched != 0 && strategy.0 < 32 && latched >> strategy.0 & 1 != 0
    }

    /// Finds trades on an instrument that have lost more than one trade may; they are closed.
    pub(super) fn watch_trades<O: Observer>(
        &mut self,
        index: usize,
        price: Option<Price>,
        emit: &mut Emit<'_, O>,
    ) {
        for place in 0..self.by_instrument[index].len() {
            let assignment = usize::from(self.by_instrument[index][place]);
            let one = &self.assignments[assignment];
            if one.position.is_flat() {
                self.assignments[assignment].pauses.loses_too_much = false;
                continue;
            }
            let Some(price) = price.filter(|_| !one.pauses.loses_too_much) else {
                continue;
            };
            let held = &one.position;
            let tick_lots = held.unrealized_tick_lots(price) + held.realized_tick_lots;
            let tick_lots = tick_lots - held.realized_before;
            let gain = bounds::amount(&self.config.instruments[index], tick_lots);
            let loss = Money((held.fees.0 - held.fees_before.0).saturating_sub(gain.0));
            let limit = self.config.risk.trade_loss_max;
            if loss < limit {
                continue;
            }
            let about = About {
                instrument: Some(one.instrument),
                strategy: Some(one.strategy),
            };
            let trip = Trip {
                breaker: Breaker::TradeLoss,
                value: loss.0,
                limit: limit.0,
            };
            self.assignments[assignment].pauses.loses_too_much = true;
            self.trip(trip, about, emit);
        }
    }

    /// True when the strategy's trade is to be closed whatever the strategy thinks.
    pub(super) fn is_to_be_closed(&self, assignment: u16) -> bool {
        let pauses = &self.assignments[usize::from(assignment)].pauses;
        pauses.loses_too_much && !self.is_dry(Breaker::TradeLoss)
    }

    /// A person has looked: every measure begins from the present.
    pub(super) fn rearm(&mut self) {
        self.breakers.rearm(self.profit());
        self.facts.late_orders = 0;
        for state in &mut self.instruments {
            state.facts.cooldown_until = UtcMs(0);
        }
        for one in &mut self.assignments {
            one.executions = Default::default();
        }
    }

    /// Takes over what an earlier start remembered. A memory only adds to what holds: it never
    /// frees anything.
    pub(super) fn remember(&mut self, memory: &BreakerMemory) {
        let realized = self.facts.net_realized;
        self.breakers.day = self.breakers.day.max(memory.day);
        self.breakers.day_start = realized + memory.day_start;
        self.breakers.high_water = realized + memory.high_water;
        self.breakers.level = self.breakers.level.max(memory.level);
        self.breakers.loss_streak = self.breakers.loss_streak.max(memory.loss_streak);
        self.breakers.latched_strategies |= memory.latched_strategies;
        self.breakers.judged = None;
        self.trading.tripped |= memory.tripped;
    }

    /// What the next start is to remember.
    #[must_use]
    pub fn breaker_memory(&self) -> BreakerMemory {
        let realized = self.facts.net_realized;
        BreakerMemory {
            day: self.breakers.day,
            day_start: self.breakers.day_start - realized,
            high_water: self.breakers.high_water - realized,
            level: self.breakers.level,
            loss_streak: self.breakers.loss_streak,
            tripped: self.trading.tripped,
            latched_strategies: self.breakers.latched_strategies,
        }
    }

    /// Until when nothing is opened on an instrument after a stop; 0 for never.
    #[must_use]
    pub fn cooldown(&self, id: InstrumentId) -> UtcMs {
        self.index_of(id).map_or(UtcMs(0), |index| {
            self.instruments[index].facts.cooldown_until
        })
    }

    /// Breakers that are latched, a set of [`Breaker::bit`]; a latched strategy counts.
    #[must_use]
    pub fn tripped(&self) -> u32 {
        let repeated = self.breakers.latched_strategies != 0;
        self.trading.tripped | (u32::from(repeated) * Breaker::RepeatedExecution.bit())
    }
}

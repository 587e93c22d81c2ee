//! State pages: what the engine shows of itself.
//!
//! In: the state. Out: plain copies for shared memory. Never: a decision.

use super::adopt::SLOT_ADOPTED;
use super::core::Engine;
use crate::bounds;
use crate::orders::Order;
use crate::signal::Top;
use market::page::{AccountPage, InstrumentPage};
use market::units::{ONE, round_div_saturating};
use market::{Certainty, InstrumentId, Level, Money, Price, Rate, UtcNs};

impl Engine {
    /// The page of an instrument.
    ///
    /// # Panics
    /// When there is no such instrument: ids come from the start-up table.
    #[must_use]
    pub fn instrument_page(&self, id: InstrumentId) -> InstrumentPage {
        let index = usize::from(id.0);
        let instrument = self.config.instruments[index];
        let state = &self.instruments[index];
        let top: Option<Top> = state.top();
        let here = |one: &&Order| one.new.instrument == id;
        let live = || self.orders.live_orders().filter(here);
        let strategies = self.by_instrument[index]
            .iter()
            .map(|one| &self.assignments[usize::from(*one)].position);
        let (won, closed) = strategies.fold((0, 0), |(won, closed), one| {
            (won + one.trades_won, closed + one.trades_closed)
        });
        InstrumentPage {
            instrument: id,
            market: instrument.market,
            symbol: instrument.symbol,
            tick: instrument.tick,
            lot: instrument.lot,
            book_state: state.book.state(),
            update_id: state.book.top_update_id(),
            book_time: state.book.changed_at(),
            bid: top.map_or(Level::default(), |top| top.bid),
            ask: top.map_or(Level::default(), |top| top.ask),
            imbalance_ratio: state.ratio,
            no_signal: state.no_signal,
            mark: state.facts.mark.unwrap_or(Price(0)),
            position: state.position.quantity,
            cost_tick_lots: state.position.cost_tick_lots,
            realized: bounds::amount(&instrument, state.position.realized_tick_lots),
            unrealized: state.facts.unrealized,
            fees: state.position.fees,
            orders_open: live().filter(|order| !order.state.is_final()).count() as u32,
            orders_unknown: live()
                .filter(|order| order.certainty == Certainty::Unknown)
                .count() as u32,
            orders_sent: state.facts.orders_sent,
            fills: state.facts.fills,
            trades_won: won,
            trades_closed: closed,
            book_gaps: state.facts.book_gaps,
            book_resyncs: state.facts.book_resyncs,
            protective_stop: state.facts.protective_stop.unwrap_or(Price(0)),
            opening: state.facts.opening,
            reconciled: self.links[instrument.market as usize].reconciled,
        }
    }

    /// The page of the account.
    #[must_use]
    pub fn account_page(&self) -> AccountPage {
        let used = || self.links.iter().filter(|link| link.used);
        let base: Money = used().map(|link| link.wallet_base).sum();
        let wallet = base + self.facts.net_realized;
        let equity = wallet + self.facts.unrealized;
        let profit = self.profit();
        let fall = self.breakers.drawdown(profit);
        let high = base + self.breakers.high_water;
        let drawdown = if high.0 > 0 {
            round_div_saturating(i128::from(fall.0) * i128::from(ONE), i128::from(high.0))
        } else {
            0
        };
        let positions = || self.instruments.iter().map(|one| &one.position);
        let fees: Money = positions().map(|position| position.fees).sum();
        let orders_open = self.orders.live_orders();
        AccountPage {
            trading_state: self.trading.state,
            reason: self.trading.reason,
            input_sequence: self.facts.sequence,
            time: self.facts.now,
            utc: self.utc_now(),
            output_hash: self.hash.value(),
            wallet,
            equity,
            realized: self.facts.net_realized + fees - self.facts.funding,
            funding: self.facts.funding,
            unrealized: self.facts.unrealized,
            fees,
            drawdown: Rate(drawdown),
            unknown_ever: self.orders.counters.unknown_ever,
            unknown_now: self.orders.unknown_now(),
            orders_open: orders_open.filter(|order| !order.state.is_final()).count() as u32,
            market_stream_up: used().all(|link| link.market_up),
            user_stream_up: used().all(|link| link.user_up),
            reconciled: used().all(|link| link.reconciled),
            gross_notional: self.facts.gross_usdm + self.facts.gross_spot,
            net_notional: self.facts.net_exposure,
            balances_untold: self.balances.untold,
            orders_inherited: self.inherited().count() as u32,
            strategies_latched: self.breakers.latched_strategies,
            config_version: self.facts.config_version,
            config_hash: self.facts.config_hash,
        }
    }

    /// Orders of earlier starts that are to go and are not gone yet.
    fn inherited(&self) -> impl Iterator<Item = &Order> {
        let going = |one: &&Order| one.slot == SLOT_ADOPTED && one.cancel_wanted;
        let live = self.orders.live_orders();
        live.filter(going).filter(|one| !one.state.is_final())
    }

    /// UTC by the last clock sample and the time since; 0 before the first.
    #[must_use]
    pub fn utc_now(&self) -> UtcNs {
        if self.facts.utc == UtcNs(0) {
            return UtcNs(0);
        }
        let since = self.facts.now.since(self.facts.utc_at);
        UtcNs(self.facts.utc.0.saturating_add_unsigned(since))
    }
}

//! Facts of the journal as events of the log.
//!
//! In: journal records that have just become durable; the picture of the moment. Out: one line for
//! each that a person or a machine may look for, with its fields. Never: a record that is not in the
//! ledger; a line that the log's budget leaves out is in the ledger all the same.

use crate::decimal;
use crate::figure::FigureName;
use crate::view::View;
use market::page::InstrumentPage;
use market::record::{Fill, Intent, JournalRecord, OrderChange, Record, TradeClosed};
use market::{InstrumentId, Price, Quantity, Step, TradingState};
use service::events;
use std::collections::{BTreeMap, HashMap};

#[derive(Clone)]
struct Name {
    symbol: String,
    tick: Step,
    lot: Step,
}

/// Tells the records of one generation.
#[derive(Default)]
pub struct LogEvents {
    names: HashMap<InstrumentId, Name>,
}

impl LogEvents {
    /// With the instruments that the hot path shows.
    #[must_use]
    pub fn of(pages: &[InstrumentPage]) -> Self {
        let name = |page: &InstrumentPage| Name {
            symbol: format!("{}:{}", page.market, page.symbol),
            tick: page.tick,
            lot: page.lot,
        };
        let names = pages.iter().map(|page| (page.instrument, name(page)));
        Self {
            names: names.collect(),
        }
    }

    /// Tells one record, if it is one to be told.
    pub fn tell(&mut self, record: &JournalRecord) {
        let (seq, ms) = (record.sequence, record.utc.to_ms().0);
        match &record.body {
            Record::Instrument(one) => {
                let name = Name {
                    symbol: format!("{}:{}", one.market, one.symbol),
                    tick: one.tick,
                    lot: one.lot,
                };
                self.names.insert(one.instrument, name);
            }
            Record::Intent(one) => self.placed(one, seq, ms),
            Record::Denial(one) => {
                let order = &one.order;
                tracing::info!(
                    event = events::ORDER_DENIED,
                    symbol = self.symbol(order.instrument),
                    side = order.side.as_str(),
                    price = self.price(order.instrument, order.price),
                    quantity = self.quantity(order.instrument, order.quantity),
                    reason = one.code.as_str(),
                    seq,
                    utc_ms = ms,
                    "denied"
                );
            }
            Record::OrderChange(one) if one.state.is_final() => self.ended(one, seq, ms),
            Record::Fill(one) => self.filled(one, seq, ms),
            Record::TradeClosed(one) => self.trade_closed(one, seq, ms),
            _ => self.machine(record, seq, ms),
        }
    }

    /// What happened to the whole box.
    fn machine(&self, record: &JournalRecord, seq: u64, ms: i64) {
        match &record.body {
            Record::TradingState(one) => tracing::warn!(
                event = events::STATE_CHANGED,
                from = one.from.as_str(),
                to = one.to.as_str(),
                reason = one.reason.as_str(),
                seq,
                utc_ms = ms,
                "the trading state changed"
            ),
            Record::Breaker(one) => tracing::warn!(
                event = events::BREAKER,
                breaker = one.breaker.as_str(),
                symbol = one.instrument.map(|id| self.symbol(id)),
                value = one.value,
                allowed = one.limit,
                dry = one.dry,
                seq,
                utc_ms = ms,
                "a breaker tripped"
            ),
            Record::KillStep(one) => tracing::warn!(
                event = events::KILL,
                act = one.act.as_str(),
                symbol = one.symbol.as_str(),
                count = one.count,
                code = one.error_code,
                seq,
                utc_ms = ms,
                "kill"
            ),
            Record::Configured(one) => tracing::info!(
                event = events::CONFIG_CHANGED,
                version = one.version,
                config_hash = format_args!("{:016x}", one.config_hash),
                limits_changed = one.limits_changed,
                strategies_changed = one.strategies_changed,
                seq,
                utc_ms = ms,
                "the hot path took a configuration"
            ),
            Record::Reconciled(one) => tracing::info!(
                event = events::RECONCILED,
                adopted = one.adopted,
                cancelled = one.cancelled,
                foreign = one.foreign,
                differences = one.position_differences,
                seq,
                utc_ms = ms,
                "reconciled"
            ),
            _ => {}
        }
    }

    fn placed(&self, one: &Intent, seq: u64, utc_ms: i64) {
        let order = &one.order;
        tracing::info!(
            event = events::ORDER_PLACED,
            order_id = order.client_order_id.as_str(),
            symbol = self.symbol(order.instrument),
            side = order.side.as_str(),
            order_type = order.order_type.as_str(),
            price = self.price(order.instrument, order.price),
            quantity = self.quantity(order.instrument, order.quantity),
            reduce_only = order.reduce_only,
            strategy_context = format_args!(
                "strategy {} intent {} on {} {}",
                order.strategy.0,
                order.intent.0,
                one.trigger.kind.as_str(),
                one.trigger.id
            ),
            seq,
            utc_ms,
            "placed"
        );
    }

    fn ended(&self, one: &OrderChange, seq: u64, utc_ms: i64) {
        tracing::info!(
            event = events::ORDER_FINAL,
            order_id = one.client_order_id.as_str(),
            symbol = self.symbol(one.instrument),
            state = one.state.as_str(),
            filled = self.quantity(one.instrument, one.cumulative_quantity),
            code = one.error_code,
            seq,
            utc_ms,
            "ended"
        );
    }

    fn filled(&self, one: &Fill, seq: u64, utc_ms: i64) {
        tracing::info!(
            event = events::FILL,
            order_id = one.client_order_id.as_str(),
            symbol = self.symbol(one.instrument),
            side = one.side.as_str(),
            price = self.price(one.instrument, one.price),
            quantity = self.quantity(one.instrument, one.quantity),
            fee_usdt = decimal::money(one.fee),
            liquidity = one.liquidity.as_str(),
            trade_id = one.trade_id.0,
            seq,
            utc_ms,
            "filled"
        );
    }

    fn trade_closed(&self, one: &TradeClosed, seq: u64, utc_ms: i64) {
        tracing::info!(
            event = events::TRADE_CLOSED,
            symbol = self.symbol(one.instrument),
            side = one.side.as_str(),
            quantity = self.quantity(one.instrument, one.quantity),
            pnl_usdt = decimal::money(one.realized),
            fees_usdt = decimal::money(one.fees),
            held_ms = one.held_ns / 1_000_000,
            reason = one.reason.as_str(),
            seq,
            utc_ms,
            "a trade ended"
        );
    }

    fn symbol(&self, id: InstrumentId) -> String {
        let named = self.names.get(&id).map(|name| name.symbol.clone());
        named.unwrap_or_else(|| format!("instrument {}", id.0))
    }

    /// Ticks and lots where the steps are not known.
    fn price(&self, id: InstrumentId, price: Price) -> String {
        match self.names.get(&id) {
            Some(name) => decimal::steps(name.tick, price.0),
            None => format!("{} ticks", price.0),
        }
    }

    fn quantity(&self, id: InstrumentId, quantity: Quantity) -> String {
        match self.names.get(&id) {
            Some(name) => decimal::steps(name.lot, quantity.0),
            None => format!("{} lots", quantity.0),
        }
    }
}

/// How the machine does.
pub fn tell_status(view: &View) {
    let Some(account) = &view.account else {
        tracing::warn!(event = events::STATUS, state = "-", "no hot path");
        return;
    };
    let held = view.instruments.iter().filter(|page| page.position.0 != 0);
    let latency = view.family_histogram("tick_to_order_seconds");
    let p99 = latency.and_then(|one| one.quantile_ns(9_900));
    tracing::info!(
        event = events::STATUS,
        state = account.trading_state.as_str(),
        reason = account.reason.as_str(),
        equity_usdt = decimal::money_rounded(account.equity, 2),
        positions = held.count(),
        orders = account.orders_open,
        tick_to_order_p99_us = p99.map(|ns| ns / 1_000),
        "{}",
        headline(account.trading_state)
    );
}

const fn headline(state: TradingState) -> &'static str {
    match state {
        TradingState::Active => "trading",
        TradingState::Reducing => "no entries",
        TradingState::Halted => "halted",
        TradingState::Killed => "killed",
    }
}

/// Remembers which streams are there, and tells when that changes.
#[derive(Default)]
pub struct Streams(BTreeMap<String, bool>);

impl Streams {
    /// Looks at the gauges of a picture.
    pub fn look(&mut self, view: &View) {
        for (name, value) in &view.gauges {
            if !name.starts_with("ws_connected{") {
                continue;
            }
            let up = *value != 0;
            let before = self.0.insert(name.clone(), up);
            if before == Some(up) || (before.is_none() && !up) {
                continue;
            }
            let labels = FigureName::parse(name);
            let label = |key| labels.as_ref().and_then(|one| one.label(key));
            let (market, stream) = (label("market"), label("stream"));
            if up {
                tracing::info!(
                    event = events::STREAM_UP,
                    market,
                    stream,
                    "a stream is there"
                );
            } else {
                tracing::warn!(
                    event = events::STREAM_DOWN,
                    market,
                    stream,
                    "a stream is away"
                );
            }
        }
    }
}

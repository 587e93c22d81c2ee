//! From checked settings to the engine's configuration.
//!
//! In: settings, the exchange's instruments, the epoch. Out: [`EngineConfig`]. Never: a value of
//! its own; what is not in the settings is the engine's default.

use binance::rest::ExchangeInfo;
use engine::EngineConfig;
use engine::book::BookConfig;
use engine::config::{
    ExternalOrders, FeeConfig, FirstStart, Frequency, OpenOrdersAtStart, OrdersConfig, RiskConfig,
    SignalConfig, StrategyConfig, StrategyParameters,
};
use engine::event::StrategyChange;
use engine::strategy::dummy::DummyParameters;
use engine::strategy::imbalance::{EntryStyle, FlipPolicy, ImbalanceParameters, PartialEntry};
use market::{Instrument, InstrumentId, Market, StrategyId};
use settings::{ImbalanceSettings, RiskSettings, Settings, StrategyKind, StrategySettings};

const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MS;

/// The start-up table: each configured instrument as its market lists it.
///
/// # Errors
/// A sentence that names the first symbol that the exchange does not list, or lists in a way that
/// cannot be traded.
pub fn instruments(
    settings: &Settings,
    listed: &[(Market, ExchangeInfo)],
) -> Result<Vec<Instrument>, String> {
    let mut table = Vec::with_capacity(settings.instruments.len());
    for (index, key) in settings.instruments.iter().enumerate() {
        let symbol = key.symbol.as_str();
        let info = listed
            .iter()
            .find(|(market, _)| *market == key.market)
            .map(|(_, info)| info)
            .ok_or_else(|| format!("no exchangeInfo of {}", key.market))?;
        if let Some((_, why)) = info.refused.iter().find(|(name, _)| name == symbol) {
            return Err(format!(
                "{symbol} of {} cannot be traded: {why}",
                key.market
            ));
        }
        let found = info.find(symbol).ok_or_else(|| {
            format!(
                "the exchange does not list {symbol} in {}; check [[instrument]]",
                key.market
            )
        })?;
        let id = u16::try_from(index).expect("settings allow 64 instruments");
        table.push(Instrument {
            id: InstrumentId(id),
            ..found.instrument
        });
    }
    Ok(table)
}

/// Our client ids begin with this; the engine's default is compared with it by a test.
pub const CLIENT_ID_PREFIX: &str = "fu";

/// The engine's configuration.
#[must_use]
pub fn engine_config(
    settings: &Settings,
    instruments: Vec<Instrument>,
    epoch: u32,
) -> EngineConfig {
    EngineConfig {
        book: BookConfig {
            window_ticks: settings.book.window_ticks as usize,
            fusion: settings.book.fusion,
            ..BookConfig::default()
        },
        signal: SignalConfig {
            levels: settings.book.signal_levels as usize,
            stale_after_ns: settings.book.stale_after_ms * MS,
        },
        strategies: settings.strategies.iter().map(strategy).collect(),
        risk: risk_config(&settings.risk),
        fees: FeeConfig {
            maker: settings.fees.maker,
            taker: settings.fees.taker,
        },
        orders: OrdersConfig {
            client_id_epoch: epoch,
            recv_window_ns: settings.venue.recv_window_ms * MS,
            open_orders_at_start: match settings.hot_path.open_orders_at_start {
                settings::OpenOrdersAtStart::Cancel => OpenOrdersAtStart::Cancel,
                settings::OpenOrdersAtStart::Adopt => OpenOrdersAtStart::Adopt,
            },
            external_orders: match settings.hot_path.external_orders {
                settings::ExternalOrders::Ignore => ExternalOrders::Ignore,
                settings::ExternalOrders::Cancel => ExternalOrders::Cancel,
            },
            amend: settings.orders.amend,
            ..OrdersConfig::default()
        },
        start_active: settings.hot_path.start_active,
        first_start: match settings.hot_path.first_start {
            settings::FirstStart::Refuse => FirstStart::Refuse,
            settings::FirstStart::Adopt => FirstStart::Adopt,
            settings::FirstStart::Ignore => FirstStart::Ignore,
        },
        ..EngineConfig::new(instruments)
    }
}

/// Limits in the engine's units.
#[must_use]
pub fn risk_config(risk: &RiskSettings) -> RiskConfig {
    let count = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
    let frequency = |limit: settings::Frequency| Frequency {
        count: count(limit.count),
        window_ns: limit.window_s * SECOND,
    };
    RiskConfig {
        order_notional_max: risk.order_notional_max,
        position_notional_max: risk.position_notional_max,
        open_orders_max: count(risk.open_orders_max),
        open_orders_account_max: count(risk.open_orders_account_max),
        orders_per_10s_max: count(risk.orders_per_10s_max),
        orders_per_minute_max: count(risk.orders_per_minute_max),
        reserved_share: risk.reserved_share,
        collar: risk.collar,
        spread_max: risk.spread_max,
        daily_loss_max: risk.daily_loss_max,
        drawdown_max: risk.drawdown_max,
        day_starts_at_hour_utc: u8::try_from(risk.day_starts_at_hour_utc).unwrap_or(0),
        event_age_max_ns: risk.event_age_max_ms * MS,
        clock_age_max_ns: risk.clock_age_max_ms * MS,
        clock_step_max_ns: risk.clock_step_max_ms * MS,
        exposure_share_max: risk.exposure_share_max,
        gross_exposure_max: risk.gross_exposure_max,
        net_exposure_max: risk.net_exposure_max,
        leverage_max: risk.leverage_max,
        free_margin_min: risk.free_margin_min,
        liquidation_distance_min: risk.liquidation_distance_min,
        price_drift_max: risk.price_drift_max,
        repeated_executions: frequency(risk.repeated_executions),
        trade_loss_max: risk.trade_loss_max,
        stop_cooldown_ns: risk.stop_cooldown_s * SECOND,
        drawdown_levels: [
            risk.drawdown_smaller,
            risk.drawdown_less_leverage,
            risk.drawdown_stop,
        ],
        drawdown_size: risk.drawdown_size,
        drawdown_leverage: risk.drawdown_leverage,
        loss_streak_max: count(risk.loss_streak_max),
        rejects: frequency(risk.rejects),
        errors: frequency(risk.errors),
        slow_replies: frequency(risk.slow_replies),
        reply_slow_ns: risk.slow_reply_ms * MS,
        clock_steps: frequency(risk.clock_steps),
        feed_gaps: frequency(risk.feed_gaps),
        mismatches: frequency(risk.mismatches),
        margin_ratio_max: risk.margin_ratio_max,
        dry_breakers: risk.dry_breakers,
        // Quantities differ from one instrument to the next; the exchange's filters and the
        // notionals bound them.
        order_quantity_max: None,
        position_quantity_max: None,
    }
}

/// What holds for each strategy while the engine runs.
#[must_use]
pub fn strategy_changes(settings: &Settings) -> Vec<StrategyChange> {
    let all = settings.strategies.iter().enumerate();
    all.map(|(index, one)| StrategyChange {
        strategy: StrategyId(u8::try_from(index).expect("start-up has counted them")),
        off: one.off.iter().fold(0, |off, index| off | 1 << index),
        parameters: parameters(&one.kind),
    })
    .collect()
}

fn strategy(settings: &StrategySettings) -> StrategyConfig {
    let id = |index: &usize| InstrumentId(u16::try_from(*index).expect("at most 64 instruments"));
    StrategyConfig {
        name: settings.name.clone(),
        instruments: settings.instruments.iter().map(id).collect(),
        parameters: parameters(&settings.kind),
    }
}

fn parameters(kind: &StrategyKind) -> StrategyParameters {
    match kind {
        StrategyKind::Imbalance(one) => StrategyParameters::Imbalance(imbalance(one)),
        StrategyKind::Dummy(one) => StrategyParameters::Dummy(DummyParameters {
            interval_ns: one.interval_ms * MS,
            rest_ns: one.rest_ms * MS,
            order_notional: one.order_notional,
            distance: one.distance,
        }),
    }
}

fn imbalance(settings: &ImbalanceSettings) -> ImbalanceParameters {
    ImbalanceParameters {
        buy_above: settings.buy_above,
        sell_below: settings.sell_below,
        order_notional: settings.order_notional,
        take_profit: settings.take_profit,
        stop_loss: settings.stop_loss,
        signal_exit_after_ns: settings.signal_exit_after_ms * MS,
        time_exit_after_ns: settings.time_exit_after_ms * MS,
        cooldown_ns: settings.cooldown_ms * MS,
        retry_after_ns: settings.retry_after_ms * MS,
        entry: match settings.entry {
            settings::EntryStyle::Maker => EntryStyle::Maker,
            settings::EntryStyle::Taker => EntryStyle::Taker,
        },
        reprice_ticks: i64::try_from(settings.reprice_ticks).unwrap_or(i64::MAX),
        taker_collar: settings.taker_collar,
        on_flip: match settings.on_flip {
            settings::FlipPolicy::Exit => FlipPolicy::Exit,
            settings::FlipPolicy::Reverse => FlipPolicy::Reverse,
            settings::FlipPolicy::Hold => FlipPolicy::Hold,
        },
        on_partial_entry: match settings.on_partial_entry {
            settings::PartialEntry::Complete => PartialEntry::Complete,
            settings::PartialEntry::Keep => PartialEntry::Keep,
        },
    }
}

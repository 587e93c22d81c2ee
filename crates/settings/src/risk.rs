//! Limits of the pre-trade controls and breakers, as checked.
//!
//! In: the section `[risk]` and the ceilings. Out: [`RiskSettings`]. Never: a value beyond its
//! ceiling, a limit that is off.

use crate::limits::{Ceilings, LIMITS, Limit};
use crate::written::{Problem, Section};
use market::{Breaker, Money, Rate};

/// So many in such a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frequency {
    /// How many.
    pub count: u64,
    /// In which time.
    pub window_s: u64,
}

/// Limits of the pre-trade controls and breakers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RiskSettings {
    /// Largest notional of one order.
    pub order_notional_max: Money,
    /// Largest position of one instrument, open orders included.
    pub position_notional_max: Money,
    /// The same as a share of equity.
    pub exposure_share_max: Rate,
    /// Largest sum of all positions and of the open orders that may add to them.
    pub gross_exposure_max: Money,
    /// Largest difference between long and short.
    pub net_exposure_max: Money,
    /// Gross exposure over equity.
    pub leverage_max: Rate,
    /// Share of equity that stays free of margin.
    pub free_margin_min: Rate,
    /// Least distance of the price from liquidation.
    pub liquidation_distance_min: Rate,
    /// Most open orders of one instrument.
    pub open_orders_max: u64,
    /// Most open orders of the account.
    pub open_orders_account_max: u64,
    /// New orders, amends and cancels in any 10 s; below the exchange's own limit.
    pub orders_per_10s_max: u64,
    /// The same per minute.
    pub orders_per_minute_max: u64,
    /// Share of both that only cancels and reducing orders may use.
    pub reserved_share: Rate,
    /// Largest distance of a price from mid, mark and the price of late, as a share.
    pub collar: Rate,
    /// How fast the price of late follows the market, as a share a minute.
    pub price_drift_max: Rate,
    /// Widest spread at which entries are made, as a share.
    pub spread_max: Rate,
    /// Age of market data by its event time at which no entry is made on it.
    pub event_age_max_ms: u64,
    /// Age of the last clock sample at which no entry is made.
    pub clock_age_max_ms: u64,
    /// Step of the exchange's clock after which no entry is made for a while.
    pub clock_step_max_ms: u64,
    /// Executions of one signal that latch its strategy off.
    pub repeated_executions: Frequency,
    /// Loss of one trade that closes it.
    pub trade_loss_max: Money,
    /// Loss of a day, realised and unrealised, that stops entries.
    pub daily_loss_max: Money,
    /// Fall from the high-water mark that stops entries.
    pub drawdown_max: Money,
    /// Fall as a share of the high-water mark from which orders are smaller.
    pub drawdown_smaller: Rate,
    /// The same for less leverage.
    pub drawdown_less_leverage: Rate,
    /// The same for no entries.
    pub drawdown_stop: Rate,
    /// Size of the smaller orders.
    pub drawdown_size: Rate,
    /// Share of the leverage cap that is left.
    pub drawdown_leverage: Rate,
    /// Losing trades in a row that stop entries.
    pub loss_streak_max: u64,
    /// Pause of an instrument after a stop.
    pub stop_cooldown_s: u64,
    /// Refused orders that stop entries.
    pub rejects: Frequency,
    /// Requests of unknown outcome that stop entries.
    pub errors: Frequency,
    /// A reply is slow from here on.
    pub slow_reply_ms: u64,
    /// Slow replies that stop entries.
    pub slow_replies: Frequency,
    /// Steps of the exchange's clock that stop entries.
    pub clock_steps: Frequency,
    /// Gaps in the market data that stop entries.
    pub feed_gaps: Frequency,
    /// Positions that differed from the exchange's that stop entries.
    pub mismatches: Frequency,
    /// Maintenance margin over margin balance that stops entries.
    pub margin_ratio_max: Rate,
    /// Hour, UTC, at which the day of the daily loss begins.
    pub day_starts_at_hour_utc: u64,
    /// Breakers that tell what they would do, and do nothing: a set of [`Breaker::bit`].
    pub dry_breakers: u32,
    /// Every limit of [`LIMITS`] as it is in force, by index.
    pub in_force: [InForce; LIMITS.len()],
}

/// A limit as it is in force: whole numbers as they are, decimals in 1e-8.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InForce {
    /// Its value.
    pub value: i64,
    /// The loosest value that it may have in this life of the process.
    pub ceiling: i64,
}

/// The values of all limits, by index.
struct Values(Vec<i64>);

impl Values {
    fn of(&self, key: &str) -> i64 {
        self.0[Limit::of(key).0]
    }

    fn money(&self, key: &str) -> Money {
        Money(self.of(key))
    }

    fn rate(&self, key: &str) -> Rate {
        Rate(self.of(key))
    }

    fn basis_points(&self, key: &str) -> Rate {
        Rate(self.of(key) / 10_000)
    }

    fn whole(&self, key: &str) -> u64 {
        self.of(key).unsigned_abs()
    }

    fn frequency(&self, count: &str, window: &str) -> Frequency {
        Frequency {
            count: self.whole(count),
            window_s: self.whole(window),
        }
    }
}

impl RiskSettings {
    pub(crate) fn check(
        mut section: Section<'_>,
        ceilings: &Ceilings,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let read = |limit: &Limit| {
            let before = problems.len();
            let value = limit.read(&mut section, problems);
            if let Err(allowed) = ceilings.allow(limit.key, value)
                && problems.len() == before
            {
                section.reject(limit.key, &allowed, problems);
            }
            value
        };
        let values = Values(LIMITS.iter().map(read).collect());
        let day = section.whole("day_starts_at_hour_utc", 0, (0, 23), problems);
        let dry = check_dry(&mut section, problems);
        let mut settings = Self::of(&values, day, dry);
        for (index, place) in settings.in_force.iter_mut().enumerate() {
            *place = InForce {
                value: values.0[index],
                ceiling: ceilings.loosest_at(index),
            };
        }
        let levels = [
            settings.drawdown_smaller,
            settings.drawdown_less_leverage,
            settings.drawdown_stop,
        ];
        if !levels.is_sorted() {
            let allowed = "at least drawdown_less_leverage_ratio, and that at least \
                           drawdown_smaller_ratio";
            section.reject("drawdown_stop_ratio", allowed, problems);
        }
        section.finish(problems);
        settings
    }

    fn of(values: &Values, day_starts_at_hour_utc: u64, dry_breakers: u32) -> Self {
        Self {
            order_notional_max: values.money("max_order_notional_usdt"),
            position_notional_max: values.money("max_position_notional_usdt"),
            exposure_share_max: values.rate("max_exposure_ratio"),
            gross_exposure_max: values.money("max_gross_exposure_usdt"),
            net_exposure_max: values.money("max_net_exposure_usdt"),
            leverage_max: values.rate("max_leverage_ratio"),
            free_margin_min: values.rate("min_free_margin_ratio"),
            liquidation_distance_min: values.rate("min_liquidation_distance_ratio"),
            open_orders_max: values.whole("max_open_orders"),
            open_orders_account_max: values.whole("max_open_orders_account"),
            orders_per_10s_max: values.whole("max_orders_per_10s"),
            orders_per_minute_max: values.whole("max_orders_per_minute"),
            reserved_share: values.rate("reserved_share_ratio"),
            collar: values.basis_points("price_collar_bps"),
            price_drift_max: values.basis_points("max_price_drift_bps_per_minute"),
            spread_max: values.basis_points("max_spread_bps"),
            event_age_max_ms: values.whole("max_event_age_ms"),
            clock_age_max_ms: values.whole("max_clock_age_ms"),
            clock_step_max_ms: values.whole("max_clock_step_ms"),
            repeated_executions: values
                .frequency("max_repeated_executions", "repeated_execution_window_s"),
            trade_loss_max: values.money("max_trade_loss_usdt"),
            daily_loss_max: values.money("daily_loss_usdt"),
            drawdown_max: values.money("drawdown_usdt"),
            drawdown_smaller: values.rate("drawdown_smaller_ratio"),
            drawdown_less_leverage: values.rate("drawdown_less_leverage_ratio"),
            drawdown_stop: values.rate("drawdown_stop_ratio"),
            drawdown_size: values.rate("drawdown_size_ratio"),
            drawdown_leverage: values.rate("drawdown_leverage_ratio"),
            loss_streak_max: values.whole("max_loss_streak"),
            stop_cooldown_s: values.whole("stop_cooldown_s"),
            rejects: values.frequency("max_rejects", "reject_window_s"),
            errors: values.frequency("max_errors", "error_window_s"),
            slow_reply_ms: values.whole("slow_reply_ms"),
            slow_replies: values.frequency("max_slow_replies", "slow_reply_window_s"),
            clock_steps: values.frequency("max_clock_steps", "clock_step_window_s"),
            feed_gaps: values.frequency("max_feed_gaps", "feed_gap_window_s"),
            mismatches: values.frequency("max_mismatches", "mismatch_window_s"),
            margin_ratio_max: values.rate("max_margin_ratio"),
            day_starts_at_hour_utc,
            dry_breakers,
            in_force: [InForce::default(); LIMITS.len()],
        }
    }
}

fn check_dry(section: &mut Section<'_>, problems: &mut Vec<Problem>) -> u32 {
    let words = section.texts("dry_breakers", problems);
    let mut dry = 0;
    for word in words {
        match Breaker::from_word(&word) {
            Some(breaker) => dry |= breaker.bit(),
            None => {
                let all: Vec<&str> = Breaker::ALL.iter().map(|one| one.as_str()).collect();
                let allowed = format!("a list of {}", all.join(", "));
                section.reject("dry_breakers", &allowed, problems);
                break;
            }
        }
    }
    dry
}

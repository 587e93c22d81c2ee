//! Risk: limits and breakers with their use, and which of them comes first.
//!
//! In: a view, the settings. Out: what is used of each, in its own unit. Never: a zero where nothing is
//! measured; such a limit says that it is none that can be told ahead.

use super::position_notional;
use crate::figure::FigureName;
use crate::view::View;
use market::{Breaker, Money};
use serde::Serialize;
use settings::{LIMITS, Looser, Settings, Unit};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A share of 1 in the ratios here.
const WHOLE: i64 = 100_000_000;

/// Trading state, limits, breakers, denials.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Risk {
    /// ACTIVE, REDUCING, HALTED, KILLED; null before the hot path has shown itself.
    pub trading_state: Option<&'static str>,
    /// Why.
    pub reason: Option<&'static str>,
    /// The kill latch is set.
    pub kill_latched: bool,
    /// Breakers that are latched.
    pub tripped: Vec<&'static str>,
    /// Every limit that is in force.
    pub limits: Vec<LimitUse>,
    /// Every breaker.
    pub breakers: Vec<BreakerUse>,
    /// Orders that risk refused, by code, over all starts of the ledger.
    pub denials: BTreeMap<String, u64>,
}

/// A limit and what is used of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct LimitUse {
    /// Key of the configuration.
    pub limit: String,
    /// `usdt`, `ratio`, `bps`, `count`, `ms`, `s`.
    pub unit: &'static str,
    /// What is allowed.
    pub value: String,
    /// The loosest value that it may have.
    pub ceiling: String,
    /// What is used now; null where that is not a level.
    pub used: Option<String>,
    /// What is left of it.
    pub left: Option<String>,
    /// Used of allowed, in 1e-8.
    pub used_e8: Option<i64>,
    /// Code of the denial, or the breaker, that it belongs to.
    pub guards: &'static str,
}

/// A breaker and how far it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct BreakerUse {
    /// Which.
    pub breaker: &'static str,
    /// It is latched.
    pub tripped: bool,
    /// It only tells what it would do.
    pub dry: bool,
    /// Key of its limit; null for one that acts on a single trade or strategy.
    pub limit: Option<String>,
    /// Unit of what follows.
    pub unit: Option<&'static str>,
    /// What it measures now; null where the hot path does not tell.
    pub measured: Option<String>,
    /// What trips it.
    pub trips_at: Option<String>,
    /// What is left until then.
    pub left: Option<String>,
    /// Measured of what trips it, in 1e-8.
    pub used_e8: Option<i64>,
}

/// What would stop trading, the nearest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct WhatWouldTrip {
    /// The nearest; null where nothing is used at all.
    pub first: Option<String>,
    /// Those with a level, the nearest first.
    pub distances: Vec<Distance>,
    /// Those without one: they look at a single order, message or trade when it comes.
    pub without_a_level: Vec<String>,
}

/// How far a limit or breaker is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Distance {
    /// Key of the limit, or the breaker.
    pub what: String,
    /// `limit` refuses single orders; `breaker` stops all entries.
    pub kind: &'static str,
    /// Unit of what follows.
    pub unit: &'static str,
    /// Used or measured now.
    pub used: String,
    /// What is allowed.
    pub allowed: String,
    /// What is left.
    pub left: String,
    /// Used of allowed, in 1e-8.
    pub used_e8: i64,
    /// It holds already.
    pub tripped: bool,
}

/// A breaker's limit among [`LIMITS`]; none for those that are about one trade or strategy.
const fn limit_of(breaker: Breaker) -> Option<&'static str> {
    Some(match breaker {
        Breaker::DailyLoss => "daily_loss_usdt",
        Breaker::Drawdown => "drawdown_usdt",
        Breaker::DrawdownLevel => "drawdown_stop_ratio",
        Breaker::LossStreak => "max_loss_streak",
        Breaker::RejectRate => "max_rejects",
        Breaker::ErrorRate => "max_errors",
        Breaker::Latency => "max_slow_replies",
        Breaker::ClockSkew => "max_clock_steps",
        Breaker::FeedGaps => "max_feed_gaps",
        Breaker::MismatchRate => "max_mismatches",
        Breaker::MarginRatio => "max_margin_ratio",
        Breaker::TradeLoss | Breaker::RepeatedExecution | Breaker::StopCooldown => return None,
    })
}

const fn unit_word(unit: Unit) -> &'static str {
    match unit {
        Unit::Usdt => "usdt",
        Unit::Ratio => "ratio",
        Unit::BasisPoints => "bps",
        Unit::Count => "count",
        Unit::Milliseconds => "ms",
        Unit::Seconds => "s",
    }
}

/// Of this view.
#[must_use]
pub fn risk(view: &View, settings: &Settings) -> Risk {
    let account = view.account.as_ref();
    let breakers = breakers(view, settings);
    let tripped = breakers.iter().filter(|one| one.tripped);
    Risk {
        trading_state: account.map(|page| page.trading_state.as_str()),
        reason: account.map(|page| page.reason.as_str()),
        kill_latched: view.segment.is_some_and(|segment| segment.kill_latched),
        tripped: tripped.map(|one| one.breaker).collect(),
        limits: limits(view, settings),
        breakers,
        denials: view.totals.denials.clone(),
    }
}

/// What would stop trading, the nearest first.
#[must_use]
pub fn what_would_trip(view: &View, settings: &Settings) -> WhatWouldTrip {
    let mut distances = Vec::new();
    let mut without_a_level = Vec::new();
    for one in limits(view, settings) {
        let told_with_its_breaker = Breaker::ALL
            .iter()
            .any(|breaker| breaker.as_str() == one.guards && limit_of(*breaker).is_some());
        match (one.used, one.left, one.used_e8) {
            (Some(used), Some(left), Some(used_e8)) => distances.push(Distance {
                what: one.limit,
                kind: "limit",
                unit: one.unit,
                used,
                allowed: one.value,
                left,
                used_e8,
                tripped: used_e8 >= WHOLE,
            }),
            _ if told_with_its_breaker => {}
            _ => without_a_level.push(one.limit),
        }
    }
    for one in breakers(view, settings) {
        let measured = (one.unit, one.measured, one.trips_at, one.left, one.used_e8);
        match measured {
            (Some(unit), Some(used), Some(allowed), Some(left), Some(used_e8)) => {
                distances.push(Distance {
                    what: one.breaker.to_string(),
                    kind: "breaker",
                    unit,
                    used,
                    allowed,
                    left,
                    used_e8,
                    tripped: one.tripped,
                });
            }
            _ => without_a_level.push(one.breaker.to_string()),
        }
    }
    distances.sort_by_key(|one| Reverse((one.tripped, one.used_e8)));
    let nearest = distances
        .first()
        .filter(|one| one.used_e8 > 0 || one.tripped);
    WhatWouldTrip {
        first: nearest.map(|one| one.what.clone()),
        distances,
        without_a_level,
    }
}

fn limits(view: &View, settings: &Settings) -> Vec<LimitUse> {
    let used = Use::of(view);
    let in_force = LIMITS.iter().zip(&settings.risk.in_force);
    let row = |(limit, one): (&settings::Limit, &settings::InForce)| {
        let level = used.of_limit(limit.key);
        LimitUse {
            limit: format!("risk.{}", limit.key),
            unit: unit_word(limit.unit),
            value: limit.text(one.value),
            ceiling: limit.text(one.ceiling),
            used: level.map(|level| limit.text(level)),
            left: level.map(|level| limit.text(one.value.saturating_sub(level).max(0))),
            used_e8: level.and_then(|level| part_of(level, one.value)),
            guards: limit.guards,
        }
    };
    debug_assert!(
        LIMITS
            .iter()
            .all(|one| { one.looser == Looser::Larger || used.of_limit(one.key).is_none() })
    );
    in_force.map(row).collect()
}

fn breakers(view: &View, settings: &Settings) -> Vec<BreakerUse> {
    let cell = |family: &str, breaker: Breaker| {
        let found = view.gauges.iter().find(|(name, _)| {
            FigureName::parse(name).is_some_and(|name| {
                name.family == family && name.label("breaker") == Some(breaker.as_str())
            })
        });
        found.map(|(_, value)| *value)
    };
    let row = |breaker: &Breaker| {
        let limit = limit_of(*breaker).map(settings::Limit::of);
        let allowed = limit.map(|(index, _)| settings.risk.in_force[index].value);
        let measured = cell("shown_breaker_measure", *breaker);
        let measured = measured.and_then(|value| i64::try_from(value).ok());
        // The margin ratio is judged when a reconciliation tells it, and not kept.
        let kept = *breaker != Breaker::MarginRatio;
        let measured = measured.filter(|_| limit.is_some() && kept);
        let text = |value: Option<i64>| {
            let (_, limit) = limit?;
            Some(limit.text(value?))
        };
        let left = allowed
            .zip(measured)
            .map(|(allowed, measured)| allowed.saturating_sub(measured).max(0));
        BreakerUse {
            breaker: breaker.as_str(),
            tripped: cell("breaker_tripped", *breaker).is_some_and(|value| value != 0),
            dry: settings.risk.dry_breakers & breaker.bit() != 0,
            limit: limit.map(|(_, limit)| format!("risk.{}", limit.key)),
            unit: limit.map(|(_, limit)| unit_word(limit.unit)),
            measured: text(measured),
            trips_at: text(allowed),
            left: text(left),
            used_e8: measured
                .zip(allowed)
                .and_then(|(part, of)| part_of(part, of)),
        }
    };
    Breaker::ALL.iter().map(row).collect()
}

/// In 1e-8; none of nothing.
fn part_of(part: i64, whole: i64) -> Option<i64> {
    if whole <= 0 {
        return None;
    }
    let parts = i128::from(part) * i128::from(WHOLE) / i128::from(whole);
    i64::try_from(parts).ok()
}

/// How much of the limits the account uses, by the pages. Open orders are counted, not priced.
struct Use {
    /// Of the largest position.
    notional: Money,
    gross: Money,
    net: Money,
    /// None before the account was shown, or without any.
    equity: Option<Money>,
    /// Of the instrument that has most.
    orders: u32,
    orders_account: Option<u32>,
    seen: bool,
}

impl Use {
    fn of(view: &View) -> Self {
        let mut used = Self {
            notional: Money::ZERO,
            gross: Money::ZERO,
            net: Money::ZERO,
            equity: None,
            orders: 0,
            orders_account: None,
            seen: !view.instruments.is_empty(),
        };
        for page in &view.instruments {
            let notional = position_notional(page);
            let size = Money(notional.0.saturating_abs());
            used.notional = used.notional.max(size);
            used.gross = Money(used.gross.0.saturating_add(size.0));
            used.net = Money(used.net.0.saturating_add(notional.0));
            used.orders = used.orders.max(page.orders_open);
        }
        if let Some(page) = &view.account {
            used.equity = Some(page.equity).filter(|equity| equity.0 > 0);
            used.orders_account = Some(page.orders_open);
        }
        used
    }

    /// None for what is no level, or before the hot path has shown itself.
    fn of_limit(&self, key: &str) -> Option<i64> {
        if !self.seen {
            return None;
        }
        let share = |of: Money| part_of(of.0, self.equity?.0);
        match key {
            "max_position_notional_usdt" => Some(self.notional.0),
            "max_exposure_ratio" => share(self.notional),
            "max_gross_exposure_usdt" => Some(self.gross.0),
            "max_net_exposure_usdt" => Some(self.net.0.saturating_abs()),
            "max_leverage_ratio" => share(self.gross),
            "max_open_orders" => Some(i64::from(self.orders)),
            "max_open_orders_account" => self.orders_account.map(i64::from),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::tests::{instrument_page, view};
    use market::Quantity;

    fn settings() -> Settings {
        let text = "[[instrument]]\nsymbol = \"BTCUSDT\"\n[[strategy]]\nkind = \"dummy\"\n\
            [risk]\nmax_position_notional_usdt = 1000\nmax_gross_exposure_usdt = 2000\n\
            max_net_exposure_usdt = 4000\nmax_exposure_ratio = 0.5\nmax_order_notional_usdt = 500\n\
            daily_loss_usdt = 100\ndrawdown_usdt = 200\n";
        Settings::check("test", text).unwrap()
    }

    /// 28,145.1 USDT of a position of 0.02 are 562.902 USDT.
    fn with_position() -> View {
        let mut view = view();
        let mut page = instrument_page();
        page.position = Quantity(-20);
        page.orders_open = 2;
        view.instruments = vec![page];
        let cell = |family: &str, breaker: &str| format!("{family}{{breaker=\"{breaker}\"}}");
        for (name, value) in [
            (cell("shown_breaker_measure", "DAILY_LOSS"), 9_000_000_000),
            (cell("shown_breaker_measure", "DRAWDOWN"), 0),
            (cell("shown_breaker_measure", "MARGIN_RATIO"), 0),
            (cell("breaker_tripped", "LOSS_STREAK"), 1),
        ] {
            view.gauges.insert(name, value);
        }
        view
    }

    #[test]
    fn every_limit_is_told_with_its_use_in_its_own_unit() {
        let risk = risk(&with_position(), &settings());
        assert_eq!(risk.limits.len(), LIMITS.len());
        let of = |key: &str| {
            let key = format!("risk.{key}");
            let found = risk.limits.iter().find(|one| one.limit == key);
            let one = found.unwrap();
            (one.used.as_deref(), one.left.as_deref())
        };
        assert_eq!(
            of("max_position_notional_usdt"),
            (Some("562.902"), Some("437.098"))
        );
        assert_eq!(of("max_net_exposure_usdt").0, Some("562.902"));
        assert_eq!(of("max_exposure_ratio").0, Some("0.0562902"));
        assert_eq!(of("max_open_orders"), (Some("2"), Some("18")));
        assert_eq!(of("max_spread_bps"), (None, None));
        assert_eq!(risk.tripped, ["LOSS_STREAK"]);
    }

    #[test]
    fn what_trips_first_stands_first_and_what_has_no_level_says_so() {
        let told = what_would_trip(&with_position(), &settings());
        let order: Vec<&str> = told.distances.iter().map(|one| one.what.as_str()).collect();
        assert_eq!(
            order[..2],
            ["DAILY_LOSS", "risk.max_position_notional_usdt"]
        );
        assert_eq!(told.first.as_deref(), Some("DAILY_LOSS"));
        let nearest = &told.distances[0];
        assert_eq!(
            (nearest.used.as_str(), nearest.left.as_str(), nearest.unit),
            ("90", "10", "usdt")
        );
        let without = |what: &str| told.without_a_level.iter().any(|one| one == what);
        for what in [
            "risk.max_spread_bps",
            "MARGIN_RATIO",
            "TRADE_LOSS",
            "LOSS_STREAK",
        ] {
            assert!(without(what), "{what}: {:?}", told.without_a_level);
        }
        // What belongs to a breaker is not told twice.
        assert!(!without("risk.daily_loss_usdt") && !without("risk.max_rejects"));
        // Nothing is known before the hot path has shown itself.
        let nothing = what_would_trip(&View::default(), &settings());
        assert!(nothing.distances.is_empty() && nothing.first.is_none());
    }
}

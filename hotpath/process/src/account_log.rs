//! What reconciliation finds, as lines of the log.
//!
//! In: the rare records of the journal that an operator wants to read at once. Out: one line each.
//! Never: the pinned thread's work; it hands the records over, and the cold thread writes.

use market::record::{
    ConfiguredRecord, DifferenceFate, FirstStartFate, FirstStartRecord, Record, SetupReport,
    TradingStateChange,
};
use market::{
    Instrument, InstrumentId, InstrumentStatus, ListingFault, ListingReport, Quantity, StateReason,
    TradingState,
};

/// Records that wait for the cold thread; what finds no room is in the journal all the same.
pub const NOTES_MAX: usize = 256;

/// True for records that become a line.
#[must_use]
pub const fn is_note(record: &Record) -> bool {
    matches!(
        record,
        Record::Adopted(_)
            | Record::Reconciled(_)
            | Record::External(_)
            | Record::Difference(_)
            | Record::TradesRecovered(_)
            | Record::FirstStart(_)
            | Record::Setup(_)
            | Record::Listing(_)
            | Record::Opening(_)
            | Record::TradingState(_)
            | Record::Breaker(_)
            | Record::Configured(_)
    )
}

/// What a person who reads "refused" has to do.
pub const FIRST_START_ADVICE: &str = "this account has positions or orders and no earlier start \
     knows it: close them, or set hot_path.first_start to \"adopt\" (they are ours from now on) or \
     \"ignore\" (they are left to their owner), and restart";

/// What a person who reads SECOND_INSTANCE has to do.
pub const SECOND_INSTANCE_ADVICE: &str = "another process trades this account with our ids, from \
     another --state-dir or another machine: end one of them, then `fulcrum rearm`";

/// Writes the line of a record.
pub fn write(record: &Record, instruments: &[Instrument]) {
    let text = line(record, instruments);
    match record {
        Record::FirstStart(one) if one.fate == FirstStartFate::Refused => {
            tracing::error!("{text}");
        }
        Record::Difference(one) if one.fate == DifferenceFate::Open => tracing::error!("{text}"),
        Record::TradingState(one) if one.to != TradingState::Active => tracing::warn!("{text}"),
        Record::Breaker(_) => tracing::warn!("{text}"),
        Record::Difference(_) | Record::TradesRecovered(_) => tracing::warn!("{text}"),
        Record::Setup(one) if one.fault.is_some() => tracing::error!("{text}"),
        Record::Listing(one) if one.status != InstrumentStatus::Trading => {
            tracing::error!("{text}");
        }
        _ => tracing::info!("{text}"),
    }
}

fn line(record: &Record, instruments: &[Instrument]) -> String {
    let table = Names(instruments);
    match record {
        Record::Reconciled(one) => format!(
            "RECONCILED: {} own orders adopted, {} cancelled, {} of others, {} positions taken over",
            one.adopted, one.cancelled, one.foreign, one.position_differences
        ),
        Record::Configured(one) => configured(one),
        Record::Adopted(one) => format!(
            "own order {} on {} of an earlier life, {} of {} filled: {}",
            one.client_order_id,
            table.name(one.instrument),
            table.lots(one.instrument, one.cumulative_quantity),
            table.lots(one.instrument, one.quantity),
            if one.cancelled {
                "cancelled"
            } else {
                "adopted"
            }
        ),
        Record::External(one) => format!(
            "{} {}order {} ({}) on {}: {} {}, {}",
            if one.own { "OWN" } else { "EXTERNAL" },
            if one.conditional { "conditional " } else { "" },
            one.client_order_id,
            one.exchange_order_id.0,
            table.name(one.instrument),
            one.side,
            table.lots(one.instrument, one.quantity),
            if one.cancelled {
                "cancelled"
            } else {
                "left alone"
            }
        ),
        Record::Difference(one) => format!(
            "POSITION_MISMATCH {}: {} is {} with us and {} at the exchange",
            one.fate,
            table.name(one.instrument),
            table.lots(one.instrument, one.ours),
            table.lots(one.instrument, one.theirs)
        ),
        Record::TradesRecovered(one) => format!(
            "{} trades of {} were fetched that nobody had told, {} of them of other orders; the \
             last is {}",
            one.count,
            table.name(one.instrument),
            one.foreign,
            one.last.0
        ),
        Record::FirstStart(one) => first_start(one),
        Record::Setup(one) => setup(one, &table.name(one.instrument)),
        Record::Listing(one) => listing(one, &table.name(one.instrument)),
        Record::Opening(one) => format!(
            "{} of {} are not ours and stay with their owner",
            table.lots(one.instrument, one.quantity),
            table.name(one.instrument)
        ),
        Record::TradingState(one) => trading_state(one),
        Record::Breaker(one) => format!(
            "BREAKER {}{}{}: {} reached, {} allowed",
            one.breaker,
            one.instrument
                .map_or(String::new(), |id| format!(" on {}", table.name(id))),
            if one.dry { ", which only tells" } else { "" },
            one.value,
            one.limit
        ),
        other => format!("{other:?}"),
    }
}

fn configured(one: &ConfiguredRecord) -> String {
    let limits = match one.limits_changed {
        true => "changed",
        false => "as before",
    };
    format!(
        "CONFIG_CHANGED: version {} ({:016x}) is in force: limits {limits}, {} strategies otherwise \
         than before",
        one.version,
        one.config_hash,
        one.strategies_changed.count_ones()
    )
}

fn trading_state(one: &TradingStateChange) -> String {
    let advice = match one.reason {
        StateReason::SecondInstance => format!("; {SECOND_INSTANCE_ADVICE}"),
        _ => String::new(),
    };
    let (from, to, reason) = (one.from, one.to, one.reason);
    format!("TRADING_STATE {to} ({reason}), was {from}{advice}")
}

fn first_start(one: &FirstStartRecord) -> String {
    let advice = match one.fate {
        FirstStartFate::Refused => format!("; {FIRST_START_ADVICE}"),
        _ => String::new(),
    };
    format!(
        "FIRST_START {} on {}: {} positions, {} open orders{advice}",
        one.fate, one.market, one.positions, one.orders
    )
}

fn setup(one: &SetupReport, name: &str) -> String {
    let margin = if one.isolated { "isolated" } else { "cross" };
    let found = format!("{margin} margin, leverage {}", one.leverage);
    match one.fault {
        None => format!("{name}: {found}"),
        Some(fault) => format!(
            "INSTRUMENT_NOT_TRADABLE {name}: {fault} ({found}, code {}); no entries until it is \
             set right at the exchange or in [[instrument]]",
            one.error_code
        ),
    }
}

fn listing(one: &ListingReport, name: &str) -> String {
    match (one.fault, one.status) {
        (Some(ListingFault::GridChanged), _) => format!(
            "INSTRUMENT_NOT_TRADABLE {name}: its tick or lot has changed; its orders are cancelled, \
             nothing is opened, exits are tried in the old steps: restart to trade in the new ones"
        ),
        (Some(ListingFault::Gone), _) => format!(
            "INSTRUMENT_NOT_TRADABLE {name}: the exchange does not list it any more; its orders are \
             cancelled and nothing is opened"
        ),
        (None, InstrumentStatus::Trading) => {
            format!("{name} is traded, with the filters of now")
        }
        (None, status) => format!(
            "INSTRUMENT_NOT_TRADABLE {name}: {status} at the exchange; no entries until it is \
             TRADING again"
        ),
    }
}

struct Names<'a>(&'a [Instrument]);

impl Names<'_> {
    fn name(&self, id: InstrumentId) -> String {
        let found = self.0.get(usize::from(id.0));
        found.map_or_else(String::new, |one| format!("{} {}", one.market, one.symbol))
    }

    fn lots(&self, id: InstrumentId, quantity: Quantity) -> String {
        let Some(lot) = self.0.get(usize::from(id.0)).map(|one| one.lot) else {
            return quantity.0.to_string();
        };
        let mut buffer = [0; market::decimal::TEXT_MAX];
        let value = quantity.0.saturating_mul(lot.mantissa);
        let text = market::write_decimal(value, u32::from(lot.decimals), &mut buffer);
        String::from_utf8_lossy(text).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use market::record::{BreakerRecord, Difference};
    use market::{Breaker, Filters, InstrumentStatus, Market, Step, Symbol};

    #[test]
    fn a_line_says_what_was_found_and_what_to_do() {
        let table = [Instrument {
            id: InstrumentId(0),
            market: Market::UsdM,
            symbol: Symbol::new(b"BTCUSDT").unwrap(),
            tick: Step::from_text(b"0.10").unwrap(),
            lot: Step::from_text(b"0.001").unwrap(),
            price_decimals: 2,
            quantity_decimals: 3,
            status: InstrumentStatus::Trading,
            filters: Filters::NONE,
        }];
        let difference = Record::Difference(Difference {
            instrument: InstrumentId(0),
            fate: DifferenceFate::Open,
            ours: Quantity(-14),
            theirs: Quantity(0),
        });
        assert_eq!(
            line(&difference, &table),
            "POSITION_MISMATCH OPEN: usdm BTCUSDT is -0.014 with us and 0.000 at the exchange"
        );
        let refused = Record::FirstStart(FirstStartRecord {
            market: Market::UsdM,
            fate: FirstStartFate::Refused,
            positions: 1,
            orders: 2,
        });
        let text = line(&refused, &table);
        assert!(text.starts_with("FIRST_START REFUSED on usdm: 1 positions, 2 open orders"));
        assert!(text.contains("hot_path.first_start"), "{text}");
        let change = Record::TradingState(TradingStateChange {
            from: TradingState::Active,
            to: TradingState::Reducing,
            reason: StateReason::RejectRate,
        });
        assert_eq!(
            line(&change, &table),
            "TRADING_STATE REDUCING (REJECT_RATE), was ACTIVE"
        );
        let tripped = Record::Breaker(BreakerRecord {
            breaker: Breaker::StopCooldown,
            instrument: Some(InstrumentId(0)),
            strategy: None,
            value: 7,
            limit: 5,
            dry: true,
        });
        assert_eq!(
            line(&tripped, &table),
            "BREAKER STOP_COOLDOWN on usdm BTCUSDT, which only tells: 7 reached, 5 allowed"
        );
        for record in [refused, difference, change, tripped] {
            assert!(is_note(&record), "{record:?}");
        }
    }
}

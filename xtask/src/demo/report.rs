//! The one object that `cargo xtask demo --json` prints.
//!
//! In: figures of control and of the exchange. Out: JSON with a checked-in schema. Never: a zero
//! where nothing was measured; that is null.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Version of this object; grows when a field changes its meaning.
pub(crate) const SCHEMA_VERSION: u32 = 1;

/// The outcome of one demo.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Report {
    /// Version of this object.
    pub(crate) schema_version: u32,
    /// Engine steps.
    pub(crate) events: u64,
    /// Messages of market streams.
    pub(crate) market_messages: u64,
    /// Orders written to the exchange.
    pub(crate) orders_sent: u64,
    /// Executions of our orders.
    pub(crate) fills: u64,
    /// Orders and fills of each strategy, by its name.
    pub(crate) by_strategy: BTreeMap<String, StrategyFigures>,
    /// Orders that risk refused, by code.
    pub(crate) denials: BTreeMap<String, u64>,
    /// Looks without an order, by reason.
    pub(crate) non_actions: BTreeMap<String, u64>,
    /// Realised profit net of fees, USDT, exact decimal text.
    pub(crate) realized_pnl_usdt: String,
    /// Fees, USDT, positive = paid, exact decimal text.
    pub(crate) fees_usdt: String,
    /// Gaps after the first sync.
    pub(crate) book_gaps: u64,
    /// Resyncs after the first sync.
    pub(crate) book_resyncs: u64,
    /// Read of the market frame to return of the order's write.
    pub(crate) tick_to_order_ns: Percentiles,
    /// Write of the market frame to arrival of the order, at the exchange.
    pub(crate) wire_to_wire_ns: Percentiles,
    /// Allocations and frees after start.
    pub(crate) hot_allocations: Allocations,
    /// Records in the journal.
    pub(crate) journal_records: u64,
    /// Records missing in the journal.
    pub(crate) journal_holes: u64,
    /// Inputs missing in the input log.
    pub(crate) input_log_holes: u64,
    /// Orders of unknown fate.
    pub(crate) unknown_orders: Unknown,
    /// Our account beside the exchange's.
    pub(crate) exchange_agrees: Agreement,
    /// How it ended.
    pub(crate) end: End,
    /// Unplanned restarts of processes.
    pub(crate) restarts: u64,
    /// Seed of the exchange.
    pub(crate) seed: u64,
    /// Recordings, or none for the generated market.
    pub(crate) capture: Vec<String>,
    /// How bytes reached the engine.
    pub(crate) hot_io: String,
}

/// Figures of one strategy.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub(crate) struct StrategyFigures {
    /// Orders written to the exchange.
    pub(crate) orders_sent: u64,
    /// Executions.
    pub(crate) fills: u64,
}

/// A distribution in nanoseconds; null where nothing was counted.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Percentiles {
    /// Median.
    pub(crate) p50: Option<u64>,
    /// 99 of 100 are at most this.
    pub(crate) p99: Option<u64>,
    /// 999 of 1,000 are at most this.
    pub(crate) p999: Option<u64>,
    /// Largest.
    pub(crate) max: Option<u64>,
    /// How many.
    pub(crate) count: u64,
}

/// Allocations and frees on hot threads after start.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Allocations {
    /// On the engine thread; null where nothing counts them.
    pub(crate) engine: Option<u64>,
    /// In TLS records; null while sessions run on threads of their own.
    pub(crate) tls: Option<u64>,
}

/// Orders whose fate was or is unknown.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Unknown {
    /// Since the start.
    pub(crate) ever: u64,
    /// Now.
    pub(crate) at_end: u64,
}

/// True, or how the two accounts differ.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Same {
    /// They agree.
    Yes(bool),
    /// They do not.
    No {
        /// What we believe.
        ours: String,
        /// What the exchange says.
        exchange: String,
    },
}

/// Our account beside the exchange's.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Agreement {
    /// Orders that reached the exchange.
    pub(crate) orders: Same,
    /// Executions.
    pub(crate) fills: Same,
    /// Positions.
    pub(crate) position: Same,
    /// Fees.
    pub(crate) fees: Same,
}

/// How the demo ended.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct End {
    /// Signed position by symbol, base units.
    pub(crate) position: BTreeMap<String, String>,
    /// Open orders that we believe in.
    pub(crate) open_orders_ours: u64,
    /// Open orders of ours at the exchange.
    pub(crate) open_orders_exchange: u64,
    /// `time`, `interrupted`, or what failed.
    pub(crate) reason: String,
}

impl Same {
    /// Compares two figures.
    pub(crate) fn of<T: PartialEq + std::fmt::Display>(ours: &T, exchange: &T) -> Self {
        if ours == exchange {
            Self::Yes(true)
        } else {
            Self::No {
                ours: ours.to_string(),
                exchange: exchange.to_string(),
            }
        }
    }

    /// True when they agree.
    pub(crate) fn holds(&self) -> bool {
        matches!(self, Self::Yes(true))
    }
}

impl Agreement {
    /// True when everything agrees.
    pub(crate) fn holds(&self) -> bool {
        [&self.orders, &self.fills, &self.position, &self.fees]
            .into_iter()
            .all(Same::holds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checked_in_schema_is_the_reports() {
        let schema = schemars::schema_for!(Report);
        let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        let path = crate::process::root().join("docs/demo.schema.json");
        if std::env::var_os("FULCRUM_BLESS").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let checked_in = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(
            checked_in, text,
            "run the tests with FULCRUM_BLESS=1 and read the difference"
        );
    }
}

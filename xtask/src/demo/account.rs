//! What control and the exchange say, over loopback HTTP.
//!
//! In: their addresses. Out: typed figures, or a sentence that names the address. Never: a figure
//! of one side taken from the other.

use super::report::{Allocations, Percentiles, StrategyFigures, Unknown};
use crate::process::Failure;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Longest wait for one answer.
const ANSWER_PATIENCE: Duration = Duration::from_secs(10);

/// Our side, as control tells it.
#[derive(Debug, Deserialize)]
pub(crate) struct Stats {
    /// True once everything that a stopped hot path wrote is in the ledger.
    drained: bool,
    pub(crate) events: u64,
    pub(crate) market_messages: u64,
    pub(crate) orders_sent: u64,
    /// Orders that the exchange confirmed to have existed.
    pub(crate) orders_accepted: u64,
    pub(crate) fills: u64,
    pub(crate) by_strategy: BTreeMap<String, StrategyFigures>,
    pub(crate) denials: BTreeMap<String, u64>,
    pub(crate) non_actions: BTreeMap<String, u64>,
    pub(crate) realized_pnl_usdt: String,
    pub(crate) fees_usdt: String,
    pub(crate) book_gaps: u64,
    pub(crate) book_resyncs: u64,
    pub(crate) tick_to_order_ns: Percentiles,
    pub(crate) hot_allocations: Allocations,
    pub(crate) journal_records: u64,
    pub(crate) journal_holes: u64,
    pub(crate) input_log_holes: u64,
    pub(crate) unknown_orders: Unknown,
    /// Signed position by symbol, base units.
    pub(crate) position: BTreeMap<String, String>,
    pub(crate) open_orders: u64,
    pub(crate) hot_io: String,
}

/// The exchange's side.
#[derive(Debug, Deserialize)]
pub(crate) struct ExchangeAccount {
    /// Orders that ever existed.
    pub(crate) orders: u64,
    pub(crate) fills: u64,
    /// Fees in the quote asset; on spot those in base assets are valued in it.
    #[serde(rename = "fees_total_usdt")]
    pub(crate) fees_usdt: String,
    pub(crate) open_orders: Vec<Value>,
    positions: Vec<ExchangePosition>,
}

/// One position of the exchange's side.
#[derive(Debug, Deserialize)]
struct ExchangePosition {
    symbol: String,
    /// Signed, base units.
    quantity: String,
}

impl ExchangeAccount {
    /// Signed position by symbol, base units.
    pub(crate) fn position(&self) -> BTreeMap<String, String> {
        let held = self.positions.iter();
        held.map(|one| (one.symbol.clone(), one.quantity.clone()))
            .collect()
    }
}

impl Stats {
    /// Asks until control has drained what the stopped hot path left.
    pub(crate) fn drained(api: &str, patience: Duration) -> Result<Self, Failure> {
        let deadline = Instant::now() + patience;
        loop {
            let stats: Self = get(&format!("{api}/api/v1/engine/stats"))?;
            if stats.drained {
                return Ok(stats);
            }
            if Instant::now() > deadline {
                return Err(Failure::Said(
                    "control did not drain the journal in time".to_string(),
                ));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// True once control says that the whole path is ready.
pub(crate) fn is_ready(api: &str) -> bool {
    agent().get(format!("{api}/health/ready")).call().is_ok()
}

/// Symbols that the exchange lists.
pub(crate) fn symbols(base: &str) -> Result<Vec<String>, Failure> {
    let page: Value = get(&format!("{base}/exchangeInfo"))?;
    let listed = page["symbols"].as_array().into_iter().flatten();
    let symbols: Vec<String> = listed
        .filter_map(|one| one["symbol"].as_str().map(str::to_string))
        .collect();
    if symbols.is_empty() {
        return Err(Failure::Said(
            "the exchange lists no symbol of this market".to_string(),
        ));
    }
    Ok(symbols)
}

/// The exchange's own account of us.
pub(crate) fn of_exchange(sim: &str, market: &str) -> Result<ExchangeAccount, Failure> {
    get(&format!("{sim}/sim/v1/account?market={market}"))
}

/// Every order that was sent, a page at a time.
fn intents(api: &str) -> Result<Vec<Value>, Failure> {
    let mut all: Vec<Value> = Vec::new();
    loop {
        let after = all.last().map_or(String::new(), |last| {
            format!("&after={}-{}", last["generation"], last["sequence"])
        });
        let page: Vec<Value> = get(&format!("{api}/api/v1/engine/intents?limit=10000{after}"))?;
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page);
    }
}

/// Asks the exchange how long our orders took from the frame that triggered each.
pub(crate) fn wire_to_wire(api: &str, sim: &str) -> Result<Percentiles, Failure> {
    let intents = intents(api)?;
    let frames = ["depth", "bookTicker", "trade", "aggTrade"];
    let pairs: Vec<Value> = intents
        .iter()
        .filter(|one| frames.contains(&one["trigger_kind"].as_str().unwrap_or_default()))
        .map(|one| {
            json!({
                "client_order_id": one["client_order_id"],
                "stream": one["trigger_kind"],
                "symbol": one["symbol"],
                "market": one["market"],
                "id": one["trigger_id"],
            })
        })
        .collect();
    let url = format!("{sim}/sim/v1/wire-to-wire");
    let answer = agent().post(&url).send_json(&pairs);
    read(&url, answer)
}

fn get<T: DeserializeOwned>(url: &str) -> Result<T, Failure> {
    read(url, agent().get(url).call())
}

fn read<T: DeserializeOwned>(
    url: &str,
    answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
) -> Result<T, Failure> {
    answer
        .and_then(|mut answer| answer.body_mut().with_config().limit(64 << 20).read_json())
        .map_err(|error| Failure::Said(format!("{url}: {error}")))
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .timeout_global(Some(ANSWER_PATIENCE))
        .build()
        .into()
}

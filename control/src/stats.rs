//! The figures of a run as one JSON object, summed over all generations of the state directory.
//!
//! In: a picture, the settings. Out: what `/api/v1/engine/stats` answers. Never: a zero where
//! nothing was measured; that is null.

use crate::break_even;
use crate::decimal;
use crate::drain::monotonic_ns;
use crate::figure::FigureName;
use crate::latency::{self, LatencyFigures, Percentiles};
use crate::ledger::{NOT_OURS, StrategyTotals, sums_by_label};
use crate::paper::PaperView;
use crate::view::{View, state_word};
use market::BookState;
use market::event::Level;
use market::page::InstrumentPage;
use serde::Serialize;
use settings::{HotIo, Settings};
use std::collections::BTreeMap;

/// Connections that carry no market data.
const NOT_MARKET_STREAMS: [&str; 3] = ["user", "orders", "private"];

/// The answer.
#[derive(Debug, Serialize)]
pub struct Stats {
    /// Account name.
    pub account: String,
    /// `paper`, `testnet` or `live`.
    pub mode: String,
    /// Start of the hot path that is attached; null before the first.
    pub generation: Option<u64>,
    /// `starting`, `running`, `stopped` or `unknown`; null before the first.
    pub segment_state: Option<&'static str>,
    /// True once everything that a stopped hot path wrote is in the ledger.
    pub drained: bool,
    /// Trading state; null before the first page.
    pub trading_state: Option<&'static str>,
    /// Engine steps.
    pub events: u64,
    /// Messages of market streams.
    pub market_messages: u64,
    /// Orders that passed risk, each sent once.
    pub orders_sent: u64,
    /// Orders that the exchange confirmed to have existed.
    pub orders_accepted: u64,
    /// Executions.
    pub fills: u64,
    /// By name of the strategy; `foreign` for fills of orders that are not ours.
    pub by_strategy: BTreeMap<String, StrategyFigures>,
    /// Refused orders by code.
    pub denials: BTreeMap<String, u64>,
    /// Looks without an order, by reason.
    pub non_actions: BTreeMap<String, u64>,
    /// Realised profit net of fees.
    pub realized_pnl_usdt: String,
    /// Unrealised profit now; null before the first page.
    pub unrealized_pnl_usdt: Option<String>,
    /// Fees, positive = paid.
    pub fees_usdt: String,
    /// Gaps after the first sync.
    pub book_gaps: u64,
    /// Resyncs after the first sync.
    pub book_resyncs: u64,
    /// Read of the market frame to return of the order's write.
    pub tick_to_order_ns: Percentiles,
    /// By stream and stage, and the slowest orders.
    pub latency: LatencyFigures,
    /// Allocations on hot threads after start.
    pub hot_allocations: Allocations,
    /// Records in the ledger.
    pub journal_records: u64,
    /// Records missing in the journal.
    pub journal_holes: u64,
    /// Records that this build could not read; kept raw.
    pub journal_unread: u64,
    /// Inputs in the input log.
    pub input_log_records: u64,
    /// Inputs missing in the input log.
    pub input_log_holes: u64,
    /// Orders of unknown fate.
    pub unknown_orders: Unknown,
    /// Signed position by symbol, base units.
    pub position: BTreeMap<String, String>,
    /// One an instrument.
    pub instruments: Vec<InstrumentFigures>,
    /// Open orders that we believe in.
    pub open_orders: u64,
    /// Broken invariants by their number.
    pub invariant_violations: BTreeMap<&'static str, u64>,
    /// How bytes reach the engine.
    pub hot_io: &'static str,
    /// The paper venue; null where somebody else starts it.
    pub paper_venue: Option<PaperView>,
}

/// What the hot path shows of one instrument.
#[derive(Debug, Serialize)]
pub struct InstrumentFigures {
    /// `usdm` or `spot`.
    pub market: &'static str,
    /// Symbol.
    pub symbol: String,
    /// State of its book.
    pub book: &'static str,
    /// Age of the book's newest change; null before the first.
    pub book_age_ms: Option<u64>,
    /// Best bid; null without one.
    pub bid: Option<String>,
    /// Its quantity.
    pub bid_quantity: Option<String>,
    /// Best ask; null without one.
    pub ask: Option<String>,
    /// Its quantity.
    pub ask_quantity: Option<String>,
    /// Bid over ask quantity of the top levels; null while it is not valid.
    pub imbalance: Option<String>,
    /// Fills since the start.
    pub fills: u64,
}

/// What one strategy did.
#[derive(Debug, Default, Serialize)]
pub struct StrategyFigures {
    /// Orders sent.
    pub orders_sent: u64,
    /// Executions.
    pub fills: u64,
    /// Finished trades.
    pub trades: u64,
    /// Finished trades that won after fees.
    pub trades_won: u64,
    /// Realised profit net of fees.
    pub realized_pnl_usdt: String,
    /// Fees, positive = paid.
    pub fees_usdt: String,
    /// Win rate that pays for losses and fees; null without target and stop.
    pub break_even_win_ratio: Option<String>,
    /// Win rate reached; null without a finished trade.
    pub win_ratio: Option<String>,
}

/// Allocations and frees on hot threads after start; null where nothing counts them.
#[derive(Debug, Serialize)]
pub struct Allocations {
    /// On the engine thread.
    pub engine: Option<u64>,
    /// In TLS records.
    pub tls: Option<u64>,
}

/// Orders whose fate was or is unknown.
#[derive(Debug, Serialize)]
pub struct Unknown {
    /// Since the start.
    pub ever: u64,
    /// Now.
    pub at_end: u64,
}

/// Puts the answer together.
#[must_use]
pub fn stats(view: &View, settings: &Settings) -> Stats {
    let totals = &view.totals;
    let segment = view.segment;
    let account = view.account;
    Stats {
        account: settings.account.clone(),
        mode: settings.mode.word().to_string(),
        generation: segment.map(|one| one.generation),
        segment_state: segment.map(|one| state_word(one.state)),
        drained: segment.is_some_and(|one| one.drained),
        trading_state: account.map(|page| page.trading_state.as_str()),
        events: view.family_sum("shown_events_total"),
        market_messages: market_messages(view),
        orders_sent: totals.orders(),
        orders_accepted: totals.confirmed,
        fills: totals.fills(),
        by_strategy: by_strategy(view, settings),
        denials: totals.denials.clone(),
        non_actions: non_zero(sums_by_label(&view.figures, "non_actions_total", "reason")),
        realized_pnl_usdt: decimal::money(totals.realized() - totals.fees()),
        unrealized_pnl_usdt: account.map(|page| decimal::money(page.unrealized)),
        fees_usdt: decimal::money(totals.fees()),
        book_gaps: view.family_sum("shown_book_gaps_total"),
        book_resyncs: view.family_sum("shown_book_resyncs_total"),
        tick_to_order_ns: Percentiles::of(latency::from_read(view).as_ref()),
        latency: latency::figures(view),
        hot_allocations: Allocations {
            engine: allocations(view, "engine"),
            tls: allocations(view, "tls"),
        },
        journal_records: totals.records,
        journal_holes: journal_holes(view),
        journal_unread: totals.unread,
        input_log_records: view.family_sum("input_log_frames_total"),
        input_log_holes: view.family_sum("input_log_holes_total"),
        unknown_orders: Unknown {
            ever: totals
                .unknown_ever
                .max(view.family_sum("shown_unknown_total")),
            at_end: account.map_or(0, |page| u64::from(page.unknown_now)),
        },
        position: view
            .instruments
            .iter()
            .map(|page| {
                (
                    page.symbol.to_string(),
                    decimal::steps(page.lot, page.position.0),
                )
            })
            .collect(),
        instruments: view.instruments.iter().map(instrument).collect(),
        open_orders: account.map_or(0, |page| u64::from(page.orders_open)),
        invariant_violations: violations(view),
        hot_io: match settings.hot_path.hot_io {
            HotIo::Inline => "inline",
            HotIo::Threads => "threads",
        },
        paper_venue: None,
    }
}

fn instrument(page: &InstrumentPage) -> InstrumentFigures {
    let usable = page.book_state == BookState::Synced;
    let level = |level: Level| (usable && level.quantity.0 > 0).then_some(level);
    let price = |one: Level| decimal::steps(page.tick, one.price.0);
    let quantity = |one: Level| decimal::steps(page.lot, one.quantity.0);
    let (bid, ask) = (level(page.bid), level(page.ask));
    let age_ns = monotonic_ns().saturating_sub(page.book_time.0);
    InstrumentFigures {
        market: page.market.as_str(),
        symbol: page.symbol.to_string(),
        book: page.book_state.as_str(),
        book_age_ms: (page.book_time.0 > 0).then_some(age_ns / 1_000_000),
        bid: bid.map(price),
        bid_quantity: bid.map(quantity),
        ask: ask.map(price),
        ask_quantity: ask.map(quantity),
        imbalance: (usable && page.imbalance_ratio.is_finite())
            .then(|| format!("{:.3}", page.imbalance_ratio)),
        fills: page.fills,
    }
}

/// Records missing in the ledger: jumps in the sequence, and what was given up behind the last one.
#[must_use]
pub fn journal_holes(view: &View) -> u64 {
    view.totals.holes + view.family_sum("shown_journal_tail_total")
}

/// Invariants that the ledger watches, by number.
#[must_use]
pub fn violations(view: &View) -> BTreeMap<&'static str, u64> {
    let totals = &view.totals;
    BTreeMap::from([
        ("I2", totals.order_id_reuses),
        ("I6", totals.fill_duplicates),
        ("I11", totals.position_mismatches),
        ("I26", journal_holes(view)),
    ])
}

/// Name of a strategy by its index.
#[must_use]
pub fn strategy_name(settings: &Settings, index: u8) -> String {
    match settings.strategies.get(usize::from(index)) {
        Some(strategy) => strategy.name.clone(),
        None if index == NOT_OURS => "foreign".to_string(),
        None => format!("strategy-{index}"),
    }
}

fn by_strategy(view: &View, settings: &Settings) -> BTreeMap<String, StrategyFigures> {
    let configured = 0..u8::try_from(settings.strategies.len()).unwrap_or(NOT_OURS);
    let seen = view.totals.by_strategy.keys().copied();
    let none = StrategyTotals::default();
    configured
        .chain(seen)
        .map(|index| {
            let totals = view.totals.by_strategy.get(&index).unwrap_or(&none);
            let break_even = settings
                .strategies
                .get(usize::from(index))
                .and_then(|strategy| break_even::win_rate(strategy, &settings.fees));
            let figures = StrategyFigures {
                orders_sent: totals.orders,
                fills: totals.fills,
                trades: totals.trades,
                trades_won: totals.trades_won,
                realized_pnl_usdt: decimal::money(totals.realized - totals.fees),
                fees_usdt: decimal::money(totals.fees),
                break_even_win_ratio: break_even.map(|rate| decimal::text(rate.0, 8)),
                win_ratio: win_ratio(totals).map(|rate| decimal::text(rate.0, 8)),
            };
            (strategy_name(settings, index), figures)
        })
        .collect()
}

/// Share of finished trades that won after fees; none without one.
#[must_use]
pub fn win_ratio(totals: &StrategyTotals) -> Option<market::Rate> {
    let trades = i64::try_from(totals.trades)
        .ok()
        .filter(|trades| *trades > 0)?;
    let won = i64::try_from(totals.trades_won).ok()?;
    Some(break_even::share(won, trades))
}

fn market_messages(view: &View) -> u64 {
    sums_by_label(&view.figures, "ws_messages_total", "stream")
        .into_iter()
        .filter(|(stream, _)| !NOT_MARKET_STREAMS.contains(&stream.as_str()))
        .map(|(_, count)| count)
        .sum()
}

/// Sum of the cells of `hot_allocations_total` with `place` as a label's value; a cell without
/// labels belongs to the engine.
fn allocations(view: &View, place: &str) -> Option<u64> {
    let cells = view.figures.iter().filter_map(|(name, value)| {
        let name = FigureName::parse(name).filter(|one| one.family == "hot_allocations_total")?;
        let unlabelled = name.labels.is_empty() && place == "engine";
        let named = name.labels.iter().any(|(_, found)| found == place);
        (unlabelled || named).then_some(*value)
    });
    cells.fold(None, |sum, value| Some(sum.unwrap_or(0) + value))
}

fn non_zero(mut counts: BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    counts.retain(|_, count| *count > 0);
    counts
}

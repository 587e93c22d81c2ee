//! The engine with its keeping and sessions, as the product's process wires them.
//!
//! In: the book before the first frame. Out: parts for the pinned thread, far ends of its rings
//! for the cold side. Never: a part of the product that is replaced; only the segment's file and
//! the limits on messages are the bench's, which sends more than an account may.

use super::signals::SIGNAL_LEVELS;
use crate::input::Input;
use binance::session::{MarketRoute, MarketSession, OrderSession, OrderSessionSettings};
use binance::sign::{Credentials, Signer};
use engine::config::{StrategyConfig, StrategyParameters};
use engine::strategy::imbalance::{EntryStyle, ImbalanceParameters};
use engine::{Engine, EngineConfig, Input as EngineInput, Outbox};
use hotpath::engine_host::{EngineHost, HostParts, InputLogs, Pages};
use hotpath::latency::way_log::{WayLog, WayReader, way_log};
use hotpath::recorder::Recorder;
use hotpath::telemetry::{EngineCells, Telemetry};
use hotpath::tick_clock::TickClock;
use hotpath::wiring::host_cells;
use ipc::{JournalConsumer, Segment, SegmentLayout, heap_journal, heap_log};
use market::ids::Asset;
use market::{BalanceReport, Instrument, Instruments, Market, Money, UtcMs, UtcNs};
use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Slots of a log: a session's records between two looks of the cold side, many times over.
const LOG_SLOTS: usize = 1 << 16;

/// Slots of a log of ways.
pub(super) const WAY_SLOTS: usize = 1 << 12;

/// A quarter of the time between two frames. What the strategy would do between two frames, when its
/// pause after an order is over and the signal lasts, is no answer to a tick: the signal is too
/// old by then.
const STALE_AFTER_NS: u64 = 1_000_000;

/// Messages in a window: never reached.
const MESSAGES_MAX: u32 = 1_000_000;

/// Without a reply for this long a request is unresolved.
const REPLY_TIMEOUT_NS: u64 = 2_000_000_000;

/// Far ends of the logs.
pub(super) struct Logs {
    /// Every market event with its sequence.
    pub(super) market: JournalConsumer,
    /// Journal and kept inputs.
    pub(super) others: [JournalConsumer; 2],
    /// The way of every market event.
    pub(super) ways: WayReader,
}

pub(super) fn text(error: impl Display) -> String {
    error.to_string()
}

/// A segment whose file is gone already.
pub(super) fn segment() -> Result<Arc<Segment>, String> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    // Relaxed: only its uniqueness counts.
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let file = format!("fulcrum-bench-{}-{count}", std::process::id());
    let path = std::env::temp_dir().join(file);
    let layout = SegmentLayout {
        journal_slots: 1 << 10,
        input_log_slots: 1 << 10,
        market_log_slots: 1 << 10,
        ..SegmentLayout::default()
    };
    let segment = Segment::create(&path, &layout, 1, 1, 1).map_err(text)?;
    std::fs::remove_file(&path).map_err(text)?;
    Ok(Arc::new(segment))
}

/// The imbalance strategy as a taker that answers a signal again `retry_after_ns` after an order
/// that found nobody.
fn config(instrument: Instrument, retry_after_ns: u64) -> EngineConfig {
    let mut config = EngineConfig::new(vec![instrument]);
    config.strategies.push(StrategyConfig {
        name: "imbalance".to_string(),
        instruments: vec![instrument.id],
        parameters: StrategyParameters::Imbalance(ImbalanceParameters {
            entry: EntryStyle::Taker,
            retry_after_ns,
            cooldown_ns: 0,
            ..ImbalanceParameters::default()
        }),
    });
    config.signal.stale_after_ns = STALE_AFTER_NS;
    config.risk.orders_per_10s_max = MESSAGES_MAX;
    config.risk.orders_per_minute_max = MESSAGES_MAX;
    // The recorded times are of another day; how old an event is, is judged all the same. Whatever
    // the peer answers, the run goes on.
    config.risk.event_age_max_ns = u64::MAX;
    config.risk.clock_age_max_ns = u64::MAX;
    config.risk.clock_step_max_ns = u64::MAX;
    config.risk.rejects.window_ns = 0;
    config.risk.errors.window_ns = 0;
    config.risk.slow_replies.window_ns = 0;
    assert_eq!(
        config.signal.levels, SIGNAL_LEVELS,
        "the same signal for all"
    );
    config
}

/// The engine's host and the far ends of its logs.
pub(super) fn host(
    input: &Input,
    segment: &Arc<Segment>,
    clock: &TickClock,
    retry_after_ns: u64,
) -> Result<(EngineHost, Logs), String> {
    let config = config(input.instrument, retry_after_ns);
    let telemetry = Telemetry(segment);
    let names = ["imbalance".to_string()];
    let cells = EngineCells::new(telemetry, &config.instruments, &names).map_err(text)?;
    let (journal, journal_out) = heap_journal(LOG_SLOTS);
    let (kept, kept_out) = heap_journal(LOG_SLOTS);
    let (market, market_out) = heap_log(LOG_SLOTS);
    let (ways, ways_out) = ways(telemetry, "ways")?;
    let host = EngineHost::new(HostParts {
        outbox: Outbox::new(Recorder::new(journal, cells, 1).with_clock(clock.clone())),
        logs: InputLogs { kept, market },
        pages: Pages {
            instruments: vec![segment.instrument_page_writer(0).map_err(text)?],
            account: segment.account_page_writer().map_err(text)?,
        },
        cells: host_cells(telemetry).map_err(text)?,
        segment: Arc::clone(segment),
        checkpoints: Arc::default(),
        clock: clock.clone(),
        ways,
        remembered: None,
        engine: Engine::new(config),
    });
    let logs = Logs {
        market: market_out,
        others: [journal_out, kept_out],
        ways: ways_out,
    };
    Ok((host, logs))
}

/// The clock and an account with money: what the engine is told before it opens anything.
pub(super) fn account() -> [EngineInput<'static>; 4] {
    [
        EngineInput::Clock(UtcNs(1_700_000_000_000_000_000)),
        EngineInput::ReconcileBegin,
        EngineInput::Balance(BalanceReport {
            asset: Asset::new(b"USDT").expect("four ASCII bytes"),
            wallet: Money::from_whole(100_000),
            event_time: UtcMs(0),
        }),
        EngineInput::ReconcileEnd,
    ]
}

/// A log of ways, and its far end.
pub(super) fn ways(telemetry: Telemetry<'_>, name: &str) -> Result<(WayLog, WayReader), String> {
    Ok(way_log(
        WAY_SLOTS,
        telemetry.ring_dropped(name).map_err(text)?,
    ))
}

/// The session of the books.
pub(super) fn market_session(input: &Input) -> MarketSession {
    let table = [input.instrument];
    MarketSession::new(
        MarketRoute::Public,
        "wss://localhost",
        &Instruments(&table),
        100,
        1,
    )
}

/// What signs: each order, or a log-on after which none is.
pub(super) fn hmac() -> Signer {
    Signer::hmac(super::SECRET)
}

/// The session of the orders.
pub(super) fn order_session(signer: Signer) -> OrderSession {
    OrderSession::new(OrderSessionSettings {
        market: Market::UsdM,
        credentials: Credentials {
            api_key: "k".repeat(64),
            signer,
        },
        recv_window_ms: 1_000,
        reply_timeout_ns: REPLY_TIMEOUT_NS,
        seed: 1,
    })
}

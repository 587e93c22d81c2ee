//! What the practice is made of: the product's own parts around an invented instrument.
//!
//! In: a folder for a moment, a clock. Out: an engine, sessions and sockets that know nothing of
//! the real ones. Never: a part that is not the product's.

use super::super::desk::{Desk, OrderSlot};
use super::super::dialing::{Dialed, Dialing};
use super::super::market::{MarketFeed, MarketSlot};
use super::super::thread::Reading;
use super::super::wire::Wire;
use super::stage::Stage;
use crate::engine_host::{EngineHost, HostParts, InputLogs, Pages};
use crate::failure::Failure;
use crate::gateway::latency_cells::LatencyCells;
use crate::gateway::stream_cells::StreamCells;
use crate::hot_socket::{HotSocket, loopback_pair};
use crate::latency::way_log::{WayReader, way_log};
use crate::recorder::Recorder;
use crate::server_clock::ServerClock;
use crate::telemetry::{EngineCells, Telemetry};
use crate::tick_clock::TickClock;
use crate::wiring::host_cells;
use binance::session::{
    Feed, MarketRoute, MarketSession, OrderSession, OrderSessionSettings, SECOND_NS,
};
use binance::sign::{Credentials, Signer};
use engine::config::{StrategyConfig, StrategyParameters};
use engine::event::{SnapshotBegin, SnapshotLevels, StreamChange, StreamKind};
use engine::strategy::imbalance::{EntryStyle, ImbalanceParameters};
use engine::{Engine, EngineConfig, Input, Outbox};
use ipc::{Consumer, JournalConsumer, Segment, SegmentLayout, heap_journal, heap_log, heap_ring};
use market::ids::Asset;
use market::{
    BalanceReport, Filters, Instrument, InstrumentId, InstrumentStatus, Instruments, Level, Market,
    Money, Price, Quantity, Side, Step, Symbol, UpdateId, UtcMs,
};
use std::path::Path;
use std::sync::Arc;

/// Levels of each side of a practice difference: about what a busy market sends.
pub(super) const LEVELS: usize = 24;
/// Best prices.
pub(super) const BID_TICKS: i64 = 600_000;
pub(super) const ASK_TICKS: i64 = 600_001;
/// The snapshot's version.
pub(super) const FIRST_UPDATE_ID: u64 = 1_000;

const INSTRUMENT: InstrumentId = InstrumentId(0);
const SLOTS: usize = 1 << 10;
const LOG_SLOTS: usize = 1 << 12;
/// Messages in a window: never reached.
const MESSAGES_MAX: u32 = 1_000_000;
/// Largest message either way.
const MESSAGE_BYTES_MAX: usize = 8_192;

/// Every part of it.
pub(super) struct World {
    pub(super) host: EngineHost,
    pub(super) desk: Desk,
    pub(super) market: MarketFeed,
    pub(super) reading: Reading,
    pub(super) logs: [JournalConsumer; 3],
    pub(super) ways: WayReader,
    /// What the engine asks of its cold side.
    pub(super) requests: Consumer,
}

pub(super) fn build(folder: &Path, clock: &TickClock) -> Result<(World, Stage), Failure> {
    let instrument = instrument();
    let table: Arc<[Instrument]> = Arc::from([instrument]);
    let segment = segment(folder)?;
    let telemetry = Telemetry(&segment);
    let config = config(instrument);
    let names = [config.strategies[0].name.clone()];
    let cells = EngineCells::new(telemetry, &config.instruments, &names)?;
    let (journal, journal_out) = heap_journal(LOG_SLOTS);
    let (kept, kept_out) = heap_journal(LOG_SLOTS);
    let (market, market_out) = heap_log(LOG_SLOTS);
    let (ways, ways_out) = way_log(SLOTS, telemetry.ring_dropped("ways")?);
    // The way of an order is told to the same reader in the product; here nobody reads it.
    let (order_ways, _) = way_log(SLOTS, telemetry.ring_dropped("order_ways")?);
    let host = EngineHost::new(HostParts {
        engine: Engine::new(config),
        outbox: Outbox::new(Recorder::new(journal, cells, 0).with_clock(clock.clone())),
        logs: InputLogs { kept, market },
        pages: Pages {
            instruments: vec![segment.instrument_page_writer(0)?],
            account: segment.account_page_writer()?,
        },
        cells: host_cells(telemetry)?,
        segment: Arc::clone(&segment),
        checkpoints: Arc::default(),
        remembered: None,
        clock: clock.clone(),
        ways,
    });
    let (market_socket, market_far) = loopback_pair(MESSAGE_BYTES_MAX)?;
    let (order_socket, order_far) = loopback_pair(MESSAGE_BYTES_MAX)?;
    let dialing = Arc::new(Dialing::new(2));
    let stream = |name| StreamCells::new(telemetry, Market::UsdM, name);
    let wire = |place, name, socket: HotSocket| {
        let mut wire = Wire::new(place, &dialing, stream(name)?);
        wire.take(Dialed {
            place,
            attempt: 0,
            socket: Some(Box::new(socket)),
        });
        Ok::<Wire, Failure>(wire)
    };
    let slot = OrderSlot {
        market: Market::UsdM,
        session: order_session(),
        wire: wire(1, "orders", order_socket)?,
        latency: LatencyCells::new(telemetry, Market::UsdM, &table)?,
    };
    let (cold, requests) = heap_ring(SLOTS);
    let world = World {
        host,
        desk: Desk::new(
            vec![slot],
            cold,
            ServerClock::default(),
            Arc::clone(&table),
            order_ways,
        ),
        market: market_feed(&table, wire(0, "public", market_socket)?),
        reading: Reading::new(table),
        logs: [journal_out, kept_out, market_out],
        ways: ways_out,
        requests,
    };
    Ok((world, Stage::new(instrument, market_far, order_far)))
}

/// One route over one connection.
fn market_feed(table: &[Instrument], wire: Wire) -> MarketFeed {
    let route = MarketRoute::Public;
    let session = MarketSession::new(route, "ws://practice", &Instruments(table), 100, 0);
    MarketFeed {
        feed: Feed::new(route, 1, table.len()),
        slots: vec![MarketSlot::new(0, session, wire, None)],
    }
}

/// Streams up, reconciled, started, the book synced.
pub(super) fn open(
    host: &mut EngineHost,
    desk: &mut Desk,
    market: &mut MarketFeed,
    reading: &Reading,
) {
    let now = host.now();
    market.opened(0, now, host, desk);
    // Nothing came with the connection.
    market.turn(reading, host, desk);
    desk.dialed(0, reading, host.clock());
    desk.settle(host);
    let levels = |best: i64, step: i64| -> [Level; LEVELS] {
        std::array::from_fn(|index| Level {
            price: Price(best + step * i64::try_from(index).unwrap_or(0)),
            quantity: Quantity(50_000),
        })
    };
    let (bids, asks) = (levels(BID_TICKS, -1), levels(ASK_TICKS, 1));
    let run = |side, levels| {
        Input::SnapshotLevels(SnapshotLevels {
            instrument: INSTRUMENT,
            side,
            levels,
        })
    };
    let inputs = [
        Input::Stream(StreamChange {
            stream: StreamKind::User,
            market: Market::UsdM,
            up: true,
        }),
        Input::Clock(desk.clock.utc_at(now)),
        Input::SnapshotBegin(SnapshotBegin {
            instrument: INSTRUMENT,
            last_update_id: UpdateId(FIRST_UPDATE_ID),
            complete: true,
        }),
        run(Side::Buy, &bids),
        run(Side::Sell, &asks),
        Input::SnapshotEnd(INSTRUMENT),
    ];
    for input in inputs {
        host.take_at(now, input, desk);
    }
    reconcile(host, desk);
}

/// The account as the engine asks for it now and then: flat, nothing open.
pub(super) fn reconcile(host: &mut EngineHost, desk: &mut Desk) {
    let wallet = BalanceReport {
        asset: Asset::new(b"USDT").expect("four ASCII bytes"),
        wallet: Money::from_whole(1_000_000),
        event_time: UtcMs(0),
    };
    let told = [
        Input::ReconcileBegin,
        Input::Balance(wallet),
        Input::ReconcileEnd,
    ];
    for input in told {
        host.take_at(host.now(), input, desk);
    }
}

/// Steps and precisions of BTCUSDT.
fn instrument() -> Instrument {
    let step = |text: &[u8]| Step::from_text(text).expect("a step in our own words");
    Instrument {
        id: INSTRUMENT,
        market: Market::UsdM,
        symbol: Symbol::new(b"PRACTICE").expect("ASCII, short"),
        tick: step(b"0.10"),
        lot: step(b"0.001"),
        price_decimals: 2,
        quantity_decimals: 3,
        status: InstrumentStatus::Trading,
        filters: Filters::NONE,
    }
}

/// The imbalance strategy as a taker that answers every signal, with limits that no practice
/// reaches.
fn config(instrument: Instrument) -> EngineConfig {
    let mut config = EngineConfig::new(vec![instrument]);
    config.start_active = true;
    config.orders.client_id_prefix = "practice".to_string();
    config.orders.capacity = 64;
    config.book.window_ticks = 1 << 10;
    config.book.far_levels_max = 64;
    config.book.held_updates_max = 4;
    config.book.held_levels_max = 256;
    config.strategies.push(StrategyConfig {
        name: "practice".to_string(),
        instruments: vec![instrument.id],
        parameters: StrategyParameters::Imbalance(ImbalanceParameters {
            entry: EntryStyle::Taker,
            retry_after_ns: 0,
            cooldown_ns: 0,
            order_notional: Money::from_whole(100),
            ..ImbalanceParameters::default()
        }),
    });
    config.risk.orders_per_10s_max = MESSAGES_MAX;
    config.risk.orders_per_minute_max = MESSAGES_MAX;
    // Practice may pause for long, and nobody here minds refusals or slow answers.
    config.risk.event_age_max_ns = u64::MAX;
    config.risk.clock_age_max_ns = u64::MAX;
    config.risk.clock_step_max_ns = u64::MAX;
    for limit in [
        &mut config.risk.rejects,
        &mut config.risk.errors,
        &mut config.risk.slow_replies,
        &mut config.risk.feed_gaps,
        &mut config.risk.clock_steps,
    ] {
        limit.window_ns = 0;
    }
    config
}

fn order_session() -> OrderSession {
    OrderSession::new(OrderSessionSettings {
        market: Market::UsdM,
        credentials: Credentials {
            api_key: "p".repeat(64),
            // No key of anybody: what is signed goes no further than this process.
            signer: Signer::hmac(&[b'p'; 64]),
        },
        recv_window_ms: 1_000,
        reply_timeout_ns: 2 * SECOND_NS,
        seed: 0,
    })
}

/// Cells and pages in a file that is gone at once.
fn segment(folder: &Path) -> Result<Arc<Segment>, Failure> {
    let path = folder.join("practice");
    let layout = SegmentLayout {
        journal_slots: 4,
        input_log_slots: 4,
        market_log_slots: 4,
        command_slots: 4,
        instrument_pages: 1,
        ..SegmentLayout::default()
    };
    let segment = Segment::create(&path, &layout, 0, 0, 0)?;
    std::fs::remove_file(&path)?;
    Ok(Arc::new(segment))
}

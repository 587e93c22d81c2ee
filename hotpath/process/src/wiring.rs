//! Builds the parts of the process: gateways, cold shells, cells.
//!
//! In: a [`Start`] and the ends of rings. Out: parts that are ready to run on their threads.
//! Never: a thread.

use crate::engine_thread::{Gauges, Outlets};
use crate::failure::Failure;
use crate::gateway::cold::{ColdShell, RestCells};
use crate::gateway::inbox::Inbox;
use crate::gateway::latency_cells::LatencyCells;
use crate::gateway::market::{MarketConnection, MarketGateway};
use crate::gateway::order_thread::{OrderGateway, OrderMarket};
use crate::gateway::rest::RestClient;
use crate::gateway::stream_cells::StreamCells;
use crate::housekeeping::{KernelCells, Wishes};
use crate::recorder::Recorder;
use crate::server_clock::ServerClock;
use crate::startup::{Start, urls};
use crate::telemetry::{EngineCells, Telemetry};
use binance::session::{
    Governor, MarketRoute, MarketSession, OrderSession, OrderSessionSettings, Reconciler,
    SECOND_NS, ServerTime, SnapshotQueue, UserSession,
};
use ipc::{Consumer, Producer, RegisterError};
use market::{Instruments, Market};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use tokio::sync::Notify;

/// Slots of the rings: a burst of 4,000 depth messages; a reply to every order and more; two
/// whole spot snapshots; every order of a minute.
pub const MARKET_SLOTS: usize = 1 << 17;
/// Replies and private events.
pub const REPLY_SLOTS: usize = 1 << 14;
/// Snapshots and reconciliations.
pub const COLD_SLOTS: usize = 1 << 14;
/// Requests of the engine.
pub const ORDER_SLOTS: usize = 1 << 13;

/// Without a reply for this long a request is unresolved.
const REPLY_TIMEOUT_NS: u64 = 2 * SECOND_NS;

/// Machines with fewer cores than this share them among gateways and other processes.
const CORES_TO_SPARE: usize = 4;

/// Cells that the engine thread shows.
///
/// # Errors
/// [`RegisterError`].
pub fn gauges(telemetry: Telemetry<'_>) -> Result<Gauges, RegisterError> {
    Ok(Gauges {
        allocations: telemetry.counter("hot_allocations_total{stage=\"engine\"}")?,
        damaged_inputs: telemetry.counter("damaged_inputs_total")?,
        outbox_overflows: telemetry.counter("outbox_overflows_total")?,
        held_back: telemetry.counter("orders_held_back_total")?,
        busy_turns: telemetry.counter("engine_busy_turns_total")?,
        market: telemetry.ring("market", MARKET_SLOTS)?,
        replies: telemetry.ring("replies", REPLY_SLOTS)?,
        cold: telemetry.ring("cold", COLD_SLOTS)?,
        orders: telemetry.ring("orders", ORDER_SLOTS)?,
    })
}

/// Figures from the kernel.
///
/// # Errors
/// [`RegisterError`].
pub fn kernel_cells(telemetry: Telemetry<'_>) -> Result<KernelCells, RegisterError> {
    Ok(KernelCells {
        engine_switches: telemetry
            .counter("involuntary_context_switches_total{thread=\"engine\"}")?,
        minor_faults: telemetry.counter("page_faults_total{kind=\"minor\"}")?,
        major_faults: telemetry.counter("page_faults_total{kind=\"major\"}")?,
    })
}

/// The journal's writer.
///
/// # Errors
/// [`Failure`].
pub fn recorder(start: &Start, telemetry: Telemetry<'_>) -> Result<Recorder, Failure> {
    let names = start.settings.strategies.iter().map(|one| one.name.clone());
    let names: Vec<String> = names.collect();
    Ok(Recorder::new(
        start.segment.journal_producer()?,
        EngineCells::new(telemetry, &start.instruments, &names)?,
        start.settings.short_hash(),
    ))
}

/// The engine's rings and pages.
///
/// # Errors
/// [`Failure::Segment`].
pub fn outlets(start: &Start, orders: Producer, cold: Producer) -> Result<Outlets, Failure> {
    let segment = &start.segment;
    let pages = 0..start.instruments.len();
    let pages = pages.map(|index| segment.instrument_page_writer(index));
    Ok(Outlets {
        orders,
        cold,
        input_log: segment.input_log_producer()?,
        market_log: segment.market_log_producer()?,
        instrument_pages: pages.collect::<Result<_, _>>()?,
        account_page: segment.account_page_writer()?,
    })
}

/// The market gateway with a connection for each route.
///
/// # Errors
/// [`Failure`].
pub fn market_gateway(
    start: &Start,
    telemetry: Telemetry<'_>,
    ring: Producer,
) -> Result<MarketGateway, Failure> {
    let venue = &start.settings.venue;
    let mut connections = Vec::new();
    for market in start.markets() {
        let (_, stream_url, _) = urls(venue, market);
        for route in MarketRoute::of(market) {
            connections.push(MarketConnection {
                session: MarketSession::new(
                    *route,
                    stream_url,
                    &Instruments(&start.instruments),
                    venue.depth_interval_ms,
                    connections.len() as u64,
                ),
                cells: StreamCells::new(telemetry, market, route.as_str())?,
            });
        }
    }
    Ok(MarketGateway {
        connections,
        dialer: start.dialer.clone(),
        instruments: Arc::clone(&start.instruments),
        inbox: Inbox::new(ring, Some(telemetry.ring_dropped("market")?)),
    })
}

/// The order gateway with the sessions of each market.
///
/// # Errors
/// [`Failure`].
pub fn order_gateway(
    start: &Start,
    telemetry: Telemetry<'_>,
    replies: Producer,
    ring: Consumer,
    clock: &ServerClock,
) -> Result<OrderGateway, Failure> {
    let markets = start.markets().into_iter();
    let markets = markets.map(|market| order_market(start, telemetry, market));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Ok(OrderGateway {
        markets: markets.collect::<Result<_, _>>()?,
        inbox: Inbox::new(replies, None),
        ring,
        clock: clock.clone(),
        instruments: Arc::clone(&start.instruments),
        dialer: start.dialer.clone(),
        api_key: start.credentials.api_key.clone(),
        nap: cores < CORES_TO_SPARE,
    })
}

fn order_market(
    start: &Start,
    telemetry: Telemetry<'_>,
    market: Market,
) -> Result<OrderMarket, Failure> {
    let venue = &start.settings.venue;
    let (rest_url, stream_url, ws_api_url) = urls(venue, market);
    let user = match market {
        Market::UsdM => Some((
            UserSession::new(stream_url, 11),
            StreamCells::new(telemetry, market, "private")?,
        )),
        Market::Spot => None,
    };
    Ok(OrderMarket {
        market,
        session: OrderSession::new(OrderSessionSettings {
            market,
            credentials: start.credentials.clone(),
            recv_window_ms: u32::try_from(venue.recv_window_ms).unwrap_or(1_000),
            reply_timeout_ns: REPLY_TIMEOUT_NS,
            seed: 12,
        }),
        ws_api_url: ws_api_url.to_string(),
        rest_url: rest_url.to_string(),
        orders: StreamCells::new(telemetry, market, "orders")?,
        latency: LatencyCells::new(telemetry, market, &start.instruments)?,
        user,
    })
}

/// The cold path: a shell a market, how to reach them, and their ring.
pub struct ColdParts {
    /// One a market.
    pub shells: Vec<ColdShell>,
    /// How the engine's wishes reach them.
    pub wishes: Vec<Wishes>,
    /// The cold ring.
    pub inbox: Rc<RefCell<Inbox>>,
}

/// The cold path's parts; they stay on the calling thread.
///
/// # Errors
/// [`Failure`].
pub fn cold_parts(
    start: &Start,
    telemetry: Telemetry<'_>,
    ring: Producer,
    clock: &ServerClock,
) -> Result<ColdParts, Failure> {
    let inbox = Rc::new(RefCell::new(Inbox::new(ring, None)));
    let mut shells = Vec::new();
    let mut wishes = Vec::new();
    for (market, weight_limit) in &start.weight_limits {
        let (rest_url, ..) = urls(&start.settings.venue, *market);
        let key = &start.credentials.api_key;
        let shell = ColdShell {
            time: ServerTime::new(*market),
            snapshots: SnapshotQueue::new(*market, start.instruments.len(), 21),
            reconciler: Reconciler::new(*market, start.credentials.clone(), 22),
            governor: Governor::new(*weight_limit),
            rest: Rc::new(RestClient::new(start.dialer.clone(), rest_url, key)?),
            instruments: Arc::clone(&start.instruments),
            inbox: Rc::clone(&inbox),
            clock: clock.clone(),
            cells: RestCells::new(telemetry, *market)?,
            wake: Rc::new(Notify::new()),
            wishes: Rc::default(),
        };
        wishes.push((*market, Rc::clone(&shell.wishes), Rc::clone(&shell.wake)));
        shells.push(shell);
    }
    Ok(ColdParts {
        shells,
        wishes,
        inbox,
    })
}

//! Builds the parts of the process: gateways, cold shells, cells.
//!
//! In: a [`Start`] and the ends of rings. Out: parts that are ready to run on their threads.
//! Never: a thread.

use crate::engine_host::{CheckpointQueues, EngineHost, HostCells, HostParts, InputLogs, Pages};
use crate::engine_thread::Inlet;
use crate::failure::Failure;
use crate::gateway::cold::{ColdShell, RestCells};
use crate::gateway::inbox::Inbox;
use crate::gateway::latency_cells::LatencyCells;
use crate::gateway::market::{MarketConnection, MarketGateway};
use crate::gateway::order_thread::{OrderGateway, OrderMarket};
use crate::gateway::orders_over_rest::OrdersOverRestShell;
use crate::gateway::rest::RestClient;
use crate::gateway::stream_cells::{FeedCells, StreamCells};
use crate::housekeeping::{EVENTS_AHEAD, KernelCells, Wishes};
use crate::kill::desk::Desk;
use crate::kill::keeper::KillKeeper;
use crate::kill::wiring::emergency_shell;
use crate::latency::way_log::WayLog;
use crate::operator_socket::configure::Reload;
use crate::operator_socket::exchange_view::Lists;
use crate::operator_socket::milestones::Milestones;
use crate::operator_socket::verbs::Operator;
use crate::protection::wiring::protection_shell;
use crate::recorder::Recorder;
use crate::server_clock::ServerClock;
use crate::startup::{Start, urls};
use crate::telemetry::{EngineCells, Telemetry};
use crate::tick_clock::TickClock;
use binance::rest::MarginType;
use binance::session::{
    AccountSetup, Feed, Governor, Income, LeverageWish, Listings, MarketRoute, MarketSession,
    OrderSession, OrderSessionSettings, PRIVATE_CONNECTIONS, Reconciler, SECOND_NS, ServerTime,
    SetupWish, SnapshotQueue, UserSession,
};
use engine::{Engine, Outbox};
use ipc::{Consumer, Producer, RegisterError};
use market::{Breaker, Instruments, Market, MonoNs, VenueReport};
use settings::MarketDataSettings;
use std::cell::{Cell, RefCell};
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

/// Seeds of the reconnect jitter: each machine waits on its own.
pub const PRIVATE_SEED: u64 = 11;
const ORDERS_SEED: u64 = 12;

/// Without a reply for this long a request is unresolved.
const REPLY_TIMEOUT_NS: u64 = 2 * SECOND_NS;

/// Machines with fewer cores than this share them among gateways and other processes.
const CORES_TO_SPARE: usize = 4;

/// Cells that the engine's host shows.
///
/// # Errors
/// [`RegisterError`].
pub fn host_cells(telemetry: Telemetry<'_>) -> Result<HostCells, RegisterError> {
    Ok(HostCells {
        allocations: telemetry.counter("hot_allocations_total{stage=\"engine\"}")?,
        tls_allocations: telemetry.counter("hot_allocations_total{stage=\"tls\"}")?,
        damaged_inputs: telemetry.counter("damaged_inputs_total")?,
        outbox_overflows: telemetry.counter("outbox_overflows_total")?,
        held_back: telemetry.counter("orders_held_back_total")?,
        busy_turns: telemetry.counter("engine_busy_turns_total")?,
        breakers: Breaker::ALL
            .iter()
            .map(|one| telemetry.counter(&format!("breaker_tripped{{breaker=\"{one}\"}}")))
            .collect::<Result<_, _>>()?,
        measures: Breaker::ALL
            .iter()
            .map(|one| telemetry.counter(&format!("shown_breaker_measure{{breaker=\"{one}\"}}")))
            .collect::<Result<_, _>>()?,
        events_ahead: telemetry.counter(EVENTS_AHEAD)?,
        orders_external: Market::ALL
            .iter()
            .map(|one| telemetry.counter(&format!("orders_external{{market=\"{one}\"}}")))
            .collect::<Result<_, _>>()?,
        mismatches_open: telemetry.counter("reconcile_mismatches_open{kind=\"position\"}")?,
        fills_recovered: telemetry.counter("fills_recovered_total")?,
        fills_synthetic: telemetry.counter("fills_synthetic_total")?,
        clock_steps: telemetry.counter("server_clock_steps_total")?,
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
fn recorder(start: &Start, telemetry: Telemetry<'_>) -> Result<Recorder, Failure> {
    let names = start.settings.strategies.iter().map(|one| one.name.clone());
    let names: Vec<String> = names.collect();
    Ok(Recorder::new(
        start.segment.journal_producer()?,
        EngineCells::new(telemetry, &start.instruments, &names)?,
        start.settings.short_hash(),
    ))
}

/// The engine with its logs, journal and pages.
///
/// # Errors
/// [`Failure`].
pub fn host(
    start: &Start,
    engine: Engine,
    telemetry: Telemetry<'_>,
    checkpoints: &Arc<CheckpointQueues>,
    clock: &TickClock,
    ways: WayLog,
) -> Result<EngineHost, Failure> {
    let segment = &start.segment;
    let pages = 0..start.instruments.len();
    let pages = pages.map(|index| segment.instrument_page_writer(index));
    Ok(EngineHost::new(HostParts {
        engine,
        outbox: Outbox::new(
            recorder(start, telemetry)?
                .with_clock(clock.clone())
                .with_notes(Arc::clone(checkpoints)),
        ),
        logs: InputLogs {
            kept: segment.input_log_producer()?,
            market: segment.market_log_producer()?,
        },
        pages: Pages {
            instruments: pages.collect::<Result<_, _>>()?,
            account: segment.account_page_writer()?,
        },
        cells: host_cells(telemetry)?,
        segment: Arc::clone(segment),
        checkpoints: Arc::clone(checkpoints),
        remembered: start.remembered,
        clock: clock.clone(),
        ways,
    })
    .with_account(start.account_start)
    .with_version(start.version.clone()))
}

/// The reading end of a ring with its figures.
///
/// # Errors
/// [`RegisterError`].
pub fn inlet(
    telemetry: Telemetry<'_>,
    name: &str,
    slots: usize,
    ring: Consumer,
) -> Result<Inlet, RegisterError> {
    let cells = telemetry.ring(name, slots)?;
    Ok(Inlet { ring, cells })
}

/// The connections of a route before they run.
pub use crate::gateway::market::MarketParts;

/// Each route of a market with its connections, and one more that rests.
///
/// # Errors
/// [`RegisterError`].
pub fn market_parts(
    start: &Start,
    telemetry: Telemetry<'_>,
    market: Market,
) -> Result<Vec<MarketParts>, RegisterError> {
    let venue = &start.settings.venue;
    let (_, stream_url, _) = urls(venue, market);
    let wanted = usize::try_from(start.settings.market_data.connections).unwrap_or(1);
    let connection = |route: MarketRoute, number: usize| {
        let name = connection_name(route, number);
        let base = match number {
            0 => stream_url,
            _ => second_stream_url(&start.settings.market_data, market).unwrap_or(stream_url),
        };
        Ok(MarketConnection {
            session: MarketSession::relieved(
                route,
                base,
                &Instruments(&start.instruments),
                venue.depth_interval_ms,
                // Seeds of neighbours are replaced some minutes apart.
                route as u64 + 4 * number as u64,
            ),
            cells: StreamCells::new(telemetry, market, &name)?,
            brought: FeedCells::new(telemetry, market, &name)?,
        })
    };
    let part = |route: &MarketRoute| {
        Ok(MarketParts {
            feed: Feed::new(*route, wanted, start.instruments.len()),
            connections: (0..=wanted)
                .map(|number| connection(*route, number))
                .collect::<Result<_, _>>()?,
        })
    };
    MarketRoute::of(market).iter().map(part).collect()
}

/// A connection of a route, as labels and the log name it: the first one by its route alone.
#[must_use]
pub fn connection_name(route: MarketRoute, number: usize) -> String {
    match number {
        0 => route.as_str().to_string(),
        _ => format!("{}_{}", route.as_str(), number + 1),
    }
}

/// A connection of a private stream, as labels and the log name it.
#[must_use]
pub const fn private_name(number: usize) -> &'static str {
    match number {
        0 => "private",
        _ => "private_2",
    }
}

/// Where connections after the first of a market go.
fn second_stream_url(settings: &MarketDataSettings, market: Market) -> Option<&str> {
    match market {
        Market::UsdM => settings.usdm_second_stream_url.as_deref(),
        Market::Spot => settings.spot_second_stream_url.as_deref(),
    }
}

/// The market gateway with every connection.
///
/// # Errors
/// [`Failure`].
pub fn market_gateway(
    start: &Start,
    telemetry: Telemetry<'_>,
    ring: Producer,
) -> Result<MarketGateway, Failure> {
    let mut routes = Vec::new();
    for market in start.markets() {
        routes.append(&mut market_parts(start, telemetry, market)?);
    }
    Ok(MarketGateway {
        routes,
        dialer: start.dialer.clone(),
        instruments: Arc::clone(&start.instruments),
        inbox: Inbox::new(ring, telemetry.ring_dropped("market")?),
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
    ways: WayLog,
) -> Result<OrderGateway, Failure> {
    let markets = start.markets().into_iter();
    let markets = markets.map(|market| order_market(start, telemetry, market));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Ok(OrderGateway {
        markets: markets.collect::<Result<_, _>>()?,
        inbox: Inbox::new(replies, telemetry.ring_dropped("replies")?),
        ring,
        ways,
        clock: clock.clone(),
        instruments: Arc::clone(&start.instruments),
        dialer: start.dialer.clone(),
        api_key: start.credentials.api_key.clone(),
        nap: cores < CORES_TO_SPARE,
    })
}

/// An order connection before it runs.
pub struct OrderParts {
    /// Its machine.
    pub session: OrderSession,
    /// Where to connect.
    pub url: String,
    /// Cells of the connection.
    pub stream: StreamCells,
    /// Cells of the way of an order.
    pub latency: LatencyCells,
}

/// The order connection of a market.
///
/// # Errors
/// [`RegisterError`].
pub fn order_parts(
    start: &Start,
    telemetry: Telemetry<'_>,
    market: Market,
) -> Result<OrderParts, RegisterError> {
    let venue = &start.settings.venue;
    let (_, _, ws_api_url) = urls(venue, market);
    let silence = ws_api_url.parse().map(|uri| start.dialer.silence_of(&uri));
    let silence = silence.unwrap_or_default();
    Ok(OrderParts {
        session: OrderSession::new(OrderSessionSettings {
            market,
            credentials: start.credentials.clone(),
            recv_window_ms: u32::try_from(venue.recv_window_ms).unwrap_or(1_000),
            reply_timeout_ns: REPLY_TIMEOUT_NS,
            seed: ORDERS_SEED,
        })
        .with_silence(silence)
        .with_listing_doubt(start.listing_doubts[market as usize].clone()),
        url: ws_api_url.to_string(),
        stream: StreamCells::new(telemetry, market, "orders")?,
        latency: LatencyCells::new(telemetry, market, &start.instruments)?,
    })
}

fn order_market(
    start: &Start,
    telemetry: Telemetry<'_>,
    market: Market,
) -> Result<OrderMarket, Failure> {
    let (rest_url, stream_url, _) = urls(&start.settings.venue, market);
    let numbers = match market {
        Market::UsdM => 0..PRIVATE_CONNECTIONS,
        Market::Spot => 0..0,
    };
    let user = |number: usize| {
        Ok::<_, RegisterError>((
            UserSession::relieved(stream_url, PRIVATE_SEED + number as u64),
            StreamCells::new(telemetry, market, private_name(number))?,
        ))
    };
    let users = numbers.map(user).collect::<Result<_, _>>()?;
    let OrderParts {
        session,
        url,
        stream,
        latency,
    } = order_parts(start, telemetry, market)?;
    Ok(OrderMarket {
        market,
        session,
        ws_api_url: url,
        rest_url: rest_url.to_string(),
        orders: stream,
        latency,
        users,
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
    /// What shells, kill and operator leave for each other.
    pub desks: Vec<Rc<Desk>>,
}

/// What sets the futures account up; nothing on spot, which has neither modes nor leverage.
fn account_setup(start: &Start, market: Market) -> AccountSetup {
    let cap = u32::try_from(start.settings.risk.leverage_max.0 / market::units::ONE);
    let cap = cap.unwrap_or(u32::MAX).max(1);
    let table = start.instruments.iter().zip(&start.settings.setups);
    let wishes = table.filter(|(one, _)| one.market == market && market == Market::UsdM);
    let wishes = wishes.map(|(one, setup)| SetupWish {
        instrument: one.id,
        margin_type: match setup.margin_type {
            settings::MarginType::Leave => None,
            settings::MarginType::Crossed => Some(MarginType::Crossed),
            settings::MarginType::Isolated => Some(MarginType::Isolated),
        },
        leverage: setup
            .leverage
            .map_or(LeverageWish::AtMost(cap), LeverageWish::Exactly),
    });
    AccountSetup::new(wishes.collect(), start.credentials.clone(), 24)
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
    let inbox = Rc::new(RefCell::new(Inbox::new(
        ring,
        telemetry.ring_dropped("cold")?,
    )));
    let mut shells = Vec::new();
    let mut wishes = Vec::new();
    let mut desks = Vec::new();
    for (market, weight_limit) in &start.weight_limits {
        let (rest_url, ..) = urls(&start.settings.venue, *market);
        let key = &start.credentials.api_key;
        let wake = Rc::new(Notify::new());
        let part = (*market, *weight_limit);
        let emergency = emergency_shell(start, telemetry, part, &wake, clock)?;
        let rest = Rc::new(RestClient::new(start.dialer.clone(), rest_url, key)?);
        desks.push(Rc::clone(&emergency.desk));
        let shell = ColdShell {
            time: ServerTime::new(*market),
            snapshots: SnapshotQueue::new(*market, start.instruments.len(), 21),
            reconciler: Reconciler::new(*market, start.credentials.clone(), 22),
            setup: account_setup(start, *market),
            income: (*market == Market::UsdM)
                .then(|| Income::new(start.credentials.clone(), crate::clock::monotonic())),
            listings: Listings::new(
                *market,
                &Instruments(&start.instruments),
                start.listing_doubts[*market as usize].clone(),
                crate::clock::monotonic(),
            ),
            governor: Governor::new(*weight_limit).sharing(rest.silence()),
            emergency,
            orders: OrdersOverRestShell::new(telemetry, *market, start.credentials.clone())?,
            protection: protection_shell(start, telemetry, *market, clock)?,
            rest,
            instruments: Arc::clone(&start.instruments),
            inbox: Rc::clone(&inbox),
            clock: clock.clone(),
            cells: RestCells::new(telemetry, *market)?,
            wake,
            wishes: Rc::default(),
            venue: VenueReport {
                market: *market,
                silent_until: MonoNs(0),
                banned_until: MonoNs(0),
                maintenance: false,
            },
        };
        wishes.push((*market, Rc::clone(&shell.wishes), Rc::clone(&shell.wake)));
        shells.push(shell);
    }
    Ok(ColdParts {
        shells,
        wishes,
        inbox,
        desks,
    })
}

/// Who answers the operator, with the kill in his care.
#[must_use]
pub fn operator(start: &Start, cold: &ColdParts, clock: &ServerClock) -> Rc<Operator> {
    let (file, found) = start.latch.clone();
    let segment = Arc::clone(&start.segment);
    let keeper = KillKeeper::new(segment, file, found, cold.desks.clone(), clock.clone());
    Rc::new(Operator {
        settings: start.settings.clone(),
        reload: Reload::new(
            start.ceilings.clone(),
            start.configuration.clone(),
            start.version.version,
        ),
        account: start.account.clone(),
        segment: Arc::clone(&start.segment),
        instruments: Arc::clone(&start.instruments),
        inbox: Rc::clone(&cold.inbox),
        desks: cold.desks.clone(),
        keeper: Rc::new(RefCell::new(keeper)),
        started: crate::clock::monotonic(),
        challenge: RefCell::default(),
        lists: Lists::default(),
        ticket: Cell::new(0),
        milestones: Milestones::since(start.began),
        drill: Cell::new(0),
    })
}

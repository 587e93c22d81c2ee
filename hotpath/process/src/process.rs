//! The running process: threads and the rings between them.
//!
//! In: a [`Start`]. Out: exit after a stop that was carried out. Never: a thread whose death goes
//! unnoticed.
//!
//! ```text
//! market thread --market ring--> engine thread --order ring--> order thread
//! order thread  --reply ring---> engine thread --cold ring---> main thread (cold path)
//! main thread   --cold ring----> engine thread
//! ```

use crate::allocation;
use crate::engine_thread::{
    Behaviour, CheckpointQueues, EngineThread, Gauges, Inlets, Leftover, Outlets,
};
use crate::failure::Failure;
use crate::gateway::cold::{ColdShell, RestCells};
use crate::gateway::inbox::Inbox;
use crate::gateway::market::{MarketConnection, MarketGateway};
use crate::gateway::orders::{LatencyCells, OrderShell, keep, pump};
use crate::gateway::rest::RestClient;
use crate::gateway::stream_cells::StreamCells;
use crate::gateway::user::UserShell;
use crate::housekeeping::{Housekeeping, KernelCells, Wishes};
use crate::recorder::Recorder;
use crate::server_clock::ServerClock;
use crate::startup::{Options, Start, urls};
use crate::state_directory::write_durably;
use crate::telemetry::{EngineCells, Telemetry};
use binance::session::{
    Governor, MarketRoute, MarketSession, OrderSession, OrderSessionSettings, Reconciler,
    SECOND_NS, ServerTime, SnapshotQueue, UserSession,
};
use crossbeam::queue::ArrayQueue;
use ipc::{Consumer, HotpathState, Producer, RegisterError, Segment, heap_ring};
use market::{Instrument, Market, RequestKind};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread::{Builder, JoinHandle};
use tokio::runtime::Runtime;
use tokio::sync::Notify;
use tokio::task::LocalSet;

/// Slots of the rings: a burst of 4,000 full depth messages, a reply to every order and more,
/// two whole spot snapshots.
const MARKET_SLOTS: usize = 1 << 17;
const REPLY_SLOTS: usize = 1 << 14;
const COLD_SLOTS: usize = 1 << 14;
const ORDER_SLOTS: usize = 1 << 13;

/// Without a reply for this long a request is unresolved.
const REPLY_TIMEOUT_NS: u64 = 2 * SECOND_NS;

/// Room for a checkpoint beside the size of the first one: books and orders grow.
const CHECKPOINT_ROOM: usize = 16 << 20;

/// Machines with fewer cores than this share them among gateways and other processes.
const CORES_TO_SPARE: usize = 4;

/// One event loop on the calling thread.
///
/// # Errors
/// What the system says.
pub fn event_loop() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}

/// Starts, trades, stops.
///
/// # Errors
/// [`Failure`] with its exit code.
pub fn run(options: &Options) -> Result<(), Failure> {
    let runtime = event_loop()?;
    let start = Start::new(options, &runtime)?;
    if options.abort_on_allocation {
        allocation::abort_on_allocation();
    }
    let segment = Arc::clone(&start.segment);
    let folder = start.folder.clone();
    let running = Running::launch(start, options, &runtime)?;
    segment.set_hotpath_state(HotpathState::Running);
    let (leftover, lock) = running.until_stopped(&runtime)?;
    let mut last = Vec::new();
    leftover.engine.save(&mut last);
    let name = format!("checkpoint-{}.bin", leftover.last_sequence);
    write_durably(&folder.join(name), &last)?;
    segment.set_hotpath_state(HotpathState::StoppedCleanly);
    tracing::info!(inputs = leftover.last_sequence, "stopped");
    drop(lock);
    Ok(())
}

/// Threads and the cold path's parts.
struct Running {
    engine: JoinHandle<Result<Leftover, Failure>>,
    gateways: Vec<JoinHandle<()>>,
    stop_gateways: Arc<AtomicBool>,
    abandon: Arc<AtomicBool>,
    housekeeping: Housekeeping,
    cold: Vec<ColdShell>,
    lock: ipc::InstanceLock,
}

impl Running {
    fn launch(start: Start, options: &Options, runtime: &Runtime) -> Result<Self, Failure> {
        let (market_in, market_out) = heap_ring(MARKET_SLOTS);
        let (replies_in, replies_out) = heap_ring(REPLY_SLOTS);
        let (cold_in, cold_out) = heap_ring(COLD_SLOTS);
        let (orders_in, orders_out) = heap_ring(ORDER_SLOTS);
        let (requests_in, requests_out) = heap_ring(ORDER_SLOTS);
        let telemetry_segment = Arc::clone(&start.segment);
        let telemetry = Telemetry(&telemetry_segment);
        let gauges = gauges(telemetry)?;
        let market_dropped = gauges.market_dropped;
        let gauges = gauges.shown;
        let clock = ServerClock::default();
        let stop_gateways = Arc::new(AtomicBool::new(false));
        let abandon = Arc::new(AtomicBool::new(false));
        let market = market_gateway(&start, telemetry, market_in, market_dropped)?;
        let orders = order_parts(&start, telemetry, replies_in, orders_out, &clock)?;
        let (cold, wishes, inbox) = cold_parts(&start, telemetry, cold_in, &clock, runtime)?;
        let checkpoints = Arc::new(CheckpointQueues {
            wanted: ArrayQueue::new(1),
            done: ArrayQueue::new(1),
        });
        let inlets = Inlets {
            commands: start.segment.command_consumer()?,
            replies: replies_out,
            cold: cold_out,
            market: market_out,
        };
        let outlets = outlets(
            &start.segment,
            orders_in,
            requests_in,
            start.instruments.len(),
        )?;
        let names: Vec<String> = start
            .settings
            .strategies
            .iter()
            .map(|one| one.name.clone())
            .collect();
        let recorder = Recorder::new(
            start.segment.journal_producer()?,
            EngineCells::new(telemetry, &start.instruments, &names)?,
            start.settings.short_hash(),
        );
        let kernel = KernelCells {
            engine_switches: telemetry
                .counter("involuntary_context_switches_total{thread=\"engine\"}")?,
            minor_faults: telemetry.counter("page_faults_total{kind=\"minor\"}")?,
            major_faults: telemetry.counter("page_faults_total{kind=\"major\"}")?,
        };
        let behaviour = Behaviour {
            spin: start.settings.hot_path.engine_wait == settings::EngineWait::Spin,
            inject_allocations: options.inject_allocation,
        };
        let thread = EngineThread::new(
            start.engine,
            inlets,
            outlets,
            recorder,
            gauges,
            Arc::clone(&start.segment),
            Arc::clone(&checkpoints),
            behaviour,
        );
        let (engine, engine_thread) = spawn_engine(thread, start.core, &abandon)?;
        let gateways = vec![
            spawn_market(market, &stop_gateways)?,
            spawn_orders(orders, &stop_gateways)?,
        ];
        let hot_path = start.settings.hot_path;
        let housekeeping = Housekeeping {
            inbox,
            requests: requests_out,
            wishes,
            instruments: start.instruments,
            clock,
            segment: start.segment,
            checkpoints,
            folder: start.folder,
            checkpoint_interval_ns: hot_path.checkpoint_minutes * 60 * SECOND_NS,
            control_grace_ns: hot_path.control_grace_s * SECOND_NS,
            buffer: Some(Vec::with_capacity(start.checkpoint_bytes + CHECKPOINT_ROOM)),
            kernel,
            engine_thread,
        };
        Ok(Self {
            engine,
            gateways,
            stop_gateways,
            abandon,
            housekeeping,
            cold,
            lock: start.lock,
        })
    }

    /// Runs the cold path on this thread until the engine thread has ended, then ends the others.
    fn until_stopped(self, runtime: &Runtime) -> Result<(Leftover, ipc::InstanceLock), Failure> {
        let tasks = LocalSet::new();
        for shell in self.cold {
            tasks.spawn_local(shell.run());
        }
        let engine = &self.engine;
        let gateways = &self.gateways;
        let ended = || engine.is_finished() || gateways.iter().any(JoinHandle::is_finished);
        let housekeeping = self.housekeeping.run(ended, &self.abandon);
        runtime.block_on(tasks.run_until(housekeeping))?;
        let gateway_died = self.gateways.iter().any(JoinHandle::is_finished);
        if gateway_died {
            // Without its gateway the engine cannot do anything any more.
            self.abandon.store(true, Ordering::Relaxed);
        }
        let leftover = self
            .engine
            .join()
            .map_err(|panic| broken("engine", &*panic))??;
        self.stop_gateways.store(true, Ordering::Relaxed);
        for gateway in self.gateways {
            gateway.join().map_err(|panic| broken("gateway", &*panic))?;
        }
        if gateway_died {
            return Err(Failure::Broken(
                "a gateway thread ended by itself".to_string(),
            ));
        }
        Ok((leftover, self.lock))
    }
}

fn broken(thread: &str, panic: &(dyn std::any::Any + Send)) -> Failure {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    Failure::Broken(format!(
        "{thread} thread: {}",
        text.unwrap_or("it panicked")
    ))
}

struct Registered {
    shown: Gauges,
    market_dropped: ipc::Counter,
}

fn gauges(telemetry: Telemetry<'_>) -> Result<Registered, RegisterError> {
    Ok(Registered {
        shown: Gauges {
            allocations: telemetry.counter("hot_allocations_total{stage=\"engine\"}")?,
            damaged_inputs: telemetry.counter("damaged_inputs_total")?,
            outbox_overflows: telemetry.counter("outbox_overflows_total")?,
            busy_turns: telemetry.counter("engine_busy_turns_total")?,
            market: telemetry.ring("market", MARKET_SLOTS)?,
            replies: telemetry.ring("replies", REPLY_SLOTS)?,
            cold: telemetry.ring("cold", COLD_SLOTS)?,
            orders: telemetry.ring("orders", ORDER_SLOTS)?,
        },
        market_dropped: telemetry.ring_dropped("market")?,
    })
}

fn outlets(
    segment: &Segment,
    orders: Producer,
    cold: Producer,
    instruments: usize,
) -> Result<Outlets, Failure> {
    let pages = (0..instruments).map(|index| segment.instrument_page_writer(index));
    Ok(Outlets {
        orders,
        cold,
        input_log: segment.input_log_producer()?,
        market_log: segment.market_log_producer()?,
        instrument_pages: pages.collect::<Result<_, _>>()?,
        account_page: segment.account_page_writer()?,
    })
}

fn market_gateway(
    start: &Start,
    telemetry: Telemetry<'_>,
    ring: Producer,
    dropped: ipc::Counter,
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
                    &market::Instruments(&start.instruments),
                    venue.depth_interval_ms,
                    connections.len() as u64,
                ),
                cells: StreamCells::new(telemetry, market, MarketConnection::stream(*route))?,
            });
        }
    }
    Ok(MarketGateway {
        connections,
        dialer: start.dialer.clone(),
        instruments: Arc::clone(&start.instruments),
        inbox: Inbox::new(ring, Some(dropped)),
    })
}

/// What the order thread builds its shells from.
struct OrderParts {
    markets: Vec<OrderMarket>,
    inbox: Inbox,
    ring: Consumer,
    clock: ServerClock,
    instruments: Arc<[Instrument]>,
    dialer: crate::gateway::socket::Dialer,
    api_key: String,
    nap: bool,
}

struct OrderMarket {
    market: Market,
    session: OrderSession,
    ws_api_url: String,
    rest_url: String,
    orders: StreamCells,
    latency: LatencyCells,
    user: Option<(UserSession, StreamCells)>,
}

fn order_parts(
    start: &Start,
    telemetry: Telemetry<'_>,
    replies: Producer,
    ring: Consumer,
    clock: &ServerClock,
) -> Result<OrderParts, Failure> {
    let venue = &start.settings.venue;
    let mut markets = Vec::new();
    for market in start.markets() {
        let (rest_url, stream_url, ws_api_url) = urls(venue, market);
        let user = match market {
            Market::UsdM => Some((
                UserSession::new(stream_url, 11),
                StreamCells::new(telemetry, market, "private")?,
            )),
            Market::Spot => None,
        };
        markets.push(OrderMarket {
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
            latency: latency_cells(telemetry, market, &start.instruments)?,
            user,
        });
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Ok(OrderParts {
        markets,
        inbox: Inbox::new(replies, None),
        ring,
        clock: clock.clone(),
        instruments: Arc::clone(&start.instruments),
        dialer: start.dialer.clone(),
        api_key: start.credentials.api_key.clone(),
        nap: cores < CORES_TO_SPARE,
    })
}

fn latency_cells(
    telemetry: Telemetry<'_>,
    market: Market,
    instruments: &[Instrument],
) -> Result<LatencyCells, RegisterError> {
    let stage = |stage: &str| {
        telemetry.histogram(&format!(
            "stage_duration_seconds{{market=\"{market}\",stage=\"{stage}\"}}"
        ))
    };
    let ticks = instruments.iter().map(|one| {
        let own = if one.market == market {
            ""
        } else {
            ",way=\"other\""
        };
        telemetry.histogram(&format!(
            "tick_to_order_seconds{{market=\"{}\",symbol=\"{}\"{own},from=\"read\"}}",
            one.market, one.symbol
        ))
    });
    let op = |kind: &RequestKind| {
        let op = kind.as_str().to_lowercase();
        let place = format!("{{market=\"{market}\",op=\"{op}\"}}");
        Ok((
            telemetry.histogram(&format!("order_ack_duration_seconds{place}"))?,
            telemetry.counter(&format!("requests_written_total{place}"))?,
        ))
    };
    let ops: Result<Vec<_>, RegisterError> = RequestKind::ALL.iter().map(op).collect();
    let (acknowledge, written) = ops?.into_iter().unzip();
    Ok(LatencyCells {
        tick_to_order: ticks.collect::<Result<_, _>>()?,
        decode: stage("decode")?,
        queue: stage("queue")?,
        decide: stage("decide")?,
        write: stage("write")?,
        acknowledge,
        written,
        not_sent: telemetry.counter(&format!("requests_not_sent_total{{market=\"{market}\"}}"))?,
        unreadable: telemetry.counter(&format!(
            "order_frames_unmatched_total{{market=\"{market}\"}}"
        ))?,
    })
}

type ColdParts = (Vec<ColdShell>, Vec<Wishes>, Rc<RefCell<Inbox>>);

fn cold_parts(
    start: &Start,
    telemetry: Telemetry<'_>,
    ring: Producer,
    clock: &ServerClock,
    _runtime: &Runtime,
) -> Result<ColdParts, Failure> {
    let inbox = Rc::new(RefCell::new(Inbox::new(ring, None)));
    let mut shells = Vec::new();
    let mut wishes = Vec::new();
    for (market, weight_limit) in &start.weight_limits {
        let (rest_url, ..) = urls(&start.settings.venue, *market);
        let key = &start.credentials.api_key;
        let shell = ColdShell {
            market: *market,
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
    Ok((shells, wishes, inbox))
}

type EngineHandle = JoinHandle<Result<Leftover, Failure>>;

/// Starts the engine thread and waits until it sits on its core.
fn spawn_engine(
    thread: EngineThread,
    core: core_affinity::CoreId,
    abandon: &Arc<AtomicBool>,
) -> Result<(EngineHandle, i32), Failure> {
    let (seated, seat) = sync_channel(1);
    let abandon = Arc::clone(abandon);
    let handle = Builder::new().name("engine".to_string()).spawn(move || {
        let pinned = crate::pinning::pin_this_thread(core);
        let id = rustix::thread::gettid().as_raw_nonzero().get();
        let failed = pinned.is_err();
        // The receiver waits for exactly this.
        let _ = seated.send(pinned.map(|()| id));
        drop(seated);
        if failed {
            return Err(Failure::Configuration(
                "the engine thread has no core".to_string(),
            ));
        }
        Ok(thread.run(&abandon))
    })?;
    let id = seat
        .recv()
        .map_err(|_| Failure::Broken("no engine thread".to_string()))??;
    Ok((handle, id))
}

fn spawn_market(gateway: MarketGateway, stop: &Arc<AtomicBool>) -> Result<JoinHandle<()>, Failure> {
    let stop = Arc::clone(stop);
    Ok(Builder::new()
        .name("market".to_string())
        .spawn(move || gateway.run(&stop))?)
}

fn spawn_orders(parts: OrderParts, stop: &Arc<AtomicBool>) -> Result<JoinHandle<()>, Failure> {
    let stop = Arc::clone(stop);
    let builder = Builder::new().name("orders".to_string());
    Ok(builder.spawn(move || {
        // Naps are microseconds long: the kernel may not stretch them by its usual 50.
        let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1));
        let runtime = event_loop().expect("the system has an event loop");
        let tasks = LocalSet::new();
        let inbox = Rc::new(RefCell::new(parts.inbox));
        let mut shells = Vec::new();
        for one in parts.markets {
            let shell = OrderShell::new(
                one.session,
                &one.ws_api_url,
                parts.dialer.clone(),
                parts.clock.clone(),
                Arc::clone(&parts.instruments),
                Rc::clone(&inbox),
                one.orders,
                one.latency,
            );
            tasks.spawn_local(keep(Rc::clone(&shell)));
            shells.push((one.market, shell));
            if let Some((session, cells)) = one.user {
                let rest = RestClient::new(parts.dialer.clone(), &one.rest_url, &parts.api_key)
                    .expect("the same URL was used at start");
                let user = UserShell {
                    session,
                    rest: Rc::new(rest),
                    dialer: parts.dialer.clone(),
                    instruments: Arc::clone(&parts.instruments),
                    inbox: Rc::clone(&inbox),
                    cells,
                };
                tasks.spawn_local(user.run());
            }
        }
        let pump = pump(shells, parts.ring, parts.instruments, parts.nap, stop);
        runtime.block_on(tasks.run_until(pump));
    })?)
}

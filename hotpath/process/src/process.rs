//! The running process: threads and the rings between them.
//!
//! In: a [`Start`]. Out: exit after a stop that was carried out. Never: a thread whose death goes
//! unnoticed.
//!
//! ```text
//! hot_io = "inline"
//! sockets <-----------------------> engine thread --cold ring---> main thread (cold path)
//! main thread   --cold ring, opened sockets---> engine thread
//!
//! hot_io = "threads"
//! market thread --market ring--> engine thread --order ring--> order thread
//! order thread  --reply ring---> engine thread --cold ring---> main thread (cold path)
//! main thread   --cold ring----> engine thread
//! ```

use crate::account_file::AccountMemory;
use crate::allocation;
use crate::breaker_file::BreakerState;
use crate::disk_thread::{DiskThread, Files};
use crate::engine_host::{CheckpointQueues, EngineHost, Leftover};
use crate::engine_thread::{Behaviour, EngineThread, Inlets, Rings};
use crate::failure::Failure;
use crate::gateway::cold::ColdShell;
use crate::gateway::leash::Leash;
use crate::housekeeping::Housekeeping;
use crate::inline::assembly::{Ends, inline_parts};
use crate::inline::cold::ColdDialer;
use crate::inline::thread::InlineThread;
use crate::latency::watch as latency;
use crate::machine::{self, Facts, Weight};
use crate::operator_socket::server;
use crate::operator_socket::verbs::Operator;
use crate::pinning;
use crate::server_clock::ServerClock;
use crate::startup::{Options, Start};
use crate::state_directory::write_durably;
use crate::supervision::Supervision;
use crate::telemetry::Telemetry;
use crate::tick_clock::ClockKeeper;
use crate::wire_check::WireCheck;
use crate::wiring::{
    COLD_SLOTS, MARKET_SLOTS, ORDER_SLOTS, REPLY_SLOTS, cold_parts, host, inlet, kernel_cells,
    market_gateway, operator, order_gateway,
};
use binance::session::SECOND_NS;
use engine::Engine;
use ipc::{HotpathState, heap_ring};
use std::os::unix::net::UnixListener;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread::{Builder, JoinHandle};
use tokio::runtime::Runtime;
use tokio::task::LocalSet;

/// Room for a checkpoint beside the size of the first one: books and orders grow.
const CHECKPOINT_ROOM: usize = 16 << 20;

/// What a process with 64 instruments wants to lock.
const LOCKED_BYTES: u64 = 256 << 20;

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
    let (start, engine) = Start::new(options, &runtime)?;
    if options.abort_on_allocation {
        allocation::abort_on_allocation();
    }
    let segment = Arc::clone(&start.segment);
    let folder = start.folder.clone();
    let starts = start.starts.clone();
    let breaker_file = start.breaker_file.clone();
    let account_file = start.account_file.clone();
    let running = Running::launch(start, engine, options)?;
    segment.set_hotpath_state(HotpathState::Running);
    let (leftover, lock) = running.until_stopped(&runtime)?;
    let mut last = Vec::new();
    leftover.engine.save(&mut last);
    let name = format!("checkpoint-{}.bin", leftover.last_sequence);
    write_durably(&folder.join(name), &last)?;
    breaker_file.write(&BreakerState::of(&leftover.engine))?;
    if let Some(memory) = AccountMemory::of(&leftover.engine) {
        account_file.write(&memory)?;
    }
    starts.forget()?;
    segment.set_hotpath_state(HotpathState::StoppedCleanly);
    tracing::info!(inputs = leftover.last_sequence, "stopped");
    drop(lock);
    Ok(())
}

/// The pinned thread before it runs.
enum Pinned {
    Inline(Box<InlineThread>),
    Threads(Box<EngineThread>),
}

impl Pinned {
    fn run(self, abandon: &AtomicBool) -> Leftover {
        match self {
            Self::Inline(thread) => thread.run(abandon),
            Self::Threads(thread) => thread.run(abandon),
        }
    }
}

/// Threads and the cold path's parts.
struct Running {
    engine: JoinHandle<Result<Leftover, Failure>>,
    gateways: Vec<JoinHandle<()>>,
    leashes: Vec<Arc<Leash>>,
    abandon: Arc<AtomicBool>,
    housekeeping: Housekeeping,
    cold: Vec<ColdShell>,
    operator: Rc<Operator>,
    socket: UnixListener,
    dialer: Option<ColdDialer>,
    lock: ipc::InstanceLock,
}

impl Running {
    fn launch(start: Start, engine: Engine, options: &Options) -> Result<Self, Failure> {
        let segment = Arc::clone(&start.segment);
        let telemetry = Telemetry(&segment);
        let (cold_in, cold_out) = heap_ring(COLD_SLOTS);
        let (requests_in, requests_out) = heap_ring(ORDER_SLOTS);
        let clock = ServerClock::default();
        let cold = cold_parts(&start, telemetry, cold_in, &clock)?;
        let operator = operator(&start, &cold, &clock);
        let socket = server::bind(&start.state.run().join(::operator::SOCKET))?;
        let kernel = kernel_cells(telemetry)?;
        let wire_check = WireCheck::new(telemetry)?;
        let checkpoints = Arc::new(CheckpointQueues::default());
        let hot_path = start.settings.hot_path;
        let behaviour = behaviour(&start, options);
        let inline = hot_path.hot_io == settings::HotIo::Inline;
        let core = start.core.id;
        let (hot, latency) = latency::begin(telemetry, &start.instruments, core, inline)?;
        take_place(start.core, behaviour.spin, &latency.keeper);
        let (hot_clock, events) = (&hot.clock, hot.events);
        let host = host(&start, engine, telemetry, &checkpoints, hot_clock, events)?;
        let ends = Ends {
            commands: segment.command_consumer()?,
            cold: inlet(telemetry, "cold", COLD_SLOTS, cold_out)?,
            requests: requests_in,
            ways: hot.orders,
        };
        let (pinned, gateways, dialer) = pinned(&start, host, ends, &clock, behaviour)?;
        let (gateways, leashes): (Vec<_>, Vec<_>) = gateways.into_iter().unzip();
        let supervision = Supervision::of(leashes.clone(), start.began);
        let checkpoint = checkpoint_buffer(start.checkpoint_bytes);
        lock_memory();
        let abandon = Arc::new(AtomicBool::new(false));
        let (engine, engine_thread) = spawn_engine(pinned, start.core, &abandon)?;
        Ok(Self {
            engine,
            gateways,
            leashes,
            abandon,
            dialer,
            housekeeping: Housekeeping {
                inbox: cold.inbox,
                requests: requests_out,
                wishes: cold.wishes,
                instruments: start.instruments,
                clock,
                segment,
                checkpoints,
                disk: DiskThread::start(Files {
                    breakers: start.breaker_file,
                    account: start.account_file,
                    silences: start.silence_file,
                })?,
                dialer: start.dialer,
                folder: start.folder,
                checkpoint_interval_ns: hot_path.checkpoint_minutes * 60 * SECOND_NS,
                control_grace_ns: hot_path.control_grace_s * SECOND_NS,
                buffer: Some(checkpoint),
                latency,
                kernel,
                wire_check,
                engine_thread,
                supervision,
                operator: Rc::clone(&operator),
            },
            cold: cold.shells,
            operator,
            socket,
            lock: start.lock,
        })
    }

    /// Runs the cold path on this thread until the engine thread has ended, then ends the others.
    fn until_stopped(self, runtime: &Runtime) -> Result<(Leftover, ipc::InstanceLock), Failure> {
        let tasks = LocalSet::new();
        tasks.spawn_local(server::serve(self.socket, self.operator));
        for shell in self.cold {
            tasks.spawn_local(shell.run());
        }
        if let Some(dialer) = self.dialer {
            tasks.spawn_local(dialer.run());
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
        self.leashes.iter().for_each(|leash| leash.end());
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

/// The pinned thread before it runs, the gateways where it has some, and who opens its sockets
/// where it has none.
type Threads = (Pinned, Vec<Gateway>, Option<ColdDialer>);

/// A gateway's thread, and what ends it.
type Gateway = (JoinHandle<()>, Arc<Leash>);

/// Chooses between the two ways of the bytes.
fn pinned(
    start: &Start,
    host: EngineHost,
    ends: Ends,
    clock: &ServerClock,
    behaviour: Behaviour,
) -> Result<Threads, Failure> {
    if start.settings.hot_path.hot_io == settings::HotIo::Inline {
        let telemetry = Telemetry(&start.segment);
        let parts = inline_parts(start, telemetry, host, ends, clock, behaviour)?;
        let thread = Pinned::Inline(Box::new(parts.thread));
        return Ok((thread, Vec::new(), Some(parts.cold)));
    }
    let (thread, gateways) = behind_rings(start, host, ends, clock, behaviour)?;
    Ok((Pinned::Threads(Box::new(thread)), gateways, None))
}

fn behaviour(start: &Start, options: &Options) -> Behaviour {
    Behaviour {
        spin: start.settings.hot_path.engine_wait == settings::EngineWait::Spin,
        inject_allocations: options.inject_allocation,
    }
}

/// Starts the gateways; the engine thread is left to be started.
fn behind_rings(
    start: &Start,
    host: EngineHost,
    ends: Ends,
    clock: &ServerClock,
    behaviour: Behaviour,
) -> Result<(EngineThread, Vec<Gateway>), Failure> {
    let telemetry = Telemetry(&start.segment);
    let (market_in, market_out) = heap_ring(MARKET_SLOTS);
    let (replies_in, replies_out) = heap_ring(REPLY_SLOTS);
    let (orders_in, orders_out) = heap_ring(ORDER_SLOTS);
    let market = market_gateway(start, telemetry, market_in)?;
    let orders = order_gateway(start, telemetry, replies_in, orders_out, clock, ends.ways)?;
    let thread = EngineThread {
        host,
        inlets: Inlets {
            commands: ends.commands,
            replies: inlet(telemetry, "replies", REPLY_SLOTS, replies_out)?,
            cold: ends.cold,
            market: inlet(telemetry, "market", MARKET_SLOTS, market_out)?,
        },
        rings: Rings {
            orders: orders_in,
            orders_cells: telemetry.ring("orders", ORDER_SLOTS)?,
            cold: ends.requests,
        },
        behaviour,
    };
    let gateways = vec![
        spawn_gateway("market", move |leash| market.run(&leash))?,
        spawn_gateway("orders", move |leash| orders.run(leash))?,
    ];
    Ok((thread, gateways))
}

/// Room for one checkpoint, every page of it there already.
fn checkpoint_buffer(first_bytes: usize) -> Vec<u8> {
    let mut buffer = Vec::with_capacity(first_bytes + CHECKPOINT_ROOM);
    machine::touch(&mut buffer);
    buffer
}

fn lock_memory() {
    if let Err(complaint) = machine::lock_memory() {
        tracing::warn!("{complaint}");
    }
}

/// Says what the machine lacks, and leaves a spinning engine's core to it alone.
fn take_place(core: core_affinity::CoreId, spinning: bool, keeper: &ClockKeeper) {
    for finding in machine::findings(&Facts::read(core.id, spinning, keeper), LOCKED_BYTES) {
        match finding.weight {
            Weight::Warning => tracing::warn!("{}", finding.text),
            Weight::Info => tracing::info!("{}", finding.text),
        }
    }
    if spinning {
        pinning::leave_to_the_engine(core);
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

type EngineHandle = JoinHandle<Result<Leftover, Failure>>;

/// Starts the engine thread and waits until it sits on its core.
fn spawn_engine(
    thread: Pinned,
    core: core_affinity::CoreId,
    abandon: &Arc<AtomicBool>,
) -> Result<(EngineHandle, i32), Failure> {
    let (seated, seat) = sync_channel(1);
    let abandon = Arc::clone(abandon);
    let handle = Builder::new().name("engine".to_string()).spawn(move || {
        let pinned = pinning::pin_this_thread(core);
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

fn spawn_gateway(
    name: &str,
    run: impl FnOnce(Arc<Leash>) + Send + 'static,
) -> Result<Gateway, Failure> {
    let leash = Arc::new(Leash::default());
    let held = Arc::clone(&leash);
    let thread = Builder::new().name(name.to_string());
    Ok((thread.spawn(move || run(held))?, leash))
}

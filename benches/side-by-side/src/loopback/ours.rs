//! The product's own path: its pinned thread on its hot sockets.
//!
//! In: a session. Out: the orders that it wrote, by the stamps that the product takes in
//! production. Never: a stand-in: [`InlineThread::run`] turns here as it does in the product, with
//! its sessions, engine, controls, journal and logs. The bench has the cold side's part: it dials,
//! answers the engine's wish for a snapshot and reads the logs.

use super::world::{Logs, account, hmac, host, market_session, order_session, segment, text, ways};
use super::{Session, Written};
use crate::input::Input;
use crate::rings::pin;
use binance::session::{Feed, MarketRoute};
use engine::event::{LEVELS_MAX, SnapshotBegin, SnapshotLevels, StreamChange, StreamKind};
use engine::{Event, Input as EngineInput, Request};
use hotpath::engine_thread::{Behaviour, Inlet};
use hotpath::gateway::latency_cells::LatencyCells;
use hotpath::gateway::socket::Dialer;
use hotpath::gateway::stream_cells::StreamCells;
use hotpath::hot_socket::{HotDialer, HotOptions, HotSocket};
use hotpath::inline::desk::{Desk, OrderSlot};
use hotpath::inline::dialing::{Dialed, Dialing, Wanted};
use hotpath::inline::market::{MarketFeed, MarketSlot};
use hotpath::inline::thread::{InlineThread, Reading};
use hotpath::inline::wire::Wire;
use hotpath::latency::stall::{STALL_NS, StallDetector};
use hotpath::latency::way_log::WayReader;
use hotpath::messages::{INPUT_BYTES_MAX, KIND, REQUEST_BYTES_MAX, decode_request, encode_input};
use hotpath::server_clock::ServerClock;
use hotpath::telemetry::Telemetry;
use hotpath::tick_clock::TickClock;
use ipc::{Consumer, Producer, RECORD_BYTES_MAX, heap_ring};
use market::{Instrument, Level, Market, MonoNs, Side, UpdateId};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Between two looks of the cold side.
const TICK: Duration = Duration::from_millis(5);

/// Longest wait for a connection.
const PATIENCE: Duration = Duration::from_secs(5);

/// The cold side's names for the two connections.
const ORDERS: usize = 0;
const MARKET: usize = 1;

/// The pause after an order that found nobody: over before the next frame, but not before the
/// signal of the last one is too old.
const RETRY_AFTER_NS: u64 = 1_200_000;

/// Slots of the cold rings: a snapshot of the deepest recorded book.
const COLD_SLOTS: usize = 1 << 14;

/// Connects, trades until the market closes, and returns what was written.
pub(super) fn run(session: &Session<'_>) -> Result<Vec<Written>, String> {
    let (clock, _keeper) = TickClock::start();
    let abandon = AtomicBool::new(false);
    let (thread, cold) = parts(session, &clock, &abandon)?;
    std::thread::scope(|scope| {
        let cold = scope.spawn(|| {
            pin(session.other_core);
            cold.run()
        });
        pin(session.core);
        let _ = thread.run(&abandon);
        cold.join()
            .map_err(|_| "the cold side panicked".to_string())?
    })
}

/// One more socket of the product to `path`, for the cost of a poll that finds nothing.
pub(super) fn socket(session: &Session<'_>, path: &str) -> Result<HotSocket, String> {
    let url = format!("wss://localhost:{}/{path}", session.address.port());
    dialer(session)?
        .dial(&url, Instant::now() + PATIENCE)
        .map_err(text)
}

fn dialer(session: &Session<'_>) -> Result<HotDialer, String> {
    let file = format!("fulcrum-bench-{}.pem", std::process::id());
    let file = std::env::temp_dir().join(file);
    std::fs::write(&file, &session.authority).map_err(text)?;
    let dialer = Dialer::new(Some(&file), &["wss:"]).map_err(text)?;
    std::fs::remove_file(&file).map_err(text)?;
    Ok(HotDialer::new(&dialer, HotOptions::default()))
}

/// Both sides.
fn parts<'a>(
    session: &Session<'a>,
    clock: &TickClock,
    abandon: &'a AtomicBool,
) -> Result<(InlineThread, Cold<'a>), String> {
    let input = session.input;
    let segment = segment()?;
    let telemetry = Telemetry(&segment);
    let (host, logs) = host(input, &segment, clock, RETRY_AFTER_NS)?;
    let instruments: Arc<[Instrument]> = Arc::new([input.instrument]);
    let dialing = Arc::new(Dialing::new(2));
    let cells = |name| StreamCells::new(telemetry, Market::UsdM, name).map_err(text);
    let orders = OrderSlot {
        market: Market::UsdM,
        session: order_session(hmac()),
        wire: Wire::new(ORDERS, &dialing, cells("orders")?),
        latency: LatencyCells::new(telemetry, Market::UsdM, &instruments).map_err(text)?,
    };
    let (requests, requests_out) = heap_ring(COLD_SLOTS);
    let (cold, cold_out) = heap_ring(COLD_SLOTS);
    let (order_ways, order_ways_out) = ways(telemetry, "order_ways")?;
    let table = Arc::clone(&instruments);
    let thread = InlineThread {
        rehearsal: None,
        host,
        commands: heap_ring(64).1,
        cold: Inlet {
            ring: cold_out,
            cells: telemetry.ring("cold", COLD_SLOTS).map_err(text)?,
        },
        desk: Desk::new(
            vec![orders],
            requests,
            ServerClock::default(),
            table,
            order_ways,
        ),
        privates: Vec::new(),
        markets: vec![MarketFeed {
            feed: Feed::new(MarketRoute::Public, 1, 1),
            slots: vec![MarketSlot::new(
                0,
                market_session(input),
                Wire::new(MARKET, &dialing, cells("public")?),
                None,
            )],
        }],
        dialing: Arc::clone(&dialing),
        reading: Reading::new(instruments),
        stalls: StallDetector::new(telemetry, "engine", clock, STALL_NS).map_err(text)?,
        behaviour: Behaviour {
            spin: true,
            inject_allocations: 0,
        },
    };
    let cold = Cold {
        input,
        port: session.address.port(),
        dialer: dialer(session)?,
        dialing,
        requests: requests_out,
        inputs: cold,
        order_ways: order_ways_out,
        logs,
        abandon,
        seen: Seen::default(),
    };
    Ok((thread, cold))
}

/// What the logs told.
#[derive(Default)]
struct Seen {
    /// Input sequence to `u`.
    update_ids: HashMap<u64, u64>,
    /// Input sequence, when its order was written, whether a stall was detected before it.
    orders: Vec<(u64, u64, bool)>,
}

/// The cold side of one session.
struct Cold<'a> {
    input: &'a Input,
    port: u16,
    dialer: HotDialer,
    dialing: Arc<Dialing>,
    requests: Consumer,
    inputs: Producer,
    order_ways: WayReader,
    logs: Logs,
    abandon: &'a AtomicBool,
    seen: Seen,
}

impl Cold<'_> {
    fn run(mut self) -> Result<Vec<Written>, String> {
        let outcome = self.serve();
        // Relaxed: a flag by itself; the thread looks at it each millisecond.
        self.abandon.store(true, Ordering::Relaxed);
        outcome?;
        let Seen { update_ids, orders } = &self.seen;
        let one = |(sequence, at_ns, stalled): &(u64, u64, bool)| {
            let update_id = update_ids.get(sequence).copied();
            update_id.map(|update_id| Written {
                update_id,
                at_ns: *at_ns,
                stalled: *stalled,
            })
        };
        let written: Option<Vec<Written>> = orders.iter().map(one).collect();
        written.ok_or_else(|| "an order of an event that no log has".to_string())
    }

    fn serve(&mut self) -> Result<(), String> {
        self.push(EngineInput::Stream(StreamChange {
            stream: StreamKind::User,
            market: Market::UsdM,
            up: true,
        }))?;
        loop {
            while self.dialing.given_up.pop().is_some() {}
            while let Some(wanted) = self.dialing.wanted.pop() {
                self.dial(wanted)?;
            }
            self.read_requests()?;
            self.read_logs()?;
            if let Some(note) = self.dialing.notes.pop() {
                return match note.place {
                    MARKET => Ok(()),
                    _ => Err(format!("the order connection ended: {:?}", note.end)),
                };
            }
            std::thread::sleep(TICK);
        }
    }

    fn dial(&self, wanted: Wanted) -> Result<(), String> {
        let path = if wanted.place == MARKET {
            "market"
        } else {
            "orders"
        };
        let url = format!("wss://localhost:{}/{path}", self.port);
        let socket = self
            .dialer
            .dial(&url, Instant::now() + PATIENCE)
            .map_err(text)?;
        let dialed = Dialed {
            place: wanted.place,
            attempt: wanted.attempt,
            socket: Some(Box::new(socket)),
        };
        self.dialing
            .dialed
            .push(dialed)
            .map_err(|_| "no room for a socket".to_string())
    }

    fn push(&mut self, input: EngineInput<'_>) -> Result<(), String> {
        let mut bytes = vec![0; INPUT_BYTES_MAX];
        let length = encode_input(input, MonoNs(1), MonoNs(1), &mut bytes)
            .map_err(|error| format!("{error:?}"))?;
        self.inputs
            .try_push(KIND, &bytes[..length])
            .map_err(|error| format!("{error:?}"))
    }

    fn read_requests(&mut self) -> Result<(), String> {
        let mut bytes = [0; REQUEST_BYTES_MAX];
        while let Some((_, bytes)) = self.requests.pop(&mut bytes).map_err(text)? {
            let (_, request) = decode_request(bytes).map_err(|error| format!("{error:?}"))?;
            match request {
                Request::Reconcile(_) => {
                    for input in account() {
                        self.push(input)?;
                    }
                }
                Request::Snapshot(_) => self.snapshot()?,
                Request::Trades(_) | Request::VerifySetup(_) => {}
                _ => return Err("an order on the cold ring".to_string()),
            }
        }
        Ok(())
    }

    fn snapshot(&mut self) -> Result<(), String> {
        let input = self.input;
        let instrument = input.instrument.id;
        self.push(EngineInput::SnapshotBegin(SnapshotBegin {
            instrument,
            last_update_id: UpdateId(input.start_update_id),
            complete: true,
        }))?;
        for (side, levels) in [(Side::Buy, &input.bids), (Side::Sell, &input.asks)] {
            for levels in levels.chunks(LEVELS_MAX.min(500)) {
                self.push(EngineInput::SnapshotLevels(SnapshotLevels {
                    instrument,
                    side,
                    levels,
                }))?;
            }
        }
        self.push(EngineInput::SnapshotEnd(instrument))
    }

    fn read_logs(&mut self) -> Result<(), String> {
        let mut bytes = vec![0; RECORD_BYTES_MAX];
        for log in &mut self.logs.others {
            while let Some(entry) = log.read(&mut bytes).map_err(text)? {
                let cursor = entry.cursor;
                log.commit_durable(cursor).map_err(text)?;
            }
        }
        let mut levels = vec![Level::default(); LEVELS_MAX];
        while let Some(entry) = self.logs.market.read(&mut bytes).map_err(text)? {
            let event = Event::from_bytes(entry.payload, &mut levels)
                .map_err(|error| format!("{error:?}"))?;
            if let EngineInput::Depth(update) = event.input {
                let update_id = update.header.last_update_id.0;
                self.seen.update_ids.insert(event.sequence, update_id);
            }
            let cursor = entry.cursor;
            self.logs.market.commit_durable(cursor).map_err(text)?;
        }
        while self.logs.ways.take().is_some() {}
        while let Some(way) = self.order_ways.take() {
            let at_ns = way.read.0 + u64::from(way.written_ns);
            let head = way.head;
            self.seen.orders.push((head.sequence, at_ns, head.stalled));
        }
        Ok(())
    }
}

//! The host's own checks, turn by turn, behind the rings of `hot_io = "threads"`.
//!
//! In: a real engine whose rings end in the test. Out: what leaves by them. Never: a thread.

use super::*;
use crate::engine_thread::{Behaviour, EngineThread, Inlet, Inlets, Rings};
use crate::latency::way_log::way_log;
use crate::messages::{KIND, REQUEST_BYTES_MAX, decode_request};
use crate::telemetry::{EngineCells, Telemetry};
use crate::wiring::host_cells;
use engine::EngineConfig;
use engine::Observer;
use engine::config::{StrategyConfig, StrategyParameters};
use engine::event::{SnapshotBegin, SnapshotLevels, StreamChange, StreamKind};
use engine::strategy::dummy::DummyParameters;
use ipc::{JournalConsumer, Producer, SegmentLayout, heap_journal, heap_log, heap_ring};
use market::event::DepthHeader;
use market::ids::Asset;
use market::record::{Record, WalletRecord};
use market::{
    BalanceReport, DepthUpdate, Filters, Instrument, InstrumentStatus, Market, Money, Price, Side,
    Step, Symbol, TradingState, UpdateId, UtcMs,
};

const ID: InstrumentId = InstrumentId(0);
const MILLISECOND_NS: u64 = 1_000_000;

/// A loop, and the far ends of its rings.
struct Rig {
    state: EngineThread,
    now: MonoNs,
    update_id: u64,
    orders: Consumer,
    journal: JournalConsumer,
    commands: Producer,
    market: Producer,
    cold: Producer,
    /// Read by nobody, but an end that is gone is another matter.
    _others: (Producer, Consumer, [JournalConsumer; 2]),
}

fn config() -> EngineConfig {
    let mut config = EngineConfig::new(vec![Instrument {
        id: ID,
        market: Market::UsdM,
        symbol: Symbol::new(b"BTCUSDT").unwrap(),
        tick: Step::from_text(b"0.1").unwrap(),
        lot: Step::from_text(b"0.001").unwrap(),
        price_decimals: 2,
        quantity_decimals: 3,
        status: InstrumentStatus::Trading,
        filters: Filters::NONE,
    }]);
    config.strategies.push(StrategyConfig {
        name: "dummy".to_string(),
        instruments: vec![ID],
        parameters: StrategyParameters::Dummy(DummyParameters::default()),
    });
    config
}

/// The exchange's time at `now`.
fn utc_at(now: MonoNs) -> UtcNs {
    UtcNs(1_700_000_000_000_000_000_i64.saturating_add_unsigned(now.0))
}

/// A segment whose file is gone already.
pub(crate) fn segment(name: &str) -> Arc<Segment> {
    let file = format!("engine-thread-{name}-{}", std::process::id());
    let path = std::env::temp_dir().join(file);
    let _ = std::fs::remove_file(&path);
    let segment = Segment::create(&path, &SegmentLayout::default(), 1, 1, 1).unwrap();
    std::fs::remove_file(&path).unwrap();
    Arc::new(segment)
}

fn shown(segment: &Segment, cell: &str) -> u64 {
    let found = segment.counters().iter().find(|(name, _)| name == cell);
    found.expect("a registered cell").1
}

impl Rig {
    fn new(segment: Arc<Segment>) -> Self {
        let config = config();
        let telemetry = Telemetry(&segment);
        let cells = EngineCells::new(telemetry, &config.instruments, &[]).unwrap();
        let (commands, commands_out) = heap_ring(64);
        let (replies, replies_out) = heap_ring(64);
        let (cold, cold_out) = heap_ring(64);
        let (market, market_out) = heap_ring(64);
        let (orders_in, orders) = heap_ring(1 << 10);
        let (requests_in, requests) = heap_ring(1 << 10);
        let (journal_in, journal) = heap_journal(1 << 10);
        let (input_log, inputs) = heap_journal(1 << 10);
        let (market_log, events) = heap_log(1 << 10);
        let inlet = |ring, name: &str| Inlet {
            ring,
            cells: telemetry.ring(name, 64).unwrap(),
        };
        let inlets = Inlets {
            commands: commands_out,
            replies: inlet(replies_out, "replies"),
            cold: inlet(cold_out, "cold"),
            market: inlet(market_out, "market"),
        };
        let rings = Rings {
            orders: orders_in,
            orders_cells: telemetry.ring("orders", 1 << 10).unwrap(),
            cold: requests_in,
        };
        let host = EngineHost::new(HostParts {
            logs: InputLogs {
                kept: input_log,
                market: market_log,
            },
            pages: Pages {
                instruments: vec![segment.instrument_page_writer(0).unwrap()],
                account: segment.account_page_writer().unwrap(),
            },
            outbox: Outbox::new(Recorder::new(journal_in, cells, 1)),
            cells: host_cells(telemetry).unwrap(),
            checkpoints: Arc::default(),
            remembered: None,
            clock: TickClock::of_kernel().0,
            ways: way_log(64, telemetry.ring_dropped("ways").unwrap()).0,
            engine: Engine::new(config),
            segment,
        });
        let state = EngineThread {
            host,
            inlets,
            rings,
            behaviour: Behaviour {
                spin: false,
                inject_allocations: 0,
            },
        };
        Self {
            state,
            now: MonoNs(1_000_000_000),
            update_id: 0,
            orders,
            journal,
            commands,
            market,
            cold,
            _others: (replies, requests, [inputs, events]),
        }
    }

    fn send(&mut self, input: Input<'_>) {
        self.now = self.now.after(MILLISECOND_NS);
        self.state
            .host
            .take_at(self.now, input, &mut self.state.rings);
    }

    fn turn_after(&mut self, wait_ns: u64) {
        self.now = self.now.after(wait_ns);
        self.state.turn(self.now);
    }

    /// A turn that is long after the last upkeep.
    fn turn_and_upkeep(&mut self) {
        self.turn_after(MILLISECOND_NS);
        let state = &mut self.state;
        assert!(state.host.end_turn(true, self.now, &mut state.rings));
    }

    fn depth(&mut self) {
        let level = |price, lots| Level {
            price: Price(price),
            quantity: Quantity(lots),
        };
        let id = self.update_id + 1;
        let header = DepthHeader {
            instrument: ID,
            first_update_id: UpdateId(id),
            last_update_id: UpdateId(id),
            previous_update_id: UpdateId(self.update_id),
            event_time: utc_at(self.now).to_ms(),
            transaction_time: UtcMs(1),
        };
        self.update_id = id;
        self.send(Input::Depth(DepthUpdate {
            header,
            bids: &[level(500_000, 10)],
            asks: &[level(500_001, 10)],
        }));
    }

    /// Streams up and reconciled, the book one snapshot short of being synced.
    fn all_but_a_book(&mut self) {
        for stream in [StreamKind::Market, StreamKind::Orders, StreamKind::User] {
            let (market, up) = (Market::UsdM, true);
            self.send(Input::Stream(StreamChange { stream, market, up }));
        }
        self.send(Input::Clock(utc_at(self.now)));
        self.send(Input::ReconcileBegin);
        self.send(Input::Balance(BalanceReport {
            asset: Asset::new(b"USDT").unwrap(),
            wallet: Money::from_whole(100_000),
            event_time: UtcMs(0),
        }));
        self.send(Input::ReconcileEnd);
        self.depth();
    }

    /// The missing snapshot: the strategy may trade.
    fn book(&mut self) {
        self.send(Input::SnapshotBegin(SnapshotBegin {
            instrument: ID,
            last_update_id: UpdateId(self.update_id),
            complete: true,
        }));
        for (side, first, step) in [(Side::Buy, 500_000_i64, -1_i64), (Side::Sell, 500_001, 1)] {
            let level = |index| Level {
                price: Price(first + index * step),
                quantity: Quantity(10),
            };
            let levels: Vec<Level> = (0..20).map(level).collect();
            self.send(Input::SnapshotLevels(SnapshotLevels {
                instrument: ID,
                side,
                levels: &levels,
            }));
        }
        self.send(Input::SnapshotEnd(ID));
    }

    /// Orders that left since the last call.
    fn placed(&mut self) -> usize {
        let mut bytes = [0; REQUEST_BYTES_MAX];
        let mut count = 0;
        while let Some((_, bytes)) = self.orders.pop(&mut bytes).unwrap() {
            let (_, request) = decode_request(bytes).unwrap();
            count += usize::from(matches!(request, Request::Place(_)));
        }
        count
    }

    /// The first order that leaves.
    fn first_order(&mut self) -> Request {
        let mut bytes = [0; REQUEST_BYTES_MAX];
        while let Some((_, bytes)) = self.orders.pop(&mut bytes).unwrap() {
            let (_, request) = decode_request(bytes).unwrap();
            if matches!(request, Request::Place(_)) {
                return request;
            }
        }
        panic!("no order left");
    }

    fn fill_journal(&mut self) {
        let record = Record::Wallet(WalletRecord {
            wallet: Money::ZERO,
            event_time: UtcMs(0),
        });
        let mut bytes = [0; RECORD_BYTES_MAX];
        let length = record.to_bytes(&mut bytes).unwrap();
        let recorder = &mut self.state.host.state.parts.outbox.observer;
        for _ in 0..1 << 10 {
            recorder.record(&record, &bytes[..length]);
        }
    }

    fn drain_journal(&mut self) {
        let mut buffer = [0; RECORD_BYTES_MAX];
        while let Some(entry) = self.journal.read(&mut buffer).unwrap() {
            let cursor = entry.cursor;
            self.journal.commit_durable(cursor).unwrap();
        }
    }

    fn trading_state(&self) -> TradingState {
        self.state.host.state.parts.engine.trading_state().0
    }

    fn live_orders(&self) -> usize {
        self.state
            .host
            .state
            .parts
            .engine
            .orders()
            .live_orders()
            .count()
    }
}

/// An order that a real engine's risk has approved.
pub(crate) fn approved_order() -> Request {
    let mut rig = Rig::new(segment("approved"));
    rig.all_but_a_book();
    rig.book();
    rig.first_order()
}

#[test]
fn decisions_are_counted_with_their_records_and_match_what_leaves() {
    let segment = segment("decided");
    let mut rig = Rig::new(Arc::clone(&segment));
    rig.all_but_a_book();
    rig.book();
    let mut left = rig.placed();
    for _ in 0..20 {
        rig.turn_after(1_000 * MILLISECOND_NS);
        rig.send(Input::Clock(utc_at(rig.now)));
        rig.depth();
        left += rig.placed();
    }
    assert!(left > 0);
    assert_eq!(shown(&segment, crate::wire_check::DECIDED), left as u64);
}

#[test]
fn an_order_whose_intent_found_no_room_is_held_back_and_told_as_not_sent() {
    let segment = segment("hole");
    let mut rig = Rig::new(Arc::clone(&segment));
    rig.all_but_a_book();
    rig.fill_journal();
    rig.book();
    assert_eq!(rig.placed(), 0);
    let held_back = rig.live_orders();
    assert!(held_back > 0, "the strategy wanted to trade");
    rig.turn_after(0);
    assert_eq!(rig.live_orders(), 0, "no order hangs");
    assert_eq!(shown(&segment, "orders_held_back_total"), held_back as u64);

    rig.drain_journal();
    for _ in 0..20 {
        rig.turn_after(1_000 * MILLISECOND_NS);
        rig.send(Input::Clock(utc_at(rig.now)));
        rig.depth();
    }
    assert!(rig.placed() > 0, "there is room again");
}

#[test]
fn a_kill_latches_the_segment_in_its_turn() {
    let segment = segment("kill");
    let mut rig = Rig::new(Arc::clone(&segment));
    rig.all_but_a_book();
    assert!(!segment.kill_latched());
    let mut bytes = [0; 8];
    let length = Command::Kill.to_bytes(&mut bytes).unwrap();
    rig.commands.try_push(KIND, &bytes[..length]).unwrap();
    rig.turn_after(0);
    assert!(segment.kill_latched());
    assert_eq!(rig.trading_state(), TradingState::Killed);
}

#[test]
fn a_latch_of_another_process_kills_and_no_ring_takes_it_back() {
    let segment = segment("latched-from-outside");
    let mut rig = Rig::new(Arc::clone(&segment));
    rig.all_but_a_book();
    segment.latch_kill_keeping_positions();
    // The latches are compared by the upkeep.
    rig.turn_and_upkeep();
    assert_eq!(rig.trading_state(), TradingState::Killed);
    assert!(!segment.kill_closes_positions());
    let damaged = shown(&segment, "damaged_inputs_total");
    let mut bytes = [0; 8];
    let length = Command::Reset.to_bytes(&mut bytes).unwrap();
    rig.commands.try_push(KIND, &bytes[..length]).unwrap();
    rig.turn_and_upkeep();
    assert_eq!(rig.trading_state(), TradingState::Killed);
    assert_eq!(shown(&segment, "damaged_inputs_total"), damaged + 1);
    // The way of a reset: the segment first, then the engine. No upkeep between latches it again.
    assert!(segment.clear_kill(segment.kill_word()));
    rig.turn_and_upkeep();
    assert!(!segment.kill_latched());
    rig.send(Input::Command(Command::Reset));
    rig.turn_and_upkeep();
    rig.turn_and_upkeep();
    assert_eq!(rig.trading_state(), TradingState::Halted);
    assert!(!segment.kill_latched());
}

#[test]
fn a_start_with_a_latched_segment_is_killed_whatever_happens() {
    let segment = segment("latched");
    segment.latch_kill();
    let mut rig = Rig::new(segment);
    let state = &mut rig.state;
    state.host.resume_latch(rig.now, &mut state.rings);
    rig.all_but_a_book();
    rig.send(Input::Command(Command::Start));
    rig.book();
    rig.turn_after(0);
    assert_eq!(rig.trading_state(), TradingState::Killed);
    assert_eq!(rig.placed(), 0);
}

#[test]
fn the_high_watermark_of_a_ring_knows_of_a_small_burst() {
    let segment = segment("burst");
    let mut rig = Rig::new(Arc::clone(&segment));
    let mut bytes = [0; 64];
    let length = encode_input(Input::Time, rig.now, rig.now, &mut bytes).unwrap();
    for _ in 0..3 {
        rig.market.try_push(KIND, &bytes[..length]).unwrap();
    }
    rig.turn_after(0);
    rig.state.show();
    // Two were left when the first was done.
    assert_eq!(shown(&segment, "ring_high_watermark{ring=\"market\"}"), 2);
    assert_eq!(shown(&segment, "ring_depth{ring=\"market\"}"), 0);
}

#[test]
fn a_clock_sample_that_waited_in_its_ring_is_as_old_as_it_is() {
    let mut rig = Rig::new(segment("clock"));
    let mut bytes = [0; 64];
    let sample = Input::Clock(utc_at(rig.now));
    let length = encode_input(sample, rig.now, rig.now, &mut bytes).unwrap();
    rig.cold.try_push(KIND, &bytes[..length]).unwrap();
    rig.turn_after(2_000 * MILLISECOND_NS);
    let known = rig.state.host.state.parts.engine.utc_now();
    assert_eq!(known, utc_at(rig.now), "a stall makes no clock late");
}

#[test]
fn what_the_breakers_remember_is_the_first_input_and_is_handed_on_when_it_changes() {
    let mut rig = Rig::new(segment("breakers"));
    let mut remembered = BreakerState::default();
    remembered.memory.tripped = Breaker::DailyLoss.bit();
    remembered.memory.loss_streak = 3;
    remembered.cooldowns[0] = UtcMs(1_700_000_009_000);
    let state = &mut rig.state;
    state.host.state.parts.remembered = Some(remembered);
    state.host.resume_breakers(rig.now, &mut state.rings);
    rig.all_but_a_book();
    rig.send(Input::Command(Command::Start));
    rig.book();
    let kept = |rig: &mut Rig| {
        rig.turn_after(2 * MILLISECOND_NS);
        let state = &mut rig.state;
        state.host.end_turn(true, rig.now, &mut state.rings);
        state.host.state.parts.checkpoints.breakers.pop()
    };
    let first = kept(&mut rig).expect("the day is known since");
    assert_eq!(rig.trading_state(), TradingState::Reducing);
    assert_eq!(rig.placed(), 0);
    assert_eq!(first.memory.tripped, remembered.memory.tripped);
    assert_eq!(first.cooldowns, remembered.cooldowns);
    let segment = Arc::clone(&rig.state.host.state.parts.segment);
    let cell = "breaker_tripped{breaker=\"DAILY_LOSS\"}";
    assert_eq!(shown(&segment, cell), 1);
    assert_eq!(kept(&mut rig), None, "nothing has changed");
    rig.send(Input::Command(Command::Rearm));
    let cleared = kept(&mut rig).expect("a person has cleared it");
    assert_eq!(cleared.memory.tripped, 0);
    assert_eq!(shown(&segment, cell), 0);
}

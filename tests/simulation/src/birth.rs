//! How a life of the hot path begins: configuration from the seed, a fresh segment, machines.
//!
//! In: the exchange's instruments, the epoch, the latch of the life before. Out: parts. Never: an
//! epoch twice (I2).

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use binance::session::{
    AccountSetup, Governor, LeverageWish, ListenKey, MarketRoute, MarketSession, OrderSession,
    OrderSessionSettings, PrivateStream, Reconciler, ServerTime, SetupWish, Silence, SnapshotQueue,
};
use binance::sign::{Credentials, Signer};
use engine::config::{Frequency, OrdersConfig, RiskConfig, StrategyConfig, StrategyParameters};
use engine::strategy::dummy::DummyParameters;
use engine::strategy::imbalance::{EntryStyle, FlipPolicy, ImbalanceParameters, PartialEntry};
use engine::{Engine, EngineConfig, Outbox};
use hotpath::account_file::AccountStart;
use hotpath::engine_host::{CheckpointQueues, EngineHost, HostParts, InputLogs, Pages};
use hotpath::latency::way_log::way_log;
use hotpath::recorder::Recorder;
use hotpath::server_clock::ServerClock;
use hotpath::telemetry::{EngineCells, Telemetry};
use hotpath::tick_clock::TickClock;
use hotpath::wiring::host_cells;
use ipc::{JournalConsumer, Segment, SegmentLayout, heap_journal, heap_log};
use market::{Instrument, InstrumentId, Instruments, Market, Money, MonoNs, Rate, UtcNs};

use crate::checker::Checker;
use crate::cold::Cold;
use crate::death::Death;
use crate::desk::{Desk, MarketSlot, OrderSlot, PrivateSlot, Wire};
use crate::network::{MS, Place, Role, SECOND};
use crate::random::Random;
use crate::venue::{API_KEY, API_SECRET, START_UTC_NS};

/// Slots of the journal: small, so that one that nobody drains fills within a run.
pub const JOURNAL_SLOTS: usize = 1 << 11;
/// Slots of the logs of inputs; nobody reads them here.
const LOG_SLOTS: usize = 1 << 8;

/// What the file of silences brings over a death.
#[derive(Clone, Debug, Default)]
pub struct Silences {
    /// By market.
    pub rest: [Silence; 2],
    /// By market.
    pub orders: [Silence; 2],
}

/// What a life begins with.
#[derive(Clone, Debug)]
pub struct Birth {
    /// The seed of the run: every life has the same configuration.
    pub seed: u64,
    /// Which life.
    pub life: u32,
    /// When.
    pub now: u64,
    /// The table, as the exchange listed it.
    pub instruments: Vec<Instrument>,
    /// A life before was killed.
    pub latched: bool,
    /// What each market's REST and order connection want of everybody, over deaths.
    pub silences: Silences,
    /// What earlier lives knew of the account.
    pub account: AccountStart,
    /// What its own wall clock is wrong by, before the exchange was asked.
    pub clock_error_ns: i64,
}

/// What it is made of.
pub struct Parts {
    /// Engine and keeping.
    pub host: EngineHost,
    /// Orders.
    pub desk: Desk,
    /// Private streams.
    pub privates: Vec<PrivateSlot>,
    /// Market data.
    pub markets: Vec<MarketSlot>,
    /// Cold work.
    pub cold: Vec<Cold>,
    /// The segment.
    pub segment: Arc<Segment>,
    /// Ends of the input logs.
    pub readers: [JournalConsumer; 2],
    /// Where the host leaves what is to be kept.
    pub checkpoints: Arc<CheckpointQueues>,
}

/// The markets of a table.
#[must_use]
pub fn markets_of(instruments: &[Instrument]) -> Vec<Market> {
    let has = |market: &Market| instruments.iter().any(|one| one.market == *market);
    Market::ALL.iter().copied().filter(has).collect()
}

/// The configuration that a seed draws.
#[must_use]
pub fn configuration(seed: u64, instruments: Vec<Instrument>, epoch: u32) -> EngineConfig {
    let mut random = Random::new(seed, 1);
    let mut config = EngineConfig::new(instruments);
    config.book.window_ticks = 1 << 11;
    config.book.far_levels_max = 1_024;
    config.book.held_updates_max = 128;
    config.book.held_levels_max = 4_096;
    config.orders = OrdersConfig {
        client_id_epoch: epoch,
        capacity: 256,
        open_orders_at_start: if random.chance(500) {
            engine::config::OpenOrdersAtStart::Adopt
        } else {
            engine::config::OpenOrdersAtStart::Cancel
        },
        ..OrdersConfig::default()
    };
    // Others may have been here before us; a person would have said so.
    config.first_start = engine::config::FirstStart::Adopt;
    config.risk = RiskConfig {
        daily_loss_max: Money::from_whole(5_000),
        drawdown_max: Money::from_whole(8_000),
        // A strategy that is latched off would trade no more; a person looks at the account only.
        repeated_executions: NEVER_SO_MANY,
        loss_streak_max: u32::MAX,
        ..RiskConfig::default()
    };
    let ids: Vec<InstrumentId> = config.instruments.iter().map(|one| one.id).collect();
    for (index, id) in ids.into_iter().enumerate() {
        let dummy = index == 0 || random.chance(300);
        if dummy {
            config
                .strategies
                .push(strategy("dummy", id, dummy_of(&mut random)));
        }
        if !dummy || random.chance(400) {
            config
                .strategies
                .push(strategy("imbalance", id, imbalance_of(&mut random)));
        }
    }
    config
}

/// A frequency that nothing reaches.
const NEVER_SO_MANY: Frequency = Frequency {
    count: u32::MAX,
    window_ns: 1,
};

fn strategy(name: &str, id: InstrumentId, parameters: StrategyParameters) -> StrategyConfig {
    StrategyConfig {
        name: format!("{name}-{}", id.0),
        instruments: vec![id],
        parameters,
    }
}

fn dummy_of(random: &mut Random) -> StrategyParameters {
    let interval_ns = random.between(800, 3_000) * MS;
    StrategyParameters::Dummy(DummyParameters {
        interval_ns,
        rest_ns: interval_ns * random.between(300, 900) / 1_000,
        order_notional: Money::from_whole(random.between(150, 900) as i64),
        distance: Rate(random.below(6_000) as i64),
    })
}

fn imbalance_of(random: &mut Random) -> StrategyParameters {
    StrategyParameters::Imbalance(ImbalanceParameters {
        buy_above: Rate(random.between(120, 250) as i64 * 1_000_000),
        sell_below: Rate(random.between(40, 80) as i64 * 1_000_000),
        order_notional: Money::from_whole(random.between(300, 1_500) as i64),
        take_profit: Rate(random.between(20, 200) as i64 * 1_000),
        stop_loss: Rate(random.between(20, 150) as i64 * 1_000),
        signal_exit_after_ns: random.between(1, 5) * SECOND,
        time_exit_after_ns: random.between(5, 40) * SECOND,
        cooldown_ns: random.between(200, 1_000) * MS,
        entry: if random.chance(500) {
            EntryStyle::Maker
        } else {
            EntryStyle::Taker
        },
        on_flip: [FlipPolicy::Exit, FlipPolicy::Reverse, FlipPolicy::Hold]
            [random.below(3) as usize],
        on_partial_entry: if random.chance(500) {
            PartialEntry::Complete
        } else {
            PartialEntry::Keep
        },
        ..ImbalanceParameters::default()
    })
}

/// A small segment whose file is gone already: memory that outlives the process, not the run.
fn segment(instruments: usize, life: u32) -> Segment {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    // Relaxed: a number that is not used twice is all that is asked.
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let file = format!("fulcrum-simulation-{}-{number}", std::process::id());
    let path = std::env::temp_dir().join(file);
    let layout = SegmentLayout {
        journal_slots: 256,
        input_log_slots: 256,
        market_log_slots: 256,
        command_slots: 256,
        instrument_pages: instruments,
        counters: 512,
        histograms: 1,
        identity: "paper binance simulation".to_owned(),
    };
    let segment = Segment::create(&path, &layout, 1, 1, u64::from(life));
    let segment = segment.expect("the folder of temporary files takes a file");
    std::fs::remove_file(&path).expect("just made");
    segment
}

fn credentials() -> Credentials {
    Credentials {
        api_key: API_KEY.to_owned(),
        signer: Signer::from_secret_text(API_SECRET).expect("a secret"),
    }
}

/// Everything of a new life.
#[must_use]
pub fn born(birth: &Birth, checker: Rc<RefCell<Checker>>) -> Parts {
    let config = configuration(birth.seed, birth.instruments.clone(), birth.life);
    checker.borrow_mut().on_birth(birth, &config);
    let segment = Arc::new(segment(birth.instruments.len(), birth.life));
    if birth.latched {
        segment.latch_kill();
    }
    let (journal_in, journal) = heap_journal(JOURNAL_SLOTS);
    let checkpoints = Arc::new(CheckpointQueues::default());
    let (host, readers) = host(config, &segment, journal_in, &checkpoints);
    let host = host.with_account(birth.account);
    let utc = START_UTC_NS + birth.now as i64 + birth.clock_error_ns;
    let clock = ServerClock::new(MonoNs(birth.now), UtcNs(utc));
    let mut parts = Parts {
        host,
        desk: Desk {
            slots: Vec::new(),
            clock,
            instruments: birth.instruments.clone().into(),
            waiting: VecDeque::new(),
            cold: Vec::new(),
            effects: Vec::new(),
            now: MonoNs(birth.now),
            journal,
            checker,
            death: Death::default(),
        },
        privates: Vec::new(),
        markets: Vec::new(),
        cold: Vec::new(),
        segment,
        readers,
        checkpoints,
    };
    for market in markets_of(&birth.instruments) {
        add_market(&mut parts, market, birth);
    }
    parts
}

fn host(
    config: EngineConfig,
    segment: &Arc<Segment>,
    journal: ipc::JournalProducer,
    checkpoints: &Arc<CheckpointQueues>,
) -> (EngineHost, [JournalConsumer; 2]) {
    let telemetry = Telemetry(segment);
    let names: Vec<String> = config
        .strategies
        .iter()
        .map(|one| one.name.clone())
        .collect();
    let cells = EngineCells::new(telemetry, &config.instruments, &names);
    let cells = cells.expect("there are enough cells");
    let (kept, inputs) = heap_journal(LOG_SLOTS);
    let (market, events) = heap_log(LOG_SLOTS);
    let pages = (0..config.instruments.len()).map(|index| {
        let page = segment.instrument_page_writer(index);
        page.expect("a fresh segment has its pages")
    });
    let dropped = telemetry.ring_dropped("ways").expect("a cell is left");
    let host = EngineHost::new(HostParts {
        logs: InputLogs { kept, market },
        pages: Pages {
            instruments: pages.collect(),
            account: segment.account_page_writer().expect("a fresh segment"),
        },
        outbox: Outbox::new(Recorder::new(journal, cells, 1)),
        cells: host_cells(telemetry).expect("cells are left"),
        checkpoints: Arc::clone(checkpoints),
        clock: TickClock::of_kernel().0,
        ways: way_log(64, dropped).0,
        engine: Engine::new(config),
        segment: Arc::clone(segment),
        remembered: None,
    });
    (host, [inputs, events])
}

/// Leverage within the cap of the limits, for futures alone.
fn setups(market: Market, birth: &Birth) -> Vec<SetupWish> {
    let table = birth.instruments.iter();
    let futures = table.filter(|one| one.market == market && market == Market::UsdM);
    let wishes = futures.map(|one| SetupWish {
        instrument: one.id,
        margin_type: None,
        leverage: LeverageWish::AtMost(20),
    });
    wishes.collect()
}

fn add_market(parts: &mut Parts, market: Market, birth: &Birth) {
    let seed = birth.seed.wrapping_add(u64::from(birth.life) << 32);
    let place = |role| Place { market, role };
    parts.desk.slots.push(OrderSlot {
        session: OrderSession::new(OrderSessionSettings {
            market,
            credentials: credentials(),
            recv_window_ms: 1_000,
            reply_timeout_ns: 2 * SECOND,
            seed: seed.wrapping_add(12),
        })
        .with_silence(birth.silences.orders[market as usize].clone()),
        wire: Wire::new(place(Role::Orders)),
    });
    if market == Market::UsdM {
        parts.privates.push(PrivateSlot {
            stream: PrivateStream::new(seed.wrapping_add(11)),
            key: ListenKey::new("ws://exchange"),
            wanted: false,
            call: None,
            wire: Wire::new(place(Role::Private)),
        });
    }
    for route in MarketRoute::of(market) {
        let role = if route.carries_books() {
            Role::Books
        } else {
            Role::Trades
        };
        let table = Instruments(&birth.instruments);
        let session = MarketSession::new(*route, "ws://exchange", &table, 100, seed);
        parts.markets.push(MarketSlot {
            session,
            wire: Wire::new(place(role)),
        });
    }
    let weight = match market {
        Market::UsdM => 2_400,
        Market::Spot => 6_000,
    };
    parts.cold.push(Cold {
        market,
        time: ServerTime::new(market),
        snapshots: SnapshotQueue::new(market, birth.instruments.len(), seed.wrapping_add(21)),
        reconciler: Reconciler::new(market, credentials(), seed.wrapping_add(22)),
        setup: AccountSetup::new(setups(market, birth), credentials(), seed.wrapping_add(24)),
        governor: Governor::new(weight),
        instruments: birth.instruments.clone(),
        numbers: 0,
    });
}

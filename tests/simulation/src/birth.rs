//! How a life of the hot path begins: configuration from the seed, a fresh segment, machines.
//!
//! In: the exchange's instruments, the epoch, the latch and the disk of the life before. Out: parts. Never: an
//! epoch twice (I2).

use std::cell::RefCell;
use std::collections::VecDeque;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use binance::session::{
    AccountSetup, Feed, Governor, Income, LeverageWish, ListenKey, MarketRoute, MarketSession,
    OrderSession, OrderSessionSettings, OrdersOverRest, PrivateStream, Reconciler, ServerTime,
    SetupWish, Silence, SnapshotQueue,
};
use binance::sign::{Credentials, Signer};
use engine::config::{Frequency, OrdersConfig, RiskConfig, StrategyConfig, StrategyParameters};
use engine::strategy::dummy::DummyParameters;
use engine::strategy::imbalance::{EntryStyle, FlipPolicy, ImbalanceParameters, PartialEntry};
use engine::{Engine, EngineConfig, Outbox};
use hotpath::account_file::AccountStart;
use hotpath::breaker_file::BreakerState;
use hotpath::engine_host::{CheckpointQueues, EngineHost, HostParts, InputLogs, Pages};
use hotpath::kill::keeper::KillKeeper;
use hotpath::kill::latch_file::{LatchFile, latch_again};
use hotpath::latency::way_log::way_log;
use hotpath::recorder::Recorder;
use hotpath::server_clock::ServerClock;
use hotpath::telemetry::{EngineCells, Telemetry};
use hotpath::tick_clock::TickClock;
use hotpath::wiring::host_cells;
use ipc::{JournalConsumer, Segment, SegmentLayout, heap_journal, heap_log};
use market::{
    Instrument, InstrumentId, Instruments, Market, Money, MonoNs, Rate, UtcNs, VenueReport,
};

use crate::checker::Checker;
use crate::cold::Cold;
use crate::death::Death;
use crate::desk::{Desk, MarketSlot, OrderSlot, PrivateSlot, Wire};
use crate::disk::Disk;
use crate::emergency::Emergency;
use crate::network::{MS, Place, Role, SECOND};
use crate::protection::Protection;
use crate::random::Random;
use crate::venue::{API_KEY, API_SECRET, START_UTC_NS};

/// Slots of the journal: small, so that one that nobody drains fills within a run.
pub const JOURNAL_SLOTS: usize = 1 << 11;
/// Slots of the logs of inputs; nobody reads them here.
const LOG_SLOTS: usize = 1 << 8;

/// What the file of silences brings over a death.
#[derive(Clone, Debug, Default)]
pub struct Silences {
    /// By market: REST and the order connection share it.
    pub by_market: [Silence; 2],
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
    /// The segment of the life before was latched, with positions closed or kept.
    pub latched: Option<bool>,
    /// What outlived that life.
    pub disk: Rc<RefCell<Disk>>,
    /// What each market wants of everybody who asks it, over deaths.
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
    /// What makes one stream of several, by route.
    pub feeds: Vec<Feed>,
    /// Cold work.
    pub cold: Vec<Cold>,
    /// The segment.
    pub segment: Arc<Segment>,
    /// The kill, and what is kept of the breakers.
    pub guard: Guard,
    /// Ends of the input logs.
    pub readers: [JournalConsumer; 2],
}

/// What the main thread of the process looks after.
pub struct Guard {
    /// The kill.
    pub keeper: KillKeeper,
    /// Where it is made durable.
    pub disk: Rc<RefCell<Disk>>,
    /// Where the pinned thread leaves what the breakers remember.
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
    tighten(&mut config.risk, seed);
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

/// Limits that are met within a run, in some seeds.
fn tighten(risk: &mut RiskConfig, seed: u64) {
    let mut random = Random::new(seed, 5);
    if random.chance(400) {
        risk.position_notional_max = Money::from_whole(random.between(1_100, 2_500) as i64);
    }
    if random.chance(300) {
        risk.order_notional_max = Money::from_whole(random.between(950, 1_400) as i64);
    }
    if random.chance(300) {
        risk.orders_per_10s_max = random.between(14, 30) as u32;
        risk.orders_per_minute_max = 5 * risk.orders_per_10s_max;
    }
    if random.chance(300) {
        risk.daily_loss_max = Money::from_whole(random.between(15, 120) as i64);
    }
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
        take_profit: Rate(random.between(60, 300) as i64 * 1_000),
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
    // As a start of the product does: the last segment first, then the file.
    let found = birth.disk.borrow().latch.clone();
    let noted = found.as_ref().map(|note| !note.keep_positions);
    for closes in birth.latched.into_iter().chain(noted) {
        latch_again(&segment, closes);
    }
    let (journal_in, journal) = heap_journal(JOURNAL_SLOTS);
    let checkpoints = Arc::new(CheckpointQueues::default());
    let remembered = birth.disk.borrow().breakers;
    let parts = (journal_in, Arc::clone(&checkpoints), remembered);
    let (host, readers) = host(config, &segment, parts);
    let host = host.with_account(birth.account);
    let utc = START_UTC_NS + birth.now as i64 + birth.clock_error_ns;
    let clock = ServerClock::new(MonoNs(birth.now), UtcNs(utc));
    let cold: Vec<Cold> = markets_of(&birth.instruments)
        .into_iter()
        .map(|market| cold_side(market, birth))
        .collect();
    let desks = cold.iter().map(|one| Rc::clone(&one.emergency.desk));
    let file = LatchFile::new(Path::new("simulation"), "simulation");
    let disk = Rc::clone(&birth.disk);
    let keeper = KillKeeper::new(
        Arc::clone(&segment),
        file,
        found,
        desks.collect(),
        clock.clone(),
    )
    .with_writer(Box::new(move |_, note| Some(disk.borrow_mut().begin(note))));
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
        feeds: Vec::new(),
        cold,
        segment,
        guard: Guard {
            keeper,
            disk: Rc::clone(&birth.disk),
            checkpoints,
        },
        readers,
    };
    for market in markets_of(&birth.instruments) {
        add_market(&mut parts, market, birth);
    }
    parts
}

fn host(
    config: EngineConfig,
    segment: &Arc<Segment>,
    (journal, checkpoints, remembered): (
        ipc::JournalProducer,
        Arc<CheckpointQueues>,
        Option<BreakerState>,
    ),
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
        checkpoints,
        clock: TickClock::of_kernel().0,
        ways: way_log(64, dropped).0,
        engine: Engine::new(config),
        segment: Arc::clone(segment),
        remembered,
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
    let place = |role| Place {
        market,
        role,
        number: 0,
    };
    parts.desk.slots.push(OrderSlot {
        session: OrderSession::new(OrderSessionSettings {
            market,
            credentials: credentials(),
            recv_window_ms: 1_000,
            reply_timeout_ns: 2 * SECOND,
            seed: seed.wrapping_add(12),
        })
        .with_silence(birth.silences.by_market[market as usize].clone()),
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
        let connections = connections_of(role, birth.seed);
        let feed = parts.feeds.len();
        let table = Instruments(&birth.instruments);
        let count = birth.instruments.len();
        parts
            .feeds
            .push(Feed::new(*route, usize::from(connections), count));
        // One more than are wanted rests.
        for number in 0..=connections {
            let seed = seed.wrapping_add(u64::from(number) << 8);
            let session = MarketSession::relieved(*route, "ws://exchange", &table, 100, seed);
            let session = match day_ns(birth.seed) {
                Some(day_ns) => session.aging(day_ns - OLD_BEFORE_NS, seed),
                None => session,
            };
            let place = Place {
                number,
                ..place(role)
            };
            parts.markets.push(MarketSlot {
                feed,
                session,
                wire: Wire::new(place),
            });
        }
    }
}

/// How many connections of a role work at a time.
#[must_use]
pub fn connections_of(role: Role, seed: u64) -> u8 {
    let doubled = Random::new(seed, 7).chance(DOUBLED_PERMILLE);
    1 + u8::from(doubled && matches!(role, Role::Books | Role::Trades))
}

/// After what time the exchange ends a connection of market data, in seeds that do not wait a day
/// for it.
#[must_use]
pub fn day_ns(seed: u64) -> Option<u64> {
    let mut random = Random::new(seed, 8);
    let day_ns = random.between(80, 240) * SECOND;
    random.chance(300).then_some(day_ns)
}

/// In so many of a thousand seeds market data comes over two connections of each route.
const DOUBLED_PERMILLE: u64 = 400;

/// A connection is replaced so long before its day ends: the half hour that the product leaves.
const OLD_BEFORE_NS: u64 = 30 * SECOND;

/// The cold machines of a market.
fn cold_side(market: Market, birth: &Birth) -> Cold {
    let seed = birth.seed.wrapping_add(u64::from(birth.life) << 32);
    let weight = match market {
        Market::UsdM => 2_400,
        Market::Spot => 6_000,
    };
    let countdown = (countdown_s(birth.seed), weight);
    let (instruments, life) = (&birth.instruments, birth.life);
    Cold {
        market,
        time: ServerTime::new(market),
        snapshots: SnapshotQueue::new(market, birth.instruments.len(), seed.wrapping_add(21)),
        reconciler: Reconciler::new(market, credentials(), seed.wrapping_add(22)),
        setup: AccountSetup::new(setups(market, birth), credentials(), seed.wrapping_add(24)),
        income: (market == Market::UsdM).then(|| Income::new(credentials(), MonoNs(birth.now))),
        governor: Governor::new(weight).sharing(birth.silences.by_market[market as usize].clone()),
        emergency: Emergency::new(market, instruments, credentials(), countdown, life),
        orders: OrdersOverRest::new(credentials()),
        protection: Protection::new(market, instruments, credentials(), (birth.seed, life)),
        venue: VenueReport {
            market,
            silent_until: MonoNs(0),
            banned_until: MonoNs(0),
            maintenance: false,
        },
        instruments: birth.instruments.clone(),
        numbers: 0,
    }
}

/// The countdown at the exchange that a seed draws; 0 for none.
#[must_use]
pub fn countdown_s(seed: u64) -> u64 {
    [0, 10, 30, 120][Random::new(seed, 4).below(4) as usize]
}

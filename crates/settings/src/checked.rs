//! The file as checked: every key with its unit, range and default.
//!
//! In: the sections of the file. Out: [`Settings`] that the processes use without further doubt.
//! Never: ticks and lots; those belong to instruments, which only the exchange knows.

use crate::emergency::EmergencySettings;
use crate::keys::{Catalogue, Key};
use crate::limits::Ceilings;
use crate::log::LogSettings;
use crate::market_data::MarketDataSettings;
use crate::paper::PaperSettings;
use crate::protective_stop::ProtectiveStopSettings;
use crate::risk::RiskSettings;
use crate::strategies::StrategySettings;
use crate::venue::VenueSettings;
use crate::written::{Problem, Section, SettingsError, parse};
use market::{Market, Rate, Symbol};
use sha2::{Digest, Sha256};
use std::path::Path;

/// Largest number of instruments of one engine.
const INSTRUMENTS_MAX: usize = 64;

/// What real money is at stake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The simulated exchange.
    Paper,
    /// The exchange's own test network.
    Testnet,
    /// Real money.
    Live,
}

impl Mode {
    /// As files and the ledger write it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Paper => "paper",
            Self::Testnet => "testnet",
            Self::Live => "live",
        }
    }
}

/// How bytes reach the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HotIo {
    /// The pinned thread reads and writes the hot sockets itself.
    Inline,
    /// Gateways on their own threads, rings to the engine.
    Threads,
}

/// Who makes the TLS records of the hot sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HotTls {
    /// This process.
    Rustls,
    /// The kernel, where it can; else this process.
    Kernel,
}

/// What the engine thread does while nothing comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineWait {
    /// Polls without pause: lowest latency, one whole core.
    Spin,
    /// Gives the core away between polls: for small machines.
    Yield,
}

/// What happens to our own orders that a start finds at the exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenOrdersAtStart {
    /// They are cancelled.
    Cancel,
    /// They go on under the engine's care.
    Adopt,
}

/// The hot path process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HotPathSettings {
    /// How bytes reach the engine.
    pub hot_io: HotIo,
    /// Who makes the TLS records, where the engine's thread has the sockets.
    pub hot_tls: HotTls,
    /// Core of the engine thread; `None`: the last one.
    pub engine_core: Option<usize>,
    /// What it does while nothing comes.
    pub engine_wait: EngineWait,
    /// Time between checkpoints of the engine's state.
    pub checkpoint_minutes: u64,
    /// The way of an order is rehearsed this often while nothing comes, in microseconds; 0: never.
    pub rehearse_every_us: u64,
    /// How long control may be gone before REDUCING.
    pub control_grace_s: u64,
    /// Slots of 64 bytes that the journal has, a power of two: what is not durable yet.
    pub journal_slots: u64,
    /// ACTIVE at once after reconciliation, or HALTED until the operator's `start`.
    pub start_active: bool,
    /// Starts without a clean end, in the window, behind which one waits for the operator; 0: never.
    pub crash_loop_starts: u64,
    /// The window.
    pub crash_loop_window_s: u64,
    /// What happens to our orders that a start finds.
    pub open_orders_at_start: OpenOrdersAtStart,
    /// What the first start on an account does when it has positions or orders.
    pub first_start: FirstStart,
    /// What happens to open orders of others.
    pub external_orders: ExternalOrders,
}

/// What the first start on an account does when it has positions or orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstStart {
    /// HALTED until a person has decided.
    Refuse,
    /// They are ours from now on.
    Adopt,
    /// They are left to their owner.
    Ignore,
}

/// What happens to open orders of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExternalOrders {
    /// They are shown and left alone.
    Ignore,
    /// They are cancelled.
    Cancel,
}

/// Which margin type an instrument is to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarginType {
    /// Whatever it has.
    Leave,
    /// The whole wallet stands behind a position.
    Crossed,
    /// Only what was put aside for it.
    Isolated,
}

/// How a futures instrument is to be set up at the exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetupSettings {
    /// Margin type.
    pub margin_type: MarginType,
    /// Leverage; `None`: any up to the risk cap, and one above it is lowered to it.
    pub leverage: Option<u32>,
}

/// An instrument to trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InstrumentKey {
    /// Futures or spot.
    pub market: Market,
    /// Symbol, as the exchange writes it.
    pub symbol: Symbol,
}

/// Order books and signals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BookSettings {
    /// Ticks of the window of each side, a power of two.
    pub window_ticks: u64,
    /// Age at which a book is stale.
    pub stale_after_ms: u64,
    /// Whether bookTicker sharpens the book between depth events.
    pub fusion: bool,
    /// Levels of each side in the imbalance.
    pub signal_levels: u64,
}

/// Fee rates for break-even figures; fills carry their own fees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeeSettings {
    /// Maker.
    pub maker: Rate,
    /// Taker.
    pub taker: Rate,
}

/// How orders live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderSettings {
    /// A resting futures order that is wanted otherwise is amended; else cancelled and placed anew.
    pub amend: bool,
}

/// The control process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlSettings {
    /// Address of `/metrics`.
    pub metrics_listen: String,
    /// Address of the API and `/health`.
    pub api_listen: String,
    /// Names under which the API is asked for, beside addresses and `localhost`.
    pub api_hosts: Vec<String>,
    /// Paper trading is looked at from this machine without a key.
    pub open_paper_read: bool,
    /// Bad keys make their address wait.
    pub lock_out: bool,
}

/// A configuration without doubt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Paper, testnet or live.
    pub mode: Mode,
    /// Name of the account; part of paths and labels.
    pub account: String,
    /// The exchange.
    pub venue: VenueSettings,
    /// How market data comes.
    pub market_data: MarketDataSettings,
    /// The venue of paper trading.
    pub paper: PaperSettings,
    /// The hot path process.
    pub hot_path: HotPathSettings,
    /// What to trade, at most 64.
    pub instruments: Vec<InstrumentKey>,
    /// How each of them is to be set up, in the same order.
    pub setups: Vec<SetupSettings>,
    /// Books and signals.
    pub book: BookSettings,
    /// Who trades.
    pub strategies: Vec<StrategySettings>,
    /// Limits.
    pub risk: RiskSettings,
    /// How orders live.
    pub orders: OrderSettings,
    /// Fee rates.
    pub fees: FeeSettings,
    /// The control process.
    pub control: ControlSettings,
    /// The log of both processes.
    pub log: LogSettings,
    /// Kill, stop, countdown, reset.
    pub emergency: EmergencySettings,
    /// The stop at the exchange.
    pub protective_stop: ProtectiveStopSettings,
    /// SHA-256 of the file's bytes.
    pub sha256: [u8; 32],
}

impl Settings {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// [`SettingsError`] shows every problem with its line.
    pub fn read(path: &Path) -> Result<Self, SettingsError> {
        let file = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => Self::check(&file, &text),
            Err(source) => Err(SettingsError::Unreadable { file, source }),
        }
    }

    /// Checks the text of a file, within the ceilings of this build.
    ///
    /// # Errors
    /// [`SettingsError`] shows every problem with its line.
    pub fn check(file: &str, text: &str) -> Result<Self, SettingsError> {
        Self::check_within(file, text, &Ceilings::of_this_build())
    }

    /// Checks the text of a file, within `ceilings`.
    ///
    /// # Errors
    /// [`SettingsError`] shows every problem with its line.
    pub fn check_within(
        file: &str,
        text: &str,
        ceilings: &Ceilings,
    ) -> Result<Self, SettingsError> {
        Ok(Self::catalogue(file, text, ceilings)?.0)
    }

    /// Checks the text of a file, and lists every key of it with its form, default and value.
    ///
    /// # Errors
    /// [`SettingsError`] shows every problem with its line.
    pub fn catalogue(
        file: &str,
        text: &str,
        ceilings: &Ceilings,
    ) -> Result<(Self, Vec<Key>), SettingsError> {
        let document = parse(file, text)?;
        let mut problems = Vec::new();
        let catalogue = Catalogue::new();
        let root = Section::root(text, document.as_table(), catalogue.clone());
        let settings = check_root(text, root, ceilings, &mut problems);
        if problems.is_empty() {
            return Ok((settings, catalogue.take()));
        }
        problems.sort_by_key(|one| one.line);
        Err(SettingsError::Invalid {
            file: file.to_string(),
            problems,
        })
    }

    /// First eight bytes of the file's hash, as journal records carry it.
    #[must_use]
    pub fn short_hash(&self) -> u64 {
        u64::from_be_bytes(self.sha256[..8].try_into().expect("32 bytes hold 8"))
    }
}

fn check_fees(mut section: Section<'_>, problems: &mut Vec<Problem>) -> FeeSettings {
    let fees = FeeSettings {
        maker: Rate(section.decimal("maker_ratio", "0.0002", ("0", "0.01"), problems)),
        taker: Rate(section.decimal("taker_ratio", "0.0005", ("0", "0.01"), problems)),
    };
    section.finish(problems);
    fees
}

fn check_control(
    mut section: Section<'_>,
    mode: Mode,
    problems: &mut Vec<Problem>,
) -> ControlSettings {
    let (metrics, api) = ("127.0.0.1:9464", "127.0.0.1:8080");
    let control = ControlSettings {
        metrics_listen: listen(&mut section, "metrics_listen", metrics, problems),
        api_listen: listen(&mut section, "api_listen", api, problems),
        api_hosts: hosts(&mut section, problems),
        open_paper_read: section.flag("open_paper_read", true, problems),
        lock_out: section.flag("lock_out", true, problems),
    };
    if !control.lock_out && mode != Mode::Paper {
        section.reject("lock_out", "true, unless mode is paper", problems);
    }
    section.finish(problems);
    control
}

fn check_root(
    text: &str,
    mut root: Section<'_>,
    ceilings: &Ceilings,
    problems: &mut Vec<Problem>,
) -> Settings {
    let modes = [
        ("paper", Mode::Paper),
        ("testnet", Mode::Testnet),
        ("live", Mode::Live),
    ];
    let mode = root.word("mode", Mode::Paper, &modes, problems);
    let account = check_account(&mut root, problems);
    check_live_confirmation(&mut root, mode, &account, problems);
    let venue_section = root.section("venue", problems);
    let venue = VenueSettings::check(venue_section, mode, problems);
    let market_data_section = root.section("market_data", problems);
    let market_data = MarketDataSettings::check(market_data_section, mode, problems);
    let paper_section = root.section("paper", problems);
    let paper = PaperSettings::check(paper_section, mode, &venue, problems);
    let hot_path_section = root.section("hot_path", problems);
    let hot_path = check_hot_path(hot_path_section, problems);
    let (instruments, setups) = check_instruments(&mut root, problems);
    let book_section = root.section("book", problems);
    let book = check_book(book_section, problems);
    let mut strategies = Vec::new();
    for section in root.sections("strategy", problems) {
        strategies.push(StrategySettings::check(section, &instruments, problems));
    }
    let risk_section = root.section("risk", problems);
    let risk = RiskSettings::check(risk_section, ceilings, problems);
    let fee_section = root.section("fees", problems);
    let fees = check_fees(fee_section, problems);
    let control_section = root.section("control", problems);
    let control = check_control(control_section, mode, problems);
    let log_section = root.section("log", problems);
    let log = LogSettings::check(log_section, problems);
    let mut orders_section = root.section("orders", problems);
    let orders = OrderSettings {
        amend: orders_section.flag("amend", true, problems),
    };
    orders_section.finish(problems);
    let emergency_section = root.section("emergency", problems);
    let emergency = EmergencySettings::check(emergency_section, problems);
    let stop_section = root.section("protective_stop", problems);
    let protective_stop = ProtectiveStopSettings::check(stop_section, &strategies, problems);
    root.finish(problems);
    let sha256 = Sha256::digest(text.as_bytes()).into();
    Settings {
        mode,
        account,
        venue,
        market_data,
        paper,
        hot_path,
        instruments,
        setups,
        book,
        strategies,
        risk,
        orders,
        fees,
        control,
        log,
        emergency,
        protective_stop,
        sha256,
    }
}

fn check_account(root: &mut Section<'_>, problems: &mut Vec<Problem>) -> String {
    let account = root.text("account", "default", problems);
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if account.is_empty() || account.len() > 32 || !account.bytes().all(plain) {
        root.reject("account", "1 to 32 of a-z, 0-9 and -", problems);
    }
    account
}

fn check_live_confirmation(
    root: &mut Section<'_>,
    mode: Mode,
    account: &str,
    problems: &mut Vec<Problem>,
) {
    let confirmed = root.text("live_account", "", problems);
    if mode == Mode::Live && confirmed != account {
        let allowed = format!("\"{account}\", to confirm that this account trades real money");
        root.reject("live_account", &allowed, problems);
    }
}

fn check_hot_path(mut section: Section<'_>, problems: &mut Vec<Problem>) -> HotPathSettings {
    let ways = [("inline", HotIo::Inline), ("threads", HotIo::Threads)];
    let makers = [("rustls", HotTls::Rustls), ("kernel", HotTls::Kernel)];
    let waits = [("spin", EngineWait::Spin), ("yield", EngineWait::Yield)];
    let policies = [
        ("cancel", OpenOrdersAtStart::Cancel),
        ("adopt", OpenOrdersAtStart::Adopt),
    ];
    let journal_slots = section.whole("journal_slots", 65_536, (1_024, 1_048_576), problems);
    if !journal_slots.is_power_of_two() {
        let allowed = "a power of two from 1024 to 1048576";
        section.reject("journal_slots", allowed, problems);
    }
    let first = [
        ("refuse", FirstStart::Refuse),
        ("adopt", FirstStart::Adopt),
        ("ignore", FirstStart::Ignore),
    ];
    let external = [
        ("ignore", ExternalOrders::Ignore),
        ("cancel", ExternalOrders::Cancel),
    ];
    let core = section.whole_if_any("engine_core", (0, 1_023), problems);
    let settings = HotPathSettings {
        hot_io: section.word("hot_io", HotIo::Inline, &ways, problems),
        hot_tls: section.word("hot_tls", HotTls::Rustls, &makers, problems),
        engine_core: core.map(|core| core as usize),
        engine_wait: section.word("engine_wait", EngineWait::Spin, &waits, problems),
        checkpoint_minutes: section.whole("checkpoint_minutes", 10, (1, 1_440), problems),
        rehearse_every_us: section.whole("rehearse_every_us", 1_000, (0, 1_000_000), problems),
        control_grace_s: section.whole("control_grace_s", 60, (1, 3_600), problems),
        journal_slots,
        start_active: section.flag("start_active", true, problems),
        crash_loop_starts: section.whole("crash_loop_starts", 5, (0, 99), problems),
        crash_loop_window_s: section.whole("crash_loop_window_s", 300, (1, 86_400), problems),
        open_orders_at_start: section.word(
            "open_orders_at_start",
            OpenOrdersAtStart::Cancel,
            &policies,
            problems,
        ),
        first_start: section.word("first_start", FirstStart::Refuse, &first, problems),
        external_orders: section.word(
            "external_orders",
            ExternalOrders::Ignore,
            &external,
            problems,
        ),
    };
    section.finish(problems);
    settings
}

fn check_instruments(
    root: &mut Section<'_>,
    problems: &mut Vec<Problem>,
) -> (Vec<InstrumentKey>, Vec<SetupSettings>) {
    let markets = [("usdm", Market::UsdM), ("spot", Market::Spot)];
    let mut instruments: Vec<InstrumentKey> = Vec::new();
    let mut setups = Vec::new();
    for mut section in root.sections("instrument", problems) {
        let market = section.word("market", Market::UsdM, &markets, problems);
        let text = section.required_text("symbol", problems);
        let setup = check_setup(&mut section, market, problems);
        match Symbol::new(text.as_bytes()) {
            Some(symbol) if !symbol.is_empty() => {
                let key = InstrumentKey { market, symbol };
                if instruments.contains(&key) {
                    section.reject("symbol", "each symbol of a market once", problems);
                } else {
                    instruments.push(key);
                    setups.push(setup);
                }
            }
            _ => section.reject("symbol", "1 to 32 bytes of text", problems),
        }
        section.finish(problems);
    }
    if instruments.is_empty() || instruments.len() > INSTRUMENTS_MAX {
        root.reject(
            "instrument",
            "1 to 64 tables written [[instrument]]",
            problems,
        );
    }
    (instruments, setups)
}

/// Spot has neither margin types nor leverage.
fn check_setup(
    section: &mut Section<'_>,
    market: Market,
    problems: &mut Vec<Problem>,
) -> SetupSettings {
    let types = [
        ("leave", MarginType::Leave),
        ("crossed", MarginType::Crossed),
        ("isolated", MarginType::Isolated),
    ];
    let margin_type = section.word("margin_type", MarginType::Leave, &types, problems);
    let leverage = section.whole("leverage", 0, (0, 125), problems);
    if market == Market::Spot && margin_type != MarginType::Leave {
        section.reject("margin_type", "only where market is \"usdm\"", problems);
    }
    if market == Market::Spot && leverage != 0 {
        section.reject("leverage", "only where market is \"usdm\"", problems);
    }
    SetupSettings {
        margin_type,
        leverage: u32::try_from(leverage).ok().filter(|one| *one > 0),
    }
}

fn check_book(mut section: Section<'_>, problems: &mut Vec<Problem>) -> BookSettings {
    let window_ticks = section.whole("window_ticks", 65_536, (1_024, 1_048_576), problems);
    if !window_ticks.is_power_of_two() {
        section.reject(
            "window_ticks",
            "a power of two from 1024 to 1048576",
            problems,
        );
    }
    let settings = BookSettings {
        window_ticks,
        stale_after_ms: section.whole("stale_after_ms", 3_000, (100, 60_000), problems),
        fusion: section.flag("fusion", true, problems),
        signal_levels: section.whole("signal_levels", 5, (1, 50), problems),
    };
    section.finish(problems);
    settings
}

/// Names under which the API is asked for.
fn hosts(section: &mut Section<'_>, problems: &mut Vec<Problem>) -> Vec<String> {
    let hosts = section.texts("api_hosts", problems);
    let plain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
    let is_name = |host: &String| !host.is_empty() && host.bytes().all(plain);
    if !hosts.iter().all(is_name) {
        let allowed = "a list of host names, of a-z, 0-9, - and dots, without a port";
        section.reject("api_hosts", allowed, problems);
    }
    hosts
}

fn listen(
    section: &mut Section<'_>,
    key: &str,
    default: &str,
    problems: &mut Vec<Problem>,
) -> String {
    let value = section.text(key, default, problems);
    if value.parse::<std::net::SocketAddr>().is_err() {
        section.reject(
            key,
            "an address and port, such as \"127.0.0.1:9464\"",
            problems,
        );
    }
    value
}

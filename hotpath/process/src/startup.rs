//! What is settled before anything runs: settings, keys, instruments, state, segment.
//!
//! In: the command line. Out: a [`Start`]. Never: an order; the epoch is durable when this ends.

use crate::accepted;
use crate::account_file::{AccountFile, AccountStart};
use crate::breaker_file::{BreakerFile, BreakerState};
use crate::configuration::{engine_config, instruments, strategy_changes};
use crate::crash_loop::Starts;
use crate::engine_host::StartVersion;
use crate::failure::Failure;
use crate::gateway::rest::{RestClient, remaining};
use crate::gateway::socket::Dialer;
use crate::kill::latch_file::{LatchFile, LatchNote, latch_again};
use crate::silence_file::SilenceFile;
use crate::start_file;
use crate::state_directory::{StateDirectory, write_durably};
use crate::state_identity;
use crate::{clock, pinning};
use binance::rest::{ExchangeInfo, exchange_info, parse_exchange_info};
use binance::session::{HttpRequest, ListingDoubt, SECOND_NS};
use binance::sign::{Credentials, Signer};
use engine::Engine;
use ipc::{InstanceLock, Segment, SegmentLayout};
use market::{Breaker, Instrument, Market, MonoNs};
use settings::{Active, Ceilings, Configuration, NewVersion, Settings, VenueSettings, Versions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// As versions name the build that accepted them.
const BUILD: &str = match option_env!("FULCRUM_REVISION") {
    Some(revision) => revision,
    None => env!("CARGO_PKG_VERSION"),
};

/// The command line.
#[derive(Clone, Debug)]
pub struct Options {
    /// The one TOML.
    pub config: PathBuf,
    /// Where state lives.
    pub state_dir: PathBuf,
    /// The ceilings; none: `/etc/fulcrum/ceilings.toml` where it is there.
    pub ceilings: Option<PathBuf>,
    /// Overrides the account of the settings.
    pub account: Option<String>,
    /// Allocations that the engine thread makes on purpose.
    pub inject_allocation: u64,
    /// Abort when the engine thread allocates.
    pub abort_on_allocation: bool,
}

/// Everything settled.
pub struct Start {
    /// When the process began with it.
    pub began: MonoNs,
    /// As checked.
    pub settings: Settings,
    /// What bounds the limits for this life of the process.
    pub ceilings: Ceilings,
    /// The same with every key.
    pub configuration: Configuration,
    /// Which version it is.
    pub version: StartVersion,
    /// Key and secret.
    pub credentials: Credentials,
    /// Opens sockets.
    pub dialer: Dialer,
    /// The table.
    pub instruments: Arc<[Instrument]>,
    /// Size of the engine's first checkpoint in bytes.
    pub checkpoint_bytes: usize,
    /// This start's segment.
    pub segment: Arc<Segment>,
    /// Folder of the input log.
    pub folder: PathBuf,
    /// The engine's core.
    pub core: core_affinity::CoreId,
    /// Weight limits by market, as the exchange states them.
    pub weight_limits: Vec<(Market, u32)>,
    /// Where the breakers' memory is kept.
    pub breaker_file: BreakerFile,
    /// What they remember of an earlier start.
    pub remembered: Option<BreakerState>,
    /// Where what is known of the account is kept.
    pub account_file: AccountFile,
    /// What was known of it.
    pub account_start: AccountStart,
    /// Where the silences that the exchange wants are kept.
    pub silence_file: SilenceFile,
    /// Raised by each market's order connection, looked into by its cold side.
    pub listing_doubts: [ListingDoubt; 2],
    /// Name of the account.
    pub account: String,
    /// Its state.
    pub state: StateDirectory,
    /// This start and those before it that had no clean end.
    pub starts: Starts,
    /// Of this start; no order of an earlier one carries it.
    pub epoch: u32,
    /// Where the kill latch is kept, and what this start found there.
    pub latch: (LatchFile, Option<LatchNote>),
    /// Held while the process lives (I30).
    pub lock: InstanceLock,
}

impl Start {
    /// Settles everything, with the engine before its first event. `runtime` is used for the first
    /// requests to the exchange.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn new(
        options: &Options,
        runtime: &tokio::runtime::Runtime,
    ) -> Result<(Self, Engine), Failure> {
        let began = clock::monotonic();
        let ceilings = ceilings(options.ceilings.as_deref())?;
        let active = active_version(options, &ceilings)?;
        let (text, mut settings) = (&active.text, active.configuration.settings.clone());
        service::log::follow(&settings.log, false);
        let account = &options
            .account
            .clone()
            .unwrap_or_else(|| settings.account.clone());
        let core = choose_core(&settings)?;
        let credentials = credentials(&settings, &options.config)?;
        let state = StateDirectory::open(&options.state_dir, account)?;
        let lock = state.lock()?;
        let mode = settings.mode.word();
        state_identity::claim(&options.state_dir, account, mode)?;
        accepted::keep(&options.state_dir, account, text)?;
        let starts = note_start(options, account, &mut settings)?;
        state.refuse_foreign_segments(&identity(mode, account))?;
        let (dialer, silence_file) = dialer(&settings.venue, &options.state_dir, account)?;
        let listed = ask_exchange(&settings, &dialer, runtime)?;
        let table = instruments(&settings, &listed).map_err(Failure::Configuration)?;
        let (breaker_file, remembered) = breakers(&settings, &options.state_dir, account, &table)?;
        let (account_file, account_start) =
            known_account(&settings, &options.state_dir, account, &table)?;
        let epoch = state.next_epoch(clock::utc())?;
        let generation = state.next_generation()?;
        let engine = Engine::new(engine_config(&settings, table.clone(), epoch));
        let folder = state.input_log(generation);
        let checkpoint_bytes = begin_log(&folder, &engine)?;
        let start_active = settings.hot_path.start_active;
        start_file::write(&folder, text, &table, epoch, start_active)?;
        let file = LatchFile::new(&options.state_dir, account);
        let latch = (file.clone(), file.read());
        let segment = new_segment(&settings, &state, account, table.len(), generation)?;
        latch_from_disk(&segment, &file, latch.1.as_ref());
        tell_start(&active, generation, epoch, table.len());
        let version = start_version(&active);
        let start = Self {
            began,
            settings,
            ceilings,
            configuration: active.configuration,
            version,
            credentials,
            dialer,
            instruments: table.into(),
            checkpoint_bytes,
            segment: Arc::new(segment),
            folder,
            core,
            weight_limits: weight_limits(&listed),
            breaker_file,
            remembered,
            account_file,
            account_start,
            silence_file,
            listing_doubts: Default::default(),
            account: account.clone(),
            starts,
            state,
            epoch,
            latch,
            lock,
        };
        Ok((start, engine))
    }

    /// The markets that have instruments.
    #[must_use]
    pub fn markets(&self) -> Vec<Market> {
        markets(&self.settings)
    }
}

fn tell_start(active: &Active, generation: u64, epoch: u32, instruments: usize) {
    let (account, version) = (&active.configuration.settings.account, active.note.version);
    tracing::info!(generation, epoch, account, version, instruments, "start");
}

/// The engine's core.
fn choose_core(settings: &Settings) -> Result<core_affinity::CoreId, Failure> {
    let core = pinning::choose(settings.hot_path.engine_core)?;
    if let Some(complaint) = pinning::complaint() {
        tracing::warn!("{complaint}");
    }
    Ok(core)
}

/// Makes the folder of the input log with the first checkpoint; its size.
fn begin_log(folder: &Path, engine: &Engine) -> Result<usize, Failure> {
    std::fs::create_dir_all(folder)?;
    let mut first = Vec::new();
    engine.save(&mut first);
    write_durably(&folder.join("checkpoint-0.bin"), &first)?;
    Ok(first.len())
}

/// Too many starts without a clean end wait for a person.
fn note_start(
    options: &Options,
    account: &str,
    settings: &mut Settings,
) -> Result<Starts, Failure> {
    let starts = Starts::note(&options.state_dir, account, clock::utc())?;
    if starts.is_loop(&settings.hot_path) {
        tracing::error!(
            starts = starts.within(settings.hot_path.crash_loop_window_s),
            "CRASH_LOOP: too many starts without a clean end; HALTED until `fulcrum start`"
        );
        settings.hot_path.start_active = false;
    }
    Ok(starts)
}

/// What the engine is told of it.
fn start_version(active: &Active) -> StartVersion {
    let settings = &active.configuration.settings;
    StartVersion {
        version: active.note.version,
        config_hash: settings.short_hash(),
        strategies: strategy_changes(settings),
    }
}

/// The configuration that holds: the file, where it has changed, or what was accepted since.
fn active_version(options: &Options, ceilings: &Ceilings) -> Result<Active, Failure> {
    let file = options.config.display().to_string();
    let text = match std::fs::read_to_string(&options.config) {
        Ok(text) => text,
        Err(source) => return Err(settings::SettingsError::Unreadable { file, source }.into()),
    };
    let by = NewVersion {
        text: &text,
        build: BUILD,
        who: "fulcrum-hotpath",
        utc_ms: clock::utc().to_ms().0,
        origin: &file,
    };
    let active = Versions::of(&options.state_dir).settle(&options.config, &by, ceilings)?;
    for (version, why) in &active.passed_over {
        tracing::warn!(
            version,
            "CONFIG_CHANGED: this version does not count: {why}"
        );
    }
    Ok(active)
}

fn markets(settings: &Settings) -> Vec<Market> {
    let all = Market::ALL.iter().copied();
    all.filter(|market| settings.instruments.iter().any(|one| one.market == *market))
        .collect()
}

/// Base URLs of a market: REST, streams, WebSocket API.
#[must_use]
pub fn urls(venue: &VenueSettings, market: Market) -> (&str, &str, &str) {
    match market {
        Market::UsdM => (
            &venue.usdm_rest_url,
            &venue.usdm_stream_url,
            &venue.usdm_ws_api_url,
        ),
        Market::Spot => (
            &venue.spot_rest_url,
            &venue.spot_stream_url,
            &venue.spot_ws_api_url,
        ),
    }
}

fn ask_exchange(
    settings: &Settings,
    dialer: &Dialer,
    runtime: &tokio::runtime::Runtime,
) -> Result<Vec<(Market, ExchangeInfo)>, Failure> {
    let mut listed = Vec::new();
    for market in markets(settings) {
        let (rest_url, ..) = urls(&settings.venue, market);
        let rest = RestClient::new(dialer.clone(), rest_url, "")?;
        let request = HttpRequest {
            call: exchange_info(market),
            deadline: clock::monotonic().after(20 * SECOND_NS),
        };
        let local = tokio::task::LocalSet::new();
        wait_out_silence(dialer, rest_url, runtime);
        let response = local
            .block_on(runtime, rest.send(&request))
            .ok_or_else(|| {
                Failure::Exchange(format!("no answer from {rest_url}{}", request.call.path))
            })?;
        let reply = response.as_reply();
        if reply.status != 200 {
            let status = reply.status;
            return Err(Failure::Exchange(format!("{rest_url} answers {status}")));
        }
        let info = parse_exchange_info(reply.body, market)
            .map_err(|error| Failure::Exchange(format!("exchangeInfo of {rest_url}: {error}")))?;
        listed.push((market, info));
    }
    Ok(listed)
}

/// Who opens sockets, with the silences that an earlier start was told of.
fn dialer(
    venue: &VenueSettings,
    state_dir: &Path,
    account: &str,
) -> Result<(Dialer, SilenceFile), Failure> {
    let urls = [
        venue.usdm_rest_url.as_str(),
        &venue.usdm_stream_url,
        &venue.usdm_ws_api_url,
        &venue.spot_rest_url,
        &venue.spot_stream_url,
        &venue.spot_ws_api_url,
    ];
    let dialer = Dialer::new(venue.ca_file.as_deref(), &urls)?;
    for market in [Market::UsdM, Market::Spot] {
        let (rest_url, _, ws_api_url) = self::urls(venue, market);
        if let (Ok(rest), Ok(ws_api)) = (rest_url.parse(), ws_api_url.parse()) {
            dialer.join_silences(&rest, &ws_api);
        }
    }
    let mut silence_file = SilenceFile::new(state_dir, account);
    for (host, until) in silence_file.read(clock::monotonic(), clock::utc()) {
        tracing::error!(host, "API_BANNED: an earlier start was told to be silent");
        dialer.hold(&host, until);
    }
    Ok((dialer, silence_file))
}

/// A ban that an earlier start was told of is waited for: an exit would only start the next one.
fn wait_out_silence(dialer: &Dialer, rest_url: &str, runtime: &tokio::runtime::Runtime) {
    let Ok(uri) = rest_url.parse() else { return };
    let silence = dialer.silence_of(&uri);
    while let Some(until) = silence.until(clock::monotonic()) {
        let left = remaining(until);
        tracing::warn!(
            seconds = left.as_secs(),
            "API_BANNED: nothing is sent before its end"
        );
        let pause = left.min(Duration::from_secs(60));
        runtime.block_on(async { tokio::time::sleep(pause).await });
    }
}

/// What earlier starts knew of the account, and where it is kept.
fn known_account(
    settings: &Settings,
    state_dir: &Path,
    account: &str,
    table: &[Instrument],
) -> Result<(AccountFile, AccountStart), Failure> {
    let venue = match settings.mode {
        settings::Mode::Paper => "the simulated exchange".to_string(),
        settings::Mode::Testnet | settings::Mode::Live => {
            let urls = markets(settings).into_iter();
            let urls = urls.map(|market| self::urls(&settings.venue, market).0);
            urls.collect::<Vec<_>>().join(" and ")
        }
    };
    let mode = settings.mode.word();
    let file = AccountFile::new(state_dir, account, &venue, mode, table);
    let start = file.read()?;
    if start == AccountStart::First {
        tracing::info!(account, mode, "no earlier start knows this account");
    }
    Ok((file, start))
}

fn weight_limits(listed: &[(Market, ExchangeInfo)]) -> Vec<(Market, u32)> {
    let limit = |(market, info): &(Market, ExchangeInfo)| {
        let default = match market {
            Market::UsdM => 2_400,
            Market::Spot => 6_000,
        };
        let stated = info
            .limits
            .iter()
            .find(|one| !one.orders && one.window_s == 60);
        (*market, stated.map_or(default, |one| one.limit))
    };
    listed.iter().map(limit).collect()
}

/// This start's segment, with the kill latch of the last one that ran.
fn new_segment(
    settings: &Settings,
    state: &StateDirectory,
    account: &str,
    instruments: usize,
    generation: u64,
) -> Result<Segment, Failure> {
    let path = state.segment(generation);
    let latched = state.latched_segment()?;
    let layout = layout(settings, account, instruments);
    let config_hash = settings.short_hash();
    let segment = Segment::create(&path, &layout, build_id(), config_hash, generation)?;
    if let Some((from, closes)) = latched {
        latch_again(&segment, closes);
        let (from, here) = (from.display(), path.display());
        tracing::error!(%from, %here, "KILL_LATCHED: a start was killed, so is this one");
    }
    if let Err(error) = segment.lock_in_memory() {
        tracing::warn!(%error, "the segment is not locked in memory; raise LimitMEMLOCK");
    }
    Ok(segment)
}

/// The latch file holds where the segment is gone, such as after a power cut.
fn latch_from_disk(segment: &Segment, file: &LatchFile, note: Option<&LatchNote>) {
    let Some(note) = note else {
        return;
    };
    latch_again(segment, !note.keep_positions);
    let from = file.path();
    tracing::error!(from = %from.display(), reason = note.reason, "KILL_LATCHED by the latch file");
}

/// Of the whole process: stages by market and stream, replies by market and request.
const HISTOGRAMS_FIXED: usize = 160;

/// Tick to order by stream and source.
const HISTOGRAMS_PER_INSTRUMENT: usize = 9;

/// The file of the breakers' memory, and what an earlier start left in it.
fn breakers(
    settings: &Settings,
    state_dir: &Path,
    account: &str,
    table: &[Instrument],
) -> Result<(BreakerFile, Option<BreakerState>), Failure> {
    let strategies = settings.strategies.iter().map(|one| one.name.clone());
    let mode = settings.mode.word();
    let file = BreakerFile::new(state_dir, account, mode, strategies.collect(), table);
    let remembered = file.read()?;
    let tripped = remembered.map_or(0, |one| one.memory.tripped);
    let latched = Breaker::ALL.iter().filter(|one| tripped & one.bit() != 0);
    for breaker in latched {
        tracing::warn!(%breaker, "BREAKER: latched by an earlier start; `rearm` clears it");
    }
    Ok((file, remembered))
}

/// Whose a segment is, as control reads it, too.
fn identity(mode: &str, account: &str) -> String {
    format!("{mode} binance {account}")
}

/// What bounds the limits for this life of the process. A file that was named has to be there.
fn ceilings(named: Option<&Path>) -> Result<Ceilings, Failure> {
    let usual = Path::new("/etc/fulcrum/ceilings.toml");
    match named.or(usual.exists().then_some(usual)) {
        Some(path) => Ok(Ceilings::read(path)?),
        None => Ok(Ceilings::of_this_build()),
    }
}

fn layout(settings: &Settings, account: &str, instruments: usize) -> SegmentLayout {
    let mode = settings.mode.word();
    SegmentLayout {
        journal_slots: usize::try_from(settings.hot_path.journal_slots).unwrap_or(usize::MAX),
        instrument_pages: instruments,
        counters: 4_096,
        histograms: HISTOGRAMS_FIXED + instruments * HISTOGRAMS_PER_INSTRUMENT,
        identity: identity(mode, account),
        ..SegmentLayout::default()
    }
}

/// Key and secret. Without files the simulated exchange, and nobody else, is told what is made up
/// here. `config` names the file in complaints.
///
/// # Errors
/// [`Failure::Configuration`].
pub fn credentials(settings: &Settings, config: &Path) -> Result<Credentials, Failure> {
    let venue = &settings.venue;
    let (key, secret) = match (&venue.api_key_file, &venue.api_secret_file) {
        (Some(key), Some(secret)) => (key, secret),
        (None, None) if settings.mode == settings::Mode::Paper => {
            return Ok(Credentials {
                api_key: "paper".to_string(),
                signer: Signer::hmac(b"paper"),
            });
        }
        (key, _) => {
            let missing = match key {
                None => "venue.api_key_file",
                Some(_) => "venue.api_secret_file",
            };
            let file = config.display();
            let message = format!("{file}: {missing} is missing; only paper alone needs no key");
            return Err(Failure::Configuration(message));
        }
    };
    let api_key = read_secret(key)?.trim().to_string();
    if api_key.is_empty() || !api_key.bytes().all(|byte| byte.is_ascii_graphic()) {
        let message = format!("{}: not an API key: plain ASCII wanted", key.display());
        return Err(Failure::Configuration(message));
    }
    let signer = Signer::from_secret_text(&read_secret(secret)?)
        .map_err(|error| Failure::Configuration(format!("{}: {error}", secret.display())))?;
    Ok(Credentials { api_key, signer })
}

fn read_secret(path: &Path) -> Result<String, Failure> {
    let failed = |what: String| Failure::Configuration(format!("{}: {what}", path.display()));
    let facts = std::fs::metadata(path).map_err(|error| failed(error.to_string()))?;
    let mode = facts.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(failed(format!(
            "mode is {mode:03o}; others may read it; set 0600"
        )));
    }
    std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))
}

/// FNV-1a over version and revision: equal for the processes of one build.
fn build_id() -> u64 {
    let revision = option_env!("FULCRUM_REVISION").unwrap_or("");
    let words = [env!("CARGO_PKG_VERSION"), revision];
    words
        .iter()
        .flat_map(|word| word.bytes())
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use settings::Mode;

    #[test]
    fn only_paper_needs_no_key_and_nobody_trades_with_half_of_one() {
        let text = include_str!("../../../docs/fulcrum.example.toml");
        let mut settings = Settings::check("example", text).expect("the example is right");
        let config = Path::new("fulcrum.toml");
        let file = || Some(PathBuf::from("no-such-file"));
        // (mode, key file, secret file, what the complaint names; nothing when there is none)
        let cases = [
            (Mode::Paper, None, None, None),
            (Mode::Paper, file(), None, Some("api_secret_file")),
            (Mode::Paper, None, file(), Some("api_key_file")),
            (Mode::Testnet, None, None, Some("api_key_file")),
            (Mode::Live, None, None, Some("api_key_file")),
            (Mode::Live, file(), None, Some("api_secret_file")),
            (Mode::Live, file(), file(), Some("no-such-file")),
        ];
        for (mode, key, secret, named) in cases {
            settings.mode = mode;
            settings.venue.api_key_file = key;
            settings.venue.api_secret_file = secret;
            let complaint = credentials(&settings, config).err();
            assert!(complaint.iter().all(|one| one.exit_code() == 78));
            let text = complaint.map(|one| one.to_string());
            assert_eq!(text.is_some(), named.is_some(), "{mode:?}: {text:?}");
            assert!(text.is_none_or(|text| named.is_some_and(|named| text.contains(named))));
        }
    }
}

//! Cancels and closes everything of an account, alone.
//!
//! In: configuration and state directory, a key of its own. Out: a latched account with nothing
//! open, and a report. Never: an order that could open a position, a step that waits for the hot
//! path, for control, or for a disk.
//!
//! Order of acts: lock, latch in every segment, cancels and lists at once while the latch file is
//! written beside them, closing orders, lists again until they show nothing.

mod report;
mod sweep;

pub use report::{MarketReport, Report, StepLine};

use crate::accepted;
use crate::clock;
use crate::failure::Failure;
use crate::gateway::socket::Dialer;
use crate::kill::latch_file::{LatchFile, LatchNote};
use crate::process::event_loop;
use crate::startup::{credentials, urls};
use crate::state_directory::{StateDirectory, StateError};
use binance::sign::Credentials;
use ipc::{InstanceLock, Segment, list_generations};
use market::{Market, MonoNs, Symbol};
use settings::Settings;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use sweep::{Account, sweep_market};

/// What is to be done.
#[derive(Clone, Debug)]
pub struct Order {
    /// The one TOML.
    pub config: PathBuf,
    /// Where state lives.
    pub state_dir: PathBuf,
    /// Overrides the account of the settings.
    pub account: Option<String>,
    /// Positions are kept.
    pub keep_positions: bool,
    /// For the latch.
    pub reason: String,
    /// It goes on no longer than this.
    pub patience: Duration,
    /// Acts although somebody else holds the account.
    pub without_lock: bool,
}

/// How long the report waits for the disk at the end.
const DISK_PATIENCE: Duration = Duration::from_secs(1);

/// Does it.
///
/// # Errors
/// [`Failure`] when it cannot even begin. The latch is set before that wherever it can be.
pub fn run(order: &Order) -> Result<Report, Failure> {
    let begun = clock::monotonic();
    let (settings, account) = settings_of(order)?;
    let state = StateDirectory::open(&order.state_dir, &account).unwrap_or_else(|error| {
        tracing::warn!(%error, "acting without the state directory");
        StateDirectory::named(&order.state_dir, &account)
    });
    let lock = state.lock();
    let latched_segments = latch_segments(&state, order.keep_positions);
    let disk = write_latch(LatchFile::new(&order.state_dir, &account), order);
    // What cannot go on leaves a durable latch behind all the same.
    let can_act = held(lock, order.without_lock)
        .and_then(|lock| open_account(order, &settings).map(|account| (lock, account)));
    let (lock, account_on_exchange) = match can_act {
        Ok(both) => both,
        Err(failure) => {
            drop(disk.recv_timeout(DISK_PATIENCE));
            return Err(failure);
        }
    };
    let latched_ms = since_ms(begun);
    let mut report = Report {
        account,
        locked: lock.is_some(),
        latched_segments,
        latched_ms,
        keep_positions: order.keep_positions,
        ..Report::default()
    };
    let runtime = event_loop()?;
    let tasks = tokio::task::LocalSet::new();
    let sweeps = markets(&settings).into_iter().map(|market| {
        let (rest_url, ..) = urls(&settings.venue, market);
        let symbols = symbols(&settings, market);
        sweep_market(&account_on_exchange, market, rest_url, symbols, begun)
    });
    let all = futures_util::future::join_all(sweeps);
    let markets = tasks.block_on(&runtime, async {
        tokio::time::timeout(order.patience, all).await
    });
    report.markets = match markets {
        Ok(markets) => markets.into_iter().collect::<Result<_, _>>()?,
        // What was done until then stands in the log.
        Err(_) => Vec::new(),
    };
    report.verified = !report.markets.is_empty() && report.markets.iter().all(|one| one.verified);
    report.took_ms = since_ms(begun);
    report.durable = matches!(disk.recv_timeout(DISK_PATIENCE), Ok(Ok(())));
    drop(lock);
    Ok(report)
}

/// The configuration and the account that it is about. One that cannot be used any more is no reason
/// to leave positions open: then it is the one that the last start took.
fn settings_of(order: &Order) -> Result<(Settings, String), Failure> {
    let error = match Settings::read(&order.config) {
        Ok(settings) => {
            let account = order.account.clone();
            let account = account.unwrap_or_else(|| settings.account.clone());
            return Ok((settings, account));
        }
        Err(error) => error,
    };
    match accepted::of(&order.state_dir, order.account.as_deref()) {
        Some((path, account)) => {
            tracing::error!("{error}");
            tracing::warn!(%account, path = %path.display(), "acting by what the last start took");
            Ok((Settings::read(&path)?, account))
        }
        None => Err(error.into()),
    }
}

fn since_ms(begun: MonoNs) -> u64 {
    clock::monotonic().since(begun) / 1_000_000
}

/// The lock, or the failure that says who else is there. A hot path that lives sees the latch in
/// its segment within milliseconds and kills by itself.
fn held(
    lock: Result<InstanceLock, StateError>,
    without_lock: bool,
) -> Result<Option<InstanceLock>, Failure> {
    match lock {
        Ok(lock) => Ok(Some(lock)),
        Err(error) if without_lock => {
            tracing::warn!(%error, "acting beside another process, as told");
            Ok(None)
        }
        Err(error) if !error.is_held() => {
            tracing::warn!(%error, "nobody can be asked who holds the account: acting all the same");
            Ok(None)
        }
        Err(error) => {
            tracing::error!(
                "the hot path holds the account; it was latched and kills by itself; \
                 --without-lock acts beside it"
            );
            Err(error.into())
        }
    }
}

/// Latches every segment that there is: the newest one in which a hot path ran is the one that the
/// next start looks at, and a running one is among them.
fn latch_segments(state: &StateDirectory, keep_positions: bool) -> usize {
    let found = list_generations(&state.run()).unwrap_or_default();
    let mut latched = 0;
    for one in found {
        match Segment::open(&one.path) {
            Ok(segment) => {
                latched += 1;
                match keep_positions {
                    true => segment.latch_kill_keeping_positions(),
                    false => segment.latch_kill(),
                }
            }
            Err(error) => {
                tracing::warn!(path = %one.path.display(), %error, "a segment is not latched");
            }
        }
    }
    latched
}

/// Writes the latch file on a thread of its own; the receiver hears of it.
fn write_latch(file: LatchFile, order: &Order) -> Receiver<Result<(), StateError>> {
    let (told, telling) = channel();
    let note = LatchNote {
        since_utc_ms: clock::utc().to_ms().0,
        keep_positions: order.keep_positions,
        reason: order.reason.clone(),
    };
    let write = move || {
        let result = file.write(&note);
        if let Err(error) = &result {
            tracing::error!(%error, "KILL: the latch is not on the disk");
        }
        // Nobody listens any more when everything else has ended.
        drop(told.send(result));
    };
    if let Err(error) = std::thread::Builder::new().spawn(write) {
        tracing::error!(%error, "KILL: no thread for the latch file");
    }
    telling
}

fn open_account(order: &Order, settings: &Settings) -> Result<Account, Failure> {
    let venue = &settings.venue;
    let dialer = Dialer::new(
        venue.ca_file.as_deref(),
        &[&venue.usdm_rest_url, &venue.spot_rest_url],
    )?;
    let emergency = &settings.emergency;
    let own_only = !emergency.kill_foreign_orders;
    Ok(Account {
        credentials: own_credentials(order, settings)?,
        dialer,
        close_positions: !order.keep_positions,
        only_prefix: own_only.then(|| crate::configuration::CLIENT_ID_PREFIX.to_string()),
    })
}

/// Its own copy of the key, where there is one.
fn own_credentials(order: &Order, settings: &Settings) -> Result<Credentials, Failure> {
    let mut own = settings.clone();
    if let (Some(key), Some(secret)) = (
        &settings.emergency.api_key_file,
        &settings.emergency.api_secret_file,
    ) {
        own.venue.api_key_file = Some(key.clone());
        own.venue.api_secret_file = Some(secret.clone());
    }
    credentials(&own, &order.config)
}

fn markets(settings: &Settings) -> Vec<Market> {
    let used = |market: &Market| settings.instruments.iter().any(|one| one.market == *market);
    Market::ALL.iter().copied().filter(used).collect()
}

fn symbols(settings: &Settings, market: Market) -> Vec<Symbol> {
    let here = settings
        .instruments
        .iter()
        .filter(|one| one.market == market);
    here.map(|one| one.symbol).collect()
}

//! The process: command line, threads, end.
//!
//! In: arguments and signals. Out: an exit code of the conventions. Never: an end before the
//! journal that could be seen is committed.

use crate::api::{Strangers, routes_of};
use crate::drain::{Drain, DrainError, Places};
use crate::hot_path::HotPath;
use crate::http::{Site, metrics_routes};
use crate::ledger::{Identity, Ledger, LedgerError};
use crate::metrics::HttpFigures;
use crate::paper::{SharedPaper, Supervisor};
use crate::serve::{Door, bind_socket};
use crate::stats::mode_word;
use crate::store::{Scope, Scopes, Store};
use crate::supervision::supervise;
use crate::table;
use crate::view::Shared;
use clap::Parser;
use ipc::InstanceLock;
use service::notify;
use settings::{Ceilings, Key, Settings, SettingsError};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, oneshot};

/// Exit codes of the conventions.
mod exit {
    pub(super) const FAILURE: u8 = 1;
    pub(super) const BROKEN_INVARIANT: u8 = 70;
    pub(super) const BAD_CONFIGURATION: u8 = 78;
}

/// The control process of Fulcrum: ledger, metrics, health, live table.
#[derive(Debug, Parser)]
#[command(name = "fulcrum-control", version)]
pub struct Arguments {
    /// Configuration, as the hot path has it.
    #[arg(long, value_name = "FILE", default_value = "/etc/fulcrum/fulcrum.toml")]
    config: PathBuf,
    /// Where ledger, input logs and shared memory live.
    #[arg(long, value_name = "DIR", default_value = "target/fulcrum")]
    state_dir: PathBuf,
    /// The account; overrides the configuration's.
    #[arg(long, value_name = "A")]
    account: Option<String>,
    /// Show the live table on stdout.
    #[arg(long)]
    table: bool,
}

/// Runs until SIGTERM or SIGINT. `FULCRUM_LOG` chooses log levels as tracing writes them.
#[must_use]
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    service::log::start();
    match start(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, trouble)) => {
            tracing::error!("{trouble}");
            ExitCode::from(code)
        }
    }
}

/// Threads for the disk, and how many of them read the ledger at most.
const BLOCKING_THREADS: usize = 6;
const LEDGER_READS_MAX: usize = 3;

/// Connections at a time: together far below the file descriptors of a process.
const SCRAPES_MAX: usize = 32;
const CLIENTS_MAX: usize = 256;
const LOCALS_MAX: usize = 64;

/// How long what is under way on the disk may take at the end.
const LAST_WORK: Duration = Duration::from_secs(2);

/// How often keys are read that another process may have changed.
const KEYS_EVERY: Duration = Duration::from_millis(500);

/// Sockets of this machine, with the mode that says who may open each, and what they may.
const SOCKETS: [(&str, u32, &[Scope]); 2] = [
    ("control.sock", 0o660, &[Scope::Admin]),
    ("control-read.sock", 0o666, &[Scope::Read]),
];

type Failure = (u8, String);

fn failed(error: &impl std::fmt::Display) -> Failure {
    (exit::FAILURE, error.to_string())
}

fn start(arguments: &Arguments) -> Result<(), Failure> {
    let (mut settings, keys) = read_settings(&arguments.config)?;
    service::log::follow(&settings.log, true);
    if let Some(account) = &arguments.account {
        settings.account.clone_from(account);
    }
    std::fs::create_dir_all(&arguments.state_dir).map_err(|error| failed(&error))?;
    let _lock = InstanceLock::acquire(&arguments.state_dir.join("control.lock"))
        .map_err(|error| failed(&error))?;
    let ledger = open_ledger(&arguments.state_dir, &settings)?;
    let shared = Arc::new(Shared::default());
    let site = Arc::new(Site {
        shared: Arc::clone(&shared),
        state_dir: arguments.state_dir.clone(),
        ledger: ledger.path().to_path_buf(),
        figures: Mutex::new(HttpFigures::default()),
        paper: SharedPaper::default(),
        store: Store::open(&arguments.state_dir).map_err(|error| failed(&error))?,
        hot_path: HotPath::at(run_dir(arguments, &settings).join(operator::SOCKET)),
        strangers: Strangers::default(),
        keys_looked_at: tokio::sync::Mutex::new(Instant::now()),
        ledger_reads: Semaphore::new(LEDGER_READS_MAX),
        keys,
        settings,
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .build()
        .map_err(|error| failed(&error))?;
    let places = Places::of(
        &arguments.state_dir,
        mode_word(&site.settings),
        &site.settings.account,
    );
    let ended = runtime.block_on(serve(arguments, site, Drain::new(places, ledger, shared)));
    // A disk that hangs keeps nobody.
    runtime.shutdown_timeout(LAST_WORK);
    ended
}

fn read_settings(path: &Path) -> Result<(Settings, Vec<Key>), Failure> {
    let file = path.display().to_string();
    let checked = match std::fs::read_to_string(path) {
        Ok(text) => Settings::catalogue(&file, &text, &Ceilings::of_this_build()),
        Err(source) => Err(SettingsError::Unreadable { file, source }),
    };
    checked.map_err(|error| (exit::BAD_CONFIGURATION, error.to_string()))
}

/// Folder of the account's shared memory and sockets.
fn run_dir(arguments: &Arguments, settings: &Settings) -> PathBuf {
    arguments.state_dir.join("run").join(&settings.account)
}

fn open_ledger(state_dir: &Path, settings: &Settings) -> Result<Ledger, Failure> {
    let identity = Identity {
        mode: mode_word(settings).to_string(),
        account: settings.account.clone(),
    };
    Ledger::open(&state_dir.join("ledger.sqlite"), &identity).map_err(|error| {
        let code = match error {
            LedgerError::Foreign(_) | LedgerError::TooNew { .. } => exit::BAD_CONFIGURATION,
            _ => exit::FAILURE,
        };
        (code, error.to_string())
    })
}

async fn serve(arguments: &Arguments, site: Arc<Site>, mut drain: Drain) -> Result<(), Failure> {
    open_doors(arguments, &site).await?;
    tokio::spawn(refresh_keys(Arc::clone(&site)));
    let paper = Supervisor::new(
        &site.settings,
        &paper_program(),
        &arguments.state_dir,
        Arc::clone(&site.paper),
    );
    let paper = paper.map(|one| tokio::spawn(one.run()));
    let stop = Arc::new(AtomicBool::new(false));
    let (ended, mut end) = oneshot::channel();
    let told = Arc::clone(&stop);
    let drainer = std::thread::Builder::new()
        .name("drain".to_string())
        .spawn(move || {
            // Nobody listens any more only when the process is ending anyway.
            let _ = ended.send(drain.run(&told));
        })
        .map_err(|error| failed(&error))?;
    let shown = arguments
        .table
        .then(|| tokio::spawn(table::show(Arc::clone(&site))));
    let supervised = tokio::spawn(supervise(Arc::clone(&site.shared)));
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| failed(&error))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| failed(&error))?;
    tracing::info!(
        metrics = site.settings.control.metrics_listen,
        api = site.settings.control.api_listen,
        "control runs"
    );
    let early = tokio::select! {
        _ = terminate.recv() => None,
        _ = interrupt.recv() => None,
        outcome = &mut end => Some(outcome),
    };
    notify::stopping();
    supervised.abort();
    stop.store(true, Ordering::Relaxed);
    let outcome = match early {
        Some(outcome) => outcome,
        None => end.await,
    };
    if let Some(paper) = paper {
        paper.abort();
        // Dropped with its task, it ends the venue.
        let _ = paper.await;
    }
    if let Some(shown) = shown {
        shown.abort();
        table::leave();
    }
    let drained = drainer.join();
    match (outcome, drained) {
        (Ok(Ok(())), Ok(())) => {
            tracing::info!("all is committed");
            Ok(())
        }
        (Ok(Err(error @ DrainError::Foreign(_))), _) => {
            Err((exit::BAD_CONFIGURATION, error.to_string()))
        }
        (Ok(Err(error)), _) => Err((exit::BROKEN_INVARIANT, error.to_string())),
        _ => Err((
            exit::BROKEN_INVARIANT,
            "the drain thread ended without a word".to_string(),
        )),
    }
}

/// Listens for scrapes, for the API, and on the sockets of this machine.
async fn open_doors(arguments: &Arguments, site: &Arc<Site>) -> Result<(), Failure> {
    let metrics = listen("metrics_listen", &site.settings.control.metrics_listen).await?;
    let api = listen("api_listen", &site.settings.control.api_listen).await?;
    let account = &site.settings.account;
    let run = run_dir(arguments, &site.settings);
    tokio::spawn(
        Door::new(metrics_routes(Arc::clone(site)), account, SCRAPES_MAX).network(metrics),
    );
    let routes = routes_of(site);
    tokio::spawn(Door::new(routes.clone(), account, CLIENTS_MAX).network(api));
    for (name, mode, scopes) in SOCKETS {
        let path = run.join(name);
        let socket = bind_socket(&path, mode)
            .map_err(|error| (exit::FAILURE, format!("{}: {error}", path.display())))?;
        let door = Door::new(routes.clone(), account, LOCALS_MAX);
        tokio::spawn(door.socket(socket, name, Scopes::of(scopes)));
    }
    Ok(())
}

/// Keys that `fulcrum key` revoked end within a second.
async fn refresh_keys(site: Arc<Site>) {
    loop {
        tokio::time::sleep(KEYS_EVERY).await;
        let site = Arc::clone(&site);
        let done = tokio::task::spawn_blocking(move || site.store.refresh_keys()).await;
        if let Ok(Err(error)) = done {
            tracing::warn!("keys are as they were: {error}");
        }
    }
}

/// The paper exchange lies beside this program.
fn paper_program() -> PathBuf {
    let beside = std::env::current_exe().ok();
    let beside = beside.map(|program| program.with_file_name("simulated-exchange"));
    beside.unwrap_or_else(|| PathBuf::from("simulated-exchange"))
}

async fn listen(key: &str, address: &str) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        (
            exit::FAILURE,
            format!("control.{key}: cannot listen on {address}: {error}"),
        )
    })
}

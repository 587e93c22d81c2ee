//! The binary: options, one thread, signals.
//!
//! In: the command line. Out: one line on stdout, logs on stderr, exit code 0, 1 or 2. Never:
//! anything else on stdout.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap::Parser;
use simulated_exchange::assembly::{self, StartError};
use simulated_exchange::options::Options;
use simulated_exchange::server::{Ports, tls};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

// Rare things that the simulation makes often have no place in a product.
const _: () = assert!(!market::buggify::COMPILED_IN);

fn main() -> ExitCode {
    let options = Options::parse();
    start_log();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("simulated-exchange: no runtime: {error}");
            return ExitCode::from(1);
        }
    };
    match runtime.block_on(run(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("simulated-exchange: {error}");
            ExitCode::from(match error {
                StartError::Argument(_) => 2,
                StartError::Input(_) => 1,
            })
        }
    }
}

/// `FULCRUM_LOG` chooses levels as tracing writes them; default `info`.
fn start_log() {
    let filter = EnvFilter::try_from_env("FULCRUM_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let plain = std::env::var_os("NO_COLOR").is_some() || !std::io::stderr().is_terminal();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // A full disk under the log ends nobody: the complaint about it would panic.
        .log_internal_errors(false)
        .with_ansi(!plain)
        .init();
}

async fn run(options: &Options) -> Result<(), StartError> {
    let addresses = options.addresses().map_err(StartError::Argument)?;
    let acceptor = if options.tls {
        let (acceptor, authority) = tls::acceptor().map_err(StartError::Input)?;
        if let Some(file) = &options.ca_out {
            std::fs::write(file, authority)
                .map_err(|error| StartError::Input(format!("{}: {error}", file.display())))?;
        }
        Some(acceptor)
    } else {
        None
    };
    let input = |error: std::io::Error| StartError::Input(error.to_string());
    let mut terminate = signal(SignalKind::terminate()).map_err(input)?;
    let ports = Ports::open(addresses).await.map_err(StartError::Input)?;
    let shared = tokio::select! {
        shared = assembly::start(options) => shared?,
        // A followed exchange may not answer for long.
        _ = terminate.recv() => return Ok(()),
        _ = tokio::signal::ctrl_c() => return Ok(()),
    };
    let line = ports.ready_line(options.tls).map_err(input)?;
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{line}")
        .and_then(|()| stdout.flush())
        .map_err(input)?;
    tokio::select! {
        failure = shared.clone().run() => return Err(StartError::Input(failure)),
        () = ports.serve(shared.clone(), acceptor) => {}
        _ = terminate.recv() => tracing::info!("SIGTERM: stopped"),
        _ = tokio::signal::ctrl_c() => tracing::info!("interrupted: stopped"),
    }
    let mut exchange = shared.lock();
    exchange.usdm.write_arrivals(true);
    exchange.spot.write_arrivals(true);
    Ok(())
}

//! `fulcrum probe`: a bundle of what a venue says.
//!
//! In: a venue, symbols, bounds. Out: progress on stderr, the bundle's manifest on stdout. Never: a key.

use super::arguments::Arguments;
use super::config::MarketWord;
use super::{Failure, exit, failure};
use crate::probe::{self, Plan, ProbeError};
use clap::Args;
use market::Market;
use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// What is recorded, and how much of it.
#[derive(Clone, Debug, Args)]
pub(super) struct ProbeOptions {
    /// The bundle: a folder that is not there yet.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// USD-M futures or spot.
    #[arg(long, value_enum, default_value = "usdm")]
    market: MarketWord,
    /// What to record; again for each, at most 16.
    #[arg(long = "symbol", value_name = "SYMBOL", default_value = "BTCUSDT")]
    symbols: Vec<String>,
    /// How long, in seconds, 1 to 86400.
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
    /// Between two snapshots of one book, in seconds, 5 to 3600.
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u64).range(5..=3_600))]
    snapshot_every_s: u64,
    /// Most megabytes (MiB) of the bundle, 1 to 10240.
    #[arg(long, value_name = "N", default_value_t = 512, value_parser = clap::value_parser!(u64).range(1..=10_240))]
    max_mib: u64,
    /// REST of another venue than Binance's production, such as https://127.0.0.1:8900.
    #[arg(long, value_name = "URL", requires = "venue_stream_url")]
    venue_url: Option<String>,
    /// Its streams, such as wss://127.0.0.1:8900.
    #[arg(long, value_name = "URL", requires = "venue_url")]
    venue_stream_url: Option<String>,
}

/// Most symbols.
const SYMBOLS_MAX: usize = 16;

/// Does it.
pub(super) fn run(options: &ProbeOptions, arguments: &Arguments) -> Result<(), Failure> {
    if options.symbols.len() > SYMBOLS_MAX {
        let text = format!(
            "--symbol: found {} of them; allowed: at most {SYMBOLS_MAX}",
            options.symbols.len()
        );
        return Err((exit::BAD_ARGUMENT, text));
    }
    let market = match options.market {
        MarketWord::Usdm => Market::UsdM,
        MarketWord::Spot => Market::Spot,
    };
    let (rest, stream) = match market {
        Market::UsdM => ("https://fapi.binance.com", "wss://fstream.binance.com"),
        Market::Spot => ("https://api.binance.com", "wss://stream.binance.com:9443"),
    };
    let url = |given: &Option<String>, usual: &str| {
        let url = given.as_deref().unwrap_or(usual);
        url.trim_end_matches('/').to_string()
    };
    let plan = Plan {
        out: options.out.clone(),
        market,
        symbols: options.symbols.clone(),
        rest_url: url(&options.venue_url, rest),
        stream_url: url(&options.venue_stream_url, stream),
        ca_file: arguments.away.ca_file.clone(),
        length: Duration::from_secs(options.seconds),
        snapshot_every: Duration::from_secs(options.snapshot_every_s),
        bytes_max: options.max_mib << 20,
    };
    let ended = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&ended);
    ctrlc::set_handler(move || told.store(true, Ordering::Relaxed))
        .map_err(|error| failure(error.to_string()))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| failure(error.to_string()))?;
    let in_place = std::io::stderr().is_terminal();
    let mut tell = |line: &str| {
        let mut stderr = std::io::stderr().lock();
        // Whoever reads the progress may leave.
        let _ = match in_place {
            true => write!(stderr, "\r\x1b[K{line}").and_then(|()| stderr.flush()),
            false => writeln!(stderr, "{line}"),
        };
    };
    let done = runtime.block_on(probe::run(&plan, &ended, &mut tell));
    if in_place {
        eprintln!();
    }
    match done {
        Ok(done) => {
            println!("{}", done.manifest().display());
            Ok(())
        }
        Err(error @ ProbeError::Venue(_)) => Err((exit::EXCHANGE_UNAVAILABLE, error.to_string())),
        Err(error) => Err(failure(error.to_string())),
    }
}

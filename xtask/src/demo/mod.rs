//! The demo: a simulated exchange, the hot path and control, on free loopback ports.
//!
//! In: which market, for how long. Out: a live table, then a summary or one JSON object; exit 0
//! only if all ended cleanly and the exchange agrees. Never: a port or file that is not its own.

mod account;
mod configuration;
mod cores;
mod report;
mod run;
mod summary;

pub(crate) use run::run;

use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Options of the demo.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    /// Seconds to trade after ready; without it, until Ctrl-C.
    #[arg(long)]
    seconds: Option<u64>,
    /// Recordings to replay instead of the generated market (several files, separated by commas).
    #[arg(long, value_delimiter = ',')]
    capture: Vec<PathBuf>,
    /// Symbols of the generated market.
    #[arg(long, conflicts_with = "capture", default_value = "BTCUSDT,ETHUSDT")]
    symbols: String,
    /// Seed of the exchange.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Speed of the market's time.
    #[arg(long, default_value = "1")]
    speed: String,
    /// Who trades.
    #[arg(long, value_enum, default_value_t = Strategy::Imbalance)]
    strategy: Strategy,
    /// Which part of the venue.
    #[arg(long, value_enum, default_value_t = MarketChoice::Usdm)]
    market: MarketChoice,
    /// How bytes reach the engine.
    #[arg(long, value_enum, default_value_t = HotIo::Inline)]
    hot_io: HotIo,
    /// What the engine's thread does while nothing comes; default: spin where the sockets are its
    /// own and there are two cores, else yield.
    #[arg(long, value_enum)]
    engine_wait: Option<EngineWait>,
    /// Print one JSON object instead of the table.
    #[arg(long)]
    json: bool,
    /// Keep the state directory of an earlier run instead of starting anew.
    #[arg(long)]
    keep: bool,
    /// Faults that the exchange injects, such as drop-depth:500; an unknown name is answered
    /// with the list.
    #[arg(long)]
    fault: Option<String>,
    /// Make the engine thread allocate this often, to see that the counter counts.
    #[arg(long, default_value_t = 0)]
    inject_allocation: u64,
    /// Count and skip broken lines of a recording.
    #[arg(long)]
    skip_bad: bool,
    /// Directory of the state; default `fulcrum/demo` in cargo's target folder.
    #[arg(long)]
    state_dir: Option<PathBuf>,
}

/// Strategies of the demo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Strategy {
    /// Order book imbalance.
    Imbalance,
    /// Exercises the order path.
    Dummy,
}

/// How bytes reach the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum HotIo {
    /// Its thread reads the sockets itself.
    Inline,
    /// Gateways on threads of their own.
    Threads,
}

/// What the engine's thread does while nothing comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum EngineWait {
    /// Looks again at once.
    Spin,
    /// Gives its core away.
    Yield,
}

impl Options {
    /// True when the engine's thread wants a core to itself.
    fn wants_a_core(&self) -> bool {
        self.hot_path().1 == "spin"
    }

    /// `hot_io` and `engine_wait` as the configuration writes them.
    fn hot_path(&self) -> (&'static str, &'static str) {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let spare = self.hot_io == HotIo::Inline && cores > 1;
        let default = if spare {
            EngineWait::Spin
        } else {
            EngineWait::Yield
        };
        let hot_io = match self.hot_io {
            HotIo::Inline => "inline",
            HotIo::Threads => "threads",
        };
        let engine_wait = match self.engine_wait.unwrap_or(default) {
            EngineWait::Spin => "spin",
            EngineWait::Yield => "yield",
        };
        (hot_io, engine_wait)
    }
}

/// Parts of the venue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum MarketChoice {
    /// USD-M futures.
    Usdm,
    /// Spot.
    Spot,
}

impl MarketChoice {
    /// The market as the configuration writes it.
    fn as_str(self) -> &'static str {
        match self {
            Self::Usdm => "usdm",
            Self::Spot => "spot",
        }
    }
}

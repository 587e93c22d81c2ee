//! The command line.
//!
//! In: arguments. Out: checked options. Never: a secret on the command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;

use market::{Market, Rate};
use matching::{Fees, QueueModel};

use crate::api::key_rights::KeyRights;
use crate::faults::FaultSpec;
use crate::faults::schedule::ScheduleSpec;
use crate::feed::follow::Target;
use crate::latency::PartSpec;

/// A simulated Binance on loopback: USD-M futures, spot, and a control API.
///
/// One line is written to stdout once it is ready; logs go to stderr.
#[derive(Clone, Debug, Parser)]
#[command(name = "simulated-exchange", version)]
pub struct Options {
    /// Recordings to replay, several separated by commas.
    #[arg(
        long,
        value_name = "FILE",
        value_delimiter = ',',
        conflicts_with_all = ["generate", "follow", "follow_spot"]
    )]
    pub capture: Vec<PathBuf>,

    /// Generate the market (the default without --capture).
    #[arg(long)]
    pub generate: bool,

    /// Symbols of the generated or followed market.
    #[arg(
        long,
        value_name = "SYMBOL",
        value_delimiter = ',',
        conflicts_with = "capture",
        default_value = "BTCUSDT,ETHUSDT"
    )]
    pub symbols: Vec<String>,

    /// Follow USD-M of a real exchange: base URL of its public REST, such as
    /// `https://fapi.binance.com`. Orders meet its market here and are never sent there.
    #[arg(long, value_name = "URL", conflicts_with_all = ["generate", "speed", "repeat"])]
    pub follow: Option<String>,

    /// Base URL of its public streams, where they are not where Binance has them.
    #[arg(long, value_name = "URL", requires = "follow")]
    pub follow_stream: Option<String>,

    /// Follow spot of a real exchange, such as `https://api.binance.com`.
    #[arg(long, value_name = "URL", conflicts_with_all = ["generate", "speed", "repeat"])]
    pub follow_spot: Option<String>,

    /// Base URL of its public streams, where they are not where Binance has them.
    #[arg(long, value_name = "URL", requires = "follow_spot")]
    pub follow_spot_stream: Option<String>,

    /// The only authority that the followed exchange's certificates may come from (PEM).
    #[arg(long, value_name = "FILE")]
    pub follow_ca: Option<PathBuf>,

    /// After how long a followed connection is replaced by a new one; exchanges end them at 24 h.
    #[arg(long, value_name = "SECONDS", default_value_t = 85_500, value_parser = clap::value_parser!(u64).range(1..=86_000))]
    pub follow_renew_s: u64,

    /// How often status and filters are read from the followed exchange again.
    #[arg(long, value_name = "SECONDS", default_value_t = 3_600, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub follow_listing_s: u64,

    /// Seed of the generated market and of sampled latency.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,

    /// How many times faster than real time the market runs.
    #[arg(long, value_name = "X", default_value_t = 1.0, value_parser = parse_speed)]
    pub speed: f64,

    /// Start a recording again when it ends.
    #[arg(long = "loop")]
    pub repeat: bool,

    /// Answers of `exchangeInfo` whose ticks, lots and filters are taken instead of the built-in
    /// ones: one file of each market, plain or compressed, several separated by commas.
    #[arg(long, value_name = "FILE", value_delimiter = ',')]
    pub exchange_info: Vec<PathBuf>,

    /// Collect depth differences over so many milliseconds.
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub rebatch_depth: Option<u32>,

    /// How resting orders move forward in their queue: risk-averse, power:N or log.
    #[arg(long, value_name = "MODEL", default_value = "risk-averse")]
    pub queue_model: QueueModel,

    /// How much later market frames leave (feed), requests arrive (order), answers and private
    /// events leave (response): milliseconds, or a file of metrics with a histogram to draw from.
    #[arg(long, value_name = "PART=MS|FILE", value_delimiter = ',')]
    pub latency: Vec<PartSpec>,

    /// Where every market event and order is written with the time at which it arrived; `matching`
    /// alone makes the same fills of it.
    #[arg(long, value_name = "FILE")]
    pub arrival_log: Option<PathBuf>,

    /// Where accounts, orders and ids are kept, so that an exchange that is started again knows
    /// them; only one process at a time. Without it they end with the process.
    #[arg(long, value_name = "DIR", conflicts_with = "arrival_log")]
    pub state_dir: Option<PathBuf>,

    /// Fee rates of USD-M, exact: `maker=0.0002,taker=0.0005`, which is the first tier and the default.
    #[arg(long, value_name = "RATES", default_value = "maker=0.0002,taker=0.0005", value_parser = parse_fees)]
    pub fees: Fees,

    /// Fee rates of spot; the first tier by default.
    #[arg(long, value_name = "RATES", default_value = "maker=0.001,taker=0.001", value_parser = parse_fees)]
    pub spot_fees: Fees,

    /// USD-M address; spot and the control API take the next two ports. Port 0: all free ones.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8900")]
    pub listen: SocketAddr,

    /// Serve TLS with a certificate of an own authority.
    #[arg(long)]
    pub tls: bool,

    /// Where to write the authority's certificate (PEM).
    #[arg(long, value_name = "FILE", requires = "tls")]
    pub ca_out: Option<PathBuf>,

    /// The only accepted API key. Without it any key is accepted and no signature is checked.
    #[arg(long, value_name = "KEY", requires = "api_secret_file")]
    pub api_key: Option<String>,

    /// File with the HMAC secret, or an Ed25519 or RSA key in PEM.
    #[arg(long, value_name = "FILE", requires = "api_key")]
    pub api_secret_file: Option<PathBuf>,

    /// What keys may: `reading`, `spot`, `futures`, `withdrawals`, `ip-restricted` with + between, or
    /// `none`.
    #[arg(
        long,
        value_name = "RIGHTS",
        default_value = "reading+spot+futures+ip-restricted"
    )]
    pub key_rights: KeyRights,

    /// Count weights and orders, and refuse nobody for them: for tests under load.
    #[arg(long)]
    pub no_limits: bool,

    /// Faults to inject, `NAME:ARG`, several separated by commas.
    #[arg(long, value_name = "NAME:ARG", value_delimiter = ',')]
    pub fault: Vec<FaultSpec>,

    /// Faults that come by themselves: `seed=7,rate=6`, the rate in faults a minute.
    #[arg(long, value_name = "SEED,RATE")]
    pub fault_schedule: Option<ScheduleSpec>,

    /// Count and skip broken lines of recordings instead of refusing the file.
    #[arg(long, requires = "capture")]
    pub skip_bad: bool,
}

/// Largest fee rate: 1 %.
const FEE_MAX: Rate = Rate(1_000_000);

fn parse_fees(text: &str) -> Result<Fees, String> {
    let (mut maker, mut taker) = (None, None);
    for part in text.split(',') {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let rate = market::decimal::parse_decimal(value.as_bytes(), 8).map(Rate);
        let Some(rate) = rate.ok().filter(|rate| (Rate(0)..=FEE_MAX).contains(rate)) else {
            return Err(format!(
                "`{part}`: a rate is a decimal number from 0 to 0.01"
            ));
        };
        let place = match name {
            "maker" => &mut maker,
            "taker" => &mut taker,
            _ => return Err(format!("`{part}`: rates are called maker and taker")),
        };
        if place.replace(rate).is_some() {
            return Err(format!("`{part}`: {name} stands there twice"));
        }
    }
    match (maker, taker) {
        (Some(maker), Some(taker)) => Ok(Fees { maker, taker }),
        _ => Err(format!(
            "`{text}`: both rates are needed, as maker=0.0002,taker=0.0005"
        )),
    }
}

fn parse_speed(text: &str) -> Result<f64, String> {
    let speed: f64 = text.parse().map_err(|_| format!("`{text}` is no number"))?;
    if speed.is_finite() && (0.01..=1_000.0).contains(&speed) {
        Ok(speed)
    } else {
        Err("the speed must lie between 0.01 and 1000".to_owned())
    }
}

impl Options {
    /// What is followed: nothing, USD-M, spot, or both.
    ///
    /// # Errors
    /// When a URL is none.
    pub fn targets(&self) -> Result<Vec<Target>, String> {
        let markets = [
            (Market::UsdM, &self.follow, &self.follow_stream),
            (Market::Spot, &self.follow_spot, &self.follow_spot_stream),
        ];
        let asked = markets.into_iter().filter_map(|(market, rest, stream)| {
            let rest = rest.as_deref()?;
            Some(Target::new(market, rest, stream.as_deref()))
        });
        asked.collect()
    }

    /// The addresses of the three ports.
    ///
    /// # Errors
    /// When there is no room for three ports above the given one.
    pub fn addresses(&self) -> Result<[SocketAddr; 3], String> {
        let port = self.listen.port();
        if port > u16::MAX - 2 {
            return Err(format!("port {port} leaves no room for the two after it"));
        }
        let next = |step: u16| {
            let port = if port == 0 { 0 } else { port + step };
            SocketAddr::new(self.listen.ip(), port)
        };
        Ok([next(0), next(1), next(2)])
    }
}

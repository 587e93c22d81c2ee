//! The configuration that the demo writes for its two processes.
//!
//! In: the exchange's addresses and instruments. Out: TOML text. Never: a secret; those lie in
//! files of their own.

use super::{Options, Strategy};
use crate::process::Failure;
use std::fmt::Write as _;
use std::path::Path;

/// What the exchange printed when it was ready.
#[derive(Debug, Default)]
pub(crate) struct Addresses {
    pub(crate) http: String,
    pub(crate) ws: String,
    pub(crate) spot_http: String,
    pub(crate) spot_ws: String,
    pub(crate) sim: String,
}

impl Addresses {
    /// Reads `ready http=… ws=… spot_http=… spot_ws=… sim=…`.
    pub(crate) fn parse(line: &str) -> Result<Self, Failure> {
        let mut addresses = Self::default();
        let fields = line.trim().strip_prefix("ready ").unwrap_or_default();
        for (key, value) in fields.split(' ').filter_map(|field| field.split_once('=')) {
            let place = match key {
                "http" => &mut addresses.http,
                "ws" => &mut addresses.ws,
                "spot_http" => &mut addresses.spot_http,
                "spot_ws" => &mut addresses.spot_ws,
                "sim" => &mut addresses.sim,
                _ => continue,
            };
            *place = value.to_string();
        }
        let all = [
            &addresses.http,
            &addresses.ws,
            &addresses.spot_http,
            &addresses.spot_ws,
            &addresses.sim,
        ];
        if all.into_iter().any(String::is_empty) {
            return Err(Failure::Said(format!(
                "the exchange's ready line is incomplete: {line:?}"
            )));
        }
        Ok(addresses)
    }
}

/// The demo's whole configuration.
pub(crate) fn text(
    options: &Options,
    state_dir: &Path,
    addresses: &Addresses,
    symbols: &[String],
    (metrics_port, api_port): (u16, u16),
) -> String {
    let (hot_io, engine_wait) = options.hot_path();
    let market = options.market.as_str();
    let depth_interval_ms = if options.capture.is_empty() { 100 } else { 0 };
    let Addresses {
        http,
        ws,
        spot_http,
        spot_ws,
        ..
    } = addresses;
    let mut toml = format!(
        r#"# Written by `cargo xtask demo`. Paper trading against the simulated exchange.
mode = "paper"
account = "demo"

[venue]
usdm_rest_url = "{http}"
usdm_stream_url = "{ws}"
usdm_ws_api_url = "{ws}/ws-fapi/v1"
spot_rest_url = "{spot_http}"
spot_stream_url = "{spot_ws}"
spot_ws_api_url = "{spot_ws}/ws-api/v3"
api_key_file = "{state}/api-key"
api_secret_file = "{state}/api-secret"
depth_interval_ms = {depth_interval_ms}

[hot_path]
hot_io = "{hot_io}"
engine_wait = "{engine_wait}"

[control]
metrics_listen = "127.0.0.1:{metrics_port}"
api_listen = "127.0.0.1:{api_port}"
"#,
        state = state_dir.display(),
    );
    for symbol in symbols {
        let _ = write!(
            toml,
            "\n[[instrument]]\nmarket = \"{market}\"\nsymbol = \"{symbol}\"\n"
        );
    }
    let parameters = match options.strategy {
        Strategy::Imbalance => {
            "kind = \"imbalance\"\nentry = \"taker\"\norder_notional_usdt = 1000\n\
             signal_exit_after_ms = 5000\ncooldown_ms = 1000\n"
        }
        Strategy::Dummy => "kind = \"dummy\"\ninterval_ms = 300\nrest_ms = 150\n",
    };
    let _ = write!(toml, "\n[[strategy]]\nmarket = \"{market}\"\n{parameters}");
    toml
}

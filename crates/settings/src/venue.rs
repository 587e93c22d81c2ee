//! Where the exchange is: real hosts for live, none of them for paper.
//!
//! In: the `[venue]` table and the mode. Out: [`VenueSettings`]. Never: a live order to a host that
//! is not Binance's, a paper order to one that is.

use crate::checked::Mode;
use crate::written::{Problem, Section};
use std::path::PathBuf;

/// Where the exchange is and how to log on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VenueSettings {
    /// Base of USD-M REST, no trailing slash.
    pub usdm_rest_url: String,
    /// Base of USD-M streams.
    pub usdm_stream_url: String,
    /// USD-M WebSocket API.
    pub usdm_ws_api_url: String,
    /// Base of spot REST.
    pub spot_rest_url: String,
    /// Base of spot streams.
    pub spot_stream_url: String,
    /// Spot WebSocket API.
    pub spot_ws_api_url: String,
    /// File with the API key.
    pub api_key_file: Option<PathBuf>,
    /// File with the secret (HMAC) or the PEM private key (Ed25519).
    pub api_secret_file: Option<PathBuf>,
    /// Extra trusted certificate authority.
    pub ca_file: Option<PathBuf>,
    /// How long an order request may be under way, and so how long its fate may stay unknown.
    pub recv_window_ms: u64,
    /// Speed of the depth stream: 0 (undocumented), 100, 250 or 500.
    pub depth_interval_ms: u64,
}

impl VenueSettings {
    pub(crate) fn check(mut section: Section<'_>, mode: Mode, problems: &mut Vec<Problem>) -> Self {
        let mut url = |index: usize, key: &str, schemes: [&str; 2]| {
            let value = section.text(key, default_urls(mode)[index], problems);
            let plain = value.strip_suffix('/').unwrap_or(&value).to_string();
            if !schemes.iter().any(|scheme| plain.starts_with(scheme)) {
                section.reject(
                    key,
                    &format!("a URL that begins with {}", schemes.join(" or ")),
                    problems,
                );
            } else if mode == Mode::Live && !is_binance(&plain) {
                section.reject(
                    key,
                    "a host of binance.com over TLS, because mode is live",
                    problems,
                );
            } else if mode == Mode::Paper && is_binance(&plain) {
                section.reject(key, "a simulated exchange, because mode is paper", problems);
            }
            plain
        };
        let rest = ["http://", "https://"];
        let stream = ["ws://", "wss://"];
        let usdm_rest_url = url(0, "usdm_rest_url", rest);
        let usdm_stream_url = url(1, "usdm_stream_url", stream);
        let usdm_ws_api_url = url(2, "usdm_ws_api_url", stream);
        let spot_rest_url = url(3, "spot_rest_url", rest);
        let spot_stream_url = url(4, "spot_stream_url", stream);
        let spot_ws_api_url = url(5, "spot_ws_api_url", stream);
        let mut file = |key: &str| {
            let name = section.text(key, "", problems);
            (!name.is_empty()).then(|| PathBuf::from(name))
        };
        let (api_key_file, api_secret_file) = (file("api_key_file"), file("api_secret_file"));
        let ca_file = file("ca_file");
        let recv_window_ms = section.whole("recv_window_ms", 1_000, (100, 1_000), problems);
        let depth_interval_ms = section.whole("depth_interval_ms", 100, (0, 500), problems);
        if ![0, 100, 250, 500].contains(&depth_interval_ms) {
            section.reject("depth_interval_ms", "0 | 100 | 250 | 500", problems);
        }
        section.finish(problems);
        VenueSettings {
            usdm_rest_url,
            usdm_stream_url,
            usdm_ws_api_url,
            spot_rest_url,
            spot_stream_url,
            spot_ws_api_url,
            api_key_file,
            api_secret_file,
            ca_file,
            recv_window_ms,
            depth_interval_ms,
        }
    }
}

/// USD-M REST, streams, WebSocket API, then the same for spot.
fn default_urls(mode: Mode) -> [&'static str; 6] {
    match mode {
        Mode::Paper => [
            "http://127.0.0.1:8900",
            "ws://127.0.0.1:8900",
            "ws://127.0.0.1:8900/ws-fapi/v1",
            "http://127.0.0.1:8901",
            "ws://127.0.0.1:8901",
            "ws://127.0.0.1:8901/ws-api/v3",
        ],
        Mode::Testnet => [
            "https://demo-fapi.binance.com",
            "wss://demo-fstream.binance.com",
            "wss://testnet.binancefuture.com/ws-fapi/v1",
            "https://testnet.binance.vision",
            "wss://stream.testnet.binance.vision",
            "wss://ws-api.testnet.binance.vision/ws-api/v3",
        ],
        Mode::Live => [
            "https://fapi.binance.com",
            "wss://fstream.binance.com",
            "wss://ws-fapi.binance.com/ws-fapi/v1",
            "https://api.binance.com",
            "wss://stream.binance.com:9443",
            "wss://ws-api.binance.com:443/ws-api/v3",
        ],
    }
}

/// Live trading talks to Binance over TLS or not at all.
fn is_binance(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else {
        return false;
    };
    let host = rest.split(['/', ':']).next().unwrap_or_default();
    (scheme == "https" || scheme == "wss")
        && (host == "binance.com" || host.ends_with(".binance.com"))
}

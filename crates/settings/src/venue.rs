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
            if let Err(allowed) = check_url(&plain, mode, schemes) {
                section.reject(key, &allowed, problems);
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
        let needed = mode != Mode::Paper || api_key_file.is_some() != api_secret_file.is_some();
        for (key, there) in [
            ("api_key_file", api_key_file.is_some()),
            ("api_secret_file", api_secret_file.is_some()),
        ] {
            if needed && !there {
                section.reject(
                    key,
                    "a file name: key and secret go together, and only paper trading goes without",
                    problems,
                );
            }
        }
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

/// Whose host it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    /// Binance's production: real money.
    Live,
    /// Binance's test networks.
    Test,
    /// Anybody else's, such as a simulated exchange.
    Other,
}

/// Domains of Binance's production, and the prefixes that make one of their hosts a test host.
const LIVE_DOMAINS: [&str; 1] = ["binance.com"];
const TEST_PREFIXES: [&str; 2] = ["demo-", "testnet"];
const TEST_DOMAINS: [&str; 2] = ["binancefuture.com", "binance.vision"];

/// Each mode talks to its own hosts and to no others: paper never to Binance, testnet never to
/// production, live only to production and only over TLS.
pub(crate) fn check_url(url: &str, mode: Mode, schemes: [&str; 2]) -> Result<(), String> {
    let form = || format!("a URL that begins with {}", schemes.join(" or "));
    let scheme = schemes
        .iter()
        .find(|scheme| url.starts_with(**scheme))
        .ok_or_else(form)?;
    let authority = url[scheme.len()..]
        .split(['/', '?', '#'])
        .next()
        .unwrap_or_default();
    if authority.is_empty() || authority.contains('@') {
        return Err("a URL with a host, and without a user name".to_string());
    }
    let wanted = match mode {
        Mode::Paper => Owner::Other,
        Mode::Testnet => Owner::Test,
        Mode::Live => Owner::Live,
    };
    if owner_of(authority) != wanted {
        return Err(match mode {
            Mode::Paper => "a simulated exchange and no host of Binance's, because mode is paper",
            Mode::Testnet => "a host of Binance's test networks, because mode is testnet",
            Mode::Live => "a production host of binance.com, because mode is live",
        }
        .to_string());
    }
    let encrypted = scheme.starts_with("https") || scheme.starts_with("wss");
    if encrypted || mode == Mode::Paper {
        Ok(())
    } else {
        Err("https:// or wss://: only paper trading goes without encryption".to_string())
    }
}

fn owner_of(authority: &str) -> Owner {
    let host = authority
        .split(':')
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    let host = host.trim_end_matches('.');
    let within = |domains: &[&str]| {
        domains.iter().any(|domain| {
            host.strip_suffix(domain)
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        })
    };
    let is_test_host = TEST_PREFIXES.iter().any(|prefix| host.starts_with(prefix));
    if within(&TEST_DOMAINS) || (within(&LIVE_DOMAINS) && is_test_host) {
        Owner::Test
    } else if within(&LIVE_DOMAINS) {
        Owner::Live
    } else {
        Owner::Other
    }
}

//! How market data comes: over one connection, or over two of which the first one counts.
//!
//! In: the section `[market_data]` and the mode. Out: [`MarketDataSettings`]. Never: a host that is
//! not the exchange's.

use crate::checked::Mode;
use crate::venue::check_url;
use crate::written::{Problem, Section};

/// The section `[market_data]`, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarketDataSettings {
    /// Connections of each route that bring the same streams: 1 or 2.
    pub connections: u64,
    /// Base of USD-M streams of connections after the first; none: that of `[venue]`.
    pub usdm_second_stream_url: Option<String>,
    /// The same of spot.
    pub spot_second_stream_url: Option<String>,
}

impl MarketDataSettings {
    /// Reads the section.
    pub(crate) fn check(mut section: Section<'_>, mode: Mode, problems: &mut Vec<Problem>) -> Self {
        // Against a real exchange the second copy takes the tail off the network's delays. Beside a
        // simulated one on the same machine it takes only the machine's time.
        let connections = match mode {
            Mode::Paper => 1,
            Mode::Testnet | Mode::Live => 2,
        };
        let connections = section.whole("connections", connections, (1, 2), problems);
        let mut url = |key: &str| {
            let value = section.text(key, "", problems);
            let plain = value.strip_suffix('/').unwrap_or(&value).to_string();
            if plain.is_empty() {
                return None;
            }
            if let Err(allowed) = check_url(&plain, mode, ["ws://", "wss://"]) {
                section.reject(key, &allowed, problems);
            }
            Some(plain)
        };
        let settings = Self {
            connections,
            usdm_second_stream_url: url("usdm_second_stream_url"),
            spot_second_stream_url: url("spot_second_stream_url"),
        };
        section.finish(problems);
        settings
    }
}

#[cfg(test)]
mod tests {
    use crate::{Settings, SettingsError};

    fn check(mode: &str, lines: &str) -> Result<Settings, Vec<String>> {
        let text = format!(
            "mode = \"{mode}\"\n[[instrument]]\nsymbol = \"BTCUSDT\"\n[venue]\n\
             api_key_file = \"key\"\napi_secret_file = \"secret\"\n[market_data]\n{lines}\n"
        );
        match Settings::check("fulcrum.toml", &text) {
            Ok(settings) => Ok(settings),
            Err(SettingsError::Invalid { problems, .. }) => {
                Err(problems.into_iter().map(|one| one.key).collect())
            }
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn a_real_exchange_is_heard_twice_and_a_paper_one_once_unless_told() {
        let connections = |mode, lines| check(mode, lines).expect(mode).market_data.connections;
        assert_eq!(
            (connections("paper", ""), connections("testnet", "")),
            (1, 2)
        );
        assert_eq!(connections("paper", "connections = 2"), 2);
        let named = vec!["market_data.connections".to_string()];
        assert_eq!(check("paper", "connections = 3"), Err(named));
        let real = "usdm_second_stream_url = \"wss://fstream.binance.com\"";
        let named = vec!["market_data.usdm_second_stream_url".to_string()];
        assert_eq!(check("paper", real), Err(named), "paper stays at home");
    }
}

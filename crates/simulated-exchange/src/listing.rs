//! Filters from recorded answers of `exchangeInfo`, in place of the built-in ones.
//!
//! In: files as the exchange answered them, plain or compressed. Out: each listed instrument with
//! tick, lot and filters. Never: an instrument that no file lists, once its market has a file.

use std::path::PathBuf;

use binance::rest::parse_exchange_info;
use market::{Instrument, Market};
use serde::Deserialize;

/// What the files list, by market.
#[derive(Debug, Default)]
pub struct Listing {
    usdm: Option<File>,
    spot: Option<File>,
}

#[derive(Debug)]
struct File {
    path: PathBuf,
    instruments: Vec<Instrument>,
    refused: Vec<(String, String)>,
}

/// What tells the markets' answers apart.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    symbols: Vec<Contract>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Contract {
    contract_type: Option<String>,
}

impl Listing {
    /// Reads the files; each is one market's.
    ///
    /// # Errors
    /// One sentence that names the file, and what it should have been.
    pub fn read(paths: &[PathBuf]) -> Result<Self, String> {
        let mut listing = Self::default();
        for path in paths {
            let name = path.display();
            let text = recordings::read_whole(path).map_err(|error| error.to_string())?;
            let wrong = |error: &dyn std::fmt::Display| {
                format!("{name}: not an answer of exchangeInfo: {error}")
            };
            let head: Head = serde_json::from_slice(&text).map_err(|error| wrong(&error))?;
            let futures = head.symbols.iter().any(|one| one.contract_type.is_some());
            let (market, slot) = match futures {
                true => (Market::UsdM, &mut listing.usdm),
                false => (Market::Spot, &mut listing.spot),
            };
            if let Some(other) = slot {
                let other = other.path.display();
                return Err(format!("{name} and {other} both list {market}; give one"));
            }
            let info = parse_exchange_info(&text, market).map_err(|error| wrong(&error))?;
            *slot = Some(File {
                path: path.clone(),
                instruments: info.instruments.iter().map(|one| one.instrument).collect(),
                refused: info
                    .refused
                    .into_iter()
                    .map(|(symbol, error)| (symbol, error.to_string()))
                    .collect(),
            });
        }
        Ok(listing)
    }

    /// The listed instrument; `None` where no file speaks of the market.
    ///
    /// # Errors
    /// When the market's file does not list the symbol, or lists it in a way that our units cannot
    /// hold.
    pub fn find(&self, market: Market, symbol: &str) -> Result<Option<Instrument>, String> {
        let file = match market {
            Market::UsdM => &self.usdm,
            Market::Spot => &self.spot,
        };
        let Some(file) = file else { return Ok(None) };
        let mut listed = file.instruments.iter();
        if let Some(found) = listed.find(|one| one.symbol.as_str() == symbol) {
            return Ok(Some(*found));
        }
        let (path, count) = (file.path.display(), file.instruments.len());
        let refused = file.refused.iter().find(|(name, _)| name == symbol);
        Err(match refused {
            Some((_, why)) => format!("{path}: `{symbol}`: {why}"),
            None => format!("{path} lists {count} symbols, and `{symbol}` is none of them"),
        })
    }
}

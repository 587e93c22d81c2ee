//! Markets to look at: generated ones by seed, recorded ones by their files.
//!
//! In: a symbol, the folder of recordings. Out: feeds. Never: a recording that is required.

use std::path::{Path, PathBuf};

use market::Market;
use recordings::{Catalog, Options};
use simulated_exchange::feed::generator::Generator;
use simulated_exchange::feed::recording::Recording;
use simulated_exchange::feed::{Feed, parameters};

/// The generated market of a symbol.
pub(crate) fn generated(symbol: &str, seed: u64) -> Result<Box<dyn Feed>, String> {
    let instrument = parameters::instrument(Market::UsdM, symbol)?;
    let flow = parameters::flow(&instrument);
    Ok(Box::new(Generator::new(instrument, flow, seed)))
}

/// The recording of a symbol of 18 and 19 July 2024; `None` without it.
pub(crate) fn recorded(folder: &Path, symbol: &str) -> Result<Option<Box<dyn Feed>>, String> {
    let name = symbol.to_lowercase();
    let files: Vec<PathBuf> = ["20240718", "20240719"]
        .iter()
        .map(|day| folder.join(format!("hftbacktest/usdm/{name}_{day}.gz")))
        .collect();
    if !files.iter().all(|file| file.exists()) {
        return Ok(None);
    }
    let catalog = Catalog::open(&files, Options::default()).map_err(|error| error.to_string())?;
    let session = catalog.sessions.first().ok_or("an empty recording")?;
    Ok(Some(Box::new(Recording::load(
        session, None, false, false,
    )?)))
}

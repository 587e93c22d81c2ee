//! The recordings under `FULCRUM_CAPTURES`, read once for all tests.
//!
//! In: the folder. Out: sessions with their instruments. Never: a failure where there are none.

use market::{Instrument, InstrumentId};
use recordings::{Catalog, Options, Session};
use std::path::PathBuf;
use std::sync::OnceLock;

/// Every session, with the instrument as it shows it; nothing when there are no captures.
pub(crate) fn sessions() -> Option<&'static [(Session, Instrument)]> {
    static SESSIONS: OnceLock<Option<Vec<(Session, Instrument)>>> = OnceLock::new();
    SESSIONS.get_or_init(load).as_deref()
}

/// Where the captures are, if they are.
pub(crate) fn folder() -> PathBuf {
    std::env::var_os("FULCRUM_CAPTURES").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
        PathBuf::from,
    )
}

fn load() -> Option<Vec<(Session, Instrument)>> {
    let folder = folder();
    if !folder.is_dir() {
        println!("skipped: no captures at {}", folder.display());
        return None;
    }
    let catalog = Catalog::discover(&folder, Options::default()).expect("captures are readable");
    let sessions = catalog.sessions.into_iter().map(|session| {
        let instrument = session.instrument(InstrumentId(0)).expect("short symbol");
        (session, instrument)
    });
    Some(sessions.collect())
}

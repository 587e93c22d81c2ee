//! Where the recordings lie.

use std::path::{Path, PathBuf};

/// Their folder; where there is none the test says so and is skipped.
pub(crate) fn captures() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folder = std::env::var_os("FULCRUM_CAPTURES").map_or(beside, PathBuf::from);
    if !folder.is_dir() {
        println!("skipped: no captures at {}", folder.display());
        return None;
    }
    Some(folder)
}

//! The operator's key on disk.
//!
//! In: a file name. Out: a new key with mode 0600, or the one that is there. Never: a key that
//! others may read, or one over another.

use super::{Failure, failure};
use operator::OperatorKey;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Makes a key and says what to write into the configuration.
///
/// # Errors
/// When the file is there already, or cannot be written.
pub(super) fn make(out: &Path) -> Result<(), Failure> {
    let failed = |error: std::io::Error| failure(format!("{}: {error}", out.display()));
    let mut seed = [0; 32];
    rustix::rand::getrandom(&mut seed, rustix::rand::GetRandomFlags::empty())
        .map_err(|error| failed(error.into()))?;
    let key = OperatorKey::from_seed(&seed);
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(out)
        .map_err(failed)?;
    file.write_all(key.to_pem().as_bytes()).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    println!(
        "[emergency]\noperator_public_key = \"{}\"",
        key.public_hex()
    );
    Ok(())
}

/// Reads a key.
///
/// # Errors
/// When it cannot be read, is no key, or others may read it.
pub(super) fn read(path: &Path) -> Result<OperatorKey, Failure> {
    let named = |text: String| failure(format!("{}: {text}", path.display()));
    let facts = std::fs::metadata(path).map_err(|error| named(error.to_string()))?;
    let mode = facts.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(named(format!(
            "mode is {mode:03o}; others may read it; set 0600"
        )));
    }
    let text = std::fs::read_to_string(path).map_err(|error| named(error.to_string()))?;
    OperatorKey::from_pem(&text).map_err(|error| named(error.to_string()))
}

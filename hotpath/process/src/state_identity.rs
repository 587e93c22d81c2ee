//! Whose state a directory holds: the mode and the account of the first start in it.
//!
//! In: who starts. Out: a file that says so, or the refusal. Never: paper's epochs, latches and
//! measures under real money, or the other way round.

use crate::state_directory::{StateError, write_durably};
use std::io::ErrorKind;
use std::path::Path;

/// Name of the file in the account's state.
const NAME: &str = "identity";

/// First line of the file.
const TITLE: &str = "fulcrum-state 1";

/// Takes the account's state under `root` for `mode`, if nobody has for another one.
///
/// # Errors
/// [`StateError::Foreign`], or [`StateError::File`].
pub fn claim(root: &Path, account: &str, mode: &str) -> Result<(), StateError> {
    let folder = root.join("accounts").join(account);
    let path = folder.join(NAME);
    let failed = |source| StateError::File {
        path: path.display().to_string(),
        source,
    };
    let ours = format!("account {account}, mode {mode}");
    let text = format!("{TITLE}\n{ours}\n");
    match std::fs::read_to_string(&path) {
        Ok(found) if found == text => Ok(()),
        Ok(found) => Err(StateError::Foreign {
            path: path.display().to_string(),
            found: whose(&found),
            ours,
        }),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            std::fs::create_dir_all(&folder).map_err(failed)?;
            write_durably(&path, text.as_bytes())
        }
        Err(source) => Err(failed(source)),
    }
}

fn whose(text: &str) -> String {
    match text.split_once('\n') {
        Some((TITLE, whose)) => whose.trim_end().to_string(),
        _ => "another version, or damaged".to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_start_takes_the_state_and_no_other_mode_or_version_does() {
        let root = std::env::temp_dir().join(format!("fulcrum-identity-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&root);
        claim(&root, "default", "paper").unwrap();
        claim(&root, "default", "paper").unwrap();
        claim(&root, "other", "live").unwrap();
        let refused = claim(&root, "default", "live").unwrap_err().to_string();
        let parts = ["mode paper", "mode live", "--state-dir"];
        assert!(parts.iter().all(|part| refused.contains(part)), "{refused}");
        let path = root.join("accounts/default").join(NAME);
        std::fs::write(&path, "fulcrum-state 2\nsomething\n").unwrap();
        let refused = claim(&root, "default", "paper").unwrap_err().to_string();
        assert!(refused.contains("another version"), "{refused}");
    }
}

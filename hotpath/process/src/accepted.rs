//! The configuration as the last start took it.
//!
//! In: the text that a start checked. Out: a copy in the account's state, for `fulcrum-flatten` when
//! the original cannot be used any more. Never: a secret; a start that reads it.

use crate::state_directory::{StateError, write_durably};
use std::path::{Path, PathBuf};

/// Name of the file in the account's state.
const NAME: &str = "fulcrum.toml";

/// Keeps `text`, unless it lies there already.
///
/// # Errors
/// [`StateError::File`].
pub fn keep(root: &Path, account: &str, text: &str) -> Result<(), StateError> {
    let path = root.join("accounts").join(account).join(NAME);
    match std::fs::read_to_string(&path) {
        Ok(kept) if kept == text => Ok(()),
        _ => write_durably(&path, text.as_bytes()),
    }
}

/// The copy of `account`, or else of the only account that there is; with the account's name.
#[must_use]
pub fn of(root: &Path, account: Option<&str>) -> Option<(PathBuf, String)> {
    let folder = root.join("accounts");
    let names = match account {
        Some(account) => vec![account.to_string()],
        None => {
            let entries = std::fs::read_dir(&folder).ok()?.flatten();
            let names = entries.map(|one| one.file_name().to_string_lossy().into_owned());
            names.collect()
        }
    };
    let kept = names.into_iter().filter_map(|name| {
        let path = folder.join(&name).join(NAME);
        path.is_file().then_some((path, name))
    });
    let mut kept: Vec<_> = kept.collect();
    match kept.len() {
        1 => kept.pop(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_copy_is_found_by_its_account_or_where_it_is_the_only_one() {
        let root = std::env::temp_dir().join(format!("fulcrum-accepted-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&root);
        assert_eq!(of(&root, None), None);
        for account in ["one", "two"] {
            std::fs::create_dir_all(root.join("accounts").join(account)).unwrap();
        }
        keep(&root, "one", "first").unwrap();
        keep(&root, "one", "second").unwrap();
        let (path, account) = of(&root, None).unwrap();
        assert_eq!(account, "one");
        assert_eq!(std::fs::read_to_string(path).unwrap(), "second");
        keep(&root, "two", "other").unwrap();
        assert_eq!(of(&root, None), None, "which of them is meant?");
        assert_eq!(of(&root, Some("two")).unwrap().1, "two");
        assert_eq!(of(&root, Some("three")), None);
        std::fs::remove_dir_all(&root).unwrap();
    }
}

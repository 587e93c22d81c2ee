//! Results of long suites, with the inputs that they came from.
//!
//! In: the outcome of a suite and the files that it depends on. Out: `docs/evidence/NAME.json`.
//! Never: evidence that looks fresh after its inputs changed.

use crate::process::{Failure, output, root, write};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::process::Command;

/// Writes the result of `suite`; `inputs` are folders or files whose content it depends on.
pub(crate) fn record(suite: &str, inputs: &[&str], result: Value) -> Result<(), Failure> {
    let commit = output(
        Command::new("git")
            .args(["rev-parse", "HEAD"])
            .current_dir(root()),
    )?;
    let folder = root().join("docs/evidence");
    std::fs::create_dir_all(&folder).map_err(|source| Failure::File {
        path: folder.clone(),
        source,
    })?;
    let page = json!({
        "suite": suite,
        "commit": commit,
        "inputs": inputs,
        "input_hash": hash_of(inputs)?,
        "result": result,
    });
    let text = serde_json::to_string_pretty(&page).expect("a JSON value prints");
    write(&folder.join(format!("{suite}.json")), &format!("{text}\n"))
}

/// Prints a line for each suite whose inputs have changed since.
pub(crate) fn report_stale() -> Result<(), Failure> {
    let Ok(entries) = std::fs::read_dir(root().join("docs/evidence")) else {
        return Ok(());
    };
    for entry in entries.flatten() {
        let Ok(text) = std::fs::read_to_string(entry.path()) else {
            continue;
        };
        let Ok(page) = serde_json::from_str::<Value>(&text) else {
            return Err(Failure::Said(format!(
                "{}: not JSON",
                entry.path().display()
            )));
        };
        let inputs: Vec<&str> = page["inputs"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        if page["input_hash"].as_str() != Some(&hash_of(&inputs)?) {
            let suite = page["suite"].as_str().unwrap_or("?");
            println!(
                "tidy: docs/evidence/{suite}.json is of older code, which is no breach; \
                 `cargo xtask test --suite {suite}` makes it anew"
            );
        }
    }
    Ok(())
}

/// SHA-256 over names and contents of the tracked files under `inputs`.
fn hash_of(inputs: &[&str]) -> Result<String, Failure> {
    let list = output(
        Command::new("git")
            .arg("ls-files")
            .arg("--")
            .args(inputs)
            .current_dir(root()),
    )?;
    let mut hasher = Sha256::new();
    for file in list.lines() {
        hasher.update(file.as_bytes());
        hasher.update(std::fs::read(root().join(file)).unwrap_or_default());
    }
    Ok(hasher
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

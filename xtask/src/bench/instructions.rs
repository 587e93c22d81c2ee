//! The gate on instruction counts: gungraun under callgrind, against a committed baseline.
//!
//! In: `benches/instructions.json`. Out: a table of old, new and change; a failure when one count
//! rises by more than two per cent. Never: a time, a count of a machine that takes another path.

use super::cargo_of_benches;
use crate::process::{
    Failure, cargo, exists, output, read, root, run as run_to_end, target_dir, write,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Version of library and runner; they must be the same.
const GUNGRAUN: &str = "0.20.0";

/// How much a count may rise, in per cent.
const RISE_MAX_PERCENT: u128 = 2;

/// The committed counts and what they hold for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Baseline {
    /// `rustc --version`.
    rustc: String,
    /// `valgrind --version`.
    valgrind: String,
    /// Instructions by bench.
    counts: BTreeMap<String, u64>,
}

/// Whether instructions can be counted here as the baseline was: valgrind, and AVX2, which the
/// hot path takes where it is.
pub(crate) fn is_there() -> bool {
    let facts = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    exists("valgrind") && facts.split_whitespace().any(|word| word == "avx2")
}

/// Counts and compares.
pub(crate) fn check() -> Result<(), Failure> {
    let old: Baseline = serde_json::from_str(&read(&file())?)
        .map_err(|error| Failure::Said(format!("{}: {error}", file().display())))?;
    let new = count()?;
    if (&old.rustc, &old.valgrind) != (&new.rustc, &new.valgrind) {
        println!(
            "the baseline is of {} and {}, this is {} and {}",
            old.rustc, old.valgrind, new.rustc, new.valgrind
        );
    }
    let (table, broken) = compare(&old.counts, &new.counts);
    print!("{table}");
    if broken.is_empty() {
        return Ok(());
    }
    Err(Failure::Said(format!(
        "{}; if it must be, say why in the commit and run `cargo xtask bench --bless-instructions`",
        broken.join("; ")
    )))
}

/// Counts and takes the counts as the baseline.
pub(super) fn bless() -> Result<(), Failure> {
    let new = count()?;
    let old = read(&file()).ok();
    if let Some(old) = old.and_then(|text| serde_json::from_str::<Baseline>(&text).ok()) {
        print!("{}", compare(&old.counts, &new.counts).0);
    }
    let text = serde_json::to_string_pretty(&new).expect("a baseline prints");
    write(&file(), &format!("{text}\n"))
}

fn file() -> PathBuf {
    root().join("benches/instructions.json")
}

/// A table of both, and a sentence for each count that breaks the gate.
fn compare(old: &BTreeMap<String, u64>, new: &BTreeMap<String, u64>) -> (String, Vec<String>) {
    let names: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let width = names.iter().map(|name| name.len()).max().unwrap_or(0);
    let mut table = format!(
        "{:<width$}  {:>12}  {:>12}  change\n",
        "bench", "old", "new"
    );
    let mut broken = Vec::new();
    for name in names {
        match (old.get(name), new.get(name)) {
            (Some(&before), Some(&after)) => {
                let change = 100.0 * (after as f64 / before as f64 - 1.0);
                table.push_str(&format!(
                    "{name:<width$}  {before:>12}  {after:>12}  {change:+.2} %\n"
                ));
                // Exact: a rise of just two per cent passes.
                let most = u128::from(before) * (100 + RISE_MAX_PERCENT);
                if u128::from(after) * 100 > most {
                    broken.push(format!("{name} rose by {change:.2} %"));
                }
            }
            (before, after) => {
                let text = |count: Option<&u64>| count.map_or("-".to_string(), u64::to_string);
                table.push_str(&format!(
                    "{name:<width$}  {:>12}  {:>12}\n",
                    text(before),
                    text(after)
                ));
                broken.push(format!("{name} stands on one side only"));
            }
        }
    }
    (table, broken)
}

/// Runs the benches under callgrind.
fn count() -> Result<Baseline, Failure> {
    let runner = runner()?;
    let home = target_dir().join("instructions/gungraun");
    // Summaries of benches that are gone would stay.
    let _ = std::fs::remove_dir_all(&home);
    let mut bench = cargo_of_benches("bench", "instructions");
    bench
        .args(["--package", "instructions", "--bench", "hot_path", "--"])
        .args(["--save-summary=json", "--nosummary=true"])
        .env("GUNGRAUN_RUNNER", &runner)
        .env("GUNGRAUN_HOME", &home)
        .env_remove("RUSTFLAGS");
    // Its own table compares with nothing; ours follows.
    output(&mut bench)?;
    let mut counts = BTreeMap::new();
    summaries(&home, &mut counts)?;
    if counts.is_empty() {
        return Err(Failure::Said(format!(
            "gungraun left no summary below {}",
            home.display()
        )));
    }
    Ok(Baseline {
        rustc: output(Command::new("rustc").arg("--version").current_dir(root()))?,
        valgrind: output(Command::new("valgrind").arg("--version"))?,
        counts,
    })
}

/// The runner of the library's version, built once below the target folder.
fn runner() -> Result<PathBuf, Failure> {
    let tools = target_dir().join("tools");
    let runner = tools.join("bin/gungraun-runner");
    let there = runner.is_file()
        && output(Command::new(&runner).arg("--version"))
            .is_ok_and(|version| version.ends_with(GUNGRAUN));
    if !there {
        println!("instructions: building gungraun-runner {GUNGRAUN}");
        run_to_end(
            cargo()
                // It starts valgrind and reads what that wrote: nothing to optimise.
                .args(["install", "--quiet", "--locked", "--debug", "--root"])
                .arg(&tools)
                .args(["gungraun-runner", "--version", GUNGRAUN]),
        )?;
    }
    Ok(runner)
}

/// Takes the instruction counts of every summary below `folder`.
fn summaries(folder: &Path, counts: &mut BTreeMap<String, u64>) -> Result<(), Failure> {
    let entries = std::fs::read_dir(folder).map_err(|source| Failure::File {
        path: folder.into(),
        source,
    })?;
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            summaries(&path, counts)?;
        } else if path.file_name().is_some_and(|name| name == "summary.json") {
            let (name, count) = instructions_in(&read(&path)?)
                .ok_or_else(|| Failure::Said(format!("{}: no count", path.display())))?;
            counts.insert(name, count);
        }
    }
    Ok(())
}

/// Name and instruction count of one summary.
fn instructions_in(text: &str) -> Option<(String, u64)> {
    let summary: serde_json::Value = serde_json::from_str(text).ok()?;
    let function = summary["function_name"].as_str()?;
    let id = summary["id"].as_str()?;
    let profile = summary["profiles"]
        .as_array()?
        .iter()
        .find(|profile| profile["tool"] == "Callgrind")?;
    let count = profile["data"]["total"]["metrics"]["Ir"]["values"]["new"].as_u64()?;
    Some((format!("{function} {id}"), count))
}
#[cfg(test)]
mod tests {
    use super::*;

    fn counts(list: &[(&str, u64)]) -> BTreeMap<String, u64> {
        list.iter()
            .map(|(name, count)| ((*name).to_string(), *count))
            .collect()
    }

    #[test]
    fn two_per_cent_more_passes_and_a_little_beyond_does_not() {
        let old = counts(&[("a", 1_000), ("b", 1_000)]);
        assert_eq!(
            compare(&old, &counts(&[("a", 1_020), ("b", 10)])).1,
            [""; 0]
        );
        let broken = compare(&old, &counts(&[("a", 1_021), ("b", 1_000)])).1;
        assert_eq!(broken, ["a rose by 2.10 %"]);
    }

    #[test]
    fn a_summary_gives_its_name_and_its_instructions() {
        let text = r#"{"function_name":"decode","id":"depth","profiles":[{"tool":"Callgrind",
            "data":{"total":{"metrics":{"Ir":{"values":{"new":4255139}}}}}}]}"#;
        let expected = ("decode depth".to_string(), 4_255_139);
        assert_eq!(instructions_in(text), Some(expected));
        assert_eq!(instructions_in("{}"), None);
    }

    #[test]
    fn a_bench_that_is_gone_or_new_must_be_blessed() {
        let broken = compare(&counts(&[("a", 1)]), &counts(&[("b", 1)])).1;
        assert_eq!(broken.len(), 2, "{broken:?}");
    }
}

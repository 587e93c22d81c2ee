//! `docs/controls.md` against the code.
//!
//! In: the document, the lists of codes, breakers and limits, the sources of the tests that it
//! names. Out: what is missing. Never: a row that says what is not so.

use crate::limits::{LIMITS, Looser, Unit};
use market::{Breaker, DenialCode};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Cells of every table row under a heading, the head and its rule left out.
fn table(heading: &str) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(root().join("docs/controls.md")).unwrap();
    let (_, rest) = text.split_once(heading).expect("the heading is there");
    let section = rest.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter(|line| line.starts_with('|')).skip(2);
    rows.map(|row| {
        let cells = row.trim_matches('|').split('|');
        cells.map(|cell| cell.trim().to_string()).collect()
    })
    .collect()
}

fn first_words(rows: &[Vec<String>], column: usize) -> Vec<String> {
    let word = |row: &Vec<String>| row[column].trim_matches('`').to_string();
    rows.iter().map(word).collect()
}

#[test]
fn every_limit_stands_with_its_default_and_ceiling() {
    let expected: Vec<Vec<String>> = LIMITS
        .iter()
        .map(|one| {
            let unit = match one.unit {
                Unit::Usdt => "USDT",
                Unit::Ratio => "ratio",
                Unit::BasisPoints => "bps",
                Unit::Count => "count",
                Unit::Milliseconds => "ms",
                Unit::Seconds => "s",
            };
            let ceiling = match one.looser {
                Looser::Larger => one.high.to_string(),
                Looser::Smaller => format!("least {}", one.low),
            };
            vec![
                format!("`{}`", one.key),
                unit.to_string(),
                one.default.to_string(),
                ceiling,
                format!("`{}`", one.guards),
            ]
        })
        .collect();
    assert_eq!(table("## Limits and ceilings"), expected);
    let example = std::fs::read_to_string(root().join("docs/fulcrum.example.toml")).unwrap();
    for limit in LIMITS {
        let line = format!("\n{} = {}", limit.key, limit.default);
        assert!(example.contains(&line), "the example lacks {}", limit.key);
        let guards = limit.guards;
        let known = DenialCode::from_word(guards).is_some() || Breaker::from_word(guards).is_some();
        assert!(known, "{guards} is neither a code nor a breaker");
    }
}

#[test]
fn every_code_and_every_breaker_has_its_row() {
    let breakers = table("## Breakers");
    let names: Vec<&str> = Breaker::ALL.iter().map(|one| one.as_str()).collect();
    assert_eq!(first_words(&breakers, 0), names);
    let mut codes = first_words(&table("## Controls"), 0);
    codes.extend(
        first_words(&breakers, 2)
            .into_iter()
            .filter(|one| one != "-"),
    );
    let codes: BTreeSet<String> = codes.into_iter().collect();
    let all: BTreeSet<String> = DenialCode::ALL.iter().map(ToString::to_string).collect();
    assert_eq!(codes, all);
}

#[test]
fn every_control_names_its_limits_and_a_test_that_exists() {
    let tests = sources(&root().join("hotpath/engine/src"));
    for heading in ["## Controls", "## Breakers"] {
        for row in table(heading) {
            let (name, test) = (row[0].trim_matches('`'), row[4].trim_matches('`'));
            assert!(
                tests.contains(&format!("fn {test}(")),
                "{name}: no test {test}"
            );
            let limits = if heading == "## Controls" {
                &row[2]
            } else {
                &row[3]
            };
            for limit in LIMITS.iter().filter(|one| one.guards == name) {
                assert!(limits.contains(limit.key), "{name} lacks {}", limit.key);
            }
        }
    }
}

/// All Rust text under a folder.
fn sources(folder: &Path) -> String {
    let mut text = String::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            text.push_str(&sources(&path));
        } else if path.extension().is_some_and(|one| one == "rs") {
            text.push_str(&std::fs::read_to_string(&path).unwrap());
        }
    }
    text
}

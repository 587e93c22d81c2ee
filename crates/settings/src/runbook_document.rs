//! `docs/runbook/README.md` against the code.
//!
//! In: the page's tables, the lists of reasons and breakers. Out: what is missing. Never: a state
//! that asks something of a person without saying what.

use market::{Breaker, StateReason};
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/runbook")
}

fn index() -> String {
    std::fs::read_to_string(folder().join("README.md")).expect("the runbook is there")
}

/// Rows of the table under a heading: the first word and the last cell.
fn rows(text: &str, heading: &str) -> Vec<(String, String)> {
    let (_, rest) = text.split_once(heading).expect("the heading is there");
    let section = rest.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter(|line| line.starts_with('|')).skip(2);
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let last = cells.last().copied().unwrap_or_default();
        (cells[0].trim_matches('`').to_string(), last.to_string())
    })
    .collect()
}

#[test]
fn every_reason_and_every_breaker_has_its_row() {
    let text = index();
    let named = |heading: &str| {
        let rows = rows(&text, heading);
        rows.into_iter().map(|(word, _)| word).collect::<Vec<_>>()
    };
    let mut reasons: Vec<String> = StateReason::ALL
        .iter()
        .map(|one| one.as_str().to_string())
        .collect();
    let mut told = named("## By reason of the trading state");
    reasons.sort();
    told.sort();
    assert_eq!(told, reasons);
    let mut others: Vec<String> = Breaker::ALL
        .iter()
        .map(|one| one.as_str().to_string())
        .filter(|word| !reasons.contains(word))
        .collect();
    let mut told = named("## Breakers that leave the trading state alone");
    others.sort();
    told.sort();
    assert_eq!(told, others);
}

#[test]
fn every_link_of_the_index_is_a_page_and_every_page_is_linked() {
    let text = index();
    let mut linked = Vec::new();
    for part in text.split("](").skip(1) {
        let target = part.split(')').next().unwrap_or_default();
        assert!(folder().join(target).is_file(), "{target} is missing");
        linked.push(target.to_string());
    }
    for entry in std::fs::read_dir(folder()).expect("the folder is there") {
        let name = entry
            .expect("an entry")
            .file_name()
            .into_string()
            .expect("UTF-8");
        assert!(
            name == "README.md" || linked.contains(&name),
            "{name} is not linked"
        );
    }
}

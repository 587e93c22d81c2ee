//! The book against recordings: the exchange's own tickers and an independent model judge it.
//!
//! In: every recording under `FULCRUM_CAPTURES` (default `../shared/data`), formats recognised by
//! content. Out: zero mismatches, and a JSON of comparisons, mismatches and skips per session.
//! Never: a pass of a named folder without a single comparison.

use recordings::{Catalog, Options, Session};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Mutex;
use tests::oracle::replay::{Findings, Replay};

#[test]
fn the_book_equals_the_exchange_in_every_recording() {
    let named = std::env::var_os("FULCRUM_CAPTURES").is_some();
    let Some(folder) = tests::captures() else {
        assert!(!named, "FULCRUM_CAPTURES names no folder");
        return;
    };
    let catalog = Catalog::discover(&folder, Options::default()).expect("recordings are readable");
    let results = replay_all(&catalog.sessions);
    let total =
        |count: fn(&Findings) -> u64| results.iter().map(|(_, one)| count(one)).sum::<u64>();
    let comparisons = total(|one| one.comparisons + one.comparisons_beyond_known);
    let mismatches = total(|one| one.mismatches);
    let sessions: Vec<Value> = results
        .iter()
        .map(|(session, findings)| findings.to_json(session))
        .collect();
    let file = write(&json!({
        "schema_version": 1,
        "captures": folder.display().to_string(),
        "comparisons": comparisons,
        "mismatches": mismatches,
        "ignored_files": catalog.ignored.len(),
        "sessions": sessions,
    }));
    println!(
        "{comparisons} comparisons, {mismatches} mismatches: {}",
        file.display()
    );
    for (session, findings) in &results {
        for told in &findings.told {
            println!("{} {}: {told}", session.market, session.symbol);
        }
    }
    assert_eq!(mismatches, 0, "see {}", file.display());
    assert!(
        comparisons > 0 || !named,
        "no comparison was possible under {}",
        folder.display()
    );
}

/// Replays the sessions, as many at a time as there are cores.
fn replay_all(sessions: &[Session]) -> Vec<(&Session, Findings)> {
    let queue = Mutex::new(sessions.iter().enumerate());
    let results = Mutex::new(Vec::new());
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().expect("no replay panics with the lock").next();
                    let Some((index, session)) = next else { return };
                    let findings = Replay::of(session).findings;
                    let mut results = results.lock().expect("no replay panics with the lock");
                    results.push((index, session, findings));
                }
            });
        }
    });
    let mut results = results.into_inner().expect("all workers have ended");
    results.sort_by_key(|(index, _, _)| *index);
    results
        .into_iter()
        .map(|(_, session, findings)| (session, findings))
        .collect()
}

/// Writes the evidence and returns where.
fn write(evidence: &Value) -> PathBuf {
    let file = std::env::var_os("FULCRUM_ORACLE_JSON").map_or_else(
        || tests::root().join("target/fulcrum/book-oracle.json"),
        PathBuf::from,
    );
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).expect("the folder can be made");
    }
    let text = serde_json::to_string_pretty(evidence).expect("it is plain JSON");
    std::fs::write(&file, text + "\n").expect("the file can be written");
    file
}

//! The table of client and capability.
//!
//! In: cells as the drivers tell them. Out: the table as text and as a page of the docs, and the
//! verdict. Never: a failing cell that turns into a limit on the way.

use super::clients::Client;
use crate::process::Failure;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// One capability of one client.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Cell {
    /// Row of the table.
    pub(crate) capability: String,
    /// `pass`, `fail`, or `limit` where the client itself cannot do it.
    pub(crate) outcome: String,
    /// Why it is no pass.
    pub(crate) reason: String,
}

impl Cell {
    /// A cell that failed.
    pub(crate) fn failed(capability: &str, reason: &str) -> Self {
        Self {
            capability: capability.to_owned(),
            outcome: "fail".to_owned(),
            reason: reason.to_owned(),
        }
    }
}

/// Rows in the order in which they came, columns by client.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<String>,
    columns: Vec<&'static str>,
    cells: BTreeMap<(String, &'static str), Cell>,
}

impl Table {
    /// Adds the cells of a run.
    pub(crate) fn add(&mut self, client: &Client, run: &str, cells: Vec<Cell>) {
        if !self.columns.contains(&client.name) {
            self.columns.push(client.name);
        }
        for cell in cells {
            let row = match run {
                "full" => cell.capability.clone(),
                run => format!("{} ({run})", cell.capability),
            };
            if !self.rows.contains(&row) {
                self.rows.push(row.clone());
            }
            self.cells.insert((row, client.name), cell);
        }
    }

    /// The table in Markdown, with the reasons below it.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("| capability | {} |\n|---|", self.columns.join(" | "));
        text.push_str(&"---|".repeat(self.columns.len()));
        let mut reasons = String::new();
        for row in &self.rows {
            let _ = write!(text, "\n| {row} |");
            for column in &self.columns {
                let cell = self.cells.get(&(row.clone(), *column));
                let word = cell.map_or("-", |cell| cell.outcome.as_str());
                let _ = write!(text, " {word} |");
                if let Some(cell) = cell.filter(|cell| cell.outcome != "pass") {
                    let reason = cell.reason.replace('\n', " ");
                    let _ = writeln!(reasons, "- {column}, {row}: {word}: {reason}");
                }
            }
        }
        format!("{text}\n\n{reasons}")
    }

    /// The page of the docs.
    pub(crate) fn document(&self) -> String {
        format!(
            "# Clients that nobody here wrote\n\n`cargo xtask conformance` runs each of these \
             clients, unchanged and pinned in tests/conformance, against the simulated exchange, \
             over TLS with its own authority where the row does not say `plain`, with an HMAC key \
             where it does not name another. `limit` is what the client itself does not offer.\n\n\
             {}",
            self.text()
        )
    }

    /// A failure when a cell fails.
    pub(crate) fn verdict(&self) -> Result<(), Failure> {
        let count = |word: &str| {
            let cells = self.cells.values();
            cells.filter(|cell| cell.outcome == word).count()
        };
        let (passed, limited) = (count("pass"), count("limit"));
        let failed = self.cells.len() - passed - limited;
        println!("cells: {passed} pass, {limited} limits of the clients, {failed} fail");
        if failed == 0 {
            Ok(())
        } else {
            Err(Failure::Said(format!("{failed} cells of the table fail")))
        }
    }
}

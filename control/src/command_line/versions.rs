//! `fulcrum config apply | rollback | history`, and `fulcrum strategies`: what control carries out.
//!
//! In: files, numbers, names. Out: the keys that differ and what the hot path took. Never: a version
//! that is active although something in it is wrong.

use super::remote::Remote;
use super::{Failure, failure};
use crate::table::columns::{Align, lay_out};
use hyper::Method;
use serde_json::{Value, json};
use std::path::Path;

use Align::Left;

/// Another text.
pub(super) fn apply(
    remote: &mut Remote,
    file: &Path,
    expected: Option<u64>,
    dry_run: bool,
    as_json: bool,
) -> Result<(), Failure> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| failure(format!("{}: {error}", file.display())))?;
    let body = json!({ "text": text, "dry_run": dry_run });
    let applied = remote.put(Method::PUT, "/config", expected, body.to_string())?;
    show_applied(&applied, as_json);
    Ok(())
}

/// Back to an earlier one.
pub(super) fn rollback(
    remote: &mut Remote,
    version: Option<u64>,
    dry_run: bool,
    as_json: bool,
) -> Result<(), Failure> {
    let body = json!({ "version": version, "dry_run": dry_run });
    let applied = remote.put(Method::POST, "/config/rollback", None, body.to_string())?;
    show_applied(&applied, as_json);
    Ok(())
}

/// All versions.
pub(super) fn history(remote: &mut Remote, as_json: bool) -> Result<(), Failure> {
    let versions = remote.get("/config/versions")?;
    if as_json {
        println!("{versions}");
        return Ok(());
    }
    let head = [
        "version",
        "",
        "sha256",
        "when (ms UTC)",
        "who",
        "from",
        "build",
    ];
    let mut rows = vec![head.map(String::from).to_vec()];
    for one in versions.as_array().into_iter().flatten() {
        let state = match (one["active"] == true, one["refused"].is_null()) {
            (true, _) => "active",
            (false, true) => "",
            (false, false) => "refused",
        };
        rows.push(vec![
            text(&one["version"]),
            state.to_string(),
            text(&one["sha256"]).chars().take(16).collect(),
            text(&one["utc_ms"]),
            text(&one["who"]),
            text(&one["origin"]),
            text(&one["build"]).chars().take(12).collect(),
        ]);
    }
    print_table(&rows);
    Ok(())
}

/// Every strategy.
pub(super) fn strategies(remote: &mut Remote, as_json: bool) -> Result<(), Failure> {
    let all = remote.get("/strategies")?;
    if as_json {
        println!("{all}");
        return Ok(());
    }
    let head = ["strategy", "kind", "state", "instrument", "entries"];
    let mut rows = vec![head.map(String::from).to_vec()];
    for one in all.as_array().into_iter().flatten() {
        let state = match (one["enabled"] == true, one["latched"] == true) {
            (false, _) => "disabled",
            (true, true) => "latched off",
            (true, false) => "enabled",
        };
        for place in one["instruments"].as_array().into_iter().flatten() {
            let entries = if place["enabled"] == true {
                "yes"
            } else {
                "no"
            };
            rows.push(vec![
                text(&one["name"]),
                text(&one["kind"]),
                state.to_string(),
                format!("{} {}", text(&place["market"]), text(&place["symbol"])),
                entries.to_string(),
            ]);
        }
    }
    print_table(&rows);
    Ok(())
}

/// A strategy on or off.
pub(super) fn switch(
    remote: &mut Remote,
    name: &str,
    symbol: Option<&str>,
    enable: bool,
    as_json: bool,
) -> Result<(), Failure> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    // Whatever else a name holds is escaped in the path.
    let name: String = name
        .bytes()
        .map(|byte| match plain(byte) {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02X}"),
        })
        .collect();
    let verb = if enable { "enable" } else { "disable" };
    let path = format!("/strategies/{name}/{verb}");
    let body = json!({ "symbol": symbol });
    let applied = remote.put(Method::POST, &path, None, body.to_string())?;
    show_applied(&applied, as_json);
    Ok(())
}

fn show_applied(applied: &Value, as_json: bool) {
    if as_json {
        println!("{applied}");
        return;
    }
    let changes = applied["changes"].as_array().cloned().unwrap_or_default();
    if !changes.is_empty() {
        let mut rows = vec![["key", "old", "new", "in force"].map(String::from).to_vec()];
        for one in &changes {
            let effect = text(&one["effect"]);
            rows.push(vec![
                text(&one["key"]),
                text(&one["old"]),
                text(&one["new"]),
                in_force(&effect).to_string(),
            ]);
        }
        print_table(&rows);
    }
    println!(
        "version {} is active: {}",
        applied["version"],
        text(&applied["note"])
    );
}

/// When a change takes effect, for people.
pub(super) fn in_force(effect: &str) -> &str {
    match effect {
        "at_once" => "at once",
        "hot_path_start" => "at the next start of the hot path",
        "control_start" => "at the next start of control",
        "file_only" => "by the file and a start alone",
        other => other,
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_string(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn print_table(rows: &[Vec<String>]) {
    let columns = rows.first().map_or(0, Vec::len);
    for line in lay_out(&vec![Left; columns], rows) {
        println!("{}", line.trim_end());
    }
}

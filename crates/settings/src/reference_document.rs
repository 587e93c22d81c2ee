//! `docs/configuration.md`: every key in tables, made of the catalogue.
//!
//! In: keys, comments. Out: the page; a test that fails where the kept one is old. Never: prose
//! that is written twice.

use crate::keys::Key;
use crate::template::{comments, every_key};
use std::path::Path;

const HEAD: &str = "# Configuration

One TOML file holds everything that is to be set. `fulcrum config init` writes a first one with every
key and what it is for, `fulcrum config check` names everything that is wrong with a file at once,
`fulcrum config show` tells what holds, `fulcrum config diff OLD NEW` what differs. Editors that read
JSON Schema take [fulcrum.schema.json](fulcrum.schema.json). A key that is left out has its default;
the unit is in its name; a key that nobody knows is an error. Limits have ceilings that only root
sets: [controls.md](controls.md).

Made by `FULCRUM_BLESS=1 cargo test -p settings`.
";

fn page() -> String {
    let comments = comments();
    let mut page = HEAD.to_string();
    let mut table = None;
    for key in every_key() {
        let (place, name) = key.path.rsplit_once('.').unwrap_or(("", &key.path));
        if table.as_deref() != Some(place) {
            page.push_str(&heading(place));
            table = Some(place.to_string());
        }
        let general = key.general_path();
        let comment = comments
            .get(&general)
            .map(String::as_str)
            .unwrap_or_default();
        let cells = [
            format!("`{name}`"),
            default(&key),
            cell(&key.allowed()),
            cell(comment),
        ];
        page.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
    page
}

fn heading(table: &str) -> String {
    let title = match table {
        "" => "At the top".to_string(),
        "instrument[0]" => "`[[instrument]]`, 1 to 64 of them".to_string(),
        other => match other.strip_prefix("strategy[") {
            Some(kind) => format!("`[[strategy]]` of kind `{}`", kind.trim_end_matches(']')),
            None => format!("`[{other}]`"),
        },
    };
    format!("\n## {title}\n\n| key | default | allowed | what |\n|---|---|---|---|\n")
}

fn default(key: &Key) -> String {
    match &key.default {
        None if key.required => "required".to_string(),
        None => String::new(),
        Some(text) => format!("`{text}`"),
    }
}

/// Text in a table: a bar would end its cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[test]
fn the_page_that_is_kept_is_the_one_of_this_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    if std::env::var_os("FULCRUM_BLESS").is_some() {
        std::fs::write(&path, page()).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let advice = "docs/configuration.md is old: FULCRUM_BLESS=1 cargo test -p settings";
    assert!(kept == page(), "{advice}");
}

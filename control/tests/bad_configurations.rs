//! Every key with everything that can be wrong with it, through the program that a person runs.
//!
//! In: files made from the catalogue of keys. Out: exit 78 and the key by its name, each time.
//! Never: a mistake that was thought of for one key alone, unless it is between keys.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot set itself up has failed"
)]

use settings::{Ceilings, Form, Key, Settings};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

/// Two good files that have every key between them.
const BASES: [&str; 2] = [
    settings::TEMPLATE,
    "[[instrument]]\nsymbol = \"BTCUSDT\"\n[[strategy]]\nkind = \"dummy\"\nname = \"dummy\"\n",
];

/// One mistake: what is written instead of a key's line, and what the answer has to name.
struct Mistake {
    what: &'static str,
    line: String,
    named: Vec<String>,
}

fn keys_of(text: &str) -> Vec<Key> {
    let checked = Settings::catalogue("base", text, &Ceilings::of_this_build());
    checked.expect("a good file").1
}

/// A file with these keys, where `changed` gives the line of one of them.
fn file_of(keys: &[Key], changed: Option<(&str, &str)>) -> String {
    let mut tables: BTreeMap<(usize, String), String> = BTreeMap::new();
    for key in keys {
        let (table, name) = key.path.rsplit_once('.').unwrap_or(("", &key.path));
        let order = usize::from(!table.is_empty());
        let lines = tables.entry((order, table.to_string())).or_default();
        match changed {
            Some((path, line)) if path == key.path => lines.push_str(line),
            _ if key.value.is_empty() => continue,
            _ => lines.push_str(&format!("{name} = {}", key.value)),
        }
        lines.push('\n');
    }
    let head = |table: &str| match table.strip_suffix("[0]") {
        _ if table.is_empty() => String::new(),
        Some(list) => format!("[[{list}]]\n"),
        None => format!("[{table}]\n"),
    };
    tables
        .iter()
        .map(|((_, table), lines)| format!("{}{lines}", head(table)))
        .collect()
}

fn mistakes(key: &Key) -> Vec<Mistake> {
    let mut all: Vec<Mistake> = wrong_values(key)
        .into_iter()
        .map(|(what, value)| Mistake {
            what,
            line: format!("{} = {value}", name_of(key)),
            named: here(key),
        })
        .collect();
    all.extend(wrong_names(key));
    if key.required {
        all.push(Mistake {
            what: "missing",
            line: String::new(),
            named: here(key),
        });
    }
    all
}

fn name_of(key: &Key) -> &str {
    key.path.rsplit('.').next().unwrap_or(&key.path)
}

fn here(key: &Key) -> Vec<String> {
    vec![format!("`{}`", key.path)]
}

/// Values of another type, and values beyond the range.
fn wrong_values(key: &Key) -> Vec<(&'static str, String)> {
    let of = |what: &'static str, values: &[&str]| -> Vec<(&'static str, String)> {
        let with = |value: &&str| (what, (*value).to_string());
        values.iter().map(with).collect()
    };
    let (types, ranges) = match &key.form {
        Form::Text => (of("type", &["5"]), vec![]),
        Form::Flag => (of("type", &["\"yes\"", "1"]), vec![]),
        Form::Words(_) => (of("type", &["true"]), of("range", &["\"nonsense\""])),
        Form::Texts => (
            of("type", &["\"BTCUSDT\""]),
            of("range", &["[\"NONSENSE\"]"]),
        ),
        Form::Whole { low, high } => {
            let above = (high + 1).to_string();
            let below = (i128::from(*low) - 1).to_string();
            (
                of("type", &["\"many\"", "1.5"]),
                of("range", &[&above, &below]),
            )
        }
        Form::Decimal { high, .. } => {
            let more = if high.contains('.') { "1" } else { ".1" };
            let above = format!("{high}{more}");
            let ranges = of("range", &[&above, "-1", "0.000000001"]);
            (of("type", &["true", "nan"]), ranges)
        }
    };
    types.into_iter().chain(ranges).collect()
}

/// A name that is misspelt, has no unit, or another one.
fn wrong_names(key: &Key) -> Vec<Mistake> {
    let name = name_of(key);
    let value = if key.value.is_empty() {
        "1"
    } else {
        &key.value
    };
    let table = key.path.strip_suffix(name).unwrap_or_default();
    let spelt = |what, wrong: String| Mistake {
        what,
        line: format!("{wrong} = {value}"),
        named: match name {
            // Without it nobody knows which keys there are.
            "kind" => here(key),
            _ => vec![format!("`{table}{wrong}`"), "unknown key".to_string()],
        },
    };
    let mut all = vec![spelt("unknown", format!("{name}x"))];
    let units = [
        "_usdt", "_ratio", "_bps", "_ms", "_us", "_s", "_minutes", "_ticks",
    ];
    if let Some(unit) = units.iter().find(|unit| name.ends_with(**unit)) {
        let bare = name.strip_suffix(unit).unwrap_or(name);
        let other = if *unit == "_ms" { "_s" } else { "_ms" };
        all.push(spelt("unit", bare.to_string()));
        all.push(spelt("unit", format!("{bare}{other}")));
    }
    all
}

/// Mistakes that no key has by itself: lines behind a good file, and the key that is to be named.
const BETWEEN: [(&str, &str); 26] = [
    ("mode = \"live\"", "live_account"),
    (
        "mode = \"live\"\nlive_account = \"default\"",
        "venue.api_key_file",
    ),
    (
        "mode = \"live\"\nlive_account = \"default\"",
        "venue.api_secret_file",
    ),
    ("mode = \"testnet\"", "venue.api_key_file"),
    ("account = \"Main\"", "account"),
    ("account = \"\"", "account"),
    (
        "[venue]\nusdm_rest_url = \"https://fapi.binance.com\"",
        "venue.usdm_rest_url",
    ),
    (
        "[venue]\nusdm_ws_api_url = \"http://127.0.0.1:8900\"",
        "venue.usdm_ws_api_url",
    ),
    ("[venue]\napi_key_file = \"key\"", "venue.api_secret_file"),
    ("[venue]\ndepth_interval_ms = 50", "venue.depth_interval_ms"),
    ("[paper]\nlatency_ms = \"feed=1\"", "paper.latency_ms"),
    (
        "[paper]\nfollow_usdm_url = \"ftp://x\"",
        "paper.follow_usdm_url",
    ),
    ("[hot_path]\njournal_slots = 5000", "hot_path.journal_slots"),
    ("[book]\nwindow_ticks = 5000", "book.window_ticks"),
    (
        "[risk]\ndrawdown_smaller_ratio = 0.2",
        "risk.drawdown_stop_ratio",
    ),
    (
        "[control]\nmetrics_listen = \"here\"",
        "control.metrics_listen",
    ),
    (
        "mode = \"testnet\"\n[control]\nlock_out = false",
        "control.lock_out",
    ),
    (
        "[control]\nequity_seconds_days = 100",
        "control.equity_minutes_days",
    ),
    (
        "[control]\napi_listen = \"127.0.0.1\"",
        "control.api_listen",
    ),
    (
        "[emergency]\ndeadman_countdown_s = 5",
        "emergency.deadman_countdown_s",
    ),
    (
        "[emergency]\napi_key_file = \"a\"",
        "emergency.api_key_file",
    ),
    (
        "[emergency]\noperator_public_key = \"12\"",
        "emergency.operator_public_key",
    ),
    (
        "[protective_stop]\ndistance_bps = 12",
        "protective_stop.distance_bps",
    ),
    (
        "[[instrument]]\nsymbol = \"BTCUSDT\"",
        "instrument[1].symbol",
    ),
    (
        "[[instrument]]\nmarket = \"spot\"\nsymbol = \"X\"\nleverage = 5",
        "instrument[1].leverage",
    ),
    (
        "[[strategy]]\nkind = \"dummy\"\nrest_ms = 2000",
        "strategy[1].rest_ms",
    ),
];

struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let name = format!("fulcrum-bad-configurations-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Exit code and complaint of `fulcrum config check`.
    fn check(&self, text: &str) -> (Option<i32>, String) {
        let file = self.0.join("fulcrum.toml");
        std::fs::write(&file, text).unwrap();
        let program = env!("CARGO_BIN_EXE_fulcrum");
        let command = Command::new(program)
            .args(["config", "check"])
            .arg(&file)
            .output();
        let output = command.unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), said)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn each_of_more_than_five_hundred_mistakes_is_named_by_its_key() {
    let folder = Folder::new();
    let mut tried: BTreeMap<&str, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    let mut seen = Vec::new();
    for base in BASES {
        let keys = keys_of(base);
        let good = folder.check(&file_of(&keys, None));
        assert_eq!(good.0, Some(0), "{}\n{}", good.1, file_of(&keys, None));
        for key in &keys {
            if seen.contains(&key.path) && !key.path.starts_with("strategy") {
                continue;
            }
            seen.push(key.path.clone());
            for mistake in mistakes(key) {
                *tried.entry(mistake.what).or_default() += 1;
                let text = file_of(&keys, Some((&key.path, &mistake.line)));
                let (code, said) = folder.check(&text);
                let named = mistake.named.iter().all(|name| said.contains(name));
                if code != Some(78) || !named {
                    wrong.push(format!(
                        "{}: {}: {code:?} {said}",
                        mistake.what, mistake.line
                    ));
                }
            }
        }
    }
    for (lines, key) in BETWEEN {
        *tried.entry("cross-field").or_default() += 1;
        let root = !lines.starts_with('[');
        let base = "[[instrument]]\nsymbol = \"BTCUSDT\"\n[[strategy]]\nkind = \"imbalance\"\n";
        let text = if root {
            format!("{lines}\n{base}")
        } else {
            format!("{base}{lines}\n")
        };
        let (code, said) = folder.check(&text);
        if code != Some(78) || !said.contains(&format!("`{key}`")) {
            wrong.push(format!("cross-field: {lines}: {code:?} {said}"));
        }
    }
    let all: usize = tried.values().sum();
    println!("{all} mistakes: {tried:?}");
    assert!(
        wrong.is_empty(),
        "{} of {all}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(all >= 500, "{all}: {tried:?}");
}

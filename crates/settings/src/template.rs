//! The commented template: what each key is for, and a first file for each profile.
//!
//! In: `docs/fulcrum.example.toml`, which has every key with its default. Out: comments by key,
//! files that `fulcrum config init` writes. Never: a second place where a comment is written.

use crate::checked::Mode;
use crate::keys::Key;
use crate::written::quoted;
use crate::{Ceilings, Settings};
use market::Market;
use std::collections::BTreeMap;

/// Every key with its default and what it is for.
pub const TEMPLATE: &str = include_str!("../../../docs/fulcrum.example.toml");

/// A strategy that the template only shows in comments.
const OTHERS: &str = "[[instrument]]\nsymbol = \"BTCUSDT\"\n[[strategy]]\nkind = \"dummy\"\n";

/// Every key that there is, in the order of the template; lists have one entry of each kind. Keys of
/// strategies have their kind before them: `strategy[imbalance].entry`.
#[must_use]
pub fn every_key() -> Vec<Key> {
    let walk = |text: &str| {
        let checked = Settings::catalogue("the template", text, &Ceilings::of_this_build());
        checked.map(|(_, keys)| keys).unwrap_or_default()
    };
    let named = |keys: Vec<Key>, kind: &str| {
        let rename = move |mut key: Key| {
            if let Some(rest) = key.path.strip_prefix("strategy[0].") {
                key.path = format!("strategy[{kind}].{rest}");
            }
            key
        };
        keys.into_iter().map(rename).collect::<Vec<_>>()
    };
    let mut keys = named(walk(TEMPLATE), "imbalance");
    let others = named(walk(OTHERS), "dummy");
    let end = keys
        .iter()
        .rposition(|key| key.path.starts_with("strategy["));
    let end = end.map_or(keys.len(), |place| place + 1);
    let new = others
        .into_iter()
        .filter(|key| key.path.starts_with("strategy["));
    keys.splice(end..end, new);
    keys
}

/// What the template says of each key, by its name without places in lists: `instrument[].symbol`.
/// What stands behind a table's head is under the table's name.
#[must_use]
pub fn comments() -> BTreeMap<String, String> {
    let mut comments = BTreeMap::new();
    let mut table = String::new();
    let mut last = String::new();
    for line in TEMPLATE.lines() {
        let plain = line.strip_prefix("# ").unwrap_or(line);
        let (code, comment) = match plain.split_once(" # ") {
            Some((code, comment)) => (code.trim(), comment.trim()),
            None => (plain.trim(), ""),
        };
        if let Some(name) = head(code) {
            (table, last) = (name.clone(), name);
        } else if let Some(key) = key_of(code) {
            last = match table.is_empty() {
                true => key.to_string(),
                false => format!("{table}.{key}"),
            };
            if comments.contains_key(&last) {
                // Of another kind of strategy: it is told once.
                last.clear();
                continue;
            }
        } else if !(code.is_empty() && line.starts_with(' ')) {
            continue;
        }
        if !comment.is_empty() {
            // A line without a key goes on with the comment of the one before.
            let known: &mut String = comments.entry(last.clone()).or_default();
            let gap = if known.is_empty() { "" } else { " " };
            known.push_str(gap);
            known.push_str(comment);
        }
    }
    comments
}

/// `[name]`, or `[[name]]` as `name[]`.
fn head(code: &str) -> Option<String> {
    let inner = code.strip_prefix('[')?.strip_suffix(']')?;
    match inner
        .strip_prefix('[')
        .and_then(|one| one.strip_suffix(']'))
    {
        Some(list) => Some(format!("{list}[]")),
        None => Some(inner.to_string()),
    }
}

fn key_of(code: &str) -> Option<&str> {
    let (key, _) = code.split_once(" = ")?;
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (!key.is_empty() && key.bytes().all(plain)).then_some(key)
}

/// A first file: the template with the mode, the account, the instruments, and what the mode needs.
/// A live one still lacks what only a person may say: the account's name once more.
#[must_use]
pub fn profile(mode: Mode, account: &str, market: Market, symbols: &[String]) -> String {
    let market = match market {
        Market::UsdM => "usdm",
        Market::Spot => "spot",
    };
    let usual = usual_in(mode);
    let mut text = String::new();
    let mut table = String::new();
    let mut others = symbols.iter().skip(1);
    for line in TEMPLATE.lines() {
        if let Some(name) = head(line.split(" # ").next().unwrap_or(line).trim()) {
            if table == "instrument[]" {
                for symbol in others.by_ref() {
                    text.push_str(&instrument(market, symbol));
                }
            }
            table = name;
        }
        let key = line.split_once(" = ").map_or("", |(key, _)| key);
        let path = match table.as_str() {
            "" => key.to_string(),
            table => format!("{table}.{key}"),
        };
        let first = symbols.first().map(String::as_str);
        let wanted = match path.as_str() {
            "mode" => Some(quoted(mode.word())),
            "account" => Some(quoted(account)),
            "instrument[].market" | "strategy[].market" => Some(quoted(market)),
            "instrument[].symbol" => first.map(quoted),
            "venue.api_key_file" if mode != Mode::Paper => Some(quoted("api-key")),
            "venue.api_secret_file" if mode != Mode::Paper => Some(quoted("api-secret")),
            other => usual.get(other).cloned(),
        };
        match wanted {
            Some(value) => text.push_str(&with_value(line, &value)),
            None => text.push_str(line),
        }
        text.push('\n');
    }
    text
}

/// Values of keys whose defaults follow the mode.
fn usual_in(mode: Mode) -> BTreeMap<String, String> {
    let bare = format!(
        "mode = \"{}\"\nlive_account = \"default\"\n[venue]\napi_key_file = \"key\"\n\
         api_secret_file = \"secret\"\n[[instrument]]\nsymbol = \"BTCUSDT\"\n",
        mode.word()
    );
    let checked = Settings::catalogue("a profile", &bare, &Ceilings::of_this_build());
    let keys = checked.map(|(_, keys)| keys).unwrap_or_default();
    let follows = |key: &Key| {
        let table = key.path.starts_with("venue.") || key.path.starts_with("market_data.");
        table && !key.is_written
    };
    let usual = keys.into_iter().filter(follows);
    usual
        .filter_map(|key| Some((key.path, key.default?)))
        .collect()
}

fn instrument(market: &str, symbol: &str) -> String {
    format!(
        "[[instrument]]\nmarket = {}\nsymbol = {}\n\n",
        quoted(market),
        quoted(symbol)
    )
}

/// `key = OLD   # comment` with another value, and the comment where it was.
fn with_value(line: &str, value: &str) -> String {
    let Some((key, rest)) = line.split_once(" = ") else {
        return line.to_string();
    };
    let code = format!("{key} = {value}");
    match rest.split_once(" # ") {
        None => code,
        Some((old, comment)) => {
            let column = key.len() + 3 + old.len();
            format!("{code:<column$} # {comment}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_stands_in_the_template_with_what_it_is_for() {
        let comments = comments();
        for key in every_key() {
            let general = key.general_path();
            let told = comments.get(&general).is_some_and(|text| !text.is_empty());
            assert!(told, "{general}");
        }
        assert_eq!(
            comments["risk.max_leverage_ratio"],
            "gross exposure over equity"
        );
        assert_eq!(
            comments["instrument[].leverage"],
            "set at the exchange, 1..125 | 0: any up to risk.max_leverage_ratio, and one above it \
             is lowered to it"
        );
        assert!(comments["hot_path.engine_core"].starts_with("core of the engine thread"));
    }

    #[test]
    fn a_first_file_of_each_profile_is_good_but_for_what_a_person_must_say() {
        let two = ["ETHUSDT".to_string(), "BTCUSDT".to_string()];
        for (mode, market) in [
            (Mode::Paper, Market::UsdM),
            (Mode::Testnet, Market::Spot),
            (Mode::Live, Market::UsdM),
        ] {
            let text = profile(mode, "one", market, &two);
            let checked = Settings::check("fulcrum.toml", &text);
            if mode == Mode::Live {
                let refused = checked.unwrap_err().to_string();
                assert!(refused.contains("`live_account`"), "{refused}");
                assert_eq!(refused.lines().count(), 1, "{refused}");
                continue;
            }
            let settings = checked.unwrap();
            assert_eq!((settings.mode, settings.account.as_str()), (mode, "one"));
            let symbols: Vec<_> = settings.instruments.iter().map(|one| one.symbol).collect();
            assert_eq!(symbols.len(), 2);
            assert_eq!(symbols[0].as_str(), "ETHUSDT");
            assert_eq!(settings.strategies[0].instruments, [0, 1]);
            // Nothing else differs from what is there anyway.
            let comments = |text: &str| text.matches(" # ").count();
            assert_eq!(comments(&text), comments(TEMPLATE));
        }
    }
}

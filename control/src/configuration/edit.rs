//! Changes of a configuration's text that leave everything else as a person wrote it.
//!
//! In: a text, and what is to change in it. Out: the text with the change; comments, order and the
//! rest as they were. Never: a check of the result; whoever uses it checks it as any other.

use serde::Deserialize;
use std::fmt;
use toml_edit::{Array, ArrayOfTables, DocumentMut, Item, Table, value};

/// The version of the screener's export that is understood.
const FORMAT: u64 = 1;

/// Instruments of one export; an engine has no more.
const INSTRUMENTS_MAX: usize = 64;

/// Why a text cannot be changed so.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// It is no TOML.
    #[error("not valid TOML: {0}")]
    NotToml(#[from] toml_edit::TomlError),
    /// No such strategy.
    #[error("no strategy is named `{name}`; there are {known}")]
    NoStrategy {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// The strategy does not trade it.
    #[error("strategy `{strategy}` does not trade `{symbol}`")]
    NoSymbol {
        /// Which strategy.
        strategy: String,
        /// Which symbol.
        symbol: String,
    },
    /// The export is none.
    #[error("not an export of the screener: {0}")]
    Export(String),
}

/// A strategy on or off, everywhere or on one symbol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Switch {
    /// Its name.
    pub strategy: String,
    /// On one of its symbols; nothing for everywhere.
    pub symbol: Option<String>,
    /// On.
    pub enable: bool,
}

impl fmt::Display for Switch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.enable { "enabled" } else { "disabled" };
        write!(f, "strategy {} {word}", self.strategy)?;
        self.symbol
            .iter()
            .try_for_each(|symbol| write!(f, " on {symbol}"))
    }
}

/// The text with a strategy switched. Its own switch and the list of its symbols are two keys: what is
/// off by the one is not on by the other.
///
/// # Errors
/// [`EditError`].
pub fn switched(text: &str, switch: &Switch) -> Result<String, EditError> {
    let mut document: DocumentMut = text.parse()?;
    let none = &mut ArrayOfTables::new();
    let tables = document.get_mut("strategy");
    let tables = tables
        .and_then(Item::as_array_of_tables_mut)
        .unwrap_or(none);
    let known: Vec<String> = tables.iter().map(name_of).collect();
    let place = known.iter().position(|name| *name == switch.strategy);
    let table = place.and_then(|place| tables.get_mut(place));
    let table = table.ok_or_else(|| EditError::NoStrategy {
        name: switch.strategy.clone(),
        known: known.join(", "),
    })?;
    let Some(symbol) = &switch.symbol else {
        set(table, "enabled", value(switch.enable));
        return Ok(document.to_string());
    };
    let old = table.get("disabled_symbols").and_then(Item::as_array);
    let mut off: Vec<String> = old.map(texts).unwrap_or_default();
    off.retain(|one| one != symbol);
    if !switch.enable {
        off.push(symbol.clone());
    }
    set(
        table,
        "disabled_symbols",
        value(off.iter().collect::<Array>()),
    );
    Ok(document.to_string())
}

/// As the check names it, too.
fn name_of(table: &Table) -> String {
    let text = |key: &str| table.get(key).and_then(Item::as_str);
    text("name")
        .or(text("kind"))
        .unwrap_or_default()
        .to_string()
}

fn texts(array: &Array) -> Vec<String> {
    array
        .iter()
        .filter_map(|one| one.as_str())
        .map(str::to_string)
        .collect()
}

/// Sets a value; what stands around the old one, such as a comment, stays.
fn set(table: &mut Table, key: &str, mut item: Item) {
    let old = table.get(key).and_then(Item::as_value);
    let decor = old.map(|old| old.decor().clone());
    if let (Some(decor), Some(new)) = (decor, item.as_value_mut()) {
        *new.decor_mut() = decor;
    }
    table[key] = item;
}

/// The screener's export, `docs/api.md`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Screened {
    format: u64,
    made_utc: String,
    instruments: Vec<ScreenedInstrument>,
}

/// An instrument of it; what this build does not know is for others.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct ScreenedInstrument {
    market: String,
    symbol: String,
}

impl Screened {
    /// Reads an export.
    ///
    /// # Errors
    /// [`EditError::Export`].
    pub fn read(json: &str) -> Result<Self, EditError> {
        let bad = |text: String| EditError::Export(text);
        let read: Self = serde_json::from_str(json).map_err(|error| bad(error.to_string()))?;
        if read.format != FORMAT {
            let found = read.format;
            return Err(bad(format!("format {found}; allowed: {FORMAT}")));
        }
        let count = read.instruments.len();
        if !(1..=INSTRUMENTS_MAX).contains(&count) {
            return Err(bad(format!(
                "{count} instruments; allowed: 1 to {INSTRUMENTS_MAX}"
            )));
        }
        for (index, one) in read.instruments.iter().enumerate() {
            if !["usdm", "spot"].contains(&one.market.as_str()) {
                let found = &one.market;
                return Err(bad(format!(
                    "instruments[{index}].market: `{found}`; allowed: usdm, spot"
                )));
            }
        }
        Ok(read)
    }

    /// When it was made, as it says.
    #[must_use]
    pub fn made_utc(&self) -> &str {
        &self.made_utc
    }
}

/// The text with the export's instruments in the place of its own. An instrument that stays keeps its
/// table with all keys; strategies that name symbols name those of their market, those that name none
/// go on to trade all; a disabled symbol that goes is named no more.
///
/// # Errors
/// [`EditError`].
pub fn imported(text: &str, screened: &Screened) -> Result<String, EditError> {
    let mut document: DocumentMut = text.parse()?;
    let none = ArrayOfTables::new();
    let old = document
        .get("instrument")
        .and_then(Item::as_array_of_tables);
    let old = old.unwrap_or(&none);
    let word = |table: &Table, key: &str, usual: &str| {
        let found = table.get(key).and_then(Item::as_str);
        found.unwrap_or(usual).to_string()
    };
    let mut tables = ArrayOfTables::new();
    for one in &screened.instruments {
        let known = old.iter().find(|table| {
            word(table, "market", "usdm") == one.market && word(table, "symbol", "") == one.symbol
        });
        tables.push(known.cloned().unwrap_or_else(|| {
            let mut table = Table::new();
            table["market"] = value(&one.market);
            table["symbol"] = value(&one.symbol);
            table
        }));
    }
    // New tables stand where the first old one stood, and not at the end of the file.
    let place = old.iter().find_map(Table::position);
    for table in tables.iter_mut() {
        if let Some(place) = place {
            table.set_position(Some(place));
        }
    }
    document["instrument"] = Item::ArrayOfTables(tables);
    if let Some(strategies) = document
        .get_mut("strategy")
        .and_then(Item::as_array_of_tables_mut)
    {
        for table in strategies.iter_mut() {
            let market = word(table, "market", "usdm");
            let here = screened
                .instruments
                .iter()
                .filter(|one| one.market == market);
            let symbols: Vec<&str> = here.map(|one| one.symbol.as_str()).collect();
            let named = table.get("symbols").and_then(Item::as_array);
            if named.is_some_and(|named| !named.is_empty()) {
                set(
                    table,
                    "symbols",
                    value(symbols.iter().copied().collect::<Array>()),
                );
            }
            if let Some(off) = table.get("disabled_symbols").and_then(Item::as_array) {
                let mut left = texts(off);
                left.retain(|one| symbols.contains(&one.as_str()));
                set(
                    table,
                    "disabled_symbols",
                    value(left.iter().collect::<Array>()),
                );
            }
        }
    }
    Ok(document.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use settings::Settings;

    const TEXT: &str = "# whose\nmode = \"paper\"\n\n# the first\n[[instrument]]\nsymbol = \"BTCUSDT\"\n\
        leverage = 3 # not more\n\n[[instrument]]\nsymbol = \"ETHUSDT\"\n\n[[strategy]]\n\
        kind = \"imbalance\" # ours\nsymbols = [\"BTCUSDT\", \"ETHUSDT\"] # both\n\
        disabled_symbols = [\"ETHUSDT\"] # thin\n\n[[strategy]]\nkind = \"dummy\"\nname = \"probe\"\n\n\
        [risk] # careful\nmax_open_orders = 4\n";

    fn switch(strategy: &str, symbol: Option<&str>, enable: bool) -> Switch {
        Switch {
            strategy: strategy.to_string(),
            symbol: symbol.map(str::to_string),
            enable,
        }
    }

    #[test]
    fn a_switch_changes_one_key_and_no_comment() {
        let off = switched(TEXT, &switch("probe", None, false)).expect("it is there");
        assert_eq!(
            off,
            TEXT.replace("\"probe\"\n", "\"probe\"\nenabled = false\n")
        );
        assert_eq!(
            switched(&off, &switch("probe", None, true)).expect("it is there"),
            off.replace("false", "true")
        );
        let one =
            switched(TEXT, &switch("imbalance", Some("BTCUSDT"), false)).expect("it is there");
        assert_eq!(
            one,
            TEXT.replace("[\"ETHUSDT\"] # thin", "[\"ETHUSDT\", \"BTCUSDT\"] # thin")
        );
        let on = switched(TEXT, &switch("imbalance", Some("ETHUSDT"), true)).expect("it is there");
        assert_eq!(on, TEXT.replace("[\"ETHUSDT\"] # thin", "[] # thin"));
        for text in [&off, &one, &on] {
            Settings::check("text", text).expect("it is a configuration");
        }
        let unknown =
            switched(TEXT, &switch("grid", None, true)).map_err(|error| error.to_string());
        let said = "no strategy is named `grid`; there are imbalance, probe";
        assert_eq!(unknown, Err(said.to_string()));
    }

    fn export(instruments: &str) -> Result<Screened, EditError> {
        Screened::read(&format!(
            "{{\"format\":1,\"made_utc\":\"2026-01-01T00:00:00Z\",\"instruments\":[{instruments}]}}"
        ))
    }

    #[test]
    fn an_export_replaces_the_instruments_and_leaves_the_rest() {
        let lines = "{\"market\":\"usdm\",\"symbol\":\"SOLUSDT\",\"rank\":1},\
                     {\"market\":\"usdm\",\"symbol\":\"BTCUSDT\"}";
        let text = imported(TEXT, &export(lines).expect("an export")).expect("a configuration");
        let settings = Settings::check("text", &text).expect("a configuration");
        let symbols: Vec<&str> = settings
            .instruments
            .iter()
            .map(|one| one.symbol.as_str())
            .collect();
        assert_eq!(symbols, ["SOLUSDT", "BTCUSDT"], "{text}");
        assert_eq!(settings.setups[1].leverage, Some(3), "{text}");
        assert_eq!(settings.strategies[0].instruments, [0, 1]);
        assert!(settings.strategies[0].off.is_empty());
        for kept in [
            "# whose",
            "# not more",
            "# ours",
            "# both",
            "# thin",
            "# careful",
        ] {
            assert!(text.contains(kept), "{kept} in {text}");
        }
        assert!(!text.contains("ETHUSDT"), "{text}");
        let place = |word: &str| {
            text.find(word)
                .unwrap_or_else(|| panic!("{word} in {text}"))
        };
        assert!(place("SOLUSDT") < place("[risk]"), "{text}");
    }

    #[test]
    fn what_is_no_export_is_said() {
        for (json, said) in [
            ("[]", "invalid length"),
            (
                r#"{"format":2,"made_utc":"","instruments":[]}"#,
                "format 2; allowed: 1",
            ),
            (
                r#"{"format":1,"made_utc":"","instruments":[]}"#,
                "0 instruments",
            ),
            (r#"{"format":1,"instruments":[]}"#, "made_utc"),
            (
                r#"{"format":1,"made_utc":"","instruments":[{"market":"coinm","symbol":"A"}]}"#,
                "instruments[0].market: `coinm`",
            ),
        ] {
            let error = Screened::read(json)
                .map_err(|error| error.to_string())
                .expect_err(json);
            assert!(error.contains(said), "{json}: {error}");
        }
    }
}

//! The file as written: a walk over its keys that remembers lines and collects every problem.
//!
//! In: TOML text. Out: typed values by key, and problems with their line. Never: an early exit
//! at the first problem, a number that passes through a float where it is money.

use crate::keys::{Catalogue, Form, Key};
use market::decimal::parse_decimal;
use std::collections::BTreeSet;
use toml_edit::{Document, Item, Table, TableLike};

/// One thing that is wrong in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Line, counted from 1; 0 for a key that is missing.
    pub line: usize,
    /// Full key, such as `risk.daily_loss_usdt`.
    pub key: String,
    /// What was found.
    pub found: String,
    /// What is allowed.
    pub allowed: String,
}

/// Why a file is no configuration; shows every problem.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("{file}: cannot be read: {source}")]
    Unreadable {
        /// The file.
        file: String,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("{file}: not valid TOML: {message}")]
    NotToml {
        /// The file.
        file: String,
        /// Where and why.
        message: String,
    },
    /// The file is TOML, but not an acceptable configuration.
    #[error("{}", list(file, problems))]
    Invalid {
        /// The file.
        file: String,
        /// Everything that is wrong.
        problems: Vec<Problem>,
    },
}

fn list(file: &str, problems: &[Problem]) -> String {
    let lines: Vec<String> = problems
        .iter()
        .map(|one| {
            let place = if one.line == 0 {
                file.to_string()
            } else {
                format!("{file}:{}", one.line)
            };
            format!(
                "{place}: `{}`: found {}; allowed: {}",
                one.key, one.found, one.allowed
            )
        })
        .collect();
    lines.join("\n")
}

/// A table of the file with the keys that have been asked for so far.
pub(crate) struct Section<'a> {
    text: &'a str,
    path: String,
    table: Option<&'a dyn TableLike>,
    line: usize,
    known: BTreeSet<String>,
    catalogue: Catalogue,
}

/// The whole file, parsed.
pub(crate) fn parse<'a>(file: &str, text: &'a str) -> Result<Document<&'a str>, SettingsError> {
    Document::parse(text).map_err(|error| SettingsError::NotToml {
        file: file.to_string(),
        message: error.to_string().trim_end().to_string(),
    })
}

impl<'a> Section<'a> {
    /// The root table, whose keys are noted in `catalogue`.
    pub(crate) fn root(text: &'a str, table: &'a Table, catalogue: Catalogue) -> Self {
        Self {
            text,
            path: String::new(),
            table: Some(table),
            line: 1,
            known: BTreeSet::new(),
            catalogue,
        }
    }

    /// A section without keys: every read gives its default.
    pub(crate) fn empty() -> Self {
        Self {
            text: "",
            path: String::new(),
            table: None,
            line: 0,
            known: BTreeSet::new(),
            catalogue: Catalogue::default(),
        }
    }

    /// Full name of a key of this section.
    fn name(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_string()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    /// The sub-table `[key]`; an absent one reads as empty.
    pub(crate) fn section(&mut self, key: &str, problems: &mut Vec<Problem>) -> Section<'a> {
        let path = self.name(key);
        let item = self.item(key);
        let table = item.and_then(Item::as_table_like);
        if let (Some(item), None) = (item, table) {
            problems.push(self.problem(key, item, "a table"));
        }
        let line = item.map_or(self.line, |item| self.line_of(item));
        Section {
            text: self.text,
            path,
            table,
            line,
            known: BTreeSet::new(),
            catalogue: self.catalogue.clone(),
        }
    }

    /// Every `[[key]]` in order.
    pub(crate) fn sections(&mut self, key: &str, problems: &mut Vec<Problem>) -> Vec<Section<'a>> {
        let path = self.name(key);
        let Some(item) = self.item(key) else {
            return Vec::new();
        };
        let Some(tables) = item.as_array_of_tables() else {
            problems.push(self.problem(key, item, &format!("tables written [[{path}]]")));
            return Vec::new();
        };
        tables
            .iter()
            .enumerate()
            .map(|(index, table)| Section {
                text: self.text,
                path: format!("{path}[{index}]"),
                table: Some(table),
                line: table
                    .span()
                    .map_or(0, |span| line_at(self.text, span.start)),
                known: BTreeSet::new(),
                catalogue: self.catalogue.clone(),
            })
            .collect()
    }

    /// Line of the table at `index` of `[[key]]`; 0 where it has none.
    pub(crate) fn line_of_table(&mut self, key: &str, index: usize) -> usize {
        let tables = self.item(key).and_then(Item::as_array_of_tables);
        let table = tables.and_then(|tables| tables.get(index));
        let span = table.and_then(Table::span);
        span.map_or(0, |span| line_at(self.text, span.start))
    }

    /// Text, or `default`.
    pub(crate) fn text(&mut self, key: &str, default: &str, problems: &mut Vec<Problem>) -> String {
        self.note(key, Form::Text, Some(quoted(default)));
        match self.item(key) {
            None => default.to_string(),
            Some(item) => item.as_str().map(str::to_string).unwrap_or_else(|| {
                problems.push(self.problem(key, item, "text in quotes"));
                default.to_string()
            }),
        }
    }

    /// Text that must be there.
    pub(crate) fn required_text(&mut self, key: &str, problems: &mut Vec<Problem>) -> String {
        if self.item(key).is_none() {
            problems.push(Problem {
                line: self.line,
                key: self.name(key),
                found: "nothing".to_string(),
                allowed: "text in quotes (the key is required)".to_string(),
            });
        }
        let text = self.text(key, "", problems);
        self.catalogue.require(&self.name(key));
        text
    }

    /// One word of a closed list, or `default`.
    pub(crate) fn word<T: Copy + PartialEq>(
        &mut self,
        key: &str,
        default: T,
        words: &[(&str, T)],
        problems: &mut Vec<Problem>,
    ) -> T {
        let usual = words.iter().find(|(_, value)| *value == default);
        let form = Form::Words(words.iter().map(|(word, _)| (*word).to_string()).collect());
        self.note(key, form, usual.map(|(word, _)| quoted(word)));
        let Some(item) = self.item(key) else {
            return default;
        };
        let found = item.as_str().unwrap_or_default();
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == found) {
            return *value;
        }
        let list: Vec<String> = words
            .iter()
            .map(|(word, _)| format!("\"{word}\""))
            .collect();
        problems.push(self.problem(key, item, &list.join(" | ")));
        default
    }

    /// True or false, or `default`.
    pub(crate) fn flag(&mut self, key: &str, default: bool, problems: &mut Vec<Problem>) -> bool {
        self.note(key, Form::Flag, Some(default.to_string()));
        let Some(item) = self.item(key) else {
            return default;
        };
        item.as_bool().unwrap_or_else(|| {
            problems.push(self.problem(key, item, "true | false"));
            default
        })
    }

    /// A whole number from `low` to `high`, or `default`.
    pub(crate) fn whole(
        &mut self,
        key: &str,
        default: u64,
        range: (u64, u64),
        problems: &mut Vec<Problem>,
    ) -> u64 {
        let (low, high) = range;
        self.note(key, Form::Whole { low, high }, Some(default.to_string()));
        self.read_whole(key, range, problems).unwrap_or(default)
    }

    /// A whole number from `low` to `high`, or nothing.
    pub(crate) fn whole_if_any(
        &mut self,
        key: &str,
        range: (u64, u64),
        problems: &mut Vec<Problem>,
    ) -> Option<u64> {
        let (low, high) = range;
        self.note(key, Form::Whole { low, high }, None);
        self.read_whole(key, range, problems)
    }

    fn read_whole(
        &mut self,
        key: &str,
        (low, high): (u64, u64),
        problems: &mut Vec<Problem>,
    ) -> Option<u64> {
        let item = self.item(key)?;
        let value = item
            .as_integer()
            .and_then(|value| u64::try_from(value).ok());
        let fits = value.filter(|value| (low..=high).contains(value));
        if fits.is_none() {
            let allowed = format!("a whole number from {low} to {high}");
            problems.push(self.problem(key, item, &allowed));
        }
        fits
    }

    /// An exact decimal in units of 1e-8 from `low` to `high` (texts), or `default` (a text). The
    /// number is read from the file's own characters, so that no float ever touches it.
    pub(crate) fn decimal(
        &mut self,
        key: &str,
        default: &str,
        (low, high): (&str, &str),
        problems: &mut Vec<Problem>,
    ) -> i64 {
        let exact = |text: &str| parse_decimal(text.as_bytes(), 8);
        let fallback = exact(default).expect("defaults are decimals");
        let form = Form::Decimal {
            low: low.to_string(),
            high: high.to_string(),
        };
        self.note(key, form, Some(default.to_string()));
        let Some(item) = self.item(key) else {
            return fallback;
        };
        let (low_value, high_value) = (
            exact(low).expect("bounds are decimals"),
            exact(high).expect("bounds are decimals"),
        );
        let written = self.written(item);
        match exact(&written.trim_matches('"').replace('_', "")) {
            Ok(value) if (low_value..=high_value).contains(&value) => value,
            _ => {
                let allowed = format!("a decimal number from {low} to {high}, at most 8 decimals");
                problems.push(self.problem(key, item, &allowed));
                fallback
            }
        }
    }

    /// A list of texts; empty when absent.
    pub(crate) fn texts(&mut self, key: &str, problems: &mut Vec<Problem>) -> Vec<String> {
        self.note(key, Form::Texts, Some("[]".to_string()));
        let Some(item) = self.item(key) else {
            return Vec::new();
        };
        let texts = item.as_array().and_then(|array| {
            array
                .iter()
                .map(|value| value.as_str().map(str::to_string))
                .collect::<Option<Vec<_>>>()
        });
        texts.unwrap_or_else(|| {
            problems.push(self.problem(key, item, "a list of texts, such as [\"BTCUSDT\"]"));
            Vec::new()
        })
    }

    /// A problem with a value that was read, found by a later check.
    pub(crate) fn reject(&mut self, key: &str, allowed: &str, problems: &mut Vec<Problem>) {
        let problem = match self.item(key) {
            Some(item) => self.problem(key, item, allowed),
            None => Problem {
                line: self.line,
                key: self.name(key),
                found: "nothing".to_string(),
                allowed: allowed.to_string(),
            },
        };
        problems.push(problem);
    }

    /// Reports every key that nobody asked for, with the nearest known one.
    pub(crate) fn finish(self, problems: &mut Vec<Problem>) {
        let Some(table) = self.table else { return };
        for (key, item) in table.iter().filter(|(key, _)| !self.known.contains(*key)) {
            let near = self.known.iter().min_by_key(|known| distance(known, key));
            // A name without its unit is further away than a slip of the pen.
            let whole = self.known.iter().find(|known| {
                let rest = known.strip_prefix(key);
                rest.is_some_and(|rest| rest.starts_with('_'))
            });
            let allowed = match near {
                Some(near) if distance(near, key) <= 3 => format!("did you mean `{near}`?"),
                _ if whole.is_some() => {
                    let whole = whole.map_or("", String::as_str);
                    format!("did you mean `{whole}`? the unit is part of the name")
                }
                _ => format!("one of {}", Vec::from_iter(self.known.clone()).join(", ")),
            };
            let mut problem = self.problem(key, item, &allowed);
            problem.found = "an unknown key".to_string();
            problems.push(problem);
        }
    }

    /// Tells the catalogue of a key.
    fn note(&mut self, key: &str, form: Form, default: Option<String>) {
        let written = self.item(key).map(|item| self.written(item));
        let usual = default.clone().unwrap_or_default();
        self.catalogue.note(Key {
            path: self.name(key),
            form,
            default,
            required: false,
            is_written: written.is_some(),
            value: written.unwrap_or(usual),
        });
    }

    fn item(&mut self, key: &str) -> Option<&'a Item> {
        self.known.insert(key.to_string());
        self.table.and_then(|table| table.get(key))
    }

    fn problem(&self, key: &str, item: &Item, allowed: &str) -> Problem {
        let found = self.written(item);
        let found = if found.len() > 60 {
            format!("a {}", item.type_name())
        } else {
            found
        };
        Problem {
            line: self.line_of(item),
            key: self.name(key),
            found,
            allowed: allowed.to_string(),
        }
    }

    fn written(&self, item: &Item) -> String {
        item.span().map_or_else(
            || format!("a {}", item.type_name()),
            |span| self.text[span].trim().to_string(),
        )
    }

    fn line_of(&self, item: &Item) -> usize {
        item.span()
            .map_or(self.line, |span| line_at(self.text, span.start))
    }
}

fn line_at(text: &str, offset: usize) -> usize {
    text[..offset].bytes().filter(|byte| *byte == b'\n').count() + 1
}

/// Text as TOML writes it.
pub(crate) fn quoted(text: &str) -> String {
    toml_edit::Value::from(text).to_string()
}

/// Edit distance, for suggestions.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, left) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, right) in other.iter().enumerate() {
            let cost = diagonal + usize::from(left != *right);
            diagonal = row[column + 1];
            row[column + 1] = cost.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}

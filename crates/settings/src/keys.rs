//! What the walk over a file asked for: every key with its form, its default and its value.
//!
//! In: the walk itself. Out: the catalogue that the schema, the reference and `fulcrum config` are
//! made of. Never: a key that the check does not read, or a second list of keys to keep in step.

use std::cell::RefCell;
use std::rc::Rc;

/// What a key may hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// Text in quotes.
    Text,
    /// One of these words, in quotes.
    Words(Vec<String>),
    /// True or false.
    Flag,
    /// A whole number of this range.
    Whole {
        /// Least.
        low: u64,
        /// Largest.
        high: u64,
    },
    /// A decimal number of this range, with at most 8 decimals.
    Decimal {
        /// Least.
        low: String,
        /// Largest.
        high: String,
    },
    /// A list of texts.
    Texts,
}

/// One key, as a walk met it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Full name, such as `risk.daily_loss_usdt` or `instrument[0].symbol`.
    pub path: String,
    /// What it may hold.
    pub form: Form,
    /// What holds when it is left out, as TOML writes it; `None`: it is required, or nothing is.
    pub default: Option<String>,
    /// True when the file must have it.
    pub required: bool,
    /// What holds, as the file or else the default writes it; empty for nothing.
    pub value: String,
    /// True when the file has it.
    pub is_written: bool,
}

impl Key {
    /// The name with places in lists left out: `instrument[].symbol`.
    #[must_use]
    pub fn general_path(&self) -> String {
        let mut general = String::new();
        let mut inside = false;
        for letter in self.path.chars() {
            inside = match letter {
                '[' => true,
                ']' => false,
                _ => inside,
            };
            if !inside || letter == '[' {
                general.push(letter);
            }
        }
        general
    }

    /// The unit that the name ends with, where it has one.
    #[must_use]
    pub fn unit(&self) -> Option<&'static str> {
        const UNITS: [(&str, &str); 13] = [
            ("_usdt", "USDT"),
            ("_ratio", "ratio"),
            ("_bps_per_minute", "bps/min"),
            ("_bps", "bps"),
            ("_ms", "ms"),
            ("_us", "us"),
            ("_s", "s"),
            ("_minutes", "min"),
            ("_days", "days"),
            ("_ticks", "ticks"),
            ("_levels", "levels"),
            ("_slots", "slots"),
            ("_hour_utc", "h UTC"),
        ];
        let number = matches!(self.form, Form::Whole { .. } | Form::Decimal { .. });
        let named = UNITS.iter().find(|(end, _)| self.path.ends_with(end));
        named.filter(|_| number).map(|(_, unit)| *unit)
    }

    /// What is allowed, in words.
    #[must_use]
    pub fn allowed(&self) -> String {
        match &self.form {
            Form::Text => "text".to_string(),
            Form::Words(words) => words.join(", "),
            Form::Flag => "true, false".to_string(),
            Form::Whole { low, high } => format!("{low} to {high}"),
            Form::Decimal { low, high } => format!("{low} to {high}"),
            Form::Texts => "list of texts".to_string(),
        }
    }
}

/// Where a walk notes its keys; a walk over nothing has none.
#[derive(Clone, Debug, Default)]
pub(crate) struct Catalogue(Option<Rc<RefCell<Vec<Key>>>>);

impl Catalogue {
    pub(crate) fn new() -> Self {
        Self(Some(Rc::default()))
    }

    /// A key that is asked for twice is noted once.
    pub(crate) fn note(&self, key: Key) {
        if let Some(keys) = &self.0 {
            let mut keys = keys.borrow_mut();
            if !keys.iter().any(|known| known.path == key.path) {
                keys.push(key);
            }
        }
    }

    /// The key must be in the file.
    pub(crate) fn require(&self, path: &str) {
        let mut keys = match &self.0 {
            Some(keys) => keys.borrow_mut(),
            None => return,
        };
        if let Some(key) = keys.iter_mut().find(|key| key.path == path) {
            (key.required, key.default) = (true, None);
        }
    }

    pub(crate) fn take(&self) -> Vec<Key> {
        let keys = self.0.as_ref();
        keys.map(|keys| keys.take()).unwrap_or_default()
    }
}

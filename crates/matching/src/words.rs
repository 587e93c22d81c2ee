//! Words of a dialect that a venue keeps without reading them, in a text and back.
//!
//! In: a word. Out: the same word as one of a closed list. Never: a word from nowhere.

use serde::{Deserialize, Deserializer, Serializer, de::Error};

/// A word of a closed list.
pub type Word = &'static str;

/// The exchange's words for money that moves without a trade.
pub const REASONS: [Word; 5] = [
    "FUNDING_FEE",
    "INSURANCE_CLEAR",
    "DEPOSIT",
    "WITHDRAW",
    "TRANSFER",
];

/// True for what most things are, which needs no place in a text.
pub(crate) fn is_usual<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn read<'de, D: Deserializer<'de>>(deserializer: D, list: &[Word]) -> Result<Word, D::Error> {
    let text = String::deserialize(deserializer)?;
    let found = list.iter().find(|word| **word == text);
    found
        .copied()
        .ok_or_else(|| D::Error::custom(format!("`{text}` is none of {list:?}")))
}

pub(crate) mod price_match {
    use super::{Deserializer, Serializer, Word, read};
    use crate::order::PRICE_MATCHES;

    pub(crate) fn serialize<S: Serializer>(word: &Word, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(word)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Word, D::Error> {
        let mut all = PRICE_MATCHES.to_vec();
        all.push("");
        read(from, &all)
    }
}

pub(crate) mod reason {
    use super::{Deserializer, REASONS, Serializer, Word, read};

    pub(crate) fn serialize<S: Serializer>(word: &Word, serializer: S) -> Result<S::Ok, S::Error> {
        debug_assert!(REASONS.contains(word), "{word} could not be read again");
        serializer.serialize_str(word)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Word, D::Error> {
        read(from, &REASONS)
    }
}

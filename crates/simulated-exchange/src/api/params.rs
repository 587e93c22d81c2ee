//! Parameters of a request: query, form body, or WebSocket parameters, as text.
//!
//! In: raw text as received. Out: names and values, and the exact text that was signed. Never: a
//! re-serialised text under a signature.

use serde_json::value::RawValue;
use std::collections::BTreeMap;

use super::error::ApiError;

/// Names and values in order of arrival.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params {
    pairs: Vec<(String, String)>,
}

impl Params {
    /// Query and form body of a REST request; the query wins on duplicates.
    #[must_use]
    pub fn from_rest(query: &str, body: &str) -> Self {
        let split = |text: &str| -> Vec<(String, String)> {
            text.split('&')
                .filter(|pair| !pair.is_empty())
                .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
                .map(|(name, value)| (percent_decode(name), percent_decode(value)))
                .collect()
        };
        let mut pairs = split(query);
        pairs.extend(split(body));
        Self { pairs }
    }

    /// Parameters of a WebSocket request, and the text under their signature: sorted by name,
    /// values as printed (binance.md 2.2).
    #[must_use]
    pub fn from_json(params: &BTreeMap<String, Box<RawValue>>) -> (Self, String) {
        let mut pairs = Vec::with_capacity(params.len());
        let mut signed = String::new();
        for (name, value) in params {
            let raw = value.get();
            let text = serde_json::from_str::<String>(raw).unwrap_or_else(|_| raw.to_owned());
            if name != "signature" {
                if !signed.is_empty() {
                    signed.push('&');
                }
                signed.push_str(name);
                signed.push('=');
                signed.push_str(&text);
            }
            pairs.push((name.clone(), text));
        }
        (Self { pairs }, signed)
    }

    /// The same parameters, some of them by other names.
    #[must_use]
    pub fn renamed(&self, names: &[(&str, &str)]) -> Self {
        let pairs = self.pairs.iter().map(|(name, value)| {
            let other = names.iter().find(|(from, _)| from == name);
            let name = other.map_or(name.as_str(), |(_, to)| to);
            (name.to_owned(), value.clone())
        });
        Self {
            pairs: pairs.collect(),
        }
    }

    /// The value of a parameter; an empty one counts as not sent.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.pairs.iter().find(|(known, _)| known == name);
        found
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// The value of a mandatory parameter.
    ///
    /// # Errors
    /// -1102.
    pub fn require(&self, name: &str) -> Result<&str, ApiError> {
        self.get(name).ok_or_else(|| ApiError::mandatory(name))
    }

    /// A whole number.
    ///
    /// # Errors
    /// -1102 when it is none.
    pub fn integer(&self, name: &str) -> Result<Option<i64>, ApiError> {
        match self.get(name) {
            None => Ok(None),
            Some(text) => text
                .parse()
                .map(Some)
                .map_err(|_| ApiError::mandatory(name)),
        }
    }
}

/// The text that a REST request signed: query and body without `signature`, nothing between.
#[must_use]
pub fn signed_text(query: &str, body: &str) -> String {
    let without = |text: &str| -> String {
        let kept: Vec<&str> = text
            .split('&')
            .filter(|pair| !pair.starts_with("signature="))
            .collect();
        kept.join("&")
    };
    without(query) + &without(body)
}

/// Decodes `%41` and `+`; what is no valid escape stays as it is.
#[must_use]
pub fn percent_decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escape = bytes.get(at + 1..at + 3).and_then(|digits| {
            let digits = std::str::from_utf8(digits).ok()?;
            u8::from_str_radix(digits, 16).ok()
        });
        match (bytes[at], escape) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 2;
            }
            (b'+', _) => out.push(b' '),
            (byte, _) => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signed_text_is_the_received_one_without_the_signature() {
        assert_eq!(signed_text("a=1&b=%20x&signature=ff", ""), "a=1&b=%20x");
        assert_eq!(signed_text("a=1", "b=2&signature=ff"), "a=1b=2");
        assert_eq!(signed_text("signature=ff&a=1", ""), "a=1");
    }

    #[test]
    fn websocket_parameters_are_signed_sorted_and_as_printed() {
        let json = r#"{"symbol":"BTCUSDT","price":9000.10,"apiKey":"k","signature":"s"}"#;
        let (params, signed) = Params::from_json(&serde_json::from_str(json).unwrap());
        assert_eq!(signed, "apiKey=k&price=9000.10&symbol=BTCUSDT");
        assert_eq!(params.get("price"), Some("9000.10"));
    }

    #[test]
    fn escapes_of_all_clients_are_read() {
        assert_eq!(percent_decode("%5B%22a%22%5d+b%zz%4"), "[\"a\"] b%zz%4");
    }
}

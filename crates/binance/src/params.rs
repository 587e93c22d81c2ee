//! Parameters of one request: sorted by name, as the text to sign, a query or JSON.
//!
//! In: names and values. Out: `k=v&k=v` or `{"k":v}` with the same values. Never: an allocation
//! beyond the caller's buffers.

use crate::encode::JsonText;
use market::decimal::{TEXT_MAX, write_decimal};

/// Most parameters of one request.
const PARAMS_MAX: usize = 20;

/// Most bytes of one value that is made here; longer values are borrowed.
pub(crate) type NumberText = heapless::Vec<u8, TEXT_MAX>;

#[derive(Clone, Debug)]
enum Value<'a> {
    Text(&'a [u8]),
    Number(NumberText),
    Integer(i64),
}

/// The parameters of one request, kept sorted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Params<'a> {
    sorted: heapless::Vec<(&'static str, Value<'a>), PARAMS_MAX>,
}

impl<'a> Params<'a> {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// A parameter that JSON writes as a string.
    pub(crate) fn text(&mut self, name: &'static str, value: &'a [u8]) -> &mut Self {
        self.insert(name, Value::Text(value))
    }

    /// A decimal, which JSON writes as a string too.
    pub(crate) fn number(&mut self, name: &'static str, value: &[u8]) -> &mut Self {
        let value = NumberText::from_slice(value).expect("decimals have at most TEXT_MAX bytes");
        self.insert(name, Value::Number(value))
    }

    /// A parameter that JSON writes as an integer.
    pub(crate) fn integer(&mut self, name: &'static str, value: i64) -> &mut Self {
        self.insert(name, Value::Integer(value))
    }

    /// Appends `k=v&k=v`, values as they are: what the WebSocket API signs.
    pub(crate) fn write_plain(&self, out: &mut Vec<u8>) {
        self.write_pairs(out, |out, value| out.extend_from_slice(value));
    }

    /// Appends `k=v&k=v`, values percent-encoded: what REST sends and signs.
    pub(crate) fn write_query(&self, out: &mut Vec<u8>) {
        self.write_pairs(out, percent_encode);
    }

    /// Appends the members to an open object.
    pub(crate) fn write_json(&self, json: &mut JsonText<'_>) {
        for (name, value) in &self.sorted {
            match value {
                Value::Text(text) => json.text(name, text),
                Value::Number(text) => json.text(name, text),
                Value::Integer(value) => json.integer(name, *value),
            };
        }
    }

    fn insert(&mut self, name: &'static str, value: Value<'a>) -> &mut Self {
        let at = self.sorted.partition_point(|(other, _)| *other < name);
        self.sorted
            .insert(at, (name, value))
            .expect("no request has more parameters than PARAMS_MAX");
        self
    }

    fn write_pairs(&self, out: &mut Vec<u8>, write: impl Fn(&mut Vec<u8>, &[u8])) {
        for (at, (name, value)) in self.sorted.iter().enumerate() {
            if at > 0 {
                out.push(b'&');
            }
            out.extend_from_slice(name.as_bytes());
            out.push(b'=');
            match value {
                Value::Text(text) => write(out, text),
                Value::Number(text) => write(out, text),
                Value::Integer(value) => {
                    write(out, write_decimal(*value, 0, &mut [0; TEXT_MAX]));
                }
            }
        }
    }
}

/// Appends `text` with everything but unreserved characters as `%XX`.
pub(crate) fn percent_encode(out: &mut Vec<u8>, text: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in text {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(byte);
        } else {
            let digits = [
                b'%',
                HEX[usize::from(byte >> 4)],
                HEX[usize::from(byte & 15)],
            ];
            out.extend_from_slice(&digits);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3986: all but unreserved characters, in capital hex, as the exchange signs it.
    #[test]
    fn what_a_query_may_not_hold_is_escaped_in_the_query_alone() {
        let id = "a-b._~9 &=+/%\u{e9}\u{9f99}";
        let mut params = Params::new();
        params.text("b", id.as_bytes());
        params.integer("a", -7);
        let (mut query, mut plain) = (Vec::new(), Vec::new());
        params.write_query(&mut query);
        params.write_plain(&mut plain);
        let escaped = "a=-7&b=a-b._~9%20%26%3D%2B%2F%25%C3%A9%E9%BE%99";
        assert_eq!(String::from_utf8(query).unwrap(), escaped);
        assert_eq!(String::from_utf8(plain).unwrap(), format!("a=-7&b={id}"));
    }
}

//! One recorded message and the few fields that joining and re-timing need.
//!
//! In: the JSON of one message. Out: its kind, ids and times beside the untouched bytes. Never:
//! prices (see [`crate::Grid`]) or anything that a decoder of the venue does.

use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// One recorded message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// When the recorder received it, UTC, nanoseconds since the epoch.
    pub receive_ns: i64,
    /// When the exchange sent it (`E`), milliseconds since the epoch; `T` where there is no `E`.
    pub exchange_ms: Option<i64>,
    /// Name of the stream (`btcusdt@depth@0ms`); empty for a snapshot or an unnamed stream.
    pub stream: String,
    /// The symbol as the exchange writes it; empty where the recording does not say.
    pub symbol: String,
    /// What it is, with its ids.
    pub kind: MessageKind,
    /// The bytes of the message itself, without the wrapper of a combined stream.
    pub payload: Vec<u8>,
    /// Its line in its file, from 1.
    pub line: u64,
}

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageKind {
    /// A book difference.
    Depth {
        /// `U`.
        first: u64,
        /// `u`.
        last: u64,
        /// `pu`; spot has none.
        previous: Option<u64>,
    },
    /// Best bid and ask.
    BookTicker {
        /// `u`.
        update_id: u64,
    },
    /// A REST snapshot of the book.
    Snapshot {
        /// `lastUpdateId`.
        last_update_id: u64,
    },
    /// One trade.
    Trade,
    /// An aggregate trade.
    AggTrade,
    /// Mark price and funding.
    MarkPrice,
    /// Anything else.
    Other,
}

/// A message without its place in a file.
pub(crate) struct Described {
    pub(crate) kind: MessageKind,
    pub(crate) symbol: String,
    pub(crate) exchange_ms: Option<i64>,
}

#[derive(Deserialize)]
pub(crate) struct Envelope<'a> {
    #[serde(borrow)]
    pub(crate) stream: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(crate) data: Option<&'a RawValue>,
}

/// The union of the fields that tell messages apart. `a` and `b` mean different things in
/// different messages, so they stay raw.
#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    e: Option<Cow<'a, str>>,
    #[serde(rename = "E")]
    event_ms: Option<i64>,
    #[serde(rename = "T")]
    transaction_ms: Option<i64>,
    #[serde(borrow)]
    s: Option<Cow<'a, str>>,
    #[serde(rename = "U", borrow)]
    first: Option<&'a RawValue>,
    #[serde(borrow)]
    u: Option<&'a RawValue>,
    pu: Option<u64>,
    #[serde(rename = "lastUpdateId")]
    last_update_id: Option<u64>,
    #[serde(rename = "B", borrow)]
    bid_quantity: Option<&'a RawValue>,
}

/// Reads kind, symbol and time of one message.
pub(crate) fn describe(payload: &[u8]) -> Result<Described, String> {
    let fields: Fields<'_> = serde_json::from_slice(payload).map_err(|error| error.to_string())?;
    let name = fields.e.as_deref().unwrap_or("");
    let kind = match name {
        "depthUpdate" => MessageKind::Depth {
            first: id(fields.first, "U")?,
            last: id(fields.u, "u")?,
            previous: fields.pu,
        },
        "bookTicker" => MessageKind::BookTicker {
            update_id: id(fields.u, "u")?,
        },
        "trade" => MessageKind::Trade,
        "aggTrade" => MessageKind::AggTrade,
        "markPriceUpdate" => MessageKind::MarkPrice,
        "" => match (fields.last_update_id, fields.u, fields.bid_quantity) {
            (Some(last_update_id), _, _) => MessageKind::Snapshot { last_update_id },
            // Spot's bookTicker does not say what it is.
            (None, Some(_), Some(_)) => MessageKind::BookTicker {
                update_id: id(fields.u, "u")?,
            },
            _ => MessageKind::Other,
        },
        _ => MessageKind::Other,
    };
    Ok(Described {
        kind,
        symbol: fields.s.map(Cow::into_owned).unwrap_or_default(),
        exchange_ms: fields.event_ms.or(fields.transaction_ms),
    })
}

fn id(value: Option<&RawValue>, name: &str) -> Result<u64, String> {
    let value = value.ok_or_else(|| format!("no field `{name}`"))?;
    value
        .get()
        .parse()
        .map_err(|_| format!("field `{name}` is no update id: {}", value.get()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_both_markets_are_told_apart() {
        let cases = [
            (
                r#"{"e":"depthUpdate","E":5,"T":4,"s":"A","U":1,"u":2,"pu":0,"b":[],"a":[]}"#,
                MessageKind::Depth {
                    first: 1,
                    last: 2,
                    previous: Some(0),
                },
            ),
            (
                r#"{"u":7,"s":"A","b":"1","B":"2","a":"3","A":"4"}"#,
                MessageKind::BookTicker { update_id: 7 },
            ),
            (
                r#"{"lastUpdateId":9,"bids":[],"asks":[]}"#,
                MessageKind::Snapshot { last_update_id: 9 },
            ),
            (
                r#"{"e":"24hrTicker","E":5,"s":"A","b":"1"}"#,
                MessageKind::Other,
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(describe(text.as_bytes()).unwrap().kind, expected, "{text}");
        }
        assert!(describe(b"{\"e\":\"depthUpdate\"}").is_err());
        assert!(describe(b"{\"e\":\"depthUpdate\"").is_err());
    }
}

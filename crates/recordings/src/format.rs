//! The two formats: hftbacktest's `<time> {json}` lines and cryptofeed's v3 JSON lines.
//!
//! In: lines of one file. Out: [`Message`]s in order of arrival. Never: a message that the
//! recorder did not receive from the exchange.

use crate::catalog::Options;
use crate::error::RecordingError;
use crate::file::Lines;
use crate::message::{Envelope, Message, MessageKind, describe};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::path::Path;

/// Lines that are looked at to recognise a format, in case the first ones are broken.
const RECOGNITION_LINES: usize = 16;

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// `<receive time> {json}`.
    HftBacktest,
    /// `{"t":"recv","ts":…,"data":"…"}`.
    Cryptofeed,
}

impl Format {
    /// Recognises a file by its content; none when it is no recording.
    pub(crate) fn of(path: &Path) -> Result<Option<Self>, RecordingError> {
        let mut lines = Lines::open(path)?;
        let mut text = Vec::new();
        for _ in 0..RECOGNITION_LINES {
            if !lines.next_into(&mut text)? {
                break;
            }
            let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if digits >= 13 && text[digits..].starts_with(b" {") {
                return Ok(Some(Self::HftBacktest));
            }
            if text.starts_with(b"{\"t\":\"") {
                return Ok(Some(Self::Cryptofeed));
            }
        }
        Ok(None)
    }
}

/// All messages of one file, in order of arrival.
pub(crate) struct FileMessages {
    lines: Lines,
    format: Format,
    options: Options,
    text: Vec<u8>,
    /// Cryptofeed writes connection by connection, so its lines are sorted by time before use.
    sorted: Option<std::vec::IntoIter<Message>>,
    /// Lines skipped so far.
    pub(crate) skipped: u64,
    ended: bool,
}

impl FileMessages {
    pub(crate) fn open(
        path: &Path,
        format: Format,
        options: Options,
    ) -> Result<Self, RecordingError> {
        Ok(Self {
            lines: Lines::open(path)?,
            format,
            options,
            text: Vec::new(),
            sorted: None,
            skipped: 0,
            ended: false,
        })
    }

    /// The next message in the order of the file's lines.
    fn next_line(&mut self) -> Option<Result<Message, RecordingError>> {
        while !self.ended {
            match self.lines.next_into(&mut self.text) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    // Nothing can be read beyond damage.
                    self.ended = true;
                    return self.skip_or(error);
                }
            }
            if self.text.is_empty() {
                continue;
            }
            let parsed = match self.format {
                Format::HftBacktest => hftbacktest(&self.text).map(Some),
                Format::Cryptofeed => cryptofeed(&self.text),
            };
            match parsed {
                Ok(None) => {}
                Ok(Some(mut message)) => {
                    message.line = self.lines.line();
                    return Some(Ok(message));
                }
                Err(reason) => {
                    let error = self.lines.bad(reason);
                    if let Some(error) = self.skip_or(error) {
                        return Some(error);
                    }
                }
            }
        }
        self.ended = true;
        None
    }

    fn skip_or(&mut self, error: RecordingError) -> Option<Result<Message, RecordingError>> {
        if self.options.skip_bad {
            self.skipped += 1;
            return None;
        }
        self.ended = true;
        Some(Err(error))
    }
}

impl Iterator for FileMessages {
    type Item = Result<Message, RecordingError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.format == Format::HftBacktest {
            return self.next_line();
        }
        if self.sorted.is_none() {
            let mut all = Vec::new();
            while let Some(message) = self.next_line() {
                match message {
                    Ok(message) => all.push(message),
                    Err(error) => {
                        self.sorted = Some(Vec::new().into_iter());
                        return Some(Err(error));
                    }
                }
            }
            all.sort_by_key(|message| message.receive_ns);
            self.sorted = Some(all.into_iter());
        }
        self.sorted.as_mut()?.next().map(Ok)
    }
}

fn hftbacktest(line: &[u8]) -> Result<Message, String> {
    let space = line
        .iter()
        .position(|&byte| byte == b' ')
        .ok_or("no receive time before the message")?;
    let time = std::str::from_utf8(&line[..space])
        .ok()
        .and_then(|text| text.parse::<i64>().ok())
        .ok_or("the receive time is no number")?;
    // Older collectors wrote microseconds; the magnitude tells the unit for centuries.
    let receive_ns = match time {
        0..100_000_000_000_000 => time.checked_mul(1_000_000),
        100_000_000_000_000..100_000_000_000_000_000 => time.checked_mul(1_000),
        _ => Some(time),
    };
    let receive_ns = receive_ns.ok_or("the receive time is out of range")?;
    message(receive_ns, &line[space + 1..])
}

/// Unwraps a message of a combined stream.
fn message(receive_ns: i64, json: &[u8]) -> Result<Message, String> {
    let envelope: Envelope<'_> = serde_json::from_slice(json).map_err(|error| error.to_string())?;
    let (stream, payload) = match (envelope.stream, envelope.data) {
        (Some(stream), Some(data)) => (stream.into_owned(), data.get().as_bytes()),
        _ => (String::new(), json),
    };
    let described = describe(payload)?;
    Ok(Message {
        receive_ns,
        exchange_ms: described.exchange_ms,
        stream,
        symbol: described.symbol,
        kind: described.kind,
        payload: payload.to_vec(),
        line: 0,
    })
}

#[derive(Deserialize)]
struct CryptofeedLine<'a> {
    #[serde(borrow)]
    t: Cow<'a, str>,
    #[serde(borrow)]
    ts: Option<&'a RawValue>,
    #[serde(borrow)]
    url: Option<Cow<'a, str>>,
    #[serde(borrow)]
    data: Option<Cow<'a, str>>,
}

fn cryptofeed(line: &[u8]) -> Result<Option<Message>, String> {
    let line: CryptofeedLine<'_> =
        serde_json::from_slice(line).map_err(|error| error.to_string())?;
    let is_answer = line.t == "http";
    if !is_answer && line.t != "recv" {
        return Ok(None);
    }
    let time = line.ts.ok_or("no field `ts`")?.get();
    let receive_ns = seconds_to_ns(time).ok_or_else(|| format!("`ts` is no time: {time}"))?;
    let data = line.data.ok_or("no field `data`")?;
    if !is_answer {
        return message(receive_ns, data.as_bytes()).map(Some);
    }
    // Of the REST answers only snapshots of books belong to a session.
    let url = line.url.unwrap_or_default();
    let (path, query) = url.split_once('?').unwrap_or((&url, ""));
    if !path.ends_with("/depth") {
        return Ok(None);
    }
    let mut snapshot = message(receive_ns, data.as_bytes())?;
    if !matches!(snapshot.kind, MessageKind::Snapshot { .. }) {
        return Err("the answer of a depth request is no snapshot".to_owned());
    }
    snapshot.symbol = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("symbol="))
        .unwrap_or_default()
        .to_owned();
    Ok(Some(snapshot))
}

/// `1626992741.06217` to nanoseconds, without a float.
fn seconds_to_ns(text: &str) -> Option<i64> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let mut ns: i64 = 0;
    for digit in 0..9 {
        let byte = fraction.as_bytes().get(digit).copied().unwrap_or(b'0');
        ns = ns * 10 + i64::from(byte.is_ascii_digit().then(|| byte - b'0')?);
    }
    seconds
        .parse::<i64>()
        .ok()?
        .checked_mul(1_000_000_000)?
        .checked_add(ns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receive_times_are_read_in_every_unit() {
        for (text, expected) in [
            ("1680652700423", 1_680_652_700_423_000_000),
            ("1680652700423575", 1_680_652_700_423_575_000),
            ("1721347020984480942", 1_721_347_020_984_480_942),
        ] {
            let line = format!("{text} {{\"lastUpdateId\":1,\"bids\":[],\"asks\":[]}}");
            assert_eq!(hftbacktest(line.as_bytes()).unwrap().receive_ns, expected);
        }
        assert_eq!(
            seconds_to_ns("1626992741.06217"),
            Some(1_626_992_741_062_170_000)
        );
        assert_eq!(seconds_to_ns("1626992741"), Some(1_626_992_741_000_000_000));
        assert_eq!(seconds_to_ns("1.5e3"), None);
    }

    #[test]
    fn combined_streams_are_unwrapped_and_answers_get_their_symbol() {
        let line =
            br#"1721347020984480942 {"stream":"a@trade","data":{"e":"trade","E":3,"s":"A","t":1}}"#;
        let message = hftbacktest(line).unwrap();
        assert_eq!(
            (message.stream.as_str(), message.symbol.as_str()),
            ("a@trade", "A")
        );
        assert!(message.payload.starts_with(b"{\"e\":\"trade\""));
        let line = br#"{"t":"http","conn":"x","ts":1.5,"url":"https://h/fapi/v1/depth?symbol=AB&limit=5","data":"{\"lastUpdateId\":9,\"bids\":[],\"asks\":[]}"}"#;
        let message = cryptofeed(line).unwrap().unwrap();
        assert_eq!(message.symbol, "AB");
        assert_eq!(message.kind, MessageKind::Snapshot { last_update_id: 9 });
        let line = br#"{"t":"connect","conn":"x","ts":1.5,"addr":"wss://h"}"#;
        assert!(cryptofeed(line).unwrap().is_none());
    }
}

//! `fulcrum watch`: the stream, as it comes.
//!
//! In: topics. Out: a line for each change, or each message as JSON. Never: a line for what is as it was.

use super::arguments::Arguments;
use super::looks::{cell, clock_time};
use super::{Failure, exit, failure};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{ErrorKind, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;
use tungstenite::{Error, Message};

/// Every topic without one named: what an operator looks at.
const DEFAULT: &str = "status,account,positions,fills,events";

/// Of this socket everybody on the machine may look.
const SOCKET: &str = "control-read.sock";

/// Longer than the stream is ever silent.
const PATIENCE: Duration = Duration::from_secs(35);

/// A connection to this machine's control.
fn connect(arguments: &Arguments) -> Result<UnixStream, Failure> {
    if arguments.away.is_meant() {
        let text = "the stream of another box is for a WebSocket client with its key: docs/api.md has \
                    examples; without --url this machine's is shown";
        return Err((exit::BAD_ARGUMENT, text.to_string()));
    }
    let path = arguments.run_dir()?.join(SOCKET);
    let open = || {
        let stream = UnixStream::connect(&path)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok::<_, std::io::Error>(stream)
    };
    open().map_err(|error| {
        let text = format!(
            "no control answers at {}: {error}; is it running, and are --state-dir and --account (or \
             --config) its own?",
            path.display()
        );
        (exit::TEMPORARY, text)
    })
}

/// Subscribes, and prints until the stream ends.
pub(super) fn run(
    topics: &[String],
    after: Option<&str>,
    arguments: &Arguments,
) -> Result<(), Failure> {
    let stream = connect(arguments)?;
    let mut url = "ws://localhost/api/v1/engine/stream?topics=".to_string();
    let named = topics.join(",");
    url.push_str(&escaped(if named.is_empty() { DEFAULT } else { &named }));
    if let Some(after) = after {
        let _ = write!(url, "&after={}", escaped(after));
    }
    let (mut socket, _) =
        tungstenite::client::client(&url, stream).map_err(|error| refused(&error))?;
    let mut watch = Watch::default();
    loop {
        let message = match socket.read() {
            Ok(message) => message,
            Err(error) => return Err((exit::TEMPORARY, format!("the stream ended: {error}"))),
        };
        match message {
            Message::Text(text) => {
                let lines = match arguments.json {
                    true => format!("{text}\n"),
                    false => watch.lines(&text),
                };
                let mut out = std::io::stdout().lock();
                match out.write_all(lines.as_bytes()).and_then(|()| out.flush()) {
                    Ok(()) => {}
                    // Whoever reads no further has what it wants.
                    Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
                    Err(error) => return Err(failure(error.to_string())),
                }
            }
            Message::Close(frame) => {
                let why = frame
                    .map(|frame| frame.reason.to_string())
                    .unwrap_or_default();
                return Err((exit::TEMPORARY, format!("control ended the stream: {why}")));
            }
            _ => {}
        }
    }
}

/// The problem that control answered with, or what went wrong.
fn refused<R>(error: &tungstenite::HandshakeError<R>) -> Failure
where
    R: tungstenite::handshake::HandshakeRole,
{
    let tungstenite::HandshakeError::Failure(error) = error else {
        return (exit::TEMPORARY, "control does not answer".to_string());
    };
    if let Error::Http(answer) = error {
        let body = answer.body().as_deref().unwrap_or_default();
        let problem: Value = serde_json::from_slice(body).unwrap_or_default();
        let detail = problem["detail"].as_str().unwrap_or("no reason");
        return (exit::FAILURE, detail.to_string());
    }
    (exit::TEMPORARY, error.to_string())
}

/// As a part of a query.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b':' | b',' => {
                escaped.push(char::from(byte));
            }
            _ => {
                let _ = write!(escaped, "%{byte:02X}");
            }
        }
    }
    escaped
}

/// The pictures that were shown last.
#[derive(Default)]
struct Watch(BTreeMap<String, BTreeMap<String, String>>);

impl Watch {
    /// A message as lines: of facts one for each row, of pictures one with what has changed.
    fn lines(&mut self, text: &str) -> String {
        let Ok(message) = serde_json::from_str::<Value>(text) else {
            return format!("{text}\n");
        };
        let Some(topic) = message["topic"].as_str() else {
            return String::new();
        };
        if message["kind"] == "heartbeat" {
            return String::new();
        }
        let seconds = message["utc_ns"].as_i64().unwrap_or_default() / 1_000_000_000;
        let head = format!("{} {topic}", clock_time(seconds));
        if let Some(rows) = message["data"]["rows"].as_array() {
            let row = |row: &Value| {
                let mut fields = flat(row);
                fields.retain(|_, value| value != "-");
                format!("{head}{}\n", words(&fields))
            };
            return rows.iter().map(row).collect();
        }
        let mut now = flat(&message["data"]);
        // It changes with every look, and says nothing.
        now.retain(|path, _| !path.ends_with("age_ms"));
        let before = self.0.entry(topic.to_string()).or_default();
        let mut changed = now.clone();
        changed.retain(|path, value| before.get(path) != Some(value));
        let gone = before.keys().filter(|path| !now.contains_key(*path));
        for path in gone.cloned().collect::<Vec<_>>() {
            changed.insert(path, "-".to_string());
        }
        *before = now;
        match changed.is_empty() {
            true => String::new(),
            false => format!("{head}{}\n", words(&changed)),
        }
    }
}

fn words(fields: &BTreeMap<String, String>) -> String {
    let mut text = String::new();
    for (path, value) in fields {
        let _ = match path.is_empty() {
            true => write!(text, " {value}"),
            false => write!(text, " {path}={value}"),
        };
    }
    text
}

/// Every leaf by its path; rows of a list by the names that they have.
fn flat(value: &Value) -> BTreeMap<String, String> {
    let mut leaves = BTreeMap::new();
    add(value, "", &mut leaves);
    leaves
}

fn add(value: &Value, path: &str, leaves: &mut BTreeMap<String, String>) {
    let below = |name: &str| match path.is_empty() {
        true => name.to_string(),
        false => format!("{path}.{name}"),
    };
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                add(value, &below(name), leaves);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let named = ["symbol", "limit", "breaker", "measure"];
                let named = named.iter().find_map(|field| item[*field].as_str());
                let name = match named {
                    Some(name) if items.iter().filter(|one| names(one, name)).count() == 1 => {
                        name.to_string()
                    }
                    _ => index.to_string(),
                };
                add(item, &below(&name), leaves);
            }
        }
        leaf => {
            leaves.insert(path.to_string(), cell(leaf));
        }
    }
}

fn names(item: &Value, name: &str) -> bool {
    let fields = ["symbol", "limit", "breaker", "measure"];
    fields.iter().any(|field| item[*field] == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_told_by_what_changed() {
        let mut watch = Watch::default();
        let message = |data: &str| {
            format!(
                "{{\"topic\":\"status\",\"seq\":1,\"kind\":\"delta\",\"utc_ns\":0,\"data\":{data}}}"
            )
        };
        let mut lines = |data: &str| watch.lines(&message(data));
        assert_eq!(
            lines(r#"{"state":"ACTIVE","up":true}"#),
            "00:00:00 status state=ACTIVE up=yes\n"
        );
        assert_eq!(
            lines(r#"{"state":"REDUCING","up":true,"age_ms":3}"#),
            "00:00:00 status state=REDUCING\n"
        );
        assert_eq!(lines(r#"{"state":"REDUCING","up":true,"age_ms":4}"#), "");
        assert_eq!(lines(r#"{"state":"REDUCING"}"#), "00:00:00 status up=-\n");
    }

    #[test]
    fn facts_are_a_line_each_and_rows_have_names() {
        let mut watch = Watch::default();
        let text = r#"{"topic":"fills","seq":1,"kind":"delta","utc_ns":3600000000000,
            "data":{"rows":[{"side":"BUY","code":null},{"side":"SELL"}],"place":"1-2","complete":true}}"#;
        assert_eq!(
            watch.lines(text),
            "01:00:00 fills side=BUY\n01:00:00 fills side=SELL\n"
        );
        let rows: Value =
            serde_json::from_str(r#"[{"symbol":"A","x":1},{"symbol":"B","x":2}]"#).unwrap();
        let flat: Vec<String> = flat(&rows).into_keys().collect();
        assert_eq!(flat, ["A.symbol", "A.x", "B.symbol", "B.x"]);
        assert_eq!(escaped("book:币,a b"), "book:%E5%B8%81,a%20b");
    }
}

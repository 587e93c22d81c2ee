//! The API as the command line asks it, over the network or `control.sock`.
//!
//! In: requests, paths. Out: the replies that the hot path's own socket gives, JSON. Never: a verb
//! sent twice; a time-out that is told as a failure.

use super::arguments::{Arguments, Away};
use super::{Failure, exit, failure};
use crate::client::{Answer, CallError, Client, DialError, Dialer, Endpoint, Question};
use hyper::Method;
use operator::{ErrorCode, Refusal, Reply, Request};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;
use tokio::runtime::Runtime;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);

/// Longest key that a file may hold, in bytes.
const KEY_BYTES_MAX: usize = 256;

/// A conversation with the API of one box.
pub(super) struct Remote {
    runtime: Runtime,
    client: Client,
    /// `/api/v1`, or that of one account.
    prefix: String,
    key: Option<String>,
    once: Option<String>,
    patience: Duration,
}

impl Remote {
    /// The box at `--url`.
    ///
    /// # Errors
    /// A URL, a key or an authority that cannot be used.
    pub(super) fn open(arguments: &Arguments) -> Result<Self, Failure> {
        let away = &arguments.away;
        let url = away.url.as_deref().unwrap_or_default();
        let endpoint = Endpoint::of_url(url)
            .map_err(|error| (exit::BAD_ARGUMENT, format!("--url: {error}")))?;
        let key = away.key_file.as_deref().map(read_key).transpose()?;
        if key.is_some() && !endpoint.is_private() {
            eprintln!(
                "fulcrum: warning: the key goes to {} as plain text; use https or a tunnel",
                endpoint.name()
            );
        }
        let prefix = match &arguments.account {
            Some(account) => format!("/api/v1/accounts/{account}"),
            None => "/api/v1".to_string(),
        };
        Self::at(endpoint, prefix, key, away)
    }

    /// This machine's control: `control.sock`, or `control-read.sock` for whoever may not open it.
    ///
    /// # Errors
    /// No control answers.
    pub(super) fn here(arguments: &Arguments) -> Result<Self, Failure> {
        let folder = arguments.run_dir()?;
        let mut path = folder.join("control.sock");
        let denied = std::os::unix::net::UnixStream::connect(&path)
            .is_err_and(|error| error.kind() == std::io::ErrorKind::PermissionDenied);
        if denied {
            path = folder.join("control-read.sock");
        }
        let prefix = "/api/v1".to_string();
        Self::at(Endpoint::Socket(path), prefix, None, &arguments.away)
    }

    /// The box at `--url`, or this machine's control.
    ///
    /// # Errors
    /// As of the two.
    pub(super) fn of(arguments: &Arguments) -> Result<Self, Failure> {
        match arguments.away.is_meant() {
            true => Self::open(arguments),
            false => Self::here(arguments),
        }
    }

    fn at(
        endpoint: Endpoint,
        prefix: String,
        key: Option<String>,
        away: &Away,
    ) -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| failure(error.to_string()))?;
        let dialer = Dialer::new(away.ca_file.as_deref(), CONNECT);
        Ok(Self {
            runtime,
            client: Client::new(dialer, endpoint),
            prefix,
            key,
            once: away.idempotency_key.clone(),
            patience: Duration::from_secs(away.timeout_s),
        })
    }

    /// Who is asked.
    pub(super) fn name(&self) -> String {
        self.client.endpoint().name()
    }

    /// A request of the hot path's socket, and the reply that it would give.
    ///
    /// # Errors
    /// When there is none; after a time-out with what to look at.
    pub(super) fn ask(&mut self, request: &Request) -> Result<Reply, Failure> {
        let (path, body) = match request {
            Request::Status => return self.look("/engine/status", "status"),
            Request::Positions => return self.look("/engine/position", "positions"),
            Request::Orders => return self.look("/engine/orders", "orders"),
            Request::Limits => return self.look("/engine/limits", "limits"),
            Request::Start => ("/engine/start", Value::Null),
            Request::Pause => ("/engine/pause", Value::Null),
            Request::Resume => ("/engine/resume", Value::Null),
            Request::Rearm => ("/engine/rearm", Value::Null),
            Request::Flatten => ("/engine/flatten", Value::Null),
            Request::Stop { policy } => ("/engine/stop", json!({ "policy": policy })),
            Request::Cancel { what } => ("/engine/cancel", json!({ "what": what })),
            Request::Kill {
                keep_positions,
                reason,
            } => (
                "/engine/kill",
                json!({ "keep_positions": keep_positions, "reason": reason }),
            ),
            Request::Ping
            | Request::Configure { .. }
            | Request::Drill
            | Request::Challenge
            | Request::Reset { .. } => {
                let text = "this is for the local operator alone, at the machine; no route does it";
                return Err((exit::BAD_ARGUMENT, text.to_string()));
            }
        };
        self.change(path, &body)
    }

    fn look(&mut self, path: &str, kind: &str) -> Result<Reply, Failure> {
        let answer = self.send(Method::GET, path, String::new(), None, None)?;
        if answer.status != 200 {
            return self.refused(&answer).map(Reply::Refused);
        }
        let mut value: Value = self.json(&answer)?;
        if value.is_array() {
            let mut wrapped = json!({});
            wrapped[kind] = value;
            value = wrapped;
        }
        value["reply"] = json!(kind);
        serde_json::from_value(value).map_err(|error| {
            failure(format!(
                "{}: an answer of another version: {error}",
                self.name()
            ))
        })
    }

    fn change(&mut self, path: &str, body: &Value) -> Result<Reply, Failure> {
        let body = match body {
            Value::Null => String::new(),
            body => body.to_string(),
        };
        let once = match &self.once {
            Some(once) => once.clone(),
            None => new_key()?,
        };
        let answer = self.send(Method::POST, path, body, Some(&once), None)?;
        match answer.status {
            200 => {}
            _ => {
                // Control does not know; where the hot path does not, it says so itself.
                let refused = self.refused(&answer).map(Reply::Refused);
                return match answer.status {
                    504 => refused.map_err(|_| self.unknown(&once, &detail(&answer))),
                    _ => refused,
                };
            }
        }
        let mut value: Value = self.json(&answer)?;
        let kind = match value.get("note") {
            Some(_) => "accepted",
            None => "killed",
        };
        value["reply"] = json!(kind);
        serde_json::from_value(value).map_err(|error| {
            let text = format!(
                "{}: carried out, but the answer is of another version: {error}",
                self.name()
            );
            failure(text)
        })
    }

    /// A look at anything: its JSON.
    ///
    /// # Errors
    /// A refusal with its exit code.
    pub(super) fn get(&mut self, path: &str) -> Result<Value, Failure> {
        let answer = self.send(Method::GET, path, String::new(), None, None)?;
        match answer.status {
            200..300 => self.json(&answer),
            _ => Err(self.complaint(&answer)),
        }
    }

    /// A change that is no verb: its JSON, null for none. With `expected` only of that version.
    ///
    /// # Errors
    /// A refusal with its exit code.
    pub(super) fn put(
        &mut self,
        method: Method,
        path: &str,
        expected: Option<u64>,
        body: String,
    ) -> Result<Value, Failure> {
        let once = new_key()?;
        let expected = expected.map(|version| format!("\"{version}\""));
        let answer = self.send(method, path, body, Some(&once), expected.as_deref())?;
        match answer.status {
            204 => Ok(Value::Null),
            200..300 => self.json(&answer),
            422 => Err((exit::BAD_CONFIGURATION, detail(&answer))),
            504 => Err(self.unknown(&once, &detail(&answer))),
            _ => Err(self.complaint(&answer)),
        }
    }

    /// Whether the box is ready: `/health/ready` of any status.
    ///
    /// # Errors
    /// When nobody answers.
    pub(super) fn health(&mut self) -> Result<Value, Failure> {
        let prefix = std::mem::take(&mut self.prefix);
        let answer = self.send(Method::GET, "/health/ready", String::new(), None, None);
        self.prefix = prefix;
        let answer = answer?;
        match answer.status {
            200 | 503 => self.json(&answer),
            _ => Err(self.complaint(&answer)),
        }
    }

    fn send(
        &mut self,
        method: Method,
        path: &str,
        body: String,
        once: Option<&str>,
        expected: Option<&str>,
    ) -> Result<Answer, Failure> {
        let bearer = self.key.as_ref().map(|key| format!("Bearer {key}"));
        let mut headers = vec![("accept", "application/json")];
        headers.extend(bearer.as_deref().map(|bearer| ("authorization", bearer)));
        headers.extend(once.map(|once| ("idempotency-key", once)));
        headers.extend(expected.map(|version| ("if-match", version)));
        let path = format!("{}{path}", self.prefix);
        let question = Question {
            method,
            path: &path,
            headers: &headers,
            body,
        };
        let asked = self.client.ask(&question, self.patience);
        let answer = self.runtime.block_on(asked);
        answer.map_err(|error| match (&error, once) {
            (CallError::NotSent(dial), _) => self.unreachable(dial),
            (_, Some(once)) => self.unknown(once, &error.to_string()),
            (_, None) => (exit::TEMPORARY, error.to_string()),
        })
    }

    fn unreachable(&self, error: &DialError) -> Failure {
        match (error, self.client.endpoint()) {
            (DialError::Authorities { .. }, _) => (
                exit::BAD_CONFIGURATION,
                format!("{error}; name one with --ca-file"),
            ),
            (DialError::Tls { .. }, _) => failure(format!(
                "{error}; nothing was sent. Name the box's own authority with --ca-file"
            )),
            (_, Endpoint::Socket(path)) => {
                let text = format!(
                    "no control answers at {}: {error}; is fulcrum-control running, and are \
                     --state-dir and --account (or --config) its own?",
                    path.display()
                );
                (exit::TEMPORARY, text)
            }
            _ => (exit::TEMPORARY, format!("{error}; nothing was sent")),
        }
    }

    /// Neither done nor not done.
    fn unknown(&self, once: &str, why: &str) -> Failure {
        let url = match self.client.endpoint() {
            Endpoint::Socket(_) => String::new(),
            Endpoint::Network { .. } => format!(" --url {}", self.name()),
        };
        let text = format!(
            "it is not known whether this was carried out: {why}. Look with `fulcrum{url} status`. \
             The same command with --idempotency-key {once} is not carried out a second time; \
             kill, pause, flatten and cancel may be repeated anyway"
        );
        (exit::TEMPORARY, text)
    }

    fn json(&self, answer: &Answer) -> Result<Value, Failure> {
        serde_json::from_slice(&answer.body).map_err(|error| {
            let text = format!("{}: no answer of a Fulcrum's API: {error}", self.name());
            failure(text)
        })
    }

    /// A refusal of the hot path, as its socket writes it; what control says by itself is a failure.
    fn refused(&self, answer: &Answer) -> Result<Refusal, Failure> {
        let problem: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        match serde_json::from_value::<ErrorCode>(problem["code"].clone()) {
            Ok(code) => Ok(Refusal::new(code, detail(answer))),
            Err(_) => Err(self.complaint(answer)),
        }
    }

    fn complaint(&self, answer: &Answer) -> Failure {
        let (status, detail) = (answer.status, detail(answer));
        let name = self.name();
        match status {
            401 | 403 if self.key.is_none() => {
                failure(format!("{name}: {detail}: give a key with --key-file"))
            }
            429 => {
                let wait = answer.header("retry-after").unwrap_or("some");
                let text = format!("{name}: {detail}; again after {wait} s");
                (exit::TEMPORARY, text)
            }
            502..=504 => (exit::TEMPORARY, format!("{name}: {detail}")),
            _ => failure(format!("{name}: {detail}")),
        }
    }
}

/// What a problem says, or what HTTP does.
fn detail(answer: &Answer) -> String {
    let problem: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    match problem["detail"].as_str() {
        Some(detail) => detail.to_string(),
        None => format!("status {}, which no Fulcrum explains", answer.status),
    }
}

/// A key that nobody has used: 128 random bits.
fn new_key() -> Result<String, Failure> {
    let mut bytes = [0_u8; 16];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())
        .map_err(|error| failure(format!("no random bytes: {error}")))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// An API key from its file, which others must not read.
fn read_key(path: &Path) -> Result<String, Failure> {
    let named = |text: String| {
        let text = format!("--key-file {}: {text}", path.display());
        (exit::BAD_CONFIGURATION, text)
    };
    let facts = std::fs::metadata(path).map_err(|error| named(error.to_string()))?;
    let mode = facts.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(named(format!(
            "mode is {mode:03o}; others may read it; set 0600"
        )));
    }
    let text = std::fs::read_to_string(path).map_err(|error| named(error.to_string()))?;
    let key = text.trim();
    let plain = key.bytes().all(|byte| byte.is_ascii_graphic());
    if !plain || !(1..=KEY_BYTES_MAX).contains(&key.len()) {
        return Err(named(format!(
            "not an API key: 1 to {KEY_BYTES_MAX} visible characters are wanted, as `fulcrum key \
             add` prints them"
        )));
    }
    Ok(key.to_string())
}

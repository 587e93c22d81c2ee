//! Requests: a verb with what it needs.
//!
//! In: a line. Out: a request, or the refusal that the operator reads. Never: a field that is
//! ignored; a misspelt `keep_positions` must not close anything.

use crate::reply::{ErrorCode, Refusal};
use serde::{Deserialize, Serialize};

/// Longest line in either direction.
pub const LINE_BYTES_MAX: usize = 1 << 20;

/// Every verb.
pub const VERBS: [&str; 17] = [
    "status",
    "orders",
    "positions",
    "limits",
    "configure",
    "start",
    "pause",
    "resume",
    "rearm",
    "flatten",
    "stop",
    "cancel",
    "kill",
    "drill",
    "challenge",
    "reset",
    "ping",
];

/// What a stop does before it halts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StopPolicy {
    /// Orders are cancelled, positions closed.
    Flatten,
    /// Orders are cancelled, positions kept.
    Cancel,
    /// Both are left as they are.
    Leave,
}

/// What an operator asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "lowercase", deny_unknown_fields)]
pub enum Request {
    /// Is anybody there?
    Ping,
    /// State, reason, counts, kill.
    Status,
    /// Every open order of the account, as the exchange lists it.
    Orders,
    /// Every instrument with its position.
    Positions,
    /// Limits of the configuration and how much of each is used.
    Limits,
    /// Another version of the configuration: what can, takes effect at once.
    Configure {
        /// Its number; a version that is older than the one that runs is refused.
        version: u64,
        /// Its text.
        text: String,
    },
    /// ACTIVE once reconciled.
    Start,
    /// REDUCING: no entries, exits go on.
    Pause,
    /// ACTIVE, unless latched.
    Resume,
    /// A person has looked: breakers and strategies that are latched off are cleared, and every
    /// measure begins anew.
    Rearm,
    /// REDUCING, all cancelled, positions closed.
    Flatten,
    /// HALTED after the stop policy.
    Stop {
        /// Instead of the configured one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        policy: Option<StopPolicy>,
    },
    /// Cancels an order by its client's id, all own orders of a symbol, or `all`.
    Cancel {
        /// Which.
        what: String,
    },
    /// KILLED, latched.
    Kill {
        /// Positions are kept.
        #[serde(default)]
        keep_positions: bool,
        /// Why, for the latch and the log.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// A kill for practice, in paper trading only. Refused where a reset could not end it.
    Drill,
    /// Asks for the words that a reset has to sign.
    Challenge,
    /// Clears the latch.
    Reset {
        /// As the challenge gave it.
        nonce: String,
        /// Of [`crate::reset_text`], 128 hexadecimal digits.
        signature: String,
        /// Ends a drill; refused when a kill that is none came meanwhile.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        drill: bool,
    },
}

impl Request {
    /// Reads a line.
    ///
    /// # Errors
    /// [`Refusal`] with what is wrong and what there is.
    pub fn from_line(line: &[u8]) -> Result<Self, Refusal> {
        let bad = |message: String| Refusal::new(ErrorCode::BadRequest, message);
        let value: serde_json::Value = serde_json::from_slice(line)
            .map_err(|error| bad(format!("not a line of JSON: {error}")))?;
        let verb = value.get("verb").and_then(serde_json::Value::as_str);
        let Some(verb) = verb.map(str::to_string) else {
            return Err(bad("an object with a `verb` is wanted".to_string()));
        };
        if !VERBS.contains(&verb.as_str()) {
            let known = VERBS.join(", ");
            let message = format!("no verb is named `{verb}`; there are {known}");
            return Err(Refusal::new(ErrorCode::UnknownVerb, message));
        }
        serde_json::from_value(value).map_err(|error| bad(format!("`{verb}`: {error}")))
    }

    /// As a line, with its end.
    ///
    /// # Panics
    /// Never: a request is plain data.
    #[must_use]
    pub fn line(&self) -> String {
        let mut line = serde_json::to_string(self).expect("a request is plain data");
        line.push('\n');
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(line: &str) -> (ErrorCode, String) {
        let refusal = Request::from_line(line.as_bytes()).expect_err(line);
        (refusal.code, refusal.message)
    }

    #[test]
    fn a_request_survives_the_trip() {
        let requests = [
            Request::Status,
            Request::Stop {
                policy: Some(StopPolicy::Leave),
            },
            Request::Stop { policy: None },
            Request::Cancel {
                what: "BTCUSDT".to_string(),
            },
            Request::Kill {
                keep_positions: true,
                reason: Some("drill".to_string()),
            },
            Request::Reset {
                nonce: "1".to_string(),
                signature: "2".to_string(),
                drill: false,
            },
            Request::Reset {
                nonce: "1".to_string(),
                signature: "2".to_string(),
                drill: true,
            },
        ];
        for request in requests {
            assert_eq!(Request::from_line(request.line().as_bytes()), Ok(request));
        }
        for verb in VERBS {
            let line = format!(r#"{{"verb":"{verb}"}}"#);
            let read = Request::from_line(line.as_bytes());
            let needs_more = ["cancel", "reset", "configure"].contains(&verb);
            assert_eq!(read.is_err(), needs_more, "{verb}: {read:?}");
        }
    }

    #[test]
    fn a_bare_kill_closes_positions_and_a_misspelt_one_does_nothing() {
        assert_eq!(
            Request::from_line(br#"{"verb":"kill"}"#),
            Ok(Request::Kill {
                keep_positions: false,
                reason: None
            })
        );
        let (code, message) = refused(r#"{"verb":"kill","keep_position":true}"#);
        assert_eq!(code, ErrorCode::BadRequest);
        assert!(message.contains("keep_positions"), "{message}");
    }

    #[test]
    fn what_is_wrong_is_named() {
        let (code, message) = refused(r#"{"verb":"panic"}"#);
        assert_eq!(code, ErrorCode::UnknownVerb);
        assert!(
            message.contains("`panic`") && message.contains("flatten"),
            "{message}"
        );
        for line in [
            "",
            "kill",
            "[]",
            "{}",
            r#"{"verb":7}"#,
            r#"{"verb":"stop","policy":"x"}"#,
        ] {
            assert_eq!(refused(line).0, ErrorCode::BadRequest, "{line}");
        }
    }
}

//! The HTTP/1.1 upgrade to WebSocket (RFC 6455, 4.1).
//!
//! In: host and path; the answer's bytes. Out: the request; whether the answer agrees, and where
//! it ends. Never: an extension or a subprotocol: none is asked for, so none is accepted.

use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// Longest answer, its body not counted.
pub(super) const ANSWER_BYTES_MAX: usize = 16 << 10;

/// Most header fields in an answer.
const FIELDS_MAX: usize = 64;

/// Bytes of a refusal's body that the operator is shown.
const SHOWN_BYTES: usize = 200;

/// One upgrade under way.
pub(super) struct Upgrade {
    key: String,
}

impl Upgrade {
    /// With a key of the system's randomness.
    pub(super) fn new() -> Self {
        Self {
            key: generate_key(),
        }
    }

    /// The request.
    pub(super) fn request(&self, authority: &str, path: &str) -> String {
        format!(
            "GET {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {}\r\n\r\n",
            self.key
        )
    }

    /// Where the answer ends; `None` while some of it is missing.
    ///
    /// # Errors
    /// Why this is no WebSocket, for the operator.
    pub(super) fn check(&self, answer: &[u8]) -> Result<Option<usize>, String> {
        let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
        let mut response = httparse::Response::new(&mut fields);
        let end = match response.parse(answer) {
            Ok(httparse::Status::Complete(end)) => end,
            Ok(httparse::Status::Partial) if answer.len() < ANSWER_BYTES_MAX => return Ok(None),
            Ok(httparse::Status::Partial) => {
                return Err(format!("an answer of more than {ANSWER_BYTES_MAX} bytes"));
            }
            Err(error) => return Err(format!("not an HTTP answer: {error}")),
        };
        if response.code != Some(101) {
            let body = &answer[end..answer.len().min(end + SHOWN_BYTES)];
            return Err(format!(
                "HTTP status {} {}: {}",
                response.code.unwrap_or(0),
                response.reason.unwrap_or_default(),
                body.escape_ascii()
            ));
        }
        self.check_fields(response.headers)?;
        Ok(Some(end))
    }

    fn check_fields(&self, fields: &[httparse::Header<'_>]) -> Result<(), String> {
        let values = |name: &'static str| {
            fields
                .iter()
                .filter(move |field| field.name.eq_ignore_ascii_case(name))
                .map(|field| field.value.trim_ascii())
        };
        let names = |name, token: &[u8]| {
            values(name)
                .flat_map(|value| value.split(|byte| *byte == b','))
                .any(|one| one.trim_ascii().eq_ignore_ascii_case(token))
        };
        if !names("upgrade", b"websocket") || !names("connection", b"upgrade") {
            return Err("the answer does not upgrade to websocket".to_string());
        }
        let expected = derive_accept_key(self.key.as_bytes());
        let mut accepts = values("sec-websocket-accept");
        if accepts.next() != Some(expected.as_bytes()) || accepts.next().is_some() {
            return Err("Sec-WebSocket-Accept does not answer our key".to_string());
        }
        for unwanted in ["sec-websocket-extensions", "sec-websocket-protocol"] {
            if values(unwanted).any(|value| !value.is_empty()) {
                return Err(format!("{unwanted}: not asked for"));
            }
        }
        Ok(())
    }
}

/// Status and Retry-After of an answer that does not upgrade; `None` for what is no whole answer.
pub(super) fn refusal(answer: &[u8]) -> Option<(u16, Option<String>)> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut response = httparse::Response::new(&mut fields);
    let is_whole = response.parse(answer).ok()?.is_complete();
    let status = response.code.filter(|code| is_whole && *code != 101)?;
    let mut fields = response.headers.iter();
    let found = fields.find(|field| field.name.eq_ignore_ascii_case("retry-after"));
    let retry_after = found.map(|field| String::from_utf8_lossy(field.value).into_owned());
    Some((status, retry_after))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(upgrade: &Upgrade, change: impl Fn(String) -> String) -> Vec<u8> {
        let accept = derive_accept_key(upgrade.key.as_bytes());
        let text = format!(
            "HTTP/1.1 101 Switching Protocols\r\nconnection: keep-alive, Upgrade\r\n\
             upgrade: WebSocket\r\nsec-websocket-accept: {accept}\r\n\r\n"
        );
        change(text).into_bytes()
    }

    #[test]
    fn an_answer_is_taken_when_all_of_it_is_there_and_not_before() {
        let upgrade = Upgrade::new();
        let mut bytes = answer(&upgrade, |text| text);
        for there in 0..bytes.len() {
            assert_eq!(upgrade.check(&bytes[..there]), Ok(None), "{there} bytes");
        }
        let end = bytes.len();
        bytes.extend_from_slice(b"\x81\x00");
        assert_eq!(upgrade.check(&bytes), Ok(Some(end)));
    }

    #[test]
    fn an_answer_that_does_not_agree_is_refused_with_the_reason() {
        let cases: [(&str, &str, &str); 6] = [
            ("101", "429", "HTTP status 429"),
            ("HTTP/1.1", "SPDY", "not an HTTP answer"),
            ("WebSocket", "h2c", "does not upgrade"),
            ("Upgrade\r\n", "close\r\n", "does not upgrade"),
            ("accept: ", "accept: x", "does not answer our key"),
            (
                "\r\n\r\n",
                "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
                "not asked for",
            ),
        ];
        for (from, to, reason) in cases {
            let upgrade = Upgrade::new();
            let bytes = answer(&upgrade, |text| text.replacen(from, to, 1));
            let refused = upgrade.check(&bytes).unwrap_err();
            assert!(refused.contains(reason), "{to}: {refused}");
        }
    }

    #[test]
    fn a_refusal_says_how_long_the_host_wants_silence() {
        let limited = b"HTTP/1.1 418 I'm a teapot\r\nContent-Length: 2\r\nretry-after: 7\r\n\r\n{}";
        assert_eq!(refusal(limited), Some((418, Some("7".to_string()))));
        assert_eq!(refusal(b"HTTP/1.1 503 x\r\n\r\n"), Some((503, None)));
        let upgrade = Upgrade::new();
        assert_eq!(refusal(&answer(&upgrade, |text| text)), None);
        assert_eq!(refusal(&limited[..30]), None);
    }

    #[test]
    fn an_endless_answer_is_given_up() {
        let mut bytes = b"HTTP/1.1 101 Switching Protocols\r\nx: ".to_vec();
        bytes.resize(ANSWER_BYTES_MAX, b'a');
        let refused = Upgrade::new().check(&bytes).unwrap_err();
        assert!(refused.contains("more than"), "{refused}");
    }
}

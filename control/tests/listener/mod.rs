//! A client of the stream, and connections that only look like one.

use serde_json::Value;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use tungstenite::client::IntoClientRequest;
use tungstenite::{Error, Message, WebSocket};

const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Listener {
    socket: WebSocket<TcpStream>,
}

impl Listener {
    pub(crate) fn open(port: u16, query: &str) -> Self {
        Self::with(port, query, &[]).unwrap_or_else(|refused| panic!("{refused:?}"))
    }

    /// The status and the body of the refusal.
    pub(crate) fn with(
        port: u16,
        query: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, (u16, String)> {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let url = format!("ws://127.0.0.1:{port}/api/v1/engine/stream{query}");
        let mut request = url.into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        match tungstenite::client::client(request, stream) {
            Ok((socket, _)) => Ok(Self { socket }),
            Err(tungstenite::HandshakeError::Failure(Error::Http(answer))) => {
                let body = answer.body().clone().unwrap_or_default();
                Err((
                    answer.status().as_u16(),
                    String::from_utf8_lossy(&body).into_owned(),
                ))
            }
            Err(error) => panic!("no handshake: {error}"),
        }
    }

    pub(crate) fn say(&mut self, text: &str) {
        self.socket.send(Message::text(text)).unwrap();
    }

    pub(crate) fn try_say(&mut self, message: Message) -> Result<(), Error> {
        self.socket.send(message)
    }

    pub(crate) fn say_bytes(&mut self, bytes: Vec<u8>) {
        self.socket.send(Message::binary(bytes)).unwrap();
    }

    /// The connection below the frames.
    pub(crate) fn raw(&mut self) -> &mut TcpStream {
        self.socket.get_mut()
    }

    /// The next message that is text; the code and reason of the end else.
    pub(crate) fn hear(&mut self) -> Result<Value, (u16, String)> {
        loop {
            match self.socket.read() {
                Ok(Message::Text(text)) => return Ok(serde_json::from_str(&text).unwrap()),
                Ok(Message::Close(Some(frame))) => {
                    return Err((frame.code.into(), frame.reason.to_string()));
                }
                Ok(_) => {}
                Err(error) => return Err((0, error.to_string())),
            }
        }
    }

    /// Messages until `enough` says so.
    pub(crate) fn hear_until(&mut self, mut enough: impl FnMut(&Value) -> bool) -> Vec<Value> {
        let deadline = Instant::now() + PATIENCE;
        let mut all = Vec::new();
        loop {
            assert!(Instant::now() < deadline, "in vain: {:?}", all.last());
            let message = self.hear().unwrap_or_else(|end| panic!("{end:?}"));
            let done = enough(&message);
            all.push(message);
            if done {
                return all;
            }
        }
    }

    /// How the stream ends.
    pub(crate) fn end(&mut self) -> (u16, String) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            assert!(Instant::now() < deadline, "it does not end");
            if let Err(end) = self.hear() {
                return end;
            }
        }
    }
}

/// Rows of a topic of facts, in order.
pub(crate) fn rows<'a>(messages: &'a [Value], topic: &str) -> Vec<&'a Value> {
    let of_topic = messages.iter().filter(|one| one["topic"] == topic);
    of_topic
        .flat_map(|one| one["data"]["rows"].as_array().into_iter().flatten())
        .collect()
}

/// An upgraded connection whose owner answers nothing: it takes bytes and says none.
pub(crate) fn mute(port: u16, query: &str) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = format!(
        "GET /api/v1/engine/stream{query} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: upgrade\r\n\
         upgrade: websocket\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        assert_eq!(stream.read(&mut byte).unwrap(), 1, "{head:?}");
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head);
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    stream
}

/// Takes bytes until the other side ends; all of them.
pub(crate) fn take_all(stream: &mut TcpStream) -> Vec<u8> {
    let (mut all, mut some) = (Vec::new(), [0; 65_536]);
    loop {
        match stream.read(&mut some) {
            Ok(0) => return all,
            Ok(count) => all.extend_from_slice(&some[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // A connection that is reset has said what it said.
            Err(_) => return all,
        }
    }
}

//! A WebSocket client with a deadline on every read.
//!
//! In: an address and a path. Out: JSON frames. Never: a wait without end.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

const DEADLINE: Duration = Duration::from_secs(20);

/// A connection.
pub(crate) struct Stream(WebSocketStream<MaybeTlsStream<TcpStream>>);

/// Connects to `ws://address/path`.
pub(crate) async fn open(address: SocketAddr, path: &str) -> Stream {
    let connected = connect_async(format!("ws://{address}{path}")).await;
    Stream(connected.expect("an upgrade").0)
}

impl Stream {
    /// Sends a text.
    pub(crate) async fn send(&mut self, text: &str) {
        self.0
            .send(Message::text(text))
            .await
            .expect("an open connection");
    }

    /// The next text frame as JSON.
    pub(crate) async fn next(&mut self) -> Value {
        loop {
            let frame = tokio::time::timeout(DEADLINE, self.0.next()).await;
            let frame = frame
                .expect("a frame before the deadline")
                .expect("an open connection");
            if let Message::Text(text) = frame.expect("a sound frame") {
                return serde_json::from_str(&text).unwrap_or(Value::String(text.to_string()));
            }
        }
    }

    /// The texts that the exchange wrote before it answered a ping: whatever else there is, it
    /// holds back.
    pub(crate) async fn written(&mut self) -> Vec<Value> {
        let ping = Message::Ping("now".into());
        self.0.send(ping).await.expect("an open connection");
        let mut texts = Vec::new();
        loop {
            let frame = tokio::time::timeout(DEADLINE, self.0.next()).await;
            let frame = frame
                .expect("a frame before the deadline")
                .expect("an open connection");
            match frame.expect("a sound frame") {
                Message::Pong(_) => return texts,
                Message::Text(text) => {
                    texts.push(serde_json::from_str(&text).expect("JSON"));
                }
                _ => {}
            }
        }
    }

    /// All texts until the exchange ends the connection.
    pub(crate) async fn until_its_end(&mut self) -> usize {
        let mut texts = 0;
        loop {
            let frame = tokio::time::timeout(DEADLINE, self.0.next()).await;
            match frame.expect("a frame or an end before the deadline") {
                Some(Ok(Message::Text(_))) => texts += 1,
                Some(Ok(Message::Close(_)) | Err(_)) | None => return texts,
                Some(Ok(_)) => {}
            }
        }
    }
}

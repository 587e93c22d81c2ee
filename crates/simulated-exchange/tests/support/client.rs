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
}

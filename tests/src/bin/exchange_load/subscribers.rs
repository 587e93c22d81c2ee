//! Connections that listen to every stream, and one that never reads.
//!
//! In: the exchange. Out: how many messages came. Never: a look into a message.

use crate::exchange::{Exchange, SYMBOLS};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tungstenite::stream::MaybeTlsStream;
use tungstenite::{Error, WebSocket, connect};

pub(crate) type Socket = WebSocket<MaybeTlsStream<TcpStream>>;

/// How long a reader waits before it looks whether the run has ended.
const PATIENCE: Duration = Duration::from_millis(500);

pub(crate) struct Counted {
    messages: Arc<AtomicU64>,
    threads: Vec<JoinHandle<()>>,
}

/// Opens so many connections, each with all streams of the books of all symbols, and counts.
pub(crate) fn start(exchange: &Exchange, count: usize, stop: &Arc<AtomicBool>) -> Counted {
    let messages = Arc::new(AtomicU64::new(0));
    let reader = |_| {
        let mut socket = open(exchange);
        let (messages, stop) = (messages.clone(), stop.clone());
        thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                match socket.read() {
                    Ok(_) => {
                        messages.fetch_add(1, Ordering::Relaxed);
                    }
                    Err(Error::Io(error)) if is_pause(&error) => {}
                    Err(error) => panic!("a subscriber that reads was cut off: {error}"),
                }
            }
        })
    };
    let threads = (0..count).map(reader).collect();
    Counted { messages, threads }
}

/// A subscriber that never reads; the exchange must drop it and go on.
pub(crate) fn sleeper(exchange: &Exchange) -> Socket {
    open(exchange)
}

fn open(exchange: &Exchange) -> Socket {
    let streams = SYMBOLS.map(|symbol| {
        let symbol = symbol.to_lowercase();
        format!("{symbol}@bookTicker/{symbol}@depth@100ms/{symbol}@depth20@100ms")
    });
    let base = exchange.field("ws");
    let url = format!("{base}/public/stream?streams={}", streams.join("/"));
    let (socket, _) = connect(&url).expect("the exchange takes a subscriber");
    let MaybeTlsStream::Plain(stream) = socket.get_ref() else {
        panic!("no TLS was asked for");
    };
    stream.set_read_timeout(Some(PATIENCE)).expect("our socket");
    socket
}

pub(crate) fn is_pause(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{TimedOut, WouldBlock};
    matches!(error.kind(), TimedOut | WouldBlock)
}

impl Counted {
    pub(crate) fn messages(&self) -> u64 {
        self.messages.load(Ordering::Relaxed)
    }

    pub(crate) fn end(self) {
        for thread in self.threads {
            thread.join().expect("no subscriber that reads was cut off");
        }
    }
}

//! Orders over one connection of the WebSocket API, at a steady rate.
//!
//! In: the exchange, a rate. Out: what was answered, how fast, how often with a refusal. Never: an
//! order that waits for the answer of the one before.

use crate::exchange::Exchange;
use crate::subscribers::{Socket, is_pause};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};
use tests::load::latencies::{Done, Tally};
use tungstenite::stream::MaybeTlsStream;
use tungstenite::{Error, Message, connect};

const SYMBOL: &str = "BTCUSDT";

/// Far below the market, so that it rests until it is cancelled.
const RESTING_SHARE: f64 = 0.97;

/// A pause between two looks at the socket.
const PAUSE: Duration = Duration::from_micros(200);

pub(crate) struct Load {
    pub(crate) tally: Arc<Tally>,
    pub(crate) thread: JoinHandle<()>,
}

impl Load {
    pub(crate) fn end(self) -> Done {
        self.thread.join().expect("the load does not break off");
        self.tally.finish()
    }
}

/// Three kinds in turn: one that rests and is cancelled with the next of its kind, a purchase, a
/// sale.
pub(crate) fn start(exchange: &Exchange, rate: u32, stop: &Arc<AtomicBool>) -> Load {
    let url = format!("{}/ws-fapi/v1", exchange.field("ws"));
    let (socket, _) = connect(&url).expect("the exchange takes orders");
    if let MaybeTlsStream::Plain(stream) = socket.get_ref() {
        stream.set_nonblocking(true).expect("our socket");
        stream.set_nodelay(true).expect("our socket");
    }
    let tally = Arc::new(Tally::default());
    let mut desk = Desk {
        socket,
        tally: tally.clone(),
        sent: HashMap::new(),
        resting_price: resting_price(exchange),
        placed: 0,
    };
    let stop = stop.clone();
    let thread = thread::spawn(move || {
        let began = Instant::now();
        let interval = Duration::from_secs(1) / rate.max(1);
        while !stop.load(Ordering::Relaxed) {
            while began.elapsed() >= interval * desk.placed {
                desk.place();
            }
            desk.read();
            thread::sleep(PAUSE);
        }
    });
    Load { tally, thread }
}

fn resting_price(exchange: &Exchange) -> String {
    let base = exchange.field("http");
    let url = format!("{base}/fapi/v1/ticker/bookTicker?symbol={SYMBOL}");
    let mut answer = ureq::get(&url).call().expect("a price");
    let text = answer.body_mut().read_to_string().expect("a text");
    let ticker: Value = serde_json::from_str(&text).expect("JSON");
    let best: f64 = ticker["bidPrice"]
        .as_str()
        .and_then(|text| text.parse().ok())
        .expect("a bid");
    format!("{:.1}", best * RESTING_SHARE)
}

struct Desk {
    socket: Socket,
    tally: Arc<Tally>,
    /// When each order that has no answer yet was sent, by its id.
    sent: HashMap<u64, Instant>,
    resting_price: String,
    placed: u32,
}

impl Desk {
    fn place(&mut self) {
        let number = u64::from(self.placed);
        self.placed += 1;
        let mut params = json!({
            "apiKey": "load", "signature": "00", "timestamp": now_ms(),
            "symbol": SYMBOL, "quantity": "0.002", "newClientOrderId": format!("load-{number}"),
        });
        match number % 3 {
            0 => {
                if number > 0 {
                    self.cancel(number - 3);
                }
                params["side"] = "BUY".into();
                params["type"] = "LIMIT".into();
                params["timeInForce"] = "GTC".into();
                params["price"] = self.resting_price.clone().into();
            }
            1 => {
                params["side"] = "BUY".into();
                params["type"] = "MARKET".into();
            }
            _ => {
                params["side"] = "SELL".into();
                params["type"] = "MARKET".into();
            }
        }
        self.sent.insert(number, Instant::now());
        self.send(&json!({ "id": number, "method": "order.place", "params": params }));
    }

    /// Cancels are load besides; their answers have ids that no order has, and are not counted.
    fn cancel(&mut self, number: u64) {
        let params = json!({
            "apiKey": "load", "signature": "00", "timestamp": now_ms(),
            "symbol": SYMBOL, "origClientOrderId": format!("load-{number}"),
        });
        let id = format!("cancel-{number}");
        self.send(&json!({ "id": id, "method": "order.cancel", "params": params }));
    }

    fn send(&mut self, request: &Value) {
        match self.socket.send(Message::text(request.to_string())) {
            Ok(()) => {}
            Err(Error::Io(error)) if is_pause(&error) => {}
            Err(error) => panic!("the order connection was cut: {error}"),
        }
    }

    fn read(&mut self) {
        loop {
            match self.socket.read() {
                Ok(Message::Text(text)) => self.answer(&text),
                Ok(_) => {}
                Err(Error::Io(error)) if is_pause(&error) => return,
                Err(error) => panic!("the order connection was cut: {error}"),
            }
        }
    }

    fn answer(&mut self, text: &str) {
        let answer: Value = serde_json::from_str(text).expect("answers are JSON");
        let sent = answer["id"].as_u64().and_then(|id| self.sent.remove(&id));
        if let Some(sent) = sent {
            let accepted = answer["status"] == 200;
            if !accepted && self.tally.done() < 10 {
                eprintln!("exchange-load: refused: {text}");
            }
            self.tally.answered(sent.elapsed(), accepted);
        }
    }
}

pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as u64)
}

//! The path that a good user of the usual crates would write: the other side of row g.
//!
//! In: a session. Out: the orders that it wrote. Never: a handicap. One thread, pinned, with
//! tokio's current-thread runtime; borrowed texts, decimals in an ordered map, a prepared HMAC
//! key, no Nagle. Whoever knows a faster way with these crates is welcome to write it here.

use super::echo::trusting;
use super::{SECRET, Session, Written, now_ns};
use crate::reference::TOP_LEVELS;
use crate::rings::pin;
use futures_util::{SinkExt, StreamExt};
use hmac::{Hmac, KeyInit, Mac};
use rust_decimal::Decimal;
use rustls::pki_types::ServerName;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

type Socket = WebSocketStream<TlsStream<TcpStream>>;

pub(super) fn run(session: &Session<'_>) -> Result<Vec<Written>, String> {
    pin(session.core);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    runtime.block_on(trade(session))
}

async fn trade(session: &Session<'_>) -> Result<Vec<Written>, String> {
    let mut market = connect(session, "market").await?;
    let mut orders = connect(session, "orders").await?;
    let mut trader = Trader::new(session);
    let mut written = Vec::new();
    loop {
        tokio::select! {
            message = market.next() => match message {
                Some(Ok(Message::Text(text))) => {
                    if let Some((update_id, order)) = trader.on_message(&text)? {
                        let sent = orders.send(Message::text(order)).await;
                        sent.map_err(|error| error.to_string())?;
                        written.push(Written {
                            update_id,
                            at_ns: now_ns(),
                            stalled: false,
                        });
                    }
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => return Ok(written),
                Some(Ok(_)) => {}
            },
            answer = orders.next() => match answer {
                Some(Ok(Message::Text(text))) => trader.on_answer(&text)?,
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Ok(written),
            },
        }
    }
}

async fn connect(session: &Session<'_>, path: &str) -> Result<Socket, String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let tcp = TcpStream::connect(session.address)
        .await
        .map_err(|error| text(&error))?;
    tcp.set_nodelay(true).map_err(|error| text(&error))?;
    let name = ServerName::try_from("localhost").map_err(|error| text(&error))?;
    let tls = TlsConnector::from(trusting(&session.authority)?)
        .connect(name, tcp)
        .await
        .map_err(|error| text(&error))?;
    let url = format!("wss://localhost:{}/{path}", session.address.port());
    let (socket, _) = client_async(url, tls).await.map_err(|error| text(&error))?;
    Ok(socket)
}

/// A difference with borrowed texts.
#[derive(Deserialize)]
struct DepthUpdate<'a> {
    u: u64,
    pu: u64,
    #[serde(borrow)]
    b: Vec<(&'a str, &'a str)>,
    #[serde(borrow)]
    a: Vec<(&'a str, &'a str)>,
}

/// The exchange's answer to a request.
#[derive(Deserialize)]
struct Answer {
    status: u16,
}

#[derive(Serialize)]
struct Request<'a> {
    id: &'a str,
    method: &'a str,
    params: Parameters<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Parameters<'a> {
    api_key: &'a str,
    new_client_order_id: &'a str,
    price: String,
    quantity: &'a str,
    recv_window: u32,
    side: &'a str,
    signature: &'a str,
    symbol: &'a str,
    time_in_force: &'a str,
    timestamp: u64,
    r#type: &'a str,
}

/// Book, decision and signature.
struct Trader {
    symbol: String,
    api_key: String,
    key: Hmac<Sha256>,
    last_update_id: u64,
    bids: BTreeMap<Decimal, Decimal>,
    asks: BTreeMap<Decimal, Decimal>,
    sent: u64,
    refused: u64,
}

impl Trader {
    fn new(session: &Session<'_>) -> Self {
        let book = crate::books::barter_book(session.input);
        let side = |levels: &[barter_data::books::Level]| {
            levels.iter().map(|one| (one.price, one.amount)).collect()
        };
        Self {
            symbol: session.input.instrument.symbol.as_str().to_string(),
            api_key: "k".repeat(64),
            key: Hmac::new_from_slice(SECRET).expect("HMAC takes keys of any length"),
            last_update_id: session.input.start_update_id,
            bids: side(book.bids().levels()),
            asks: side(book.asks().levels()),
            sent: 0,
            refused: 0,
        }
    }

    /// The order that a message calls for.
    fn on_message(&mut self, text: &str) -> Result<Option<(u64, String)>, String> {
        let update: DepthUpdate<'_> =
            serde_json::from_str(text).map_err(|error| error.to_string())?;
        if update.pu != self.last_update_id {
            return Err(format!("a gap before {}", update.u));
        }
        self.last_update_id = update.u;
        for (side, changes) in [(&mut self.bids, &update.b), (&mut self.asks, &update.a)] {
            for (price, quantity) in changes {
                let bad = |error: rust_decimal::Error| error.to_string();
                let price = Decimal::from_str_exact(price).map_err(bad)?;
                let quantity = Decimal::from_str_exact(quantity).map_err(bad)?;
                if quantity.is_zero() {
                    side.remove(&price);
                } else {
                    side.insert(price, quantity);
                }
            }
        }
        let bid_sum: Decimal = self.bids.values().rev().take(TOP_LEVELS).sum();
        let ask_sum: Decimal = self.asks.values().take(TOP_LEVELS).sum();
        let order = if bid_sum > ask_sum * Decimal::from(3) {
            self.asks
                .first_key_value()
                .map(|(price, _)| ("BUY", *price))
        } else if bid_sum < ask_sum * Decimal::new(33, 2) {
            self.bids
                .last_key_value()
                .map(|(price, _)| ("SELL", *price))
        } else {
            None
        };
        order
            .map(|(side, price)| Ok((update.u, self.order(side, price)?)))
            .transpose()
    }

    /// A signed `order.place`: parameters in alphabetical order are what is signed.
    fn order(&mut self, side: &str, price: Decimal) -> Result<String, String> {
        self.sent += 1;
        let id = format!("x{:014}", self.sent);
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let timestamp = now.map_err(|error| error.to_string())?.as_millis() as u64;
        let (symbol, api_key) = (&self.symbol, &self.api_key);
        let to_sign = format!(
            "apiKey={api_key}&newClientOrderId={id}&price={price}&quantity=0.020&recvWindow=1000\
             &side={side}&symbol={symbol}&timeInForce=IOC&timestamp={timestamp}&type=LIMIT"
        );
        let mut mac = self.key.clone();
        mac.update(to_sign.as_bytes());
        let mut signature = String::with_capacity(64);
        for byte in mac.finalize().into_bytes() {
            write!(signature, "{byte:02x}").map_err(|error| error.to_string())?;
        }
        serde_json::to_string(&Request {
            id: &id,
            method: "order.place",
            params: Parameters {
                api_key,
                new_client_order_id: &id,
                price: price.to_string(),
                quantity: "0.020",
                recv_window: 1000,
                side,
                signature: &signature,
                symbol,
                time_in_force: "IOC",
                timestamp,
                r#type: "LIMIT",
            },
        })
        .map_err(|error| error.to_string())
    }

    fn on_answer(&mut self, text: &str) -> Result<(), String> {
        let answer: Answer = serde_json::from_str(text).map_err(|error| error.to_string())?;
        self.refused += u64::from(answer.status != 200);
        Ok(())
    }
}

//! A running exchange and a small client for the tests.
//!
//! In: command-line arguments. Out: bases, JSON. Never: a fixed port, a sleep.

use std::net::SocketAddr;

use binance::sign::Signer;
use clap::Parser;
use serde_json::Value;
use simulated_exchange::assembly;
use simulated_exchange::exchange::Shared;
use simulated_exchange::options::Options;
use simulated_exchange::server::Ports;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// API key that the tests register.
pub(crate) const KEY: &str = "test-key";
/// Its secret.
pub(crate) const SECRET: &str = "test-secret";

/// Addresses of a running exchange.
pub(crate) struct Bases {
    /// USD-M.
    pub(crate) usdm: SocketAddr,
    /// Spot.
    pub(crate) spot: SocketAddr,
    /// Control.
    pub(crate) control: SocketAddr,
    /// The exchange itself.
    pub(crate) shared: Shared,
}

/// Starts an exchange on free ports, on the test's own runtime.
pub(crate) async fn start(arguments: &[&str]) -> Bases {
    let name = std::iter::once("simulated-exchange");
    let listen = ["--listen", "127.0.0.1:0"];
    let all = name.chain(listen).chain(arguments.iter().copied());
    let options = Options::try_parse_from(all).expect("arguments of a test");
    let addresses = options.addresses().expect("port 0");
    let ports = Ports::open(addresses).await.expect("free ports");
    let [usdm, spot, control] = ports.addresses().expect("bound");
    let shared = Shared::new(assembly::build(&options).expect("a market"));
    tokio::spawn(shared.clone().run());
    tokio::spawn(ports.serve(shared.clone(), None));
    Bases {
        usdm,
        spot,
        control,
        shared,
    }
}

/// One HTTP request on its own connection: status and body.
pub(crate) async fn http(
    address: SocketAddr,
    method: &str,
    target: &str,
    body: &str,
) -> (u16, Value) {
    let mut socket = TcpStream::connect(address).await.expect("a listening port");
    let length = body.len();
    let request = format!(
        "{method} {target} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
         x-mbx-apikey: {KEY}\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n{body}"
    );
    socket.write_all(request.as_bytes()).await.expect("written");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.expect("an answer");
    let status = answer.get(9..12).and_then(|text| text.parse().ok());
    let (_, body) = answer.split_once("\r\n\r\n").expect("a header");
    (
        status.expect("a status line"),
        serde_json::from_str(body).unwrap_or(Value::Null),
    )
}

/// A signed query for REST.
pub(crate) fn signed(shared: &Shared, query: &str) -> String {
    let now = shared.lock().clock.now().0;
    let text = format!("{query}&timestamp={now}");
    let signature = Signer::hmac(SECRET.as_bytes()).sign(text.as_bytes());
    format!("{text}&signature={}", String::from_utf8_lossy(&signature))
}

/// A signed request of the WebSocket API; parameters in any order.
pub(crate) fn request(shared: &Shared, method: &str, params: &[(&str, &str)]) -> String {
    let now = shared.lock().clock.now().0.to_string();
    let mut all: Vec<(&str, &str)> = params.to_vec();
    all.extend([("apiKey", KEY), ("timestamp", now.as_str())]);
    all.sort_unstable();
    let text: Vec<String> = all
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let signature = Signer::hmac(SECRET.as_bytes()).sign(text.join("&").as_bytes());
    let signature = String::from_utf8_lossy(&signature).into_owned();
    let mut object = serde_json::Map::new();
    for (name, value) in all {
        object.insert(name.to_owned(), Value::from(value));
    }
    object.insert(
        "timestamp".to_owned(),
        Value::from(now.parse::<i64>().expect("digits")),
    );
    object.insert("signature".to_owned(), Value::from(signature));
    serde_json::json!({"id": method, "method": method, "params": object}).to_string()
}

//! Peers that nobody would wish for: they are refused, and others do not notice.
//!
//! In: a running exchange on free ports, raw bytes. Out: passes, or what took it down. Never: a
//! wait without a deadline.

use std::time::Duration;

use crate::support::{http, open, start};
use clap::Parser as _;
use serde_json::Value;
use simulated_exchange::assembly;
use simulated_exchange::exchange::Shared;
use simulated_exchange::options::Options;
use simulated_exchange::server::Ports;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

const DEADLINE: Duration = Duration::from_secs(30);

/// Everything until the peer closes.
async fn rest_of(socket: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    // A reset after the answer ends it as well as a close.
    let _ = timeout(DEADLINE, socket.read_to_end(&mut bytes))
        .await
        .expect("the exchange ends the connection");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A raw connection that has been upgraded to a WebSocket.
async fn upgraded(address: std::net::SocketAddr, path: &str) -> TcpStream {
    let mut socket = TcpStream::connect(address).await.expect("a port");
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    socket.write_all(request.as_bytes()).await.expect("written");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.expect("a header"));
    }
    assert!(head.starts_with(b"HTTP/1.1 101"), "no upgrade");
    socket
}

async fn is_alive(address: std::net::SocketAddr) {
    let (status, _) = http(address, "GET", "/fapi/v1/ping", "").await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn a_body_of_16_megabytes_is_read_to_its_end_and_refused() {
    let bases = start(&[]).await;
    let body = "a".repeat(16 << 20);
    let (status, _) = http(bases.usdm, "POST", "/fapi/v1/order", &body).await;
    assert_eq!(status, 413);
    is_alive(bases.usdm).await;
}

#[tokio::test]
async fn a_body_that_does_not_come_ends_with_408() {
    let bases = start(&[]).await;
    let mut socket = TcpStream::connect(bases.usdm).await.expect("a port");
    let head = "POST /fapi/v1/order HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\na";
    socket.write_all(head.as_bytes()).await.expect("written");
    let answer = rest_of(&mut socket).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    is_alive(bases.usdm).await;
}

#[tokio::test]
async fn a_frame_that_announces_8_megabytes_ends_the_connection_before_they_come() {
    let bases = start(&[]).await;
    for path in ["/ws-fapi/v1", "/public/ws"] {
        let mut socket = upgraded(bases.usdm, path).await;
        let mut frame = vec![0x81, 0xff];
        frame.extend_from_slice(&(8u64 << 20).to_be_bytes());
        frame.extend_from_slice(&[0; 4]);
        socket.write_all(&frame).await.expect("written");
        rest_of(&mut socket).await;
    }
    is_alive(bases.usdm).await;
}

#[tokio::test]
async fn garbage_frames_are_answered_and_the_connection_goes_on() {
    let bases = start(&[]).await;
    let mut socket = open(bases.usdm, "/ws-fapi/v1").await;
    let deep = "[".repeat(100_000);
    for text in ["", "null", "[]", "{}", r#"{"id":1}"#, deep.as_str()] {
        socket.send(text).await;
        let answer = socket.next().await;
        assert_eq!(answer["error"]["code"], -1135, "{text:.20}: {answer}");
        assert_eq!(answer["id"], Value::Null);
    }
    socket.send(r#"{"id":"x","method":"ping"}"#).await;
    assert_eq!(socket.next().await["status"], 200);
}

#[tokio::test]
async fn a_binary_frame_is_refused_as_no_request() {
    let bases = start(&[]).await;
    let mut socket = upgraded(bases.spot, "/ws-api/v3").await;
    // FIN and binary; masked with zeros, 3 bytes.
    let frame = [0x82, 0x83, 0, 0, 0, 0, 1, 2, 3];
    socket.write_all(&frame).await.expect("written");
    let mut head = [0; 4];
    let read = timeout(DEADLINE, socket.read_exact(&mut head)).await;
    read.expect("an answer").expect("an open connection");
    assert_eq!(head[0], 0x81);
    let mut body = vec![0; usize::from(u16::from_be_bytes([head[2], head[3]]))];
    socket.read_exact(&mut body).await.expect("a frame");
    let answer: Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(answer["error"]["code"], -1135);
}

#[tokio::test]
async fn who_comes_when_all_places_are_taken_gets_503_until_one_is_free() {
    let options = Options::try_parse_from(["simulated-exchange", "--listen", "127.0.0.1:0"]);
    let options = options.expect("arguments");
    let addresses = options.addresses().expect("port 0");
    let ports = Ports::open(addresses).await.expect("free ports");
    let ports = ports.with_connections_max(2);
    let usdm = ports.addresses().expect("bound")[0];
    let shared = Shared::new(assembly::build(&options).expect("a market"));
    tokio::spawn(ports.serve(shared, None));
    // An upgraded connection keeps its place as well as one that says nothing.
    let _idle = TcpStream::connect(usdm).await.expect("a port");
    let stream = upgraded(usdm, "/public/ws").await;
    let mut third = TcpStream::connect(usdm).await.expect("a port");
    assert!(rest_of(&mut third).await.starts_with("HTTP/1.1 503"));
    drop(stream);
    let begun = tokio::time::Instant::now();
    loop {
        let (status, _) = http(usdm, "GET", "/fapi/v1/ping", "").await;
        if status == 200 {
            break;
        }
        assert_eq!(status, 503);
        assert!(begun.elapsed() < DEADLINE, "no place became free");
    }
}

#[tokio::test]
async fn two_thousand_idle_connections_leave_room_for_a_call() {
    let bases = start(&[]).await;
    let mut idle = Vec::new();
    for number in 0..2_000 {
        let socket = TcpStream::connect(bases.usdm).await;
        idle.push(socket.unwrap_or_else(|error| panic!("connection {number}: {error}")));
    }
    is_alive(bases.usdm).await;
}

#[tokio::test]
async fn a_name_that_is_too_long_is_acknowledged_and_not_kept() {
    let bases = start(&[]).await;
    let mut socket = open(bases.usdm, "/public/ws").await;
    let long = "a".repeat(10_000);
    let request = format!(r#"{{"method":"SUBSCRIBE","params":["{long}"],"id":1}}"#);
    socket.send(&request).await;
    assert_eq!(socket.next().await["result"], Value::Null);
    socket
        .send(r#"{"method":"LIST_SUBSCRIPTIONS","id":2}"#)
        .await;
    assert_eq!(socket.next().await["result"], serde_json::json!([]));
}

#[tokio::test]
async fn a_close_is_answered_with_a_close() {
    let bases = start(&[]).await;
    for path in ["/ws-fapi/v1", "/private/ws"] {
        let mut socket = upgraded(bases.usdm, path).await;
        // FIN and close, masked with zeros, code 1000.
        let close = [0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8];
        socket.write_all(&close).await.expect("written");
        let mut bytes = Vec::new();
        let read = timeout(DEADLINE, socket.read_to_end(&mut bytes)).await;
        read.expect("an end").expect("no reset");
        assert_eq!(bytes, [0x88, 0x02, 0x03, 0xe8], "{path}");
    }
}

//! Hot sockets against the servers of tungstenite and rustls, over real sockets.
//!
//! In: loopback connections. Out: nothing. Never: a look inside of a socket.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod hot_socket_server;

use hot_socket_server::{Certificates, dial, end, plain_dialer, serve, text};
use hotpath::hot_socket::SocketEnd;
use std::io::{Read, Write};
use tokio_tungstenite::tungstenite::{self, Message};

/// Sends every text back until the other end closes.
fn echo<S: Read + Write>(stream: S) -> Option<u16> {
    let mut server = tungstenite::accept(stream).unwrap();
    let mut code = None;
    loop {
        match server.read() {
            Ok(Message::Text(text)) => server.send(Message::Text(text)).unwrap(),
            Ok(Message::Close(frame)) => code = frame.map(|frame| frame.code.into()),
            Ok(_) => {}
            Err(_) => return code,
        }
    }
}

fn check_echo(mut socket: hotpath::hot_socket::HotSocket) {
    for length in [0, 1, 125, 126, 4096, 16_384] {
        let sent = "x".repeat(length);
        socket.send_text(sent.as_bytes()).unwrap();
        while !socket.flush().unwrap() {}
        assert_eq!(text(&mut socket), sent);
    }
    socket.close();
    assert_eq!(end(&mut socket), SocketEnd::ClosedByUs);
}

#[test]
fn texts_come_back_over_ws() {
    let (port, server) = serve(echo);
    let url = format!("ws://127.0.0.1:{port}/stream?streams=a");
    check_echo(dial(&plain_dialer(), &url).unwrap());
    assert_eq!(server.join().unwrap(), Some(1000));
}

#[test]
fn texts_come_back_over_wss_in_both_versions() {
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let certificates = Certificates::new(&["localhost", "127.0.0.1"], &[version]);
        let dialer = certificates.dialer();
        let (port, server) = serve(move |tcp| echo(certificates.accept(tcp)));
        check_echo(dial(&dialer, &format!("wss://127.0.0.1:{port}")).unwrap());
        assert_eq!(server.join().unwrap(), Some(1000));
    }
}

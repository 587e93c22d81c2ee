//! What TLS can do to a hot socket, and what keeps one from being dialed.
//!
//! In: servers that behave badly. Out: the reason that the operator reads. Never: a wait past the
//! deadline.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod hot_socket_server;

use hot_socket_server::{Certificates, dial, end, plain_dialer, serve, text, upgrade};
use hotpath::gateway::socket::Dialer;
use hotpath::hot_socket::{DialError, Encryption, HotDialer, HotOptions, SocketEnd, TlsFault};
use std::io::Write;
use std::net::TcpListener;
use std::time::{Duration, Instant};
use tokio_tungstenite::tungstenite::{self, Message};
use websocket::Violation;

#[test]
fn keys_are_updated_from_either_side() {
    let certificates = Certificates::localhost();
    let dialer = certificates.dialer();
    let (port, server) = serve(move |tcp| {
        let mut server = tungstenite::accept(certificates.accept(tcp)).unwrap();
        let mut echoed = 0;
        while let Ok(Message::Text(text)) = server.read() {
            // Asks for new keys of the client as well.
            server.get_mut().conn.refresh_traffic_keys().unwrap();
            server.send(Message::Text(text)).unwrap();
            echoed += 1;
        }
        echoed
    });
    let mut socket = dial(&dialer, &format!("wss://localhost:{port}")).unwrap();
    for number in 0..200 {
        let sent = format!("order {number}");
        socket.send_text(sent.as_bytes()).unwrap();
        assert_eq!(text(&mut socket), sent);
    }
    socket.close();
    assert_eq!(server.join().unwrap(), 200);
}

#[test]
fn the_kernel_is_asked_for_its_tls_and_rustls_goes_on_where_it_has_none() {
    let certificates = Certificates::localhost();
    let dialer = certificates.dialer_with(HotOptions {
        kernel_tls: true,
        ..HotOptions::default()
    });
    let (port, server) = serve(move |tcp| {
        let mut server = tungstenite::accept(certificates.accept(tcp)).unwrap();
        let asked = server.read().unwrap();
        server.send(asked).unwrap();
        matches!(server.read(), Ok(Message::Close(_)))
    });
    let mut socket = dial(&dialer, &format!("wss://localhost:{port}")).unwrap();
    match socket.encryption() {
        // Where the machine has it, this is the test of it.
        Encryption::Kernel => println!("the kernel makes the records"),
        Encryption::Rustls { kernel_refused } => {
            let reason = kernel_refused.as_ref().unwrap();
            assert!(reason.starts_with("the kernel has no TLS"), "{reason}");
        }
        Encryption::None => panic!("wss without encryption"),
    }
    socket.send_text(b"either way").unwrap();
    assert_eq!(text(&mut socket), "either way");
    socket.close();
    assert!(server.join().unwrap());
}

#[test]
fn the_end_of_tls_is_told_from_the_end_of_the_stream() {
    for (notify, expected) in [
        (true, SocketEnd::TlsClosed),
        (false, SocketEnd::EndOfStream),
    ] {
        let certificates = Certificates::localhost();
        let dialer = certificates.dialer();
        let (port, server) = serve(move |tcp| {
            let mut server = tungstenite::accept(certificates.accept(tcp)).unwrap();
            // The dialing is over when the client speaks.
            server.read().unwrap();
            server.send(Message::Text("last".into())).unwrap();
            if notify {
                let stream = server.get_mut();
                stream.conn.send_close_notify();
                stream.conn.complete_io(&mut stream.sock).unwrap();
            }
        });
        let mut socket = dial(&dialer, &format!("wss://localhost:{port}")).unwrap();
        socket.send_text(b"dialed").unwrap();
        assert_eq!(text(&mut socket), "last");
        assert_eq!(end(&mut socket), expected);
        server.join().unwrap();
    }
}

#[test]
fn bytes_that_are_no_record_of_this_session_end_it_with_their_class() {
    let forged = [[0x17, 3, 3, 0, 32].as_slice(), &[7; 32]].concat();
    let cases = [
        (forged, TlsFault::Decrypt),
        (b"GET / HTTP/1.1\r\n".to_vec(), TlsFault::Malformed),
        (vec![0x17, 3, 3, 0xFF, 0xFF], TlsFault::Malformed),
    ];
    for (bytes, fault) in cases {
        let certificates = Certificates::localhost();
        let dialer = certificates.dialer();
        let (port, server) = serve(move |tcp| {
            let mut server = tungstenite::accept(certificates.accept(tcp)).unwrap();
            // The dialing is over when the client speaks.
            server.read().unwrap();
            server.send(Message::Text("last".into())).unwrap();
            server.get_mut().sock.write_all(&bytes).unwrap();
            server.read().unwrap_err().to_string()
        });
        let mut socket = dial(&dialer, &format!("wss://localhost:{port}")).unwrap();
        socket.send_text(b"dialed").unwrap();
        assert_eq!(text(&mut socket), "last");
        assert_eq!(end(&mut socket), SocketEnd::Tls(fault));
        drop(socket);
        let told = server.join().unwrap();
        assert!(told.contains("alert"), "the alert was not sent: {told}");
    }
}

#[test]
fn a_broken_rule_of_framing_ahead_of_a_broken_record_is_what_is_said() {
    let certificates = Certificates::localhost();
    let dialer = certificates.dialer();
    let (port, server) = serve(move |tcp| {
        let mut server = tungstenite::accept(certificates.accept(tcp)).unwrap();
        server.read().unwrap();
        let stream = server.get_mut();
        let mut bytes = Vec::new();
        stream.conn.writer().write_all(&[0xC1, 0]).unwrap();
        stream.conn.write_tls(&mut bytes).unwrap();
        bytes.extend_from_slice(&[0x17, 3, 3, 0, 32]);
        bytes.extend_from_slice(&[7; 32]);
        stream.sock.write_all(&bytes).unwrap();
        let _ = server.read();
    });
    let mut socket = dial(&dialer, &format!("wss://localhost:{port}")).unwrap();
    socket.send_text(b"dialed").unwrap();
    let expected = SocketEnd::Framing(Violation::ReservedBits);
    assert_eq!(end(&mut socket), expected);
    assert_eq!(socket.flush(), Err(expected));
    drop(socket);
    server.join().unwrap();
}

#[test]
fn a_certificate_that_proves_nothing_is_refused() {
    let ours = Certificates::localhost();
    let strangers = Certificates::localhost();
    let other_name = Certificates::new(&["elsewhere.example"], &[&rustls::version::TLS13]);
    let cases = [
        (ours.dialer(), strangers, "invalid peer certificate"),
        (other_name.dialer(), other_name, "not valid for name"),
    ];
    for (dialer, certificates, reason) in cases {
        let (port, server) = serve(move |tcp| {
            let mut tls = certificates.accept(tcp);
            tls.conn.complete_io(&mut tls.sock).unwrap_err().to_string()
        });
        let error = dial(&dialer, &format!("wss://localhost:{port}"))
            .err()
            .unwrap();
        let said = error.to_string();
        assert!(matches!(error, DialError::Tls { .. }), "{said}");
        assert!(
            said.contains("localhost") && said.contains(reason),
            "{said}"
        );
        let told = server.join().unwrap();
        assert!(told.contains("alert"), "the alert was not sent: {told}");
    }
}

#[test]
fn a_name_that_does_not_resolve_is_named() {
    let error = dial(&plain_dialer(), "ws://nobody.invalid/").err().unwrap();
    let said = error.to_string();
    assert!(matches!(error, DialError::Resolve { .. }), "{said}");
    assert!(said.contains("nobody.invalid"), "{said}");
}

#[test]
fn a_host_that_says_nothing_is_given_up_at_the_deadline() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let certificates = Certificates::localhost();
    for (dialer, url) in [
        (plain_dialer(), format!("ws://127.0.0.1:{port}")),
        (certificates.dialer(), format!("wss://localhost:{port}")),
    ] {
        let begun = Instant::now();
        let error = dialer
            .dial(&url, begun + Duration::from_millis(150))
            .err()
            .unwrap();
        assert!(matches!(error, DialError::TimedOut { .. }), "{error}");
        assert!(begun.elapsed() >= Duration::from_millis(150));
        assert!(begun.elapsed() < Duration::from_secs(5));
    }
}

#[test]
fn a_refused_upgrade_shows_what_was_said() {
    let (port, server) = serve(|mut tcp| {
        upgrade(&mut tcp, &[]);
        tcp.write_all(b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 6\r\n\r\nbanned")
            .unwrap();
    });
    let error = dial(&plain_dialer(), &format!("ws://127.0.0.1:{port}"))
        .err()
        .unwrap();
    let said = error.to_string();
    assert!(said.contains("429 Too Many Requests: banned"), "{said}");
    server.join().unwrap();
}

#[test]
fn what_cannot_be_dialed_is_said_without_a_socket() {
    let cases = [
        ("http://localhost", "not a ws or wss URL"),
        ("ws:///path", "not a ws or wss URL"),
        ("wss://localhost:1", "no certificate authorities"),
        ("ws://127.0.0.1:1", "127.0.0.1: Connection refused"),
    ];
    let dialer = HotDialer::new(&Dialer::new(None, &[]).unwrap(), HotOptions::default());
    for (url, reason) in cases {
        let said = dial(&dialer, url).err().unwrap().to_string();
        assert!(said.contains(reason), "{url}: {said}");
    }
}

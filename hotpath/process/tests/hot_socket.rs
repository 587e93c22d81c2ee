//! Hot sockets against the servers of tungstenite and rustls, over real sockets.
//!
//! In: loopback connections. Out: nothing. Never: a look inside of a socket.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod hot_socket_server;

use hot_socket_server::{
    Certificates, PATIENCE, Stream, both, dial, end, plain_dialer, serve, text, until, upgrade,
};
use hotpath::clock;
use hotpath::hot_socket::{HotSocket, Message, Received, SocketEnd};
use std::io::{Read, Write};
use std::time::Instant;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{self, Message as Theirs};

/// Sends every text back until the other end closes.
fn echo<S: Read + Write>(stream: S) -> Option<u16> {
    let mut server = tungstenite::accept(stream).unwrap();
    let mut code = None;
    loop {
        match server.read() {
            Ok(Theirs::Text(text)) => server.send(Theirs::Text(text)).unwrap(),
            Ok(Theirs::Close(frame)) => code = frame.map(|frame| frame.code.into()),
            Ok(_) => {}
            Err(_) => return code,
        }
    }
}

fn check_echo(mut socket: HotSocket) {
    for length in [0, 1, 125, 126, 4096, 16_384] {
        let sent = "x".repeat(length);
        socket.send_text(sent.as_bytes()).unwrap();
        while !socket.flush().unwrap() {}
        assert_eq!(text(&mut socket), sent);
    }
    let long = socket.send_text(&[b'x'; 16_385]);
    assert_eq!(long, Err(SocketEnd::TooLongToSend(16_385)));
    socket.close();
    assert_eq!(end(&mut socket), SocketEnd::ClosedByUs);
    assert_eq!(socket.send_text(b"late"), Err(SocketEnd::ClosedByUs));
}

#[test]
fn texts_come_back_until_we_close() {
    assert_eq!(both(echo, check_echo), Some(1000));
}

#[test]
fn texts_come_back_in_tls_1_2() {
    let certificates = Certificates::new(&["localhost", "127.0.0.1"], &[&rustls::version::TLS12]);
    let dialer = certificates.dialer();
    let (port, server) = serve(move |tcp| echo(certificates.accept(tcp)));
    check_echo(dial(&dialer, &format!("wss://127.0.0.1:{port}")).unwrap());
    assert_eq!(server.join().unwrap(), Some(1000));
}

#[test]
fn one_byte_at_a_time_makes_the_same_messages() {
    fn server(mut stream: Box<dyn Stream>) {
        let answer = upgrade(
            &mut stream,
            b"\x81\x03one\x01\x01t\x89\x01p\x80\x02wo\x88\x02\x03\xE9",
        );
        for byte in answer {
            stream.write_all(&[byte]).unwrap();
            stream.flush().unwrap();
        }
        // Until the client has said goodbye as well.
        let _ = stream.read_to_end(&mut Vec::new());
    }
    both(server, |mut socket| {
        assert_eq!(text(&mut socket), "one");
        assert_eq!(text(&mut socket), "two");
        assert_eq!(end(&mut socket), SocketEnd::Closed(1001));
        assert_eq!(socket.receive(), Err(SocketEnd::Closed(1001)));
    });
}

#[test]
fn what_comes_with_the_answer_to_the_upgrade_is_the_first_of_the_stream() {
    fn server(mut stream: Box<dyn Stream>) {
        let answer = upgrade(&mut stream, b"\x81\x05first\x81\x06sec");
        stream.write_all(&answer).unwrap();
        stream.flush().unwrap();
        stream.write_all(b"ond").unwrap();
        stream.flush().unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    }
    both(server, |mut socket| {
        assert_eq!(text(&mut socket), "first");
        assert_eq!(text(&mut socket), "second");
        socket.close();
    });
}

#[test]
fn pings_are_answered_and_shown() {
    fn server(stream: Box<dyn Stream>) -> Vec<Theirs> {
        let mut server = tungstenite::accept(stream).unwrap();
        server.send(Theirs::Ping(vec![7; 125].into())).unwrap();
        server.send(Theirs::Text("after".into())).unwrap();
        vec![server.read().unwrap(), server.read().unwrap()]
    }
    let seen = both(server, |mut socket| {
        let ping = until(&mut socket, |message| match message.unwrap() {
            Message::Ping(payload) => Some(payload.to_vec()),
            other => panic!("{other:?}"),
        });
        assert_eq!(ping, [7; 125]);
        assert_eq!(text(&mut socket), "after");
        socket.close();
    });
    assert_eq!(seen[0], Theirs::Pong(vec![7; 125].into()));
    assert!(matches!(seen[1], Theirs::Close(_)), "{:?}", seen[1]);
}

#[test]
fn a_ping_of_ours_is_answered_behind_what_was_sent_before() {
    fn server(stream: Box<dyn Stream>) -> Vec<Theirs> {
        let mut server = tungstenite::accept(stream).unwrap();
        // Its library puts the pong behind the ping and sends it with the next read.
        vec![
            server.read().unwrap(),
            server.read().unwrap(),
            server.read().unwrap(),
        ]
    }
    let seen = both(server, |mut socket| {
        socket.send_text(b"order").unwrap();
        socket.send_ping().unwrap();
        let pong = until(&mut socket, |message| match message.unwrap() {
            Message::Pong(payload) => Some(payload.len()),
            other => panic!("{other:?}"),
        });
        assert_eq!(pong, 0);
        socket.close();
        assert_eq!(socket.send_ping(), Err(SocketEnd::ClosedByUs));
    });
    assert_eq!(seen[0], Theirs::Text("order".into()));
    assert_eq!(seen[1], Theirs::Ping(Vec::new().into()));
}

#[test]
fn a_flood_of_pings_to_which_nobody_listens_neither_ends_nor_fills_the_socket() {
    const PINGS: u32 = 100_000;
    fn server(stream: Box<dyn Stream>) -> u32 {
        let mut server = tungstenite::accept(stream).unwrap();
        for number in 1..=PINGS {
            let payload = number.to_be_bytes().repeat(25);
            let frame = tungstenite::protocol::frame::Frame::ping(payload);
            server.write(Theirs::Frame(frame)).unwrap();
        }
        server.send(Theirs::Text("enough".into())).unwrap();
        // Pongs between may be missing, the last may not (RFC 6455, 5.5.3).
        loop {
            if let Theirs::Pong(payload) = server.read().unwrap() {
                let number = u32::from_be_bytes(*payload.first_chunk().unwrap());
                if number == PINGS {
                    return number;
                }
            }
        }
    }
    let last = both(server, |mut socket| {
        assert_eq!(text(&mut socket), "enough");
        while !socket.flush().unwrap() {}
        assert!(!socket.has_unsent());
        end(&mut socket);
    });
    assert_eq!(last, PINGS);
}

#[test]
fn a_close_of_the_other_end_is_answered_with_its_code() {
    fn server(stream: Box<dyn Stream>) -> bool {
        let mut server = tungstenite::accept(stream).unwrap();
        server.send(Theirs::Text("before".into())).unwrap();
        let close = CloseFrame {
            code: 1001.into(),
            reason: "going away".into(),
        };
        server.close(Some(close.clone())).unwrap();
        let answer = server.read();
        matches!(answer, Ok(Theirs::Close(Some(frame))) if u16::from(frame.code) == 1001)
    }
    assert!(both(server, |mut socket| {
        assert_eq!(text(&mut socket), "before");
        assert_eq!(end(&mut socket), SocketEnd::Closed(1001));
    }));
}

#[test]
fn messages_ahead_of_the_end_are_taken_first() {
    fn server(stream: Box<dyn Stream>) {
        let mut server = tungstenite::accept(stream).unwrap();
        for number in 0..1_000 {
            server
                .write(Theirs::Text(format!("{number}").into()))
                .unwrap();
        }
        server.flush().unwrap();
    }
    both(server, |mut socket| {
        // One message a receive, so that the end is known long before the last message.
        let deadline = Instant::now() + PATIENCE;
        let mut next = 0;
        let end = loop {
            if let Err(end) = socket.receive() {
                break end;
            }
            match socket.next_message() {
                Ok(Some(Message::Text(text))) => {
                    assert_eq!(text, format!("{next}").as_bytes());
                    next += 1;
                }
                Ok(_) => {}
                Err(end) => break end,
            }
            assert!(Instant::now() < deadline);
        };
        assert_eq!((next, end), (1_000, SocketEnd::EndOfStream));
    });
}

#[test]
fn a_reset_is_told_from_an_end() {
    let (port, server) = serve(|tcp| {
        let mut raw = tcp.try_clone().unwrap();
        let _server = tungstenite::accept(tcp).unwrap();
        // What is unread at the close makes the kernel send a reset.
        raw.set_read_timeout(Some(PATIENCE)).unwrap();
        assert_eq!(raw.peek(&mut [0]).unwrap(), 1);
        raw.flush().unwrap();
    });
    let mut socket = dial(&plain_dialer(), &format!("ws://127.0.0.1:{port}")).unwrap();
    socket.send_text(b"unread").unwrap();
    assert_eq!(end(&mut socket), SocketEnd::Reset);
    server.join().unwrap();
}

#[test]
fn half_closed_is_an_end() {
    let (port, server) = serve(|tcp| {
        let raw = tcp.try_clone().unwrap();
        let mut server = tungstenite::accept(tcp).unwrap();
        raw.shutdown(std::net::Shutdown::Write).unwrap();
        // The other direction still works.
        server.read().unwrap()
    });
    let mut socket = dial(&plain_dialer(), &format!("ws://127.0.0.1:{port}")).unwrap();
    socket.send_text(b"still heard").unwrap();
    assert_eq!(end(&mut socket), SocketEnd::EndOfStream);
    assert_eq!(server.join().unwrap(), Theirs::Text("still heard".into()));
}

#[test]
fn a_large_message_comes_whole_and_a_larger_one_ends_the_socket() {
    fn server(stream: Box<dyn Stream>) {
        let mut server = tungstenite::accept(stream).unwrap();
        server
            .send(Theirs::Text("l".repeat(4 << 20).into()))
            .unwrap();
        // The client leaves after the head.
        let _ = server.send(Theirs::Text("l".repeat((4 << 20) + 1).into()));
    }
    both(server, |mut socket| {
        assert_eq!(text(&mut socket).len(), 4 << 20);
        let end = end(&mut socket);
        assert!(
            end.to_string()
                .contains("4194305 bytes is more than is taken"),
            "{end}"
        );
    });
}

#[test]
fn what_the_kernel_does_not_take_is_kept_in_order_up_to_a_bound() {
    fn server(stream: Box<dyn Stream>) -> usize {
        let mut server = tungstenite::accept(stream).unwrap();
        server.send(Theirs::Text("go".into())).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(200));
        let mut next = 0;
        while let Ok(Theirs::Text(text)) = server.read() {
            assert!(text.starts_with(&format!("{next} ")));
            next += 1;
        }
        next
    }
    fn client(mut socket: HotSocket) {
        assert_eq!(text(&mut socket), "go");
        // Far more than the kernel's buffers hold while nobody reads.
        for number in 0..1_000 {
            let sent = format!("{number} {}", "x".repeat(16_000));
            socket.send_text(sent.as_bytes()).unwrap();
            // Two in three go behind what the kernel has taken a part of.
            let deadline = Instant::now() + PATIENCE;
            while number % 3 == 2 && !socket.flush().unwrap() {
                assert!(Instant::now() < deadline);
                std::thread::yield_now();
            }
        }
        while !socket.flush().unwrap() {
            std::thread::yield_now();
        }
        socket.close();
    }
    assert_eq!(both(server, client), 1_000);
}

#[test]
fn a_backlog_that_does_not_fit_ends_the_socket() {
    let (listening, heard) = std::sync::mpsc::channel::<()>();
    let (port, server) = serve(move |tcp| {
        let _server = tungstenite::accept(tcp).unwrap();
        let _ = heard.recv();
    });
    let mut socket = dial(&plain_dialer(), &format!("ws://127.0.0.1:{port}")).unwrap();
    let deadline = Instant::now() + PATIENCE;
    let end = loop {
        if let Err(end) = socket.send_text(&[b'x'; 16_000]) {
            break end;
        }
        assert!(Instant::now() < deadline);
    };
    assert_eq!(end, SocketEnd::SendBacklog);
    assert_eq!(socket.flush(), Err(SocketEnd::SendBacklog));
    drop(listening);
    server.join().unwrap();
}

#[test]
fn arrivals_carry_the_time_of_the_kernel() {
    let (port, server) = serve(echo);
    let mut socket = dial(&plain_dialer(), &format!("ws://127.0.0.1:{port}")).unwrap();
    let before = clock::utc();
    socket.send_text(b"when").unwrap();
    let deadline = Instant::now() + PATIENCE;
    let arrived = loop {
        if let Received::Bytes { count, arrived } = socket.receive().unwrap() {
            assert_eq!(count, 6);
            break arrived.expect("SO_TIMESTAMPNS is set");
        }
        assert!(Instant::now() < deadline);
        std::thread::yield_now();
    };
    let after = clock::utc();
    assert!(
        before < arrived && arrived <= after,
        "{before:?} {arrived:?} {after:?}"
    );
    socket.close();
    server.join().unwrap();
}

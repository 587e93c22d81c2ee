//! The pinned thread's side of a socket, under the guard of the product.
//!
//! In: ten thousand messages each way. Out: counts of what was allocated, ours and rustls' apart.
//! Never: a count of the server's side, which is no guarded thread.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod hot_socket_server;

use hot_socket_server::{Certificates, PATIENCE, dial, plain_dialer, serve};
use hotpath::allocation::{
    GuardedAllocator, abort_on_allocation, guard_this_thread, guarded_counts, release_this_thread,
    tls_counts,
};
use hotpath::hot_socket::{HotSocket, Message};
use std::io::{Read, Write};
use std::time::Instant;
use tokio_tungstenite::tungstenite::{self, Message as Theirs};

#[global_allocator]
static ALLOCATOR: GuardedAllocator = GuardedAllocator;

const MESSAGES: u64 = 10_000;

/// Echoes, with a ping and a fragmented message now and then.
fn server<S: Read + Write>(stream: S) {
    let mut server = tungstenite::accept(stream).unwrap();
    let mut count = 0;
    while let Ok(message) = server.read() {
        if let Theirs::Text(text) = message {
            count += 1;
            if count % 100 == 0 {
                server.send(Theirs::Ping("now".into())).unwrap();
            }
            server.send(Theirs::Text(text)).unwrap();
        }
    }
}

/// Asks and answers under the guard; the records of rustls that came back.
fn run(socket: &mut HotSocket) {
    let text = [b'o'; 300];
    let deadline = Instant::now() + PATIENCE;
    guard_this_thread();
    for _ in 0..MESSAGES {
        socket.send_text(&text).unwrap();
        let mut answered = false;
        while !answered {
            socket.receive().unwrap();
            while let Some(message) = socket.next_message().unwrap() {
                answered |= matches!(message, Message::Text(echoed) if echoed == text);
            }
            std::thread::yield_now();
            assert!(Instant::now() < deadline);
        }
    }
    socket.close();
    release_this_thread();
}

#[test]
fn ten_thousand_messages_allocate_nothing_of_ours() {
    let (port, thread) = serve(server);
    let mut socket = dial(&plain_dialer(), &format!("ws://127.0.0.1:{port}")).unwrap();
    abort_on_allocation();
    run(&mut socket);
    drop(socket);
    thread.join().unwrap();
    assert_eq!((guarded_counts(), tls_counts()), ((0, 0), (0, 0)));

    let certificates = Certificates::localhost();
    let dialer = certificates.dialer();
    let (port, thread) = serve(move |tcp| server(certificates.accept(tcp)));
    let mut socket = dial(&dialer, &format!("wss://localhost:{port}")).unwrap();
    run(&mut socket);
    drop(socket);
    thread.join().unwrap();
    let (allocations, frees) = tls_counts();
    println!("rustls: {allocations} allocations, {frees} frees in {MESSAGES} messages each way");
    assert_eq!(guarded_counts(), (0, 0));
    // One a record each way, and a few for tickets and the close.
    assert!((MESSAGES..=2 * MESSAGES + MESSAGES / 10).contains(&allocations));
}

//! A connection of this process with itself, without an upgrade.
//!
//! In: the largest message. Out: a [`HotSocket`] and the plain stream at its other end; both never
//! block. Never: a way in for anybody else: the listener is gone when this returns.

use super::HotSocket;
use super::kernel_tls::Encryption;
use super::mask::Masks;
use super::outgoing::Outgoing;
use super::receive::stamp_arrivals;
use super::socket::Transport;
use std::io::{Error, ErrorKind, Result};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::AsFd as _;
use websocket::FrameReader;

/// Bytes that one receive can bring, and that can wait to be sent.
const BUFFER_BYTES: usize = 64 << 10;

/// Connects.
///
/// # Errors
/// The system's; `ConnectionRefused` when a stranger was faster than we.
pub fn loopback_pair(message_bytes_max: usize) -> Result<(HotSocket, TcpStream)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let near = TcpStream::connect(listener.local_addr()?)?;
    let (far, from) = listener.accept()?;
    if from != near.local_addr()? {
        return Err(Error::new(
            ErrorKind::ConnectionRefused,
            "somebody else connected to a socket that was to be ours alone",
        ));
    }
    for stream in [&near, &far] {
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
    }
    stamp_arrivals(near.as_fd())?;
    let socket = HotSocket::new(
        near,
        Transport::Plain,
        Encryption::None,
        FrameReader::new(message_bytes_max, BUFFER_BYTES),
        Outgoing::new(BUFFER_BYTES),
        Masks::new(1),
    );
    Ok((socket, far))
}

//! A connected WebSocket of the pinned thread.
//!
//! In: bytes of the kernel; texts to send. Out: messages, where they lie in the socket's own
//! buffer. Never: a wait; an allocation of our own; a system call other than one receive or one
//! send.
//!
//! Pings are answered, and a close frame is returned, before the caller sees them. A socket that
//! has ended says so at every call; it is then given back to the cold side to be dropped, because
//! giving memory back is not the pinned thread's work.

use super::end::SocketEnd;
use super::end::TlsFault;
use super::kernel_tls::{ALERT, APPLICATION_DATA, Encryption};
use super::mask::Masks;
use super::outgoing::{Outgoing, is_busy};
use super::receive::{Arrival, receive};
use super::tls::{INCOMING_BYTES, Progress, TlsSession};
use market::UtcNs;
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use websocket::{
    FrameReader, Message, NO_CLOSE_CODE, Opcode, Violation, frame_bytes, write_close, write_frame,
};

/// Longest text that is sent: an order has some hundred bytes.
const TEXT_BYTES_MAX: usize = 16 << 10;

/// Close codes (RFC 6455, 7.4.1).
const NORMAL: u16 = 1000;
const PROTOCOL_ERROR: u16 = 1002;
const TOO_BIG: u16 = 1009;

/// What a receive brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// Nothing was there.
    Nothing,
    /// Bytes, of which messages may have become whole; none where the socket has ended and
    /// messages, or the word of its end, are still to be taken.
    Bytes {
        /// As the kernel counts them, that is, encrypted where the connection is.
        count: usize,
        /// The kernel's time of the last segment among them.
        arrived: Option<UtcNs>,
    },
}

/// How bytes become plaintext.
pub(super) enum Transport {
    /// They are, or the kernel makes them so.
    Plain,
    /// By TLS.
    Tls(Box<TlsSession>),
}

/// A connected WebSocket; made by [`super::HotDialer`].
pub struct HotSocket {
    stream: TcpStream,
    transport: Transport,
    encryption: Encryption,
    reader: FrameReader,
    outgoing: Outgoing,
    frame: Box<[u8]>,
    masks: Masks,
    /// The answer to the last ping that could not be answered at once.
    pong: Option<Pong>,
    /// No whole message waits in the reader.
    drained: bool,
    end: Option<SocketEnd>,
}

#[derive(Clone, Copy)]
struct Pong {
    payload: [u8; 125],
    bytes: usize,
}

impl HotSocket {
    pub(super) fn new(
        stream: TcpStream,
        transport: Transport,
        encryption: Encryption,
        reader: FrameReader,
        outgoing: Outgoing,
        masks: Masks,
    ) -> Self {
        Self {
            stream,
            transport,
            encryption,
            reader,
            outgoing,
            frame: vec![0; frame_bytes(TEXT_BYTES_MAX)].into_boxed_slice(),
            masks,
            pong: None,
            drained: false,
            end: None,
        }
    }

    /// Who makes the records.
    #[must_use]
    pub const fn encryption(&self) -> &Encryption {
        &self.encryption
    }

    /// Asks the kernel once, without waiting, and decrypts every record that is whole.
    ///
    /// Take the messages until there are none before the next call: a receive takes no more than
    /// there is room for, and with nothing taken there is none left.
    ///
    /// # Errors
    /// [`SocketEnd`], but not before every message that came in ahead of it has been taken:
    /// [`HotSocket::next_message`] says it then.
    #[inline]
    pub fn receive(&mut self) -> Result<Received, SocketEnd> {
        self.receive_and(|| {})
    }

    /// The same; `stamp` is called when the kernel has handed bytes over, before anything is done
    /// with them.
    ///
    /// # Errors
    /// [`SocketEnd`].
    #[inline]
    pub fn receive_and(&mut self, stamp: impl FnOnce()) -> Result<Received, SocketEnd> {
        if let Some(end) = self.end {
            return self.after_messages(end);
        }
        let (stream, reader) = (&self.stream, &mut self.reader);
        let result = match &mut self.transport {
            Transport::Plain => receive_plain(stream, reader, stamp),
            Transport::Tls(session) => {
                receive_tls(stream, session, reader, &mut self.outgoing, stamp)
            }
        };
        match result {
            Ok((received, end)) => {
                if received != Received::Nothing {
                    self.drained = false;
                }
                self.end = end;
                Ok(received)
            }
            Err(end) => {
                self.end = Some(end);
                // Records ahead of the fault may have been read.
                self.drained = false;
                // What TLS has to say about it, if anything.
                let _ = self.outgoing.send(&self.stream);
                self.after_messages(end)
            }
        }
    }

    fn after_messages(&self, end: SocketEnd) -> Result<Received, SocketEnd> {
        if self.drained {
            return Err(end);
        }
        Ok(Received::Bytes {
            count: 0,
            arrived: None,
        })
    }

    /// The next message that is whole. A ping has been answered when it is handed out, a close
    /// frame never is: it is the end.
    ///
    /// # Errors
    /// [`SocketEnd`].
    #[inline]
    pub fn next_message(&mut self) -> Result<Option<Message<'_>>, SocketEnd> {
        let span = match self.reader.advance() {
            Ok(Some(span)) => span,
            Ok(None) => {
                self.drained = true;
                return self.end.map_or(Ok(None), Err);
            }
            Err(violation) => return Err(self.refuse(violation)),
        };
        match span.opcode() {
            Opcode::Ping => {
                if let Message::Ping(payload) = self.reader.view(span) {
                    self.pong = Some(Pong::to(payload));
                }
                // Trouble with it is said once the messages behind the ping have been taken.
                let _ = self.flush();
            }
            Opcode::Close => {
                let mut code = None;
                if let Message::Close { code: theirs, .. } = self.reader.view(span) {
                    code = theirs;
                }
                self.shut_down(code.unwrap_or(NORMAL));
                let end = SocketEnd::Closed(code.unwrap_or(NO_CLOSE_CODE));
                self.drained = true;
                self.end = Some(end);
                return Err(end);
            }
            _ => {}
        }
        Ok(Some(self.reader.view(span)))
    }

    /// Frames, masks, encrypts and offers a text to the kernel, once. What the kernel does not
    /// take is kept for [`HotSocket::flush`].
    ///
    /// # Errors
    /// [`SocketEnd`]: then it is unknown how much of it has left. [`SocketEnd::TooLongToSend`]
    /// alone leaves the socket as it was.
    #[inline]
    pub fn send_text(&mut self, text: &[u8]) -> Result<(), SocketEnd> {
        if let Some(end) = self.end {
            return Err(end);
        }
        if text.len() > TEXT_BYTES_MAX {
            return Err(SocketEnd::TooLongToSend(text.len()));
        }
        self.write(Opcode::Text, text)?;
        self.offer().map(|_| ())
    }

    /// Sends an empty ping, unless something is waiting: that asks the other end as well.
    ///
    /// # Errors
    /// [`SocketEnd`].
    pub fn send_ping(&mut self) -> Result<(), SocketEnd> {
        if !self.flush()? {
            return Ok(());
        }
        self.write(Opcode::Ping, &[])?;
        self.offer().map(|_| ())
    }

    /// Offers what is waiting to the kernel, once. True when nothing is left.
    ///
    /// # Errors
    /// [`SocketEnd`].
    #[inline]
    pub fn flush(&mut self) -> Result<bool, SocketEnd> {
        if let Some(end) = self.end {
            return Err(end);
        }
        if !self.outgoing.is_empty() && !self.offer()? {
            return Ok(false);
        }
        let Some(pong) = self.pong.take() else {
            return Ok(true);
        };
        self.write(Opcode::Pong, &pong.payload[..pong.bytes])?;
        self.offer()
    }

    /// True while something is waiting for [`HotSocket::flush`].
    #[must_use]
    pub const fn has_unsent(&self) -> bool {
        !self.outgoing.is_empty() || self.pong.is_some()
    }

    /// Says goodbye, as far as the kernel takes it at once. The socket is over after that.
    pub fn close(&mut self) {
        if self.end.is_none() {
            self.shut_down(NORMAL);
            self.end = Some(SocketEnd::ClosedByUs);
        }
    }

    /// Puts one frame behind what is waiting.
    #[inline]
    fn write(&mut self, opcode: Opcode, payload: &[u8]) -> Result<(), SocketEnd> {
        let mask = self.masks.next();
        let result = match &mut self.transport {
            Transport::Plain => write_frame(opcode, payload, mask, self.outgoing.spare())
                .map(|count| self.outgoing.commit(count))
                .map_err(|_| SocketEnd::SendBacklog),
            Transport::Tls(session) => {
                let count = write_frame(opcode, payload, mask, &mut self.frame)
                    .map_err(|_| SocketEnd::TooLongToSend(payload.len()))?;
                let (reader, drained) = (&mut self.reader, &mut self.drained);
                session.encrypt(&self.frame[..count], &mut self.outgoing, |plaintext| {
                    *drained = false;
                    Ok(reader.push(plaintext)?)
                })
            }
        };
        result.map_err(|end| self.over(end))
    }

    #[inline]
    fn offer(&mut self) -> Result<bool, SocketEnd> {
        match self.outgoing.send(&self.stream) {
            Ok(empty) => Ok(empty),
            Err(end) => Err(self.over(end)),
        }
    }

    /// The first end stays.
    fn over(&mut self, end: SocketEnd) -> SocketEnd {
        *self.end.get_or_insert(end)
    }

    #[cold]
    fn refuse(&mut self, violation: Violation) -> SocketEnd {
        self.shut_down(match violation {
            Violation::MessageTooLong { .. } | Violation::BufferFull => TOO_BIG,
            _ => PROTOCOL_ERROR,
        });
        self.drained = true;
        self.end = Some(SocketEnd::Framing(violation));
        SocketEnd::Framing(violation)
    }

    /// A close frame and the end of TLS, if the kernel takes them; it is over either way.
    #[cold]
    fn shut_down(&mut self, code: u16) {
        let mask = self.masks.next();
        let Ok(count) = write_close(code, "", mask, &mut self.frame) else {
            return;
        };
        let frame = &self.frame[..count];
        let outgoing = &mut self.outgoing;
        match &mut self.transport {
            Transport::Plain => {
                if let Some(place) = outgoing.spare().get_mut(..count) {
                    place.copy_from_slice(frame);
                    outgoing.commit(count);
                }
            }
            Transport::Tls(session) => {
                let _ = session.encrypt(frame, outgoing, |_| Ok(()));
                let _ = session.close(outgoing);
            }
        }
        let _ = outgoing.send(&self.stream);
    }
}

impl AsFd for HotSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

impl Pong {
    fn to(ping: &[u8]) -> Self {
        let mut payload = [0; 125];
        // The reader takes no control frame of more than 125 bytes.
        payload[..ping.len()].copy_from_slice(ping);
        Self {
            payload,
            bytes: ping.len(),
        }
    }
}

/// Bytes, and the end that TLS announced behind them.
type Taken = (Received, Option<SocketEnd>);

#[inline]
fn receive_plain(
    stream: &TcpStream,
    reader: &mut FrameReader,
    stamp: impl FnOnce(),
) -> Result<Taken, SocketEnd> {
    let spare = reader.spare();
    // No more than TLS would take at once, so that one connection never has a turn to itself.
    let limit = spare.len().min(INCOMING_BYTES);
    if limit == 0 {
        return Ok((Received::Nothing, None));
    }
    let received = ask(stream, &mut spare[..limit], stamp)?;
    if let Received::Bytes { count, .. } = received {
        reader.commit(count);
    }
    Ok((received, None))
}

#[inline]
fn receive_tls(
    stream: &TcpStream,
    session: &mut TlsSession,
    reader: &mut FrameReader,
    outgoing: &mut Outgoing,
    stamp: impl FnOnce(),
) -> Result<Taken, SocketEnd> {
    // Plaintext is shorter than its record, so this much always finds its place in the reader.
    let room = reader.room().saturating_sub(session.pending());
    let spare = session.spare();
    if spare.is_empty() {
        return Err(SocketEnd::Tls(TlsFault::Oversized));
    }
    let limit = room.min(spare.len());
    if limit == 0 {
        return Ok((Received::Nothing, None));
    }
    let received = ask(stream, &mut spare[..limit], stamp)?;
    let Received::Bytes { count, .. } = received else {
        return Ok((received, None));
    };
    session.commit(count);
    let waiting = !outgoing.is_empty();
    let progress = session.decrypt(outgoing, |plaintext| Ok(reader.push(plaintext)?))?;
    if !waiting && !outgoing.is_empty() {
        // A key update wants its answer; orders are not kept waiting for it.
        outgoing.send(stream)?;
    }
    let end = (progress == Progress::PeerClosed).then_some(SocketEnd::TlsClosed);
    Ok((received, end))
}

#[inline]
fn ask(stream: &TcpStream, into: &mut [u8], stamp: impl FnOnce()) -> Result<Received, SocketEnd> {
    match receive(stream.as_fd(), into) {
        Ok(Arrival { count: 0, .. }) => Err(SocketEnd::EndOfStream),
        Ok(Arrival {
            record: Some(record),
            ..
        }) if record != APPLICATION_DATA => Err(control_record(record, into)),
        Ok(Arrival { count, arrived, .. }) => {
            stamp();
            Ok(Received::Bytes { count, arrived })
        }
        Err(error) if is_busy(&error) => Ok(Received::Nothing),
        Err(error) => Err(error.into()),
    }
}

/// What a record of the kernel's TLS means that is no application data.
#[cold]
fn control_record(record: u8, content: &[u8]) -> SocketEnd {
    match (record, content) {
        (ALERT, [_, 0, ..]) => SocketEnd::TlsClosed,
        (ALERT, [_, alert, ..]) => SocketEnd::Tls(TlsFault::Alert(*alert)),
        _ => SocketEnd::KernelTlsRecord(record),
    }
}

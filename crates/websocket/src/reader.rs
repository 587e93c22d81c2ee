//! Messages out of a stream of bytes.
//!
//! In: bytes, through [`FrameReader::spare`] and [`FrameReader::commit`] or
//! [`FrameReader::push`]. Out: whole messages, in order, control frames where they stood. Never:
//! a copy of a message that came in one frame; more memory than at the start.
//!
//! ```text
//! buffer   | used up |  joined fragments  | gap |  bytes not taken apart  |   spare   |
//!                    ^joined.start  ^joined.end ^head                     ^tail
//! ```
//!
//! A message in one frame is handed out where it lies. Fragments are moved down to the end of what
//! was joined before; the gap is what their heads, and control frames between them, left behind.

use crate::header::{HEADER_BYTES_MAX, Header, Opcode};
use crate::violation::Violation;

/// Stands for "no code" in a close frame without one (RFC 6455, 7.1.5); never on the wire.
pub const NO_CLOSE_CODE: u16 = 1005;

/// Up to here the buffer is likely to be in the cache; beyond, moving a small rest to the front is
/// cheaper than walking on through cold memory.
const WARM_BYTES: usize = 64 << 10;

/// A rest counts as small below this part of what was used: each byte is then moved less than
/// once in eight.
const SMALL_REST: usize = 8;

/// One message, where it lies in the reader's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// Text; not checked to be UTF-8.
    Text(&'a [u8]),
    /// Bytes.
    Binary(&'a [u8]),
    /// Wants a pong with the same payload.
    Ping(&'a [u8]),
    /// The answer to a ping.
    Pong(&'a [u8]),
    /// The last message.
    Close {
        /// Why, if the server said so.
        code: Option<u16>,
        /// In words.
        reason: &'a str,
    },
}

/// Where a message lies until the next call of [`FrameReader::spare`], [`FrameReader::push`] or
/// [`FrameReader::advance`]: for callers that have to do something with the connection before they
/// look at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    opcode: Opcode,
    start: usize,
    end: usize,
}

impl Span {
    /// What kind of message it is; never a continuation.
    #[must_use]
    pub const fn opcode(&self) -> Opcode {
        self.opcode
    }
}

/// A fragmented message that is not complete.
#[derive(Clone, Copy, Debug)]
struct Joined {
    opcode: Opcode,
    start: usize,
    end: usize,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Open,
    Closed,
    Broken(Violation),
}

/// Takes a stream apart.
#[derive(Debug)]
pub struct FrameReader {
    buffer: Box<[u8]>,
    head: usize,
    tail: usize,
    joined: Option<Joined>,
    message_bytes_max: usize,
    read_bytes: usize,
    state: State,
}

impl FrameReader {
    /// A reader that takes messages of up to `message_bytes_max` bytes. While no whole message
    /// waits to be taken, there is room for `read_bytes` more.
    ///
    /// # Panics
    /// When `read_bytes` is zero.
    #[must_use]
    pub fn new(message_bytes_max: usize, read_bytes: usize) -> Self {
        assert!(read_bytes > 0, "a reader without room would wait for ever");
        let bytes = message_bytes_max + HEADER_BYTES_MAX + read_bytes;
        Self {
            buffer: vec![0; bytes].into_boxed_slice(),
            head: 0,
            tail: 0,
            joined: None,
            message_bytes_max,
            read_bytes,
            state: State::Open,
        }
    }

    /// Bytes that can still be taken in.
    #[must_use]
    pub fn room(&self) -> usize {
        self.buffer.len() - self.pending_bytes()
    }

    /// Where the next bytes go; empty only while whole messages wait to be taken.
    #[inline]
    pub fn spare(&mut self) -> &mut [u8] {
        self.make_room(self.read_bytes.min(self.room()));
        &mut self.buffer[self.tail..]
    }

    /// The first `count` bytes of [`FrameReader::spare`] have been filled.
    ///
    /// # Panics
    /// When that is more than there was.
    #[inline]
    pub fn commit(&mut self, count: usize) {
        assert!(
            count <= self.buffer.len() - self.tail,
            "more bytes than there was space for"
        );
        self.tail += count;
    }

    /// Takes `bytes` in.
    ///
    /// # Errors
    /// [`Violation::BufferFull`] when there is no room for all of them; none are taken then.
    #[inline]
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), Violation> {
        if bytes.len() > self.room() {
            return Err(Violation::BufferFull);
        }
        self.make_room(bytes.len());
        self.buffer[self.tail..self.tail + bytes.len()].copy_from_slice(bytes);
        self.tail += bytes.len();
        Ok(())
    }

    /// The next whole message. After a close frame there is none any more, whatever follows it.
    ///
    /// # Errors
    /// The first [`Violation`] of the stream, again at every later call.
    #[inline]
    pub fn next_message(&mut self) -> Result<Option<Message<'_>>, Violation> {
        Ok(self.advance()?.map(|span| self.view(span)))
    }

    /// As [`FrameReader::next_message`], but says where it lies: see [`FrameReader::view`].
    ///
    /// # Errors
    /// The first [`Violation`] of the stream, again at every later call.
    #[inline]
    pub fn advance(&mut self) -> Result<Option<Span>, Violation> {
        match self.state {
            State::Open => {}
            State::Closed => return Ok(None),
            State::Broken(violation) => return Err(violation),
        }
        let next = self.next_span();
        if let Err(violation) = next {
            self.state = State::Broken(violation);
        }
        next
    }

    /// The message at `span`, which must be the last that [`FrameReader::advance`] gave; of an
    /// older one the bytes may have gone, and what comes back is then meaningless.
    #[must_use]
    #[inline]
    pub fn view(&self, span: Span) -> Message<'_> {
        let payload = &self.buffer[span.start..span.end];
        match span.opcode {
            Opcode::Text => Message::Text(payload),
            Opcode::Ping => Message::Ping(payload),
            Opcode::Pong => Message::Pong(payload),
            Opcode::Close => {
                let (code, reason) = split_close(payload);
                let reason = core::str::from_utf8(reason).unwrap_or_default();
                Message::Close { code, reason }
            }
            Opcode::Binary | Opcode::Continuation => Message::Binary(payload),
        }
    }

    fn next_span(&mut self) -> Result<Option<Span>, Violation> {
        loop {
            let there = &self.buffer[self.head..self.tail];
            let Some(header) = Header::parse(there)? else {
                return Ok(None);
            };
            let payload = self.check(&header)?;
            if there.len() - header.bytes < payload {
                return Ok(None);
            }
            let start = self.head + header.bytes;
            let end = start + payload;
            self.head = end;
            match (header.opcode, header.is_final) {
                (Opcode::Continuation, is_final) => {
                    if let Some(span) = self.join(start, end, is_final) {
                        return Ok(Some(span));
                    }
                }
                (opcode, false) => self.joined = Some(Joined { opcode, start, end }),
                (opcode, true) => {
                    if opcode == Opcode::Close {
                        check_close(&self.buffer[start..end])?;
                        self.state = State::Closed;
                    }
                    return Ok(Some(Span { opcode, start, end }));
                }
            }
        }
    }

    /// Holds a head against the frames before it, and says how long its payload is.
    #[inline]
    fn check(&self, header: &Header) -> Result<usize, Violation> {
        let before = match (header.opcode, &self.joined) {
            (opcode, _) if opcode.is_control() => 0,
            (Opcode::Continuation, None) => return Err(Violation::ContinuationWithoutStart),
            (Opcode::Continuation, Some(joined)) => joined.end - joined.start,
            (_, Some(_)) => return Err(Violation::StartWithinMessage),
            (_, None) => 0,
        };
        let payload = usize::try_from(header.payload).unwrap_or(usize::MAX);
        let bytes = before.saturating_add(payload);
        if !header.opcode.is_control() && bytes > self.message_bytes_max {
            return Err(Violation::MessageTooLong { bytes });
        }
        Ok(payload)
    }

    /// Moves a fragment down to those before it; the message if that was the last.
    fn join(&mut self, start: usize, end: usize, is_final: bool) -> Option<Span> {
        let joined = self.joined.as_mut()?;
        self.buffer.copy_within(start..end, joined.end);
        joined.end += end - start;
        let Joined { opcode, start, end } = *joined;
        if is_final {
            self.joined = None;
        }
        is_final.then_some(Span { opcode, start, end })
    }

    fn pending_bytes(&self) -> usize {
        let joined = self.joined.map_or(0, |joined| joined.end - joined.start);
        joined + self.tail - self.head
    }

    /// Sees to it that `wanted` bytes, no more than [`FrameReader::room`], are free at the end.
    #[inline]
    fn make_room(&mut self, wanted: usize) {
        let pending = self.pending_bytes();
        if pending == 0 {
            self.head = 0;
            self.tail = 0;
            self.joined = self.joined.map(|joined| Joined {
                start: 0,
                end: 0,
                ..joined
            });
            return;
        }
        let full = self.buffer.len() - self.tail < wanted;
        let drifted = self.tail > WARM_BYTES && pending < self.tail / SMALL_REST;
        if full || drifted {
            self.compact();
        }
    }

    /// Moves what is still needed to the front.
    fn compact(&mut self) {
        let mut front = 0;
        if let Some(joined) = &mut self.joined {
            self.buffer.copy_within(joined.start..joined.end, 0);
            front = joined.end - joined.start;
            joined.start = 0;
            joined.end = front;
        }
        self.buffer.copy_within(self.head..self.tail, front);
        self.tail = front + self.tail - self.head;
        self.head = front;
    }
}

fn split_close(payload: &[u8]) -> (Option<u16>, &[u8]) {
    match payload.split_first_chunk() {
        Some((code, reason)) => (Some(u16::from_be_bytes(*code)), reason),
        None => (None, &[]),
    }
}

/// A close frame has no code, or one that may be sent, and a reason in UTF-8 (RFC 6455, 7.4).
fn check_close(payload: &[u8]) -> Result<(), Violation> {
    if payload.len() == 1 {
        return Err(Violation::CloseTooShort);
    }
    let (code, reason) = split_close(payload);
    if let Some(code) = code
        && !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
    {
        return Err(Violation::CloseCode(code));
    }
    match core::str::from_utf8(reason) {
        Ok(_) => Ok(()),
        Err(_) => Err(Violation::CloseReasonNotUtf8),
    }
}

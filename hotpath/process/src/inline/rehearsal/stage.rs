//! The other end of the practice sockets: a market that always calls for an order, and an
//! exchange that finds nobody for it.
//!
//! In: the practice order. Out: a depth frame, a reply. Never: an allocation, a wait.

use super::world::{ASK_TICKS, BID_TICKS, FIRST_UPDATE_ID, LEVELS};
use binance::encode::{Layout, depth_update};
use market::event::DepthHeader;
use market::{DepthUpdate, Instrument, Level, Price, Quantity, UpdateId, UtcMs};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::TcpStream;

/// Longest frame either way.
const FRAME_BYTES_MAX: usize = 8_192;

/// Both far ends.
pub(super) struct Stage {
    instrument: Instrument,
    market: TcpStream,
    orders: TcpStream,
    last_update_id: u64,
    text: Vec<u8>,
    frame: Vec<u8>,
}

impl Stage {
    pub(super) fn new(instrument: Instrument, market: TcpStream, orders: TcpStream) -> Self {
        Self {
            instrument,
            market,
            orders,
            last_update_id: FIRST_UPDATE_ID,
            text: Vec::with_capacity(FRAME_BYTES_MAX),
            frame: Vec::with_capacity(FRAME_BYTES_MAX),
        }
    }

    /// A difference of the book, with much more to buy than to sell.
    pub(super) fn tell_market(&mut self, now: UtcMs) -> io::Result<()> {
        let previous = self.last_update_id;
        self.last_update_id += 1;
        let id = UpdateId(self.last_update_id);
        let header = DepthHeader {
            instrument: self.instrument.id,
            first_update_id: id,
            last_update_id: id,
            previous_update_id: UpdateId(previous),
            event_time: now,
            transaction_time: now,
        };
        // Another quantity each time: what does not change is no work.
        let beat = self.last_update_id.cast_signed() % 7;
        let level = |price: i64, lots: i64| Level {
            price: Price(price),
            quantity: Quantity(lots + beat),
        };
        let step = |index: usize| i64::try_from(index).unwrap_or(0);
        let bids: [Level; LEVELS] =
            std::array::from_fn(|index| level(BID_TICKS - step(LEVELS - 1 - index), 90_000));
        let asks: [Level; LEVELS] =
            std::array::from_fn(|index| level(ASK_TICKS + step(index), 1_000));
        let update = DepthUpdate {
            header,
            bids: &bids,
            asks: &asks,
        };
        self.text.clear();
        self.text
            .extend_from_slice(b"{\"stream\":\"practice@depth\",\"data\":");
        depth_update(&mut self.text, &self.instrument, &update, Layout::Current);
        self.text.push(b'}');
        send(&mut self.market, &self.text, &mut self.frame)
    }

    /// Answers the order that has come; false when none has.
    pub(super) fn answer_order(&mut self) -> io::Result<bool> {
        let mut request = [0; FRAME_BYTES_MAX];
        let length = match self.orders.read(&mut request) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        };
        let text = unmask(&mut request[..length]).ok_or(ErrorKind::InvalidData)?;
        let id = value(text, b"\"id\":\"").ok_or(ErrorKind::InvalidData)?;
        let name = value(text, b"\"newClientOrderId\":\"").ok_or(ErrorKind::InvalidData)?;
        self.text.clear();
        for part in [
            &b"{\"id\":\""[..],
            id,
            b"\",\"status\":200,\"result\":{\"orderId\":1,\"symbol\":\"",
            self.instrument.symbol.as_bytes(),
            b"\",\"status\":\"EXPIRED\",\"clientOrderId\":\"",
            name,
            b"\",\"executedQty\":\"0.000\",\"cumQty\":\"0.000\",\"timeInForce\":\"IOC\",\
              \"type\":\"LIMIT\",\"updateTime\":1},\"rateLimits\":[]}",
        ] {
            self.text.extend_from_slice(part);
        }
        send(&mut self.orders, &self.text, &mut self.frame)?;
        Ok(true)
    }
}

/// Writes a server's frame (RFC 6455, 5.2): a whole text, not masked.
fn send(socket: &mut TcpStream, text: &[u8], frame: &mut Vec<u8>) -> io::Result<()> {
    let length = u16::try_from(text.len()).map_err(|_| ErrorKind::InvalidData)?;
    frame.clear();
    frame.push(0x81);
    match u8::try_from(length) {
        Ok(short) if short < 126 => frame.push(short),
        _ => {
            frame.push(126);
            frame.extend_from_slice(&length.to_be_bytes());
        }
    }
    frame.extend_from_slice(text);
    socket.write_all(frame)
}

/// The text of a client's frame of 126 to 65,535 bytes.
fn unmask(frame: &mut [u8]) -> Option<&[u8]> {
    let (head, rest) = frame.split_at_mut_checked(4)?;
    if head[..2] != [0x81, 0x80 | 126] {
        return None;
    }
    let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
    let (mask, rest) = rest.split_at_mut_checked(4)?;
    let text = rest.get_mut(..length)?;
    for (index, byte) in text.iter_mut().enumerate() {
        *byte ^= mask[index % 4];
    }
    Some(text)
}

/// What stands behind `key`, up to the next quote.
fn value<'a>(text: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    let at = text.windows(key.len()).position(|window| window == key)? + key.len();
    let length = text[at..].iter().position(|byte| *byte == b'"')?;
    Some(&text[at..at + length])
}

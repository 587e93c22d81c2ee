//! The virtual network: what was sent and is not there yet.
//!
//! In: parcels with the time at which they arrive. Out: the next one. Never: two bytes of one
//! direction of one connection in another order than they were sent.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use binance::session::HttpRequest;
use market::Market;

/// Nanoseconds of a millisecond.
pub const MS: u64 = 1_000_000;
/// Nanoseconds of a second.
pub const SECOND: u64 = 1_000 * MS;

/// Number of a connection; never used twice.
pub type ConnectionId = u64;

/// What a connection is for. The numbers are the places of the box.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// The WebSocket API.
    Orders,
    /// The private stream of futures.
    Private,
    /// Books.
    Books,
    /// Trades and mark prices of futures.
    Trades,
}

/// Where a connection of the box goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// Which part of the venue.
    pub market: Market,
    /// What for.
    pub role: Role,
    /// Which of several; 0 where there is one.
    pub number: u8,
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// In good order: end of file.
    Clean,
    /// Reset.
    Reset,
}

/// Whose a REST call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The exchange's time.
    Time,
    /// A book.
    Snapshot,
    /// The account.
    Reconcile,
    /// The listen key.
    Key,
    /// How the account is set up.
    Setup,
    /// What moved the wallet.
    Income,
    /// The sweep of a kill, with the number of its request.
    Sweep(u64),
    /// The exchange's countdown, with the place of its symbol.
    Deadman(usize),
    /// A protective stop, with the number of its request.
    Protect(u64),
    /// A cancel or a query beside the order connection, with the number of its request.
    Order(u64),
}

/// A REST call on its way, or its answer.
#[derive(Clone, Debug)]
pub struct RestCall {
    /// Which part of the venue.
    pub market: Market,
    /// Whose.
    pub owner: Owner,
    /// Number of the call; an answer to an older one comes too late.
    pub number: u64,
    /// Which life of the box asked.
    pub life: u32,
    /// What was asked.
    pub request: HttpRequest,
}

/// An answer that owns its body.
#[derive(Clone, Debug)]
pub struct RestReply {
    /// Status code.
    pub status: u16,
    /// `Retry-After`.
    pub retry_after_s: Option<u32>,
    /// Weight used.
    pub used_weight: Option<u32>,
    /// Body.
    pub body: Vec<u8>,
}

/// What arrives.
#[derive(Clone, Debug)]
pub enum Delivery {
    /// A connection is wanted.
    Dial {
        /// Where.
        place: Place,
        /// Path and query.
        target: String,
        /// Which attempt of the place.
        attempt: u64,
        /// Which life of the box.
        life: u32,
    },
    /// It is open, or refused.
    Dialed {
        /// Where.
        place: Place,
        /// Which attempt.
        attempt: u64,
        /// Which life of the box.
        life: u32,
        /// The connection; none when refused.
        connection: Option<ConnectionId>,
    },
    /// Bytes for the exchange.
    ToVenue(ConnectionId, Vec<u8>),
    /// The box's end is gone.
    VenueSeesEnd(ConnectionId),
    /// Bytes for the box.
    ToBox(ConnectionId, Vec<u8>),
    /// The exchange's end is gone.
    BoxSeesEnd(ConnectionId, Ending),
    /// A call.
    Call(RestCall),
    /// Its answer; none for a time-out or a broken connection.
    Answer(RestCall, Option<RestReply>),
    /// A text that the exchange sends late.
    Late(ConnectionId, Vec<u8>),
}

struct Parcel {
    at: u64,
    number: u64,
    delivery: Delivery,
}

impl Parcel {
    const fn key(&self) -> (u64, u64) {
        (self.at, self.number)
    }
}

impl PartialEq for Parcel {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}
impl Eq for Parcel {}
impl PartialOrd for Parcel {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Parcel {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

/// Everything under way.
#[derive(Default)]
pub struct Network {
    parcels: BinaryHeap<Reverse<Parcel>>,
    number: u64,
}

impl Network {
    /// Sends something that arrives at `at`; of two that arrive together the first sent is first.
    pub fn send(&mut self, at: u64, delivery: Delivery) {
        self.number += 1;
        self.parcels.push(Reverse(Parcel {
            at,
            number: self.number,
            delivery,
        }));
    }

    /// When the next parcel arrives.
    #[must_use]
    pub fn next_at(&self) -> Option<u64> {
        self.parcels.peek().map(|Reverse(parcel)| parcel.at)
    }

    /// The next parcel that has arrived by `now`.
    pub fn take(&mut self, now: u64) -> Option<Delivery> {
        if self.next_at()? > now {
            return None;
        }
        self.parcels.pop().map(|Reverse(parcel)| parcel.delivery)
    }
}

/// One frame of a server: never masked.
pub fn server_frame(opcode: u8, is_final: bool, payload: &[u8], out: &mut Vec<u8>) {
    out.push(if is_final { 0x80 | opcode } else { opcode });
    match payload.len() {
        short @ 0..=125 => out.push(short as u8),
        middle @ 126..=0xFFFF => {
            out.push(126);
            out.extend_from_slice(&(middle as u16).to_be_bytes());
        }
        long => {
            out.push(127);
            out.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
}

/// Takes whole frames of a client out of `inbound`: opcode and unmasked payload.
pub fn client_frame(inbound: &mut Vec<u8>) -> Option<(u8, Vec<u8>)> {
    let [first, second, rest @ ..] = inbound.as_slice() else {
        return None;
    };
    let opcode = first & 0x0F;
    assert!(second & 0x80 != 0, "a client's frame is masked");
    let (length, skipped) = match second & 0x7F {
        126 => (
            usize::from(u16::from_be_bytes(*rest.first_chunk::<2>()?)),
            2,
        ),
        127 => (u64::from_be_bytes(*rest.first_chunk::<8>()?) as usize, 8),
        short => (usize::from(short), 0),
    };
    let mask = *rest.get(skipped..)?.first_chunk::<4>()?;
    let start = 2 + skipped + 4;
    let mut payload = inbound.get(start..start + length)?.to_vec();
    websocket::apply_mask(&mut payload, mask);
    inbound.drain(..start + length);
    Some((opcode, payload))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parcels_arrive_by_time_and_then_in_order_of_sending() {
        let mut network = Network::default();
        for (at, id) in [(5, 1), (3, 2), (5, 3)] {
            network.send(at, Delivery::VenueSeesEnd(id));
        }
        let mut seen = Vec::new();
        while let Some(Delivery::VenueSeesEnd(id)) = network.take(5) {
            seen.push(id);
        }
        assert_eq!(seen, [2, 1, 3]);
    }

    #[test]
    fn what_the_product_writes_is_read_and_what_is_written_the_product_reads() {
        let mut out = vec![0; 400];
        for length in [0, 125, 126, 300] {
            let payload = vec![b'x'; length];
            let opcode = websocket::Opcode::Text;
            let written = websocket::write_frame(opcode, &payload, 0x0102_0304, &mut out);
            let mut inbound = out[..written.unwrap()].to_vec();
            inbound.push(0x81);
            assert_eq!(client_frame(&mut inbound), Some((1, payload.clone())));
            assert_eq!(inbound, [0x81]);
            let mut frame = Vec::new();
            server_frame(1, true, &payload, &mut frame);
            let mut reader = websocket::FrameReader::new(1_000, 1_000);
            reader.push(&frame).unwrap();
            let message = reader.next_message();
            assert_eq!(message, Ok(Some(websocket::Message::Text(&payload))));
        }
    }
}

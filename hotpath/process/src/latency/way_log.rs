//! The ring from a hot thread to the collector.
//!
//! In: ways and acknowledgements. Out: the same on the cold side. Never: a wait; what finds no
//! room is dropped and counted.

use super::way::{WAY_BYTES, Way};
use ipc::{Consumer, Counter, Producer, heap_ring};
use market::{Market, RequestKind};

const KIND_WAY: u16 = 1;
const KIND_ACKNOWLEDGEMENT: u16 = 2;

/// Slots of a ring between two visits of the collector: with one visit in 2 ms, room for two
/// million events a second.
pub const WAY_SLOTS: usize = 4_096;

/// What a hot thread tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// An event, or one order of it.
    Way(Way),
    /// The reply to a request.
    Acknowledgement(Acknowledgement),
}

/// From the write of a request to the read of its reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acknowledgement {
    /// Where.
    pub market: Market,
    /// What was asked.
    pub request: RequestKind,
    /// How long it took.
    pub took_ns: u64,
}

const ACKNOWLEDGEMENT_BYTES: usize = 10;

/// A ring of `slots` ways; `dropped` counts what finds no room.
///
/// # Panics
/// When `slots` is not a power of two.
#[must_use]
pub fn way_log(slots: usize, dropped: Counter) -> (WayLog, WayReader) {
    let (ring, reader) = heap_ring(slots);
    (WayLog { ring, dropped }, WayReader { ring: reader })
}

/// The hot end.
pub struct WayLog {
    ring: Producer,
    dropped: Counter,
}

impl WayLog {
    /// Tells the way of an event.
    #[inline]
    pub fn push(&mut self, way: &Way) {
        if self.ring.try_push(KIND_WAY, &way.to_bytes()).is_err() {
            self.dropped.add(1);
        }
    }

    /// Tells that a request was answered.
    #[inline]
    pub fn acknowledge(&mut self, one: Acknowledgement) {
        let mut bytes = [0; ACKNOWLEDGEMENT_BYTES];
        bytes[..8].copy_from_slice(&one.took_ns.to_le_bytes());
        bytes[8..].copy_from_slice(&[one.market as u8, one.request as u8]);
        if self.ring.try_push(KIND_ACKNOWLEDGEMENT, &bytes).is_err() {
            self.dropped.add(1);
        }
    }
}

/// The cold end.
pub struct WayReader {
    ring: Consumer,
}

impl WayReader {
    /// The oldest that waits; none when nothing does. What cannot be read is passed over.
    ///
    /// # Panics
    /// When the ring of this process is damaged.
    pub fn take(&mut self) -> Option<Told> {
        let mut bytes = [0; WAY_BYTES];
        loop {
            let record = self.ring.pop(&mut bytes).expect("a ring of this process");
            let told = match record? {
                (KIND_WAY, bytes) => Way::from_bytes(bytes).map(Told::Way),
                (_, bytes) => acknowledgement(bytes).map(Told::Acknowledgement),
            };
            if told.is_some() {
                return told;
            }
        }
    }
}

fn acknowledgement(bytes: &[u8]) -> Option<Acknowledgement> {
    let (took, rest) = bytes.split_first_chunk::<8>()?;
    let [market, request] = *rest else {
        return None;
    };
    Some(Acknowledgement {
        market: *Market::ALL.get(usize::from(market))?,
        request: *RequestKind::ALL.get(usize::from(request))?,
        took_ns: u64::from_le_bytes(*took),
    })
}

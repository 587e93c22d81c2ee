//! The ring from a hot thread to the collector.
//!
//! In: ways. Out: the same on the cold side. Never: a wait; what finds no
//! room is dropped and counted.

use super::way::{WAY_BYTES, Way};
use ipc::{Consumer, Counter, Producer, heap_ring};

/// The one kind of record.
const KIND: u16 = 1;

/// Slots of a ring between two visits of the collector: with one visit in 2 ms, room for two
/// million events a second.
pub const WAY_SLOTS: usize = 4_096;

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
        if self.ring.try_push(KIND, &way.to_bytes()).is_err() {
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
    pub fn take(&mut self) -> Option<Way> {
        let mut bytes = [0; WAY_BYTES];
        loop {
            let record = self.ring.pop(&mut bytes).expect("a ring of this process");
            let (_, bytes) = record?;
            let way = Way::from_bytes(bytes);
            if way.is_some() {
                return way;
            }
        }
    }
}

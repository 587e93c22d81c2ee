//! Where the gateways put inputs for the engine.
//!
//! In: events with the time at which their frame was read. Out: records in one ring. Never: a
//! loss of anything but market data and what a kill notes of itself; all else waits for room.

use crate::clock;
use crate::messages::{INPUT_BYTES_MAX, KIND, encode_input};
use engine::Input;
use ipc::{Counter, Producer};
use market::MonoNs;

/// The writing end of a ring into the engine, with its buffer.
pub struct Inbox {
    ring: Producer,
    buffer: Vec<u8>,
    dropped: Option<Counter>,
    /// When the frame that is being taken apart was read.
    pub received: MonoNs,
}

impl Inbox {
    /// An end that counts dropped market data in `dropped`.
    #[must_use]
    pub fn new(ring: Producer, dropped: Option<Counter>) -> Self {
        Self {
            ring,
            buffer: vec![0; INPUT_BYTES_MAX],
            dropped,
            received: MonoNs(0),
        }
    }

    /// Market data: dropped and counted when the engine is a whole ring behind. The gap in the
    /// ids tells the book. Also what a kill says, which waits for nobody.
    pub fn offer(&mut self, input: Input<'_>) {
        let length = self.encode(input);
        if self.ring.try_push(KIND, &self.buffer[..length]).is_err()
            && let Some(dropped) = &self.dropped
        {
            dropped.add(1);
        }
    }

    /// Anything else: waits for room, which the engine makes in microseconds.
    pub fn deliver(&mut self, input: Input<'_>) {
        let length = self.encode(input);
        while self.ring.try_push(KIND, &self.buffer[..length]).is_err() {
            std::thread::yield_now();
        }
    }

    fn encode(&mut self, input: Input<'_>) -> usize {
        let decoded = clock::monotonic();
        encode_input(input, self.received, decoded, &mut self.buffer)
            .expect("decoders and snapshot runs stay within LEVELS_MAX levels")
    }
}

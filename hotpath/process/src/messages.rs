//! What travels in the rings between the engine thread and the gateways.
//!
//! In: inputs and requests with their stamps. Out: their bytes, and back. Never: a request
//! without the seal of risk.
//!
//! An input travels as an encoded [`Event`] whose sequence and time are not known yet: their
//! places carry the stamps of its way, and the engine thread writes the true ones over them. So
//! the same bytes go on into the input log, encoded once.

use crate::latency::way::{Stations, TriggerStream, Way, WayHead};
use engine::event::EVENT_BYTES_MAX;
use engine::{Event, Input, Request};
use market::{CodecError, InstrumentId, MonoNs, Reader, Wire, Writer, wire_struct};

/// The one kind of record in each of these rings.
pub const KIND: u16 = 1;

/// Most bytes of an encoded input.
pub const INPUT_BYTES_MAX: usize = EVENT_BYTES_MAX;

/// Most bytes of an encoded request with its stamps.
pub const REQUEST_BYTES_MAX: usize = 512;

wire_struct! {
    /// Which input it is that steps the engine, and when it passed each station of its way; 0
    /// where it has not been. Times are of CLOCK_MONOTONIC.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Stamps {
        /// Nanoseconds from the kernel's stamp of its last segment to the read; 0 without one.
        pub kernel_age_ns: u32,
        /// The read of its last byte returned.
        pub read: MonoNs,
        /// Its record was decrypted.
        pub decrypted: MonoNs,
        /// Its frame's turn began.
        pub framed: MonoNs,
        /// It was decoded.
        pub parsed: MonoNs,
        /// The engine took it from the ring of another thread.
        pub dequeued: MonoNs,
        /// The time of its step: how old the decision is counts from here.
        pub stepped: MonoNs,
        /// It was in the book.
        pub booked: MonoNs,
        /// The strategies had decided.
        pub decided: MonoNs,
        /// Risk had approved the first order.
        pub approved: MonoNs,
        /// Its place in the input log.
        pub sequence: u64,
        /// Whose event.
        pub instrument: InstrumentId,
        /// Of which stream.
        pub trigger: TriggerStream,
        /// True when it was market data: only then latency is tick to order.
        pub from_market: bool,
        /// The loop was stopped by somebody just before.
        pub stalled: bool,
    }
}

impl Stamps {
    /// The way of the event up to the decision; each order's approval and write are told by its
    /// own.
    #[inline]
    #[must_use]
    pub fn way(&self) -> Way {
        let event = Self {
            approved: MonoNs(0),
            ..*self
        };
        event.way_to(MonoNs(0), false)
    }

    /// The way of one of its orders, whose write returned at `written`.
    #[inline]
    #[must_use]
    pub fn order_way(&self, written: MonoNs) -> Way {
        self.way_to(written, true)
    }

    fn way_to(&self, written: MonoNs, further: bool) -> Way {
        let head = WayHead {
            sequence: self.sequence,
            instrument: self.instrument,
            trigger: self.trigger,
            kernel_age_ns: (self.kernel_age_ns != 0).then_some(self.kernel_age_ns),
            stalled: self.stalled,
            further,
        };
        let stations = Stations {
            read: self.read,
            decrypted: self.decrypted,
            framed: self.framed,
            parsed: self.parsed,
            dequeued: self.dequeued,
            booked: self.booked,
            decided: self.decided,
            approved: self.approved,
            written,
        };
        Way::from_times(head, &stations)
    }
}

/// Encodes an input with its first two stamps.
///
/// # Errors
/// [`CodecError::TooLong`] when the buffer is too small.
pub fn encode_input(
    input: Input<'_>,
    received: MonoNs,
    decoded: MonoNs,
    buffer: &mut [u8],
) -> Result<usize, CodecError> {
    let event = Event {
        sequence: decoded.0,
        time: received,
        input,
    };
    event.to_bytes(buffer)
}

/// Writes the true sequence and time over the stamps.
pub fn number(bytes: &mut [u8], sequence: u64, time: MonoNs) {
    bytes[..8].copy_from_slice(&sequence.to_le_bytes());
    bytes[8..16].copy_from_slice(&time.0.to_le_bytes());
}

/// Encodes a request with its stamps.
///
/// # Errors
/// [`CodecError::TooLong`] when the buffer is too small.
pub fn encode_request(
    stamps: &Stamps,
    request: &Request,
    buffer: &mut [u8],
) -> Result<usize, CodecError> {
    let mut writer = Writer::new(buffer);
    stamps.encode(&mut writer)?;
    request.encode(&mut writer)?;
    Ok(writer.length())
}

/// Decodes a request; an order is checked against its seal.
///
/// # Errors
/// [`CodecError`].
pub fn decode_request(bytes: &[u8]) -> Result<(Stamps, Request), CodecError> {
    let mut reader = Reader::new(bytes);
    let stamps = Stamps::decode(&mut reader)?;
    Ok((stamps, Request::decode(&mut reader)?))
}

/// The instrument that a request is about.
#[must_use]
pub fn instrument_of(request: &Request) -> InstrumentId {
    match request {
        Request::Place(order) => order.get().instrument,
        Request::Amend(amend) => amend.get().order.instrument,
        Request::Cancel(order)
        | Request::Query(order)
        | Request::CancelOverRest(order)
        | Request::QueryOverRest(order) => order.instrument,
        Request::Snapshot(instrument)
        | Request::Reconcile(instrument)
        | Request::VerifySetup(instrument) => *instrument,
        Request::Trades(wanted) => wanted.instrument,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latency::way::StageName;
    use market::Level;

    #[test]
    fn numbering_makes_the_ring_record_the_logged_event() {
        let mut bytes = [0; 64];
        let input = Input::SnapshotEnd(InstrumentId(3));
        let length = encode_input(input, MonoNs(10), MonoNs(11), &mut bytes).unwrap();
        let mut levels = [Level::default(); 1];
        let event = Event::from_bytes(&bytes[..length], &mut levels).unwrap();
        assert_eq!((event.time, event.sequence), (MonoNs(10), 11));
        number(&mut bytes, 77, MonoNs(12));
        let event = Event::from_bytes(&bytes[..length], &mut levels).unwrap();
        let expected = Event {
            sequence: 77,
            time: MonoNs(12),
            input,
        };
        assert_eq!(event, expected);
    }

    #[test]
    fn requests_keep_their_stamps() {
        let stamps = Stamps {
            kernel_age_ns: 9,
            read: MonoNs(1),
            parsed: MonoNs(2),
            dequeued: MonoNs(3),
            decided: MonoNs(4),
            sequence: 5,
            trigger: TriggerStream::Trade,
            from_market: true,
            ..Stamps::default()
        };
        let request = Request::Snapshot(InstrumentId(5));
        let mut bytes = [0; REQUEST_BYTES_MAX];
        let length = encode_request(&stamps, &request, &mut bytes).unwrap();
        assert_eq!(decode_request(&bytes[..length]), Ok((stamps, request)));
        assert_eq!(instrument_of(&request), InstrumentId(5));
        assert_eq!(
            stamps.order_way(MonoNs(11)).tick_to_order_ns(),
            Some(9 + 10)
        );
        assert_eq!(stamps.way().tick_to_order_ns(), None);
        let stages = |way: Way| way.stages().map(|(stage, _)| stage).collect::<Vec<_>>();
        let approved = Stamps {
            approved: MonoNs(6),
            ..stamps
        };
        assert!(!stages(approved.way()).contains(&StageName::Approve));
        assert!(stages(approved.order_way(MonoNs(11))).contains(&StageName::Approve));
    }
}

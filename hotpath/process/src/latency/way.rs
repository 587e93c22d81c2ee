//! The way of one event through the hot path: when it passed which station.
//!
//! In: stamps. Out: one record of 56 bytes, which is one slot of a ring, and the durations of its
//! stages. Never: a duration over a station that the event did not pass.
//!
//! ```text
//! word 0   input sequence
//! word 1   the read's return, CLOCK_MONOTONIC in ns
//! word 2   kernel: ns before the read     | decrypted: ns after it
//! word 3   framed                         | parsed
//! word 4   dequeued                       | booked
//! word 5   decided                        | approved
//! word 6   written | instrument (16 bits) | trigger (8) | flags (8)
//! ```
//! A station of 0 was not passed; one that was passed is at least 1 ns away.

use crate::tick_clock::{TickClock, Ticks};
use engine::Input;
use market::{InstrumentId, MonoNs};

/// Bytes of a record.
pub const WAY_BYTES: usize = 56;

const WORDS: usize = WAY_BYTES / 8;

market::wire_enum! {
    /// The stream whose event this is, in the word of the exchange.
    #[derive(Default)]
    pub enum TriggerStream {
        /// Book differences.
        Depth = "depth",
        /// The best bid and ask.
        BookTicker = "bookTicker",
        /// Trades, single or aggregated.
        Trade = "trade",
        /// Everything else.
        #[default]
        Other = "other",
    }
}

impl TriggerStream {
    /// The stream of an input and the instrument that it is about; none when it is not market
    /// data of an instrument.
    #[must_use]
    pub fn of(input: &Input<'_>) -> Option<(Self, InstrumentId)> {
        match input {
            Input::Depth(depth) => Some((Self::Depth, depth.header.instrument)),
            Input::BookTicker(ticker) => Some((Self::BookTicker, ticker.instrument)),
            Input::Trade(trade) => Some((Self::Trade, trade.instrument)),
            Input::AggTrade(trade) => Some((Self::Trade, trade.instrument)),
            Input::MarkPrice(mark) => Some((Self::Other, mark.instrument)),
            _ => None,
        }
    }
}

/// A part of the way; each ends at the station that gives it its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum StageName {
    /// From the kernel's stamp of the last segment to the return of the read.
    Receive = 0,
    /// To the decrypted record.
    Decrypt = 1,
    /// Waiting: behind earlier frames of the same read, or in a ring between two threads.
    Queue = 2,
    /// From a frame to an input.
    Parse = 3,
    /// Into the book.
    Book = 4,
    /// Signal and strategies.
    Decide = 5,
    /// Planner's order through risk.
    Approve = 6,
    /// From the approval to the return of the order's write; later orders of one step wait here
    /// for the earlier ones.
    Write = 7,
}

impl StageName {
    /// All of them, in order of the way.
    pub const ALL: [Self; 8] = [
        Self::Receive,
        Self::Decrypt,
        Self::Queue,
        Self::Parse,
        Self::Book,
        Self::Decide,
        Self::Approve,
        Self::Write,
    ];

    /// As a label says it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Receive => "receive",
            Self::Decrypt => "decrypt",
            Self::Queue => "queue",
            Self::Parse => "parse",
            Self::Book => "book",
            Self::Decide => "decide",
            Self::Approve => "approve",
            Self::Write => "write",
        }
    }
}

/// Stamps of one event while it is on its way: of the counter, or [`MonoNs`] where threads with
/// clocks of their own pass it on. The default, 0, where it has not been.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stations<T = Ticks> {
    /// The read that brought its last byte returned.
    pub read: T,
    /// Its record was decrypted.
    pub decrypted: T,
    /// Its frame's turn began; later frames of one read wait for the earlier ones.
    pub framed: T,
    /// It was parsed.
    pub parsed: T,
    /// The engine took it from the ring of another thread.
    pub dequeued: T,
    /// It was in the book.
    pub booked: T,
    /// The strategies had decided.
    pub decided: T,
    /// Risk had approved the order.
    pub approved: T,
    /// The write of the order returned.
    pub written: T,
}

/// What a way is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WayHead {
    /// Sequence of the input, as in the input log.
    pub sequence: u64,
    /// Its instrument.
    pub instrument: InstrumentId,
    /// Its stream.
    pub trigger: TriggerStream,
    /// Nanoseconds from the kernel's stamp to the read; none without such a stamp.
    pub kernel_age_ns: Option<u32>,
    /// A stall was detected just before or during it.
    pub stalled: bool,
    /// An order of an event that another record tells of as well: the stages up to the decision
    /// are counted there.
    pub further: bool,
}

const STALLED: u8 = 1;
const FURTHER: u8 = 2;

/// The stations of one event in nanoseconds, ready to travel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Way {
    /// What it is about.
    pub head: WayHead,
    /// The read's return.
    pub read: MonoNs,
    /// After the read; 0 where it was not: decrypted.
    pub decrypted_ns: u32,
    /// Framed.
    pub framed_ns: u32,
    /// Parsed.
    pub parsed_ns: u32,
    /// Dequeued.
    pub dequeued_ns: u32,
    /// Booked.
    pub booked_ns: u32,
    /// Decided.
    pub decided_ns: u32,
    /// Approved.
    pub approved_ns: u32,
    /// Written.
    pub written_ns: u32,
}

impl Way {
    /// From stamps of the counter.
    #[inline]
    #[must_use]
    pub fn new(head: WayHead, stations: &Stations, clock: &TickClock) -> Self {
        let read = clock.to_mono(stations.read);
        Self::of(head, read, stations, |station| {
            station
                .is_set()
                .then(|| clock.between(stations.read, station))
        })
    }

    /// From times on CLOCK_MONOTONIC.
    #[inline]
    #[must_use]
    pub fn from_times(head: WayHead, times: &Stations<MonoNs>) -> Self {
        Self::of(head, times.read, times, |station| {
            (station.0 != 0).then(|| station.since(times.read))
        })
    }

    #[inline]
    fn of<T: Copy>(
        head: WayHead,
        read: MonoNs,
        stations: &Stations<T>,
        after_ns: impl Fn(T) -> Option<u64>,
    ) -> Self {
        // At least 1, because 0 says that the station was not passed; four seconds are the most.
        let after = |station| {
            let ns = after_ns(station);
            ns.map_or(0, |ns| u32::try_from(ns).unwrap_or(u32::MAX).max(1))
        };
        Self {
            head,
            read,
            decrypted_ns: after(stations.decrypted),
            framed_ns: after(stations.framed),
            parsed_ns: after(stations.parsed),
            dequeued_ns: after(stations.dequeued),
            booked_ns: after(stations.booked),
            decided_ns: after(stations.decided),
            approved_ns: after(stations.approved),
            written_ns: after(stations.written),
        }
    }

    /// From the kernel's stamp, or else the read, to the order's written; none without an order.
    #[must_use]
    pub fn tick_to_order_ns(&self) -> Option<u64> {
        let kernel = self.head.kernel_age_ns.unwrap_or(0);
        (self.written_ns != 0).then(|| u64::from(kernel) + u64::from(self.written_ns))
    }

    /// Passed stages in order, each from the last station before it.
    pub fn stages(&self) -> impl Iterator<Item = (StageName, u64)> {
        let after = [
            (StageName::Decrypt, self.decrypted_ns),
            (StageName::Queue, self.framed_ns),
            (StageName::Parse, self.parsed_ns),
            (StageName::Queue, self.dequeued_ns),
            (StageName::Book, self.booked_ns),
            (StageName::Decide, self.decided_ns),
            (StageName::Approve, self.approved_ns),
            (StageName::Write, self.written_ns),
        ];
        let mut last = 0;
        let after = after.into_iter().filter_map(move |(stage, at)| {
            if at == 0 {
                return None;
            }
            let took = at.saturating_sub(last);
            last = last.max(at);
            Some((stage, u64::from(took)))
        });
        let receive = self.head.kernel_age_ns;
        let receive = receive.map(|age| (StageName::Receive, u64::from(age)));
        receive.into_iter().chain(after)
    }

    /// As it travels.
    #[inline]
    #[must_use]
    pub fn to_bytes(&self) -> [u8; WAY_BYTES] {
        let two = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
        let head = &self.head;
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        let flags = flag(head.stalled, STALLED) | flag(head.further, FURTHER);
        let last = u32::from(head.instrument.0)
            | u32::from(head.trigger as u8) << 16
            | u32::from(flags) << 24;
        let words = [
            head.sequence,
            self.read.0,
            two(
                head.kernel_age_ns.map_or(0, |age| age.max(1)),
                self.decrypted_ns,
            ),
            two(self.framed_ns, self.parsed_ns),
            two(self.dequeued_ns, self.booked_ns),
            two(self.decided_ns, self.approved_ns),
            two(self.written_ns, last),
        ];
        let mut bytes = [0; WAY_BYTES];
        for (place, word) in bytes.chunks_exact_mut(8).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// From the ring; none when these are not a way's bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; WAY_BYTES] = bytes.try_into().ok()?;
        let mut words = [0; WORDS];
        for (word, eight) in words.iter_mut().zip(bytes.chunks_exact(8)) {
            *word = u64::from_le_bytes(eight.try_into().ok()?);
        }
        let low = |at: usize| (words[at] & u64::from(u32::MAX)) as u32;
        let high = |at: usize| (words[at] >> 32) as u32;
        let last = high(6);
        let flags = (last >> 24) as u8;
        let trigger = usize::from((last >> 16) as u8);
        Some(Self {
            head: WayHead {
                sequence: words[0],
                instrument: InstrumentId(last as u16),
                trigger: *TriggerStream::ALL.get(trigger)?,
                kernel_age_ns: (low(2) != 0).then(|| low(2)),
                stalled: flags & STALLED != 0,
                further: flags & FURTHER != 0,
            },
            read: MonoNs(words[1]),
            decrypted_ns: high(2),
            framed_ns: low(3),
            parsed_ns: high(3),
            dequeued_ns: low(4),
            booked_ns: high(4),
            decided_ns: low(5),
            approved_ns: high(5),
            written_ns: low(6),
        })
    }
}

#[cfg(test)]
mod tests;

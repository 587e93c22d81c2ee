//! Messages in the order in which the exchange sent them.
//!
//! In: sessions, or any messages in order of arrival. Out: the same messages with an exchange time
//! each, in order of that time. Never: the recorder's clock, which may run seconds off; it only
//! places messages without a time of their own between their neighbours.

use crate::error::RecordingError;
use crate::message::Message;
use crate::session::Session;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Messages that arrive out of order by more than this are delivered late, not in order.
const REORDER_NS: i64 = 5_000_000_000;

/// All messages of several sessions in order of exchange time, each with that time in
/// nanoseconds and the index of its session. Reads as it goes.
pub fn by_exchange_time(
    sessions: &[Session],
) -> impl Iterator<Item = Result<(i64, usize, Message), RecordingError>> {
    Merge {
        sources: sessions
            .iter()
            .map(|session| ExchangeOrder::new(session.messages()).peekable())
            .collect(),
    }
}

struct Merge<I: Iterator<Item = Result<(i64, Message), RecordingError>>> {
    sources: Vec<std::iter::Peekable<I>>,
}

impl<I: Iterator<Item = Result<(i64, Message), RecordingError>>> Iterator for Merge<I> {
    type Item = Result<(i64, usize, Message), RecordingError>;

    fn next(&mut self) -> Option<Self::Item> {
        let times = self.sources.iter_mut().enumerate();
        let (_, index) = times
            .filter_map(|(index, source)| match source.peek()? {
                Ok((time, _)) => Some((*time, index)),
                Err(_) => Some((i64::MIN, index)),
            })
            .min()?;
        let next = self.sources[index].next()?;
        Some(next.map(|(time, message)| (time, index, message)))
    }
}

/// Messages of one source in order of exchange time; equal times keep the order of arrival.
pub struct ExchangeOrder<I> {
    source: I,
    waiting: BinaryHeap<Reverse<Waiting>>,
    arrived: u64,
    newest_ns: i64,
    /// Receive time minus exchange time of the last message that had both.
    offset_ns: Option<i64>,
    /// Messages before the first exchange time is known.
    untimed: Vec<Message>,
    failed: Option<RecordingError>,
    ended: bool,
}

struct Waiting {
    time_ns: i64,
    arrival: u64,
    message: Message,
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Waiting {}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.time_ns, self.arrival).cmp(&(other.time_ns, other.arrival))
    }
}

impl<I: Iterator<Item = Result<Message, RecordingError>>> ExchangeOrder<I> {
    /// Orders the messages of `source`.
    pub fn new(source: I) -> Self {
        Self {
            source,
            waiting: BinaryHeap::new(),
            arrived: 0,
            newest_ns: i64::MIN,
            offset_ns: None,
            untimed: Vec::new(),
            failed: None,
            ended: false,
        }
    }

    fn take(&mut self, message: Message) {
        if let Some(exchange_ms) = message.exchange_ms {
            let time_ns = exchange_ms.saturating_mul(1_000_000);
            let offset_ns = message.receive_ns.saturating_sub(time_ns);
            self.offset_ns = Some(offset_ns);
            for earlier in std::mem::take(&mut self.untimed) {
                self.push(earlier.receive_ns.saturating_sub(offset_ns), earlier);
            }
            self.push(time_ns, message);
        } else if let Some(offset_ns) = self.offset_ns {
            self.push(message.receive_ns.saturating_sub(offset_ns), message);
        } else {
            self.untimed.push(message);
        }
    }

    fn push(&mut self, time_ns: i64, message: Message) {
        self.newest_ns = self.newest_ns.max(time_ns);
        self.arrived += 1;
        let arrival = self.arrived;
        self.waiting.push(Reverse(Waiting {
            time_ns,
            arrival,
            message,
        }));
    }

    fn ready(&self) -> bool {
        self.waiting.peek().is_some_and(|first| {
            self.ended || self.newest_ns.saturating_sub(first.0.time_ns) > REORDER_NS
        })
    }
}

impl<I: Iterator<Item = Result<Message, RecordingError>>> Iterator for ExchangeOrder<I> {
    type Item = Result<(i64, Message), RecordingError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.ready() && !self.ended {
            match self.source.next() {
                Some(Ok(message)) => self.take(message),
                Some(Err(error)) => {
                    self.failed = Some(error);
                    self.ended = true;
                }
                None => self.ended = true,
            }
            if self.ended {
                // A source without any exchange time keeps its times of arrival.
                for message in std::mem::take(&mut self.untimed) {
                    self.push(message.receive_ns, message);
                }
            }
        }
        match self.waiting.pop() {
            Some(Reverse(first)) => Some(Ok((first.time_ns, first.message))),
            None => self.failed.take().map(Err),
        }
    }
}

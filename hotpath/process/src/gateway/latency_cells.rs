//! Counters of the requests of one order connection, and how long their replies took.
//!
//! In: the segment. Out: named cells with one writer. Never: a name made while running; the way
//! from market data to an order is told to [`crate::latency`].

use crate::telemetry::{SentCells, Telemetry};
use crate::wire_check::AT_LAST_HOP;
use engine::Request;
use ipc::{Counter, Histogram, RegisterError};
use market::{Instrument, Market, RequestKind};

/// Cells of one market's order connection.
pub struct LatencyCells {
    /// Write to reply, by [`RequestKind`].
    pub acknowledge: Vec<Histogram>,
    /// Orders written, by instrument; none of other markets.
    pub sent: Vec<Option<SentCells>>,
    /// Requests written, by [`RequestKind`].
    pub written: Vec<Counter>,
    /// Requests refused here because the connection was down or the exchange wants silence.
    pub not_sent: Counter,
    /// Reply frames that could not be read or matched.
    pub unreadable: Counter,
    /// Orders and amendments that came to this connection, by what became of their frame (I16).
    hop: [Counter; 3],
}

/// What became of the frame of an order or amendment at the last hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame {
    /// It was handed to the connection.
    Written,
    /// The session gave the request up before there was one.
    Unsent,
    /// The connection broke under it.
    Failed,
}

/// The labels of [`Frame`], in order of declaration.
const FRAMES: [&str; 3] = ["written", "unsent", "failed"];

impl LatencyCells {
    /// Registers them.
    ///
    /// # Errors
    /// [`RegisterError`].
    pub fn new(
        telemetry: Telemetry<'_>,
        market: Market,
        instruments: &[Instrument],
    ) -> Result<Self, RegisterError> {
        let sent = |one: &Instrument| {
            let own = one.market == market;
            own.then(|| SentCells::new(telemetry, one)).transpose()
        };
        let op = |kind: &RequestKind| {
            let op = kind.as_str().to_lowercase();
            let place = format!("{{market=\"{market}\",op=\"{op}\"}}");
            Ok((
                telemetry.histogram(&format!("order_ack_duration_seconds{place}"))?,
                telemetry.counter(&format!("requests_written_total{place}"))?,
            ))
        };
        let ops: Result<Vec<_>, RegisterError> = RequestKind::ALL.iter().map(op).collect();
        let (acknowledge, written) = ops?.into_iter().unzip();
        let place = format!("{{market=\"{market}\"}}");
        let hop = |fate: &str| {
            telemetry.counter(&format!(
                "{AT_LAST_HOP}{{market=\"{market}\",fate=\"{fate}\"}}"
            ))
        };
        Ok(Self {
            acknowledge,
            sent: instruments.iter().map(sent).collect::<Result<_, _>>()?,
            written,
            not_sent: telemetry.counter(&format!("requests_not_sent_total{place}"))?,
            unreadable: telemetry.counter(&format!("order_frames_unmatched_total{place}"))?,
            hop: [hop(FRAMES[0])?, hop(FRAMES[1])?, hop(FRAMES[2])?],
        })
    }

    /// A request came to its end at the last hop. Orders and amendments are counted, so that each
    /// has its decision in the journal: see [`crate::wire_check`].
    #[inline]
    pub fn note_frame(&self, request: &Request, frame: Frame) {
        if matches!(request, Request::Place(_) | Request::Amend(_)) {
            self.hop[frame as usize].add(1);
        }
    }

    /// A request was written.
    #[inline]
    pub fn note_written(&self, request: &Request) {
        let kind = match request {
            Request::Place(_) => RequestKind::Place,
            Request::Amend(_) => RequestKind::Amend,
            Request::Cancel(_) => RequestKind::Cancel,
            _ => RequestKind::Query,
        };
        self.written[kind as usize].add(1);
        if let Request::Place(order) = request {
            let instrument = usize::from(order.get().instrument.0);
            if let Some(Some(cell)) = self.sent.get(instrument) {
                cell.count(order.get());
            }
        }
    }
}

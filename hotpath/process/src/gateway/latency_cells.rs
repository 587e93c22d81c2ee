//! Counters of the requests of one order connection, and how long their replies took.
//!
//! In: the segment. Out: named cells with one writer. Never: a name made while running; the way
//! from market data to an order is told to [`crate::latency`].

use crate::telemetry::{SentCells, Telemetry};
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
}

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
        Ok(Self {
            acknowledge,
            sent: instruments.iter().map(sent).collect::<Result<_, _>>()?,
            written,
            not_sent: telemetry.counter(&format!("requests_not_sent_total{place}"))?,
            unreadable: telemetry.counter(&format!("order_frames_unmatched_total{place}"))?,
        })
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

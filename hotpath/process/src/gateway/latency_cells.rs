//! Histograms and counters of the way of an order.
//!
//! In: the segment. Out: named cells with one writer, the order thread. Never: a name made while
//! running.

use crate::messages::Stamps;
use crate::telemetry::{SentCells, Telemetry};
use engine::Request;
use ipc::{Counter, Histogram, RegisterError};
use market::{Instrument, Market, MonoNs, RequestKind};

/// Cells of one market's order connection.
pub struct LatencyCells {
    /// Tick to order, by instrument; none of other markets.
    pub tick_to_order: Vec<Option<Histogram>>,
    /// Frame read to decoded.
    pub decode: Histogram,
    /// Decoded to the engine's turn.
    pub queue: Histogram,
    /// Turn to decision.
    pub decide: Histogram,
    /// Decision to the return of the write.
    pub write: Histogram,
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
        let stage = |stage: &str| {
            telemetry.histogram(&format!(
                "stage_duration_seconds{{market=\"{market}\",stage=\"{stage}\"}}"
            ))
        };
        let tick = |one: &Instrument| {
            let symbol = one.symbol;
            let name = format!("tick_to_order_seconds{{market=\"{market}\",symbol=\"{symbol}\"}}");
            let own = one.market == market;
            own.then(|| telemetry.histogram(&name)).transpose()
        };
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
            tick_to_order: instruments.iter().map(tick).collect::<Result<_, _>>()?,
            decode: stage("decode")?,
            queue: stage("queue")?,
            decide: stage("decide")?,
            write: stage("write")?,
            acknowledge,
            sent: instruments.iter().map(sent).collect::<Result<_, _>>()?,
            written,
            not_sent: telemetry.counter(&format!("requests_not_sent_total{place}"))?,
            unreadable: telemetry.counter(&format!("order_frames_unmatched_total{place}"))?,
        })
    }

    /// A request was written, its write returning at `written`.
    #[inline]
    pub fn note_written(&self, stamps: &Stamps, request: &Request, written: MonoNs) {
        let kind = match request {
            Request::Place(_) => RequestKind::Place,
            Request::Cancel(_) => RequestKind::Cancel,
            _ => RequestKind::Query,
        };
        self.written[kind as usize].add(1);
        let Request::Place(order) = request else {
            return;
        };
        let instrument = usize::from(order.get().instrument.0);
        if let Some(Some(cell)) = self.sent.get(instrument) {
            cell.count(order.get());
        }
        if !stamps.from_market {
            return;
        }
        if let Some(Some(cell)) = self.tick_to_order.get(instrument) {
            cell.record(written.since(stamps.received));
        }
        self.decode.record(stamps.decoded.since(stamps.received));
        self.queue.record(stamps.dequeued.since(stamps.decoded));
        self.decide.record(stamps.decided.since(stamps.dequeued));
        self.write.record(written.since(stamps.decided));
    }
}

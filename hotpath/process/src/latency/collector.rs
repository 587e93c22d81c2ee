//! The cold side of latency: what the hot threads told becomes histograms.
//!
//! In: the rings of the hot threads. Out: `tick_to_order_seconds`, `stage_duration_seconds`, their
//! stalled twins, the worst events. Never: a sample with a known stall among the clean ones, or
//! one that is left out of both.

use super::way::{StageName, TriggerStream, Way};
use super::way_log::WayReader;
use super::worst::{Slow, WorstBoard, line};
use crate::clock;
use crate::telemetry::Telemetry;
use ipc::{Counter, Histogram, RegisterError};
use market::{Instrument, InstrumentId, Market, MonoNs};
use std::sync::Arc;

/// Most records of one visit: the cold side has other work too.
const VISIT_MAX: usize = 16_384;

/// Lists and lines are looked after this often.
const SHOW_NS: u64 = 250_000_000;

/// Cells of one market.
struct MarketCells {
    /// By stream and stage.
    stages: Vec<Vec<Histogram>>,
    /// Tick to order of events with a known stall, by stream.
    stalled_orders: Vec<Histogram>,
    /// Events with a known stall, by stream: their stages are in no histogram.
    stalled_events: Vec<Counter>,
}

impl MarketCells {
    fn new(telemetry: Telemetry<'_>, market: Market) -> Result<Self, RegisterError> {
        let place = |trigger: TriggerStream| {
            format!("market=\"{market}\",trigger=\"{}\"", trigger.as_str())
        };
        let stage = |trigger: TriggerStream, stage: StageName| {
            let (place, stage) = (place(trigger), stage.as_str());
            telemetry.histogram(&format!(
                "stage_duration_seconds{{{place},stage=\"{stage}\"}}"
            ))
        };
        let stages = |trigger: &TriggerStream| {
            let all = StageName::ALL.iter();
            all.map(|one| stage(*trigger, *one)).collect()
        };
        let orders = |trigger: &TriggerStream| {
            let place = place(*trigger);
            telemetry.histogram(&format!("tick_to_order_stalled_seconds{{{place}}}"))
        };
        let events = |trigger: &TriggerStream| {
            let place = place(*trigger);
            telemetry.counter(&format!("market_events_stalled_total{{{place}}}"))
        };
        let streams = TriggerStream::ALL.iter();
        Ok(Self {
            stages: streams.clone().map(stages).collect::<Result<_, _>>()?,
            stalled_orders: streams.clone().map(orders).collect::<Result<_, _>>()?,
            stalled_events: streams.map(events).collect::<Result<_, _>>()?,
        })
    }
}

/// Tick to order of one instrument, by stream.
struct InstrumentCells {
    market: Market,
    /// Every order.
    from_read: Vec<Histogram>,
    /// The same orders where the kernel stamped the frame; empty without kernel stamps.
    from_kernel: Vec<Histogram>,
}

impl InstrumentCells {
    fn new(
        telemetry: Telemetry<'_>,
        one: &Instrument,
        kernel_stamps: bool,
    ) -> Result<Self, RegisterError> {
        let (market, symbol) = (one.market, one.symbol);
        let cell = |trigger: &TriggerStream, source: &str| {
            let trigger = trigger.as_str();
            telemetry.histogram(&format!(
                "tick_to_order_seconds{{market=\"{market}\",symbol=\"{symbol}\",\
                 trigger=\"{trigger}\",source=\"{source}\"}}"
            ))
        };
        let streams = TriggerStream::ALL.iter();
        let stamped = streams.clone().filter(|_| kernel_stamps);
        let from_read = streams.map(|one| cell(one, "from_read"));
        let from_kernel = stamped.map(|one| cell(one, "from_kernel"));
        Ok(Self {
            market,
            from_read: from_read.collect::<Result<_, _>>()?,
            from_kernel: from_kernel.collect::<Result<_, _>>()?,
        })
    }
}

/// Empties the rings.
pub struct Collector {
    readers: Vec<WayReader>,
    table: Arc<[Instrument]>,
    /// By market; none of a market without instruments.
    markets: [Option<MarketCells>; 2],
    /// By instrument.
    instruments: Vec<InstrumentCells>,
    worst: WorstBoard,
    shown: MonoNs,
}

impl Collector {
    /// Registers all cells. One reader for each hot thread that tells; with `kernel_stamps` their
    /// reads carry the kernel's time.
    ///
    /// # Errors
    /// [`RegisterError`].
    pub fn new(
        telemetry: Telemetry<'_>,
        table: &Arc<[Instrument]>,
        kernel_stamps: bool,
        readers: Vec<WayReader>,
    ) -> Result<Self, RegisterError> {
        let mut markets = [None, None];
        for market in Market::ALL {
            if table.iter().any(|one| one.market == *market) {
                let cells = MarketCells::new(telemetry, *market)?;
                markets[*market as usize] = Some(cells);
            }
        }
        let instruments = table
            .iter()
            .map(|one| InstrumentCells::new(telemetry, one, kernel_stamps));
        let now = clock::monotonic();
        Ok(Self {
            readers,
            table: Arc::clone(table),
            markets,
            instruments: instruments.collect::<Result<_, _>>()?,
            worst: WorstBoard::new(telemetry, now)?,
            shown: now,
        })
    }

    /// One visit: takes what waits, and says in the log what was slowest. Every few milliseconds,
    /// from the cold side; returns how many records there were.
    pub fn visit(&mut self) -> usize {
        let mut count = 0;
        for index in 0..self.readers.len() {
            while count < VISIT_MAX
                && let Some(way) = self.readers[index].take()
            {
                count += 1;
                self.take(&way);
            }
        }
        let now = clock::monotonic();
        if now.since(self.shown) >= SHOW_NS {
            self.shown = now;
            if let Some(slow) = self.worst.show(now, clock::utc()) {
                tracing::info!("{}", line(&slow, &self.table));
            }
        }
        count
    }

    fn market_of(&self, instrument: InstrumentId) -> Option<&MarketCells> {
        let one = self.instruments.get(usize::from(instrument.0))?;
        self.markets[one.market as usize].as_ref()
    }

    fn take(&mut self, way: &Way) {
        let stream = way.head.trigger as usize;
        let Some(market) = self.market_of(way.head.instrument) else {
            return;
        };
        if way.head.stalled {
            market.stalled_events[stream].add(u64::from(!way.head.further));
        } else {
            let stages = &market.stages[stream];
            for (stage, ns) in way.stages() {
                let of_order = matches!(stage, StageName::Approve | StageName::Write);
                if of_order || !way.head.further {
                    stages[stage as usize].record(ns);
                }
            }
        }
        let Some(took_ns) = way.tick_to_order_ns() else {
            return;
        };
        if way.head.stalled {
            market.stalled_orders[stream].record(took_ns);
        } else {
            let one = &self.instruments[usize::from(way.head.instrument.0)];
            one.from_read[stream].record(u64::from(way.written_ns));
            let stamped = way.head.kernel_age_ns.is_some();
            if let Some(cell) = one.from_kernel.get(stream).filter(|_| stamped) {
                cell.record(took_ns);
            }
        }
        self.worst.offer(Slow { took_ns, way: *way });
    }
}

#[cfg(test)]
mod tests;

//! Names of counters and histograms, and the cells of the engine thread.
//!
//! In: the segment. Out: registered cells, each with one writer. Never: a registration after
//! start.

use ipc::{Counter, Histogram, RegisterError, Segment};
use market::record::Record;
use market::{DenialCode, Instrument, Liquidity, NonAction, OrderState, OrderType, Side};

/// Registers cells by name.
#[derive(Clone, Copy)]
pub struct Telemetry<'a>(pub &'a Segment);

impl Telemetry<'_> {
    /// A counter or gauge.
    ///
    /// # Errors
    /// [`RegisterError`].
    pub fn counter(&self, name: &str) -> Result<Counter, RegisterError> {
        self.0.counters().register(name)
    }

    /// A histogram.
    ///
    /// # Errors
    /// [`RegisterError`].
    pub fn histogram(&self, name: &str) -> Result<Histogram, RegisterError> {
        self.0.histograms().register(name)
    }

    /// Depth, capacity and high-water mark of a ring.
    ///
    /// # Errors
    /// [`RegisterError`].
    pub fn ring(&self, ring: &str, capacity: usize) -> Result<RingCells, RegisterError> {
        let capacity_cell = self.counter(&format!("ring_capacity{{ring=\"{ring}\"}}"))?;
        capacity_cell.set(capacity as u64);
        Ok(RingCells {
            depth: self.counter(&format!("ring_depth{{ring=\"{ring}\"}}"))?,
            high_watermark: self.counter(&format!("ring_high_watermark{{ring=\"{ring}\"}}"))?,
        })
    }

    /// Records that a ring had no room for.
    ///
    /// # Errors
    /// [`RegisterError`].
    pub fn ring_dropped(&self, ring: &str) -> Result<Counter, RegisterError> {
        self.counter(&format!("ring_dropped_total{{ring=\"{ring}\"}}"))
    }
}

/// Figures of one ring.
pub struct RingCells {
    depth: Counter,
    high_watermark: Counter,
}

impl RingCells {
    /// Shows the ring's present figures.
    pub fn show(&self, depth: usize, high_watermark: usize) {
        self.depth.set(depth as u64);
        self.high_watermark.set(high_watermark as u64);
    }
}

/// What the engine's records and non-actions are counted in.
pub struct EngineCells {
    /// Records that entered the journal.
    pub journal_records: Counter,
    denied: Vec<Counter>,
    non_actions: Vec<Counter>,
    intents: Vec<Counter>,
    sent: Vec<[Counter; 4]>,
    fills: Vec<[Counter; 4]>,
    rejected: Vec<(binance::orders::ErrorClass, Counter)>,
}

const SIDES: [Side; 2] = [Side::Buy, Side::Sell];
const TYPES: [OrderType; 2] = [OrderType::Limit, OrderType::Market];
const LIQUIDITY: [Liquidity; 2] = [Liquidity::Maker, Liquidity::Taker];

impl EngineCells {
    /// Registers them.
    ///
    /// # Errors
    /// [`RegisterError`].
    pub fn new(
        telemetry: Telemetry<'_>,
        instruments: &[Instrument],
        strategies: &[String],
    ) -> Result<Self, RegisterError> {
        let list = |family: &str, label: &str, words: Vec<&str>| {
            let name = |word: &&str| format!("{family}{{{label}=\"{word}\"}}");
            let cells = words.iter().map(|word| telemetry.counter(&name(word)));
            cells.collect::<Result<Vec<_>, _>>()
        };
        let mut sent = Vec::new();
        let mut fills = Vec::new();
        for one in instruments {
            let place = format!("market=\"{}\",symbol=\"{}\"", one.market, one.symbol);
            sent.push(by_side(
                telemetry,
                "orders_sent_total",
                &place,
                "type",
                |at| TYPES[at].as_str(),
            )?);
            fills.push(by_side(
                telemetry,
                "fills_total",
                &place,
                "liquidity",
                |at| LIQUIDITY[at].as_str(),
            )?);
        }
        let mut rejected = Vec::new();
        for class in binance::orders::ErrorClass::ALL {
            let name = format!("orders_rejected_total{{market=\"usdm\",code=\"{class}\"}}");
            rejected.push((*class, telemetry.counter(&name)?));
        }
        let words = |all: &[DenialCode]| all.iter().map(|code| code.as_str()).collect();
        let actions = |all: &[NonAction]| all.iter().map(|code| code.as_str()).collect();
        Ok(Self {
            journal_records: telemetry.counter("journal_records_total")?,
            denied: list("orders_denied_total", "reason", words(DenialCode::ALL))?,
            non_actions: list("non_actions_total", "reason", actions(NonAction::ALL))?,
            intents: list(
                "intents_total",
                "strategy",
                strategies.iter().map(String::as_str).collect(),
            )?,
            sent,
            fills,
            rejected,
        })
    }

    /// Counts a record.
    pub fn count(&self, record: &Record) {
        match record {
            Record::Intent(intent) => {
                let order = &intent.order;
                if let Some(cell) = self.intents.get(usize::from(order.strategy.0)) {
                    cell.add(1);
                }
                let kind = usize::from(order.order_type != OrderType::Limit);
                if let Some(cells) = self.sent.get(usize::from(order.instrument.0)) {
                    cells[order.side as usize * 2 + kind].add(1);
                }
            }
            Record::Denial(denial) => self.denied[denial.code as usize].add(1),
            Record::Fill(fill) => {
                if let Some(cells) = self.fills.get(usize::from(fill.instrument.0)) {
                    cells[fill.side as usize * 2 + fill.liquidity as usize].add(1);
                }
            }
            Record::OrderChange(change)
                if change.error_code < 0 && change.state == OrderState::Rejected =>
            {
                let class = binance::orders::classify_code(change.error_code);
                if let Some((_, cell)) = self.rejected.iter().find(|(one, _)| *one == class) {
                    cell.add(1);
                }
            }
            _ => {}
        }
    }

    /// Counts a look without an action.
    pub fn count_non_action(&self, reason: NonAction) {
        self.non_actions[reason as usize].add(1);
    }
}

/// Cells of every side and word of a second label.
fn by_side(
    telemetry: Telemetry<'_>,
    family: &str,
    place: &str,
    label: &str,
    word: impl Fn(usize) -> &'static str,
) -> Result<[Counter; 4], RegisterError> {
    let cell = |side: Side, at: usize| {
        let word = word(at);
        telemetry.counter(&format!(
            "{family}{{{place},side=\"{side}\",{label}=\"{word}\"}}"
        ))
    };
    let [buy, sell] = SIDES;
    Ok([cell(buy, 0)?, cell(buy, 1)?, cell(sell, 0)?, cell(sell, 1)?])
}

//! Names of counters and histograms, and the cells of the engine thread.
//!
//! In: the segment. Out: registered cells, each with one writer. Never: a registration after
//! start.

use ipc::{Counter, Histogram, RegisterError, Segment};
use market::record::{NoMid, Record};
use market::{
    DenialCode, Instrument, InstrumentStatus, Liquidity, Market, NewOrder, NonAction, OrderState,
    OrderType, Side,
};

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
            deepest: 0,
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
    /// Greatest depth that this thread met; the ring itself does not look at small bursts.
    deepest: usize,
}

impl RingCells {
    /// Notes the depth of this moment.
    pub fn meet(&mut self, depth: usize) {
        self.deepest = self.deepest.max(depth);
    }

    /// Shows the ring's present figures.
    pub fn show(&mut self, depth: usize, high_watermark: usize) {
        self.meet(depth);
        self.depth.set(depth as u64);
        self.high_watermark
            .set(high_watermark.max(self.deepest) as u64);
    }
}

/// What the engine's records and non-actions are counted in.
pub struct EngineCells {
    /// Records that entered the journal.
    pub journal_records: Counter,
    denied: Vec<Counter>,
    non_actions: Vec<Counter>,
    intents: Vec<Counter>,
    amend_intents: Vec<Counter>,
    /// By instrument: changes that we asked for, and those of somebody else.
    amended: Vec<[Counter; 2]>,
    /// Orders and amendments that passed risk, of whatever strategy (I16).
    pub decided: Counter,
    /// By instrument.
    fills: Vec<[Counter; 4]>,
    /// By instrument: 1 while the exchange takes orders for it.
    tradable: Vec<Counter>,
    /// By instrument: leverage as last read, and 1 for isolated margin.
    setups: Vec<[Counter; 2]>,
    /// Market of each instrument.
    markets: Vec<Market>,
    /// Looks at the market after fills, by what they found: a mid, none, no room to follow.
    markouts: [Counter; 3],
    /// By market; none of a market without instruments.
    rejected: [Option<RejectedCells>; 2],
}

const SIDES: [Side; 2] = [Side::Buy, Side::Sell];
const TYPES: [OrderType; 2] = [OrderType::Limit, OrderType::Market];
const LIQUIDITY: [Liquidity; 2] = [Liquidity::Maker, Liquidity::Taker];

/// Codes with which the exchange refuses orders and that have a cell of their own; every other
/// code is counted as `other`, so that the exchange cannot make labels.
const REJECT_CODES: [i64; 32] = [
    -1001, -1003, -1008, -1013, -1015, -1021, -1022, -1111, -1121, -2010, -2014, -2015, -2018,
    -2019, -2020, -2021, -2022, -2024, -2025, -2026, -2027, -2028, -4003, -4005, -4014, -4016,
    -4024, -4045, -4118, -4131, -4164, -5022,
];

/// Orders that one market of the exchange refused, by [`REJECT_CODES`].
struct RejectedCells {
    by_code: Vec<Counter>,
    other: Counter,
}

impl RejectedCells {
    fn new(telemetry: Telemetry<'_>, market: Market) -> Result<Self, RegisterError> {
        let cell = |code: &str| {
            let place = format!("market=\"{market}\",code=\"{code}\"");
            telemetry.counter(&format!("orders_rejected_total{{{place}}}"))
        };
        let by_code = REJECT_CODES.iter().map(|code| cell(&code.to_string()));
        Ok(Self {
            by_code: by_code.collect::<Result<_, _>>()?,
            other: cell("other")?,
        })
    }

    fn of(&self, code: i64) -> &Counter {
        let known = REJECT_CODES.iter().position(|one| *one == code);
        known.map_or(&self.other, |at| &self.by_code[at])
    }
}

/// Orders of one instrument that were written to the exchange, by side and type.
pub struct SentCells([Counter; 4]);

impl SentCells {
    /// Registers them.
    ///
    /// # Errors
    /// [`RegisterError`].
    pub fn new(telemetry: Telemetry<'_>, one: &Instrument) -> Result<Self, RegisterError> {
        let place = place_of(one);
        let word = |at: usize| TYPES[at].as_str();
        by_side(telemetry, "orders_sent_total", &place, "type", word).map(Self)
    }

    /// Counts a written order.
    pub fn count(&self, order: &NewOrder) {
        let kind = usize::from(order.order_type != OrderType::Limit);
        self.0[order.side as usize * 2 + kind].add(1);
    }
}

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
        let fills = instruments.iter().map(|one| {
            let word = |at: usize| LIQUIDITY[at].as_str();
            let place = place_of(one);
            by_side(telemetry, "fills_total", &place, "liquidity", word)
        });
        let markets: Vec<Market> = instruments.iter().map(|one| one.market).collect();
        let mut rejected = [None, None];
        for market in Market::ALL.iter().filter(|one| markets.contains(one)) {
            rejected[*market as usize] = Some(RejectedCells::new(telemetry, *market)?);
        }
        let words = |all: &[DenialCode]| all.iter().map(|code| code.as_str()).collect();
        let actions = |all: &[NonAction]| all.iter().map(|code| code.as_str()).collect();
        let amended = instruments.iter().map(|one| {
            let place = place_of(one);
            let by =
                |who| telemetry.counter(&format!("orders_amended_total{{{place},by=\"{who}\"}}"));
            Ok([by("us")?, by("others")?])
        });
        let tradable = instruments.iter().map(|one| {
            let place = place_of(one);
            let cell = telemetry.counter(&format!("instrument_tradable{{{place}}}"))?;
            cell.set(u64::from(one.status == InstrumentStatus::Trading));
            Ok(cell)
        });
        let setups = instruments.iter().map(|one| {
            let place = place_of(one);
            let cell = |family: &str| telemetry.counter(&format!("{family}{{{place}}}"));
            Ok([
                cell("instrument_leverage")?,
                cell("shown_instrument_isolated")?,
            ])
        });
        let names: Vec<&str> = strategies.iter().map(String::as_str).collect();
        Ok(Self {
            setups: setups.collect::<Result<_, RegisterError>>()?,
            amend_intents: list("amend_intents_total", "strategy", names)?,
            amended: amended.collect::<Result<_, RegisterError>>()?,
            decided: telemetry.counter("orders_decided_total")?,
            journal_records: telemetry.counter("journal_records_total")?,
            denied: list("orders_denied_total", "reason", words(DenialCode::ALL))?,
            non_actions: list("non_actions_total", "reason", actions(NonAction::ALL))?,
            intents: list(
                "intents_total",
                "strategy",
                strategies.iter().map(String::as_str).collect(),
            )?,
            fills: fills.collect::<Result<_, _>>()?,
            tradable: tradable.collect::<Result<_, RegisterError>>()?,
            markets,
            markouts: [
                telemetry.counter("markouts_total{result=\"mid\"}")?,
                telemetry.counter("markouts_total{result=\"none\"}")?,
                telemetry.counter("markouts_total{result=\"no_room\"}")?,
            ],
            rejected,
        })
    }

    /// Counts a record.
    pub fn count(&self, record: &Record) {
        match record {
            Record::AmendIntent(intent) => {
                self.decided.add(1);
                let strategy = usize::from(intent.amend.order.strategy.0);
                if let Some(cell) = self.amend_intents.get(strategy) {
                    cell.add(1);
                }
            }
            Record::Amended(amended) => {
                if let Some(cells) = self.amended.get(usize::from(amended.instrument.0)) {
                    cells[usize::from(!amended.ours)].add(1);
                }
            }
            Record::Intent(intent) => {
                self.decided.add(1);
                let strategy = usize::from(intent.order.strategy.0);
                if let Some(cell) = self.intents.get(strategy) {
                    cell.add(1);
                }
            }
            Record::Markout(one) => {
                let result = match one.none_because {
                    None => 0,
                    Some(NoMid::NoRoom) => 2,
                    Some(_) => 1,
                };
                self.markouts[result].add(1);
            }
            Record::Denial(denial) => self.denied[denial.code as usize].add(1),
            Record::Fill(fill) => {
                if let Some(cells) = self.fills.get(usize::from(fill.instrument.0)) {
                    cells[fill.side as usize * 2 + fill.liquidity as usize].add(1);
                }
            }
            Record::Listing(report) => {
                if let Some(cell) = self.tradable.get(usize::from(report.instrument.0)) {
                    cell.set(u64::from(report.status == InstrumentStatus::Trading));
                }
            }
            Record::Setup(report) => {
                if let Some(cells) = self.setups.get(usize::from(report.instrument.0)) {
                    cells[0].set(u64::from(report.leverage));
                    cells[1].set(u64::from(report.isolated));
                }
            }
            Record::OrderChange(change)
                if change.error_code < 0 && change.state == OrderState::Rejected =>
            {
                let market = self.markets.get(usize::from(change.instrument.0));
                if let Some(cells) = market.and_then(|one| self.rejected[*one as usize].as_ref()) {
                    cells.of(change.error_code).add(1);
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

fn place_of(one: &Instrument) -> String {
    format!("market=\"{}\",symbol=\"{}\"", one.market, one.symbol)
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

#[cfg(test)]
mod tests;

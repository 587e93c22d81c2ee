//! Strategies in the file: who trades what, with which parameters.
//!
//! In: one `[[strategy]]` table. Out: [`StrategySettings`]. Never: a symbol that no
//! `[[instrument]]` names.

use crate::checked::InstrumentKey;
use crate::written::{Problem, Section};
use market::{Market, Money, Rate};

/// One strategy of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StrategySettings {
    /// Name in logs, labels and the ledger.
    pub name: String,
    /// What it trades; indices into the instruments.
    pub instruments: Vec<usize>,
    /// On which of them it opens nothing: all of them where it is not enabled.
    pub off: Vec<usize>,
    /// False: it opens nothing anywhere.
    pub enabled: bool,
    /// Which strategy, with its parameters.
    pub kind: StrategyKind,
}

/// The strategies that exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StrategyKind {
    /// Follows the order book imbalance.
    Imbalance(ImbalanceSettings),
    /// Exercises the order path.
    Dummy(DummySettings),
}

/// How a position is entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryStyle {
    /// Post-only at the best price, repriced while the signal holds.
    Maker,
    /// Immediate-or-cancel with a collar.
    Taker,
}

/// What a signal against the position does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlipPolicy {
    /// Closes it after the minimum hold; the cooldown applies.
    Exit,
    /// Closes it and enters the other side without a pause.
    Reverse,
    /// Leaves it to profit target, stop and time.
    Hold,
}

/// What happens to the rest of a partly filled entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartialEntry {
    /// It goes on working while the signal holds.
    Complete,
    /// It is given up; what has filled is the trade.
    Keep,
}

/// Parameters of `imbalance`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImbalanceSettings {
    /// Buys above this ratio, in 1e-8.
    pub buy_above: Rate,
    /// Sells below this ratio, in 1e-8.
    pub sell_below: Rate,
    /// Notional of an entry.
    pub order_notional: Money,
    /// Profit target, as a share of the entry price.
    pub take_profit: Rate,
    /// Stop, as a share of the entry price.
    pub stop_loss: Rate,
    /// Age before the signal may close a trade.
    pub signal_exit_after_ms: u64,
    /// Age at which a trade is closed.
    pub time_exit_after_ms: u64,
    /// Pause after a trade.
    pub cooldown_ms: u64,
    /// Pause after an entry order that ended without a fill.
    pub retry_after_ms: u64,
    /// Maker or taker.
    pub entry: EntryStyle,
    /// A maker entry follows the touch once it is this far away.
    pub reprice_ticks: u64,
    /// How far a taker entry or a stop may reach past the touch.
    pub taker_collar: Rate,
    /// What a signal against the position does.
    pub on_flip: FlipPolicy,
    /// What happens to the rest of a partly filled entry.
    pub on_partial_entry: PartialEntry,
}

/// Parameters of `dummy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DummySettings {
    /// Time between two orders.
    pub interval_ms: u64,
    /// How long each rests before it is cancelled.
    pub rest_ms: u64,
    /// Notional of each order.
    pub order_notional: Money,
    /// Distance from the touch, as a share.
    pub distance: Rate,
}

impl StrategySettings {
    pub(crate) fn check(
        mut section: Section<'_>,
        instruments: &[InstrumentKey],
        problems: &mut Vec<Problem>,
    ) -> Self {
        let kinds = [("imbalance", true), ("dummy", false)];
        if section.required_text("kind", problems).is_empty() {
            section.finish(&mut Vec::new());
            let kind = StrategyKind::Dummy(check_dummy(&mut Section::empty(), problems));
            return Self {
                name: String::new(),
                instruments: Vec::new(),
                off: Vec::new(),
                enabled: true,
                kind,
            };
        }
        let is_imbalance = section.word("kind", true, &kinds, problems);
        let default_name = if is_imbalance { "imbalance" } else { "dummy" };
        let name = section.text("name", default_name, problems);
        let traded = check_symbols(&mut section, instruments, problems);
        let enabled = section.flag("enabled", true, problems);
        let disabled = check_disabled(&mut section, instruments, &traded, problems);
        let off = if enabled { disabled } else { traded.clone() };
        let kind = if is_imbalance {
            StrategyKind::Imbalance(check_imbalance(&mut section, problems))
        } else {
            StrategyKind::Dummy(check_dummy(&mut section, problems))
        };
        section.finish(problems);
        Self {
            name,
            instruments: traded,
            off,
            enabled,
            kind,
        }
    }
}

fn check_symbols(
    section: &mut Section<'_>,
    instruments: &[InstrumentKey],
    problems: &mut Vec<Problem>,
) -> Vec<usize> {
    let markets = [("usdm", Market::UsdM), ("spot", Market::Spot)];
    let market = section.word("market", Market::UsdM, &markets, problems);
    let mut traded = Vec::new();
    for symbol in section.texts("symbols", problems) {
        let place = instruments
            .iter()
            .position(|one| one.market == market && one.symbol.as_str() == symbol);
        match place {
            Some(index) => traded.push(index),
            None => {
                let allowed = format!("symbols with an [[instrument]] of market {market}");
                section.reject("symbols", &allowed, problems);
            }
        }
    }
    if traded.is_empty() {
        traded = (0..instruments.len())
            .filter(|index| instruments[*index].market == market)
            .collect();
    }
    traded
}

/// Places of the symbols on which it opens nothing.
fn check_disabled(
    section: &mut Section<'_>,
    instruments: &[InstrumentKey],
    traded: &[usize],
    problems: &mut Vec<Problem>,
) -> Vec<usize> {
    let mut off = Vec::new();
    for symbol in section.texts("disabled_symbols", problems) {
        let place = traded
            .iter()
            .find(|index| instruments[**index].symbol.as_str() == symbol);
        match place {
            Some(index) if off.contains(index) => {
                section.reject("disabled_symbols", "each symbol once", problems);
            }
            Some(index) => off.push(*index),
            None => {
                let allowed = "symbols that the strategy trades";
                section.reject("disabled_symbols", allowed, problems);
            }
        }
    }
    off
}

fn check_imbalance(section: &mut Section<'_>, problems: &mut Vec<Problem>) -> ImbalanceSettings {
    let share = ("0.1", "1000");
    let bps = |value: i64| Rate(value / 10_000);
    let entries = [("maker", EntryStyle::Maker), ("taker", EntryStyle::Taker)];
    let flips = [
        ("exit", FlipPolicy::Exit),
        ("reverse", FlipPolicy::Reverse),
        ("hold", FlipPolicy::Hold),
    ];
    let partials = [
        ("complete", PartialEntry::Complete),
        ("keep", PartialEntry::Keep),
    ];
    let settings = ImbalanceSettings {
        buy_above: Rate(section.decimal("buy_above_ratio", "3", ("1.01", "1000"), problems)),
        sell_below: Rate(section.decimal("sell_below_ratio", "0.33", ("0.001", "0.99"), problems)),
        order_notional: Money(section.decimal(
            "order_notional_usdt",
            "1000",
            ("1", "1000000"),
            problems,
        )),
        take_profit: bps(section.decimal("take_profit_bps", "20", share, problems)),
        stop_loss: bps(section.decimal("stop_loss_bps", "15", share, problems)),
        signal_exit_after_ms: section.whole(
            "signal_exit_after_ms",
            5_000,
            (0, 3_600_000),
            problems,
        ),
        time_exit_after_ms: section.whole(
            "time_exit_after_ms",
            60_000,
            (100, 86_400_000),
            problems,
        ),
        cooldown_ms: section.whole("cooldown_ms", 1_000, (0, 3_600_000), problems),
        retry_after_ms: section.whole("retry_after_ms", 250, (0, 3_600_000), problems),
        entry: section.word("entry", EntryStyle::Maker, &entries, problems),
        reprice_ticks: section.whole("reprice_ticks", 1, (1, 10_000), problems),
        taker_collar: bps(section.decimal("taker_collar_bps", "5", ("0.1", "100"), problems)),
        on_flip: section.word("on_flip", FlipPolicy::Exit, &flips, problems),
        on_partial_entry: section.word(
            "on_partial_entry",
            PartialEntry::Complete,
            &partials,
            problems,
        ),
    };
    if settings.time_exit_after_ms <= settings.signal_exit_after_ms {
        section.reject(
            "time_exit_after_ms",
            "more than signal_exit_after_ms",
            problems,
        );
    }
    settings
}

fn check_dummy(section: &mut Section<'_>, problems: &mut Vec<Problem>) -> DummySettings {
    let settings = DummySettings {
        interval_ms: section.whole("interval_ms", 1_000, (10, 3_600_000), problems),
        rest_ms: section.whole("rest_ms", 500, (1, 3_600_000), problems),
        order_notional: Money(section.decimal(
            "order_notional_usdt",
            "200",
            ("1", "1000000"),
            problems,
        )),
        distance: Rate(section.decimal("distance_bps", "20", ("0", "500"), problems) / 10_000),
    };
    if settings.rest_ms >= settings.interval_ms {
        section.reject("rest_ms", "less than interval_ms", problems);
    }
    settings
}

//! Every limit of `[risk]`: key, unit, default, range, and which way lies danger. And the ceilings,
//! which bound the limits from outside of the configuration.
//!
//! In: `ceilings.toml`, which only root writes. Out: bounds that neither the configuration nor a
//! command passes. Never: a limit without a ceiling; without a file the table's own range holds.

use crate::keys::Catalogue;
use crate::written::{Problem, Section, SettingsError, parse};
use std::path::Path;

/// What a limit is counted in. The key says so too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// USDT, at most 8 decimals.
    Usdt,
    /// A share, or leverage.
    Ratio,
    /// Hundredths of a percent.
    BasisPoints,
    /// A number of things.
    Count,
    /// Milliseconds.
    Milliseconds,
    /// Seconds.
    Seconds,
}

/// Which values of a limit are the looser ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looser {
    /// Larger ones: a ceiling is the most.
    Larger,
    /// Smaller ones: a ceiling is the least.
    Smaller,
}

/// One limit of `[risk]`.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// Key, with its unit.
    pub key: &'static str,
    /// Unit.
    pub unit: Unit,
    /// Value when the key is left out.
    pub default: &'static str,
    /// Least value.
    pub low: &'static str,
    /// Largest value.
    pub high: &'static str,
    /// Which way lies danger.
    pub looser: Looser,
    /// The code of the denial, or the breaker, that it belongs to.
    pub guards: &'static str,
}

const fn at_most(
    key: &'static str,
    unit: Unit,
    default: &'static str,
    (low, high): (&'static str, &'static str),
    guards: &'static str,
) -> Limit {
    Limit {
        key,
        unit,
        default,
        low,
        high,
        looser: Looser::Larger,
        guards,
    }
}

const fn at_least(
    key: &'static str,
    unit: Unit,
    default: &'static str,
    range: (&'static str, &'static str),
    guards: &'static str,
) -> Limit {
    Limit {
        looser: Looser::Smaller,
        ..at_most(key, unit, default, range, guards)
    }
}

use Unit::{BasisPoints, Count, Milliseconds, Ratio, Seconds, Usdt};

/// Every limit of `[risk]`, in the order of the example. The high end of each range (of those
/// that guard from below, the low end) is the ceiling where no file sets another.
#[rustfmt::skip]
pub const LIMITS: &[Limit] = &[
    at_most("max_order_notional_usdt", Usdt, "5000", ("1", "10000000"), "NOTIONAL_EXCEEDS_MAXIMUM"),
    at_most("max_position_notional_usdt", Usdt, "10000", ("1", "10000000"), "POSITION_LIMIT"),
    at_most("max_exposure_ratio", Ratio, "0.25", ("0.001", "5"), "EXPOSURE_LIMIT"),
    at_most("max_gross_exposure_usdt", Usdt, "100000", ("1", "100000000"), "GROSS_EXPOSURE_LIMIT"),
    at_most("max_net_exposure_usdt", Usdt, "50000", ("1", "100000000"), "GROSS_EXPOSURE_LIMIT"),
    at_most("max_leverage_ratio", Ratio, "6", ("0.1", "20"), "LEVERAGE_LIMIT"),
    at_least("min_free_margin_ratio", Ratio, "0.1", ("0.01", "0.9"), "MARGIN_INSUFFICIENT"),
    at_least("min_liquidation_distance_ratio", Ratio, "0.1", ("0.02", "0.9"), "LIQUIDATION_NEAR"),
    at_most("max_open_orders", Count, "20", ("1", "200"), "OPEN_ORDERS_LIMIT"),
    at_most("max_open_orders_account", Count, "100", ("1", "1000"), "OPEN_ORDERS_LIMIT"),
    at_most("max_orders_per_10s", Count, "150", ("2", "290"), "RATE_LIMIT_EXCEEDED"),
    at_most("max_orders_per_minute", Count, "600", ("2", "1150"), "RATE_LIMIT_EXCEEDED"),
    at_least("reserved_share_ratio", Ratio, "0.2", ("0.05", "0.9"), "RATE_LIMIT_EXCEEDED"),
    at_most("price_collar_bps", BasisPoints, "100", ("1", "1000"), "PRICE_COLLAR"),
    at_most("max_price_drift_bps_per_minute", BasisPoints, "200", ("1", "5000"), "PRICE_COLLAR"),
    at_most("max_spread_bps", BasisPoints, "20", ("0.1", "1000"), "SPREAD_TOO_WIDE"),
    at_most("max_event_age_ms", Milliseconds, "1000", ("50", "10000"), "BOOK_STALE"),
    at_most("max_clock_age_ms", Milliseconds, "5000", ("500", "60000"), "CLOCK_UNSAFE"),
    at_most("max_clock_step_ms", Milliseconds, "500", ("10", "500"), "CLOCK_UNSAFE"),
    at_most("max_repeated_executions", Count, "20", ("1", "32"), "REPEATED_EXECUTION"),
    at_least("repeated_execution_window_s", Seconds, "60", ("1", "86400"), "REPEATED_EXECUTION"),
    at_most("max_trade_loss_usdt", Usdt, "100", ("0.01", "1000000"), "TRADE_LOSS"),
    at_most("daily_loss_usdt", Usdt, "500", ("0.01", "10000000"), "DAILY_LOSS"),
    at_most("drawdown_usdt", Usdt, "1000", ("0.01", "10000000"), "DRAWDOWN"),
    at_most("drawdown_smaller_ratio", Ratio, "0.05", ("0.001", "0.5"), "DRAWDOWN_LEVEL"),
    at_most("drawdown_less_leverage_ratio", Ratio, "0.1", ("0.001", "0.5"), "DRAWDOWN_LEVEL"),
    at_most("drawdown_stop_ratio", Ratio, "0.15", ("0.001", "0.5"), "DRAWDOWN_LEVEL"),
    at_most("drawdown_size_ratio", Ratio, "0.5", ("0.01", "1"), "DRAWDOWN_LEVEL"),
    at_most("drawdown_leverage_ratio", Ratio, "0.5", ("0.01", "1"), "DRAWDOWN_LEVEL"),
    at_most("max_loss_streak", Count, "20", ("1", "1000"), "LOSS_STREAK"),
    at_least("stop_cooldown_s", Seconds, "5", ("1", "86400"), "STOP_COOLDOWN"),
    at_most("max_rejects", Count, "20", ("1", "32"), "REJECT_RATE"),
    at_least("reject_window_s", Seconds, "60", ("1", "86400"), "REJECT_RATE"),
    at_most("max_errors", Count, "10", ("1", "32"), "ERROR_RATE"),
    at_least("error_window_s", Seconds, "60", ("1", "86400"), "ERROR_RATE"),
    at_most("slow_reply_ms", Milliseconds, "1000", ("1", "10000"), "LATENCY"),
    at_most("max_slow_replies", Count, "20", ("1", "32"), "LATENCY"),
    at_least("slow_reply_window_s", Seconds, "60", ("1", "86400"), "LATENCY"),
    at_most("max_clock_steps", Count, "3", ("1", "32"), "CLOCK_SKEW"),
    at_least("clock_step_window_s", Seconds, "600", ("1", "86400"), "CLOCK_SKEW"),
    at_most("max_feed_gaps", Count, "20", ("1", "32"), "FEED_GAPS"),
    at_least("feed_gap_window_s", Seconds, "60", ("1", "86400"), "FEED_GAPS"),
    at_most("max_mismatches", Count, "3", ("1", "32"), "MISMATCH_RATE"),
    at_least("mismatch_window_s", Seconds, "600", ("1", "86400"), "MISMATCH_RATE"),
    at_most("max_margin_ratio", Ratio, "0.5", ("0.01", "0.9"), "MARGIN_RATIO"),
];

impl Limit {
    /// The limit with this key.
    ///
    /// # Panics
    /// When there is none: keys are written by this crate.
    #[must_use]
    pub fn of(key: &str) -> (usize, &'static Self) {
        let found = LIMITS.iter().enumerate().find(|(_, one)| one.key == key);
        found.expect("a key of the table")
    }

    /// True for numbers without decimals.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        matches!(self.unit, Count | Milliseconds | Seconds)
    }

    /// Reads it from a section: whole numbers as they are, decimals in 1e-8.
    pub(crate) fn read(&self, section: &mut Section<'_>, problems: &mut Vec<Problem>) -> i64 {
        self.read_or(self.default, section, problems)
    }

    fn read_or(
        &self,
        default: &str,
        section: &mut Section<'_>,
        problems: &mut Vec<Problem>,
    ) -> i64 {
        if !self.is_whole() {
            return section.decimal(self.key, default, (self.low, self.high), problems);
        }
        let number = |text: &str| text.parse::<u64>().expect("the table's own numbers");
        let range = (number(self.low), number(self.high));
        let value = section.whole(self.key, number(default), range, problems);
        i64::try_from(value).unwrap_or(i64::MAX)
    }

    /// A value of its form in this table, as it is written.
    #[must_use]
    pub fn text(&self, value: i64) -> String {
        if self.is_whole() {
            return value.to_string();
        }
        let text = format!("{}.{:08}", value / 100_000_000, value % 100_000_000);
        text.trim_end_matches('0').trim_end_matches('.').to_string()
    }

    /// The end of its range on the loose side.
    const fn loosest(&self) -> &'static str {
        match self.looser {
            Looser::Larger => self.high,
            Looser::Smaller => self.low,
        }
    }
}

/// The loosest value of every limit: for this life of the process nothing passes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ceilings {
    /// By index of [`LIMITS`]: whole numbers as they are, decimals in 1e-8.
    values: Vec<i64>,
    /// As it is named to the operator.
    file: String,
}

impl Ceilings {
    /// The loose ends of all ranges.
    #[must_use]
    pub fn of_this_build() -> Self {
        let section = &mut Section::empty();
        let ends = LIMITS
            .iter()
            .map(|one| one.read_or(one.loosest(), section, &mut Vec::new()));
        Self {
            values: ends.collect(),
            file: "this build".to_string(),
        }
    }

    /// Reads `ceilings.toml`: the keys of `[risk]`, those that are to be bounded.
    ///
    /// # Errors
    /// [`SettingsError`] shows every problem with its line.
    pub fn read(path: &Path) -> Result<Self, SettingsError> {
        let file = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => Self::check(&file, &text),
            Err(source) => Err(SettingsError::Unreadable { file, source }),
        }
    }

    /// Checks the text of such a file.
    ///
    /// # Errors
    /// [`SettingsError`] shows every problem with its line.
    pub fn check(file: &str, text: &str) -> Result<Self, SettingsError> {
        let document = parse(file, text)?;
        let mut problems = Vec::new();
        let mut root = Section::root(text, document.as_table(), Catalogue::default());
        let mut section = root.section("risk", &mut problems);
        let values = LIMITS
            .iter()
            .map(|one| one.read_or(one.loosest(), &mut section, &mut problems))
            .collect();
        section.finish(&mut problems);
        root.finish(&mut problems);
        if problems.is_empty() {
            let file = file.to_string();
            return Ok(Self { values, file });
        }
        problems.sort_by_key(|one| one.line);
        Err(SettingsError::Invalid {
            file: file.to_string(),
            problems,
        })
    }

    /// The loosest value of the limit at `index` of [`LIMITS`].
    pub(crate) fn loosest_at(&self, index: usize) -> i64 {
        self.values[index]
    }

    /// Whether a limit may have a value, of its form in this table; whoever changes a limit asks.
    ///
    /// # Errors
    /// What is allowed, in words.
    pub fn allow(&self, key: &str, value: i64) -> Result<(), String> {
        let (index, limit) = Limit::of(key);
        let ceiling = self.values[index];
        let (passes, word) = match limit.looser {
            Looser::Larger => (value <= ceiling, "most"),
            Looser::Smaller => (value >= ceiling, "least"),
        };
        if passes {
            return Ok(());
        }
        let text = limit.text(ceiling);
        Err(format!("at {word} {text}, the ceiling of {}", self.file))
    }
}

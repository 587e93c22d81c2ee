//! Figures of a trading history, for the operator's process, backtests and research alike.
//!
//! In: closed trades, fills, equity samples, deposits and withdrawals, plain counts and durations.
//! Out: what they add up to (exact), ratios (f64), by group if wanted; operating figures beside
//! their targets; gates between phases of trading, and rules that stop it. Never: I/O, a clock, a
//! float for money, NaN or infinity: a figure that is not defined is `None`.
//!
//! The order of inputs never matters. Inputs have no ids, so nothing is taken out as a duplicate:
//! what is given twice counts twice. Of several equity samples at one moment the lowest counts.
//!
//! Ratios of daily returns follow the definitions of empyrical-reloaded and quantstats, which are
//! also their oracles (`tests/golden/`); each function says which, and what those libraries answer
//! where it answers `None`. A year has [`PERIODS_PER_YEAR`] days: this market never closes.
//!
//! ```
//! use market::{Money, UtcNs};
//! use statistics::{AccountFigures, EquitySample, Flow, day::DAY_NS};
//!
//! let midnight = |day: i64, usdt| EquitySample {
//!     time: UtcNs(day * DAY_NS),
//!     equity: Money::from_whole(usdt),
//! };
//! let deposit = Flow {
//!     time: UtcNs(DAY_NS + 1),
//!     amount: Money::from_whole(50),
//! };
//! let equity = [midnight(0, 1_000), midnight(1, 1_010), midnight(2, 1_055)];
//! let account = AccountFigures::of(&equity, &[deposit]);
//! assert_eq!(account.profit, Money::from_whole(5).into());
//! assert_eq!(account.positive_days, Some(0.5));
//! assert!(account.sharpe.is_some());
//! assert_eq!(AccountFigures::of(&equity[..1], &[]).sharpe, None);
//! ```
#![forbid(unsafe_code)]

pub mod account;
pub mod break_even;
pub mod daily;
pub mod day;
pub mod drawdown;
pub mod fills;
pub mod gates;
pub mod groups;
pub mod input;
pub mod line;
pub mod operating;
pub mod ratios;
pub mod report;
pub mod stops;
pub mod total;
pub mod trades;

mod curve;

pub use account::AccountFigures;
pub use break_even::{LegFees, PlannedTrade};
pub use daily::{DayResult, daily_results, returns_of, returns_on_capital};
pub use day::Day;
pub use drawdown::Drawdown;
pub use fills::{FillFigures, Markout, Slippage};
pub use gates::{CapitalStep, Gate, GateSettings, Phase, PhaseHistory, PhaseRequirements};
pub use groups::{Group, Grouping, fills_by, trades_by};
pub use input::{ClosedTrade, EquitySample, Fill, Flow, Horizon, MakerOrders, Mid};
pub use line::{Comparison, Line, Measure, Requirement};
pub use operating::{OperatingCounts, OperatingTargets};
pub use ratios::PERIODS_PER_YEAR;
pub use report::{History, Report};
pub use stops::{StopLine, StopSettings};
pub use total::Total;
pub use trades::{HoldTime, TradeFigures};

//! What the engine is told once, at start-up, in market units.
//!
//! In: plain numbers from settings and the exchange's instrument table. Out: [`EngineConfig`].
//! Never: a change while running, but of limits and of strategies' parameters, which come as inputs
//! ([`crate::event::Input::Strategy`], [`crate::event::Input::Configure`]); anything else is a new
//! engine.

use crate::book::BookConfig;
use crate::strategy::dummy::DummyParameters;
use crate::strategy::imbalance::ImbalanceParameters;
use market::ids::Asset;
use market::{Instrument, InstrumentId, Money, Rate, wire_struct, wire_union};

/// Most instruments of one engine.
pub const INSTRUMENTS_MAX: usize = 64;

/// Most strategies of one engine.
pub const STRATEGIES_MAX: usize = 32;

/// Everything that fixes the engine's behaviour.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// The start-up table; `instruments[i].id` is `i`. At most [`INSTRUMENTS_MAX`].
    pub instruments: Vec<Instrument>,
    /// Sizes of every book.
    pub book: BookConfig,
    /// How signals are taken from books.
    pub signal: SignalConfig,
    /// Who trades; a strategy's id is its index. At most [`STRATEGIES_MAX`].
    pub strategies: Vec<StrategyConfig>,
    /// Limits.
    pub risk: RiskConfig,
    /// Fee rates, for figures and for fees in an asset that cannot be converted.
    pub fees: FeeConfig,
    /// Order life.
    pub orders: OrdersConfig,
    /// ACTIVE at once after reconciliation, or HALTED until the operator's `start`.
    pub start_active: bool,
    /// What the first start on an account does when it has positions or orders.
    pub first_start: FirstStart,
    /// The asset that profits and fees are counted in.
    pub quote_asset: Asset,
}

/// How signals are taken from books.
#[derive(Clone, Copy, Debug)]
pub struct SignalConfig {
    /// Levels of each side in the imbalance.
    pub levels: usize,
    /// Age of the last book change at which the signal is no longer valid.
    pub stale_after_ns: u64,
}

/// One strategy and what it trades.
#[derive(Clone, Debug)]
pub struct StrategyConfig {
    /// Name in logs and labels.
    pub name: String,
    /// What it trades.
    pub instruments: Vec<InstrumentId>,
    /// Which strategy, with its parameters.
    pub parameters: StrategyParameters,
}

wire_union! {
    /// The strategies that exist.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum StrategyParameters {
        /// Follows the order book imbalance.
        Imbalance(ImbalanceParameters) = 1,
        /// Exercises the order path.
        Dummy(DummyParameters) = 2,
    }
}

wire_struct! {
    /// So many in such a time; at most [`crate::risk::INCIDENTS_MAX`].
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Frequency {
        /// How many.
        pub count: u32,
        /// In which time.
        pub window_ns: u64,
    }
}

impl Frequency {
    const fn new(count: u32, window_s: u64) -> Self {
        Self {
            count,
            window_ns: window_s * 1_000_000_000,
        }
    }
}

/// Most bytes of encoded limits.
pub const RISK_BYTES_MAX: usize = 512;

wire_struct! {
    /// Limits of the pre-trade controls and of the breakers. 0 never means "no limit".
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct RiskConfig {
        /// Largest quantity of one order, in lots of each instrument; `None`: the exchange's filter.
        pub order_quantity_max: Option<market::Quantity>,
        /// Largest notional of one order.
        pub order_notional_max: Money,
        /// Largest position of one instrument with all its open orders of one side, in lots.
        pub position_quantity_max: Option<market::Quantity>,
        /// The same as a notional.
        pub position_notional_max: Money,
        /// Most open orders of one instrument.
        pub open_orders_max: u32,
        /// Most open orders of the account.
        pub open_orders_account_max: u32,
        /// Messages (new, amend, cancel) in any 10 seconds.
        pub orders_per_10s_max: u32,
        /// Messages in any minute.
        pub orders_per_minute_max: u32,
        /// Share of both budgets that only cancels and reducing orders may use.
        pub reserved_share: Rate,
        /// Largest distance of a price from mid and from mark, as a share.
        pub collar: Rate,
        /// Widest spread at which entries are made, as a share of mid.
        pub spread_max: Rate,
        /// Loss since the trade day began, realised and unrealised, fees included.
        pub daily_loss_max: Money,
        /// Fall of equity from its high-water mark.
        pub drawdown_max: Money,
        /// Hour, UTC, at which the trade day begins (0..24).
        pub day_starts_at_hour_utc: u8,
        /// Age of market data, by the exchange's event time, at which no entry is made on it.
        pub event_age_max_ns: u64,
        /// Age of the last clock sample at which no entry is made.
        pub clock_age_max_ns: u64,
        /// How far a clock sample may be from the one before and the time since; and how far an
        /// event time may be ahead of the exchange's time as we know it.
        pub clock_step_max_ns: u64,
        /// Largest worst-case position of one instrument as a share of equity.
        pub exposure_share_max: Rate,
        /// Largest sum of all positions and of all open orders that may add to them.
        pub gross_exposure_max: Money,
        /// Largest difference between what is long and what is short, in the worst case.
        pub net_exposure_max: Money,
        /// Gross exposure over equity, in 1e-8.
        pub leverage_max: Rate,
        /// Share of equity that stays free of margin, at the leverage cap.
        pub free_margin_min: Rate,
        /// Least distance of the mark price from liquidation, as a share.
        pub liquidation_distance_min: Rate,
        /// Fastest movement of the price that the collar follows, as a share a minute.
        pub price_drift_max: Rate,
        /// Executions of one signal after which its strategy is latched off.
        pub repeated_executions: Frequency,
        /// Loss of one trade, fees included, that closes it.
        pub trade_loss_max: Money,
        /// Pause of an instrument after a stop.
        pub stop_cooldown_ns: u64,
        /// Fall from the high-water mark as a share of it: smaller orders, less leverage, no entries.
        pub drawdown_levels: [Rate; 3],
        /// Size of orders from the first level on.
        pub drawdown_size: Rate,
        /// Share of the leverage cap that is left from the second level on.
        pub drawdown_leverage: Rate,
        /// Losing trades in a row.
        pub loss_streak_max: u32,
        /// Orders that the exchange refused; refused post-only orders do not count.
        pub rejects: Frequency,
        /// Requests whose outcome is not known.
        pub errors: Frequency,
        /// Replies that took longer than `reply_slow_ns`.
        pub slow_replies: Frequency,
        /// A reply is slow from here on.
        pub reply_slow_ns: u64,
        /// Clock samples that did not fit to the one before.
        pub clock_steps: Frequency,
        /// Gaps in the market data of all instruments.
        pub feed_gaps: Frequency,
        /// Positions that differed from the exchange's beyond the grace.
        pub mismatches: Frequency,
        /// Maintenance margin over margin balance.
        pub margin_ratio_max: Rate,
        /// Breakers that tell what they would do, and do nothing: a set of [`market::Breaker::bit`].
        pub dry_breakers: u32,
    }
}

/// Fee rates.
#[derive(Clone, Copy, Debug)]
pub struct FeeConfig {
    /// Resting.
    pub maker: Rate,
    /// Aggressing.
    pub taker: Rate,
}

/// Order life: ids, table, time limits.
#[derive(Clone, Debug)]
pub struct OrdersConfig {
    /// Our prefix of client ids: at most 16 ASCII letters or digits.
    pub client_id_prefix: String,
    /// Durable number of this start; ids of two starts never meet (I2).
    pub client_id_epoch: u32,
    /// Orders that the table remembers, live and final; a power of two.
    pub capacity: usize,
    /// The window in which the exchange may still accept a request (I4).
    pub recv_window_ns: u64,
    /// A request without reply becomes UNKNOWN after this time.
    pub reply_timeout_ns: u64,
    /// What happens to own open orders that a start finds.
    pub open_orders_at_start: OpenOrdersAtStart,
    /// What happens to open orders of others.
    pub external_orders: ExternalOrders,
    /// A resting order that is wanted otherwise is amended where the market has a request for it
    /// (futures), and cancelled and placed anew elsewhere.
    pub amend: bool,
}

/// What happens to own open orders that a start finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenOrdersAtStart {
    /// They are cancelled.
    Cancel,
    /// They go on under the engine's care.
    Adopt,
}

/// What the first start on an account does when it has positions or orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstStart {
    /// HALTED until a person has decided.
    Refuse,
    /// They are ours from now on.
    Adopt,
    /// They are left to their owner: positions are an opening that is not ours.
    Ignore,
}

/// What happens to open orders of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExternalOrders {
    /// They are shown and left alone.
    Ignore,
    /// They are cancelled.
    Cancel,
}

impl EngineConfig {
    /// A configuration for `instruments` with the default limits and nobody trading.
    #[must_use]
    pub fn new(instruments: Vec<Instrument>) -> Self {
        Self {
            instruments,
            book: BookConfig::default(),
            signal: SignalConfig::default(),
            strategies: Vec::new(),
            risk: RiskConfig::default(),
            fees: FeeConfig::default(),
            orders: OrdersConfig::default(),
            start_active: true,
            first_start: FirstStart::Refuse,
            quote_asset: Asset::new(b"USDT").expect("four ASCII bytes"),
        }
    }

    /// Hash of everything in here: a checkpoint of another configuration is refused. What the
    /// engine does not see, such as how its bytes come and go, makes no difference.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let mut hash = crate::hash::RollingHash::default();
        hash.bytes(format!("{self:?}").as_bytes());
        hash.value()
    }
}

impl Default for SignalConfig {
    fn default() -> Self {
        Self {
            levels: 5,
            stale_after_ns: 3_000_000_000,
        }
    }
}

impl Default for RiskConfig {
    fn default() -> Self {
        Self {
            order_quantity_max: None,
            order_notional_max: Money::from_whole(5_000),
            position_quantity_max: None,
            position_notional_max: Money::from_whole(10_000),
            open_orders_max: 20,
            open_orders_account_max: 100,
            orders_per_10s_max: 150,
            orders_per_minute_max: 600,
            reserved_share: Rate(20_000_000),
            collar: Rate(1_000_000),
            spread_max: Rate(200_000),
            daily_loss_max: Money::from_whole(500),
            drawdown_max: Money::from_whole(1_000),
            day_starts_at_hour_utc: 0,
            event_age_max_ns: 1_000_000_000,
            clock_age_max_ns: 5_000_000_000,
            clock_step_max_ns: 500_000_000,
            exposure_share_max: Rate(25_000_000),
            gross_exposure_max: Money::from_whole(100_000),
            net_exposure_max: Money::from_whole(50_000),
            leverage_max: Rate(600_000_000),
            free_margin_min: Rate(10_000_000),
            liquidation_distance_min: Rate(10_000_000),
            price_drift_max: Rate(2_000_000),
            repeated_executions: Frequency::new(20, 60),
            trade_loss_max: Money::from_whole(100),
            stop_cooldown_ns: 5_000_000_000,
            drawdown_levels: [Rate(5_000_000), Rate(10_000_000), Rate(15_000_000)],
            drawdown_size: Rate(50_000_000),
            drawdown_leverage: Rate(50_000_000),
            loss_streak_max: 20,
            rejects: Frequency::new(20, 60),
            errors: Frequency::new(10, 60),
            slow_replies: Frequency::new(20, 60),
            reply_slow_ns: 1_000_000_000,
            clock_steps: Frequency::new(3, 600),
            feed_gaps: Frequency::new(20, 60),
            mismatches: Frequency::new(3, 600),
            margin_ratio_max: Rate(50_000_000),
            dry_breakers: 0,
        }
    }
}

impl Default for FeeConfig {
    fn default() -> Self {
        Self {
            maker: Rate(20_000),
            taker: Rate(50_000),
        }
    }
}

impl Default for OrdersConfig {
    fn default() -> Self {
        Self {
            client_id_prefix: "fu".to_string(),
            client_id_epoch: 0,
            capacity: 1_024,
            recv_window_ns: 1_000_000_000,
            reply_timeout_ns: 3_000_000_000,
            open_orders_at_start: OpenOrdersAtStart::Cancel,
            external_orders: ExternalOrders::Ignore,
            amend: true,
        }
    }
}

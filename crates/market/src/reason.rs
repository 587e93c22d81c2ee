//! Closed lists of reasons and states: one word each, the same in code, log, metric and API.
//!
//! In: nothing. Out: the enums of the safety catalogue. Never: free text.

use crate::wire_enum;

wire_enum! {
    /// What the engine may do at all. Ordered from free to locked.
    pub enum TradingState {
        /// May open positions.
        Active = "ACTIVE",
        /// Only orders that cannot increase the position.
        Reducing = "REDUCING",
        /// No new orders; cancels pass.
        Halted = "HALTED",
        /// Latched until a local operator clears it.
        Killed = "KILLED",
    }
}

wire_enum! {
    /// Why the trading state changed.
    pub enum StateReason {
        /// Start-up: HALTED until reconciled (I23).
        Startup = "STARTUP",
        /// Open orders, positions and balances agree with the exchange.
        Reconciled = "RECONCILED",
        /// A verb of the operator.
        Operator = "OPERATOR",
        /// Daily loss limit.
        DailyLoss = "DAILY_LOSS",
        /// Drawdown limit.
        Drawdown = "DRAWDOWN",
        /// The journal is filling up.
        JournalFull = "JOURNAL_FULL",
        /// Control is gone beyond its grace.
        ControlLost = "CONTROL_LOST",
        /// An unexplained difference with the exchange is open.
        PositionMismatch = "POSITION_MISMATCH",
        /// The start is configured to wait for the operator.
        NotArmed = "NOT_ARMED",
        /// The process is stopping.
        Stopping = "STOPPING",
        /// Fall from the high-water mark as a share of it.
        DrawdownLevel = "DRAWDOWN_LEVEL",
        /// Losing trades in a row.
        LossStreak = "LOSS_STREAK",
        /// The exchange refused too many orders.
        RejectRate = "REJECT_RATE",
        /// Too many requests whose outcome is not known.
        ErrorRate = "ERROR_RATE",
        /// Too many slow replies.
        Latency = "LATENCY",
        /// Too many steps of the exchange's clock.
        ClockSkew = "CLOCK_SKEW",
        /// Too many gaps in the market data.
        FeedGaps = "FEED_GAPS",
        /// Positions differed from the exchange's too often.
        MismatchRate = "MISMATCH_RATE",
        /// Maintenance margin as a share of the margin balance.
        MarginRatio = "MARGIN_RATIO",
        /// The first start on an account that has positions or orders, which the policy refuses.
        FirstStart = "FIRST_START",
        /// Another process trades the account with our ids.
        SecondInstance = "SECOND_INSTANCE",
    }
}

wire_enum! {
    /// The breakers of the account and the limits of a trade.
    pub enum Breaker {
        /// Loss of the trade day; latched.
        DailyLoss = "DAILY_LOSS",
        /// Fall from the high-water mark, absolute; latched.
        Drawdown = "DRAWDOWN",
        /// Fall from the high-water mark as a share of it: smaller, less leverage, and at the last
        /// level no entries; latched.
        DrawdownLevel = "DRAWDOWN_LEVEL",
        /// Losing trades in a row; latched.
        LossStreak = "LOSS_STREAK",
        /// Orders that the exchange refused; latched.
        RejectRate = "REJECT_RATE",
        /// Requests whose outcome is not known; latched.
        ErrorRate = "ERROR_RATE",
        /// Slow replies; latched.
        Latency = "LATENCY",
        /// Steps of the exchange's clock; latched.
        ClockSkew = "CLOCK_SKEW",
        /// Gaps in the market data; latched.
        FeedGaps = "FEED_GAPS",
        /// Positions that differed from the exchange's; latched.
        MismatchRate = "MISMATCH_RATE",
        /// Maintenance margin as a share of the margin balance; latched.
        MarginRatio = "MARGIN_RATIO",
        /// Loss of one trade: closes it.
        TradeLoss = "TRADE_LOSS",
        /// Executions of one signal: latches its strategy off.
        RepeatedExecution = "REPEATED_EXECUTION",
        /// Pause of an instrument after a stop.
        StopCooldown = "STOP_COOLDOWN",
    }
}

impl Breaker {
    /// Its bit in a set.
    #[must_use]
    pub const fn bit(self) -> u32 {
        1 << self as u32
    }

    /// Why the trading state is what it is while this breaker is latched; `None` for those that
    /// leave the trading state alone.
    #[must_use]
    pub const fn state_reason(self) -> Option<StateReason> {
        Some(match self {
            Self::DailyLoss => StateReason::DailyLoss,
            Self::Drawdown => StateReason::Drawdown,
            Self::DrawdownLevel => StateReason::DrawdownLevel,
            Self::LossStreak => StateReason::LossStreak,
            Self::RejectRate => StateReason::RejectRate,
            Self::ErrorRate => StateReason::ErrorRate,
            Self::Latency => StateReason::Latency,
            Self::ClockSkew => StateReason::ClockSkew,
            Self::FeedGaps => StateReason::FeedGaps,
            Self::MismatchRate => StateReason::MismatchRate,
            Self::MarginRatio => StateReason::MarginRatio,
            Self::TradeLoss | Self::RepeatedExecution | Self::StopCooldown => return None,
        })
    }
}

wire_enum! {
    /// Why risk refused an order: the codes of the safety catalogue.
    pub enum DenialCode {
        /// Not on the allow-list, not TRADING, or stale filters.
        InstrumentNotTradable = "INSTRUMENT_NOT_TRADABLE",
        /// Price off the tick grid or outside the exchange's range.
        FilterPrice = "FILTER_PRICE",
        /// Quantity off the lot grid or outside the exchange's range.
        FilterLot = "FILTER_LOT",
        /// Notional under the exchange's minimum.
        NotionalBelowMinimum = "NOTIONAL_BELOW_MINIMUM",
        /// Too far from mid or mark.
        PriceCollar = "PRICE_COLLAR",
        /// Over the largest order quantity.
        QuantityExceedsMaximum = "QUANTITY_EXCEEDS_MAXIMUM",
        /// Over the largest order notional.
        NotionalExceedsMaximum = "NOTIONAL_EXCEEDS_MAXIMUM",
        /// Position plus open orders of the side would pass the limit.
        PositionLimit = "POSITION_LIMIT",
        /// Share of equity in one instrument.
        ExposureLimit = "EXPOSURE_LIMIT",
        /// Gross or net exposure.
        GrossExposureLimit = "GROSS_EXPOSURE_LIMIT",
        /// Leverage cap.
        LeverageLimit = "LEVERAGE_LIMIT",
        /// Free margin.
        MarginInsufficient = "MARGIN_INSUFFICIENT",
        /// Too near to liquidation.
        LiquidationNear = "LIQUIDATION_NEAR",
        /// Open order count.
        OpenOrdersLimit = "OPEN_ORDERS_LIMIT",
        /// Message throttle.
        RateLimitExceeded = "RATE_LIMIT_EXCEEDED",
        /// A live or unknown order for the same intent.
        DuplicateIntent = "DUPLICATE_INTENT",
        /// Would cross an own order.
        SelfTrade = "SELF_TRADE",
        /// N executions of one signal in T.
        RepeatedExecution = "REPEATED_EXECUTION",
        /// The book is not synced.
        BookUnsynced = "BOOK_UNSYNCED",
        /// The book is stale.
        BookStale = "BOOK_STALE",
        /// The book is crossed.
        BookCrossed = "BOOK_CROSSED",
        /// The spread is too wide.
        SpreadTooWide = "SPREAD_TOO_WIDE",
        /// The top of the book comes near the edge of what is known.
        BookEdge = "BOOK_EDGE",
        /// The user stream is down.
        StreamDown = "STREAM_DOWN",
        /// Reconciling after a reconnect.
        StreamReconciling = "STREAM_RECONCILING",
        /// The clock is not safe.
        ClockUnsafe = "CLOCK_UNSAFE",
        /// The exchange banned us.
        ApiBanned = "API_BANNED",
        /// Announced maintenance.
        VenueMaintenance = "VENUE_MAINTENANCE",
        /// The journal is over its threshold.
        JournalFull = "JOURNAL_FULL",
        /// Control is gone beyond its grace.
        ControlLost = "CONTROL_LOST",
        /// Would increase the position while REDUCING.
        TradingReducing = "TRADING_REDUCING",
        /// No new orders while HALTED.
        TradingHalted = "TRADING_HALTED",
        /// The kill latch is set.
        KillLatched = "KILL_LATCHED",
        /// Daily loss limit.
        DailyLossLimit = "DAILY_LOSS_LIMIT",
        /// Drawdown limit.
        DrawdownLimit = "DRAWDOWN_LIMIT",
        /// Last level of the drawdown.
        DrawdownLevelLimit = "DRAWDOWN_LEVEL_LIMIT",
        /// Losing trades in a row.
        LossStreakLimit = "LOSS_STREAK_LIMIT",
        /// Orders that the exchange refused.
        RejectRateLimit = "REJECT_RATE_LIMIT",
        /// Requests whose outcome is not known.
        ErrorRateLimit = "ERROR_RATE_LIMIT",
        /// Slow replies.
        LatencyLimit = "LATENCY_LIMIT",
        /// Steps of the exchange's clock.
        ClockSkewLimit = "CLOCK_SKEW_LIMIT",
        /// Gaps in the market data.
        FeedGapsLimit = "FEED_GAPS_LIMIT",
        /// A difference with the exchange is open, or there were too many.
        PositionMismatch = "POSITION_MISMATCH",
        /// Maintenance margin.
        MarginRatioLimit = "MARGIN_RATIO_LIMIT",
        /// The instrument rests after a stop.
        StopCooldown = "STOP_COOLDOWN",
    }
}

impl DenialCode {
    /// The code of an order that would increase while the state is REDUCING for `reason`.
    #[must_use]
    pub const fn while_reducing(reason: StateReason) -> Self {
        match reason {
            StateReason::DailyLoss => Self::DailyLossLimit,
            StateReason::Drawdown => Self::DrawdownLimit,
            StateReason::DrawdownLevel => Self::DrawdownLevelLimit,
            StateReason::LossStreak => Self::LossStreakLimit,
            StateReason::RejectRate => Self::RejectRateLimit,
            StateReason::ErrorRate => Self::ErrorRateLimit,
            StateReason::Latency => Self::LatencyLimit,
            StateReason::ClockSkew => Self::ClockSkewLimit,
            StateReason::FeedGaps => Self::FeedGapsLimit,
            StateReason::MismatchRate | StateReason::PositionMismatch => Self::PositionMismatch,
            StateReason::MarginRatio => Self::MarginRatioLimit,
            StateReason::JournalFull => Self::JournalFull,
            StateReason::ControlLost => Self::ControlLost,
            StateReason::Startup
            | StateReason::Reconciled
            | StateReason::Operator
            | StateReason::NotArmed
            | StateReason::FirstStart
            | StateReason::SecondInstance
            | StateReason::Stopping => Self::TradingReducing,
        }
    }
}

wire_enum! {
    /// Why a strategy had a look and did nothing.
    pub enum NonAction {
        /// The signal lies between the thresholds.
        SignalNeutral = "SIGNAL_NEUTRAL",
        /// The signal is not valid: the book is not synced.
        SignalBookUnsynced = "SIGNAL_BOOK_UNSYNCED",
        /// The signal is not valid: no fresh data.
        SignalStale = "SIGNAL_STALE",
        /// The signal is not valid: crossed or locked book.
        SignalCrossed = "SIGNAL_CROSSED",
        /// The signal is not valid: its levels reach past the known range.
        SignalBookEdge = "SIGNAL_BOOK_EDGE",
        /// The signal is not valid: fewer levels than it needs.
        SignalThin = "SIGNAL_THIN",
        /// Waiting after a trade.
        Cooldown = "COOLDOWN",
        /// A position is held and no exit is due.
        HoldingPosition = "HOLDING_POSITION",
        /// An order of the strategy is live and as wanted.
        OrderWorking = "ORDER_WORKING",
        /// A request is under way or its fate unknown.
        RequestPending = "REQUEST_PENDING",
        /// The trading state forbids entries.
        NotActive = "NOT_ACTIVE",
        /// The streams are not both live.
        StreamsNotReady = "STREAMS_NOT_READY",
        /// The strategy is latched off.
        StrategyLatched = "STRATEGY_LATCHED",
        /// The order would be smaller than the exchange's minimum.
        SizeTooSmall = "SIZE_TOO_SMALL",
        /// A sell without a position, where the market knows no short positions.
        ShortNotAllowed = "SHORT_NOT_ALLOWED",
        /// Waiting after the exchange refused an order.
        RejectBackoff = "REJECT_BACKOFF",
        /// Waiting after risk denied the same order; the denial itself is counted once.
        DeniedRecently = "DENIED_RECENTLY",
        /// The strategy is switched off, everywhere or on this instrument.
        StrategyDisabled = "STRATEGY_DISABLED",
    }
}

wire_enum! {
    /// Life of a book.
    pub enum BookState {
        /// Nothing received.
        Empty = "EMPTY",
        /// Diffs are held until a snapshot bridges.
        Buffering = "BUFFERING",
        /// Usable.
        Synced = "SYNCED",
        /// Was synced; a gap, cross, rewind or parse error made it unusable (I8).
        Stale = "STALE",
    }
}

wire_enum! {
    /// Why a book changed its state.
    pub enum BookReason {
        /// First data.
        FirstData = "FIRST_DATA",
        /// A snapshot bridged.
        SnapshotBridged = "SNAPSHOT_BRIDGED",
        /// The snapshot is older than the first held diff, or cannot be joined.
        SnapshotTooOld = "SNAPSHOT_TOO_OLD",
        /// A gap in the ids.
        Gap = "GAP",
        /// Ids went back.
        Rewind = "REWIND",
        /// Best bid at or above best ask.
        Crossed = "CROSSED",
        /// A message could not be parsed.
        ParseError = "PARSE_ERROR",
        /// The stream disconnected.
        Disconnected = "DISCONNECTED",
        /// No data for too long.
        TimedOut = "TIMED_OUT",
        /// The hold for diffs before the snapshot is full.
        BufferFull = "BUFFER_FULL",
    }
}

wire_enum! {
    /// Why a trade was closed.
    pub enum ExitReason {
        /// Profit target.
        TakeProfit = "TAKE_PROFIT",
        /// Stop.
        StopLoss = "STOP_LOSS",
        /// The signal turned.
        Signal = "SIGNAL",
        /// Too old.
        Time = "TIME",
        /// Operator, stop policy, kill.
        Operator = "OPERATOR",
        /// The exchange.
        Venue = "VENUE",
        /// The trade lost more than one trade may.
        TradeLoss = "TRADE_LOSS",
        /// The stop that lies at the exchange.
        ProtectiveStop = "PROTECTIVE_STOP",
    }
}

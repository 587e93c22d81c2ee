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
    }
}

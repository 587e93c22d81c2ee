//! State pages: what the hot path shows of itself, one page an instrument and one for the account.
//!
//! In: the engine's state, copied when dirty. Out: fixed encodings for a seqlock. Never: a
//! decision; nobody trades on a page.

use crate::event::Level;
use crate::ids::{InstrumentId, Symbol, UpdateId};
use crate::instrument::{Market, Step};
use crate::reason::{BookState, NonAction, StateReason, TradingState};
use crate::units::{Money, MonoNs, Price, Quantity, UtcNs};
use crate::wire_struct;

/// Most bytes of one encoded page.
pub const PAGE_BYTES_MAX: usize = 1024;

wire_struct! {
    /// One instrument.
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub struct InstrumentPage {
        /// Index.
        pub instrument: InstrumentId,
        /// Futures or spot.
        pub market: Market,
        /// Symbol.
        pub symbol: Symbol,
        /// Tick.
        pub tick: Step,
        /// Lot.
        pub lot: Step,
        /// Book state.
        pub book_state: BookState,
        /// Book version.
        pub update_id: UpdateId,
        /// When the book changed last.
        pub book_time: MonoNs,
        /// Best bid; quantity 0 without.
        pub bid: Level,
        /// Best ask; quantity 0 without.
        pub ask: Level,
        /// Imbalance ratio over the top levels at the last decision; NaN while invalid.
        pub imbalance_ratio: f64,
        /// Why it was invalid then; none while it is valid, or before the first decision.
        pub no_signal: Option<NonAction>,
        /// Mark price; 0 without.
        pub mark: Price,
        /// Signed position.
        pub position: Quantity,
        /// Cost of the position in ticks times lots, signed.
        pub cost_tick_lots: i128,
        /// Realised profit before fees.
        pub realized: Money,
        /// Unrealised profit on mark (mid where there is no mark).
        pub unrealized: Money,
        /// Fees paid.
        pub fees: Money,
        /// Open orders of ours.
        pub orders_open: u32,
        /// Orders of ours with unknown fate.
        pub orders_unknown: u32,
        /// Orders sent since start.
        pub orders_sent: u64,
        /// Fills since start.
        pub fills: u64,
        /// Finished trades that won after fees.
        pub trades_won: u64,
        /// Finished trades.
        pub trades_closed: u64,
        /// Gaps since the first sync.
        pub book_gaps: u64,
        /// Resyncs since the first sync.
        pub book_resyncs: u64,
        /// Price at which a stop at the exchange closes the position; 0 without one.
        pub protective_stop: Price,
        /// What the account holds beside us: somebody else's, signed.
        pub opening: Quantity,
        /// Nothing about the market's orders and positions is in doubt.
        pub reconciled: bool,
    }
}

wire_struct! {
    /// The account and the engine as a whole.
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub struct AccountPage {
        /// Trading state.
        pub trading_state: TradingState,
        /// Why.
        pub reason: StateReason,
        /// Last input stepped.
        pub input_sequence: u64,
        /// Engine time of it.
        pub time: MonoNs,
        /// UTC of it; 0 before the first clock sample.
        pub utc: UtcNs,
        /// Rolling output hash.
        pub output_hash: u64,
        /// Wallet balance as the exchange states it, plus fills since.
        pub wallet: Money,
        /// Wallet plus unrealised profit.
        pub equity: Money,
        /// Realised profit since start, before fees.
        pub realized: Money,
        /// Unrealised profit.
        pub unrealized: Money,
        /// Fees paid since start.
        pub fees: Money,
        /// Funding received since start; negative where it was paid.
        pub funding: Money,
        /// Largest fall from the high-water mark as a share of it, in 1e-8.
        pub drawdown: crate::units::Rate,
        /// Orders with unknown fate since start.
        pub unknown_ever: u64,
        /// Orders with unknown fate now.
        pub unknown_now: u32,
        /// Open orders now.
        pub orders_open: u32,
        /// True while the market streams are live.
        pub market_stream_up: bool,
        /// True while the user stream is live.
        pub user_stream_up: bool,
        /// True once reconciled with the exchange.
        pub reconciled: bool,
        /// Sum of the absolute values of all positions.
        pub gross_notional: Money,
        /// Sum of their values, signed.
        pub net_notional: Money,
        /// Balances that were not told, for more assets are held than are followed.
        pub balances_untold: u64,
        /// Orders of earlier starts that are being cancelled and whose end is not known yet.
        pub orders_inherited: u32,
        /// Strategies that are latched off, by bit.
        pub strategies_latched: u32,
        /// Version of the configuration that the engine has taken; 0 before the first.
        pub config_version: u64,
        /// First eight bytes of its SHA-256.
        pub config_hash: u64,
    }
}

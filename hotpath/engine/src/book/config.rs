//! Sizes and limits of one book, fixed at start-up.
//!
//! In: settings. Out: [`BookConfig`], [`BookStats`]. Never: a change while trading.

/// Sizes and limits of one book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BookConfig {
    /// Ticks of each side's window; a power of two, at least 256.
    pub window_ticks: usize,
    /// Levels outside of the window that each side can keep.
    pub far_levels_max: usize,
    /// Differences that can be held while a snapshot is under way.
    pub held_updates_max: usize,
    /// Levels of all held differences together.
    pub held_levels_max: usize,
    /// Whether bookTicker refines the top between differences.
    pub fusion: bool,
    /// A snapshot that was asked for and did not come is asked for again after this time.
    pub snapshot_retry_ns: u64,
    /// A synced book asks for a wider view at most once in this time.
    pub refresh_interval_ns: u64,
}

impl Default for BookConfig {
    fn default() -> Self {
        Self {
            window_ticks: 1 << 16,
            far_levels_max: 8_192,
            held_updates_max: 512,
            held_levels_max: 16_384,
            fusion: true,
            snapshot_retry_ns: 10_000_000_000,
            refresh_interval_ns: 5_000_000_000,
        }
    }
}

market::wire_struct! {
    /// What happened to one book since start-up.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct BookStats {
        /// Differences whose content entered the book.
        pub applied: u64,
        /// Differences ignored as older than the snapshot or already applied.
        pub ignored: u64,
        /// Chains of ids that broke, before and after the first sync.
        pub gaps: u64,
        /// Times that the book became usable.
        pub syncs: u64,
        /// Snapshots merged under the running book.
        pub refreshes: u64,
        /// Snapshots that could not be joined.
        pub snapshots_rejected: u64,
        /// Differences dropped from a full hold.
        pub held_dropped: u64,
        /// Far levels for which there was no room; the known range shrank to what is kept.
        pub far_dropped: u64,
        /// Tickers newer than the book, shown over it.
        pub tickers_fused: u64,
        /// Tickers with the book's own version.
        pub tickers_equal: u64,
        /// Of those, tickers that disagreed with the book.
        pub tickers_unequal: u64,
        /// Tickers without two sane sides.
        pub tickers_refused: u64,
    }
}

//! Every metric that this project knows: name, kind, help.
//!
//! In: a family's name. Out: its line. Never: a metric without a sentence.

use super::Kind;
use super::Kind::{Counter, Gauge, Histogram, Info};

/// Name without prefix and `_total`, kind, help.
#[rustfmt::skip]
pub(super) const CATALOGUE: &[(&str, Kind, &str)] = &[
    ("build_info", Info, "Build of each process"),
    ("config_info", Info, "Configuration in force and the one expected"),
    ("mode_info", Info, "Mode, venue and account"),
    ("trading_state", Gauge, "1 for the present trading state"),
    ("invariant_violations", Counter, "Broken invariants of the safety catalogue"),
    ("breaker_tripped", Gauge, "1 for each breaker that is latched, and for what else holds the trading state"),
    ("unclean_restarts", Counter, "Ends of a process without its own word, each followed by a start"),
    ("hot_allocations", Counter, "Allocations and frees on hot threads after start"),
    ("page_faults", Counter, "Page faults of the hot path"),
    ("involuntary_context_switches", Counter, "Times a hot thread lost its core"),
    ("ws_connected", Gauge, "1 while the connection is open"),
    ("ws_reconnects", Counter, "Ended connections"),
    ("ws_messages", Counter, "Messages received"),
    ("ws_received_bytes", Counter, "Bytes received"),
    ("parse_errors", Counter, "Messages that could not be read"),
    ("stream_last_message_timestamp_seconds", Gauge, "UTC of the last message"),
    ("book_synced", Gauge, "1 while the book is usable"),
    ("book_gaps", Counter, "Gaps in the update ids after the first sync"),
    ("book_resyncs", Counter, "Resyncs after the first sync"),
    ("book_snapshots", Counter, "Snapshots fetched"),
    ("book_crossed", Counter, "Times a book became crossed"),
    ("book_age_seconds", Gauge, "Time since the book changed last"),
    ("engine_events", Counter, "Engine steps"),
    ("loop_stall_seconds", Histogram, "Times for which somebody else had the core of a spinning hot loop"),
    ("cpu_steal_seconds", Counter, "Time that the host took from the engine's core, since the hot path's start"),
    ("tick_to_order_seconds", Histogram, "Read of the market frame (from_read) or the kernel's stamp of its last segment (from_kernel) to the return of the order's write; each order counts once under each source, events with a known stall in neither"),
    ("tick_to_order_stalled_seconds", Histogram, "Tick to order of events around which a stall was detected"),
    ("tick_to_order_worst_seconds", Gauge, "Slowest orders: since start, of the last minute, with a known stall"),
    ("tick_to_order_worst_sequence", Gauge, "Input behind each of the slowest orders, for replay"),
    ("tick_to_order_worst_stage_seconds", Gauge, "Stages of the slowest orders"),
    ("tick_to_order_worst_timestamp_seconds", Gauge, "UTC of the slowest orders"),
    ("market_events_ahead", Counter, "Market events whose time was ahead of the exchange's clock"),
    ("server_clock_steps", Counter, "Samples of the exchange's clock that did not fit to the one before"),
    ("market_events_stalled", Counter, "Market events around which a stall was detected; their stages are in no histogram"),
    ("stage_duration_seconds", Histogram, "Time in each stage of the hot path, events with a known stall left out"),
    ("rehearsals", Counter, "Walks of the way of an order for practice: done, with an order and its reply, failed"),
    ("order_ack_duration_seconds", Histogram, "Order request to its reply"),
    ("ring_depth", Gauge, "Slots that wait"),
    ("ring_capacity", Gauge, "Slots in all"),
    ("ring_high_watermark", Gauge, "Greatest depth seen"),
    ("ring_dropped", Counter, "Records that found no room"),
    ("intents", Counter, "Orders that passed risk"),
    ("orders_sent", Counter, "Orders sent"),
    ("orders_denied", Counter, "Orders that risk refused"),
    ("non_actions", Counter, "Looks of a strategy without an order"),
    ("orders_rejected", Counter, "Orders that the exchange refused"),
    ("orders_open", Gauge, "Open orders of ours"),
    ("orders_unknown", Gauge, "Orders of unknown fate"),
    ("fills", Counter, "Executions"),
    ("fill_duplicates", Counter, "Fills with a trade id that was there before"),
    ("position_base", Gauge, "Signed position in base units"),
    ("position_notional_usdt", Gauge, "Signed position at mark or mid"),
    ("exposure_gross_usdt", Gauge, "Sum of absolute notionals"),
    ("equity_usdt", Gauge, "Wallet plus unrealised profit"),
    ("realized_pnl_usdt", Gauge, "Realised profit net of fees, over all generations of the ledger"),
    ("unrealized_pnl_usdt", Gauge, "Unrealised profit"),
    ("fees_paid_usdt", Gauge, "Fees paid, over all generations of the ledger"),
    ("drawdown_ratio", Gauge, "Largest fall from the high-water mark"),
    ("limit_utilization_ratio", Gauge, "Used share of a limit"),
    ("kill_latched", Gauge, "1 once the kill latch is set"),
    ("deadman_expires_timestamp_seconds", Gauge, "When the exchange cancels all orders of the symbol; 0 while not armed"),
    ("win_ratio", Gauge, "Finished trades that won after fees"),
    ("break_even_win_ratio", Gauge, "Win rate that pays for losses and fees"),
    ("reconcile_runs", Counter, "Reconciliations"),
    ("reconcile_mismatches", Counter, "Differences that reconciliations found"),
    ("reconcile_mismatches_open", Gauge, "1 while a position differs from the exchange's and nothing has explained it"),
    ("orders_external", Gauge, "Open orders at the exchange that are not ours"),
    ("fills_recovered", Counter, "Fills that were fetched because the private stream had not told them"),
    ("fills_synthetic", Counter, "Fills that were booked at the limit price because the exchange did not list their trade"),
    ("reconcile_last_success_timestamp_seconds", Gauge, "UTC of the last reconciliation"),
    ("api_used_weight", Gauge, "Request weight used"),
    ("api_responses", Counter, "Answers of the exchange"),
    ("api_banned_until_timestamp_seconds", Gauge, "UTC of the end of a ban"),
    ("journal_records", Counter, "Records that entered the journal"),
    ("ledger_records", Counter, "Journal records in the ledger"),
    ("ledger_unread_records", Counter, "Journal records that this build cannot read; kept raw"),
    ("journal_holes", Counter, "Journal records that never came"),
    ("journal_fsync_duration_seconds", Histogram, "Commit of the ledger with its fsync"),
    ("journal_lag_records", Gauge, "Journal records written and not yet in the ledger"),
    ("input_log_frames", Counter, "Inputs in the input log"),
    ("input_log_holes", Counter, "Inputs missing in the input log"),
    ("db_up", Gauge, "1 while the store takes writes"),
    ("db_write_errors", Counter, "Failed writes"),
    ("storage_free_bytes", Gauge, "Free space"),
    ("damaged_inputs", Counter, "Records of a ring inside of the hot path that could not be read"),
    ("outbox_overflows", Counter, "Requests of one step beyond the bound"),
    ("engine_busy_turns", Counter, "Turns of the engine thread with work"),
    ("requests_written", Counter, "Order requests written to the exchange"),
    ("requests_not_sent", Counter, "Order requests that were given up before the write"),
    ("order_frames_unmatched", Counter, "Frames of the order session that could not be read or matched"),
    ("http_requests", Counter, "Requests answered"),
    ("http_request_duration_seconds", Histogram, "Time to answer"),
];

/// Help of a metric that a later hot path names and this build does not know.
const UNLISTED: &str = "A cell of the hot path that this build of control does not list";

/// Help of a family.
pub(super) fn help(family: &str) -> &'static str {
    CATALOGUE
        .iter()
        .find(|(name, ..)| *name == family)
        .map_or(UNLISTED, |(.., help)| help)
}

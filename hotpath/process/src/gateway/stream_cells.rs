//! Counters of one WebSocket connection.
//!
//! In: what its shell sees. Out: named cells. Never: a name made while running.

use crate::telemetry::Telemetry;
use binance::DecodeError;
use binance::session::{CloseReason, FeedCounts};
use ipc::{Counter, RegisterError};
use market::Market;

/// What one of several connections of a route brought.
pub struct FeedCells {
    first: Counter,
    second: Counter,
    filled: Counter,
    missed: Counter,
    spared: Counter,
}

impl FeedCells {
    /// Registers them.
    ///
    /// # Errors
    /// [`RegisterError`].
    pub fn new(
        telemetry: Telemetry<'_>,
        market: Market,
        stream: &str,
    ) -> Result<Self, RegisterError> {
        let cell = |copy: &str| {
            telemetry.counter(&format!(
                "market_copies_total{{market=\"{market}\",stream=\"{stream}\",copy=\"{copy}\"}}"
            ))
        };
        Ok(Self {
            first: cell("first")?,
            second: cell("second")?,
            filled: cell("filled")?,
            missed: cell("missed")?,
            spared: cell("spared")?,
        })
    }

    /// Shows the counts since the start.
    pub fn show(&self, counts: &FeedCounts) {
        self.first.set(counts.first);
        self.second.set(counts.second);
        self.filled.set(counts.filled);
        self.missed.set(counts.missed);
        self.spared.set(counts.spared);
    }
}

/// Cells of one connection.
pub struct StreamCells {
    connected: Counter,
    messages: Counter,
    bytes: Counter,
    last_message: Counter,
    reconnects: Vec<Counter>,
    parse_errors: Vec<Counter>,
}

impl StreamCells {
    /// Registers them.
    ///
    /// # Errors
    /// [`RegisterError`].
    pub fn new(
        telemetry: Telemetry<'_>,
        market: Market,
        stream: &str,
    ) -> Result<Self, RegisterError> {
        let place = format!("market=\"{market}\",stream=\"{stream}\"");
        let cell = |family: &str| telemetry.counter(&format!("{family}{{{place}}}"));
        let reconnects = CloseReason::ALL.iter().map(|reason| {
            telemetry.counter(&format!(
                "ws_reconnects_total{{{place},reason=\"{reason}\"}}"
            ))
        });
        let parse_errors = DecodeError::REASONS.iter().map(|reason| {
            telemetry.counter(&format!(
                "parse_errors_total{{stream=\"{market}_{stream}\",reason=\"{reason}\"}}"
            ))
        });
        Ok(Self {
            connected: cell("ws_connected")?,
            messages: cell("ws_messages_total")?,
            bytes: cell("ws_received_bytes_total")?,
            last_message: cell("stream_last_message_timestamp_seconds")?,
            reconnects: reconnects.collect::<Result<_, _>>()?,
            parse_errors: parse_errors.collect::<Result<_, _>>()?,
        })
    }

    /// The connection is open.
    pub fn opened(&self) {
        self.connected.set(1);
    }

    /// It ended.
    pub fn closed(&self, reason: CloseReason) {
        self.connected.set(0);
        self.reconnects[reason as usize].add(1);
    }

    /// A frame came at `utc_s`.
    pub fn frame(&self, bytes: usize, utc_s: u64) {
        self.messages.add(1);
        self.bytes.add(bytes as u64);
        self.last_message.set(utc_s);
    }

    /// It could not be read.
    pub fn parse_error(&self, error: DecodeError) {
        let reason = error.reason();
        let at = DecodeError::REASONS.iter().position(|one| *one == reason);
        self.parse_errors[at.expect("REASONS lists every reason")].add(1);
    }
}

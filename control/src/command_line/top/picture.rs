//! What `fulcrum top` shows, and how old each part of it is.
//!
//! In: answers as they come, from whoever feeds it. Out: values with their ages. Never: a value that
//! looks new because it is there; money as a float.

use operator::{AlgoOrderLine, LimitLine, OrderLine, PositionLine, StatusReply};
use serde_json::Value;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// From this age on a part is stale.
const STALE: Duration = Duration::from_secs(3);
/// Samples of equity that are kept.
const EQUITY_MAX: usize = 600;

/// One part: its newest value, when it came, and why there is no newer one.
#[derive(Clone, Debug)]
pub(super) struct Part<T> {
    pub(super) value: Option<T>,
    at: Option<Instant>,
    /// Why the newest question has no answer.
    pub(super) trouble: Option<String>,
}

impl<T> Default for Part<T> {
    fn default() -> Self {
        Self {
            value: None,
            at: None,
            trouble: None,
        }
    }
}

impl<T> Part<T> {
    /// An answer, or why there is none.
    pub(super) fn take(&mut self, answer: Result<T, String>, now: Instant) {
        match answer {
            Ok(value) => {
                self.value = Some(value);
                self.at = Some(now);
                self.trouble = None;
            }
            Err(trouble) => self.trouble = Some(trouble),
        }
    }

    /// Its age where that is too high; none while it is fresh, or was never there.
    pub(super) fn stale_for(&self, now: Instant) -> Option<Duration> {
        let age = now.saturating_duration_since(self.at?);
        (age > STALE).then_some(age)
    }
}

/// Open orders, as the exchange lists them.
#[derive(Clone, Debug, Default)]
pub(super) struct Orders {
    pub(super) plain: Vec<OrderLine>,
    pub(super) conditional: Vec<AlgoOrderLine>,
}

/// Everything that is shown.
#[derive(Clone, Debug, Default)]
pub(super) struct Picture {
    /// The hot path's own word.
    pub(super) status: Part<StatusReply>,
    pub(super) positions: Part<Vec<PositionLine>>,
    pub(super) orders: Part<Orders>,
    pub(super) limits: Part<Vec<LimitLine>>,
    /// Control's word: figures, books, latency.
    pub(super) stats: Part<Value>,
    /// Newest first.
    pub(super) fills: Part<Vec<Value>>,
    /// Changes of the trading state, newest first.
    pub(super) states: Part<Vec<Value>>,
    /// Equity in 1e-8 USDT, oldest first.
    pub(super) equity: VecDeque<i64>,
}

impl Picture {
    /// The hot path's answer; its equity joins the line.
    pub(super) fn take_status(&mut self, answer: Result<StatusReply, String>, now: Instant) {
        if let Ok(status) = &answer
            && let Ok(equity) = market::parse_decimal(status.equity_usdt.as_bytes(), 8)
        {
            if self.equity.len() == EQUITY_MAX {
                self.equity.pop_front();
            }
            self.equity.push_back(equity);
        }
        self.status.take(answer, now);
    }

    /// Who does not answer, in words for the line of alerts.
    pub(super) fn away(&self, now: Instant) -> Vec<String> {
        let mut words = Vec::new();
        for (who, trouble, age) in [
            (
                "the hot path",
                &self.status.trouble,
                self.status.stale_for(now),
            ),
            ("control", &self.stats.trouble, self.stats.stale_for(now)),
        ] {
            match (trouble, age) {
                (Some(_), Some(age)) => {
                    words.push(format!("{who} is away for {} s", age.as_secs()));
                }
                (Some(why), None) => words.push(format!("{who} does not answer: {why}")),
                (None, Some(age)) => {
                    words.push(format!("{who} was heard {} s ago", age.as_secs()));
                }
                (None, None) => {}
            }
        }
        words
    }

    /// Symbols that can be chosen, with their markets.
    pub(super) fn symbols(&self) -> Vec<(String, String)> {
        let positions = self.positions.value.iter().flatten();
        positions
            .map(|one| (one.market.clone(), one.symbol.clone()))
            .collect()
    }

    /// What control knows of the book of an instrument.
    pub(super) fn book(&self, market: &str, symbol: &str) -> Option<&Value> {
        let books = self.stats.value.as_ref()?["instruments"].as_array()?;
        books
            .iter()
            .find(|one| one["market"] == market && one["symbol"] == symbol)
    }

    /// Equity as heights for a line of bars.
    pub(super) fn heights(&self, columns: usize) -> Vec<u64> {
        let skipped = self.equity.len().saturating_sub(columns);
        let shown: Vec<i64> = self.equity.iter().skip(skipped).copied().collect();
        let least = shown.iter().copied().min().unwrap_or(0);
        // The least has a height, too: a line that is flat is seen.
        let above = |one: &i64| one.saturating_sub(least).unsigned_abs().saturating_add(1);
        shown.iter().map(above).collect()
    }
}

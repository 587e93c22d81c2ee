//! The last lines of this process' log, for those who cannot read where it goes.
//!
//! In: events of `tracing` that its filter lets through. Out: the newest lines. Never: more than
//! [`LINES_MAX`] of them, a line longer than `LINE_BYTES_MAX`.

use crate::store::now_utc_ns;
use serde::Serialize;
use std::collections::VecDeque;
use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use utoipa::ToSchema;

/// Lines that are kept: at most 2 MiB.
pub const LINES_MAX: usize = 2_000;

/// Longest line; what is longer is cut.
const LINE_BYTES_MAX: usize = 1_024;

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct LogLine {
    /// When, nanoseconds UTC.
    pub utc_ns: i64,
    /// `error`, `warn`, `info`, `debug`, `trace`.
    pub level: &'static str,
    /// Part of the program that says it.
    pub target: String,
    /// What it says, with its fields.
    pub text: String,
}

/// The newest lines.
#[derive(Debug, Default)]
pub struct LogLines(Mutex<VecDeque<LogLine>>);

/// Words of the levels, from the gravest.
pub const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

impl LogLines {
    /// The newest `count` lines of `level` or graver, the oldest of them first.
    #[must_use]
    pub fn last(&self, count: usize, level: &str) -> Vec<LogLine> {
        let rank = |word: &str| LEVELS.iter().position(|one| *one == word);
        let least = rank(level).unwrap_or(LEVELS.len());
        let lines = self.0.lock().expect("nobody panics while it is held");
        let grave = lines
            .iter()
            .rev()
            .filter(|line| rank(line.level).is_some_and(|rank| rank <= least));
        let mut newest: Vec<LogLine> = grave.take(count).cloned().collect();
        newest.reverse();
        newest
    }

    fn add(&self, line: LogLine) {
        let mut lines = self.0.lock().expect("nobody panics while it is held");
        if lines.len() >= LINES_MAX {
            lines.pop_front();
        }
        lines.push_back(line);
    }
}

/// Puts lines there.
pub struct LogLayer(Arc<LogLines>);

impl LogLayer {
    /// Into these.
    #[must_use]
    pub fn to(lines: &Arc<LogLines>) -> Self {
        Self(Arc::clone(lines))
    }
}

impl<S: Subscriber> Layer<S> for LogLayer {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let mut text = Text(String::new());
        event.record(&mut text);
        let metadata = event.metadata();
        self.0.add(LogLine {
            utc_ns: now_utc_ns(),
            level: word(*metadata.level()),
            target: metadata.target().to_string(),
            text: text.0,
        });
    }
}

const fn word(level: Level) -> &'static str {
    match level {
        Level::ERROR => LEVELS[0],
        Level::WARN => LEVELS[1],
        Level::INFO => LEVELS[2],
        Level::DEBUG => LEVELS[3],
        Level::TRACE => LEVELS[4],
    }
}

/// The message first, then fields.
struct Text(String);

impl Visit for Text {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if self.0.len() >= LINE_BYTES_MAX {
            return;
        }
        let said = match field.name() {
            "message" => {
                let fields = std::mem::take(&mut self.0);
                write!(self.0, "{value:?}{fields}")
            }
            name => write!(self.0, " {name}={value:?}"),
        };
        // A value that cannot be written leaves what stands before it.
        let _ = said;
        let mut cut = LINE_BYTES_MAX.min(self.0.len());
        while !self.0.is_char_boundary(cut) {
            cut -= 1;
        }
        self.0.truncate(cut);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing_subscriber::layer::SubscriberExt as _;

    #[test]
    fn the_newest_lines_of_a_level_are_kept_with_their_fields() {
        let lines = Arc::new(LogLines::default());
        let subscriber = tracing_subscriber::registry().with(LogLayer::to(&lines));
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(account = "main", count = 3, "first of {}", 2);
            for number in 0..LINES_MAX - 1 {
                tracing::info!(number);
            }
            tracing::error!("{}", "ä".repeat(LINE_BYTES_MAX));
        });
        let all = lines.last(usize::MAX, "trace");
        assert_eq!(all.len(), LINES_MAX, "the first is gone");
        assert_eq!(all[0].text, " number=0");
        let grave = lines.last(10, "warn");
        assert_eq!(grave.len(), 1);
        assert_eq!(
            (grave[0].level, grave[0].text.len()),
            ("error", LINE_BYTES_MAX)
        );
        let two = lines.last(2, "info");
        assert_eq!((two.len(), two[1].level), (2, "error"));
    }

    #[test]
    fn a_message_stands_before_its_fields() {
        let lines = Arc::new(LogLines::default());
        let subscriber = tracing_subscriber::registry().with(LogLayer::to(&lines));
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(account = "main", count = 3, "first of {}", 2);
        });
        assert_eq!(
            lines.last(1, "warn")[0].text,
            "first of 2 account=main count=3"
        );
    }
}

//! How many lines of one kind a minute may have.
//!
//! In: the place in the code that a line comes from. Out: whether it is written, and how many were
//! not. Never: a log that fills a disk because one thing goes wrong again and again.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tracing::callsite::Identifier;
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

const WINDOW: Duration = Duration::from_secs(60);

/// Lines of one kind in a minute, until the settings say otherwise.
const LINES: u32 = 600;

#[derive(Debug)]
struct Kind {
    since: Instant,
    written: u32,
    left_out: u64,
    name: &'static str,
    line: Option<u32>,
}

/// One place in the code of which lines were left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LeftOut {
    pub(crate) target: &'static str,
    pub(crate) line: u32,
    pub(crate) lines: u64,
}

/// Counts lines by the place that they come from; there are as many as the code has.
#[derive(Debug)]
pub(crate) struct Budget {
    lines: AtomicU32,
    kinds: Mutex<HashMap<Identifier, Kind>>,
}

impl Budget {
    pub(crate) fn new() -> Self {
        Self {
            lines: AtomicU32::new(LINES),
            kinds: Mutex::default(),
        }
    }

    pub(crate) fn set(&self, lines_per_minute: u32) {
        self.lines.store(lines_per_minute, Ordering::Relaxed);
    }

    fn admits(&self, metadata: &tracing::Metadata<'static>, now: Instant) -> bool {
        let mut kinds = self.kinds.lock().expect("nobody panics while it is held");
        let kind = kinds.entry(metadata.callsite()).or_insert_with(|| Kind {
            since: now,
            written: 0,
            left_out: 0,
            name: metadata.target(),
            line: metadata.line(),
        });
        if now.saturating_duration_since(kind.since) >= WINDOW {
            (kind.since, kind.written) = (now, 0);
        }
        let admitted = kind.written < self.lines.load(Ordering::Relaxed);
        if admitted {
            kind.written += 1;
        } else {
            kind.left_out += 1;
        }
        admitted
    }

    /// What was left out since the last time.
    pub(crate) fn take_left_out(&self) -> Vec<LeftOut> {
        let mut kinds = self.kinds.lock().expect("nobody panics while it is held");
        let cut = kinds.values_mut().filter(|kind| kind.left_out > 0);
        cut.map(|kind| LeftOut {
            target: kind.name,
            line: kind.line.unwrap_or(0),
            lines: std::mem::take(&mut kind.left_out),
        })
        .collect()
    }
}

/// The budget as a layer over all writers.
#[derive(Debug)]
pub(crate) struct Within(pub(crate) std::sync::Arc<Budget>);

impl<S: Subscriber> Layer<S> for Within {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        self.0.admits(event.metadata(), Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::sync::Arc;
    use tracing::Callsite as _;
    use tracing_subscriber::layer::SubscriberExt;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("a test").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn one_kind_is_cut_off_and_the_others_go_on() {
        let (sink, budget) = (Sink::default(), Arc::new(Budget::new()));
        budget.set(3);
        let writer = sink.clone();
        let lines = tracing_subscriber::fmt::layer().with_writer(move || writer.clone());
        let subscriber = tracing_subscriber::registry()
            .with(lines)
            .with(Within(Arc::clone(&budget)));
        tracing::subscriber::with_default(subscriber, || {
            for number in 0..10 {
                tracing::info!(number, "again and again");
            }
            tracing::info!("another");
        });
        let text = String::from_utf8(sink.0.lock().expect("a test").clone()).expect("text");
        assert_eq!(text.matches("again and again").count(), 3, "{text}");
        assert_eq!(text.matches("another").count(), 1, "{text}");
        let cut = budget.take_left_out();
        assert_eq!(cut.iter().map(|one| one.lines).collect::<Vec<_>>(), [7]);
        assert!(budget.take_left_out().is_empty());
    }

    #[test]
    fn a_minute_later_there_is_room_again() {
        let budget = Budget::new();
        budget.set(1);
        let here = tracing::callsite!(name: "here", kind: tracing::metadata::Kind::EVENT, fields: );
        let begun = Instant::now();
        let later = begun + WINDOW;
        let admitted = [begun, begun, later, later].map(|now| budget.admits(here.metadata(), now));
        assert_eq!(admitted, [true, false, true, false]);
    }
}

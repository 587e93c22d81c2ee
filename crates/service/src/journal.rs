//! Lines as entries of systemd's journal, with their fields.
//!
//! In: events of `tracing`. Out: `MESSAGE_ID` of what is an event, `PRIORITY`, `CODE_*`, and a field
//! `FULCRUM_*` for each of ours. Never: a field that somebody else's name would take over.

use crate::events;
use crate::fields::Line;
use log::{Level, Log, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

/// Writes entries with a logger of the `log` crate, of which the journal's is one.
pub(crate) struct Journal<L>(pub(crate) L);

impl<L: Log> Journal<L> {
    fn write(&self, event: &Event<'_>) {
        let line = Line::of(event);
        let id = line.event().and_then(events::named).map(|one| one.id);
        let id = id.map(|id| ("MESSAGE_ID".to_string(), id));
        let fields = line.fields.iter();
        let fields = fields.map(|(name, text)| (events::field(name), text.as_str()));
        let fields: Vec<(String, &str)> = id.into_iter().chain(fields).collect();
        let metadata = event.metadata();
        self.0.log(
            &Record::builder()
                .args(format_args!("{}", said(&line)))
                .level(level(*metadata.level()))
                .target(metadata.target())
                .module_path(metadata.module_path())
                .file(metadata.file())
                .line(metadata.line())
                .key_values(&fields)
                .build(),
        );
    }
}

/// A line without a sentence says what it is.
fn said(line: &Line) -> &str {
    match line.message.as_str() {
        "" => line.event().unwrap_or("-"),
        message => message,
    }
}

fn level(level: tracing::Level) -> Level {
    match level {
        tracing::Level::ERROR => Level::Error,
        tracing::Level::WARN => Level::Warn,
        tracing::Level::INFO => Level::Info,
        tracing::Level::DEBUG => Level::Debug,
        tracing::Level::TRACE => Level::Trace,
    }
}

impl<S: Subscriber, L: Log + 'static> Layer<S> for Journal<L> {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        self.write(event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use log::kv::{Error, Key, Value, VisitSource};
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex};
    use tracing_subscriber::layer::SubscriberExt;

    type Entry = (String, Level, BTreeMap<String, String>);

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<Entry>>>);

    struct Fields(BTreeMap<String, String>);

    impl<'a> VisitSource<'a> for Fields {
        fn visit_pair(&mut self, key: Key<'a>, value: Value<'a>) -> Result<(), Error> {
            self.0.insert(key.to_string(), value.to_string());
            Ok(())
        }
    }

    impl Log for Kept {
        fn enabled(&self, _: &log::Metadata<'_>) -> bool {
            true
        }

        fn log(&self, record: &Record<'_>) {
            let mut fields = Fields(BTreeMap::new());
            record.key_values().visit(&mut fields).expect("texts");
            let entry = (record.args().to_string(), record.level(), fields.0);
            self.0.lock().expect("a test").push(entry);
        }

        fn flush(&self) {}
    }

    #[test]
    fn an_event_has_its_id_and_its_fields() {
        let kept = Kept::default();
        let subscriber = tracing_subscriber::registry().with(Journal(kept.clone()));
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(
                event = events::FILL,
                order_id = "fu1",
                seq = 7_u64,
                "bought"
            );
            tracing::warn!(event = events::KILL, MESSAGE = "mine");
            tracing::error!("no event");
        });
        let entries = kept.0.lock().expect("a test").clone();
        let fields = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            let own = |(name, text): &(&str, &str)| ((*name).to_string(), (*text).to_string());
            pairs.iter().map(own).collect()
        };
        let id = |name: &str| events::named(name).expect("an event").id;
        let expected = [
            (
                "bought".to_string(),
                Level::Info,
                fields(&[
                    ("MESSAGE_ID", id("FILL")),
                    ("FULCRUM_EVENT", "FILL"),
                    ("FULCRUM_ORDER_ID", "fu1"),
                    ("FULCRUM_SEQ", "7"),
                ]),
            ),
            (
                "KILL".to_string(),
                Level::Warn,
                fields(&[
                    ("MESSAGE_ID", id("KILL")),
                    ("FULCRUM_EVENT", "KILL"),
                    ("FULCRUM_MESSAGE", "mine"),
                ]),
            ),
            ("no event".to_string(), Level::Error, BTreeMap::new()),
        ];
        assert_eq!(entries, expected);
    }
}

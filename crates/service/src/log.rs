//! Where log lines go: the journal under systemd, stderr elsewhere, and a log server if there is one.
//!
//! In: events of `tracing`. Out: lines, JSON or journal entries, within a budget. Never: a secret, a
//! line of the engine thread.

use crate::budget::{Budget, Within};
use crate::journal::Journal;
use crate::syslog::Syslog;
use settings::{LogFormat, LogSettings};
use std::io::IsTerminal;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};
use systemd_journal_logger::JournalLog;
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::dynamic_filter_fn;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

const TEXT: u8 = 0;
const JSON: u8 = 1;
const JOURNAL: u8 = 2;

/// The process's log, once it has begun.
static LOG: OnceLock<Arc<Shared>> = OnceLock::new();

struct Shared {
    style: AtomicU8,
    /// True where stderr is the journal's.
    to_journal: bool,
    has_journal: bool,
    budget: Arc<Budget>,
    syslog: OnceLock<Syslog>,
}

/// Begins, before the settings are known. `FULCRUM_LOG` chooses levels as tracing writes them; the
/// default is `info`.
pub fn start() {
    let filter = EnvFilter::try_from_env("FULCRUM_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let to_journal = systemd_journal_logger::connected_to_journal();
    let journal = JournalLog::new().ok();
    let shared = Arc::new(Shared {
        style: AtomicU8::new(if to_journal && journal.is_some() {
            JOURNAL
        } else {
            TEXT
        }),
        to_journal,
        has_journal: journal.is_some(),
        budget: Arc::new(Budget::new()),
        syslog: OnceLock::new(),
    });
    let plain = std::env::var_os("NO_COLOR").is_some() || !std::io::stderr().is_terminal();
    let text = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        // A full disk under the log ends nobody: the complaint about it would panic.
        .log_internal_errors(false)
        .with_ansi(!plain);
    // The journal stamps lines itself.
    let text = if to_journal {
        text.without_time().boxed()
    } else {
        text.boxed()
    };
    let json = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_writer(std::io::stderr)
        .log_internal_errors(false);
    let begun = tracing_subscriber::registry()
        .with(text.with_filter(when(&shared, TEXT)))
        .with(json.with_filter(when(&shared, JSON)))
        .with(journal.map(|journal| Journal(journal).with_filter(when(&shared, JOURNAL))))
        .with(Server(Arc::clone(&shared)))
        .with(Within(Arc::clone(&shared.budget)))
        .with(filter)
        .try_init();
    if begun.is_ok() {
        // The first one; there is no other.
        let _ = LOG.set(shared);
    }
}

fn when<S>(shared: &Arc<Shared>, style: u8) -> impl tracing_subscriber::layer::Filter<S> + use<S> {
    let shared = Arc::clone(shared);
    dynamic_filter_fn(move |_, _| shared.style.load(Ordering::Relaxed) == style)
}

/// Goes on as the settings want it. `sends` says whether this process tells a log server: the hot path
/// leaves that to the service that keeps its journal.
pub fn follow(settings: &LogSettings, sends: bool) {
    let Some(shared) = LOG.get() else { return };
    let style = match settings.format {
        LogFormat::Auto if shared.to_journal && shared.has_journal => JOURNAL,
        LogFormat::Auto | LogFormat::Text => TEXT,
        LogFormat::Json => JSON,
        LogFormat::Journal => JOURNAL,
    };
    shared.budget.set(settings.lines_per_minute);
    if style == JOURNAL && !shared.has_journal {
        tracing::warn!("log.format is journal, and systemd's journal does not answer: text");
    } else {
        shared.style.store(style, Ordering::Relaxed);
    }
    if let (true, Some(server), None) = (sends, &settings.syslog, shared.syslog.get()) {
        match Syslog::start(server.clone()) {
            Ok(begun) => drop(shared.syslog.set(begun)),
            Err(error) => tracing::error!("log.syslog: no thread for it: {error}"),
        }
    }
}

/// Says what the budget left out; once a minute.
pub fn tell_left_out() {
    let Some(shared) = LOG.get() else { return };
    for one in shared.budget.take_left_out() {
        tracing::warn!(
            lines = one.lines,
            of = format_args!("{}:{}", one.target, one.line),
            "lines of one kind were more than log.lines_per_minute and are left out"
        );
    }
}

/// Lines for the log server, once there is one.
struct Server(Arc<Shared>);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Server {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if let Some(syslog) = self.0.syslog.get() {
            syslog.send(event);
        }
    }
}

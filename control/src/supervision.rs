//! What the service manager hears of control, and what the log hears each minute.
//!
//! In: pictures. Out: words of `service::notify`, the event STATUS. Never: a sign of life while the
//! drain thread hangs; the task that gives it lives on the thread that answers the API.

use crate::drain::monotonic_ns;
use crate::log_events::tell_status;
use crate::view::{Shared, View};
use service::{log, notify};
use std::sync::Arc;
use std::time::{Duration, Instant};

const LOOK: Duration = Duration::from_millis(250);
const STATUS_EVERY: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// Tells until the process ends; the first word is that we are ready.
pub async fn supervise(shared: Arc<Shared>) {
    notify::ready();
    let mut dog = notify::Watchdog::new();
    let (mut told_at, mut minute_at) = (None::<Instant>, Instant::now());
    loop {
        dog.look(monotonic_ns(), &[shared.pictures()]);
        if told_at.is_none_or(|at| at.elapsed() >= STATUS_EVERY) {
            told_at = Some(Instant::now());
            notify::status(&line(&shared.get()));
        }
        if minute_at.elapsed() >= MINUTE {
            minute_at = Instant::now();
            tell_status(&shared.get());
            log::tell_left_out();
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn line(view: &View) -> String {
    let Some(segment) = view.segment else {
        return "waits for a hot path".to_string();
    };
    let state = view.account.map_or("-", |one| one.trading_state.as_str());
    let ledger = if view.ledger_up {
        "up"
    } else {
        "takes no writes"
    };
    let (generation, lag) = (segment.generation, view.journal_lag.unwrap_or(0));
    format!("{state}, drains generation {generation}, {lag} records behind, ledger {ledger}")
}

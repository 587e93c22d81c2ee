//! What the service manager hears of this process: ready, how it does, that every thread lives.
//!
//! In: pages, milestones, the beats of all threads. Out: words of `service::notify`. Never: a sign of
//! life while the engine or a gateway hangs; the thread that gives it is the cold one.

use crate::gateway::leash::Leash;
use crate::operator_socket::verbs::Operator;
use ipc::Segment;
use market::MonoNs;
use service::{log, notify};
use std::sync::Arc;
use std::time::Duration;

const STATUS_EVERY_NS: u64 = 1_000_000_000;
const MINUTE_NS: u64 = 60_000_000_000;

/// How much longer an end may take, told while positions are being closed.
const LONGER: Duration = Duration::from_secs(5);

/// Watches the threads for the service manager.
pub struct Supervision {
    gateways: Vec<Arc<Leash>>,
    dog: notify::Watchdog,
    is_ready: bool,
    told_at: MonoNs,
    minute_at: MonoNs,
}

impl Supervision {
    /// Of a process with these gateways.
    #[must_use]
    pub fn of(gateways: Vec<Arc<Leash>>, now: MonoNs) -> Self {
        Self {
            gateways,
            dog: notify::Watchdog::new(),
            is_ready: false,
            told_at: MonoNs(0),
            minute_at: now,
        }
    }

    /// Looks at everything; `closes` while positions are closed before the end.
    pub fn look(&mut self, now: MonoNs, segment: &Segment, operator: &Operator, closes: bool) {
        let mut beats = vec![segment.hotpath_heartbeat_ns()];
        beats.extend(self.gateways.iter().map(|gateway| gateway.turns()));
        self.dog.look(now.0, &beats);
        if !self.is_ready && operator.milestones.ready_after_ms().is_some() {
            self.is_ready = true;
            notify::ready();
        }
        if now.since(self.told_at) >= STATUS_EVERY_NS {
            self.told_at = now;
            if let Some(line) = operator.summary() {
                notify::status(&line);
            }
            if closes {
                notify::extend(LONGER);
            }
        }
        if now.since(self.minute_at) >= MINUTE_NS {
            self.minute_at = now;
            log::tell_left_out();
        }
    }
}

//! What the main thread looks after while the others trade.
//!
//! In: signals, the engine's cold requests, heartbeats, the clock. Out: commands and clock samples
//! for the engine, wishes for the cold shells, checkpoints on disk. Never: anything urgent.

use crate::account_log;
use crate::clock;
use crate::disk_thread::DiskThread;
use crate::engine_host::CheckpointQueues;
use crate::gateway::cold::Wish;
use crate::gateway::inbox::Inbox;
use crate::gateway::socket::Dialer;
use crate::latency::watch::LatencyWatch;
use crate::messages::{REQUEST_BYTES_MAX, decode_request};
use crate::operator_socket::verbs::Operator;
use crate::server_clock::ServerClock;
use crate::supervision::Supervision;
use crate::wire_check::{Finding, WireCheck};
use engine::event::Command;
use engine::{Input, Request};
use ipc::{Consumer, Counter, Segment};
use market::{Instrument, Instruments, Market, MonoNs};
use service::notify;
use settings::RestartPolicy;
use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;

const TICK: Duration = Duration::from_millis(2);
const CLOCK_SAMPLE_NS: u64 = 250_000_000;
const SLOW_NS: u64 = 1_000_000_000;

/// Cell that counts event times ahead of the exchange's clock as we know it.
pub const EVENTS_AHEAD: &str = "market_events_ahead_total";

/// The wishes of one market's cold shell and how it is woken.
pub type Wishes = (Market, Rc<RefCell<Vec<Wish>>>, Rc<Notify>);

/// Figures from the kernel.
pub struct KernelCells {
    /// Times that the engine thread was interrupted.
    pub engine_switches: Counter,
    /// Page faults without a disk access.
    pub minor_faults: Counter,
    /// Page faults with one.
    pub major_faults: Counter,
}

/// Everything that housekeeping needs.
pub struct Housekeeping {
    /// The cold ring into the engine.
    pub inbox: Rc<RefCell<Inbox>>,
    /// The engine's cold requests.
    pub requests: Consumer,
    /// Who carries them out.
    pub wishes: Vec<Wishes>,
    /// The table.
    pub instruments: Arc<[Instrument]>,
    /// The exchange's time.
    pub clock: ServerClock,
    /// Heartbeats.
    pub segment: Arc<Segment>,
    /// Checkpoint buffers.
    pub checkpoints: Arc<CheckpointQueues>,
    /// Keeps what outlives a restart.
    pub disk: DiskThread,
    /// Knows the silences that the exchange wants.
    pub dialer: Dialer,
    /// Where checkpoints go.
    pub folder: PathBuf,
    /// Time between them.
    pub checkpoint_interval_ns: u64,
    /// How long control may be gone.
    pub control_grace_ns: u64,
    /// Room for one checkpoint; handed out and back.
    pub buffer: Option<Vec<u8>>,
    /// Where the hot threads tell the way of each event.
    pub latency: LatencyWatch,
    /// Kernel figures.
    pub kernel: KernelCells,
    /// Compares what was decided with what was written.
    pub wire_check: WireCheck,
    /// Thread id of the engine.
    pub engine_thread: i32,
    /// What the service manager hears.
    pub supervision: Supervision,
    /// Has the kill in his care.
    pub operator: Rc<Operator>,
}

/// How far an end of the process is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stopping {
    No,
    /// Positions are being closed; the engine is told to stop when they are, or then.
    Flattening {
        until: MonoNs,
    },
    /// The engine was told.
    Told,
}

struct Times {
    started: MonoNs,
    clock_sample: MonoNs,
    slow: MonoNs,
    checkpoint: MonoNs,
    control_lost: bool,
    events_ahead: u64,
}

impl Housekeeping {
    /// Runs until `ended` says that a thread has.
    ///
    /// # Errors
    /// What the system says when it gives no signals.
    pub async fn run(
        mut self,
        ended: impl Fn() -> bool,
        abandon: &AtomicBool,
    ) -> std::io::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut silences = Vec::new();
        let mut stopping = Stopping::No;
        let now = clock::monotonic();
        let mut times = Times {
            started: now,
            clock_sample: MonoNs(0),
            slow: now,
            checkpoint: now,
            control_lost: false,
            events_ahead: 0,
        };
        while !ended() {
            if asked_to_stop(&mut terminate, &mut interrupt).await {
                if stopping != Stopping::No {
                    // Asked twice: leave at once.
                    abandon.store(true, Ordering::Relaxed);
                }
                stopping = self.begin_to_stop(clock::monotonic());
            }
            if let Stopping::Flattening { until } = stopping
                && (self.operator.is_flat() || clock::monotonic() >= until)
            {
                self.tell(Input::Command(Command::Stop));
                stopping = Stopping::Told;
            }
            self.operator.keep(clock::monotonic());
            let closes = matches!(stopping, Stopping::Flattening { .. });
            let (segment, operator) = (&self.segment, &self.operator);
            self.supervision
                .look(clock::monotonic(), segment, operator, closes);
            self.pass_requests();
            self.latency.visit();
            if self.clock.take_refused() {
                self.measure_time_again();
            }
            let now = clock::monotonic();
            if now.since(times.clock_sample) >= CLOCK_SAMPLE_NS {
                times.clock_sample = now;
                // Both of one moment: the engine adds what the sample waited since.
                self.tell_at(now, Input::Clock(self.clock.utc_at(now)));
            }
            if now.since(times.slow) >= SLOW_NS {
                times.slow = now;
                self.watch_control(now, &mut times);
                self.watch_events(&mut times);
                self.show_kernel();
                self.latency.look();
                if let Finding::Undecided(_) = self.wire_check.look(&self.segment) {
                    // Something writes orders that risk has not seen: nothing is opened until a
                    // person has looked.
                    self.tell(Input::Command(Command::Pause));
                }
            }
            self.look_after_checkpoints(now, &mut times.checkpoint);
            self.keep(now, &mut silences);
            self.write_notes();
        }
        self.write_notes();
        self.latency.visit();
        self.disk.finish();
        Ok(())
    }

    /// By the restart policy; a kill closes by its own.
    fn begin_to_stop(&self, now: MonoNs) -> Stopping {
        notify::stopping();
        let emergency = &self.operator.settings.emergency;
        let flattens = emergency.restart_policy == RestartPolicy::Flatten;
        if flattens && !self.segment.kill_latched() {
            tracing::info!("stopping: own orders are cancelled, positions closed");
            self.tell(Input::Command(Command::Flatten));
            // The engine has to hear of it before its pages say anything.
            let patience_ns = emergency.stop_patience_s * 1_000_000_000;
            return Stopping::Flattening {
                until: now.after(patience_ns),
            };
        }
        tracing::info!("stopping: own orders are cancelled, positions kept");
        self.tell(Input::Command(Command::Stop));
        Stopping::Told
    }

    fn tell(&self, input: Input<'_>) {
        self.tell_at(clock::monotonic(), input);
    }

    fn tell_at(&self, now: MonoNs, input: Input<'_>) {
        let mut inbox = self.inbox.borrow_mut();
        inbox.received = now;
        inbox.deliver(input);
    }

    fn pass_requests(&mut self) {
        let mut buffer = [0; REQUEST_BYTES_MAX];
        while let Some((_, bytes)) = self
            .requests
            .pop(&mut buffer)
            .expect("a ring of this process")
        {
            let (_, request) = decode_request(bytes).expect("the engine thread encoded it");
            let (instrument, wish) = match request {
                Request::Snapshot(instrument) => (instrument, Wish::Snapshot(instrument)),
                Request::Reconcile(instrument) => (instrument, Wish::Reconcile),
                Request::Trades(wanted) => (wanted.instrument, Wish::Trades(wanted)),
                Request::VerifySetup(instrument) => (instrument, Wish::Setup),
                Request::CancelOverRest(order) => (order.instrument, Wish::Cancel(order)),
                Request::QueryOverRest(order) => (order.instrument, Wish::Query(order)),
                Request::Place(_) | Request::Amend(_) | Request::Cancel(_) | Request::Query(_) => {
                    continue;
                }
            };
            let market = Instruments(&self.instruments)
                .get(instrument)
                .map(|one| one.market);
            if let Some((_, wishes, wake)) =
                self.wishes.iter().find(|(one, ..)| Some(*one) == market)
            {
                wishes.borrow_mut().push(wish);
                wake.notify_one();
            }
        }
    }

    /// Events from the future say that the exchange's clock has jumped: nothing is entered on them,
    /// so that no request would ever be refused for its time stamp and say the same.
    fn watch_events(&self, times: &mut Times) {
        let mut cells = self.segment.counters().iter();
        let found = cells.find(|(name, _)| name == EVENTS_AHEAD);
        let ahead = found.map_or(0, |(_, count)| count);
        if ahead > std::mem::replace(&mut times.events_ahead, ahead) {
            self.measure_time_again();
        }
    }

    /// Every market's: which one's time stamp was refused makes no difference.
    fn measure_time_again(&self) {
        tracing::warn!("CLOCK_REFUSED or ahead of us: the exchange's time is measured again");
        for (_, wishes, wake) in &self.wishes {
            wishes.borrow_mut().push(Wish::Time);
            wake.notify_one();
        }
    }

    /// Control may come and go; only beyond its grace the engine is told.
    fn watch_control(&self, now: MonoNs, times: &mut Times) {
        let beat = MonoNs(self.segment.control_heartbeat_ns()).max(times.started);
        let lost = now.since(beat) > self.control_grace_ns;
        if lost != times.control_lost {
            times.control_lost = lost;
            let command = if lost {
                Command::ControlLost
            } else {
                Command::ControlBack
            };
            tracing::warn!(%command, "control");
            self.tell(Input::Command(command));
        }
    }

    fn look_after_checkpoints(&mut self, now: MonoNs, last: &mut MonoNs) {
        if let Some((sequence, buffer)) = self.checkpoints.done.pop() {
            let path = self.folder.join(format!("checkpoint-{sequence}.bin"));
            self.disk.keep_checkpoint(path, buffer);
        }
        if let Some(buffer) = self.disk.written_checkpoint() {
            self.buffer = Some(buffer);
        }
        if now.since(*last) >= self.checkpoint_interval_ns
            && let Some(buffer) = self.buffer.take()
        {
            *last = now;
            // One buffer, one place: it fits.
            let _ = self.checkpoints.wanted.push(buffer);
        }
    }

    /// What has changed of the things that outlive a restart.
    fn keep(&mut self, now: MonoNs, told: &mut Vec<(String, MonoNs)>) {
        if let Some(state) = self.checkpoints.breakers.pop() {
            self.disk.keep_breakers(state);
        }
        if let Some(memory) = self.checkpoints.account.pop() {
            self.disk.keep_account(memory);
        }
        // A ban outlives the process that was told of it.
        let silences = self.dialer.silences(now);
        if !silences.is_empty() && silences != *told {
            told.clone_from(&silences);
            self.disk.keep_silences(silences, now, clock::utc());
        }
        self.disk.pass_on();
    }

    fn write_notes(&self) {
        while let Some(record) = self.checkpoints.notes.pop() {
            account_log::write(&record, &self.instruments);
        }
    }

    fn show_kernel(&self) {
        let path = format!("/proc/self/task/{}/status", self.engine_thread);
        let status = std::fs::read_to_string(path).unwrap_or_default();
        let switches = status
            .lines()
            .find_map(|line| line.strip_prefix("nonvoluntary_ctxt_switches:"))
            .and_then(|number| number.trim().parse().ok());
        if let Some(switches) = switches {
            self.kernel.engine_switches.set(switches);
        }
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
        // Fields 10 and 12; the name in parentheses before them may hold spaces.
        let fields: Vec<&str> = stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .collect();
        let field = |at: usize| fields.get(at).and_then(|word| word.parse().ok());
        if let (Some(minor), Some(major)) = (field(7), field(9)) {
            self.kernel.minor_faults.set(minor);
            self.kernel.major_faults.set(major);
        }
    }
}

/// Waits one tick; true when a signal came.
async fn asked_to_stop(terminate: &mut Signal, interrupt: &mut Signal) -> bool {
    tokio::select! {
        _ = terminate.recv() => true,
        _ = interrupt.recv() => true,
        () = tokio::time::sleep(TICK) => false,
    }
}

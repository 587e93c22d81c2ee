//! One round: a box that trades, a blow, what systemd would do, and the comparison.
//!
//! In: a kind and a seed. Out: what was found; a panic says what went wrong. Never: a wait without
//! a deadline.

use super::blows;
use super::books::{self, Blind};
use super::dice::Dice;
use super::report::Finding;
use super::{Kind, Round};
use crate::rig::{Plan, Process, Rig};
use crate::wait_for;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Longest wait for anything: a shared core may be slow.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// How long the books may differ: what is under way has to arrive, and a disk that others use too
/// may take its time.
const SETTLING: Duration = Duration::from_secs(45);

/// A private stream that is half open is silent, as it is in quiet times: what it does not tell comes
/// out with the look that is taken every minute.
const UNHEARD: Duration = Duration::from_secs(150);

/// Orders and fills before the blow.
const ORDERS_BEFORE: u64 = 6;
const FILLS_BEFORE: u64 = 1;

/// `recvWindow` of orders, and the margin of I4 behind it.
const WINDOW_MS: i64 = 1_000 + 2_000;

/// `RestartSec` of the units.
const RESTART_AFTER: Duration = Duration::from_millis(100);

/// Before a death something may have been told that nobody has read any more.
const UNREAD_MS: i64 = 1_000;

/// A round under way.
pub(super) struct Stand {
    begun: Instant,
    pub(super) rig: Rig,
    pub(super) dice: Dice,
    pub(super) kind: Kind,
    pub(super) finding: Finding,
    pub(super) blind: Vec<Blind>,
    /// Starts that died, until their windows were looked at.
    deaths: Vec<Death>,
}

struct Death {
    generation: u64,
    /// When the next start was ready, milliseconds UTC.
    ready_utc_ms: i64,
}

pub(super) fn utc_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(now.unwrap_or_default().as_millis()).unwrap_or(i64::MAX)
}

/// Runs it.
pub(super) fn run(round: Round, state_dir: &Path) -> Finding {
    let mut stand = Stand::begin(round, state_dir);
    stand.trade(ORDERS_BEFORE, FILLS_BEFORE, PATIENCE);
    stand.note("it trades");
    blows::strike(&mut stand);
    stand.recover();
    stand.finding
}

fn number(value: &Value, key: &str) -> u64 {
    value[key].as_u64().unwrap_or(0)
}

impl Stand {
    fn begin(round: Round, state_dir: &Path) -> Self {
        let mut dice = Dice::new(round.seed ^ ((round.kind as u64) << 32));
        let io = dice.one_of(&["inline", "threads"]);
        let seed = dice.between(1, 1_000).to_string();
        let rig = Rig::set_up(&Plan {
            state_dir: state_dir.to_path_buf(),
            market: vec![
                "--generate",
                "--symbols",
                "BTCUSDT,ETHUSDT",
                "--seed",
                &seed,
            ],
            traded: vec!["BTCUSDT", "ETHUSDT"],
            lines: lines(round.kind, io),
            proxied: true,
        });
        let mut stand = Self {
            begun: Instant::now(),
            rig,
            dice,
            kind: round.kind,
            finding: Finding::default(),
            blind: Vec::new(),
            deaths: Vec::new(),
        };
        stand.note(&format!("hot_io {io}"));
        stand.rig.start_control();
        stand.rig.launch(Process::HotPath);
        wait_for("the first start is ready", PATIENCE, || {
            stand.status()["ready_after_ms"].is_u64()
        });
        stand
    }

    /// How long what the blow hid may take to come out.
    const fn patience(&self) -> Duration {
        match self.kind {
            // What fills unheard keeps its strategy waiting, too.
            Kind::HalfOpen => UNHEARD,
            _ => SETTLING,
        }
    }

    /// What happens, in words.
    pub(super) fn note(&mut self, what: &str) {
        if !self.finding.done.is_empty() {
            self.finding.done.push_str("; ");
        }
        let after = self.begun.elapsed().as_secs_f64();
        let _ = write!(self.finding.done, "{after:.1} s: {what}");
    }

    pub(super) fn status(&self) -> Value {
        self.rig.ask(r#"{"verb":"status"}"#)
    }

    /// Waits for so many more orders and fills.
    fn trade(&self, orders: u64, fills: u64, patience: Duration) {
        let account = self.rig.account();
        let (orders, fills) = (
            number(&account, "orders") + orders,
            number(&account, "fills") + fills,
        );
        wait_for("orders and fills", patience, || {
            let account = self.rig.account();
            number(&account, "orders") >= orders && number(&account, "fills") >= fills
        });
    }

    pub(super) fn wait_for_state(&self, state: &str, reason: Option<&str>) {
        let what = format!("{state} {}", reason.unwrap_or_default());
        wait_for(&what, PATIENCE, || {
            let status = self.status();
            status["state"] == state && reason.is_none_or(|reason| status["reason"] == reason)
        });
    }

    /// Waits as systemd does, restarts control if it died, and the hot path with its times taken.
    pub(super) fn restart(&mut self, died_ms: i64, hot_path: bool, control: bool) {
        std::thread::sleep(RESTART_AFTER);
        if control {
            self.rig.start_control();
        }
        if hot_path {
            self.restart_hot_path(died_ms);
        }
    }

    fn restart_hot_path(&mut self, died_ms: i64) {
        let dead = self.rig.counters().generation;
        let left = open_ids(&self.rig.account());
        let spawned = Instant::now();
        self.rig.launch(Process::HotPath);
        let (mut safe, mut ready) = (None, None);
        wait_for("safe and ready after a restart", PATIENCE, || {
            if let Some(status) = self.rig.ended(Process::HotPath) {
                panic!("the hot path does not start: {status}");
            }
            let status = self.rig.ask(r#"{"verb":"status"}"#);
            if number(&status, "generation") <= dead {
                return false;
            }
            if safe.is_none() && status["safe_after_ms"].is_u64() {
                safe = Some(spawned.elapsed());
                let open = open_ids(&self.rig.account());
                let still: Vec<_> = open.intersection(&left).collect();
                assert!(still.is_empty(), "called safe with {still:?} open");
            }
            if ready.is_none() && status["ready_after_ms"].is_u64() {
                ready = Some((spawned.elapsed(), utc_ms()));
            }
            safe.is_some() && ready.is_some()
        });
        let as_ms = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        self.finding.safe_ms.extend(safe.map(as_ms));
        if let Some((after, ready_utc_ms)) = ready {
            self.finding.ready_ms.push(as_ms(after));
            self.deaths.push(Death {
                generation: dead,
                ready_utc_ms,
            });
        }
        self.blind.push(Blind {
            from_ms: died_ms - UNREAD_MS,
            to_ms: utc_ms(),
        });
    }

    /// Back in its state, still trading, then halted with its orders left: the books must agree.
    fn recover(&mut self) {
        if let Some(proxy) = &self.rig.proxy {
            proxy.heal();
        }
        self.note("the blow is over");
        self.wait_for_state("ACTIVE", None);
        self.note("ACTIVE");
        self.trade(2, 0, self.patience());
        let said = self.rig.fulcrum(&["stop", "--policy", "leave"]);
        assert_eq!(said.code, Some(0), "{said:?}");
        self.wait_for_state("HALTED", None);
        self.note("HALTED");
        let deadline = Instant::now() + self.patience();
        let counts = loop {
            match books::compare(&self.rig, &self.blind) {
                Ok(counts) => break counts,
                Err(difference) => {
                    let done = &self.finding.done;
                    assert!(Instant::now() < deadline, "{difference} (after: {done})");
                }
            }
            std::thread::sleep(Duration::from_millis(50));
        };
        self.note("equal");
        self.finding.orders = counts.orders;
        self.finding.fills = counts.fills;
        self.finding.fills_adopted = counts.fills_adopted;
        self.finding.fills_nameless = counts.fills_nameless;
        self.finding.never_reached = counts.never_reached;
        self.finding.left_undecided = counts.left_undecided;
        for death in &self.deaths {
            let window = books::last_window_ms(&self.rig, death.generation, WINDOW_MS);
            let after = window.map(|closes_ms| death.ready_utc_ms - closes_ms);
            self.finding.ready_after_window_ms.extend(after);
        }
    }
}

/// Client ids of the open orders.
fn open_ids(account: &Value) -> BTreeSet<String> {
    let open = account["open_orders"].as_array().into_iter().flatten();
    open.map(|order| {
        order["client_order_id"]
            .as_str()
            .unwrap_or_default()
            .to_string()
    })
    .collect()
}

/// Orders that come and go and are filled; limits and breakers that this alone does not reach.
fn lines(kind: Kind, io: &str) -> String {
    let grace_s = if kind == Kind::ControlLost { 1 } else { 60 };
    let journal = match kind {
        Kind::DiskFull => "journal_slots = 1024\n",
        _ => "",
    };
    format!(
        "[hot_path]\nhot_io = \"{io}\"\nengine_wait = \"yield\"\ncontrol_grace_s = {grace_s}\n\
         {journal}\n\
         [[strategy]]\nkind = \"dummy\"\ninterval_ms = 250\nrest_ms = 220\ndistance_bps = 0\n\
         order_notional_usdt = 500\n\n\
         [risk]\nmax_orders_per_10s = 290\nmax_orders_per_minute = 1150\n\
         max_repeated_executions = 32\nrepeated_execution_window_s = 1\nmax_loss_streak = 1000\n\
         dry_breakers = [\"LOSS_STREAK\", \"REJECT_RATE\", \"ERROR_RATE\", \"LATENCY\", \
         \"CLOCK_SKEW\", \"FEED_GAPS\", \"MISMATCH_RATE\"]\n"
    )
}

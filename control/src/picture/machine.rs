//! The machine under both processes: cores, clock, rings, builds, memory, disk.
//!
//! In: a view, the settings, files of /proc and /sys. Out: what is found; null where the machine does
//! not tell. Never: a wait for a file that is none of the kernel's own.

use crate::build_identity::{self, REVISION, VERSION};
use crate::figure::FigureName;
use crate::view::{View, state_word};
use serde::Serialize;
use settings::Settings;
use std::path::Path;
use utoipa::ToSchema;

/// Ticks of the kernel's clock in a second, as /proc counts them.
const TICKS_PER_SECOND: u64 = 100;

/// Everything of the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct System {
    /// Builds of both processes.
    pub builds: Builds,
    /// This process.
    pub control: Option<ProcessFigures>,
    /// The hot path; null while none runs.
    pub hot_path: Option<ProcessFigures>,
    /// Cores.
    pub cores: Cores,
    /// Clocks.
    pub clock: Clock,
    /// The hot path's shared memory; null before its first start.
    pub segment: Option<SegmentFigures>,
    /// Rings between and inside of the processes.
    pub rings: Vec<Ring>,
    /// Memory of the machine; null where /proc does not tell.
    pub memory: Option<Memory>,
    /// Disk under the state directory; null where it does not tell.
    pub disk: Option<Disk>,
}

/// Builds of both processes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Builds {
    /// Version of control.
    pub control_version: &'static str,
    /// Its revision.
    pub control_revision: &'static str,
    /// Version of the hot path; `unknown` for another build than ours, null before its first start.
    pub hot_path_version: Option<&'static str>,
    /// Its revision, or its id where it is another build.
    pub hot_path_revision: Option<String>,
    /// Both are the same build.
    pub same: Option<bool>,
    /// The hot path runs with the configuration that control has read.
    pub same_configuration: Option<bool>,
}

/// A process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ProcessFigures {
    /// Its number.
    pub pid: u64,
    /// Since its start, seconds.
    pub uptime_s: u64,
    /// Memory that it has in RAM, bytes.
    pub memory_bytes: u64,
    /// Its threads.
    pub threads: u64,
}

/// Cores of the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Cores {
    /// Cores that this process may run on.
    pub usable: usize,
    /// The engine's core as configured; null where none is set.
    pub engine_core: Option<usize>,
    /// Cores that the kernel keeps other work from.
    pub isolated: Option<String>,
    /// Cores without a timer tick.
    pub without_tick: Option<String>,
    /// Frequency governor of the engine's core, or of the first.
    pub governor: Option<String>,
    /// What the host took from the engine's core since the hot path's start, nanoseconds.
    pub steal_ns: Option<u64>,
}

/// Clocks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Clock {
    /// What the kernel reads time from.
    pub source: Option<String>,
    /// The engine knows the exchange's time; null before it has shown itself.
    pub engine_knows_utc: Option<bool>,
    /// The engine's UTC at its last input less this machine's now, milliseconds: the age of that input
    /// and the difference of the clocks together.
    pub engine_behind_ms: Option<i64>,
    /// Samples of the exchange's clock that did not fit to the one before, over all starts.
    pub exchange_clock_steps: u64,
}

/// The hot path's shared memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct SegmentFigures {
    /// Start of the hot path.
    pub generation: u64,
    /// `starting`, `running`, `stopped` or `unknown`.
    pub state: &'static str,
    /// Its process is there.
    pub process_exists: bool,
    /// Since its last sign of life, milliseconds.
    pub heartbeat_age_ms: Option<u64>,
    /// First eight bytes of its configuration's SHA-256.
    pub config_hash: String,
    /// Journal records that are written and not in the ledger.
    pub journal_lag_records: Option<u64>,
}

/// A ring.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Ring {
    /// Name.
    pub ring: String,
    /// Slots that wait.
    pub depth: u64,
    /// Slots in all.
    pub capacity: u64,
    /// Greatest depth seen.
    pub high_watermark: u64,
    /// Records that found no room; null for a ring whose writer waits or refuses instead.
    pub dropped: Option<u64>,
}

/// Memory of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Memory {
    /// All, bytes.
    pub total_bytes: u64,
    /// What could be had, bytes.
    pub available_bytes: u64,
}

/// Disk under the state directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Disk {
    /// All, bytes.
    pub total_bytes: u64,
    /// What is free for us, bytes.
    pub free_bytes: u64,
}

/// Reads it.
#[must_use]
pub fn system(view: &View, settings: &Settings, state_dir: &Path, now_utc_ms: i64) -> System {
    let hot_path = view.segment.filter(|segment| segment.process_exists);
    System {
        builds: builds(view, settings),
        control: process(u64::from(std::process::id())),
        hot_path: hot_path.and_then(|segment| process(segment.pid)),
        cores: cores(view, settings),
        clock: clock(view, now_utc_ms),
        segment: view.segment.map(|segment| SegmentFigures {
            generation: segment.generation,
            state: state_word(segment.state),
            process_exists: segment.process_exists,
            heartbeat_age_ms: segment.heartbeat_age_ns.map(|ns| ns / 1_000_000),
            config_hash: format!("{:016x}", segment.config_hash),
            journal_lag_records: view.journal_lag,
        }),
        rings: rings(view),
        memory: memory(),
        disk: disk(state_dir),
    }
}

fn builds(view: &View, settings: &Settings) -> Builds {
    let told = view
        .segment
        .map(|segment| build_identity::of_segment(segment.build_id));
    Builds {
        control_version: VERSION,
        control_revision: REVISION,
        hot_path_version: told.as_ref().map(|(version, _)| *version),
        hot_path_revision: told.map(|(_, revision)| revision),
        same: view
            .segment
            .map(|segment| segment.build_id == build_identity::build_id()),
        same_configuration: view
            .segment
            .map(|segment| segment.config_hash == settings.short_hash()),
    }
}

fn read(path: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_string())
}

/// A process by its files in /proc.
fn process(pid: u64) -> Option<ProcessFigures> {
    let stat = read(&format!("/proc/{pid}/stat"))?;
    // The name may hold spaces; fields are counted from behind it, where the third stands first.
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split_whitespace().collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    let up = read("/proc/uptime")?;
    let up_s = up.split('.').next()?.parse::<u64>().ok()?;
    let status = read(&format!("/proc/{pid}/status"))?;
    Some(ProcessFigures {
        pid,
        uptime_s: up_s.saturating_sub(field(22)? / TICKS_PER_SECOND),
        memory_bytes: kib(&status, "VmRSS:")? * 1_024,
        threads: field(20)?,
    })
}

fn cores(view: &View, settings: &Settings) -> Cores {
    let cpu = "/sys/devices/system/cpu";
    let core = settings.hot_path.engine_core;
    let governor = core.unwrap_or(0);
    let steal = view
        .figures
        .iter()
        .filter(|(name, _)| {
            FigureName::parse(name).is_some_and(|name| name.family == "cpu_steal_ns_total")
        })
        .map(|(_, value)| *value);
    Cores {
        usable: std::thread::available_parallelism().map_or(1, usize::from),
        engine_core: core,
        isolated: read(&format!("{cpu}/isolated")),
        without_tick: read(&format!("{cpu}/nohz_full")),
        governor: read(&format!("{cpu}/cpu{governor}/cpufreq/scaling_governor")),
        steal_ns: steal.reduce(|sum, one| sum + one),
    }
}

fn clock(view: &View, now_utc_ms: i64) -> Clock {
    let utc = view.account.as_ref().map(|page| page.utc);
    let known = utc.filter(|utc| utc.0 != 0);
    Clock {
        source: read("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
        engine_knows_utc: utc.map(|utc| utc.0 != 0),
        engine_behind_ms: known.map(|utc| utc.0 / 1_000_000 - now_utc_ms),
        exchange_clock_steps: view.family_sum("server_clock_steps_total"),
    }
}

/// Those that control reads, and those that the hot path shows of itself.
fn rings(view: &View) -> Vec<Ring> {
    let mut rings: Vec<Ring> = view
        .rings
        .iter()
        .map(|ring| Ring {
            ring: ring.name.to_string(),
            depth: ring.depth,
            capacity: ring.capacity,
            high_watermark: ring.high_watermark,
            dropped: Some(ring.dropped),
        })
        .collect();
    let known = rings.len();
    for (name, value) in view.gauges.iter().chain(&view.figures) {
        let Some(name) = FigureName::parse(name) else {
            continue;
        };
        let Some(ring) = name.label("ring") else {
            continue;
        };
        if rings[..known].iter().any(|one| one.ring == ring) {
            continue;
        }
        let at = rings.iter().position(|one| one.ring == ring);
        let at = at.unwrap_or_else(|| {
            rings.push(Ring {
                ring: ring.to_string(),
                ..Ring::default()
            });
            rings.len() - 1
        });
        match name.family.as_str() {
            "ring_depth" => rings[at].depth = *value,
            "ring_capacity" => rings[at].capacity = *value,
            "ring_high_watermark" => rings[at].high_watermark = *value,
            "ring_dropped_total" => rings[at].dropped = Some(*value),
            _ => {}
        }
    }
    rings
}

fn memory() -> Option<Memory> {
    let text = read("/proc/meminfo")?;
    Some(Memory {
        total_bytes: kib(&text, "MemTotal:")? * 1_024,
        available_bytes: kib(&text, "MemAvailable:")? * 1_024,
    })
}

/// The number behind `name` in a file of /proc.
fn kib(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

fn disk(state_dir: &Path) -> Option<Disk> {
    let found = rustix::fs::statvfs(state_dir).ok()?;
    Some(Disk {
        total_bytes: found.f_blocks.saturating_mul(found.f_frsize),
        free_bytes: found.f_bavail.saturating_mul(found.f_frsize),
    })
}

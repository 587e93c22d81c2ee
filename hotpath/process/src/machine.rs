//! What the machine lacks for a quiet hot thread, and how its memory is kept in place.
//!
//! In: files of /proc and /sys, limits of the process. Out: findings, each one sentence with what
//! to do; locked memory. Never: a refusal to start; a slow machine trades too.

use crate::tick_clock::ClockKeeper;
use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{Resource, getrlimit};

/// Steal time since boot from which a core counts as shared, in hundredths of a second.
const STEAL_TICKS_MAX: u64 = 100;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// Good to know.
    Info,
    /// Latency will show it.
    Warning,
}

/// One thing that the machine lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How much it matters.
    pub weight: Weight,
    /// What it is and what to do.
    pub text: String,
}

/// What the machine says about itself. A file that is not there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The engine's core.
    pub core: usize,
    /// True when the hot thread spins.
    pub spinning: bool,
    /// Cores of the process.
    pub cores: usize,
    /// /sys/devices/system/cpu/isolated.
    pub isolated: Option<String>,
    /// /sys/devices/system/cpu/nohz_full.
    pub nohz_full: Option<String>,
    /// The core's cpufreq/scaling_governor.
    pub governor: Option<String>,
    /// /sys/devices/system/clocksource/clocksource0/current_clocksource.
    pub clock_source: Option<String>,
    /// Why the time stamp counter is not used.
    pub counter_unfit: Option<String>,
    /// /sys/kernel/mm/transparent_hugepage/enabled.
    pub huge_pages: Option<String>,
    /// Most bytes that may be locked; none without a limit.
    pub lock_limit: Option<u64>,
    /// /proc/stat.
    pub stat: Option<String>,
    /// /proc/sys/net/ipv4/tcp_available_ulp.
    pub protocols: Option<String>,
}

impl Facts {
    /// Reads them.
    #[must_use]
    pub fn read(core: usize, spinning: bool, keeper: &ClockKeeper) -> Self {
        let file = |path: &str| std::fs::read_to_string(path).ok();
        let cpu = "/sys/devices/system/cpu";
        Self {
            core,
            spinning,
            cores: core_affinity::get_core_ids().map_or(0, |cores| cores.len()),
            isolated: file(&format!("{cpu}/isolated")),
            nohz_full: file(&format!("{cpu}/nohz_full")),
            governor: file(&format!("{cpu}/cpu{core}/cpufreq/scaling_governor")),
            clock_source: file("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
            counter_unfit: keeper.unfit().map(ToString::to_string),
            huge_pages: file("/sys/kernel/mm/transparent_hugepage/enabled"),
            lock_limit: getrlimit(Resource::Memlock).current,
            stat: file("/proc/stat"),
            protocols: file("/proc/sys/net/ipv4/tcp_available_ulp"),
        }
    }
}

/// What is lacking, in the order in which it matters. `lock_bytes` is what the process wants to
/// lock.
#[must_use]
pub fn findings(facts: &Facts, lock_bytes: u64) -> Vec<Finding> {
    let checks = [
        few_cores(facts),
        not_isolated(facts),
        counter(facts),
        clock_source(facts),
        governor(facts),
        huge_pages(facts),
        lock_limit(facts, lock_bytes),
        steal(facts),
    ];
    let warnings = checks.into_iter().flatten().map(|text| Finding {
        weight: Weight::Warning,
        text,
    });
    let info = kernel_tls(facts).map(|text| Finding {
        weight: Weight::Info,
        text,
    });
    warnings.chain(info).collect()
}

fn few_cores(facts: &Facts) -> Option<String> {
    (facts.spinning && facts.cores < 2).then(|| {
        "one core only: a spinning engine starves everything else; set \
         hot_path.engine_wait = \"yield\" or give the machine a second core"
            .to_string()
    })
}

/// A core without a timer tick is isolated as well, so one sentence is enough.
fn not_isolated(facts: &Facts) -> Option<String> {
    let core = facts.core;
    let holds = |list: &Option<String>| list.as_deref().is_some_and(|list| names(list, core));
    if !facts.spinning {
        None
    } else if !holds(&facts.isolated) {
        Some(format!(
            "core {core} is not isolated: other work will interrupt the engine; boot with \
             isolcpus={core} nohz_full={core} rcu_nocbs={core}"
        ))
    } else if !holds(&facts.nohz_full) {
        Some(format!(
            "core {core} keeps its timer tick; boot with nohz_full={core}"
        ))
    } else {
        None
    }
}

fn counter(facts: &Facts) -> Option<String> {
    let unfit = facts.counter_unfit.as_ref()?;
    Some(format!(
        "{unfit}; latencies are stamped with CLOCK_MONOTONIC; take a machine with a constant \
         time stamp counter"
    ))
}

fn clock_source(facts: &Facts) -> Option<String> {
    let source = facts.clock_source.as_deref()?.trim();
    // These two are read without a system call.
    (!["tsc", "kvm-clock"].contains(&source)).then(|| {
        format!(
            "the clock source is {source}: each look at the clock is a system call; boot with \
             clocksource=tsc where the processor's counter is steady"
        )
    })
}

fn governor(facts: &Facts) -> Option<String> {
    let (core, governor) = (facts.core, facts.governor.as_deref()?.trim());
    (governor != "performance").then(|| {
        format!(
            "core {core} runs under the governor {governor}: it slows down when idle; write \
             `performance` into its cpufreq/scaling_governor"
        )
    })
}

fn huge_pages(facts: &Facts) -> Option<String> {
    let always = facts.huge_pages.as_deref()?.contains("[always]");
    always.then(|| {
        "transparent huge pages are `always`: the kernel may stop a thread to build one; boot \
         with transparent_hugepage=madvise"
            .to_string()
    })
}

fn lock_limit(facts: &Facts, lock_bytes: u64) -> Option<String> {
    let limit = facts.lock_limit.filter(|limit| *limit < lock_bytes)?;
    Some(format!(
        "only {limit} bytes may be locked and {lock_bytes} are wanted: memory can be paged out; \
         raise LimitMEMLOCK"
    ))
}

fn steal(facts: &Facts) -> Option<String> {
    let core = facts.core;
    let stolen = stolen_ticks(facts.stat.as_deref()?, core)?;
    (stolen >= STEAL_TICKS_MAX).then(|| {
        format!(
            "the host has taken core {core} away for {} s since boot: it is shared; take a \
             machine with a core of its own",
            stolen / 100
        )
    })
}

fn kernel_tls(facts: &Facts) -> Option<String> {
    let all = facts.protocols.as_deref().unwrap_or_default();
    (!all.split_whitespace().any(|one| one == "tls")).then(|| {
        "the kernel offers no TLS of its own (module `tls`); records are decrypted in this \
         process"
            .to_string()
    })
}

fn stolen_ticks(stat: &str, core: usize) -> Option<u64> {
    crate::latency::steal::steal_ticks(stat, core)
}

/// True when a kernel's list such as `1,3-5` names the core.
fn names(list: &str, core: usize) -> bool {
    list.trim().split(',').any(|range| {
        let (low, high) = range.split_once('-').unwrap_or((range, range));
        match (low.parse::<usize>(), high.parse::<usize>()) {
            (Ok(low), Ok(high)) => (low..=high).contains(&core),
            _ => false,
        }
    })
}

/// How much of the memory was locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Locked {
    /// What there is and what will come.
    All,
    /// What there is: under a limit, later memory that must be locked could not be had at all.
    Present,
}

/// Locks the process's memory: a page that was touched stays. Pages that were never touched are
/// not brought in; what must not fault later has to be touched before, as zeroed memory is by
/// [`crate::allocation`] and buffers are by [`touch`].
///
/// # Errors
/// A sentence for the operator; nothing is locked then.
pub fn lock_memory() -> Result<Locked, String> {
    let limited = getrlimit(Resource::Memlock).current.is_some();
    let present = MlockAllFlags::CURRENT | MlockAllFlags::ONFAULT;
    // Root is not bound by the limit, but who has one and is not root must be able to grow.
    let (flags, locked) = if limited && !rustix::process::geteuid().is_root() {
        (present, Locked::Present)
    } else {
        (present | MlockAllFlags::FUTURE, Locked::All)
    };
    mlockall(flags).map(|()| locked).map_err(|error| {
        format!("the process is not locked in memory ({error}); raise LimitMEMLOCK of its unit")
    })
}

/// Touches every page of a buffer, up to its capacity, so that no later write faults.
pub fn touch(buffer: &mut Vec<u8>) {
    let length = buffer.len();
    // A resize writes every byte that is new; the old ones were written by their owner.
    buffer.resize(buffer.capacity(), 0);
    std::hint::black_box(&mut buffer[..]);
    buffer.truncate(length);
}

#[cfg(test)]
mod tests;

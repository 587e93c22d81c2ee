//! Clock, cores, memory and limits, as the kernel tells of them.
//!
//! In: files of the kernel, chrony's own word. Out: checks. Never: a setting that is changed.

use super::host::Host;
use super::report::Report;
use settings::{EngineWait, Settings};
use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

/// Error bound of the clock from which on one is warned, in seconds.
const CLOCK_ERROR_MAX_S: f64 = 0.010;
/// Stolen share of the engine's core that is warned of, and that is too much, in per mille.
const STEAL_WARN: u64 = 10;
const STEAL_MAX: u64 = 100;
/// How long stolen time is watched.
const WATCH: Duration = Duration::from_millis(500);
/// Memory that should be free for both processes, in KiB.
const MEMORY_KIB_MIN: u64 = 512 * 1_024;
const FILES_MIN: u64 = 4_096;
const LOCKED_BYTES_MIN: u64 = 256 << 20;

const CLOCK: &str = "clock";
const CORES: &str = "cores";
const LIMITS: &str = "limits";

/// Whether the machine's clock is right, and by whose word.
pub(super) fn clock(host: &Host, report: &mut Report) {
    let chrony = host.is_real().then(chrony_tracking).flatten();
    match chrony.as_deref().map(tracking) {
        Some(Some((bound_s, true))) => report.warn_unless(
            bound_s <= CLOCK_ERROR_MAX_S,
            CLOCK,
            "synchronised",
            format!("chrony: within {:.3} ms of UTC", bound_s * 1e3),
            "give chrony nearer or more servers; the exchange refuses requests of another time",
        ),
        Some(Some((_, false))) => report.fail(
            CLOCK,
            "synchronised",
            "chrony runs and is not synchronised",
            "let it reach a server: `chronyc sources`",
        ),
        _ if host.exists("/run/systemd/timesync/synchronized") => report.pass(
            CLOCK,
            "synchronised",
            "systemd-timesyncd has synchronised it; it tells no error bound",
        ),
        _ => report.warn(
            CLOCK,
            "synchronised",
            "no time service that can be asked keeps the clock",
            "install chrony; the engine goes by the exchange's clock, people and ledgers by this one",
        ),
    }
    let source = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    match host.read(source) {
        None => report.skip(CLOCK, "source", "the kernel does not tell"),
        Some(source) => report.warn_unless(
            [
                "tsc",
                "kvm-clock",
                "arch_sys_counter",
                "hyperv_clocksource_tsc_page",
            ]
            .contains(&source.as_str()),
            CLOCK,
            "source",
            source,
            "each look at the clock is a slow one; boot with a host or kernel that offers tsc",
        ),
    }
}

fn chrony_tracking() -> Option<String> {
    let output = Command::new("chronyc")
        .args(["-c", "-n", "tracking"])
        .output()
        .ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Error bound in seconds, and whether it is synchronised, of a line of `chronyc -c tracking`.
fn tracking(line: &str) -> Option<(f64, bool)> {
    let fields: Vec<&str> = line.trim().split(',').collect();
    let number = |at: usize| fields.get(at)?.parse::<f64>().ok();
    let (offset, delay, dispersion) = (number(4)?, number(10)?, number(11)?);
    let bound = offset.abs() + delay / 2.0 + dispersion;
    Some((bound, *fields.get(13)? != "Not synchronised"))
}

/// Cores, and the engine's own.
pub(super) fn check(host: &Host, settings: Option<&Settings>, report: &mut Report) {
    let Some(online) = host.processors("/sys/devices/system/cpu/online") else {
        report.skip(CORES, "count", "the kernel does not tell");
        return;
    };
    report.warn_unless(
        online.len() >= 2,
        CORES,
        "count",
        counted(online.len()),
        "two are the least: one for the engine, one for everything else",
    );
    let last = online.last().copied().unwrap_or(0);
    let chosen = settings.and_then(|one| one.hot_path.engine_core);
    let core = chosen.unwrap_or(last);
    if !online.contains(&core) {
        report.fail(
            CORES,
            "engine's core",
            format!(
                "hot_path.engine_core is {core}; there are {}",
                list(&online)
            ),
            "name a core that is there, or none",
        );
        return;
    }
    let spins = settings.is_none_or(|one| one.hot_path.engine_wait == EngineWait::Spin);
    isolation(host, core, spins, report);
    siblings(host, core, report);
    power(host, core, report);
    steal(host, core, report);
    memory(host, report);
}

fn isolation(host: &Host, core: usize, spins: bool, report: &mut Report) {
    let of = |path: &str| host.processors(path).unwrap_or_default();
    let isolated = of("/sys/devices/system/cpu/isolated").contains(&core);
    let tickless = of("/sys/devices/system/cpu/nohz_full").contains(&core);
    let found = match (isolated, tickless) {
        (true, true) => format!("core {core} is the engine's alone, without ticks"),
        (true, false) => format!("core {core} is isolated; the kernel's tick still runs there"),
        (false, _) => format!("core {core} is shared with everybody"),
    };
    let todo = format!(
        "boot with isolcpus={core} nohz_full={core} rcu_nocbs={core} irqaffinity=0 (the image does)"
    );
    match spins {
        true => report.warn_unless(isolated && tickless, CORES, "isolation", found, &todo),
        false => report.pass(
            CORES,
            "isolation",
            format!("{found}; engine_wait = \"yield\" shares it"),
        ),
    }
}

fn siblings(host: &Host, core: usize, report: &mut Report) {
    let path = format!("/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list");
    let Some(mut siblings) = host.processors(&path) else {
        report.skip(CORES, "sibling", "the kernel does not tell");
        return;
    };
    siblings.remove(&core);
    let isolated = host
        .processors("/sys/devices/system/cpu/isolated")
        .unwrap_or_default();
    let busy: BTreeSet<usize> = siblings.difference(&isolated).copied().collect();
    report.warn_unless(
        busy.is_empty(),
        CORES,
        "sibling",
        match (siblings.is_empty(), busy.is_empty()) {
            (true, _) => format!("core {core} has its own execution units"),
            (false, true) => format!("core {core} shares with {}, isolated too", list(&siblings)),
            (false, false) => format!(
                "core {core} shares its execution units with {}",
                list(&busy)
            ),
        },
        "isolate the sibling as well, or switch hyper-threading off (nosmt)",
    );
}

fn power(host: &Host, core: usize, report: &mut Report) {
    let path = format!("/sys/devices/system/cpu/cpu{core}/cpufreq/scaling_governor");
    match host.read(&path) {
        None => report.skip(CORES, "governor", "the host decides on the frequency"),
        Some(governor) => report.warn_unless(
            governor == "performance",
            CORES,
            "governor",
            governor.clone(),
            "cpupower frequency-set -g performance",
        ),
    }
    let turbo = match host.read("/sys/devices/system/cpu/intel_pstate/no_turbo") {
        Some(text) => Some(text == "0"),
        None => host
            .read("/sys/devices/system/cpu/cpufreq/boost")
            .map(|text| text == "1"),
    };
    match turbo {
        None => report.skip(CORES, "turbo", "the host decides"),
        Some(true) => report.pass(CORES, "turbo", "on: fast, and not always the same"),
        Some(false) => report.pass(CORES, "turbo", "off: steady"),
    }
}

/// Ticks of a core: stolen, and in all.
fn ticks(host: &Host, core: usize) -> Option<(u64, u64)> {
    let text = host.read("/proc/stat")?;
    let name = format!("cpu{core}");
    let line = text
        .lines()
        .find(|line| line.split_whitespace().next() == Some(&name))?;
    let numbers: Vec<u64> = line
        .split_whitespace()
        .skip(1)
        .take(8)
        .filter_map(|word| word.parse().ok())
        .collect();
    Some((*numbers.get(7)?, numbers.iter().sum()))
}

fn steal(host: &Host, core: usize, report: &mut Report) {
    let before = ticks(host, core);
    if host.is_real() {
        std::thread::sleep(WATCH);
    }
    let (Some(before), Some(after)) = (before, ticks(host, core)) else {
        report.skip(CORES, "stolen time", "the kernel does not tell");
        return;
    };
    let per_mille = |stolen: u64, all: u64| (stolen * 1_000).checked_div(all).unwrap_or(0);
    let ever = per_mille(after.0, after.1);
    let now = per_mille(
        after.0.saturating_sub(before.0),
        after.1.saturating_sub(before.1),
    );
    let text = |share: u64| format!("{}.{} %", share / 10, share % 10);
    let found = format!(
        "{} of core {core} since boot, {} now",
        text(ever),
        text(now)
    );
    let todo = "other guests take the engine's time: ask for a dedicated core or another host";
    match ever.max(now) {
        0..STEAL_WARN => report.pass(CORES, "stolen time", found),
        STEAL_WARN..STEAL_MAX => report.warn(CORES, "stolen time", found, todo),
        _ => report.fail(CORES, "stolen time", found, todo),
    }
}

fn memory(host: &Host, report: &mut Report) {
    let kib = |name: &str| -> Option<u64> {
        let text = host.field("/proc/meminfo", name)?;
        text.split_whitespace().next()?.parse().ok()
    };
    match kib("MemAvailable") {
        None => report.skip(CORES, "memory", "the kernel does not tell"),
        Some(free) => report.warn_unless(
            free >= MEMORY_KIB_MIN,
            CORES,
            "memory",
            format!("{} MiB available", free / 1_024),
            "512 MiB are the least for both processes",
        ),
    }
    if let Some(swap) = kib("SwapTotal") {
        report.warn_unless(
            swap == 0,
            CORES,
            "swap",
            match swap {
                0 => "none".to_string(),
                swap => format!("{} MiB", swap / 1_024),
            },
            "swapoff -a, or MemorySwapMax=0 for the hot path: a page on the disk is a stall",
        );
    }
}

/// Limits of the running hot path, or of who asks.
pub(super) fn limits(host: &Host, report: &mut Report) {
    let running = host.running("fulcrum-hotpath");
    let (path, whose) = match running.last() {
        Some(process) => (format!("/proc/{}/limits", process.pid), "the hot path"),
        None => ("/proc/self/limits".to_string(), "this shell"),
    };
    let Some(text) = host.read(&path) else {
        report.skip(LIMITS, "limits", format!("{path} cannot be read"));
        return;
    };
    let soft = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next().map(str::to_string)
    };
    let at_least = |value: &str, least: u64| {
        value == "unlimited" || value.parse().is_ok_and(|value: u64| value >= least)
    };
    for (name, title, least, todo) in [
        (
            "Max open files",
            "open files",
            FILES_MIN,
            "LimitNOFILE=65536 in the unit, or ulimit -n",
        ),
        (
            "Max locked memory",
            "locked memory",
            LOCKED_BYTES_MIN,
            "LimitMEMLOCK=infinity in the unit, or ulimit -l: shared memory may be paged out",
        ),
    ] {
        match soft(name) {
            None => report.skip(LIMITS, title, "the kernel does not tell"),
            Some(value) => {
                let good = at_least(&value, least);
                report.warn_unless(good, LIMITS, title, format!("{value} for {whose}"), todo);
            }
        }
    }
    if let Some(core) = soft("Max core file size") {
        report.warn_unless(
            core == "0",
            LIMITS,
            "core dumps",
            match core.as_str() {
                "0" => format!("none of {whose}"),
                size => format!("up to {size} bytes of {whose}"),
            },
            "LimitCORE=0 in the unit, or ulimit -c 0: a dump holds the key",
        );
    }
}

fn counted(cores: usize) -> String {
    match cores {
        1 => "1 core".to_string(),
        cores => format!("{cores} cores"),
    }
}

fn list(cores: &BTreeSet<usize>) -> String {
    let words: Vec<String> = cores.iter().map(usize::to_string).collect();
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::report::Verdict;
    use super::*;
    use std::path::PathBuf;

    /// Files of a kernel that a test makes up.
    struct Kernel(PathBuf);

    impl Kernel {
        fn new(name: &str, files: &[(&str, &str)]) -> Self {
            let path = std::env::temp_dir().join(format!("fulcrum-{name}-{}", std::process::id()));
            let _ = std::fs::remove_dir_all(&path);
            let kernel = Self(path);
            for (file, text) in files {
                kernel.write(file, text);
            }
            kernel
        }

        fn write(&self, file: &str, text: &str) {
            let path = self.0.join(file.trim_start_matches('/'));
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("temporary");
            std::fs::write(path, format!("{text}\n")).expect("temporary");
        }

        fn verdicts(&self, look: impl Fn(&Host, &mut Report)) -> Vec<(String, Verdict)> {
            let mut report = Report::default();
            look(&Host::at(&self.0), &mut report);
            for check in report.checks() {
                let needs = matches!(check.verdict, Verdict::Warn | Verdict::Fail);
                assert_eq!(needs, !check.what_to_do.is_empty(), "{check:?}");
            }
            let found = report.checks().iter();
            found.map(|one| (one.name.clone(), one.verdict)).collect()
        }
    }

    impl Drop for Kernel {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    const CPU: &str = "/sys/devices/system/cpu";

    fn good() -> Vec<(String, &'static str)> {
        let cpu = |path: &str| format!("{CPU}/{path}");
        vec![
            (cpu("online"), "0-3"),
            (cpu("isolated"), "3"),
            (cpu("nohz_full"), "3"),
            (cpu("cpu3/topology/thread_siblings_list"), "3"),
            (cpu("cpu3/cpufreq/scaling_governor"), "performance"),
            (cpu("intel_pstate/no_turbo"), "1"),
            (
                "/proc/stat".to_string(),
                "cpu  1 1 1 1 1 1 1 1 0 0\ncpu3 100 0 100 800 0 0 0 5 0 0",
            ),
            (
                "/proc/meminfo".to_string(),
                "MemAvailable:  4000000 kB\nSwapTotal:  0 kB",
            ),
            (
                "/sys/devices/system/clocksource/clocksource0/current_clocksource".to_string(),
                "tsc",
            ),
            ("/run/systemd/timesync/synchronized".to_string(), ""),
            ("/proc/77/comm".to_string(), "fulcrum-hotpath"),
            (
                "/proc/77/limits".to_string(),
                "Limit Soft Hard Units\nMax core file size        0     0   bytes\n\
                 Max open files            65536  65536 files\n\
                 Max locked memory         unlimited unlimited bytes",
            ),
        ]
    }

    fn all(host: &Host, report: &mut Report) {
        clock(host, report);
        check(host, None, report);
        limits(host, report);
    }

    #[allow(clippy::too_many_lines, reason = "one table of cases")]
    #[test]
    fn a_machine_that_is_set_up_passes_and_each_thing_amiss_is_told_by_itself() {
        let good = good();
        let files = |changed: Option<(&str, &'static str)>| {
            let mut files: Vec<(String, &str)> = good.clone();
            if let Some((path, text)) = changed {
                files.retain(|(name, _)| name != path);
                files.push((path.to_string(), text));
            }
            files
        };
        let verdicts = |name: &str, files: Vec<(String, &str)>| {
            let files: Vec<(&str, &str)> = files.iter().map(|(k, v)| (k.as_str(), *v)).collect();
            Kernel::new(name, &files).verdicts(all)
        };
        let passed = verdicts("doctor-good", files(None));
        assert_eq!(passed.len(), 13, "{passed:?}");
        assert!(
            passed.iter().all(|(_, verdict)| *verdict == Verdict::Pass),
            "{passed:?}"
        );
        let stolen = "cpu3 100 0 100 600 0 0 0 200 0 0";
        let limits =
            "Max core file size  unlimited\nMax open files  1024 x\nMax locked memory  65536 x";
        for (path, text, names, verdict) in [
            (
                "/sys/devices/system/cpu/isolated",
                "",
                &["isolation"][..],
                Verdict::Warn,
            ),
            (
                "/sys/devices/system/cpu/nohz_full",
                "(null)",
                &["isolation"],
                Verdict::Warn,
            ),
            (
                "/sys/devices/system/cpu/cpu3/topology/thread_siblings_list",
                "1,3",
                &["sibling"],
                Verdict::Warn,
            ),
            (
                "/sys/devices/system/cpu/cpu3/cpufreq/scaling_governor",
                "powersave",
                &["governor"],
                Verdict::Warn,
            ),
            ("/proc/stat", stolen, &["stolen time"], Verdict::Fail),
            (
                "/proc/stat",
                "cpu3 0 0 0 980 0 0 0 20",
                &["stolen time"],
                Verdict::Warn,
            ),
            (
                "/proc/meminfo",
                "MemAvailable: 1000 kB\nSwapTotal: 0 kB",
                &["memory"],
                Verdict::Warn,
            ),
            (
                "/proc/meminfo",
                "MemAvailable: 1000000 kB\nSwapTotal: 2048 kB",
                &["swap"],
                Verdict::Warn,
            ),
            (
                "/sys/devices/system/clocksource/clocksource0/current_clocksource",
                "hpet",
                &["source"],
                Verdict::Warn,
            ),
            (
                "/proc/77/limits",
                limits,
                &["open files", "locked memory", "core dumps"],
                Verdict::Warn,
            ),
        ] {
            let found = verdicts("doctor-bad", files(Some((path, text))));
            let amiss: Vec<&str> = found
                .iter()
                .filter(|(_, found)| *found != Verdict::Pass)
                .inspect(|(name, found)| assert_eq!(*found, verdict, "{path}: {name}"))
                .map(|(name, _)| name.as_str())
                .collect();
            assert_eq!(amiss, names, "{path}");
        }
        let one = verdicts(
            "doctor-one",
            files(Some(("/sys/devices/system/cpu/online", "0"))),
        );
        assert_eq!(one[2], ("count".to_string(), Verdict::Warn));
    }

    #[test]
    fn a_kernel_that_tells_nothing_is_skipped_and_not_trusted() {
        let kernel = Kernel::new("doctor-mute", &[]);
        let found = kernel.verdicts(all);
        assert!(
            found.iter().all(|(_, one)| *one != Verdict::Pass),
            "{found:?}"
        );
    }

    #[test]
    fn chrony_tells_its_bound() {
        let line = "A29FC87B,162.159.200.123,3,1795827723.1,0.000123,-0.0002,0.0003,1.5,0.0,0.1,\
                    0.004000,0.001000,64.2,Normal\n";
        let (bound, synchronised) = tracking(line).expect("a line of chrony");
        assert!((bound - 0.003_123).abs() < 1e-9 && synchronised);
        let lost = line.replace("Normal", "Not synchronised");
        assert_eq!(tracking(&lost).map(|(_, good)| good), Some(false));
        assert_eq!(tracking("506 Cannot talk to daemon"), None);
    }
}

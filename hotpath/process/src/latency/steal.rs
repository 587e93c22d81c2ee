//! What the host took from the engine's core.
//!
//! In: /proc/stat. Out: `cpu_steal_ns_total` of one core, which control shows in seconds. Never:
//! anything of a hot thread.

use crate::telemetry::Telemetry;
use ipc::{Counter, RegisterError};

/// The kernel counts in hundredths of a second there, on every machine (USER_HZ, proc_stat(5)).
const TICK_NS: u64 = 10_000_000;

/// Place of the steal time behind the core's name: user, nice, system, idle, iowait, irq,
/// softirq, steal.
const STEAL_FIELD: usize = 7;

/// Steal time of a core in /proc/stat's ticks since boot.
#[must_use]
pub fn steal_ticks(stat: &str, core: usize) -> Option<u64> {
    let name = format!("cpu{core}");
    let mut lines = stat.lines().map(str::split_whitespace);
    let mut fields = lines.find_map(|mut words| (words.next()? == name).then_some(words))?;
    fields.nth(STEAL_FIELD)?.parse().ok()
}

/// Watches one core from the cold side.
pub struct StealWatch {
    core: usize,
    before: Option<u64>,
    stolen: Counter,
}

impl StealWatch {
    /// Counts from now on.
    ///
    /// # Errors
    /// [`RegisterError`].
    pub fn new(telemetry: Telemetry<'_>, core: usize) -> Result<Self, RegisterError> {
        let stolen = telemetry.counter(&format!("cpu_steal_ns_total{{cpu=\"{core}\"}}"))?;
        Ok(Self {
            core,
            before: steal_ticks(&read(), core),
            stolen,
        })
    }

    /// Takes over what the kernel says now; about once a second.
    pub fn look(&mut self) {
        self.note(&read());
    }

    fn note(&mut self, stat: &str) {
        let now = steal_ticks(stat, self.core);
        if let (Some(before), Some(now)) = (self.before, now) {
            self.stolen.set(now.saturating_sub(before) * TICK_NS);
        }
        self.before = self.before.or(now);
    }
}

fn read() -> String {
    std::fs::read_to_string("/proc/stat").unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ipc::{Segment, SegmentLayout};

    const STAT: &str = "cpu  1 2 3 4 5 6 7 800 9 10\ncpu1 1 2 3 4 5 6 7 8 9 10\n\
        cpu10 1 2 3 4 5 6 7 88 9 10\nintr 5\n";

    #[test]
    fn the_steal_time_of_the_core_itself_is_found() {
        for (core, expected) in [(1, Some(8)), (10, Some(88)), (0, None)] {
            assert_eq!(steal_ticks(STAT, core), expected, "core {core}");
        }
        assert_eq!(steal_ticks("cpu1 1 2 3", 1), None);
        assert_eq!(steal_ticks("", 1), None);
    }

    #[test]
    fn only_what_is_stolen_after_the_start_counts() {
        let path = std::env::temp_dir().join(format!("steal-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let segment = Segment::create(&path, &SegmentLayout::default(), 1, 1, 1).unwrap();
        std::fs::remove_file(&path).unwrap();
        let mut watch = StealWatch::new(Telemetry(&segment), 1).unwrap();
        watch.before = Some(5);
        watch.note(STAT);
        assert_eq!(watch.stolen.get(), 30_000_000);
        watch.note("");
        assert_eq!(watch.stolen.get(), 30_000_000);
    }
}

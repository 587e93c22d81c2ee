//! The slowest events from tick to order, with the sequence under which `replay` finds them.
//!
//! In: ways of written orders. Out: ranks since start, of the last full minute, and of events
//! around which a stall was seen; a line in the log each minute in which the ranks since start
//! have changed. Never: an event of which a stall is known among those that are ours.

use super::way::{StageName, Way};
use crate::telemetry::Telemetry;
use ipc::{Counter, RegisterError};
use market::{Instrument, Instruments, MonoNs, UtcNs};

/// Ranks of a list.
pub const RANKS: usize = 8;

const MINUTE_NS: u64 = 60_000_000_000;

/// An order and how long it took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slow {
    /// Tick to order.
    pub took_ns: u64,
    /// Its way.
    pub way: Way,
}

/// The slowest of a time, slowest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Worst {
    ranks: [Slow; RANKS],
    count: usize,
}

impl Worst {
    /// Takes an event in if it is slow enough; true when it was.
    pub fn offer(&mut self, slow: Slow) -> bool {
        let rank = self
            .list()
            .partition_point(|one| one.took_ns >= slow.took_ns);
        if rank == RANKS {
            return false;
        }
        self.count = (self.count + 1).min(RANKS);
        self.ranks[rank..self.count].rotate_right(1);
        self.ranks[rank] = slow;
        true
    }

    /// The list.
    #[must_use]
    pub fn list(&self) -> &[Slow] {
        &self.ranks[..self.count]
    }
}

/// Cells of one list; control shows the times in seconds.
struct WorstCells {
    took_ns: Vec<Counter>,
    sequence: Vec<Counter>,
    time_s: Vec<Counter>,
    /// By rank and stage.
    stages_ns: Vec<[Counter; StageName::ALL.len()]>,
}

impl WorstCells {
    fn new(telemetry: Telemetry<'_>, window: &str) -> Result<Self, RegisterError> {
        let cell = |family: &str, rank: usize, more: &str| {
            let place = format!("window=\"{window}\",rank=\"{}\"{more}", rank + 1);
            telemetry.counter(&format!("{family}{{{place}}}"))
        };
        let column = |family: &str| -> Result<Vec<Counter>, RegisterError> {
            (0..RANKS).map(|rank| cell(family, rank, "")).collect()
        };
        let stages = |rank: usize| {
            let stage = |name: StageName| {
                let more = format!(",stage=\"{}\"", name.as_str());
                cell("tick_to_order_worst_stage_ns", rank, &more)
            };
            let [a, b, c, d, e, f, g, h] = StageName::ALL;
            let early = [stage(a)?, stage(b)?, stage(c)?, stage(d)?];
            let [a, b, c, d] = early;
            Ok([a, b, c, d, stage(e)?, stage(f)?, stage(g)?, stage(h)?])
        };
        Ok(Self {
            took_ns: column("tick_to_order_worst_ns")?,
            sequence: column("tick_to_order_worst_sequence")?,
            time_s: column("tick_to_order_worst_timestamp_seconds")?,
            stages_ns: (0..RANKS).map(stages).collect::<Result<_, _>>()?,
        })
    }

    /// Shows a list; `utc_offset_ns` is the wall clock less the monotonic one.
    fn show(&self, worst: &Worst, utc_offset_ns: i64) {
        for rank in 0..RANKS {
            let slow = worst.list().get(rank).copied().unwrap_or_default();
            self.took_ns[rank].set(slow.took_ns);
            self.sequence[rank].set(slow.way.head.sequence);
            let utc_ns = slow.way.read.0.saturating_add_signed(utc_offset_ns);
            let known = slow.took_ns > 0;
            self.time_s[rank].set(if known { utc_ns / 1_000_000_000 } else { 0 });
            let stages = sums(&slow.way);
            for (cell, ns) in self.stages_ns[rank].iter().zip(stages) {
                cell.set(ns);
            }
        }
    }
}

/// All lists and their cells.
pub struct WorstBoard {
    since_start: Worst,
    minute: Worst,
    stalled: Worst,
    began: MonoNs,
    /// The slowest that entered `since_start` and is not in the log yet.
    news: Option<Slow>,
    dirty: bool,
    cells: [WorstCells; 3],
}

impl WorstBoard {
    /// Empty lists; the first minute begins at `now`.
    ///
    /// # Errors
    /// [`RegisterError`].
    pub fn new(telemetry: Telemetry<'_>, now: MonoNs) -> Result<Self, RegisterError> {
        let cells = |window| WorstCells::new(telemetry, window);
        Ok(Self {
            since_start: Worst::default(),
            minute: Worst::default(),
            stalled: Worst::default(),
            began: now,
            news: None,
            dirty: false,
            cells: [cells("start")?, cells("minute")?, cells("stalled")?],
        })
    }

    /// Takes a written order in.
    pub fn offer(&mut self, slow: Slow) {
        if slow.way.head.stalled {
            self.dirty |= self.stalled.offer(slow);
            return;
        }
        self.minute.offer(slow);
        if self.since_start.offer(slow) {
            self.dirty = true;
            if self.news.is_none_or(|news| news.took_ns < slow.took_ns) {
                self.news = Some(slow);
            }
        }
    }

    /// Shows what has changed. At the end of a minute: its list, and the slowest that entered the
    /// list since start in it, which belongs into the log.
    pub fn show(&mut self, now: MonoNs, utc: UtcNs) -> Option<Slow> {
        let mono = i64::try_from(now.0).unwrap_or(i64::MAX);
        let offset = utc.0.saturating_sub(mono);
        let [since_start, minute, stalled] = &self.cells;
        if std::mem::take(&mut self.dirty) {
            since_start.show(&self.since_start, offset);
            stalled.show(&self.stalled, offset);
        }
        if now.since(self.began) < MINUTE_NS {
            return None;
        }
        self.began = now;
        minute.show(&std::mem::take(&mut self.minute), offset);
        self.news.take()
    }
}

/// Nanoseconds by stage; a stage that was passed twice counts twice.
fn sums(way: &Way) -> [u64; StageName::ALL.len()] {
    let mut sums = [0; StageName::ALL.len()];
    for (stage, ns) in way.stages() {
        sums[stage as usize] += ns;
    }
    sums
}

/// A slow event as the log says it.
#[must_use]
pub fn line(slow: &Slow, table: &[Instrument]) -> String {
    let head = &slow.way.head;
    let place = Instruments(table).get(head.instrument);
    let place = place.map_or_else(String::new, |one| format!("{} {} ", one.market, one.symbol));
    let stages = StageName::ALL.iter().zip(sums(&slow.way));
    let stages = stages.filter(|(_, ns)| *ns > 0);
    let stages: Vec<String> = stages
        .map(|(stage, ns)| format!("{} {ns}", stage.as_str()))
        .collect();
    let source = match head.kernel_age_ns {
        Some(_) => "from_kernel",
        None => "from_read",
    };
    format!(
        "slowest tick to order: {} ns {source}, {place}{} at sequence {} ({} ns); `fulcrum-hotpath \
         replay` shows what the engine did there",
        slow.took_ns,
        head.trigger.as_str(),
        head.sequence,
        stages.join(", "),
    )
}

#[cfg(test)]
mod tests;

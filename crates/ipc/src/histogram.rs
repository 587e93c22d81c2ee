//! Named histograms of durations: recorded in a few nanoseconds, read as percentiles elsewhere.
//!
//! In: nanoseconds. Out: count, sum, maximum, percentiles within 1.6 %, and the classic 1-2-5
//! buckets. Never: a lock, an allocation or a float while recording.
//!
//! Cells are linear up to 64 ns and then 32 to each doubling (the log-linear form of HDR
//! histograms), so a cell is at most 1/32 of its value wide and its middle at most 1/64 off.
//!
//! ```text
//! line 0    sum | max
//! line 1+   cells, eight to a line; the last one takes all that is longer than 34 s
//! ```

use std::cell::Cell;
use std::marker::PhantomData;

use crate::atomic::{AtomicU64, Ordering};
use crate::memory::{LINE_WORDS, Line, Region};
use crate::names::{Names, RegisterError};

/// Most histograms of a segment.
pub const HISTOGRAMS_MAX: usize = 1 << 10;

const STEPS: usize = 32;
const STEPS_BITS: u32 = STEPS.ilog2();
/// Values from 2^35 on share the last cell.
const TOP_BITS: u32 = 35;
const CELLS: usize = (TOP_BITS - STEPS_BITS + 1) as usize * STEPS;
const CELL_LINES: usize = CELLS / LINE_WORDS;
/// Lines of one histogram.
pub(crate) const HISTOGRAM_LINES: usize = 1 + CELL_LINES;

const SUM: usize = 0;
const MAX: usize = 1;

/// Upper bounds of the classic buckets: 100 ns to 1 s in 1-2-5 steps.
pub const BUCKETS_NS: [u64; 22] = {
    let mut bounds = [0; 22];
    let mut index = 0;
    let mut decade = 100;
    while index < bounds.len() {
        bounds[index] = decade * [1, 2, 5][index % 3];
        if index % 3 == 2 {
            decade *= 10;
        }
        index += 1;
    }
    bounds
};
const _: () = assert!(BUCKETS_NS[21] == 1_000_000_000);

const fn cell_of(value_ns: u64) -> usize {
    let top = u64::BITS - 1 - (value_ns | 1).leading_zeros();
    if top <= STEPS_BITS {
        value_ns as usize
    } else if top >= TOP_BITS {
        CELLS - 1
    } else {
        let octave = (top - STEPS_BITS) as usize;
        octave * STEPS + (value_ns >> octave) as usize
    }
}

/// Smallest value of a cell.
const fn lower_of(cell: usize) -> u64 {
    if cell < 2 * STEPS {
        cell as u64
    } else {
        let octave = cell / STEPS - 1;
        ((cell - octave * STEPS) as u64) << octave
    }
}

/// The value that stands for all of a cell: its middle.
const fn middle_of(cell: usize) -> u64 {
    let lower = lower_of(cell);
    lower + (lower_of(cell + 1) - lower) / 2
}

/// The histograms of one segment.
pub struct Histograms {
    names: Names,
    cells: Region,
}

impl Histograms {
    pub(crate) fn new(names: Names, cells: Region) -> Self {
        Self { names, cells }
    }

    fn region(&self, index: usize) -> Region {
        self.cells.part(index * HISTOGRAM_LINES, HISTOGRAM_LINES)
    }

    /// Makes an empty histogram. At start only.
    ///
    /// # Errors
    /// [`RegisterError`] when the name or the table does not allow it.
    pub fn register(&self, name: &str) -> Result<Histogram, RegisterError> {
        let index = self.names.register(name)?;
        Ok(Histogram {
            region: self.region(index),
            one_thread: PhantomData,
        })
    }

    /// Names and present contents, in order of registration.
    pub fn iter(&self) -> impl Iterator<Item = (String, HistogramSnapshot)> + '_ {
        self.names
            .iter()
            .map(|(index, name)| (name, HistogramSnapshot::take(self.region(index).lines())))
    }
}

/// One histogram with one writer: it may move to another thread, but not be shared.
pub struct Histogram {
    region: Region,
    one_thread: PhantomData<Cell<()>>,
}

impl Histogram {
    /// Records one duration in nanoseconds.
    #[inline]
    pub fn record(&self, value_ns: u64) {
        // Relaxed loads and stores throughout: one writer, and every word stands for itself.
        let lines = self.region.lines();
        let cell = cell_of(value_ns);
        add(&lines[1 + cell / LINE_WORDS].0[cell % LINE_WORDS], 1);
        add(&lines[0].0[SUM], value_ns);
        let max = &lines[0].0[MAX];
        if max.load(Ordering::Relaxed) < value_ns {
            max.store(value_ns, Ordering::Relaxed);
        }
    }

    /// The present contents.
    #[must_use]
    pub fn snapshot(&self) -> HistogramSnapshot {
        HistogramSnapshot::take(self.region.lines())
    }
}

fn add(cell: &AtomicU64, count: u64) {
    cell.store(
        cell.load(Ordering::Relaxed).wrapping_add(count),
        Ordering::Relaxed,
    );
}

/// The contents of a histogram at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistogramSnapshot {
    cells: Vec<u64>,
    count: u64,
    sum_ns: u64,
    max_ns: u64,
}

impl HistogramSnapshot {
    fn take(lines: &[Line]) -> Self {
        let (head, body) = lines.split_first().expect("a histogram has a head line");
        let words = body.iter().flat_map(|line| &line.0);
        let cells: Vec<u64> = words.map(|word| word.load(Ordering::Relaxed)).collect();
        let count = cells
            .iter()
            .fold(0, |sum: u64, cell| sum.wrapping_add(*cell));
        Self {
            cells,
            count,
            sum_ns: head.0[SUM].load(Ordering::Relaxed),
            max_ns: head.0[MAX].load(Ordering::Relaxed),
        }
    }

    /// Durations recorded.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Their sum in nanoseconds.
    #[must_use]
    pub fn sum_ns(&self) -> u64 {
        self.sum_ns
    }

    /// The longest, exact; 0 while there is none.
    #[must_use]
    pub fn max_ns(&self) -> u64 {
        self.max_ns
    }

    /// The duration that `per_ten_thousand` of 10,000 do not exceed (5,000: the median, 9,990:
    /// p99.9), within 1.6 %; none while nothing is recorded.
    #[must_use]
    pub fn quantile_ns(&self, per_ten_thousand: u32) -> Option<u64> {
        let wanted = u128::from(self.count) * u128::from(per_ten_thousand.min(10_000));
        let rank = u64::try_from(wanted.div_ceil(10_000)).expect("at most the count");
        let rank = rank.max(1);
        let mut below = 0_u64;
        for (cell, count) in self.cells.iter().enumerate() {
            below = below.saturating_add(*count);
            if below >= rank {
                let last = cell == CELLS - 1;
                let value = if last { self.max_ns } else { middle_of(cell) };
                return Some(value.min(self.max_ns));
            }
        }
        None
    }

    /// How many durations lie at or under each bound of [`BUCKETS_NS`]. A cell counts where its
    /// middle lies, so a bound is met within 1.6 %.
    #[must_use]
    pub fn buckets(&self) -> [u64; BUCKETS_NS.len()] {
        let mut buckets = [0_u64; BUCKETS_NS.len()];
        for (cell, count) in self.cells.iter().enumerate().take(CELLS - 1) {
            let first = BUCKETS_NS.partition_point(|bound| *bound < middle_of(cell));
            if let Some(bucket) = buckets.get_mut(first) {
                *bucket = bucket.wrapping_add(*count);
            }
        }
        let mut sum = 0_u64;
        for bucket in &mut buckets {
            sum = sum.wrapping_add(*bucket);
            *bucket = sum;
        }
        buckets
    }

    /// The counts of all cells, for keeping them beyond the segment's life.
    #[must_use]
    pub fn cells(&self) -> &[u64] {
        &self.cells
    }

    /// A snapshot from kept cells; missing ones are 0, and more than there are is none of ours.
    #[must_use]
    pub fn from_cells(mut cells: Vec<u64>, sum_ns: u64, max_ns: u64) -> Option<Self> {
        if cells.len() > CELLS {
            return None;
        }
        cells.resize(CELLS, 0);
        let count = cells
            .iter()
            .fold(0, |sum: u64, cell| sum.wrapping_add(*cell));
        Some(Self {
            cells,
            count,
            sum_ns,
            max_ns,
        })
    }

    /// Adds what another histogram recorded, as of an earlier generation.
    pub fn merge(&mut self, other: &Self) {
        for (cell, more) in self.cells.iter_mut().zip(&other.cells) {
            *cell = cell.wrapping_add(*more);
        }
        self.count = self.count.wrapping_add(other.count);
        self.sum_ns = self.sum_ns.wrapping_add(other.sum_ns);
        self.max_ns = self.max_ns.max(other.max_ns);
    }

    /// What was recorded since `earlier`, a snapshot of the same histogram; the maximum is of all
    /// time.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let pairs = self.cells.iter().zip(&earlier.cells);
        Self {
            cells: pairs.map(|(now, then)| now.wrapping_sub(*then)).collect(),
            count: self.count.wrapping_sub(earlier.count),
            sum_ns: self.sum_ns.wrapping_sub(earlier.sum_ns),
            max_ns: self.max_ns,
        }
    }
}

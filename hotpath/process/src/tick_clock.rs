//! The time stamp counter as a clock: one instruction a stamp, nanoseconds by a multiplication.
//!
//! In: the counter, CLOCK_MONOTONIC and CLOCK_REALTIME on the cold side. Out: stamps, and the
//! monotonic time and the durations that they stand for. Never: a float; a reading that steps
//! back; a system call of the side that stamps.
//!
//! The cold side holds the [`ClockKeeper`], compares counter and kernel about once a second and
//! publishes what it found. Who stamps holds a [`TickClock`] and calls [`TickClock::follow`] now
//! and then: it does not jump to what was found, it glides there within a second, so that its
//! time never runs backwards. Where the counter is not fit to be a clock, the same calls read
//! CLOCK_MONOTONIC, and [`ClockKeeper::unfit`] says why.

mod counter;

use crate::clock;
use ipc::{PageReader, PageWriter, heap_page};
use market::MonoNs;
use std::time::Duration;

/// Binary places of the factor after the point: at 3 GHz one part in 1.4 billion.
const SHIFT: u32 = 32;

/// Between two readings of the first calibration.
const CALIBRATION: Duration = Duration::from_millis(5);

/// Readings of which the narrowest counts.
const TRIES: usize = 32;

/// Both halves of the first calibration must agree so well.
const DISAGREEMENT_MAX_PPM: u64 = 1_000;

/// A counter between 100 MHz and 20 GHz is believed: nanoseconds a tick, shifted.
const FACTORS: std::ops::RangeInclusive<u64> = (1 << SHIFT) / 20..=10 << SHIFT;

/// A clock that is so far behind steps forward, as after a suspended machine.
const STEP_NS: u64 = 1_000_000;

/// Errors are worked off within this time.
const GLIDE_NS: u64 = 1_000_000_000;

/// Corrections nearer together than this keep the rate: the bracket's width would spoil it.
const RATE_BASE_NS: u64 = 200_000_000;

/// How far the counter's time may be off the kernel's.
const CALIBRATION_ERROR_NS: i64 = 20_000;

/// Oldest kernel stamp that is believed.
const KERNEL_AGE_MAX_NS: i64 = 4_000_000_000;

/// A value of the counter; 0 stands for no stamp.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticks(pub u64);

impl Ticks {
    /// No stamp.
    pub const NONE: Self = Self(0);

    /// True when this is a stamp.
    #[must_use]
    pub const fn is_set(self) -> bool {
        self.0 != 0
    }
}

/// Why the counter is not used as a clock.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// The processor has none that we know.
    #[error("this processor has no time stamp counter that Fulcrum knows")]
    Missing,
    /// A flag is missing in /proc/cpuinfo.
    #[error("/proc/cpuinfo does not say {0}: the time stamp counter is not steady")]
    Flag(&'static str),
    /// Two halves of the calibration do not fit together.
    #[error("the time stamp counter ran {first} and then {second} (2^-32 ns a tick)")]
    Unsteady {
        /// First half.
        first: u64,
        /// Second half.
        second: u64,
    },
    /// No counter runs like that.
    #[error("the time stamp counter's rate is impossible: {0} (2^-32 ns a tick)")]
    Rate(u64),
}

/// A line through counter and time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Scale {
    base_ticks: u64,
    base_ns: u64,
    /// Nanoseconds a tick, with [`SHIFT`] binary places.
    factor: u64,
}

impl Scale {
    /// Ticks that are nanoseconds.
    const IDENTITY: Self = Self {
        base_ticks: 0,
        base_ns: 0,
        factor: 1 << SHIFT,
    };

    #[inline]
    fn span_ns(&self, ticks: u64) -> u64 {
        // Whole in 128 bits; only spans of centuries lose their top.
        ((u128::from(ticks) * u128::from(self.factor)) >> SHIFT) as u64
    }

    #[inline]
    fn at(&self, ticks: u64) -> u64 {
        match ticks.checked_sub(self.base_ticks) {
            Some(after) => self.base_ns.saturating_add(self.span_ns(after)),
            None => {
                let before = self.span_ns(self.base_ticks - ticks);
                self.base_ns.saturating_sub(before)
            }
        }
    }

    /// Meets `truth` one [`GLIDE_NS`] after `now` and is continuous at `now`; a clock that is far
    /// behind steps forward, one that is far ahead slows down to half and no further.
    fn glide(&self, truth: &Self, now: u64) -> Self {
        let (here, there) = (self.at(now), truth.at(now));
        if there > here.saturating_add(STEP_NS) {
            return Self {
                base_ticks: now,
                base_ns: there,
                factor: truth.factor,
            };
        }
        let span = (u128::from(GLIDE_NS) << SHIFT) / u128::from(truth.factor.max(1));
        let span = u64::try_from(span).unwrap_or(u64::MAX).max(1);
        let goal = truth.at(now.saturating_add(span)).saturating_sub(here);
        let factor = (u128::from(goal) << SHIFT) / u128::from(span);
        let factor = u64::try_from(factor).unwrap_or(truth.factor);
        Self {
            base_ticks: now,
            base_ns: here,
            factor: factor.clamp(truth.factor / 2, truth.factor.saturating_mul(2)),
        }
    }
}

/// What the keeper publishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Truth {
    scale: Scale,
    /// CLOCK_REALTIME less CLOCK_MONOTONIC.
    utc_offset_ns: i64,
}

const TRUTH_BYTES: usize = 32;

impl Truth {
    fn to_bytes(self) -> [u8; TRUTH_BYTES] {
        let words = [
            self.scale.base_ticks,
            self.scale.base_ns,
            self.scale.factor,
            self.utc_offset_ns.cast_unsigned(),
        ];
        let mut bytes = [0; TRUTH_BYTES];
        for (place, word) in bytes.chunks_exact_mut(8).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    fn from_bytes(bytes: &[u8; TRUTH_BYTES]) -> Self {
        let word = |at: usize| {
            let eight = bytes[at * 8..][..8].try_into();
            u64::from_le_bytes(eight.expect("eight bytes are eight bytes"))
        };
        Self {
            scale: Scale {
                base_ticks: word(0),
                base_ns: word(1),
                factor: word(2),
            },
            utc_offset_ns: word(3).cast_signed(),
        }
    }
}

/// The clock of one thread that stamps. Clones are clocks of other threads.
#[derive(Clone)]
pub struct TickClock {
    scale: Scale,
    utc_offset_ns: i64,
    hardware: bool,
    truth: PageReader,
    seen: u64,
}

impl TickClock {
    /// Calibrates for some milliseconds and never fails: a counter that is unfit is replaced by
    /// CLOCK_MONOTONIC, and the keeper says why.
    #[must_use]
    pub fn start() -> (Self, ClockKeeper) {
        let flags = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        match steady(&flags).and_then(|()| calibrate()) {
            Ok(scale) => Self::with(scale, None),
            Err(unfit) => Self::with(Scale::IDENTITY, Some(unfit)),
        }
    }

    /// The clock of a machine without a fit counter, for comparison and tests.
    #[must_use]
    pub fn of_kernel() -> (Self, ClockKeeper) {
        Self::with(Scale::IDENTITY, Some(Unfit::Missing))
    }

    fn with(scale: Scale, unfit: Option<Unfit>) -> (Self, ClockKeeper) {
        let (writer, truth) = heap_page();
        let mut keeper = ClockKeeper {
            last: reading(unfit.is_none()),
            scale,
            unfit,
            writer,
        };
        keeper.publish();
        let mut clock = Self {
            scale,
            utc_offset_ns: 0,
            hardware: keeper.unfit.is_none(),
            truth,
            seen: 0,
        };
        clock.follow();
        (clock, keeper)
    }

    /// Now: one instruction, about 10 ns.
    #[inline]
    #[must_use]
    pub fn now(&self) -> Ticks {
        ticks_now(self.hardware)
    }

    /// The time on CLOCK_MONOTONIC that a stamp stands for.
    #[inline]
    #[must_use]
    pub fn to_mono(&self, ticks: Ticks) -> MonoNs {
        MonoNs(self.scale.at(ticks.0))
    }

    /// Nanoseconds between two stamps; 0 when they are in the other order.
    #[inline]
    #[must_use]
    pub fn between(&self, earlier: Ticks, later: Ticks) -> u64 {
        self.scale.span_ns(later.0.saturating_sub(earlier.0))
    }

    /// Stamps that are so many nanoseconds apart, for thresholds.
    #[must_use]
    pub fn ticks_of(&self, ns: u64) -> u64 {
        let ticks = (u128::from(ns) << SHIFT) / u128::from(self.scale.factor.max(1));
        u64::try_from(ticks).unwrap_or(u64::MAX)
    }

    /// Nanoseconds from a kernel stamp (SO_TIMESTAMPNS, CLOCK_REALTIME) to `read`; none when the
    /// two do not fit together, as after a step of the wall clock.
    #[inline]
    #[must_use]
    pub fn kernel_age(&self, kernel_utc_ns: i64, read: Ticks) -> Option<u32> {
        let read = i64::try_from(self.to_mono(read).0).ok()?;
        let age = read
            .checked_add(self.utc_offset_ns)?
            .checked_sub(kernel_utc_ns)?;
        // Calibration is off by less than the youngest ages: those are not left out.
        let age = if (-CALIBRATION_ERROR_NS..0).contains(&age) {
            0
        } else {
            age
        };
        (0..KERNEL_AGE_MAX_NS)
            .contains(&age)
            .then_some(u32::try_from(age).ok()?)
    }

    /// Takes over what the keeper has published since the last call; without news one load.
    /// Belongs into the upkeep of a loop, not into its every turn.
    pub fn follow(&mut self) {
        let version = self.truth.version();
        if version == self.seen {
            return;
        }
        let mut bytes = [0; TRUTH_BYTES];
        // A writer in the middle of its write is met again at the next call.
        let Ok(Some(TRUTH_BYTES)) = self.truth.read(&mut bytes) else {
            return;
        };
        let truth = Truth::from_bytes(&bytes);
        self.seen = version;
        self.utc_offset_ns = truth.utc_offset_ns;
        if self.hardware {
            self.scale = self.scale.glide(&truth.scale, self.now().0);
        }
    }
}

/// The one who compares the counter with the kernel; on the cold side.
pub struct ClockKeeper {
    last: Reading,
    scale: Scale,
    unfit: Option<Unfit>,
    writer: PageWriter,
}

impl ClockKeeper {
    /// Why the counter is not used; none when it is.
    #[must_use]
    pub fn unfit(&self) -> Option<&Unfit> {
        self.unfit.as_ref()
    }

    /// Compares and publishes: about once a second, from the cold side. Returns how far the
    /// former line was off in nanoseconds, positive when it was ahead of the kernel.
    pub fn correct(&mut self) -> i64 {
        let read = reading(self.unfit.is_none());
        let ahead = i128::from(self.scale.at(read.ticks)) - i128::from(read.ns);
        if self.unfit.is_none() {
            let passed_ns = read.ns.saturating_sub(self.last.ns);
            let factor = factor(&self.last, &read).filter(|factor| FACTORS.contains(factor));
            let factor = factor.filter(|_| passed_ns >= RATE_BASE_NS);
            if factor.is_some() || passed_ns >= RATE_BASE_NS {
                self.last = read;
            }
            self.scale = Scale {
                base_ticks: read.ticks,
                base_ns: read.ns,
                factor: factor.unwrap_or(self.scale.factor),
            };
        }
        self.publish();
        i64::try_from(ahead).unwrap_or(i64::MAX)
    }

    fn publish(&mut self) {
        let truth = Truth {
            scale: self.scale,
            utc_offset_ns: utc_offset_ns(),
        };
        self.writer.write(&truth.to_bytes());
    }
}

#[inline]
fn ticks_now(hardware: bool) -> Ticks {
    if hardware && let Some(ticks) = counter::read() {
        return Ticks(ticks);
    }
    Ticks(clock::monotonic().0)
}

/// The counter and the kernel at the same moment, as well as that can be had.
#[derive(Clone, Copy)]
struct Reading {
    ticks: u64,
    ns: u64,
}

/// The narrowest of some readings of the kernel between two of the counter.
fn reading(hardware: bool) -> Reading {
    let one = |_| {
        let before = ticks_now(hardware).0;
        let ns = clock::monotonic().0;
        let width = ticks_now(hardware).0.saturating_sub(before);
        let ticks = before + width / 2;
        (width, Reading { ticks, ns })
    };
    let all = (0..TRIES).map(one);
    let narrowest = all.min_by_key(|(width, _)| *width);
    narrowest.expect("some tries").1
}

/// CLOCK_REALTIME less CLOCK_MONOTONIC, the narrowest of some readings.
fn utc_offset_ns() -> i64 {
    let one = |_| {
        let before = clock::monotonic().0;
        let utc = clock::utc().0;
        let width = clock::monotonic().0.saturating_sub(before);
        let mono = i64::try_from(before + width / 2).unwrap_or(i64::MAX);
        (width, utc.saturating_sub(mono))
    };
    let narrowest = (0..TRIES).map(one).min_by_key(|(width, _)| *width);
    narrowest.expect("some tries").1
}

fn factor(first: &Reading, second: &Reading) -> Option<u64> {
    let ns = u128::from(second.ns.checked_sub(first.ns)?) << SHIFT;
    let ticks = u128::from(second.ticks.checked_sub(first.ticks)?);
    u64::try_from(ns.checked_div(ticks)?).ok()
}

/// What /proc/cpuinfo must say of a counter that neither changes its rate nor stops.
fn steady(cpuinfo: &str) -> Result<(), Unfit> {
    if counter::read().is_none() {
        return Err(Unfit::Missing);
    }
    let mut lines = cpuinfo.lines();
    let flags = lines.find(|line| line.starts_with("flags"));
    let flags: Vec<&str> = flags.unwrap_or_default().split_whitespace().collect();
    for wanted in ["constant_tsc", "nonstop_tsc"] {
        if !flags.contains(&wanted) {
            return Err(Unfit::Flag(wanted));
        }
    }
    Ok(())
}

fn calibrate() -> Result<Scale, Unfit> {
    let first = reading(true);
    std::thread::sleep(CALIBRATION);
    let second = reading(true);
    std::thread::sleep(CALIBRATION);
    let third = reading(true);
    judge(&first, &second, &third)
}

fn judge(first: &Reading, second: &Reading, third: &Reading) -> Result<Scale, Unfit> {
    let rate = |from, to| factor(from, to).unwrap_or(0);
    let halves = [rate(first, second), rate(second, third)];
    let disagreement = u128::from(halves[0].abs_diff(halves[1])) * 1_000_000;
    if disagreement > u128::from(halves[0]) * u128::from(DISAGREEMENT_MAX_PPM) {
        let [first, second] = halves;
        return Err(Unfit::Unsteady { first, second });
    }
    let factor = rate(first, third);
    if !FACTORS.contains(&factor) {
        return Err(Unfit::Rate(factor));
    }
    Ok(Scale {
        base_ticks: third.ticks,
        base_ns: third.ns,
        factor,
    })
}

#[cfg(test)]
mod tests;

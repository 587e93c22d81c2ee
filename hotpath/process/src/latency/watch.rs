//! Everything of latency that the cold side looks after, and the hot threads' ends of it.
//!
//! In: the segment's cells, the table, the engine's core. Out: a clock and two logs for the hot
//! threads, a watch for the cold one. Never: work for a hot thread.

use super::collector::Collector;
use super::steal::StealWatch;
use super::way_log::{WAY_SLOTS, WayLog, way_log};
use crate::telemetry::Telemetry;
use crate::tick_clock::{ClockKeeper, TickClock};
use ipc::RegisterError;
use market::Instrument;
use std::sync::Arc;

/// What the hot threads are given.
pub struct HotEnds {
    /// To be cloned for each of them.
    pub clock: TickClock,
    /// Where the way of each market event is told.
    pub events: WayLog,
    /// Where the way of each order is told.
    pub orders: WayLog,
}

/// The cold side's part.
pub struct LatencyWatch {
    collector: Collector,
    /// Compares the hot threads' clock with the kernel's.
    pub keeper: ClockKeeper,
    steal: StealWatch,
}

/// Both sides; `core` is the engine's, `kernel_stamps` says that reads carry the kernel's time.
///
/// # Errors
/// [`RegisterError`].
pub fn begin(
    telemetry: Telemetry<'_>,
    table: &Arc<[Instrument]>,
    core: usize,
    kernel_stamps: bool,
) -> Result<(HotEnds, LatencyWatch), RegisterError> {
    let (clock, keeper) = TickClock::start();
    let (events, told) = way_log(WAY_SLOTS, telemetry.ring_dropped("ways")?);
    let (orders, orders_told) = way_log(WAY_SLOTS, telemetry.ring_dropped("order_ways")?);
    let watch = LatencyWatch {
        collector: Collector::new(telemetry, table, kernel_stamps, vec![told, orders_told])?,
        keeper,
        steal: StealWatch::new(telemetry, core)?,
    };
    let ends = HotEnds {
        clock,
        events,
        orders,
    };
    Ok((ends, watch))
}

impl LatencyWatch {
    /// Every few milliseconds: empties the logs.
    pub fn visit(&mut self) {
        self.collector.visit();
    }

    /// Once a second: the clock and the host.
    pub fn look(&mut self) {
        self.keeper.correct();
        self.steal.look();
    }
}

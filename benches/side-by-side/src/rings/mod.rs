//! Row c: a 64-byte message crosses from one core to the other.
//!
//! In: two cores. Out: nanoseconds one way, the median over batches of round trips, of each ring
//! and of the floor: one cache line that two threads bounce. Never: a figure of unpinned threads;
//! on one core the row is left out.
//!
//! Ours carries 56 bytes of payload and 8 of stamp in its 64-byte slot; the others carry eight
//! words. To add a contender: give two closures an end each, in [`peers`].

mod floor;
mod ours;
mod peers;

pub(crate) use ours::echo_process;

use crate::rounds::{Figures, Lane, interleave};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::time::Instant;

/// Slots of every ring.
const CAPACITY: usize = 1_024;

/// Round trips between two looks at the clock: the clock costs as much as a crossing.
const BATCH: usize = 16;

/// The floor's name.
pub(crate) const FLOOR: &str = "floor: one cache line bounced";
/// Ours between two threads.
pub(crate) const THREADS: &str = "fulcrum, two threads";
/// Ours between two processes.
pub(crate) const PROCESSES: &str = "fulcrum, two processes";

/// What crosses.
pub(crate) type Message = [u64; 8];

/// Measures all rings; None with fewer than two cores.
pub(crate) fn measure(rounds: usize, batches: usize) -> Result<Option<Figures>, String> {
    let before = sched_getaffinity(None).map_err(|error| error.to_string())?;
    let Some([here, there]) = two_cores()? else {
        return Ok(None);
    };
    let setup = Setup {
        here,
        there,
        batches,
    };
    let mut lanes = vec![
        Lane::new(FLOOR, || floor::run(&setup)),
        Lane::new(THREADS, || ours::threads(&setup)),
        Lane::new(PROCESSES, || {
            ours::processes(&setup).expect("the first run showed that it works")
        }),
    ];
    ours::processes(&setup)?;
    for (name, run) in peers::ALL {
        let setup = &setup;
        lanes.push(Lane::new(name, move || run(setup)));
    }
    let figures = interleave("c. rings", &mut lanes, rounds);
    sched_setaffinity(None, &before).map_err(|error| error.to_string())?;
    Ok(Some(figures))
}

/// The first two cores that this process may use.
pub(crate) fn two_cores() -> Result<Option<[usize; 2]>, String> {
    let allowed = sched_getaffinity(None).map_err(|error| error.to_string())?;
    let mut cores = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
    Ok(cores.next().zip(cores.next()).map(<[usize; 2]>::from))
}

/// Which cores, how much.
pub(crate) struct Setup {
    here: usize,
    there: usize,
    batches: usize,
}

impl Setup {
    /// All round trips of a run.
    fn trips(&self) -> usize {
        self.batches * BATCH
    }

    /// One way in nanoseconds: half of the median batch of `trip`.
    fn one_way(&self, mut trip: impl FnMut(u64)) -> f64 {
        let mut number = 0;
        let mut taken: Vec<u64> = (0..self.batches)
            .map(|_| {
                let begun = Instant::now();
                for _ in 0..BATCH {
                    number += 1;
                    trip(number);
                }
                u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX)
            })
            .collect();
        taken.sort_unstable();
        taken[taken.len() / 2] as f64 / (2 * BATCH) as f64
    }

    /// Echoes on the other core what this core sends: `echo` answers one message a call.
    fn round_trips(&self, mut echo: impl FnMut() + Send, trip: impl FnMut(u64)) -> f64 {
        std::thread::scope(|scope| {
            let (there, trips) = (self.there, self.trips());
            scope.spawn(move || {
                pin(there);
                for _ in 0..trips {
                    echo();
                }
            });
            pin(self.here);
            self.one_way(trip)
        })
    }
}

/// Keeps this thread on one core.
pub(crate) fn pin(core: usize) {
    let mut cores = CpuSet::new();
    cores.set(core);
    if let Err(error) = sched_setaffinity(None, &cores) {
        eprintln!("core {core}: not pinned: {error}");
    }
}

/// Eight words that show a message's number.
fn message(number: u64) -> Message {
    [number; 8]
}

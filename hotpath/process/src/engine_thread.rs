//! The pinned thread of `hot_io = "threads"`: rings in, one engine, rings out.
//!
//! In: inputs of the gateways and commands, by quota. Out: requests, and what the host keeps.
//! Never: an allocation, a lock or a system call in its loop (with `engine_wait = "yield"` it
//! gives the core away when idle).

use crate::allocation;
use crate::engine_host::{EngineHost, Leftover, Outlet};
use crate::messages::{KIND, REQUEST_BYTES_MAX, Stamps, encode_request};
use crate::telemetry::RingCells;
use crate::tick_clock::TickClock;
use engine::Request;
use ipc::{Consumer, Producer};
use market::MonoNs;
use std::sync::atomic::{AtomicBool, Ordering};

/// Most records taken from each ring in one turn: a burst of market data never keeps replies and
/// fills waiting for long.
pub(crate) const COMMAND_QUOTA: usize = 16;
const REPLY_QUOTA: usize = 64;
pub(crate) const COLD_QUOTA: usize = 16;
const MARKET_QUOTA: usize = 8;

/// How the pinned thread behaves.
#[derive(Clone, Copy, Debug)]
pub struct Behaviour {
    /// Spin, or give the core away while idle.
    pub spin: bool,
    /// Allocations to make on purpose, so that the counter is seen to count.
    pub inject_allocations: u64,
}

impl Behaviour {
    /// From now on the calling thread may not allocate, but for what is wanted on purpose.
    pub(crate) fn guard(self) {
        allocation::guard_this_thread();
        for _ in 0..self.inject_allocations {
            // Kept for good: a free would be counted as well.
            std::mem::forget(std::hint::black_box(Box::new(0u64)));
        }
    }

    /// Between two turns, after one that found nothing.
    #[inline]
    pub(crate) fn wait(self) {
        if self.spin {
            std::hint::spin_loop();
        } else {
            std::thread::yield_now();
        }
    }
}

/// A ring into the engine with its figures.
pub struct Inlet {
    /// Its reading end.
    pub ring: Consumer,
    /// Its figures.
    pub cells: RingCells,
}

impl Inlet {
    /// Steps what waits, up to `quota`. True when there was anything.
    pub(crate) fn drain(
        &mut self,
        quota: usize,
        now: MonoNs,
        host: &mut EngineHost,
        outlet: &mut impl Outlet,
    ) -> bool {
        for taken in 0..quota {
            // The second look of a turn, so that no first decision waits for the writer's line.
            if taken == 1 {
                self.cells.meet(self.ring.depth());
            }
            match host.take_from(&mut self.ring, now, outlet) {
                Ok(true) => {}
                Ok(false) => return taken > 0,
                Err(error) => panic!("a ring of this process is damaged: {error}"),
            }
        }
        true
    }

    /// Shows its figures.
    pub(crate) fn show(&mut self) {
        self.cells
            .show(self.ring.depth(), self.ring.high_watermark());
    }
}

/// Rings into the engine.
pub struct Inlets {
    /// Control's commands.
    pub commands: Consumer,
    /// Replies and private events.
    pub replies: Inlet,
    /// Snapshots, reconciliation, clock samples, the process's own commands.
    pub cold: Inlet,
    /// Market data.
    pub market: Inlet,
}

/// Rings out of the engine.
pub struct Rings {
    /// To the order gateway.
    pub orders: Producer,
    /// Its figures.
    pub orders_cells: RingCells,
    /// To the cold thread.
    pub cold: Producer,
}

impl Outlet for Rings {
    fn send(&mut self, request: &Request, stamps: &Stamps, _: &TickClock) {
        if request.is_cold() {
            return push(&mut self.cold, request, stamps);
        }
        push(&mut self.orders, request, stamps);
        self.orders_cells.meet(self.orders.depth());
    }
}

/// The throttle keeps requests far below a ring's room: full means a dead reader, and an engine
/// whose requests go nowhere must not go on.
pub(crate) fn push(ring: &mut Producer, request: &Request, stamps: &Stamps) {
    let mut bytes = [0; REQUEST_BYTES_MAX];
    let length = encode_request(stamps, request, &mut bytes);
    let length = length.expect("REQUEST_BYTES_MAX holds every request");
    ring.try_push(KIND, &bytes[..length])
        .expect("a gateway that lives empties its ring");
}

/// What the thread is made of; [`EngineThread::run`] is its life.
pub struct EngineThread {
    /// The engine.
    pub host: EngineHost,
    /// Rings in.
    pub inlets: Inlets,
    /// Rings out.
    pub rings: Rings,
    /// How it behaves.
    pub behaviour: Behaviour,
}

impl EngineThread {
    /// Runs until a stop has been carried out, or `abandon` is set.
    #[must_use]
    pub fn run(mut self, abandon: &AtomicBool) -> Leftover {
        self.behaviour.guard();
        self.host
            .resume_configuration(self.host.now(), &mut self.rings);
        self.host.resume_breakers(self.host.now(), &mut self.rings);
        self.host.resume_account(self.host.now(), &mut self.rings);
        self.host.resume_latch(self.host.now(), &mut self.rings);
        loop {
            let now = self.host.now();
            let busy = self.turn(now);
            if self.host.end_turn(busy, now, &mut self.rings) {
                self.show();
                if self.host.has_stopped(now) || abandon.load(Ordering::Relaxed) {
                    break;
                }
            }
            if !busy {
                self.behaviour.wait();
            }
        }
        allocation::release_this_thread();
        self.show();
        let now = self.host.now();
        self.host.finish(now)
    }

    /// One pass over the rings. True when there was anything.
    pub(crate) fn turn(&mut self, now: MonoNs) -> bool {
        let Self {
            host,
            inlets,
            rings,
            ..
        } = self;
        let mut busy = false;
        for _ in 0..COMMAND_QUOTA {
            if !host.take_command(&mut inlets.commands, now, rings) {
                break;
            }
            busy = true;
        }
        busy |= inlets.replies.drain(REPLY_QUOTA, now, host, rings);
        busy |= inlets.cold.drain(COLD_QUOTA, now, host, rings);
        busy |= inlets.market.drain(MARKET_QUOTA, now, host, rings);
        busy | host.take_due(now, rings)
    }

    pub(crate) fn show(&mut self) {
        self.inlets.replies.show();
        self.inlets.cold.show();
        self.inlets.market.show();
        let Rings {
            orders,
            orders_cells,
            ..
        } = &mut self.rings;
        orders_cells.show(orders.depth(), orders.high_watermark());
    }
}

//! The pinned loop on the sockets.
//!
//! In: commands, replies and fills, cold inputs, market data, in this order; each no more than its
//! quota, or than one read brings. Out: orders. Never: a wait, a lock, an allocation of our own, a line of log.

use super::desk::Desk;
use super::dialing::{Dialed, Dialing};
use super::market::MarketFeed;
use super::private::PrivateSlots;
use super::rehearsal::Rehearsal;
use crate::allocation;
use crate::clock;
use crate::engine_host::{EngineHost, Leftover};
use crate::engine_thread::{Behaviour, COLD_QUOTA, COMMAND_QUOTA, Inlet};
use crate::latency::stall::{STALL_NS, StallDetector};
use ipc::Consumer;
use market::{Instrument, MonoNs};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What every read needs to know.
pub struct Reading {
    /// The table.
    pub instruments: Arc<[Instrument]>,
    /// Seconds of the local wall clock; renewed by the upkeep.
    pub utc_s: u64,
    /// The loop was stopped by somebody before this turn.
    pub stalled: bool,
}

impl Reading {
    /// Knows the time of now.
    #[must_use]
    pub fn new(instruments: Arc<[Instrument]>) -> Self {
        let mut reading = Self {
            instruments,
            utc_s: 0,
            stalled: false,
        };
        reading.renew();
        reading
    }

    fn renew(&mut self) {
        self.utc_s = clock::utc().0.unsigned_abs() / 1_000_000_000;
    }
}

/// What the thread is made of; [`InlineThread::run`] is its life.
pub struct InlineThread {
    /// The engine.
    pub host: EngineHost,
    /// Control's commands.
    pub commands: Consumer,
    /// Snapshots, reconciliation, clock samples, the process's own commands.
    pub cold: Inlet,
    /// Orders and their replies.
    pub desk: Desk,
    /// Private streams.
    pub privates: Vec<PrivateSlots>,
    /// Market data.
    pub markets: Vec<MarketFeed>,
    /// To and from the cold side.
    pub dialing: Arc<Dialing>,
    /// What every read needs.
    pub reading: Reading,
    /// Tells its own work from what others do to it.
    pub stalls: StallDetector,
    /// What keeps the way of an order warm; none where it is switched off.
    pub rehearsal: Option<Box<Rehearsal>>,
    /// How it behaves.
    pub behaviour: Behaviour,
}

impl InlineThread {
    /// Runs until a stop has been carried out, or `abandon` is set.
    #[must_use]
    pub fn run(mut self, abandon: &AtomicBool) -> Leftover {
        self.behaviour.guard();
        let (mut busy, mut late) = (true, false);
        self.host
            .resume_configuration(self.host.now(), &mut self.desk);
        self.host.resume_breakers(self.host.now(), &mut self.desk);
        self.host.resume_account(self.host.now(), &mut self.desk);
        self.host.resume_latch(self.host.now(), &mut self.desk);
        loop {
            let began = self.host.clock().now();
            // What waited for a long upkeep is no clean sample either.
            self.reading.stalled = self.stalls.turn(began, busy, self.host.clock()) | late;
            late = false;
            busy = self.turn(self.host.clock().to_mono(began));
            let now = self.host.now();
            if self.host.end_turn(busy, now, &mut self.desk) {
                self.upkeep(now);
                if self.host.has_stopped(now) || abandon.load(Ordering::Relaxed) {
                    break;
                }
                // What was just done was work, not a stall.
                busy = true;
                late = self.host.now().since(now) > STALL_NS;
            }
            if !busy
                && let Some(rehearsal) = &mut self.rehearsal
                && rehearsal.is_due(now)
            {
                rehearsal.practise(now);
                busy = true;
                late = self.host.now().since(now) > STALL_NS;
            }
            if !busy {
                self.behaviour.wait();
            }
        }
        allocation::release_this_thread();
        self.cold.show();
        let now = self.host.now();
        self.host.finish(now)
    }

    /// One pass over everything that may have something. True when there was anything.
    #[inline]
    fn turn(&mut self, now: MonoNs) -> bool {
        let Self {
            host,
            commands,
            cold,
            desk,
            privates,
            markets,
            reading,
            ..
        } = self;
        let mut busy = false;
        for _ in 0..COMMAND_QUOTA {
            if !host.take_command(commands, now, desk) {
                break;
            }
            busy = true;
        }
        busy |= desk.turn(reading, host.clock());
        for private in privates {
            busy |= private.turn(reading, host.clock(), &mut desk.waiting);
        }
        busy |= desk.settle(host);
        busy |= cold.drain(COLD_QUOTA, host.now(), host, desk);
        for market in markets {
            busy |= market.turn(reading, host, desk);
        }
        busy | host.take_due(host.now(), desk)
    }

    /// What sessions and the cold side want; deadlines of connections are not that precise.
    fn upkeep(&mut self, now: MonoNs) {
        let Self {
            host,
            desk,
            privates,
            markets,
            ..
        } = self;
        self.reading.renew();
        self.cold.show();
        desk.upkeep(now);
        for private in privates.iter_mut() {
            private.upkeep(now, &mut desk.waiting);
        }
        for market in markets.iter_mut() {
            market.upkeep(now, host, desk);
        }
        while let Some(place) = self.dialing.keys_gone.pop() {
            for private in privates.iter_mut() {
                private.key_gone(place, now, &mut desk.waiting);
            }
        }
        while let Some(dialed) = self.dialing.dialed.pop() {
            self.dialed(dialed, now);
        }
    }

    fn dialed(&mut self, mut dialed: Dialed, now: MonoNs) {
        let place = dialed.place;
        let Self {
            host,
            desk,
            privates,
            markets,
            reading,
            ..
        } = self;
        for market in markets {
            match market.dialed(dialed, now, host, desk) {
                Some(others) => dialed = others,
                None => return,
            }
        }
        for private in privates {
            match private.dialed(dialed, now, reading, &mut desk.waiting) {
                Some(others) => dialed = others,
                None => return,
            }
        }
        if let Some(slot) = desk.slots.iter().position(|one| one.wire.place() == place)
            && desk.slots[slot].wire.take(dialed)
        {
            desk.dialed(slot, reading, host.clock());
        }
    }
}

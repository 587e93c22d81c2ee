//! The way of an order, walked for practice while nothing comes.
//!
//! In: idle moments of the pinned thread. Out: the code of the whole way (receive, decoder, book,
//! strategy, controls, journal, request, send, reply) in the caches of this core and of the
//! kernel. Never: a byte to the exchange, a word to the real engine, its journal or its figures.
//!
//! After milliseconds of quiet everything between a market frame and its order is cold: measured,
//! 50 us where 15 do when it was walked just before. So a second engine, with sessions and sockets
//! of its own, trades an invented instrument against `Stage`, which is the other end of two
//! loopback connections of this very process.

mod stage;
mod world;

use super::desk::Desk;
use super::market::MarketFeed;
use super::thread::Reading;
use crate::engine_host::EngineHost;
use crate::failure::Failure;
use crate::latency::way_log::WayReader;
use crate::telemetry::Telemetry;
use crate::tick_clock::TickClock;
use engine::Input;
use ipc::{Consumer, Counter, JournalConsumer, RECORD_BYTES_MAX};
use market::MonoNs;
use stage::Stage;
use std::io;
use std::path::Path;

/// What the practice engine writes, thrown away.
struct Sinks {
    logs: [JournalConsumer; 3],
    ways: WayReader,
    buffer: Vec<u8>,
}

/// Practices now and then.
pub struct Rehearsal {
    host: EngineHost,
    desk: Desk,
    market: MarketFeed,
    reading: Reading,
    stage: Stage,
    sinks: Sinks,
    requests: Consumer,
    every_ns: u64,
    last: MonoNs,
    /// Something of it did not go as it always does: it is not done again.
    broken: bool,
    done: Counter,
    orders: Counter,
    failed: Counter,
}

impl Rehearsal {
    /// Its own engine, sessions, segment (a file in `folder` that is gone again at once) and
    /// sockets.
    ///
    /// # Errors
    /// [`Failure`] when the system gives no file or no socket.
    pub fn new(
        telemetry: Telemetry<'_>,
        folder: &Path,
        clock: &TickClock,
        every_ns: u64,
    ) -> Result<Self, Failure> {
        let (world, stage) = world::build(folder, clock)?;
        let mut rehearsal = Self {
            host: world.host,
            desk: world.desk,
            market: world.market,
            reading: world.reading,
            stage,
            sinks: Sinks {
                logs: world.logs,
                ways: world.ways,
                buffer: vec![0; RECORD_BYTES_MAX],
            },
            requests: world.requests,
            every_ns,
            last: MonoNs(0),
            broken: false,
            done: telemetry.counter("rehearsals_total{result=\"done\"}")?,
            orders: telemetry.counter("rehearsals_total{result=\"order\"}")?,
            failed: telemetry.counter("rehearsals_total{result=\"failed\"}")?,
        };
        rehearsal.open();
        Ok(rehearsal)
    }

    /// True when it is time again.
    #[inline]
    #[must_use]
    pub fn is_due(&self, now: MonoNs) -> bool {
        now.since(self.last) >= self.every_ns && !self.broken
    }

    /// One market event, its order, and the reply.
    #[cold]
    pub fn practise(&mut self, now: MonoNs) {
        self.last = now;
        match self.walk() {
            Ok(true) => self.orders.add(1),
            Ok(false) => {}
            Err(_) => {
                self.broken = true;
                self.failed.add(1);
            }
        }
        self.done.add(1);
        self.answer_requests();
        self.sinks.empty();
    }

    /// What the practice engine asked of its cold side: its ring must never fill.
    fn answer_requests(&mut self) {
        let mut asked = false;
        while let Ok(Some(_)) = self.requests.pop(&mut self.sinks.buffer) {
            asked = true;
        }
        if asked {
            world::reconcile(&mut self.host, &mut self.desk);
        }
    }

    /// True when an order was sent and answered.
    fn walk(&mut self) -> io::Result<bool> {
        let now = self.host.now();
        let utc = self.desk.clock.utc_at(now);
        self.host.take_at(now, Input::Clock(utc), &mut self.desk);
        self.stage.tell_market(utc.to_ms())?;
        self.market
            .turn(&self.reading, &mut self.host, &mut self.desk);
        let ordered = self.stage.answer_order()?;
        if ordered {
            self.desk.turn(&self.reading, self.host.clock());
            self.desk.settle(&mut self.host);
        }
        Ok(ordered)
    }

    /// Streams up, reconciled, the book synced.
    fn open(&mut self) {
        let Self {
            host,
            desk,
            market,
            reading,
            ..
        } = self;
        world::open(host, desk, market, reading);
        self.sinks.empty();
    }
}

impl Sinks {
    fn empty(&mut self) {
        for log in &mut self.logs {
            while let Ok(Some(entry)) = log.read(&mut self.buffer) {
                let cursor = entry.cursor;
                if log.commit_durable(cursor).is_err() {
                    break;
                }
            }
        }
        while self.ways.take().is_some() {}
    }
}

#[cfg(test)]
mod tests;

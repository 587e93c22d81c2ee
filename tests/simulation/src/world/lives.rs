//! Lives of the process, and what a person says to it.
//!
//! In: births, deaths, verbs. Out: the state that the account must be in. Never: a memory that the
//! product's own segment and disk do not have.

use std::rc::Rc;

use binance::rest;
use engine::event::Command;
use market::{Instrument, InstrumentId, Market, TradingState};

use super::World;
use crate::appliance::Appliance;
use crate::birth::Birth;
use crate::network::{Owner, RestCall};
use crate::pairs::{add_feeds, add_pairs};

/// What a person has said to the process that lives, beside the kill, which outlives it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Commanded {
    paused: bool,
    stopped: bool,
    disarmed: bool,
}

impl Commanded {
    /// One verb more.
    fn hear(&mut self, command: Command) {
        match command {
            Command::Start => *self = Self::default(),
            Command::Pause | Command::Flatten => self.paused = true,
            Command::Resume => self.paused = false,
            Command::Halt | Command::HaltKeepOrders => self.stopped = true,
            Command::Reset => self.disarmed = true,
            _ => {}
        }
    }
}

impl World {
    /// A life begins: it asks what the exchange lists, takes an epoch and the latch.
    pub fn start_life(&mut self) {
        self.lives += 1;
        self.born_at = self.now;
        self.commanded = Commanded::default();
        let birth = Birth {
            seed: self.seed,
            life: self.lives,
            now: self.now,
            instruments: self.listed(),
            latched: self.segment_latch,
            disk: Rc::clone(&self.disk),
            silences: self.silences.clone(),
            account: self.account,
            clock_error_ns: 0,
        };
        let checker = Rc::clone(&self.checker);
        self.appliance = Some(Appliance::start(&birth, checker));
        self.check_memory(&birth);
        self.after_appliance();
    }

    /// A restart gives no fresh allowance (I17).
    fn check_memory(&self, birth: &Birth) {
        let kept = birth.disk.borrow().breakers;
        if let (Some(appliance), Some(kept)) = (&self.appliance, kept) {
            let memory = appliance.host.engine().breaker_memory();
            self.checker
                .borrow_mut()
                .check_memory(&kept.memory, &memory, self.now);
        }
    }

    /// The table of a start: what the exchange lists, in a fixed order.
    fn listed(&mut self) -> Vec<Instrument> {
        let mut table = Vec::new();
        for market in [Market::UsdM, Market::Spot] {
            let call = RestCall {
                market,
                owner: Owner::Time,
                number: 0,
                life: self.lives,
                request: binance::session::HttpRequest {
                    call: rest::exchange_info(market),
                    deadline: market::MonoNs(self.now),
                },
            };
            let reply = self.venue.call(&call);
            let info = rest::parse_exchange_info(&reply.body, market);
            for listed in info.expect("the core lists what it has").instruments {
                table.push(Instrument {
                    id: InstrumentId(table.len() as u16),
                    ..listed.instrument
                });
            }
        }
        table
    }

    /// The process is gone: its memory is lost, its sockets close, its segment stays; unless the
    /// power went, and only what is durable stays.
    pub fn end_life(&mut self) {
        let Some(appliance) = self.appliance.take() else {
            return;
        };
        let segment = &appliance.segment;
        let latch = segment.kill_latched();
        self.segment_latch = latch.then(|| segment.kill_closes_positions());
        self.disk.borrow_mut().forget_writes();
        if appliance.desk.death.power_cut {
            self.segment_latch = None;
            let noted = self.disk.borrow().latch.clone();
            let closes = noted.map(|note| !note.keep_positions);
            self.checker.borrow_mut().on_power_cut(closes, self.now);
        }
        add_pairs(&mut self.pairs, appliance.host.engine());
        add_feeds(&mut self.feed, &appliance);
        for id in self.pipes.keys().copied().collect::<Vec<_>>() {
            self.drop_from_box(id);
        }
    }

    /// A verb of the operator. False when nobody heard it, or it was refused: KILLED takes none.
    pub fn command(&mut self, command: Command) -> bool {
        let Some(appliance) = &mut self.appliance else {
            return false;
        };
        if self.adversary.stalled_until > self.now || appliance.segment.kill_latched() {
            return false;
        }
        self.commanded.hear(command);
        appliance.command(command, self.now);
        self.after_appliance();
        true
    }

    /// A kill, by one of its ways: the operator's socket, the ring of commands, another process
    /// that latches the segment. False when nobody is there.
    pub fn kill(&mut self, keep_positions: bool, way: u64) -> bool {
        let Some(appliance) = &mut self.appliance else {
            return false;
        };
        let stopped = self.adversary.stalled_until > self.now;
        let mut checker = self.checker.borrow_mut();
        checker.on_kill(!keep_positions, &self.venue.exchange, self.now);
        drop(checker);
        let mut calls = Vec::new();
        match way % 3 {
            0 if !stopped => appliance.kill(keep_positions, self.now, &mut calls),
            1 if !stopped => appliance.command(
                match keep_positions {
                    true => Command::KillKeepPositions,
                    false => Command::Kill,
                },
                self.now,
            ),
            _ => match keep_positions {
                true => appliance.segment.latch_kill_keeping_positions(),
                false => appliance.segment.latch_kill(),
            },
        }
        self.send_calls(calls);
        self.after_appliance();
        true
    }

    /// A signed reset. False when it was refused, or nobody is there.
    pub fn reset(&mut self) -> bool {
        let open = self.checker.borrow().open_at(&self.venue.exchange);
        let stopped = self.adversary.stalled_until > self.now;
        let Some(appliance) = &mut self.appliance else {
            return false;
        };
        // The product asks the exchange for both of its lists before it lets go.
        if stopped || open > 0 || !appliance.reset(self.now) {
            return false;
        }
        self.commanded.hear(Command::Reset);
        self.after_appliance();
        true
    }

    /// True without a futures position, as the process shows it.
    #[must_use]
    pub fn is_flat(&self) -> bool {
        self.appliance.as_ref().is_some_and(|appliance| {
            let engine = appliance.host.engine();
            let all = engine.config().instruments.iter();
            all.map(|one| engine.instrument_page(one.id))
                .all(|page| page.market == Market::Spot || page.position.is_zero())
        })
    }

    /// The state that a person has commanded.
    #[must_use]
    pub fn commanded(&self) -> TradingState {
        let said = self.commanded;
        if self.checker.borrow().killed().is_some() {
            TradingState::Killed
        } else if said.stopped || said.disarmed {
            TradingState::Halted
        } else if said.paused {
            TradingState::Reducing
        } else {
            TradingState::Active
        }
    }
}

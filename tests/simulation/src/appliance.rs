//! One life of the hot path: the engine with its host, the session machines, cold work.
//!
//! In: what arrives over the virtual network, and the time. Out: effects for the network. Never: a
//! decision of its own; it moves bytes as `hotpath/process/src/inline` does, in virtual time.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use binance::StreamMessage;
use binance::decode::DecodeError;
use binance::session::{LinkAction, MarketEvents, MarketSession, Silence};
use engine::event::{Command, StreamChange, StreamKind};
use engine::{Input, Request};
use hotpath::account_file::AccountMemory;
use hotpath::engine_host::{CheckpointQueues, EngineHost};
use hotpath::messages::Stamps;
use ipc::{JournalConsumer, Segment};
use market::{InstrumentId, Instruments, Market, MonoNs};
use websocket::{Message, Opcode};

use crate::birth::{Birth, JOURNAL_SLOTS, born};
use crate::checker::Checker;
use crate::cold::{Cold, ColdEvent};
use crate::death::DeathPoint;
use crate::desk::{Desk, Effect, MarketSlot, PrivateSlot, Sink, Wire};
use crate::network::{ConnectionId, Ending, MS, Owner, Place, RestCall, RestReply, Role};

/// As housekeeping does it.
const CLOCK_SAMPLE_NS: u64 = 250 * MS;
/// As the host does it.
const UPKEEP_NS: u64 = MS;

/// Slots of the largest record: with no more left, some may be lost.
const FULL_SLOTS: u64 = 16;

/// A life.
pub struct Appliance {
    /// Engine, journal, logs, pages.
    pub host: EngineHost,
    /// Orders, and whatever waits to be stepped.
    pub desk: Desk,
    /// Private streams.
    pub privates: Vec<PrivateSlot>,
    /// Market data.
    pub markets: Vec<MarketSlot>,
    /// Cold work, one a market.
    pub cold: Vec<Cold>,
    /// Which life it is.
    pub life: u32,
    /// Its segment: the kill latch outlives the process.
    pub segment: Arc<Segment>,
    /// Ends that a reader has beside the journal.
    pub readers: [JournalConsumer; 2],
    /// Where the host leaves what is to be kept.
    checkpoints: Arc<CheckpointQueues>,
    /// What each market's REST wants of everybody, as the shell's client keeps it.
    silences: [Silence; 2],
    next_clock: u64,
    last_upkeep: u64,
    numbers: u64,
}

impl Appliance {
    /// What is known of the account, when it changed since the last look: what the disk has.
    pub fn take_account(&self) -> Option<AccountMemory> {
        self.checkpoints.account.pop()
    }

    /// Starts a life.
    #[must_use]
    pub fn start(birth: &Birth, checker: Rc<RefCell<Checker>>) -> Self {
        let parts = born(birth, checker);
        let mut one = Self {
            host: parts.host,
            desk: parts.desk,
            privates: parts.privates,
            markets: parts.markets,
            cold: parts.cold,
            life: birth.life,
            segment: parts.segment,
            readers: parts.readers,
            checkpoints: parts.checkpoints,
            silences: birth.silences.rest.clone(),
            next_clock: 0,
            last_upkeep: 0,
            numbers: 0,
        };
        let now = MonoNs(birth.now);
        one.desk.now = now;
        one.host.resume_account(now, &mut one.desk);
        one.host.resume_latch(now, &mut one.desk);
        one.settle();
        one
    }

    /// When it wants to be woken at the latest.
    #[must_use]
    pub fn next_at(&self) -> u64 {
        let mut next = self.next_clock;
        if let Some(deadline) = self.host.engine().next_deadline() {
            next = next.min(deadline.0);
        }
        for slot in &self.desk.slots {
            next = next.min(slot.session.next_deadline().0);
        }
        for slot in &self.privates {
            next = next.min(slot.stream.next_deadline().0);
            let useful = slot.wanted || slot.key.url().is_some();
            if let Some(due) = slot.key.next_deadline().filter(|_| useful) {
                next = next.min(due.0);
            }
        }
        for slot in &self.markets {
            next = next.min(slot.session.next_deadline().0);
        }
        for one in &self.cold {
            if let Some(due) = one.next_deadline() {
                next = next.min(due.0);
            }
        }
        next.max(self.last_upkeep + UPKEEP_NS)
    }

    /// What is due of the machines and of the engine.
    pub fn upkeep(&mut self, now: u64, calls: &mut Vec<RestCall>) {
        self.desk.now = MonoNs(now);
        self.last_upkeep = now;
        self.upkeep_orders();
        self.upkeep_privates(calls);
        self.upkeep_markets();
        self.settle();
        if self.next_clock <= now {
            self.next_clock = now + CLOCK_SAMPLE_NS;
            let sample = self.desk.clock.utc_at(self.desk.now);
            self.take(Input::Clock(sample));
        }
        self.cold(calls);
        self.host.take_due(self.desk.now, &mut self.desk);
        self.after_step();
        self.host.end_turn(true, self.desk.now, &mut self.desk);
        self.after_step();
        self.settle();
        self.cold(calls);
        self.desk.death.pass(DeathPoint::AtRest);
    }

    /// A verb of the operator.
    pub fn command(&mut self, command: Command, now: u64) {
        self.desk.now = MonoNs(now);
        self.take(Input::Command(command));
        self.settle();
    }

    fn upkeep_orders(&mut self) {
        let now = self.desk.both();
        for index in 0..self.desk.slots.len() {
            let desk = &mut self.desk;
            let slot = &mut desk.slots[index];
            let mut sink = Sink(&mut desk.waiting);
            match slot.session.poll(now, &mut sink) {
                Some(LinkAction::Connect) => {
                    slot.wire.ask(String::new(), &mut desk.effects);
                }
                Some(LinkAction::Close(_)) => slot.wire.close(&mut desk.effects),
                // A silence may have held a log-on back.
                None => desk.write_due(index),
            }
        }
    }

    fn upkeep_privates(&mut self, calls: &mut Vec<RestCall>) {
        let now = self.desk.now;
        for index in 0..self.privates.len() {
            let desk = &mut self.desk;
            let slot = &mut self.privates[index];
            let mut sink = Sink(&mut desk.waiting);
            match slot.stream.poll(now, &mut sink) {
                Some(LinkAction::Connect) => {
                    // Each connection begins with a fresh key.
                    if !slot.wanted {
                        slot.key.forget();
                        if slot.call.take().is_some() {
                            slot.key.on_reply(None, now);
                        }
                    }
                    slot.wanted = true;
                    slot.wire.attempt += 1;
                }
                Some(LinkAction::Close(_)) => {
                    slot.wire.close(&mut desk.effects);
                    slot.wanted = false;
                }
                None => {}
            }
            if let (true, Some(url)) = (slot.wanted, slot.key.url()) {
                let (target, attempt) = (target_of(url), slot.wire.attempt);
                slot.wanted = false;
                let place = slot.wire.place;
                desk.effects.push(Effect::Dial {
                    place,
                    target,
                    attempt,
                });
            }
            let useful = slot.wanted || slot.key.url().is_some();
            if useful && let Some(request) = slot.key.poll(now) {
                // As `RestClient` does: it is not sent, and that is no answer.
                if self.silences[Market::UsdM as usize].until(now).is_some() {
                    slot.key.on_reply(None, now);
                    continue;
                }
                self.numbers += 1;
                calls.push(RestCall {
                    market: Market::UsdM,
                    owner: Owner::Key,
                    number: self.numbers,
                    life: self.life,
                    request,
                });
                self.privates[index].call = Some(self.numbers);
            }
        }
    }

    fn upkeep_markets(&mut self) {
        for index in 0..self.markets.len() {
            let (action, url) = self.with_market(index, |session, now, _, sink| {
                (session.poll(now, sink), session.url().to_owned())
            });
            let wire = &mut self.markets[index].wire;
            match action {
                Some(LinkAction::Connect) => wire.ask(target_of(&url), &mut self.desk.effects),
                Some(LinkAction::Close(_)) => wire.close(&mut self.desk.effects),
                None => {}
            }
        }
    }

    /// Runs `act` on a market machine with a sink that steps the engine.
    fn with_market<T>(
        &mut self,
        index: usize,
        act: impl FnOnce(&mut MarketSession, MonoNs, &Instruments<'_>, &mut MarketSink<'_>) -> T,
    ) -> T {
        let table = Rc::clone(&self.desk.instruments);
        let now = self.desk.now;
        let mut sink = MarketSink {
            host: &mut self.host,
            desk: &mut self.desk,
        };
        let session = &mut self.markets[index].session;
        act(session, now, &Instruments(&table), &mut sink)
    }

    /// The answer to a wish for a connection. False when nobody wants it any more.
    pub fn dialed(
        &mut self,
        place: Place,
        attempt: u64,
        connection: Option<ConnectionId>,
        now: u64,
    ) -> bool {
        self.desk.now = MonoNs(now);
        let taken = match place.role {
            Role::Orders => self.dialed_orders(place, attempt, connection),
            Role::Private => self.dialed_private(attempt, connection),
            Role::Books | Role::Trades => self.dialed_market(place, attempt, connection),
        };
        self.settle();
        taken
    }

    fn dialed_orders(&mut self, place: Place, attempt: u64, open: Option<ConnectionId>) -> bool {
        let mut slots = self.desk.slots.iter();
        let index = slots.position(|one| one.wire.place == place);
        let index = index.expect("a place of the box");
        if self.desk.slots[index].wire.attempt != attempt {
            return false;
        }
        let now = self.desk.both();
        let slot = &mut self.desk.slots[index];
        let mut sink = Sink(&mut self.desk.waiting);
        match open {
            Some(connection) => {
                slot.wire.open(connection);
                slot.session.on_connected(now, &mut sink);
                self.desk.write_due(index);
            }
            None => slot.session.on_disconnected(now, &mut sink),
        }
        true
    }

    fn dialed_private(&mut self, attempt: u64, open: Option<ConnectionId>) -> bool {
        let slot = &mut self.privates[0];
        if slot.wire.attempt != attempt {
            return false;
        }
        let mut sink = Sink(&mut self.desk.waiting);
        match open {
            Some(connection) => {
                slot.wire.open(connection);
                slot.stream.on_connected(self.desk.now, &mut sink);
            }
            None => slot.stream.on_disconnected(self.desk.now, &mut sink),
        }
        true
    }

    fn dialed_market(&mut self, place: Place, attempt: u64, open: Option<ConnectionId>) -> bool {
        let mut slots = self.markets.iter();
        let index = slots.position(|one| one.wire.place == place);
        let index = index.expect("a place of the box");
        if self.markets[index].wire.attempt != attempt {
            return false;
        }
        if let Some(connection) = open {
            self.markets[index].wire.open(connection);
            self.with_market(index, |session, now, _, sink| {
                session.on_connected(now, sink);
            });
        } else {
            self.with_market(index, |session, now, _, sink| {
                session.on_disconnected(now, sink);
            });
        }
        true
    }

    /// Bytes have arrived on a connection.
    pub fn bytes(&mut self, connection: ConnectionId, bytes: &[u8], now: u64) {
        self.desk.now = MonoNs(now);
        let open = Some(connection);
        let mine = |wire: &Wire| wire.connection == open;
        if let Some(index) = self.desk.slots.iter().position(|one| mine(&one.wire)) {
            self.order_bytes(index, bytes);
        } else if let Some(index) = self.privates.iter().position(|one| mine(&one.wire)) {
            self.private_bytes(index, bytes);
        } else if let Some(index) = self.markets.iter().position(|one| mine(&one.wire)) {
            self.market_bytes(index, bytes);
        }
        self.settle();
    }

    fn order_bytes(&mut self, index: usize, bytes: &[u8]) {
        if self.desk.slots[index].wire.reader.push(bytes).is_err() {
            return self.desk.lost(index);
        }
        let table = Rc::clone(&self.desk.instruments);
        loop {
            let now = self.desk.both();
            let desk = &mut self.desk;
            let slot = &mut desk.slots[index];
            let text = match slot.wire.reader.next_message() {
                Ok(Some(Message::Text(text))) => text.to_vec(),
                Ok(Some(Message::Ping(payload))) => {
                    let payload = payload.to_vec();
                    slot.wire.write(Opcode::Pong, &payload, &mut desk.effects);
                    slot.session.on_alive(now.mono);
                    continue;
                }
                Ok(Some(Message::Close { .. })) | Err(_) => return self.desk.lost(index),
                Ok(Some(_)) => continue,
                Ok(None) => break,
            };
            let place = slot.wire.place;
            desk.checker
                .borrow_mut()
                .on_box_text(place, &text, now.mono.0, now.server);
            desk.death.pass(DeathPoint::BeforeReply);
            if desk.death.dead {
                return;
            }
            let mut sink = Sink(&mut desk.waiting);
            let instruments = Instruments(&table);
            let action = slot.session.on_frame(&text, now, &instruments, &mut sink);
            if let Some(LinkAction::Close(_)) = action {
                slot.wire.close(&mut desk.effects);
                break;
            }
        }
        if self.desk.slots[index].session.take_clock_refused() {
            self.desk.clock.refuse();
        }
        self.desk.write_due(index);
    }

    fn private_bytes(&mut self, index: usize, bytes: &[u8]) {
        if self.privates[index].wire.reader.push(bytes).is_err() {
            return self.private_lost(index);
        }
        let table = Rc::clone(&self.desk.instruments);
        loop {
            let now = self.desk.now;
            let desk = &mut self.desk;
            let slot = &mut self.privates[index];
            let text = match slot.wire.reader.next_message() {
                Ok(Some(Message::Text(text))) => text.to_vec(),
                Ok(Some(Message::Ping(payload))) => {
                    let payload = payload.to_vec();
                    slot.wire.write(Opcode::Pong, &payload, &mut desk.effects);
                    slot.stream.on_alive(now);
                    continue;
                }
                Ok(Some(Message::Close { .. })) | Err(_) => return self.private_lost(index),
                Ok(Some(_)) => continue,
                Ok(None) => return,
            };
            let server = desk.clock.at(now).server;
            let mut checker = desk.checker.borrow_mut();
            checker.on_box_text(slot.wire.place, &text, now.0, server);
            drop(checker);
            let mut sink = Sink(&mut desk.waiting);
            let instruments = Instruments(&table);
            let action = slot.stream.on_frame(&text, now, &instruments, &mut sink);
            if let Some(LinkAction::Close(_)) = action {
                slot.wire.close(&mut desk.effects);
                slot.wanted = false;
                return;
            }
        }
    }

    fn private_lost(&mut self, index: usize) {
        let slot = &mut self.privates[index];
        let mut sink = Sink(&mut self.desk.waiting);
        slot.stream.on_disconnected(self.desk.now, &mut sink);
        slot.wire.close(&mut self.desk.effects);
    }

    fn market_bytes(&mut self, index: usize, bytes: &[u8]) {
        if self.markets[index].wire.reader.push(bytes).is_err() {
            return self.market_lost(index);
        }
        loop {
            let slot = &mut self.markets[index];
            let text = match slot.wire.reader.next_message() {
                Ok(Some(Message::Text(text))) => text.to_vec(),
                Ok(Some(Message::Ping(payload))) => {
                    let payload = payload.to_vec();
                    slot.wire
                        .write(Opcode::Pong, &payload, &mut self.desk.effects);
                    continue;
                }
                Ok(Some(Message::Close { .. })) | Err(_) => return self.market_lost(index),
                Ok(Some(_)) => continue,
                Ok(None) => return,
            };
            let place = slot.wire.place;
            let now = self.desk.both();
            let gaps = {
                let mut checker = self.desk.checker.borrow_mut();
                checker.on_box_text(place, &text, now.mono.0, now.server)
            };
            let action = self.with_market(index, |session, now, instruments, sink| {
                session.on_frame(&text, now, instruments, sink)
            });
            self.after_step();
            if gaps {
                let mut checker = self.desk.checker.borrow_mut();
                checker.after_gap(self.host.engine(), now.mono.0);
            }
            self.desk.death.pass(DeathPoint::AfterMarket);
            if let Some(LinkAction::Close(_)) = action {
                self.markets[index].wire.close(&mut self.desk.effects);
                return;
            }
            self.settle();
            if self.desk.death.dead {
                return;
            }
        }
    }

    fn market_lost(&mut self, index: usize) {
        self.with_market(index, |session, now, _, sink| {
            session.on_disconnected(now, sink);
        });
        self.markets[index].wire.close(&mut self.desk.effects);
    }

    /// The far end of a connection is gone.
    pub fn ended(&mut self, connection: ConnectionId, _: Ending, now: u64) {
        self.desk.now = MonoNs(now);
        let open = Some(connection);
        let slots = &self.desk.slots;
        if let Some(index) = slots.iter().position(|one| one.wire.connection == open) {
            self.desk.lost(index);
        }
        let privates = &self.privates;
        if let Some(index) = privates.iter().position(|one| one.wire.connection == open) {
            self.private_lost(index);
        }
        let markets = &self.markets;
        if let Some(index) = markets.iter().position(|one| one.wire.connection == open) {
            self.market_lost(index);
        }
        self.settle();
    }

    /// The answer to a REST call.
    pub fn answer(
        &mut self,
        call: &RestCall,
        reply: Option<&RestReply>,
        now: u64,
        calls: &mut Vec<RestCall>,
    ) {
        self.desk.now = MonoNs(now);
        if let Some(reply) = reply {
            let reply = crate::cold::as_reply(reply);
            self.silences[call.market as usize].on_reply(&reply, self.desk.now);
        }
        if call.owner == Owner::Key {
            self.key_answer(call.number, reply);
        } else if let Some(cold) = self.cold.iter_mut().find(|one| one.market == call.market) {
            let both = self.desk.both();
            let mut events = Vec::new();
            cold.reply(call, reply, both, &self.desk.clock, &mut events);
            self.cold_events(events);
        }
        self.settle();
        self.cold(calls);
    }

    fn key_answer(&mut self, number: u64, reply: Option<&RestReply>) {
        let now = self.desk.now;
        let slot = &mut self.privates[0];
        if slot.call.take_if(|call| *call == number).is_none() {
            return;
        }
        let outcome = reply.map(crate::cold::as_reply);
        if slot.key.on_reply(outcome, now) == binance::session::KeyNews::Gone
            && slot.wire.connection.is_some()
        {
            let mut sink = Sink(&mut self.desk.waiting);
            let reason = binance::session::CloseReason::KeyExpired;
            slot.stream.close(reason, now, &mut sink);
            slot.wire.close(&mut self.desk.effects);
        }
    }

    /// Carries the engine's cold wishes out, and polls the cold machines.
    fn cold(&mut self, calls: &mut Vec<RestCall>) {
        let now = self.desk.both();
        for request in std::mem::take(&mut self.desk.cold) {
            let id = hotpath::messages::instrument_of(&request);
            let table = &self.desk.instruments;
            let market = Instruments(table).get(id).expect("of the table").market;
            let cold = self.cold.iter_mut().find(|one| one.market == market);
            let cold = cold.expect("every market has its cold side");
            match request {
                Request::Snapshot(id) => cold.snapshots.want(id, now.mono),
                Request::Trades(wanted) => cold.reconciler.want_trades(wanted),
                Request::VerifySetup(_) => cold.setup.want(now.mono),
                _ => cold.reconciler.want(now.mono),
            }
        }
        if self.desk.clock.take_refused() {
            for one in &mut self.cold {
                one.time.doubt(now.mono);
            }
        }
        for index in 0..self.cold.len() {
            let mut events = Vec::new();
            let life = self.life;
            let table = Rc::clone(&self.desk.instruments);
            let mut wanted = Vec::new();
            let one = &mut self.cold[index];
            one.poll(now, life, &Instruments(&table), &mut events, &mut wanted);
            for call in wanted {
                // As `RestClient` does: what the host does not want to hear is not sent.
                if self.silences[one.market as usize].until(now.mono).is_some() {
                    one.reply(&call, None, now, &self.desk.clock, &mut events);
                } else {
                    calls.push(call);
                }
            }
            self.cold_events(events);
        }
    }

    fn cold_events(&mut self, events: Vec<ColdEvent>) {
        for event in events {
            match &event {
                ColdEvent::Input(Input::ReconcileBegin) => {
                    self.desk.death.pass(DeathPoint::InReconciliation);
                }
                ColdEvent::Input(Input::SnapshotBegin(_)) => {
                    self.desk.death.pass(DeathPoint::InSnapshot);
                }
                _ => {}
            }
            match event {
                ColdEvent::Input(input) => self.take(input),
                ColdEvent::Levels(id, side, levels) => {
                    self.take(Input::SnapshotLevels(engine::event::SnapshotLevels {
                        instrument: id,
                        side,
                        levels: &levels,
                    }));
                }
            }
        }
    }

    /// Steps one input.
    fn take(&mut self, input: Input<'_>) {
        if self.desk.death.dead {
            return;
        }
        self.host.take_at(self.desk.now, input, &mut self.desk);
        self.after_step();
    }

    /// Steps what waits, and what follows from it.
    fn settle(&mut self) {
        while let Some(input) = self.desk.waiting.pop_front() {
            self.take(input);
            if matches!(input, Input::OrderReply(_) | Input::OrderUpdate(_)) {
                self.desk.death.pass(DeathPoint::AfterReply);
            }
            if self.desk.death.dead {
                return;
            }
        }
    }

    fn after_step(&mut self) {
        after_step(&self.host, &mut self.desk);
    }
}

/// What is checked after every event.
fn after_step(host: &EngineHost, desk: &mut Desk) {
    if desk.death.dead {
        return;
    }
    desk.tap();
    let (read, durable) = (desk.journal.position().get(), desk.journal.durable().get());
    let full = read - durable + FULL_SLOTS >= JOURNAL_SLOTS as u64;
    let mut checker = desk.checker.borrow_mut();
    checker.after_step(host.engine(), full, desk.now.0);
}

/// Steps the engine with each market event.
pub struct MarketSink<'a> {
    host: &'a mut EngineHost,
    desk: &'a mut Desk,
}

impl MarketSink<'_> {
    fn take(&mut self, input: Input<'_>) {
        if self.desk.death.dead {
            return;
        }
        let now = self.desk.now;
        self.host
            .take(now, input, Stamps::default(), &mut *self.desk);
        after_step(self.host, self.desk);
    }
}

impl MarketEvents for MarketSink<'_> {
    fn market_data(&mut self, message: StreamMessage<'_>) {
        let input = match message {
            StreamMessage::Depth(depth) => Input::Depth(depth),
            StreamMessage::BookTicker(ticker) => Input::BookTicker(ticker),
            StreamMessage::Trade(trade) => Input::Trade(trade),
            StreamMessage::AggTrade(trade) => Input::AggTrade(trade),
            StreamMessage::MarkPrice(mark) => Input::MarkPrice(mark),
            StreamMessage::Control(_) | StreamMessage::Other(_) => return,
        };
        self.take(input);
    }

    fn book_doubtful(&mut self, instrument: InstrumentId) {
        self.take(Input::ParseFailure(instrument));
    }

    fn parse_error(&mut self, _: DecodeError) {}

    fn stream(&mut self, market: Market, up: bool) {
        let stream = StreamKind::Market;
        self.take(Input::Stream(StreamChange { stream, market, up }));
    }
}

/// Path and query of a URL.
fn target_of(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.find('/')
        .map_or(String::new(), |at| rest[at..].to_owned())
}

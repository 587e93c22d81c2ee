//! The connections of a life: wishes, openings, bytes, ends.
//!
//! In: what the network delivers. Out: frames for the session machines, effects for the network.
//! Never: a frame that a machine gets before the checker has seen it.

use std::rc::Rc;

use binance::StreamMessage;
use binance::decode::DecodeError;
use binance::session::{CloseReason, Feed, LinkAction, MarketEvents, MarketSession};
use engine::Input;
use engine::event::{StreamChange, StreamKind};
use hotpath::engine_host::EngineHost;
use hotpath::messages::Stamps;
use market::{InstrumentId, Instruments, Market, MonoNs};
use websocket::{Message, Opcode};

use super::{Appliance, after_step};
use crate::death::DeathPoint;
use crate::desk::{Desk, Effect, Sink, Wire};
use crate::network::{ConnectionId, Ending, Owner, Place, RestCall, Role};

impl Appliance {
    pub(super) fn upkeep_orders(&mut self) {
        let now = self.desk.both();
        for index in 0..self.desk.slots.len() {
            let desk = &mut self.desk;
            let slot = &mut desk.slots[index];
            let mut sink = Sink(&mut desk.waiting);
            match slot.session.poll(now, &mut sink) {
                Some(LinkAction::Connect) => {
                    slot.wire.ask(String::new(), &mut desk.effects);
                }
                Some(LinkAction::Ping) => {
                    slot.wire.write(Opcode::Ping, &[], &mut desk.effects);
                }
                Some(LinkAction::Close(_)) => slot.wire.close(&mut desk.effects),
                // A silence may have held a log-on back.
                None => desk.write_due(index),
            }
        }
    }

    pub(super) fn upkeep_privates(&mut self, calls: &mut Vec<RestCall>) {
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
                Some(LinkAction::Ping) => {
                    slot.wire.write(Opcode::Ping, &[], &mut desk.effects);
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

    pub(super) fn upkeep_markets(&mut self) {
        for index in 0..self.markets.len() {
            let (action, url) = self.with_market(index, |feed, number, session, now, _, sink| {
                let action = feed.poll(number, session, now, sink);
                (action, session.url().to_owned())
            });
            match action {
                Some(LinkAction::Connect) => {
                    let wire = &mut self.markets[index].wire;
                    wire.ask(target_of(&url), &mut self.desk.effects);
                }
                Some(LinkAction::Close(reason)) => self.close_market(index, Some(reason)),
                Some(LinkAction::Ping) | None => {}
            }
            self.desk.checker.borrow_mut().judge_merged();
        }
    }

    /// Runs `act` on a market machine with a sink that steps the engine.
    fn with_market<T>(
        &mut self,
        index: usize,
        act: impl FnOnce(
            &mut Feed,
            usize,
            &mut MarketSession,
            MonoNs,
            &Instruments<'_>,
            &mut MarketSink<'_>,
        ) -> T,
    ) -> T {
        let table = Rc::clone(&self.desk.instruments);
        let now = self.desk.now;
        let mut sink = MarketSink {
            host: &mut self.host,
            desk: &mut self.desk,
        };
        let slot = &mut self.markets[index];
        let feed = &mut self.feeds[slot.feed];
        let number = usize::from(slot.wire.place.number);
        let table = Instruments(&table);
        act(feed, number, &mut slot.session, now, &table, &mut sink)
    }

    /// Drops a market connection, or the attempt at one.
    fn close_market(&mut self, index: usize, reason: Option<CloseReason>) {
        let wire = &mut self.markets[index].wire;
        if wire.connection.is_some() {
            let mut checker = self.desk.checker.borrow_mut();
            checker.on_connection(wire.place, false);
            if let Some(reason) = reason {
                checker.on_given_up(wire.place, reason);
            }
        }
        wire.close(&mut self.desk.effects);
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
            self.desk.checker.borrow_mut().on_connection(place, true);
            self.with_market(index, |feed, number, session, now, _, sink| {
                feed.on_connected(number, session, now, sink);
            });
        } else {
            self.with_market(index, |feed, number, session, now, _, sink| {
                feed.on_disconnected(number, session, now, sink);
            });
        }
        self.desk.checker.borrow_mut().judge_merged();
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
                Ok(Some(_)) => {
                    slot.session.on_alive(now.mono);
                    continue;
                }
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
                Ok(Some(_)) => {
                    slot.stream.on_alive(now);
                    continue;
                }
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
            let mut checker = self.desk.checker.borrow_mut();
            checker.on_box_text(place, &text, now.mono.0, now.server);
            drop(checker);
            let action =
                self.with_market(index, |feed, number, session, now, instruments, sink| {
                    feed.on_frame(number, session, &text, now, instruments, sink)
                });
            self.after_step();
            self.desk.checker.borrow_mut().judge_merged();
            self.desk.death.pass(DeathPoint::AfterMarket);
            if let Some(LinkAction::Close(reason)) = action {
                return self.close_market(index, Some(reason));
            }
            self.settle();
            if self.desk.death.dead {
                return;
            }
        }
    }

    fn market_lost(&mut self, index: usize) {
        // What waited for it goes on by itself now.
        let place = self.markets[index].wire.place;
        self.desk.checker.borrow_mut().on_connection(place, false);
        self.with_market(index, |feed, number, session, now, _, sink| {
            feed.on_disconnected(number, session, now, sink);
        });
        self.markets[index].wire.close(&mut self.desk.effects);
        self.desk.checker.borrow_mut().judge_merged();
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
}

/// Steps the engine with each market event.
struct MarketSink<'a> {
    host: &'a mut EngineHost,
    desk: &'a mut Desk,
}

impl MarketSink<'_> {
    fn take(&mut self, input: Input<'_>) {
        if self.desk.death.dead {
            return;
        }
        let now = self.desk.now;
        let gaps = match &input {
            Input::Depth(depth) => {
                let header = &depth.header;
                let mut checker = self.desk.checker.borrow_mut();
                checker.on_merged(header.instrument, header.last_update_id.0, now.0)
            }
            _ => false,
        };
        self.host
            .take(now, input, Stamps::default(), &mut *self.desk);
        after_step(self.host, self.desk);
        if gaps {
            let mut checker = self.desk.checker.borrow_mut();
            checker.after_gap(self.host.engine(), now.0);
        }
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
        let change = StreamChange { stream, market, up };
        self.desk.checker.borrow_mut().on_stream(&change);
        self.take(Input::Stream(change));
    }
}

/// Path and query of a URL.
fn target_of(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.find('/')
        .map_or(String::new(), |at| rest[at..].to_owned())
}

//! The cold thread of a life: REST answers, the listen key, what the engine wishes for.
//!
//! In: answers, wishes. Out: calls, inputs for the engine. Never: a call that the host of the
//! exchange does not want to hear.

use std::rc::Rc;
use std::sync::Arc;

use engine::{Input, Request};
use market::Instruments;

use super::Appliance;
use crate::cold::ColdEvent;
use crate::death::DeathPoint;
use crate::desk::Sink;
use crate::network::{Owner, RestCall, RestReply};
use market::MonoNs;

impl Appliance {
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
    pub(super) fn cold(&mut self, calls: &mut Vec<RestCall>) {
        let now = self.desk.both();
        for request in std::mem::take(&mut self.desk.cold) {
            let id = hotpath::messages::instrument_of(&request);
            let table = &self.desk.instruments;
            let market = Instruments(table).get(id).expect("of the table").market;
            let cold = self.cold.iter_mut().find(|one| one.market == market);
            let cold = cold.expect("every market has its cold side");
            let verdict = match request {
                Request::CancelOverRest(order) => cold.orders.cancel(order, now.mono),
                Request::QueryOverRest(order) => cold.orders.query(order, now.mono),
                _ => None,
            };
            self.desk.waiting.extend(verdict.map(Input::OrderReply));
            match request {
                Request::CancelOverRest(_) | Request::QueryOverRest(_) => {}
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
            let segment = Arc::clone(&self.segment);
            let life = (self.life, &*segment);
            let table = Rc::clone(&self.desk.instruments);
            let mut wanted = Vec::new();
            let one = &mut self.cold[index];
            one.poll(now, life, &Instruments(&table), &mut events, &mut wanted);
            for call in wanted {
                // As `RestClient` does: what the host does not want to hear is not sent.
                if self.silences[one.market as usize].until(now.mono).is_some() {
                    one.reply(&call, None, now, &self.desk.clock, &mut events);
                } else {
                    let of_stop = matches!(call.owner, Owner::Protect(_));
                    calls.push(call);
                    if of_stop {
                        self.desk.death.pass(DeathPoint::AfterStop);
                    }
                }
            }
            self.cold_events(events);
        }
    }

    pub(super) fn cold_events(&mut self, events: Vec<ColdEvent>) {
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
}

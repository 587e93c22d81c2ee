//! What moves through the virtual network, and what the box wants of it.
//!
//! In: deliveries, effects. Out: bytes at either end, in order. Never: a byte on a connection that
//! is gone.

use hotpath::account_file::AccountStart;

use crate::desk::Effect;
use crate::network::{
    ConnectionId, Delivery, Ending, Owner, Place, RestCall, RestReply, Role, server_frame,
};

use super::{Pipe, RETRANSMISSION_NS, Weather, World};

impl World {
    pub(super) fn deliver(&mut self, delivery: Delivery) {
        let for_box = matches!(
            delivery,
            Delivery::Dialed { .. }
                | Delivery::ToBox(..)
                | Delivery::BoxSeesEnd(..)
                | Delivery::Answer(..)
        );
        if for_box && self.adversary.stalled_until > self.now && self.appliance.is_some() {
            // The kernel keeps it until the process runs again.
            let until = self.adversary.stalled_until;
            return self.network.send(until, delivery);
        }
        match delivery {
            Delivery::Dial {
                place,
                target,
                attempt,
                life,
            } => self.dial(place, &target, attempt, life),
            Delivery::Dialed {
                place,
                attempt,
                life,
                connection,
            } => self.dialed(place, attempt, life, connection),
            Delivery::ToVenue(id, _) if self.adversary.half_open.contains(&id) => {}
            Delivery::ToBox(id, _) if self.adversary.half_open.contains(&id) => {}
            Delivery::ToVenue(id, bytes) => self.at_venue(id, &bytes),
            Delivery::VenueSeesEnd(id) => self.venue.close(id),
            Delivery::ToBox(id, bytes) => {
                if let Some(appliance) = &mut self.appliance {
                    appliance.bytes(id, &bytes, self.now);
                }
                self.after_appliance();
            }
            Delivery::BoxSeesEnd(id, ending) => {
                self.pipes.remove(&id);
                if let Some(appliance) = &mut self.appliance {
                    appliance.ended(id, ending, self.now);
                }
                self.after_appliance();
            }
            Delivery::Call(call) => self.call(call),
            Delivery::Answer(call, reply) => self.answer(&call, reply.as_ref()),
            Delivery::Late(id, text) => self.send_text(id, &text, 0),
        }
    }

    fn dial(&mut self, place: Place, target: &str, attempt: u64, life: u32) {
        let taken = self.adversary.takes(self.now, place);
        let venue = &mut self.venue;
        let connection = taken
            .then(|| venue.accept(place, target, self.now))
            .flatten();
        if let Some(id) = connection {
            let pipe = Pipe {
                to_box_at: 0,
                to_venue_at: 0,
            };
            self.pipes.insert(id, pipe);
        }
        let at = self.now + self.way();
        if let Some(id) = connection {
            self.pipe(id).to_box_at = at;
        }
        let dialed = Delivery::Dialed {
            place,
            attempt,
            life,
            connection,
        };
        self.network.send(at, dialed);
    }

    fn pipe(&mut self, id: ConnectionId) -> &mut Pipe {
        self.pipes.get_mut(&id).expect("an open connection")
    }

    fn dialed(&mut self, place: Place, attempt: u64, life: u32, open: Option<ConnectionId>) {
        let taken = match &mut self.appliance {
            Some(appliance) if appliance.life == life => {
                appliance.dialed(place, attempt, open, self.now)
            }
            _ => false,
        };
        if !taken && let Some(id) = open {
            self.drop_from_box(id);
        }
        self.after_appliance();
    }

    /// The box's end of a connection is gone.
    pub(super) fn drop_from_box(&mut self, id: ConnectionId) {
        if let Some(pipe) = self.pipes.remove(&id) {
            let at = (self.now + self.way()).max(pipe.to_venue_at);
            self.network.send(at, Delivery::VenueSeesEnd(id));
        }
    }

    /// Ends a connection from the exchange's side.
    pub fn end_from_venue(&mut self, id: ConnectionId, ending: Ending) {
        self.venue.close(id);
        if let Some(pipe) = self.pipes.get(&id) {
            let at = match ending {
                Ending::Clean => (self.now + self.weather.latency_ns).max(pipe.to_box_at),
                Ending::Reset => self.now + self.weather.latency_ns,
            };
            self.network.send(at, Delivery::BoxSeesEnd(id, ending));
        }
    }

    /// One way through the network.
    pub(crate) fn way(&mut self) -> u64 {
        let Weather {
            latency_ns,
            jitter_ns,
            loss_permille,
        } = self.weather;
        let lost = self.random.chance(loss_permille);
        latency_ns + self.random.below(jitter_ns + 1) + u64::from(lost) * RETRANSMISSION_NS
    }

    /// Bytes for the box, behind what is under way already.
    pub fn send_to_box(&mut self, id: ConnectionId, bytes: Vec<u8>, more_ns: u64) {
        let way = self.now + self.way() + more_ns;
        if let Some(pipe) = self.pipes.get_mut(&id) {
            pipe.to_box_at = pipe.to_box_at.max(way);
            let at = pipe.to_box_at;
            self.network.send(at, Delivery::ToBox(id, bytes));
        }
    }

    pub(crate) fn send_text(&mut self, id: ConnectionId, text: &[u8], more_ns: u64) {
        let mut frame = Vec::with_capacity(text.len() + 10);
        server_frame(1, true, text, &mut frame);
        self.send_to_box(id, frame, more_ns);
    }

    fn at_venue(&mut self, id: ConnectionId, bytes: &[u8]) {
        let Some(place) = self.venue.place_of(id) else {
            return;
        };
        let (texts, pings) = self.venue.take_bytes(id, bytes);
        for payload in pings {
            // A place that takes connections and says nothing answers no ping either.
            if !self.adversary.is_mute(place) {
                let mut frame = Vec::new();
                server_frame(10, true, &payload, &mut frame);
                self.send_to_box(id, frame, 0);
            }
        }
        for text in texts {
            if place.role == Role::Orders {
                self.request(id, place, &text);
            }
        }
    }

    fn answer(&mut self, call: &RestCall, reply: Option<&RestReply>) {
        let Some(appliance) = &mut self.appliance else {
            return;
        };
        if appliance.life != call.life {
            return;
        }
        if let Some(reply) = reply {
            let mut checker = self.checker.borrow_mut();
            checker.on_answer(call, reply, self.now);
            if call.owner == Owner::Snapshot && reply.status == 200 {
                let symbol = call.request.call.query.split("symbol=").nth(1);
                let symbol = symbol.and_then(|rest| rest.split('&').next());
                checker.on_snapshot(symbol.unwrap_or_default(), call.market, &reply.body);
            }
        }
        let mut calls = Vec::new();
        appliance.answer(call, reply, self.now, &mut calls);
        self.send_calls(calls);
        self.after_appliance();
    }

    pub(super) fn send_calls(&mut self, calls: Vec<RestCall>) {
        for call in calls {
            self.checker.borrow_mut().on_call(&call, self.now);
            let at = self.now + self.way();
            self.network.send(at, Delivery::Call(call));
        }
    }

    /// Carries out what the appliance wants, or buries it.
    pub(super) fn after_appliance(&mut self) {
        let Some(appliance) = &mut self.appliance else {
            return;
        };
        let life = appliance.life;
        let dead = appliance.desk.death.dead;
        // What was handed over in the step of its death is not on the disk.
        if !dead && let Some(memory) = appliance.take_account() {
            self.account = AccountStart::Known(memory);
        }
        for effect in std::mem::take(&mut appliance.desk.effects) {
            match effect {
                Effect::Dial {
                    place,
                    target,
                    attempt,
                } => {
                    let at = self.now + self.way();
                    let dial = Delivery::Dial {
                        place,
                        target,
                        attempt,
                        life,
                    };
                    self.network.send(at, dial);
                }
                Effect::Write(id, bytes) => {
                    let way = self.now + self.way();
                    if let Some(pipe) = self.pipes.get_mut(&id) {
                        pipe.to_venue_at = pipe.to_venue_at.max(way);
                        let at = pipe.to_venue_at;
                        self.network.send(at, Delivery::ToVenue(id, bytes));
                    }
                }
                Effect::Drop(id) => self.drop_from_box(id),
            }
        }
        if dead {
            self.end_life();
            self.on_death();
        }
    }
}

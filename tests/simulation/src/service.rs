//! The exchange's answers, past the adversary.
//!
//! In: requests and calls that have arrived, texts that the core sends. Out: bytes for the box, or
//! none. Never: an answer that the core did not give, unless a fault says so.

use market::{ClientOrderId, Market, OrderState, Quantity};
use matching::Expiry;
use serde_json::Value;
use simulated_exchange::streams::hub::Outgoing;

use crate::faults::{Asked, CallFate, Fate, Piece, is_market_data};
use crate::network::{ConnectionId, Delivery, Ending, Place, RestCall, RestReply, server_frame};
use crate::world::World;

/// What the adversary needs to know of a request.
struct Request {
    market: Market,
    asked: Asked,
    /// The order that it is about.
    name: String,
    /// Its id, as JSON.
    id: String,
}

fn read(market: Market, text: &str) -> Request {
    let frame: Value = serde_json::from_str(text).unwrap_or_default();
    let params = &frame["params"];
    let asked = match frame["method"].as_str() {
        Some("order.place") => Asked::Place,
        Some("order.cancel") => Asked::Cancel,
        Some("order.status") => Asked::Query,
        _ => Asked::Other,
    };
    let names = ["newClientOrderId", "origClientOrderId"];
    let name = names.iter().find_map(|key| params[*key].as_str());
    Request {
        market,
        asked,
        name: name.unwrap_or_default().to_owned(),
        id: frame["id"].to_string(),
    }
}

impl World {
    /// A request of the order connection has arrived.
    pub(crate) fn request(&mut self, id: ConnectionId, place: Place, text: &str) {
        let request = read(place.market, text);
        if self.adversary.is_mute(place) {
            self.adversary
                .fire(self.now, 54, format!("{place:?} is mute"));
            return;
        }
        let fate = self.adversary.fate(self.now, request.asked, &request.name);
        let server_ms = self.venue.exchange.clock.now().0;
        match fate {
            Fate::Refused(forged) => self.send_text(id, &forged.text(&request.id, server_ms), 0),
            Fate::RefusedLate(forged, delay) => {
                let text = forged.text(&request.id, server_ms);
                self.network
                    .send(self.now + delay, Delivery::Late(id, text));
            }
            Fate::Swallowed => {}
            fate => self.handle(id, &request, text, &fate),
        }
        self.venue.settle();
        self.collect();
    }

    /// The core handles it; its answer has the fate that it has.
    fn handle(&mut self, id: ConnectionId, request: &Request, text: &str, fate: &Fate) {
        if *fate == Fate::FillFirst {
            self.fill(request, 1, 30);
        }
        let before = self.accepted();
        let answer = self.venue.request(id, text);
        let is_new = self.accepted() != before;
        if is_new {
            let mut checker = self.checker.borrow_mut();
            checker.on_accepted(&request.name, self.now);
        }
        match fate {
            Fate::LoseAnswer => return,
            Fate::FillAndLoseAnswer => {
                if is_new {
                    self.fill(request, 1, 26);
                }
                return;
            }
            Fate::Lags(lasts) => {
                if is_new {
                    self.adversary.lagging = Some((request.name.clone(), self.now + lasts));
                }
                return;
            }
            Fate::Late(delay) => {
                // The word that it exists comes after what it met, too.
                self.adversary.new_after = Some(request.name.clone());
                if let Some(answer) = answer {
                    self.network
                        .send(self.now + delay, Delivery::Late(id, answer));
                }
                return;
            }
            Fate::DoneBut(forged) => {
                let server_ms = self.venue.exchange.clock.now().0;
                return self.send_text(id, &forged.text(&request.id, server_ms), 0);
            }
            Fate::Slices(pieces) if is_new => self.fill(request, *pieces, 28),
            Fate::Expires(kind) if is_new => {
                if *kind == 1 {
                    // The word that it exists comes after that of its end.
                    self.adversary.new_after = Some(request.name.clone());
                }
                self.expire(request, *kind);
            }
            _ => {}
        }
        // Only of an order that was not filled: what was done is never denied.
        let ends = *fate == Fate::SaysCancelled && is_new && self.expire(request, 0);
        if let Some(mut answer) = answer {
            if ends {
                answer = as_cancelled(&answer);
            }
            self.send_text(id, &answer, 0);
        }
    }

    fn fill(&mut self, request: &Request, pieces: i64, number: u8) {
        let Some(name) = ClientOrderId::new(request.name.as_bytes()) else {
            return;
        };
        let now = self.venue.exchange.clock.now();
        let floor = self.venue.exchange.floor_mut(request.market);
        let order = floor.venue.order_by_client(&name);
        let Some(order) = order.filter(|one| !one.state.is_final()).copied() else {
            return;
        };
        let rest = order.remaining();
        let slices = pieces.min(rest.0);
        floor
            .venue
            .fill_now(now, order.id, rest, slices, &mut floor.outputs);
        let Quantity(lots) = rest;
        self.adversary.fire(
            self.now,
            number,
            format!("{}: {lots} lots in {slices}", request.name),
        );
    }

    /// Ends an order that has not ended; false when it had, or filled in part.
    fn expire(&mut self, request: &Request, kind: u64) -> bool {
        let Some(name) = ClientOrderId::new(request.name.as_bytes()) else {
            return false;
        };
        let now = self.venue.exchange.clock.now();
        let floor = self.venue.exchange.floor_mut(request.market);
        let order = floor.venue.order_by_client(&name).copied();
        let Some(order) = order.filter(|one| !one.state.is_final()) else {
            return false;
        };
        let expiry = match kind {
            0 => Expiry::ImmediateOrCancel,
            _ => Expiry::SelfTrade,
        };
        let state = OrderState::Expired;
        floor
            .venue
            .end_now(now, order.id, state, expiry, &mut floor.outputs);
        let what = format!("{} expires: {expiry:?}", request.name);
        self.adversary.fire(self.now, 34, what);
        order.filled.is_zero()
    }

    /// Orders that the exchange has accepted.
    fn accepted(&self) -> u64 {
        let exchange = &self.venue.exchange;
        exchange.usdm.venue.totals().0 + exchange.spot.venue.totals().0
    }

    /// Moves what waits in the exchange's queues into the network.
    pub fn collect(&mut self) {
        for (id, place, outgoing) in self.venue.drain() {
            match outgoing {
                Outgoing::Text(text, _) => self.send_past(id, place, text.as_bytes()),
                Outgoing::Close(_) => self.end_from_venue(id, Ending::Clean),
                Outgoing::Abort => self.end_from_venue(id, Ending::Reset),
            }
        }
    }

    /// A text of the core, past the adversary.
    fn send_past(&mut self, id: ConnectionId, place: Place, text: &[u8]) {
        if self.adversary.is_mute(place) {
            return;
        }
        let pieces = if is_market_data(place) {
            self.adversary.market_text(self.now, id, place, text)
        } else {
            self.adversary.private_text(self.now, id, text)
        };
        for piece in pieces {
            self.send_piece(id, piece);
        }
    }

    fn send_piece(&mut self, id: ConnectionId, piece: Piece) {
        match piece {
            Piece::Text(text, 0) => self.send_text(id, &text, 0),
            Piece::Text(text, delay) => {
                self.network
                    .send(self.now + delay, Delivery::Late(id, text));
            }
            Piece::Raw(bytes) => self.send_to_box(id, bytes, 0),
            Piece::ByteByByte(text) => {
                let mut frame = Vec::new();
                server_frame(1, true, &text, &mut frame);
                for byte in frame {
                    self.send_to_box(id, vec![byte], 0);
                }
            }
            Piece::End => self.end_from_venue(id, Ending::Clean),
        }
    }

    /// A burst comes.
    pub(crate) fn release_burst(&mut self) {
        for (id, text) in std::mem::take(&mut self.adversary.collected) {
            self.send_text(id, &text, 0);
        }
    }

    /// What was held back comes now.
    pub(crate) fn release_held(&mut self) {
        for held in std::mem::take(&mut self.adversary.held) {
            self.send_text(held.connection, &held.text, 0);
        }
        self.release_burst();
    }

    /// F41: the list of trades is that of a moment ago.
    fn hold_trades_back(&mut self, call: &RestCall, reply: &mut RestReply) {
        let Some(unlisted) = &mut self.adversary.unlisted else {
            return;
        };
        let lists = call.request.call.path.ends_with("Trades");
        if !lists || unlisted.until <= self.now || reply.status != 200 {
            return;
        }
        let mut rows: Vec<Value> = serde_json::from_slice(&reply.body).expect("a list of trades");
        let all = rows.len();
        rows.retain(|row| row["time"].as_i64() < Some(unlisted.since.0));
        let held = all - rows.len();
        reply.body = serde_json::to_vec(&rows).expect("values are JSON");
        if held > 0 && !std::mem::replace(&mut unlisted.met, true) {
            let what = format!("{held} trades are not listed yet");
            self.adversary.fire(self.now, 41, what);
        }
    }

    /// A REST call has arrived.
    pub(crate) fn call(&mut self, call: RestCall) {
        let fate = self.adversary.call_fate(self.now, &call);
        let old_before = self.venue.exchange.faults.injected();
        let reply: Option<RestReply> = match fate {
            CallFate::Normal => {
                let mut reply = self.venue.call(&call);
                self.hold_trades_back(&call, &mut reply);
                Some(reply)
            }
            CallFate::Answer(reply) => Some(reply),
            CallFate::Silence => None,
        };
        if self.venue.exchange.faults.injected() > old_before {
            self.adversary
                .fire(self.now, 5, format!("{:?}", call.owner));
        }
        self.collect();
        let deadline = call.request.deadline.0;
        let at = self.now + self.way();
        let (at, reply) = match reply {
            Some(reply) if at <= deadline => (at, Some(reply)),
            _ => (deadline.max(self.now), None),
        };
        self.network.send(at, Delivery::Answer(call, reply));
    }
}

/// The answer with an end in other words than the stream's.
fn as_cancelled(answer: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(answer);
    let text = text.replacen("\"status\":\"NEW\"", "\"status\":\"CANCELED\"", 1);
    text.replacen("\"status\":\"EXPIRED\"", "\"status\":\"CANCELED\"", 1)
        .into_bytes()
}

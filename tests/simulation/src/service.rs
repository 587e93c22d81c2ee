//! The exchange's answers, past the adversary.
//!
//! In: requests and calls that have arrived, texts that the core sends. Out: bytes for the box, or
//! none. Never: an answer that the core did not give, unless a fault says so.

use binance::encode::JsonText;
use market::{ClientOrderId, Market, OrderState, Quantity};
use matching::Expiry;
use serde_json::Value;
use simulated_exchange::api::order_object;
use simulated_exchange::streams::hub::Outgoing;

use crate::faults::{Asked, CallFate, Fate, Piece, Stale, Unlisted, is_market_data, stop_of};
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
        Some("order.modify") => Asked::Amend,
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
        match fate {
            Fate::FillFirst => self.fill(request, 1, 30),
            Fate::FillBefore { half } => self.fill_before(request, *half),
            _ => {}
        }
        let (before, was) = (self.accepted(), self.order_of(request));
        let mut answer = self.venue.request(id, text);
        let terms = |one: &matching::Order| (one.request.price, one.request.quantity);
        let is_new = match request.asked {
            Asked::Amend => {
                let is = self.order_of(request);
                was.as_ref().map(terms) != is.as_ref().map(terms)
            }
            _ => self.accepted() != before,
        };
        if is_new && request.asked == Asked::Place {
            let mut checker = self.checker.borrow_mut();
            checker.on_accepted(&request.name, self.now);
        }
        if request.asked == Asked::Query {
            answer = self.as_it_was(request, answer);
        }
        if self.is_lost(request, fate, is_new, was.as_ref()) {
            return;
        }
        match fate {
            Fate::Doubled(delay) => {
                if let Some(answer) = &answer {
                    let again = Delivery::Late(id, answer.clone());
                    self.network.send(self.now + delay, again);
                }
            }
            Fate::Late(delay) => {
                if request.asked == Asked::Place {
                    // The word that it exists comes after what it met, too.
                    self.adversary.new_after = Some(request.name.clone());
                }
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

    /// True for a fate that no answer has; what it does besides is done.
    fn is_lost(
        &mut self,
        request: &Request,
        fate: &Fate,
        is_new: bool,
        was: Option<&matching::Order>,
    ) -> bool {
        match fate {
            Fate::LoseAnswer => {}
            Fate::FillAndLoseAnswer if is_new => self.fill(request, 1, 26),
            Fate::FillUntold(lasts) if is_new => {
                let until = self.now + lasts;
                self.adversary.lagging = Some((request.name.clone(), until));
                self.adversary.unlisted = Some(Unlisted {
                    since: self.venue.exchange.clock.now(),
                    until,
                    met: false,
                });
                self.fill(request, 1, 26);
            }
            Fate::Lags(lasts) if is_new => {
                self.adversary.lagging = Some((request.name.clone(), self.now + lasts));
            }
            Fate::Stale(lasts) if is_new => {
                if let Some(was) = was {
                    self.keep_stale(request, was, *lasts);
                }
            }
            Fate::FillAndLoseAnswer | Fate::FillUntold(_) | Fate::Lags(_) | Fate::Stale(_) => {}
            _ => return false,
        }
        true
    }

    /// The order that a request is about, as the core has it.
    fn order_of(&self, request: &Request) -> Option<matching::Order> {
        let name = ClientOrderId::new(request.name.as_bytes())?;
        let floor = self.venue.exchange.floor(request.market);
        floor.venue.order_by_client(&name).copied()
    }

    /// F41 of an amendment: queries and private events tell of the order before it.
    fn keep_stale(&mut self, request: &Request, was: &matching::Order, lasts: u64) {
        let instruments = self
            .venue
            .exchange
            .floor(request.market)
            .venue
            .instruments();
        let instrument = &instruments[usize::from(was.request.instrument.0)];
        let mut text = Vec::new();
        let mut json = JsonText::new(&mut text);
        order_object::futures(&mut json, instrument, was, 0, order_object::Answer::Query);
        self.adversary.stale = Some(Stale {
            name: request.name.clone(),
            until: self.now + lasts,
            result: serde_json::from_slice(&text).expect("the core writes JSON"),
        });
    }

    /// The answer to a query, as it was before an amendment where that is not known yet.
    fn as_it_was(&self, request: &Request, answer: Option<Vec<u8>>) -> Option<Vec<u8>> {
        let stale = self.adversary.stale.as_ref();
        let stale = stale.filter(|one| one.name == request.name && self.now < one.until);
        let (Some(stale), Some(answer)) = (stale, &answer) else {
            return answer;
        };
        let mut reply: Value = serde_json::from_slice(answer).ok()?;
        if reply["status"] == 200 {
            reply["result"] = stale.result.clone();
        }
        Some(reply.to_string().into_bytes())
    }

    /// F32: our amendment meets an order that has just filled, whole or in part.
    fn fill_before(&mut self, request: &Request, half: bool) {
        let left = self.order_of(request).map_or(0, |one| one.remaining().0);
        let lots = if half { left / 2 } else { left };
        if lots > 0 {
            self.fill_lots(request, Quantity(lots), 1, 32);
        }
    }

    fn fill(&mut self, request: &Request, pieces: i64, number: u8) {
        if let Some(order) = self.order_of(request) {
            self.fill_lots(request, order.remaining(), pieces, number);
        }
    }

    fn fill_lots(&mut self, request: &Request, rest: Quantity, pieces: i64, number: u8) {
        let now = self.venue.exchange.clock.now();
        let order = self.order_of(request);
        let Some(order) = order.filter(|one| !one.state.is_final()) else {
            return;
        };
        let floor = self.venue.exchange.floor_mut(request.market);
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
            self.checker.borrow_mut().on_published(text);
            // Either may lose a text, never both by the same chance.
            if self.adversary.relayed.loses() {
                return;
            }
            self.adversary.market_text(self.now, id, place, text)
        } else {
            self.adversary.private_text(self.now, id, text)
        };
        // One of several is behind the others.
        let behind = place.number == 1 && is_market_data(place);
        let lag_ns = if behind {
            self.adversary.relayed.lag_ns
        } else {
            0
        };
        for piece in pieces {
            self.send_piece(id, lag_ns, piece);
        }
    }

    fn send_piece(&mut self, id: ConnectionId, lag_ns: u64, piece: Piece) {
        match piece {
            Piece::Text(text, 0) => self.send_text(id, &text, lag_ns),
            Piece::Text(text, delay) => {
                self.network
                    .send(self.now + delay, Delivery::Late(id, text));
            }
            Piece::Raw(bytes) => self.send_to_box(id, bytes, lag_ns),
            Piece::ByteByByte(text) => {
                let mut frame = Vec::new();
                server_frame(1, true, &text, &mut frame);
                for byte in frame {
                    self.send_to_box(id, vec![byte], lag_ns);
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
        let name = stop_of(&call).unwrap_or_default().to_owned();
        let mut later_ns = 0;
        let reply: Option<RestReply> = match fate {
            CallFate::Normal => {
                let mut reply = self.venue.call(&call);
                self.hold_trades_back(&call, &mut reply);
                Some(reply)
            }
            CallFate::Answer(reply) => Some(reply),
            CallFate::Silence => None,
            CallFate::LoseAnswer => {
                self.venue.call(&call);
                None
            }
            CallFate::DoneBut(reply) => {
                self.venue.call(&call);
                Some(reply)
            }
            CallFate::Late(delay) => {
                later_ns = delay;
                Some(self.venue.call(&call))
            }
            CallFate::TriggerAfter => {
                self.venue.call(&call);
                self.trigger_stop(&name);
                None
            }
            CallFate::TriggerFirst => {
                self.trigger_stop(&name);
                Some(self.venue.call(&call))
            }
        };
        if self.venue.exchange.faults.injected() > old_before {
            self.adversary
                .fire(self.now, 5, format!("{:?}", call.owner));
        }
        self.collect();
        let deadline = call.request.deadline.0;
        let at = self.now + self.way() + later_ns;
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

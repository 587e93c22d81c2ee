//! The last hop: what is written, and what was heard before.
//!
//! In: frames of the box as text, texts of the exchange as the box gets them. Out: violations.
//! Never: the product's encoder or decoder.

use engine::event::StreamChange;
use engine::outbox::Request;
use market::{ClientOrderId, Market, MonoNs, NewOrder, OrderType, TimeInForce, UtcMs};
use serde_json::Value;

use super::Checker;
use super::market_data::number;
use crate::birth::Birth;
use crate::network::{MS, Owner, Place, RestCall, RestReply, Role, SECOND};

/// Messages in any 10 s: the exchange's limit, below which our own budget lies.
const ORDERS_PER_10S_MAX: usize = 300;

/// How far the time stamp of an order that opens may be from the estimated time (I21).
const STAMP_ERROR_MS: i64 = 500;

/// Queries of one order lie so far apart (I4), but for what a clock loses.
const BETWEEN_QUERIES_NS: u64 = SECOND - MS;

/// How long a clock that stepped is doubtful.
const DOUBT_NS: u64 = 5 * SECOND;

impl Checker {
    /// The engine wants something, before anybody else has it.
    pub fn on_request(&mut self, request: &Request, now: u64) {
        self.now = now;
        match request {
            Request::Query(order) | Request::QueryOverRest(order) => {
                self.on_query(&order.client_order_id)
            }
            Request::Reconcile(id) => {
                let instrument = self.instrument(*id);
                self.look = instrument.map(|one| (one.market, now));
            }
            _ => {}
        }
    }

    /// Two answers to queries count when those lie apart, and each costs weight (I4).
    fn on_query(&mut self, id: &ClientOrderId) {
        let (life, now) = (self.life, self.now);
        let Some(shadow) = self.orders.get_mut(id) else {
            return;
        };
        let before = shadow.asked.replace((life, now));
        let since = before.filter(|(then, _)| *then == life);
        if let Some((_, at)) = since.filter(|(_, at)| now - at < BETWEEN_QUERIES_NS) {
            let text = format!(
                "{} is asked for again after {} ms",
                id.as_str(),
                (now - at) / MS
            );
            self.broken("I4", text);
        }
    }

    /// A frame of the order connection, before the network has it.
    pub fn on_order_frame(&mut self, market: Market, text: &str, now: u64, server: UtcMs) {
        self.now = now;
        self.hash.bytes(text.as_bytes());
        self.check_silence(market, text);
        let Ok(frame) = serde_json::from_str::<Value>(text) else {
            return self.broken("I16", format!("not JSON: {text}"));
        };
        match frame["method"].as_str() {
            Some("order.place") => self.on_place(market, &frame["params"], server),
            Some("order.modify") => self.on_amend(market, &frame["params"], server),
            Some("order.cancel") => self.count_message(),
            Some("order.status") => {
                let name = frame["params"]["origClientOrderId"].as_str();
                let id = name.and_then(|name| ClientOrderId::new(name.as_bytes()));
                if let Some(id) = id {
                    self.queries.insert(frame["id"].to_string(), (id, now));
                }
            }
            _ => {}
        }
    }

    /// The engine is told that a stream is live, or not.
    pub fn on_stream(&mut self, change: &StreamChange) {
        let key = (change.market, change.stream);
        self.streams_up.insert(key, change.up);
    }

    /// The engine is told the time: a sample that does not fit to the last one makes the clock
    /// doubtful for a while (I21).
    pub fn on_clock(&mut self, utc_ns: i64, now: u64) {
        if let Some((known, at)) = self.clock {
            let expected = known + (now - at) as i64;
            if expected.abs_diff(utc_ns) > STAMP_ERROR_MS as u64 * MS {
                self.clock_doubted_until = now + DOUBT_NS;
            }
        }
        self.clock = Some((utc_ns, now));
    }

    /// "Order does not exist": counted for the order that was asked for (I4).
    fn on_not_found(&mut self, text: &[u8]) {
        let Ok(reply) = serde_json::from_slice::<Value>(text) else {
            return;
        };
        if let Some(asked) = self.queries.remove(&reply["id"].to_string()) {
            self.keep_not_found(asked);
        }
    }

    fn keep_not_found(&mut self, (id, asked_at): (ClientOrderId, u64)) {
        if let Some(shadow) = self.orders.get_mut(&id) {
            shadow.not_found.push(asked_at);
        }
    }

    fn count_message(&mut self) {
        self.sent_at.push_back(self.now);
        let since = self.now.saturating_sub(10 * SECOND);
        while self.sent_at.front().is_some_and(|at| *at < since) {
            self.sent_at.pop_front();
        }
        if self.sent_at.len() > ORDERS_PER_10S_MAX {
            let count = self.sent_at.len();
            self.broken("I20", format!("{count} messages in 10 s"));
        }
    }

    /// An order leaves: it was decided, journalled, and never sent before (I2, I3, I16, I25).
    fn on_place(&mut self, market: Market, params: &Value, server: UtcMs) {
        self.orders_written += 1;
        self.count_message();
        let name = params["newClientOrderId"].as_str().unwrap_or_default();
        let Some(id) = ClientOrderId::new(name.as_bytes()) else {
            return self.broken("I2", format!("an order without an id: {params}"));
        };
        let Some(shadow) = self.orders.get_mut(&id) else {
            return self.broken("I25", format!("{name} is written and not in the journal"));
        };
        let again = std::mem::replace(&mut shadow.written, true);
        let (order, state, life) = (shadow.order, shadow.state, shadow.life);
        if again {
            self.broken("I3", format!("{name} is sent again"));
        }
        if state.is_final() || life != self.life {
            self.broken(
                "I3",
                format!("{name} is sent in state {state}, of life {life}"),
            );
        }
        let Some(instrument) = self.instrument(order.instrument).copied() else {
            return;
        };
        let quantity = text_of(params, "quantity");
        let lots = quantity.and_then(|text| instrument.quantity_from_text(text.as_bytes()).ok());
        let price = text_of(params, "price");
        let ticks = price.and_then(|text| instrument.price_from_text(text.as_bytes()).ok());
        let reduce_only = params["reduceOnly"] == Value::Bool(true)
            || text_of(params, "reduceOnly") == Some("true");
        let futures = market == Market::UsdM;
        let (kind, lifetime) = words(&order, futures);
        let same = lots == Some(order.quantity)
            && ticks.is_none_or(|ticks| ticks == order.price)
            && text_of(params, "side") == Some(order.side.as_str())
            && text_of(params, "type") == Some(kind)
            && text_of(params, "timeInForce") == lifetime
            && text_of(params, "symbol") == Some(instrument.symbol.as_str())
            && (!futures || reduce_only == order.reduce_only);
        if !same {
            self.broken("I16", format!("decided {order:?}, written {params}"));
        }
        let stamp = params["timestamp"].as_i64().unwrap_or(0);
        if !order.reduce_only && (stamp - server.0).abs() > STAMP_ERROR_MS {
            let text = format!("{name} is stamped {stamp}, the time is {}", server.0);
            self.broken("I21", text);
        }
    }

    /// An amendment leaves: it was decided and journalled, as written, and never sent before (I3,
    /// I16, I25).
    fn on_amend(&mut self, market: Market, params: &Value, server: UtcMs) {
        self.amendments_written += 1;
        self.count_message();
        let name = params["origClientOrderId"].as_str().unwrap_or_default();
        let shadow = ClientOrderId::new(name.as_bytes()).and_then(|id| self.orders.get_mut(&id));
        let Some(shadow) = shadow else {
            return self.broken("I16", format!("an amendment of no order of ours: {params}"));
        };
        let order = shadow.order;
        let decided = shadow.amendments.pop_front();
        let (written, state) = (shadow.written, shadow.state);
        let Some(amend) = decided else {
            return self.broken(
                "I25",
                format!("{name} is amended and the journal does not say so"),
            );
        };
        if !written || state.is_final() || market != Market::UsdM {
            self.broken("I16", format!("{name} is amended in state {state}"));
        }
        let Some(instrument) = self.instrument(order.instrument).copied() else {
            return;
        };
        let lots = text_of(params, "quantity")
            .and_then(|text| instrument.quantity_from_text(text.as_bytes()).ok());
        let ticks = text_of(params, "price")
            .and_then(|text| instrument.price_from_text(text.as_bytes()).ok());
        let same = lots == Some(amend.quantity)
            && ticks == Some(amend.price)
            && text_of(params, "side") == Some(order.side.as_str())
            && text_of(params, "symbol") == Some(instrument.symbol.as_str());
        if !same {
            self.broken("I16", format!("decided {amend:?}, written {params}"));
        }
        let stamp = params["timestamp"].as_i64().unwrap_or(0);
        if !order.reduce_only && (stamp - server.0).abs() > STAMP_ERROR_MS {
            let text = format!("{name} is stamped {stamp}, the time is {}", server.0);
            self.broken("I21", text);
        }
    }

    /// A REST call leaves.
    pub fn on_call(&mut self, call: &RestCall, now: u64) {
        self.now = now;
        let target = call.request.call.target();
        self.hash.bytes(target.as_bytes());
        self.check_silence(call.market, call.request.call.path);
        self.on_stop_call(call);
        if let Some(id) = asked_for(call) {
            self.queries.insert(rest_key(call), (id, now));
        }
    }

    /// A REST answer, as the box hears it.
    pub fn on_answer(&mut self, call: &RestCall, reply: &RestReply, now: u64) {
        self.now = now;
        self.hash.word(u64::from(reply.status));
        if matches!(reply.status, 418 | 429)
            && let Some(seconds) = reply.retry_after_s
        {
            self.silent(call.market, u64::from(seconds) * SECOND);
        }
        let absent = reply.body.windows(5).any(|part| part == b"-2013");
        if let Some(asked) = self.queries.remove(&rest_key(call)).filter(|_| absent) {
            self.keep_not_found(asked);
        }
    }

    /// A text as the box gets it.
    pub fn on_box_text(&mut self, place: Place, text: &[u8], now: u64, server: UtcMs) {
        self.now = now;
        self.hash.word(now);
        self.hash.bytes(text);
        if place.role == Role::Orders {
            let head = &text[..text.len().min(600)];
            if head.windows(5).any(|part| part == b"-2013") {
                self.on_not_found(text);
            }
            let limited = matches!(number(head, "\"status\":"), Some(418 | 429));
            if limited && let Some(until) = number(head, "\"retryAfter\":") {
                let wait_ms = until.saturating_sub(server.0.unsigned_abs());
                self.silent(place.market, wait_ms * MS);
            }
        }
        self.on_market_text(place, text);
    }

    /// A fresh process knows of the silences that the disk kept: those that the one before heard.
    pub(super) fn keep_silences(&mut self, birth: &Birth) {
        self.silence.clear();
        for market in [Market::UsdM, Market::Spot] {
            let held = &birth.silences.by_market[market as usize];
            let until = held.until(MonoNs(birth.now));
            self.silence
                .insert(market, until.map_or(0, |until| until.0));
        }
    }

    /// Until when the exchange wants silence somewhere.
    #[must_use]
    pub fn silent_until(&self) -> u64 {
        self.silence.values().copied().max().unwrap_or(0)
    }

    /// True while the exchange wants silence somewhere.
    #[must_use]
    pub fn is_silent(&self, now: u64) -> bool {
        now < self.silent_until()
    }

    /// Over REST or over the order connection: it holds for both.
    fn silent(&mut self, market: Market, wait_ns: u64) {
        let until = self.now + wait_ns;
        let known = self.silence.entry(market).or_default();
        *known = (*known).max(until);
    }

    /// After 429 and 418 nothing goes out before Retry-After (I20).
    fn check_silence(&mut self, market: Market, what: &str) {
        let until = self.silence.get(&market).copied().unwrap_or(0);
        if self.now < until {
            let left_ms = (until - self.now) / MS;
            let what: String = what.chars().take(120).collect();
            self.broken("I20", format!("{left_ms} ms before Retry-After: {what}"));
        }
    }
}

/// The order that a query over REST asks for.
fn asked_for(call: &RestCall) -> Option<ClientOrderId> {
    let meant = matches!(call.owner, Owner::Order(_));
    let is_query = meant && call.request.call.method.as_str() == "GET";
    let query = call.request.call.query.split('&');
    let name = query
        .filter(|_| is_query)
        .find_map(|pair| pair.strip_prefix("origClientOrderId="))?;
    ClientOrderId::new(name.as_bytes())
}

fn rest_key(call: &RestCall) -> String {
    format!("{} {:?}", call.market, call.owner)
}

/// Type and life time as the exchange's documents have them.
fn words(order: &NewOrder, futures: bool) -> (&'static str, Option<&'static str>) {
    let lifetime = match order.time_in_force {
        TimeInForce::GoodTillCancel => "GTC",
        TimeInForce::ImmediateOrCancel => "IOC",
        TimeInForce::FillOrKill => "FOK",
        TimeInForce::PostOnly if futures => "GTX",
        TimeInForce::PostOnly => return ("LIMIT_MAKER", None),
    };
    match order.order_type {
        OrderType::Market => ("MARKET", None),
        _ => ("LIMIT", Some(lifetime)),
    }
}

fn text_of<'a>(params: &'a Value, key: &str) -> Option<&'a str> {
    params[key].as_str()
}

//! The exchange's end of the virtual network: the core, its connections, its market.
//!
//! In: bytes and calls of the box, the time. Out: texts for each connection, answers. Never: a
//! socket; the core is the one that the simulated exchange runs behind its own.

use std::collections::BTreeMap;

use market::{Instrument, InstrumentId, Market, Money, Rate};
use matching::{Fees, SpotBalances, Venue, VenueConfig};
use simulated_exchange::accounts::Accounts;
use simulated_exchange::api::auth::Keys;
use simulated_exchange::api::key_rights::KeyRights;
use simulated_exchange::api::rest;
use simulated_exchange::api::weights::Weights;
use simulated_exchange::api::ws_api::{self, Session};
use simulated_exchange::clock::Clock;
use simulated_exchange::exchange::Exchange;
use simulated_exchange::faults::Faults;
use simulated_exchange::feed::Feed;
use simulated_exchange::feed::generator::Generator;
use simulated_exchange::feed::parameters::{self, FlowParameters};
use simulated_exchange::floor::Floor;
use simulated_exchange::latency::{Delays, Latency};
use simulated_exchange::private::{ListenKeys, Subscriptions};
use simulated_exchange::streams::control::{self, Origin};
use simulated_exchange::streams::hub::{self, Outgoing, Queued};
use simulated_exchange::streams::names::{Route, parse_path};
use simulated_exchange::wire_log::WireLog;
use tokio::sync::mpsc::Receiver;

use crate::network::{ConnectionId, Place, RestCall, RestReply, Role, SECOND, client_frame};

/// UTC at the start of every run, in ns.
pub const START_UTC_NS: i64 = 1_770_000_000_000_000_000;

/// Key of the account.
pub const API_KEY: &str = "simulated";
/// Its secret.
pub const API_SECRET: &str = "0123456789abcdef0123456789abcdef";

/// Wallet in quote units.
const WALLET: i64 = 100_000;

/// One connection, as the exchange sees it.
pub struct ServerEnd {
    /// What for.
    pub place: Place,
    hub: hub::ConnectionId,
    queue: Receiver<Queued>,
    session: Option<Session>,
    inbound: Vec<u8>,
    /// When the next ping goes out.
    pub ping_at: u64,
    /// When it was opened.
    born_at: u64,
}

/// The exchange and its connections.
pub struct VenueSide {
    /// The core.
    pub exchange: Exchange,
    /// Its clock less the true time.
    pub clock_error_ns: i64,
    ends: BTreeMap<ConnectionId, ServerEnd>,
    next_connection: ConnectionId,
}

/// The symbols of a market.
pub type Listing<'a> = &'a [(Market, &'a str)];

/// A market that one core can play many times faster than it happens.
fn modest(instrument: &Instrument) -> FlowParameters {
    FlowParameters {
        level_events_per_s: 12.0,
        distance_max_ticks: 90,
        market_orders_per_s: 2.0,
        sweeps_per_s: 0.35,
        pressure_sigma: 1.0,
        ..parameters::flow(instrument)
    }
}

fn floor(market: Market, listing: Listing<'_>, seed: u64) -> Floor {
    let symbols = listing.iter().filter(|(of, _)| *of == market);
    let mut instruments = Vec::new();
    let mut feeds: Vec<Box<dyn Feed>> = Vec::new();
    for (index, (_, symbol)) in symbols.enumerate() {
        let listed = parameters::instrument(market, symbol).expect("a symbol of this file");
        instruments.push(Instrument {
            id: InstrumentId(index as u16),
            ..listed
        });
        feeds.push(Box::new(Generator::new(listed, modest(&listed), seed)));
    }
    let fees = match market {
        Market::UsdM => Fees::FIRST_TIER,
        Market::Spot => Fees {
            maker: Rate(100_000),
            taker: Rate(100_000),
        },
    };
    let spot = (market == Market::Spot).then(|| SpotBalances {
        quote: Money::from_whole(WALLET),
        bases: instruments.iter().map(|_| Money::from_whole(10)).collect(),
    });
    let venue = Venue::new(VenueConfig {
        instruments,
        wallet: Money::from_whole(WALLET),
        fees,
        spot,
        leverage: 20,
        first_order_id: 8_000_000_001,
        first_trade_id: 900_000_000_001,
    });
    Floor::new(market, venue, feeds, 1.0, None, START_UTC_NS)
}

impl VenueSide {
    /// An exchange whose market starts at time 0.
    ///
    /// # Panics
    /// Never: the key is a constant.
    #[must_use]
    pub fn new(listing: Listing<'_>, seed: u64) -> Self {
        let exchange = Exchange {
            clock: Clock::standing_at(START_UTC_NS),
            usdm: floor(Market::UsdM, listing, seed),
            spot: floor(Market::Spot, listing, seed),
            faults: Faults::default(),
            schedule: None,
            delays: Delays::new(Latency::default(), seed),
            wire: WireLog::default(),
            keys: Keys::new(API_KEY.to_owned(), API_SECRET).expect("a secret"),
            key_rights: KeyRights::default(),
            accounts: Accounts::default(),
            listen_keys: ListenKeys::default(),
            spot_subscriptions: Subscriptions::default(),
            usdm_weights: Weights::new(Market::UsdM),
            spot_weights: Weights::new(Market::Spot),
            requests: 0,
            private_events: 0,
            state: None,
        };
        Self {
            exchange,
            clock_error_ns: 0,
            ends: BTreeMap::new(),
            next_connection: 0,
        }
    }

    /// Tells the time; returns when the market moves next. The exchange has one clock, that of its
    /// events too: where it is set back the market waits, where it jumps the market hurries.
    pub fn advance(&mut self, now: u64) -> Option<u64> {
        let ahead_ns = START_UTC_NS + self.clock_error_ns;
        let its_ns = ahead_ns + now as i64;
        self.exchange.clock.set_ns(its_ns);
        let next = self.exchange.advance(its_ns)?;
        Some((next - ahead_ns).max(now as i64) as u64)
    }

    /// Opens a connection.
    pub fn accept(&mut self, place: Place, target: &str, now: u64) -> Option<ConnectionId> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let clock = self.exchange.clock;
        let floor = self.exchange.floor_mut(place.market);
        let (hub, queue, session) = if place.role == Role::Orders {
            let (connection, queue) = floor.hub.connect(Route::Private, false);
            let session = Session {
                market: place.market,
                connected_since: clock.now(),
                logged_on: None,
                connection,
                rate_limits: true,
            };
            (connection, queue, Some(session))
        } else {
            let asked = parse_path(place.market, path, query)?;
            let (connection, queue) = floor.hub.connect(asked.route, asked.combined);
            let origin = Origin {
                market: place.market,
                connection,
                route: asked.route,
            };
            let exchange = &mut self.exchange;
            let hub = match place.market {
                Market::UsdM => &mut exchange.usdm.hub,
                Market::Spot => &mut exchange.spot.hub,
            };
            for name in &asked.names {
                control::subscribe(name, origin, hub, &mut exchange.listen_keys);
            }
            (connection, queue, None)
        };
        self.next_connection += 1;
        let end = ServerEnd {
            place,
            hub,
            queue,
            session,
            inbound: Vec::new(),
            ping_at: now + ping_period(place),
            born_at: now,
        };
        self.ends.insert(self.next_connection, end);
        Some(self.next_connection)
    }

    /// What a connection is for; nothing once it is gone.
    #[must_use]
    pub fn place_of(&self, id: ConnectionId) -> Option<Place> {
        self.ends.get(&id).map(|end| end.place)
    }

    /// Open connections of a place.
    #[must_use]
    pub fn connections(&self, of: impl Fn(Place) -> bool) -> Vec<ConnectionId> {
        let ends = self.ends.iter().filter(|(_, end)| of(end.place));
        ends.map(|(id, _)| *id).collect()
    }

    /// Connections of market data that have lived for so long.
    #[must_use]
    pub fn older_than(&self, age_ns: u64, now: u64) -> Vec<ConnectionId> {
        let old = |end: &ServerEnd| {
            crate::faults::is_market_data(end.place) && now - end.born_at >= age_ns
        };
        let ends = self.ends.iter().filter(|(_, end)| old(end));
        ends.map(|(id, _)| *id).collect()
    }

    /// Takes bytes in; whole texts come out and the payloads of pings, pongs are taken.
    pub fn take_bytes(&mut self, id: ConnectionId, bytes: &[u8]) -> (Vec<String>, Vec<Vec<u8>>) {
        let (mut texts, mut pings) = (Vec::new(), Vec::new());
        let Some(end) = self.ends.get_mut(&id) else {
            return (texts, pings);
        };
        end.inbound.extend_from_slice(bytes);
        while let Some((opcode, payload)) = client_frame(&mut end.inbound) {
            match opcode {
                1 => texts.push(String::from_utf8(payload).expect("the product writes UTF-8")),
                9 => pings.push(payload),
                _ => {}
            }
        }
        (texts, pings)
    }

    /// Handles a request of the WebSocket API. Its private events wait for [`Self::settle`].
    pub fn request(&mut self, id: ConnectionId, text: &str) -> Option<Vec<u8>> {
        let session = self.ends.get_mut(&id)?.session.as_mut()?;
        let arrived = self.exchange.clock.now_ns();
        ws_api::handle(&mut self.exchange, session, text, arrived)
    }

    /// Sends the private events that wait into their connections' queues.
    pub fn settle(&mut self) {
        let now = self.exchange.clock.now();
        self.exchange.send_private(now);
    }

    /// Handles a REST call.
    pub fn call(&mut self, call: &RestCall) -> RestReply {
        let target = &call.request.call;
        let request = rest::Request {
            method: target.method.as_str(),
            path: target.path,
            query: &target.query,
            body: b"",
            key: target.with_key.then_some(API_KEY),
        };
        let reply = rest::handle(&mut self.exchange, call.market, &request);
        RestReply {
            status: reply.status,
            retry_after_s: reply.retry_after,
            used_weight: reply.counts.map(|counts| counts.weight),
            body: reply.body.unwrap_or_default(),
        }
    }

    /// Forgets a connection.
    pub fn close(&mut self, id: ConnectionId) {
        if let Some(end) = self.ends.remove(&id) {
            self.exchange.disconnect(end.place.market, end.hub);
        }
    }

    /// What waits in the queues, connection by connection.
    pub fn drain(&mut self) -> Vec<(ConnectionId, Place, Outgoing)> {
        let mut all = Vec::new();
        for (id, end) in &mut self.ends {
            while let Ok(outgoing) = end.queue.try_recv() {
                all.push((*id, end.place, outgoing.what));
            }
        }
        all
    }

    /// Connections whose ping is due.
    pub fn pings(&mut self, now: u64) -> Vec<ConnectionId> {
        let mut due = Vec::new();
        for (id, end) in &mut self.ends {
            if end.ping_at <= now {
                end.ping_at = now + ping_period(end.place);
                due.push(*id);
            }
        }
        due
    }

    /// Connections of a place are not pinged any more.
    pub fn never_ping(&mut self, of: impl Fn(Place) -> bool) {
        for end in self.ends.values_mut().filter(|end| of(end.place)) {
            end.ping_at = u64::MAX;
        }
    }

    /// When the next ping is due.
    #[must_use]
    pub fn next_ping(&self) -> Option<u64> {
        self.ends.values().map(|end| end.ping_at).min()
    }
}

const fn ping_period(place: Place) -> u64 {
    match (place.market, place.role) {
        (Market::Spot, Role::Books) => 20 * SECOND,
        _ => 180 * SECOND,
    }
}

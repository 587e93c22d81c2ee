//! Builds the pinned thread and its cold side.
//!
//! In: a start, an engine with its keeping, ends of rings. Out: both sides, ready to run. Never: a
//! thread, a connection.

use super::cold::{ColdDialer, KeyKeeper, Place, Route};
use super::desk::{Desk, OrderSlot};
use super::dialing::Dialing;
use super::market::{MarketFeed, MarketSlot};
use super::private::{PrivateSlot, PrivateSlots};
use super::rehearsal::Rehearsal;
use super::thread::{InlineThread, Reading};
use super::wire::Wire;
use crate::engine_host::EngineHost;
use crate::engine_thread::{Behaviour, Inlet};
use crate::failure::Failure;
use crate::gateway::rest::RestClient;
use crate::gateway::stream_cells::StreamCells;
use crate::hot_socket::{HotDialer, HotOptions};
use crate::latency::stall::{STALL_NS, StallDetector};
use crate::latency::way_log::WayLog;
use crate::server_clock::ServerClock;
use crate::startup::{Start, urls};
use crate::telemetry::Telemetry;
use crate::wiring::{
    MarketParts, OrderParts, PRIVATE_SEED, connection_name, market_parts, order_parts, private_name,
};
use binance::session::{CONNECTIONS_MAX, PRIVATE_CONNECTIONS, PrivateFeed, PrivateStream};
use ipc::{Consumer, Producer};
use market::Market;
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use tokio::sync::Notify;

/// Largest message of a stream or reply that is taken: the largest that were recorded have some
/// 50 KB.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// Most connections: two routes of futures and one of spot, each over two connections with one that
/// rests, orders of both, one private stream and what replaces it.
const PLACES_MAX: usize = 3 * CONNECTIONS_MAX + 2 + PRIVATE_CONNECTIONS;

/// Ends of the rings that the thread has besides its sockets.
pub struct Ends {
    /// Control's commands.
    pub commands: Consumer,
    /// Cold inputs.
    pub cold: Inlet,
    /// Cold requests.
    pub requests: Producer,
    /// Where the way of each order is told.
    pub ways: WayLog,
}

/// Both sides.
pub struct InlineParts {
    /// To be moved to its core.
    pub thread: InlineThread,
    /// Stays on the cold thread.
    pub cold: ColdDialer,
}

/// Builds both sides.
///
/// # Errors
/// [`Failure`].
pub fn inline_parts(
    start: &Start,
    telemetry: Telemetry<'_>,
    host: EngineHost,
    ends: Ends,
    clock: &ServerClock,
    behaviour: Behaviour,
) -> Result<InlineParts, Failure> {
    let options = HotOptions {
        message_bytes_max: MESSAGE_BYTES_MAX,
        kernel_tls: start.settings.hot_path.hot_tls == settings::HotTls::Kernel,
    };
    let mut cold = ColdDialer {
        dialing: Arc::new(Dialing::new(PLACES_MAX)),
        places: Vec::with_capacity(PLACES_MAX),
        dialer: HotDialer::new(&start.dialer, options),
    };
    let mut slots = Vec::new();
    let mut privates = Vec::new();
    let mut markets = Vec::new();
    for market in start.markets() {
        let orders = order_parts(start, telemetry, market)?;
        slots.push(order_slot(&mut cold, market, orders));
        if market == Market::UsdM {
            let slots = (0..PRIVATE_CONNECTIONS)
                .map(|number| private_slot(&mut cold, start, telemetry, number))
                .collect::<Result<_, _>>()?;
            privates.push(PrivateSlots {
                feed: PrivateFeed::default(),
                slots,
            });
        }
        for parts in market_parts(start, telemetry, market)? {
            markets.push(market_feed(&mut cold, market, parts));
        }
    }
    let instruments = Arc::clone(&start.instruments);
    // A loop that gives its core away is away between its turns by its own wish.
    let threshold_ns = if behaviour.spin { STALL_NS } else { u64::MAX };
    let stalls = StallDetector::new(telemetry, "engine", host.clock(), threshold_ns)?;
    // A loop that gives its core away has nothing to keep warm.
    let every_ns = start.settings.hot_path.rehearse_every_us * 1_000;
    let rehearses = every_ns > 0 && behaviour.spin;
    let rehearsal = rehearses
        .then(|| Rehearsal::new(telemetry, &start.folder, host.clock(), every_ns))
        .transpose()?
        .map(Box::new);
    let thread = InlineThread {
        rehearsal,
        host,
        commands: ends.commands,
        cold: ends.cold,
        desk: Desk::new(slots, ends.requests, clock.clone(), instruments, ends.ways),
        privates,
        markets,
        dialing: Arc::clone(&cold.dialing),
        reading: Reading::new(Arc::clone(&start.instruments)),
        stalls,
        behaviour,
    };
    Ok(InlineParts { thread, cold })
}

impl ColdDialer {
    /// A new place, and its end on the pinned thread.
    fn place(&mut self, name: String, route: Route, cells: StreamCells) -> Wire {
        let place = self.places.len();
        self.places.push(Place { name, route });
        Wire::new(place, &self.dialing, cells)
    }
}

fn order_slot(cold: &mut ColdDialer, market: Market, parts: OrderParts) -> OrderSlot {
    let name = format!("{market} orders");
    OrderSlot {
        market,
        session: parts.session,
        wire: cold.place(name, Route::Url(parts.url), parts.stream),
        latency: parts.latency,
    }
}

fn market_feed(cold: &mut ColdDialer, market: Market, parts: MarketParts) -> MarketFeed {
    let route = parts.feed.route();
    let connections = parts.connections.into_iter().enumerate();
    let slots = connections.map(|(number, one)| {
        let name = format!("{market} {}", connection_name(route, number));
        let place = Route::Url(one.session.url().to_string());
        let wire = cold.place(name, place, one.cells);
        MarketSlot::new(number, one.session, wire, Some(one.brought))
    });
    MarketFeed {
        slots: slots.collect(),
        feed: parts.feed,
    }
}

fn private_slot(
    cold: &mut ColdDialer,
    start: &Start,
    telemetry: Telemetry<'_>,
    number: usize,
) -> Result<PrivateSlot, Failure> {
    let name = format!("{} {}", Market::UsdM, private_name(number));
    let (rest_url, stream_url, _) = urls(&start.settings.venue, Market::UsdM);
    let key = &start.credentials.api_key;
    let keeper = KeyKeeper {
        dialing: Arc::clone(&cold.dialing),
        dialer: cold.dialer.clone(),
        rest: RestClient::new(start.dialer.clone(), rest_url, key)?,
        stream_url: stream_url.to_string(),
        place: cold.places.len(),
        wish: Cell::new(None),
        wake: Notify::new(),
        name: name.clone(),
    };
    let cells = StreamCells::new(telemetry, Market::UsdM, private_name(number))?;
    Ok(PrivateSlot {
        number,
        stream: PrivateStream::relieved(PRIVATE_SEED + number as u64),
        wire: cold.place(name, Route::Key(Rc::new(keeper)), cells),
    })
}

//! The order thread: order connections and private streams of every market.
//!
//! In: sessions, the order ring. Out: requests on the wire, replies and private events in the
//! reply ring. Never: REST work other than the listen key's.

use super::inbox::Inbox;
use super::latency_cells::LatencyCells;
use super::leash::Leash;
use super::orders::{OrderConnection, OrderShell, keep, pump};
use super::rest::RestClient;
use super::socket::Dialer;
use super::stream_cells::StreamCells;
use super::user::UserShell;
use crate::latency::way_log::WayLog;
use crate::process::event_loop;
use crate::server_clock::ServerClock;
use binance::session::{OrderSession, PrivateFeed, UserSession};
use ipc::Consumer;
use market::{Instrument, Market};
use std::cell::RefCell;
use std::num::NonZeroU64;
use std::rc::Rc;
use std::sync::Arc;
use tokio::task::LocalSet;

/// What the thread is given.
pub struct OrderGateway {
    /// Every market.
    pub markets: Vec<OrderMarket>,
    /// The reply ring.
    pub inbox: Inbox,
    /// The order ring.
    pub ring: Consumer,
    /// The exchange's time.
    pub clock: ServerClock,
    /// The table.
    pub instruments: Arc<[Instrument]>,
    /// Opens sockets.
    pub dialer: Dialer,
    /// For the listen key.
    pub api_key: String,
    /// Where the way of each order is told.
    pub ways: WayLog,
    /// Nap between two looks into the ring: where cores are scarce.
    pub nap: bool,
}

/// One market's connections.
pub struct OrderMarket {
    /// Which.
    pub market: Market,
    /// Order session.
    pub session: OrderSession,
    /// Its URL.
    pub ws_api_url: String,
    /// Base of REST.
    pub rest_url: String,
    /// Cells of the order connection.
    pub orders: StreamCells,
    /// Cells of the way of an order.
    pub latency: LatencyCells,
    /// Connections of the private stream, where it has its own (futures).
    pub users: Vec<(UserSession, StreamCells)>,
}

impl OrderGateway {
    /// Runs on the calling thread until the leash ends it.
    ///
    /// # Panics
    /// When the system gives no event loop.
    pub fn run(self, leash: Arc<Leash>) {
        // Naps are microseconds long: the kernel may not stretch them by its usual 50.
        let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
        let runtime = event_loop().expect("the system has an event loop");
        let tasks = LocalSet::new();
        let inbox = Rc::new(RefCell::new(self.inbox));
        let mut shells = Vec::new();
        for one in self.markets {
            let shell = OrderShell::new(OrderConnection {
                session: one.session,
                url: one.ws_api_url,
                dialer: self.dialer.clone(),
                clock: self.clock.clone(),
                instruments: Arc::clone(&self.instruments),
                inbox: Rc::clone(&inbox),
                stream: one.orders,
                latency: one.latency,
            });
            tasks.spawn_local(keep(Rc::clone(&shell)));
            shells.push((one.market, shell));
            let feed = Rc::new(RefCell::new(PrivateFeed::default()));
            for (number, (session, cells)) in one.users.into_iter().enumerate() {
                let rest = RestClient::new(self.dialer.clone(), &one.rest_url, &self.api_key);
                let user = UserShell {
                    number,
                    feed: Rc::clone(&feed),
                    rests: false,
                    session,
                    rest: Rc::new(rest.expect("the same URL was used at start")),
                    dialer: self.dialer.clone(),
                    instruments: Arc::clone(&self.instruments),
                    inbox: Rc::clone(&inbox),
                    cells,
                };
                tasks.spawn_local(user.run());
            }
        }
        let pump = pump(
            shells,
            self.ring,
            self.instruments,
            self.ways,
            self.nap,
            leash,
        );
        runtime.block_on(tasks.run_until(pump));
    }
}

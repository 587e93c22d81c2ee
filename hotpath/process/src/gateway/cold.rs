//! The cold path of one market: time, snapshots, reconciliation over REST.
//!
//! In: wishes of the engine, replies. Out: snapshots, reconciliations for the engine, the
//! exchange's time for everybody. Never: anything that an order waits for.

use super::inbox::Inbox;
use super::orders_over_rest::{self, OrdersOverRestShell};
use super::rest::{Response, RestClient, remaining};
use crate::clock;
use crate::kill::shell::{Done, EmergencyShell};
use crate::protection::shell::{self as protection, ProtectionShell};
use crate::server_clock::ServerClock;
use crate::telemetry::Telemetry;
use binance::orders::ErrorClass;
use binance::rest::parse_failure;
use binance::session::{
    AccountSetup, Governor, HttpRequest, Income, IncomeEvents, ListingEvents, Listings, Now,
    ReconcileEvents, Reconciler, ServerTime, SetupEvents, SnapshotEvents, SnapshotQueue, earliest,
};
use engine::Input;
use engine::event::{SnapshotBegin, SnapshotLevels};
use ipc::{Counter, RegisterError};
use market::{
    AlgoOrderReport, BalanceReport, CancelOrder, ElsewhereReport, IncomeReport, Instrument,
    InstrumentId, Instruments, Level, LiquidationReport, ListingReport, MarginReport, Market,
    MonoNs, OpenOrderReport, PositionReport, SetupReport, Side, TradeReport, TradesWanted,
    UpdateId, VenueReport,
};
use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

type Call = Pin<Box<dyn Future<Output = Option<Response>>>>;

/// Cells of one market's REST.
pub struct RestCells {
    used_weight: Counter,
    banned: Counter,
    responses: Vec<(&'static str, [Counter; 6])>,
    reconciled: Counter,
    reconcile_failed: Counter,
    snapshots: Counter,
    nonsense: Counter,
}

const STATUSES: [&str; 6] = ["2xx", "4xx", "418", "429", "5xx", "none"];

const ENDPOINTS: [&str; 24] = [
    "/fapi/v1/order",
    "/fapi/v1/algoOrder",
    "/fapi/v1/allOpenOrders",
    "/fapi/v1/openAlgoOrders",
    "/fapi/v1/algoOpenOrders",
    "/fapi/v1/countdownCancelAll",
    "/fapi/v1/time",
    "/fapi/v1/exchangeInfo",
    "/fapi/v1/income",
    "/fapi/v1/depth",
    "/fapi/v1/openOrders",
    "/fapi/v3/positionRisk",
    "/fapi/v3/balance",
    "/fapi/v1/userTrades",
    "/fapi/v1/positionSide/dual",
    "/fapi/v1/symbolConfig",
    "/fapi/v1/marginType",
    "/fapi/v1/leverage",
    "/api/v3/order",
    "/api/v3/myTrades",
    "/api/v3/time",
    "/api/v3/exchangeInfo",
    "/api/v3/depth",
    "/api/v3/openOrders",
];

impl RestCells {
    /// Registers them.
    ///
    /// # Errors
    /// [`RegisterError`].
    pub fn new(telemetry: Telemetry<'_>, market: Market) -> Result<Self, RegisterError> {
        let base = match market {
            Market::UsdM => "/fapi/",
            Market::Spot => "/api/",
        };
        let mut responses = Vec::new();
        for endpoint in ENDPOINTS.into_iter().filter(|one| one.starts_with(base)) {
            let cell = |status: &str| {
                telemetry.counter(&format!(
                    "api_responses_total{{market=\"{market}\",endpoint=\"{endpoint}\",\
                     status=\"{status}\"}}"
                ))
            };
            let [a, b, c, d, e, f] = STATUSES;
            let cells = [cell(a)?, cell(b)?, cell(c)?, cell(d)?, cell(e)?, cell(f)?];
            responses.push((endpoint, cells));
        }
        let market_cell = |family: &str, more: &str| {
            telemetry.counter(&format!("{family}{{market=\"{market}\"{more}}}"))
        };
        Ok(Self {
            used_weight: market_cell("api_used_weight", ",interval=\"1m\"")?,
            banned: market_cell("api_banned_until_timestamp_seconds", "")?,
            responses,
            reconciled: market_cell("reconcile_runs_total", ",result=\"ok\"")?,
            reconcile_failed: market_cell("reconcile_runs_total", ",result=\"failed\"")?,
            snapshots: market_cell("book_snapshots_total", "")?,
            nonsense: market_cell("api_nonsense_total", "")?,
        })
    }

    fn reply(&self, endpoint: &str, status: Option<u16>) {
        let class = match status {
            Some(200..300) => 0,
            Some(418) => 2,
            Some(429) => 3,
            Some(500..) => 4,
            Some(_) => 1,
            None => 5,
        };
        if let Some((_, cells)) = self.responses.iter().find(|(one, _)| *one == endpoint) {
            cells[class].add(1);
        }
    }
}

/// The cold machines of one market and their calls under way.
pub struct ColdShell {
    /// Its time; the first market's offset counts for all.
    pub time: ServerTime,
    /// Its snapshots.
    pub snapshots: SnapshotQueue,
    /// Its reconciliation.
    pub reconciler: Reconciler,
    /// How its account is set up.
    pub setup: AccountSetup,
    /// How its instruments are listed.
    pub listings: Listings,
    /// What moved its wallet; none on spot, which has no such list.
    pub income: Option<Income>,
    /// Its weight.
    pub governor: Governor,
    /// Its kill, its countdowns.
    pub emergency: EmergencyShell,
    /// Its cancels and queries while the order connection is away.
    pub orders: OrdersOverRestShell,
    /// Its protective stops; none for spot, or where they are switched off.
    pub protection: Option<ProtectionShell>,
    /// Its REST.
    pub rest: Rc<RestClient>,
    /// The table.
    pub instruments: Arc<[Instrument]>,
    /// The cold ring.
    pub inbox: Rc<RefCell<Inbox>>,
    /// The exchange's time.
    pub clock: ServerClock,
    /// Cells.
    pub cells: RestCells,
    /// Wakes the shell after a wish.
    pub wake: Rc<Notify>,
    /// What the engine wants, since the last look.
    pub wishes: Rc<RefCell<Vec<Wish>>>,
    /// What the engine was told of the exchange last.
    pub venue: VenueReport,
}

/// What the engine asks of the cold path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// A snapshot of a book.
    Snapshot(InstrumentId),
    /// The state of the account.
    Reconcile,
    /// The exchange's time, anew.
    Time,
    /// Trades with the next state of the account.
    Trades(TradesWanted),
    /// How the account is set up, anew.
    Setup,
    /// An order cancelled.
    Cancel(CancelOrder),
    /// What became of an order.
    Query(CancelOrder),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    Time,
    Snapshot,
    Reconcile,
    Setup,
    Listings,
    Income,
}

/// A call that has ended.
enum Ended {
    Cold(Owner, &'static str, Option<Response>),
    Emergency(Done),
    Orders(orders_over_rest::Done),
    Protection(protection::Done),
}

#[derive(Default)]
struct Calls {
    time: Option<(&'static str, Call)>,
    snapshot: Option<(&'static str, Call)>,
    reconcile: Option<(&'static str, Call)>,
    setup: Option<(&'static str, Call)>,
    listings: Option<(&'static str, Call)>,
    income: Option<(&'static str, Call)>,
}

impl ColdShell {
    /// Runs until its thread ends.
    pub async fn run(mut self) {
        let mut calls = Calls::default();
        loop {
            self.take_wishes();
            self.poll(&mut calls);
            let Some(ended) = self.wait(&mut calls).await else {
                continue;
            };
            match ended {
                Ended::Cold(owner, endpoint, response) => {
                    self.note(endpoint, response.as_ref());
                    self.reply(owner, response.as_ref());
                }
                Ended::Emergency((owner, endpoint, response)) => {
                    self.note(endpoint, response.as_ref());
                    let now = clock::monotonic();
                    let mut inbox = self.inbox.borrow_mut();
                    inbox.received = now;
                    self.emergency.reply(owner, response, now, &mut inbox);
                }
                Ended::Orders((number, endpoint, response)) => {
                    self.note(endpoint, response.as_ref());
                    let table = Instruments(&self.instruments);
                    let mut inbox = self.inbox.borrow_mut();
                    let now = clock::monotonic();
                    self.orders
                        .reply(number, response.as_ref(), now, &table, &mut inbox);
                }
                Ended::Protection((number, endpoint, response)) => {
                    self.note(endpoint, response.as_ref());
                    self.protection_reply(number, response.as_ref());
                }
            }
        }
    }

    fn take_wishes(&mut self) {
        let now = clock::monotonic();
        for wish in self.wishes.borrow_mut().drain(..) {
            match wish {
                Wish::Snapshot(instrument) => self.snapshots.want(instrument, now),
                Wish::Reconcile => self.reconciler.want(now),
                Wish::Time => self.time.doubt(now),
                Wish::Trades(wanted) => self.reconciler.want_trades(wanted),
                Wish::Setup => self.setup.want(now),
                Wish::Cancel(order) => {
                    self.orders.cancel(order, now, &mut self.inbox.borrow_mut());
                }
                Wish::Query(order) => {
                    self.orders.query(order, now, &mut self.inbox.borrow_mut());
                }
            }
        }
    }

    fn poll(&mut self, calls: &mut Calls) {
        let now = self.clock.now();
        // The order connection may have been told of a silence, or one has ended.
        self.tell_venue(self.venue.maintenance, now);
        // First: its cancels wait for no snapshot.
        self.emergency.poll(now, &mut self.governor, &self.rest);
        self.poll_orders(now);
        if let Some(protection) = &mut self.protection {
            protection.poll(now, &mut self.governor, &self.rest);
        }
        let mut inbox = self.inbox.borrow_mut();
        inbox.received = now.mono;
        let mut sink = Sink(&mut inbox, &self.cells);
        if let Some(request) = self.time.poll(now, &mut self.governor) {
            calls.time = Some(start(&self.rest, request));
        }
        let instruments = Instruments(&self.instruments);
        if let Some(request) = self.snapshots.poll(now, &mut self.governor, &instruments) {
            calls.snapshot = Some(start(&self.rest, request));
        }
        if let Some(request) = self.setup.poll(now, &mut self.governor, &instruments) {
            calls.setup = Some(start(&self.rest, request));
        }
        if let Some(request) = self.listings.poll(now, &mut self.governor) {
            calls.listings = Some(start(&self.rest, request));
        }
        // A start knows how the account is set up before it agrees with the exchange.
        if !self.setup.is_settled() {
            return;
        }
        let (governor, reconciler) = (&mut self.governor, &mut self.reconciler);
        if let Some(request) = reconciler.poll(now, governor, &instruments, &mut sink) {
            calls.reconcile = Some(start(&self.rest, request));
        }
        // Last: nothing waits for it.
        let income = self.income.as_mut();
        if let Some(request) = income.and_then(|one| one.poll(now, &mut self.governor)) {
            calls.income = Some(start(&self.rest, request));
        }
    }

    fn poll_orders(&mut self, now: Now) {
        let table = Instruments(&self.instruments);
        let (governor, inbox) = (&mut self.governor, &mut self.inbox.borrow_mut());
        self.orders.poll(now, governor, &self.rest, &table, inbox);
    }

    async fn wait(&mut self, calls: &mut Calls) -> Option<Ended> {
        let deadlines = [
            self.time.next_deadline(),
            self.snapshots.next_deadline(),
            self.reconciler
                .next_deadline()
                .filter(|_| self.setup.is_settled()),
            self.setup.next_deadline(),
            self.listings.next_deadline(),
            self.income
                .as_ref()
                .and_then(Income::next_deadline)
                .filter(|_| self.setup.is_settled()),
            self.emergency.next_deadline(),
            self.orders.next_deadline(),
            self.protection
                .as_ref()
                .and_then(ProtectionShell::next_deadline),
        ];
        let deadline = deadlines.into_iter().fold(None, earliest);
        let patience = deadline.map_or(Duration::from_secs(1), remaining);
        tokio::select! {
            (endpoint, response) = finish(&mut calls.time) => {
                Some(Ended::Cold(Owner::Time, endpoint, response))
            }
            (endpoint, response) = finish(&mut calls.snapshot) => {
                Some(Ended::Cold(Owner::Snapshot, endpoint, response))
            }
            (endpoint, response) = finish(&mut calls.reconcile) => {
                Some(Ended::Cold(Owner::Reconcile, endpoint, response))
            }
            (endpoint, response) = finish(&mut calls.setup) => {
                Some(Ended::Cold(Owner::Setup, endpoint, response))
            }
            (endpoint, response) = finish(&mut calls.listings) => {
                Some(Ended::Cold(Owner::Listings, endpoint, response))
            }
            (endpoint, response) = finish(&mut calls.income) => {
                Some(Ended::Cold(Owner::Income, endpoint, response))
            }
            done = self.emergency.done() => Some(Ended::Emergency(done)),
            done = self.orders.done() => Some(Ended::Orders(done)),
            done = protected(&mut self.protection) => Some(Ended::Protection(done)),
            () = self.wake.notified() => None,
            () = tokio::time::sleep(patience) => None,
        }
    }

    fn protection_reply(&mut self, number: u64, response: Option<&Response>) {
        let now = clock::monotonic();
        let mut inbox = self.inbox.borrow_mut();
        inbox.received = now;
        if let Some(protection) = &mut self.protection {
            protection.reply(number, response, now, &mut inbox);
        }
    }

    /// What every reply says of limits and of our clock.
    fn note(&mut self, endpoint: &'static str, response: Option<&Response>) {
        self.cells.reply(endpoint, response.map(|one| one.status));
        let now = self.clock.now();
        let Some(reply) = response.map(Response::as_reply) else {
            return;
        };
        self.governor.on_reply(&reply, now);
        self.cells.used_weight.set(u64::from(self.governor.used()));
        if reply.status != 200 && parse_failure(reply.status, reply.body).class == ErrorClass::Clock
        {
            self.clock.refuse();
        }
    }

    fn reply(&mut self, owner: Owner, response: Option<&Response>) {
        let now = self.clock.now();
        let outcome = response.map(Response::as_reply);
        if let Some(reply) = &outcome {
            // The time is asked for again every second until it is answered, so that maintenance
            // ends by itself.
            let maintenance = match reply.status {
                503 => true,
                200 => false,
                _ => self.venue.maintenance,
            };
            self.tell_venue(maintenance, now);
        }
        let mut inbox = self.inbox.borrow_mut();
        inbox.received = now.mono;
        let mut sink = Sink(&mut inbox, &self.cells);
        let instruments = Instruments(&self.instruments);
        match owner {
            Owner::Time => {
                self.time.on_reply(outcome, now.mono);
                if let Some(offset_ns) = self.time.offset_ns() {
                    self.clock.set_offset(offset_ns);
                }
                let nonsense = self.time.nonsense() + self.governor.nonsense();
                self.cells.nonsense.set(nonsense);
            }
            Owner::Snapshot => {
                self.snapshots
                    .on_reply(outcome, now.mono, &instruments, &mut sink);
            }
            Owner::Setup => {
                self.setup
                    .on_reply(outcome, now.mono, &instruments, &mut sink);
            }
            Owner::Listings => {
                self.listings
                    .on_reply(outcome, now.mono, &instruments, &mut sink);
            }
            Owner::Income => {
                if let Some(income) = &mut self.income {
                    income.on_reply(outcome, now.mono, &mut sink);
                }
            }
            Owner::Reconcile => {
                self.reconciler
                    .on_reply(outcome, now.mono, &instruments, &mut sink);
            }
        }
    }
}

impl ColdShell {
    /// Tells the engine, and whoever looks at the cells, whether the exchange takes requests: what
    /// replies say, here or on the order connection.
    fn tell_venue(&mut self, maintenance: bool, now: Now) {
        let until = self.governor.blocked_until(now.mono);
        let banned_until = self.governor.banned_until(now.mono);
        let venue = VenueReport {
            silent_until: until.unwrap_or(MonoNs(0)),
            banned_until: banned_until.unwrap_or(MonoNs(0)),
            maintenance,
            ..self.venue
        };
        if venue == self.venue {
            return;
        }
        self.venue = venue;
        let banned = until.map_or(0, |until| {
            (now.server.0.unsigned_abs() + until.since(now.mono) / 1_000_000) / 1_000
        });
        self.cells.banned.set(banned);
        let mut inbox = self.inbox.borrow_mut();
        inbox.received = now.mono;
        inbox.deliver(Input::Venue(venue));
    }
}

fn start(rest: &Rc<RestClient>, request: HttpRequest) -> (&'static str, Call) {
    let rest = Rc::clone(rest);
    let endpoint = request.call.path;
    (endpoint, Box::pin(async move { rest.send(&request).await }))
}

/// Waits for a call, forever when there is none, and forgets it.
async fn finish(slot: &mut Option<(&'static str, Call)>) -> (&'static str, Option<Response>) {
    match slot {
        Some((endpoint, call)) => {
            let endpoint = *endpoint;
            let response = call.await;
            *slot = None;
            (endpoint, response)
        }
        None => std::future::pending().await,
    }
}

/// Waits for a call about a protective stop, forever where there is no such thing.
async fn protected(shell: &mut Option<ProtectionShell>) -> protection::Done {
    match shell {
        Some(shell) => shell.done().await,
        None => std::future::pending().await,
    }
}

/// Puts snapshots and reconciliations into the ring.
struct Sink<'a>(&'a mut Inbox, &'a RestCells);

impl SnapshotEvents for Sink<'_> {
    fn begin(&mut self, instrument: InstrumentId, last_update_id: UpdateId, complete: bool) {
        self.1.snapshots.add(1);
        self.0.deliver(Input::SnapshotBegin(SnapshotBegin {
            instrument,
            last_update_id,
            complete,
        }));
    }

    fn levels(&mut self, instrument: InstrumentId, side: Side, levels: &[Level]) {
        self.0.deliver(Input::SnapshotLevels(SnapshotLevels {
            instrument,
            side,
            levels,
        }));
    }

    fn end(&mut self, instrument: InstrumentId) {
        self.0.deliver(Input::SnapshotEnd(instrument));
    }
}

impl SetupEvents for Sink<'_> {
    fn setup(&mut self, report: SetupReport) {
        self.0.deliver(Input::Setup(report));
    }

    fn told(&mut self, text: String) {
        tracing::warn!("{text}");
    }
}

impl ListingEvents for Sink<'_> {
    fn listing(&mut self, report: ListingReport) {
        self.0.deliver(Input::Listing(report));
    }

    fn failed(&mut self, why: String) {
        tracing::warn!(
            why,
            "the list of instruments could not be read, it will be tried again"
        );
    }
}

impl IncomeEvents for Sink<'_> {
    fn income(&mut self, report: IncomeReport) {
        self.0.deliver(Input::Income(report));
    }

    fn income_failed(&mut self, why: String) {
        tracing::warn!(why, "the income could not be read, it will be tried again");
    }
}

impl ReconcileEvents for Sink<'_> {
    fn begin(&mut self) {
        self.0.deliver(Input::ReconcileBegin);
    }

    fn trade(&mut self, trade: TradeReport) {
        self.0.deliver(Input::ListedTrade(trade));
    }

    fn trades_listed(&mut self, instrument: InstrumentId) {
        self.0.deliver(Input::TradesListed(instrument));
    }

    fn algo_order(&mut self, order: AlgoOrderReport) {
        self.0.deliver(Input::AlgoOrder(order));
    }

    fn elsewhere(&mut self, report: ElsewhereReport) {
        self.0.deliver(Input::Elsewhere(report));
    }

    fn incomplete(&mut self, why: String) {
        tracing::warn!(
            why,
            "a part of the reconciliation is missing, it will be tried again"
        );
    }

    fn open_order(&mut self, order: OpenOrderReport) {
        self.0.deliver(Input::OpenOrder(order));
    }

    fn position(&mut self, position: PositionReport) {
        self.0.deliver(Input::Position(position));
    }

    fn balance(&mut self, balance: BalanceReport) {
        self.0.deliver(Input::Balance(balance));
    }

    fn margin(&mut self, margin: MarginReport) {
        self.0.deliver(Input::Margin(margin));
    }

    fn liquidation(&mut self, liquidation: LiquidationReport) {
        self.0.deliver(Input::Liquidation(liquidation));
    }

    fn end(&mut self) {
        self.1.reconciled.add(1);
        self.0.deliver(Input::ReconcileEnd);
    }

    fn failed(&mut self, why: String) {
        self.1.reconcile_failed.add(1);
        tracing::warn!(why, "reconciliation failed, it will be tried again");
    }
}

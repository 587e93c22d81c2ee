//! Cold work of one market: kill and countdown, time, snapshots, reconciliation.
//!
//! In: wishes of the engine, answers. Out: calls, inputs for the engine. Never: an answer to a
//! call that was given up.

use binance::orders::ErrorClass;
use binance::rest::parse_failure;
use binance::session::{
    AccountSetup, Governor, HttpReply, Income, IncomeEvents, Now, OrdersOverRest, ReconcileEvents,
    Reconciler, ServerTime, SetupEvents, SnapshotEvents, SnapshotQueue, earliest,
};
use engine::Input;
use engine::event::SnapshotBegin;
use hotpath::server_clock::ServerClock;
use ipc::Segment;
use market::account::{LiquidationReport, MarginReport};
use market::{
    AlgoOrderReport, BalanceReport, ElsewhereReport, IncomeReport, Instrument, InstrumentId,
    Instruments, Level, Market, MonoNs, OpenOrderReport, PositionReport, SetupReport, Side,
    TradeReport, UpdateId, VenueReport,
};

use crate::emergency::Emergency;
use crate::network::{Owner, RestCall, RestReply};
use crate::protection::Protection;

/// What the engine is to be told.
#[derive(Clone, Debug)]
pub enum ColdEvent {
    /// An input.
    Input(Input<'static>),
    /// A run of levels.
    Levels(InstrumentId, Side, Vec<Level>),
}

/// The machines of one market.
pub struct Cold {
    /// Which.
    pub market: Market,
    /// Its time.
    pub time: ServerTime,
    /// Its snapshots.
    pub snapshots: SnapshotQueue,
    /// Its reconciliation.
    pub reconciler: Reconciler,
    /// How its account is set up.
    pub setup: AccountSetup,
    /// What moved its wallet; none for spot.
    pub income: Option<Income>,
    /// Its weight.
    pub governor: Governor,
    /// Its kill, its countdowns.
    pub emergency: Emergency,
    /// Its cancels and queries while the order connection is away.
    pub orders: OrdersOverRest,
    /// Its protective stops; none for spot, and in seeds without them.
    pub protection: Option<Protection>,
    /// What the engine was told of the exchange last.
    pub venue: VenueReport,
    /// The table.
    pub instruments: Vec<Instrument>,
    /// Calls that were made.
    pub numbers: u64,
}

/// As the session machines want it.
#[must_use]
pub fn as_reply(reply: &RestReply) -> HttpReply<'_> {
    HttpReply {
        status: reply.status,
        retry_after_s: reply.retry_after_s,
        used_weight: reply.used_weight,
        body: &reply.body,
    }
}

impl Cold {
    /// When `poll` may have something to say.
    #[must_use]
    pub fn next_deadline(&self) -> Option<MonoNs> {
        let deadlines = [
            self.time.next_deadline(),
            self.snapshots.next_deadline(),
            self.setup.next_deadline(),
            self.income.as_ref().and_then(Income::next_deadline),
            self.reconciler
                .next_deadline()
                .filter(|_| self.setup.is_settled()),
            self.emergency.next_deadline(),
            self.orders.next_deadline(),
            self.protection.as_ref().and_then(Protection::next_deadline),
        ];
        deadlines.into_iter().fold(None, earliest)
    }

    /// Calls that are due: those of a kill first, its cancels wait for no snapshot.
    pub fn poll(
        &mut self,
        now: Now,
        (life, segment): (u32, &Segment),
        instruments: &Instruments<'_>,
        events: &mut Vec<ColdEvent>,
        calls: &mut Vec<RestCall>,
    ) {
        let governor = &mut self.governor;
        let mut asked = self.emergency.poll(now, segment, governor);
        let mut verdict = |reply| events.push(ColdEvent::Input(Input::OrderReply(reply)));
        let orders = &mut self.orders;
        while let Some((number, request)) = orders.poll(now, governor, instruments, &mut verdict) {
            asked.push((Owner::Order(number), request));
        }
        if let Some(protection) = &mut self.protection {
            asked.extend(protection.poll(now, segment, governor));
        }
        let time = self.time.poll(now, governor);
        let snapshot = self.snapshots.poll(now, governor, instruments);
        let setup = self.setup.poll(now, governor, instruments);
        // As the shell does: a start knows how the account is set up before it agrees.
        let account = if self.setup.is_settled() {
            let told = &mut Told(events);
            self.reconciler.poll(now, governor, instruments, told)
        } else {
            None
        };
        let income = self.income.as_mut();
        let income = income.and_then(|one| one.poll(now, governor));
        asked.extend(income.map(|request| (Owner::Income, request)));
        asked.extend(setup.map(|request| (Owner::Setup, request)));
        asked.extend(time.map(|request| (Owner::Time, request)));
        asked.extend(snapshot.map(|request| (Owner::Snapshot, request)));
        asked.extend(account.map(|request| (Owner::Reconcile, request)));
        for (owner, request) in asked {
            self.numbers += 1;
            calls.push(RestCall {
                market: self.market,
                owner,
                number: self.numbers,
                life,
                request,
            });
        }
    }

    /// An answer, or that there is none.
    pub fn reply(
        &mut self,
        call: &RestCall,
        reply: Option<&RestReply>,
        now: Now,
        clock: &ServerClock,
        events: &mut Vec<ColdEvent>,
    ) {
        let outcome = reply.map(as_reply);
        if let Some(reply) = &outcome {
            self.governor.on_reply(reply, now);
            if reply.status != 200
                && parse_failure(reply.status, reply.body).class == ErrorClass::Clock
            {
                clock.refuse();
            }
            if matches!(call.owner, Owner::Time | Owner::Snapshot | Owner::Reconcile) {
                self.tell_venue(reply, now.mono, events);
            }
        }
        let instruments = Instruments(&self.instruments);
        let mut told = Told(events);
        match call.owner {
            Owner::Time => {
                self.time.on_reply(outcome, now.mono);
                if let Some(offset_ns) = self.time.offset_ns() {
                    clock.set_offset(offset_ns);
                }
            }
            Owner::Snapshot => {
                self.snapshots
                    .on_reply(outcome, now.mono, &instruments, &mut told);
            }
            Owner::Reconcile => {
                self.reconciler
                    .on_reply(outcome, now.mono, &instruments, &mut told);
            }
            Owner::Setup => {
                self.setup
                    .on_reply(outcome, now.mono, &instruments, &mut told);
            }
            Owner::Income => {
                if let Some(income) = &mut self.income {
                    income.on_reply(outcome, now.mono, &mut told);
                }
            }
            Owner::Sweep(number) => {
                self.emergency
                    .swept(number, outcome, now.mono, clock, told.0);
            }
            Owner::Deadman(place) => self.emergency.counted(place, outcome, now.mono),
            Owner::Order(number) => {
                let verdict = self.orders.on_reply(number, outcome, &instruments);
                if let Some(reply) = verdict {
                    told.input(Input::OrderReply(reply));
                }
            }
            Owner::Protect(number) => {
                if let Some(protection) = &mut self.protection {
                    protection.replied(number, outcome, now.mono, clock, told.0);
                }
            }
            Owner::Key => {}
        }
    }

    /// What the engine is to know of the exchange after a reply, as the product's shell tells it.
    fn tell_venue(&mut self, reply: &HttpReply<'_>, now: MonoNs, events: &mut Vec<ColdEvent>) {
        let blocked = self.governor.blocked_until(now).unwrap_or(MonoNs(0));
        let banned = self.governor.banned_until(now).unwrap_or(MonoNs(0));
        let venue = VenueReport {
            silent_until: blocked,
            banned_until: banned,
            maintenance: match reply.status {
                503 => true,
                200 => false,
                _ => self.venue.maintenance,
            },
            ..self.venue
        };
        if venue != self.venue {
            self.venue = venue;
            events.push(ColdEvent::Input(Input::Venue(venue)));
        }
    }
}

struct Told<'a>(&'a mut Vec<ColdEvent>);

impl Told<'_> {
    fn input(&mut self, input: Input<'static>) {
        self.0.push(ColdEvent::Input(input));
    }
}

impl SnapshotEvents for Told<'_> {
    fn begin(&mut self, instrument: InstrumentId, last_update_id: UpdateId, complete: bool) {
        self.input(Input::SnapshotBegin(SnapshotBegin {
            instrument,
            last_update_id,
            complete,
        }));
    }

    fn levels(&mut self, instrument: InstrumentId, side: Side, levels: &[Level]) {
        let levels = ColdEvent::Levels(instrument, side, levels.to_vec());
        self.0.push(levels);
    }

    fn end(&mut self, instrument: InstrumentId) {
        self.input(Input::SnapshotEnd(instrument));
    }
}

impl SetupEvents for Told<'_> {
    fn setup(&mut self, report: SetupReport) {
        self.input(Input::Setup(report));
    }

    fn told(&mut self, _: String) {}
}

impl IncomeEvents for Told<'_> {
    fn income(&mut self, report: IncomeReport) {
        self.input(Input::Income(report));
    }

    fn income_failed(&mut self, _: String) {}
}

impl ReconcileEvents for Told<'_> {
    fn begin(&mut self) {
        self.input(Input::ReconcileBegin);
    }

    fn trade(&mut self, trade: TradeReport) {
        self.input(Input::ListedTrade(trade));
    }

    fn trades_listed(&mut self, instrument: InstrumentId) {
        self.input(Input::TradesListed(instrument));
    }

    fn algo_order(&mut self, order: AlgoOrderReport) {
        self.input(Input::AlgoOrder(order));
    }

    fn elsewhere(&mut self, report: ElsewhereReport) {
        self.input(Input::Elsewhere(report));
    }

    fn open_order(&mut self, order: OpenOrderReport) {
        self.input(Input::OpenOrder(order));
    }

    fn position(&mut self, position: PositionReport) {
        self.input(Input::Position(position));
    }

    fn balance(&mut self, balance: BalanceReport) {
        self.input(Input::Balance(balance));
    }

    fn margin(&mut self, margin: MarginReport) {
        self.input(Input::Margin(margin));
    }

    fn liquidation(&mut self, liquidation: LiquidationReport) {
        self.input(Input::Liquidation(liquidation));
    }

    fn end(&mut self) {
        self.input(Input::ReconcileEnd);
    }

    fn failed(&mut self, _: String) {}
}

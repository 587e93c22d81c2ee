//! Drives the machine that keeps a stop at the exchange for each position.
//!
//! In: the pages of the account and its instruments, replies. Out: calls under way, steps that go
//! through the engine into the journal, gauges. Never: anything that an order waits for.

use crate::gateway::inbox::Inbox;
use crate::gateway::rest::{Response, RestClient};
use crate::kill::keeper::account_page;
use crate::kill::shell::read_page;
use crate::server_clock::ServerClock;
use binance::session::{
    Governor, Holding, HttpRequest, Now, ProtectEvents, Protector, SECOND_NS, earliest,
};
use engine::Input;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use ipc::{Counter, Segment};
use market::page::{AccountPage, InstrumentPage, PAGE_BYTES_MAX};
use market::record::{ProtectionAct, ProtectionStep};
use market::{MonoNs, Price, Side, TradingState};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

/// Between two looks at the positions.
const LOOK_NS: u64 = 250_000_000;

/// A call that has ended: its number, endpoint and reply.
pub type Done = (u64, &'static str, Option<Response>);

type Call = Pin<Box<dyn Future<Output = Done>>>;

/// What is counted.
pub struct ProtectionCells {
    /// Positions that nothing at the exchange would close.
    pub bare: Counter,
    /// For how long the oldest of them, in seconds.
    pub bare_s: Counter,
    /// Steps, by act.
    pub steps: Vec<Counter>,
}

/// The machine of the futures and its calls.
pub struct ProtectionShell {
    /// Decides.
    pub machine: Protector,
    /// Numbers of the instruments' pages, in the machine's order.
    pub pages: Vec<usize>,
    /// For the pages.
    pub segment: Arc<Segment>,
    /// The exchange's time.
    pub clock: ServerClock,
    /// Calls under way.
    pub calls: FuturesUnordered<Call>,
    /// When the pages are looked at next.
    pub look_at: MonoNs,
    /// Figures.
    pub cells: ProtectionCells,
}

impl ProtectionShell {
    /// Looks at the positions and starts the calls that are due.
    pub fn poll(&mut self, now: Now, governor: &mut Governor, client: &Rc<RestClient>) {
        if self.look_at <= now.mono {
            self.look_at = now.mono.after(LOOK_NS);
            self.look(now.mono);
        }
        while let Some((number, request)) = self.machine.poll(now, governor) {
            self.start(client, number, request);
        }
    }

    /// The next call that has ended; never while there is none.
    pub async fn done(&mut self) -> Done {
        match self.calls.next().await {
            Some(done) => done,
            None => std::future::pending().await,
        }
    }

    /// When `poll` may have something to do.
    #[must_use]
    pub fn next_deadline(&self) -> Option<MonoNs> {
        earliest(self.machine.next_deadline(), Some(self.look_at))
    }

    /// Hands a reply to the machine.
    pub fn reply(
        &mut self,
        number: u64,
        response: Option<&Response>,
        now: MonoNs,
        inbox: &mut Inbox,
    ) {
        let outcome = response.map(Response::as_reply);
        let mut notes = Notes(inbox, &self.clock, &self.cells);
        self.machine.on_reply(number, outcome, now, &mut notes);
        self.show(now);
    }

    fn start(&mut self, client: &Rc<RestClient>, number: u64, request: HttpRequest) {
        let client = Rc::clone(client);
        let endpoint = request.call.path;
        self.calls.push(Box::pin(async move {
            let response = client.send(&request).await;
            (number, endpoint, response)
        }));
    }

    fn look(&mut self, now: MonoNs) {
        let account = account_page(&self.segment);
        let killed = self.segment.kill_latched();
        let ready = !killed && account.is_some_and(|page| is_known(&page));
        self.machine.set_ready(ready, now);
        let mut bytes = [0; PAGE_BYTES_MAX];
        for (place, page) in self.pages.iter().enumerate() {
            let page = read_page(&self.segment, *page, &mut bytes);
            let held = page.as_ref().and_then(holding);
            self.machine.set_holding(place, held, now);
        }
        self.show(now);
    }

    fn show(&self, now: MonoNs) {
        let exposure = self.machine.exposure(now);
        self.cells.bare.set(u64::from(exposure.positions));
        self.cells.bare_s.set(exposure.longest_ns / SECOND_NS);
    }
}

/// True while positions are known and no kill is at the stops.
#[must_use]
pub fn is_known(page: &AccountPage) -> bool {
    page.reconciled && page.trading_state != TradingState::Killed
}

/// What a page says is held.
#[must_use]
pub fn holding(page: &InstrumentPage) -> Option<Holding> {
    let lots = i128::from(page.position.0);
    if lots == 0 {
        return None;
    }
    let entry = i64::try_from(page.cost_tick_lots / lots).ok()?;
    let mid = match (page.bid.price, page.ask.price) {
        (Price(bid), Price(ask)) if bid > 0 && ask > 0 => Price(bid.midpoint(ask)),
        _ => Price(0),
    };
    Some(Holding {
        closing: if lots > 0 { Side::Sell } else { Side::Buy },
        entry: Price(entry),
        mark: if page.mark.0 > 0 { page.mark } else { mid },
    })
}

/// Steps go through the engine into the journal and onto the page.
struct Notes<'a>(&'a mut Inbox, &'a ServerClock, &'a ProtectionCells);

impl ProtectEvents for Notes<'_> {
    fn step(&mut self, step: ProtectionStep) {
        let (act, symbol, side) = (step.act, step.symbol, step.side);
        let (id, error_code) = (step.client_algo_id, step.error_code);
        let trigger_ticks = step.trigger_price.0;
        tracing::info!(%act, %symbol, %side, trigger_ticks, %id, error_code, "PROTECTIVE_STOP");
        let place = ProtectionAct::ALL.iter().position(|one| *one == act);
        if let Some(cell) = place.and_then(|place| self.2.steps.get(place)) {
            cell.add(1);
        }
        self.0.deliver(Input::Protection(step));
    }

    fn clock_refused(&mut self) {
        self.1.refuse();
    }
}

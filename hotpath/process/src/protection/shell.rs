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
use market::page::{InstrumentPage, PAGE_BYTES_MAX};
use market::record::{ProtectionAct, ProtectionStep};
use market::{MonoNs, Price, Side, StateReason, TradingState};
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
    /// Where it looks.
    pub watch: Watch,
    /// For the pages.
    pub segment: Arc<Segment>,
    /// The exchange's time.
    pub clock: ServerClock,
    /// Calls under way.
    pub calls: FuturesUnordered<Call>,
    /// Figures.
    pub cells: ProtectionCells,
}

/// Shows the machine what the pages say.
#[derive(Clone, Debug)]
pub struct Watch {
    /// Numbers of the instruments' pages, in the machine's order.
    pages: Vec<usize>,
    /// When they are looked at next.
    look_at: MonoNs,
    /// Positions have been compared with the exchange's since the last kill.
    compared: bool,
}

impl Watch {
    /// Looks at these pages, in the order of the machine's instruments.
    #[must_use]
    pub const fn new(pages: Vec<usize>) -> Self {
        Self {
            pages,
            look_at: MonoNs(0),
            compared: false,
        }
    }

    /// When the pages are looked at next.
    #[must_use]
    pub const fn next_deadline(&self) -> MonoNs {
        self.look_at
    }

    /// Looks when it is time. True when it did.
    pub fn look(&mut self, machine: &mut Protector, segment: &Segment, now: MonoNs) -> bool {
        let killed = segment.kill_latched();
        if killed {
            // At once: whatever is placed now would be left behind by the sweep.
            machine.set_ready(false, now);
        }
        if self.look_at > now {
            return false;
        }
        self.look_at = now.after(LOOK_NS);
        let mut settled = true;
        let mut bytes = [0; PAGE_BYTES_MAX];
        for (place, page) in self.pages.iter().enumerate() {
            // A page that cannot be read says nothing of its position.
            let page = read_page(segment, *page, &mut bytes);
            settled &= page.is_some_and(|page: InstrumentPage| page.reconciled);
            if let Some(page) = page {
                machine.set_holding(place, holding(&page), now);
            }
        }
        let account = account_page(segment);
        let others = account.is_some_and(|page| {
            page.trading_state == TradingState::Killed || page.reason == StateReason::SecondInstance
        });
        self.compared |= settled;
        // Who clears a kill compares first.
        self.compared &= !killed && !others;
        machine.set_settled(settled);
        machine.set_ready(self.compared && account.is_some(), now);
        true
    }
}

impl ProtectionShell {
    /// Looks at the positions and starts the calls that are due.
    pub fn poll(&mut self, now: Now, governor: &mut Governor, client: &Rc<RestClient>) {
        if self.watch.look(&mut self.machine, &self.segment, now.mono) {
            self.show(now.mono);
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
        let look = self.watch.next_deadline();
        earliest(self.machine.next_deadline(), Some(look))
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

    fn show(&self, now: MonoNs) {
        let exposure = self.machine.exposure(now);
        self.cells.bare.set(u64::from(exposure.positions));
        self.cells.bare_s.set(exposure.longest_ns / SECOND_NS);
    }
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
        part: (!page.opening.is_zero()).then(|| page.position.magnitude()),
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

#[cfg(test)]
mod tests;

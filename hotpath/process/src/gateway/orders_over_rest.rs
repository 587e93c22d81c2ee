//! Drives the machine that cancels and asks over REST while the order connection is away.
//!
//! In: wishes of the engine, replies. Out: calls under way, several at once; one verdict for each
//! wish, to the engine. Never: a call beside its REST client's silences.

use super::inbox::Inbox;
use super::rest::{Response, RestClient};
use crate::telemetry::Telemetry;
use binance::session::{Governor, HttpRequest, NOT_SENT, Now, OrdersOverRest};
use binance::sign::Credentials;
use engine::Input;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use ipc::{Counter, RegisterError};
use market::{CancelOrder, Instruments, Market, MonoNs, OrderReply, RequestKind};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

/// A call that has ended: its number, endpoint and reply.
pub type Done = (u64, &'static str, Option<Response>);

type Call = Pin<Box<dyn Future<Output = Done>>>;

/// What is counted.
struct Cells {
    cancels: Counter,
    queries: Counter,
    /// Wishes that never left: no room, no weight, or silence for too long.
    unsent: Counter,
    /// Wishes without a verdict.
    open: Counter,
}

/// The machine of one market and its calls.
pub struct OrdersOverRestShell {
    machine: OrdersOverRest,
    calls: FuturesUnordered<Call>,
    cells: Cells,
}

impl OrdersOverRestShell {
    /// Nothing to do yet.
    ///
    /// # Errors
    /// [`RegisterError`].
    pub fn new(
        telemetry: Telemetry<'_>,
        market: Market,
        credentials: Credentials,
    ) -> Result<Self, RegisterError> {
        let cell = |name: &str, more: &str| {
            telemetry.counter(&format!("{name}{{market=\"{market}\"{more}}}"))
        };
        Ok(Self {
            machine: OrdersOverRest::new(credentials),
            calls: FuturesUnordered::new(),
            cells: Cells {
                cancels: cell("orders_over_rest_total", ",op=\"cancel\"")?,
                queries: cell("orders_over_rest_total", ",op=\"query\"")?,
                unsent: cell("orders_over_rest_unsent_total", "")?,
                open: cell("orders_over_rest_open", "")?,
            },
        })
    }

    /// The engine wants an order cancelled.
    pub fn cancel(&mut self, order: CancelOrder, now: MonoNs, inbox: &mut Inbox) {
        let full = self.machine.cancel(order, now);
        self.tell(full, now, inbox);
    }

    /// The engine wants to know what became of an order.
    pub fn query(&mut self, order: CancelOrder, now: MonoNs, inbox: &mut Inbox) {
        let full = self.machine.query(order, now);
        self.tell(full, now, inbox);
    }

    /// Starts the calls that are due.
    pub fn poll(
        &mut self,
        now: Now,
        governor: &mut Governor,
        client: &Rc<RestClient>,
        instruments: &Instruments<'_>,
        inbox: &mut Inbox,
    ) {
        let mut told = Vec::new();
        let mut tell = |reply| told.push(reply);
        while let Some((number, request)) = self.machine.poll(now, governor, instruments, &mut tell)
        {
            self.calls.push(call(client, number, request));
        }
        for reply in told {
            self.tell(Some(reply), now.mono, inbox);
        }
        self.cells.open.set(self.machine.open() as u64);
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
        self.machine.next_deadline()
    }

    /// Makes a verdict of a reply.
    pub fn reply(
        &mut self,
        number: u64,
        response: Option<&Response>,
        now: MonoNs,
        instruments: &Instruments<'_>,
        inbox: &mut Inbox,
    ) {
        let outcome = response.map(Response::as_reply);
        let verdict = self.machine.on_reply(number, outcome, instruments);
        self.tell(verdict, now, inbox);
        self.cells.open.set(self.machine.open() as u64);
    }

    fn tell(&self, verdict: Option<OrderReply>, now: MonoNs, inbox: &mut Inbox) {
        let Some(reply) = verdict else {
            return;
        };
        let (request, outcome) = (reply.request, reply.outcome);
        let (id, error_code) = (reply.client_order_id, reply.error_code);
        tracing::warn!(%request, %outcome, %id, error_code, "ORDER_OVER_REST");
        let cell = match request {
            _ if error_code == NOT_SENT => &self.cells.unsent,
            RequestKind::Cancel => &self.cells.cancels,
            _ => &self.cells.queries,
        };
        cell.add(1);
        inbox.received = now;
        inbox.deliver(Input::OrderReply(reply));
    }
}

fn call(client: &Rc<RestClient>, number: u64, request: HttpRequest) -> Call {
    let client = Rc::clone(client);
    let endpoint = request.call.path;
    Box::pin(async move {
        let response = client.send(&request).await;
        (number, endpoint, response)
    })
}

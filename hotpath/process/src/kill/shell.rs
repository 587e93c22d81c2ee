//! Sweep, countdown and questions of one market: their calls over its REST.
//!
//! In: the desk, own order counts, replies. Out: calls under way, several at once. Never: a reply
//! to a machine that did not ask.

use super::desk::{Desk, Question, Wish};
use crate::gateway::inbox::Inbox;
use crate::gateway::rest::{Response, RestClient};
use crate::server_clock::ServerClock;
use binance::orders::Stamp;
use binance::rest;
use binance::session::{
    Deadman, Governor, HttpRequest, Now, SECOND_NS, SweepEvents, Sweeper, earliest,
};
use binance::sign::Credentials;
use engine::Input;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use ipc::{Counter, Segment};
use market::page::{InstrumentPage, PAGE_BYTES_MAX};
use market::record::KillStep;
use market::{MonoNs, Symbol, Wire};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use tokio::sync::oneshot;

/// Between two looks at the order counts.
const LOOK_NS: u64 = 250_000_000;

/// An engine that says nothing for so long hangs.
const FROZEN_NS: u64 = 5 * SECOND_NS;

const QUESTION_NS: u64 = 3 * SECOND_NS;
const WINDOW_MS: u32 = 5_000;

/// Whose call it was.
pub enum Owner {
    /// The sweep's, with the number of the request.
    Sweep(u64),
    /// The countdown's, with the place of the symbol.
    Deadman(usize),
    /// Somebody's question.
    Question(oneshot::Sender<Option<Response>>),
}

/// A call that has ended: whose, which endpoint, its reply.
pub type Done = (Owner, &'static str, Option<Response>);

type Call = Pin<Box<dyn Future<Output = Done>>>;

/// A symbol with its page and the cell of its countdown.
pub struct Watched {
    /// Symbol.
    pub symbol: Symbol,
    /// Number of its page.
    pub page: usize,
    /// End of the countdown, seconds UTC; 0 while it is not armed.
    pub cell: Option<Counter>,
}

/// The emergency machines of one market and their calls.
pub struct EmergencyShell {
    /// What the others want.
    pub desk: Rc<Desk>,
    /// Cancels and closes.
    pub sweeper: Sweeper,
    /// Keeps the exchange's countdown; spot has none.
    pub deadman: Option<Deadman>,
    /// The market's symbols, as the countdown knows them.
    pub watched: Vec<Watched>,
    /// Signs questions.
    pub credentials: Credentials,
    /// For the pages.
    pub segment: Arc<Segment>,
    /// The exchange's time.
    pub clock: ServerClock,
    /// Calls under way.
    pub calls: FuturesUnordered<Call>,
    /// When the order counts are looked at next.
    pub look_at: MonoNs,
}

impl EmergencyShell {
    /// Starts the calls that are due.
    pub fn poll(&mut self, now: Now, governor: &mut Governor, client: &Rc<RestClient>) {
        match self.desk.take_wish() {
            Some(Wish::Sweep { closes }) => {
                let symbols = self.watched.iter().map(|one| one.symbol);
                self.sweeper.start(symbols, closes);
            }
            Some(Wish::Look) => self.sweeper.look_again(),
            None => {}
        }
        while let Some((number, request)) = self.sweeper.poll(now, governor) {
            self.start(client, Owner::Sweep(number), request);
        }
        self.answer_questions(now, governor, client);
        self.watch_orders(now.mono);
        while let Some((place, request)) = self.next_countdown(now, governor) {
            self.start(client, Owner::Deadman(place), request);
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
        let deadman = self.deadman.as_ref();
        let countdown = deadman.and_then(Deadman::next_deadline);
        let look = deadman.map(|_| self.look_at);
        earliest(self.sweeper.next_deadline(), earliest(countdown, look))
    }

    /// Hands a reply to whoever waits for it.
    pub fn reply(
        &mut self,
        owner: Owner,
        response: Option<Response>,
        now: MonoNs,
        inbox: &mut Inbox,
    ) {
        let outcome = response.as_ref().map(Response::as_reply);
        match owner {
            Owner::Sweep(number) => {
                let mut notes = Notes(inbox, &self.clock);
                self.sweeper.on_reply(number, outcome, now, &mut notes);
                self.desk
                    .tell(self.sweeper.is_verified(), self.sweeper.rounds(), now);
            }
            Owner::Deadman(place) => {
                if let Some(deadman) = &mut self.deadman {
                    deadman.on_reply(place, outcome, now);
                }
                self.show_countdown(place, now);
            }
            // Whoever asked may have gone.
            Owner::Question(answer) => drop(answer.send(response)),
        }
    }

    fn start(&mut self, client: &Rc<RestClient>, owner: Owner, request: HttpRequest) {
        let client = Rc::clone(client);
        let endpoint = request.call.path;
        self.calls.push(Box::pin(async move {
            let response = client.send(&request).await;
            (owner, endpoint, response)
        }));
    }

    fn answer_questions(&mut self, now: Now, governor: &mut Governor, client: &Rc<RestClient>) {
        while let Some((question, answer)) = self.desk.take_question() {
            let stamp = Stamp {
                timestamp: now.server,
                recv_window_ms: WINDOW_MS,
            };
            let (market, credentials) = (self.desk.market, &self.credentials);
            let call = match &question {
                Question::OpenOrders => rest::open_orders(market, None, credentials, stamp),
                Question::OpenAlgoOrders => rest::open_algo_orders(credentials, stamp),
                Question::Cancel(symbol, id) => {
                    rest::cancel_named_order(market, symbol, id, credentials, stamp)
                }
            };
            // A question can be asked again; the silence of a ban is not broken for it.
            if governor.admit(call.weight, now).is_err() {
                drop(answer.send(None));
                continue;
            }
            let deadline = now.mono.after(QUESTION_NS);
            self.start(
                client,
                Owner::Question(answer),
                HttpRequest { call, deadline },
            );
        }
    }

    fn watch_orders(&mut self, now: MonoNs) {
        let Some(deadman) = self.deadman.as_mut().filter(|_| self.look_at <= now) else {
            return;
        };
        self.look_at = now.after(LOOK_NS);
        let mut bytes = [0; PAGE_BYTES_MAX];
        for (place, one) in self.watched.iter().enumerate() {
            watch_orders_of(deadman, place, &self.segment, one.page, &mut bytes);
        }
        deadman.set_abandoned(is_frozen(&self.segment, now));
    }

    fn next_countdown(
        &mut self,
        now: Now,
        governor: &mut Governor,
    ) -> Option<(usize, HttpRequest)> {
        self.deadman.as_mut()?.poll(now, governor)
    }

    fn show_countdown(&self, place: usize, now: MonoNs) {
        let ends = self.deadman.as_ref().and_then(|one| one.ends(place));
        let cell = self.watched.get(place).and_then(|one| one.cell.as_ref());
        if let Some(cell) = cell {
            let left_s = |end: MonoNs| end.since(now) / SECOND_NS;
            let now_s = self.clock.utc_at(now).0.unsigned_abs() / SECOND_NS;
            cell.set(ends.map_or(0, |end| now_s + left_s(end)));
        }
    }
}

/// Tells the countdown what a page says; one that cannot be read says nothing.
pub fn watch_orders_of(
    deadman: &mut Deadman,
    place: usize,
    segment: &Segment,
    page: usize,
    bytes: &mut [u8; PAGE_BYTES_MAX],
) {
    if let Some(page) = read_page(segment, page, bytes) {
        deadman.set_orders(place, page.orders_open > 0 || page.orders_unknown > 0);
    }
}

/// True when the engine's thread has not shown itself for so long that nobody decides any more. It
/// is told the time four times a second.
#[must_use]
pub fn is_frozen(segment: &Segment, now: MonoNs) -> bool {
    now.since(MonoNs(segment.hotpath_heartbeat_ns())) >= FROZEN_NS
}

/// The page of an instrument, once it was written.
pub fn read_page(
    segment: &Segment,
    index: usize,
    bytes: &mut [u8; PAGE_BYTES_MAX],
) -> Option<InstrumentPage> {
    let length = segment.instrument_page(index)?.read(bytes).ok().flatten()?;
    InstrumentPage::from_bytes(bytes.get(..length)?).ok()
}

/// Steps of a sweep go through the engine into the journal.
struct Notes<'a>(&'a mut Inbox, &'a ServerClock);

impl SweepEvents for Notes<'_> {
    fn step(&mut self, step: KillStep) {
        let (act, market, symbol) = (step.act, step.market, step.symbol);
        let (count, error_code) = (step.count, step.error_code);
        tracing::warn!(%act, %market, %symbol, count, error_code, "KILL");
        // It stands in the log; the sweep does not wait for an engine that hangs.
        self.0.offer(Input::KillStep(step));
    }

    fn clock_refused(&mut self) {
        self.1.refuse();
    }
}

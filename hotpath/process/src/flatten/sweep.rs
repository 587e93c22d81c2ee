//! One market's sweep, driven until it is verified.
//!
//! In: keys, a base URL, symbols. Out: a report of every act. Never: an end before the exchange
//! shows that nothing is left; whoever has less patience stops waiting.

use super::report::{MarketReport, StepLine};
use crate::clock;
use crate::failure::Failure;
use crate::gateway::rest::{Response, RestClient, remaining};
use crate::gateway::socket::Dialer;
use crate::kill::wiring::closing_prefix;
use binance::rest::{parse_time, time};
use binance::session::{
    Governor, HttpRequest, Now, SECOND_NS, SweepEvents, SweepSettings, Sweeper,
};
use binance::sign::Credentials;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use market::record::KillStep;
use market::{Market, MonoNs, Symbol, UtcMs};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

const SEED: u64 = 31;

/// Between two looks when nothing is due by itself.
const LOOK: Duration = Duration::from_millis(500);

/// The account at the exchange.
pub(super) struct Account {
    pub(super) credentials: Credentials,
    pub(super) dialer: Dialer,
    pub(super) close_positions: bool,
    pub(super) only_prefix: Option<String>,
}

type Call = Pin<Box<dyn Future<Output = (u64, Option<Response>)>>>;

/// Limits of the exchange a minute; nobody has asked it for others here.
const fn weight_limit(market: Market) -> u32 {
    match market {
        Market::UsdM => 2_400,
        Market::Spot => 6_000,
    }
}

/// Sweeps until verified.
pub(super) async fn sweep_market(
    account: &Account,
    market: Market,
    rest_url: &str,
    symbols: Vec<Symbol>,
    begun: MonoNs,
) -> Result<MarketReport, Failure> {
    let key = &account.credentials.api_key;
    let client = Rc::new(RestClient::new(account.dialer.clone(), rest_url, key)?);
    let settings = SweepSettings {
        market,
        close_positions: account.close_positions,
        only_prefix: account.only_prefix.clone(),
        id_prefix: closing_prefix('e', std::process::id()),
    };
    let mut sweeper = Sweeper::new(settings, account.credentials.clone(), SEED);
    let mut governor = Governor::new(weight_limit(market)).sharing(client.silence());
    let mut notes = Notes::new(market, begun);
    let mut calls: FuturesUnordered<Call> = FuturesUnordered::new();
    sweeper.start(symbols, account.close_positions);
    while !sweeper.is_verified() {
        if std::mem::take(&mut notes.clock_refused) {
            notes.measure_time(&client).await;
        }
        let now = notes.now();
        while let Some((number, request)) = sweeper.poll(now, &mut governor) {
            let client = Rc::clone(&client);
            calls.push(Box::pin(
                async move { (number, client.send(&request).await) },
            ));
        }
        let due = sweeper.next_deadline().map_or(LOOK, remaining);
        tokio::select! {
            done = next(&mut calls) => {
                let (number, response) = done;
                let outcome = response.as_ref().map(Response::as_reply);
                let now = notes.now();
                if let Some(reply) = &outcome {
                    governor.on_reply(reply, now);
                }
                sweeper.on_reply(number, outcome, now.mono, &mut notes);
            }
            () = tokio::time::sleep(due) => {}
        }
    }
    Ok(MarketReport {
        market: market.to_string(),
        verified: true,
        verified_ms: clock::monotonic().since(begun) / 1_000_000,
        rounds: sweeper.rounds(),
        steps: notes.steps,
    })
}

async fn next(calls: &mut FuturesUnordered<Call>) -> (u64, Option<Response>) {
    match calls.next().await {
        Some(done) => done,
        None => std::future::pending().await,
    }
}

/// Keeps the steps, and the exchange's time.
struct Notes {
    market: Market,
    begun: MonoNs,
    steps: Vec<StepLine>,
    clock_refused: bool,
    /// Of the exchange's clock from the monotonic one, in milliseconds.
    offset_ms: i64,
}

impl Notes {
    /// The local wall clock's time, until the exchange refuses it.
    fn new(market: Market, begun: MonoNs) -> Self {
        let offset_ms = clock::utc().to_ms().0 - mono_ms(clock::monotonic());
        Self {
            market,
            begun,
            steps: Vec::new(),
            clock_refused: false,
            offset_ms,
        }
    }

    fn now(&self) -> Now {
        let mono = clock::monotonic();
        Now {
            mono,
            server: UtcMs(self.offset_ms + mono_ms(mono)),
        }
    }

    /// The middle of the round trip is near enough: the window is a minute.
    async fn measure_time(&mut self, client: &RestClient) {
        let sent = clock::monotonic();
        let request = HttpRequest {
            call: time(self.market),
            deadline: sent.after(3 * SECOND_NS),
        };
        let response = client.send(&request).await;
        let told = response
            .as_ref()
            .and_then(|one| parse_time(one.as_reply().body).ok());
        if let Some(server) = told {
            let middle = mono_ms(sent).midpoint(mono_ms(clock::monotonic()));
            self.offset_ms = server.0 - middle;
            tracing::warn!(
                offset_ms = self.offset_ms,
                "the exchange's time is measured"
            );
        }
    }
}

fn mono_ms(time: MonoNs) -> i64 {
    i64::try_from(time.0 / 1_000_000).unwrap_or(i64::MAX)
}

impl SweepEvents for Notes {
    fn step(&mut self, step: KillStep) {
        let at_ms = clock::monotonic().since(self.begun) / 1_000_000;
        let (act, market, symbol) = (step.act, step.market, step.symbol);
        let (count, error_code) = (step.count, step.error_code);
        tracing::warn!(at_ms, %act, %market, %symbol, count, error_code, "KILL");
        self.steps.push(StepLine {
            at_ms,
            act: act.to_string(),
            symbol: symbol.to_string(),
            count,
            error_code,
        });
    }

    fn clock_refused(&mut self) {
        self.clock_refused = true;
    }
}

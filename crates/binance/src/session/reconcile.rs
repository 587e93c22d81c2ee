//! Reconciliation: open orders, positions and balances as the exchange states them.
//!
//! In: the engine's wish and replies. Out: signed requests one after the other, and one complete
//! account of the state between Begin and End. Never: an End after a part that failed; then all
//! of it begins again.

use super::http::success;
use super::{Backoff, Governor, HttpOutcome, HttpRequest, MILLISECOND_NS, Now, SECOND_NS};
use crate::orders::Stamp;
use crate::rest::{self, RestError};
use crate::sign::Credentials;
use market::buggify::{Point, happens};
use market::{
    BalanceReport, Instrument, Instruments, LiquidationReport, MarginReport, Market, Money, MonoNs,
    OpenOrderReport, PositionReport, Quantity, UtcMs,
};

/// Takes a reconciliation.
pub trait ReconcileEvents {
    /// It begins: what was asked for after this moment is not covered by it.
    fn begin(&mut self);
    /// One open order, ours or foreign.
    fn open_order(&mut self, order: OpenOrderReport);
    /// One position; every futures instrument of the table is told, flat ones too.
    fn position(&mut self, position: PositionReport);
    /// One balance.
    fn balance(&mut self, balance: BalanceReport);
    /// Margin in one asset; comes before the balances. One who does not care leaves it.
    fn margin(&mut self, _: MarginReport) {}
    /// The liquidation price of one position. One who does not care leaves it.
    fn liquidation(&mut self, _: LiquidationReport) {}
    /// It is complete.
    fn end(&mut self);
    /// A part could not be had or read; it will be tried again.
    fn failed(&mut self, why: String);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    OpenOrders,
    Positions,
    Balances,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Due { part: Part, at: MonoNs },
    InFlight(Part),
}

/// Reconciles one market.
#[derive(Debug)]
pub struct Reconciler {
    market: Market,
    credentials: Credentials,
    state: State,
    wanted_again: bool,
    backoff: Backoff,
    /// Of the positions of the run under way.
    maintenance: Money,
}

/// `recvWindow` of these requests.
const WINDOW_MS: u32 = 5_000;

impl Reconciler {
    /// Nothing to do yet.
    #[must_use]
    pub const fn new(market: Market, credentials: Credentials, seed: u64) -> Self {
        Self {
            market,
            credentials,
            state: State::Idle,
            wanted_again: false,
            maintenance: Money::ZERO,
            backoff: Backoff::new(200 * MILLISECOND_NS, 5 * SECOND_NS, seed),
        }
    }

    /// The engine wants to know the state; a wish during a run starts another one after it.
    pub fn want(&mut self, now: MonoNs) {
        if self.state == State::Idle {
            self.start(now);
        } else {
            self.wanted_again = true;
        }
    }

    /// The request that is due, if the budget allows it.
    pub fn poll(
        &mut self,
        now: Now,
        governor: &mut Governor,
        events: &mut impl ReconcileEvents,
    ) -> Option<HttpRequest> {
        let State::Due { part, at } = self.state else {
            return None;
        };
        if now.mono < at {
            return None;
        }
        if happens(Point::ReconcileLate) {
            let at = now.mono.after(300 * MILLISECOND_NS);
            self.state = State::Due { part, at };
            return None;
        }
        let stamp = Stamp {
            timestamp: now.server,
            recv_window_ms: WINDOW_MS,
        };
        let call = match (part, self.market) {
            (Part::OpenOrders, market) => rest::open_orders(market, None, &self.credentials, stamp),
            (Part::Positions, _) => rest::positions(&self.credentials, stamp),
            (Part::Balances, Market::UsdM) => rest::balances(&self.credentials, stamp),
            (Part::Balances, Market::Spot) => rest::account(Market::Spot, &self.credentials, stamp),
        };
        if let Err(at) = governor.admit(call.weight, now) {
            self.state = State::Due { part, at };
            return None;
        }
        if part == Part::OpenOrders {
            events.begin();
        }
        self.state = State::InFlight(part);
        Some(HttpRequest {
            call,
            deadline: now.mono.after(5 * SECOND_NS),
        })
    }

    /// When `poll` may have something to say.
    #[must_use]
    pub const fn next_deadline(&self) -> Option<MonoNs> {
        match self.state {
            State::Due { at, .. } => Some(at),
            _ => None,
        }
    }

    /// The answer to the last request.
    pub fn on_reply(
        &mut self,
        outcome: HttpOutcome<'_>,
        now: MonoNs,
        instruments: &Instruments<'_>,
        events: &mut impl ReconcileEvents,
    ) {
        let State::InFlight(part) = self.state else {
            return;
        };
        let told = match success(outcome).filter(|_| !happens(Point::ReconcileFailed)) {
            Some(body) => self.tell(part, body, instruments, events),
            None => Err(describe(outcome)),
        };
        if let Err(why) = told {
            events.failed(why);
            let at = now.after(self.backoff.fail());
            let part = Part::OpenOrders;
            self.state = State::Due { part, at };
            return;
        }
        let next = match (part, self.market) {
            (Part::OpenOrders, Market::UsdM) => Some(Part::Positions),
            (Part::OpenOrders, Market::Spot) | (Part::Positions, _) => Some(Part::Balances),
            (Part::Balances, _) => None,
        };
        if let Some(part) = next {
            self.state = State::Due { part, at: now };
            return;
        }
        events.end();
        self.backoff.succeed();
        self.state = State::Idle;
        if std::mem::take(&mut self.wanted_again) {
            self.start(now);
        }
    }

    const fn start(&mut self, now: MonoNs) {
        self.state = State::Due {
            part: Part::OpenOrders,
            at: now,
        };
    }

    fn tell(
        &mut self,
        part: Part,
        body: &[u8],
        instruments: &Instruments<'_>,
        events: &mut impl ReconcileEvents,
    ) -> Result<(), String> {
        let text = |error: RestError| error.to_string();
        match part {
            Part::OpenOrders => {
                let open = rest::parse_open_orders(body, instruments, self.market);
                for order in open.map_err(text)?.orders {
                    events.open_order(order);
                }
            }
            Part::Positions => {
                let told = rest::parse_positions(body, instruments).map_err(text)?;
                if told.hedge_legs > 0 {
                    return Err("the account is in hedge mode; switch it to one-way".to_string());
                }
                for position in positions(&told.positions, instruments) {
                    events.position(position);
                }
                for instrument in futures(instruments) {
                    let told = told.liquidations.iter();
                    let found = told.copied().find(|one| one.instrument == instrument.id);
                    events.liquidation(found.unwrap_or(LiquidationReport {
                        instrument: instrument.id,
                        price_e8: 0,
                    }));
                }
                self.maintenance = told.maintenance;
            }
            Part::Balances => {
                let balances = match self.market {
                    Market::UsdM => rest::parse_balances(body).map_err(text)?,
                    Market::Spot => {
                        let account = rest::parse_account(body, instruments, Market::Spot);
                        account.map_err(text)?.balances
                    }
                };
                for margin in balances.margins {
                    events.margin(MarginReport {
                        maintenance: match self.market {
                            Market::UsdM => self.maintenance,
                            Market::Spot => Money::ZERO,
                        },
                        ..margin
                    });
                }
                for balance in balances.balances {
                    events.balance(balance);
                }
            }
        }
        Ok(())
    }
}

/// The exchange lists what is held; what it leaves out is flat.
fn positions(
    told: &[PositionReport],
    instruments: &Instruments<'_>,
) -> impl Iterator<Item = PositionReport> {
    futures(instruments).map(|instrument| {
        let found = told.iter().find(|one| one.instrument == instrument.id);
        found.copied().unwrap_or(PositionReport {
            instrument: instrument.id,
            quantity: Quantity::ZERO,
            entry_price_e8: 0,
            update_time: UtcMs(0),
        })
    })
}

fn futures<'a>(instruments: &Instruments<'a>) -> impl Iterator<Item = &'a Instrument> {
    let all = instruments.0.iter();
    all.filter(|one| one.market == Market::UsdM)
}

fn describe(outcome: HttpOutcome<'_>) -> String {
    match outcome {
        None => "no reply".to_string(),
        Some(reply) => {
            let failure = rest::parse_failure(reply.status, reply.body);
            format!(
                "status {}: {} ({})",
                failure.status, failure.message, failure.code
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::HttpReply;
    use crate::sign::Signer;
    use market::{Filters, Instrument, InstrumentId, InstrumentStatus, Step, Symbol};

    #[derive(Default)]
    struct Seen(Vec<String>);

    impl ReconcileEvents for Seen {
        fn begin(&mut self) {
            self.0.push("begin".to_string());
        }
        fn open_order(&mut self, order: OpenOrderReport) {
            self.0.push(format!("order {}", order.client_order_id));
        }
        fn position(&mut self, position: PositionReport) {
            let text = format!("position {} {}", position.instrument.0, position.quantity.0);
            self.0.push(text);
        }
        fn balance(&mut self, balance: BalanceReport) {
            self.0.push(format!("balance {}", balance.asset));
        }
        fn end(&mut self) {
            self.0.push("end".to_string());
        }
        fn failed(&mut self, _: String) {
            self.0.push("failed".to_string());
        }
    }

    fn table() -> Vec<Instrument> {
        let one = |id, symbol: &str| Instrument {
            id: InstrumentId(id),
            market: Market::UsdM,
            symbol: Symbol::new(symbol.as_bytes()).unwrap(),
            tick: Step::from_text(b"0.10").unwrap(),
            lot: Step::from_text(b"0.001").unwrap(),
            price_decimals: 2,
            quantity_decimals: 3,
            status: InstrumentStatus::Trading,
            filters: Filters::NONE,
        };
        vec![one(0, "BTCUSDT"), one(1, "ETHUSDT")]
    }

    fn now(ms: u64) -> Now {
        Now {
            mono: MonoNs(ms * MILLISECOND_NS),
            server: UtcMs(ms as i64),
        }
    }

    fn ok(body: &[u8]) -> HttpOutcome<'_> {
        Some(HttpReply {
            status: 200,
            retry_after_s: None,
            used_weight: None,
            body,
        })
    }

    fn reconciler() -> Reconciler {
        let credentials = Credentials {
            api_key: "k".to_string(),
            signer: Signer::hmac(b"s"),
        };
        Reconciler::new(Market::UsdM, credentials, 1)
    }

    const POSITIONS: &[u8] =
        br#"[{"symbol":"ETHUSDT","positionSide":"BOTH","positionAmt":"-0.005","entryPrice":"1.0","updateTime":1}]"#;

    #[test]
    fn orders_positions_and_balances_come_between_begin_and_end() {
        let table = table();
        let instruments = Instruments(&table);
        let mut governor = Governor::new(2400);
        let mut reconciler = reconciler();
        let mut seen = Seen::default();
        reconciler.want(now(1).mono);
        let bodies: [(&str, &[u8]); 3] = [
            ("/fapi/v1/openOrders", b"[]"),
            ("/fapi/v3/positionRisk", POSITIONS),
            (
                "/fapi/v3/balance",
                br#"[{"asset":"USDT","balance":"5.0","updateTime":1}]"#,
            ),
        ];
        for (path, body) in bodies {
            let request = reconciler.poll(now(3), &mut governor, &mut seen).unwrap();
            assert_eq!(request.call.path, path);
            assert!(request.call.query.contains("&signature="));
            reconciler.on_reply(ok(body), now(3).mono, &instruments, &mut seen);
        }
        let expected = [
            "begin",
            "position 0 0",
            "position 1 -5",
            "balance USDT",
            "end",
        ];
        assert_eq!(seen.0, expected);
        assert_eq!(reconciler.poll(now(9), &mut governor, &mut seen), None);
    }

    #[test]
    fn a_part_that_fails_starts_the_whole_again_and_never_ends_it() {
        let table = table();
        let instruments = Instruments(&table);
        let mut governor = Governor::new(2400);
        let mut reconciler = reconciler();
        let mut seen = Seen::default();
        reconciler.want(now(1).mono);
        reconciler.poll(now(1), &mut governor, &mut seen).unwrap();
        reconciler.on_reply(ok(b"[]"), now(2).mono, &instruments, &mut seen);
        reconciler.poll(now(2), &mut governor, &mut seen).unwrap();
        reconciler.on_reply(None, now(3).mono, &instruments, &mut seen);
        assert_eq!(reconciler.poll(now(3), &mut governor, &mut seen), None);
        let again = reconciler.poll(now(300), &mut governor, &mut seen).unwrap();
        assert_eq!(again.call.path, "/fapi/v1/openOrders");
        assert_eq!(seen.0, ["begin", "failed", "begin"]);
    }

    #[test]
    fn a_wish_during_a_run_is_not_lost() {
        let table = table();
        let instruments = Instruments(&table);
        let mut governor = Governor::new(2400);
        let mut reconciler = reconciler();
        let mut seen = Seen::default();
        reconciler.want(now(1).mono);
        for body in [&b"[]"[..], b"[]", b"[]"] {
            reconciler.poll(now(1), &mut governor, &mut seen).unwrap();
            reconciler.want(now(1).mono);
            reconciler.on_reply(ok(body), now(1).mono, &instruments, &mut seen);
        }
        assert!(reconciler.poll(now(1), &mut governor, &mut seen).is_some());
    }
}

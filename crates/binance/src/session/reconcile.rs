//! Reconciliation: trades, open orders of both kinds, positions and balances as the exchange states
//! them.
//!
//! In: the engine's wishes and replies. Out: signed requests one after the other, and one complete
//! account of the state between Begin and End. Never: an End after a part that failed; then all
//! of it begins again. Only trades and conditional orders may be left out of a look: the engine is
//! not told that they are complete, and asks again.
//!
//! ```text
//! Begin | trades of what is doubted, page by page | open orders | conditional orders, now and then
//!       | positions | balances | End
//! ```
//!
//! Trades come first: what they tell is in the positions that follow.

use super::http::{describe, success};
use super::{Backoff, Governor, HttpOutcome, HttpRequest, MILLISECOND_NS, Now, SECOND_NS};
use crate::orders::Stamp;
use crate::rest::{self, RestError, TRADES_PAGE, TradesFrom};
use crate::sign::Credentials;
use market::buggify::{Point, happens};
use market::{
    AlgoOrderReport, BalanceReport, ClientOrderId, ElsewhereReport, ExchangeOrderId, Instrument,
    InstrumentId, Instruments, LiquidationReport, MarginReport, Market, Money, MonoNs,
    OpenOrderReport, PositionReport, Quantity, Side, TradeId, TradeReport, TradesWanted, UtcMs,
};

/// Takes a reconciliation.
pub trait ReconcileEvents {
    /// It begins: what was asked for after this moment is not covered by it.
    fn begin(&mut self);
    /// One trade of the account, of those that were asked for.
    fn trade(&mut self, trade: TradeReport);
    /// All trades of an instrument that were asked for have been told.
    fn trades_listed(&mut self, instrument: InstrumentId);
    /// One open order, ours or foreign.
    fn open_order(&mut self, order: OpenOrderReport);
    /// One position; every futures instrument of the table is told, flat ones too.
    fn position(&mut self, position: PositionReport);
    /// One open conditional order, ours or foreign. One who does not care leaves it.
    fn algo_order(&mut self, _: AlgoOrderReport) {}
    /// What there is beside the table. One who does not care leaves it.
    fn elsewhere(&mut self, _: ElsewhereReport) {}
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
    /// Trades or conditional orders could not be had; the rest goes on.
    fn incomplete(&mut self, _: String) {}
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// Of the wish with this number.
    Trades(usize),
    OpenOrders,
    AlgoOrders,
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
    /// Trades that the next run lists.
    wanted_trades: Vec<TradesWanted>,
    /// Those of the run under way.
    listing: Vec<TradesWanted>,
    /// The run under way was told to begin.
    begun: bool,
    /// Where the next page begins, and which one it is.
    page: (Option<TradeId>, u32),
    elsewhere: ElsewhereReport,
    /// When conditional orders were listed last.
    algo_listed: Option<MonoNs>,
}

/// Most pages of one instrument in one look: 50,000 trades. Beyond that the exchange's word on the
/// position has to do.
const PAGES_MAX: u32 = 50;

/// Conditional orders are listed this often, and in the first look: 40 weight is much for a look
/// that is repeated until answers and fills agree.
const ALGO_EVERY_NS: u64 = 300 * SECOND_NS;

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
            wanted_trades: Vec::new(),
            listing: Vec::new(),
            begun: false,
            page: (None, 0),
            elsewhere: ElsewhereReport {
                market,
                orders: 0,
                algo_orders: 0,
                positions: 0,
            },
            algo_listed: None,
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

    /// The next look lists these trades, too.
    pub fn want_trades(&mut self, wanted: TradesWanted) {
        let mut all = self.wanted_trades.iter_mut();
        match all.find(|one| one.instrument == wanted.instrument) {
            Some(one) if wanted.after < one.after => *one = wanted,
            Some(_) => {}
            None => self.wanted_trades.push(wanted),
        }
    }

    /// The request that is due, if the budget allows it.
    pub fn poll(
        &mut self,
        now: Now,
        governor: &mut Governor,
        instruments: &Instruments<'_>,
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
            (Part::Trades(number), _) => {
                let Some(call) = self.trades_call(number, instruments, stamp) else {
                    // Not of this table: there is nothing to list.
                    let part = self.after_trades(number);
                    self.state = State::Due { part, at };
                    return None;
                };
                call
            }
            (Part::AlgoOrders, _) => rest::open_algo_orders(&self.credentials, stamp),
            (Part::OpenOrders, market) => rest::open_orders(market, None, &self.credentials, stamp),
            (Part::Positions, _) => rest::positions(&self.credentials, stamp),
            (Part::Balances, Market::UsdM) => rest::balances(&self.credentials, stamp),
            (Part::Balances, Market::Spot) => rest::account(Market::Spot, &self.credentials, stamp),
        };
        if let Err(at) = governor.admit(call.weight, now) {
            self.state = State::Due { part, at };
            return None;
        }
        if !std::mem::replace(&mut self.begun, true) {
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
            Some(body) => self.tell(part, body, now, instruments, events),
            None => Err(describe(outcome)),
        };
        if let Err(why) = told {
            match part {
                Part::Trades(_) => {
                    self.page = (None, 0);
                    events.incomplete(why);
                }
                // The first look has to know them; an exchange without them has none.
                Part::AlgoOrders if self.algo_listed.is_some() || is_unknown(outcome) => {
                    self.algo_listed = Some(now);
                    events.incomplete(why);
                }
                _ => {
                    events.failed(why);
                    self.begun = false;
                    let at = now.after(self.backoff.fail());
                    self.page = (None, 0);
                    let part = self.first_part();
                    self.state = State::Due { part, at };
                    return;
                }
            }
        }
        let next = match (part, self.market) {
            (Part::Trades(_), _) if self.page.1 > 0 => Some(part),
            (Part::Trades(number), _) => Some(self.after_trades(number)),
            (Part::OpenOrders, Market::UsdM) if self.algo_is_due(now) => Some(Part::AlgoOrders),
            (Part::OpenOrders | Part::AlgoOrders, Market::UsdM) => Some(Part::Positions),
            (Part::OpenOrders | Part::AlgoOrders, Market::Spot) | (Part::Positions, _) => {
                Some(Part::Balances)
            }
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

    fn start(&mut self, now: MonoNs) {
        self.listing = std::mem::take(&mut self.wanted_trades);
        self.page = (None, 0);
        self.begun = false;
        let part = self.first_part();
        self.state = State::Due { part, at: now };
    }

    fn first_part(&self) -> Part {
        match self.listing.is_empty() {
            true => Part::OpenOrders,
            false => Part::Trades(0),
        }
    }

    fn after_trades(&self, number: usize) -> Part {
        match number + 1 < self.listing.len() {
            true => Part::Trades(number + 1),
            false => Part::OpenOrders,
        }
    }

    fn algo_is_due(&self, now: MonoNs) -> bool {
        let due = |at: MonoNs| now.since(at) >= ALGO_EVERY_NS;
        self.algo_listed.is_none_or(due)
    }

    /// The next page of a wish; `None` for an instrument that is not in the table.
    fn trades_call(
        &self,
        number: usize,
        instruments: &Instruments<'_>,
        stamp: Stamp,
    ) -> Option<rest::Call> {
        let wanted = self.listing.get(number)?;
        let instrument = instruments.get(wanted.instrument)?;
        let from = match (self.page.0, wanted.after) {
            (Some(id), _) => TradesFrom::Trade(id),
            (None, TradeId(0)) => TradesFrom::Time(wanted.since),
            (None, TradeId(after)) => TradesFrom::Trade(TradeId(after + 1)),
        };
        let credentials = &self.credentials;
        Some(rest::user_trades(instrument, from, credentials, stamp))
    }

    /// One page of trades; `page` says afterwards whether another one follows.
    fn tell_trades(
        &mut self,
        number: usize,
        body: &[u8],
        instruments: &Instruments<'_>,
        events: &mut impl ReconcileEvents,
    ) -> Result<(), RestError> {
        let wanted = self.listing[number];
        let instrument = instruments.get(wanted.instrument);
        let instrument = instrument.expect("the call was made for an instrument of the table");
        let trades = rest::parse_user_trades(body, instrument)?;
        let last = trades.iter().map(|one| one.trade_id).max();
        for trade in &trades {
            events.trade(TradeReport {
                instrument: instrument.id,
                trade_id: trade.trade_id,
                exchange_order_id: trade.exchange_order_id,
                side: trade.side,
                price: trade.price,
                quantity: trade.quantity,
                liquidity: trade.liquidity,
                commission: trade.commission,
                commission_asset: trade.commission_asset,
                transaction_time: trade.time,
            });
        }
        let pages = self.page.1 + 1;
        let full = trades.len() >= TRADES_PAGE;
        self.page = match last.filter(|_| full && pages < PAGES_MAX) {
            Some(TradeId(last)) => (Some(TradeId(last + 1)), pages),
            None => (None, 0),
        };
        if self.page.1 == 0 {
            events.trades_listed(instrument.id);
        }
        Ok(())
    }

    fn tell_algo_orders(
        &mut self,
        body: &[u8],
        now: MonoNs,
        instruments: &Instruments<'_>,
        events: &mut impl ReconcileEvents,
    ) -> Result<(), RestError> {
        let listed = rest::parse_algo_orders(body)?;
        self.algo_listed = Some(now);
        self.elsewhere.algo_orders = 0;
        for one in &listed {
            let symbol = one.symbol.as_bytes();
            let Some(instrument) = instruments.find(Market::UsdM, symbol) else {
                self.elsewhere.algo_orders += 1;
                continue;
            };
            let price = instrument.price_from_text(one.trigger_price.as_bytes());
            let quantity = instrument.quantity_from_text(one.quantity.as_bytes());
            let name = one.client_algo_id.as_bytes();
            events.algo_order(AlgoOrderReport {
                instrument: instrument.id,
                client_order_id: ClientOrderId::new(name).unwrap_or_default(),
                exchange_order_id: ExchangeOrderId(one.algo_id),
                side: match one.side.as_str() {
                    "BUY" => Side::Buy,
                    _ => Side::Sell,
                },
                // Only shown: a trailing stop has none, others may lie between ticks.
                price: price.unwrap_or_default(),
                quantity: quantity.unwrap_or_default(),
            });
        }
        Ok(())
    }

    fn tell(
        &mut self,
        part: Part,
        body: &[u8],
        now: MonoNs,
        instruments: &Instruments<'_>,
        events: &mut impl ReconcileEvents,
    ) -> Result<(), String> {
        let text = |error: RestError| error.to_string();
        match part {
            Part::Trades(number) => {
                let told = self.tell_trades(number, body, instruments, events);
                told.map_err(text)?;
            }
            Part::AlgoOrders => {
                let told = self.tell_algo_orders(body, now, instruments, events);
                told.map_err(text)?;
            }
            Part::OpenOrders => {
                let open = rest::parse_open_orders(body, instruments, self.market);
                let open = open.map_err(text)?;
                self.elsewhere.orders = count(open.other_symbols);
                for order in open.orders {
                    events.open_order(order);
                }
            }
            Part::Positions => {
                let told = rest::parse_positions(body, instruments).map_err(text)?;
                if told.hedge_legs > 0 {
                    return Err("the account is in hedge mode; switch it to one-way".to_string());
                }
                self.elsewhere.positions = count(told.other_symbols);
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
                events.elsewhere(self.elsewhere);
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

/// The exchange does not know this request at all.
fn is_unknown(outcome: HttpOutcome<'_>) -> bool {
    outcome.is_some_and(|reply| reply.status == 404)
}

fn count(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn futures<'a>(instruments: &Instruments<'a>) -> impl Iterator<Item = &'a Instrument> {
    let all = instruments.0.iter();
    all.filter(|one| one.market == Market::UsdM)
}

#[cfg(test)]
mod tests;

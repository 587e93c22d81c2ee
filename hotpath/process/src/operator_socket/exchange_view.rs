//! Open orders of the account, as the exchange lists them.
//!
//! In: its answers. Out: lines of replies, ours and others' marked. Never: the engine's own view;
//! what matters in an emergency is what is really there.

use crate::clock;
use crate::configuration::CLIENT_ID_PREFIX;
use crate::gateway::rest::Response;
use crate::kill::desk::{Desk, Question};
use binance::rest::{
    ListedAlgoOrder, ListedOrder, parse_algo_orders, parse_failure, parse_listed_orders,
};
use market::{ClientOrderId, Market, MonoNs};
use operator::{AlgoOrderLine, ErrorCode, OrderLine, Refusal};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

/// Whole lists in a minute: each costs 80 of 2,400 weight in futures, and the machines of the hot
/// path live on the same budget.
const LISTS_PER_MINUTE: usize = 5;

const MINUTE_NS: u64 = 60_000_000_000;

/// Both kinds of open orders.
pub type Listing = (Vec<OrderLine>, Vec<AlgoOrderLine>);

/// The last listing, and when the lists of the last minute were asked for.
#[derive(Default)]
pub struct Lists {
    last: RefCell<Option<(MonoNs, Listing)>>,
    asked: RefCell<VecDeque<MonoNs>>,
}

impl Lists {
    /// A fresh listing, or the last one where that would cost too much; with its age.
    ///
    /// # Errors
    /// [`Refusal`] when a list cannot be had, or would cost too much and there is no last one.
    pub async fn show(&self, desks: &[Rc<Desk>]) -> Result<(Listing, u64), Refusal> {
        let now = clock::monotonic();
        let spent = {
            let mut asked = self.asked.borrow_mut();
            while asked.front().is_some_and(|at| now.since(*at) >= MINUTE_NS) {
                asked.pop_front();
            }
            asked.len() >= LISTS_PER_MINUTE
        };
        if spent {
            let (at, listing) = self.last.borrow().clone().ok_or_else(too_often)?;
            // Never 0: that is a fresh one.
            return Ok((listing, (now.since(at) / 1_000_000).max(1)));
        }
        self.asked.borrow_mut().push_back(now);
        let listing = open_orders(desks).await?;
        *self.last.borrow_mut() = Some((now, listing.clone()));
        Ok((listing, 0))
    }
}

/// What is asked needs a fresh listing, and there is none in this minute.
pub fn too_often() -> Refusal {
    Refusal::new(
        ErrorCode::TooOften,
        format!(
            "the exchange was asked for whole lists {LISTS_PER_MINUTE} times within a minute; \
             again in a minute, or cancel by symbol or `all`, which need none"
        ),
    )
}

/// Every open order of every market, both kinds, asked for now.
///
/// # Errors
/// [`Refusal`] when a list cannot be had.
pub async fn open_orders(desks: &[Rc<Desk>]) -> Result<Listing, Refusal> {
    let (mut orders, mut algo_orders) = (Vec::new(), Vec::new());
    for desk in desks {
        let body = body(desk.ask(Question::OpenOrders).await)?;
        let listed = parse_listed_orders(&body).map_err(|error| unavailable(error.to_string()))?;
        orders.extend(listed.into_iter().map(|one| order_line(desk.market, one)));
        if desk.market == Market::UsdM {
            let body = self::body(desk.ask(Question::OpenAlgoOrders).await)?;
            let listed = parse_algo_orders(&body);
            let listed = listed.map_err(|error| unavailable(error.to_string()))?;
            algo_orders.extend(listed.into_iter().map(algo_line));
        }
    }
    Ok((orders, algo_orders))
}

/// The body of a success.
///
/// # Errors
/// [`Refusal`] with what the exchange says.
pub fn body(response: Option<Response>) -> Result<Vec<u8>, Refusal> {
    let Some(response) = response else {
        return Err(unavailable("no answer".to_string()));
    };
    let reply = response.as_reply();
    if reply.status == 200 {
        return Ok(reply.body.to_vec());
    }
    let failure = parse_failure(reply.status, reply.body);
    Err(unavailable(format!(
        "status {}: {} ({})",
        failure.status, failure.message, failure.code
    )))
}

/// The exchange's word on a cancel.
///
/// # Errors
/// [`Refusal`]: it refused, or whether it did what was asked is not known.
pub fn cancelled(response: Option<Response>) -> Result<(), Refusal> {
    let unknown = |why: &str| {
        let message =
            format!("{why}: whether the order is cancelled is not known; `orders` shows it");
        Refusal::new(ErrorCode::OutcomeUnknown, message)
    };
    match response {
        None => Err(unknown("no answer")),
        Some(response) if response.status >= 500 => {
            Err(unknown(&format!("status {}", response.status)))
        }
        answered => body(answered).map(drop),
    }
}

fn unavailable(why: String) -> Refusal {
    Refusal::new(
        ErrorCode::ExchangeUnavailable,
        format!("the exchange: {why}"),
    )
}

/// `OWN` where the id is one of the engine's, or of a protective stop.
fn origin(id: &str) -> String {
    let own = |id: ClientOrderId| id.parse(CLIENT_ID_PREFIX).is_some() || id.is_protective_stop();
    let own = ClientOrderId::new(id.as_bytes()).is_some_and(own);
    if own { "OWN" } else { "EXTERNAL" }.to_string()
}

fn order_line(market: Market, one: ListedOrder) -> OrderLine {
    OrderLine {
        market: market.to_string(),
        symbol: one.symbol.to_string(),
        origin: origin(&one.client_order_id),
        client_order_id: one.client_order_id,
        order_id: one.order_id,
        side: one.side,
        order_type: one.order_type,
        price: one.price,
        quantity: one.quantity,
        filled: one.filled,
        reduce_only: one.reduce_only,
    }
}

fn algo_line(one: ListedAlgoOrder) -> AlgoOrderLine {
    AlgoOrderLine {
        symbol: one.symbol.to_string(),
        origin: origin(&one.client_algo_id),
        client_algo_id: one.client_algo_id,
        algo_id: one.algo_id,
        side: one.side,
        order_type: one.order_type,
        trigger_price: one.trigger_price,
        quantity: one.quantity,
        close_position: one.close_position,
    }
}

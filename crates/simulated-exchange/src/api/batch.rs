//! Several orders with one call: place, modify, cancel (binance.md 1.3).
//!
//! In: a JSON list of orders, or lists of ids. Out: a list of order objects and errors, in the
//! order of the request. Never: one refusal that stops the others.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::endpoint::{Answer, Call};
use super::error::ApiError;
use super::params::Params;
use super::trading;

/// Orders of one list.
const ORDERS_MAX: usize = 5;
/// Ids of one list.
const IDS_MAX: usize = 10;

/// `POST …/batchOrders`.
///
/// # Errors
/// -1102, -1130, -4082; refusals of single orders stand in the list.
pub fn place(call: &mut Call<'_>) -> Answer {
    each(call, trading::place)
}

/// `PUT …/batchOrders`.
///
/// # Errors
/// As [`place`].
pub fn modify(call: &mut Call<'_>) -> Answer {
    each(call, trading::modify)
}

/// `DELETE …/batchOrders`.
///
/// # Errors
/// -1102 without ids, -1130, -4082.
pub fn cancel(call: &mut Call<'_>) -> Answer {
    let symbol = call.instrument()?.symbol;
    let lists = [
        ("orderIdList", "orderidlist", "orderId"),
        (
            "origClientOrderIdList",
            "origclientorderidlist",
            "origClientOrderId",
        ),
    ];
    for (name, lower, single) in lists {
        let sent = call.params.get(name).or_else(|| call.params.get(lower));
        let Some(text) = sent else { continue };
        let ids: Vec<Box<RawValue>> =
            serde_json::from_str(text).map_err(|_| ApiError::invalid(name))?;
        check_length(ids.len(), IDS_MAX)?;
        let quoted = serde_json::value::to_raw_value(symbol.as_str());
        let symbol = quoted.expect("a symbol is a text");
        let requests = ids.into_iter().map(|id| {
            let pairs = [
                ("symbol".to_owned(), symbol.clone()),
                (single.to_owned(), id),
            ];
            BTreeMap::from(pairs)
        });
        return run(call, requests.collect(), trading::cancel);
    }
    Err(ApiError::mandatory("orderIdList"))
}

fn each(call: &mut Call<'_>, handler: fn(&mut Call<'_>) -> Answer) -> Answer {
    let text = call.params.require("batchOrders")?;
    let requests: Vec<BTreeMap<String, Box<RawValue>>> =
        serde_json::from_str(text).map_err(|_| ApiError::invalid("batchOrders"))?;
    check_length(requests.len(), ORDERS_MAX)?;
    run(call, requests, handler)
}

fn check_length(length: usize, most: usize) -> Result<(), ApiError> {
    if (1..=most).contains(&length) {
        return Ok(());
    }
    Err(ApiError::new(
        -4082,
        "Invalid number of batch place orders.",
    ))
}

fn run(
    call: &mut Call<'_>,
    requests: Vec<BTreeMap<String, Box<RawValue>>>,
    handler: fn(&mut Call<'_>) -> Answer,
) -> Answer {
    let mut out = vec![b'['];
    for request in requests {
        let (params, _) = Params::from_json(&request);
        // Every order of a list without an id of its own needs another one.
        call.exchange.requests += 1;
        let mut single = Call {
            exchange: &mut *call.exchange,
            market: call.market,
            params: &params,
            now: call.now,
            connection: call.connection,
        };
        if out.len() > 1 {
            out.push(b',');
        }
        match handler(&mut single) {
            Ok(text) => out.extend(text),
            Err(error) if trading::is_lost(&error) => return Err(error),
            Err(error) => out.extend(error.body()),
        }
    }
    out.push(b']');
    Ok(out)
}

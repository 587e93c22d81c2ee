//! `fulcrum drill`: a kill for practice, from a trading box back to a trading box.
//!
//! In: the operator's key, a paper account that trades. Out: how long each part took. Never: a box
//! that it leaves KILLED without saying so, the end of a kill that is no drill.

use super::line::Line;
use super::{Failure, exit, failure, reset};
use operator::{ErrorCode, OperatorKey, Refusal, Reply, Request, StatusReply};
use serde_json::json;
use std::time::{Duration, Instant};

/// How long each part may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a drill found and how long it took.
struct Times {
    orders: u32,
    positions: usize,
    /// Milliseconds from the latch to the verification, by the hot path's own clock.
    verified_ms: u64,
    /// The same from outside: from the request to the news of the verification.
    flat_ms: u128,
    /// From the request until the box traded again.
    restored_ms: u128,
    durable: bool,
}

/// Kills, waits, resets, starts, waits.
///
/// # Errors
/// A refusal, with nothing changed; or how far it got, and that the box is KILLED.
pub(super) fn run(connection: &mut Line, key: &OperatorKey, json: bool) -> Result<(), Failure> {
    if matches!(connection, Line::Away(_)) {
        let text = "a drill is for the local operator alone, at the machine";
        return Err((exit::BAD_ARGUMENT, text.to_string()));
    }
    let before = status(connection)?;
    let positions = held(connection)?;
    let begun = Instant::now();
    match connection.ask(&Request::Drill)? {
        Reply::Killed(_) => {}
        Reply::Refused(refusal) => return Err(refused(&refusal)),
        _ => return Err(failure("a reply of another version")),
    }
    let verified = wait(connection, begun, "all is verified to be gone", |status| {
        status.kill.verified && status.orders_open == 0 && status.kill.durable.is_some()
    })?;
    let flat_ms = begun.elapsed().as_millis();
    if !verified.kill.drill {
        let text = "another kill came during the drill; it holds: see `fulcrum status`";
        return Err(failure(text));
    }
    end(connection, key, begun)?;
    match connection.ask(&Request::Start)? {
        Reply::Accepted { .. } => {}
        Reply::Refused(refusal) => return Err(refused(&refusal)),
        _ => return Err(failure("a reply of another version")),
    }
    wait(connection, begun, "it trades again", |status| {
        status.state == "ACTIVE"
    })?;
    let sweeps = verified.kill.sweeps.iter();
    show(
        &Times {
            orders: before.orders_open,
            positions,
            verified_ms: sweeps
                .filter_map(|one| one.verified_after_ms)
                .max()
                .unwrap_or(0),
            flat_ms,
            restored_ms: begun.elapsed().as_millis(),
            durable: verified.kill.durable == Some(true),
        },
        json,
    );
    Ok(())
}

/// The reset; whoever else has just placed an order is swept first.
fn end(connection: &mut Line, key: &OperatorKey, begun: Instant) -> Result<(), Failure> {
    loop {
        match reset(connection, key, true)? {
            Reply::Reset { .. } => return Ok(()),
            Reply::Refused(refusal)
                if refusal.code == ErrorCode::OrdersOpen && begun.elapsed() < PATIENCE =>
            {
                std::thread::sleep(connection.pause());
            }
            Reply::Refused(refusal) => {
                let (code, text) = refused(&refusal);
                return Err((code, format!("{text}; the box is KILLED")));
            }
            _ => return Err(failure("a reply of another version; the box is KILLED")),
        }
    }
}

fn status(connection: &mut Line) -> Result<StatusReply, Failure> {
    match connection.ask(&Request::Status)? {
        Reply::Status(status) => Ok(*status),
        Reply::Refused(refusal) => Err(refused(&refusal)),
        _ => Err(failure("a reply of another version")),
    }
}

/// Positions that are there.
fn held(connection: &mut Line) -> Result<usize, Failure> {
    let Reply::Positions { positions } = connection.ask(&Request::Positions)? else {
        return Err(failure("a reply of another version"));
    };
    // A flat one has no entry price.
    let held = positions.iter().filter(|one| !one.entry_price.is_empty());
    Ok(held.count())
}

fn wait(
    connection: &mut Line,
    begun: Instant,
    what: &str,
    holds: impl Fn(&StatusReply) -> bool,
) -> Result<StatusReply, Failure> {
    loop {
        let status = status(connection)?;
        if holds(&status) {
            return Ok(status);
        }
        if begun.elapsed() > PATIENCE {
            let (state, seconds) = (&status.state, PATIENCE.as_secs());
            let text = format!("not within {seconds} s: {what}; the box is {state}");
            return Err((exit::EXCHANGE_UNAVAILABLE, text));
        }
        std::thread::sleep(connection.pause());
    }
}

fn refused(refusal: &Refusal) -> Failure {
    failure(refusal.message.clone())
}

fn show(times: &Times, json: bool) {
    if json {
        let page = json!({
            "reply": "drill",
            "orders": times.orders,
            "positions": times.positions,
            "verified_ms": times.verified_ms,
            "flat_ms": times.flat_ms,
            "restored_ms": times.restored_ms,
            "durable": times.durable,
        });
        println!("{page}");
        return;
    }
    println!(
        "drilled with {} open orders and {} positions\n\
         verified by the exchange {} ms after the latch, told after {} ms\n\
         trading again after {} ms\n\
         latch on the disk: {}",
        times.orders,
        times.positions,
        times.verified_ms,
        times.flat_ms,
        times.restored_ms,
        if times.durable { "yes" } else { "no" },
    );
}

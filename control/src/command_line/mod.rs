//! `fulcrum`: the operator's command line, over `operator.sock`, control's sockets or the network.
//!
//! In: a verb. Out: tables or JSON on stdout, complaints on stderr, an exit code of the
//! conventions. Never: a need for control to be alive, to act at the machine; there it talks to the
//! hot path itself.

mod api_keys;
mod arguments;
mod config;
mod connection;
mod doctor;
mod drill;
mod key;
mod line;
mod looks;
mod manual;
mod probe;
mod remote;
mod rows;
mod tables;
mod top;
mod versions;
mod watch;

use arguments::{Arguments, StrategyVerb, Verb};
use clap::Parser;
use line::Line;
use operator::{ErrorCode, OperatorKey, Refusal, Reply, Request, reset_text};
use remote::Remote;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Exit codes of the conventions.
mod exit {
    pub(super) const FAILURE: u8 = 1;
    pub(super) const BAD_ARGUMENT: u8 = 2;
    pub(super) const EXCHANGE_UNAVAILABLE: u8 = 69;
    pub(super) const TEMPORARY: u8 = 75;
    pub(super) const BAD_CONFIGURATION: u8 = 78;
}

/// How long the command line waits for a kill to be verified.
const KILL_PATIENCE: Duration = Duration::from_secs(60);

/// A complaint and its exit code.
type Failure = (u8, String);

/// Carries a verb out.
#[must_use]
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    match carry_out(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, complaint)) => {
            eprintln!("fulcrum: {complaint}");
            ExitCode::from(code)
        }
    }
}

fn carry_out(arguments: &Arguments) -> Result<(), Failure> {
    let as_json = arguments.json;
    match &arguments.verb {
        Verb::OperatorKey { out } => key::make(out),
        Verb::Completions { shell } => manual::completions(*shell),
        Verb::Man { out } => manual::pages(out),
        Verb::Config { verb } => config::run(verb, arguments),
        Verb::Key { verb } => api_keys::run(verb, arguments),
        Verb::Fills(wanted) => look_at(arguments, &rows::FILLS, wanted),
        Verb::Trades(wanted) => look_at(arguments, &rows::TRADES, wanted),
        Verb::History(wanted) => look_at(arguments, &rows::HISTORY, wanted),
        Verb::Denials(wanted) => look_at(arguments, &rows::DENIALS, wanted),
        Verb::Breakers(wanted) => look_at(arguments, &rows::BREAKERS, wanted),
        Verb::States(wanted) => look_at(arguments, &rows::STATES, wanted),
        Verb::Income(wanted) => look_at(arguments, &rows::INCOME, wanted),
        Verb::Stats => rows::stats(&mut Remote::of(arguments)?, as_json),
        Verb::Health => rows::health(&mut Remote::of(arguments)?, as_json),
        Verb::Audit { limit, before } => {
            rows::audit(&mut Remote::of(arguments)?, *limit, *before, as_json)
        }
        Verb::Strategies { verb } => {
            let mut remote = Remote::of(arguments)?;
            match verb {
                None => versions::strategies(&mut remote, as_json),
                Some(StrategyVerb::Enable { name, symbol }) => {
                    versions::switch(&mut remote, name, symbol.as_deref(), true, as_json)
                }
                Some(StrategyVerb::Disable { name, symbol }) => {
                    versions::switch(&mut remote, name, symbol.as_deref(), false, as_json)
                }
            }
        }
        Verb::Watch { topics, after } => watch::run(topics, after.as_deref(), arguments),
        Verb::Probe(options) => probe::run(options, arguments),
        Verb::Top(options) => top::run(options, arguments),
        Verb::Doctor(options) => doctor::run(options, arguments),
        Verb::Kill { no_wait, .. } => kill(&mut Line::open(arguments)?, arguments, !no_wait),
        Verb::Reset { operator_key } => {
            let key = key::read(operator_key)?;
            let reply = reset(&mut Line::open(arguments)?, &key, false)?;
            show(&reply, as_json)
        }
        Verb::Drill { operator_key } => {
            let key = key::read(operator_key)?;
            drill::run(&mut Line::open(arguments)?, &key, as_json)
        }
        verb => {
            if let Some(look) = verb.look() {
                return looks::run(look, arguments);
            }
            let request = verb.request().ok_or_else(|| failure("no such verb"))?;
            let reply = Line::open(arguments)?.ask(&request)?;
            show(&reply, as_json)
        }
    }
}

fn look_at(
    arguments: &Arguments,
    kind: &rows::Kind,
    wanted: &rows::RowsWanted,
) -> Result<(), Failure> {
    rows::show(&mut Remote::of(arguments)?, kind, wanted, arguments.json)
}

fn failure(text: impl Into<String>) -> Failure {
    (exit::FAILURE, text.into())
}

/// The kill goes out at once; then the command line watches until all is gone.
fn kill(connection: &mut Line, arguments: &Arguments, wait: bool) -> Result<(), Failure> {
    let begun = Instant::now();
    let request = arguments
        .verb
        .request()
        .ok_or_else(|| failure("no such verb"))?;
    let acknowledged = connection.ask(&request)?;
    if !arguments.json || !wait {
        show(&acknowledged, arguments.json)?;
    }
    if !matches!(acknowledged, Reply::Killed(_)) || !wait {
        return Ok(());
    }
    loop {
        let reply = connection.ask(&Request::Status)?;
        let Reply::Status(status) = reply else {
            return show(&reply, arguments.json);
        };
        if status.kill.verified && status.orders_open == 0 {
            let done = Reply::Killed(status.kill);
            if arguments.json {
                return show(&done, true);
            }
            println!(
                "verified by the exchange after {:.1} s",
                begun.elapsed().as_secs_f64()
            );
            return Ok(());
        }
        if begun.elapsed() > KILL_PATIENCE {
            let seconds = KILL_PATIENCE.as_secs();
            let text = format!(
                "KILLED, but not verified within {seconds} s; it goes on: see `fulcrum status`"
            );
            return Err((exit::EXCHANGE_UNAVAILABLE, text));
        }
        std::thread::sleep(connection.pause());
    }
}

/// Answers the challenge; `drill` when nothing but a drill may be ended.
fn reset(connection: &mut Line, key: &OperatorKey, drill: bool) -> Result<Reply, Failure> {
    let challenge = connection.ask(&Request::Challenge)?;
    let Reply::Challenge {
        nonce,
        account,
        since_utc_ms,
    } = challenge
    else {
        return Ok(challenge);
    };
    let signature = key.sign(&reset_text(&account, since_utc_ms, &nonce));
    connection.ask(&Request::Reset {
        nonce,
        signature,
        drill,
    })
}

/// Data to stdout; a refusal becomes the complaint and the exit code.
fn show(reply: &Reply, json: bool) -> Result<(), Failure> {
    if json {
        print!("{}", reply.line());
    }
    if let Reply::Refused(Refusal { code, message }) = reply {
        let exit = match code {
            ErrorCode::ExchangeUnavailable => exit::EXCHANGE_UNAVAILABLE,
            ErrorCode::OutcomeUnknown | ErrorCode::TooOften => exit::TEMPORARY,
            _ => exit::FAILURE,
        };
        return Err((exit, message.clone()));
    }
    if !json {
        print!("{}", tables::text(reply));
    }
    Ok(())
}

//! `fulcrum`: the operator's command line, over `operator.sock`.
//!
//! In: a verb. Out: tables or JSON on stdout, complaints on stderr, an exit code of the
//! conventions. Never: a need for control to be alive; it talks to the hot path itself.

mod api;
mod api_keys;
mod arguments;
mod config;
mod connection;
mod control_api;
mod drill;
mod key;
mod looks;
mod manual;
mod tables;
mod versions;
mod watch;

use arguments::{Arguments, StrategyVerb, Verb};
use clap::Parser;
use connection::Connection;
use control_api::ControlApi;
use operator::{ErrorCode, OperatorKey, Refusal, Reply, Request, reset_text};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Exit codes of the conventions.
mod exit {
    pub(super) const FAILURE: u8 = 1;
    pub(super) const EXCHANGE_UNAVAILABLE: u8 = 69;
    pub(super) const TEMPORARY: u8 = 75;
    pub(super) const BAD_CONFIGURATION: u8 = 78;
}

/// How long the command line waits for a kill to be verified.
const KILL_PATIENCE: Duration = Duration::from_secs(60);

const LOOK: Duration = Duration::from_millis(50);

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
    if let Verb::OperatorKey { out } = &arguments.verb {
        return key::make(out);
    }
    if let Verb::Config { verb } = &arguments.verb {
        return config::run(verb, arguments);
    }
    match &arguments.verb {
        Verb::Completions { shell } => return manual::completions(*shell),
        Verb::Man { out } => return manual::pages(out),
        Verb::Key { verb } => {
            return api_keys::run(verb, &arguments.state_dir, arguments.json);
        }
        Verb::Strategies { verb } => {
            let api = ControlApi::beside(&arguments.socket()?);
            return match verb {
                None => versions::strategies(&api, arguments.json),
                Some(StrategyVerb::Enable { name, symbol }) => {
                    versions::switch(&api, name, symbol.as_deref(), true, arguments.json)
                }
                Some(StrategyVerb::Disable { name, symbol }) => {
                    versions::switch(&api, name, symbol.as_deref(), false, arguments.json)
                }
            };
        }
        Verb::Watch { topics, after } => return watch::run(topics, after.as_deref(), arguments),
        verb => {
            if let Some(look) = verb.look() {
                return looks::run(look, arguments);
            }
        }
    }
    let mut connection = Connection::open(&arguments.socket()?)?;
    match &arguments.verb {
        Verb::Kill { no_wait, .. } => kill(&mut connection, arguments, !no_wait),
        Verb::Reset { operator_key } => {
            let key = key::read(operator_key)?;
            let reply = reset(&mut connection, &key, false)?;
            show(&reply, arguments.json)
        }
        Verb::Drill { operator_key } => {
            let key = key::read(operator_key)?;
            drill::run(&mut connection, &key, arguments.json)
        }
        verb => {
            let request = verb.request().ok_or_else(|| failure("no such verb"))?;
            let reply = connection.ask(&request)?;
            show(&reply, arguments.json)
        }
    }
}

fn failure(text: impl Into<String>) -> Failure {
    (exit::FAILURE, text.into())
}

/// The kill goes out at once; then the command line watches until all is gone.
fn kill(connection: &mut Connection, arguments: &Arguments, wait: bool) -> Result<(), Failure> {
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
        std::thread::sleep(LOOK);
    }
}

/// Answers the challenge; `drill` when nothing but a drill may be ended.
fn reset(connection: &mut Connection, key: &OperatorKey, drill: bool) -> Result<Reply, Failure> {
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

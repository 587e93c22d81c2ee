//! The engine: one event in, requests and records out.
//!
//! In: [`crate::Event`]s. Out: what [`crate::Outbox`] holds. Never: two events at once.
//!
//! `core` holds the state and the order of a step; `absurd` refuses, `market_data`, `answers`, `account`,
//! `links` and `reconcile` take the inputs, `trades`, `adopt` and `externals` what reconciliation
//! brings besides; `configure` takes another configuration; `clock`, `exposure` and `breakers` keep what
//! risk asks for, `protection` what lies at the exchange beside us; `markouts` look at the market after
//! fills; `decide` runs strategies, planner and risk; `deadlines`, `pages` and
//! `checkpoint` do what their names say.

mod absurd;
mod account;
mod adopt;
mod amend;
mod answers;
mod assignment;
mod balances;
mod breakers;
mod checkpoint;
mod clock;
mod configure;
mod core;
mod deadlines;
mod decide;
mod emit;
mod exposure;
mod externals;
mod fees;
mod instrument;
mod links;
mod listing;
mod market_data;
mod markouts;
mod pages;
mod place;
mod protection;
mod reconcile;
#[cfg(test)]
mod tests;
mod trades;
mod wallet;

pub use self::checkpoint::CheckpointError;
pub use self::core::{ACCOUNT_DESK, Engine, FOREIGN};

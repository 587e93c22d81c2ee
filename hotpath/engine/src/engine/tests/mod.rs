//! The engine as a whole, driven by events.
//!
//! In: scripted and random events. Out: checks of requests, records and state. Never: a clock.

mod absurd;
mod account;
mod adopt;
mod amend;
mod blind;
mod breakers;
mod cells;
mod checkpoint;
mod clock;
mod collar;
mod configure;
mod cut_off;
mod exposure;
mod listed;
mod listing;
mod lists;
mod looks;
mod markouts;
mod orders;
mod properties;
mod rare;
mod reconcile;
pub(super) mod rig;
mod second_instance;
mod strategies;
mod wallet;

//! The simulation: one appliance and one exchange in virtual time, under seeded faults.
//!
//! In: a seed. Out: what was broken, what was covered, a hash over all that went in and out.
//! Never: a socket, a wait, a thread inside of a run, a clock that decides anything.
//!
//! The parts are the real ones: `engine` behind `hotpath`'s host with its journal, the session
//! machines of `binance`, frames through `websocket`, the core of `simulated-exchange`. Only the
//! shells that move bytes are other ones. `docs/simulation.md` says how to read a failure.
#![forbid(unsafe_code)]

pub mod appliance;
pub mod birth;
pub mod checker;
pub mod cold;
pub mod death;
pub mod desk;
pub mod disk;
pub mod emergency;
pub mod faults;
pub mod network;
pub mod pairs;
pub mod person;
pub mod protection;
pub mod random;
pub mod report;
pub mod run;
pub mod service;
pub mod venue;
pub mod world;
